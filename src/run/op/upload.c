/* upload.c -- see upload.h. A folder for each upload, so that the file can have its own name, which
 * is its identity in the dataset. */
#include "run/op/upload.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "run/job/holder.h"
#include "run/op/app.h"

#define BODY_NAME ".body"
#define JOB_NAME ".job"

enum { NAME_BYTES = 255, ID_BYTES = 32, KEEP_DAYS = 7 };

struct mw_upload {
    mw_app *app;
    mw_ctx ctx;
    char org[72];
    char folder[NAME_BYTES + 1];
    char name[NAME_BYTES + 1];
    char *path;
    mw_dir *uploads, *dir; /* orgs/{org}/uploads, and the folder in it */
    mw_file *file;         /* while bytes come */
    bool handed_over;
};

mw_status mw_upload_check_name(const char *name, mw_err *err) {
    size_t n = strlen(name);
    bool good = n > 0 && n <= NAME_BYTES && name[0] != '.';
    for (size_t i = 0; i < n && good; i++)
        good = name[i] != '/' && (unsigned char)name[i] >= 0x20 && name[i] != 0x7f;
    if (good) return MW_OK;
    mw_fail(err, MW_EINVAL, "this is not a file's name");
    mw_err_hint(err, "1 to 255 bytes, no slash, no control character, no leading dot");
    return mw_err_at(err, "name");
}

static void remove_folder(const mw_ctx *ctx, mw_dir *uploads, const char *folder) {
    mw_err err = {0};
    if (mw_dir_remove(ctx, uploads, folder, &err))
        mw_log_warn(ctx, "an uploaded file stays: %s", err.message);
}

/* ---- receiving ---- */

static mw_status open_files(mw_upload *upload, mw_err *err) {
    static atomic_uint serial;
    char holder[MW_HOLDER_BYTES];
    const mw_ctx *ctx = &upload->ctx;
    mw_holder_self(holder);
    (void)snprintf(upload->folder, sizeof upload->folder, "%u.%.240s", atomic_fetch_add(&serial, 1),
                   holder);
    mw_status status = mw_app_folder(upload->app, ctx, "uploads", NULL, &upload->uploads, err);
    if (!status)
        status = mw_dir_sub(ctx, upload->uploads, upload->folder, MW_DIR_CREATE, &upload->dir, err);
    if (!status) status = mw_file_create(ctx, upload->dir, BODY_NAME, &upload->file, err);
    return status;
}

mw_status mw_upload_open(mw_app *app, const mw_ctx *ctx, const char *name, mw_upload **ret,
                         mw_err *err) {
    mw_status status = mw_upload_check_name(name, err);
    if (status) return status;
    mw_upload *upload = mw_calloc(ctx->mem, 1, sizeof *upload);
    if (!upload) return mw_fail_nomem(err, "an upload");
    upload->app = app;
    upload->ctx = *ctx;
    mw_str_copy(upload->org, sizeof upload->org, mw_str_of(ctx->org));
    mw_str_copy(upload->name, sizeof upload->name, mw_str_of(name));
    upload->ctx.org = upload->org;
    upload->ctx.request_id = NULL; /* the request's may end before this does */
    status = open_files(upload, err);
    if (status) {
        mw_upload_free(upload);
        return status;
    }
    *ret = upload;
    return MW_OK;
}

mw_status mw_upload_write(mw_upload *upload, const void *data, size_t size, mw_err *err) {
    return mw_file_write(upload->file, data, size, err);
}

mw_status mw_upload_finish(mw_upload *upload, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, upload->ctx.mem);
    const char *path = mw_arena_printf(&arena, "%s/orgs/%s/uploads/%s/%s", upload->app->data_path,
                                       upload->org, upload->folder, upload->name);
    upload->path = path ? mw_strdup(upload->ctx.mem, path) : NULL;
    mw_arena_done(&arena);
    if (!upload->path) return mw_fail_nomem(err, "a path");
    if (mw_file_size(upload->file) == 0) {
        mw_fail(err, MW_EINVAL, "%s is empty: the request has no body", upload->name);
        return mw_err_hint(err, "send the file's bytes as the body");
    }
    mw_status status = mw_file_commit(upload->file, err);
    upload->file = NULL;
    if (!status)
        status = mw_dir_move(&upload->ctx, upload->dir, BODY_NAME, upload->dir, upload->name, err);
    return status;
}

const char *mw_upload_path(const mw_upload *upload) { return upload->path; }

/* Without allocating, so that a lack of memory leaves nothing behind either. */
static void discard(mw_upload *upload) {
    const mw_io *io = upload->ctx.io;
    if (upload->dir) {
        (void)io->unlink(io->self, mw_dir_fd(upload->dir), BODY_NAME, 0);
        (void)io->unlink(io->self, mw_dir_fd(upload->dir), upload->name, 0);
    }
    if (io->unlink(io->self, mw_dir_fd(upload->uploads), upload->folder, AT_REMOVEDIR) != 0)
        remove_folder(&upload->ctx, upload->uploads, upload->folder);
}

void *mw_upload_free(mw_upload *upload) {
    if (!upload) return NULL;
    mw_file_abort(upload->file);
    if (upload->uploads && !upload->handed_over) discard(upload);
    mw_dir_close(upload->dir);
    mw_dir_close(upload->uploads);
    mw_free(upload->path);
    return mw_free(upload);
}

