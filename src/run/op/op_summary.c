/*
 * op_summary.c -- GET /summary: what a dataset holds, column by column.
 *
 * Mean and variance are Welford's running ones, in row order, so the answer has one value.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/text/datetime.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/quality.h"
#include "run/op/rows.h"

typedef struct column_stats {
    const char *name; /* in the arena */
    mw_type type;     /* of the first segment, until settled by one with a value */
    bool settled;
    int64_t count;
    double mean, m2, min, max;
} column_stats;

typedef struct summary {
    const mw_ctx *ctx;
    mw_arena arena;
    column_stats *columns;
    size_t n_columns, capacity;
    mw_dictionary *devices, *names; /* names: column name -> index */
    mw_quality_totals *quality;
    const char *device; /* the filter's */
    int64_t rows, rejects, n_files;
    int64_t first_us, last_us;
} summary;

enum { MAX_LISTED_DEVICES = 1000 };

static mw_status begin(void *self, const mw_segment_record *segments, size_t n, mw_err *err) {
    summary *s = self;
    const mw_ctx *ctx = s->ctx;
    mw_dictionary_free(s->devices);
    mw_dictionary_free(s->names);
    mw_quality_totals_free(s->quality);
    mw_arena_reset(&s->arena);
    mw_free(s->columns);
    mw_arena arena = s->arena;
    const char *device = s->device;
    *s = (summary){
        .ctx = ctx, .arena = arena, .device = device, .first_us = INT64_MAX, .last_us = INT64_MIN};
    for (size_t i = 0; i < n; i++) {
        s->rejects += segments[i].n_rejected;
        s->n_files += segments[i].part == 0;
    }
    mw_status status = mw_dictionary_new(ctx->mem, &s->devices, err);
    if (!status) status = mw_dictionary_new(ctx->mem, &s->names, err);
    if (!status) status = mw_quality_totals_new(ctx->mem, &s->quality, err);
    return status;
}

static mw_status stats_of(summary *s, const mw_schema_column *column, column_stats **ret,
                          mw_err *err) {
    int32_t code;
    mw_status status = mw_dictionary_add(s->names, mw_str_of(column->name), &code, err);
    if (status) return status;
    if ((size_t)code == s->n_columns) {
        if (s->n_columns == s->capacity) {
            size_t capacity = s->capacity ? 2 * s->capacity : 64;
            column_stats *more = mw_realloc(s->ctx->mem, s->columns, capacity * sizeof *more);
            if (!more) return mw_fail_nomem(err, "the summary");
            s->columns = more;
            s->capacity = capacity;
        }
        const char *name = mw_arena_strdup(&s->arena, column->name);
        if (!name) return mw_fail_nomem(err, "the summary");
        s->columns[s->n_columns++] = (column_stats){.name = name, .type = column->type};
    }
    *ret = &s->columns[code];
    return MW_OK;
}

static void add_numbers(column_stats *stats, const double *values, int64_t n, const uint8_t *pass) {
    for (int64_t row = 0; row < n; row++) {
        double value = values[row];
        if (!pass[row] || mw_isnan(value)) continue;
        stats->count++;
        double delta = value - stats->mean;
        stats->mean += delta / (double)stats->count;
        stats->m2 += delta * (value - stats->mean);
        if (stats->count == 1 || value < stats->min) stats->min = value;
        if (stats->count == 1 || value > stats->max) stats->max = value;
    }
}

/* A column of numbers that another segment has as text: what reads as none is missing, as dataset.h has it. */
static void add_texts_as_numbers(column_stats *stats, const mw_schema_column *column,
                                 const int32_t *codes, int64_t n, const uint8_t *pass) {
    const uint8_t one = 1;
    for (int64_t row = 0; row < n; row++) {
        double value;
        if (!pass[row] || codes[row] < 0) continue;
        mw_cell cell = mw_cell_read(mw_dictionary_text(column->dictionary, codes[row]), &value);
        if (cell == MW_CELL_NUMBER || cell == MW_CELL_BOOL) add_numbers(stats, &value, 1, &one);
    }
}

static void add_times(summary *s, column_stats *stats, const int64_t *times, int64_t n,
                      const uint8_t *pass) {
    for (int64_t row = 0; row < n; row++) {
        if (!pass[row] || times[row] == MW_TIME_NONE) continue;
        stats->count++;
        if (times[row] < s->first_us) s->first_us = times[row];
        if (times[row] > s->last_us) s->last_us = times[row];
    }
}

