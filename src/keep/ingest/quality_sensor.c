/*
 * quality_sensor.c -- a sensor's values as they come: figures of the open span, runs of equal values, runs of missing ones, and the
 * single values that a threshold calls out.
 *
 * A block of values costs one vector pass. Values are looked at one by one only where that pass says so: something is not finite, a step
 * is larger than the spike threshold, a value is beyond an alarm. Runs are read from the bit mask of equal neighbors. Where the figures of
 * the values are known beforehand and say that there is nothing to see, the values themselves are not read at all.
 */
#include <float.h>

#include "core/base/math.h"
#include "keep/ingest/quality_state.h"

enum { RUN_MIN = 12, SPIKES_MAX = 255, LEVELS_ALL = 1024, LEVELS_EVERY = 16 };

/* Values that were away come back to within this part of their way. */
static const double return_share = 0.35;
/* A sensor with spikes in a quarter of its spans is spiky by nature. */
static const double spiky_by_nature = 0.25;

typedef struct look {
    const mw_quality__rules *rules;
    const mw_quality__device *device;
    mw_quality__sensor *s;
    int32_t column;
    const int64_t *times;
    const int32_t *where; /* row of each value in times; NULL: 0, 1, ... */
} look;

static int64_t time_of(const look *l, int64_t i) { return l->times[l->where ? l->where[i] : i]; }

static int64_t window_of(const look *l, int64_t time_us) {
    return mw_quality__window(time_us, l->rules->options->window_us);
}

void mw_quality__sensor_init(mw_quality__sensor *s, double given_low, double given_high) {
    *s = (mw_quality__sensor){.last = MW_NAN,
                              .rest = {MW_NAN, MW_NAN},
                              .alarm_low = given_low,
                              .alarm_high = given_high,
                              .own_low = -MW_INFINITY,
                              .own_high = MW_INFINITY,
                              .spike_at = MW_INFINITY,
                              .given_low = given_low,
                              .given_high = given_high};
}

static mw_status stretch(const look *l, int64_t from_us, int64_t to_us, uint32_t bits, int64_t n,
                         int64_t n_flagged, mw_err *err) {
    uint32_t *at = bits == MW_QUALITY_STUCK ? &l->s->stuck_record
                   : bits == MW_QUALITY_GAP ? &l->s->gap_record
                                            : &l->s->record;
    mw_quality__record record = {.first = window_of(l, from_us),
                                 .last = window_of(l, to_us),
                                 .device = l->device->code,
                                 .sensor = l->column,
                                 .bits = bits,
                                 .n_values = n,
                                 .n_flagged = n_flagged};
    return mw_quality__record_add(l->rules->records, &record, at, err);
}

/* Slot of a time among the windows of the open span; -1: it is before them. */
static int32_t slot_of(const look *l, int64_t time_us) {
    int64_t window = window_of(l, time_us);
    int32_t slot = l->device->n_windows - 1;
    while (slot >= 0 && l->device->windows[slot] > window) slot--;
    return slot;
}

static mw_status open_case(const look *l, mw_err *err) {
    if (l->s->cases) return MW_OK;
    l->s->cases = mw_calloc(l->rules->mem, 1, sizeof *l->s->cases);
    return l->s->cases ? MW_OK : mw_fail_nomem(err, "sensor quality");
}

static mw_status flag(const look *l, int64_t time_us, uint8_t bit, mw_err *err) {
    int32_t slot = slot_of(l, time_us);
    if (slot < 0) return stretch(l, time_us, time_us, bit, l->device->before_rows, 1, err);
    mw_status status = open_case(l, err);
    if (status) return status;
    l->s->cases->bits[slot] |= bit;
    l->s->cases->flagged[slot]++;
    return MW_OK;
}

/* --- single values ------------------------------------------------------------------------------ */

static mw_status flag_range(const look *l, const double *values, int64_t n, mw_err *err) {
    const mw_quality__sensor *s = l->s;
    for (int64_t i = 0; i < n; i++) {
        bool given = values[i] < s->given_low || values[i] > s->given_high;
        if (!given && values[i] >= s->own_low && values[i] <= s->own_high) continue;
        uint8_t bit = given ? MW_QUALITY_OUT_OF_RANGE : MW_QUALITY_OWN_RANGE;
        mw_status status = flag(l, time_of(l, i), bit, err);
        if (status) return status;
    }
    return MW_OK;
}

