/*
 * Arrow IPC files chunk by chunk. The oracle is mw_ipc_read of the same file, and the cells that were put in;
 * tests/quality/arrow_interop.py opens the file of `a_stream_for_other_readers` with pyarrow, pandas and Polars
 * (MILLWRIGHT_ARROW_OUT=FOLDER: it is put there).
 */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/ipcstream.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"

static mw_ctx ctx;
static mw_dir *dir;

static void begin(void) {
    mw_err err = {0};
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
}

/* --- rows: the same cells as make.py's rows() of tests/golden/arrow, less its notes ----------- */

static const char *const DEVICES[] = {"pump", "fan",
                                      ("gr\xc3\xbc\xc3\x9f"
                                       "e"),
                                      "press 3"};

static mw_status make_schema(mw_mem *mem, mw_schema **ret, mw_err *err) {
    static const char *const names[] = {"time", "value", "on", "device"};
    mw_status status = mw_schema_new(mem, ret, err);
    int32_t at;
    for (int i = 0; i < 4 && status == MW_OK; i++)
        status = mw_schema_add(*ret, mw_str_of(names[i]), (mw_type)i, &at, err);
    if (status != MW_OK) *ret = mw_schema_free(*ret);
    return status;
}

static void set_bit(uint8_t *bits, int64_t i, bool on) {
    bits[i / 8] = (uint8_t)((bits[i / 8] & ~(1u << (i % 8))) | (unsigned)on << (i % 8));
}

/* Rows first .. first + n; n_columns < 4: a chunk from before the schema grew. */
static mw_status make_chunk(mw_mem *mem, mw_schema *schema, int64_t first, int64_t n,
                            int32_t n_columns, bool whole, mw_chunk **ret, mw_err *err) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_FLOAT64, MW_BOOL, MW_DICTIONARY};
    mw_chunk *c;
    mw_status status = mw_chunk_new(mem, types, n_columns, n + 3, &c, err);
    for (int k = 0; k < 4 && status == MW_OK && n_columns == 4; k++) {
        int32_t code;
        status =
            mw_dictionary_add(schema->columns[3].dictionary, mw_str_of(DEVICES[k]), &code, err);
        if (status != MW_OK) mw_chunk_free(c);
    }
    if (status != MW_OK) return status;
    c->n_rows = n;
    for (int64_t row = 0; row < n; row++) {
        int64_t i = first + row;
        c->columns[0].time[row] = i % 13 == 5 && !whole ? MW_TIME_NONE : (i - 50) * 1234567;
        c->columns[1].number[row] = i % 7 == 3 && !whole ? MW_NAN : (double)i * 0.1 - 5;
        if (n_columns < 4) continue;
        set_bit(c->columns[2].validity, row, i % 5 != 1 || whole);
        set_bit(c->columns[2].bits, row, i % 3 == 0);
        c->columns[3].codes[row] = i % 11 == 4 && !whole ? -1 : (int32_t)(i % 4);
    }
    *ret = c;
    return MW_OK;
}

/* sizes [n]: rows of each chunk; row numbers go on. */
static mw_status write_file(const mw_ctx *c, mw_dir *where, const char *name, const int64_t *sizes,
                            size_t n, bool whole, mw_err *err) {
    static const mw_meta meta[] = {{"plant", "S\xc3\xbc"
                                             "d"},
                                   {"empty", ""}};
    mw_schema *schema = NULL;
    mw_file *file = NULL;
    mw_ipc_writer *writer = NULL;
    mw_status status = make_schema(c->mem, &schema, err);
    if (status == MW_OK) status = mw_file_create(c, where, name, &file, err);
    if (status == MW_OK) status = mw_ipc_writer_new(c, schema, meta, 2, file, &writer, err);
    int64_t first = 0;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_chunk *chunk;
        status = make_chunk(c->mem, schema, first, sizes[i], 4, whole, &chunk, err);
        if (status != MW_OK) break;
        status = mw_ipc_writer_add(writer, chunk, err);
        mw_chunk_free(chunk);
        first += sizes[i];
    }
    if (status == MW_OK) status = mw_ipc_writer_finish(writer, err);
    mw_ipc_writer_free(writer);
    mw_schema_free(schema);
    if (status == MW_OK) return mw_file_commit(file, err);
    mw_file_abort(file);
    return status;
}

