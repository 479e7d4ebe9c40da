/*
 * order.c -- a counting sort by device keeps file order within each device, which is time order in
 * nearly all data; where it is not, a natural merge sort (Knuth, TAOCP 3, 5.2.4) by time puts the
 * ascending runs together. Both are stable, so ties stay in row order.
 */
#include "core/table/order.h"

#include <string.h>

#include "core/table/columns.h"
#include "core/text/datetime.h"

/* What the rows are sorted by. */
typedef struct keys {
    const int64_t *time;   /* [n_rows] */
    const int32_t *device; /* [n_rows] codes; NULL: one device */
    int64_t n_rows;
    int32_t empty; /* code of the device ""; -2 is none */
} keys;

static int32_t slot_of(const keys *k, int64_t row) {
    if (!k->device) return 0;
    int32_t code = k->device[row];
    return (code == k->empty ? -1 : code) + 1;
}

/* Numbers the devices by first appearance: groups [slots], -1 where none; counts rows per group. */
static mw_status number_groups(const mw_ctx *ctx, const keys *k, int32_t *groups, mw_order *order,
                               mw_err *err) {
    for (int64_t i = 0; i < k->n_rows; i++) {
        if ((i & (MW_TABLE__CHECK_ROWS - 1)) == 0 && mw_ctx_check(ctx, err) != MW_OK)
            return mw_ctx_check(ctx, err);
        if (k->time[i] == MW_TIME_NONE) continue;
        int32_t slot = slot_of(k, i);
        if (groups[slot] < 0) {
            order->codes[order->n_groups] = slot - 1;
            groups[slot] = order->n_groups++;
        }
        order->starts[groups[slot] + 1]++;
        order->n++;
    }
    for (int32_t g = 0; g < order->n_groups; g++) order->starts[g + 1] += order->starts[g];
    return MW_OK;
}

static mw_status place_rows(const mw_ctx *ctx, const keys *k, const int32_t *groups,
                            mw_order *order, mw_err *err) {
    order->rows = mw_alloc_array(ctx->mem, (size_t)order->n, sizeof *order->rows);
    int64_t *next = mw_alloc_array(ctx->mem, (size_t)order->n_groups, sizeof *next);
    if (!order->rows || !next) {
        mw_free(next);
        return mw_fail_nomem(err, "sorting rows");
    }
    mw_status status = MW_OK;
    memcpy(next, order->starts, (size_t)order->n_groups * sizeof *next);
    for (int64_t i = 0; i < k->n_rows && status == MW_OK; i++) {
        if ((i & (MW_TABLE__CHECK_ROWS - 1)) == 0) status = mw_ctx_check(ctx, err);
        if (k->time[i] != MW_TIME_NONE) order->rows[next[groups[slot_of(k, i)]]++] = i;
    }
    mw_free(next);
    return status;
}

/* --- sorting one device by time -------------------------------------------------------------- */

typedef struct sorter {
    const mw_ctx *ctx;
    const int64_t *time;
    int64_t *rows;    /* [n] of the group */
    int64_t *scratch; /* [n] */
    int64_t *runs;    /* [n_runs + 1] starts */
    int64_t n_runs;
} sorter;

static int64_t count_runs(const int64_t *time, const int64_t *rows, int64_t n, int64_t *starts) {
    int64_t n_runs = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && time[rows[i]] >= time[rows[i - 1]]) continue;
        if (starts) starts[n_runs] = i;
        n_runs++;
    }
    if (starts) starts[n_runs] = n;
    return n_runs;
}

static mw_status merge(sorter *s, int64_t begin, int64_t middle, int64_t end, mw_err *err) {
    int64_t a = begin, b = middle;
    for (int64_t out = begin; out < end; out++) {
        if ((out & (MW_TABLE__CHECK_ROWS - 1)) == 0) {
            mw_status status = mw_ctx_check(s->ctx, err);
            if (status != MW_OK) return status;
        }
        bool first = b == end || (a < middle && s->time[s->rows[a]] <= s->time[s->rows[b]]);
        s->scratch[out] = s->rows[first ? a++ : b++];
    }
    return MW_OK;
}

