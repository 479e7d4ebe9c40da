/*
 * test_journal.c -- journal files: what was synced is there whatever happens behind it, what is torn is cut off, what is damaged is said; and every
 * write, sync and allocation fails once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "run/live/journal.h"
#include "run/live/journal_form.h"
#include "support/fault_loop.h"
#include "support/harness.h"

enum { RECORDS = 6, COLUMNS = 2, MOST = 40 };

static mw_err err;
static const char *const columns[] = {"temperature", "\xc3\xb6l"};

static const char *const texts[] = {"product"};
static const mw_journal_columns all = {columns, texts, COLUMNS, 1};
static const mw_journal_columns numbers = {.numbers = columns, .n_numbers = COLUMNS};

/* Record k has k % 4 + 1 rows of two devices; all values follow from the row's number. */
typedef struct sample {
    int64_t times[MOST];
    int32_t devices[MOST];
    double values[COLUMNS][MOST];
    const double *pointers[COLUMNS];
    int32_t texts[MOST];
    const int32_t *text;
    mw_str names[2];
    mw_journal_rows rows;
} sample;

static int rows_of(int k) { return k % 4 + 1; }

static void make(sample *s, int64_t first, int n) {
    s->rows = (mw_journal_rows){first, n, s->times, s->devices, s->names, 2, s->pointers, &s->text};
    s->text = s->texts;
    s->names[0] = MW_STR("press \"1\"");
    s->names[1] = MW_STR("");
    for (int c = 0; c < COLUMNS; c++) s->pointers[c] = s->values[c];
    for (int i = 0; i < n; i++) {
        s->times[i] = (first + i) * INT64_C(1000000);
        s->devices[i] = (int32_t)((first + i) % 2);
        s->texts[i] = (int32_t)((first + i) % 3) - 1;
        for (int c = 0; c < COLUMNS; c++)
            s->values[c][i] = (first + i) % 7 == 3 ? MW_NAN : (double)(first + i) + 0.1 * c;
    }
}

