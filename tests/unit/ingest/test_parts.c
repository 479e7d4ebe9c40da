/*
 * Parts of a source: where they end, what they hold, and that nothing stays behind. The oracle is the list of
 * rows that went in; every part is read back with mw_ipc_read.
 */
#include "support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/parts.h"
#include "support/fault_loop.h"

static mw_ctx ctx;
static mw_dir *dir;
static mw_schema *schema;

static const char *const DEVICES[] = {"m1", "m2", "m3"};
enum { HOUR_US = 3600000 }; /* whatever: rows are this far apart */

static mw_status make_schema(mw_mem *mem, mw_schema **ret, mw_err *err) {
    int32_t at;
    mw_status status = mw_schema_new(mem, ret, err);
    if (status != MW_OK) return status;
    status = mw_schema_add(*ret, MW_STR("time"), MW_TIMESTAMP, &at, err);
    if (status == MW_OK) status = mw_schema_add(*ret, MW_STR("device_id"), MW_DICTIONARY, &at, err);
    if (status == MW_OK) status = mw_schema_add(*ret, MW_STR("x"), MW_FLOAT64, &at, err);
    if (status != MW_OK) *ret = mw_schema_free(*ret);
    return status;
}

static void begin(void) {
    mw_err err = {0};
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(make_schema(ctx.mem, &schema, &err));
}

static void end(void) {
    schema = mw_schema_free(schema);
    dir = mw_dir_close(dir);
}

/* Rows first .. first + n of an endless table; columns beyond the third are numbers, too. */
static mw_status make_chunk(mw_mem *mem, mw_schema *s, int64_t first, int64_t n, mw_chunk **ret,
                            mw_err *err) {
    mw_type types[8] = {MW_TIMESTAMP, MW_DICTIONARY};
    for (int i = 2; i < 8; i++) types[i] = MW_FLOAT64;
    mw_chunk *c;
    mw_status status = mw_chunk_new(mem, types, s->n_columns, n, &c, err);
    if (status != MW_OK) return status;
    c->n_rows = n;
    for (int64_t k = 0; k < n && status == MW_OK; k++) {
        int64_t i = first + k;
        int32_t code = -1;
        if (i % 5)
            status = mw_dictionary_add(s->columns[1].dictionary, mw_str_of(DEVICES[i / 1000 % 3]),
                                       &code, err);
        c->columns[0].time[k] = i * HOUR_US;
        c->columns[1].codes[k] = code;
        for (int32_t j = 2; j < s->n_columns; j++)
            c->columns[j].number[k] = i % 7 ? (double)(i * j) : MW_NAN;
    }
    if (status != MW_OK) {
        mw_chunk_free(c);
        return status;
    }
    *ret = c;
    return MW_OK;
}

static mw_status give(const mw_ctx *c, mw_schema *s, const mw_arrange_sink *sink, int64_t first,
                      int64_t n, mw_err *err) {
    mw_chunk *chunk;
    mw_status status = make_chunk(c->mem, s, first, n, &chunk, err);
    if (status != MW_OK) return status;
    status = sink->take(sink->self, chunk, err);
    mw_chunk_free(chunk);
    return status;
}

