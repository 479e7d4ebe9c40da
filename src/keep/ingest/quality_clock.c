/*
 * quality_clock.c -- a device's rows in time: rows missing, and a clock that stands, jumps or changes its pace.
 *
 * Steps between distinct times are judged 32 together. The usual step is their median, exact within the block; a block whose steps are
 * all within a quarter of the usual one (nearly every block) is passed without sorting. Until the first block is full nothing is known,
 * so its gaps are reported when it is.
 */
#include <stdlib.h>

#include "keep/ingest/quality_state.h"

enum {
    LOW_STEP = 3, /* the 10 % step of 32 in order */
    MEDIAN_STEP = 16,
    HIGH_STEP = 28,    /* the 90 % step */
    STANDING_ROWS = 8, /* rows without a step in one block */
    ADOPTED_AFTER = 4, /* blocks with another interval become the normal */
    FAR_FACTOR = 5     /* an interval so much longer is adopted at once */
};

static const int64_t year_us = INT64_C(365) * 24 * 3600 * 1000000;

static mw_status stretch(const mw_quality__rules *rules, mw_quality__device *device,
                         int64_t from_us, int64_t to_us, uint32_t bits, int64_t n,
                         int64_t n_flagged, mw_err *err) {
    int64_t window_us = rules->options->window_us;
    mw_quality__record record = {.first = mw_quality__window(from_us, window_us),
                                 .last = mw_quality__window(to_us, window_us),
                                 .device = device->code,
                                 .sensor = -1,
                                 .bits = bits,
                                 .n_values = n,
                                 .n_flagged = n_flagged};
    return mw_quality__record_add(rules->records, &record, &device->record, err);
}

static bool is_far(const mw_quality__rules *rules, const mw_quality__device *device, int64_t step) {
    int64_t usual = device->spacing > device->wide ? device->spacing : device->wide;
    return usual > 0 && (double)step > rules->options->gap_factor * (double)usual;
}

/* A logger that was off comes back on its grid of times; a clock that was set does not. */
static bool is_jump(const mw_quality__device *device, int64_t step) {
    if (step >= year_us) return true;
    int64_t phase = step % device->spacing;
    if (phase > device->spacing - phase) phase = device->spacing - phase;
    return device->exact && phase > device->spacing / 10;
}

static mw_status tell_gap(const mw_quality__rules *rules, mw_quality__device *device,
                          int64_t from_us, int64_t to_us, mw_err *err) {
    int64_t step = mw_quality__step(from_us, to_us), n = step / device->spacing - 1;
    mw_status status = stretch(rules, device, from_us + device->spacing, to_us - device->spacing,
                               MW_QUALITY_GAP, 0, n > 0 ? n : 0, err);
    if (!status && is_jump(device, step))
        status = stretch(rules, device, to_us, to_us, MW_QUALITY_CLOCK, 1, 1, err);
    return status;
}

static int compare_steps(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The gaps of the first block, now that the usual step is known. */
static mw_status tell_first_gaps(const mw_quality__rules *rules, mw_quality__device *device,
                                 const int64_t *steps, int32_t n, mw_err *err) {
    int64_t at = device->first_step_us;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < n && !status; i++) {
        int64_t next = (int64_t)((uint64_t)at + (uint64_t)steps[i]);
        if (is_far(rules, device, steps[i])) status = tell_gap(rules, device, at, next, err);
        at = next;
    }
    return status;
}

/* Rows that share their time with the one before, where that is not usual. */
static mw_status judge_standing(const mw_quality__rules *rules, mw_quality__device *device,
                                mw_err *err) {
    double share = (double)device->n_standing / (double)(device->n_standing + device->n_steps);
    mw_status status = MW_OK;
    bool known = device->spacing > 0;
    if (known && device->n_standing >= STANDING_ROWS && device->standing_share < 0.05) {
        status = stretch(rules, device, device->standing_from_us, device->standing_to_us,
                         MW_QUALITY_CLOCK, device->n_standing, device->n_standing, err);
        share = 0.1;
    }
    device->standing_share =
        known ? device->standing_share + (share - device->standing_share) / 16 : share;
    device->n_standing = 0;
    return status;
}

typedef struct block {
    int64_t low, median, high;
    bool regular, exact;
} block;

