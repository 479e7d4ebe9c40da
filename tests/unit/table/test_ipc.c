/*
 * Arrow IPC files: our own bytes (also opened by tests/quality/arrow_interop.py), those of pyarrow and
 * Polars (tests/golden/arrow/make.py, versions beside it), and damaged ones.
 * MILLWRIGHT_ARROW_OUT=FOLDER: the files written here are put there too.
 */
#include "support/harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/dir.h"
#include "core/table/arrow.h"
#include "core/text/datetime.h"
#include "support/fault_loop.h"

static mw_mem mem;
static mw_ctx ctx;

static void begin(void) {
    mw_mem_init(&mem, NULL, 0);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
}

static const char *const DEVICES[] = {"pump", "fan",
                                      ("gr\xc3\xbc\xc3\x9f"
                                       "e"),
                                      "press 3"};
static const mw_meta META[] = {{"plant", ("S\xc3\xbc"
                                          "d")},
                               {"empty", ""}};

/* --- the table of make.py's rows() ----------------------------------------------------------- */

static mw_status fill(mw_table *t, mw_column *c, int64_t n, mw_err *err) {
    for (int64_t i = 0; i < n; i++) {
        switch (c->type) {
        case MW_TIMESTAMP: c->time[i] = i % 13 == 5 ? MW_TIME_NONE : (i - 50) * 1234567; break;
        case MW_FLOAT64: c->number[i] = i % 7 == 3 ? NAN : (double)i * 0.1 - 5; break;
        case MW_FLOAT32: c->single[i] = i % 9 == 2 ? NAN : (float)i * 0.5F; break;
        case MW_BOOL:
            if (i % 5 != 1) mw_column_set_bool(c, i, i % 3 == 0);
            break;
        case MW_DICTIONARY: c->codes[i] = i % 11 == 4 ? -1 : (int32_t)(i % 4); break;
        case MW_UTF8: break;
        }
    }
    return mw_column_seal(t, c, err);
}

static mw_status add_notes(mw_mem *account, mw_table *t, int64_t n, mw_err *err) {
    mw_str *texts = mw_alloc_array(account, (size_t)n, sizeof *texts);
    char *bytes = mw_alloc_array(account, (size_t)n, 24);
    mw_status status = MW_ENOMEM;
    if (texts && bytes) {
        for (int64_t i = 0; i < n; i++) {
            char *text = bytes + i * 24;
            int size = snprintf(text, 24, "note %lld", (long long)i);
            texts[i] = (mw_str){text, i % 10 == 0 ? 0 : (size_t)size};
            if (i % 6 == 2) texts[i].data = NULL;
        }
        status = mw_table_add_texts(t, MW_STR("note"), texts, NULL, err);
    } else {
        mw_fail_nomem(err, "notes");
    }
    mw_free(texts);
    mw_free(bytes);
    return status;
}

static mw_status make_rows(mw_mem *account, int64_t n, mw_table **ret, mw_err *err) {
    static const char *const names[] = {"time", "value", "on", "device"};
    mw_table *t;
    mw_status status = mw_table_new(account, n, &t, err);
    if (status != MW_OK) return status;
    for (int i = 0; i < 4 && status == MW_OK; i++) {
        mw_column *c = NULL;
        status = mw_table_add(t, mw_str_of(names[i]), (mw_type)i, &c, err);
        for (int k = 0; k < 4 && i == 3 && status == MW_OK; k++) {
            int32_t code;
            status = mw_dictionary_add(c->dictionary, mw_str_of(DEVICES[k]), &code, err);
        }
        if (status == MW_OK) status = fill(t, c, n, err);
    }
    if (status == MW_OK) status = add_notes(account, t, n, err);
    if (status != MW_OK) {
        mw_table_free(t);
        return status;
    }
    *ret = t;
    return MW_OK;
}

