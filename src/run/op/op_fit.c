/*
 * op_fit.c -- `millwright train FILE.csv --target COLUMN --learner NAME --out DIR`: one model from
 * a plain table, without a store.
 *
 * All rows with a target are fitted, unless --test-share keeps the last rows of the file for measuring, or --test names
 * another file. --valid names one to measure on while fitting, --init-model a model to go on from. --json prints
 * metrics, rows, seconds, fit_bytes (most memory of the fit), peak_bytes (of the process) and model_sha256.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/number.h"
#include "keep/ingest/profile.h"
#include "keep/ingest/quality.h"
#include "keep/ingest/source.h"
#include "run/op/app.h"
#include "run/op/fit_rows.h"
#include "run/op/quality_args.h"
#include "run/op/labels.h"
#include "run/op/model_folder.h"
#include "run/op/read_like.h"

#define MAX_UNREADABLE_SHARE 0.05

typedef struct fit_job {
    const char *target; /* column; NULL: events, or none */
    uint32_t flags;     /* of --without-flagged */
    const mw_ctx *ctx;
    const mw_args *args;
    mw_arena arena;
    mw_args *params; /* of the learner */
    mw_table *table; /* until its rows are made */
    mw_type target_type;
    mw_mem fit_mem;    /* account of the fit and of its model */
    mw_features *made; /* of the table; NULL with a model to go on from */
    const mw_features *features;
    mw_model *init, *model;
    mw_fit_rows rows;  /* that are fitted, then rows held back */
    mw_fit_rows valid; /* of --valid */
    mw_labels labels;
    mw_event_target *events; /* in place of a target column; NULL: none */
    int64_t test_unknown;    /* rows of --test left out for their class */
    int64_t n_fit, n_test;   /* rows fitted, rows measured (0: the fitted ones are) */
    mw_plain_bad bad;
    bool test_in_file;
    const char *warnings[4]; /* [n_warnings] */
    int n_warnings;
    double read_s, features_s, fit_s, save_s;
} fit_job;

/* What the result shall tell besides; text: of the arena. */
static mw_status warn(fit_job *job, const char *text, mw_err *err) {
    if (!text) return mw_fail_nomem(err, "a warning");
    job->warnings[job->n_warnings++] = text;
    return MW_OK;
}

static mw_status hint_params(const char *learner, mw_err *err) {
    return mw_err_hint(err, "`millwright train --learner %s --help` lists its parameters", learner);
}

/* --set name=value pairs into the learner's own table. */
static mw_status read_params(fit_job *job, const char *learner, mw_err *err) {
    const mw_param *table = mw_model_params(learner);
    if (!table) return mw_fail(err, MW_EINVAL, "there is no learner \"%s\"", learner);
    mw_status status = mw_args_new(job->ctx->mem, table, &job->params, err);
    const char *const *pairs;
    size_t n = mw_args_list(job->args, "set", &pairs);
    for (size_t i = 0; i < n && !status; i++) {
        const char *equals = strchr(pairs[i], '=');
        if (!equals) {
            mw_fail(err, MW_EINVAL, "--set takes name=value, not \"%.100s\"", pairs[i]);
            return hint_params(learner, err);
        }
        mw_str name = {pairs[i], (size_t)(equals - pairs[i])};
        status = mw_args_set(job->params, name, mw_str_of(equals + 1), err);
        if (status && err && !err->hint[0]) hint_params(learner, err);
    }
    return status ? status : mw_args_finish(job->params, err);
}

/* Features by --program, or by the one of the model to go on from. */
static mw_status read_program(fit_job *job, mw_err *err) {
    const char *path = mw_args_string(job->args, "program");
    char *text = NULL;
    size_t size = 0;
    if (job->init && mw_features_program(mw_model_features(job->init))) {
        job->features = mw_model_features(job->init);
        if (!path) return MW_OK;
        mw_fail(err, MW_EINVAL, "the model to go on from has a feature program of its own");
        mw_err_at(err, "program");
        return mw_err_hint(err, "leave --program out");
    }
    if (!path) return MW_OK;
    mw_status status =
        mw_file_read_path(job->ctx, path, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status) return status;
    status = mw_features_of_program(job->ctx, (mw_str){text, size}, &job->made, err);
    if (status) (void)mw_err_prefix(err, "%s", path);
    job->features = job->made;
    mw_free(text);
    return status;
}

