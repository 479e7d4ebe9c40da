/*
 * quality_told.c -- sensor quality of rows that have no end: what was found up to a row, what is known at a moment, and what may be forgotten.
 *
 * Stretches are kept in the order in which they were found, so those of one number lie together, and those of the newest number at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/quality_state.h"

/* ---- numbers ---- */

/* Moves the places of the latest records, of each sensor and device, by so many; beyond the first one there is none. */
static void move_places(mw_quality *q, size_t by) {
    for (int32_t i = 0; i < q->n_devices; i++) {
        mw_quality__device *device = q->devices[i];
        if (!device) continue;
        device->record = device->record > by ? device->record - (uint32_t)by : 0;
        for (int32_t k = 0; k < device->n_sensors; k++) {
            mw_quality__sensor *s = &device->sensors[k];
            uint32_t *const places[] = {&s->record, &s->stuck_record, &s->gap_record};
            for (int p = 0; p < 3; p++)
                *places[p] = *places[p] > by ? *places[p] - (uint32_t)by : 0;
        }
    }
}

void mw_quality_mark(mw_quality *q, int64_t number) {
    if (number == q->records.mark) return;
    q->records.mark = number;
    move_places(q, UINT32_MAX); /* no stretch of another number is lengthened */
}

static bool is_out_of_reach(const mw_quality *q, const mw_quality__record *r, int64_t reach_us) {
    const int64_t last_us = q->devices[r->device + 1]->last_us;
    if (last_us < INT64_MIN + reach_us) return false;
    return r->last < mw_quality__window(last_us - reach_us, q->options.window_us);
}

void mw_quality_forget(mw_quality *q, int64_t number, int64_t reach_us) {
    const size_t most = (size_t)MW_LIMIT(QUALITY_STRETCHES) / 2;
    mw_quality__records *r = &q->records;
    size_t smaller = 0, kept = 0;
    while (smaller < r->n && r->items[smaller].mark < number && r->items[smaller].mark < r->mark)
        smaller++;
    for (size_t i = smaller > most ? smaller - most : 0; i < smaller; i++)
        if (!is_out_of_reach(q, &r->items[i], reach_us)) r->items[kept++] = r->items[i];
    if (kept == smaller) return;
    memmove(r->items + kept, r->items + smaller, (r->n - smaller) * sizeof *r->items);
    r->n -= smaller - kept;
    move_places(q, smaller - kept);
}

/* ---- tables ---- */

static mw_status add_copy(mw_quality__records *to, const mw_quality__record *record, mw_err *err) {
    uint32_t place = 0;
    return mw_quality__record_add(to, record, &place, err);
}

/* Takes the records. */
static mw_status make_table(const mw_quality *q, mw_quality__records *records, mw_table **ret,
                            mw_err *err) {
    *ret = NULL;
    mw_status status = records->n ? mw_quality__report(q->ctx, records, q->schema, q->device,
                                                       q->options.window_us, ret, err)
                                  : MW_OK;
    mw_free(records->items);
    return status;
}

mw_status mw_quality_told(const mw_quality *q, int64_t number, mw_table **ret, mw_err *err) {
    mw_quality__records found = {.mem = q->ctx->mem};
    mw_status status = MW_OK;
    for (size_t i = 0; i < q->records.n && !status; i++)
        if (q->records.items[i].mark == number)
            status = add_copy(&found, &q->records.items[i], err);
    mw_quality__tell_limits(q);
    if (!status) return make_table(q, &found, ret, err);
    mw_free(found.items);
    return status;
}

/* ---- as of now ---- */

static int by_code(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static mw_status copy_sensors(const mw_quality *q, const mw_quality__device *from,
                              mw_quality__device *to, mw_err *err) {
    mw_mem *mem = q->ctx->mem;
    to->sensors = mw_memdup(mem, from->sensors, (size_t)from->n_sensors * sizeof *to->sensors);
    if (!to->sensors) return mw_fail_nomem(err, "sensor quality");
    bool all = true;
    for (int32_t k = 0; k < to->n_sensors; k++) {
        mw_quality__sensor *s = &to->sensors[k];
        s->record = s->stuck_record = s->gap_record = 0;
        if (s->cases) {
            s->cases = mw_memdup(mem, s->cases, sizeof *s->cases);
            all = all && s->cases;
        }
    }
    return all ? MW_OK : mw_fail_nomem(err, "sensor quality");
}

/* Adds what ends with the device's rows, judged on a copy. */
static mw_status add_open(const mw_quality *q, const mw_quality__device *device,
                          mw_quality__records *found, mw_err *err) {
    mw_quality copy = *q;
    mw_quality__device *own = mw_memdup(q->ctx->mem, device, sizeof *own);
    if (!own) return mw_fail_nomem(err, "sensor quality");
    own->sensors = NULL;
    own->record = 0;
    mw_status status = copy_sensors(q, device, own, err);
    copy.rules.records = found;
    if (!status) status = mw_quality__finish_device(&copy, own, err);
    if (!own->sensors) own->n_sensors = 0;
    mw_quality__free_device(own);
    return status;
}

mw_status mw_quality_known(const mw_quality *q, const int32_t *devices, size_t n, mw_table **ret,
                           mw_err *err) {
    mw_quality__records found = {.mem = q->ctx->mem};
    mw_status status = MW_OK;
    for (size_t i = 0; i < q->records.n && !status; i++) {
        const mw_quality__record *r = &q->records.items[i];
        if (bsearch(&r->device, devices, n, sizeof *devices, by_code))
            status = add_copy(&found, r, err);
    }
    for (size_t i = 0; i < n && !status; i++) {
        const mw_quality__device *device =
            devices[i] + 1 < q->n_devices && devices[i] >= -1 ? q->devices[devices[i] + 1] : NULL;
        if (device) status = add_open(q, device, &found, err);
    }
    if (!status) return make_table(q, &found, ret, err);
    mw_free(found.items);
    return status;
}
