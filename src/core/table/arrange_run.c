/*
 * arrange_run.c -- a run is a file of blocks, each a head and the block of a chunk as it lies in memory (mw_chunk_block); the head
 * says how many rows and columns there are and carries a checksum of everything. Codes mean the schema's dictionaries,
 * which outlive the run.
 */
#include "core/base/hash.h"
#include "core/base/scratch.h"
#include "core/table/arrange_parts.h"

typedef struct head {
    uint64_t number; /* of the block in its run */
    int64_t n_rows;
    uint64_t n_columns;
    uint64_t n_bytes;
    uint64_t checksum; /* of the block and the fields above */
} head;

struct mw_arrange__run {
    const mw_ctx *ctx;
    const mw_arrange__types *types;
    mw_scratch *file;
    uint64_t n_blocks, n_read;
    int64_t n_rows;
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
    return mw_free(run);
}

static uint64_t checksum(const head *h, const void *block) {
    uint64_t parts[2] = {mw_hash64(h, offsetof(head, checksum)), mw_hash64(block, h->n_bytes)};
    return mw_hash64(parts, sizeof parts);
}

static mw_status write_block(mw_arrange__run *run, const mw_chunk *chunk, mw_err *err) {
    size_t n_bytes;
    const void *block = mw_chunk_block(chunk, &n_bytes);
    head h = {.number = run->n_blocks,
              .n_rows = chunk->n_rows,
              .n_columns = (uint64_t)chunk->n_columns,
              .n_bytes = n_bytes};
    h.checksum = checksum(&h, block);
    mw_status status = mw_scratch_write(run->file, &h, sizeof h, err);
    if (status == MW_OK) status = mw_scratch_write(run->file, block, n_bytes, err);
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

mw_status mw_arrange__run_read(mw_arrange__run *run, mw_chunk **ret, mw_err *err) {
    if (run->n_read == run->n_blocks) {
        *ret = NULL;
        return MW_OK;
    }
    head h;
    mw_status status = mw_scratch_read(run->file, &h, sizeof h, err);
    if (status != MW_OK) return status;
    if (h.number != run->n_read || h.n_rows <= 0 || h.n_rows > run->n_rows ||
        h.n_columns > (uint64_t)run->types->n)
        return damaged(err);
    mw_chunk *chunk;
    status =
        mw_chunk_new(run->ctx->mem, run->types->types, (int32_t)h.n_columns, h.n_rows, &chunk, err);
    if (status != MW_OK) return status;
    size_t n_bytes;
    void *block = mw_chunk_block(chunk, &n_bytes);
    if (n_bytes != h.n_bytes) status = damaged(err);
    if (status == MW_OK) status = mw_scratch_read(run->file, block, n_bytes, err);
    if (status == MW_OK && checksum(&h, block) != h.checksum) status = damaged(err);
    if (status != MW_OK) {
        mw_chunk_free(chunk);
        return status;
    }
    chunk->n_rows = h.n_rows;
    run->n_read++;
    *ret = chunk;
    return MW_OK;
}
