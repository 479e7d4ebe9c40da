/*
 * device.c -- rows of a device: its past, gaps, windows, then the nodes, some hundred rows at a time.
 */
#include "learn/feature/device.h"

#include <float.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/base/cpu.h"
#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "learn/feature/device_parts.h"

enum { SPAN = 256 }; /* rows: what a span's signals take stays in the second cache */

enum { NODE_SIGNALS = MW_NODE_INPUTS + MW_NODE_OUTPUTS };

/* A pointer to a kept signal: set anew for each span. */
typedef struct pointer {
    double **at;
    int32_t kept; /* column of the device */
} pointer;

struct mw_device_scratch {
    const mw_program *program;
    double **signals; /* [n_signals] where a signal's numbers are */
    double **
        nodes; /* [n_nodes][NODE_SIGNALS] likewise of a node's inputs, then of its outputs; NULL: none */
    pointer *pointers; /* [n_pointers] among both */
    int32_t n_pointers;
    mw_device_places places;
    double *room;    /* [n_signals - n_kept][SPAN] */
    float *settings; /* [n_settings] of a row */
    int32_t run[SPAN];
    int64_t gap[SPAN];
    mw_window_rows *windows; /* [n_windows] */
    int32_t *starts;         /* [n_windows][SPAN] */
    mw_window_piece *pieces; /* [n_windows][SPAN] */
};

/* ---- life ---- */

mw_status mw_device_new(mw_mem *mem, const mw_program *program, mw_device **ret, mw_err *err) {
    mw_device *d = mw_calloc(mem, 1, sizeof *d);
    if (!d) return mw_fail_nomem(err, "a device's features");
    *d = (mw_device){.program = program, .mem = mem};
    d->state = mw_calloc(mem, program->state_bytes + 1, 1);
    d->windows = mw_calloc(mem, (size_t)program->n_windows + 1, sizeof *d->windows);
    if (!d->state || !d->windows) {
        mw_device_free(d);
        return mw_fail_nomem(err, "a device's features");
    }
    *ret = d;
    return MW_OK;
}

void *mw_device_free(mw_device *device) {
    if (!device) return NULL;
    const mw_program *p = device->program;
    for (int32_t n = 0; n < p->n_nodes && device->state; n++)
        if (p->nodes[n].kernel->done)
            p->nodes[n].kernel->done(device->state + p->nodes[n].state_at);
    mw_free(device->state);
    mw_free(device->windows);
    mw_free(device->times);
    mw_free(device->kept);
    return mw_free(device);
}

static void point(mw_device_scratch *s, double **at, int32_t signal, const int32_t *place) {
    if (s->program->kept[signal])
        s->pointers[s->n_pointers++] = (pointer){at, place[signal]};
    else
        *at = s->room + (size_t)place[signal] * SPAN;
}

/* Signals that no later row reads have a place in the room; the others have one in each device. */
static mw_status set_pointers(mw_device_scratch *s, mw_mem *mem, mw_err *err) {
    const mw_program *p = s->program;
    int32_t kept = 0, others = 0;
    int32_t *place = mw_alloc_array(mem, (size_t)p->n_signals + 1, sizeof *place);
    if (!place) return mw_fail_nomem(err, "feature programs");
    for (int32_t i = 0; i < p->n_signals; i++) {
        place[i] = p->kept[i] ? kept++ : others++;
        point(s, &s->signals[i], i, place);
    }
    for (int32_t k = 0; k < p->n_nodes; k++) {
        const mw_feature_node *node = &p->nodes[k];
        double **at = s->nodes + (size_t)k * NODE_SIGNALS;
        for (int32_t i = 0; i < node->n_inputs; i++) point(s, at + i, node->inputs[i], place);
        for (int32_t i = 0; i < MW_NODE_OUTPUTS; i++)
            if (node->outputs[i] >= 0) point(s, at + MW_NODE_INPUTS + i, node->outputs[i], place);
    }
    mw_free(place);
    return MW_OK;
}

