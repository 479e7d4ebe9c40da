/*
 * objective.h -- what boosting makes small: the first guess, gradients, the loss, and what a score means.
 *
 * What      one line of a table for each objective. A row has n_outputs scores (margins); loss and gradients are those
 *           of the row's target, times its weight.
 * Shapes    scores, gradients [n_outputs][n_rows]; a target is a number, or a class 0, 1, ...
 * Source    gradients, hessians and first guesses as LightGBM 4 has them (Ke et al., NIPS 2017), so that its
 *           parameters mean the same here: absolute and quantile take hessian 1 and renew a leaf by its residuals'
 *           quantile; softmax takes hessians times K / (K - 1) (Friedman, 2001).
 */
#ifndef MW_LEARN_TREE_OBJECTIVE_H
#define MW_LEARN_TREE_OBJECTIVE_H

#include <stdbool.h>

#include "core/base/ctx.h"

typedef enum mw_objective_kind {
    MW_OBJECTIVE_SQUARED,
    MW_OBJECTIVE_ABSOLUTE,
    MW_OBJECTIVE_HUBER,
    MW_OBJECTIVE_QUANTILE,
    MW_OBJECTIVE_POISSON,
    MW_OBJECTIVE_TWEEDIE,
    MW_OBJECTIVE_LOGISTIC,
    MW_OBJECTIVE_SOFTMAX
} mw_objective_kind;

typedef struct mw_objective {
    mw_objective_kind kind;
    int32_t n_outputs;     /* SOFTMAX: classes; else 1 */
    double alpha;          /* HUBER: where it turns linear; QUANTILE: the share of rows below */
    double power;          /* TWEEDIE: of the variance, above 1 and below 2 */
    double max_delta_step; /* POISSON: added to the score in the hessian */
} mw_objective;

/* What a row is worth: y, times weights, times the weight of its class. All borrowed. */
typedef struct mw_targets {
    int64_t n_rows;
    const double *y;             /* [n_rows] */
    const double *weights;       /* [n_rows] above 0, or NULL */
    const double *class_weights; /* [classes], or NULL */
} mw_targets;

typedef struct mw_gradient {
    float g, h;
} mw_gradient;

/* Sums over rows; all by weight. */
typedef struct mw_loss {
    double loss, weight;
    double correct; /* classes: of rows whose class has the highest score */
} mw_loss;

const char *mw_objective_loss_name(mw_objective_kind kind); /* "rmse", "binary_logloss" ... */
bool mw_objective_classes(mw_objective_kind kind);

/* MW_EDATA: weights that are not above 0 and finite, targets below 0 where counts are asked for.
 * numbers [n_rows], from 0: what rows are called; NULL: as they stand. */
mw_status mw_objective_check(const mw_objective *objective, mw_targets targets,
                             const uint32_t *numbers, mw_err *err);
/* MW_EDATA: counts are asked for and all targets are 0, so that their mean has no logarithm. For rows to learn from, not for those to measure on. */
mw_status mw_objective_check_rate(const mw_objective *objective, mw_targets targets, mw_err *err);

/* base [n_outputs]: the constant score of least loss. MW_ENOMEM, MW_ECANCELED. */
mw_status mw_objective_start(const mw_ctx *ctx, const mw_objective *objective, mw_targets targets,
                             double *base, mw_err *err);

/* Gradients of rows [begin, end). Cost: 1 to 10 ns a row and output. */
void mw_objective_gradients(const mw_objective *objective, mw_targets targets, const double *scores,
                            int64_t begin, int64_t end, mw_gradient *out);

enum { MW_OBJECTIVE_BLOCK = 256 };

/* The losses of these rows [n <= MW_OBJECTIVE_BLOCK], added to *sum in their order. */
void mw_objective_add_losses(const mw_objective *objective, mw_targets targets,
                             const double *scores, const int64_t *rows, int64_t n, mw_loss *sum);
/* What is shown: a mean; for squared its root. NaN without rows. */
double mw_objective_mean(const mw_objective *objective, mw_loss sum);

/* Are leaves the quantile of their rows' residuals? */
bool mw_objective_renews(const mw_objective *objective);
/* That quantile over rows [n] of the residuals y - score. scratch: [n]. Cost: O(n), with weights O(n log n). */
mw_status mw_objective_renew(const mw_ctx *ctx, const mw_objective *objective, mw_targets targets,
                             const double *scores, const uint32_t *rows, int64_t n,
                             uint64_t *scratch, double *ret, mw_err *err);

/* Scores [n_rows][n_outputs] to what is predicted, in place: a value, or probabilities (LOGISTIC: of class 1). */
void mw_objective_predict(const mw_objective *objective, double *scores, int64_t n_rows);

#endif
