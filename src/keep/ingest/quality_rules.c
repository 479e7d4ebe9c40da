/*
 * quality_rules.c -- the end of a span: is it like this sensor's past, and what is learned from it.
 *
 * Each span is one minimum, maximum and largest step. The past is an envelope (all values), the smallest range of a span, and decayed
 * means of ranges, steps and moves of the level whose input is cut at four times their value, so that a single span moves them little:
 * a recursive M-estimate with a bounded influence (Huber, Robust Statistics, 1981, 6.4; Hampel et al., 1986). A span is learned one span late,
 * and only when neither it nor the one after it is bad: the rows just before a fault is certain would teach the fault.
 * docs/guide/sensor-quality.md has every rule with its numbers.
 */
#include "core/base/math.h"
#include "keep/ingest/quality_state.h"

enum {
    ENOUGH_VALUES = 8,   /* a span with fewer goes on into the next one */
    KNOWN_VALUES = 128,  /* before it can be called stuck */
    KNOWN_SHARES = 4,    /* spans before a missing value can be called a gap */
    KNOWN_STEPS = 8,     /* spans before a step can be called a spike */
    KNOWN_LEVEL = 12,    /* spans before a level can be called another unit */
    KNOWN_SPANS = 24,    /* spans, and two days, before a range can be called strange */
    ACCEPTED_AFTER = 96, /* strange spans in a row become the normal */
    COUNT_MAX = 1 << 20, /* values counted before older ones count half */
    CUT = 4              /* times the mean: what more a span can teach */
};

static const int64_t known_us = INT64_C(48) * 3600 * 1000000;
static const double moving_share =
    0.1; /* of changes: below it is a setpoint, a state, a slow counter */
static const double coarse_share = 0.9;   /* below it equal neighbors are common */
static const double counter_share = 0.98; /* of moves in one direction */
static const double flat_part = 0.1;      /* of the smallest range so far */
static const double own_widths = 5;       /* of the envelope, beyond it */
static const double usual_share = 0.9;    /* a sensor that usually has values */

/* new = factor * old + offset, and back. */
typedef struct conversion {
    double factor, offset;
} conversion;

static const conversion conversions[] = {
    {1.8, 32},              /* degC -> degF */
    {1, 273.15},            /* degC -> K */
    {5.0 / 9, 2298.35 / 9}, /* degF -> K */
    {100, 0},               /* bar -> kPa, fraction -> percent */
    {14.503773773, 0},      /* bar -> psi */
    {6.894757293, 0},       /* psi -> kPa */
    {145.03773773, 0},      /* MPa -> psi */
    {10, 0},                /* MPa -> bar */
    {1000, 0},              /* kW -> W, MPa -> kPa */
    {1e6, 0},               /* MW -> W */
    {25.4, 0},              /* in/s -> mm/s */
    {3.6, 0},               /* m/s -> km/h */
};
enum { CONVERSIONS = sizeof conversions / sizeof *conversions };

static double changed_share(const mw_quality__sensor *s) {
    return s->n ? (double)s->n_changed / (double)s->n : 0;
}

/* The same without the hours in which the machine stood. */
static double working_share(const mw_quality__sensor *s) {
    int64_t n = s->n - s->n_idle;
    return n > s->n_changed ? (double)s->n_changed / (double)n : 1;
}

static bool is_measure(const mw_quality__sensor *s) {
    return s->n_levels > MW_QUALITY_LEVELS && changed_share(s) >= moving_share;
}

/* Goes one way, resets aside: hours of operation, pieces made. */
static bool is_counter(const mw_quality__sensor *s) {
    double up = (double)s->n_up, all = (double)s->n_changed;
    return up >= counter_share * all || up <= (1 - counter_share) * all;
}

static bool is_known(const mw_quality__sensor *s) {
    return s->n_spans >= KNOWN_SPANS && mw_quality__step(s->since_us, s->last_us) >= known_us;
}

