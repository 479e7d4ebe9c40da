/* test_event_labels.c -- labels from events: against pandas' as-of join, against every event looked at, and with the future changed. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "golden/feature/golden_event_labels.h"
#include "learn/feature/event_labels.h"
#include "support/fault_loop.h"

enum { MOST = 400, DEVICES = 5, KINDS = 3, SECOND = 1000000 };

typedef struct scene {
    int64_t times[MOST], event_times[MOST];
    int32_t devices[MOST], event_devices[MOST], kinds[MOST];
    int64_t n, n_events;
} scene;

/* Times in whole units of 100 s, so that many are equal; some rows and events that cannot be used. */
static void make_scene(mw_rng *rng, scene *s) {
    s->n = (int64_t)mw_rng_below(rng, MOST);
    s->n_events = (int64_t)mw_rng_below(rng, MOST / 4);
    for (int64_t i = 0; i < s->n; i++) {
        s->times[i] = mw_rng_below(rng, 50) == 0
                          ? MW_TIME_NONE
                          : ((int64_t)mw_rng_below(rng, 200) - 50) * 100 * SECOND;
        s->devices[i] = (int32_t)mw_rng_below(rng, DEVICES + 1) - 1;
    }
    for (int64_t i = 0; i < s->n_events; i++) {
        s->event_times[i] = mw_rng_below(rng, 50) == 0
                                ? MW_TIME_NONE
                                : ((int64_t)mw_rng_below(rng, 220) - 60) * 100 * SECOND;
        s->event_devices[i] = (int32_t)mw_rng_below(rng, DEVICES + 1) - 1;
        s->kinds[i] = (int32_t)mw_rng_below(rng, KINDS + 1) - 1;
    }
}

static mw_event_rows rows_of(const scene *s) { return (mw_event_rows){s->n, s->times, s->devices}; }

static mw_events *events_of(const mw_ctx *ctx, const scene *s, bool by_kind) {
    mw_err err = {0};
    mw_events *events = NULL;
    const mw_event_list list = {s->n_events, s->event_times, s->event_devices,
                                by_kind ? s->kinds : NULL};
    assert_ok(mw_events_new(ctx, &list, &events, &err));
    return events;
}

/* ---- looking at every event ---- */

typedef struct known {
    bool follows;
    int64_t next, until;
} known;

static known look(const scene *s, int64_t row, bool by_kind, int32_t kind, int64_t until) {
    known k = {.until = until};
    const int64_t t = s->times[row];
    for (int64_t i = 0; i < s->n && until == MW_TIME_NONE; i++)
        if (s->devices[i] == s->devices[row] && s->times[i] > k.until) k.until = s->times[i];
    for (int64_t e = 0; e < s->n_events; e++) {
        const int64_t time = s->event_times[e];
        if (s->event_devices[e] != s->devices[row] || time == MW_TIME_NONE ||
            (by_kind && s->kinds[e] != kind))
            continue;
        if (time > t && (until == MW_TIME_NONE || time <= until) && (!k.follows || time < k.next)) {
            k.follows = true;
            k.next = time;
        }
    }
    return k;
}

static bool same(double a, double b) { return mw_isnan(a) ? mw_isnan(b) : a == b; }

static void compare(const mw_ctx *ctx, const scene *s, bool by_kind, int32_t kind, int64_t length,
                    int64_t until) {
    mw_err err = {0};
    double within[MOST], remaining[MOST];
    const mw_event_rows rows = rows_of(s);
    mw_events *events = events_of(ctx, s, by_kind);
    assert_ok(mw_events_within(ctx, events, &rows, kind, length, until, within, &err));
    assert_ok(mw_events_until(ctx, events, &rows, kind, length, until, remaining, &err));
    mw_events_free(events);
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t t = s->times[i];
        double want_within = MW_NAN, want_remaining = MW_NAN;
        if (t != MW_TIME_NONE && s->devices[i] >= 0) {
            const known k = look(s, i, by_kind, kind, until);
            const bool soon = k.follows && k.next <= t + length, observed = t + length <= k.until;
            want_within = soon ? 1 : observed ? 0 : MW_NAN;
            want_remaining = soon                    ? (double)(k.next - t) / SECOND
                             : k.follows || observed ? (double)length / SECOND
                                                     : MW_NAN;
        }
        assert_true(same(within[i], want_within));
        assert_true(same(remaining[i], want_remaining));
    }
}

MW_TEST(equals_looking_at_every_event) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_rng rng;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    assert_ok(mw_pool_new(NULL, 3, &ctx.pool, &err));
    for (int round = 0; round < 200; round++) {
        scene s;
        make_scene(&rng, &s);
        const int64_t length = (1 + (int64_t)mw_rng_below(&rng, 100)) * 100 * SECOND;
        const int64_t until =
            round % 3 ? MW_TIME_NONE : (int64_t)mw_rng_below(&rng, 200) * 100 * SECOND;
        compare(&ctx, &s, false, 0, length, until);
        compare(&ctx, &s, true, (int32_t)mw_rng_below(&rng, KINDS + 1), length, until);
    }
    mw_pool_free(ctx.pool);
}

