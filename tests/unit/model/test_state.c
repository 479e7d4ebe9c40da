/*
 * test_state.c -- state.arrow of the extended isolation forest: hand-made tables, damaged files, other versions.
 */
#include "support/harness.h"
#include "support/model_data.h"

#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/math.h"
#include "core/table/ipc.h"
#include "learn/model/isolation_state.h"

enum { ROWS = 120, N_COLUMNS = 6, FEATURES = 3 };

/* ---- tables by hand ---- */

#define NONE MW_NAN

/* One tree of 4 rows: the root splits by features 0 and 2, its right child by feature 1. */
static double sound[][N_COLUMNS] = {
    {0, 4, 0.5, 0, 1.5, 10},        /* root, first term */
    {0, NONE, NONE, 2, -2, 20},     /* root, second term */
    {0, 1, NONE, NONE, NONE, NONE}, /* left leaf */
    {0, 3, -7, 1, 1, 0},            /* right child */
    {0, 1, NONE, NONE, NONE, NONE}, /* its leaves */
    {0, 2, NONE, NONE, NONE, NONE},
    {1, 4, NONE, NONE, NONE, NONE}, /* a tree that could not be split */
};
enum { SOUND_ROWS = sizeof sound / sizeof *sound };

static const char *const names[N_COLUMNS] = {"tree",    "rows",   "threshold",
                                             "feature", "weight", "fill"};

static mw_table *table_of(double (*rows)[N_COLUMNS], int64_t n, int n_columns) {
    mw_err err = {0};
    mw_table *table = NULL;
    assert_ok(mw_table_new(NULL, n, &table, &err));
    for (int c = 0; c < n_columns; c++) {
        mw_column *column;
        assert_ok(mw_table_add(table, mw_str_of(names[c]), MW_FLOAT64, &column, &err));
        for (int64_t i = 0; i < n; i++) column->number[i] = rows[i][c];
        assert_ok(mw_column_seal(table, column, &err));
    }
    return table;
}

static mw_status read_rows(double (*rows)[N_COLUMNS], int64_t n, int n_columns, mw_planes **ret,
                           mw_err *err) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_table *table = table_of(rows, n, n_columns);
    mw_status status = mw_isolation_of_table(&ctx, table, FEATURES, ret, err);
    mw_table_free(table);
    return status;
}

MW_TEST(a_table_by_hand_scores_as_it_says) {
    mw_err err = {0};
    mw_planes *p = NULL;
    assert_ok(read_rows(sound, SOUND_ROWS, N_COLUMNS, &p, &err));
    assert_int_equal(p->n_trees, 2);
    assert_int_equal(p->n_nodes, 6);
    assert_int_equal(p->n_splits, 2);
    assert_int_equal(p->ndim, 2);
    assert_int_equal(p->n_sample, 4);
    const float nan = __builtin_nanf("");
    const double c4 = mw_isolation_c(4), c2 = mw_isolation_c(2);
    const struct {
        float row[FEATURES];
        double length; /* in the first tree */
    } cases[] = {
        {{0, 0, 0}, 1},                               /* 0 <= 0.5 */
        {{1, 0, 0.5f}, 1},                            /* 1.5 - 1 = 0.5, at the threshold */
        {{1, 0, 0.25f}, 2 + c2}, {{1, -7, 0.25f}, 2}, /* right, then -7 <= -7 */
        {{nan, 0, 0}, 2 + c2},                        /* 1.5 * 10 */
        {{nan, -9, nan}, 1},                          /* 15 - 40 */
        {{9, nan, 0}, 2 + c2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double want = (cases[i].length + c4) / 2, score = 0;
        mw_ctx ctx;
        mw_ctx_init(&ctx);
        assert_true(mw_planes_length(p, cases[i].row) == want);
        assert_ok(mw_planes_score(&ctx, p, (mw_matrix){cases[i].row, 1, FEATURES}, &score, &err));
        assert_true(score == mw_exp2(-want / c4));
    }
    mw_planes_free(p);
}

MW_TEST(the_table_of_a_table_is_the_same) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_planes *p = NULL;
    mw_table *table = NULL;
    assert_ok(read_rows(sound, SOUND_ROWS, N_COLUMNS, &p, &err));
    assert_ok(mw_isolation_to_table(&ctx, p, &table, &err));
    assert_int_equal(table->n_rows, SOUND_ROWS);
    for (int c = 0; c < N_COLUMNS; c++) {
        const mw_column *column = mw_table_column(table, names[c]);
        for (int i = 0; i < SOUND_ROWS; i++)
            assert_true(column->number[i] == sound[i][c] ||
                        (mw_isnan(column->number[i]) && mw_isnan(sound[i][c])));
    }
    mw_table_free(table);
    mw_planes_free(p);
}