static void assert_cells(const mw_schema *schema, const mw_chunk *c, int64_t first, bool whole) {
    for (int64_t row = 0; row < c->n_rows; row++) {
        int64_t i = first + row;
        bool has[] = {i % 13 != 5 || whole, i % 7 != 3 || whole, i % 5 != 1 || whole,
                      i % 11 != 4 || whole};
        assert_true(c->columns[0].time[row] == (has[0] ? (i - 50) * 1234567 : MW_TIME_NONE));
        assert_true(has[1] ? c->columns[1].number[row] == (double)i * 0.1 - 5
                           : mw_isnan(c->columns[1].number[row]));
        assert_int_equal(c->columns[2].validity[row / 8] >> (row % 8) & 1, has[2]);
        assert_int_equal(c->columns[2].bits[row / 8] >> (row % 8) & 1, has[2] && i % 3 == 0);
        mw_str text = mw_dictionary_text(schema->columns[3].dictionary, c->columns[3].codes[row]);
        assert_true(mw_str_is(text, has[3] ? DEVICES[i % 4] : ""));
    }
}

/* want [4]: values of each column. */
static void check_survey(const char *name, int64_t n, const int64_t *want) {
    mw_err err = {0};
    mw_schema *schema;
    int64_t *counts, n_rows;
    assert_ok(mw_ipc_survey(&ctx, dir, name, &schema, &counts, &n_rows, &err));
    assert_int_equal(n_rows, n);
    assert_int_equal(schema->n_columns, 4);
    assert_int_equal(schema->columns[3].type, MW_DICTIONARY);
    assert_int_equal(mw_dictionary_size(schema->columns[3].dictionary), 0);
    assert_memory_equal(counts, want, 4 * sizeof *want);
    mw_schema_free(schema);
    mw_free(counts);
}

/* Reads the file with mw_ipc_read and chunk by chunk; both must give rows 0 .. n. */
static size_t check_file(const char *name, int64_t n, bool whole) {
    mw_err err = {0};
    mw_table *t;
    mw_ipc_reader *reader;
    mw_chunk *chunk;
    int64_t want[4];
    assert_ok(mw_ipc_read(&ctx, dir, name, NULL, 0, &t, &err));
    assert_int_equal(t->n_rows, n);
    assert_int_equal(t->n_columns, 4);
    for (int64_t i = 0; i < n; i++) {
        assert_true(t->columns[0].time[i] ==
                    (i % 13 == 5 && !whole ? MW_TIME_NONE : (i - 50) * 1234567));
        assert_int_equal(mw_column_has(&t->columns[1], i), i % 7 != 3 || whole);
        assert_int_equal(mw_column_has(&t->columns[2], i), i % 5 != 1 || whole);
        assert_true(mw_str_is(mw_column_text(&t->columns[3], i),
                              i % 11 == 4 && !whole ? "" : DEVICES[i % 4]));
    }
    for (int c = 0; c < 4; c++) want[c] = n - t->columns[c].n_missing;
    mw_table_free(t);
    assert_ok(mw_ipc_reader_open(&ctx, dir, name, NULL, 0, &reader, &err));
    assert_int_equal(mw_ipc_reader_rows(reader), n);
    check_survey(name, n, want);
    int64_t first = 0;
    size_t n_chunks = 0;
    for (;;) {
        assert_ok(mw_ipc_reader_next(reader, &chunk, &err));
        if (!chunk) break;
        assert_cells(mw_ipc_reader_schema(reader), chunk, first, whole);
        first += chunk->n_rows;
        n_chunks++;
        mw_chunk_free(chunk);
    }
    assert_int_equal(first, n);
    assert_ok(mw_ipc_reader_next(reader, &chunk, &err)); /* the end stays the end */
    assert_null(chunk);
    mw_ipc_reader_close(reader);
    return n_chunks;
}