/* A feature of the row's own target would tell the answer. */
static mw_status check_leak(const mw_feature_config *config, const char *target, mw_err *err) {
    const int32_t n = config->program->n_inputs;
    for (int32_t c = 0; target && c < n + config->n_categories; c++)
        if (strcmp(c < n ? config->program->inputs[c] : config->categories[c - n], target) == 0) {
            mw_fail(err, MW_EINVAL,
                    "the feature program reads the target %s: features would know the answer",
                    target);
            mw_err_at(err, "target");
            return mw_err_hint(err, "take it out of the configuration's columns");
        }
    return MW_OK;
}

/* Of the first n rows of the table those that are fitted on; *ret NULL: all of them. */
static mw_status choose_rows(const fit_job *job, int64_t *n, int64_t **ret, mw_err *err) {
    int64_t n_chosen = 0;
    *ret = mw_alloc_array(job->ctx->mem, (size_t)*n + 1, sizeof **ret);
    if (!*ret) return mw_fail_nomem(err, "the rows");
    for (int64_t i = 0; i < *n; i++)
        if (job->rows.marks[i] == MW_FIT_KEPT) (*ret)[n_chosen++] = i;
    if (n_chosen == *n) *ret = mw_free(*ret);
    *n = n_chosen;
    return MW_OK;
}

/* Operating conditions, of the rows before those held back. */
static mw_status fit_conditions(fit_job *job, mw_err *err) {
    mw_table_rows *rows = NULL;
    mw_conditions *conditions = NULL;
    int64_t *chosen = NULL;
    if (!mw_features_need_conditions(job->made)) return MW_OK;
    const double share = 1 - mw_args_float(job->args, "test_share");
    int64_t n = (int64_t)(share * (double)job->table->n_rows);
    mw_ctx seeded = *job->ctx;
    seeded.seed = (uint64_t)mw_args_int(job->params, "seed");
    mw_status status =
        mw_table_rows_new(job->ctx->mem, mw_features_program(job->made), job->table, &rows, err);
    if (!status) status = choose_rows(job, &n, &chosen, err);
    if (!status) status = mw_table_rows_conditions(&seeded, rows, chosen, n, &conditions, err);
    if (!status) status = mw_features_set_conditions(job->made, conditions, err);
    mw_conditions_free(conditions);
    mw_table_rows_free(rows);
    mw_free(chosen);
    return status;
}

/* Columns that are not features: the target, weights, time and device. What is dropped was not read. */
static mw_status make_features(fit_job *job, const char *target, mw_err *err) {
    const char *except[4];
    size_t n = 0;
    const char *device = mw_args_string(job->args, "device");
    if (job->features && job->made) {
        mw_status status = mw_features_add_categories(job->ctx, job->made, job->table, err);
        if (!status) status = fit_conditions(job, err);
        if (status) return status;
    }
    if (job->features) return check_leak(mw_features_program(job->features), target, err);
    if (job->init) {
        job->features = mw_model_features(job->init);
        return MW_OK;
    }
    if (device && mw_fit_check_column(job->table, "device", device, err)) return MW_ENOTFOUND;
    const char *const named[] = {target, mw_args_string(job->args, "weight"),
                                 mw_args_string(job->args, "time"), device};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i]) except[n++] = named[i];
    mw_status status = mw_features_of_table(job->ctx, job->table, except, n, &job->made, err);
    job->features = job->made;
    if (!status && mw_features_count(job->features) == 0)
        status = mw_fail(err, MW_EDATA, "no columns are left to learn from");
    return status;
}

