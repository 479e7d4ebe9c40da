/* conformance_jobs.c -- the scenarios of conformance.h about jobs: order, leases, fences, cancellation. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "keep/store/sql.h"
#include "unit/store/scene.h"

void store_job_life(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32];
    assert_ok(create_job(&s.acme, s.store, "train", "{\"a\":1}", 5, 2, false, id, &err));
    assert_int_equal(strlen(id), 26);
    assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
    mw_job_record job = get(&s, &s.acme, id);
    assert_string_equal(job.id, id);
    assert_string_equal(job.org, "acme");
    assert_string_equal(job.kind, "train");
    assert_string_equal(job.payload, "{\"a\":1}");
    assert_int_equal(job.state, MW_JOB_PENDING);
    assert_int_equal(job.attempts, 0);
    assert_int_equal(job.max_attempts, 2);
    assert_int_equal(job.priority, 5);
    assert_int_equal(job.fence, 0);
    assert_int_equal(job.created_us, START_US);
    assert_null(job.worker);
    assert_null(job.result);
    assert_null(job.error);

    s.hand.now_us += SECOND;
    job = claim(&s, NULL);
    assert_string_equal(job.id, id);
    assert_int_equal(job.state, MW_JOB_STARTED);
    assert_int_equal(job.attempts, 1);
    assert_int_equal(job.fence, 1);
    assert_int_equal(job.started_us, START_US + SECOND);
    assert_int_equal(job.lease_until_us, START_US + 31 * SECOND);
    assert_string_equal(job.worker, "w");

    bool canceled = true;
    assert_ok(renew(&s.acme, s.store, id, 1, 60 * SECOND, 0.25, "growing trees", &canceled, &err));
    assert_false(canceled);
    assert_ok(renew(&s.acme, s.store, id, 1, 60 * SECOND, 0.5, NULL, NULL, &err));
    job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_PROGRESS);
    assert_true(job.progress == 0.5);
    assert_string_equal(job.message, "growing trees");
    assert_int_equal(job.lease_until_us, START_US + 61 * SECOND);

    s.hand.now_us += SECOND;
    assert_ok(
        mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_SUCCESS, "{\"rmse\":1}", NULL, &err));
    job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_true(mw_job_state_final(job.state));
    assert_string_equal(job.result, "{\"rmse\":1}");
    assert_int_equal(job.finished_us, START_US + 2 * SECOND);
    assert_true(job.progress == 1);
    assert_null(job.worker);
    assert_status(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_FAILURE, NULL, NULL, &err),
                  MW_ECONFLICT);
    assert_status(renew(&s.acme, s.store, id, 1, 1, 0, NULL, NULL, &err), MW_ECONFLICT);
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, NULL, "w", 1, &job, &err),
                  MW_ENOTFOUND);
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, id, "w", 1, &job, &err),
                  MW_ECONFLICT);
    end(&s);
}

void store_job_exclusive(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char first[32], other[32];
    assert_ok(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, first, &err));
    assert_status(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, other, &err),
                  MW_ECONFLICT);
    assert_non_null(strstr(err.message, first));
    assert_ok(create_job(&s.acme, s.store, "ingest", "{}", 0, 1, true, other, &err));
    assert_ok(create_job(&s.globex, s.store, "train", "{}", 0, 1, true, other, &err));
    claim(&s, first);
    assert_status(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, other, &err),
                  MW_ECONFLICT);
    assert_ok(mw_store_job_finish(&s.acme, s.store, first, 1, MW_JOB_FAILURE, NULL, "{}", &err));
    assert_ok(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, other, &err));
    end(&s);
}

enum { FILLERS = 16 };

static void *fill_queue(void *arg) {
    scene *s = arg;
    char id[32];
    mw_err local;
    for (int64_t i = 0; i < MW_LIMIT(QUEUED_JOBS) / FILLERS; i++)
        assert_ok(create_job(&s->acme, s->store, "k", "{}", 0, 1, false, id, &local));
    return NULL;
}

void store_job_full_queue(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32];
    pthread_t threads[FILLERS];
    for (int i = 0; i < FILLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fill_queue, &s), 0);
    for (int i = 0; i < FILLERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    mw_clock_sleep(&mw_clock_system, 1100000); /* they are counted again within a second */
    assert_status(create_job(&s.acme, s.store, "k", "{}", 0, 1, false, id, &err), MW_EBUSY);
    assert_ok(create_job(&s.globex, s.store, "k", "{}", 0, 1, false, id, &err));
    claim(&s, NULL);
    claim(&s, NULL);
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 1, false, id, &err));
    end(&s);
}

