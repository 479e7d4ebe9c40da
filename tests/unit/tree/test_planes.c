/* test_planes.c -- the extended isolation forest: structure, scores by the slow walk, scales, missing values. */
#include "support/harness.h"

#include <float.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/planes.h"

static mw_planes *fit(const mw_ctx *ctx, int32_t n_estimators, int32_t max_samples, int32_t ndim,
                      mw_matrix matrix) {
    mw_err err = {0};
    mw_planes *planes = NULL;
    const mw_isolation_options options = {.n_estimators = n_estimators, .max_samples = max_samples};
    assert_ok(mw_planes_fit(ctx, &options, ndim, matrix, &planes, &err));
    return planes;
}

static float *normal_rows(uint64_t seed, int64_t n_rows, int32_t n_features) {
    mw_rng rng;
    mw_rng_init(&rng, seed, 78, 0);
    float *x = mw_alloc_array(NULL, (size_t)(n_rows * n_features), sizeof *x);
    for (int64_t i = 0; i < n_rows * n_features; i++) x[i] = (float)mw_rng_normal(&rng);
    return x;
}

/* One feature: a plane is a cut, and the trees are those of the plain forest's test. */
MW_TEST(small_trees_by_hand) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float x[3] = {0, 1, 3};
    double scores[3];
    mw_err err = {0};
    mw_planes *planes = fit(&ctx, 1, 256, 2, (mw_matrix){x, 2, 1});
    assert_int_equal(planes->n_nodes, 3);
    assert_int_equal(planes->n_splits, 1);
    assert_int_equal(planes->ndim, 1); /* there is one feature */
    assert_true(planes->terms[0].fill == 0.5);
    assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){x, 2, 1}, scores, &err));
    assert_true(scores[0] == 0.5 && scores[1] == 0.5);
    mw_planes_free(planes);
    int n_low_alone = 0;
    for (ctx.seed = 0; ctx.seed < 300; ctx.seed++) {
        planes = fit(&ctx, 1, 256, 1, (mw_matrix){x, 3, 1});
        assert_int_equal(planes->n_nodes, 5);
        double lengths[3];
        for (int i = 0; i < 3; i++) lengths[i] = mw_planes_length(planes, x + i);
        const bool low_alone = lengths[0] == 1;
        n_low_alone += low_alone;
        assert_true(lengths[0] == (low_alone ? 1 : 2) && lengths[1] == 2);
        assert_true(lengths[2] == (low_alone ? 2 : 1));
        mw_planes_free(planes);
    }
    /* The threshold is even over [0, 3): below 1 a third of the time, 100 +- 4 * 8.2. */
    assert_in_range(n_low_alone, 67, 133);
}

/* Of three rows the mean of the two that are there stands in for the missing one, and takes a side of its own or
 * one of theirs. The spread is that of 0 and 4: 2. */
MW_TEST(missing_value_is_the_mean_of_the_node) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    const float x[3] = {0, 4, __builtin_nanf("")};
    for (ctx.seed = 0; ctx.seed < 20; ctx.seed++) {
        mw_rng rng;
        mw_rng_init(&rng, ctx.seed, UINT64_C(0x706c616e) << 32, 0);
        for (int i = 0; i < 3; i++) (void)mw_rng_below(&rng, (uint64_t)(3 - i)); /* the sample */
        (void)mw_rng_below(&rng, 1);                                             /* the feature */
        const double weight = mw_rng_normal(&rng) / 2;
        const double low = weight < 0 ? 4 * weight : 0, high = weight < 0 ? 0 : 4 * weight;
        const double threshold = low + mw_rng_uniform(&rng) * (high - low);
        mw_planes *planes = fit(&ctx, 1, 3, 2, (mw_matrix){x, 3, 1});
        assert_true(planes->terms[0].fill == 2 && planes->terms[0].weight == weight);
        assert_true(planes->nodes[0].threshold == threshold);
        assert_true(planes->covers[1] == (uint32_t)((2 * weight <= threshold) + 1));
        mw_planes_free(planes);
    }
}

