/*
 * quality.c -- chunks to devices to spans to sensors: the driver of sensor quality.
 *
 * A chunk's rows are taken device by device. When each device's rows lie together its columns are read in place; when devices take turns the
 * rows of each are gathered first (a stable counting sort over row numbers), so that the rules always see runs of one device. Devices that
 * take turns in one order, chunk after chunk the usual table of many devices, need no gathering: every n-th row is one's.
 * A piece is the longest stretch of rows in one span without rows missing in between; every sensor takes a piece at once.
 */
#include "keep/ingest/quality.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/math.h"
#include "core/text/number.h"
#include "keep/ingest/quality_state.h"

enum { LONG_RUN = 32, TURN_NUMBERS = 1 << 17, TURN_ROWS_MIN = 256 };

const mw_param mw_quality_params[] = {
    {.name = "quality_window",
     .type = MW_PARAM_DURATION,
     .def = "1h",
     .min = 1e6,
     .max = 366 * 86400e6,
     .unit = "us",
     .help = "Windows in which sensors are judged."},
    {.name = "range",
     .type = MW_PARAM_LIST,
     .flags = MW_PARAM_REPEATED,
     .help = "Valid values of a sensor, \"temp=-40:150\"; either end may be left out."},
    {.name = "quality_gap",
     .type = MW_PARAM_FLOAT,
     .def = "10",
     .min = 2,
     .max = 1e6,
     .help = "A gap is longer than this many usual intervals."},
    {.name = "quality_spike",
     .type = MW_PARAM_FLOAT,
     .def = "4",
     .min = 2,
     .max = 1e6,
     .help = "A spike is larger than this many times the usual largest step of a window."},
    {.name = "quality_stuck",
     .type = MW_PARAM_INT,
     .def = "12",
     .min = 12,
     .max = 1e6,
     .unit = "rows",
     .help = "A stuck sensor repeats its value at least so often."},
    {0}};

/* --- options ------------------------------------------------------------------------------------ */

static bool read_end(const char *text, size_t size, double otherwise, double *ret) {
    *ret = otherwise;
    return size == 0 || mw_number_read(text, size, ret);
}

static mw_status read_range(mw_quality *q, const char *text, mw_quality__range *ret, mw_err *err) {
    const char *equals = strrchr(text, '='), *colon = equals ? strchr(equals, ':') : NULL;
    if (!colon || equals == text ||
        !read_end(equals + 1, (size_t)(colon - equals - 1), -MW_INFINITY, &ret->low) ||
        !read_end(colon + 1, strlen(colon + 1), MW_INFINITY, &ret->high) || ret->low > ret->high) {
        mw_fail(err, MW_EINVAL, "\"%s\" is not a range of values", text);
        mw_err_hint(err, "write SENSOR=LOW:HIGH, as in temp=-40:150");
        return mw_err_at(err, "range");
    }
    ret->used = false;
    ret->name = mw_strndup(q->ctx->mem, text, (size_t)(equals - text));
    return ret->name ? MW_OK : mw_fail_nomem(err, "sensor quality");
}

static mw_status read_options(mw_quality *q, const mw_args *args, mw_err *err) {
    q->options = (mw_quality__options){.window_us = INT64_C(3600) * 1000000,
                                       .gap_factor = 10,
                                       .spike_factor = 4,
                                       .stuck_values = 12};
    if (!args) return MW_OK;
    mw_quality__options *o = &q->options;
    if (mw_args_has(args, "quality_window")) o->window_us = mw_args_int(args, "quality_window");
    if (mw_args_has(args, "quality_gap")) o->gap_factor = mw_args_float(args, "quality_gap");
    if (mw_args_has(args, "quality_spike")) o->spike_factor = mw_args_float(args, "quality_spike");
    if (mw_args_has(args, "quality_stuck")) o->stuck_values = mw_args_int(args, "quality_stuck");
    const char *const *texts = NULL;
    size_t n = mw_args_has(args, "range") ? mw_args_list(args, "range", &texts) : 0;
    if (n == 0) return MW_OK;
    q->ranges = mw_calloc(q->ctx->mem, n, sizeof *q->ranges);
    if (!q->ranges) return mw_fail_nomem(err, "sensor quality");
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && !status; i++) {
        status = read_range(q, texts[i], &q->ranges[i], err);
        if (!status) q->n_ranges++;
    }
    return status;
}

