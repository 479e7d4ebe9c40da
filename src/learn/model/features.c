/*
 * features.c -- the ordered feature list, which fixes names, kinds and category codes at fit; what it makes of tables: features_matrix.c.
 */
#include "learn/model/learner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/number.h"

struct mw_features {
    mw_mem *mem;
    int32_t n;
    int32_t capacity;
    mw_feature *items; /* [capacity] */
    char *config_text; /* [config_size] of a feature program; NULL: none */
    size_t config_size;
    mw_feature_config config;
    mw_scaling *scaling; /* NULL: none, or not fitted yet */
};

enum { CHECK_ROWS = 65536 }; /* rows read between two looks at the cancel token */

const char *mw_feature__kind_name(mw_feature_kind kind) {
    static const char *const names[] = {"number", "bool", "category"};
    return names[kind];
}

mw_status mw_features__new(mw_mem *mem, int32_t n, mw_features **ret, mw_err *err) {
    if (n < 0 || n > MW_LIMIT(MODEL_FEATURES)) {
        mw_fail(err, MW_ETOOLARGE, "%d features; a model takes at most %lld", n,
                (long long)MW_LIMIT(MODEL_FEATURES));
        mw_err_hint(err, "drop columns that are not needed");
        return MW_ETOOLARGE;
    }
    mw_features *features = mw_calloc(mem, 1, sizeof *features);
    if (!features) return mw_fail_nomem(err, "the feature list");
    features->mem = mem;
    features->capacity = n;
    features->items = mw_calloc(mem, (size_t)n, sizeof *features->items);
    if (!features->items) {
        mw_free(features);
        return mw_fail_nomem(err, "the feature list");
    }
    *ret = features;
    return MW_OK;
}

void *mw_features_free(mw_features *features) {
    if (!features) return NULL;
    for (int32_t i = 0; i < features->n; i++) {
        mw_feature *feature = &features->items[i];
        for (int32_t k = 0; k < feature->n_categories; k++) mw_free(feature->categories[k]);
        mw_free(feature->categories);
        mw_free(feature->name);
    }
    if (features->config_text) mw_feature_config_done(&features->config);
    mw_free(features->config_text);
    mw_scaling_free(features->scaling);
    mw_free(features->items);
    return mw_free(features);
}

const mw_feature_config *mw_features_program(const mw_features *features) {
    return features->config_text ? &features->config : NULL;
}

mw_str mw_features__config(const mw_features *features) {
    return (mw_str){features->config_text, features->config_text ? features->config_size : 0};
}

int32_t mw_features_count(const mw_features *features) { return features->n; }

const mw_feature *mw_features_at(const mw_features *features, int32_t index) {
    return &features->items[index];
}

mw_status mw_features__add(mw_features *features, mw_str name, mw_feature_kind kind,
                           const mw_str *categories, int32_t n_categories, mw_err *err) {
    if (features->n >= features->capacity)
        return mw_fail(err, MW_EINTERNAL, "the feature list is full");
    /* The entry counts from here on, so that a failure half-way is freed with the list. */
    mw_feature *feature = &features->items[features->n++];
    feature->kind = kind;
    feature->name = mw_strndup(features->mem, name.data, name.size);
    if (!feature->name) return mw_fail_nomem(err, "a feature's name");
    if (n_categories == 0) return MW_OK;
    feature->categories = mw_calloc(features->mem, (size_t)n_categories, sizeof(char *));
    if (!feature->categories) return mw_fail_nomem(err, "categories");
    for (int32_t k = 0; k < n_categories; k++) {
        feature->categories[k] = mw_strndup(features->mem, categories[k].data, categories[k].size);
        if (!feature->categories[k]) return mw_fail_nomem(err, "categories");
        feature->n_categories = k + 1;
    }
    return MW_OK;
}

static mw_status take_config(mw_features *features, mw_feature_config *config, mw_str text,
                             mw_err *err) {
    features->config_text = mw_strndup(features->mem, text.data, text.size);
    if (!features->config_text) return mw_fail_nomem(err, "the feature program");
    features->config_size = text.size;
    features->config = *config;
    *config = (mw_feature_config){0};
    return MW_OK;
}

/* conditions: fitted for it; NULL: nothing yet. */
static mw_status of_program(mw_mem *mem, mw_str text, const mw_conditions *conditions,
                            mw_features **ret, mw_err *err) {
    mw_feature_config config;
    mw_features *features = NULL;
    mw_status status =
        mw_feature_config_read_fitted(mem, text.data, text.size, conditions, &config, err);
    if (status) return status;
    const mw_program *p = config.program;
    status = mw_features__new(mem, p->n_outputs + config.n_categories, &features, err);
    for (int32_t c = 0; c < p->n_outputs && !status; c++)
        status =
            mw_features__add(features, mw_str_of(p->names[c]), MW_FEATURE_NUMBER, NULL, 0, err);
    if (!status) status = take_config(features, &config, text, err);
    if (status) {
        mw_feature_config_done(&config);
        mw_features_free(features);
        return status;
    }
    *ret = features;
    return MW_OK;
}

