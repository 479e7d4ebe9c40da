/*
 * A dataset as one stream: segments that overlap in any way come out in the order of their times. The oracle has all
 * rows, in the order of the segments, and sorts them.
 */
#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/parts.h"
#include "support/fault_loop.h"
#include "support/table_stream.h"
#include "unit/ingest/ingest_run.h"

enum { MOST_PIECES = 64 };

/* ---- segments of CSV files ---- */

typedef struct dataset {
    run r;
    mw_dataset_piece pieces[MOST_PIECES];
    size_t n;
} dataset;

/* texts [n] are files in the order of their first times. */
static void ingest_all(dataset *d, const char *const *texts, size_t n) {
    mw_err err;
    memset(d, 0, sizeof *d);
    begin(&d->r, "0.5");
    for (size_t i = 0; i < n; i++) {
        char name[32];
        mw_ingest_result result;
        snprintf(name, sizeof name, "%zu.csv", i);
        const char *path = put_text(name, texts[i]);
        assert_ok(mw_ingest_run(&d->r.ctx, &path, 1, NULL, 0, NULL, d->r.args, d->r.staging,
                                &result, &err));
        for (size_t k = 0; k < result.files[0].n_segments; k++) {
            const mw_ingest_part *part = &result.files[0].segments[k];
            d->pieces[d->n++] =
                (mw_dataset_piece){d->r.staging, mw_strdup(NULL, part->file), part->first_us};
        }
        mw_ingest_result_done(&result);
    }
}

static void end_all(dataset *d) {
    for (size_t i = 0; i < d->n; i++) mw_free((void *)(uintptr_t)d->pieces[i].file);
    end(&d->r);
}

/* The whole stream as d's table. */
static void read_all(dataset *d) {
    mw_err err;
    mw_dataset *opened;
    assert_ok(mw_dataset_open(&d->r.ctx, d->pieces, d->n, &opened, &err));
    assert_ok(mw_table_of_stream(NULL, mw_dataset_stream(opened), &d->r.table, &err));
    mw_dataset_close(opened);
}

MW_TEST(segments_agree_on_types) {
    static const char words[] = "ts,a,b,y\n2026-01-05,word,2.5,7\n2026-01-05T12:00,more,,\n"
                                "2026-01-05T13:00,some,,\n2026-01-06,12,,\n";
    static const char *const texts[] = {"ts,a,b,x,n\n2026-01-05,1,idle,1,\n", words,
                                        "ts,a,b,x,n\n2026-01-07,2,,,\n2026-01-08,2,,,\n"};
    dataset d;
    ingest_all(&d, texts, 3);
    read_all(&d);
    /* b is text in the first segment that has a value of it, so it is no parameter. */
    assert_order(&d.r, "time,a,x,n,y");
    assert_int_equal(d.r.table->n_rows, 7);
    assert_number(&d.r, "a", 0, 1);
    assert_missing(&d.r, "a", 1); /* text where the first segment has numbers */
    assert_missing(&d.r, "a", 3);
    assert_number(&d.r, "a", 4, 12);
    assert_number(&d.r, "y", 1, 7);
    assert_missing(&d.r, "y", 0);
    end_all(&d);
}

MW_TEST(a_column_without_values_does_not_fix_the_type) {
    static const char *const texts[] = {"ts,a,s\n2026-01-05,1,\n2026-01-06,1,\n",
                                        "ts,a,s\n2026-01-07,2,on\n2026-01-08,2,off\n",
                                        "ts,a,s\n2026-01-09,3,1\n2026-01-10,3,4\n"};
    dataset d;
    ingest_all(&d, texts, 3);
    read_all(&d);
    assert_order(&d.r, "time,a");
    end_all(&d);
}

MW_TEST(devices_are_one_numbering) {
    static const char *const texts[] = {
        "ts,device,a\n2026-01-05 00:00,b,1\n2026-01-05 02:00,c,3\n2026-01-05 04:00,,5\n",
        "ts,device,a\n2026-01-05 01:00,c,2\n2026-01-05 03:00,a,4\n",
        "ts,a\n2026-01-05 03:30,4.5\n"};
    static const char *const want[] = {"b", "c", "c", "a", "", ""};
    static const double values[] = {1, 2, 3, 4, 4.5, 5};
    dataset d;
    ingest_all(&d, texts, 3);
    read_all(&d);
    assert_order(&d.r, "time,device_id,a");
    for (int64_t i = 0; i < 6; i++) {
        int64_t row = 0; /* rows of a chunk come in any order */
        while (d.r.table->columns[2].number[row] != values[i]) row++;
        assert_text(&d.r, "device_id", row, want[i]);
    }
    end_all(&d);
}