static mw_dir *open_folder(const mw_ctx *ctx) {
    mw_dir *dir;
    assert_ok(mw_dir_open(ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    return dir;
}

static mw_status add(mw_journal *j, int n, mw_err *e) {
    sample s;
    make(&s, mw_journal_next(j), n);
    return mw_journal_add(j, &s.rows, e);
}

/* Reads all records: each row is what its number says. Returns the number behind the last. */
static int64_t check_rows(mw_journal_file *f) {
    int64_t next = f->first;
    uint64_t at = 0;
    for (;;) {
        mw_journal_rows rows;
        sample s;
        assert_ok(mw_journal_read(f, &at, &rows, &err));
        if (rows.n == 0) break;
        assert_int_equal(rows.first, next);
        assert_true(rows.n <= MOST);
        make(&s, next, (int)rows.n);
        assert_memory_equal(rows.times, s.times, (size_t)rows.n * sizeof *s.times);
        assert_memory_equal(rows.devices, s.devices, (size_t)rows.n * sizeof *s.devices);
        for (int c = 0; c < COLUMNS; c++)
            assert_memory_equal(rows.columns[c], s.values[c], (size_t)rows.n * sizeof(double));
        for (int32_t k = 0; k < f->n_texts; k++)
            assert_memory_equal(rows.texts[k], s.texts, (size_t)rows.n * sizeof *s.texts);
        for (int i = 0; i < 2; i++) assert_true(mw_str_eq(rows.names[i], s.names[i]));
        next += rows.n;
    }
    assert_int_equal(next, f->first + f->n_rows);
    return next;
}

static int64_t count(const mw_ctx *ctx, mw_dir *dir, const char *name, bool is_last) {
    mw_journal_file f;
    assert_ok(mw_journal_open(ctx, dir, name, is_last, &f, &err));
    assert_int_equal(f.n_columns, COLUMNS);
    for (int c = 0; c < COLUMNS; c++) assert_string_equal(f.columns[c], columns[c]);
    assert_int_equal(f.n_texts, 1);
    assert_string_equal(f.columns[COLUMNS], "product");
    const int64_t next = check_rows(&f);
    mw_journal_done(&f);
    return next;
}

/* A file of RECORDS records, each synced if `synced`; ends [RECORDS + 1]: bytes at the beginning and after each. */
static void write_file(const mw_ctx *ctx, mw_dir *dir, int64_t first, bool synced,
                       uint64_t ends[RECORDS + 1]) {
    mw_journal *j;
    assert_ok(mw_journal_create(ctx, dir, first, &all, &j, &err));
    ends[0] = mw_journal_bytes(j);
    for (int k = 0; k < RECORDS; k++) {
        assert_ok(add(j, rows_of(k), &err));
        if (synced) assert_ok(mw_journal_sync(j, &err));
        ends[k + 1] = mw_journal_bytes(j);
    }
    assert_ok(mw_journal_sync(j, &err));
    assert_true(mw_journal_has_columns(j, &all));
    assert_false(mw_journal_has_columns(j, &(mw_journal_columns){columns, texts, 1, 1}));
    assert_false(mw_journal_has_columns(j, &numbers));
    assert_false(mw_journal_has_columns(j, &(mw_journal_columns){columns, columns, COLUMNS, 1}));
    mw_journal_close(j);
}

static int64_t rows_before(int records) {
    int64_t n = 0;
    for (int k = 0; k < records; k++) n += rows_of(k);
    return n;
}

MW_TEST(names_say_the_first_row) {
    char name[MW_JOURNAL_NAME];
    int64_t first;
    mw_journal_name(INT64_C(9123456789012345678), name);
    assert_true(mw_journal_named(name, &first));
    assert_int_equal(first, INT64_C(9123456789012345678));
    mw_journal_name(0, name);
    assert_true(mw_journal_named(name, &first) && first == 0);
    assert_false(mw_journal_named("9999999999999999999.rows", &first));
    assert_false(mw_journal_named("000000000000000000.rows", &first));
    assert_false(mw_journal_named("00000000000000000a0.rows", &first));
    assert_false(mw_journal_named("0000000000000000000.text", &first));
}

MW_TEST(rows_come_back_and_files_go_on) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *dir = open_folder(&ctx);
    uint64_t ends[RECORDS + 1];
    char name[MW_JOURNAL_NAME];
    mw_journal_file f;
    mw_journal *j;
    write_file(&ctx, dir, 41, true, ends);
    mw_journal_name(41, name);
    assert_int_equal(count(&ctx, dir, name, false), 41 + rows_before(RECORDS));
    for (int i = 0; i < 3; i++) { /* restarts */
        assert_ok(mw_journal_open(&ctx, dir, name, true, &f, &err));
        assert_false(f.torn);
        assert_ok(mw_journal_continue(&ctx, dir, &f, &j, &err));
        mw_journal_done(&f);
        assert_int_equal(mw_journal_first(j), 41);
        assert_ok(add(j, MOST, &err));
        assert_ok(mw_journal_sync(j, &err));
        mw_journal_close(j);
        assert_int_equal(count(&ctx, dir, name, true), 41 + rows_before(RECORDS) + (i + 1) * MOST);
    }
    mw_dir_close(dir);
}

static void cut_file(mw_dir *dir, const char *name, const char *bytes, uint64_t n) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    assert_ok(mw_file_replace(&ctx, dir, name, bytes, n, &err));
}

static int records_within(const uint64_t ends[RECORDS + 1], uint64_t bytes) {
    int k = 0;
    while (k < RECORDS && ends[k + 1] <= bytes) k++;
    return k;
}

MW_TEST(a_torn_end_is_cut_at_every_byte) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *dir = open_folder(&ctx);
    uint64_t ends[RECORDS + 1];
    char name[MW_JOURNAL_NAME], *bytes;
    size_t size;
    write_file(&ctx, dir, 0, true, ends);
    mw_journal_name(0, name);
    assert_ok(mw_file_read(&ctx, dir, name, 1 << 20, &bytes, &size, &err));
    assert_int_equal(size, ends[RECORDS]);
    for (uint64_t n = 0; n < size; n = mw_fault_next(n)) {
        mw_journal_file f;
        mw_journal *j;
        cut_file(dir, name, bytes, n);
        if (n < ends[0]) {
            assert_status(mw_journal_open(&ctx, dir, name, true, &f, &err), MW_EDATA);
            continue;
        }
        const int whole = records_within(ends, n);
        assert_ok(mw_journal_open(&ctx, dir, name, true, &f, &err));
        assert_int_equal(f.good_bytes, ends[whole]);
        assert_int_equal(f.torn, n > ends[whole]);
        assert_int_equal(check_rows(&f), rows_before(whole));
        assert_ok(mw_journal_continue(&ctx, dir, &f, &j, &err));
        mw_journal_done(&f);
        assert_ok(add(j, 2, &err));
        assert_ok(mw_journal_sync(j, &err));
        mw_journal_close(j);
        assert_int_equal(count(&ctx, dir, name, false), rows_before(whole) + 2);
        if (n == ends[whole]) continue;
        cut_file(dir, name, bytes, n); /* files before the last one are never torn */
        assert_status(mw_journal_open(&ctx, dir, name, false, &f, &err), MW_EDATA);
    }
    mw_free(bytes);
    mw_dir_close(dir);
}

