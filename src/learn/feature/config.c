/*
 * config.c -- keys of a configuration become features: what is listed by hand, named sets, and what columns get by themselves.
 */
#include "learn/feature/config.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "core/text/number.h"

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
     .max = 10000,
     .flags = MW_PARAM_REQUIRED,
     .help = "Columns of numbers."},
    {.name = "booleanColumns", .type = MW_PARAM_LIST, .help = "Columns of true or false: 1 and 0."},
    {.name = "lagSeconds",
     .type = MW_PARAM_LIST,
     .flags = MW_PARAM_NUMBERS,
     .help = "How many seconds to look back for earlier values of each continuous column."},
    {.name = "rollingWindows",
     .type = MW_PARAM_LIST,
     .flags = MW_PARAM_NUMBERS,
     .help = "Rolling statistics of each continuous column: over so many rows (20), or so long "
             "(\"30min\")."},
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

enum { WHERE_BYTES = 160 };

typedef struct reading {
    mw_arena *arena;
    mw_feature_def *features; /* [n] */
    int32_t n, capacity;
    mw_mem *mem;
    char where[WHERE_BYTES]; /* JSON pointer of what is being read */
} reading;

/* ---- features ---- */

static mw_status no_memory(mw_err *err) { return mw_fail_nomem(err, "a feature configuration"); }

static mw_status add(reading *r, const mw_feature_def *feature, mw_err *err) {
    if (r->n >= MW_LIMIT(MODEL_FEATURES)) {
        mw_fail(err, MW_ETOOLARGE, "a configuration makes at most %lld features",
                (long long)MW_LIMIT(MODEL_FEATURES));
        mw_err_at(err, "%s", r->where);
        return MW_ETOOLARGE;
    }
    if (r->n == r->capacity) {
        const int32_t capacity = r->capacity ? 2 * r->capacity : 64;
        void *more = mw_realloc(r->mem, r->features, (size_t)capacity * sizeof *r->features);
        if (!more) return no_memory(err);
        r->features = more;
        r->capacity = capacity;
    }
    r->features[r->n] = *feature;
    r->features[r->n].where = mw_arena_strdup(r->arena, r->where);
    if (!feature->name || !r->features[r->n].where) return no_memory(err);
    r->n++;
    return MW_OK;
}

/* A time or a number of rows, as it was written: "5min", 20. */
typedef struct stretch {
    const char *text;
    int64_t us, rows;
} stretch;

static bool read_length(const char *text, stretch *ret) {
    *ret = (stretch){.text = text};
    const size_t size = strlen(text);
    if (mw_number_read_int(text, size, &ret->rows)) return ret->rows > 0;
    ret->rows = 0;
    return mw_duration_read(text, size, &ret->us) && ret->us > 0;
}

static mw_status fail_length(const reading *r, const char *text, mw_err *err) {
    mw_fail(err, MW_EINVAL, "\"%.60s\" is neither a time nor a number of rows", text);
    mw_err_hint(err, "20 (rows), \"90s\", \"5min\", \"2h\" or \"7d\", and more than none");
    mw_err_at(err, "%s", r->where);
    return MW_EINVAL;
}

static const mw_operator *op_of(const char *name) { return mw_operator_find(name, strlen(name)); }

/* column_op, column_op_5min, column_quantile_5min_0.9, a_x_b */
static const char *name_of(const reading *r, const mw_operator *op, const char *const *of,
                           const stretch *length, const double *numbers) {
    char digits[2][MW_NUMBER_MAX] = {"", ""};
    const int n = op->takes & MW_TAKES_BAND ? 2 : op->takes & MW_TAKES_NUMBER ? 1 : 0;
    if (op->between) return mw_arena_printf(r->arena, "%s%s%s", of[0], op->between, of[1]);
    if (op->n_inputs == 0) return op->name;
    for (int k = 0; k < n; k++) (void)mw_number_print(numbers[k], digits[k]);
    const bool plain = !length || ((op->takes & MW_TAKES_PERIODS) && length->rows == 1);
    return mw_arena_printf(r->arena, "%s_%s%s%s%s%s%s%s", of[0], op->name, plain ? "" : "_",
                           plain ? "" : length->text, n > 0 ? "_" : "", digits[0], n > 1 ? "_" : "",
                           digits[1]);
}