static void assert_rows(const mw_table *t, int64_t first, int64_t n) {
    assert_int_equal(t->n_rows, n);
    assert_int_equal(t->n_columns, 5);
    for (int64_t row = 0; row < n; row++) {
        int64_t i = first + row;
        char note[32];
        snprintf(note, sizeof note, "note %lld", (long long)i);
        assert_true(t->columns[0].time[row] == (i % 13 == 5 ? MW_TIME_NONE : (i - 50) * 1234567));
        double value = t->columns[1].number[row];
        assert_true(i % 7 == 3 ? isnan(value) : value == (double)i * 0.1 - 5);
        assert_int_equal(mw_column_has(&t->columns[2], row), i % 5 != 1);
        assert_int_equal(mw_column_bool(&t->columns[2], row), i % 5 != 1 && i % 3 == 0);
        assert_int_equal(mw_column_has(&t->columns[3], row), i % 11 != 4);
        assert_true(
            mw_str_is(mw_column_text(&t->columns[3], row), i % 11 == 4 ? "" : DEVICES[i % 4]));
        assert_int_equal(mw_column_has(&t->columns[4], row), i % 6 != 2);
        assert_true(
            mw_str_is(mw_column_text(&t->columns[4], row), i % 6 == 2 || i % 10 == 0 ? "" : note));
    }
}

/* --- bytes in memory ------------------------------------------------------------------------- */

static mw_status append(void *self, const void *data, size_t size, mw_err *err) {
    mw_buf *buf = self;
    mw_buf_append(buf, data, size);
    return mw_buf_status(buf, "the file", err);
}

static mw_status write_bytes(const mw_ctx *c, const mw_table *t, mw_buf *out, mw_err *err) {
    mw_arrow_sink sink = {append, out, 0};
    return mw_arrow__write(c, t, META, 2, &sink, err);
}

static uint8_t *load(const char *name, size_t *size) {
    char path[256];
    snprintf(path, sizeof path, "%s/arrow/%s", mw_test_golden(), name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    uint8_t *data = malloc(1 << 20);
    assert_non_null(data);
    *size = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void keep(const char *name, const mw_buf *bytes) {
    const char *folder = getenv("MILLWRIGHT_ARROW_OUT");
    char path[512];
    if (!folder) return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, f), bytes->size);
    fclose(f);
}

static mw_status read_golden(const char *name, mw_table **ret, mw_err *err) {
    size_t size;
    uint8_t *data = load(name, &size);
    mw_status status = mw_arrow__read(&ctx, data, size, name, NULL, 0, ret, err);
    free(data);
    return status;
}

/* --- tests ----------------------------------------------------------------------------------- */

