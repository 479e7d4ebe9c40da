/*
 * op_train.c -- POST /train and `millwright train`: new files in, three models out.
 *
 * Prepare   names the csv folder, the live segments and the parameters.
 * Work      ingests new and changed files, streams the dataset into windows, fits and measures the models.
 * Commit    moves model folders to versions/{job}-{fence}, then one transaction makes segments and versions
 * count together; the links `current` and versions/{n} and the readable history follow from the store.
 * A name belongs to one claim of one job, so nobody's folder is ever replaced: neither by a holder that lost its lease and does not know yet, nor by one
 * whose commit nobody answered. What no record names is removed once its claim cannot commit any more.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/text/number.h"
#include "keep/ingest/listing.h"
#include "keep/ingest/quality.h"
#include "keep/track/history.h"
#include "learn/feature/config.h"
#include "learn/model/plant.h"
#include "run/op/dataset_job.h"
#include "run/op/quality_args.h"
#include "run/op/report.h"

static const char *const model_names[] = {"baseline", "regression", "anomaly"};
enum { N_MODELS = 3 };

static const mw_param flag_params[] = {
    {.name = "without_flagged",
     .type = MW_PARAM_LIST,
     .help = "Leave windows out of baseline and regression of which a feature is made of readings "
             "with one of these flags: stuck, flat, out_of_range, spike, gap, clock, unit."},
    {0}};

/* ---- prepare ---- */

/* *ret: the folder is there and holds at least one table. */
static mw_status find_csv_files(const mw_ctx *ctx, const char *path, bool *ret, mw_err *err) {
    mw_dir *dir;
    mw_dir_entry *entries;
    size_t n = 0;
    *ret = false;
    mw_status status = mw_dir_open(ctx, path, MW_DIR_MUST_EXIST, &dir, err);
    if (status) return status == MW_ENOTFOUND ? MW_OK : status;
    status = mw_dir_list(ctx, dir, &entries, &n, err);
    if (!status) {
        for (size_t i = 0; i < n && !*ret; i++)
            *ret = !entries[i].is_dir && mw_listing_is_table(entries[i].name);
        mw_free(entries);
    }
    mw_dir_close(dir);
    return status;
}

/* *ret: the text of the feature configuration that is asked for; NULL: none. */
static mw_status find_config(const mw_call *call, mw_arena *arena, const char **ret, mw_err *err) {
    const mw_json *given = mw_args_json(call->args, "program");
    mw_config_record record;
    mw_buf text;
    mw_json_writer w;
    mw_status status = MW_OK;
    *ret = NULL;
    if (mw_args_bool(call->args, "org_program")) {
        if (given) {
            mw_fail(err, MW_EINVAL, "program and org_program are two ways to say the same");
            return mw_err_at(err, "org_program");
        }
        status = mw_store_config(call->ctx, call->app->store, arena, 0, &record, err);
        if (!status) *ret = record.config;
        if (status == MW_ENOTFOUND && err) status = err->code = MW_ECONFLICT;
        return status;
    }
    if (!given) return MW_OK;
    mw_buf_init(&text, call->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &text, 0);
    mw_json_write_value(&w, given);
    status = mw_buf_status(&text, "the feature configuration", err);
    if (!status) *ret = mw_arena_strndup(arena, mw_buf_text(&text), text.size);
    if (!status && !*ret) status = mw_fail_nomem(err, "the feature configuration");
    mw_buf_done(&text);
    return status;
}

