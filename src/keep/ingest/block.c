/* block.c -- see block.h: cutting a block into strips of rows. block_cells.c reads their columns. */
#include "keep/ingest/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/reject_notes.h"

/* ---- lanes ---- */

static mw_status init_texts(mw_lane *lane, mw_err *err) {
    const mw_plan *plan = lane->plan;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < plan->n_cells && status == MW_OK; i++) {
        if (plan->cells[i].type != MW_DICTIONARY) continue;
        status = mw_texts_init(&lane->texts[i], lane->mem, err);
        lane->texts[i].rules = &lane->rules;
    }
    if (status == MW_OK && plan->is_long) status = mw_texts_init(&lane->parameters, lane->mem, err);
    lane->parameters.keep_marks = true;
    return status;
}

mw_status mw_lane_init(mw_lane *lane, mw_mem *mem, const mw_plan *plan, bool keep_bad,
                       mw_collide collide, mw_err *err) {
    const mw_profile *profile = plan->profile;
    *lane = (mw_lane){.mem = mem,
                      .plan = plan,
                      .keep_bad = keep_bad,
                      .collide = collide,
                      .rules = {.decimal = profile->dialect.decimal,
                                .thousands = profile->dialect.thousands,
                                .marks = profile->marks,
                                .n_marks = profile->n_given_marks},
                      .date_form = profile->date_form};
    if (profile->clock >= 0) lane->date_form.zone = NULL;
    mw_arena_init(&lane->arena, mem);
    size_t n = (size_t)plan->n_cells + 1;
    lane->texts = mw_calloc(mem, n, sizeof *lane->texts);
    lane->widened = mw_calloc(mem, n, 1);
    lane->odd = mw_alloc_array(mem, MW_STRIP_ROWS, sizeof *lane->odd);
    lane->refused = mw_alloc_array(mem, MW_STRIP_ROWS, sizeof *lane->refused);
    lane->clock = mw_alloc_array(mem, MW_STRIP_ROWS, sizeof *lane->clock);
    lane->mark_values = mw_alloc_array(mem, profile->n_given_marks + 1, sizeof *lane->mark_values);
    if (!lane->texts || !lane->widened || !lane->odd || !lane->refused || !lane->clock ||
        !lane->mark_values)
        return mw_fail_nomem(err, "reading a file");
    lane->rules.n_mark_values = mw_cell_mark_values(&lane->rules, lane->mark_values);
    lane->rules.mark_values = lane->mark_values;
    return init_texts(lane, err);
}

static void drop_chunks(mw_lane *lane) {
    for (size_t i = 0; i < lane->n_chunks; i++) mw_chunk_free(lane->chunks[i]);
    lane->n_chunks = 0;
    lane->rows_before = 0;
}

void mw_lane_done(mw_lane *lane) {
    if (!lane->mem) return;
    drop_chunks(lane);
    for (int32_t i = 0; lane->texts && i < lane->plan->n_cells; i++) mw_texts_done(&lane->texts[i]);
    mw_texts_done(&lane->parameters);
    for (int i = 0; i < MW_LABEL_N; i++) mw_free(lane->labels[i]);
    mw_free(lane->times);
    mw_free(lane->codes);
    mw_free(lane->values);
    mw_free(lane->parameter_bad);
    mw_free(lane->mark_values);
    mw_free(lane->texts);
    mw_free(lane->widened);
    mw_free(lane->odd);
    mw_free(lane->refused);
    mw_free(lane->clock);
    mw_free(lane->chunks);
    mw_free(lane->bad);
    mw_free(lane->block);
    mw_arena_done(&lane->arena);
    *lane = (mw_lane){0};
}

static void begin(mw_lane *lane, int32_t first_parameters) {
    drop_chunks(lane);
    lane->n_parameters = first_parameters;
    lane->rows_expected = MW_STRIP_ROWS;
    mw_arena_done(&lane->arena);
    mw_arena_init(&lane->arena, lane->mem);
    lane->n_records = 0;
    lane->n_bad = 0;
    lane->n_collisions = 0;
    lane->n_readings = 0;
    lane->n_pivoted = 0;
    lane->open_end = false;
    memset(lane->widened, 0, (size_t)lane->plan->n_cells + 1);
    lane->any_widened = false;
    lane->counted = lane->text;
    lane->n_counted = 0;
}

