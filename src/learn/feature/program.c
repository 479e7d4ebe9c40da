/*
 * program.c -- a list of features becomes signals and nodes; the canonical text and its hash.
 */
#include "learn/feature/program.h"

#include <float.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/param/nearest.h"
#include "core/table/table.h"
#include "core/text/datetime.h"
#include "core/text/json.h"

enum { NONE = -1, IN_WORK = -2, DEPTH = 32, FORMAT = 1 };
enum { MORE_BYTES = 64 }; /* what a statistic and its window add to a column's name */

typedef struct compile {
    mw_program *p;
    mw_mem *mem;
    const mw_feature_def *features; /* [n_features] */
    int32_t n_features;
    mw_dictionary *inputs, *names; /* of columns; of features */
    int32_t *signals;              /* [n_features] NONE: not yet; IN_WORK */
    int32_t *newest; /* [n_signals + 1] the last node of a first input, those of the clock at 0 */
    int32_t *before; /* [n_nodes] the one before of the same first input */
} compile;

static mw_status fail_at(const mw_feature_def *feature, mw_err *err) {
    if (feature->where) mw_err_at(err, "%s", feature->where);
    return MW_EINVAL;
}

/* ---- names ---- */

static mw_status add_name(mw_dictionary *names, const char *name, const char *what,
                          const mw_feature_def *feature, mw_err *err) {
    int32_t code;
    const int32_t n = mw_dictionary_size(names);
    const long long most = MW_LIMIT(COLUMN_NAME_BYTES) + MORE_BYTES;
    if (name[0] == '\0' || strlen(name) > (size_t)most) {
        mw_fail(err, MW_EINVAL, "a %s's name must have 1 to %lld bytes, not %zu", what, most,
                strlen(name));
        return feature ? fail_at(feature, err) : MW_EINVAL;
    }
    mw_status status = mw_dictionary_add(names, mw_str_of(name), &code, err);
    if (status || code == n) return status;
    mw_fail(err, MW_EINVAL, "there are two %ss called %s", what, name);
    mw_err_hint(err, "leave one out, or give it another name");
    return feature ? fail_at(feature, err) : MW_EINVAL;
}

static mw_status add_names(compile *c, mw_err *err) {
    mw_status status = mw_dictionary_new(c->mem, &c->inputs, err);
    if (!status) status = mw_dictionary_new(c->mem, &c->names, err);
    for (int32_t i = 0; i < c->p->n_inputs && !status; i++)
        status = add_name(c->inputs, c->p->inputs[i], "column", NULL, err);
    for (int32_t f = 0; f < c->n_features && !status; f++) {
        const mw_feature_def *feature = &c->features[f];
        status = add_name(c->names, feature->name, "feature", feature, err);
        const bool hides =
            feature->op && mw_dictionary_find(c->inputs, mw_str_of(feature->name)) >= 0;
        if (status || !hides) continue;
        mw_fail(err, MW_EINVAL, "a feature may not have the name of the column %s", feature->name);
        status = fail_at(feature, err);
    }
    return status;
}

static mw_status fail_unknown(const compile *c, const mw_feature_def *feature, const char *name,
                              mw_err *err) {
    mw_nearest best = {0};
    for (int32_t i = 0; i < c->p->n_inputs; i++)
        mw_nearest_look(&best, mw_str_of(name), c->p->inputs[i]);
    for (int32_t f = 0; f < c->n_features; f++)
        mw_nearest_look(&best, mw_str_of(name), c->features[f].name);
    mw_fail(err, MW_EINVAL, "%s needs %s, which is neither a column nor a feature", feature->name,
            name);
    if (best.word) mw_err_hint(err, "did you mean %s?", best.word);
    return fail_at(feature, err);
}

/* ---- arguments ---- */