void store_job_order(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *old = create(&s, &s.acme, "k", 0), *young = create(&s, &s.acme, "k", 0);
    const char *urgent = create(&s, &s.globex, "k", 7), *idle = create(&s, &s.globex, "k", -1);
    assert_string_equal(claim(&s, NULL).id, urgent);
    assert_string_equal(claim(&s, NULL).id, old);
    assert_string_equal(claim(&s, NULL).id, young);
    assert_string_equal(claim(&s, NULL).id, idle);
    const mw_job_record *jobs;
    size_t n;
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena, &(mw_job_filter){.limit = 10}, &jobs,
                                &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(jobs[0].id, young);
    assert_string_equal(jobs[1].id, old);
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena, &(mw_job_filter){.limit = 1}, &jobs, &n,
                                &err));
    assert_int_equal(n, 1);
    assert_ok(mw_store_job_running(&s.acme, s.store, &s.arena, &jobs, &n, &err));
    assert_int_equal(n, 4);
    end(&s);
}

/* acme floods the queue; globex's jobs still come at every other claim. */
void store_job_fairness(void **state) {
    (void)state;
    scene s;
    begin(&s);
    for (int i = 0; i < 6; i++) create(&s, &s.acme, "k", 0);
    for (int i = 0; i < 2; i++) create(&s, &s.globex, "k", 0);
    char order[9] = "";
    for (int i = 0; i < 8; i++) order[i] = claim(&s, NULL).org[0];
    assert_string_equal(order, "agagaaaa");

    /* One at a time, so that nothing runs when the next is chosen: turns alternate. */
    for (int i = 0; i < 3; i++) create(&s, &s.acme, "k", 0), create(&s, &s.globex, "k", 0);
    const mw_job_record *running;
    size_t n;
    assert_ok(mw_store_job_running(&s.acme, s.store, &s.arena, &running, &n, &err));
    for (size_t i = 0; i < n; i++) {
        const mw_ctx *ctx = running[i].org[0] == 'a' ? &s.acme : &s.globex;
        assert_ok(
            mw_store_job_finish(ctx, s.store, running[i].id, 1, MW_JOB_FAILURE, NULL, NULL, &err));
    }
    char turns[7] = "";
    for (int i = 0; i < 6; i++) {
        mw_job_record job = claim(&s, NULL);
        const mw_ctx *ctx = job.org[0] == 'a' ? &s.acme : &s.globex;
        turns[i] = job.org[0];
        assert_ok(mw_store_job_finish(ctx, s.store, job.id, 1, MW_JOB_FAILURE, NULL, NULL, &err));
    }
    assert_string_equal(turns, "gagaga");
    end(&s);
}