void mw_block_scratch_done(mw_block_scratch *scratch) {
    mw_free(scratch->marks);
    mw_free(scratch->compact);
    *scratch = (mw_block_scratch){0};
}

static uint32_t *room_for(mw_mem *mem, uint32_t **marks, size_t *capacity, size_t n) {
    if (*capacity >= n) return *marks;
    mw_free(*marks);
    *marks = mw_alloc_array(mem, n, sizeof **marks);
    *capacity = *marks ? n : 0;
    return *marks;
}

uint64_t mw_lane__line_at(mw_lane *lane, const char *at) {
    if (at < lane->counted) {
        lane->counted = lane->text;
        lane->n_counted = 0;
    }
    while (lane->counted < at) {
        const char *feed = memchr(lane->counted, '\n', (size_t)(at - lane->counted));
        lane->n_counted += feed != NULL;
        lane->counted = feed ? feed + 1 : at;
    }
    return lane->n_counted;
}

/* ---- marks ---- */

static mw_str row_raw(const mw_lane *lane, size_t begin_at, size_t end) {
    const char *text = lane->text;
    if (end > begin_at && text[end - 1] == '\r') end--;
    return (mw_str){text + begin_at, end - begin_at};
}

typedef struct marked {
    const uint32_t *marks; /* [-1 .. n_marks) */
    mw_csv_index index;
    bool high, cr;
    size_t strip_rows;
} marked;

/* Whether every row has the header's number of fields, and none is so long that a limit could matter. */
static bool is_regular(const mw_lane *lane, marked *m) {
    size_t n = (size_t)lane->plan->n_fields, limit = (size_t)MW_LIMIT(CSV_FIELD_BYTES);
    if (n == 1 || m->index.n_marks != m->index.n_lines * n) return false;
    bool cr = false, ends = true, fits = true;
    uint32_t before = UINT32_MAX;
    for (size_t i = n - 1; i < m->index.n_marks; i += n) {
        uint32_t end = m->marks[i];
        ends &= lane->text[end] == '\n';
        cr |= lane->text[end - 1] == '\r';
        fits &= end - before <= limit;
        before = end;
    }
    m->cr = cr;
    return ends && fits;
}

static mw_status read_regular(mw_lane *lane, const marked *m, mw_err *err) {
    size_t n = (size_t)lane->plan->n_fields, n_rows = m->index.n_lines;
    mw_status status = MW_OK;
    for (size_t r = 0; r < n_rows && status == MW_OK; r += m->strip_rows) {
        size_t count = n_rows - r < m->strip_rows ? n_rows - r : m->strip_rows;
        const mw_strip strip = {.text = lane->text,
                                .marks = m->marks + r * n - 1,
                                .stride = n,
                                .n = count,
                                .quotes = m->index.has_quotes,
                                .cr = m->cr,
                                .high = m->high};
        status = mw_lane__strip(lane, &strip, err);
    }
    return status;
}

mw_status mw_lane__refuse(mw_lane *lane, uint64_t line, uint32_t field, const char *reason,
                          mw_str raw, bool broken, mw_err *err) {
    if (lane->n_bad == lane->bad_capacity) {
        size_t capacity = lane->bad_capacity ? 2 * lane->bad_capacity : 16;
        void *more = mw_realloc(lane->mem, lane->bad, capacity * sizeof *lane->bad);
        if (!more) return mw_fail_nomem(err, "refused rows");
        lane->bad = more;
        lane->bad_capacity = capacity;
    }
    char *kept = mw_arena_strndup(&lane->arena, reason, strlen(reason));
    if (!kept) return mw_fail_nomem(err, "refused rows");
    lane->bad[lane->n_bad++] = (mw_bad_row){.line = line,
                                            .field = field,
                                            .reason = kept,
                                            .raw = raw,
                                            .row = -1,
                                            .ordinal = lane->n_records,
                                            .broken = broken};
    return MW_OK;
}

/* Refuses a row that cannot be cut into the header's fields; keep_bad: it stays as a row without values. */
static mw_status refuse_broken(mw_lane *lane, uint64_t line, uint32_t field, const char *reason,
                               mw_str raw, mw_err *err) {
    mw_status status = mw_lane__refuse(lane, line, field, reason, raw, true, err);
    lane->n_records++;
    if (status != MW_OK || !lane->keep_bad) return status;
    status = mw_lane__reserve(lane, 1, err);
    if (status != MW_OK) return status;
    mw_chunk *chunk = lane->chunks[lane->n_chunks - 1];
    const mw_chunk nothing = {.n_columns = 0};
    lane->bad[lane->n_bad - 1].row = lane->rows_before + chunk->n_rows;
    mw_chunk_append(chunk, &nothing, 0, 1);
    return MW_OK;
}

