/*
 * The production models of a small plant, shared by threads: a new version replaces the old one
 * under those who go on using it, idle documents leave, and a check is remembered until a file
 * changes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/faulty_io.h"
#include "unit/op/small_plant.h"

static mw_err err;

static void open_trained(small_plant *plant) {
    plant_open(plant);
    plant_feed(plant, 60);
    plant_train(plant);
}

static const mw_live_model *get(small_plant *plant, const char *name) {
    const mw_live_model *model = NULL;
    assert_ok(mw_live_get(&plant->ctx, plant->app->live, name, &model, &err));
    return model;
}

static mw_status check(small_plant *plant, const char *name) {
    mw_err_clear(&err);
    return mw_live_check(&plant->ctx, plant->app->live, name, &err);
}

MW_TEST(documents_are_shared_until_the_next_version) {
    small_plant plant;
    open_trained(&plant);
    const mw_live_model *first = get(&plant, "anomaly"), *again = get(&plant, "anomaly");
    assert_ptr_equal(first, again);
    assert_int_equal(first->version, 1);
    assert_string_equal(first->name, "anomaly");
    assert_int_equal(strlen(first->sha256), 64);
    assert_int_equal(first->anomalies->kind, MW_JSON_ARRAY);
    assert_non_null(mw_json_get(first->importance, "features"));
    mw_live_unref(plant.app->live, again);
    plant_train(&plant);
    const mw_live_model *second = get(&plant, "anomaly");
    assert_int_equal(second->version, 2);
    /* Off the list, but whole for its holder. */
    assert_int_equal(mw_live_count(plant.app->live), 1);
    assert_int_equal(first->version, 1);
    assert_true(first->anomalies->n_children > 0);
    mw_live_unref(plant.app->live, first);
    mw_live_unref(plant.app->live, second);
    mw_live_unref(plant.app->live, NULL);
    plant_close(&plant);
}

MW_TEST(what_was_never_trained_is_a_conflict) {
    small_plant plant;
    plant_open(&plant);
    const mw_live_model *model;
    assert_status(mw_live_get(&plant.ctx, plant.app->live, "anomaly", &model, &err), MW_ECONFLICT);
    assert_status(check(&plant, "anomaly"), MW_ECONFLICT);
    assert_true(err.hint[0]);
    assert_int_equal(mw_live_count(plant.app->live), 0);
    plant_close(&plant);
}

/* ---- idle documents ---- */

MW_TEST(idle_documents_leave) {
    small_plant plant;
    open_trained(&plant);
    size_t empty = mw_mem_used(&plant.mem);
    mw_live_unref(plant.app->live, get(&plant, "anomaly"));
    mw_fake_clock_advance(&plant.clock, 60 * MW_US_PER_SECOND);
    mw_live_unref(plant.app->live, get(&plant, "baseline"));
    assert_int_equal(mw_live_count(plant.app->live), 2);
    mw_fake_clock_advance(&plant.clock, 60 * MW_US_PER_SECOND); /* anomaly: 120 s, baseline: 60 s */
    assert_int_equal(mw_live_count(plant.app->live), 1);
    mw_live_unref(plant.app->live, get(&plant, "baseline")); /* used: idle from now on */
    mw_fake_clock_advance(&plant.clock, 99 * MW_US_PER_SECOND);
    assert_int_equal(mw_live_count(plant.app->live), 1);
    mw_fake_clock_advance(&plant.clock, 2 * MW_US_PER_SECOND);
    assert_int_equal(mw_live_count(plant.app->live), 0);
    assert_int_equal(mw_mem_used(&plant.mem), empty);
    plant_close(&plant);
}

MW_TEST(documents_in_use_outlive_the_list) {
    small_plant plant;
    open_trained(&plant);
    const mw_live_model *held = get(&plant, "anomaly");
    mw_fake_clock_advance(&plant.clock, 1000 * MW_US_PER_SECOND);
    assert_int_equal(mw_live_count(plant.app->live), 0);
    assert_int_equal(held->version, 1);
    assert_int_equal(held->metrics->kind, MW_JSON_OBJECT);
    mw_live_unref(plant.app->live, held);
    plant_close(&plant);
}

