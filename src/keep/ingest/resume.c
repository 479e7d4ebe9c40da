/*
 * resume.c -- see resume.h. A manifest is read into the same struct it was written from, and its check is computed by writing that struct again: so
 * a damaged manifest and a member that reading forgets both show.
 */
#include "keep/ingest/resume.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/text/json.h"
#include "keep/ingest/source.h"

enum { VERSION = 1, NAME_DIGITS = 32, NAME_BYTES = 64, DEPTH_MAX = 8, STEP_BYTES = 1 << 20 };

static const char suffix[] = ".done.json";
static const char hex_digits[] = "0123456789abcdef";

typedef struct manifest {
    mw_ingest_file file;
    char rejects_hash[MW_SHA256_HEX]; /* their name is no hash of their bytes */
} manifest;

static mw_status manifest_name(const char *source, char out[NAME_BYTES], mw_err *err) {
    char hex[MW_SHA256_HEX];
    mw_status status = mw_sha256_of(source, strlen(source), hex, err);
    if (status == MW_OK) (void)snprintf(out, NAME_BYTES, "%.*s%s", NAME_DIGITS, hex, suffix);
    return status;
}

/* ---- folders of dead jobs ---- */

static mw_status open_if_there(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_dir **ret,
                               mw_err *err) {
    *ret = NULL;
    if (!mw_dir_has(dir, name)) return MW_OK;
    mw_status status = mw_dir_sub(ctx, dir, name, MW_DIR_MUST_EXIST, ret, err);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

static mw_status gather(const mw_ctx *ctx, mw_dir *work_dir, int depth, mw_resume *resume,
                        mw_err *err) {
    mw_dir *segments = NULL, *left = NULL;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (depth > DEPTH_MAX || resume->n == MW_RESUME_FOLDERS) return MW_OK;
    mw_status status = open_if_there(ctx, work_dir, "segments", &segments, err);
    if (segments) resume->folders[resume->n++] = segments;
    if (status == MW_OK) status = open_if_there(ctx, work_dir, "left", &left, err);
    if (left) status = mw_dir_list(ctx, left, &entries, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_dir *dead = NULL;
        if (!entries[i].is_dir) continue;
        status = open_if_there(ctx, left, entries[i].name, &dead, err);
        if (dead) status = gather(ctx, dead, depth + 1, resume, err);
        mw_dir_close(dead);
    }
    mw_free(entries);
    mw_dir_close(left);
    return status;
}

mw_status mw_resume_open(const mw_ctx *ctx, mw_dir *work_dir, mw_resume *ret, mw_err *err) {
    mw_resume resume = {.n = 0};
    mw_status status = gather(ctx, work_dir, 0, &resume, err);
    if (status == MW_OK)
        *ret = resume;
    else
        mw_resume_close(&resume);
    return status;
}

void mw_resume_close(mw_resume *resume) {
    for (size_t i = 0; i < resume->n; i++) mw_dir_close(resume->folders[i]);
    resume->n = 0;
    resume->dataset = mw_dir_close(resume->dataset);
}

static bool is_manifest(const char *name) {
    return strspn(name, hex_digits) == NAME_DIGITS && strcmp(name + NAME_DIGITS, suffix) == 0;
}

bool mw_resume_holds(const mw_ctx *ctx, const mw_resume *resume) {
    bool found = false;
    for (size_t i = 0; i < resume->n && !found; i++) {
        mw_dir_entry *entries = NULL;
        size_t n = 0;
        if (mw_dir_list(ctx, resume->folders[i], &entries, &n, NULL) != MW_OK) continue;
        for (size_t k = 0; k < n && !found; k++) found = is_manifest(entries[k].name);
        mw_free(entries);
    }
    return found;
}

/* ---- what shapes an outcome besides the source ---- */

mw_status mw_resume_set_options(const mw_ctx *ctx, const mw_asked *asked, const mw_schema *columns,
                                mw_resume *resume, mw_err *err) {
    mw_buf text;
    mw_json_writer writer;
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&writer, &text, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "program", MW_VERSION);
    mw_json_add_string(&writer, "profile", asked->profile_hash);
    mw_json_key(&writer, "args");
    mw_json_write_raw(&writer, mw_buf_str(&asked->options));
    mw_json_key(&writer, "columns");
    mw_json_array(&writer);
    for (int32_t i = 0; columns && i < columns->n_columns; i++) {
        mw_json_write_string(&writer, columns->columns[i].name);
        mw_json_write_string(&writer, mw_type_name(columns->columns[i].type));
    }
    mw_json_array_end(&writer);
    mw_json_add_bool(&writer, "new", !columns);
    mw_json_object_end(&writer);
    mw_status status = mw_buf_status(&text, "the options of an ingest", err);
    if (status == MW_OK) status = mw_sha256_of(mw_buf_text(&text), text.size, resume->options, err);
    mw_buf_done(&text);
    return status;
}

