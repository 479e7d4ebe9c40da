/* objective.c -- the table of objectives: gradients by blocks of rows, the rest row by row. */
#include "learn/tree/objective.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/stat/quantile.h"
#include "learn/stat/sort.h"

enum { BLOCK = MW_OBJECTIVE_BLOCK };

#define SHARE_LEAST 1e-15 /* of a class, so that its logarithm is a number */

static double weight_of(mw_targets t, int64_t row) {
    const double weight = t.weights ? t.weights[row] : 1;
    return t.class_weights ? weight * t.class_weights[(int64_t)t.y[row]] : weight;
}

static double larger(double a, double b) { return a > b ? a : b; }

/* ---- gradients of a block: scores s, targets y, [n] each ---- */

typedef void (*gradients_fn)(const mw_objective *o, const double *s, const double *y, int64_t n,
                             mw_gradient *out);

static void squared_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                              mw_gradient *out) {
    for (int64_t i = 0; i < n; i++) out[i] = (mw_gradient){(float)(s[i] - y[i]), 1};
    (void)o;
}

static void absolute_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                               mw_gradient *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (mw_gradient){s[i] > y[i] ? 1.0F : s[i] < y[i] ? -1.0F : 0.0F, 1};
    (void)o;
}

static void huber_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                            mw_gradient *out) {
    for (int64_t i = 0; i < n; i++) {
        double d = s[i] - y[i];
        if (d > o->alpha) d = o->alpha;
        if (d < -o->alpha) d = -o->alpha;
        out[i] = (mw_gradient){(float)d, 1};
    }
}

static void quantile_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                               mw_gradient *out) {
    const float above = (float)(1 - o->alpha), below = (float)-o->alpha;
    for (int64_t i = 0; i < n; i++) out[i] = (mw_gradient){s[i] >= y[i] ? above : below, 1};
}

static void poisson_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                              mw_gradient *out) {
    double e[BLOCK] = {0};
    const double beyond = mw_exp(o->max_delta_step);
    mw_exp_array(s, (size_t)n, e);
    for (int64_t i = 0; i < n; i++)
        out[i] = (mw_gradient){(float)(e[i] - y[i]), (float)(e[i] * beyond)};
}

static void tweedie_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                              mw_gradient *out) {
    double a[BLOCK] = {0}, b[BLOCK] = {0};
    const double p = 1 - o->power, q = 2 - o->power;
    for (int64_t i = 0; i < n; i++) {
        a[i] = p * s[i];
        b[i] = q * s[i];
    }
    mw_exp_array(a, (size_t)n, a);
    mw_exp_array(b, (size_t)n, b);
    for (int64_t i = 0; i < n; i++)
        out[i] = (mw_gradient){(float)(b[i] - y[i] * a[i]), (float)(q * b[i] - y[i] * p * a[i])};
}

/* Two rows at once. */
static void logistic_gradients(const mw_objective *o, const double *s, const double *y, int64_t n,
                               mw_gradient *out) {
    typedef double two __attribute__((vector_size(16)));
    typedef float two_floats __attribute__((vector_size(8)));
    double e[BLOCK] = {0};
    for (int64_t i = 0; i < n; i++) e[i] = -s[i];
    mw_exp_array(e, (size_t)n, e);
    int64_t i = 0;
    for (; i + 1 < n; i += 2) {
        two exps, targets;
        memcpy(&exps, e + i, sizeof exps);
        memcpy(&targets, y + i, sizeof targets);
        const two p = 1 / (1 + exps);
        const two_floats g = __builtin_convertvector(p - targets, two_floats);
        const two_floats h = __builtin_convertvector(p * (1 - p), two_floats);
        out[i] = (mw_gradient){g[0], h[0]};
        out[i + 1] = (mw_gradient){g[1], h[1]};
    }
    if (i < n) {
        const double p = 1 / (1 + e[i]);
        out[i] = (mw_gradient){(float)(p - y[i]), (float)(p * (1 - p))};
    }
    (void)o;
}

/* ---- losses of a block ---- */

typedef void (*losses_fn)(const mw_objective *o, const double *s, const double *y, int64_t n,
                          double *out);

static void squared_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                           double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = (s[i] - y[i]) * (s[i] - y[i]);
    (void)o;
}

static void absolute_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                            double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = mw_abs(s[i] - y[i]);
    (void)o;
}