static mw_status divide_rows(fit_job *job, int64_t n_rows, mw_err *err) {
    mw_status status = mw_fit_rows_pack(job->ctx, &job->rows, mw_features_count(job->features),
                                        n_rows, &job->bad, err);
    const double share = mw_args_float(job->args, "test_share");
    job->n_test = (int64_t)mw_floor(share * (double)job->rows.n);
    job->n_fit = job->rows.n - job->n_test;
    job->test_in_file = job->n_test > 0;
    return status;
}

/* By numbers of the rows to fit on alone. */
static mw_status scale_rows(fit_job *job, mw_err *err) {
    if (!job->made || job->n_fit == 0) return MW_OK;
    const mw_matrix fit_on = {job->rows.x, job->n_fit, mw_features_count(job->made)};
    mw_status status = mw_features_fit(job->ctx, job->made, fit_on, err);
    const mw_scaling *scaling = mw_features_scaling(job->made);
    if (status || !scaling) return status;
    return mw_scaling_apply(job->ctx, scaling, job->rows.x, job->rows.n, fit_on.n_features, err);
}

/* The share of the ingest holds here as well: a file that is mostly broken is the wrong file. */
static mw_status check_share(const fit_job *job, mw_err *err) {
    double n = (double)job->table->n_rows;
    if ((double)job->bad.n <= MAX_UNREADABLE_SHARE * n) return MW_OK;
    mw_fail(err, MW_EDATA, "%lld of %lld rows cannot be read, more than the share %.2f allowed: %s",
            (long long)job->bad.n, (long long)job->table->n_rows, MAX_UNREADABLE_SHARE,
            job->bad.first);
    return mw_err_hint(err, "correct the file");
}

/* The target as the model to go on from has it: its classes, or numbers. */
static mw_status take_labels(fit_job *job, const char *target, mw_err *err) {
    mw_unknown_labels unknown = {0};
    if (job->events)
        return mw_event_target_labels(job->ctx, &job->arena, job->events,
                                      mw_features_program(job->features), job->table, &job->labels,
                                      err);
    if (!job->init) {
        mw_status made = mw_op__labels(job->ctx, &job->arena, job->table, target,
                                       mw_args_string(job->args, "task"), &job->labels, err);
        return made || !job->labels.doubt ? made : warn(job, job->labels.doubt, err);
    }
    job->labels.task = mw_model_task(job->init);
    job->labels.classes =
        (const char **)(uintptr_t)mw_model_classes(job->init, &job->labels.n_classes);
    mw_status status =
        mw_op__labels_as(&job->arena, job->table, target, job->labels.task, job->labels.classes,
                         job->labels.n_classes, &job->labels.y, &unknown, err);
    if (status || unknown.n == 0) return status;
    mw_fail(err, MW_EDATA,
            "the target %s has %lld label%s that the model to go on from does not have, such as "
            "\"%.40s\"",
            target, (long long)unknown.n, unknown.n == 1 ? "" : "s", unknown.first);
    mw_err_at(err, "init_model");
    return mw_err_hint(err, "a new class needs a new model: leave --init-model out");
}

static mw_fit_like like_training(const fit_job *job) {
    const char *target = job->rows.y && !job->events ? job->target : NULL;
    return (mw_fit_like){.args = job->args,
                         .features = job->features,
                         .target = target,
                         .events = job->events,
                         .type = job->target_type,
                         .task = job->labels.task,
                         .classes = job->labels.classes,
                         .n_classes = job->labels.n_classes};
}

/* Rows of another file, and a warning of those that are left out for their class. */
static mw_status read_other(fit_job *job, const mw_fit_like *like, const char *path,
                            mw_fit_rows *ret, mw_err *err) {
    mw_status status = mw_fit_rows_read(job->ctx, &job->arena, like, path, ret, err);
    if (status || ret->unknown.n == 0) return status;
    const char *text = mw_arena_printf(
        &job->arena,
        "%s: rows left out because the training file has no such label: %lld, the first \"%.40s\"",
        mw_source_name(path), (long long)ret->unknown.n, ret->unknown.first);
    return warn(job, text, err);
}

