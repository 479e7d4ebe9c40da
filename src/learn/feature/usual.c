/* usual.c -- see usual.h. A median for 31 rows costs a row next to nothing. */
#include "learn/feature/usual.h"

enum { ENOUGH = 3, TIMES = 10 };

int64_t mw_usual_gap(int64_t usual_us) {
    return usual_us > INT64_MAX / TIMES ? INT64_MAX : usual_us * TIMES;
}

int64_t mw_usual_distance(const mw_usual *usual) { return usual->gap / TIMES; }

/* The lower one of the two in the middle. */
static int64_t median(const mw_usual *u) {
    int64_t sorted[MW_USUAL_DISTANCES] = {0};
    for (int32_t n = 0; n < u->n; n++) {
        int32_t i = n;
        for (; i > 0 && sorted[i - 1] > u->distances[n]; i--) sorted[i] = sorted[i - 1];
        sorted[i] = u->distances[n];
    }
    return sorted[(u->n - 1) / 2];
}

void mw_usual_add(mw_usual *u, int64_t distance) {
    u->distances[u->n++] = distance;
    const int is_whole = u->n == MW_USUAL_DISTANCES;
    if (is_whole || (!u->had && u->n >= ENOUGH)) u->gap = mw_usual_gap(median(u));
    if (!is_whole) return;
    u->had = 1;
    u->n = 0;
}
