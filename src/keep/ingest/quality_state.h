/*
 * quality_state.h -- what sensor quality remembers, shared by the quality_*.c files of this folder.
 *
 * Span      the rows of a device that are judged together: whole windows in a row with at least MW_QUALITY_SPAN_ROWS rows. A window with
 *           that many rows is a span of its own; hourly rows in windows of an hour are judged sixteen at a time.
 * Order     every figure is a minimum, a maximum, a count, or is computed once at the end of a span, and every threshold is fixed while
 *           a span is open: how rows are cut into chunks, and the CPU level, cannot change a result.
 */
#ifndef MW_KEEP_INGEST_QUALITY_STATE_H
#define MW_KEEP_INGEST_QUALITY_STATE_H

#include "keep/ingest/quality.h"

enum {
    MW_QUALITY_SPAN_ROWS = 16, /* and so the most windows of a span that have rows */
    MW_QUALITY_BLOCK = 1024,   /* values looked at in one step */
    MW_QUALITY_LEVELS = 12,    /* a sensor with no more distinct values is a state, not a measure */
    MW_QUALITY_AWAY = 3,       /* values of a spike at most */
    MW_QUALITY_STEPS = 32,     /* steps of the clock judged together */
    MW_QUALITY_TURNS = 8,      /* fewer devices that take turns are looked at one by one */
    MW_QUALITY_OWN_RANGE = 128 /* internal bit: out of its own range, unless a unit explains it */
};

/* Counts are told as float64: beyond that more is not counted (a gap of ages on a clock of microseconds). */
#define MW_QUALITY_COUNT_MAX (INT64_C(1) << 53)

/* What some values in a row say together: see quality_scan.c. */
typedef struct mw_quality__figures {
    double min, max, step; /* step: largest |value - value before| */
    int64_t n_equal, n_up; /* values equal to, and above, the one before */
    bool finite;           /* else the rest means nothing */
} mw_quality__figures;

typedef struct mw_quality__scan {
    mw_quality__figures figures;
    uint64_t equal[MW_QUALITY_BLOCK / 64]; /* bit i: value i + 1 equals value i */
} mw_quality__scan;

/* The vector passes, all with the same results at every CPU level. */
typedef struct mw_quality__scanner {
    /* Values [n] of one device, 1 <= n <= MW_QUALITY_BLOCK. */
    void (*block)(const double *values, int64_t n, mw_quality__scan *ret);
    /* Values [n] of n_devices that take turns: value i is of device i % n_devices; MW_QUALITY_TURNS <= n_devices <= n. ret [n_devices]. */
    void (*turns)(const double *values, int64_t n, int64_t n_devices, mw_quality__figures *ret);
} mw_quality__scanner;
mw_quality__scanner mw_quality__choose_scanner(void);

/* A stretch of windows first .. last with the same bits. sensor -1: the device's clock and rows. */
typedef struct mw_quality__record {
    int64_t first, last;
    int32_t device, sensor; /* code; index of a schema column */
    uint32_t bits;
    uint32_t zero; /* in place of padding: records are saved as they lie in memory */
    int64_t n_values, n_flagged;
    int64_t mark; /* mw_quality_mark's number when it was found */
} mw_quality__record;

typedef struct mw_quality__records {
    mw_mem *mem;
    mw_quality__record *items;
    size_t n, capacity;
    int64_t n_left_out; /* beyond MW_LIMIT(QUALITY_STRETCHES) */
    int64_t mark;       /* of what is added */
} mw_quality__records;

/* Adds a stretch, or lengthens *at (index + 1 of the sensor's latest one, 0: none) when it goes on. */
mw_status mw_quality__record_add(mw_quality__records *records, const mw_quality__record *record,
                                 uint32_t *at, mw_err *err);
/* The records of finish: overlaps split, neighbors joined, ordered by (time, device, sensor). */
mw_status mw_quality__report(const mw_ctx *ctx, const mw_quality__records *records,
                             const mw_schema *schema, int32_t device, int64_t window_us,
                             mw_table **ret, mw_err *err);

/* Per window of an open span, made when there is something to say. */
typedef struct mw_quality__case {
    uint8_t bits[MW_QUALITY_SPAN_ROWS];
    int64_t flagged[MW_QUALITY_SPAN_ROWS], missing[MW_QUALITY_SPAN_ROWS];
} mw_quality__case;

/* The figures of one span. */
typedef struct mw_quality__span {
    double min, max, step;
    int64_t n, n_equal, n_up;
} mw_quality__span;