static mw_status check_args(const mw_feature_def *f, mw_err *err) {
    const mw_feature_args *args = &f->args;
    const unsigned takes = f->op ? f->op->takes : 0;
    const bool long_args = takes & (MW_TAKES_WINDOW | MW_TAKES_LAG | MW_TAKES_PERIODS);
    const int64_t days = MW_LIMIT(FEATURE_WINDOW_DAYS), rows = MW_LIMIT(FEATURE_WINDOW_ROWS);
    if (long_args && (args->us > 0) == (args->rows > 0)) {
        mw_fail(err, MW_EINVAL, "%s needs %s", f->name,
                takes & MW_TAKES_PERIODS ? "a number of rows"
                                         : "a time, such as \"5min\", or a number of rows");
        return fail_at(f, err);
    }
    if (args->us > days * INT64_C(86400000000) || args->rows > rows) {
        mw_fail(err, MW_ETOOLARGE, "%s looks too far back", f->name);
        mw_err_hint(err, "at most %lld days or %lld rows", (long long)days, (long long)rows);
        (void)fail_at(f, err);
        return MW_ETOOLARGE;
    }
    if ((takes & MW_TAKES_PERIODS) && args->us > 0) {
        mw_fail(err, MW_EINVAL, "%s takes rows, not a time", f->name);
        return fail_at(f, err);
    }
    if ((takes & MW_TAKES_NUMBER) && !(args->number >= f->op->low && args->number <= f->op->high)) {
        mw_fail(err, MW_EINVAL, "%s needs a number from %g to %g, not %g", f->name, f->op->low,
                f->op->high, args->number);
        return fail_at(f, err);
    }
    if ((takes & MW_TAKES_BAND) && !(args->number >= f->op->low && args->number < args->number2 &&
                                     args->number2 <= f->op->high)) {
        mw_fail(err, MW_EINVAL, "%s needs a band within %g to %g, not %g to %g", f->name,
                f->op->low, f->op->high, args->number, args->number2);
        return fail_at(f, err);
    }
    return MW_OK;
}

/* ---- nodes ---- */

static int32_t window_of(mw_program *p, int64_t us) {
    for (int32_t w = 0; w < p->n_windows; w++)
        if (p->windows[w] == us) return w;
    p->windows[p->n_windows] = us;
    return p->n_windows++;
}

static bool same(const mw_feature_node *node, const mw_operator *op, const int32_t *inputs,
                 const mw_feature_args *args) {
    return node->kernel == op->kernel && memcmp(node->inputs, inputs, sizeof node->inputs) == 0 &&
           node->args.us == args->us && node->args.rows == args->rows &&
           node->args.number == args->number && node->args.number2 == args->number2;
}

static int32_t find_node(const compile *c, const mw_operator *op, const int32_t *inputs,
                         const mw_feature_args *args) {
    for (int32_t n = c->newest[inputs[0] + 1]; n != NONE; n = c->before[n])
        if (same(&c->p->nodes[n], op, inputs, args)) return n;
    return NONE;
}

/* Its number, given out in turn. */
static int32_t sensor_of(mw_program *p, int32_t input) {
    for (int32_t s = 0; s < p->n_sensors; s++)
        if (p->sensors[s] == input) return s;
    p->sensors[p->n_sensors] = input;
    return p->n_sensors++;
}

static mw_status new_node(compile *c, const mw_operator *op, const int32_t *inputs,
                          const mw_feature_args *args, int32_t *ret, mw_err *err) {
    mw_program *p = c->p;
    const int32_t n = p->n_nodes++;
    mw_feature_node *node = &p->nodes[n];
    const mw_kernel *kernel = op->kernel;
    *node = (mw_feature_node){.kernel = kernel,
                              .args = *args,
                              .window = NONE,
                              .n_inputs = op->n_inputs + (op->takes & MW_TAKES_CONDITION ? 1 : 0)};
    memcpy(node->inputs, inputs, sizeof node->inputs);
    for (int k = 0; k < MW_NODE_OUTPUTS; k++) node->outputs[k] = NONE;
    if (kernel->windowed && args->us > 0) node->window = window_of(p, args->us);
    node->state_at = p->state_bytes;
    p->state_bytes += (kernel->state_bytes + 15) / 16 * 16;
    for (int32_t k = 0; k < node->n_inputs; k++) {
        p->read[inputs[k]] = true;
        if (kernel->looks_back) p->kept[inputs[k]] = true;
    }
    if (kernel->looks_back && args->us > p->past_us) p->past_us = args->us;
    const int64_t rows = args->rows * (kernel->reach > 0 ? kernel->reach : 1);
    if (kernel->looks_back && rows > p->past_rows) p->past_rows = rows;
    c->before[n] = c->newest[inputs[0] + 1];
    c->newest[inputs[0] + 1] = n;
    *ret = n;
    const mw_feature_setup setup = {
        .arena = &p->arena,
        .zone = p->zone,
        .conditions = p->conditions,
        .sensor = op->takes & MW_TAKES_CONDITION ? sensor_of(p, inputs[0]) : NONE};
    return kernel->prepare ? kernel->prepare(node, &setup, err) : MW_OK;
}

