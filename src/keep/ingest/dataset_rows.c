/*
 * dataset_rows.c -- the rows of a dataset's segments, side by side in the order of their times.
 *
 * Each open segment has a chunk at hand. What can be handed out are the rows up to the (time, piece) at which the first
 * of these chunks ends: none that is still to be read comes before. They lie at the beginnings of the chunks, so that a
 * few copies a column make the chunk that is handed out, and one segment's chunk is used up each time. Where that would
 * be many rows of many columns, as many are handed out as fit.
 */
#include <string.h>

#include "core/base/log.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/dataset_parts.h"

enum {
    CHUNK_BYTES = 4 << 20,  /* of all open segments, about */
    HANDED_BYTES = 8 << 20, /* handed out: a chunk of one segment always goes out whole */
    HANDED_ROWS_MIN = 256   /* however many columns */
};

/* ---- opening and closing a segment ---- */

static void close_source(const mw_dataset *d, mw_dataset_source *s) {
    for (int32_t c = 0; s->numbers && c < d->n_columns; c++) mw_free(s->numbers[c]);
    mw_free(s->numbers);
    mw_free(s->from);
    mw_free(s->device);
    mw_free(s->n_lost);
    mw_chunk_free(s->chunk);
    mw_ipc_reader_close(s->reader);
    *s = (mw_dataset_source){0};
}

static void say_lost(const mw_dataset *d, const mw_dataset_source *s) {
    for (int32_t c = 0; c < d->n_columns; c++)
        if (s->n_lost[c])
            mw_log_warn(d->ctx,
                        "segment %s: %lld texts in column %s are no numbers and count as missing",
                        d->pieces[s->piece].file, (long long)s->n_lost[c], d->names[c]);
}

static mw_status number_devices(const mw_dataset *d, mw_dataset_source *s,
                                const mw_dictionary *texts, mw_err *err) {
    int32_t n = mw_dictionary_size(texts);
    s->device = mw_alloc_array(d->ctx->mem, (size_t)n + 1, sizeof *s->device);
    if (!s->device) return mw_fail_nomem(err, "the devices of a segment");
    for (int32_t i = 0; i < n; i++) /* the empty one is none: -1 */
        s->device[i] =
            mw_dictionary_find(d->schema->columns[1].dictionary, mw_dictionary_text(texts, i));
    return MW_OK;
}

static mw_status read_texts(const mw_dataset *d, mw_dataset_source *s, int32_t c,
                            const mw_dictionary *texts, mw_err *err) {
    int32_t n = mw_dictionary_size(texts);
    double *numbers = mw_alloc_array(d->ctx->mem, (size_t)n + 1, sizeof *numbers);
    if (!numbers) return mw_fail_nomem(err, "the numbers of a segment");
    for (int32_t i = 0; i < n; i++) {
        mw_cell cell = mw_cell_read(mw_dictionary_text(texts, i), &numbers[i]);
        if (cell != MW_CELL_NUMBER && cell != MW_CELL_BOOL) numbers[i] = MW_NAN;
    }
    s->numbers[c] = numbers;
    return MW_OK;
}

static mw_status find_column(const mw_dataset *d, mw_dataset_source *s, int32_t c, mw_err *err) {
    const mw_schema *schema = mw_ipc_reader_schema(s->reader);
    s->from[c] = mw_schema_find(schema, mw_str_of(d->names[c]));
    if (s->from[c] < 0 && c == 0)
        return mw_fail(err, MW_EDATA, "segment %s has no time column", d->pieces[s->piece].file);
    if (s->from[c] < 0) return MW_OK;
    const mw_schema_column *column = &schema->columns[s->from[c]];
    if (d->types[c] == MW_DICTIONARY && column->type == MW_DICTIONARY)
        return number_devices(d, s, column->dictionary, err);
    if (column->type == d->types[c]) return MW_OK;
    if (d->types[c] == MW_FLOAT64 && column->type == MW_DICTIONARY)
        return read_texts(d, s, c, column->dictionary, err);
    return mw_fail(err, MW_EDATA, "segment %s: column %s is %s, not %s as in others",
                   d->pieces[s->piece].file, d->names[c], mw_type_name(column->type),
                   mw_type_name(d->types[c]));
}

static mw_status open_source(const mw_dataset *d, mw_dataset_source *s, mw_err *err) {
    const mw_dataset_piece *piece = &d->pieces[s->piece];
    mw_mem *mem = d->ctx->mem;
    size_t n = (size_t)d->n_columns;
    s->latest = MW_TIME_NONE;
    s->from = mw_alloc_array(mem, n, sizeof *s->from);
    s->numbers = mw_calloc(mem, n, sizeof *s->numbers);
    s->n_lost = mw_calloc(mem, n, sizeof *s->n_lost);
    mw_status status =
        s->from && s->numbers && s->n_lost ? MW_OK : mw_fail_nomem(err, "reading a segment");
    if (status == MW_OK)
        status = mw_ipc_reader_open(d->ctx, piece->dir, piece->file, d->names, n, &s->reader, err);
    for (int32_t c = 0; c < d->n_columns && status == MW_OK; c++)
        status = find_column(d, s, c, err);
    return mw_dataset__say_gone(status, piece->file, err);
}

