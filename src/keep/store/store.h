/*
 * store.h -- durable records: organizations, configurations, datasets and their segments, jobs, runs, model
 * versions.
 *
 * What      typed records, no SQL outside this folder. A backend is one table of functions
 *           (backend.h); SQLite is the first. tests/unit/store/conformance.h is what every backend
 * must pass. Threads   any thread may call; a call blocks until its change is on disk (group
 * commit: writes that wait together share one fsync) and must therefore never be made on an HTTP
 * loop. Errors    MW_ENOTFOUND, MW_ECONFLICT (fenced out, already there, busy), MW_EIO, MW_EDATA
 * (newer schema). Memory    records are filled into an arena of the caller; strings live as long as
 * it does. Time      int64 us UTC from the context's clock.
 */
#ifndef MW_KEEP_STORE_STORE_H
#define MW_KEEP_STORE_STORE_H

#include "core/base/arena.h"
#include "core/base/ctx.h"
#include "core/base/str.h"

typedef struct mw_store mw_store;

/* location: a file path (SQLite; created and migrated forward). One process may hold it several
 * times. */
mw_status mw_store_open(const mw_ctx *ctx, const char *location, mw_store **ret, mw_err *err);
void *mw_store_close(mw_store *store);
/* MW_OK when a write reaches the disk: what /health asks. */
mw_status mw_store_ping(const mw_ctx *ctx, mw_store *store, mw_err *err);
int mw_store_schema_version(const mw_store *store);
/* A counter that changes whenever any process changes the store: cheap (5 us) to poll for caches.
 * Lease renewals, progress, pings and audit entries do not count. */
uint64_t mw_store_change_counter(mw_store *store);

/* ---- organizations ---- */
mw_status mw_store_org_ensure(const mw_ctx *ctx, mw_store *store, const char *org, mw_err *err);
mw_status mw_store_org_exists(const mw_ctx *ctx, mw_store *store, const char *org, bool *ret,
                              mw_err *err);
mw_status mw_store_org_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *const **ret, size_t *n, mw_err *err);

/* ---- feature configurations: each organization's, in versions ---- */
typedef struct mw_config_record {
    int32_t version;    /* 1, 2, ... within the organization */
    const char *hash;   /* of what it computes: the feature program's */
    const char *config; /* JSON, as it was given */
    int64_t created_us;
} mw_config_record;

/* Becomes the newest version of ctx->org, which is made if need be; a text that is the newest one already gets no new
 * version. `config` is checked by the caller. */
mw_status mw_store_config_put(const mw_ctx *ctx, mw_store *store, const char *config,
                              const char *hash, int32_t *ret_version, mw_err *err);
/* version 0: the newest one. MW_ENOTFOUND: the organization has none, or not that one. */
mw_status mw_store_config(const mw_ctx *ctx, mw_store *store, mw_arena *arena, int32_t version,
                          mw_config_record *ret, mw_err *err);

/* ---- datasets: each source file of a dataset has one live segment, or several: its parts ---- */
typedef struct mw_segment_record {
    const char *dataset;
    const char *source; /* file name it came from: identity within the dataset */
    int32_t part;       /* 0, 1, ...: which of the source's segments, in the order of its rows */
    const char *content_hash; /* of the source's bytes; the same for all its parts */
    const char *file;         /* segment file name, unique within the dataset */
    const char *rejects;      /* rejects file name, or NULL */
    const char *quality;      /* file name of the flagged windows, or NULL */
    const char *layout;       /* "long" | "wide" */
    /* What is said of the source as a whole stands in part 0 and is 0 (NULL: rejects, quality) in the others. */
    int64_t bytes, n_lines, n_rejected, n_collisions, n_duplicates, n_late;
    int64_t n_rows, first_us, last_us; /* of this part */
    int64_t added_us;
} mw_segment_record;

/* Live segments of a dataset, ordered by (first_us, source, part). MW_ENOTFOUND when the dataset has
 * never been made. */
mw_status mw_store_segments(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *dataset, const mw_segment_record **ret, size_t *n,
                            mw_err *err);
mw_status mw_store_dataset_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const char *const **ret, size_t *n, mw_err *err);

/* ---- jobs ---- */
typedef enum mw_job_state {
    MW_JOB_PENDING,
    MW_JOB_STARTED,
    MW_JOB_PROGRESS,
    MW_JOB_RETRY,
    MW_JOB_SUCCESS,
    MW_JOB_FAILURE,
    MW_JOB_REVOKED
} mw_job_state;

const char *mw_job_state_name(mw_job_state state); /* "PENDING", ... */
bool mw_job_state_final(mw_job_state state);

typedef struct mw_job_record {
    const char *id; /* 26 characters, sortable by creation time */
    const char *org;
    const char *kind; /* operation name */
    mw_job_state state;
    int32_t attempts, max_attempts, priority;
    int64_t fence;          /* grows with every claim; a holder of an older one is refused */
    int64_t lease_until_us; /* 0: not claimed */
    const char *worker;     /* who holds it, or NULL */
    int64_t created_us, started_us, finished_us;
    double progress;       /* 0..1 */
    const char *message;   /* stage, for people */
    const char *payload;   /* JSON of prepare */
    const char *result;    /* JSON, or NULL */
    const char *error;     /* JSON {code, message, hint}, or NULL */
    bool cancel_requested; /* somebody asked a running job to stop */
} mw_job_record;

