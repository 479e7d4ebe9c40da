/*
 * metric.h -- scores of predictions against the truth. Arrays are [n]; only the AUC allocates.
 */
#ifndef MW_LEARN_METRIC_METRIC_H
#define MW_LEARN_METRIC_METRIC_H

#include "core/base/ctx.h"

typedef struct mw_regression_metrics {
    int64_t n;
    double rmse, mae;
    double mape; /* share, not percent, over rows with truth != 0; NaN when there are none */
    double r2;   /* NaN when the truth is constant */
} mw_regression_metrics;

void mw_metric_regression(const double *truth, const double *prediction, int64_t n,
                          mw_regression_metrics *ret);

/* Area under the ROC curve, ties counted half; label 0/1. MW_EDATA when one class is missing or a
 * score is NaN. */
mw_status mw_metric_roc_auc(const mw_ctx *ctx, const double *score, const uint8_t *label, int64_t n,
                            double *ret, mw_err *err);

/* Share of equal class indices. */
double mw_metric_accuracy(const double *truth, const double *prediction, int64_t n);
/* Mean negative log likelihood; probability [n][n_classes] clipped to [1e-15, 1-1e-15]. NaN when a
 * truth is not in [0, n_classes). */
double mw_metric_log_loss(const double *truth, const double *probability, int64_t n,
                          int32_t n_classes);
/* Harmonic mean of precision and recall of class 1; NaN when undefined. */
double mw_metric_f1(const double *truth, const double *prediction, int64_t n);

#endif
