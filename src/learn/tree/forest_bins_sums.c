/*
 * forest_bins_sums.c -- one column of a node as sums: one 16-byte addition a row into the slot of its bin, then the bins
 * that the node holds are taken out in ascending order, which leaves the slots empty for the next column.
 *
 * Three ways, because most slots are empty in most nodes: a word of bits where bins are ranks of at most 63 rows, a mark a
 * bin for some hundreds of rows, and all slots for more.
 */
#include "learn/tree/forest_bins.h"

enum { ROWS_PER_CHECK = 1 << 17, SOME_ROWS = 512 };

typedef int64_t pair_sum __attribute__((vector_size(16), may_alias));

/* One column of one node. */
typedef struct summing {
    mw_forest__bin_worker *worker;
    const uint32_t *index; /* of the node's first row on */
    const mw_forest__pair *pairs;
    int64_t n;
    mw_forest__column bins;
    mw_forest__pair missing;
    int32_t n_found;
} summing;

static inline void add_row(summing *s, int64_t i, uint8_t bin) {
    *(pair_sum *)&s->worker->slots[bin] += *(const pair_sum *)&s->pairs[i];
}

/* Empties a slot into the sums of all bins up to it. */
static inline int32_t take_bin(mw_forest__bin_worker *worker, int32_t bin, pair_sum *left,
                               int32_t n) {
    pair_sum *slot = (pair_sum *)&worker->slots[bin];
    *left += *slot;
    *slot = (pair_sum){0};
    worker->found[n] = (uint8_t)bin;
    *(pair_sum *)&worker->lefts[n] = *left;
    return n + 1;
}

static void take_missing(summing *s) {
    mw_forest__pair *slot = &s->worker->slots[s->bins.n_bins];
    s->missing = *slot;
    *slot = (mw_forest__pair){0};
}

/* The fewest rows: a bit for each bin tells which there are. */
static void sum_few(summing *s) {
    uint64_t seen = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const uint8_t bin = s->bins.cells[s->index[i]];
        seen |= UINT64_C(1) << bin;
        add_row(s, i, bin);
    }
    take_missing(s);
    pair_sum left = {0};
    int32_t n = 0;
    for (seen &= ~(UINT64_C(1) << MW_FOREST__FEW); seen > 0; seen &= seen - 1)
        n = take_bin(s->worker, __builtin_ctzll(seen), &left, n);
    s->n_found = n;
}

/* Eight bytes of zeros and ones as bits. */
static inline uint64_t bits_of(const uint8_t *marks) {
    const union {
        uint8_t bytes[8];
        uint64_t word;
    } eight = {{marks[0], marks[1], marks[2], marks[3], marks[4], marks[5], marks[6], marks[7]}};
    return eight.word * UINT64_C(0x0102040810204080) >> 56;
}

/* Fewer rows than bins: each leaves a mark, because most slots are empty. */
static void sum_some(summing *s) {
    uint8_t marks[MW_FOREST__SLOTS] = {0};
    for (int64_t i = 0; i < s->n; i++) {
        const uint8_t bin = s->bins.cells[s->index[i]];
        marks[bin] = 1;
        add_row(s, i, bin);
    }
    take_missing(s);
    marks[s->bins.n_bins] = 0;
    pair_sum left = {0};
    int32_t n = 0;
    for (int32_t word = 0; word < MW_FOREST__SLOTS; word += 64) {
        uint64_t seen = 0;
        for (int32_t i = 0; i < 64; i += 8) seen |= bits_of(marks + word + i) << i;
        for (; seen > 0; seen &= seen - 1)
            n = take_bin(s->worker, word + __builtin_ctzll(seen), &left, n);
    }
    s->n_found = n;
}

static mw_status sum_many(summing *s, mw_err *err) {
    for (int64_t begin = 0; begin < s->n; begin += ROWS_PER_CHECK) {
        const int64_t end = s->n - begin < ROWS_PER_CHECK ? s->n : begin + ROWS_PER_CHECK;
        for (int64_t i = begin; i < end; i++) add_row(s, i, s->bins.cells[s->index[i]]);
        mw_status status = s->n > ROWS_PER_CHECK / 16 ? mw_ctx_check(s->worker->ctx, err) : MW_OK;
        if (status != MW_OK) return status;
    }
    take_missing(s);
    pair_sum left = {0};
    int32_t n = 0;
    for (int32_t bin = 0; bin < s->bins.n_bins; bin++) {
        const bool held = s->worker->slots[bin].held > 0;
        n = take_bin(s->worker, bin, &left, n) - !held;
    }
    s->n_found = n;
    return MW_OK;
}

mw_status mw_forest__sum_column(mw_forest__bin_worker *worker, const mw_forest__bin_node *node,
                                mw_forest__column bins, int32_t *ret_n_found,
                                mw_forest__pair *ret_missing, mw_err *err) {
    summing s = {.worker = worker,
                 .index = worker->index + node->begin,
                 .pairs = worker->pairs + node->begin,
                 .n = node->end - node->begin,
                 .bins = bins};
    mw_status status = MW_OK;
    if (node->where == MW_FOREST__IN_FEW)
        sum_few(&s);
    else if (s.n <= SOME_ROWS)
        sum_some(&s);
    else
        status = sum_many(&s, err);
    *ret_n_found = s.n_found;
    *ret_missing = s.missing;
    return status;
}