MW_TEST(wrong_cells_are_refused) {
    static const struct {
        int row, column;
        double value;
        const char *says;
    } edits[] = {
        {0, 0, 1, "tree"},
        {0, 0, -1, "not whole"},
        {0, 0, NONE, "tree"},
        {1, 0, 1, "tree"},
        {3, 0, 1, "tree"},
        {6, 0, 0, "not whole"},
        {6, 0, 2, "tree"},
        {0, 1, NONE, "belongs to no split"},
        {0, 1, 5, "not those of the node above"},
        {0, 1, 1, "cannot be split"},
        {0, 1, 0, "number of rows"},
        {0, 1, 4.5, "number of rows"},
        {0, 1, 1e18, "number of rows"},
        {2, 1, 5, "number of rows"},
        {2, 1, 2, "not those of the node above"},
        {2, 1, NONE, "belongs to no split"},
        {5, 1, 1, "not those of the node above"},
        {6, 1, 3, "another number of rows"},
        {1, 1, 2, "not whole"},
        {0, 2, NONE, "threshold"},
        {0, 2, MW_INFINITY, "threshold"},
        {0, 3, 3, "no such feature"},
        {0, 3, -1, "no such feature"},
        {0, 3, 0.5, "no such feature"},
        {1, 3, 1e300, "no such feature"},
        {1, 3, NONE, "belongs to no split"},
        {2, 3, 1, "not whole"},
        {3, 3, NONE, "not whole"},
        {0, 4, NONE, "weight"},
        {1, 4, -MW_INFINITY, "weight"},
        {1, 5, NONE, "fill"},
    };
    mw_err err = {0};
    mw_planes *p = NULL;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        double rows[SOUND_ROWS][N_COLUMNS];
        memcpy(rows, sound, sizeof sound);
        rows[edits[i].row][edits[i].column] = edits[i].value;
        mw_status status = read_rows(rows, SOUND_ROWS, N_COLUMNS, &p, &err);
        if (status != MW_EDATA || !strstr(err.message, edits[i].says))
            fail_msg("row %d, %s = %g: %s (%s)", edits[i].row, names[edits[i].column],
                     edits[i].value, mw_status_name(status), status ? err.message : "");
    }
    for (int64_t n = 0; n < SOUND_ROWS;
         n++) /* the tree of one leaf may be missing: n == 6 is sound */
        if (n != SOUND_ROWS - 1) assert_status(read_rows(sound, n, N_COLUMNS, &p, &err), MW_EDATA);
    for (int c = 0; c < N_COLUMNS; c++)
        assert_status(read_rows(sound, SOUND_ROWS, c, &p, &err), MW_EDATA);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

/* A split with more terms than there are features, and splits below each other without an end. */
MW_TEST(tables_without_an_end_are_refused) {
    enum { MANY = 200 };
    mw_err err = {0};
    mw_planes *p = NULL;
    double rows[MANY][N_COLUMNS];
    for (int i = 0; i < MANY; i++)
        memcpy(rows[i], (double[N_COLUMNS]){0, i ? NONE : 9, 1, 1, 1, 1}, sizeof rows[i]);
    assert_status(read_rows(rows, MANY, N_COLUMNS, &p, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "more terms than features"));
    for (int i = 0; i < MANY; i++)
        memcpy(rows[i], (double[N_COLUMNS]){0, 1e9, 1, 1, 1, 1}, sizeof rows[i]);
    for (int i = MANY / 2 - 1; i < MANY; i++)
        memcpy(rows[i], (double[N_COLUMNS]){0, 1, NONE, NONE, NONE, NONE}, sizeof rows[i]);
    assert_status(read_rows(rows, MANY - 1, N_COLUMNS, &p, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "cannot be split"));
}

/* ---- folders ---- */

