/*
 * device_saved.c -- a device as bytes and back.
 *
 * Layout: head; times [held]; each kept signal [held]; the state of each node that the past does not hold. All in the machine's byte order.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "learn/feature/device_parts.h"

typedef struct saved_head {
    int64_t n_rows;
    int32_t held, run;
    mw_usual usual;
} saved_head;

static size_t state_bytes(const mw_program *p) {
    size_t bytes = 0;
    for (int32_t k = 0; k < p->n_nodes; k++)
        if (!p->nodes[k].kernel->from_past) bytes += p->nodes[k].kernel->state_bytes;
    return bytes;
}

void mw_device_save(const mw_device *d, mw_buf *out) {
    const mw_program *p = d->program;
    const int32_t held = d->held > 0 ? mw_device__reach(d) : 0, from = d->held - held;
    const saved_head head = {.n_rows = d->n_rows, .held = held, .run = d->run, .usual = d->usual};
    mw_buf_append(out, &head, sizeof head);
    if (held > 0) mw_buf_append(out, d->times + from, (size_t)held * sizeof *d->times);
    for (int32_t k = 0; k < p->n_kept && held > 0; k++)
        mw_buf_append(out, d->kept + (size_t)k * (size_t)d->capacity + from,
                      (size_t)held * sizeof *d->kept);
    for (int32_t k = 0; k < p->n_nodes; k++)
        if (!p->nodes[k].kernel->from_past)
            mw_buf_append(out, d->state + p->nodes[k].state_at, p->nodes[k].kernel->state_bytes);
}

static mw_status fail_bytes(mw_err *err) {
    return mw_fail(err, MW_EDATA, "a device's saved state is damaged");
}

static bool is_sound(const mw_program *p, const saved_head *head) {
    const mw_usual *u = &head->usual;
    const int64_t read = head->n_rows < p->past_rows ? head->n_rows : p->past_rows;
    if (head->held < read || head->run > head->n_rows) return false;
    return head->held >= 0 && head->held <= MW_LIMIT(FEATURE_PAST_ROWS) &&
           head->n_rows >= head->held && (head->held > 0) == (head->n_rows > 0) && head->run >= 0 &&
           u->n >= 0 && u->n < MW_USUAL_DISTANCES && u->gap >= 0;
}

static const char *take(void *to, const char *from, size_t bytes) {
    if (bytes > 0) memcpy(to, from, bytes);
    return from + bytes;
}

static mw_status fill(mw_device *d, const saved_head *head, const char *at, mw_err *err) {
    const mw_program *p = d->program;
    const int32_t n = head->held;
    d->n_rows = head->n_rows;
    d->run = head->run;
    d->usual = head->usual;
    if (n > 0) {
        mw_status status = mw_device__grow(d, n + n / 4 + 16, err);
        if (status) return status;
        at = take(d->times, at, (size_t)n * sizeof *d->times);
        for (int32_t k = 0; k < p->n_kept; k++)
            at = take(d->kept + (size_t)k * (size_t)d->capacity, at, (size_t)n * sizeof *d->kept);
        d->held = n;
    }
    for (int32_t i = 1; i < n; i++)
        if (d->times[i] <= d->times[i - 1]) return fail_bytes(err);
    for (int32_t k = 0; k < p->n_nodes; k++)
        if (!p->nodes[k].kernel->from_past)
            at = take(d->state + p->nodes[k].state_at, at, p->nodes[k].kernel->state_bytes);
    for (int32_t w = 0; w < p->n_windows && n > 0; w++)
        mw_window_resume(&d->windows[w], p->windows[w], d->times + n, n, d->n_rows);
    return MW_OK;
}

mw_status mw_device_load(mw_mem *mem, const mw_program *program, mw_str bytes, mw_device **ret,
                         mw_err *err) {
    saved_head head;
    if (bytes.size < sizeof head) return fail_bytes(err);
    memcpy(&head, bytes.data, sizeof head);
    if (!is_sound(program, &head)) return fail_bytes(err);
    const size_t row = sizeof(int64_t) + (size_t)program->n_kept * sizeof(double);
    if (bytes.size != sizeof head + (size_t)head.held * row + state_bytes(program))
        return fail_bytes(err);
    mw_device *d;
    mw_status status = mw_device_new(mem, program, &d, err);
    if (status) return status;
    status = fill(d, &head, bytes.data + sizeof head, err);
    if (status)
        mw_device_free(d);
    else
        *ret = d;
    return status;
}
