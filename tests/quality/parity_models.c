/*
 * parity_models.c -- writes model folders with rows and scores beside them, for onnx_parity.py.
 *
 *   parity_models OUT    for every case: OUT/CASE/ (a model folder) with rows.f32 and scores.f64
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "support/harness.h"
#include "support/model_data.h"

typedef struct parity_case {
    const char *name, *learner;
    mw_task task;
    int32_t n_classes;
    const char *settings;
    double scale, offset;
} parity_case;

/* The category is split by sets of codes. */
#define SETS "max_cat_to_onehot=1 min_data_per_group=5 cat_smooth=1 "

static const parity_case cases[] = {
    {"linear", "linear", MW_TASK_REGRESSION, 0, "", 1, 0},
    {"linear_large_offset", "linear", MW_TASK_REGRESSION, 0, "", 1e6, -3e7},
    {"linear_small", "linear", MW_TASK_REGRESSION, 0, "", 1e-6, 0},
    {"linear_huge", "linear", MW_TASK_REGRESSION, 0, "alpha=0", 1e12, 1e13},
    {"forest", "forest", MW_TASK_REGRESSION, 0, "", 1, 0},
    {"forest_both_signs", "forest", MW_TASK_REGRESSION, 0, "n_estimators=300", 1e6, 0},
    {"forest_large_offset", "forest", MW_TASK_REGRESSION, 0, "", 1, 1e6},
    {"forest_anchored", "forest", MW_TASK_REGRESSION, 0, "anchor=load", 1e6, 0},
    {"forest_stumps", "forest", MW_TASK_REGRESSION, 0, "n_estimators=1 max_depth=1", 1, 0},
    {"forest_leaf_only", "forest", MW_TASK_REGRESSION, 0, "min_samples_split=100000", 1, 0},
    {"forest_binary", "forest", MW_TASK_BINARY, 2, "", 1, 0},
    {"forest_multiclass", "forest", MW_TASK_MULTICLASS, 3, "", 1, 0},
    {"isolation", "isolation", MW_TASK_ANOMALY, 0, "", 1, 0},
    {"isolation_large", "isolation", MW_TASK_ANOMALY, 0, "n_estimators=300", 1e6, 1e8},
    {"gbdt", "gbdt", MW_TASK_REGRESSION, 0, SETS, 1, 0},
    {"gbdt_large_offset", "gbdt", MW_TASK_REGRESSION, 0, SETS, 1e6, -3e7},
    {"gbdt_small", "gbdt", MW_TASK_REGRESSION, 0, SETS, 1e-6, 0},
    {"gbdt_l1", "gbdt", MW_TASK_REGRESSION, 0, SETS "objective=regression_l1", 1, 0},
    {"gbdt_huber", "gbdt", MW_TASK_REGRESSION, 0, SETS "objective=huber", 1, 0},
    {"gbdt_quantile", "gbdt", MW_TASK_REGRESSION, 0, SETS "objective=quantile", 1, 0},
    {"gbdt_poisson", "gbdt", MW_TASK_REGRESSION, 0, SETS "objective=poisson", 1e4, 1e6},
    {"gbdt_tweedie", "gbdt", MW_TASK_REGRESSION, 0, SETS "objective=tweedie", 1, 100},
    {"gbdt_binary", "gbdt", MW_TASK_BINARY, 2, SETS, 1, 0},
    {"gbdt_multiclass", "gbdt", MW_TASK_MULTICLASS, 3, SETS, 1, 0},
    {"gbdt_two_classes", "gbdt", MW_TASK_BINARY, 2, SETS "objective=multiclass", 1, 0},
    {"gbdt_dart", "gbdt", MW_TASK_BINARY, 2, SETS "boosting=dart", 1, 0},
    {"gbdt_long", "gbdt", MW_TASK_BINARY, 2, SETS "n_estimators=1000 num_leaves=4", 1, 0},
};

static void write_file(mw_dir *dir, const char *name, const void *data, size_t size) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    if (mw_file_replace(&ctx, dir, name, data, size, &err)) {
        fprintf(stderr, "%s: %s\n", name, err.message);
        exit(1);
    }
}

static void write_case(const char *out, const parity_case *c) {
    mw_ctx ctx;
    mw_err err;
    mw_problem train, other;
    mw_dir *root = NULL, *dir = NULL;
    mw_ctx_init(&ctx);
    mw_problem_make(&train, 11, 1500, c->n_classes, c->scale, c->offset);
    mw_problem_make(&other, 12, 1500, c->n_classes, c->scale, c->offset);
    /* Cells no training row had: missing everywhere, codes out of range, extreme values. */
    for (int64_t i = 0; i < 200; i++) {
        mw_rng rng;
        mw_rng_init(&rng, 99, 0, (uint64_t)i);
        float *cell = &other.x[i * MW_PROBLEM_FEATURES + (int64_t)mw_rng_below(&rng, 5)];
        *cell = i % 3 == 0 ? __builtin_nanf("") : i % 3 == 1 ? 1e7f : -2.5f;
    }
    mw_model *model = mw_problem_fit(&ctx, &train, c->learner, c->task, c->settings);
    double *scores = mw_problem_scores(&ctx, &other, model);
    size_t n = (size_t)other.matrix.n_rows;
    if (mw_dir_open(&ctx, out, MW_DIR_CREATE, &root, &err) ||
        mw_dir_sub(&ctx, root, c->name, MW_DIR_CREATE, &dir, &err) ||
        mw_model_save(&ctx, model, dir, MW_STR(""), other.matrix, &err)) {
        fprintf(stderr, "%s: %s\n", c->name, err.message);
        exit(1);
    }
    write_file(dir, "rows.f32", other.x, n * MW_PROBLEM_FEATURES * sizeof *other.x);
    write_file(dir, "scores.f64", scores, n * (size_t)mw_model_outputs(model) * sizeof *scores);
    mw_free(scores);
    mw_model_free(model);
    mw_dir_close(dir);
    mw_dir_close(root);
    mw_problem_done(&train);
    mw_problem_done(&other);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: parity_models OUT\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) write_case(argv[1], &cases[i]);
    return 0;
}
