/*
 * live_rows_parts.h -- inside this folder: building rows cell by cell, for the readers of JSON, CSV and Arrow.
 */
#ifndef MW_RUN_LIVE_LIVE_ROWS_PARTS_H
#define MW_RUN_LIVE_LIVE_ROWS_PARTS_H

#include "run/live/live_rows.h"

extern const char mw_live__only_device[]; /* "default" */

/* One more row, all its cells missing. */
mw_status mw_live__begin_row(mw_live_rows *rows, mw_err *err);
/* It counts, or as unusable when something was wrong with it. */
mw_status mw_live__end_row(mw_live_rows *rows, mw_err *err);
/* The row at hand cannot be used: the first reason is the one that is kept. */
void mw_live__bad(mw_live_rows *rows, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A text in the column `code` of columns->names, whatever that is. */
void mw_live__text(mw_live_rows *rows, int32_t code, mw_str text);
void mw_live__number(mw_live_rows *rows, int32_t input, double value);
void mw_live__time(mw_live_rows *rows, int64_t time);
void mw_live__device(mw_live_rows *rows, int32_t code, mw_str name);
/* One of the texts, code is its column's. */
void mw_live__word(mw_live_rows *rows, int32_t code, mw_str word);
/* A number as a time: seconds to nanoseconds since 1970, by its size. */
bool mw_live__epoch(mw_str digits, int64_t *ret);

mw_status mw_live__read_json(mw_live_rows *rows, mw_str body, mw_err *err);
mw_status mw_live__read_arrow(const mw_ctx *ctx, mw_live_rows *rows, mw_str body, mw_err *err);
mw_status mw_live__read_csv(mw_live_rows *rows, mw_str body, mw_err *err);

#endif