typedef struct saved {
    mw_problem problem;
    mw_dir *dir;
    char *state, *metadata;
    size_t state_size, metadata_size;
} saved;

static void save(saved *s, const char *settings) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_problem_ctx(&ctx);
    mw_problem_make(&s->problem, 11, ROWS, 0, 1, 0);
    mw_model *model = mw_problem_fit(&ctx, &s->problem, "isolation", MW_TASK_ANOMALY, settings);
    s->dir = mw_problem_dir("state");
    assert_ok(mw_model_save(&ctx, model, s->dir, MW_STR(""), s->problem.matrix, &err));
    s->state = mw_problem_read(s->dir, "state.arrow", &s->state_size);
    s->metadata = mw_problem_read(s->dir, "metadata.json", &s->metadata_size);
    mw_model_free(model);
}

static void done(saved *s) {
    mw_free(s->state);
    mw_free(s->metadata);
    mw_dir_close(s->dir);
    mw_problem_done(&s->problem);
}

static mw_status load(const saved *s, mw_err *err) {
    mw_ctx ctx;
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    mw_status status = mw_model_load(&ctx, s->dir, &model, err);
    if (!status) {
        double *scores = mw_problem_scores(&ctx, &s->problem, model);
        for (int i = 0; i < ROWS; i++) assert_true(scores[i] >= 0 && scores[i] <= 1);
        mw_free(scores);
    }
    mw_model_free(model);
    return status;
}

static char *replaced(char *text, const char *from, const char *to) {
    mw_buf buf;
    mw_buf_init(&buf, NULL, 1 << 20);
    const char *at = strstr(text, from);
    if (!at) fail_msg("metadata.json does not hold %s", from);
    mw_buf_append(&buf, text, (size_t)(at - text));
    mw_buf_add(&buf, to);
    mw_buf_add(&buf, at + strlen(from));
    char *ret = mw_strdup(NULL, mw_buf_text(&buf));
    mw_buf_done(&buf);
    mw_free(text);
    return ret;
}

static void write_metadata(const saved *s, const char *text) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_problem_ctx(&ctx);
    assert_ok(mw_file_replace(&ctx, s->dir, "metadata.json", text, strlen(text), &err));
}

/* Writes state.arrow and a metadata.json that names its hash and size. */
static void sign(const saved *s, const void *data, size_t size) {
    mw_ctx ctx;
    mw_err err = {0};
    char old[MW_SHA256_HEX], new[MW_SHA256_HEX], old_bytes[48], new_bytes[48];
    mw_problem_ctx(&ctx);
    assert_ok(mw_sha256_of(s->state, s->state_size, old, &err));
    assert_ok(mw_sha256_of(data, size, new, &err));
    (void)snprintf(old_bytes, sizeof old_bytes, "\"bytes\": %zu", s->state_size);
    (void)snprintf(new_bytes, sizeof new_bytes, "\"bytes\": %zu", size);
    assert_ok(mw_file_replace(&ctx, s->dir, "state.arrow", data, size, &err));
    char *text = replaced(mw_strdup(NULL, s->metadata), old, new);
    text = replaced(text, old_bytes, new_bytes);
    write_metadata(s, text);
    mw_free(text);
}

MW_TEST(the_folder_of_a_state) {
    mw_ctx ctx;
    mw_err err = {0};
    saved s;
    size_t n = 0;
    save(&s, "ndim=2 n_estimators=3 max_samples=16");
    assert_string_equal(mw_model_file(s.dir), "state.arrow");
    assert_false(mw_dir_has(s.dir, "model.onnx"));
    assert_non_null(strstr(s.metadata, "\"format_version\": 2"));
    assert_null(strstr(s.metadata, "\"onnx\""));
    char *mlmodel = mw_problem_read(s.dir, "MLmodel", &n);
    assert_null(strstr(mlmodel, "onnx"));
    mw_free(mlmodel);
    char value[32];
    mw_problem_ctx(&ctx);
    assert_ok(mw_ipc_read_meta(&ctx, s.dir, "state.arrow", "millwright.state", value, sizeof value,
                               &err));
    assert_string_equal(value, "isolation");
    /* A plain model in the same folder leaves nothing of the other. */
    mw_model *model = mw_problem_fit(&ctx, &s.problem, "isolation", MW_TASK_ANOMALY, "");
    assert_ok(mw_model_save(&ctx, model, s.dir, MW_STR(""), s.problem.matrix, &err));
    assert_false(mw_dir_has(s.dir, "state.arrow"));
    assert_string_equal(mw_model_file(s.dir), "model.onnx");
    assert_ok(load(&s, &err));
    mw_model_free(model);
    done(&s);
}

