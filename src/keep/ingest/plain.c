/*
 * plain.c -- a file as a table of its own, for `train FILE.csv` and `predict`. Types are decided by all the data: the sample suggests them, and
 * when a later row contradicts (text in a column of numbers) the file is read once more with what was learned. Almost every
 * file is read once.
 */
#include <string.h>

#include "core/table/collect.h"
#include "keep/ingest/plain_rows.h"

typedef struct plain {
    const mw_ctx *ctx;
    const char *name;          /* of the file */
    const mw_plain_column *as; /* [n_as] */
    size_t n_as;
    const char *time_column; /* as named by the caller, or NULL */
    uint8_t *as_text;        /* [n_columns] fields that turned out to be text */
    uint32_t n_columns;

    mw_schema *schema;
    mw_collect *rows;
    mw_plain_bad bad;
    int64_t *bad_rows; /* [bad.n] */
    int64_t bad_capacity;
} plain;

static void drop_rows(plain *p) {
    p->rows = mw_collect_free(p->rows);
    p->bad = (mw_plain_bad){0};
    p->schema = mw_schema_free(p->schema);
}

/* ---- types ---- */

/* The sample only suggests: text may turn up in any column whose type the caller does not know. */
static mw_status adapt(void *self, mw_profile *profile, mw_err *err) {
    plain *p = self;
    if (!p->as_text) {
        p->n_columns = profile->n_columns;
        p->as_text = mw_calloc(p->ctx->mem, (size_t)p->n_columns + 1, 1);
        if (!p->as_text) return mw_fail_nomem(err, "reading a table");
    }
    if (profile->n_columns != p->n_columns)
        return mw_fail(err, MW_EDATA, "the file changed while it was read");
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        mw_profile_column *column = &profile->columns[i];
        const mw_plain_column *as = mw_plain__known(p->as, p->n_as, column->name);
        bool is_stamp = (int32_t)i == profile->stamp;
        column->decided = as != NULL || (is_stamp && p->time_column);
        if (p->as_text[i]) column->type = MW_DICTIONARY;
        if (as) column->type = as->type;
        if (is_stamp && (as || p->as_text[i])) profile->stamp = -1;
        if (column->type == MW_TIMESTAMP && (int32_t)i != profile->stamp)
            column->type = MW_DICTIONARY;
    }
    return MW_OK;
}

static void note_widened(plain *p, const mw_reader *reader) {
    const uint8_t *widened = mw_reader_widened(reader);
    const mw_plan *plan = mw_reader_plan(reader);
    for (int32_t i = 0; i < plan->n_cells; i++)
        if (widened[i]) p->as_text[plan->cells[i].field] = 1;
    if (widened[plan->n_cells]) p->as_text[plan->profile->stamp] = 1;
}

/* ---- rows ---- */

static mw_status note_bad(plain *p, const mw_reader *reader, const mw_bad_row *bad,
                          const mw_reader_place *place, mw_err *err) {
    const int64_t n = p->bad.n;
    if (n == p->bad_capacity) {
        int64_t capacity = n ? 2 * n : 64;
        void *more = mw_realloc(p->ctx->mem, p->bad_rows, (size_t)capacity * sizeof *p->bad_rows);
        if (!more) return mw_fail_nomem(err, "reading a table");
        p->bad_rows = more;
        p->bad_capacity = capacity;
    }
    p->bad_rows[n] = mw_collect_rows(p->rows) + bad->row;
    return mw_plain__note_bad(reader, place, bad, p->time_column != NULL, &p->bad, err);
}

typedef struct taker {
    plain *p;
    const mw_reader *reader;
} taker;

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    taker *t = self;
    plain *p = t->p;
    const mw_plan *plan = lane->plan;
    mw_status status = MW_OK;
    for (size_t i = 0; i < lane->n_bad && status == MW_OK; i++)
        status = note_bad(p, t->reader, &lane->bad[i], place, err);
    for (int32_t c = 0; c < plan->n_cells && status == MW_OK; c++) {
        if (plan->cells[c].type != MW_DICTIONARY) continue;
        int32_t column = plan->cells[c].column;
        for (size_t i = 0; i < lane->n_chunks && status == MW_OK; i++)
            status = mw_texts_remap(&lane->texts[c], p->schema->columns[column].dictionary,
                                    lane->chunks[i]->columns[column].codes, lane->chunks[i]->n_rows,
                                    err);
    }
    for (size_t i = 0; i < lane->n_chunks && status == MW_OK; i++)
        status = mw_collect_add(p->rows, lane->chunks[i], err);
    return status;
}

static mw_status mark_bad(plain *p, mw_err *err) {
    if (p->bad.n == 0) return MW_OK;
    p->bad.marks = mw_calloc(p->ctx->mem, (size_t)mw_collect_rows(p->rows), 1);
    if (!p->bad.marks) return mw_fail_nomem(err, "reading a table");
    for (int64_t i = 0; i < p->bad.n; i++) p->bad.marks[p->bad_rows[i]] = 1;
    return MW_OK;
}

/* One reading of the file; *ret_again: with what it showed it must be read once more. */
static mw_status pass(plain *p, const char *path, const mw_args *args, bool *ret_again,
                      mw_err *err) {
    const mw_reader_options options = {.args = args,
                                       .purpose = p->n_as ? MW_FOR_KNOWN_TABLE : MW_FOR_TABLE,
                                       .keep_bad = true,
                                       .adapt = adapt,
                                       .self = p};
    mw_reader *reader;
    drop_rows(p);
    mw_status status = mw_reader_open(p->ctx, path, &options, &reader, err);
    if (status != MW_OK) return status;
    taker t = {.p = p, .reader = reader};
    mw_reader_sink sink = {.take = take, .self = &t};
    status = mw_plan_schema(mw_reader_plan(reader), &p->schema, err);
    if (status == MW_OK)
        status = mw_collect_new(p->ctx->mem, p->schema, mw_reader_rows(reader), &p->rows, err);
    sink.collect = p->rows;
    if (status == MW_OK) status = mw_reader_run(reader, &sink, err);
    if (status != MW_OK) (void)mw_err_prefix(err, "%s", p->name);
    *ret_again = status == MW_OK && mw_reader_widened(reader);
    if (*ret_again) note_widened(p, reader);
    mw_reader_close(reader);
    return status;
}

mw_status mw_ingest_plain_as(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_plain_column *as, size_t n_as, mw_table **ret,
                             mw_plain_bad *ret_bad, mw_err *err) {
    plain p = {.ctx = ctx,
               .name = mw_source_name(path),
               .as = as,
               .n_as = n_as,
               .time_column = args ? mw_args_string(args, "time") : NULL};
    mw_table *table = NULL;
    bool again = true;
    mw_status status = MW_OK;
    while (again && status == MW_OK) status = pass(&p, path, args, &again, err);
    if (status == MW_OK && mw_collect_rows(p.rows) == 0) {
        status = mw_plain__fail_empty(err);
        (void)mw_err_prefix(err, "%s", p.name);
    }
    if (status == MW_OK) status = mark_bad(&p, err);
    if (status == MW_OK) status = mw_collect_finish(p.rows, p.schema, &table, err);
    if (status == MW_OK) {
        *ret = table;
        *ret_bad = p.bad;
    } else {
        mw_free(p.bad.marks);
    }
    drop_rows(&p);
    mw_free(p.bad_rows);
    mw_free(p.as_text);
    return status;
}
