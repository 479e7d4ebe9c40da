/*
 * An ingest that died and the one after it: what is taken over, what is not and why, and a machine that stops at any I/O call. The outcome is
 * compared with that of a folder in which nothing happened.
 */
#include "keep/ingest/resume.h"

#include <stdlib.h>

#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

enum { N_FILES = 4 };

/* A job's work folder, and another one's that died. */
typedef struct scene {
    mw_ctx ctx;
    mw_args *args;
    mw_schema *columns; /* of the dataset; NULL: it is new */
    char paths[N_FILES][512];
    const char *path_list[N_FILES];
    mw_dir *root, *dataset;
    size_t n_files;
    mw_ingest_result result, alone; /* alone: of a job in which nothing happened */
} scene;

static mw_err err;

/* File i: 30 rows, one of them to be rejected, and a sensor out of its range, so that there are quality bits. */
static void write_source(scene *s, int i, const char *extra) {
    char text[4096] = "timestamp,device,a,b\n", name[32];
    for (int row = 0; row < 30; row++) {
        size_t at = strlen(text);
        (void)snprintf(text + at, sizeof text - at, "2026-01-%02d 00:%02d:00,P,%d,%s\n", i + 1, row,
                       row * 7 % 11, row == 17 ? "bad" : "1.5");
    }
    strcat(text, extra);
    (void)snprintf(name, sizeof name, "f%d.csv", i);
    (void)snprintf(s->paths[i], sizeof s->paths[i], "%s", put_text(name, text));
    s->path_list[i] = s->paths[i];
}

