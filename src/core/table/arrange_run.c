/*
 * arrange_run.c -- a run is a file of blocks. A block is a head, the stretches of columns that have values, and those columns as they
 * lie in memory (mw_chunk_block): a long file that comes by parameter gives rows of one cell, and the empty columns of
 * many rows would be most of the disk. A checksum covers everything. Codes mean the schema's dictionaries, which outlive the run.
 */
#include "core/base/hash.h"
#include "core/base/scratch.h"
#include "core/table/arrange_parts.h"

typedef struct head {
    uint64_t number; /* of the block in its run */
    int64_t n_rows;
    uint64_t n_columns, n_stretches;
    uint64_t n_bytes;  /* of all columns, those without values too */
    uint64_t checksum; /* of the fields above, the stretches and their columns */
} head;

typedef struct stretch {
    int32_t from, end; /* columns [from, end) */
} stretch;

struct mw_arrange__run {
    const mw_ctx *ctx;
    const mw_arrange__types *types;
    mw_scratch *file;
    uint64_t n_blocks, n_read;
    int64_t n_rows;
    stretch *stretches; /* of the block at hand */
    int32_t capacity;
};

mw_status mw_arrange__run_new(const mw_ctx *ctx, mw_dir *spill, const mw_arrange__types *types,
                              mw_arrange__run **ret, mw_err *err) {
    mw_arrange__run *run = mw_calloc(ctx->mem, 1, sizeof *run);
    if (!run) return mw_fail_nomem(err, "sorting rows by time");
    run->ctx = ctx;
    run->types = types;
    mw_status status = mw_scratch_new(ctx, spill, &run->file, err);
    if (status != MW_OK) {
        mw_err_prefix(err, "sorting rows by time");
        mw_free(run);
        return status;
    }
    *ret = run;
    return MW_OK;
}

void *mw_arrange__run_free(mw_arrange__run *run) {
    if (!run) return NULL;
    mw_scratch_free(run->file);
    mw_free(run->stretches);
    return mw_free(run);
}

/* Room for the stretches of n_columns columns. */
static mw_status make_room(mw_arrange__run *run, int32_t n_columns, mw_err *err) {
    int32_t wanted = n_columns / 2 + 1;
    if (wanted <= run->capacity) return MW_OK;
    stretch *more = mw_realloc(run->ctx->mem, run->stretches, (size_t)wanted * sizeof *more);
    if (!more) return mw_fail_nomem(err, "sorting rows by time");
    run->stretches = more;
    run->capacity = wanted;
    return MW_OK;
}

static bool has_values(const mw_chunk *chunk, int32_t column) {
    for (int64_t row = 0; row < chunk->n_rows; row++)
        if (mw_arrange__cell_has(chunk, column, row)) return true;
    return false;
}

static uint64_t find_stretches(mw_arrange__run *run, const mw_chunk *chunk) {
    uint64_t n = 0;
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        if (!has_values(chunk, c)) continue;
        if (n > 0 && run->stretches[n - 1].end == c)
            run->stretches[n - 1].end = c + 1;
        else
            run->stretches[n++] = (stretch){c, c + 1};
    }
    return n;
}

/* Where the columns of a stretch lie. */
static char *stretch_block(const mw_chunk *chunk, stretch s, size_t *ret_bytes) {
    size_t n_bytes;
    char *block = mw_chunk_block(chunk, &n_bytes);
    char *from = chunk->columns[s.from].data;
    char *end = s.end < chunk->n_columns ? (char *)chunk->columns[s.end].data : block + n_bytes;
    *ret_bytes = (size_t)(end - from);
    return from;
}

static uint64_t checksum(const mw_arrange__run *run, const head *h, const mw_chunk *chunk) {
    uint64_t sums[2] = {mw_hash64(h, offsetof(head, checksum)),
                        mw_hash64(run->stretches, h->n_stretches * sizeof *run->stretches)};
    for (uint64_t i = 0; i < h->n_stretches; i++) {
        size_t size;
        const char *from = stretch_block(chunk, run->stretches[i], &size);
        sums[0] = mw_hash64(sums, sizeof sums);
        sums[1] = mw_hash64(from, size);
    }
    return mw_hash64(sums, sizeof sums);
}

