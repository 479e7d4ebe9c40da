/*
 * scaling.h -- the last step of a feature program: each feature less its center, by its scale, as they were in the rows that a model was fitted on.
 *
 * Kinds     standard  mean; standard deviation (of n)
 *           robust    median; distance of the quartiles, between neighbors in proportion
 *           min-max   smallest value; largest less smallest: 0 to 1
 *           none      as it is
 *           The numbers of scikit-learn's StandardScaler, RobustScaler and MinMaxScaler. A feature that never changes has scale 1, one without values
 *           center 0, too.
 * Missing   values are left out of the fit and stay missing.
 * Same      bits at any number of threads: a feature's rows are gone through in their order.
 * Text      {"kind": "standard", "features": [{"name", "center", "scale"}]}
 */
#ifndef MW_LEARN_FEATURE_SCALING_H
#define MW_LEARN_FEATURE_SCALING_H

#include "core/text/json.h"
#include "learn/stat/matrix.h"

typedef enum mw_scaling_kind {
    MW_SCALING_NONE,
    MW_SCALING_STANDARD,
    MW_SCALING_ROBUST,
    MW_SCALING_MIN_MAX
} mw_scaling_kind;

extern const char *const mw_scaling_names[];          /* by kind; ended by NULL */
mw_scaling_kind mw_scaling_kind_of(const char *name); /* one of them; NULL: none */

typedef struct mw_scaling {
    mw_scaling_kind kind;
    int32_t n;
    double *centers, *scales; /* [n] scales are not 0 */
} mw_scaling;

/* Of the first n features of the rows. *ret: mw_scaling_free. Cost: 8 bytes a row and thread for a while; robust sorts in part. MW_EDATA: no rows. */
mw_status mw_scaling_fit(const mw_ctx *ctx, mw_scaling_kind kind, mw_matrix rows, int32_t n,
                         mw_scaling **ret, mw_err *err);
mw_status mw_scaling_copy(mw_mem *mem, const mw_scaling *scaling, mw_scaling **ret, mw_err *err);
void *mw_scaling_free(mw_scaling *scaling);

/* The first scaling->n of each row's features, x [n_rows][width], in place; each is rounded to float once. What is beyond a float is missing. */
mw_status mw_scaling_apply(const mw_ctx *ctx, const mw_scaling *scaling, float *x, int64_t n_rows,
                           int32_t width, mw_err *err);

/* The same of columns [scaling->n][n_rows]. */
void mw_scaling_apply_columns(const mw_scaling *scaling, float *const *columns, int64_t n_rows);

/* names [n] of the features: what is read must have them, in their order (MW_EDATA). */
void mw_scaling_write(const mw_scaling *scaling, const char *const *names, mw_json_writer *writer);
mw_status mw_scaling_read(mw_mem *mem, const mw_json *json, const char *const *names, int32_t n,
                          mw_scaling **ret, mw_err *err);

#endif
