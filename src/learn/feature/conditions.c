/*
 * conditions.c -- k-means of settings, then each sensor's mean and deviation by condition.
 *
 * Beginning centers are drawn as likely as their squared distance from those before says; the best of a few such draws is taken (greedy
 * k-means++: Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, section 6). Lloyd's rounds follow.
 * Distances are shared out over threads and written by row; what adds up runs over all rows in their order, each column on one thread.
 */
#include "learn/feature/conditions.h"

#include <float.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"

enum {
    NONE = -1,
    ROUNDS = 50,
    CANDIDATES = 5,
    GRAIN = 2048,
    COLUMNS = 16 /* a line of memory of a row */
};

#define STREAM UINT64_C(0x636f6e6469000000) /* "condi" */

typedef struct fit {
    const mw_ctx *ctx;
    mw_conditions *c;
    mw_matrix matrix;
    int32_t *of;      /* [n_rows] condition; NONE */
    double *distance; /* [n_rows] squared, to the nearest center */
    double *trial;    /* [n_rows] the same if the newest center stayed */
    double *about;    /* [n_settings] what sums are of differences to */
    double *sums;     /* [n][n_settings] */
    int64_t *sizes;   /* [n] rows */
} fit;

static const float *row_of(const fit *f, int64_t row) {
    return f->matrix.x + row * f->matrix.n_features;
}

/* ---- distances ---- */

/* Squared; NaN where a setting is missing. */
static double distance(const mw_conditions *c, const float *row, int32_t k) {
    const double *center = c->centers + (size_t)k * (size_t)c->n_settings;
    double sum = 0;
    for (int32_t s = 0; s < c->n_settings; s++) {
        const double d = (double)row[c->settings[s]] - center[s];
        sum += d * d * c->weights[s];
    }
    return sum;
}

static int32_t nearest(const mw_conditions *c, const float *row, double *ret_distance) {
    int32_t best = NONE;
    double least = MW_INFINITY;
    for (int32_t k = 0; k < c->n; k++) {
        const double d = distance(c, row, k);
        if (!(d < least)) continue;
        least = d;
        best = k;
    }
    *ret_distance = least;
    return best;
}

int32_t mw_conditions_of(const mw_conditions *conditions, const float *row) {
    double least;
    return nearest(conditions, row, &least);
}

static mw_status assign_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    (void)err;
    const fit *f = arg;
    for (int64_t i = begin; i < end; i++) f->of[i] = nearest(f->c, row_of(f, i), &f->distance[i]);
    return MW_OK;
}

/* Only the newest center may be nearer than those before. */
static mw_status try_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    (void)err;
    const fit *f = arg;
    const int32_t newest = f->c->n - 1;
    for (int64_t i = begin; i < end; i++) {
        const double d = f->of[i] == NONE ? 0 : distance(f->c, row_of(f, i), newest);
        f->trial[i] = newest > 0 && !(d < f->distance[i]) ? f->distance[i] : d;
    }
    return MW_OK;
}

/* ---- settings ---- */

static bool has_settings(const fit *f, int64_t i) {
    const float *row = row_of(f, i);
    for (int32_t s = 0; s < f->c->n_settings; s++)
        if (mw_isnan((double)row[f->c->settings[s]])) return false;
    return true;
}

/* What settings weigh, over rows that have all of them (f->of is not NONE). Differences are to the first such row. */
static mw_status weigh(fit *f, mw_err *err) {
    mw_conditions *c = f->c;
    int64_t n = 0, first = 0;
    for (int64_t i = 0; i < f->matrix.n_rows; i++) {
        f->of[i] = has_settings(f, i) ? 0 : NONE;
        f->distance[i] = f->of[i] == 0; /* all as likely to be the first center */
        if (f->of[i] == 0 && n++ == 0) first = i;
    }
    if (n == 0) {
        mw_fail(err, MW_EDATA, "no row has a value in all columns of settings");
        mw_err_hint(err, "name fewer settings, or those that are measured");
        return MW_EDATA;
    }
    for (int32_t s = 0; s < c->n_settings; s++) {
        const double about = (double)row_of(f, first)[c->settings[s]];
        double sum = 0, squares = 0;
        for (int64_t i = first; i < f->matrix.n_rows; i++) {
            const double d = f->of[i] == NONE ? 0 : (double)row_of(f, i)[c->settings[s]] - about;
            sum += d;
            squares += d * d;
        }
        const double variance = (squares - sum * (sum / (double)n)) / (double)n;
        f->about[s] = about;
        c->weights[s] = variance > 0 ? 1 / variance : 1;
    }
    return MW_OK;
}

