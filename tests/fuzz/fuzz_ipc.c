/*
 * fuzz_ipc.c -- any bytes as an Arrow file: refused cleanly, or read, written and read again to the same
 * bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/table/arrow.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_mem mem;
    mw_ctx ctx;
    mw_mem_init(&mem, NULL, MEMORY_BYTES);
    mw_ctx_init(&ctx);
    ctx.mem = &mem;
    mw_table *table = NULL;
    char value[64];
    (void)mw_arrow__read_meta(data, size, "input", "plant", value, sizeof value, NULL);
    if (mw_arrow__read(&ctx, data, size, "input", NULL, 0, &table, NULL) == MW_OK) {
        if (table->n_rows < 1 << 22) check_round(&ctx, table);
        mw_table_free(table);
    }
    if (mw_mem_used(&mem) != 0) abort();
    return 0;
}
