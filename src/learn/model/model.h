/*
 * model.h -- one fit / score / importance / save / load over all learners.
 *
 * What      a model knows its learner, task, feature columns (with categories), parameters and fitted
 *           state. On disk it is an MLflow model folder whose model.onnx is authoritative (DESIGN 3.6).
 * Learners  one file and one line in learners.c each; a line has name, tasks, parameter table, fit,
 *           score, importance, export to and import from ONNX.
 * Lifetime  mw_model_fit | mw_model_load -> mw_model_score* -> mw_model_free; immutable once made.
 */
#ifndef MW_LEARN_MODEL_MODEL_H
#define MW_LEARN_MODEL_MODEL_H

#include "core/base/dir.h"
#include "core/param/param.h"
#include "core/table/table.h"
#include "learn/feature/config.h"
#include "learn/metric/metric.h"
#include "learn/tree/trees.h"

typedef enum mw_task {
    MW_TASK_REGRESSION,
    MW_TASK_BINARY,
    MW_TASK_MULTICLASS,
    MW_TASK_ANOMALY
} mw_task;

const char *mw_task_name(mw_task task); /* "regression", "binary", "multiclass", "anomaly" */

/* ---- features: from a table to a float32 matrix, the same way at fit and at score ---- */

typedef enum mw_feature_kind {
    MW_FEATURE_NUMBER,
    MW_FEATURE_BOOL,
    MW_FEATURE_CATEGORY
} mw_feature_kind;

typedef struct mw_feature {
    char *name;
    mw_feature_kind kind;
    char **categories; /* [n_categories], sorted by bytes; code = index; unseen or missing = NaN */
    int32_t n_categories;
} mw_feature;

typedef struct mw_features mw_features; /* the ordered list, owned */

/* All usable columns of table but those in `except` (target, dropped, time, ...). */
mw_status mw_features_of_table(const mw_ctx *ctx, const mw_table *table, const char *const *except,
                               size_t n_except, mw_features **ret, mw_err *err);
/* The outputs of a feature program (learn/feature), numbers: rows of a table then go through it, in the table's order. The configuration's
 * text, which is copied, travels with the model. */
mw_status mw_features_of_program(const mw_ctx *ctx, mw_str config, mw_features **ret, mw_err *err);
/* NULL: features are columns of the table. */
const mw_feature_config *mw_features_program(const mw_features *features);
/* The categoricalColumns of its configuration become features behind the outputs, with the texts that the table has. Once, before any rows are made. */
mw_status mw_features_add_categories(const mw_ctx *ctx, mw_features *features,
                                     const mw_table *table, mw_err *err);
/* Are there operating conditions to be learned (mw_program_fit_conditions) before any rows are made? Then they are set, and copied. */
bool mw_features_need_conditions(const mw_features *features);
mw_status mw_features_set_conditions(mw_features *features, const mw_conditions *conditions,
                                     mw_err *err);
/* What a program leaves to be learned, its scaling: from rows as mw_features_matrix gives them before, the rows to fit on alone. From then on it gives
 * scaled ones, and so does every copy. Nothing to do without a program. */
mw_status mw_features_fit(const mw_ctx *ctx, mw_features *features, mw_matrix rows, mw_err *err);
const mw_scaling *mw_features_scaling(const mw_features *features); /* NULL: none, or not fitted */
void *mw_features_free(mw_features *features);
int32_t mw_features_count(const mw_features *features);
const mw_feature *mw_features_at(const mw_features *features, int32_t index);
/* *ret_x [table->n_rows][count], mw_free it. MW_EDATA names a missing column; extra ones are ignored. */
mw_status mw_features_matrix(const mw_ctx *ctx, const mw_features *features, const mw_table *table,
                             float **ret_x, mw_err *err);
/* The same, and *table is freed column by column on the way, and NULL in any case: at most the table, or twice the matrix, is in memory. */
mw_status mw_features_take(const mw_ctx *ctx, const mw_features *features, mw_table **table,
                           float **ret_x, mw_err *err);

/* ---- models ---- */

typedef struct mw_model mw_model;

