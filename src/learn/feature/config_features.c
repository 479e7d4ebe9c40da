/*
 * config_features.c -- entries of a list of features: {"op": ["mean", "std"], "of": [...], "window": "5min"} becomes one feature for each operator,
 * column and window.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/param/nearest.h"
#include "core/text/datetime.h"
#include "core/text/number.h"
#include "learn/feature/config_parts.h"

/* ---- features ---- */

static mw_status add(mw_config__reading *r, const mw_feature_def *feature, mw_err *err) {
    if (r->n >= MW_LIMIT(MODEL_FEATURES)) {
        mw_fail(err, MW_ETOOLARGE, "a configuration makes at most %lld features",
                (long long)MW_LIMIT(MODEL_FEATURES));
        mw_err_at(err, "%s", r->where);
        return MW_ETOOLARGE;
    }
    if (r->n == r->capacity) {
        const int32_t capacity = r->capacity ? 2 * r->capacity : 64;
        void *more = mw_realloc(r->mem, r->features, (size_t)capacity * sizeof *r->features);
        if (!more) return mw_config__no_memory(err);
        r->features = more;
        r->capacity = capacity;
    }
    r->features[r->n] = *feature;
    r->features[r->n].where = mw_arena_strdup(r->arena, r->where);
    if (!feature->name || !r->features[r->n].where) return mw_config__no_memory(err);
    r->n++;
    return MW_OK;
}

bool mw_config__read_length(const char *text, mw_config__stretch *ret) {
    *ret = (mw_config__stretch){.text = text};
    const size_t size = strlen(text);
    if (mw_number_read_int(text, size, &ret->rows)) return ret->rows > 0;
    ret->rows = 0;
    return mw_duration_read(text, size, &ret->us) && ret->us > 0;
}

mw_status mw_config__fail_length(const mw_config__reading *r, const char *text, mw_err *err) {
    mw_fail(err, MW_EINVAL, "\"%.60s\" is neither a time nor a number of rows", text);
    mw_err_hint(err, "20 (rows), \"90s\", \"5min\", \"2h\" or \"7d\", and more than none");
    mw_err_at(err, "%s", r->where);
    return MW_EINVAL;
}

