/*
 * Every quick operation on a small plant: its answer, and each of its allocations failing once
 * (a clean MW_ENOMEM or the very same answer, nothing lost, the same answer afterwards).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/table/ipc.h"
#include "keep/ingest/quality.h"
#include "run/op/dataset_job.h"
#include "support/fault_loop.h"
#include "unit/op/small_plant.h"

typedef struct loop {
    const char *op, *settings;
    bool cold;   /* the model cache is empty before each call */
    bool steady; /* the same call always gives the same bytes */
} loop;

static mw_err err;

static void empty_cache(small_plant *plant) {
    plant->app->live = mw_live_free(plant->app->live);
    assert_ok(mw_live_new(&plant->ctx, plant->app->data, plant->app->store, NULL, 1000000,
                          &plant->app->live, &err));
}

static int no_sync(void *self, int fd) { return (void)self, (void)fd, 0; }

/* One call with an account of its own, failing at allocation n (0: none); its answer in text. */
static mw_status call_failing_at(small_plant *plant, const loop *l, const mw_args *args, uint64_t n,
                                 char *text, size_t size, bool *fired) {
    mw_mem mem;
    mw_ctx ctx = plant->ctx;
    mw_io io = *ctx.io; /* hundreds of calls that each wait for the disk take too long */
    mw_buf out;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    io.fsync = io.fdatasync = no_sync;
    ctx.io = &io;
    mw_err_clear(&err);
    mw_buf_init(&out, &mem, (size_t)MW_LIMIT(JSON_BYTES));
    if (l->cold) empty_cache(plant);
    mw_alloc_fail_at(n);
    mw_status status = plant_call(plant, &ctx, l->op, args, &out, &err);
    *fired = mw_alloc_fault_fired();
    mw_alloc_fail_at(0);
    mw_str_copy(text, size, status ? mw_str_of("") : mw_buf_str(&out));
    mw_buf_done(&out);
    if (mw_mem_used(&mem) != 0)
        fail_msg("%s, allocation %d: %zu bytes leaked", l->op, (int)n, mw_mem_used(&mem));
    return status;
}

static void check_answer(const loop *l, uint64_t n, const char *want, const char *got) {
    if (l->steady && strcmp(want, got) != 0)
        fail_msg("%s, allocation %d: %s instead of %s", l->op, (int)n, got, want);
    if (strstr(got, "\"ok\":false"))
        fail_msg("%s, allocation %d: a false alarm in %s", l->op, (int)n, got);
}

static void fail_each(small_plant *plant, const loop *l) {
    static char want[1 << 19], got[1 << 19];
    mw_args *args = plant_args(l->op, l->settings);
    bool fired = false;
    int n_failed = 0;
    assert_ok(call_failing_at(plant, l, args, 0, want, sizeof want, &fired));
    size_t used = mw_mem_used(&plant->mem);
    for (uint64_t n = 1; n <= MW_FAULT_LOOP_MAX; n = mw_fault_next(n)) {
        mw_status status = call_failing_at(plant, l, args, n, got, sizeof got, &fired);
        if (status != MW_OK && (status != MW_ENOMEM || !err.message[0]))
            fail_msg("%s, allocation %d: %s %s", l->op, (int)n, mw_status_name(status),
                     err.message);
        n_failed += status != MW_OK;
        if (status == MW_OK) check_answer(l, n, want, got);
        /* Whatever failed, the services are as they were and the next call works. */
        assert_ok(call_failing_at(plant, l, args, 0, got, sizeof got, &(bool){false}));
        check_answer(l, n, want, got);
        if (mw_mem_used(&plant->mem) != used)
            fail_msg("%s, allocation %d: the services hold %zu bytes, not %zu", l->op, (int)n,
                     mw_mem_used(&plant->mem), used);
        if (fired) continue;
        assert_true(n_failed > 0);
        print_message("%s: %d allocations, %d of them needed\n", l->op, (int)n - 1, n_failed);
        mw_args_free(args);
        return;
    }
    fail_msg("%s makes more than %d allocations", l->op, MW_FAULT_LOOP_MAX);
}

static void run_loops(const loop *loops, size_t n, bool trained) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 60);
    if (trained) plant_train(&plant);
    for (size_t i = 0; i < n; i++) fail_each(&plant, &loops[i]);
    plant_close(&plant);
}

