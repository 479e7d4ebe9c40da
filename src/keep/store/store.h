/*
 * store.h -- durable records: organizations, configurations, datasets and their segments, jobs, schedules, runs, model versions.
 *
 * What      typed records, no SQL outside this folder. Statements are the same for every database (sql.h); a driver has one. What every store must
 *           pass is tests/unit/store/conformance.h.
 * Threads   any thread may call; a call blocks until its change is on disk (group commit: writes that wait together share one fsync) and must
 *           therefore never be made on an HTTP loop.
 * Errors    MW_ENOTFOUND, MW_ECONFLICT (fenced out, already there, busy), MW_EIO, MW_EDATA (newer schema).
 * Memory    records are filled into an arena of the caller; strings live as long as it does.
 * Time      int64 us UTC from the context's clock.
 */
#ifndef MW_KEEP_STORE_STORE_H
#define MW_KEEP_STORE_STORE_H

#include "core/base/arena.h"
#include "core/base/ctx.h"
#include "core/base/durations.h"
#include "core/base/str.h"

typedef struct mw_store mw_store;

/* location: a file path (SQLite) or postgresql://..., created and migrated forward. One process may hold it several
 * times. */
mw_status mw_store_open(const mw_ctx *ctx, const char *location, mw_store **ret, mw_err *err);
void *mw_store_close(mw_store *store);
/* MW_OK when a write reaches the disk: what /health asks. */
mw_status mw_store_ping(const mw_ctx *ctx, mw_store *store, mw_err *err);
int mw_store_schema_version(const mw_store *store);
/* A counter that has changed once this handle has changed the store, and soon after another one has: cheap (5 us) to poll for caches. Lease renewals,
 * progress, pings and audit entries do not count. Counters of two handles tell different numbers. */
uint64_t mw_store_change_counter(mw_store *store);
/* The same for those who ask with every request (50 ns): changes of this handle count at once, those of others within MW_STORE_VERSION_US and the time that
 * the counter takes to tell. False where the database would have to be asked and !may_ask: *ret is not written. Only equal numbers say anything. */
enum { MW_STORE_VERSION_US = 20000 };
bool mw_store_version(mw_store *store, bool may_ask, uint64_t *ret);
/* changed(arg) is called, from a thread of the store's, soon after another process has changed something, where the database tells; the counter must be
 * looked at all the same, more rarely. One at a time; NULL: none. Once this returns, the one before is not called any more. */
void mw_store_on_change(mw_store *store, void (*changed)(void *arg), void *arg);
/* written(arg) is called after each write of this handle, those that do not count as changes, too, once it is durable, on the thread that made it: it must be
 * short and must not call the store. One at a time; NULL: none. Once this returns, the one before is not called any more. */
void mw_store_on_write(mw_store *store, void (*written)(void *arg), void *arg);

/*
 * mw_store_set_home -- jobs that this handle makes are for handles of the same home, as their files are there; it claims those, and jobs that have none.
 *
 * home: less than MW_STORE_HOME bytes; "", as it is at first: none. Before any other thread has the handle.
 */
enum { MW_STORE_HOME = 40 };
void mw_store_set_home(mw_store *store, const char *home);
const char *mw_store_home(const mw_store *store); /* borrowed */

/* ---- what doctor asks ---- */
typedef struct mw_store_facts {
    char version[64];  /* of SQLite, or of the database server */
    int64_t newest_us; /* when the newest record was made, by the clock of then; 0: there is none */
    /* Whether the server keeps what it has acknowledged, also when its power goes; always true for SQLite. */
    bool fsync, full_page_writes, synchronous_commit;
    int64_t connections_most, connections_used; /* of the server, all its clients; 0: not counted */
} mw_store_facts;
mw_status mw_store_read_facts(const mw_ctx *ctx, mw_store *store, mw_store_facts *ret, mw_err *err);

/* ---- copies of the embedded store ---- */

/*
 * mw_store_copy -- the store as it is at one moment, as a file of its own.
 *
 *   path     of a file in a folder that is there; replaced, and durable on MW_OK; without a write-ahead log
 * Writers go on meanwhile: the copy reads one snapshot. Only the log is not cut until it has ended.
 * Cost      a read and a write of every page, with a look at ctx each MiB.
 * Errors    MW_EUNSUPPORTED: PostgreSQL has tools of its own; MW_EIO: the disk; MW_ECANCELED. Nothing is left at path then.
 */
