/*
 * fuzz_reader.c -- any bytes, or rows made of pieces that the bytes choose: the marks of whole blocks and the plain lexer give the same
 * rows and the same refused rows, with any size of block, any number of threads, at every CPU level. Rows of a long file
 * are compared for the same blocks, since a pivoted row is one of a block. Rows of a wide file are also collected in place: the table has the
 * cells that the blocks had.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "core/text/datetime.h"
#include "keep/ingest/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 60000, HEAD = 2 };

static struct fixture {
    mw_mem mem;
    mw_pool *pool;
    mw_args *args; /* comma, quotes, a header */
} fixture;

static void clean_up(void) {
    mw_pool_free(fixture.pool);
    mw_args_free(fixture.args);
}

static void prepare(void) {
    mw_mem_init(&fixture.mem, NULL, (size_t)512 << 20);
    if (mw_pool_new(NULL, 3, &fixture.pool, NULL) != MW_OK) abort();
    if (mw_args_new(NULL, mw_profile_params, &fixture.args, NULL) != MW_OK) abort();
    if (mw_args_set(fixture.args, MW_STR("separator"), MW_STR("comma"), NULL) != MW_OK) abort();
    if (mw_args_set(fixture.args, MW_STR("quote"), MW_STR("\""), NULL) != MW_OK) abort();
    if (mw_args_set(fixture.args, MW_STR("header"), MW_STR("true"), NULL) != MW_OK) abort();
    if (mw_args_finish(fixture.args, NULL) != MW_OK) abort();
    atexit(clean_up);
}

/* ---- what was read, as text ---- */

typedef struct telling {
    mw_buf *out;
    mw_collect *rows; /* or NULL */
    mw_buf cells;     /* of the rows collected, less texts */
} telling;

/* Stands behind what names a long file's cell; tell_bytes never writes it. */
#define KEY_END "\x01"

/* One line of what is told stays one. */
static void tell_bytes(mw_buf *out, mw_str text) {
    for (size_t i = 0; i < text.size; i++) {
        bool plain = text.data[i] != '\n' && text.data[i] != '\\' && text.data[i] != KEY_END[0];
        if (plain)
            mw_buf_add_char(out, text.data[i]);
        else
            mw_buf_printf(out, "\\%02x", (unsigned char)text.data[i]);
    }
}

static void tell_text(mw_buf *out, const mw_texts *texts, int32_t code) {
    if (code >= 0) tell_bytes(out, mw_dictionary_text(texts->dictionary, code));
}

static void tell_cell(const mw_lane *lane, const mw_chunk *chunk, int32_t c, int64_t row,
                      int64_t first_us, mw_buf *out) {
    const mw_chunk_column *column = &chunk->columns[c];
    const mw_plan *plan = lane->plan;
    int32_t cell = 0;
    while (cell < plan->n_cells && plan->cells[cell].column != c) cell++;
    mw_buf_printf(out, "|%d:", (int)column->type);
    if (column->type == MW_TIMESTAMP)
        mw_buf_printf(out, "%lld", (long long)(column->time[row] + first_us));
    else if (column->type == MW_FLOAT64)
        mw_buf_printf(out, "%a", column->number[row]);
    else if (column->type == MW_DICTIONARY)
        tell_text(out, &lane->texts[cell], column->codes[row]);
    else if (column->validity[row / 8] >> (row % 8) & 1)
        mw_buf_printf(out, "%d", column->bits[row / 8] >> (row % 8) & 1);
}

/* A long row's readings, a line each behind its key; columns without values may differ. */
static void tell_readings(const mw_lane *lane, const mw_chunk *chunk, int64_t row, mw_str key,
                          mw_buf *out) {
    int32_t first = 1 + lane->plan->n_labels;
    int32_t n = mw_dictionary_size(lane->parameters.dictionary);
    mw_buf_printf(out, "%.*s" KEY_END "\n", (int)key.size, key.data);
    for (int32_t i = 0; i < n && first + i < chunk->n_columns; i++) {
        double value = chunk->columns[first + i].number[row];
        if (value != value) continue;
        mw_buf_printf(out, "%.*s|", (int)key.size, key.data);
        tell_text(out, &lane->parameters, i);
        mw_buf_printf(out, KEY_END "=%a\n", value);
    }
}

