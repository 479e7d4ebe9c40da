/*
 * fault_op.c -- ingest and train with each I/O call or allocation failing once: whatever fails,
 * dataset and models are the old ones or the new ones, nothing between, and the next run works.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "support/fault_loop.h"
#include "unit/op/small_plant.h"

typedef struct scene {
    small_plant plant;
    const char *op;
    int n_rows;  /* time stamps of the file now */
    int n_known; /* of those in the dataset */
    int version; /* production version of each model */
    int n_failed;
    int n_expired;
    mw_status last; /* of the last run */
} scene;

static mw_err err;

static mw_args *args_of(const scene *s) {
    char settings[800];
    if (strcmp(s->op, "train") == 0) return plant_args("train", PLANT_TRAINING);
    (void)snprintf(settings, sizeof settings, "paths=%s/data/csv/plant.csv", mw_test_folder());
    return plant_args("ingest", settings);
}

/* The operation as the command line runs it; the one file has new content. */
static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    scene *s = arg;
    mw_ctx with_clock = *ctx;
    mw_buf out;
    mw_args *args = args_of(s);
    with_clock.clock = s->plant.ctx.clock;
    mw_buf_init(&out, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    s->last = plant_call(&s->plant, &with_clock, s->op, args, &out, e);
    mw_buf_done(&out);
    mw_args_free(args);
    s->n_failed += s->last != MW_OK;
    return s->last;
}

static void assert_has(const char *text, const char *words, uint64_t n) {
    if (!strstr(text, words)) fail_msg("after fault %d: no %s in %s", (int)n, words, text);
}

/* Every segment that counts is there and whole, and the three models are of one version. */
static void check_data(scene *s, uint64_t n) {
    char words[80];
    if (s->last == MW_EDATA) fail_msg("fault %d is blamed on the data: %s", (int)n, err.message);
    if (s->last == MW_OK) s->n_known = s->n_rows;
    if (s->last == MW_OK && strcmp(s->op, "train") == 0) s->version++;
    (void)snprintf(words, sizeof words, "\"rows\":%d,\"files\":1,", 2 * s->n_known);
    assert_has(plant_text(&s->plant, "summary", ""), words, n);
    const char *at = plant_text(&s->plant, "models_status", "");
    if (strstr(at, "damaged")) fail_msg("after fault %d: %s", (int)n, at);
    (void)snprintf(words, sizeof words, "\"version\":%d,\"status\":\"ready\"", s->version);
    for (int i = 0; i < 3 && s->version; i++, at++) {
        at = strstr(at, words);
        if (!at) fail_msg("after fault %d: not three models of version %d", (int)n, s->version);
    }
}

/* Nothing of a job that has ended stays in work/. */
static void check_work(scene *s, uint64_t n) {
    mw_dir *work;
    mw_dir_entry *entries;
    size_t n_left;
    assert_ok(mw_app_folder(s->plant.app, &s->plant.ctx, "work", NULL, &work, &err));
    assert_ok(mw_dir_list(&s->plant.ctx, work, &entries, &n_left, &err));
    if (n_left) fail_msg("after fault %d: work/%s is left", (int)n, entries[0].name);
    mw_free(entries);
    mw_dir_close(work);
}

static void next_file(scene *s) {
    s->n_rows = s->n_known == 60 ? 61 : 60;
    (void)plant_file(s->n_rows);
}

static void after(void *arg, uint64_t n) {
    scene *s = arg;
    check_data(s, n);
    next_file(s);
}

static void after_clean(void *arg, uint64_t n) {
    check_work(arg, n);
    after(arg, n);
}

static void begin(scene *s, const char *op) {
    *s = (scene){.op = op};
    plant_open(&s->plant);
    plant_feed(&s->plant, 60);
    s->n_known = 60;
    plant_train(&s->plant);
    s->version = 1;
    next_file(s);
}

/* The next run, with nothing failing, is whole. */
static void end(scene *s) {
    assert_ok(scenario(&s->plant.ctx, s, &err));
    check_data(s, 0);
    plant_close(&s->plant);
    plant_open(&s->plant); /* removes what an ended job could not */
    check_work(s, 0);
    plant_close(&s->plant);
}

static void fail_io(const char *op, mw_io_kind kind, int errno_value, bool cleans) {
    scene s;
    begin(&s, op);
    uint64_t n = mw_fault_loop_io(scenario, &s, kind, errno_value, cleans ? after_clean : after);
    print_message("%s: %d calls, %d of them needed\n", op, (int)n, s.n_failed);
    assert_true(n > 0);
    end(&s);
}

