/*
 * tree_score.c -- speed of scoring tree ensembles, of a generated one or of a model folder.
 *
 * Shown      ns a row of mw_scorer_score on all rows (median of repetitions), p50 and p99 of one row by
 *            mw_scorer_row in ns, and what making the scorer cost.
 * Usage      tree_score MODEL_FOLDER|TREESxLEAVES ROWS.f32|N [--features N] [--threads N] [--repeats N] [--out FILE]
 *            ROWS.f32: float32, row after row, of the model's number of features; N: so many normal rows
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/cpu.h"
#include "core/base/dir.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/model/model.h"
#include "learn/tree/scorer.h"

enum { MOST_REPEATS = 1000, ONE_ROWS = 20000 };

typedef struct work {
    mw_ctx ctx;
    mw_err err;
    mw_trees *trees;
    mw_scorer *scorer;
    mw_model *model; /* or NULL: trees */
    float *x;
    double *out;
    int64_t n_rows;
    int32_t n_features;
    int n_threads, n_repeats;
    const char *out_path;
} work;

static void must(mw_status status, const work *w) {
    if (status == MW_OK) return;
    fprintf(stderr, "%s: %s\n", mw_status_name(status), w->err.message);
    exit(1);
}

/* Splits the leaf with the most rows, thresholds from a normal quantile grid of 255. */
static void grow(mw_trees *trees, mw_rng *rng, int32_t tree, int32_t n_leaves) {
    const int64_t root = trees->n_nodes++;
    trees->roots[tree] = root;
    trees->nodes[root] = (mw_node){.feature = -1, .left = -1, .cover = 1u << 30};
    for (int32_t k = 1; k < n_leaves; k++) {
        int64_t at = root;
        for (int64_t i = root; i < trees->n_nodes; i++)
            if (trees->nodes[i].left < 0 &&
                (trees->nodes[at].left >= 0 || trees->nodes[i].cover > trees->nodes[at].cover))
                at = i;
        mw_node *node = &trees->nodes[at];
        node->feature = (int32_t)mw_rng_below(rng, (uint64_t)trees->n_features);
        node->threshold = (float)((int)(mw_rng_normal(rng) * 40)) / 40;
        node->left = (int32_t)trees->n_nodes++;
        node->right = (int32_t)trees->n_nodes++;
        const uint32_t left = (uint32_t)((double)node->cover * (0.1 + 0.8 * mw_rng_uniform(rng)));
        trees->nodes[node->left] = (mw_node){.feature = -1, .left = -1, .cover = left};
        trees->nodes[node->right] =
            (mw_node){.feature = -1, .left = -1, .cover = node->cover - left};
    }
    for (int64_t i = root; i < trees->n_nodes; i++)
        if (trees->nodes[i].left < 0) {
            trees->values[trees->n_leaves] = (float)mw_rng_normal(rng);
            trees->nodes[i].right = (int32_t)trees->n_leaves++;
        }
}

static mw_trees *generate(int32_t n_trees, int32_t n_leaves, int32_t n_features) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 0, 0);
    mw_trees *trees = mw_calloc(NULL, 1, sizeof *trees);
    if (!trees) abort();
    const size_t most = (size_t)n_trees * (size_t)n_leaves;
    trees->n_features = n_features;
    trees->n_outputs = 1;
    trees->n_trees = n_trees;
    trees->roots = mw_alloc_array(NULL, (size_t)n_trees, sizeof *trees->roots);
    trees->nodes = mw_calloc(NULL, 2 * most, sizeof *trees->nodes);
    trees->values = mw_alloc_array(NULL, most, sizeof *trees->values);
    if (!trees->roots || !trees->nodes || !trees->values) abort();
    for (int32_t t = 0; t < n_trees; t++) grow(trees, &rng, t, n_leaves);
    return trees;
}