static mw_status refuse_count(mw_lane *lane, uint64_t line, size_t n_fields, mw_str raw,
                              mw_err *err) {
    char reason[MW_BLOCK_REASON];
    uint32_t expected = (uint32_t)lane->plan->n_fields;
    (void)snprintf(reason, sizeof reason, "%zu fields where the header has %u", n_fields, expected);
    uint32_t field = n_fields < expected ? (uint32_t)n_fields : expected;
    return refuse_broken(lane, line, field, reason, raw, err);
}

/* Row by row: leaves out blank lines and refuses rows with other counts of fields. */
static mw_status walk_marks(mw_lane *lane, const marked *m, mw_block_scratch *scratch,
                            mw_err *err) {
    size_t n = (size_t)lane->plan->n_fields, pending = 0;
    uint32_t *compact =
        room_for(lane->mem, &scratch->compact, &scratch->compact_capacity, (n + 1) * m->strip_rows);
    if (!compact) return mw_fail_nomem(err, "reading a file");
    mw_status status = MW_OK;
    for (size_t i = 0; i < m->index.n_marks && status == MW_OK;) {
        size_t first = i;
        while (lane->text[m->marks[i]] != '\n') i++;
        size_t count = ++i - first;
        size_t at = (size_t)(uint32_t)(*(m->marks + first - 1) + 1), end = m->marks[i - 1];
        mw_str raw = row_raw(lane, at, end);
        bool blank = count == 1 && raw.size == 0;
        bool wrong = !blank && count != n;
        if (!blank && !wrong) {
            memcpy(compact + pending * (n + 1), m->marks + first - 1, (n + 1) * sizeof *compact);
            pending++;
        }
        if (pending && (pending == m->strip_rows || wrong || i >= m->index.n_marks)) {
            const mw_strip strip = {.text = lane->text,
                                    .marks = compact,
                                    .stride = n + 1,
                                    .n = pending,
                                    .quotes = m->index.has_quotes,
                                    .cr = true,
                                    .high = m->high};
            status = mw_lane__strip(lane, &strip, err);
            pending = 0;
        }
        if (!wrong || status != MW_OK) continue;
        status = refuse_count(lane, mw_lane__line_at(lane, lane->text + at), count, raw, err);
    }
    return status;
}

static size_t strip_rows(size_t bytes, size_t rows) {
    size_t row = rows ? bytes / rows + 1 : bytes + 1;
    size_t n = MW_STRIP_BYTES / row;
    if (n >= 64) n = n / 64 * 64; /* whole batches of the number reader */
    return n < 8 ? 8 : n > MW_STRIP_ROWS ? MW_STRIP_ROWS : n;
}

/* ---- rows of the plain lexer ---- */

/* Rows laid out as a strip: each row's raw bytes, then its fields, a byte apart. */
typedef struct laid {
    mw_buf text;
    uint32_t *marks; /* [MW_STRIP_ROWS * (n_fields + 1)] */
    size_t n, capacity;
    mw_str raw[MW_STRIP_ROWS];
    size_t raw_at[MW_STRIP_ROWS];
    uint64_t lines[MW_STRIP_ROWS];
} laid;

static mw_status flush_laid(mw_lane *lane, laid *rows, mw_err *err) {
    if (rows->n == 0) return MW_OK;
    mw_buf_append(&rows->text, "\0", 1);
    char *slack = mw_buf_reserve(&rows->text, MW_FIELDS_SLACK);
    if (!slack) return mw_buf_status(&rows->text, "rows", err);
    memset(slack, 0, MW_FIELDS_SLACK);
    for (size_t i = 0; i < rows->n; i++) {
        size_t size = rows->raw[i].size;
        mw_str raw = {mw_buf_text(&rows->text) + rows->raw_at[i], size};
        rows->raw[i] = raw;
    }
    const mw_strip strip = {.text = mw_buf_text(&rows->text),
                            .marks = rows->marks,
                            .stride = (size_t)lane->plan->n_fields + 1,
                            .n = rows->n,
                            .high = true,
                            .raw = rows->raw,
                            .lines = rows->lines};
    mw_status status = mw_lane__strip(lane, &strip, err);
    rows->n = 0;
    mw_buf_clear(&rows->text);
    return status;
}

