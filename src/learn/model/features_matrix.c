/*
 * features_matrix.c -- table columns to float32 rows by a feature list: the same matrix whatever order columns or dictionaries have.
 *
 * Each column becomes float32 by itself and may be given back at once; then blocks of rows are put together. So no more lies in memory than the table
 * and one column, or twice the matrix; and both steps read and write memory in order.
 */
#include <float.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/feature/table_rows.h"
#include "learn/model/learner.h"

/* Rows converted between two looks at the cancel token; rows of a block that stays in a cache. */
enum { CHUNK_ROWS = 65536, BLOCK_ROWS = 64 };

/* Beyond float32's range a value becomes its largest: an order that trees keep, and never infinite. */
static float to_float(double value) {
    if (value > (double)FLT_MAX) return FLT_MAX;
    if (value < -(double)FLT_MAX) return -FLT_MAX;
    return (float)value;
}

static bool bit_at(const uint8_t *bits, int64_t row) { return bits[row >> 3] >> (row & 7) & 1; }

static mw_status wrong_type(const mw_feature *feature, const mw_column *column, mw_err *err) {
    mw_fail(err, MW_EDATA, "column '%s' holds %s, but the model was trained on %s values",
            column->name, mw_type_name(column->type), mw_feature__kind_name(feature->kind));
    return mw_err_at(err, "%s", column->name);
}

/* ---- one column ---- */

typedef struct converting {
    const mw_feature *feature;
    const mw_column *column;
    const float *map; /* category in a dictionary: [its texts] codes */
    float *out;       /* [n_rows] */
} converting;

static void codes_range(const converting *c, int64_t begin, int64_t end) {
    const float missing = __builtin_nanf("");
    char scratch[MW_NUMBER_MAX];
    for (int64_t row = begin; row < end; row++) {
        int32_t code = -1;
        if (c->map) {
            const int32_t text = c->column->codes[row];
            c->out[row] = text < 0 ? missing : c->map[text];
            continue;
        }
        if (mw_column_has(c->column, row))
            code = mw_feature__code(c->feature, mw_column_cell(c->column, row, scratch));
        c->out[row] = code < 0 ? missing : (float)code;
    }
}

static mw_status numbers_range(const converting *c, int64_t begin, int64_t end, mw_err *err) {
    const float missing = __builtin_nanf("");
    const mw_column *column = c->column;
    const bool truth = c->feature->kind == MW_FEATURE_BOOL;
    if (column->type == MW_BOOL) {
        for (int64_t row = begin; row < end; row++)
            c->out[row] = mw_column_has(column, row) ? (float)bit_at(column->bits, row) : missing;
        return MW_OK;
    }
    if (column->type != MW_FLOAT64) {
        /* A file without a single value for it cannot know the type: missing is missing. */
        if (column->n_missing < column->n_rows) return wrong_type(c->feature, column, err);
        for (int64_t row = begin; row < end; row++) c->out[row] = missing;
        return MW_OK;
    }
    for (int64_t row = begin; row < end; row++) {
        const double value = column->number[row];
        if (truth && value != 0.0 && value != 1.0 && !mw_isnan(value))
            return wrong_type(c->feature, column, err);
        c->out[row] = mw_isnan(value) ? missing : to_float(value);
    }
    return MW_OK;
}

static mw_status convert_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const converting *c = arg;
    (void)worker;
    if (c->feature->kind != MW_FEATURE_CATEGORY) return numbers_range(c, begin, end, err);
    codes_range(c, begin, end);
    return MW_OK;
}

/* The feature's code of each text of the dictionary. */
static float *make_map(const mw_ctx *ctx, const mw_feature *feature,
                       const mw_dictionary *dictionary) {
    const int32_t n = mw_dictionary_size(dictionary);
    float *map = mw_alloc_array(ctx->mem, (size_t)n + 1, sizeof *map);
    for (int32_t i = 0; map && i < n; i++) {
        const int32_t code = mw_feature__code(feature, mw_dictionary_text(dictionary, i));
        map[i] = code < 0 ? __builtin_nanf("") : (float)code;
    }
    return map;
}

static mw_status convert_column(const mw_ctx *ctx, const mw_feature *feature,
                                const mw_column *column, float **ret, mw_err *err) {
    float *map = NULL;
    float *out = mw_alloc_array(ctx->mem, (size_t)column->n_rows + 1, sizeof *out);
    const bool mapped = feature->kind == MW_FEATURE_CATEGORY && column->type == MW_DICTIONARY;
    if (mapped) map = make_map(ctx, feature, column->dictionary);
    converting c = {feature, column, map, out};
    mw_status status = out && (map || !mapped)
                           ? mw_pool_for(ctx, column->n_rows, CHUNK_ROWS, convert_range, &c, err)
                           : mw_fail_nomem(err, "the feature matrix");
    mw_free(map);
    if (status)
        mw_free(out);
    else
        *ret = out;
    return status;
}

/* ---- rows ---- */

typedef struct joining {
    float *const *columns; /* [n] */
    int32_t n;
    float *x;
} joining;

