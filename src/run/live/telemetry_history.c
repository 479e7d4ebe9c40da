/*
 * telemetry_history.c -- features as of earlier times: the stored rows of the devices that are asked about go through a stream of their own, in the
 * order of their times, and each question is answered when the first row after its time comes.
 *
 * Rows that are in the journal but in no segment yet are copied with the turn, so that none is missed and none is read twice: a file whose segment
 * is among the dataset's is left out of the copy.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "run/live/telemetry_parts.h"

/* A row of the journal. */
typedef struct fresh {
    int64_t time, file_first, number;
    int32_t device;
    size_t at; /* of its values */
} fresh;

/* A device that is asked about. */
typedef struct subject {
    size_t next, end;  /* questions that are open, in the order of their times */
    int64_t last_time; /* of its newest row so far */
    int64_t last_row;  /* of the push at hand, -1: it is in last */
    float *last;       /* [n_outputs] */
} subject;

typedef struct asking {
    mw_live_org *org;
    const mw_program *program;
    const mw_telemetry_asked *asked;
    size_t n;
    mw_telemetry_history *answer;
    size_t *order; /* [n] questions by device and time */
    mw_dictionary *devices;
    subject *subjects; /* [devices] */
    float *last;       /* [devices][n_outputs] */
    mw_stream *stream;
    /* rows of the journal */
    fresh *rows;
    double *values; /* [n_inputs] a row */
    size_t n_rows, room, next_row;
    int64_t file_first; /* being read */
    /* the rows of a push */
    int64_t n_pushed;
    int64_t times[MW_LIVE_PUSH_ROWS];
    int32_t codes[MW_LIVE_PUSH_ROWS];
    double *inputs;
    const double **columns;
    float *outputs;
    float **out;
} asking;

/* ---- questions ---- */

typedef struct place {
    int64_t time;
    size_t question;
    int32_t device;
} place;

static int by_device_and_time(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->time < y->time ? -1 : x->time > y->time;
}

static mw_status sort_questions(asking *h, mw_err *err) {
    mw_mem *mem = h->org->ctx.mem;
    place *places = mw_alloc_array(mem, h->n + 1, sizeof *places);
    h->order = mw_alloc_array(mem, h->n + 1, sizeof *h->order);
    mw_status status = places && h->order ? mw_dictionary_new(mem, &h->devices, err)
                                          : mw_fail_nomem(err, "earlier features");
    for (size_t i = 0; i < h->n && !status; i++) {
        places[i] = (place){.time = h->asked[i].time, .question = i};
        status = mw_dictionary_add(h->devices, h->asked[i].device, &places[i].device, err);
    }
    const size_t n = status ? 0 : (size_t)mw_dictionary_size(h->devices);
    if (!status) {
        h->subjects = mw_calloc(mem, n + 1, sizeof *h->subjects);
        h->last = mw_alloc_array(mem, n * (size_t)h->program->n_outputs + 1, sizeof *h->last);
        if (!h->subjects || !h->last) status = mw_fail_nomem(err, "earlier features");
    }
    if (!status && h->n > 0) qsort(places, h->n, sizeof *places, by_device_and_time);
    for (size_t i = 0; i < h->n && !status; i++) {
        subject *s = &h->subjects[places[i].device];
        h->order[i] = places[i].question;
        if (i == 0 || places[i].device != places[i - 1].device) s->next = i;
        s->end = i + 1;
        s->last = h->last + (size_t)places[i].device * (size_t)h->program->n_outputs;
        s->last_time = MW_TIME_NONE;
        s->last_row = -1;
    }
    mw_free(places);
    return status;
}

static void answer_until(asking *h, subject *s, int64_t time, bool all) {
    const size_t width = (size_t)h->program->n_outputs;
    for (; s->next < s->end; s->next++) {
        const size_t question = h->order[s->next];
        if (!all && h->asked[question].time >= time) return;
        float *to = h->answer->features + question * width;
        h->answer->times[question] = s->last_time;
        for (size_t c = 0; c < width; c++)
            to[c] = s->last_time == MW_TIME_NONE ? (float)MW_NAN
                    : s->last_row >= 0           ? h->out[c][s->last_row]
                                                 : s->last[c];
    }
}

/* ---- pushes ---- */

static mw_status push(asking *h, mw_err *err) {
    const mw_stream_rows rows = {h->n_pushed, h->times, h->codes, h->columns};
    if (h->n_pushed == 0) return MW_OK;
    mw_status status = mw_stream_push(&h->org->ctx, h->stream, &rows, h->out, err);
    for (int64_t i = 0; i < h->n_pushed && !status; i++) {
        subject *s = &h->subjects[h->codes[i]];
        answer_until(h, s, h->times[i], false);
        s->last_time = h->times[i];
        s->last_row = i;
    }
    for (int32_t d = 0; d < mw_dictionary_size(h->devices) && !status; d++) {
        subject *s = &h->subjects[d];
        for (int32_t c = 0; c < h->program->n_outputs && s->last_row >= 0; c++)
            s->last[c] = h->out[c][s->last_row];
        s->last_row = -1;
    }
    h->n_pushed = 0;
    return status ? status : mw_ctx_check(&h->org->ctx, err);
}