static mw_status lay_row(mw_lane *lane, laid *rows, const mw_csv_row *row, mw_err *err) {
    mw_buf *text = &rows->text;
    if (text->size == 0) {
        char *slack = mw_buf_reserve(text, MW_FIELDS_SLACK);
        if (!slack) return mw_buf_status(text, "rows", err);
        memset(slack, 0, MW_FIELDS_SLACK);
        mw_buf_grew(text, MW_FIELDS_SLACK);
    }
    size_t n = (size_t)lane->plan->n_fields;
    rows->raw[rows->n].size = row->raw.size;
    rows->raw_at[rows->n] = text->size;
    rows->lines[rows->n] = row->line - 1;
    mw_buf_append(text, row->raw.data, row->raw.size);
    uint32_t *marks = rows->marks + rows->n * (n + 1);
    for (size_t i = 0; i < n; i++) {
        marks[i] = (uint32_t)text->size;
        mw_buf_append(text, "\0", 1);
        mw_buf_append(text, row->fields[i].data, row->fields[i].size);
    }
    marks[n] = (uint32_t)text->size;
    rows->n++;
    mw_status status = mw_buf_status(text, "rows", err);
    if (status != MW_OK) return status;
    return rows->n == rows->capacity || text->size >= MW_STRIP_BYTES ? flush_laid(lane, rows, err)
                                                                     : MW_OK;
}

static mw_status take_row(mw_lane *lane, laid *rows, const mw_csv_row *row, mw_err *err) {
    size_t n = (size_t)lane->plan->n_fields;
    if (!row->problem && row->n_fields == n) return lay_row(lane, rows, row, err);
    mw_status status = flush_laid(lane, rows, err); /* keeps the order of rows */
    char *raw =
        status == MW_OK ? mw_arena_strndup(&lane->arena, row->raw.data, row->raw.size) : NULL;
    if (status != MW_OK) return status;
    if (!raw) return mw_fail_nomem(err, "refused rows");
    mw_str kept = {raw, row->raw.size};
    /* A note of a rejects file that stands behind an open quote is no row. */
    if (row->problem && mw_reject_is_note(row->raw)) return MW_OK;
    if (!row->problem) return refuse_count(lane, row->line - 1, row->n_fields, kept, err);
    uint32_t field = row->problem_column > 0 ? row->problem_column - 1 : 0;
    return refuse_broken(lane, row->line - 1, field, row->problem, kept, err);
}

static mw_status pull_rows(mw_lane *lane, mw_csv *csv, mw_block_scratch *scratch, mw_err *err) {
    size_t n = (size_t)lane->plan->n_fields;
    size_t capacity = MW_STRIP_BYTES / (n + 1);
    if (capacity < 8) capacity = 8;
    if (capacity > MW_STRIP_ROWS) capacity = MW_STRIP_ROWS;
    laid *rows = mw_alloc(lane->mem, sizeof *rows);
    if (!rows) return mw_fail_nomem(err, "reading a file");
    rows->n = 0;
    rows->capacity = capacity;
    rows->marks =
        room_for(lane->mem, &scratch->compact, &scratch->compact_capacity, (n + 1) * capacity);
    mw_buf_init(&rows->text, lane->mem, 4 * (size_t)MW_LIMIT(CSV_ROW_BYTES) + 65536);
    mw_status status = rows->marks ? MW_OK : mw_fail_nomem(err, "reading a file");
    mw_csv_row row;
    while (status == MW_OK && mw_csv_row_next(csv, &row)) status = take_row(lane, rows, &row, err);
    if (status == MW_OK) status = flush_laid(lane, rows, err);
    mw_buf_done(&rows->text);
    mw_free(rows);
    return status;
}

static mw_status read_lexed(mw_lane *lane, mw_block_scratch *scratch, mw_err *err) {
    mw_csv *csv;
    mw_status status = mw_csv_new(lane->mem, &lane->plan->profile->dialect, &csv, err);
    if (status != MW_OK) return status;
    mw_csv_keep_mark(csv);
    status = mw_csv_push(csv, lane->text, lane->size, err);
    if (lane->last) mw_csv_finish(csv);
    if (status == MW_OK) status = pull_rows(lane, csv, scratch, err);
    if (status == MW_OK) lane->open_end = mw_csv_waiting(csv) > 0;
    mw_csv_free(csv);
    return status;
}