/* The parts must be rows 0 .. n; columns that a part lacks are not looked at. Returns n_columns of the last. */
static int32_t check_parts(const mw_ingest_part *parts, size_t n_parts, int64_t n) {
    mw_err err = {0};
    int64_t i = 0;
    int32_t n_columns = 0;
    for (size_t p = 0; p < n_parts; p++) {
        mw_table *t;
        char value[64], number[24];
        assert_ok(mw_dataset_check(&ctx, dir, parts[p].file, &err));
        assert_ok(mw_ipc_read(&ctx, dir, parts[p].file, NULL, 0, &t, &err));
        assert_int_equal(t->n_rows, parts[p].n_rows);
        assert_true(parts[p].first_us == t->columns[0].time[0]);
        assert_true(parts[p].last_us == t->columns[0].time[t->n_rows - 1]);
        for (int64_t k = 0; k < t->n_rows; k++, i++) {
            assert_true(t->columns[0].time[k] == i * HOUR_US);
            assert_true(
                mw_str_is(mw_column_text(&t->columns[1], k), i % 5 ? DEVICES[i / 1000 % 3] : ""));
            assert_true(i % 7 ? t->columns[2].number[k] == (double)(i * 2)
                              : mw_isnan(t->columns[2].number[k]));
        }
        n_columns = t->n_columns;
        mw_table_free(t);
        snprintf(number, sizeof number, "%zu", p);
        assert_ok(mw_ipc_read_meta(&ctx, dir, parts[p].file, "millwright.part", value, sizeof value,
                                   &err));
        assert_string_equal(value, number);
        assert_ok(mw_ipc_read_meta(&ctx, dir, parts[p].file, "millwright.source", value,
                                   sizeof value, &err));
        assert_string_equal(value, "plant.csv");
    }
    assert_int_equal(i, n);
    return n_columns;
}

static size_t count_files(void) {
    mw_err err = {0};
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_list(&ctx, dir, &entries, &n, &err));
    mw_free(entries);
    return n;
}

static void remove_parts(mw_ingest_part *parts, size_t n) {
    mw_err err = {0};
    for (size_t i = 0; i < n; i++) assert_ok(mw_dir_remove(&ctx, dir, parts[i].file, &err));
    mw_ingest_parts_free(parts, n);
}

static const mw_parts_options SMALL = {.source = "plant.csv", .layout = "wide", .part_rows = 1000};