/* What cannot be compiled is told at once, not by the job. */
static mw_status check_config(const mw_call *call, const char *text, mw_err *err) {
    mw_feature_config config;
    if (!text) return MW_OK;
    if (mw_args_given(call->args, "lags")) {
        mw_fail(err, MW_EINVAL, "lags are those of the feature configuration");
        mw_err_at(err, "lags");
        return mw_err_hint(err, "leave lags out; lagSeconds of the configuration say them");
    }
    mw_status status = mw_feature_config_read(call->ctx->mem, text, strlen(text), &config, err);
    if (!status) mw_feature_config_done(&config);
    if (status && err && err->pointer[0] == '/') {
        char pointer[MW_ERR_POINTER_MAX];
        mw_str_copy(pointer, sizeof pointer, mw_str_of(err->pointer));
        mw_err_at(err, "/program%s", pointer);
    }
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    const char *config = NULL;
    mw_arena_init(&arena, call->ctx->mem);
    const char *csv = mw_app_csv_path(call->app, call->ctx, &arena);
    size_t n_known = 0, n_paths = 0;
    mw_status status = csv ? MW_OK : mw_fail_nomem(err, "a path");
    const char *dataset = mw_args_string(call->args, "dataset");
    bool found = false;
    uint32_t flags;
    if (!status) status = mw_op__flag_bits(call->args, "without_flagged", &flags, err);
    if (!status) status = find_config(call, &arena, &config, err);
    if (!status) status = check_config(call, config, err);
    /* Files in the csv folder belong to `main`. */
    if (!status && strcmp(dataset, "main") == 0)
        status = find_csv_files(call->ctx, csv, &found, err);
    if (!status) {
        n_paths = found ? 1 : 0;
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        mw_json_object(&writer);
        status = mw_op__write_dataset(call, &writer, dataset, &csv, n_paths, &n_known, err);
        if (!status) {
            mw_json_key(&writer, "args");
            mw_args_write_json(call->args, &writer);
            if (config) mw_json_add_string(&writer, "config", config);
            mw_json_object_end(&writer);
        }
    }
    if (!status && n_paths == 0 && n_known == 0) {
        mw_fail(err, MW_EDATA,
                "there is no data to train on: %s holds no CSV files and the dataset "
                "%s is empty",
                csv, dataset);
        status = mw_err_hint(err, "put CSV files there, or run `millwright ingest FILE`");
    }
    mw_arena_done(&arena);
    return status;
}

/* ---- work ---- */

/* What is left out, with the tables that say where; they are read when something is. */
static mw_status read_flags(const mw_ctx *ctx, const mw_json *payload, const mw_op__rows *rows,
                            mw_table ***tables, mw_lagged_flags *ret, mw_err *err) {
    mw_args *args = NULL;
    *ret = (mw_lagged_flags){.clock_bits = MW_QUALITY_CLOCK};
    mw_status status = mw_op__args(ctx, payload, flag_params, &args, err);
    if (!status) status = mw_op__flag_bits(args, "without_flagged", &ret->bits, err);
    if (!status && ret->bits) status = mw_op__read_flagged(ctx, rows, tables, &ret->n_tables, err);
    ret->tables = (const mw_table *const *)*tables;
    mw_args_free(args);
    return status;
}

static mw_status fit(const mw_ctx *ctx, const mw_json *payload, const mw_ingest_result *ingested,
                     mw_dir *work_dir, mw_buf *training, mw_err *err) {
    mw_op__rows rows;
    mw_args *args = NULL;
    mw_dir *out = NULL;
    mw_table **tables = NULL;
    mw_lagged_flags flags = {0};
    mw_status status = mw_op__open_rows(ctx, payload, ingested, work_dir, &rows, err);
    if (status) return status;
    status = mw_op__args(ctx, payload, mw_plant_params, &args, err);
    if (!status) status = read_flags(ctx, payload, &rows, &tables, &flags, err);
    if (!status) status = mw_dir_sub(ctx, work_dir, "models", MW_DIR_CREATE, &out, err);
    if (!status) {
        mw_ctx seeded = *ctx;
        seeded.seed = (uint64_t)mw_args_int(args, "seed");
        mw_json_writer writer;
        mw_json_writer_init(&writer, training, 0);
        status = mw_plant_fit(&seeded, mw_dataset_stream(rows.dataset), args,
                              mw_json_string(mw_json_get(payload, "config"), ""), &flags,
                              rows.data_hash, out, &writer, err);
    }
    mw_dir_close(out);
    mw_args_free(args);
    mw_op__free_tables(tables, flags.n_tables);
    mw_op__close_rows(&rows);
    return status;
}