MW_TEST(no_device_has_no_column) {
    static const char *const texts[] = {"ts,device,a\n2026-01-05,,1\n2026-01-06,,2\n"};
    dataset d;
    ingest_all(&d, texts, 1);
    read_all(&d);
    assert_order(&d.r, "time,a");
    end_all(&d);
}

MW_TEST(wrong_datasets_are_refused) {
    static const char *const texts[] = {"ts,a\n2026-01-05,1\n2026-01-07,1\n",
                                        "ts,a\n2026-01-06,2\n2026-01-08,1\n"};
    static const char *const bad[] = {"../a.arrow", "a/b.arrow", "a.csv", "", ".arrow"};
    dataset d;
    mw_err err;
    mw_dataset *opened = NULL;
    const mw_chunk *chunk;
    ingest_all(&d, texts, 2);
    mw_ctx *ctx = &d.r.ctx;
    assert_status(mw_dataset_open(ctx, d.pieces, 0, &opened, &err), MW_ENOTFOUND);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mw_dataset_piece piece = {d.r.staging, bad[i], 0};
        assert_status(mw_dataset_open(ctx, &piece, 1, &opened, &err), MW_EINVAL);
    }
    assert_null(opened);
    /* A first time that is not the segment's: its rows come too late. */
    d.pieces[1].first_us += INT64_C(7) * 86400000000;
    assert_ok(mw_dataset_open(ctx, d.pieces, 2, &opened, &err));
    const mw_row_stream *rows = mw_dataset_stream(opened);
    assert_ok(rows->start(rows->self, 2, &err));
    assert_ok(rows->next(rows->self, &chunk, &err));
    assert_int_equal(chunk->n_rows, 2);
    assert_status(rows->next(rows->self, &chunk, &err), MW_EDATA);
    assert_non_null(strstr(err.message, d.pieces[1].file));
    mw_dataset_close(opened);
    end_all(&d);
}

/* As when another call replaces a source between two readings. */
MW_TEST(a_segment_that_goes_away_is_told) {
    static const char *const texts[] = {"ts,a\n2026-01-05,1\n2026-01-07,1\n",
                                        "ts,a\n2026-02-06,2\n2026-02-08,1\n"};
    dataset d;
    mw_err err;
    mw_dataset *opened;
    const mw_chunk *chunk;
    ingest_all(&d, texts, 2);
    assert_ok(mw_dataset_open(&d.r.ctx, d.pieces, 2, &opened, &err));
    const mw_row_stream *rows = mw_dataset_stream(opened);
    assert_ok(mw_dir_remove(&d.r.ctx, d.r.staging, d.pieces[1].file, &err));
    assert_ok(rows->start(rows->self, 2, &err));
    assert_ok(rows->next(rows->self, &chunk, &err));
    assert_status(rows->next(rows->self, &chunk, &err), MW_ECONFLICT);
    assert_non_null(strstr(err.message, d.pieces[1].file));
    assert_non_null(strstr(err.hint, "try again"));
    mw_dataset_close(opened);
    assert_status(mw_dataset_open(&d.r.ctx, d.pieces, 2, &opened, &err), MW_ECONFLICT);
    end_all(&d);
}

