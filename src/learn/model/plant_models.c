/*
 * plant_models.c -- fit, measure and save the three models.
 *
 * The saved model is the one that was measured: it is not fitted again on the test part, so the
 * figures beside it are its own.
 */
#include "learn/model/plant_parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/model/learner.h"

enum {
    PERMUTATION_REPEATS = 3,
    PERMUTATION_CELLS = 400000, /* rows x features x repeats scored, a few seconds at most */
    PERMUTATION_ROWS_MIN = 200,
    PERMUTATION_ROWS_MAX = 5000,
    TRIAL_TREES = 30,      /* of a forest grown only to be compared */
    CHECK_ROWS_MAX = 1000, /* rows model.onnx is compared on */
    ANOMALY_WINDOWS_MIN = 20
};

/* At most `most` rows, evenly spaced, so that a sample of a time series spans it. y may be NULL. */
typedef struct sample {
    float *x;
    double *y;
    mw_matrix matrix;
} sample;

static mw_status take_sample(const mw_ctx *ctx, mw_matrix from, const double *y, int64_t most,
                             sample *ret, mw_err *err) {
    int64_t n = from.n_rows < most ? from.n_rows : most;
    size_t row_bytes = (size_t)from.n_features * sizeof(float);
    ret->x = mw_alloc_array(ctx->mem, (size_t)n, row_bytes);
    ret->y = y ? mw_alloc_array(ctx->mem, (size_t)n, sizeof *ret->y) : NULL;
    if (!ret->x || (y && !ret->y)) return mw_fail_nomem(err, "a sample of the rows");
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i * from.n_rows / n;
        memcpy(ret->x + i * from.n_features, from.x + row * from.n_features, row_bytes);
        if (y) ret->y[i] = y[row];
    }
    ret->matrix = (mw_matrix){ret->x, n, from.n_features};
    return MW_OK;
}

static void free_sample(sample *s) {
    mw_free(s->x);
    mw_free(s->y);
}

static int64_t permutation_rows(int32_t n_features) {
    if (n_features < 1) return PERMUTATION_ROWS_MAX;
    int64_t rows = PERMUTATION_CELLS / ((int64_t)n_features * PERMUTATION_REPEATS);
    if (rows < PERMUTATION_ROWS_MIN) return PERMUTATION_ROWS_MIN;
    return rows > PERMUTATION_ROWS_MAX ? PERMUTATION_ROWS_MAX : rows;
}

static mw_status measure_importance(const mw_plant *plant, mw_outcome *o, mw_matrix rows,
                                    const double *y, mw_err *err) {
    mw_ctx ctx = *plant->ctx;
    ctx.seed = (uint64_t)mw_args_int(plant->plan.args, "seed");
    size_t n = (size_t)rows.n_features;
    o->importance = mw_calloc(ctx.mem, n, sizeof(double));
    o->permutation = mw_calloc(ctx.mem, n, sizeof(double));
    o->spread = mw_calloc(ctx.mem, n, sizeof(double));
    if (!o->importance || !o->permutation || !o->spread)
        return mw_fail_nomem(err, "the importance of features");
    sample s = {0};
    mw_status status = mw_model_importance(&ctx, o->model, o->importance, err);
    if (!status) status = take_sample(&ctx, rows, y, permutation_rows(rows.n_features), &s, err);
    if (!status)
        status = mw_model_permutation(&ctx, o->model, s.matrix, s.y, PERMUTATION_REPEATS,
                                      o->permutation, o->spread, err);
    free_sample(&s);
    return status;
}

static mw_status save_model(const mw_plant *plant, const mw_outcome *o, mw_matrix rows, mw_dir *out,
                            mw_dir **ret_dir, mw_err *err) {
    const mw_ctx *ctx = plant->ctx;
    mw_buf extra;
    mw_json_writer w;
    sample s = {0};
    mw_buf_init(&extra, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &extra, 0);
    mw_plant__write_training(plant, o, &w);
    mw_status status = mw_buf_status(&extra, "metadata.json", err);
    if (!status) status = mw_dir_sub(ctx, out, o->name, MW_DIR_CREATE, ret_dir, err);
    if (!status) status = take_sample(ctx, rows, NULL, CHECK_ROWS_MAX, &s, err);
    if (!status) status = mw_model_save(ctx, o->model, *ret_dir, mw_buf_str(&extra), s.matrix, err);
    if (!status) status = mw_plant__save_importance(plant, o, *ret_dir, err);
    free_sample(&s);
    mw_buf_done(&extra);
    return status;
}