static void assert_well_formed(const mw_planes *p, int32_t tree, int64_t at, int32_t depth,
                               int32_t most) {
    const mw_plane_node *node = &p->nodes[at];
    assert_true(depth <= most && depth <= p->depths[tree] && p->covers[at] >= 1);
    if (node->left == at) {
        assert_true(p->lengths[at] == (double)depth + mw_isolation_c(p->covers[at]));
        return;
    }
    const mw_plane_term *terms = p->terms + (int64_t)node->split * p->ndim;
    const int32_t n_terms = p->n_terms[node->split];
    assert_true(node->left > at && n_terms >= 1 && n_terms <= p->ndim);
    assert_true(mw_isfinite(node->threshold) && p->lengths[at] == 0);
    for (int32_t k = 0; k < p->ndim; k++) {
        assert_true(k < n_terms ? terms[k].weight != 0 : terms[k].weight == 0);
        assert_true(mw_isfinite(terms[k].weight) && mw_isfinite(terms[k].fill));
        for (int32_t i = 0; i < k && k < n_terms; i++)
            assert_true(terms[i].feature != terms[k].feature);
    }
    assert_true(p->covers[at] == p->covers[node->left] + p->covers[node->left + 1]);
    assert_well_formed(p, tree, node->left, depth + 1, most);
    assert_well_formed(p, tree, node->left + 1, depth + 1, most);
}

/* All numbers of features and rows around the sizes that scoring works in. */
MW_TEST(trees_are_well_formed_and_scores_those_of_the_slow_walk) {
    static const int64_t row_counts[] = {1, 2, 7, 8, 9, 63, 64, 65, 255, 257, 600};
    enum { ROWS = 600, COLUMNS = 7 };
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.seed = mw_test_seed();
    float *x = normal_rows(mw_test_seed(), ROWS, COLUMNS);
    const float ulp = __builtin_nextafterf(1, 2);
    for (int i = 0; i < ROWS; i++) {
        if (i % 3 == 0) x[i * COLUMNS + 1] = __builtin_nanf("");
        x[i * COLUMNS + 2] = i % 2 ? 1 : ulp; /* neighbors in float32 */
        x[i * COLUMNS + 3] = 8;
    }
    for (int32_t ndim = 1; ndim <= COLUMNS + 1; ndim++) {
        mw_planes *p = fit(&ctx, 10, 200, ndim, (mw_matrix){x, ROWS, COLUMNS});
        assert_int_equal(p->ndim, ndim < COLUMNS ? ndim : COLUMNS);
        for (int32_t tree = 0; tree < 10; tree++) {
            assert_int_equal(p->covers[p->roots[tree]], 200);
            assert_well_formed(p, tree, p->roots[tree], 0, 8);
        }
        for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++) {
            double scores[ROWS];
            const mw_matrix rows = {x + COLUMNS, row_counts[i] < ROWS ? row_counts[i] : ROWS - 1,
                                    COLUMNS};
            assert_ok(mw_planes_score(&ctx, p, rows, scores, &err));
            for (int64_t row = 0; row < rows.n_rows; row++) {
                double length = mw_planes_length(p, rows.x + row * COLUMNS);
                assert_true(scores[row] == mw_planes_score_of(p, length));
                assert_true(scores[row] > 0 && scores[row] < 1);
            }
        }
        mw_planes_free(p);
    }
    mw_free(x);
}

