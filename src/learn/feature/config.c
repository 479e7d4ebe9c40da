/*
 * config.c -- keys of a configuration become features: what is listed by hand, named sets, and what columns get by themselves.
 */
#include "learn/feature/config.h"

#include <float.h>
#include <string.h>

#include "core/base/limits.h"
#include "learn/feature/config_parts.h"

const mw_param mw_feature_config_params[] = {{.name = "organizationId",
                                              .type = MW_PARAM_STRING,
                                              .min = 1,
                                              .max = 64,
                                              .help = "Whose configuration this is."},
                                             {.name = "schemaConfig",
                                              .type = MW_PARAM_JSON,
                                              .flags = MW_PARAM_REQUIRED,
                                              .help = "The columns, and what is made of them."},
                                             {0}};

const mw_param mw_feature_schema_params[] = {
    {.name = "continuousColumns",
     .type = MW_PARAM_LIST,
     .min = 1,
     .max = 20000,
     .flags = MW_PARAM_REQUIRED,
     .help = "Columns of numbers."},
    {.name = "booleanColumns", .type = MW_PARAM_LIST, .help = "Columns of true or false: 1 and 0."},
    {.name = "categoricalColumns",
     .type = MW_PARAM_LIST,
     .help = "Columns of texts, which a model takes as they are: product, shift, the device."},
    {.name = "lagSeconds",
     .type = MW_PARAM_LIST,
     .flags = MW_PARAM_NUMBERS,
     .help = "How many seconds to look back for earlier values of each continuous column."},
    {.name = "rollingWindows",
     .type = MW_PARAM_LIST,
     .flags = MW_PARAM_NUMBERS,
     .help = "Rolling statistics of each continuous column: over so many rows (20), or so long "
             "(\"30min\")."},
    {.name = "interactions",
     .type = MW_PARAM_JSON,
     .help =
         "Products of pairs of columns: [[\"temperature\", \"vibration\"], ...]; without it, of "
         "each with each."},
    {.name = "ratios",
     .type = MW_PARAM_JSON,
     .help = "Pairs of columns, the first one divided by the second one."},
    {.name = "maintenanceEvents",
     .type = MW_PARAM_LIST,
     .help = "Columns that are true in rows where a machine was maintained: how long ago that is."},
    {.name = "conditions",
     .type = MW_PARAM_JSON,
     .help = "How the machine is run: {\"settings\": [\"load\", \"speed\"], \"count\": 6}. Rows "
             "fall into so "
             "many conditions by their settings, learned from the training rows; the operator "
             "`normal` tells how far a value is from what is normal there."},
    {.name = "units",
     .type = MW_PARAM_JSON,
     .help = "In which units columns are, for people: {\"temperature\": \"degC\"}."},
    {.name = "validRanges",
     .type = MW_PARAM_JSON,
     .help = "What values of a column can be: {\"temperature\": [-40, 200]}, null for no limit. "
             "Others count as missing."},
    {.name = "timezone",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .help = "Whose hours and weekdays are meant, \"Europe/Berlin\"; UTC without it."},
    {.name = "featureSet",
     .type = MW_PARAM_ENUM,
     .choices = mw_feature_set_names,
     .help = "A named set of features."},
    {.name = "features",
     .type = MW_PARAM_JSON,
     .help = "Features one by one: [{\"op\": \"mean\", \"of\": [\"temperature\"], \"window\": "
             "\"5min\"}, ...]."},
    {.name = "timeColumn",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 256,
     .help = "The column of times."},
    {.name = "deviceColumn",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 256,
     .help = "The column that names the device."},
    {.name = "scaling",
     .type = MW_PARAM_ENUM,
     .def = "none",
     .choices = mw_scaling_names,
     .help =
         "What a model's features are scaled by, fitted on its training rows: standard (mean and "
         "standard deviation), robust (median and quartiles), min-max."},
    {.name = "targetColumn",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 256,
     .help = "What a model is to predict."},
    {.name = "samplingInterval",
     .type = MW_PARAM_DURATION,
     .min = 1,
     .max = 31622400e6,
     .help = "Usual distance of a device's readings; learned from its last ones if not given. More "
             "than ten of them are a gap."},
    {.name = "lateness",
     .type = MW_PARAM_DURATION,
     .min = 1,
     .max = 31622400e6,
     .help = "How much older than its device's newest row one may be when it comes, and still be "
             "used; without it, not at all."},
    {0}};