static mw_status join_range(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const joining *j = arg;
    for (int64_t from = begin; from < end; from += BLOCK_ROWS) {
        const int64_t to = from + BLOCK_ROWS < end ? from + BLOCK_ROWS : end;
        for (int32_t i = 0; i < j->n; i++)
            for (int64_t row = from; row < to; row++) j->x[row * j->n + i] = j->columns[i][row];
    }
    (void)worker, (void)err;
    return MW_OK;
}

static mw_status join(const mw_ctx *ctx, float *const *columns, int32_t n, int64_t n_rows,
                      float **ret, mw_err *err) {
    const size_t row_bytes = (size_t)n * sizeof(float);
    float *x = mw_alloc_array(ctx->mem, (size_t)n_rows, row_bytes ? row_bytes : 1);
    if (!x) return mw_fail_nomem(err, "the feature matrix");
    joining j = {columns, n, x};
    mw_status status = mw_pool_for(ctx, n_rows, CHUNK_ROWS, join_range, &j, err);
    if (status)
        mw_free(x);
    else
        *ret = x;
    return status;
}

/* ---- all of it ---- */

static mw_status fail_missing(const char *name, mw_err *err) {
    mw_fail(err, MW_EDATA, "column '%s' is missing: the model was trained with it", name);
    return mw_err_at(err, "%s", name);
}

static mw_status find_columns(const mw_features *features, const mw_table *table,
                              mw_column **columns, mw_err *err) {
    for (int32_t i = 0; i < mw_features_count(features); i++) {
        const char *name = mw_features_at(features, i)->name;
        columns[i] = mw_table_column(table, name);
        if (!columns[i]) return fail_missing(name, err);
    }
    return MW_OK;
}

/* Columns that are no features go first, then each as soon as it is converted. */
static mw_status release_others(const mw_ctx *ctx, const mw_table *table, mw_column *const *columns,
                                int32_t n, mw_err *err) {
    uint8_t *is_feature = mw_calloc(ctx->mem, (size_t)table->n_columns + 1, 1);
    if (!is_feature) return mw_fail_nomem(err, "the feature matrix");
    for (int32_t i = 0; i < n; i++) is_feature[columns[i] - table->columns] = 1;
    for (int32_t k = 0; k < table->n_columns; k++)
        if (!is_feature[k]) mw_column_release(&table->columns[k]);
    mw_free(is_feature);
    return MW_OK;
}

/* Categories behind the outputs of a program. */
static mw_status fill_category(const mw_ctx *ctx, const mw_features *features, int32_t at,
                               const mw_table *table, float *x, mw_err *err) {
    const mw_feature *feature = mw_features_at(features, at);
    const mw_column *column = mw_table_column(table, feature->name);
    const int32_t width = mw_features_count(features);
    float *codes = NULL;
    mw_status status = column ? convert_column(ctx, feature, column, &codes, err)
                              : fail_missing(feature->name, err);
    for (int64_t row = 0; !status && row < table->n_rows; row++) x[row * width + at] = codes[row];
    mw_free(codes);
    return status;
}

static mw_status run_program(const mw_ctx *ctx, const mw_features *features, const mw_table *table,
                             float **ret, mw_err *err) {
    const mw_feature_config *config = mw_features_program(features);
    const mw_scaling *scaling = mw_features_scaling(features);
    const int32_t width = mw_features_count(features);
    float *x = NULL;
    mw_status status = mw_feature_matrix(ctx, config, table, width, &x, NULL, err);
    for (int32_t at = config->program->n_outputs; at < width && !status; at++)
        status = fill_category(ctx, features, at, table, x, err);
    if (!status && scaling) status = mw_scaling_apply(ctx, scaling, x, table->n_rows, width, err);
    if (status)
        mw_free(x);
    else
        *ret = x;
    return status;
}

static mw_status make_matrix(const mw_ctx *ctx, const mw_features *features, const mw_table *table,
                             bool release, float **ret, mw_err *err) {
    const mw_feature_config *program = mw_features_program(features);
    if (program) return run_program(ctx, features, table, ret, err);
    const int32_t n = mw_features_count(features);
    mw_column **from = mw_alloc_array(ctx->mem, (size_t)n + 1, sizeof *from);
    float **to = mw_calloc(ctx->mem, (size_t)n + 1, sizeof *to);
    mw_status status = from && to ? find_columns(features, table, from, err)
                                  : mw_fail_nomem(err, "the feature matrix");
    if (!status && release) status = release_others(ctx, table, from, n, err);
    for (int32_t i = 0; !status && i < n; i++) {
        status = convert_column(ctx, mw_features_at(features, i), from[i], &to[i], err);
        if (!status && release) mw_column_release(from[i]);
        mw_ctx_report(ctx, "features", i + 1, n);
    }
    if (!status) status = join(ctx, to, n, table->n_rows, ret, err);
    for (int32_t i = 0; to && i < n; i++) mw_free(to[i]);
    mw_free(to);
    mw_free(from);
    return status;
}

mw_status mw_features_matrix(const mw_ctx *ctx, const mw_features *features, const mw_table *table,
                             float **ret_x, mw_err *err) {
    return make_matrix(ctx, features, table, false, ret_x, err);
}

mw_status mw_features_take(const mw_ctx *ctx, const mw_features *features, mw_table **table,
                           float **ret_x, mw_err *err) {
    mw_status status = make_matrix(ctx, features, *table, true, ret_x, err);
    *table = mw_table_free(*table);
    return status;
}