static void tell_row(const mw_lane *lane, const mw_chunk *chunk, int64_t row, int64_t first_us,
                     mw_buf *out) {
    if (!lane->plan->is_long) {
        for (int32_t c = 0; c < chunk->n_columns; c++)
            tell_cell(lane, chunk, c, row, first_us, out);
        mw_buf_add_char(out, '\n');
        return;
    }
    mw_buf key;
    mw_buf_init(&key, NULL, SIZE_MAX / 4);
    for (int32_t c = 0; c < 1 + lane->plan->n_labels; c++)
        tell_cell(lane, chunk, c, row, first_us, &key);
    tell_readings(lane, chunk, row, mw_buf_str(&key), out);
    mw_buf_done(&key);
}

/* ---- rows collected in place ---- */

static void note_cell(mw_buf *out, mw_type type, const void *values, const uint8_t *validity,
                      int64_t row) {
    const uint8_t *bits = values;
    bool has = type == MW_TIMESTAMP ? ((const int64_t *)values)[row] != MW_TIME_NONE
               : type == MW_FLOAT64 ? !mw_isnan(((const double *)values)[row])
                                    : validity[row / 8] >> (row % 8) & 1;
    if (!has)
        mw_buf_add(out, "|");
    else if (type == MW_BOOL)
        mw_buf_printf(out, "|%d", bits[row / 8] >> (row % 8) & 1);
    else
        mw_buf_printf(out, "|%llx", ((const unsigned long long *)values)[row]);
}

static mw_status collect(telling *t, const mw_chunk *chunk, mw_err *err) {
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        const mw_chunk_column *column = &chunk->columns[c];
        if (column->type != MW_DICTIONARY) continue;
        for (int64_t row = 0; row < chunk->n_rows; row++) column->codes[row] = -1; /* of a lane */
    }
    for (int64_t row = 0; row < chunk->n_rows; row++)
        for (int32_t c = 0; c < chunk->n_columns; c++)
            if (chunk->columns[c].type != MW_DICTIONARY)
                note_cell(&t->cells, chunk->columns[c].type, chunk->columns[c].data,
                          chunk->columns[c].validity, row);
    return mw_collect_add(t->rows, chunk, err);
}

