/* test_fft.c -- Fourier transforms against numpy and against the sums that define them; their bits. */
#include "support/harness.h"

#include <math.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "golden/stat/golden_fft.h"
#include "learn/stat/fft.h"
#include "support/fault_loop.h"

enum { MOST = 4099 };

static void transform(int32_t n, mw_complex *x,
                      void (*way)(const mw_fft *, mw_complex *, mw_complex *)) {
    mw_err err = {0};
    mw_arena arena;
    const mw_fft *fft = NULL;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_fft_new(&arena, n, &fft, &err));
    mw_complex *room = mw_alloc_array(NULL, mw_fft_room(fft), sizeof *room);
    assert_non_null(room);
    way(fft, x, room);
    mw_free(room);
    mw_arena_done(&arena);
}

static void draw(int32_t n, uint64_t seed, mw_complex *x) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 1, (uint64_t)n);
    for (int32_t i = 0; i < n; i++) {
        x[i].re = mw_rng_uniform(&rng) - 0.5;
        x[i].im = mw_rng_uniform(&rng) - 0.5;
    }
}

static double size_of(const mw_complex *x, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += x[i].re * x[i].re + x[i].im * x[i].im;
    return sqrt(sum);
}

/* The largest difference, as a share of all of b. */
static double off(const mw_complex *a, const mw_complex *b, int32_t n) {
    double most = 0;
    for (int32_t i = 0; i < n; i++) most = fmax(most, hypot(a[i].re - b[i].re, a[i].im - b[i].im));
    return most / (size_of(b, n) / sqrt(n));
}

enum { BINS = 120 };

/* The sums of the definition, of every step-th bin: BINS of them at most. */
static int32_t slow(const mw_complex *x, int32_t n, int32_t step, mw_complex *ret) {
    static double c[MOST], s[MOST];
    for (int32_t j = 0; j < n; j++) {
        const long double angle = 2 * acosl(-1) * j / n;
        c[j] = (double)cosl(angle);
        s[j] = (double)-sinl(angle);
    }
    int32_t n_bins = 0;
    for (int32_t k = 0; k < n; k += step, n_bins++) {
        long double re = 0, im = 0;
        for (int64_t j = 0, at = 0; j < n; j++, at = (at + k) % n) {
            re += x[j].re * c[at] - x[j].im * s[at];
            im += x[j].re * s[at] + x[j].im * c[at];
        }
        ret[n_bins] = (mw_complex){(double)re, (double)im};
    }
    return n_bins;
}

MW_TEST(equals_numpy) {
    const double *from = golden_numbers, *to = golden_transforms;
    for (size_t k = 0; k < sizeof golden_lengths / sizeof *golden_lengths; k++) {
        mw_complex x[64], want[64];
        const int32_t n = golden_lengths[k];
        const size_t bytes = (size_t)n * sizeof *x;
        memcpy(x, from, bytes);
        memcpy(want, to, bytes);
        transform(n, x, mw_fft_forward);
        assert_true(off(x, want, n) < 1e-15);
        from += 2 * n;
        to += 2 * n;
    }
}

/* Valgrind has no long double: there the plain sums themselves are off. */
static bool sums_are_long(void) {
    volatile long double one = 1, more = 1e-18L;
    return one + more > one;
}

MW_TEST(equals_the_sums_of_its_definition) {
    static mw_complex x[MOST], before[MOST], some[BINS], want[BINS];
    static const int32_t long_ones[] = {255,  256,  257,  1000, 1024, 2047,
                                        2050, 4093, 4095, 4096, 4099};
    const int32_t n_long = (int32_t)(sizeof long_ones / sizeof *long_ones);
    double worst = 0;
    for (int32_t i = 1; i <= BINS + n_long; i++) {
        const int32_t n = i <= BINS ? i : long_ones[i - BINS - 1], step = n / BINS + 1;
        draw(n, mw_test_seed(), x);
        memcpy(before, x, (size_t)n * sizeof *x);
        const int32_t n_bins = slow(x, n, step, want);
        transform(n, x, mw_fft_forward);
        for (int32_t k = 0; k < n_bins; k++) some[k] = x[k * step];
        worst = fmax(worst, off(some, want, n_bins) / (2 + log2(n)));
        transform(n, x, mw_fft_backward);
        worst = fmax(worst, off(x, before, n) / (2 + log2(n)));
    }
    if (worst > (sums_are_long() ? 4e-16 : 4e-14)) fail_msg("off by %g", worst);
}

MW_TEST(quarters_are_exact) {
    mw_complex x[4] = {{1, 0}, {2, 5}, {3, 0}, {-7, 1}};
    const mw_complex want[4] = {{-1, 6}, {2, -9}, {9, -6}, {-6, 9}};
    transform(4, x, mw_fft_forward);
    for (int k = 0; k < 4; k++) assert_true(x[k].re == want[k].re && x[k].im == want[k].im);
    transform(4, x, mw_fft_backward);
    assert_true(x[1].re == 2 && x[1].im == 5 && x[3].re == -7 && x[3].im == 1);
}

/* Not one bit differs between machines. */
MW_TEST(bits_are_pinned) {
    uint64_t hash = 0;
    for (int32_t n = 1; n <= 300; n++) {
        mw_complex x[300];
        draw(n, 7, x);
        transform(n, x, mw_fft_forward);
        const uint64_t pair[2] = {hash, mw_hash64(x, (size_t)n * sizeof *x)};
        hash = mw_hash64(pair, sizeof pair);
    }
    if (hash != UINT64_C(0xf7590909c4d2de9a)) fail_msg("0x%016llx", (unsigned long long)hash);
}

static mw_status make(const mw_ctx *ctx, void *arg, mw_err *err) {
    (void)arg;
    mw_arena arena;
    const mw_fft *fft;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_fft_new(&arena, 3000, &fft, err);
    mw_arena_done(&arena);
    return status;
}

MW_TEST(refuses_what_it_cannot_do) {
    mw_err err = {0};
    mw_arena arena;
    const mw_fft *fft = NULL;
    mw_arena_init(&arena, NULL);
    assert_status(mw_fft_new(&arena, 0, &fft, &err), MW_EINVAL);
    assert_status(mw_fft_new(&arena, MW_FFT_MOST + 1, &fft, &err), MW_EINVAL);
    assert_null(fft);
    mw_arena_done(&arena);
    mw_fault_loop_alloc(make, NULL);
}

MW_TEST_MAIN(MW_RUN(equals_numpy), MW_RUN(equals_the_sums_of_its_definition),
             MW_RUN(quarters_are_exact), MW_RUN(bits_are_pinned), MW_RUN(refuses_what_it_cannot_do))