/* ---- checks ---- */

/* A check with I/O that counts. */
static mw_status counted_check(small_plant *plant, const char *name, mw_faulty_io *io) {
    mw_ctx ctx = plant->ctx;
    ctx.io = &io->io;
    mw_err_clear(&err);
    return mw_live_check(&ctx, plant->app->live, name, &err);
}

static void rewrite(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

MW_TEST(verdict_is_remembered_until_a_file_changes) {
    small_plant plant;
    open_trained(&plant);
    mw_faulty_io io;
    mw_faulty_io_init(&io);
    assert_ok(counted_check(&plant, "anomaly", &io));
    uint64_t n_first = io.count[MW_IO_OPEN];
    assert_ok(counted_check(&plant, "anomaly", &io));
    uint64_t n_second = io.count[MW_IO_OPEN] - n_first;
    assert_true(n_second < n_first); /* the folders on the way are opened, the files are not */
    const char *path = plant_path("default/models/anomaly/versions/1/importance.json");
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    rewrite(path, "{\"features\":[");
    uint64_t n_before = io.count[MW_IO_OPEN];
    assert_status(counted_check(&plant, "anomaly", &io), MW_EDATA);
    assert_true(io.count[MW_IO_OPEN] - n_before > n_second);
    assert_non_null(strstr(err.message, "importance.json of the model is damaged"));
    char message[MW_ERR_MESSAGE_MAX];
    (void)snprintf(message, sizeof message, "%s", err.message);
    n_before = io.count[MW_IO_OPEN];
    assert_status(counted_check(&plant, "anomaly", &io), MW_EDATA);
    assert_int_equal(io.count[MW_IO_OPEN] - n_before, n_second);
    assert_string_equal(err.message, message);
    assert_ok(check(&plant, "baseline")); /* each model has its own */
    assert_int_equal(unlink(path), 0);
    assert_status(check(&plant, "anomaly"), MW_EDATA);
    rewrite(path, "{\"features\":[]}");
    assert_ok(check(&plant, "anomaly"));
    plant_close(&plant);
}

MW_TEST(new_version_is_judged_anew) {
    small_plant plant;
    open_trained(&plant);
    assert_int_equal(truncate(plant_path("default/models/anomaly/versions/1/model.onnx"), 3), 0);
    assert_status(check(&plant, "anomaly"), MW_EDATA);
    plant_train(&plant);
    assert_ok(check(&plant, "anomaly"));
    plant_close(&plant);
}

MW_TEST(missing_folder_is_damage) {
    small_plant plant;
    open_trained(&plant);
    char moved[800], folder[300] = "";
    assert_true(
        readlink(plant_path("default/models/anomaly/versions/1"), folder, sizeof folder - 1) > 0);
    char below[400];
    (void)snprintf(below, sizeof below, "default/models/anomaly/versions/%s", folder);
    const char *path = plant_path(below);
    (void)snprintf(moved, sizeof moved, "%s-away", path);
    assert_int_equal(rename(path, moved), 0);
    const mw_live_model *model;
    assert_status(check(&plant, "anomaly"), MW_EDATA);
    assert_status(mw_live_get(&plant.ctx, plant.app->live, "anomaly", &model, &err), MW_EDATA);
    assert_int_equal(err.code, MW_EDATA);
    assert_int_equal(rename(moved, path), 0);
    assert_ok(check(&plant, "anomaly"));
    mw_live_unref(plant.app->live, get(&plant, "anomaly"));
    plant_close(&plant);
}

/* A failed read or allocation says nothing about the files. */
MW_TEST(passing_trouble_is_not_remembered) {
    small_plant plant;
    open_trained(&plant);
    mw_faulty_io io;
    mw_faulty_io_init(&io);
    for (uint64_t n = 1;; n++) {
        io.fired = false;
        mw_faulty_io_fail(&io, MW_IO_READ, n, EIO);
        mw_status status = counted_check(&plant, "regression", &io);
        if (!io.fired) break;
        assert_int_equal(status, MW_EIO);
        mw_faulty_io_fail(&io, MW_IO_READ, 0, 0);
        assert_ok(check(&plant, "regression"));
        /* Forget it, so that the next round reads again. */
        plant.app->live = mw_live_free(plant.app->live);
        assert_ok(mw_live_new(&plant.ctx, plant.app->data, plant.app->store, NULL, 1000000,
                              &plant.app->live, &err));
    }
    int n_failed = 0;
    for (uint64_t n = 1;; n++) {
        plant.app->live = mw_live_free(plant.app->live);
        assert_ok(mw_live_new(&plant.ctx, plant.app->data, plant.app->store, NULL, 1000000,
                              &plant.app->live, &err));
        mw_alloc_fail_at(n);
        mw_status status = check(&plant, "regression");
        bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_true(status == MW_OK || (fired && status == MW_ENOMEM));
        n_failed += status != MW_OK;
        assert_ok(check(&plant, "regression"));
        if (!fired) break;
    }
    assert_true(n_failed > 20);
    plant_close(&plant);
}

/* ---- threads ---- */

typedef struct reader {
    small_plant *plant;
    atomic_bool *stop;
    int32_t newest;
    atomic_int n_rounds;
    bool failed;
} reader;

/* Asks for models again and again; versions never go back. */
static void *read_models(void *arg) {
    static const char *const names[] = {"anomaly", "regression", "baseline"};
    reader *r = arg;
    mw_live *live = r->plant->app->live;
    while (!atomic_load(r->stop) && !r->failed) {
        mw_err e;
        const mw_live_model *held[3];
        for (int i = 0; i < 3; i++) {
            if (mw_live_get(&r->plant->ctx, live, names[i], &held[i], &e)) {
                r->failed = true;
                while (i-- > 0) mw_live_unref(live, held[i]);
                return NULL;
            }
            if (held[i]->version < r->newest || !mw_json_get(held[i]->importance, "features"))
                r->failed = true;
            r->newest = held[i]->version;
        }
        if (mw_live_check(&r->plant->ctx, live, names[atomic_load(&r->n_rounds) % 3], &e))
            r->failed = true;
        (void)mw_live_count(live);
        for (int i = 0; i < 3; i++) mw_live_unref(live, held[i]);
        atomic_fetch_add(&r->n_rounds, 1);
    }
    return NULL;
}

MW_TEST(readers_go_on_while_versions_change) {
    small_plant plant;
    open_trained(&plant);
    atomic_bool stop = false;
    reader readers[2] = {{.plant = &plant, .stop = &stop}, {.plant = &plant, .stop = &stop}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_models, &readers[i]), 0);
    for (int i = 0; i < 4; i++) {
        plant_train(&plant);
        mw_fake_clock_advance(&plant.clock, 200 * MW_US_PER_SECOND); /* what is idle leaves, too */
    }
    while (!atomic_load(&readers[0].n_rounds) || !atomic_load(&readers[1].n_rounds)) usleep(1000);
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(readers[i].failed);
    }
    const mw_live_model *model = get(&plant, "anomaly");
    assert_int_equal(model->version, 5);
    mw_live_unref(plant.app->live, model);
    plant_close(&plant);
}

MW_TEST_MAIN(MW_RUN(documents_are_shared_until_the_next_version),
             MW_RUN(what_was_never_trained_is_a_conflict), MW_RUN(idle_documents_leave),
             MW_RUN(documents_in_use_outlive_the_list),
             MW_RUN(verdict_is_remembered_until_a_file_changes), MW_RUN(new_version_is_judged_anew),
             MW_RUN(missing_folder_is_damage), MW_RUN(passing_trouble_is_not_remembered),
             MW_RUN(readers_go_on_while_versions_change))
