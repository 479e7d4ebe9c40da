/*
 * pivot.h -- the row of a dataset that a long row belongs to.
 *
 * What      (time, device_id, device_name, employee_id, employee_name, category) -> row number, in
 *           order of first appearance. Neighbors usually agree, so the last key is tried first.
 * Memory    8 bytes a slot, at most two thirds full: 12 to 24 bytes a row.
 */
#ifndef MW_KEEP_INGEST_PIVOT_H
#define MW_KEEP_INGEST_PIVOT_H

#include "core/table/builder.h"
#include "keep/ingest/layout.h"

typedef struct mw_pivot_key {
    int64_t time_us;
    int32_t codes[MW_LABEL_N]; /* -1: missing */
    int32_t zero;              /* no padding: keys are hashed and compared as bytes */
} mw_pivot_key;

typedef struct mw_pivot_slot {
    uint32_t hash;
    uint32_t row; /* row + 1; 0: free */
} mw_pivot_slot;

typedef struct mw_pivot {
    mw_mem *mem;
    mw_builder *builder;         /* borrowed; rows are added to it */
    int32_t columns[MW_LABEL_N]; /* of the builder; -1: none. Column 0 is `time`. */
    mw_pivot_slot *slots;        /* [mask + 1] */
    size_t mask;
    mw_pivot_key last;
    int64_t last_row; /* -1: none */
} mw_pivot;

void mw_pivot_init(mw_pivot *pivot, mw_mem *mem, mw_builder *builder,
                   const int32_t columns[MW_LABEL_N]);
void mw_pivot_done(mw_pivot *pivot);

/* The key's row, made (with its time and labels set) when new. MW_ENOMEM, MW_ETOOLARGE. */
mw_status mw_pivot_row(mw_pivot *pivot, const mw_pivot_key *key, int64_t *ret_row, mw_err *err);

#endif
