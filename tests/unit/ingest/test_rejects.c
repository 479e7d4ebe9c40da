/* The rejects file: what is written, in every encoding and line end, and read again without its notes. */
#include "keep/ingest/rejects.h"
#include "keep/ingest/transcode.h"
#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

static const char profile[] = "{\"separator\":\";\"}";

typedef struct plant {
    mw_ctx ctx;
    mw_dir *staging;
    mw_rejects rejects;
} plant;

static void begin(plant *p, const mw_rejects_form *form) {
    mw_err err;
    mw_ctx_init(&p->ctx);
    assert_ok(mw_dir_open(&p->ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &p->staging, &err));
    mw_rejects_init(&p->rejects, &p->ctx, p->staging);
    if (form) mw_rejects_set_form(&p->rejects, form);
}

static void add(plant *p, uint64_t line, const char *column, const char *reason, mw_str row) {
    mw_err err;
    assert_ok(mw_rejects_add(&p->rejects, "part", line, mw_str_of(column), reason, row, &err));
}

/* Commits; the bytes of the file, to be freed. */
static char *end(plant *p, size_t *ret_size) {
    mw_err err;
    char *data;
    assert_ok(mw_rejects_commit(&p->rejects, "part", "x.rejects.csv", &err));
    assert_false(mw_dir_has(p->staging, "part"));
    assert_ok(mw_file_read(&p->ctx, p->staging, "x.rejects.csv", 1 << 20, &data, ret_size, &err));
    mw_rejects_done(&p->rejects);
    mw_dir_close(p->staging);
    return data;
}

static void assert_bytes(const char *data, size_t size, const char *want, size_t n) {
    if (size != n || memcmp(data, want, n) != 0)
        fail_msg("%.*s\nis not\n%.*s", (int)size, data, (int)n, want);
}

/* The text that a reader of the file in the test's folder gets, in pieces of `step`. */
static mw_status read_again(const mw_ctx *ctx, const char *path, size_t step, bool unify,
                            mw_buf *out, mw_err *err) {
    mw_source *source;
    mw_rejects_head head = {0};
    const char *sample;
    size_t size = 0;
    bool whole;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    status = mw_source_peek(source, &sample, &size, &whole, err);
    if (status == MW_OK) status = mw_rejects_recognize(ctx->mem, sample, size, &head, err);
    if (status == MW_OK) status = mw_source_set_text(source, head.text, unify, err);
    if (status == MW_OK && head.found) mw_source_set_notes(source, '"', 0);
    for (size = step; status == MW_OK && size == step;) {
        char piece[4096];
        status = mw_source_fill(source, piece, step, &size, err);
        if (status == MW_OK) mw_buf_append(out, piece, size);
    }
    mw_free(head.profile);
    mw_source_close(source);
    return status != MW_OK ? status : mw_buf_status(out, "rejects", err);
}

static void assert_read(const char *path, bool unify, const char *want) {
    static const size_t steps[] = {4096, 1, 2, 3, 7, 64};
    mw_ctx ctx;
    mw_err err;
    mw_buf out;
    mw_ctx_init(&ctx);
    mw_buf_init(&out, NULL, 1 << 20);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        mw_buf_clear(&out);
        assert_ok(read_again(&ctx, path, steps[i], unify, &out, &err));
        assert_bytes(mw_buf_text(&out), out.size, want, strlen(want));
    }
    mw_buf_done(&out);
}

MW_TEST(rows_are_written_behind_notes_below_their_header) {
    static const char want[] = "#millwright-rejects 1 {\"separator\":\";\"}\r\n"
                               "time;temp\r\n"
                               "#line 17, column \"temp\": not a number: 'abc'\r\n"
                               "2026-01-05;abc\r\n"
                               "#line 19, column \"_;x 'y'\": two lines\r\n"
                               "a;\"b\r\nc\"\r\n";
    plant p;
    size_t size;
    begin(&p, &(mw_rejects_form){.profile = profile,
                                 .header = MW_STR("time;temp"),
                                 .line_end = "\r\n",
                                 .quote = '"',
                                 .separator = ';'});
    add(&p, 17, "temp", "not a number: \"abc\"", MW_STR("2026-01-05;abc"));
    add(&p, 19, ";x \"y\"", "two\nlines", MW_STR("a;\"b\r\nc\""));
    assert_int_equal(p.rejects.n, 2);
    char *data = end(&p, &size);
    assert_bytes(data, size, want, sizeof want - 1);
    mw_free(data);
}

MW_TEST(nothing_is_written_without_rejects) {
    plant p;
    mw_err err;
    begin(&p, NULL);
    assert_ok(mw_rejects_commit(&p.rejects, "part", "x.rejects.csv", &err));
    assert_false(mw_dir_has(p.staging, "x.rejects.csv"));
    mw_rejects_done(&p.rejects);
    mw_dir_close(p.staging);
}

MW_TEST(an_uncommitted_file_is_removed) {
    plant p;
    begin(&p, NULL);
    add(&p, 2, "a", "bad", MW_STR("x"));
    mw_rejects_done(&p.rejects);
    assert_false(mw_dir_has(p.staging, "part"));
    mw_dir_close(p.staging);
}

