/*
 * scheduler.c -- see scheduler.h.
 *
 * Nothing is remembered but a guess of when the first schedule is due: each pass decides by the store, and the store by next_us alone. So a process may be
 * killed, stopped or lose its lease between any two lines. What becomes of a schedule is decided by a look at the clock that is later than that at its
 * record: a process that sleeps for hours in between must not take the hours for a clock that was set.
 */
#include "run/job/scheduler.h"

#include <string.h>

#include "core/base/log.h"
#include "core/text/civil.h"
#include "core/text/cron.h"

enum { PAGE = 64, FIRINGS_AT_ONCE = 64 };

static const int64_t PUT_OFF_US = MW_MINUTE_US;     /* what cannot be fired now */
static const int64_t RETRY_US = MW_SECOND_US;       /* the store failed */
static const int64_t JUMP_US = MW_MINUTE_US;        /* a clock that is set, not one that drifts */
static const int64_t CORRECTED_US = 3 * MW_HOUR_US; /* cron(8): set by more, it was wrong before */

static int64_t utc_of(const mw_scheduler *s) { return mw_clock_utc(s->ctx.clock); }

static int64_t monotonic_of(const mw_scheduler *s) { return mw_clock_monotonic(s->ctx.clock); }

void mw_scheduler_init(mw_scheduler *s, const mw_ctx *ctx, mw_store *store,
                       const mw_job_kind *kinds, const char *holder, int32_t max_attempts,
                       int64_t lease_us) {
    *s = (mw_scheduler){.ctx = *ctx,
                        .store = store,
                        .kinds = kinds,
                        .holder = holder,
                        .max_attempts = max_attempts,
                        .lease_us = lease_us,
                        .earliest_us = MW_SCHEDULE_NEVER};
    s->skew_us = utc_of(s) - monotonic_of(s);
}

static void give_back(mw_scheduler *s) {
    if (s->fence)
        (void)mw_store_lease_release(&s->ctx, s->store, MW_SCHEDULER_LEASE, s->fence, NULL);
    s->fence = 0;
}

void mw_scheduler_done(mw_scheduler *s) {
    give_back(s);
    s->zone = mw_zone_close(s->zone);
}

/* ---- when ---- */

/* The names of the records are those asked for; a zone's own may be spelled in another way. */
static mw_status zone_of(mw_scheduler *s, const char *name, const mw_zone **ret, mw_err *err) {
    if (!s->zone || strcmp(mw_zone_name(s->zone), name) != 0) {
        mw_zone *zone = NULL;
        mw_status status = mw_zone_open(s->ctx.mem, name, &zone, err);
        if (status != MW_OK) return status;
        (void)mw_zone_close(s->zone);
        s->zone = zone;
    }
    *ret = s->zone;
    return MW_OK;
}

/* Strictly after; MW_SCHEDULE_NEVER. */
static mw_status next_of(mw_scheduler *s, const mw_schedule_record *schedule, int64_t after_us,
                         int64_t *ret_us, mw_err *err) {
    mw_cron cron;
    const mw_zone *zone;
    mw_status status = mw_cron_read(schedule->cron, &cron, err);
    if (status == MW_OK) status = zone_of(s, schedule->zone, &zone, err);
    if (status == MW_OK) status = mw_cron_next(&cron, zone, after_us, ret_us, err);
    if (status != MW_ENOTFOUND) return status;
    *ret_us = MW_SCHEDULE_NEVER;
    return MW_OK;
}

/* ---- firing ---- */

static mw_status check_kind(const mw_scheduler *s, const char *name, mw_err *err) {
    for (const mw_job_kind *kind = s->kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0) return MW_OK;
    return mw_fail(err, MW_ENOTFOUND, "there is no job kind %.64s", name);
}

