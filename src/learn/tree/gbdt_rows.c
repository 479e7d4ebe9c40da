/*
 * gbdt_rows.c -- which rows and columns a round learns from, and their gradients as integers.
 *
 * Gradients are computed as floats, amplified where rows stand for others (GOSS), and turned into integers of the
 * largest one's power of two, in place or, when narrow, behind the bins of their rows. Numbers of few bits are rounded
 * up or down by low-discrepancy sequences of row numbers (Roberts' R2), other ones in each round, so that sums of many
 * small ones are right on the whole.
 *
 * Many rows are narrow (histogram.h): what rounding adds to the variance of a sum is then below a sixtieth of what the
 * gradients have by themselves, unless few of them are far larger than the others: then the round is not narrow.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/stat/quantile.h"
#include "learn/tree/gbdt_parts.h"

enum {
    CHUNK = MW_GBDT__CHUNK,
    WIDE_G_BITS = 30,
    NARROW_LEAST = 32768, /* rows */
    NARROW_MOST = 512     /* the largest gradient, in means */
};

/* 2^32 by powers of the plastic number (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018). */
#define STEP_G UINT32_C(3242174889)
#define STEP_H UINT32_C(2447445414)

static int64_t chunks_of(int64_t n) { return (n + CHUNK - 1) / CHUNK; }

/* Every row's float gradients, one output after another. */
static mw_gradient *gradients_of(const mw_gbdt__run *run, int32_t output) {
    return (mw_gradient *)run->gradients + output * run->train.matrix.n_rows;
}

/* ---- rows ---- */

typedef struct drawing {
    mw_gbdt__run *run;
    uint64_t stream;
    double least;    /* GOSS: rows of at least as much are in; else infinity */
    uint32_t share;  /* of the other rows, of 2^32 */
    float factor;    /* GOSS: what those count for */
    int64_t *counts; /* [chunks] rows in, then rows before it */
    double *size;    /* GOSS: [rows] */
} drawing;

static mw_status size_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const drawing *d = arg;
    for (int64_t i = begin; i < end; i++) {
        double sum = 0;
        for (int32_t k = 0; k < d->run->n_outputs; k++) {
            const mw_gradient at = gradients_of(d->run, k)[i];
            sum += mw_abs((double)at.g * (double)at.h);
        }
        d->size[i] = sum;
    }
    (void)worker, (void)err;
    return MW_OK;
}

static bool is_large(const drawing *d, int64_t row) { return d->size && d->size[row] >= d->least; }

static mw_status draw_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const drawing *d = arg;
    mw_gbdt__run *run = d->run;
    mw_rng rng;
    mw_rng_init(&rng, run->ctx->seed, d->stream, (uint64_t)(begin / CHUNK) << 32);
    uint64_t bits = 0;
    int64_t n = 0;
    for (int64_t i = begin; i < end; i++) {
        bits = (i - begin) % 2 ? bits >> 32 : mw_rng_u64(&rng);
        const bool large = is_large(d, i);
        run->in_bag[i] = large || (uint32_t)bits < d->share;
        n += run->in_bag[i];
        for (int32_t k = 0; d->size && !large && run->in_bag[i] && k < run->n_outputs; k++) {
            mw_gradient *at = &gradients_of(run, k)[i];
            *at = (mw_gradient){at->g * d->factor, at->h * d->factor};
        }
    }
    d->counts[begin / CHUNK] = n;
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status list_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const drawing *d = arg;
    int64_t n = d->counts[begin / CHUNK];
    for (int64_t i = begin; i < end; i++)
        if (d->run->in_bag[i]) d->run->bag[n++] = (uint32_t)i;
    (void)worker, (void)err;
    return MW_OK;
}

