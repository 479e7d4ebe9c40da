/*
 * miner_long.h -- inside this folder: the plant that the generator's profile miner-long simulates.
 *
 * What      an open-pit mine's machines, each a small physical model stepped once per interval: the
 *           crew's rhythm sets the load, the load sets power, power heats the engine and so on. See
 *           docs/guide/sample-plant.md for the equations and the faults.
 * Bytes     every draw is keyed by (seed, machine and purpose, step), so no draw depends on another
 *           machine's; arithmetic is plain float64 and core/base/math.
 */
#ifndef MW_KEEP_INGEST_MINER_LONG_H
#define MW_KEEP_INGEST_MINER_LONG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/alloc.h"

enum { MW_MINER_PARAMETERS = 7, MW_MINER_FAULT_PARAMETERS = 2 };

typedef struct mw_miner_parameter {
    const char *name;
    double scale; /* values are rounded to 1 / scale */
} mw_miner_parameter;

extern const mw_miner_parameter mw_miner_parameters[MW_MINER_PARAMETERS];

typedef struct mw_miner_plan {
    uint64_t seed;
    int64_t start_us, interval_us;
    int64_t n_steps;
    int32_t n_machines;
} mw_miner_plan;

/* Which disturbance, on which machine, from which step to which (half-open). */
typedef struct mw_miner_fault {
    int32_t machine;
    int32_t kind; /* index for mw_miner_fault_kind */
    int64_t first_step, end_step;
} mw_miner_fault;

typedef struct mw_miner_fault_kind {
    const char *name;
    int32_t parameters[MW_MINER_FAULT_PARAMETERS]; /* that show it; -1: none */
    double hours;                                  /* usual length */
} mw_miner_fault_kind;

const mw_miner_fault_kind *mw_miner_fault_kind_of(const mw_miner_fault *fault);

/* At most one fault per machine at a time; sorted by machine, then start. Returns the number
 * written to out [capacity]. */
size_t mw_miner_place_faults(const mw_miner_plan *plan, mw_miner_fault *out, size_t capacity);
/* How many faults a plant of that size gets. */
size_t mw_miner_n_faults(const mw_miner_plan *plan);

typedef struct mw_miner_machine {
    int32_t index;
    double load_drift;   /* slow deviation of the load, AR(1) */
    double engine_temp;  /* degC */
    double payload_part; /* 0..1 */
    double stuck_value;  /* NaN: not stuck */
    int64_t gap_until;   /* step; no rows before it */
} mw_miner_machine;

/* What a machine reports at one step. */
typedef struct mw_miner_reading {
    bool silent; /* a gap: no rows at all */
    double values[MW_MINER_PARAMETERS];
    bool dropped[MW_MINER_PARAMETERS]; /* this reading has no row */
    bool empty[MW_MINER_PARAMETERS];   /* it has a row without a value */
} mw_miner_reading;

void mw_miner_machine_init(mw_miner_machine *machine, const mw_miner_plan *plan, int32_t index);
/* Steps must come in order, from 0. fault: the one in force on this machine, or NULL. */
void mw_miner_step(mw_miner_machine *machine, const mw_miner_plan *plan, int64_t step,
                   const mw_miner_fault *fault, mw_miner_reading *ret);

/* Texts; buffers of 32 bytes. */
enum { MW_MINER_TEXT = 32 };
void mw_miner_device(int32_t machine, char id[MW_MINER_TEXT], char name[MW_MINER_TEXT]);
const char *mw_miner_category(int32_t machine);
/* Who drives the machine at that time: crews rotate weekly through the shifts. */
void mw_miner_employee(int32_t machine, int64_t time_us, char id[MW_MINER_TEXT],
                       char name[MW_MINER_TEXT]);

#endif
