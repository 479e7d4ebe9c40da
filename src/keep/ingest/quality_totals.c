/* quality_totals.c -- tables of flagged windows, of several files, added up per sensor. */
#include "core/text/datetime.h"
#include "keep/ingest/quality.h"

struct mw_quality_totals {
    mw_mem *mem;
    mw_dictionary *sensors; /* "" is the device itself */
    mw_quality_total *items;
    int32_t n, capacity;
};

mw_status mw_quality_totals_new(mw_mem *mem, mw_quality_totals **ret, mw_err *err) {
    mw_quality_totals *totals = mw_calloc(mem, 1, sizeof *totals);
    if (!totals) return mw_fail_nomem(err, "sensor quality");
    totals->mem = mem;
    mw_status status = mw_dictionary_new(mem, &totals->sensors, err);
    if (status) {
        mw_free(totals);
        return status;
    }
    *ret = totals;
    return MW_OK;
}

void *mw_quality_totals_free(mw_quality_totals *totals) {
    if (!totals) return NULL;
    mw_dictionary_free(totals->sensors);
    mw_free(totals->items);
    return mw_free(totals);
}

static mw_status total_of(mw_quality_totals *totals, mw_str sensor, mw_quality_total **ret,
                          mw_err *err) {
    int32_t code;
    mw_status status = mw_dictionary_add(totals->sensors, sensor, &code, err);
    if (status) return status;
    if (code >= totals->capacity) {
        int32_t capacity = totals->capacity ? 2 * totals->capacity : 32;
        void *items =
            mw_realloc(totals->mem, totals->items, (size_t)capacity * sizeof *totals->items);
        if (!items) return mw_fail_nomem(err, "sensor quality");
        totals->items = items;
        totals->capacity = capacity;
    }
    for (; totals->n <= code; totals->n++) totals->items[totals->n] = (mw_quality_total){0};
    *ret = &totals->items[code];
    return MW_OK;
}

static mw_status find_columns(const mw_table *table, const mw_column *ret[6], mw_err *err) {
    static const struct {
        const char *name;
        mw_type type;
    } wanted[6] = {{"time", MW_TIMESTAMP},    {"end", MW_TIMESTAMP}, {"device_id", MW_DICTIONARY},
                   {"sensor", MW_DICTIONARY}, {"bits", MW_FLOAT64},  {"n_windows", MW_FLOAT64}};
    for (int i = 0; i < 6; i++) {
        ret[i] = mw_table_column(table, wanted[i].name);
        if (ret[i] && ret[i]->type == wanted[i].type) continue;
        return mw_fail(err, MW_EDATA, "a table of flagged windows lacks its column \"%s\"",
                       wanted[i].name);
    }
    return MW_OK;
}

mw_status mw_quality_totals_add(mw_quality_totals *totals, const mw_table *table,
                                const char *device, mw_err *err) {
    const mw_column *columns[6];
    mw_status status = find_columns(table, columns, err);
    if (status) return status;
    const int64_t *from = columns[0]->time, *to = columns[1]->time;
    const double *bits = columns[4]->number, *windows = columns[5]->number;
    for (int64_t row = 0; row < table->n_rows && !status; row++) {
        if (device && !mw_str_is(mw_column_text(columns[2], row), device)) continue;
        if (!(bits[row] >= 1 && bits[row] < 1 << MW_QUALITY_BITS) ||
            !(windows[row] >= 1 && windows[row] <= 1e15) || from[row] > to[row])
            return mw_fail(err, MW_EDATA, "row %lld of a table of flagged windows is none",
                           (long long)row);
        mw_quality_total *total = NULL;
        status = total_of(totals, mw_column_text(columns[3], row), &total, err);
        if (status) break;
        int64_t n = (int64_t)windows[row];
        total->n_windows += n;
        total->flagged_s += ((double)to[row] - (double)from[row]) / 1e6;
        for (int bit = 0; bit < MW_QUALITY_BITS; bit++)
            if ((unsigned)bits[row] >> bit & 1) total->by_bit[bit] += n;
    }
    return status;
}

int32_t mw_quality_totals_count(const mw_quality_totals *totals) { return totals->n; }

const mw_quality_total *mw_quality_totals_get(const mw_quality_totals *totals, int32_t i,
                                              mw_str *ret_sensor) {
    *ret_sensor = mw_dictionary_text(totals->sensors, i);
    return &totals->items[i];
}