/* *ret_at: the place of one more row in the push. */
static mw_status next_place(asking *h, int64_t time, int32_t device, int64_t *ret_at, mw_err *err) {
    mw_status status = h->n_pushed == MW_LIVE_PUSH_ROWS ? push(h, err) : MW_OK;
    if (status) return status;
    *ret_at = h->n_pushed++;
    h->times[*ret_at] = time;
    h->codes[*ret_at] = device;
    return MW_OK;
}

static mw_status add_row(asking *h, int64_t time, int32_t device, const double *const *columns,
                         int64_t i, mw_err *err) {
    int64_t at = 0;
    mw_status status = next_place(h, time, device, &at, err);
    for (int32_t c = 0; c < h->program->n_inputs && !status; c++)
        h->inputs[c * MW_LIVE_PUSH_ROWS + at] = columns[c][i];
    return status;
}

/* Rows of the journal up to a time. */
static mw_status add_fresh(asking *h, int64_t time, bool all, mw_err *err) {
    mw_status status = MW_OK;
    for (; h->next_row < h->n_rows; h->next_row++) {
        const fresh *r = &h->rows[h->next_row];
        int64_t at = 0;
        if (!all && r->time > time) break;
        status = next_place(h, r->time, r->device, &at, err);
        if (status) break;
        for (int32_t c = 0; c < h->program->n_inputs; c++)
            h->inputs[c * MW_LIVE_PUSH_ROWS + at] = h->values[r->at + (size_t)c];
    }
    return status;
}

static mw_status take_stored(void *self, int64_t n, const int64_t *times, const mw_str *devices,
                             const double *const *columns, mw_err *err) {
    asking *h = self;
    mw_status status = MW_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        const int32_t device = mw_dictionary_find(h->devices, devices[i]);
        if (device < 0) continue;
        status = add_fresh(h, times[i], false, err);
        if (!status) status = add_row(h, times[i], device, columns, i, err);
    }
    return status;
}

/* ---- rows of the journal ---- */

static mw_status grow(asking *h, mw_err *err) {
    const size_t room = h->room ? 2 * h->room : 1024, inputs = (size_t)h->program->n_inputs;
    mw_mem *mem = h->org->ctx.mem;
    fresh *rows = mw_realloc(mem, h->rows, room * sizeof *rows);
    if (rows) h->rows = rows;
    double *values = mw_realloc(mem, h->values, (room * inputs + 1) * sizeof *values);
    if (values) h->values = values;
    if (!rows || !values) return mw_fail_nomem(err, "earlier features");
    h->room = room;
    return MW_OK;
}

static mw_status take_fresh(void *self, int64_t n, const int64_t *times, const mw_str *devices,
                            const double *const *columns, mw_err *err) {
    asking *h = self;
    const size_t inputs = (size_t)h->program->n_inputs;
    mw_status status = MW_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        const int32_t device = mw_dictionary_find(h->devices, devices[i]);
        if (device < 0) continue;
        if (h->n_rows == h->room) status = grow(h, err);
        if (status) break;
        const size_t at = h->n_rows * inputs;
        for (size_t c = 0; c < inputs; c++) h->values[at + c] = columns[c][i];
        h->rows[h->n_rows] = (fresh){times[i], h->file_first, (int64_t)h->n_rows, device, at};
        h->n_rows++;
    }
    return status;
}

static mw_status copy_file(asking *h, int64_t first, bool is_last, mw_err *err) {
    const mw_live_visitor visitor = {take_fresh, h};
    h->file_first = first;
    return mw_live__read_file(h->org, h->program, first, is_last, 0, &visitor, err);
}

/* With the turn: no file is cut, and none is removed before its segment is there. */
static mw_status copy_fresh(asking *h, mw_err *err) {
    mw_live_org *org = h->org;
    mw_status status = MW_OK;
    mw_live__take_turn(org);
    pthread_mutex_lock(&org->lock);
    const size_t n = org->n_files;
    mw_live_file *files = mw_alloc_array(org->ctx.mem, n + 1, sizeof *files);
    if (files && n > 0) memcpy(files, org->files, n * sizeof *files);
    pthread_mutex_unlock(&org->lock);
    if (!files) status = mw_fail_nomem(err, "earlier features");
    for (size_t i = 0; i < n && !status; i++)
        if (!files[i].stored) status = copy_file(h, files[i].first, false, err);
    if (!status && org->journal) status = copy_file(h, mw_journal_first(org->journal), true, err);
    mw_live__give_turn(org);
    mw_free(files);
    return status;
}

