/*
 * test_reader.c -- blocks of a file put together: rows that go on in the next block, what refused or misread rows may not leave
 * behind, lines longer than a row may be, when a file is hopeless. fuzz_reader.c compares the two ways to read a block.
 */
#include "core/table/ipc.h"
#include "keep/ingest/ingest.h"
#include "keep/ingest/reader.h"
#include "unit/ingest/ingest_files.h"

typedef struct run_state {
    mw_ctx ctx;
    mw_dir *staging;
    mw_args *args;
    mw_ingest_result result;
    mw_table *table;
} run;

static mw_err err;

static void begin_with(run *r, const char *share, const char *collisions) {
    char path[600];
    memset(r, 0, sizeof *r);
    mw_ctx_init(&r->ctx);
    snprintf(path, sizeof path, "%s/staging", mw_test_folder());
    assert_ok(mw_dir_open(&r->ctx, path, MW_DIR_CREATE, &r->staging, &err));
    assert_ok(mw_args_new(NULL, mw_ingest_all_params(), &r->args, &err));
    assert_ok(mw_args_set(r->args, MW_STR("max_reject_share"), mw_str_of(share), &err));
    if (collisions)
        assert_ok(mw_args_set(r->args, MW_STR("collisions"), mw_str_of(collisions), &err));
    assert_ok(mw_args_finish(r->args, &err));
}

static void begin(run *r, const char *share) { begin_with(r, share, NULL); }

static void end(run *r) {
    mw_table_free(r->table);
    mw_ingest_result_done(&r->result);
    mw_args_free(r->args);
    mw_dir_close(r->staging);
}

static const mw_ingest_file *ingest(run *r, const char *path) {
    assert_ok(
        mw_ingest_run(&r->ctx, &path, 1, NULL, 0, NULL, r->args, r->staging, &r->result, &err));
    const mw_ingest_file *file = &r->result.files[0];
    const char *segment = file->segments[0].file;
    assert_int_equal(file->n_segments, 1);
    assert_ok(mw_ipc_read(&r->ctx, r->staging, segment, NULL, 0, &r->table, &err));
    return file;
}

static int32_t n_texts(const run *r, const char *name) {
    const mw_column *column = mw_table_column(r->table, name);
    assert_non_null(column);
    assert_int_equal(column->type, MW_DICTIONARY);
    return mw_dictionary_size(column->dictionary);
}

/* Each row has a text of lines that would be rows themselves, of 3 KB: every block begins inside one. */
static void rows_in_quotes(mw_buf *text, const char *row, int n) {
    for (int i = 0; i < n; i++) {
        mw_buf_printf(text, row, i / 60 % 60, i % 60);
        mw_buf_add(text, ",\"begin\n");
        for (int k = 0; k < 80; k++) {
            mw_buf_printf(text, "2026-01-01 00:00:00,ghost%d,", k);
            mw_buf_add(text, k % 2 ? "fake,1,x\n" : "oops,word,x\n");
        }
        mw_buf_add(text, "end\"\n");
    }
}

MW_TEST(lines_inside_quotes_are_no_rows_wherever_blocks_end) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "time,device_id,temp,load,note\n");
    rows_in_quotes(&text, "2026-01-01 00:%02d:%02d,d1,1.5,2", 300);
    begin(&r, "0");
    const char *path = put_bytes("notes.csv", mw_buf_text(&text), text.size);
    const mw_ingest_file *file = ingest(&r, path);
    assert_true(text.size > 3 * 256 << 10);
    assert_int_equal(file->n_rows, 300);
    assert_int_equal(file->n_rejected, 0);
    assert_int_equal(n_texts(&r, "device_id"), 1);
    assert_int_equal(n_texts(&r, "note"), 1);
    assert_int_equal(mw_table_column(r.table, "load")->type, MW_FLOAT64);
    end(&r);
    mw_table *table;
    mw_plain_bad bad;
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_ingest_plain_as(&ctx, path, NULL, NULL, 0, &table, &bad, &err));
    assert_int_equal(table->n_rows, 300);
    assert_int_equal(bad.n, 0);
    assert_int_equal(mw_table_column(table, "temp")->type, MW_FLOAT64);
    assert_int_equal(mw_table_column(table, "load")->type, MW_FLOAT64);
    mw_table_free(table);
    mw_buf_done(&text);
}

MW_TEST(lines_inside_quotes_are_no_parameters) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "time,device_id,parameter,value,category\n");
    rows_in_quotes(&text, "2026-01-01 00:%02d:%02d,d1,p,2", 300);
    begin(&r, "0");
    const mw_ingest_file *file = ingest(&r, put_bytes("notes.csv", mw_buf_text(&text), text.size));
    assert_int_equal(file->n_rows, 300);
    assert_int_equal(r.table->n_columns, 4); /* time, device_id, category, p */
    assert_int_equal(n_texts(&r, "device_id"), 1);
    assert_int_equal(n_texts(&r, "category"), 1);
    mw_buf_done(&text);
    end(&r);
}