/* op NULL: the column's own value. numbers [2]: what an operator with a number or a band takes; NULL for the others. */
static mw_status add_one(reading *r, const mw_operator *op, const char *a, const char *b,
                         const stretch *length, const double *numbers, const char *name,
                         mw_err *err) {
    static const double none[2];
    mw_feature_def feature = {.op = op, .of = {a, b}, .name = name};
    if (!numbers) numbers = none;
    if (!op && !name) feature.name = a;
    if (op && length) {
        feature.args.us = length->us;
        feature.args.rows = length->rows;
    }
    if (op && (op->takes & (MW_TAKES_NUMBER | MW_TAKES_BAND))) feature.args.number = numbers[0];
    if (op && (op->takes & MW_TAKES_BAND)) feature.args.number2 = numbers[1];
    if (!feature.name && op) feature.name = name_of(r, op, feature.of, length, numbers);
    return add(r, &feature, err);
}

/* ---- an entry of "features" ---- */

typedef struct words {  /* a text or a list of texts (or numbers) */
    const char **items; /* [n] */
    int32_t n;
} words;

static mw_status read_words(const reading *r, const mw_json *value, const char *key, bool numbers,
                            words *ret, mw_err *err) {
    const mw_json *one = value && value->kind == MW_JSON_ARRAY ? value->first : value;
    const int32_t n = !value ? 0 : value->kind == MW_JSON_ARRAY ? (int32_t)value->n_children : 1;
    ret->items = mw_arena_calloc(r->arena, (size_t)n + 1, sizeof *ret->items);
    if (!ret->items) return no_memory(err);
    for (ret->n = 0; ret->n < n; one = one->next) {
        if (one->kind != MW_JSON_STRING && !(numbers && one->kind == MW_JSON_NUMBER)) {
            mw_fail(err, MW_EINVAL, "\"%s\" must be a text%s or a list of them", key,
                    numbers ? ", a number" : "");
            mw_err_at(err, "%s/%s", r->where, key);
            return MW_EINVAL;
        }
        ret->items[ret->n] = mw_arena_strndup(r->arena, one->string.data, one->string.size);
        if (!ret->items[ret->n++]) return no_memory(err);
    }
    return MW_OK;
}

static mw_status check_keys(const reading *r, const mw_json *entry, mw_err *err) {
    static const char *const keys[] = {"op",     "of",   "window", "lag", "periods",
                                       "number", "band", "name",   NULL};
    if (entry->kind != MW_JSON_OBJECT) {
        mw_fail(err, MW_EINVAL, "a feature is an object: {\"op\": ..., \"of\": ...}");
        mw_err_at(err, "%s", r->where);
        return MW_EINVAL;
    }
    for (const mw_json *child = entry->first; child; child = child->next) {
        mw_nearest best = {0};
        bool known = false;
        for (int k = 0; keys[k]; k++) {
            known |= mw_str_is(child->key, keys[k]);
            mw_nearest_look(&best, child->key, keys[k]);
        }
        if (known) continue;
        mw_fail(err, MW_EINVAL, "a feature has no \"%.*s\"",
                (int)(child->key.size < 60 ? child->key.size : 60), child->key.data);
        if (best.word) mw_err_hint(err, "did you mean \"%s\"?", best.word);
        mw_err_at(err, "%s", r->where);
        return MW_EINVAL;
    }
    return MW_OK;
}