mw_status mw_store_copy(const mw_ctx *ctx, mw_store *store, const char *path, mw_err *err);

/* Reads all of a file that mw_store_copy wrote, and changes nothing: MW_EDATA when it is damaged, another program's or of a newer schema. */
mw_status mw_store_check_copy(const mw_ctx *ctx, const char *path, int *ret_schema, mw_err *err);

/* Until it is released nobody else can open the file at path, which is there. MW_EBUSY: somebody has it open. */
typedef struct mw_store_hold mw_store_hold;
mw_status mw_store_hold_file(const mw_ctx *ctx, const char *path, mw_store_hold **ret, mw_err *err);
void *mw_store_hold_free(mw_store_hold *hold); /* NULL is allowed */

/* ---- how the store does, for /metrics ---- */
typedef enum mw_store_access {
    MW_STORE_READ,
    MW_STORE_WRITE,
    MW_STORE_QUIET, /* a write that no cache cares about: lease, progress, ping, audit */
    MW_STORE_ACCESSES
} mw_store_access;

/* Of this handle, since it was opened. A call that ends with a refusal (not found, conflict, canceled) took time as any other and is no failure. */
typedef struct mw_store_meter {
    mw_durations
        latency[MW_STORE_ACCESSES]; /* from the call to its durable end, waiting included */
    _Atomic int64_t failed[MW_STATUS_COUNT]; /* by code; those of refusals stay 0 */
} mw_store_meter;

const mw_store_meter *mw_store_meter_of(const mw_store *store); /* borrowed; any thread */
const char *mw_store_kind(const mw_store *store);               /* "sqlite" | "postgresql" */
/* The account of what the embedded store's library allocates, all handles together. */
const mw_mem *mw_store_mem(void);

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

enum { MW_CONFIG_ANY = -1 };
/*
 * mw_store_config_put -- becomes the newest version of ctx->org, which is made if need be.
 *
 *   over     the version that must be the newest one until then, whoever else writes; 0: there must be none; MW_CONFIG_ANY: it does not matter
 *   config   checked by the caller; a text that is the newest one already gets no new version
 * Errors    MW_ECHANGED: another version is the newest one.
 */
mw_status mw_store_config_put(const mw_ctx *ctx, mw_store *store, int32_t over, const char *config,
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
    int64_t not_before_us;               /* not claimed earlier: back-off; 0: at once */
    int64_t time_limit_us, memory_bytes; /* of one attempt; 0: the server's */
    int64_t revision;                    /* grows with every change of this record */
    int32_t n_waits;                     /* jobs that must succeed before this one is claimed */
    double progress;                     /* 0..1 */
    const char *message;                 /* stage, for people */
    const char *payload;                 /* JSON of prepare */
    const char *result;                  /* JSON, or NULL */
    const char *error;                   /* JSON {code, message, hint}, or NULL */
    const char *
        log; /* the latest lines, each ending in a newline, or NULL; only mw_store_job_get reads it */
    int64_t n_log_lines;   /* of this attempt, with those that are no longer in `log` */
    bool cancel_requested; /* somebody asked a running job to stop */
    bool is_dead;          /* its workers died in all its attempts */
} mw_job_record;

enum { MW_STORE_PRIORITY = 100, MW_STORE_CLAIM_MOST = 256 };

/* Who asked for a job. */
typedef struct mw_job_audit {
    const char *principal, *action;
    const char *request_id; /* NULL: none */
} mw_job_audit;

typedef struct mw_job_new {
    const char *kind, *payload;
    int32_t priority;     /* larger first, from -MW_STORE_PRIORITY to MW_STORE_PRIORITY */
    int32_t max_attempts; /* how often it may be started; 0: once */
    bool exclusive;       /* at most one unfinished job of this kind in the organization */
    const char *
        worker; /* born claimed by it (STARTED, fence 1), so that no other can take it in between; NULL: waits */
    int64_t lease_us; /* of the worker */
    int64_t time_limit_us, memory_bytes;
    const char *home; /* NULL: the handle's, if it has one */
    const char *const
        *after; /* [n_after] ids of jobs of the organization that must have succeeded; NULL */
    int32_t n_after;
    const mw_job_audit *
        audit; /* an entry of the audit log that comes with the job, in the same transaction; NULL: none */
    int32_t
        copies; /* so many of them, in one transaction; 0: one. More: neither exclusive, nor born claimed, nor after others */
} mw_job_new;

