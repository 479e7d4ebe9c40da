/* live_rows.c -- see live_rows.h. */
#include "run/live/live_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "core/text/number.h"
#include "core/text/time_form.h"
#include "keep/ingest/cells.h"
#include "run/live/live_rows_parts.h"
#include "run/live/telemetry.h"

enum { FIRST_ROOM = 1024 };

/* ---- columns ---- */

static const char *const usual_times[] = {"time", "timestamp", NULL};
const char mw_live__only_device[] = "default";

static mw_status add_names(mw_dictionary *names, const char *one, const char *const *usual,
                           mw_err *err) {
    int32_t code;
    if (one) return mw_dictionary_add(names, mw_str_of(one), &code, err);
    mw_status status = MW_OK;
    for (; *usual && !status; usual++)
        status = mw_dictionary_add(names, mw_str_of(*usual), &code, err);
    return status;
}

static mw_status add_inputs(mw_dictionary *names, const mw_program *p, mw_err *err) {
    int32_t code;
    mw_status status = MW_OK;
    for (int32_t c = 0; c < p->n_inputs && !status; c++)
        status = mw_dictionary_add(names, mw_str_of(p->inputs[c]), &code, err);
    return status;
}

static const char device_id[] = "device_id"; /* of stored rows */

/* Categories but those that are the device. */
static mw_status add_texts(mw_mem *mem, const mw_feature_config *config, mw_live_columns *c,
                           mw_err *err) {
    const size_t n = (size_t)config->n_categories;
    c->texts = mw_alloc_array(mem, n + 1, sizeof *c->texts);
    c->category_text = mw_alloc_array(mem, n + 1, sizeof *c->category_text);
    if (!c->texts || !c->category_text) return mw_fail_nomem(err, "live features");
    mw_status status = MW_OK;
    for (size_t k = 0; k < n && !status; k++) {
        const mw_str name = mw_str_of(config->categories[k]);
        int32_t code = mw_dictionary_find(c->names, name);
        c->category_text[k] = -1;
        if (code >= c->first_device || strcmp(name.data, device_id) == 0) continue;
        if (code >= 0 || strcmp(name.data, "time") == 0) {
            mw_fail(err, MW_ECONFLICT, "the configuration has its time among its categories");
            return mw_err_hint(err, "leave it out of categoricalColumns");
        }
        c->category_text[k] = c->n_texts;
        c->texts[c->n_texts++] = config->categories[k];
        status = mw_dictionary_add(c->names, name, &code, err);
    }
    return status;
}

/* Stored rows have these columns, whatever the configuration calls them. */
static bool is_taken(const mw_program *p) {
    for (int32_t c = 0; c < p->n_inputs; c++)
        if (strcmp(p->inputs[c], "time") == 0 || strcmp(p->inputs[c], device_id) == 0) return true;
    return false;
}

static mw_status fill_columns(mw_mem *mem, const mw_feature_config *config, mw_live_columns *c,
                              mw_err *err) {
    const mw_program *p = config->program;
    mw_status status = add_inputs(c->names, p, err);
    if (status) return status;
    c->first_time = mw_dictionary_size(c->names);
    status = add_names(c->names, config->time_column, usual_times, err);
    c->first_device = mw_dictionary_size(c->names);
    if (!status) status = add_names(c->names, config->device_column, mw_feature_device_names, err);
    c->first_text = mw_dictionary_size(c->names);
    if (!status) status = add_texts(mem, config, c, err);
    if (status) return status;
    if (c->first_time == p->n_inputs && c->first_device > c->first_time &&
        c->first_text > c->first_device && !is_taken(p))
        return MW_OK;
    mw_fail(
        err, MW_ECONFLICT,
        "the configuration has its time or device column, `time` or `device_id` among its inputs");
    return mw_err_hint(err, "leave it out of the columns of numbers");
}

mw_status mw_live_columns_init(mw_mem *mem, const mw_feature_config *config, mw_live_columns *ret,
                               mw_err *err) {
    *ret = (mw_live_columns){.config = config};
    mw_status status = mw_dictionary_new(mem, &ret->names, err);
    if (!status) status = fill_columns(mem, config, ret, err);
    if (status) mw_live_columns_done(ret);
    return status;
}

