/* test_model.c -- fit, score, save and load of every learner. */
#include "core/base/threads.h"
#include "core/base/math.h"
#include "support/harness.h"
#include "support/model_data.h"

#include <string.h>

typedef struct kase {
    const char *learner;
    mw_task task;
    int32_t n_classes;
    const char *settings;
    double scale, offset;
} kase;

/* Large scale and offset: a sum in float32 would lose what the parity bound asks for. */
static const kase kases[] = {
    {"linear", MW_TASK_REGRESSION, 0, "alpha=1", 1, 0},
    {"linear", MW_TASK_REGRESSION, 0, "alpha=0", 1e6, -3e7},
    {"linear", MW_TASK_REGRESSION, 0, "", 1e-6, 0},
    {"forest", MW_TASK_REGRESSION, 0, "n_estimators=20", 1, 0},
    {"forest", MW_TASK_REGRESSION, 0, "n_estimators=15 min_samples_leaf=4", 1e6, 0},
    {"forest", MW_TASK_REGRESSION, 0, "n_estimators=3 max_depth=1 bootstrap=false", 1e-6, 5},
    {"forest", MW_TASK_REGRESSION, 0, "anchor=load n_estimators=10", 1e4, 5},
    {"forest", MW_TASK_REGRESSION, 0, "exact=false n_estimators=15", 1e6, 0},
    {"forest", MW_TASK_BINARY, 2, "n_estimators=10", 1, 0},
    {"forest", MW_TASK_BINARY, 2, "exact=false n_estimators=10", 1, 0},
    {"forest", MW_TASK_REGRESSION, 0, "extra_trees=true n_estimators=5", 1, 0},
    {"forest", MW_TASK_REGRESSION, 0, "oob_score=true n_estimators=9", 1, 0},
    {"forest", MW_TASK_BINARY, 2, "class_weight=balanced n_estimators=5", 1, 0},
    {"forest", MW_TASK_MULTICLASS, 3, "class_weight=balanced_subsample n_estimators=5", 1, 0},
    {"forest", MW_TASK_MULTICLASS, 3, "extra_trees=true n_estimators=5", 1, 0},
    {"forest", MW_TASK_MULTICLASS, 3, "n_estimators=10 max_features=0.5 max_depth=6", 1, 0},
    {"isolation", MW_TASK_ANOMALY, 0, "n_estimators=30 max_samples=64", 1, 0},
    {"isolation", MW_TASK_ANOMALY, 0, "n_estimators=5 contamination=0.2", 1e6, 1e8},
    {"isolation", MW_TASK_ANOMALY, 0,
     "n_estimators=9 max_samples=0.3 max_features=0.5 bootstrap=true contamination=auto", 1, 0},
    {"isolation", MW_TASK_ANOMALY, 0, "ndim=2 n_estimators=30 max_samples=64", 1, 0},
    {"isolation", MW_TASK_ANOMALY, 0, "ndim=3 n_estimators=5 contamination=0.2", 1e6, 1e8},
    {"isolation", MW_TASK_ANOMALY, 0, "ndim=1000 n_estimators=5 bootstrap=true", 1e-6, 0},
};
enum { N_KASES = sizeof kases / sizeof *kases, ROWS = 300 };

static void assert_same_bytes(mw_dir *a, mw_dir *b, const char *name) {
    size_t n = 0, m = 0;
    char *x = mw_problem_read(a, name, &n), *y = mw_problem_read(b, name, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    mw_free(x);
    mw_free(y);
}

static void round_trip(const kase *k) {
    mw_ctx ctx;
    mw_err err;
    mw_problem p;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 5, ROWS, k->n_classes, k->scale, k->offset);
    mw_model *model = mw_problem_fit(&ctx, &p, k->learner, k->task, k->settings), *again = NULL;
    mw_dir *first = mw_problem_dir("first"), *second = mw_problem_dir("second");
    assert_ok(mw_model_save(&ctx, model, first, MW_STR("{\"note\":1}"), p.matrix, &err));
    assert_ok(mw_model_load(&ctx, first, &again, &err));
    double *before = mw_problem_scores(&ctx, &p, model);
    double *after = mw_problem_scores(&ctx, &p, again);
    assert_memory_equal(before, after, sizeof *before * ROWS * (size_t)mw_model_outputs(model));
    const double oob[2] = {mw_model_oob_score(model), mw_model_oob_score(again)};
    assert_memory_equal(&oob[0], &oob[1], sizeof *oob);
    assert_int_equal(__builtin_isnan(oob[0]), !strstr(k->settings, "oob_score"));
    double own[MW_PROBLEM_FEATURES], loaded[MW_PROBLEM_FEATURES];
    assert_ok(mw_model_importance(&ctx, model, own, &err));
    assert_ok(mw_model_importance(&ctx, again, loaded, &err));
    assert_memory_equal(own, loaded, sizeof own);
    assert_string_equal(mw_model_learner(again), k->learner);
    assert_int_equal(mw_model_task(again), k->task);
    if (k->task == MW_TASK_ANOMALY)
        assert_true(mw_model_threshold(again) == mw_model_threshold(model));
    assert_ok(mw_model_save(&ctx, again, second, MW_STR("{\"note\":1}"), p.matrix, &err));
    assert_string_equal(mw_model_file(first), mw_model_file(second));
    assert_same_bytes(first, second, mw_model_file(first));
    assert_same_bytes(first, second, "metadata.json");
    mw_free(before);
    mw_free(after);
    mw_dir_close(first);
    mw_dir_close(second);
    mw_model_free(model);
    mw_model_free(again);
    mw_problem_done(&p);
}

