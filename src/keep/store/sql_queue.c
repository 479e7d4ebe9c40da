/*
 * sql_queue.c -- who works on jobs: claims, leases, fences, and how a job ends.
 *
 * Lease and fence as in Burrows, "The Chubby lock service" (OSDI 2006), section 2.4: every claim
 * raises the fence, and every later word about the job must carry the fence of the latest claim
 * while the job runs. A lease that ran out may still be renewed until somebody takes the job away:
 * the fence decides, never a clock alone.
 */
#include <stdio.h>
#include <string.h>

#include "keep/store/sql_jobs.h"

enum { CANDIDATES = 16, EXPIRED_AT_ONCE = 256 };

/* ---- fences ---- */

static mw_status check_fence(mw_sql *db, const mw_ctx *ctx, const char *id, int64_t fence,
                             mw_sql__job_brief *ret, mw_err *err) {
    mw_status status = mw_sql__job_look(db, ctx, id, ret, err);
    if (status != MW_OK || (ret->running && ret->fence == fence)) return status;
    if (ret->final) return mw_fail(err, MW_ECONFLICT, "job %s has already ended", id);
    return mw_fail(err, MW_ECONFLICT, "the lease of job %s was lost to another worker", id);
}

mw_status mw_sql__job_fenced(mw_sql *db, const mw_ctx *ctx, const char *id, int64_t fence,
                             mw_err *err) {
    mw_sql__job_brief brief;
    return check_fence(db, ctx, id, fence, &brief, err);
}

/* ---- claim ---- */