const char *const mw_feature_device_names[] = {
    "device_id",    "device",    "machine_id", "machine", "machineID", "asset_id", "asset",
    "equipment_id", "equipment", "Device_ID",  "Device",  "MachineID", "Machine",  NULL};

static mw_status read_set(mw_config__reading *r, const char *name, mw_err *err) {
    const char *text = mw_feature_set(name);
    const mw_json *list;
    mw_status status = mw_json_parse(r->arena, text, strlen(text), &list, err);
    if (!status) status = mw_config__read_features(r, list, "/schemaConfig/featureSet", err);
    for (int32_t i = 0; i < r->n; i++) r->features[i].where = "/schemaConfig/featureSet";
    return status;
}

/* Its number among names [n]; -1: none. */
static int32_t find_name(const char *const *names, size_t n, mw_str name) {
    for (size_t i = 0; i < n; i++)
        if (mw_str_is(name, names[i])) return (int32_t)i;
    return -1;
}

/* Events are truths, listed among those or not. */
static mw_status read_columns(const mw_config__reading *r, const mw_args *args,
                              mw_config__columns *c, mw_err *err) {
    const char *const *truths;
    const size_t n = mw_args_list(args, "booleanColumns", &truths);
    c->n_numbers = mw_args_list(args, "continuousColumns", &c->numbers);
    c->n_events = mw_args_list(args, "maintenanceEvents", &c->events);
    const char **all = mw_arena_calloc(r->arena, n + c->n_events + 1, sizeof *all);
    if (!all) return mw_config__no_memory(err);
    c->truths = all;
    for (size_t i = 0; i < n; i++) all[c->n_truths++] = truths[i];
    for (size_t i = 0; i < c->n_events; i++)
        if (find_name(truths, n, mw_str_of(c->events[i])) < 0) all[c->n_truths++] = c->events[i];
    return MW_OK;
}

static mw_status read_schema(mw_config__reading *r, const mw_args *args, mw_config__columns *c,
                             mw_err *err) {
    const char *set = mw_args_string(args, "featureSet");
    const mw_json *features = mw_args_json(args, "features");
    mw_status status = read_columns(r, args, c, err);
    if (!status && set) status = read_set(r, set, err);
    if (!status && features)
        status = mw_config__read_features(r, features, "/schemaConfig/features", err);
    return status ? status : mw_config__add_usual(r, args, c, !set && !features, err);
}

/* ---- of each column ---- */

static mw_status fail_column(const char *key, mw_str name, mw_err *err, const char *what) {
    const int size = (int)(name.size < 60 ? name.size : 60);
    mw_fail(err, MW_EINVAL, "%s %.*s", what, size, name.data);
    mw_err_at(err, "/schemaConfig/%s/%.*s", key, size, name.data);
    return MW_EINVAL;
}

static mw_status fail_object(const char *key, mw_err *err, const char *hint) {
    mw_fail(err, MW_EINVAL, "must be an object: a member for each column");
    mw_err_hint(err, "%s", hint);
    mw_err_at(err, "/schemaConfig/%s", key);
    return MW_EINVAL;
}

/* {"settings": [columns], "count": n} */
static mw_status read_conditions(mw_arena *arena, const mw_json *json, const mw_config__columns *c,
                                 mw_program_options *options, mw_err *err) {
    const mw_json *settings = mw_json_get(json, "settings"), *count = mw_json_get(json, "count");
    int32_t n = 0;
    if (!json) return MW_OK;
    const char **names =
        mw_arena_calloc(arena, (settings ? (size_t)settings->n_children : 0) + 1, sizeof *names);
    if (!names) return mw_config__no_memory(err);
    if (json->kind != MW_JSON_OBJECT || json->n_children != 2 || !settings ||
        settings->kind != MW_JSON_ARRAY || mw_json_int(count, -1) < 0 ||
        mw_json_int(count, -1) > INT32_MAX) {
        mw_fail(err, MW_EINVAL, "operating conditions are settings and a count");
        mw_err_hint(err, "{\"settings\": [\"load\", \"speed\"], \"count\": 6}");
        return mw_err_at(err, "conditions");
    }
    for (const mw_json *one = settings->first; one; one = one->next, n++) {
        const int32_t at = find_name(c->numbers, c->n_numbers, one->string);
        if (one->kind != MW_JSON_STRING || at < 0) {
            mw_fail(err, MW_EINVAL, "a setting is one of the continuousColumns");
            return mw_err_at(err, "conditions/settings/%d", (int)n);
        }
        names[n] = c->numbers[at];
    }
    options->settings = names;
    options->n_settings = n;
    options->n_conditions = (int32_t)mw_json_int(count, 0);
    return MW_OK;
}

