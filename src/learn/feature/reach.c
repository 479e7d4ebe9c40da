/*
 * reach.c -- see reach.h. One pass a set over the nodes that may be behind it, last one first: whoever reads a signal comes before the node that
 * makes it.
 */
#include "learn/feature/reach.h"

#include <string.h>

enum { SPANS = 32 };

static const int64_t furthest_us = INT64_MAX / 4; /* two of them can be added up */

typedef struct span {
    int64_t least, most; /* us before the row */
} span;

/* Ascending, apart from each other. */
typedef struct spans {
    int32_t n;
    span at[SPANS];
} spans;

typedef struct following {
    const mw_program *p;
    int64_t distance_us;
    spans *signals; /* [n_signals + 1]; the last one: the time */
    int32_t *node;  /* [n_signals] that makes it; -1: none */
    mw_reaches *out;
} following;

static int64_t sum_of(int64_t a, int64_t b) { return a < furthest_us - b ? a + b : furthest_us; }

static int64_t product_of(int64_t a, int64_t b) {
    int64_t ab;
    return __builtin_mul_overflow(a, b, &ab) || ab > furthest_us ? furthest_us : ab;
}

static span hull_of(span a, span b) {
    return (span){a.least < b.least ? a.least : b.least, a.most > b.most ? a.most : b.most};
}

static void add_span(spans *s, span x) {
    int32_t at = 0, end;
    while (at < s->n && s->at[at].most < x.least) at++;
    for (end = at; end < s->n && s->at[end].least <= x.most; end++) x = hull_of(x, s->at[end]);
    if (at == end && s->n == SPANS) {
        at -= at > 0;
        end = at + 1;
        x = hull_of(x, s->at[at]);
    }
    memmove(&s->at[at + 1], &s->at[end], (size_t)(s->n - end) * sizeof *s->at);
    s->at[at] = x;
    s->n += 1 - (end - at);
}

/* Span k of what a node's output reads. */
static span span_of(const mw_reads *reads, int k, const mw_feature_args *args,
                    int64_t distance_us) {
    const int64_t from = reads->from[k], to = reads->to[k];
    span s;
    if (args->us > 0) {
        s = (span){args->us * from / 2, args->us * to / 2 - reads->less};
        const int64_t over = distance_us > 0 ? s.most % distance_us : 0;
        if (reads->as_of && over > 0) s.most += distance_us - over;
    } else {
        s.least = product_of(args->rows * from / 2, distance_us);
        s.most = product_of(args->rows * to / 2 - reads->less, distance_us);
    }
    return s.most < s.least ? (span){s.least, s.least} : s;
}

/* What is read of `of` is read of `signal`, so much before. */
static void add_shifted(following *f, int32_t signal, const spans *of, span by) {
    for (int32_t i = 0; i < of->n; i++)
        add_span(&f->signals[signal],
                 (span){sum_of(of->at[i].least, by.least), sum_of(of->at[i].most, by.most)});
}

static void follow_node(following *f, const mw_feature_node *node) {
    static const mw_reads row = {.n = 1};
    for (int k = 0; k < MW_NODE_OUTPUTS; k++) {
        const spans *of = node->outputs[k] < 0 ? NULL : &f->signals[node->outputs[k]];
        if (!of || of->n == 0) continue;
        const mw_reads *reads = node->reads[k] ? node->reads[k] : &row;
        for (int s = 0; s < reads->n; s++) {
            const span by = span_of(reads, s, &node->args, f->distance_us);
            if (node->n_inputs == 0) add_shifted(f, f->p->n_signals, of, by);
            for (int32_t i = 0; i < node->n_inputs; i++) add_shifted(f, node->inputs[i], of, by);
        }
    }
}

static mw_status add_reach(mw_reaches *r, size_t *n, const mw_reach *reach, mw_err *err) {
    if (*n == r->room) {
        const size_t room = r->room ? 2 * r->room : 64;
        mw_reach *more = mw_realloc(r->mem, r->items, room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "what features are made of");
        r->items = more;
        r->room = room;
    }
    r->items[(*n)++] = *reach;
    return MW_OK;
}

static mw_status collect(const following *f, size_t *n, mw_err *err) {
    const int32_t inputs = f->p->n_inputs;
    mw_status status = MW_OK;
    for (int32_t c = 0; c <= inputs && !status; c++) {
        const spans *s = &f->signals[c < inputs ? c : f->p->n_signals];
        for (int32_t i = 0; i < s->n && !status; i++) {
            const mw_reach reach = {c, s->at[i].least, s->at[i].most};
            status = add_reach(f->out, n, &reach, err);
        }
    }
    return status;
}

/* Outputs [from, to) as one set. */
static mw_status follow_set(following *f, int32_t from, int32_t to, size_t *n, mw_err *err) {
    const mw_program *p = f->p;
    int32_t last = -1;
    for (int32_t s = 0; s <= p->n_signals; s++) f->signals[s].n = 0;
    for (int32_t k = from; k < to; k++) {
        add_span(&f->signals[p->outputs[k]], (span){0, 0});
        if (f->node[p->outputs[k]] > last) last = f->node[p->outputs[k]];
    }
    for (int32_t k = last; k >= 0; k--) follow_node(f, &p->nodes[k]);
    for (int32_t s = 0; p->condition >= 0 && s < p->options.n_settings; s++)
        add_shifted(f, p->settings[s], &f->signals[p->condition], (span){0, 0});
    return collect(f, n, err);
}

static mw_status follow_all(following *f, bool together, mw_err *err) {
    const mw_program *p = f->p;
    const int32_t step = together ? p->n_outputs : 1;
    size_t n = 0;
    mw_status status = MW_OK;
    for (int32_t s = 0; s < p->n_signals; s++) f->node[s] = -1;
    for (int32_t k = 0; k < p->n_nodes * MW_NODE_OUTPUTS; k++) {
        const int32_t output = p->nodes[k / MW_NODE_OUTPUTS].outputs[k % MW_NODE_OUTPUTS];
        if (output >= 0) f->node[output] = k / MW_NODE_OUTPUTS;
    }
    for (int32_t k = 0; k < p->n_outputs && !status; k += step) {
        status = follow_set(f, k, k + step, &n, err);
        f->out->ends[f->out->n_sets++] = n;
    }
    return status;
}

mw_status mw_reaches_new(mw_mem *mem, const mw_program *program, int64_t distance_us, bool together,
                         mw_reaches **ret, mw_err *err) {
    const size_t signals = (size_t)program->n_signals + 1;
    const int64_t fixed = program->options.sampling_us;
    following f = {.p = program,
                   .distance_us = fixed > 0 ? fixed : distance_us,
                   .signals = mw_calloc(mem, signals, sizeof *f.signals),
                   .node = mw_alloc_array(mem, signals, sizeof *f.node),
                   .out = mw_calloc(mem, 1, sizeof *f.out)};
    if (f.out) f.out->mem = mem;
    if (f.out)
        f.out->ends = mw_alloc_array(mem, (size_t)program->n_outputs + 1, sizeof *f.out->ends);
    mw_status status = f.signals && f.node && f.out && f.out->ends
                           ? follow_all(&f, together, err)
                           : mw_fail_nomem(err, "what features are made of");
    mw_free(f.signals);
    mw_free(f.node);
    if (status)
        mw_reaches_free(f.out);
    else
        *ret = f.out;
    return status;
}

void *mw_reaches_free(mw_reaches *reaches) {
    if (!reaches) return NULL;
    mw_free(reaches->ends);
    mw_free(reaches->items);
    return mw_free(reaches);
}
