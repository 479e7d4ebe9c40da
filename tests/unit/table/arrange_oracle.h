/*
 * arrange_oracle.h -- bytes become rows, cuts and budgets; mw_arrange must give what a plain program gives that has all rows in one
 * array, sorts it with a stable insertion and looks at every pair of rows of one time. For the unit test and the fuzzer.
 */
#ifndef MW_TESTS_UNIT_TABLE_ARRANGE_ORACLE_H
#define MW_TESTS_UNIT_TABLE_ARRANGE_ORACLE_H

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/arrange.h"
#include "core/text/datetime.h"

enum {
    ORACLE_KEYS = 2,
    ORACLE_CELLS = 5,
    ORACLE_ROWS = 4096,
    ORACLE_LATE_CELLS = 2,
    ORACLE_MOST_COLUMNS = 64
};

typedef struct oracle_row {
    int64_t time;
    int32_t keys[ORACLE_KEYS];
    double cells[ORACLE_CELLS]; /* NaN: missing */
} oracle_row;

/* The last two columns come late. */
static const mw_type oracle_types[ORACLE_CELLS] = {MW_FLOAT64, MW_BOOL, MW_DICTIONARY, MW_FLOAT64,
                                                   MW_TIMESTAMP};

/* --- a sink in memory ---------------------------------------------------------------------------- */

typedef struct oracle_sink {
    mw_mem *mem;
    mw_chunk **chunks, **old; /* what was taken; what is given back */
    int32_t n, n_old, at;
    int64_t peak_rows;
    int32_t fail_at; /* calls until one fails; 0: never */
} oracle_sink;

static mw_status oracle_take(void *self, const mw_chunk *chunk, mw_err *err) {
    oracle_sink *sink = self;
    if (sink->fail_at && --sink->fail_at == 0) return mw_fail(err, MW_EIO, "the sink is full");
    mw_chunk **more = mw_realloc(NULL, sink->chunks, (size_t)(sink->n + 1) * sizeof *more);
    if (!more) return mw_fail_nomem(err, "a sink");
    sink->chunks = more;
    mw_type types[ORACLE_MOST_COLUMNS];
    for (int32_t c = 0; c < chunk->n_columns; c++) types[c] = chunk->columns[c].type;
    mw_chunk *copy;
    mw_status status = mw_chunk_new(NULL, types, chunk->n_columns, chunk->n_rows, &copy, err);
    if (status != MW_OK) return status;
    mw_chunk_append(copy, chunk, 0, chunk->n_rows);
    sink->chunks[sink->n++] = copy;
    return MW_OK;
}

static mw_status oracle_again(void *self, mw_chunk **ret, mw_err *err) {
    oracle_sink *sink = self;
    if (sink->fail_at && --sink->fail_at == 0) return mw_fail(err, MW_EIO, "the sink is gone");
    if (!sink->old) {
        sink->old = sink->chunks ? sink->chunks : mw_alloc(NULL, 1);
        sink->n_old = sink->n;
        sink->chunks = NULL;
        sink->n = 0;
    }
    *ret = sink->at < sink->n_old ? sink->old[sink->at++] : NULL;
    return MW_OK;
}

static void oracle_sink_done(oracle_sink *sink) {
    for (int32_t i = 0; i < sink->n; i++) mw_chunk_free(sink->chunks[i]);
    for (int32_t i = sink->at; i < sink->n_old; i++) mw_chunk_free(sink->old[i]);
    mw_free(sink->chunks);
    mw_free(sink->old);
}

/* --- the plain program ---------------------------------------------------------------------------- */

typedef struct oracle_case {
    mw_arrange_options options;
    oracle_row *rows; /* [n] by arrival */
    int64_t n;
    uint8_t *cuts;   /* [n]: a chunk ends behind this row */
    uint8_t *widths; /* [n]: cells of the chunk that starts here */
} oracle_case;

static bool oracle_same(double a, double b) { return a == b || (mw_isnan(a) && mw_isnan(b)); }

static bool oracle_equal(const oracle_row *a, const oracle_row *b) {
    for (int c = 0; c < ORACLE_CELLS; c++)
        if (!oracle_same(a->cells[c], b->cells[c])) return false;
    return true;
}

static bool oracle_same_key(const oracle_case *c, const oracle_row *a, const oracle_row *b) {
    for (int32_t k = 0; k < c->options.n_keys; k++)
        if (a->keys[k] != b->keys[k]) return false;
    return true;
}