/* A segment whose rows are not in order cannot come from the writer; this one is made by hand. */
MW_TEST(rows_out_of_order_are_an_error) {
    run r;
    mw_err err;
    mw_table *table;
    mw_column *time, *x;
    mw_file *file;
    char name[128];
    begin(&r, NULL);
    assert_ok(mw_table_new(NULL, 3, &table, &err));
    assert_ok(mw_table_reserve(table, 2, &err));
    assert_ok(mw_table_add(table, MW_STR("time"), MW_TIMESTAMP, &time, &err));
    assert_ok(mw_table_add(table, MW_STR("x"), MW_FLOAT64, &x, &err));
    for (int64_t i = 0; i < 3; i++) time->time[i] = i == 2 ? 5 : 10 + i, x->number[i] = 1;
    assert_ok(mw_column_seal(table, time, &err));
    assert_ok(mw_column_seal(table, x, &err));
    assert_ok(mw_file_create(&r.ctx, r.staging, "raw", &file, &err));
    assert_ok(mw_ipc_write(&r.ctx, table, NULL, 0, file, &err));
    assert_ok(mw_file_commit_by_hash(file, ".arrow", name, &err));
    mw_table_free(table);
    mw_dataset_piece piece = {r.staging, name, 10};
    mw_dataset *opened;
    const mw_chunk *chunk;
    assert_ok(mw_dataset_open(&r.ctx, &piece, 1, &opened, &err));
    const mw_row_stream *rows = mw_dataset_stream(opened);
    assert_ok(rows->start(rows->self, 2, &err));
    assert_status(rows->next(rows->self, &chunk, &err), MW_EDATA);
    assert_true(err.hint[0] != 0);
    mw_dataset_close(opened);
    end(&r);
}

/* ---- many segments, any overlap ---- */

typedef struct row {
    int64_t time;
    double number; /* its place in the order of the segments */
    int32_t device;
} row;

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_first(const void *a, const void *b) {
    const mw_dataset_piece *x = a, *y = b;
    return (x->first_us > y->first_us) - (x->first_us < y->first_us);
}

typedef struct many {
    mw_ctx ctx;
    mw_dir *dir;
    mw_dataset_piece pieces[MOST_PIECES];
    mw_ingest_part *parts[MOST_PIECES];
    size_t n;
    row *rows;
    int64_t n_rows;
} many;

static mw_schema *make_schema(void) {
    mw_err err;
    mw_schema *schema;
    int32_t at;
    assert_ok(mw_schema_new(NULL, &schema, &err));
    assert_ok(mw_schema_add(schema, MW_STR("time"), MW_TIMESTAMP, &at, &err));
    assert_ok(mw_schema_add(schema, MW_STR("device_id"), MW_DICTIONARY, &at, &err));
    assert_ok(mw_schema_add(schema, MW_STR("x"), MW_FLOAT64, &at, &err));
    return schema;
}

/* One segment: times from `from` on, steps up to `step` (0 gives ties). Its numbers are filled in later. */
static void write_segment(many *m, mw_rng *rng, int64_t from, int64_t step, int64_t n) {
    mw_err err;
    mw_parts *parts;
    mw_chunk *chunk;
    char source[24];
    snprintf(source, sizeof source, "%zu", m->n);
    mw_schema *schema = make_schema();
    mw_parts_options options = {.source = source, .layout = "wide"};
    static const mw_type types[] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64};
    assert_ok(mw_parts_new(&m->ctx, schema, &options, m->dir, &parts, &err));
    assert_ok(mw_chunk_new(NULL, types, 3, n, &chunk, &err));
    int64_t time = from;
    for (int64_t i = 0; i < n; i++) {
        char device[24];
        snprintf(device, sizeof device, "m%d", (int)(mw_rng_below(rng, 5)));
        chunk->columns[0].time[i] = time;
        chunk->columns[1].codes[i] = -1;
        if (mw_rng_below(rng, 9))
            assert_ok(mw_dictionary_add(schema->columns[1].dictionary, mw_str_of(device),
                                        &chunk->columns[1].codes[i], &err));
        chunk->columns[2].number[i] = (double)i;
        time += (int64_t)mw_rng_below(rng, (uint64_t)step + 1);
    }
    chunk->n_rows = n;
    mw_arrange_sink sink = mw_parts_sink(parts);
    size_t n_parts;
    if (n) assert_ok(sink.take(sink.self, chunk, &err));
    assert_ok(mw_parts_finish(parts, &m->parts[m->n], &n_parts, &err));
    if (n_parts) {
        m->pieces[m->n] = (mw_dataset_piece){m->dir, m->parts[m->n][0].file, from};
        m->n++;
    }
    mw_parts_free(parts);
    mw_chunk_free(chunk);
    mw_schema_free(schema);
}

static int32_t device_number(mw_str text) { return text.size ? text.data[1] - '0' : -1; }

/* All rows in the order of the segments. The stream's numbers are those of the segment, so `number` names a row by
 * its rank among equal times. */
