/* features_in.c -- see features_in.h. */
#include "run/op/features_in.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "keep/ingest/profile.h"

enum { ROWS = 65536 };

struct mw_features_in {
    const mw_feature_config *config;
    mw_table *table;
    mw_plain_bad bad;
    const mw_column *time, *device; /* device NULL: one */
    const mw_column **inputs;       /* [n_inputs] */
    const double **columns;         /* [n_inputs] of the rows at hand */
    double *truths;                 /* [n_booleans][ROWS] */
};

mw_status mw_features_in_config(const mw_ctx *ctx, const char *path, mw_feature_config *ret,
                                mw_err *err) {
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? mw_strndup(ctx->mem, path, (size_t)(slash - path) + 1) : mw_strdup(ctx->mem, ".");
    char *text = NULL;
    size_t size = 0;
    mw_dir *dir = NULL;
    mw_status status = folder ? mw_dir_open(ctx, folder, MW_DIR_MUST_EXIST, &dir, err)
                              : mw_fail_nomem(err, "a path");
    if (!status)
        status = mw_file_read(ctx, dir, slash ? slash + 1 : path, (size_t)MW_LIMIT(JSON_BYTES),
                              &text, &size, err);
    if (!status) {
        status = mw_feature_config_read(ctx->mem, text, size, ret, err);
        if (status) (void)mw_err_prefix(err, "%s", slash ? slash + 1 : path);
    }
    mw_dir_close(dir);
    mw_free(text);
    mw_free(folder);
    return status;
}

/* ---- how the file is to be read ---- */

static bool of_table(const mw_param *table, mw_str name) {
    for (; table->name; table++)
        if (mw_str_is(name, table->name)) return true;
    return false;
}