/* The values that were away came back: they are spikes. Those of a sensor that is spiky by nature only count. */
static mw_status flag_away(const look *l, mw_err *err) {
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    if (s->n_spikes < SPIKES_MAX) s->n_spikes++;
    for (int32_t k = 0; k < s->n_away && s->spiky < spiky_by_nature && !status; k++)
        status = flag(l, s->away_us[k], MW_QUALITY_SPIKE, err);
    s->n_away = 0;
    return status;
}

/* Follows values away from where they were; a spike is known when one comes back. */
static mw_status follow_away(const look *l, const double *values, int64_t n, mw_err *err) {
    mw_quality__sensor *s = l->s;
    double before = s->last;
    mw_status status = MW_OK;
    for (int64_t i = 0; i < n && !status; before = values[i++]) {
        double way = values[i] - s->base, size = mw_abs(way);
        if (s->n_away && size <= return_share * s->least_away) {
            status = flag_away(l, err);
            continue;
        }
        bool further =
            s->n_away && s->n_away < MW_QUALITY_AWAY && (way > 0) == s->is_up && size > s->spike_at;
        if (!further) {
            s->n_away = 0;
            way = values[i] - before;
            size = mw_abs(way);
            if (!(size > s->spike_at)) continue;
            s->base = before;
            s->is_up = way > 0;
            s->least_away = size;
        }
        if (size < s->least_away) s->least_away = size;
        s->away_us[s->n_away++] = time_of(l, i);
    }
    return status;
}

/* Distinct values, until there are more than a state has; of the many values of a state, every sixteenth is enough. */
static void add_levels(mw_quality__sensor *s, const double *values, int64_t n) {
    for (int64_t i = 0; i < n && s->n_levels <= MW_QUALITY_LEVELS; i++) {
        if (s->n_looked_at++ >= LEVELS_ALL && s->n_looked_at % LEVELS_EVERY) continue;
        int32_t k = 0;
        while (k < s->n_levels && s->levels[k] != values[i]) k++;
        if (k < s->n_levels) continue;
        if (s->n_levels < MW_QUALITY_LEVELS) s->levels[k] = values[i];
        s->n_levels++;
    }
}

/* --- runs of equal values ----------------------------------------------------------------------- */

/* Reports the run so far, up to time_us, when it is long enough; else it becomes part of the past at its end. */
static mw_status judge_run(const look *l, int64_t time_us, bool ended, mw_err *err) {
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    bool stuck = s->run_told > 0 || mw_quality__is_stuck(l->rules->options, s, time_us);
    if (stuck && s->run > s->run_told) {
        int64_t n = s->run - s->run_told;
        int64_t from_us =
            s->run_told ? l->device->windows[0] * l->rules->options->window_us : s->run_us;
        if (from_us > time_us) from_us = time_us;
        status = stretch(l, from_us, time_us, MW_QUALITY_STUCK, n, n, err);
        s->run_told = s->run;
        s->stuck = true;
    }
    if (!ended) return status;
    if (s->last == 0) {
        s->rests_at_zero = true;
        if (!stuck) s->n_idle += s->run;
        return status;
    }
    if (!stuck && s->run > s->longest_run) s->longest_run = s->run;
    if (s->rest[0] != s->last) {
        s->rest[1] = s->rest[0];
        s->rest[0] = s->last;
    }
    return status;
}

static mw_status end_run(const look *l, double value, int64_t time_us, mw_err *err) {
    mw_quality__sensor *s = l->s;
    if (s->run < RUN_MIN) return MW_OK;
    double last = s->last;
    s->last = value;
    mw_status status = judge_run(l, time_us, true, err);
    s->last = last;
    return status;
}

static void start_run(mw_quality__sensor *s, int64_t time_us) {
    s->run = 1;
    s->run_us = time_us;
    s->run_told = 0;
}

/* The run goes on through values [n] whose neighbors are equal as the mask says; the first is already in. */
static mw_status walk_runs(const look *l, const double *values, const uint64_t *equal, int64_t n,
                           mw_err *err) {
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    for (int64_t i = 0; i < n - 1 && !status;) {
        int64_t left = 64 - i % 64 < n - 1 - i ? 64 - i % 64 : n - 1 - i;
        uint64_t word = equal[i / 64] >> (i % 64);
        int64_t same = ~word ? __builtin_ctzll(~word) : 64;
        if (same > left) same = left;
        s->run += same;
        i += same;
        if (same == left) continue;
        word >>= same;
        int64_t moves = word ? __builtin_ctzll(word) : 64;
        if (moves > left - same) moves = left - same;
        status = end_run(l, values[i], time_of(l, i), err);
        i += moves;
        start_run(s, time_of(l, i));
    }
    return status;
}

