/*
 * miner_long.c -- the machines of profile miner-long. The engine is a first-order thermal system
 * (Newton's law of cooling): its temperature runs after the power with a time constant of 20
 * minutes, so the next value follows from power and temperature now better than from temperature
 * alone.
 */
#include "keep/ingest/miner_long.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"

#define US_PER_MINUTE (60.0 * 1e6)
#define HOURS_PER_DAY 24.0

enum { ENGINE_TEMP, OIL_PRESSURE, VIBRATION, FUEL_RATE, PAYLOAD, SPEED, HYDRAULIC_PRESSURE };

const mw_miner_parameter mw_miner_parameters[MW_MINER_PARAMETERS] = {
    {"engine_temp", 100},       /* degC */
    {"oil_pressure", 1000},     /* bar */
    {"vibration", 1000},        /* mm/s RMS */
    {"fuel_rate", 100},         /* l/h */
    {"payload", 10},            /* t */
    {"speed", 100},             /* km/h */
    {"hydraulic_pressure", 10}, /* bar */
};

/* One random stream per machine and purpose. */
enum { DRAW_STEP, DRAW_START, DRAW_FAULT, DRAW_N };

static const struct class {
    const char *id, *name, *category;
    double payload_t, speed_kmh, fuel_idle, fuel_power, hydraulic_bar;
} classes[] = {
    {"TRK", "Haul truck", "haulage", 220, 48, 28, 165, 95},
    {"DMP", "Dump truck", "haulage", 190, 52, 26, 150, 100},
    {"WTR", "Water truck", "service", 170, 46, 25, 140, 92},
    {"SCR", "Scraper", "earthwork", 180, 44, 27, 155, 104},
};

enum { N_CLASSES = sizeof classes / sizeof *classes };

static const struct class *class_of(int32_t machine) { return &classes[machine % N_CLASSES]; }

/* --- people
 * --------------------------------------------------------------------------------------- */

static const char *const given_names[] = {"Ana",   "Boris", "Carla", "Deniz", "Elif", "Farid",
                                          "Greta", "Hugo",  "Ines",  "Jonas", "Kofi", "Lena"};
static const char *const family_names[] = {"Alvarez", "Berg",  "Costa",   "Dubois", "Eriksen",
                                           "Fischer", "Gupta", "Hoffman", "Ivanov"};

enum { N_CREWS = 4, SHIFTS_PER_DAY = 3, SHIFT_HOURS = 8, FIRST_SHIFT_HOUR = 6 };

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

/* Shifts since 1970, from 06:00, 14:00 and 22:00. */
static int64_t shift_of(int64_t time_us) {
    const int64_t hour_us = INT64_C(3600000000);
    return floor_div(time_us - FIRST_SHIFT_HOUR * hour_us, SHIFT_HOURS * hour_us);
}

/* Three crews work, one is off; every week each moves one place on. */
static int32_t crew_of(int64_t time_us) {
    int64_t shift = shift_of(time_us);
    int64_t place = shift - floor_div(shift, SHIFTS_PER_DAY) * SHIFTS_PER_DAY;
    int64_t week = floor_div(shift, SHIFTS_PER_DAY * 7);
    int64_t crew = (place + week) % N_CREWS;
    return (int32_t)(crew < 0 ? crew + N_CREWS : crew);
}

static int32_t employee_of(int32_t machine, int64_t time_us) {
    return machine * N_CREWS + crew_of(time_us);
}

void mw_miner_device(int32_t machine, char id[MW_MINER_TEXT], char name[MW_MINER_TEXT]) {
    const struct class *class = class_of(machine);
    snprintf(id, MW_MINER_TEXT, "%s-%02d", class->id, machine / N_CLASSES + 1);
    snprintf(name, MW_MINER_TEXT, "%s %d", class->name, machine / N_CLASSES + 1);
}

const char *mw_miner_category(int32_t machine) { return class_of(machine)->category; }