/* ---- k-means ---- */

static void set_center(const fit *f, int32_t k, int64_t row) {
    const mw_conditions *c = f->c;
    for (int32_t s = 0; s < c->n_settings; s++)
        c->centers[(size_t)k * (size_t)c->n_settings + (size_t)s] =
            (double)row_of(f, row)[c->settings[s]];
}

static double add_up(const fit *f, const double *distances) {
    double sum = 0;
    for (int64_t i = 0; i < f->matrix.n_rows; i++) sum += distances[i];
    return sum;
}

/* A row, as likely as its distance says: the one in which the running sum passes the drawn share. */
static int64_t draw(const fit *f, int32_t number, double all) {
    mw_rng rng;
    mw_rng_init(&rng, f->ctx->seed, STREAM, (uint64_t)number);
    const double at = mw_rng_uniform(&rng) * all;
    double sum = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < f->matrix.n_rows && !(sum > at); i++) {
        sum += f->distance[i];
        if (f->distance[i] > 0) last = i;
    }
    return last;
}

/* Distances with the newest center at that row. */
static mw_status try_center(fit *f, int64_t row, mw_err *err) {
    set_center(f, f->c->n - 1, row);
    return mw_pool_for(f->ctx, f->matrix.n_rows, GRAIN, try_some, f, err);
}

/* One more center, where the sum of all distances becomes least. */
static mw_status add_center(fit *f, double all, mw_err *err) {
    const int32_t k = f->c->n++;
    int64_t best = 0;
    double least = MW_INFINITY;
    mw_status status = MW_OK;
    for (int32_t candidate = 0; candidate < CANDIDATES && !status; candidate++) {
        const int64_t row = draw(f, k * CANDIDATES + candidate, all);
        status = try_center(f, row, err);
        const double sum = status ? MW_INFINITY : add_up(f, f->trial);
        if (!(sum < least)) continue;
        least = sum;
        best = row;
    }
    if (!status) status = try_center(f, best, err);
    double *swap = f->distance;
    f->distance = f->trial;
    f->trial = swap;
    return status;
}

/* Fewer centers than asked for when all rows lie on those there are. */
static mw_status begin(fit *f, int32_t n, mw_err *err) {
    mw_status status = MW_OK;
    while (f->c->n < n && !status) {
        const double all = add_up(f, f->distance);
        if (!(all > 0)) break;
        status = add_center(f, all, err);
    }
    return status ? status : mw_pool_for(f->ctx, f->matrix.n_rows, GRAIN, assign_some, f, err);
}

/* Each center to the mean of its rows; one without rows stays. Returns whether any moved. */
static bool move_centers(const fit *f) {
    const mw_conditions *c = f->c;
    const size_t settings = (size_t)c->n_settings, n = (size_t)c->n * settings;
    bool moved = false;
    for (size_t j = 0; j < n; j++) f->sums[j] = 0;
    for (int32_t k = 0; k < c->n; k++) f->sizes[k] = 0;
    for (int64_t i = 0; i < f->matrix.n_rows; i++) {
        if (f->of[i] == NONE) continue;
        double *sum = f->sums + (size_t)f->of[i] * settings;
        for (int32_t s = 0; s < c->n_settings; s++)
            sum[s] += (double)row_of(f, i)[c->settings[s]] - f->about[s];
        f->sizes[f->of[i]]++;
    }
    for (size_t j = 0; j < n; j++) {
        const int64_t size = f->sizes[j / settings];
        const double mean =
            size > 0 ? f->about[j % settings] + f->sums[j] / (double)size : c->centers[j];
        moved |= mean != c->centers[j];
        c->centers[j] = mean;
    }
    return moved;
}

static mw_status find_centers(fit *f, const mw_conditions_options *options, mw_err *err) {
    const int32_t rounds = options->rounds > 0 ? options->rounds : ROUNDS;
    mw_status status = begin(f, options->n, err);
    for (int32_t round = 0; round < rounds && !status; round++) {
        if (!move_centers(f)) break;
        mw_ctx_report(f->ctx, "finding operating conditions", round, rounds);
        status = mw_pool_for(f->ctx, f->matrix.n_rows, GRAIN, assign_some, f, err);
    }
    return status;
}