/* Marks the rows and lists them; when chance leaves none, all are in. */
static mw_status draw_rows(drawing *d, mw_err *err) {
    mw_gbdt__run *run = d->run;
    const int64_t n_rows = run->train.matrix.n_rows, n_chunks = chunks_of(n_rows);
    d->counts = mw_alloc_array(run->ctx->mem, (size_t)n_chunks, sizeof *d->counts);
    if (!d->counts) return mw_fail_nomem(err, "the rows of a round");
    mw_status status = mw_pool_for(run->ctx, n_rows, CHUNK, draw_range, d, err);
    int64_t sum = 0;
    for (int64_t i = 0; i < n_chunks && !status; i++) {
        const int64_t n = d->counts[i];
        d->counts[i] = sum;
        sum += n;
    }
    run->n_bag = sum;
    if (!status && sum == 0) {
        run->n_bag = n_rows;
        memset(run->in_bag, 1, (size_t)n_rows);
        for (int64_t i = 0; i < n_chunks; i++) d->counts[i] = i * CHUNK;
    }
    if (!status) status = mw_pool_for(run->ctx, n_rows, CHUNK, list_range, d, err);
    mw_free(d->counts);
    return status;
}

static uint32_t share_of(double share) {
    return share >= 1 ? UINT32_MAX : (uint32_t)(share * 4294967296.0);
}

/* Rows whose gradients are among the largest, and some of the others, which count for all of them. */
static mw_status draw_by_gradient(mw_gbdt__run *run, int32_t round, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    const size_t n = (size_t)run->train.matrix.n_rows;
    const double rest = o->other_rate / (1 - o->top_rate);
    drawing d = {.run = run,
                 .stream = MW_GBDT__BAG | (uint32_t)round,
                 .share = share_of(rest),
                 .factor = (float)((1 - o->top_rate) / o->other_rate)};
    d.size = mw_alloc_array(run->ctx->mem, n, sizeof *d.size);
    double *order = mw_alloc_array(run->ctx->mem, n, sizeof *order);
    mw_status status = d.size && order
                           ? mw_pool_for(run->ctx, (int64_t)n, CHUNK, size_range, &d, err)
                           : mw_fail_nomem(err, "the rows of a round");
    if (!status) {
        memcpy(order, d.size, n * sizeof *order);
        d.least = mw_quantile(order, (int64_t)n, 1 - o->top_rate);
        status = draw_rows(&d, err);
    }
    mw_free(d.size);
    mw_free(order);
    return status;
}

/* Rows stay as they are where none are drawn: all of them, or the last bag. */
static mw_status draw_bag(mw_gbdt__run *run, int32_t round, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    if (!run->in_bag) return MW_OK;
    /* The first rounds' gradients tell little: as many as it takes to learn at all use every row (LightGBM). */
    if (o->boosting == MW_BOOSTING_GOSS)
        return round < (int32_t)(1 / o->learning_rate) ? MW_OK : draw_by_gradient(run, round, err);
    const int32_t since = round % o->bagging_freq; /* the bag was drawn */
    if (since != 0 && round > run->first_round) return MW_OK;
    drawing d = {.run = run,
                 .stream = MW_GBDT__BAG | (uint32_t)(round - since),
                 .least = MW_INFINITY,
                 .share = share_of(o->bagging_fraction)};
    return draw_rows(&d, err);
}

/* ---- integers ---- */

/* Gradients and hessians of two rows. */
typedef float four __attribute__((vector_size(16), may_alias));
typedef int32_t four_ints __attribute__((vector_size(16)));
typedef uint32_t four_draws __attribute__((vector_size(16)));
typedef double two __attribute__((vector_size(16)));
typedef int32_t two_ints __attribute__((vector_size(8)));

static inline four_ints larger_of(four_ints a, four_ints b) {
    const four_ints larger = b > a;
    return (b & larger) | (a & ~larger);
}