void mw_miner_employee(int32_t machine, int64_t time_us, char id[MW_MINER_TEXT],
                       char name[MW_MINER_TEXT]) {
    enum { GIVEN = sizeof given_names / sizeof *given_names };
    enum { FAMILY = sizeof family_names / sizeof *family_names };
    int32_t employee = employee_of(machine, time_us);
    snprintf(id, MW_MINER_TEXT, "E%04d", 1001 + employee);
    snprintf(name, MW_MINER_TEXT, "%s %s", given_names[employee % GIVEN],
             family_names[(employee / GIVEN + employee) % FAMILY]);
}

/* --- rhythm
 * --------------------------------------------------------------------------------------- */

static double hour_of(int64_t time_us) {
    const int64_t day_us = INT64_C(86400000000);
    return (double)(time_us - floor_div(time_us, day_us) * day_us) / 3.6e9;
}

/* Planned load, 0..1: nights and weekends are slower, each shift begins and breaks with little
 * work. */
static double planned_load(int64_t time_us) {
    static const double day_factor[7] = {1, 1.03, 1.02, 1, 0.97, 0.7, 0.45}; /* Monday first */
    mw_civil civil;
    mw_time_civil(time_us, &civil);
    double hour = hour_of(time_us);
    double in_shift = hour - FIRST_SHIFT_HOUR;
    while (in_shift < 0) in_shift += HOURS_PER_DAY;
    while (in_shift >= SHIFT_HOURS) in_shift -= SHIFT_HOURS;
    double load = hour >= FIRST_SHIFT_HOUR && hour < 22 ? 0.78 : 0.6;
    if (in_shift < 0.5) load *= 0.35;
    if (in_shift >= 4 && in_shift < 4.5) load *= 0.25;
    return load * day_factor[civil.weekday];
}

static double ambient_temp(int64_t time_us) {
    double day = (double)time_us / 8.64e10;
    return 14 + 7 * mw_sin(2 * MW_PI * (hour_of(time_us) - 9) / HOURS_PER_DAY) +
           3 * mw_sin(2 * MW_PI * day / 6.3);
}

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* --- faults
 * --------------------------------------------------------------------------------------- */

enum { OVERHEATING, BEARING, STUCK, LEAK, SPIKES, N_FAULT_KINDS };

static const mw_miner_fault_kind fault_kinds[N_FAULT_KINDS] = {
    {"overheating", {ENGINE_TEMP, OIL_PRESSURE}, 9},
    {"bearing_wear", {VIBRATION, -1}, 30},
    {"stuck_sensor", {SPEED, -1}, 8},
    {"pressure_leak", {HYDRAULIC_PRESSURE, -1}, 12},
    {"spikes", {FUEL_RATE, VIBRATION}, 5},
};

const mw_miner_fault_kind *mw_miner_fault_kind_of(const mw_miner_fault *fault) {
    return &fault_kinds[fault->kind];
}

/* Placing looks at every pair. */
#define MAX_FAULTS 10000.0

/* One fault per machine and fortnight; a small plant gets one. */
size_t mw_miner_n_faults(const mw_miner_plan *plan) {
    const double fortnight_us = 14 * 8.64e10;
    double fortnights = (double)plan->n_steps * (double)plan->interval_us / fortnight_us;
    return (size_t)clamp(mw_floor(fortnights * plan->n_machines + 0.5), 1, MAX_FAULTS);
}

static bool overlaps(const mw_miner_fault *a, const mw_miner_fault *b) {
    return a->machine == b->machine && a->first_step < b->end_step && b->first_step < a->end_step;
}

static bool is_free(const mw_miner_fault *placed, size_t n, const mw_miner_fault *fault) {
    for (size_t i = 0; i < n; i++)
        if (overlaps(&placed[i], fault)) return false;
    return true;
}

static int by_machine(const void *a, const void *b) {
    const mw_miner_fault *x = a, *y = b;
    if (x->machine != y->machine) return x->machine < y->machine ? -1 : 1;
    return x->first_step < y->first_step ? -1 : 1; /* never equal: they do not overlap */
}