MW_TEST(chunks_come_back_as_they_went_in) {
    mw_err err = {0};
    static const int64_t sizes[] = {1, 8, 0, 255, 256, 257, 4096, 5000, 63};
    begin();
    int64_t n = 0;
    for (size_t i = 0; i < 9; i++) n += sizes[i];
    for (int whole = 0; whole < 2; whole++) {
        assert_ok(write_file(&ctx, dir, "t.arrow", sizes, 9, whole, &err));
        assert_int_equal(check_file("t.arrow", n, whole), 8); /* the empty one leaves no trace */
    }
}

MW_TEST(no_bitmap_where_nothing_is_missing) {
    mw_err err = {0};
    mw_map with, without;
    static const int64_t sizes[] = {8000};
    begin();
    assert_ok(write_file(&ctx, dir, "a.arrow", sizes, 1, false, &err));
    assert_ok(write_file(&ctx, dir, "b.arrow", sizes, 1, true, &err));
    assert_ok(mw_map_open(&ctx, dir, "a.arrow", &with, &err));
    assert_ok(mw_map_open(&ctx, dir, "b.arrow", &without, &err));
    assert_int_equal(with.size - without.size, 4 * 1024); /* 1000 bytes each, padded to 64 */
    mw_map_close(&with);
    mw_map_close(&without);
}

MW_TEST(a_file_without_rows_has_its_columns) {
    mw_err err = {0};
    begin();
    assert_ok(write_file(&ctx, dir, "empty.arrow", NULL, 0, false, &err));
    assert_int_equal(check_file("empty.arrow", 0, false), 0);
}