static void huber_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                         double *out) {
    for (int64_t i = 0; i < n; i++) {
        const double d = mw_abs(s[i] - y[i]);
        out[i] = d <= o->alpha ? d * d / 2 : o->alpha * (d - o->alpha / 2);
    }
}

static void quantile_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                            double *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = y[i] >= s[i] ? o->alpha * (y[i] - s[i]) : (1 - o->alpha) * (s[i] - y[i]);
}

static void poisson_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                           double *out) {
    mw_exp_array(s, (size_t)n, out);
    for (int64_t i = 0; i < n; i++) out[i] -= y[i] * s[i];
    (void)o;
}

static void tweedie_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                           double *out) {
    const double p = 1 - o->power, q = 2 - o->power;
    for (int64_t i = 0; i < n; i++) out[i] = mw_exp(q * s[i]) / q - y[i] * mw_exp(p * s[i]) / p;
}

/* ln(1 + e^-m), m the margin on the right side of the row's class. */
static void logistic_losses(const mw_objective *o, const double *s, const double *y, int64_t n,
                            double *out) {
    for (int64_t i = 0; i < n; i++) out[i] = -mw_abs(s[i]);
    mw_exp_array(out, (size_t)n, out);
    mw_log1p_array(out, (size_t)n, out);
    for (int64_t i = 0; i < n; i++) {
        const double m = y[i] > 0 ? s[i] : -s[i];
        out[i] -= m > 0 ? 0 : m;
    }
    (void)o;
}

typedef struct line {
    const char *loss_name;
    gradients_fn gradients; /* NULL: softmax has its own way */
    losses_fn losses;       /* NULL: the same */
    bool classes, counts;   /* targets are classes; are at least 0 */
    bool renews;
} line;

static const line lines[] = {
    [MW_OBJECTIVE_SQUARED] = {"rmse", squared_gradients, squared_losses, false, false, false},
    [MW_OBJECTIVE_ABSOLUTE] = {"mae", absolute_gradients, absolute_losses, false, false, true},
    [MW_OBJECTIVE_HUBER] = {"huber", huber_gradients, huber_losses, false, false, false},
    [MW_OBJECTIVE_QUANTILE] = {"pinball", quantile_gradients, quantile_losses, false, false, true},
    [MW_OBJECTIVE_POISSON] = {"poisson", poisson_gradients, poisson_losses, false, true, false},
    [MW_OBJECTIVE_TWEEDIE] = {"tweedie", tweedie_gradients, tweedie_losses, false, true, false},
    [MW_OBJECTIVE_LOGISTIC] = {"binary_logloss", logistic_gradients, logistic_losses, true, false,
                               false},
    [MW_OBJECTIVE_SOFTMAX] = {"multi_logloss", NULL, NULL, true, false, false},
};

const char *mw_objective_loss_name(mw_objective_kind kind) { return lines[kind].loss_name; }
bool mw_objective_classes(mw_objective_kind kind) { return lines[kind].classes; }
bool mw_objective_renews(const mw_objective *o) { return lines[o->kind].renews; }

/* ---- softmax ---- */

/* A block's exponentials class by class: the highest score is taken off each, their sum divides. */
static void softmax_gradients(const mw_objective *o, mw_targets t, const double *scores,
                              int64_t begin, int64_t n, mw_gradient *out) {
    const double factor = (double)o->n_outputs / (o->n_outputs - 1);
    double top[BLOCK], sum[BLOCK], e[BLOCK];
    for (int64_t i = 0; i < n; i++) {
        top[i] = scores[begin + i];
        for (int32_t k = 1; k < o->n_outputs; k++)
            top[i] = larger(top[i], scores[k * t.n_rows + begin + i]);
        sum[i] = 0;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int32_t k = 0; k < o->n_outputs; k++) {
            const double *s = scores + k * t.n_rows + begin;
            mw_gradient *to = out + k * t.n_rows + begin;
            for (int64_t i = 0; i < n; i++) e[i] = s[i] - top[i];
            mw_exp_array(e, (size_t)n, e);
            for (int64_t i = 0; i < n; i++) {
                const double p = e[i] / sum[i];
                if (pass == 0)
                    sum[i] += e[i];
                else
                    to[i] = (mw_gradient){(float)(p - (t.y[begin + i] == k)),
                                          (float)(factor * p * (1 - p))};
            }
        }
}

/* ---- for any objective ---- */