mw_status mw_device_scratch_new(mw_mem *mem, const mw_program *program, mw_device_scratch **ret,
                                mw_err *err) {
    mw_status status;
    mw_device_scratch *s = mw_calloc(mem, 1, sizeof *s);
    if (!s) return mw_fail_nomem(err, "feature programs");
    const size_t n = (size_t)program->n_signals, windows = (size_t)program->n_windows;
    s->program = program;
    s->signals = mw_calloc(mem, n + 1, sizeof *s->signals);
    s->nodes = mw_calloc(mem, (size_t)program->n_nodes * NODE_SIGNALS + 1, sizeof *s->nodes);
    s->places = (mw_device_places){
        .columns = mw_calloc(mem, (size_t)program->n_inputs + 1, sizeof *s->places.columns),
        .out = mw_calloc(mem, (size_t)program->n_outputs + 1, sizeof *s->places.out)};
    s->pointers =
        mw_alloc_array(mem, n + (size_t)program->n_nodes * NODE_SIGNALS + 1, sizeof *s->pointers);
    s->room = mw_alloc_array(mem, (n - (size_t)program->n_kept) * SPAN + 1, sizeof *s->room);
    s->settings = mw_calloc(mem, (size_t)program->options.n_settings + 1, sizeof *s->settings);
    s->windows = mw_calloc(mem, windows + 1, sizeof *s->windows);
    s->starts = mw_alloc_array(mem, windows * SPAN + 1, sizeof *s->starts);
    s->pieces = mw_alloc_array(mem, windows * SPAN + 1, sizeof *s->pieces);
    if (!s->places.columns || !s->places.out || !s->signals || !s->nodes || !s->pointers ||
        !s->room || !s->settings || !s->windows || !s->starts || !s->pieces) {
        mw_device_scratch_free(s);
        return mw_fail_nomem(err, "feature programs");
    }
    status = set_pointers(s, mem, err);
    if (status) {
        mw_device_scratch_free(s);
        return status;
    }
    *ret = s;
    return MW_OK;
}

void *mw_device_scratch_free(mw_device_scratch *scratch) {
    if (!scratch) return NULL;
    mw_free(scratch->signals);
    mw_free(scratch->nodes);
    mw_free(scratch->pointers);
    mw_free(scratch->places.columns);
    mw_free(scratch->places.out);
    mw_free(scratch->room);
    mw_free(scratch->settings);
    mw_free(scratch->windows);
    mw_free(scratch->starts);
    mw_free(scratch->pieces);
    return mw_free(scratch);
}

mw_device_places mw_device__places(const mw_device_scratch *scratch) { return scratch->places; }

int64_t mw_device_last(const mw_device *device) {
    return device->held > 0 ? device->times[device->held - 1] : MW_TIME_NONE;
}

/* ---- the past ---- */

/* How many of the last rows the next one may read: those in its windows, and one before them. */
int32_t mw_device__reach(const mw_device *d) {
    const mw_program *p = d->program;
    int64_t n = 0;
    if (p->past_us > 0 && d->held > 0) {
        const int64_t after = d->times[d->held - 1] - p->past_us;
        int32_t low = 0, high = d->held;
        while (low < high) {
            const int32_t middle = low + (high - low) / 2;
            if (d->times[middle] > after)
                high = middle;
            else
                low = middle + 1;
        }
        n = d->held - low + 1;
    }
    if (p->past_rows > n) n = p->past_rows;
    if (n < 1) n = 1;
    return n < d->held ? (int32_t)n : d->held;
}

static void keep_last(mw_device *d, int32_t n) {
    const int32_t from = d->held - n;
    if (from == 0) return;
    memmove(d->times, d->times + from, (size_t)n * sizeof *d->times);
    for (int32_t k = 0; k < d->program->n_kept; k++) {
        double *x = d->kept + (size_t)k * (size_t)d->capacity;
        memmove(x, x + from, (size_t)n * sizeof *x);
    }
    d->held = n;
}

