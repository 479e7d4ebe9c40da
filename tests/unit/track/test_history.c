/* test_history.c -- registry.json and metrics.json: content, order, organizations, determinism, faults. */
#include <stdio.h>
#include <string.h>

#include "core/text/json.h"
#include "keep/track/history.h"
#include "support/harness.h"

static mw_err err;

typedef struct scene {
    mw_ctx acme, globex;
    mw_store *store;
    mw_dir *dir;
    mw_arena arena;
} scene;

static void begin(scene *s) {
    char path[600];
    mw_ctx_init(&s->acme);
    s->acme.org = "acme";
    s->globex = s->acme;
    s->globex.org = "globex";
    (void)snprintf(path, sizeof path, "%s/store.db", mw_test_folder());
    assert_ok(mw_store_open(&s->acme, path, &s->store, &err));
    (void)snprintf(path, sizeof path, "%s/models", mw_test_folder());
    assert_ok(mw_dir_open(&s->acme, path, MW_DIR_CREATE, &s->dir, &err));
    mw_arena_init(&s->arena, NULL);
}

static void end(scene *s) {
    mw_arena_done(&s->arena);
    mw_dir_close(s->dir);
    mw_store_close(s->store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static void train(scene *s, const mw_ctx *ctx, const char *model, int64_t time_us,
                  const char *metrics) {
    mw_version_record version = {.model = model,
                                 .run_id = "run\"1",
                                 .folder = "f",
                                 .sha256 = "abc",
                                 .created_us = time_us,
                                 .metrics = metrics,
                                 .params = "{\"depth\":3}",
                                 .data_hash = "d1",
                                 .production = true};
    mw_commit commit = {.versions = &version, .n_versions = 1};
    assert_ok(mw_store_commit(ctx, s->store, &commit, &err));
}

static const char *read_text(scene *s, const char *name) {
    char *text = NULL;
    size_t size = 0;
    assert_ok(mw_file_read(&s->acme, s->dir, name, 1 << 20, &text, &size, &err));
    const char *copy = mw_arena_strndup(&s->arena, text, size);
    mw_free(text);
    return copy;
}

static const mw_json *read_json(scene *s, const char *name) {
    const char *text = read_text(s, name);
    const mw_json *json = NULL;
    assert_ok(mw_json_parse(&s->arena, text, strlen(text), &json, &err));
    return json;
}

MW_TEST(history_of_two_organizations) {
    scene s;
    begin(&s);
    train(&s, &s.acme, "regression", 2000000, "{\"rmse\":1.5}");
    train(&s, &s.acme, "anomaly", 1000000, "{}");
    train(&s, &s.acme, "regression", 3000000, "not json");
    train(&s, &s.globex, "regression", 9000000, "{}");
    assert_ok(mw_track_write_history(&s.acme, s.store, s.dir, &err));
    const mw_json *json = read_json(&s, "registry.json");
    assert_int_equal(mw_json_int(mw_json_get(json, "format_version"), 0), MW_HISTORY_FORMAT);
    assert_true(mw_str_is(mw_json_string(mw_json_get(json, "organization"), ""), "acme"));
    const mw_json *versions = mw_json_get(json, "versions");
    assert_int_equal(versions->n_children, 3);
    const mw_json *newest = mw_json_at(versions, 1); /* by model, then newest first */
    assert_true(mw_str_is(mw_json_string(mw_json_get(newest, "model"), ""), "regression"));
    assert_int_equal(mw_json_int(mw_json_get(newest, "version"), 0), 2);
    assert_true(mw_json_bool(mw_json_get(newest, "production"), false));
    assert_int_equal(mw_json_get(newest, "metrics")->kind, MW_JSON_NULL);
    assert_int_equal(mw_json_get(newest, "job_id")->kind, MW_JSON_NULL);
    assert_true(mw_str_is(mw_json_string(mw_json_get(newest, "run_id"), ""), "run\"1"));
    assert_true(mw_str_is(mw_json_string(mw_json_get(newest, "data_hash"), ""), "d1"));
    assert_true(mw_str_is(mw_json_string(mw_json_get(newest, "sha256"), ""), "abc"));
    const mw_json *older = mw_json_at(versions, 2);
    assert_false(mw_json_bool(mw_json_get(older, "production"), true));
    assert_true(mw_json_number(mw_json_get(mw_json_get(older, "metrics"), "rmse"), 0) == 1.5);
    assert_int_equal(mw_json_int(mw_json_get(mw_json_get(older, "params"), "depth"), 0), 3);

    const mw_json *trainings = mw_json_get(read_json(&s, "metrics.json"), "trainings");
    assert_int_equal(trainings->n_children, 3);
    assert_true(
        mw_str_is(mw_json_string(mw_json_get(mw_json_at(trainings, 0), "model"), ""), "anomaly"));
    assert_int_equal(mw_json_int(mw_json_get(mw_json_at(trainings, 2), "version"), 0), 2);
    mw_str time = mw_json_string(mw_json_get(mw_json_at(trainings, 1), "time"), "");
    assert_memory_equal(time.data, "1970-01-01T00:00:02", 19);

    const char *before = read_text(&s, "registry.json");
    assert_ok(mw_track_write_history(&s.acme, s.store, s.dir, &err));
    assert_string_equal(read_text(&s, "registry.json"), before);
    end(&s);
}

MW_TEST(an_empty_history) {
    scene s;
    begin(&s);
    assert_ok(mw_track_write_history(&s.acme, s.store, s.dir, &err));
    assert_int_equal(mw_json_get(read_json(&s, "registry.json"), "versions")->n_children, 0);
    assert_int_equal(mw_json_get(read_json(&s, "metrics.json"), "trainings")->n_children, 0);
    end(&s);
}

/* Whatever allocation fails, the files stay whole. */
MW_TEST(allocation_failures) {
    scene s;
    begin(&s);
    train(&s, &s.acme, "regression", 2000000, "{\"rmse\":1.5}");
    assert_ok(mw_track_write_history(&s.acme, s.store, s.dir, &err));
    for (uint64_t n = 1; n < 2000; n++) {
        mw_alloc_fail_at(n);
        mw_status status = mw_track_write_history(&s.acme, s.store, s.dir, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (status != MW_OK && status != MW_ENOMEM)
            fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), err.message);
        assert_int_equal(mw_json_get(read_json(&s, "registry.json"), "versions")->n_children, 1);
        mw_arena_reset(&s.arena);
        if (fired) continue;
        assert_ok(status);
        assert_true(n > 5);
        end(&s);
        return;
    }
    fail_msg("the scenario never passed");
}

MW_TEST_MAIN(MW_RUN(history_of_two_organizations), MW_RUN(an_empty_history),
             MW_RUN(allocation_failures))
