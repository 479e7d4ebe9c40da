/*
 * op_features.c -- `millwright features CONFIG.json|MODEL FILE.csv --out FEATURES.csv|.arrow [--quality FLAGGED.csv|.arrow] [--replay]`.
 *
 * One line per data row, in file order, under a header of features. A row without a time or a device, or older than its device's
 * newest, gets empty cells. --replay computes all again one row at a time, as live rows come, and compares every bit.
 *
 * Rows go through in blocks: the thread of the reader whose turn it is makes the features of one, helped by a pool of its own, while another writes those
 * of the block before and the reader's others fill the room that it left. So memory does not grow with the file, and the output counts once the
 * last row was good.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "keep/ingest/profile.h"
#include "keep/ingest/quality.h"
#include "learn/feature/table_rows.h"
#include "run/live/judged_rows.h"
#include "run/op/app.h"
#include "run/op/features_out.h"
#include "run/op/flagged_out.h"
#include "run/op/model_folder.h"
#include "run/op/quality_args.h"
#include "run/op/read_like.h"

enum { CHUNK_BYTES = 16 << 20, CHUNK_ROWS = 16384, LEAST_ROWS = 1024 };

typedef struct job {
    const mw_ctx *ctx;
    mw_ctx making,
        beside; /* ctx with pools that take turns with the reader's threads: for features; for them and writing */
    const mw_args *args;
    const mw_feature_config *config; /* of the features */
    mw_features *features;
    mw_model *model; /* whose they are; NULL: of a configuration */
    mw_plain_rows *file;
    mw_plain_bad bad;
    mw_table_rows *rows;        /* of a block */
    mw_stream *stream, *replay; /* replay NULL: not asked for */
    mw_chunk *chunk, *again;    /* features of a block; row by row */
    mw_chunk *waiting;          /* those of the block before; n_rows 0: they are written */
    float **columns, **cells;   /* [n_outputs] of chunk; of one row of again */
    mw_hash128 *hash;           /* of all features */
    mw_features_out *out;
    mw_judged *judged; /* NULL: quality is not asked for */
    mw_flagged_out *flagged;
    size_t n_flagged;
    int64_t block_rows, n_rows;                            /* n_rows: so far */
    double total_s, busy_s, features_s, write_s, replay_s; /* busy_s: with a block at hand */
    uint64_t bytes;
} job;

static mw_status new_chunk(job *j, mw_chunk **ret, mw_err *err) {
    const int32_t n = j->config->program->n_outputs;
    mw_type *types = mw_alloc_array(j->ctx->mem, (size_t)n, sizeof *types);
    if (!types) return mw_fail_nomem(err, "the features");
    for (int32_t c = 0; c < n; c++) types[c] = MW_FLOAT32;
    mw_status status = mw_chunk_new(j->ctx->mem, types, n, j->block_rows, ret, err);
    mw_free(types);
    return status;
}

static int64_t block_rows(const mw_program *p) {
    const int64_t fits = CHUNK_BYTES / (p->n_outputs * (int64_t)sizeof(float)) / 64 * 64;
    return fits > CHUNK_ROWS ? CHUNK_ROWS : fits < LEAST_ROWS ? LEAST_ROWS : fits;
}

static mw_status get_ready(job *j, bool replay, mw_err *err) {
    const mw_program *p = j->config->program;
    mw_mem *mem = j->ctx->mem;
    j->columns = mw_alloc_array(mem, (size_t)p->n_outputs, sizeof *j->columns);
    j->cells = mw_alloc_array(mem, (size_t)p->n_outputs, sizeof *j->cells);
    if (!j->columns || !j->cells) return mw_fail_nomem(err, "the features");
    mw_status status = new_chunk(j, &j->chunk, err);
    if (!status) status = new_chunk(j, &j->waiting, err);
    const int n_threads = mw_pool_threads(j->ctx->pool);
    if (!status && n_threads > 1) status = mw_pool_new(mem, n_threads, &j->making.pool, err);
    if (!status) status = mw_stream_new(mem, p, &j->stream, err);
    if (!status) status = mw_hash128_new(mem, &j->hash, err);
    if (!status && replay) status = new_chunk(j, &j->again, err);
    if (!status && replay) status = mw_stream_new(mem, p, &j->replay, err);
    return status;
}

