/*
 * plant.c -- the main job, in order: windows, target, supervised rows, three models, the result.
 *
 * Nothing is reported until every folder is written: the caller hands in a folder of its own and
 * throws it away when this fails.
 */
#include "learn/model/plant_parts.h"

static void free_outcome(mw_outcome *o) {
    mw_model_free(o->model);
    mw_free(o->importance);
    mw_free(o->permutation);
    mw_free(o->spread);
}

static void free_plant(mw_plant *plant) {
    free_outcome(&plant->baseline);
    free_outcome(&plant->regression);
    free_outcome(&plant->anomaly);
    mw_free(plant->ranking.scores);
    mw_free(plant->ranking.window);
    mw_free(plant->ranking.standouts);
    mw_lagged_free(plant->lagged);
    mw_windows_free(plant->windows);
}

static mw_status run(mw_plant *plant, mw_dir *out, mw_err *err) {
    const mw_ctx *ctx = plant->ctx;
    const mw_plan *plan = &plant->plan;
    int64_t began = mw_clock_monotonic(ctx->clock);
    mw_status status = mw_windows_make(ctx, plant->rows, plan->interval_us, &plant->windows, err);
    plant->seconds_resample = mw_clock_seconds_since(ctx->clock, began);
    if (!status) status = mw_plant__choose_target(plant, err);
    if (!status)
        status =
            mw_lagged_make(ctx, plant->windows, plan->target, &plan->lagged, &plant->lagged, err);
    if (!status) status = mw_plant__supervised(plant, "linear", &plant->baseline, out, err);
    if (!status) status = mw_plant__supervised(plant, "forest", &plant->regression, out, err);
    if (!status) status = mw_plant__anomaly(plant, out, err);
    plant->seconds_total = mw_clock_seconds_since(ctx->clock, began);
    return status;
}

mw_status mw_plant_fit(const mw_ctx *ctx, const mw_row_stream *rows, const mw_args *args,
                       mw_str config, const mw_lagged_flags *flags, const char *data_hash,
                       mw_dir *out, mw_json_writer *result, mw_err *err) {
    mw_plant plant = {
        .ctx = ctx,
        .rows = rows,
        .plan = {.interval_us = mw_args_int(args, "interval"),
                 .lagged = {.config = config,
                            .n_lags = (int32_t)mw_args_int(args, "lags"),
                            .test_share = mw_args_float(args, "test_share")},
                 .data_hash = data_hash,
                 .args = args},
        .baseline.name = "baseline",
        .regression.name = "regression",
        .anomaly.name = "anomaly",
    };
    if (flags) plant.plan.lagged.flags = *flags;
    mw_status status = run(&plant, out, err);
    if (!status) mw_plant__write_result(&plant, result);
    free_plant(&plant);
    return status;
}