mw_status mw_quality_new(const mw_ctx *ctx, const mw_schema *schema, int32_t device,
                         const mw_args *args, mw_quality **ret, mw_err *err) {
    mw_quality *q = mw_calloc(ctx->mem, 1, sizeof *q);
    if (!q) return mw_fail_nomem(err, "sensor quality");
    q->ctx = ctx;
    q->schema = schema;
    q->device = device;
    q->records.mem = ctx->mem;
    q->rules = (mw_quality__rules){.options = &q->options,
                                   .records = &q->records,
                                   .mem = ctx->mem,
                                   .scan = mw_quality__choose_scanner()};
    mw_status status = read_options(q, args, err);
    if (status) {
        mw_quality_free(q);
        return status;
    }
    *ret = q;
    return MW_OK;
}

void mw_quality__free_device(mw_quality__device *device) {
    if (!device) return;
    for (int32_t k = 0; k < device->n_sensors; k++) mw_free(device->sensors[k].cases);
    mw_free(device->sensors);
    mw_free(device);
}

void mw_quality_restart(mw_quality *q) {
    for (int32_t i = 0; i < q->n_devices; i++) {
        mw_quality__free_device(q->devices[i]);
        q->devices[i] = NULL;
    }
    q->records.n = 0;
    q->records.n_left_out = 0;
    q->n_states = q->n_left_out = 0;
}

void *mw_quality_free(mw_quality *q) {
    if (!q) return NULL;
    mw_quality_restart(q);
    for (size_t i = 0; i < q->n_ranges; i++) mw_free(q->ranges[i].name);
    mw_free(q->ranges);
    mw_free(q->columns);
    mw_free(q->given);
    mw_free(q->numbers);
    mw_free(q->sorted);
    mw_free(q->figures);
    mw_free(q->devices);
    mw_free(q->records.items);
    mw_free(q->times);
    mw_free(q->order);
    mw_free(q->places);
    mw_free(q->counts);
    mw_free(q->touched);
    return mw_free(q);
}

/* --- room --------------------------------------------------------------------------------------- */

static mw_status resize(mw_quality *q, void *array, size_t count, size_t size, mw_err *err) {
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = mw_realloc(q->ctx->mem, old, count * size);
    if (!grown) return mw_fail_nomem(err, "sensor quality");
    memcpy(array, &grown, sizeof grown);
    return MW_OK;
}

static void find_given(mw_quality *q, int32_t column, double given[2]) {
    given[0] = -MW_INFINITY;
    given[1] = MW_INFINITY;
    for (size_t i = 0; i < q->n_ranges; i++) {
        if (strcmp(q->ranges[i].name, q->schema->columns[column].name) != 0) continue;
        given[0] = q->ranges[i].low;
        given[1] = q->ranges[i].high;
        q->ranges[i].used = true;
    }
}

/* Number columns that the schema got since the last chunk. */
static mw_status find_sensors(mw_quality *q, mw_err *err) {
    for (; q->n_looked_at < q->schema->n_columns; q->n_looked_at++) {
        if (q->schema->columns[q->n_looked_at].type != MW_FLOAT64) continue;
        if (q->n_sensors == q->capacity) {
            int32_t capacity = q->capacity ? 2 * q->capacity : 32;
            mw_status status = resize(q, &q->columns, (size_t)capacity, sizeof *q->columns, err);
            if (!status) status = resize(q, &q->given, (size_t)capacity, sizeof *q->given, err);
            if (!status) status = resize(q, &q->numbers, (size_t)capacity, sizeof *q->numbers, err);
            if (status) return status;
            q->capacity = capacity;
        }
        q->columns[q->n_sensors] = q->n_looked_at;
        find_given(q, q->n_looked_at, q->given[q->n_sensors]);
        q->n_sensors++;
    }
    return MW_OK;
}

mw_status mw_quality__make_room(mw_quality *q, int64_t n_rows, mw_err *err) {
    mw_status status = find_sensors(q, err);
    int32_t n = 1;
    if (q->device >= 0) n = mw_dictionary_size(q->schema->columns[q->device].dictionary) + 1;
    if (!status && n > q->room_devices) {
        int32_t room = n + n / 2;
        status = resize(q, &q->devices, (size_t)room, sizeof *q->devices, err);
        if (!status) status = resize(q, &q->counts, (size_t)room, sizeof *q->counts, err);
        if (!status) status = resize(q, &q->touched, (size_t)room, sizeof *q->touched, err);
        if (status) return status;
        q->room_devices = room;
    }
    for (; !status && q->n_devices < n; q->n_devices++) {
        q->devices[q->n_devices] = NULL;
        q->counts[q->n_devices] = 0;
    }
    if (!status && n_rows > q->room_rows) {
        status = resize(q, &q->times, (size_t)n_rows, sizeof *q->times, err);
        if (!status) status = resize(q, &q->order, (size_t)n_rows, sizeof *q->order, err);
        if (!status) status = resize(q, &q->places, (size_t)n_rows, sizeof *q->places, err);
        if (!status) q->room_rows = n_rows;
    }
    return status;
}