bool mw_quality__is_stuck(const mw_quality__options *options, const mw_quality__sensor *s,
                          int64_t time_us) {
    if (s->n < KNOWN_VALUES || s->n_levels_before <= MW_QUALITY_LEVELS || is_counter(s))
        return false;
    if (s->last == s->rest[0] || s->last == s->rest[1]) return false;
    if (s->last == s->low || s->last == s->high) return false;
    if (s->last == 0 && s->rests_at_zero) return false;
    double share = working_share(s), least = 4 * (double)s->longest_run;
    if (changed_share(s) < moving_share) return false;
    if (least < (double)options->stuck_values) least = (double)options->stuck_values;
    if (share < coarse_share && mw_quality__step(s->since_us, time_us) < known_us) return false;
    double coarse = (double)options->stuck_values / (share * share * share * share);
    if (least < coarse) least = coarse;
    return (double)s->run >= least;
}

bool mw_quality__is_gap(const mw_quality__options *options, const mw_quality__sensor *s) {
    if ((double)s->gap <= options->gap_factor) return false;
    if (s->n_shares < KNOWN_SHARES || s->share <= 0) return false;
    double least = options->gap_factor / s->share;
    if (least < 3 * (double)s->longest_gap) least = 3 * (double)s->longest_gap;
    return (double)s->gap > least;
}

/* --- learning ----------------------------------------------------------------------------------- */

static void follow(double *mean, double value) {
    double most = CUT * *mean;
    *mean += ((value < most ? value : most) - *mean) / 8;
}

static void set_alarms(const mw_quality__options *options, mw_quality__sensor *s) {
    bool measure = is_measure(s);
    double width = s->high - s->low;
    s->own_low = -MW_INFINITY;
    s->own_high = MW_INFINITY;
    if (measure && is_known(s) && !is_counter(s) && width > 0) {
        s->own_low = s->low - own_widths * width;
        s->own_high = s->high + own_widths * width;
    }
    s->alarm_low = s->own_low > s->given_low ? s->own_low : s->given_low;
    s->alarm_high = s->own_high < s->given_high ? s->own_high : s->given_high;
    double usual = options->spike_factor * s->step, most = 1.5 * s->largest_step;
    s->spike_at =
        measure && s->n_spans >= KNOWN_STEPS ? (usual > most ? usual : most) : MW_INFINITY;
}

static void learn(const mw_quality__options *options, mw_quality__sensor *s,
                  const mw_quality__span *span) {
    double middle = span->min / 2 + span->max / 2, range = span->max - span->min;
    if (s->n_spans == 0) {
        s->low = span->min;
        s->high = span->max;
        s->range = s->drift = range;
        s->step = s->largest_step = span->step;
        s->least_range = MW_INFINITY;
    }
    if (span->min < s->low) s->low = span->min;
    if (span->max > s->high) s->high = span->max;
    if (s->n_spans) {
        /* A mean of 0 would cut everything. */
        if (s->range <= 0) s->range = range / 8;
        if (s->drift <= 0) s->drift = mw_abs(middle - s->middle) / 8;
        if (s->step <= 0) s->step = span->step / 8;
        follow(&s->range, range);
        follow(&s->drift, mw_abs(middle - s->middle));
        follow(&s->step, span->step);
    }
    s->least_range *= 1 + 1.0 / 512;
    if (range > 0 && range < s->least_range) s->least_range = range;
    s->largest_step *= 1 - 1.0 / 256;
    if (span->step > s->largest_step) s->largest_step = span->step;
    s->middle = middle;
    s->n_spans++;
    s->n += span->n;
    s->n_changed += span->n - span->n_equal;
    s->n_up += span->n_up;
    if (s->n > COUNT_MAX) {
        s->n /= 2;
        s->n_changed /= 2;
        s->n_up /= 2;
        s->n_idle /= 2;
    }
    set_alarms(options, s);
}

