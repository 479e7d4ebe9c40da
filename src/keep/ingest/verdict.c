/*
 * verdict.c -- see verdict.h. A set-associative cache: a file may stand in one of 4 places of its set, and takes that
 * of the set's oldest one.
 */
#include "keep/ingest/verdict.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "core/base/hash.h"

enum { N_SETS = 256, N_WAYS = 4 };

typedef struct verdict {
    uint64_t name, device, inode, size;
    int64_t modified_s, modified_ns, changed_s, changed_ns;
} verdict;

static struct {
    pthread_mutex_t mutex;
    verdict sets[N_SETS][N_WAYS]; /* newest first; size 0: empty, as no segment is */
} cache = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static verdict verdict_of(const char *name, const struct stat *info) {
    return (verdict){.name = mw_hash64(name, strlen(name)),
                     .device = (uint64_t)info->st_dev,
                     .inode = (uint64_t)info->st_ino,
                     .size = (uint64_t)info->st_size,
                     .modified_s = info->st_mtim.tv_sec,
                     .modified_ns = info->st_mtim.tv_nsec,
                     .changed_s = info->st_ctim.tv_sec,
                     .changed_ns = info->st_ctim.tv_nsec};
}

bool mw_verdict_is_good(const char *name, const struct stat *info) {
    const verdict wanted = verdict_of(name, info);
    bool found = false;
    pthread_mutex_lock(&cache.mutex);
    const verdict *set = cache.sets[wanted.name % N_SETS];
    for (size_t i = 0; i < N_WAYS && wanted.size; i++)
        found |= memcmp(&set[i], &wanted, sizeof wanted) == 0;
    pthread_mutex_unlock(&cache.mutex);
    return found;
}

void mw_verdict_keep_good(const char *name, const struct stat *info) {
    const verdict one = verdict_of(name, info);
    pthread_mutex_lock(&cache.mutex);
    verdict *set = cache.sets[one.name % N_SETS];
    memmove(&set[1], &set[0], (N_WAYS - 1) * sizeof *set);
    set[0] = one;
    pthread_mutex_unlock(&cache.mutex);
}