void store_job_fencing(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32];
    int32_t n;
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 3, false, id, &err));
    claim(&s, id);
    s.hand.now_us += 29 * SECOND;
    assert_ok(mw_store_job_expire(&s.globex, s.store, "late", &n, &err));
    assert_int_equal(n, 0);
    s.hand.now_us +=
        2 * SECOND; /* past the lease, but nobody has taken it away: it may be renewed */
    assert_ok(renew(&s.acme, s.store, id, 1, SECOND, 0, NULL, NULL, &err));
    s.hand.now_us += SECOND;
    assert_ok(mw_store_job_expire(&s.globex, s.store, "late", &n, &err));
    assert_int_equal(n, 1);
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_RETRY);
    assert_null(job.worker);
    assert_non_null(strstr(job.error, "late"));
    assert_int_equal(job.finished_us, 0);
    assert_status(renew(&s.acme, s.store, id, 1, 1, 0, NULL, NULL, &err), MW_ECONFLICT);

    s.hand.now_us += 2 * SECOND;
    job = claim(&s, NULL); /* somebody else has it now */
    assert_int_equal(job.fence, 2);
    assert_int_equal(job.attempts, 2);
    mw_commit late = {.job_id = id, .fence = 1, .result = "{}", .dataset = "main"};
    assert_status(mw_store_commit(&s.acme, s.store, &late, &err), MW_ECONFLICT);
    assert_status(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_SUCCESS, NULL, NULL, &err),
                  MW_ECONFLICT);
    const char *const *names;
    size_t n_names;
    assert_ok(mw_store_dataset_list(&s.acme, s.store, &s.arena, &names, &n_names, &err));
    assert_int_equal(n_names, 0);
    late.fence = 2;
    assert_ok(mw_store_commit(&s.acme, s.store, &late, &err));
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_SUCCESS);
    assert_status(mw_store_commit(&s.acme, s.store, &late, &err), MW_ECONFLICT); /* never twice */
    end(&s);
}

void store_job_retry(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32];
    int32_t n;
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 2, false, id, &err));
    claim(&s, NULL);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_RETRY, NULL,
                                  "{\"code\":\"EINTERNAL\"}", &err));
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_RETRY);
    s.hand.now_us += SECOND;
    claim(&s, NULL);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 2, MW_JOB_RETRY, NULL,
                                  "{\"code\":\"EINTERNAL\"}", &err));
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_FAILURE); /* no attempt is left */
    assert_string_equal(job.error, "{\"code\":\"EINTERNAL\"}");
    assert_int_equal(job.finished_us, START_US + SECOND);
    assert_true(job.is_dead);

    const char *last = create(&s, &s.globex, "k", 0);
    claim(&s, NULL);
    s.hand.now_us += 31 * SECOND;
    assert_ok(mw_store_job_expire(&s.acme, s.store, "gone \"quoted\"", &n, &err));
    assert_int_equal(n, 1);
    job = get(&s, &s.globex, last);
    assert_int_equal(job.state, MW_JOB_FAILURE);
    assert_string_equal(
        job.error, "{\"code\":\"EINTERNAL\",\"message\":\"gone \\\"quoted\\\"\",\"hint\":\"\"}");
    assert_int_equal(job.finished_us, START_US + 32 * SECOND);
    assert_status(mw_store_job_finish(&s.acme, s.store, last, 1, MW_JOB_PENDING, NULL, NULL, &err),
                  MW_EINVAL);
    end(&s);
}

void store_job_backs_off(void **state) {
    (void)state;
    scene s;
    mw_job_record job;
    int64_t due;
    begin(&s);
    char id[32];
    assert_ok(mw_store_job_due(&s.acme, s.store, &due, &err));
    assert_true(due == INT64_MAX);
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 7, false, id, &err));
    static const int64_t waits_us[] = {500000, 2000000, 8000000, 32000000, 120000000, 120000000};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(claim(&s, NULL).attempts, i + 1);
        assert_ok(mw_store_job_finish(&s.acme, s.store, id, i + 1, MW_JOB_RETRY, NULL, "{}", &err));
        assert_ok(mw_store_job_due(&s.acme, s.store, &due, &err));
        assert_int_equal(due, s.hand.now_us + waits_us[i]);
        s.hand.now_us += waits_us[i] - 1;
        assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, NULL, "w", 1, &job, &err),
                      MW_ENOTFOUND);
        s.hand.now_us++;
    }
    /* Given back: at once, and no attempt. */
    claim(&s, NULL);
    assert_ok(mw_store_job_release(&s.acme, s.store, id, 7, "{}", &err));
    job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_RETRY);
    assert_int_equal(job.attempts, 6);
    job = claim(&s, NULL);
    assert_int_equal(job.attempts, 7);
    assert_int_equal(job.fence, 8);
    assert_status(mw_store_job_release(&s.acme, s.store, id, 7, "{}", &err), MW_ECONFLICT);
    /* One that is to stop is not given back. */
    assert_ok(mw_store_job_cancel(&s.acme, s.store, id, &err));
    assert_ok(mw_store_job_release(&s.acme, s.store, id, 8, "{}", &err));
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_REVOKED);
    end(&s);
}

