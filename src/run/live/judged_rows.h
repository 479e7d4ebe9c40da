/*
 * judged_rows.h -- rows of telemetry judged as ingest judges them (keep/ingest/quality.h), on their way through a feature program: which stretches of time
 * of its features are made of flagged readings.
 *
 * Rows      those that a program uses, in the order of their device's times: late, repeated and unusable ones are passed over, and so are late ones within
 *           the lateness.
 * Memory    that of mw_quality, some hundred bytes a device, and the flagged stretches: nothing that grows with the rows.
 * Lifetime  mw_judged_new -> mw_judged_add* -> mw_judged_finish -> mw_judged_free; rows that have no end are never finished, but marked, told, known and
 *           forgotten, as quality.h has it.
 */
#ifndef MW_RUN_LIVE_JUDGED_ROWS_H
#define MW_RUN_LIVE_JUDGED_ROWS_H

#include "core/param/param.h"
#include "learn/feature/flagged.h"
#include "learn/feature/stream_saved.h"

typedef struct mw_judged mw_judged;

/* args: of mw_quality_params; NULL: what is usual. ctx, program and args are borrowed. MW_EINVAL for a range that is none. */
mw_status mw_judged_new(const mw_ctx *ctx, const mw_program *program, const mw_args *args,
                        mw_judged **ret, mw_err *err);
/* names: of the rows' device numbers, the same dictionary each time; NULL where rows have no devices. After an error it is of no use any more. */
mw_status mw_judged_add(mw_judged *judged, const mw_stream_rows *rows, const mw_dictionary *names,
                        mw_err *err);
/* Once: adds the outputs' stretches with some of these bits, as mw_flagged_outputs. */
mw_status mw_judged_finish(mw_judged *judged, uint32_t bits, bool together, mw_flagged_list *ret,
                           mw_err *err);
void *mw_judged_free(mw_judged *judged);

/* ---- rows that have no end ---- */

/* What is found from now on has this number (mw_quality_mark). */
void mw_judged_mark(mw_judged *judged, int64_t number);
/* Flagged windows of inputs that were found under this number; *ret NULL: none. */
mw_status mw_judged_told(const mw_judged *judged, int64_t number, mw_table **ret, mw_err *err);
/* Those of these devices [n], ascending, if no row came any more (mw_quality_known); *ret NULL: none. */
mw_status mw_judged_known(const mw_judged *judged, const int32_t *devices, size_t n, mw_table **ret,
                          mw_err *err);
/* What was found under smaller numbers goes once no feature of a newest row looks back so far. */
mw_status mw_judged_forget(mw_judged *judged, int64_t number, mw_err *err);
/* The usual distance of a device's rows, us; 0: not known yet. */
int64_t mw_judged_distance(const mw_judged *judged, int32_t number);

mw_status mw_judged_save(const mw_judged *judged, mw_stream_sink sink, mw_err *err);
/* Into a new one, whose rows' devices are these; goes on with the same bits. MW_EDATA: bytes that mw_judged_save cannot have given with this program. */
mw_status mw_judged_load(mw_judged *judged, const mw_dictionary *names, mw_str bytes, mw_err *err);

#endif
