/* plain_features.c -- see plain_features.h. Nothing is kept from one row to the next. */
#include "support/plain_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"

/* ---- gaps ---- */

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* What counts as a gap for the distance that ends at row i: ten medians of the last whole 31 distances before it, or of all while fewer. */
static int64_t gap_at(const plain_rows *r, int i) {
    if (r->sampling_us > 0) return 10 * r->sampling_us;
    const int before = i > 0 ? i - 1 : 0, last = before < 31 ? before : before / 31 * 31;
    int64_t some[31];
    int n = 0;
    for (int k = last; k >= 1 && n < 31; k--) some[n++] = r->times[k] - r->times[k - 1];
    if (n < 3) return INT64_MAX;
    qsort(some, (size_t)n, sizeof *some, by_value);
    return 10 * some[(n - 1) / 2];
}

/* Whether a gap lies between rows i - back and i; false, too, when there is no such row. */
static bool no_gap(const plain_rows *r, int i, int64_t back) {
    if (back > i) return false;
    for (int k = i; k > i - back; k--)
        if (r->times[k] - r->times[k - 1] > gap_at(r, k)) return false;
    return true;
}

/* First row of the window that ends at row i; -1: it reaches across a gap. */
static int window_begin(const mw_feature_def *f, const plain_rows *r, int i) {
    int from = i;
    if (f->args.us > 0) {
        while (from > 0 && r->times[from - 1] > r->times[i] - f->args.us) from--;
        return from;
    }
    const int64_t back = f->args.rows - 1 < i ? f->args.rows - 1 : i;
    return no_gap(r, i, back) ? i - (int)back : -1;
}

/* ---- mean and standard deviation ---- */

typedef struct sums {
    double n, sum, squares, about;
} sums;

static sums plus(sums s, double x) {
    if (isnan(x)) return s;
    if (s.n == 0) return (sums){1, 0, 0, x};
    const double d = x - s.about;
    return (sums){s.n + 1, s.sum + d, s.squares + d * d, s.about};
}

static sums about(sums s, double x) {
    if (s.n == 0) return (sums){0, 0, 0, x};
    const double d = s.about - x;
    return (sums){s.n, s.sum + s.n * d, s.squares + d * (2 * s.sum + s.n * d), x};
}

static sums both(sums older, sums newer) {
    if (newer.n == 0) return older;
    const sums o = about(older, newer.about);
    return (sums){newer.n + o.n, newer.sum + o.sum, newer.squares + o.squares, newer.about};
}

static int64_t cell_of(int64_t time, int64_t us) {
    const int64_t width = (us + 3) / 4;
    return time >= 0 ? time / width : -((-time + width - 1) / width);
}

static sums sums_in_time(const mw_feature_def *f, const plain_rows *r, const double *x, int from,
                         int i) {
    const int64_t first = cell_of(r->times[from], f->args.us),
                  last = cell_of(r->times[i], f->args.us);
    sums end = {0}, whole = {0}, current = {0};
    int k = i;
    while (k > from && cell_of(r->times[k - 1], f->args.us) == last) k--;
    for (int j = k; j <= i; j++) current = plus(current, x[j]);
    if (first == last) return current;
    int next = from;
    while (cell_of(r->times[next], f->args.us) == first) next++;
    for (int j = next - 1; j >= from; j--) end = plus(end, x[j]);
    while (next < k) {
        sums cell = {0};
        const int64_t id = cell_of(r->times[next], f->args.us);
        for (; cell_of(r->times[next], f->args.us) == id; next++) cell = plus(cell, x[next]);
        whole = both(whole, cell);
    }
    if (current.n == 0) return both(end, whole);
    const sums w = about(whole, current.about), e = about(end, current.about);
    return (sums){current.n + (w.n + e.n), current.sum + (w.sum + e.sum),
                  current.squares + (w.squares + e.squares), current.about};
}

static sums sums_in_rows(const double *x, int from, int i) {
    int newest = i;
    while (newest > from && isnan(x[newest])) newest--;
    sums s = {.about = x[newest]};
    for (int k = from; k <= newest; k++) {
        if (isnan(x[k])) continue;
        const double d = x[k] - s.about;
        s.n += 1, s.sum += d, s.squares += d * d;
    }
    return s;
}

static double moment(const mw_feature_def *f, const plain_rows *r, const double *x, int i) {
    const int from = window_begin(f, r, i);
    if (from < 0) return NAN;
    const sums s = f->args.us > 0 ? sums_in_time(f, r, x, from, i) : sums_in_rows(x, from, i);
    if (strcmp(f->op->name, "mean") == 0) return s.n > 0 ? s.about + s.sum / s.n : NAN;
    const double left = s.squares - s.sum * (s.sum / s.n);
    return s.n > 1 ? sqrt((left < 0 ? 0 : left) / (s.n - 1)) : NAN;
}

/* ---- order ---- */

