/*
 * fit_rows.h -- rows of a plain table for a fit: features, target and weights, without those that cannot be used.
 */
#ifndef MW_RUN_OP_FIT_ROWS_H
#define MW_RUN_OP_FIT_ROWS_H

#include "core/base/arena.h"
#include "keep/ingest/ingest.h"
#include "learn/model/model.h"
#include "run/op/event_target.h"
#include "run/op/labels.h"

typedef struct mw_fit_rows {
    float *x;          /* [n][width] owned */
    double *y;         /* [n] borrowed from the arena it was made in, or NULL: no target */
    double *weights;   /* [n] owned, or NULL */
    uint32_t *numbers; /* [n] of the rows in their file, from 0; owned; NULL: as they stand */
    uint8_t *marks;    /* [rows of the table] mw_fit_mark; owned; NULL: none */
    int64_t n;
    int64_t n_without_features, n_flagged; /* readable rows left out for their marks */
    int64_t n_without_target;              /* other readable rows left out */
    mw_unknown_labels
        unknown; /* those of another file among them whose class the training file does not have */
} mw_fit_rows;

/* Why a row of telemetry is not fitted on. */
typedef enum mw_fit_mark { MW_FIT_KEPT, MW_FIT_WITHOUT_FEATURES, MW_FIT_FLAGGED } mw_fit_mark;

void mw_fit_rows_done(mw_fit_rows *rows);

/*
 * rows->marks of a table of telemetry: rows that get no features (too late, no time, no device) and, where `flags` are not 0, those of which a feature is made
 * of readings with one of these flags (judged_rows.h). args: of mw_quality_params.
 */
mw_status mw_fit_rows_mark(const mw_ctx *ctx, const mw_feature_config *config,
                           const mw_table *table, const mw_args *args, uint32_t flags,
                           mw_fit_rows *rows, mw_err *err);

/* Leaves out rows that are unreadable, marked or without a target; the others move to the front. n: rows of the table.
 * MW_EDATA names the first of those others whose weight is missing, infinite or not above 0; MW_ENOMEM. */
mw_status mw_fit_rows_pack(const mw_ctx *ctx, mw_fit_rows *rows, int32_t width, int64_t n,
                           const mw_plain_bad *bad, mw_err *err);

/* *ret [n_rows] of the table's column of weights; mw_free it. MW_ENOTFOUND, MW_EDATA when it holds no numbers. */
mw_status mw_fit_weights(const mw_ctx *ctx, const mw_table *table, const char *name, double **ret,
                         mw_err *err);

/* What a file beside the training file is read like. */
typedef struct mw_fit_like {
    const mw_args *args; /* of the profile */
    const mw_features *features;
    const char *target;            /* NULL: none */
    const mw_event_target *events; /* in place of a target; NULL: none */
    const char *weight;            /* NULL: none */
    mw_type type;                  /* of the target's column in the training file */
    mw_task task;
    const char *const *classes; /* [n_classes] */
    int32_t n_classes;
} mw_fit_like;

/* Rows of another file. MW_EDATA when none can be used. */
mw_status mw_fit_rows_read(const mw_ctx *ctx, mw_arena *arena, const mw_fit_like *like,
                           const char *path, mw_fit_rows *ret, mw_err *err);

/* MW_ENOTFOUND, with the nearest name as hint, unless the table has that column; option: what named it. */
mw_status mw_fit_check_column(const mw_table *table, const char *option, const char *name,
                              mw_err *err);

#endif
