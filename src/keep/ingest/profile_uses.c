/*
 * profile_uses.c -- the columns' names, what each is for, and its type. Uses follow from names (layout.c), unless the caller or a
 * saved profile says more; types from the cells of the sample.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/param/nearest.h"
#include "core/text/number.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/profile_build.h"

/* Different words with digits in a column of numbers, from which on they are values. */
enum { FEW_FIGURES = 8 };

/* --- names --- */

/* A cell as it was meant: doubled quotes and escapes made one; in the arena. */
static bool copy_name(mw_profiling *build, mw_str cell, mw_str *ret) {
    char quote = build->profile->dialect.quote, escape = build->profile->dialect.escape;
    char *out = mw_arena_strndup(&build->profile->arena, cell.data, cell.size);
    if (!out) return false;
    size_t n = 0;
    for (size_t i = 0; i < cell.size; i++) {
        bool doubled =
            quote && cell.data[i] == quote && i + 1 < cell.size && cell.data[i + 1] == quote;
        bool escaped = escape && cell.data[i] == escape && i + 1 < cell.size;
        if (doubled || escaped) i++;
        out[n++] = cell.data[i];
    }
    out[n] = '\0';
    *ret = (mw_str){out, n};
    return true;
}

static mw_status make_name(mw_profiling *build, uint32_t i, mw_err *err) {
    mw_str cell = build->profile->has_header ? build->head[i] : (mw_str){"", 0};
    if (cell.size && memchr(cell.data, '\0', cell.size)) {
        mw_fail(err, MW_EDATA, "the header has a NUL byte in the name of column %u", i + 1);
        return mw_err_hint(err, "Give a text file with separated columns, plain, gzip or zstd.");
    }
    if (cell.size) {
        if (!copy_name(build, cell, &build->names[i]))
            return mw_fail_nomem(err, "reading a header");
        return MW_OK;
    }
    const char *name = mw_arena_printf(&build->profile->arena, "column_%u", i + 1);
    if (!name) return mw_fail_nomem(err, "reading a header");
    build->names[i] = mw_str_of(name);
    return MW_OK;
}

/* Without a header a saved profile's names stand for the columns. */
static mw_status take_saved_names(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    if (build->profile->has_header || forced->n_columns != build->n) return MW_OK;
    for (uint32_t i = 0; i < build->n; i++) {
        mw_str name = forced->columns[i].name;
        name.data = mw_arena_strndup(&build->profile->arena, name.data, name.size);
        if (!name.data) return mw_fail_nomem(err, "reading a header");
        build->names[i] = name;
    }
    return MW_OK;
}

static mw_status take_unit(mw_profiling *build, uint32_t i, mw_err *err) {
    mw_profile_column *column = &build->profile->columns[i];
    mw_str unit = mw_profile__unit_in(build->names[i]);
    if (build->profile->has_units && build->second[i].size && !mw_str_is(build->second[i], "-")) {
        unit = build->second[i];
        bool bracketed =
            unit.size > 2 && ((unit.data[0] == '[' && unit.data[unit.size - 1] == ']') ||
                              (unit.data[0] == '(' && unit.data[unit.size - 1] == ')'));
        if (bracketed) unit = mw_str_trim((mw_str){unit.data + 1, unit.size - 2});
    }
    if (unit.size == 0) return MW_OK;
    column->unit = mw_arena_strndup(&build->profile->arena, unit.data, unit.size);
    return column->unit ? MW_OK : mw_fail_nomem(err, "reading a header");
}

mw_status mw_profile__name_columns(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < build->n && status == MW_OK; i++) status = make_name(build, i, err);
    if (status == MW_OK) status = take_saved_names(build, err);
    if (status != MW_OK) return status;
    status = mw_layout_check_names(build->ctx->mem, build->names, build->n, err);
    if (status != MW_OK) return status;
    profile->columns = mw_arena_calloc(&profile->arena, build->n, sizeof *profile->columns);
    if (!profile->columns) return mw_fail_nomem(err, "reading a header");
    profile->n_columns = build->n;
    for (uint32_t i = 0; i < build->n && status == MW_OK; i++) {
        profile->columns[i] = (mw_profile_column){.name = build->names[i].data, .type = MW_FLOAT64};
        status = take_unit(build, i, err);
    }
    return status;
}

