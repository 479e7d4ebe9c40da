/*
 * same_trees.h -- are two ensembles of trees the same to the byte? For tests of learners that must not differ: at any number of threads, beside
 * a slower way, after a pause.
 */
#ifndef MW_TESTS_SUPPORT_SAME_TREES_H
#define MW_TESTS_SUPPORT_SAME_TREES_H

#include "learn/tree/trees.h"
#include "support/harness.h"

enum { MW_DIFFERENCE_MAX = 160 };

/* Whether anything but accounts and scorers differs. text: what differs first, and of lists and nodes where. */
bool mw_trees_differ(const mw_trees *a, const mw_trees *b, char text[MW_DIFFERENCE_MAX]);

/* Fails with what differs first. */
#define assert_same_trees(a, b)                                                          \
    do {                                                                                 \
        char assert_difference[MW_DIFFERENCE_MAX];                                       \
        if (mw_trees_differ(a, b, assert_difference)) fail_msg("%s", assert_difference); \
    } while (0)

#endif
