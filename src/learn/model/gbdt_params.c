/*
 * gbdt_params.c -- the table of boosting's parameters, and those that name features or classes.
 */
#include "learn/model/gbdt_params.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/text/number.h"
#include "learn/model/learner.h"

static const char *const objectives[] = {"regression", "regression_l1", "huber",
                                         "quantile",   "poisson",       "tweedie",
                                         "binary",     "multiclass",    NULL};
static const char *const objective_aliases[][2] = {{"l2", "regression"},
                                                   {"mse", "regression"},
                                                   {"mean_squared_error", "regression"},
                                                   {"regression_l2", "regression"},
                                                   {"squared_error", "regression"},
                                                   {"reg:squarederror", "regression"},
                                                   {"l1", "regression_l1"},
                                                   {"mae", "regression_l1"},
                                                   {"mean_absolute_error", "regression_l1"},
                                                   {"absolute_error", "regression_l1"},
                                                   {"reg:absoluteerror", "regression_l1"},
                                                   {"reg:quantileerror", "quantile"},
                                                   {"count:poisson", "poisson"},
                                                   {"reg:tweedie", "tweedie"},
                                                   {"binary:logistic", "binary"},
                                                   {"softmax", "multiclass"},
                                                   {"multi:softprob", "multiclass"},
                                                   {"multi:softmax", "multiclass"},
                                                   {NULL}};
static const char *const boostings[] = {"gbdt", "goss", "dart", NULL};
static const char *const boosting_aliases[][2] = {{"gbtree", "gbdt"}, {"gbrt", "gbdt"}, {NULL}};
static const char *const policies[] = {"leaf_wise", "depth_wise", NULL};
static const char *const policy_aliases[][2] = {
    {"lossguide", "leaf_wise"}, {"depthwise", "depth_wise"}, {NULL}};

