/*
 * scorer_parts.h -- what the scorer's files share: the two layouts and the functions on them.
 */
#ifndef MW_LEARN_TREE_SCORER_PARTS_H
#define MW_LEARN_TREE_SCORER_PARTS_H

#include "learn/tree/scorer_rows.h"

enum {
    MW_SCORER__ROWS = 128,        /* of a block; a column of ranks has so many bytes */
    MW_SCORER__MOST_LEAVES = 256, /* of a tree by masks: leaves are numbered in a byte */
    MW_SCORER__MOST_LEVELS = 8,   /* 16^8 thresholds */
    MW_SCORER__LANES = 8,         /* walks side by side */
    MW_SCORER__STATE_FEATURES = 256,
    MW_SCORER__STATE_TREES = 32,      /* looked up together */
    MW_SCORER__STATE_BYTES = 8 << 20, /* most of all states */
};

/* ---- walking ---- */

#define MW_SCORER__MISSING_LEFT UINT32_C(0x80000000)
#define MW_SCORER__BY_SET UINT32_C(0x40000000)

/* Right is behind left. A leaf leads to itself: its threshold is infinite and missing values go left. */
typedef struct mw_scorer__node {
    union {
        float threshold;
        int32_t set;
    };
    uint32_t feature; /* 0 at a leaf */
    uint32_t left;    /* byte offset in the scorer's nodes */
    uint32_t value;   /* the flags above, and at a leaf its row of values */
} mw_scorer__node;

/* ---- masks ---- */

/*
 * The distinct thresholds of one feature, ascending, in 16s: levels[0] has one block of 16, and the
 * next level's block i ends in splitter i of this one. Unused places are infinite, and at least one is.
 */
typedef struct mw_scorer__ranks {
    int32_t feature;
    int32_t n_thresholds;
    int32_t n_levels;
    int32_t first_column, n_columns; /* made of these ranks; can be none */
    int64_t
        first_state; /* of masks->states: one for each rank 0..n_thresholds, and one for missing */
    const float *levels[MW_SCORER__MOST_LEVELS];
} mw_scorer__ranks;

/* A row's byte: its rank less base, cut to 0..255, less 128; missing values get -128 (left of
 * everything) or 127. */
typedef struct mw_scorer__column {
    int32_t base;
    bool missing_left;
} mw_scorer__column;

/* A row's byte: -128 when it goes left, else 127. */
typedef struct mw_scorer__set_column {
    int32_t feature, set;
    bool missing_left;
} mw_scorer__set_column;

/* Rows with a byte >= threshold at their column go right, which rules out the leaves of mask. */
typedef struct mw_scorer__entry {
    uint32_t at;        /* byte offset of the column */
    uint32_t threshold; /* four times the byte */
    uint32_t mask;      /* four times the byte: of the plane's eight leaves */
} mw_scorer__entry;

typedef struct mw_scorer__masks {
    int32_t n_ranks, n_columns, n_set_columns;
    float *thresholds; /* all levels of all ranks */
    mw_scorer__ranks *ranks;
    mw_scorer__column *columns;         /* [n_columns] */
    mw_scorer__set_column *set_columns; /* [n_set_columns]; their bytes come after the others' */
    mw_scorer__entry *entries;
    int64_t *plane_entries; /* [n_planes + 1] first entry of each plane, eight leaves of a tree */
    int64_t *tree_planes;   /* [n_trees + 1] */
    int64_t *tree_leaves;   /* [n_trees + 1] */
    int32_t *value_rows;    /* [n_leaves] in order of leaves from left to right */
    double *values;         /* [n_leaves][n_outputs] */
    /* For one row: the leaves that a feature rules out in each tree, by its rank; or NULL. 32-bit words
     * [states of all ranks][state_words], trees in order. */
    uint32_t *states;
    int64_t state_words;
} mw_scorer__masks;

struct mw_scorer {
    const mw_trees *trees;
    mw_scorer__node *nodes;  /* [n_nodes], each tree's by levels */
    int32_t *depths;         /* [n_trees] most steps from root to leaf */
    mw_scorer__masks *masks; /* or NULL */
};

/* Where bytes are made from: rows [n][stride], or, when feature is not -1, that feature's values alone. */
typedef struct mw_scorer__values {
    const float *x;
    int64_t stride;
    int32_t feature;
} mw_scorer__values;

struct mw_scorer_rows {
    const mw_scorer *scorer;
    int64_t n_rows;
    size_t block_bytes; /* of 128 rows */
    int8_t *blocks;     /* [rows in 128s][block_bytes], filled; NULL without masks */
    float *x;           /* [n_rows][n_features]; NULL with masks */
};

/* MW_EINVAL when the matrix has another number of features. */
mw_status mw_scorer__check(const mw_scorer *scorer, mw_matrix matrix, mw_err *err);

/* out [n][n_outputs]: what the sums of n rows over trees from `first` on start with. */
void mw_scorer__start(const mw_scorer *scorer, int32_t first, int64_t n, double *out);

/* Fills nodes and depths. */
mw_status mw_scorer__walk_new(mw_mem *mem, mw_scorer *scorer, mw_err *err);
/* leaves [n <= 128]: rows of values of one tree, for n rows. */
void mw_scorer__walk(const mw_scorer *scorer, int32_t tree, const float *rows, int64_t n,
                     int32_t *leaves);

/* *ret stays NULL when a tree has too many leaves. */
mw_status mw_scorer__masks_new(mw_mem *mem, const mw_trees *trees, mw_scorer__masks **ret,
                               mw_err *err);
void *mw_scorer__masks_free(mw_scorer__masks *masks);
size_t mw_scorer__block_bytes(const mw_scorer__masks *masks);
/* block [block_bytes], 64-byte aligned: n <= 128 rows become bytes, those of one feature if only its values are there. */
void mw_scorer__fill(const mw_scorer *scorer, const mw_scorer__values *from, int64_t n,
                     int8_t *block);
/* state [n_ranks]: of each feature's value in the row. */
void mw_scorer__states(const mw_scorer__masks *masks, const float *row, int64_t *state);
/* Adds the trees' leaves for one row to out; masks->states exist. */
void mw_scorer__look_up(const mw_scorer *scorer, int32_t first, int32_t last, const float *row,
                        double *out);
/* leaf [128]: numbers of leaves from left to right in one tree, for n rows of a filled block. */
void mw_scorer__match(const mw_scorer__masks *masks, int32_t tree, const int8_t *block, int64_t n,
                      uint8_t *leaf);
#if defined(__x86_64__)
void mw_scorer__match_avx2(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                           int64_t n, uint8_t *leaf);
void mw_scorer__match_avx512(const mw_scorer__masks *masks, int32_t tree, const int8_t *block,
                             int64_t n, uint8_t *leaf);
#endif

#endif
