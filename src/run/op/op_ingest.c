/* op_ingest.c -- `millwright ingest PATH...`: telemetry files into a dataset. */
#include <string.h>

#include "core/text/datetime.h"
#include "keep/ingest/listing.h"
#include "keep/ingest/preview.h"
#include "keep/ingest/profile.h"
#include "keep/ingest/quality.h"
#include "keep/ingest/source.h"
#include "run/op/dataset_job.h"
#include "run/op/ingest_text.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    const char *const *paths;
    size_t n_paths = mw_args_list(call->args, "paths", &paths), n_known;
    mw_json_writer writer;
    mw_status status = mw_store_org_ensure(call->ctx, call->app->store, call->ctx->org, err);
    if (status) return status;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    status = mw_op__write_dataset(call, &writer, mw_args_string(call->args, "dataset"), paths,
                                  n_paths, &n_known, err);
    if (status) return status;
    mw_json_key(&writer, "args");
    mw_args_write_json(call->args, &writer);
    mw_json_object_end(&writer);
    return MW_OK;
}

static void write_result(const mw_json *payload, const mw_ingest_result *ingested,
                         mw_json_writer *writer) {
    int64_t rows = 0, rejected = 0, n_new = 0;
    for (size_t i = 0; i < ingested->n_files; i++) {
        const mw_ingest_file *file = &ingested->files[i];
        if (file->unchanged) continue;
        n_new++;
        rows += file->n_rows;
        rejected += file->n_rejected;
    }
    mw_json_object(writer);
    mw_json_add_str(writer, "dataset", mw_json_string(mw_json_get(payload, "dataset"), ""));
    mw_json_add_int(writer, "new_files", n_new);
    mw_json_add_int(writer, "unchanged_files", (int64_t)ingested->n_files - n_new);
    mw_json_add_int(writer, "rows", rows);
    mw_json_add_int(writer, "rejected", rejected);
    mw_op__write_files(ingested, writer);
    mw_json_object_end(writer);
}

/* ---- dry run ---- */

static bool is_dry_run(const mw_json *payload) {
    return mw_json_bool(mw_json_get(mw_json_get(payload, "args"), "dry_run"), false);
}

static bool is_known(const mw_json *known, const char *source) {
    for (const mw_json *item = known ? known->first : NULL; item; item = item->next)
        if (mw_str_is(mw_json_string(mw_json_get(item, "source"), ""), source)) return true;
    return false;
}

/* "known": the files that the dataset has; whether they changed, only reading all of them would tell. */
static mw_status preview_files(const mw_ctx *ctx, const mw_listing *files, const mw_json *known,
                               const mw_args *args, const mw_schema *columns,
                               mw_json_writer *writer, mw_err *err) {
    mw_status status = MW_OK;
    mw_json_key(writer, "files");
    mw_json_array(writer);
    for (size_t i = 0; i < files->n && !status; i++)
        status = mw_ingest_preview(ctx, files->paths[i], args, columns, writer, err);
    mw_json_array_end(writer);
    mw_json_key(writer, "known");
    mw_json_array(writer);
    for (size_t i = 0; i < files->n; i++) {
        const char *source = mw_source_name(files->paths[i]);
        if (is_known(known, source)) mw_json_write_string(writer, source);
    }
    mw_json_array_end(writer);
    return status;
}

static mw_status preview(const mw_ctx *ctx, const mw_json *payload, const mw_args *args,
                         mw_buf *result, mw_err *err) {
    const mw_json *paths = mw_json_get(payload, "paths");
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char **list = mw_arena_calloc(&arena, (paths ? paths->n_children : 0) + 1, sizeof *list);
    mw_status status = list ? MW_OK : mw_fail_nomem(err, "the list of files");
    size_t n = 0;
    for (const mw_json *item = paths ? paths->first : NULL; item && !status; item = item->next) {
        list[n] = mw_arena_strndup(&arena, item->string.data, item->string.size);
        if (!list[n++]) status = mw_fail_nomem(err, "the list of files");
    }
    mw_listing files = {0};
    mw_schema *columns = NULL;
    if (!status) status = mw_listing_read(ctx, list, n, &files, err);
    if (!status) status = mw_op__dataset_columns(ctx, payload, &columns, err);
    mw_json_writer writer;
    mw_json_writer_init(&writer, result, 0);
    mw_json_object(&writer);
    mw_json_add_str(&writer, "dataset", mw_json_string(mw_json_get(payload, "dataset"), ""));
    mw_json_add_bool(&writer, "dry_run", true);
    if (!status)
        status =
            preview_files(ctx, &files, mw_json_get(payload, "known"), args, columns, &writer, err);
    mw_json_object_end(&writer);
    if (!status) status = mw_buf_status(result, "the result", err);
    mw_schema_free(columns);
    mw_listing_done(&files);
    mw_arena_done(&arena);
    return status;
}