/* Kinds take turns; machine and start are drawn, again when the place is taken. */
size_t mw_miner_place_faults(const mw_miner_plan *plan, mw_miner_fault *out, size_t capacity) {
    enum { TRIES = 50 };
    size_t n = 0, wanted = mw_miner_n_faults(plan);
    for (size_t i = 0; i < wanted && n < capacity; i++) {
        int32_t kind = (int32_t)(i % N_FAULT_KINDS);
        double steps = fault_kinds[kind].hours * 60 * US_PER_MINUTE / (double)plan->interval_us;
        int64_t length = (int64_t)clamp(steps, 1, mw_floor((double)plan->n_steps / 4) + 1);
        mw_rng rng;
        mw_rng_init(&rng, plan->seed, DRAW_FAULT, i);
        for (int t = 0; t < TRIES; t++) {
            mw_miner_fault fault = {.kind = kind};
            fault.machine = (int32_t)mw_rng_below(&rng, (uint64_t)plan->n_machines);
            /* Not in the first tenth: something has to be normal first. */
            double from = (0.1 + 0.9 * mw_rng_uniform(&rng)) * (double)(plan->n_steps - length);
            fault.first_step = (int64_t)from;
            fault.end_step = fault.first_step + length;
            if (!is_free(out, n, &fault)) continue;
            out[n++] = fault;
            break;
        }
    }
    if (n > 1) qsort(out, n, sizeof *out, by_machine);
    return n;
}

static void apply_fault(mw_miner_machine *machine, const mw_miner_fault *fault, int64_t step,
                        mw_rng *rng, double *values) {
    double draw = mw_rng_uniform(rng), size = mw_rng_uniform(rng);
    if (!fault || fault->kind != STUCK) machine->stuck_value = MW_NAN;
    if (!fault) return;
    double done =
        (double)(step - fault->first_step + 1) / (double)(fault->end_step - fault->first_step);
    switch (fault->kind) {
    case OVERHEATING:
        values[ENGINE_TEMP] += 55 * done;
        values[OIL_PRESSURE] -= 2.2 * done;
        break;
    case BEARING: values[VIBRATION] += 1.2 * (mw_exp(2.4 * done) - 1); break;
    case STUCK:
        if (mw_isnan(machine->stuck_value)) machine->stuck_value = values[SPEED];
        values[SPEED] = machine->stuck_value;
        break;
    case LEAK: values[HYDRAULIC_PRESSURE] *= 1 - 0.7 * mw_sqrt(done); break;
    case SPIKES:
        if (draw < 0.35) values[FUEL_RATE] *= 2 + size;
        if (draw > 0.65) values[VIBRATION] *= 2.5 + 2 * size;
        break;
    default: break;
    }
}

/* --- one step
 * ------------------------------------------------------------------------------------- */

static uint64_t stream_of(int32_t machine, uint64_t purpose) {
    return ((uint64_t)machine + 1) * DRAW_N + purpose;
}

void mw_miner_machine_init(mw_miner_machine *machine, const mw_miner_plan *plan, int32_t index) {
    mw_rng rng;
    mw_rng_init(&rng, plan->seed, stream_of(index, DRAW_START), 0);
    *machine = (mw_miner_machine){.index = index,
                                  .engine_temp = 60 + 15 * mw_rng_uniform(&rng),
                                  .payload_part = mw_rng_uniform(&rng),
                                  .stuck_value = MW_NAN};
}

/* Keeps a share of what was there that does not depend on how long a step is. */
static double kept(const mw_miner_plan *plan, double time_constant_min) {
    return mw_exp(-(double)plan->interval_us / (US_PER_MINUTE * time_constant_min));
}

static double follow(double value, double target, double keep) {
    return target + (value - target) * keep;
}

/* A driver's habit, -1..1: how hard they push the machine. */
static double habit_of(const mw_miner_plan *plan, int32_t employee) {
    mw_rng rng;
    mw_rng_init(&rng, plan->seed, DRAW_FAULT + 1 + DRAW_N, (uint64_t)employee);
    return 2 * mw_rng_uniform(&rng) - 1;
}

