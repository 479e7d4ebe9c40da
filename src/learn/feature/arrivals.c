/* arrivals.c -- see arrivals.h. */
#include "learn/feature/arrivals.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "learn/feature/device_parts.h"

struct mw_arrivals {
    mw_mem *mem;
    const mw_program *program;
    mw_device *device;  /* has all rows that are used */
    mw_device *settled; /* has those that are older than the lateness; NULL without one */
    int32_t n_open, room;
    int64_t *times; /* [n_open] of the rows that `device` has more, ascending */
    double *values; /* [n_inputs][room] */
    float *newest;  /* [n_outputs] */
    float *row;     /* [n_outputs][room] scratch of rows made anew */
};

/* ---- life ---- */

void *mw_arrivals_free(mw_arrivals *a) {
    if (!a) return NULL;
    mw_device_free(a->device);
    mw_device_free(a->settled);
    mw_free(a->times);
    mw_free(a->values);
    mw_free(a->newest);
    mw_free(a->row);
    return mw_free(a);
}

static mw_status new_empty(mw_mem *mem, const mw_program *program, mw_arrivals **ret, mw_err *err) {
    mw_arrivals *a = mw_calloc(mem, 1, sizeof *a);
    if (!a) return mw_fail_nomem(err, "a device's features");
    *a = (mw_arrivals){.mem = mem,
                       .program = program,
                       .newest = mw_calloc(mem, (size_t)program->n_outputs + 1, sizeof *a->newest)};
    if (!a->newest) {
        mw_arrivals_free(a);
        return mw_fail_nomem(err, "a device's features");
    }
    *ret = a;
    return MW_OK;
}

mw_status mw_arrivals_new(mw_mem *mem, const mw_program *program, mw_arrivals **ret, mw_err *err) {
    mw_arrivals *a;
    mw_status status = new_empty(mem, program, &a, err);
    if (status) return status;
    status = mw_device_new(mem, program, &a->device, err);
    if (!status && program->options.lateness_us > 0)
        status = mw_device_new(mem, program, &a->settled, err);
    if (status)
        mw_arrivals_free(a);
    else
        *ret = a;
    return status;
}

const float *mw_arrivals_newest(const mw_arrivals *arrivals, int64_t *ret_time) {
    *ret_time = mw_device_last(arrivals->device);
    return arrivals->newest;
}

/* ---- rows that are not settled ---- */

static mw_status fail_many(mw_err *err) {
    mw_fail(err, MW_ETOOLARGE, "a device has more than %lld rows within the lateness",
            (long long)MW_LIMIT(FEATURE_LATE_ROWS));
    return mw_err_hint(err, "shorten it: \"lateness\" in the configuration");
}

static mw_status grow(mw_arrivals *a, int32_t n, mw_err *err) {
    const size_t inputs = (size_t)a->program->n_inputs, outputs = (size_t)a->program->n_outputs;
    if (n <= a->room) return MW_OK;
    if (n > MW_LIMIT(FEATURE_LATE_ROWS)) return fail_many(err);
    const size_t room = (size_t)n + (size_t)n / 2 + 16;
    int64_t *times = mw_alloc_array(a->mem, room, sizeof *times);
    double *values = mw_alloc_array(a->mem, room * inputs + 1, sizeof *values);
    float *row = mw_alloc_array(a->mem, room * outputs + 1, sizeof *row);
    if (!times || !values || !row) {
        mw_free(times);
        mw_free(values);
        mw_free(row);
        return mw_fail_nomem(err, "rows that may be late");
    }
    if (a->n_open > 0) memcpy(times, a->times, (size_t)a->n_open * sizeof *times);
    for (size_t c = 0; c < inputs && a->n_open > 0; c++)
        memcpy(values + c * room, a->values + c * (size_t)a->room,
               (size_t)a->n_open * sizeof *values);
    mw_free(a->times);
    mw_free(a->values);
    mw_free(a->row);
    a->times = times;
    a->values = values;
    a->row = row;
    a->room = (int32_t)room;
    return MW_OK;
}

