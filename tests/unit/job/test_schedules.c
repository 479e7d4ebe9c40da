/* test_schedules.c -- schedules under a simulated clock: missed times, clocks that are set, leaders that die, servers killed and stopped. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "core/text/civil.h"
#include "core/text/datetime.h"
#include "run/job/scheduler.h"
#include "unit/job/plant_jobs.h"
#include "unit/job/schedule_sim.h"

static mw_err err;

static int64_t at(const char *stamp) {
    int64_t us = 0;
    bool zoned;
    if (!mw_time_read(stamp, strlen(stamp), &us, &zoned)) fail_msg("%s", stamp);
    return us;
}

/* ---- one scheduler, or two ---- */

typedef struct desk {
    mw_fake_clock fake;
    mw_ctx ctx;
    mw_store *store;
    mw_arena arena;
    mw_scheduler one, two;
} desk;

static void sit_down(desk *d, const char *stamp) {
    memset(d, 0, sizeof *d);
    mw_fake_clock_init(&d->fake, at(stamp));
    mw_ctx_init(&d->ctx);
    d->ctx.clock = &d->fake.clock;
    d->ctx.org = "acme";
    d->store = open_store(&d->ctx);
    mw_arena_init(&d->arena, NULL);
    mw_scheduler_init(&d->one, &d->ctx, d->store, kinds, "one", 2, MW_SCHEDULER_LEASE_US);
    mw_scheduler_init(&d->two, &d->ctx, d->store, kinds, "two", 2, MW_SCHEDULER_LEASE_US);
}

