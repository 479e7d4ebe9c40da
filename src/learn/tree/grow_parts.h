/* grow_parts.h -- what grow.c (the order of splits) and grow_node.c (one split) share. */
#ifndef MW_LEARN_TREE_GROW_PARTS_H
#define MW_LEARN_TREE_GROW_PARTS_H

#include "learn/tree/grow.h"

enum { MW_GROW__SHARED_ROWS = 16384 };

/* Is a node of so many rows split by all threads together? */
static inline bool mw_grow__is_shared(int64_t n_rows) { return n_rows > MW_GROW__SHARED_ROWS; }

/* A node that was looked at: a number when it is part of the tree. */
typedef struct mw_grow__node {
    mw_grown_node shown; /* left and right: indices of nodes; -1: not split yet */
    int32_t number;      /* -1: its parent's turn has not come */
    int32_t histogram;   /* index; -1: none */
    bool less_sibling;   /* its histogram is still its parent's: the other child comes off */
    double low, high;    /* bounds of outputs below it */
    uint64_t groups;     /* of columns that may still be used */
    uint64_t draw;       /* seed of what is drawn here */
} mw_grow__node;

struct mw_grower {
    mw_mem *mem;
    const mw_ctx *ctx; /* while a tree is grown */
    const mw_bins *bins;
    const mw_binned *binned;
    mw_grow_options options;
    const mw_pair *pairs;
    mw_scale scale;
    uint64_t seed; /* of the tree */
    int n_threads;
    uint32_t *rows[2];         /* [n_rows] each: a node's children stand in the other one */
    const uint32_t *root_rows; /* of the tree; NULL: all of the table */
    uint64_t *sides;           /* [n_rows] bits of the shared node that is split */
    mw_grow__node *nodes;
    int32_t n_nodes, nodes_capacity;
    int32_t *order; /* [nodes_capacity] node by number */
    int32_t n_numbers;
    int32_t *heap; /* [nodes_capacity] numbered leaves that can be split, the next one first */
    int32_t heap_size;
    mw_slot **histograms; /* [n_histograms] */
    int32_t *free_histograms;
    int32_t n_histograms, n_free, histograms_most, histograms_capacity;
    mw_slot **scratch; /* [n_threads] zeros between nodes; NULL until needed */
    uint64_t **words;  /* [n_threads] zeros for mw_histogram_add; NULL until needed */
    mw_split *found;   /* [n_threads][2][n_columns] of the node a thread splits */
    uint8_t *drawn;    /* [n_threads][2][n_columns] */
};

/* Rows [n_rows] of a node; NULL: all of the table. */
static inline const uint32_t *mw_grow__rows(const mw_grower *g, const mw_grown_node *node) {
    return node->depth == 0 ? g->root_rows : g->rows[node->buffer] + node->begin;
}

/* Counts the root's histogram, sums it up and finds its best split. */
mw_status mw_grow__look_at_root(mw_grower *g, mw_grow__node *root, mw_err *err);

/*
 * Moves the rows of `parent` to its two children and finds the best split of those that have a histogram. worker: whose
 * buffers are used; called from inside a pool loop, that thread does all of it.
 */
mw_status mw_grow__split(mw_grower *g, const mw_grow__node *parent, int worker, mw_err *err);

#endif