static block block_of(const int64_t *steps, int32_t n) {
    int64_t sorted[MW_QUALITY_STEPS] = {0};
    for (int32_t i = 0; i < n; i++) sorted[i] = steps[i];
    qsort(sorted, (size_t)n, sizeof *sorted, compare_steps);
    block b = {sorted[LOW_STEP * n / MW_QUALITY_STEPS], sorted[MEDIAN_STEP * n / MW_QUALITY_STEPS],
               sorted[HIGH_STEP * n / MW_QUALITY_STEPS], false, false};
    double median = (double)b.median;
    b.regular = (double)b.low >= 0.8 * median && (double)b.high <= 1.25 * median;
    b.exact = (double)b.low >= 0.98 * median && (double)b.high <= 1.02 * median;
    return b;
}

static void adopt(mw_quality__device *device, const block *b) {
    device->spacing = b->median;
    device->wide = b->high;
    device->regular = b->regular;
    device->exact = b->exact;
    device->n_other = 0;
}

static mw_status judge_pace(const mw_quality__rules *rules, mw_quality__device *device,
                            mw_err *err) {
    int32_t n = device->n_steps;
    const int64_t *steps = device->steps;
    block b = block_of(steps, n);
    if (!device->spacing) {
        adopt(device, &b);
        return tell_first_gaps(rules, device, steps, n, err);
    }
    if (!device->regular || !b.regular) {
        device->n_other = 0;
        if (device->regular) return MW_OK; /* a bad moment of a regular clock */
        device->spacing = b.median;
        device->wide = b.high > device->wide / 4 * 3 ? b.high : device->wide / 4 * 3;
        return MW_OK;
    }
    double factor = (double)b.median / (double)device->spacing;
    if (factor < 1.9 && factor > 1 / 1.9) {
        adopt(device, &b);
        return MW_OK;
    }
    mw_status status =
        stretch(rules, device, device->first_step_us, device->last_us, MW_QUALITY_CLOCK, n, n, err);
    if (++device->n_other >= ADOPTED_AFTER || factor > FAR_FACTOR) adopt(device, &b);
    return status;
}

static mw_status end_block(const mw_quality__rules *rules, mw_quality__device *device,
                           mw_err *err) {
    mw_status status = device->n_standing || device->standing_share > 0
                           ? judge_standing(rules, device, err)
                           : MW_OK;
    int64_t usual = device->spacing, most = usual + usual / 4;
    bool plain = usual && device->regular && device->least_step >= usual - usual / 5 &&
                 device->most_step <= most && !device->n_other;
    if (!status && !plain) status = judge_pace(rules, device, err);
    device->n_steps = 0;
    return status;
}

mw_status mw_quality__clock_add(const mw_quality__rules *rules, mw_quality__device *device,
                                int64_t time_us, bool *ret_gap, mw_err *err) {
    *ret_gap = false;
    if (!device->started) {
        device->started = true;
        device->last_us = device->first_step_us = time_us;
        return MW_OK;
    }
    int64_t step = mw_quality__step(device->last_us, time_us);
    if (step == 0) {
        if (!device->n_standing++) device->standing_from_us = time_us;
        device->standing_to_us = time_us;
        return MW_OK;
    }
    mw_status status = MW_OK;
    *ret_gap = is_far(rules, device, step);
    if (*ret_gap) status = tell_gap(rules, device, device->last_us, time_us, err);
    if (!device->n_steps) {
        device->first_step_us = device->last_us;
        device->least_step = device->most_step = step;
    }
    device->last_us = time_us;
    device->steps[device->n_steps++] = step;
    if (step < device->least_step) device->least_step = step;
    if (step > device->most_step) device->most_step = step;
    if (!status && device->n_steps == MW_QUALITY_STEPS) status = end_block(rules, device, err);
    return status;
}

mw_status mw_quality__clock_finish(const mw_quality__rules *rules, mw_quality__device *device,
                                   mw_err *err) {
    mw_status status = MW_OK;
    if (device->n_standing) status = judge_standing(rules, device, err);
    if (!status && !device->spacing && device->n_steps >= STANDING_ROWS)
        status = judge_pace(rules, device, err);
    device->n_steps = 0;
    return status;
}
