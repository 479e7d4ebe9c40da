/*
 * test_gbdt_model.c -- boosting as a learner: folders, margins, leaves and rounds beside plain walks, going on, weights,
 * validation rows and curves, and fits that run out of memory.
 */
#include <string.h>

#include "unit/model/gbdt_fits.h"

enum { ROWS = 400 };

static void assert_same_file(mw_dir *a, mw_dir *b, const char *name) {
    size_t n = 0, m = 0;
    char *x = mw_problem_read(a, name, &n), *y = mw_problem_read(b, name, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    mw_free(x);
    mw_free(y);
}

static mw_model *load(mw_dir *dir) {
    mw_ctx ctx;
    mw_err err;
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    assert_ok(mw_model_load(&ctx, dir, &model, &err));
    return model;
}

static void save(const mw_model *model, mw_dir *dir, mw_matrix check) {
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    assert_ok(mw_model_save(&ctx, model, dir, MW_STR(""), check, &err));
}

MW_TEST(a_loaded_model_says_the_same) {
    mw_dir *first = mw_problem_dir("first"), *second = mw_problem_dir("second");
    for (int i = 0; i < GBDT_KASES; i++) {
        gbdt_fits f;
        gbdt_fits_init(&f, &gbdt_kases[i], 1, ROWS);
        mw_model *model = gbdt_model(&f.fit);
        save(model, first, f.fit.matrix);
        mw_model *again = load(first);
        assert_true(again->learner->trees(again)->n_sets > 0);
        for (int what = MW_OUTPUT_PREDICTION; what <= MW_OUTPUT_LEAVES; what++)
            gbdt_assert_same(model, again, f.fit.matrix, (mw_output)what);
        save(again, second, f.fit.matrix);
        assert_same_file(first, second, "model.onnx");
        assert_same_file(first, second, "metadata.json");
        assert_true(mw_dir_has(first, "curves.json"));
        assert_false(mw_dir_has(second, "curves.json")); /* only a fit has them */
        assert_null(mw_model_curves(again));
        mw_model_free(model);
        mw_model_free(again);
        gbdt_fits_done(&f);
    }
    mw_dir_close(first);
    mw_dir_close(second);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(every_objective_finds_what_matters) {
    for (int i = 0; i < GBDT_KASES; i++) {
        mw_ctx ctx;
        mw_err err;
        gbdt_fits f;
        double share[MW_PROBLEM_FEATURES], total = 0;
        mw_problem_ctx(&ctx);
        gbdt_fits_init(&f, &gbdt_kases[i], 1, 2000);
        mw_model *model = gbdt_model(&f.fit);
        assert_ok(mw_model_importance(&ctx, model, share, &err));
        for (int k = 0; k < MW_PROBLEM_FEATURES; k++) total += share[k];
        assert_true(mw_abs(total - 1) < 1e-12);
        assert_true(share[0] > 5 * share[4] && share[1] > 5 * share[4]); /* which is noise */
        mw_model_free(model);
        gbdt_fits_done(&f);
    }
}

/* ---- margins, leaves, rounds ---- */

static void assert_near(double got, double wanted) {
    if (!(mw_abs(got - wanted) <= 1e-12 * (1 + mw_abs(wanted))))
        fail_msg("%.17g is not %.17g", got, wanted);
}

/* What a margin means, written once more. */
static void predict(const gbdt_kase *k, const double *margin, int32_t n_margins, double *out) {
    double total = 0;
    if (k->n_classes == 0) {
        const bool rate = k->objective[0] == 'p' || k->objective[0] == 't';
        out[0] = rate ? mw_exp(margin[0]) : margin[0];
        return;
    }
    if (n_margins == 1) {
        out[1] = 1 / (1 + mw_exp(-margin[0]));
        out[0] = 1 - out[1];
        return;
    }
    for (int32_t j = 0; j < n_margins; j++) total += mw_exp(margin[j]);
    for (int32_t j = 0; j < n_margins; j++) out[j] = mw_exp(margin[j]) / total;
}

MW_TEST(margins_are_the_plain_walk_and_make_predictions) {
    for (int i = 0; i < GBDT_KASES; i++) {
        gbdt_fits f;
        int32_t n, n_margins;
        gbdt_fits_init(&f, &gbdt_kases[i], 2, ROWS);
        mw_model *model = gbdt_model(&f.fit);
        const mw_trees *trees = model->learner->trees(model);
        double *out = gbdt_scores(model, f.fit.matrix, MW_OUTPUT_PREDICTION, 0, &n);
        double *margins = gbdt_scores(model, f.fit.matrix, MW_OUTPUT_MARGIN, 0, &n_margins);
        assert_int_equal(n, gbdt_kases[i].n_classes ? gbdt_kases[i].n_classes : 1);
        assert_int_equal(n_margins, trees->n_outputs);
        for (int64_t row = 0; row < ROWS; row++) {
            double walked[3], wanted[3];
            mw_trees_score_row(trees, f.fit.matrix.x + row * MW_PROBLEM_FEATURES, walked);
            assert_memory_equal(walked, margins + row * n_margins,
                                (size_t)n_margins * sizeof *walked);
            predict(&gbdt_kases[i], walked, n_margins, wanted);
            for (int32_t k = 0; k < n; k++) assert_near(out[row * n + k], wanted[k]);
        }
        mw_free(out);
        mw_free(margins);
        mw_model_free(model);
        gbdt_fits_done(&f);
    }
}

/* Leaves of a tree have rows of values one after another: less the least of them they are 0, 1, ... */
static int32_t first_leaf(const mw_trees *trees, int32_t tree) {
    const int64_t end = tree + 1 < trees->n_trees ? trees->roots[tree + 1] : trees->n_nodes;
    int32_t least = INT32_MAX;
    for (int64_t i = trees->roots[tree]; i < end; i++)
        if (trees->nodes[i].feature < 0 && trees->nodes[i].right < least)
            least = trees->nodes[i].right;
    return least;
}

static void check_leaves(const mw_model *model, mw_matrix matrix) {
    int32_t n;
    const mw_trees *trees = model->learner->trees(model);
    double *leaves = gbdt_scores(model, matrix, MW_OUTPUT_LEAVES, 0, &n);
    assert_int_equal(n, trees->n_trees);
    for (int32_t t = 0; t < n; t++) {
        const int32_t first = first_leaf(trees, t);
        bool zero = false;
        for (int64_t row = 0; row < matrix.n_rows; row++) {
            const int32_t leaf = mw_trees_leaf(trees, t, matrix.x + row * matrix.n_features);
            assert_true(leaves[row * n + t] == leaf - first);
            zero |= leaves[row * n + t] == 0;
        }
        assert_true(zero);
    }
    mw_free(leaves);
}

MW_TEST(leaves_are_those_of_the_plain_walk) {
    for (int i = 0; i < GBDT_KASES; i++) {
        gbdt_fits f;
        gbdt_fits_init(&f, &gbdt_kases[i], 3, 3000); /* more rows than are walked at once */
        mw_model *model = gbdt_model(&f.fit);
        check_leaves(model, f.fit.matrix);
        mw_model_free(model);
        gbdt_fits_done(&f);
    }
    mw_ctx ctx;
    mw_problem p;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 3, 3000, 3, 1, 0);
    static const char *const settings[] = {"n_estimators=7", "n_estimators=7 exact=false",
                                           "n_estimators=7 extra_trees=true"};
    for (int i = 0; i < 3; i++) {
        mw_model *forest = mw_problem_fit(&ctx, &p, "forest", MW_TASK_MULTICLASS, settings[i]);
        check_leaves(forest, p.matrix);
        mw_model_free(forest);
    }
    mw_problem_done(&p);
}

/* Not with DART, which weighs old trees anew in later rounds. */
MW_TEST(the_first_rounds_are_a_shorter_fit) {
    for (int i = 0; i < GBDT_KASES; i++) {
        if (strstr(gbdt_kases[i].settings, "dart")) continue;
        gbdt_fits f;
        int32_t n;
        gbdt_fits_init(&f, &gbdt_kases[i], 4, ROWS);
        mw_model *whole = gbdt_model(&f.fit);
        mw_args_free(f.args);
        f.fit.params = f.args = gbdt_args(&gbdt_kases[i], 5);
        mw_model *begun = gbdt_model(&f.fit);
        for (int what = MW_OUTPUT_PREDICTION; what <= MW_OUTPUT_LEAVES; what++) {
            double *a = gbdt_scores(whole, f.fit.matrix, (mw_output)what, 5, &n);
            const size_t bytes = (size_t)(ROWS * n) * sizeof *a;
            double *b = gbdt_scores(begun, f.fit.matrix, (mw_output)what, 0, &n);
            assert_memory_equal(a, b, bytes);
            double *c = gbdt_scores(begun, f.fit.matrix, (mw_output)what, 5, &n);
            double *d = gbdt_scores(begun, f.fit.matrix, (mw_output)what, 9999, &n);
            assert_memory_equal(b, c, bytes);
            assert_memory_equal(b, d, bytes);
            double *e = gbdt_scores(whole, f.fit.matrix, (mw_output)what, 1, &n);
            assert_memory_not_equal(a, e, (size_t)(ROWS * n) * sizeof *a);
            mw_free(a);
            mw_free(b);
            mw_free(c);
            mw_free(d);
            mw_free(e);
        }
        mw_model_free(whole);
        mw_model_free(begun);
        gbdt_fits_done(&f);
    }
}

MW_TEST(rows_of_another_width_are_refused) {
    mw_ctx ctx;
    mw_err err;
    gbdt_fits f;
    double out[100 * GBDT_ROUNDS];
    mw_problem_ctx(&ctx);
    gbdt_fits_init(&f, &gbdt_kases[0], 5, 100);
    mw_model *model = gbdt_model(&f.fit);
    const mw_matrix narrow = {f.fit.matrix.x, 100, MW_PROBLEM_FEATURES - 1};
    for (int what = MW_OUTPUT_PREDICTION; what <= MW_OUTPUT_LEAVES; what++)
        for (int32_t rounds = 0; rounds < 2; rounds++)
            assert_status(
                mw_model_score_as(&ctx, model, narrow, (mw_output)what, rounds, out, &err),
                MW_EINVAL);
    mw_model_free(model);
    gbdt_fits_done(&f);
}

MW_TEST(other_learners_say_what_they_do_not_have) {
    static const struct {
        const char *learner;
        mw_task task;
        mw_output what;
        int32_t n_rounds;
        const char *says; /* NULL: it does have it */
    } asked[] = {
        {"linear", MW_TASK_REGRESSION, MW_OUTPUT_PREDICTION, 0, NULL},
        {"linear", MW_TASK_REGRESSION, MW_OUTPUT_PREDICTION, 2, "no rounds"},
        {"linear", MW_TASK_REGRESSION, MW_OUTPUT_MARGIN, 0, "no margins"},
        {"linear", MW_TASK_REGRESSION, MW_OUTPUT_LEAVES, 0, "no leaves"},
        {"forest", MW_TASK_REGRESSION, MW_OUTPUT_LEAVES, 0, NULL},
        {"forest", MW_TASK_REGRESSION, MW_OUTPUT_LEAVES, 2, "no rounds"},
        {"forest", MW_TASK_REGRESSION, MW_OUTPUT_MARGIN, 0, "no margins"},
        {"isolation", MW_TASK_ANOMALY, MW_OUTPUT_LEAVES, 0, "no leaves"},
    };
    mw_ctx ctx;
    mw_err err;
    mw_problem p;
    int32_t n;
    mw_problem_ctx(&ctx);
    mw_problem_make(&p, 5, 100, 0, 1, 0);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        mw_model *model = mw_problem_fit(&ctx, &p, asked[i].learner, asked[i].task,
                                         i < 4 ? "" : "n_estimators=2");
        const mw_status status =
            mw_model_outputs_as(model, asked[i].what, asked[i].n_rounds, &n, &err);
        assert_int_equal(status, asked[i].says ? MW_EINVAL : MW_OK);
        if (asked[i].says) assert_non_null(strstr(err.message, asked[i].says));
        mw_model_free(model);
    }
    mw_problem_done(&p);
}