/* ---- a file's outcome as JSON ---- */

typedef struct member {
    const char *name;
    enum { TEXT, COUNT, SIZE, FLAG } kind;
    size_t at;
} member;

#define MEMBER(name, kind) \
    { #name, kind, offsetof(mw_ingest_file, name) }

/* All of mw_ingest_file but its paths, its segments, and what depends on the dataset now. */
static const member members[] = {
    MEMBER(quality, TEXT),         MEMBER(rejects, TEXT),       MEMBER(layout, TEXT),
    MEMBER(findings, TEXT),        MEMBER(drift, TEXT),         MEMBER(bytes, SIZE),
    MEMBER(n_lines, COUNT),        MEMBER(n_rows, COUNT),       MEMBER(n_rejected, COUNT),
    MEMBER(n_collisions, COUNT),   MEMBER(n_duplicates, COUNT), MEMBER(n_late, COUNT),
    MEMBER(n_out_of_order, COUNT), MEMBER(merged, FLAG),        MEMBER(first_us, COUNT),
    MEMBER(last_us, COUNT)};
enum { N_MEMBERS = sizeof members / sizeof *members };

static void write_file(const mw_ingest_file *file, mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_string(writer, "source", file->source);
    mw_json_add_string(writer, "content_hash", file->content_hash);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const void *at = (const char *)file + members[i].at;
        mw_json_key(writer, members[i].name);
        switch (members[i].kind) {
        case TEXT: mw_json_write_string(writer, *(char *const *)at); break;
        case COUNT: mw_json_write_int(writer, *(const int64_t *)at); break;
        case SIZE: mw_json_write_int(writer, (int64_t) * (const uint64_t *)at); break;
        case FLAG: mw_json_write_bool(writer, *(const bool *)at); break;
        }
    }
    mw_json_key(writer, "segments");
    mw_json_array(writer);
    for (size_t i = 0; i < file->n_segments; i++) {
        const mw_ingest_part *part = &file->segments[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "file", part->file);
        mw_json_add_int(writer, "rows", part->n_rows);
        mw_json_add_int(writer, "first_us", part->first_us);
        mw_json_add_int(writer, "last_us", part->last_us);
        mw_json_add_int(writer, "bytes", (int64_t)part->bytes);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
    mw_json_object_end(writer);
}

static mw_status copy_text(const mw_ctx *ctx, const mw_json *value, char **ret, mw_err *err) {
    *ret = NULL;
    if (!value || value->kind != MW_JSON_STRING) return MW_OK;
    *ret = mw_strndup(ctx->mem, value->string.data, value->string.size);
    return *ret ? MW_OK : mw_fail_nomem(err, "a manifest");
}

static mw_status read_segments(const mw_ctx *ctx, const mw_json *list, mw_ingest_file *file,
                               mw_err *err) {
    if (!list || list->n_children == 0) return MW_OK;
    file->segments = mw_calloc(ctx->mem, list->n_children, sizeof *file->segments);
    if (!file->segments) return mw_fail_nomem(err, "a manifest");
    mw_status status = MW_OK;
    for (const mw_json *item = list->first; item && status == MW_OK; item = item->next) {
        mw_ingest_part *part = &file->segments[file->n_segments];
        status = copy_text(ctx, mw_json_get(item, "file"), &part->file, err);
        if (status == MW_OK && !part->file) return mw_fail(err, MW_EDATA, "a segment has no name");
        part->n_rows = mw_json_int(mw_json_get(item, "rows"), 0);
        part->first_us = mw_json_int(mw_json_get(item, "first_us"), 0);
        part->last_us = mw_json_int(mw_json_get(item, "last_us"), 0);
        part->bytes = (uint64_t)mw_json_int(mw_json_get(item, "bytes"), 0);
        file->n_segments += part->file != NULL;
    }
    return status;
}

static mw_status read_file(const mw_ctx *ctx, const mw_json *object, mw_ingest_file *file,
                           mw_err *err) {
    mw_status status = copy_text(ctx, mw_json_get(object, "source"), &file->source, err);
    mw_str_copy(file->content_hash, sizeof file->content_hash,
                mw_json_string(mw_json_get(object, "content_hash"), ""));
    for (size_t i = 0; i < N_MEMBERS && status == MW_OK; i++) {
        void *at = (char *)file + members[i].at;
        const mw_json *value = mw_json_get(object, members[i].name);
        switch (members[i].kind) {
        case TEXT: status = copy_text(ctx, value, at, err); break;
        case COUNT: *(int64_t *)at = mw_json_int(value, 0); break;
        case SIZE: *(uint64_t *)at = (uint64_t)mw_json_int(value, 0); break;
        case FLAG: *(bool *)at = mw_json_bool(value, false); break;
        }
    }
    return status == MW_OK ? read_segments(ctx, mw_json_get(object, "segments"), file, err)
                           : status;
}

/* ---- manifests ---- */

/* Over everything a manifest says. */
static mw_status check_of(const mw_ctx *ctx, const char *options, const manifest *made,
                          char hex[MW_SHA256_HEX], mw_err *err) {
    mw_buf text;
    mw_json_writer writer;
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_buf_printf(&text, "%d\n%s\n%s\n", VERSION, options, made->rejects_hash);
    mw_json_writer_init(&writer, &text, 0);
    write_file(&made->file, &writer);
    mw_status status = mw_buf_status(&text, "a manifest", err);
    if (status == MW_OK) status = mw_sha256_of(mw_buf_text(&text), text.size, hex, err);
    mw_buf_done(&text);
    return status;
}

static mw_status hash_staged(const mw_ctx *ctx, mw_dir *dir, const char *name,
                             char hex[MW_SHA256_HEX], mw_err *err) {
    mw_map map;
    mw_sha256 *sha = NULL;
    mw_status status = mw_map_open(ctx, dir, name, &map, err);
    if (status != MW_OK) return status;
    status = mw_sha256_new(&sha, err);
    for (size_t at = 0; at < map.size && status == MW_OK; at += STEP_BYTES) {
        size_t n = map.size - at < STEP_BYTES ? map.size - at : STEP_BYTES;
        mw_sha256_add(sha, map.data + at, n);
        status = mw_ctx_check(ctx, err);
    }
    if (status == MW_OK)
        mw_sha256_finish(sha, hex);
    else
        mw_sha256_free(sha);
    mw_map_close(&map);
    return status;
}

static mw_status write_manifest(const mw_ctx *ctx, const mw_resume *resume, mw_dir *staging,
                                const mw_ingest_file *file, mw_err *err) {
    manifest made = {.file = *file};
    char name[NAME_BYTES], check[MW_SHA256_HEX];
    mw_buf text;
    mw_json_writer writer;
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = manifest_name(file->source, name, err);
    if (status == MW_OK && file->rejects)
        status = hash_staged(ctx, staging, file->rejects, made.rejects_hash, err);
    if (status == MW_OK) status = check_of(ctx, resume->options, &made, check, err);
    if (status == MW_OK) {
        mw_json_writer_init(&writer, &text, 0);
        mw_json_object(&writer);
        mw_json_add_int(&writer, "manifest", VERSION);
        mw_json_add_string(&writer, "options", resume->options);
        mw_json_add_string(&writer, "rejects_hash", made.rejects_hash);
        mw_json_key(&writer, "file");
        write_file(file, &writer);
        mw_json_add_string(&writer, "check", check);
        mw_json_object_end(&writer);
        status = mw_buf_status(&text, "a manifest", err);
    }
    if (status == MW_OK)
        status = mw_file_replace(ctx, staging, name, mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    return status;
}

void mw_resume_note(const mw_ctx *ctx, const mw_resume *resume, mw_dir *staging,
                    const mw_ingest_file *file) {
    mw_err why = {0};
    if (mw_source_is_stdin(file->path)) return; /* what it held cannot be compared later */
    if (write_manifest(ctx, resume, staging, file, &why) == MW_OK) return;
    mw_log_warn(ctx, "%s would be read again after a crash: %s", file->source, why.message);
}

void mw_resume_forget(const mw_ctx *ctx, mw_dir *staging, const char *source) {
    char name[NAME_BYTES];
    if (manifest_name(source, name, NULL) == MW_OK) (void)mw_dir_remove(ctx, staging, name, NULL);
}

static mw_status read_tree(const mw_ctx *ctx, const mw_resume *resume, const mw_json *tree,
                           manifest *ret, mw_err *err) {
    char check[MW_SHA256_HEX];
    if (mw_json_int(mw_json_get(tree, "manifest"), 0) != VERSION)
        return mw_fail(err, MW_EDATA, "it is of another version");
    if (!mw_str_is(mw_json_string(mw_json_get(tree, "options"), ""), resume->options))
        return mw_fail(err, MW_EDATA, "it was read with other options, or for other columns");
    mw_str_copy(ret->rejects_hash, sizeof ret->rejects_hash,
                mw_json_string(mw_json_get(tree, "rejects_hash"), ""));
    mw_status status = read_file(ctx, mw_json_get(tree, "file"), &ret->file, err);
    if (status == MW_OK) status = check_of(ctx, resume->options, ret, check, err);
    if (status != MW_OK) return status;
    if (!ret->file.source || !mw_str_is(mw_json_string(mw_json_get(tree, "check"), ""), check))
        return mw_fail(err, MW_EDATA, "its manifest is damaged");
    return MW_OK;
}

static mw_status read_manifest(const mw_ctx *ctx, const mw_resume *resume, mw_dir *folder,
                               const char *name, manifest *ret, mw_err *err) {
    mw_arena arena;
    char *text = NULL;
    size_t size = 0;
    const mw_json *tree;
    mw_arena_init(&arena, ctx->mem);
    mw_status status =
        mw_file_read(ctx, folder, name, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status == MW_OK) status = mw_json_parse(&arena, text, size, &tree, err);
    if (status == MW_OK) status = read_tree(ctx, resume, tree, ret, err);
    mw_arena_done(&arena);
    mw_free(text);
    return status;
}

/* ---- adopting ---- */

/* The dataset's own copy stays where it is: a segment that counts may have the same bytes, and name. */
static mw_status copy_in(const mw_ctx *ctx, mw_dir *from, const char *name, mw_dir *staging,
                         mw_err *err) {
    mw_map map;
    mw_file *file;
    mw_status status = mw_map_open(ctx, from, name, &map, err);
    if (status != MW_OK) return status;
    status = mw_file_create(ctx, staging, name, &file, err);
    if (status == MW_OK) {
        for (size_t at = 0; at < map.size && status == MW_OK; at += STEP_BYTES) {
            size_t n = map.size - at < STEP_BYTES ? map.size - at : STEP_BYTES;
            status = mw_file_write(file, map.data + at, n, err);
            mw_map_forget(&map, at, at + n);
            if (status == MW_OK) status = mw_ctx_check(ctx, err);
        }
        if (status == MW_OK)
            status = mw_file_commit(file, err);
        else
            mw_file_abort(file);
    }
    mw_map_close(&map);
    return status;
}

/* A job that died while it adopted or committed has moved some of the files on. */
static mw_status fetch(const mw_ctx *ctx, const mw_resume *resume, const char *name,
                       mw_dir *staging, mw_err *err) {
    for (size_t i = 0; i < resume->n; i++)
        if (mw_dir_has(resume->folders[i], name))
            return mw_dir_move(ctx, resume->folders[i], name, staging, name, err);
    if (resume->dataset && mw_dir_has(resume->dataset, name))
        return copy_in(ctx, resume->dataset, name, staging, err);
    return mw_fail(err, MW_EDATA, "%s is missing", name);
}

/* Only such a name tells what the bytes have to be. */
static bool is_hash_name(const char *name) {
    return name[0] == 'x' && strspn(name + 1, hex_digits) == MW_FILE_HASH_DIGITS &&
           !strchr(name, '/');
}

static mw_status fetch_hashed(const mw_ctx *ctx, const mw_resume *resume, const char *name,
                              mw_dir *staging, mw_err *err) {
    if (!is_hash_name(name)) return mw_fail(err, MW_EDATA, "%s is not named by its bytes", name);
    mw_status status = fetch(ctx, resume, name, staging, err);
    return status == MW_OK ? mw_file_verify(ctx, staging, name, err) : status;
}

static mw_status fetch_rejects(const mw_ctx *ctx, const mw_resume *resume, const manifest *made,
                               mw_dir *staging, mw_err *err) {
    const char *name = made->file.rejects;
    char hex[MW_SHA256_HEX];
    if (strchr(name, '/')) return mw_fail(err, MW_EDATA, "%s is no file name", name);
    mw_status status = fetch(ctx, resume, name, staging, err);
    if (status == MW_OK) status = hash_staged(ctx, staging, name, hex, err);
    if (status == MW_OK && strcmp(hex, made->rejects_hash) != 0)
        status = mw_fail(err, MW_EDATA, "%s is damaged", name);
    return status;
}

/* Everything that a manifest names, then the manifest itself: so it never names what is not there. */
static mw_status fetch_all(const mw_ctx *ctx, const mw_resume *resume, mw_dir *folder,
                           const char *name, const manifest *made, mw_dir *staging, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < made->file.n_segments && status == MW_OK; i++)
        status = fetch_hashed(ctx, resume, made->file.segments[i].file, staging, err);
    if (status == MW_OK && made->file.quality)
        status = fetch_hashed(ctx, resume, made->file.quality, staging, err);
    if (status == MW_OK && made->file.rejects)
        status = fetch_rejects(ctx, resume, made, staging, err);
    if (status == MW_OK) status = mw_dir_move(ctx, folder, name, staging, name, err);
    if (status != MW_OK) mw_ingest_unstage(ctx, staging, &made->file);
    return status;
}

static mw_status adopt_from(const mw_ctx *ctx, const mw_resume *resume, mw_dir *folder,
                            const char *name, const char *hash, mw_dir *staging,
                            mw_ingest_file *file, mw_err *err) {
    manifest made = {0};
    mw_status status = read_manifest(ctx, resume, folder, name, &made, err);
    if (status == MW_OK && strcmp(made.file.source, file->source) != 0)
        status = mw_fail(err, MW_EDATA, "its manifest is of %s", made.file.source);
    if (status == MW_OK && strcmp(made.file.content_hash, hash) != 0)
        status = mw_fail(err, MW_EDATA, "it has changed since");
    if (status == MW_OK) status = fetch_all(ctx, resume, folder, name, &made, staging, err);
    if (status != MW_OK) {
        mw_ingest_file_done(&made.file);
        return status;
    }
    mw_free(made.file.source);
    made.file.source = file->source;
    made.file.path = file->path;
    made.file.replaces = file->replaces;
    made.file.resumed = true;
    *file = made.file;
    return MW_OK;
}

mw_status mw_resume_adopt(const mw_ctx *ctx, const mw_resume *resume, mw_dir *staging,
                          const char *hash, mw_ingest_file *file, mw_err *err) {
    char name[NAME_BYTES], read[MW_HASH128_NAME];
    uint64_t bytes;
    if (resume->n == 0 || mw_source_is_stdin(file->path)) return MW_OK;
    mw_status status = manifest_name(file->source, name, err);
    for (size_t i = 0; i < resume->n && status == MW_OK && !file->resumed; i++) {
        mw_err why = {0};
        if (!mw_dir_has(resume->folders[i], name)) continue;
        if (!hash) status = mw_source_hash_file(ctx, file->path, read, &bytes, err);
        if (status != MW_OK) return status;
        if (!hash) hash = read;
        status = adopt_from(ctx, resume, resume->folders[i], name, hash, staging, file, &why);
        if (status == MW_ENOMEM || status == MW_ECANCELED || status == MW_ETIMEOUT) {
            if (err) *err = why;
            return status;
        }
        if (status != MW_OK)
            mw_log_info(ctx, "%s is read again although an ingest that died had done so: %s",
                        file->source, why.message);
        status = MW_OK;
    }
    return status;
}
