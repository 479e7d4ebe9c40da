/*
 * arrivals.h -- rows of one device in the order in which they arrive, which need not be that of their times.
 *
 * What      each row gets its features when it comes, from the rows of its device that have come by then and are not later than it: what somebody who asks
 *           at that moment can know. A row older than the newest one is late. The program's lateness says by how much it may be: it then is
 *           used, its features are those as of its time, and rows that come after it see it; features that were given out stay. Later than that, it
 *           is not used and gets none. A row of a time that is there already is a repetition: not used, and it gets the features as of that time.
 * How       with a lateness, a second device (`settled`) is as far as no late row can come before, and the rows after it are kept in the order of their
 *           times. A late row is put among them, and the device is made anew of the settled one and them.
 * Cost      a late row costs as much as all rows of the lateness before the newest one, and in-order rows twice as much as without a lateness.
 */
#ifndef MW_LEARN_FEATURE_ARRIVALS_H
#define MW_LEARN_FEATURE_ARRIVALS_H

#include "learn/feature/device.h"

typedef enum mw_fate {
    MW_FATE_USED,
    MW_FATE_LATE_USED,
    MW_FATE_REPEATED,
    MW_FATE_LATE,
    MW_FATE_UNUSABLE
} mw_fate;
enum { MW_FATES = MW_FATE_UNUSABLE + 1 };

typedef struct mw_arrivals mw_arrivals;

mw_status mw_arrivals_new(mw_mem *mem, const mw_program *program, mw_arrivals **ret, mw_err *err);
void *mw_arrivals_free(mw_arrivals *arrivals);

/* Whether a row of this time comes too late to be used, after the device's newest one. */
static inline bool mw_arrivals_is_late(const mw_program *program, int64_t newest, int64_t time) {
    const int64_t lateness = program->options.lateness_us;
    return time < newest && (lateness <= 0 || time <= newest - lateness);
}

/* As mw_device_push, with times in any order; MW_TIME_NONE is unusable. counts [MW_FATES] are added to. */
mw_status mw_arrivals_push(mw_arrivals *arrivals, mw_device_scratch *scratch, const int64_t *times,
                           const double *const *columns, int64_t n, float *const *out,
                           int64_t counts[MW_FATES], mw_err *err);

/*
 * What pushes of rows of these times, in this order, would make of each, in out [n]; arrivals NULL: of a device without a row yet. Nothing
 * changes. MW_ETOOLARGE: they could be more than MW_LIMIT(FEATURE_LATE_ROWS) within the lateness.
 */
mw_status mw_arrivals_foresee(const mw_arrivals *arrivals, const mw_program *program,
                              const int64_t *times, int64_t n, mw_fate *out, mw_err *err);

/* Features of the newest row [n_outputs], and its time (MW_TIME_NONE: no row yet). */
const float *mw_arrivals_newest(const mw_arrivals *arrivals, int64_t *ret_time);

/* As mw_device_save and mw_device_load. */
void mw_arrivals_save(const mw_arrivals *arrivals, mw_buf *out);
mw_status mw_arrivals_load(mw_mem *mem, const mw_program *program, mw_device_scratch *scratch,
                           mw_str bytes, mw_arrivals **ret, mw_err *err);

#endif