/* Floats without their signs have the order of their bits, infinity above all numbers and below NaN. */
static mw_gbdt__extent extent_of(const mw_gradient *at, int64_t n) {
    four_ints most = {0};
    two sums[2] = {{0}, {0}};
    int64_t i = 0;
    for (; i + 1 < n; i += 2) {
        four_ints bits;
        memcpy(&bits, &at[i], sizeof bits);
        bits &= INT32_MAX;
        most = larger_of(most, bits);
        const four size = (four)bits;
        sums[i / 2 % 2] += (two){(double)size[0], (double)size[2]};
    }
    if (i < n) {
        const four size = {__builtin_fabsf(at[i].g), at[i].h};
        most = larger_of(most, (four_ints)size);
        sums[0][0] += (double)size[0];
    }
    const two sum = sums[0] + sums[1];
    const four sizes = (four)most;
    bool finite = true;
    for (int k = 0; k < 4; k++) finite &= sizes[k] < (float)MW_INFINITY;
    return (mw_gbdt__extent){.most_g = !finite               ? (float)MW_INFINITY
                                       : sizes[0] > sizes[2] ? sizes[0]
                                                             : sizes[2],
                             .most_h = sizes[1] > sizes[3] ? sizes[1] : sizes[3],
                             .sum_g = sum[0] + sum[1]};
}

static mw_status extent_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const mw_gbdt__run *run = arg;
    const int64_t n_chunks = chunks_of(run->train.matrix.n_rows);
    for (int32_t k = 0; k < run->n_outputs; k++)
        run->extents[k * n_chunks + begin / CHUNK] =
            extent_of(gradients_of(run, k) + begin, end - begin);
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status gradients_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const mw_gbdt__run *run = arg;
    mw_objective_gradients(&run->options->objective, run->train.targets, run->scores, begin, end,
                           run->gradients);
    return extent_range(arg, begin, end, worker, err);
}

mw_status mw_gbdt__gradients(mw_gbdt__run *run, int32_t round, mw_err *err) {
    const int64_t n_rows = run->train.matrix.n_rows;
    mw_status status = mw_pool_for(run->ctx, n_rows, CHUNK, gradients_range, run, err);
    if (!status) status = draw_bag(run, round, err);
    if (!status && run->options->boosting == MW_BOOSTING_GOSS) /* which amplified some */
        status = mw_pool_for(run->ctx, n_rows, CHUNK, extent_range, run, err);
    return status;
}

typedef struct rounding {
    mw_gbdt__run *run;
    int32_t output;
    double by_g, by_h;       /* units in one */
    uint32_t draw_g, draw_h; /* where this round's sequences begin */
} rounding;

/* Both of a row at once: scaled, shifted above 0 and cut off. Gradients are rounded to the nearest. */
static mw_status round_wide(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const rounding *r = arg;
    mw_gradient *at = gradients_of(r->run, r->output);
    const two by = {r->by_g, r->by_h};
    uint32_t draw = r->draw_h + (uint32_t)begin * STEP_H;
    for (int64_t i = begin; i < end; i++, draw += STEP_H) {
        const two shift = {(1 << WIDE_G_BITS) + 0.5, (double)(int32_t)draw * 0x1p-32 + 0.5};
        const two x = (two){(double)at[i].g, (double)at[i].h} * by + shift;
        const two_ints whole =
            __builtin_convertvector(x, two_ints) - (two_ints){1 << WIDE_G_BITS, 0};
        memcpy(&at[i], &whole, sizeof whole);
    }
    (void)worker, (void)err;
    return MW_OK;
}

/* Two rows at once; what is added ends below 1 in float32, too, so that whole numbers stay what they are. */
static mw_status round_narrow(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const rounding *r = arg;
    const float by_g = (float)r->by_g, by_h = (float)r->by_h, below_1 = 1 - 0x1p-8F;
    const int32_t lift = 1 << MW_NARROW_G_BITS;
    const four by = {by_g, by_h, by_g, by_h};
    const four_ints lifted = {lift, 0, lift, 0};
    const four above = __builtin_convertvector(lifted, four) + below_1 / 2;
    const four_draws step = {2 * STEP_G, 2 * STEP_H, 2 * STEP_G, 2 * STEP_H};
    const uint32_t g = r->draw_g + (uint32_t)begin * STEP_G;
    const uint32_t h = r->draw_h + (uint32_t)begin * STEP_H;
    four_draws draw = {g, h, g + STEP_G, h + STEP_H};
    const mw_gradient *at = gradients_of(r->run, r->output);
    for (int64_t i = begin; i < end; i += 2, draw += step) {
        const bool alone = i + 1 == end;
        const mw_gradient rows[2] = {at[i], at[alone ? i : i + 1]};
        four x;
        memcpy(&x, rows, sizeof x);
        const four dither = __builtin_convertvector((four_ints)draw, four) * (0x1p-32F * below_1);
        const four_ints whole =
            __builtin_convertvector(x * by + (dither + above), four_ints) - lifted;
        mw_pair_put(&r->run->binned, (size_t)i, (mw_pair){whole[0], (uint32_t)whole[1]});
        if (!alone)
            mw_pair_put(&r->run->binned, (size_t)i + 1, (mw_pair){whole[2], (uint32_t)whole[3]});
    }
    (void)worker, (void)err;
    return MW_OK;
}

