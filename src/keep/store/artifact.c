/* artifact.c -- see artifact.h: names, hashes and what all backends share. */
#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "keep/store/artifact_parts.h"

/* ---- life ---- */

mw_status mw_artifacts_open(const mw_ctx *ctx, const char *location, mw_store *store,
                            mw_artifacts **ret, mw_err *err) {
    if (!location || !*location || strcmp(location, "folder") == 0) {
        *ret = NULL;
        return MW_OK;
    }
    mw_artifacts *artifacts = mw_calloc(ctx->mem, 1, sizeof *artifacts);
    if (!artifacts) return mw_fail_nomem(err, "the artifact store");
    artifacts->mem = ctx->mem;
    mw_status status;
    if (strcmp(location, "postgresql") == 0) {
        status = mw_artifacts__open_sql(store, artifacts, err);
    } else if (strncmp(location, "s3://", 5) == 0) {
        status = mw_artifacts__open_s3(ctx, location, 0, artifacts, err);
    } else {
        mw_fail(err, MW_EINVAL, "artifacts cannot be kept in \"%.200s\"", location);
        status = mw_err_hint(err, "folder, postgresql, or s3://BUCKET/PREFIX");
    }
    if (status) {
        mw_free(artifacts);
        return status;
    }
    *ret = artifacts;
    return MW_OK;
}

void *mw_artifacts_close(mw_artifacts *artifacts) {
    if (!artifacts) return NULL;
    artifacts->backend->close(artifacts->self);
    return mw_free(artifacts);
}

const char *mw_artifacts_label(const mw_artifacts *artifacts) {
    return artifacts ? artifacts->label : "the data folder";
}

const mw_artifacts_meter *mw_artifacts_meter_of(const mw_artifacts *artifacts) {
    return artifacts ? &artifacts->meter : NULL;
}

/* ---- calls of the backend, metered ---- */

static int64_t now_us(void) { return mw_clock_monotonic(&mw_clock_system); }

static mw_status meter(mw_artifacts *a, mw_artifacts_call call, int64_t begun_us,
                       mw_status status) {
    mw_durations_add(&a->meter.latency[call], now_us() - begun_us);
    if (status != MW_OK && status != MW_ENOTFOUND && status != MW_ECANCELED)
        atomic_fetch_add_explicit(&a->meter.failed[status], 1, memory_order_relaxed);
    return status;
}

static mw_status find(const mw_ctx *ctx, mw_artifacts *a, const char *name, mw_artifact_facts *ret,
                      mw_err *err) {
    const int64_t begun_us = now_us();
    return meter(a, MW_ARTIFACTS_FIND, begun_us, a->backend->find(ctx, a->self, name, ret, err));
}

static mw_status list(const mw_ctx *ctx, mw_artifacts *a, const char *prefix,
                      mw_artifacts_visit visit, void *arg, mw_err *err) {
    const int64_t begun_us = now_us();
    return meter(a, MW_ARTIFACTS_LIST, begun_us,
                 a->backend->list(ctx, a->self, prefix, visit, arg, err));
}

static mw_status remove_one(const mw_ctx *ctx, mw_artifacts *a, const char *name, mw_err *err) {
    const int64_t begun_us = now_us();
    return meter(a, MW_ARTIFACTS_REMOVE, begun_us, a->backend->remove(ctx, a->self, name, err));
}

/* ---- names ---- */

void mw_artifact_of_dataset(const char *org, const char *dataset, const char *file,
                            char out[MW_ARTIFACT_NAME]) {
    (void)snprintf(out, MW_ARTIFACT_NAME, "orgs/%s/datasets/%s/%s", org, dataset, file);
}

void mw_artifact_of_version(const char *org, const char *model, const char *folder,
                            char out[MW_ARTIFACT_NAME]) {
    (void)snprintf(out, MW_ARTIFACT_NAME, "orgs/%s/models/%s/versions/%s", org, model, folder);
}

