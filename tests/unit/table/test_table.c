/* Tables: columns, sealing, dictionaries, taking and joining rows. */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "core/table/table.h"
#include "core/text/datetime.h"

static mw_mem mem;
static mw_ctx ctx;

static void begin(void) {
    mw_mem_init(&mem, NULL, 0);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
}

/* One column of each type, five rows, row 2 missing everywhere. */
static mw_status five_rows(mw_table **ret, mw_err *err) {
    static const char *const devices[] = {"pump", "fan", NULL, "pump", ""};
    const mw_str notes[] = {
        MW_STR("a"), MW_STR(""), {NULL, 0}, MW_STR("gr\xc3\xbc\xc3\x9f"), MW_STR("z")};
    mw_table *t;
    mw_column *c;
    mw_status status = mw_table_new(&mem, 5, &t, err);
    if (status != MW_OK) return status;
    if ((status = mw_table_add(t, MW_STR("time"), MW_TIMESTAMP, &c, err)) != MW_OK) goto fail;
    for (int i = 0; i < 5; i++) c->time[i] = i == 2 ? MW_TIME_NONE : i * 1000 - 2000;
    if ((status = mw_column_seal(t, c, err)) != MW_OK) goto fail;
    if ((status = mw_table_add(t, MW_STR("value"), MW_FLOAT64, &c, err)) != MW_OK) goto fail;
    for (int i = 0; i < 5; i++) c->number[i] = i == 2 ? -NAN : i * 0.5;
    if ((status = mw_column_seal(t, c, err)) != MW_OK) goto fail;
    if ((status = mw_table_add(t, MW_STR("on"), MW_BOOL, &c, err)) != MW_OK) goto fail;
    for (int i = 0; i < 5; i++)
        if (i != 2) mw_column_set_bool(c, i, i % 2 == 0);
    if ((status = mw_column_seal(t, c, err)) != MW_OK) goto fail;
    if ((status = mw_table_add(t, MW_STR("device"), MW_DICTIONARY, &c, err)) != MW_OK) goto fail;
    for (int i = 0; i < 5; i++)
        if (devices[i] && (status = mw_dictionary_add(c->dictionary, mw_str_of(devices[i]),
                                                      &c->codes[i], err)) != MW_OK)
            goto fail;
    if ((status = mw_column_seal(t, c, err)) != MW_OK) goto fail;
    if ((status = mw_table_add_texts(t, MW_STR("note"), notes, &c, err)) != MW_OK) goto fail;
    *ret = t;
    return MW_OK;
fail:
    mw_table_free(t);
    return status;
}

