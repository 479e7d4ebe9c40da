/*
 * tree_score.c -- scores rows with a saved model and times it: what `make bench-tree` runs beside its peers.
 *
 * usage: tree_score MODEL_DIR TABLE.x.npy ROWS THREADS
 *
 * TABLE.x.npy is float32, row by row, as bench/tree_data.py writes it; its width is the model's. Prints {"seconds"} of all rows and
 * {"one_row_seconds"}, both medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "learn/model/model.h"

enum { REPEATS = 5, ONE_ROW_TRIES = 2000, ONE_ROW_BURST = 10, NPY_HEADER = 128 };

static int fail(const char *message) {
    fprintf(stderr, "tree_score: %s\n", message);
    return 1;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *seconds, size_t n) {
    qsort(seconds, n, sizeof *seconds, ascending);
    return seconds[n / 2];
}

static double time_of(const mw_ctx *ctx, const mw_model *model, mw_matrix rows, int n_calls,
                      double *out) {
    mw_err err = {0};
    int64_t start = mw_clock_monotonic(ctx->clock);
    for (int i = 0; i < n_calls; i++) {
        if (mw_model_score(ctx, model, rows, out, &err) != MW_OK) exit(fail(err.message));
    }
    return (double)(mw_clock_monotonic(ctx->clock) - start) / 1e6 / n_calls;
}

static float *read_rows(const char *path, size_t n) {
    FILE *file = fopen(path, "rb");
    float *x = malloc(n * sizeof *x);
    bool read =
        file && x && fseek(file, NPY_HEADER, SEEK_SET) == 0 && fread(x, sizeof *x, n, file) == n;
    if (file) fclose(file);
    if (!read) exit(fail("too few rows"));
    return x;
}

int main(int argc, char **argv) {
    if (argc != 5) return fail("usage: tree_score MODEL_DIR TABLE.x.npy ROWS THREADS");
    mw_ctx ctx;
    mw_err err = {0};
    mw_dir *dir;
    mw_model *model;
    mw_mem_keep_freed();
    mw_ctx_init(&ctx);
    if (mw_pool_new(NULL, (int)strtol(argv[4], NULL, 10), &ctx.pool, &err) != MW_OK ||
        mw_dir_open(&ctx, argv[1], MW_DIR_MUST_EXIST, &dir, &err) != MW_OK ||
        mw_model_load(&ctx, dir, &model, &err) != MW_OK)
        return fail(err.message);
    mw_matrix all = {NULL, strtol(argv[3], NULL, 10), mw_features_count(mw_model_features(model))};
    float *x = read_rows(argv[2], (size_t)all.n_rows * (size_t)all.n_features);
    double *out = malloc((size_t)all.n_rows * (size_t)mw_model_outputs(model) * sizeof *out);
    static double batch[REPEATS], one[ONE_ROW_TRIES];
    all.x = x;
    for (int i = 0; i < REPEATS; i++) batch[i] = time_of(&ctx, model, all, 1, out);
    for (int i = 0; i < ONE_ROW_TRIES; i++) {
        mw_matrix row = {x + (i % all.n_rows) * all.n_features, 1, all.n_features};
        one[i] = time_of(&ctx, model, row, ONE_ROW_BURST, out);
    }
    printf("{\"seconds\": %.6f, \"one_row_seconds\": %.9f}\n", median(batch, REPEATS),
           median(one, ONE_ROW_TRIES));
    free(out);
    free(x);
    mw_model_free(model);
    mw_dir_close(dir);
    mw_pool_free(ctx.pool);
    return 0;
}