/* The past no longer counts: what was strange for long is the normal now. */
static void forget(mw_quality__sensor *s) {
    s->n_spans = 0;
    s->n = s->n_changed = s->n_up = s->n_idle = 0;
    s->since_us = s->last_us;
    s->strange = 0;
    s->held.n = 0;
    s->unit = 0;
    s->own_low = -MW_INFINITY;
    s->own_high = MW_INFINITY;
    s->alarm_low = s->given_low;
    s->alarm_high = s->given_high;
    s->spike_at = MW_INFINITY;
}

/* --- units -------------------------------------------------------------------------------------- */

/* unit: k + 1 when values are now in the new unit of conversion k, -(k + 1) when they went the other way. */
static double to_old(int32_t unit, double value) {
    const conversion *c = &conversions[(unit > 0 ? unit : -unit) - 1];
    return unit > 0 ? (value - c->offset) / c->factor : value * c->factor + c->offset;
}

bool mw_quality__is_unit(int32_t unit) { return unit >= -CONVERSIONS && unit <= CONVERSIONS; }

static bool explains(const mw_quality__sensor *s, int32_t unit, double *ret_miss) {
    const mw_quality__span *open = &s->open;
    double low = to_old(unit, open->min), high = to_old(unit, open->max);
    double width = s->high - s->low, slack = s->unit ? width / 2 : width / 10;
    if (low < s->low - slack || high > s->high + slack) return false;
    if (s->unit) return true;
    double tolerance = 4 * s->drift > 2 * s->range ? 4 * s->drift : 2 * s->range;
    double most = mw_abs(open->min / 2 + open->max / 2 - s->middle) / 8;
    if (tolerance > most) tolerance = most;
    *ret_miss = mw_abs(low / 2 + high / 2 - s->middle);
    return *ret_miss <= tolerance && high - low <= 4 * s->range && high - low >= s->range / 4;
}

static int32_t find_unit(const mw_quality__sensor *s) {
    double width = s->high - s->low, miss = 0, least = MW_INFINITY;
    if (s->n_spans < KNOWN_LEVEL || !is_measure(s) || is_counter(s)) return 0;
    if (s->open.min <= s->high + width / 4 && s->open.max >= s->low - width / 4) return 0;
    if (s->unit) return explains(s, s->unit, &miss) ? s->unit : 0;
    int32_t found = 0;
    for (int32_t k = 1; k <= CONVERSIONS; k++)
        for (int32_t unit = -k; unit <= k; unit += 2 * k)
            if (explains(s, unit, &miss) && miss < least) {
                least = miss;
                found = unit;
            }
    return found;
}

/* --- the end of a span -------------------------------------------------------------------------- */

static bool is_flat(const mw_quality__sensor *s) {
    double range = s->open.max - s->open.min;
    return range > 0 && is_known(s) && is_measure(s) && !is_counter(s) &&
           range < flat_part * s->least_range;
}

static uint32_t seen_bits(const mw_quality__sensor *s, const mw_quality__device *device) {
    uint32_t bits = 0;
    for (int32_t k = 0; s->cases && k < device->n_windows; k++) bits |= s->cases->bits[k];
    return bits;
}

/* Share of rows with a value in this span; true: too few for this sensor. */
static bool judge_share(mw_quality__sensor *s, const mw_quality__device *device, int64_t n) {
    double share = (double)n / (double)device->n_rows;
    if (s->n_shares >= KNOWN_SHARES && s->share >= usual_share && share < 0.5) return true;
    if (s->gappy) return false;
    s->share = s->n_shares ? s->share + (share - s->share) / 16 : share;
    if (s->n_shares < KNOWN_SPANS) s->n_shares++;
    return false;
}

/* What a change of unit explains. */
static const uint32_t explained = MW_QUALITY_OWN_RANGE | MW_QUALITY_SPIKE;

