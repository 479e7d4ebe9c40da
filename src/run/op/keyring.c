/* keyring.c -- see keyring.h. The list is replaced as a whole; readers hold a lock for the length of a look. */
#include "run/op/keyring.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/threads.h"

enum { SECRET_BYTES = 32, REFRESH_MS = 250, USED_EVERY_US = 60000000 };

static const char prefix[] = "mw_", holder_prefix[] = "key:";

typedef struct ring_key {
    char id[MW_KEY_ID + 1];
    char org[72];
    mw_role role;
    uint8_t hash[SECRET_BYTES];
    int64_t expires_us, used_us, told_us; /* told_us: what the store knows of used_us */
    bool revoked;
} ring_key;

struct mw_keyring {
    mw_ctx ctx;
    mw_store *store;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t wake;
    bool closing;
    uint64_t seen; /* the store's change counter, and that of its keys, before they were read */
    int64_t keys_seen;
    ring_key *keys; /* [n], by id */
    size_t n;
};

/* ---- texts ---- */

static mw_status start_sodium(mw_err *err) {
    return sodium_init() >= 0 ? MW_OK : mw_fail(err, MW_EINTERNAL, "libsodium does not start");
}

static void hash_secret(const uint8_t secret[SECRET_BYTES], uint8_t hash[SECRET_BYTES]) {
    (void)crypto_generichash(hash, SECRET_BYTES, secret, SECRET_BYTES, NULL, 0);
}