/* ---- sensors ---- */

/* Two passes: the mean of differences to the first value, then squared distances from the mean. */
static mw_status measure_some(void *arg, int64_t from, int64_t to, int worker, mw_err *err) {
    (void)worker;
    const fit *f = arg;
    const mw_conditions *c = f->c;
    const size_t sensors = (size_t)c->n_sensors;
    for (int pass = 0; pass < 2; pass++) {
        mw_status status = mw_ctx_check(f->ctx, err);
        if (status) return status;
        for (int64_t i = 0; i < f->matrix.n_rows; i++) {
            if (f->of[i] == NONE) continue;
            const float *row = row_of(f, i);
            const size_t at = (size_t)f->of[i] * sensors;
            for (int64_t s = from; s < to; s++) {
                const double x = (double)row[c->sensors[s]];
                const size_t j = at + (size_t)s;
                if (mw_isnan(x)) continue;
                if (pass == 1) {
                    c->stds[j] += (x - c->means[j]) * (x - c->means[j]);
                } else {
                    if (c->counts[j]++ == 0)
                        c->means[j] =
                            x; /* the first value, for now; sums of differences stand in stds */
                    c->stds[j] += x - c->means[j];
                }
            }
        }
        for (size_t k = 0; k < (size_t)c->n; k++)
            for (size_t j = k * sensors + (size_t)from; j < k * sensors + (size_t)to; j++) {
                const double n = c->counts[j];
                if (pass == 0) c->means[j] = n > 0 ? c->means[j] + c->stds[j] / n : MW_NAN;
                c->stds[j] = pass == 0 ? 0 : n > 1 ? mw_sqrt(c->stds[j] / (n - 1)) : 0;
            }
    }
    return MW_OK;
}

/* ---- all of it ---- */

static mw_status check_columns(const int32_t *columns, int32_t n, int32_t n_features,
                               const char *what, mw_err *err) {
    if (n < 1) return mw_fail(err, MW_EINVAL, "operating conditions need at least one %s", what);
    if (n > MW_LIMIT(MODEL_FEATURES))
        return mw_fail(err, MW_ETOOLARGE,
                       "operating conditions have at most %lld columns of %ss, not %d",
                       (long long)MW_LIMIT(MODEL_FEATURES), what, (int)n);
    for (int32_t i = 0; i < n; i++)
        if (columns[i] < 0 || columns[i] >= n_features)
            return mw_fail(err, MW_EINVAL, "there is no column %d for a %s, only 0 to %d",
                           (int)columns[i], what, (int)n_features - 1);
    return MW_OK;
}

static mw_status check(const mw_ctx *ctx, const mw_conditions_options *o, mw_matrix matrix,
                       mw_err *err) {
    mw_status status = mw_matrix_check(ctx, matrix, err);
    if (!status)
        status = check_columns(o->settings, o->n_settings, matrix.n_features, "setting", err);
    if (!status) status = check_columns(o->sensors, o->n_sensors, matrix.n_features, "sensor", err);
    if (status) return status;
    if (o->n < 1)
        return mw_fail(err, MW_EINVAL,
                       "the number of operating conditions must be at least 1, not %d", (int)o->n);
    if (o->n <= MW_LIMIT(CONDITIONS)) return MW_OK;
    return mw_fail(err, MW_ETOOLARGE, "at most %lld operating conditions, not %d",
                   (long long)MW_LIMIT(CONDITIONS), (int)o->n);
}

