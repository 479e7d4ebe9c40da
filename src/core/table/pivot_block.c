/*
 * pivot_block.c -- two passes over the readings of a block. The first gives each reading its row: files come by time with the
 * parameters of one device together (the key of the reading before), or by parameter with the times together (the key of
 * the row after), so both are tried before a hash table with open addressing (Knuth, TAOCP 3, 6.4, linear probing). The
 * second writes the cells; then the rows are known, and each column is written once, at its final place.
 */
#include <string.h>

#include "core/base/math.h"
#include "core/table/arrange.h"

enum { FIRST_SLOTS = 512 };

typedef struct pivot {
    mw_mem *mem;
    const int64_t *times;
    const int32_t *const *labels;
    int32_t n_labels, n_parameters;
    const int32_t *parameters;
    const double *values;
    int64_t n;
    uint32_t *rows;   /* [n] row of each reading */
    uint32_t *firsts; /* [n] first reading of each row */
    uint32_t n_rows;
    uint64_t *slots; /* [n_slots] hash << 32 | row + 1; 0: empty */
    uint64_t n_slots;
} pivot;

static uint64_t hash_key(const pivot *p, int64_t reading) {
    uint64_t hash = (uint64_t)p->times[reading] * UINT64_C(0x9E3779B97F4A7C15);
    for (int32_t k = 0; k < p->n_labels; k++)
        hash =
            (hash ^ (hash >> 32) ^ (uint32_t)p->labels[k][reading]) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ (hash >> 32);
}

static bool same_key(const pivot *p, int64_t a, int64_t b) {
    if (p->times[a] != p->times[b]) return false;
    for (int32_t k = 0; k < p->n_labels; k++)
        if (p->labels[k][a] != p->labels[k][b]) return false;
    return true;
}

static bool grow(pivot *p) {
    uint64_t n_slots = p->n_slots ? 2 * p->n_slots : FIRST_SLOTS;
    uint64_t *slots = mw_calloc(p->mem, n_slots, sizeof *slots);
    if (!slots) return false;
    for (uint64_t i = 0; i < p->n_slots; i++) {
        if (!p->slots[i]) continue;
        uint64_t at = p->slots[i] >> 32 & (n_slots - 1);
        while (slots[at]) at = (at + 1) & (n_slots - 1);
        slots[at] = p->slots[i];
    }
    mw_free(p->slots);
    p->slots = slots;
    p->n_slots = n_slots;
    return true;
}

/* The row of a key that is not the one tried first; -1: no memory. */
static int64_t find_row(pivot *p, int64_t reading) {
    if (2 * (uint64_t)p->n_rows >= p->n_slots && !grow(p)) return -1;
    uint64_t hash = hash_key(p, reading) & UINT32_MAX;
    uint64_t at = hash & (p->n_slots - 1);
    for (; p->slots[at]; at = (at + 1) & (p->n_slots - 1)) {
        uint32_t row = (uint32_t)p->slots[at] - 1;
        if (p->slots[at] >> 32 == hash && same_key(p, p->firsts[row], reading)) return row;
    }
    p->slots[at] = hash << 32 | (p->n_rows + 1);
    p->firsts[p->n_rows] = (uint32_t)reading;
    return p->n_rows++;
}

static mw_status find_rows(pivot *p, mw_err *err) {
    uint32_t last = 0;
    for (int64_t i = 0; i < p->n; i++) {
        if (i > 0 && same_key(p, i - 1, i)) {
            p->rows[i] = last;
            continue;
        }
        if (last + 1 < p->n_rows && same_key(p, p->firsts[last + 1], i)) {
            p->rows[i] = ++last;
            continue;
        }
        int64_t row = find_row(p, i);
        if (row < 0) return mw_fail_nomem(err, "the rows of a long file");
        p->rows[i] = last = (uint32_t)row;
    }
    return MW_OK;
}

static mw_status new_chunk(const pivot *p, uint32_t n_rows, mw_chunk **ret, mw_err *err) {
    int32_t n_columns = 1 + p->n_labels + p->n_parameters;
    mw_type *types = mw_alloc_array(p->mem, (size_t)n_columns, sizeof *types);
    if (!types) return mw_fail_nomem(err, "the rows of a long file");
    for (int32_t c = 0; c < n_columns; c++)
        types[c] = c == 0 ? MW_TIMESTAMP : c <= p->n_labels ? MW_DICTIONARY : MW_FLOAT64;
    mw_status status = mw_chunk_new(p->mem, types, n_columns, n_rows, ret, err);
    mw_free(types);
    return status;
}

static void write_keys(const pivot *p, mw_chunk *chunk) {
    chunk->n_rows = p->n_rows;
    for (uint32_t row = 0; row < p->n_rows; row++)
        chunk->columns[0].time[row] = p->times[p->firsts[row]];
    for (int32_t k = 0; k < p->n_labels; k++)
        for (uint32_t row = 0; row < p->n_rows; row++)
            chunk->columns[1 + k].codes[row] = p->labels[k][p->firsts[row]];
    mw_chunk_column *cells = chunk->columns + 1 + p->n_labels;
    int32_t n = chunk->n_columns - 1 - p->n_labels;
    for (uint32_t row = 0; row < p->n_rows && n > 0; row++) cells[0].number[row] = MW_NAN;
    for (int32_t c = 1; c < n && p->n_rows > 0; c++)
        memcpy(cells[c].number, cells[0].number, p->n_rows * sizeof *cells[0].number);
}