void mw_objective_gradients(const mw_objective *o, mw_targets t, const double *scores,
                            int64_t begin, int64_t end, mw_gradient *out) {
    for (int64_t row = begin; row < end; row += BLOCK) {
        const int64_t n = end - row < BLOCK ? end - row : BLOCK;
        if (lines[o->kind].gradients)
            lines[o->kind].gradients(o, scores + row, t.y + row, n, out + row);
        else
            softmax_gradients(o, t, scores, row, n, out);
        for (int32_t k = 0; (t.weights || t.class_weights) && k < o->n_outputs; k++)
            for (int64_t i = row; i < row + n; i++) {
                mw_gradient *at = &out[k * t.n_rows + i];
                const double weight = weight_of(t, i);
                *at =
                    (mw_gradient){(float)((double)at->g * weight), (float)((double)at->h * weight)};
            }
    }
}

static double softmax_loss(const mw_objective *o, mw_targets t, const double *scores, int64_t row,
                           bool *correct) {
    const double own = scores[(int64_t)t.y[row] * t.n_rows + row];
    double top = -MW_INFINITY, sum = 0;
    int32_t highest = 0;
    for (int32_t k = 0; k < o->n_outputs; k++) {
        const double s = scores[k * t.n_rows + row];
        if (s > top) highest = k;
        top = larger(top, s);
    }
    for (int32_t k = 0; k < o->n_outputs; k++) sum += mw_exp(scores[k * t.n_rows + row] - top);
    *correct = highest == (int32_t)t.y[row];
    return mw_ln(sum) - (own - top);
}

void mw_objective_add_losses(const mw_objective *o, mw_targets t, const double *scores,
                             const int64_t *rows, int64_t n, mw_loss *sum) {
    double s[BLOCK] = {0}, y[BLOCK] = {0}, losses[BLOCK] = {0};
    for (int64_t i = 0; i < n; i++) {
        s[i] = scores[rows[i]];
        y[i] = t.y[rows[i]];
    }
    if (lines[o->kind].losses) lines[o->kind].losses(o, s, y, n, losses);
    for (int64_t i = 0; i < n; i++) {
        const double weight = weight_of(t, rows[i]);
        bool correct = (s[i] > 0) == (y[i] > 0);
        if (!lines[o->kind].losses) losses[i] = softmax_loss(o, t, scores, rows[i], &correct);
        sum->loss += weight * losses[i];
        sum->weight += weight;
        sum->correct += correct ? weight : 0;
    }
}

double mw_objective_mean(const mw_objective *o, mw_loss sum) {
    if (!(sum.weight > 0)) return MW_NAN;
    const double mean = sum.loss / sum.weight;
    return o->kind == MW_OBJECTIVE_SQUARED ? mw_sqrt(mean) : mean;
}

mw_status mw_objective_check(const mw_objective *o, mw_targets t, const uint32_t *numbers,
                             mw_err *err) {
    for (int64_t row = 0; row < t.n_rows; row++) {
        const long long shown = (numbers ? numbers[row] : row) + 1;
        if (t.weights && !(t.weights[row] > 0 && mw_isfinite(t.weights[row]))) {
            mw_fail(err, MW_EDATA, "row %lld has the weight %g, which is not above 0 and finite",
                    shown, t.weights[row]);
            return mw_err_hint(err, "leave rows out that shall not count");
        }
        if (lines[o->kind].counts && t.y[row] < 0) {
            mw_fail(err, MW_EDATA, "row %lld has the target %g; this objective takes none below 0",
                    shown, t.y[row]);
            return mw_err_hint(err, "objective=regression takes any number");
        }
    }
    return MW_OK;
}

mw_status mw_objective_check_rate(const mw_objective *o, mw_targets t, mw_err *err) {
    if (!lines[o->kind].counts) return MW_OK;
    for (int64_t row = 0; row < t.n_rows; row++)
        if (t.y[row] > 0) return MW_OK;
    return mw_fail(err, MW_EDATA, "all targets to learn from are 0: there is no rate");
}

/* ---- quantiles ---- */

/* The lowest residual that at least `share` of all weight is not above. */
static mw_status weighted_quantile(const mw_ctx *ctx, mw_targets t, const double *scores,
                                   const uint32_t *rows, int64_t n, double share, uint64_t *scratch,
                                   double *ret, mw_err *err) {
    uint64_t *keys = mw_alloc_array(ctx->mem, (size_t)n, sizeof *keys);
    if (!keys) return mw_fail_nomem(err, "the leaves of a tree");
    double total = 0, below = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = rows ? rows[i] : i;
        const double rest = t.y[row] - (scores ? scores[row] : 0);
        keys[i] = (uint64_t)mw_sort_key_f32((float)rest) << 32 | (uint64_t)row;
        total += weight_of(t, row);
    }
    mw_status status = mw_sort_u64(ctx, keys, scratch, n, 0, err); /* equal ones by row */
    for (int64_t i = 0; i < n && !status; i++) {
        const int64_t row = keys[i] & UINT32_MAX;
        below += weight_of(t, row);
        *ret = t.y[row] - (scores ? scores[row] : 0);
        if (below >= share * total) break;
    }
    mw_free(keys);
    return status;
}

