/* live_answer.h -- what answers about features have in common: floats, and the flags of a row's features. */
#ifndef MW_RUN_OP_LIVE_ANSWER_H
#define MW_RUN_OP_LIVE_ANSWER_H

#include "core/text/json.h"
#include "learn/feature/flagged.h"
#include "run/live/live_rows.h"

/* Its shortest text, as `millwright features` writes it; null for NaN. */
void mw_op__write_float(float value, mw_json_writer *w);
void mw_op__write_floats(const float *values, int32_t n, mw_json_writer *w);
/* "quality": {"temperature_mean_5min": ["stuck"], ...}: the features of the device that are flagged at this time (MW_TIME_NONE: none). */
void mw_op__write_quality(const mw_program *program, const mw_flagged_list *flagged, int32_t device,
                          int64_t time, mw_json_writer *w);

/* "categories": {"product": "A7", "shift": null, ...}: the configuration's, of one row; text(row, i): the i-th of columns->texts, empty: missing. */
void mw_op__write_categories(const mw_live_columns *columns, mw_str device,
                             mw_str (*text)(const void *row, int32_t i), const void *row,
                             mw_json_writer *w);

#endif