MW_TEST(refused_rows_leave_nothing) {
    run r;
    begin(&r, "0.9");
    const mw_ingest_file *file =
        ingest(&r, put_text("wide.csv", "time,device_id,temp\n2026-01-01,a,1\n2026-01-02,b,1e999\n"
                                        "2026-01-03,c,2\n2026-01-04,d,-1e999\nno time,e,3\n"));
    assert_int_equal(file->n_rejected, 3);
    assert_int_equal(n_texts(&r, "device_id"), 2);
    end(&r);
    begin(&r, "0.9");
    file = ingest(&r, put_text("long.csv", "time,device_id,parameter,value\n2026-01-01,a,p,1\n"
                                           "2026-01-02,b,q,x\n2026-01-03,c,r,2\nno time,d,s,3\n"));
    assert_int_equal(file->n_rejected, 2);
    assert_int_equal(n_texts(&r, "device_id"), 2);
    assert_int_equal(r.table->n_columns, 4); /* time, device_id, p, r */
    end(&r);
}

/* "a\"b" with its quote doubled is no other text with two. */
MW_TEST(doubled_quotes_are_one_in_every_row) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_add(&text, "time,note\n");
    for (int i = 0; i < 40; i++)
        mw_buf_printf(&text, "2026-01-01 00:00:%02d,%s\n", i,
                      i % 2   ? "\"a\"\"b\""
                      : i % 4 ? "x"
                              : "\"a\"\"\"\"b\"");
    begin(&r, "0");
    ingest(&r, put_bytes("quotes.csv", mw_buf_text(&text), text.size));
    const mw_column *note = mw_table_column(r.table, "note");
    for (int i = 0; i < 40; i++) {
        mw_str got = mw_dictionary_text(note->dictionary, note->codes[i]);
        assert_true(mw_str_is(got, i % 2 ? "a\"b" : i % 4 ? "x" : "a\"\"b"));
    }
    mw_buf_done(&text);
    end(&r);
}

/* A doubled quote counts once: a text is not longer for the way that its block was read. */
MW_TEST(the_limit_of_a_text_is_one_of_what_it_means) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_add(&text, "time,note\n");
    for (int more = 0; more < 2; more++) {
        mw_buf_printf(&text, "2026-01-0%d,\"", more + 1);
        for (int i = 0; i < 100; i++) mw_buf_add(&text, "\"\"");
        for (int i = 0; i < 4096 - 100 + more; i++) mw_buf_add_char(&text, 'x');
        mw_buf_add(&text, "\"\n");
    }
    begin(&r, "0.9");
    const mw_ingest_file *file = ingest(&r, put_bytes("long.csv", mw_buf_text(&text), text.size));
    assert_int_equal(file->n_rows, 1);
    assert_int_equal(file->n_rejected, 1);
    const mw_column *note = mw_table_column(r.table, "note");
    assert_int_equal(mw_dictionary_text(note->dictionary, note->codes[0]).size, 4096);
    mw_buf_done(&text);
    end(&r);
}

/* However long it is: where the comma is the decimal mark, a point is none. */
MW_TEST(a_long_number_keeps_to_the_files_decimal_mark) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 20);
    mw_buf_add(&text, "time;temp;load\n");
    for (int i = 0; i < 10; i++) mw_buf_printf(&text, "2026-01-01 00:00:%02d;%d,5;2,5\n", i, i);
    for (int k = 0; k < 2; k++) {
        mw_buf_printf(&text, "2026-01-01 00:00:1%d;0%c", k, k ? '.' : ',');
        for (int i = 0; i < 1100; i++) mw_buf_add_char(&text, '8');
        mw_buf_add(&text, ";2,5\n");
    }
    begin(&r, "0.9");
    const mw_ingest_file *file = ingest(&r, put_bytes("comma.csv", mw_buf_text(&text), text.size));
    assert_int_equal(file->n_rejected, 1);
    assert_int_equal(file->n_rows, 11);
    assert_true(mw_table_column(r.table, "temp")->number[10] == 8.0 / 9.0);
    mw_buf_done(&text);
    end(&r);
}

/* A padded cell is read alone, the others by columns: both know a mark by its value. */
MW_TEST(a_mark_that_is_a_number_is_missing_however_written) {
    static const char *const cells[] = {"-999", "-999,0", " -999,0", "-9,99e2\t", "-999.0", "-998"};
    static const mw_cell kinds[] = {MW_CELL_MISSING, MW_CELL_MISSING, MW_CELL_MISSING,
                                    MW_CELL_MISSING, MW_CELL_TEXT,    MW_CELL_NUMBER};
    static const char *const marks[] = {"-999", "1"};
    mw_cell_rules rules = {.decimal = ',', .marks = marks, .n_marks = 2};
    double values[2], value = 0;
    rules.n_mark_values = mw_cell_mark_values(&rules, values);
    rules.mark_values = values;
    assert_int_equal(rules.n_mark_values, 2);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        assert_int_equal(mw_cell_read_as(&rules, mw_str_of(cells[i]), &value), kinds[i]);
    assert_true(value == -998);
    assert_int_equal(mw_cell_read_as(&rules, MW_STR("true"), &value), MW_CELL_BOOL);
}