MW_TEST(saved_and_loaded_scores_are_identical) {
    for (int i = 0; i < N_KASES; i++) {
        print_message("%s %s %s\n", kases[i].learner, mw_task_name(kases[i].task),
                      kases[i].settings);
        round_trip(&kases[i]);
    }
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

/* DESIGN 3.2: the same bytes at any number of threads. */
MW_TEST(threads_do_not_change_a_byte) {
    static const int threads[] = {1, 2, 3, 8};
    for (int i = 0; i < N_KASES; i++) {
        mw_err err;
        mw_problem p;
        mw_problem_make(&p, 6, ROWS, kases[i].n_classes, kases[i].scale, kases[i].offset);
        mw_dir *dirs[4];
        for (int t = 0; t < 4; t++) {
            static const char *const names[] = {"t1", "t2", "t3", "t8"};
            mw_ctx ctx;
            mw_problem_ctx(&ctx);
            assert_ok(mw_pool_new(NULL, threads[t], &ctx.pool, &err));
            mw_model *model =
                mw_problem_fit(&ctx, &p, kases[i].learner, kases[i].task, kases[i].settings);
            dirs[t] = mw_problem_dir(names[t]);
            assert_ok(mw_model_save(&ctx, model, dirs[t], MW_STR(""), p.matrix, &err));
            if (t > 0) {
                assert_same_bytes(dirs[0], dirs[t], mw_model_file(dirs[t]));
                assert_same_bytes(dirs[0], dirs[t], "metadata.json");
            }
            mw_model_free(model);
            mw_pool_free(ctx.pool);
        }
        for (int t = 0; t < 4; t++) mw_dir_close(dirs[t]);
        mw_problem_done(&p);
    }
}

MW_TEST(learns_what_is_there) {
    mw_ctx ctx;
    mw_err err;
    mw_problem p;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 1, 1000, 0, 1, 0);
    static const struct {
        const char *learner;
        double r2;
    } wanted[] = {{"linear", 0.9}, {"forest", 0.95}};
    for (int i = 0; i < 2; i++) {
        mw_model *model = mw_problem_fit(&ctx, &p, wanted[i].learner, MW_TASK_REGRESSION, "");
        double *scores = mw_problem_scores(&ctx, &p, model);
        mw_regression_metrics m;
        mw_metric_regression(p.y, scores, p.matrix.n_rows, &m);
        assert_true(m.r2 > wanted[i].r2);
        double share[MW_PROBLEM_FEATURES], total = 0;
        assert_ok(mw_model_importance(&ctx, model, share, &err));
        for (int k = 0; k < MW_PROBLEM_FEATURES; k++) total += share[k];
        assert_true(mw_abs(total - 1) < 1e-12);
        assert_true(share[0] > share[4] && share[1] > share[4]);
        mw_free(scores);
        mw_model_free(model);
    }
    mw_problem_done(&p);
}

MW_TEST(permutation_finds_what_matters) {
    static const kase few[] = {{"linear", MW_TASK_REGRESSION, 0, "", 1, 0},
                               {"forest", MW_TASK_REGRESSION, 0, "n_estimators=20", 1, 0},
                               {"forest", MW_TASK_BINARY, 2, "n_estimators=20", 1, 0},
                               {"isolation", MW_TASK_ANOMALY, 0, "", 1, 0},
                               {"isolation", MW_TASK_ANOMALY, 0, "ndim=2", 1, 0}};
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        mw_problem p;
        mw_problem_make(&p, 9, 500, few[i].n_classes, 1, 0);
        mw_model *model = mw_problem_fit(&ctx, &p, few[i].learner, few[i].task, few[i].settings);
        double a[MW_PROBLEM_FEATURES], b[MW_PROBLEM_FEATURES], spread[MW_PROBLEM_FEATURES];
        assert_ok(mw_model_permutation(&ctx, model, p.matrix, p.y, 3, a, spread, &err));
        assert_ok(mw_model_permutation(&ctx, model, p.matrix, p.y, 3, b, spread, &err));
        assert_memory_equal(a, b, sizeof a);
        if (few[i].task != MW_TASK_ANOMALY) assert_true(a[0] > 10 * mw_abs(a[4]));
        for (int k = 0; k < MW_PROBLEM_FEATURES; k++)
            assert_true(mw_isfinite(a[k]) && spread[k] >= 0);
        mw_model_free(model);
        mw_problem_done(&p);
    }
}

