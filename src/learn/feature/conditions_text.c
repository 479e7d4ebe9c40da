/* conditions_text.c -- operating conditions as JSON, and copies of them. */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/feature/conditions.h"

/* Room for n conditions; columns are the settings', then the sensors'. */
static mw_status new_conditions(mw_mem *mem, int32_t n, int32_t n_settings, int32_t n_sensors,
                                mw_conditions **ret, mw_err *err) {
    mw_conditions *c = mw_calloc(mem, 1, sizeof *c);
    if (!c) return mw_fail_nomem(err, "operating conditions");
    const size_t settings = (size_t)n_settings, sensors = (size_t)n_sensors, all = (size_t)n;
    c->n = n;
    c->n_settings = n_settings;
    c->n_sensors = n_sensors;
    c->settings = mw_calloc(mem, settings + 1, sizeof *c->settings);
    c->sensors = mw_calloc(mem, sensors + 1, sizeof *c->sensors);
    c->weights = mw_calloc(mem, settings + 1, sizeof *c->weights);
    c->centers = mw_calloc(mem, all * settings + 1, sizeof *c->centers);
    c->counts = mw_calloc(mem, all * sensors + 1, sizeof *c->counts);
    c->means = mw_calloc(mem, all * sensors + 1, sizeof *c->means);
    c->stds = mw_calloc(mem, all * sensors + 1, sizeof *c->stds);
    if (c->settings && c->sensors && c->weights && c->centers && c->counts && c->means && c->stds) {
        for (int32_t s = 0; s < n_settings; s++) c->settings[s] = s;
        for (int32_t s = 0; s < n_sensors; s++) c->sensors[s] = n_settings + s;
        *ret = c;
        return MW_OK;
    }
    mw_conditions_free(c);
    return mw_fail_nomem(err, "operating conditions");
}

mw_status mw_conditions_copy(mw_mem *mem, const mw_conditions *from, mw_conditions **ret,
                             mw_err *err) {
    mw_conditions *c = NULL;
    mw_status status = new_conditions(mem, from->n, from->n_settings, from->n_sensors, &c, err);
    if (status) return status;
    const size_t settings = (size_t)from->n_settings, sensors = (size_t)from->n_sensors;
    const size_t all = (size_t)from->n;
    memcpy(c->settings, from->settings, settings * sizeof *c->settings);
    memcpy(c->sensors, from->sensors, sensors * sizeof *c->sensors);
    memcpy(c->weights, from->weights, settings * sizeof *c->weights);
    memcpy(c->centers, from->centers, all * settings * sizeof *c->centers);
    memcpy(c->counts, from->counts, all * sensors * sizeof *c->counts);
    memcpy(c->means, from->means, all * sensors * sizeof *c->means);
    memcpy(c->stds, from->stds, all * sensors * sizeof *c->stds);
    *ret = c;
    return MW_OK;
}

/* ---- writing ---- */

/* "key": [values[0], values[step], ...], n of them; one that is not a number is null. */
static void write_numbers(mw_json_writer *w, const char *key, const double *values, int32_t n,
                          int32_t step) {
    mw_json_key(w, key);
    mw_json_array(w);
    for (int32_t i = 0; i < n; i++) mw_json_write_number(w, values[(size_t)i * (size_t)step]);
    mw_json_array_end(w);
}