static mw_status keep(mw_arrivals *a, int32_t at, const int64_t *times,
                      const double *const *columns, int64_t from, int32_t n, mw_err *err) {
    mw_status status = grow(a, a->n_open + n, err);
    if (status) return status;
    const size_t behind = (size_t)(a->n_open - at);
    memmove(a->times + at + n, a->times + at, behind * sizeof *a->times);
    memcpy(a->times + at, times + from, (size_t)n * sizeof *times);
    for (int32_t c = 0; c < a->program->n_inputs; c++) {
        double *to = a->values + (size_t)c * (size_t)a->room + at;
        memmove(to + n, to, behind * sizeof *to);
        memcpy(to, columns[c] + from, (size_t)n * sizeof *to);
    }
    a->n_open += n;
    return MW_OK;
}

/* Open rows [0, n) into device, features of all into a->row. */
static mw_status replay(mw_arrivals *a, mw_device *device, mw_device_scratch *scratch, int32_t n,
                        mw_err *err) {
    const mw_program *p = a->program;
    const mw_device_places places = mw_device__places(scratch);
    for (int32_t c = 0; c < p->n_inputs; c++)
        places.columns[c] = a->values + (size_t)c * (size_t)a->room;
    for (int32_t k = 0; k < p->n_outputs; k++) places.out[k] = a->row + (size_t)k * (size_t)a->room;
    return mw_device_push(device, scratch, a->times, places.columns, n, places.out, err);
}

/* Rows that no late one can come before any more go into `settled`. */
static mw_status settle(mw_arrivals *a, mw_device_scratch *scratch, mw_err *err) {
    const int64_t newest = a->times[a->n_open - 1];
    int32_t n = 0;
    while (a->times[n] <= newest - a->program->options.lateness_us) n++;
    if (n < a->n_open / 4 + 1) return MW_OK; /* what is moved is worth it */
    mw_status status = replay(a, a->settled, scratch, n, err);
    if (status) return status;
    a->n_open -= n;
    memmove(a->times, a->times + n, (size_t)a->n_open * sizeof *a->times);
    for (int32_t c = 0; c < a->program->n_inputs; c++) {
        double *x = a->values + (size_t)c * (size_t)a->room;
        memmove(x, x + n, (size_t)a->n_open * sizeof *x);
    }
    return MW_OK;
}

/* The device is made anew of the settled one and open rows. */
static mw_status make_anew(mw_arrivals *a, mw_device_scratch *scratch, mw_err *err) {
    mw_buf bytes;
    mw_device *device = NULL;
    mw_buf_init(&bytes, a->mem, (size_t)MW_LIMIT(STATE_BYTES));
    mw_device_save(a->settled, &bytes);
    mw_status status = mw_buf_status(&bytes, "a device's features", err);
    if (!status) status = mw_device_load(a->mem, a->program, mw_buf_str(&bytes), &device, err);
    if (!status) status = replay(a, device, scratch, a->n_open, err);
    mw_buf_done(&bytes);
    if (status) {
        mw_device_free(device);
        return status;
    }
    mw_device_free(a->device);
    a->device = device;
    return MW_OK;
}

/* ---- one row that is not newer than all ---- */

static void give_row(const mw_arrivals *a, int32_t row, float *const *out, int64_t i) {
    for (int32_t k = 0; k < a->program->n_outputs; k++)
        out[k][i] = a->row[(size_t)k * (size_t)a->room + (size_t)row];
}

static void give_none(const mw_arrivals *a, float *const *out, int64_t i) {
    for (int32_t k = 0; k < a->program->n_outputs; k++) out[k][i] = (float)MW_NAN;
}

static void give_newest(const mw_arrivals *a, float *const *out, int64_t i) {
    for (int32_t k = 0; k < a->program->n_outputs; k++) out[k][i] = a->newest[k];
}

