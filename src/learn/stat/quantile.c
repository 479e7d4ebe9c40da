/*
 * quantile.c -- selection by Hoare's quickselect with the median of three as pivot (Hoare 1961;
 * Sedgewick 1978), and a heap sort of what is left when the pivots stay bad (Musser's introselect,
 * 1997), so that no input costs more than O(n log n).
 */
#include "learn/stat/quantile.h"

#include "core/base/math.h"

static void swap(double *a, double *b) {
    double keep = *a;
    *a = *b;
    *b = keep;
}

static void sift_down(double *heap, int64_t root, int64_t n) {
    for (;;) {
        int64_t child = 2 * root + 1;
        if (child >= n) return;
        if (child + 1 < n && heap[child + 1] > heap[child]) child++;
        if (heap[root] >= heap[child]) return;
        swap(&heap[root], &heap[child]);
        root = child;
    }
}

static void heap_sort(double *values, int64_t n) {
    for (int64_t root = n / 2 - 1; root >= 0; root--) sift_down(values, root, n);
    for (int64_t last = n - 1; last > 0; last--) {
        swap(&values[0], &values[last]);
        sift_down(values, 0, last);
    }
}

static double median_of_three(double a, double b, double c) {
    if (a > b) swap(&a, &b);
    if (b > c) b = c;
    return a > b ? a : b;
}

/* Afterwards values[k] is what it is in sorted order, nothing before it is larger and nothing after
 * it smaller. No NaN. */
static void select_kth(double *values, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    int rounds_left = 2 * (64 - __builtin_clzll((unsigned long long)n | 1));
    while (low < high) {
        if (rounds_left-- == 0) {
            heap_sort(values + low, high - low + 1);
            return;
        }
        double pivot = median_of_three(values[low], values[low + (high - low) / 2], values[high]);
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i <= j) swap(&values[i++], &values[j--]);
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            return;
    }
}

/* Moves NaN to the end; returns how many values are left. */
static int64_t drop_missing(double *values, int64_t n) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (!mw_isnan(values[i])) swap(&values[kept++], &values[i]);
    return kept;
}

/* The k-th value and its successor; the latter is the k-th again at the end. */
static double neighbors(double *values, int64_t n, int64_t k, double *ret_next) {
    select_kth(values, n, k);
    double next = k + 1 < n ? values[k + 1] : values[k];
    for (int64_t i = k + 2; i < n; i++)
        if (values[i] < next) next = values[i];
    *ret_next = next;
    return values[k];
}

double mw_quantile(double *values, int64_t n, double q) {
    n = drop_missing(values, n);
    if (n == 0 || mw_isnan(q)) return MW_NAN;
    double position = (double)(n - 1) * (q < 0 ? 0 : q > 1 ? 1 : q);
    double below = mw_floor(position);
    double share = position - below;
    double b, a = neighbors(values, n, (int64_t)below, &b);
    if (share == 0 || a == b) return a;
    /* From the nearer end, as numpy does: exact at both ends and monotone in q. */
    return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share);
}

double mw_median(double *values, int64_t n) {
    n = drop_missing(values, n);
    if (n == 0) return MW_NAN;
    double b, a = neighbors(values, n, (n - 1) / 2, &b);
    if (n % 2 == 1) return a;
    double sum = a + b;
    return mw_isfinite(sum) ? sum / 2 : a / 2 + b / 2;
}

double mw_mad(double *values, int64_t n, double *ret_median) {
    double median = mw_median(values, n);
    if (ret_median) *ret_median = median;
    for (int64_t i = 0; i < n; i++) values[i] = mw_abs(values[i] - median);
    return 1.4826 * mw_median(values, n);
}
