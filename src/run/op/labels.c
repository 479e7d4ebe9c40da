/* labels.c -- see labels.h. */
#include "run/op/labels.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/param/nearest.h"
#include "core/text/number.h"

/* Numbers by value, then texts by bytes. */
static int by_label(const void *a, const void *b) {
    mw_str x = mw_str_of(*(const char *const *)a), y = mw_str_of(*(const char *const *)b);
    double u, v;
    bool x_number = mw_number_read(x.data, x.size, &u),
         y_number = mw_number_read(y.data, y.size, &v);
    if (x_number && y_number && u < v) return -1;
    if (x_number && y_number && u > v) return 1;
    if (x_number != y_number) return x_number ? -1 : 1;
    return mw_str_compare(x, y);
}

/* All labels, or so many that check_many refuses them; numbers among them are told from one another in any case. */
static mw_status collect_classes(const mw_ctx *ctx, mw_arena *arena, const mw_column *column,
                                 mw_labels *labels, mw_err *err) {
    mw_dictionary *seen;
    mw_status status = mw_dictionary_new(ctx->mem, &seen, err);
    if (status) return status;
    char number[MW_NUMBER_MAX];
    int32_t code;
    for (int64_t row = 0; row < column->n_rows && !status; row++) {
        mw_str text = mw_column_cell(column, row, number);
        if (text.size == 0) continue;
        status = mw_dictionary_add(seen, text, &code, err);
        if (!status && code == MW_LIMIT(CATEGORIES)) break;
    }
    int32_t n = status ? 0 : mw_dictionary_size(seen);
    labels->classes = mw_arena_calloc(arena, (size_t)n + 1, sizeof *labels->classes);
    if (!status && !labels->classes) status = mw_fail_nomem(err, "the class labels");
    for (int32_t i = 0; i < n && !status; i++) {
        mw_str text = mw_dictionary_text(seen, i);
        labels->classes[i] = mw_arena_strndup(arena, text.data, text.size);
        if (!labels->classes[i]) status = mw_fail_nomem(err, "the class labels");
    }
    mw_dictionary_free(seen);
    if (status) return status;
    labels->n_classes = n;
    qsort(labels->classes, (size_t)n, sizeof *labels->classes, by_label);
    return MW_OK;
}

static double index_of_class(const char *const *classes, int32_t n, mw_str text) {
    for (int32_t i = 0; i < n; i++)
        if (mw_str_is(text, classes[i])) return i;
    return MW_NAN;
}

static const mw_column *find_target(const mw_table *table, const char *target, mw_err *err) {
    const mw_column *column = mw_table_column(table, target);
    if (column) return column;
    mw_fail(err, MW_ENOTFOUND, "there is no column \"%.100s\" to predict", target);
    mw_err_at(err, "target");
    mw_nearest nearest = {0};
    for (int32_t i = 0; i < table->n_columns; i++)
        mw_nearest_look(&nearest, mw_str_of(target), table->columns[i].name);
    if (nearest.word) {
        mw_err_hint(err, "did you mean \"%s\"?", nearest.word);
        return NULL;
    }
    char names[MW_ERR_HINT_MAX - 32] = "";
    size_t used = 0;
    for (int32_t i = 0; i < table->n_columns; i++) {
        const char *name = table->columns[i].name;
        size_t more = strlen(name);
        if (used + 2 + more + sizeof ", ..." > sizeof names) {
            memcpy(names + used, ", ...", sizeof ", ...");
            break;
        }
        if (used) memcpy(names + used, ", ", 2), used += 2;
        memcpy(names + used, name, more + 1);
        used += more;
    }
    mw_err_hint(err, "the columns are %s", names);
    return NULL;
}

static bool only_zero_and_one(const mw_column *column) {
    bool zero = false, one = false;
    for (int64_t row = 0; row < column->n_rows; row++) {
        double value = column->number[row];
        if (mw_isnan(value)) continue;
        if (value != 0 && value != 1) return false;
        zero = zero || value == 0;
        one = one || value == 1;
    }
    return zero && one;
}

static mw_status decide_task(const mw_column *column, const char *task, mw_task *ret, mw_err *err) {
    bool classes = column->type != MW_FLOAT64 || only_zero_and_one(column);
    if (task) {
        if (strcmp(task, "regression") == 0 && column->type != MW_FLOAT64)
            return mw_fail(err, MW_EDATA, "the target %s is text; regression needs numbers",
                           column->name);
        classes = strcmp(task, "regression") != 0;
    }
    *ret = classes ? MW_TASK_BINARY : MW_TASK_REGRESSION;
    return MW_OK;
}

