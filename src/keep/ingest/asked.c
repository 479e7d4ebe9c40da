/* asked.c -- see asked.h. */
#include "keep/ingest/asked.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/table/ipc.h"
#include "core/text/json.h"
#include "keep/ingest/ingest.h"
#include "keep/ingest/source.h"

/* Whether a file is taken at all, not what its rows are; and the profile, which counts by its content. */
static bool shapes_no_row(mw_str name) {
    return mw_str_is(name, "max_reject_share") || mw_str_is(name, "drift") ||
           mw_str_is(name, "profile");
}

static mw_status write_shaping(const mw_args *args, mw_arena *arena, mw_buf *out, mw_err *err) {
    mw_buf all;
    mw_buf_init(&all, out->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer writer;
    mw_json_writer_init(&writer, &all, 0);
    mw_args_write_json(args, &writer);
    const mw_json *tree = NULL;
    mw_status status = mw_buf_status(&all, "the options of an ingest", err);
    if (status == MW_OK) status = mw_json_parse(arena, mw_buf_text(&all), all.size, &tree, err);
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    for (const mw_json *item = tree ? tree->first : NULL; item; item = item->next) {
        if (shapes_no_row(item->key)) continue;
        mw_json_key_str(&writer, item->key);
        mw_json_write_value(&writer, item);
    }
    mw_json_object_end(&writer);
    mw_buf_done(&all);
    return status == MW_OK ? mw_buf_status(out, "the options of an ingest", err) : status;
}

static mw_status write_defaults(const mw_ctx *ctx, mw_arena *arena, mw_buf *out, mw_err *err) {
    mw_args *args;
    mw_status status = mw_args_new(ctx->mem, mw_ingest_all_params(), &args, err);
    if (status != MW_OK) return status;
    status = mw_args_finish(args, err);
    if (status == MW_OK) status = write_shaping(args, arena, out, err);
    mw_args_free(args);
    return status;
}

mw_status mw_asked(const mw_ctx *ctx, const mw_args *args, char ret[MW_SHA256_HEX], mw_err *err) {
    char profile_hash[MW_HASH128_NAME] = "";
    uint64_t bytes;
    const char *profile = mw_args_string(args, "profile");
    mw_arena arena;
    mw_buf asked, defaults;
    mw_arena_init(&arena, ctx->mem);
    mw_buf_init(&asked, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_buf_init(&defaults, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = MW_OK;
    if (profile && *profile) status = mw_source_hash_file(ctx, profile, profile_hash, &bytes, err);
    if (status == MW_OK) status = write_shaping(args, &arena, &asked, err);
    if (status == MW_OK) status = write_defaults(ctx, &arena, &defaults, err);
    if (status == MW_OK) {
        ret[0] = '\0';
        if (*profile_hash || !mw_str_eq(mw_buf_str(&asked), mw_buf_str(&defaults))) {
            mw_buf_add(&asked, profile_hash);
            status = mw_buf_status(&asked, "the options of an ingest", err);
            if (status == MW_OK) status = mw_sha256_of(mw_buf_text(&asked), asked.size, ret, err);
        }
    }
    mw_buf_done(&asked);
    mw_buf_done(&defaults);
    mw_arena_done(&arena);
    return status;
}

void mw_asked_before(const mw_ctx *ctx, mw_dir *dir, const char *segment, char ret[MW_SHA256_HEX]) {
    ret[0] = '\0';
    if (!dir || !segment || !*segment) return;
    if (mw_ipc_read_meta(ctx, dir, segment, "millwright.options", ret, MW_SHA256_HEX, NULL) !=
        MW_OK)
        ret[0] = '\0';
}