static int by_number(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile_of(const double *sorted, int n, double p) {
    if (n == 0) return NAN;
    const double at = p * (n - 1);
    const int below = (int)at;
    return at > below ? sorted[below] + (sorted[below + 1] - sorted[below]) * (at - below)
                      : sorted[below];
}

static double middle_of(const double *sorted, int n) {
    return n % 2 ? sorted[n / 2] : sorted[n / 2 - 1] + (sorted[n / 2] - sorted[n / 2 - 1]) / 2;
}

static double ordered(const mw_feature_def *f, const plain_rows *r, const double *x, int i) {
    const char *op = f->op->name;
    const int from = window_begin(f, r, i);
    if (from < 0) return NAN;
    double *v = malloc((size_t)(i - from + 1) * sizeof *v), answer = NAN;
    int n = 0;
    for (int k = from; k <= i; k++)
        if (!isnan(x[k])) v[n++] = x[k];
    qsort(v, (size_t)n, sizeof *v, by_number);
    if (strcmp(op, "min") == 0 && n > 0) answer = v[0];
    if (strcmp(op, "max") == 0 && n > 0) answer = v[n - 1];
    if (strcmp(op, "median") == 0) answer = quantile_of(v, n, 0.5);
    if (strcmp(op, "quantile") == 0) answer = quantile_of(v, n, f->args.number);
    if (strncmp(op, "mad", 3) == 0 && n > 0) {
        const double m = quantile_of(v, n, 0.5);
        for (int k = 0; k < n; k++) v[k] = fabs(v[k] - m);
        qsort(v, (size_t)n, sizeof *v, by_number);
        const double mad = middle_of(v, n);
        answer = strcmp(op, "mad") == 0 ? mad : mad > 0 ? (x[i] - m) / mad : x[i] == m ? 0 : NAN;
    }
    free(v);
    return answer;
}

/* ---- rows before ---- */

static double lagged(const mw_feature_def *f, const plain_rows *r, const double *x, int i) {
    if (f->args.rows > 0) return no_gap(r, i, f->args.rows) ? x[i - f->args.rows] : NAN;
    const int64_t then = r->times[i] - f->args.us;
    int k = i;
    while (k >= 0 && r->times[k] > then) k--;
    return k >= 0 && then - r->times[k] <= gap_at(r, i) ? x[k] : NAN;
}

static double seconds(const plain_rows *r, int from, int to) {
    return (double)(r->times[to] - r->times[from]) / 1e6;
}

static double changed(const mw_feature_def *f, const plain_rows *r, const double *x, int i) {
    const char *op = f->op->name;
    const int k = (int)f->args.rows, j = i - k;
    if (!no_gap(r, i, strcmp(op, "acceleration") == 0 ? 2 * k : k)) return NAN;
    const double change = x[i] - x[j];
    if (strcmp(op, "diff") == 0) return change;
    if (strcmp(op, "pct") == 0) return x[j] != 0 ? change / x[j] : NAN;
    const double rate = change / seconds(r, j, i);
    if (strcmp(op, "rate") == 0) return rate;
    return (rate - (x[j] - x[j - k]) / seconds(r, j - k, j)) / seconds(r, j, i);
}

static double zscore(const double *x, int i) {
    double n = 0, sum = 0, squares = 0, first = 0;
    for (int k = 0; k < i; k++) {
        if (isnan(x[k])) continue;
        if (n == 0) first = x[k];
        n += 1, sum += x[k] - first, squares += (x[k] - first) * (x[k] - first);
    }
    if (n < 2) return NAN;
    const double left = squares - sum * (sum / n), std = sqrt((left < 0 ? 0 : left) / (n - 1));
    return std > 0 ? (x[i] - first - sum / n) / std : NAN;
}

/* ---- one row ---- */

static double paired(const char *op, double a, double b) {
    if (strcmp(op, "product") == 0) return a * b;
    if (strcmp(op, "ratio") == 0) return b != 0 ? a / b : NAN;
    return a - b;
}

static double clock_of(const char *op, int64_t time) {
    const int64_t hour_us = INT64_C(3600000000), day_us = 24 * hour_us;
    const int64_t in_day = ((time % day_us) + day_us) % day_us;
    const int64_t day = (time - in_day) / day_us, weekday = ((day + 3) % 7 + 7) % 7;
    const bool is_hour = op[0] == 'h';
    const double angle =
        2 * MW_PI * (double)(is_hour ? in_day / hour_us : weekday) / (is_hour ? 24 : 7);
    return strstr(op, "cos") ? mw_cos(angle) : mw_sin(angle);
}

static bool is_one_of(const char *op, const char *list) {
    const size_t n = strlen(op);
    for (const char *at = strstr(list, op); at; at = strstr(at + 1, op))
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

bool plain_knows(const mw_operator *op) {
    return is_one_of(op->name, "mean std min max median quantile mad mad_distance lag diff pct "
                               "rate acceleration product ratio "
                               "difference zscore hour_sin hour_cos weekday_sin weekday_cos");
}

static double value(const mw_feature_def *f, const plain_rows *r, const double *a, const double *b,
                    int i) {
    const char *op = f->op ? f->op->name : "value";
    if (!f->op) return a[i];
    if (is_one_of(op, "mean std")) return moment(f, r, a, i);
    if (strcmp(op, "min") == 0 || strcmp(op, "max") == 0) return ordered(f, r, a, i);
    if (is_one_of(op, "median quantile mad mad_distance")) return ordered(f, r, a, i);
    if (is_one_of(op, "lag")) return lagged(f, r, a, i);
    if (is_one_of(op, "diff pct rate acceleration")) return changed(f, r, a, i);
    if (is_one_of(op, "product ratio difference")) return paired(op, a[i], b[i]);
    if (is_one_of(op, "zscore")) return zscore(a, i);
    if (is_one_of(op, "hour_sin hour_cos weekday_sin weekday_cos"))
        return clock_of(op, r->times[i] + r->ahead_us);
    abort(); /* an operator without a plain way */
}

void plain_feature(const mw_feature_def *f, const plain_rows *r, const double *a, const double *b,
                   double *out) {
    for (int i = 0; i < r->n; i++) out[i] = value(f, r, a, b, i);
}