static mw_status take_room(fit *f, const mw_conditions_options *o, mw_err *err) {
    mw_conditions *c = f->c;
    mw_mem *mem = f->ctx->mem;
    const size_t settings = (size_t)o->n_settings, sensors = (size_t)o->n_sensors, n = (size_t)o->n;
    c->n_settings = o->n_settings;
    c->n_sensors = o->n_sensors;
    c->settings = mw_memdup(mem, o->settings, settings * sizeof *o->settings);
    c->sensors = mw_memdup(mem, o->sensors, sensors * sizeof *o->sensors);
    c->weights = mw_calloc(mem, settings, sizeof *c->weights);
    c->centers = mw_calloc(mem, n * settings, sizeof *c->centers);
    c->counts = mw_calloc(mem, n * sensors, sizeof *c->counts);
    c->means = mw_calloc(mem, n * sensors, sizeof *c->means);
    c->stds = mw_calloc(mem, n * sensors, sizeof *c->stds);
    f->of = mw_alloc_array(mem, (size_t)f->matrix.n_rows, sizeof *f->of);
    f->distance = mw_alloc_array(mem, (size_t)f->matrix.n_rows, sizeof *f->distance);
    f->trial = mw_alloc_array(mem, (size_t)f->matrix.n_rows, sizeof *f->trial);
    f->about = mw_calloc(mem, settings, sizeof *f->about);
    f->sums = mw_alloc_array(mem, n * settings, sizeof *f->sums);
    f->sizes = mw_alloc_array(mem, n, sizeof *f->sizes);
    const bool all = c->settings && c->sensors && c->weights && c->centers && c->counts &&
                     c->means && c->stds && f->of && f->distance && f->trial && f->about &&
                     f->sums && f->sizes;
    return all ? MW_OK : mw_fail_nomem(err, "operating conditions");
}

mw_status mw_conditions_fit(const mw_ctx *ctx, const mw_conditions_options *options,
                            mw_matrix matrix, mw_conditions **ret, mw_err *err) {
    mw_status status = check(ctx, options, matrix, err);
    if (status) return status;
    fit f = {.ctx = ctx, .matrix = matrix, .c = mw_calloc(ctx->mem, 1, sizeof *f.c)};
    if (!f.c) return mw_fail_nomem(err, "operating conditions");
    status = take_room(&f, options, err);
    if (!status) status = weigh(&f, err);
    if (!status) status = find_centers(&f, options, err);
    if (!status) status = mw_pool_for(ctx, f.c->n_sensors, COLUMNS, measure_some, &f, err);
    mw_free(f.of);
    mw_free(f.distance);
    mw_free(f.trial);
    mw_free(f.about);
    mw_free(f.sums);
    mw_free(f.sizes);
    if (status)
        mw_conditions_free(f.c);
    else
        *ret = f.c;
    return status;
}

void *mw_conditions_free(mw_conditions *conditions) {
    if (!conditions) return NULL;
    mw_free(conditions->settings);
    mw_free(conditions->sensors);
    mw_free(conditions->weights);
    mw_free(conditions->centers);
    mw_free(conditions->counts);
    mw_free(conditions->means);
    mw_free(conditions->stds);
    return mw_free(conditions);
}

/* ---- use ---- */

typedef struct apply {
    const mw_conditions *c;
    mw_matrix matrix;
    float *out;
} apply;

double mw_conditions_score(const mw_conditions *c, int32_t k, int32_t s, double x) {
    if (k == NONE) return MW_NAN;
    const size_t at = (size_t)k * (size_t)c->n_sensors + (size_t)s;
    return c->stds[at] > 0 ? (x - c->means[at]) / c->stds[at] : x == c->means[at] ? 0 : MW_NAN;
}

static mw_status apply_some(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)worker;
    (void)err;
    const apply *a = arg;
    const int32_t sensors = a->c->n_sensors;
    for (int64_t i = begin; i < end; i++) {
        const float *row = a->matrix.x + i * a->matrix.n_features;
        float *to = a->out + i * sensors;
        const int32_t k = mw_conditions_of(a->c, row);
        for (int32_t s = 0; s < sensors; s++) {
            const double z = mw_conditions_score(a->c, k, s, (double)row[a->c->sensors[s]]);
            to[s] = mw_abs(z) <= (double)FLT_MAX ? (float)z : (float)MW_NAN;
        }
    }
    return MW_OK;
}

mw_status mw_conditions_apply(const mw_ctx *ctx, const mw_conditions *conditions, mw_matrix matrix,
                              float *out, mw_err *err) {
    mw_status status = check_columns(conditions->settings, conditions->n_settings,
                                     matrix.n_features, "setting", err);
    if (!status)
        status = check_columns(conditions->sensors, conditions->n_sensors, matrix.n_features,
                               "sensor", err);
    apply a = {conditions, matrix, out};
    return status ? status : mw_pool_for(ctx, matrix.n_rows, GRAIN, apply_some, &a, err);
}