static void list_rows(many *m, int64_t most) {
    mw_err err;
    m->rows = calloc((size_t)most + 1, sizeof *m->rows);
    for (size_t p = 0; p < m->n; p++) {
        mw_table *t;
        assert_ok(mw_ipc_read(&m->ctx, m->dir, m->pieces[p].file, NULL, 0, &t, &err));
        for (int64_t i = 0; i < t->n_rows; i++)
            m->rows[m->n_rows++] =
                (row){t->columns[0].time[i], (double)p * 1e6 + t->columns[2].number[i],
                      device_number(mw_column_text(&t->columns[1], i))};
        mw_table_free(t);
    }
    qsort(m->rows, (size_t)m->n_rows, sizeof *m->rows, by_time);
}

/* Chunks go up in time; sorted within by (time, place), the stream's rows are those of the oracle. */
static void compare(many *m, int32_t n_columns) {
    mw_err err;
    mw_dataset *d;
    const mw_chunk *chunk;
    int64_t n = 0;
    assert_ok(mw_dataset_open(&m->ctx, m->pieces, m->n, &d, &err));
    const mw_row_stream *rows = mw_dataset_stream(d);
    assert_int_equal(rows->n_rows, m->n_rows);
    const mw_dictionary *devices = rows->schema->columns[1].dictionary;
    for (int turn = 0; turn < 2; turn++) {
        assert_ok(rows->start(rows->self, n_columns, &err));
        if (turn == 0) { /* given up in the middle */
            assert_ok(rows->next(rows->self, &chunk, &err));
            continue;
        }
        for (;;) {
            assert_ok(rows->next(rows->self, &chunk, &err));
            if (!chunk) break;
            assert_int_equal(chunk->n_columns, n_columns);
            assert_true(chunk->n_rows > 0 && n + chunk->n_rows <= m->n_rows);
            row *got = calloc((size_t)chunk->n_rows, sizeof *got);
            for (int64_t i = 0; i < chunk->n_rows; i++)
                got[i] =
                    (row){chunk->columns[0].time[i], (double)i,
                          device_number(mw_dictionary_text(devices, chunk->columns[1].codes[i]))};
            qsort(got, (size_t)chunk->n_rows, sizeof *got, by_time);
            for (int64_t i = 0; i < chunk->n_rows; i++) {
                const row *want = &m->rows[n + i];
                int64_t at = (int64_t)got[i].number;
                assert_true(got[i].time == want->time && got[i].device == want->device);
                if (n_columns > 2)
                    assert_true(chunk->columns[2].number[at] ==
                                want->number - 1e6 * (double)(int64_t)(want->number / 1e6));
            }
            free(got);
            n += chunk->n_rows;
        }
    }
    assert_int_equal(n, m->n_rows);
    mw_dataset_close(d);
}

static void end_many(many *m) {
    for (size_t i = 0; i < m->n; i++) mw_ingest_parts_free(m->parts[i], 1);
    free(m->rows);
    mw_dir_close(m->dir);
}

MW_TEST(any_overlap_comes_in_order) {
    for (uint64_t round = 0; round < (uint64_t)mw_test_rounds(24); round++) {
        mw_rng rng;
        many m = {.n = 0};
        mw_err err;
        char path[600];
        int64_t total = 0;
        mw_ctx_init(&m.ctx);
        mw_rng_init(&rng, 11, round, 0);
        snprintf(path, sizeof path, "%s/round%d", mw_test_folder(), (int)round);
        assert_ok(mw_dir_open(&m.ctx, path, MW_DIR_CREATE, &m.dir, &err));
        size_t n = 1 + mw_rng_below(&rng, round % 3 ? 8 : MOST_PIECES - 1);
        int64_t step = (int64_t)mw_rng_below(&rng, 4);
        for (size_t i = 0; i < n; i++) {
            /* Some larger than a chunk of 2^16 rows, some next to nothing. */
            int64_t rows = 1 + (int64_t)mw_rng_below(&rng, mw_rng_below(&rng, 3) ? 50 : 90000);
            write_segment(&m, &rng, (int64_t)mw_rng_below(&rng, 20000), step, rows);
            total += rows;
        }
        qsort(m.pieces, m.n, sizeof *m.pieces, by_first);
        list_rows(&m, total);
        compare(&m, 3);
        compare(&m, 2);
        end_many(&m);
    }
}