/* rows [n] of one key, by arrival -> *first; for keep, stays [n]. */
static void oracle_one_key(const oracle_case *c, const oracle_row *rows, int64_t n,
                           oracle_row *state, bool *stays, mw_arrange_counts *counts) {
    double sum[ORACLE_CELLS] = {0}, count[ORACLE_CELLS] = {0};
    mw_collide collide = c->options.collide;
    bool mean = collide == MW_COLLIDE_MEAN, join = c->options.join;
    bool keep = collide == MW_COLLIDE_KEEP && !join;
    *state = rows[0];
    for (int64_t i = 0; i < n; i++) {
        bool again = false;
        if (keep || mean)
            for (int64_t j = 0; j < i; j++) again |= oracle_equal(&rows[j], &rows[i]);
        else
            again = i > 0 && oracle_equal(state, &rows[i]);
        counts->n_duplicates += again;
        stays[i] = i == 0 || (keep && !(again && c->options.drop_duplicates));
        if (again && (!mean || c->options.drop_duplicates)) continue;
        counts->n_collisions += i > 0 && !again && !join;
        for (int k = 0; k < ORACLE_CELLS; k++) {
            double cell = rows[i].cells[k];
            bool has = !mw_isnan(cell);
            if (join && has && !again && i > 0)
                counts->n_collisions += mean ? count[k] > 0 : !mw_isnan(state->cells[k]);
            if (mean && has) {
                sum[k] = count[k] > 0 ? sum[k] + cell : cell;
                count[k]++;
            }
            if (keep || i == 0) continue;
            bool replaces = collide != MW_COLLIDE_FIRST && (has || !join);
            if (replaces || (join && mw_isnan(state->cells[k]))) state->cells[k] = cell;
        }
    }
    for (int k = 0; k < ORACLE_CELLS && mean; k++)
        if (oracle_types[k] == MW_FLOAT64)
            state->cells[k] = count[k] > 0 ? sum[k] / count[k] : MW_NAN;
}