/* The members of the fit's result, with what was ingested beside them. */
static mw_status write_result(const mw_json *payload, const mw_ingest_result *ingested,
                              const mw_buf *training, mw_buf *result, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, result->mem);
    const mw_json *tree;
    mw_status status = mw_json_parse(&arena, mw_buf_text(training), training->size, &tree, err);
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, result, 0);
        mw_json_object(&writer);
        mw_json_add_str(&writer, "dataset", mw_json_string(mw_json_get(payload, "dataset"), ""));
        for (const mw_json *item = tree->first; item; item = item->next) {
            mw_json_key_str(&writer, item->key);
            mw_json_write_value(&writer, item);
        }
        mw_json_key(&writer, "args");
        mw_json_write_value(&writer, mw_json_get(payload, "args"));
        mw_op__write_files(ingested, &writer);
        mw_json_object_end(&writer);
        status = mw_buf_status(result, "the result", err);
    }
    mw_arena_done(&arena);
    return status;
}

static mw_status work(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err) {
    mw_args *args;
    mw_status status = mw_op__args(ctx, payload, mw_ingest_all_params(), &args, err);
    if (status) return status;
    mw_ingest_result ingested;
    status = mw_op__ingest(ctx, payload, args, work_dir, &ingested, err);
    mw_args_free(args);
    if (status) return status;
    mw_buf training;
    mw_buf_init(&training, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    status = fit(ctx, payload, &ingested, work_dir, &training, err);
    if (!status) status = mw_buf_status(&training, "the result", err);
    if (!status) status = write_result(payload, &ingested, &training, result, err);
    mw_buf_done(&training);
    mw_ingest_result_done(&ingested);
    return status;
}

/* ---- commit ---- */

static mw_status file_hash(const mw_ctx *ctx, mw_dir *dir, const char *name,
                           char hex[MW_SHA256_HEX], mw_err *err) {
    mw_map map;
    mw_status status = mw_map_open(ctx, dir, name, &map, err);
    if (status) return status;
    status = mw_sha256_of(map.data, map.size, hex, err);
    mw_map_close(&map);
    return status;
}

static const char *as_text(const mw_json *value, mw_arena *arena) {
    mw_buf text;
    mw_buf_init(&text, arena->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer writer;
    mw_json_writer_init(&writer, &text, 0);
    if (value)
        mw_json_write_value(&writer, value);
    else
        mw_buf_add(&text, "{}");
    const char *kept = text.failed ? NULL : mw_arena_strndup(arena, mw_buf_text(&text), text.size);
    mw_buf_done(&text);
    return kept;
}

/* "{job}-{fence}": whether that claim may still commit. Anything else is not ours to judge. */
static bool may_commit(const mw_ctx *ctx, const mw_app *app, const char *folder) {
    enum { ID = 26 };
    char id[ID + 1];
    int64_t fence;
    mw_arena arena;
    mw_job_record job;
    mw_err err = {0};
    const size_t n = strlen(folder);
    if (n < ID + 2 || folder[ID] != '-' || !mw_number_read_int(folder + ID + 1, n - ID - 1, &fence))
        return true;
    mw_str_copy(id, sizeof id, (mw_str){folder, ID});
    mw_arena_init(&arena, ctx->mem);
    const mw_status status = mw_store_job_get(ctx, app->store, &arena, id, &job, &err);
    const bool may = status == MW_OK ? job.fence == fence && !mw_job_state_final(job.state)
                                     : status != MW_ENOTFOUND;
    mw_arena_done(&arena);
    return may;
}

static bool is_named(const mw_version_record *records, size_t n, const char *folder) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(records[i].folder, folder) == 0) return true;
    return false;
}

