/*
 * arrange_run.c -- a run is a file of blocks, each a head and the block of a chunk as it lies in memory (mw_chunk_block); the head
 * says how many rows and columns there are and carries a checksum of everything. Codes mean the schema's dictionaries,
 * which outlive the run. The file is unlinked as soon as it is open: a process that is killed leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
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
    mw_dir *spill;
    const mw_arrange__types *types;
    int fd;
    bool named; /* the folder still has it */
    uint64_t n_blocks, n_read;
    int64_t n_rows;
    char name[64];
};

static void unlink_name(mw_arrange__run *run) {
    const mw_io *io = run->ctx->io;
    if (run->named && io->unlink(io->self, mw_dir_fd(run->spill), run->name, 0) == 0)
        run->named = false;
}

mw_status mw_arrange__run_new(const mw_ctx *ctx, mw_dir *spill, const mw_arrange__types *types,
                              mw_arrange__run **ret, mw_err *err) {
    static _Atomic unsigned serial;
    mw_arrange__run *run = mw_calloc(ctx->mem, 1, sizeof *run);
    if (!run) return mw_fail_nomem(err, "sorting rows by time");
    *run = (mw_arrange__run){.ctx = ctx, .spill = spill, .types = types};
    (void)snprintf(run->name, sizeof run->name, ".run-%d-%u", (int)getpid(),
                   atomic_fetch_add(&serial, 1));
    run->fd = ctx->io->open(ctx->io->self, mw_dir_fd(spill), run->name,
                            O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (run->fd < 0) {
        mw_status status = mw_fail_errno(err, errno, "cannot create a file for sorting in %s",
                                         mw_dir_label(spill));
        mw_free(run);
        return status;
    }
    run->named = true;
    unlink_name(run); /* tried again when the run is freed */
    *ret = run;
    return MW_OK;
}

void *mw_arrange__run_free(mw_arrange__run *run) {
    if (!run) return NULL;
    unlink_name(run);
    (void)run->ctx->io->close(run->ctx->io->self, run->fd);
    return mw_free(run);
}

int64_t mw_arrange__run_rows(const mw_arrange__run *run) { return run->n_rows; }

static uint64_t checksum(const head *h, const void *block) {
    uint64_t parts[2] = {mw_hash64(h, offsetof(head, checksum)), mw_hash64(block, h->n_bytes)};
    return mw_hash64(parts, sizeof parts);
}

static mw_status write_bytes(mw_arrange__run *run, const void *data, size_t size, mw_err *err) {
    const mw_io *io = run->ctx->io;
    const char *at = data;
    while (size > 0) {
        ssize_t n = io->write(io->self, run->fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return mw_fail_errno(err, errno, "cannot write rows that are being sorted to %s",
                                 mw_dir_label(run->spill));
        at += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

static mw_status write_block(mw_arrange__run *run, const mw_chunk *chunk, mw_err *err) {
    size_t n_bytes;
    const void *block = mw_chunk_block(chunk, &n_bytes);
    head h = {.number = run->n_blocks,
              .n_rows = chunk->n_rows,
              .n_columns = (uint64_t)chunk->n_columns,
              .n_bytes = n_bytes};
    h.checksum = checksum(&h, block);
    mw_status status = write_bytes(run, &h, sizeof h, err);
    if (status == MW_OK) status = write_bytes(run, block, n_bytes, err);
    if (status != MW_OK) return status;
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
    if (lseek(run->fd, 0, SEEK_SET) == 0) return MW_OK;
    return mw_fail_errno(err, errno, "cannot read sorted rows back from %s",
                         mw_dir_label(run->spill));
}

static mw_status read_bytes(mw_arrange__run *run, void *data, size_t size, mw_err *err) {
    const mw_io *io = run->ctx->io;
    char *at = data;
    while (size > 0) {
        ssize_t n = io->read(io->self, run->fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return mw_fail_errno(err, errno, "cannot read sorted rows back from %s",
                                 mw_dir_label(run->spill));
        if (n == 0)
            return mw_fail(err, MW_EIO, "sorted rows in %s end too early",
                           mw_dir_label(run->spill));
        at += n;
        size -= (size_t)n;
    }
    return MW_OK;
}

static mw_status damaged(const mw_arrange__run *run, mw_err *err) {
    mw_fail(err, MW_EIO, "sorted rows in %s came back damaged", mw_dir_label(run->spill));
    return mw_err_hint(err, "check that disk, then run it again; nothing was lost");
}

mw_status mw_arrange__run_read(mw_arrange__run *run, mw_chunk **ret, mw_err *err) {
    if (run->n_read == run->n_blocks) {
        *ret = NULL;
        return MW_OK;
    }
    head h;
    mw_status status = read_bytes(run, &h, sizeof h, err);
    if (status != MW_OK) return status;
    if (h.number != run->n_read || h.n_rows <= 0 || h.n_rows > run->n_rows ||
        h.n_columns > (uint64_t)run->types->n)
        return damaged(run, err);
    mw_chunk *chunk;
    status =
        mw_chunk_new(run->ctx->mem, run->types->types, (int32_t)h.n_columns, h.n_rows, &chunk, err);
    if (status != MW_OK) return status;
    size_t n_bytes;
    void *block = mw_chunk_block(chunk, &n_bytes);
    if (n_bytes != h.n_bytes) status = damaged(run, err);
    if (status == MW_OK) status = read_bytes(run, block, n_bytes, err);
    if (status == MW_OK && checksum(&h, block) != h.checksum) status = damaged(run, err);
    if (status != MW_OK) {
        mw_chunk_free(chunk);
        return status;
    }
    chunk->n_rows = h.n_rows;
    run->n_read++;
    *ret = chunk;
    return MW_OK;
}