static mw_status work(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err) {
    mw_args *args;
    mw_status status = mw_op__args(ctx, payload, mw_ingest_all_params(), &args, err);
    if (status) return status;
    if (is_dry_run(payload)) {
        status = preview(ctx, payload, args, result, err);
        mw_args_free(args);
        return status;
    }
    mw_ingest_result ingested;
    status = mw_op__ingest(ctx, payload, args, work_dir, &ingested, err);
    mw_args_free(args);
    if (status) return status;
    mw_json_writer writer;
    mw_json_writer_init(&writer, result, 0);
    write_result(payload, &ingested, &writer);
    mw_ingest_result_done(&ingested);
    return mw_buf_status(result, "the result", err);
}

static mw_status commit(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *work_dir,
                        mw_buf *result, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_json *tree;
    mw_status status = mw_json_parse(&arena, mw_buf_text(result), result->size, &tree, err);
    if (!status) {
        mw_str name = mw_json_string(mw_json_get(tree, "dataset"), "");
        const char *dataset = mw_arena_strndup(&arena, name.data, name.size);
        const mw_commit nothing = {
            .job_id = job->id, .fence = job->fence, .result = mw_buf_text(result)};
        if (mw_json_bool(mw_json_get(tree, "dry_run"), false))
            status = mw_store_commit(ctx, ((mw_app *)app)->store, &nothing, err);
        else
            status = dataset ? mw_op__commit(ctx, app, job, work_dir, dataset,
                                             mw_json_get(tree, "files"), NULL, 0,
                                             mw_buf_text(result), err)
                             : mw_fail_nomem(err, "the result");
    }
    mw_arena_done(&arena);
    return status;
}

static const mw_param params[] = {
    {.name = "paths",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL | MW_PARAM_REPEATED,
     .min = 1,
     .max = 4096,
     .help = "Tables of text (plain, gzip or zstd), folders of them, quoted patterns, or - for "
             "standard input."},
    {.name = "dataset", .type = MW_PARAM_STRING, .def = "main", .help = "Where the rows go."},
    {.name = "dry_run",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .help = "Only say how the files would be read, with ten typed rows of each."},
    {0}};

static const char *const examples[] = {
    "millwright ingest data/csv", "millwright ingest plant.csv.gz --dataset main --json",
    "millwright ingest 'export/*.txt' --dry-run",
    "millwright ingest old.csv --timezone Europe/Berlin --missing -999 --drop note", NULL};

const mw_op mw_op_ingest = {
    .name = "ingest",
    .verb = "ingest",
    .area = "datasets",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_JOB,
    .exclusive = true,
    .local = true,
    .summary = "Read telemetry files into a dataset",
    .help = "Separator, encoding, header, units, times and column types are found in the first MiB "
            "of a file and "
            "reported with a confidence; every one can be forced. Long files (parameter and value "
            "columns) "
            "and wide ones (one column per sensor) are told apart by their header. A file's name, "
            "without its folder, is its identity in the dataset: "
            "one that is already there with the same content is skipped, one with other content "
            "replaces the rows it brought before. Malformed rows go to a rejects file that can be "
            "corrected "
            "and ingested again.",
    .examples = examples,
    .params = params,
    .more_params = {mw_ingest_params, mw_profile_params, mw_quality_params},
    .makes_org = true,
    .prepare = prepare,
    .work = work,
    .commit = commit,
    .reads = mw_op__reads_files,
    .left = mw_op__left,
    .print = mw_op__print_ingest,
};