MW_TEST(column_starts_missing_and_aligned) {
    begin();
    mw_err err;
    mw_table *t;
    assert_ok(mw_table_new(&mem, 70, &t, &err));
    for (int type = 0; type <= MW_UTF8; type++) {
        mw_column *c;
        const char *name = mw_type_name((mw_type)type);
        assert_ok(mw_table_add(t, mw_str_of(name), (mw_type)type, &c, &err));
        assert_int_equal(c->n_missing, 70);
        assert_int_equal((uintptr_t)c->time % 64, 0);
        assert_int_equal((uintptr_t)c->validity % 64, 0);
        for (int64_t i = 0; i < 70; i++) assert_false(mw_column_has(c, i));
        assert_int_equal(mw_column_text(c, 69).size, 0);
    }
    assert_int_equal(t->n_columns, 5);
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(sealing_counts_and_cleans) {
    begin();
    mw_err err;
    mw_table *t;
    assert_ok(five_rows(&t, &err));
    for (int32_t i = 0; i < t->n_columns; i++) {
        mw_column *c = &t->columns[i];
        assert_int_equal(c->n_missing, 1);
        assert_int_equal(c->validity[0], 0x1b);
        for (int64_t row = 0; row < 5; row++) assert_int_equal(mw_column_has(c, row), row != 2);
    }
    /* -NaN has become the one NaN. */
    uint64_t bits;
    memcpy(&bits, &mw_table_column(t, "value")->number[2], 8);
    assert_true(bits == UINT64_C(0x7ff8000000000000));
    assert_true(mw_column_bool(mw_table_column(t, "on"), 4));
    assert_false(mw_column_bool(mw_table_column(t, "on"), 2));
    assert_true(mw_str_is(mw_column_text(mw_table_column(t, "device"), 3), "pump"));
    assert_true(mw_str_is(mw_column_text(mw_table_column(t, "note"), 3), "gr\xc3\xbc\xc3\x9f"));
    assert_null(mw_table_column(t, "nothing"));

    mw_column *value = mw_table_column(t, "value");
    value->number[2] = 7;
    assert_ok(mw_column_seal(t, value, &err));
    assert_null(value->validity);
    value->number[0] = NAN;
    assert_ok(mw_column_seal(t, value, &err));
    assert_int_equal(value->validity[0], 0x1e);
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(cells_are_texts) {
    static const char *const want[][5] = {{"0", "0.5", "", "1.5", "2"},
                                          {"true", "false", "", "false", "true"},
                                          {"pump", "fan", "", "pump", ""},
                                          {"a", "", "", "gr\xc3\xbc\xc3\x9f", "z"}};
    char digits[MW_NUMBER_MAX];
    begin();
    mw_err err;
    mw_table *t;
    assert_ok(five_rows(&t, &err));
    for (int32_t c = 1; c < t->n_columns; c++)
        for (int64_t row = 0; row < 5; row++)
            assert_true(mw_str_is(mw_column_cell(&t->columns[c], row, digits), want[c - 1][row]));
    mw_table_free(t);
}

MW_TEST(bad_tables_are_refused) {
    begin();
    mw_err err;
    mw_table *t = NULL;
    assert_status(mw_table_new(&mem, -1, &t, &err), MW_EINVAL);
    assert_status(mw_table_new(&mem, MW_LIMIT(TABLE_ROWS) + 1, &t, &err), MW_ETOOLARGE);
    assert_ok(mw_table_new(&mem, 3, &t, &err));
    assert_ok(mw_table_add(t, MW_STR("a"), MW_BOOL, NULL, &err));
    assert_status(mw_table_add(t, MW_STR("a"), MW_FLOAT64, NULL, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "\"a\""));
    assert_status(mw_table_add(t, (mw_str){"a\0b", 3}, MW_FLOAT64, NULL, &err), MW_EDATA);
    char name[5000];
    memset(name, 'n', sizeof name);
    assert_status(mw_table_add(t, (mw_str){name, sizeof name}, MW_BOOL, NULL, &err), MW_ETOOLARGE);
    assert_status(mw_table_add(t, MW_STR("b"), (mw_type)17, NULL, &err), MW_EINVAL);
    assert_int_equal(t->n_columns, 1);
    mw_table_free(t);
    assert_null(mw_table_free(NULL));
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(many_columns_are_found_by_name) {
    begin();
    mw_err err;
    mw_table *t;
    assert_ok(mw_table_new(&mem, 1, &t, &err));
    for (int i = 0; i < 3000; i++) {
        char name[32];
        int size = snprintf(name, sizeof name, "c%d", i);
        mw_column *c;
        assert_ok(mw_table_add(t, (mw_str){name, (size_t)size}, MW_FLOAT64, &c, &err));
        c->number[0] = i;
    }
    assert_true(mw_table_column(t, "c0")->number[0] == 0);
    assert_true(mw_table_column(t, "c2999")->number[0] == 2999);
    mw_table_free(t);
    /* Reserved columns keep their address. */
    assert_ok(mw_table_new(&mem, 1, &t, &err));
    assert_ok(mw_table_reserve(t, 2, &err));
    mw_column *a, *b;
    assert_ok(mw_table_add(t, MW_STR("a"), MW_FLOAT64, &a, &err));
    assert_ok(mw_table_add(t, MW_STR("b"), MW_FLOAT64, &b, &err));
    assert_ptr_equal(a, &t->columns[0]);
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(dictionary_gives_codes_in_order_of_appearance) {
    begin();
    mw_err err;
    mw_dictionary *d;
    assert_ok(mw_dictionary_new(&mem, &d, &err));
    enum { N = 20000 };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            char text[32];
            int size = snprintf(text, sizeof text, "%d", i * 7919 % N);
            int32_t code;
            assert_ok(mw_dictionary_add(d, (mw_str){text, (size_t)size}, &code, &err));
            assert_int_equal(code, i);
        }
    }
    assert_int_equal(mw_dictionary_size(d), N);
    assert_int_equal(mw_dictionary_find(d, MW_STR("absent")), -1);
    mw_dictionary *copy;
    assert_ok(mw_dictionary_copy(&mem, d, &copy, &err));
    mw_dictionary_free(d);
    assert_int_equal(mw_dictionary_find(copy, MW_STR("7919")), 1);
    assert_true(mw_str_is(mw_dictionary_text(copy, 1), "7919"));
    assert_int_equal(mw_dictionary_text(copy, -1).size, 0);
    int32_t code;
    assert_ok(mw_dictionary_add(copy, MW_STR(""), &code, &err));
    assert_int_equal(code, N);
    assert_int_equal(mw_dictionary_find(copy, MW_STR("")), N);
    mw_dictionary_free(copy);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* Text i of a batch, of 0 to 40 bytes, among garbage that the fields reader may see and must not use. */
static mw_str text_in_garbage(char *room, int i, int garbage) {
    memset(room, garbage, 64);
    size_t size = (size_t)i % 41;
    for (size_t k = 0; k < size; k++) room[k] = (char)('a' + ((i / 41) >> (k % 8 * 2) & 3));
    return (mw_str){room, size};
}

MW_TEST(dictionary_of_fields_gives_the_codes_of_one_by_one) {
    begin();
    mw_err err;
    enum { N = 6000, MOST = 77 };
    static char room[MOST][64];
    mw_dictionary *single, *many;
    assert_ok(mw_dictionary_new(&mem, &single, &err));
    assert_ok(mw_dictionary_new(&mem, &many, &err));
    for (int i = 0, n = 0; i < N; i += n) {
        mw_str texts[MOST];
        int32_t codes[MOST], expected;
        n = 1 + i % MOST;
        for (int k = 0; k < n; k++) texts[k] = text_in_garbage(room[k], (i + k) * 7 % 4099, i + k);
        if (n > 2) texts[n - 1] = texts[0]; /* a new one twice in a batch */
        assert_ok(mw_dictionary_add_fields(many, texts, (size_t)n, codes, &err));
        for (int k = 0; k < n; k++) {
            assert_ok(mw_dictionary_add(single, texts[k], &expected, &err));
            assert_int_equal(codes[k], expected);
            assert_true(mw_str_eq(mw_dictionary_text(many, codes[k]), texts[k]));
            assert_int_equal(mw_dictionary_find(many, texts[k]), expected);
        }
    }
    assert_int_equal(mw_dictionary_size(many), mw_dictionary_size(single));
    assert_true(mw_dictionary_size(many) > 1000);
    mw_dictionary_free(single);
    mw_dictionary_free(many);
    assert_int_equal(mw_mem_used(&mem), 0);
}

static mw_status everything(mw_err *err) {
    mw_table *t;
    mw_status status = five_rows(&t, err);
    if (status != MW_OK) return status;
    mw_table_free(t);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    begin();
    for (uint64_t n = 1;; n++) {
        assert_true(n <= 2000);
        mw_err err = {0};
        mw_alloc_fail_at(n);
        mw_status status = everything(&err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(&mem), 0);
        if (!fired) {
            assert_int_equal(status, MW_OK);
            assert_true(n > 20);
            break;
        }
        assert_int_equal(status, MW_ENOMEM);
        assert_int_equal(err.code, MW_ENOMEM);
    }
}

MW_TEST_MAIN(MW_RUN(column_starts_missing_and_aligned), MW_RUN(sealing_counts_and_cleans),
             MW_RUN(cells_are_texts), MW_RUN(bad_tables_are_refused),
             MW_RUN(many_columns_are_found_by_name),
             MW_RUN(dictionary_gives_codes_in_order_of_appearance),
             MW_RUN(dictionary_of_fields_gives_the_codes_of_one_by_one),
             MW_RUN(every_allocation_may_fail))