mw_status mw_sql__job_take(mw_sql *db, const mw_ctx *ctx, const char *id, const char *worker,
                           int64_t lease_us, mw_err *err) {
    int64_t now = mw_clock_utc(ctx->clock);
    mw_query query;
    mw_query_start(&query, db, MW_SQL_TAKE " WHERE id = ?4", NULL, err);
    mw_query_int(&query, now + lease_us);
    mw_query_text(&query, worker);
    mw_query_int(&query, now);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

/*
 * Of the wall clock nothing is certain but that no pause is longer than 120 s and no lease longer than an hour: what lies further ahead was
 * written before somebody set the clock back, and must not wait for that time to come again.
 */
#define NOT_NOW(column, most) "(" column " <= ?1 OR " column " > ?1 + " most ")"
#define LONGEST_PAUSE_US 120000000
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
/* ?3: the home of who asks; a job that has one is for those of the same. */
#define READY                                                                       \
    MW_SQL_WAITING " AND n_waits = 0 AND (home IS NULL OR home = ?3) AND " NOT_NOW( \
        "not_before_us", TEXT(LONGEST_PAUSE_US))
#define RAN_OUT MW_SQL_RUNNING " AND " NOT_NOW("lease_until_us", "3600000000")
#define BEST_FIRST " ORDER BY priority DESC, seq"

#define N_RUNNING "(SELECT count(*) FROM jobs r WHERE r.org = o.org AND r." MW_SQL_RUNNING ")"

/* Organizations by the priority of their best job, then with the fewest running jobs, then the one that has waited longest for a turn, then with the
 * oldest job. */
static const char SQL_TURNS[] =
    "SELECT o.org, j.priority, " N_RUNNING " FROM orgs o JOIN jobs j"
    " ON j.seq = (SELECT seq FROM jobs WHERE org = o.org AND " READY BEST_FIRST " LIMIT 1)"
    " ORDER BY j.priority DESC, " N_RUNNING ","
    " (SELECT coalesce(max(t.turn), 0) FROM jobs t WHERE t.org = o.org), j.seq LIMIT ?2";

static const char SQL_BEST[] =
    "SELECT id, kind, priority FROM jobs WHERE org = ?2 AND " READY BEST_FIRST
    " LIMIT ?4 /*pg FOR UPDATE SKIP LOCKED*/";

typedef struct candidate {
    char org[80];
    int64_t priority, n_running;
} candidate;

typedef struct candidates {
    candidate of[CANDIDATES];
    int n;
} candidates;

typedef struct claim_request {
    const char *id; /* NULL: the next ones */
    const mw_job_want *want;
    const char *home; /* jobs of others are left to them; "" has none */
    mw_arena *arena;
    mw_job_record *jobs; /* [n], in the arena */
    size_t n;
} claim_request;

/* Jobs that are claimed together, in their order. */
typedef struct picked {
    char ids[MW_STORE_CLAIM_MOST][32];
    int n;
    bool light;
} picked;

static mw_status find_turns(mw_sql *db, int64_t now, const char *home, candidates *ret,
                            mw_err *err) {
    mw_query query;
    ret->n = 0;
    mw_query_start(&query, db, SQL_TURNS, NULL, err);
    mw_query_int(&query, now);
    mw_query_int(&query, CANDIDATES);
    mw_query_text(&query, home);
    while (ret->n < CANDIDATES && mw_query_row(&query)) {
        candidate *c = &ret->of[ret->n++];
        mw_query_copy_text(&query, c->org, sizeof c->org);
        c->priority = mw_query_get_int(&query);
        c->n_running = mw_query_get_int(&query);
    }
    return mw_query_end(&query);
}

static bool is_light(const mw_job_want *want, const char *kind) {
    for (const char *const *light = want->light; light && *light; light++)
        if (strcmp(*light, kind) == 0) return true;
    return false;
}

/* Whether an organization whose turn is over has the next one, too, with a job of this priority: when it had as few running jobs
 * as it has now. */
static bool stays_first(const candidate *own, int64_t priority, const candidate *rival) {
    if (!rival || priority != rival->priority) return !rival || priority > rival->priority;
    return own->n_running < rival->n_running;
}

static mw_status pick_of(mw_sql *db, int64_t now, const claim_request *request,
                         const candidate *own, const candidate *rival, int most, picked *ret,
                         mw_err *err) {
    mw_query query;
    ret->n = 0;
    ret->light = true;
    mw_query_start(&query, db, SQL_BEST, NULL, err);
    mw_query_int(&query, now);
    mw_query_text(&query, own->org);
    mw_query_text(&query, request->home);
    mw_query_int(&query, most);
    while (ret->light && ret->n < most && mw_query_row(&query)) {
        char kind[80], id[32];
        mw_query_copy_text(&query, id, sizeof id);
        mw_query_copy_text(&query, kind, sizeof kind);
        const int64_t priority = mw_query_get_int(&query);
        const bool light = is_light(request->want, kind);
        if (ret->n > 0 && (!light || !stays_first(own, priority, rival))) break;
        memcpy(ret->ids[ret->n++], id, sizeof id);
        ret->light = light;
    }
    return mw_query_end(&query);
}

/* Where another one is faster, the next organization has its turn. Only of a light kind more than one is looked at, and locked. */
static mw_status pick_next(mw_sql *db, const mw_ctx *ctx, const claim_request *request, picked *ret,
                           char org[80], mw_err *err) {
    const int64_t now = mw_clock_utc(ctx->clock);
    candidates turns;
    mw_status status = find_turns(db, now, request->home, &turns, err);
    ret->n = 0;
    for (int i = 0; i < turns.n && status == MW_OK && ret->n == 0; i++) {
        const candidate *rival = i + 1 < turns.n ? &turns.of[i + 1] : NULL;
        status = pick_of(db, now, request, &turns.of[i], rival, 1, ret, err);
        if (status == MW_OK && ret->n == 1 && ret->light && request->want->most > 1)
            status = pick_of(db, now, request, &turns.of[i], rival, request->want->most, ret, err);
        mw_str_copy(org, 80, mw_str_of(turns.of[i].org));
    }
    return status == MW_OK && ret->n == 0 ? mw_fail(err, MW_ENOTFOUND, "no job is waiting")
                                          : status;
}

static mw_status check_waiting(mw_sql *db, const mw_ctx *ctx, const char *id, mw_err *err) {
    mw_sql__job_brief brief;
    mw_status status = mw_sql__job_look(db, ctx, id, &brief, err);
    if (status != MW_OK) return status;
    if (brief.final) return mw_fail(err, MW_ECONFLICT, "job %s has already ended", id);
    if (brief.running) return mw_fail(err, MW_ECONFLICT, "job %s already runs", id);
    return brief.n_waits ? mw_fail(err, MW_ECONFLICT, "job %s waits for others", id) : MW_OK;
}

enum { TAKEN_AT_ONCE = 32 };

static const char SQL_TAKE_SOME[] = MW_SQL_TAKE
    " WHERE id IN (?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20,"
    " ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)"
    " RETURNING " MW_SQL_JOB_LIST("log");

/* Rows come back in any order. */
static mw_status take_some(mw_sql *db, int64_t now, const claim_request *request,
                           const char (*ids)[32], size_t n, mw_job_record *ret, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, SQL_TAKE_SOME, request->arena, err);
    mw_query_int(&query, now + request->want->lease_us);
    mw_query_text(&query, request->want->worker);
    mw_query_int(&query, now);
    mw_sql__bind_ids(&query, ids, n, TAKEN_AT_ONCE);
    while (mw_query_row(&query)) {
        mw_job_record job;
        mw_sql__job_read(&query, &job);
        for (size_t i = 0; i < n && job.id; i++)
            if (strcmp(ids[i], job.id) == 0) ret[i] = job;
    }
    return mw_query_end(&query);
}