static mw_args *args_with(const char *name, const char *value) {
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_ingest_all_params(), &args, &err));
    assert_ok(mw_args_set(args, MW_STR("max_reject_share"), MW_STR("0.2"), &err));
    assert_ok(mw_args_set(args, MW_STR("range"), MW_STR("a=0:9"), &err));
    if (name) assert_ok(mw_args_set(args, mw_str_of(name), mw_str_of(value), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

static void begin(scene *s) {
    memset(s, 0, sizeof *s);
    mw_ctx_init(&s->ctx);
    s->n_files = N_FILES;
    for (int i = 0; i < N_FILES; i++) write_source(s, i, "");
    s->args = args_with(NULL, NULL);
    assert_ok(mw_dir_open(&s->ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &s->root, &err));
    assert_ok(mw_dir_sub(&s->ctx, s->root, "dataset", MW_DIR_CREATE, &s->dataset, &err));
}

static void end(scene *s) {
    mw_ingest_result_done(&s->result);
    mw_ingest_result_done(&s->alone);
    (void)mw_dir_remove(&s->ctx, s->root, "alone", NULL);
    mw_args_free(s->args);
    mw_schema_free(s->columns);
    mw_dir_close(s->dataset);
    mw_dir_close(s->root);
}

static mw_dir *sub(scene *s, mw_dir *dir, const char *name) {
    mw_dir *ret;
    assert_ok(mw_dir_sub(&s->ctx, dir, name, MW_DIR_CREATE, &ret, &err));
    return ret;
}

/* What the job layer does before a job: the folder of a dead one, "old", becomes new/left/old. */
static mw_status run_job(const mw_ctx *ctx, scene *s, const char *work_name, size_t n_files,
                         mw_ingest_result *ret, mw_err *e) {
    mw_dir *work = NULL, *staging = NULL;
    mw_resume resume = {.n = 0};
    mw_status status = mw_dir_sub(ctx, s->root, work_name, MW_DIR_CREATE, &work, e);
    if (status == MW_OK) status = mw_resume_open(ctx, work, &resume, e);
    if (status == MW_OK)
        status = mw_dir_sub(ctx, s->root, "dataset", MW_DIR_MUST_EXIST, &resume.dataset, e);
    if (status == MW_OK) status = mw_dir_sub(ctx, work, "segments", MW_DIR_CREATE, &staging, e);
    if (status == MW_OK)
        status = mw_ingest_resume(ctx, s->path_list, n_files, NULL, 0, s->columns, s->args, &resume,
                                  staging, ret, e);
    mw_resume_close(&resume);
    mw_dir_close(staging);
    mw_dir_close(work);
    return status;
}

static void leave(scene *s, const char *dead, const char *next) {
    mw_dir *work = sub(s, s->root, next), *left = sub(s, work, "left");
    assert_ok(mw_dir_move(&s->ctx, s->root, dead, left, dead, &err));
    mw_dir_close(left);
    mw_dir_close(work);
}

/* A job that finished n files and died. */
static void die_after(scene *s, const char *work_name, size_t n) {
    mw_ingest_result result;
    assert_ok(run_job(&s->ctx, s, work_name, n, &result, &err));
    mw_ingest_result_done(&result);
}

static void go_on(scene *s, const char *work_name) {
    mw_ingest_result_done(&s->result);
    assert_ok(run_job(&s->ctx, s, work_name, s->n_files, &s->result, &err));
    assert_int_equal(s->result.n_files, s->n_files);
}

static int n_resumed(const scene *s) {
    int n = 0;
    for (size_t i = 0; i < s->result.n_files; i++) n += s->result.files[i].resumed;
    return n;
}

static mw_dir *segments_of(scene *s, const char *work_name) {
    mw_dir *work = sub(s, s->root, work_name), *segments = sub(s, work, "segments");
    mw_dir_close(work);
    return segments;
}

static void assert_same_bytes(scene *s, mw_dir *a, mw_dir *b, const char *name) {
    mw_map one, other;
    assert_ok(mw_map_open(&s->ctx, a, name, &one, &err));
    assert_ok(mw_map_open(&s->ctx, b, name, &other, &err));
    assert_int_equal(one.size, other.size);
    assert_memory_equal(one.data, other.data, one.size);
    mw_map_close(&one);
    mw_map_close(&other);
}

static void assert_same_file(const mw_ingest_file *x, const mw_ingest_file *y) {
    assert_string_equal(x->source, y->source);
    assert_string_equal(x->content_hash, y->content_hash);
    assert_string_equal(x->quality ? x->quality : "", y->quality ? y->quality : "");
    assert_string_equal(x->rejects ? x->rejects : "", y->rejects ? y->rejects : "");
    assert_string_equal(x->layout, y->layout);
    assert_string_equal(x->findings, y->findings);
    assert_string_equal(x->drift, y->drift);
    assert_int_equal(x->bytes, y->bytes);
    assert_int_equal(x->n_lines, y->n_lines);
    assert_int_equal(x->n_rows, y->n_rows);
    assert_int_equal(x->n_rejected, y->n_rejected);
    assert_int_equal(x->n_collisions, y->n_collisions);
    assert_int_equal(x->n_duplicates, y->n_duplicates);
    assert_int_equal(x->n_out_of_order, y->n_out_of_order);
    assert_int_equal(x->n_late, y->n_late);
    assert_int_equal(x->merged, y->merged);
    assert_int_equal(x->first_us, y->first_us);
    assert_int_equal(x->last_us, y->last_us);
    assert_int_equal(x->n_segments, y->n_segments);
    for (size_t i = 0; i < x->n_segments; i++) {
        assert_string_equal(x->segments[i].file, y->segments[i].file);
        assert_int_equal(x->segments[i].n_rows, y->segments[i].n_rows);
        assert_int_equal(x->segments[i].first_us, y->segments[i].first_us);
        assert_int_equal(x->segments[i].last_us, y->segments[i].last_us);
        assert_int_equal(x->segments[i].bytes, y->segments[i].bytes);
    }
}

/* Outcome and staged bytes are those of a job that was left alone. */
static void assert_undisturbed(scene *s, const char *work_name) {
    if (s->alone.n_files == 0) assert_ok(run_job(&s->ctx, s, "alone", s->n_files, &s->alone, &err));
    mw_dir *got = segments_of(s, work_name), *want = segments_of(s, "alone");
    mw_dir_entry *entries, *others;
    size_t n, n_others;
    for (size_t i = 0; i < s->n_files; i++)
        assert_same_file(&s->result.files[i], &s->alone.files[i]);
    assert_ok(mw_dir_list(&s->ctx, want, &entries, &n, &err));
    assert_ok(mw_dir_list(&s->ctx, got, &others, &n_others, &err));
    for (size_t i = 0; i < n; i++) assert_same_bytes(s, got, want, entries[i].name);
    assert_int_equal(n_others, n);
    mw_free(entries);
    mw_free(others);
    mw_dir_close(got);
    mw_dir_close(want);
}

/* The one entry of a dead job's staging that ends so and comes from source i. */
static const char *staged(scene *s, const char *work_name, const char *suffix) {
    static char name[256];
    mw_dir *dir = segments_of(s, work_name);
    mw_dir_entry *entries;
    size_t n;
    name[0] = '\0';
    assert_ok(mw_dir_list(&s->ctx, dir, &entries, &n, &err));
    for (size_t i = 0; i < n; i++) {
        size_t have = strlen(entries[i].name), want = strlen(suffix);
        if (have > want && strcmp(entries[i].name + have - want, suffix) == 0)
            (void)snprintf(name, sizeof name, "%s", entries[i].name);
    }
    mw_free(entries);
    mw_dir_close(dir);
    if (!name[0]) fail_msg("%s has no *%s", work_name, suffix);
    return name;
}

static void flip_byte(scene *s, const char *work_name, const char *name) {
    char *bytes;
    size_t size;
    mw_dir *dir = segments_of(s, work_name);
    assert_ok(mw_file_read(&s->ctx, dir, name, 1 << 20, &bytes, &size, &err));
    bytes[size / 2] ^= 1;
    assert_ok(mw_file_replace(&s->ctx, dir, name, bytes, size, &err));
    mw_free(bytes);
    mw_dir_close(dir);
}

/* --- taking over ------------------------------------------------------------------------------ */

MW_TEST(finished_files_are_taken_over) {
    scene s;
    begin(&s);
    die_after(&s, "old", 3);
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), 3);
    assert_false(s.result.files[3].resumed);
    assert_non_null(s.result.files[0].rejects);
    assert_undisturbed(&s, "new");
    end(&s);
}

