/*
 * usual.h -- the usual distance between a device's rows, as it is at any time: the median of the last ones.
 */
#ifndef MW_LEARN_FEATURE_USUAL_H
#define MW_LEARN_FEATURE_USUAL_H

#include <stdint.h>

enum { MW_USUAL_DISTANCES = 31 };

/* Zeroed: no row yet. */
typedef struct mw_usual {
    int64_t gap; /* what is more is a gap; 0: not known yet */
    int32_t n, at;
    int64_t last[MW_USUAL_DISTANCES], sorted[MW_USUAL_DISTANCES];
} mw_usual;

int64_t mw_usual_gap(int64_t usual_us); /* ten times that */
void mw_usual_add(mw_usual *usual, int64_t distance);

#endif
