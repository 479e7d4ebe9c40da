/*
 * forest_sets.h -- a node's best split by a set of categories; shared by the forest_*.c files only.
 *
 * What      the node's rows come as groups: one for each category that is there, by ascending code, and one for the missing
 *           rows. A split is a set of groups; the one side's codes are the set, which goes left. The other side has the missing rows,
 *           or, where there are none, more rows: there go categories that the node does not have.
 * Source    values and two classes: groups in order of their mean target, cut in two: the best of all subsets (Fisher, JASA
 *           53, 1958; Breiman et al., "Classification and Regression Trees", 1984, section 4.2). More classes: in order along the
 *           first principal direction of the groups' class shares, weighted (Coppersmith, Hong, Hosking, Data Mining and
 *           Knowledge Discovery 3, 1999), as ranger has it (Wright, Koenig, PeerJ 7:e6339, 2019), but at every node.
 *           Extremely randomized trees: one subset, drawn evenly (Geurts, Ernst, Wehenkel, Machine Learning 63, 2006).
 * Lifetime  init -> (begin -> (add -> count*)* -> search)* -> done
 * Memory    72 bytes a category and 8 bytes a row for more than two classes.
 * Order     sums of whole numbers, and of float64 in the order of the groups and of the rows: the same for every way of
 *           growing.
 */
#ifndef MW_LEARN_TREE_FOREST_SETS_H
#define MW_LEARN_TREE_FOREST_SETS_H

#include "core/base/rng.h"
#include "learn/tree/forest.h"

/* Rows of one category at a node. */
typedef struct mw_forest__group {
    int32_t code;            /* -1: missing */
    int64_t n;               /* distinct rows */
    int64_t weight;          /* rows, as often as drawn */
    int64_t sum;             /* of weight * target; more than two classes use counts instead */
    int64_t first, n_counts; /* its counts */
    double place;            /* in the order that is cut */
} mw_forest__group;

typedef struct mw_forest__class_count {
    int32_t class_index;
    uint32_t weight;
} mw_forest__class_count;

typedef struct mw_forest__sets {
    int32_t n_classes;
    int32_t most_codes;       /* codes are below */
    mw_forest__group *groups; /* [most_codes + 1] */
    int32_t *order;           /* [most_codes + 1] groups by place */
    int32_t n_groups;
    mw_forest__class_count
        *counts; /* [rows] more than two classes: of each group, classes as they came */
    int64_t n_counts;
    int32_t *where; /* [n_classes] place of a class in the counts of the last group; -1: none */
    double *axis, *next; /* [n_classes] */
    double *left;        /* [n_classes] weighted counts on the left */
    uint32_t *words;     /* the best set, by code */
    int32_t n_words;     /* of words: enough for every code */
} mw_forest__sets;

/* The node, as the search needs it. */
typedef struct mw_forest__set_node {
    int64_t n, weight, sum, least; /* least: rows of a side, >= 1 */
    const int64_t *counts;         /* [n_classes] */
    const double *class_weights;   /* [n_classes], or NULL: ones */
    mw_rng *rng;                   /* a subset is drawn; NULL: the best one is looked for */
} mw_forest__set_node;

mw_status mw_forest__sets_init(mw_mem *mem, int32_t n_classes, int32_t most_codes, int64_t n_rows,
                               mw_forest__sets *sets, mw_err *err);
void mw_forest__sets_done(mw_forest__sets *sets);

/* No groups. */
void mw_forest__sets_begin(mw_forest__sets *sets);
/* One more group, without rows; codes ascend, missing rows come last. */
mw_forest__group *mw_forest__sets_add(mw_forest__sets *sets, int32_t code);
/* A row of the last group, where there are more than two classes. */
void mw_forest__sets_count(mw_forest__sets *sets, int64_t class_index, int64_t weight);

/*
 * mw_forest__sets_search -- replaces *best and sets->words when a split of the groups (two at least) is better.
 *
 *   *best     the quantity that forest_split.c maximizes; -1: nothing yet
 *   returns   whether it did
 * Cost      O(groups log groups), and 8 passes over the counts for more than two classes.
 */
bool mw_forest__sets_search(mw_forest__sets *sets, const mw_forest__set_node *node, double *best);

/* Is x a code of the best set? */
static inline bool mw_forest__sets_has(const mw_forest__sets *sets, float x) {
    if (!(x >= 0 && x < (float)sets->most_codes)) return false;
    const uint32_t code = (uint32_t)x;
    return sets->words[code / 32] >> code % 32 & 1;
}

#endif
