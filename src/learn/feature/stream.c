/*
 * stream.c -- rows of a push by device, each device's on one thread; features back to the places of their rows.
 *
 * Devices' rows lie between each other, so a thread that wrote features to their places would write to the lines of memory that others write
 * to: features are made device by device, and brought to their places column by column.
 */
#include "learn/feature/stream.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/base/threads.h"
#include "core/text/datetime.h"
#include "learn/feature/stream_parts.h"

enum { BLOCK = 1024, NOT_USED = -1 };

/* The rows of one device. */
typedef struct group {
    int32_t device;
    int64_t begin, end;       /* in order */
    int64_t counts[MW_FATES]; /* rows */
} group;

/* What a thread needs. */
typedef struct worker {
    mw_device_scratch *scratch;
    int64_t *times;         /* [BLOCK] */
    double *values;         /* n_inputs columns of BLOCK */
    const double **columns; /* [n_inputs] of values */
    float **made;           /* [n_outputs] where a device's features go */
} worker;

/* Of the rows of a push, kept for the next one; grown by need. */
typedef struct room {
    int64_t n_rows;
    int32_t n_devices;
    int32_t *order;  /* [n_rows] rows, device by device, in their order */
    int32_t *source; /* [n_rows] by row: where its features are in made; NOT_USED: no device */
    float *made;     /* [n_outputs][n_rows] in order */
    int64_t *at;     /* [n_devices + 1] scratch of the sort */
    group *groups;   /* [n_devices] */
} room;

struct mw_stream {
    mw_mem *mem;
    const mw_program *program;
    mw_arrivals **devices; /* [n_devices] by number; NULL: no row yet */
    int32_t n_devices;
    mw_stream_counts counts;
    worker *workers; /* [n_workers] one for each thread that has worked */
    int32_t n_workers;
    room room;
};

/* One push. */
typedef struct push {
    const mw_ctx *ctx;
    mw_stream *s;
    const mw_stream_rows *rows;
    float *const *out;
    room *room;
    int32_t n_groups;
    bool all_have_devices;
} push;

/* ---- life ---- */

mw_status mw_stream_new(mw_mem *mem, const mw_program *program, mw_stream **ret, mw_err *err) {
    mw_stream *s = mw_calloc(mem, 1, sizeof *s);
    if (!s) return mw_fail_nomem(err, "a stream of features");
    *s = (mw_stream){.mem = mem, .program = program};
    *ret = s;
    return MW_OK;
}

static void free_worker(worker *w) {
    mw_device_scratch_free(w->scratch);
    mw_free(w->times);
    mw_free(w->values);
    mw_free(w->columns);
    mw_free(w->made);
}

static void free_room(room *r) {
    mw_free(r->order);
    mw_free(r->source);
    mw_free(r->made);
    mw_free(r->at);
    mw_free(r->groups);
    *r = (room){0};
}

void *mw_stream_free(mw_stream *stream) {
    if (!stream) return NULL;
    for (int32_t i = 0; i < stream->n_devices; i++) mw_arrivals_free(stream->devices[i]);
    for (int32_t i = 0; i < stream->n_workers; i++) free_worker(&stream->workers[i]);
    free_room(&stream->room);
    mw_free(stream->devices);
    mw_free(stream->workers);
    return mw_free(stream);
}

mw_stream_counts mw_stream_count(const mw_stream *stream) { return stream->counts; }

const float *mw_stream_newest(const mw_stream *stream, int32_t device, int64_t *ret_time) {
    if (device < 0 || device >= stream->n_devices || !stream->devices[device]) return NULL;
    const float *features = mw_arrivals_newest(stream->devices[device], ret_time);
    return *ret_time == MW_TIME_NONE ? NULL : features;
}