static mw_status resolve(compile *c, int32_t f, int depth, int32_t *ret, mw_err *err);

static mw_status resolve_name(compile *c, const mw_feature_def *feature, const char *name,
                              int depth, int32_t *ret, mw_err *err) {
    const int32_t input = mw_dictionary_find(c->inputs, mw_str_of(name));
    if (input >= 0) {
        *ret = input;
        return MW_OK;
    }
    const int32_t f = mw_dictionary_find(c->names, mw_str_of(name));
    if (f < 0) return fail_unknown(c, feature, name, err);
    return resolve(c, f, depth + 1, ret, err);
}

static mw_status take_condition(const compile *c, const mw_feature_def *feature, int32_t *inputs,
                                mw_err *err) {
    if (c->p->condition == NONE) {
        mw_fail(err, MW_EINVAL, "%s needs operating conditions", feature->name);
        mw_err_hint(err, "\"conditions\": {\"settings\": [\"load\", \"speed\"], \"count\": 6}");
        return fail_at(feature, err);
    }
    if (inputs[0] >= c->p->n_inputs) {
        mw_fail(err, MW_EINVAL, "%s takes a column, not a feature", feature->name);
        return fail_at(feature, err);
    }
    inputs[1] = c->p->condition;
    return MW_OK;
}

static mw_status resolve(compile *c, int32_t f, int depth, int32_t *ret, mw_err *err) {
    const mw_feature_def *feature = &c->features[f];
    int32_t inputs[MW_NODE_INPUTS] = {NONE, NONE};
    *ret = c->signals[f];
    if (*ret >= 0) return MW_OK;
    if (*ret == IN_WORK || depth > DEPTH) {
        mw_fail(err, MW_EINVAL,
                *ret == IN_WORK ? "%s needs itself"
                                : "%s is too deep: features of features of features...",
                feature->name);
        return fail_at(feature, err);
    }
    c->signals[f] = IN_WORK;
    mw_status status = check_args(feature, err);
    const int32_t n = feature->op ? feature->op->n_inputs : 1;
    for (int32_t k = 0; k < n && !status; k++)
        status = resolve_name(c, feature, feature->of[k], depth, &inputs[k], err);
    if (!status && feature->op && (feature->op->takes & MW_TAKES_CONDITION))
        status = take_condition(c, feature, inputs, err);
    if (status) return status;
    if (!feature->op) {
        *ret = c->signals[f] = inputs[0];
        return MW_OK;
    }
    int32_t node = find_node(c, feature->op, inputs, &feature->args);
    if (node == NONE) {
        status = new_node(c, feature->op, inputs, &feature->args, &node, err);
        if (status) {
            (void)mw_err_prefix(err, "%s", feature->name);
            (void)fail_at(feature, err);
            return status;
        }
    }
    int32_t *output = &c->p->nodes[node].outputs[feature->op->output];
    if (*output == NONE) {
        *output = c->p->n_signals++;
        c->newest[*output + 1] = NONE;
        c->p->nodes[node].reads[feature->op->output] = feature->op->reads;
    }
    *ret = c->signals[f] = *output;
    return MW_OK;
}

/* ---- the text ---- */

static void write_args(const mw_feature_def *f, mw_json_writer *writer) {
    char text[MW_TIME_TEXT_MAX];
    const unsigned takes = f->op->takes;
    const char *key = takes & MW_TAKES_WINDOW ? "window" : takes & MW_TAKES_LAG ? "lag" : "periods";
    if (f->args.us > 0) {
        (void)mw_duration_print(f->args.us, text);
        mw_json_add_string(writer, key, text);
    } else if (f->args.rows > 0) {
        mw_json_add_int(writer, key, f->args.rows);
    }
    if (takes & MW_TAKES_NUMBER) mw_json_add_number(writer, "number", f->args.number);
    if (!(takes & MW_TAKES_BAND)) return;
    mw_json_key(writer, "band");
    mw_json_array(writer);
    mw_json_write_number(writer, f->args.number);
    mw_json_write_number(writer, f->args.number2);
    mw_json_array_end(writer);
}

