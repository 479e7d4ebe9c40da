/*
 * config_usual.c -- what columns get by themselves: lags, windows, pairs, how they change and how unusual they are, the time, and what their industry
 * knows of them.
 */
#include <stdio.h>
#include <string.h>

#include "core/text/number.h"
#include "learn/feature/config_parts.h"
#include "learn/feature/industries.h"

static mw_status add_lags(mw_config__reading *r, const mw_config__columns *c,
                          const char *const *lags, size_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t k = 0; k < n; k++) {
        double seconds;
        (void)snprintf(r->where, sizeof r->where, "/schemaConfig/lagSeconds/%zu", k);
        const bool is_number = mw_number_read(lags[k], strlen(lags[k]), &seconds);
        if (!is_number || !(seconds >= 1e-6 && seconds <= 1e9))
            return mw_config__fail(r, "", err, "a lag is a positive number of seconds",
                                   "\"lagSeconds\": [60, 120]");
        char *text = mw_arena_printf(r->arena, "%ss", lags[k]);
        if (!text) return mw_config__no_memory(err);
        const mw_config__stretch length = {.text = text, .us = (int64_t)(seconds * 1e6 + 0.5)};
        for (size_t i = 0; i < c->n_numbers && !status; i++)
            status = mw_config__add(r, mw_config__op("lag"), c->numbers[i], NULL, &length, NULL,
                                    NULL, err);
    }
    return status;
}

static mw_status add_windows(mw_config__reading *r, const mw_config__columns *c,
                             const char *const *windows, size_t n, mw_err *err) {
    static const char *const ops[] = {"mean", "std", "min", "max", "median"};
    mw_status status = MW_OK;
    for (size_t k = 0; k < n; k++) {
        mw_config__stretch length;
        (void)snprintf(r->where, sizeof r->where, "/schemaConfig/rollingWindows/%zu", k);
        if (!mw_config__read_length(windows[k], &length))
            return mw_config__fail_length(r, windows[k], err);
        for (size_t i = 0; i < c->n_numbers; i++)
            for (size_t o = 0; o < sizeof ops / sizeof *ops && !status; o++)
                status = mw_config__add(r, mw_config__op(ops[o]), c->numbers[i], NULL, &length,
                                        NULL, NULL, err);
    }
    return status;
}

/* What no key names: the values, how they change, how unusual they are, each with each other, and the time. */
/* Where there are operating conditions: of all columns that do not tell them. */
static mw_status add_normal(mw_config__reading *r, const mw_config__columns *c,
                            const mw_json *conditions, mw_err *err) {
    const mw_json *settings = mw_json_get(conditions, "settings");
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/conditions");
    for (size_t i = 0; conditions && i < c->n_numbers && !status; i++) {
        bool tells = false;
        for (const mw_json *one = settings ? settings->first : NULL; one; one = one->next)
            tells |= one->kind == MW_JSON_STRING && mw_str_is(one->string, c->numbers[i]);
        if (!tells)
            status = mw_config__add(r, mw_config__op("normal"), c->numbers[i], NULL, NULL, NULL,
                                    NULL, err);
    }
    return status;
}

static mw_status add_unnamed(mw_config__reading *r, const mw_config__columns *c,
                             const char *longest, bool pairs, mw_err *err) {
    static const char *const ops[] = {"rate", "acceleration", "zscore"};
    static const char *const times[] = {"hour_sin", "hour_cos", "weekday_sin", "weekday_cos"};
    const mw_config__stretch one = {.text = "1", .rows = 1};
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/continuousColumns");
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
        for (size_t i = 0; i < c->n_numbers && !status; i++)
            status = mw_config__add(r, mw_config__op(ops[o]), c->numbers[i], NULL,
                                    o < 2 ? &one : NULL, NULL, NULL, err);
    mw_config__stretch length;
    for (size_t i = 0; longest && i < c->n_numbers && !status; i++)
        if (mw_config__read_length(longest, &length))
            status = mw_config__add(r, mw_config__op("mad_distance"), c->numbers[i], NULL, &length,
                                    NULL, NULL, err);
    for (size_t i = 0; i < c->n_numbers && pairs; i++)
        for (size_t j = i + 1; j < c->n_numbers && !status; j++)
            status = mw_config__add(r, mw_config__op("product"), c->numbers[i], c->numbers[j], NULL,
                                    NULL, NULL, err);
    for (size_t k = 0; k < sizeof times / sizeof *times && !status; k++)
        status = mw_config__add(r, mw_config__op(times[k]), NULL, NULL, NULL, NULL, NULL, err);
    return status;
}

/* [["a", "b"], ...]: one feature for each pair of columns. */
static mw_status add_pairs(mw_config__reading *r, const mw_json *list, const char *key,
                           const char *op, mw_err *err) {
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/%s", key);
    if (!list) return MW_OK;
    if (list->kind != MW_JSON_ARRAY)
        return mw_config__fail(r, "", err, "must be a list of pairs of columns",
                               "[[\"power\", \"speed\"], [\"temperature\", \"vibration\"]]");
    mw_status status = MW_OK;
    int k = 0;
    for (const mw_json *one = list->first; one && !status; one = one->next) {
        const mw_json *a = mw_json_at(one, 0), *b = mw_json_at(one, 1);
        (void)snprintf(r->where, sizeof r->where, "/schemaConfig/%s/%d", key, k++);
        if (one->kind != MW_JSON_ARRAY || one->n_children != 2 || a->kind != MW_JSON_STRING ||
            b->kind != MW_JSON_STRING)
            return mw_config__fail(r, "", err, "a pair is two columns", "[\"power\", \"speed\"]");
        const char *of[2] = {mw_arena_strndup(r->arena, a->string.data, a->string.size),
                             mw_arena_strndup(r->arena, b->string.data, b->string.size)};
        status = of[0] && of[1]
                     ? mw_config__add(r, mw_config__op(op), of[0], of[1], NULL, NULL, NULL, err)
                     : mw_config__no_memory(err);
    }
    return status;
}