static mw_status grow_device(mw_quality *q, mw_quality__device *device, mw_err *err) {
    int32_t more = q->n_sensors - device->n_sensors;
    if (more == 0 || device->left_out) return MW_OK;
    if (q->n_states + more > MW_LIMIT(QUALITY_SENSORS)) {
        device->left_out = true;
        q->n_left_out++;
        return MW_OK;
    }
    mw_status status =
        resize(q, &device->sensors, (size_t)q->n_sensors, sizeof *device->sensors, err);
    if (status) return status;
    for (; device->n_sensors < q->n_sensors; device->n_sensors++)
        mw_quality__sensor_init(&device->sensors[device->n_sensors], q->given[device->n_sensors][0],
                                q->given[device->n_sensors][1]);
    q->n_states += more;
    return MW_OK;
}

static mw_status find_device(mw_quality *q, int32_t code, mw_quality__device **ret, mw_err *err) {
    mw_quality__device *device = q->devices[code + 1];
    if (!device) {
        device = mw_calloc(q->ctx->mem, 1, sizeof *device);
        if (!device) return mw_fail_nomem(err, "sensor quality");
        device->code = code;
        q->devices[code + 1] = device;
    }
    *ret = device;
    return grow_device(q, device, err);
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Rows of one device: those of the k-th sensor are numbers[k] + first and every `stride` from there, NULL where the chunk lacks its column.
 * figures: of all n rows, k * stride apart, or NULL. */
typedef struct device_rows {
    mw_quality__device *device;
    const double *const *numbers;
    int64_t first, n, stride;
    const mw_quality__figures *figures;
} device_rows;

static mw_status feed(mw_quality *q, const device_rows *r, int64_t from, int64_t to, mw_err *err) {
    mw_status status = MW_OK;
    bool known = r->figures && from == 0 && to == r->n;
    for (int32_t k = 0; k < r->device->n_sensors && from < to && !status; k++) {
        mw_quality__sensor *s = &r->device->sensors[k];
        int32_t column = q->columns[k];
        if (!r->numbers[k]) {
            status = mw_quality__sensor_missing(&q->rules, r->device, s, column, q->times + from,
                                                to - from, err);
            continue;
        }
        const mw_quality__values values = {.at = r->numbers[k] + r->first + from * r->stride,
                                           .n = to - from,
                                           .stride = r->stride,
                                           .figures = known ? r->figures + k * r->stride : NULL};
        status =
            mw_quality__sensor_add(&q->rules, r->device, s, column, &values, q->times + from, err);
    }
    return status;
}

static mw_status break_off(mw_quality *q, mw_quality__device *device, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t k = 0; k < device->n_sensors && !status; k++)
        status =
            mw_quality__sensor_break(&q->rules, device, &device->sensors[k], q->columns[k], err);
    return status;
}

static mw_status close_span(mw_quality *q, mw_quality__device *device, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t k = 0; k < device->n_sensors && !status; k++)
        status =
            mw_quality__sensor_close(&q->rules, device, &device->sensors[k], q->columns[k], err);
    device->before_rows = device->rows[device->n_windows - 1];
    device->n_windows = 0;
    device->n_rows = 0;
    return status;
}

static void open_window(mw_quality *q, mw_quality__device *device, int64_t time_us) {
    int64_t window = mw_quality__window(time_us, q->options.window_us);
    int64_t begin_us =
        time_us - (time_us % q->options.window_us + q->options.window_us) % q->options.window_us;
    if (time_us < INT64_MIN + q->options.window_us) begin_us = time_us;
    device->window_end_us =
        begin_us > INT64_MAX - q->options.window_us ? INT64_MAX : begin_us + q->options.window_us;
    if (device->n_windows && device->windows[device->n_windows - 1] == window) return;
    device->windows[device->n_windows] = window;
    device->rows[device->n_windows++] = 0;
}