static void write_feature(const mw_feature_def *f, mw_json_writer *writer) {
    const int32_t n = f->op ? f->op->n_inputs : 1;
    mw_json_object(writer);
    mw_json_add_string(writer, "name", f->name);
    mw_json_add_string(writer, "op", f->op ? f->op->name : "value");
    mw_json_key(writer, "of");
    mw_json_array(writer);
    for (int32_t k = 0; k < n; k++) mw_json_write_string(writer, f->of[k]);
    mw_json_array_end(writer);
    if (f->op) write_args(f, writer);
    mw_json_object_end(writer);
}

static void write_conditions(const mw_program *p, mw_json_writer *writer) {
    if (p->condition == NONE) return;
    mw_json_key(writer, "conditions");
    mw_json_object(writer);
    mw_json_key(writer, "settings");
    mw_json_array(writer);
    for (int32_t s = 0; s < p->options.n_settings; s++)
        mw_json_write_string(writer, p->inputs[p->settings[s]]);
    mw_json_array_end(writer);
    mw_json_add_int(writer, "count", p->options.n_conditions);
    mw_json_object_end(writer);
}

static void write_limit(double limit, mw_json_writer *writer) {
    if (limit > -DBL_MAX && limit < DBL_MAX)
        mw_json_write_number(writer, limit);
    else
        mw_json_write_null(writer);
}

/* Of the inputs that have one. */
static void write_ranges(const mw_program *p, mw_json_writer *writer) {
    bool any = false;
    for (int32_t i = 0; i < p->n_inputs; i++) {
        const mw_feature_range r = p->options.ranges[i];
        if (r.low == -DBL_MAX && r.high == DBL_MAX) continue;
        if (!any) {
            mw_json_key(writer, "validRanges");
            mw_json_object(writer);
        }
        any = true;
        mw_json_key(writer, p->inputs[i]);
        mw_json_array(writer);
        write_limit(r.low, writer);
        write_limit(r.high, writer);
        mw_json_array_end(writer);
    }
    if (any) mw_json_object_end(writer);
}

static mw_status write_definition(compile *c, mw_err *err) {
    char text[MW_TIME_TEXT_MAX];
    mw_program *p = c->p;
    mw_buf buf;
    mw_json_writer writer;
    mw_buf_init(&buf, c->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&writer, &buf, 0);
    mw_json_object(&writer);
    mw_json_add_int(&writer, "format", FORMAT);
    mw_json_key(&writer, "inputs");
    mw_json_array(&writer);
    for (int32_t i = 0; i < p->n_inputs; i++) mw_json_write_string(&writer, p->inputs[i]);
    mw_json_array_end(&writer);
    if (p->options.sampling_us > 0) {
        (void)mw_duration_print(p->options.sampling_us, text);
        mw_json_add_string(&writer, "samplingInterval", text);
    }
    if (p->options.lateness_us > 0) {
        (void)mw_duration_print(p->options.lateness_us, text);
        mw_json_add_string(&writer, "lateness", text);
    }
    if (p->options.timezone) mw_json_add_string(&writer, "timezone", p->options.timezone);
    write_conditions(p, &writer);
    if (p->options.scaling) mw_json_add_string(&writer, "scaling", p->options.scaling);
    write_ranges(p, &writer);
    mw_json_key(&writer, "features");
    mw_json_array(&writer);
    for (int32_t f = 0; f < c->n_features; f++) write_feature(&c->features[f], &writer);
    mw_json_array_end(&writer);
    mw_json_object_end(&writer);
    mw_status status = mw_buf_status(&buf, "a feature program", err);
    if (!status) {
        p->definition = mw_arena_strndup(&p->arena, mw_buf_text(&buf), buf.size);
        status = p->definition ? mw_sha256_of(p->definition, buf.size, p->hash, err)
                               : mw_fail_nomem(err, "a feature program");
    }
    mw_buf_done(&buf);
    return status;
}

