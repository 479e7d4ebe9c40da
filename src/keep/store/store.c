/*
 * store.c -- what stands before the statements of sql_*.c: argument checks, limits, ids, error records.
 *
 * Ids of jobs and schedules are ULIDs (github.com/ulid/spec): 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32, so that they sort by creation time as text and can be made anywhere without
 * asking.
 */
#include "keep/store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/text/json.h"
#include "keep/store/sql.h"

static const mw_sql_driver *const drivers[] = {&mw_sql__sqlite, &mw_sql__postgres};

static const char *const state_names[] = {"PENDING", "STARTED", "PROGRESS", "RETRY",
                                          "SUCCESS", "FAILURE", "REVOKED"};

const char *mw_job_state_name(mw_job_state state) {
    return (unsigned)state <= MW_JOB_REVOKED ? state_names[state] : "?";
}

bool mw_job_state_final(mw_job_state state) {
    return state == MW_JOB_SUCCESS || state == MW_JOB_FAILURE || state == MW_JOB_REVOKED;
}

/* ---- opening ---- */

static const mw_sql_driver *driver_of(const char *location) {
    bool is_url = strstr(location, "://") != NULL;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        size_t n = strlen(drivers[i]->prefix);
        if (n == 0 ? !is_url : strncmp(location, drivers[i]->prefix, n) == 0) return drivers[i];
    }
    return NULL;
}

static void *free_store(mw_store *store) {
    pthread_mutex_destroy(&store->write_mutex);
    pthread_mutex_destroy(&store->mutex);
    return mw_free(store);
}

mw_status mw_store_open(const mw_ctx *ctx, const char *location, mw_store **ret, mw_err *err) {
    const mw_sql_driver *driver = driver_of(location);
    if (!driver) {
        mw_fail(err, MW_EINVAL, "this program has no store for such an address");
        return mw_err_hint(err, "give the path of a file, or postgresql://USER@HOST/DATABASE");
    }
    mw_store *store = mw_calloc(ctx->mem, 1, sizeof *store);
    if (!store) return mw_fail_nomem(err, "the store");
    pthread_mutex_init(&store->mutex, NULL);
    pthread_mutex_init(&store->write_mutex, NULL);
    store->driver = driver;
    mw_status status = driver->open(ctx, location, &store->self, err);
    if (status != MW_OK) {
        free_store(store);
        return status;
    }
    *ret = store;
    return MW_OK;
}

void *mw_store_close(mw_store *store) {
    if (!store) return NULL;
    store->driver->close(store->self);
    return free_store(store);
}

int mw_store_schema_version(const mw_store *store) { return store->driver->schema_version(); }

mw_status mw_store_copy(const mw_ctx *ctx, mw_store *store, const char *path, mw_err *err) {
    if (store->driver->copy) return store->driver->copy(store->self, ctx, path, err);
    mw_fail(err, MW_EUNSUPPORTED, "a %s store is not copied by this program", store->driver->name);
    return mw_err_hint(err, "use pg_dump, or continuous archiving for point-in-time recovery");
}

void mw_store_set_home(mw_store *store, const char *home) {
    mw_str_copy(store->home, sizeof store->home, mw_str_of(home));
}

const char *mw_store_home(const mw_store *store) { return store->home; }

const mw_store_meter *mw_store_meter_of(const mw_store *store) { return &store->meter; }

const char *mw_store_kind(const mw_store *store) { return store->driver->name; }

const mw_mem *mw_store_mem(void) { return &mw_sql__sqlite_mem; }

uint64_t mw_store_change_counter(mw_store *store) {
    return store->driver->change_counter(store->self);
}

static void ask_version(mw_store *store, int64_t now_us) {
    const uint64_t told = mw_store_change_counter(store);
    if (atomic_exchange(&store->asked, told) != told) atomic_fetch_add(&store->n_changes, 1);
    atomic_store(&store->asked_us, now_us);
}

