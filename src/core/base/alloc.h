/*
 * alloc.h -- counted allocation against a memory account with a ceiling.
 *
 * What      malloc with a bill: each block remembers its account, so freeing needs only the
 * pointer. An account may have a parent (a job under the process); both must have room. Lifetime
 * mw_mem_init -> (mw_alloc | mw_realloc | mw_free)* -> mw_mem_used(...) == 0 Threads   accounts are
 * atomic; a block may be freed by another thread than allocated it. Cost      malloc plus 16 bytes
 * (mw_alloc) or 64 bytes (mw_alloc_aligned) a block. Faults    mw_alloc_fail_at(n) makes the n-th
 * allocation from now fail, once: a test runs a scenario with n = 1, 2, 3 ... until it passes
 * untouched.
 */
#ifndef MW_CORE_BASE_ALLOC_H
#define MW_CORE_BASE_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mw_mem {
    struct mw_mem *parent; /* borrowed, may be NULL */
    size_t ceiling_bytes;  /* 0: no ceiling */
    _Atomic size_t used_bytes;
    _Atomic size_t peak_bytes;
    _Atomic size_t refused_bytes;
} mw_mem;

/* The account of everything that has no other: the process. It has no ceiling until one is set. */
extern mw_mem mw_mem_process;

void mw_mem_init(mw_mem *mem, mw_mem *parent, size_t ceiling_bytes);
size_t mw_mem_used(const mw_mem *mem);
size_t mw_mem_peak(const mw_mem *mem);
/* What the account would have held, had its ceiling not refused the largest block that it refused; 0: it refused none. */
size_t mw_mem_refused(const mw_mem *mem);

/*
 * All return NULL when the account's ceiling, the machine or an injected fault says no.
 * mem NULL means mw_mem_process. size 0 gives a valid, unique pointer.
 */
void *mw_alloc(mw_mem *mem, size_t size); /* 16-byte aligned, undefined content */
void *mw_calloc(mw_mem *mem, size_t count,
                size_t size); /* zeroed; NULL when count*size overflows */
void *mw_alloc_array(mw_mem *mem, size_t count, size_t size); /* not zeroed; overflow-checked */
/* 64-byte aligned, undefined content. From 4 MiB on in huge pages where the kernel has them to give: a first touch then costs a third. */
void *mw_alloc_aligned(mw_mem *mem, size_t size);

/* Resizes a block of mw_alloc/mw_calloc/mw_alloc_array (not an aligned one). On NULL the old block
 * is untouched. p NULL allocates from mem; otherwise the block's own account is used. */
void *mw_realloc(mw_mem *mem, void *p, size_t size);

/* Frees any of the above; NULL is allowed. Always returns NULL, for `p = mw_free(p)`. */
void *mw_free(void *p);

char *mw_strdup(mw_mem *mem, const char *text);
char *mw_strndup(mw_mem *mem, const char *text, size_t n); /* n bytes and a NUL */
void *mw_memdup(mw_mem *mem, const void *data, size_t n);

/* For a process that works through much data and then ends: freed blocks of up to 4 MiB stay with the process, up to 64 MiB a thread, so that
 * the next ones need no page faults. Call it before threads start. */
void mw_mem_keep_freed(void);

/* Fault injection, process-wide; 0 disarms. */
void mw_alloc_fail_at(uint64_t n);
/* Allocations made since mw_alloc_fail_at was last called; true if the fault has fired. */
uint64_t mw_alloc_count(void);
int mw_alloc_fault_fired(void);

#endif