typedef struct mw_fit {
    const char *learner; /* name or alias; see mw_model_learners */
    mw_task task;
    const mw_features *features; /* copied */
    const char *target;          /* name of the target column; NULL for isolation */
    const char *const *classes;  /* [n_classes] labels in index order; classification only */
    int32_t n_classes;
    const mw_args *params; /* of the learner's table; see mw_model_params */
    mw_matrix matrix;      /* [n_rows][count(features)] */
    const double *y;       /* [n_rows]; target or class index; NULL for isolation */
    const char *anchor;    /* NULL, or a number feature whose value is taken off y while fitting
                                     and added to every prediction (missing: its mean); forest only */
    const double *weights; /* [n_rows] above 0, or NULL; gbdt only, as all that follows */
    const uint32_t *
        numbers; /* [n_rows] what errors about y and weights call rows, from 0; NULL: as they stand */
    mw_matrix valid;               /* rows to measure on while fitting; n_rows 0: none */
    const double *valid_y;         /* [valid.n_rows] as y */
    const double *valid_weights;   /* [valid.n_rows], or NULL */
    const uint32_t *valid_numbers; /* [valid.n_rows], or NULL */
    const mw_model
        *init; /* a model of the same kind, features and classes to go on from, or NULL */
} mw_fit;

/* The parameter table of a learner, by name or alias; NULL when there is no such learner. */
const mw_param *mw_model_params(const char *learner);
/* The learners' names, and {alias, name} of those that have others: choices of a parameter. */
extern const char *const mw_model_learners[];
extern const char *const mw_model_learner_aliases[][2];

mw_status mw_model_fit(const mw_ctx *ctx, const mw_fit *fit, mw_model **ret, mw_err *err);
void *mw_model_free(mw_model *model);

int32_t mw_model_outputs(const mw_model *model); /* doubles per row of mw_model_score */
/* regression: [n_rows] prediction; classes: [n_rows][n_classes] probabilities; isolation: [n_rows] score */
mw_status mw_model_score(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix, double *out,
                         mw_err *err);

typedef enum mw_output {
    MW_OUTPUT_PREDICTION, /* what mw_model_score gives */
    MW_OUTPUT_MARGIN,     /* before probabilities or the exponential are made of it */
    MW_OUTPUT_LEAVES      /* the number of the leaf that each tree gives */
} mw_output;

/* Doubles per row of mw_model_score_as. MW_EINVAL: the learner has no such output, or no rounds. */
mw_status mw_model_outputs_as(const mw_model *model, mw_output what, int32_t n_rounds, int32_t *ret,
                              mw_err *err);
/*
 * Other outputs than mw_model_score's, or those of the first n_rounds rounds of boosting (0: all). Leaves are numbered
 * within their tree, in the order of its nodes.
 *
 * Errors   as mw_model_outputs_as and mw_model_score.
 */
mw_status mw_model_score_as(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                            mw_output what, int32_t n_rounds, double *out, mw_err *err);

/* Losses round by round as JSON, of a model that was just fitted; NULL: it was not fitted by rounds. */
const char *mw_model_curves(const mw_model *model);

const char *mw_model_learner(const mw_model *model);
mw_task mw_model_task(const mw_model *model);
const mw_features *mw_model_features(const mw_model *model);
const char *const *mw_model_classes(const mw_model *model, int32_t *n);
double mw_model_threshold(const mw_model *model); /* isolation: score from which a row is flagged */
double mw_model_oob_score(
    const mw_model *model); /* forest with oob_score: R2 or accuracy; NaN otherwise */

/* Native importance [count(features)], sums to 1: forest and gbdt by gain, ridge by |standardized coefficient|,
 * isolation by path-length share. */
mw_status mw_model_importance(const mw_ctx *ctx, const mw_model *model, double *importance,
                              mw_err *err);
/* By permutation on the given rows, `repeats` times: rise of RMSE / log loss, isolation: mean |score
 * change|. importance [count(features)] mean, spread [count(features)] standard deviation. */
mw_status mw_model_permutation(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                               const double *y, int32_t repeats, double *importance, double *spread,
                               mw_err *err);

/*
 * Writes an MLflow model folder: MLmodel, model.onnx (or, for what ONNX cannot hold, state.arrow), metadata.json. `extra` is a JSON object (or empty)
 * stored under metadata.json's "training" (metrics, data hash, range...). Parity of model.onnx with
 * mw_model_score on `check` rows (may be empty) is measured and stored; > 1e-5 is MW_EINTERNAL.
 * Same model, same bytes of model.onnx or state.arrow and metadata.json.
 */
mw_status mw_model_save(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_str extra,
                        mw_matrix check, mw_err *err);
/* The file of a model folder that says what the model computes: "model.onnx" or "state.arrow". */
const char *mw_model_file(mw_dir *dir);
/* Anything wrong with the folder gives MW_EDATA with what and where; newer formats are refused. */
mw_status mw_model_load(const mw_ctx *ctx, mw_dir *dir, mw_model **ret, mw_err *err);

#endif
