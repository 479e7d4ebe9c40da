/*
 * test_quality_told.c -- sensor quality of rows without an end: what is known at any moment is what a judge of the rows so far finds, however they are cut,
 * marked, saved and loaded in between; what was told piece by piece is what is told of all rows at once.
 */
#include "keep/ingest/quality_state.h"
#include "support/fault_loop.h"
#include "unit/ingest/quality_rows.h"

enum { DEVICES = 3, N = 2600, WINDOWS = 3 * N / 12 + 24, SENSORS = 5 };

static mw_err err;

/* Bits of all windows, OR-ed together. */
typedef struct windows {
    uint8_t bits[DEVICES][SENSORS + 1][WINDOWS];
} windows;

static void add_table(windows *w, const mw_table *t) {
    for (int64_t i = 0; t && i < t->n_rows; i++) {
        const mw_str device = mw_column_text(mw_table_column(t, "device_id"), i);
        const mw_str sensor = mw_column_text(mw_table_column(t, "sensor"), i);
        const int64_t from = mw_table_column(t, "time")->time[i] / hour_us,
                      to = mw_table_column(t, "end")->time[i] / hour_us;
        const int d = device.data[2] - '0', s = sensor.size ? sensor.data[0] - 'a' : SENSORS;
        assert_true(d >= 0 && d < DEVICES && s >= 0 && s <= SENSORS);
        assert_true(from < to && to <= WINDOWS);
        for (int64_t k = from; k < to; k++)
            w->bits[d][s][k] |= (uint8_t)mw_table_column(t, "bits")->number[i];
    }
}

static void take_table(windows *w, mw_table *t) {
    add_table(w, t);
    mw_table_free(t);
}

static int count_flagged(const windows *w) {
    int n = 0;
    for (int d = 0; d < DEVICES; d++)
        for (int s = 0; s <= SENSORS; s++)
            for (int k = 0; k < WINDOWS; k++) n += w->bits[d][s][k] != 0;
    return n;
}

static mw_status feed_some(const mw_ctx *ctx, mw_quality *q, const rows *r, int64_t from,
                           int64_t to, mw_err *e) {
    static const int64_t all[] = {INT64_MAX};
    rows some = *r;
    some.n = to - from;
    some.times += from;
    some.codes += from;
    for (int32_t c = 0; c < r->n_values; c++) some.values[c] += from;
    return feed(ctx, q, &some, all, 1, e);
}

/* What a judge finds that sees the first n rows at once. */
static void judge_first(const mw_ctx *ctx, const rows *r, int64_t n, windows *ret) {
    mw_quality *q;
    mw_table *t = NULL;
    *ret = (windows){0};
    assert_ok(mw_quality_new(ctx, r->schema, 1, NULL, &q, &err));
    assert_ok(feed_some(ctx, q, r, 0, n, &err));
    assert_ok(mw_quality_finish(q, &t, &err));
    take_table(ret, t);
    mw_quality_free(q);
}

static mw_status append(void *self, const void *data, size_t size, mw_err *e) {
    (void)e;
    mw_buf_append(self, data, size);
    return MW_OK;
}

static void save(const mw_quality *q, mw_buf *ret) {
    mw_buf_init(ret, NULL, 1 << 28);
    assert_ok(mw_quality_save(q, (mw_stream_sink){append, ret}, &err));
    assert_ok(mw_buf_status(ret, "a state", &err));
}

static mw_quality *save_and_load(const mw_ctx *ctx, mw_quality *q, const rows *r) {
    mw_buf bytes;
    mw_quality *other;
    save(q, &bytes);
    mw_quality_free(q);
    assert_ok(mw_quality_new(ctx, r->schema, 1, NULL, &other, &err));
    mw_str at = mw_buf_str(&bytes);
    assert_ok(mw_quality_load(other, &at, &err));
    assert_int_equal(at.size, 0);
    mw_buf_done(&bytes);
    return other;
}

static windows want, got;

static void assert_known(const mw_ctx *ctx, const mw_quality *q, const rows *r, int64_t n) {
    static const int32_t all[DEVICES] = {0, 1, 2};
    mw_table *t;
    judge_first(ctx, r, n, &want);
    got = (windows){0};
    assert_ok(mw_quality_known(q, all, DEVICES, &t, &err));
    take_table(&got, t);
    assert_memory_equal(&got, &want, sizeof got);
    for (int32_t d = 0; d < DEVICES; d++) { /* and of one device alone */
        assert_ok(mw_quality_known(q, &d, 1, &t, &err));
        windows alone = {0};
        take_table(&alone, t);
        assert_memory_equal(alone.bits[d], want.bits[d], sizeof want.bits[d]);
    }
}

