/*
 * device_parts.h -- inside this folder: what a device is made of, for device.c and its snapshots.
 */
#ifndef MW_LEARN_FEATURE_DEVICE_PARTS_H
#define MW_LEARN_FEATURE_DEVICE_PARTS_H

#include "learn/feature/device.h"
#include "learn/feature/usual.h"
#include "learn/feature/window_cells.h"

/* Kept signals of past rows lie in one block, each in [capacity] numbers. */
struct mw_device {
    const mw_program *program;
    mw_mem *mem;
    int64_t n_rows; /* so far */
    int32_t held, capacity;
    int64_t *times; /* [capacity] of the last `held` rows */
    double *kept;   /* [n_kept][capacity] */
    int32_t run;    /* of the last row */
    mw_usual usual;
    mw_window_state *windows; /* [n_windows] */
    char *state;              /* [state_bytes] */
};

/* Pointers that a caller of mw_device_push with this scratch may use for its arguments: see mw_device__places. */
typedef struct mw_device_places {
    const double **columns; /* [n_inputs] */
    float **out;            /* [n_outputs] */
} mw_device_places;

mw_device_places mw_device__places(const mw_device_scratch *scratch);

/* How many of the last rows the next one may read: those in its windows, and one before them. */
int32_t mw_device__reach(const mw_device *device);
/* Room for that many rows; those held stay. */
mw_status mw_device__grow(mw_device *device, int32_t capacity, mw_err *err);

#endif
