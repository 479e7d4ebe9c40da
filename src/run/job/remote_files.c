/*
 * remote_files.c -- the files of a job whose worker is on another host: what it may read, and what it delivers.
 *
 * Nothing is opened by a path: each part of one is a name in the folder before it, and no link is followed (mw_dir). What may be read is
 * what the job's kind named, which the worker asks for first; so a path that it makes up is not found, whatever it points at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/text/json.h"
#include "run/job/remote_parts.h"

enum { NAME_BYTES = 256 };

/* ---- paths ---- */

/* Whose name says what is in it (mw_file_verify). */
static bool is_named_by_hash(const char *name) {
    if (*name == 'x') name++;
    return strspn(name, "0123456789abcdef") == MW_FILE_HASH_DIGITS;
}

static void write_tag(const char *name, const struct stat *info, char out[MW_REMOTE_TAG_BYTES]) {
    if (is_named_by_hash(name))
        (void)snprintf(out, MW_REMOTE_TAG_BYTES, "h%llx", (unsigned long long)info->st_size);
    else
        (void)snprintf(out, MW_REMOTE_TAG_BYTES, "%llx-%llx-%llx.%lx",
                       (unsigned long long)info->st_size, (unsigned long long)info->st_ino,
                       (unsigned long long)info->st_mtim.tv_sec,
                       (unsigned long)info->st_mtim.tv_nsec);
}

/* The path below the data folder. Other folders are nobody's business on another host. */
static mw_status path_below(const mw_remote_job *job, const char *path, const char **ret,
                            mw_err *err) {
    const char *top = job->jobs->data_path;
    const size_t n = strlen(top);
    char own[128];
    (void)snprintf(own, sizeof own, "orgs/%s/", job->org);
    if (strncmp(path, top, n) == 0 && path[n] == '/') {
        const char *rest = path + n + 1;
        bool csv = strcmp(job->org, "default") == 0 && strncmp(rest, "csv", 3) == 0 &&
                   (rest[3] == '\0' || rest[3] == '/');
        if ((csv || strncmp(rest, own, strlen(own)) == 0) && strlen(rest) < MW_REMOTE_PATH_BYTES) {
            *ret = rest;
            return MW_OK;
        }
    }
    mw_fail(err, MW_EDENIED, "%.300s is not in the organization's folders", path);
    return mw_err_hint(err, "workers on other hosts get no other files: put it there, or run "
                            "the job with a worker of the server's own host");
}

/* ---- what a job reads ---- */

typedef struct listing {
    const mw_ctx *ctx;
    mw_remote_job *job;
    mw_json_writer w;
    const char **paths; /* [n], texts in the job's arena */
    size_t n, capacity;
} listing;

static mw_status note_path(listing *l, const char *path, mw_err *err) {
    if (l->n == l->capacity) {
        const size_t more = l->capacity ? l->capacity * 2 : 64;
        const char **paths = mw_realloc(l->ctx->mem, l->paths, more * sizeof *paths);
        if (!paths) return mw_fail_nomem(err, "the list of files");
        l->paths = paths;
        l->capacity = more;
    }
    pthread_mutex_lock(&l->job->mutex);
    const char *copy = mw_arena_strdup(&l->job->arena, path);
    pthread_mutex_unlock(&l->job->mutex);
    if (!copy) return mw_fail_nomem(err, "the list of files");
    l->paths[l->n++] = copy;
    return MW_OK;
}

static mw_status list_file(listing *l, const char *path, const char *name, const struct stat *info,
                           mw_err *err) {
    char tag[MW_REMOTE_TAG_BYTES];
    if (S_ISLNK(info->st_mode)) {
        mw_fail(err, MW_EDENIED, "%.300s is a link", path);
        return mw_err_hint(err, "workers on other hosts get files themselves: put it there");
    }
    if (!S_ISREG(info->st_mode)) return MW_OK;
    write_tag(name, info, tag);
    mw_json_object(&l->w);
    mw_json_add_string(&l->w, "path", path);
    mw_json_add_int(&l->w, "bytes", info->st_size);
    mw_json_add_string(&l->w, "tag", tag);
    mw_json_object_end(&l->w);
    return note_path(l, path, err);
}

