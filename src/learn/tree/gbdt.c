/*
 * gbdt.c -- the rounds: gradients, a tree for each output, scores, losses, and when to stop.
 */
#include "learn/tree/gbdt.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/tree/gbdt_parts.h"

enum { LOSS_ROWS = 16384, LOSS_CHUNK = 2048 };
/* Room for histograms: 64 of them, within these bounds. The least promising leaves give theirs back, most of which are
 * never split: 1M rows x 28 columns, 255 leaves, took the same time with 8 MiB as with all of them in memory. */
enum { HISTOGRAMS = 64, HISTOGRAM_BYTES_LEAST = 1 << 23, HISTOGRAM_BYTES_MOST = 1 << 28 };

void mw_gbdt_defaults(mw_gbdt_options *o) {
    *o = (mw_gbdt_options){.objective = {.kind = MW_OBJECTIVE_SQUARED,
                                         .n_outputs = 1,
                                         .alpha = 0.9,
                                         .power = 1.5,
                                         .max_delta_step = 0.7},
                           .bins = {.max_bin = 255, .min_data_in_bin = 3, .sample_rows = 200000},
                           .grow = {.split = {.min_sum_hessian_in_leaf = 1e-3,
                                              .min_data_in_leaf = 20,
                                              .max_cat_to_onehot = 4,
                                              .max_cat_threshold = 32,
                                              .min_data_per_group = 100,
                                              .cat_l2 = 10,
                                              .cat_smooth = 10},
                                    .num_leaves = 31},
                           .n_estimators = 100,
                           .learning_rate = 0.1,
                           .boost_from_average = true,
                           .bagging_fraction = 1,
                           .feature_fraction = 1,
                           .feature_fraction_bylevel = 1,
                           .feature_fraction_bynode = 1,
                           .top_rate = 0.2,
                           .other_rate = 0.1,
                           .drop_rate = 0.1,
                           .skip_drop = 0.5,
                           .max_drop = 50};
}

void mw_gbdt_curves_done(mw_gbdt_curves *curves) {
    mw_free(curves->train_loss);
    mw_free(curves->train_accuracy);
    mw_free(curves->valid_loss);
    mw_free(curves->valid_accuracy);
    *curves = (mw_gbdt_curves){0};
}

/* ---- options ---- */

static mw_status bad_option(const char *name, const char *why, mw_err *err) {
    mw_fail(err, MW_EINVAL, "%s %s", name, why);
    return mw_err_at(err, "%s", name);
}

static mw_status check_options(const mw_gbdt_options *o, mw_gbdt_rows train,
                               const mw_gbdt_rows *valid, const mw_trees *init, mw_err *err) {
    const int64_t n_trees = (int64_t)o->n_estimators * o->objective.n_outputs;
    if (n_trees + (init ? init->n_trees : 0) > MW_LIMIT(MODEL_TREES)) {
        mw_fail(err, MW_ETOOLARGE, "%d rounds of %d trees are more than %lld trees",
                o->n_estimators, o->objective.n_outputs, (long long)MW_LIMIT(MODEL_TREES));
        return mw_err_at(err, "n_estimators");
    }
    if (o->early_stopping_rounds > 0 && !valid) {
        bad_option("early_stopping_rounds", "needs validation rows", err);
        return mw_err_hint(err, "give a file of them (--valid), or set validation_fraction=0.2");
    }
    if (o->early_stopping_rounds > 0 && o->boosting == MW_BOOSTING_DART)
        return bad_option("early_stopping_rounds",
                          "does not go with dart, which changes trees that were kept", err);
    if (o->boosting == MW_BOOSTING_GOSS && !(o->top_rate + o->other_rate <= 1))
        return bad_option("top_rate", "and other_rate together are more than 1", err);
    if (train.matrix.n_rows > UINT32_MAX / 2)
        return mw_fail(err, MW_ETOOLARGE, "at most 2147483647 rows can be boosted on");
    if (init && (init->n_features != train.matrix.n_features ||
                 init->n_outputs != o->objective.n_outputs || init->n_trees % init->n_outputs != 0))
        return mw_fail(err, MW_EINVAL,
                       "the model to go on from has %d features and %d outputs, "
                       "these rows need %d and %d",
                       init->n_features, init->n_outputs, train.matrix.n_features,
                       o->objective.n_outputs);
    return MW_OK;
}