static mw_status read_valid(fit_job *job, mw_err *err) {
    const char *path = mw_args_string(job->args, "valid");
    if (!path) return MW_OK;
    mw_fit_like like = like_training(job);
    like.weight = mw_args_string(job->args, "weight");
    return read_other(job, &like, path, &job->valid, err);
}

static mw_status open_init(fit_job *job, mw_err *err) {
    const char *path = mw_args_string(job->args, "init_model");
    return path ? mw_op__load_model(job->ctx, path, &job->init, err) : MW_OK;
}

static mw_status read_file(fit_job *job, mw_err *err) {
    const char *path = mw_args_string(job->args, "file");
    if (job->features)
        return mw_op__read_telemetry(job->ctx, path, job->args, mw_features_program(job->features),
                                     NULL, MW_FLOAT64, &job->table, &job->bad, err);
    return mw_ingest_plain_as(job->ctx, path, job->args, NULL, 0, &job->table, &job->bad, err);
}

/* --without-flagged; what else is said of sensors would do nothing without it. */
static mw_status read_flags(fit_job *job, const mw_feature_config *program, mw_err *err) {
    mw_status status = mw_op__flag_bits(job->args, "without_flagged", &job->flags, err);
    if (!status)
        status = mw_op__check_quality(job->args, "without_flagged",
                                      "--without-flagged stuck,out_of_range", err);
    if (status || program || !mw_args_given(job->args, "without_flagged")) return status;
    mw_fail(err, MW_EINVAL, "sensors are judged in telemetry, which a feature program reads");
    mw_err_hint(err, "--program names a feature configuration");
    return mw_err_at(err, "without_flagged");
}

/* --target, or the one of the feature configuration; an isolation forest has none. */
static mw_status find_target(fit_job *job, bool unsupervised, const mw_feature_config *program,
                             mw_err *err) {
    job->target = mw_args_string(job->args, "target");
    const bool by_events = mw_args_given(job->args, "events");
    if (unsupervised && job->target) {
        mw_fail(err, MW_EINVAL, "the isolation forest learns without a target");
        return mw_err_hint(err, "leave --target out; --drop %s keeps the column out", job->target);
    }
    if (unsupervised && by_events) {
        mw_fail(err, MW_EINVAL, "the isolation forest learns without a target");
        return mw_err_hint(err, "leave --events out");
    }
    if (unsupervised || by_events || job->target) return MW_OK;
    if (program) job->target = program->target_column;
    if (job->target) return MW_OK;
    mw_fail(err, MW_EINVAL, "--target is missing: which column shall be predicted?");
    return mw_err_at(err, "target");
}

static mw_status prepare_data(fit_job *job, const char *learner, mw_err *err) {
    const mw_ctx *ctx = job->ctx;
    bool unsupervised = strcmp(learner, "isolation") == 0;
    int64_t start = mw_clock_monotonic(ctx->clock);
    mw_status status = open_init(job, err);
    if (!status) status = read_program(job, err);
    const mw_feature_config *program = job->features ? mw_features_program(job->features) : NULL;
    if (!status) status = find_target(job, unsupervised, program, err);
    const char *target = job->target;
    if (!status) status = read_flags(job, program, err);
    if (!status) status = mw_event_target_read(ctx, job->args, program, &job->events, err);
    if (!status) status = read_file(job, err);
    if (!status) status = check_share(job, err);
    job->read_s = mw_clock_seconds_since(ctx->clock, start);
    start = mw_clock_monotonic(ctx->clock);
    if (!status && !unsupervised) status = take_labels(job, target, err);
    if (!status) job->rows.y = job->labels.y;
    const char *weight = mw_args_string(job->args, "weight");
    if (!status && weight)
        status = mw_fit_weights(ctx, job->table, weight, &job->rows.weights, err);
    if (!status && program)
        status = mw_fit_rows_mark(ctx, program, job->table, job->args, job->flags, &job->rows, err);
    if (!status) status = make_features(job, target, err);
    const int64_t n_rows = job->table ? job->table->n_rows : 0;
    if (!status && target) job->target_type = mw_table_column(job->table, target)->type;
    if (!status) status = mw_features_take(ctx, job->features, &job->table, &job->rows.x, err);
    if (!status) status = divide_rows(job, n_rows, err);
    if (!status) status = scale_rows(job, err);
    if (!status) status = read_valid(job, err);
    job->features_s = mw_clock_seconds_since(ctx->clock, start);
    if (!status && job->n_fit == 0)
        status = mw_fail(err, MW_EDATA, "there are no rows to learn from");
    return status;
}