MW_TEST(equals_pandas) {
    mw_err err = {0};
    mw_ctx ctx;
    scene s = {.n = GOLDEN_LABEL_ROWS, .n_events = GOLDEN_LABEL_EVENTS};
    mw_ctx_init(&ctx);
    for (int i = 0; i < GOLDEN_LABEL_ROWS; i++) {
        s.times[i] = golden_label_times[i] * SECOND;
        s.devices[i] = golden_label_devices[i];
    }
    for (int i = 0; i < GOLDEN_LABEL_EVENTS; i++) {
        s.event_times[i] = golden_event_times[i] * SECOND;
        s.event_devices[i] = golden_event_devices[i];
        s.kinds[i] = golden_event_kinds[i];
    }
    const mw_event_rows rows = rows_of(&s);
    for (int kind = -1; kind < GOLDEN_LABEL_KINDS; kind++) {
        double until[MOST];
        mw_events *events = events_of(&ctx, &s, kind >= 0);
        assert_ok(mw_events_until(&ctx, events, &rows, kind < 0 ? 0 : kind, INT64_C(1) << 40,
                                  MW_TIME_NONE, until, &err));
        mw_events_free(events);
        for (int i = 0; i < GOLDEN_LABEL_ROWS; i++)
            assert_true(same(until[i], golden_until[kind + 1][i]));
    }
}

