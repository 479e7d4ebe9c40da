/*
 * plan.h -- inside this folder: which field of a row becomes which column of a chunk.
 *
 * Telemetry  column 0 is time, then the labels that the file has, then (wide) one column a sensor, in file order. A long file's
 *            parameters become columns as they appear.
 * Learn      a table of its own: one column a field that is not dropped, in file order, with the field's own type.
 */
#ifndef MW_KEEP_INGEST_PLAN_H
#define MW_KEEP_INGEST_PLAN_H

#include "core/table/chunk.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/profile.h"

typedef struct mw_plan_column {
    int32_t field;  /* of the row */
    int32_t column; /* of the chunk; long: -1 for parameter and value */
    mw_type type;   /* float64, bool, dictionary, timestamp */
    bool decided;   /* text in a number column refuses the row; else it widens the column */
} mw_plan_column;

typedef struct mw_plan {
    mw_mem *mem;
    const mw_profile *profile; /* borrowed */
    bool learn, is_long;
    int32_t n_fields;
    int32_t time_column;      /* of the chunk, -1: none (learn) */
    int32_t n_labels;         /* chunk columns 1 .. n_labels */
    int32_t parameter, value; /* fields; -1: wide */
    mw_plan_column *cells;    /* [n_cells] all but time; labels first */
    int32_t n_cells;
    mw_type *types; /* [n_columns] of the chunk; long: without parameters */
    int32_t n_columns;
} mw_plan;

mw_status mw_plan_make(mw_mem *mem, const mw_profile *profile, bool learn, mw_plan *ret,
                       mw_err *err);
void mw_plan_done(mw_plan *plan);

/* The schema of the chunks at the beginning: named as the profile's columns, labels by their own names. */
mw_status mw_plan_schema(const mw_plan *plan, mw_schema **ret, mw_err *err);

#endif