void mw_live_columns_done(mw_live_columns *columns) {
    columns->names = mw_dictionary_free(columns->names);
    mw_free(columns->texts);
    mw_free(columns->category_text);
    columns->texts = NULL;
    columns->category_text = NULL;
}

/* ---- life ---- */

mw_status mw_live_rows_init(mw_mem *mem, const mw_live_columns *columns, mw_live_rows *ret,
                            mw_err *err) {
    *ret = (mw_live_rows){.mem = mem, .columns = columns};
    ret->words = mw_calloc(mem, (size_t)columns->n_texts + 1, sizeof *ret->words);
    mw_status status = ret->words ? mw_dictionary_new(mem, &ret->names, err)
                                  : mw_fail_nomem(err, "the rows of a request");
    if (!status) status = mw_dictionary_new(mem, &ret->vocabulary, err);
    if (status) mw_live_rows_done(ret);
    return status;
}

void mw_live_rows_done(mw_live_rows *rows) {
    mw_free(rows->times);
    mw_free(rows->devices);
    mw_free(rows->values);
    mw_free(rows->texts);
    mw_free(rows->words);
    mw_dictionary_free(rows->names);
    mw_dictionary_free(rows->vocabulary);
    *rows = (mw_live_rows){0};
}

static mw_status fail_size(mw_err *err) {
    mw_fail(err, MW_ETOOLARGE, "the request has more than %lld rows, or %lld cells",
            (long long)MW_LIMIT(LIVE_ROWS), (long long)MW_LIMIT(LIVE_CELLS));
    return mw_err_hint(err, "send them in several requests");
}

static mw_status grow(mw_live_rows *r, mw_err *err) {
    const size_t inputs = (size_t)r->columns->config->program->n_inputs,
                 n_texts = (size_t)r->columns->n_texts;
    const size_t room = r->room ? (size_t)r->room * 2 : FIRST_ROOM;
    if (room * (inputs + n_texts) > (size_t)MW_LIMIT(LIVE_CELLS) && r->room > 0)
        return fail_size(err);
    double *values = mw_alloc_array(r->mem, room * inputs + 1, sizeof *values);
    int32_t *texts = mw_alloc_array(r->mem, room * n_texts + 1, sizeof *texts);
    int64_t *times = mw_realloc(r->mem, r->times, room * sizeof *times);
    if (times) r->times = times;
    int32_t *devices = mw_realloc(r->mem, r->devices, room * sizeof *devices);
    if (devices) r->devices = devices;
    if (!values || !texts || !times || !devices) {
        mw_free(values);
        mw_free(texts);
        return mw_fail_nomem(err, "the rows of a request");
    }
    for (size_t c = 0; c < inputs && r->n > 0; c++)
        memcpy(values + c * room, r->values + c * (size_t)r->room, (size_t)r->n * sizeof *values);
    for (size_t k = 0; k < n_texts && r->n > 0; k++)
        memcpy(texts + k * room, r->texts + k * (size_t)r->room, (size_t)r->n * sizeof *texts);
    mw_free(r->values);
    mw_free(r->texts);
    r->values = values;
    r->texts = texts;
    r->room = (int64_t)room;
    return MW_OK;
}

/* ---- one row ---- */

mw_status mw_live__begin_row(mw_live_rows *r, mw_err *err) {
    if (++r->row > MW_LIMIT(LIVE_ROWS)) return fail_size(err);
    mw_status status = r->n == r->room ? grow(r, err) : MW_OK;
    if (status) return status;
    r->time = MW_TIME_NONE;
    r->device = (mw_str){0};
    r->device_rank = INT32_MAX;
    r->is_bad = false;
    for (int32_t c = 0; c < r->columns->config->program->n_inputs; c++)
        r->values[c * r->room + r->n] = MW_NAN;
    for (int32_t k = 0; k < r->columns->n_texts; k++) r->words[k] = (mw_str){0};
    return MW_OK;
}