/* ---- columns ---- */

/* Options by feature, for the columns that vary. */
static mw_status grow_options(mw_gbdt__run *run, mw_grow_options *grow, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    const size_t n = (size_t)run->bins->n_columns;
    mw_mem *mem = run->ctx->mem;
    if (o->grow.monotone) run->monotone = mw_alloc_array(mem, n, sizeof *run->monotone);
    if (o->grow.groups) run->groups = mw_alloc_array(mem, n, sizeof *run->groups);
    if (o->feature_fraction < 1) run->is_used = mw_alloc_array(mem, n, sizeof *run->is_used);
    if ((o->grow.monotone && !run->monotone) || (o->grow.groups && !run->groups) ||
        (o->feature_fraction < 1 && !run->is_used))
        return mw_fail_nomem(err, "the columns");
    for (size_t c = 0; c < n; c++) {
        const int32_t feature = run->bins->columns[c].feature;
        if (o->grow.monotone) run->monotone[c] = o->grow.monotone[feature];
        if (o->grow.groups) run->groups[c] = o->grow.groups[feature];
    }
    const size_t bytes = HISTOGRAMS * run->bins->n_slots * sizeof(mw_slot);
    *grow = o->grow;
    grow->histogram_bytes = bytes < HISTOGRAM_BYTES_LEAST  ? HISTOGRAM_BYTES_LEAST
                            : bytes > HISTOGRAM_BYTES_MOST ? HISTOGRAM_BYTES_MOST
                                                           : bytes;
    grow->monotone = run->monotone;
    grow->groups = run->groups;
    grow->is_used = run->is_used;
    int32_t left = mw_gbdt__count_of(o->feature_fraction, (int32_t)n);
    if (o->feature_fraction_bylevel < 1)
        grow->n_by_level = left = mw_gbdt__count_of(o->feature_fraction_bylevel, left);
    if (o->feature_fraction_bynode < 1)
        grow->n_by_node = mw_gbdt__count_of(o->feature_fraction_bynode, left);
    return MW_OK;
}

/* ---- scores to begin with ---- */

/* What the ensemble gives the rows, one output after another. */
static mw_status score_rows(const mw_gbdt__run *run, mw_matrix matrix, double *scores,
                            mw_err *err) {
    const mw_trees *t = run->shelf.trees;
    const int64_t n = matrix.n_rows, width = run->n_outputs;
    if (t->n_trees == 0) {
        for (int64_t i = 0; i < n * width; i++) scores[i] = t->base[i / n];
        return MW_OK;
    }
    double *rows = mw_alloc_array(run->ctx->mem, (size_t)(n * width), sizeof *rows);
    if (!rows) return mw_fail_nomem(err, "the scores");
    mw_status status = mw_trees_score(run->ctx, t, matrix, rows, err);
    for (int64_t i = 0; i < n * width && !status; i++) scores[i % width * n + i / width] = rows[i];
    mw_free(rows);
    return status;
}

static mw_status start_scores(mw_gbdt__run *run, const mw_trees *init, mw_err *err) {
    const size_t n = (size_t)run->train.matrix.n_rows * (size_t)run->n_outputs;
    mw_mem *mem = run->ctx->mem;
    mw_status status = mw_gbdt__shelf_new(run, init, err);
    if (!status && !init && run->options->boost_from_average)
        status = mw_objective_start(run->ctx, &run->options->objective, run->train.targets,
                                    run->shelf.trees->base, err);
    if (status) return status;
    run->scores = mw_alloc_aligned(mem, n * sizeof *run->scores);
    if (!run->scores) return mw_fail_nomem(err, "the scores");
    status = score_rows(run, run->train.matrix, run->scores, err);
    if (status || !run->valid) return status;
    run->valid_scores = mw_alloc_array(
        mem, (size_t)run->valid->matrix.n_rows * (size_t)run->n_outputs, sizeof *run->valid_scores);
    if (!run->valid_scores) return mw_fail_nomem(err, "the scores");
    return score_rows(run, run->valid->matrix, run->valid_scores, err);
}