static mw_status new_worker(const mw_stream *s, worker *ret, mw_err *err) {
    const size_t n_in = (size_t)s->program->n_inputs, n_out = (size_t)s->program->n_outputs;
    *ret = (worker){.times = mw_alloc_array(s->mem, BLOCK, sizeof *ret->times),
                    .values = mw_alloc_array(s->mem, n_in * BLOCK + 1, sizeof *ret->values),
                    .columns = mw_alloc_array(s->mem, n_in + 1, sizeof *ret->columns),
                    .made = mw_alloc_array(s->mem, n_out + 1, sizeof *ret->made)};
    mw_status status = ret->times && ret->values && ret->columns && ret->made
                           ? mw_device_scratch_new(s->mem, s->program, &ret->scratch, err)
                           : mw_fail_nomem(err, "a stream of features");
    for (size_t c = 0; c < n_in && !status; c++) ret->columns[c] = ret->values + c * BLOCK;
    if (status) free_worker(ret);
    return status;
}

static mw_status add_workers(mw_stream *s, int32_t n, mw_err *err) {
    if (n <= s->n_workers) return MW_OK;
    worker *more = mw_realloc(s->mem, s->workers, (size_t)n * sizeof *more);
    if (!more) return mw_fail_nomem(err, "a stream of features");
    s->workers = more;
    mw_status status = MW_OK;
    while (s->n_workers < n && !status) {
        status = new_worker(s, &s->workers[s->n_workers], err);
        s->n_workers += !status;
    }
    return status;
}

static mw_status add_devices(mw_stream *s, int32_t n, mw_err *err) {
    if (n <= s->n_devices) return MW_OK;
    mw_arrivals **more = mw_realloc(s->mem, s->devices, (size_t)n * sizeof *more);
    if (!more) return mw_fail_nomem(err, "a stream of features");
    s->devices = more;
    for (; s->n_devices < n; s->n_devices++) s->devices[s->n_devices] = NULL;
    return MW_OK;
}

static mw_status add_device(mw_stream *s, int32_t number, mw_err *err) {
    if (s->devices[number]) return MW_OK;
    mw_status status = mw_arrivals_new(s->mem, s->program, &s->devices[number], err);
    if (!status) s->counts.devices++;
    return status;
}

/* ---- rows by device ---- */

static int32_t device_of(const mw_stream_rows *rows, int64_t i) {
    return rows->devices ? rows->devices[i] : 0;
}

static mw_status find_devices(push *p, mw_err *err) {
    int32_t most = -1;
    for (int64_t i = 0; i < p->rows->n; i++) {
        const int32_t d = device_of(p->rows, i);
        most = d > most ? d : most;
    }
    if (most >= MW_LIMIT(DICTIONARY_VALUES)) {
        mw_fail(err, MW_ETOOLARGE, "more than %lld devices",
                (long long)MW_LIMIT(DICTIONARY_VALUES));
        return MW_ETOOLARGE;
    }
    return add_devices(p->s, most + 1, err);
}

static mw_status make_room(mw_stream *s, int64_t n_rows, mw_err *err) {
    room *r = &s->room;
    if (n_rows <= r->n_rows && s->n_devices <= r->n_devices) return MW_OK;
    const size_t n = (size_t)(n_rows > r->n_rows ? n_rows : r->n_rows) + 1,
                 devices = (size_t)s->n_devices + 1;
    free_room(r);
    *r = (room){.order = mw_alloc_array(s->mem, n, sizeof *r->order),
                .source = mw_alloc_array(s->mem, n, sizeof *r->source),
                .made = mw_alloc_array(s->mem, n * (size_t)s->program->n_outputs, sizeof *r->made),
                .at = mw_alloc_array(s->mem, devices, sizeof *r->at),
                .groups = mw_alloc_array(s->mem, devices, sizeof *r->groups)};
    if (!r->order || !r->source || !r->made || !r->at || !r->groups) {
        free_room(r);
        return mw_fail_nomem(err, "rows by device");
    }
    r->n_rows = (int64_t)n - 1;
    r->n_devices = s->n_devices;
    return MW_OK;
}

