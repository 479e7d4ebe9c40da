/*
 * live.c -- a list of versions' documents under one mutex. Loading happens outside of it, so that one
 * slow disk read does not stop requests for other models; two threads may then load the same
 * version, and the second one's copy is dropped.
 */
#include "run/live/live.h"

#include <pthread.h>
#include <malloc.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "learn/model/model.h"

typedef struct entry {
    mw_live_model shown; /* first: callers hold pointers to it */
    struct entry *next;
    char org[65];
    char name[65];
    int64_t used_us; /* monotonic */
    int n_refs;      /* the list's own included while it is listed */
    mw_arena arena;
} entry;

/* The files of a model's folder that are used here: one of the first two, the others where they are. */
static const char *const used_files[] = {"model.onnx", "state.arrow", "metadata.json",
                                         "importance.json", "anomalies.json"};
enum { N_USED_FILES = 5 };

typedef struct file_mark {
    struct timespec modified;
    off_t size;
} file_mark;

/* What a check of one version found; good as long as its files are the same. */
typedef struct verdict {
    struct verdict *next;
    char org[65];
    char name[65];
    int32_t version;
    file_mark files[N_USED_FILES];
    mw_err outcome; /* code MW_OK: it loads */
} verdict;

struct mw_live {
    const mw_ctx *ctx;
    mw_dir *data;
    mw_store *store;
    mw_artifacts *artifacts; /* or NULL */
    int64_t idle_us;
    pthread_mutex_t mutex;
    entry *entries;
    verdict *verdicts;
};

mw_status mw_live_new(const mw_ctx *ctx, mw_dir *data, mw_store *store, mw_artifacts *artifacts,
                      int64_t idle_us, mw_live **ret, mw_err *err) {
    mw_live *live = mw_calloc(ctx->mem, 1, sizeof *live);
    if (!live) return mw_fail_nomem(err, "the model cache");
    live->ctx = ctx;
    live->data = data;
    live->store = store;
    live->artifacts = artifacts;
    live->idle_us = idle_us;
    pthread_mutex_init(&live->mutex, NULL);
    *ret = live;
    return MW_OK;
}

static void free_entry(entry *e) {
    mw_arena_done(&e->arena);
    mw_free(e);
}

static void unref_locked(entry *e) {
    if (--e->n_refs == 0) free_entry(e);
}

void *mw_live_free(mw_live *live) {
    if (!live) return NULL;
    while (live->entries) {
        entry *e = live->entries;
        live->entries = e->next;
        unref_locked(e);
    }
    while (live->verdicts) {
        verdict *v = live->verdicts;
        live->verdicts = v->next;
        mw_free(v);
    }
    pthread_mutex_destroy(&live->mutex);
    return mw_free(live);
}

void mw_live_unref(mw_live *live, const mw_live_model *model) {
    if (!model) return;
    pthread_mutex_lock(&live->mutex);
    unref_locked((entry *)(uintptr_t)model);
    pthread_mutex_unlock(&live->mutex);
}

/* Takes idle entries, and the one of this organization and name unless it has this version, off the
 * list; returns the match with a reference for the caller. name NULL: only idle ones. */
static entry *find_locked(mw_live *live, const char *org, const char *name, int32_t version) {
    int64_t now = mw_clock_monotonic(live->ctx->clock);
    entry *found = NULL;
    for (entry **at = &live->entries; *at;) {
        entry *e = *at;
        bool same = name && strcmp(e->org, org) == 0 && strcmp(e->name, name) == 0;
        bool keep = same ? e->shown.version == version : now - e->used_us < live->idle_us;
        if (!keep) {
            *at = e->next;
            unref_locked(e);
            continue;
        }
        if (same) found = e;
        at = &e->next;
    }
    if (found) {
        found->used_us = now;
        found->n_refs++;
    }
    return found;
}

