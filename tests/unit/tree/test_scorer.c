/* test_scorer.c -- every layout, CPU level and number of threads against the plain walk, bit for bit. */
#include "support/harness.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/scorer.h"

typedef struct mw_shape {
    int32_t n_trees, n_features, n_outputs;
    uint64_t leaves_least, leaves_most;
    uint64_t thresholds; /* how many values thresholds take, 0: any normal number */
    bool sets, base;
} mw_shape;

enum { SET_WORDS = 3, N_SETS = 40 };

static void add_sets(mw_trees *trees, mw_rng *rng) {
    trees->n_sets = N_SETS;
    trees->set_starts = mw_alloc_array(NULL, N_SETS + 1, sizeof *trees->set_starts);
    trees->set_words = mw_alloc_array(NULL, (size_t)N_SETS * SET_WORDS, sizeof *trees->set_words);
    trees->set_starts[0] = 0;
    for (int i = 0; i < N_SETS; i++)
        trees->set_starts[i + 1] = trees->set_starts[i] + 1 + (int64_t)mw_rng_below(rng, SET_WORDS);
    for (int i = 0; i < N_SETS * SET_WORDS; i++) trees->set_words[i] = (uint32_t)mw_rng_u64(rng);
}

static float random_threshold(const mw_shape *shape, mw_rng *rng) {
    if (mw_rng_below(rng, 40) == 0) return -0.0F;
    if (mw_rng_below(rng, 40) == 0) return mw_rng_below(rng, 2) ? 3.4e38F : -3.4e38F;
    if (mw_rng_below(rng, 80) == 0)
        return mw_rng_below(rng, 2) ? __builtin_inff() : -__builtin_inff();
    if (!shape->thresholds) return (float)mw_rng_normal(rng);
    return (float)mw_rng_below(rng, shape->thresholds) - (float)(shape->thresholds / 2);
}

static void split(mw_trees *trees, const mw_shape *shape, mw_rng *rng, int64_t at) {
    mw_node *n = &trees->nodes[at];
    n->feature = (int32_t)mw_rng_below(rng, (uint64_t)shape->n_features);
    n->by_set = shape->sets && mw_rng_below(rng, 3) == 0;
    if (n->by_set)
        n->set = (int32_t)mw_rng_below(rng, N_SETS);
    else
        n->threshold = random_threshold(shape, rng);
    n->missing_left = mw_rng_below(rng, 2);
    n->left = (int32_t)trees->n_nodes++;
    n->right = (int32_t)trees->n_nodes++;
    trees->nodes[n->left].left = trees->nodes[n->right].left = -1;
}