MW_TEST(contamination_flags_that_share) {
    mw_ctx ctx;
    mw_problem p;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 2, 1000, 0, 1, 0);
    mw_model *model = mw_problem_fit(&ctx, &p, "isolation", MW_TASK_ANOMALY, "contamination=0.05");
    double *scores = mw_problem_scores(&ctx, &p, model);
    int flagged = 0;
    for (int i = 0; i < 1000; i++) {
        flagged += scores[i] >= mw_model_threshold(model);
        assert_true(scores[i] > 0 && scores[i] < 1);
    }
    assert_int_equal(flagged, 50);
    mw_free(scores);
    mw_model_free(model);
    /* Rows that are all alike: nothing may be flagged. */
    for (int64_t i = 0; i < 1000 * MW_PROBLEM_FEATURES; i++) p.x[i] = 3;
    static const char *const settings[] = {"", "contamination=auto", "contamination=0", "ndim=2"};
    for (int k = 0; k < 4; k++) {
        model = mw_problem_fit(&ctx, &p, "isolation", MW_TASK_ANOMALY, settings[k]);
        scores = mw_problem_scores(&ctx, &p, model);
        for (int i = 0; i < 1000; i++) assert_true(scores[i] < mw_model_threshold(model));
        mw_free(scores);
        mw_model_free(model);
    }
    mw_problem_done(&p);
}

static mw_status fit_isolation(const mw_problem *p, const char *settings, mw_model **ret,
                               mw_err *err) {
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    mw_args *args = mw_problem_args("isolation", settings);
    const mw_fit fit = {.learner = "isolation",
                        .task = MW_TASK_ANOMALY,
                        .features = p->features,
                        .params = args,
                        .matrix = p->matrix};
    mw_status status = mw_model_fit(&ctx, &fit, ret, err);
    mw_args_free(args);
    return status;
}

/* Numbers, shares and "auto" as scikit-learn reads them; the same trees by either way to say it. */
MW_TEST(amounts_of_the_isolation_forest) {
    static const char *const same[][2] = {
        {"max_samples=auto", "max_samples=256"}, {"max_samples=0.5", "max_samples=150"},
        {"max_samples=1.0", "max_samples=300"},  {"max_samples=1.0", "max_samples=1000"},
        {"max_samples=1e-9", "max_samples=2"},   {"max_features=0.45", "max_features=2"},
        {"max_features=0.01", "max_features=1"}, {"max_features=1.0", "max_features=77"},
    };
    static const char *const wrong[][2] = {
        {"max_samples=1", "max_samples"},      {"max_samples=0.0", "max_samples"},
        {"max_samples=1.5", "max_samples"},    {"max_samples=most", "max_samples"},
        {"max_features=0", "max_features"},    {"max_features=-1.0", "max_features"},
        {"max_features=auto", "max_features"}, {"contamination=0.6", "contamination"},
        {"contamination=-1", "contamination"}, {"contamination=some", "contamination"},
    };
    mw_err err = {0};
    mw_ctx ctx;
    mw_problem p;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 2, ROWS, 0, 1, 0);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        mw_model *models[2] = {NULL, NULL};
        double *scores[2];
        for (int k = 0; k < 2; k++) {
            assert_ok(fit_isolation(&p, same[i][k], &models[k], &err));
            scores[k] = mw_problem_scores(&ctx, &p, models[k]);
        }
        assert_memory_equal(scores[0], scores[1], ROWS * sizeof **scores);
        for (int k = 0; k < 2; k++) {
            mw_free(scores[k]);
            mw_model_free(models[k]);
        }
    }
    mw_model *model = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_status(fit_isolation(&p, wrong[i][0], &model, &err), MW_EINVAL);
        assert_string_equal(err.pointer, wrong[i][1]);
    }
    mw_problem_done(&p);
}

