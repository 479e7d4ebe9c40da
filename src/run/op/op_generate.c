/* op_generate.c -- `millwright generate`: a believable sample plant. */
#include <string.h>

#include "keep/ingest/generator.h"
#include "run/op/app.h"

/* Where POST /train looks for the organization's files. */
static const char *csv_folder(const mw_call *call, mw_arena *arena) {
    if (strcmp(call->ctx->org, "default") == 0)
        return mw_arena_printf(arena, "%s/csv", call->data_path);
    return mw_arena_printf(arena, "%s/orgs/%s/csv", call->data_path, call->ctx->org);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_dir *dir;
    const char *path = mw_args_string(call->args, "out");
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    if (!path) path = csv_folder(call, &arena);
    mw_status status = path ? mw_dir_open(call->ctx, path, MW_DIR_CREATE, &dir, err)
                            : mw_fail_nomem(err, "a path");
    mw_arena_done(&arena);
    if (status) return status;
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    status = mw_generate(call->ctx, call->args, dir, &writer, err);
    mw_dir_close(dir);
    return status;
}

static const mw_param params[] = {{.name = "out",
                                   .type = MW_PARAM_STRING,
                                   .min = 1,
                                   .max = 4096,
                                   .help = "Folder for the CSV files; the truth about the faults "
                                           "goes to its labels folder. Unset: the csv folder of "
                                           "the data folder (data/csv), from which `train` "
                                           "takes its files."},
                                  {0}};

static const char *const examples[] = {
    "millwright generate --profile miner-long --days 14 --seed 42",
    "millwright generate --days 2 --machines 3 --out plant", NULL};

const mw_op mw_op_generate = {
    .name = "generate",
    .verb = "generate",
    .area = "datasets",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Write a sample plant's telemetry as CSV",
    .help =
        "Several machines and crews with daily and weekly rhythm, noise, gaps and a few faults. "
        "The same seed writes the same bytes on every machine.",
    .examples = examples,
    .params = params,
    .more_params = {mw_generate_params},
    .prepare = prepare,
};
