/*
 * device.h -- a feature program at work on the rows of one device.
 *
 * What      rows come in the order of their times, each later than the one before; features of each come out. Any number of rows a push, with the
 *           same bits.
 * Gap       a distance to the row before of more than ten usual ones. The usual one is the program's sampling interval, or else the median of the
 *           device's last whole 31 distances, of all while there are fewer (no gap before three).
 * Memory    the rows that windows reach back to, and a few numbers for each node: freed by mw_device_free.
 * Threads   one at a time on a device; a scratch belongs to a thread.
 */
#ifndef MW_LEARN_FEATURE_DEVICE_H
#define MW_LEARN_FEATURE_DEVICE_H

#include "core/base/str.h"
#include "learn/feature/program.h"

typedef struct mw_device mw_device;
typedef struct mw_device_scratch mw_device_scratch;

mw_status mw_device_new(mw_mem *mem, const mw_program *program, mw_device **ret, mw_err *err);
void *mw_device_free(mw_device *device);

mw_status mw_device_scratch_new(mw_mem *mem, const mw_program *program, mw_device_scratch **ret,
                                mw_err *err);
void *mw_device_scratch_free(mw_device_scratch *scratch);

int64_t mw_device_last(const mw_device *device); /* time of the last row, us; MW_TIME_NONE: none */

/*
 * times [n], strictly increasing and after mw_device_last; columns [n_inputs][n]; NaN and infinities are missing. out [n_outputs][n], NaN where
 * missing or beyond a float. After an error the device is of no use any more. MW_ETOOLARGE: more rows in its windows than
 * MW_LIMIT(FEATURE_PAST_ROWS).
 */
mw_status mw_device_push(mw_device *device, mw_device_scratch *scratch, const int64_t *times,
                         const double *const *columns, int64_t n, float *const *out, mw_err *err);

/*
 * A device as bytes, of this program and this machine's byte order: the rows that windows reach back to, and what nodes cannot find in them. One
 * loaded from them goes on with the same bits. MW_EDATA for bytes that cannot be such; the caller checks that they are what was saved.
 */
void mw_device_save(const mw_device *device, mw_buf *out);
mw_status mw_device_load(mw_mem *mem, const mw_program *program, mw_str bytes, mw_device **ret,
                         mw_err *err);

#endif