/* Columns times powers of two: every sum is the same to the last bit, and so are the scores. */
MW_TEST(scales_do_not_matter) {
    enum { ROWS = 300, COLUMNS = 4 };
    static const float scales[COLUMNS] = {0x1p-40f, 0x1p30f, 1, 0x1p60f};
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float *x = normal_rows(mw_test_seed(), ROWS, COLUMNS);
    for (int i = 0; i < ROWS * COLUMNS; i += 7) x[i] = __builtin_nanf("");
    for (int32_t ndim = 2; ndim <= COLUMNS; ndim++) {
        double first[ROWS], second[ROWS], moved[ROWS];
        mw_planes *planes = fit(&ctx, 20, 256, ndim, (mw_matrix){x, ROWS, COLUMNS});
        assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){x, ROWS, COLUMNS}, first, &err));
        mw_planes_free(planes);
        float y[ROWS * COLUMNS];
        for (int i = 0; i < ROWS * COLUMNS; i++) y[i] = x[i] * scales[i % COLUMNS];
        planes = fit(&ctx, 20, 256, ndim, (mw_matrix){y, ROWS, COLUMNS});
        assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){y, ROWS, COLUMNS}, second, &err));
        mw_planes_free(planes);
        assert_memory_equal(first, second, sizeof first);
        /* Any other scale and origin: the same but for rounding, which may move a row at a cut. */
        for (int i = 0; i < ROWS * COLUMNS; i++) y[i] = 100 + 0.3f * x[i];
        planes = fit(&ctx, 20, 256, ndim, (mw_matrix){y, ROWS, COLUMNS});
        assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){y, ROWS, COLUMNS}, moved, &err));
        mw_planes_free(planes);
        double worst = 0;
        for (int i = 0; i < ROWS; i++)
            if (mw_abs(moved[i] - first[i]) > worst) worst = mw_abs(moved[i] - first[i]);
        assert_true(worst < 0.05);
    }
    mw_free(x);
}

MW_TEST(one_row_equal_rows_and_columns_without_a_value) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    const float x[6] = {4, 5, 4, 5, 4, 5}, nan = __builtin_nanf("");
    double scores[400], importance[3];
    mw_planes *planes = fit(&ctx, 3, 256, 2, (mw_matrix){x, 1, 2});
    assert_int_equal(planes->n_nodes, 3);
    assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){x, 3, 2}, scores, &err));
    assert_true(scores[0] == 0.5 && scores[2] == 0.5);
    mw_planes_free(planes);
    planes = fit(&ctx, 4, 256, 2, (mw_matrix){x, 3, 2});
    assert_int_equal(planes->n_nodes, 4);
    assert_int_equal(planes->n_splits, 0);
    assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){x, 3, 2}, scores, &err));
    assert_true(mw_abs(scores[0] - 0.5) < 1e-12); /* c(3) over c(3) */
    mw_planes_importance(planes, importance);
    assert_true(importance[0] == 0 && importance[1] == 0);
    mw_planes_free(planes);
    static float rows[400 * 3];
    for (int i = 0; i < 400; i++) {
        rows[i * 3] = nan; /* a column without a value is never used */
        rows[i * 3 + 1] = (float)i;
        rows[i * 3 + 2] = i % 2 ? 5 : nan; /* one value, and missing: nothing to cut */
    }
    planes = fit(&ctx, 30, 256, 3, (mw_matrix){rows, 400, 3});
    mw_planes_importance(planes, importance);
    assert_true(importance[0] == 0 && importance[1] == 1 && importance[2] == 0);
    rows[1] = nan; /* a row of which nothing is known */
    assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){rows, 1, 3}, scores, &err));
    assert_true(scores[0] > 0 && scores[0] < 1);
    mw_planes_free(planes);
}

/* Values at the ends of float32, in one column and in several; rows that are there many times. */
MW_TEST(extreme_values_and_duplicates) {
    enum { ROWS = 64, COLUMNS = 3 };
    static const float values[] = {FLT_MAX, -FLT_MAX, 1e-45f, -1e-45f, 0, 1, FLT_MIN, 1e30f};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    float x[ROWS * COLUMNS];
    for (ctx.seed = 0; ctx.seed < 20; ctx.seed++)
        for (int n_values = 2; n_values <= 8; n_values += 2) {
            for (int i = 0; i < ROWS * COLUMNS; i++)
                x[i] = values[(i / COLUMNS * 7 + i * i % 5) % n_values];
            for (int32_t ndim = 1; ndim <= COLUMNS; ndim++) {
                double scores[ROWS];
                mw_planes *p = fit(&ctx, 5, 64, ndim, (mw_matrix){x, ROWS, COLUMNS});
                for (int32_t t = 0; t < 5; t++) assert_well_formed(p, t, p->roots[t], 0, 6);
                assert_ok(mw_planes_score(&ctx, p, (mw_matrix){x, ROWS, COLUMNS}, scores, &err));
                for (int i = 0; i < ROWS; i++) {
                    assert_true(scores[i] > 0 && scores[i] < 1);
                    for (int k = 0; k < i; k++)
                        if (memcmp(x + i * COLUMNS, x + k * COLUMNS, COLUMNS * sizeof *x) == 0)
                            assert_true(scores[i] == scores[k]);
                }
                mw_planes_free(p);
            }
        }
}