/* What waits for a time that was written before somebody set the clock back by a day does not wait for that day to pass again. */
void store_job_clock_set_back(void **state) {
    (void)state;
    static const int64_t DAY_US = INT64_C(86400) * SECOND;
    scene s;
    begin(&s);
    char id[32];
    int64_t due;
    int32_t n;
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 5, false, id, &err));
    claim(&s, NULL);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_RETRY, NULL, "{}", &err));
    s.hand.now_us -= DAY_US;
    assert_ok(mw_store_job_due(&s.acme, s.store, &due, &err));
    assert_true(due <= s.hand.now_us);
    assert_int_equal(claim(&s, NULL).attempts, 2);
    s.hand.now_us -= 20 * SECOND; /* a lease of 30 s may be 50 s ahead then */
    assert_ok(mw_store_job_expire(&s.globex, s.store, "late", &n, &err));
    assert_int_equal(n, 0);
    s.hand.now_us -= DAY_US; /* its holder dies before it can renew */
    assert_ok(mw_store_job_expire(&s.globex, s.store, "late", &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_RETRY);
    end(&s);
}

/* The end of the transaction that made it was not heard of, and it runs again: one job, and no conflict. */
void store_job_made_once(void **state) {
    (void)state;
    static const char id[32] = "01HZZZZZZZZZZZZZZZZZZZZZZZ";
    scene s;
    begin(&s);
    const mw_job_new plain = {.kind = "k", .payload = "{}", .exclusive = true};
    const mw_job_new held = {.kind = "k", .payload = "{}", .worker = "w", .lease_us = SECOND};
    for (int i = 0; i < 2; i++)
        assert_ok(mw_sql__job_create(&s.acme, s.store, &plain, &id, "", NULL, &err));
    assert_int_equal(claim(&s, NULL).fence, 1);
    assert_ok(mw_sql__job_create(&s.acme, s.store, &held, &id, "", NULL, &err));
    assert_int_equal(get(&s, &s.acme, id).fence, 1);
    end(&s);
}

static const char *create_after(scene *s, const mw_ctx *ctx, const char *a, const char *b) {
    const char *after[] = {a, b};
    const mw_job_new job = {.kind = "k", .payload = "{}", .after = after, .n_after = b ? 2 : 1};
    char *id = mw_arena_alloc(&s->arena, 32);
    assert_ok(mw_store_job_create(ctx, s->store, &job, id, &err));
    return id;
}

static void succeed(scene *s, const char *id) {
    const int64_t fence = claim(s, id).fence;
    assert_ok(mw_store_job_finish(&s->acme, s->store, id, fence, MW_JOB_SUCCESS, "1", NULL, &err));
}

