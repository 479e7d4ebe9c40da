/* fuzz_arrange.c -- bytes decide rows, cuts, budgets and policy; the result is that of the plain program. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/table/arrange_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Runs have no names, so that any folder will do. */
static mw_dir *spill_folder(const mw_ctx *ctx) {
    static mw_dir *dir;
    const char *path = getenv("TMPDIR");
    if (!dir && mw_dir_open(ctx, path ? path : "/tmp", MW_DIR_MUST_EXIST, &dir, NULL)) abort();
    return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static oracle_row rows[ORACLE_ROWS];
    static uint8_t cuts[ORACLE_ROWS], widths[ORACLE_ROWS];
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    oracle_case c = {.rows = rows, .cuts = cuts, .widths = widths};
    oracle_case_from(data, size, &c);
    c.options.spill = spill_folder(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    oracle_sink sink = {0};
    mw_arrange_counts counts;
    mw_err err;
    mw_status status = oracle_run(&ctx, &c, &sink, &counts, &err);
    const char *problem = status ? err.message : oracle_differs(&c, &sink, &counts);
    if (problem) {
        fprintf(stderr, "%s\n", problem);
        abort();
    }
    oracle_sink_done(&sink);
    if (mw_mem_used(&mem) != 0) abort();
    return 0;
}
