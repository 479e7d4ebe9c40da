/* fit_rows.c -- see fit_rows.h. */
#include "run/op/fit_rows.h"

#include <string.h>

#include "core/base/math.h"
#include "core/param/nearest.h"
#include "keep/ingest/source.h"
#include "learn/feature/table_rows.h"
#include "run/live/judged_rows.h"
#include "run/op/read_like.h"

void mw_fit_rows_done(mw_fit_rows *rows) {
    mw_free(rows->x);
    mw_free(rows->weights);
    mw_free(rows->numbers);
    mw_free(rows->marks);
}

/* ---- rows of telemetry that are left out ---- */

static mw_status judge(mw_table_rows *rows, int64_t n, mw_judged *judged, mw_err *err) {
    const mw_column *time, *device;
    mw_status status = MW_OK;
    mw_table_rows_keys(rows, &time, &device);
    for (int64_t from = 0; from < n && !status; from += MW_TABLE_ROWS_MAX) {
        mw_stream_rows some;
        const int64_t left = n - from;
        mw_table_rows_take(rows, from, left < MW_TABLE_ROWS_MAX ? left : MW_TABLE_ROWS_MAX, &some);
        status = mw_judged_add(judged, &some, device ? device->dictionary : NULL, err);
    }
    return status;
}

static void mark_flagged(const mw_table_rows *rows, int64_t n, const mw_flagged_list *flagged,
                         uint8_t *marks) {
    const mw_column *time, *device;
    mw_table_rows_keys(rows, &time, &device);
    for (int64_t i = 0; i < n && flagged->n > 0; i++)
        if (!marks[i] && mw_flagged_at(flagged, device ? device->codes[i] : 0, 0, time->time[i]))
            marks[i] = MW_FIT_FLAGGED;
}

static mw_status find_flagged(const mw_ctx *ctx, const mw_program *program, mw_table_rows *rows,
                              int64_t n, const mw_args *args, uint32_t flags, uint8_t *marks,
                              mw_err *err) {
    mw_judged *judged = NULL;
    mw_flagged_list flagged = {.mem = ctx->mem};
    mw_status status = mw_judged_new(ctx, program, args, &judged, err);
    if (!status) status = judge(rows, n, judged, err);
    if (!status) status = mw_judged_finish(judged, flags, true, &flagged, err);
    if (!status) mark_flagged(rows, n, &flagged, marks);
    mw_flagged_done(&flagged);
    mw_judged_free(judged);
    return status;
}

mw_status mw_fit_rows_mark(const mw_ctx *ctx, const mw_feature_config *config,
                           const mw_table *table, const mw_args *args, uint32_t flags,
                           mw_fit_rows *rows, mw_err *err) {
    mw_table_rows *of = NULL;
    rows->marks = mw_calloc(ctx->mem, (size_t)table->n_rows + 1, 1);
    mw_status status = rows->marks ? mw_table_rows_new(ctx->mem, config, table, &of, err)
                                   : mw_fail_nomem(err, "the rows");
    if (!status) status = mw_table_rows_mark_unused(ctx->mem, of, rows->marks, err);
    if (!status && flags)
        status =
            find_flagged(ctx, config->program, of, table->n_rows, args, flags, rows->marks, err);
    mw_table_rows_free(of);
    return status;
}

/* ---- checks ---- */

mw_status mw_fit_check_column(const mw_table *table, const char *option, const char *name,
                              mw_err *err) {
    if (mw_table_column(table, name)) return MW_OK;
    mw_fail(err, MW_ENOTFOUND, "--%s: there is no column \"%.100s\"", option, name);
    mw_err_at(err, "%s", option);
    mw_nearest nearest = {0};
    for (int32_t i = 0; i < table->n_columns; i++)
        mw_nearest_look(&nearest, mw_str_of(name), table->columns[i].name);
    return nearest.word ? mw_err_hint(err, "did you mean \"%s\"?", nearest.word)
                        : mw_err_hint(err, "column names are written as in the header");
}

static mw_status bad_weight(double weight, int64_t row, mw_err *err) {
    if (mw_isnan(weight))
        mw_fail(err, MW_EDATA, "row %lld has no weight", (long long)row + 1);
    else
        mw_fail(err, MW_EDATA, "row %lld has the weight %g, which is not above 0 and finite",
                (long long)row + 1, weight);
    mw_err_at(err, "weight");
    return mw_err_hint(err, "leave rows out that shall not count");
}

/* The first n_kept rows of n are where they were; from there on numbers are needed. */
static mw_status start_numbers(const mw_ctx *ctx, mw_fit_rows *rows, int64_t n_kept, int64_t n,
                               mw_err *err) {
    rows->numbers = mw_alloc_array(ctx->mem, (size_t)n, sizeof *rows->numbers);
    if (!rows->numbers) return mw_fail_nomem(err, "the rows");
    for (int64_t row = 0; row < n_kept; row++) rows->numbers[row] = (uint32_t)row;
    return MW_OK;
}

