/* test_importance.c -- permutation importance against shuffling, scoring and measuring one step at a time. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/model/learner.h"
#include "support/fault_loop.h"
#include "support/model_data.h"

enum { N_ROWS = 700, REPEATS = 3, STREAM = 0x7065726d /* as in importance.c */ };

typedef struct kase {
    const char *learner;
    mw_task task;
    const char *settings;
} kase;

/* A linear model, trees to walk (the forest of 700 rows without a bound on its leaves), trees by masks, and planes. */
static const kase kases[] = {
    {"linear", MW_TASK_REGRESSION, ""},
    {"forest", MW_TASK_REGRESSION, "n_estimators=20 min_samples_leaf=1"}, /* WALKED */
    {"forest", MW_TASK_REGRESSION, "anchor=load n_estimators=20"},
    {"forest", MW_TASK_REGRESSION, "n_estimators=20 max_depth=5"},
    {"gbdt", MW_TASK_REGRESSION, "n_estimators=30"},
    {"isolation", MW_TASK_ANOMALY, ""},
    {"isolation", MW_TASK_ANOMALY, "ndim=2"},
};

enum { N_KASES = sizeof kases / sizeof *kases, WALKED = 1 };

static double loss(mw_task task, const double *y, const double *base, const double *scores) {
    double sum = 0;
    for (int i = 0; i < N_ROWS; i++)
        sum += task == MW_TASK_ANOMALY ? mw_abs(scores[i] - base[i])
                                       : (y[i] - scores[i]) * (y[i] - scores[i]);
    return task == MW_TASK_ANOMALY ? sum / N_ROWS : mw_sqrt(sum / N_ROWS);
}

/* The mean rise of the loss when one column of a copy is shuffled. */
static double importance_of(const mw_ctx *ctx, const mw_problem *p, const mw_model *model,
                            int32_t feature) {
    mw_err err;
    const size_t n_cells = (size_t)N_ROWS * MW_PROBLEM_FEATURES;
    static double base[N_ROWS], scores[N_ROWS];
    uint32_t order[N_ROWS];
    double sum = 0;
    float *x = mw_alloc_array(NULL, n_cells, sizeof *x);
    assert_ok(mw_model_score(ctx, model, p->matrix, base, &err));
    for (uint64_t repeat = 0; repeat < REPEATS; repeat++) {
        mw_rng rng;
        mw_rng_init(&rng, ctx->seed ^ STREAM, (uint64_t)feature, repeat);
        for (uint32_t i = 0; i < N_ROWS; i++) order[i] = i;
        mw_rng_shuffle(&rng, order, N_ROWS);
        memcpy(x, p->x, n_cells * sizeof *x);
        for (int i = 0; i < N_ROWS; i++)
            x[i * MW_PROBLEM_FEATURES + feature] =
                p->x[(int64_t)order[i] * MW_PROBLEM_FEATURES + feature];
        const mw_matrix shuffled = {x, N_ROWS, MW_PROBLEM_FEATURES};
        assert_ok(mw_model_score(ctx, model, shuffled, scores, &err));
        const mw_task task = mw_model_task(model);
        sum += loss(task, p->y, base, scores) - loss(task, p->y, base, base);
    }
    mw_free(x);
    return sum / REPEATS;
}

MW_TEST(permutation_is_shuffling_and_scoring) {
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    for (size_t i = 0; i < N_KASES; i++) {
        mw_problem p;
        mw_problem_make(&p, 9, N_ROWS, 0, 1, 0);
        mw_model *model =
            mw_problem_fit(&ctx, &p, kases[i].learner, kases[i].task, kases[i].settings);
        const mw_trees *trees = mw_model__trees(model);
        if (i == WALKED) assert_true(trees->n_leaves > 256 * (int64_t)trees->n_trees);
        double importance[MW_PROBLEM_FEATURES], spread[MW_PROBLEM_FEATURES];
        assert_ok(
            mw_model_permutation(&ctx, model, p.matrix, p.y, REPEATS, importance, spread, &err));
        for (int32_t f = 0; f < MW_PROBLEM_FEATURES; f++) {
            const double want = importance_of(&ctx, &p, model, f);
            assert_true(mw_abs(importance[f] - want) <= 1e-12 * (1 + mw_abs(want)));
        }
        mw_model_free(model);
        mw_problem_done(&p);
    }
}

MW_TEST(threads_do_not_change_a_bit) {
    mw_err err;
    mw_ctx ctx, many;
    mw_problem_ctx(&ctx);
    many = ctx;
    assert_ok(mw_pool_new(NULL, 3, &many.pool, &err));
    for (size_t i = 0; i < N_KASES; i++) {
        mw_problem p;
        mw_problem_make(&p, 9, 2000, 0, 1, 0);
        mw_model *model =
            mw_problem_fit(&ctx, &p, kases[i].learner, kases[i].task, kases[i].settings);
        double one[2 * MW_PROBLEM_FEATURES], three[2 * MW_PROBLEM_FEATURES];
        assert_ok(mw_model_permutation(&ctx, model, p.matrix, p.y, 2, one,
                                       one + MW_PROBLEM_FEATURES, &err));
        assert_ok(mw_model_permutation(&many, model, p.matrix, p.y, 2, three,
                                       three + MW_PROBLEM_FEATURES, &err));
        assert_memory_equal(one, three, sizeof one);
        mw_model_free(model);
        mw_problem_done(&p);
    }
    mw_pool_free(many.pool);
}

typedef struct permuting {
    const mw_model *model;
    const mw_problem *problem;
} permuting;

static mw_status permute(const mw_ctx *ctx, void *arg, mw_err *err) {
    const permuting *p = arg;
    double importance[MW_PROBLEM_FEATURES], spread[MW_PROBLEM_FEATURES];
    return mw_model_permutation(ctx, p->model, p->problem->matrix, p->problem->y, 1, importance,
                                spread, err);
}

MW_TEST(out_of_memory_and_cancelation_are_clean) {
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    for (size_t i = 0; i < N_KASES; i++) {
        mw_problem p;
        mw_problem_make(&p, 9, 100, 0, 1, 0);
        permuting arg = {.problem = &p};
        mw_model *model =
            mw_problem_fit(&ctx, &p, kases[i].learner, kases[i].task, kases[i].settings);
        arg.model = model;
        assert_true(mw_fault_loop_alloc(permute, &arg) >= 6);
        mw_cancel cancel = {0};
        mw_ctx stopped = ctx;
        atomic_store(&cancel.requested, true);
        stopped.cancel = &cancel;
        assert_status(permute(&stopped, &arg, &err), MW_ECANCELED);
        mw_model_free(model);
        mw_problem_done(&p);
    }
}

MW_TEST_MAIN(MW_RUN(permutation_is_shuffling_and_scoring), MW_RUN(threads_do_not_change_a_bit),
             MW_RUN(out_of_memory_and_cancelation_are_clean))