/* Segments with columns of their own, of the same times or each of one time: what is handed out does not grow with their number. */
MW_TEST(many_columns_come_in_small_chunks) {
    enum { FILES = 5, COLUMNS = 800, ROWS = 1500, MOST = 263, ONE_CHUNK = 1024 };
    for (int equal = 0; equal < 2; equal++) {
        dataset d;
        mw_err err;
        mw_buf texts[FILES];
        const char *list[FILES];
        mw_dataset *opened;
        const mw_chunk *chunk;
        for (int f = 0; f < FILES; f++) {
            mw_buf_init(&texts[f], NULL, 1 << 24);
            mw_buf_add(&texts[f], "ts");
            for (int c = 0; c < COLUMNS; c++) mw_buf_printf(&texts[f], ",s%d_%d", f, c);
            for (int i = 0; i < ROWS; i++) {
                mw_buf_printf(&texts[f], "\n2026-01-05 00:%02d:%02d,%d", equal ? 0 : i / 60,
                              equal ? 0 : i % 60, i);
                for (int c = 1; c < COLUMNS; c++) mw_buf_add_char(&texts[f], ',');
            }
            mw_buf_add_char(&texts[f], '\n');
            assert_ok(mw_buf_status(&texts[f], "a text", &err));
            list[f] = mw_buf_text(&texts[f]);
        }
        ingest_all(&d, list, FILES);
        assert_ok(mw_dataset_open(&d.r.ctx, d.pieces, d.n, &opened, &err));
        const mw_row_stream *rows = mw_dataset_stream(opened);
        assert_ok(rows->start(rows->self, rows->schema->n_columns, &err));
        int64_t n = 0, latest = INT64_MIN, next[FILES] = {0};
        for (;;) {
            assert_ok(rows->next(rows->self, &chunk, &err));
            if (!chunk) break;
            assert_true(chunk->n_rows > 0 && chunk->n_rows <= (equal ? ONE_CHUNK : MOST));
            int64_t last = latest;
            for (int64_t i = 0; i < chunk->n_rows; i++) {
                int64_t t = chunk->columns[0].time[i];
                assert_true(t >= latest);
                if (t > last) last = t;
                for (int f = 0; f < FILES; f++)
                    if (chunk->columns[1 + f * COLUMNS].number[i] == (double)next[f]) {
                        next[f]++;
                        n++;
                        if (!equal) continue;
                        for (int k = f + 1; k < FILES; k++) assert_true(next[k] == 0);
                        for (int k = 0; k < f; k++) assert_int_equal(next[k], ROWS);
                        break;
                    }
            }
            latest = last;
        }
        assert_int_equal(n, FILES * ROWS);
        mw_dataset_close(opened);
        end_all(&d);
        for (int f = 0; f < FILES; f++) mw_buf_done(&texts[f]);
    }
}

/* ---- faults ---- */

static mw_status read_some(const mw_ctx *ctx, void *arg, mw_err *err) {
    dataset *d = arg;
    mw_dataset *opened;
    mw_table *table;
    mw_status status = mw_dataset_open(ctx, d->pieces, d->n, &opened, err);
    if (status != MW_OK) return status;
    status = mw_table_of_stream(ctx->mem, mw_dataset_stream(opened), &table, err);
    if (status == MW_OK) mw_table_free(table);
    mw_dataset_close(opened);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    static const char *const texts[] = {
        "ts,device,a,b\n2026-01-05,m,1,on\n2026-01-07,m,2,\n",
        "ts,device,a,b\n2026-01-05,n,x,2\n2026-01-06,m,y,3\n2026-01-08,,,\n",
        "ts,c\n2026-01-06,1\n"};
    dataset d;
    ingest_all(&d, texts, 3);
    assert_true(mw_fault_loop_alloc(read_some, &d) > 50);
    end_all(&d);
}

MW_TEST_MAIN(MW_RUN(segments_agree_on_types), MW_RUN(a_column_without_values_does_not_fix_the_type),
             MW_RUN(devices_are_one_numbering), MW_RUN(no_device_has_no_column),
             MW_RUN(wrong_datasets_are_refused), MW_RUN(rows_out_of_order_are_an_error),
             MW_RUN(a_segment_that_goes_away_is_told), MW_RUN(any_overlap_comes_in_order),
             MW_RUN(many_columns_come_in_small_chunks), MW_RUN(every_allocation_may_fail))
