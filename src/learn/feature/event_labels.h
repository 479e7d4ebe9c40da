/*
 * event_labels.h -- what a device's events (failures, alarms, repairs) say about its rows: whether one comes soon, and how long until the next one.
 *
 * What      both look ahead and are what a model is to predict. An event at the row's very time has happened: it is not the next one.
 * Observed  what is not known yet is missing. A device is observed until `until`, and what happens later is not used; MW_TIME_NONE: until its last row,
 *           and what happens later is used (a machine's last row is often the one before its failure).
 * Order     rows and events come in any order; events are put in order once, rows are looked up: O((rows + events) log events).
 * Lifetime  mw_events_new -> any number of questions, from any thread -> mw_events_free
 * Memory    16 bytes an event, twice that while they are put in order.
 * Errors    MW_ENOMEM, MW_ECANCELED, MW_ETOOLARGE (devices); MW_EINVAL for a horizon or cap that is not positive.
 */
#ifndef MW_LEARN_FEATURE_EVENT_LABELS_H
#define MW_LEARN_FEATURE_EVENT_LABELS_H

#include "core/base/ctx.h"
#include "core/text/datetime.h"

/* Borrowed. */
typedef struct mw_event_list {
    int64_t n;
    const int64_t *times;   /* [n] us; MW_TIME_NONE: not used */
    const int32_t *devices; /* [n] numbers from 0; NULL: one device. Below 0: not used */
    const int32_t *
        kinds; /* [n] numbers from 0; NULL: all are kind 0, that is, any kind counts. Below 0: not used */
} mw_event_list;

typedef struct mw_event_rows {
    int64_t n;
    const int64_t *times;   /* [n] us; MW_TIME_NONE: all is missing */
    const int32_t *devices; /* [n] as above */
} mw_event_rows;

typedef struct mw_events mw_events;

mw_status mw_events_new(const mw_ctx *ctx, const mw_event_list *list, mw_events **ret, mw_err *err);
void *mw_events_free(mw_events *events);

/* out [n] 1: an event of the kind in (t, t + horizon]; 0: none, and observed until t + horizon; NaN: not known yet. */
mw_status mw_events_within(const mw_ctx *ctx, const mw_events *events, const mw_event_rows *rows,
                           int32_t kind, int64_t horizon_us, int64_t until, double *out,
                           mw_err *err);

/* out [n] seconds to the next event of the kind, at most the cap; the cap where none follows that is known, and observed until t + cap; NaN: not known
 * yet. */
mw_status mw_events_until(const mw_ctx *ctx, const mw_events *events, const mw_event_rows *rows,
                          int32_t kind, int64_t cap_us, int64_t until, double *out, mw_err *err);

#endif