mw_status mw_device__grow(mw_device *d, int32_t capacity, mw_err *err) {
    const size_t kept = (size_t)d->program->n_kept;
    int64_t *times = mw_alloc_array(d->mem, (size_t)capacity, sizeof *times);
    double *values = mw_alloc_array(d->mem, (size_t)capacity * kept + 1, sizeof *values);
    if (!times || !values) {
        mw_free(times);
        mw_free(values);
        return mw_fail_nomem(err, "a device's past rows");
    }
    if (d->held > 0) memcpy(times, d->times, (size_t)d->held * sizeof *times);
    for (size_t k = 0; k < kept && d->held > 0; k++)
        memcpy(values + k * (size_t)capacity, d->kept + k * (size_t)d->capacity,
               (size_t)d->held * sizeof *values);
    mw_free(d->times);
    mw_free(d->kept);
    d->times = times;
    d->kept = values;
    d->capacity = capacity;
    return MW_OK;
}

/* Makes room for n more rows; what is no longer read goes first. */
static mw_status make_room(mw_device *d, int32_t n, mw_err *err) {
    if (d->held + n <= d->capacity) return MW_OK;
    const int32_t needed = mw_device__reach(d);
    const int32_t slack =
        n > 1 ? needed + 16 : needed / 8 + 8; /* the past moves once for half as many rows */
    if (needed > MW_LIMIT(FEATURE_PAST_ROWS)) {
        mw_fail(err, MW_ETOOLARGE, "a device has more than %lld rows in its longest window",
                (long long)MW_LIMIT(FEATURE_PAST_ROWS));
        return mw_err_hint(err, "shorten the window");
    }
    keep_last(d, needed);
    if (d->capacity >= needed + n + slack / 2) return MW_OK;
    return mw_device__grow(d, needed + n + slack, err);
}

/* ---- a span ---- */

/* What is out of range, or not finite, is missing. */
static inline double clean(double x, mw_feature_range range) {
    return x >= range.low && x <= range.high ? x + 0.0 /* no -0 */ : MW_NAN;
}

static void take_rows(mw_device *d, mw_device_scratch *s, const int64_t *times,
                      const double *const *columns, int64_t from, int32_t n) {
    const mw_program *p = d->program;
    memcpy(d->times + d->held, times + from, (size_t)n * sizeof *times);
    double *kept = d->kept + d->held;
    for (int32_t k = 0; k < s->n_pointers; k++)
        *s->pointers[k].at = kept + (size_t)s->pointers[k].kept * (size_t)d->capacity;
    for (int32_t c = 0; c < p->n_inputs; c++) {
        const mw_feature_range range = p->options.ranges[c];
        for (int32_t i = 0; i < n; i++) s->signals[c][i] = clean(columns[c][from + i], range);
    }
}

/* Each row's condition, from its settings. */
static void find_conditions(const mw_program *p, mw_device_scratch *s, int32_t n) {
    double *of = s->signals[p->condition];
    for (int32_t i = 0; i < n; i++) {
        for (int32_t k = 0; k < p->options.n_settings; k++)
            s->settings[k] = (float)s->signals[p->settings[k]][i];
        of[i] = p->conditions ? mw_conditions_of(p->conditions, s->settings) : -1;
    }
}

static void find_gaps(mw_device *d, mw_device_scratch *s, int32_t n) {
    const int64_t *times = d->times + d->held, fixed = d->program->options.sampling_us;
    for (int32_t i = 0; i < n; i++) {
        s->gap[i] = fixed > 0 ? mw_usual_gap(fixed) : d->usual.gap > 0 ? d->usual.gap : INT64_MAX;
        if (d->n_rows + i > 0) {
            const int64_t distance = times[i] - times[i - 1];
            d->run = distance > s->gap[i] ? 0 : d->run < INT32_MAX ? d->run + 1 : d->run;
            if (fixed == 0) mw_usual_add(&d->usual, distance);
        }
        s->run[i] = d->run;
    }
}

/* What other nodes read is never infinite. */
static void clean_outputs(const mw_program *p, const mw_feature_node *node, double *const *out,
                          int32_t n) {
    const mw_feature_range any = {-DBL_MAX, DBL_MAX};
    for (int32_t k = 0; k < MW_NODE_OUTPUTS; k++)
        for (int32_t i = 0; out[k] && p->read[node->outputs[k]] && i < n; i++)
            out[k][i] = clean(out[k][i], any);
}