/* MW_ECONFLICT: another one is open and it is exclusive, or one of `after` has failed. Over MW_LIMIT(QUEUED_JOBS) waiting: MW_EBUSY; they are counted once
 * a second and more often when room is short, so many who ask at once may get a few more. MW_ENOTFOUND:
 * no such job in `after`. id_out [32]; of copies the last one's. */
mw_status mw_store_job_create(const mw_ctx *ctx, mw_store *store, const mw_job_new *job,
                              char *id_out, mw_err *err);
/* The next PENDING or RETRY job of any organization that may start now (larger priority first, then the organization
 * with the fewest running jobs, then the one served longest ago, then age), or the named one of
 * ctx->org; state STARTED, fence + 1, attempts + 1, lease set. MW_ENOTFOUND: nothing to do, or no
 * such job; MW_ECONFLICT: the named one runs already, is final, or waits for others. */
mw_status mw_store_job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             const char *id_or_null, const char *worker, int64_t lease_us,
                             mw_job_record *ret, mw_err *err);

/* What may be claimed at once. */
typedef struct mw_job_want {
    const char *worker;
    int64_t lease_us;
    const char *const *light; /* kinds, ended by NULL: of these several may come; NULL: none */
    int32_t most;             /* from 1 to MW_STORE_CLAIM_MOST */
} mw_job_want;

/*
 * mw_store_job_claim_some -- the next job, as mw_store_job_claim(NULL) gives it, and those that it would give then, one after the other, when each has
 * ended before the next one is asked for: as long as they are of the same organization and of a light kind, as the first one is.
 *
 *   ret    [*n] in that order, 1 <= *n <= want->most; in the arena
 * Errors    MW_ENOTFOUND: nothing to do.
 */
mw_status mw_store_job_claim_some(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                  const mw_job_want *want, const mw_job_record **ret, size_t *n,
                                  mw_err *err);
/* When the earliest waiting job may start, that waits for no other; INT64_MAX: there is none. */
mw_status mw_store_job_due(const mw_ctx *ctx, mw_store *store, int64_t *ret_us, mw_err *err);

typedef struct mw_job_counts {
    int64_t
        open[MW_JOB_REVOKED + 1]; /* by state; of final states 0: those are kept, and not counted */
    int64_t dead;                 /* FAILURE because its workers died in all attempts */
    int64_t oldest_waiting_us;    /* when it was made; 0: none waits */
} mw_job_counts;
/* Of all organizations. Cost: O(open jobs + dead jobs). */
mw_status mw_store_job_counts(const mw_ctx *ctx, mw_store *store, mw_job_counts *ret, mw_err *err);

typedef struct mw_job_renewal {
    const char *id;
    int64_t fence, lease_us;
    double progress;     /* [0, 1] */
    const char *message; /* NULL: as it was */
    const char *log;     /* NULL: as it was */
    int64_t n_log_lines;
} mw_job_renewal;

/* Extends the lease and records progress; MW_ECONFLICT when fenced out or
 * already final; *canceled tells that somebody asked for cancellation. A lease that ran out can be
 * renewed until somebody has taken the job away: the fence decides, not the clock. */
mw_status mw_store_job_renew(const mw_ctx *ctx, mw_store *store, const mw_job_renewal *renewal,
                             bool *canceled, mw_err *err);
/* Appends {"code","message","hint"[,"pointer"]} of an error: the form of mw_job_record.error. */
mw_status mw_store_error_json(mw_buf *out, const mw_err *error, mw_err *err);
/* Final or RETRY state without other changes. RETRY becomes REVOKED when cancellation was asked
 * for, and FAILURE (is_dead) when no attempt is left; else it waits 0.5 s before its second attempt, and four times longer each time, two minutes at most.
 * What runs after a job that ends without success fails, too. MW_ECONFLICT when fenced out. */
mw_status mw_store_job_finish(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                              mw_job_state state, const char *result, const char *error,
                              mw_err *err);
/* RETRY at once, and the attempt does not count: the worker stops, the job did nothing wrong. */
mw_status mw_store_job_release(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                               const char *error, mw_err *err);

