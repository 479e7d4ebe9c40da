/*
 * serve_reader.c -- tables read on request: what pyarrow_reader.py compares with pyarrow's reader, in one process and without a start for each.
 *
 * Request   u32 size of the rest, then 12 bytes: separator, quote (0: none), decimal mark, flags (1 a table of its own, 2 a lone CR ends a
 *           line, 4 "-999" is missing), number of the time form, seed, number of columns, 0, u32 bytes of the header line; then a letter
 *           for each column's type (t, n, s, b: time, number, text, truth value); then the file.
 * Reply     u32 size of the rest, then a byte: 0 read, 1 refused, 2 two ways of reading differ; the last two with a text. A table is
 *           i64 rows, i64 records, u32 columns, u32 refused rows, then each column (u8 type, u32 bytes, values), then each refused row (i64
 *           ordinal, u64 line, u32 field, u8 broken, u32 bytes of reason and of the row, both). Values: i64 us, f64, u8 (2: missing), and
 *           for texts the i32 sizes of all (-1: missing), then their bytes. The machine's byte order throughout.
 * Ways      the plain lexer on usual blocks is what counts; against it the plain lexer on small blocks of a size that the seed chooses, and
 *           the marks at every CPU level on such blocks, with threads and without, and on usual ones. Replies must be equal to the byte.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/cpu.h"
#include "core/base/threads.h"
#include "core/text/datetime.h"
#include "keep/ingest/reader.h"

enum { HEAD_BYTES = 12, MOST_COLUMNS = 32, MOST_BYTES = 64 << 20 };
enum { FLAG_LEARN = 1, FLAG_UNIFY = 2, FLAG_MARK = 4 };
enum { REPLY_READ, REPLY_REFUSED, REPLY_DIFFERS };

/* pyarrow_oracle.py has them in the same order. */
static const char *const forms[] = {"iso", "dd/mm/yyyy HH:MM:SS", "unix-s", "unix-ms"};

static struct fixture {
    mw_mem mem;
    mw_pool *pool;
    int fd; /* holds the file at hand */
    char path[64];
} fixture;

typedef struct request {
    char separator, quote, decimal;
    uint8_t flags, seed, n_columns;
    const char *form;
    const char *types; /* [n_columns] */
    const char *data;  /* [size] */
    size_t size, head_bytes;
} request;

static void prepare(void) {
    mw_mem_init(&fixture.mem, NULL, (size_t)512 << 20);
    if (mw_pool_new(NULL, 2, &fixture.pool, NULL) != MW_OK) abort();
    fixture.fd = memfd_create("file", MFD_CLOEXEC);
    if (fixture.fd < 0) abort();
    snprintf(fixture.path, sizeof fixture.path, "/proc/self/fd/%d", fixture.fd);
}

static mw_args *args_of(const request *r) {
    const char separator[2] = {r->separator, 0}, quote[2] = {r->quote, 0};
    const char *const given[][2] = {{"separator", separator}, {"quote", r->quote ? quote : "none"},
                                    {"escape", "none"},       {"comment", "none"},
                                    {"header", "true"},       {"units", "false"},
                                    {"encoding", "utf-8"}};
    mw_args *args;
    if (mw_args_new(NULL, mw_profile_params, &args, NULL) != MW_OK) abort();
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (mw_args_set(args, mw_str_of(given[i][0]), mw_str_of(given[i][1]), NULL) != MW_OK)
            abort();
    if (mw_args_finish(args, NULL) != MW_OK) abort();
    return args;
}

