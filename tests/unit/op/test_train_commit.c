/*
 * The end of a training with several holders of one job: those that lost their lease and do not know, those that die half way. Whatever their order, what a
 * record names has the bytes that were recorded.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/rng.h"
#include "learn/model/package.h"
#include "support/faulty_io.h"
#include "unit/op/small_plant.h"

enum { HOLDERS = 3, LEASE_US = 60000000 };
#define HOUR_US (3600 * MW_US_PER_SECOND)

static mw_err err;

typedef struct holder {
    mw_job_record job;
    mw_dir *work;
    mw_buf result;
} holder;

typedef struct scene {
    small_plant plant;
    mw_arena arena;
    int n_works;
} scene;

static void begin(scene *s) {
    s->n_works = 0;
    plant_open(&s->plant);
    plant_feed(&s->plant, 60);
    mw_arena_init(&s->arena, NULL);
}

static void end(scene *s) {
    mw_arena_done(&s->arena);
    plant_close(&s->plant);
}

/* What a training with this seed is told; each seed gives other bytes. */
static const char *payload_of(scene *s, int seed) {
    char settings[100];
    mw_buf out;
    (void)snprintf(settings, sizeof settings, PLANT_TRAINING " seed=%d", seed);
    mw_args *args = plant_args("train", settings);
    mw_call call = {.ctx = &s->plant.ctx,
                    .app = s->plant.app,
                    .principal = {"test", MW_ROLE_ADMIN, NULL},
                    .args = args,
                    .data_path = s->plant.app->data_path};
    mw_buf_init(&out, NULL, 1 << 20);
    assert_ok(mw_op_by_name("train")->prepare(&call, &out, &err));
    const char *text = mw_arena_strndup(&s->arena, mw_buf_text(&out), out.size);
    mw_buf_done(&out);
    mw_args_free(args);
    return text;
}

/* Whoever holds a job loses it, and it waits for the next one. */
static void end_leases(scene *s) {
    int32_t n = 0;
    mw_fake_clock_advance(&s->plant.clock, HOUR_US);
    assert_ok(mw_store_job_expire(&s->plant.ctx, s->plant.app->store, "late", &n, &err));
    mw_fake_clock_advance(&s->plant.clock, HOUR_US);
}

/* Claims the job and fits. */
static void hold(scene *s, const char *id, int seed, holder *ret) {
    char path[600];
    const mw_json *payload;
    const char *text = payload_of(s, seed);
    assert_ok(mw_store_job_claim(&s->plant.ctx, s->plant.app->store, &s->arena, id, "w", LEASE_US,
                                 &ret->job, &err));
    (void)snprintf(path, sizeof path, "%s/work%d", mw_test_folder(), s->n_works++);
    assert_ok(mw_dir_open(&s->plant.ctx, path, MW_DIR_CREATE, &ret->work, &err));
    assert_ok(mw_json_parse(&s->arena, text, strlen(text), &payload, &err));
    mw_buf_init(&ret->result, NULL, 1 << 20);
    assert_ok(mw_op_by_name("train")->work(&s->plant.ctx, payload, ret->work, &ret->result, &err));
}

static mw_status commit_with(scene *s, holder *h, const mw_io *io) {
    mw_ctx ctx = s->plant.ctx;
    if (io) ctx.io = io;
    mw_status status =
        mw_op_by_name("train")->commit(&ctx, s->plant.app, &h->job, h->work, &h->result, &err);
    h->work = mw_dir_close(h->work);
    mw_buf_done(&h->result);
    return status;
}

/* n_moves: of its files, before it dies; 0: it does not. */
static mw_status commit(scene *s, holder *h, int n_moves) {
    mw_faulty_io io;
    if (n_moves == 0) return commit_with(s, h, NULL);
    mw_faulty_io_init(&io);
    mw_faulty_io_fail(&io, MW_IO_RENAME, (uint64_t)n_moves, 5);
    return commit_with(s, h, &io.io);
}