/* Whether a readable row is left out, which is counted. */
static bool is_left_out(mw_fit_rows *rows, int64_t row) {
    const mw_fit_mark mark = rows->marks ? (mw_fit_mark)rows->marks[row] : MW_FIT_KEPT;
    const bool has_no_target = mark == MW_FIT_KEPT && rows->y && mw_isnan(rows->y[row]);
    rows->n_without_features += mark == MW_FIT_WITHOUT_FEATURES;
    rows->n_flagged += mark == MW_FIT_FLAGGED;
    rows->n_without_target += has_no_target;
    return mark != MW_FIT_KEPT || has_no_target;
}

mw_status mw_fit_rows_pack(const mw_ctx *ctx, mw_fit_rows *rows, int32_t width, int64_t n,
                           const mw_plain_bad *bad, mw_err *err) {
    const size_t size = (size_t)width;
    rows->n = rows->n_without_target = rows->n_without_features = rows->n_flagged = 0;
    for (int64_t row = 0; row < n; row++) {
        if (bad->marks && bad->marks[row]) continue;
        if (is_left_out(rows, row)) continue;
        if (rows->weights && !(rows->weights[row] > 0 && mw_isfinite(rows->weights[row])))
            return bad_weight(rows->weights[row], row, err);
        const int64_t to = rows->n++;
        if (to == row) continue;
        if (!rows->numbers && start_numbers(ctx, rows, to, n, err)) return MW_ENOMEM;
        rows->numbers[to] = (uint32_t)row;
        memcpy(rows->x + (size_t)to * size, rows->x + (size_t)row * size, size * sizeof *rows->x);
        if (rows->y) rows->y[to] = rows->y[row];
        if (rows->weights) rows->weights[to] = rows->weights[row];
    }
    return MW_OK;
}

mw_status mw_fit_weights(const mw_ctx *ctx, const mw_table *table, const char *name, double **ret,
                         mw_err *err) {
    mw_status status = mw_fit_check_column(table, "weight", name, err);
    if (status) return status;
    const mw_column *column = mw_table_column(table, name);
    if (column->type != MW_FLOAT64) {
        mw_fail(err, MW_EDATA, "--weight: the column %s holds no numbers", name);
        return mw_err_at(err, "weight");
    }
    *ret = mw_memdup(ctx->mem, column->number, (size_t)table->n_rows * sizeof **ret);
    return *ret ? MW_OK : mw_fail_nomem(err, "the weights");
}

static mw_status no_rows(const mw_unknown_labels *unknown, mw_err *err) {
    if (unknown->n == 0) return mw_fail(err, MW_EDATA, "there are no rows that can be used");
    mw_fail(err, MW_EDATA,
            "there are no rows that can be used: the training file has no label \"%.40s\", nor any "
            "other "
            "of %lld rows",
            unknown->first, (long long)unknown->n);
    return mw_err_hint(err, "is the target the same column, written the same way, in both files?");
}

mw_status mw_fit_rows_read(const mw_ctx *ctx, mw_arena *arena, const mw_fit_like *like,
                           const char *path, mw_fit_rows *ret, mw_err *err) {
    mw_table *table = NULL;
    mw_plain_bad bad = {0};
    *ret = (mw_fit_rows){0};
    mw_status status = mw_op__read_like(ctx, path, like->args, like->features, like->target,
                                        like->type, &table, &bad, err);
    const bool was_read = !status;
    if (!status && like->weight)
        status = mw_fit_weights(ctx, table, like->weight, &ret->weights, err);
    if (!status && like->target)
        status = mw_op__labels_as(arena, table, like->target, like->task, like->classes,
                                  like->n_classes, &ret->y, &ret->unknown, err);
    if (!status && like->events) {
        mw_labels labels;
        status = mw_event_target_labels(ctx, arena, like->events,
                                        mw_features_program(like->features), table, &labels, err);
        if (!status) ret->y = labels.y;
    }
    const mw_feature_config *program = mw_features_program(like->features);
    if (!status && program) status = mw_fit_rows_mark(ctx, program, table, like->args, 0, ret, err);
    const int64_t n_rows = table ? table->n_rows : 0;
    if (!status) status = mw_features_take(ctx, like->features, &table, &ret->x, err);
    if (!status)
        status = mw_fit_rows_pack(ctx, ret, mw_features_count(like->features), n_rows, &bad, err);
    if (!status && ret->n == 0) status = no_rows(&ret->unknown, err);
    if (status && was_read)
        mw_err_prefix(err, "%s", mw_source_name(path)); /* there are two files */
    mw_free(bad.marks);
    mw_table_free(table);
    if (status) mw_fit_rows_done(ret);
    if (status) *ret = (mw_fit_rows){0};
    return status;
}