void store_job_after(void **state) {
    (void)state;
    scene s;
    mw_job_record job;
    begin(&s);
    const char *a = create(&s, &s.acme, "k", 0), *b = create(&s, &s.acme, "k", 0);
    const char *both = create_after(&s, &s.acme, a, b);
    const char *twice = create_after(&s, &s.acme, a, a);
    assert_int_equal(get(&s, &s.acme, both).n_waits, 2);
    assert_int_equal(get(&s, &s.acme, twice).n_waits, 1);
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, both, "w", 1, &job, &err),
                  MW_ECONFLICT);
    succeed(&s, a);
    assert_int_equal(get(&s, &s.acme, both).n_waits, 1);
    assert_int_equal(get(&s, &s.acme, twice).n_waits, 0);
    assert_string_equal(claim(&s, NULL).id, b);
    assert_string_equal(claim(&s, NULL).id, twice);
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, NULL, "w", 1, &job, &err),
                  MW_ENOTFOUND);
    /* What waits on a job that fails fails, with all that wait on it. */
    const char *last = create_after(&s, &s.acme, both, NULL);
    assert_ok(mw_store_job_finish(&s.acme, s.store, b, 1, MW_JOB_FAILURE, NULL, "{}", &err));
    job = get(&s, &s.acme, last);
    assert_int_equal(job.state, MW_JOB_FAILURE);
    assert_non_null(strstr(job.error, b));
    assert_int_equal(get(&s, &s.acme, both).state, MW_JOB_FAILURE);
    assert_int_equal(job.finished_us, START_US);
    /* Tried again in the order of their causes. */
    assert_status(mw_store_job_retry(&s.acme, s.store, both, &err), MW_ECONFLICT);
    assert_non_null(strstr(err.message, b));
    assert_ok(mw_store_job_retry(&s.acme, s.store, b, &err));
    assert_ok(mw_store_job_retry(&s.acme, s.store, both, &err));
    assert_int_equal(get(&s, &s.acme, both).n_waits, 1);
    succeed(&s, b);
    succeed(&s, both);
    assert_ok(mw_store_job_retry(&s.acme, s.store, last, &err));
    succeed(&s, last);
    /* Those that may not be waited for. */
    const char *after[] = {a};
    char id[32];
    mw_job_new new_job = {.kind = "k", .payload = "{}", .after = after, .n_after = 1};
    assert_status(mw_store_job_create(&s.globex, s.store, &new_job, id, &err), MW_ENOTFOUND);
    after[0] = create(&s, &s.acme, "k", 0);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, after[0], &err));
    assert_status(mw_store_job_create(&s.acme, s.store, &new_job, id, &err), MW_ECONFLICT);
    new_job.n_after = (int32_t)MW_LIMIT(JOB_AFTER) + 1;
    assert_status(mw_store_job_create(&s.acme, s.store, &new_job, id, &err), MW_EINVAL);
    end(&s);
}

void store_job_again(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32], other[32];
    assert_ok(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, id, &err));
    assert_status(mw_store_job_retry(&s.acme, s.store, id, &err), MW_ECONFLICT);
    claim(&s, id);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_RETRY, NULL, "{}", &err));
    assert_true(get(&s, &s.acme, id).is_dead);
    const mw_job_record *jobs;
    size_t n;
    const mw_job_filter dead = {.limit = 5, .dead = true};
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena, &dead, &jobs, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(jobs[0].id, id);
    assert_ok(mw_store_job_list(&s.globex, s.store, &s.arena, &dead, &jobs, &n, &err));
    assert_int_equal(n, 0);
    assert_status(mw_store_job_retry(&s.globex, s.store, id, &err), MW_ENOTFOUND);
    /* Exclusive now as then. */
    assert_ok(create_job(&s.acme, s.store, "train", "{}", 0, 1, true, other, &err));
    assert_status(mw_store_job_retry(&s.acme, s.store, id, &err), MW_ECONFLICT);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, other, &err));
    assert_ok(mw_store_job_retry(&s.acme, s.store, id, &err));
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_PENDING);
    assert_int_equal(job.attempts, 0);
    assert_false(job.is_dead);
    assert_null(job.error);
    succeed(&s, id);
    assert_status(mw_store_job_retry(&s.acme, s.store, id, &err), MW_ECONFLICT);
    end(&s);
}