mw_status mw_key_make(char text[MW_KEY_TEXT_MAX], char id[MW_KEY_ID + 1],
                      char hash[MW_KEY_HASH_HEX], mw_err *err) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t secret[SECRET_BYTES], hashed[SECRET_BYTES];
    char coded[sodium_base64_ENCODED_LEN(SECRET_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    mw_status status = start_sodium(err);
    if (status) return status;
    for (int i = 0; i < MW_KEY_ID; i++) id[i] = digits[randombytes_uniform(32)];
    id[MW_KEY_ID] = '\0';
    randombytes_buf(secret, sizeof secret);
    hash_secret(secret, hashed);
    sodium_bin2hex(hash, MW_KEY_HASH_HEX, hashed, sizeof hashed);
    sodium_bin2base64(coded, sizeof coded, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(text, MW_KEY_TEXT_MAX, "%s%s_%s", prefix, id, coded);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(coded, sizeof coded);
    return MW_OK;
}

/* Its id and the hash of its secret; false: it is no key. */
static bool read_key(mw_str key, char id[MW_KEY_ID + 1], uint8_t hash[SECRET_BYTES]) {
    const size_t head = sizeof prefix - 1 + MW_KEY_ID;
    uint8_t secret[SECRET_BYTES];
    size_t n = 0;
    if (key.size <= head + 1 || key.size >= MW_KEY_TEXT_MAX || key.data[head] != '_') return false;
    if (memcmp(key.data, prefix, sizeof prefix - 1) != 0) return false;
    memcpy(id, key.data + sizeof prefix - 1, MW_KEY_ID);
    id[MW_KEY_ID] = '\0';
    const char *end = NULL;
    if (sodium_base642bin(secret, sizeof secret, key.data + head + 1, key.size - head - 1, NULL, &n,
                          &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        n != sizeof secret || end != key.data + key.size)
        return false;
    hash_secret(secret, hash);
    sodium_memzero(secret, sizeof secret);
    return true;
}

/* ---- reading them all ---- */

static bool read_record(const mw_key_record *record, ring_key *ret) {
    size_t n = 0;
    *ret = (ring_key){.expires_us = record->expires_us,
                      .used_us = record->last_used_us,
                      .told_us = record->last_used_us,
                      .revoked = record->revoked_us != 0};
    mw_str_copy(ret->id, sizeof ret->id, mw_str_of(record->id));
    mw_str_copy(ret->org, sizeof ret->org, mw_str_of(record->org));
    for (ret->role = MW_ROLE_VIEWER; strcmp(mw_role_name(ret->role), record->role) != 0;
         ret->role = (mw_role)(ret->role + 1))
        if (ret->role == MW_ROLE_WORKER) return false;
    return sodium_hex2bin(ret->hash, sizeof ret->hash, record->hash, strlen(record->hash), NULL, &n,
                          NULL) == 0 &&
           n == sizeof ret->hash;
}

static int by_id(const void *a, const void *b) { return strcmp(a, b); } /* id comes first */

static void take_over_used(ring_key *keys, size_t n, const ring_key *before, size_t n_before) {
    for (size_t i = 0; i < n && n_before > 0; i++) {
        const ring_key *old = bsearch(&keys[i], before, n_before, sizeof *before, by_id);
        if (old && old->used_us > keys[i].used_us) keys[i].used_us = old->used_us;
    }
}

static mw_status read_all(mw_keyring *ring, uint64_t seen, int64_t keys_seen, mw_err *err) {
    const mw_key_record *records;
    size_t n = 0, n_read = 0;
    mw_arena arena;
    mw_arena_init(&arena, ring->ctx.mem);
    mw_status status = mw_store_key_list(&ring->ctx, ring->store, &arena, NULL, &records, &n, err);
    ring_key *keys = status ? NULL : mw_alloc_array(ring->ctx.mem, n + 1, sizeof *keys);
    if (!status && !keys) status = mw_fail_nomem(err, "the API keys");
    for (size_t i = 0; i < n && !status; i++)
        if (read_record(&records[i], &keys[n_read])) n_read++;
    mw_arena_done(&arena);
    if (status) return status;
    if (n_read > 0) qsort(keys, n_read, sizeof *keys, by_id);
    pthread_mutex_lock(&ring->mutex);
    take_over_used(keys, n_read, ring->keys, ring->n);
    ring_key *before = ring->keys;
    ring->keys = keys;
    ring->n = n_read;
    ring->seen = seen;
    ring->keys_seen = keys_seen;
    pthread_mutex_unlock(&ring->mutex);
    mw_free(before);
    return MW_OK;
}

/* Whatever else changes in the store costs one number. Only the thread writes what is compared here. */
static mw_status read_changed(mw_keyring *ring, mw_err *err) {
    const uint64_t seen = mw_store_change_counter(ring->store);
    int64_t keys_seen;
    if (seen == ring->seen) return MW_OK;
    mw_status status = mw_store_key_counter(&ring->ctx, ring->store, &keys_seen, err);
    if (status) return status;
    if (keys_seen != ring->keys_seen) return read_all(ring, seen, keys_seen, err);
    ring->seen = seen;
    return MW_OK;
}

static mw_status read_first(mw_keyring *ring, mw_err *err) {
    const uint64_t seen = mw_store_change_counter(ring->store);
    int64_t keys_seen;
    mw_status status = mw_store_key_counter(&ring->ctx, ring->store, &keys_seen, err);
    return status ? status : read_all(ring, seen, keys_seen, err);
}

/* ---- the thread ---- */

/* One key whose last use the store does not know to a minute. */
static bool next_used(mw_keyring *ring, char id[MW_KEY_ID + 1], int64_t *ret_us) {
    bool found = false;
    pthread_mutex_lock(&ring->mutex);
    for (size_t i = 0; i < ring->n && !found; i++) {
        ring_key *key = &ring->keys[i];
        if (key->used_us - key->told_us < USED_EVERY_US) continue;
        memcpy(id, key->id, MW_KEY_ID + 1);
        *ret_us = key->told_us = key->used_us;
        found = true;
    }
    pthread_mutex_unlock(&ring->mutex);
    return found;
}

static void tell_used(mw_keyring *ring) {
    char id[MW_KEY_ID + 1];
    int64_t used_us;
    mw_err err;
    while (next_used(ring, id, &used_us))
        if (mw_store_key_used(&ring->ctx, ring->store, id, used_us, &err))
            mw_log_warn(&ring->ctx, "the use of a key is not recorded: %s", err.message);
}

static void *refresh_main(void *arg) {
    mw_keyring *ring = arg;
    mw_err err;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->closing) {
        mw_cond_wait_us(&ring->wake, &ring->mutex, REFRESH_MS * 1000);
        pthread_mutex_unlock(&ring->mutex);
        if (read_changed(ring, &err))
            mw_log_warn(&ring->ctx, "API keys are not read: %s", err.message);
        tell_used(ring);
        pthread_mutex_lock(&ring->mutex);
    }
    pthread_mutex_unlock(&ring->mutex);
    return NULL;
}

mw_status mw_keyring_new(const mw_ctx *ctx, mw_store *store, mw_keyring **ret, mw_err *err) {
    mw_status status = start_sodium(err);
    if (status) return status;
    mw_keyring *ring = mw_calloc(ctx->mem, 1, sizeof *ring);
    if (!ring) return mw_fail_nomem(err, "the API keys");
    ring->ctx = *ctx;
    ring->store = store;
    mw_cond_init(&ring->wake);
    pthread_mutex_init(&ring->mutex, NULL);
    status = read_first(ring, err);
    int failed = status ? 0 : mw_thread_start(&ring->thread, refresh_main, ring);
    if (failed) status = mw_fail_errno(err, failed, "cannot start the thread of the API keys");
    if (status) {
        ring->closing = true;
        mw_free(ring->keys);
        pthread_cond_destroy(&ring->wake);
        pthread_mutex_destroy(&ring->mutex);
        mw_free(ring);
        return status;
    }
    *ret = ring;
    return MW_OK;
}

void *mw_keyring_free(mw_keyring *ring) {
    if (!ring) return NULL;
    pthread_mutex_lock(&ring->mutex);
    ring->closing = true;
    pthread_cond_signal(&ring->wake);
    pthread_mutex_unlock(&ring->mutex);
    pthread_join(ring->thread, NULL);
    tell_used(ring);
    mw_free(ring->keys);
    pthread_cond_destroy(&ring->wake);
    pthread_mutex_destroy(&ring->mutex);
    return mw_free(ring);
}

/* ---- looking ---- */

bool mw_keyring_any(mw_keyring *ring) {
    bool any = false;
    pthread_mutex_lock(&ring->mutex);
    for (size_t i = 0; i < ring->n && !any; i++) any = !ring->keys[i].revoked;
    pthread_mutex_unlock(&ring->mutex);
    return any;
}

static bool is_good(const mw_keyring *ring, const ring_key *key) {
    return !key->revoked && (!key->expires_us || key->expires_us > mw_clock_utc(ring->ctx.clock));
}

/* With the mutex. */
static ring_key *key_of(const mw_keyring *ring, const char *id) {
    return ring->n ? bsearch(id, ring->keys, ring->n, sizeof *ring->keys, by_id) : NULL;
}

/* With the mutex. An id that nobody has takes as long as one with another secret. */
static bool look(mw_keyring *ring, const char *id, const uint8_t hash[SECRET_BYTES],
                 mw_key_holder *ret) {
    static const ring_key nobody = {.revoked = true};
    const int64_t now = mw_clock_utc(ring->ctx.clock);
    ring_key *found = key_of(ring, id);
    const ring_key *key = found ? found : &nobody;
    const bool same = sodium_memcmp(key->hash, hash, SECRET_BYTES) == 0;
    if (!same || !is_good(ring, key)) return false;
    if (found && found->used_us < now) found->used_us = now;
    (void)snprintf(ret->name, sizeof ret->name, "%s%s", holder_prefix, key->id);
    (void)snprintf(ret->org, sizeof ret->org, "%s", key->org);
    ret->principal = (mw_principal){.role = key->role};
    return true;
}

bool mw_keyring_find(mw_keyring *ring, mw_str text, mw_key_holder *ret) {
    char id[MW_KEY_ID + 1];
    uint8_t hash[SECRET_BYTES];
    if (!read_key(text, id, hash)) return false;
    pthread_mutex_lock(&ring->mutex);
    const bool found = look(ring, id, hash, ret);
    pthread_mutex_unlock(&ring->mutex);
    if (!found) return false;
    ret->principal.name = ret->name;
    ret->principal.org = strcmp(ret->org, "*") == 0 ? NULL : ret->org;
    return true;
}

bool mw_keyring_holds(mw_keyring *ring, const mw_key_holder *holder) {
    pthread_mutex_lock(&ring->mutex);
    const ring_key *key = key_of(ring, holder->name + sizeof holder_prefix - 1);
    const bool holds = key && is_good(ring, key) && key->role == holder->principal.role;
    pthread_mutex_unlock(&ring->mutex);
    return holds;
}
