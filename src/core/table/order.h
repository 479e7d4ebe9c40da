/*
 * order.h -- rows of a table by (device, time, row).
 *
 * What      groups of one device each, in order of the device's first appearance among the rows
 * that have a time; a missing device and the device "" are one group. Rows without a time are left
 *           out.
 * Cost      O(rows) when each device's times already ascend, else O(rows log runs).
 */
#ifndef MW_CORE_TABLE_ORDER_H
#define MW_CORE_TABLE_ORDER_H

#include "core/table/table.h"

typedef struct mw_order {
    int64_t *rows; /* [n] */
    int64_t n;
    int64_t *starts; /* [n_groups + 1] into rows */
    int32_t *codes;  /* [n_groups] code of the device; -1 for the missing one */
    int32_t n_groups;
} mw_order;

/* device may be NULL: one group. mw_order__done frees, whatever happened. */
mw_status mw_order__make(const mw_ctx *ctx, const mw_column *time, const mw_column *device,
                         mw_order *ret, mw_err *err);
void mw_order__done(mw_order *order);

#endif
