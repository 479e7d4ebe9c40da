/*
 * quality.h -- what is wrong with a sensor itself, per window of time, as bits beside the data.
 *
 * What      for each (device, sensor, window) the flags below; only windows with a flag are kept. They say nothing about the machine: a
 *           later scoring may ignore or weigh such windows.
 * Input     chunks ordered by time (arrange.h): time, labels, then columns; numbers are sensors.
 * Memory    a bounded state a (device, sensor); docs/guide/sensor-quality.md has each rule with its numbers.
 */
#ifndef MW_KEEP_INGEST_QUALITY_H
#define MW_KEEP_INGEST_QUALITY_H

#include "core/base/dir.h"
#include "core/base/files.h"
#include "core/param/param.h"
#include "core/table/chunk.h"
#include "learn/feature/stream_saved.h"

enum mw_quality_bit {
    MW_QUALITY_STUCK = 1,        /* the same value again and again while it used to move */
    MW_QUALITY_FLAT = 2,         /* a variation far below its own earlier one */
    MW_QUALITY_OUT_OF_RANGE = 4, /* outside the range given, or far outside its own */
    MW_QUALITY_SPIKE = 8,        /* one to three values that jump away and back */
    MW_QUALITY_GAP = 16,         /* rows or values missing for many sampling intervals */
    MW_QUALITY_CLOCK = 32,       /* the device's clock stood, jumped, or its interval changed */
    MW_QUALITY_UNIT =
        64 /* the level changed by a factor between units (degC/degF, kPa/bar, W/kW) */
};
enum { MW_QUALITY_BITS = 7 };
extern const char *const mw_quality_names[MW_QUALITY_BITS]; /* "stuck", ... */

/* quality_window (1h), range, quality_gap, quality_spike, quality_stuck. Ended by a NULL name. */
extern const mw_param mw_quality_params[];

typedef struct mw_quality mw_quality;

/* Beyond MW_LIMIT(QUALITY_SENSORS) further devices are not judged, beyond MW_LIMIT(QUALITY_STRETCHES) further rows are left out; both
 * are logged with their number. MW_EINVAL for a range that is none. schema is borrowed and may grow. device: its column of device codes, or -1. */
mw_status mw_quality_new(const mw_ctx *ctx, const mw_schema *schema, int32_t device,
                         const mw_args *args, mw_quality **ret, mw_err *err);
/* Cost: 0.4 ns a cell that is in the cache, 2 more when windows have a dozen rows, 1 more when devices take turns in no fixed order. */
mw_status mw_quality_add(mw_quality *quality, const mw_chunk *chunk, mw_err *err);
/* Forgets all rows, for a second pass. */
void mw_quality_restart(mw_quality *quality);
/*
 * The flagged windows, ordered by (time, device, sensor): time (start), end, device_id, sensor (dictionary; missing: the device's rows and
 * clock), bits, n_windows, n_values, n_flagged (float64). Neighboring windows with the same bits are one row of n_windows. n_values: values
 * in them (of a stuck run its own, of a gap 0); n_flagged: of these at fault, or of a gap the values that are not there. Once, or after a restart.
 */
mw_status mw_quality_finish(mw_quality *quality, mw_table **ret, mw_err *err);
void *mw_quality_free(mw_quality *quality);
/* Such a table as the file beside the segments of a source, named by its content. content: the source's hash. */
mw_status mw_quality_write(const mw_ctx *ctx, const mw_table *table, const char *source,
                           const char *content, mw_dir *dir, char ret_name[MW_FILE_HASH_NAME],
                           mw_err *err);

/* ---- rows without an end: a quality that is never finished, but told as it goes ---- */

/* What is found from now on is told under this number, which is larger than those before (0 at first). The same number changes nothing. A row of the table
 * never covers what was found under two numbers. */
void mw_quality_mark(mw_quality *quality, int64_t number);
/* What was found under this number, as mw_quality_finish has it; *ret NULL: nothing. */
mw_status mw_quality_told(const mw_quality *quality, int64_t number, mw_table **ret, mw_err *err);
/*
 * What is found of these devices (codes [n], ascending) if no row comes any more, of all numbers that are kept: those windows that mw_quality_finish would
 * give, with those bits. *ret NULL: nothing. The state stays as it is.
 *
 * Cost      a look at each stretch that is kept; a copy of each device's sensors.
 */
mw_status mw_quality_known(const mw_quality *quality, const int32_t *devices, size_t n,
                           mw_table **ret, mw_err *err);
/* Drops what was found under smaller numbers and ends more than reach_us before its device's newest row; and of smaller numbers the oldest
 * beyond half of MW_LIMIT(QUALITY_STRETCHES), so that there is room for what comes. */
void mw_quality_forget(mw_quality *quality, int64_t number, int64_t reach_us);
/* As bytes, in the machine's byte order. */
mw_status mw_quality_save(const mw_quality *quality, mw_stream_sink sink, mw_err *err);
/* Into a new quality of the same schema, which has the devices' dictionary: goes on with the same bits. *bytes: behind what was read. MW_EDATA: bytes that no
 * quality of this program can have given; quality is of no use then. */
mw_status mw_quality_load(mw_quality *quality, mw_str *bytes, mw_err *err);

/* Flagged windows of one sensor, all devices together. */
typedef struct mw_quality_total {
    int64_t n_windows;
    int64_t by_bit[MW_QUALITY_BITS];
    double flagged_s; /* their time */
} mw_quality_total;

/* Adds up tables of mw_quality_finish, per sensor in order of first appearance; the sensor "" is the device's rows and clock. */
typedef struct mw_quality_totals mw_quality_totals;
mw_status mw_quality_totals_new(mw_mem *mem, mw_quality_totals **ret, mw_err *err);
void *mw_quality_totals_free(mw_quality_totals *totals);
/* Only rows of this device, or NULL: all. MW_EDATA when the table is no table of flagged windows. */
mw_status mw_quality_totals_add(mw_quality_totals *totals, const mw_table *table,
                                const char *device, mw_err *err);
int32_t mw_quality_totals_count(const mw_quality_totals *totals);
/* i < count; the views are good until the next add. */
const mw_quality_total *mw_quality_totals_get(const mw_quality_totals *totals, int32_t i,
                                              mw_str *ret_sensor);

#endif