/* q->times has the rows' times, in order. */
static mw_status add_rows(mw_quality *q, const device_rows *r, mw_err *err) {
    mw_quality__device *device = r->device;
    mw_status status = MW_OK;
    int64_t from = 0;
    for (int64_t i = 0; i < r->n && !status; i++) {
        if (device->started && q->times[i] < device->last_us) q->times[i] = device->last_us;
        int64_t time_us = q->times[i];
        bool gap;
        status = mw_quality__clock_add(&q->rules, device, time_us, &gap, err);
        if (gap && !status) {
            status = feed(q, r, from, i, err);
            if (!status) status = break_off(q, device, err);
            from = i;
        }
        if (!device->n_windows || time_us >= device->window_end_us) {
            if (!status && device->n_rows >= MW_QUALITY_SPAN_ROWS) {
                status = feed(q, r, from, i, err);
                if (!status) status = close_span(q, device, err);
                from = i;
            }
            if (!status) open_window(q, device, time_us);
        }
        if (status) break;
        device->rows[device->n_windows - 1]++;
        device->n_rows++;
    }
    return status ? status : feed(q, r, from, r->n, err);
}

static mw_status add_run(mw_quality *q, const mw_chunk *chunk, int32_t code, int64_t first,
                         int64_t n, mw_err *err) {
    device_rows r = {.numbers = q->numbers, .first = first, .n = n, .stride = 1};
    mw_status status = find_device(q, code, &r.device, err);
    if (status || r.device->n_sensors == 0) return status;
    memcpy(q->times, chunk->columns[0].time + first, (size_t)n * sizeof *q->times);
    return add_rows(q, &r, err);
}

static int64_t count_runs(const int32_t *codes, int64_t n) {
    int64_t runs = 1;
    for (int64_t i = 1; i < n; i++) runs += codes[i] != codes[i - 1];
    return runs;
}

static void find_numbers(mw_quality *q, const mw_chunk *chunk, int64_t first) {
    for (int32_t k = 0; k < q->n_sensors; k++) {
        bool has = q->columns[k] < chunk->n_columns;
        q->numbers[k] = has ? chunk->columns[q->columns[k]].number + first : NULL;
    }
}

/* Brings rows of one device together, column by column. */
static mw_status sort_numbers(mw_quality *q, int64_t n, mw_err *err) {
    size_t wanted = (size_t)n * (size_t)q->n_sensors;
    if (wanted > q->room_sorted) {
        q->sorted = mw_free(q->sorted);
        q->room_sorted = 0;
        q->sorted = mw_alloc_array(q->ctx->mem, wanted, sizeof *q->sorted);
        if (!q->sorted) return mw_fail_nomem(err, "sensor quality");
        q->room_sorted = wanted;
    }
    double *to = q->sorted;
    for (int32_t k = 0; k < q->n_sensors; k++, to += n) {
        const double *from = q->numbers[k];
        if (!from) continue;
        for (int64_t i = 0; i < n; i++) to[q->places[i]] = from[i];
        q->numbers[k] = to;
    }
    return MW_OK;
}

/* Whether row i + n_devices is always of the device of row i. */
static bool is_rotation(const int32_t *codes, int64_t n, int32_t n_devices) {
    return n_devices >= MW_QUALITY_TURNS && n >= 2 * n_devices &&
           memcmp(codes, codes + n_devices, (size_t)(n - n_devices) * sizeof *codes) == 0;
}

/* The devices q->touched [n_devices] take turns in this order: their rows are read where they lie. */
static mw_status add_rotation(mw_quality *q, const int64_t *times, int64_t n, int32_t n_devices,
                              mw_err *err) {
    size_t wanted = (size_t)n_devices * (size_t)q->n_sensors;
    mw_status status = MW_OK;
    if (wanted > q->room_figures) {
        status = resize(q, &q->figures, wanted, sizeof *q->figures, err);
        if (!status) q->room_figures = wanted;
    }
    for (int32_t k = 0; k < q->n_sensors && !status; k++)
        if (q->numbers[k])
            q->rules.scan.turns(q->numbers[k], n, n_devices,
                                q->figures + (size_t)k * (size_t)n_devices);
    for (int32_t d = 0; d < n_devices; d++) {
        device_rows r = {.numbers = q->numbers,
                         .first = d,
                         .n = (n - d + n_devices - 1) / n_devices,
                         .stride = n_devices,
                         .figures = q->figures + d};
        q->counts[q->touched[d]] = 0;
        if (!status) status = find_device(q, q->touched[d] - 1, &r.device, err);
        for (int64_t i = 0; i < r.n; i++) q->times[i] = times[d + i * n_devices];
        if (!status && r.device->n_sensors) status = add_rows(q, &r, err);
    }
    return status;
}