/* Folders of claims that ended without a commit. Records are read after the claims: one that has ended has its record by then, or never. */
static mw_status remove_left(const mw_ctx *ctx, mw_app *app, const char *model, mw_dir *versions,
                             mw_arena *arena, mw_err *err) {
    const mw_version_record *records;
    mw_dir_entry *entries;
    size_t n = 0, n_left = 0, n_records = 0;
    mw_status status = mw_store_versions(ctx, app->store, arena, model, &records, &n_records, err);
    if (!status) status = mw_dir_list(ctx, versions, &entries, &n, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++)
        if (entries[i].is_dir && !is_named(records, n_records, entries[i].name) &&
            !may_commit(ctx, app, entries[i].name))
            entries[n_left++] = entries[i];
    if (n_left > 0)
        status = mw_store_versions(ctx, app->store, arena, model, &records, &n_records, err);
    for (size_t i = 0; i < n_left && !status; i++) {
        char path[MW_ARTIFACT_NAME], all[MW_ARTIFACT_NAME + 1];
        if (is_named(records, n_records, entries[i].name)) continue;
        mw_artifact_of_version(ctx->org, model, entries[i].name, path);
        (void)snprintf(all, sizeof all, "%s/", path);
        status = mw_artifacts_remove(ctx, app->artifacts, all, err);
        if (!status) status = mw_dir_remove(ctx, versions, entries[i].name, err);
    }
    mw_free(entries);
    return status;
}

/* Moves one model's folder to where only this claim puts it, and describes it. */
static mw_status place_model(const mw_ctx *ctx, mw_app *app, const mw_job_record *job,
                             mw_dir *models, const char *name, const mw_json *result,
                             mw_arena *arena, mw_version_record *ret, mw_err *err) {
    mw_dir *folder = NULL, *versions = NULL, *from = NULL;
    char hex[MW_SHA256_HEX];
    mw_err left = {0};
    const char *own = mw_arena_printf(arena, "%s-%lld", job->id, (long long)job->fence);
    mw_status status = own ? MW_OK : mw_fail_nomem(err, "a version");
    if (!status) status = mw_app_folder(app, ctx, "models", name, &folder, err);
    if (!status) status = mw_dir_sub(ctx, folder, "versions", MW_DIR_CREATE, &versions, err);
    if (!status) status = mw_dir_sub(ctx, models, name, MW_DIR_MUST_EXIST, &from, err);
    if (!status) status = file_hash(ctx, from, mw_model_file(from), hex, err);
    if (!status && remove_left(ctx, app, name, versions, arena, &left))
        mw_log_warn(ctx, "what is left of trainings that failed stays for now: %s", left.message);
    if (!status) status = mw_dir_move(ctx, models, name, versions, own, err);
    if (!status) {
        char path[MW_ARTIFACT_NAME];
        mw_artifact_of_version(ctx->org, name, own, path);
        status = mw_artifacts_put_folder(ctx, app->artifacts, app->data, path, err);
    }
    mw_dir_close(from);
    mw_dir_close(versions);
    mw_dir_close(folder);
    if (status) return status;
    const mw_json *of_model = mw_json_get(mw_json_get(result, "models"), name);
    mw_str hash = mw_json_string(mw_json_get(result, "data_hash"), "");
    *ret = (mw_version_record){.model = name,
                               .run_id = job->id,
                               .job_id = job->id,
                               .created_us = mw_clock_utc(ctx->clock),
                               .folder = own,
                               .production = true,
                               .sha256 = mw_arena_strdup(arena, hex),
                               .metrics = as_text(of_model, arena),
                               .params = as_text(mw_json_get(result, "args"), arena),
                               .data_hash = mw_arena_strndup(arena, hash.data, hash.size)};
    if (!ret->sha256 || !ret->metrics || !ret->params || !ret->data_hash)
        return mw_fail_nomem(err, "a version");
    return MW_OK;
}