/* Detection has tests of its own: here the request says what the file is, whatever its rows look like. */
static mw_status adapt(void *self, mw_profile *profile, mw_err *err) {
    static const char *const marks[] = {"-999"};
    const request *r = self;
    mw_profile_column *columns =
        mw_arena_calloc(&profile->arena, (size_t)r->n_columns + 1, sizeof *columns);
    if (!columns) return mw_fail_nomem(err, "a request");
    profile->stamp = profile->date = profile->clock = -1;
    for (uint32_t i = 0; i < r->n_columns; i++) {
        mw_profile_column *column = &columns[i];
        bool is_time = r->types[i] == 't' && profile->stamp < 0;
        column->name = mw_arena_printf(&profile->arena, "c%u", i);
        if (!column->name) return mw_fail_nomem(err, "a request");
        column->use = is_time ? MW_USE_STAMP : MW_USE_NONE;
        column->type = is_time              ? MW_TIMESTAMP
                       : r->types[i] == 's' ? MW_DICTIONARY
                       : r->types[i] == 'b' ? MW_BOOL
                                            : MW_FLOAT64;
        column->decided = true;
        column->confidence = 1;
        if (is_time) profile->stamp = (int32_t)i;
    }
    profile->columns = columns;
    profile->n_columns = r->n_columns;
    profile->dialect =
        (mw_dialect){.separator = r->separator, .quote = r->quote, .decimal = r->decimal};
    profile->encoding = MW_ENC_UTF8;
    profile->line_end = r->flags & FLAG_UNIFY ? MW_LINES_MIXED : MW_LINES_LF;
    profile->skip_lines = 0;
    profile->has_header = true;
    profile->has_units = false;
    profile->shape = MW_SHAPE_WIDE;
    profile->marks = marks;
    profile->n_marks = profile->n_given_marks = r->flags & FLAG_MARK ? 1 : 0;
    profile->data_line = 2;
    profile->data_offset = r->head_bytes;
    mw_status status = mw_time_form_of(r->form, &profile->stamp_form, err);
    profile->stamp_form.decimal = r->decimal;
    return status;
}

/* ---- a table as bytes ---- */

typedef struct table {
    mw_buf columns[MOST_COLUMNS + 1], texts[MOST_COLUMNS + 1], bad;
    mw_type types[MOST_COLUMNS + 1];
    int32_t n_columns;
    uint32_t n_bad;
    int64_t n_rows, n_records;
} table;

static void put_size(mw_buf *out, size_t size) {
    uint32_t n = (uint32_t)size;
    mw_buf_append(out, &n, sizeof n);
}

static void table_init(table *t) {
    *t = (table){.n_columns = 0};
    mw_buf_init(&t->bad, NULL, SIZE_MAX / 4);
    for (int i = 0; i <= MOST_COLUMNS; i++) {
        mw_buf_init(&t->columns[i], NULL, SIZE_MAX / 4);
        mw_buf_init(&t->texts[i], NULL, SIZE_MAX / 4);
    }
}

static void table_done(table *t) {
    mw_buf_done(&t->bad);
    for (int i = 0; i <= MOST_COLUMNS; i++) {
        mw_buf_done(&t->columns[i]);
        mw_buf_done(&t->texts[i]);
    }
}

static const mw_dictionary *dictionary_of(const mw_lane *lane, int32_t column) {
    for (int32_t i = 0; i < lane->plan->n_cells; i++)
        if (lane->plan->cells[i].column == column) return lane->texts[i].dictionary;
    abort();
}

static void put_cell(table *t, int32_t c, const mw_chunk_column *column, int64_t row,
                     const mw_dictionary *dictionary, int64_t first_us) {
    mw_buf *out = &t->columns[c];
    if (column->type == MW_TIMESTAMP) {
        bool missing = column->time[row] == MW_TIME_NONE;
        int64_t us = missing ? MW_TIME_NONE : column->time[row] + first_us;
        mw_buf_append(out, &us, sizeof us);
    } else if (column->type == MW_FLOAT64) {
        mw_buf_append(out, &column->number[row], sizeof column->number[row]);
    } else if (column->type == MW_DICTIONARY) {
        int32_t code = column->codes[row];
        mw_str text = code < 0 ? (mw_str){"", 0} : mw_dictionary_text(dictionary, code);
        int32_t size = code < 0 ? -1 : (int32_t)text.size;
        mw_buf_append(out, &size, sizeof size);
        mw_buf_append(&t->texts[c], text.data, text.size);
    } else {
        bool valid = column->validity[row / 8] >> (row % 8) & 1;
        uint8_t bit = valid ? column->bits[row / 8] >> (row % 8) & 1 : 2;
        mw_buf_append(out, &bit, 1);
    }
}