/* Readings whose cell was there before are left for later, in p->firsts, which has served; returns how many. */
static int64_t write_cells(pivot *p, mw_chunk *chunk, bool overwrite) {
    mw_chunk_column *columns = chunk->columns + 1 + p->n_labels;
    int64_t n_repeated = 0;
    for (int64_t i = 0; i < p->n; i++) {
        if (mw_isnan(p->values[i])) continue;
        double *cell = &columns[p->parameters[i]].number[p->rows[i]];
        if (mw_isnan(*cell)) {
            *cell = p->values[i];
            continue;
        }
        if (overwrite) *cell = p->values[i];
        p->firsts[n_repeated++] = (uint32_t)i;
    }
    return n_repeated;
}

/* ---- repeated cells ---- */

/* The readings in p->firsts [n] by row into order [n], those of a row before ends[row]: distribution counting (Knuth, TAOCP 3, 5.2).
 * ends [p->n_rows + 1] is all zeros before. */
static void sort_by_row(const pivot *p, int64_t n, uint32_t *order, uint32_t *ends) {
    for (int64_t i = 0; i < n; i++) ends[p->rows[p->firsts[i]] + 1]++;
    for (uint32_t row = 0; row < p->n_rows; row++) ends[row + 1] += ends[row];
    for (int64_t i = 0; i < n; i++) order[ends[p->rows[p->firsts[i]]]++] = p->firsts[i];
}

static void append_reading(const pivot *p, mw_chunk *to, uint32_t reading) {
    const mw_chunk nothing = {.n_columns = 0};
    int64_t row = to->n_rows;
    mw_chunk_append(to, &nothing, 0, 1);
    to->columns[0].time[row] = p->times[reading];
    for (int32_t k = 0; k < p->n_labels; k++) to->columns[1 + k].codes[row] = p->labels[k][reading];
    to->columns[1 + p->n_labels + p->parameters[reading]].number[row] = p->values[reading];
}

/* A row of one cell behind that of its key, for each reading whose cell was there before (p->firsts): what the mean of the
 * cell is, only arrange.h knows, which sees the key's rows of all blocks. */
static mw_status add_rows(const pivot *p, mw_chunk **chunk, int64_t n_repeated, mw_err *err) {
    uint32_t *ends = mw_calloc(p->mem, (size_t)p->n_rows + 1, sizeof *ends);
    uint32_t *order = mw_alloc_array(p->mem, (size_t)n_repeated, sizeof *order);
    mw_status status = ends && order ? MW_OK : mw_fail_nomem(err, "the rows of a long file");
    mw_chunk *wide = NULL;
    if (status == MW_OK) status = new_chunk(p, p->n_rows + (uint32_t)n_repeated, &wide, err);
    if (status == MW_OK) {
        sort_by_row(p, n_repeated, order, ends);
        uint32_t at = 0;
        for (uint32_t row = 0; row < p->n_rows; row++) {
            mw_chunk_append(wide, *chunk, row, 1);
            while (at < ends[row]) append_reading(p, wide, order[at++]);
        }
        mw_chunk_free(*chunk);
        *chunk = wide;
    }
    mw_free(order);
    mw_free(ends);
    return status;
}

mw_status mw_pivot_block(mw_mem *mem, const int64_t *times, const int32_t *const *labels,
                         int32_t n_labels, const int32_t *parameters, int32_t n_parameters,
                         const double *values, int64_t n, mw_collide collide, mw_chunk **ret,
                         int64_t *ret_collisions, mw_err *err) {
    if (n >= UINT32_MAX) return mw_fail(err, MW_ETOOLARGE, "a block of more than 2^32 readings");
    pivot p = {.mem = mem,
               .times = times,
               .labels = labels,
               .n_labels = n_labels,
               .parameters = parameters,
               .n_parameters = n_parameters,
               .values = values,
               .n = n};
    p.rows = mw_alloc_array(mem, (size_t)n, sizeof *p.rows);
    p.firsts = mw_alloc_array(mem, (size_t)n, sizeof *p.firsts);
    mw_chunk *chunk = NULL;
    mw_status status = p.rows && p.firsts ? MW_OK : mw_fail_nomem(err, "the rows of a long file");
    if (status == MW_OK) status = find_rows(&p, err);
    if (status == MW_OK) status = new_chunk(&p, p.n_rows, &chunk, err);
    if (status == MW_OK) {
        write_keys(&p, chunk);
        bool overwrite = collide == MW_COLLIDE_KEEP || collide == MW_COLLIDE_LAST;
        int64_t n_repeated = write_cells(&p, chunk, overwrite);
        bool mean = collide == MW_COLLIDE_MEAN;
        if (n_repeated && mean) status = add_rows(&p, &chunk, n_repeated, err);
        if (status == MW_OK) *ret_collisions = mean ? 0 : n_repeated;
    }
    mw_free(p.slots);
    mw_free(p.firsts);
    mw_free(p.rows);
    if (status != MW_OK) {
        mw_chunk_free(chunk);
        return status;
    }
    *ret = chunk;
    return MW_OK;
}