/* ---- all of it ---- */

static mw_status copy_names(mw_program *p, const char *const *inputs,
                            const mw_feature_def *features, mw_err *err) {
    for (int32_t i = 0; i < p->n_inputs; i++)
        if (!(p->inputs[i] = mw_arena_strdup(&p->arena, inputs[i])))
            return mw_fail_nomem(err, "a feature program");
    for (int32_t f = 0; f < p->n_outputs; f++)
        if (!(p->names[f] = mw_arena_strdup(&p->arena, features[f].name)))
            return mw_fail_nomem(err, "a feature program");
    return MW_OK;
}

/* Of its own: the zone and all inputs' ranges. */
static mw_status copy_options(mw_mem *mem, mw_program *p, const mw_program_options *options,
                              mw_err *err) {
    mw_feature_range *ranges = mw_arena_calloc(&p->arena, (size_t)p->n_inputs + 1, sizeof *ranges);
    if (!ranges) return mw_fail_nomem(err, "a feature program");
    for (int32_t i = 0; i < p->n_inputs; i++)
        ranges[i] = options->ranges ? options->ranges[i] : (mw_feature_range){-DBL_MAX, DBL_MAX};
    p->options.ranges = ranges;
    if (!options->timezone) return MW_OK;
    mw_status status = mw_zone_open(mem, options->timezone, &p->zone, err);
    if (status) mw_err_at(err, "timezone");
    if (!status) p->options.timezone = mw_zone_name(p->zone);
    return status;
}

static mw_status check_conditions(const mw_program_options *o, mw_err *err) {
    if (o->n_conditions < 1 || o->n_conditions > MW_LIMIT(CONDITIONS)) {
        mw_fail(err, MW_EINVAL, "the number of operating conditions must be 1 to %lld, not %d",
                (long long)MW_LIMIT(CONDITIONS), (int)o->n_conditions);
        return mw_err_at(err, "conditions/count");
    }
    if (o->n_settings > 0) return MW_OK;
    mw_fail(err, MW_EINVAL, "operating conditions are told by at least one setting");
    return mw_err_at(err, "conditions/settings");
}

/* Settings, the signal of the condition, and what is fitted. */
static mw_status add_conditions(compile *c, mw_err *err) {
    mw_program *p = c->p;
    const mw_program_options *o = &p->options;
    p->condition = NONE;
    if (o->n_conditions == 0 && o->n_settings == 0) return MW_OK;
    mw_status status = check_conditions(o, err);
    for (int32_t s = 0; s < o->n_settings && !status; s++) {
        p->settings[s] = mw_dictionary_find(c->inputs, mw_str_of(o->settings[s]));
        if (p->settings[s] >= 0) continue;
        mw_fail(err, MW_EINVAL, "there is no column %s", o->settings[s]);
        status = mw_err_at(err, "conditions/settings/%d", (int)s);
    }
    p->condition = p->n_signals++;
    if (!status && o->conditions)
        status = mw_conditions_copy(c->mem, o->conditions, &p->conditions, err);
    p->options.conditions = NULL;
    p->options.settings = NULL; /* the caller's */
    return status;
}

/* What was fitted must be of these settings and sensors. */
static mw_status check_fitted(const mw_program *p, mw_err *err) {
    const mw_conditions *c = p->conditions;
    if (!c || (c->n_settings == p->options.n_settings && c->n_sensors == p->n_sensors))
        return MW_OK;
    return mw_fail(err, MW_EDATA, "the operating conditions are those of another feature program");
}

