/*
 * backend.h -- what a store backend is: one table of functions over records.
 *
 * What      store.c checks arguments, makes ids and error texts, and calls the backend; so a
 * backend only moves records, and every backend refuses the same things.
 * tests/unit/store/conformance.h runs the same scenarios against any of them. Threads   every
 * function may be called from any thread and blocks until its change is durable. Outputs   written
 * only on MW_OK; strings live in the caller's arena. Scope     ctx->org names the organization
 * wherever the record does not.
 */
#ifndef MW_KEEP_STORE_BACKEND_H
#define MW_KEEP_STORE_BACKEND_H

#include "keep/store/store.h"

/* A job that is about to exist. worker NULL: it waits in the queue; else it starts out claimed. */
typedef struct mw_store_new_job {
    const char *id; /* 26 characters */
    const char *kind;
    const char *payload;
    const char *worker;
    int64_t lease_us;
    int32_t priority, max_attempts;
    bool exclusive;
    int64_t max_waiting;
} mw_store_new_job;

typedef struct mw_store_claim {
    const char *id; /* NULL: the next one of any organization; else this one of ctx->org */
    const char *worker;
    int64_t lease_us;
} mw_store_claim;

typedef struct mw_store_renewal {
    const char *id;
    int64_t fence;
    int64_t lease_us;
    double progress;     /* [0, 1] */
    const char *message; /* NULL: as it was */
} mw_store_renewal;

typedef struct mw_store_ending {
    const char *id;
    int64_t fence;
    mw_job_state state; /* RETRY: or FAILURE when no attempt is left, or REVOKED when canceled */
    const char *result;
    const char *error;
} mw_store_ending;

typedef struct mw_store_list {
    const void *items; /* in the arena */
    size_t n;
} mw_store_list;

typedef struct mw_store_backend {
    const char *name;
    const char *prefix; /* of the location; "" takes every location that looks like a path */
    mw_status (*open)(const mw_ctx *ctx, const char *location, void **ret, mw_err *err);
    void (*close)(void *self);
    mw_status (*ping)(const mw_ctx *ctx, void *self, mw_err *err);
    int (*schema_version)(const void *self);
    uint64_t (*change_counter)(void *self);

    mw_status (*org_ensure)(const mw_ctx *ctx, void *self, const char *org, mw_err *err);
    mw_status (*org_exists)(const mw_ctx *ctx, void *self, const char *org, bool *ret, mw_err *err);
    mw_status (*org_list)(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                          mw_err *err);

    mw_status (*config_put)(const mw_ctx *ctx, void *self, const char *config, const char *hash,
                            int32_t *ret_version, mw_err *err);
    mw_status (*config)(const mw_ctx *ctx, void *self, mw_arena *arena, int32_t version,
                        mw_config_record *ret, mw_err *err);

    mw_status (*segments)(const mw_ctx *ctx, void *self, mw_arena *arena, const char *dataset,
                          mw_store_list *ret, mw_err *err);
    mw_status (*dataset_list)(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                              mw_err *err);

    mw_status (*job_create)(const mw_ctx *ctx, void *self, const mw_store_new_job *job,
                            mw_err *err);
    mw_status (*job_claim)(const mw_ctx *ctx, void *self, mw_arena *arena,
                           const mw_store_claim *claim, mw_job_record *ret, mw_err *err);
    mw_status (*job_renew)(const mw_ctx *ctx, void *self, const mw_store_renewal *renewal,
                           bool *canceled, mw_err *err);
    mw_status (*job_finish)(const mw_ctx *ctx, void *self, const mw_store_ending *ending,
                            mw_err *err);
    mw_status (*job_get)(const mw_ctx *ctx, void *self, mw_arena *arena, const char *id,
                         mw_job_record *ret, mw_err *err);
    mw_status (*job_list)(const mw_ctx *ctx, void *self, mw_arena *arena, int32_t limit,
                          mw_store_list *ret, mw_err *err);
    mw_status (*job_running)(const mw_ctx *ctx, void *self, mw_arena *arena, mw_store_list *ret,
                             mw_err *err);
    mw_status (*job_cancel)(const mw_ctx *ctx, void *self, const char *id, mw_err *err);
    mw_status (*job_expire)(const mw_ctx *ctx, void *self, const char *error, int32_t *n,
                            mw_err *err);

    mw_status (*versions)(const mw_ctx *ctx, void *self, mw_arena *arena, const char *model,
                          mw_store_list *ret, mw_err *err);
    mw_status (*production)(const mw_ctx *ctx, void *self, mw_arena *arena, const char *model,
                            mw_version_record *ret, mw_err *err);
    mw_status (*commit)(const mw_ctx *ctx, void *self, const mw_commit *commit, mw_err *err);
    mw_status (*audit)(const mw_ctx *ctx, void *self, const char *principal, const char *action,
                       const char *detail_json, mw_err *err);
} mw_store_backend;

extern const mw_store_backend mw_store__sqlite;

#endif