MW_TEST(a_changed_byte_is_found_with_its_place) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *dir = open_folder(&ctx);
    uint64_t ends[RECORDS + 1];
    char name[MW_JOURNAL_NAME], place[40], *bytes;
    size_t size;
    write_file(&ctx, dir, 7, true, ends);
    mw_journal_name(7, name);
    assert_ok(mw_file_read(&ctx, dir, name, 1 << 20, &bytes, &size, &err));
    for (uint64_t n = 0; n < size; n = mw_fault_next(n)) {
        mw_journal_file f;
        bytes[n] = (char)(bytes[n] ^ (1 << n % 8));
        cut_file(dir, name, bytes, size);
        bytes[n] = (char)(bytes[n] ^ (1 << n % 8));
        const int whole = n < ends[0] ? 0 : records_within(ends, n);
        mw_status status = mw_journal_open(&ctx, dir, name, true, &f, &err);
        if (whole == RECORDS - 1) { /* nothing behind says that it was synced */
            assert_int_equal(status, MW_OK);
            assert_true(f.torn);
            assert_int_equal(check_rows(&f), 7 + rows_before(whole));
            mw_journal_done(&f);
            status = mw_journal_open(&ctx, dir, name, false, &f, &err);
        }
        if (n >= 8 && n < 12 && status == MW_EUNSUPPORTED) continue; /* the version */
        assert_int_equal(status, MW_EDATA);
        (void)snprintf(place, sizeof place,
                       "at byte %llu:", n < ends[0] ? 0ULL : (unsigned long long)ends[whole]);
        if (!strstr(err.message, name) || !strstr(err.message, place))
            fail_msg("byte %d: %s", (int)n, err.message);
    }
    mw_free(bytes);
    mw_dir_close(dir);
}

/* A machine that stops may have written the second of two records without the first. */
MW_TEST(records_that_were_never_synced_are_no_damage) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *dir = open_folder(&ctx);
    uint64_t ends[RECORDS + 1];
    char name[MW_JOURNAL_NAME], *bytes;
    size_t size;
    mw_journal_file f;
    write_file(&ctx, dir, 0, false, ends);
    mw_journal_name(0, name);
    assert_ok(mw_file_read(&ctx, dir, name, 1 << 20, &bytes, &size, &err));
    for (int k = 0; k < RECORDS; k++) {
        char *changed = mw_memdup(NULL, bytes, size);
        memset(changed + ends[k], 0, ends[k + 1] - ends[k]);
        cut_file(dir, name, changed, size);
        mw_free(changed);
        assert_ok(mw_journal_open(&ctx, dir, name, true, &f, &err));
        assert_true(f.torn);
        assert_int_equal(check_rows(&f), rows_before(k));
        mw_journal_done(&f);
    }
    mw_free(bytes);
    mw_dir_close(dir);
}

/* ---- faults ---- */

typedef struct scene {
    mw_dir *dir;
    int64_t known; /* rows synced */
    int n_failed;
} scene;

/* Adds records until five are synced; a failed one is tried again at once. */
static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    scene *s = arg;
    char name[MW_JOURNAL_NAME];
    mw_journal *j = NULL;
    mw_journal_file f;
    mw_status failed = MW_OK;
    mw_journal_name(0, name);
    (void)unlinkat(mw_dir_fd(s->dir), name, 0);
    s->known = 0;
    mw_status status = mw_journal_create(ctx, s->dir, 0, &all, &j, e);
    for (int k = 0, tries = 0; k < 5 && !status && tries < 8; tries++) {
        mw_err why = {0};
        mw_status one = add(j, rows_of(k), &why);
        if (!one) one = mw_journal_sync(j, &why);
        if (one) {
            failed = one, *e = why;
            s->n_failed++;
            assert_true(why.message[0]);
            continue;
        }
        s->known = mw_journal_next(j);
        k++;
    }
    mw_journal_close(j);
    if (!status) status = mw_journal_open(ctx, s->dir, name, true, &f, e);
    if (!status) mw_journal_done(&f);
    return status ? status : failed;
}

