/* test_features.c -- the same matrix from any table that has the columns. */
#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/threads.h"
#include "learn/model/learner.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_column *add(mw_table *table, const char *name, mw_type type) {
    mw_err err;
    mw_column *column = NULL;
    assert_ok(mw_table_add(table, mw_str_of(name), type, &column, &err));
    return column;
}

static void set_text(mw_column *column, int64_t row, const char *text) {
    mw_err err;
    if (!text)
        column->codes[row] = -1;
    else
        assert_ok(
            mw_dictionary_add(column->dictionary, mw_str_of(text), &column->codes[row], &err));
}

static void seal(mw_table *table) {
    mw_err err;
    for (int32_t i = 0; i < table->n_columns; i++)
        assert_ok(mw_column_seal(table, &table->columns[i], &err));
}

static mw_table *make_table(const char *const texts[3]) {
    mw_err err;
    mw_table *table = NULL;
    assert_ok(mw_table_new(NULL, 3, &table, &err));
    assert_ok(mw_table_reserve(table, 6, &err));
    mw_column *time = add(table, "time", MW_TIMESTAMP);
    mw_column *kind = add(table, "kind", MW_DICTIONARY);
    mw_column *load = add(table, "load", MW_FLOAT64);
    mw_column *on = add(table, "on", MW_BOOL);
    for (int64_t i = 0; i < 3; i++) {
        time->time[i] = i;
        set_text(kind, i, texts[i]);
        load->number[i] = i == 1 ? MW_NAN : (double)i + 0.5;
        if (i != 2) mw_column_set_bool(on, i, i == 0);
    }
    seal(table);
    return table;
}

MW_TEST(kinds_codes_and_missing) {
    static const char *const texts[3] = {"mill", "drill", NULL};
    static const char *const except[] = {"nothing"};
    mw_ctx ctx;
    mw_err err;
    mw_features *features = NULL;
    float *x = NULL;
    mw_ctx_init(&ctx);
    mw_table *table = make_table(texts);
    assert_ok(mw_features_of_table(&ctx, table, except, 1, &features, &err));
    assert_int_equal(mw_features_count(features), 3); /* a time is no feature */
    const mw_feature *kind = mw_features_at(features, 0);
    assert_int_equal(kind->kind, MW_FEATURE_CATEGORY);
    assert_int_equal(kind->n_categories, 2);
    assert_string_equal(kind->categories[0], "drill"); /* by bytes, not by appearance */
    assert_ok(mw_features_matrix(&ctx, features, table, &x, &err));
    assert_true(x[0] == 1.0f && x[3] == 0.0f && __builtin_isnan(x[6]));
    assert_true(x[1] == 0.5f && __builtin_isnan(x[4]) && x[7] == 2.5f);
    assert_true(x[2] == 1.0f && x[5] == 0.0f && __builtin_isnan(x[8]));
    mw_free(x);
    mw_table_free(table);

    /* Another table: other order of texts, one never seen, an extra column. */
    static const char *const others[3] = {"saw", "drill", "mill"};
    table = make_table(others);
    assert_ok(mw_features_matrix(&ctx, features, table, &x, &err));
    assert_true(__builtin_isnan(x[0]) && x[3] == 0.0f && x[6] == 1.0f);
    mw_free(x);
    mw_table_free(table);
    mw_features_free(features);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(columns_that_do_not_fit_are_named) {
    static const char *const texts[3] = {"a", "b", "c"};
    static const char *const all[] = {"kind", "load", "on"};
    mw_ctx ctx;
    mw_err err;
    mw_features *features = NULL, *none = NULL;
    mw_table *other = NULL;
    float *x = NULL;
    mw_ctx_init(&ctx);
    mw_table *table = make_table(texts);
    assert_ok(mw_features_of_table(&ctx, table, NULL, 0, &features, &err));
    assert_status(mw_features_of_table(&ctx, table, all, 3, &none, &err), MW_EDATA);
    assert_ok(mw_table_new(NULL, 1, &other, &err));
    assert_ok(mw_table_reserve(other, 6, &err));
    add(other, "kind", MW_DICTIONARY);
    add(other, "on", MW_FLOAT64)->number[0] = 1;
    seal(other);
    assert_status(mw_features_matrix(&ctx, features, other, &x, &err), MW_EDATA);
    assert_string_equal(err.pointer, "load");
    /* A number column that came as text: refused, unless it has no value at all. */
    mw_column *load = add(other, "load", MW_DICTIONARY);
    set_text(load, 0, "hot");
    seal(other);
    assert_status(mw_features_matrix(&ctx, features, other, &x, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "load"));
    load->codes[0] = -1;
    seal(other);
    assert_ok(mw_features_matrix(&ctx, features, other, &x, &err));
    assert_true(__builtin_isnan(x[0]) && __builtin_isnan(x[1]) && x[2] == 1.0f);
    mw_free(x);
    mw_table_column(other, "on")->number[0] = 2; /* no truth value */
    assert_status(mw_features_matrix(&ctx, features, other, &x, &err), MW_EDATA);
    mw_table_free(other);
    mw_table_free(table);
    mw_features_free(features);
}

MW_TEST(values_beyond_float32_stay_finite) {
    mw_ctx ctx;
    mw_err err;
    mw_table *table = NULL;
    mw_features *features = NULL;
    float *x = NULL;
    mw_ctx_init(&ctx);
    assert_ok(mw_table_new(NULL, 3, &table, &err));
    mw_column *a = add(table, "a", MW_FLOAT64);
    a->number[0] = 1e300, a->number[1] = -MW_INFINITY, a->number[2] = 0.1;
    seal(table);
    assert_ok(mw_features_of_table(&ctx, table, NULL, 0, &features, &err));
    assert_ok(mw_features_matrix(&ctx, features, table, &x, &err));
    assert_true(x[0] > 3e38f && mw_isfinite((double)x[0]) && x[1] < -3e38f && x[2] == 0.1f);
    assert_true(mw_isfinite((double)x[1]));
    mw_free(x);
    mw_features_free(features);
    mw_table_free(table);
}

/* Numbers, truth values, categories, and a time; more rows than are converted at once. */
static mw_table *make_long_table(mw_mem *mem, int64_t n_rows, int n_numbers) {
    mw_err err;
    mw_table *table;
    assert_ok(mw_table_new(mem, n_rows, &table, &err));
    assert_ok(mw_table_reserve(table, n_numbers + 3, &err));
    mw_column *when = add(table, "when", MW_TIMESTAMP), *kind = add(table, "kind", MW_DICTIONARY),
              *on = add(table, "on", MW_BOOL);
    for (int c = 0; c < n_numbers; c++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", c);
        mw_column *number = add(table, name, MW_FLOAT64);
        for (int64_t i = 0; i < n_rows; i++)
            number->number[i] = (i + c) % 13 == 0 ? MW_NAN : (double)(i * 7 + c) * 0.1;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        when->time[i] = i;
        if (i % 5) set_text(kind, i, i % 3 ? "mill" : "drill");
        if (i % 4) mw_column_set_bool(on, i, i % 8 < 3);
    }
    seal(table);
    return table;
}

MW_TEST(a_table_that_is_taken_apart_gives_the_same_rows_in_less_memory) {
    enum { ROWS = 150001, NUMBERS = 12, WIDTH = NUMBERS + 2 };
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        mw_mem mem;
        mw_ctx ctx;
        mw_err err;
        mw_features *features = NULL;
        float *kept = NULL, *taken = NULL;
        mw_mem_init(&mem, NULL, 0);
        mw_ctx_init(&ctx);
        ctx.mem = &mem;
        assert_ok(mw_pool_new(NULL, n_threads, &ctx.pool, &err));
        mw_table *table = make_long_table(NULL, ROWS, NUMBERS);
        assert_ok(mw_features_of_table(&ctx, table, NULL, 0, &features, &err));
        assert_ok(mw_features_matrix(&ctx, features, table, &kept, &err));
        for (int64_t i = 0; i < ROWS; i += 997)
            for (int c = 0; c < NUMBERS; c++) {
                const float got = kept[i * WIDTH + 2 + c];
                const bool missing = (i + c) % 13 == 0;
                assert_true(missing ? __builtin_isnan(got)
                                    : got == (float)((double)(i * 7 + c) * 0.1));
            }
        mw_table_free(table);

        mw_mem own;
        mw_mem_init(&own, NULL, 0);
        table = make_long_table(&own, ROWS, NUMBERS);
        ctx.mem = &own;
        assert_ok(mw_features_take(&ctx, features, &table, &taken, &err));
        assert_null(table);
        assert_memory_equal(kept, taken, (size_t)ROWS * WIDTH * sizeof *kept);
        /* The table has 16 bytes a row besides its numbers; a column more is made of one of them. */
        assert_true(mw_mem_peak(&own) < (size_t)ROWS * (NUMBERS * 8 + 16 + 8));
        mw_free(taken);
        assert_int_equal(mw_mem_used(&own), 0);
        mw_free(kept);
        mw_features_free(features);
        mw_pool_free(ctx.pool);
    }
}