static mw_status take_picked(mw_sql *db, const mw_ctx *ctx, claim_request *request,
                             const picked *these, mw_err *err) {
    const int64_t now = mw_clock_utc(ctx->clock);
    const size_t n = (size_t)these->n;
    mw_status status = MW_OK;
    request->jobs = mw_arena_calloc(request->arena, n, sizeof *request->jobs);
    if (!request->jobs) return mw_fail_nomem(err, "claimed jobs");
    for (size_t at = 0; at < n && status == MW_OK; at += TAKEN_AT_ONCE)
        status =
            take_some(db, now, request, these->ids + at,
                      n - at < TAKEN_AT_ONCE ? n - at : TAKEN_AT_ONCE, request->jobs + at, err);
    for (size_t i = 0; i < n && status == MW_OK; i++)
        if (!request->jobs[i].id)
            status = mw_fail(err, MW_EINTERNAL, "job %s cannot be claimed", these->ids[i]);
    request->n = n;
    return status;
}

static mw_status do_claim(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    claim_request *request = args;
    picked these = {.n = 1};
    char org[80];
    mw_status status;
    if (request->id) {
        mw_str_copy(these.ids[0], sizeof these.ids[0], mw_str_of(request->id));
        status = check_waiting(db, ctx, request->id, err);
    } else {
        status = pick_next(db, ctx, request, &these, org, err);
    }
    return status == MW_OK ? take_picked(db, ctx, request, &these, err) : status;
}

mw_status mw_sql__job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const mw_store_claim *claim, mw_job_record *ret, mw_err *err) {
    const mw_job_want one = {.worker = claim->worker, .lease_us = claim->lease_us, .most = 1};
    claim_request args = {.id = claim->id, .want = &one, .home = store->home, .arena = arena};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_WRITE, do_claim, &args, err);
    if (status == MW_OK) *ret = args.jobs[0];
    return status;
}

mw_status mw_sql__job_claim_some(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                 const mw_job_want *want, mw_store_list *ret, mw_err *err) {
    claim_request args = {.want = want, .home = store->home, .arena = arena};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_WRITE, do_claim, &args, err);
    if (status == MW_OK) *ret = (mw_store_list){args.jobs, args.n};
    return status;
}

static mw_status do_due(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    int64_t *due = args;
    const int64_t now = mw_clock_utc(ctx->clock);
    mw_query query;
    mw_query_start(&query, db,
                   "SELECT min(not_before_us), max(not_before_us), count(*) FROM jobs"
                   " WHERE " MW_SQL_WAITING " AND n_waits = 0",
                   NULL, err);
    *due = INT64_MAX;
    if (mw_query_row(&query)) {
        int64_t first = mw_query_get_int(&query), last = mw_query_get_int(&query);
        if (mw_query_get_int(&query) > 0) *due = first;
        if (last > now + LONGEST_PAUSE_US && *due > now) *due = now;
    }
    return mw_query_end(&query);
}

