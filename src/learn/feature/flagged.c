/*
 * flagged.c -- see flagged.h. An output's stretches are swept by their beginnings and ends in the order of time, with a count for each bit, so that
 * overlaps are joined and equal neighbors are one.
 */
#include "learn/feature/flagged.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "learn/feature/reach.h"

enum { BITS = 32 };

mw_status mw_flagged_add(mw_flagged_list *list, const mw_flagged *stretch, mw_err *err) {
    if (list->n == (size_t)MW_LIMIT(FEATURE_STRETCHES)) {
        mw_fail(err, MW_ETOOLARGE, "more than %lld stretches of time are flagged",
                (long long)MW_LIMIT(FEATURE_STRETCHES));
        return mw_err_hint(err, "judge longer windows, or fewer features or rows at a time");
    }
    if (list->n == list->room) {
        const size_t room = list->room ? 2 * list->room : 64;
        mw_flagged *more = mw_realloc(list->mem, list->items, room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "flagged stretches");
        list->items = more;
        list->room = room;
    }
    list->items[list->n++] = *stretch;
    return MW_OK;
}

void mw_flagged_done(mw_flagged_list *list) {
    mw_free(list->items);
    *list = (mw_flagged_list){.mem = list->mem};
}

/* ---- from inputs to outputs ---- */

/* Bits that begin or end. */
typedef struct event {
    int64_t time;
    uint32_t bits;
    int32_t by; /* 1, -1 */
} event;

typedef struct sweep {
    const mw_ctx *ctx;
    const mw_program *program;
    const mw_flagged_options *options;
    mw_flagged *inputs; /* [n] of one device, by column */
    size_t n;
    size_t *ends; /* [n_inputs + 2] of stretches of the device, then of each input */
    mw_reaches *reaches;
    int64_t distance_us; /* of them */
    event *events;       /* [n_events] */
    size_t n_events, room;
    mw_flagged_list *out;
} sweep;