/* One record a window that has something to say. */
static mw_status tell(const mw_quality__rules *rules, const mw_quality__device *device,
                      mw_quality__sensor *s, int32_t column, uint32_t bits, bool scarce,
                      mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t k = 0; k < device->n_windows && !status; k++) {
        const mw_quality__case *c = s->cases;
        int64_t missing = c ? c->missing[k] : 0, rows = device->rows[k];
        uint32_t all = bits | (c ? c->bits[k] : 0);
        if (bits & MW_QUALITY_UNIT) all &= ~explained;
        if (all & MW_QUALITY_OWN_RANGE) all |= MW_QUALITY_OUT_OF_RANGE;
        all &= ~(uint32_t)MW_QUALITY_OWN_RANGE;
        if (scarce && 2 * missing > rows) all |= MW_QUALITY_GAP;
        if (!all) continue;
        mw_quality__record record = {.first = device->windows[k],
                                     .last = device->windows[k],
                                     .device = device->code,
                                     .sensor = column,
                                     .bits = all,
                                     .n_values = rows - missing,
                                     .n_flagged = c ? c->flagged[k] : 0};
        if (bits) record.n_flagged = record.n_values;
        if (all == MW_QUALITY_GAP) record.n_flagged = s->gappy ? 0 : missing; /* told as a run */
        status = mw_quality__record_add(rules->records, &record, &s->record, err);
    }
    return status;
}

/* A quiet time that has ended may have been the machine's: the next one has to be quieter still (by the geometric mean). */
static void learn_quiet(mw_quality__sensor *s, bool flat) {
    if (flat) {
        s->flat_range = s->open.max - s->open.min;
    } else if (s->flat_range > 0) {
        s->least_range = mw_sqrt(s->least_range) * mw_sqrt(s->flat_range);
        s->flat_range = 0;
    }
}

static void close_learning(const mw_quality__rules *rules, mw_quality__sensor *s, uint32_t bits) {
    if (s->held.n && !bits) learn(rules->options, s, &s->held);
    s->held = (mw_quality__span){0};
    if (!bits && !s->wary) s->held = s->open;
    s->wary = bits & (MW_QUALITY_UNIT | MW_QUALITY_OWN_RANGE);
    learn_quiet(s, bits & MW_QUALITY_FLAT);
    s->strange = bits & (MW_QUALITY_FLAT | MW_QUALITY_OWN_RANGE) ? s->strange + 1 : 0;
    if (s->strange > ACCEPTED_AFTER) forget(s);
}

mw_status mw_quality__sensor_close(const mw_quality__rules *rules, const mw_quality__device *device,
                                   mw_quality__sensor *s, int32_t column, mw_err *err) {
    mw_status status = mw_quality__sensor_runs(rules, device, s, column, err);
    if (status) return status;
    uint32_t bits = 0;
    bool scarce = false, judged = s->open.n >= ENOUGH_VALUES;
    if (s->born && mw_quality__window(s->since_us, rules->options->window_us) < device->windows[0])
        scarce = judge_share(s, device, s->open.n - s->n_carried);
    if (judged) {
        s->unit = (int16_t)find_unit(s);
        if (s->unit) bits |= MW_QUALITY_UNIT;
        if (!s->unit && is_flat(s)) bits |= MW_QUALITY_FLAT;
    }
    if (bits || s->cases) status = tell(rules, device, s, column, bits, scarce, err);
    if (judged) {
        bits |= seen_bits(s, device) | (s->stuck ? MW_QUALITY_STUCK : 0u);
        if (s->unit) bits &= ~explained;
        if (mw_isfinite(s->spike_at)) s->spiky += ((s->n_spikes > 0) - s->spiky) / 64;
        close_learning(rules, s, bits);
        s->open = (mw_quality__span){0};
    }
    s->n_carried = s->open.n;
    s->n_levels_before = s->n_levels;
    s->cases = mw_free(s->cases);
    s->stuck = s->gappy = false;
    s->n_spikes = 0;
    return status;
}