static mw_status find_op(const reading *r, const char *name, const mw_operator **ret, mw_err *err) {
    *ret = op_of(name);
    if (*ret || strcmp(name, "value") == 0) return MW_OK;
    mw_nearest best = {0};
    mw_nearest_look(&best, mw_str_of(name), "value");
    for (const mw_operator *op = mw_operators; op->name; op++)
        mw_nearest_look(&best, mw_str_of(name), op->name);
    mw_fail(err, MW_EINVAL, "there is no operator \"%.60s\"", name);
    if (best.word)
        mw_err_hint(err, "did you mean \"%s\"?", best.word);
    else
        mw_err_hint(err, "`millwright features --operators --help` lists them");
    mw_err_at(err, "%s/op", r->where);
    return MW_EINVAL;
}

static const char *length_key(const mw_operator *op) {
    if (!op) return NULL;
    return op->takes & MW_TAKES_WINDOW    ? "window"
           : op->takes & MW_TAKES_LAG     ? "lag"
           : op->takes & MW_TAKES_PERIODS ? "periods"
                                          : NULL;
}

typedef struct entry {
    words ops, of, lengths;
    const char *length_key;
    double numbers[2]; /* number; or band */
    const char *name;
} entry;

static mw_status fail_entry(const reading *r, const char *key, mw_err *err, const char *what,
                            const char *hint) {
    mw_fail(err, MW_EINVAL, "%s", what);
    mw_err_hint(err, "%s", hint);
    mw_err_at(err, "%s%s%s", r->where, key[0] ? "/" : "", key);
    return MW_EINVAL;
}

/* One operator of an entry, over its columns and lengths. */
static mw_status add_op(reading *r, const entry *e, const mw_operator *op, mw_err *err) {
    const bool two = op && op->n_inputs == 2;
    const int32_t n_of = !op || op->n_inputs == 1 ? e->of.n : 1;
    const char *key = length_key(op);
    mw_status status = MW_OK;
    if (two && e->of.n != 2)
        return fail_entry(r, "of", err, "this operator takes two columns",
                          "\"of\": [\"a\", \"b\"]");
    if ((!op || op->n_inputs == 1) && e->of.n == 0)
        return fail_entry(r, "of", err, "\"of\" names no column", "\"of\": [\"temperature\"]");
    if (op && op->n_inputs == 0 && e->of.n > 0)
        return fail_entry(r, "of", err, "this operator takes no column, only the time",
                          "leave \"of\" out");
    if (e->length_key && (!key || strcmp(key, e->length_key) != 0))
        return fail_entry(
            r, e->length_key, err, "this operator does not take that",
            key ? "a window is for rolling statistics, a lag for lag, periods for changes"
                : "leave it out");
    if (key && !(op->takes & MW_TAKES_PERIODS) && e->lengths.n == 0)
        return fail_entry(r, "", err, "a window or lag is missing",
                          "\"window\": \"5min\" or 20 (rows); \"lag\": \"60s\"");
    const int32_t n_lengths = key && e->lengths.n > 0 ? e->lengths.n : 1;
    for (int32_t w = 0; w < n_lengths && !status; w++) {
        stretch length = {.text = "1", .rows = 1};
        if (key && e->lengths.n > 0 && !read_length(e->lengths.items[w], &length))
            return fail_length(r, e->lengths.items[w], err);
        for (int32_t c = 0; c < n_of && !status; c++)
            status = add_one(r, op, e->of.n ? e->of.items[c] : NULL, two ? e->of.items[1] : NULL,
                             key ? &length : NULL, e->numbers, e->name, err);
    }
    return status;
}