MW_TEST(writes_the_same_bytes) {
    static const struct {
        const char *name;
        int64_t n;
    } files[] = {{"ours.arrow", 200}, {"ours_empty.arrow", 0}};
    begin();
    mw_err err;
    for (int i = 0; i < 2; i++) {
        mw_table *t;
        mw_buf bytes;
        mw_buf_init(&bytes, &mem, 1 << 20);
        assert_ok(make_rows(&mem, files[i].n, &t, &err));
        assert_ok(write_bytes(&ctx, t, &bytes, &err));
        keep(files[i].name, &bytes);
        size_t size;
        uint8_t *want = load(files[i].name, &size);
        assert_int_equal(bytes.size, size);
        assert_memory_equal(bytes.data, want, size);
        free(want);
        mw_table_free(t);
        assert_ok(read_golden(files[i].name, &t, &err));
        assert_rows(t, 0, files[i].n);
        mw_table_free(t);
        mw_buf_done(&bytes);
    }
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(reads_what_pyarrow_writes) {
    static const struct {
        const char *name;
        int64_t first, n;
    } files[] = {{"pyarrow.arrow", 0, 200},
                 {"batches.arrow", 0, 200},
                 {"sliced.arrow", 60, 90},
                 {"empty.arrow", 0, 0},
                 {"int8codes.arrow", 0, 200}};
    begin();
    mw_err err;
    mw_table *t;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_ok(read_golden(files[i].name, &t, &err));
        assert_rows(t, files[i].first, files[i].n);
        mw_table_free(t);
    }
    assert_ok(read_golden("nonulls.arrow", &t, &err));
    assert_null(t->columns[0].validity);
    assert_true(t->columns[0].number[1] == -2.5);
    assert_true(mw_str_is(mw_column_text(&t->columns[1], 1), "b"));
    mw_table_free(t);
    assert_ok(read_golden("pandas.arrow", &t, &err));
    assert_int_equal(t->columns[0].n_missing, 1);
    assert_true(mw_str_is(mw_column_text(mw_table_column(t, "device"), 0), "x"));
    assert_false(mw_column_has(mw_table_column(t, "device"), 1));
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(refuses_clearly_what_it_does_not_know) {
    static const struct {
        const char *name;
        const char *says;
    } files[] = {
        {"refused_ns.arrow", "unit"},          {"refused_int64.arrow", "column \"n\""},
        {"refused_list.arrow", "nested"},      {"refused_lz4.arrow", "compressed"},
        {"refused_v4.arrow", "older than V5"}, {"refused_delta.arrow", "delta"},
        {"refused_newer.arrow", "format 2"},   {"refused_large.arrow", "another type than string"}};
    begin();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        mw_err err = {0};
        mw_table *t = NULL;
        assert_status(read_golden(files[i].name, &t, &err), MW_EUNSUPPORTED);
        assert_non_null(strstr(err.message, files[i].name));
        if (!strstr(err.message, files[i].says)) fail_msg("%s", err.message);
        assert_true(err.hint[0] != 0);
        assert_null(t);
    }
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(reads_chosen_columns_and_metadata) {
    begin();
    mw_err err;
    mw_table *t;
    size_t size;
    uint8_t *data = load("ours.arrow", &size);
    const char *const some[] = {"note", "missing", "value"};
    assert_ok(mw_arrow__read(&ctx, data, size, "x", some, 3, &t, &err));
    assert_int_equal(t->n_columns, 2);
    assert_string_equal(t->columns[0].name, "value");
    assert_string_equal(t->columns[1].name, "note");
    mw_table_free(t);
    assert_ok(mw_arrow__read(&ctx, data, size, "x", some, 0, &t, &err));
    assert_int_equal(t->n_columns, 0);
    assert_int_equal(t->n_rows, 200);
    mw_table_free(t);
    char value[8];
    assert_ok(mw_arrow__read_meta(data, size, "x", "plant", value, sizeof value, &err));
    assert_string_equal(value, META[0].value);
    assert_ok(mw_arrow__read_meta(data, size, "x", "empty", value, sizeof value, &err));
    assert_string_equal(value, "");
    assert_ok(mw_arrow__read_meta(data, size, "x", "millwright.format", value, 2, &err));
    assert_string_equal(value, "1");
    assert_status(mw_arrow__read_meta(data, size, "x", "millwright.format", value, 1, &err),
                  MW_ETOOLARGE);
    assert_status(mw_arrow__read_meta(data, size, "x", "nothing", value, 8, &err), MW_ENOTFOUND);
    free(data);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(refuses_to_write_what_others_could_not_read) {
    begin();
    mw_err err;
    mw_table *t;
    mw_column *c;
    mw_buf bytes;
    mw_buf_init(&bytes, &mem, 1 << 20);
    mw_arrow_sink sink = {append, &bytes, 0};
    assert_ok(mw_table_new(&mem, 1, &t, &err));
    const mw_meta reserved[] = {{"millwright.format", "7"}};
    assert_status(mw_arrow__write(&ctx, t, reserved, 1, &sink, &err), MW_EINVAL);
    const mw_meta twice[] = {{"a", "1"}, {"a", "2"}};
    assert_status(mw_arrow__write(&ctx, t, twice, 2, &sink, &err), MW_EINVAL);
    const mw_meta latin1[] = {{"a", "S\xfc"
                                    "d"}};
    assert_status(mw_arrow__write(&ctx, t, latin1, 1, &sink, &err), MW_EDATA);
    assert_ok(mw_table_add(t, MW_STR("d"), MW_DICTIONARY, &c, &err));
    assert_ok(mw_dictionary_add(c->dictionary, MW_STR("\xff"), &c->codes[0], &err));
    assert_status(mw_arrow__write(&ctx, t, NULL, 0, &sink, &err), MW_EDATA);
    assert_int_equal(bytes.size, 0);
    mw_table_free(t);
    mw_buf_done(&bytes);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(large_tables_have_many_batches) {
    begin();
    mw_err err;
    mw_table *t, *again;
    mw_buf bytes;
    int64_t n = (1 << 20) + 1000;
    mw_buf_init(&bytes, &mem, 1 << 28);
    assert_ok(make_rows(&mem, n, &t, &err));
    assert_ok(write_bytes(&ctx, t, &bytes, &err));
    keep("ours_large.arrow", &bytes);
    mw_table_free(t);
    assert_ok(mw_arrow__read(&ctx, (const uint8_t *)bytes.data, bytes.size, "large", NULL, 0,
                             &again, &err));
    assert_rows(again, 0, n);
    mw_table_free(again);
    mw_buf_done(&bytes);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(goes_through_files) {
    begin();
    mw_err err;
    mw_dir *dir;
    mw_file *file;
    mw_table *t;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(make_rows(&mem, 200, &t, &err));
    assert_ok(mw_file_create(&ctx, dir, "t.arrow", &file, &err));
    assert_ok(mw_ipc_write(&ctx, t, META, 2, file, &err));
    assert_ok(mw_file_commit(file, &err));
    mw_table_free(t);
    assert_ok(mw_ipc_read(&ctx, dir, "t.arrow", NULL, 0, &t, &err));
    assert_rows(t, 0, 200);
    mw_table_free(t);
    char plant[16];
    assert_ok(mw_ipc_read_meta(&ctx, dir, "t.arrow", "plant", plant, sizeof plant, &err));
    assert_string_equal(plant, META[0].value);
    assert_status(mw_ipc_read(&ctx, dir, "none.arrow", NULL, 0, &t, &err), MW_ENOTFOUND);
    assert_ok(mw_file_replace(&ctx, dir, "nothing.arrow", "", 0, &err));
    assert_status(mw_ipc_read(&ctx, dir, "nothing.arrow", NULL, 0, &t, &err), MW_EDATA);
    mw_dir_close(dir);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* A damaged file gives its data, another file's data, or a clean refusal: never more than that. */
static void try_damaged(const uint8_t *data, size_t size, int64_t *refused) {
    mw_err err = {0};
    mw_table *t = NULL;
    mw_status status = mw_arrow__read(&ctx, data, size, "damaged.arrow", NULL, 0, &t, &err);
    if (status != MW_OK) {
        assert_true(status == MW_EDATA || status == MW_EUNSUPPORTED || status == MW_ETOOLARGE);
        if (!strstr(err.message, "damaged.arrow")) fail_msg("%s", err.message);
        ++*refused;
    }
    mw_table_free(t);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(every_cut_is_refused) {
    begin();
    size_t size;
    uint8_t *data = load("ours.arrow", &size);
    int64_t refused = 0;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1); /* of its own, so that ASan sees its end */
        assert_non_null(part);
        memcpy(part, data, cut);
        try_damaged(part, cut, &refused);
        free(part);
    }
    assert_int_equal(refused, (int64_t)size);
    free(data);
}

MW_TEST(damaged_bytes_are_harmless) {
    begin();
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    static const char *const files[] = {"ours.arrow", "pyarrow.arrow", "empty.arrow"};
    for (size_t f = 0; f < 3; f++) {
        size_t size;
        uint8_t *data = load(files[f], &size);
        int64_t refused = 0;
        for (size_t i = 0; i < size; i++) {
            for (int m = 0; m < mw_test_rounds(sizeof masks); m++) {
                data[i] ^= masks[m];
                try_damaged(data, size, &refused);
                data[i] ^= masks[m];
            }
        }
        assert_true(refused > 100);
        free(data);
    }
}

/* One field of our file changed on purpose, and what the reader says. The places come from the file. */
MW_TEST(inconsistent_values_are_named) {
    begin();
    size_t size;
    uint8_t *data = load("ours.arrow", &size);
    mw_table *t = NULL;
    mw_err err;
    /* The codes 0 1 2 3 -1(as 0) 1 2 3 of the device column. */
    const int32_t codes[] = {0, 1, 2, 3, 0, 1, 2, 3};
    uint8_t *at = memmem(data, size, codes, sizeof codes);
    assert_non_null(at);
    at[4] = 4;
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "code"));
    at[4] = 1;
    uint8_t *text = memmem(data, size, "note 1", 6);
    assert_non_null(text);
    text[0] = 0xff;
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "text"));
    text[0] = 'n';
    /* An offset ahead of the last one: found by fuzz_ipc as a write past the column's bytes. The notes
     * of the rows 0 and 2 are empty, that of row 1 has six bytes. */
    const int32_t offsets[] = {0, 0, 6, 6, 12};
    uint8_t *offset = memmem(data, size, offsets, sizeof offsets);
    assert_non_null(offset);
    int32_t end, ahead;
    memcpy(&end, offset + 200 * 4, 4);
    ahead = end + 1;
    memcpy(offset + 199 * 4, &ahead, 4);
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "text"));
    memcpy(offset + 200 * 4, offsets, 4);
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    memcpy(offset + 200 * 4, &offsets[2], 4);
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    free(data);
    data = load("ours.arrow", &size);
    uint8_t *format = memmem(data + size / 2, size - size / 2, "millwright.format", 17);
    assert_non_null(format);
    uint8_t *one = memchr(format + 20, '1', 12);
    assert_non_null(one);
    *one = '2';
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EUNSUPPORTED);
    *one = 'x';
    assert_status(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err), MW_EDATA);
    *one = '1';
    assert_ok(mw_arrow__read(&ctx, data, size, "f", NULL, 0, &t, &err));
    mw_table_free(t);
    free(data);
    assert_int_equal(mw_mem_used(&mem), 0);
}

