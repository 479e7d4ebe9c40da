/* conformance_schedules.c -- the scenarios of conformance.h about schedules and leases: life, exactly once, takeover. */
#include <pthread.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "unit/store/scene.h"

enum { MINUTE = 60 * SECOND };

static mw_schedule_record nightly(int64_t next_us) {
    return (mw_schedule_record){.name = "nightly fit",
                                .cron = "0 2 * * *",
                                .zone = "Europe/Berlin",
                                .kind = "train",
                                .payload = "{\"a\":1}",
                                .next_us = next_us};
}

static const char *put(scene *s, const mw_ctx *ctx, int64_t next_us) {
    char *id = mw_arena_alloc(&s->arena, 32);
    const mw_schedule_record schedule = nightly(next_us);
    assert_ok(mw_store_schedule_put(ctx, s->store, &schedule, id, &err));
    return id;
}

static mw_schedule_record look(scene *s, const mw_ctx *ctx, const char *id) {
    mw_schedule_record schedule;
    assert_ok(mw_store_schedule_get(ctx, s->store, &s->arena, id, &schedule, &err));
    return schedule;
}

static mw_status fire(const mw_ctx *ctx, mw_store *store, const char *id, int64_t due_us,
                      int64_t next_us, char *job_id) {
    const mw_job_new job = {.kind = "train", .payload = "{\"a\":1}", .max_attempts = 2};
    const mw_firing firing = {
        .org = ctx->org, .id = id, .due_us = due_us, .next_us = next_us, .job = &job};
    mw_err local;
    return mw_store_schedule_fire(ctx, store, &firing, job_id, &local);
}

static size_t n_jobs(scene *s, const mw_ctx *ctx) {
    const mw_job_record *jobs;
    size_t n;
    assert_ok(mw_store_job_list(ctx, s->store, &s->arena, &(mw_job_filter){.limit = 5000}, &jobs,
                                &n, &err));
    return n;
}

void store_schedule_life(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const uint64_t before = mw_store_change_counter(s.store);
    const char *id = put(&s, &s.acme, START_US + MINUTE);
    assert_true(mw_store_change_counter(s.store) != before);
    assert_int_equal(strlen(id), 26);
    mw_schedule_record one = look(&s, &s.acme, id);
    assert_string_equal(one.id, id);
    assert_string_equal(one.org, "acme");
    assert_string_equal(one.name, "nightly fit");
    assert_string_equal(one.cron, "0 2 * * *");
    assert_string_equal(one.zone, "Europe/Berlin");
    assert_string_equal(one.kind, "train");
    assert_string_equal(one.payload, "{\"a\":1}");
    assert_false(one.paused);
    assert_int_equal(one.next_us, START_US + MINUTE);
    assert_int_equal(one.last_us, 0);
    assert_int_equal(one.created_us, START_US);
    assert_int_equal(one.revision, 1);
    assert_status(mw_store_schedule_get(&s.globex, s.store, &s.arena, id, &one, &err),
                  MW_ENOTFOUND);

    s.hand.now_us += SECOND;
    const char *second = put(&s, &s.acme, START_US);
    char same[32];
    one.name = "hourly fit";
    one.cron = "@hourly";
    one.next_us = START_US + 2 * MINUTE;
    one.paused = true;
    assert_ok(mw_store_schedule_put(&s.acme, s.store, &one, same, &err));
    assert_string_equal(same, id);
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, same, &err), MW_ECONFLICT);
    assert_true(err.hint[0] != 0);
    assert_status(mw_store_schedule_put(&s.globex, s.store, &one, same, &err), MW_ENOTFOUND);
    one = look(&s, &s.acme, id);
    assert_int_equal(one.revision, 2);
    assert_true(one.paused);
    assert_string_equal(one.cron, "@hourly");
    assert_int_equal(one.next_us, START_US + 2 * MINUTE);
    assert_int_equal(one.created_us, START_US);
    one.revision = 0; /* whatever it is now */
    assert_ok(mw_store_schedule_put(&s.acme, s.store, &one, same, &err));

    const mw_schedule_record *all;
    size_t n;
    assert_ok(mw_store_schedule_list(&s.acme, s.store, &s.arena, &all, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(all[0].id, id);
    assert_string_equal(all[1].id, second);
    assert_ok(mw_store_schedule_list(&s.globex, s.store, &s.arena, &all, &n, &err));
    assert_int_equal(n, 0);
    assert_status(mw_store_schedule_delete(&s.globex, s.store, id, &err), MW_ENOTFOUND);
    assert_ok(mw_store_schedule_delete(&s.acme, s.store, id, &err));
    assert_status(mw_store_schedule_delete(&s.acme, s.store, id, &err), MW_ENOTFOUND);
    assert_status(mw_store_schedule_get(&s.acme, s.store, &s.arena, id, &one, &err), MW_ENOTFOUND);
    end(&s);
}

void store_schedule_arguments(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32] = "untouched", text[400];
    memset(text, 'x', sizeof text);
    text[399] = '\0';
    mw_schedule_record one = nightly(1);
    one.kind = "a b";
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_EINVAL);
    one = nightly(1);
    one.cron = NULL;
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_EINVAL);
    one = nightly(1);
    one.payload = NULL;
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_EINVAL);
    one = nightly(1);
    one.name = text;
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_ETOOLARGE);
    one = nightly(1);
    one.id = "../x";
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_EINVAL);
    assert_string_equal(id, "untouched");
    const mw_job_new jobs[] = {{.kind = "k", .payload = "{}", .exclusive = true},
                               {.kind = "k", .payload = "{}", .worker = "w"},
                               {.kind = "k/x", .payload = "{}"}};
    const char *schedule = put(&s, &s.acme, START_US);
    for (int i = 0; i < 3; i++) {
        const mw_firing firing = {
            .org = "acme", .id = schedule, .due_us = START_US, .job = &jobs[i]};
        assert_status(mw_store_schedule_fire(&s.acme, s.store, &firing, id, &err), MW_EINVAL);
    }
    int64_t fence;
    assert_status(mw_store_lease_take(&s.acme, s.store, "a b", "w", 1, &fence, &err), MW_EINVAL);
    assert_status(mw_store_lease_take(&s.acme, s.store, "a", "", 1, &fence, &err), MW_EINVAL);
    assert_status(mw_store_lease_take(&s.acme, s.store, "a", "w", 0, &fence, &err), MW_EINVAL);
    for (int64_t i = 1; i < MW_LIMIT(SCHEDULES); i++) put(&s, &s.acme, START_US);
    one = nightly(1);
    assert_status(mw_store_schedule_put(&s.acme, s.store, &one, id, &err), MW_EBUSY);
    put(&s, &s.globex, START_US);
    end(&s);
}