static void stand_up(desk *d) {
    mw_scheduler_done(&d->one);
    mw_scheduler_done(&d->two);
    mw_arena_done(&d->arena);
    mw_store_close(d->store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static const char *put(desk *d, const char *cron, const char *zone, const char *kind,
                       const char *next) {
    char *id = mw_arena_alloc(&d->arena, 32);
    const mw_schedule_record schedule = {.name = "n",
                                         .cron = cron,
                                         .zone = zone,
                                         .kind = kind,
                                         .payload = "{}",
                                         .next_us = at(next)};
    assert_ok(mw_store_schedule_put(&d->ctx, d->store, &schedule, id, &err));
    return id;
}

static void assert_next(desk *d, const char *id, const char *last, const char *next) {
    mw_schedule_record schedule;
    char text[MW_TIME_TEXT_MAX];
    assert_ok(mw_store_schedule_get(&d->ctx, d->store, &d->arena, id, &schedule, &err));
    (void)mw_time_print(schedule.next_us, text);
    assert_string_equal(text, next);
    if (!last) assert_int_equal(schedule.last_us, 0);
    if (!last) return;
    (void)mw_time_print(schedule.last_us, text);
    assert_string_equal(text, last);
}

static size_t n_jobs(desk *d) {
    const mw_job_record *jobs;
    size_t n;
    assert_ok(mw_store_job_list(&d->ctx, d->store, &d->arena, &(mw_job_filter){.limit = 1000},
                                &jobs, &n, &err));
    return n;
}

static int pass(desk *d, int64_t go_on_us) {
    mw_fake_clock_advance(&d->fake, go_on_us);
    return mw_scheduler_pass(&d->one, true);
}

MW_TEST(fires_at_its_time) {
    desk d;
    sit_down(&d, "2026-11-30T11:30:00Z");
    assert_int_equal(pass(&d, 0), 0);
    assert_true(mw_scheduler_wait_us(&d.one) == INT64_MAX);
    const char *id = put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    assert_int_equal(pass(&d, 0), 0);
    assert_int_equal(mw_scheduler_wait_us(&d.one), 30 * MW_MINUTE_US);
    assert_int_equal(pass(&d, 30 * MW_MINUTE_US - 1), 0);
    assert_int_equal(mw_scheduler_wait_us(&d.one), 1);
    assert_int_equal(pass(&d, 1), 1);
    assert_int_equal(pass(&d, 0), 0);
    assert_next(&d, id, "2026-11-30T12:00:00Z", "2026-11-30T13:00:00Z");
    assert_int_equal(mw_scheduler_wait_us(&d.one), MW_HOUR_US);
    assert_int_equal(pass(&d, MW_HOUR_US), 1);
    const mw_job_record *jobs;
    size_t n;
    assert_ok(mw_store_job_list(&d.ctx, d.store, &d.arena, &(mw_job_filter){.limit = 9}, &jobs, &n,
                                &err));
    assert_int_equal(n, 2);
    assert_string_equal(jobs[0].kind, "plain");
    assert_int_equal(jobs[0].max_attempts, 2);
    assert_int_equal(jobs[0].created_us, at("2026-11-30T13:00:00Z"));
    stand_up(&d);
}

MW_TEST(missed_times_are_made_up_for_once) {
    desk d;
    sit_down(&d, "2026-11-30T11:30:00Z");
    const char *id = put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    assert_int_equal(pass(&d, 5 * MW_HOUR_US), 1); /* nobody looked before 16:30 */
    assert_next(&d, id, "2026-11-30T12:00:00Z", "2026-11-30T17:00:00Z");
    assert_int_equal(pass(&d, 29 * MW_MINUTE_US), 0);
    assert_int_equal(pass(&d, MW_MINUTE_US), 1);
    assert_int_equal(n_jobs(&d), 2);
    stand_up(&d);
}

MW_TEST(the_last_time) {
    desk d;
    sit_down(&d, "9999-12-31T11:30:00Z");
    (void)put(&d, "0 12 31 12 *", "UTC", "plain", "9999-12-31T12:00:00Z");
    assert_int_equal(pass(&d, MW_HOUR_US), 1);
    assert_int_equal(pass(&d, MW_HOUR_US), 0);
    assert_true(mw_scheduler_wait_us(&d.one) == INT64_MAX);
    assert_int_equal(d.one.fence, 0); /* nothing to lead any more */
    stand_up(&d);
}

MW_TEST(what_cannot_be_fired_holds_up_nothing) {
    desk d;
    sit_down(&d, "2026-11-30T11:59:00Z");
    const char *kind = put(&d, "0 * * * *", "UTC", "unknown", "2026-11-30T12:00:00Z");
    const char *zone = put(&d, "0 * * * *", "No/Where", "plain", "2026-11-30T12:00:00Z");
    const char *cron = put(&d, "0 25 * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    const char *good = put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    assert_int_equal(pass(&d, MW_MINUTE_US), 1);
    assert_next(&d, good, "2026-11-30T12:00:00Z", "2026-11-30T13:00:00Z");
    assert_next(&d, kind, NULL, "2026-11-30T12:01:00Z");
    assert_next(&d, zone, NULL, "2026-11-30T12:01:00Z");
    assert_next(&d, cron, NULL, "2026-11-30T12:01:00Z");
    assert_int_equal(mw_scheduler_wait_us(&d.one), MW_MINUTE_US);
    assert_int_equal(pass(&d, MW_MINUTE_US), 0);
    assert_next(&d, kind, NULL, "2026-11-30T12:02:00Z");
    stand_up(&d);
}

MW_TEST(many_at_once) {
    desk d;
    sit_down(&d, "2026-11-30T11:59:00Z");
    for (int i = 0; i < 150; i++) put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    int n = pass(&d, MW_MINUTE_US);
    assert_int_equal(n, 64);
    assert_int_equal(mw_scheduler_wait_us(&d.one), 0); /* to be called again at once */
    for (int i = 0; i < 2; i++) n += pass(&d, 0);
    assert_int_equal(n, 150);
    assert_int_equal(mw_scheduler_wait_us(&d.one), MW_HOUR_US);
    assert_int_equal(n_jobs(&d), 150);
    stand_up(&d);
}

/* ---- clocks that are set ---- */

static void turn_clock(desk *d, int64_t by_us) {
    mw_fake_clock_set_utc(&d->fake, mw_clock_utc(&d->fake.clock) + by_us);
}

MW_TEST(a_clock_set_ahead_by_a_day_and_back) {
    desk d;
    sit_down(&d, "2026-11-30T12:00:00Z");
    const char *id = put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T13:00:00Z");
    assert_int_equal(pass(&d, MW_MINUTE_US), 0);
    turn_clock(&d, MW_DAY_US);
    assert_int_equal(pass(&d, 0), 1); /* made up for, once */
    assert_int_equal(pass(&d, MW_MINUTE_US), 0);
    assert_next(&d, id, "2026-11-30T13:00:00Z", "2026-12-01T13:00:00Z");
    turn_clock(&d, -MW_DAY_US);
    assert_int_equal(pass(&d, 0), 0);
    assert_next(&d, id, "2026-11-30T13:00:00Z", "2026-11-30T14:00:00Z"); /* 13:00 was fired */
    assert_int_equal(pass(&d, MW_HOUR_US), 0);
    assert_int_equal(pass(&d, MW_HOUR_US), 1);
    assert_int_equal(n_jobs(&d), 2);
    stand_up(&d);
}

MW_TEST(a_clock_set_back_by_a_day) {
    desk d;
    sit_down(&d, "2026-11-30T12:00:00Z");
    const char *hourly = put(&d, "0 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    const char *nightly = put(&d, "0 2 * * *", "Europe/Berlin", "plain", "2026-12-01T01:00:00Z");
    assert_int_equal(pass(&d, MW_MINUTE_US), 1);
    turn_clock(&d, -MW_DAY_US);
    assert_int_equal(pass(&d, 0), 0);
    assert_next(&d, hourly, "2026-11-30T12:00:00Z", "2026-11-29T13:00:00Z");
    assert_next(&d, nightly, NULL, "2026-11-30T01:00:00Z");
    assert_int_equal(pass(&d, 58 * MW_MINUTE_US), 0);
    assert_int_equal(pass(&d, MW_MINUTE_US), 1);
    stand_up(&d);
}

MW_TEST(a_clock_set_back_by_an_hour) {
    desk d;
    sit_down(&d, "2026-11-30T12:00:00Z");
    const char *id = put(&d, "*/10 * * * *", "UTC", "plain", "2026-11-30T12:00:00Z");
    assert_int_equal(pass(&d, MW_MINUTE_US), 1);
    turn_clock(&d, -MW_HOUR_US);
    for (int i = 0; i < 13; i++) assert_int_equal(pass(&d, 5 * MW_MINUTE_US), 0);
    assert_next(&d, id, "2026-11-30T12:00:00Z", "2026-11-30T12:10:00Z");
    assert_int_equal(pass(&d, 4 * MW_MINUTE_US), 1);
    stand_up(&d);
}

/* A gateway whose clock was years ahead until it found a time server; it was started again meanwhile. */
MW_TEST(a_clock_that_was_years_ahead) {
    desk d;
    sit_down(&d, "2036-11-30T12:00:00Z");
    const char *id = put(&d, "0 2 * * *", "UTC", "plain", "2036-12-01T02:00:00Z");
    assert_int_equal(pass(&d, MW_DAY_US), 1);
    mw_scheduler_done(&d.one);
    mw_fake_clock_set_utc(&d.fake, at("2026-11-30T12:00:00Z"));
    mw_scheduler_init(&d.one, &d.ctx, d.store, kinds, "one", 2, MW_SCHEDULER_LEASE_US);
    assert_int_equal(pass(&d, 0), 0);
    assert_next(&d, id, "2036-12-01T02:00:00Z", "2026-12-01T02:00:00Z");
    assert_int_equal(pass(&d, 14 * MW_HOUR_US), 1);
    stand_up(&d);
}

/* ---- the leader ---- */

MW_TEST(one_leads) {
    desk d;
    sit_down(&d, "2026-11-30T12:00:00Z");
    (void)put(&d, "* * * * *", "UTC", "plain", "2026-11-30T12:01:00Z");
    assert_int_equal(pass(&d, 0), 0);
    assert_int_equal(d.one.fence, 1);
    for (int i = 0; i < 60; i++) { /* ten minutes: the first one renews */
        mw_fake_clock_advance(&d.fake, 10 * MW_SECOND_US);
        (void)mw_scheduler_pass(&d.one, false);
        assert_int_equal(mw_scheduler_pass(&d.two, false), 0);
        assert_int_equal(d.two.fence, 0);
    }
    assert_int_equal(n_jobs(&d), 10);
    mw_fake_clock_advance(&d.fake, MW_MINUTE_US); /* the first one hangs */
    assert_int_equal(mw_scheduler_pass(&d.two, false), 1);
    assert_int_equal(d.two.fence, 2);
    assert_int_equal(pass(&d, 0), 0); /* it is told */
    assert_int_equal(d.one.fence, 0);
    mw_scheduler_done(&d.two);
    assert_int_equal(pass(&d, 5 * MW_SECOND_US), 0);
    assert_int_equal(d.one.fence, 3);
    stand_up(&d);
}

/* Whoever believes to lead: what is due is fired once. */
MW_TEST(two_believe_that_they_lead) {
    desk d;
    sit_down(&d, "2026-11-30T12:00:00Z");
    (void)put(&d, "* * * * *", "UTC", "plain", "2026-11-30T12:01:00Z");
    assert_int_equal(pass(&d, 0), 0);
    int n_fired = 0;
    for (int i = 0; i < 20; i++) {
        mw_fake_clock_advance(&d.fake, MW_MINUTE_US);
        d.one.fence = d.two.fence = d.one.fence | 1; /* what no store would say */
        d.one.asked_us = d.two.asked_us = mw_clock_monotonic(&d.fake.clock);
        d.two.earliest_us = d.one.earliest_us = 0;
        n_fired += mw_scheduler_pass(i % 2 ? &d.one : &d.two, false);
        n_fired += mw_scheduler_pass(i % 2 ? &d.two : &d.one, false);
    }
    assert_int_equal(n_fired, 20);
    assert_int_equal(n_jobs(&d), 20);
    stand_up(&d);
}

/* ---- many ---- */

MW_TEST(a_day_in_spring) { sim_run(open_store, 4, 0, false, mw_test_seed()); }

MW_TEST(a_day_in_autumn) { sim_run(open_store, 4, 0, true, mw_test_seed()); }

MW_TEST(a_day_with_usurpers) { sim_run(open_store, 6, 4, mw_test_seed() % 2 == 0, mw_test_seed()); }

/* ---- whole servers, killed and stopped by signals; all processes see one clock ---- */

enum { SERVERS = 3 };

typedef struct shared_clock {
    _Atomic int64_t utc_us, monotonic_us;
} shared_clock;

static int64_t shared_utc(void *self) { return atomic_load(&((shared_clock *)self)->utc_us); }

static int64_t shared_monotonic(void *self) {
    return atomic_load(&((shared_clock *)self)->monotonic_us);
}

static void shared_sleep(void *self, int64_t duration_us) { (void)self, (void)duration_us; }

static void go_on(shared_clock *shared, int64_t by_us) {
    atomic_fetch_add(&shared->utc_us, by_us);
    atomic_fetch_add(&shared->monotonic_us, by_us);
}

static shared_clock *map_clock(int fd) {
    void *shared = mmap(NULL, sizeof(shared_clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(shared != MAP_FAILED);
    return shared;
}

/* What `test_schedules server FOLDER DESCRIPTOR` does: a server on the store there, until it is killed. */
static int server_main(const char *folder, const char *descriptor) {
    shared_clock *shared = map_clock((int)strtol(descriptor, NULL, 10));
    const mw_clock clock = {shared_utc, shared_monotonic, shared_sleep, shared};
    char path[600];
    mw_ctx ctx;
    mw_store *store = NULL;
    mw_jobs *jobs = NULL;
    mw_ctx_init(&ctx);
    ctx.clock = &clock;
    (void)snprintf(path, sizeof path, "%s/millwright.db", folder);
    if (mw_store_open(&ctx, path, &store, &err) != MW_OK) return 3;
    const mw_jobs_options options = {
        .kinds = kinds, .store = store, .app = &store, .data_path = folder, .n_workers = 1};
    if (mw_jobs_start(&ctx, &options, &jobs, &err) != MW_OK) return 4;
    for (;;) pause();
}

typedef struct fleet {
    pid_t pids[SERVERS];
    shared_clock *shared;
    int fd;
    int n_deaths;
} fleet;

/* A process of its own from the start: a copy of this one would share the store's locks with it. */
static pid_t start_server(const fleet *f) {
    const char *folder = data_path();
    char descriptor[16];
    (void)snprintf(descriptor, sizeof descriptor, "%d", f->fd);
    pid_t pid = fork();
    if (pid != 0) return pid;
    execl("/proc/self/exe", "test_schedules", "server", folder, descriptor, (char *)NULL);
    _exit(9);
}

static void end_server(pid_t pid) {
    int status = 0;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status)); /* it did not end by itself */
}

/* One of them is killed and started again, or stopped for a while. */
static void disturb(fleet *f, mw_rng *rng) {
    pid_t *pid = &f->pids[mw_rng_below(rng, SERVERS)];
    switch (mw_rng_below(rng, 4)) {
    case 0:
        end_server(*pid);
        *pid = start_server(f);
        f->n_deaths++;
        break;
    case 1: kill(*pid, SIGSTOP); break;
    default:
        for (int i = 0; i < SERVERS; i++) kill(f->pids[i], SIGCONT);
    }
}

static void wait_for_firings(desk *d, fleet *f, mw_rng *rng) {
    const int64_t now_us = atomic_load(&f->shared->utc_us);
    for (int i = 1;; i++) {
        int64_t earliest_us;
        assert_ok(mw_store_schedule_earliest(&d->ctx, d->store, &earliest_us, &err));
        if (earliest_us > now_us) return;
        nap(5);
        if (i % (20 * slowness()) == 0) disturb(f, rng);
        /* Who has the lease may be dead. */
        if (i % (20 * slowness()) == 0 && shared_utc(f->shared) < now_us + 8 * MW_MINUTE_US)
            go_on(f->shared, 16 * MW_SECOND_US);
    }
}

MW_TEST(servers_killed_and_stopped) {
    desk d;
    mw_rng rng;
    fleet f = {.fd = memfd_create("clock", 0)};
    const int64_t start_us = at("2026-03-29T00:00:00Z"); /* an hour before the change */
    assert_int_equal(ftruncate(f.fd, sizeof *f.shared), 0);
    f.shared = map_clock(f.fd);
    go_on(f.shared, start_us);
    mw_rng_init(&rng, mw_test_seed(), 9, 0);
    sit_down(&d, "2026-03-29T00:00:00Z");
    sim_put(&d.ctx, d.store, "sleep", start_us);
    for (int i = 0; i < SERVERS; i++) f.pids[i] = start_server(&f);
    int64_t due_us = start_us;
    for (int i = 0; i < 12; i++) { /* some hours */
        due_us = sim_next_due(due_us);
        go_on(f.shared, due_us - atomic_load(&f.shared->utc_us));
        disturb(&f, &rng);
        wait_for_firings(&d, &f, &rng);
    }
    for (int i = 0; i < SERVERS; i++) end_server(f.pids[i]);
    sim_check(&d.ctx, d.store, start_us, due_us, 10 * MW_MINUTE_US);
    stand_up(&d);
    close(f.fd);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    if (argc == 4 && strcmp(argv[1], "server") == 0) return server_main(argv[2], argv[3]);
    static const mw_test tests[] = {MW_RUN(fires_at_its_time),
                                    MW_RUN(missed_times_are_made_up_for_once),
                                    MW_RUN(the_last_time),
                                    MW_RUN(what_cannot_be_fired_holds_up_nothing),
                                    MW_RUN(many_at_once),
                                    MW_RUN(a_clock_set_ahead_by_a_day_and_back),
                                    MW_RUN(a_clock_set_back_by_a_day),
                                    MW_RUN(a_clock_set_back_by_an_hour),
                                    MW_RUN(a_clock_that_was_years_ahead),
                                    MW_RUN(one_leads),
                                    MW_RUN(two_believe_that_they_lead),
                                    MW_RUN(a_day_in_spring),
                                    MW_RUN(a_day_in_autumn),
                                    MW_RUN(a_day_with_usurpers),
                                    MW_RUN(servers_killed_and_stopped)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
