/*
 * isolation_speed.c -- isolation_speed FILE N_FEATURES THREADS N_SCORED: seconds of the isolation forest and of the
 * extended one on float32 rows, for bench/isolation_speed.py, which measures the peers in the same rounds.
 *
 * For each line on standard input one round: prints "ndim fit_s score_s" for ndim 1 and 2. 100 trees of 256 rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/threads.h"
#include "learn/tree/planes.h"

static void fail(const char *what) {
    fprintf(stderr, "isolation_speed: %s\n", what);
    exit(1);
}

static void round_of(const mw_ctx *ctx, int32_t ndim, mw_matrix rows, mw_matrix scored,
                     double *scores) {
    mw_err err = {0};
    mw_isolation_options options;
    mw_isolation_defaults(&options);
    mw_trees *trees = NULL;
    mw_planes *planes = NULL;
    double c = 0;
    int64_t start = mw_clock_monotonic(ctx->clock);
    mw_status status = ndim == 1 ? mw_isolation_fit(ctx, &options, rows, &trees, &c, &err)
                                 : mw_planes_fit(ctx, &options, ndim, rows, &planes, &err);
    int64_t middle = mw_clock_monotonic(ctx->clock);
    if (!status)
        status = ndim == 1 ? mw_isolation_score(ctx, trees, c, scored, scores, &err)
                           : mw_planes_score(ctx, planes, scored, scores, &err);
    int64_t end = mw_clock_monotonic(ctx->clock);
    if (status) fail(err.message);
    printf("%d %.6f %.6f\n", (int)ndim, (double)(middle - start) / 1e6,
           (double)(end - middle) / 1e6);
    fflush(stdout);
    mw_trees_free(trees);
    mw_planes_free(planes);
}

int main(int argc, char **argv) {
    if (argc != 5) fail("FILE N_FEATURES THREADS N_SCORED");
    const int32_t n_features = atoi(argv[2]);
    struct stat size;
    FILE *file = fopen(argv[1], "rb");
    if (!file || fstat(fileno(file), &size) != 0 || n_features < 1) fail("no such rows");
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    const int64_t n_rows = size.st_size / (4 * (int64_t)n_features), n_scored = atoll(argv[4]);
    float *x = mw_alloc_aligned(NULL, (size_t)size.st_size);
    double *scores = mw_alloc_array(NULL, (size_t)n_rows, sizeof *scores);
    if (!x || !scores || fread(x, 1, (size_t)size.st_size, file) != (size_t)size.st_size ||
        n_scored > n_rows || mw_pool_new(NULL, atoi(argv[3]), &ctx.pool, &err))
        fail("cannot read the rows");
    fclose(file);
    char line[8];
    while (fgets(line, sizeof line, stdin))
        for (int32_t ndim = 1; ndim <= 2; ndim++)
            round_of(&ctx, ndim, (mw_matrix){x, n_rows, n_features},
                     (mw_matrix){x, n_scored, n_features}, scores);
    mw_pool_free(ctx.pool);
    mw_free(x);
    mw_free(scores);
    return 0;
}