/* Rows along a diagonal and one beside it, each of whose values is ordinary: planes see it first. */
MW_TEST(a_row_off_the_diagonal_ranks_first) {
    enum { ROWS = 400 };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_err err = {0};
    for (uint64_t round = 0; round < 10; round++) {
        ctx.seed = mw_test_seed() + round;
        float *x = normal_rows(ctx.seed, ROWS, 2);
        double scores[ROWS];
        for (int i = 0; i < ROWS; i++) {
            x[i * 2] = 0.01f * (float)(i % 100);
            x[i * 2 + 1] = 1000 * (x[i * 2] + 0.01f * x[i * 2 + 1]);
        }
        x[50 * 2] = 0.2f, x[50 * 2 + 1] = 800;
        mw_planes *planes = fit(&ctx, 200, 256, 2, (mw_matrix){x, ROWS, 2});
        assert_ok(mw_planes_score(&ctx, planes, (mw_matrix){x, ROWS, 2}, scores, &err));
        for (int i = 0; i < ROWS; i++) assert_true(i == 50 || scores[i] < scores[50]);
        mw_planes_free(planes);
        mw_free(x);
    }
}

MW_TEST(a_step_counts_for_each_feature_with_an_equal_part) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    enum { ROWS = 300, COLUMNS = 3 };
    float *x = normal_rows(5, ROWS, COLUMNS);
    double importance[COLUMNS], parts[COLUMNS] = {0}, total = 0;
    mw_planes *p = fit(&ctx, 10, ROWS, 2, (mw_matrix){x, ROWS, COLUMNS});
    for (int t = 0; t < 10; t++)
        for (int row = 0; row < ROWS; row++)
            for (int64_t at = p->roots[t]; p->nodes[at].left != at;) {
                const mw_plane_node *node = &p->nodes[at];
                const mw_plane_term *terms = p->terms + (int64_t)node->split * p->ndim;
                double sum = 0;
                for (int k = 0; k < 2; k++) {
                    sum += terms[k].weight * (double)x[row * COLUMNS + terms[k].feature];
                    parts[terms[k].feature] += 0.5;
                }
                total++;
                at = node->left + (sum > node->threshold);
            }
    mw_planes_importance(p, importance);
    for (int f = 0; f < COLUMNS; f++) assert_true(mw_abs(importance[f] - parts[f] / total) < 1e-12);
    mw_planes_free(p);
    mw_free(x);
}

static uint64_t hash_of(const mw_planes *p) {
    uint64_t hash = mw_hash64(p->covers, (size_t)p->n_nodes * sizeof *p->covers);
    hash ^= mw_hash64(p->lengths, (size_t)p->n_nodes * sizeof *p->lengths);
    hash ^= mw_hash64(p->nodes, (size_t)p->n_nodes * sizeof *p->nodes);
    for (int64_t i = 0; i < p->n_splits * p->ndim; i++) {
        const double all[3] = {p->terms[i].weight, p->terms[i].fill, p->terms[i].feature};
        hash = hash * 31 + mw_hash64(all, sizeof all);
    }
    return hash;
}

