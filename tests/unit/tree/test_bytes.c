/*
 * test_bytes.c -- the same seed gives the same trees on every machine, compiler and build.
 *
 * The digests are our own output, taken with gcc 12 on x86-64 and equal with clang 14. One that
 * changes means that no model fitted before can be fitted again from its seed: say so in the
 * CHANGELOG.
 */
#include "support/harness.h"

#include "core/base/hash.h"
#include "golden/tree/golden_trees.h"
#include "learn/tree/forest.h"
#include "learn/tree/planes.h"

static const mw_matrix golden = {golden_x, GOLDEN_ROWS, GOLDEN_FEATURES};

/* By member, because padding bytes are nobody's. */
static void assert_digest(const mw_trees *trees, const char *want) {
    mw_err err = {0};
    mw_sha256 *sha = NULL;
    assert_ok(mw_sha256_new(&sha, &err));
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *n = &trees->nodes[i];
        const float reals[2] = {n->threshold, n->gain};
        const int32_t whole[5] = {n->feature, n->left, n->right, (int32_t)n->cover,
                                  n->missing_left};
        mw_sha256_add(sha, reals, sizeof reals);
        mw_sha256_add(sha, whole, sizeof whole);
    }
    mw_sha256_add(sha, trees->values,
                  (size_t)(trees->n_leaves * trees->n_outputs) * sizeof *trees->values);
    char hex[MW_SHA256_HEX];
    mw_sha256_finish(sha, hex);
    assert_string_equal(hex, want);
}

static void fit_forest(int32_t n_classes, const double *y, const char *want) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = 42;
    mw_forest_options options;
    mw_forest_defaults(&options);
    options.n_estimators = 20;
    options.max_features = 0.5;
    options.n_classes = n_classes;
    mw_trees *trees = NULL;
    assert_ok(mw_forest_fit(&ctx, &options, golden, y, &trees, &err));
    assert_digest(trees, want);
    mw_trees_free(trees);
}

MW_TEST(regression_forest) {
    fit_forest(0, golden_y, "b834d2d09fe37b851e1b3dc91ef475de6f63be823945116a9d6e117e2f9a8d3b");
}

MW_TEST(class_forest) {
    fit_forest(GOLDEN_CLASSES, golden_class,
               "ba83d698b113e7e9b704151440699d8be4f469678436ed8e07184313aaab2033");
}

MW_TEST(isolation_forest) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = 42;
    const mw_isolation_options options = {.n_estimators = 20, .max_samples = 64};
    mw_trees *trees = NULL;
    double c = 0;
    assert_ok(mw_isolation_fit(&ctx, &options, golden, &trees, &c, &err));
    assert_digest(trees, "4347b38154aca4ef184a5358ae53212013c52f84bdad9ccc80722ee851ebec21");
    mw_trees_free(trees);
}

MW_TEST(extended_isolation_forest) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = 42;
    const mw_isolation_options options = {.n_estimators = 20, .max_samples = 64};
    mw_planes *p = NULL;
    assert_ok(mw_planes_fit(&ctx, &options, 2, golden, &p, &err));
    mw_sha256 *sha = NULL;
    assert_ok(mw_sha256_new(&sha, &err));
    for (int64_t i = 0; i < p->n_nodes; i++) {
        const int32_t whole[3] = {p->nodes[i].left, p->nodes[i].split, (int32_t)p->covers[i]};
        const double reals[2] = {p->nodes[i].threshold, p->lengths[i]};
        mw_sha256_add(sha, whole, sizeof whole);
        mw_sha256_add(sha, reals, sizeof reals);
    }
    for (int64_t i = 0; i < p->n_splits * p->ndim; i++) {
        const double reals[3] = {p->terms[i].weight, p->terms[i].fill, p->terms[i].feature};
        mw_sha256_add(sha, reals, sizeof reals);
    }
    char hex[MW_SHA256_HEX];
    mw_sha256_finish(sha, hex);
    assert_string_equal(hex, "9f521441772b9983aadd7b6a4368438e4b46a045e9d7072efe8bdebc8d97b6e4");
    mw_planes_free(p);
}

MW_TEST_MAIN(MW_RUN(regression_forest), MW_RUN(class_forest), MW_RUN(isolation_forest),
             MW_RUN(extended_isolation_forest))
