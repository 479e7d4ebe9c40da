/*
 * conditions.h -- operating conditions: what is normal for a sensor depends on how the machine is run.
 *
 * What      settings (load, speed, altitude) fall into a few conditions, found by k-means on standardized settings; in each, every sensor has a mean
 *           and a standard deviation. A row's sensors become distances from the mean of its nearest condition, in standard deviations of it.
 * Missing   a row that lacks a setting is of no condition: not learned from, and all its sensors are missing. A sensor's missing values are left out.
 *           Without two values in a condition, or with equal ones there, a value equal to their mean is 0 and any other one missing.
 * Same      bits at any number of threads: sums run in the order of the rows.
 * Lifetime  mw_conditions_fit -> mw_conditions_apply* -> mw_conditions_free; immutable, so any thread may use it.
 */
#ifndef MW_LEARN_FEATURE_CONDITIONS_H
#define MW_LEARN_FEATURE_CONDITIONS_H

#include "core/text/json.h"
#include "learn/stat/matrix.h"

typedef struct mw_conditions {
    int32_t n; /* conditions: as many as asked for, or as many as there are different settings */
    int32_t n_settings, n_sensors;
    int32_t *settings, *sensors; /* columns of the matrix */
    double *
        weights; /* [n_settings] of squared distances: 1 / variance; 1 of a setting that never changes */
    double *centers; /* [n][n_settings] */
    double *counts, *means,
        *stds; /* [n][n_sensors] values, their mean, their standard deviation (of n - 1) */
} mw_conditions;

typedef struct mw_conditions_options {
    const int32_t *settings,
        *sensors; /* [n_settings] [n_sensors] columns of the matrix; borrowed */
    int32_t n_settings, n_sensors;
    int32_t n;      /* conditions, at most MW_LIMIT(CONDITIONS) */
    int32_t rounds; /* of k-means, at most; 0: 50. Ends before when no row changes its condition */
} mw_conditions_options;

/*
 * Draws with ctx->seed.
 *
 * Cost      O(rounds n_rows n n_settings + n_rows n_sensors), mostly shared over ctx->pool; 20 bytes a row for a while.
 * Errors    MW_EINVAL: columns that do not exist, no setting, no sensor, no condition; MW_ETOOLARGE; MW_EDATA: no row has all settings; MW_ENOMEM;
 *           MW_ECANCELED.
 */
mw_status mw_conditions_fit(const mw_ctx *ctx, const mw_conditions_options *options,
                            mw_matrix matrix, mw_conditions **ret, mw_err *err);
void *mw_conditions_free(mw_conditions *conditions);

mw_status mw_conditions_copy(mw_mem *mem, const mw_conditions *conditions, mw_conditions **ret,
                             mw_err *err);

/* The distance of a value of sensor number s from what is normal in condition k; -1: of none, so missing. */
double mw_conditions_score(const mw_conditions *conditions, int32_t k, int32_t s, double x);

/* As text: settings and sensors by their columns' names, in their order. What is read must have them (MW_EDATA). */
void mw_conditions_write(const mw_conditions *conditions, const char *const *settings,
                         const char *const *sensors, mw_json_writer *writer);
mw_status mw_conditions_read(mw_mem *mem, const mw_json *json, const char *const *settings,
                             int32_t n_settings, const char *const *sensors, int32_t n_sensors,
                             mw_conditions **ret, mw_err *err);

/* The condition of a row of the fitted matrix's columns; -1: a setting is missing. Of equally near ones the first. */
int32_t mw_conditions_of(const mw_conditions *conditions, const float *row);

/* matrix has the columns of the fitted one. out [n_rows][n_sensors]. */
mw_status mw_conditions_apply(const mw_ctx *ctx, const mw_conditions *conditions, mw_matrix matrix,
                              float *out, mw_err *err);

#endif
