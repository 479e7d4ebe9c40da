/* read_like.c -- see read_like.h. */
#include "run/op/read_like.h"

#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/profile.h"

static mw_type type_of(mw_feature_kind kind) {
    switch (kind) {
    case MW_FEATURE_NUMBER: return MW_FLOAT64;
    case MW_FEATURE_BOOL: return MW_BOOL;
    case MW_FEATURE_CATEGORY: return MW_DICTIONARY;
    }
    return MW_FLOAT64;
}

static bool of_table(const mw_param *table, mw_str name) {
    for (; table->name; table++)
        if (mw_str_is(name, table->name)) return true;
    return false;
}

/* What args say of how a file is to be read, and the configuration of its time column where they do not. */
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

/* Columns whose types are known; room for what a file of telemetry can have. */
typedef struct known {
    mw_plain_column *columns; /* [n] */
    size_t n;
} known;

static mw_status new_known(const mw_ctx *ctx, const mw_feature_config *config, known *ret,
                           mw_err *err) {
    size_t usual = 0;
    while (mw_feature_device_names[usual]) usual++;
    ret->n = 0;
    ret->columns =
        mw_calloc(ctx->mem, (size_t)(config->program->n_inputs + config->n_categories) + usual + 2,
                  sizeof *ret->columns);
    return ret->columns ? MW_OK : mw_fail_nomem(err, "the list of columns");
}

static void add_known(known *k, const char *name, mw_type type) {
    k->columns[k->n++] = (mw_plain_column){name, type};
}

/* Numbers of machines are names, too. */
static void add_usual_devices(known *k) {
    for (const char *const *name = mw_feature_device_names; *name; name++)
        add_known(k, *name, MW_DICTIONARY);
}

/* What a feature program takes; what comes first counts. */
static mw_status know_telemetry(const mw_ctx *ctx, const mw_feature_config *config, known *k,
                                mw_err *err) {
    const mw_program *p = config->program;
    mw_status status = new_known(ctx, config, k, err);
    if (status) return status;
    for (int32_t c = 0; c < p->n_inputs; c++)
        add_known(k, p->inputs[c], is_boolean(config, p->inputs[c]) ? MW_BOOL : MW_FLOAT64);
    if (config->device_column)
        add_known(k, config->device_column, MW_DICTIONARY);
    else
        add_usual_devices(k);
    return MW_OK;
}

/* What comes first among the known counts; they are freed. */
static mw_status read_known(const mw_ctx *ctx, const char *path, const mw_args *args,
                            const mw_feature_config *config, known *k, mw_table **ret,
                            mw_plain_bad *ret_bad, mw_err *err) {
    mw_args *own = NULL;
    mw_status status = reading_args(ctx->mem, args, config, &own, err);
    if (!status) status = mw_ingest_plain_as(ctx, path, own, k->columns, k->n, ret, ret_bad, err);
    mw_args_free(own);
    mw_free(k->columns);
    return status;
}

mw_status mw_op__read_telemetry(const mw_ctx *ctx, const char *path, const mw_args *args,
                                const mw_feature_config *config, const char *target,
                                mw_type target_type, mw_table **ret, mw_plain_bad *ret_bad,
                                mw_err *err) {
    known k;
    mw_status status = know_telemetry(ctx, config, &k, err);
    if (status) return status;
    for (int32_t c = 0; c < config->n_categories; c++)
        add_known(&k, config->categories[c], MW_DICTIONARY);
    if (target) add_known(&k, target, target_type);
    return read_known(ctx, path, args, config, &k, ret, ret_bad, err);
}

mw_status mw_op__open_telemetry(const mw_ctx *ctx, const char *path, const mw_args *args,
                                const mw_feature_config *config, int64_t block_rows,
                                mw_plain_rows **ret, mw_err *err) {
    known k;
    mw_args *own = NULL;
    mw_status status = know_telemetry(ctx, config, &k, err);
    if (status) return status;
    status = reading_args(ctx->mem, args, config, &own, err);
    if (!status) status = mw_plain_rows_open(ctx, path, own, k.columns, k.n, block_rows, ret, err);
    mw_args_free(own);
    mw_free(k.columns);
    return status;
}

mw_status mw_op__read_events(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_feature_config *config, mw_table **ret, mw_plain_bad *ret_bad,
                             mw_err *err) {
    known k;
    mw_status status = new_known(ctx, config, &k, err);
    if (status) return status;
    if (config->device_column) add_known(&k, config->device_column, MW_DICTIONARY);
    add_usual_devices(&k);
    return read_known(ctx, path, args, config, &k, ret, ret_bad, err);
}

mw_status mw_op__read_like(const mw_ctx *ctx, const char *path, const mw_args *args,
                           const mw_features *features, const char *target, mw_type target_type,
                           mw_table **ret, mw_plain_bad *ret_bad, mw_err *err) {
    const mw_feature_config *program = mw_features_program(features);
    if (program)
        return mw_op__read_telemetry(ctx, path, args, program, target, target_type, ret, ret_bad,
                                     err);
    size_t n = (size_t)mw_features_count(features);
    mw_plain_column *as = mw_alloc_array(ctx->mem, n + 1, sizeof *as);
    if (!as) return mw_fail_nomem(err, "the list of columns");
    for (size_t i = 0; i < n; i++) {
        const mw_feature *feature = mw_features_at(features, (int32_t)i);
        as[i] = (mw_plain_column){feature->name, type_of(feature->kind)};
    }
    if (target) as[n++] = (mw_plain_column){target, target_type};
    mw_status status = mw_ingest_plain_as(ctx, path, args, as, n, ret, ret_bad, err);
    mw_free(as);
    return status;
}