/* {"column": [low, high]}, of which one may be null. *ret [n]. */
static mw_status read_ranges(mw_arena *arena, const mw_json *json, const char *const *inputs,
                             size_t n, const mw_feature_range **ret, mw_err *err) {
    static const char key[] = "validRanges";
    if (!json) return MW_OK;
    if (json->kind != MW_JSON_OBJECT)
        return fail_object(key, err, "\"validRanges\": {\"temperature\": [-40, 200]}");
    mw_feature_range *ranges = mw_arena_calloc(arena, n + 1, sizeof *ranges);
    if (!ranges) return mw_config__no_memory(err);
    for (size_t i = 0; i < n; i++) ranges[i] = (mw_feature_range){-DBL_MAX, DBL_MAX};
    for (const mw_json *one = json->first; one; one = one->next) {
        const int32_t at = find_name(inputs, n, one->key);
        const mw_json *low = mw_json_at(one, 0), *high = mw_json_at(one, 1);
        if (at < 0) return fail_column(key, one->key, err, "there is no column");
        if (one->kind != MW_JSON_ARRAY || one->n_children != 2 ||
            (low->kind != MW_JSON_NUMBER && low->kind != MW_JSON_NULL) ||
            (high->kind != MW_JSON_NUMBER && high->kind != MW_JSON_NULL))
            return fail_column(key, one->key, err,
                               "a range is two numbers, or null for none, not so for");
        ranges[at] =
            (mw_feature_range){mw_json_number(low, -DBL_MAX), mw_json_number(high, DBL_MAX)};
        if (!(ranges[at].low < ranges[at].high))
            return fail_column(key, one->key, err, "the lower number comes first, not so for");
    }
    *ret = ranges;
    return MW_OK;
}

/* {"column": "unit"}: for people, so all there is to do is to see that they are. */
static mw_status check_units(const mw_json *json, const char *const *inputs, size_t n,
                             mw_err *err) {
    static const char key[] = "units";
    if (!json) return MW_OK;
    if (json->kind != MW_JSON_OBJECT)
        return fail_object(key, err, "\"units\": {\"temperature\": \"degC\"}");
    for (const mw_json *one = json->first; one; one = one->next) {
        if (find_name(inputs, n, one->key) < 0)
            return fail_column(key, one->key, err, "there is no column");
        if (one->kind != MW_JSON_STRING || one->string.size == 0 || one->string.size > 32)
            return fail_column(key, one->key, err,
                               "a unit is a text of at most 32 bytes, not so for");
    }
    return MW_OK;
}

/* ---- all of it ---- */

/* Puts where the tables' errors are in front of the name that they give. */
static void place(mw_err *err, const char *where) {
    if (!err || err->pointer[0] == '/') return;
    char name[MW_ERR_POINTER_MAX];
    mw_str_copy(name, sizeof name, mw_str_of(err->pointer));
    mw_err_at(err, "%s%s%s", where, name[0] ? "/" : "", name);
}

static mw_status compile(mw_feature_config *config, const mw_config__reading *r,
                         const mw_args *args, const mw_config__columns *c,
                         const mw_conditions *conditions, mw_err *err) {
    const size_t n = c->n_numbers + c->n_truths;
    const char **inputs = mw_arena_calloc(&config->arena, n + 1, sizeof *inputs);
    if (!inputs) return mw_config__no_memory(err);
    for (size_t i = 0; i < n; i++)
        inputs[i] = i < c->n_numbers ? c->numbers[i] : c->truths[i - c->n_numbers];
    mw_program_options options = {.sampling_us = mw_args_int(args, "samplingInterval"),
                                  .lateness_us = mw_args_int(args, "lateness"),
                                  .timezone = mw_args_string(args, "timezone")};
    config->scaling = mw_scaling_kind_of(mw_args_string(args, "scaling"));
    if (config->scaling != MW_SCALING_NONE) options.scaling = mw_scaling_names[config->scaling];
    options.conditions = conditions;
    mw_status status = check_units(mw_args_json(args, "units"), inputs, n, err);
    if (!status)
        status = read_ranges(r->arena, mw_args_json(args, "validRanges"), inputs, n,
                             &options.ranges, err);
    if (!status)
        status = read_conditions(r->arena, mw_args_json(args, "conditions"), c, &options, err);
    if (status) {
        place(err, "/schemaConfig");
        return status;
    }
    status = mw_program_new(r->mem, inputs, (int32_t)n, r->features, r->n, &options,
                            &config->program, err);
    if (status) place(err, "/schemaConfig");
    return status;
}