MW_TEST(dataset_questions_survive_any_failed_allocation) {
    static const loop loops[] = {
        {"summary", "", false, true},
        {"summary", "device=D1", false, true},
        {"trend", "parameter=heat limit=5", false, true},
        {"trend", "parameter=flow device=D2", false, true},
    };
    run_loops(loops, sizeof loops / sizeof *loops, false);
}

MW_TEST(service_questions_survive_any_failed_allocation) {
    static const loop loops[] = {
        {"jobs", "", false, true},     {"models_status", "", false, true},
        {"metrics", "", false, false}, {"health", "", false, true},
        {"openapi", "", false, true},  {"doctor", "", false, false},
    };
    run_loops(loops, sizeof loops / sizeof *loops, false);
}

MW_TEST(model_questions_survive_any_failed_allocation) {
    static const loop loops[] = {
        {"feature_importance", "", true, true},
        {"feature_importance", "model=baseline", false, true},
        {"anomalies", "", true, true},
        {"anomalies", "limit=1", false, true},
        {"models_status", "", false, true},
        {"models_status", "", true, true},
        {"doctor", "", true, false},
    };
    run_loops(loops, sizeof loops / sizeof *loops, true);
}

/* The id of the newest job. */
static const char *newest_job(small_plant *plant) {
    static char setting[64];
    const char *text = strstr(plant_text(plant, "jobs", "limit=1"), "\"job_id\":\"");
    assert_non_null(text);
    (void)snprintf(setting, sizeof setting, "id=%.26s", text + strlen("\"job_id\":\""));
    return setting;
}

MW_TEST(one_job_survives_any_failed_allocation) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 10);
    loop l = {"job", newest_job(&plant), false, true};
    fail_each(&plant, &l);
    plant_close(&plant);
}

/*
 * A first call that fails is not remembered by later ones, and none keeps half a contract.
 * It needs none of the services, whose threads would take the fault now and then.
 */
MW_TEST(contract_is_made_again_after_a_failed_allocation) {
    static char want[1 << 19];
    FILE *committed = fopen("api/openapi.json", "r");
    assert_non_null(committed);
    want[fread(want, 1, sizeof want - 1, committed)] = '\0';
    (void)fclose(committed);
    mw_ctx ctx;
    mw_buf out;
    mw_ctx_init(&ctx);
    mw_buf_init(&out, NULL, sizeof want);
    mw_args *args = plant_args("openapi", "");
    const mw_call call = {.ctx = &ctx, .principal = {"test", MW_ROLE_ADMIN, NULL}, .args = args};
    mw_status status = MW_ENOMEM;
    uint64_t n = 1;
    for (; status; n++) {
        mw_buf_clear(&out);
        mw_alloc_fail_at(n);
        status = mw_op_call(mw_op_by_name("openapi"), &call, &out, NULL, &err);
        assert_true(status == MW_OK || (mw_alloc_fault_fired() && status == MW_ENOMEM));
        mw_alloc_fail_at(0);
    }
    assert_int_equal(mw_buf_str(&out).size, strlen(want));
    assert_memory_equal(mw_buf_str(&out).data, want, strlen(want));
    assert_true(n > 3);
    mw_buf_done(&out);
    mw_args_free(args);
}

/* ---- answers ---- */

static void assert_has(const char *text, const char *words) {
    if (!strstr(text, words)) fail_msg("no %s in %s", words, text);
}

MW_TEST(answers_tell_what_was_fed_and_learned) {
    small_plant plant;
    plant_open(&plant);
    assert_status(plant_status(&plant, "summary", "", &err), MW_ECONFLICT);
    assert_status(plant_status(&plant, "anomalies", "", &err), MW_ECONFLICT);
    assert_true(err.hint[0]);
    plant_feed(&plant, 60);
    const char *summary = plant_text(&plant, "summary", "");
    assert_has(summary, "\"rows\":120,");
    assert_has(summary, "\"devices\":[\"D1\",\"D2\"]");
    assert_has(summary, "\"end\":\"2026-01-01T04:55:00Z\"");
    assert_has(plant_text(&plant, "summary", "device=D1"), "\"rows\":60,");
    assert_has(plant_text(&plant, "trend", "parameter=heat limit=5"), "\"total\":60,");
    assert_status(plant_status(&plant, "trend", "parameter=haet", &err), MW_ENOTFOUND);
    assert_string_equal(err.pointer, "parameter");
    assert_status(plant_status(&plant, "trend", "parameter=heat device=D9", &err), MW_ENOTFOUND);
    assert_has(plant_text(&plant, "models_status", ""), "\"trained\":false");
    plant_train(&plant);
    assert_has(plant_text(&plant, "models_status", ""), "\"status\":\"ready\"");
    assert_has(plant_text(&plant, "feature_importance", ""), "\"version\":1");
    assert_has(plant_text(&plant, "anomalies", "limit=2"), "\"is_anomaly\":");
    assert_has(plant_text(&plant, "jobs", ""), "\"kind\":\"train\",\"state\":\"SUCCESS\"");
    assert_has(plant_text(&plant, "job", newest_job(&plant)), "\"kind\":\"train\"");
    assert_has(plant_text(&plant, "metrics", ""),
               "millwright_jobs_finished_total{state=\"SUCCESS\"} 2");
    plant_close(&plant);
}

