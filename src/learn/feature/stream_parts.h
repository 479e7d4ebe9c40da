/*
 * stream_parts.h -- inside this folder: the devices of a stream, for its snapshots.
 */
#ifndef MW_LEARN_FEATURE_STREAM_PARTS_H
#define MW_LEARN_FEATURE_STREAM_PARTS_H

#include "learn/feature/stream.h"

int32_t mw_stream__n_devices(const mw_stream *stream);
const mw_arrivals *mw_stream__device(const mw_stream *stream, int32_t number); /* NULL: no row */
/* The device becomes the stream's, which has none of that number. */
mw_status mw_stream__give(mw_stream *stream, int32_t number, mw_arrivals *device, mw_err *err);
void mw_stream__set_counts(mw_stream *stream, const mw_stream_counts *counts);

#endif
