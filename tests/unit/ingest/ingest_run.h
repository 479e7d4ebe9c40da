/*
 * ingest_run.h -- one ingest of small files and what came of it, for the tests of this folder.
 */
#ifndef MW_TESTS_UNIT_INGEST_INGEST_RUN_H
#define MW_TESTS_UNIT_INGEST_INGEST_RUN_H

#include "core/table/ipc.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/ingest.h"
#include "unit/ingest/ingest_files.h"

typedef struct run_state {
    mw_ctx ctx;
    mw_dir *staging;
    mw_args *args;
    mw_ingest_result result;
    mw_table *table; /* the first segment */
} run;

/* options [n]: NAME, VALUE, ... */
static inline mw_args *args_with(const char *const *options, size_t n) {
    mw_err err;
    mw_args *args;
    assert_ok(mw_args_new(NULL, mw_ingest_all_params(), &args, &err));
    for (size_t i = 0; i < n; i += 2)
        assert_ok(mw_args_set(args, mw_str_of(options[i]), mw_str_of(options[i + 1]), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

static inline void begin_with(run *r, const char *const *options, size_t n) {
    mw_err err;
    char path[600];
    memset(r, 0, sizeof *r);
    mw_ctx_init(&r->ctx);
    snprintf(path, sizeof path, "%s/staging", mw_test_folder());
    assert_ok(mw_dir_open(&r->ctx, path, MW_DIR_CREATE, &r->staging, &err));
    r->args = args_with(options, n);
}

static inline void begin(run *r, const char *share) {
    const char *options[] = {"max_reject_share", share};
    begin_with(r, options, share ? 2 : 0);
}

static inline void end(run *r) {
    mw_table_free(r->table);
    mw_ingest_result_done(&r->result);
    mw_args_free(r->args);
    mw_dir_close(r->staging);
}

static inline void read_back(run *r) {
    mw_err err;
    const char *file = r->result.files[0].segments[0].file;
    assert_int_equal(r->result.n_files, 1);
    assert_ok(mw_dataset_check(&r->ctx, r->staging, file, &err));
    assert_ok(mw_ipc_read(&r->ctx, r->staging, file, NULL, 0, &r->table, &err));
}

/* Ingests one text as NAME and reads the segment. */
static inline const mw_ingest_file *ingest_named(run *r, const char *name, const char *text) {
    mw_err err;
    const char *path = put_text(name, text);
    assert_ok(
        mw_ingest_run(&r->ctx, &path, 1, NULL, 0, NULL, r->args, r->staging, &r->result, &err));
    assert_int_equal(r->result.n_files, 1);
    read_back(r);
    return &r->result.files[0];
}

static inline const mw_ingest_file *ingest(run *r, const char *text) {
    return ingest_named(r, "a.csv", text);
}

static inline size_t n_staged(run *r) {
    mw_err err;
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_list(&r->ctx, r->staging, &entries, &n, &err));
    mw_free(entries);
    return n;
}

static inline void assert_fails_bytes(const void *data, size_t size, const char *share,
                                      mw_status code, const char *words) {
    run r;
    mw_err err;
    begin(&r, share);
    const char *path = put_bytes("bad.csv", data, size);
    mw_status status =
        mw_ingest_run(&r.ctx, &path, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err);
    if (status != code) fail_msg("\"%s\" wanted, got %s", words, mw_status_name(status));
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    if (!strstr(err.message, "bad.csv")) fail_msg("\"%s\" lacks the file's name", err.message);
    assert_true(strlen(err.hint) > 0);
    assert_int_equal(n_staged(&r), 0);
    assert_int_equal(r.result.n_files, 0);
    end(&r);
}

static inline void assert_fails(const char *text, const char *words) {
    assert_fails_bytes(text, strlen(text), NULL, MW_EDATA, words);
}

static inline double number(const run *r, const char *name, int64_t row) {
    mw_column *c = mw_table_column(r->table, name);
    if (!c) fail_msg("no column %s", name);
    assert_int_equal(c->type, MW_FLOAT64);
    return c->number[row];
}

static inline void assert_number(const run *r, const char *name, int64_t row, double want) {
    double got = number(r, name, row);
    if (!(got >= want && got <= want)) fail_msg("%s[%d] is %g", name, (int)row, got);
}

static inline void assert_missing(const run *r, const char *name, int64_t row) {
    assert_false(mw_column_has(mw_table_column(r->table, name), row));
}

static inline void assert_text(const run *r, const char *name, int64_t row, const char *want) {
    mw_column *c = mw_table_column(r->table, name);
    if (!c) fail_msg("no column %s", name);
    assert_int_equal(c->type, MW_DICTIONARY);
    if (!mw_str_is(mw_column_text(c, row), want))
        fail_msg("%s[%d] is not %s", name, (int)row, want);
}

static inline void assert_order(const run *r, const char *names) {
    char all[400] = "";
    for (int32_t i = 0; i < r->table->n_columns; i++) {
        strcat(all, i ? "," : "");
        strcat(all, r->table->columns[i].name);
    }
    assert_string_equal(all, names);
}

#endif
