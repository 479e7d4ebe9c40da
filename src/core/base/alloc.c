/*
 * alloc.c -- a 16-byte header before each block holds its account and size, so that accounts need
 * no table. Aligned blocks put the header in the last 16 of 64 bytes before the block.
 */
#include "core/base/alloc.h"

#include <stdbool.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct header {
    mw_mem *mem;
    size_t size_and_kind; /* size << 1 | aligned */
} header;

_Static_assert(sizeof(header) == 16, "blocks stay 16-byte aligned");

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };

mw_mem mw_mem_process;

static _Atomic uint64_t fault_at;
static _Atomic uint64_t fault_count;
static atomic_bool fault_fired;

void mw_alloc_fail_at(uint64_t n) {
    atomic_store(&fault_count, 0);
    atomic_store(&fault_fired, false);
    atomic_store(&fault_at, n);
}

uint64_t mw_alloc_count(void) { return atomic_load(&fault_count); }
int mw_alloc_fault_fired(void) { return atomic_load(&fault_fired); }

static bool injected_fault(void) {
    uint64_t at = atomic_load_explicit(&fault_at, memory_order_relaxed);
    if (at == 0) return false;
    if (atomic_fetch_add(&fault_count, 1) + 1 != at) return false;
    atomic_store(&fault_fired, true);
    return true;
}

void mw_mem_init(mw_mem *mem, mw_mem *parent, size_t ceiling_bytes) {
    mem->parent = parent;
    mem->ceiling_bytes = ceiling_bytes;
    atomic_init(&mem->used_bytes, 0);
    atomic_init(&mem->peak_bytes, 0);
    atomic_init(&mem->refused_bytes, 0);
}

size_t mw_mem_used(const mw_mem *mem) {
    return atomic_load(&((mw_mem *)(uintptr_t)mem)->used_bytes);
}
size_t mw_mem_peak(const mw_mem *mem) {
    return atomic_load(&((mw_mem *)(uintptr_t)mem)->peak_bytes);
}

size_t mw_mem_refused(const mw_mem *mem) {
    return atomic_load(&((mw_mem *)(uintptr_t)mem)->refused_bytes);
}

static void raise_to(_Atomic size_t *most, size_t now) {
    size_t seen = atomic_load_explicit(most, memory_order_relaxed);
    while (now > seen && !atomic_compare_exchange_weak_explicit(
                             most, &seen, now, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void credit(mw_mem *mem, size_t size) {
    for (; mem; mem = mem->parent)
        atomic_fetch_sub_explicit(&mem->used_bytes, size, memory_order_relaxed);
}

static bool charge(mw_mem *mem, size_t size) {
    for (mw_mem *m = mem; m; m = m->parent) {
        size_t now = atomic_fetch_add_explicit(&m->used_bytes, size, memory_order_relaxed) + size;
        if (m->ceiling_bytes && (now > m->ceiling_bytes || now < size)) {
            raise_to(&m->refused_bytes, now);
            for (mw_mem *undo = mem;; undo = undo->parent) {
                atomic_fetch_sub_explicit(&undo->used_bytes, size, memory_order_relaxed);
                if (undo == m) return false;
            }
        }
        raise_to(&m->peak_bytes, now);
    }
    return true;
}

/* Only advice: what it says does not matter. */
static void advise_huge(void *raw, size_t size) {
    uintptr_t begin = ((uintptr_t)raw + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uintptr_t end = ((uintptr_t)raw + size) / HUGE_PAGE * HUGE_PAGE;
    if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

static header *header_of(void *p) { return (header *)p - 1; }

static void *begin(mw_mem *mem, size_t size, bool aligned) {
    if (!mem) mem = &mw_mem_process;
    if (size > SIZE_MAX / 4 || injected_fault() || !charge(mem, size)) return NULL;
    size_t prefix = aligned ? ALIGNMENT : sizeof(header);
    size_t total = prefix + size;
    void *raw;
    if (aligned) {
        total = (total + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
        raw = aligned_alloc(ALIGNMENT, total);
    } else {
        raw = malloc(total);
    }
    if (!raw) {
        credit(mem, size);
        return NULL;
    }
    if (aligned && size >= HUGE_FROM) advise_huge(raw, total);
    void *p = (char *)raw + prefix;
    *header_of(p) = (header){.mem = mem, .size_and_kind = size << 1 | (aligned ? 1u : 0u)};
    return p;
}

void *mw_alloc(mw_mem *mem, size_t size) { return begin(mem, size, false); }
void *mw_alloc_aligned(mw_mem *mem, size_t size) { return begin(mem, size, true); }

void *mw_alloc_array(mw_mem *mem, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    return begin(mem, total, false);
}

void *mw_calloc(mw_mem *mem, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) return NULL;
    void *p = begin(mem, total, false);
    if (p) memset(p, 0, total);
    return p;
}

void *mw_realloc(mw_mem *mem, void *p, size_t size) {
    if (!p) return begin(mem, size, false);
    header *old = header_of(p);
    size_t old_size = old->size_and_kind >> 1;
    mem = old->mem;
    if (size > SIZE_MAX / 4 || injected_fault()) return NULL;
    if (size > old_size && !charge(mem, size - old_size)) return NULL;
    header *block = realloc(old, sizeof(header) + size);
    if (!block) {
        if (size > old_size) credit(mem, size - old_size);
        return NULL;
    }
    if (size < old_size) credit(mem, old_size - size);
    block->size_and_kind = size << 1;
    return block + 1;
}

void *mw_free(void *p) {
    if (!p) return NULL;
    header *block = header_of(p);
    credit(block->mem, block->size_and_kind >> 1);
    free(block->size_and_kind & 1u ? (void *)((char *)p - ALIGNMENT) : (void *)block);
    return NULL;
}

void *mw_memdup(mw_mem *mem, const void *data, size_t n) {
    void *copy = mw_alloc(mem, n);
    if (copy && n) memcpy(copy, data, n);
    return copy;
}

char *mw_strndup(mw_mem *mem, const char *text, size_t n) {
    char *copy = mw_alloc(mem, n + 1);
    if (!copy) return NULL;
    if (n) memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *mw_strdup(mw_mem *mem, const char *text) { return mw_strndup(mem, text, strlen(text)); }

void mw_mem_keep_freed(void) {
    enum { KEPT_BYTES = 64 << 20, MAPPED_FROM = 4 << 20 };
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
}