/* ---- losses ---- */

typedef struct measuring {
    const mw_objective *objective;
    mw_targets targets;
    const double *scores;
    int64_t n;     /* rows that count, evenly spread */
    mw_loss *sums; /* [chunks] */
} measuring;

static mw_status measure_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const measuring *m = arg;
    mw_loss *sum = &m->sums[begin / LOSS_CHUNK];
    *sum = (mw_loss){0};
    for (int64_t at = begin; at < end; at += MW_OBJECTIVE_BLOCK) {
        const int64_t n = end - at < MW_OBJECTIVE_BLOCK ? end - at : MW_OBJECTIVE_BLOCK;
        int64_t rows[MW_OBJECTIVE_BLOCK] = {0};
        for (int64_t i = 0; i < n; i++)
            rows[i] = m->n == m->targets.n_rows ? at + i : (at + i) * m->targets.n_rows / m->n;
        mw_objective_add_losses(m->objective, m->targets, m->scores, rows, n, sum);
    }
    (void)worker, (void)err;
    return MW_OK;
}

/* The mean loss, and the share of right classes; sums of fixed pieces are added in order. */
static mw_status measure(const mw_gbdt__run *run, mw_targets targets, const double *scores,
                         int64_t most, double *ret_loss, double *ret_accuracy, mw_err *err) {
    measuring m = {.objective = &run->options->objective,
                   .targets = targets,
                   .scores = scores,
                   .n = targets.n_rows < most ? targets.n_rows : most};
    const int64_t n_chunks = (m.n + LOSS_CHUNK - 1) / LOSS_CHUNK;
    m.sums = mw_alloc_array(run->ctx->mem, (size_t)n_chunks, sizeof *m.sums);
    if (!m.sums) return mw_fail_nomem(err, "the losses");
    mw_status status = mw_pool_for(run->ctx, m.n, LOSS_CHUNK, measure_range, &m, err);
    mw_loss sum = {0};
    for (int64_t i = 0; i < n_chunks && !status; i++) {
        sum.loss += m.sums[i].loss;
        sum.weight += m.sums[i].weight;
        sum.correct += m.sums[i].correct;
    }
    mw_free(m.sums);
    *ret_loss = mw_objective_mean(m.objective, sum);
    *ret_accuracy = mw_objective_classes(m.objective->kind) ? sum.correct / sum.weight : MW_NAN;
    return status;
}

static mw_status curves_new(const mw_gbdt__run *run, mw_gbdt_curves *curves, mw_err *err) {
    const size_t n = (size_t)run->options->n_estimators;
    double **const lists[] = {&curves->train_loss, &curves->train_accuracy, &curves->valid_loss,
                              &curves->valid_accuracy};
    *curves = (mw_gbdt_curves){.best_round = -1};
    for (int i = 0; i < (run->valid ? 4 : 2); i++) {
        *lists[i] = mw_alloc_array(run->ctx->mem, n, sizeof **lists[i]);
        if (!*lists[i]) return mw_fail_nomem(err, "the curves");
    }
    return MW_OK;
}

/* The round's losses; what early stopping goes by is that of the validation rows. */
static mw_status measure_round(const mw_gbdt__run *run, mw_gbdt_curves *curves, mw_err *err) {
    const int32_t r = curves->n_rounds++;
    mw_status status = measure(run, run->train.targets, run->scores, LOSS_ROWS,
                               &curves->train_loss[r], &curves->train_accuracy[r], err);
    if (status || !run->valid) {
        curves->best_round = r;
        return status;
    }
    status = measure(run, run->valid->targets, run->valid_scores, INT64_MAX, &curves->valid_loss[r],
                     &curves->valid_accuracy[r], err);
    if (run->options->early_stopping_rounds == 0 || curves->best_round < 0 ||
        curves->valid_loss[r] <
            curves->valid_loss[curves->best_round] - run->options->early_stopping_min_delta)
        curves->best_round = r;
    return status;
}

