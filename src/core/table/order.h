/*
 * order.h -- rows of a chunk by (device, time, row).
 *
 * What      groups of one device each; a missing device and the device "" are one group. Rows without a time are left
 *           out.
 * Cost      O(rows) when each device's times already ascend, else O(rows log runs).
 */
#ifndef MW_CORE_TABLE_ORDER_H
#define MW_CORE_TABLE_ORDER_H

#include "core/table/rowstream.h"

typedef struct mw_order {
    int64_t *rows; /* [n] */
    int64_t n;
    int64_t *starts; /* [n_groups + 1] into rows */
    int32_t *codes;  /* [n_groups] code of the device; -1 for the missing one */
    int32_t n_groups;
} mw_order;

/* chunk: of the stream. mw_order__done frees, whatever happened. */
mw_status mw_order__make(const mw_ctx *ctx, const mw_row_stream *stream, const mw_chunk *chunk,
                         mw_order *ret, mw_err *err);
void mw_order__done(mw_order *order);

/* Codes that a stream's devices may have, -1 included: groups by code + 1 fit in this many. */
static inline int32_t mw_order__slots(const mw_row_stream *stream) {
    return stream->has_device ? mw_dictionary_size(stream->schema->columns[1].dictionary) + 1 : 1;
}

#endif
