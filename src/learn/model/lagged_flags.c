/*
 * lagged_flags.c -- windows whose features are made of readings of a flagged sensor.
 *
 * A flagged stretch of a parameter is one of all statistics of its windows, from the beginning of the first window that it touches; windows are as far
 * apart as they are long.
 */
#include <string.h>

#include "learn/feature/flagged.h"
#include "learn/model/lagged.h"

/* The parameter that an input is made of. */
static const char *sensor_of(const mw_windows *w, const char *input) {
    for (int32_t k = 0; k < w->n_columns; k++)
        if (strcmp(w->columns[k].name, input) == 0) return w->parameters[w->columns[k].parameter];
    return input;
}

static int64_t window_of(int64_t time, int64_t interval_us) {
    const int64_t over = (time % interval_us + interval_us) % interval_us;
    return time < INT64_MIN + over ? time : time - over;
}

static mw_status read_stretches(const mw_ctx *ctx, const mw_windows *w, const mw_program *p,
                                const mw_lagged_flags *flags, mw_flagged_list *ret, mw_err *err) {
    const mw_flagged_devices devices = {w->device ? w->device->dictionary : NULL, -1};
    const char **sensors = mw_alloc_array(ctx->mem, (size_t)p->n_inputs + 1, sizeof *sensors);
    mw_status status = sensors ? MW_OK : mw_fail_nomem(err, "flagged windows");
    for (int32_t c = 0; c < p->n_inputs && !status; c++) sensors[c] = sensor_of(w, p->inputs[c]);
    for (size_t i = 0; i < flags->n_tables && !status; i++)
        status = mw_flagged_read(flags->tables[i], sensors, p->n_inputs, &devices, ret, err);
    mw_free(sensors);
    for (size_t i = 0; i < ret->n; i++)
        ret->items[i].begin = window_of(ret->items[i].begin, w->interval_us);
    return status;
}

static mw_status find_flagged(const mw_ctx *ctx, const mw_windows *w, const mw_program *p,
                              const mw_lagged_flags *flags, mw_flagged_list *inputs,
                              mw_flagged_list *ret, mw_err *err) {
    const int32_t n = w->device ? mw_dictionary_size(w->device->dictionary) : 1;
    int64_t *distances = mw_alloc_array(ctx->mem, (size_t)n + 1, sizeof *distances);
    if (!distances) return mw_fail_nomem(err, "flagged windows");
    for (int32_t d = 0; d < n; d++) distances[d] = w->interval_us;
    const mw_flagged_options options = {.distances = distances,
                                        .bits = flags->bits,
                                        .clock_bits = flags->clock_bits,
                                        .together = true};
    mw_status status = mw_flagged_outputs(ctx, p, inputs, &options, ret, err);
    mw_free(distances);
    return status;
}

mw_status mw_lagged__mark_flagged(const mw_ctx *ctx, const mw_windows *w,
                                  const mw_features *features, const mw_lagged_flags *flags,
                                  bool *marks, mw_err *err) {
    const mw_program *p = mw_features_program(features)->program;
    mw_flagged_list inputs = {.mem = ctx->mem}, flagged = {.mem = ctx->mem};
    mw_status status = read_stretches(ctx, w, p, flags, &inputs, err);
    if (!status) status = find_flagged(ctx, w, p, flags, &inputs, &flagged, err);
    for (int64_t i = 0; i < w->n && !status && flagged.n > 0; i++)
        marks[i] = mw_flagged_at(&flagged, w->device ? w->device->codes[i] : 0, 0, w->start[i]);
    mw_flagged_done(&inputs);
    mw_flagged_done(&flagged);
    return status;
}
