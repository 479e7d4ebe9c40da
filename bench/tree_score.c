/*
 * tree_score.c -- scores rows with a saved model and times it: what `make bench-tree` runs beside its peers.
 *
 * usage: tree_score MODEL_DIR TABLE.x.npy ROWS THREADS
 *
 * TABLE.x.npy is float32, row by row, as bench/tree_data.py writes it; its width is the model's. Prints {"seconds"} of all rows,
 * {"binned_seconds"} of the same rows kept for their scorer before (null: the model has no trees), and {"one_row_seconds"}, all medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/threads.h"
#include "learn/model/learner.h"
#include "learn/tree/scorer_rows.h"

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

/* kept: the rows as their scorer has them, or NULL. */
static double time_of(const mw_ctx *ctx, const mw_model *model, mw_matrix rows,
                      const mw_scorer_rows *kept, int n_calls, double *out) {
    mw_err err = {0};
    int64_t start = mw_clock_monotonic(ctx->clock);
    for (int i = 0; i < n_calls; i++) {
        mw_status status =
            kept ? mw_scorer_rows_score(ctx, kept, 0, mw_model__trees(model)->n_trees, out, &err)
                 : mw_model_score(ctx, model, rows, out, &err);
        if (!status && kept) status = model->learner->finish(ctx, model, rows, out, &err);
        if (status) exit(fail(err.message));
    }
    return (double)(mw_clock_monotonic(ctx->clock) - start) / 1e6 / n_calls;
}

static void print_binned(const mw_ctx *ctx, const mw_model *model, mw_matrix rows, double *out) {
    const mw_trees *trees = mw_model__trees(model);
    mw_err err = {0};
    mw_scorer_rows *kept;
    double seconds[REPEATS];
    if (!trees) {
        printf("\"binned_seconds\": null, ");
        return;
    }
    if (mw_scorer_rows_new(ctx, trees->scorer, rows, &kept, &err) != MW_OK) exit(fail(err.message));
    for (int i = 0; i < REPEATS; i++) seconds[i] = time_of(ctx, model, rows, kept, 1, out);
    printf("\"binned_seconds\": %.6f, ", median(seconds, REPEATS));
    mw_scorer_rows_free(kept);
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
    for (int i = 0; i < REPEATS; i++) batch[i] = time_of(&ctx, model, all, NULL, 1, out);
    printf("{\"seconds\": %.6f, ", median(batch, REPEATS));
    print_binned(&ctx, model, all, out);
    for (int i = 0; i < ONE_ROW_TRIES; i++) {
        mw_matrix row = {x + (i % all.n_rows) * all.n_features, 1, all.n_features};
        one[i] = time_of(&ctx, model, row, NULL, ONE_ROW_BURST, out);
    }
    printf("\"one_row_seconds\": %.9f}\n", median(one, ONE_ROW_TRIES));
    free(out);
    free(x);
    mw_model_free(model);
    mw_dir_close(dir);
    mw_pool_free(ctx.pool);
    return 0;
}
