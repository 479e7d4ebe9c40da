/*
 * hash.c -- SHA-256 through libcrypto's EVP (uses the CPU's SHA instructions where there are any),
 * XXH3 through libxxhash (its values are fixed since 0.8.0), and a 64-bit multiply-fold hash for tables in memory (the mixing step of wyhash: 64x64 -> 128,
 * folded). On x86-64 the library's dispatching calls take AVX2 or AVX-512 where the CPU has them: 86 GB/s in the cache instead of 20.
 */
#include "core/base/hash.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

static const char digits[] = "0123456789abcdef";

struct mw_sha256 {
    EVP_MD_CTX *digest;
};

mw_status mw_sha256_new(mw_sha256 **ret, mw_err *err) {
    mw_sha256 *sha = mw_alloc(NULL, sizeof *sha);
    if (!sha) return mw_fail_nomem(err, "a content hash");
    sha->digest = EVP_MD_CTX_new();
    if (!sha->digest || EVP_DigestInit_ex(sha->digest, EVP_sha256(), NULL) != 1) {
        const bool memory = ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE;
        const bool nothing = !sha->digest || memory;
        ERR_clear_error();
        mw_sha256_free(sha);
        return nothing ? mw_fail_nomem(err, "a content hash")
                       : mw_fail(err, MW_EINTERNAL, "SHA-256 is not available from libcrypto");
    }
    *ret = sha;
    return MW_OK;
}

void mw_sha256_add(mw_sha256 *sha, const void *data, size_t size) {
    /* Cannot fail after a successful init: no allocation, no provider call. */
    (void)EVP_DigestUpdate(sha->digest, data, size);
}

void mw_sha256_finish(mw_sha256 *sha, char hex[MW_SHA256_HEX]) {
    unsigned char bytes[EVP_MAX_MD_SIZE] = {0};
    (void)EVP_DigestFinal_ex(sha->digest, bytes, NULL);
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[64] = '\0';
    mw_sha256_free(sha);
}

void *mw_sha256_free(mw_sha256 *sha) {
    if (!sha) return NULL;
    EVP_MD_CTX_free(sha->digest);
    return mw_free(sha);
}

mw_status mw_sha256_of(const void *data, size_t size, char hex[MW_SHA256_HEX], mw_err *err) {
    mw_sha256 *sha;
    mw_status status = mw_sha256_new(&sha, err);
    if (status) return status;
    mw_sha256_add(sha, data, size);
    mw_sha256_finish(sha, hex);
    return MW_OK;
}

struct mw_hash128 {
    XXH3_state_t *state;
};

mw_status mw_hash128_new(mw_mem *mem, mw_hash128 **ret, mw_err *err) {
    mw_hash128 *hash = mw_alloc(mem, sizeof *hash);
    if (!hash) return mw_fail_nomem(err, "a content hash");
    hash->state = XXH3_createState();
    if (!hash->state || XXH3_128bits_reset(hash->state) != XXH_OK) {
        mw_hash128_free(hash);
        return mw_fail_nomem(err, "a content hash");
    }
    *ret = hash;
    return MW_OK;
}

void mw_hash128_add(mw_hash128 *hash, const void *data, size_t size) {
    /* Fails for a missing state only. */
    (void)XXH3_128bits_update(hash->state, data, size);
}

static void write_hash128(XXH128_hash_t value, char hex[MW_HASH128_HEX]) {
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, value);
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        hex[2 * i] = digits[bytes.digest[i] >> 4];
        hex[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    hex[2 * sizeof bytes.digest] = '\0';
}

void mw_hash128_digest(const mw_hash128 *hash, char hex[MW_HASH128_HEX]) {
    write_hash128(XXH3_128bits_digest(hash->state), hex);
}

void mw_hash128_of(const void *data, size_t size, char hex[MW_HASH128_HEX]) {
    write_hash128(XXH3_128bits(data, size), hex);
}

void *mw_hash128_free(mw_hash128 *hash) {
    if (!hash) return NULL;
    (void)XXH3_freeState(hash->state);
    return mw_free(hash);
}

uint64_t mw_hash_check(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}

static uint64_t fold(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load64(const unsigned char *p) {
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static uint64_t load_tail(const unsigned char *p, size_t n) {
    uint64_t value = 0;
    memcpy(&value, p, n);
    return value;
}

uint64_t mw_hash64(const void *data, size_t size) {
    /* Odd constants with evenly spread bits: digits of pi and the golden ratio. */
    const uint64_t k0 = UINT64_C(0x9E3779B97F4A7C15), k1 = UINT64_C(0x243F6A8885A308D3);
    const unsigned char *p = data;
    uint64_t hash = fold(size ^ k0, k1);
    size_t left = size;
    for (; left >= 16; left -= 16, p += 16) hash = fold(load64(p) ^ hash, load64(p + 8) ^ k1);
    if (left >= 8) {
        hash = fold(load64(p) ^ hash, k0);
        p += 8, left -= 8;
    }
    if (left) hash = fold(load_tail(p, left) ^ hash, k1 ^ left);
    return fold(hash, k0);
}