/* A stable counting sort of rows by device; rows without one are left out. */
static void sort_rows(push *p) {
    const int32_t n_devices = p->s->n_devices;
    room *r = p->room;
    memset(r->at, 0, (size_t)n_devices * sizeof *r->at);
    for (int64_t i = 0; i < p->rows->n; i++) {
        r->source[i] = NOT_USED;
        if (device_of(p->rows, i) >= 0) r->at[device_of(p->rows, i)]++;
    }
    int64_t sum = 0;
    for (int32_t d = 0; d < n_devices; d++) {
        const int64_t n = r->at[d];
        r->at[d] = sum;
        if (n > 0) r->groups[p->n_groups++] = (group){.device = d, .begin = sum, .end = sum + n};
        sum += n;
    }
    for (int64_t i = 0; i < p->rows->n; i++) {
        if (device_of(p->rows, i) < 0) continue;
        const int64_t place = r->at[device_of(p->rows, i)]++;
        r->order[place] = (int32_t)i;
        r->source[i] = (int32_t)place;
    }
}

/* ---- one device's rows ---- */

static mw_status push_device(push *p, group *g, worker *w, mw_err *err) {
    const mw_program *program = p->s->program;
    mw_arrivals *device = p->s->devices[g->device];
    const int32_t *rows = p->room->order;
    const size_t stride = (size_t)p->rows->n;
    mw_status status = MW_OK;
    for (int64_t from = g->begin; from < g->end && !status; from += BLOCK) {
        const int64_t n = g->end - from < BLOCK ? g->end - from : BLOCK;
        for (int64_t i = 0; i < n; i++) w->times[i] = p->rows->times[rows[from + i]];
        for (int32_t c = 0; c < program->n_inputs; c++) {
            double *to = w->values + (size_t)c * BLOCK;
            for (int64_t i = 0; i < n; i++) to[i] = p->rows->columns[c][rows[from + i]];
        }
        for (int32_t c = 0; c < program->n_outputs; c++)
            w->made[c] = p->room->made + (size_t)c * stride + from;
        status =
            mw_arrivals_push(device, w->scratch, w->times, w->columns, n, w->made, g->counts, err);
    }
    return status;
}

static mw_status push_devices(void *arg, int64_t begin, int64_t end, int number, mw_err *err) {
    push *p = arg;
    mw_status status = MW_OK;
    for (int64_t g = begin; g < end && !status; g++) {
        status = mw_ctx_check(p->ctx, err);
        if (!status) status = push_device(p, &p->room->groups[g], &p->s->workers[number], err);
    }
    return status;
}

/* ---- to their places ---- */

static mw_status place_columns(void *arg, int64_t begin, int64_t end, int number, mw_err *err) {
    (void)number;
    (void)err;
    const push *p = arg;
    const int64_t n = p->rows->n;
    const int32_t *source = p->room->source;
    for (int64_t c = begin; c < end; c++) {
        const float *from = p->room->made + (size_t)c * (size_t)n;
        float *to = p->out[c];
        if (p->all_have_devices)
            for (int64_t i = 0; i < n; i++) to[i] = from[source[i]];
        else
            for (int64_t i = 0; i < n; i++)
                if (source[i] >= 0) to[i] = from[source[i]];
    }
    return MW_OK;
}

static void clear_unused(const push *p) {
    for (int64_t i = 0; i < p->rows->n; i++)
        if (p->room->source[i] == NOT_USED)
            for (int32_t c = 0; c < p->s->program->n_outputs; c++) p->out[c][i] = (float)MW_NAN;
}

static void count(mw_stream_counts *all, const int64_t counts[MW_FATES]) {
    all->used += counts[MW_FATE_USED] + counts[MW_FATE_LATE_USED];
    all->late_used += counts[MW_FATE_LATE_USED];
    all->repeated += counts[MW_FATE_REPEATED];
    all->late += counts[MW_FATE_LATE];
    all->unusable += counts[MW_FATE_UNUSABLE];
}

