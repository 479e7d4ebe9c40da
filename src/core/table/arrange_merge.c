/*
 * arrange_merge.c -- k-way merge with a binary heap of inputs by (time of the next row, rank). The first input gives all rows
 * up to the next row of the second one at once, found by galloping (Bentley and Yao, 1976); a chunk of which that
 * is all passes as it is. Other rows are noted as ranges and copied column by column when there are enough of them.
 */
#include <string.h>

#include "core/table/arrange_parts.h"

enum { FIRST_INPUTS = 16, ROW_STEP = 64, SMALLEST_ROWS = 64 };

void mw_arrange__merge_init(mw_arrange__merge *merge, const mw_ctx *ctx, mw_arrange__types *types) {
    merge->ctx = ctx;
    merge->types = types;
    merge->heap = NULL;
    merge->n = merge->capacity = 0;
    merge->held_bytes = 0;
    merge->most_rows = SMALLEST_ROWS;
    merge->most_bytes = merge->largest_bytes = 0;
    merge->copies = merge->marks_origins = merge->moved = false;
    merge->last = 0;
    merge->out = (mw_arrange__piece){0};
    merge->n_ranges = 0;
    merge->n_pending = 0;
}

/* What is put together becomes about as large as the largest chunk that came. */
static void note_size(mw_arrange__merge *merge, const mw_chunk *chunk) {
    size_t bytes = mw_chunk_bytes(chunk);
    merge->held_bytes += bytes;
    if (bytes > merge->largest_bytes) merge->largest_bytes = bytes;
    if (chunk->n_rows > merge->most_rows) merge->most_rows = chunk->n_rows;
}

static void input_done(mw_arrange__input *input) {
    mw_chunk_free(input->chunk);
    mw_arrange__run_free(input->run);
}

void mw_arrange__merge_done(mw_arrange__merge *merge) {
    for (int32_t i = 0; i < merge->n; i++) input_done(&merge->heap[i]);
    mw_free(merge->heap);
    mw_arrange__piece_done(&merge->out);
    merge->heap = NULL;
    merge->n = 0;
}

/* --- the heap ---------------------------------------------------------------------------------- */

static bool before(const mw_arrange__input *a, const mw_arrange__input *b) {
    return a->time != b->time ? a->time < b->time : a->rank < b->rank;
}

