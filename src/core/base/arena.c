/* arena.c -- a list of chunks, filled from the newest. */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct mw_arena_chunk {
    mw_arena_chunk *older;
    size_t capacity_bytes;
    size_t used_bytes;
    size_t padding; /* keeps data 16-byte aligned */
    unsigned char data[];
};

enum { FIRST_CHUNK_BYTES = 4096, LAST_CHUNK_BYTES = 1 << 20 };

void mw_arena_init(mw_arena *arena, mw_mem *mem) {
    *arena = (mw_arena){.mem = mem, .next_bytes = FIRST_CHUNK_BYTES};
}

void *mw_arena_alloc(mw_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + 15) & ~(size_t)15;
    mw_arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->capacity_bytes - chunk->used_bytes < size) {
        size_t capacity = size > arena->next_bytes ? size : arena->next_bytes;
        chunk = mw_alloc(arena->mem, sizeof *chunk + capacity);
        if (!chunk) return NULL;
        chunk->older = arena->chunks;
        chunk->capacity_bytes = capacity;
        chunk->used_bytes = 0;
        arena->chunks = chunk;
        if (arena->next_bytes < LAST_CHUNK_BYTES) arena->next_bytes *= 2;
    }
    void *p = chunk->data + chunk->used_bytes;
    chunk->used_bytes += size;
    return p;
}

void *mw_arena_calloc(mw_arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    void *p = mw_arena_alloc(arena, total);
    if (p) memset(p, 0, total);
    return p;
}

char *mw_arena_strndup(mw_arena *arena, const char *text, size_t n) {
    char *copy = mw_arena_alloc(arena, n + 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *mw_arena_strdup(mw_arena *arena, const char *text) {
    return mw_arena_strndup(arena, text, strlen(text));
}

char *mw_arena_printf(mw_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : mw_arena_alloc(arena, (size_t)n + 1);
    if (text) (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

static void free_from(mw_arena_chunk *chunk) {
    while (chunk) {
        mw_arena_chunk *older = chunk->older;
        mw_free(chunk);
        chunk = older;
    }
}

void mw_arena_reset(mw_arena *arena) {
    mw_arena_chunk *newest = arena->chunks;
    if (!newest) return;
    free_from(newest->older);
    newest->older = NULL;
    newest->used_bytes = 0;
}

void mw_arena_done(mw_arena *arena) {
    free_from(arena->chunks);
    arena->chunks = NULL;
    arena->next_bytes = FIRST_CHUNK_BYTES;
}
