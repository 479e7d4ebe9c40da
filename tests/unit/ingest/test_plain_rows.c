/* Plain tables in blocks: the same cells as in one table, however large blocks are; what is not read, what is refused, what runs out. */
#include "core/base/threads.h"
#include "core/table/table.h"
#include "keep/ingest/plain_rows.h"
#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

enum { READ = 4 };

static const mw_plain_column as[READ] = {
    {"machine", MW_DICTIONARY}, {"x", MW_FLOAT64}, {"on", MW_BOOL}, {"absent", MW_FLOAT64}};

/* The blocks, put together again. */
typedef struct whole {
    const mw_table *block;
    mw_table *table;                                  /* what they must be like */
    int64_t n_rows, block_rows, n_blocks, stop_after; /* blocks; 0: none */
} whole;

static void assert_cells(const whole *w, const char *name, int64_t i) {
    const mw_column *a = mw_table_column(w->block, name), *b = mw_table_column(w->table, name);
    const int64_t at = w->n_rows + i;
    assert_int_equal(a->type, b->type);
    if (mw_column_has(a, i) != mw_column_has(b, at)) fail_msg("%s, row %d", name, (int)at);
    if (!mw_column_has(a, i)) return;
    switch (a->type) {
    case MW_TIMESTAMP: assert_int_equal(a->time[i], b->time[at]); break;
    case MW_DICTIONARY:
        assert_int_equal(a->codes[i], b->codes[at]);
        assert_true(mw_str_eq(mw_column_text(a, i), mw_column_text(b, at)));
        break;
    case MW_BOOL: assert_int_equal(mw_column_bool(a, i), mw_column_bool(b, at)); break;
    default: assert_memory_equal(&a->number[i], &b->number[at], sizeof(double));
    }
}

static mw_status compare(void *self, mw_err *err) {
    whole *w = self;
    if (w->n_blocks == w->stop_after && w->stop_after)
        return mw_fail(err, MW_EIO, "that is enough");
    assert_true(w->block->n_rows == w->block_rows ||
                w->n_rows + w->block->n_rows == w->table->n_rows);
    for (int64_t i = 0; i < w->block->n_rows; i++) {
        assert_cells(w, "when", i);
        for (int c = 0; c < READ - 1; c++) assert_cells(w, as[c].name, i);
    }
    w->n_rows += w->block->n_rows;
    w->n_blocks++;
    return MW_OK;
}

/* Machines turn up all along; notes span lines and hold what looks like rows; some rows cannot be read. */
static void make_rows(mw_buf *text, int n) {
    static const char *const truths[] = {"true", "0", "", "False", "1"};
    mw_buf_clear(text);
    mw_buf_add(text, "when,note,machine,x,on,more\r\n");
    for (int i = 0; i < n; i++) {
        mw_buf_printf(text, "2026-01-%02d %02d:%02d:00,", 1 + i / 1440 % 28, i / 60 % 24, i % 60);
        mw_buf_add(text, i % 37 ? "," : "\"two\n2026-02-02 00:00:00,,ghost,7,1,\nlines\",");
        mw_buf_printf(text, "m%d,", i / 150 % 2 ? i % 5 : i / 150);
        mw_buf_add(text, i % 41 == 3 ? "oops" : i % 11 ? "" : "-0.5");
        mw_buf_printf(text, "%d,%s,%s\r\n", i, truths[i % 5], i < n - 1 ? "8" : "late text");
        if (i % 500 == 250) mw_buf_add(text, "2026-01-01 00:00:00,short\r\n");
    }
}

static mw_args *time_named(const char *column) {
    mw_args *args;
    mw_err err;
    assert_ok(mw_args_new(NULL, mw_profile_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("time"), mw_str_of(column), &err));
    assert_ok(mw_args_finish(args, &err));
    return args;
}