/* Leaves and graphs hold float32 numbers. A missing target is none; infinite cells are read as missing. */
static mw_status check_sizes(const mw_column *column, mw_err *err) {
    for (int64_t row = 0; row < column->n_rows; row++) {
        if (!(mw_abs(column->number[row]) > (double)FLT_MAX)) continue;
        mw_fail(err, MW_EDATA,
                "the target %s of row %lld is %g; a model predicts numbers up to 3.4e38",
                column->name, (long long)row + 1, column->number[row]);
        mw_err_at(err, "target");
        return mw_err_hint(err, "scale the column down, or predict its logarithm");
    }
    return MW_OK;
}

static mw_status check_numbers(const mw_column *column, const double *y, int64_t n_missing,
                               mw_err *err) {
    double first = MW_NAN;
    bool constant = true;
    for (int64_t row = 0; row < column->n_rows; row++) {
        if (mw_isnan(y[row])) continue;
        if (mw_isnan(first)) first = y[row];
        constant = constant && y[row] == first;
    }
    if (n_missing == column->n_rows)
        return mw_fail(err, MW_EDATA, "the target %s has no values", column->name);
    if (constant)
        return mw_fail(err, MW_EDATA,
                       "the target %s is the same in every row: there is nothing to "
                       "learn",
                       column->name);
    return check_sizes(column, err);
}

/* From how many labels on a text among numbers is taken for a typing error, and numbers for counts or measurements. */
enum { MANY_LABELS = 10, MANY_NUMBERS = 100 };

/* A column of numbers with a typing error in it is text, and would become a class a value. */
static mw_status check_not_numbers(const mw_column *column, const mw_labels *labels, mw_err *err) {
    int32_t n_numbers = 0;
    const char *other = NULL;
    for (int32_t i = 0; i < labels->n_classes; i++) {
        double value;
        mw_str text = mw_str_of(labels->classes[i]);
        if (mw_number_read(text.data, text.size, &value))
            n_numbers++;
        else if (!other)
            other = labels->classes[i];
    }
    if (!other || labels->n_classes < MANY_LABELS || n_numbers < labels->n_classes / 10 * 9)
        return MW_OK;
    mw_fail(err, MW_EDATA, "the target %s has %d numbers among its %d values, but also \"%.40s\"",
            column->name, n_numbers, labels->n_classes, other);
    mw_err_at(err, "target");
    return mw_err_hint(err, "correct the file, or say --task multiclass");
}

static mw_status check_many(const mw_column *column, const mw_labels *labels, mw_err *err) {
    const bool more = labels->n_classes > MW_LIMIT(CATEGORIES);
    if (labels->n_classes <= MW_LIMIT(MODEL_CLASSES)) return MW_OK;
    mw_fail(err, MW_ETOOLARGE,
            "the target %s has %s%lld different labels; a model tells at most %lld classes apart",
            column->name, more ? "more than " : "",
            more ? (long long)MW_LIMIT(CATEGORIES) : (long long)labels->n_classes,
            (long long)MW_LIMIT(MODEL_CLASSES));
    mw_err_at(err, "target");
    return mw_err_hint(err,
                       column->type == MW_FLOAT64
                           ? "numbers are predicted with --task regression"
                           : "a name or number of each row is nothing to predict: name another "
                             "target, or join labels to fewer");
}

/* Numbers that count or measure something are no classes, though nothing forbids it. */
static mw_status note_doubt(mw_arena *arena, const mw_column *column, mw_labels *labels,
                            mw_err *err) {
    bool whole = true;
    for (int32_t i = 0; i < labels->n_classes; i++) {
        double value;
        mw_str text = mw_str_of(labels->classes[i]);
        if (!mw_number_read(text.data, text.size, &value)) return MW_OK;
        whole = whole && value == mw_floor(value);
    }
    if (labels->n_classes <= (whole ? MANY_NUMBERS : 2)) return MW_OK;
    labels->doubt = mw_arena_printf(
        arena,
        "the target %s looks like a %s: each of its %d numbers is a class of its own; --task "
        "regression predicts numbers",
        column->name, whole ? "count" : "measurement", labels->n_classes);
    return labels->doubt ? MW_OK : mw_fail_nomem(err, "a warning");
}

