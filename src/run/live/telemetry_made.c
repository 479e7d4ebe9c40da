/* telemetry_made.c -- a stream that is being made of stored rows, before it takes the place of another one. */
#include "run/live/telemetry_parts.h"

enum { FORGET_ROWS = 1 << 20 };

mw_status mw_live__made_init(mw_live_org *org, mw_live_program *program, mw_live_made *ret,
                             mw_err *err) {
    const mw_program *p = program->config.program;
    const size_t outputs = (size_t)p->n_outputs, inputs = (size_t)p->n_inputs;
    mw_mem *mem = org->ctx.mem;
    mw_live_made m = {.org = org, .program = program, .number = INT64_MIN};
    m.features = mw_alloc_array(mem, outputs * MW_LIVE_PUSH_ROWS + 1, sizeof *m.features);
    m.out = mw_alloc_array(mem, outputs + 1, sizeof *m.out);
    m.columns = mw_alloc_array(mem, inputs + 1, sizeof *m.columns);
    mw_status status =
        m.features && m.out && m.columns ? MW_OK : mw_fail_nomem(err, "live features");
    for (size_t c = 0; c < outputs && !status; c++) m.out[c] = m.features + c * MW_LIVE_PUSH_ROWS;
    if (!status) status = mw_stream_new(&org->mem, p, &m.stream, err);
    if (!status) status = mw_judged_new(&org->judging, p, NULL, &m.judged, err);
    if (!status) status = mw_live__words_new(&org->mem, &program->columns, &m.words, err);
    if (!status) status = mw_dictionary_new(&org->mem, &m.devices, err);
    if (!status) mw_judged_mark(m.judged, m.number);
    if (status)
        mw_live__made_done(&m);
    else
        *ret = m;
    return status;
}

void mw_live__made_done(mw_live_made *m) {
    mw_stream_free(m->stream);
    mw_judged_free(m->judged);
    mw_live__words_free(m->words);
    mw_dictionary_free(m->devices);
    mw_free(m->codes);
    mw_free(m->columns);
    mw_free(m->features);
    mw_free(m->out);
    *m = (mw_live_made){0};
}

typedef struct counting {
    mw_stream_sink sink;
    uint64_t bytes;
} counting;

static mw_status put_counted(void *self, const void *data, size_t size, mw_err *err) {
    counting *c = self;
    c->bytes += size;
    return c->sink.put(c->sink.self, data, size, err);
}

mw_status mw_live__save_state(mw_live_org *org, mw_stream_sink sink, mw_live_saved *ret,
                              mw_err *err) {
    counting c = {.sink = sink};
    const mw_stream_sink to = {put_counted, &c};
    mw_status status = mw_stream_save(org->ctx.mem, org->stream, org->devices, to, err);
    ret->stream_bytes = c.bytes;
    if (!status) status = mw_judged_save(org->judged, to, err);
    ret->judged_bytes = c.bytes - ret->stream_bytes;
    if (!status) status = mw_live__words_save(org->words, to, err);
    ret->words_bytes = c.bytes - ret->stream_bytes - ret->judged_bytes;
    return status;
}

mw_status mw_live__made_load(mw_live_made *m, mw_str bytes, const mw_live_saved *sizes,
                             mw_err *err) {
    const uint64_t left = bytes.size - sizes->stream_bytes;
    if (sizes->stream_bytes > bytes.size || sizes->judged_bytes > left ||
        sizes->words_bytes != left - sizes->judged_bytes)
        return mw_fail(err, MW_EDATA, "the saved state of live features is damaged");
    const mw_str stream = {bytes.data, sizes->stream_bytes},
                 judged = {stream.data + stream.size, sizes->judged_bytes},
                 words = {judged.data + judged.size, sizes->words_bytes};
    mw_live_org *org = m->org;
    mw_stream *loaded = NULL;
    mw_dictionary *devices = NULL;
    mw_status status =
        mw_stream_load(&org->mem, m->program->config.program, stream, &loaded, &devices, err);
    if (status) return status;
    mw_stream_free(m->stream);
    mw_dictionary_free(m->devices);
    m->stream = loaded;
    m->devices = devices;
    status = mw_judged_load(m->judged, devices, judged, err);
    return status ? status : mw_live__words_load(m->words, words, err);
}

static mw_status make_room(mw_live_made *m, int64_t n, mw_err *err) {
    if (n <= m->room) return MW_OK;
    mw_mem *mem = m->org->ctx.mem;
    mw_free(m->codes);
    m->codes = mw_alloc_array(mem, (size_t)n, sizeof *m->codes);
    m->room = m->codes ? n : 0;
    return m->room ? MW_OK : mw_fail_nomem(err, "live features");
}

void mw_live__made_file(mw_live_made *m, int64_t first) {
    m->number = first;
    mw_judged_mark(m->judged, first);
}

/* What is found in stored rows is theirs already: it is kept as long as it is looked back at. */
static mw_status forget(mw_live_made *m, int64_t n, mw_err *err) {
    m->n_since += n;
    if (m->number >= 0 || m->n_since < FORGET_ROWS) return MW_OK;
    m->n_since = 0;
    mw_judged_mark(m->judged, ++m->number);
    return mw_judged_forget(m->judged, m->number, err);
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
        if (m->stream) status = mw_stream_push(&m->org->ctx, m->stream, &rows, m->out, err);
        if (!status) status = mw_judged_add(m->judged, &rows, m->devices, err);
    }
    if (!status) status = forget(m, n, err);
    return status ? status : mw_ctx_check(&m->org->ctx, err);
}

static mw_status push_rows(void *self, int64_t n, const int64_t *times, const mw_str *devices,
                           const double *const *columns, mw_err *err) {
    return mw_live__made_push(self, n, times, devices, columns, err);
}

static mw_status put_texts(void *self, int64_t time, mw_str device, const mw_str *texts,
                           mw_err *err) {
    mw_live_made *m = self;
    int32_t code;
    mw_status status = mw_dictionary_add(m->devices, device, &code, err);
    return status ? status : mw_live__words_put(m->words, code, time, texts, err);
}

mw_live_visitor mw_live__made_visitor(mw_live_made *made) {
    return (mw_live_visitor){push_rows, made, put_texts, &made->program->columns};
}