/* Flagged windows of D1 (heat is above its range at 0:00 and 2:05) and of D2 (at 1:00), as an ingest leaves them. */
static void flag_windows(small_plant *plant) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64};
    static const char *const names[] = {"time", "device_id", "heat"};
    const int64_t start_us = INT64_C(1767225600000000), minute_us = INT64_C(60000000);
    const int64_t times[] = {0, 60, 125};
    mw_schema *schema;
    mw_chunk *chunk;
    mw_args *args;
    mw_quality *quality;
    mw_table *table;
    int32_t code;
    assert_ok(mw_schema_new(NULL, &schema, &err));
    for (int i = 0; i < 3; i++)
        assert_ok(mw_schema_add(schema, mw_str_of(names[i]), types[i], &code, &err));
    assert_ok(mw_chunk_new(NULL, types, 3, 3, &chunk, &err));
    for (int i = 0; i < 3; i++) {
        mw_str device = i == 1 ? MW_STR("D2") : MW_STR("D1");
        assert_ok(mw_dictionary_add(schema->columns[1].dictionary, device, &code, &err));
        chunk->columns[0].time[i] = start_us + times[i] * minute_us;
        chunk->columns[1].codes[i] = code;
        chunk->columns[2].number[i] = 1000;
    }
    chunk->n_rows = 3;
    assert_ok(mw_args_new(NULL, mw_quality_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("heat=0:500"), &err));
    assert_ok(mw_args_finish(args, &err));
    assert_ok(mw_quality_new(&plant->ctx, schema, 1, args, &quality, &err));
    assert_ok(mw_quality_add(quality, chunk, &err));
    assert_ok(mw_quality_finish(quality, &table, &err));
    mw_quality_free(quality);

    mw_dir *dir;
    mw_file *file;
    mw_arena arena;
    const mw_segment_record *segments;
    size_t n;
    assert_ok(mw_app_folder(plant->app, &plant->ctx, "datasets", "main", &dir, &err));
    assert_ok(mw_file_create(&plant->ctx, dir, "flagged.arrow", &file, &err));
    assert_ok(mw_ipc_write(&plant->ctx, table, NULL, 0, file, &err));
    assert_ok(mw_file_commit(file, &err));
    mw_arena_init(&arena, NULL);
    assert_ok(
        mw_store_segments(&plant->ctx, plant->app->store, &arena, "main", &segments, &n, &err));
    assert_int_equal(n, 1);
    mw_segment_record segment = segments[0];
    segment.quality = "flagged.arrow";
    mw_commit commit = {.dataset = "main", .segments = &segment, .n_segments = 1};
    assert_ok(mw_store_commit(&plant->ctx, plant->app->store, &commit, &err));
    mw_arena_done(&arena);
    mw_dir_close(dir);
    mw_table_free(table);
    mw_args_free(args);
    mw_chunk_free(chunk);
    mw_schema_free(schema);
}

MW_TEST(summary_counts_flagged_windows) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 61); /* five hours of two devices */
    assert_has(plant_text(&plant, "summary", ""), "\"quality\":[]");
    flag_windows(&plant);
    assert_has(plant_text(&plant, "summary", ""),
               "\"quality\":[{\"name\":\"heat\",\"windows\":3,\"share\":0.3,\"stuck\":0,\"flat\":0,"
               "\"out_of_range\":3,\"spike\":0,\"gap\":0,\"clock\":0,\"unit\":0}]");
    assert_has(plant_text(&plant, "summary", "device=D2"),
               "\"quality\":[{\"name\":\"heat\",\"windows\":1,");
    assert_has(plant_text(&plant, "summary", "employee_id=E1"), "\"quality\":[]");
    assert_int_equal(unlink(plant_path("default/datasets/main/flagged.arrow")), 0);
    assert_status(plant_status(&plant, "summary", "", &err), MW_EDATA);
    assert_has(err.message, "flagged windows");
    plant_close(&plant);
}