static void assert_same_rows(const mw_ctx *ctx, const char *path, const mw_table *table,
                             const mw_plain_bad *bad, int64_t block_rows) {
    mw_err err;
    mw_plain_rows *rows;
    mw_plain_bad also;
    double done, total;
    mw_args *args = time_named("when");
    assert_ok(mw_plain_rows_open(ctx, path, args, as, READ, block_rows, &rows, &err));
    mw_args_free(args);
    whole w = {.block = mw_plain_rows_table(rows),
               .table = (mw_table *)(uintptr_t)table,
               .block_rows = block_rows};
    const mw_plain_taker taker = {.take = compare, .self = &w};
    assert_ok(mw_plain_rows_run(rows, &taker, &also, &err));
    assert_int_equal(w.n_rows, table->n_rows);
    assert_int_equal(also.n, bad->n);
    assert_string_equal(also.first, bad->first);
    assert_null(also.marks);
    mw_plain_rows_progress(rows, &done, &total);
    assert_true(total > 1 << 20 && done <= total && done >= total);
    mw_plain_rows_close(rows);
}

MW_TEST(blocks_of_any_size_hold_the_rows_of_the_table) {
    mw_ctx ctx;
    mw_err err;
    mw_buf text;
    mw_table *table;
    mw_plain_bad bad;
    mw_ctx_init(&ctx);
    mw_buf_init(&text, NULL, 1 << 26);
    make_rows(&text, 30000);
    const char *path = put_bytes("rows.csv", mw_buf_text(&text), text.size);
    assert_true(text.size > 3 * 256 << 10); /* several blocks of the reader */
    mw_args *args = time_named("when");
    assert_ok(mw_ingest_plain_as(&ctx, path, args, as, READ, &table, &bad, &err));
    mw_args_free(args);
    assert_int_equal(table->n_rows, 30000 + 60);
    assert_in_range(bad.n, 700, 900);
    for (int threads = 1; threads <= 3; threads += 2) {
        if (threads > 1) assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
        static const int64_t sizes[] = {1, 7, 64, 4099, 16384, 30060, 100000};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            assert_same_rows(&ctx, path, table, &bad, sizes[i]);
    }
    mw_pool_free(ctx.pool);
    mw_free(bad.marks);
    mw_table_free(table);
    mw_buf_done(&text);
}

/* ---- what is not read, what fails ---- */

typedef struct counted {
    const mw_table *block;
    int64_t n_rows;
    mw_status status;
} counted;

static mw_status count(void *self, mw_err *err) {
    counted *c = self;
    c->n_rows += c->block->n_rows;
    return c->status ? mw_fail(err, c->status, "not taken") : MW_OK;
}

static mw_status read_rows(const char *text, const mw_args *args, counted *c, mw_plain_bad *bad,
                           mw_err *err) {
    mw_ctx ctx;
    mw_plain_rows *rows;
    mw_ctx_init(&ctx);
    mw_status status =
        mw_plain_rows_open(&ctx, put_text("rows.csv", text), args, as, READ, 2, &rows, err);
    if (status) return status;
    c->block = mw_plain_rows_table(rows);
    const mw_plain_taker taker = {.take = count, .self = c};
    status = mw_plain_rows_run(rows, &taker, bad, err);
    mw_plain_rows_close(rows);
    return status;
}

MW_TEST(columns_that_are_not_asked_for_are_names_only) {
    mw_ctx ctx;
    mw_err err;
    mw_plain_rows *rows;
    mw_args *args;
    mw_ctx_init(&ctx);
    assert_ok(mw_args_new(NULL, mw_profile_params, &args, &err));
    assert_ok(mw_args_set(args, MW_STR("drop"), MW_STR("x,gone"), &err));
    assert_ok(mw_args_finish(args, &err));
    const char *path = put_text("names.csv", "time,gone,other,machine,x\n2026-01-01,1,2,m,4\n");
    assert_ok(mw_plain_rows_open(&ctx, path, args, as, READ, 10, &rows, &err));
    const mw_table *t = mw_plain_rows_table(rows);
    assert_int_equal(t->n_columns, 3);
    assert_int_equal(mw_table_column(t, "time")->type, MW_TIMESTAMP);
    assert_int_equal(mw_table_column(t, "other")->type, MW_UTF8);
    assert_int_equal(mw_table_column(t, "machine")->type, MW_DICTIONARY);
    mw_plain_rows_close(rows);
    mw_args_free(args);
}

