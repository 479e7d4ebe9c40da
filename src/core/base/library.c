/* library.c -- see library.h. */
#include "core/base/library.h"

#include <dlfcn.h>
#include <string.h>

bool mw_library_load(const char *file, const mw_library_symbol *symbols, size_t n) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    bool found = library != NULL;
    for (size_t i = 0; i < n && found; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        memcpy(symbols[i].slot, &symbol, sizeof symbol); /* POSIX lets it go through void * */
        found = symbol != NULL;
    }
    return found;
}
