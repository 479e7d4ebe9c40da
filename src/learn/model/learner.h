/*
 * learner.h -- what a learner is, and the model value the files of this folder share.
 *
 * What      a learner is one row of functions in learners.c. Its fitted state hangs below mw_model
 *           as an opaque pointer that only the learner's own file looks into.
 * Order     fit | import -> (score | importance | export)* -> free_state
 * Rule      import(export(state)) scores bit-identically to state; so does load_state(save_state(state)).
 */
#ifndef MW_LEARN_MODEL_LEARNER_H
#define MW_LEARN_MODEL_LEARNER_H

#include "learn/model/model.h"
#include "learn/model/onnx_graph.h"

enum {
    MW_TASKS_REGRESSION = 1 << MW_TASK_REGRESSION,
    MW_TASKS_CLASSES = 1 << MW_TASK_BINARY | 1 << MW_TASK_MULTICLASS,
    MW_TASKS_ANOMALY = 1 << MW_TASK_ANOMALY
};

typedef struct mw_learner {
    const char *name;
    unsigned tasks; /* bit per mw_task */
    bool anchors;   /* knows mw_fit.anchor */
    bool boosts;    /* knows mw_fit.weights, .valid and .init */
    bool leaves;    /* knows MW_OUTPUT_LEAVES */
    const mw_param *params;
    /* Sets model->state (and model->threshold); ctx->seed is the parameter's. */
    mw_status (*fit)(const mw_ctx *ctx, const mw_fit *fit, mw_model *model, mw_err *err);
    /* A model is scored by `score`, or, when it has trees, by what `finish` makes of their sums. */
    mw_status (*score)(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix, double *out,
                       mw_err *err);
    const mw_trees *(*trees)(const mw_model *model); /* prepared; may give NULL */
    /* out [n_rows][outputs] begins with the sums [n_rows][trees->n_outputs] of the matrix' rows. */
    mw_status (*finish)(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix, double *out,
                        mw_err *err);
    /* As mw_model_score_as, for PREDICTION and MARGIN; NULL: there are no rounds. */
    mw_status (*score_as)(const mw_ctx *ctx, const mw_model *model, mw_matrix matrix,
                          mw_output what, int32_t n_rounds, double *out, mw_err *err);
    /* importance [count(features)], not yet normalized */
    void (*importance)(const mw_model *model, double *importance);
    /* Appends nodes, tensors and outputs; the input is named MW_ONNX_INPUT. */
    mw_status (*export_graph)(const mw_ctx *ctx, const mw_model *model, mw_onnx *onnx, mw_err *err);
    mw_status (*import_graph)(const mw_ctx *ctx, const mw_onnx_doc *doc, mw_model *model,
                              mw_err *err);
    /* What ONNX cannot hold is a table, state.arrow, in place of model.onnx. state_version 0: there is none;
     * else the version of the table's form, and needs_state says whether this model is such a one. */
    int32_t state_version;
    bool (*needs_state)(const mw_model *model);
    mw_status (*save_state)(const mw_ctx *ctx, const mw_model *model, mw_table **ret, mw_err *err);
    /* The table is untrusted; model->threshold is set already. */
    mw_status (*load_state)(const mw_ctx *ctx, const mw_table *table, mw_model *model, mw_err *err);
    void (*free_state)(void *state);
} mw_learner;

extern const mw_learner mw_learner_linear;
extern const mw_learner mw_learner_forest;
extern const mw_learner mw_learner_isolation;
extern const mw_learner mw_learner_gbdt;

/* The trees whose sums `finish` makes scores of; NULL: the learner's `score` makes them. */
const mw_trees *mw_model__trees(const mw_model *model);

/* Does the model go to state.arrow instead of model.onnx? */
bool mw_model__needs_state(const mw_model *model);

/* By name or alias; NULL when there is none. */
const mw_learner *mw_learner_find(const char *name);

struct mw_model {
    mw_mem *mem;
    const mw_learner *learner;
    mw_task task;
    mw_features *features;
    char *target;   /* NULL: none */
    char **classes; /* [n_classes] */
    int32_t n_classes;
    char *params_json; /* one JSON object */
    char *curves_json; /* of a fit by rounds, not of a loaded model; or NULL */
    int64_t n_rows;    /* rows it was fitted on */
    int32_t anchor;    /* feature that predictions are relative to; -1: none */
    double threshold;  /* isolation; NaN otherwise */
    double oob_score;  /* forest, when asked for; NaN otherwise */
    double
        *importance; /* [count(features)] native, normalized to sum 1 (0 when nothing was used) */
    double importance_total; /* what it summed to before that; 0: a folder that does not tell */
    void *state;
};

/* A deep copy; for the model, which outlives what it was fitted from. */
mw_status mw_features__copy(mw_mem *mem, const mw_features *features, mw_features **ret,
                            mw_err *err);
/* The configuration of a list that was made of one, as it was written; empty: none. */
mw_str mw_features__config(const mw_features *features);
/* Takes it over. */
void mw_features__set_scaling(mw_features *features, mw_scaling *scaling);
/* An empty list with room for n; entries are added with mw_features__add (name copied). */
mw_status mw_features__new(mw_mem *mem, int32_t n, mw_features **ret, mw_err *err);
/* categories [n_categories] are copied; they must be strictly ascending by bytes. */
mw_status mw_features__add(mw_features *features, mw_str name, mw_feature_kind kind,
                           const mw_str *categories, int32_t n_categories, mw_err *err);
/* Index of the feature of that name; -1: none. */
int32_t mw_features__find(const mw_features *features, mw_str name);
/* Code of a category; -1 when unseen. */
int32_t mw_feature__code(const mw_feature *feature, mw_str text);
/* *ret [count]: not 0 where a feature's values are codes of categories; mw_free it. */
mw_status mw_features__by_code(mw_mem *mem, const mw_features *features, uint8_t **ret,
                               mw_err *err);
/* MW_EDATA when the trees split a number by a set: a fraction is in no set of a file, but would be cut off here. */
mw_status mw_features__check_sets(const mw_features *features, const mw_trees *trees, mw_err *err);
const char *mw_feature__kind_name(mw_feature_kind kind); /* "number", "bool", "category" */

/* LabelEncoder from a class's index to its label, for a graph; MW_EDATA unless operator `node` of doc is that one. */
void mw_onnx_add_labels(mw_onnx *onnx, const mw_model *model, const char *input,
                        const char *output);
mw_status mw_onnx_expect_labels(const mw_onnx_doc *doc, size_t node, const mw_model *model,
                                mw_err *err);

/* A model without state; the caller fills the rest and frees it on failure. */
mw_status mw_model__new(mw_mem *mem, const mw_learner *learner, mw_task task,
                        const mw_features *features, mw_model **ret, mw_err *err);
mw_status mw_model__set_classes(mw_model *model, const mw_str *classes, int32_t n, mw_err *err);

#endif