static mw_status move(mw_scheduler *s, const mw_schedule_record *schedule, int64_t next_us,
                      mw_err *err) {
    char none[32];
    const mw_firing firing = {
        .org = schedule->org, .id = schedule->id, .due_us = schedule->next_us, .next_us = next_us};
    return mw_store_schedule_fire(&s->ctx, s->store, &firing, none, err);
}

/* Somebody else was faster: what was to be done is done. */
static mw_status settled(mw_status status) {
    return status == MW_ECONFLICT || status == MW_ENOTFOUND ? MW_OK : status;
}

static mw_status put_off(mw_scheduler *s, const mw_schedule_record *schedule, mw_err *err) {
    mw_log_warn(&s->ctx, "schedule %s of %s waits for a minute: %s", schedule->id, schedule->org,
                err->message);
    return settled(move(s, schedule, utc_of(s) + PUT_OFF_US, err));
}

static mw_status fire(mw_scheduler *s, const mw_schedule_record *schedule, int *n_fired,
                      mw_err *err) {
    char job_id[32];
    const mw_job_new job = {
        .kind = schedule->kind, .payload = schedule->payload, .max_attempts = s->max_attempts};
    mw_firing firing = {
        .org = schedule->org, .id = schedule->id, .due_us = schedule->next_us, .job = &job};
    mw_status status = check_kind(s, schedule->kind, err);
    if (status == MW_OK) status = next_of(s, schedule, utc_of(s), &firing.next_us, err);
    if (status != MW_OK) return put_off(s, schedule, err);
    status = mw_store_schedule_fire(&s->ctx, s->store, &firing, job_id, err);
    if (status == MW_EBUSY) return put_off(s, schedule, err);
    *n_fired += status == MW_OK;
    return settled(status);
}

static mw_status read_earliest(mw_scheduler *s, mw_err *err) {
    return mw_store_schedule_earliest(&s->ctx, s->store, &s->earliest_us, err);
}

/* Each schedule that is looked at is not due any more, so what is due is asked for anew. */
static mw_status fire_due(mw_scheduler *s, int64_t now_us, int *n_fired, mw_err *err) {
    const mw_schedule_window window = {INT64_MIN, now_us, NULL, FIRINGS_AT_ONCE};
    const mw_schedule_record *due = NULL;
    size_t n = 0;
    mw_arena arena;
    mw_arena_init(&arena, s->ctx.mem);
    mw_status status = mw_store_schedule_due(&s->ctx, s->store, &arena, &window, &due, &n, err);
    for (size_t i = 0; status == MW_OK && i < n; i++) status = fire(s, &due[i], n_fired, err);
    mw_arena_done(&arena);
    return status == MW_OK ? read_earliest(s, err) : status;
}

/* ---- a clock that was set back ---- */

/* Whether its next time can only have come from a clock that was more than CORRECTED_US ahead of this one; then that time is made anew. */
static mw_status correct(mw_scheduler *s, const mw_schedule_record *schedule, mw_err *err) {
    int64_t next_us;
    const int64_t fired_us = schedule->last_us, now_us = utc_of(s);
    mw_status status = next_of(s, schedule, now_us + CORRECTED_US, &next_us, err);
    if (status != MW_OK || next_us >= schedule->next_us) return MW_OK; /* said when it is due */
    const bool fired = fired_us > now_us && fired_us <= now_us + CORRECTED_US;
    status = next_of(s, schedule, fired ? fired_us : now_us, &next_us, err);
    if (status != MW_OK) return MW_OK;
    mw_log_info(&s->ctx, "schedule %s of %s: the clock was set back", schedule->id, schedule->org);
    return settled(move(s, schedule, next_us, err));
}

