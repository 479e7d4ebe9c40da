/*
 * states.c -- for how long a value has been what it is, for how many rows, and how long ago it was last other than zero.
 *
 * One pass over the rows, oldest first; nothing is summed up. The first value counts as a change. A missing value says nothing: time goes on, the
 * number of rows does not, and the next value is compared with the last one before. Neither does a gap end anything.
 */
#include "core/base/math.h"
#include "learn/feature/operator.h"

enum { SINCE_CHANGE, RUN_LENGTH, SINCE_EVENT };

typedef struct state {
    int64_t rows; /* that the value has been the same; 0: no value yet */
    double value;
    int64_t changed_at; /* us */
    int64_t events;     /* 0: none yet; 1 */
    int64_t event_at;   /* us, the last */
} state;

static void take(state *s, double x, int64_t time) {
    if (s->rows == 0 || x != s->value) {
        s->rows = 0;
        s->value = x;
        s->changed_at = time;
    }
    s->rows++;
    if (x == 0) return;
    s->events = 1;
    s->event_at = time;
}

static double seconds(int64_t us) { return (double)us / 1e6; }

static mw_status push(const mw_feature_node *node, void *data, const mw_span *span,
                      const double *const *in, double *const *out, mw_mem *mem, mw_err *err) {
    (void)node;
    (void)mem;
    (void)err;
    state *s = data;
    for (int32_t i = 0; i < span->n; i++) {
        const double x = in[0][i];
        const int64_t time = span->times[i];
        if (!mw_isnan(x)) take(s, x, time);
        if (out[SINCE_CHANGE])
            out[SINCE_CHANGE][i] = s->rows > 0 ? seconds(time - s->changed_at) : MW_NAN;
        if (out[RUN_LENGTH]) out[RUN_LENGTH][i] = s->rows > 0 ? (double)s->rows : MW_NAN;
        if (out[SINCE_EVENT])
            out[SINCE_EVENT][i] = s->events > 0 ? seconds(time - s->event_at) : MW_NAN;
    }
    return MW_OK;
}

const mw_kernel mw_kernel_states = {.name = "states", .state_bytes = sizeof(state), .push = push};