MW_TEST(role_is_asked_before_anything_is_done) {
    small_plant plant;
    plant_open(&plant);
    mw_args *args = plant_args("train", "");
    mw_buf out;
    char id[32] = "";
    mw_buf_init(&out, NULL, 1000);
    mw_call call = {.ctx = &plant.ctx,
                    .app = plant.app,
                    .principal = {"guest", MW_ROLE_VIEWER, NULL},
                    .args = args};
    assert_status(mw_op_call(mw_op_by_name("train"), &call, &out, id, &err), MW_EDENIED);
    assert_string_equal(id, "");
    assert_string_equal(plant_text(&plant, "jobs", ""), "[]");
    mw_buf_done(&out);
    mw_args_free(args);
    plant_close(&plant);
}

MW_TEST(organizations_see_only_their_own) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 60);
    plant_train(&plant);
    char of_default[64];
    (void)snprintf(of_default, sizeof of_default, "%s", newest_job(&plant));
    plant.ctx.org = "acme";
    assert_status(mw_app_check_org(plant.app, &plant.ctx, &err), MW_ENOTFOUND);
    assert_ok(mw_store_org_ensure(&plant.ctx, plant.app->store, "acme", &err));
    assert_ok(mw_app_check_org(plant.app, &plant.ctx, &err));
    assert_status(plant_status(&plant, "summary", "", &err), MW_ECONFLICT);
    assert_status(plant_status(&plant, "anomalies", "", &err), MW_ECONFLICT);
    assert_status(plant_status(&plant, "job", of_default, &err), MW_ENOTFOUND);
    assert_string_equal(plant_text(&plant, "jobs", ""), "[]");
    plant_feed(&plant, 70);
    assert_has(plant_text(&plant, "summary", ""), "\"rows\":140,");
    assert_status(plant_status(&plant, "feature_importance", "", &err), MW_ECONFLICT);
    plant_train(&plant);
    assert_has(plant_text(&plant, "models_status", ""), "\"version\":1");
    plant_train(&plant);
    assert_has(plant_text(&plant, "feature_importance", ""), "\"version\":2");
    plant.ctx.org = "default";
    assert_has(plant_text(&plant, "summary", ""), "\"rows\":120,");
    assert_has(plant_text(&plant, "feature_importance", ""), "\"version\":1");
    plant_close(&plant);
}

/* A folder named after the organization makes it, too; a bad name never does. */
MW_TEST(organization_comes_with_its_folder) {
    small_plant plant;
    plant_open(&plant);
    mw_dir *folder;
    plant.ctx.org = "north";
    assert_status(mw_app_check_org(plant.app, &plant.ctx, &err), MW_ENOTFOUND);
    assert_ok(mw_app_folder(plant.app, &plant.ctx, NULL, NULL, &folder, &err));
    mw_dir_close(folder);
    assert_ok(mw_app_check_org(plant.app, &plant.ctx, &err));
    plant.ctx.org = "../north";
    assert_status(mw_app_check_org(plant.app, &plant.ctx, &err), MW_EINVAL);
    plant_close(&plant);
}

MW_TEST(doctor_and_summary_name_a_missing_segment) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 20);
    mw_dir *folder;
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_app_folder(plant.app, &plant.ctx, "datasets", "main", &folder, &err));
    assert_ok(mw_dir_list(&plant.ctx, folder, &entries, &n, &err));
    assert_int_equal(n, 1);
    assert_ok(mw_dir_remove(&plant.ctx, folder, entries[0].name, &err));
    assert_status(plant_status(&plant, "summary", "", &err), MW_EDATA);
    assert_has(err.hint, "ingest plant.csv again");
    assert_has(plant_text(&plant, "doctor", ""), "\"check\":\"dataset main\",\"ok\":false");
    /* The same file, unchanged, brings it back. */
    plant_feed(&plant, 20);
    assert_has(plant_text(&plant, "summary", ""), "\"rows\":40,");
    mw_free(entries);
    mw_dir_close(folder);
    plant_close(&plant);
}