mw_status mw_store_job_due(const mw_ctx *ctx, mw_store *store, int64_t *ret_us, mw_err *err) {
    int64_t due;
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_due, &due, err);
    if (status == MW_OK) *ret_us = due;
    return status;
}

/* ---- counts ---- */

static mw_job_state state_of(const char *name) {
    int state = MW_JOB_PENDING;
    while (state < MW_JOB_REVOKED && strcmp(mw_job_state_name((mw_job_state)state), name) != 0)
        state++;
    return (mw_job_state)state;
}

static mw_status do_counts(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    mw_job_counts *counts = args;
    *counts = (mw_job_counts){0};
    mw_query query;
    mw_query_start(
        &query, db,
        "SELECT state, count(*), min(created_us) FROM jobs WHERE finished_us = 0 GROUP BY state",
        NULL, err);
    while (mw_query_row(&query)) {
        char name[16];
        mw_query_copy_text(&query, name, sizeof name);
        const mw_job_state state = state_of(name);
        counts->open[state] = mw_query_get_int(&query);
        const int64_t made_us = mw_query_get_int(&query);
        const bool waits = state == MW_JOB_PENDING || state == MW_JOB_RETRY;
        if (waits && (!counts->oldest_waiting_us || made_us < counts->oldest_waiting_us))
            counts->oldest_waiting_us = made_us;
    }
    mw_status status = mw_query_end(&query);
    if (status != MW_OK) return status;
    mw_query_start(&query, db, "SELECT count(*) FROM jobs WHERE is_dead = 1", NULL, err);
    if (mw_query_row(&query)) counts->dead = mw_query_get_int(&query);
    return mw_query_end(&query);
}

mw_status mw_store_job_counts(const mw_ctx *ctx, mw_store *store, mw_job_counts *ret, mw_err *err) {
    mw_job_counts counts;
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_counts, &counts, err);
    if (status == MW_OK) *ret = counts;
    return status;
}

/* ---- renew ---- */

typedef struct renew_request {
    const mw_job_renewal *renewal;
    bool canceled;
} renew_request;

static mw_status do_renew(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    renew_request *request = args;
    const mw_job_renewal *renewal = request->renewal;
    mw_sql__job_brief brief;
    mw_status status = check_fence(db, ctx, renewal->id, renewal->fence, &brief, err);
    if (status != MW_OK) return status;
    request->canceled = brief.canceled;
    mw_query query;
    mw_query_start(
        &query, db,
        "UPDATE jobs SET lease_until_us = ?1, progress = ?2, message = coalesce(?3, message),"
        " state = CASE WHEN ?2 > 0 OR ?3 IS NOT NULL THEN 'PROGRESS' ELSE state END,"
        " n_log_lines = CASE WHEN ?4 IS NULL THEN n_log_lines ELSE ?5 END,"
        " log = coalesce(?4, log), revision = revision + 1 WHERE id = ?6",
        NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock) + renewal->lease_us);
    mw_query_real(&query, renewal->progress);
    mw_query_text(&query, renewal->message);
    mw_query_text(&query, renewal->log);
    mw_query_int(&query, renewal->n_log_lines);
    mw_query_text(&query, renewal->id);
    return mw_query_run(&query, NULL);
}

mw_status mw_sql__job_renew(const mw_ctx *ctx, mw_store *store, const mw_job_renewal *renewal,
                            bool *canceled, mw_err *err) {
    renew_request args = {.renewal = renewal};
    mw_status status = mw_sql__call(store, ctx, MW_SQL_QUIET, do_renew, &args, err);
    if (status == MW_OK && canceled) *canceled = args.canceled;
    return status;
}

/* ---- ends ---- */