static mw_status take_room(compile *c, mw_err *err) {
    mw_program *p = c->p;
    const size_t n = (size_t)c->n_features, inputs = (size_t)p->n_inputs, signals = n + inputs + 1;
    p->inputs = mw_arena_calloc(&p->arena, inputs + 1, sizeof *p->inputs);
    p->names = mw_arena_calloc(&p->arena, n + 1, sizeof *p->names);
    p->outputs = mw_arena_calloc(&p->arena, n + 1, sizeof *p->outputs);
    p->read = mw_arena_calloc(&p->arena, signals + 1, sizeof *p->read);
    p->kept = mw_arena_calloc(&p->arena, signals + 1, sizeof *p->kept);
    p->nodes = mw_arena_calloc(&p->arena, n + 1, sizeof *p->nodes);
    p->windows = mw_arena_calloc(&p->arena, n + 1, sizeof *p->windows);
    p->sensors = mw_arena_calloc(&p->arena, inputs + 1, sizeof *p->sensors);
    p->settings =
        mw_arena_calloc(&p->arena, (size_t)p->options.n_settings + 1, sizeof *p->settings);
    c->signals = mw_alloc_array(c->mem, n + 1, sizeof *c->signals);
    c->newest = mw_alloc_array(c->mem, signals + 1, sizeof *c->newest);
    c->before = mw_alloc_array(c->mem, n + 1, sizeof *c->before);
    if (!p->inputs || !p->names || !p->outputs || !p->read || !p->kept || !p->nodes ||
        !p->windows || !p->sensors || !p->settings || !c->signals || !c->newest || !c->before)
        return mw_fail_nomem(err, "a feature program");
    for (size_t f = 0; f < n; f++) c->signals[f] = NONE;
    for (size_t s = 0; s <= inputs + 1; s++) c->newest[s] = NONE;
    return MW_OK;
}

static mw_status check_sizes(int32_t n_inputs, int32_t n_features, mw_err *err) {
    if (n_inputs < 0 || n_features < 1)
        return mw_fail(err, MW_EINVAL, "a feature program needs at least one feature");
    if (n_inputs <= MW_LIMIT(MODEL_FEATURES) && n_features <= MW_LIMIT(MODEL_FEATURES))
        return MW_OK;
    return mw_fail(err, MW_ETOOLARGE,
                   "a feature program has at most %lld columns and %lld features, not %d and %d",
                   (long long)MW_LIMIT(MODEL_FEATURES), (long long)MW_LIMIT(MODEL_FEATURES),
                   (int)n_inputs, (int)n_features);
}

mw_status mw_program_new(mw_mem *mem, const char *const *inputs, int32_t n_inputs,
                         const mw_feature_def *features, int32_t n_features,
                         const mw_program_options *options, mw_program **ret, mw_err *err) {
    mw_status status = check_sizes(n_inputs, n_features, err);
    if (status) return status;
    mw_program *p = mw_calloc(mem, 1, sizeof *p);
    if (!p) return mw_fail_nomem(err, "a feature program");
    mw_arena_init(&p->arena, mem);
    p->options = *options;
    p->n_inputs = p->n_signals = n_inputs;
    p->n_outputs = n_features;
    compile c = {.p = p, .mem = mem, .features = features, .n_features = n_features};
    status = take_room(&c, err);
    if (!status) status = copy_options(mem, p, options, err);
    if (!status) status = copy_names(p, inputs, features, err);
    if (!status) status = add_names(&c, err);
    if (!status) status = add_conditions(&c, err);
    for (int32_t f = 0; f < n_features && !status; f++)
        status = resolve(&c, f, 0, &p->outputs[f], err);
    if (!status) status = check_fitted(p, err);
    if (!status) status = write_definition(&c, err);
    for (int32_t k = 0; k < p->n_nodes * MW_NODE_OUTPUTS && !status; k++) {
        mw_feature_node *node = &p->nodes[k / MW_NODE_OUTPUTS];
        const int32_t output = node->outputs[k % MW_NODE_OUTPUTS];
        if (output >= 0 && p->read[output]) node->is_read = true;
    }
    for (int32_t s = 0; s < p->n_signals && !status; s++) {
        if (s < n_inputs) p->kept[s] = true;
        p->n_kept += p->kept[s];
    }
    mw_dictionary_free(c.inputs);
    mw_dictionary_free(c.names);
    mw_free(c.signals);
    mw_free(c.newest);
    mw_free(c.before);
    if (status)
        mw_program_free(p);
    else
        *ret = p;
    return status;
}

void *mw_program_free(mw_program *program) {
    if (!program) return NULL;
    mw_zone_close(program->zone);
    mw_conditions_free(program->conditions);
    mw_arena_done(&program->arena);
    return mw_free(program);
}