static int order_of(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_column(const void *a, const void *b) {
    const mw_flagged *x = a, *y = b;
    int order = order_of(x->device, y->device);
    if (!order) order = order_of(x->column, y->column);
    return order ? order : order_of(x->begin, y->begin);
}

static int by_moment(const void *a, const void *b) {
    const event *x = a, *y = b;
    return order_of(x->time, y->time);
}

static int64_t later(int64_t time, int64_t by) {
    return time > INT64_MAX - by ? INT64_MAX : time + by;
}

static mw_status add_events(sweep *s, const mw_reach *reach, size_t from, size_t to, uint32_t mask,
                            mw_err *err) {
    for (size_t i = from; i < to; i++) {
        const mw_flagged *in = &s->inputs[i];
        const uint32_t bits = in->bits & mask;
        if (!bits || in->begin >= in->end) continue;
        if (s->n_events + 2 > s->room) {
            const size_t room = s->room ? 2 * s->room : 256;
            event *more = mw_realloc(s->ctx->mem, s->events, room * sizeof *more);
            if (!more) return mw_fail_nomem(err, "flagged stretches");
            s->events = more;
            s->room = room;
        }
        s->events[s->n_events++] = (event){later(in->begin, reach->least_us), bits, 1};
        s->events[s->n_events++] = (event){later(in->end, reach->most_us), bits, -1};
    }
    return MW_OK;
}

/* All that flags a set of outputs. */
static mw_status gather(sweep *s, int32_t set, mw_err *err) {
    const mw_flagged_options *o = s->options;
    const int32_t time = s->program->n_inputs;
    mw_status status = MW_OK;
    s->n_events = 0;
    for (size_t k = set ? s->reaches->ends[set - 1] : 0; k < s->reaches->ends[set] && !status;
         k++) {
        const mw_reach *reach = &s->reaches->items[k];
        const int32_t c = reach->input;
        status =
            add_events(s, reach, 0, s->ends[0], c == time ? o->clock_bits & o->bits : o->bits, err);
        if (!status && c < time)
            status = add_events(s, reach, s->ends[c], s->ends[c + 1], o->bits, err);
    }
    return status;
}

static void count(uint32_t counts[BITS], const event *e) {
    for (uint32_t left = e->bits; left; left &= left - 1)
        counts[__builtin_ctz(left)] += (uint32_t)e->by;
}

static uint32_t bits_of(const uint32_t counts[BITS]) {
    uint32_t bits = 0;
    for (int b = 0; b < BITS; b++) bits |= (uint32_t)(counts[b] > 0) << b;
    return bits;
}

static mw_status put_set(sweep *s, int32_t set, mw_err *err) {
    uint32_t counts[BITS] = {0};
    mw_flagged open = {.device = s->inputs[0].device, .column = set};
    mw_status status = MW_OK;
    if (s->n_events > 0) qsort(s->events, s->n_events, sizeof *s->events, by_moment);
    for (size_t i = 0; i < s->n_events && !status;) {
        const int64_t time = s->events[i].time;
        for (; i < s->n_events && s->events[i].time == time; i++) count(counts, &s->events[i]);
        const uint32_t bits = bits_of(counts);
        if (bits == open.bits) continue;
        open.end = time;
        if (open.bits) status = mw_flagged_add(s->out, &open, err);
        open.begin = time;
        open.bits = bits;
    }
    return status;
}

static void find_columns(sweep *s) {
    size_t at = 0;
    for (int32_t c = MW_FLAGGED_ALL; c < s->program->n_inputs; c++) {
        while (at < s->n && s->inputs[at].column <= c) at++;
        s->ends[c + 1] = at;
    }
}

static mw_status sweep_device(sweep *s, mw_err *err) {
    const int64_t *distances = s->options->distances;
    const int64_t distance_us = distances ? distances[s->inputs[0].device] : 0;
    mw_status status = MW_OK;
    if (!s->reaches || distance_us != s->distance_us) {
        s->reaches = mw_reaches_free(s->reaches);
        s->distance_us = distance_us;
        status = mw_reaches_new(s->ctx->mem, s->program, distance_us, s->options->together,
                                &s->reaches, err);
    }
    if (status) return status;
    find_columns(s);
    for (int32_t set = 0; set < s->reaches->n_sets && !status; set++) {
        status = gather(s, set, err);
        if (!status) status = put_set(s, set, err);
    }
    return status ? status : mw_ctx_check(s->ctx, err);
}

mw_status mw_flagged_outputs(const mw_ctx *ctx, const mw_program *program, mw_flagged_list *inputs,
                             const mw_flagged_options *options, mw_flagged_list *ret, mw_err *err) {
    sweep s = {.ctx = ctx, .program = program, .options = options, .out = ret};
    mw_flagged *items = inputs->items;
    const size_t n = inputs->n;
    s.ends = mw_calloc(ctx->mem, (size_t)program->n_inputs + 2, sizeof *s.ends);
    mw_status status = s.ends ? MW_OK : mw_fail_nomem(err, "flagged stretches");
    if (n > 0) qsort(items, n, sizeof *items, by_column);
    for (size_t from = 0, to; from < n && !status; from = to) {
        for (to = from + 1; to < n && items[to].device == items[from].device;) to++;
        s.inputs = items + from;
        s.n = to - from;
        status = sweep_device(&s, err);
    }
    mw_reaches_free(s.reaches);
    mw_free(s.ends);
    mw_free(s.events);
    return status;
}

uint32_t mw_flagged_at(const mw_flagged_list *outputs, int32_t device, int32_t column,
                       int64_t time) {
    size_t low = 0, high = outputs->n;
    const mw_flagged wanted = {.device = device, .column = column, .begin = time};
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_column(&outputs->items[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const mw_flagged *f = low > 0 ? &outputs->items[low - 1] : NULL;
    return f && f->device == device && f->column == column && time < f->end ? f->bits : 0;
}