/* All that was synced is there, and nothing else. */
static void check(void *arg, uint64_t n) {
    scene *s = arg;
    mw_ctx ctx;
    char name[MW_JOURNAL_NAME];
    mw_ctx_init(&ctx);
    mw_journal_name(0, name);
    if (!mw_dir_has(s->dir, name)) {
        assert_int_equal(s->known, 0);
        return;
    }
    const int64_t rows = count(&ctx, s->dir, name, true);
    if (rows < s->known)
        fail_msg("after fault %d: %d rows of %d", (int)n, (int)rows, (int)s->known);
}

static void check_exactly(void *arg, uint64_t n) {
    scene *s = arg;
    mw_ctx ctx;
    char name[MW_JOURNAL_NAME];
    check(arg, n);
    mw_ctx_init(&ctx);
    mw_journal_name(0, name);
    if (mw_dir_has(s->dir, name)) assert_int_equal(count(&ctx, s->dir, name, false), s->known);
}

static void begin(scene *s, mw_ctx *ctx) {
    mw_ctx_init(ctx);
    *s = (scene){.dir = open_folder(ctx)};
}

MW_TEST(each_failed_call_takes_back_what_was_not_acknowledged) {
    mw_ctx ctx;
    scene s;
    static const int errors[] = {ENOSPC, EIO};
    begin(&s, &ctx);
    for (int i = 0; i < 2; i++) {
        assert_true(mw_fault_loop_io(scenario, &s, MW_IO_WRITE, errors[i], check_exactly) >= 5);
        assert_true(mw_fault_loop_io(scenario, &s, MW_IO_FSYNC, errors[i], check_exactly) >= 5);
    }
    assert_true(s.n_failed > 12);
    (void)mw_fault_loop_io(scenario, &s, MW_IO_OPEN, EMFILE, check);
    mw_dir_close(s.dir);
}

MW_TEST(a_crash_loses_nothing_that_was_synced) {
    mw_ctx ctx;
    scene s;
    begin(&s, &ctx);
    assert_true(mw_fault_loop_crash(scenario, &s, check) > 10);
    mw_dir_close(s.dir);
}

MW_TEST(journals_survive_any_failed_allocation) {
    mw_ctx ctx;
    scene s;
    begin(&s, &ctx);
    assert_true(mw_fault_loop_alloc(scenario, &s) > 8);
    mw_dir_close(s.dir);
}

/* What earlier versions wrote, and read. */
MW_TEST(without_texts_a_file_is_one_of_version_1) {
    mw_ctx ctx;
    mw_journal *j;
    mw_journal_file f;
    mw_journal_head head;
    char name[MW_JOURNAL_NAME];
    mw_ctx_init(&ctx);
    mw_dir *dir = open_folder(&ctx);
    assert_ok(mw_journal_create(&ctx, dir, 5, &numbers, &j, &err));
    for (int k = 0; k < RECORDS; k++) assert_ok(add(j, rows_of(k), &err));
    assert_ok(mw_journal_sync(j, &err));
    mw_journal_close(j);
    mw_journal_name(5, name);
    assert_ok(mw_journal_open(&ctx, dir, name, true, &f, &err));
    memcpy(&head, f.map.data, sizeof head);
    assert_int_equal(head.version, MW_JOURNAL_NUMBERS);
    assert_int_equal(f.n_texts, 0);
    (void)check_rows(&f);
    assert_ok(mw_journal_continue(&ctx, dir, &f, &j, &err));
    assert_true(mw_journal_has_columns(j, &numbers));
    mw_journal_done(&f);
    assert_ok(add(j, 3, &err));
    assert_ok(mw_journal_sync(j, &err));
    mw_journal_close(j);
    assert_ok(mw_journal_open(&ctx, dir, name, true, &f, &err));
    (void)check_rows(&f);
    mw_journal_done(&f);
    assert_ok(mw_dir_remove(&ctx, dir, name, &err));
    mw_dir_close(dir);
}

MW_TEST_MAIN(MW_RUN(without_texts_a_file_is_one_of_version_1), MW_RUN(names_say_the_first_row),
             MW_RUN(rows_come_back_and_files_go_on), MW_RUN(a_torn_end_is_cut_at_every_byte),
             MW_RUN(a_changed_byte_is_found_with_its_place),
             MW_RUN(records_that_were_never_synced_are_no_damage),
             MW_RUN(each_failed_call_takes_back_what_was_not_acknowledged),
             MW_RUN(a_crash_loses_nothing_that_was_synced),
             MW_RUN(journals_survive_any_failed_allocation))
