/* schedule_sim.c -- see schedule_sim.h. */
#include "unit/job/schedule_sim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/civil.h"
#include "core/text/cron.h"
#include "core/text/datetime.h"
#include "run/job/scheduler.h"
#include "support/harness.h"

enum { HOURS = 26, MOST_DUE = HOURS * 6 + 1 };

static const int64_t STEP_US = 10 * MW_MINUTE_US;

/* Written twice: as text, and as the minutes (of ten) and hours that it names. */
static const struct {
    const char *org, *cron, *zone;
    int minutes[7], hours[25]; /* ended by -1; hours[0] -1: all */
    bool every;
} plans[SIM_SCHEDULES] = {
    {"acme", "*/30 * * * *", "Europe/Berlin", {0, 30, -1}, {-1}, true},
    {"acme", "30 2 * * *", "Europe/Berlin", {30, -1}, {2, -1}, false},
    {"globex", "10,40 2,3 * * *", "Europe/Berlin", {10, 40, -1}, {2, 3, -1}, false},
    {"globex", "0 * * * *", "UTC", {0, -1}, {-1}, true},
    {"acme", "0 0 * * *", "Asia/Beirut", {0, -1}, {0, -1}, false},
    {"globex", "*/20 0-1 * * *", "Asia/Beirut", {0, 20, 40, -1}, {0, 1, -1}, true},
    {"acme", "20 23 * * *", "Asia/Beirut", {20, -1}, {23, -1}, false},
    {"acme", "50 1,2 * * *", "Antarctica/Troll", {50, -1}, {1, 2, -1}, false},
    {"globex",
     "10 */2 * * *",
     "Antarctica/Troll",
     {10, -1},
     {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, -1},
     true},
    {"globex", "30 2 * * *", "Europe/Berlin", {30, -1}, {2, -1}, false},
};

static mw_err err;

int64_t sim_start(bool autumn) {
    /* 24 October: Beirut at 21:00Z, Berlin and Troll at 01:00Z. 28 March: 22:00Z and 01:00Z. */
    const char *stamp = autumn ? "2026-10-24T12:00:00Z" : "2026-03-28T12:00:00Z";
    int64_t us = 0;
    bool zoned;
    assert_true(mw_time_read(stamp, strlen(stamp), &us, &zoned));
    return us;
}

static mw_zone *zone_of(int i) {
    mw_zone *zone = NULL;
    assert_ok(mw_zone_open(NULL, plans[i].zone, &zone, &err));
    return zone;
}

static size_t due_of(int i, int64_t from_us, int64_t to_us, int64_t *ret, size_t capacity) {
    cron_oracle oracle;
    mw_zone *zone = zone_of(i);
    cron_oracle_any(&oracle);
    memset(oracle.minute, 0, sizeof oracle.minute);
    for (const int *minute = plans[i].minutes; *minute >= 0; minute++)
        oracle.minute[*minute] = true;
    if (plans[i].hours[0] >= 0) memset(oracle.hour, 0, sizeof oracle.hour);
    for (const int *hour = plans[i].hours; *hour >= 0; hour++) oracle.hour[*hour] = true;
    oracle.every = plans[i].every;
    const size_t n = cron_oracle_due(&oracle, zone, from_us, to_us, ret, capacity);
    (void)mw_zone_close(zone);
    return n;
}

int64_t sim_next_due(int64_t now_us) {
    int64_t next_us = INT64_MAX, due_us = 0;
    for (int i = 0; i < SIM_SCHEDULES; i++)
        if (due_of(i, now_us + 1, now_us + 2 * MW_DAY_US, &due_us, 1) > 0 && due_us < next_us)
            next_us = due_us;
    return next_us;
}