static mw_status link_version(const mw_ctx *ctx, mw_dir *model, mw_dir *versions, const char *own,
                              const mw_version_record *record, mw_err *err) {
    char number[16], target[128];
    mw_status status = MW_OK;
    (void)snprintf(number, sizeof number, "%d", (int)record->version);
    (void)snprintf(target, sizeof target, "versions/%s", record->folder);
    if (strcmp(record->folder, own) == 0) status = mw_dir_link(ctx, versions, number, own, err);
    if (!status && record->production) status = mw_dir_link(ctx, model, "current", target, err);
    return status;
}

/* versions/{n} -> own, current -> versions/{folder in production}: derived from the store, so a failure is only logged. */
static void link_versions(const mw_ctx *ctx, const mw_app *app, const char *name, const char *own,
                          mw_arena *arena) {
    mw_err err = {0};
    mw_dir *model = NULL, *versions = NULL;
    const mw_version_record *records;
    size_t n = 0;
    mw_status status = mw_store_versions(ctx, app->store, arena, name, &records, &n, &err);
    if (!status) status = mw_app_folder(app, ctx, "models", name, &model, &err);
    if (!status) status = mw_dir_sub(ctx, model, "versions", MW_DIR_MUST_EXIST, &versions, &err);
    for (size_t i = 0; i < n && !status; i++)
        status = link_version(ctx, model, versions, own, &records[i], &err);
    mw_dir_close(versions);
    mw_dir_close(model);
    if (status) mw_log_warn(ctx, "%s", err.message);
}

static void write_history(const mw_ctx *ctx, const mw_app *app) {
    mw_err err = {0};
    mw_dir *models;
    mw_status status = mw_app_folder(app, ctx, "models", NULL, &models, &err);
    if (!status) {
        status = mw_track_write_history(ctx, app->store, models, &err);
        mw_dir_close(models);
    }
    if (status) mw_log_warn(ctx, "the readable history was not written: %s", err.message);
}

static mw_status commit(const mw_ctx *ctx, void *self, const mw_job_record *job, mw_dir *work_dir,
                        mw_buf *result, mw_err *err) {
    mw_app *app = self;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_json *tree = NULL;
    mw_version_record versions[N_MODELS];
    mw_dir *models = NULL;
    const char *dataset = NULL;
    mw_status status = mw_json_parse(&arena, mw_buf_text(result), result->size, &tree, err);
    if (!status) status = mw_dir_sub(ctx, work_dir, "models", MW_DIR_MUST_EXIST, &models, err);
    for (size_t i = 0; i < N_MODELS && !status; i++)
        status =
            place_model(ctx, app, job, models, model_names[i], tree, &arena, &versions[i], err);
    if (!status) {
        mw_str name = mw_json_string(mw_json_get(tree, "dataset"), "");
        dataset = mw_arena_strndup(&arena, name.data, name.size);
        if (!dataset) status = mw_fail_nomem(err, "the result");
    }
    if (!status)
        status = mw_op__commit(ctx, app, job, work_dir, dataset, mw_json_get(tree, "files"),
                               versions, N_MODELS, mw_buf_text(result), err);
    if (!status) {
        for (size_t i = 0; i < N_MODELS; i++)
            link_versions(ctx, app, model_names[i], versions[i].folder, &arena);
        write_history(ctx, app);
    }
    mw_dir_close(models);
    mw_arena_done(&arena);
    return status;
}

/* ---- declaration ---- */

static const mw_param params[] = {
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main", .help = "What to learn from."},
    {.name = "program",
     .type = MW_PARAM_JSON,
     .flags = MW_PARAM_BODY,
     .help = "Feature configuration: what baseline and regression learn from, made of the windows' "
             "means. Without it: all statistics of the windows, and `lags`."},
    {.name = "org_program",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .flags = MW_PARAM_BODY,
     .help = "By the organization's feature configuration (`millwright org config`)."},
    {0}};