static mw_status write_block(mw_arrange__run *run, const mw_chunk *chunk, mw_err *err) {
    mw_status status = make_room(run, chunk->n_columns, err);
    if (status != MW_OK) return status;
    head h = {.number = run->n_blocks,
              .n_rows = chunk->n_rows,
              .n_columns = (uint64_t)chunk->n_columns,
              .n_stretches = find_stretches(run, chunk)};
    (void)mw_chunk_block(chunk, &h.n_bytes);
    h.checksum = checksum(run, &h, chunk);
    status = mw_scratch_write(run->file, &h, sizeof h, err);
    if (status == MW_OK)
        status = mw_scratch_write(run->file, run->stretches, h.n_stretches * sizeof *run->stretches,
                                  err);
    for (uint64_t i = 0; i < h.n_stretches && status == MW_OK; i++) {
        size_t size;
        const char *from = stretch_block(chunk, run->stretches[i], &size);
        status = mw_scratch_write(run->file, from, size, err);
    }
    if (status != MW_OK) {
        mw_err_prefix(err, "sorting rows by time");
        return status;
    }
    run->n_blocks++;
    run->n_rows += chunk->n_rows;
    return MW_OK;
}

mw_status mw_arrange__run_write(mw_arrange__run *run, const mw_chunk *chunk, mw_err *err) {
    if (chunk->n_rows == chunk->capacity) return write_block(run, chunk, err);
    mw_chunk *exact;
    mw_status status = mw_chunk_new(run->ctx->mem, run->types->types, chunk->n_columns,
                                    chunk->n_rows, &exact, err);
    if (status != MW_OK) return status;
    mw_chunk_append(exact, chunk, 0, chunk->n_rows);
    status = write_block(run, exact, err);
    mw_chunk_free(exact);
    return status;
}

mw_status mw_arrange__run_rewind(mw_arrange__run *run, mw_err *err) {
    run->n_read = 0;
    return mw_scratch_rewind(run->file, err);
}

static mw_status damaged(mw_err *err) {
    mw_fail(err, MW_EIO, "rows came back damaged from a temporary file");
    return mw_err_hint(err, "check the disk, then run it again; nothing was lost");
}

/* Head and stretches, of which nothing is believed. */
static mw_status read_head(mw_arrange__run *run, head *h, mw_err *err) {
    mw_status status = mw_scratch_read(run->file, h, sizeof *h, err);
    if (status != MW_OK) return status;
    if (h->number != run->n_read || h->n_rows <= 0 || h->n_rows > run->n_rows ||
        h->n_columns > (uint64_t)run->types->n || h->n_stretches > h->n_columns / 2 + 1)
        return damaged(err);
    status = make_room(run, (int32_t)h->n_columns, err);
    if (status == MW_OK)
        status = mw_scratch_read(run->file, run->stretches, h->n_stretches * sizeof *run->stretches,
                                 err);
    int32_t end = 0;
    for (uint64_t i = 0; i < h->n_stretches && status == MW_OK; i++) {
        stretch s = run->stretches[i];
        if (s.from < end || s.end <= s.from || s.end > (int32_t)h->n_columns) return damaged(err);
        end = s.end;
    }
    return status;
}

static mw_status read_columns(mw_arrange__run *run, const head *h, mw_chunk *chunk, mw_err *err) {
    size_t n_bytes;
    (void)mw_chunk_block(chunk, &n_bytes);
    if (n_bytes != h->n_bytes) return damaged(err);
    bool all = h->n_stretches == 1 && run->stretches[0].from == 0 &&
               run->stretches[0].end == chunk->n_columns;
    if (all)
        chunk->n_rows = h->n_rows;
    else
        mw_chunk_append(chunk, &(mw_chunk){0}, 0, h->n_rows); /* all missing */
    for (uint64_t i = 0; i < h->n_stretches; i++) {
        size_t size;
        char *from = stretch_block(chunk, run->stretches[i], &size);
        mw_status status = mw_scratch_read(run->file, from, size, err);
        if (status != MW_OK) return status;
    }
    return checksum(run, h, chunk) == h->checksum ? MW_OK : damaged(err);
}

mw_status mw_arrange__run_read(mw_arrange__run *run, mw_chunk **ret, mw_err *err) {
    if (run->n_read == run->n_blocks) {
        *ret = NULL;
        return MW_OK;
    }
    head h;
    mw_chunk *chunk;
    mw_status status = read_head(run, &h, err);
    if (status == MW_OK)
        status = mw_chunk_new(run->ctx->mem, run->types->types, (int32_t)h.n_columns, h.n_rows,
                              &chunk, err);
    if (status != MW_OK) return status;
    status = read_columns(run, &h, chunk, err);
    if (status != MW_OK) {
        mw_chunk_free(chunk);
        return status;
    }
    run->n_read++;
    *ret = chunk;
    return MW_OK;
}
