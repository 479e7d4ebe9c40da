/*
 * table_rows.h -- the rows of a table as a feature program takes them, and features of all of them as a matrix.
 *
 * What      the configuration names the columns: of times (else the table's one column of them), of devices, and the inputs.
 * Memory    some numbers for each boolean column; the table is borrowed.
 */
#ifndef MW_LEARN_FEATURE_TABLE_ROWS_H
#define MW_LEARN_FEATURE_TABLE_ROWS_H

#include "core/table/table.h"
#include "learn/feature/config.h"
#include "learn/feature/stream.h"

enum { MW_TABLE_ROWS_MAX = 65536 }; /* rows at a time */

typedef struct mw_table_rows mw_table_rows;

/* The first column of times; the first one that names devices by its own name. NULL: none. */
const mw_column *mw_feature_time(const mw_table *table);
const mw_column *mw_feature_usual_device(const mw_table *table);

/* MW_EDATA when the table lacks a column, or one has another type. */
mw_status mw_table_rows_new(mw_mem *mem, const mw_feature_config *config, const mw_table *table,
                            mw_table_rows **ret, mw_err *err);
/* Rows [from, from + n), n at most MW_TABLE_ROWS_MAX; good until the next call. */
void mw_table_rows_take(mw_table_rows *rows, int64_t from, int64_t n, mw_stream_rows *ret);
/* The columns of times and (NULL: one device) of devices. */
void mw_table_rows_keys(const mw_table_rows *rows, const mw_column **ret_time,
                        const mw_column **ret_device);
/* Marks [rows of the table] those that get no features with 1: too late, without a time, or without a device. The other marks stay. */
mw_status mw_table_rows_mark_unused(mw_mem *mem, const mw_table_rows *rows, uint8_t *marks,
                                    mw_err *err);
/* The operating conditions of rows chosen [n], or NULL: of the first n (mw_program_fit_conditions). */
mw_status mw_table_rows_conditions(const mw_ctx *ctx, const mw_table_rows *rows,
                                   const int64_t *chosen, int64_t n, mw_conditions **ret,
                                   mw_err *err);
void *mw_table_rows_free(mw_table_rows *rows);

/* *ret [table->n_rows][width] float32, the first n_outputs of each row filled, mw_free it: rows in the table's order, which is the order in which they came. counts: NULL, or what became of them. */
mw_status mw_feature_matrix(const mw_ctx *ctx, const mw_feature_config *config,
                            const mw_table *table, int32_t width, float **ret,
                            mw_stream_counts *counts, mw_err *err);

#endif
