/* telemetry_made.c -- a stream that is being made of stored rows, before it takes the place of another one. */
#include <string.h>

#include "core/base/math.h"
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
    mw_free(m->names);
    mw_free(m->missing);
    mw_free(m->columns);
    mw_free(m->features);
    mw_free(m->out);
    *m = (mw_live_made){0};
}

static mw_status make_room(mw_live_made *m, int64_t n, mw_err *err) {
    if (n <= m->room) return MW_OK;
    mw_mem *mem = m->org->ctx.mem;
    mw_free(m->codes);
    mw_free(m->names);
    mw_free(m->missing);
    m->codes = mw_alloc_array(mem, (size_t)n, sizeof *m->codes);
    m->names = mw_alloc_array(mem, (size_t)n, sizeof *m->names);
    m->missing = mw_alloc_array(mem, (size_t)n, sizeof *m->missing);
    m->room = m->codes && m->names && m->missing ? n : 0;
    if (!m->room) return mw_fail_nomem(err, "live features");
    for (int64_t i = 0; i < n; i++) m->missing[i] = MW_NAN;
    return MW_OK;
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

/* ---- journal files ---- */

typedef struct replay {
    mw_live_made *made;
    mw_journal_file file;
    int32_t *from;          /* [n_inputs] columns of the file, -1: it has none */
    const double **columns; /* [n_inputs] */
} replay;

static mw_status find_columns(replay *r, mw_err *err) {
    const mw_program *p = r->made->program->config.program;
    mw_mem *mem = r->made->org->ctx.mem;
    r->from = mw_alloc_array(mem, (size_t)p->n_inputs + 1, sizeof *r->from);
    r->columns = mw_alloc_array(mem, (size_t)p->n_inputs + 1, sizeof *r->columns);
    if (!r->from || !r->columns) return mw_fail_nomem(err, "live features");
    for (int32_t c = 0; c < p->n_inputs; c++) {
        r->from[c] = -1;
        for (int32_t k = 0; k < r->file.n_columns && r->from[c] < 0; k++)
            if (strcmp(p->inputs[c], r->file.columns[k]) == 0) r->from[c] = k;
    }
    return MW_OK;
}

static mw_status replay_record(replay *r, const mw_journal_rows *rows, int64_t skip, mw_err *err) {
    mw_live_made *m = r->made;
    const int64_t n = rows->n - skip;
    mw_status status = make_room(m, n, err);
    if (status) return status;
    for (int64_t i = 0; i < n; i++) m->names[i] = rows->names[rows->devices[skip + i]];
    for (int32_t c = 0; c < m->program->config.program->n_inputs; c++)
        r->columns[c] = r->from[c] < 0 ? m->missing : rows->columns[r->from[c]] + skip;
    return mw_live__made_push(m, n, rows->times + skip, m->names, r->columns, err);
}

mw_status mw_live__made_replay(mw_live_made *made, int64_t file_first, bool is_last, int64_t from,
                               mw_err *err) {
    char name[MW_JOURNAL_NAME];
    replay r = {.made = made};
    uint64_t at = 0;
    mw_journal_name(file_first, name);
    mw_status status =
        mw_journal_open(&made->org->ctx, made->org->dir, name, is_last, &r.file, err);
    if (status) return status;
    status = find_columns(&r, err);
    while (!status) {
        mw_journal_rows rows;
        status = mw_journal_read(&r.file, &at, &rows, err);
        if (status || rows.n == 0) break;
        const int64_t skip = from > rows.first ? from - rows.first : 0;
        if (skip < rows.n) status = replay_record(&r, &rows, skip, err);
    }
    mw_free(r.from);
    mw_free(r.columns);
    mw_journal_done(&r.file);
    return status;
}