const mw_param mw_gbdt_params[] = {
    {"objective", MW_PARAM_ENUM, .choices = objectives, .choice_aliases = objective_aliases,
     .help = "What is made small. Unset: regression for values, binary or multiclass for classes.",
     .aliases = "objective_type app application loss"},
    {"boosting", MW_PARAM_ENUM, "gbdt", .choices = boostings, .choice_aliases = boosting_aliases,
     .help = "gbdt; goss: all rows of large gradients and some of the others; dart: trees are left "
             "out at random while the next one is grown.",
     .aliases = "boosting_type boost booster"},
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, .unit = "rounds",
     .help = "Rounds of boosting: trees, or trees of each class.",
     .aliases = "num_iterations num_iteration n_iter num_tree num_trees num_round num_rounds "
                "nrounds num_boost_round max_iter"},
    {"learning_rate", MW_PARAM_FLOAT, "0.1", 1e-6, 10,
     .help = "What each tree's leaves are multiplied by.", .aliases = "eta shrinkage_rate"},
    {"num_leaves", MW_PARAM_INT, "31", 2, 131072, .unit = "leaves",
     .help = "Most leaves of a tree.", .aliases = "num_leaf max_leaves max_leaf max_leaf_nodes"},
    {"max_depth", MW_PARAM_INT, "-1", -1, 1000, .unit = "levels",
     .help = "Deepest level of a tree; 0 or -1: unlimited."},
    {"grow_policy", MW_PARAM_ENUM, "leaf_wise", .choices = policies,
     .choice_aliases = policy_aliases,
     .help = "Which leaf is split next: that of the greatest gain, or all of a level first."},
    {"min_data_in_leaf", MW_PARAM_INT, "20", 0, 1e9, .unit = "rows",
     .help = "Fewest rows of a leaf.",
     .aliases = "min_data_per_leaf min_data min_child_samples min_samples_leaf"},
    {"min_sum_hessian_in_leaf", MW_PARAM_FLOAT, "0.001", 0, 1e300,
     .help = "Least sum of second derivatives in a leaf.",
     .aliases = "min_sum_hessian_per_leaf min_sum_hessian min_hessian min_child_weight"},
    {"lambda_l1", MW_PARAM_FLOAT, "0", 0, 1e300, .help = "L1 penalty of the leaves.",
     .aliases = "reg_alpha l1_regularization"},
    {"lambda_l2", MW_PARAM_FLOAT, "0", 0, 1e300, .help = "L2 penalty of the leaves.",
     .aliases = "reg_lambda lambda l2_regularization"},
    {"min_gain_to_split", MW_PARAM_FLOAT, "0", 0, 1e300, .help = "Least gain of a split.",
     .aliases = "min_split_gain gamma min_split_loss"},
    {"max_delta_step", MW_PARAM_FLOAT, "0", 0, 1e300,
     .help = "Largest output of a leaf before the learning rate; 0: any.",
     .aliases = "max_tree_output max_leaf_output"},
    {"bagging_fraction", MW_PARAM_FLOAT, "1", 1e-6, 1,
     .help = "Share of the rows that trees are grown on.", .aliases = "subsample sub_row bagging"},
    {"bagging_freq", MW_PARAM_INT, NULL, 0, 10000, .unit = "rounds",
     .help = "Rounds until rows are drawn anew; 0: all rows always. Unset: 1.",
     .aliases = "subsample_freq"},
    {"feature_fraction", MW_PARAM_FLOAT, "1", 1e-6, 1,
     .help = "Share of the features that a tree may use.",
     .aliases = "colsample_bytree sub_feature"},
    {"feature_fraction_bylevel", MW_PARAM_FLOAT, "1", 1e-6, 1,
     .help = "Share of those that a level may use.", .aliases = "colsample_bylevel"},
    {"feature_fraction_bynode", MW_PARAM_FLOAT, "1", 1e-6, 1,
     .help = "Share of those that a node may use.",
     .aliases = "colsample_bynode sub_feature_bynode"},
    {"extra_trees", MW_PARAM_BOOL, "false",
     .help = "Try one random threshold of a feature at a node.", .aliases = "extra_tree"},
    {"top_rate", MW_PARAM_FLOAT, "0.2", 1e-6, 1, .help = "goss: share of rows of large gradients."},
    {"other_rate", MW_PARAM_FLOAT, "0.1", 1e-6, 1, .help = "goss: share of the other rows."},
    {"drop_rate", MW_PARAM_FLOAT, "0.1", 0, 1, .help = "dart: share of trees that are left out.",
     .aliases = "rate_drop"},
    {"skip_drop", MW_PARAM_FLOAT, "0.5", 0, 1,
     .help = "dart: share of rounds that leave out none."},
    {"max_drop", MW_PARAM_INT, "50", 0, 10000, .unit = "rounds",
     .help = "dart: most rounds left out at once; 0: any number."},
    {"uniform_drop", MW_PARAM_BOOL, "false",
     .help = "dart: all rounds alike, not the more the more they weigh."},
    {"xgboost_dart_mode", MW_PARAM_BOOL, "false", .help = "dart: weights as XGBoost has them."},
    {"max_bin", MW_PARAM_INT, "255", 2, 255, .unit = "bins",
     .help = "Most bins of a feature's values.", .aliases = "max_bins"},
    {"min_data_in_bin", MW_PARAM_INT, "3", 1, 1e9, .unit = "rows", .help = "Fewest rows of a bin."},
    {"bin_construct_sample_cnt", MW_PARAM_INT, "200000", 100, 4e9, .unit = "rows",
     .help = "Rows that bins are found on.", .aliases = "subsample_for_bin"},
    {"max_cat_to_onehot", MW_PARAM_INT, "4", 1, 255, .unit = "categories",
     .help = "Up to as many categories, each is split off by itself."},
    {"max_cat_threshold", MW_PARAM_INT, "32", 1, 255, .unit = "categories",
     .help = "Most categories on the smaller side of a split."},
    {"cat_l2", MW_PARAM_FLOAT, "10", 0, 1e300,
     .help = "L2 penalty of splits by categories, added."},
    {"cat_smooth", MW_PARAM_FLOAT, "10", 0, 1e300,
     .help = "Rows that a category needs to be weighed by itself."},
    {"min_data_per_group", MW_PARAM_INT, "100", 1, 1e9, .unit = "rows",
     .help = "Fewest rows of the categories of a split."},
    {"monotone_constraints", MW_PARAM_LIST,
     .help = "Features along which predictions must rise (1) or fall (-1): load:1,speed:-1, or a "
             "number for each feature.",
     .aliases = "mc monotone_constraint monotonic_cst"},
    {"interaction_constraints", MW_PARAM_STRING, .min = 2, .max = 4096,
     .help = "Groups of features that may meet on a way from root to leaf, as JSON: "
             "[[\"load\",\"speed\"],[\"wear\"]]. Features in no group are one more.",
     .aliases = "interaction_cst"},
    {"alpha", MW_PARAM_FLOAT, "0.9", 1e-12, 1e300,
     .help = "huber: the error from which it grows linearly; quantile: the share of rows below, "
             "less than 1.",
     .aliases = "quantile_alpha huber_slope quantile"},
    {"tweedie_variance_power", MW_PARAM_FLOAT, "1.5", 1.001, 1.999,
     .help = "tweedie: between 1 (Poisson) and 2 (gamma)."},
    {"poisson_max_delta_step", MW_PARAM_FLOAT, "0.7", 0, 100,
     .help = "poisson: added to the score in the second derivative."},
    {"scale_pos_weight", MW_PARAM_FLOAT, "1", 1e-12, 1e12,
     .help = "binary: weight of the second class."},
    {"is_unbalance", MW_PARAM_BOOL, "false",
     .help = "binary: both classes weigh the same on the whole.",
     .aliases = "unbalance unbalanced_sets"},
    {"class_weight", MW_PARAM_LIST,
     .help = "balanced, or weights of classes: failed:10,fine:1; others weigh 1."},
    {"boost_from_average", MW_PARAM_BOOL, "true", .help = "Start from the best constant, not 0."},
    {"early_stopping_rounds", MW_PARAM_INT, "0", 0, 10000, .unit = "rounds",
     .help = "Stop when the validation rows' loss did not fall for so long; 0: never.",
     .aliases = "early_stopping_round early_stopping n_iter_no_change"},
    {"early_stopping_min_delta", MW_PARAM_FLOAT, "0", 0, 1e300,
     .help = "A fall of the loss that counts is larger than this."},
    {"validation_fraction", MW_PARAM_FLOAT, "0", 0, 0.9,
     .help = "Share of the rows, drawn at random, that are kept for validation."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, .help = "Seed of the random draws.",
     .aliases = "random_state random_seed"},
    {0},
};