static const char *target_name(const fit_job *job) {
    return job->events ? mw_event_target_name(job->events) : job->target;
}

static mw_status fit_model(fit_job *job, const char *learner, mw_err *err) {
    bool unsupervised = job->rows.y == NULL;
    mw_fit fit = {.learner = learner,
                  .task = unsupervised ? MW_TASK_ANOMALY : job->labels.task,
                  .features = job->features,
                  .target = target_name(job),
                  .classes = (const char *const *)job->labels.classes,
                  .n_classes = job->labels.n_classes,
                  .params = job->params,
                  .matrix = {job->rows.x, job->n_fit, mw_features_count(job->features)},
                  .y = job->rows.y,
                  .weights = job->rows.weights,
                  .numbers = job->rows.numbers,
                  .valid = {job->valid.x, job->valid.n, mw_features_count(job->features)},
                  .valid_y = job->valid.y,
                  .valid_weights = job->valid.weights,
                  .valid_numbers = job->valid.numbers,
                  .init = job->init};
    int64_t start = mw_clock_monotonic(job->ctx->clock);
    mw_ctx seeded = *job->ctx;
    mw_mem_init(&job->fit_mem, job->ctx->mem, 0);
    seeded.mem = &job->fit_mem;
    seeded.seed = (uint64_t)mw_args_int(job->params, "seed");
    mw_status status = mw_model_fit(&seeded, &fit, &job->model, err);
    job->fit_s = mw_clock_seconds_since(job->ctx->clock, start);
    if (status == MW_EINVAL && !unsupervised && err && strcmp(err->pointer, "task") == 0)
        mw_err_hint(err,
                    job->labels.task == MW_TASK_REGRESSION
                        ? "--task says what the target is"
                        : "--learner forest tells classes apart; --task regression takes 0 and "
                          "1 as numbers");
    return status;
}

/* ---- measuring ---- */

static void write_class_metrics(const fit_job *job, const double *truth, const double *out,
                                int64_t n, mw_json_writer *writer, mw_err *err) {
    int32_t n_classes = job->labels.n_classes;
    double *best = mw_alloc_array(job->ctx->mem, (size_t)n + 1, sizeof *best);
    uint8_t *positive = mw_alloc(job->ctx->mem, (size_t)n + 1);
    double *score = mw_alloc_array(job->ctx->mem, (size_t)n + 1, sizeof *score);
    if (best && positive && score) {
        for (int64_t row = 0; row < n; row++) {
            const double *p = out + row * n_classes;
            int32_t top = 0;
            for (int32_t k = 1; k < n_classes; k++)
                if (p[k] > p[top]) top = k;
            best[row] = top;
            positive[row] = truth[row] == n_classes - 1;
            score[row] = p[n_classes - 1];
        }
        mw_json_add_number(writer, "accuracy", mw_metric_accuracy(truth, best, n));
        mw_json_add_number(writer, "log_loss", mw_metric_log_loss(truth, out, n, n_classes));
        double auc;
        if (n_classes == 2) {
            mw_json_add_number(writer, "f1", mw_metric_f1(truth, best, n));
            if (mw_metric_roc_auc(job->ctx, score, positive, n, &auc, err) == MW_OK)
                mw_json_add_number(writer, "roc_auc", auc);
        }
    }
    mw_free(best);
    mw_free(positive);
    mw_free(score);
}

