/*
 * spacing.c -- the usual distance between two readings: the median of the differences between
 * neighboring distinct times of one device. The median is selected by counting digits, most
 * significant first: linear whatever the data, and the differences are not reordered.
 */
#include <string.h>

#include "core/table/columns.h"
#include "core/table/order.h"
#include "core/table/resample.h"

/* Element of that rank (0: smallest) of values [n], all >= 0. */
static int64_t select_rank(const int64_t *values, int64_t n, int64_t rank) {
    enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };
    uint64_t prefix = 0, mask = 0;
    for (int shift = 64 - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        int64_t counts[DIGITS] = {0};
        for (int64_t i = 0; i < n; i++) {
            uint64_t v = (uint64_t)values[i];
            if ((v & mask) == prefix) counts[v >> shift & (DIGITS - 1)]++;
        }
        uint64_t digit = 0;
        while (rank >= counts[digit]) rank -= counts[digit++];
        prefix |= digit << shift;
        mask |= (uint64_t)(DIGITS - 1) << shift;
    }
    return (int64_t)prefix;
}

/* Differences of the ordered times, without zeros; those beyond int64 count as its maximum. */
static int64_t collect(const mw_order *order, const int64_t *time, int64_t *out) {
    int64_t n = 0;
    for (int32_t g = 0; g < order->n_groups; g++) {
        for (int64_t i = order->starts[g] + 1; i < order->starts[g + 1]; i++) {
            int64_t gap;
            if (__builtin_sub_overflow(time[order->rows[i]], time[order->rows[i - 1]], &gap))
                gap = INT64_MAX;
            if (gap != 0) out[n++] = gap;
        }
    }
    return n;
}

mw_status mw_median_spacing(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                            int64_t *ret_us, mw_err *err) {
    mw_order order;
    mw_status status = mw_order__make(ctx, time, device, &order, err);
    if (status != MW_OK) return status;
    int64_t *gaps = mw_alloc_array(ctx->mem, (size_t)order.n, sizeof *gaps);
    if (!gaps) {
        mw_order__done(&order);
        return mw_fail_nomem(err, "the spacing of times");
    }
    int64_t n = collect(&order, time->time, gaps);
    int64_t median = 0;
    if (n > 0) {
        int64_t low = select_rank(gaps, n, (n - 1) / 2);
        int64_t high = select_rank(gaps, n, n / 2);
        median = low + (high - low) / 2;
    }
    mw_free(gaps);
    mw_order__done(&order);
    *ret_us = median;
    return MW_OK;
}