static int by_time(const void *a, const void *b) {
    const fresh *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void drop_stored(asking *h, const mw_live_stored *stored) {
    size_t kept = 0;
    int64_t file = -1;
    bool has = false;
    for (size_t i = 0; i < h->n_rows; i++) {
        if (h->rows[i].file_first != file) {
            file = h->rows[i].file_first;
            has = mw_live__stored_has(stored, file);
        }
        if (!has) h->rows[kept++] = h->rows[i];
    }
    h->n_rows = kept;
    if (kept > 0) qsort(h->rows, kept, sizeof *h->rows, by_time);
}

/* ---- all together ---- */

static mw_status begin(asking *h, mw_err *err) {
    const size_t inputs = (size_t)h->program->n_inputs, outputs = (size_t)h->program->n_outputs;
    mw_mem *mem = h->org->ctx.mem;
    h->inputs = mw_alloc_array(mem, inputs * MW_LIVE_PUSH_ROWS + 1, sizeof *h->inputs);
    h->columns = mw_alloc_array(mem, inputs + 1, sizeof *h->columns);
    h->outputs = mw_alloc_array(mem, outputs * MW_LIVE_PUSH_ROWS + 1, sizeof *h->outputs);
    h->out = mw_alloc_array(mem, outputs + 1, sizeof *h->out);
    h->answer->times = mw_alloc_array(mem, h->n + 1, sizeof *h->answer->times);
    h->answer->features = mw_alloc_array(mem, h->n * outputs + 1, sizeof *h->answer->features);
    if (!h->inputs || !h->columns || !h->outputs || !h->out || !h->answer->times ||
        !h->answer->features)
        return mw_fail_nomem(err, "earlier features");
    for (size_t c = 0; c < inputs; c++) h->columns[c] = h->inputs + c * MW_LIVE_PUSH_ROWS;
    for (size_t c = 0; c < outputs; c++) h->out[c] = h->outputs + c * MW_LIVE_PUSH_ROWS;
    mw_status status = sort_questions(h, err);
    return status ? status : mw_stream_new(mem, h->program, &h->stream, err);
}

static void finish(asking *h) {
    mw_stream_free(h->stream);
    mw_dictionary_free(h->devices);
    mw_free(h->order);
    mw_free(h->subjects);
    mw_free(h->last);
    mw_free(h->rows);
    mw_free(h->values);
    mw_free(h->inputs);
    mw_free(h->columns);
    mw_free(h->outputs);
    mw_free(h->out);
}

static mw_status run(asking *h, const char *dataset, mw_err *err) {
    mw_live_stored *stored = NULL;
    const mw_live_visitor visitor = {take_stored, h};
    const bool is_live = strcmp(dataset, mw_live__dataset) == 0;
    mw_status status = begin(h, err);
    if (!status && is_live) status = copy_fresh(h, err);
    if (!status) status = mw_live__stored_open(h->org, dataset, false, &stored, err);
    if (!status) drop_stored(h, stored);
    if (!status) status = mw_live__stored_each(stored, h->program, h->devices, &visitor, err);
    if (!status) status = add_fresh(h, 0, true, err);
    if (!status) status = push(h, err);
    for (int32_t d = 0; !status && d < mw_dictionary_size(h->devices); d++)
        answer_until(h, &h->subjects[d], 0, true);
    mw_live__stored_close(stored);
    return status;
}

mw_status mw_telemetry_ask(const mw_ctx *ctx, mw_telemetry *telemetry, const char *dataset,
                           const mw_telemetry_asked *asked, size_t n, mw_telemetry_history *ret,
                           mw_err *err) {
    mw_live_org *org = NULL;
    mw_live_program *program = NULL;
    if (n > (size_t)MW_LIMIT(LIVE_HISTORY_ROWS))
        return mw_fail(err, MW_ETOOLARGE, "more than %lld rows are asked for",
                       (long long)MW_LIMIT(LIVE_HISTORY_ROWS));
    mw_status status = mw_live__find(ctx, telemetry, &org, &program, err);
    if (status) return status;
    *ret = (mw_telemetry_history){
        .program = program->config.program, .config_version = program->version, .held = program};
    asking *h = mw_calloc(ctx->mem, 1, sizeof *h);
    if (h) {
        h->org = org;
        h->program = ret->program;
        h->asked = asked;
        h->n = n;
        h->answer = ret;
        status = run(h, dataset, err);
        finish(h);
        mw_free(h);
    } else {
        status = mw_fail_nomem(err, "earlier features");
    }
    if (status) mw_telemetry_history_done(ret);
    return status;
}

void mw_telemetry_history_done(mw_telemetry_history *history) {
    mw_free(history->times);
    mw_free(history->features);
    mw_live__unref(history->held);
    *history = (mw_telemetry_history){0};
}