mw_status mw_profile__column(const mw_profiling *build, const char *what, const char *name,
                             int32_t *ret, mw_err *err) {
    mw_nearest nearest = {0};
    mw_str want = mw_str_of(name);
    int64_t number;
    for (uint32_t i = 0; i < build->n; i++) {
        *ret = (int32_t)i;
        if (mw_str_eq(build->names[i], want)) return MW_OK;
        mw_nearest_look(&nearest, want, build->names[i].data);
    }
    for (uint32_t i = 0; i < build->n; i++) {
        *ret = (int32_t)i;
        if (mw_str_is_nocase(build->names[i], name)) return MW_OK;
    }
    *ret = -1;
    if (build->known) return MW_OK;
    if (mw_number_read_int(want.data, want.size, &number) && number >= 1 && number <= build->n) {
        *ret = (int32_t)number - 1;
        return MW_OK;
    }
    char shown[MW_CELL_SHOWN];
    mw_fail(err, MW_EINVAL, "%s: the file has no column \"%s\"", what, mw_cell_show(want, shown));
    if (nearest.word)
        mw_err_hint(err, "Did you mean \"%s\"?", nearest.word);
    else
        mw_err_hint(err, "A column's name, or its number from 1 to %u.", build->n);
    return mw_err_at(err, "%s", what);
}

/* --- uses --- */

static mw_status set_use(mw_profiling *build, const char *what, int32_t column, mw_use use,
                         mw_err *err) {
    mw_use *now = &build->profile->columns[column].use;
    if (*now != MW_USE_NONE && *now != use) {
        mw_fail(err, MW_EINVAL, "%s: column \"%s\" is to be %s already", what,
                build->profile->columns[column].name, mw_profile__uses[*now]);
        return mw_err_at(err, "%s", what);
    }
    *now = use;
    return MW_OK;
}

/* Roles that arguments give take the column from whatever a saved profile says. */
static mw_status force_one(mw_profiling *build, const char *what, const char *name, mw_use use,
                           mw_err *err) {
    if (!name) return MW_OK;
    int32_t column;
    mw_status status = mw_profile__column(build, what, name, &column, err);
    if (status != MW_OK) return status;
    for (uint32_t i = 0; i < build->n; i++)
        if (build->profile->columns[i].use == use) build->profile->columns[i].use = MW_USE_NONE;
    return set_use(build, what, column, use, err);
}

static mw_status take_saved_uses(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    for (size_t k = 0; k < forced->n_columns; k++) {
        const mw_forced_column *saved = &forced->columns[k];
        for (uint32_t i = 0; i < build->n; i++) {
            mw_profile_column *column = &build->profile->columns[i];
            if (!mw_str_eq(build->names[i], saved->name)) continue;
            column->use = build->learn && saved->use != MW_USE_STAMP ? MW_USE_NONE : saved->use;
            column->type = saved->type;
            column->decided = saved->decided;
            column->confidence = saved->decided ? 1 : 0;
            if (saved->unit) column->unit = mw_arena_strdup(&build->profile->arena, saved->unit);
            if (saved->unit && !column->unit) return mw_fail_nomem(err, "reading a profile");
            break;
        }
    }
    return MW_OK;
}