/* ---- replay ---- */

static mw_status fail_difference(const job *j, int64_t row, int32_t column, mw_err *err) {
    return mw_fail(err, MW_EINTERNAL, "row %lld: %s is %.9g in batch and %.9g row by row",
                   (long long)row + 1, j->config->program->names[column],
                   (double)j->chunk->columns[column].single[row],
                   (double)j->again->columns[column].single[row]);
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static mw_status compare(const job *j, int64_t from, int64_t n, mw_err *err) {
    for (int32_t c = 0; c < j->config->program->n_outputs; c++) {
        const float *a = j->chunk->columns[c].single, *b = j->again->columns[c].single;
        if (memcmp(a, b, (size_t)n * sizeof *a) == 0) continue;
        for (int64_t i = 0; i < n; i++)
            if (bits_of(a[i]) != bits_of(b[i])) {
                mw_status status = fail_difference(j, i, c, err);
                (void)mw_err_prefix(err, "in the rows from %lld on", (long long)from + 1);
                return status;
            }
    }
    return MW_OK;
}

static mw_status replay_rows(job *j, const mw_stream_rows *rows, int64_t from, mw_err *err) {
    const mw_program *p = j->config->program;
    const double **columns = mw_alloc_array(j->ctx->mem, (size_t)p->n_inputs + 1, sizeof *columns);
    if (!columns) return mw_fail_nomem(err, "the features");
    mw_status status = MW_OK;
    for (int64_t i = 0; i < rows->n && !status; i++) {
        for (int32_t c = 0; c < p->n_inputs; c++) columns[c] = rows->columns[c] + i;
        for (int32_t c = 0; c < p->n_outputs; c++) j->cells[c] = j->again->columns[c].single + i;
        const mw_stream_rows one = {1, rows->times + i, rows->devices ? rows->devices + i : NULL,
                                    columns};
        status = mw_stream_push(&j->making, j->replay, &one, j->cells, err);
        if (!status && i % 1024 == 0) status = mw_ctx_check(j->ctx, err);
    }
    mw_free(columns);
    return status ? status : compare(j, from, rows->n, err);
}

/* ---- all rows ---- */

static void report(const job *j) {
    double done, total;
    mw_plain_rows_progress(j->file, &done, &total);
    mw_ctx_report(j->ctx, "making features", done, total);
}

/* Seconds since *start, which becomes now. */
static double lap(const job *j, int64_t *start) {
    const double seconds = mw_clock_seconds_since(j->ctx->clock, *start);
    *start = mw_clock_monotonic(j->ctx->clock);
    return seconds;
}

static mw_status write_waiting(job *j, mw_err *err) {
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    if (j->waiting->n_rows == 0) return MW_OK;
    mw_status status = mw_features_out_add(j->out, j->waiting, err);
    j->waiting->n_rows = 0;
    j->write_s += lap(j, &start);
    return status;
}

static mw_status push(job *j, const mw_stream_rows *rows, mw_err *err) {
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    for (int32_t c = 0; c < j->config->program->n_outputs; c++)
        j->columns[c] = j->chunk->columns[c].single;
    mw_status status = mw_stream_push(&j->making, j->stream, rows, j->columns, err);
    j->chunk->n_rows = rows->n;
    j->features_s += lap(j, &start);
    return status;
}

typedef struct two {
    job *j;
    const mw_stream_rows *rows;
} two;

/* The block before is written, this one is made. */
static mw_status one_of_two(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    const two *t = arg;
    (void)worker;
    mw_status status = MW_OK;
    for (int64_t i = begin; i < end && !status; i++)
        status = i == 0 ? write_waiting(t->j, err) : push(t->j, t->rows, err);
    return status;
}

/* Of a model: scaled. With a replay: compared before, and part of the hash. */
static mw_status finish_block(job *j, const mw_stream_rows *rows, mw_err *err) {
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    const mw_scaling *scaling = j->model ? mw_features_scaling(mw_model_features(j->model)) : NULL;
    mw_status status = j->replay ? replay_rows(j, rows, j->n_rows, err) : MW_OK;
    if (!status && scaling) mw_scaling_apply_columns(scaling, j->columns, rows->n);
    for (int32_t c = 0; c < j->config->program->n_outputs && j->replay && !status; c++)
        mw_hash128_add(j->hash, j->columns[c], (size_t)rows->n * sizeof(float));
    j->replay_s += lap(j, &start);
    return status;
}

static mw_status judge(job *j, const mw_stream_rows *rows, mw_err *err) {
    const mw_column *time, *device;
    mw_table_rows_keys(j->rows, &time, &device);
    return mw_judged_add(j->judged, rows, device ? device->dictionary : NULL, err);
}

/* The table of the file holds a block of rows. */
static mw_status take(void *self, mw_err *err) {
    job *j = self;
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    mw_stream_rows rows;
    report(j);
    mw_table_rows_take(j->rows, 0, mw_plain_rows_table(j->file)->n_rows, &rows);
    two both = {j, &rows};
    mw_status status = j->judged ? judge(j, &rows, err) : MW_OK;
    if (!status) status = mw_pool_for(&j->beside, 2, 1, one_of_two, &both, err);
    if (!status) status = finish_block(j, &rows, err);
    mw_chunk *made = j->chunk;
    j->chunk = j->waiting;
    j->waiting = made;
    j->n_rows += rows.n;
    j->busy_s += lap(j, &start);
    return status;
}

static mw_status write_flagged(job *j, mw_err *err) {
    const mw_column *time, *device;
    mw_flagged_list stretches = {.mem = j->ctx->mem};
    mw_table_rows_keys(j->rows, &time, &device);
    mw_status status = mw_judged_finish(j->judged, UINT32_MAX, false, &stretches, err);
    j->n_flagged = stretches.n;
    if (!status)
        status =
            mw_flagged_out_write(j->flagged, device ? device->dictionary : NULL, &stretches, err);
    mw_flagged_done(&stretches);
    return status;
}

/* Both files count, or none. */
static mw_status finish(job *j, mw_err *err) {
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    mw_status status = write_waiting(j, err);
    const double waited_s = lap(j, &start);
    if (!status && j->judged) status = write_flagged(j, err);
    if (!status) status = mw_features_out_commit(j->out, &j->bytes, err);
    if (!status && j->judged) status = mw_flagged_out_commit(j->flagged, err);
    const double commit_s = lap(j, &start);
    j->write_s += commit_s;
    j->busy_s += waited_s + commit_s;
    return status;
}

static mw_status make_features(job *j, mw_err *err) {
    const mw_plain_taker taker = {.take = take, .self = j};
    mw_status status = mw_plain_rows_run(j->file, &taker, &j->bad, err);
    return status ? status : finish(j, err);
}

/* A file from the newest row to the oldest would give features to its first row only. */
static void warn_of_order(const mw_stream_counts *counts, mw_json_writer *w) {
    char text[160];
    if (counts->late == 0) return;
    (void)snprintf(text, sizeof text,
                   "%lld rows are older than one before them and have no features: sort the file "
                   "by time, or set "
                   "\"lateness\" in the configuration",
                   (long long)counts->late);
    mw_json_key(w, "warnings");
    mw_json_array(w);
    mw_json_write_string(w, text);
    mw_json_array_end(w);
}

static void tell(const job *j, mw_buf *text) {
    const mw_stream_counts counts = mw_stream_count(j->stream);
    char hex[MW_HASH128_HEX];
    mw_json_writer w;
    mw_json_writer_init(&w, text, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "out", mw_args_string(j->args, "out"));
    mw_json_add_int(&w, "rows", j->n_rows);
    mw_json_add_int(&w, "columns", j->config->program->n_outputs);
    mw_json_add_int(&w, "devices", counts.devices);
    mw_json_add_int(&w, "late_rows_used", counts.late_used);
    mw_json_add_int(&w, "late_rows", counts.late);
    mw_json_add_int(&w, "repeated_rows", counts.repeated);
    mw_json_add_int(&w, "unusable_rows", counts.unusable);
    if (j->judged) mw_json_add_int(&w, "flagged_stretches", (int64_t)j->n_flagged);
    if (j->bad.n) mw_json_add_string(&w, "first_unreadable", j->bad.first);
    mw_json_add_string(&w, "program", j->config->program->hash);
    if (j->replay) {
        mw_hash128_digest(j->hash, hex);
        mw_json_add_bool(&w, "replayed", true);
        mw_json_add_string(&w, "features_hash", hex);
    }
    mw_json_key(&w, "seconds");
    mw_json_object(&w);
    mw_json_add_number(&w, "read", j->total_s - j->busy_s);
    mw_json_add_number(&w, "features", j->features_s);
    mw_json_add_number(&w, "write", j->write_s);
    if (j->replay) mw_json_add_number(&w, "replay", j->replay_s);
    mw_json_add_number(&w, "total", j->total_s);
    mw_json_object_end(&w);
    mw_json_add_int(&w, "output_bytes", (int64_t)j->bytes);
    mw_json_add_int(&w, "peak_bytes", (int64_t)mw_mem_peak(&mw_mem_process));
    warn_of_order(&counts, &w);
    mw_json_object_end(&w);
}

static mw_status read_config(job *j, const char *path, mw_err *err) {
    char *text = NULL;
    size_t size = 0;
    mw_status status =
        mw_file_read_path(j->ctx, path, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status) return status;
    status = mw_features_of_program(j->ctx, (mw_str){text, size}, &j->features, err);
    if (status) (void)mw_err_prefix(err, "%s", path);
    if (!status) j->config = mw_features_program(j->features);
    mw_free(text);
    return status;
}

/* What a model learned from: its program, with what it learned of the features themselves. */
static mw_status load_model(job *j, const char *path, mw_err *err) {
    mw_status status = mw_op__load_model(j->ctx, path, &j->model, err);
    if (status) return status;
    j->config = mw_features_program(mw_model_features(j->model));
    if (j->config) return MW_OK;
    mw_fail(err, MW_EINVAL, "the model %s learned from columns of a table, not from features",
            path);
    return mw_err_hint(err, "name a model of `train --program`, or a configuration");
}

static mw_status find_program(job *j, mw_err *err) {
    const char *path = mw_args_string(j->args, "config");
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return load_model(j, path, err);
    return read_config(j, path, err);
}

static mw_status open_rows(job *j, mw_err *err) {
    j->block_rows = block_rows(j->config->program);
    mw_status status = mw_op__open_telemetry(j->ctx, mw_args_string(j->args, "file"), j->args,
                                             j->config, j->block_rows, &j->file, err);
    if (status) return status;
    return mw_table_rows_new(j->ctx->mem, j->config, mw_plain_rows_table(j->file), &j->rows, err);
}

/* --quality; its parameters alone would do nothing. */
static mw_status open_quality(job *j, mw_err *err) {
    const char *path = mw_args_string(j->args, "quality");
    if (!path) return mw_op__check_quality(j->args, "quality", "--quality FLAGGED.csv", err);
    if (strcmp(path, mw_args_string(j->args, "out")) == 0) {
        mw_fail(err, MW_EINVAL, "--quality and --out name the same file");
        mw_err_hint(err, "features and flagged stretches are two tables");
        return mw_err_at(err, "quality");
    }
    mw_status status = mw_judged_new(j->ctx, j->config->program, j->args, &j->judged, err);
    return status ? status : mw_flagged_out_new(j->ctx, path, j->config->program, &j->flagged, err);
}

static mw_status run(job *j, mw_buf *text, mw_err *err) {
    int64_t start = mw_clock_monotonic(j->ctx->clock);
    mw_status status = find_program(j, err);
    if (status) return status;
    status = open_rows(j, err);
    if (!status) status = get_ready(j, mw_args_bool(j->args, "replay"), err);
    if (!status)
        status = mw_features_out_new(&j->making, mw_args_string(j->args, "out"), j->config->program,
                                     &j->out, err);
    if (!status) status = open_quality(j, err);
    if (!status && mw_features_out_is_serial(j->out) && j->making.pool)
        status = mw_pool_new(j->ctx->mem, 2, &j->beside.pool, err);
    if (!status) status = make_features(j, err);
    j->total_s = lap(j, &start);
    if (!status) tell(j, text);
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *text, mw_err *err) {
    job j = {.ctx = call->ctx, .making = *call->ctx, .beside = *call->ctx, .args = call->args};
    j.making.pool = j.beside.pool = NULL;
    mw_status status = run(&j, text, err);
    mw_features_out_free(j.out);
    mw_flagged_out_free(j.flagged);
    mw_judged_free(j.judged);
    mw_table_rows_free(j.rows);
    mw_plain_rows_close(j.file);
    mw_stream_free(j.stream);
    mw_stream_free(j.replay);
    mw_chunk_free(j.chunk);
    mw_chunk_free(j.waiting);
    mw_chunk_free(j.again);
    mw_free(j.columns);
    mw_free(j.cells);
    mw_hash128_free(j.hash);
    mw_pool_free(j.making.pool);
    mw_pool_free(j.beside.pool);
    mw_features_free(j.features);
    mw_model_free(j.model);
    return status;
}

/* `features --operators --help` says what a configuration may name. */
static void list_operators(const mw_args *args, mw_buf *out) {
    if (!mw_args_given(args, "operators")) return;
    mw_buf_add(out, "operators of a configuration's \"features\":\n");
    for (const mw_operator *op = mw_operators; op->name; op++) {
        const char *takes = op->takes & MW_TAKES_WINDOW    ? ", window"
                            : op->takes & MW_TAKES_LAG     ? ", lag"
                            : op->takes & MW_TAKES_PERIODS ? ", periods"
                                                           : "";
        const char *of = op->n_inputs == 0   ? ""
                         : op->n_inputs == 1 ? "of a column"
                                             : "of two columns";
        mw_buf_printf(out, "\n%s  %s%s%s\n    %s\n", op->name, of, takes,
                      op->takes & MW_TAKES_NUMBER ? ", number" : "", op->help);
        if (op->order) mw_buf_printf(out, "    sums: %s\n", op->order);
        if (op->missing) mw_buf_printf(out, "    missing values: %s\n", op->missing);
    }
}

static const mw_param params[] = {
    {.name = "config",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .min = 1,
     .max = 4096,
     .help = "An organization's feature configuration, JSON; or the folder of a model that learned "
             "from features: as it gets them, scaled."},
    {.name = "file",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .min = 1,
     .max = 4096,
     .help = "Telemetry, a row a reading: CSV and its kin, plain, gzip or zstd."},
    {.name = "out",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED,
     .min = 1,
     .max = 4096,
     .help = "The file to write: .csv, or .arrow."},
    {.name = "quality",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4096,
     .help =
         "Judge the sensors, too, and write to this file, .csv or .arrow, in which stretches of "
         "time which features are made of flagged readings."},
    {.name = "operators",
     .type = MW_PARAM_BOOL,
     .help = "With --help: the operators that a configuration may name, how they sum and what they "
             "do with missing values."},
    {.name = "replay",
     .type = MW_PARAM_BOOL,
     .help = "Compute all again row by row, compare every bit, and print the features' hash."},
    {0}};

static const char *const examples[] = {
    "millwright features config.json telemetry.csv --out features.arrow",
    "millwright features config.json telemetry.csv --out features.csv --replay --json",
    "millwright features config.json telemetry.csv --out features.csv --quality flagged.csv",
    "millwright features --operators --help", NULL};

const mw_op mw_op_features = {
    .name = "features",
    .verb = "features",
    .area = "features",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Compute features of telemetry",
    .help = "One line per data row, in file order. Rows of a device count in the order of their "
            "times; what comes later than a newer "
            "row, or has no time or device, gets empty cells.",
    .examples = examples,
    .params = params,
    .more_params = {mw_quality_params, mw_profile_params},
    .prepare = prepare,
    .narrow_help = list_operators,
};