/* Each encoding and line end: the bytes are those of the source, and reading gives rows without notes. */
MW_TEST(every_encoding_and_line_end_comes_back) {
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    static const char row[] = "22,5 \xc2\xb0"
                              "C;\xe2\x82\xac";
    for (enum mw_source_text text = MW_SOURCE_UTF8; text <= MW_SOURCE_LATIN1; text++)
        for (size_t e = 0; e < 3; e++) {
            plant p;
            size_t size;
            mw_err err;
            mw_buf want, bytes;
            mw_rejects_head head;
            begin(&p, &(mw_rejects_form){.profile = profile,
                                         .header = MW_STR("Gr\xc3\xb6\xc3\x9f"
                                                          "e;x"),
                                         .text = text,
                                         .mark = e == 1,
                                         .line_end = ends[e],
                                         .quote = '"',
                                         .separator = ';'});
            add(&p, 3, "x", "bad", mw_str_of(row));
            char *data = end(&p, &size);
            assert_ok(mw_rejects_recognize(NULL, data, size, &head, &err));
            assert_true(head.found);
            assert_string_equal(head.profile, profile);
            assert_int_equal(head.text, text == MW_SOURCE_LATIN1 ? MW_SOURCE_UTF8 : text);
            mw_buf_init(&want, NULL, 1000);
            mw_buf_init(&bytes, NULL, 1000);
            mw_buf_printf(&want,
                          "Gr\xc3\xb6\xc3\x9f"
                          "e;x%s#line 3, column \"x\": bad%s%s%s",
                          ends[e], ends[e], row, ends[e]);
            mw_text_encode(text, mw_buf_str(&want), &bytes);
            assert_bytes(data + head.body, size - head.body, mw_buf_text(&bytes), bytes.size);
            mw_buf_clear(&want);
            const char *given = e == 1 ? "\r\n" : "\n";
            mw_buf_printf(&want,
                          "%sGr\xc3\xb6\xc3\x9f"
                          "e;x%s%s%s%s",
                          given, given, given, row, given);
            char path[600];
            snprintf(path, sizeof path, "%s/x.rejects.csv", mw_test_folder());
            if (text != MW_SOURCE_LATIN1) assert_read(path, true, mw_buf_text(&want));
            mw_buf_done(&want);
            mw_buf_done(&bytes);
            mw_free(head.profile);
            mw_free(data);
        }
}

/* Rows that look like notes, in the middle of a quoted field too, are escaped and come back. */
MW_TEST(rows_that_look_like_notes_survive) {
    static const char *const rows[] = {"#line 5, column x: y",
                                       "##line 5, column x: y",
                                       "#####line 18446744073709551615, column ",
                                       "#line 5, column",
                                       "#line x, column y",
                                       "#line 123456789012345678901, column y",
                                       "# a comment",
                                       "#",
                                       "###",
                                       "#millwright-rejects 1 {}",
                                       "1,\"a\n#line 7, column b: c\n##line 8, column d\"\n#",
                                       ""};
    plant p;
    size_t size;
    mw_buf want;
    char path[600];
    begin(&p, &(mw_rejects_form){.header = MW_STR("#line 1, column h"), .quote = '"'});
    mw_buf_init(&want, NULL, 10000);
    mw_buf_add(&want, "\n#line 1, column h\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        add(&p, i + 2, "x", "bad", mw_str_of(rows[i]));
        mw_buf_printf(&want, "\n%s\n", rows[i]);
    }
    char *data = end(&p, &size);
    assert_non_null(strstr(data, "\n##line 1, column h\n"));
    snprintf(path, sizeof path, "%s/x.rejects.csv", mw_test_folder());
    assert_read(path, false, mw_buf_text(&want));
    mw_buf_done(&want);
    mw_free(data);
}

MW_TEST(any_row_comes_back) {
    static const char *const words[] = {
        "#", "line ",           "7", ", column ", "\n", "x", "##line 1, column ", "\r",
        ",", "#line 2, column "};
    uint64_t x = mw_test_seed() | 1;
    mw_buf row, escaped, back;
    mw_buf_init(&row, NULL, 10000);
    mw_buf_init(&escaped, NULL, 20000);
    mw_buf_init(&back, NULL, 20000);
    for (int round = 0; round < 20000; round++) {
        mw_buf_clear(&row);
        mw_buf_clear(&escaped);
        mw_buf_clear(&back);
        for (int n = round % 12; n > 0; n--) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            mw_buf_add(&row, words[x % 10]);
        }
        mw_buf_add(&escaped, "head\n");
        mw_reject_escape(mw_buf_str(&row), &escaped);
        mw_notes notes;
        mw_notes_init(&notes, 0, 0);
        for (size_t used = 0, n, made = 1; made > 0 || used < escaped.size;) {
            char piece[5];
            size_t room = 1 + (size_t)round % sizeof piece, left = escaped.size - used;
            if (left > 3) left = 3;
            made = mw_notes_run(&notes, mw_buf_text(&escaped) + used, left,
                                used + left == escaped.size, &n, piece, room);
            used += n;
            mw_buf_append(&back, piece, made);
            if (made == 0 && used == escaped.size) break;
            made = 1;
        }
        assert_int_equal(back.size, row.size + 1);
        assert_memory_equal(back.data + 1, mw_buf_text(&row), row.size);
    }
    mw_buf_done(&row);
    mw_buf_done(&escaped);
    mw_buf_done(&back);
}