MW_TEST(a_chain_of_dead_jobs_loses_nothing) {
    scene s;
    begin(&s);
    die_after(&s, "one", 1);
    leave(&s, "one", "two");
    die_after(&s, "two", 0); /* before it took anything over */
    leave(&s, "two", "three");
    die_after(&s, "three", 3);
    leave(&s, "three", "four");
    go_on(&s, "four");
    assert_int_equal(n_resumed(&s), 3);
    assert_undisturbed(&s, "four");
    end(&s);
}

MW_TEST(files_of_a_commit_that_died_come_back) {
    scene s;
    begin(&s);
    die_after(&s, "old", N_FILES);
    mw_dir *dir = segments_of(&s, "old");
    mw_dir_entry *entries;
    size_t n, n_moved = 0;
    assert_ok(mw_dir_list(&s.ctx, dir, &entries, &n, &err));
    for (size_t i = 0; i < n; i += 2) {
        if (strstr(entries[i].name, ".done.json")) continue;
        assert_ok(mw_dir_move(&s.ctx, dir, entries[i].name, s.dataset, entries[i].name, &err));
        n_moved++;
    }
    assert_true(n_moved > 2);
    mw_free(entries);
    mw_dir_close(dir);
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), N_FILES);
    assert_undisturbed(&s, "new");
    /* They may be segments that count: they stay where they are. */
    assert_ok(mw_dir_list(&s.ctx, s.dataset, &entries, &n, &err));
    assert_int_equal(n, n_moved);
    mw_free(entries);
    end(&s);
}

/* --- what is not taken over ------------------------------------------------------------------- */

MW_TEST(a_changed_file_is_read_again) {
    scene s;
    begin(&s);
    die_after(&s, "old", N_FILES);
    write_source(&s, 1, "2026-02-01 00:00:00,P,1,1\n");
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), N_FILES - 1);
    assert_false(s.result.files[1].resumed);
    assert_int_equal(s.result.files[1].n_rows, 30);
    assert_undisturbed(&s, "new");
    end(&s);
}

static void assert_other_options(const char *name, const char *value) {
    scene s;
    begin(&s);
    die_after(&s, "old", N_FILES);
    mw_args_free(s.args);
    s.args = args_with(name, value);
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), 0);
    assert_undisturbed(&s, "new");
    assert_ok(mw_dir_remove(&s.ctx, s.root, "new", &err));
    end(&s);
}

MW_TEST(other_options_are_another_outcome) {
    assert_other_options("collisions", "mean");
    assert_other_options("timezone", "Europe/Berlin");
    assert_other_options("rename", "a=c");
    assert_other_options("quality_stuck", "50");
}

MW_TEST(other_columns_of_the_dataset_are_another_outcome) {
    scene s;
    int32_t at;
    begin(&s);
    die_after(&s, "old", N_FILES);
    assert_ok(mw_schema_new(s.ctx.mem, &s.columns, &err));
    assert_ok(mw_schema_add(s.columns, MW_STR("b"), MW_DICTIONARY, &at, &err));
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), 0);
    assert_undisturbed(&s, "new");
    end(&s);
}

static void set_options(scene *s, mw_resume *resume) {
    mw_asked asked;
    assert_ok(mw_asked_now(&s->ctx, s->args, &asked, &err));
    assert_ok(mw_resume_set_options(&s->ctx, &asked, NULL, resume, &err));
    mw_asked_done(&asked);
}

