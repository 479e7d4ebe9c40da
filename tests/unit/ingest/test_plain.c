/* Plain tables: types decided by all the data, missing marks, unreadable rows, time columns. */
#include "core/table/table.h"
#include "keep/ingest/ingest.h"
#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

/* As train FILE --time COLUMN reads it. */
static mw_status read_table(const mw_ctx *ctx, const char *path, const char *time_column,
                            mw_table **ret, int64_t *unreadable, mw_err *err) {
    mw_args *args;
    mw_plain_bad bad;
    mw_status status = mw_args_new(ctx->mem, mw_ingest_all_params(), &args, err);
    if (status != MW_OK) return status;
    if (time_column) status = mw_args_set(args, MW_STR("time"), mw_str_of(time_column), err);
    if (status == MW_OK) status = mw_args_finish(args, err);
    if (status == MW_OK) status = mw_ingest_plain_as(ctx, path, args, NULL, 0, ret, &bad, err);
    mw_args_free(args);
    if (status != MW_OK) return status;
    if (unreadable) *unreadable = bad.n;
    mw_free(bad.marks);
    return MW_OK;
}

static mw_table *read_plain(const char *text, const char *time_column, int64_t *unreadable) {
    mw_ctx ctx;
    mw_err err;
    mw_table *table;
    mw_ctx_init(&ctx);
    assert_ok(read_table(&ctx, put_text("plain.csv", text), time_column, &table, unreadable, &err));
    return table;
}

static void assert_fails(const char *text, const char *time_column, mw_status code,
                         const char *words) {
    mw_ctx ctx;
    mw_err err;
    mw_table *table = NULL;
    mw_ctx_init(&ctx);
    assert_status(read_table(&ctx, put_text("plain.csv", text), time_column, &table, NULL, &err),
                  code);
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    assert_true(strlen(err.hint) > 0);
    assert_null(table);
}

static mw_column *column(mw_table *table, const char *name, mw_type type) {
    mw_column *c = mw_table_column(table, name);
    assert_non_null(c);
    if (c->type != type) fail_msg("%s is of type %d, not %d", name, (int)c->type, (int)type);
    return c;
}

MW_TEST(types_follow_from_all_cells) {
    int64_t unreadable;
    mw_table *t = read_plain("n,b,d,mixed,empty,half\r\n"
                             "1,true,red,1,,true\r\n"
                             "\" 2.5e1\",False,\"gre,en\",two,NA,1\r\n"
                             "n/a,TRUE,red,3,null,0\r\n",
                             NULL, &unreadable);
    assert_int_equal(t->n_rows, 3);
    assert_int_equal(unreadable, 0);
    mw_column *n = column(t, "n", MW_FLOAT64);
    assert_true(n->number[0] > 0.9 && n->number[0] < 1.1 && n->number[1] > 24.9 &&
                n->number[1] < 25.1);
    assert_false(mw_column_has(n, 2));
    mw_column *b = column(t, "b", MW_BOOL);
    assert_int_equal(b->bits[0] & 7, 5);
    mw_column *d = column(t, "d", MW_DICTIONARY);
    assert_true(mw_str_is(mw_column_text(d, 1), "gre,en"));
    assert_int_equal(d->codes[0], d->codes[2]);
    mw_column *mixed = column(t, "mixed", MW_DICTIONARY);
    assert_true(mw_str_is(mw_column_text(mixed, 0), "1"));
    assert_int_equal(column(t, "empty", MW_FLOAT64)->n_missing, 3);
    column(t, "half", MW_DICTIONARY);
    mw_table_free(t);
}

/* Text far behind the rows that are looked at first: the file is read again, and nothing is lost. */
MW_TEST(late_text_changes_the_type_of_the_whole_column) {
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_add(&text, "a,b\n");
    for (int i = 0; i < 3000; i++) mw_buf_printf(&text, "%d,%d\n", i, i);
    mw_buf_add(&text, "x,3000\n");
    int64_t unreadable;
    mw_table *t = read_plain(mw_buf_text(&text), NULL, &unreadable);
    assert_int_equal(t->n_rows, 3001);
    mw_column *a = column(t, "a", MW_DICTIONARY);
    assert_true(mw_str_is(mw_column_text(a, 0), "0"));
    assert_true(mw_str_is(mw_column_text(a, 2999), "2999"));
    assert_true(mw_str_is(mw_column_text(a, 3000), "x"));
    assert_int_equal(column(t, "b", MW_FLOAT64)->n_missing, 0);
    mw_table_free(t);
    mw_buf_done(&text);
}