/* All that run after it, directly or not, and still wait. */
static mw_status fail_downstream(mw_sql *db, const mw_ctx *ctx, const char *id, mw_err *err) {
    char error[160];
    (void)snprintf(error, sizeof error,
                   "{\"code\":\"%s\",\"message\":\"job %s, after which it was to run, did not "
                   "succeed\",\"hint\":\"retry that one first\"}",
                   mw_status_name(MW_ECONFLICT), id);
    mw_query query;
    mw_query_start(
        &query, db,
        "WITH RECURSIVE down (id) AS ("
        " SELECT job_id FROM job_after WHERE after_id = ?1"
        " UNION SELECT a.job_id FROM job_after a JOIN down d ON a.after_id = d.id)"
        " UPDATE jobs SET state = 'FAILURE', finished_us = ?2, error = ?3, revision = revision + 1"
        " WHERE id IN (SELECT id FROM down) AND " MW_SQL_WAITING,
        NULL, err);
    mw_query_text(&query, id);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, error);
    return mw_query_run(&query, NULL);
}

mw_status mw_sql__job_ended(mw_sql *db, const mw_ctx *ctx, const char *id, bool success,
                            mw_err *err) {
    if (!success) return fail_downstream(db, ctx, id, err);
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE jobs SET n_waits = n_waits - 1, revision = revision + 1"
                   " WHERE id IN (SELECT job_id FROM job_after WHERE after_id = ?)",
                   NULL, err);
    mw_query_text(&query, id);
    return mw_query_run(&query, NULL);
}

/* RETRY falls to FAILURE without attempts left, and to REVOKED when cancellation was asked for. */
#define END_STATE                                                              \
    "CASE WHEN ?1 <> 'RETRY' THEN ?1 WHEN cancel_requested = 1 THEN 'REVOKED'" \
    " WHEN ?6 = 1 OR attempts < max_attempts THEN 'RETRY' ELSE 'FAILURE' END"

static const char SQL_END[] =
    "UPDATE jobs SET state = " END_STATE ", lease_until_us = 0, worker = NULL,"
    " finished_us = CASE WHEN " END_STATE " = 'RETRY' THEN 0 ELSE ?2 END,"
    " is_dead = CASE WHEN ?1 = 'RETRY' AND " END_STATE " = 'FAILURE' THEN 1 ELSE 0 END,"
    " not_before_us = CASE WHEN ?6 = 1 THEN 0 ELSE ?2 +"
    "  CASE attempts WHEN 1 THEN 500000 WHEN 2 THEN 2000000 WHEN 3 THEN 8000000"
    "  WHEN 4 THEN 32000000 ELSE 120000000 END END,"
    " attempts = attempts - ?6,"
    " progress = CASE WHEN ?1 = 'SUCCESS' THEN 1 ELSE progress END, result = ?3, error = ?4,"
    " revision = revision + 1 WHERE id = ?5 RETURNING state";

mw_status mw_sql__job_end(mw_sql *db, const mw_ctx *ctx, const mw_store_ending *ending,
                          mw_job_state *ret, mw_err *err) {
    char state[16] = "";
    mw_query query;
    mw_query_start(&query, db, SQL_END, NULL, err);
    mw_query_text(&query, mw_job_state_name(ending->state));
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, ending->result);
    mw_query_text(&query, ending->error);
    mw_query_text(&query, ending->id);
    mw_query_int(&query, ending->released ? 1 : 0);
    if (mw_query_row(&query)) mw_query_copy_text(&query, state, sizeof state);
    mw_status status = mw_query_run(&query, NULL);
    *ret = state_of(state);
    if (status != MW_OK || *ret == MW_JOB_RETRY) return status;
    return mw_sql__job_ended(db, ctx, ending->id, *ret == MW_JOB_SUCCESS, err);
}

mw_status mw_sql__job_succeed(mw_sql *db, const mw_ctx *ctx, const char *id, int64_t fence,
                              const char *result, mw_err *err) {
    mw_store_ending ending = {.id = id, .fence = fence, .state = MW_JOB_SUCCESS, .result = result};
    mw_job_state ended;
    return mw_sql__job_end(db, ctx, &ending, &ended, err);
}