/* Merges neighboring runs in pairs; half as many are left. */
static mw_status merge_round(sorter *s, mw_err *err) {
    int64_t n = s->runs[s->n_runs];
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n_runs; i += 2) {
        int64_t begin = s->runs[i];
        int64_t middle = s->runs[i + 1];
        int64_t end = i + 2 <= s->n_runs ? s->runs[i + 2] : middle;
        mw_status status = merge(s, begin, middle, end, err);
        if (status != MW_OK) return status;
        s->runs[kept++] = begin;
    }
    s->runs[kept] = n;
    s->n_runs = kept;
    memcpy(s->rows, s->scratch, (size_t)n * sizeof *s->rows);
    return MW_OK;
}

static mw_status sort_group(const mw_ctx *ctx, const int64_t *time, int64_t *rows, int64_t n,
                            mw_err *err) {
    sorter s = {.ctx = ctx, .time = time, .rows = rows};
    s.n_runs = count_runs(time, rows, n, NULL);
    if (s.n_runs <= 1) return MW_OK;
    s.scratch = mw_alloc_array(ctx->mem, (size_t)n, sizeof *s.scratch);
    s.runs = mw_alloc_array(ctx->mem, (size_t)s.n_runs + 1, sizeof *s.runs);
    mw_status status = MW_OK;
    if (!s.scratch || !s.runs)
        status = mw_fail_nomem(err, "sorting rows");
    else
        count_runs(time, rows, n, s.runs);
    while (status == MW_OK && s.n_runs > 1) status = merge_round(&s, err);
    mw_free(s.scratch);
    mw_free(s.runs);
    return status;
}

/* --------------------------------------------------------------------------------------------- */

static keys keys_of(const mw_row_stream *stream, const mw_chunk *chunk) {
    keys k = {.time = chunk->columns[0].time, .n_rows = chunk->n_rows, .empty = -2};
    if (!stream->has_device) return k;
    k.device = chunk->columns[1].codes;
    int32_t empty = mw_dictionary_find(stream->schema->columns[1].dictionary, MW_STR(""));
    if (empty >= 0) k.empty = empty;
    return k;
}

mw_status mw_order__make(const mw_ctx *ctx, const mw_row_stream *stream, const mw_chunk *chunk,
                         mw_order *ret, mw_err *err) {
    mw_order order = {0};
    mw_status status = MW_OK;
    keys k = keys_of(stream, chunk);
    size_t slots = (size_t)mw_order__slots(stream);
    int32_t *groups = mw_alloc_array(ctx->mem, slots, sizeof *groups);
    order.starts = mw_calloc(ctx->mem, slots + 1, sizeof *order.starts);
    order.codes = mw_alloc_array(ctx->mem, slots, sizeof *order.codes);
    if (!groups || !order.starts || !order.codes) {
        status = mw_fail_nomem(err, "sorting rows");
        goto done;
    }
    for (size_t i = 0; i < slots; i++) groups[i] = -1;
    status = number_groups(ctx, &k, groups, &order, err);
    if (status == MW_OK) status = place_rows(ctx, &k, groups, &order, err);
    for (int32_t g = 0; g < order.n_groups && status == MW_OK; g++)
        status = sort_group(ctx, k.time, order.rows + order.starts[g],
                            order.starts[g + 1] - order.starts[g], err);
done:
    mw_free(groups);
    if (status != MW_OK)
        mw_order__done(&order);
    else
        *ret = order;
    return status;
}

void mw_order__done(mw_order *order) {
    order->rows = mw_free(order->rows);
    order->starts = mw_free(order->starts);
    order->codes = mw_free(order->codes);
}
