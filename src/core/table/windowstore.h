/*
 * windowstore.h -- finished windows on their way to a table: kept as they come, sorted at the end.
 *
 * What      blocks of windows, column by column. A column of a full block that has at most one value in every window is
 *           kept as those values alone: where readings are as far apart as windows, that is a sixth.
 * Threads   mw_window_store_set may run for different columns at a time; the others alone.
 */
#ifndef MW_CORE_TABLE_WINDOWSTORE_H
#define MW_CORE_TABLE_WINDOWSTORE_H

#include "core/table/resample.h"

typedef struct mw_window_store mw_window_store;

/* n_columns: parameters. ctx is borrowed. */
mw_status mw_window_store_new(const mw_ctx *ctx, int32_t n_columns, mw_window_store **ret,
                              mw_err *err);
/* A further window, without values yet; *ret: its index. device: -1 or a code of the stream's dictionary. */
mw_status mw_window_store_add(mw_window_store *store, int64_t time, int32_t device, int64_t *ret,
                              mw_err *err);
void mw_window_store_set(mw_window_store *store, int32_t column, int64_t window,
                         const double values[MW_AGG_N]);
/* Every window that was added has its values: full blocks are made small. */
mw_status mw_window_store_pack(mw_window_store *store, mw_err *err);
/* The table that mw_resample gives; windows of one device were added in the order of their times. Empties the store as it goes. */
mw_status mw_window_store_table(mw_window_store *store, const mw_row_stream *rows,
                                double spread_from, mw_table **ret, mw_err *err);
void *mw_window_store_free(mw_window_store *store);

#endif