void sim_put(const mw_ctx *ctx, mw_store *store, const char *kind, int64_t now_us) {
    for (int i = 0; i < SIM_SCHEDULES; i++) {
        char payload[32], id[32];
        mw_cron cron;
        mw_ctx local = *ctx;
        mw_zone *zone = zone_of(i);
        local.org = plans[i].org;
        (void)snprintf(payload, sizeof payload, "{\"plan\":%d}", i);
        mw_schedule_record schedule = {.name = plans[i].cron,
                                       .cron = plans[i].cron,
                                       .zone = plans[i].zone,
                                       .kind = kind,
                                       .payload = payload};
        assert_ok(mw_cron_read(plans[i].cron, &cron, &err));
        assert_ok(mw_cron_next(&cron, zone, now_us, &schedule.next_us, &err));
        assert_ok(mw_store_schedule_put(&local, store, &schedule, id, &err));
        (void)mw_zone_close(zone);
    }
}

/* ---- what was made ---- */

static int plan_of(const mw_job_record *job) {
    int plan = -1;
    assert_int_equal(sscanf(job->payload, "{\"plan\":%d}", &plan), 1);
    assert_true(plan >= 0 && plan < SIM_SCHEDULES);
    assert_string_equal(plans[plan].org, job->org);
    return plan;
}