static mw_status force_uses(mw_profiling *build, mw_err *err) {
    const mw_forced *f = build->forced;
    mw_status status = MW_OK;
    for (size_t i = 0; i < f->n_drop && status == MW_OK; i++) {
        int32_t column = 0;
        status = mw_profile__column(build, "drop", f->drop[i], &column, err);
        if (status == MW_OK && column >= 0) build->profile->columns[column].use = MW_USE_DROP;
    }
    if (build->learn) return status;
    if (status == MW_OK) status = force_one(build, "device", f->device, MW_USE_DEVICE_ID, err);
    if (status == MW_OK)
        status = force_one(build, "parameter", f->parameter, MW_USE_PARAMETER, err);
    if (status == MW_OK) status = force_one(build, "value", f->value, MW_USE_VALUE, err);
    return status;
}

static int32_t used_as(const mw_profiling *build, mw_use use) {
    for (uint32_t i = 0; i < build->n; i++)
        if (build->profile->columns[i].use == use) return (int32_t)i;
    return -1;
}

static void take_role(mw_profiling *build, int32_t column, mw_use use) {
    if (column < 0 || used_as(build, use) >= 0) return;
    mw_use *now = &build->profile->columns[column].use;
    if (*now == MW_USE_NONE) *now = use;
}

/* Names of columns that have a use already do not count again. */
static mw_status find_roles(mw_profiling *build, mw_layout *ret, mw_err *err) {
    mw_str *names = mw_alloc_array(build->ctx->mem, build->n, sizeof *names);
    if (!names) return mw_fail_nomem(err, "reading a header");
    for (uint32_t i = 0; i < build->n; i++)
        names[i] =
            build->profile->columns[i].use == MW_USE_NONE ? build->names[i] : (mw_str){"", 0};
    mw_layout_find(names, build->n, ret);
    mw_free(names);
    return MW_OK;
}

static mw_status settle_shape(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    const mw_forced *forced = build->forced;
    bool parameter = used_as(build, MW_USE_PARAMETER) >= 0,
         value = used_as(build, MW_USE_VALUE) >= 0;
    bool given = forced->saved || forced->parameter || forced->value;
    if (parameter != value) {
        mw_fail(err, given ? MW_EINVAL : MW_EDATA, "the header has a %s column but no %s column",
                parameter ? "`parameter`" : "`value`", parameter ? "`value`" : "`parameter`");
        return mw_err_hint(err, "A long file has both; name them with --parameter and --value.");
    }
    profile->shape = parameter ? MW_SHAPE_LONG : MW_SHAPE_WIDE;
    if (build->learn) return MW_OK;
    return mw_profile__note(build, "shape", parameter ? "long" : "wide", given ? 1 : 0.95, given,
                            parameter ? "a column of parameters beside one of values" : NULL, err);
}

static mw_status find_labels(mw_profiling *build, mw_err *err) {
    mw_layout layout;
    mw_status status = find_roles(build, &layout, err);
    if (status != MW_OK) return status;
    bool half = build->forced->parameter || build->forced->value;
    int32_t parameter = layout.parameter, value = layout.value;
    if (half || layout.is_long) {
        /* One of both was given: the other one may have a known name. */
        for (uint32_t i = 0; half && i < build->n; i++) {
            mw_layout alone;
            mw_str pair[2] = {build->names[i], {"value", 5}};
            mw_layout_find(pair, 2, &alone);
            if (parameter < 0 && alone.parameter == 0) parameter = (int32_t)i;
            mw_str other[2] = {build->names[i], {"parameter", 9}};
            mw_layout_find(other, 2, &alone);
            if (value < 0 && alone.value == 0) value = (int32_t)i;
        }
        take_role(build, parameter, MW_USE_PARAMETER);
        take_role(build, value, MW_USE_VALUE);
    } else {
        for (uint32_t i = 0; i < build->n; i++) {
            if (build->profile->columns[i].use != MW_USE_NONE) continue;
            if (!mw_layout_same_name(build->names[i], "parameter")) continue;
            mw_fail(err, MW_EDATA, "the header has a `parameter` column but no `value` column");
            return mw_err_hint(
                err, "A long file names the reading's column `value`; or name it with --value.");
        }
    }
    for (int i = 0; i < MW_LABEL_N; i++)
        take_role(build, layout.label[i], (mw_use)(MW_USE_DEVICE_ID + i));
    return MW_OK;
}