static void assert_refused(const char *text, const char *time_column, const char *words) {
    mw_err err;
    mw_plain_bad bad;
    counted c = {0};
    mw_args *args = time_column ? time_named(time_column) : NULL;
    assert_status(read_rows(text, args, &c, &bad, &err), MW_EDATA);
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    assert_true(strlen(err.hint) > 0);
    mw_args_free(args);
}

MW_TEST(files_without_what_is_needed_are_refused) {
    assert_refused("time,x\n", NULL, "rows.csv: has a header but no rows");
    assert_refused("time,x\n2026-01-01,1\n2026-01-02,2\nsoon,3\n", "time",
                   "rows.csv: line 4, column time: ");
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 22);
    mw_buf_add(&text, "time,x\n");
    for (int i = 0; i < 60000; i++)
        mw_buf_printf(&text, "2026-01-02 %02d:%02d:%02d,%d\n", i / 3600, i / 60 % 60, i % 60, i);
    assert_true(text.size > 1 << 20); /* the sample does not show what comes now */
    mw_buf_add(&text, "soon,3\n");
    assert_refused(mw_buf_text(&text), NULL, "rows.csv: no column holds times only: time");
    mw_buf_done(&text);
}

MW_TEST(what_the_taker_says_is_handed_on) {
    mw_err err;
    mw_plain_bad bad;
    counted c = {.status = MW_ETOOLARGE};
    assert_status(
        read_rows("time,x\n2026-01-01,1\n2026-01-01,1\n2026-01-01,1\n", NULL, &c, &bad, &err),
        MW_ETOOLARGE);
    assert_string_equal(err.message, "not taken"); /* it is no trouble with the file */
    assert_int_equal(c.n_rows, 2);
    c = (counted){.status = MW_ETOOLARGE};
    assert_status(read_rows("time,x\n2026-01-01,1\n", NULL, &c, &bad, &err), MW_ETOOLARGE);
    assert_string_equal(err.message, "not taken");
}

static size_t peak_of(const char *path) {
    mw_ctx ctx;
    mw_mem mem;
    mw_err err;
    mw_plain_rows *rows;
    mw_plain_bad bad;
    counted c = {0};
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    assert_ok(mw_plain_rows_open(&ctx, path, NULL, as, READ, 1000, &rows, &err));
    c.block = mw_plain_rows_table(rows);
    const mw_plain_taker taker = {.take = count, .self = &c};
    assert_ok(mw_plain_rows_run(rows, &taker, &bad, &err));
    mw_plain_rows_close(rows);
    assert_int_equal(mw_mem_used(&mem), 0);
    return mw_mem_peak(&mem);
}

MW_TEST(memory_does_not_grow_with_the_file) {
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 28);
    make_rows(&text, 60000);
    const size_t small = peak_of(put_bytes("small.csv", mw_buf_text(&text), text.size));
    make_rows(&text, 600000);
    const size_t large = peak_of(put_bytes("large.csv", mw_buf_text(&text), text.size));
    if (large > small + small / 20) fail_msg("%zu and %zu bytes", small, large);
    mw_buf_done(&text);
}

static mw_status read_all(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_plain_rows *rows;
    mw_plain_bad bad;
    counted c = {0};
    mw_status status = mw_plain_rows_open(ctx, arg, NULL, as, READ, 2, &rows, err);
    if (status) return status;
    c.block = mw_plain_rows_table(rows);
    const mw_plain_taker taker = {.take = count, .self = &c};
    status = mw_plain_rows_run(rows, &taker, &bad, err);
    mw_plain_rows_close(rows);
    return status;
}

MW_TEST(every_failed_allocation_is_survived) {
    char *path = (char *)(uintptr_t)put_text(
        "rows.csv", "time,x,machine,on,other\n2026-01-01,1,a,1,\n2026-01-01,x,b,0,\n"
                    "2026-01-01,3,c,1,\n");
    assert_in_range(mw_fault_loop_alloc(read_all, path), 20, 500);
}

MW_TEST_MAIN(MW_RUN(blocks_of_any_size_hold_the_rows_of_the_table),
             MW_RUN(columns_that_are_not_asked_for_are_names_only),
             MW_RUN(files_without_what_is_needed_are_refused),
             MW_RUN(what_the_taker_says_is_handed_on), MW_RUN(memory_does_not_grow_with_the_file),
             MW_RUN(every_failed_allocation_is_survived))