/* ---- both ---- */

mw_status mw_lane_index(mw_lane *lane, mw_block_scratch *scratch, int32_t first_parameters,
                        mw_err *err) {
    begin(lane, first_parameters);
    scratch->is_marked = false;
    if (lane->plain_path || !mw_dialect_is_simple(&lane->plan->profile->dialect)) {
        lane->n_lines = mw_lane__line_at(lane, lane->text + lane->size);
        lane->most_rows = (size_t)lane->n_lines;
        return MW_OK;
    }
    uint32_t *marks = room_for(lane->mem, &scratch->marks, &scratch->marks_capacity,
                               lane->size + 2 * MW_FIELDS_SLACK);
    if (!marks) return mw_fail_nomem(err, "reading a file");
    marks[0] = UINT32_MAX;
    mw_csv_index *index = &scratch->index;
    mw_csv_index_block(&lane->plan->profile->dialect, lane->text, lane->size, marks + 1, index);
    /* A piece of a line that is longer than a row may be has no end. */
    bool whole = lane->size == 0 || lane->text[lane->size - 1] == '\n';
    scratch->is_marked = !index->irregular && whole;
    lane->n_lines = index->n_feeds;
    lane->most_rows = index->n_feeds;
    return MW_OK;
}

/* *ret_irregular: the plain lexer has to judge what is longer than a field may be. */
static mw_status read_marked(mw_lane *lane, mw_block_scratch *scratch, bool *ret_irregular,
                             mw_err *err) {
    marked m = {.marks = scratch->marks + 1, .index = scratch->index};
    m.high = m.index.has_high && !mw_utf8_valid(lane->text, lane->size);
    lane->rows_expected = m.index.n_lines;
    m.strip_rows = strip_rows(lane->size, m.index.n_lines);
    if (is_regular(lane, &m)) return read_regular(lane, &m, err);
    /* A field may be over its limit only in a line that is. */
    uint32_t before = UINT32_MAX;
    for (size_t i = 0; i < m.index.n_marks; i++) {
        *ret_irregular |= m.marks[i] - before > (size_t)MW_LIMIT(CSV_FIELD_BYTES);
        before = m.marks[i];
    }
    return *ret_irregular ? MW_OK : walk_marks(lane, &m, scratch, err);
}

static int by_ordinal(const void *a, const void *b) {
    const mw_bad_row *x = a, *y = b;
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

/* Rows of a strip are refused column by column. */
static void finish(mw_lane *lane) {
    if (lane->n_bad > 1) qsort(lane->bad, lane->n_bad, sizeof *lane->bad, by_ordinal);
}

mw_status mw_lane_read(mw_lane *lane, mw_block_scratch *scratch, mw_err *err) {
    bool irregular = !scratch->is_marked;
    mw_status status = MW_OK;
    if (!irregular) status = read_marked(lane, scratch, &irregular, err);
    if (status == MW_OK && irregular) status = read_lexed(lane, scratch, err);
    /* Too much may be wrong because the block begins inside quotes: it is judged when that is known. */
    bool too_many = lane->plan->is_long && mw_lane__too_many(lane);
    lane->open_end |= too_many;
    if (status == MW_OK && lane->plan->is_long && !lane->open_end)
        status = mw_lane__pivot(lane, err);
    finish(lane);
    return status;
}

/* The block was read before as something that it is not. */
static mw_status forget_texts(mw_lane *lane, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t i = 0; i < lane->plan->n_cells && status == MW_OK; i++)
        if (lane->plan->cells[i].type == MW_DICTIONARY)
            status = mw_texts_restart(&lane->texts[i], err);
    if (status == MW_OK && lane->plan->is_long) status = mw_texts_restart(&lane->parameters, err);
    lane->parameters_checked = 0;
    lane->any_parameter_bad = false;
    return status;
}

mw_status mw_lane_read_from(mw_lane *lane, mw_csv *csv, mw_block_scratch *scratch,
                            int32_t first_parameters, mw_err *err) {
    begin(lane, first_parameters);
    mw_status status = forget_texts(lane, err);
    if (status == MW_OK) status = pull_rows(lane, csv, scratch, err);
    if (status == MW_OK && lane->plan->is_long) status = mw_lane__pivot(lane, err);
    finish(lane);
    return status;
}