/* Load 0..1.1 after this step's drift. */
static double step_load(mw_miner_machine *machine, const mw_miner_plan *plan, int64_t time_us,
                        double habit, mw_rng *rng) {
    double keep = kept(plan, 35);
    machine->load_drift =
        machine->load_drift * keep + 0.22 * mw_sqrt(1 - keep * keep) * mw_rng_normal(rng);
    return clamp(planned_load(time_us) + machine->load_drift + 0.05 * habit, 0.03, 1.1);
}

static void report(const mw_miner_machine *machine, double load, double power, double habit,
                   mw_rng *rng, double *values) {
    const struct class *class = class_of(machine->index);
    double full = machine->payload_part;
    double speed = class->speed_kmh * (0.15 + 0.85 * load) * (1 - 0.3 * full);
    values[ENGINE_TEMP] = machine->engine_temp + 0.35 * mw_rng_normal(rng);
    values[OIL_PRESSURE] =
        2.1 + 2.4 * load - 0.014 * (machine->engine_temp - 85) + 0.06 * mw_rng_normal(rng);
    values[VIBRATION] =
        (1.1 + 1.9 * load + 0.5 * full + 0.25 * habit) * (1 + 0.06 * mw_rng_normal(rng));
    values[FUEL_RATE] = (class->fuel_idle + class->fuel_power * power) *
                        (1 + 0.05 * habit + 0.025 * mw_rng_normal(rng));
    values[PAYLOAD] = clamp(class->payload_t * full * (1 + 0.02 * mw_rng_normal(rng)), 0, 1e6);
    values[SPEED] = clamp(speed * (1 + 0.05 * mw_rng_normal(rng)), 0, 1e6);
    values[HYDRAULIC_PRESSURE] =
        class->hydraulic_bar * (0.75 + 0.35 * load + 0.4 * full) * (1 + 0.02 * mw_rng_normal(rng));
}

/* Radio shadow: about once in five days, 15 minutes to 3 hours; single readings get lost, too. */
static void lose(mw_miner_machine *machine, const mw_miner_plan *plan, int64_t step, mw_rng *rng,
                 mw_miner_reading *ret) {
    double days = (double)plan->interval_us / 8.64e10;
    double begins = mw_rng_uniform(rng), length_min = 15 + 165 * mw_rng_uniform(rng);
    if (step >= machine->gap_until && begins < days / 5)
        machine->gap_until =
            step + (int64_t)(length_min * US_PER_MINUTE / (double)plan->interval_us);
    ret->silent = step < machine->gap_until;
    for (int p = 0; p < MW_MINER_PARAMETERS; p++) {
        double draw = mw_rng_uniform(rng);
        ret->dropped[p] = draw < 0.002;
        ret->empty[p] = draw > 0.9995;
    }
}

void mw_miner_step(mw_miner_machine *machine, const mw_miner_plan *plan, int64_t step,
                   const mw_miner_fault *fault, mw_miner_reading *ret) {
    int64_t time_us = plan->start_us + step * plan->interval_us;
    double habit = habit_of(plan, employee_of(machine->index, time_us));
    mw_rng rng;
    mw_rng_init(&rng, plan->seed, stream_of(machine->index, DRAW_STEP), (uint64_t)step);

    double load = step_load(machine, plan, time_us, habit, &rng);
    double fill = clamp(0.15 + 0.75 * load + 0.3 * mw_rng_normal(&rng), 0, 1);
    machine->payload_part = follow(machine->payload_part, fill, kept(plan, 12));
    double power = load * (0.55 + 0.45 * machine->payload_part);
    double settled = ambient_temp(time_us) + 48 + 52 * power;
    machine->engine_temp = follow(machine->engine_temp, settled, kept(plan, 20));

    report(machine, load, power, habit, &rng, ret->values);
    lose(machine, plan, step, &rng, ret);
    apply_fault(machine, fault, step, &rng, ret->values);
    for (int p = 0; p < MW_MINER_PARAMETERS; p++) {
        double scale = mw_miner_parameters[p].scale;
        ret->values[p] = mw_floor(ret->values[p] * scale + 0.5) / scale;
    }
}
