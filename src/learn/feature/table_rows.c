/* table_rows.c -- see table_rows.h. */
#include "learn/feature/table_rows.h"

#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"

struct mw_table_rows {
    const mw_feature_config *config;
    const mw_column *time, *device; /* device NULL: one */
    const mw_column **inputs;       /* [n_inputs] */
    const double **columns;         /* [n_inputs] of the rows at hand */
    double *values; /* [n_converted][MW_TABLE_ROWS_MAX] of inputs that are no numbers */
};

static mw_status find(const mw_table *table, const char *name, const mw_column **ret, mw_err *err) {
    *ret = mw_table_column(table, name);
    if (*ret) return MW_OK;
    mw_nearest best = {0};
    for (int32_t c = 0; c < table->n_columns; c++)
        mw_nearest_look(&best, mw_str_of(name), table->columns[c].name);
    mw_fail(err, MW_EDATA, "the file has no column %s", name);
    mw_err_at(err, "%s", name);
    if (best.word)
        return mw_err_hint(err, "did you mean %s? Name it in the configuration", best.word);
    return mw_err_hint(err, "the configuration's columns must be in the file");
}

const mw_column *mw_feature_time(const mw_table *table) {
    for (int32_t c = 0; c < table->n_columns; c++)
        if (table->columns[c].type == MW_TIMESTAMP) return &table->columns[c];
    return NULL;
}

const mw_column *mw_feature_usual_device(const mw_table *table) {
    for (const char *const *name = mw_feature_device_names; *name; name++) {
        const mw_column *column = mw_table_column(table, *name);
        if (column && column->type == MW_DICTIONARY) return column;
    }
    return NULL;
}

static mw_status find_time(mw_table_rows *rows, const mw_table *table, mw_err *err) {
    rows->time = mw_feature_time(table);
    if (rows->time) return MW_OK;
    mw_fail(err, MW_EDATA, "the file has no column of times");
    return mw_err_hint(err, "name it: \"timeColumn\" in the configuration, or --time; "
                            "--time-format says how it is written");
}

static mw_status find_columns(mw_table_rows *rows, const mw_table *table, int32_t *ret_converted,
                              mw_err *err) {
    const mw_program *p = rows->config->program;
    mw_status status = find_time(rows, table, err);
    *ret_converted = 0;
    if (!status && rows->config->device_column)
        status = find(table, rows->config->device_column, &rows->device, err);
    else if (!status)
        rows->device = mw_feature_usual_device(table);
    if (!status && rows->device && rows->device->type != MW_DICTIONARY)
        status = mw_fail(err, MW_EDATA, "column %s must be text, to name devices, not %s",
                         rows->device->name, mw_type_name(rows->device->type));
    for (int32_t c = 0; c < p->n_inputs && !status; c++) {
        status = find(table, p->inputs[c], &rows->inputs[c], err);
        if (status || rows->inputs[c]->type == MW_FLOAT64) continue;
        ++*ret_converted;
        if (rows->inputs[c]->type == MW_BOOL || rows->inputs[c]->n_missing == table->n_rows)
            continue;
        status = mw_fail(err, MW_EDATA, "column %s holds %s, not numbers", p->inputs[c],
                         mw_type_name(rows->inputs[c]->type));
    }
    return status;
}

mw_status mw_table_rows_new(mw_mem *mem, const mw_feature_config *config, const mw_table *table,
                            mw_table_rows **ret, mw_err *err) {
    const size_t n = (size_t)config->program->n_inputs;
    int32_t converted = 0;
    mw_table_rows *rows = mw_calloc(mem, 1, sizeof *rows);
    if (!rows) return mw_fail_nomem(err, "rows of a table");
    rows->config = config;
    rows->inputs = mw_calloc(mem, n + 1, sizeof *rows->inputs);
    rows->columns = mw_calloc(mem, n + 1, sizeof *rows->columns);
    mw_status status = rows->inputs && rows->columns ? find_columns(rows, table, &converted, err)
                                                     : mw_fail_nomem(err, "rows of a table");
    if (!status)
        rows->values =
            mw_alloc_array(mem, (size_t)converted * MW_TABLE_ROWS_MAX + 1, sizeof *rows->values);
    if (!status && !rows->values) status = mw_fail_nomem(err, "rows of a table");
    if (status)
        mw_table_rows_free(rows);
    else
        *ret = rows;
    return status;
}

void *mw_table_rows_free(mw_table_rows *rows) {
    if (!rows) return NULL;
    mw_free(rows->inputs);
    mw_free(rows->columns);
    mw_free(rows->values);
    return mw_free(rows);
}

void mw_table_rows_keys(const mw_table_rows *rows, const mw_column **ret_time,
                        const mw_column **ret_device) {
    *ret_time = rows->time;
    *ret_device = rows->device;
}

