/*
 * parity_trees.c -- writes graphs of random ensembles, with sets and base values, for onnx_parity.py.
 *
 *   parity_trees OUT    for every case: OUT/CASE/ with model.onnx, rows.f32, sums.f64 by the plain walk, and
 *                       what our evaluator makes of each further output as NAME.f64
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/dir.h"
#include "learn/model/onnx_graph.h"
#include "support/random_trees.h"

enum { ROWS = 1500 };

typedef struct parity_case {
    const char *name;
    mw_trees_shape shape;
} parity_case;

static const parity_case cases[] = {
    {"trees_plain", {20, 5, 1, 40, 0, false}},
    {"trees_base", {20, 5, 1, 40, 0, true}},
    {"trees_few_codes", {20, 6, 1, 40, 6, true}},
    {"trees_codes", {30, 6, 2, 60, 60, true}},
    {"trees_many_codes", {30, 9, 3, 60, 10000, true}},
    {"trees_one", {1, 3, 3, 30, 70, true}},
    {"trees_two", {2, 3, 1, 2, 5, false}},
    {"trees_leaf", {1, 3, 3, 0, 5, true}},
};

static void must(mw_status status, const mw_err *err) {
    if (!status) return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* Margins become shares of classes: of all outputs, and of the first as one of two classes. */
static const mw_onnx_step steps[] = {
    {"Cast", "sums", "sums64", {{"to", MW_ONNX_DOUBLE}}},
    {"Softmax", "sums64", "shares64", {{"axis", 1}}},
    {"Cast", "shares64", "shares", {{"to", MW_ONNX_FLOAT}}},
    {"Gather", "sums64 first", "margin", {{"axis", 1}}},
    {"Sigmoid", "margin", "yes", {{NULL, 0}}},
    {"Sub", "one yes", "no", {{NULL, 0}}},
    {"Concat", "no yes", "both64", {{"axis", 1}}},
    {"Cast", "both64", "both", {{"to", MW_ONNX_FLOAT}}},
    {"Exp", "sums", "growth", {{NULL, 0}}},
    {"ArgMax", "both64", "class_index", {{"axis", 1}, {"keepdims", 0}}},
};

static void add_labels(mw_onnx *onnx) {
    static const char *const texts[] = {"no", "yes"};
    Onnx__NodeProto *encoder = mw_onnx_node(onnx, "LabelEncoder", "class_index", "label");
    int64_t *keys = mw_onnx_ints(onnx, encoder, "keys_int64s", 2);
    ProtobufCBinaryData *labels = mw_onnx_texts(onnx, encoder, "values_strings", 2);
    for (size_t i = 0; labels && i < 2; i++) {
        keys[i] = (int64_t)i;
        labels[i].data = (uint8_t *)texts[i];
        labels[i].len = strlen(texts[i]);
    }
    mw_onnx_output(onnx, "label", MW_ONNX_STRING, 0);
}

static void build(const mw_ctx *ctx, const mw_trees *trees, bool classes, uint8_t **data,
                  size_t *size) {
    static const mw_onnx_step widen = {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}};
    mw_err err;
    mw_onnx *onnx = NULL;
    must(mw_onnx_new(NULL, "trees", trees->n_features, &onnx, &err), &err);
    mw_onnx_add_step(onnx, &widen);
    must(mw_onnx_add_trees(ctx, onnx, trees, "features64", "sums", &err), &err);
    mw_onnx_output(onnx, "sums", MW_ONNX_FLOAT, trees->n_outputs);
    if (classes) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (strcmp(steps[i].op, "Exp") != 0) mw_onnx_add_step(onnx, &steps[i]);
        add_labels(onnx);
        mw_onnx_output(onnx, "shares", MW_ONNX_FLOAT, trees->n_outputs);
        mw_onnx_output(onnx, "both", MW_ONNX_FLOAT, 2);
        *(int64_t *)mw_onnx_tensor(onnx, "first", MW_ONNX_INT64, 1, -1) = 0;
        *(double *)mw_onnx_tensor(onnx, "one", MW_ONNX_DOUBLE, 1, -1) = 1;
    } else {
        mw_onnx_add_step(onnx, &steps[8]);
        mw_onnx_output(onnx, "growth", MW_ONNX_FLOAT, trees->n_outputs);
    }
    must(mw_onnx_pack(ctx, onnx, data, size, &err), &err);
    mw_onnx_free(onnx);
}

static void write_file(const mw_ctx *ctx, mw_dir *dir, const char *name, const void *data,
                       size_t size) {
    mw_err err;
    must(mw_file_replace(ctx, dir, name, data, size, &err), &err);
}

/* What the evaluator makes of an output. */
static void write_output(const mw_ctx *ctx, mw_dir *dir, const mw_onnx_doc *doc, mw_matrix matrix,
                         const char *output, int32_t columns) {
    mw_err err;
    char name[32];
    double *values = mw_alloc_array(NULL, (size_t)(ROWS * columns), sizeof *values);
    must(mw_onnx_eval(ctx, doc, matrix, output, columns, values, &err), &err);
    (void)snprintf(name, sizeof name, "%s.f64", output);
    write_file(ctx, dir, name, values, (size_t)(ROWS * columns) * sizeof *values);
    mw_free(values);
}

static void write_case(const char *out, const parity_case *c) {
    mw_ctx ctx;
    mw_err err;
    mw_rng rng;
    mw_dir *root = NULL, *dir = NULL;
    mw_onnx_doc *doc = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, 7, (uint64_t)(c - cases), 0);
    const int32_t n_features = c->shape.n_features, n_outputs = c->shape.n_outputs;
    const bool classes = (c - cases) % 2 == 1;
    mw_trees *trees = mw_random_trees(&rng, &c->shape);
    float *x = mw_random_rows(&rng, &c->shape, ROWS);
    double *sums = mw_alloc_array(NULL, (size_t)(ROWS * n_outputs), sizeof *sums);
    for (int64_t i = 0; i < ROWS; i++)
        mw_trees_score_row(trees, x + i * n_features, sums + i * n_outputs);
    build(&ctx, trees, classes, &data, &size);
    must(mw_onnx_parse(&ctx, data, size, &doc, &err), &err);
    must(mw_dir_open(&ctx, out, MW_DIR_CREATE, &root, &err), &err);
    must(mw_dir_sub(&ctx, root, c->name, MW_DIR_CREATE, &dir, &err), &err);
    write_file(&ctx, dir, "model.onnx", data, size);
    write_file(&ctx, dir, "rows.f32", x, (size_t)(ROWS * n_features) * sizeof *x);
    write_file(&ctx, dir, "sums.f64", sums, (size_t)(ROWS * n_outputs) * sizeof *sums);
    const mw_matrix matrix = {x, ROWS, n_features};
    if (classes) {
        write_output(&ctx, dir, doc, matrix, "shares", n_outputs);
        write_output(&ctx, dir, doc, matrix, "both", 2);
    } else {
        write_output(&ctx, dir, doc, matrix, "growth", n_outputs);
    }
    mw_dir_close(dir);
    mw_dir_close(root);
    mw_onnx_doc_free(doc);
    mw_free(data);
    mw_free(sums);
    mw_free(x);
    mw_trees_free(trees);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: parity_trees OUT\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) write_case(argv[1], &cases[i]);
    return 0;
}
