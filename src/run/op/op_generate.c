/* op_generate.c -- `millwright generate`: a believable sample plant. */
#include "keep/ingest/generator.h"
#include "run/op/app.h"

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_dir *dir;
    const char *path = mw_args_string(call->args, "out");
    mw_status status = mw_dir_open(call->ctx, path, MW_DIR_CREATE, &dir, err);
    if (status) return status;
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    status = mw_generate(call->ctx, call->args, dir, &writer, err);
    mw_dir_close(dir);
    return status;
}

static const mw_param params[] = {{.name = "out",
                                   .type = MW_PARAM_STRING,
                                   .def = "data/csv",
                                   .help = "Folder for the CSV files; the truth about the faults "
                                           "goes to its labels folder."},
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
    .more_params = mw_generate_params,
    .prepare = prepare,
};