MW_TEST(a_part_ends_where_it_is_full) {
    mw_err err = {0};
    mw_parts *parts;
    mw_ingest_part *list;
    size_t n;
    begin();
    assert_ok(mw_parts_new(&ctx, schema, &SMALL, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    for (int64_t row = 0; row < 4000; row += 400)
        assert_ok(give(&ctx, schema, &sink, row, 400, &err));
    assert_ok(give(&ctx, schema, &sink, 4000, 3000, &err)); /* a chunk is never split */
    assert_ok(give(&ctx, schema, &sink, 7000, 0, &err));
    assert_ok(give(&ctx, schema, &sink, 7000, 1, &err));
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    assert_int_equal(n, 7);
    static const int64_t rows[] = {800, 800, 800, 800, 800, 3000, 1};
    for (size_t i = 0; i < n; i++) assert_int_equal(list[i].n_rows, rows[i]);
    (void)check_parts(list, n, 7001);
    assert_int_equal(count_files(), n);
    remove_parts(list, n);
    end();
}

MW_TEST(a_part_ends_at_its_bytes) {
    mw_err err = {0};
    mw_parts *parts;
    mw_ingest_part *list;
    size_t n;
    begin();
    mw_parts_options options = SMALL;
    options.part_rows = 0;
    options.part_bytes = 2 << 20;
    assert_ok(mw_parts_new(&ctx, schema, &options, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    for (int64_t row = 0; row < 500000; row += 10000)
        assert_ok(give(&ctx, schema, &sink, row, 10000, &err));
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    assert_in_range(n, 5, 7); /* 20 bytes a row and the bitmaps */
    for (size_t i = 0; i + 1 < n; i++) assert_in_range(list[i].bytes, 1700000, 2 << 20);
    (void)check_parts(list, n, 500000);
    remove_parts(list, n);
    end();
}

MW_TEST(small_chunks_are_put_together) {
    mw_err err = {0};
    mw_parts *parts;
    mw_ingest_part *list;
    size_t n;
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    begin();
    mw_parts_options options = SMALL;
    options.part_rows = 0;
    assert_ok(mw_parts_new(&ctx, schema, &options, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    int64_t row = 0;
    while (row < 60000) {
        int64_t some = (int64_t)mw_rng_below(&rng, 50) ? (int64_t)mw_rng_below(&rng, 40) : 9000;
        assert_ok(give(&ctx, schema, &sink, row, some, &err));
        row += some;
    }
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    assert_int_equal(n, 1);
    (void)check_parts(list, n, row);
    assert_true(list[0].bytes < (uint64_t)row * 22 + 64000); /* few batches, little around them */
    remove_parts(list, n);
    end();
}

MW_TEST(a_new_column_starts_a_new_part) {
    mw_err err = {0};
    mw_parts *parts;
    mw_ingest_part *list;
    mw_chunk *old;
    size_t n;
    int32_t at;
    begin();
    mw_parts_options options = SMALL;
    options.part_rows = 0;
    assert_ok(mw_parts_new(&ctx, schema, &options, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    assert_ok(give(&ctx, schema, &sink, 0, 100, &err));
    assert_ok(make_chunk(ctx.mem, schema, 100, 50, &old, &err));
    assert_ok(mw_schema_add(schema, MW_STR("y"), MW_FLOAT64, &at, &err));
    assert_ok(sink.take(sink.self, old, &err)); /* made before: still of the first part */
    assert_ok(give(&ctx, schema, &sink, 150, 100, &err));
    mw_chunk_free(old);
    mw_table *t;
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    assert_int_equal(n, 2);
    assert_int_equal(list[0].n_rows, 150);
    assert_int_equal(check_parts(list, n, 250), 4);
    assert_ok(mw_ipc_read(&ctx, dir, list[0].file, NULL, 0, &t, &err));
    assert_null(mw_table_column(t, "y"));
    mw_table_free(t);
    assert_ok(mw_ipc_read(&ctx, dir, list[1].file, NULL, 0, &t, &err));
    assert_int_equal(mw_table_column(t, "y")->n_missing, 14); /* i % 7 == 0 */
    mw_table_free(t);
    remove_parts(list, n);
    end();
}

/* The sink's rows go round once more, as in the second pass of arrange.h, behind themselves. */
static mw_status second_pass(const mw_ctx *c, mw_schema *s, mw_dir *where, int64_t n_rows,
                             mw_ingest_part **ret, size_t *ret_n, mw_err *err) {
    mw_parts *parts;
    mw_status status = mw_parts_new(c, s, &SMALL, where, &parts, err);
    if (status != MW_OK) return status;
    mw_arrange_sink sink = mw_parts_sink(parts);
    for (int64_t row = 0; row < n_rows && status == MW_OK; row += 300)
        status = give(c, s, &sink, row, 300, err);
    for (;;) {
        mw_chunk *chunk;
        if (status == MW_OK) status = sink.again(sink.self, &chunk, err);
        if (status != MW_OK || !chunk) break;
        status = sink.take(sink.self, chunk, err);
        mw_chunk_free(chunk);
    }
    if (status == MW_OK) status = give(c, s, &sink, n_rows, 10, err);
    if (status == MW_OK) status = mw_parts_finish(parts, ret, ret_n, err);
    mw_parts_free(parts);
    return status;
}

MW_TEST(rows_are_handed_back_in_order) {
    mw_err err = {0};
    mw_ingest_part *list;
    size_t n;
    begin();
    assert_ok(second_pass(&ctx, schema, dir, 6000, &list, &n, &err));
    assert_int_equal(n, 7);
    (void)check_parts(list, n, 6010);
    assert_int_equal(count_files(), n); /* the parts of the first pass are gone */
    remove_parts(list, n);
    end();
}

MW_TEST(what_is_given_up_leaves_nothing) {
    mw_err err = {0};
    mw_parts *parts;
    mw_chunk *chunk;
    begin();
    for (int stage = 0; stage < 4; stage++) {
        assert_ok(mw_parts_new(&ctx, schema, &SMALL, dir, &parts, &err));
        mw_arrange_sink sink = mw_parts_sink(parts);
        for (int64_t row = 0; row < 600 * stage; row += 300)
            assert_ok(give(&ctx, schema, &sink, row, 300, &err));
        if (stage == 3) {
            assert_ok(sink.again(sink.self, &chunk, &err));
            assert_ok(sink.take(sink.self, chunk, &err));
            mw_chunk_free(chunk);
        }
        assert_int_equal(count_files() != 0, stage != 0);
        mw_parts_free(parts);
        assert_int_equal(count_files(), 0);
    }
    end();
}

MW_TEST(a_source_without_rows_has_no_parts) {
    mw_err err = {0};
    mw_parts *parts;
    mw_ingest_part *list;
    mw_chunk *chunk = NULL;
    size_t n = 9;
    begin();
    assert_ok(mw_parts_new(&ctx, schema, &SMALL, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    assert_ok(sink.again(sink.self, &chunk, &err));
    assert_null(chunk);
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    assert_int_equal(n, 0);
    mw_ingest_parts_free(list, n);
    mw_parts_free(parts);
    assert_int_equal(count_files(), 0);
    end();
}

/* The same rows, the same bytes; another source or another number of the part, another name. */
MW_TEST(names_are_distinct_and_repeatable) {
    mw_err err = {0};
    mw_ingest_part *lists[3];
    size_t n;
    begin();
    for (int k = 0; k < 3; k++) {
        mw_parts *parts;
        mw_chunk *chunk;
        mw_parts_options options = SMALL;
        if (k == 2) options.source = "other.csv";
        assert_ok(mw_parts_new(&ctx, schema, &options, dir, &parts, &err));
        mw_arrange_sink sink = mw_parts_sink(parts);
        assert_ok(make_chunk(ctx.mem, schema, 0, 700, &chunk, &err));
        assert_ok(sink.take(sink.self, chunk, &err));
        assert_ok(sink.take(sink.self, chunk, &err)); /* a second part with the same rows */
        mw_chunk_free(chunk);
        assert_ok(mw_parts_finish(parts, &lists[k], &n, &err));
        mw_parts_free(parts);
        assert_int_equal(n, 2);
    }
    assert_string_not_equal(lists[0][0].file, lists[0][1].file);
    assert_string_not_equal(lists[0][0].file, lists[2][0].file);
    assert_string_equal(lists[0][0].file, lists[1][0].file);
    assert_string_equal(lists[0][1].file, lists[1][1].file);
    assert_int_equal(count_files(), 4);
    for (int k = 0; k < 3; k++) mw_ingest_parts_free(lists[k], 2);
    end();
}

/* --- what memory and disk are used ------------------------------------------------------------ */

MW_TEST(memory_does_not_grow_with_the_rows) {
    mw_err err = {0};
    mw_mem account;
    mw_parts *parts;
    mw_ingest_part *list;
    size_t n;
    begin();
    mw_mem_init(&account, NULL, 8 << 20); /* 30 MB of rows */
    mw_ctx small = ctx;
    small.mem = &account;
    mw_parts_options options = SMALL;
    options.part_rows = 0;
    options.part_bytes = 8 << 20;
    assert_ok(mw_parts_new(&small, schema, &options, dir, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    for (int64_t row = 0; row < 1500000; row += 5000)
        assert_ok(give(&ctx, schema, &sink, row, 5000, &err));
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    mw_parts_free(parts);
    assert_true(n >= 4);
    remove_parts(list, n);
    assert_int_equal(mw_mem_used(&account), 0);
    end();
}

/* --- verdicts of the hash check ---------------------------------------------------------------- */

MW_TEST(a_good_verdict_is_kept_until_the_file_changes) {
    mw_err err = {0};
    mw_ingest_part *list;
    size_t n;
    mw_faulty_io counted;
    char *bytes;
    size_t size;
    begin();
    assert_ok(second_pass(&ctx, schema, dir, 900, &list, &n, &err));
    mw_faulty_io_init(&counted);
    ctx.io = &counted.io;
    assert_ok(mw_dataset_check(&ctx, dir, list[0].file, &err));
    uint64_t reads = counted.count[MW_IO_READ];
    assert_true(reads > 0);
    assert_ok(mw_dataset_check(&ctx, dir, list[0].file, &err));
    assert_int_equal(counted.count[MW_IO_READ], reads);
    assert_ok(mw_file_read(&ctx, dir, list[0].file, 1 << 20, &bytes, &size, &err));
    bytes[size / 2] ^= 1;
    assert_ok(mw_file_replace(&ctx, dir, list[0].file, bytes, size, &err));
    for (int i = 0; i < 2; i++) /* a bad one is not kept */
        assert_status(mw_dataset_check(&ctx, dir, list[0].file, &err), MW_EDATA);
    bytes[size / 2] ^= 1;
    assert_ok(mw_file_replace(&ctx, dir, list[0].file, bytes, size, &err));
    assert_ok(mw_dataset_check(&ctx, dir, list[0].file, &err));
    assert_status(mw_dataset_check(&ctx, dir, "../x.arrow", &err), MW_EINVAL);
    ctx.io = &mw_io_system;
    mw_free(bytes);
    remove_parts(list, n);
    end();
}

/* --- faults ----------------------------------------------------------------------------------- */

static mw_status whole_life(const mw_ctx *c, void *arg, mw_err *err) {
    mw_schema *s;
    mw_dir *where;
    mw_ingest_part *list = NULL;
    size_t n = 0;
    (void)arg;
    mw_status status = mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &where, err);
    if (status != MW_OK) return status;
    status = make_schema(c->mem, &s, err);
    if (status == MW_OK) {
        status = second_pass(c, s, where, 1500, &list, &n, err);
        mw_schema_free(s);
    }
    for (size_t i = 0; i < n; i++) (void)mw_dir_remove(&ctx, where, list[i].file, NULL);
    mw_ingest_parts_free(list, n);
    mw_dir_close(where);
    return status;
}

static void nothing_left(void *arg, uint64_t n) {
    (void)arg, (void)n;
    assert_int_equal(count_files(), 0);
}

MW_TEST(survives_any_failed_allocation) {
    begin();
    assert_in_range(mw_fault_loop_alloc(whole_life, NULL), 100, MW_FAULT_LOOP_MAX);
    nothing_left(NULL, 0);
}

MW_TEST(leaves_nothing_after_any_failed_call) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_WRITE, MW_IO_FSYNC, MW_IO_CLOSE,
                                       MW_IO_RENAME};
    begin();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        assert_true(mw_fault_loop_io(whole_life, NULL, kinds[i], ENOSPC, nothing_left) >= 3);
}

/* A removal that fails once is made up for when all is given up. */
MW_TEST(leaves_nothing_after_a_failed_removal) {
    begin();
    assert_true(mw_fault_loop_io(whole_life, NULL, MW_IO_UNLINK, EIO, nothing_left) >= 2);
}

MW_TEST_MAIN(MW_RUN(a_part_ends_where_it_is_full), MW_RUN(a_part_ends_at_its_bytes),
             MW_RUN(small_chunks_are_put_together), MW_RUN(a_new_column_starts_a_new_part),
             MW_RUN(rows_are_handed_back_in_order), MW_RUN(what_is_given_up_leaves_nothing),
             MW_RUN(a_source_without_rows_has_no_parts), MW_RUN(names_are_distinct_and_repeatable),
             MW_RUN(memory_does_not_grow_with_the_rows),
             MW_RUN(a_good_verdict_is_kept_until_the_file_changes),
             MW_RUN(survives_any_failed_allocation), MW_RUN(leaves_nothing_after_any_failed_call),
             MW_RUN(leaves_nothing_after_a_failed_removal))
