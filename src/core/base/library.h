/*
 * library.h -- shared libraries that are loaded when they are needed, and not by every process.
 *
 * What      mw_library_load opens a library and fills a table of function pointers from it. It stays loaded.
 * Threads   any; callers see to it that one table is filled once (pthread_once).
 */
#ifndef MW_CORE_BASE_LIBRARY_H
#define MW_CORE_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct mw_library_symbol {
    const char *name;
    void *slot; /* address of a function pointer, written by mw_library_load */
} mw_library_symbol;

/* file: "libpq.so.5", looked for as the system does. False: it is not there, or not all of symbols [n] are. */
bool mw_library_load(const char *file, const mw_library_symbol *symbols, size_t n);

#endif