static void check_hash(scene *s, const mw_version_record *record, const char *name) {
    char path[300], hex[MW_SHA256_HEX];
    mw_dir *dir;
    mw_map map;
    (void)snprintf(path, sizeof path, "default/models/%s/versions/%s", record->model, name);
    assert_ok(mw_dir_open(&s->plant.ctx, plant_path(path), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_map_open(&s->plant.ctx, dir, mw_model_file(dir), &map, &err));
    assert_ok(mw_sha256_of(map.data, map.size, hex, &err));
    assert_string_equal(hex, record->sha256);
    mw_map_close(&map);
    mw_dir_close(dir);
}

/* Each version has the folder that its record names, with the bytes that were recorded. How many there are of each model. */
static size_t check_versions(scene *s) {
    const mw_version_record *records;
    size_t n;
    assert_ok(
        mw_store_versions(&s->plant.ctx, s->plant.app->store, &s->arena, NULL, &records, &n, &err));
    for (size_t i = 0; i < n; i++) check_hash(s, &records[i], records[i].folder);
    assert_int_equal(n % 3, 0);
    return n / 3;
}

/* Nothing else is there, and each number leads to its version. */
static void check_tidy(scene *s) {
    const mw_version_record *records;
    size_t n, n_entries;
    mw_dir *dir;
    mw_dir_entry *entries;
    assert_ok(mw_store_versions(&s->plant.ctx, s->plant.app->store, &s->arena, "anomaly", &records,
                                &n, &err));
    assert_ok(mw_dir_open(&s->plant.ctx, plant_path("default/models/anomaly/versions"),
                          MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_dir_list(&s->plant.ctx, dir, &entries, &n_entries, &err));
    assert_int_equal(n_entries, 2 * n);
    mw_free(entries);
    mw_dir_close(dir);
    for (size_t i = 0; i < n; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", (int)records[i].version);
        check_hash(s, &records[i], number);
    }
}

static const char *new_job(scene *s) {
    char *id = mw_arena_alloc(&s->arena, 32);
    const mw_job_new job = {.kind = "train", .payload = "{}", .max_attempts = 100};
    assert_ok(mw_store_job_create(&s->plant.ctx, s->plant.app->store, &job, id, &err));
    return id;
}

MW_TEST(an_older_holder_replaces_nothing) {
    scene s;
    holder first, second;
    begin(&s);
    const char *id = new_job(&s);
    hold(&s, id, 1, &first);
    end_leases(&s);
    hold(&s, id, 2, &second);
    assert_ok(commit(&s, &second, 0));
    assert_int_equal(check_versions(&s), 1);
    assert_status(commit(&s, &first, 0), MW_ECONFLICT);
    assert_int_equal(check_versions(&s), 1);
    plant_train(&s.plant);
    assert_int_equal(check_versions(&s), 2);
    check_tidy(&s);
    end(&s);
}

typedef struct meeting {
    scene *scene;
    holder *other;
    bool met;
} meeting;

static void other_commits(void *arg) {
    meeting *m = arg;
    m->met = true;
    assert_ok(commit(m->scene, m->other, 0));
}

/* Before any call of the older holder's commit, the newer one's happens as a whole. */
MW_TEST(holders_meet_at_any_call) {
    scene s;
    bool met = true;
    begin(&s);
    for (uint64_t n = 1; met; n += 1 + n / 16) {
        holder older, newer;
        mw_faulty_io io;
        const char *id = new_job(&s);
        hold(&s, id, (int)n, &older);
        end_leases(&s);
        hold(&s, id, (int)n + 1000, &newer);
        meeting m = {&s, &newer, false};
        mw_faulty_io_init(&io);
        mw_faulty_io_meet(&io, n, other_commits, &m);
        const mw_status status = commit_with(&s, &older, &io.io);
        met = m.met;
        if (!met) assert_ok(commit(&s, &newer, 0));
        (void)check_versions(&s);
        assert_int_equal(status, MW_ECONFLICT);
    }
    end(&s);
}

/* As commit, up to the transaction: its record. */
static mw_version_record move_only(scene *s, const holder *h, const char *model) {
    char path[300];
    mw_map map;
    mw_dir *models, *versions, *dir;
    const char *own = mw_arena_printf(&s->arena, "%s-%lld", h->job.id, (long long)h->job.fence);
    char *hex = mw_arena_alloc(&s->arena, MW_SHA256_HEX);
    (void)snprintf(path, sizeof path, "default/models/%s/versions", model);
    assert_ok(mw_dir_open(&s->plant.ctx, plant_path(path), MW_DIR_CREATE, &versions, &err));
    assert_ok(mw_dir_sub(&s->plant.ctx, h->work, "models", MW_DIR_MUST_EXIST, &models, &err));
    assert_ok(mw_dir_move(&s->plant.ctx, models, model, versions, own, &err));
    assert_ok(mw_dir_sub(&s->plant.ctx, versions, own, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_map_open(&s->plant.ctx, dir, mw_model_file(dir), &map, &err));
    assert_ok(mw_sha256_of(map.data, map.size, hex, &err));
    mw_map_close(&map);
    mw_dir_close(dir);
    mw_dir_close(models);
    mw_dir_close(versions);
    return (mw_version_record){.model = model,
                               .run_id = h->job.id,
                               .folder = own,
                               .production = true,
                               .sha256 = hex,
                               .metrics = "{}",
                               .params = "{}",
                               .data_hash = "d"};
}

/* Its COMMIT is sent, nobody answers, another training is there in between, and then it counts. */
MW_TEST(a_commit_that_counts_late_finds_its_folder) {
    static const char *const models[] = {"baseline", "regression", "anomaly"};
    scene s;
    holder late, other;
    mw_version_record versions[3];
    begin(&s);
    plant_train(&s.plant);
    hold(&s, new_job(&s), 1, &late);
    for (int i = 0; i < 3; i++) versions[i] = move_only(&s, &late, models[i]);
    hold(&s, new_job(&s), 2, &other);
    assert_ok(commit(&s, &other, 0));
    assert_int_equal(check_versions(&s), 2);
    const mw_commit sent = {.job_id = late.job.id,
                            .fence = late.job.fence,
                            .result = "{}",
                            .versions = versions,
                            .n_versions = 3};
    assert_ok(mw_store_commit(&s.plant.ctx, s.plant.app->store, &sent, &err));
    assert_int_equal(check_versions(&s), 3);
    plant_train(&s.plant);
    assert_int_equal(check_versions(&s), 4);
    late.work = mw_dir_close(late.work);
    mw_buf_done(&late.result);
    end(&s);
}

MW_TEST(holders_in_any_order) {
    scene s;
    mw_rng rng;
    size_t n_done = 0;
    begin(&s);
    mw_rng_init(&rng, mw_test_seed(), 11, 0);
    for (int round = 0; round < mw_test_rounds(12); round++) {
        holder holders[HOLDERS];
        const char *id = new_job(&s);
        for (int i = 0; i < HOLDERS; i++) {
            end_leases(&s);
            hold(&s, id, 10 * round + i, &holders[i]);
        }
        for (int left = HOLDERS; left > 0; left--) {
            const int at = (int)mw_rng_below(&rng, (uint64_t)left);
            const bool newest = holders[at].job.fence == HOLDERS;
            const int dies = mw_rng_below(&rng, 3) == 0 ? 1 + (int)mw_rng_below(&rng, 3) : 0;
            const mw_status status = commit(&s, &holders[at], dies);
            assert_true((status == MW_OK) == (newest && !dies));
            n_done += status == MW_OK;
            assert_int_equal(check_versions(&s), n_done);
            holders[at] = holders[left - 1];
        }
    }
    holder last;
    end_leases(&s);
    hold(&s, new_job(&s), 7, &last);
    assert_ok(commit(&s, &last, 0));
    assert_int_equal(check_versions(&s), n_done + 1);
    end(&s);
}

MW_TEST_MAIN(MW_RUN(an_older_holder_replaces_nothing), MW_RUN(holders_meet_at_any_call),
             MW_RUN(a_commit_that_counts_late_finds_its_folder), MW_RUN(holders_in_any_order))