MW_TEST(changed_metadata_is_refused) {
    static const struct {
        const char *from, *to;
        mw_status code;
    } edits[] = {
        {"\"format_version\": 2", "\"format_version\": 5", MW_EUNSUPPORTED},
        {"\"version\": 1", "\"version\": 2", MW_EUNSUPPORTED},
        {"\"version\": 1", "\"version\": 0", MW_EDATA},
        {"\"version\": 1", "\"version\": \"1\"", MW_EDATA},
        {"\"sha256\": \"", "\"sha256\": \"0", MW_EDATA},
        {"\"bytes\": ", "\"bytes\": 1", MW_EDATA},
        {"\"state\": {", "\"state\": 1, \"other\": {", MW_EDATA},
        {"\"state\": {", "\"onnx\": {", MW_EDATA}, /* there is no such file */
        {"\"learner\": \"isolation\"", "\"learner\": \"forest\"", MW_EDATA},
        {"\"threshold\": ", "\"threshold\": 1", MW_EDATA},
        {"\"threshold\": ", "\"threshold\": null, \"other\": ", MW_EDATA},
    };
    saved s;
    mw_err err = {0};
    save(&s, "ndim=2 n_estimators=3 max_samples=16");
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *text = replaced(mw_strdup(NULL, s.metadata), edits[i].from, edits[i].to);
        write_metadata(&s, text);
        mw_free(text);
        mw_status status = load(&s, &err);
        if (status != edits[i].code)
            fail_msg("%s -> %s gives %s (%s)", edits[i].from, edits[i].to, mw_status_name(status),
                     status ? err.message : "");
    }
    write_metadata(&s, s.metadata);
    assert_ok(load(&s, &err));
    done(&s);
}

/* Bytes changed and files cut short, signed again: refused, or another sound forest; nothing worse. */
MW_TEST(damaged_files_are_refused) {
    saved s;
    mw_err err = {0};
    save(&s, "ndim=2 n_estimators=2 max_samples=8");
    assert_true(s.state_size > 64);
    int n_refused = 0, n = 0;
    char *data = mw_memdup(NULL, s.state, s.state_size);
    for (size_t i = 0; i < s.state_size; i += 3, n++) {
        data[i] = (char)(data[i] ^ (i % 2 ? 0x80 : 0x01));
        sign(&s, data, s.state_size);
        mw_status status = load(&s, &err);
        n_refused += status != MW_OK;
        if (status && status != MW_EDATA && status != MW_EUNSUPPORTED && status != MW_ETOOLARGE)
            fail_msg("byte %zu: %s %s", i, mw_status_name(status), err.message);
        data[i] = s.state[i];
    }
    assert_true(n_refused > n / 10);
    for (size_t size = 0; size < s.state_size; size += 61) {
        if (size == 0) continue; /* metadata.json allows no empty file */
        sign(&s, data, size);
        assert_status(load(&s, &err), MW_EDATA);
    }
    data[s.state_size / 2]++;
    mw_ctx ctx;
    mw_problem_ctx(&ctx);
    write_metadata(&s, s.metadata);
    assert_ok(mw_file_replace(&ctx, s.dir, "state.arrow", data, s.state_size, &err));
    assert_status(load(&s, &err), MW_EDATA); /* not signed */
    assert_non_null(strstr(err.message, "state.arrow"));
    assert_ok(mw_dir_remove(&ctx, s.dir, "state.arrow", &err));
    assert_status(load(&s, &err), MW_EDATA);
    assert_string_equal(mw_model_file(s.dir), "model.onnx");
    mw_free(data);
    done(&s);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST_MAIN(MW_RUN(a_table_by_hand_scores_as_it_says), MW_RUN(the_table_of_a_table_is_the_same),
             MW_RUN(wrong_cells_are_refused), MW_RUN(tables_without_an_end_are_refused),
             MW_RUN(the_folder_of_a_state), MW_RUN(changed_metadata_is_refused),
             MW_RUN(damaged_files_are_refused))