/* One time group, sorted by arrival: rows [n] -> out; returns how many. */
static int64_t oracle_group(const oracle_case *c, const oracle_row *rows, int64_t n,
                            oracle_row *out, mw_arrange_counts *counts) {
    static oracle_row same[ORACLE_ROWS];
    static bool stays[ORACLE_ROWS], gone[ORACLE_ROWS];
    static int64_t index[ORACLE_ROWS];
    static oracle_row result[ORACLE_ROWS];
    for (int64_t i = 0; i < n; i++) gone[i] = false;
    for (int64_t i = 0; i < n; i++) {
        if (gone[i]) continue;
        int64_t m = 0;
        for (int64_t j = i; j < n; j++)
            if (!gone[j] && oracle_same_key(c, &rows[i], &rows[j])) {
                same[m] = rows[j];
                index[m++] = j;
            }
        oracle_row state;
        oracle_one_key(c, same, m, &state, stays, counts);
        for (int64_t k = 0; k < m; k++) {
            gone[index[k]] = true;
            result[index[k]] = k == 0 ? state : rows[index[k]];
            if (!stays[k]) result[index[k]].time = INT64_MIN;
        }
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (result[i].time != INT64_MIN) out[kept++] = result[i];
    return kept;
}

static int64_t oracle_arrange(const oracle_case *c, oracle_row *out, mw_arrange_counts *counts) {
    static oracle_row sorted[ORACLE_ROWS];
    *counts = (mw_arrange_counts){0};
    int64_t newest = INT64_MIN;
    for (int64_t i = 0; i < c->n; i++) {
        if (c->rows[i].time < newest) counts->n_out_of_order++;
        if (c->rows[i].time > newest) newest = c->rows[i].time;
        int64_t at = i;
        for (; at > 0 && sorted[at - 1].time > c->rows[i].time; at--) sorted[at] = sorted[at - 1];
        sorted[at] = c->rows[i];
    }
    int64_t n = 0;
    for (int64_t i = 0; i < c->n;) {
        int64_t end = i;
        while (end < c->n && sorted[end].time == sorted[i].time) end++;
        n += oracle_group(c, sorted + i, end - i, out + n, counts);
        i = end;
    }
    counts->n_rows = n;
    counts->first_us = n ? out[0].time : 0;
    counts->last_us = n ? out[n - 1].time : 0;
    return n;
}

/* --- the same through mw_arrange ------------------------------------------------------------------ */

static void oracle_put(mw_chunk *chunk, int64_t row, const oracle_row *from, int32_t n_keys) {
    chunk->columns[0].time[row] = from->time;
    for (int32_t k = 0; k < n_keys; k++) chunk->columns[1 + k].codes[row] = from->keys[k];
    for (int32_t c = 1 + n_keys; c < chunk->n_columns; c++) {
        mw_chunk_column *column = &chunk->columns[c];
        double cell = from->cells[c - 1 - n_keys];
        bool has = !mw_isnan(cell);
        switch (column->type) {
        case MW_FLOAT64: column->number[row] = cell; break;
        case MW_TIMESTAMP: column->time[row] = has ? (int64_t)cell : MW_TIME_NONE; break;
        case MW_DICTIONARY: column->codes[row] = has ? (int32_t)cell : -1; break;
        default:
            column->validity[row / 8] |= (uint8_t)((has ? 1u : 0u) << row % 8);
            column->bits[row / 8] |= (uint8_t)((has && cell != 0 ? 1u : 0u) << row % 8);
        }
    }
}

static double oracle_get(const mw_chunk *chunk, int64_t row, int32_t c) {
    if (c >= chunk->n_columns) return MW_NAN;
    const mw_chunk_column *column = &chunk->columns[c];
    switch (column->type) {
    case MW_FLOAT64: return column->number[row];
    case MW_TIMESTAMP:
        return column->time[row] == MW_TIME_NONE ? MW_NAN : (double)column->time[row];
    case MW_DICTIONARY: return column->codes[row] < 0 ? MW_NAN : column->codes[row];
    default:
        if (!(column->validity[row / 8] >> row % 8 & 1)) return MW_NAN;
        return column->bits[row / 8] >> row % 8 & 1;
    }
}

static mw_status oracle_schema(mw_mem *mem, int32_t n_keys, mw_schema **ret, mw_err *err) {
    mw_status status = mw_schema_new(mem, ret, err);
    if (status != MW_OK) return status;
    for (int32_t c = 0; c < 1 + n_keys + ORACLE_CELLS && status == MW_OK; c++) {
        char name[16];
        int32_t at;
        int size = snprintf(name, sizeof name, "c%d", (int)c);
        mw_type type = c == 0        ? MW_TIMESTAMP
                       : c <= n_keys ? MW_DICTIONARY
                                     : oracle_types[c - 1 - n_keys];
        status = mw_schema_add(*ret, (mw_str){name, (size_t)size}, type, &at, err);
    }
    if (status != MW_OK) mw_schema_free(*ret);
    return status;
}

static mw_status oracle_feed(const oracle_case *c, mw_arrange *arrange, const mw_schema *schema,
                             mw_mem *mem, mw_err *err) {
    mw_type types[1 + ORACLE_KEYS + ORACLE_CELLS];
    for (int32_t i = 0; i < schema->n_columns; i++) types[i] = schema->columns[i].type;
    for (int64_t from = 0; from < c->n;) {
        int64_t end = from;
        while (end < c->n - 1 && !c->cuts[end]) end++;
        end++;
        mw_chunk *chunk;
        mw_status status = mw_chunk_new(mem, types, 1 + c->options.n_keys + c->widths[from],
                                        end - from + (from & 1), &chunk, err);
        if (status != MW_OK) return status;
        for (int64_t i = from; i < end; i++)
            oracle_put(chunk, chunk->n_rows++, &c->rows[i], c->options.n_keys);
        status = mw_arrange_add(arrange, chunk, err);
        if (status != MW_OK) return status;
        from = end;
    }
    return MW_OK;
}

static mw_status oracle_run(const mw_ctx *ctx, const oracle_case *c, oracle_sink *sink,
                            mw_arrange_counts *counts, mw_err *err) {
    mw_schema *schema;
    mw_arrange *arrange = NULL;
    mw_status status = oracle_schema(ctx->mem, c->options.n_keys, &schema, err);
    if (status != MW_OK) return status;
    mw_arrange_sink face = {sink, oracle_take, oracle_again};
    status = mw_arrange_new(ctx, schema, &c->options, &face, &arrange, err);
    if (status == MW_OK) status = oracle_feed(c, arrange, schema, ctx->mem, err);
    if (status == MW_OK) status = mw_arrange_finish(arrange, counts, err);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    return status;
}

/* NULL, or what differs. */
static const char *oracle_differs(const oracle_case *c, const oracle_sink *sink,
                                  const mw_arrange_counts *counts) {
    static oracle_row want[ORACLE_ROWS];
    static char text[256];
    mw_arrange_counts expected;
    int64_t n = oracle_arrange(c, want, &expected), at = 0;
    for (int32_t i = 0; i < sink->n; i++) {
        const mw_chunk *chunk = sink->chunks[i];
        for (int64_t row = 0; row < chunk->n_rows; row++, at++) {
            if (at >= n) return "too many rows";
            bool same = chunk->columns[0].time[row] == want[at].time;
            for (int32_t k = 0; k < c->options.n_keys; k++)
                same &= chunk->columns[1 + k].codes[row] == want[at].keys[k];
            for (int32_t k = 0; k < ORACLE_CELLS; k++)
                same &= oracle_same(oracle_get(chunk, row, 1 + c->options.n_keys + k),
                                    want[at].cells[k]);
            if (same) continue;
            (void)snprintf(text, sizeof text, "row %lld of %lld, time %lld, want %lld",
                           (long long)at, (long long)n, (long long)chunk->columns[0].time[row],
                           (long long)want[at].time);
            return text;
        }
    }
    if (at != n) return "rows are missing";
    if (counts->n_rows != n) return "n_rows";
    if (counts->n_out_of_order != expected.n_out_of_order) return "n_out_of_order";
    if (counts->n_late > counts->n_out_of_order) return "n_late";
    if (counts->merged != (counts->n_late > 0)) return "merged";
    if (counts->n_duplicates != expected.n_duplicates) return "n_duplicates";
    if (counts->n_collisions != expected.n_collisions) return "n_collisions";
    if (counts->first_us != expected.first_us || counts->last_us != expected.last_us)
        return "first_us or last_us";
    return NULL;
}

/* --- bytes ----------------------------------------------------------------------------------------- */

enum { ORACLE_HEAD_BYTES = 4, ORACLE_ROW_BYTES = 4 };

static double oracle_cell(mw_type type, unsigned bits) {
    static const double numbers[4] = {0.1, 0.7, -0.0, 1e16};
    if (bits < 4) return MW_NAN;
    switch (type) {
    case MW_FLOAT64: return bits == 4 ? 0.0 : numbers[bits & 3];
    case MW_BOOL: return bits & 1;
    default: return bits & 1;
    }
}

/* rows, cuts, widths: room for ORACLE_ROWS. */
static void oracle_case_from(const uint8_t *data, size_t size, oracle_case *c) {
    static const size_t budgets[8] = {0, 1, 700, 1500, 4000, 10000, 40000, 1000000};
    uint8_t head[ORACLE_HEAD_BYTES] = {0};
    if (size) memcpy(head, data, size < sizeof head ? size : sizeof head);
    c->options.collide = (mw_collide)(head[0] & 3);
    c->options.join = head[0] >> 2 & 1;
    c->options.drop_duplicates = head[0] >> 3 & 1;
    c->options.n_keys = (head[0] >> 4) % 3;
    c->options.window_bytes = budgets[head[1] & 7];
    c->options.merge_bytes = budgets[head[1] >> 4 & 7];
    unsigned cut_below = head[2] ? head[2] : 1, step = head[3] & 7, cut_state = head[3];
    int64_t now = 1000;
    c->n = 0;
    for (size_t at = sizeof head; at + ORACLE_ROW_BYTES <= size && c->n < ORACLE_ROWS;
         at += ORACLE_ROW_BYTES) {
        const uint8_t *b = data + at;
        oracle_row *row = &c->rows[c->n];
        if ((b[0] & 7) <= step) now += b[0] >> 6;
        row->time = now;
        if ((b[0] & 0x38) == 0) row->time -= b[1] & 15;
        if ((b[0] & 0x3f) == 8) row->time -= 20 + b[1];
        row->keys[0] = (b[1] >> 4 & 3) - 1;
        row->keys[1] = b[1] >> 6;
        unsigned bits = b[2] | (unsigned)b[3] << 8;
        for (int k = 0; k < ORACLE_CELLS; k++)
            row->cells[k] = oracle_cell(oracle_types[k], bits >> (3 * k) & 7);
        cut_state = cut_state * 5 + b[3] + 1;
        c->cuts[c->n] = (cut_state >> 3 & 255) < cut_below;
        c->widths[c->n] = ORACLE_CELLS;
        c->n++;
    }
    /* Chunks of the first half may lack the columns that come late; their cells are missing then. */
    uint8_t width = ORACLE_CELLS;
    for (int64_t i = 0; i < c->n; i++) {
        if (i == 0 || c->cuts[i - 1]) {
            width = ORACLE_CELLS;
            if (2 * i < c->n)
                width = (uint8_t)(ORACLE_CELLS - (head[2] + i) % (ORACLE_LATE_CELLS + 1));
            c->widths[i] = width;
        }
        for (int k = width; k < ORACLE_CELLS; k++) c->rows[i].cells[k] = MW_NAN;
    }
}

#endif