void mw_live__bad(mw_live_rows *r, const char *format, ...) {
    if (!r->is_bad && r->n_reasons < MW_LIVE_REASONS) {
        char *to = r->reasons[r->n_reasons++];
        const int n = snprintf(to, MW_LIVE_REASON_BYTES, "row %lld: ", (long long)r->row);
        va_list args;
        va_start(args, format);
        (void)vsnprintf(to + n, (size_t)(MW_LIVE_REASON_BYTES - n), format, args);
        va_end(args);
    }
    r->is_bad = true;
}

mw_status mw_live__end_row(mw_live_rows *r, mw_err *err) {
    const bool has_devices = r->columns->config->device_column != NULL;
    if (r->time == MW_TIME_NONE) mw_live__bad(r, "it has no time");
    if (r->device.size == 0 && has_devices)
        mw_live__bad(r, "it has no %.100s", r->columns->config->device_column);
    if (r->device.size == 0) r->device = mw_str_of(mw_live__only_device);
    if (r->is_bad) {
        r->n_unusable++;
        return MW_OK;
    }
    mw_status status = mw_dictionary_add(r->names, r->device, &r->devices[r->n], err);
    for (int32_t k = 0; k < r->columns->n_texts && !status; k++) {
        int32_t *to = &r->texts[k * r->room + r->n];
        *to = -1;
        if (r->words[k].size) status = mw_dictionary_add(r->vocabulary, r->words[k], to, err);
    }
    if (status) return status;
    r->times[r->n++] = r->time;
    return MW_OK;
}

/* ---- cells ---- */

void mw_live__number(mw_live_rows *r, int32_t input, double value) {
    r->values[input * r->room + r->n] = value;
}

void mw_live__time(mw_live_rows *r, int64_t time) { r->time = time; }

void mw_live__device(mw_live_rows *r, int32_t code, mw_str name) {
    char shown[MW_CELL_SHOWN];
    if (code >= r->device_rank || name.size == 0) return;
    if (name.size > MW_LIVE_DEVICE_BYTES || memchr(name.data, '\0', name.size)) {
        mw_live__bad(r, "the name of its device, %s, is longer than %d bytes, or holds a NUL",
                     mw_cell_show(name, shown), MW_LIVE_DEVICE_BYTES);
        return;
    }
    r->device = name;
    r->device_rank = code;
}

void mw_live__word(mw_live_rows *r, int32_t code, mw_str word) {
    char shown[MW_CELL_SHOWN];
    const int32_t text = code - r->columns->first_text;
    if (word.size > MW_LIVE_DEVICE_BYTES || (word.size && memchr(word.data, '\0', word.size)))
        mw_live__bad(r, "%.100s, %s, is longer than %d bytes, or holds a NUL",
                     r->columns->texts[text], mw_cell_show(word, shown), MW_LIVE_DEVICE_BYTES);
    else
        r->words[text] = !mw_cell_is_missing(word) ? word : (mw_str){0};
}

bool mw_live__epoch(mw_str digits, int64_t *ret) {
    static const struct {
        mw_time_kind kind;
        double low, high;
    } kinds[] = {{MW_FORM_UNIX_S, 1e8, 1e10},
                 {MW_FORM_UNIX_MS, 1e11, 1e13},
                 {MW_FORM_UNIX_US, 1e14, 1e16},
                 {MW_FORM_UNIX_NS, 1e17, 9.2e18}};
    double x;
    if (!mw_number_read(digits.data, digits.size, &x)) return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const mw_time_form form = {.kind = kinds[i].kind, .decimal = '.'};
        if (x >= kinds[i].low && x < kinds[i].high)
            return mw_time_form_read(&form, MW_TIME_STAMP, digits.data, digits.size, ret);
    }
    return false;
}

bool mw_telemetry_read_time(mw_str text, int64_t *ret) {
    bool has_zone;
    return mw_time_read(text.data, text.size, ret, &has_zone) || mw_live__epoch(text, ret);
}

