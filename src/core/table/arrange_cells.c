/*
 * arrange_cells.c -- single cells and rows of chunks, the types that chunks share, and stable sorting of one chunk: natural
 * merge sort (Knuth, TAOCP 3, 5.2.4), since what comes out of order is nearly always a few ascending runs.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/table/arrange_parts.h"
#include "core/text/datetime.h"

/* --- types ------------------------------------------------------------------------------------- */

static mw_status add_types(mw_arrange__types *types, const mw_chunk *chunk, mw_err *err) {
    if (chunk->n_columns > types->capacity) {
        int32_t capacity = chunk->n_columns + chunk->n_columns / 2;
        mw_type *more = mw_realloc(types->mem, types->types, (size_t)capacity * sizeof *more);
        if (!more) return mw_fail_nomem(err, "the columns of a table");
        types->types = more;
        types->capacity = capacity;
    }
    while (types->n < chunk->n_columns) {
        mw_type type = chunk->columns[types->n].type;
        types->types[types->n++] = type;
        types->row_bytes += type == MW_BOOL ? 1 : type == MW_DICTIONARY ? 4 : 8;
    }
    return MW_OK;
}

mw_status mw_arrange__types_learn(mw_arrange__types *types, const mw_chunk *chunk, mw_err *err) {
    int32_t n = chunk->n_columns < types->n ? chunk->n_columns : types->n;
    for (int32_t c = 0; c < n; c++)
        if (chunk->columns[c].type != types->types[c])
            return mw_fail(err, MW_EINTERNAL, "column %d changed its type from %s to %s", (int)c,
                           mw_type_name(types->types[c]), mw_type_name(chunk->columns[c].type));
    return chunk->n_columns > types->n ? add_types(types, chunk, err) : MW_OK;
}

void mw_arrange__piece_done(mw_arrange__piece *piece) {
    mw_chunk_free(piece->chunk);
    mw_free(piece->origins);
    *piece = (mw_arrange__piece){0};
}

/* --- cells ------------------------------------------------------------------------------------- */

static bool bit_of(const uint8_t *bits, int64_t row) { return bits[row / 8] >> (row % 8) & 1; }

bool mw_arrange__cell_has(const mw_chunk *chunk, int32_t column, int64_t row) {
    if (column >= chunk->n_columns) return false;
    const mw_chunk_column *c = &chunk->columns[column];
    switch (c->type) {
    case MW_TIMESTAMP: return c->time[row] != MW_TIME_NONE;
    case MW_FLOAT64: return !mw_isnan(c->number[row]);
    case MW_DICTIONARY: return c->codes[row] >= 0;
    default: return bit_of(c->validity, row);
    }
}

bool mw_arrange__cell_equal(const mw_chunk *a, int64_t row_a, const mw_chunk *b, int64_t row_b,
                            int32_t column) {
    bool has = mw_arrange__cell_has(a, column, row_a);
    if (has != mw_arrange__cell_has(b, column, row_b)) return false;
    if (!has) return true;
    const mw_chunk_column *x = &a->columns[column], *y = &b->columns[column];
    switch (x->type) {
    case MW_TIMESTAMP: return x->time[row_a] == y->time[row_b];
    case MW_FLOAT64: return x->number[row_a] == y->number[row_b];
    case MW_DICTIONARY: return x->codes[row_a] == y->codes[row_b];
    default: return bit_of(x->bits, row_a) == bit_of(y->bits, row_b);
    }
}

static void put_bit(uint8_t *bits, int64_t row, bool value) {
    uint8_t mask = (uint8_t)(1u << (row % 8));
    bits[row / 8] = (uint8_t)(value ? bits[row / 8] | mask : bits[row / 8] & ~mask);
}

void mw_arrange__cell_copy(mw_chunk *to, int64_t row_to, const mw_chunk *from, int64_t row_from,
                           int32_t column) {
    bool has = mw_arrange__cell_has(from, column, row_from);
    mw_chunk_column *x = &to->columns[column];
    const mw_chunk_column *y = has ? &from->columns[column] : NULL;
    switch (x->type) {
    case MW_TIMESTAMP: x->time[row_to] = has ? y->time[row_from] : MW_TIME_NONE; break;
    case MW_FLOAT64: x->number[row_to] = has ? y->number[row_from] : MW_NAN; break;
    case MW_DICTIONARY: x->codes[row_to] = has ? y->codes[row_from] : -1; break;
    default:
        put_bit(x->bits, row_to, has && bit_of(y->bits, row_from));
        put_bit(x->validity, row_to, has);
    }
}

bool mw_arrange__row_equal(const mw_chunk *a, int64_t row_a, const mw_chunk *b, int64_t row_b,
                           int32_t from) {
    int32_t n = a->n_columns > b->n_columns ? a->n_columns : b->n_columns;
    for (int32_t c = from; c < n; c++)
        if (!mw_arrange__cell_equal(a, row_a, b, row_b, c)) return false;
    return true;
}

