/*
 * plain_features.h -- features computed from their definitions, from all rows of a device at once and each row for itself: the slow oracle of
 * src/learn/feature, in the same order of additions.
 */
#ifndef MW_TESTS_SUPPORT_PLAIN_FEATURES_H
#define MW_TESTS_SUPPORT_PLAIN_FEATURES_H

#include "learn/feature/program.h"

typedef struct plain_rows { /* of one device, times ascending */
    int n;
    const int64_t *times;
    double **columns; /* [n_inputs][n] NaN: missing; nothing infinite */
    int64_t sampling_us;
    int64_t ahead_us; /* the clock, of UTC */
} plain_rows;

bool plain_knows(const mw_operator *op); /* the others have tests of their own */

/* Numbers of one feature for all rows; a and b are those of what it is made of. */
void plain_feature(const mw_feature_def *feature, const plain_rows *rows, const double *a,
                   const double *b, double *out);

#endif