void store_job_listing(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *ids[6];
    for (int i = 0; i < 6; i++) ids[i] = create(&s, &s.acme, i % 2 ? "odd" : "even", 0);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, ids[3], &err));
    const mw_job_record *jobs;
    size_t n;
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena,
                                &(mw_job_filter){.limit = 10, .kind = "odd"}, &jobs, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(jobs[0].id, ids[5]);
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena,
                                &(mw_job_filter){.limit = 10, .state = "REVOKED"}, &jobs, &n,
                                &err));
    assert_int_equal(n, 1);
    assert_string_equal(jobs[0].id, ids[3]);
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena,
                                &(mw_job_filter){.limit = 2, .before = ids[3]}, &jobs, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(jobs[0].id, ids[2]);
    assert_string_equal(jobs[1].id, ids[1]);
    end(&s);
}

void store_job_log(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    const int64_t made = get(&s, &s.acme, id).revision;
    claim(&s, id);
    mw_job_renewal renewal = {
        .id = id, .fence = 1, .lease_us = SECOND, .log = "one\ntwo\n", .n_log_lines = 7};
    assert_ok(mw_store_job_renew(&s.acme, s.store, &renewal, NULL, &err));
    renewal.log = NULL;
    renewal.n_log_lines = 0;
    assert_ok(mw_store_job_renew(&s.acme, s.store, &renewal, NULL, &err));
    mw_job_record job = get(&s, &s.acme, id);
    assert_string_equal(job.log, "one\ntwo\n");
    assert_int_equal(job.n_log_lines, 7);
    assert_int_equal(job.revision, made + 3);
    end(&s);
}

void store_job_cancel(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *waiting = create(&s, &s.acme, "k", 0);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, waiting, &err));
    mw_job_record job = get(&s, &s.acme, waiting);
    assert_int_equal(job.state, MW_JOB_REVOKED);
    assert_int_equal(job.finished_us, START_US);
    assert_status(mw_store_job_cancel(&s.acme, s.store, waiting, &err), MW_ECONFLICT);

    char id[32];
    bool canceled = false;
    int32_t n;
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 5, false, id, &err));
    claim(&s, id);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, id, &err));
    assert_true(get(&s, &s.acme, id).cancel_requested);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_STARTED);
    assert_ok(renew(&s.acme, s.store, id, 1, SECOND, 0, NULL, &canceled, &err));
    assert_true(canceled);
    s.hand.now_us += 2 * SECOND; /* its worker dies: a canceled job is not tried again */
    assert_ok(mw_store_job_expire(&s.acme, s.store, "gone", &n, &err));
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_REVOKED);

    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 5, false, id, &err));
    claim(&s, id);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_RETRY, NULL, NULL, &err));
    assert_ok(mw_store_job_cancel(&s.acme, s.store, id, &err));
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_REVOKED);
    end(&s);
}

/* A job of one organization does not exist for the other. */
void store_job_scope(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    mw_job_record job;
    mw_commit commit = {.job_id = id, .fence = 1};
    assert_status(mw_store_job_get(&s.globex, s.store, &s.arena, id, &job, &err), MW_ENOTFOUND);
    assert_status(mw_store_job_cancel(&s.globex, s.store, id, &err), MW_ENOTFOUND);
    assert_status(mw_store_job_claim(&s.globex, s.store, &s.arena, id, "w", 1, &job, &err),
                  MW_ENOTFOUND);
    claim(&s, id);
    assert_status(renew(&s.globex, s.store, id, 1, 1, 0, NULL, NULL, &err), MW_ENOTFOUND);
    assert_status(mw_store_job_finish(&s.globex, s.store, id, 1, MW_JOB_SUCCESS, NULL, NULL, &err),
                  MW_ENOTFOUND);
    assert_status(mw_store_commit(&s.globex, s.store, &commit, &err), MW_ENOTFOUND);
    assert_status(mw_store_job_get(&s.acme, s.store, &s.arena, "nope", &job, &err), MW_ENOTFOUND);
    end(&s);
}

