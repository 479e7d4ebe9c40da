/* small_plant.c -- see small_plant.h. */
#include "unit/op/small_plant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/limits.h"

void plant_open(small_plant *plant) {
    mw_err err;
    char path[600];
    (void)snprintf(path, sizeof path, "%s/data", mw_test_folder());
    mw_mem_init(&plant->mem, NULL, 0);
    mw_ctx_init(&plant->ctx);
    mw_fake_clock_init(&plant->clock, INT64_C(1780000000000000));
    plant->ctx.mem = &plant->mem;
    plant->ctx.clock = &plant->clock.clock;
    mw_app_options options = {.data_path = path, .cache_us = 100 * MW_US_PER_SECOND};
    assert_ok(mw_app_open(&plant->ctx, &options, &plant->app, &err));
}

void plant_close(small_plant *plant) {
    plant->app = mw_app_close(plant->app, 0);
    assert_int_equal(mw_mem_used(&plant->mem), 0);
}

mw_args *plant_args(const char *op, const char *settings) {
    mw_err err;
    mw_args *args;
    assert_non_null(mw_op_by_name(op));
    assert_ok(mw_args_new(NULL, mw_op_params(mw_op_by_name(op)), &args, &err));
    while (*settings) {
        size_t n = strcspn(settings, " "), name = strcspn(settings, "=");
        mw_str value = {settings + name + 1, n - name - 1};
        assert_ok(mw_args_set(args, (mw_str){settings, name}, value, &err));
        settings += n + (settings[n] == ' ');
    }
    assert_ok(mw_args_finish(args, &err));
    return args;
}

mw_status plant_call(small_plant *plant, const mw_ctx *ctx, const char *op, const mw_args *args,
                     mw_buf *out, mw_err *err) {
    char job_id[32] = "";
    mw_call call = {.ctx = ctx,
                    .app = plant->app,
                    .principal = {"test", MW_ROLE_ADMIN, NULL},
                    .args = args,
                    .data_path = plant->app->data_path};
    mw_status status = mw_op_call(mw_op_by_name(op), &call, out, job_id, err);
    if (!status && job_id[0]) status = mw_jobs_run_inline(ctx, plant->app->jobs, job_id, out, err);
    return status;
}

static mw_status call_with(small_plant *plant, const char *op, const char *settings, mw_buf *out,
                           mw_err *err) {
    mw_args *args = plant_args(op, settings);
    mw_err_clear(err);
    mw_status status = plant_call(plant, &plant->ctx, op, args, out, err);
    mw_args_free(args);
    return status;
}

const char *plant_text(small_plant *plant, const char *op, const char *settings) {
    static char text[1 << 20];
    mw_buf out;
    mw_err err;
    mw_buf_init(&out, NULL, sizeof text - 1);
    assert_ok(call_with(plant, op, settings, &out, &err));
    mw_str_copy(text, sizeof text, mw_buf_str(&out));
    mw_buf_done(&out);
    return text;
}

mw_status plant_status(small_plant *plant, const char *op, const char *settings, mw_err *err) {
    mw_buf out;
    mw_buf_init(&out, NULL, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = call_with(plant, op, settings, &out, err);
    mw_buf_done(&out);
    return status;
}

const char *plant_file(int n_rows) {
    static char path[600];
    (void)snprintf(path, sizeof path, "%s/data/csv", mw_test_folder());
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    (void)snprintf(path, sizeof path, "%s/data/csv/plant.csv", mw_test_folder());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "time,device_id,heat,flow\n");
    for (int i = 0; i < n_rows; i++)
        for (int device = 1; device <= 2; device++)
            (void)fprintf(file, "2026-01-%02dT%02d:%02d:00Z,D%d,%d.%d,%d\n", 1 + i / 288,
                          i / 12 % 24, i % 12 * 5, device, 60 + (i * 7 + device) % 11, i % 10,
                          100 + (i * 13 + device * 3) % 17);
    assert_int_equal(fclose(file), 0);
    return path;
}

void plant_feed(small_plant *plant, int n_rows) {
    mw_err err;
    char settings[700];
    (void)snprintf(settings, sizeof settings, "paths=%s", plant_file(n_rows));
    assert_ok(plant_status(plant, "ingest", settings, &err));
}

void plant_train(small_plant *plant) {
    mw_err err;
    assert_ok(plant_status(plant, "train", PLANT_TRAINING, &err));
}

const char *plant_path(const char *below_orgs) {
    static char path[700];
    (void)snprintf(path, sizeof path, "%s/data/orgs/%s", mw_test_folder(), below_orgs);
    return path;
}