/* ---- the chunks at hand ---- */

static bool is_used_up(const mw_dataset_source *s) {
    return !s->chunk || s->row == s->chunk->n_rows;
}

static const int64_t *times(const mw_dataset_source *s) {
    return s->chunk->columns[s->from[0]].time;
}

static int64_t last_time(const mw_dataset_source *s) { return times(s)[s->chunk->n_rows - 1]; }

static mw_status check_order(const mw_dataset *d, const mw_dataset_source *s, mw_err *err) {
    const int64_t *time = times(s);
    bool good = time[0] >= s->latest && time[0] >= d->latest;
    for (int64_t i = 1; i < s->chunk->n_rows; i++) good &= time[i] >= time[i - 1];
    if (good) return MW_OK;
    mw_fail(err, MW_EDATA, "segment %s: its rows are not in the order of their times",
            d->pieces[s->piece].file);
    return mw_err_hint(err, "ingest the file it came from again");
}

/* The segment's next chunk; none: it is closed, and *ended. */
static mw_status refill(mw_dataset *d, mw_dataset_source *s, bool *ended, mw_err *err) {
    *ended = false;
    if (s->chunk) s->latest = last_time(s);
    s->chunk = mw_chunk_free(s->chunk);
    s->row = 0;
    mw_ipc_reader_limit(s->reader, CHUNK_BYTES / (d->n_sources + 1));
    mw_status status = mw_ipc_reader_next(s->reader, &s->chunk, err);
    if (status != MW_OK) return status;
    if (s->chunk) return check_order(d, s, err);
    say_lost(d, s);
    close_source(d, s);
    *ended = true;
    return MW_OK;
}

/* Every open segment has rows at hand afterwards. */
static mw_status refill_all(mw_dataset *d, mw_err *err) {
    size_t kept = 0;
    mw_status status = MW_OK;
    for (size_t i = 0; i < d->n_sources; i++) {
        bool ended = false;
        if (status == MW_OK && is_used_up(&d->sources[i]))
            status = refill(d, &d->sources[i], &ended, err);
        if (!ended) d->sources[kept++] = d->sources[i];
    }
    d->n_sources = kept;
    return status;
}

static mw_status open_next(mw_dataset *d, mw_err *err) {
    if (d->n_sources == d->capacity) {
        size_t capacity = d->capacity ? 2 * d->capacity : 8;
        mw_dataset_source *sources =
            mw_realloc(d->ctx->mem, d->sources, capacity * sizeof *sources);
        if (!sources) return mw_fail_nomem(err, "reading a dataset");
        d->sources = sources;
        d->capacity = capacity;
    }
    mw_dataset_source *s = &d->sources[d->n_sources];
    *s = (mw_dataset_source){.piece = d->next_piece++};
    bool ended = false;
    mw_status status = open_source(d, s, err);
    if (status == MW_OK) status = refill(d, s, &ended, err);
    if (status != MW_OK) close_source(d, s);
    if (status == MW_OK && !ended) d->n_sources++;
    return status;
}

/* The source whose chunk ends first; of equal times the first of them. */
static const mw_dataset_source *first_to_end(const mw_dataset *d) {
    const mw_dataset_source *first = &d->sources[0];
    for (size_t i = 1; i < d->n_sources; i++)
        if (last_time(&d->sources[i]) < last_time(first)) first = &d->sources[i];
    return first;
}

/* Opens what may have rows before the end of the chunks at hand. */
static mw_status open_due(mw_dataset *d, mw_err *err) {
    mw_status status = MW_OK;
    while (status == MW_OK && d->next_piece < d->n &&
           (d->n_sources == 0 || d->pieces[d->next_piece].first_us < last_time(first_to_end(d))))
        status = open_next(d, err);
    return status;
}

/* ---- the chunk that is handed out ---- */

/* Rows of s up to (time, piece). */
static int64_t count_due(const mw_dataset_source *s, int64_t time, size_t piece) {
    const int64_t *t = times(s);
    int64_t low = s->row, high = s->chunk->n_rows;
    bool equal_too = s->piece <= piece;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (t[middle] < time || (equal_too && t[middle] == time))
            low = middle + 1;
        else
            high = middle;
    }
    return low - s->row;
}

static void copy_devices(const mw_dataset_source *s, const int32_t *from, int32_t *to, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = from[i] < 0 ? -1 : s->device[from[i]];
}

static void copy_texts(mw_dataset_source *s, int32_t c, const int32_t *from, double *to,
                       int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        to[i] = from[i] < 0 ? MW_NAN : s->numbers[c][from[i]];
        s->n_lost[c] += from[i] >= 0 && mw_isnan(to[i]);
    }
}

