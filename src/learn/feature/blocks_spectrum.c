/*
 * blocks_spectrum.c -- what a block's Fourier transform tells: the share of its power in a band, and how much its envelope swings.
 *
 * Band      the mean is taken off, the rest weighted by Hann's window (periodic), as scipy.signal.periodogram does; rows count as equally far
 *           apart. Bin k stands for the frequency k / (N d), d the mean distance of rows; a band is half-open.
 * Envelope  the analytic signal of the block about its mean: its transform without the negative frequencies, back (Gabor 1946, and
 *           scipy.signal.hilbert). The block is taken as if it went on periodically, so the envelope is off near its ends.
 */
#include "core/base/math.h"
#include "learn/feature/blocks.h"
#include "learn/stat/fft.h"

enum { SHARE, SWING };

typedef struct plan {
    const mw_fft *fft;
    double *hann; /* [n] */
} plan;

static mw_status prepare(mw_feature_node *node, const mw_feature_setup *setup, mw_err *err) {
    mw_status status = mw_block_check(node, err);
    if (status) return status;
    const int32_t n = (int32_t)node->args.rows;
    plan *p = mw_arena_alloc(setup->arena, sizeof *p);
    double *hann = mw_arena_alloc(setup->arena, (size_t)n * sizeof *hann);
    if (!p || !hann) return mw_fail_nomem(err, "a feature program");
    for (int32_t i = 0; i < n; i++) hann[i] = 0.5 - 0.5 * mw_cos(2 * MW_PI * i / n);
    *p = (plan){.hann = hann};
    status = mw_fft_new(setup->arena, n, &p->fft, err);
    if (!status) node->plan = p;
    return status;
}

/* The power of bin k of the one-sided spectrum: all but the first and, of an even number, the last stand for two. */
static double power(const mw_complex *bins, int32_t n, int32_t k) {
    const double one = bins[k].re * bins[k].re + bins[k].im * bins[k].im;
    return k == 0 || 2 * k == n ? one : 2 * one;
}

/* Missing where no bin lies in the band. */
static double share(const mw_feature_node *node, const mw_block *block, mw_complex *bins,
                    mw_complex *room) {
    const plan *p = node->plan;
    const int32_t n = block->n;
    const double mean = mw_block_mean(block);
    for (int32_t i = 0; i < n; i++) bins[i] = (mw_complex){(block->x[i] - mean) * p->hann[i], 0};
    mw_fft_forward(p->fft, bins, room);
    /* k / (N d) against a frequency, both times N (N - 1) d: whole numbers on the left. */
    const double length = (double)n * (double)(block->times[n - 1] - block->times[0]);
    const double from = node->args.number * length, to = node->args.number2 * length;
    double all = 0, inside = 0;
    int32_t n_inside = 0;
    for (int32_t k = 0; 2 * k <= n; k++) {
        const double at = (double)k * (n - 1) * 1e6, one = power(bins, n, k);
        all += one;
        if (at < from || at >= to) continue;
        inside += one;
        n_inside++;
    }
    return n_inside > 0 ? inside / all : MW_NAN; /* 0 / 0: missing */
}

/* The envelope's standard deviation (n): its root mean square about its own mean. */
static double swing(const mw_feature_node *node, const mw_block *block, mw_complex *bins,
                    mw_complex *room) {
    const plan *p = node->plan;
    const int32_t n = block->n;
    const double mean = mw_block_mean(block);
    for (int32_t i = 0; i < n; i++) bins[i] = (mw_complex){block->x[i] - mean, 0};
    mw_fft_forward(p->fft, bins, room);
    for (int32_t k = 1; k < n; k++) {
        const double times = 2 * k < n ? 2 : 2 * k == n ? 1 : 0;
        bins[k] = (mw_complex){bins[k].re * times, bins[k].im * times};
    }
    mw_fft_backward(p->fft, bins, room);
    double sum = 0, squares = 0;
    for (int32_t i = 0; i < n; i++) {
        bins[i].re = mw_sqrt(bins[i].re * bins[i].re + bins[i].im * bins[i].im);
        sum += bins[i].re;
    }
    for (int32_t i = 0; i < n; i++) squares += (bins[i].re - sum / n) * (bins[i].re - sum / n);
    return mw_sqrt(squares / n);
}

static mw_status give(const mw_feature_node *node, const mw_block *block, const bool *wanted,
                      double *ret, mw_mem *mem, mw_err *err) {
    const plan *p = node->plan;
    const size_t n = (size_t)block->n;
    mw_complex *bins = mw_alloc_array(mem, n + mw_fft_room(p->fft), sizeof *bins);
    if (!bins) return mw_fail_nomem(err, "the spectrum of a block");
    if (wanted[SHARE]) ret[SHARE] = share(node, block, bins, bins + n);
    if (wanted[SWING]) ret[SWING] = swing(node, block, bins, bins + n);
    mw_free(bins);
    return MW_OK;
}

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    return mw_block_push(node, data, span, in[0], out, give, mem, err);
}

const mw_kernel mw_kernel_blocks_spectrum = {.name = "blocks_spectrum",
                                             .state_bytes = sizeof(mw_block_state),
                                             .looks_back = true,
                                             .push = push,
                                             .prepare = prepare};
