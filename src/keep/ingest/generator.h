/*
 * generator.h -- a believable sample plant, the same bytes for the same seed on every machine.
 */
#ifndef MW_KEEP_INGEST_GENERATOR_H
#define MW_KEEP_INGEST_GENERATOR_H

#include "core/base/dir.h"
#include "core/param/param.h"

/* profile, days, machines, interval, seed, start. Ended by a NULL name. */
extern const mw_param mw_generate_params[];

/* Writes CSV files into out and the truth about the injected faults into out/labels/.
 * result: one JSON object: files, rows, machines, days, faults. */
mw_status mw_generate(const mw_ctx *ctx, const mw_args *args, mw_dir *out, mw_json_writer *result,
                      mw_err *err);

#endif
