/*
 * fft.c -- powers of two by halves; other lengths as a convolution of a power of two.
 *
 * By halves: Stockham's form of the radix-2 transform, which needs no bit reversal (Cochran et al., "What is the fast
 * Fourier transform?", Proc. IEEE 55, 1967). Other lengths: Bluestein, "A linear filtering approach to the computation
 * of discrete Fourier transform", IEEE Trans. Audio Electroacoustics 18, 1970: with jk = (j^2 + k^2 - (k - j)^2) / 2 the
 * sum is a convolution with a chirp. Turns come from the first eighth of the circle, so that quarters are exact.
 * Complex numbers are pairs: C's own multiplication looks for infinities by a call each.
 */
#include "learn/stat/fft.h"

#include <string.h>

#include "core/base/math.h"

struct mw_fft {
    int32_t n, size;   /* size: a power of two; n itself, or at least 2 n - 1 */
    mw_complex *turns; /* [size / 2] exp(-2 pi i j / size) */
    mw_complex *chirp; /* [n] exp(-pi i j^2 / n); NULL where size is n */
    mw_complex
        *filter; /* [size] transform of the chirp that turns the other way, divided by size */
};

static inline mw_complex times(mw_complex a, mw_complex b) {
    return (mw_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* exp(-2 pi i j / n), 0 <= j < n. */
static mw_complex turn(int64_t j, int64_t n) {
    const int64_t quarter = 4 * j / n, rest = 4 * j % n; /* of n, the quarter */
    const bool mirrored = 2 * rest > n;
    const double angle = MW_PI * (double)(mirrored ? n - rest : rest) / (double)(2 * n);
    const double a = mw_cos(angle), b = mw_sin(angle);
    const double c = mirrored ? b : a, s = mirrored ? a : b;
    switch (quarter) {
    case 0: return (mw_complex){c, -s};
    case 1: return (mw_complex){-s, -c};
    case 2: return (mw_complex){-c, s};
    default: return (mw_complex){s, c};
    }
}

/* Each pass doubles how many transforms of one number more lie finished beside each other. */
static void by_halves(const mw_fft *fft, mw_complex *x, mw_complex *room) {
    mw_complex *from = x, *to = room;
    for (int32_t half = fft->size / 2, width = 1; half >= 1; half /= 2, width *= 2) {
        for (int32_t j = 0; j < half; j++) {
            const mw_complex turned = fft->turns[j * width];
            const mw_complex *a = from + j * width, *b = a + half * width;
            mw_complex *sum = to + 2 * j * width, *difference = sum + width;
            for (int32_t k = 0; k < width; k++) {
                sum[k] = (mw_complex){a[k].re + b[k].re, a[k].im + b[k].im};
                difference[k] = times((mw_complex){a[k].re - b[k].re, a[k].im - b[k].im}, turned);
            }
        }
        mw_complex *swap = from;
        from = to;
        to = swap;
    }
    if (from != x) memcpy(x, from, (size_t)fft->size * sizeof *x);
}

/* Exchanging the parts of all numbers before and after a transform makes it turn the other way. */
static void exchange(mw_complex *x, int32_t n, double scale) {
    for (int32_t i = 0; i < n; i++) x[i] = (mw_complex){x[i].im * scale, x[i].re * scale};
}

static void by_chirp(const mw_fft *fft, mw_complex *x, mw_complex *room) {
    mw_complex *all = room, *rest = room + fft->size;
    for (int32_t j = 0; j < fft->n; j++) all[j] = times(x[j], fft->chirp[j]);
    for (int32_t j = fft->n; j < fft->size; j++) all[j] = (mw_complex){0, 0};
    by_halves(fft, all, rest);
    for (int32_t k = 0; k < fft->size; k++) all[k] = times(all[k], fft->filter[k]);
    exchange(all, fft->size, 1);
    by_halves(fft, all, rest);
    exchange(all, fft->n, 1);
    for (int32_t k = 0; k < fft->n; k++) x[k] = times(all[k], fft->chirp[k]);
}

void mw_fft_forward(const mw_fft *fft, mw_complex *x, mw_complex *room) {
    if (fft->chirp)
        by_chirp(fft, x, room);
    else
        by_halves(fft, x, room);
}

void mw_fft_backward(const mw_fft *fft, mw_complex *x, mw_complex *room) {
    exchange(x, fft->n, 1);
    mw_fft_forward(fft, x, room);
    exchange(x, fft->n, 1.0 / fft->n);
}

size_t mw_fft_room(const mw_fft *fft) { return (size_t)fft->size * (fft->chirp ? 2 : 1); }

static mw_status add_chirp(mw_fft *fft, mw_arena *arena, mw_err *err) {
    const int64_t n = fft->n;
    const int32_t size = fft->size;
    fft->chirp = mw_arena_alloc(arena, (size_t)n * sizeof *fft->chirp);
    fft->filter = mw_arena_calloc(arena, (size_t)size, sizeof *fft->filter);
    mw_complex *room = mw_alloc_array(arena->mem, (size_t)size, sizeof *room);
    if (!fft->chirp || !fft->filter || !room) {
        mw_free(room);
        return mw_fail_nomem(err, "a Fourier transform");
    }
    for (int64_t j = 0; j < n; j++) {
        const mw_complex c = turn(j * j % (2 * n), 2 * n);
        fft->chirp[j] = c;
        fft->filter[j] = fft->filter[(size - j) % size] = (mw_complex){c.re / size, -c.im / size};
    }
    by_halves(fft, fft->filter, room);
    mw_free(room);
    return MW_OK;
}

mw_status mw_fft_new(mw_arena *arena, int32_t n, const mw_fft **ret, mw_err *err) {
    if (n < 1 || n > MW_FFT_MOST)
        return mw_fail(err, MW_EINVAL, "a Fourier transform is of 1 to %d numbers, not %d",
                       (int)MW_FFT_MOST, (int)n);
    mw_fft *fft = mw_arena_calloc(arena, 1, sizeof *fft);
    if (!fft) return mw_fail_nomem(err, "a Fourier transform");
    const bool is_power = (n & (n - 1)) == 0;
    fft->n = fft->size = n;
    if (!is_power)
        for (fft->size = 1; fft->size < 2 * n - 1;) fft->size *= 2;
    fft->turns = mw_arena_alloc(arena, (size_t)fft->size / 2 * sizeof *fft->turns + 1);
    if (!fft->turns) return mw_fail_nomem(err, "a Fourier transform");
    for (int32_t j = 0; j < fft->size / 2; j++) fft->turns[j] = turn(j, fft->size);
    mw_status status = is_power ? MW_OK : add_chirp(fft, arena, err);
    if (!status) *ret = fft;
    return status;
}
