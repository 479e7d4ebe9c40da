/*
 * ten_million.c -- boosting, scoring and the isolation forest on 10,000,000 generated rows: the same bytes at one and two threads, sane
 * quality on rows that were not learned from, and no more memory than the headers state. Sums of that many rows, rows' numbers times
 * columns and bytes of buffers go beyond 32 bits here, and nowhere else in the tests.
 */
#include <string.h>
#include <sys/resource.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/metric/metric.h"
#include "learn/tree/gbdt.h"
#include "learn/tree/isolation.h"
#include "learn/tree/scorer.h"
#include "support/harness.h"
#include "support/same_trees.h"

enum { COLUMNS = 12, GAPS = 10, CODES = 11, N_CODES = 40, ODD_ONE_IN = 10000 };
enum { ROWS = 10000000, HELD = 500000, AUC_ROWS = 1000000, WALK_EACH = 9973, GRAIN = 16384 };

/* Most memory of a process of this test, rows and all. */
#define RESIDENT_MOST (INT64_C(2) << 30)

/* ---- rows ---- */

/* Rows first .. first + n - 1 of an endless table; borrowed by fits as mw_matrix and y. */
typedef struct rows {
    int64_t first, n;
    float *x;     /* [n][COLUMNS] */
    double *y;    /* [n] 0 or 1 */
    uint8_t *odd; /* [n] rows unlike the others, or NULL: there are none */
} rows;

static double noise(mw_rng *rng) { return mw_rng_uniform(rng) + mw_rng_uniform(rng) - 1; }

/* Ten numbers, one with gaps, one of codes; the class depends on a product, steps, a gap and a set of codes. */
static mw_status make_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const rows *r = arg;
    for (int64_t i = begin; i < end; i++) {
        float *x = r->x + i * COLUMNS;
        mw_rng rng;
        mw_rng_init(&rng, 5, 0, (uint64_t)(r->first + i) << 8);
        const bool odd = r->odd && mw_rng_below(&rng, ODD_ONE_IN) == 0;
        for (int c = 0; c < COLUMNS; c++)
            x[c] = (float)(4 * mw_rng_uniform(&rng) - 2) * (odd ? 2 : 1);
        const bool gap = mw_rng_below(&rng, 5) == 0;
        const uint64_t code = mw_rng_below(&rng, N_CODES);
        if (gap) x[GAPS] = __builtin_nanf("");
        x[CODES] = (float)code;
        const double signal = (double)(x[0] * x[1]) + 2 * (x[2] > 0.5F) - (x[3] < -1) + gap +
                              1.5 * (code * 7 % 11 < 4) - 2;
        r->y[i] = signal + 2 * noise(&rng) > 0;
        if (r->odd) r->odd[i] = odd;
    }
    (void)worker, (void)err;
    return MW_OK;
}

static rows make_rows(int64_t first, int64_t n, bool some_odd) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    rows r = {.first = first, .n = n};
    r.x = mw_alloc_array(NULL, (size_t)n * COLUMNS, sizeof *r.x);
    r.y = mw_alloc_array(NULL, (size_t)n, sizeof *r.y);
    if (some_odd) r.odd = mw_alloc(NULL, (size_t)n);
    assert_true(r.x && r.y && (r.odd || !some_odd));
    assert_ok(mw_pool_new(NULL, 2, &ctx.pool, &err));
    assert_ok(mw_pool_for(&ctx, n, GRAIN, make_range, &r, &err));
    mw_pool_free(ctx.pool);
    return r;
}

static void rows_done(rows *r) {
    mw_free(r->x);
    mw_free(r->y);
    mw_free(r->odd);
}

static mw_matrix matrix_of(const rows *r) { return (mw_matrix){r->x, r->n, COLUMNS}; }

/* ---- both at one and two threads ---- */

/* Of a fit on that many threads, and of its trees. */
static mw_mem *account_of(int n_threads) {
    static mw_mem accounts[3];
    mw_mem_init(&accounts[n_threads], NULL, 0);
    return &accounts[n_threads];
}

/* Rows of a node are those of its children. */
static void assert_covered(const mw_trees *t, int64_t root_least, int64_t root_most) {
    for (int32_t k = 0; k < t->n_trees; k++) {
        const int64_t n = t->nodes[t->roots[k]].cover;
        assert_true(n >= root_least && n <= root_most);
    }
    for (int64_t i = 0; i < t->n_nodes; i++) {
        const mw_node *node = &t->nodes[i];
        if (node->feature < 0) continue;
        assert_int_equal(node->cover, t->nodes[node->left].cover + t->nodes[node->right].cover);
    }
}

/* Scores of all rows, which are those of the plain walk wherever that is tried. */
static double *score(const mw_trees *trees, const rows *r, int n_threads) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    double *out = mw_alloc_array(NULL, (size_t)r->n, sizeof *out), walked;
    assert_non_null(out);
    assert_ok(mw_pool_new(NULL, n_threads, &ctx.pool, &err));
    assert_ok(mw_scorer_score(&ctx, trees->scorer, 0, trees->n_trees, matrix_of(r), out, &err));
    mw_pool_free(ctx.pool);
    for (int64_t i = 0; i < r->n; i += WALK_EACH) {
        mw_trees_score_row(trees, r->x + i * COLUMNS, &walked);
        assert_true(out[i] == walked);
    }
    mw_trees_score_row(trees, r->x + (r->n - 1) * COLUMNS, &walked);
    assert_true(out[r->n - 1] == walked);
    return out;
}

