/* test_onnx_eval.c -- the evaluator's operators against values known from elsewhere. */
#include <string.h>

#include "core/base/math.h"
#include "learn/model/onnx_graph.h"
#include "support/harness.h"

enum { ROWS = 3, FEATURES = 3 };

static const float x[ROWS * FEATURES] = {1, 2, 3, 0, 0, 0, -1000, 1000, 1000};
static const mw_matrix matrix = {x, ROWS, FEATURES};

/* The graph of these steps with the constants `one` (double [1]) and `first` (int64 [1], 0). */
static mw_status run(const mw_onnx_step *steps, size_t n_steps, const char *output, int32_t columns,
                     double *out) {
    mw_ctx ctx;
    mw_err err;
    mw_onnx *onnx = NULL;
    mw_onnx_doc *doc = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    mw_ctx_init(&ctx);
    assert_ok(mw_onnx_new(ctx.mem, "operators", FEATURES, &onnx, &err));
    for (size_t i = 0; i < n_steps; i++) mw_onnx_add_step(onnx, &steps[i]);
    *(double *)mw_onnx_tensor(onnx, "one", MW_ONNX_DOUBLE, 1, -1) = 1;
    *(int64_t *)mw_onnx_tensor(onnx, "first", MW_ONNX_INT64, 1, -1) = 0;
    mw_onnx_output(onnx, output, MW_ONNX_DOUBLE, columns);
    assert_ok(mw_onnx_pack(&ctx, onnx, &data, &size, &err));
    assert_ok(mw_onnx_parse(&ctx, data, size, &doc, &err));
    mw_status status = mw_onnx_eval(&ctx, doc, matrix, output, columns, out, &err);
    mw_onnx_doc_free(doc);
    mw_onnx_free(onnx);
    mw_free(data);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
    return status;
}

/* What a model of classes does with its margins; the first column makes two classes. */
static const mw_onnx_step classes[] = {
    {"Cast", "features", "wide", {{"to", MW_ONNX_DOUBLE}}},
    {"Softmax", "wide", "shares", {{"axis", 1}}},
    {"Exp", "wide", "growth", {{NULL, 0}}},
    {"Gather", "wide first", "margin", {{"axis", 1}}},
    {"Sigmoid", "margin", "yes", {{NULL, 0}}},
    {"Sub", "one yes", "no", {{NULL, 0}}},
    {"Concat", "no yes", "both", {{"axis", 1}}},
    {"Cast", "shares", "shares32", {{"to", MW_ONNX_FLOAT}}},
};

static void assert_output(const char *output, int32_t columns, const double *want,
                          double tolerance) {
    double got[ROWS * FEATURES];
    assert_int_equal(run(classes, sizeof classes / sizeof *classes, output, columns, got), MW_OK);
    for (int i = 0; i < ROWS * columns; i++)
        if (!(got[i] == want[i] || mw_abs(got[i] - want[i]) <= tolerance * want[i]))
            fail_msg("%s, value %d: %.17g, not %.17g", output, i, got[i], want[i]);
}

/* e, its powers and what follows from them: decimal of Python 3.11 with 40 digits. */
MW_TEST(margins_become_shares) {
    static const double shares[] = {0.09003057317038046,
                                    0.24472847105479764,
                                    0.66524095577482189,
                                    1 / 3.0,
                                    1 / 3.0,
                                    1 / 3.0,
                                    0,
                                    0.5,
                                    0.5};
    static const double growth[] = {
        2.7182818284590452,       7.3890560989306502,      20.085536923187668, 1, 1, 1, 0,
        (double)__builtin_inff(), (double)__builtin_inff()};
    static const double both[] = {0.26894142136999512, 0.73105857863000488, 0.5, 0.5, 1, 0};
    assert_output("shares", 3, shares, 1e-15);
    assert_output("shares32", 3, shares, 6e-8);
    assert_output("growth", 3, growth, 1e-15);
    assert_output("both", 2, both, 1e-15);
}

MW_TEST(float_tensors_are_rounded) {
    static const mw_onnx_step steps[] = {
        {"Sigmoid", "features", "p", {{NULL, 0}}},
        {"Softmax", "features", "s", {{"axis", 1}}},
        {"Exp", "features", "e", {{NULL, 0}}},
        {"Sub", "e s", "d", {{NULL, 0}}},
    };
    static const char *const outputs[] = {"p", "s", "e", "d"};
    for (size_t i = 0; i < 4; i++) {
        double got[ROWS * FEATURES];
        assert_int_equal(run(steps, 4, outputs[i], 3, got), MW_OK);
        for (int k = 0; k < ROWS * FEATURES; k++) assert_true(got[k] == (double)(float)got[k]);
    }
}

MW_TEST(other_forms_are_refused) {
    static const mw_onnx_step bad[] = {
        {"Softmax", "features", "y", {{"axis", 0}}},
        {"Softmax", "features", "y", {{NULL, 0}}},
        {"Softmax", "first", "y", {{"axis", 1}}},
        {"Concat", "features features", "y", {{"axis", 0}}},
        {"Concat", "features features", "y", {{NULL, 0}}},
        {"Concat", "one first", "y", {{"axis", 1}}},
        {"Exp", "first", "y", {{NULL, 0}}},
        {"Sigmoid", "first", "y", {{NULL, 0}}},
        {"Sigmoid", "features features", "y", {{NULL, 0}}},
        {"Sub", "features one", "y", {{NULL, 0}}}, /* float less double */
        {"Log", "features", "y", {{NULL, 0}}},
    };
    double got[ROWS * 2 * FEATURES];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (run(&bad[i], 1, "y", 3, got) != MW_EDATA)
            fail_msg("%s of %s runs", bad[i].op, bad[i].inputs);
}

MW_TEST_MAIN(MW_RUN(margins_become_shares), MW_RUN(float_tensors_are_rounded),
             MW_RUN(other_forms_are_refused))