/* A category, a number and a column besides, all missing. */
static mw_status make_and_take(const mw_ctx *ctx, void *features, mw_err *err) {
    static const char *const names[] = {"kind", "load", "more", "on"};
    static const mw_type types[] = {MW_DICTIONARY, MW_FLOAT64, MW_FLOAT64, MW_BOOL};
    float *x = NULL;
    mw_table *table = NULL;
    mw_column *column;
    mw_status status = mw_table_new(ctx->mem, 3, &table, err);
    for (int i = 0; i < 4 && !status; i++) {
        status = mw_table_add(table, mw_str_of(names[i]), types[i], &column, err);
        if (!status) status = mw_column_seal(table, column, err);
    }
    if (status) {
        mw_table_free(table);
        return status;
    }
    status = mw_features_take(ctx, features, &table, &x, err);
    assert_null(table);
    mw_free(x);
    return status;
}

MW_TEST(a_table_is_gone_whatever_fails) {
    static const char *const texts[3] = {"a", "b", "c"};
    mw_ctx ctx;
    mw_err err;
    mw_features *features = NULL;
    float *x = NULL;
    mw_ctx_init(&ctx);
    mw_table *table = make_table(texts), *bare = NULL;
    assert_ok(mw_features_of_table(&ctx, table, NULL, 0, &features, &err));
    mw_table_free(table);
    mw_fault_loop_alloc(make_and_take, features);
    assert_ok(mw_table_new(NULL, 1, &bare, &err));
    assert_status(mw_features_take(&ctx, features, &bare, &x, &err), MW_EDATA);
    assert_null(bare);
    mw_features_free(features);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST_MAIN(MW_RUN(kinds_codes_and_missing), MW_RUN(columns_that_do_not_fit_are_named),
             MW_RUN(values_beyond_float32_stay_finite),
             MW_RUN(a_table_that_is_taken_apart_gives_the_same_rows_in_less_memory),
             MW_RUN(a_table_is_gone_whatever_fails))
