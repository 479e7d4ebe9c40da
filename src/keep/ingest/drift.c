/* drift.c -- see drift.h. */
#include "keep/ingest/drift.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/layout.h"

/* ---- what the dataset has ---- */

mw_status mw_drift_add(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_file *file,
                       mw_schema **columns, mw_err *err) {
    mw_status status = MW_OK;
    if (!*columns && file->n_segments) status = mw_schema_new(ctx->mem, columns, err);
    for (size_t i = 0; i < file->n_segments && status == MW_OK; i++)
        status = mw_dataset_add_columns(ctx, *columns, staging, file->segments[i].file, NULL, err);
    return status;
}

mw_status mw_drift_copy(mw_mem *mem, const mw_schema *columns, mw_schema **ret, mw_err *err) {
    *ret = NULL;
    if (!columns) return MW_OK;
    mw_status status = mw_schema_new(mem, ret, err);
    for (int32_t i = 0; i < columns->n_columns && status == MW_OK; i++) {
        int32_t index;
        status = mw_schema_add(*ret, mw_str_of(columns->columns[i].name), columns->columns[i].type,
                               &index, err);
    }
    return status;
}

mw_status mw_drift_columns(const mw_ctx *ctx, mw_dir *dir, const char *const *segments, size_t n,
                           mw_schema **ret, mw_err *err) {
    mw_schema *schema = NULL;
    *ret = NULL;
    mw_status status = mw_schema_new(ctx->mem, &schema, err);
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_err why = {0};
        status = mw_ctx_check(ctx, err);
        if (status != MW_OK) break;
        status = mw_dataset_add_columns(ctx, schema, dir, segments[i], NULL, &why);
        if (status != MW_OK)
            status = status == MW_ENOMEM ? mw_fail_nomem(err, "columns") : mw_ctx_check(ctx, err);
    }
    if (status == MW_OK && schema->n_columns > 0)
        *ret = schema;
    else
        mw_schema_free(schema);
    return status;
}

/* ---- names and types ---- */

/* "old=new": new, when old is name. */
static mw_str renamed(const char *rule, mw_str name) {
    const char *equal = strrchr(rule, '=');
    size_t size = equal ? (size_t)(equal - rule) : 0;
    if (size == 0 || size != name.size || memcmp(rule, name.data, size) != 0) return name;
    return mw_str_of(equal + 1);
}

mw_str mw_drift_rename(const mw_args *args, mw_str name) {
    const char *const *rules;
    size_t n = args ? mw_args_list(args, "rename", &rules) : 0;
    for (size_t i = 0; i < n; i++) {
        mw_str new_name = renamed(rules[i], name);
        if (new_name.data != name.data) return new_name;
    }
    return name;
}

/* What is wrong with a rule's new name; NULL: nothing. A time or a label has a type of its own, which renaming does not give. */
static const char *bad_name(const char *name, const char **ret_hint) {
    mw_str text = mw_str_of(name);
    *ret_hint = "Write the file's name, '=' and the dataset's name: rpm=spindle_speed.";
    if (text.size == 0) return "the new name is empty";
    if (text.size > (size_t)MW_LIMIT(COLUMN_NAME_BYTES)) return "the new name is too long";
    if (!mw_layout_reserved(text)) return NULL;
    *ret_hint = "Say what a column is with --time, --device, --parameter or --value instead.";
    return "the new name is reserved";
}

static mw_status check_rules(const mw_args *args, const mw_profile *profile, mw_err *err) {
    const char *const *rules;
    size_t n = mw_args_list(args, "rename", &rules);
    for (size_t i = 0; i < n; i++) {
        const char *equal = strrchr(rules[i], '='), *hint;
        const char *wrong = bad_name(equal ? equal + 1 : "", &hint);
        bool known = profile->shape == MW_SHAPE_LONG;
        for (uint32_t c = 0; equal && c < profile->n_columns && !known; c++)
            known = strlen(profile->columns[c].name) == (size_t)(equal - rules[i]) &&
                    strncmp(profile->columns[c].name, rules[i], (size_t)(equal - rules[i])) == 0;
        if (equal && equal != rules[i] && !wrong && known) continue;
        if (!equal)
            wrong = "is not of the form OLD=NEW";
        else if (!wrong || !known)
            wrong = "the file has no such column";
        char shown[MW_CELL_SHOWN];
        mw_fail(err, MW_EINVAL, "--rename %s: %s", mw_cell_show(mw_str_of(rules[i]), shown), wrong);
        mw_err_hint(err, "%s", hint);
        return mw_err_at(err, "rename");
    }
    return MW_OK;
}