bool mw_features_need_conditions(const mw_features *features) {
    const mw_feature_config *config = mw_features_program(features);
    return config && config->program->n_sensors > 0 && !config->program->conditions;
}

mw_status mw_features_set_conditions(mw_features *features, const mw_conditions *conditions,
                                     mw_err *err) {
    mw_feature_config config;
    mw_status status = mw_feature_config_read_fitted(
        features->mem, features->config_text, features->config_size, conditions, &config, err);
    if (status) return status;
    mw_feature_config_done(&features->config);
    features->config = config;
    return MW_OK;
}

const mw_scaling *mw_features_scaling(const mw_features *features) { return features->scaling; }

void mw_features__set_scaling(mw_features *features, mw_scaling *scaling) {
    mw_scaling_free(features->scaling);
    features->scaling = scaling;
}

mw_status mw_features_fit(const mw_ctx *ctx, mw_features *features, mw_matrix rows, mw_err *err) {
    const mw_feature_config *config = mw_features_program(features);
    mw_scaling *scaling = NULL;
    if (!config || config->scaling == MW_SCALING_NONE) return MW_OK;
    mw_ctx own = *ctx;
    own.mem = features->mem;
    mw_status status =
        mw_scaling_fit(&own, config->scaling, rows, config->program->n_outputs, &scaling, err);
    if (!status) mw_features__set_scaling(features, scaling);
    return status;
}

mw_status mw_features_of_program(const mw_ctx *ctx, mw_str config, mw_features **ret, mw_err *err) {
    return of_program(ctx->mem, config, NULL, ret, err);
}

static mw_status copy_feature(mw_mem *mem, const mw_feature *from, mw_features *to, mw_err *err) {
    mw_str *texts = mw_alloc_array(mem, (size_t)from->n_categories + 1, sizeof *texts);
    if (!texts) return mw_fail_nomem(err, "categories");
    for (int32_t k = 0; k < from->n_categories; k++) texts[k] = mw_str_of(from->categories[k]);
    mw_status status =
        mw_features__add(to, mw_str_of(from->name), from->kind, texts, from->n_categories, err);
    mw_free(texts);
    return status;
}

mw_status mw_features__copy(mw_mem *mem, const mw_features *features, mw_features **ret,
                            mw_err *err) {
    mw_features *copy = NULL;
    mw_status status = features->config_text
                           ? of_program(mem, mw_features__config(features),
                                        features->config.program->conditions, &copy, err)
                           : mw_features__new(mem, features->n, &copy, err);
    for (int32_t i = status ? 0 : copy->n; !status && i < features->n; i++)
        status = copy_feature(mem, &features->items[i], copy, err);
    if (!status && features->scaling)
        status = mw_scaling_copy(mem, features->scaling, &copy->scaling, err);
    if (status)
        mw_features_free(copy);
    else
        *ret = copy;
    return status;
}

int32_t mw_features__find(const mw_features *features, mw_str name) {
    for (int32_t i = 0; i < features->n; i++)
        if (mw_str_is(name, features->items[i].name)) return i;
    return -1;
}