static void sift_up(mw_arrange__input *heap, int32_t at) {
    mw_arrange__input input = heap[at];
    for (; at > 0 && before(&input, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = input;
}

static void sift_down(mw_arrange__input *heap, int32_t n, int32_t at) {
    mw_arrange__input input = heap[at];
    for (;;) {
        int32_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &input)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = input;
}

/* The next chunk of an input that has none; it stays without one at its end. */
static mw_status refill(mw_arrange__merge *merge, mw_arrange__input *input, mw_err *err) {
    mw_status status = MW_OK;
    input->at = 0;
    do {
        input->chunk = mw_chunk_free(input->chunk);
        if (input->run) status = mw_arrange__run_read(input->run, &input->chunk, err);
        if (input->sink) status = input->sink->again(input->sink->self, &input->chunk, err);
    } while (status == MW_OK && input->chunk && input->chunk->n_rows == 0);
    if (status != MW_OK || !input->chunk) return status;
    status = mw_arrange__types_learn(merge->types, input->chunk, err);
    input->time = input->chunk->columns[0].time[0];
    note_size(merge, input->chunk);
    return status;
}

mw_status mw_arrange__merge_add(mw_arrange__merge *merge, mw_arrange__input input, mw_err *err) {
    mw_status status = MW_OK;
    if (merge->n == merge->capacity) {
        int32_t capacity = merge->capacity ? 2 * merge->capacity : FIRST_INPUTS;
        mw_arrange__input *heap =
            mw_realloc(merge->ctx->mem, merge->heap, (size_t)capacity * sizeof *heap);
        if (heap) {
            merge->heap = heap;
            merge->capacity = capacity;
        } else {
            status = mw_fail_nomem(err, "sorting rows by time");
        }
    }
    if (status == MW_OK && input.chunk) {
        input.time = input.chunk->columns[0].time[input.at];
        note_size(merge, input.chunk);
    } else if (status == MW_OK) {
        status = refill(merge, &input, err);
    }
    if (status != MW_OK || !input.chunk) {
        input_done(&input);
        return status;
    }
    merge->heap[merge->n++] = input;
    sift_up(merge->heap, merge->n - 1);
    return MW_OK;
}

/* --- what is put together ---------------------------------------------------------------------- */

static mw_status new_out(mw_arrange__merge *merge, mw_err *err) {
    size_t bytes = merge->most_bytes ? merge->most_bytes : merge->largest_bytes;
    size_t fit = bytes / (merge->types->row_bytes + 1);
    int64_t rows = fit < (size_t)merge->most_rows ? (int64_t)fit : merge->most_rows;
    rows = rows < SMALLEST_ROWS ? SMALLEST_ROWS : rows / ROW_STEP * ROW_STEP;
    mw_arrange__piece out = {0};
    if (merge->marks_origins) {
        out.origins = mw_alloc(merge->ctx->mem, (size_t)rows);
        if (!out.origins) return mw_fail_nomem(err, "sorting rows by time");
    }
    mw_status status =
        mw_chunk_new(merge->ctx->mem, merge->types->types, merge->types->n, rows, &out.chunk, err);
    if (status != MW_OK) {
        mw_free(out.origins);
        return status;
    }
    merge->out = out;
    return MW_OK;
}

static void copy_ranges(mw_arrange__merge *merge) {
    if (merge->n_ranges == 0) return;
    mw_arrange__piece *out = &merge->out;
    if (out->origins) {
        int64_t at = out->chunk->n_rows;
        for (int32_t r = 0; r < merge->n_ranges; r++) {
            memset(out->origins + at, merge->range_origins[r], (size_t)merge->ranges[r].n);
            at += merge->ranges[r].n;
        }
    }
    mw_chunk_append_ranges(out->chunk, merge->ranges, merge->n_ranges);
    merge->n_ranges = 0;
    merge->n_pending = 0;
}

mw_status mw_arrange__merge_flush(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                  mw_err *err) {
    copy_ranges(merge);
    mw_arrange__piece piece = merge->out;
    merge->out = (mw_arrange__piece){0};
    if (!piece.chunk) return MW_OK;
    mw_status status = mw_ctx_check(merge->ctx, err);
    if (status == MW_OK) return give(self, &piece, err);
    mw_arrange__piece_done(&piece);
    return status;
}

/* Rows [at, at + n) of the first input. */
static mw_status take_range(mw_arrange__merge *merge, mw_arrange__input *input, int64_t n,
                            mw_arrange__give give, void *self, mw_err *err) {
    while (n > 0) {
        if (!merge->out.chunk) {
            mw_status status = new_out(merge, err);
            if (status != MW_OK) return status;
        }
        const mw_chunk *out = merge->out.chunk;
        int64_t room = out->capacity - out->n_rows - merge->n_pending;
        int64_t part = n < room ? n : room;
        merge->ranges[merge->n_ranges] = (mw_chunk_range){input->chunk, input->at, part};
        merge->range_origins[merge->n_ranges++] = input->origin;
        merge->n_pending += part;
        input->at += part;
        n -= part;
        if (merge->n_ranges == MW_ARRANGE__RANGES) copy_ranges(merge);
        if (part == room) {
            mw_status status = mw_arrange__merge_flush(merge, give, self, err);
            if (status != MW_OK) return status;
        }
    }
    return MW_OK;
}

/* --- steps ------------------------------------------------------------------------------------- */

/* The end of the first input's rows that come before the next one of the second input. */
static int64_t range_end(const mw_arrange__input *first, const mw_arrange__input *second) {
    int64_t n = first->chunk->n_rows;
    if (!second) return n;
    const int64_t *times = first->chunk->columns[0].time;
    int64_t bound = second->time; /* rows up to and with this time, or without it */
    bool with = first->rank < second->rank;
#define MW_GOES_FIRST(i) (times[i] < bound || (with && times[i] == bound))
    if (MW_GOES_FIRST(n - 1)) return n;
    int64_t low = first->at, step = 1; /* the row at low goes first */
    while (low + step < n && MW_GOES_FIRST(low + step)) {
        low += step;
        step *= 2;
    }
    int64_t high = low + step < n ? low + step : n - 1; /* this one does not */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (MW_GOES_FIRST(middle))
            low = middle;
        else
            high = middle;
    }
#undef MW_GOES_FIRST
    return high;
}

/* A whole chunk goes as it is, unless it is small beside what is being put together. */
static bool passes(const mw_arrange__merge *merge, const mw_arrange__input *input, int64_t end) {
    if (merge->copies || input->at != 0 || end != input->chunk->n_rows) return false;
    return !merge->out.chunk || 4 * end >= merge->out.chunk->capacity;
}

/* The first input's chunk is used up. */
static mw_status next_chunk(mw_arrange__merge *merge, mw_err *err) {
    mw_arrange__input *first = &merge->heap[0];
    mw_status status = refill(merge, first, err);
    if (status != MW_OK) return status;
    if (!first->chunk) {
        input_done(first);
        *first = merge->heap[--merge->n];
    }
    if (merge->n > 0) sift_down(merge->heap, merge->n, 0);
    return MW_OK;
}

static mw_status pass(mw_arrange__merge *merge, mw_arrange__give give, void *self, mw_err *err) {
    mw_status status = mw_arrange__merge_flush(merge, give, self, err);
    if (status != MW_OK) return status;
    mw_arrange__input *first = &merge->heap[0];
    mw_arrange__piece piece = {.chunk = first->chunk, .origin = first->origin};
    merge->held_bytes -= mw_chunk_bytes(piece.chunk);
    first->chunk = NULL;
    status = give(self, &piece, err);
    return status == MW_OK ? next_chunk(merge, err) : status;
}

mw_status mw_arrange__merge_step(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                 mw_err *err) {
    mw_arrange__input *first = &merge->heap[0], *second = NULL;
    if (merge->n > 1) second = &merge->heap[1];
    if (merge->n > 2 && before(&merge->heap[2], second)) second = &merge->heap[2];
    if (merge->moved && first->time < merge->last)
        return mw_fail(err, MW_EINTERNAL, "sorted rows came back in another order");
    int64_t end = range_end(first, second);
    merge->last = first->chunk->columns[0].time[end - 1];
    merge->moved = true;
    if (passes(merge, first, end)) return pass(merge, give, self, err);
    /* The open chunk was made before the last columns came. */
    if (merge->out.chunk && merge->out.chunk->n_columns < first->chunk->n_columns) {
        mw_status status = mw_arrange__merge_flush(merge, give, self, err);
        if (status != MW_OK) return status;
    }
    mw_status status = take_range(merge, first, end - first->at, give, self, err);
    if (status != MW_OK) return status;
    if (first->at < first->chunk->n_rows) {
        first->time = first->chunk->columns[0].time[first->at];
        sift_down(merge->heap, merge->n, 0);
        return MW_OK;
    }
    copy_ranges(merge);
    merge->held_bytes -= mw_chunk_bytes(first->chunk);
    return next_chunk(merge, err);
}

mw_status mw_arrange__merge_drain(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                  mw_err *err) {
    mw_status status = MW_OK;
    while (merge->n > 0 && status == MW_OK) status = mw_arrange__merge_step(merge, give, self, err);
    return status == MW_OK ? mw_arrange__merge_flush(merge, give, self, err) : status;
}