static mw_status bad_value(const char *name, const char *value, const char *why, mw_err *err) {
    mw_fail(err, MW_EINVAL, "%s: \"%.100s\" %s", name, value, why);
    return mw_err_at(err, "%s", name);
}

/* "NAME:NUMBER", split at the last colon. */
static bool split_pair(const char *text, mw_str *name, double *number) {
    const char *colon = strrchr(text, ':');
    if (!colon) return false;
    *name = (mw_str){text, (size_t)(colon - text)};
    return mw_number_read(colon + 1, strlen(colon + 1), number);
}

/* ---- features ---- */

static mw_status read_sign(const char *text, double number, int8_t *ret, mw_err *err) {
    if (number != 0 && number != 1 && number != -1)
        return bad_value("monotone_constraints", text, "is none of -1, 0 and 1", err);
    *ret = (int8_t)number;
    return MW_OK;
}

static mw_status read_monotone(const mw_ctx *ctx, const mw_fit *fit, mw_gbdt_wishes *w,
                               mw_err *err) {
    const char *const *items;
    const size_t n = mw_args_list(fit->params, "monotone_constraints", &items);
    const size_t n_features = (size_t)fit->matrix.n_features;
    if (n == 0) return MW_OK;
    w->monotone = mw_calloc(ctx->mem, n_features, sizeof *w->monotone);
    if (!w->monotone) return mw_fail_nomem(err, "the constraints");
    for (size_t i = 0; i < n; i++) {
        mw_str name;
        double number;
        int32_t feature = (int32_t)i;
        if (split_pair(items[i], &name, &number)) {
            feature = mw_features__find(fit->features, name);
            if (feature < 0)
                return bad_value("monotone_constraints", items[i], "names no feature", err);
        } else if (n != n_features || !mw_number_read(items[i], strlen(items[i]), &number)) {
            return bad_value("monotone_constraints", items[i],
                             "is not NAME:NUMBER, nor one of a number for each feature", err);
        }
        if (w->by_code[feature] && number != 0)
            return bad_value("monotone_constraints", items[i], "is a category, which has no order",
                             err);
        mw_status status = read_sign(items[i], number, &w->monotone[feature], err);
        if (status) return status;
    }
    return MW_OK;
}