/* exclusive: at most one unfinished job of this kind in the organization, else MW_ECONFLICT naming
 * it. Over MW_LIMIT(QUEUED_JOBS) waiting: MW_EBUSY. id_out [32]. */
mw_status mw_store_job_create(const mw_ctx *ctx, mw_store *store, const char *kind,
                              const char *payload, int32_t priority, int32_t max_attempts,
                              bool exclusive, char *id_out, mw_err *err);
/* Like mw_store_job_create, but the job is born claimed by `worker` (STARTED, fence 1): for a
 * process that runs it itself, so that no other can take it in between. */
mw_status mw_store_job_create_claimed(const mw_ctx *ctx, mw_store *store, const char *kind,
                                      const char *payload, const char *worker, int64_t lease_us,
                                      bool exclusive, char *id_out, mw_err *err);
/* The next PENDING or RETRY job of any organization (larger priority first, then the organization
 * with the fewest running jobs, then the one served longest ago, then age), or the named one of
 * ctx->org; state STARTED, fence + 1, attempts + 1, lease set. MW_ENOTFOUND: nothing to do, or no
 * such job; MW_ECONFLICT: the named one runs already or is final. */
mw_status mw_store_job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             const char *id_or_null, const char *worker, int64_t lease_us,
                             mw_job_record *ret, mw_err *err);
/* Extends the lease and records progress (message NULL: as it was); MW_ECONFLICT when fenced out or
 * already final; *canceled tells that somebody asked for cancellation. A lease that ran out can be
 * renewed until somebody has taken the job away: the fence decides, not the clock. */
mw_status mw_store_job_renew(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                             int64_t lease_us, double progress, const char *message, bool *canceled,
                             mw_err *err);
/* Appends {"code","message","hint"[,"pointer"]} of an error: the form of mw_job_record.error. */
mw_status mw_store_error_json(mw_buf *out, const mw_err *error, mw_err *err);
/* Final or RETRY state without other changes. RETRY becomes REVOKED when cancellation was asked
 * for, and FAILURE when no attempt is left. MW_ECONFLICT when fenced out. */
mw_status mw_store_job_finish(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                              mw_job_state state, const char *result, const char *error,
                              mw_err *err);
mw_status mw_store_job_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                           mw_job_record *ret,
                           mw_err *err); /* only of ctx->org, else MW_ENOTFOUND */
mw_status mw_store_job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, int32_t limit,
                            const mw_job_record **ret, size_t *n, mw_err *err); /* newest first */
/* Every claimed job of every organization, oldest first: what a starting server looks through. */
mw_status mw_store_job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_job_record **ret, size_t *n, mw_err *err);
/* PENDING and RETRY become REVOKED; a running one is asked to stop. MW_ECONFLICT when already
 * final. */
mw_status mw_store_job_cancel(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err);
/* Jobs whose lease ran out (any organization): RETRY while attempts remain, else FAILURE with
 * `reason` (or REVOKED when cancellation was asked for). */
mw_status mw_store_job_expire(const mw_ctx *ctx, mw_store *store, const char *reason, int32_t *n,
                              mw_err *err);

/* ---- models: versions made by runs ---- */
typedef struct mw_version_record {
    const char *model; /* "baseline" */
    int32_t version;   /* 1, 2, ... within (organization, model) */
    const char *run_id;
    const char *job_id;
    int64_t created_us;
    const char
        *folder; /* name below models/{model}/versions/; NULL in a commit: the version number */
    const char *sha256;  /* of model.onnx or state.arrow */
    const char *metrics; /* JSON object */
    const char *params;  /* JSON object */
    const char *data_hash;
    bool production; /* at most one per (organization, model); set in a commit: moves here */
} mw_version_record;

/* model NULL: all. Ordered by model, then newest first. */
mw_status mw_store_versions(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *model,
                            const mw_version_record **ret, size_t *n, mw_err *err);
mw_status mw_store_production(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              const char *model, mw_version_record *ret, mw_err *err);

/* ---- the one fenced transaction that ends an operation ---- */
typedef struct mw_commit {
    const char *job_id; /* NULL: no job stands behind it */
    int64_t fence;
    const char *result;                /* JSON of the job */
    const char *dataset;               /* created when missing; NULL: none is touched */
    const mw_segment_record *segments; /* [n_segments]: those of a source replace all live ones of
                                        * that source; `dataset` is not read; added_us 0: now */
    size_t n_segments;
    const mw_version_record
        *versions; /* [n_versions]: the version number is given out here; production
                    * moves to those that have it set; created_us 0: now */
    size_t n_versions;
    int32_t *ret_versions; /* [n_versions] written: the numbers given, or NULL */
} mw_commit;

/* All or nothing; the job becomes SUCCESS. MW_ECONFLICT when fenced out: nothing has changed. */
mw_status mw_store_commit(const mw_ctx *ctx, mw_store *store, const mw_commit *commit, mw_err *err);

/* ---- audit ---- */
mw_status mw_store_audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                         const char *action, const char *detail_json, mw_err *err);

#endif