static mw_status note_device(mw_profiling *build, mw_err *err) {
    int32_t device = used_as(build, MW_USE_DEVICE_ID);
    bool forced = build->forced->device != NULL || build->forced->saved;
    return mw_profile__note(
        build, "device", device < 0 ? "none" : build->names[device].data,
        forced       ? 1
        : device < 0 ? 0.7
                     : 0.95,
        forced, device < 0 ? "no column names a machine: all rows are of one" : "by its name", err);
}

/* Every column of a long file that is no key is left out; a wide file must have a sensor. */
static mw_status settle_sensors(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    uint32_t n = 0;
    for (uint32_t i = 0; i < build->n; i++) {
        mw_profile_column *column = &profile->columns[i];
        if (column->use != MW_USE_NONE) continue;
        if (profile->shape == MW_SHAPE_LONG) {
            column->use = MW_USE_DROP;
            continue;
        }
        n++;
        if (!mw_layout_reserved(build->names[i])) continue;
        mw_fail(err, MW_EDATA,
                "column %u, \"%s\", has a reserved name, and its role is taken already", i + 1,
                column->name);
        return mw_err_hint(err, "Rename or --drop it: a dataset has one `time` and one column each "
                                "of device, employee and category.");
    }
    if (n > (uint32_t)MW_LIMIT(PARAMETERS)) {
        mw_fail(err, MW_ETOOLARGE, "the header names %u sensors; the limit is %lld", n,
                (long long)MW_LIMIT(PARAMETERS));
        return mw_err_hint(err, "Split the file by columns.");
    }
    if (n > 0 || profile->shape == MW_SHAPE_LONG) return MW_OK;
    mw_fail(err, MW_EDATA,
            "the file has neither a parameter and a value column nor any sensor column");
    return mw_err_hint(err, "A wide file has one column per sensor beside its time column.");
}

mw_status mw_profile__find_uses(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_status status = take_saved_uses(build, err);
    if (status == MW_OK) status = force_uses(build, err);
    if (status == MW_OK) status = mw_profile__find_time(build, err);
    if (status == MW_OK && !build->learn && !forced->saved) status = find_labels(build, err);
    if (status == MW_OK) status = settle_shape(build, err);
    if (status != MW_OK || build->learn) return status;
    status = note_device(build, err);
    return status == MW_OK ? settle_sensors(build, err) : status;
}

/* --- types --- */

/* The share that follows from k of n cases by Laplace's rule of succession. */
static double share(uint32_t k, uint32_t n) { return (k + 1.0) / (n + 2.0); }

static void decide(mw_profile_column *column, mw_type type, uint32_t k, uint32_t n) {
    column->type = type;
    column->decided = n > 0;
    column->confidence = n > 0 ? share(k, n) : 0;
}

/* A few words again and again ("Bad") say that a sensor failed; many different ones, and ones with digits ("18. Jan", as
 * spreadsheets make of 18.1), are values. */
static bool are_values(const mw_column_sum *sum) {
    return sum->n_words > MW_SUM_WORDS || sum->n_figures >= FEW_FIGURES;
}

static void find_type(const mw_profiling *build, uint32_t i) {
    mw_profile_column *column = &build->profile->columns[i];
    mw_column_count c = mw_profile__count(build, i);
    switch (column->use) {
    case MW_USE_STAMP:
    case MW_USE_DATE:
    case MW_USE_CLOCK:
        column->type = MW_TIMESTAMP;
        column->decided = true;
        return;
    case MW_USE_NONE: break;
    case MW_USE_VALUE: decide(column, MW_FLOAT64, c.numbers + c.bools, c.values); return;
    case MW_USE_DROP: decide(column, MW_DICTIONARY, c.values, c.values); return;
    default:
        column->type = MW_DICTIONARY;
        column->decided = true;
        column->confidence = 1;
        return;
    }
    uint32_t texts = c.texts + c.times, words = texts + c.marks;
    if (c.bools > 0 && c.bools == c.values)
        decide(column, MW_BOOL, c.bools, c.values);
    else if (build->learn && (texts > 0 || (c.bools > 0 && c.numbers > 0)))
        decide(column, MW_DICTIONARY, words + c.bools, c.values + c.marks);
    else if (texts > c.numbers + c.bools)
        decide(column, MW_DICTIONARY, words, c.values + c.marks);
    else if (texts * 1000 > c.values && are_values(&build->sums[i]))
        decide(column, MW_DICTIONARY, 7, 10);
    else
        decide(column, MW_FLOAT64, c.numbers + c.bools, c.values);
}