static void report(const mw_gbdt__run *run, const mw_gbdt_curves *curves, int64_t start_us) {
    const int32_t r = curves->n_rounds - 1;
    const double seconds = (double)(mw_clock_monotonic(run->ctx->clock) - start_us) / 1e6;
    const double rows = (double)run->train.matrix.n_rows * curves->n_rounds;
    char stage[160];
    (void)snprintf(stage, sizeof stage, "boosting, %s %.5g%s, %.3g rows/s",
                   mw_objective_loss_name(run->options->objective.kind),
                   run->valid ? curves->valid_loss[r] : curves->train_loss[r],
                   run->valid ? " on validation rows" : "", seconds > 0 ? rows / seconds : 0);
    mw_ctx_report(run->ctx, stage, curves->n_rounds, run->options->n_estimators);
}

/* ---- rounds ---- */

static bool draws_anything(const mw_gbdt__run *run) {
    const mw_grow_options *grow = &run->options->grow;
    return run->in_bag || run->is_used || run->options->feature_fraction_bylevel < 1 ||
           run->options->feature_fraction_bynode < 1 || grow->extra_trees ||
           run->options->boosting == MW_BOOSTING_DART;
}

static mw_status grow_round(mw_gbdt__run *run, int32_t round, bool *ret_split, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    const int64_t n_rows = run->train.matrix.n_rows;
    const bool dart = o->boosting == MW_BOOSTING_DART;
    *ret_split = false;
    mw_status status = dart ? mw_gbdt__drop(run, round, err) : MW_OK;
    if (!status) status = mw_gbdt__gradients(run, round, err);
    for (int32_t k = 0; k < run->n_outputs && !status; k++) {
        const int32_t tree = round * run->n_outputs + k;
        status = mw_gbdt__to_integers(run, k, round, err);
        if (status) break;
        mw_gbdt__draw_columns(run, tree);
        status = mw_grower_grow(run->grower, run->ctx, (mw_pair *)run->gradients + k * n_rows,
                                run->scale, run->n_bag < n_rows ? run->bag : NULL, run->n_bag,
                                run->ctx->seed ^ (MW_GBDT__NODES | (uint32_t)tree), err);
        if (status) break;
        *ret_split |= mw_grower_count(run->grower) > 1;
        status =
            mw_gbdt__add_tree(run, k, dart ? run->round_weights[round] : o->learning_rate, err);
    }
    return status || !dart ? status : mw_gbdt__put_back(run, err);
}

static mw_status boost(mw_gbdt__run *run, mw_gbdt_curves *curves, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    const int64_t start_us = mw_clock_monotonic(run->ctx->clock);
    bool any_split = true;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < o->n_estimators && !status; i++) {
        const int32_t round = run->first_round + i;
        status = mw_ctx_check(run->ctx, err);
        if (!status) status = grow_round(run, round, &any_split, err);
        if (!status && !any_split && round > 0 && !draws_anything(run)) break;
        if (!status) status = measure_round(run, curves, err);
        if (status) break;
        report(run, curves, start_us);
        if (o->early_stopping_rounds > 0 && i - curves->best_round >= o->early_stopping_rounds)
            break;
    }
    if (!status) mw_gbdt__truncate(run, run->first_round + curves->best_round + 1);
    return status;
}

/* ---- all of it ---- */