/* Those that are not given are refused where an operator takes them. */
static mw_status read_numbers(const reading *r, const mw_json *json, entry *e, mw_err *err) {
    const mw_json *number = mw_json_get(json, "number"), *band = mw_json_get(json, "band");
    e->numbers[0] = e->numbers[1] = mw_json_number(number, -1e300);
    if (number && number->kind != MW_JSON_NUMBER)
        return fail_entry(r, "number", err, "\"number\" must be a number", "\"number\": 0.9");
    if (!band) return MW_OK;
    const mw_json *low = mw_json_at(band, 0), *high = mw_json_at(band, 1);
    if (band->kind != MW_JSON_ARRAY || band->n_children != 2 || low->kind != MW_JSON_NUMBER ||
        high->kind != MW_JSON_NUMBER)
        return fail_entry(r, "band", err, "a band is two frequencies in Hz", "\"band\": [10, 100]");
    e->numbers[0] = low->number;
    e->numbers[1] = high->number;
    return MW_OK;
}

static mw_status read_entry(reading *r, const mw_json *json, mw_err *err) {
    static const char *const length_keys[] = {"window", "lag", "periods"};
    entry e = {0};
    mw_status status = check_keys(r, json, err);
    if (!status) status = read_words(r, mw_json_get(json, "op"), "op", false, &e.ops, err);
    if (!status) status = read_words(r, mw_json_get(json, "of"), "of", false, &e.of, err);
    for (int k = 0; k < 3 && !status; k++) {
        const mw_json *value = mw_json_get(json, length_keys[k]);
        if (!value) continue;
        if (e.length_key)
            return fail_entry(r, length_keys[k], err,
                              "a feature has one of window, lag and periods",
                              "make it two features");
        e.length_key = length_keys[k];
        status = read_words(r, value, e.length_key, true, &e.lengths, err);
    }
    if (status) return status;
    if (e.ops.n == 0)
        return fail_entry(r, "", err, "a feature needs an \"op\"", "{\"op\": \"mean\", ...}");
    status = read_numbers(r, json, &e, err);
    if (status) return status;
    const mw_json *name = mw_json_get(json, "name");
    if (name) {
        if (name->kind != MW_JSON_STRING)
            return fail_entry(r, "name", err, "a feature's name is a text", "\"name\": \"hot\"");
        e.name = mw_arena_strndup(r->arena, name->string.data, name->string.size);
        if (!e.name) return no_memory(err);
    }
    for (int32_t k = 0; k < e.ops.n && !status; k++) {
        const mw_operator *op;
        status = find_op(r, e.ops.items[k], &op, err);
        if (!status) status = add_op(r, &e, op, err);
    }
    return status;
}

static mw_status read_features(reading *r, const mw_json *list, const char *where, mw_err *err) {
    mw_status status = MW_OK;
    int32_t number = 0;
    (void)snprintf(r->where, sizeof r->where, "%s", where);
    if (list->kind != MW_JSON_ARRAY)
        return fail_entry(r, "", err, "features must be a list",
                          "[{\"op\": \"mean\", \"of\": [...], \"window\": \"5min\"}]");
    for (const mw_json *one = list->first; one && !status; one = one->next) {
        (void)snprintf(r->where, sizeof r->where, "%s/%d", where, (int)number++);
        status = read_entry(r, one, err);
    }
    return status;
}

static mw_status read_set(reading *r, const char *name, mw_err *err) {
    const char *text = mw_feature_set(name);
    const mw_json *list;
    mw_status status = mw_json_parse(r->arena, text, strlen(text), &list, err);
    if (!status) status = read_features(r, list, "/schemaConfig/featureSet", err);
    for (int32_t i = 0; i < r->n; i++) r->features[i].where = "/schemaConfig/featureSet";
    return status;
}

/* ---- what columns get by themselves ---- */

typedef struct columns {
    const char *const *numbers, *const *truths;
    size_t n_numbers, n_truths;
} columns;