int32_t mw_feature__code(const mw_feature *feature, mw_str text) {
    int32_t low = 0, high = feature->n_categories;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = mw_str_compare(mw_str_of(feature->categories[middle]), text);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* ---- from a table ---- */

static int compare_texts(const void *a, const void *b) {
    return mw_str_compare(*(const mw_str *)a, *(const mw_str *)b);
}

/* The distinct texts of a column, sorted; texts point into the column or, for utf8, into *scratch.
 */
static mw_status distinct_texts(const mw_ctx *ctx, const mw_column *column, mw_dictionary **scratch,
                                mw_str **ret, int32_t *ret_n, mw_err *err) {
    mw_dictionary *dictionary = column->dictionary;
    uint8_t *seen = NULL;
    mw_str *texts = NULL;
    mw_status status = MW_OK;
    if (column->type == MW_UTF8) {
        status = mw_dictionary_new(ctx->mem, scratch, err);
        if (status) return status;
        dictionary = *scratch;
        for (int64_t row = 0; row < column->n_rows; row++) {
            int32_t code;
            if (!mw_column_has(column, row)) continue;
            status = mw_dictionary_add(dictionary, mw_column_text(column, row), &code, err);
            if (!status && row % CHECK_ROWS == 0) status = mw_ctx_check(ctx, err);
            if (status) return status;
            if (mw_dictionary_size(dictionary) > MW_LIMIT(CATEGORIES)) break;
        }
    }
    int32_t size = mw_dictionary_size(dictionary), n = 0;
    seen = mw_calloc(ctx->mem, (size_t)size, 1);
    texts = mw_alloc_array(ctx->mem, (size_t)size, sizeof *texts);
    if (!seen || !texts) {
        status = mw_fail_nomem(err, "categories");
        goto fail;
    }
    if (column->type == MW_UTF8)
        memset(seen, 1, (size_t)size);
    else
        for (int64_t row = 0; row < column->n_rows; row++)
            if (column->codes[row] >= 0) seen[column->codes[row]] = 1;
    for (int32_t code = 0; code < size; code++)
        if (seen[code]) texts[n++] = mw_dictionary_text(dictionary, code);
    if (n > MW_LIMIT(CATEGORIES)) {
        mw_fail(err, MW_ETOOLARGE, "column '%s' has more than %lld different texts", column->name,
                (long long)MW_LIMIT(CATEGORIES));
        mw_err_hint(err, "drop the column: it looks like an identifier, not a category");
        status = MW_ETOOLARGE;
        goto fail;
    }
    qsort(texts, (size_t)n, sizeof *texts, compare_texts);
    mw_free(seen);
    *ret = texts;
    *ret_n = n;
    return MW_OK;
fail:
    mw_free(seen);
    mw_free(texts);
    return status;
}

static bool is_named(const char *name, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (names[i] && strcmp(names[i], name) == 0) return true;
    return false;
}

static mw_status add_column(const mw_ctx *ctx, mw_features *features, const mw_column *column,
                            mw_err *err) {
    mw_str name = mw_str_of(column->name);
    if (column->type == MW_FLOAT64)
        return mw_features__add(features, name, MW_FEATURE_NUMBER, NULL, 0, err);
    if (column->type == MW_BOOL)
        return mw_features__add(features, name, MW_FEATURE_BOOL, NULL, 0, err);
    mw_dictionary *scratch = NULL;
    mw_str *texts = NULL;
    int32_t n = 0;
    mw_status status = distinct_texts(ctx, column, &scratch, &texts, &n, err);
    if (!status) status = mw_features__add(features, name, MW_FEATURE_CATEGORY, texts, n, err);
    mw_free(texts);
    mw_dictionary_free(scratch);
    return status;
}

mw_status mw_features_add_categories(const mw_ctx *ctx, mw_features *features,
                                     const mw_table *table, mw_err *err) {
    const mw_feature_config *config = mw_features_program(features);
    mw_status status = MW_OK;
    for (int32_t k = 0; config && k < config->n_categories && !status; k++) {
        const mw_column *column = mw_table_column(table, config->categories[k]);
        if (!column || (column->type != MW_DICTIONARY && column->type != MW_UTF8)) {
            mw_fail(err, MW_EDATA,
                    column ? "column %s is listed as a category, and is no text"
                           : "the file has no column %s, which is listed as a category",
                    config->categories[k]);
            return mw_err_hint(err, "categoricalColumns of the configuration names it");
        }
        status = add_column(ctx, features, column, err);
    }
    return status;
}

mw_status mw_features_of_table(const mw_ctx *ctx, const mw_table *table, const char *const *except,
                               size_t n_except, mw_features **ret, mw_err *err) {
    int32_t n = 0;
    for (int32_t i = 0; i < table->n_columns; i++)
        n += table->columns[i].type != MW_TIMESTAMP &&
             !is_named(table->columns[i].name, except, n_except);
    if (n == 0) {
        mw_fail(err, MW_EDATA, "there is no column to learn from");
        return mw_err_hint(err, "the target, times and dropped columns are not features");
    }
    mw_features *features = NULL;
    mw_status status = mw_features__new(ctx->mem, n, &features, err);
    for (int32_t i = 0; !status && i < table->n_columns; i++) {
        const mw_column *column = &table->columns[i];
        if (column->type == MW_TIMESTAMP || is_named(column->name, except, n_except)) continue;
        status = add_column(ctx, features, column, err);
    }
    if (status) {
        mw_features_free(features);
        return status;
    }
    *ret = features;
    return MW_OK;
}

/* ---- categories and trees ---- */

mw_status mw_features__by_code(mw_mem *mem, const mw_features *features, uint8_t **ret,
                               mw_err *err) {
    uint8_t *by_code = mw_calloc(mem, (size_t)features->n, sizeof *by_code);
    if (!by_code) return mw_fail_nomem(err, "the features");
    for (int32_t i = 0; i < features->n; i++)
        by_code[i] = features->items[i].kind == MW_FEATURE_CATEGORY;
    *ret = by_code;
    return MW_OK;
}

mw_status mw_features__check_sets(const mw_features *features, const mw_trees *trees, mw_err *err) {
    for (int64_t i = 0; i < trees->n_nodes; i++) {
        const mw_node *node = &trees->nodes[i];
        if (node->feature >= 0 && node->by_set &&
            features->items[node->feature].kind != MW_FEATURE_CATEGORY)
            return mw_fail(err, MW_EDATA, "model.onnx splits feature %d, a number, by categories",
                           (int)node->feature);
    }
    return MW_OK;
}
