/*
 * pivot.c -- open addressing with linear probing (Knuth, TAOCP 3, 6.4). A slot holds 32 bits of the
 * hash, so that a probe rarely touches the columns and growing never does; keys live in the
 * columns.
 */
#include "keep/ingest/pivot.h"

#include <string.h>

#include "core/base/hash.h"

enum { FIRST_SLOTS = 1024 };

_Static_assert(sizeof(mw_pivot_key) == 8 + 4 * (MW_LABEL_N + 1), "keys have no padding");

void mw_pivot_init(mw_pivot *pivot, mw_mem *mem, mw_builder *builder,
                   const int32_t columns[MW_LABEL_N]) {
    *pivot = (mw_pivot){.mem = mem, .builder = builder, .last_row = -1};
    memcpy(pivot->columns, columns, sizeof pivot->columns);
}

void mw_pivot_done(mw_pivot *pivot) { pivot->slots = mw_free(pivot->slots); }

static mw_status grow(mw_pivot *pivot, mw_err *err) {
    size_t n = pivot->slots ? (pivot->mask + 1) * 2 : FIRST_SLOTS;
    mw_pivot_slot *slots = mw_calloc(pivot->mem, n, sizeof *slots);
    if (!slots) return mw_fail_nomem(err, "pivoting rows");
    for (size_t i = 0; pivot->slots && i <= pivot->mask; i++) {
        if (!pivot->slots[i].row) continue;
        size_t at = pivot->slots[i].hash & (n - 1);
        while (slots[at].row) at = (at + 1) & (n - 1);
        slots[at] = pivot->slots[i];
    }
    mw_free(pivot->slots);
    pivot->slots = slots;
    pivot->mask = n - 1;
    return MW_OK;
}

static bool row_has_key(const mw_pivot *pivot, int64_t row, const mw_pivot_key *key) {
    if (mw_builder_get_time(pivot->builder, 0, row) != key->time_us) return false;
    for (int i = 0; i < MW_LABEL_N; i++)
        if (pivot->columns[i] >= 0 &&
            mw_builder_get_code(pivot->builder, pivot->columns[i], row) != key->codes[i])
            return false;
    return true;
}

static mw_status add_row(mw_pivot *pivot, const mw_pivot_key *key, int64_t *ret_row, mw_err *err) {
    mw_status status = mw_builder_row(pivot->builder, ret_row, err);
    if (status != MW_OK) return status;
    mw_builder_set_time(pivot->builder, 0, *ret_row, key->time_us);
    for (int i = 0; i < MW_LABEL_N; i++)
        if (pivot->columns[i] >= 0 && key->codes[i] >= 0)
            mw_builder_set_code(pivot->builder, pivot->columns[i], *ret_row, key->codes[i]);
    return MW_OK;
}

mw_status mw_pivot_row(mw_pivot *pivot, const mw_pivot_key *key, int64_t *ret_row, mw_err *err) {
    if (pivot->last_row >= 0 && memcmp(key, &pivot->last, sizeof *key) == 0) {
        *ret_row = pivot->last_row;
        return MW_OK;
    }
    size_t n_rows = (size_t)mw_builder_rows(pivot->builder);
    mw_status status = MW_OK;
    if (!pivot->slots || n_rows * 3 >= (pivot->mask + 1) * 2) status = grow(pivot, err);
    if (status != MW_OK) return status;
    uint32_t hash = (uint32_t)mw_hash64(key, sizeof *key);
    size_t at = hash & pivot->mask;
    for (; pivot->slots[at].row; at = (at + 1) & pivot->mask)
        if (pivot->slots[at].hash == hash &&
            row_has_key(pivot, (int64_t)pivot->slots[at].row - 1, key))
            break;
    if (!pivot->slots[at].row) {
        int64_t row;
        status = add_row(pivot, key, &row, err);
        if (status != MW_OK) return status;
        pivot->slots[at] = (mw_pivot_slot){.hash = hash, .row = (uint32_t)row + 1};
    }
    pivot->last = *key;
    pivot->last_row = (int64_t)pivot->slots[at].row - 1;
    *ret_row = pivot->last_row;
    return MW_OK;
}
