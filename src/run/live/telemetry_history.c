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
#include "keep/ingest/quality.h"
#include "learn/feature/usual.h"
#include "run/live/telemetry_parts.h"

/* A row of the journal. */
typedef struct fresh {
    int64_t time, file_first, number;
    int32_t device;
    size_t at; /* of its values */
} fresh;

/* A device that is asked about. */
typedef struct subject {
    size_t first, next,
        end;           /* its questions in the order of their times; open ones are [next, end) */
    int64_t last_time; /* of its newest row so far */
    int64_t last_row;  /* of the push at hand, -1: it is in last */
    mw_usual usual;    /* distance of its rows */
    float *last;       /* [n_outputs] */
} subject;

typedef struct asking {
    mw_live_org *org;
    const mw_program *program;
    const mw_live_columns *live;
    const mw_telemetry_asked *asked;
    size_t n;
    mw_telemetry_history *answer;
    size_t *order; /* [n] questions by device and time */
    mw_dictionary *devices;
    subject *subjects; /* [devices] */
    float *last;       /* [devices][n_outputs] */
    mw_stream *stream;
    mw_table *flags; /* known of the devices' newest rows, and not beside segments; NULL: nothing */
    /* rows of the journal */
    fresh *rows;
    double *values; /* [n_inputs] a row */
    int32_t *texts; /* [n_texts] a row: codes of answer->words, -1: missing */
    size_t n_rows, n_texted, room, next_row;
    int64_t file_first;     /* being read */
    int32_t *codes_at_hand; /* [n_texts] */
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
        if (!status) h->answer->devices[i] = places[i].device;
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
        if (i == 0 || places[i].device != places[i - 1].device) s->first = s->next = i;
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

/* The first question whose answer is of this row, of a device [..., s->end); s->end: there is none. */
static size_t find_answer(const asking *h, const subject *s, int64_t time) {
    size_t low = s->first, high = s->end;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (h->answer->times[h->order[middle]] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->end && h->answer->times[h->order[low]] == time ? low : s->end;
}

/* Texts of a row, for the questions whose answer is of it. Of several rows of one time the first counts, as it does for features. */
static void answer_texts(asking *h, int32_t device, int64_t time, const int32_t *codes) {
    enum { OPEN = -2 };
    const size_t n = (size_t)h->live->n_texts;
    const subject *s = &h->subjects[device];
    for (size_t i = find_answer(h, s, time); i < s->end; i++) {
        if (h->answer->times[h->order[i]] != time) return;
        int32_t *to = h->answer->texts + h->order[i] * n;
        if (n > 0 && to[0] == OPEN) memcpy(to, codes, n * sizeof *to);
    }
}

static mw_status code_texts(asking *h, const mw_str *texts, int32_t *ret, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t k = 0; k < h->live->n_texts && !status; k++) {
        ret[k] = -1;
        if (texts[k].size) status = mw_dictionary_add(h->answer->words, texts[k], &ret[k], err);
    }
    return status;
}

/* When the times of all answers are known. */
static mw_status take_stored_texts(void *self, int64_t time, mw_str device, const mw_str *texts,
                                   mw_err *err) {
    asking *h = self;
    const int32_t number = mw_dictionary_find(h->devices, device);
    if (number < 0 || find_answer(h, &h->subjects[number], time) == h->subjects[number].end)
        return MW_OK;
    mw_status status = code_texts(h, texts, h->codes_at_hand, err);
    if (!status) answer_texts(h, number, time, h->codes_at_hand);
    return status;
}

/* ---- pushes ---- */

static mw_status push(asking *h, mw_err *err) {
    const mw_stream_rows rows = {h->n_pushed, h->times, h->codes, h->columns};
    if (h->n_pushed == 0) return MW_OK;
    mw_status status = mw_stream_push(&h->org->ctx, h->stream, &rows, h->out, err);
    for (int64_t i = 0; i < h->n_pushed && !status; i++) {
        subject *s = &h->subjects[h->codes[i]];
        answer_until(h, s, h->times[i], false);
        if (s->last_time != MW_TIME_NONE && h->times[i] > s->last_time)
            mw_usual_add(&s->usual, h->times[i] - s->last_time);
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
    int32_t *texts =
        mw_realloc(mem, h->texts, (room * (size_t)h->live->n_texts + 1) * sizeof *texts);
    if (texts) h->texts = texts;
    if (!rows || !values || !texts) return mw_fail_nomem(err, "earlier features");
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

static mw_status take_fresh_texts(void *self, int64_t time, mw_str device, const mw_str *texts,
                                  mw_err *err) {
    asking *h = self;
    (void)time;
    if (mw_dictionary_find(h->devices, device) < 0) return MW_OK;
    return code_texts(h, texts, h->texts + h->n_texted++ * (size_t)h->live->n_texts, err);
}

static mw_status copy_file(asking *h, int64_t first, bool is_last, mw_err *err) {
    const mw_live_visitor visitor = {take_fresh, h, take_fresh_texts, h->live};
    h->file_first = first;
    return mw_live__read_file(h->org, h->program, first, is_last, 0, &visitor, err);
}

static int by_number(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* What is found of the devices so far, of which not all is beside segments yet. */
static mw_status copy_flags(asking *h, mw_err *err) {
    mw_live_org *org = h->org;
    size_t n = 0;
    int32_t *numbers =
        mw_alloc_array(org->ctx.mem, (size_t)mw_dictionary_size(h->devices) + 1, sizeof *numbers);
    if (!numbers) return mw_fail_nomem(err, "earlier features");
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->state);
    if (org->program) {
        for (int32_t d = 0; d < mw_dictionary_size(h->devices); d++) {
            const int32_t number =
                mw_dictionary_find(org->devices, mw_dictionary_text(h->devices, d));
            if (number >= 0) numbers[n++] = number;
        }
        if (n > 0) qsort(numbers, n, sizeof *numbers, by_number);
        status = mw_judged_known(org->judged, numbers, n, &h->flags, err);
    } else {
        status = mw_fail(err, MW_EBUSY, "the live features of \"%s\" are being made", org->name);
        mw_err_hint(err, "ask again in a moment");
    }
    pthread_mutex_unlock(&org->state);
    mw_free(numbers);
    return status;
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
    if (!status) status = copy_flags(h, err);
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
    h->answer->devices = mw_alloc_array(mem, h->n + 1, sizeof *h->answer->devices);
    h->answer->flagged.mem = mem;
    const size_t texts = (size_t)h->live->n_texts;
    h->codes_at_hand = mw_alloc_array(mem, texts + 1, sizeof *h->codes_at_hand);
    h->answer->texts = mw_alloc_array(mem, h->n * texts + 1, sizeof *h->answer->texts);
    if (!h->codes_at_hand || !h->answer->texts) return mw_fail_nomem(err, "earlier features");
    for (size_t i = 0; i < h->n * texts; i++) h->answer->texts[i] = -2;
    if (!h->inputs || !h->columns || !h->outputs || !h->out || !h->answer->times ||
        !h->answer->features || !h->answer->devices)
        return mw_fail_nomem(err, "earlier features");
    for (size_t c = 0; c < inputs; c++) h->columns[c] = h->inputs + c * MW_LIVE_PUSH_ROWS;
    for (size_t c = 0; c < outputs; c++) h->out[c] = h->outputs + c * MW_LIVE_PUSH_ROWS;
    mw_status status = mw_dictionary_new(mem, &h->answer->words, err);
    if (!status) status = sort_questions(h, err);
    return status ? status : mw_stream_new(mem, h->program, &h->stream, err);
}

static void finish(asking *h) {
    mw_stream_free(h->stream);
    mw_dictionary_free(h->devices);
    mw_table_free(h->flags);
    mw_free(h->order);
    mw_free(h->subjects);
    mw_free(h->last);
    mw_free(h->rows);
    mw_free(h->values);
    mw_free(h->texts);
    mw_free(h->codes_at_hand);
    mw_free(h->inputs);
    mw_free(h->columns);
    mw_free(h->outputs);
    mw_free(h->out);
}

/* When the rows have been read, and their distances are known. */
static mw_status find_flagged(asking *h, const mw_live_stored *stored, mw_err *err) {
    const mw_ctx *ctx = &h->org->ctx;
    const int32_t n = mw_dictionary_size(h->devices);
    mw_flagged_list inputs = {.mem = ctx->mem};
    int64_t *distances = mw_alloc_array(ctx->mem, (size_t)n + 1, sizeof *distances);
    if (!distances) return mw_fail_nomem(err, "earlier features");
    for (int32_t d = 0; d < n; d++) distances[d] = mw_usual_distance(&h->subjects[d].usual);
    const mw_flagged_options options = {
        .distances = distances, .bits = UINT32_MAX, .clock_bits = MW_QUALITY_CLOCK};
    const mw_flagged_devices of = {h->devices, -1};
    mw_status status = mw_live__stored_flagged(stored, h->program, h->devices, &inputs, err);
    if (!status && h->flags)
        status =
            mw_flagged_read(h->flags, h->program->inputs, h->program->n_inputs, &of, &inputs, err);
    if (!status)
        status = mw_flagged_outputs(ctx, h->program, &inputs, &options, &h->answer->flagged, err);
    mw_flagged_done(&inputs);
    mw_free(distances);
    return status;
}

/* From segments, and rows of the journal. */
static mw_status find_texts(asking *h, const mw_live_stored *stored, mw_err *err) {
    const mw_live_visitor visitor = {NULL, h, take_stored_texts, h->live};
    const size_t n = (size_t)h->live->n_texts;
    mw_status status = mw_live__stored_texts(stored, &visitor, err);
    for (size_t i = 0; i < h->n_rows && !status; i++)
        answer_texts(h, h->rows[i].device, h->rows[i].time,
                     h->texts + (size_t)h->rows[i].number * n);
    return status;
}

static mw_status run(asking *h, const char *dataset, mw_err *err) {
    mw_live_stored *stored = NULL;
    const mw_live_visitor visitor = {.rows = take_stored, .self = h};
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
    if (!status) status = find_flagged(h, stored, err);
    if (!status) status = find_texts(h, stored, err);
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
    ret->columns = &program->columns;
    asking *h = mw_calloc(ctx->mem, 1, sizeof *h);
    if (h) {
        h->org = org;
        h->program = ret->program;
        h->live = ret->columns;
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
    mw_free(history->devices);
    mw_free(history->texts);
    mw_dictionary_free(history->words);
    mw_flagged_done(&history->flagged);
    mw_live__unref(history->held);
    *history = (mw_telemetry_history){0};
}