static int32_t feature_of(const mw_fit *fit, const mw_json *item) {
    if (item->kind == MW_JSON_STRING)
        return mw_features__find(fit->features, mw_json_string(item, ""));
    const double number = mw_json_number(item, -1);
    const bool there = number >= 0 && number < fit->matrix.n_features && number == mw_floor(number);
    return there ? (int32_t)number : -1;
}

static mw_status read_groups(const mw_ctx *ctx, const mw_fit *fit, mw_gbdt_wishes *w, mw_err *err) {
    enum { MOST = 63, OTHERS = 63 };
    const char *name = "interaction_constraints", *text = mw_args_string(fit->params, name);
    if (!text) return MW_OK;
    w->groups = mw_calloc(ctx->mem, (size_t)fit->matrix.n_features, sizeof *w->groups);
    if (!w->groups) return mw_fail_nomem(err, "the constraints");
    mw_arena arena;
    const mw_json *json;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_json_parse(&arena, text, strlen(text), &json, err);
    int group = 0;
    if (status || json->kind != MW_JSON_ARRAY)
        status = bad_value(name, text, "is no JSON list of lists", err);
    for (const mw_json *list = status ? NULL : json->first; list && !status; list = list->next) {
        if (list->kind != MW_JSON_ARRAY || group == MOST)
            status = bad_value(
                name, text, group == MOST ? "has more than 63 groups" : "is no JSON list of lists",
                err);
        for (const mw_json *item = status ? NULL : list->first; item; item = item->next) {
            const int32_t feature = feature_of(fit, item);
            if (feature >= 0) w->groups[feature] |= UINT64_C(1) << group;
            if (feature < 0)
                status = bad_value(name, text, "names a feature that is not there", err);
        }
        group++;
    }
    for (int32_t i = 0; i < fit->matrix.n_features; i++)
        if (w->groups[i] == 0) w->groups[i] = UINT64_C(1) << OTHERS;
    mw_arena_done(&arena);
    return status;
}

/* ---- classes ---- */

static mw_status read_class_weights(const mw_fit *fit, mw_gbdt_wishes *w, mw_err *err) {
    const char *const *items;
    const size_t n = mw_args_list(fit->params, "class_weight", &items);
    for (size_t i = 0; i < n; i++) {
        mw_str name;
        double weight;
        int32_t k = fit->n_classes - 1;
        if (n == 1 && strcmp(items[i], "balanced") == 0) continue;
        if (!split_pair(items[i], &name, &weight) || !(weight > 0 && mw_isfinite(weight)))
            return bad_value("class_weight", items[i], "is not CLASS:WEIGHT above 0", err);
        while (k >= 0 && !mw_str_is(name, fit->classes[k])) k--;
        if (k < 0) return bad_value("class_weight", items[i], "names no class", err);
        w->class_weights[k] = weight;
    }
    return MW_OK;
}