static void put_bad(table *t, const mw_bad_row *bad, const mw_reader_place *place) {
    int64_t ordinal = place->first_record + bad->ordinal;
    uint64_t line = place->first_line + bad->line;
    uint8_t broken = bad->broken;
    size_t n_reason = strlen(bad->reason);
    mw_buf_append(&t->bad, &ordinal, sizeof ordinal);
    mw_buf_append(&t->bad, &line, sizeof line);
    put_size(&t->bad, bad->field);
    mw_buf_append(&t->bad, &broken, 1);
    put_size(&t->bad, n_reason);
    put_size(&t->bad, bad->raw.size);
    mw_buf_append(&t->bad, bad->reason, n_reason);
    mw_buf_append(&t->bad, bad->raw.data, bad->raw.size);
    t->n_bad++;
}

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    table *t = self;
    const mw_plan *plan = lane->plan;
    bool numbered = plan->profile->stamp < 0 && !plan->learn;
    (void)err;
    for (size_t i = 0; i < lane->n_bad; i++) put_bad(t, &lane->bad[i], place);
    for (size_t k = 0; k < lane->n_chunks; k++) {
        const mw_chunk *chunk = lane->chunks[k];
        for (int32_t c = 0; c < chunk->n_columns; c++) {
            const mw_chunk_column *column = &chunk->columns[c];
            const mw_dictionary *dictionary =
                column->type == MW_DICTIONARY ? dictionary_of(lane, c) : NULL;
            for (int64_t row = 0; row < chunk->n_rows; row++)
                put_cell(t, c, column, row, dictionary,
                         numbered ? place->first_record * MW_ROW_SECOND_US : 0);
        }
        t->n_rows += chunk->n_rows;
    }
    t->n_records = place->first_record + lane->n_records;
    return MW_OK;
}

static void put_table(const table *t, mw_buf *out) {
    mw_buf_add_char(out, REPLY_READ);
    mw_buf_append(out, &t->n_rows, sizeof t->n_rows);
    mw_buf_append(out, &t->n_records, sizeof t->n_records);
    put_size(out, (size_t)t->n_columns);
    put_size(out, t->n_bad);
    for (int32_t c = 0; c < t->n_columns; c++) {
        uint8_t type = (uint8_t)t->types[c];
        mw_buf_append(out, &type, 1);
        put_size(out, t->columns[c].size + t->texts[c].size);
        mw_buf_append(out, t->columns[c].data, t->columns[c].size);
        mw_buf_append(out, t->texts[c].data, t->texts[c].size);
    }
    mw_buf_append(out, t->bad.data, t->bad.size);
}

/* ---- ways of reading ---- */

typedef struct way {
    const char *name;
    bool plain_path, usual, threads; /* usual: blocks of the usual size */
    mw_cpu cpu;
} way;

static const way ways[] = {{"the lexer, usual blocks", true, true, false, MW_CPU_SCALAR},
                           {"the lexer, small blocks", true, false, false, MW_CPU_SCALAR},
                           {"marks, scalar", false, false, false, MW_CPU_SCALAR},
                           {"marks, avx2", false, false, true, MW_CPU_AVX2},
                           {"marks, avx512", false, false, false, MW_CPU_AVX512},
                           {"marks, usual blocks", false, true, false, MW_CPU_AVX512}};