bool mw_store_version(mw_store *store, bool may_ask, uint64_t *ret) {
    const int64_t now_us = mw_clock_monotonic(&mw_clock_system);
    const int64_t asked_us = atomic_load(&store->asked_us);
    if (asked_us == 0 || now_us - asked_us > MW_STORE_VERSION_US) {
        if (!may_ask) return false;
        ask_version(store, now_us);
    }
    *ret = atomic_load(&store->n_changes);
    return true;
}

void mw_store_on_change(mw_store *store, void (*changed)(void *arg), void *arg) {
    if (store->driver->on_change) store->driver->on_change(store->self, changed, arg);
}

void mw_store_on_write(mw_store *store, void (*written)(void *arg), void *arg) {
    pthread_mutex_lock(&store->write_mutex);
    store->on_write = written;
    store->on_write_arg = arg;
    pthread_mutex_unlock(&store->write_mutex);
}

/* ---- checks ---- */

static mw_status check_name(const char *what, const char *name, mw_err *err) {
    if (name && mw_name_valid(name)) return MW_OK;
    mw_fail(err, MW_EINVAL, "%s is not a valid name of %s", name ? name : "(none)", what);
    return mw_err_hint(err, "use 1 to 64 letters, digits, _ or -");
}

static mw_status check_text(const char *what, const char *text, bool required, mw_err *err) {
    if (!text && required) return mw_fail(err, MW_EINVAL, "%s is missing", what);
    if (text && strlen(text) > (size_t)MW_LIMIT(STORE_TEXT_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "%s is longer than %lld bytes", what,
                       (long long)MW_LIMIT(STORE_TEXT_BYTES));
    return MW_OK;
}

/* ---- organizations and datasets ---- */

mw_status mw_store_org_ensure(const mw_ctx *ctx, mw_store *store, const char *org, mw_err *err) {
    mw_status status = check_name("an organization", org, err);
    return status == MW_OK ? mw_sql__org_ensure_call(ctx, store, org, err) : status;
}

mw_status mw_store_org_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *const **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = mw_sql__org_list(ctx, store, arena, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_config_put(const mw_ctx *ctx, mw_store *store, int32_t over, const char *config,
                              const char *hash, int32_t *ret_version, mw_err *err) {
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK) status = check_text("the configuration", config, true, err);
    if (status == MW_OK) status = check_text("the configuration's hash", hash, true, err);
    if (status != MW_OK) return status;
    return mw_sql__config_put(ctx, store, over, config, hash, ret_version, err);
}

mw_status mw_store_segments(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *dataset, const mw_segment_record **ret, size_t *n,
                            mw_err *err) {
    mw_store_list list;
    mw_status status = mw_sql__segments(ctx, store, arena, dataset, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_dataset_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const char *const **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = mw_sql__dataset_list(ctx, store, arena, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

/* ---- jobs ---- */

static mw_status make_id(const mw_ctx *ctx, char *out, mw_err *err) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t random[10];
    ssize_t n;
    do n = getrandom(random, sizeof random, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof random)
        return mw_fail_errno(err, errno, "no random numbers for an id");
    uint64_t ms = (uint64_t)mw_clock_utc(ctx->clock) / 1000;
    for (int i = 9; i >= 0; i--, ms >>= 5) out[i] = digits[ms & 31];
    /* 80 bits are 16 digits: two runs of 40 bits. */
    for (int half = 0; half < 2; half++) {
        uint64_t bits = 0;
        for (int i = 0; i < 5; i++) bits = bits << 8 | random[half * 5 + i];
        for (int i = 7; i >= 0; i--, bits >>= 5) out[10 + half * 8 + i] = digits[bits & 31];
    }
    out[26] = '\0';
    return MW_OK;
}

static mw_status check_job(const mw_ctx *ctx, const mw_job_new *job, mw_err *err) {
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK) status = check_name("a job kind", job->kind, err);
    if (status == MW_OK) status = check_text("the payload", job->payload, true, err);
    if (status != MW_OK) return status;
    if (job->max_attempts < 0 || job->max_attempts > MW_LIMIT(JOB_ATTEMPTS))
        return mw_fail(err, MW_EINVAL, "a job is started from 1 to %lld times",
                       (long long)MW_LIMIT(JOB_ATTEMPTS));
    if (job->priority < -MW_STORE_PRIORITY || job->priority > MW_STORE_PRIORITY)
        return mw_fail(err, MW_EINVAL, "the priority of a job is from %d to %d", -MW_STORE_PRIORITY,
                       MW_STORE_PRIORITY);
    if (job->time_limit_us < 0 || job->memory_bytes < 0)
        return mw_fail(err, MW_EINVAL, "a limit of a job is negative");
    if (job->n_after < 0 || job->n_after > MW_LIMIT(JOB_AFTER))
        return mw_fail(err, MW_EINVAL, "a job runs after at most %lld others",
                       (long long)MW_LIMIT(JOB_AFTER));
    if (job->copies < 0 || job->copies > MW_LIMIT(JOB_COPIES))
        return mw_fail(err, MW_EINVAL, "at most %lld equal jobs are made at once",
                       (long long)MW_LIMIT(JOB_COPIES));
    if (job->copies > 1 && (job->n_after || job->worker || job->exclusive))
        return mw_fail(err, MW_EINVAL, "copies of a job just wait");
    if (job->audit && (!job->audit->principal || !job->audit->action))
        return mw_fail(err, MW_EINVAL, "an audit entry needs a principal and an action");
    return job->n_after && job->worker
               ? mw_fail(err, MW_EINVAL, "a job that runs at once waits for no others")
               : MW_OK;
}

enum { COUNT_EVERY_US = 1000000, AUDIT_BYTES = 1024 };

void mw_store_audit_detail(mw_buf *out, const char *outcome, const char *request_id,
                           const char *job_id) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "outcome", outcome);
    if (request_id) mw_json_add_string(&w, "request_id", request_id);
    if (job_id) mw_json_add_string(&w, "job_id", job_id);
    mw_json_object_end(&w);
}

