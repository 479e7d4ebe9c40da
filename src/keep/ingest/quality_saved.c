/*
 * quality_saved.c -- what sensor quality remembers as bytes and back, so that judging goes on after a restart as if there had been none.
 *
 * Layout    head; stretches; of each device, by code from the nameless one on: whether it has rows, then its state and those of its sensors, then the
 *           cases of open spans. Structures are written as they lie in memory, with their sizes in the head: bytes of a program that has others are refused.
 */
#include <stddef.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/quality_state.h"

typedef struct saved_quality {
    uint32_t device_bytes, sensor_bytes, case_bytes, record_bytes;
    int64_t n_records, n_records_left_out, mark;
    int64_t n_devices, n_left_out;
} saved_quality;

/* ---- save ---- */

static mw_status put_device(const mw_quality__device *device, mw_stream_sink sink, mw_err *err) {
    const int64_t has = device != NULL;
    mw_status status = sink.put(sink.self, &has, sizeof has, err);
    if (status || !device) return status;
    mw_quality__device head = *device;
    head.sensors = NULL;
    status = sink.put(sink.self, &head, sizeof head, err);
    for (int32_t k = 0; k < device->n_sensors && !status; k++) {
        mw_quality__sensor s = device->sensors[k];
        const int64_t has_cases = s.cases != NULL;
        s.cases = NULL;
        status = sink.put(sink.self, &s, sizeof s, err);
        if (!status) status = sink.put(sink.self, &has_cases, sizeof has_cases, err);
        if (!status && has_cases)
            status = sink.put(sink.self, device->sensors[k].cases, sizeof(mw_quality__case), err);
    }
    return status;
}

mw_status mw_quality_save(const mw_quality *q, mw_stream_sink sink, mw_err *err) {
    const saved_quality head = {.device_bytes = sizeof(mw_quality__device),
                                .sensor_bytes = sizeof(mw_quality__sensor),
                                .case_bytes = sizeof(mw_quality__case),
                                .record_bytes = sizeof(mw_quality__record),
                                .n_records = (int64_t)q->records.n,
                                .n_records_left_out = q->records.n_left_out,
                                .mark = q->records.mark,
                                .n_devices = q->n_devices,
                                .n_left_out = q->n_left_out};
    mw_status status = sink.put(sink.self, &head, sizeof head, err);
    if (!status && q->records.n)
        status =
            sink.put(sink.self, q->records.items, q->records.n * sizeof *q->records.items, err);
    for (int32_t i = 0; i < q->n_devices && !status; i++)
        status = put_device(q->devices[i], sink, err);
    return status;
}

/* ---- load ---- */

typedef struct loading {
    mw_quality *q;
    mw_str left;
} loading;

static mw_status fail_bytes(mw_err *err) {
    return mw_fail(err, MW_EDATA, "the saved state of sensor quality is damaged");
}

static bool take(loading *l, void *ret, size_t size) {
    if (size > l->left.size) return false;
    if (size) memcpy(ret, l->left.data, size);
    l->left.data += size;
    l->left.size -= size;
    return true;
}

static bool is_place(const loading *l, uint32_t place) { return place <= l->q->records.n; }

/* Fields of a structure whose bytes could be anything, but may not. */
typedef enum field_kind { FLAG, COUNT, SMALL_COUNT } field_kind; /* bool, int64, int32 */
typedef struct field {
    uint16_t at, n;
    field_kind kind;
} field;

#define FIELDS(type, name, n, kind) \
    { offsetof(type, name), n, kind }
#define SENSOR(name, kind) FIELDS(mw_quality__sensor, name, 1, kind)
#define DEVICE(name, kind) FIELDS(mw_quality__device, name, 1, kind)

