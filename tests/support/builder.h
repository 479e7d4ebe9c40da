/*
 * builder.h -- a table that grows while rows arrive, for tests that make one row by row.
 *
 * What      columns may appear at any time (rows before are missing), rows are added at the end,
 * and any cell may be set again.
 * Lifetime  mw_builder_new -> (mw_builder_column | mw_builder_row | mw_builder_set_*)* ->
 *           mw_builder_finish -> mw_builder_free (always; NULL is allowed)
 * Memory    a column costs 8 (timestamp, float64), 4 (dictionary) or 1 (bool) bytes a row up to the
 * last row set in it, with at most half as much slack; finish needs one column more than the table.
 * Errors    the setters without an mw_err return nothing; when memory runs out in one, that is
 * remembered and the next mw_builder_row, mw_builder_column or mw_builder_finish returns it. Types
 * timestamp, float64, bool, dictionary. A growing utf8 column is refused: use a dictionary.
 */
#ifndef MW_TESTS_SUPPORT_BUILDER_H
#define MW_TESTS_SUPPORT_BUILDER_H

#include "core/table/table.h"

typedef struct mw_builder mw_builder;

mw_status mw_builder_new(mw_mem *mem, mw_builder **ret, mw_err *err);
void *mw_builder_free(mw_builder *builder);

/*
 * Index of the column with that name, made when new. MW_EDATA when it exists with another type,
 * MW_ETOOLARGE past MW_LIMIT(TABLE_COLUMNS), MW_EINVAL for utf8. Indexes never change.
 */
mw_status mw_builder_column(mw_builder *builder, mw_str name, mw_type type, int32_t *ret_index,
                            mw_err *err);
int32_t mw_builder_find(const mw_builder *builder, mw_str name); /* -1: none; O(1) */
int32_t mw_builder_columns(const mw_builder *builder);
mw_str mw_builder_name(const mw_builder *builder, int32_t column);
mw_type mw_builder_type(const mw_builder *builder, int32_t column);

/* Adds one row, all missing; O(1). MW_ETOOLARGE past MW_LIMIT(TABLE_ROWS). */
mw_status mw_builder_row(mw_builder *builder, int64_t *ret_row, mw_err *err);
int64_t mw_builder_rows(const mw_builder *builder);

/* column and row must exist and column must have the type (asserted). Amortized O(1). */
void mw_builder_set_number(mw_builder *builder, int32_t column, int64_t row, double value);
void mw_builder_set_time(mw_builder *builder, int32_t column, int64_t row, int64_t us);
void mw_builder_set_bool(mw_builder *builder, int32_t column, int64_t row, bool value);
/* The code of a text in a dictionary column, for callers that keep it across rows. */
mw_status mw_builder_code(mw_builder *builder, int32_t column, mw_str text, int32_t *ret_code,
                          mw_err *err);
void mw_builder_set_code(mw_builder *builder, int32_t column, int64_t row, int32_t code);
/* mw_builder_code and mw_builder_set_code. */
mw_status mw_builder_set_text(mw_builder *builder, int32_t column, int64_t row, mw_str text,
                              mw_err *err);
/* Makes a cell missing again, whatever the type. */
void mw_builder_set_missing(mw_builder *builder, int32_t column, int64_t row);

bool mw_builder_has(const mw_builder *builder, int32_t column, int64_t row);
double mw_builder_get_number(const mw_builder *builder, int32_t column, int64_t row); /* or NaN */
int64_t mw_builder_get_time(const mw_builder *builder, int32_t column,
                            int64_t row); /* or MW_TIME_NONE */
int32_t mw_builder_get_code(const mw_builder *builder, int32_t column, int64_t row); /* or -1 */

/*
 * The table, columns in order of their index, sealed; the builder keeps its columns but no longer
 * any cell, and is only good for mw_builder_free. On failure nothing is returned, and the same
 * holds.
 */
mw_status mw_builder_finish(mw_builder *builder, mw_table **ret, mw_err *err);

#endif
