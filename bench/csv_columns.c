/*
 * csv_columns.c -- one file to typed columns in memory, timed: what `make bench-csv` runs beside its peers.
 *
 * usage: csv_columns [--threads N] FILE
 *
 * Prints {"seconds", "rows", "columns", "bytes", "checksum"}. A long file stays long here, as the peers have it... its columns are pivoted, as
 * everywhere in Millwright: rows are those of the pivot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/threads.h"
#include "keep/ingest/reader.h"

typedef struct kept {
    mw_chunk **chunks; /* [n] */
    size_t n, capacity;
    int64_t n_rows, n_records;
    int32_t n_columns;
} kept;

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    kept *k = self;
    (void)place;
    k->n_records += lane->n_records;
    for (size_t i = 0; i < lane->n_chunks; i++) {
        if (k->n == k->capacity) {
            k->capacity = k->capacity ? 2 * k->capacity : 1024;
            void *more = mw_realloc(NULL, k->chunks, k->capacity * sizeof(mw_chunk *));
            if (!more) return mw_fail_nomem(err, "the columns");
            k->chunks = more;
        }
        k->n_rows += lane->chunks[i]->n_rows;
        if (k->n_columns < lane->chunks[i]->n_columns) k->n_columns = lane->chunks[i]->n_columns;
        k->chunks[k->n++] = lane->chunks[i];
        lane->chunks[i] = NULL;
    }
    return MW_OK;
}

/* Of the times: the same however the file was cut into chunks. */
static uint64_t checksum(const kept *k) {
    uint64_t sum = 0;
    for (size_t i = 0; i < k->n; i++)
        for (int64_t r = 0; r < k->chunks[i]->n_rows; r++)
            sum = sum * 31 + (uint64_t)k->chunks[i]->columns[0].time[r];
    return sum;
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
    mw_ctx_init(&ctx);
    if (mw_pool_new(NULL, threads, &ctx.pool, &err) != MW_OK) return fail(&err);
    int64_t start = mw_clock_monotonic(ctx.clock);
    const mw_reader_options options = {0};
    mw_reader *reader;
    kept k = {0};
    mw_reader_sink sink = {.take = take, .self = &k};
    if (mw_reader_open(&ctx, path, &options, &reader, &err) != MW_OK ||
        mw_reader_run(reader, &sink, &err) != MW_OK)
        return fail(&err);
    double seconds = (double)(mw_clock_monotonic(ctx.clock) - start) / 1e6;
    printf("{\"seconds\": %.4f, \"rows\": %lld, \"records\": %lld, \"columns\": %d, \"bytes\": %llu, \"checksum\": \"%016llx\"}\n", seconds, (long long)k.n_rows,
           (long long)k.n_records, k.n_columns,
           (unsigned long long)mw_source_stored(mw_reader_source(reader)),
           (unsigned long long)checksum(&k));
    for (size_t i = 0; i < k.n; i++) mw_chunk_free(k.chunks[i]);
    mw_free(k.chunks);
    mw_reader_close(reader);
    mw_pool_free(ctx.pool);
    return 0;
}