MW_TEST(another_saved_profile_is_another_outcome) {
    scene s;
    begin(&s);
    char path[600];
    (void)snprintf(path, sizeof path, "%s", put_text("profile.json", "{\"version\":1}"));
    mw_args_free(s.args);
    s.args = args_with("profile", path);
    mw_resume resume = {.n = 0};
    char before[MW_SHA256_HEX];
    set_options(&s, &resume);
    memcpy(before, resume.options, sizeof before);
    put_text("profile.json", "{\"version\":1 }");
    set_options(&s, &resume);
    assert_string_not_equal(before, resume.options);
    put_text("profile.json", "{\"version\":1}");
    set_options(&s, &resume);
    assert_string_equal(before, resume.options);
    end(&s);
}

static void assert_damage(const char *suffix) {
    scene s;
    begin(&s);
    die_after(&s, "old", N_FILES);
    flip_byte(&s, "old", staged(&s, "old", suffix));
    leave(&s, "old", "new");
    go_on(&s, "new");
    assert_int_equal(n_resumed(&s), N_FILES - 1);
    assert_undisturbed(&s, "new");
    assert_ok(mw_dir_remove(&s.ctx, s.root, "new", &err));
    end(&s);
}

MW_TEST(a_damaged_segment_is_made_again) { assert_damage(".arrow"); }
MW_TEST(damaged_quality_bits_are_made_again) { assert_damage(".quality.arrow"); }
MW_TEST(damaged_rejects_are_made_again) { assert_damage(".rejects.csv"); }
MW_TEST(a_damaged_manifest_is_not_believed) { assert_damage(".done.json"); }

MW_TEST(a_missing_file_is_made_again) {
    static const char *const suffixes[] = {".arrow", ".quality.arrow", ".rejects.csv",
                                           ".done.json"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        scene s;
        begin(&s);
        die_after(&s, "old", N_FILES);
        mw_dir *dir = segments_of(&s, "old");
        assert_ok(mw_dir_remove(&s.ctx, dir, staged(&s, "old", suffixes[i]), &err));
        mw_dir_close(dir);
        leave(&s, "old", "new");
        go_on(&s, "new");
        assert_int_equal(n_resumed(&s), N_FILES - 1);
        assert_undisturbed(&s, "new");
        assert_ok(mw_dir_remove(&s.ctx, s.root, "new", &err));
        end(&s);
    }
}

/* The manifest of one source under the name of another, and texts that are none at all. */
MW_TEST(a_foreign_manifest_is_not_believed) {
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"manifest\":1}",
                                        "{\"manifest\":2,\"options\":\"\",\"file\":{}}",
                                        "{\"manifest\":1,\"options\":\"x\",\"check\":\"\",\"file\":"
                                        "{\"source\":\"f0.csv\",\"segments\":"
                                        "[{\"file\":\"../../x\"}]}}"};
    for (size_t i = 0; i <= sizeof texts / sizeof *texts; i++) {
        scene s;
        begin(&s);
        die_after(&s, "old", 1);
        char first[256];
        (void)snprintf(first, sizeof first, "%s", staged(&s, "old", ".done.json"));
        mw_dir *dir = segments_of(&s, "old");
        if (i < sizeof texts / sizeof *texts) {
            assert_ok(mw_file_replace(&s.ctx, dir, first, texts[i], strlen(texts[i]), &err));
        } else {
            char hex[MW_SHA256_HEX], name[64];
            assert_ok(mw_sha256_of("f1.csv", 6, hex, &err));
            (void)snprintf(name, sizeof name, "%.32s.done.json", hex);
            assert_ok(mw_dir_move(&s.ctx, dir, first, dir, name, &err));
        }
        mw_dir_close(dir);
        leave(&s, "old", "new");
        go_on(&s, "new");
        assert_int_equal(n_resumed(&s), 0);
        assert_undisturbed(&s, "new");
        assert_ok(mw_dir_remove(&s.ctx, s.root, "new", &err));
        end(&s);
    }
}

/* --- who leaves what -------------------------------------------------------------------------- */

static bool holds(scene *s, const char *work_name) {
    mw_dir *work = sub(s, s->root, work_name);
    mw_resume resume;
    assert_ok(mw_resume_open(&s->ctx, work, &resume, &err));
    bool any = mw_resume_holds(&s->ctx, &resume);
    mw_resume_close(&resume);
    mw_dir_close(work);
    return any;
}