static mw_store_room *room_of(mw_store *store, const char *org) {
    return &store->rooms[mw_hash64(org, strlen(org)) % MW_STORE_ROOMS];
}

/* True: there is room for n more, which are counted, without a look. */
static bool has_room(mw_store *store, const char *org, int64_t n) {
    pthread_mutex_lock(&store->mutex);
    mw_store_room *room = room_of(store, org);
    const bool has = strcmp(room->org, org) == 0 && room->n_more >= n &&
                     mw_clock_monotonic(&mw_clock_system) < room->until_us;
    if (has) room->n_more -= n;
    pthread_mutex_unlock(&store->mutex);
    return has;
}

static void note_room(mw_store *store, const char *org, int64_t n_waiting) {
    pthread_mutex_lock(&store->mutex);
    mw_store_room *room = room_of(store, org);
    mw_str_copy(room->org, sizeof room->org, mw_str_of(org));
    room->n_more = (MW_LIMIT(QUEUED_JOBS) - n_waiting) / 2; /* other processes make jobs, too */
    room->until_us = mw_clock_monotonic(&mw_clock_system) + COUNT_EVERY_US;
    pthread_mutex_unlock(&store->mutex);
}

/* ids [n]; detail: of the entry in the audit log. */
static mw_status create(const mw_ctx *ctx, mw_store *store, const mw_job_new *job,
                        const char (*ids)[32], size_t n, const char *detail, mw_err *err) {
    int64_t n_waiting = 0;
    mw_job_new at_home = *job;
    if (!job->home && store->home[0]) at_home.home = store->home;
    const bool count = !job->worker && !has_room(store, ctx->org, (int64_t)n);
    mw_status status =
        mw_sql__job_create(ctx, store, &at_home, ids, detail, count ? &n_waiting : NULL, err);
    if (status == MW_OK && count) note_room(store, ctx->org, n_waiting + (int64_t)n);
    return status;
}