static void read_rows(work *w, const char *from) {
    FILE *file = fopen(from, "rb");
    char *end;
    w->n_rows = strtoll(from, &end, 10);
    if (file) {
        fseek(file, 0, SEEK_END);
        w->n_rows = ftell(file) / (int64_t)sizeof *w->x / w->n_features;
        rewind(file);
    } else if (*end || w->n_rows < 1) {
        fprintf(stderr, "%s is neither a file nor a number of rows\n", from);
        exit(2);
    }
    const size_t n = (size_t)(w->n_rows * w->n_features);
    w->x = mw_alloc_array(NULL, n, sizeof *w->x);
    if (!w->x) abort();
    mw_rng rng;
    mw_rng_init(&rng, 2, 0, 0);
    if (file && fread(w->x, sizeof *w->x, n, file) != n) abort();
    for (size_t i = 0; !file && i < n; i++) w->x[i] = (float)mw_rng_normal(&rng);
    if (file) fclose(file);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void score_all(work *w) {
    static double times[MOST_REPEATS];
    const mw_matrix matrix = {w->x, w->n_rows, w->n_features};
    for (int i = 0; i < w->n_repeats; i++) {
        const double begin = now_ns();
        if (w->model)
            must(mw_model_score(&w->ctx, w->model, matrix, w->out, &w->err), w);
        else
            must(mw_scorer_score(&w->ctx, w->scorer, 0, w->trees->n_trees, matrix, w->out, &w->err),
                 w);
        times[i] = (now_ns() - begin) / (double)w->n_rows;
    }
    qsort(times, (size_t)w->n_repeats, sizeof *times, compare);
    printf("%s %d threads: %.1f ns a row (best %.1f)\n", mw_cpu_name(mw_cpu_level()), w->n_threads,
           times[w->n_repeats / 2], times[0]);
}

static void score_one(work *w) {
    static double times[ONE_ROWS];
    for (int i = 0; i < ONE_ROWS; i++) {
        const float *row = w->x + i % w->n_rows * w->n_features;
        const double begin = now_ns();
        if (w->model)
            must(mw_model_score(&w->ctx, w->model, (mw_matrix){row, 1, w->n_features}, w->out,
                                &w->err),
                 w);
        else
            mw_scorer_row(w->scorer, 0, w->trees->n_trees, row, w->out);
        times[i] = now_ns() - begin;
    }
    qsort(times, ONE_ROWS, sizeof *times, compare);
    printf("one row: p50 %.0f ns, p99 %.0f ns\n", times[ONE_ROWS / 2], times[ONE_ROWS * 99 / 100]);
}

static void load(work *w, const char *from, int32_t n_features) {
    int n_trees, n_leaves;
    if (sscanf(from, "%dx%d", &n_trees, &n_leaves) == 2) {
        w->n_features = n_features;
        w->trees = generate(n_trees, n_leaves, n_features);
        const double begin = now_ns();
        must(mw_scorer_new(&w->ctx, w->trees, &w->scorer, &w->err), w);
        printf("new scorer: %.0f us, %zu bytes with the trees\n", (now_ns() - begin) / 1e3,
               mw_mem_used(w->ctx.mem));
        return;
    }
    mw_dir *dir = NULL;
    must(mw_dir_open(&w->ctx, from, MW_DIR_MUST_EXIST, &dir, &w->err), w);
    must(mw_model_load(&w->ctx, dir, &w->model, &w->err), w);
    mw_dir_close(dir);
    w->n_features = mw_features_count(mw_model_features(w->model));
}

int main(int argc, char **argv) {
    work w = {.n_threads = 2, .n_repeats = 15};
    int32_t n_features = 28;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--threads") == 0) w.n_threads = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--repeats") == 0) w.n_repeats = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--features") == 0) n_features = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--out") == 0) w.out_path = argv[i + 1];
    }
    if (argc < 3 || w.n_repeats < 1 || w.n_repeats > MOST_REPEATS || n_features < 1) {
        fprintf(stderr, "usage: tree_score MODEL_FOLDER|TREESxLEAVES ROWS.f32|N [--features N] "
                        "[--threads N] [--repeats N] [--out FILE]\n");
        return 2;
    }
    mw_ctx_init(&w.ctx);
    must(mw_pool_new(NULL, w.n_threads, &w.ctx.pool, &w.err), &w);
    load(&w, argv[1], n_features);
    read_rows(&w, argv[2]);
    const size_t width = w.model ? (size_t)mw_model_outputs(w.model) : 1;
    w.out = mw_alloc_array(NULL, (size_t)w.n_rows * width, sizeof *w.out);
    if (!w.out) return 1;
    score_all(&w);
    FILE *out = w.out_path ? fopen(w.out_path, "wb") : NULL;
    if (out &&
        fwrite(w.out, sizeof *w.out, (size_t)w.n_rows * width, out) != (size_t)w.n_rows * width)
        return 1;
    if (out) fclose(out);
    score_one(&w);
    mw_scorer_free(w.scorer);
    mw_trees_free(w.trees);
    mw_model_free(w.model);
    mw_free(w.x);
    mw_free(w.out);
    mw_pool_free(w.ctx.pool);
    return 0;
}
