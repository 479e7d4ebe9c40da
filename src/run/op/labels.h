/*
 * labels.h -- the target column of a plain table: numbers to predict, or classes to tell apart.
 *
 * Task      text and booleans are classes; numbers are numbers, unless the only values are 0 and 1.
 * The caller can force the task. Order     class labels: numbers by value, texts by bytes; the
 * index is the class.
 */
#ifndef MW_RUN_OP_LABELS_H
#define MW_RUN_OP_LABELS_H

#include "core/base/arena.h"
#include "learn/model/model.h"

typedef struct mw_labels {
    mw_task task;
    const char **classes; /* [n_classes], in the arena */
    int32_t n_classes;
    double *y; /* [n_rows] in the arena; NaN where the target is missing */
    int64_t n_missing;
    const char
        *doubt; /* in the arena: why these may be no classes; NULL: nothing speaks against it */
} mw_labels;

/* task: "regression", "binary", "multiclass" or NULL (decide). MW_ENOTFOUND: no such column (the
 * nearest name as hint); MW_EDATA: all missing, constant, beyond 3.4e38, or numbers with a text among them;
 * MW_ETOOLARGE: more classes than a model has. */
mw_status mw_op__labels(const mw_ctx *ctx, mw_arena *arena, const mw_table *table,
                        const char *target, const char *task, mw_labels *ret, mw_err *err);

/* Rows whose class is none of those asked for. */
typedef struct mw_unknown_labels {
    int64_t n;
    const char *first; /* in the arena; NULL when n is 0 */
} mw_unknown_labels;

/* The same classes for another table (a test file): unknown labels become NaN and are counted;
 * missing ones become NaN. MW_ENOTFOUND; MW_EDATA: text where numbers are predicted, numbers beyond 3.4e38. */
mw_status mw_op__labels_as(mw_arena *arena, const mw_table *table, const char *target, mw_task task,
                           const char *const *classes, int32_t n_classes, double **ret_y,
                           mw_unknown_labels *ret_unknown, mw_err *err);

#endif