static mw_status take_old(mw_arrivals *a, mw_device_scratch *scratch, const int64_t *times,
                          const double *const *columns, int64_t i, float *const *out, mw_fate *ret,
                          mw_err *err) {
    const int64_t time = times[i], newest = mw_device_last(a->device);
    *ret = time == MW_TIME_NONE ? MW_FATE_UNUSABLE
           : time == newest     ? MW_FATE_REPEATED
                                : MW_FATE_LATE;
    if (*ret == MW_FATE_REPEATED) give_newest(a, out, i);
    if (*ret == MW_FATE_UNUSABLE) give_none(a, out, i);
    if (*ret != MW_FATE_LATE) return MW_OK;
    if (mw_arrivals_is_late(a->program, newest, time)) {
        give_none(a, out, i);
        return MW_OK;
    }
    int32_t at = a->n_open;
    while (at > 0 && a->times[at - 1] >= time) at--;
    const bool is_there = a->times[at] == time; /* the newest one is later */
    *ret = is_there ? MW_FATE_REPEATED : MW_FATE_LATE_USED;
    mw_status status = is_there ? MW_OK : keep(a, at, times, columns, i, 1, err);
    if (!status) status = make_anew(a, scratch, err);
    if (!status) give_row(a, at, out, i);
    for (int32_t k = 0; k < a->program->n_outputs && !status; k++)
        a->newest[k] = a->row[(size_t)k * (size_t)a->room + (size_t)(a->n_open - 1)];
    return status;
}

/* ---- rows as they come ---- */

static mw_status take_new(mw_arrivals *a, mw_device_scratch *scratch, const int64_t *times,
                          const double *const *columns, int64_t from, int64_t n, float *const *out,
                          mw_err *err) {
    const mw_program *p = a->program;
    const mw_device_places places = mw_device__places(scratch);
    const double *const *in = columns;
    float *const *to = out;
    if (from > 0) {
        for (int32_t c = 0; c < p->n_inputs; c++) places.columns[c] = columns[c] + from;
        for (int32_t k = 0; k < p->n_outputs; k++) places.out[k] = out[k] + from;
        in = places.columns;
        to = places.out;
    }
    mw_status status = mw_device_push(a->device, scratch, times + from, in, n, to, err);
    if (status) return status;
    for (int32_t k = 0; k < p->n_outputs; k++) a->newest[k] = out[k][from + n - 1];
    if (!a->settled) return MW_OK;
    status = keep(a, a->n_open, times, columns, from, (int32_t)n, err);
    return status ? status : settle(a, scratch, err);
}

mw_status mw_arrivals_push(mw_arrivals *a, mw_device_scratch *scratch, const int64_t *times,
                           const double *const *columns, int64_t n, float *const *out,
                           int64_t counts[MW_FATES], mw_err *err) {
    enum { AT_ONCE = 1024 }; /* open rows grow by no more */
    mw_status status = MW_OK;
    int64_t newest = mw_device_last(a->device);
    for (int64_t i = 0, end; i < n && !status; i = end) {
        for (end = i; end < n && end < i + AT_ONCE && times[end] != MW_TIME_NONE &&
                      (newest == MW_TIME_NONE || times[end] > newest);
             end++)
            newest = times[end];
        if (end > i) {
            status = take_new(a, scratch, times, columns, i, end - i, out, err);
            counts[MW_FATE_USED] += end - i;
            continue;
        }
        mw_fate fate;
        status = take_old(a, scratch, times, columns, i, out, &fate, err);
        if (!status) counts[fate]++;
        end = i + 1;
    }
    return status;
}

/* ---- what will become of rows ---- */