static mw_status prepare(mw_gbdt__run *run, mw_err *err) {
    const mw_gbdt_options *o = run->options;
    const mw_ctx *ctx = run->ctx;
    const size_t n = (size_t)run->train.matrix.n_rows, n_outputs = (size_t)run->n_outputs;
    mw_grow_options grow;
    mw_status status = mw_bins_find(ctx, run->train.matrix, &o->bins, &run->bins, err);
    if (status) return status;
    if (run->bins->n_varying == 0) {
        mw_fail(err, MW_EDATA, "no feature varies: each is constant or missing in all rows");
        return mw_err_hint(err, "there is nothing to tell the rows apart by");
    }
    status = mw_bins_fill(ctx, run->bins, run->train.matrix, true, &run->binned, err);
    if (!status) status = grow_options(run, &grow, err);
    if (!status) status = mw_grower_new(ctx, run->bins, &run->binned, &grow, &run->grower, err);
    if (status) return status;
    const bool draws =
        o->boosting == MW_BOOSTING_GOSS || (o->bagging_freq > 0 && o->bagging_fraction < 1);
    const bool dart = o->boosting == MW_BOOSTING_DART;
    const size_t rounds = (size_t)run->first_round + (size_t)o->n_estimators;
    run->n_bag = run->train.matrix.n_rows;
    run->gradients = mw_alloc_aligned(ctx->mem, n * n_outputs * sizeof(mw_pair));
    run->extents =
        mw_alloc_array(ctx->mem, n_outputs * (n / MW_GBDT__CHUNK + 1), sizeof *run->extents);
    if (draws) run->in_bag = mw_alloc(ctx->mem, n);
    if (draws) run->bag = mw_alloc_array(ctx->mem, n, sizeof *run->bag);
    if (dart) run->round_weights = mw_alloc_array(ctx->mem, rounds, sizeof *run->round_weights);
    if (dart) run->dropped = mw_alloc_array(ctx->mem, rounds, sizeof *run->dropped);
    if (mw_objective_renews(&o->objective))
        run->scratch = mw_alloc_array(ctx->mem, n, sizeof *run->scratch);
    if (!run->gradients || !run->extents || (draws && (!run->in_bag || !run->bag)) ||
        (dart && (!run->round_weights || !run->dropped)) ||
        (mw_objective_renews(&o->objective) && !run->scratch))
        return mw_fail_nomem(err, "boosting");
    if (dart) mw_gbdt__weigh_begun(run);
    return MW_OK;
}

static void run_done(mw_gbdt__run *run) {
    mw_grower_free(run->grower);
    mw_binned_done(&run->binned);
    mw_bins_free(run->bins);
    void *const blocks[] = {run->monotone,     run->groups,    run->is_used,       run->scores,
                            run->valid_scores, run->gradients, run->extents,       run->in_bag,
                            run->bag,          run->scratch,   run->round_weights, run->dropped};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) mw_free(blocks[i]);
    mw_trees_free(run->shelf.trees);
}

mw_status mw_gbdt_check_rows(const mw_ctx *ctx, const mw_objective *o, mw_gbdt_rows rows,
                             const uint32_t *numbers, mw_err *err) {
    const int32_t n_classes = o->kind == MW_OBJECTIVE_LOGISTIC  ? 2
                              : o->kind == MW_OBJECTIVE_SOFTMAX ? o->n_outputs
                                                                : 0;
    mw_status status = mw_matrix_check(ctx, rows.matrix, err);
    if (!status)
        status = mw_target_check(rows.targets.y, rows.matrix.n_rows, n_classes, numbers, err);
    return status ? status : mw_objective_check(o, rows.targets, numbers, err);
}

mw_status mw_gbdt_fit(const mw_ctx *ctx, const mw_gbdt_options *options, mw_gbdt_rows train,
                      const mw_gbdt_rows *valid, const mw_trees *init, mw_gbdt_curves *curves,
                      mw_trees **ret, mw_err *err) {
    mw_gbdt__run run = {.ctx = ctx,
                        .options = options,
                        .train = train,
                        .valid = valid,
                        .n_outputs = options->objective.n_outputs,
                        .first_round = init ? init->n_trees / options->objective.n_outputs : 0};
    mw_gbdt_curves own = {0};
    mw_status status = check_options(options, train, valid, init, err);
    if (!status) status = mw_gbdt_check_rows(ctx, &options->objective, train, NULL, err);
    if (!status) status = mw_objective_check_rate(&options->objective, train.targets, err);
    if (!status && valid) status = mw_gbdt_check_rows(ctx, &options->objective, *valid, NULL, err);
    if (!status) status = prepare(&run, err);
    if (!status) status = start_scores(&run, init, err);
    if (!status) status = curves_new(&run, &own, err);
    if (!status) status = boost(&run, &own, err);
    if (!status) {
        *ret = run.shelf.trees;
        run.shelf.trees = NULL;
    }
    if (!status && curves)
        *curves = own;
    else
        mw_gbdt_curves_done(&own);
    run_done(&run);
    return status;
}