static void write_metrics(const fit_job *job, const double *truth, const double *out, int64_t n,
                          const char *measured_on, mw_json_writer *writer, mw_err *err) {
    mw_task task = mw_model_task(job->model);
    mw_json_object(writer);
    mw_json_add_string(writer, "measured_on", measured_on);
    mw_json_add_int(writer, "rows", n);
    if (task == MW_TASK_REGRESSION) {
        mw_regression_metrics m;
        mw_metric_regression(truth, out, n, &m);
        mw_json_add_number(writer, "rmse", m.rmse);
        mw_json_add_number(writer, "mae", m.mae);
        mw_json_add_number(writer, "mape", m.mape);
        mw_json_add_number(writer, "r2", m.r2);
    } else if (task == MW_TASK_ANOMALY) {
        int64_t flagged = 0;
        for (int64_t row = 0; row < n; row++) flagged += out[row] >= mw_model_threshold(job->model);
        mw_json_add_int(writer, "flagged", flagged);
        mw_json_add_number(writer, "threshold", mw_model_threshold(job->model));
    } else if (truth) {
        write_class_metrics(job, truth, out, n, writer, err);
    }
    mw_json_object_end(writer);
}

static mw_status score_and_write(const fit_job *job, const float *x, const double *truth, int64_t n,
                                 const char *measured_on, mw_json_writer *writer, mw_err *err) {
    size_t width = (size_t)mw_model_outputs(job->model);
    double *out = mw_alloc_array(job->ctx->mem, (size_t)n * width + 1, sizeof *out);
    if (!out) return mw_fail_nomem(err, "the predictions");
    mw_matrix matrix = {x, n, mw_features_count(job->features)};
    mw_status status = mw_model_score(job->ctx, job->model, matrix, out, err);
    if (!status) write_metrics(job, truth, out, n, measured_on, writer, err);
    mw_free(out);
    return status;
}

/* Metrics on --test FILE: its rows with a known target. */
static mw_status measure_test_file(fit_job *job, const char *path, mw_json_writer *writer,
                                   mw_err *err) {
    const mw_fit_like like = like_training(job);
    mw_fit_rows rows;
    mw_status status = read_other(job, &like, path, &rows, err);
    job->test_unknown = rows.unknown.n;
    if (!status) status = score_and_write(job, rows.x, rows.y, rows.n, "test file", writer, err);
    mw_fit_rows_done(&rows);
    return status;
}

static mw_status measure(fit_job *job, mw_json_writer *writer, mw_err *err) {
    const char *test = mw_args_string(job->args, "test");
    if (test) return measure_test_file(job, test, writer, err);
    size_t width = (size_t)mw_features_count(job->features);
    if (!job->test_in_file)
        return score_and_write(job, job->rows.x, job->rows.y, job->n_fit, "training rows", writer,
                               err);
    return score_and_write(job, job->rows.x + (size_t)job->n_fit * width,
                           job->rows.y ? job->rows.y + job->n_fit : NULL, job->n_test, "last rows",
                           writer, err);
}

/* ---- saving and telling ---- */

static mw_status save(fit_job *job, mw_str metrics, char sha256[MW_SHA256_HEX], mw_err *err) {
    const mw_ctx *ctx = job->ctx;
    mw_buf extra;
    mw_buf_init(&extra, ctx->mem, metrics.size + 256);
    mw_json_writer writer;
    mw_json_writer_init(&writer, &extra, 0);
    mw_json_object(&writer);
    mw_json_add_int(&writer, "rows", job->n_fit);
    mw_json_key(&writer, "metrics");
    mw_json_write_raw(&writer, metrics);
    mw_json_object_end(&writer);
    int64_t n_check = job->n_fit < 1000 ? job->n_fit : 1000;
    mw_matrix check = {job->rows.x, n_check, mw_features_count(job->features)};
    mw_status status = mw_buf_status(&extra, "the metrics", err);
    if (!status)
        status = mw_op__save_model(ctx, job->model, mw_args_string(job->args, "out"),
                                   mw_buf_str(&extra), check, sha256, err);
    mw_buf_done(&extra);
    return status;
}