/* Bushes split a random leaf, every third tree is a chain. */
static mw_trees *random_trees(mw_rng *rng, const mw_shape *shape) {
    const int64_t most = (int64_t)shape->n_trees * (2 * (int64_t)shape->leaves_most);
    mw_trees *trees = mw_calloc(NULL, 1, sizeof *trees);
    *trees = (mw_trees){
        .n_features = shape->n_features, .n_outputs = shape->n_outputs, .n_trees = shape->n_trees};
    trees->roots = mw_alloc_array(NULL, (size_t)shape->n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(NULL, (size_t)most, sizeof *trees->nodes);
    trees->values = mw_alloc_array(NULL, (size_t)(most * shape->n_outputs), sizeof *trees->values);
    if (shape->sets) add_sets(trees, rng);
    for (int32_t t = 0; t < shape->n_trees; t++) {
        const int64_t root = trees->roots[t] = trees->n_nodes++;
        trees->nodes[root].left = -1;
        const uint64_t range = shape->leaves_most - shape->leaves_least + 1;
        const uint64_t n_leaves = shape->leaves_least + mw_rng_below(rng, range);
        const uint64_t kind = mw_rng_below(rng, 4); /* chains to either side, bushes */
        for (uint64_t k = 1; k < n_leaves; k++) {
            int64_t at = root + (int64_t)mw_rng_below(rng, (uint64_t)(trees->n_nodes - root));
            if (kind == 0) at = trees->n_nodes - 1;
            if (kind == 1) at = trees->n_nodes - (k > 1 ? 2 : 1);
            while (trees->nodes[at].left >= 0) at++;
            split(trees, shape, rng, at);
        }
        for (int64_t i = root; i < trees->n_nodes; i++)
            if (trees->nodes[i].left < 0) {
                trees->nodes[i].feature = -1;
                trees->nodes[i].right = (int32_t)trees->n_leaves++;
            }
    }
    for (int64_t i = 0; i < trees->n_leaves * shape->n_outputs; i++)
        trees->values[i] = (float)mw_rng_normal(rng);
    if (shape->base) {
        trees->base = mw_alloc_array(NULL, (size_t)shape->n_outputs, sizeof *trees->base);
        for (int32_t k = 0; k < shape->n_outputs; k++) trees->base[k] = mw_rng_normal(rng);
    }
    return trees;
}

static float *random_rows(mw_rng *rng, const mw_trees *trees, int64_t n_rows) {
    const int64_t n = n_rows * trees->n_features;
    float *x = mw_alloc_array(NULL, (size_t)n + 1, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        const mw_node *node = &trees->nodes[mw_rng_below(rng, (uint64_t)trees->n_nodes)];
        switch (mw_rng_below(rng, 8)) {
        case 0: x[i] = __builtin_nanf(""); break;
        case 1: x[i] = mw_rng_below(rng, 2) ? __builtin_inff() : -__builtin_inff(); break;
        case 2: x[i] = mw_rng_below(rng, 2) ? 0.0F : -0.0F; break;
        case 3: x[i] = node->by_set ? 1 : node->threshold; break; /* a tie, often enough */
        case 4: x[i] = (float)mw_rng_below(rng, 100); break;
        default: x[i] = (float)(2 * mw_rng_normal(rng));
        }
    }
    return x;
}

/* The plain walk over some of the trees; the base belongs to the first. */
static void score_plainly(const mw_trees *trees, int32_t first, int32_t last, const float *row,
                          double *out) {
    mw_trees some = *trees;
    some.roots = trees->roots + first;
    some.n_trees = last - first;
    if (first) some.base = NULL;
    mw_trees_score_row(&some, row, out);
}

static void assert_leaves(const mw_ctx *ctx, const mw_scorer *scorer, const mw_trees *trees,
                          int32_t first, int32_t last, mw_matrix matrix) {
    mw_err err = {0};
    const int32_t n = last - first, k = trees->n_outputs;
    mw_trees leaves_only = *trees;
    leaves_only.base = NULL;
    int32_t *leaves = mw_alloc_array(NULL, (size_t)(matrix.n_rows * n), sizeof *leaves);
    double *want = mw_alloc_array(NULL, (size_t)k, sizeof *want);
    assert_ok(mw_scorer_leaves(ctx, scorer, first, last, matrix, leaves, &err));
    for (int64_t row = 0; row < matrix.n_rows; row += 1 + matrix.n_rows / 50)
        for (int32_t t = 0; t < n; t++) {
            score_plainly(&leaves_only, first + t, first + t + 1,
                          matrix.x + row * matrix.n_features, want);
            const float *values = trees->values + (int64_t)leaves[row * n + t] * k;
            for (int32_t i = 0; i < k; i++) assert_true(want[i] == (double)values[i]);
        }
    mw_free(want);
    mw_free(leaves);
}

static void assert_equal(const mw_trees *trees, mw_pool *pool, mw_rng *rng, int64_t n_rows) {
    const int32_t n_features = trees->n_features, n_outputs = trees->n_outputs;
    const size_t n_values = (size_t)(n_rows * n_outputs);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float *x = random_rows(rng, trees, n_rows);
    double *got = mw_alloc_array(NULL, n_values, sizeof *got);
    double *want = mw_alloc_array(NULL, n_values, sizeof *want);
    const mw_matrix matrix = {x, n_rows, n_features};
    int32_t first = 0, last = trees->n_trees;
    mw_scorer *scorer = NULL;
    assert_ok(mw_scorer_new(&ctx, trees, &scorer, &err));
    for (int part = 0; part < 2; part++) {
        for (int64_t row = 0; row < n_rows; row++) {
            score_plainly(trees, first, last, x + row * n_features, want + row * n_outputs);
            mw_scorer_row(scorer, first, last, x + row * n_features, got + row * n_outputs);
        }
        assert_memory_equal(got, want, n_values * sizeof *got);
        for (int pooled = 0; pooled < 2; pooled++) {
            ctx.pool = pooled ? pool : NULL;
            memset(got, 0xFF, n_values * sizeof *got);
            assert_ok(mw_scorer_score(&ctx, scorer, first, last, matrix, got, &err));
            assert_memory_equal(got, want, n_values * sizeof *got);
        }
        assert_leaves(&ctx, scorer, trees, first, last, matrix);
        first = (int32_t)mw_rng_below(rng, (uint64_t)trees->n_trees + 1);
        last = first + (int32_t)mw_rng_below(rng, (uint64_t)(trees->n_trees - first) + 1);
    }
    mw_scorer_free(scorer);
    mw_free(want);
    mw_free(got);
    mw_free(x);
}

MW_TEST(every_way_equals_the_plain_walk) {
    static const mw_shape shapes[] = {
        {1, 1, 1, 1, 1, 5, false, false},     {9, 1, 1, 1, 40, 5, false, true},
        {40, 6, 1, 2, 32, 9, false, false},   {40, 6, 1, 20, 32, 0, false, true},
        {70, 28, 1, 31, 31, 0, false, false}, {30, 300, 3, 1, 64, 0, false, true},
        {60, 2, 2, 60, 256, 0, false, true},  {20, 3, 5, 256, 256, 700, false, false},
        {9, 2, 1, 1, 300, 0, false, true},    {5, 3, 2, 300, 2000, 0, false, true},
        {30, 5, 1, 1, 32, 9, true, true},     {20, 3, 5, 1, 256, 0, true, false},
        {6, 4, 1, 200, 400, 50, true, true},  {300, 1, 1, 20, 60, 0, false, false},
        {40, 6, 3, 20, 32, 0, false, true},
    };
    static const int64_t rows[] = {0, 1, 2, 6, 7, 15, 16, 17, 32, 33, 127, 129, 513, 1000};
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_pool *pool = NULL;
    assert_ok(mw_pool_new(NULL, 3, &pool, &err));
    const mw_cpu best = mw_cpu_level();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        mw_trees *trees = random_trees(&rng, &shapes[i]);
        assert_ok(mw_trees_check(trees, &err));
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            if (!mw_cpu_has(levels[l])) continue;
            mw_cpu_force(levels[l]);
            for (size_t k = 0; k < 4; k++)
                assert_equal(trees, pool, &rng, rows[(3 * i + 4 * l + k) % 14]);
            assert_equal(trees, pool, &rng, 150);
        }
        mw_trees_free(trees);
    }
    mw_cpu_force(best);
    mw_pool_free(pool);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