typedef struct mw_job_end {
    const char *id;
    int64_t fence;
    mw_job_state state; /* SUCCESS | FAILURE | RETRY: as mw_store_job_finish */
    bool released;      /* with RETRY: as mw_store_job_release */
    const char *result, *error;
    mw_status status;   /* written: MW_OK, or why it is not recorded: MW_ECONFLICT, MW_ENOTFOUND */
    mw_job_state ended; /* written with MW_OK: what the job is now */
} mw_job_end;

/* mw_store_job_finish or _release for each of ctx->org, in one transaction; what is refused to one does not touch the others. On an error nothing is recorded. */
mw_status mw_store_job_end_all(const mw_ctx *ctx, mw_store *store, mw_job_end *ends, size_t n,
                               mw_err *err);
mw_status mw_store_job_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                           mw_job_record *ret,
                           mw_err *err); /* only of ctx->org, else MW_ENOTFOUND */

typedef struct mw_job_filter {
    int32_t limit;      /* >= 1 */
    const char *state;  /* a name of a state; NULL: any */
    const char *kind;   /* NULL: any */
    const char *before; /* older than this job; NULL: from the newest on */
    bool dead;          /* only those whose workers died in all attempts */
} mw_job_filter;
/* Newest first. */
mw_status mw_store_job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const mw_job_filter *filter, const mw_job_record **ret, size_t *n,
                            mw_err *err);
/* Every claimed job of every organization, oldest first: what a starting server looks through. */
mw_status mw_store_job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_job_record **ret, size_t *n, mw_err *err);
/* Of those the ones that somebody asked to stop. */
mw_status mw_store_job_stopping(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const mw_job_record **ret, size_t *n, mw_err *err);
/* PENDING and RETRY become REVOKED; a running one is asked to stop. MW_ECONFLICT when already
 * final. */
mw_status mw_store_job_cancel(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err);
/* A FAILURE or REVOKED job waits again, with all its attempts. MW_ECONFLICT: it is open or a success, or runs after one that failed, or is exclusive and
 * another one is open. */
mw_status mw_store_job_retry(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err);
/* Jobs whose lease ran out (any organization): as mw_store_job_finish with RETRY and `reason`. */
mw_status mw_store_job_expire(const mw_ctx *ctx, mw_store *store, const char *reason, int32_t *n,
                              mw_err *err);

/* ---- schedules: jobs that are made again and again ---- */
#define MW_SCHEDULE_NEVER INT64_MAX

typedef struct mw_schedule_record {
    const char *org, *id;         /* 26 characters, sortable by creation time */
    const char *name;             /* for people */
    const char *cron, *zone;      /* an expression (core/text/cron.h) and the zone of its clock */
    const char *kind, *payload;   /* of its jobs */
    bool paused;                  /* never due */
    int64_t next_us;              /* when it is due; MW_SCHEDULE_NEVER */
    int64_t last_us;              /* the due time that it was fired for last; 0: never */
    int64_t created_us, revision; /* 1, and 1 more with every put */
} mw_schedule_record;

/*
 * id NULL: a new schedule of ctx->org (over MW_LIMIT(SCHEDULES): MW_EBUSY); else that one is replaced, and fires at next_us next (MW_ENOTFOUND;
 * MW_ECONFLICT when `revision` is neither 0 nor its present one). `name`, `cron`, `zone`, `kind`, `payload`, `paused` and `next_us` are read; what the
 * expression and the zone mean is checked by the caller. id_out [32].
 */
mw_status mw_store_schedule_put(const mw_ctx *ctx, mw_store *store,
                                const mw_schedule_record *schedule, char *id_out, mw_err *err);
/* These three are of ctx->org. MW_ENOTFOUND. */
mw_status mw_store_schedule_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                                mw_schedule_record *ret, mw_err *err);
mw_status mw_store_schedule_delete(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err);
/* Oldest first. */
mw_status mw_store_schedule_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                 const mw_schedule_record **ret, size_t *n, mw_err *err);

typedef struct mw_schedule_window {
    int64_t from_us, until_us;       /* of next_us, both included */
    const mw_schedule_record *after; /* the last one of the page before, or NULL */
    int32_t limit;                   /* >= 1 */
} mw_schedule_window;

/* Schedules of any organization that are not paused, the earliest first: a page of at most `limit`. */
mw_status mw_store_schedule_due(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const mw_schedule_window *window, const mw_schedule_record **ret,
                                size_t *n, mw_err *err);