typedef struct mw_quality__sensor {
    /* What every block touches comes first: two cache lines. */
    mw_quality__span open;
    double last; /* value; NaN: none */
    int64_t last_us;
    int64_t run, run_us, run_told; /* equal values up to now, since when, how many are reported */
    int64_t gap;                   /* rows without a value up to now */
    double alarm_low, alarm_high, spike_at; /* fixed while a span is open */
    uint8_t n_levels, n_spikes, n_away;     /* spikes: in the open span, also those not reported */
    uint8_t
        n_levels_before; /* n_levels when the last span closed: how values come in blocks must not matter */
    bool is_up;          /* values are away upwards */
    bool born, wary;    /* had a value; the span before was bad */
    bool rests_at_zero; /* has stood at 0 for long */
    bool stuck, gappy;  /* in the open span */

    mw_quality__span held; /* the last good span, learned when the next one is good too */
    int64_t n_carried; /* values of the spans before that are in `open`, since they were too few */
    mw_quality__case *cases;             /* owned; of the open span */
    int64_t gap_us, gap_to_us, gap_told; /* first and last row without a value; how many reported */
    int64_t longest_run, longest_gap;    /* of the good past */
    double rest[2];                      /* values it has rested at for long */
    /* Values that left their place by more than a spike needs, until they are back or too many. */
    double base, least_away;
    int64_t away_us[MW_QUALITY_AWAY];
    /* The good past; figures of spans are decayed means with outliers cut. */
    double low, high;           /* envelope of all values */
    double middle, drift;       /* of the last span; between neighboring spans */
    double range, least_range;  /* of spans; the smallest, slowly forgotten */
    double flat_range;          /* of the flat span before; 0: it was none */
    double step, largest_step;  /* largest step of a span; the largest of all, slowly forgotten */
    double share;               /* rows with a value */
    double spiky;               /* share of spans with spikes */
    int64_t n, n_changed, n_up; /* halved now and then */
    int64_t n_idle;             /* values in long runs of 0; halved with them */
    int64_t since_us;           /* first value */
    double own_low, own_high, given_low, given_high; /* what alarms are made of */
    double levels[MW_QUALITY_LEVELS];                /* distinct values [min(n_levels, LEVELS)] */
    int64_t n_looked_at;                             /* values that were, for levels */
    /* Index + 1 of the latest record of each kind: how kinds take turns must not matter. */
    uint32_t record, stuck_record, gap_record;
    int32_t n_spans, n_shares; /* learned */
    int32_t strange;           /* spans in a row that are unlike the past */
    int16_t unit;              /* conversion in force, see quality_rules.c; 0: none */
} mw_quality__sensor;

typedef struct mw_quality__device {
    mw_quality__sensor *sensors; /* [n_sensors] owned */
    int32_t n_sensors, code;
    bool left_out; /* beyond MW_LIMIT(QUALITY_SENSORS) */
    /* the open span */
    int32_t n_windows;
    int64_t windows[MW_QUALITY_SPAN_ROWS], rows[MW_QUALITY_SPAN_ROWS];
    int64_t n_rows;
    int64_t window_end_us; /* of the last window */
    int64_t before_rows;   /* rows of the last window of the span before */
    /* the clock */
    bool started;
    int64_t last_us, first_step_us;
    int64_t steps[MW_QUALITY_STEPS];
    int32_t n_steps, n_other; /* in the block; blocks in a row with another interval */
    int64_t least_step, most_step;
    int64_t spacing, wide; /* usual step and the 90 % one; 0: not known yet */
    bool regular, exact;   /* 80 % of the steps within 25 %, within 2 % of the usual one */
    int64_t n_standing, standing_from_us, standing_to_us; /* rows without a step in the block */
    double standing_share;
    uint32_t record;
} mw_quality__device;

/* Options, borrowed by the rules. */
typedef struct mw_quality__options {
    int64_t window_us;
    double gap_factor, spike_factor;
    int64_t stuck_values;
} mw_quality__options;

typedef struct mw_quality__rules {
    const mw_quality__options *options;
    mw_quality__records *records;
    mw_mem *mem;
    mw_quality__scanner scan;
} mw_quality__rules;

void mw_quality__sensor_init(mw_quality__sensor *s, double given_low, double given_high);
/* Values of a sensor, borrowed: value i is at[i * stride]. figures: theirs; NULL: not known. */
typedef struct mw_quality__values {
    const double *at;
    int64_t n, stride;
    const mw_quality__figures *figures;
} mw_quality__values;