static size_t due(scene *s, int64_t from_us, int64_t until_us, const mw_schedule_record *after,
                  int32_t limit, const mw_schedule_record **ret) {
    size_t n = 0;
    const mw_schedule_window window = {from_us, until_us, after, limit};
    assert_ok(mw_store_schedule_due(&s->acme, s->store, &s->arena, &window, ret, &n, &err));
    return n;
}

void store_schedule_due(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const mw_schedule_record *page;
    int64_t earliest = 0;
    assert_ok(mw_store_schedule_earliest(&s.acme, s.store, &earliest, &err));
    assert_true(earliest == MW_SCHEDULE_NEVER);
    const char *late = put(&s, &s.acme, START_US + 2 * MINUTE);
    const char *theirs = put(&s, &s.globex, START_US + MINUTE);
    const char *ours = put(&s, &s.acme, START_US + MINUTE);
    put(&s, &s.acme, MW_SCHEDULE_NEVER);
    mw_schedule_record paused = nightly(START_US - MINUTE);
    char id[32];
    paused.paused = true;
    assert_ok(mw_store_schedule_put(&s.acme, s.store, &paused, id, &err));
    assert_ok(mw_store_schedule_earliest(&s.acme, s.store, &earliest, &err));
    assert_int_equal(earliest, START_US + MINUTE);
    assert_int_equal(due(&s, INT64_MIN, START_US, NULL, 10, &page), 0);
    assert_int_equal(due(&s, INT64_MIN, START_US + MINUTE, NULL, 10, &page), 2);
    assert_string_equal(page[0].id, ours); /* of one time: by organization, then by age */
    assert_string_equal(page[1].id, theirs);
    assert_string_equal(page[1].org, "globex");
    assert_int_equal(due(&s, START_US + MINUTE + 1, MW_SCHEDULE_NEVER - 1, NULL, 10, &page), 1);
    assert_string_equal(page[0].id, late);
    assert_int_equal(due(&s, INT64_MIN, MW_SCHEDULE_NEVER - 1, NULL, 2, &page), 2);
    assert_int_equal(due(&s, INT64_MIN, MW_SCHEDULE_NEVER - 1, &page[1], 2, &page), 1);
    assert_string_equal(page[0].id, late);
    assert_int_equal(due(&s, INT64_MIN, MW_SCHEDULE_NEVER - 1, &page[0], 2, &page), 0);
    end(&s);
}

