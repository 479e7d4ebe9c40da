/*
 * bins.c -- finding the bins of every feature on a sample of rows.
 *
 * A feature's sampled values are sorted; up to max_bin distinct ones have a bin each, more are put together in bins of
 * equal count, where a value that fills a bin by itself
 * has one, with what was left before it (GreedyFindBin of LightGBM; Ke et al., NIPS 2017).
 */
#include "learn/tree/bins.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/stat/sort.h"

/* "bins" in ASCII: no other user of the seed has this stream. */
#define BINS_STREAM (UINT64_C(0x62696e73) << 32)

typedef struct finding {
    const mw_ctx *ctx;
    const mw_bins_options *options;
    mw_matrix matrix;
    const uint32_t *sample; /* [n_sample] rows, ascending; NULL: all */
    float *drawn; /* [n_features][n_sample] their values; NULL: all rows are read where they are */
    int64_t n_sample;
    mw_bins_column *columns; /* [n_features] */
} finding;

/* Distinct values of a feature, ascending, and how often each was drawn. */
typedef struct values {
    float *value;
    int64_t *count;
    int64_t n, n_drawn;
    bool missing;
} values;

/* At least low and below high, halfway where float32 has something there. */
static float between(float low, float high) {
    float middle = (float)(((double)low + (double)high) / 2);
    return middle >= low && middle < high ? middle : low;
}

/* Few distinct values: a bin each, small ones together. Returns the number of cuts. */
static int32_t cut_each(const values *v, int64_t least, float *cuts) {
    int32_t n = 0;
    int64_t held = 0;
    for (int64_t i = 0; i + 1 < v->n; i++) {
        held += v->count[i];
        if (held < least) continue;
        cuts[n++] = between(v->value[i], v->value[i + 1]);
        held = 0;
    }
    return n;
}

static int32_t cut_equally(const values *v, int32_t max_bin, int64_t least, float *cuts) {
    if (v->n_drawn / least < max_bin) max_bin = (int32_t)(v->n_drawn / least);
    if (max_bin < 1) max_bin = 1;
    const double full = (double)v->n_drawn / max_bin;
    int64_t bins_left = max_bin, rows_left = v->n_drawn, held = 0;
    for (int64_t i = 0; i < v->n; i++)
        if ((double)v->count[i] >= full) bins_left--, rows_left -= v->count[i];
    double mean = bins_left > 0 ? (double)rows_left / (double)bins_left : (double)rows_left;
    int32_t n = 0;
    for (int64_t i = 0; i + 1 < v->n && n < max_bin - 1; i++) {
        const bool heavy = (double)v->count[i] >= full;
        const bool heavy_next = (double)v->count[i + 1] >= full;
        if (!heavy) rows_left -= v->count[i];
        held += v->count[i];
        if (!heavy && (double)held < mean && !(heavy_next && 2 * (double)held >= mean)) continue;
        cuts[n++] = between(v->value[i], v->value[i + 1]);
        held = 0;
        if (!heavy && --bins_left > 0) mean = (double)rows_left / (double)bins_left;
    }
    return n;
}

static float value_at(const finding *f, int32_t feature, int64_t i) {
    return f->drawn ? f->drawn[feature * f->n_sample + i]
                    : f->matrix.x[i * f->matrix.n_features + feature];
}

/* Sampled rows to columns: each row is read once. */
static mw_status draw_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const finding *f = arg;
    const int64_t width = f->matrix.n_features;
    for (int64_t i = begin; i < end; i++)
        for (int64_t k = 0; k < width; k++)
            f->drawn[k * f->n_sample + i] = f->matrix.x[f->sample[i] * width + k];
    (void)worker, (void)err;
    return MW_OK;
}

/* keys [2][n_sample]; the values end up in its second half. */
static mw_status sort_values(const finding *f, int32_t feature, uint64_t *keys, values *v,
                             mw_err *err) {
    int64_t n = 0;
    for (int64_t i = 0; i < f->n_sample; i++) {
        float x = value_at(f, feature, i);
        uint32_t bits;
        if (__builtin_isnan(x)) continue;
        x += 0.0F; /* -0 is 0 */
        memcpy(&bits, &x, sizeof bits);
        keys[n++] = (uint64_t)mw_sort_key_f32(x) << 32 | bits;
    }
    mw_status status = mw_sort_u64(f->ctx, keys, keys + f->n_sample, n, 32, err);
    if (status) return status;
    v->missing = n < f->n_sample;
    v->n_drawn = n;
    v->n = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && keys[i] == keys[i - 1]) {
            v->count[v->n - 1]++;
            continue;
        }
        uint32_t bits = (uint32_t)keys[i];
        memcpy(&v->value[v->n], &bits, sizeof bits);
        v->count[v->n++] = 1;
    }
    return MW_OK;
}