#define FAIL_IO(op, name, kind, errno_value, cleans) \
    MW_TEST(op##_survives_each_failed_##name) { fail_io(#op, kind, errno_value, cleans); }

FAIL_IO(ingest, mkdir, MW_IO_MKDIR, ENOSPC, true)
FAIL_IO(ingest, rename, MW_IO_RENAME, EIO, true)
FAIL_IO(ingest, fsync, MW_IO_FSYNC, EIO, true)
FAIL_IO(ingest, unlink, MW_IO_UNLINK, EIO, false)
FAIL_IO(ingest, write, MW_IO_WRITE, ENOSPC, true)
FAIL_IO(ingest, open, MW_IO_OPEN, EMFILE, false)
FAIL_IO(ingest, read, MW_IO_READ, EIO, true)
FAIL_IO(train, mkdir, MW_IO_MKDIR, ENOSPC, true)
FAIL_IO(train, rename, MW_IO_RENAME, EIO, true)
FAIL_IO(train, fsync, MW_IO_FSYNC, EIO, true)
FAIL_IO(train, unlink, MW_IO_UNLINK, EIO, false)
FAIL_IO(train, write, MW_IO_WRITE, ENOSPC, true)
FAIL_IO(train, open, MW_IO_OPEN, EMFILE, false)
FAIL_IO(train, read, MW_IO_READ, EIO, true)

/* ---- allocations ---- */

/* One run with allocation n failing. A job whose end could not be recorded for lack of memory is
 * given up when its lease runs out. */
static bool fail_allocation(scene *s, uint64_t n) {
    int32_t n_expired;
    mw_fake_clock_advance(&s->plant.clock, 120 * MW_US_PER_SECOND);
    assert_ok(mw_store_job_expire(&s->plant.ctx, s->plant.app->store, "gone", &n_expired, &err));
    s->n_expired += n_expired;
    mw_mem mem;
    mw_ctx ctx = s->plant.ctx;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    mw_err_clear(&err);
    s->last = MW_OK;
    mw_args *args = args_of(s);
    mw_buf out;
    mw_buf_init(&out, &mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_alloc_fail_at(n);
    s->last = plant_call(&s->plant, &ctx, s->op, args, &out, &err);
    bool fired = mw_alloc_fault_fired();
    mw_alloc_fail_at(0);
    mw_buf_done(&out);
    mw_args_free(args);
    if (mw_mem_used(&mem) != 0)
        fail_msg("%s, allocation %d: %zu bytes leaked", s->op, (int)n, mw_mem_used(&mem));
    if (s->last != MW_OK && (s->last != MW_ENOMEM || !err.message[0]))
        fail_msg("%s, allocation %d: %s %s", s->op, (int)n, mw_status_name(s->last), err.message);
    s->n_failed += s->last != MW_OK;
    after(s, n);
    return fired;
}

enum { N_FIRST = 60 };

static uint64_t count_allocations(scene *s) {
    mw_alloc_fail_at(UINT64_MAX);
    mw_buf out;
    mw_args *args = args_of(s);
    mw_buf_init(&out, NULL, (size_t)MW_LIMIT(JSON_BYTES));
    assert_ok(plant_call(&s->plant, &s->plant.ctx, s->op, args, &out, &err));
    uint64_t n = mw_alloc_count();
    mw_alloc_fail_at(0);
    mw_buf_done(&out);
    mw_args_free(args);
    s->last = MW_OK;
    after_clean(s, 0);
    return n;
}

/* Each of the first ones (prepare), then every step-th from a random one. */
static void fail_allocations(const char *op, uint64_t n_rounds) {
    scene s;
    begin(&s, op);
    uint64_t total = count_allocations(&s), step = total / n_rounds + 1;
    int n_fired = 0;
    for (uint64_t n = 1; n <= N_FIRST; n++) n_fired += fail_allocation(&s, n);
    for (uint64_t n = N_FIRST + 1 + mw_test_seed() % step; n <= total; n += step)
        n_fired += fail_allocation(&s, n);
    print_message("%s: %d of %d allocations failed, %d of them needed, %d jobs expired\n", op,
                  n_fired, (int)total, s.n_failed, s.n_expired);
    assert_true(s.n_failed > 10);
    mw_fake_clock_advance(&s.plant.clock, 120 * MW_US_PER_SECOND);
    assert_ok(mw_store_job_expire(&s.plant.ctx, s.plant.app->store, "gone", &s.n_expired, &err));
    end(&s);
}

MW_TEST(ingest_survives_failed_allocations) { fail_allocations("ingest", 400); }
MW_TEST(train_survives_failed_allocations) { fail_allocations("train", 200); }

MW_TEST_MAIN(MW_RUN(ingest_survives_each_failed_mkdir), MW_RUN(ingest_survives_each_failed_rename),
             MW_RUN(ingest_survives_each_failed_fsync), MW_RUN(ingest_survives_each_failed_unlink),
             MW_RUN(ingest_survives_each_failed_write), MW_RUN(ingest_survives_each_failed_open),
             MW_RUN(ingest_survives_each_failed_read), MW_RUN(train_survives_each_failed_mkdir),
             MW_RUN(train_survives_each_failed_rename), MW_RUN(train_survives_each_failed_fsync),
             MW_RUN(train_survives_each_failed_unlink), MW_RUN(train_survives_each_failed_write),
             MW_RUN(train_survives_each_failed_open), MW_RUN(train_survives_each_failed_read),
             MW_RUN(ingest_survives_failed_allocations), MW_RUN(train_survives_failed_allocations))