mw_status mw_store_job_create(const mw_ctx *ctx, mw_store *store, const mw_job_new *job,
                              char *id_out, mw_err *err) {
    mw_status status = check_job(ctx, job, err);
    if (status != MW_OK) return status;
    const size_t n = job->copies > 1 ? (size_t)job->copies : 1;
    char(*ids)[32] = mw_alloc_array(ctx->mem, n, sizeof *ids);
    if (!ids) return mw_fail_nomem(err, "the ids of jobs");
    mw_buf detail;
    mw_buf_init(&detail, ctx->mem, AUDIT_BYTES);
    for (size_t i = 0; i < n && status == MW_OK; i++) status = make_id(ctx, ids[i], err);
    if (status == MW_OK && job->audit) {
        mw_store_audit_detail(&detail, "ok", job->audit->request_id, ids[n - 1]);
        status = mw_buf_status(&detail, "an audit entry", err);
    }
    if (status == MW_OK)
        status = create(ctx, store, job, (const char(*)[32])ids, n, mw_buf_text(&detail), err);
    if (status == MW_OK) memcpy(id_out, ids[n - 1], 27);
    mw_buf_done(&detail);
    mw_free(ids);
    return status;
}

static mw_status give_jobs(mw_status status, mw_store_list list, const mw_job_record **ret,
                           size_t *n) {
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             const char *id_or_null, const char *worker, int64_t lease_us,
                             mw_job_record *ret, mw_err *err) {
    mw_store_claim claim = {.id = id_or_null, .worker = worker, .lease_us = lease_us};
    return mw_sql__job_claim(ctx, store, arena, &claim, ret, err);
}

mw_status mw_store_job_claim_some(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                  const mw_job_want *want, const mw_job_record **ret, size_t *n,
                                  mw_err *err) {
    mw_store_list list;
    if (want->most < 1 || want->most > MW_STORE_CLAIM_MOST)
        return mw_fail(err, MW_EINVAL, "from 1 to %d jobs are claimed at once",
                       MW_STORE_CLAIM_MOST);
    mw_status status = mw_sql__job_claim_some(ctx, store, arena, want, &list, err);
    return give_jobs(status, list, ret, n);
}

mw_status mw_store_job_renew(const mw_ctx *ctx, mw_store *store, const mw_job_renewal *renewal,
                             bool *canceled, mw_err *err) {
    mw_job_renewal checked = *renewal;
    mw_status status = check_text("the progress message", renewal->message, false, err);
    if (status == MW_OK) status = check_text("the log", renewal->log, false, err);
    if (status != MW_OK) return status;
    if (!(checked.progress >= 0)) checked.progress = 0;
    if (checked.progress > 1) checked.progress = 1;
    return mw_sql__job_renew(ctx, store, &checked, canceled, err);
}

static mw_status end_job(const mw_ctx *ctx, mw_store *store, const mw_store_ending *ending,
                         mw_err *err) {
    mw_status status = check_text("the result", ending->result, false, err);
    if (status == MW_OK) status = check_text("the error", ending->error, false, err);
    return status == MW_OK ? mw_sql__job_finish(ctx, store, ending, err) : status;
}

mw_status mw_store_job_finish(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                              mw_job_state state, const char *result, const char *error,
                              mw_err *err) {
    if (state != MW_JOB_RETRY && !mw_job_state_final(state))
        return mw_fail(err, MW_EINVAL, "a job cannot end as %s", mw_job_state_name(state));
    const mw_store_ending ending = {
        .id = id, .fence = fence, .state = state, .result = result, .error = error};
    return end_job(ctx, store, &ending, err);
}

static bool can_end_as(const mw_job_end *end) {
    return end->state == MW_JOB_RETRY ||
           (!end->released && (end->state == MW_JOB_SUCCESS || end->state == MW_JOB_FAILURE));
}