/* How long ago it was, of each. */
static mw_status add_events(mw_config__reading *r, const mw_config__columns *c, mw_err *err) {
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/maintenanceEvents");
    for (size_t i = 0; i < c->n_events && !status; i++)
        status = mw_config__add(r, mw_config__op("since_event"), c->events[i], NULL, NULL, NULL,
                                NULL, err);
    return status;
}

/* ---- what an industry knows of its columns ---- */

static bool listed(const char *const *names, size_t n, mw_str name) {
    for (size_t i = 0; i < n; i++)
        if (mw_str_is(name, names[i])) return true;
    return false;
}

static bool is_known(const mw_config__reading *r, const mw_config__columns *c, mw_str name) {
    if (listed(c->numbers, c->n_numbers, name) || listed(c->truths, c->n_truths, name)) return true;
    for (int32_t f = 0; f < r->n; f++)
        if (mw_str_is(name, r->features[f].name)) return true;
    return false;
}

static bool all_known(const mw_config__reading *r, const mw_config__columns *c,
                      const mw_json *entry) {
    const mw_json *of = mw_json_get(entry, "of");
    if (of->kind == MW_JSON_STRING) return is_known(r, c, of->string);
    for (const mw_json *name = of->first; name; name = name->next)
        if (!is_known(r, c, name->string)) return false;
    return true;
}

/* Drops those from `from` on that are there already. */
static void drop_known(mw_config__reading *r, int32_t from) {
    int32_t n = from;
    for (int32_t f = from; f < r->n; f++) {
        bool is_there = false;
        for (int32_t g = 0; g < from && !is_there; g++)
            is_there = strcmp(r->features[f].name, r->features[g].name) == 0;
        if (!is_there) r->features[n++] = r->features[f];
    }
    r->n = n;
}

static mw_status add_domain(mw_config__reading *r, const mw_config__columns *c, mw_err *err) {
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/continuousColumns");
    for (const mw_industry *industry = mw_industries; industry->name && !status; industry++) {
        const mw_json *list;
        status =
            mw_json_parse(r->arena, industry->features, strlen(industry->features), &list, err);
        for (const mw_json *e = status ? NULL : list->first; e && !status; e = e->next) {
            const int32_t from = r->n;
            if (!all_known(r, c, e)) continue;
            status = mw_config__read_entry(r, e, err);
            drop_known(r, from);
        }
    }
    return status;
}

/* ---- all of it ---- */

static mw_status add_values(mw_config__reading *r, const mw_config__columns *c, mw_err *err) {
    mw_status status = MW_OK;
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/continuousColumns");
    for (size_t i = 0; i < c->n_numbers && !status; i++)
        status = mw_config__add(r, NULL, c->numbers[i], NULL, NULL, NULL, NULL, err);
    (void)snprintf(r->where, sizeof r->where, "/schemaConfig/booleanColumns");
    for (size_t i = 0; i < c->n_truths && !status; i++)
        status = mw_config__add(r, NULL, c->truths[i], NULL, NULL, NULL, NULL, err);
    return status;
}

static const char *longest_of(const char *const *windows, size_t n) {
    const char *best = NULL;
    mw_config__stretch most = {0}, length;
    for (size_t k = 0; k < n; k++) {
        if (!mw_config__read_length(windows[k], &length)) continue;
        if (best && (length.us < most.us || (length.us == most.us && length.rows <= most.rows)))
            continue;
        best = windows[k];
        most = length;
    }
    return best;
}

mw_status mw_config__add_usual(mw_config__reading *r, const mw_args *schema,
                               const mw_config__columns *c, bool all, mw_err *err) {
    const char *const *lags, *const *windows;
    const size_t n_lags = mw_args_list(schema, "lagSeconds", &lags);
    const size_t n_windows = mw_args_list(schema, "rollingWindows", &windows);
    const mw_json *interactions = mw_args_json(schema, "interactions");
    mw_status status = all ? add_values(r, c, err) : MW_OK;
    if (!status) status = add_lags(r, c, lags, n_lags, err);
    if (!status) status = add_windows(r, c, windows, n_windows, err);
    if (!status) status = add_pairs(r, interactions, "interactions", "product", err);
    if (!status) status = add_pairs(r, mw_args_json(schema, "ratios"), "ratios", "ratio", err);
    if (!status) status = add_events(r, c, err);
    if (!status && all)
        status = add_unnamed(r, c, longest_of(windows, n_windows), !interactions, err);
    if (!status && all) status = add_normal(r, c, mw_args_json(schema, "conditions"), err);
    if (!status && all) status = add_domain(r, c, err);
    return status;
}
