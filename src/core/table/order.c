/*
 * order.c -- a counting sort by device keeps file order within each device, which is time order in
 * nearly all data; where it is not, a natural merge sort (Knuth, TAOCP 3, 5.2.4) by time puts the
 * ascending runs together. Both are stable, so ties stay in row order.
 */
#include "core/table/order.h"

#include <string.h>

#include "core/table/columns.h"
#include "core/text/datetime.h"

static int32_t slot_of(const mw_column *device, int64_t row, int32_t empty_code) {
    int32_t code = device->codes[row];
    return (code == empty_code ? -1 : code) + 1;
}

/* Numbers the devices by first appearance: groups [codes + 1], -1 where none; counts rows per
 * group. */
static mw_status number_groups(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                               int32_t empty_code, int32_t *groups, mw_order *order, mw_err *err) {
    for (int64_t i = 0; i < time->n_rows; i++) {
        if ((i & (MW_TABLE__CHECK_ROWS - 1)) == 0 && mw_ctx_check(ctx, err) != MW_OK)
            return mw_ctx_check(ctx, err);
        if (time->time[i] == MW_TIME_NONE) continue;
        int32_t slot = device ? slot_of(device, i, empty_code) : 0;
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

static mw_status place_rows(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                            int32_t empty_code, const int32_t *groups, mw_order *order,
                            mw_err *err) {
    order->rows = mw_alloc_array(ctx->mem, (size_t)order->n, sizeof *order->rows);
    int64_t *next = mw_alloc_array(ctx->mem, (size_t)order->n_groups, sizeof *next);
    if (!order->rows || !next) {
        mw_free(next);
        return mw_fail_nomem(err, "sorting rows");
    }
    mw_status status = MW_OK;
    memcpy(next, order->starts, (size_t)order->n_groups * sizeof *next);
    for (int64_t i = 0; i < time->n_rows && status == MW_OK; i++) {
        if ((i & (MW_TABLE__CHECK_ROWS - 1)) == 0) status = mw_ctx_check(ctx, err);
        if (time->time[i] == MW_TIME_NONE) continue;
        int32_t slot = device ? slot_of(device, i, empty_code) : 0;
        order->rows[next[groups[slot]]++] = i;
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

static mw_status check_columns(const mw_column *time, const mw_column *device, mw_err *err) {
    if (time->type != MW_TIMESTAMP)
        return mw_fail(err, MW_EINVAL, "column \"%.64s\" is %s, not a time", time->name,
                       mw_type_name(time->type));
    if (device && device->type != MW_DICTIONARY)
        return mw_fail(err, MW_EINVAL, "column \"%.64s\" is %s; devices are named by a dictionary",
                       device->name, mw_type_name(device->type));
    if (device && device->n_rows != time->n_rows)
        return mw_fail(err, MW_EINVAL, "the time and device columns have different lengths");
    return MW_OK;
}

mw_status mw_order__make(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                         mw_order *ret, mw_err *err) {
    mw_order order = {0};
    mw_status status = check_columns(time, device, err);
    if (status != MW_OK) return status;
    size_t slots = device ? (size_t)mw_dictionary_size(device->dictionary) + 1 : 1;
    /* -2 is no code at all, so that nothing is taken for the empty text. */
    int32_t empty_code = device ? mw_dictionary_find(device->dictionary, MW_STR("")) : -2;
    if (empty_code < 0) empty_code = -2;
    int32_t *groups = mw_alloc_array(ctx->mem, slots, sizeof *groups);
    order.starts = mw_calloc(ctx->mem, slots + 1, sizeof *order.starts);
    order.codes = mw_alloc_array(ctx->mem, slots, sizeof *order.codes);
    if (!groups || !order.starts || !order.codes) {
        status = mw_fail_nomem(err, "sorting rows");
        goto done;
    }
    for (size_t i = 0; i < slots; i++) groups[i] = -1;
    status = number_groups(ctx, time, device, empty_code, groups, &order, err);
    if (status == MW_OK) status = place_rows(ctx, time, device, empty_code, groups, &order, err);
    for (int32_t g = 0; g < order.n_groups && status == MW_OK; g++)
        status = sort_group(ctx, time->time, order.rows + order.starts[g],
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
