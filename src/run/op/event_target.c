/* event_target.c -- see event_target.h. Devices of the log are those of the table by their names; others have no rows to label. */
#include "run/op/event_target.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"
#include "keep/ingest/source.h"
#include "learn/feature/event_labels.h"
#include "run/op/read_like.h"

struct mw_event_target {
    mw_table *log;
    mw_plain_bad bad;
    const mw_column *time, *device; /* device NULL: all events are the one device's */
    int32_t *kinds;             /* [log->n_rows] 0, or -1 of another kind; NULL: all are of one */
    int64_t horizon_us, cap_us; /* one of them is 0 */
    char name[128];
};

const mw_param mw_event_target_params[] = {
    {.name = "events",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4096,
     .help = "A log of events (failures), a row each with its time and device, in place of "
             "--target; with --program."},
    {.name = "event_kind",
     .type = MW_PARAM_STRING,
     .min = 3,
     .max = 400,
     .help = "With --events: only those of one kind, by a column of the log: failure=comp2."},
    {.name = "horizon",
     .type = MW_PARAM_DURATION,
     .min = 1,
     .max = 31622400e6,
     .help = "With --events: predict whether an event comes within this time after a row."},
    {.name = "time_to_event",
     .type = MW_PARAM_DURATION,
     .min = 1,
     .max = 316224000e6,
     .help = "With --events: predict the hours until the next event, at most this long."},
    {0}};

static mw_status check(const mw_args *args, const mw_feature_config *config, mw_err *err) {
    const bool horizon = mw_args_given(args, "horizon"), cap = mw_args_given(args, "time_to_event");
    if (!mw_args_given(args, "events")) {
        const bool kind = mw_args_given(args, "event_kind");
        if (!horizon && !cap && !kind) return MW_OK;
        mw_fail(err, MW_EINVAL, "--%s needs a log of events",
                horizon ? "horizon"
                : cap   ? "time-to-event"
                        : "event-kind");
        return mw_err_hint(err, "--events failures.csv");
    }
    if (horizon == cap) {
        mw_fail(
            err, MW_EINVAL,
            "what shall be predicted of the events: one coming soon, or the time until the next?");
        return mw_err_hint(err, "--horizon 24h, or --time-to-event 125h");
    }
    if (mw_args_given(args, "target")) {
        mw_fail(err, MW_EINVAL, "--events stands in place of --target");
        return mw_err_hint(err, "leave one of them out");
    }
    if (config) return MW_OK;
    mw_fail(err, MW_EINVAL, "--events needs rows of telemetry, with times and devices");
    return mw_err_hint(err, "--program CONFIG.json");
}

static mw_status read_log(const mw_ctx *ctx, const mw_args *args, const mw_feature_config *config,
                          mw_event_target *t, mw_err *err) {
    const char *path = mw_args_string(args, "events");
    mw_status status = mw_op__read_events(ctx, path, args, config, &t->log, &t->bad, err);
    if (status) return status;
    t->time = mw_feature_time(t->log);
    if (config->device_column) t->device = mw_table_column(t->log, config->device_column);
    if (!t->device) t->device = mw_feature_usual_device(t->log);
    if (t->time) return MW_OK;
    mw_fail(err, MW_EDATA, "%s: has no column of times", mw_source_name(path));
    return mw_err_hint(err, "name it time, timestamp or datetime");
}

/* "COLUMN=VALUE": marks the events that have it. */
static mw_status choose_kind(const mw_ctx *ctx, const char *path, const char *wanted,
                             mw_event_target *t, mw_err *err) {
    char name[400], digits[MW_NUMBER_MAX];
    const char *equals = strchr(wanted, '=');
    int64_t n = 0;
    if (!equals || equals == wanted || !equals[1]) {
        mw_fail(err, MW_EINVAL, "a kind of events is COLUMN=VALUE, not \"%.60s\"", wanted);
        mw_err_at(err, "event_kind");
        return mw_err_hint(err, "--event-kind failure=comp2");
    }
    mw_str_copy(name, sizeof name, (mw_str){wanted, (size_t)(equals - wanted)});
    const mw_column *column = mw_table_column(t->log, name);
    if (!column || column->type == MW_TIMESTAMP) {
        mw_fail(err, MW_EDATA, "%s: has no column %.60s of kinds", mw_source_name(path), name);
        return mw_err_hint(err, "--event-kind names a column of the log and its value");
    }
    t->kinds = mw_alloc_array(ctx->mem, (size_t)t->log->n_rows + 1, sizeof *t->kinds);
    if (!t->kinds) return mw_fail_nomem(err, "events");
    for (int64_t i = 0; i < t->log->n_rows; i++) {
        const bool is = mw_str_is(mw_column_cell(column, i, digits), equals + 1);
        t->kinds[i] = is ? 0 : -1;
        n += is;
    }
    if (n > 0) return MW_OK;
    mw_fail(err, MW_EDATA, "%s: has no event with %.100s", mw_source_name(path), wanted);
    return mw_err_hint(err, "values are compared as they are written");
}

/* comp2_within_1d, hours_to_comp2; event for one of any kind. */
static void name_target(const char *kind, mw_event_target *t) {
    char span[MW_TIME_TEXT_MAX];
    const char *equals = kind ? strchr(kind, '=') : NULL;
    const char *what = equals ? equals + 1 : "event";
    (void)mw_duration_print(t->horizon_us, span);
    if (t->horizon_us > 0)
        (void)snprintf(t->name, sizeof t->name, "%.60s_within_%s", what, span);
    else
        (void)snprintf(t->name, sizeof t->name, "hours_to_%.60s", what);
}