/* More distinct thresholds than one, two and three levels of 16 hold. */
MW_TEST(ranks_of_many_thresholds) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    for (int32_t n_trees = 1; n_trees <= 90; n_trees = 3 * n_trees + (n_trees == 1)) {
        const mw_shape shape = {n_trees, 1, 1, 14, 250, 0, false, false};
        mw_trees *trees = random_trees(&rng, &shape);
        assert_equal(trees, NULL, &rng, 300);
        mw_trees_free(trees);
    }
}

/* Sums of parts, the first of them with the base, are the whole's. */
MW_TEST(base_values_belong_to_the_first_tree) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_node nodes[2] = {{.feature = -1, .left = -1, .right = 0},
                        {.feature = -1, .left = -1, .right = 1}};
    int64_t roots[2] = {0, 1};
    float values[4] = {1, 2, 4, 8}, x[9] = {0};
    double base[2] = {16, 32}, out[18];
    mw_trees trees = {.n_features = 1,
                      .n_outputs = 2,
                      .n_trees = 2,
                      .n_nodes = 2,
                      .n_leaves = 2,
                      .roots = roots,
                      .nodes = nodes,
                      .values = values,
                      .base = base};
    static const struct {
        int32_t first, last;
        double out[2];
    } parts[] = {{0, 0, {16, 32}}, {0, 1, {17, 34}}, {0, 2, {21, 42}},
                 {1, 1, {0, 0}},   {1, 2, {4, 8}},   {2, 2, {0, 0}}};
    mw_scorer *scorer = NULL;
    assert_ok(mw_scorer_new(&ctx, &trees, &scorer, &err));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (int64_t n = 1; n <= 9; n += 4) {
            const mw_matrix matrix = {x, n, 1};
            assert_ok(
                mw_scorer_score(&ctx, scorer, parts[i].first, parts[i].last, matrix, out, &err));
            for (int64_t row = 0; row < n; row++)
                assert_memory_equal(out + 2 * row, parts[i].out, sizeof parts[i].out);
        }
    mw_scorer_free(scorer);
}

MW_TEST(prepared_trees_use_their_scorer) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 3, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const mw_shape shape = {20, 4, 1, 31, 31, 0, false, true};
    mw_trees *trees = random_trees(&rng, &shape);
    float *x = random_rows(&rng, trees, 100);
    const mw_matrix matrix = {x, 100, 4}, narrow = {x, 100, 3};
    double want[100], got[100];
    assert_ok(mw_trees_score(&ctx, trees, matrix, want, &err));
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    assert_ok(mw_trees_prepare(&ctx, trees, &err));
    assert_non_null(trees->scorer);
    assert_ok(mw_trees_score(&ctx, trees, matrix, got, &err));
    assert_memory_equal(got, want, sizeof got);
    assert_status(mw_trees_score(&ctx, trees, narrow, got, &err), MW_EINVAL);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    assert_status(mw_trees_score(&ctx, trees, matrix, got, &err), MW_ECANCELED);
    mw_free(x);
    mw_trees_free(trees);
    assert_null(mw_scorer_free(NULL));
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(any_failed_allocation_is_survived) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 4, 0);
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const mw_shape shape = {20, 4, 1, 31, 31, 0, true, true};
    mw_trees *trees = random_trees(&rng, &shape);
    float *x = random_rows(&rng, trees, 100);
    double out[100];
    const size_t used = mw_mem_used(ctx.mem);
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_alloc_fail_at(n);
        mw_status status = mw_trees_score(&ctx, trees, (mw_matrix){x, 100, 4}, out, &err);
        const bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(ctx.mem), used);
        if (!fired) {
            assert_int_equal(status, MW_OK);
            assert_true(n > 15);
            break;
        }
        assert_int_equal(status, MW_ENOMEM);
    }
    mw_free(x);
    mw_trees_free(trees);
}

MW_TEST_MAIN(MW_RUN(every_way_equals_the_plain_walk), MW_RUN(ranks_of_many_thresholds),
             MW_RUN(base_values_belong_to_the_first_tree), MW_RUN(prepared_trees_use_their_scorer),
             MW_RUN(any_failed_allocation_is_survived))
