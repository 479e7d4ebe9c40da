/*
 * dataset.c -- segments back into one table. A column's type is that of the first segment with a
 * value in it; a segment that differs is converted: numbers to text without loss, text to numbers
 * where it reads as one (else missing, and said in the log).
 */
#include "keep/ingest/ingest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/log.h"
#include "core/table/ipc.h"
#include "core/text/number.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/verdict.h"

static const char segment_suffix[] = ".arrow";

static mw_status check_segment(const char *name, mw_err *err) {
    size_t n = strlen(name), m = sizeof segment_suffix - 1;
    if (n > m && strcmp(name + n - m, segment_suffix) == 0 && name[0] != '.' && !strchr(name, '/'))
        return MW_OK;
    return mw_fail(err, MW_EINVAL, "\"%.64s\" is not the name of a segment", name);
}

static mw_status fill_text(const mw_column *from, mw_column *to, mw_err *err) {
    for (int64_t i = 0; i < from->n_rows; i++) {
        char text[MW_NUMBER_MAX];
        if (!mw_column_has(from, i)) continue;
        size_t size = mw_number_print(from->number[i], text);
        mw_status status =
            mw_dictionary_add(to->dictionary, (mw_str){text, size}, &to->codes[i], err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static void fill_number(const mw_column *from, mw_column *to, int64_t *n_lost) {
    for (int64_t i = 0; i < from->n_rows; i++) {
        double value;
        mw_str text = mw_column_text(from, i);
        mw_cell cell = mw_cell_read(text, &value);
        if (cell == MW_CELL_NUMBER || cell == MW_CELL_BOOL)
            to->number[i] = value;
        else if (cell != MW_CELL_MISSING)
            ++*n_lost;
    }
}

/* Replaces column i of the table by one of another type. */
static mw_status convert(const mw_ctx *ctx, mw_table *table, int32_t i, mw_type type,
                         const char *segment, mw_err *err) {
    mw_table *spare;
    mw_column *to, *from = &table->columns[i];
    bool to_text = from->type == MW_FLOAT64 && type == MW_DICTIONARY;
    if (!to_text && !(from->type == MW_DICTIONARY && type == MW_FLOAT64)) return MW_OK;
    mw_status status = mw_table_new(ctx->mem, table->n_rows, &spare, err);
    if (status != MW_OK) return status;
    status = mw_table_add(spare, mw_str_of(from->name), type, &to, err);
    int64_t n_lost = 0;
    if (status == MW_OK && to_text) status = fill_text(from, to, err);
    if (status == MW_OK && !to_text) fill_number(from, to, &n_lost);
    if (status == MW_OK) status = mw_column_seal(spare, to, err);
    if (status == MW_OK) {
        mw_column swapped = *from;
        *from = *to;
        *to = swapped;
    }
    if (status == MW_OK && n_lost)
        mw_log_warn(ctx, "segment %s: %lld texts in column %s are no numbers and count as missing",
                    segment, (long long)n_lost, from->name);
    mw_table_free(spare);
    return status;
}

/*
 * Adds the columns of table that `schema` (no rows) lacks, and converts those that it has with another
 * type. empty_too false: columns without a value are left for the second round.
 */
static mw_status agree(const mw_ctx *ctx, mw_table *schema, mw_table *table, const char *segment,
                       bool empty_too, mw_err *err) {
    for (int32_t i = 0; i < table->n_columns; i++) {
        const mw_column *column = &table->columns[i];
        const mw_column *known = mw_table_column(schema, column->name);
        mw_status status = MW_OK;
        if (known && known->type != column->type)
            status = convert(ctx, table, i, known->type, segment, err);
        else if (!known && (empty_too || column->n_missing < column->n_rows))
            status = mw_table_add(schema, mw_str_of(column->name), column->type, NULL, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

_Static_assert(MW_DATASET_RANKS == MW_LABEL_N + 3, "time, labels, texts, numbers");

int mw_dataset_rank(const char *name, mw_type type) {
    if (type == MW_TIMESTAMP) return 0;
    for (int i = 0; i < MW_LABEL_N; i++)
        if (strcmp(name, mw_label_names[i]) == 0) return i + 1;
    return type == MW_FLOAT64 ? MW_DATASET_RANKS - 1 : MW_DATASET_RANKS - 2;
}

/* A table without rows that has the columns of schema in the order of a dataset. */
static mw_status order(const mw_ctx *ctx, const mw_table *schema, mw_table **ret, mw_err *err) {
    mw_table *ordered;
    mw_status status = mw_table_new(ctx->mem, 0, &ordered, err);
    if (status != MW_OK) return status;
    for (int r = 0; r < MW_DATASET_RANKS; r++)
        for (int32_t i = 0; i < schema->n_columns && status == MW_OK; i++) {
            const mw_column *column = &schema->columns[i];
            if (mw_dataset_rank(column->name, column->type) == r)
                status = mw_table_add(ordered, mw_str_of(column->name), column->type, NULL, err);
        }
    if (status == MW_OK)
        *ret = ordered;
    else
        mw_table_free(ordered);
    return status;
}

/*
 * tables [n + 1]: the first is left for the empty table that sets the order of the columns. Twice over
 * the segments, so that an all-missing column does not fix a type that a later segment has.
 */
static mw_status join(const mw_ctx *ctx, mw_table **tables, const char *const *segments, size_t n,
                      mw_table **ret, mw_err *err) {
    mw_table *schema;
    mw_status status = mw_table_new(ctx->mem, 0, &schema, err);
    if (status != MW_OK) return status;
    for (size_t i = 0; i < 2 * n && status == MW_OK; i++)
        status = agree(ctx, schema, tables[i % n + 1], segments[i % n], i >= n, err);
    if (status == MW_OK) status = order(ctx, schema, &tables[0], err);
    mw_table_free(schema);
    if (status != MW_OK) return status;
    return mw_table_concat(ctx, (const mw_table *const *)tables, (int32_t)n + 1, ret, err);
}

mw_status mw_dataset_join(const mw_ctx *ctx, mw_table *const *tables, const char *const *names,
                          size_t n, mw_table **ret, mw_err *err) {
    mw_table **list = mw_calloc(ctx->mem, n + 1, sizeof *list);
    if (!list) return mw_fail_nomem(err, "reading a dataset");
    for (size_t i = 0; i < n; i++) list[i + 1] = tables[i];
    mw_status status = join(ctx, list, names, n, ret, err);
    mw_table_free(list[0]);
    mw_free(list);
    return status;
}

mw_status mw_dataset_check(const mw_ctx *ctx, mw_dir *dir, const char *segment, mw_err *err) {
    struct stat info;
    mw_status status = check_segment(segment, err);
    if (status != MW_OK) return status;
    bool there = fstatat(mw_dir_fd(dir), segment, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && mw_verdict_is_good(segment, &info)) return MW_OK;
    status = mw_file_verify(ctx, dir, segment, err);
    if (status == MW_EDATA) (void)mw_err_hint(err, "ingest the file it came from again");
    if (status == MW_OK && there) mw_verdict_keep_good(segment, &info);
    return status;
}

mw_status mw_dataset_read(const mw_ctx *ctx, mw_dir *dir, const char *const *segments, size_t n,
                          const char *const *columns, size_t n_columns, mw_table **ret,
                          mw_err *err) {
    if (n == 0) {
        mw_fail(err, MW_ENOTFOUND, "the dataset has no rows yet");
        return mw_err_hint(err, "Ingest a file first.");
    }
    mw_table **tables = mw_calloc(ctx->mem, n + 1, sizeof *tables);
    if (!tables) return mw_fail_nomem(err, "reading a dataset");
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        status = mw_ctx_check(ctx, err);
        if (status == MW_OK) status = mw_dataset_check(ctx, dir, segments[i], err);
        if (status == MW_OK)
            status = mw_ipc_read(ctx, dir, segments[i], columns, n_columns, &tables[i + 1], err);
        mw_ctx_report(ctx, "reading the dataset", (double)i + 1, (double)n);
    }
    if (status == MW_OK) status = join(ctx, tables, segments, n, ret, err);
    for (size_t i = 0; i <= n; i++) mw_table_free(tables[i]);
    mw_free(tables);
    return status;
}
