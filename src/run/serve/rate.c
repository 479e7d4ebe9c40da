/* rate.c -- see rate.h. A token bucket (Turner, "New directions in communications", IEEE Communications Magazine, 1986), filled when it is looked at. */
#include "run/serve/rate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/text/number.h"

enum { PLACES = 4, ORG_BYTES = 72 };

typedef struct bucket {
    char org[ORG_BYTES]; /* "": nobody's */
    double tokens;       /* at seen_us */
    int64_t seen_us;     /* monotonic */
} bucket;

struct mw_rate {
    const mw_clock *clock;
    double per_second, burst;
    _Atomic int64_t n_refused;
    pthread_mutex_t mutex; /* of buckets */
    bucket buckets[MW_RATE_ORGS];
};

mw_status mw_rate_parse(const char *text, double *ret_per_second, mw_err *err) {
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"/s", 1}, {"/min", 60}, {"/h", 3600}};
    const size_t n = strcspn(text, "/");
    double count = 0, seconds = 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text + n, units[i].unit) == 0) seconds = units[i].seconds;
    if (seconds > 0 && mw_number_read(text, n, &count) && count >= 1 && count <= 1e6) {
        *ret_per_second = count / seconds;
        return MW_OK;
    }
    mw_fail(err, MW_EINVAL, "\"%.40s\" is no rate of requests", text);
    mw_err_at(err, "rate_limit");
    return mw_err_hint(err, "write 50/s, 600/min or 1000/h: from 1 to 1000000");
}

mw_status mw_rate_new(const mw_ctx *ctx, double per_second, mw_rate **ret, mw_err *err) {
    mw_rate *rate = mw_calloc(ctx->mem, 1, sizeof *rate);
    if (!rate) return mw_fail_nomem(err, "the limit of requests");
    rate->clock = ctx->clock;
    rate->per_second = per_second;
    rate->burst = per_second > 1 ? per_second : 1;
    pthread_mutex_init(&rate->mutex, NULL);
    *ret = rate;
    return MW_OK;
}

void *mw_rate_free(mw_rate *rate) {
    if (rate) pthread_mutex_destroy(&rate->mutex);
    return mw_free(rate);
}

/* The organization's, or the least recent one of its places, full. */
static bucket *bucket_of(mw_rate *rate, const char *org, int64_t now_us) {
    const uint64_t hash = mw_hash64(org, strlen(org));
    bucket *oldest = NULL;
    for (uint64_t i = 0; i < PLACES; i++) {
        bucket *at = &rate->buckets[(hash + i) % MW_RATE_ORGS];
        if (strcmp(at->org, org) == 0) return at;
        if (!oldest || at->seen_us < oldest->seen_us) oldest = at;
    }
    mw_str_copy(oldest->org, sizeof oldest->org, mw_str_of(org));
    oldest->tokens = rate->burst;
    oldest->seen_us = now_us;
    return oldest;
}

int64_t mw_rate_take(mw_rate *rate, const char *org) {
    const int64_t now_us = mw_clock_monotonic(rate->clock);
    pthread_mutex_lock(&rate->mutex);
    bucket *b = bucket_of(rate, org, now_us);
    const double filled = b->tokens + (double)(now_us - b->seen_us) / 1e6 * rate->per_second;
    b->tokens = filled < rate->burst ? filled : rate->burst;
    b->seen_us = now_us;
    const bool taken = b->tokens >= 1;
    if (taken) b->tokens -= 1;
    const double wait_s = taken ? 0 : (1 - b->tokens) / rate->per_second;
    pthread_mutex_unlock(&rate->mutex);
    if (taken) return 0;
    atomic_fetch_add_explicit(&rate->n_refused, 1, memory_order_relaxed);
    const int64_t whole_s = (int64_t)wait_s;
    return whole_s + (wait_s > (double)whole_s); /* rounded up, so at least 1 */
}

int64_t mw_rate_refused(const mw_rate *rate) {
    return rate ? atomic_load_explicit(&rate->n_refused, memory_order_relaxed) : 0;
}