MW_TEST(a_stream_for_other_readers) {
    mw_err err = {0};
    static const int64_t sizes[] = {100, 7, 93};
    begin();
    const char *folder = getenv("MILLWRIGHT_ARROW_OUT");
    if (folder) assert_ok(mw_dir_open(&ctx, folder, MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(write_file(&ctx, dir, "ours_stream.arrow", sizes, 3, false, &err));
    assert_int_equal(check_file("ours_stream.arrow", 200, false), 3);
}

/* Two ways to the same values: a NaN of another bit pattern and a code below -1 are missing, and leave no
 * trace in the bytes. */
MW_TEST(bytes_depend_on_the_values_only) {
    mw_err err = {0};
    mw_map a, b;
    begin();
    static const char *const names[] = {"a", "b"};
    for (int k = 0; k < 2; k++) {
        mw_schema *schema;
        mw_file *file;
        mw_ipc_writer *writer;
        mw_chunk *chunk;
        assert_ok(make_schema(ctx.mem, &schema, &err));
        assert_ok(make_chunk(ctx.mem, schema, 0, 1001, 4, false, &chunk, &err));
        for (int64_t i = 0; i < 1001 && k; i++) {
            const uint64_t odd = UINT64_C(0xfff8000000000123);
            if (mw_isnan(chunk->columns[1].number[i]))
                memcpy(&chunk->columns[1].number[i], &odd, sizeof odd);
            if (chunk->columns[3].codes[i] < 0) chunk->columns[3].codes[i] = -7;
            if (i % 5 == 1) set_bit(chunk->columns[2].bits, i, i % 2);
        }
        if (k) chunk->columns[2].bits[1001 / 8] |= 0xf0; /* beyond the last row */
        assert_ok(mw_file_create(&ctx, dir, names[k], &file, &err));
        assert_ok(mw_ipc_writer_new(&ctx, schema, NULL, 0, file, &writer, &err));
        assert_ok(mw_ipc_writer_add(writer, chunk, &err));
        assert_int_equal(mw_ipc_writer_rows(writer), 1001);
        assert_ok(mw_ipc_writer_finish(writer, &err));
        mw_ipc_writer_free(writer);
        assert_ok(mw_file_commit(file, &err));
        mw_chunk_free(chunk);
        mw_schema_free(schema);
    }
    assert_ok(mw_map_open(&ctx, dir, "a", &a, &err));
    assert_ok(mw_map_open(&ctx, dir, "b", &b, &err));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    mw_map_close(&a);
    mw_map_close(&b);
}

MW_TEST(chunks_from_before_the_schema_grew_lack_its_columns) {
    mw_err err = {0};
    mw_schema *schema;
    mw_file *file;
    mw_ipc_writer *writer;
    mw_chunk *narrow, *wide;
    mw_table *t;
    int32_t at;
    begin();
    assert_ok(make_schema(ctx.mem, &schema, &err));
    assert_ok(mw_file_create(&ctx, dir, "g.arrow", &file, &err));
    assert_ok(mw_ipc_writer_new(&ctx, schema, NULL, 0, file, &writer, &err));
    assert_ok(mw_schema_add(schema, MW_STR("later"), MW_FLOAT64, &at, &err)); /* not of the file */
    assert_ok(make_chunk(ctx.mem, schema, 0, 9000, 2, true, &narrow, &err));
    assert_ok(make_chunk(ctx.mem, schema, 9000, 10, 4, true, &wide, &err));
    assert_ok(mw_ipc_writer_add(writer, narrow, &err));
    assert_ok(mw_ipc_writer_add(writer, wide, &err));
    assert_ok(mw_ipc_writer_finish(writer, &err));
    mw_ipc_writer_free(writer);
    assert_ok(mw_file_commit(file, &err));
    assert_ok(mw_ipc_read(&ctx, dir, "g.arrow", NULL, 0, &t, &err));
    assert_int_equal(t->n_columns, 4);
    assert_int_equal(t->n_rows, 9010);
    assert_int_equal(t->columns[0].n_missing + t->columns[1].n_missing, 0);
    assert_int_equal(t->columns[2].n_missing, 9000);
    assert_int_equal(t->columns[3].n_missing, 9000);
    assert_true(mw_column_has(&t->columns[3], 9000) && !mw_column_has(&t->columns[3], 8999));
    mw_table_free(t);
    mw_chunk_free(narrow);
    mw_chunk_free(wide);
    mw_schema_free(schema);
}

MW_TEST(a_code_without_a_text_is_refused) {
    mw_err err = {0};
    mw_schema *schema;
    mw_file *file;
    mw_ipc_writer *writer;
    mw_chunk *chunk;
    begin();
    assert_ok(make_schema(ctx.mem, &schema, &err));
    assert_ok(make_chunk(ctx.mem, schema, 0, 3000, 4, false, &chunk, &err));
    assert_ok(mw_file_create(&ctx, dir, "x", &file, &err));
    assert_ok(mw_ipc_writer_new(&ctx, schema, NULL, 0, file, &writer, &err));
    chunk->columns[3].codes[1000] = 4;
    assert_status(mw_ipc_writer_add(writer, chunk, &err), MW_EINTERNAL);
    chunk->columns[3].codes[1000] = 3;
    chunk->columns[1].type = MW_BOOL;
    assert_status(mw_ipc_writer_add(writer, chunk, &err), MW_EINTERNAL);
    mw_ipc_writer_free(writer);
    mw_file_abort(file);
    mw_chunk_free(chunk);
    mw_schema_free(schema);
}

/* Batches of 2^20 rows, as whole tables are written, come in slices; wanted columns only. */
MW_TEST(large_batches_come_in_slices) {
    enum { N = (1 << 20) + 77 };
    mw_err err = {0};
    mw_table *t;
    mw_column *time, *number, *flag;
    mw_file *file;
    mw_ipc_reader *reader;
    mw_chunk *chunk;
    begin();
    assert_ok(mw_table_new(ctx.mem, N, &t, &err));
    assert_ok(mw_table_reserve(t, 3, &err));
    assert_ok(mw_table_add(t, MW_STR("time"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_table_add(t, MW_STR("x"), MW_FLOAT64, &number, &err));
    assert_ok(mw_table_add(t, MW_STR("on"), MW_BOOL, &flag, &err));
    for (int64_t i = 0; i < N; i++) {
        time->time[i] = i * 3;
        number->number[i] = i % 10 == 9 ? MW_NAN : (double)i;
        if (i % 4) mw_column_set_bool(flag, i, i % 3 == 1);
    }
    for (int k = 0; k < 3; k++) assert_ok(mw_column_seal(t, &t->columns[k], &err));
    assert_ok(mw_file_create(&ctx, dir, "big.arrow", &file, &err));
    assert_ok(mw_ipc_write(&ctx, t, NULL, 0, file, &err));
    assert_ok(mw_file_commit(file, &err));
    mw_table_free(t);
    static const char *const columns[] = {"on", "nothing", "x"};
    assert_ok(mw_ipc_reader_open(&ctx, dir, "big.arrow", columns, 3, &reader, &err));
    assert_int_equal(mw_ipc_reader_rows(reader), N);
    const mw_schema *schema = mw_ipc_reader_schema(reader);
    assert_int_equal(schema->n_columns, 2);
    assert_string_equal(schema->columns[0].name, "x");
    assert_int_equal(mw_schema_find(schema, MW_STR("on")), 1);
    int64_t i = 0;
    for (;;) {
        bool small = i >= 1 << 18 && i < 1 << 19;
        mw_ipc_reader_limit(reader, small ? 1 : SIZE_MAX);
        assert_ok(mw_ipc_reader_next(reader, &chunk, &err));
        if (!chunk) break;
        assert_true(chunk->n_rows <= (small ? 1024 : 1 << 16));
        for (int64_t row = 0; row < chunk->n_rows; row++, i++) {
            double x = chunk->columns[0].number[row];
            if (i % 10 == 9 ? !mw_isnan(x) : x != (double)i) fail_msg("row %lld", (long long)i);
            int has = chunk->columns[1].validity[row / 8] >> (row % 8) & 1;
            int on = chunk->columns[1].bits[row / 8] >> (row % 8) & 1;
            if (has != (i % 4 != 0) || on != (i % 4 != 0 && i % 3 == 1))
                fail_msg("flag of row %lld", (long long)i);
        }
        mw_chunk_free(chunk);
    }
    assert_int_equal(i, N);
    mw_ipc_reader_close(reader);
}

/* Whatever a damaged file does to mw_ipc_read, the stream reader refuses it too, or reads the same rows. */
MW_TEST(damaged_files_are_refused_as_by_the_whole_reader) {
    mw_err err = {0};
    static const int64_t sizes[] = {50, 30};
    begin();
    assert_ok(write_file(&ctx, dir, "t.arrow", sizes, 2, false, &err));
    char *bytes;
    size_t size;
    assert_ok(mw_file_read(&ctx, dir, "t.arrow", 1 << 20, &bytes, &size, &err));
    size_t n_refused = 0;
    for (size_t at = 0; at < size; at += 3) {
        char before = bytes[at];
        bytes[at] = (char)(before ^ 0x15);
        assert_ok(mw_file_replace(&ctx, dir, "d.arrow", bytes, size, &err));
        bytes[at] = before;
        mw_table *t = NULL;
        mw_ipc_reader *reader = NULL;
        mw_chunk *chunk = NULL;
        mw_status whole = mw_ipc_read(&ctx, dir, "d.arrow", NULL, 0, &t, &err);
        int64_t rows = t ? t->n_rows : 0, read = 0;
        mw_table_free(t);
        mw_status status = mw_ipc_reader_open(&ctx, dir, "d.arrow", NULL, 0, &reader, &err);
        while (status == MW_OK) {
            status = mw_ipc_reader_next(reader, &chunk, &err);
            if (status != MW_OK || !chunk) break;
            read += chunk->n_rows;
            mw_chunk_free(chunk);
        }
        mw_ipc_reader_close(reader);
        if ((status == MW_OK) != (whole == MW_OK) || (whole == MW_OK && read != rows))
            fail_msg("byte %zu: %s and %s: %s", at, mw_status_name(whole), mw_status_name(status),
                     err.message);
        n_refused += whole != MW_OK;
        mw_schema *schema; /* the frames alone may be sound where a value is not */
        int64_t *counts, n_rows;
        status = mw_ipc_survey(&ctx, dir, "d.arrow", &schema, &counts, &n_rows, &err);
        if (status == MW_OK) {
            mw_schema_free(schema);
            mw_free(counts);
        } else if (whole == MW_OK) {
            fail_msg("byte %zu: the survey says %s", at, err.message);
        }
    }
    assert_true(n_refused > 100);
    mw_free(bytes);
}

MW_TEST(columns_without_codes_of_other_types_are_named) {
    mw_err err = {0};
    mw_table *t;
    mw_file *file;
    mw_ipc_reader *reader;
    static const mw_str texts[] = {{"a", 1}, {"b", 1}};
    static const char *const none[] = {"x"};
    begin();
    assert_ok(mw_table_new(ctx.mem, 2, &t, &err));
    assert_ok(mw_table_add_texts(t, MW_STR("note"), texts, NULL, &err));
    assert_ok(mw_file_create(&ctx, dir, "u.arrow", &file, &err));
    assert_ok(mw_ipc_write(&ctx, t, NULL, 0, file, &err));
    assert_ok(mw_file_commit(file, &err));
    mw_table_free(t);
    assert_status(mw_ipc_reader_open(&ctx, dir, "u.arrow", NULL, 0, &reader, &err),
                  MW_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "\"note\""));
    assert_ok(mw_ipc_reader_open(&ctx, dir, "u.arrow", none, 1, &reader, &err));
    mw_ipc_reader_close(reader);
    assert_status(mw_ipc_reader_open(&ctx, dir, "none.arrow", NULL, 0, &reader, &err),
                  MW_ENOTFOUND);
}

/* --- faults ---------------------------------------------------------------------------------- */

static mw_status round_trip(const mw_ctx *c, void *arg, mw_err *err) {
    static const int64_t sizes[] = {20, 30000, 10};
    (void)arg;
    mw_dir *where;
    mw_ipc_reader *reader = NULL;
    mw_chunk *chunk = NULL;
    mw_schema *schema;
    int64_t *counts, n_rows;
    mw_status status = mw_dir_open(c, mw_test_folder(), MW_DIR_MUST_EXIST, &where, err);
    if (status != MW_OK) return status;
    status = write_file(c, where, "f.arrow", sizes, 3, false, err);
    if (status == MW_OK)
        status = mw_ipc_survey(c, where, "f.arrow", &schema, &counts, &n_rows, err);
    if (status == MW_OK) {
        mw_schema_free(schema);
        mw_free(counts);
    }
    if (status == MW_OK) status = mw_ipc_reader_open(c, where, "f.arrow", NULL, 0, &reader, err);
    while (status == MW_OK) {
        status = mw_ipc_reader_next(reader, &chunk, err);
        if (status != MW_OK || !chunk) break;
        mw_chunk_free(chunk);
    }
    mw_ipc_reader_close(reader);
    (void)mw_dir_remove(&ctx, where, "f.arrow", NULL);
    mw_dir_close(where);
    return status;
}

static void nothing_left(void *arg, uint64_t n) {
    mw_err err = {0};
    mw_dir_entry *entries;
    size_t count;
    (void)arg, (void)n;
    assert_ok(mw_dir_list(&ctx, dir, &entries, &count, &err));
    assert_int_equal(count, 0);
    mw_free(entries);
}

MW_TEST(survives_any_failed_allocation) {
    begin();
    assert_true(mw_fault_loop_alloc(round_trip, NULL) > 10);
}

MW_TEST(leaves_nothing_after_any_failed_call) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_WRITE, MW_IO_FSYNC, MW_IO_CLOSE,
                                       MW_IO_RENAME};
    begin();
    for (size_t i = 0; i < 5; i++)
        assert_true(mw_fault_loop_io(round_trip, NULL, kinds[i], ENOSPC, nothing_left) > 0);
}

MW_TEST_MAIN(MW_RUN(chunks_come_back_as_they_went_in), MW_RUN(no_bitmap_where_nothing_is_missing),
             MW_RUN(a_file_without_rows_has_its_columns), MW_RUN(a_stream_for_other_readers),
             MW_RUN(bytes_depend_on_the_values_only),
             MW_RUN(chunks_from_before_the_schema_grew_lack_its_columns),
             MW_RUN(a_code_without_a_text_is_refused), MW_RUN(large_batches_come_in_slices),
             MW_RUN(damaged_files_are_refused_as_by_the_whole_reader),
             MW_RUN(columns_without_codes_of_other_types_are_named),
             MW_RUN(survives_any_failed_allocation), MW_RUN(leaves_nothing_after_any_failed_call))
