/*
 * fuzz_ipc.c -- any bytes as an Arrow file: refused cleanly, or read, written and read again to the same
 * bytes. The reader of chunks agrees with the one of whole tables: both refuse, or both give as many rows. The survey of
 * its frames says the same of them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/table/arrow.h"
#include "core/table/ipcstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY_BYTES = 256 << 20, FILE_BYTES = 128 << 20 };

static mw_status append(void *self, const void *data, size_t size, mw_err *err) {
    mw_buf_append(self, data, size);
    return mw_buf_status(self, "the file", err);
}

static mw_status write_table(const mw_ctx *ctx, const mw_table *table, mw_buf *out) {
    mw_arrow_sink sink = {append, out, 0};
    return mw_arrow__write(ctx, table, NULL, 0, &sink, NULL);
}

/* What was read must survive another round unchanged. */
static void check_round(const mw_ctx *ctx, const mw_table *table) {
    mw_buf first, second;
    mw_table *again = NULL;
    mw_buf_init(&first, ctx->mem, FILE_BYTES);
    mw_buf_init(&second, ctx->mem, FILE_BYTES);
    mw_status status = write_table(ctx, table, &first);
    if (status == MW_OK)
        status = mw_arrow__read(ctx, (const uint8_t *)first.data, first.size, "again", NULL, 0,
                                &again, NULL);
    if (status == MW_OK) status = write_table(ctx, again, &second);
    if (status == MW_OK &&
        (first.size != second.size || memcmp(first.data, second.data, first.size) != 0))
        abort();
    if (status != MW_OK && status != MW_ENOMEM && status != MW_ETOOLARGE) abort();
    mw_table_free(again);
    mw_buf_done(&first);
    mw_buf_done(&second);
}

/* Whatever is opened is the input. */
static int open_input(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    (void)dir_fd, (void)path, (void)flags, (void)mode;
    return dup(*(int *)self);
}

static int close_input(void *self, int fd) {
    (void)self;
    return close(fd);
}

static mw_status read_chunks(const mw_ctx *ctx, mw_dir *dir, int64_t *rows) {
    mw_ipc_reader *reader;
    mw_chunk *chunk = NULL;
    mw_err err; /* a status is exact only with one */
    mw_status status = mw_ipc_reader_open(ctx, dir, "input", NULL, 0, &reader, &err);
    if (status != MW_OK) return status;
    while ((status = mw_ipc_reader_next(reader, &chunk, &err)) == MW_OK && chunk) {
        *rows += chunk->n_rows;
        mw_chunk_free(chunk);
    }
    if (status == MW_OK && *rows != mw_ipc_reader_rows(reader)) abort();
    mw_ipc_reader_close(reader);
    return status;
}

/* Frames without values: as many rows, and no more values than rows. What reads whole has sound frames. */
static void survey(const mw_ctx *ctx, mw_dir *dir, const mw_table *whole) {
    mw_schema *schema;
    int64_t *counts, rows;
    mw_err err;
    mw_status status = mw_ipc_survey(ctx, dir, "input", &schema, &counts, &rows, &err);
    if (status != MW_OK) {
        if (whole && status == MW_EDATA) abort();
        return;
    }
    if (whole && (rows != whole->n_rows || schema->n_columns != whole->n_columns)) abort();
    for (int32_t i = 0; i < schema->n_columns; i++) {
        if (counts[i] < 0 || counts[i] > rows) abort();
        if (whole && counts[i] < rows - whole->columns[i].n_missing) abort();
    }
    mw_schema_free(schema);
    mw_free(counts);
}

static bool has_utf8(const mw_table *table) {
    for (int32_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].type == MW_UTF8) return true;
    return false;
}

static bool of_memory(mw_status status) { return status == MW_ENOMEM || status == MW_ETOOLARGE; }

static void check_chunks(const mw_ctx *ctx, const uint8_t *data, size_t size, mw_status whole,
                         const mw_table *table) {
    static mw_dir *dir;
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    if (!dir && mw_dir_open(ctx, "/", MW_DIR_MUST_EXIST, &dir, NULL) != MW_OK) abort();
    const mw_io io = {.open = open_input, .close = close_input, .self = &fd};
    mw_ctx input = *ctx;
    input.io = &io;
    int64_t rows = 0;
    mw_status status = read_chunks(&input, dir, &rows);
    survey(&input, dir, table);
    close(fd);
    bool same = (status == MW_OK) == (whole == MW_OK);
    if (whole == MW_OK && has_utf8(table)) same = status == MW_EUNSUPPORTED;
    if (status == MW_EUNSUPPORTED && whole == MW_EDATA) same = true; /* a damaged text column */
    if (!same && !of_memory(status) && !of_memory(whole)) abort();
    if (status == MW_OK && table && rows != table->n_rows) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_mem mem;
    mw_ctx ctx;
    mw_mem_init(&mem, NULL, MEMORY_BYTES);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
    mw_table *table = NULL;
    char value[64];
    (void)mw_arrow__read_meta(data, size, "input", "plant", value, sizeof value, NULL);
    mw_err err;
    mw_status status = mw_arrow__read(&ctx, data, size, "input", NULL, 0, &table, &err);
    if (status == MW_OK && table->n_rows < 1 << 22) check_round(&ctx, table);
    ctx.mem = NULL;
    check_chunks(&ctx, data, size, status, table);
    mw_table_free(table);
    if (mw_mem_used(&mem) != 0) abort();
    return 0;
}
