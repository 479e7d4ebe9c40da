/*
 * plant_parts.h -- what the files of the main job share: its plan, and what each model came to.
 */
#ifndef MW_LEARN_MODEL_PLANT_PARTS_H
#define MW_LEARN_MODEL_PLANT_PARTS_H

#include "learn/model/lagged.h"
#include "learn/model/plant.h"
#include "learn/model/standouts.h"

enum { MW_PLANT_TOP_FEATURES = 10, MW_PLANT_TOP_ANOMALIES = 10 };

/* The parameters, read once. */
typedef struct mw_plan {
    int64_t interval_us;
    mw_lagged_plan lagged;
    const char *data_hash;
    const mw_args *args;
    int32_t target; /* index into windows->parameters */
    bool target_given;
} mw_plan;

/* A parameter of a learner that the job sets itself; a NULL name ends the list. */
typedef struct mw_setting {
    const char *name;
    int64_t value;
} mw_setting;

/* A way to fit the regression forest, and its RMSE on the last part of the training rows. */
typedef struct mw_candidate {
    int32_t min_samples_leaf;
    bool fits_change; /* the change since the last value, not the level */
    double rmse;      /* NaN: not tried */
} mw_candidate;

enum { MW_CANDIDATES_MAX = 6 };

/* One fitted model and what was measured of it. */
typedef struct mw_outcome {
    const char *name; /* "baseline", "regression", "anomaly" */
    mw_model *model;
    double *importance;                         /* [n_features] native */
    double *permutation;                        /* [n_features] */
    double *spread;                             /* [n_features] */
    mw_regression_metrics metrics, naive;       /* supervised models */
    int64_t n_flagged;                          /* anomaly */
    mw_candidate candidates[MW_CANDIDATES_MAX]; /* regression: [n_candidates] */
    int32_t n_candidates, chosen;
    double seconds_fit, seconds_total;
} mw_outcome;

/* The highest windows of the anomaly model. */
typedef struct mw_ranking {
    double *scores;  /* [windows->n] */
    int64_t *window; /* [n] highest score first, then earliest */
    int64_t n;
    mw_standout *standouts; /* [n][MW_STANDOUTS] */
} mw_ranking;

typedef struct mw_plant {
    const mw_ctx *ctx;
    const mw_row_stream *rows;
    mw_plan plan;
    mw_windows *windows;
    mw_lagged *lagged;
    mw_outcome baseline, regression, anomaly;
    mw_ranking ranking;
    double seconds_resample, seconds_total;
} mw_plant;

/* Arguments of a learner's own table: settings (or NULL) first, else taken over by name from the
 * plant's. */
mw_status mw_plant__learner_args(const mw_plant *plant, const char *learner,
                                 const mw_setting *settings, mw_args **ret, mw_err *err);
/* Chooses plan.target. */
mw_status mw_plant__choose_target(mw_plant *plant, mw_err *err);

/* metadata.json's "training" of a model, as one JSON object. */
void mw_plant__write_training(const mw_plant *plant, const mw_outcome *outcome, mw_json_writer *w);
mw_status mw_plant__save_importance(const mw_plant *plant, const mw_outcome *outcome, mw_dir *dir,
                                    mw_err *err);
mw_status mw_plant__save_anomalies(const mw_plant *plant, mw_dir *dir, mw_err *err);
mw_status mw_plant__save_scores(const mw_plant *plant, mw_dir *dir, mw_err *err);
void mw_plant__write_result(const mw_plant *plant, mw_json_writer *w);

/* plant_models.c: fit, measure and save one model each. */
mw_status mw_plant__supervised(mw_plant *plant, const char *learner, mw_outcome *outcome,
                               mw_dir *out, mw_err *err);
mw_status mw_plant__anomaly(mw_plant *plant, mw_dir *out, mw_err *err);

#endif
