/*
 * quality_rows.h -- rows of some devices for the tests of sensor quality, how they are judged, and the report as text.
 */
#ifndef MW_TESTS_UNIT_INGEST_QUALITY_ROWS_H
#define MW_TESTS_UNIT_INGEST_QUALITY_ROWS_H

#include "core/base/str.h"
#include "keep/ingest/quality.h"

enum { HOUR_ROWS = 12, DAYS = 21, HOURS = DAYS * 24, ROWS = HOURS * HOUR_ROWS, COLUMNS_MAX = 10 };
static const int64_t minute_us = INT64_C(60) * 1000000;
static const int64_t hour_us = INT64_C(3600) * 1000000;

/* All in memory; time in us from a start, values by column. */
typedef struct quality_rows {
    mw_schema *schema;
    int64_t n, capacity;
    int32_t n_values;
    int64_t *times;
    int32_t *codes;
    double *values[COLUMNS_MAX];
} quality_rows;

void quality_rows_init(quality_rows *r, int32_t n_values, int64_t capacity);
void quality_rows_done(quality_rows *r);
int32_t quality_rows_device(quality_rows *r, int number); /* the code of d00, d01, ... */
int64_t quality_rows_add(quality_rows *r, int64_t time_us,
                         int32_t code); /* a row of missing cells */

/* Feeds the rows in chunks whose sizes come from sizes [n_sizes] in turn. */
mw_status quality_rows_feed(const mw_ctx *ctx, mw_quality *quality, const quality_rows *r,
                            const int64_t *sizes, size_t n_sizes, mw_err *err);
mw_status quality_rows_judge(const mw_ctx *ctx, const quality_rows *r, const mw_args *args,
                             const int64_t *sizes, size_t n_sizes, mw_table **ret, mw_err *err);
mw_table *quality_rows_judged(const quality_rows *r, const mw_args *args);

/* One line a row: device sensor bits first-window+windows n_flagged/n_values. */
void quality_table_print(const mw_table *t, mw_buf *out);
void assert_judged(const quality_rows *r, const mw_args *args, const char *want);

#endif