static mw_status add_lags(reading *r, const columns *c, const char *const *lags, size_t n,
                          mw_err *err) {
    mw_status status = MW_OK;
    for (size_t k = 0; k < n; k++) {
        double seconds;
        (void)snprintf(r->where, sizeof r->where, "/schemaConfig/lagSeconds/%zu", k);
        const bool is_number = mw_number_read(lags[k], strlen(lags[k]), &seconds);
        if (!is_number || !(seconds >= 1e-6 && seconds <= 1e9))
            return fail_entry(r, "", err, "a lag is a positive number of seconds",
                              "\"lagSeconds\": [60, 120]");
        char *text = mw_arena_printf(r->arena, "%ss", lags[k]);
        if (!text) return no_memory(err);
        const stretch length = {.text = text, .us = (int64_t)(seconds * 1e6 + 0.5)};
        for (size_t i = 0; i < c->n_numbers && !status; i++)
            status = add_one(r, op_of("lag"), c->numbers[i], NULL, &length, NULL, NULL, err);
    }
    return status;
}

static mw_status add_windows(reading *r, const columns *c, const char *const *windows, size_t n,
                             mw_err *err) {
    static const char *const ops[] = {"mean", "std", "min", "max", "median"};
    mw_status status = MW_OK;
    for (size_t k = 0; k < n; k++) {
        stretch length;
        (void)snprintf(r->where, sizeof r->where, "/schemaConfig/rollingWindows/%zu", k);
        if (!read_length(windows[k], &length)) return fail_length(r, windows[k], err);
        for (size_t i = 0; i < c->n_numbers; i++)
            for (size_t o = 0; o < sizeof ops / sizeof *ops && !status; o++)
                status = add_one(r, op_of(ops[o]), c->numbers[i], NULL, &length, NULL, NULL, err);
    }
    return status;
}

/* What no key names: the values, how they change, how unusual they are, each with each other, and the time. */
static mw_status add_usual(reading *r, const columns *c, const char *longest, mw_err *err) {
    static const char *const ops[] = {"rate", "acceleration", "zscore"};
    static const char *const times[] = {"hour_sin", "hour_cos", "weekday_sin", "weekday_cos"};
    const stretch one = {.text = "1", .rows = 1};
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/continuousColumns");
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (size_t i = 0; i < c->n_numbers && !status; i++)
            status = add_one(r, op_of(ops[o]), c->numbers[i], NULL, o < 2 ? &one : NULL, NULL, NULL,
                             err);
    stretch length;
    for (size_t i = 0; longest && i < c->n_numbers && !status; i++)
        if (read_length(longest, &length))
            status =
                add_one(r, op_of("mad_distance"), c->numbers[i], NULL, &length, NULL, NULL, err);
    for (size_t i = 0; i < c->n_numbers; i++)
        for (size_t j = i + 1; j < c->n_numbers && !status; j++)
            status =
                add_one(r, op_of("product"), c->numbers[i], c->numbers[j], NULL, NULL, NULL, err);
    for (size_t k = 0; k < sizeof times / sizeof *times && !status; k++)
        status = add_one(r, op_of(times[k]), NULL, NULL, NULL, NULL, NULL, err);
    return status;
}

static mw_status add_values(reading *r, const columns *c, mw_err *err) {
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/continuousColumns");
    for (size_t i = 0; i < c->n_numbers && !status; i++)
        status = add_one(r, NULL, c->numbers[i], NULL, NULL, NULL, NULL, err);
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/booleanColumns");
    for (size_t i = 0; i < c->n_truths && !status; i++)
        status = add_one(r, NULL, c->truths[i], NULL, NULL, NULL, NULL, err);
    return status;
}

static const char *longest_of(const char *const *windows, size_t n) {
    const char *best = NULL;
    stretch most = {0}, length;
    for (size_t k = 0; k < n; k++) {
        if (!read_length(windows[k], &length)) continue;
        if (best && (length.us < most.us || (length.us == most.us && length.rows <= most.rows)))
            continue;
        best = windows[k];
        most = length;
    }
    return best;
}