/* One byte among ten letters of UTF-8 is damage; were there only it, the file would be Windows-1252. */
MW_TEST(unreadable_rows_keep_their_place) {
    int64_t unreadable;
    mw_table *t =
        read_plain("a,b,c\n1,2,\xc3\xa9\n3\n4,5,6,7\n5,7,\xff\n8,9,"
                   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n",
                   NULL, &unreadable);
    assert_int_equal(t->n_rows, 5);
    assert_int_equal(unreadable, 3);
    mw_column *a = column(t, "a", MW_FLOAT64);
    assert_int_equal(a->n_missing, 3);
    assert_true(mw_column_has(a, 0) && mw_column_has(a, 4));
    mw_table_free(t);
}

MW_TEST(a_models_types_are_kept) {
    static const mw_plain_column as[] = {
        {"code", MW_DICTIONARY}, {"flag", MW_BOOL}, {"x", MW_FLOAT64}, {"time", MW_FLOAT64}};
    mw_ctx ctx;
    mw_err err;
    mw_table *t;
    mw_plain_bad bad;
    mw_ctx_init(&ctx);
    const char *path = put_text("as.csv", "x,code,flag,time,more\n"
                                          "1,1.0,1,7,a\n"
                                          "true,01,TRUE,,b\n"
                                          "oops,2,false,9,c\n"
                                          "3,,2,9,d\n"
                                          ",,,,\n"
                                          "1,2\n");
    assert_ok(mw_ingest_plain_as(&ctx, path, NULL, as, 4, &t, &bad, &err));
    assert_int_equal(t->n_rows, 6);
    assert_string_equal(bad.first, "line 4: x: not a number: \"oops\"");
    assert_int_equal(bad.n, 3);
    static const uint8_t marks[] = {0, 0, 1, 1, 0, 1};
    assert_memory_equal(bad.marks, marks, sizeof marks);
    assert_string_equal(bad.first, "line 4: x: not a number: \"oops\"");
    mw_column *code = column(t, "code", MW_DICTIONARY);
    assert_true(mw_str_is(mw_column_text(code, 0), "1.0"));
    assert_true(mw_str_is(mw_column_text(code, 1), "01"));
    mw_column *flag = column(t, "flag", MW_BOOL);
    assert_int_equal(flag->bits[0] & 3, 3);
    mw_column *x = column(t, "x", MW_FLOAT64);
    assert_true(x->number[1] > 0.9 && x->number[1] < 1.1);
    assert_false(mw_column_has(x, 2) || mw_column_has(x, 3) || mw_column_has(x, 4));
    column(t, "time", MW_FLOAT64);
    column(t, "more", MW_DICTIONARY);
    mw_free(bad.marks);
    mw_table_free(t);
}

static mw_status read_as(const mw_ctx *ctx, void *arg, mw_err *err) {
    static const mw_plain_column as[] = {{"a", MW_FLOAT64}, {"b", MW_DICTIONARY}};
    mw_table *table;
    mw_plain_bad bad;
    mw_status status = mw_ingest_plain_as(ctx, arg, NULL, as, 2, &table, &bad, err);
    if (status) return status;
    mw_free(bad.marks);
    mw_table_free(table);
    return MW_OK;
}

MW_TEST(every_fault_of_a_models_types_is_survived) {
    char *path = (char *)(uintptr_t)put_text("as.csv", "a,b\n1,2\nx,3\n4,5\n");
    assert_in_range(mw_fault_loop_alloc(read_as, path), 20, 500);
}