static int ascending(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void check_plan(int i, int64_t *made, size_t n_made, int64_t from_us, int64_t to_us,
                       int64_t late_us) {
    static int64_t want[MOST_DUE];
    const size_t n = due_of(i, from_us + 1, to_us + 1, want, MOST_DUE);
    qsort(made, n_made, sizeof *made, ascending);
    for (size_t k = 0; k < n && k < n_made; k++)
        if (made[k] < want[k] || made[k] >= want[k] + late_us)
            fail_msg("%s in %s: job %zu at %lld, due at %lld", plans[i].cron, plans[i].zone, k,
                     (long long)made[k], (long long)want[k]);
    if (n_made != n)
        fail_msg("%s in %s: %zu jobs, %zu due", plans[i].cron, plans[i].zone, n_made, n);
}

void sim_check(const mw_ctx *ctx, mw_store *store, int64_t from_us, int64_t to_us,
               int64_t late_us) {
    static int64_t made[SIM_SCHEDULES][2 * MOST_DUE];
    size_t n_made[SIM_SCHEDULES] = {0};
    const char *const orgs[] = {"acme", "globex"};
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    for (int o = 0; o < 2; o++) {
        const mw_job_record *jobs;
        size_t n;
        mw_ctx local = *ctx;
        local.org = orgs[o];
        assert_ok(mw_store_job_list(&local, store, &arena, &(mw_job_filter){.limit = 10000}, &jobs,
                                    &n, &err));
        for (size_t k = 0; k < n; k++) {
            const int plan = plan_of(&jobs[k]);
            if (n_made[plan] < 2 * MOST_DUE) made[plan][n_made[plan]++] = jobs[k].created_us;
        }
    }
    for (int i = 0; i < SIM_SCHEDULES; i++)
        check_plan(i, made[i], n_made[i], from_us, to_us, late_us);
    mw_arena_done(&arena);
}

/* ---- the day ---- */

static const mw_job_kind kinds[] = {{.name = "fit"}, {.name = NULL}};

typedef struct sim_server {
    mw_ctx ctx;
    sim_opener open;
    uint64_t seed;
    int number, n_lives;
    int n_leads, n_deaths;
    bool usurps;
    _Atomic bool *stop;
    _Atomic int *n_doomed; /* leaders that are to die */
    pthread_t thread;
} sim_server;

static bool is_doomed(sim_server *server) {
    int n = atomic_load(server->n_doomed);
    return n > 0 && atomic_compare_exchange_strong(server->n_doomed, &n, n - 1);
}

/* As one that hangs between taking the lease and what it does with it. */
static void usurp(mw_scheduler *scheduler) {
    scheduler->fence = -1;
    scheduler->asked = true;
    scheduler->asked_us = mw_clock_monotonic(scheduler->ctx.clock);
    scheduler->earliest_us = 0;
}

/* One life of a server; it ends when the day does, in order, or with the lease in its hand. */
static void live(sim_server *server, mw_store *store, mw_rng *rng) {
    char holder[32];
    mw_scheduler scheduler;
    uint64_t seen = 0;
    bool led = false;
    (void)snprintf(holder, sizeof holder, "server %d.%d", server->number, server->n_lives++);
    mw_scheduler_init(&scheduler, &server->ctx, store, kinds, holder, 1, MW_SCHEDULER_LEASE_US);
    while (!atomic_load(server->stop)) {
        const uint64_t change = mw_store_change_counter(store);
        if (server->usurps) usurp(&scheduler);
        (void)mw_scheduler_pass(&scheduler, change != seen);
        seen = change;
        server->n_leads += !led && scheduler.fence;
        led = scheduler.fence != 0;
        if (led && is_doomed(server)) { /* killed: nobody gives the lease back */
            scheduler.fence = 0;
            server->n_deaths++;
            break;
        }
        const uint64_t fate = mw_rng_below(rng, 200);
        if (fate == 0) break;
        mw_clock_sleep(&mw_clock_system, fate == 1 ? 20000 : 300);
    }
    mw_scheduler_done(&scheduler);
}

static void *server_main(void *arg) {
    sim_server *server = arg;
    mw_rng rng;
    mw_rng_init(&rng, server->seed, (uint64_t)server->number, 0);
    mw_store *store = server->open(&server->ctx);
    while (!atomic_load(server->stop)) live(server, store, &rng);
    mw_store_close(store);
    return NULL;
}

/* Until nothing is due; when that takes long, because who died has the lease, time goes on a little. */
static void wait_for_firings(const mw_ctx *ctx, mw_store *store, mw_fake_clock *fake) {
    for (int i = 1; i < 100000; i++) {
        int64_t earliest_us;
        assert_ok(mw_store_schedule_earliest(ctx, store, &earliest_us, &err));
        if (earliest_us > mw_clock_utc(&fake->clock)) return;
        mw_clock_sleep(&mw_clock_system, 500);
        if (i % 40 == 0 && mw_clock_utc(&fake->clock) % STEP_US < STEP_US / 2)
            mw_fake_clock_advance(fake, 5 * MW_SECOND_US);
    }
    fail_msg("nobody fires what is due");
}

void sim_run(sim_opener open, int n, int n_usurpers, bool autumn, uint64_t seed) {
    sim_server servers[8];
    _Atomic bool stop = false;
    _Atomic int n_doomed = 0;
    mw_rng rng;
    mw_fake_clock fake;
    mw_ctx ctx;
    const int64_t start_us = sim_start(autumn), end_us = start_us + HOURS * MW_HOUR_US;
    int n_leads = 0, n_deaths = 0;
    assert_true(n <= 8);
    mw_rng_init(&rng, seed, 99, 0);
    mw_fake_clock_init(&fake, start_us);
    mw_ctx_init(&ctx);
    ctx.clock = &fake.clock;
    mw_store *store = open(&ctx);
    sim_put(&ctx, store, "fit", start_us);
    for (int i = 0; i < n; i++) {
        servers[i] = (sim_server){.ctx = ctx,
                                  .open = open,
                                  .seed = seed,
                                  .number = i,
                                  .usurps = i >= n - n_usurpers,
                                  .stop = &stop,
                                  .n_doomed = &n_doomed};
        assert_int_equal(pthread_create(&servers[i].thread, NULL, server_main, &servers[i]), 0);
    }
    for (int64_t now_us = start_us; now_us < end_us; now_us += STEP_US) {
        mw_fake_clock_advance(&fake, now_us + STEP_US - mw_clock_utc(&fake.clock));
        if (mw_rng_below(&rng, 8) == 0) atomic_store(&n_doomed, 1);
        wait_for_firings(&ctx, store, &fake);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < n; i++) {
        pthread_join(servers[i].thread, NULL);
        n_leads += servers[i].n_leads;
        n_deaths += servers[i].n_deaths;
    }
    sim_check(&ctx, store, start_us, end_us, STEP_US);
    mw_store_close(store);
    assert_true(n_leads > n_deaths && n_deaths > 2); /* the lease did change hands */
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}