static mw_status check_ahead(mw_scheduler *s, int64_t now_us, mw_err *err) {
    mw_schedule_window window = {now_us + CORRECTED_US + 1, MW_SCHEDULE_NEVER, NULL, PAGE};
    mw_arena arena; /* of all pages: there are not many */
    size_t n = PAGE;
    mw_status status = MW_OK;
    mw_arena_init(&arena, s->ctx.mem);
    while (status == MW_OK && n == PAGE) {
        const mw_schedule_record *page = NULL;
        n = 0;
        status = mw_store_schedule_due(&s->ctx, s->store, &arena, &window, &page, &n, err);
        for (size_t i = 0; status == MW_OK && i < n; i++) status = correct(s, &page[i], err);
        if (n) window.after = &page[n - 1];
    }
    mw_arena_done(&arena);
    s->check = status != MW_OK;
    return status == MW_OK ? read_earliest(s, err) : status;
}

static void watch_clock(mw_scheduler *s, int64_t now_us, int64_t monotonic_us) {
    const int64_t skew_us = now_us - monotonic_us;
    s->check |= skew_us < s->skew_us - JUMP_US;
    s->skew_us = skew_us;
}

/* ---- the leader ---- */

static void renew(mw_scheduler *s, int64_t monotonic_us) {
    mw_err err;
    mw_status status =
        mw_store_lease_renew(&s->ctx, s->store, MW_SCHEDULER_LEASE, s->fence, s->lease_us, &err);
    if (status == MW_OK) {
        s->asked_us = monotonic_us;
        return;
    }
    mw_log_info(&s->ctx, "schedules are left to others: %s", err.message);
    s->fence = 0;
}

static mw_status ask(mw_scheduler *s, int64_t monotonic_us, mw_err *err) {
    s->asked = true;
    s->asked_us = monotonic_us;
    mw_status status = read_earliest(s, err);
    if (status != MW_OK || s->earliest_us == MW_SCHEDULE_NEVER) return status;
    status = mw_store_lease_take(&s->ctx, s->store, MW_SCHEDULER_LEASE, s->holder, s->lease_us,
                                 &s->fence, err);
    s->check = s->fence != 0; /* nobody knows what the clock did before */
    return status == MW_ECONFLICT ? MW_OK : status;
}

/* While there is no schedule, every change is looked at for the first one, and nobody leads. */
static mw_status lead_or_follow(mw_scheduler *s, bool changed, int64_t monotonic_us, mw_err *err) {
    const bool late = monotonic_us - s->asked_us >= s->lease_us / 3;
    const bool none = s->earliest_us == MW_SCHEDULE_NEVER;
    if (s->fence && late) renew(s, monotonic_us);
    if (!s->fence)
        return !s->asked || late || (changed && none) ? ask(s, monotonic_us, err) : MW_OK;
    mw_status status = changed ? read_earliest(s, err) : MW_OK;
    if (status == MW_OK && s->earliest_us == MW_SCHEDULE_NEVER) give_back(s);
    return status;
}

int mw_scheduler_pass(mw_scheduler *s, bool changed) {
    const int64_t now_us = utc_of(s), monotonic_us = monotonic_of(s);
    int n_fired = 0;
    mw_err err;
    watch_clock(s, now_us, monotonic_us);
    s->changed |= changed;
    if (monotonic_us < s->retry_us) return 0;
    mw_status status = lead_or_follow(s, s->changed, monotonic_us, &err);
    if (status == MW_OK) s->changed = false;
    if (status == MW_OK && s->fence && s->check) status = check_ahead(s, now_us, &err);
    if (status == MW_OK && s->fence && now_us >= s->earliest_us)
        status = fire_due(s, now_us, &n_fired, &err);
    if (status == MW_OK) return n_fired;
    mw_log_warn(&s->ctx, "schedules are not looked at: %s", err.message);
    s->retry_us = monotonic_us + RETRY_US;
    return n_fired;
}

int64_t mw_scheduler_wait_us(const mw_scheduler *s) {
    if (!s->fence || s->earliest_us == MW_SCHEDULE_NEVER) return INT64_MAX;
    int64_t wait_us = s->earliest_us - utc_of(s);
    const int64_t retry_us = s->retry_us - monotonic_of(s);
    if (wait_us < retry_us) wait_us = retry_us;
    return wait_us > 0 ? wait_us : 0;
}