static mw_status do_finish(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const mw_store_ending *ending = args;
    mw_job_state ended;
    mw_status status = mw_sql__job_fenced(db, ctx, ending->id, ending->fence, err);
    return status == MW_OK ? mw_sql__job_end(db, ctx, ending, &ended, err) : status;
}

mw_status mw_sql__job_finish(const mw_ctx *ctx, mw_store *store, const mw_store_ending *ending,
                             mw_err *err) {
    mw_store_ending args = *ending;
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_finish, &args, err);
}

static mw_status do_cancel(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    const char *id = args;
    mw_sql__job_brief brief;
    mw_status status = mw_sql__job_look(db, ctx, id, &brief, err);
    if (status != MW_OK) return status;
    if (brief.final) return mw_fail(err, MW_ECONFLICT, "job %s has already ended", id);
    mw_query query;
    mw_query_start(&query, db,
                   "UPDATE jobs SET cancel_requested = 1, revision = revision + 1,"
                   " finished_us = CASE WHEN " MW_SQL_WAITING " THEN ? ELSE 0 END,"
                   " state = CASE WHEN " MW_SQL_WAITING " THEN 'REVOKED' ELSE state END"
                   " WHERE id = ?",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_text(&query, id);
    status = mw_query_run(&query, NULL);
    if (status != MW_OK || brief.running) return status;
    return mw_sql__job_ended(db, ctx, id, false, err);
}

mw_status mw_store_job_cancel(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err) {
    return mw_sql__call(store, ctx, MW_SQL_WRITE, do_cancel, (void *)(uintptr_t)id, err);
}

/* ---- leases that ran out ---- */

typedef struct expire_request {
    const char *error;
    int32_t n;
} expire_request;

typedef struct expired {
    char id[32], org[80];
} expired;

static mw_status find_expired(mw_sql *db, const mw_ctx *ctx, expired *ret, int32_t *ret_n,
                              mw_err *err) {
    mw_query query;
    int32_t n = 0;
    mw_query_start(&query, db,
                   "SELECT id, org FROM jobs WHERE " RAN_OUT
                   " LIMIT ?2 /*pg FOR UPDATE SKIP LOCKED*/",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    mw_query_int(&query, EXPIRED_AT_ONCE);
    while (n < EXPIRED_AT_ONCE && mw_query_row(&query)) {
        mw_query_copy_text(&query, ret[n].id, sizeof ret[n].id);
        mw_query_copy_text(&query, ret[n].org, sizeof ret[n].org);
        n++;
    }
    *ret_n = n;
    return mw_query_end(&query);
}

static mw_status do_expire(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    expire_request *request = args;
    expired *found = mw_alloc_array(ctx->mem, EXPIRED_AT_ONCE, sizeof *found);
    if (!found) return mw_fail_nomem(err, "jobs whose lease ran out");
    mw_ctx local = *ctx;
    mw_job_state ended;
    mw_status status = find_expired(db, ctx, found, &request->n, err);
    for (int32_t i = 0; i < request->n && status == MW_OK; i++) {
        const mw_store_ending ending = {
            .id = found[i].id, .state = MW_JOB_RETRY, .error = request->error};
        local.org = found[i].org;
        status = mw_sql__job_end(db, &local, &ending, &ended, err);
    }
    mw_free(found);
    return status;
}

static mw_status do_count_expired(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    expire_request *request = args;
    mw_query query;
    mw_query_start(&query, db, "SELECT count(*) FROM jobs WHERE " RAN_OUT, NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    if (mw_query_row(&query)) request->n = (int32_t)mw_query_get_int(&query);
    return mw_query_end(&query);
}

mw_status mw_sql__job_expire(const mw_ctx *ctx, mw_store *store, const char *error, int32_t *n,
                             mw_err *err) {
    expire_request args = {.error = error};
    /* Asked every few seconds and almost always for nothing: that must not cost a write. */
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_count_expired, &args, err);
    if (status == MW_OK && args.n > 0)
        status = mw_sql__call(store, ctx, MW_SQL_WRITE, do_expire, &args, err);
    if (status == MW_OK && n) *n = args.n;
    return status;
}