static mw_status keep(mw_feature_config *config, const char *text, const char **ret, mw_err *err) {
    if (!text) return MW_OK;
    *ret = mw_arena_strdup(&config->arena, text);
    return *ret ? MW_OK : mw_config__no_memory(err);
}

/* Texts are no numbers: a column is either. */
static mw_status keep_categories(mw_feature_config *config, const mw_args *args,
                                 const mw_config__columns *c, mw_err *err) {
    const char *const *names;
    const size_t n = mw_args_list(args, "categoricalColumns", &names);
    mw_status status = MW_OK;
    config->categories = mw_arena_calloc(&config->arena, n + 1, sizeof *config->categories);
    if (!config->categories) return mw_config__no_memory(err);
    for (size_t i = 0; i < n && !status; i++) {
        const mw_str name = mw_str_of(names[i]);
        if (find_name(c->numbers, c->n_numbers, name) >= 0 ||
            find_name(c->truths, c->n_truths, name) >= 0 || find_name(names, i, name) >= 0 ||
            find_name(config->program->names, (size_t)config->program->n_outputs, name) >= 0) {
            mw_fail(err, MW_EINVAL, "%.60s is there already", names[i]);
            mw_err_at(err, "/schemaConfig/categoricalColumns/%zu", i);
            return mw_err_hint(err, "it is a category or a number, and no feature has its name");
        }
        status = keep(config, names[i], &config->categories[config->n_categories++], err);
    }
    return status;
}

static mw_status keep_names(mw_feature_config *config, const mw_args *args,
                            const mw_config__columns *c, mw_err *err) {
    mw_status status = keep(config, mw_args_string(args, "timeColumn"), &config->time_column, err);
    if (!status)
        status = keep(config, mw_args_string(args, "deviceColumn"), &config->device_column, err);
    if (!status)
        status = keep(config, mw_args_string(args, "targetColumn"), &config->target_column, err);
    if (!status) status = keep_categories(config, args, c, err);
    config->booleans = mw_arena_calloc(&config->arena, c->n_truths + 1, sizeof *config->booleans);
    if (!status && !config->booleans) status = mw_config__no_memory(err);
    for (; !status && (size_t)config->n_booleans < c->n_truths; config->n_booleans++)
        status =
            keep(config, c->truths[config->n_booleans], &config->booleans[config->n_booleans], err);
    return status;
}

static mw_status read_args(mw_mem *mem, const mw_param *table, const mw_json *json,
                           const char *where, mw_args **ret, mw_err *err) {
    mw_status status = mw_args_new(mem, table, ret, err);
    if (!status) status = mw_args_set_json(*ret, json, err);
    if (!status) status = mw_args_finish(*ret, err);
    if (status && status != MW_ENOMEM) place(err, where);
    return status;
}

mw_status mw_feature_config_read(mw_mem *mem, const char *text, size_t size, mw_feature_config *ret,
                                 mw_err *err) {
    return mw_feature_config_read_fitted(mem, text, size, NULL, ret, err);
}

mw_status mw_feature_config_read_fitted(mw_mem *mem, const char *text, size_t size,
                                        const mw_conditions *conditions, mw_feature_config *ret,
                                        mw_err *err) {
    mw_feature_config config = {0};
    mw_args *top = NULL, *schema = NULL;
    const mw_json *json;
    mw_config__columns c = {0};
    mw_arena_init(&config.arena, mem);
    mw_config__reading r = {.arena = &config.arena, .mem = mem};
    mw_status status = mw_json_parse(&config.arena, text, size, &json, err);
    if (!status) status = read_args(mem, mw_feature_config_params, json, "", &top, err);
    if (!status)
        status = read_args(mem, mw_feature_schema_params, mw_args_json(top, "schemaConfig"),
                           "/schemaConfig", &schema, err);
    if (!status) status = read_schema(&r, schema, &c, err);
    if (!status) status = compile(&config, &r, schema, &c, conditions, err);
    if (!status) status = keep(&config, mw_args_string(top, "organizationId"), &config.org, err);
    if (!status) status = keep_names(&config, schema, &c, err);
    mw_free(r.features);
    mw_args_free(top);
    mw_args_free(schema);
    if (status)
        mw_feature_config_done(&config);
    else
        *ret = config;
    return status;
}

void mw_feature_config_done(mw_feature_config *config) {
    config->program = mw_program_free(config->program);
    mw_arena_done(&config->arena);
}