mw_status mw_event_target_read(const mw_ctx *ctx, const mw_args *args,
                               const mw_feature_config *config, mw_event_target **ret,
                               mw_err *err) {
    const char *kind = mw_args_string(args, "event_kind");
    *ret = NULL;
    mw_status status = check(args, config, err);
    if (status || !mw_args_given(args, "events")) return status;
    mw_event_target *t = mw_calloc(ctx->mem, 1, sizeof *t);
    if (!t) return mw_fail_nomem(err, "events");
    t->horizon_us = mw_args_given(args, "horizon") ? mw_args_int(args, "horizon") : 0;
    t->cap_us = mw_args_given(args, "time_to_event") ? mw_args_int(args, "time_to_event") : 0;
    name_target(kind, t);
    status = read_log(ctx, args, config, t, err);
    if (!status && kind) status = choose_kind(ctx, mw_args_string(args, "events"), kind, t, err);
    if (status)
        mw_event_target_free(t);
    else
        *ret = t;
    return status;
}

void *mw_event_target_free(mw_event_target *target) {
    if (!target) return NULL;
    mw_table_free(target->log);
    mw_free(target->bad.marks);
    mw_free(target->kinds);
    return mw_free(target);
}

const char *mw_event_target_name(const mw_event_target *target) { return target->name; }

/* Numbers of the log's devices among those of a table's column; -1: not there. */
static mw_status match_devices(const mw_ctx *ctx, const mw_event_target *t, const mw_column *device,
                               int32_t **ret, mw_err *err) {
    const int64_t n = t->log->n_rows;
    int32_t *codes = mw_alloc_array(ctx->mem, (size_t)n + 1, sizeof *codes);
    if (!codes) return mw_fail_nomem(err, "events");
    for (int64_t i = 0; i < n; i++)
        codes[i] = mw_column_has(t->device, i)
                       ? mw_dictionary_find(device->dictionary, mw_column_text(t->device, i))
                       : -1;
    *ret = codes;
    return MW_OK;
}

static mw_status check_devices(const mw_event_target *t, const mw_column *device, mw_err *err) {
    if ((t->device != NULL) == (device != NULL)) return MW_OK;
    mw_fail(err, MW_EDATA,
            device ? "the log of events does not say of which %s an event is"
                   : "the log of events names a %s, the rows do not",
            device ? device->name : t->device->name);
    return mw_err_hint(err, "both files need a column of devices, by one name (\"deviceColumn\" in "
                            "the configuration), or neither");
}

static mw_status ask(const mw_ctx *ctx, const mw_event_target *t, const mw_event_rows *rows,
                     const int32_t *devices, double *y, mw_err *err) {
    const mw_event_list list = {
        .n = t->log->n_rows, .times = t->time->time, .devices = devices, .kinds = t->kinds};
    mw_events *events = NULL;
    mw_status status = mw_events_new(ctx, &list, &events, err);
    if (!status && t->horizon_us > 0)
        status = mw_events_within(ctx, events, rows, 0, t->horizon_us, MW_TIME_NONE, y, err);
    if (!status && t->cap_us > 0)
        status = mw_events_until(ctx, events, rows, 0, t->cap_us, MW_TIME_NONE, y, err);
    for (int64_t i = 0; t->cap_us > 0 && i < rows->n && !status; i++) y[i] /= 3600;
    mw_events_free(events);
    return status;
}

static mw_status check_labels(const mw_event_target *t, const double *y, int64_t n, mw_err *err) {
    double low = MW_INFINITY, high = -MW_INFINITY;
    for (int64_t i = 0; i < n; i++) {
        low = y[i] < low ? y[i] : low;
        high = y[i] > high ? y[i] : high;
    }
    if (low < high) return MW_OK;
    mw_fail(err, MW_EDATA, "%s is %s for every row", t->name,
            low > high ? "not known" : "the same");
    return mw_err_hint(
        err,
        "the log must have events of the rows' devices, within their times; so far it has %lld",
        (long long)t->log->n_rows);
}

mw_status mw_event_target_labels(const mw_ctx *ctx, mw_arena *arena, const mw_event_target *target,
                                 const mw_feature_config *config, const mw_table *table,
                                 mw_labels *ret, mw_err *err) {
    static const char *classes[] = {"0", "1"};
    const mw_column *time, *device;
    mw_table_rows *rows = NULL;
    int32_t *codes = NULL;
    double *y = mw_arena_alloc(arena, ((size_t)table->n_rows + 1) * sizeof *y);
    mw_status status =
        y ? mw_table_rows_new(ctx->mem, config, table, &rows, err) : mw_fail_nomem(err, "events");
    if (status) return status;
    mw_table_rows_keys(rows, &time, &device);
    const mw_event_rows asked = {table->n_rows, time->time, device ? device->codes : NULL};
    status = check_devices(target, device, err);
    if (!status && device) status = match_devices(ctx, target, device, &codes, err);
    if (!status) status = ask(ctx, target, &asked, codes, y, err);
    if (!status) status = check_labels(target, y, table->n_rows, err);
    if (!status) {
        *ret = (mw_labels){.task = target->horizon_us > 0 ? MW_TASK_BINARY : MW_TASK_REGRESSION,
                           .y = y};
        if (target->horizon_us > 0) {
            ret->classes = classes;
            ret->n_classes = 2;
        }
        for (int64_t i = 0; i < table->n_rows; i++) ret->n_missing += mw_isnan(y[i]);
    }
    mw_free(codes);
    mw_table_rows_free(rows);
    return status;
}
