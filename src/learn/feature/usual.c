/*
 * usual.c -- a ring of distances and the same in order; most of the time the one that goes is the one that comes.
 */
#include "learn/feature/usual.h"

enum { ENOUGH = 3, TIMES = 10 };

int64_t mw_usual_gap(int64_t usual_us) {
    return usual_us > INT64_MAX / TIMES ? INT64_MAX : usual_us * TIMES;
}

void mw_usual_add(mw_usual *u, int64_t distance) {
    int64_t *sorted = u->sorted;
    const int64_t gone = u->n == MW_USUAL_DISTANCES ? u->last[u->at] : INT64_MAX;
    u->last[u->at] = distance;
    u->at = (u->at + 1) % MW_USUAL_DISTANCES;
    if (gone == distance && u->n == MW_USUAL_DISTANCES) return;
    if (u->n < MW_USUAL_DISTANCES) sorted[u->n++] = INT64_MAX;
    int32_t i = 0;
    while (sorted[i] != gone) i++;
    for (; i + 1 < u->n && sorted[i + 1] < distance; i++) sorted[i] = sorted[i + 1];
    for (; i > 0 && sorted[i - 1] > distance; i--) sorted[i] = sorted[i - 1];
    sorted[i] = distance;
    if (u->n >= ENOUGH) u->gap = mw_usual_gap(sorted[(u->n - 1) / 2]);
}
