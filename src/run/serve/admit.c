/* admit.c -- see admit.h. */
#include "run/serve/admit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/log.h"

enum {
    FREE_FAILURES = 5,
    FIRST_LOCK_US = 1000000,
    LAST_LOCK_US = 60000000,
    FORGET_US = 600000000,
    PEER_MAX = 64
};

/* An address and the id of the key it used. */
typedef struct lock {
    char peer[PEER_MAX], id[MW_KEY_ID + 1];
    int n_failed;
    int64_t failed_us, until_us; /* monotonic */
} lock;

struct mw_admit {
    const mw_ctx *ctx;
    mw_admit_options options;
    pthread_mutex_t mutex; /* of locks */
    int64_t n_failed;      /* ever: while it is 0 nobody is looked for */
    lock locks[MW_LOCKS];
    _Atomic int64_t n_refused, n_locked;
};

void mw_guest_copy(const mw_guest *guest, mw_guest *ret) {
    *ret = *guest;
    mw_principal *p = &ret->holder.principal;
    if (p->name == guest->holder.name) p->name = ret->holder.name;
    if (p->org == guest->holder.org) p->org = ret->holder.org;
}

mw_status mw_admit_new(const mw_ctx *ctx, const mw_admit_options *options, mw_admit **ret,
                       mw_err *err) {
    mw_admit *admit = mw_calloc(ctx->mem, 1, sizeof *admit);
    if (!admit) return mw_fail_nomem(err, "the look at API keys");
    admit->ctx = ctx;
    admit->options = *options;
    pthread_mutex_init(&admit->mutex, NULL);
    *ret = admit;
    return MW_OK;
}

void *mw_admit_free(mw_admit *admit) {
    if (!admit) return NULL;
    pthread_mutex_destroy(&admit->mutex);
    return mw_free(admit);
}

/* ---- what the request says ---- */

/* Empty: none. */
static mw_str key_of(const mw_message *message) {
    static const char bearer[] = "Bearer ";
    const size_t n = sizeof bearer - 1;
    mw_str field = mw_message_field(message, "Authorization");
    if (field.size > n && mw_str_is_nocase((mw_str){field.data, n}, bearer))
        return mw_str_trim((mw_str){field.data + n, field.size - n});
    field = mw_message_field(message, "X-API-Key");
    return field.data ? field : (mw_str){"", 0};
}

/* The organization that the request names; "" when it names none. */
static int read_org(const mw_message *message, char out[MW_ADMIT_ORG_MAX + 2], mw_err *err) {
    const mw_str field = mw_message_field(message, "X-Organization-ID");
    out[0] = '\0';
    if (!field.data) return 0;
    mw_str_copy(out, MW_ADMIT_ORG_MAX + 2, field);
    if (field.size <= MW_ADMIT_ORG_MAX && mw_name_valid(out)) return 0;
    mw_fail(err, MW_EPARSE, "X-Organization-ID is not a name of an organization");
    mw_err_hint(err, "names have 1 to 64 letters, digits, '_' and '-'");
    return 400;
}

/* ---- locks ---- */

/* What a wrong key says of its id; all that are no keys share one. */
static void read_id(mw_str key, char id[MW_KEY_ID + 1]) {
    const bool shaped = key.size > MW_KEY_ID + 3 && memcmp(key.data, "mw_", 3) == 0;
    mw_str_copy(id, MW_KEY_ID + 1, shaped ? (mw_str){key.data + 3, MW_KEY_ID} : MW_STR("?"));
}

static bool is_of(const lock *at, const char *peer, const char *id) {
    return strcmp(at->peer, peer) == 0 && strcmp(at->id, id) == 0;
}

/* The one of its four places that is the pair's; the least recent one where none is. */
static lock *place_of(mw_admit *admit, const char *peer, const char *id) {
    const uint64_t hash = mw_hash64(peer, strlen(peer)) ^ mw_hash64(id, strlen(id));
    lock *oldest = NULL;
    for (uint64_t i = 0; i < 4; i++) {
        lock *at = &admit->locks[(hash + i) % MW_LOCKS];
        if (is_of(at, peer, id)) return at;
        if (!oldest || at->failed_us < oldest->failed_us) oldest = at;
    }
    return oldest;
}

/* Seconds until it may try again; 0: now. */
static int64_t locked_s(mw_admit *admit, const mw_exchange *exchange, mw_str key) {
    char peer[PEER_MAX], id[MW_KEY_ID + 1];
    int64_t left_us = 0;
    pthread_mutex_lock(&admit->mutex);
    if (admit->n_failed > 0) {
        mw_exchange_peer(exchange, peer, sizeof peer);
        read_id(key, id);
        const lock *at = place_of(admit, peer, id);
        if (is_of(at, peer, id)) left_us = at->until_us - mw_clock_monotonic(admit->ctx->clock);
    }
    pthread_mutex_unlock(&admit->mutex);
    return left_us > 0 ? (left_us + 999999) / 1000000 : 0;
}

