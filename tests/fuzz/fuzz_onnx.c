/*
 * fuzz_onnx.c -- loading hostile model folders.
 *
 * The first byte chooses: 0 linear, 1 forest, 2 forest of three classes, 3 isolation, 4 anchored forest
 * (the rest is model.onnx), 5 trees without a learner (the same); anything else: the rest is
 * metadata.json. What loads is scored, exported and run by the evaluator, which must agree with the
 * score. Trees must also come back from what is written of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/math.h"
#include "learn/model/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 9, FEATURES = 5, CLASSES = 3 };

static const struct {
    const char *learner;
    mw_task task;
    int32_t n_classes, anchor;
} kinds[] = {{"linear", MW_TASK_REGRESSION, 0, -1},
             {"forest", MW_TASK_REGRESSION, 0, -1},
             {"forest", MW_TASK_MULTICLASS, CLASSES, -1},
             {"isolation", MW_TASK_ANOMALY, 0, -1},
             {"forest", MW_TASK_REGRESSION, 0, 1}};

static mw_status make_features(mw_features **ret, mw_err *err) {
    static const mw_str texts[] = {{"drill", 5}, {"lathe", 5}, {"mill", 4}, {"press", 5}};
    mw_features *f = NULL;
    mw_status status = mw_features__new(NULL, FEATURES, &f, err);
    if (!status) status = mw_features__add(f, MW_STR("heat"), MW_FEATURE_NUMBER, NULL, 0, err);
    if (!status) status = mw_features__add(f, MW_STR("load"), MW_FEATURE_NUMBER, NULL, 0, err);
    if (!status) status = mw_features__add(f, MW_STR("on"), MW_FEATURE_BOOL, NULL, 0, err);
    if (!status) status = mw_features__add(f, MW_STR("kind"), MW_FEATURE_CATEGORY, texts, 4, err);
    if (!status) status = mw_features__add(f, MW_STR("noise"), MW_FEATURE_NUMBER, NULL, 0, err);
    *ret = f;
    return status;
}

/* Values of every sort a matrix may hold. */
static void fill_rows(float x[ROWS * FEATURES]) {
    static const float values[] = {0, 1, -1, 3, 2.5f, 1e30f, -1e30f, 0.1f};
    for (int i = 0; i < ROWS * FEATURES; i++)
        x[i] = i % 7 == 6 ? __builtin_nanf("") : values[(i * 5 + i / FEATURES) % 8];
}

static void check_scores(const mw_ctx *ctx, const mw_model *model, const mw_onnx_doc *doc) {
    float x[ROWS * FEATURES];
    double own[ROWS * CLASSES], other[ROWS * CLASSES];
    mw_err err;
    mw_matrix matrix = {x, ROWS, FEATURES};
    int32_t outputs = mw_model_outputs(model);
    fill_rows(x);
    if (mw_model_score(ctx, model, matrix, own, &err)) abort();
    if (mw_onnx_eval(ctx, doc, matrix, mw_model__output_name(model), outputs, other, &err)) abort();
    for (int i = 0; i < ROWS * outputs; i++) {
        double scale = mw_abs(own[i]) > 1 ? mw_abs(own[i]) : 1;
        /* Weights near the end of double or float range may overflow in one of the two. */
        bool comparable = mw_isfinite(own[i]) && mw_isfinite(other[i]) && scale < 1e30;
        if (comparable && mw_abs(own[i] - other[i]) > 1e-4 * scale && model->learner->tasks != 1)
            abort();
    }
}

static void load_onnx(const mw_ctx *ctx, int kind, const uint8_t *data, size_t size) {
    mw_err err;
    mw_features *features = NULL;
    mw_model *model = NULL;
    mw_onnx_doc *doc = NULL;
    static const mw_str classes[CLASSES] = {{"bad", 3}, {"good", 4}, {"ugly", 4}};
    if (make_features(&features, &err)) abort();
    if (mw_model__new(NULL, mw_learner_find(kinds[kind].learner), kinds[kind].task, features,
                      &model, &err) ||
        mw_model__set_classes(model, classes, kinds[kind].n_classes, &err))
        abort();
    model->anchor = kinds[kind].anchor;
    mw_status status = mw_onnx_parse(ctx, data, size, &doc, &err);
    if (!status && mw_onnx_doc_features(doc) != FEATURES) status = MW_EDATA;
    if (!status) status = model->learner->import_graph(ctx, doc, model, &err);
    if (!status) check_scores(ctx, model, doc);
    mw_onnx_doc_free(doc);
    mw_model_free(model);
    mw_features_free(features);
}

/* ---- trees, with sets and base values ---- */