mw_status mw_store_job_end_all(const mw_ctx *ctx, mw_store *store, mw_job_end *ends, size_t n,
                               mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        status = check_text("the result", ends[i].result, false, err);
        if (status == MW_OK) status = check_text("the error", ends[i].error, false, err);
        if (status == MW_OK && !can_end_as(&ends[i]))
            status =
                mw_fail(err, MW_EINVAL, "a job cannot end as %s", mw_job_state_name(ends[i].state));
    }
    return status == MW_OK && n > 0 ? mw_sql__job_end_all(ctx, store, ends, n, err) : status;
}

mw_status mw_store_job_release(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                               const char *error, mw_err *err) {
    const mw_store_ending ending = {
        .id = id, .fence = fence, .state = MW_JOB_RETRY, .released = true, .error = error};
    return end_job(ctx, store, &ending, err);
}

mw_status mw_store_job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const mw_job_filter *filter, const mw_job_record **ret, size_t *n,
                            mw_err *err) {
    mw_store_list list = {0};
    if (filter->limit < 1) return mw_fail(err, MW_EINVAL, "the limit must be at least 1");
    return give_jobs(mw_sql__job_list(ctx, store, arena, filter, &list, err), list, ret, n);
}

mw_status mw_store_job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_job_record **ret, size_t *n, mw_err *err) {
    mw_store_list list = {0};
    return give_jobs(mw_sql__job_running(ctx, store, arena, false, &list, err), list, ret, n);
}

mw_status mw_store_job_stopping(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const mw_job_record **ret, size_t *n, mw_err *err) {
    mw_store_list list = {0};
    return give_jobs(mw_sql__job_running(ctx, store, arena, true, &list, err), list, ret, n);
}

mw_status mw_store_error_json(mw_buf *out, const mw_err *error, mw_err *err) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "code", mw_status_name(error->code));
    mw_json_add_string(&writer, "message", error->message);
    mw_json_add_string(&writer, "hint", error->hint);
    if (error->pointer[0]) mw_json_add_string(&writer, "pointer", error->pointer);
    mw_json_object_end(&writer);
    return mw_buf_status(out, "the error of a job", err);
}

mw_status mw_store_job_expire(const mw_ctx *ctx, mw_store *store, const char *reason, int32_t *n,
                              mw_err *err) {
    mw_err error;
    mw_fail(&error, MW_EINTERNAL, "%s", reason);
    mw_buf json;
    mw_buf_init(&json, ctx->mem, (size_t)MW_LIMIT(STORE_TEXT_BYTES));
    mw_status status = mw_store_error_json(&json, &error, err);
    if (status == MW_OK) status = mw_sql__job_expire(ctx, store, mw_buf_text(&json), n, err);
    mw_buf_done(&json);
    return status;
}

/* ---- schedules and leases ---- */

static mw_status check_line(const char *what, const char *text, mw_err *err) {
    mw_status status = check_text(what, text, true, err);
    if (status != MW_OK || (int64_t)strlen(text) <= MW_LIMIT(SCHEDULE_TEXT_BYTES)) return status;
    return mw_fail(err, MW_ETOOLARGE, "%s is longer than %lld bytes", what,
                   (long long)MW_LIMIT(SCHEDULE_TEXT_BYTES));
}

mw_status mw_store_schedule_put(const mw_ctx *ctx, mw_store *store,
                                const mw_schedule_record *schedule, char *id_out, mw_err *err) {
    char id[32];
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK) status = check_line("the name of a schedule", schedule->name, err);
    if (status == MW_OK) status = check_line("the cron expression", schedule->cron, err);
    if (status == MW_OK) status = check_line("the time zone", schedule->zone, err);
    if (status == MW_OK) status = check_name("a job kind", schedule->kind, err);
    if (status == MW_OK) status = check_text("the payload", schedule->payload, true, err);
    if (status == MW_OK && schedule->id) status = check_name("a schedule", schedule->id, err);
    if (status == MW_OK && !schedule->id) status = make_id(ctx, id, err);
    if (status != MW_OK) return status;
    status = mw_sql__schedule_put(ctx, store, schedule, schedule->id ? NULL : id, err);
    if (status == MW_OK) mw_str_copy(id_out, 32, mw_str_of(schedule->id ? schedule->id : id));
    return status;
}