void store_job_born_claimed(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32];
    assert_ok(create_claimed(&s.acme, s.store, "k", "me", SECOND, true, id, &err));
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_STARTED);
    assert_int_equal(job.fence, 1);
    assert_string_equal(job.worker, "me");
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, NULL, "w", 1, &job, &err),
                  MW_ENOTFOUND);
    assert_status(create_claimed(&s.acme, s.store, "k", "me", SECOND, true, id, &err),
                  MW_ECONFLICT);
    assert_ok(mw_store_job_finish(&s.acme, s.store, id, 1, MW_JOB_SUCCESS, "1", NULL, &err));
    end(&s);
}

/* A model of the rules, kept beside the store under random steps. */
typedef struct model_job {
    char id[32];
    int org, attempts, max_attempts;
    int64_t fence, lease_until;
    mw_job_state state;
    bool canceled;
} model_job;

enum { N_MODEL_JOBS = 12, N_WAVES = 6, N_WAVE_STEPS = 100, N_ALL_JOBS = N_MODEL_JOBS * N_WAVES };

static mw_job_state after_retry(const model_job *job) {
    if (job->canceled) return MW_JOB_REVOKED;
    return job->attempts < job->max_attempts ? MW_JOB_RETRY : MW_JOB_FAILURE;
}

static bool runs(const model_job *job) {
    return job->state == MW_JOB_STARTED || job->state == MW_JOB_PROGRESS;
}

static void model_step(scene *s, mw_rng *rng, model_job *job) {
    const mw_ctx *ctx = job->org ? &s->globex : &s->acme;
    int64_t fence = job->fence - (mw_rng_below(rng, 4) == 0);
    bool holds = runs(job) && fence == job->fence;
    mw_job_record record;
    mw_status status;
    switch (mw_rng_below(rng, 5)) {
    case 0:
        status =
            mw_store_job_claim(ctx, s->store, &s->arena, job->id, "w", 3 * SECOND, &record, &err);
        if (runs(job) || mw_job_state_final(job->state)) {
            assert_int_equal(status, MW_ECONFLICT);
            return;
        }
        assert_int_equal(status, MW_OK);
        job->state = MW_JOB_STARTED;
        job->attempts++;
        assert_int_equal(record.fence, ++job->fence);
        job->lease_until = s->hand.now_us + 3 * SECOND;
        return;
    case 1:
        status = renew(ctx, s->store, job->id, fence, SECOND, 0.5, NULL, NULL, &err);
        assert_int_equal(status, holds ? MW_OK : MW_ECONFLICT);
        if (holds) job->state = MW_JOB_PROGRESS, job->lease_until = s->hand.now_us + SECOND;
        return;
    case 2:
        status = mw_store_job_finish(ctx, s->store, job->id, fence, MW_JOB_RETRY, NULL, NULL, &err);
        assert_int_equal(status, holds ? MW_OK : MW_ECONFLICT);
        if (holds) job->state = after_retry(job);
        return;
    case 3:
        if (mw_rng_below(rng, 4)) return;
        status = mw_store_job_cancel(ctx, s->store, job->id, &err);
        assert_int_equal(status, mw_job_state_final(job->state) ? MW_ECONFLICT : MW_OK);
        if (status != MW_OK) return;
        job->canceled = true;
        if (!runs(job)) job->state = MW_JOB_REVOKED;
        return;
    default: {
        if (mw_rng_below(rng, 4)) return;
        mw_commit commit = {.job_id = job->id, .fence = fence};
        status = mw_store_commit(ctx, s->store, &commit, &err);
        assert_int_equal(status, holds ? MW_OK : MW_ECONFLICT);
        if (holds) job->state = MW_JOB_SUCCESS;
    }
    }
}

static void model_expire(scene *s, model_job *jobs, int n_jobs) {
    int32_t n = 0, expected = 0;
    for (int i = 0; i < n_jobs; i++) {
        if (!runs(&jobs[i]) || jobs[i].lease_until > s->hand.now_us) continue;
        jobs[i].state = after_retry(&jobs[i]);
        expected++;
    }
    assert_ok(mw_store_job_expire(&s->acme, s->store, "late", &n, &err));
    assert_int_equal(n, expected);
}