MW_TEST(a_time_is_one_by_name_or_request) {
    mw_table *t =
        read_plain("date,year\n2020-01-02,2020\n,2021\n2020-01-03 00:00:01,2022\n", NULL, NULL);
    mw_column *date = column(t, "date", MW_TIMESTAMP);
    assert_int_equal(date->time[0], INT64_C(1577923200000000));
    assert_false(mw_column_has(date, 1));
    column(t, "year", MW_FLOAT64);
    mw_table_free(t);

    t = read_plain("when,x\n2020-01-02,1\n", NULL, NULL);
    column(t, "when", MW_DICTIONARY);
    mw_table_free(t);
    t = read_plain("when,x\n2020-01-02,1\n", "when", NULL);
    column(t, "when", MW_TIMESTAMP);
    mw_table_free(t);

    /* Numbers in a column named as a time count from 1970, in one unit all of them. */
    static const char *const units[] = {"time,x\n1577923200,1\n1577923201,2\n",
                                        "time,x\n1577923200000,1\n1577923201000,2\n",
                                        "time,x\n1577923200000000,1\n1577923201000000,2\n"};
    for (int i = 0; i < 3; i++) {
        t = read_plain(units[i], NULL, NULL);
        mw_column *time = column(t, "time", MW_TIMESTAMP);
        assert_int_equal(time->time[0], INT64_C(1577923200000000));
        assert_int_equal(time->time[1], INT64_C(1577923201000000));
        mw_table_free(t);
    }

    t = read_plain("date,x\nmonday,1\n", NULL, NULL); /* a name is only a hint */
    column(t, "date", MW_DICTIONARY);
    mw_table_free(t);
    assert_fails("when,x\nmonday,1\n", "when", MW_EINVAL, "column \"when\" holds no time");
    assert_fails("when,x\n2020-01-02,1\nmonday,1\n", "when", MW_EDATA, "line 3, column when");
    assert_fails("when,x\n1,1\n", "then", MW_EINVAL, "no column \"then\"");
}

MW_TEST(what_is_no_table_is_refused) {
    assert_fails("", NULL, MW_EDATA, "is empty");
    assert_fails("\n\n", NULL, MW_EDATA, "is empty");
    assert_fails("a,b\n", NULL, MW_EDATA, "no rows");
    assert_fails("a,a\n1,2\n", NULL, MW_EDATA, "twice");
    assert_fails("PK\3\4abc", NULL, MW_EDATA, "ZIP");
    mw_ctx ctx;
    mw_err err;
    mw_table *table;
    mw_ctx_init(&ctx);
    const char *path = put_bytes("nul.csv", "a,b\n1,\0\n", 8);
    assert_status(read_table(&ctx, path, NULL, &table, NULL, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "binary"));
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_table *table;
    mw_status status = read_table(ctx, arg, NULL, &table, NULL, err);
    if (status == MW_OK) mw_table_free(table);
    return status;
}

MW_TEST(every_fault_is_survived) {
    char *path = (char *)(uintptr_t)put_text("a.csv", "time,a,b\n2020-01-01,1,x\n2020-01-02,2,y\n");
    assert_in_range(mw_fault_loop_alloc(scenario, path), 20, 500);
    /* The whole file comes in one read; one of several blocks in more. */
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_READ, 5, NULL) >= 1);
    mw_buf text;
    mw_buf_init(&text, NULL, 4 << 20);
    mw_buf_add(&text, "time,a,b\n");
    while (text.size < 5 << 19) mw_buf_add(&text, "2020-01-01,1.25,x\n");
    path = (char *)(uintptr_t)put_bytes("b.csv", mw_buf_text(&text), text.size);
    assert_true(mw_fault_loop_io(scenario, path, MW_IO_READ, 5, NULL) >= 3);
    mw_buf_done(&text);
}

MW_TEST(a_canceled_read_stops) {
    mw_ctx ctx;
    mw_err err;
    mw_table *table;
    mw_cancel cancel = {0};
    mw_ctx_init(&ctx);
    ctx.cancel = &cancel;
    atomic_store(&cancel.requested, true);
    assert_status(read_table(&ctx, put_text("a.csv", "a\n1\n"), NULL, &table, NULL, &err),
                  MW_ECANCELED);
}

MW_TEST_MAIN(MW_RUN(types_follow_from_all_cells), MW_RUN(a_models_types_are_kept),
             MW_RUN(every_fault_of_a_models_types_is_survived),
             MW_RUN(late_text_changes_the_type_of_the_whole_column),
             MW_RUN(unreadable_rows_keep_their_place), MW_RUN(a_time_is_one_by_name_or_request),
             MW_RUN(what_is_no_table_is_refused), MW_RUN(every_fault_is_survived),
             MW_RUN(a_canceled_read_stops))
