/*
 * fuzz_source.c -- any bytes as a stored file: gzip, zstd, UTF-16, notes of a rejects file. The first byte says how it is read.
 * Oracle: no crash and no hang; however it is cut into fills, the bytes and the outcome are the same, decoded text of
 * another encoding is valid UTF-8, and no memory is left.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keep/ingest/rejects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENOUGH_BYTES = 1 << 18 }; /* a few packed bytes may be gigabytes */

typedef struct reading {
    enum mw_source_text text;
    bool unify, notes;
    unsigned steps; /* seed of the fills' sizes; 0: one fill */
} reading;

static mw_status read_file(const mw_ctx *ctx, const char *path, const reading *how, mw_buf *out) {
    mw_source *source;
    mw_err err = {0};
    const char *sample;
    size_t size = 0, step;
    bool whole;
    uint64_t x = how->steps;
    mw_rejects_head head = {0};
    if (mw_source_open(ctx, path, &source, &err) != MW_OK) abort();
    mw_status status = mw_source_peek(source, &sample, &size, &whole, &err);
    if (status == MW_OK) status = mw_rejects_recognize(ctx->mem, sample, size, &head, &err);
    if (status == MW_OK && head.found != (head.profile != NULL)) abort();
    mw_free(head.profile);
    if (status == MW_OK) status = mw_source_set_text(source, how->text, how->unify, &err);
    if (how->notes) mw_source_set_notes(source, '"', 0);
    do {
        x = x * 6364136223846793005u + 1442695040888963407u;
        step = how->steps ? 1 + (size_t)(x >> 33) % (x >> 62 ? 40 : 100000) : ENOUGH_BYTES;
        if (step > ENOUGH_BYTES - out->size) step = ENOUGH_BYTES - out->size;
        char *room = mw_buf_reserve(out, step);
        if (!room) abort();
        if (status == MW_OK) status = mw_source_fill(source, room, step, &size, &err);
        if (status != MW_OK) break;
        mw_buf_grew(out, size);
    } while (size == step && out->size < ENOUGH_BYTES);
    if (status != MW_OK && !err.message[0]) abort();
    mw_source_close(source);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_ctx ctx;
    mw_mem mem;
    mw_buf whole, cut;
    char path[64];
    if (size == 0) return 0;
    mw_ctx_init(&ctx);
    mw_mem_init(&mem, NULL, (size_t)256 << 20);
    ctx.mem = &mem;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1)) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    mw_buf_init(&whole, NULL, 2 * ENOUGH_BYTES);
    mw_buf_init(&cut, NULL, 2 * ENOUGH_BYTES);
    reading how = {.text = data[0] & 3, .unify = data[0] & 4, .notes = data[0] & 8};
    mw_status status = read_file(&ctx, path, &how, &whole);
    how.steps = 1 + (unsigned)size + data[0];
    if (read_file(&ctx, path, &how, &cut) != status) abort();
    if (status == MW_OK && !mw_str_eq(mw_buf_str(&whole), mw_buf_str(&cut))) abort();
    if (status == MW_OK && how.text != MW_SOURCE_UTF8 && whole.size < ENOUGH_BYTES &&
        !mw_utf8_valid(mw_buf_text(&whole), whole.size))
        abort();
    mw_buf_done(&whole);
    mw_buf_done(&cut);
    close(fd);
    if (mw_mem_used(&mem) != 0) abort();
    return 0;
}
