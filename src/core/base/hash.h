/*
 * hash.h -- SHA-256 for content identity (libcrypto), and a fast 64-bit hash for tables in memory.
 */
#ifndef MW_CORE_BASE_HASH_H
#define MW_CORE_BASE_HASH_H

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

/* Not for identity on disk: the value may change between versions. */
uint64_t mw_hash64(const void *data, size_t size);

#endif
