/*
 * split_scan.h -- gains of all thresholds of a column at once.
 *
 * What      the plain search's gains (split.c), bit for bit, some bins in each vector: both sides' sums become doubles
 *           without rounding, and every operation on them is the one that the plain search does.
 * Cost      about 1 ns a bin.
 */
#ifndef MW_LEARN_TREE_SPLIT_SCAN_H
#define MW_LEARN_TREE_SPLIT_SCAN_H

#include "learn/tree/split.h"

enum { MW_SPLIT__BEYOND = 8, MW_SPLIT__ROOM = MW_BINS_SLOTS + MW_SPLIT__BEYOND };

typedef struct mw_split__scan {
    int64_t g[MW_SPLIT__ROOM],
        hn[MW_SPLIT__ROOM]; /* [n] sums of the bins up to each, the left side; then MW_SPLIT__BEYOND
                                                      numbers that are read but do not count */
    int32_t n;
    mw_slot more; /* on the left of every threshold, too */
    mw_slot sum;  /* of the node */
    mw_scale scale;
    double l2;
    double parent; /* what both sides must exceed */
    int64_t min_rows;
    double min_h;
} mw_split__scan;

/* Are sums of a node with so many rows exact in the vectors' doubles? */
bool mw_split__scans(mw_scale scale);

/* The first of the greatest rises over the parent and its place, or -infinity. */
double mw_split__scan_best(const mw_split__scan *scan, int32_t *ret_at);
#if defined(__x86_64__)
double mw_split__scan_avx2(const mw_split__scan *scan, int32_t *ret_at);
double mw_split__scan_avx512(const mw_split__scan *scan, int32_t *ret_at);
#endif

#endif