static void assert_same_scores(const mw_trees *trees, const rows *r) {
    double *one = score(trees, r, 1), *two = score(trees, r, 2);
    assert_memory_equal(one, two, (size_t)r->n * sizeof *one);
    mw_free(one);
    mw_free(two);
}

static double auc_of(const double *scores, const uint8_t *label, int64_t n) {
    mw_ctx ctx;
    mw_err err;
    double auc;
    mw_ctx_init(&ctx);
    assert_ok(mw_metric_roc_auc(&ctx, scores, label, n, &auc, &err));
    return auc;
}

static void assert_resident(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_true((int64_t)usage.ru_maxrss * 1024 < RESIDENT_MOST);
}

/* ---- boosting ---- */

static mw_trees *boost(const rows *r, const rows *held, int n_threads, mw_gbdt_curves *curves) {
    static const uint8_t by_code[COLUMNS] = {[CODES] = 1};
    mw_ctx ctx;
    mw_err err;
    mw_trees *trees;
    mw_gbdt_options o;
    mw_gbdt_defaults(&o);
    o.objective.kind = MW_OBJECTIVE_LOGISTIC;
    o.bins.by_code = by_code;
    o.n_estimators = 8;
    o.learning_rate = 0.4;
    o.bagging_fraction = 0.7;
    o.bagging_freq = 2;
    mw_ctx_init(&ctx);
    ctx.mem = account_of(n_threads);
    ctx.seed = 3;
    const mw_gbdt_rows train = {matrix_of(r), {r->n, r->y, NULL, NULL}};
    const mw_gbdt_rows valid = {matrix_of(held), {held->n, held->y, NULL, NULL}};
    assert_ok(mw_pool_new(NULL, n_threads, &ctx.pool, &err));
    assert_ok(mw_gbdt_fit(&ctx, &o, train, &valid, NULL, curves, &trees, &err));
    mw_pool_free(ctx.pool);
    /* As gbdt.h states it, and what does not grow with the rows: bins' sample, histograms, scores of validation rows, trees. */
    const size_t a_row = 2 * COLUMNS + 8 + 16 + 5, fixed = (size_t)64 << 20;
    assert_true(mw_mem_peak(ctx.mem) < a_row * ROWS + fixed);
    ctx.pool = NULL;
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    return trees;
}

MW_TEST(boosting_and_scoring) {
    rows r = make_rows(0, ROWS, false), held = make_rows(ROWS, HELD, false);
    mw_gbdt_curves one, two;
    mw_trees *trees = boost(&r, &held, 1, &one), *again = boost(&r, &held, 2, &two);
    assert_same_trees(trees, again);
    assert_int_equal(one.n_rounds, 8);
    assert_memory_equal(one.train_loss, two.train_loss, 8 * sizeof(double));
    assert_memory_equal(one.valid_loss, two.valid_loss, 8 * sizeof(double));
    for (int i = 1; i < 8; i++) assert_true(one.valid_loss[i] < one.valid_loss[i - 1]);
    assert_covered(trees, ROWS / 100 * 69, ROWS / 100 * 71);
    assert_same_scores(trees, &r);
    double *scores = score(trees, &held, 2);
    uint8_t *label = mw_alloc(NULL, HELD);
    assert_non_null(label);
    for (int64_t i = 0; i < HELD; i++) label[i] = held.y[i] > 0;
    assert_true(auc_of(scores, label, HELD) > 0.9); /* 0.907 */
    mw_free(label);
    mw_free(scores);
    mw_gbdt_curves_done(&one);
    mw_gbdt_curves_done(&two);
    mw_trees_free(trees);
    mw_trees_free(again);
    rows_done(&r);
    rows_done(&held);
    assert_resident();
}

/* ---- isolation ---- */

static mw_trees *isolate(const rows *r, int n_threads, double *ret_c) {
    mw_ctx ctx;
    mw_err err;
    mw_trees *trees;
    mw_isolation_options options;
    mw_isolation_defaults(&options);
    mw_ctx_init(&ctx);
    ctx.mem = account_of(n_threads);
    ctx.seed = 3;
    assert_ok(mw_pool_new(NULL, n_threads, &ctx.pool, &err));
    assert_ok(mw_isolation_fit(&ctx, &options, matrix_of(r), &trees, ret_c, &err));
    assert_true(mw_mem_peak(ctx.mem) < 32U << 20); /* trees, and each tree's 256 rows */
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    mw_pool_free(ctx.pool);
    return trees;
}

MW_TEST(isolation) {
    rows r = make_rows(0, ROWS, true);
    double c, same_c;
    mw_trees *trees = isolate(&r, 1, &c), *again = isolate(&r, 2, &same_c);
    assert_true(c == same_c);
    assert_same_trees(trees, again);
    assert_covered(trees, 256, 256);
    assert_same_scores(trees, &r);
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    double *scores = mw_alloc_array(NULL, ROWS, sizeof *scores);
    assert_non_null(scores);
    assert_ok(mw_isolation_score(&ctx, trees, c, matrix_of(&r), scores, &err));
    const int64_t from = ROWS - AUC_ROWS; /* hardly one of them was drawn for a tree */
    assert_true(auc_of(scores + from, r.odd + from, AUC_ROWS) > 0.95); /* 0.974 */
    mw_free(scores);
    mw_trees_free(trees);
    mw_trees_free(again);
    rows_done(&r);
    assert_resident();
}

MW_TEST_MAIN(MW_RUN(boosting_and_scoring), MW_RUN(isolation))