MW_TEST(same_bytes_at_any_thread_count) {
    static const int counts[] = {1, 2, 3, 8};
    float *x = normal_rows(9, 2000, 5);
    const mw_matrix matrix = {x, 2000, 5};
    uint64_t want = 0;
    double first[2000], scores[2000];
    for (size_t i = 0; i < 4; i++) {
        mw_err err = {0};
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        ctx.seed = 7;
        assert_ok(mw_pool_new(NULL, counts[i], &ctx.pool, &err));
        mw_planes *planes = fit(&ctx, 50, 256, 2, matrix);
        assert_ok(mw_planes_score(&ctx, planes, matrix, i ? scores : first, &err));
        if (i == 0)
            want = hash_of(planes);
        else
            assert_memory_equal(scores, first, sizeof first);
        assert_true(hash_of(planes) == want);
        mw_planes_free(planes);
        ctx.seed = 8;
        planes = fit(&ctx, 50, 256, 2, matrix);
        assert_true(hash_of(planes) != want);
        mw_planes_free(planes);
        mw_pool_free(ctx.pool);
    }
    mw_free(x);
}

MW_TEST(bad_input) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_planes *planes = NULL;
    float x[4] = {1, 2, 3, 4};
    const mw_matrix matrix = {x, 2, 2};
    mw_isolation_options good;
    mw_isolation_defaults(&good);
    assert_status(mw_planes_fit(&ctx, &good, 0, matrix, &planes, &err), MW_EINVAL);
    assert_string_equal(err.pointer, "ndim");
    const mw_isolation_options none = {.n_estimators = 0, .max_samples = 9};
    assert_status(mw_planes_fit(&ctx, &none, 2, matrix, &planes, &err), MW_EINVAL);
    assert_string_equal(err.pointer, "n_estimators");
    enum { ROWS = 1000, COLUMNS = 30 };
    float *many = mw_calloc(NULL, ROWS * COLUMNS, sizeof *many);
    const mw_isolation_options large = {.n_estimators = 1000, .max_samples = ROWS};
    const mw_matrix wide = {many, ROWS, COLUMNS};
    assert_status(mw_planes_fit(&ctx, &large, COLUMNS, wide, &planes, &err), MW_ETOOLARGE);
    assert_non_null(strstr(err.hint, "ndim"));
    mw_free(many);
    planes = fit(&ctx, 2, 2, 2, matrix);
    double scores[2];
    assert_status(mw_planes_score(&ctx, planes, (mw_matrix){x, 4, 1}, scores, &err), MW_EINVAL);
    mw_planes_free(planes);
    planes = NULL;
    x[2] = __builtin_inff();
    assert_status(mw_planes_fit(&ctx, &good, 2, matrix, &planes, &err), MW_EDATA);
    mw_cancel cancel = {0};
    atomic_store(&cancel.requested, true);
    ctx.cancel = &cancel;
    x[2] = 3;
    assert_status(mw_planes_fit(&ctx, &good, 2, matrix, &planes, &err), MW_ECANCELED);
    assert_true(planes == NULL);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(every_allocation_fails_once) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    float x[200];
    for (int i = 0; i < 200; i++) x[i] = (float)((i * 37) % 101);
    const mw_matrix matrix = {x, 100, 2};
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        mw_planes *planes = NULL;
        double scores[100];
        const mw_isolation_options options = {.n_estimators = 3, .max_samples = 64};
        mw_alloc_fail_at(n);
        mw_status status = mw_planes_fit(&ctx, &options, 2, matrix, &planes, &err);
        if (status == MW_OK) status = mw_planes_score(&ctx, planes, matrix, scores, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        mw_planes_free(planes);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
        assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
        if (!fired) {
            assert_true(n > 20);
            return;
        }
    }
}

MW_TEST_MAIN(MW_RUN(small_trees_by_hand), MW_RUN(missing_value_is_the_mean_of_the_node),
             MW_RUN(trees_are_well_formed_and_scores_those_of_the_slow_walk),
             MW_RUN(scales_do_not_matter), MW_RUN(one_row_equal_rows_and_columns_without_a_value),
             MW_RUN(extreme_values_and_duplicates), MW_RUN(a_row_off_the_diagonal_ranks_first),
             MW_RUN(a_step_counts_for_each_feature_with_an_equal_part),
             MW_RUN(same_bytes_at_any_thread_count), MW_RUN(bad_input),
             MW_RUN(every_allocation_fails_once))