static const mw_field metric_fields[] = {
    {.name = "rmse", .type = MW_FIELD_NUMBER, .nullable = true, .help = "root mean squared error"},
    {.name = "mae", .type = MW_FIELD_NUMBER, .nullable = true, .help = "mean absolute error"},
    {.name = "mape", .type = MW_FIELD_NUMBER, .nullable = true, .help = "mean |error| / |truth|"},
    {.name = "r2",
     .type = MW_FIELD_NUMBER,
     .nullable = true,
     .help = "share of variance explained"},
    {0}};

static const mw_field model_fields[] = {
    {.name = "learner", .type = MW_FIELD_STRING, .help = "linear, forest or isolation"},
    {.name = "metrics",
     .type = MW_FIELD_OBJECT,
     .fields = metric_fields,
     .optional = true,
     .help = "on the last part of the time range, not seen in training"},
    {.name = "naive",
     .type = MW_FIELD_OBJECT,
     .fields = metric_fields,
     .optional = true,
     .help = "the same of the last-value forecast"},
    {.name = "scored", .type = MW_FIELD_INTEGER, .optional = true, .help = "windows scored"},
    {.name = "flagged", .type = MW_FIELD_INTEGER, .optional = true, .help = "of them flagged"},
    {.name = "threshold",
     .type = MW_FIELD_NUMBER,
     .optional = true,
     .help = "score from which a window is flagged"},
    {.name = "features", .type = MW_FIELD_INTEGER, .help = "how many it uses"},
    {.name = "chosen",
     .type = MW_FIELD_OBJECT,
     .optional = true,
     .help = "regression: the candidate that forecast the last part of the training rows best"},
    {.name = "candidates",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .optional = true,
     .help = "regression: what was tried, with the error of each"},
    {.name = "importance_is",
     .type = MW_FIELD_STRING,
     .optional = true,
     .help = "what importance means for this model"},
    {.name = "top_features",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .optional = true,
     .help = "the most important features"},
    {.name = "seconds", .type = MW_FIELD_OBJECT, .optional = true, .help = "where the time went"},
    {0}};

static const mw_field result[] = {
    {.name = "dataset", .type = MW_FIELD_STRING, .help = "what was learned from"},
    {.name = "data_hash",
     .type = MW_FIELD_STRING,
     .help = "identity of its contents and of what they were read with"},
    {.name = "rows", .type = MW_FIELD_INTEGER, .help = "raw rows"},
    {.name = "windows", .type = MW_FIELD_INTEGER, .help = "rows after resampling"},
    {.name = "devices", .type = MW_FIELD_INTEGER, .help = "number of devices"},
    {.name = "parameters", .type = MW_FIELD_INTEGER, .help = "number of parameters"},
    {.name = "interval", .type = MW_FIELD_STRING, .help = "length of a window"},
    {.name = "median_spacing",
     .type = MW_FIELD_STRING,
     .optional = true,
     .help = "of the readings"},
    {.name = "dropped",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .optional = true,
     .help = "columns without a value or without a change, left out"},
    {.name = "target", .type = MW_FIELD_STRING, .help = "the parameter that is predicted"},
    {.name = "target_chosen_by", .type = MW_FIELD_STRING, .help = "the user, or the default rule"},
    {.name = "program",
     .type = MW_FIELD_STRING,
     .help = "SHA-256 of the feature program of baseline and regression"},
    {.name = "split",
     .type = MW_FIELD_OBJECT,
     .help = "how the time range was divided, and how many rows were purged or flagged"},
    {.name = "horizon", .type = MW_FIELD_STRING, .optional = true, .help = "how far ahead"},
    {.name = "lags",
     .type = MW_FIELD_INTEGER,
     .optional = true,
     .help = "earlier values of the target that are features"},
    {.name = "models",
     .type = MW_FIELD_MAP,
     .items = MW_FIELD_OBJECT,
     .fields = model_fields,
     .help = "baseline, regression and anomaly"},
    {.name = "top_anomalies",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .help = "the strangest windows, as GET /anomalies lists them"},
    {.name = "top_features",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .help = "most important features of the forest"},
    {.name = "seconds", .type = MW_FIELD_OBJECT, .help = "where the time went"},
    {.name = "peak_bytes",
     .type = MW_FIELD_INTEGER,
     .optional = true,
     .help = "most memory in use at a time"},
    {.name = "args", .type = MW_FIELD_OBJECT, .optional = true, .help = "the parameters in effect"},
    {.name = "files",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .help = "what was ingested"},
    {0}};