static mw_status add_runs(const look *l, const double *values, const mw_quality__scan *scan,
                          int64_t n, mw_err *err) {
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    if (values[0] == s->last) {
        s->run++;
    } else {
        if (s->run) status = end_run(l, s->last, s->last_us, err);
        start_run(s, time_of(l, 0));
    }
    if (status) return status;
    if (scan->figures.n_equal) return walk_runs(l, values, scan->equal, n, err);
    if (n == 1) return MW_OK;
    status = end_run(l, values[0], time_of(l, 0), err);
    start_run(s, time_of(l, n - 1));
    return status;
}

/* --- runs of missing values --------------------------------------------------------------------- */

static bool is_open_gap(const look *l) {
    return l->s->gap_told > 0 || mw_quality__is_gap(l->rules->options, l->s);
}

static mw_status judge_gap(const look *l, bool ended, mw_err *err) {
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    bool open = is_open_gap(l);
    if (open && s->gap > s->gap_told) {
        int64_t from_us =
            s->gap_told ? l->device->windows[0] * l->rules->options->window_us : s->gap_us;
        if (from_us > s->gap_to_us) from_us = s->gap_to_us;
        status = stretch(l, from_us, s->gap_to_us, MW_QUALITY_GAP, 0, s->gap - s->gap_told, err);
        s->gap_told = s->gap;
        s->gappy = true;
    }
    if (!ended) return status;
    if (!open && s->gap > s->longest_gap) s->longest_gap = s->gap;
    s->gap = s->gap_told = 0;
    return status;
}

static mw_status add_missing(const look *l, int64_t row, mw_err *err) {
    mw_quality__sensor *s = l->s;
    if (!s->born) return MW_OK;
    mw_status status = open_case(l, err);
    if (status) return status;
    int32_t slot = l->device->n_windows == 1 ? 0 : slot_of(l, l->times[row]);
    if (slot >= 0) s->cases->missing[slot]++;
    if (!s->gap++) s->gap_us = l->times[row];
    s->gap_to_us = l->times[row];
    return MW_OK;
}

/* --- blocks ------------------------------------------------------------------------------------- */

/* The largest step, that from the value before included. */
static double largest_step(const mw_quality__sensor *s, double first, double step) {
    double before = mw_abs(first - s->last); /* NaN: none before */
    return before > step ? before : step;
}

static void sum_up(const look *l, const mw_quality__figures *f, double first, double last,
                   int64_t n) {
    mw_quality__sensor *s = l->s;
    mw_quality__span *open = &s->open;
    double step = largest_step(s, first, f->step);
    if (!open->n || f->min < open->min) open->min = f->min;
    if (!open->n || f->max > open->max) open->max = f->max;
    if (step > open->step) open->step = step;
    open->n += n;
    open->n_equal += f->n_equal + (first == s->last);
    open->n_up += f->n_up + (first > s->last);
    s->last = last;
    s->last_us = time_of(l, n - 1);
}

static mw_status add_finite(const look *l, const double *values, const mw_quality__scan *scan,
                            int64_t n, mw_err *err) {
    mw_quality__sensor *s = l->s;
    const mw_quality__figures *f = &scan->figures;
    mw_status status = MW_OK;
    if (!s->born) {
        s->born = true;
        s->since_us = time_of(l, 0);
    }
    if (largest_step(s, values[0], f->step) > s->spike_at || s->n_away)
        status = follow_away(l, values, n, err);
    if (!status && (f->min < s->alarm_low || f->max > s->alarm_high))
        status = flag_range(l, values, n, err);
    if (!status) status = add_runs(l, values, scan, n, err);
    if (status) return status;
    if (s->n_levels <= MW_QUALITY_LEVELS) add_levels(s, values, n);
    sum_up(l, f, values[0], values[n - 1], n);
    return MW_OK;
}

static mw_status add_kept(look *l, const double *kept, const int32_t *where, int64_t n,
                          mw_err *err) {
    mw_quality__scan scan;
    if (n == 0) return MW_OK;
    l->rules->scan.block(kept, n, &scan);
    l->where = where;
    mw_status status = add_finite(l, kept, &scan, n, err);
    l->where = NULL;
    return status;
}

/* Rows of which some have no value, or an infinite one: the others are looked at as one block, cut only where a gap is told, so that
 * records come in order of time. */
