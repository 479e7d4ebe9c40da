/* backup.c -- see backup.h: lists, files by path, and the walk over what records name. */
#include "run/op/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/files.h"

enum { PIECE_BYTES = 1 << 20, PATH_BYTES = 1024 };

/* ---- lists ---- */

mw_status mw_backup_list_init(mw_backup_list *list, mw_mem *mem, mw_err *err) {
    *list = (mw_backup_list){.mem = mem};
    return mw_dictionary_new(mem, &list->paths, err);
}

void mw_backup_list_done(mw_backup_list *list) {
    list->paths = mw_dictionary_free(list->paths);
    list->files = mw_free(list->files);
}

mw_backup_file *mw_backup_list_find(const mw_backup_list *list, mw_str path) {
    const int32_t code = mw_dictionary_find(list->paths, path);
    return code < 0 ? NULL : &list->files[code];
}

mw_status mw_backup_list_add(mw_backup_list *list, mw_str path, const mw_backup_file *file,
                             mw_err *err) {
    const size_t n = (size_t)mw_dictionary_size(list->paths);
    if (n >= list->capacity) {
        const size_t more = list->capacity ? list->capacity * 2 : 64;
        mw_backup_file *files = mw_realloc(list->mem, list->files, more * sizeof *files);
        if (!files) return mw_fail_nomem(err, "the list of files");
        list->files = files;
        list->capacity = more;
    }
    int32_t code;
    mw_status status = mw_dictionary_add(list->paths, path, &code, err);
    if (status == MW_OK) list->files[code] = *file;
    return status;
}

/* ---- files by their path below a folder ---- */

static mw_status step_down(const mw_ctx *ctx, mw_dir *root, mw_dir **at, const char *path,
                           size_t size, mw_dir_mode mode, mw_err *err) {
    char step[256];
    mw_dir *below;
    if (size >= sizeof step) return mw_fail(err, MW_EDATA, "a path is too long");
    mw_str_copy(step, sizeof step, (mw_str){path, size});
    mw_status status = mw_dir_sub(ctx, *at ? *at : root, step, mode, &below, err);
    if (status != MW_OK) return status;
    mw_dir_close(*at);
    *at = below;
    return MW_OK;
}

mw_status mw_backup_folder(const mw_ctx *ctx, mw_dir *root, const char *path, mw_dir_mode mode,
                           mw_dir **ret, const char **ret_name, mw_err *err) {
    mw_dir *at = NULL;
    mw_status status = MW_OK;
    const char *slash;
    for (; (slash = strchr(path, '/')) && status == MW_OK; path = slash + 1)
        status = step_down(ctx, root, &at, path, (size_t)(slash - path), mode, err);
    if (status == MW_OK && !at) status = mw_fail(err, MW_EDATA, "%.100s is in no folder", path);
    if (status != MW_OK) {
        mw_dir_close(at);
        return status;
    }
    *ret = at;
    *ret_name = path;
    return MW_OK;
}

/* What a pass over a file's bytes is for. */
typedef struct pass {
    const mw_ctx *ctx;
    mw_hash128 *hash;
    mw_file *to; /* NULL: only looked at */
    int64_t size_bytes;
} pass;

