/*
 * csv_columns.c -- one file to typed columns in memory, timed: what `make bench-csv` runs beside its peers.
 *
 * usage: csv_columns [--threads N] FILE
 *
 * Prints {"seconds", "records", "rows", "columns", "bytes", "checksum"}. A long file is pivoted, block by block: its rows are those of the pivot; its
 * records are the lines that the peers have as rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/threads.h"
#include "core/table/collect.h"
#include "keep/ingest/intake.h"

typedef struct kept {
    mw_schema *schema;
    mw_intake intake;
    mw_collect *rows;
} kept;

static mw_status add(void *self, mw_chunk *chunk, mw_err *err) {
    kept *k = self;
    mw_status status = mw_collect_add(k->rows, chunk, err);
    mw_chunk_free(chunk);
    return status;
}

static mw_status refused(void *self, uint64_t line, const mw_bad_row *bad, mw_err *err) {
    (void)self, (void)err;
    fprintf(stderr, "line %llu: %s\n", (unsigned long long)line, bad->reason);
    return MW_OK;
}

/* Of the times: the same however the file was cut into blocks. */
static uint64_t checksum(const mw_table *table) {
    uint64_t sum = 0;
    for (int64_t r = 0; r < table->n_rows; r++)
        sum = sum * 31 + (uint64_t)table->columns[0].time[r];
    return sum;
}

static mw_status read_file(const mw_ctx *ctx, mw_reader *reader, kept *k, mw_table **ret,
                           mw_err *err) {
    mw_status status = mw_plan_schema(mw_reader_plan(reader), &k->schema, err);
    if (status == MW_OK)
        status = mw_collect_new(NULL, k->schema, mw_reader_rows(reader), &k->rows, err);
    mw_intake_init(&k->intake, ctx, reader, k->schema);
    k->intake.add = add;
    k->intake.refused = refused;
    k->intake.self = k;
    k->intake.sink.collect = k->rows;
    if (status == MW_OK) status = mw_reader_run(reader, &k->intake.sink, err);
    if (status == MW_OK) status = mw_collect_finish(k->rows, k->schema, ret, err);
    return status;
}

static int fail(const mw_err *err) {
    fprintf(stderr, "csv_columns: %s\n", err->message);
    return 1;
}

int main(int argc, char **argv) {
    int threads = 2;
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = (int)strtol(argv[++i], NULL, 10);
        else
            path = argv[i];
    }
    if (!path) {
        fprintf(stderr, "usage: csv_columns [--threads N] FILE\n");
        return 2;
    }
    mw_ctx ctx;
    mw_err err = {0};
    mw_mem_keep_freed();
    mw_ctx_init(&ctx);
    if (mw_pool_new(NULL, threads, &ctx.pool, &err) != MW_OK) return fail(&err);
    int64_t start = mw_clock_monotonic(ctx.clock);
    const mw_reader_options options = {0};
    mw_reader *reader;
    mw_table *table;
    kept k = {0};
    if (mw_reader_open(&ctx, path, &options, &reader, &err) != MW_OK ||
        read_file(&ctx, reader, &k, &table, &err) != MW_OK)
        return fail(&err);
    double seconds = (double)(mw_clock_monotonic(ctx.clock) - start) / 1e6;
    printf("{\"seconds\": %.4f, \"records\": %lld, \"rows\": %lld, \"columns\": %d, \"bytes\": "
           "%llu, \"checksum\": "
           "\"%016llx\"}\n",
           seconds, (long long)k.intake.n_records, (long long)table->n_rows, table->n_columns,
           (unsigned long long)mw_source_stored(mw_reader_source(reader)),
           (unsigned long long)checksum(table));
    mw_table_free(table);
    mw_collect_free(k.rows);
    mw_intake_done(&k.intake);
    mw_schema_free(k.schema);
    mw_reader_close(reader);
    mw_pool_free(ctx.pool);
    return 0;
}
