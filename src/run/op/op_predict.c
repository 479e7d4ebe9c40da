/*
 * op_predict.c -- `millwright predict MODEL_DIR FILE.csv --out SCORES.csv`.
 *
 * One line per data row, in file order, under a header: regression `prediction`; binary
 * `prediction,probability` (of the larger label); multiclass `prediction,probability_CLASS,...`;
 * isolation `score,is_anomaly`. --output margin: `margin`, or `margin_CLASS,...`; --output leaf: `tree_1,...`, the number of
 * the leaf in each tree. A row that could not be read gives empty cells.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/csv.h"
#include "core/text/number.h"
#include "run/op/app.h"
#include "keep/ingest/profile.h"
#include "run/op/output_file.h"
#include "run/op/model_folder.h"
#include "run/op/read_like.h"

enum { ROWS_AT_ONCE = 65536 };

typedef struct scores {
    const mw_model *model;
    mw_output what;
    int32_t n_rounds, n_outputs; /* asked for (0: all); numbers of a row */
    const char *const *classes;
    int32_t n_classes;
    int64_t n_flagged;
} scores;

/* "WORD_LABEL", quoted where need be; after a comma unless it is the line's first. */
static void add_name(mw_buf *line, const char *word, const char *label) {
    mw_buf name;
    mw_buf_init(&name, line->mem, (size_t)MW_LIMIT(STRING_BYTES) + 32);
    mw_buf_printf(&name, "%s_%s", word, label);
    if (line->size > 0) mw_buf_add_char(line, ',');
    mw_csv_write_field(line, mw_buf_str(&name));
    mw_buf_done(&name);
}

static void write_numbers_header(const scores *s, mw_buf *line) {
    if (s->what == MW_OUTPUT_MARGIN && s->n_outputs == 1) mw_buf_add(line, "margin");
    for (int32_t k = 0; s->what == MW_OUTPUT_MARGIN && s->n_outputs > 1 && k < s->n_outputs; k++)
        add_name(line, "margin", s->classes[k]);
    for (int32_t t = 1; s->what == MW_OUTPUT_LEAVES && t <= s->n_outputs; t++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", (int)t);
        add_name(line, "tree", number);
    }
    mw_buf_add_char(line, '\n');
}

static void write_header(const scores *s, mw_buf *line) {
    if (s->what != MW_OUTPUT_PREDICTION) {
        write_numbers_header(s, line);
        return;
    }
    switch (mw_model_task(s->model)) {
    case MW_TASK_REGRESSION: mw_buf_add(line, "prediction\n"); break;
    case MW_TASK_BINARY: mw_buf_add(line, "prediction,probability\n"); break;
    case MW_TASK_ANOMALY: mw_buf_add(line, "score,is_anomaly\n"); break;
    case MW_TASK_MULTICLASS:
        mw_buf_add(line, "prediction");
        for (int32_t k = 0; k < s->n_classes; k++) add_name(line, "probability", s->classes[k]);
        mw_buf_add_char(line, '\n');
        break;
    }
}

static void write_classes(const scores *s, const double *p, mw_buf *line) {
    int32_t top = 0;
    for (int32_t k = 1; k < s->n_classes; k++)
        if (p[k] > p[top]) top = k;
    mw_csv_write_field(line, mw_str_of(s->classes[top]));
    int32_t first = mw_model_task(s->model) == MW_TASK_BINARY ? 1 : 0;
    for (int32_t k = first; k < s->n_classes; k++) {
        mw_buf_add_char(line, ',');
        mw_buf_add_number(line, p[k]);
    }
    mw_buf_add_char(line, '\n');
}

static void write_row(scores *s, const double *out, mw_buf *line) {
    if (s->what != MW_OUTPUT_PREDICTION) {
        for (int32_t k = 0; k < s->n_outputs; k++) {
            if (k > 0) mw_buf_add_char(line, ',');
            mw_buf_add_number(line, out[k]);
        }
        mw_buf_add_char(line, '\n');
        return;
    }
    switch (mw_model_task(s->model)) {
    case MW_TASK_REGRESSION:
        mw_buf_add_number(line, out[0]);
        mw_buf_add_char(line, '\n');
        break;
    case MW_TASK_ANOMALY: {
        bool flagged = out[0] >= mw_model_threshold(s->model);
        s->n_flagged += flagged;
        mw_buf_add_number(line, out[0]);
        mw_buf_add(line, flagged ? ",1\n" : ",0\n");
        break;
    }
    default: write_classes(s, out, line);
    }
}

static void write_empty(const scores *s, mw_buf *line) {
    int32_t cells = s->what != MW_OUTPUT_PREDICTION                 ? s->n_outputs
                    : mw_model_task(s->model) == MW_TASK_REGRESSION ? 1
                    : mw_model_task(s->model) == MW_TASK_MULTICLASS ? 1 + s->n_classes
                                                                    : 2;
    for (int32_t i = 1; i < cells; i++) mw_buf_add_char(line, ',');
    mw_buf_add_char(line, '\n');
}

