/*
 * gbdt.h -- gradient boosted trees: one tree for each output and round, on the gradients of the rounds before.
 *
 * What      leaf-wise or depth-wise trees on binned rows (grow.h), with row and column sampling, GOSS, DART, row and
 *           class weights, validation rows, early stopping, and continued training. Names and meaning of the options
 *           are LightGBM's.
 * Order     the same rows, options and ctx->seed give the same trees at any number of threads.
 * Source    Friedman, "Greedy function approximation: a gradient boosting machine", 2001; Ke et al., "LightGBM", NIPS
 *           2017 (GOSS, leaf-wise growth); Vinayak, Gilad-Bachrach, "DART", AISTATS 2015.
 */
#ifndef MW_LEARN_TREE_GBDT_H
#define MW_LEARN_TREE_GBDT_H

#include "learn/tree/grow.h"
#include "learn/tree/objective.h"
#include "learn/tree/trees.h"

typedef enum mw_boosting { MW_BOOSTING_GBDT, MW_BOOSTING_GOSS, MW_BOOSTING_DART } mw_boosting;

typedef struct mw_gbdt_options {
    mw_objective objective;
    mw_bins_options bins;
    mw_grow_options
        grow; /* by feature here: monotone, groups [n_features] or NULL. Not read: is_used, histogram_bytes */
    int32_t n_estimators; /* rounds, >= 1 */
    double learning_rate; /* above 0 */
    bool boost_from_average;
    mw_boosting boosting;
    double bagging_fraction; /* of the rows, drawn anew every bagging_freq rounds; (0, 1] */
    int32_t bagging_freq;    /* 0: no bagging */
    double feature_fraction; /* of the columns for each tree, level, node; (0, 1] */
    double feature_fraction_bylevel, feature_fraction_bynode;
    double top_rate, other_rate; /* GOSS: share of rows of large gradients, and of the others */
    double drop_rate, skip_drop; /* DART */
    int32_t max_drop;            /* DART: trees at once; 0: any */
    bool uniform_drop, xgboost_dart_mode;
    int32_t early_stopping_rounds; /* 0: never */
    double early_stopping_min_delta;
} mw_gbdt_options;

void mw_gbdt_defaults(mw_gbdt_options *options); /* LightGBM's, for squared errors */

typedef struct mw_gbdt_rows {
    mw_matrix matrix;
    mw_targets targets;
} mw_gbdt_rows;

/*
 * mw_gbdt_check_rows -- what a fit asks of its rows, for a caller whose errors shall call them otherwise than they will stand in the fit.
 *
 *   numbers  [n_rows] what errors about targets and weights call the rows, from 0; NULL: as they stand
 *
 * Errors    MW_EDATA, MW_ETOOLARGE: mw_matrix_check, mw_target_check, mw_objective_check; MW_ECANCELED.
 */
mw_status mw_gbdt_check_rows(const mw_ctx *ctx, const mw_objective *objective, mw_gbdt_rows rows,
                             const uint32_t *numbers, mw_err *err);

/* Losses round by round, of the scores after it. */
typedef struct mw_gbdt_curves {
    int32_t n_rounds;
    int32_t best_round;                  /* from 0: the last one kept */
    double *train_loss, *train_accuracy; /* [n_rounds], on at most 16,384 rows evenly spread */
    double *valid_loss, *valid_accuracy; /* [n_rounds], or NULL without validation rows */
} mw_gbdt_curves;

void mw_gbdt_curves_done(mw_gbdt_curves *curves);

/*
 * mw_gbdt_fit -- grows n_estimators rounds of trees.
 *
 *   valid   rows to measure on, or NULL
 *   init    trees to go on from: same features and outputs; or NULL. Their base stays, all of them are kept (DART
 *           changes their leaves), and rounds are counted on: the trees are those of one longer run
 *   curves  [1] filled, for mw_gbdt_curves_done; or NULL
 *   *ret    n_outputs scores of a row: base + leaves; mw_objective_predict makes predictions of them. `gain` is the
 *           fall of the loss's second order bound.
 *
 * Stops     before n_estimators when early_stopping_rounds rounds brought no lower loss (what came after the best
 *           round is dropped), and when nothing can be split any more.
 * Memory    2 bytes a cell, where those by row have 4 more and at most a quarter of padding; 8 bytes a row and 16 for each
 *           output, 5 more with a bag, 21 with GOSS; histograms of 4 KiB a column for up to 64 leaves, or 8 MiB of them
 *           when they are smaller, 256 MiB at most.
 * Errors    MW_EDATA: infinite values, targets or weights that the objective does not take, no feature that varies,
 *           scores beyond all numbers; MW_EINVAL; MW_ETOOLARGE; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_gbdt_fit(const mw_ctx *ctx, const mw_gbdt_options *options, mw_gbdt_rows train,
                      const mw_gbdt_rows *valid, const mw_trees *init, mw_gbdt_curves *curves,
                      mw_trees **ret, mw_err *err);

#endif