static mw_status fill_classes(const mw_ctx *ctx, mw_arena *arena, const mw_column *column,
                              const char *task, mw_labels *labels, mw_err *err) {
    mw_status status = collect_classes(ctx, arena, column, labels, err);
    if (status) return status;
    if (labels->n_classes < 2)
        return mw_fail(err, MW_EDATA, "the target %s has %d label%s; at least two are needed",
                       column->name, labels->n_classes, labels->n_classes == 1 ? "" : "s");
    if (!task) {
        status = check_not_numbers(column, labels, err);
        if (status) return status;
    }
    status = check_many(column, labels, err);
    if (!status) status = note_doubt(arena, column, labels, err);
    if (status) return status;
    if (task && strcmp(task, "binary") == 0 && labels->n_classes != 2) {
        mw_fail(err, MW_EDATA, "the target %s has %d labels; a binary task has two", column->name,
                labels->n_classes);
        return mw_err_hint(err, "use --task multiclass");
    }
    labels->task = labels->n_classes == 2 ? MW_TASK_BINARY : MW_TASK_MULTICLASS;
    if (task && strcmp(task, "multiclass") == 0) labels->task = MW_TASK_MULTICLASS;
    char number[MW_NUMBER_MAX];
    for (int64_t row = 0; row < column->n_rows; row++)
        labels->y[row] =
            index_of_class(labels->classes, labels->n_classes, mw_column_cell(column, row, number));
    return MW_OK;
}

mw_status mw_op__labels(const mw_ctx *ctx, mw_arena *arena, const mw_table *table,
                        const char *target, const char *task, mw_labels *ret, mw_err *err) {
    const mw_column *column = find_target(table, target, err);
    if (!column) return MW_ENOTFOUND;
    if (column->type == MW_TIMESTAMP)
        return mw_fail(err, MW_EDATA, "the target %s is a time, not something to predict", target);
    mw_labels labels = {.y = mw_arena_calloc(arena, (size_t)table->n_rows + 1, sizeof(double))};
    if (!labels.y) return mw_fail_nomem(err, "the target");
    mw_status status = decide_task(column, task, &labels.task, err);
    if (status) return status;
    if (labels.task == MW_TASK_REGRESSION)
        memcpy(labels.y, column->number, (size_t)table->n_rows * sizeof(double));
    else
        status = fill_classes(ctx, arena, column, task, &labels, err);
    if (status) return status;
    for (int64_t row = 0; row < table->n_rows; row++) labels.n_missing += mw_isnan(labels.y[row]);
    if (labels.task == MW_TASK_REGRESSION)
        status = check_numbers(column, labels.y, labels.n_missing, err);
    if (!status) *ret = labels;
    return status;
}

mw_status mw_op__labels_as(mw_arena *arena, const mw_table *table, const char *target, mw_task task,
                           const char *const *classes, int32_t n_classes, double **ret_y,
                           mw_unknown_labels *ret_unknown, mw_err *err) {
    const mw_column *column = find_target(table, target, err);
    if (!column) return MW_ENOTFOUND;
    if (task == MW_TASK_REGRESSION && column->type != MW_FLOAT64)
        return mw_fail(err, MW_EDATA, "the target %s is text; the model predicts numbers", target);
    if (task == MW_TASK_REGRESSION && check_sizes(column, err)) return MW_EDATA;
    double *y = mw_arena_calloc(arena, (size_t)table->n_rows + 1, sizeof *y);
    if (!y) return mw_fail_nomem(err, "the target");
    mw_unknown_labels unknown = {0};
    char number[MW_NUMBER_MAX];
    for (int64_t row = 0; row < table->n_rows; row++) {
        if (task == MW_TASK_REGRESSION) {
            y[row] = column->number[row];
            continue;
        }
        const mw_str text = mw_column_cell(column, row, number);
        y[row] = index_of_class(classes, n_classes, text);
        if (text.size == 0 || !mw_isnan(y[row]) || unknown.n++ > 0) continue;
        unknown.first = mw_arena_strndup(arena, text.data, text.size);
        if (!unknown.first) return mw_fail_nomem(err, "the target");
    }
    *ret_unknown = unknown;
    *ret_y = y;
    return MW_OK;
}
