/*
 * sqlite_memory.c -- SQLite's allocations counted like all others.
 *
 * SQLite asks for the size of any block, so each carries its size in 16 bytes before it. Going
 * through mw_alloc makes its memory visible in an account of its own, below that of the process, and lets a test fail any of its
 * allocations.
 */
#include <string.h>

#include "keep/store/sqlite.h"

enum { PREFIX = 16 };

mw_mem mw_sql__sqlite_mem = {.parent = &mw_mem_process};

static void *memory_malloc(int size) {
    char *block = mw_alloc(&mw_sql__sqlite_mem, PREFIX + (size_t)size);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + PREFIX;
}

static void memory_free(void *p) {
    if (p) mw_free((char *)p - PREFIX);
}

static void *memory_realloc(void *p, int size) {
    if (!p) return memory_malloc(size);
    char *block = mw_realloc(&mw_sql__sqlite_mem, (char *)p - PREFIX, PREFIX + (size_t)size);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + PREFIX;
}

static int memory_size(void *p) {
    int size = 0;
    if (p) memcpy(&size, (char *)p - PREFIX, sizeof size);
    return size;
}

static int memory_roundup(int size) { return (size + 7) & ~7; }
static int memory_init(void *unused) { return (void)unused, SQLITE_OK; }
static void memory_shutdown(void *unused) { (void)unused; }

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void configure(void) {
    static const sqlite3_mem_methods methods = {
        memory_malloc,  memory_free, memory_realloc,  memory_size,
        memory_roundup, memory_init, memory_shutdown, NULL};
    /* Refused only when something in the process has used SQLite before: then its own stays. */
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

mw_status mw_sqlite__memory(mw_err *err) {
    pthread_once(&once, configure);
    int code = sqlite3_initialize();
    return code == SQLITE_OK ? MW_OK : mw_sqlite__fail(NULL, code, "SQLite", err);
}
