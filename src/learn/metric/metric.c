/*
 * metric.c -- plain sums in row order, so that the same rows give the same bits.
 *
 * R2 takes the mean first and then the squares (two passes): the textbook one-pass form loses all
 * digits when the target is far from zero. The area under the ROC curve is the Mann-Whitney U
 * statistic over the product of the class sizes (Hanley and McNeil 1982), counted in integers.
 */
#include "learn/metric/metric.h"

#include "core/base/math.h"
#include "learn/stat/sort.h"

static double mean_of(const double *values, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += values[i];
    return sum / (double)n;
}

void mw_metric_regression(const double *truth, const double *prediction, int64_t n,
                          mw_regression_metrics *ret) {
    *ret = (mw_regression_metrics){
        .n = n, .rmse = MW_NAN, .mae = MW_NAN, .mape = MW_NAN, .r2 = MW_NAN};
    if (n <= 0) return;
    const double mean = mean_of(truth, n);
    double squares = 0, absolutes = 0, shares = 0, spread = 0;
    int64_t n_shares = 0;
    bool constant = true;
    for (int64_t i = 0; i < n; i++) {
        double error = prediction[i] - truth[i];
        squares += error * error;
        absolutes += mw_abs(error);
        spread += (truth[i] - mean) * (truth[i] - mean);
        constant = constant && truth[i] == truth[0];
        if (truth[i] == 0) continue;
        shares += mw_abs(error / truth[i]);
        n_shares++;
    }
    ret->rmse = mw_sqrt(squares / (double)n);
    ret->mae = absolutes / (double)n;
    if (n_shares > 0) ret->mape = shares / (double)n_shares;
    if (!constant && spread > 0) ret->r2 = 1 - squares / spread;
}

/* Twice the number of (positive, negative) pairs in the right order, a tie counting once. Both
 * sorted. */
static uint64_t twice_wins(const uint64_t *positive, int64_t n_positive, const uint64_t *negative,
                           int64_t n_negative) {
    uint64_t twice = 0;
    int64_t below = 0, up_to = 0;
    for (int64_t i = 0; i < n_positive; i++) {
        while (below < n_negative && negative[below] < positive[i]) below++;
        while (up_to < n_negative && negative[up_to] <= positive[i]) up_to++;
        twice += (uint64_t)(below + up_to);
    }
    return twice;
}

/* Positives fill keys from the front, negatives from the back. */
static mw_status split_keys(const double *score, const uint8_t *label, int64_t n, uint64_t *keys,
                            int64_t *ret_n_positive, mw_err *err) {
    int64_t front = 0, back = n;
    for (int64_t i = 0; i < n; i++) {
        if (mw_isnan(score[i]))
            return mw_fail(err, MW_EDATA, "the score of row %lld is missing", (long long)i);
        if (label[i] > 1)
            return mw_fail(err, MW_EDATA, "the label of row %lld is %d, not 0 or 1", (long long)i,
                           (int)label[i]);
        if (label[i])
            keys[front++] = mw_sort_key_f64(score[i]);
        else
            keys[--back] = mw_sort_key_f64(score[i]);
    }
    if (front == 0 || front == n)
        return mw_fail(err, MW_EDATA, "all %lld rows have the same label: no ROC curve exists",
                       (long long)n);
    *ret_n_positive = front;
    return MW_OK;
}

mw_status mw_metric_roc_auc(const mw_ctx *ctx, const double *score, const uint8_t *label, int64_t n,
                            double *ret, mw_err *err) {
    if (n <= 0) return mw_fail(err, MW_EDATA, "no rows: no ROC curve exists");
    uint64_t *keys = mw_alloc_array(ctx->mem, (size_t)n, 2 * sizeof *keys);
    if (!keys) return mw_fail_nomem(err, "the ROC curve");
    uint64_t *scratch = keys + n;
    int64_t n_positive = 0;
    mw_status status = split_keys(score, label, n, keys, &n_positive, err);
    if (status != MW_OK) goto done;
    const int64_t n_negative = n - n_positive;
    status = mw_sort_u64(ctx, keys, scratch, n_positive, 0, err);
    if (status != MW_OK) goto done;
    status = mw_sort_u64(ctx, keys + n_positive, scratch, n_negative, 0, err);
    if (status != MW_OK) goto done;
    uint64_t twice = twice_wins(keys, n_positive, keys + n_positive, n_negative);
    *ret = (double)twice / ((double)n_positive * (double)n_negative) / 2;
done:
    mw_free(keys);
    return status;
}

double mw_metric_accuracy(const double *truth, const double *prediction, int64_t n) {
    if (n <= 0) return MW_NAN;
    int64_t hits = 0;
    for (int64_t i = 0; i < n; i++) hits += truth[i] == prediction[i];
    return (double)hits / (double)n;
}

double mw_metric_log_loss(const double *truth, const double *probability, int64_t n,
                          int32_t n_classes) {
    if (n <= 0) return MW_NAN;
    const double least = 1e-15;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(truth[i] >= 0 && truth[i] < n_classes)) return MW_NAN;
        double p = probability[i * n_classes + (int64_t)truth[i]];
        sum -= mw_ln(p < least ? least : p > 1 - least ? 1 - least : p);
    }
    return sum / (double)n;
}

double mw_metric_f1(const double *truth, const double *prediction, int64_t n) {
    int64_t hits = 0, found = 0, real = 0;
    for (int64_t i = 0; i < n; i++) {
        hits += truth[i] == 1 && prediction[i] == 1;
        found += prediction[i] == 1;
        real += truth[i] == 1;
    }
    if (found + real == 0) return MW_NAN;
    return 2 * (double)hits / (double)(found + real);
}
