/* plain_rows.c -- see plain_rows.h. Rows are copied from the reader's blocks, which have some size of their own, to blocks of the size asked for. */
#include "keep/ingest/plain_rows.h"

#include <stdio.h>
#include <string.h>

struct mw_plain_rows {
    const mw_ctx *ctx;
    const mw_plain_column *as; /* [n_as] while it is opened */
    size_t n_as;
    bool time_is_named;
    mw_reader *reader;
    mw_table *table;
    int32_t *column; /* [n_columns] of the plan: which one of the table */
    int64_t block_rows;
    const mw_plain_taker *taker;
    bool taker_failed;
    int64_t n_rows, n_all; /* in the block; handed over or in it */
    double stored;
    mw_plain_bad bad;
};

/* ---- shared with plain.c ---- */

const mw_plain_column *mw_plain__known(const mw_plain_column *as, size_t n_as, const char *name) {
    for (size_t i = 0; i < n_as; i++)
        if (strcmp(as[i].name, name) == 0) return &as[i];
    return NULL;
}

mw_status mw_plain__note_bad(const mw_reader *reader, const mw_reader_place *place,
                             const mw_bad_row *row, bool time_is_named, mw_plain_bad *bad,
                             mw_err *err) {
    const mw_profile *profile = mw_reader_profile(reader);
    const unsigned long long line = place->first_line + row->line;
    char column[MW_CELL_SHOWN] = "";
    if (!row->broken && row->field < profile->n_columns)
        (void)mw_cell_show(mw_str_of(profile->columns[row->field].name), column);
    if (time_is_named && !row->broken && (int32_t)row->field == profile->stamp) {
        mw_fail(err, MW_EDATA, "line %llu, column %s: %s", line, column, row->reason);
        return mw_err_hint(err, "Use YYYY-MM-DD HH:MM:SS, or name another time column.");
    }
    if (bad->n++ == 0)
        (void)snprintf(bad->first, sizeof bad->first, "line %llu: %.40s%s%.100s", line, column,
                       column[0] ? ": " : "", row->reason);
    return MW_OK;
}

mw_status mw_plain__fail_empty(mw_err *err) {
    mw_fail(err, MW_EDATA, "has a header but no rows");
    return mw_err_hint(err, "A CSV file has a header line and data lines.");
}

/* ---- opening ---- */

/* Only what is known and the time are read; utf8, which no column that is read has, marks what is left out for that. */
static mw_status adapt(void *self, mw_profile *profile, mw_err *err) {
    (void)err;
    const mw_plain_rows *r = self;
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        mw_profile_column *column = &profile->columns[i];
        const mw_plain_column *as = mw_plain__known(r->as, r->n_as, column->name);
        const bool is_stamp = (int32_t)i == profile->stamp;
        column->decided = as != NULL || r->time_is_named;
        if (as) column->type = as->type;
        if (as && is_stamp) profile->stamp = -1;
        if (as || is_stamp || column->use == MW_USE_DROP) continue;
        column->use = MW_USE_DROP;
        column->type = MW_UTF8;
    }
    return MW_OK;
}

static mw_status add_read(mw_plain_rows *r, const char *name, mw_type type, mw_err *err) {
    static const size_t bits[] = {
        [MW_TIMESTAMP] = 64, [MW_FLOAT64] = 64, [MW_BOOL] = 1, [MW_DICTIONARY] = 32};
    const size_t n = (size_t)r->block_rows;
    void *data = mw_alloc_aligned(r->ctx->mem, n * bits[type] / 8 + 1);
    uint8_t *validity = type == MW_BOOL ? mw_alloc_aligned(r->ctx->mem, n / 8 + 1) : NULL;
    mw_column *added;
    mw_status status =
        data && (validity || type != MW_BOOL)
            ? mw_table_adopt(r->table, mw_str_of(name), type, &data, &validity, &added, err)
            : mw_fail_nomem(err, "rows of a table");
    mw_free(data);
    mw_free(validity);
    return status;
}

static mw_status make_table(mw_plain_rows *r, mw_err *err) {
    const mw_profile *profile = mw_reader_profile(r->reader);
    const mw_plan *plan = mw_reader_plan(r->reader);
    int32_t read = 0;
    mw_column *added;
    mw_status status = mw_table_new(r->ctx->mem, 0, &r->table, err);
    r->column = mw_alloc_array(r->ctx->mem, (size_t)plan->n_columns + 1, sizeof *r->column);
    if (!status && !r->column) status = mw_fail_nomem(err, "rows of a table");
    for (uint32_t i = 0; i < profile->n_columns && !status; i++) {
        const mw_profile_column *column = &profile->columns[i];
        if (column->use != MW_USE_DROP) {
            r->column[read] = r->table->n_columns;
            status = add_read(r, column->name, plan->types[read++], err);
        } else if (column->type == MW_UTF8) {
            status = mw_table_add(r->table, mw_str_of(column->name), MW_UTF8, &added, err);
        }
    }
    return status;
}

mw_status mw_plain_rows_open(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_plain_column *as, size_t n_as, int64_t block_rows,
                             mw_plain_rows **ret, mw_err *err) {
    mw_plain_rows *r = mw_calloc(ctx->mem, 1, sizeof *r);
    if (!r) return mw_fail_nomem(err, "reading a table");
    *r = (mw_plain_rows){.ctx = ctx,
                         .as = as,
                         .n_as = n_as,
                         .time_is_named = args && mw_args_string(args, "time"),
                         .block_rows = block_rows};
    const mw_reader_options options = {
        .args = args, .purpose = MW_FOR_KNOWN_TABLE, .keep_bad = true, .adapt = adapt, .self = r};
    mw_status status = mw_reader_open(ctx, path, &options, &r->reader, err);
    r->as = NULL;
    if (!status) status = make_table(r, err);
    if (status)
        mw_plain_rows_close(r);
    else
        *ret = r;
    return status;
}