/* column_op, column_op_5min, column_quantile_5min_0.9, a_x_b */
static const char *name_of(const mw_config__reading *r, const mw_operator *op,
                           const char *const *of, const mw_config__stretch *length,
                           const double *numbers) {
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

mw_status mw_config__add(mw_config__reading *r, const mw_operator *op, const char *a, const char *b,
                         const mw_config__stretch *length, const double *numbers, const char *name,
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

static mw_status read_words(const mw_config__reading *r, const mw_json *value, const char *key,
                            bool numbers, words *ret, mw_err *err) {
    const mw_json *one = value && value->kind == MW_JSON_ARRAY ? value->first : value;
    const int32_t n = !value ? 0 : value->kind == MW_JSON_ARRAY ? (int32_t)value->n_children : 1;
    ret->items = mw_arena_calloc(r->arena, (size_t)n + 1, sizeof *ret->items);
    if (!ret->items) return mw_config__no_memory(err);
    for (ret->n = 0; ret->n < n; one = one->next) {
        if (one->kind != MW_JSON_STRING && !(numbers && one->kind == MW_JSON_NUMBER)) {
            mw_fail(err, MW_EINVAL, "\"%s\" must be a text%s or a list of them", key,
                    numbers ? ", a number" : "");
            mw_err_at(err, "%s/%s", r->where, key);
            return MW_EINVAL;
        }
        ret->items[ret->n] = mw_arena_strndup(r->arena, one->string.data, one->string.size);
        if (!ret->items[ret->n++]) return mw_config__no_memory(err);
    }
    return MW_OK;
}

static mw_status check_keys(const mw_config__reading *r, const mw_json *entry, mw_err *err) {
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

static mw_status find_op(const mw_config__reading *r, const char *name, const mw_operator **ret,
                         mw_err *err) {
    *ret = mw_config__op(name);
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

mw_status mw_config__fail(const mw_config__reading *r, const char *key, mw_err *err,
                          const char *what, const char *hint) {
    mw_fail(err, MW_EINVAL, "%s", what);
    mw_err_hint(err, "%s", hint);
    mw_err_at(err, "%s%s%s", r->where, key[0] ? "/" : "", key);
    return MW_EINVAL;
}

/* One operator of an entry, over its columns and lengths. */
static mw_status add_op(mw_config__reading *r, const entry *e, const mw_operator *op, mw_err *err) {
    const int32_t n_inputs = op ? op->n_inputs : 1;
    const bool two = n_inputs == 2, may_lack = op && (op->takes & MW_TAKES_PERIODS);
    const int32_t n_of = n_inputs == 1 ? e->of.n : 1;
    const char *key = length_key(op);
    mw_status status = MW_OK;
    if (two && e->of.n != 2)
        return mw_config__fail(r, "of", err, "this operator takes two columns",
                               "\"of\": [\"a\", \"b\"]");
    if (n_inputs == 1 && e->of.n == 0)
        return mw_config__fail(r, "of", err, "\"of\" names no column", "\"of\": [\"temperature\"]");
    if (n_inputs == 0 && e->of.n > 0)
        return mw_config__fail(r, "of", err, "this operator takes no column, only the time",
                               "leave \"of\" out");
    if (e->length_key && (!key || strcmp(key, e->length_key) != 0))
        return mw_config__fail(
            r, e->length_key, err, "this operator does not take that",
            key ? "a window is for rolling statistics, a lag for lag, periods for changes"
                : "leave it out");
    if (key && !may_lack && e->lengths.n == 0)
        return mw_config__fail(r, "", err, "a window or lag is missing",
                               "\"window\": \"5min\" or 20 (rows); \"lag\": \"60s\"");
    const int32_t n_lengths = key && e->lengths.n > 0 ? e->lengths.n : 1;
    for (int32_t w = 0; w < n_lengths && !status; w++) {
        mw_config__stretch length = {.text = "1", .rows = 1};
        if (key && e->lengths.n > 0 && !mw_config__read_length(e->lengths.items[w], &length))
            return mw_config__fail_length(r, e->lengths.items[w], err);
        for (int32_t c = 0; c < n_of && !status; c++)
            status =
                mw_config__add(r, op, e->of.n ? e->of.items[c] : NULL, two ? e->of.items[1] : NULL,
                               key ? &length : NULL, e->numbers, e->name, err);
    }
    return status;
}

/* Those that are not given are refused where an operator takes them. */
static mw_status read_numbers(const mw_config__reading *r, const mw_json *json, entry *e,
                              mw_err *err) {
    const mw_json *number = mw_json_get(json, "number"), *band = mw_json_get(json, "band");
    e->numbers[0] = e->numbers[1] = mw_json_number(number, -1e300);
    if (number && number->kind != MW_JSON_NUMBER)
        return mw_config__fail(r, "number", err, "\"number\" must be a number", "\"number\": 0.9");
    if (!band) return MW_OK;
    const mw_json *low = mw_json_at(band, 0), *high = mw_json_at(band, 1);
    if (band->kind != MW_JSON_ARRAY || band->n_children != 2 || low->kind != MW_JSON_NUMBER ||
        high->kind != MW_JSON_NUMBER)
        return mw_config__fail(r, "band", err, "a band is two frequencies in Hz",
                               "\"band\": [10, 100]");
    e->numbers[0] = low->number;
    e->numbers[1] = high->number;
    return MW_OK;
}

mw_status mw_config__read_entry(mw_config__reading *r, const mw_json *json, mw_err *err) {
    static const char *const length_keys[] = {"window", "lag", "periods"};
    entry e = {0};
    mw_status status = check_keys(r, json, err);
    if (!status) status = read_words(r, mw_json_get(json, "op"), "op", false, &e.ops, err);
    if (!status) status = read_words(r, mw_json_get(json, "of"), "of", false, &e.of, err);
    for (int k = 0; k < 3 && !status; k++) {
        const mw_json *value = mw_json_get(json, length_keys[k]);
        if (!value) continue;
        if (e.length_key)
            return mw_config__fail(r, length_keys[k], err,
                                   "a feature has one of window, lag and periods",
                                   "make it two features");
        e.length_key = length_keys[k];
        status = read_words(r, value, e.length_key, true, &e.lengths, err);
    }
    if (status) return status;
    if (e.ops.n == 0)
        return mw_config__fail(r, "", err, "a feature needs an \"op\"", "{\"op\": \"mean\", ...}");
    status = read_numbers(r, json, &e, err);
    if (status) return status;
    const mw_json *name = mw_json_get(json, "name");
    if (name) {
        if (name->kind != MW_JSON_STRING)
            return mw_config__fail(r, "name", err, "a feature's name is a text",
                                   "\"name\": \"hot\"");
        e.name = mw_arena_strndup(r->arena, name->string.data, name->string.size);
        if (!e.name) return mw_config__no_memory(err);
    }
    for (int32_t k = 0; k < e.ops.n && !status; k++) {
        const mw_operator *op;
        status = find_op(r, e.ops.items[k], &op, err);
        if (!status) status = add_op(r, &e, op, err);
    }
    return status;
}

mw_status mw_config__read_features(mw_config__reading *r, const mw_json *list, const char *where,
                                   mw_err *err) {
    mw_status status = MW_OK;
    int32_t number = 0;
    (void)snprintf(r->where, sizeof r->where, "%s", where);
    if (list->kind != MW_JSON_ARRAY)
        return mw_config__fail(r, "", err, "features must be a list",
                               "[{\"op\": \"mean\", \"of\": [...], \"window\": \"5min\"}]");
    for (const mw_json *one = list->first; one && !status; one = one->next) {
        (void)snprintf(r->where, sizeof r->where, "%s/%d", where, (int)number++);
        status = mw_config__read_entry(r, one, err);
    }
    return status;
}