/* ---- going on ---- */

/* goss and dart count the rounds of their own fit. */
MW_TEST(a_saved_model_goes_on_as_if_never_stopped) {
    mw_dir *dir = mw_problem_dir("begun");
    for (int i = 0; i < GBDT_KASES; i++) {
        const gbdt_kase *k = &gbdt_kases[i];
        if (strstr(k->settings, "boosting")) continue;
        gbdt_fits f;
        gbdt_fits_init(&f, k, 6, ROWS);
        mw_model *whole = gbdt_model(&f.fit);
        mw_args *parts[2] = {gbdt_args(k, 5), gbdt_args(k, GBDT_ROUNDS - 5)};
        f.fit.params = parts[0];
        mw_model *begun = gbdt_model(&f.fit);
        save(begun, dir, f.fit.matrix);
        mw_model_free(begun);
        begun = load(dir);
        f.fit.params = parts[1];
        f.fit.init = begun;
        mw_model *ended = gbdt_model(&f.fit);
        gbdt_assert_same(whole, ended, f.fit.matrix, MW_OUTPUT_PREDICTION);
        gbdt_assert_same(whole, ended, f.fit.matrix, MW_OUTPUT_LEAVES);
        mw_model_free(whole);
        mw_model_free(begun);
        mw_model_free(ended);
        for (int part = 0; part < 2; part++) mw_args_free(parts[part]);
        gbdt_fits_done(&f);
    }
    mw_dir_close(dir);
}