size_t mw_live_count(mw_live *live) {
    pthread_mutex_lock(&live->mutex);
    (void)find_locked(live, NULL, NULL, 0);
    size_t n = 0;
    for (entry *e = live->entries; e; e = e->next) n++;
    pthread_mutex_unlock(&live->mutex);
    return n;
}

static mw_status open_local(const mw_ctx *ctx, mw_dir *data, const mw_version_record *record,
                            mw_dir **ret, mw_err *err) {
    const char *const steps[] = {"orgs",        ctx->org,   "models",
                                 record->model, "versions", record->folder};
    mw_dir *dir = NULL;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        mw_dir *below;
        mw_status status =
            mw_dir_sub(ctx, dir ? dir : data, steps[i], MW_DIR_MUST_EXIST, &below, err);
        mw_dir_close(dir);
        if (status) return status;
        dir = below;
    }
    *ret = dir;
    return MW_OK;
}

/* The version's folder, brought from the artifact store; *ret, if it is open, is closed before. */
static mw_status fetch_version(const mw_ctx *ctx, const mw_live *live,
                               const mw_version_record *record, mw_dir **ret, mw_err *err) {
    char path[MW_ARTIFACT_NAME];
    *ret = mw_dir_close(*ret);
    mw_artifact_of_version(ctx->org, record->model, record->folder, path);
    mw_status status = mw_artifacts_fetch_folder(ctx, live->artifacts, live->data, path, err);
    return status ? status : open_local(ctx, live->data, record, ret, err);
}

static mw_status open_version(const mw_ctx *ctx, const mw_live *live,
                              const mw_version_record *record, mw_dir **ret, mw_err *err) {
    *ret = NULL;
    mw_status status = open_local(ctx, live->data, record, ret, err);
    if (status != MW_ENOTFOUND || !live->artifacts) return status;
    return fetch_version(ctx, live, record, ret, err);
}

/* Says nothing about the files: the next try may go well. */
static bool is_passing(mw_status status) {
    return status == MW_ENOMEM || status == MW_EIO || status == MW_EDENIED ||
           status == MW_ECANCELED || status == MW_ETIMEOUT || status == MW_EBUSY;
}

/* Parses a JSON file of the folder into the arena; a missing file gives NULL. */
static mw_status read_document(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_arena *arena,
                               const mw_json **ret, mw_err *err) {
    *ret = NULL;
    if (!mw_dir_has(dir, name)) return MW_OK;
    char *text;
    size_t size;
    mw_status status =
        mw_file_read(ctx, dir, name, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status) return status;
    const char *kept = mw_arena_strndup(arena, text, size);
    mw_free(text);
    if (!kept) return mw_fail_nomem(err, name);
    status = mw_json_parse(arena, kept, size, ret, err);
    if (!status || is_passing(status)) return status;
    mw_err_prefix(err, "%s of the model is damaged", name);
    if (err) err->code = MW_EDATA;
    return MW_EDATA;
}

static mw_status parse_text(mw_arena *arena, const char *text, const mw_json **ret, mw_err *err) {
    const char *kept = mw_arena_strdup(arena, text && *text ? text : "{}");
    if (!kept) return mw_fail_nomem(err, "a model record");
    return mw_json_parse(arena, kept, strlen(kept), ret, err);
}

static mw_status read_documents(const mw_ctx *ctx, mw_dir *dir, const mw_version_record *record,
                                mw_arena *arena, mw_live_model *ret, mw_err *err) {
    mw_status status = parse_text(arena, record->metrics, &ret->metrics, err);
    if (!status) status = parse_text(arena, record->params, &ret->params, err);
    if (!status) status = read_document(ctx, dir, "importance.json", arena, &ret->importance, err);
    if (!status) status = read_document(ctx, dir, "anomalies.json", arena, &ret->anomalies, err);
    if (status) return status;
    ret->sha256 = mw_arena_strdup(arena, record->sha256 ? record->sha256 : "");
    ret->data_hash = mw_arena_strdup(arena, record->data_hash ? record->data_hash : "");
    return ret->sha256 && ret->data_hash ? MW_OK : mw_fail_nomem(err, "a model");
}