mw_status mw_objective_renew(const mw_ctx *ctx, const mw_objective *o, mw_targets t,
                             const double *scores, const uint32_t *rows, int64_t n,
                             uint64_t *scratch, double *ret, mw_err *err) {
    const double share = o->kind == MW_OBJECTIVE_QUANTILE ? o->alpha : 0.5;
    if (t.weights || t.class_weights)
        return weighted_quantile(ctx, t, scores, rows, n, share, scratch, ret, err);
    double *rest = (double *)(void *)scratch;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = rows ? rows[i] : i;
        rest[i] = t.y[row] - (scores ? scores[row] : 0);
    }
    *ret = mw_quantile(rest, n, share);
    return MW_OK;
}

/* ---- the first guess ---- */

/* The mean; of classes the share of each. */
static void sum_up(const mw_objective *o, mw_targets t, double *sums, double *ret_total) {
    *ret_total = 0;
    for (int32_t k = 0; k < o->n_outputs; k++) sums[k] = 0;
    for (int64_t row = 0; row < t.n_rows; row++) {
        const double weight = weight_of(t, row);
        *ret_total += weight;
        if (o->kind == MW_OBJECTIVE_SOFTMAX)
            sums[(int32_t)t.y[row]] += weight;
        else
            sums[0] += weight * t.y[row];
    }
}

mw_status mw_objective_start(const mw_ctx *ctx, const mw_objective *o, mw_targets t, double *base,
                             mw_err *err) {
    if (lines[o->kind].renews) {
        uint64_t *scratch = mw_alloc_array(ctx->mem, (size_t)t.n_rows, sizeof *scratch);
        if (!scratch) return mw_fail_nomem(err, "the first guess");
        mw_status status = mw_objective_renew(ctx, o, t, NULL, NULL, t.n_rows, scratch, base, err);
        mw_free(scratch);
        return status;
    }
    double total;
    sum_up(o, t, base, &total);
    for (int32_t k = 0; k < o->n_outputs; k++) {
        const double mean = base[k] / total;
        if (o->kind == MW_OBJECTIVE_SOFTMAX)
            base[k] = mw_ln(larger(mean, SHARE_LEAST));
        else if (o->kind == MW_OBJECTIVE_LOGISTIC)
            base[k] = mw_ln(larger(mean, SHARE_LEAST) / larger(1 - mean, SHARE_LEAST));
        else
            base[k] = lines[o->kind].counts ? mw_ln(mean) : mean;
    }
    return mw_ctx_check(ctx, err);
}

/* Scores become shares of each row's sum of exponentials, the highest score taken off. */
static void softmax(double *scores, int64_t n_rows, int32_t n) {
    for (int64_t row = 0; row < n_rows; row++) {
        double *s = scores + row * n, top = s[0];
        for (int32_t k = 1; k < n; k++) top = larger(top, s[k]);
        for (int32_t k = 0; k < n; k++) s[k] -= top;
    }
    mw_exp_array(scores, (size_t)(n_rows * n), scores);
    for (int64_t row = 0; row < n_rows; row++) {
        double *s = scores + row * n, sum = 0;
        for (int32_t k = 0; k < n; k++) sum += s[k];
        for (int32_t k = 0; k < n; k++) s[k] /= sum;
    }
}

void mw_objective_predict(const mw_objective *o, double *scores, int64_t n_rows) {
    if (o->kind == MW_OBJECTIVE_SOFTMAX) {
        softmax(scores, n_rows, o->n_outputs);
    } else if (o->kind == MW_OBJECTIVE_LOGISTIC) {
        for (int64_t i = 0; i < n_rows; i++) scores[i] = -scores[i];
        mw_exp_array(scores, (size_t)n_rows, scores);
        for (int64_t i = 0; i < n_rows; i++) scores[i] = 1 / (1 + scores[i]);
    } else if (lines[o->kind].counts) {
        mw_exp_array(scores, (size_t)n_rows, scores);
    }
}