static void write_result(const fit_job *job, mw_str metrics, const char *sha256,
                         mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_string(writer, "model", mw_args_string(job->args, "out"));
    mw_json_add_string(writer, "learner", mw_model_learner(job->model));
    mw_json_add_string(writer, "task", mw_task_name(mw_model_task(job->model)));
    mw_json_add_string(writer, "target", target_name(job));
    mw_json_add_int(writer, "rows", job->n_fit);
    mw_json_add_int(writer, "rows_without_target", job->rows.n_without_target);
    mw_json_add_int(writer, "unreadable_rows", job->bad.n);
    if (job->rows.n_without_features)
        mw_json_add_int(writer, "rows_without_features", job->rows.n_without_features);
    if (job->flags) mw_json_add_int(writer, "flagged_rows", job->rows.n_flagged);
    mw_json_add_int(writer, "features", mw_features_count(job->features));
    mw_json_key(writer, "metrics");
    mw_json_write_raw(writer, metrics);
    const double oob_score = mw_model_oob_score(job->model);
    if (mw_isfinite(oob_score)) mw_json_add_number(writer, "oob_score", oob_score);
    mw_json_key(writer, "seconds");
    mw_json_object(writer);
    mw_json_add_number(writer, "read", job->read_s);
    mw_json_add_number(writer, "features", job->features_s);
    mw_json_add_number(writer, "fit", job->fit_s);
    mw_json_add_number(writer, "save", job->save_s);
    mw_json_object_end(writer);
    mw_json_add_int(writer, "fit_bytes", (int64_t)mw_mem_peak(&job->fit_mem));
    mw_json_add_int(writer, "peak_bytes", (int64_t)mw_mem_peak(&mw_mem_process));
    mw_json_add_string(writer, "model_sha256", sha256);
    if (job->valid.unknown.n)
        mw_json_add_int(writer, "valid_rows_of_unknown_labels", job->valid.unknown.n);
    if (job->test_unknown)
        mw_json_add_int(writer, "test_rows_of_unknown_labels", job->test_unknown);
    if (job->n_warnings) {
        mw_json_key(writer, "warnings");
        mw_json_array(writer);
        for (int i = 0; i < job->n_warnings; i++) mw_json_write_string(writer, job->warnings[i]);
        mw_json_array_end(writer);
    }
    mw_json_object_end(writer);
}

static mw_status run(fit_job *job, mw_buf *out, mw_err *err) {
    const char *learner = mw_args_string(job->args, "learner");
    char sha256[MW_SHA256_HEX];
    mw_buf metrics;
    mw_buf_init(&metrics, job->ctx->mem, 1 << 16);
    mw_json_writer writer;
    mw_json_writer_init(&writer, &metrics, 0);
    mw_status status = read_params(job, learner, err);
    if (!status) status = prepare_data(job, learner, err);
    if (!status) status = fit_model(job, learner, err);
    if (!status) status = measure(job, &writer, err);
    if (!status) status = mw_buf_status(&metrics, "the metrics", err);
    int64_t start = mw_clock_monotonic(job->ctx->clock);
    if (!status) status = save(job, mw_buf_str(&metrics), sha256, err);
    job->save_s = mw_clock_seconds_since(job->ctx->clock, start);
    if (!status) {
        mw_json_writer_init(&writer, out, 0);
        write_result(job, mw_buf_str(&metrics), sha256, &writer);
    }
    mw_buf_done(&metrics);
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    fit_job job = {.ctx = call->ctx, .args = call->args};
    mw_arena_init(&job.arena, call->ctx->mem);
    mw_status status = run(&job, out, err);
    mw_model_free(job.model);
    mw_model_free(job.init);
    mw_features_free(job.made);
    mw_table_free(job.table);
    mw_fit_rows_done(&job.rows);
    mw_fit_rows_done(&job.valid);
    mw_free(job.bad.marks);
    mw_args_free(job.params);
    mw_event_target_free(job.events);
    mw_arena_done(&job.arena);
    return status;
}

