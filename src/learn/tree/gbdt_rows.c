/*
 * gbdt_rows.c -- which rows and columns a round learns from, and their gradients as integers.
 *
 * Gradients are computed as floats, amplified where rows stand for others (GOSS), and turned in place into integers of the
 * largest one's power of two. Hessians are rounded up or down by a low-discrepancy sequence of row numbers (Weyl), so
 * that sums of many small ones are right on the whole; gradients have enough bits to be rounded to the nearest.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/stat/quantile.h"
#include "learn/tree/gbdt_parts.h"

enum { CHUNK = MW_GBDT__CHUNK, G_BITS = 30 };

static int64_t chunks_of(int64_t n) { return (n + CHUNK - 1) / CHUNK; }

/* Every row's float gradients, one output after another. */
static mw_gradient *gradients_of(const mw_gbdt__run *run, int32_t output) {
    return (mw_gradient *)run->gradients + output * run->train.matrix.n_rows;
}

static mw_status gradients_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const mw_gbdt__run *run = arg;
    mw_objective_gradients(&run->options->objective, run->train.targets, run->scores, begin, end,
                           run->gradients);
    (void)worker, (void)err;
    return MW_OK;
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
    if (round % o->bagging_freq != 0) return MW_OK;
    drawing d = {.run = run,
                 .stream = MW_GBDT__BAG | (uint32_t)round,
                 .least = MW_INFINITY,
                 .share = share_of(o->bagging_fraction)};
    return draw_rows(&d, err);
}

/* ---- integers ---- */

typedef struct rounding {
    mw_gbdt__run *run;
    int32_t output;
    float *most_g, *most_h; /* [chunks] largest of each */
    double by_g, by_h;      /* units in one */
} rounding;

static mw_status most_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const rounding *r = arg;
    const mw_gradient *at = gradients_of(r->run, r->output);
    float g = 0, h = 0;
    bool finite = true;
    for (int64_t i = begin; i < end; i++) {
        const float size = __builtin_fabsf(at[i].g);
        g = size > g ? size : g;
        h = at[i].h > h ? at[i].h : h;
        finite &= size < (float)MW_INFINITY && at[i].h < (float)MW_INFINITY;
    }
    r->most_g[begin / CHUNK] = finite ? g : (float)MW_INFINITY;
    r->most_h[begin / CHUNK] = h;
    (void)worker, (void)err;
    return MW_OK;
}

/* Both of a row at once: scaled, shifted above 0 and cut off, gradients to the nearest. */
static mw_status round_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    typedef double two __attribute__((vector_size(16)));
    typedef int32_t two_ints __attribute__((vector_size(8)));
    const rounding *r = arg;
    mw_gradient *at = gradients_of(r->run, r->output);
    const two by = {r->by_g, r->by_h};
    for (int64_t i = begin; i < end; i++) {
        const int32_t dither =
            (int32_t)((uint32_t)i * UINT32_C(2654435769)); /* 2^32 by golden ratio */
        const two shift = {(1 << G_BITS) + 0.5, (double)dither * 0x1p-32 + 0.5};
        const two x = (two){(double)at[i].g, (double)at[i].h} * by + shift;
        const two_ints whole = __builtin_convertvector(x, two_ints) - (two_ints){1 << G_BITS, 0};
        memcpy(&at[i], &whole, sizeof whole);
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

static mw_status to_integers(mw_gbdt__run *run, int32_t output, int32_t round, mw_err *err) {
    const int64_t n_rows = run->train.matrix.n_rows, n_chunks = chunks_of(n_rows);
    rounding r = {.run = run, .output = output};
    r.most_g = mw_alloc_array(run->ctx->mem, 2 * (size_t)n_chunks, sizeof *r.most_g);
    if (!r.most_g) return mw_fail_nomem(err, "the gradients");
    r.most_h = r.most_g + n_chunks;
    mw_status status = mw_pool_for(run->ctx, n_rows, CHUNK, most_range, &r, err);
    double g = 0, h = 0;
    for (int64_t i = 0; i < n_chunks && !status; i++) {
        g = (double)r.most_g[i] > g ? (double)r.most_g[i] : g;
        h = (double)r.most_h[i] > h ? (double)r.most_h[i] : h;
    }
    mw_free(r.most_g);
    if (status) return status;
    if (!(g < MW_INFINITY && h < MW_INFINITY)) {
        mw_fail(err, MW_EDATA, "scores left all numbers in round %d", round + 1);
        return mw_err_hint(err, "lower the learning_rate, or scale the target down");
    }
    int h_bits;
    mw_scale *scale = &run->scales[output];
    mw_scale_bits(n_rows, &scale->count_bits, &h_bits);
    scale->g_unit = __builtin_ldexp(power_above(g), -G_BITS);
    scale->h_unit = __builtin_ldexp(power_above(h), -h_bits);
    r.by_g = 1 / scale->g_unit;
    r.by_h = 1 / scale->h_unit;
    return mw_pool_for(run->ctx, n_rows, CHUNK, round_range, &r, err);
}

mw_status mw_gbdt__gradients(mw_gbdt__run *run, int32_t round, mw_err *err) {
    mw_status status =
        mw_pool_for(run->ctx, run->train.matrix.n_rows, CHUNK, gradients_range, run, err);
    if (!status) status = draw_bag(run, round, err);
    for (int32_t k = 0; k < run->n_outputs && !status; k++)
        status = to_integers(run, k, round, err);
    return status;
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