static void note_failure(mw_admit *admit, const mw_exchange *exchange, mw_str key) {
    char peer[PEER_MAX], id[MW_KEY_ID + 1];
    const int64_t now = mw_clock_monotonic(admit->ctx->clock);
    mw_exchange_peer(exchange, peer, sizeof peer);
    read_id(key, id);
    pthread_mutex_lock(&admit->mutex);
    admit->n_failed++;
    lock *at = place_of(admit, peer, id);
    if (!is_of(at, peer, id)) {
        *at = (lock){0};
        mw_str_copy(at->peer, sizeof at->peer, mw_str_of(peer));
        mw_str_copy(at->id, sizeof at->id, mw_str_of(id));
    }
    if (now - at->failed_us > FORGET_US) at->n_failed = 0;
    at->failed_us = now;
    const int beyond = ++at->n_failed - FREE_FAILURES;
    if (beyond >= 0) {
        int64_t wait = FIRST_LOCK_US;
        for (int i = 0; i < beyond && wait < LAST_LOCK_US; i++) wait *= 2;
        at->until_us = now + (wait < LAST_LOCK_US ? wait : LAST_LOCK_US);
    }
    pthread_mutex_unlock(&admit->mutex);
    mw_log_warn(admit->ctx, "a wrong API key from %s, id %s", peer, id);
}

/* ---- all together ---- */

static int refuse_stranger(const char **fields, bool wrong, mw_err *err) {
    *fields = "WWW-Authenticate: Bearer realm=\"millwright\"\r\n";
    if (wrong) {
        mw_fail(err, MW_EDENIED, "this API key is unknown, expired or revoked");
        mw_err_hint(err, "`millwright org key list` on the server shows the keys there are");
    } else {
        mw_fail(err, MW_EDENIED, "this route needs an API key");
        mw_err_hint(err, "send Authorization: Bearer KEY; `millwright org key create` makes one");
    }
    return 401;
}

static int refuse_locked(mw_exchange *exchange, int64_t seconds, const char **fields, mw_err *err) {
    const char *line =
        mw_arena_printf(exchange->arena, "Retry-After: %lld\r\n", (long long)seconds);
    *fields = line ? line : "";
    mw_fail(err, MW_EBUSY, "too many wrong API keys came from there");
    mw_err_hint(err, "try again in %lld s", (long long)seconds);
    return 429;
}

static int check_key(mw_admit *admit, mw_exchange *exchange, mw_str key, mw_guest *guest,
                     const char **fields, mw_err *err) {
    const int64_t seconds = locked_s(admit, exchange, key);
    if (seconds > 0) return refuse_locked(exchange, seconds, fields, err);
    if (!mw_keyring_find(admit->options.keys, key, &guest->holder)) {
        note_failure(admit, exchange, key);
        return refuse_stranger(fields, true, err);
    }
    const char *own = guest->holder.principal.org;
    if (own && guest->org[0] && strcmp(own, guest->org) != 0) {
        mw_fail(err, MW_EDENIED, "this API key is of another organization");
        mw_err_hint(err, "leave X-Organization-ID out");
        return 403;
    }
    if (own) mw_str_copy(guest->org, sizeof guest->org, mw_str_of(own));
    return 0;
}

/* Nobody's key is asked for. */
static bool is_free(mw_admit *admit, const mw_op *op, mw_principal *ret) {
    if (op->public) {
        *ret = (mw_principal){.name = "anybody", .role = MW_ROLE_VIEWER};
        return true;
    }
    if (admit->options.open) {
        *ret = (mw_principal){.name = "anybody", .role = MW_ROLE_ADMIN};
        return true;
    }
    if (admit->options.keys && (!admit->options.loopback || mw_keyring_any(admit->options.keys)))
        return false;
    *ret = (mw_principal){.name = "loopback", .role = MW_ROLE_ADMIN};
    return true;
}

static void count_refusal(mw_admit *admit, int status) {
    atomic_fetch_add_explicit(status == 429 ? &admit->n_locked : &admit->n_refused, 1,
                              memory_order_relaxed);
}

void mw_admit_read_stats(const mw_admit *admit, mw_admit_stats *ret) {
    *ret = (mw_admit_stats){.refused_total = atomic_load(&admit->n_refused),
                            .locked_total = atomic_load(&admit->n_locked)};
}

int mw_admit_look(mw_admit *admit, mw_exchange *exchange, const mw_op *op, const mw_guest **ret,
                  const char **fields, mw_err *err) {
    mw_guest *guest = mw_arena_calloc(exchange->arena, 1, sizeof *guest);
    *fields = NULL;
    if (!guest) {
        mw_fail_nomem(err, "the request");
        return 503;
    }
    const mw_str key = key_of(exchange->message);
    int refused = read_org(exchange->message, guest->org, err);
    if (refused) return refused;
    if (!is_free(admit, op, &guest->holder.principal)) {
        refused = key.size ? check_key(admit, exchange, key, guest, fields, err)
                           : refuse_stranger(fields, false, err);
        if (refused) {
            count_refusal(admit, refused);
            return refused;
        }
    }
    if (!guest->org[0]) mw_str_copy(guest->org, sizeof guest->org, MW_STR("default"));
    *ret = guest;
    return 0;
}

mw_status mw_admit_again(mw_admit *admit, const mw_op *op, const mw_guest *guest, mw_err *err) {
    mw_principal free;
    if (is_free(admit, op, &free)) return MW_OK;
    if (!guest->holder.name[0]) {
        mw_fail(err, MW_EDENIED, "this route needs an API key by now");
        mw_err_hint(err, "connect again with Authorization: Bearer KEY");
        return MW_EDENIED;
    }
    if (mw_keyring_holds(admit->options.keys, &guest->holder)) return MW_OK;
    mw_fail(err, MW_EDENIED, "the API key has been revoked, or has expired");
    mw_err_hint(err, "connect again with another key");
    return MW_EDENIED;
}