static void read_so(const request *r, const mw_args *args, const way *w, mw_buf *ret) {
    static const size_t blocks[] = {64, 77, 100, 129, 257, 400, 1000, 4099};
    mw_ctx ctx;
    mw_err err;
    mw_reader *reader;
    table t;
    bool learn = r->flags & FLAG_LEARN;
    mw_ctx_init(&ctx);
    ctx.mem = &fixture.mem;
    ctx.pool = w->threads ? fixture.pool : NULL;
    mw_cpu_force(w->cpu);
    table_init(&t);
    const mw_reader_options options = {.args = args,
                                       .purpose = learn ? MW_FOR_TABLE : MW_FOR_DATASET,
                                       .keep_bad = learn,
                                       .plain_path = w->plain_path,
                                       .block_bytes = w->usual ? 0 : blocks[r->seed % 8],
                                       .collide = MW_COLLIDE_LAST,
                                       .adapt = adapt,
                                       .self = (void *)(uintptr_t)r};
    mw_status status = mw_reader_open(&ctx, fixture.path, &options, &reader, &err);
    if (status == MW_OK) {
        const mw_plan *plan = mw_reader_plan(reader);
        t.n_columns = plan->n_columns;
        memcpy(t.types, plan->types, (size_t)plan->n_columns * sizeof *t.types);
        mw_reader_sink sink = {.take = take, .self = &t};
        status = mw_reader_run(reader, &sink, &err);
        mw_reader_close(reader);
    }
    if (status == MW_OK)
        put_table(&t, ret);
    else
        mw_buf_printf(ret, "%c%s: %s", REPLY_REFUSED, mw_status_name(status), err.message);
    table_done(&t);
    if (mw_mem_used(&fixture.mem) != 0) abort();
}

static void answer(const request *r, mw_buf *ret) {
    if (ftruncate(fixture.fd, 0) != 0 ||
        pwrite(fixture.fd, r->data, r->size, 0) != (ssize_t)r->size)
        abort();
    mw_args *args = args_of(r);
    mw_buf other;
    read_so(r, args, &ways[0], ret);
    mw_buf_init(&other, NULL, SIZE_MAX / 4);
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        if (!mw_cpu_has(ways[i].cpu)) continue;
        mw_buf_clear(&other);
        read_so(r, args, &ways[i], &other);
        if (mw_str_eq(mw_buf_str(ret), mw_buf_str(&other))) continue;
        mw_buf_clear(ret);
        mw_buf_printf(ret, "%c%s: not what %s give", REPLY_DIFFERS, ways[i].name, ways[0].name);
        break;
    }
    mw_buf_done(&other);
    mw_args_free(args);
}

/* ---- requests ---- */

static bool parse(const char *data, size_t size, request *ret) {
    if (size < HEAD_BYTES) return false;
    uint32_t head_bytes;
    const uint8_t *bytes = (const uint8_t *)data;
    memcpy(&head_bytes, data + 8, sizeof head_bytes);
    *ret = (request){.separator = data[0],
                     .quote = data[1],
                     .decimal = data[2],
                     .flags = bytes[3],
                     .form = bytes[4] < sizeof forms / sizeof *forms ? forms[bytes[4]] : NULL,
                     .seed = bytes[5],
                     .n_columns = bytes[6],
                     .head_bytes = head_bytes};
    size_t skip = HEAD_BYTES + (size_t)ret->n_columns;
    if (!ret->form || ret->n_columns == 0 || ret->n_columns > MOST_COLUMNS || size < skip)
        return false;
    ret->types = data + HEAD_BYTES;
    ret->data = data + skip;
    ret->size = size - skip;
    return head_bytes <= ret->size;
}

static bool read_request(mw_buf *to) {
    uint32_t size;
    mw_buf_clear(to);
    if (fread(&size, sizeof size, 1, stdin) != 1 || size > MOST_BYTES) return false;
    char *room = mw_buf_reserve(to, size);
    if (!room || fread(room, 1, size, stdin) != size) return false;
    mw_buf_grew(to, size);
    return true;
}

int main(void) {
    mw_buf in, out;
    request r;
    prepare();
    mw_buf_init(&in, NULL, SIZE_MAX / 4);
    mw_buf_init(&out, NULL, SIZE_MAX / 4);
    while (read_request(&in)) {
        if (!parse(in.data, in.size, &r)) return 2;
        mw_buf_clear(&out);
        answer(&r, &out);
        uint32_t size = (uint32_t)out.size;
        if (fwrite(&size, sizeof size, 1, stdout) != 1 ||
            fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0)
            return 1;
    }
    mw_buf_done(&in);
    mw_buf_done(&out);
    mw_pool_free(fixture.pool);
    close(fixture.fd);
    return 0;
}
