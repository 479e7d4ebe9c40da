/*
 * arena.h -- many small allocations with one lifetime, freed together.
 *
 * What      bump allocation from chunks that double up to 1 MiB.
 * Lifetime  mw_arena_init -> mw_arena_alloc* -> (mw_arena_reset -> ...)* -> mw_arena_done
 * Memory    from the account given to init; NULL when it says no.
 * Threads   one arena per thread.
 */
#ifndef MW_CORE_BASE_ARENA_H
#define MW_CORE_BASE_ARENA_H

#include "core/base/alloc.h"

typedef struct mw_arena_chunk mw_arena_chunk;

typedef struct mw_arena {
    mw_mem *mem;
    mw_arena_chunk *chunks; /* newest first */
    size_t next_bytes;
} mw_arena;

void mw_arena_init(mw_arena *arena, mw_mem *mem);
void *mw_arena_alloc(mw_arena *arena, size_t size); /* 16-byte aligned, undefined content */
void *mw_arena_calloc(mw_arena *arena, size_t count, size_t size);
char *mw_arena_strndup(mw_arena *arena, const char *text, size_t n);
char *mw_arena_strdup(mw_arena *arena, const char *text);
char *mw_arena_printf(mw_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void mw_arena_reset(mw_arena *arena); /* keeps the newest chunk */
void mw_arena_done(mw_arena *arena);

#endif