void mw_conditions_write(const mw_conditions *c, const char *const *settings,
                         const char *const *sensors, mw_json_writer *w) {
    mw_json_object(w);
    mw_json_add_int(w, "n", c->n);
    mw_json_key(w, "settings");
    mw_json_array(w);
    for (int32_t s = 0; s < c->n_settings; s++) {
        mw_json_object(w);
        mw_json_add_string(w, "name", settings[s]);
        mw_json_add_number(w, "weight", c->weights[s]);
        write_numbers(w, "centers", c->centers + s, c->n, c->n_settings);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
    mw_json_key(w, "sensors");
    mw_json_array(w);
    for (int32_t s = 0; s < c->n_sensors; s++) {
        mw_json_object(w);
        mw_json_add_string(w, "name", sensors[s]);
        write_numbers(w, "counts", c->counts + s, c->n, c->n_sensors);
        write_numbers(w, "means", c->means + s, c->n, c->n_sensors);
        write_numbers(w, "stds", c->stds + s, c->n, c->n_sensors);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
    mw_json_object_end(w);
}

/* ---- reading ---- */

static mw_status bad(mw_err *err, const char *what) {
    return mw_fail(err, MW_EDATA, "operating conditions: %s is missing or unusable", what);
}

/* What write_numbers wrote; numbers of at least `least`, or null where missing is allowed. */
static bool read_numbers(const mw_json *list, int32_t n, double least, bool may_miss,
                         double *values, int32_t step) {
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children != (uint32_t)n) return false;
    const mw_json *one = list->first;
    for (int32_t i = 0; i < n; i++, one = one->next) {
        const bool missing = one->kind == MW_JSON_NULL && may_miss;
        if (!missing && !(one->kind == MW_JSON_NUMBER && one->number >= least)) return false;
        values[(size_t)i * (size_t)step] = missing ? MW_NAN : one->number;
    }
    return true;
}

static bool is_list(const mw_json *list, int32_t n) {
    return list && list->kind == MW_JSON_ARRAY && list->n_children == (uint32_t)n;
}

static bool is_named(const mw_json *one, const char *name) {
    return mw_str_is(mw_json_string(mw_json_get(one, "name"), ""), name);
}

static bool read_setting(const mw_json *one, const char *name, int32_t s, mw_conditions *c) {
    c->weights[s] = mw_json_number(mw_json_get(one, "weight"), -1);
    return is_named(one, name) && c->weights[s] > 0 &&
           read_numbers(mw_json_get(one, "centers"), c->n, -MW_INFINITY, false, c->centers + s,
                        c->n_settings);
}

static bool read_sensor(const mw_json *one, const char *name, int32_t s, mw_conditions *c) {
    const int32_t step = c->n_sensors;
    return is_named(one, name) &&
           read_numbers(mw_json_get(one, "counts"), c->n, 0, false, c->counts + s, step) &&
           read_numbers(mw_json_get(one, "means"), c->n, -MW_INFINITY, true, c->means + s, step) &&
           read_numbers(mw_json_get(one, "stds"), c->n, 0, false, c->stds + s, step);
}

mw_status mw_conditions_read(mw_mem *mem, const mw_json *json, const char *const *settings,
                             int32_t n_settings, const char *const *sensors, int32_t n_sensors,
                             mw_conditions **ret, mw_err *err) {
    const int64_t n = mw_json_int(mw_json_get(json, "n"), 0);
    const mw_json *of_settings = mw_json_get(json, "settings");
    const mw_json *of_sensors = mw_json_get(json, "sensors");
    if (n < 1 || n > MW_LIMIT(CONDITIONS)) return bad(err, "their number");
    if (!is_list(of_settings, n_settings)) return bad(err, "the list of settings");
    if (!is_list(of_sensors, n_sensors)) return bad(err, "the list of sensors");
    mw_conditions *c = NULL;
    mw_status status = new_conditions(mem, (int32_t)n, n_settings, n_sensors, &c, err);
    const mw_json *one = of_settings->first;
    for (int32_t s = 0; s < n_settings && !status; s++, one = one->next)
        if (!read_setting(one, settings[s], s, c)) status = bad(err, settings[s]);
    one = of_sensors->first;
    for (int32_t s = 0; s < n_sensors && !status; s++, one = one->next)
        if (!read_sensor(one, sensors[s], s, c)) status = bad(err, sensors[s]);
    if (status)
        mw_conditions_free(c);
    else
        *ret = c;
    return status;
}