void store_schedule_fires(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *id = put(&s, &s.acme, START_US);
    char job_id[32];
    mw_ctx server = s.acme; /* the server's own organization has no part in it */
    server.org = "default";
    const mw_job_new job = {.kind = "train", .payload = "{\"a\":1}", .max_attempts = 2};
    mw_firing firing = {
        .org = "acme", .id = id, .due_us = START_US, .next_us = START_US + MINUTE, .job = &job};
    const uint64_t before = mw_store_change_counter(s.store);
    assert_ok(mw_store_schedule_fire(&server, s.store, &firing, job_id, &err));
    assert_true(mw_store_change_counter(s.store) != before);
    const mw_job_record made = get(&s, &s.acme, job_id);
    assert_string_equal(made.kind, "train");
    assert_string_equal(made.payload, "{\"a\":1}");
    assert_int_equal(made.max_attempts, 2);
    assert_int_equal(made.state, MW_JOB_PENDING);
    mw_schedule_record one = look(&s, &s.acme, id);
    assert_int_equal(one.last_us, START_US);
    assert_int_equal(one.next_us, START_US + MINUTE);
    assert_int_equal(one.revision, 1); /* nobody has changed it */

    assert_status(mw_store_schedule_fire(&server, s.store, &firing, job_id, &err), MW_ECONFLICT);
    firing.job = NULL; /* only on */
    firing.due_us = START_US + MINUTE;
    firing.next_us = START_US + 2 * MINUTE;
    assert_ok(mw_store_schedule_fire(&server, s.store, &firing, job_id, &err));
    assert_string_equal(job_id, "");
    one = look(&s, &s.acme, id);
    assert_int_equal(one.last_us, START_US);
    assert_int_equal(one.next_us, START_US + 2 * MINUTE);
    assert_int_equal(n_jobs(&s, &s.acme), 1);

    one.paused = true;
    assert_ok(mw_store_schedule_put(&s.acme, s.store, &one, job_id, &err));
    assert_status(fire(&s.acme, s.store, id, one.next_us, 1, job_id), MW_ECONFLICT);
    assert_status(fire(&s.globex, s.store, id, one.next_us, 1, job_id), MW_ENOTFOUND);
    assert_ok(mw_store_schedule_delete(&s.acme, s.store, id, &err));
    assert_status(fire(&s.acme, s.store, id, one.next_us, 1, job_id), MW_ENOTFOUND);
    assert_int_equal(n_jobs(&s, &s.acme), 1);
    end(&s);
}

enum { HOSTS = 8, SCHEDULES = 6, TICKS = 20 };

typedef struct host {
    scene *scene;
    mw_store *store;
    int number;
    int n_fired, n_late, n_wrong;
} host;

/* Fires whatever is due until all schedules have gone on TICKS times; every host tries all of it. */
static void *host_main(void *arg) {
    host *h = arg;
    mw_arena arena;
    mw_err local;
    mw_arena_init(&arena, NULL);
    for (;;) {
        const mw_schedule_record *page;
        size_t n = 0;
        const mw_schedule_window window = {INT64_MIN, START_US + TICKS * MINUTE - 1, NULL, 4};
        mw_arena_reset(&arena);
        if (mw_store_schedule_due(&h->scene->acme, h->store, &arena, &window, &page, &n, &local) !=
            MW_OK)
            h->n_wrong++;
        if (n == 0) break;
        for (size_t i = 0; i < n; i++) {
            char id[32];
            mw_ctx ctx = h->scene->acme;
            ctx.org = page[i].org;
            const mw_status status =
                fire(&ctx, h->store, page[i].id, page[i].next_us, page[i].next_us + MINUTE, id);
            h->n_fired += status == MW_OK;
            h->n_late += status == MW_ECONFLICT;
            h->n_wrong += status != MW_OK && status != MW_ECONFLICT;
        }
    }
    mw_arena_done(&arena);
    return NULL;
}

void store_schedule_once(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_store *second = mw_conformance_open(&s.acme);
    for (int i = 0; i < SCHEDULES; i++) put(&s, i % 2 ? &s.acme : &s.globex, START_US);
    host hosts[HOSTS];
    pthread_t threads[HOSTS];
    for (int i = 0; i < HOSTS; i++) {
        hosts[i] = (host){.scene = &s, .store = i % 2 ? second : s.store, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, host_main, &hosts[i]), 0);
    }
    int n_fired = 0, n_late = 0;
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(hosts[i].n_wrong, 0);
        n_fired += hosts[i].n_fired;
        n_late += hosts[i].n_late;
    }
    assert_int_equal(n_fired, SCHEDULES * TICKS);
    assert_true(n_late > 0); /* they did meet */
    assert_int_equal(n_jobs(&s, &s.acme), SCHEDULES / 2 * TICKS);
    assert_int_equal(n_jobs(&s, &s.globex), SCHEDULES / 2 * TICKS);
    mw_store_close(second);
    end(&s);
}