/* The power of two above x: x = 0 has 1. */
static double power_above(double x) {
    int exponent = 0;
    if (x > 0) (void)__builtin_frexp(x, &exponent);
    return __builtin_ldexp(1, exponent);
}

static mw_gbdt__extent extent_of_all(const mw_gbdt__extent *extents, int64_t n) {
    mw_gbdt__extent all = {0};
    for (int64_t i = 0; i < n; i++) {
        all.most_g = extents[i].most_g > all.most_g ? extents[i].most_g : all.most_g;
        all.most_h = extents[i].most_h > all.most_h ? extents[i].most_h : all.most_h;
        all.sum_g += extents[i].sum_g;
    }
    return all;
}

mw_status mw_gbdt__to_integers(mw_gbdt__run *run, int32_t output, int32_t round, mw_err *err) {
    const int64_t n_rows = run->train.matrix.n_rows, n_chunks = chunks_of(n_rows);
    const mw_gbdt__extent e = extent_of_all(run->extents + output * n_chunks, n_chunks);
    if (!(e.most_g < (float)MW_INFINITY && e.most_h < (float)MW_INFINITY)) {
        mw_fail(err, MW_EDATA, "scores left all numbers in round %d", round + 1);
        return mw_err_hint(err, "lower the learning_rate, or scale the target down");
    }
    int g_bits = WIDE_G_BITS, h_bits;
    mw_scale *scale = &run->scale;
    mw_scale_bits(n_rows, &scale->count_bits, &h_bits);
    scale->narrow =
        n_rows >= NARROW_LEAST && (double)e.most_g * (double)n_rows <= NARROW_MOST * e.sum_g;
    if (scale->narrow) {
        g_bits = MW_NARROW_G_BITS;
        h_bits = h_bits < MW_NARROW_H_BITS ? h_bits : MW_NARROW_H_BITS;
    }
    scale->g_unit = __builtin_ldexp(power_above((double)e.most_g), -g_bits);
    scale->h_unit = __builtin_ldexp(power_above((double)e.most_h), -h_bits);
    rounding r = {.run = run,
                  .output = output,
                  .by_g = 1 / scale->g_unit,
                  .by_h = 1 / scale->h_unit,
                  .draw_g = (uint32_t)round * UINT32_C(2654435769), /* 2^32 by golden ratio */
                  .draw_h = (uint32_t)round * UINT32_C(1640531527)};
    return mw_pool_for(run->ctx, n_rows, CHUNK, scale->narrow ? round_narrow : round_wide, &r, err);
}

/* ---- columns ---- */

void mw_gbdt__draw_columns(mw_gbdt__run *run, int32_t tree) {
    if (!run->is_used) return;
    int32_t left = run->bins->n_columns,
            wanted = mw_gbdt__count_of(run->options->feature_fraction, left);
    mw_rng rng;
    mw_rng_init(&rng, run->ctx->seed, MW_GBDT__COLUMNS | (uint32_t)tree, 0);
    for (int32_t c = 0; c < run->bins->n_columns; c++) {
        run->is_used[c] = (int64_t)mw_rng_below(&rng, (uint64_t)left--) < wanted;
        wanted -= run->is_used[c];
    }
}
