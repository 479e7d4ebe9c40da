/* telemetry_made.c -- a stream that is being made of stored rows, before it takes the place of another one. */
#include "run/live/telemetry_parts.h"

mw_status mw_live__made_init(mw_live_org *org, mw_live_program *program, mw_live_made *ret,
                             mw_err *err) {
    const mw_program *p = program->config.program;
    const size_t outputs = (size_t)p->n_outputs, inputs = (size_t)p->n_inputs;
    mw_mem *mem = org->ctx.mem;
    mw_live_made m = {.org = org, .program = program};
    m.features = mw_alloc_array(mem, outputs * MW_LIVE_PUSH_ROWS + 1, sizeof *m.features);
    m.out = mw_alloc_array(mem, outputs + 1, sizeof *m.out);
    m.columns = mw_alloc_array(mem, inputs + 1, sizeof *m.columns);
    mw_status status =
        m.features && m.out && m.columns ? MW_OK : mw_fail_nomem(err, "live features");
    for (size_t c = 0; c < outputs && !status; c++) m.out[c] = m.features + c * MW_LIVE_PUSH_ROWS;
    if (!status) status = mw_stream_new(&org->mem, p, &m.stream, err);
    if (!status) status = mw_dictionary_new(&org->mem, &m.devices, err);
    if (status)
        mw_live__made_done(&m);
    else
        *ret = m;
    return status;
}

void mw_live__made_done(mw_live_made *m) {
    mw_stream_free(m->stream);
    mw_dictionary_free(m->devices);
    mw_free(m->codes);
    mw_free(m->columns);
    mw_free(m->features);
    mw_free(m->out);
    *m = (mw_live_made){0};
}

static mw_status make_room(mw_live_made *m, int64_t n, mw_err *err) {
    if (n <= m->room) return MW_OK;
    mw_mem *mem = m->org->ctx.mem;
    mw_free(m->codes);
    m->codes = mw_alloc_array(mem, (size_t)n, sizeof *m->codes);
    m->room = m->codes ? n : 0;
    return m->room ? MW_OK : mw_fail_nomem(err, "live features");
}

mw_status mw_live__made_push(mw_live_made *m, int64_t n, const int64_t *times,
                             const mw_str *devices, const double *const *columns, mw_err *err) {
    const mw_program *p = m->program->config.program;
    mw_status status = make_room(m, n, err);
    for (int64_t i = 0; i < n && !status; i++)
        status = mw_dictionary_add(m->devices, devices[i], &m->codes[i], err);
    for (int64_t from = 0; from < n && !status; from += MW_LIVE_PUSH_ROWS) {
        const int64_t some = n - from < MW_LIVE_PUSH_ROWS ? n - from : MW_LIVE_PUSH_ROWS;
        for (int32_t c = 0; c < p->n_inputs; c++) m->columns[c] = columns[c] + from;
        const mw_stream_rows rows = {some, times + from, m->codes + from, m->columns};
        status = mw_stream_push(&m->org->ctx, m->stream, &rows, m->out, err);
    }
    return status ? status : mw_ctx_check(&m->org->ctx, err);
}

static mw_status push_rows(void *self, int64_t n, const int64_t *times, const mw_str *devices,
                           const double *const *columns, mw_err *err) {
    return mw_live__made_push(self, n, times, devices, columns, err);
}

mw_live_visitor mw_live__made_visitor(mw_live_made *made) {
    return (mw_live_visitor){push_rows, made};
}
