/*
 * fft.h -- discrete Fourier transforms of any length, with the same bits on every machine.
 *
 * What      X[k] = sum over j of x[j] exp(-2 pi i j k / n), and back.
 * Lifetime  a plan lives in an arena: 8 bytes for each number where n is a power of two, up to 112 elsewhere.
 * Threads   a plan is read-only once made; the numbers and the room are the caller's.
 * Cost      O(n log n): about 10 us for 1024 numbers, 50 us for 1000 (two transforms of 2048); a new plan takes four
 *           times as long. A transform allocates nothing.
 * Errors    of the result: a few 1e-16 of the largest one, times log2 n.
 */
#ifndef MW_LEARN_STAT_FFT_H
#define MW_LEARN_STAT_FFT_H

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/status.h"

enum { MW_FFT_MOST = 1 << 20 }; /* numbers */

typedef struct mw_complex {
    double re, im;
} mw_complex;

typedef struct mw_fft mw_fft;

/* n in [1, MW_FFT_MOST]; MW_EINVAL otherwise. */
mw_status mw_fft_new(mw_arena *arena, int32_t n, const mw_fft **ret, mw_err *err);

/* How many numbers of room a transform needs. */
size_t mw_fft_room(const mw_fft *fft);

/* x [n] becomes its transform; room [mw_fft_room] is overwritten. */
void mw_fft_forward(const mw_fft *fft, mw_complex *x, mw_complex *room);

/* The other way: x[j] = 1 / n times the sum over k of X[k] exp(2 pi i j k / n). */
void mw_fft_backward(const mw_fft *fft, mw_complex *x, mw_complex *room);

#endif