static void check_collected(telling *t, mw_schema *schema) {
    mw_table *table;
    mw_buf got;
    mw_buf_init(&got, NULL, SIZE_MAX / 4);
    if (mw_collect_finish(t->rows, schema, &table, NULL) != MW_OK) abort();
    for (int64_t row = 0; row < table->n_rows; row++)
        for (int32_t c = 0; c < table->n_columns; c++) {
            const mw_column *column = &table->columns[c];
            bool has = mw_column_has(column, row);
            if (column->validity && (column->validity[row / 8] >> (row % 8) & 1) != has) abort();
            if (!column->validity && !has) abort();
            if (column->type == MW_DICTIONARY) continue;
            if (column->type == MW_BOOL)
                mw_buf_printf(&got, has ? "|%d" : "|", mw_column_bool(column, row));
            else
                note_cell(&got, column->type, column->time, NULL, row);
        }
    if (!mw_str_eq(mw_buf_str(&got), mw_buf_str(&t->cells))) abort();
    mw_buf_done(&got);
    mw_table_free(table);
}

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    telling *t = self;
    const mw_plan *plan = lane->plan;
    bool numbered = plan->profile->stamp < 0 && plan->profile->date < 0;
    int64_t first_us = numbered ? place->first_record * MW_ROW_SECOND_US : 0;
    for (size_t i = 0; i < lane->n_bad; i++) {
        const mw_bad_row *bad = &lane->bad[i];
        mw_buf_printf(
            t->out, "bad %llu %lld %u %d %s: ", (unsigned long long)(place->first_line + bad->line),
            (long long)(place->first_record + bad->ordinal), bad->field, bad->broken, bad->reason);
        tell_bytes(t->out, bad->raw);
        mw_buf_add_char(t->out, '\n');
    }
    for (size_t k = 0; k < lane->n_chunks; k++) {
        const mw_chunk *chunk = lane->chunks[k];
        for (int64_t row = 0; row < chunk->n_rows; row++)
            tell_row(lane, chunk, row, first_us, t->out);
        mw_status status = t->rows ? collect(t, chunk, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

typedef struct way {
    bool learn, plain_path, alone, forced, collected;
    size_t block_bytes;
    mw_cpu cpu;
} way;

/* Refused rows and rows stand in two orders inside a lane: each kind is kept in its own. */
static void sort_out(mw_str told, mw_buf *ret) {
    for (int bad = 0; bad < 2; bad++)
        for (size_t at = 0; at < told.size;) {
            const char *feed = memchr(told.data + at, '\n', told.size - at);
            size_t end = feed ? (size_t)(feed - told.data) + 1 : told.size;
            bool is_bad = told.data[at] != '|';
            if (is_bad == (bool)bad) mw_buf_append(ret, told.data + at, end - at);
            at = end;
        }
}

typedef struct reading {
    mw_str line;
    size_t key, at; /* bytes that say what was read; order */
} reading;

static int by_key(const void *a, const void *b) {
    const reading *x = a, *y = b;
    int order = mw_str_compare((mw_str){x->line.data, x->key}, (mw_str){y->line.data, y->key});
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* How readings are grouped into rows depends on blocks, and arrange.h joins them again: the last value of each cell counts. */
static void join_readings(mw_str told, mw_buf *ret) {
    size_t n = 0;
    reading *all = mw_alloc_array(NULL, told.size + 1, sizeof *all);
    if (!all) abort();
    for (size_t at = 0; at < told.size;) {
        const char *feed = memchr(told.data + at, '\n', told.size - at);
        size_t end = feed ? (size_t)(feed - told.data) + 1 : told.size;
        mw_str line = {told.data + at, end - at};
        const char *key_end = memchr(line.data, KEY_END[0], line.size);
        all[n] = (reading){line, key_end ? (size_t)(key_end - line.data) : line.size, n};
        n++;
        at = end;
    }
    qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < n; i++) {
        bool again = i + 1 < n && all[i].key == all[i + 1].key &&
                     memcmp(all[i].line.data, all[i + 1].line.data, all[i].key) == 0;
        if (!again) mw_buf_append(ret, all[i].line.data, all[i].line.size);
    }
    mw_free(all);
}

static bool read_so(const char *path, const way *w, bool *ret_long, mw_buf *ret) {
    mw_ctx ctx;
    mw_err err;
    mw_reader *reader;
    mw_buf told;
    mw_ctx_init(&ctx);
    ctx.mem = &fixture.mem;
    ctx.pool = w->alone ? NULL : fixture.pool;
    mw_cpu_force(w->cpu);
    mw_buf_init(&told, NULL, SIZE_MAX / 4);
    const mw_reader_options options = {.args = w->forced ? fixture.args : NULL,
                                       .purpose = w->learn ? MW_FOR_TABLE : MW_FOR_DATASET,
                                       .keep_bad = w->learn,
                                       .plain_path = w->plain_path,
                                       .block_bytes = w->block_bytes,
                                       .collide = MW_COLLIDE_LAST};
    mw_status status = mw_reader_open(&ctx, path, &options, &reader, &err);
    if (status == MW_OK) {
        telling t = {.out = &told};
        mw_schema *schema = NULL;
        *ret_long = mw_reader_plan(reader)->is_long;
        mw_buf_init(&t.cells, NULL, SIZE_MAX / 4);
        if (w->collected && !*ret_long &&
            (mw_plan_schema(mw_reader_plan(reader), &schema, &err) != MW_OK ||
             mw_collect_new(&fixture.mem, schema, 1, &t.rows, &err) != MW_OK))
            abort();
        mw_reader_sink sink = {.take = take, .self = &t, .collect = t.rows};
        status = mw_reader_run(reader, &sink, &err);
        if (t.rows && status == MW_OK) check_collected(&t, schema);
        mw_collect_free(t.rows);
        mw_schema_free(schema);
        mw_buf_done(&t.cells);
        const uint8_t *widened = mw_reader_widened(reader);
        for (int32_t i = 0; widened && i <= mw_reader_plan(reader)->n_cells; i++)
            mw_buf_printf(&told, "widened %d %d\n", (int)i, widened[i]);
        mw_reader_close(reader);
    }
    if (status != MW_OK) mw_buf_printf(&told, "%s: %s\n", mw_status_name(status), err.message);
    if (*ret_long)
        join_readings(mw_buf_str(&told), ret);
    else
        sort_out(mw_buf_str(&told), ret);
    mw_buf_done(&told);
    if (mw_mem_used(&fixture.mem) != 0) abort();
    return status == MW_OK;
}

static void compare(const char *path, const mw_buf *want, const way *w) {
    mw_buf got;
    bool is_long = false;
    mw_buf_init(&got, NULL, SIZE_MAX / 4);
    (void)read_so(path, w, &is_long, &got);
    if (!mw_str_eq(mw_buf_str(want), mw_buf_str(&got))) {
        size_t at = 0, line = 0;
        while (at < want->size && at < got.size && want->data[at] == got.data[at]) {
            line = want->data[at] == '\n' ? at + 1 : line;
            at++;
        }
        fprintf(stderr, "plain %d, %zu bytes a block\nwant %.200s\ngot %.200s\n", w->plain_path,
                w->block_bytes, want->data + line, got.data + line);
        abort();
    }
    mw_buf_done(&got);
}

/* ---- rows of pieces ---- */

static const char *const heads[] = {"time,device_id,a,b\n", "time,device_id,parameter,value\n",
                                    "a,b\n1,2\n3,4\n", "time,a\n2026-01-01 00:00:00,1\n"};
static const char *const pieces[] = {",",
                                     ",",
                                     "\n",
                                     "\n",
                                     "\"",
                                     "\"",
                                     "\r\n",
                                     "\r",
                                     "1",
                                     "2.5",
                                     "-7",
                                     "x",
                                     " ",
                                     "NA",
                                     "\"\"",
                                     "2026-01-01 00:00:00",
                                     "a,b",
                                     "true",
                                     "1e999",
                                     ",,",
                                     "é",
                                     "inf",
                                     "\xEF\xBB\xBF",
                                     "2026-01-01 00:00:01,d,1,2\n",
                                     "\n\n",
                                     "\"\n\"",
                                     "\",\"",
                                     "p,1",
                                     "\xFF",
                                     "0x1",
                                     "#",
                                     "2026-01-01 00:00:02,d,p,2\n"};

static const char *const rows[] = {"2026-01-01 00:00:03,d1,1.5,2\n", "2026-01-01 00:00:03,d1,p,2\n",
                                   "5,6\n", "2026-01-01 00:00:04,2\n"};

static int put(const uint8_t *data, size_t size, uint8_t kind) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) abort();
    if (kind >= 4) {
        if (write(fd, data, size) != (ssize_t)size) abort();
        return fd;
    }
    FILE *file = fdopen(dup(fd), "wb");
    if (!file) abort();
    fputs(heads[kind], file);
    for (size_t i = 0; i < size && i < MOST_BYTES / 16; i++)
        fputs(data[i] < 128 ? pieces[data[i] % 32] : rows[kind], file);
    fclose(file);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t blocks[] = {64, 100, 257, 1000};
    if (size < HEAD || size > MOST_BYTES) return 0;
    if (!fixture.args) prepare();
    uint8_t kind = data[0] % 6;
    int fd = put(data + HEAD, size - HEAD, kind);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    way w = {.learn = data[1] & 1,
             .forced = kind < 4,
             .plain_path = true,
             .alone = true,
             .block_bytes = blocks[data[1] >> 1 & 3]};
    mw_buf want;
    bool is_long = false;
    mw_buf_init(&want, NULL, SIZE_MAX / 4);
    bool good = read_so(path, &w, &is_long, &want);
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512};
    w.plain_path = false;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        w.cpu = levels[i];
        w.alone = i == 1;
        w.collected = i > 0;
        compare(path, &want, &w);
    }
    w.block_bytes = 0;
    if (good && !is_long) compare(path, &want, &w);
    mw_buf_done(&want);
    close(fd);
    return 0;
}