/* What args say of the file, and the configuration of its time column where they do not. */
static mw_status reading_args(mw_mem *mem, const mw_args *args, const mw_feature_config *config,
                              mw_args **ret, mw_err *err) {
    mw_arena arena;
    mw_buf text;
    mw_json_writer writer;
    const mw_json *all = NULL;
    mw_arena_init(&arena, mem);
    mw_buf_init(&text, mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&writer, &text, 0);
    mw_args_write_json(args, &writer);
    mw_status status = mw_buf_status(&text, "the arguments", err);
    if (!status) status = mw_json_parse(&arena, mw_buf_text(&text), text.size, &all, err);
    if (!status) status = mw_args_new(mem, mw_profile_params, ret, err);
    for (const mw_json *one = status ? NULL : all->first; one && !status; one = one->next) {
        if (!of_table(mw_profile_params, one->key)) continue;
        mw_json member = *one;
        member.next = NULL;
        const mw_json object = {.kind = MW_JSON_OBJECT, .n_children = 1, .first = &member};
        status = mw_args_set_json(*ret, &object, err);
    }
    if (!status && config->time_column && !mw_args_given(*ret, "time"))
        status = mw_args_set(*ret, MW_STR("time"), mw_str_of(config->time_column), err);
    if (!status) status = mw_args_finish(*ret, err);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

static bool is_boolean(const mw_feature_config *config, const char *name) {
    for (int32_t k = 0; k < config->n_booleans; k++)
        if (strcmp(config->booleans[k], name) == 0) return true;
    return false;
}

static mw_status read_table(const mw_ctx *ctx, const char *path, const mw_args *args,
                            mw_features_in *in, mw_err *err) {
    const mw_feature_config *config = in->config;
    const mw_program *p = config->program;
    mw_args *own = NULL;
    mw_plain_column *as = mw_calloc(ctx->mem, (size_t)p->n_inputs + 1, sizeof *as);
    mw_status status = as ? reading_args(ctx->mem, args, config, &own, err)
                          : mw_fail_nomem(err, "the list of columns");
    size_t n = 0;
    for (int32_t c = 0; c < p->n_inputs && !status; c++)
        as[n++] = (mw_plain_column){p->inputs[c],
                                    is_boolean(config, p->inputs[c]) ? MW_BOOL : MW_FLOAT64};
    if (!status && config->device_column)
        as[n++] = (mw_plain_column){config->device_column, MW_DICTIONARY};
    if (!status) status = mw_ingest_plain_as(ctx, path, own, as, n, &in->table, &in->bad, err);
    mw_args_free(own);
    mw_free(as);
    return status;
}

/* ---- its columns ---- */

static mw_status find(const mw_features_in *in, const char *name, const mw_column **ret,
                      mw_err *err) {
    *ret = mw_table_column(in->table, name);
    if (*ret) return MW_OK;
    mw_nearest best = {0};
    for (int32_t c = 0; c < in->table->n_columns; c++)
        mw_nearest_look(&best, mw_str_of(name), in->table->columns[c].name);
    mw_fail(err, MW_EDATA, "the file has no column %s", name);
    if (best.word)
        return mw_err_hint(err, "did you mean %s? Name it in the configuration", best.word);
    return mw_err_hint(err, "the configuration's columns must be in the file");
}

static mw_status find_time(mw_features_in *in, mw_err *err) {
    for (int32_t c = 0; c < in->table->n_columns && !in->time; c++)
        if (in->table->columns[c].type == MW_TIMESTAMP) in->time = &in->table->columns[c];
    if (in->time) return MW_OK;
    mw_fail(err, MW_EDATA, "the file has no column of times");
    return mw_err_hint(err, "name it: \"timeColumn\" in the configuration, or --time; "
                            "--time-format says how it is written");
}

static mw_status find_columns(const mw_ctx *ctx, mw_features_in *in, mw_err *err) {
    const mw_feature_config *config = in->config;
    const size_t n = (size_t)config->program->n_inputs;
    in->inputs = mw_calloc(ctx->mem, n + 1, sizeof *in->inputs);
    in->columns = mw_calloc(ctx->mem, n + 1, sizeof *in->columns);
    in->truths =
        mw_alloc_array(ctx->mem, (size_t)config->n_booleans * ROWS + 1, sizeof *in->truths);
    if (!in->inputs || !in->columns || !in->truths)
        return mw_fail_nomem(err, "the list of columns");
    mw_status status = find_time(in, err);
    if (!status && config->device_column)
        status = find(in, config->device_column, &in->device, err);
    for (size_t c = 0; c < n && !status; c++)
        status = find(in, config->program->inputs[c], &in->inputs[c], err);
    return status;
}

mw_status mw_features_in_open(const mw_ctx *ctx, const char *path, const mw_args *args,
                              const mw_feature_config *config, mw_features_in **ret, mw_err *err) {
    mw_features_in *in = mw_calloc(ctx->mem, 1, sizeof *in);
    if (!in) return mw_fail_nomem(err, "a telemetry file");
    in->config = config;
    mw_status status = read_table(ctx, path, args, in, err);
    if (!status) status = find_columns(ctx, in, err);
    if (status)
        mw_features_in_close(in);
    else
        *ret = in;
    return status;
}

void *mw_features_in_close(mw_features_in *in) {
    if (!in) return NULL;
    mw_table_free(in->table);
    mw_free(in->bad.marks);
    mw_free(in->inputs);
    mw_free(in->columns);
    mw_free(in->truths);
    return mw_free(in);
}

int64_t mw_features_in_count(const mw_features_in *in) { return in->table->n_rows; }

const mw_plain_bad *mw_features_in_bad(const mw_features_in *in) { return &in->bad; }

void mw_features_in_rows(mw_features_in *in, int64_t from, int64_t n, mw_stream_rows *ret) {
    double *truths = in->truths;
    for (int32_t c = 0; c < in->config->program->n_inputs; c++) {
        const mw_column *column = in->inputs[c];
        if (column->type == MW_FLOAT64) {
            in->columns[c] = column->number + from;
            continue;
        }
        for (int64_t i = 0; i < n; i++)
            truths[i] = mw_column_has(column, from + i) ? mw_column_bool(column, from + i) : MW_NAN;
        in->columns[c] = truths;
        truths += ROWS;
    }
    *ret = (mw_stream_rows){.n = n,
                            .times = in->time->time + from,
                            .devices = in->device ? in->device->codes + from : NULL,
                            .columns = in->columns};
}
