/*
 * model_data.h -- small, repeatable learning problems and models fitted on them, for tests.
 */
#ifndef MW_TESTS_SUPPORT_MODEL_DATA_H
#define MW_TESTS_SUPPORT_MODEL_DATA_H

#include "learn/model/model.h"

/* Rows of two numbers, a bool, a category of four texts and a number without influence; some cells
 * are missing. y is a function of them with noise; as classes, y cut into n_classes parts. */
typedef struct mw_problem {
    mw_table *table;
    mw_features *features;
    float *x;
    double *y;
    mw_matrix matrix;
    const char *classes[3];
} mw_problem;

enum { MW_PROBLEM_FEATURES = 5 };

/* n_classes 0: regression. scale multiplies and offset is added to numbers and target. */
void mw_problem_make(mw_problem *problem, uint64_t seed, int64_t n_rows, int32_t n_classes,
                     double scale, double offset);
void mw_problem_done(mw_problem *problem);

/* Parameters of a learner from "name=value name=value"; the caller frees them. */
mw_args *mw_problem_args(const char *learner, const char *settings);

/* Fits; asserts that it works. */
/* Settings that begin with "anchor=load" set mw_fit.anchor. */
mw_model *mw_problem_fit(const mw_ctx *ctx, const mw_problem *problem, const char *learner,
                         mw_task task, const char *settings);

/* Scores of all rows [n_rows][outputs]; the caller frees them. */
double *mw_problem_scores(const mw_ctx *ctx, const mw_problem *problem, const mw_model *model);

/* A context like mw_ctx_init's whose files are not synced to disk: for tests that save hundreds of
 * times. */
void mw_problem_ctx(mw_ctx *ctx);

/* A new folder below the test's own. */
mw_dir *mw_problem_dir(const char *name);
/* A file's bytes; the caller frees them. */
char *mw_problem_read(mw_dir *dir, const char *name, size_t *size);

#endif
