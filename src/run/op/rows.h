/*
 * rows.h -- reading a dataset's raw rows chunk by chunk, with the filters that summary and trend share.
 *
 * What      mw_op__each_segment reads one segment after the other (only the columns asked for), marks the
 *           rows that pass the filters, and hands each chunk and its marks to a visitor.
 * Memory    a chunk and the dictionaries of one segment, whatever the size of the dataset.
 * Errors    a segment that a concurrent commit replaced is not an error: the walk starts again, once.
 */
#ifndef MW_RUN_OP_ROWS_H
#define MW_RUN_OP_ROWS_H

#include "core/table/chunk.h"
#include "run/op/app.h"

/* Reads a segment's structure and times: MW_OK, or MW_EDATA saying that the file is missing or
 * damaged and what to do. whole: every column, and every byte against the file's name, too. */
mw_status mw_op__check_segment(const mw_ctx *ctx, mw_dir *dir, const mw_segment_record *segment,
                               bool whole, mw_err *err);

/* The same, after the segment's files were fetched that are missing, and once more when the segment is damaged: MW_EDATA only when neither the folder nor the
 * artifact store has it as it was. Another status: it cannot be told now. */
mw_status mw_op__have_segment(const mw_app *app, const mw_ctx *ctx, const char *dataset,
                              mw_dir *dir, const mw_segment_record *segment, bool whole,
                              mw_err *err);

/* True for a status that ended a check before it could tell anything about what was checked. */
bool mw_op__interrupted(mw_status status);

typedef struct mw_op__filter {
    const char *device, *employee_id, *category; /* NULL: any */
} mw_op__filter;

typedef struct mw_op__visitor {
    /* Called before the first segment, and again when the walk has to start anew: forget
     * everything. segments [n] are good until the walk ends. */
    mw_status (*begin)(void *self, const mw_segment_record *segments, size_t n, mw_err *err);
    /* Before the chunks of segment `index`. ordered: its rows are known to come in the order of their times. */
    mw_status (*segment)(void *self, size_t index, const mw_schema *schema, bool ordered,
                         mw_err *err);
    /* pass [chunk->n_rows]: 1 where the row passes the filter. */
    mw_status (*rows)(void *self, const mw_schema *schema, const mw_chunk *chunk,
                      const uint8_t *pass, mw_err *err);
    /* A source's flagged windows (keep/ingest/quality.h), of all devices; may be NULL. */
    mw_status (*quality)(void *self, const mw_table *table, mw_err *err);
    void *self;
} mw_op__visitor;

/* columns NULL: all (the filter's columns are always read). MW_ECONFLICT when the dataset has no
 * rows yet. */
mw_status mw_op__each_segment(const mw_call *call, const char *dataset, const mw_op__filter *filter,
                              const char *const *columns, size_t n_columns,
                              const mw_op__visitor *visitor, mw_err *err);

#endif