static mw_status note_types(mw_profiling *build, mw_err *err) {
    uint32_t n[4] = {0};
    double least = 1;
    const char *worst = NULL;
    for (uint32_t i = 0; i < build->n; i++) {
        const mw_profile_column *column = &build->profile->columns[i];
        if (column->use == MW_USE_DROP) continue;
        if (!column->decided)
            n[3]++;
        else if (column->type == MW_FLOAT64)
            n[0]++;
        else if (column->type == MW_DICTIONARY)
            n[1]++;
        else if (column->type == MW_BOOL)
            n[2]++;
        if (!column->decided || column->type == MW_TIMESTAMP || column->confidence >= least)
            continue;
        least = column->confidence;
        worst = column->name;
    }
    const char *value = mw_arena_printf(&build->profile->arena,
                                        "%u of numbers, %u of texts, %u of truth values, %u empty",
                                        n[0], n[1], n[2], n[3]);
    const char *note = worst && least < 0.8
                           ? mw_arena_printf(&build->profile->arena, "least sure: %.80s", worst)
                           : NULL;
    if (!value || (worst && least < 0.8 && !note)) return mw_fail_nomem(err, "reading a sample");
    return mw_profile__note(build, "types", value, least, false, note, err);
}

mw_status mw_profile__find_types(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    for (uint32_t i = 0; i < build->n; i++) {
        const mw_profile_column *column = &build->profile->columns[i];
        bool saved = column->confidence >= 1 && column->decided && forced->saved;
        if (!saved) find_type(build, i);
    }
    for (size_t i = 0; i < forced->n_text; i++) {
        int32_t column = 0;
        mw_status status = mw_profile__column(build, "text", forced->text[i], &column, err);
        if (status != MW_OK) return status;
        if (column < 0) continue;
        mw_profile_column *to = &build->profile->columns[column];
        if (to->use == MW_USE_STAMP || to->use == MW_USE_DATE || to->use == MW_USE_CLOCK ||
            to->use == MW_USE_VALUE) {
            mw_fail(err, MW_EINVAL, "text: column \"%s\" is the %s", to->name,
                    mw_profile__uses[to->use]);
            return mw_err_at(err, "text");
        }
        to->type = MW_DICTIONARY;
        to->decided = true;
        to->confidence = 1;
    }
    return note_types(build, err);
}

mw_status mw_profile__find_marks(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_profile *profile = build->profile;
    const char **marks =
        mw_arena_calloc(&profile->arena, forced->n_missing + MW_SNIFF_MARKS, sizeof *marks);
    if (!marks) return mw_fail_nomem(err, "reading a sample");
    for (size_t i = 0; i < forced->n_missing; i++) {
        mw_str trimmed = mw_str_trim(mw_str_of(forced->missing[i]));
        marks[i] = mw_arena_strndup(&profile->arena, trimmed.data, trimmed.size);
        if (!marks[i]) return mw_fail_nomem(err, "reading a sample");
    }
    for (size_t i = 0; i < MW_SNIFF_MARKS; i++) marks[forced->n_missing + i] = mw_sniff__marks[i];
    profile->marks = marks;
    profile->n_given_marks = forced->n_missing;
    profile->n_marks = forced->n_missing + MW_SNIFF_MARKS;
    return MW_OK;
}