mw_status mw_drift_adapt(const mw_schema *dataset, const mw_args *args, mw_profile *profile,
                         mw_err *err) {
    if (!args) return MW_OK;
    mw_status status = check_rules(args, profile, err);
    for (uint32_t i = 0; i < profile->n_columns && status == MW_OK; i++) {
        mw_profile_column *column = &profile->columns[i];
        if (column->use != MW_USE_NONE) continue;
        column->name = mw_drift_rename(args, mw_str_of(column->name)).data;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(profile->columns[k].name, column->name) == 0)
                return mw_fail(err, MW_EINVAL, "--rename gives two columns the name %.64s",
                               column->name);
        int32_t known = dataset ? mw_schema_find(dataset, mw_str_of(column->name)) : -1;
        if (known < 0) continue;
        mw_type type = dataset->columns[known].type;
        /* Texts stay texts where the dataset has numbers: as numbers, none of the rows would do. */
        bool texts = type == MW_FLOAT64 && column->type == MW_DICTIONARY && column->decided;
        if (type == MW_UTF8 || texts) continue;
        column->type = type;
        column->decided = true;
    }
    return status;
}

/* ---- the report ---- */

/* Of one file: with a file for each of thousands of sensors each lacks all the others. */
enum { MISSING_LISTED = 20 };

static char folded(char c) {
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80 ? c : '\0';
}

/* Equal but for case and signs: "Spindle Speed" and "spindle_speed". */
static bool alike(const char *a, const char *b) {
    for (;;) {
        while (*a && !folded(*a)) a++;
        while (*b && !folded(*b)) b++;
        if (folded(*a) != folded(*b)) return false;
        if (!*a) return true;
        a++;
        b++;
    }
}

static const char *twin(const mw_schema *of, const mw_schema *not_in, const char *name) {
    for (int32_t i = 0; i < of->n_columns; i++)
        if (mw_schema_find(not_in, mw_str_of(of->columns[i].name)) < 0 &&
            alike(of->columns[i].name, name))
            return of->columns[i].name;
    return NULL;
}

typedef struct reporting {
    mw_json_writer *writer;
    int n;
    const char *first, *first_change;
} reporting;

static void count(reporting *r, const char *column, const char *change) {
    if (r->n++ > 0) return;
    r->first = column;
    r->first_change = change;
}

static void add(reporting *r, const char *column, const char *change, const char *note) {
    mw_json_object(r->writer);
    mw_json_add_string(r->writer, "column", column);
    mw_json_add_string(r->writer, "change", change);
    mw_json_add_string(r->writer, "note", note);
    mw_json_object_end(r->writer);
    count(r, column, change);
}

static void add_missing(reporting *r, const mw_schema *dataset, const mw_schema *file) {
    int32_t n = 0, listed = 0;
    for (int32_t i = 0; i < dataset->n_columns; i++)
        n += mw_schema_find(file, mw_str_of(dataset->columns[i].name)) < 0;
    for (int32_t i = 0; i < dataset->n_columns; i++) {
        const char *name = dataset->columns[i].name;
        char more[48];
        if (mw_schema_find(file, mw_str_of(name)) >= 0) continue;
        if (++listed > MISSING_LISTED) {
            count(r, name, "missing");
            continue;
        }
        bool last = listed == MISSING_LISTED && n > listed;
        if (last) (void)snprintf(more, sizeof more, "and %d more columns", (int)(n - listed));
        add(r, name, "missing", last ? more : NULL);
    }
}

mw_status mw_drift_report(const mw_schema *dataset, const mw_schema *file, const mw_args *args,
                          mw_json_writer *writer, mw_err *err) {
    reporting r = {.writer = writer};
    mw_json_array(writer);
    for (int32_t i = 0; dataset && i < file->n_columns; i++) {
        const mw_schema_column *column = &file->columns[i];
        int32_t known = mw_schema_find(dataset, mw_str_of(column->name));
        if (known >= 0) {
            mw_type type = dataset->columns[known].type;
            if (type != column->type && type != MW_UTF8)
                add(&r, column->name, "retyped", "the dataset's type holds when both are read");
            continue;
        }
        const char *was = twin(dataset, file, column->name);
        add(&r, column->name, was ? "renamed" : "new",
            was ? "looks like a column of the dataset with another name: --rename joins them"
                : NULL);
    }
    if (dataset) add_missing(&r, dataset, file);
    mw_json_array_end(writer);
    const char *policy = args ? mw_args_string(args, "drift") : NULL;
    if (r.n == 0 || !policy || strcmp(policy, "refuse") != 0) return MW_OK;
    char shown[MW_CELL_SHOWN];
    mw_fail(err, MW_ECONFLICT, "%d columns differ from the dataset's; the first: %s is %s", r.n,
            mw_cell_show(mw_str_of(r.first), shown), r.first_change);
    return mw_err_hint(err,
                       "Allow it with --drift accept, or name the columns with --rename OLD=NEW.");
}