static void refuse_init(const mw_fit *fit, const char *says) {
    mw_err err;
    mw_model *model = NULL;
    assert_status(gbdt_try(fit, &model, &err), MW_EINVAL);
    if (!strstr(err.message, says)) fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

MW_TEST(another_kind_of_model_is_not_gone_on_from) {
    static const char *const other[] = {"bad", "fine", "ugly"};
    static const char *const less[] = {"noise"};
    mw_ctx ctx;
    mw_err err;
    gbdt_fits numbers, counts, huber, three;
    mw_features *narrow = NULL;
    mw_problem_ctx(&ctx);
    gbdt_fits_init(&numbers, &gbdt_kases[0], 7, ROWS);
    gbdt_fits_init(&huber, &gbdt_kases[2], 7, ROWS);
    gbdt_fits_init(&counts, &gbdt_kases[4], 7, ROWS);
    gbdt_fits_init(&three, &gbdt_kases[7], 7, ROWS);
    mw_model *forest =
        mw_problem_fit(&ctx, &numbers.problem, "forest", MW_TASK_REGRESSION, "n_estimators=2");
    mw_model *of_numbers = gbdt_model(&numbers.fit), *of_three = gbdt_model(&three.fit);
    mw_fit fit = numbers.fit;
    fit.init = forest;
    refuse_init(&fit, "of another learner");
    fit.init = of_three;
    refuse_init(&fit, "of another learner, task");
    assert_ok(mw_features_of_table(&ctx, numbers.problem.table, less, 1, &narrow, &err));
    fit = numbers.fit, fit.init = of_numbers, fit.features = narrow, fit.matrix.n_features--;
    refuse_init(&fit, "features");
    fit = three.fit, fit.init = of_three, fit.classes = other;
    refuse_init(&fit, "classes");
    fit = counts.fit, fit.init = of_numbers;
    refuse_init(&fit, "another objective");
    fit = huber.fit, fit.init = of_numbers; /* other gradients, the same predictions */
    mw_model_free(gbdt_model(&fit));
    fit = numbers.fit, fit.init = forest, fit.learner = "forest", fit.params = NULL;
    refuse_init(&fit, "takes no model to go on from");
    mw_features_free(narrow);
    mw_model_free(forest);
    mw_model_free(of_numbers);
    mw_model_free(of_three);
    gbdt_fits_done(&numbers);
    gbdt_fits_done(&counts);
    gbdt_fits_done(&huber);
    gbdt_fits_done(&three);
}

/* ---- weights ---- */

MW_TEST(weights_count_and_are_checked) {
    static const double bad[] = {0, -1, __builtin_nan(""), __builtin_inf()};
    for (int i = 0; i < GBDT_KASES; i++) {
        mw_err err;
        gbdt_fits f;
        double weights[ROWS];
        int32_t n;
        mw_model *model = NULL;
        gbdt_fits_init(&f, &gbdt_kases[i], 8, ROWS);
        mw_model *plain = gbdt_model(&f.fit);
        for (int row = 0; row < ROWS; row++) weights[row] = row % 2 ? 9 : 0.25;
        f.fit.weights = weights;
        mw_model *heavy = gbdt_model(&f.fit);
        double *a = gbdt_scores(plain, f.fit.matrix, MW_OUTPUT_MARGIN, 0, &n);
        double *b = gbdt_scores(heavy, f.fit.matrix, MW_OUTPUT_MARGIN, 0, &n);
        assert_memory_not_equal(a, b, (size_t)(ROWS * n) * sizeof *a);
        for (int k = 0; k < 4; k++) {
            weights[77] = bad[k];
            assert_status(gbdt_try(&f.fit, &model, &err), MW_EDATA);
            assert_non_null(strstr(err.message, "row 78 has the weight"));
        }
        mw_free(a);
        mw_free(b);
        mw_model_free(plain);
        mw_model_free(heavy);
        gbdt_fits_done(&f);
    }
}

MW_TEST(only_boosting_takes_weights_and_validation_rows) {
    static const char *const learners[] = {"forest", "linear"};
    gbdt_fits f;
    gbdt_fits_init(&f, &gbdt_kases[0], 9, ROWS);
    for (int i = 0; i < 2; i++) {
        mw_fit fit = f.fit;
        fit.learner = learners[i], fit.params = NULL, fit.weights = f.problem.y;
        refuse_init(&fit, "takes no weights");
        fit.weights = NULL, fit.valid = f.fit.matrix, fit.valid_y = f.problem.y;
        refuse_init(&fit, "takes no validation rows");
    }
    gbdt_fits_done(&f);
}

/* ---- validation rows and curves ---- */

static void refuse_rows(const mw_fit *fit, const char *says) {
    mw_err err;
    mw_model *model = NULL;
    assert_status(gbdt_try(fit, &model, &err), MW_EDATA);
    if (!strstr(err.message, says)) fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

/* Some of these rows are held back, most are not; none is called by its place in the part that it is in. */
MW_TEST(rows_keep_their_numbers_when_some_are_held_back) {
    static const gbdt_kase held = {"poisson", MW_TASK_REGRESSION, 0, " validation_fraction=0.3"};
    static const int at[] = {0, 1, 50, 51, 52, 53, 54, 55, ROWS - 1};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        gbdt_fits f;
        double weights[ROWS];
        uint32_t numbers[ROWS];
        char says[80];
        gbdt_fits_init(&f, &held, 13, ROWS);
        for (int row = 0; row < ROWS; row++) weights[row] = 1;
        for (int row = 0; row < ROWS; row++) numbers[row] = 1000 + 2 * (uint32_t)row;
        double *y = &f.problem.y[at[i]], good = *y;
        float *x = &f.problem.x[at[i] * f.fit.matrix.n_features];
        *y = 1e39;
        (void)snprintf(says, sizeof says, "the target of row %d is 1e+39", at[i]);
        refuse_rows(&f.fit, says);
        *y = -3;
        (void)snprintf(says, sizeof says, "row %d has the target -3;", at[i] + 1);
        refuse_rows(&f.fit, says);
        f.fit.numbers = numbers;
        (void)snprintf(says, sizeof says, "row %d has the target -3;", 1001 + 2 * at[i]);
        refuse_rows(&f.fit, says);
        *y = 1e39;
        (void)snprintf(says, sizeof says, "the target of row %d is 1e+39", 1000 + 2 * at[i]);
        refuse_rows(&f.fit, says);
        *y = good;
        f.fit.weights = weights;
        weights[at[i]] = -1;
        (void)snprintf(says, sizeof says, "row %d has the weight -1,", 1001 + 2 * at[i]);
        refuse_rows(&f.fit, says);
        f.fit.weights = NULL;
        *x = __builtin_inff();
        (void)snprintf(says, sizeof says, "row %d, feature 0 is infinite", at[i]);
        refuse_rows(&f.fit, says);
        gbdt_fits_done(&f);
    }
}

MW_TEST(validation_rows_are_told_from_the_others) {
    gbdt_fits f;
    uint32_t numbers[ROWS];
    double y[ROWS];
    gbdt_fits_init(&f, &gbdt_kases[4], 14, ROWS);
    for (int row = 0; row < ROWS; row++) numbers[row] = 1000 + (uint32_t)row;
    memcpy(y, f.fit.y, sizeof y);
    y[20] = -3;
    f.fit.valid = f.fit.matrix;
    f.fit.valid_y = y;
    refuse_rows(&f.fit, "validation rows: row 21 has the target -3;");
    f.fit.valid_numbers = numbers;
    refuse_rows(&f.fit, "validation rows: row 1021 has the target -3;");
    gbdt_fits_done(&f);
}

/* A list of the curves: `n` finite numbers. */
static const mw_json *list_of(const mw_json *curves, const char *part, const char *name,
                              int64_t n) {
    const mw_json *list = mw_json_get(mw_json_get(curves, part), name);
    assert_non_null(list);
    for (int64_t i = 0; i < n; i++)
        assert_true(mw_isfinite(mw_json_number(mw_json_at(list, (uint32_t)i), MW_NAN)));
    assert_null(mw_json_at(list, (uint32_t)n));
    return list;
}

static const mw_json *curves_of(const mw_model *model, mw_arena *arena) {
    mw_err err;
    const mw_json *json;
    const char *text = mw_model_curves(model);
    assert_non_null(text);
    assert_ok(mw_json_parse(arena, text, strlen(text), &json, &err));
    return json;
}

/* Validation rows that are the training rows have the same losses, and the loss falls. */
MW_TEST(curves_have_a_loss_for_each_round) {
    static const char *const names[] = {
        "rmse",          "mae",           "huber",          "pinball",
        "poisson",       "tweedie",       "binary_logloss", "multi_logloss",
        "multi_logloss", "multi_logloss", "binary_logloss", "rmse"};
    for (int i = 0; i < GBDT_KASES; i++) {
        gbdt_fits f;
        mw_arena arena;
        mw_arena_init(&arena, NULL);
        gbdt_fits_init(&f, &gbdt_kases[i], 10, ROWS);
        mw_model *alone = gbdt_model(&f.fit);
        assert_null(mw_json_get(curves_of(alone, &arena), "validation"));
        f.fit.valid = f.fit.matrix;
        f.fit.valid_y = f.fit.y;
        mw_model *model = gbdt_model(&f.fit);
        gbdt_assert_same(alone, model, f.fit.matrix, MW_OUTPUT_PREDICTION); /* it only looks on */
        const mw_json *curves = curves_of(model, &arena);
        assert_true(mw_str_is(mw_json_string(mw_json_get(curves, "loss"), ""), names[i]));
        assert_int_equal(mw_json_int(mw_json_get(curves, "rounds"), 0), GBDT_ROUNDS);
        const mw_json *a = list_of(curves, "train", "loss", GBDT_ROUNDS);
        const mw_json *b = list_of(curves, "validation", "loss", GBDT_ROUNDS);
        for (uint32_t r = 0; r < GBDT_ROUNDS; r++)
            assert_true(mw_json_number(mw_json_at(a, r), 0) == mw_json_number(mw_json_at(b, r), 1));
        assert_true(mw_json_number(mw_json_at(a, GBDT_ROUNDS - 1), 0) <
                    mw_json_number(mw_json_at(a, 0), 0));
        if (gbdt_kases[i].n_classes)
            list_of(curves, "validation", "accuracy", GBDT_ROUNDS);
        else
            assert_null(mw_json_get(mw_json_get(curves, "train"), "accuracy"));
        mw_arena_done(&arena);
        mw_model_free(alone);
        mw_model_free(model);
        gbdt_fits_done(&f);
    }
}

MW_TEST(early_stopping_keeps_the_best_rounds) {
    static const gbdt_kase stops = {"multiclass", MW_TASK_MULTICLASS, 3,
                                    " learning_rate=0.9 early_stopping_rounds=2 "
                                    "validation_fraction=0.25"};
    gbdt_fits f;
    mw_arena arena;
    int32_t n;
    mw_arena_init(&arena, NULL);
    gbdt_fits_init(&f, &stops, 11, 300);
    mw_model *model = gbdt_model(&f.fit), *same = gbdt_model(&f.fit);
    gbdt_assert_same(model, same, f.fit.matrix, MW_OUTPUT_PREDICTION);
    const mw_json *curves = curves_of(model, &arena);
    const int64_t rounds = mw_json_int(mw_json_get(curves, "rounds"), 0);
    const int64_t best = mw_json_int(mw_json_get(curves, "best_round"), 0);
    assert_true(best >= 1 && rounds == best + 2 && rounds < GBDT_ROUNDS);
    list_of(curves, "train", "loss", rounds);
    const mw_json *loss = list_of(curves, "validation", "loss", rounds);
    for (int64_t r = 0; r < rounds; r++)
        assert_true(mw_json_number(mw_json_at(loss, (uint32_t)r), 0) >=
                    mw_json_number(mw_json_at(loss, (uint32_t)(best - 1)), 0));
    mw_free(gbdt_scores(model, f.fit.matrix, MW_OUTPUT_LEAVES, 0, &n));
    assert_int_equal(n, 3 * best);
    mw_arena_done(&arena);
    mw_model_free(model);
    mw_model_free(same);
    gbdt_fits_done(&f);
}

/* ---- memory ---- */

MW_TEST(running_out_of_memory_is_clean) {
    static const gbdt_kase few[] = {
        {"binary", MW_TASK_BINARY, 2, ""},
        {"multiclass", MW_TASK_MULTICLASS, 3, " validation_fraction=0.3 class_weight=balanced"},
        {"quantile", MW_TASK_REGRESSION, 0, " monotone_constraints=heat:1"},
    };
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        mw_ctx ctx;
        gbdt_fits f;
        mw_problem_ctx(&ctx);
        gbdt_fits_init(&f, &few[i], 12, 60);
        mw_args_free(f.args);
        f.fit.params = f.args = gbdt_args(&few[i], 2);
        mw_dir *dir = mw_problem_dir("model");
        mw_model *begun = i == 0 ? gbdt_model(&f.fit) : NULL;
        f.fit.init = begun;
        const size_t used = mw_mem_used(&mw_mem_process);
        bool done = false;
        for (uint64_t n = 1; !done; n++) {
            mw_err err;
            mw_model *model = NULL, *again = NULL;
            double out[180];
            assert_true(n < 2000);
            mw_alloc_fail_at(n);
            mw_status status = mw_model_fit(&ctx, &f.fit, &model, &err);
            if (!status) status = mw_model_save(&ctx, model, dir, MW_STR(""), f.fit.matrix, &err);
            if (!status) status = mw_model_load(&ctx, dir, &again, &err);
            if (!status) status = mw_model_score(&ctx, again, f.fit.matrix, out, &err);
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
        mw_model_free(begun);
        gbdt_fits_done(&f);
    }
}

MW_TEST_MAIN(MW_RUN(a_loaded_model_says_the_same), MW_RUN(every_objective_finds_what_matters),
             MW_RUN(margins_are_the_plain_walk_and_make_predictions),
             MW_RUN(leaves_are_those_of_the_plain_walk), MW_RUN(the_first_rounds_are_a_shorter_fit),
             MW_RUN(rows_of_another_width_are_refused),
             MW_RUN(other_learners_say_what_they_do_not_have),
             MW_RUN(a_saved_model_goes_on_as_if_never_stopped),
             MW_RUN(another_kind_of_model_is_not_gone_on_from),
             MW_RUN(weights_count_and_are_checked),
             MW_RUN(only_boosting_takes_weights_and_validation_rows),
             MW_RUN(rows_keep_their_numbers_when_some_are_held_back),
             MW_RUN(validation_rows_are_told_from_the_others),
             MW_RUN(curves_have_a_loss_for_each_round),
             MW_RUN(early_stopping_keeps_the_best_rounds), MW_RUN(running_out_of_memory_is_clean))
