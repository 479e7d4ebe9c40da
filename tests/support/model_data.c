/* model_data.c -- see model_data.h. */
#include "support/model_data.h"

#include <stdio.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "support/harness.h"

static mw_column *add_column(mw_table *table, const char *name, mw_type type) {
    mw_err err;
    mw_column *column = NULL;
    assert_ok(mw_table_add(table, mw_str_of(name), type, &column, &err));
    return column;
}

static void fill_table(mw_table *table, uint64_t seed, double *y, double scale, double offset) {
    static const char *const texts[] = {"drill", "lathe", "mill", "press"};
    static const double effects[] = {0.0, 2.0, -1.0, 0.5};
    mw_err err;
    assert_ok(mw_table_reserve(table, MW_PROBLEM_FEATURES, &err));
    mw_column *heat = add_column(table, "heat", MW_FLOAT64);
    mw_column *load = add_column(table, "load", MW_FLOAT64);
    mw_column *on = add_column(table, "on", MW_BOOL);
    mw_column *kind = add_column(table, "kind", MW_DICTIONARY);
    mw_column *noise = add_column(table, "noise", MW_FLOAT64);
    for (int64_t row = 0; row < table->n_rows; row++) {
        mw_rng rng;
        mw_rng_init(&rng, seed, 7, (uint64_t)row);
        double a = mw_rng_normal(&rng), b = mw_rng_uniform(&rng) * 4;
        bool flag = mw_rng_uniform(&rng) < 0.4;
        uint64_t k = mw_rng_below(&rng, 4);
        heat->number[row] = a * scale + offset;
        load->number[row] = mw_rng_uniform(&rng) < 0.05 ? MW_NAN : b * scale;
        noise->number[row] = mw_rng_normal(&rng);
        mw_column_set_bool(on, row, flag);
        assert_ok(
            mw_dictionary_add(kind->dictionary, mw_str_of(texts[k]), &kind->codes[row], &err));
        if (mw_rng_uniform(&rng) < 0.03) kind->codes[row] = -1;
        y[row] =
            (3 * a + b * b + (flag ? 1.5 : 0) + effects[k] + 0.1 * mw_rng_normal(&rng)) * scale +
            offset;
    }
    for (int32_t i = 0; i < table->n_columns; i++)
        assert_ok(mw_column_seal(table, &table->columns[i], &err));
}

void mw_problem_make(mw_problem *p, uint64_t seed, int64_t n_rows, int32_t n_classes, double scale,
                     double offset) {
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    *p = (mw_problem){.classes = {"bad", "good", "ugly"}};
    p->y = mw_alloc_array(NULL, (size_t)n_rows, sizeof *p->y);
    assert_non_null(p->y);
    assert_ok(mw_table_new(NULL, n_rows, &p->table, &err));
    fill_table(p->table, seed, p->y, scale, offset);
    assert_ok(mw_features_of_table(&ctx, p->table, NULL, 0, &p->features, &err));
    assert_ok(mw_features_matrix(&ctx, p->features, p->table, &p->x, &err));
    p->matrix = (mw_matrix){p->x, n_rows, MW_PROBLEM_FEATURES};
    for (int64_t i = 0; n_classes && i < n_rows; i++) {
        double z = (p->y[i] - offset) / scale;
        p->y[i] = n_classes == 2 ? z > 5 : (z > 2) + (z > 8);
    }
}

void mw_problem_done(mw_problem *p) {
    mw_free(p->x);
    mw_free(p->y);
    mw_features_free(p->features);
    mw_table_free(p->table);
}

mw_args *mw_problem_args(const char *learner, const char *settings) {
    mw_err err;
    mw_args *args = NULL;
    assert_ok(mw_args_new(NULL, mw_model_params(learner), &args, &err));
    while (settings && *settings) {
        size_t length = strcspn(settings, " "), name = strcspn(settings, "=");
        assert_ok(mw_args_set(args, (mw_str){settings, name},
                              (mw_str){settings + name + 1, length - name - 1}, &err));
        settings += length + (settings[length] == ' ');
    }
    assert_ok(mw_args_finish(args, &err));
    return args;
}

mw_model *mw_problem_fit(const mw_ctx *ctx, const mw_problem *p, const char *learner, mw_task task,
                         const char *settings) {
    mw_err err;
    mw_model *model = NULL;
    bool anchored = settings && strncmp(settings, "anchor=load", 11) == 0;
    mw_args *args =
        mw_problem_args(learner, anchored ? settings + 11 + (settings[11] == ' ') : settings);
    mw_fit fit = {.learner = learner,
                  .task = task,
                  .features = p->features,
                  .target = task == MW_TASK_ANOMALY ? NULL : "y",
                  .classes = p->classes,
                  .n_classes = task == MW_TASK_BINARY       ? 2
                               : task == MW_TASK_MULTICLASS ? 3
                                                            : 0,
                  .params = args,
                  .matrix = p->matrix,
                  .y = task == MW_TASK_ANOMALY ? NULL : p->y,
                  .anchor = anchored ? "load" : NULL};
    assert_ok(mw_model_fit(ctx, &fit, &model, &err));
    mw_args_free(args);
    return model;
}

double *mw_problem_scores(const mw_ctx *ctx, const mw_problem *p, const mw_model *model) {
    mw_err err;
    size_t n = (size_t)p->matrix.n_rows * (size_t)mw_model_outputs(model);
    double *scores = mw_alloc_array(NULL, n, sizeof *scores);
    assert_non_null(scores);
    assert_ok(mw_model_score(ctx, model, p->matrix, scores, &err));
    return scores;
}

static int no_sync(void *self, int fd) {
    (void)self;
    (void)fd;
    return 0;
}

void mw_problem_ctx(mw_ctx *ctx) {
    static mw_io io;
    io = mw_io_system;
    io.fsync = no_sync;
    mw_ctx_init(ctx);
    ctx->io = &io;
}

mw_dir *mw_problem_dir(const char *name) {
    mw_ctx ctx;
    mw_err err;
    char path[512];
    mw_dir *dir = NULL;
    mw_problem_ctx(&ctx);
    assert_true(snprintf(path, sizeof path, "%s/%s", mw_test_folder(), name) < (int)sizeof path);
    assert_ok(mw_dir_open(&ctx, path, MW_DIR_CREATE, &dir, &err));
    return dir;
}

char *mw_problem_read(mw_dir *dir, const char *name, size_t *size) {
    mw_ctx ctx;
    mw_err err;
    char *data = NULL;
    mw_problem_ctx(&ctx);
    assert_ok(mw_file_read(&ctx, dir, name, SIZE_MAX / 2, &data, size, &err));
    return data;
}