static mw_status push_rows(push *p, mw_err *err) {
    mw_stream *s = p->s;
    group *groups = p->room->groups;
    sort_rows(p);
    const int64_t of_devices = p->n_groups > 0 ? groups[p->n_groups - 1].end : 0;
    for (int32_t g = 0; g < p->n_groups; g++) {
        mw_status status = add_device(s, groups[g].device, err);
        if (status) return status;
    }
    p->all_have_devices = of_devices == p->rows->n;
    if (!p->all_have_devices) clear_unused(p);
    mw_status status = mw_pool_for(p->ctx, p->n_groups, 1, push_devices, p, err);
    if (!status) status = mw_pool_for(p->ctx, s->program->n_outputs, 1, place_columns, p, err);
    if (status) return status;
    for (int32_t g = 0; g < p->n_groups; g++) count(&s->counts, groups[g].counts);
    s->counts.unusable += p->rows->n - of_devices;
    return MW_OK;
}

/* A row alone, as live rows come: straight to its device. */
static mw_status push_one(push *p, mw_err *err) {
    mw_stream *s = p->s;
    const int32_t number = device_of(p->rows, 0);
    int64_t counts[MW_FATES] = {0};
    if (number < 0) {
        for (int32_t c = 0; c < s->program->n_outputs; c++) p->out[c][0] = (float)MW_NAN;
        s->counts.unusable++;
        return MW_OK;
    }
    mw_status status = add_device(s, number, err);
    if (!status)
        status = mw_arrivals_push(s->devices[number], s->workers[0].scratch, p->rows->times,
                                  p->rows->columns, 1, p->out, counts, err);
    count(&s->counts, counts);
    return status;
}

mw_status mw_stream_push(const mw_ctx *ctx, mw_stream *stream, const mw_stream_rows *rows,
                         float *const *out, mw_err *err) {
    push p = {.ctx = ctx, .s = stream, .rows = rows, .out = out, .room = &stream->room};
    if (rows->n > INT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "more than %d rows at once", INT32_MAX);
    mw_status status = find_devices(&p, err);
    if (!status) status = add_workers(stream, mw_pool_threads(ctx->pool), err);
    if (!status && rows->n == 1) return push_one(&p, err);
    if (!status) status = make_room(stream, rows->n, err);
    return status ? status : push_rows(&p, err);
}

/* ---- what will become of rows ---- */

static mw_status foresee_device(const push *p, const group *g, int64_t *times, mw_fate *fates,
                                mw_fate *out, mw_err *err) {
    const int32_t *rows = p->room->order + g->begin;
    const int64_t n = g->end - g->begin;
    for (int64_t i = 0; i < n; i++) times[i] = p->rows->times[rows[i]];
    mw_status status =
        mw_arrivals_foresee(p->s->devices[g->device], p->s->program, times, n, fates, err);
    for (int64_t i = 0; i < n && !status; i++) out[rows[i]] = fates[i];
    return status;
}

mw_status mw_stream_foresee(mw_stream *stream, const mw_stream_rows *rows, mw_fate *out,
                            mw_err *err) {
    push p = {.s = stream, .rows = rows, .room = &stream->room};
    const size_t n = (size_t)rows->n;
    mw_status status = find_devices(&p, err);
    if (!status) status = make_room(stream, rows->n, err);
    if (status) return status;
    int64_t *times = mw_alloc_array(stream->mem, n + 1, sizeof *times);
    mw_fate *fates = mw_alloc_array(stream->mem, n + 1, sizeof *fates);
    if (!times || !fates) status = mw_fail_nomem(err, "rows by device");
    if (!status) sort_rows(&p);
    for (size_t i = 0; i < n && !status; i++) out[i] = MW_FATE_UNUSABLE;
    for (int32_t g = 0; g < p.n_groups && !status; g++)
        status = foresee_device(&p, &p.room->groups[g], times, fates, out, err);
    mw_free(times);
    mw_free(fates);
    return status;
}

/* ---- for what is saved ---- */

int32_t mw_stream__n_devices(const mw_stream *stream) { return stream->n_devices; }

const mw_arrivals *mw_stream__device(const mw_stream *stream, int32_t number) {
    return stream->devices[number];
}

mw_status mw_stream__give(mw_stream *stream, int32_t number, mw_arrivals *device, mw_err *err) {
    mw_status status = add_devices(stream, number + 1, err);
    if (!status) stream->devices[number] = device;
    return status;
}

void mw_stream__set_counts(mw_stream *stream, const mw_stream_counts *counts) {
    stream->counts = *counts;
}