static const mw_status errors[] = {MW_EPARSE, MW_ENOTFOUND, MW_ECONFLICT, MW_EINVAL,
                                   MW_EDATA,  MW_EBUSY,     MW_OK};

static const char *const examples[] = {
    "millwright train", "millwright train --target engine_temp --interval 10min", NULL};

const mw_op mw_op_train = {
    .name = "train",
    .verb = "train",
    .method = "POST",
    .path = "/train",
    .area = "quick analytics",
    .role = MW_ROLE_TRAINER,
    .kind = MW_OP_JOB,
    .exclusive = true,
    .summary = "Ingest new files and train the three models",
    .help = "First ingests every new or changed file of the csv folder, then trains baseline, "
            "regression and anomaly on the whole dataset. Waits and answers the metrics; with "
            "?wait=false answers 202 and the job's id. 409 while another training runs.",
    .examples = examples,
    .params = params,
    .more_params = {mw_plant_params, flag_params},
    .result = result,
    .example =
        "{\"dataset\":\"main\",\"data_hash\":\"ee54eafb00af3d5f56eb0a635bd3974623e3089827cca2"
        "30e82ca07b82603c23\",\"rows\":23938,\"windows\":23938,\"devices\":6,\"parameters\":7"
        ",\"interval\":\"5min\",\"target\":\"engine_temp\",\"target_chosen_by\":\"default: th"
        "e first parameter that "
        "changes\",\"program\":\"b95b3d861279c367617c6b32cdafa3c2754e394d8373"
        "f719ea98149de8c37735\",\"split\":{\"kind\":\"time\",\"test_share\":0.2,\"t"
        "rain_rows\":19068,\"test_rows\":4784,\"test_from\":\"2026-01-16T04:40:00Z\",\"test_t"
        "o\":\"2026-01-18T23:50:00Z\"},\"models\":{\"regression\":{\"learner\":\"forest\",\"m"
        "etrics\":{\"rmse\":1.4688,\"mae\":1.1132,\"mape\":0.013103,\"r2\":0.98871},\"naive\""
        ":{\"rmse\":1.8481,\"mae\":1.4313,\"mape\":0.016849,\"r2\":0.98212},\"features\":14},"
        "\"anomaly\":{\"learner\":\"isolation\",\"scored\":23938,\"flagged\":240,\"threshold"
        "\":0.585,\"features\":7}},\"top_anomalies\":[{\"start\":\"2026-01-11T10:15:00Z\",\"d"
        "evice\":\"DMP-02\",\"score\":0.663,\"is_anomaly\":true,\"parameters\":[{\"name\":\"o"
        "il_pressure\",\"statistic\":\"mean\",\"value\":0.392,\"typical\":3.552,\"deviations"
        "\":-4.99}]}],\"top_features\":[{\"name\":\"oil_pressure_mean\",\"importance\":0.2215"
        ",\"permutation\":0.3899,\"permutation_spread\":0.0327}],\"seconds\":{\"total\":3.2},"
        "\"files\":[{\"source\":\"miner-long-2026-01-05.csv\",\"unchanged\":false,\"layout\":"
        "\"long\",\"rows\":11972,\"rejected\":0}]}",
    .errors = errors,
    .prepare = prepare,
    .work = work,
    .commit = commit,
    .reads = mw_op__reads_rows,
    .left = mw_op__left,
    .print = mw_op__print_training,
};