/* ---- baseline and regression ---- */

/* The target's last mean, which a forest may fit the change since. */
static const char *last_value(const mw_plant *plant) {
    return mw_features_at(plant->lagged->features, plant->lagged->last_feature)->name;
}

static mw_status fit_rows(const mw_plant *plant, const char *learner, const mw_lagged_part *rows,
                          const mw_setting *settings, bool fits_change, mw_model **ret,
                          mw_err *err) {
    const mw_lagged *l = plant->lagged;
    mw_args *args = NULL;
    mw_status status = mw_plant__learner_args(plant, learner, settings, &args, err);
    if (status) return status;
    mw_fit fit = {.learner = learner,
                  .task = MW_TASK_REGRESSION,
                  .features = l->features,
                  .target = plant->windows->parameters[plant->plan.target],
                  .params = args,
                  .matrix = {rows->x, rows->n, l->n_features},
                  .y = rows->y,
                  .anchor = fits_change ? last_value(plant) : NULL};
    status = mw_model_fit(plant->ctx, &fit, ret, err);
    mw_args_free(args);
    return status;
}

static mw_status rmse_on(const mw_plant *plant, const mw_model *model, const mw_lagged_part *rows,
                         mw_regression_metrics *ret, mw_err *err) {
    mw_matrix matrix = {rows->x, rows->n, plant->lagged->n_features};
    double *predicted = mw_alloc_array(plant->ctx->mem, (size_t)rows->n, sizeof *predicted);
    if (!predicted) return mw_fail_nomem(err, "the predictions");
    mw_status status = mw_model_score(plant->ctx, model, matrix, predicted, err);
    if (!status) mw_metric_regression(rows->y, predicted, rows->n, ret);
    mw_free(predicted);
    return status;
}

/* Every leaf size in question, on the level and on the change. */
static void list_candidates(const mw_plant *plant, mw_outcome *o) {
    static const int32_t sizes[] = {5, 20, 50};
    bool given = mw_args_has(plant->plan.args, "min_samples_leaf");
    int n_sizes = given ? 1 : (int)(sizeof sizes / sizeof *sizes);
    for (int i = 0; i < n_sizes; i++) {
        int32_t leaf =
            given ? (int32_t)mw_args_int(plant->plan.args, "min_samples_leaf") : sizes[i];
        o->candidates[o->n_candidates++] = (mw_candidate){leaf, false, MW_NAN};
        if (plant->lagged->last_feature >= 0)
            o->candidates[o->n_candidates++] = (mw_candidate){leaf, true, MW_NAN};
    }
}

static mw_status try_candidate(const mw_plant *plant, const mw_lagged_part parts[2],
                               mw_candidate *candidate, mw_err *err) {
    int64_t trees = mw_args_int(plant->plan.args, "n_estimators");
    const mw_setting settings[] = {{"min_samples_leaf", candidate->min_samples_leaf},
                                   {"n_estimators", trees < TRIAL_TREES ? trees : TRIAL_TREES},
                                   {0}};
    mw_model *model = NULL;
    mw_regression_metrics metrics = {0};
    mw_status status =
        fit_rows(plant, "forest", &parts[0], settings, candidate->fits_change, &model, err);
    if (!status) status = rmse_on(plant, model, &parts[1], &metrics, err);
    if (!status) candidate->rmse = metrics.rmse;
    mw_model_free(model);
    return status;
}

/* The largest leaves among the candidates within 1 % of the best, then the better of those: a simpler
 * forest unless a finer one is clearly better (after the one-standard-error rule of Breiman,
 * Friedman, Olshen, Stone: "Classification and Regression Trees", 1984, section 3.4.3). */