/* ---- leases ---- */

static mw_status take(scene *s, const char *holder, int64_t *fence) {
    return mw_store_lease_take(&s->acme, s->store, "clock", holder, 10 * SECOND, fence, &err);
}

static mw_status keep(scene *s, int64_t fence) {
    return mw_store_lease_renew(&s->acme, s->store, "clock", fence, 10 * SECOND, &err);
}

static mw_status give_back(scene *s, int64_t fence) {
    return mw_store_lease_release(&s->acme, s->store, "clock", fence, &err);
}

void store_leases(void **state) {
    (void)state;
    scene s;
    begin(&s);
    int64_t first = 0, second = 0;
    assert_ok(take(&s, "a", &first));
    assert_int_equal(first, 1);
    assert_status(take(&s, "b", &second), MW_ECONFLICT);
    assert_int_equal(second, 0);
    assert_ok(mw_store_lease_take(&s.acme, s.store, "other", "b", SECOND, &second, &err));
    s.hand.now_us += 9 * SECOND;
    assert_ok(keep(&s, first));
    s.hand.now_us += 9 * SECOND;
    assert_status(take(&s, "b", &second), MW_ECONFLICT);
    s.hand.now_us += 2 * SECOND; /* it ran out, and nobody took it: still the first one's */
    assert_ok(keep(&s, first));
    s.hand.now_us += 10 * SECOND;
    assert_ok(take(&s, "b", &second));
    assert_int_equal(second, 2);
    assert_status(keep(&s, first), MW_ECONFLICT);
    assert_status(give_back(&s, first), MW_ECONFLICT);
    assert_status(take(&s, "a", &first), MW_ECONFLICT);
    assert_ok(give_back(&s, second));
    assert_status(keep(&s, second), MW_ECONFLICT);
    assert_status(give_back(&s, second), MW_ECONFLICT);
    assert_ok(take(&s, "a", &first));
    assert_int_equal(first, 3);
    assert_ok(take(&s, "a", &first)); /* who asks again is another life of the same process */
    assert_int_equal(first, 4);
    assert_status(keep(&s, 3), MW_ECONFLICT);
    s.hand.now_us -= INT64_C(86400) * SECOND; /* the clock is set back by a day */
    assert_ok(take(&s, "b", &second));
    assert_int_equal(second, 5);
    end(&s);
}

typedef struct rival {
    scene *scene;
    mw_store *store;
    char holder[8];
    _Atomic int *n_inside;
    int n_times, n_wrong;
} rival;

/* While the clock stands, a lease that was taken is held until it is given back: never by two at once. */
static void *rival_main(void *arg) {
    rival *r = arg;
    mw_err local;
    for (int i = 0; i < 60; i++) {
        int64_t fence;
        mw_status status = mw_store_lease_take(&r->scene->acme, r->store, "clock", r->holder,
                                               SECOND, &fence, &local);
        if (status == MW_ECONFLICT) continue;
        if (status != MW_OK || atomic_fetch_add(r->n_inside, 1) != 0) r->n_wrong++;
        r->n_times++;
        atomic_fetch_sub(r->n_inside, 1);
        status = mw_store_lease_release(&r->scene->acme, r->store, "clock", fence, &local);
        if (status != MW_OK) r->n_wrong++;
    }
    return NULL;
}

void store_lease_rivals(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_store *second = mw_conformance_open(&s.acme);
    _Atomic int n_inside = 0;
    rival rivals[6];
    pthread_t threads[6];
    int64_t fence;
    int n_times = 0;
    for (int i = 0; i < 6; i++) {
        rivals[i] = (rival){&s, i % 2 ? second : s.store, "host 0", &n_inside, 0, 0};
        rivals[i].holder[5] = (char)('0' + i);
        assert_int_equal(pthread_create(&threads[i], NULL, rival_main, &rivals[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(rivals[i].n_wrong, 0);
        n_times += rivals[i].n_times;
    }
    assert_ok(take(&s, "last", &fence));
    assert_int_equal(fence, n_times + 1);
    mw_store_close(second);
    end(&s);
}