void mw_table_rows_take(mw_table_rows *rows, int64_t from, int64_t n, mw_stream_rows *ret) {
    double *values = rows->values;
    for (int32_t c = 0; c < rows->config->program->n_inputs; c++) {
        const mw_column *column = rows->inputs[c];
        if (column->type == MW_FLOAT64) {
            rows->columns[c] = column->number + from;
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            const bool has = column->type == MW_BOOL && mw_column_has(column, from + i);
            values[i] = has ? mw_column_bool(column, from + i) : MW_NAN;
        }
        rows->columns[c] = values;
        values += MW_TABLE_ROWS_MAX;
    }
    *ret = (mw_stream_rows){.n = n,
                            .times = rows->time->time + from,
                            .devices = rows->device ? rows->device->codes + from : NULL,
                            .columns = rows->columns};
}

mw_status mw_table_rows_mark_unused(mw_mem *mem, const mw_table_rows *rows, uint8_t *marks,
                                    mw_err *err) {
    const mw_program *p = rows->config->program;
    const int32_t n = rows->device ? mw_dictionary_size(rows->device->dictionary) : 1;
    int64_t *newest = mw_alloc_array(mem, (size_t)n + 1, sizeof *newest);
    if (!newest) return mw_fail_nomem(err, "rows of a table");
    for (int32_t d = 0; d < n; d++) newest[d] = MW_TIME_NONE;
    for (int64_t i = 0; i < rows->time->n_rows; i++) {
        const int32_t device = rows->device ? rows->device->codes[i] : 0;
        const int64_t time = rows->time->time[i];
        const bool usable = device >= 0 && time != MW_TIME_NONE;
        if (usable && (newest[device] == MW_TIME_NONE || time > newest[device]))
            newest[device] = time;
        else if (!usable || mw_arrivals_is_late(p, newest[device], time))
            marks[i] = 1;
    }
    mw_free(newest);
    return MW_OK;
}

mw_status mw_table_rows_conditions(const mw_ctx *ctx, const mw_table_rows *rows,
                                   const int64_t *chosen, int64_t n, mw_conditions **ret,
                                   mw_err *err) {
    const mw_program *p = rows->config->program;
    const double **columns = mw_calloc(ctx->mem, (size_t)p->n_inputs + 1, sizeof *columns);
    if (!columns) return mw_fail_nomem(err, "operating conditions");
    for (int32_t c = 0; c < p->n_inputs; c++)
        if (rows->inputs[c]->type == MW_FLOAT64) columns[c] = rows->inputs[c]->number;
    mw_status status = mw_program_fit_conditions(ctx, p, columns, chosen, n, ret, err);
    mw_free(columns);
    return status;
}

/* ---- all rows ---- */

enum { AT_ONCE = 16384, BLOCK = 64 };

/* n_columns of some rows to rows: x [n][width]. */
static void to_rows(float *const *columns, int32_t n_columns, int64_t n, int32_t width, float *x) {
    for (int64_t from = 0; from < n; from += BLOCK) {
        const int64_t to = from + BLOCK < n ? from + BLOCK : n;
        for (int32_t c = 0; c < n_columns; c++)
            for (int64_t i = from; i < to; i++) x[i * width + c] = columns[c][i];
    }
}

static mw_status fill(const mw_ctx *ctx, mw_table_rows *rows, mw_stream *stream,
                      const mw_table *table, float *const *columns, int32_t width, float *x,
                      mw_err *err) {
    const int32_t n_columns = rows->config->program->n_outputs;
    mw_status status = MW_OK;
    for (int64_t from = 0; from < table->n_rows && !status; from += AT_ONCE) {
        const int64_t n = table->n_rows - from < AT_ONCE ? table->n_rows - from : AT_ONCE;
        mw_stream_rows some;
        mw_ctx_report(ctx, "features", (double)from, (double)table->n_rows);
        mw_table_rows_take(rows, from, n, &some);
        status = mw_stream_push(ctx, stream, &some, columns, err);
        if (!status) to_rows(columns, n_columns, n, width, x + from * width);
    }
    return status;
}

mw_status mw_feature_matrix(const mw_ctx *ctx, const mw_feature_config *config,
                            const mw_table *table, int32_t width, float **ret,
                            mw_stream_counts *counts, mw_err *err) {
    const size_t n_columns = (size_t)config->program->n_outputs;
    mw_table_rows *rows = NULL;
    mw_stream *stream = NULL;
    float *x = mw_alloc_array(ctx->mem, (size_t)table->n_rows + 1, (size_t)width * sizeof *x);
    float *block = mw_alloc_array(ctx->mem, n_columns * AT_ONCE, sizeof *block);
    float **columns = mw_alloc_array(ctx->mem, n_columns, sizeof *columns);
    mw_status status = x && block && columns ? MW_OK : mw_fail_nomem(err, "the feature matrix");
    for (size_t c = 0; c < n_columns && !status; c++) columns[c] = block + c * AT_ONCE;
    if (!status) status = mw_table_rows_new(ctx->mem, config, table, &rows, err);
    if (!status) status = mw_stream_new(ctx->mem, config->program, &stream, err);
    if (!status) status = fill(ctx, rows, stream, table, columns, width, x, err);
    if (!status && counts) *counts = mw_stream_count(stream);
    mw_table_rows_free(rows);
    mw_stream_free(stream);
    mw_free(block);
    mw_free(columns);
    if (status)
        mw_free(x);
    else
        *ret = x;
    return status;
}