/* Devices take turns: each one's rows, in order of the devices' first appearance. */
static mw_status add_turns(mw_quality *q, const int64_t *times, const int32_t *codes, int64_t n,
                           mw_err *err) {
    int32_t n_touched = 0;
    for (int64_t i = 0; i < n; i++)
        if (!q->counts[codes[i] + 1]++) q->touched[n_touched++] = codes[i] + 1;
    if (is_rotation(codes, n, n_touched)) return add_rotation(q, times, n, n_touched, err);
    uint32_t at = 0;
    for (int32_t k = 0; k < n_touched; k++) {
        uint32_t count = q->counts[q->touched[k]];
        q->counts[q->touched[k]] = at;
        at += count;
    }
    for (int64_t i = 0; i < n; i++) {
        q->places[i] = q->counts[codes[i] + 1]++;
        q->order[q->places[i]] = (uint32_t)i;
    }
    mw_status status = sort_numbers(q, n, err);
    uint32_t first = 0;
    for (int32_t k = 0; k < n_touched; k++) {
        uint32_t end = q->counts[q->touched[k]];
        q->counts[q->touched[k]] = 0;
        device_rows r = {.numbers = q->numbers, .first = first, .n = end - first, .stride = 1};
        if (!status) status = find_device(q, q->touched[k] - 1, &r.device, err);
        for (uint32_t i = first; i < end; i++) q->times[i - first] = times[q->order[i]];
        if (!status && r.device->n_sensors) status = add_rows(q, &r, err);
        first = end;
    }
    return status;
}

/* As many rows at once as leave their numbers in a second-level cache. */
static mw_status add_all_turns(mw_quality *q, const mw_chunk *chunk, const int32_t *codes,
                               mw_err *err) {
    int64_t most = TURN_NUMBERS / (q->n_sensors + 1) + TURN_ROWS_MIN;
    mw_status status = MW_OK;
    for (int64_t at = 0, n; at < chunk->n_rows && !status; at += n) {
        n = chunk->n_rows - at < most ? chunk->n_rows - at : most;
        find_numbers(q, chunk, at);
        status = add_turns(q, chunk->columns[0].time + at, codes + at, n, err);
    }
    return status;
}

mw_status mw_quality_add(mw_quality *q, const mw_chunk *chunk, mw_err *err) {
    int64_t n = chunk->n_rows;
    mw_status status = mw_ctx_check(q->ctx, err);
    if (!status) status = mw_quality__make_room(q, n, err);
    if (status || n == 0) return status;
    find_numbers(q, chunk, 0);
    if (q->device < 0 || q->device >= chunk->n_columns) return add_run(q, chunk, -1, 0, n, err);
    const int32_t *codes = chunk->columns[q->device].codes;
    if (count_runs(codes, n) * LONG_RUN > n && n > LONG_RUN)
        return add_all_turns(q, chunk, codes, err);
    for (int64_t from = 0, to; from < n && !status; from = to) {
        for (to = from + 1; to < n && codes[to] == codes[from];) to++;
        status = add_run(q, chunk, codes[from], from, to - from, err);
    }
    return status;
}

/* --- the end ------------------------------------------------------------------------------------ */

void mw_quality__tell_limits(const mw_quality *q) {
    if (q->n_left_out)
        mw_log_write(q->ctx, MW_LOG_WARN,
                     "sensor quality: %lld devices were not judged, or not in all sensors, beyond "
                     "%lld sensors of all devices together",
                     (long long)q->n_left_out, (long long)MW_LIMIT(QUALITY_SENSORS));
    if (q->records.n_left_out)
        mw_log_write(q->ctx, MW_LOG_WARN,
                     "sensor quality: %lld flagged stretches were left out beyond %lld",
                     (long long)q->records.n_left_out, (long long)MW_LIMIT(QUALITY_STRETCHES));
    for (size_t i = 0; i < q->n_ranges; i++)
        if (!q->ranges[i].used)
            mw_log_write(
                q->ctx, MW_LOG_WARN,
                "sensor quality: a range was given for \"%s\", but there is no such number "
                "column",
                q->ranges[i].name);
}

mw_status mw_quality__finish_device(mw_quality *q, mw_quality__device *device, mw_err *err) {
    mw_status status = mw_quality__clock_finish(&q->rules, device, err);
    return !status && device->n_rows ? close_span(q, device, err) : status;
}

mw_status mw_quality_finish(mw_quality *q, mw_table **ret, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t i = 0; i < q->n_devices && !status; i++) {
        if (!q->devices[i]) continue;
        status = mw_ctx_check(q->ctx, err);
        if (!status) status = mw_quality__finish_device(q, q->devices[i], err);
    }
    if (status) return status;
    mw_quality__tell_limits(q);
    return mw_quality__report(q->ctx, &q->records, q->schema, q->device, q->options.window_us, ret,
                              err);
}