void *mw_plain_rows_close(mw_plain_rows *rows) {
    if (!rows) return NULL;
    mw_reader_close(rows->reader);
    mw_table_free(rows->table);
    mw_free(rows->column);
    return mw_free(rows);
}

const mw_table *mw_plain_rows_table(const mw_plain_rows *rows) { return rows->table; }

/* ---- rows ---- */

static void copy_bits(uint8_t *to, int64_t at, const uint8_t *from, int64_t row, int64_t n) {
    for (int64_t i = 0; i < n; i++, at++, row++) {
        const unsigned bit = (unsigned)from[row / 8] >> (row % 8) & 1u;
        to[at / 8] = (uint8_t)((to[at / 8] & ~(1u << (at % 8))) | bit << (at % 8));
    }
}

static void copy_cells(mw_column *to, int64_t at, const mw_chunk_column *from, int64_t row,
                       int64_t n) {
    switch (to->type) {
    case MW_BOOL:
        copy_bits(to->bits, at, from->bits, row, n);
        copy_bits(to->validity, at, from->validity, row, n);
        return;
    case MW_DICTIONARY:
        memcpy(to->codes + at, from->codes + row, (size_t)n * sizeof *to->codes);
        return;
    default: memcpy(to->number + at, from->number + row, (size_t)n * sizeof *to->number);
    }
}

static mw_status hand_over(mw_plain_rows *r, mw_err *err) {
    const mw_plan *plan = mw_reader_plan(r->reader);
    r->table->n_rows = r->n_rows;
    for (int32_t c = 0; c < plan->n_columns; c++)
        r->table->columns[r->column[c]].n_rows = r->n_rows;
    r->n_rows = 0;
    mw_status status = r->taker->take(r->taker->self, err);
    r->taker_failed = status != MW_OK;
    return status;
}

static mw_status take_chunk(mw_plain_rows *r, const mw_chunk *chunk, mw_err *err) {
    mw_status status = MW_OK;
    for (int64_t row = 0; row < chunk->n_rows && !status;) {
        const int64_t room = r->block_rows - r->n_rows, left = chunk->n_rows - row;
        const int64_t n = left < room ? left : room;
        for (int32_t c = 0; c < chunk->n_columns; c++)
            copy_cells(&r->table->columns[r->column[c]], r->n_rows, &chunk->columns[c], row, n);
        row += n;
        r->n_rows += n;
        r->n_all += n;
        if (r->n_rows == r->block_rows) status = hand_over(r, err);
    }
    return status;
}

static mw_status map_texts(mw_plain_rows *r, mw_lane *lane, mw_err *err) {
    const mw_plan *plan = lane->plan;
    mw_status status = MW_OK;
    for (int32_t c = 0; c < plan->n_cells && !status; c++) {
        if (plan->cells[c].type != MW_DICTIONARY) continue;
        const int32_t column = plan->cells[c].column;
        mw_dictionary *texts = r->table->columns[r->column[column]].dictionary;
        for (size_t i = 0; i < lane->n_chunks && !status; i++)
            status = mw_texts_remap(&lane->texts[c], texts, lane->chunks[i]->columns[column].codes,
                                    lane->chunks[i]->n_rows, err);
    }
    return status;
}

/* The column of times is the only one whose type was not decided. */
static mw_status fail_time(const mw_plain_rows *r, mw_err *err) {
    const mw_profile *profile = mw_reader_profile(r->reader);
    char name[MW_CELL_SHOWN];
    mw_fail(err, MW_EDATA, "no column holds times only: %s has other texts, too",
            mw_cell_show(mw_str_of(profile->columns[profile->stamp].name), name));
    return mw_err_hint(err,
                       "name the column of times, so that the first such text is told: --time; "
                       "--time-format says how times are written");
}

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    mw_plain_rows *r = self;
    mw_status status = lane->any_widened ? fail_time(r, err) : MW_OK;
    r->stored = (double)place->stored;
    for (size_t i = 0; i < lane->n_bad && !status; i++)
        status =
            mw_plain__note_bad(r->reader, place, &lane->bad[i], r->time_is_named, &r->bad, err);
    if (!status) status = map_texts(r, lane, err);
    for (size_t i = 0; i < lane->n_chunks && !status; i++)
        status = take_chunk(r, lane->chunks[i], err);
    return status;
}

mw_status mw_plain_rows_run(mw_plain_rows *rows, const mw_plain_taker *taker, mw_plain_bad *ret_bad,
                            mw_err *err) {
    mw_plain_rows *r = rows;
    mw_reader_sink sink = {.take = take, .self = r};
    r->taker = taker;
    mw_status status = mw_reader_run(r->reader, &sink, err);
    if (!status && r->n_all == 0) status = mw_plain__fail_empty(err);
    if (!status && r->n_rows > 0) status = hand_over(r, err);
    if (!status)
        *ret_bad = r->bad;
    else if (!r->taker_failed)
        (void)mw_err_prefix(err, "%s", mw_reader_name(r->reader));
    return status;
}

void mw_plain_rows_progress(const mw_plain_rows *rows, double *ret_done, double *ret_total) {
    *ret_done = rows->stored;
    *ret_total = (double)mw_source_total(mw_reader_source(rows->reader));
}
