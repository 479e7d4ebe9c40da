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

static void init_text(mw_buf *text, mw_mem *mem) {
    mw_buf_init(text, mem, (size_t)MW_LIMIT(JSON_BYTES));
}

static mw_status text_status(const mw_buf *text, mw_err *err) {
    return mw_buf_status(text, "the options of an ingest", err);
}

static mw_status write_options(const mw_args *args, mw_buf *out, mw_err *err) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_args_write_json(args, &writer);
    return text_status(out, err);
}

/* Those of options, an object, that shape the rows. */
static mw_status write_shaping(const mw_buf *options, mw_arena *arena, mw_buf *out, mw_err *err) {
    const mw_json *tree;
    mw_json_writer writer;
    mw_status status = mw_json_parse(arena, mw_buf_text(options), options->size, &tree, err);
    if (status != MW_OK) return status;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    for (const mw_json *item = tree->first; item; item = item->next) {
        if (shapes_no_row(item->key)) continue;
        mw_json_key_str(&writer, item->key);
        mw_json_write_value(&writer, item);
    }
    mw_json_object_end(&writer);
    return text_status(out, err);
}

static mw_status write_defaults(mw_arena *arena, mw_buf *out, mw_err *err) {
    mw_args *args;
    mw_buf options;
    mw_status status = mw_args_new(out->mem, mw_ingest_all_params(), &args, err);
    if (status != MW_OK) return status;
    init_text(&options, out->mem);
    status = mw_args_finish(args, err);
    if (status == MW_OK) status = write_options(args, &options, err);
    if (status == MW_OK) status = write_shaping(&options, arena, out, err);
    mw_buf_done(&options);
    mw_args_free(args);
    return status;
}

static mw_status make_mark(const mw_ctx *ctx, mw_asked *asked, mw_err *err) {
    mw_arena arena;
    mw_buf shaping, defaults;
    mw_arena_init(&arena, ctx->mem);
    init_text(&shaping, ctx->mem);
    init_text(&defaults, ctx->mem);
    mw_status status = write_shaping(&asked->options, &arena, &shaping, err);
    if (status == MW_OK) status = write_defaults(&arena, &defaults, err);
    if (status == MW_OK &&
        (*asked->profile_hash || !mw_str_eq(mw_buf_str(&shaping), mw_buf_str(&defaults)))) {
        mw_buf_add(&shaping, asked->profile_hash);
        status = text_status(&shaping, err);
        if (status == MW_OK)
            status = mw_sha256_of(mw_buf_text(&shaping), shaping.size, asked->mark, err);
    }
    mw_buf_done(&shaping);
    mw_buf_done(&defaults);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_asked_now(const mw_ctx *ctx, const mw_args *args, mw_asked *ret, mw_err *err) {
    mw_asked asked = {.mark = ""};
    uint64_t bytes;
    const char *profile = mw_args_string(args, "profile");
    mw_status status = MW_OK;
    init_text(&asked.options, ctx->mem);
    if (profile && *profile)
        status = mw_source_hash_file(ctx, profile, asked.profile_hash, &bytes, err);
    if (status == MW_OK) status = write_options(args, &asked.options, err);
    if (status == MW_OK) status = make_mark(ctx, &asked, err);
    if (status == MW_OK)
        *ret = asked;
    else
        mw_asked_done(&asked);
    return status;
}

void mw_asked_done(mw_asked *asked) { mw_buf_done(&asked->options); }

void mw_asked_before(const mw_ctx *ctx, mw_dir *dir, const char *segment, char ret[MW_SHA256_HEX]) {
    ret[0] = '\0';
    if (!dir || !segment || !*segment) return;
    if (mw_ipc_read_meta(ctx, dir, segment, "millwright.options", ret, MW_SHA256_HEX, NULL) !=
        MW_OK)
        ret[0] = '\0';
}