static mw_status add_holes(look *l, const double *values, int64_t n, mw_err *err) {
    double kept[MW_QUALITY_BLOCK];
    int32_t where[MW_QUALITY_BLOCK];
    mw_quality__sensor *s = l->s;
    mw_status status = MW_OK;
    int64_t m = 0;
    for (int64_t i = 0; i < n && !status; i++) {
        if (mw_isfinite(values[i])) {
            if (s->gap && is_open_gap(l)) {
                status = add_kept(l, kept, where, m, err);
                m = 0;
            }
            if (s->gap && !status) status = judge_gap(l, true, err);
            kept[m] = values[i];
            where[m++] = (int32_t)i;
            continue;
        }
        if (!mw_isnan(values[i])) status = flag(l, l->times[i], MW_QUALITY_OUT_OF_RANGE, err);
        if (!s->born && m > 0 && !status) {
            status = add_kept(l, kept, where, m, err);
            m = 0;
        }
        if (!status) status = add_missing(l, i, err);
    }
    return status ? status : add_kept(l, kept, where, m, err);
}

/* Whether nothing among the values is worth a look: add_finite would only sum them up. */
static bool is_plain(const mw_quality__sensor *s, const mw_quality__values *v) {
    const mw_quality__figures *f = v->figures;
    return f && f->finite && s->born && !s->gap && !s->n_away && s->n_levels > MW_QUALITY_LEVELS &&
           f->min >= s->alarm_low && f->max <= s->alarm_high && s->run + f->n_equal + 1 < RUN_MIN &&
           !(largest_step(s, v->at[0], f->step) > s->spike_at);
}

static void add_plain(const look *l, const mw_quality__values *v) {
    mw_quality__sensor *s = l->s;
    const double *end = v->at + (v->n - 1) * v->stride;
    int64_t run = 1;
    for (const double *at = end; run < v->n && at[0] == at[-v->stride]; at -= v->stride) run++;
    if (run == v->n && v->at[0] == s->last) {
        s->run += run;
    } else {
        start_run(s, time_of(l, v->n - run));
        s->run = run;
    }
    sum_up(l, v->figures, v->at[0], *end, v->n);
}

mw_status mw_quality__sensor_add(const mw_quality__rules *rules, const mw_quality__device *device,
                                 mw_quality__sensor *s, int32_t column, const mw_quality__values *v,
                                 const int64_t *times, mw_err *err) {
    look l = {rules, device, s, column, times, NULL};
    mw_status status = MW_OK;
    if (is_plain(s, v)) {
        add_plain(&l, v);
        return MW_OK;
    }
    double together[MW_QUALITY_BLOCK];
    mw_quality__scan scan;
    for (int64_t at = 0, m; at < v->n && !status; at += m) {
        m = v->n - at < MW_QUALITY_BLOCK ? v->n - at : MW_QUALITY_BLOCK;
        const double *values = v->stride == 1 ? v->at + at : together;
        for (int64_t i = 0; i < m && v->stride != 1; i++) together[i] = v->at[(at + i) * v->stride];
        l.times = times + at;
        rules->scan.block(values, m, &scan);
        if (!scan.figures.finite) {
            status = add_holes(&l, values, m, err);
            continue;
        }
        if (s->gap) status = judge_gap(&l, true, err);
        if (!status) status = add_finite(&l, values, &scan, m, err);
    }
    return status;
}

mw_status mw_quality__sensor_missing(const mw_quality__rules *rules,
                                     const mw_quality__device *device, mw_quality__sensor *s,
                                     int32_t column, const int64_t *times, int64_t n, mw_err *err) {
    look l = {rules, device, s, column, times, NULL};
    mw_status status = MW_OK;
    for (int64_t i = 0; i < n && s->born && !status; i++) status = add_missing(&l, i, err);
    return status;
}

mw_status mw_quality__sensor_break(const mw_quality__rules *rules, const mw_quality__device *device,
                                   mw_quality__sensor *s, int32_t column, mw_err *err) {
    look l = {rules, device, s, column, NULL, NULL};
    mw_status status = end_run(&l, s->last, s->last_us, err);
    s->run = s->run_told = 0;
    s->last = MW_NAN;
    s->n_away = 0;
    return status;
}

mw_status mw_quality__sensor_runs(const mw_quality__rules *rules, const mw_quality__device *device,
                                  mw_quality__sensor *s, int32_t column, mw_err *err) {
    look l = {rules, device, s, column, NULL, NULL};
    mw_status status = s->run >= RUN_MIN ? judge_run(&l, s->last_us, false, err) : MW_OK;
    if (!status && s->gap) status = judge_gap(&l, false, err);
    return status;
}
