/* plant_params.c -- the main job's parameters, and what it makes of them. */
#include "learn/model/plant_parts.h"

#include <string.h>

#include "core/base/math.h"
#include "core/param/nearest.h"
#include "core/text/number.h"

const mw_param mw_plant_params[] = {
    {"target", MW_PARAM_STRING, NULL, 1, 256, .flags = MW_PARAM_BODY,
     .help = "Parameter to forecast one interval ahead. Unset: the first one that changes."},
    {"interval", MW_PARAM_DURATION, "5min", 1e6, 3660.0 * 86400e6, .flags = MW_PARAM_BODY,
     .unit = "us", .env = "AGG_INTERVAL",
     .help = "Shortest window; the median spacing of the data is used when it is longer."},
    {"test_share", MW_PARAM_FLOAT, "0.2", 0.05, 0.5, .flags = MW_PARAM_BODY,
     .help = "Last share of the time range, kept from training to measure the models on."},
    {"lags", MW_PARAM_INT, "6", 0, 1000, .flags = MW_PARAM_BODY, .unit = "intervals",
     .help = "How many of the target's earlier values are features."},
    {"alpha", MW_PARAM_FLOAT, "1", 0, 1e12, .flags = MW_PARAM_BODY,
     .help = "L2 penalty of the baseline."},
    {"n_estimators", MW_PARAM_INT, "100", 1, 10000, .flags = MW_PARAM_BODY, .unit = "trees",
     .help = "Trees of the regression forest and of the isolation forest."},
    {"max_depth", MW_PARAM_INT, "0", 0, 1000, .flags = MW_PARAM_BODY, .unit = "levels",
     .help = "Deepest level of the regression forest's trees; 0: unlimited."},
    {"min_samples_leaf", MW_PARAM_INT, NULL, 1, 1e9, .flags = MW_PARAM_BODY, .unit = "rows",
     .help = "Fewest rows of a leaf of the regression forest. Unset: 5, 20 or 50, whichever "
             "forecasts the last part of the training rows best."},
    {"max_samples", MW_PARAM_INT, "256", 2, 1e6, .flags = MW_PARAM_BODY, .unit = "rows",
     .help = "Windows each isolation tree is grown on."},
    {"contamination", MW_PARAM_FLOAT, "0.01", 0, 0.5, .flags = MW_PARAM_BODY,
     .help = "Share of all windows that is flagged as an anomaly."},
    {"ndim", MW_PARAM_INT, "1", 1, 1000, .flags = MW_PARAM_BODY, .unit = "features",
     .help =
         "Columns that a split of the isolation forest combines; 2 or more make the extended one."},
    {"seed", MW_PARAM_INT, "42", 0, 9007199254740991.0, .flags = MW_PARAM_BODY,
     .help = "Seed of the random draws; the same seed gives the same models.",
     .aliases = "random_state"},
    {0},
};

static const mw_param *find(const mw_param *table, const char *name) {
    for (const mw_param *row = table; row->name; row++)
        if (strcmp(row->name, name) == 0) return row;
    return NULL;
}

/* The value of one of the plant's parameters as text; nothing when it is unset. */
static void add_value(const mw_args *args, const char *name, mw_buf *text) {
    const mw_param *row = find(mw_plant_params, name);
    if (!row || !mw_args_has(args, name)) return;
    if (row->type == MW_PARAM_INT)
        mw_buf_add_int(text, mw_args_int(args, name));
    else
        mw_buf_add_number(text, mw_args_float(args, name));
}

mw_status mw_plant__learner_args(const mw_plant *plant, const char *learner,
                                 const mw_setting *settings, mw_args **ret, mw_err *err) {
    const mw_param *table = mw_model_params(learner);
    mw_buf text;
    mw_args *args = NULL;
    mw_buf_init(&text, plant->ctx->mem, 64);
    mw_status status = mw_args_new(plant->ctx->mem, table, &args, err);
    for (const mw_param *row = table; !status && row->name; row++) {
        mw_buf_clear(&text);
        const mw_setting *setting = settings;
        while (setting && setting->name && strcmp(setting->name, row->name) != 0) setting++;
        if (setting && setting->name)
            mw_buf_add_int(&text, setting->value);
        else
            add_value(plant->plan.args, row->name, &text);
        status = mw_buf_status(&text, "the parameters", err);
        if (!status && text.size > 0)
            status = mw_args_set(args, mw_str_of(row->name), mw_buf_str(&text), err);
    }
    if (!status) status = mw_args_finish(args, err);
    mw_buf_done(&text);
    if (status) {
        mw_args_free(args);
        return status;
    }
    *ret = args;
    return MW_OK;
}

/* ---- the target ---- */

static mw_status unknown_target(const mw_windows *w, const char *name, mw_err *err) {
    mw_nearest nearest = {0};
    for (int32_t i = 0; i < w->n_parameters; i++)
        mw_nearest_look(&nearest, mw_str_of(name), w->parameters[i]);
    mw_fail(err, MW_ENOTFOUND, "the dataset has no parameter '%s'", name);
    if (nearest.word)
        mw_err_hint(err, "did you mean '%s'?", nearest.word);
    else
        mw_err_hint(err, "the first of its %d parameters is '%s'; the summary lists all",
                    w->n_parameters, w->n_parameters ? w->parameters[0] : "");
    mw_err_at(err, "target");
    return MW_ENOTFOUND;
}

static mw_status check_count(const mw_windows *w, mw_err *err) {
    if (w->n >= MW_LAGGED_TRAIN_MIN) return MW_OK;
    mw_fail(err, MW_EDATA, "too little data: %lld window%s of %d device%s; at least %d are needed",
            (long long)w->n, w->n == 1 ? "" : "s", w->n_devices, w->n_devices == 1 ? "" : "s",
            MW_LAGGED_TRAIN_MIN);
    return mw_err_hint(err, "bring more rows or a shorter interval");
}

mw_status mw_plant__choose_target(mw_plant *plant, mw_err *err) {
    const mw_windows *w = plant->windows;
    mw_status status = check_count(w, err);
    if (status) return status;
    const char *name = mw_args_string(plant->plan.args, "target");
    plant->plan.target_given = name != NULL;
    if (name) {
        int32_t found = mw_windows_parameter(w, name);
        if (found < 0) return unknown_target(w, name, err);
        plant->plan.target = found;
        if (w->varies[found]) return MW_OK;
        mw_fail(err, MW_EDATA, "target '%s' never changes in %lld windows: nothing to forecast",
                name, (long long)w->n);
        mw_err_at(err, "target");
        return MW_EDATA;
    }
    for (int32_t i = 0; i < w->n_parameters; i++) {
        if (!w->varies[i]) continue;
        plant->plan.target = i;
        return MW_OK;
    }
    mw_fail(err, MW_EDATA,
            "none of the %d parameters changes in the %lld windows of %d device%s; the models need "
            "at least two different values of one",
            w->n_parameters, (long long)w->n, w->n_devices, w->n_devices == 1 ? "" : "s");
    return MW_EDATA;
}