static const field sensor_fields[] = {
    SENSOR(open.n, COUNT),        SENSOR(open.n_equal, COUNT),
    SENSOR(open.n_up, COUNT),     SENSOR(held.n, COUNT),
    SENSOR(held.n_equal, COUNT),  SENSOR(held.n_up, COUNT),
    SENSOR(run, COUNT),           SENSOR(run_told, COUNT),
    SENSOR(gap, COUNT),           SENSOR(gap_told, COUNT),
    SENSOR(is_up, FLAG),          SENSOR(born, FLAG),
    SENSOR(wary, FLAG),           SENSOR(rests_at_zero, FLAG),
    SENSOR(stuck, FLAG),          SENSOR(gappy, FLAG),
    SENSOR(n_carried, COUNT),     SENSOR(longest_run, COUNT),
    SENSOR(longest_gap, COUNT),   SENSOR(n, COUNT),
    SENSOR(n_changed, COUNT),     SENSOR(n_up, COUNT),
    SENSOR(n_idle, COUNT),        SENSOR(n_looked_at, COUNT),
    SENSOR(n_spans, SMALL_COUNT), SENSOR(n_shares, SMALL_COUNT),
    SENSOR(strange, SMALL_COUNT),
};
static const field device_fields[] = {
    DEVICE(left_out, FLAG),
    DEVICE(n_sensors, SMALL_COUNT),
    DEVICE(n_windows, SMALL_COUNT),
    FIELDS(mw_quality__device, rows, MW_QUALITY_SPAN_ROWS, COUNT),
    DEVICE(n_rows, COUNT),
    DEVICE(before_rows, COUNT),
    DEVICE(started, FLAG),
    DEVICE(n_steps, SMALL_COUNT),
    DEVICE(n_other, SMALL_COUNT),
    DEVICE(regular, FLAG),
    DEVICE(exact, FLAG),
    DEVICE(n_standing, COUNT),
};
static const field case_fields[] = {
    FIELDS(mw_quality__case, flagged, MW_QUALITY_SPAN_ROWS, COUNT),
    FIELDS(mw_quality__case, missing, MW_QUALITY_SPAN_ROWS, COUNT),
};

static bool is_good(const unsigned char *bytes, field_kind kind) {
    int64_t count;
    int32_t small;
    switch (kind) {
    case FLAG: return *bytes <= 1;
    case COUNT:
        memcpy(&count, bytes, sizeof count);
        return count >= 0 && count <= MW_QUALITY_COUNT_MAX;
    case SMALL_COUNT: memcpy(&small, bytes, sizeof small); return small >= 0 && small < INT32_MAX;
    }
    return false;
}

static bool are_good(const void *structure, const field *fields, size_t n) {
    static const uint16_t sizes[] = {[FLAG] = sizeof(bool), [COUNT] = 8, [SMALL_COUNT] = 4};
    for (size_t i = 0; i < n; i++)
        for (uint16_t k = 0; k < fields[i].n; k++)
            if (!is_good((const unsigned char *)structure + fields[i].at +
                             (size_t)k * sizes[fields[i].kind],
                         fields[i].kind))
                return false;
    return true;
}
#define ARE_GOOD(structure, fields) are_good(structure, fields, sizeof(fields) / sizeof *(fields))

/* All that is an index, or divides, or is added to. */
static bool is_sensor(const loading *l, const mw_quality__sensor *s) {
    return ARE_GOOD(s, sensor_fields) && s->n_levels <= MW_QUALITY_LEVELS + 1 &&
           s->n_away <= MW_QUALITY_AWAY && is_place(l, s->record) && is_place(l, s->stuck_record) &&
           is_place(l, s->gap_record) && mw_quality__is_unit(s->unit);
}

static bool is_device(const loading *l, const mw_quality__device *d, int32_t code) {
    return ARE_GOOD(d, device_fields) && d->code == code && d->n_sensors <= l->q->n_sensors &&
           d->n_windows <= MW_QUALITY_SPAN_ROWS && (d->n_windows > 0 || d->n_rows == 0) &&
           d->n_steps < MW_QUALITY_STEPS && d->spacing >= 0 && (d->spacing > 0 || d->wide <= 0) &&
           is_place(l, d->record);
}