/* Rows of several devices share their times: the text of the last one is looked at first. */
static void read_time(mw_live_rows *r, mw_str text) {
    char shown[MW_CELL_SHOWN];
    if (mw_cell_is_missing(text)) return;
    if (text.size == r->last_size && memcmp(text.data, r->last_text, text.size) == 0) {
        r->time = r->last_time;
        return;
    }
    if (!mw_telemetry_read_time(text, &r->time)) {
        r->time = MW_TIME_NONE;
        mw_live__bad(r, "its time, %s, is none", mw_cell_show(text, shown));
        return;
    }
    if (text.size > sizeof r->last_text) return;
    memcpy(r->last_text, text.data, text.size);
    r->last_size = text.size;
    r->last_time = r->time;
}

void mw_live__text(mw_live_rows *r, int32_t code, mw_str text) {
    char shown[MW_CELL_SHOWN];
    if (code >= r->columns->first_text) {
        mw_live__word(r, code, mw_str_trim(text));
    } else if (code >= r->columns->first_device) {
        mw_live__device(r, code, text);
    } else if (code >= r->columns->first_time) {
        read_time(r, mw_str_trim(text));
    } else {
        double value = MW_NAN;
        const mw_cell cell = mw_cell_read(text, &value);
        if (cell != MW_CELL_NUMBER && cell != MW_CELL_BOOL) value = MW_NAN;
        if (cell == MW_CELL_TEXT)
            mw_live__bad(r, "%.100s is %s, not a number", r->columns->config->program->inputs[code],
                         mw_cell_show(text, shown));
        mw_live__number(r, code, value);
    }
}

/* ---- all rows ---- */

typedef struct place {
    int64_t time, row;
} place;

static int by_time(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

static void permute(const mw_live_rows *r, const place *places, void *scratch) {
    int32_t *devices = scratch;
    double *values = scratch;
    for (int64_t i = 0; i < r->n; i++) devices[i] = r->devices[places[i].row];
    memcpy(r->devices, devices, (size_t)r->n * sizeof *devices);
    for (int32_t c = 0; c < r->columns->config->program->n_inputs; c++) {
        double *column = r->values + c * r->room;
        for (int64_t i = 0; i < r->n; i++) values[i] = column[places[i].row];
        memcpy(column, values, (size_t)r->n * sizeof *values);
    }
    for (int32_t k = 0; k < r->columns->n_texts; k++) {
        int32_t *column = r->texts + k * r->room;
        for (int64_t i = 0; i < r->n; i++) devices[i] = column[places[i].row];
        memcpy(column, devices, (size_t)r->n * sizeof *devices);
    }
    for (int64_t i = 0; i < r->n; i++) r->times[i] = places[i].time;
}

static mw_status sort(mw_live_rows *r, mw_err *err) {
    int64_t in_order = 1;
    while (in_order < r->n && r->times[in_order] >= r->times[in_order - 1]) in_order++;
    if (in_order >= r->n) return MW_OK;
    place *places = mw_alloc_array(r->mem, (size_t)r->n, sizeof *places);
    void *scratch = mw_alloc_array(r->mem, (size_t)r->n, sizeof(double));
    mw_status status = places && scratch ? MW_OK : mw_fail_nomem(err, "the rows of a request");
    for (int64_t i = 0; i < r->n && !status; i++) places[i] = (place){r->times[i], i};
    if (!status) {
        qsort(places, (size_t)r->n, sizeof *places, by_time);
        permute(r, places, scratch);
    }
    mw_free(places);
    mw_free(scratch);
    return status;
}

mw_status mw_live_rows_read(const mw_ctx *ctx, mw_live_form form, mw_str body, mw_live_rows *rows,
                            mw_err *err) {
    mw_status status = MW_OK;
    switch (form) {
    case MW_LIVE_JSON: status = mw_live__read_json(rows, body, err); break;
    case MW_LIVE_CSV: status = mw_live__read_csv(rows, body, err); break;
    case MW_LIVE_ARROW: status = mw_live__read_arrow(ctx, rows, body, err); break;
    }
    return status ? status : sort(rows, err);
}