/* Can its values, or that some are missing, tell rows apart? */
static bool varies(const values *v) { return v->n > 1 || (v->n == 1 && v->missing); }

static mw_status find_cuts(const finding *f, const values *v, mw_bins_column *c, mw_err *err) {
    float cuts[MW_BINS_MOST];
    int32_t n = 0;
    if (v->n > 0 && v->n <= f->options->max_bin)
        n = cut_each(v, f->options->min_data_in_bin, cuts);
    else if (v->n > 0)
        n = cut_equally(v, f->options->max_bin, f->options->min_data_in_bin, cuts);
    c->n_bins = n + 1;
    if (v->n == 0 || (n == 0 && !v->missing)) c->n_bins = 0;
    c->cuts = mw_memdup(f->ctx->mem, cuts, (size_t)n * sizeof *cuts);
    return c->cuts ? MW_OK : mw_fail_nomem(err, "the bins of a feature");
}

mw_status mw_bins_check_code(int32_t feature, float value, mw_err *err) {
    if (__builtin_isnan(value)) return MW_OK;
    if (value >= 0 && value < (float)MW_LIMIT(CATEGORIES) && (float)(int32_t)value == value)
        return MW_OK;
    return mw_fail(
        err, MW_EDATA,
        "feature %d holds %g, which is no code of a category (0 to %lld in whole numbers)",
        (int)feature, (double)value, (long long)MW_LIMIT(CATEGORIES) - 1);
}

/* The most frequent codes have a bin each, the lower code first among equals. */
static mw_status find_codes(const finding *f, int32_t feature, values *v, mw_bins_column *c,
                            mw_err *err) {
    for (int64_t i = 0; i < v->n; i++) {
        mw_status status = mw_bins_check_code(feature, v->value[i], err);
        if (status) return status;
    }
    c->by_code = true;
    c->n_bins = v->n < f->options->max_bin ? (int32_t)v->n : f->options->max_bin;
    c->n_codes = v->n > 0 ? (int32_t)v->value[v->n - 1] + 1 : 0;
    if (!varies(v)) c->n_bins = 0;
    c->codes = mw_alloc_array(f->ctx->mem, (size_t)c->n_bins, sizeof *c->codes);
    c->code_bins = mw_alloc(f->ctx->mem, (size_t)c->n_codes);
    if (!c->codes || !c->code_bins) return mw_fail_nomem(err, "the bins of a feature");
    memset(c->code_bins, c->n_bins, (size_t)c->n_codes);
    for (int32_t b = 0; b < c->n_bins; b++) {
        int64_t top = 0;
        for (int64_t i = 1; i < v->n; i++)
            if (v->count[i] > v->count[top]) top = i;
        c->codes[b] = (int32_t)v->value[top];
        c->code_bins[c->codes[b]] = (uint8_t)b;
        v->count[top] = -1;
    }
    return MW_OK;
}

static mw_status find_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const finding *f = arg;
    const size_t n = (size_t)f->n_sample;
    uint64_t *keys = mw_alloc_array(f->ctx->mem, 2 * n, sizeof *keys);
    values v = {.value = mw_alloc_array(f->ctx->mem, n, sizeof *v.value),
                .count = mw_alloc_array(f->ctx->mem, n, sizeof *v.count)};
    mw_status status = keys && v.value && v.count ? MW_OK : mw_fail_nomem(err, "binning");
    for (int64_t i = begin; i < end && !status; i++) {
        mw_bins_column *c = &f->columns[i];
        c->feature = (int32_t)i;
        status = sort_values(f, c->feature, keys, &v, err);
        if (status) break;
        c->varies = varies(&v);
        status = f->options->by_code && f->options->by_code[i]
                     ? find_codes(f, c->feature, &v, c, err)
                     : find_cuts(f, &v, c, err);
    }
    mw_free(keys);
    mw_free(v.value);
    mw_free(v.count);
    (void)worker;
    return status;
}

