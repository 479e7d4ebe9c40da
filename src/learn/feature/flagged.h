/*
 * flagged.h -- flagged stretches of time of a device's sensors, and those of the features that are made of them.
 *
 * What      a sensor that was flagged in [begin, end) flags each output that reads it (reach.h) in [begin + least, end + most): the bits go along. Bits are
 *           only joined here, and mean what whoever flags says (keep/ingest/quality.h).
 * Device    a stretch of the whole device (its rows, its clock) is one of all inputs; one of its clock, of features of the time alone, too.
 * Memory    24 bytes a stretch, at most MW_LIMIT(FEATURE_STRETCHES).
 */
#ifndef MW_LEARN_FEATURE_FLAGGED_H
#define MW_LEARN_FEATURE_FLAGGED_H

#include "core/base/ctx.h"
#include "core/table/table.h"
#include "learn/feature/program.h"

enum { MW_FLAGGED_ALL = -1 };

typedef struct mw_flagged {
    int64_t begin, end; /* us; the end does not belong to it */
    int32_t device;     /* number from 0 */
    int32_t column;     /* of inputs, MW_FLAGGED_ALL: of the device; or of outputs */
    uint32_t bits;
} mw_flagged;

typedef struct mw_flagged_list {
    mw_mem *mem;
    mw_flagged *items; /* [n] owned */
    size_t n, room;
} mw_flagged_list;

/* MW_ETOOLARGE, MW_ENOMEM. The list begins as {.mem = mem}. */
mw_status mw_flagged_add(mw_flagged_list *list, const mw_flagged *stretch, mw_err *err);
void mw_flagged_done(mw_flagged_list *list);

/* Whose stretches: numbers of devices by name. */
typedef struct mw_flagged_devices {
    const mw_dictionary *names; /* NULL: there is one device, 0 */
    int32_t nameless; /* number of the device whose rows name none; below 0: there is none */
} mw_flagged_devices;

/*
 * Adds those of a table of flagged windows (time, end, device_id, sensor, bits) that are of these sensors or of whole devices; others are left out.
 * sensors [n]: the names of the columns 0 .. n - 1; one that several have is all of theirs. MW_EDATA: another table.
 */
mw_status mw_flagged_read(const mw_table *table, const char *const *sensors, int32_t n,
                          const mw_flagged_devices *devices, mw_flagged_list *list, mw_err *err);

typedef struct mw_flagged_options {
    const int64_t *distances; /* [devices] usual ones of rows, us (reach.h); NULL: not known */
    uint32_t bits;            /* that go along; the others are left out */
    uint32_t clock_bits;      /* of a device's clock */
    bool together;            /* all outputs count as one, 0 */
} mw_flagged_options;

/*
 * Adds the stretches of outputs to ret, ordered by device, output and time: apart from each other, neighboring ones with other bits. Puts `inputs` in
 * order.
 *
 * Cost      a sort of each output's stretches; each device of another distance has the program followed anew.
 */
mw_status mw_flagged_outputs(const mw_ctx *ctx, const mw_program *program, mw_flagged_list *inputs,
                             const mw_flagged_options *options, mw_flagged_list *ret, mw_err *err);

/* The bits of device and output at a time, in a list of mw_flagged_outputs. */
uint32_t mw_flagged_at(const mw_flagged_list *outputs, int32_t device, int32_t column,
                       int64_t time);

/* A table of outputs' stretches, ordered by time, device, feature: time, end, device_id (missing where there is one device), feature, bits. Puts `outputs`
 * in that order. */
mw_status mw_flagged_table(mw_mem *mem, const mw_program *program, const mw_dictionary *devices,
                           mw_flagged_list *outputs, mw_table **ret, mw_err *err);

#endif