MW_TEST(what_is_known_at_a_moment_is_what_the_rows_so_far_say) {
    rows r;
    mw_ctx ctx;
    mw_rng rng;
    mw_quality *q;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 3, 0);
    rows_init(&r, SENSORS, DEVICES * N);
    add_troubled(&r, DEVICES, N, true, mw_test_seed());
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
    int64_t mark = 0;
    for (int64_t at = 0, next; at < r.n; at = next) {
        next = at + 1 + (int64_t)mw_rng_below(&rng, 700);
        if (next > r.n) next = r.n;
        if (mw_rng_below(&rng, 4) == 0) mw_quality_mark(q, mark = at);
        assert_ok(feed_some(&ctx, q, &r, at, next, &err));
        if (mw_rng_below(&rng, 3) == 0) q = save_and_load(&ctx, q, &r);
        if (mw_rng_below(&rng, 3) == 0) mw_quality_forget(q, mark, INT64_MAX / 4);
        if (mw_rng_below(&rng, 3) == 0 || next == r.n) assert_known(&ctx, q, &r, next);
    }
    assert_true(count_flagged(&want) > 100);
    mw_quality_free(q);
    rows_done(&r);
}

MW_TEST(what_was_told_under_numbers_is_what_all_rows_say_at_once) {
    enum { MARKS = 40 };
    rows r;
    mw_ctx ctx;
    mw_rng rng;
    mw_quality *q;
    mw_table *t;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 4, 0);
    rows_init(&r, SENSORS, DEVICES * N);
    add_troubled(&r, DEVICES, N, true, mw_test_seed() + 1);
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
    got = (windows){0};
    int64_t at = 0;
    for (int mark = 0; mark < MARKS; mark++) {
        const int64_t end = mark == MARKS - 1 ? r.n : r.n * (mark + 1) / MARKS;
        mw_quality_mark(q, 1000 + mark);
        while (at < end) {
            const int64_t n = 1 + (int64_t)mw_rng_below(&rng, (uint64_t)(end - at));
            assert_ok(feed_some(&ctx, q, &r, at, at + n, &err));
            at += n;
            if (mw_rng_below(&rng, 4) == 0) q = save_and_load(&ctx, q, &r);
            mw_quality_mark(q, 1000 + mark); /* changes nothing */
            /* What is older than a day behind is let go: it was told. */
            if (mw_rng_below(&rng, 2)) mw_quality_forget(q, 1000 + mark, 24 * hour_us);
        }
        assert_ok(mw_quality_told(q, 1000 + mark, &t, &err));
        take_table(&got, t);
    }
    assert_ok(mw_quality_told(q, 999, &t, &err));
    assert_null(t);
    /* What is still open comes with the end. */
    mw_quality_mark(q, 1000 + MARKS);
    assert_ok(mw_quality_finish(q, &t, &err));
    take_table(&got, t);
    judge_first(&ctx, &r, r.n, &want);
    assert_memory_equal(&got, &want, sizeof got);
    assert_true(count_flagged(&want) > 100);
    mw_quality_free(q);
    rows_done(&r);
}

/* One stretch of each number, an hour each, a day apart. */
MW_TEST(what_is_looked_back_at_is_kept_and_nothing_else) {
    enum { DAYS_MADE = 9 };
    rows r;
    mw_ctx ctx;
    mw_quality *q;
    mw_table *t;
    static const int32_t device = 0;
    mw_ctx_init(&ctx);
    rows_init(&r, 1, DAYS_MADE * 24 * HOUR_ROWS);
    const int32_t code = device_code(&r, 0);
    for (int64_t i = 0; i < DAYS_MADE * 24 * HOUR_ROWS; i++)
        r.values[0][rows_add(&r, i * 5 * minute_us, code)] =
            i % (24 * HOUR_ROWS) == HOUR_ROWS ? MW_INFINITY : (double)(i * 7919 % 1009);
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
    for (int64_t day = 0; day < DAYS_MADE; day++) {
        mw_quality_mark(q, day);
        assert_ok(feed_some(&ctx, q, &r, day * 24 * HOUR_ROWS, (day + 1) * 24 * HOUR_ROWS, &err));
    }
    mw_quality_forget(q, 7, 100 * 24 * hour_us);
    assert_int_equal(q->records.n, DAYS_MADE);
    /* The newest row is one of day 8, 23:55: 120 hours before it lies day 3, 23:55. */
    mw_quality_forget(q, 7, 5 * 24 * hour_us);
    assert_int_equal(q->records.n, 5);
    mw_quality_forget(q, 7, 0);
    assert_int_equal(q->records.n, 2); /* of the numbers 7 and 8 */
    mw_quality_forget(q, INT64_MAX, 0);
    assert_int_equal(q->records.n, 1); /* those of the newest number stay */
    assert_ok(mw_quality_known(q, &device, 1, &t, &err));
    assert_int_equal(t->n_rows, 1);
    assert_int_equal(mw_table_column(t, "time")->time[0], (8 * 24 + 1) * hour_us);
    mw_table_free(t);
    mw_quality_free(q);
    rows_done(&r);
}