/* Components of [A-Za-z0-9_.-], none of them "." or "..". prefix: the last one may be empty or anything. */
static mw_status check_name(const char *name, bool prefix, mw_err *err) {
    static const char of_name[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    const char *at = name;
    bool good = strlen(name) < MW_ARTIFACT_NAME;
    while (good) {
        const size_t n = strspn(at, of_name);
        const bool last = at[n] == '\0';
        good = (last || at[n] == '/') && (n > 0 || (last && prefix)) &&
               !(n == 1 && at[0] == '.' && !(last && prefix)) &&
               !(n == 2 && memcmp(at, "..", 2) == 0);
        if (last) break;
        at += n + 1;
    }
    return good ? MW_OK : mw_fail(err, MW_EINVAL, "%.100s is no name of an artifact", name);
}

/* ---- the interface ---- */

static mw_status send(const mw_ctx *ctx, mw_artifacts *a, const char *name, const mw_map *map,
                      mw_err *err) {
    mw_artifact_facts facts = {.size = map->size}, there;
    const void *bytes = map->data ? (const void *)map->data : "";
    mw_status status = mw_sha256_of(bytes, map->size, facts.sha256, err);
    if (status) return status;
    status = find(ctx, a, name, &there, err);
    if (!status && there.size == facts.size && strcmp(there.sha256, facts.sha256) == 0)
        return MW_OK;
    if (status && status != MW_ENOTFOUND) return status;
    mw_err_clear(err);
    const int64_t begun_us = now_us();
    status = meter(a, MW_ARTIFACTS_PUT, begun_us,
                   a->backend->put(ctx, a->self, name, bytes, &facts, err));
    if (!status)
        atomic_fetch_add_explicit(&a->meter.put_bytes, (int64_t)facts.size, memory_order_relaxed);
    return status;
}

mw_status mw_artifacts_put(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                           mw_dir *dir, const char *file, mw_err *err) {
    if (!artifacts) return MW_OK;
    mw_map map;
    mw_status status = check_name(name, false, err);
    if (!status) status = mw_map_open(ctx, dir, file, &map, err);
    if (status) return status;
    status = send(ctx, artifacts, name, &map, err);
    mw_map_close(&map);
    return status;
}

static mw_status fail_missing(const mw_artifacts *artifacts, const char *name, mw_err *err) {
    return mw_fail(err, MW_ENOTFOUND, "%s is not in %s", name, mw_artifacts_label(artifacts));
}

mw_status mw_artifacts_get(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                           mw_dir *dir, const char *file, mw_err *err) {
    mw_artifact_facts facts;
    mw_status status = check_name(name, false, err);
    if (!status && !artifacts) status = fail_missing(NULL, name, err);
    if (!status) status = find(ctx, artifacts, name, &facts, err);
    if (status) return status;
    const int64_t begun_us = now_us();
    status = meter(artifacts, MW_ARTIFACTS_GET, begun_us,
                   artifacts->backend->get(ctx, artifacts->self, name, &facts, dir, file, err));
    if (!status)
        atomic_fetch_add_explicit(&artifacts->meter.got_bytes, (int64_t)facts.size,
                                  memory_order_relaxed);
    return status;
}

mw_status mw_artifacts_has(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name, bool *ret,
                           mw_err *err) {
    mw_artifact_facts facts;
    mw_status status = check_name(name, false, err);
    if (!status && artifacts) status = find(ctx, artifacts, name, &facts, err);
    if (status && status != MW_ENOTFOUND) return status;
    *ret = artifacts && !status;
    mw_err_clear(err);
    return MW_OK;
}

mw_status mw_artifacts_list(const mw_ctx *ctx, mw_artifacts *artifacts, const char *prefix,
                            mw_artifacts_visit visit, void *arg, mw_err *err) {
    mw_status status = check_name(prefix, true, err);
    if (status || !artifacts) return status;
    return list(ctx, artifacts, prefix, visit, arg, err);
}

/* Names of what is to go, before any of it goes: a listing shall not change below itself. */
typedef struct names {
    mw_arena arena;
    const char **items;
    size_t n, room;
} names;

static mw_status keep_name(void *arg, const char *name, mw_err *err) {
    names *all = arg;
    if (all->n == all->room) {
        const size_t room = all->room ? 2 * all->room : 64;
        const char **items = mw_realloc(all->arena.mem, all->items, room * sizeof *items);
        if (!items) return mw_fail_nomem(err, "a list of artifacts");
        all->items = items;
        all->room = room;
    }
    all->items[all->n] = mw_arena_strdup(&all->arena, name);
    return all->items[all->n++] ? MW_OK : mw_fail_nomem(err, "a list of artifacts");
}

mw_status mw_artifacts_remove(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                              mw_err *err) {
    if (!artifacts) return MW_OK;
    const size_t n = strlen(name);
    const bool all_below = n > 0 && name[n - 1] == '/';
    mw_status status = check_name(name, all_below, err);
    if (status) return status;
    if (!all_below) return remove_one(ctx, artifacts, name, err);
    names all = {.n = 0};
    all.items = mw_alloc_array(ctx->mem, 64, sizeof *all.items);
    all.room = 64;
    mw_arena_init(&all.arena, ctx->mem);
    status = all.items ? list(ctx, artifacts, name, keep_name, &all, err)
                       : mw_fail_nomem(err, "a list of artifacts");
    for (size_t i = 0; i < all.n && !status; i++) {
        status = mw_ctx_check(ctx, err);
        if (!status) status = remove_one(ctx, artifacts, all.items[i], err);
    }
    mw_free(all.items);
    mw_arena_done(&all.arena);
    return status;
}

mw_status mw_artifacts_check(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *dir, mw_err *err) {
    static const char local[] = ".artifact-check";
    char name[64];
    const int64_t now = mw_clock_utc(ctx->clock);
    if (!artifacts) return MW_OK;
    (void)snprintf(name, sizeof name, "checks/%016llx",
                   (unsigned long long)mw_hash64(&now, sizeof now));
    mw_status status = mw_file_replace(ctx, dir, local, &now, sizeof now, err);
    if (!status) status = mw_artifacts_put(ctx, artifacts, name, dir, local, err);
    if (!status) status = mw_artifacts_get(ctx, artifacts, name, dir, local, err);
    if (!status) status = mw_artifacts_remove(ctx, artifacts, name, err);
    (void)mw_dir_remove(ctx, dir, local, NULL);
    return status;
}