static void add_bools(column_stats *stats, const uint8_t *validity, int64_t n,
                      const uint8_t *pass) {
    for (int64_t row = 0; row < n; row++)
        stats->count += pass[row] && (validity[row / 8] >> (row % 8) & 1);
}

static mw_status add_texts(summary *s, column_stats *stats, const mw_schema_column *column,
                           const int32_t *codes, int64_t n, const uint8_t *pass, mw_err *err) {
    bool is_device = strcmp(column->name, "device_id") == 0;
    int32_t last = -1, ignored;
    for (int64_t row = 0; row < n; row++) {
        int32_t code = codes[row];
        if (!pass[row] || code < 0) continue;
        stats->count++;
        if (!is_device || code == last) continue;
        last = code;
        mw_status status = mw_dictionary_add(
            s->devices, mw_dictionary_text(column->dictionary, code), &ignored, err);
        if (status) return status;
    }
    return MW_OK;
}

/* New columns, in the order of a dataset. */
static mw_status segment(void *self, size_t index, const mw_schema *schema, bool ordered,
                         mw_err *err) {
    (void)index, (void)ordered;
    mw_status status = MW_OK;
    for (int rank = 0; rank < MW_DATASET_RANKS; rank++)
        for (int32_t i = 0; i < schema->n_columns && !status; i++) {
            const mw_schema_column *column = &schema->columns[i];
            column_stats *ignored;
            if (mw_dataset_rank(column->name, column->type) == rank)
                status = stats_of(self, column, &ignored, err);
        }
    return status;
}

static bool has_value(const mw_chunk_column *cells, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        bool has = cells->type == MW_FLOAT64     ? !mw_isnan(cells->number[i])
                   : cells->type == MW_TIMESTAMP ? cells->time[i] != MW_TIME_NONE
                   : cells->type == MW_BOOL      ? cells->validity[i / 8] >> (i % 8) & 1
                                                 : cells->codes[i] >= 0;
        if (has) return true;
    }
    return false;
}

static mw_status rows(void *self, const mw_schema *schema, const mw_chunk *chunk,
                      const uint8_t *pass, mw_err *err) {
    summary *s = self;
    int64_t n = chunk->n_rows;
    for (int64_t row = 0; row < n; row++) s->rows += pass[row];
    for (int32_t i = 0; i < chunk->n_columns; i++) {
        const mw_chunk_column *cells = &chunk->columns[i];
        column_stats *stats = NULL;
        mw_status status = stats_of(s, &schema->columns[i], &stats, err);
        if (status) return status;
        if (!stats->settled && has_value(cells, n)) { /* filtered or not, as dataset.h has it */
            stats->type = cells->type;
            stats->settled = true;
        }
        switch (cells->type) {
        case MW_FLOAT64: add_numbers(stats, cells->number, n, pass); break;
        case MW_TIMESTAMP: add_times(s, stats, cells->time, n, pass); break;
        case MW_BOOL: add_bools(stats, cells->validity, n, pass); break;
        default:
            if (stats->type == MW_FLOAT64)
                add_texts_as_numbers(stats, &schema->columns[i], cells->codes, n, pass);
            else
                status = add_texts(s, stats, &schema->columns[i], cells->codes, n, pass, err);
            break;
        }
        if (!status) status = mw_ctx_check(s->ctx, err);
        if (status) return status;
    }
    return MW_OK;
}

static mw_status flagged(void *self, const mw_table *table, mw_err *err) {
    summary *s = self;
    return mw_quality_totals_add(s->quality, table, s->device, err);
}

static double std_of(const column_stats *stats) {
    return stats->count > 1 ? mw_sqrt(stats->m2 / (double)(stats->count - 1)) : MW_NAN;
}

static void write_column(const summary *s, const column_stats *stats, mw_json_writer *writer) {
    bool numeric = stats->type == MW_FLOAT64 && stats->count > 0;
    mw_json_object(writer);
    mw_json_add_string(writer, "name", stats->name);
    mw_json_add_string(writer, "type", mw_type_name(stats->type));
    mw_json_add_int(writer, "count", stats->count);
    mw_json_add_int(writer, "missing", s->rows - stats->count);
    mw_json_add_number(writer, "mean", numeric ? stats->mean : MW_NAN);
    mw_json_add_number(writer, "std", numeric ? std_of(stats) : MW_NAN);
    mw_json_add_number(writer, "min", numeric ? stats->min : MW_NAN);
    mw_json_add_number(writer, "max", numeric ? stats->max : MW_NAN);
    mw_json_object_end(writer);
}

