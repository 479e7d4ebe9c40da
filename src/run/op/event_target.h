/*
 * event_target.h -- what a model is to predict, from a log of events instead of a column: whether one comes within a horizon, or how long until the next.
 */
#ifndef MW_RUN_OP_EVENT_TARGET_H
#define MW_RUN_OP_EVENT_TARGET_H

#include "keep/ingest/ingest.h"
#include "learn/feature/table_rows.h"
#include "run/op/labels.h"

typedef struct mw_event_target mw_event_target;

/* events, horizon, time_to_event: parameters of `train`. Ended by a NULL name. */
extern const mw_param mw_event_target_params[];

/* *ret NULL: none is asked for. Reads the log; columns of it are found as those of telemetry are. MW_EINVAL, MW_EDATA. */
mw_status mw_event_target_read(const mw_ctx *ctx, const mw_args *args,
                               const mw_feature_config *config, mw_event_target **ret, mw_err *err);
void *mw_event_target_free(mw_event_target *target);

/* "event_within_1d", "hours_to_event". */
const char *mw_event_target_name(const mw_event_target *target);

/* Labels of the rows of a table of telemetry, as mw_op__labels gives them: classes 0 and 1, or hours; NaN where it is not known yet. MW_EDATA when
 * no label is known, or all are the same. */
mw_status mw_event_target_labels(const mw_ctx *ctx, mw_arena *arena, const mw_event_target *target,
                                 const mw_feature_config *config, const mw_table *table,
                                 mw_labels *ret, mw_err *err);

#endif