MW_TEST(a_line_over_two_rows_limit_is_one_refused_row) {
    static const char *const fillers[] = {"1,", "123456789,12345,", "no separator"};
    for (int f = 0; f < 3; f++) {
        run r;
        mw_buf text;
        mw_buf_init(&text, NULL, 1 << 26);
        mw_buf_add(&text, "time,device_id,temp\n");
        for (int i = 0; i < 50; i++) mw_buf_printf(&text, "2026-01-01 00:00:%02d,d,1\n", i);
        while (text.size < 9 << 20) mw_buf_add(&text, fillers[f]);
        mw_buf_add(&text, ",x\n2026-01-01 00:01:00,d,2\n");
        begin(&r, "0.1");
        const mw_ingest_file *file =
            ingest(&r, put_bytes("long.csv", mw_buf_text(&text), text.size));
        assert_int_equal(file->n_rows, 51);
        assert_int_equal(file->n_rejected, 1);
        mw_buf_done(&text);
        end(&r);
    }
}

/* Two of a hundred are refused, but at first one of eleven. */
MW_TEST(a_file_is_hopeless_only_when_that_is_certain) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "time,temp\n");
    for (int i = 0; i < 20000; i++) mw_buf_add(&text, "2026-01-01 00:00:00,1\n");
    for (int i = 0; i < 2000; i++) mw_buf_add(&text, "2026-01-01 00:00:00,x\n");
    for (int i = 0; i < 78000; i++) mw_buf_add(&text, "2026-01-01 00:00:00,1\n");
    begin(&r, "0.05");
    const mw_ingest_file *file = ingest(&r, put_bytes("some.csv", mw_buf_text(&text), text.size));
    assert_int_equal(file->n_rejected, 2000);
    assert_int_equal(file->n_lines, 100000);
    mw_buf_done(&text);
    end(&r);
}

static void correct(run *r, const char *name, const char *wrong, const char *right) {
    char path[700], data[8192];
    snprintf(path, sizeof path, "%s/staging/%s", mw_test_folder(), name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(data, 1, sizeof data - 1, file);
    fclose(file);
    data[n] = '\0';
    char *at = strstr(data, wrong);
    assert_non_null(at);
    memcpy(at, right, strlen(right));
    end(r);
    begin(r, "0");
    assert_int_equal(ingest(r, put_bytes("corrected.csv", data, n))->n_rejected, 0);
}

MW_TEST(rejects_of_latin1_are_read_again) {
    run r;
    begin(&r, "0.9");
    const mw_ingest_file *file =
        ingest(&r, put_text("oven.csv", "time,\xD6"
                                        "fen\n2026-01-01,1.5\n2026-01-02,bad\n2026-01-03,2\n"));
    assert_int_equal(file->n_rejected, 1);
    correct(&r, file->rejects, ",bad", ",7.5");
    const mw_column *column = mw_table_column(r.table, "\xC3\x96"
                                                       "fen");
    assert_non_null(column);
    assert_true(column->number[0] == 7.5);
    end(&r);
}

/* Blocks hold two readings of a cell, then a third and a fourth: their mean is that of four. */
MW_TEST(the_mean_of_a_cell_is_that_of_all_blocks) {
    run r;
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 26);
    const char *cell = "2026-01-01 00:00:00,d1,p,%d\n";
    mw_buf_add(&text, "time,device_id,parameter,value\n");
    for (int i = 0; i < 2; i++) mw_buf_printf(&text, cell, i);
    for (int i = 0; i < 12000; i++)
        mw_buf_printf(&text, "2026-01-02 %02d:%02d:%02d,d2,p,%d\n", i / 3600, i / 60 % 60, i % 60,
                      i);
    for (int i = 2; i < 4; i++) mw_buf_printf(&text, cell, 9 * i);
    assert_true(text.size > 256 << 10);
    begin_with(&r, "0", "mean");
    const mw_ingest_file *file = ingest(&r, put_bytes("mean.csv", mw_buf_text(&text), text.size));
    assert_int_equal(file->n_rows, 12001);
    assert_int_equal(file->n_collisions, 3);
    assert_true(mw_table_column(r.table, "p")->number[0] == (0 + 1 + 18 + 27) / 4.0);
    mw_buf_done(&text);
    end(&r);
}

MW_TEST_MAIN(MW_RUN(the_mean_of_a_cell_is_that_of_all_blocks),
             MW_RUN(lines_inside_quotes_are_no_rows_wherever_blocks_end),
             MW_RUN(lines_inside_quotes_are_no_parameters), MW_RUN(refused_rows_leave_nothing),
             MW_RUN(doubled_quotes_are_one_in_every_row),
             MW_RUN(the_limit_of_a_text_is_one_of_what_it_means),
             MW_RUN(a_long_number_keeps_to_the_files_decimal_mark),
             MW_RUN(a_mark_that_is_a_number_is_missing_however_written),
             MW_RUN(a_line_over_two_rows_limit_is_one_refused_row),
             MW_RUN(a_file_is_hopeless_only_when_that_is_certain),
             MW_RUN(rejects_of_latin1_are_read_again))