MW_TEST(a_note_stays_when_quotes_before_it_are_open) {
    assert_read(put_text("open", "#millwright-rejects 1 {}\na,b\n#line 2, column \"a\": q\n1,\"x\n"
                                 "#line 3, column \"a\": q\n2,3\n#line 4, column \"a\": q\n4,5\n"),
                false, "\na,b\n\n1,\"x\n#line 3, column \"a\": q\n2,3\n\n4,5\n");
    assert_true(mw_reject_is_note(MW_STR("#line 3, column \"a\": q")));
    assert_false(mw_reject_is_note(MW_STR("#line , column \"a\": q")));
    assert_false(mw_reject_is_note(MW_STR("##line 3, column \"a\": q")));
    assert_false(mw_reject_is_note(MW_STR("")));
}

MW_TEST(only_a_head_is_recognized) {
    static const char *const others[] = {"", "a,b\n1,2\n", "#millwright-reject", "# comment\n",
                                         " #millwright-rejects 1 {}\n"};
    mw_rejects_head head;
    mw_err err;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_ok(mw_rejects_recognize(NULL, others[i], strlen(others[i]), &head, &err));
        assert_false(head.found);
        assert_null(head.profile);
    }
    static const char newer[] = "#millwright-rejects 2 {}\n";
    assert_status(mw_rejects_recognize(NULL, newer, sizeof newer - 1, &head, &err),
                  MW_EUNSUPPORTED);
    static const char alone[] = "\xEF\xBB\xBF#millwright-rejects 1 {\"a\":1}";
    assert_ok(mw_rejects_recognize(NULL, alone, sizeof alone - 1, &head, &err));
    assert_string_equal(head.profile, "{\"a\":1}");
    assert_int_equal(head.body, sizeof alone - 1);
    mw_free(head.profile);
}

MW_TEST(too_many_rejects_are_an_error) {
    mw_err err;
    plant p;
    begin(&p, NULL);
    add(&p, 1, "x", "bad", MW_STR("row"));
    assert_status(mw_rejects_fail(&p.rejects, 1, 0.05, &err), MW_EDATA);
    if (!strstr(err.message, "1 of 1 rows") || !strstr(err.message, "line 1, column x: bad"))
        fail_msg("%s", err.message);
    mw_rejects_done(&p.rejects);
    mw_dir_close(p.staging);
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    mw_dir *dir;
    mw_rejects rejects;
    mw_buf out;
    mw_status status = mw_dir_open(ctx, arg, MW_DIR_MUST_EXIST, &dir, err);
    if (status != MW_OK) return status;
    mw_rejects_init(&rejects, ctx, dir);
    mw_rejects_set_form(&rejects, &(mw_rejects_form){.text = MW_SOURCE_UTF16LE, .quote = '"'});
    status = mw_rejects_add(&rejects, "part", 2, MW_STR("x"), "bad", MW_STR("1,2"), err);
    if (status == MW_OK) status = mw_rejects_commit(&rejects, "part", "y.rejects.csv", err);
    mw_rejects_done(&rejects);
    if (status != MW_OK && mw_dir_has(dir, "part")) fail_msg("part was left behind");
    if (status == MW_OK) {
        char path[600];
        snprintf(path, sizeof path, "%s/y.rejects.csv", (const char *)arg);
        mw_buf_init(&out, ctx->mem, 1000);
        status = read_again(ctx, path, 64, true, &out, err);
        mw_buf_done(&out);
    }
    mw_dir_close(dir);
    return status;
}

MW_TEST(every_fault_is_survived) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s", mw_test_folder());
    assert_in_range(mw_fault_loop_alloc(scenario, folder), 10, 100);
    assert_true(mw_fault_loop_io(scenario, folder, MW_IO_WRITE, 28, NULL) >= 1);
    assert_true(mw_fault_loop_io(scenario, folder, MW_IO_RENAME, 5, NULL) >= 1);
    assert_true(mw_fault_loop_io(scenario, folder, MW_IO_FSYNC, 5, NULL) >= 1);
    assert_true(mw_fault_loop_io(scenario, folder, MW_IO_READ, 5, NULL) >= 1);
}

MW_TEST_MAIN(MW_RUN(rows_are_written_behind_notes_below_their_header),
             MW_RUN(nothing_is_written_without_rejects), MW_RUN(an_uncommitted_file_is_removed),
             MW_RUN(every_encoding_and_line_end_comes_back),
             MW_RUN(rows_that_look_like_notes_survive), MW_RUN(any_row_comes_back),
             MW_RUN(a_note_stays_when_quotes_before_it_are_open), MW_RUN(only_a_head_is_recognized),
             MW_RUN(too_many_rejects_are_an_error), MW_RUN(every_fault_is_survived))