/* Each class weighs n / (classes * rows of it); scikit-learn's "balanced". */
static void balance(const mw_fit *fit, double *class_weights) {
    for (int32_t k = 0; k < fit->n_classes; k++) {
        double n = 0;
        for (int64_t row = 0; row < fit->matrix.n_rows; row++) n += fit->y[row] == k;
        class_weights[k] = n > 0 ? (double)fit->matrix.n_rows / (fit->n_classes * n) : 1;
    }
}

static mw_status weigh_classes(const mw_ctx *ctx, const mw_fit *fit, mw_gbdt_wishes *w,
                               mw_err *err) {
    const char *const *items;
    const double positive = mw_args_float(fit->params, "scale_pos_weight");
    const bool unbalanced = mw_args_bool(fit->params, "is_unbalance");
    const size_t n = mw_args_list(fit->params, "class_weight", &items);
    const int asked = (positive != 1) + unbalanced + (n > 0);
    if (asked == 0) return MW_OK;
    if (asked > 1 || fit->n_classes == 0 || (n == 0 && fit->n_classes != 2)) {
        const char *name = n > 0        ? "class_weight"
                           : unbalanced ? "is_unbalance"
                                        : "scale_pos_weight";
        mw_fail(err, MW_EINVAL, "%s %s", name,
                asked > 1             ? "and another weight of classes are given"
                : fit->n_classes == 0 ? "is for classes, and the target is a number"
                                      : "is for two classes; class_weight is for more");
        return mw_err_at(err, "%s", name);
    }
    w->class_weights = mw_alloc_array(ctx->mem, (size_t)fit->n_classes, sizeof *w->class_weights);
    if (!w->class_weights) return mw_fail_nomem(err, "the weights of classes");
    for (int32_t k = 0; k < fit->n_classes; k++) w->class_weights[k] = 1;
    if (positive != 1) w->class_weights[1] = positive;
    if (unbalanced || (n == 1 && strcmp(items[0], "balanced") == 0)) balance(fit, w->class_weights);
    return read_class_weights(fit, w, err);
}

/* ---- the plain ones ---- */

static int32_t index_of(const char *const *choices, const char *text) {
    int32_t i = 0;
    while (choices[i + 1] && strcmp(choices[i], text) != 0) i++;
    return i;
}

static mw_status read_objective(const mw_fit *fit, mw_objective *o, mw_err *err) {
    const char *text = mw_args_string(fit->params, "objective");
    if (!text)
        text = fit->task == MW_TASK_REGRESSION ? "regression"
               : fit->task == MW_TASK_BINARY   ? "binary"
                                               : "multiclass";
    o->kind = (mw_objective_kind)index_of(objectives, text);
    const bool classes = mw_objective_classes(o->kind);
    if (classes != (fit->n_classes > 0) ||
        (o->kind == MW_OBJECTIVE_LOGISTIC && fit->n_classes != 2)) {
        bad_value("objective", text,
                  classes ? "is for another number of classes" : "is for numbers", err);
        return mw_err_hint(err, "without it the target decides; --task says what the target is");
    }
    if (o->kind == MW_OBJECTIVE_SOFTMAX) o->n_outputs = fit->n_classes;
    o->alpha = mw_args_float(fit->params, "alpha");
    o->power = mw_args_float(fit->params, "tweedie_variance_power");
    o->max_delta_step = mw_args_float(fit->params, "poisson_max_delta_step");
    if (o->kind == MW_OBJECTIVE_QUANTILE && !(o->alpha < 1))
        return bad_value("alpha", "1 or more", "is no quantile", err);
    return MW_OK;
}