static mw_status run_nodes(mw_device *d, mw_device_scratch *s, const mw_span *span, mw_err *err) {
    const mw_program *p = d->program;
    mw_status status = MW_OK;
    for (int32_t k = 0; k < p->n_nodes && !status; k++) {
        const mw_feature_node *node = &p->nodes[k];
        double *const *in = s->nodes + (size_t)k * NODE_SIGNALS, *const *out = in + MW_NODE_INPUTS;
        status = node->kernel->push(node, d->state + node->state_at, span,
                                    (const double *const *)in, out, d->mem, err);
        if (node->is_read) clean_outputs(p, node, out, span->n);
    }
    return status;
}

static inline float rounded(double x) {
    const float f = (float)x + 0.0F; /* no -0 */
    return f >= -FLT_MAX && f <= FLT_MAX ? f : (float)MW_NAN;
}

#if defined(__x86_64__)

/* The first numbers, eight at a time; returns how many. */
__attribute__((target("avx2"))) static int32_t round_eights(const double *x, int32_t n, float *to) {
    const __m256 most = _mm256_set1_ps(FLT_MAX), missing = _mm256_set1_ps((float)MW_NAN);
    const __m256 signs = _mm256_set1_ps(-0.0F), zero = _mm256_setzero_ps();
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128 low = _mm256_cvtpd_ps(_mm256_loadu_pd(x + i));
        const __m128 high = _mm256_cvtpd_ps(_mm256_loadu_pd(x + i + 4));
        const __m256 f = _mm256_add_ps(_mm256_set_m128(high, low), zero);
        const __m256 good = _mm256_cmp_ps(_mm256_andnot_ps(signs, f), most, _CMP_LE_OQ);
        _mm256_storeu_ps(to + i, _mm256_blendv_ps(missing, f, good));
    }
    return i;
}

#endif

static void give(const mw_program *p, const mw_device_scratch *s, int64_t from, int32_t n,
                 float *const *out) {
#if defined(__x86_64__)
    const bool wide = mw_cpu_level() >= MW_CPU_AVX2;
#endif
    for (int32_t k = 0; k < p->n_outputs && n == 1; k++)
        out[k][from] = rounded(*s->signals[p->outputs[k]]);
    for (int32_t k = 0; k < p->n_outputs && n > 1; k++) {
        const double *x = s->signals[p->outputs[k]];
        float *to = out[k] + from;
        int32_t i = 0;
#if defined(__x86_64__)
        if (wide) i = round_eights(x, n, to);
#endif
        for (; i < n; i++) to[i] = rounded(x[i]);
    }
}

static mw_status push_span(mw_device *d, mw_device_scratch *s, const int64_t *times,
                           const double *const *columns, int64_t from, int32_t n, float *const *out,
                           mw_err *err) {
    const mw_program *p = d->program;
    mw_status status = make_room(d, n, err);
    if (status) return status;
    take_rows(d, s, times, columns, from, n);
    if (p->condition >= 0) find_conditions(p, s, n);
    find_gaps(d, s, n);
    for (int32_t w = 0; w < p->n_windows; w++)
        mw_window_push(&d->windows[w], p->windows[w], d->times + d->held, n, d->n_rows,
                       (mw_window_room){s->starts + (size_t)w * SPAN, s->pieces + (size_t)w * SPAN},
                       &s->windows[w]);
    const mw_span span = {.n = n,
                          .past = d->held,
                          .first = d->n_rows,
                          .times = d->times + d->held,
                          .run = s->run,
                          .gap = s->gap,
                          .windows = s->windows};
    status = run_nodes(d, s, &span, err);
    if (status) return status;
    give(p, s, from, n, out);
    d->held += n;
    d->n_rows += n;
    return MW_OK;
}

mw_status mw_device_push(mw_device *device, mw_device_scratch *scratch, const int64_t *times,
                         const double *const *columns, int64_t n, float *const *out, mw_err *err) {
    mw_status status = MW_OK;
    for (int64_t from = 0; from < n && !status; from += SPAN) {
        const int32_t some = n - from < SPAN ? (int32_t)(n - from) : SPAN;
        status = push_span(device, scratch, times, columns, from, some, out, err);
    }
    return status;
}