static const mw_onnx_step tree_steps[] = {
    {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}},
    {"TreeEnsembleRegressor", "features64", "sums", {{NULL, 0}}},
};

/* Codes of categories are whole, and so are these numbers. */
static void check_sums(const mw_ctx *ctx, const mw_trees *trees, const mw_onnx_doc *doc) {
    static const float cells[] = {0, 1, -1, 3, 4, 31, 32, 40, 1e30f, 9999};
    mw_err err;
    const size_t n_features = (size_t)trees->n_features, n_outputs = (size_t)trees->n_outputs;
    float *x = mw_calloc(NULL, ROWS * n_features, sizeof *x);
    double *own = mw_calloc(NULL, ROWS * n_outputs, sizeof *own);
    double *other = mw_calloc(NULL, ROWS * n_outputs, sizeof *other);
    if (!x || !own || !other) abort();
    for (size_t i = 0; i < ROWS * n_features; i++)
        x[i] = i % 7 == 6 ? __builtin_nanf("") : cells[(i * 3 + i / n_features) % 10];
    for (size_t i = 0; i < ROWS; i++)
        mw_trees_score_row(trees, x + i * n_features, own + i * n_outputs);
    const mw_matrix matrix = {x, ROWS, trees->n_features};
    if (mw_onnx_eval(ctx, doc, matrix, "sums", trees->n_outputs, other, &err)) abort();
    for (size_t i = 0; i < ROWS * n_outputs; i++)
        if (mw_abs(own[i]) < 1e30 && (double)(float)own[i] != other[i]) abort();
    mw_free(other);
    mw_free(own);
    mw_free(x);
}

/* Bytes of the graph of these trees; false when memory ends or the graph would be too large. */
static bool pack_trees(const mw_ctx *ctx, const mw_trees *trees, uint8_t **ret, size_t *ret_size) {
    mw_err err;
    mw_onnx *onnx = NULL;
    if (mw_onnx_new(NULL, "trees", trees->n_features, &onnx, &err)) abort();
    mw_onnx_add_step(onnx, &tree_steps[0]);
    mw_status status = mw_onnx_add_trees(ctx, onnx, trees, "features64", "sums", &err);
    mw_onnx_output(onnx, "sums", MW_ONNX_FLOAT, trees->n_outputs);
    if (!status) status = mw_onnx_pack(ctx, onnx, ret, ret_size, &err);
    mw_onnx_free(onnx);
    if (status && status != MW_ENOMEM && status != MW_ETOOLARGE) abort();
    return status == MW_OK;
}

static void load_trees(const mw_ctx *ctx, const uint8_t *data, size_t size, bool again) {
    mw_err err;
    mw_onnx_doc *doc = NULL;
    mw_trees *trees = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    mw_status status = mw_onnx_parse(ctx, data, size, &doc, &err);
    if (!status) status = mw_onnx_expect(doc, tree_steps, 2, &err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, &trees, &err);
    if (again && status && status != MW_ENOMEM) abort();
    if (!status && mw_trees_check(trees, &err)) abort();
    if (!status) check_sums(ctx, trees, doc);
    if (!status && pack_trees(ctx, trees, &bytes, &n)) {
        if (!again) load_trees(ctx, bytes, n, true);
        if (again && (n != size || memcmp(bytes, data, n) != 0)) abort();
    }
    mw_free(bytes);
    mw_trees_free(trees);
    mw_onnx_doc_free(doc);
}

static int no_sync(void *self, int fd) {
    (void)self;
    (void)fd;
    return 0;
}

static void load_metadata(const mw_ctx *ctx, const uint8_t *data, size_t size) {
    static char path[] = "/tmp/fuzz_onnx.XXXXXX";
    static mw_dir *dir;
    mw_err err;
    mw_package package;
    mw_model *model = NULL;
    if (!dir && (!mkdtemp(path) || mw_dir_open(ctx, path, MW_DIR_MUST_EXIST, &dir, &err))) abort();
    if (mw_file_replace(ctx, dir, "metadata.json", data, size, &err)) abort();
    if (!mw_metadata_read(ctx, dir, &package, &model, &err)) mw_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_ctx ctx;
    mw_mem mem;
    mw_io io = mw_io_system;
    io.fsync = no_sync;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, 256 << 20);
    ctx.mem = &mem;
    ctx.io = &io;
    if (size < 1) return 0;
    if (data[0] < sizeof kinds / sizeof *kinds)
        load_onnx(&ctx, data[0], data + 1, size - 1);
    else if (data[0] == sizeof kinds / sizeof *kinds)
        load_trees(&ctx, data + 1, size - 1, false);
    else
        load_metadata(&ctx, data + 1, size - 1);
    return 0;
}