static mw_status write_scores(const mw_ctx *ctx, scores *s, const float *x, int64_t n_rows,
                              const mw_plain_bad *bad, mw_file *file, mw_err *err) {
    int32_t width = mw_features_count(mw_model_features(s->model));
    const int32_t outputs = s->n_outputs;
    const int64_t at_once = ROWS_AT_ONCE / (outputs < 1024 ? outputs : 1024);
    double *out = mw_alloc_array(ctx->mem, (size_t)at_once * (size_t)outputs, sizeof *out);
    if (!out) return mw_fail_nomem(err, "the predictions");
    mw_buf lines;
    mw_buf_init(&lines, ctx->mem, (size_t)MW_LIMIT(HTTP_RESPONSE_BYTES) * 16);
    mw_status status = MW_OK;
    write_header(s, &lines);
    for (int64_t from = 0; (from < n_rows || from == 0) && !status; from += at_once) {
        int64_t n = n_rows - from < at_once ? n_rows - from : at_once;
        mw_ctx_report(ctx, "scoring", (double)from, (double)n_rows);
        mw_matrix matrix = {x + from * width, n, width};
        if (n > 0)
            status = mw_model_score_as(ctx, s->model, matrix, s->what, s->n_rounds, out, err);
        for (int64_t i = 0; i < n && !status; i++) {
            if (bad->marks && bad->marks[from + i])
                write_empty(s, &lines);
            else
                write_row(s, out + i * outputs, &lines);
        }
        if (!status) status = mw_buf_status(&lines, "the scores", err);
        if (!status) status = mw_file_write(file, mw_buf_text(&lines), lines.size, err);
        mw_buf_clear(&lines);
    }
    mw_buf_done(&lines);
    mw_free(out);
    return status;
}

static const char *const outputs[] = {"prediction", "margin", "leaf", NULL};

/* What is asked for, as far as the model has it. */
static mw_status read_output(const mw_args *args, scores *s, mw_err *err) {
    const char *text = mw_args_string(args, "output");
    while (strcmp(outputs[s->what], text) != 0) s->what++;
    s->n_rounds = mw_args_has(args, "rounds") ? (int32_t)mw_args_int(args, "rounds") : 0;
    return mw_model_outputs_as(s->model, s->what, s->n_rounds, &s->n_outputs, err);
}

static mw_status score_file(const mw_call *call, mw_model *model, mw_buf *out, mw_err *err) {
    const mw_ctx *ctx = call->ctx;
    mw_table *table = NULL;
    mw_file *file = NULL;
    float *x = NULL;
    mw_plain_bad bad = {0};
    scores s = {.model = model};
    s.classes = mw_model_classes(model, &s.n_classes);
    mw_status status = read_output(call->args, &s, err);
    if (!status)
        status = mw_op__read_like(ctx, mw_args_string(call->args, "file"), call->args,
                                  mw_model_features(model), NULL, 0, &table, &bad, err);
    const int64_t n_rows = table ? table->n_rows : 0;
    if (!status) status = mw_features_take(ctx, mw_model_features(model), &table, &x, err);
    if (!status) status = mw_op__create_output(ctx, mw_args_string(call->args, "out"), &file, err);
    if (!status) {
        status = write_scores(ctx, &s, x, n_rows, &bad, file, err);
        if (status)
            mw_file_abort(file);
        else
            status = mw_file_commit(file, err);
    }
    if (!status) {
        mw_json_writer writer;
        mw_json_writer_init(&writer, out, 0);
        mw_json_object(&writer);
        mw_json_add_string(&writer, "out", mw_args_string(call->args, "out"));
        mw_json_add_string(&writer, "task", mw_task_name(mw_model_task(model)));
        mw_json_add_int(&writer, "rows", n_rows);
        mw_json_add_int(&writer, "unreadable_rows", bad.n);
        if (bad.n) mw_json_add_string(&writer, "first_unreadable", bad.first);
        if (mw_model_task(model) == MW_TASK_ANOMALY)
            mw_json_add_int(&writer, "flagged", s.n_flagged);
        mw_json_object_end(&writer);
    }
    mw_free(bad.marks);
    mw_free(x);
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_model *model = NULL;
    mw_status status =
        mw_op__load_model(call->ctx, mw_args_string(call->args, "model"), &model, err);
    if (!status) status = score_file(call, model, out, err);
    mw_model_free(model);
    return status;
}

static const mw_param params[] = {
    {.name = "model",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .help = "A model folder, as `millwright train FILE --out` wrote it."},
    {.name = "file",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_POSITIONAL,
     .help = "A table with the columns the model was trained on; others are ignored."},
    {.name = "output",
     .type = MW_PARAM_ENUM,
     .def = "prediction",
     .choices = outputs,
     .help = "What to write: predictions; gbdt's sums of leaves before they become probabilities; "
             "the number of the leaf in each tree."},
    {.name = "rounds",
     .type = MW_PARAM_INT,
     .min = 1,
     .max = 10000,
     .help = "Score with the first rounds of a gbdt model only."},
    {.name = "out",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REQUIRED,
     .min = 1,
     .max = 4096,
     .help = "The CSV file to write."},
    {0}};

static const char *const examples[] = {"millwright predict m housing.csv --out scores.csv", NULL};

const mw_op mw_op_predict = {
    .name = "predict",
    .verb = "predict",
    .area = "models",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Score a table with a saved model",
    .help =
        "Writes a header and one line per data row, in file order; a row that cannot be read gives "
        "empty cells.",
    .examples = examples,
    .params = params,
    .more_params = {mw_profile_params},
    .prepare = prepare,
};
