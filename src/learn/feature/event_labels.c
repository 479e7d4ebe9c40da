/*
 * event_labels.c -- events in order of kind, device and time; each row finds its place among them by halving.
 *
 * The one at that place is the next event after the row. A merge sort from runs that double, nothing to do where
 * events come in order.
 */
#include "learn/feature/event_labels.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"

typedef struct event {
    int64_t time;
    int32_t device, kind;
} event;

struct mw_events {
    event *all; /* [n] in order */
    int64_t n;
};

enum { GRAIN = 4096 };

static const double us_of_second = 1e6;

static inline bool is_after(event a, event b) {
    if (a.kind != b.kind) return a.kind > b.kind;
    if (a.device != b.device) return a.device > b.device;
    return a.time > b.time;
}

/* ---- in order ---- */

static void merge(const event *from, int64_t begin, int64_t middle, int64_t end, event *to) {
    int64_t a = begin, b = middle;
    for (int64_t i = begin; i < end; i++)
        to[i] = a < middle && (b == end || !is_after(from[a], from[b])) ? from[a++] : from[b++];
}

static mw_status sort_events(const mw_ctx *ctx, event **all, event **room, int64_t n, mw_err *err) {
    for (int64_t width = 1; width < n; width *= 2) {
        mw_status status = mw_ctx_check(ctx, err);
        if (status) return status;
        for (int64_t begin = 0; begin < n; begin += 2 * width) {
            const int64_t middle = n - begin < width ? n : begin + width;
            const int64_t end = n - middle < width ? n : middle + width;
            merge(*all, begin, middle, end, *room);
        }
        event *swap = *all;
        *all = *room;
        *room = swap;
    }
    return MW_OK;
}

static int64_t take_events(const mw_event_list *list, event *all) {
    int64_t n = 0;
    for (int64_t i = 0; i < list->n; i++) {
        const event e = {list->times[i], list->devices ? list->devices[i] : 0,
                         list->kinds ? list->kinds[i] : 0};
        if (e.time != MW_TIME_NONE && e.device >= 0 && e.kind >= 0) all[n++] = e;
    }
    return n;
}

mw_status mw_events_new(const mw_ctx *ctx, const mw_event_list *list, mw_events **ret,
                        mw_err *err) {
    mw_events *events = mw_calloc(ctx->mem, 1, sizeof *events);
    event *all = mw_alloc_array(ctx->mem, (size_t)list->n + 1, sizeof *all), *room = NULL;
    mw_status status = events && all ? MW_OK : mw_fail_nomem(err, "events");
    const int64_t n = status ? 0 : take_events(list, all);
    bool ordered = true;
    for (int64_t i = 1; i < n && ordered; i++) ordered = !is_after(all[i - 1], all[i]);
    if (!status && !ordered) {
        room = mw_alloc_array(ctx->mem, (size_t)n, sizeof *room);
        status = room ? sort_events(ctx, &all, &room, n, err) : mw_fail_nomem(err, "events");
    }
    mw_free(room);
    if (status) {
        mw_free(all);
        mw_free(events);
        return status;
    }
    *events = (mw_events){all, n};
    *ret = events;
    return MW_OK;
}

void *mw_events_free(mw_events *events) {
    if (!events) return NULL;
    mw_free(events->all);
    return mw_free(events);
}

/* ---- questions ---- */

typedef enum wanted { WITHIN, UNTIL } wanted;

typedef struct question {
    const mw_events *events;
    const mw_event_rows *rows;
    wanted wanted;
    int32_t kind;
    int64_t length, until; /* us */
    int64_t *last; /* [devices] time of each device's last row; NULL: `until` holds for all */
    double *out;
} question;

/* to - from >= 0, or the most there is. */
static int64_t between(int64_t from, int64_t to) {
    int64_t ret;
    return __builtin_sub_overflow(to, from, &ret) ? INT64_MAX : ret;
}

/* How many events are not after this one. */
static int64_t place(const mw_events *events, event one) {
    int64_t low = 0, n = events->n;
    while (n > 0) {
        const int64_t half = n / 2;
        const bool right = !is_after(events->all[low + half], one);
        low = right ? low + half + 1 : low;
        n = right ? n - half - 1 : half;
    }
    return low;
}

static double ahead(const question *q, event row) {
    const int64_t at = place(q->events, row), until = q->last ? q->last[row.device] : q->until;
    const event *next = at < q->events->n ? &q->events->all[at] : NULL;
    const bool follows = next && next->kind == row.kind && next->device == row.device &&
                         (q->last || next->time <= until);
    const int64_t time = follows ? between(row.time, next->time) : INT64_MAX;
    const bool soon = follows && time <= q->length;
    const bool observed = until >= row.time && between(row.time, until) >= q->length;
    if (q->wanted == WITHIN) return soon ? 1 : observed ? 0 : MW_NAN;
    if (soon) return (double)time / us_of_second;
    return follows || observed ? (double)q->length / us_of_second : MW_NAN;
}

static mw_status answer_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    (void)err;
    const question *q = arg;
    for (int64_t i = begin; i < end; i++) {
        const event row = {q->rows->times[i], q->rows->devices ? q->rows->devices[i] : 0, q->kind};
        const bool used = row.time != MW_TIME_NONE && row.device >= 0;
        q->out[i] = used ? ahead(q, row) : MW_NAN;
    }
    return MW_OK;
}

static mw_status find_last(const mw_ctx *ctx, question *q, mw_err *err) {
    const mw_event_rows *rows = q->rows;
    int32_t most = 0;
    for (int64_t i = 0; i < rows->n && rows->devices; i++)
        most = rows->devices[i] > most ? rows->devices[i] : most;
    if (most >= MW_LIMIT(DICTIONARY_VALUES))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld devices",
                       (long long)MW_LIMIT(DICTIONARY_VALUES));
    q->last = mw_alloc_array(ctx->mem, (size_t)most + 1, sizeof *q->last);
    if (!q->last) return mw_fail_nomem(err, "labels");
    for (int32_t d = 0; d <= most; d++) q->last[d] = MW_TIME_NONE; /* before all times */
    for (int64_t i = 0; i < rows->n; i++) {
        const int32_t d = rows->devices ? rows->devices[i] : 0;
        if (d >= 0 && rows->times[i] > q->last[d]) q->last[d] = rows->times[i];
    }
    return MW_OK;
}

static mw_status answer(const mw_ctx *ctx, question *q, mw_err *err) {
    mw_status status = MW_OK;
    if (q->length <= 0)
        return mw_fail(err, MW_EINVAL, "a label's %s must be longer than 0",
                       q->wanted == WITHIN ? "horizon" : "cap");
    if (q->until == MW_TIME_NONE) status = find_last(ctx, q, err);
    if (!status) status = mw_pool_for(ctx, q->rows->n, GRAIN, answer_some, q, err);
    mw_free(q->last);
    return status;
}

mw_status mw_events_within(const mw_ctx *ctx, const mw_events *events, const mw_event_rows *rows,
                           int32_t kind, int64_t horizon_us, int64_t until, double *out,
                           mw_err *err) {
    question q = {events, rows, WITHIN, kind, horizon_us, until, NULL, out};
    return answer(ctx, &q, err);
}

mw_status mw_events_until(const mw_ctx *ctx, const mw_events *events, const mw_event_rows *rows,
                          int32_t kind, int64_t cap_us, int64_t until, double *out, mw_err *err) {
    question q = {events, rows, UNTIL, kind, cap_us, until, NULL, out};
    return answer(ctx, &q, err);
}