/* One object a sensor with flagged windows; share: of the time range, all devices together. */
static void write_quality(const summary *s, mw_json_writer *writer) {
    double all_s = s->rows ? ((double)s->last_us - (double)s->first_us) / 1e6 *
                                 (double)mw_dictionary_size(s->devices)
                           : 0;
    mw_json_array(writer);
    for (int32_t i = 0; i < mw_quality_totals_count(s->quality); i++) {
        mw_str sensor;
        const mw_quality_total *total = mw_quality_totals_get(s->quality, i, &sensor);
        double share = all_s > 0 ? total->flagged_s / all_s : MW_NAN;
        mw_json_object(writer);
        mw_json_key(writer, "name");
        if (sensor.size)
            mw_json_write_str(writer, sensor);
        else
            mw_json_write_null(writer);
        mw_json_add_int(writer, "windows", total->n_windows);
        mw_json_add_number(writer, "share", share > 1 ? 1 : share);
        for (int bit = 0; bit < MW_QUALITY_BITS; bit++)
            mw_json_add_int(writer, mw_quality_names[bit], total->by_bit[bit]);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

static void write_result(const summary *s, const char *org, const char *dataset,
                         mw_json_writer *writer) {
    int64_t cells = 0, filled = 0, n_parameters = 0;
    mw_json_object(writer);
    mw_json_add_string(writer, "organization", org);
    mw_json_add_string(writer, "dataset", dataset);
    mw_json_add_int(writer, "rows", s->rows);
    mw_json_add_int(writer, "files", s->n_files);
    mw_json_add_int(writer, "rejects", s->rejects);
    int32_t n_devices = mw_dictionary_size(s->devices);
    mw_json_add_int(writer, "device_count", n_devices);
    mw_json_key(writer, "devices");
    mw_json_array(writer);
    for (int32_t i = 0; i < n_devices && i < MAX_LISTED_DEVICES; i++)
        mw_json_write_str(writer, mw_dictionary_text(s->devices, i));
    mw_json_array_end(writer);
    mw_json_key(writer, "parameters");
    mw_json_array(writer);
    for (size_t i = 0; i < s->n_columns; i++) {
        if (s->columns[i].type != MW_FLOAT64) continue;
        mw_json_write_string(writer, s->columns[i].name);
        n_parameters++;
        filled += s->columns[i].count;
        cells += s->rows;
    }
    mw_json_array_end(writer);
    mw_json_add_int(writer, "parameter_count", n_parameters);
    mw_json_key(writer, "time_range");
    mw_json_object(writer);
    mw_json_add_time(writer, "start", s->rows ? s->first_us : MW_TIME_NONE);
    mw_json_add_time(writer, "end", s->rows ? s->last_us : MW_TIME_NONE);
    mw_json_object_end(writer);
    mw_json_add_number(writer, "missing_share",
                       cells ? (double)(cells - filled) / (double)cells : 0.0);
    mw_json_key(writer, "columns");
    mw_json_array(writer);
    for (size_t i = 0; i < s->n_columns; i++) write_column(s, &s->columns[i], writer);
    mw_json_array_end(writer);
    mw_json_key(writer, "quality");
    write_quality(s, writer);
    mw_json_object_end(writer);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    summary s = {.ctx = call->ctx, .device = mw_args_string(call->args, "device")};
    mw_arena_init(&s.arena, call->ctx->mem);
    mw_op__filter filter = {.device = mw_args_string(call->args, "device"),
                            .employee_id = mw_args_string(call->args, "employee_id"),
                            .category = mw_args_string(call->args, "category")};
    /* What is flagged belongs to a device, not to who drives it. */
    bool whole = !filter.employee_id && !filter.category;
    mw_op__visitor visitor = {begin, segment, rows, whole ? flagged : NULL, &s};
    const char *dataset = mw_args_string(call->args, "dataset");
    mw_status status = mw_op__each_segment(call, dataset, &filter, NULL, 0, &visitor, err);
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        write_result(&s, call->ctx->org, dataset, &writer);
    }
    mw_free(s.columns);
    mw_dictionary_free(s.devices);
    mw_dictionary_free(s.names);
    mw_quality_totals_free(s.quality);
    mw_arena_done(&s.arena);
    return status;
}

static int quality_width(int bit) { return strlen(mw_quality_names[bit]) > 6 ? 12 : 7; }

static void print_quality(const mw_json *sensors, mw_buf *out) {
    if (!sensors || !sensors->first) return;
    mw_buf_printf(out, "\n%-28s %10s %7s", "flagged windows", "windows", "time");
    for (int bit = 0; bit < MW_QUALITY_BITS; bit++)
        mw_buf_printf(out, " %*s", quality_width(bit), mw_quality_names[bit]);
    mw_buf_add_char(out, '\n');
    for (const mw_json *s = sensors->first; s; s = s->next) {
        mw_str name = mw_json_string(mw_json_get(s, "name"), "(rows and clock)");
        mw_buf_printf(out, "%-28.*s %10lld %5.1f %%", (int)name.size, name.data,
                      (long long)mw_json_int(mw_json_get(s, "windows"), 0),
                      100 * mw_json_number(mw_json_get(s, "share"), 0));
        for (int bit = 0; bit < MW_QUALITY_BITS; bit++)
            mw_buf_printf(out, " %*lld", quality_width(bit),
                          (long long)mw_json_int(mw_json_get(s, mw_quality_names[bit]), 0));
        mw_buf_add_char(out, '\n');
    }
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_json *range = mw_json_get(result, "time_range");
    mw_str start = mw_json_string(mw_json_get(range, "start"), "-");
    mw_str end = mw_json_string(mw_json_get(range, "end"), "-");
    mw_str dataset = mw_json_string(mw_json_get(result, "dataset"), "");
    mw_buf_printf(out, "dataset    %.*s\nrows       %lld from %lld files, %lld rejected\n",
                  (int)dataset.size, dataset.data,
                  (long long)mw_json_int(mw_json_get(result, "rows"), 0),
                  (long long)mw_json_int(mw_json_get(result, "files"), 0),
                  (long long)mw_json_int(mw_json_get(result, "rejects"), 0));
    mw_buf_printf(out, "devices    %lld\nparameters %lld, %.1f %% of the cells missing\n",
                  (long long)mw_json_int(mw_json_get(result, "device_count"), 0),
                  (long long)mw_json_int(mw_json_get(result, "parameter_count"), 0),
                  100 * mw_json_number(mw_json_get(result, "missing_share"), 0));
    mw_buf_printf(out, "time       %.*s to %.*s\n\n", (int)start.size, start.data, (int)end.size,
                  end.data);
    mw_buf_printf(out, "%-28s %-10s %10s %9s %12s %12s %12s %12s\n", "column", "type", "count",
                  "missing", "mean", "std", "min", "max");
    const mw_json *columns = mw_json_get(result, "columns");
    for (const mw_json *c = columns ? columns->first : NULL; c; c = c->next) {
        mw_str name = mw_json_string(mw_json_get(c, "name"), "");
        mw_str type = mw_json_string(mw_json_get(c, "type"), "");
        mw_buf_printf(out, "%-28.*s %-10.*s %10lld %9lld", (int)name.size, name.data,
                      (int)type.size, type.data, (long long)mw_json_int(mw_json_get(c, "count"), 0),
                      (long long)mw_json_int(mw_json_get(c, "missing"), 0));
        static const char *const numbers[] = {"mean", "std", "min", "max"};
        for (size_t i = 0; i < 4; i++) {
            const mw_json *value = mw_json_get(c, numbers[i]);
            if (value && value->kind == MW_JSON_NUMBER)
                mw_buf_printf(out, " %12.6g", value->number);
            else
                mw_buf_printf(out, " %12s", "");
        }
        mw_buf_add_char(out, '\n');
    }
    print_quality(mw_json_get(result, "quality"), out);
}

static const mw_param params[] = {
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main", .help = "Which dataset."},
    {.name = "device", .type = MW_PARAM_STRING, .help = "Only rows of this device_id."},
    {.name = "employee_id", .type = MW_PARAM_STRING, .help = "Only rows of this employee."},
    {.name = "category", .type = MW_PARAM_STRING, .help = "Only rows of this category."},
    {0}};

static const mw_field range_fields[] = {
    {.name = "start", .type = MW_FIELD_TIME, .nullable = true, .help = "first time stamp"},
    {.name = "end", .type = MW_FIELD_TIME, .nullable = true, .help = "last time stamp"},
    {0}};

static const mw_field column_fields[] = {
    {.name = "name", .type = MW_FIELD_STRING, .help = "the column"},
    {.name = "type", .type = MW_FIELD_STRING, .help = "timestamp, float64, bool, dictionary, utf8"},
    {.name = "count", .type = MW_FIELD_INTEGER, .help = "rows with a value"},
    {.name = "missing", .type = MW_FIELD_INTEGER, .help = "rows without one"},
    {.name = "mean", .type = MW_FIELD_NUMBER, .nullable = true, .help = "of the values"},
    {.name = "std", .type = MW_FIELD_NUMBER, .nullable = true, .help = "with n - 1"},
    {.name = "min", .type = MW_FIELD_NUMBER, .nullable = true, .help = "smallest"},
    {.name = "max", .type = MW_FIELD_NUMBER, .nullable = true, .help = "largest"},
    {0}};

static const mw_field quality_fields[] = {
    {.name = "name",
     .type = MW_FIELD_STRING,
     .nullable = true,
     .help = "the sensor; null: the rows and clocks of devices"},
    {.name = "windows", .type = MW_FIELD_INTEGER, .help = "flagged windows of all devices"},
    {.name = "share",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "their share of the time range, all devices together"},
    {.name = "stuck", .type = MW_FIELD_INTEGER, .help = "windows with a value that stands"},
    {.name = "flat", .type = MW_FIELD_INTEGER, .help = "windows with hardly any variation"},
    {.name = "out_of_range", .type = MW_FIELD_INTEGER, .help = "windows with impossible values"},
    {.name = "spike", .type = MW_FIELD_INTEGER, .help = "windows with single wild values"},
    {.name = "gap", .type = MW_FIELD_INTEGER, .help = "windows that lack rows or values"},
    {.name = "clock", .type = MW_FIELD_INTEGER, .help = "windows in which the clock was wrong"},
    {.name = "unit", .type = MW_FIELD_INTEGER, .help = "windows in another unit"},
    {0}};

static const mw_field result[] = {
    {.name = "organization", .type = MW_FIELD_STRING, .help = "whose data"},
    {.name = "dataset", .type = MW_FIELD_STRING, .help = "which dataset"},
    {.name = "rows", .type = MW_FIELD_INTEGER, .help = "rows that pass the filters"},
    {.name = "files", .type = MW_FIELD_INTEGER, .help = "source files of the dataset"},
    {.name = "rejects", .type = MW_FIELD_INTEGER, .help = "rows refused at ingest"},
    {.name = "device_count", .type = MW_FIELD_INTEGER, .help = "number of devices"},
    {.name = "devices",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .help = "their ids, at most 1000"},
    {.name = "parameters",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .help = "names of the measured parameters"},
    {.name = "parameter_count", .type = MW_FIELD_INTEGER, .help = "how many"},
    {.name = "time_range", .type = MW_FIELD_OBJECT, .fields = range_fields, .help = "UTC"},
    {.name = "missing_share",
     .type = MW_FIELD_NUMBER,
     .help = "share of (row, parameter) cells without a value"},
    {.name = "columns",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = column_fields,
     .help = "one entry a column"},
    {.name = "quality",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = quality_fields,
     .help = "one entry a sensor with flagged windows; none when filtered by employee or category"},
    {0}};

static const mw_status errors[] = {MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL, MW_OK};
static const char *const examples[] = {"millwright summary", "millwright summary --json", NULL};

const mw_op mw_op_summary = {
    .name = "summary",
    .verb = "summary",
    .method = "GET",
    .path = "/summary",
    .area = "quick analytics",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .tagged = true,
    .kept = true,
    .summary = "What a dataset holds, column by column",
    .help =
        "Rows, devices, parameters, time range, missing share and per-column statistics of the raw "
        "rows, filtered by device, employee or category.",
    .examples = examples,
    .params = params,
    .result = result,
    .errors = errors,
    .prepare = prepare,
    .print = print,
};