/* ---- bytes ---- */

MW_TEST(bytes_that_are_no_state_are_refused) {
    rows r;
    mw_ctx ctx;
    mw_rng rng;
    mw_quality *q;
    mw_buf bytes;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 5, 0);
    rows_init(&r, SENSORS, DEVICES * N);
    add_troubled(&r, DEVICES, N, true, 7);
    assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
    assert_ok(feed_some(&ctx, q, &r, 0, r.n, &err));
    save(q, &bytes);
    mw_quality_free(q);
    for (size_t size = 0; size < bytes.size; size += 1 + size / 50) {
        mw_str at = {bytes.data, size};
        assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
        assert_status(mw_quality_load(q, &at, &err), MW_EDATA);
        mw_quality_free(q);
    }
    for (int i = 0; i < 3000; i++) { /* whatever they are, they are read within their bounds */
        const size_t place = (size_t)mw_rng_below(&rng, i % 2 ? bytes.size : 4000);
        const char before = bytes.data[place];
        bytes.data[place] = (char)mw_rng_below(&rng, 256);
        mw_str at = mw_buf_str(&bytes);
        assert_ok(mw_quality_new(&ctx, r.schema, 1, NULL, &q, &err));
        const mw_status status = mw_quality_load(q, &at, &err);
        assert_true(status == MW_OK || status == MW_EDATA);
        mw_quality_free(q);
        bytes.data[place] = before;
    }
    /* Of another schema: fewer columns, other devices. */
    rows other;
    rows_init(&other, SENSORS - 1, 1);
    for (int d = 0; d < DEVICES; d++) (void)device_code(&other, d);
    mw_str at = mw_buf_str(&bytes);
    assert_ok(mw_quality_new(&ctx, other.schema, 1, NULL, &q, &err));
    assert_status(mw_quality_load(q, &at, &err), MW_EDATA);
    mw_quality_free(q);
    rows_done(&other);
    rows_init(&other, SENSORS, 1);
    at = mw_buf_str(&bytes);
    assert_ok(mw_quality_new(&ctx, other.schema, 1, NULL, &q, &err));
    assert_status(mw_quality_load(q, &at, &err), MW_EDATA);
    mw_quality_free(q);
    rows_done(&other);
    mw_buf_done(&bytes);
    rows_done(&r);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    static const int32_t devices[] = {0, 2};
    const rows *r = arg;
    mw_quality *q = NULL, *other = NULL;
    mw_table *t = NULL, *known = NULL;
    mw_buf bytes;
    mw_buf_init(&bytes, ctx->mem, 1 << 24);
    mw_status status = mw_quality_new(ctx, r->schema, 1, NULL, &q, e);
    if (!status) status = feed_some(ctx, q, r, 0, r->n / 2, e);
    if (!status) mw_quality_mark(q, 1);
    if (!status) status = feed_some(ctx, q, r, r->n / 2, r->n, e);
    if (!status) status = mw_quality_told(q, 1, &t, e);
    if (!status) status = mw_quality_known(q, devices, 2, &known, e);
    if (!status) status = mw_quality_save(q, (mw_stream_sink){append, &bytes}, e);
    if (!status) status = mw_buf_status(&bytes, "a state", e);
    if (!status) status = mw_quality_new(ctx, r->schema, 1, NULL, &other, e);
    mw_str at = mw_buf_str(&bytes);
    if (!status) status = mw_quality_load(other, &at, e);
    mw_buf_done(&bytes);
    mw_table_free(t);
    mw_table_free(known);
    mw_quality_free(q);
    mw_quality_free(other);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    rows r;
    rows_init(&r, 3, DEVICES * 900);
    add_troubled(&r, DEVICES, 900, true, 3);
    mw_fault_loop_alloc(scenario, &r);
    rows_done(&r);
}

MW_TEST_MAIN(MW_RUN(what_is_known_at_a_moment_is_what_the_rows_so_far_say),
             MW_RUN(what_was_told_under_numbers_is_what_all_rows_say_at_once),
             MW_RUN(what_is_looked_back_at_is_kept_and_nothing_else),
             MW_RUN(bytes_that_are_no_state_are_refused), MW_RUN(any_failed_allocation_is_survived))