MW_TEST(a_failure_leaves_nothing_and_a_stop_what_is_finished) {
    scene s;
    mw_ingest_result result;
    begin(&s);
    char good[512];
    (void)snprintf(good, sizeof good, "%s", s.paths[2]);
    s.path_list[2] = put_text("bad.csv", "timestamp,a\n");
    assert_status(run_job(&s.ctx, &s, "old", N_FILES, &result, &err), MW_EDATA);
    assert_false(holds(&s, "old"));
    mw_dir *dir = segments_of(&s, "old");
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_list(&s.ctx, dir, &entries, &n, &err));
    assert_int_equal(n, 0);
    mw_free(entries);
    mw_dir_close(dir);

    s.path_list[2] = good;
    mw_cancel cancel = {0};
    mw_ctx stopped = s.ctx;
    stopped.cancel = &cancel;
    atomic_store(&cancel.requested, true);
    assert_status(run_job(&stopped, &s, "old", N_FILES, &result, &err), MW_ECANCELED);
    assert_false(holds(&s, "old"));
    die_after(&s, "old", 2);
    assert_true(holds(&s, "old"));
    assert_status(run_job(&stopped, &s, "old", N_FILES, &result, &err), MW_ECANCELED);
    assert_true(holds(&s, "old"));
    leave(&s, "old", "new");
    assert_true(holds(&s, "new"));
    end(&s);
}

/* --- faults ----------------------------------------------------------------------------------- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    scene *s = arg;
    mw_ingest_result result;
    mw_status status = run_job(ctx, s, "new", s->n_files, &result, e);
    if (status == MW_OK) mw_ingest_result_done(&result);
    return status;
}

/* Whatever that run left is good for the next one, which ends as if nothing had happened. */
static void next_job(void *arg, uint64_t n) {
    scene *s = arg;
    (void)n;
    leave(s, "new", "newer");
    go_on(s, "newer");
    assert_undisturbed(s, "newer");
    assert_ok(mw_dir_remove(&s->ctx, s->root, "newer", &err));
    die_after(s, "old", 1);
    leave(s, "old", "new");
}

MW_TEST(a_machine_that_stops_anywhere) {
    scene s;
    begin(&s);
    s.n_files = 2;
    die_after(&s, "old", 1);
    leave(&s, "old", "new");
    assert_true(mw_fault_loop_crash(scenario, &s, next_job) > 20);
    end(&s);
}

MW_TEST(any_failed_call) {
    scene s;
    begin(&s);
    s.n_files = 2;
    die_after(&s, "old", 1);
    leave(&s, "old", "new");
    assert_true(mw_fault_loop_io(scenario, &s, MW_IO_RENAME, 5, next_job) > 6);
    assert_true(mw_fault_loop_io(scenario, &s, MW_IO_WRITE, 28, next_job) > 3);
    assert_true(mw_fault_loop_io(scenario, &s, MW_IO_READ, 5, next_job) > 3);
    assert_true(mw_fault_loop_io(scenario, &s, MW_IO_FSYNC, 5, next_job) > 10);
    end(&s);
}

/* Each round begins with a copy of what the dead job left. Reading has such a test elsewhere. */
static mw_status take_over_copy(const mw_ctx *ctx, void *arg, mw_err *e) {
    char command[2200];
    mw_ingest_result result;
    (void)snprintf(command, sizeof command, "cd '%s' && rm -rf new && cp -r keep new",
                   mw_test_folder());
    if (system(command) != 0) return mw_fail(e, MW_EIO, "what the dead job left cannot be copied");
    mw_status status = run_job(ctx, arg, "new", 1, &result, e);
    if (status != MW_OK) return status;
    if (!result.files[0].resumed) status = mw_fail(e, MW_EDATA, "it was read again");
    mw_ingest_result_done(&result);
    return status;
}

MW_TEST(any_failed_allocation) {
    scene s;
    begin(&s);
    die_after(&s, "old", 1);
    leave(&s, "old", "keep");
    assert_true(mw_fault_loop_alloc(take_over_copy, &s) > 20);
    end(&s);
}

MW_TEST_MAIN(MW_RUN(finished_files_are_taken_over), MW_RUN(a_chain_of_dead_jobs_loses_nothing),
             MW_RUN(files_of_a_commit_that_died_come_back), MW_RUN(a_changed_file_is_read_again),
             MW_RUN(other_options_are_another_outcome),
             MW_RUN(other_columns_of_the_dataset_are_another_outcome),
             MW_RUN(another_saved_profile_is_another_outcome),
             MW_RUN(a_damaged_segment_is_made_again), MW_RUN(damaged_quality_bits_are_made_again),
             MW_RUN(damaged_rejects_are_made_again), MW_RUN(a_damaged_manifest_is_not_believed),
             MW_RUN(a_missing_file_is_made_again), MW_RUN(a_foreign_manifest_is_not_believed),
             MW_RUN(a_failure_leaves_nothing_and_a_stop_what_is_finished),
             MW_RUN(a_machine_that_stops_anywhere), MW_RUN(any_failed_call),
             MW_RUN(any_failed_allocation))