static bool is_open(const mw_arrivals *a, int64_t time) {
    int32_t low = 0, high = a ? a->n_open : 0;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (a->times[middle] == time) return true;
        if (a->times[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool came_before(const int64_t *times, const mw_fate *fates, int64_t n, int64_t time) {
    for (int64_t i = n; i-- > 0;)
        if (times[i] == time && fates[i] <= MW_FATE_LATE_USED) return true;
    return false;
}

mw_status mw_arrivals_foresee(const mw_arrivals *arrivals, const mw_program *program,
                              const int64_t *times, int64_t n, mw_fate *out, mw_err *err) {
    const int64_t lateness = program->options.lateness_us;
    int64_t newest = arrivals ? mw_device_last(arrivals->device) : MW_TIME_NONE, n_used = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t time = times[i];
        out[i] = MW_FATE_USED;
        if (time == MW_TIME_NONE)
            out[i] = MW_FATE_UNUSABLE;
        else if (newest == MW_TIME_NONE || time > newest)
            newest = time;
        else if (time == newest)
            out[i] = MW_FATE_REPEATED;
        else if (mw_arrivals_is_late(program, newest, time))
            out[i] = MW_FATE_LATE;
        else
            out[i] = is_open(arrivals, time) || came_before(times, out, i, time)
                         ? MW_FATE_REPEATED
                         : MW_FATE_LATE_USED;
        n_used += out[i] <= MW_FATE_LATE_USED;
    }
    const int64_t open = (arrivals ? arrivals->n_open : 0) + n_used;
    return lateness > 0 && open > MW_LIMIT(FEATURE_LATE_ROWS) ? fail_many(err) : MW_OK;
}

/* ---- saved ---- */

void mw_arrivals_save(const mw_arrivals *a, mw_buf *out) {
    const size_t begin = out->size, inputs = (size_t)a->program->n_inputs, n = (size_t)a->n_open;
    uint64_t head[2] = {0, n};
    mw_buf_append(out, head, sizeof head);
    mw_device_save(a->settled ? a->settled : a->device, out);
    head[0] = out->size - begin - sizeof head;
    if (out->size >= begin + sizeof head) memcpy(out->data + begin, head, sizeof head);
    mw_buf_append(out, a->newest, (size_t)a->program->n_outputs * sizeof *a->newest);
    if (n > 0) mw_buf_append(out, a->times, n * sizeof *a->times);
    for (size_t c = 0; c < inputs && n > 0; c++)
        mw_buf_append(out, a->values + c * (size_t)a->room, n * sizeof *a->values);
}

static mw_status fail_bytes(mw_err *err) {
    return mw_fail(err, MW_EDATA, "a device's saved state is damaged");
}

static mw_status fill_open(mw_arrivals *a, mw_device_scratch *scratch, const char *at, int32_t n,
                           mw_err *err) {
    if (!a->settled) return n == 0 ? MW_OK : fail_bytes(err);
    mw_status status = grow(a, n + 1, err);
    if (status) return status;
    memcpy(a->times, at, (size_t)n * sizeof *a->times);
    at += (size_t)n * sizeof *a->times;
    for (int32_t c = 0; c < a->program->n_inputs; c++, at += (size_t)n * sizeof *a->values)
        memcpy(a->values + (size_t)c * (size_t)a->room, at, (size_t)n * sizeof *a->values);
    a->n_open = n;
    int64_t before = mw_device_last(a->settled);
    for (int32_t i = 0; i < n; i++) {
        if (a->times[i] == MW_TIME_NONE || (before != MW_TIME_NONE && a->times[i] <= before))
            return fail_bytes(err);
        before = a->times[i];
    }
    return make_anew(a, scratch, err);
}

mw_status mw_arrivals_load(mw_mem *mem, const mw_program *program, mw_device_scratch *scratch,
                           mw_str bytes, mw_arrivals **ret, mw_err *err) {
    uint64_t head[2];
    const size_t row = sizeof(int64_t) + (size_t)program->n_inputs * sizeof(double);
    const size_t newest = (size_t)program->n_outputs * sizeof(float);
    if (bytes.size < sizeof head + newest) return fail_bytes(err);
    memcpy(head, bytes.data, sizeof head);
    const size_t left = bytes.size - sizeof head - newest;
    if (head[0] > left || head[1] > (uint64_t)MW_LIMIT(FEATURE_LATE_ROWS) ||
        left - head[0] != head[1] * row)
        return fail_bytes(err);
    const char *at = bytes.data + sizeof head + head[0];
    mw_arrivals *a;
    mw_status status = new_empty(mem, program, &a, err);
    if (status) return status;
    mw_device **device = program->options.lateness_us > 0 ? &a->settled : &a->device;
    status = mw_device_load(mem, program, (mw_str){bytes.data + sizeof head, (size_t)head[0]},
                            device, err);
    if (!status) memcpy(a->newest, at, newest);
    if (!status) status = fill_open(a, scratch, at + newest, (int32_t)head[1], err);
    if (status)
        mw_arrivals_free(a);
    else
        *ret = a;
    return status;
}