static mw_status read_schema(reading *r, const mw_args *args, columns *c, mw_err *err) {
    const char *const *lags, *const *windows;
    const char *set = mw_args_string(args, "featureSet");
    const mw_json *features = mw_args_json(args, "features");
    const size_t n_lags = mw_args_list(args, "lagSeconds", &lags);
    const size_t n_windows = mw_args_list(args, "rollingWindows", &windows);
    c->n_numbers = mw_args_list(args, "continuousColumns", &c->numbers);
    c->n_truths = mw_args_list(args, "booleanColumns", &c->truths);
    mw_status status = MW_OK;
    if (set) status = read_set(r, set, err);
    if (!status && features) status = read_features(r, features, "/schemaConfig/features", err);
    const bool by_itself = !set && !features;
    if (!status && by_itself) status = add_values(r, c, err);
    if (!status) status = add_lags(r, c, lags, n_lags, err);
    if (!status) status = add_windows(r, c, windows, n_windows, err);
    if (!status && by_itself) status = add_usual(r, c, longest_of(windows, n_windows), err);
    return status;
}

/* ---- all of it ---- */

static mw_status compile(mw_feature_config *config, const reading *r, const mw_args *args,
                         const columns *c, mw_err *err) {
    const size_t n = c->n_numbers + c->n_truths;
    const char **inputs = mw_arena_calloc(&config->arena, n + 1, sizeof *inputs);
    if (!inputs) return no_memory(err);
    for (size_t i = 0; i < n; i++)
        inputs[i] = i < c->n_numbers ? c->numbers[i] : c->truths[i - c->n_numbers];
    const mw_program_options options = {.sampling_us = mw_args_int(args, "samplingInterval"),
                                        .lateness_us = mw_args_int(args, "lateness")};
    mw_status status = mw_program_new(r->mem, inputs, (int32_t)n, r->features, r->n, &options,
                                      &config->program, err);
    if (status && err && !err->pointer[0]) mw_err_at(err, "/schemaConfig");
    return status;
}

static mw_status keep(mw_feature_config *config, const char *text, const char **ret, mw_err *err) {
    if (!text) return MW_OK;
    *ret = mw_arena_strdup(&config->arena, text);
    return *ret ? MW_OK : no_memory(err);
}

static mw_status keep_names(mw_feature_config *config, const mw_args *args, const columns *c,
                            mw_err *err) {
    mw_status status = keep(config, mw_args_string(args, "timeColumn"), &config->time_column, err);
    if (!status)
        status = keep(config, mw_args_string(args, "deviceColumn"), &config->device_column, err);
    if (!status)
        status = keep(config, mw_args_string(args, "targetColumn"), &config->target_column, err);
    config->booleans = mw_arena_calloc(&config->arena, c->n_truths + 1, sizeof *config->booleans);
    if (!status && !config->booleans) status = no_memory(err);
    for (; !status && (size_t)config->n_booleans < c->n_truths; config->n_booleans++)
        status =
            keep(config, c->truths[config->n_booleans], &config->booleans[config->n_booleans], err);
    return status;
}

/* Puts where the tables' errors are in front of the name that they give. */
static void place(mw_err *err, const char *where) {
    if (!err || err->pointer[0] == '/') return;
    char name[MW_ERR_POINTER_MAX];
    mw_str_copy(name, sizeof name, mw_str_of(err->pointer));
    mw_err_at(err, "%s/%s", where, name);
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
    mw_feature_config config = {0};
    mw_args *top = NULL, *schema = NULL;
    const mw_json *json;
    columns c = {0};
    mw_arena_init(&config.arena, mem);
    reading r = {.arena = &config.arena, .mem = mem};
    mw_status status = mw_json_parse(&config.arena, text, size, &json, err);
    if (!status) status = read_args(mem, mw_feature_config_params, json, "", &top, err);
    if (!status)
        status = read_args(mem, mw_feature_schema_params, mw_args_json(top, "schemaConfig"),
                           "/schemaConfig", &schema, err);
    if (!status) status = read_schema(&r, schema, &c, err);
    if (!status) status = compile(&config, &r, schema, &c, err);
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