/* ---- the job's end ---- */

typedef struct keeper {
    mw_app *app;
    char org[72];
    char folder[NAME_BYTES + 1];
} keeper;

static bool is_open(mw_app *app, const mw_ctx *ctx, const char *id) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_job_record job;
    mw_status status = mw_store_job_get(ctx, app->store, &arena, id, &job, NULL);
    bool open = status == MW_OK ? !mw_job_state_final(job.state) : status != MW_ENOTFOUND;
    mw_arena_done(&arena);
    return open;
}

/* From the manager's thread: the job is final, or the server stops and the job waits for another. */
static void on_job_end(void *arg, const char *id) {
    keeper *self = arg;
    mw_ctx ctx = *self->app->ctx;
    mw_dir *uploads;
    ctx.org = self->org;
    if (!is_open(self->app, &ctx, id) &&
        mw_app_folder(self->app, &ctx, "uploads", NULL, &uploads, NULL) == MW_OK) {
        remove_folder(&ctx, uploads, self->folder);
        mw_dir_close(uploads);
    }
    mw_free(self);
}

static void look_after(mw_app *app, const mw_ctx *ctx, const char *folder, const char *job_id) {
    keeper *self = mw_calloc(app->ctx->mem, 1, sizeof *self);
    mw_err err = {0};
    mw_status status = self ? MW_OK : mw_fail_nomem(&err, "an upload");
    if (!status) {
        self->app = app;
        mw_str_copy(self->org, sizeof self->org, mw_str_of(ctx->org));
        mw_str_copy(self->folder, sizeof self->folder, mw_str_of(folder));
        status = mw_jobs_watch(app->jobs, ctx->org, job_id, on_job_end, self, &err);
    }
    if (!status) return;
    mw_free(self);
    mw_log_warn(ctx, "an uploaded file stays until the server starts again: %s", err.message);
}

void mw_upload_hand_over(mw_upload *upload, const char *job_id) {
    mw_err err = {0};
    upload->handed_over = true;
    if (mw_file_replace(&upload->ctx, upload->dir, JOB_NAME, job_id, strlen(job_id), &err))
        mw_log_warn(&upload->ctx, "whose upload this is was not noted: %s", err.message);
    look_after(upload->app, &upload->ctx, upload->folder, job_id);
}

/* ---- what earlier servers left ---- */

static bool read_job_id(const mw_ctx *ctx, mw_dir *uploads, const char *folder,
                        char out[ID_BYTES]) {
    mw_dir *dir;
    char *text = NULL;
    size_t size;
    if (mw_dir_sub(ctx, uploads, folder, MW_DIR_MUST_EXIST, &dir, NULL) != MW_OK) return false;
    bool read = mw_file_read(ctx, dir, JOB_NAME, ID_BYTES - 1, &text, &size, NULL) == MW_OK;
    if (read) mw_str_copy(out, ID_BYTES, (mw_str){text, size});
    mw_free(text);
    mw_dir_close(dir);
    return read;
}

/* An upload on its way belongs to the process in its folder's name. */
static bool is_abandoned(const mw_ctx *ctx, const mw_dir_entry *entry) {
    const char *dot = strchr(entry->name, '.');
    int64_t age_us = mw_clock_utc(ctx->clock) - entry->modified_us;
    return (dot && mw_holder_is_dead(dot + 1)) || age_us > KEEP_DAYS * 86400 * MW_US_PER_SECOND;
}

static void sweep_org(mw_app *app, const char *org, mw_dir *uploads) {
    mw_ctx ctx = *app->ctx;
    mw_dir_entry *entries;
    mw_err err = {0};
    size_t n = 0;
    ctx.org = org;
    if (mw_dir_list(&ctx, uploads, &entries, &n, &err)) {
        mw_log_warn(&ctx, "left uploads are not looked at: %s", err.message);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char id[ID_BYTES];
        bool has_job = read_job_id(&ctx, uploads, entries[i].name, id);
        if (has_job && is_open(app, &ctx, id))
            look_after(app, &ctx, entries[i].name, id);
        else if (has_job || is_abandoned(&ctx, &entries[i]))
            remove_folder(&ctx, uploads, entries[i].name);
    }
    mw_free(entries);
}

void mw_upload_sweep(mw_app *app) {
    const mw_ctx *ctx = app->ctx;
    mw_dir *orgs, *one, *uploads;
    mw_dir_entry *entries = NULL;
    size_t n = 0;
    if (mw_dir_sub(ctx, app->data, "orgs", MW_DIR_MUST_EXIST, &orgs, NULL)) return;
    if (mw_dir_list(ctx, orgs, &entries, &n, NULL)) n = 0;
    for (size_t i = 0; i < n; i++) {
        if (!mw_name_valid(entries[i].name)) continue;
        if (mw_dir_sub(ctx, orgs, entries[i].name, MW_DIR_MUST_EXIST, &one, NULL)) continue;
        if (mw_dir_sub(ctx, one, "uploads", MW_DIR_MUST_EXIST, &uploads, NULL) == MW_OK) {
            sweep_org(app, entries[i].name, uploads);
            mw_dir_close(uploads);
        }
        mw_dir_close(one);
    }
    mw_free(entries);
    mw_dir_close(orgs);
}