static int32_t simplest_good(const mw_outcome *o) {
    double best = o->candidates[0].rmse;
    for (int32_t i = 1; i < o->n_candidates; i++)
        if (o->candidates[i].rmse < best) best = o->candidates[i].rmse;
    int32_t chosen = 0;
    bool found = false;
    for (int32_t i = 0; i < o->n_candidates; i++) {
        const mw_candidate *c = &o->candidates[i], *old = &o->candidates[chosen];
        if (!(c->rmse <= 1.01 * best)) continue;
        bool better = c->min_samples_leaf > old->min_samples_leaf ||
                      (c->min_samples_leaf == old->min_samples_leaf && c->rmse < old->rmse);
        if (!found || better) chosen = i;
        found = true;
    }
    return chosen;
}

/* The forest's leaf size, and whether it fits the level or the change since the last value: what
 * forecasts the last part of the training rows best, grown on those before. The test part takes no
 * part in the choice. */
static mw_status choose_candidate(const mw_plant *plant, mw_outcome *o, mw_err *err) {
    mw_lagged_part parts[2] = {{0}, {0}};
    list_candidates(plant, o);
    mw_status status =
        mw_lagged_validation(plant->ctx, plant->windows, plant->lagged, &parts[0], &parts[1], err);
    bool enough = parts[0].n >= MW_LAGGED_TEST_MIN && parts[1].n >= MW_LAGGED_TEST_MIN;
    for (int32_t i = 0; !status && enough && i < o->n_candidates; i++)
        status = try_candidate(plant, parts, &o->candidates[i], err);
    o->chosen = simplest_good(o);
    mw_lagged_part_done(&parts[0]);
    mw_lagged_part_done(&parts[1]);
    return status;
}

static mw_status fit_supervised(const mw_plant *plant, const char *learner, mw_outcome *o,
                                mw_err *err) {
    const mw_lagged_part *train = &plant->lagged->train;
    if (o != &plant->regression)
        return fit_rows(plant, learner, train, NULL, false, &o->model, err);
    mw_status status = choose_candidate(plant, o, err);
    if (status) return status;
    const mw_candidate *best = &o->candidates[o->chosen];
    const mw_setting settings[] = {{"min_samples_leaf", best->min_samples_leaf}, {0}};
    return fit_rows(plant, learner, train, settings, best->fits_change, &o->model, err);
}

static mw_status measure_supervised(const mw_plant *plant, mw_outcome *o, mw_err *err) {
    const mw_lagged_part *test = &plant->lagged->test;
    mw_metric_regression(test->y, test->naive, test->n, &o->naive);
    return rmse_on(plant, o->model, test, &o->metrics, err);
}

mw_status mw_plant__supervised(mw_plant *plant, const char *learner, mw_outcome *o, mw_dir *out,
                               mw_err *err) {
    const mw_lagged *l = plant->lagged;
    mw_matrix rows = {l->test.x, l->test.n, l->n_features};
    int64_t began = mw_clock_monotonic(plant->ctx->clock);
    mw_dir *dir = NULL;
    mw_status status = fit_supervised(plant, learner, o, err);
    o->seconds_fit = mw_clock_seconds_since(plant->ctx->clock, began);
    if (!status) status = measure_supervised(plant, o, err);
    if (!status) status = measure_importance(plant, o, rows, l->test.y, err);
    if (!status) status = save_model(plant, o, rows, out, &dir, err);
    mw_dir_close(dir);
    o->seconds_total = mw_clock_seconds_since(plant->ctx->clock, began);
    if (status) mw_err_prefix(err, "model %s", o->name);
    return status;
}

/* ---- anomaly ---- */

/* Window columns but `last`, which says of a window what the mean and the range already say. */
static bool is_used(const mw_window_column *column) { return column->aggregate != MW_AGG_LAST; }

static mw_status anomaly_matrix(const mw_plant *plant, mw_features **features, float **ret_x,
                                mw_err *err) {
    const mw_windows *w = plant->windows;
    int32_t n = 0;
    for (int32_t k = 0; k < w->n_columns; k++) n += is_used(&w->columns[k]);
    mw_status status = mw_features__new(plant->ctx->mem, n, features, err);
    for (int32_t k = 0; !status && k < w->n_columns; k++)
        if (is_used(&w->columns[k]))
            status = mw_features__add(*features, mw_str_of(w->columns[k].name), MW_FEATURE_NUMBER,
                                      NULL, 0, err);
    if (status) return status;
    /* The resampled table holds these very columns: the same conversion as at score time. */
    return mw_features_matrix(plant->ctx, *features, w->table, ret_x, err);
}