static mw_status load_sensor(loading *l, mw_quality__sensor *s, mw_err *err) {
    int64_t has_cases = 0;
    const bool taken = take(l, s, sizeof *s);
    s->cases = NULL;
    if (!taken || !is_sensor(l, s) || !take(l, &has_cases, sizeof has_cases))
        return fail_bytes(err);
    if (!has_cases) return MW_OK;
    s->cases = mw_alloc(l->q->ctx->mem, sizeof *s->cases);
    if (!s->cases) return mw_fail_nomem(err, "sensor quality");
    return take(l, s->cases, sizeof *s->cases) && ARE_GOOD(s->cases, case_fields) ? MW_OK
                                                                                  : fail_bytes(err);
}

static mw_status load_device(loading *l, int32_t i, mw_err *err) {
    mw_quality *q = l->q;
    int64_t has = 0;
    mw_quality__device head;
    if (!take(l, &has, sizeof has)) return fail_bytes(err);
    if (!has) return MW_OK;
    if (!take(l, &head, sizeof head) || !is_device(l, &head, i - 1)) return fail_bytes(err);
    const int32_t n = head.n_sensors;
    mw_quality__device *device = mw_alloc(q->ctx->mem, sizeof *device);
    if (!device) return mw_fail_nomem(err, "sensor quality");
    *device = head;
    device->n_sensors = 0;
    device->sensors = NULL;
    q->devices[i] = device;
    if (n == 0) return MW_OK;
    device->sensors = mw_alloc_array(q->ctx->mem, (size_t)n, sizeof *device->sensors);
    if (!device->sensors) return mw_fail_nomem(err, "sensor quality");
    mw_status status = MW_OK;
    while (device->n_sensors < n && !status)
        status = load_sensor(l, &device->sensors[device->n_sensors++], err);
    q->n_states += n;
    return status;
}

static mw_status load_records(loading *l, const saved_quality *head, mw_err *err) {
    mw_quality__records *r = &l->q->records;
    if (head->n_records < 0 || head->n_records > MW_LIMIT(QUALITY_STRETCHES))
        return fail_bytes(err);
    const size_t n = (size_t)head->n_records;
    r->n_left_out = head->n_records_left_out;
    r->mark = head->mark;
    if (n == 0) return MW_OK;
    r->items = mw_alloc_array(r->mem, n, sizeof *r->items);
    if (!r->items) return mw_fail_nomem(err, "sensor quality");
    r->capacity = n;
    if (!take(l, r->items, n * sizeof *r->items)) return fail_bytes(err);
    r->n = n;
    return MW_OK;
}

/* Of devices that are there, and of columns. */
static bool are_records(const mw_quality *q) {
    for (size_t i = 0; i < q->records.n; i++) {
        const mw_quality__record *r = &q->records.items[i];
        if (r->device < -1 || r->device + 1 >= q->n_devices || !q->devices[r->device + 1] ||
            r->sensor < -1 || r->sensor >= q->schema->n_columns || r->first > r->last ||
            r->bits >= 1U << MW_QUALITY_BITS || r->n_values < 0 ||
            r->n_values > MW_QUALITY_COUNT_MAX || r->n_flagged < 0 ||
            r->n_flagged > MW_QUALITY_COUNT_MAX ||
            (i > 0 && r->mark < q->records.items[i - 1].mark) || r->mark > q->records.mark)
            return false;
    }
    return true;
}

mw_status mw_quality_load(mw_quality *q, mw_str *bytes, mw_err *err) {
    loading l = {.q = q, .left = *bytes};
    saved_quality head;
    mw_status status = mw_quality__make_room(q, 0, err);
    if (status) return status;
    if (!take(&l, &head, sizeof head) || head.device_bytes != sizeof(mw_quality__device) ||
        head.sensor_bytes != sizeof(mw_quality__sensor) ||
        head.case_bytes != sizeof(mw_quality__case) ||
        head.record_bytes != sizeof(mw_quality__record) || head.n_devices < 0 ||
        head.n_devices > q->n_devices)
        return fail_bytes(err);
    q->n_left_out = head.n_left_out;
    status = load_records(&l, &head, err);
    for (int32_t i = 0; i < head.n_devices && !status; i++) status = load_device(&l, i, err);
    if (!status && !are_records(q)) status = fail_bytes(err);
    if (!status) *bytes = l.left;
    return status;
}