static void model_wave(scene *s, model_job *jobs) {
    for (int j = 0; j < N_MODEL_JOBS; j++) {
        model_job *job = &jobs[j];
        *job = (model_job){.org = j % 2, .max_attempts = 1 + j % 4, .state = MW_JOB_PENDING};
        assert_ok(create_job(j % 2 ? &s->globex : &s->acme, s->store, "k", "{}", 0,
                             job->max_attempts, false, job->id, &err));
    }
}

void store_random_jobs(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    model_job jobs[N_ALL_JOBS] = {0};
    for (int wave = 0; wave < N_WAVES; wave++) { /* fresh jobs, as most of the last have ended */
        model_job *fresh = &jobs[wave * N_MODEL_JOBS];
        model_wave(&s, fresh);
        for (int i = 0; i < N_WAVE_STEPS; i++) {
            s.hand.now_us += (int64_t)mw_rng_below(&rng, SECOND / 2);
            model_job *job = &fresh[mw_rng_below(&rng, N_MODEL_JOBS)];
            if (mw_rng_below(&rng, 10) == 0)
                model_expire(&s, jobs, (wave + 1) * N_MODEL_JOBS);
            else
                model_step(&s, &rng, job);
            assert_int_equal(get(&s, job->org ? &s.globex : &s.acme, job->id).state, job->state);
        }
    }
    end(&s);
}

void store_job_counts(void **state) {
    (void)state;
    scene s;
    mw_job_counts counts;
    begin(&s);
    assert_ok(mw_store_job_counts(&s.acme, s.store, &counts, &err));
    for (int i = 0; i <= MW_JOB_REVOKED; i++) assert_int_equal(counts.open[i], 0);
    assert_int_equal(counts.oldest_waiting_us, 0);
    char first[32], second[32], third[32];
    assert_ok(create_job(&s.acme, s.store, "k", "{}", 0, 1, false, first, &err));
    s.hand.now_us += SECOND;
    assert_ok(create_job(&s.globex, s.store, "k", "{}", 0, 1, false, second, &err));
    assert_ok(create_job(&s.globex, s.store, "k", "{}", 0, 1, false, third, &err));
    assert_ok(mw_store_job_counts(&s.acme, s.store, &counts, &err));
    assert_int_equal(counts.open[MW_JOB_PENDING], 3); /* of all organizations */
    assert_int_equal(counts.oldest_waiting_us, START_US);
    mw_job_record job = claim(&s, NULL);
    assert_string_equal(job.id, first);
    assert_ok(mw_store_job_counts(&s.acme, s.store, &counts, &err));
    assert_int_equal(counts.open[MW_JOB_PENDING], 2);
    assert_int_equal(counts.open[MW_JOB_STARTED], 1);
    assert_int_equal(counts.oldest_waiting_us, START_US + SECOND);
    assert_int_equal(counts.dead, 0);
    assert_ok(mw_store_job_finish(&s.acme, s.store, first, 1, MW_JOB_RETRY, NULL, "{}", &err));
    assert_ok(mw_store_job_counts(&s.acme, s.store, &counts, &err));
    assert_int_equal(counts.open[MW_JOB_STARTED] + counts.open[MW_JOB_FAILURE], 0);
    assert_int_equal(counts.dead, 1); /* it had one attempt */
    /* How long each took is known, and that nothing failed. */
    const mw_store_meter *meter = mw_store_meter_of(s.store);
    assert_true(mw_durations_count(&meter->latency[MW_STORE_READ]) >= 4);
    assert_true(mw_durations_count(&meter->latency[MW_STORE_WRITE]) >= 5);
    for (int i = 0; i < MW_STATUS_COUNT; i++) assert_int_equal(meter->failed[i], 0);
    end(&s);
}