static mw_status read_pieces(pass *p, int fd, const char *name, char *piece, mw_err *err) {
    const mw_io *io = p->ctx->io;
    for (;;) {
        const ssize_t n = io->read(io->self, fd, piece, PIECE_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mw_fail_errno(err, errno, "cannot read %s", name);
        if (n == 0) return MW_OK;
        mw_hash128_add(p->hash, piece, (size_t)n);
        p->size_bytes += n;
        mw_status status = p->to ? mw_file_write(p->to, piece, (size_t)n, err) : MW_OK;
        if (status == MW_OK) status = mw_ctx_check(p->ctx, err);
        if (status != MW_OK) return status;
    }
}

static mw_status read_file(pass *p, mw_dir *from, const char *name, mw_err *err) {
    const mw_io *io = p->ctx->io;
    const int fd = io->open(io->self, mw_dir_fd(from), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "cannot open %s/%s", mw_dir_label(from), name);
    char *piece = mw_alloc(p->ctx->mem, PIECE_BYTES);
    mw_status status =
        piece ? read_pieces(p, fd, name, piece, err) : mw_fail_nomem(err, "copying a file");
    mw_free(piece);
    io->close(io->self, fd);
    return status;
}

mw_status mw_backup_copy_one(const mw_ctx *ctx, mw_dir *from, const char *name, mw_dir *to,
                             const char *to_name, mw_backup_file *ret, mw_err *err) {
    pass p = {.ctx = ctx};
    mw_backup_file found = *ret;
    mw_status status = mw_hash128_new(ctx->mem, &p.hash, err);
    if (status == MW_OK && to) status = mw_file_create(ctx, to, to_name, &p.to, err);
    if (status == MW_OK) status = read_file(&p, from, name, err);
    if (status == MW_OK) {
        mw_hash128_digest(p.hash, found.hash);
        found.size_bytes = p.size_bytes;
        if (to) status = mw_file_commit(p.to, err);
        p.to = NULL;
    }
    mw_file_abort(p.to);
    mw_hash128_free(p.hash);
    if (status == MW_OK) *ret = found;
    return status;
}

mw_status mw_backup_copy(const mw_ctx *ctx, mw_dir *root, const char *path, mw_dir *to,
                         mw_backup_file *ret, mw_err *err) {
    mw_dir *from = NULL, *below = NULL;
    const char *name;
    mw_status status = mw_backup_folder(ctx, root, path, MW_DIR_MUST_EXIST, &from, &name, err);
    if (status == MW_OK && to)
        status = mw_backup_folder(ctx, to, path, MW_DIR_CREATE, &below, &name, err);
    if (status == MW_OK) status = mw_backup_copy_one(ctx, from, name, below, name, ret, err);
    mw_dir_close(from);
    mw_dir_close(below);
    return status;
}

static const char other_backup[] = "use another backup; nothing was changed";

mw_status mw_backup_compare(const char *path, const mw_backup_file *found,
                            const mw_backup_file *listed, mw_err *err) {
    if (found->size_bytes == listed->size_bytes && strcmp(found->hash, listed->hash) == 0)
        return MW_OK;
    mw_fail(err, MW_EDATA, "the backup is damaged: %.200s is not what was written", path);
    mw_err_hint(err, "%s", other_backup);
    return MW_EDATA;
}

mw_status mw_backup_check(const mw_ctx *ctx, mw_dir *root, const char *path,
                          const mw_backup_file *listed, mw_err *err) {
    mw_backup_file found = {0};
    mw_status status = mw_backup_copy(ctx, root, path, NULL, &found, err);
    if (status == MW_OK) return mw_backup_compare(path, &found, listed, err);
    if (status != MW_ENOTFOUND) return status;
    mw_fail(err, MW_EDATA, "the backup is not whole: %.200s is missing", path);
    mw_err_hint(err, "%s", other_backup);
    return MW_EDATA;
}

/* ---- what records name ---- */

typedef struct walk {
    mw_store *store;
    mw_backup_visit visit;
    void *arg;
} walk;

static mw_status visit_file(const walk *w, const mw_ctx *ctx, const char *dataset, const char *file,
                            mw_err *err) {
    char path[MW_ARTIFACT_NAME];
    if (!file) return MW_OK;
    mw_artifact_of_dataset(ctx->org, dataset, file, path);
    return w->visit(w->arg, ctx, path, NULL, err);
}

static mw_status walk_dataset(const walk *w, const mw_ctx *ctx, mw_arena *arena,
                              const char *dataset, mw_err *err) {
    const mw_segment_record *segments;
    size_t n = 0;
    mw_status status = mw_store_segments(ctx, w->store, arena, dataset, &segments, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        const mw_segment_record *s = &segments[i];
        status = visit_file(w, ctx, dataset, s->file, err);
        if (status == MW_OK) status = visit_file(w, ctx, dataset, s->rejects, err);
        if (status == MW_OK) status = visit_file(w, ctx, dataset, s->quality, err);
    }
    return status;
}

static mw_status walk_models(const walk *w, const mw_ctx *ctx, mw_arena *arena, mw_err *err) {
    const mw_version_record *versions;
    size_t n = 0;
    mw_status status = mw_store_versions(ctx, w->store, arena, NULL, &versions, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        char path[MW_ARTIFACT_NAME];
        mw_artifact_of_version(ctx->org, versions[i].model, versions[i].folder, path);
        status = w->visit(w->arg, ctx, path, versions[i].sha256, err);
    }
    return status;
}

static mw_status walk_org(const walk *w, const mw_ctx *ctx, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char *const *datasets;
    size_t n = 0;
    mw_status status = mw_store_dataset_list(ctx, w->store, &arena, &datasets, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++)
        status = walk_dataset(w, ctx, &arena, datasets[i], err);
    if (status == MW_OK) status = walk_models(w, ctx, &arena, err);
    mw_arena_done(&arena);
    return status;
}

mw_status mw_backup_each(const mw_ctx *ctx, mw_store *store, mw_backup_visit visit, void *arg,
                         mw_err *err) {
    const walk w = {store, visit, arg};
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const char *const *orgs;
    size_t n = 0;
    mw_status status = mw_store_org_list(ctx, store, &arena, &orgs, &n, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_ctx of_org = *ctx;
        of_org.org = orgs[i];
        status = walk_org(&w, &of_org, err);
    }
    mw_arena_done(&arena);
    return status;
}