/* `train --learner NAME --help` lists what --set takes for it. */
static void narrow_help(const mw_args *args, mw_buf *out) {
    if (!mw_args_given(args, "learner")) return;
    const char *learner = mw_args_string(args, "learner");
    mw_buf_printf(out,
                  "parameters of the learner %s, each as --set NAME=VALUE:\n"
                  "(`millwright train --help` explains everything else)\n\n",
                  learner);
    mw_param_write_settings(mw_model_params(learner), out);
}

static const char *const tasks[] = {"regression", "binary", "multiclass", NULL};

static const mw_param params[] = {
    {.name = "file",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .min = 1,
     .max = 4096,
     .help = "A table: CSV and its kin, plain, gzip or zstd."},
    {.name = "target", .type = MW_PARAM_STRING, .help = "The column to predict."},
    {.name = "learner",
     .type = MW_PARAM_ENUM,
     .def = "forest",
     .choices = mw_model_learners,
     .choice_aliases = mw_model_learner_aliases,
     .help = "How to learn."},
    {.name = "task",
     .type = MW_PARAM_ENUM,
     .choices = tasks,
     .help = "Without it: text and 0/1 targets are classes, other numbers are predicted."},
    {.name = "set",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REPEATED,
     .help = "A parameter of the learner, as name=value; repeat for more. `millwright train "
             "--learner NAME --help` lists them."},
    {.name = "test", .type = MW_PARAM_STRING, .help = "Another file to measure on."},
    {.name = "test_share",
     .type = MW_PARAM_FLOAT,
     .def = "0",
     .min = 0,
     .max = 0.9,
     .help = "Share of the file's last rows kept for measuring; 0 fits all."},
    {.name = "program",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4096,
     .help = "A feature configuration (`millwright features --help`): the file is telemetry, a row "
             "a reading, and the model learns "
             "from features of it. They travel with the model, and `predict` makes them."},
    {.name = "without_flagged",
     .type = MW_PARAM_LIST,
     .help = "Judge the sensors, and leave rows out of the fit of which a feature is made of "
             "readings with one of these flags: stuck, flat, out_of_range, spike, gap, clock, "
             "unit; --program."},
    {.name = "valid",
     .type = MW_PARAM_STRING,
     .help = "Another file to measure on round by round; --learner gbdt."},
    {.name = "weight",
     .type = MW_PARAM_STRING,
     .help = "Column that says what a row counts for, above 0; --learner gbdt."},
    {.name = "init_model",
     .type = MW_PARAM_STRING,
     .help = "A model folder to go on from: the new trees are added to its own; --learner gbdt."},
    {.name = "out",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED,
     .min = 1,
     .max = 4096,
     .help = "Folder for the model."},
    {0}};

static const char *const examples[] = {
    "millwright train housing.csv --target median_house_value --learner forest --set seed=1 --out "
    "m",
    "millwright train --learner gbdt --help",
    "millwright train readings.csv --target failed --learner gbdt --set early_stopping_rounds=20 "
    "--set validation_fraction=0.2 --out m",
    "millwright train sensors.csv --learner isolation --drop label --out m --json", NULL};

const mw_op mw_op_fit = {
    .name = "fit",
    .verb = "train",
    .area = "models",
    .role = MW_ROLE_TRAINER,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Train one model from a plain table",
    .help = "No time column is needed; rows are neither sorted nor resampled. Text columns are "
            "categories, missing values are allowed.",
    .examples = examples,
    .params = params,
    .more_params = {mw_event_target_params, mw_quality_params, mw_profile_params},
    .prepare = prepare,
    .narrow_help = narrow_help,
};
