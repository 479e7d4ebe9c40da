/*
 * usual.h -- the usual distance between a device's rows, as it is at any time: the median of its last whole 31 distances, or of all while there
 * are fewer.
 */
#ifndef MW_LEARN_FEATURE_USUAL_H
#define MW_LEARN_FEATURE_USUAL_H

#include <stdint.h>

enum { MW_USUAL_DISTANCES = 31 };

/* Zeroed: no row yet. */
typedef struct mw_usual {
    int64_t gap; /* what is more is a gap; 0: not known yet, with fewer than three distances */
    int32_t n;   /* distances at hand */
    int32_t had; /* 1 after the first 31 */
    int64_t distances[MW_USUAL_DISTANCES];
} mw_usual;

int64_t mw_usual_gap(int64_t usual_us);           /* ten times that */
int64_t mw_usual_distance(const mw_usual *usual); /* us; 0: not known yet */
void mw_usual_add(mw_usual *usual, int64_t distance);

#endif