static mw_status list_folder(listing *l, mw_dir *dir, const char *path, mw_err *err) {
    mw_dir_entry *entries;
    size_t n = 0;
    mw_status status = mw_dir_list(l->ctx, dir, &entries, &n, err);
    if (status != MW_OK) return status;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        char below[MW_REMOTE_PATH_BYTES + NAME_BYTES];
        struct stat info;
        if (fstatat(mw_dir_fd(dir), entries[i].name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, entries[i].name);
        status = list_file(l, below, entries[i].name, &info, err);
    }
    mw_free(entries);
    return status;
}

/* What is not there is not listed: the worker says what is missing, as it would here. */
static mw_status list_path(void *self, const char *path, mw_err *err) {
    listing *l = self;
    mw_dir *parent = NULL, *folder = NULL;
    const char *name;
    struct stat info;
    mw_status status = path_below(l->job, path, &path, err);
    if (status != MW_OK) return status;
    mw_dir *top = l->job->jobs->data;
    status = mw_dir_below(l->ctx, top, path, MW_DIR_MUST_EXIST, &parent, &name, err);
    if (status != MW_OK) return status == MW_ENOTFOUND ? MW_OK : status;
    if (fstatat(mw_dir_fd(parent), name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        status = errno == ENOENT ? MW_OK : mw_fail_errno(err, errno, "cannot look at %s", path);
    } else if (!S_ISDIR(info.st_mode)) {
        status = list_file(l, path, name, &info, err);
    } else {
        status = mw_dir_sub(l->ctx, parent, name, MW_DIR_MUST_EXIST, &folder, err);
        if (status == MW_OK) status = list_folder(l, folder, path, err);
    }
    mw_dir_close(folder);
    mw_dir_close(parent);
    return status;
}

static mw_status list_made(void *self, const char *path, mw_str content, mw_err *err) {
    listing *l = self;
    mw_status status = path_below(l->job, path, &path, err);
    if (status != MW_OK) return status;
    mw_json_object(&l->w);
    mw_json_add_string(&l->w, "path", path);
    mw_json_add_str(&l->w, "content", content);
    mw_json_object_end(&l->w);
    return MW_OK;
}

static int by_path(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mw_status list_all(listing *l, mw_err *err) {
    mw_remote_job *job = l->job;
    const mw_job_kind *kind = mw_jobs__kind(job->jobs, job->kind);
    const mw_job_reads reads = {.self = l, .file = list_path, .made = list_made};
    mw_arena arena;
    const mw_json *payload;
    if (kind && kind->light) return MW_OK; /* none */
    if (!kind || !kind->reads)
        return mw_fail(err, MW_EUNSUPPORTED, "%s is not done on other hosts", job->kind);
    mw_arena_init(&arena, l->ctx->mem);
    mw_status status = mw_json_parse(&arena, job->payload, strlen(job->payload), &payload, err);
    if (status == MW_OK) status = kind->reads(l->ctx, payload, &reads, err);
    mw_arena_done(&arena);
    return status;
}

/* From now on these may be read. */
static mw_status keep_list(listing *l, mw_err *err) {
    mw_remote_job *job = l->job;
    if (l->n) qsort(l->paths, l->n, sizeof *l->paths, by_path);
    pthread_mutex_lock(&job->mutex);
    const char **kept = mw_arena_alloc(&job->arena, (l->n + 1) * sizeof *kept);
    if (kept) {
        if (l->n) memcpy(kept, l->paths, l->n * sizeof *kept);
        job->inputs = kept;
        job->n_inputs = l->n;
    }
    pthread_mutex_unlock(&job->mutex);
    return kept ? MW_OK : mw_fail_nomem(err, "the list of files");
}

mw_status mw_remote_inputs(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                           mw_buf *out, mw_err *err) {
    mw_remote_job *job;
    mw_status status = mw_remote__job_of(jobs, id, who, &job, err);
    if (status != MW_OK) return status;
    mw_ctx of_org = *ctx;
    of_org.org = job->org;
    listing l = {.ctx = &of_org, .job = job};
    mw_json_writer_init(&l.w, out, 0);
    mw_json_object(&l.w);
    mw_json_add_string(&l.w, "job_id", job->id);
    mw_json_add_string(&l.w, "org", job->org);
    mw_json_key(&l.w, "files");
    mw_json_array(&l.w);
    status = list_all(&l, err);
    mw_json_array_end(&l.w);
    mw_json_object_end(&l.w);
    if (status == MW_OK) status = keep_list(&l, err);
    mw_free(l.paths);
    mw_remote__job_unref(job);
    return status;
}

/* ---- reading ---- */

static mw_status check_input(mw_remote_job *job, const char *path, mw_err *err) {
    pthread_mutex_lock(&job->mutex);
    bool known = !atomic_load(&job->over) && job->n_inputs &&
                 bsearch(&path, job->inputs, job->n_inputs, sizeof *job->inputs, by_path);
    pthread_mutex_unlock(&job->mutex);
    if (known) return MW_OK;
    return mw_fail(err, MW_ENOTFOUND, "the job does not read such a file");
}

/* Reads up to a piece from `at` on; the descriptor is this call's own. */
static mw_status read_piece(const mw_ctx *ctx, int fd, uint64_t at, char *data, size_t *ret_size,
                            mw_err *err) {
    const size_t most = *ret_size;
    size_t n = 0;
    if (lseek(fd, (off_t)at, SEEK_SET) < 0) return mw_fail_errno(err, errno, "cannot read a file");
    while (n < most) {
        ssize_t got = ctx->io->read(ctx->io->self, fd, data + n, most - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mw_fail_errno(err, errno, "cannot read a file");
        if (got == 0) break;
        n += (size_t)got;
    }
    *ret_size = n;
    return MW_OK;
}

static mw_status add_piece(const mw_ctx *ctx, int fd, uint64_t at, mw_buf *out, mw_err *err) {
    const size_t digits = MW_HASH128_HEX - 1;
    char hex[MW_HASH128_HEX];
    size_t size = (size_t)MW_LIMIT(REMOTE_PIECE_BYTES);
    char *data = mw_buf_reserve(out, digits + size);
    if (!data) return mw_buf_status(out, "a piece of a file", err);
    mw_status status = read_piece(ctx, fd, at, data + digits, &size, err);
    if (status != MW_OK) return status;
    mw_hash128_of(data + digits, size, hex);
    memcpy(data, hex, digits);
    mw_buf_grew(out, digits + size);
    return MW_OK;
}

static mw_status open_input(const mw_ctx *ctx, mw_dir *top, const char *path, const char *tag,
                            int *ret_fd, mw_err *err) {
    mw_dir *parent = NULL;
    const char *name;
    char now[MW_REMOTE_TAG_BYTES];
    struct stat info;
    mw_status status = mw_dir_below(ctx, top, path, MW_DIR_MUST_EXIST, &parent, &name, err);
    if (status != MW_OK) return status;
    int fd = ctx->io->open(ctx->io->self, mw_dir_fd(parent), name,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0) {
        status = mw_fail_errno(err, errno, "cannot open %s", path);
    } else if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = mw_fail(err, MW_ECONFLICT, "%s is no regular file any more", path);
    } else {
        write_tag(name, &info, now);
        if (strcmp(now, tag) != 0)
            status = mw_fail(err, MW_ECONFLICT, "%s was replaced while it was read", path);
    }
    mw_dir_close(parent);
    if (status == MW_OK)
        *ret_fd = fd;
    else if (fd >= 0)
        ctx->io->close(ctx->io->self, fd);
    return status;
}

mw_status mw_remote_read_file(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                              const char *path, const char *tag, uint64_t at, mw_buf *out,
                              mw_err *err) {
    mw_remote_job *job;
    int fd = -1;
    mw_status status = mw_remote__job_of(jobs, id, who, &job, err);
    if (status != MW_OK) return status;
    status = check_input(job, path, err);
    if (status == MW_OK) status = open_input(ctx, jobs->data, path, tag, &fd, err);
    if (status == MW_OK) {
        status = add_piece(ctx, fd, at, out, err);
        ctx->io->close(ctx->io->self, fd);
    }
    mw_remote__job_unref(job);
    return status;
}

/* ---- delivering ---- */

static mw_status begin_output(const mw_ctx *ctx, mw_remote_job *job, const char *path,
                              mw_err *err) {
    mw_dir *work = NULL, *parent = NULL;
    const char *name;
    job->output = mw_file_abort(job->output);
    job->output_path[0] = '\0';
    if (strlen(path) >= sizeof job->output_path)
        return mw_fail(err, MW_EINVAL, "the path is longer than %zu bytes",
                       sizeof job->output_path - 1);
    if (job->n_outputs >= MW_LIMIT(REMOTE_OUTPUTS))
        return mw_fail(err, MW_ETOOLARGE, "the job has made more than %lld files",
                       (long long)MW_LIMIT(REMOTE_OUTPUTS));
    mw_status status = mw_dir_open(ctx, job->work_path, MW_DIR_MUST_EXIST, &work, err);
    if (status == MW_OK) status = mw_dir_below(ctx, work, path, MW_DIR_CREATE, &parent, &name, err);
    if (status == MW_OK) status = mw_file_create(ctx, parent, name, &job->output, err);
    mw_dir_close(parent);
    mw_dir_close(work);
    if (status != MW_OK) return status;
    mw_str_copy(job->output_path, sizeof job->output_path, mw_str_of(path));
    job->output_at = 0;
    job->n_outputs++;
    return MW_OK;
}

static mw_status add_output(const mw_ctx *ctx, mw_remote_job *job, const mw_remote_piece *piece,
                            mw_err *err) {
    const bool same = strcmp(job->output_path, piece->path) == 0;
    mw_status status = MW_OK;
    if (atomic_load(&job->over)) return mw_fail(err, MW_ECONFLICT, "the job is over");
    if (same && piece->bytes.size && piece->at + piece->bytes.size == job->output_at)
        return MW_OK; /* it has come already, and the answer was lost */
    if (piece->at == 0) status = begin_output(ctx, job, piece->path, err);
    if (status != MW_OK) return status;
    if (!job->output || strcmp(job->output_path, piece->path) != 0 || job->output_at != piece->at)
        return mw_fail(err, MW_ECONFLICT, "another piece of the file was expected");
    if (job->output_bytes + piece->bytes.size > (uint64_t)MW_LIMIT(REMOTE_OUTPUT_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "the job has made more than %lld bytes",
                       (long long)MW_LIMIT(REMOTE_OUTPUT_BYTES));
    status = mw_file_write(job->output, piece->bytes.data, piece->bytes.size, err);
    if (status == MW_OK) {
        job->output_at += piece->bytes.size;
        job->output_bytes += piece->bytes.size;
    }
    if (status == MW_OK && piece->last) {
        status = mw_file_commit(job->output, err);
        job->output = NULL;
    }
    if (status != MW_OK) {
        job->output = mw_file_abort(job->output);
        job->output_path[0] = '\0';
    }
    return status;
}

mw_status mw_remote_write_output(const mw_ctx *ctx, mw_jobs *jobs, const char *id, const char *who,
                                 const mw_remote_piece *piece, uint64_t *ret_at, mw_err *err) {
    mw_remote_job *job;
    char hex[MW_HASH128_HEX];
    mw_status status = MW_OK;
    mw_hash128_of(piece->bytes.data, piece->bytes.size, hex);
    if (strcmp(hex, piece->hash) != 0)
        status = mw_fail(err, MW_EDATA, "the piece is not the one that was sent: its hash differs");
    if (status == MW_OK) status = mw_remote__job_of(jobs, id, who, &job, err);
    if (status != MW_OK) return status;
    pthread_mutex_lock(&job->mutex);
    status = add_output(ctx, job, piece, err);
    if (status == MW_OK) *ret_at = job->output_at;
    pthread_mutex_unlock(&job->mutex);
    mw_remote__job_unref(job);
    return status;
}

void mw_remote__end_files(mw_remote_job *job) {
    if (!job) return;
    atomic_store(&job->over, true);
    pthread_mutex_lock(&job->mutex);
    job->output = mw_file_abort(job->output);
    pthread_mutex_unlock(&job->mutex);
}