/* Which choice a text is; one of them it is. */
static void read_growth(const mw_args *p, mw_gbdt_options *o) {
    mw_split_options *split = &o->grow.split;
    o->grow.num_leaves = (int32_t)mw_args_int(p, "num_leaves");
    o->grow.max_depth = (int32_t)mw_args_int(p, "max_depth");
    if (o->grow.max_depth < 0) o->grow.max_depth = 0;
    o->grow.depth_wise = index_of(policies, mw_args_string(p, "grow_policy")) == 1;
    o->grow.extra_trees = mw_args_bool(p, "extra_trees");
    split->min_data_in_leaf = mw_args_int(p, "min_data_in_leaf");
    split->min_sum_hessian_in_leaf = mw_args_float(p, "min_sum_hessian_in_leaf");
    split->lambda_l1 = mw_args_float(p, "lambda_l1");
    split->lambda_l2 = mw_args_float(p, "lambda_l2");
    split->min_gain_to_split = mw_args_float(p, "min_gain_to_split");
    split->max_delta_step = mw_args_float(p, "max_delta_step");
    split->max_cat_to_onehot = (int32_t)mw_args_int(p, "max_cat_to_onehot");
    split->max_cat_threshold = (int32_t)mw_args_int(p, "max_cat_threshold");
    split->cat_l2 = mw_args_float(p, "cat_l2");
    split->cat_smooth = mw_args_float(p, "cat_smooth");
    split->min_data_per_group = mw_args_int(p, "min_data_per_group");
}

static void read_plain(const mw_args *p, mw_gbdt_options *o) {
    o->boosting = (mw_boosting)index_of(boostings, mw_args_string(p, "boosting"));
    o->n_estimators = (int32_t)mw_args_int(p, "n_estimators");
    o->learning_rate = mw_args_float(p, "learning_rate");
    o->bagging_fraction = mw_args_float(p, "bagging_fraction");
    o->bagging_freq = mw_args_has(p, "bagging_freq") ? (int32_t)mw_args_int(p, "bagging_freq") : 1;
    o->feature_fraction = mw_args_float(p, "feature_fraction");
    o->feature_fraction_bylevel = mw_args_float(p, "feature_fraction_bylevel");
    o->feature_fraction_bynode = mw_args_float(p, "feature_fraction_bynode");
    o->top_rate = mw_args_float(p, "top_rate");
    o->other_rate = mw_args_float(p, "other_rate");
    o->drop_rate = mw_args_float(p, "drop_rate");
    o->skip_drop = mw_args_float(p, "skip_drop");
    o->max_drop = (int32_t)mw_args_int(p, "max_drop");
    o->uniform_drop = mw_args_bool(p, "uniform_drop");
    o->xgboost_dart_mode = mw_args_bool(p, "xgboost_dart_mode");
    o->bins.max_bin = (int32_t)mw_args_int(p, "max_bin");
    o->bins.min_data_in_bin = (int32_t)mw_args_int(p, "min_data_in_bin");
    o->bins.sample_rows = mw_args_int(p, "bin_construct_sample_cnt");
    o->boost_from_average = mw_args_bool(p, "boost_from_average");
    o->early_stopping_rounds = (int32_t)mw_args_int(p, "early_stopping_rounds");
    o->early_stopping_min_delta = mw_args_float(p, "early_stopping_min_delta");
}

mw_status mw_gbdt_wishes_read(const mw_ctx *ctx, const mw_fit *fit, mw_gbdt_wishes *w,
                              mw_err *err) {
    *w = (mw_gbdt_wishes){0};
    mw_gbdt_defaults(&w->options);
    read_plain(fit->params, &w->options);
    read_growth(fit->params, &w->options);
    mw_status status = mw_features__by_code(ctx->mem, fit->features, &w->by_code, err);
    if (!status) status = read_objective(fit, &w->options.objective, err);
    if (!status) status = read_monotone(ctx, fit, w, err);
    if (!status) status = read_groups(ctx, fit, w, err);
    if (!status) status = weigh_classes(ctx, fit, w, err);
    w->options.bins.by_code = w->by_code;
    w->options.grow.monotone = w->monotone;
    w->options.grow.groups = w->groups;
    return status;
}

void mw_gbdt_wishes_done(mw_gbdt_wishes *w) {
    mw_free(w->by_code);
    mw_free(w->monotone);
    mw_free(w->groups);
    mw_free(w->class_weights);
}