static mw_status load(const mw_ctx *ctx, mw_live *live, const mw_version_record *record,
                      entry **ret, mw_err *err) {
    mw_ctx lasting = *ctx; /* the cache outlives the request: its memory is the process's */
    lasting.mem = live->ctx->mem;
    lasting.cancel = NULL;
    entry *e = mw_calloc(lasting.mem, 1, sizeof *e);
    if (!e) return mw_fail_nomem(err, "a model");
    mw_arena_init(&e->arena, lasting.mem);
    mw_str_copy(e->org, sizeof e->org, mw_str_of(ctx->org));
    mw_str_copy(e->name, sizeof e->name, mw_str_of(record->model));
    e->shown.name = e->name;
    e->shown.version = record->version;
    e->shown.created_us = record->created_us;
    e->n_refs = 1;
    mw_dir *dir = NULL;
    mw_status status = open_version(&lasting, live, record, &dir, err);
    if (!status) status = read_documents(&lasting, dir, record, &e->arena, &e->shown, err);
    if (status == MW_EDATA && dir && live->artifacts) { /* damaged here, perhaps not there */
        status = fetch_version(&lasting, live, record, &dir, err);
        if (!status) status = read_documents(&lasting, dir, record, &e->arena, &e->shown, err);
    }
    mw_dir_close(dir);
    if (status) {
        if (status == MW_ENOTFOUND) status = MW_EDATA; /* recorded, but its files are gone */
        if (err) err->code = status;
        mw_err_prefix(err, "model %s version %d cannot be loaded", record->model, record->version);
        mw_log_error(ctx, "%s", err ? err->message : "a model cannot be loaded");
        free_entry(e);
        return status;
    }
    *ret = e;
    return MW_OK;
}

static mw_status find_production(const mw_ctx *ctx, mw_live *live, const char *name,
                                 mw_arena *arena, mw_version_record *ret, mw_err *err) {
    mw_status status = mw_store_production(ctx, live->store, arena, name, ret, err);
    if (status != MW_ENOTFOUND) return status;
    mw_fail(err, MW_ECONFLICT, "the model %s has not been trained yet", name);
    mw_err_hint(err, "POST /train or run `millwright train` first");
    return MW_ECONFLICT;
}

mw_status mw_live_get(const mw_ctx *ctx, mw_live *live, const char *name, const mw_live_model **ret,
                      mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_version_record record;
    entry *e = NULL, *loaded = NULL;
    mw_status status = find_production(ctx, live, name, &arena, &record, err);
    if (status) goto done;
    pthread_mutex_lock(&live->mutex);
    e = find_locked(live, ctx->org, name, record.version);
    pthread_mutex_unlock(&live->mutex);
    if (!e) status = load(ctx, live, &record, &loaded, err);
    if (status) goto done;
    if (loaded) {
        pthread_mutex_lock(&live->mutex);
        e = find_locked(live, ctx->org, name,
                        record.version); /* another thread may have been first */
        if (e) {
            unref_locked(loaded);
        } else {
            e = loaded;
            e->n_refs++;
            e->used_us = mw_clock_monotonic(live->ctx->clock);
            e->next = live->entries;
            live->entries = e;
        }
        pthread_mutex_unlock(&live->mutex);
    }
    *ret = &e->shown;
done:
    mw_arena_done(&arena);
    return status;
}

/* ---- checks ---- */

static verdict *find_verdict(mw_live *live, const char *org, const char *name) {
    for (verdict *v = live->verdicts; v; v = v->next)
        if (strcmp(v->org, org) == 0 && strcmp(v->name, name) == 0) return v;
    return NULL;
}

static void mark_files(mw_dir *dir, file_mark marks[N_USED_FILES]) {
    for (size_t i = 0; i < N_USED_FILES; i++) {
        struct stat file = {0}; /* a missing file has size 0 */
        (void)fstatat(mw_dir_fd(dir), used_files[i], &file, 0);
        marks[i] = (file_mark){file.st_mtim, file.st_size};
    }
}

