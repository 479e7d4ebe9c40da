/*
 * stream.h -- a feature program at work on rows as they come, of any number of devices: what batch and live rows both go through.
 *
 * What      each row gets its features when it comes, from the rows of its device that came before and are not later (arrivals.h says which rows are
 *           late, and what becomes of repetitions).
 * Batch     a push of many rows shares out devices among the threads of ctx; the bits are those of a push for each row.
 * Lifetime  mw_stream_new -> mw_stream_push* -> mw_stream_free
 * Threads   one at a time.
 */
#ifndef MW_LEARN_FEATURE_STREAM_H
#define MW_LEARN_FEATURE_STREAM_H

#include "core/base/ctx.h"
#include "learn/feature/arrivals.h"

typedef struct mw_stream mw_stream;

typedef struct mw_stream_rows {
    int64_t n;
    const int64_t *times;   /* [n] us; MW_TIME_NONE: the row is not used */
    const int32_t *devices; /* [n] numbers from 0; NULL: one device. Below 0: the row is not used */
    const double *const *columns; /* [n_inputs][n] */
} mw_stream_rows;

typedef struct mw_stream_counts {
    int64_t used, late_used; /* rows; those among them that were late within the lateness */
    int64_t late, repeated, unusable; /* not used: too late; there already; no time or no device */
    int64_t devices;
} mw_stream_counts;

mw_status mw_stream_new(mw_mem *mem, const mw_program *program, mw_stream **ret, mw_err *err);
void *mw_stream_free(mw_stream *stream);

/* At most 2^31 - 1 rows. out [n_outputs][n]: NaN where missing. After an error the stream is of no use any more. */
mw_status mw_stream_push(const mw_ctx *ctx, mw_stream *stream, const mw_stream_rows *rows,
                         float *const *out, mw_err *err);

/* What a push of these rows would make of each, in out [n]: nothing changes. Errors as mw_arrivals_foresee. */
mw_status mw_stream_foresee(mw_stream *stream, const mw_stream_rows *rows, mw_fate *out,
                            mw_err *err);

/* Features of the newest row of a device [n_outputs], good until the next push, and its time; NULL: it has no row. */
const float *mw_stream_newest(const mw_stream *stream, int32_t device, int64_t *ret_time);

mw_stream_counts mw_stream_count(const mw_stream *stream);

#endif