static mw_status give_schedules(mw_status status, mw_store_list list,
                                const mw_schedule_record **ret, size_t *n) {
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_schedule_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                 const mw_schedule_record **ret, size_t *n, mw_err *err) {
    mw_store_list list = {0};
    return give_schedules(mw_sql__schedule_list(ctx, store, arena, &list, err), list, ret, n);
}

mw_status mw_store_schedule_due(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const mw_schedule_window *window, const mw_schedule_record **ret,
                                size_t *n, mw_err *err) {
    mw_store_list list = {0};
    if (window->limit < 1) return mw_fail(err, MW_EINVAL, "the limit must be at least 1");
    return give_schedules(mw_sql__schedule_due(ctx, store, arena, window, &list, err), list, ret,
                          n);
}

static mw_status check_firing(const mw_ctx *ctx, const mw_job_new *job, mw_err *err) {
    if (job->worker || job->exclusive || job->n_after)
        return mw_fail(err, MW_EINVAL, "a job of a schedule waits like any other");
    return check_job(ctx, job, err);
}

mw_status mw_store_schedule_fire(const mw_ctx *ctx, mw_store *store, const mw_firing *firing,
                                 char *id_out, mw_err *err) {
    char id[32] = "";
    int64_t n_waiting = 0;
    mw_ctx local = *ctx;
    local.org = firing->org;
    mw_status status = check_name("an organization", firing->org, err);
    if (status == MW_OK && firing->job) status = check_firing(&local, firing->job, err);
    if (status == MW_OK && firing->job) status = make_id(ctx, id, err);
    if (status != MW_OK) return status;
    const bool count = firing->job && !has_room(store, firing->org, 1);
    status = mw_sql__schedule_fire(ctx, store, firing, id, count ? &n_waiting : NULL, err);
    if (status != MW_OK) return status;
    if (count) note_room(store, firing->org, n_waiting);
    mw_str_copy(id_out, 32, mw_str_of(id));
    return MW_OK;
}

mw_status mw_store_lease_take(const mw_ctx *ctx, mw_store *store, const char *name,
                              const char *holder, int64_t lease_us, int64_t *ret_fence,
                              mw_err *err) {
    const mw_store_lease lease = {.name = name, .holder = holder, .lease_us = lease_us};
    mw_status status = check_name("a lease", name, err);
    if (status == MW_OK) status = check_text("the holder of a lease", holder, true, err);
    if (status == MW_OK && (!holder[0] || lease_us <= 0))
        status = mw_fail(err, MW_EINVAL, "a lease needs a holder and a term");
    return status == MW_OK ? mw_sql__lease_take(ctx, store, &lease, ret_fence, err) : status;
}

mw_status mw_store_lease_renew(const mw_ctx *ctx, mw_store *store, const char *name, int64_t fence,
                               int64_t lease_us, mw_err *err) {
    const mw_store_lease lease = {.name = name, .fence = fence, .lease_us = lease_us};
    return mw_sql__lease_renew(ctx, store, &lease, err);
}

mw_status mw_store_lease_release(const mw_ctx *ctx, mw_store *store, const char *name,
                                 int64_t fence, mw_err *err) {
    const mw_store_lease lease = {.name = name, .fence = fence};
    return mw_sql__lease_release(ctx, store, &lease, err);
}

/* ---- models and the commit ---- */

