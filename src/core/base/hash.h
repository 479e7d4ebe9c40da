/*
 * hash.h -- SHA-256 for what others check (libcrypto), XXH3-128 for the identity of data (libxxhash), and a fast 64-bit hash for tables in
 * memory.
 */
#ifndef MW_CORE_BASE_HASH_H
#define MW_CORE_BASE_HASH_H

#include "core/base/alloc.h"
#include "core/base/status.h"
#include "core/base/str.h"

enum { MW_SHA256_HEX = 65 }; /* 64 digits and a NUL */

typedef struct mw_sha256 mw_sha256;

mw_status mw_sha256_new(mw_sha256 **ret, mw_err *err);
void mw_sha256_add(mw_sha256 *sha, const void *data, size_t size);
/* Writes lower-case hex and frees. */
void mw_sha256_finish(mw_sha256 *sha, char hex[MW_SHA256_HEX]);
void *mw_sha256_free(mw_sha256 *sha); /* without a result; NULL is allowed */

mw_status mw_sha256_of(const void *data, size_t size, char hex[MW_SHA256_HEX], mw_err *err);

/*
 * XXH3-128: five times as fast as SHA-256, and as good at noticing a flipped bit; not against somebody who
 * looks for two contents with one hash (docs/decisions/0013).
 */
enum {
    MW_HASH128_HEX = 33, /* 32 digits and a NUL */
    MW_HASH128_NAME =
        34 /* the same behind an `x`: of a file or a source, told from older SHA-256 */
};

typedef struct mw_hash128 mw_hash128;

mw_status mw_hash128_new(mw_mem *mem, mw_hash128 **ret, mw_err *err);
void mw_hash128_add(mw_hash128 *hash, const void *data, size_t size);
/* Of all that was added so far, lower-case hex, most significant digit first. */
void mw_hash128_digest(const mw_hash128 *hash, char hex[MW_HASH128_HEX]);
void *mw_hash128_free(mw_hash128 *hash); /* NULL is allowed */
/* The same of bytes that lie together; needs no memory. */
void mw_hash128_of(const void *data, size_t size, char hex[MW_HASH128_HEX]);

/* XXH3-64: whether bytes on disk are those that were written. */
uint64_t mw_hash_check(const void *data, size_t size, uint64_t seed);

/* Not for identity on disk: the value may change between versions. */
uint64_t mw_hash64(const void *data, size_t size);

#endif
