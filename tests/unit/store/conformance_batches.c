/* conformance_batches.c -- the scenarios of conformance.h about several jobs at once: made, claimed, ended. */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "unit/store/scene.h"

static const char *const LIGHT[] = {"note", "ping", NULL};

static mw_status claim_some(scene *s, int32_t most, const mw_job_record **ret, size_t *n) {
    const mw_job_want want = {.worker = "w", .lease_us = 30 * SECOND, .light = LIGHT, .most = most};
    return mw_store_job_claim_some(&s->acme, s->store, &s->arena, &want, ret, n, &err);
}

static void succeed(scene *s, const mw_job_record *job) {
    mw_ctx ctx = s->acme;
    ctx.org = job->org;
    assert_ok(
        mw_store_job_finish(&ctx, s->store, job->id, job->fence, MW_JOB_SUCCESS, "1", NULL, &err));
}

void store_job_copies(void **state) {
    (void)state;
    scene s;
    begin(&s);
    enum { N = 75 };
    char id[32];
    const mw_job_record *jobs;
    size_t n;
    mw_job_new job = {.kind = "note",
                      .payload = "{\"a\":1}",
                      .priority = 3,
                      .max_attempts = 2,
                      .time_limit_us = 7,
                      .memory_bytes = 9,
                      .copies = N};
    assert_ok(mw_store_job_create(&s.acme, s.store, &job, id, &err));
    assert_ok(mw_store_job_list(&s.acme, s.store, &s.arena, &(mw_job_filter){.limit = 100}, &jobs,
                                &n, &err));
    assert_int_equal(n, N);
    assert_string_equal(jobs[0].id, id);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(jobs[i].state, MW_JOB_PENDING);
        assert_string_equal(jobs[i].payload, "{\"a\":1}");
        assert_int_equal(jobs[i].priority, 3);
        assert_int_equal(jobs[i].max_attempts, 2);
        assert_int_equal(jobs[i].time_limit_us, 7);
        assert_int_equal(jobs[i].memory_bytes, 9);
        assert_int_equal(jobs[i].created_us, START_US);
    }
    /* An entry of the audit log comes with them, one, and with none that is refused. */
    const mw_audit_record *entries;
    const mw_job_audit audit = {"key:k", "probe", "r1"};
    char expected[96];
    job.audit = &audit;
    assert_ok(mw_store_job_create(&s.globex, s.store, &job, id, &err));
    job.copies = (int32_t)MW_LIMIT(JOB_COPIES) + 1;
    assert_status(mw_store_job_create(&s.globex, s.store, &job, id, &err), MW_EINVAL);
    assert_ok(mw_store_audit_list(&s.globex, s.store, &s.arena, 0, 10, &entries, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(entries[0].principal, "key:k");
    assert_string_equal(entries[0].action, "probe");
    (void)snprintf(expected, sizeof expected,
                   "{\"outcome\":\"ok\",\"request_id\":\"r1\",\"job_id\":\"%s\"}", id);
    assert_string_equal(entries[0].detail, expected);
    job.audit = NULL;
    job.copies = (int32_t)MW_LIMIT(JOB_COPIES) + 1;
    assert_status(mw_store_job_create(&s.acme, s.store, &job, id, &err), MW_EINVAL);
    job.copies = 2;
    job.exclusive = true;
    assert_status(mw_store_job_create(&s.acme, s.store, &job, id, &err), MW_EINVAL);
    job.exclusive = false;
    job.copies = (int32_t)MW_LIMIT(JOB_COPIES);
    assert_ok(mw_store_job_create(&s.acme, s.store, &job, id, &err));
    assert_status(mw_store_job_create(&s.acme, s.store, &job, id, &err), MW_EBUSY);
    mw_job_counts counts;
    assert_ok(mw_store_job_counts(&s.acme, s.store, &counts, &err));
    assert_int_equal(counts.open[MW_JOB_PENDING], 2 * N + MW_LIMIT(JOB_COPIES));
    end(&s);
}

/* Each of them is for those of the same home, as a single one is. */
void store_job_copies_at_home(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_job_record job;
    const mw_job_new of_home = {.kind = "note", .payload = "{}", .home = "here", .copies = 3};
    char id[32];
    assert_ok(mw_store_job_create(&s.acme, s.store, &of_home, id, &err));
    mw_store *here = mw_conformance_open(&s.acme);
    assert_status(mw_store_job_claim(&s.acme, s.store, &s.arena, NULL, "w", SECOND, &job, &err),
                  MW_ENOTFOUND);
    mw_store_set_home(here, "here");
    for (int i = 0; i < 3; i++)
        assert_ok(mw_store_job_claim(&s.acme, here, &s.arena, NULL, "w", SECOND, &job, &err));
    mw_store_close(here);
    end(&s);
}

enum { PLANNED = 60, ORGS = 3 };
static const char *const ORG[ORGS] = {"acme", "globex", "initech"};

typedef struct planned {
    int org, kind, priority;
} planned;

/* One job of each organization has had its turn, in the order of their names; then the plan is made. Each job's payload is its number. */
static void make_plan(scene *s, const planned *plan) {
    static const char *const KINDS[] = {"note", "ping", "heavy"};
    mw_ctx ctx = s->acme;
    for (int i = 0; i < ORGS; i++) {
        ctx.org = ORG[i];
        (void)create(s, &ctx, "heavy", 0);
        const mw_job_record job = claim(s, NULL);
        assert_string_equal(job.org, ORG[i]);
        succeed(s, &job);
    }
    for (int i = 0; i < PLANNED; i++) {
        char id[32], payload[16];
        ctx.org = ORG[plan[i].org];
        (void)snprintf(payload, sizeof payload, "%d", i);
        const mw_job_new job = {
            .kind = KINDS[plan[i].kind], .payload = payload, .priority = plan[i].priority};
        assert_ok(mw_store_job_create(&ctx, s->store, &job, id, &err));
    }
}

/* Claims of several at a time come in the order that claims one by one would have, when each job ends before the next claim. */
void store_job_claims_together(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_rng rng;
    mw_rng_init(&rng, 36, 1, 0);
    size_t most_at_once = 0;
    for (int round = 0; round < 3 + mw_test_rounds(9); round++) {
        planned plan[PLANNED];
        const mw_job_record *jobs;
        size_t n;
        int order[PLANNED], at = 0;
        for (int i = 0; i < PLANNED; i++)
            plan[i] = (planned){.org = round % 2 ? 0 : (int)mw_rng_below(&rng, ORGS),
                                .kind = mw_rng_below(&rng, 8) ? (int)mw_rng_below(&rng, 2) : 2,
                                .priority = (int)mw_rng_below(&rng, 3)};
        mw_job_record held = {0};
        if (round % 3 == 2) { /* one of an organization that goes on running: the others go first */
            (void)create(&s, &s.globex, "heavy", 0);
            held = claim(&s, NULL);
        }
        make_plan(&s, plan);
        for (int i = 0; i < PLANNED; i++) {
            const mw_job_record job = claim(&s, NULL);
            sscanf(job.payload, "%d", &order[i]);
            succeed(&s, &job);
        }
        make_plan(&s, plan);
        while (at < PLANNED) {
            assert_ok(claim_some(&s, 1 + (int32_t)mw_rng_below(&rng, 40), &jobs, &n));
            if (n > most_at_once) most_at_once = n;
            for (size_t i = 0; i < n; i++) {
                int number;
                sscanf(jobs[i].payload, "%d", &number);
                assert_int_equal(number, order[at++]);
                assert_string_equal(jobs[i].org, jobs[0].org);
                assert_int_equal(jobs[i].state, MW_JOB_STARTED);
                assert_int_equal(jobs[i].fence, 1);
                assert_int_equal(jobs[i].attempts, 1);
                if (n > 1) assert_true(plan[number].kind < 2);
            }
            for (size_t i = 0; i < n; i++) succeed(&s, &jobs[i]);
        }
        assert_status(claim_some(&s, 8, &jobs, &n), MW_ENOTFOUND);
        if (held.id) succeed(&s, &held);
        mw_arena_reset(&s.arena);
    }
    assert_true(most_at_once > 10);
    const mw_job_record *jobs;
    size_t n;
    assert_status(claim_some(&s, 0, &jobs, &n), MW_EINVAL);
    assert_status(claim_some(&s, MW_STORE_CLAIM_MOST + 1, &jobs, &n), MW_EINVAL);
    end(&s);
}

void store_job_ends_together(void **state) {
    (void)state;
    scene s;
    begin(&s);
    enum { N = 70 };
    char ids[N][32], last[32], broken[32];
    const mw_job_record *jobs;
    size_t n;
    mw_job_end ends[N + 1];
    assert_ok(mw_store_job_create(
        &s.acme, s.store,
        &(mw_job_new){.kind = "note", .payload = "{}", .max_attempts = 3, .copies = N}, last,
        &err));
    assert_ok(claim_some(&s, MW_STORE_CLAIM_MOST, &jobs, &n));
    assert_int_equal(n, N);
    for (int i = 0; i < N; i++) {
        memcpy(ids[i], jobs[i].id, 27);
        ends[i] =
            (mw_job_end){.id = ids[i], .fence = 1, .state = MW_JOB_SUCCESS, .result = "{\"x\":1}"};
    }
    /* One waits for two of them that end together, one for one that fails. */
    const char *both[] = {ids[0], ids[1]}, *failing = ids[5];
    char second[32];
    assert_ok(mw_store_job_create(
        &s.acme, s.store, &(mw_job_new){.kind = "k", .payload = "{}", .after = both, .n_after = 2},
        second, &err));
    assert_ok(mw_store_job_create(
        &s.acme, s.store,
        &(mw_job_new){.kind = "k", .payload = "{}", .after = &failing, .n_after = 1}, broken,
        &err));
    ends[2].fence = 2;
    ends[3].state = MW_JOB_RETRY; /* given back */
    ends[3].released = true;
    ends[3].result = NULL;
    ends[4].state = MW_JOB_RETRY; /* given back, after somebody wanted it canceled */
    ends[4].released = true;
    ends[4].result = NULL;
    assert_ok(mw_store_job_cancel(&s.acme, s.store, ids[4], &err));
    const mw_job_record *stopping;
    assert_ok(mw_store_job_stopping(&s.acme, s.store, &s.arena, &stopping, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(stopping[0].id, ids[4]);
    ends[5] = (mw_job_end){.id = ids[5], .fence = 1, .state = MW_JOB_FAILURE, .error = "{}"};
    assert_ok(mw_store_job_finish(&s.acme, s.store, ids[6], 1, MW_JOB_FAILURE, NULL, "{}", &err));
    ends[N] = (mw_job_end){
        .id = "01HZZZZZZZZZZZZZZZZZZZZZZZ", .fence = 1, .state = MW_JOB_FAILURE, .error = "{}"};
    assert_ok(mw_store_job_end_all(&s.acme, s.store, ends, N + 1, &err));
    for (int i = 0; i < N; i++) {
        const mw_job_record job = get(&s, &s.acme, ids[i]);
        const bool refused = i == 2 || i == 6;
        assert_int_equal(ends[i].status, refused ? MW_ECONFLICT : MW_OK);
        if (!refused) assert_int_equal(ends[i].ended, job.state);
        if (i >= 2 && i <= 6) continue;
        assert_int_equal(job.state, MW_JOB_SUCCESS);
        assert_string_equal(job.result, "{\"x\":1}");
        assert_null(job.worker);
        assert_null(job.error);
        assert_true(job.progress == 1);
        assert_int_equal(job.finished_us, START_US);
        assert_int_equal(job.lease_until_us, 0);
    }
    assert_int_equal(ends[N].status, MW_ENOTFOUND);
    assert_int_equal(get(&s, &s.acme, ids[2]).state, MW_JOB_STARTED);
    assert_int_equal(get(&s, &s.acme, ids[3]).state, MW_JOB_RETRY);
    assert_int_equal(get(&s, &s.acme, ids[3]).attempts, 0);
    assert_int_equal(get(&s, &s.acme, ids[4]).state, MW_JOB_REVOKED);
    assert_int_equal(get(&s, &s.acme, ids[5]).state, MW_JOB_FAILURE);
    assert_int_equal(get(&s, &s.acme, broken).state, MW_JOB_FAILURE);
    assert_int_equal(get(&s, &s.acme, second).n_waits, 0);
    /* Again, and by somebody of another organization: nothing happens twice, or to others. */
    const int64_t revision = get(&s, &s.acme, ids[0]).revision;
    ends[2].fence = 1;
    assert_ok(mw_store_job_end_all(&s.globex, s.store, ends, 3, &err));
    assert_int_equal(ends[2].status, MW_ECONFLICT);
    assert_ok(mw_store_job_end_all(&s.acme, s.store, ends, 3, &err));
    assert_int_equal(ends[0].status, MW_ECONFLICT);
    assert_int_equal(ends[2].status, MW_OK);
    assert_int_equal(get(&s, &s.acme, ids[0]).revision, revision);
    assert_int_equal(get(&s, &s.acme, second).n_waits, 0);
    ends[0].state = MW_JOB_REVOKED;
    assert_status(mw_store_job_end_all(&s.acme, s.store, ends, 1, &err), MW_EINVAL);
    end(&s);
}