/* Missing cells leave no trace, so that a chunk from before a column came hashes alike. */
uint32_t mw_arrange__row_hash(const mw_chunk *chunk, int64_t row, int32_t from) {
    uint64_t hash = UINT64_C(0x243F6A8885A308D3);
    for (int32_t c = from; c < chunk->n_columns; c++) {
        if (!mw_arrange__cell_has(chunk, c, row)) continue;
        const mw_chunk_column *column = &chunk->columns[c];
        uint64_t word = 0;
        double number;
        switch (column->type) {
        case MW_TIMESTAMP: word = (uint64_t)column->time[row]; break;
        case MW_FLOAT64:
            number = column->number[row] + 0.0; /* -0 equals 0 */
            memcpy(&word, &number, sizeof word);
            break;
        case MW_DICTIONARY: word = (uint64_t)column->codes[row]; break;
        default: word = bit_of(column->bits, row);
        }
        hash = (hash ^ word ^ (uint64_t)c << 40) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return (uint32_t)(hash ^ hash >> 32);
}

int32_t mw_arrange__row_width(const mw_chunk *chunk, int64_t row) {
    int32_t n = chunk->n_columns;
    while (n > 0 && !mw_arrange__cell_has(chunk, n - 1, row)) n--;
    return n;
}

/* --- order of one chunk ------------------------------------------------------------------------ */

mw_arrange__look mw_arrange__look_at(const int64_t *times, int64_t n, int64_t newest) {
    /* Without a branch: nearly all chunks ascend, and then this is all that is done to their times. */
    int64_t descents = times[0] < newest;
    for (int64_t i = 1; i < n; i++) descents += times[i] < times[i - 1];
    if (descents == 0)
        return (mw_arrange__look){.first = times[0], .last = times[n - 1], .ascending = true};
    mw_arrange__look look = {.first = times[0], .last = times[0], .ascending = true};
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && times[i] < times[i - 1]) look.ascending = false;
        if (times[i] < look.first) look.first = times[i];
        if (times[i] > look.last) look.last = times[i];
        if (times[i] < newest) look.n_older++;
        if (times[i] > newest) newest = times[i];
    }
    return look;
}

typedef struct place {
    int64_t time;
    uint32_t row;
} place;

/* The end of the ascending run that starts at `at`. */
static int64_t run_end(const place *places, int64_t at, int64_t n) {
    if (at >= n) return n;
    while (++at < n && places[at].time >= places[at - 1].time) continue;
    return at;
}

static void merge_runs(const place *from, int64_t a, int64_t b, int64_t end, place *to) {
    int64_t middle = b;
    for (int64_t at = a; at < end; at++) {
        bool second = a == middle || (b < end && from[b].time < from[a].time);
        to[at] = second ? from[b++] : from[a++];
    }
}

/* Merges neighboring runs until one is left, in one of the two buffers. */
static mw_status sort_places(const mw_ctx *ctx, place *places, place *spare, int64_t n,
                             const place **ret, mw_err *err) {
    while (run_end(places, 0, n) < n) {
        mw_status status = mw_ctx_check(ctx, err);
        if (status != MW_OK) return status;
        for (int64_t a = 0; a < n;) {
            int64_t b = run_end(places, a, n), end = run_end(places, b, n);
            merge_runs(places, a, b, end, spare);
            a = end;
        }
        place *other = places;
        places = spare;
        spare = other;
    }
    *ret = places;
    return MW_OK;
}

mw_status mw_arrange__sort(const mw_ctx *ctx, const mw_arrange__types *types, mw_chunk **chunk,
                           mw_err *err) {
    mw_chunk *old = *chunk, *sorted = NULL;
    int64_t n = old->n_rows;
    if (n > UINT32_MAX) return mw_fail(err, MW_ETOOLARGE, "a chunk of more than 2^32 rows");
    place *places = mw_alloc_array(ctx->mem, 2 * (size_t)n, sizeof *places);
    if (!places) return mw_fail_nomem(err, "sorting rows by time");
    for (int64_t i = 0; i < n; i++) places[i] = (place){old->columns[0].time[i], (uint32_t)i};
    const place *order;
    mw_status status = sort_places(ctx, places, places + n, n, &order, err);
    if (status == MW_OK)
        status = mw_chunk_new(ctx->mem, types->types, old->n_columns, n, &sorted, err);
    if (status == MW_OK) {
        uint32_t *index = (uint32_t *)(void *)places; /* order is read before it is written over */
        for (int64_t i = 0; i < n; i++) {
            uint32_t row = order[i].row;
            memcpy(index + i, &row, sizeof row);
        }
        mw_chunk_gather(sorted, old, index, n);
        mw_chunk_free(old);
        *chunk = sorted;
    }
    mw_free(places);
    return status;
}