mw_status mw_store_versions(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *model,
                            const mw_version_record **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = mw_sql__versions(ctx, store, arena, model, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

typedef struct required_text {
    const char *what;
    const char *text;
    bool required;
} required_text;

static mw_status check_texts(const required_text *texts, size_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; status == MW_OK && i < n; i++)
        status = check_text(texts[i].what, texts[i].text, texts[i].required, err);
    return status;
}

static mw_status check_segment(const mw_segment_record *segment, mw_err *err) {
    const required_text texts[] = {{"the source of a segment", segment->source, true},
                                   {"the content hash of a segment", segment->content_hash, true},
                                   {"the file of a segment", segment->file, true},
                                   {"the rejects file of a segment", segment->rejects, false},
                                   {"the quality file of a segment", segment->quality, false},
                                   {"the layout of a segment", segment->layout, true}};
    if (segment->part < 0) return mw_fail(err, MW_EINVAL, "the part of a segment is negative");
    return check_texts(texts, sizeof texts / sizeof *texts, err);
}

static mw_status check_version(const mw_version_record *version, mw_err *err) {
    const required_text texts[] = {{"the run of a version", version->run_id, true},
                                   {"the job of a version", version->job_id, false},
                                   {"the folder of a version", version->folder, false},
                                   {"the checksum of a version", version->sha256, true},
                                   {"the metrics of a version", version->metrics, true},
                                   {"the parameters of a version", version->params, true},
                                   {"the data hash of a version", version->data_hash, true}};
    mw_status status = check_name("a model", version->model, err);
    return status == MW_OK ? check_texts(texts, sizeof texts / sizeof *texts, err) : status;
}

mw_status mw_store_commit(const mw_ctx *ctx, mw_store *store, const mw_commit *commit,
                          mw_err *err) {
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK && commit->dataset) status = check_name("a dataset", commit->dataset, err);
    if (status == MW_OK && commit->n_segments && !commit->dataset)
        status = mw_fail(err, MW_EINVAL, "segments need a dataset");
    for (size_t i = 0; status == MW_OK && i < commit->n_segments; i++)
        status = check_segment(&commit->segments[i], err);
    for (size_t i = 0; status == MW_OK && i < commit->n_versions; i++)
        status = check_version(&commit->versions[i], err);
    if (status == MW_OK) status = check_text("the result", commit->result, false, err);
    return status == MW_OK ? mw_sql__commit(ctx, store, commit, err) : status;
}

/* ---- keys and audit ---- */

mw_status mw_store_key_create(const mw_ctx *ctx, mw_store *store, const mw_key_record *key,
                              mw_err *err) {
    const required_text texts[] = {{"the id of a key", key->id, true},
                                   {"the name of a key", key->name, true},
                                   {"the role of a key", key->role, true},
                                   {"the hash of a key", key->hash, true}};
    mw_status status = check_texts(texts, sizeof texts / sizeof *texts, err);
    if (status == MW_OK && strcmp(key->org, "*") != 0)
        status = check_name("an organization", key->org, err);
    return status == MW_OK ? mw_sql__key_create(ctx, store, key, err) : status;
}

mw_status mw_store_key_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *org_or_null, const mw_key_record **ret, size_t *n,
                            mw_err *err) {
    mw_store_list list;
    mw_status status = mw_sql__key_list(ctx, store, arena, org_or_null, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_audit_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              int64_t before_seq, int32_t limit, const mw_audit_record **ret,
                              size_t *n, mw_err *err) {
    mw_store_list list;
    if (limit < 1) return mw_fail(err, MW_EINVAL, "the limit must be at least 1");
    mw_status status = mw_sql__audit_list(ctx, store, arena, before_seq, limit, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                         const char *action, const char *detail_json, mw_err *err) {
    const required_text texts[] = {{"the principal", principal, true},
                                   {"the action", action, true},
                                   {"the detail", detail_json, true}};
    mw_status status = check_texts(texts, 3, err);
    return status == MW_OK ? mw_sql__audit(ctx, store, principal, action, detail_json, err)
                           : status;
}