/* One row of each of n_sample equal ranges. */
static uint32_t *draw_rows(const mw_ctx *ctx, int64_t n_rows, int64_t n_sample) {
    uint32_t *sample = mw_alloc_array(ctx->mem, (size_t)n_sample, sizeof *sample);
    mw_rng rng;
    mw_rng_init(&rng, ctx->seed, BINS_STREAM, 0);
    for (int64_t i = 0; sample && i < n_sample; i++) {
        int64_t begin = i * n_rows / n_sample, end = (i + 1) * n_rows / n_sample;
        sample[i] = (uint32_t)(begin + (int64_t)mw_rng_below(&rng, (uint64_t)(end - begin)));
    }
    return sample;
}

static mw_status draw_sample(finding *f, mw_err *err) {
    enum { RANGE_ROWS = 4096 };
    const size_t n_cells = (size_t)f->n_sample * (size_t)f->matrix.n_features;
    uint32_t *sample = draw_rows(f->ctx, f->matrix.n_rows, f->n_sample);
    f->sample = sample;
    f->drawn = mw_alloc_array(f->ctx->mem, n_cells, sizeof *f->drawn);
    mw_status status = sample && f->drawn
                           ? mw_pool_for(f->ctx, f->n_sample, RANGE_ROWS, draw_range, f, err)
                           : mw_fail_nomem(err, "the bins");
    mw_free(sample);
    return status;
}

static void column_done(mw_bins_column *c) {
    mw_free(c->cuts);
    mw_free(c->codes);
    mw_free(c->code_bins);
}

/* Features with one bin and nothing missing tell nothing. */
static void keep_varying(mw_bins *bins) {
    for (int32_t i = 0; i < bins->n_features; i++) {
        mw_bins_column *c = &bins->columns[i];
        bins->n_varying += c->varies;
        if (c->n_bins == 0) {
            column_done(c);
            continue;
        }
        bins->n_slots += (uint32_t)c->n_bins + 1;
        bins->columns[bins->n_columns++] = *c;
    }
}

/* Slots one after another; where columns are full anyway, at even distances, which are faster to add to. */
static void place_slots(mw_bins *bins) {
    const uint32_t even = (uint32_t)bins->n_columns * MW_BINS_SLOTS;
    uint32_t next = 0;
    bins->evenly = bins->n_slots > even / 2;
    for (int32_t i = 0; i < bins->n_columns; i++) {
        bins->columns[i].first = next;
        next += bins->evenly ? MW_BINS_SLOTS : (uint32_t)bins->columns[i].n_bins + 1;
    }
    bins->n_slots = next + next % 2;
}

mw_status mw_bins_find(const mw_ctx *ctx, mw_matrix matrix, const mw_bins_options *options,
                       mw_bins **ret, mw_err *err) {
    finding f = {
        .ctx = ctx, .options = options, .matrix = matrix, .n_sample = options->sample_rows};
    mw_bins *bins = mw_calloc(ctx->mem, 1, sizeof *bins);
    if (!bins) return mw_fail_nomem(err, "the bins");
    bins->mem = ctx->mem;
    bins->n_features = matrix.n_features;
    bins->columns = f.columns =
        mw_calloc(ctx->mem, (size_t)matrix.n_features, sizeof *bins->columns);
    mw_status status = bins->columns ? MW_OK : mw_fail_nomem(err, "the bins");
    if (matrix.n_rows <= f.n_sample)
        f.n_sample = matrix.n_rows;
    else if (!status)
        status = draw_sample(&f, err);
    if (!status) status = mw_pool_for(ctx, matrix.n_features, 1, find_range, &f, err);
    mw_free(f.drawn);
    if (status) {
        bins->n_columns = bins->columns ? bins->n_features : 0;
        mw_bins_free(bins);
        return status;
    }
    keep_varying(bins);
    place_slots(bins);
    *ret = bins;
    return MW_OK;
}

void *mw_bins_free(mw_bins *bins) {
    if (!bins) return NULL;
    for (int32_t i = 0; i < bins->n_columns; i++) column_done(&bins->columns[i]);
    mw_free(bins->columns);
    return mw_free(bins);
}