/* A machine that fails at 100 s; its last row is at 90 s. */
MW_TEST(says_when_it_is_not_known) {
    mw_err err = {0};
    mw_ctx ctx;
    double out[4];
    const int64_t times[4] = {0, 50 * SECOND, 90 * SECOND, 100 * SECOND}, failure = 100 * SECOND;
    const mw_event_rows rows = {3, times, NULL}, with_failure = {4, times, NULL};
    mw_events *events = NULL, *none = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_events_new(&ctx, &(mw_event_list){1, &failure, NULL, NULL}, &events, &err));
    assert_ok(mw_events_new(&ctx, &(mw_event_list){0, NULL, NULL, NULL}, &none, &err));
    assert_ok(mw_events_within(&ctx, events, &rows, 0, 40 * SECOND, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 0 && out[1] == 0 && out[2] == 1);
    assert_ok(mw_events_within(&ctx, none, &rows, 0, 40 * SECOND, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 0 && out[1] == 0 && mw_isnan(out[2]));
    assert_ok(mw_events_until(&ctx, events, &rows, 0, 60 * SECOND, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 60 && out[1] == 50 && out[2] == 10);
    assert_ok(mw_events_until(&ctx, none, &rows, 0, 60 * SECOND, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 60 && mw_isnan(out[1]) && mw_isnan(out[2]));
    /* Seen from 95 s nothing has failed yet. */
    assert_ok(mw_events_within(&ctx, events, &rows, 0, 40 * SECOND, 95 * SECOND, out, &err));
    assert_true(out[0] == 0 && out[1] == 0 && mw_isnan(out[2]));
    /* The failure is not its own future. */
    assert_ok(
        mw_events_within(&ctx, events, &with_failure, 0, 40 * SECOND, 200 * SECOND, out, &err));
    assert_true(out[3] == 0);
    mw_events_free(events);
    mw_events_free(none);
}

MW_TEST(times_far_apart) {
    mw_err err = {0};
    mw_ctx ctx;
    double out[2];
    const int64_t times[2] = {INT64_MIN + 1, INT64_MAX}, late = INT64_MAX;
    const mw_event_rows rows = {2, times, NULL};
    mw_events *events = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_events_new(&ctx, &(mw_event_list){1, &late, NULL, NULL}, &events, &err));
    assert_ok(mw_events_within(&ctx, events, &rows, 0, INT64_MAX - 1, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 0 && mw_isnan(out[1]));
    assert_ok(mw_events_until(&ctx, events, &rows, 0, SECOND, MW_TIME_NONE, out, &err));
    assert_true(out[0] == 1 && mw_isnan(out[1]));
    mw_events_free(events);
}

/* Everything later than t is drawn anew, and more is added; t's own past stays. */
static void change_future(mw_rng *rng, scene *s, int64_t t) {
    for (int64_t i = 0; i < s->n; i++)
        if (s->times[i] > t)
            s->times[i] = t + 1 + (int64_t)mw_rng_below(rng, 10000 * (uint64_t)SECOND);
    for (int64_t e = 0; e < s->n_events; e++) {
        if (s->event_times[e] <= t) continue;
        s->event_times[e] = t + 1 + (int64_t)mw_rng_below(rng, 10000 * (uint64_t)SECOND);
        s->event_devices[e] = (int32_t)mw_rng_below(rng, DEVICES);
        s->kinds[e] = (int32_t)mw_rng_below(rng, KINDS);
    }
    for (int k = 0; k < 20 && s->n_events < MOST; k++, s->n_events++) {
        s->event_times[s->n_events] = t + 1 + (int64_t)mw_rng_below(rng, 10000 * (uint64_t)SECOND);
        s->event_devices[s->n_events] = (int32_t)mw_rng_below(rng, DEVICES);
        s->kinds[s->n_events] = (int32_t)mw_rng_below(rng, KINDS);
    }
}

MW_TEST(the_future_changes_nothing_before) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_rng rng;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    int n_compared = 0;
    for (int round = 0; round < 200; round++) {
        scene now, then;
        double within[2][MOST], remaining[2][MOST];
        make_scene(&rng, &now);
        then = now;
        const int64_t t = ((int64_t)mw_rng_below(&rng, 200) - 50) * 100 * SECOND;
        change_future(&rng, &then, t);
        for (int k = 0; k < 2; k++) {
            const scene *s = k ? &then : &now;
            const mw_event_rows rows = rows_of(s);
            mw_events *events = events_of(&ctx, s, true);
            /* What is to be predicted looks ahead, but not beyond the time until which it is observed. */
            assert_ok(mw_events_within(&ctx, events, &rows, round % KINDS, 3000 * (int64_t)SECOND,
                                       t, within[k], &err));
            assert_ok(mw_events_until(&ctx, events, &rows, round % KINDS, 3000 * (int64_t)SECOND, t,
                                      remaining[k], &err));
            mw_events_free(events);
        }
        for (int64_t i = 0; i < now.n; i++) {
            if (now.times[i] > t) continue;
            assert_true(same(within[0][i], within[1][i]));
            assert_true(same(remaining[0][i], remaining[1][i]));
            n_compared += !mw_isnan(within[0][i]);
        }
    }
    assert_true(n_compared > 0);
}

MW_TEST(refuses_what_it_cannot_do) {
    mw_err err = {0};
    mw_ctx ctx;
    double out[2] = {7, 7};
    const int64_t times[2] = {1, 2};
    const int32_t devices[2] = {0, 1000000000};
    const mw_event_rows rows = {2, times, devices};
    mw_events *events = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_events_new(&ctx, &(mw_event_list){2, times, NULL, NULL}, &events, &err));
    assert_status(mw_events_within(&ctx, events, &rows, 0, 0, MW_TIME_NONE, out, &err), MW_EINVAL);
    assert_status(mw_events_until(&ctx, events, &rows, 0, -1, 5, out, &err), MW_EINVAL);
    assert_status(mw_events_within(&ctx, events, &rows, 0, 1, MW_TIME_NONE, out, &err),
                  MW_ETOOLARGE);
    assert_true(out[0] == 7);
    mw_events_free(events);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    const int64_t back[2] = {2, 1};
    assert_status(mw_events_new(&ctx, &(mw_event_list){2, back, NULL, NULL}, &events, &err),
                  MW_ECANCELED);
}

static mw_status label_all(const mw_ctx *ctx, void *arg, mw_err *err) {
    const scene *s = arg;
    double out[MOST];
    mw_events *events = NULL;
    const mw_event_rows rows = rows_of(s);
    mw_status status = mw_events_new(
        ctx, &(mw_event_list){s->n_events, s->event_times, s->event_devices, s->kinds}, &events,
        err);
    if (!status) status = mw_events_within(ctx, events, &rows, 1, SECOND, MW_TIME_NONE, out, err);
    mw_events_free(events);
    return status;
}

MW_TEST(survives_any_failed_allocation) {
    mw_rng rng;
    scene s;
    mw_rng_init(&rng, 5, 1, 0);
    make_scene(&rng, &s);
    mw_fault_loop_alloc(label_all, &s);
}

/* Not quadratic, whatever the order: a million events and rows of one device, backward. */
MW_TEST(many_events) {
    enum { MANY = 1000000 };
    mw_err err = {0};
    mw_ctx ctx;
    mw_events *events = NULL;
    int64_t *times = mw_alloc_array(NULL, MANY, sizeof *times);
    double *out = mw_alloc_array(NULL, MANY, sizeof *out);
    assert_true(times && out);
    mw_ctx_init(&ctx);
    for (int64_t i = 0; i < MANY; i++) times[i] = (MANY - i) * SECOND;
    assert_ok(mw_events_new(&ctx, &(mw_event_list){MANY, times, NULL, NULL}, &events, &err));
    assert_ok(mw_events_until(&ctx, events, &(mw_event_rows){MANY, times, NULL}, 0, 60 * SECOND,
                              MW_TIME_NONE, out, &err));
    assert_true(mw_isnan(out[0]) && out[1] == 1 && out[MANY - 1] == 1);
    mw_events_free(events);
    mw_free(times);
    mw_free(out);
}

MW_TEST_MAIN(MW_RUN(equals_looking_at_every_event), MW_RUN(equals_pandas),
             MW_RUN(says_when_it_is_not_known), MW_RUN(times_far_apart),
             MW_RUN(the_future_changes_nothing_before), MW_RUN(refuses_what_it_cannot_do),
             MW_RUN(survives_any_failed_allocation), MW_RUN(many_events))
