/* flagged_table.c -- flagged stretches from a table of sensors', and to a table of features'. */
#include <stdlib.h>

#include "core/text/datetime.h"
#include "learn/feature/flagged.h"

/* ---- reading ---- */

typedef struct windows {
    const mw_column *time, *end, *device, *sensor, *bits;
} windows;

static const mw_column *column_of(const mw_table *table, const char *name, mw_type type) {
    const mw_column *column = mw_table_column(table, name);
    return column && column->type == type ? column : NULL;
}

static mw_status find_windows(const mw_table *table, windows *ret, mw_err *err) {
    *ret = (windows){.time = column_of(table, "time", MW_TIMESTAMP),
                     .end = column_of(table, "end", MW_TIMESTAMP),
                     .device = column_of(table, "device_id", MW_DICTIONARY),
                     .sensor = column_of(table, "sensor", MW_DICTIONARY),
                     .bits = column_of(table, "bits", MW_FLOAT64)};
    if (ret->time && ret->end && ret->device && ret->sensor && ret->bits) return MW_OK;
    return mw_fail(err, MW_EDATA, "the table is none of flagged windows");
}

static int32_t device_of(const mw_flagged_devices *devices, const mw_column *column, int32_t code) {
    if (!devices->names) return 0;
    if (code < 0) return devices->nameless;
    return mw_dictionary_find(devices->names, mw_dictionary_text(column->dictionary, code));
}

/* What the table's texts are here. */
typedef struct meanings {
    int32_t *devices; /* by code: number, below 0: none */
    int32_t *first;   /* by code of a sensor: first column of its name, -1: none */
    int32_t *next;    /* [n] by column: the next one of the same name, -1: none */
} meanings;

static void free_meanings(meanings *m) {
    mw_free(m->devices);
    mw_free(m->first);
    mw_free(m->next);
}

static mw_status find_meanings(mw_mem *mem, const windows *w, const char *const *sensors, int32_t n,
                               const mw_flagged_devices *devices, meanings *ret, mw_err *err) {
    const mw_dictionary *texts = w->sensor->dictionary;
    const int32_t n_devices = mw_dictionary_size(w->device->dictionary);
    const size_t n_sensors = (size_t)mw_dictionary_size(texts);
    *ret = (meanings){mw_alloc_array(mem, (size_t)n_devices + 1, sizeof *ret->devices),
                      mw_alloc_array(mem, n_sensors + 1, sizeof *ret->first),
                      mw_alloc_array(mem, (size_t)n + 1, sizeof *ret->next)};
    if (!ret->devices || !ret->first || !ret->next) return mw_fail_nomem(err, "flagged stretches");
    for (int32_t i = 0; i < n_devices; i++) ret->devices[i] = device_of(devices, w->device, i);
    for (size_t i = 0; i < n_sensors; i++) ret->first[i] = -1;
    for (int32_t c = n - 1; c >= 0; c--) {
        const int32_t code = mw_dictionary_find(texts, mw_str_of(sensors[c]));
        ret->next[c] = code < 0 ? -1 : ret->first[code];
        if (code >= 0) ret->first[code] = c;
    }
    return MW_OK;
}

/* A damaged file may hold any number. */
static uint32_t bits_of(double number) {
    return number >= 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static mw_status read_row(const windows *w, int64_t i, const mw_flagged_devices *devices,
                          const meanings *m, mw_flagged_list *list, mw_err *err) {
    const int32_t code = w->device->codes[i], sensor = w->sensor->codes[i];
    mw_flagged stretch = {.begin = w->time->time[i],
                          .end = w->end->time[i],
                          .device =
                              code < 0 ? device_of(devices, w->device, code) : m->devices[code],
                          .column = sensor < 0 ? MW_FLAGGED_ALL : m->first[sensor],
                          .bits = bits_of(w->bits->number[i])};
    if (stretch.device < 0) return MW_OK;
    if (sensor < 0) return mw_flagged_add(list, &stretch, err);
    mw_status status = MW_OK;
    for (; stretch.column >= 0 && !status; stretch.column = m->next[stretch.column])
        status = mw_flagged_add(list, &stretch, err);
    return status;
}

mw_status mw_flagged_read(const mw_table *table, const char *const *sensors, int32_t n,
                          const mw_flagged_devices *devices, mw_flagged_list *list, mw_err *err) {
    windows w;
    meanings m;
    mw_status status = find_windows(table, &w, err);
    if (status) return status;
    status = find_meanings(list->mem, &w, sensors, n, devices, &m, err);
    for (int64_t i = 0; i < table->n_rows && !status; i++)
        status = read_row(&w, i, devices, &m, list, err);
    free_meanings(&m);
    return status;
}

/* ---- writing ---- */

enum { TIME, END, DEVICE, FEATURE, FLAGS, COLUMNS };

static int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_time(const void *a, const void *b) {
    const mw_flagged *x = a, *y = b;
    int order = order_of(x->begin, y->begin);
    if (!order) order = order_of(x->device, y->device);
    return order ? order : order_of(x->column, y->column);
}

static mw_status add_columns(mw_table *table, mw_column *columns[COLUMNS], mw_err *err) {
    static const struct {
        const char *name;
        mw_type type;
    } shape[COLUMNS] = {{"time", MW_TIMESTAMP},
                        {"end", MW_TIMESTAMP},
                        {"device_id", MW_DICTIONARY},
                        {"feature", MW_DICTIONARY},
                        {"bits", MW_FLOAT64}};
    mw_status status = mw_table_reserve(table, COLUMNS, err);
    for (int i = 0; i < COLUMNS && !status; i++)
        status = mw_table_add(table, mw_str_of(shape[i].name), shape[i].type, &columns[i], err);
    return status;
}

static mw_status put_row(mw_column *columns[COLUMNS], int64_t row, const mw_program *program,
                         const mw_dictionary *devices, const mw_flagged *f, mw_err *err) {
    columns[TIME]->time[row] = f->begin;
    columns[END]->time[row] = f->end;
    columns[FLAGS]->number[row] = f->bits;
    mw_status status =
        mw_dictionary_add(columns[FEATURE]->dictionary, mw_str_of(program->names[f->column]),
                          &columns[FEATURE]->codes[row], err);
    if (status || !devices) return status;
    return mw_dictionary_add(columns[DEVICE]->dictionary, mw_dictionary_text(devices, f->device),
                             &columns[DEVICE]->codes[row], err);
}

mw_status mw_flagged_table(mw_mem *mem, const mw_program *program, const mw_dictionary *devices,
                           mw_flagged_list *outputs, mw_table **ret, mw_err *err) {
    mw_table *table = NULL;
    mw_column *columns[COLUMNS];
    if (outputs->n > 0) qsort(outputs->items, outputs->n, sizeof *outputs->items, by_time);
    mw_status status = mw_table_new(mem, (int64_t)outputs->n, &table, err);
    if (!status) status = add_columns(table, columns, err);
    for (size_t i = 0; i < outputs->n && !status; i++)
        status = put_row(columns, (int64_t)i, program, devices, &outputs->items[i], err);
    for (int i = 0; i < COLUMNS && !status; i++) status = mw_column_seal(table, columns[i], err);
    if (status)
        mw_table_free(table);
    else
        *ret = table;
    return status;
}