/* Cells [row, row + n) of s to row `at` of the chunk. */
static void copy_cells(const mw_dataset *d, mw_dataset_source *s, int32_t c, int64_t at,
                       int64_t n) {
    mw_chunk_column *to = &d->chunk->columns[c];
    if (s->from[c] < 0) {
        for (int64_t i = 0; i < n && to->type == MW_DICTIONARY; i++) to->codes[at + i] = -1;
        for (int64_t i = 0; i < n && to->type == MW_FLOAT64; i++) to->number[at + i] = MW_NAN;
        return;
    }
    const mw_chunk_column *from = &s->chunk->columns[s->from[c]];
    if (to->type == MW_DICTIONARY)
        copy_devices(s, from->codes + s->row, to->codes + at, n);
    else if (s->numbers[c])
        copy_texts(s, c, from->codes + s->row, to->number + at, n);
    else
        memcpy(to->number + at, from->number + s->row, (size_t)n * sizeof *to->number);
}

static mw_status make_room(mw_dataset *d, int64_t n, mw_err *err) {
    if (d->chunk && (d->chunk->capacity < n || d->chunk->n_columns != d->n_columns))
        d->chunk = mw_chunk_free(d->chunk);
    if (d->chunk) return MW_OK;
    return mw_chunk_new(d->ctx->mem, d->types, d->n_columns, n, &d->chunk, err);
}

static int64_t count_all_due(const mw_dataset *d, int64_t time, size_t piece) {
    int64_t n = 0;
    for (size_t i = 0; i < d->n_sources; i++) n += count_due(&d->sources[i], time, piece);
    return n;
}

/* The first time from `begin` on up to which more than `most` rows are due; up to `end` they are. */
static int64_t find_time(const mw_dataset *d, int64_t begin, int64_t end, int64_t most) {
    while (begin < end) {
        int64_t middle = begin + (int64_t)(((uint64_t)end - (uint64_t)begin) / 2);
        if (count_all_due(d, middle, SIZE_MAX) <= most)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* Moves the end of what is handed out, (*time, *piece), to where at most `most` rows are due; of one segment's rows of
 * one time it is all. */
static void cut_short(const mw_dataset *d, int64_t most, int64_t *time, size_t *piece) {
    int64_t begin = *time, n = 0;
    for (size_t i = 0; i < d->n_sources; i++) {
        int64_t t = times(&d->sources[i])[d->sources[i].row];
        if (t < begin) begin = t;
    }
    int64_t end = find_time(d, begin, *time, most);
    *time = end > begin ? end - 1 : begin;
    *piece = SIZE_MAX;
    for (size_t i = 0; i < d->n_sources && end == begin; i++) { /* many rows of the first time */
        int64_t due = count_due(&d->sources[i], begin, SIZE_MAX);
        if (n && n + due > most) return; /* at the former *piece at the latest */
        n += due;
        if (due) *piece = d->sources[i].piece;
    }
}

static mw_status take_due(mw_dataset *d, mw_err *err) {
    const mw_dataset_source *first = first_to_end(d);
    int64_t time = last_time(first), most = HANDED_BYTES / ((int64_t)sizeof(double) * d->n_columns);
    size_t piece = first->piece;
    if (most < HANDED_ROWS_MIN) most = HANDED_ROWS_MIN;
    int64_t n = count_all_due(d, time, piece);
    if (n > most) {
        cut_short(d, most, &time, &piece);
        n = count_all_due(d, time, piece);
    }
    mw_status status = make_room(d, n, err);
    if (status != MW_OK) return status;
    d->chunk->n_rows = 0;
    for (size_t i = 0; i < d->n_sources; i++) {
        mw_dataset_source *s = &d->sources[i];
        int64_t due = count_due(s, time, piece);
        for (int32_t c = 0; c < d->n_columns && due; c++)
            copy_cells(d, s, c, d->chunk->n_rows, due);
        d->chunk->n_rows += due;
        s->row += due;
    }
    d->latest = time;
    return MW_OK;
}

/* ---- the stream ---- */

void mw_dataset__stop(mw_dataset *d) {
    for (size_t i = 0; i < d->n_sources; i++) close_source(d, &d->sources[i]);
    d->n_sources = 0;
    d->chunk = mw_chunk_free(d->chunk);
}

mw_status mw_dataset__start(void *self, int32_t n_columns, mw_err *err) {
    mw_dataset *d = self;
    (void)err;
    mw_dataset__stop(d);
    d->n_columns = n_columns;
    d->next_piece = 0;
    d->latest = MW_TIME_NONE;
    return MW_OK;
}

mw_status mw_dataset__next(void *self, const mw_chunk **ret, mw_err *err) {
    mw_dataset *d = self;
    *ret = NULL;
    mw_status status = refill_all(d, err);
    if (status == MW_OK) status = open_due(d, err);
    if (status != MW_OK || d->n_sources == 0) return status;
    status = take_due(d, err);
    if (status == MW_OK) *ret = d->chunk;
    return status;
}
