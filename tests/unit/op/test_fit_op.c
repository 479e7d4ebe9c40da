/* The operation `fit` when memory runs out while rows of telemetry are judged and left out. */
#include <stdio.h>
#include <string.h>

#include "run/op/op.h"
#include "support/fault_loop.h"
#include "support/harness.h"

typedef struct files {
    const mw_op *op;
    char config[512], rows[512], model[512];
    int64_t n_runs;
} files;

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

static void make_files(files *f) {
    mw_buf text;
    *f = (files){.op = mw_op_by_name("fit")};
    snprintf(f->config, sizeof f->config, "%s/config.json", mw_test_folder());
    snprintf(f->rows, sizeof f->rows, "%s/rows.csv", mw_test_folder());
    put(f->config, "{\"schemaConfig\":{\"continuousColumns\":[\"a\"],\"deviceColumn\":\"d\","
                   "\"conditions\":{\"settings\":[\"a\"],\"count\":2},\"scaling\":\"standard\","
                   "\"features\":[{\"op\":\"mean\",\"of\":\"a\",\"window\":3},"
                   "{\"op\":\"normal\",\"of\":\"a\"}]}}");
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_add(&text, "time,d,a,y\n");
    for (int i = 0; i < 60; i++)
        mw_buf_printf(&text, "2026-01-01 00:%02d:00,d%d,%d.25,%d\n", i == 30 ? 1 : i, i % 2,
                      i * 7 % 100, i * 3 % 10);
    put(f->rows, mw_buf_text(&text));
    mw_buf_done(&text);
}

static mw_status set(mw_args *args, const char *name, const char *value, mw_err *err) {
    return mw_args_set(args, mw_str_of(name), mw_str_of(value), err);
}

static mw_status parse(const mw_ctx *ctx, files *f, mw_args **ret, mw_err *err) {
    const char *const values[][2] = {{"file", f->rows},
                                     {"program", f->config},
                                     {"out", f->model},
                                     {"target", "y"},
                                     {"task", "regression"},
                                     {"learner", "linear"},
                                     {"without_flagged", "out_of_range"},
                                     {"range", "a=:80"},
                                     {"quality_window", "1min"}};
    snprintf(f->model, sizeof f->model, "%s/m%lld", mw_test_folder(), (long long)f->n_runs++);
    mw_status status = mw_args_new(ctx->mem, mw_op_params(f->op), ret, err);
    for (size_t i = 0; i < sizeof values / sizeof *values && !status; i++)
        status = set(*ret, values[i][0], values[i][1], err);
    return status ? status : mw_args_finish(*ret, err);
}

static mw_status run(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_args *args = NULL;
    mw_buf text;
    mw_buf_init(&text, ctx->mem, 1 << 16);
    mw_status status = parse(ctx, arg, &args, err);
    const mw_call call = {.ctx = ctx, .args = args};
    if (!status) status = ((files *)arg)->op->prepare(&call, &text, err);
    if (!status) status = mw_buf_status(&text, "what is said", err);
    if (!status) {
        assert_non_null(strstr(mw_buf_text(&text), "\"rows_without_features\":1"));
        assert_null(strstr(mw_buf_text(&text), "\"flagged_rows\":0"));
        assert_non_null(strstr(mw_buf_text(&text), "\"flagged_rows\":"));
    }
    mw_args_free(args);
    mw_buf_done(&text);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    files f;
    make_files(&f);
    assert_true(mw_fault_loop_alloc(run, &f) > 200);
}

MW_TEST_MAIN(MW_RUN(any_failed_allocation_is_survived))