static bool same_files(const file_mark *a, const file_mark *b) {
    for (size_t i = 0; i < N_USED_FILES; i++)
        if (a[i].size != b[i].size || a[i].modified.tv_sec != b[i].modified.tv_sec ||
            a[i].modified.tv_nsec != b[i].modified.tv_nsec)
            return false;
    return true;
}

/* Loads model and documents and lets them go again, with the memory that took. */
static void try_loading(const mw_ctx *ctx, mw_dir *dir, const mw_version_record *record,
                        mw_err *outcome) {
    mw_model *model = NULL;
    mw_arena arena;
    mw_live_model documents = {0};
    mw_err_clear(outcome);
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_model_load(ctx, dir, &model, outcome);
    if (!status) status = read_documents(ctx, dir, record, &arena, &documents, outcome);
    if (!status && !documents.importance)
        status = mw_fail(outcome, MW_EDATA, "importance.json is missing");
    mw_model_free(model);
    mw_arena_done(&arena);
    if (status) {
        outcome->code = status == MW_ENOTFOUND ? MW_EDATA : status;
        mw_err_prefix(outcome, "model %s version %d cannot be loaded", record->model,
                      record->version);
        mw_log_error(ctx, "%s", outcome->message);
        return;
    }
    (void)malloc_trim(0);
}

static void remember(mw_live *live, const verdict *found) {
    if (is_passing(found->outcome.code)) return;
    pthread_mutex_lock(&live->mutex);
    verdict *v = find_verdict(live, found->org, found->name);
    if (!v && (v = mw_calloc(live->ctx->mem, 1, sizeof *v))) {
        v->next = live->verdicts;
        live->verdicts = v;
    }
    if (v) {
        verdict *next = v->next;
        *v = *found;
        v->next = next;
    }
    pthread_mutex_unlock(&live->mutex);
}

/* The remembered outcome of exactly this file, or a fresh look at it. */
static mw_status judge(const mw_ctx *ctx, mw_live *live, mw_dir *dir,
                       const mw_version_record *record, bool *ret_known, mw_err *err) {
    verdict now = {.version = record->version};
    mark_files(dir, now.files);
    mw_str_copy(now.org, sizeof now.org, mw_str_of(ctx->org));
    mw_str_copy(now.name, sizeof now.name, mw_str_of(record->model));
    pthread_mutex_lock(&live->mutex);
    const verdict *old = find_verdict(live, now.org, now.name);
    bool known = old && old->version == record->version && same_files(old->files, now.files);
    if (known) now.outcome = old->outcome;
    pthread_mutex_unlock(&live->mutex);
    if (!known) {
        try_loading(ctx, dir, record, &now.outcome);
        remember(live, &now);
    }
    *ret_known = known;
    if (now.outcome.code && err) *err = now.outcome;
    return now.outcome.code;
}

mw_status mw_live_check(const mw_ctx *ctx, mw_live *live, const char *name, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    mw_version_record record;
    mw_dir *dir = NULL;
    mw_status status = find_production(ctx, live, name, &arena, &record, err);
    if (!status) {
        status = open_version(ctx, live, &record, &dir, err);
        if (status && !is_passing(status)) {
            status = MW_EDATA;
            if (err) err->code = status;
            mw_err_prefix(err, "model %s version %d is damaged", name, record.version);
        }
    }
    bool known = false;
    if (!status) status = judge(ctx, live, dir, &record, &known, err);
    /* Once, not at each look: it may be no better there. */
    if (status == MW_EDATA && !known && live->artifacts && dir &&
        fetch_version(ctx, live, &record, &dir, NULL) == MW_OK)
        status = judge(ctx, live, dir, &record, &known, err);
    mw_dir_close(dir);
    mw_arena_done(&arena);
    return status;
}