/* Values of schema column `column` at times [values->n], all in the device's open span. */
mw_status mw_quality__sensor_add(const mw_quality__rules *rules, const mw_quality__device *device,
                                 mw_quality__sensor *s, int32_t column,
                                 const mw_quality__values *values, const int64_t *times,
                                 mw_err *err);
/* Rows without a value, since the column came later. */
mw_status mw_quality__sensor_missing(const mw_quality__rules *rules,
                                     const mw_quality__device *device, mw_quality__sensor *s,
                                     int32_t column, const int64_t *times, int64_t n, mw_err *err);
/* What comes next has nothing to do with what came before: rows are missing in between. */
mw_status mw_quality__sensor_break(const mw_quality__rules *rules, const mw_quality__device *device,
                                   mw_quality__sensor *s, int32_t column, mw_err *err);
/* Reports runs of equal and of missing values as far as they go. */
mw_status mw_quality__sensor_runs(const mw_quality__rules *rules, const mw_quality__device *device,
                                  mw_quality__sensor *s, int32_t column, mw_err *err);
/* Whether the run of equal values up to time_us, or of missing ones, is too long for this sensor. */
bool mw_quality__is_stuck(const mw_quality__options *options, const mw_quality__sensor *s,
                          int64_t time_us);
bool mw_quality__is_gap(const mw_quality__options *options, const mw_quality__sensor *s);
/* The device's span ends. */
mw_status mw_quality__sensor_close(const mw_quality__rules *rules, const mw_quality__device *device,
                                   mw_quality__sensor *s, int32_t column, mw_err *err);

/* One more row of the device at time_us (not before the last); *ret_gap: rows are missing before it. */
mw_status mw_quality__clock_add(const mw_quality__rules *rules, mw_quality__device *device,
                                int64_t time_us, bool *ret_gap, mw_err *err);
mw_status mw_quality__clock_finish(const mw_quality__rules *rules, mw_quality__device *device,
                                   mw_err *err);

/* A range that was given. */
typedef struct mw_quality__range {
    char *name; /* owned */
    double low, high;
    bool used;
} mw_quality__range;

struct mw_quality {
    const mw_ctx *ctx;
    const mw_schema *schema;
    int32_t device;
    mw_quality__options options;
    mw_quality__rules rules;
    mw_quality__records records;
    mw_quality__range *ranges;
    size_t n_ranges;
    /* number columns of the schema */
    int32_t *columns; /* [n_sensors] */
    double (*given)[2];
    int32_t n_sensors, capacity, n_looked_at;
    mw_quality__device **devices; /* [n_devices] by code + 1; NULL: not seen */
    int32_t n_devices;
    int64_t n_states;   /* sensors of all devices */
    int64_t n_left_out; /* devices beyond the limit */
    /* of one chunk */
    int64_t *times;         /* [n_rows] of the device in hand */
    uint32_t *order;        /* [n_rows] row numbers, device by device */
    uint32_t *places;       /* [n_rows] where a row stands in order */
    const double **numbers; /* [n_sensors] of the rows in hand; NULL: none */
    double *sorted;         /* [room_sorted] numbers, sensor by sensor, device by device */
    size_t room_sorted;
    mw_quality__figures *figures; /* [n_sensors][devices that take turns] */
    size_t room_figures;
    uint32_t *counts; /* [n_devices] all 0 between chunks */
    int32_t *touched; /* [n_devices] */
    int64_t room_rows;
    int32_t room_devices;
};

/* Room for a chunk of so many rows, and for what its schema and dictionaries have by now. */
mw_status mw_quality__make_room(mw_quality *quality, int64_t n_rows, mw_err *err);
void mw_quality__free_device(mw_quality__device *device); /* NULL is allowed */
/* As if no row came any more. */
mw_status mw_quality__finish_device(mw_quality *quality, mw_quality__device *device, mw_err *err);
void mw_quality__tell_limits(const mw_quality *quality);
/* Whether a sensor can have this as its unit. */
bool mw_quality__is_unit(int32_t unit);

/* Window of a time: floor(time / window). */
static inline int64_t mw_quality__window(int64_t time_us, int64_t window_us) {
    int64_t window = time_us / window_us;
    return window - (time_us < 0 && window * window_us != time_us);
}

/* From a time to one that is not before it; past int64 as long as can be. */
static inline int64_t mw_quality__step(int64_t from_us, int64_t to_us) {
    uint64_t step = (uint64_t)to_us - (uint64_t)from_us;
    return step > INT64_MAX ? INT64_MAX : (int64_t)step;
}

#endif