MW_TEST(health_monitor_reports_a_damaged_model) {
    small_plant plant;
    plant_open(&plant);
    plant_feed(&plant, 60);
    plant_train(&plant);
    plant_close(&plant);
    assert_int_equal(truncate(plant_path("default/models/anomaly/versions/1/model.onnx"), 10), 0);
    plant_open(&plant);
    char path[600], health[MW_HEALTH_BYTES] = "";
    (void)snprintf(path, sizeof path, "%s", plant.app->data_path);
    mw_app_close(plant.app, 0);
    mw_app_options options = {.data_path = path, .monitor = true};
    assert_ok(mw_app_open(&plant.ctx, &options, &plant.app, &err));
    /* The monitor's first look comes at once; the harness ends a test that waits for ever. */
    while (!strstr(health, "degraded")) {
        mw_app_read_health(plant.app, health);
        usleep(1000);
    }
    assert_has(health, "model anomaly version 1 cannot be loaded");
    assert_has(plant_text(&plant, "metrics", ""), "millwright_healthy 0");
    plant_close(&plant);
}

/* The list of what a commit moves and records is whole, or there is no commit. */
MW_TEST(commit_forgets_no_file_for_lack_of_memory) {
    small_plant plant;
    plant_open(&plant);
    mw_arena arena;
    mw_buf text;
    const mw_json *files;
    mw_arena_init(&arena, NULL);
    mw_buf_init(&text, NULL, 1 << 20);
    for (int i = 0; i < 500; i++)
        mw_buf_printf(&text,
                      "%c{\"source\":\"s%d\",\"content_hash\":\"%064d\","
                      "\"segments\":[{\"file\":\"%d\"},{\"file\":\"%d.b\"}]}",
                      i ? ',' : '[', i, i, i, i);
    mw_buf_add_char(&text, ']');
    assert_ok(mw_json_parse(&arena, mw_buf_text(&text), text.size, &files, &err));
    mw_job_record job = {.id = "x", .fence = 1};
    bool fired = true;
    uint64_t n = 1;
    for (; fired; n++) {
        mw_alloc_fail_at(n);
        mw_status status = mw_op__commit(&plant.ctx, plant.app, &job, plant.app->data, "main",
                                         files, NULL, 0, "{}", &err);
        fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        /* Nothing is staged: with its memory the commit finds that out. The first allocations are
         * the list's; later ones are the store's, which can do without some. */
        if (status != MW_ENOMEM && (status != MW_ENOTFOUND || n <= 4))
            fail_msg("allocation %d: %s %s", (int)n, mw_status_name(status), err.message);
    }
    assert_true(n > 5);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    plant_close(&plant);
}

/* Whatever fails during a look, nobody is told that all is well. */
MW_TEST(health_is_never_ok_for_lack_of_memory) {
    small_plant plant;
    char health[MW_HEALTH_BYTES];
    plant_open(&plant);
    plant_feed(&plant, 60);
    plant_train(&plant);
    mw_app_look(plant.app, &plant.ctx);
    assert_string_equal(plant_text(&plant, "health", ""), "{\"status\":\"ok\",\"reasons\":[]}");
    assert_int_equal(truncate(plant_path("default/models/anomaly/versions/1/model.onnx"), 10), 0);
    mw_app_look(plant.app, &plant.ctx);
    bool fired = true;
    uint64_t n = 1;
    for (; fired; n++) {
        if (n % 2) empty_cache(&plant); /* the verdict is remembered, or found again */
        mw_alloc_fail_at(n);
        mw_app_look(plant.app, &plant.ctx);
        fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        mw_app_read_health(plant.app, health);
        if (!strstr(health, "\"degraded\"")) fail_msg("allocation %d: %s", (int)n, health);
    }
    assert_true(n > 10);
    assert_has(health, "[\"model anomaly version 1 cannot be loaded");
    plant_close(&plant);
}

MW_TEST_MAIN(MW_RUN(dataset_questions_survive_any_failed_allocation),
             MW_RUN(service_questions_survive_any_failed_allocation),
             MW_RUN(model_questions_survive_any_failed_allocation),
             MW_RUN(one_job_survives_any_failed_allocation),
             MW_RUN(contract_is_made_again_after_a_failed_allocation),
             MW_RUN(answers_tell_what_was_fed_and_learned), MW_RUN(summary_counts_flagged_windows),
             MW_RUN(role_is_asked_before_anything_is_done),
             MW_RUN(organizations_see_only_their_own), MW_RUN(organization_comes_with_its_folder),
             MW_RUN(doctor_and_summary_name_a_missing_segment),
             MW_RUN(health_monitor_reports_a_damaged_model),
             MW_RUN(health_is_never_ok_for_lack_of_memory),
             MW_RUN(commit_forgets_no_file_for_lack_of_memory))