MW_TEST(bad_fits_are_refused) {
    mw_ctx ctx;
    mw_err err;
    mw_problem p;
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 3, 50, 0, 1, 0);
    mw_fit good = {.learner = "forest",
                   .task = MW_TASK_REGRESSION,
                   .features = p.features,
                   .target = "y",
                   .matrix = p.matrix,
                   .y = p.y};
    mw_fit fit = good;
    fit.learner = "catboost";
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_ENOTFOUND);
    fit = good, fit.learner = "linear", fit.task = MW_TASK_BINARY;
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_EINVAL);
    fit = good, fit.matrix.n_features = 2;
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_EINVAL);
    fit = good, fit.matrix.n_rows = 1;
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_EDATA);
    fit = good, fit.task = MW_TASK_BINARY, fit.n_classes = 1;
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_EDATA);
    fit = good, fit.task = MW_TASK_BINARY, fit.n_classes = 2, fit.classes = p.classes;
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_EDATA); /* y is no class index */
    p.y[10] = MW_NAN;
    assert_status(mw_model_fit(&ctx, &good, &model, &err), MW_EDATA);
    p.y[10] = 0;
    assert_ok(mw_model_fit(&ctx, &good, &model, &err)); /* params NULL: defaults */
    mw_matrix narrow = {p.x, 10, 3};
    double out[50];
    assert_status(mw_model_score(&ctx, model, narrow, out, &err), MW_EINVAL);
    mw_model_free(model);
    mw_problem_done(&p);
}

/* Every allocation of fit, save and load fails once; nothing leaks and no other code comes back. */
MW_TEST(running_out_of_memory_is_clean) {
    static const kase few[] = {
        {"linear", MW_TASK_REGRESSION, 0, "", 1, 0},
        {"forest", MW_TASK_REGRESSION, 0, "extra_trees=true n_estimators=5", 1, 0},
        {"forest", MW_TASK_BINARY, 2, "class_weight=balanced n_estimators=5", 1, 0},
        {"forest", MW_TASK_MULTICLASS, 3, "class_weight=balanced_subsample n_estimators=5", 1, 0},
        {"forest", MW_TASK_MULTICLASS, 3, "extra_trees=true n_estimators=5", 1, 0},
        {"forest", MW_TASK_MULTICLASS, 3, "n_estimators=2 max_depth=2", 1, 0},
        {"isolation", MW_TASK_ANOMALY, 0, "n_estimators=2 max_samples=8", 1, 0},
        {"isolation", MW_TASK_ANOMALY, 0, "ndim=2 n_estimators=2 max_samples=8", 1, 0},
    };
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        mw_ctx ctx;
        mw_problem p;
        mw_problem_ctx(&ctx);
        mw_problem_make(&p, 4, 40, few[i].n_classes, 1, 0);
        mw_args *args = mw_problem_args(few[i].learner, few[i].settings);
        mw_dir *dir = mw_problem_dir("model");
        mw_fit fit = {.learner = few[i].learner,
                      .task = few[i].task,
                      .features = p.features,
                      .target = "y",
                      .classes = p.classes,
                      .n_classes = few[i].n_classes,
                      .params = args,
                      .matrix = p.matrix,
                      .y = p.y};
        size_t used = mw_mem_used(&mw_mem_process);
        bool done = false;
        for (uint64_t n = 1; !done; n++) {
            mw_err err;
            mw_model *model = NULL, *again = NULL;
            double out[120];
            assert_true(n < 5000);
            mw_alloc_fail_at(n);
            mw_status status = mw_model_fit(&ctx, &fit, &model, &err);
            if (!status) status = mw_model_save(&ctx, model, dir, MW_STR(""), p.matrix, &err);
            if (!status) status = mw_model_load(&ctx, dir, &again, &err);
            if (!status) status = mw_model_score(&ctx, again, p.matrix, out, &err);
            done = !mw_alloc_fault_fired();
            mw_alloc_fail_at(0);
            if (done)
                assert_int_equal(status, MW_OK);
            else if (status != MW_OK && status != MW_ENOMEM)
                fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), err.message);
            mw_model_free(model);
            mw_model_free(again);
            assert_int_equal(mw_mem_used(&mw_mem_process), used);
        }
        mw_dir_close(dir);
        mw_args_free(args);
        mw_problem_done(&p);
    }
}

MW_TEST(canceled_work_stops) {
    mw_ctx ctx;
    mw_err err;
    mw_problem p;
    mw_cancel cancel = {0};
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 3, 200, 0, 1, 0);
    cancel.requested = true;
    ctx.cancel = &cancel;
    mw_fit fit = {.learner = "forest",
                  .task = MW_TASK_REGRESSION,
                  .features = p.features,
                  .target = "y",
                  .matrix = p.matrix,
                  .y = p.y};
    assert_status(mw_model_fit(&ctx, &fit, &model, &err), MW_ECANCELED);
    mw_problem_done(&p);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST_MAIN(MW_RUN(saved_and_loaded_scores_are_identical), MW_RUN(threads_do_not_change_a_byte),
             MW_RUN(learns_what_is_there), MW_RUN(permutation_finds_what_matters),
             MW_RUN(contamination_flags_that_share), MW_RUN(amounts_of_the_isolation_forest),
             MW_RUN(bad_fits_are_refused), MW_RUN(running_out_of_memory_is_clean),
             MW_RUN(canceled_work_stops))