/* When the first one of them is due; MW_SCHEDULE_NEVER: none. */
mw_status mw_store_schedule_earliest(const mw_ctx *ctx, mw_store *store, int64_t *ret_us,
                                     mw_err *err);

typedef struct mw_firing {
    const char *org, *id;
    int64_t due_us, next_us; /* what next_us is now, and what it becomes */
    const mw_job_new *
        job; /* neither exclusive nor born claimed, after no others; NULL: none is made, and last_us stays */
} mw_firing;

/*
 * In one transaction: the job is made, and the schedule goes on to next_us. MW_ECONFLICT: it is not due at due_us any more (somebody has fired, paused or
 * changed it); so each due time has one job, whoever tries, however often. MW_ENOTFOUND; MW_EBUSY when too many jobs wait: it stays due. id_out [32].
 */
mw_status mw_store_schedule_fire(const mw_ctx *ctx, mw_store *store, const mw_firing *firing,
                                 char *id_out, mw_err *err);

/* ---- leases: who of several processes does what one of them should do ---- */

/*
 * mw_store_lease_take -- `holder` has the lease of that name for lease_us from now on; *ret_fence grows with each taking.
 *
 * A lease saves work; nothing may be wrong when two processes believe that they hold it, which a clock that is set can bring about. One that ends more than
 * two terms ahead was given by a clock that has been set back since, and may be taken. Costs no write when another one holds it: MW_ECONFLICT.
 */
mw_status mw_store_lease_take(const mw_ctx *ctx, mw_store *store, const char *name,
                              const char *holder, int64_t lease_us, int64_t *ret_fence,
                              mw_err *err);
/* MW_ECONFLICT: it has been taken or given back since. One that ran out can be renewed until then: the fence decides, not the clock. */
mw_status mw_store_lease_renew(const mw_ctx *ctx, mw_store *store, const char *name, int64_t fence,
                               int64_t lease_us, mw_err *err);
mw_status mw_store_lease_release(const mw_ctx *ctx, mw_store *store, const char *name,
                                 int64_t fence, mw_err *err);

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

/* ---- API keys: who may ask over HTTP ---- */
typedef struct mw_key_record {
    const char *id;   /* the part of a key that is no secret */
    const char *org;  /* "*": every organization */
    const char *name; /* for people */
    const char *role; /* "viewer", "operator", "trainer", "admin" */
    const char *hash; /* of the secret, hexadecimal */
    int64_t created_us, expires_us, revoked_us,
        last_used_us; /* 0: never; last_used_us to a minute */
} mw_key_record;

/* `id`, `org`, `name`, `role`, `hash`, `expires_us` are read. Over MW_LIMIT(API_KEYS): MW_EBUSY. MW_ECONFLICT: the id is taken. */
mw_status mw_store_key_create(const mw_ctx *ctx, mw_store *store, const mw_key_record *key,
                              mw_err *err);
/* Of one organization, or NULL: all; oldest first, revoked ones too. */
mw_status mw_store_key_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *org_or_null, const mw_key_record **ret, size_t *n,
                            mw_err *err);
/* A number that is another one once a key was made or revoked, by whichever process; uses do not count. One row is read. */
mw_status mw_store_key_counter(const mw_ctx *ctx, mw_store *store, int64_t *ret, mw_err *err);
/* Now, if it is not revoked yet. org_or_null as above. MW_ENOTFOUND. */
mw_status mw_store_key_revoke(const mw_ctx *ctx, mw_store *store, const char *org_or_null,
                              const char *id, mw_err *err);
mw_status mw_store_key_used(const mw_ctx *ctx, mw_store *store, const char *id, int64_t used_us,
                            mw_err *err);

/* ---- audit: each use of power, in ctx->org ---- */
typedef struct mw_audit_record {
    int64_t seq, at_us;
    const char *principal, *action;
    const char *detail; /* JSON object */
} mw_audit_record;

/* Appends the detail of an entry: {"outcome"[,"request_id"][,"job_id"]}. */
void mw_store_audit_detail(mw_buf *out, const char *outcome, const char *request_id,
                           const char *job_id);
mw_status mw_store_audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                         const char *action, const char *detail_json, mw_err *err);
/* Newest first, older than entry before_seq (0: from the newest on). limit >= 1. */
mw_status mw_store_audit_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              int64_t before_seq, int32_t limit, const mw_audit_record **ret,
                              size_t *n, mw_err *err);

#endif