static mw_status write_and_read(const mw_ctx *c, void *arg, mw_err *err) {
    (void)arg;
    mw_table *t, *again;
    mw_status status = make_rows(c->mem, 20, &t, err);
    if (status != MW_OK) return status;
    mw_buf bytes;
    mw_buf_init(&bytes, c->mem, 1 << 20);
    status = write_bytes(c, t, &bytes, err);
    mw_table_free(t);
    const char *const some[] = {"value", "device", "note"};
    if (status == MW_OK)
        status =
            mw_arrow__read(c, (const uint8_t *)bytes.data, bytes.size, "f", some, 3, &again, err);
    if (status == MW_OK) mw_table_free(again);
    mw_buf_done(&bytes);
    return status;
}

MW_TEST(every_allocation_may_fail) { assert_true(mw_fault_loop_alloc(write_and_read, NULL) > 40); }

MW_TEST_MAIN(MW_RUN(writes_the_same_bytes), MW_RUN(reads_what_pyarrow_writes),
             MW_RUN(refuses_clearly_what_it_does_not_know),
             MW_RUN(reads_chosen_columns_and_metadata),
             MW_RUN(refuses_to_write_what_others_could_not_read),
             MW_RUN(large_tables_have_many_batches), MW_RUN(goes_through_files),
             MW_RUN(every_cut_is_refused), MW_RUN(damaged_bytes_are_harmless),
             MW_RUN(inconsistent_values_are_named), MW_RUN(every_allocation_may_fail))