static mw_status fit_anomaly(mw_plant *plant, const mw_features *features, mw_matrix rows,
                             mw_err *err) {
    mw_args *args = NULL;
    mw_outcome *o = &plant->anomaly;
    mw_ranking *ranking = &plant->ranking;
    mw_status status = mw_plant__learner_args(plant, "isolation", NULL, &args, err);
    if (status) return status;
    mw_fit fit = {.learner = "isolation",
                  .task = MW_TASK_ANOMALY,
                  .features = features,
                  .params = args,
                  .matrix = rows};
    status = mw_model_fit(plant->ctx, &fit, &o->model, err);
    mw_args_free(args);
    if (status) return status;
    ranking->scores = mw_alloc_array(plant->ctx->mem, (size_t)rows.n_rows, sizeof(double));
    if (!ranking->scores) return mw_fail_nomem(err, "the scores");
    status = mw_model_score(plant->ctx, o->model, rows, ranking->scores, err);
    for (int64_t i = 0; !status && i < rows.n_rows; i++)
        o->n_flagged += ranking->scores[i] >= mw_model_threshold(o->model);
    return status;
}

typedef struct ranked {
    double score;
    int64_t start, window;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->start != y->start) return x->start < y->start ? -1 : 1;
    return x->window < y->window ? -1 : x->window > y->window;
}

static mw_status rank_windows(mw_plant *plant, mw_err *err) {
    const mw_windows *w = plant->windows;
    mw_ranking *r = &plant->ranking;
    int64_t n = w->n < MW_LIMIT(ANOMALIES) ? w->n : MW_LIMIT(ANOMALIES);
    ranked *all = mw_alloc_array(plant->ctx->mem, (size_t)w->n, sizeof *all);
    r->window = mw_alloc_array(plant->ctx->mem, (size_t)n, sizeof *r->window);
    r->standouts = mw_alloc_array(plant->ctx->mem, (size_t)n * MW_STANDOUTS, sizeof *r->standouts);
    if (!all || !r->window || !r->standouts) {
        mw_free(all);
        return mw_fail_nomem(err, "the anomalies");
    }
    for (int64_t i = 0; i < w->n; i++) all[i] = (ranked){r->scores[i], w->start[i], i};
    qsort(all, (size_t)w->n, sizeof *all, compare_ranked);
    for (int64_t i = 0; i < n; i++) r->window[i] = all[i].window;
    mw_free(all);
    r->n = n;
    return mw_standouts_find(plant->ctx, w, r->window, n, r->standouts, err);
}

mw_status mw_plant__anomaly(mw_plant *plant, mw_dir *out, mw_err *err) {
    const mw_windows *w = plant->windows;
    mw_outcome *o = &plant->anomaly;
    if (w->n < ANOMALY_WINDOWS_MIN) {
        mw_fail(err, MW_EDATA, "model anomaly: %lld windows; at least %d are needed",
                (long long)w->n, ANOMALY_WINDOWS_MIN);
        return mw_err_hint(err, "bring more rows or a shorter interval");
    }
    int64_t began = mw_clock_monotonic(plant->ctx->clock);
    mw_features *features = NULL;
    float *x = NULL;
    mw_dir *dir = NULL;
    mw_status status = anomaly_matrix(plant, &features, &x, err);
    mw_matrix rows = {x, w->n, features ? mw_features_count(features) : 0};
    if (!status) status = fit_anomaly(plant, features, rows, err);
    o->seconds_fit = mw_clock_seconds_since(plant->ctx->clock, began);
    if (!status) status = rank_windows(plant, err);
    if (!status) status = measure_importance(plant, o, rows, NULL, err);
    if (!status) status = save_model(plant, o, rows, out, &dir, err);
    if (!status) status = mw_plant__save_anomalies(plant, dir, err);
    if (!status) status = mw_plant__save_scores(plant, dir, err);
    mw_dir_close(dir);
    mw_free(x);
    mw_features_free(features);
    o->seconds_total = mw_clock_seconds_since(plant->ctx->clock, began);
    if (status) mw_err_prefix(err, "model %s", o->name);
    return status;
}
