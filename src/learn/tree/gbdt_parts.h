/* gbdt_parts.h -- what gbdt.c (rounds), gbdt_rows.c (rows and gradients) and gbdt_trees.c (what was grown) share. */
#ifndef MW_LEARN_TREE_GBDT_PARTS_H
#define MW_LEARN_TREE_GBDT_PARTS_H

#include "learn/tree/gbdt.h"

enum { MW_GBDT__CHUNK = 16384 };

/* Random streams of a fit, in their upper half; the round is the lower. */
#define MW_GBDT__BAG (UINT64_C(0x62616700) << 32)
#define MW_GBDT__COLUMNS (UINT64_C(0x636f6c73) << 32)
#define MW_GBDT__DROP (UINT64_C(0x64726f70) << 32)
#define MW_GBDT__NODES (UINT64_C(0x6e6f6465) << 32)

/* An ensemble that grows. */
typedef struct mw_gbdt__shelf {
    mw_trees *trees;
    int64_t nodes_capacity, leaves_capacity, trees_capacity;
    mw_sets_room sets_room;
} mw_gbdt__shelf;

/* Of some rows' gradients and hessians. */
typedef struct mw_gbdt__extent {
    float most_g, most_h;
    double sum_g; /* of sizes */
} mw_gbdt__extent;

typedef struct mw_gbdt__run {
    const mw_ctx *ctx;
    const mw_gbdt_options *options;
    mw_gbdt_rows train;
    const mw_gbdt_rows *valid; /* or NULL */
    int32_t n_outputs;
    int32_t first_round; /* rounds before it are those of the model that is gone on from */
    mw_bins *bins;
    mw_binned binned;
    mw_grower *grower;
    int8_t *monotone;         /* [n_columns], or NULL */
    uint64_t *groups;         /* [n_columns], or NULL */
    uint8_t *is_used;         /* [n_columns], or NULL */
    double *scores;           /* [n_outputs][rows] */
    double *valid_scores;     /* [n_outputs][validation rows] */
    void *gradients;          /* [n_outputs][rows] mw_gradient; wide ones become mw_pair in place */
    mw_gbdt__extent *extents; /* [n_outputs][chunks of rows] */
    mw_scale scale;           /* of the output that is grown */
    uint8_t *in_bag;          /* [rows]; NULL: all are */
    uint32_t *bag;            /* [n_bag] rows, ascending */
    int64_t n_bag;
    uint64_t *scratch;     /* [rows] for renewed leaves, or NULL */
    double *round_weights; /* DART: [first_round + n_estimators] */
    int32_t *dropped;      /* DART: [n_dropped] rounds taken out for now */
    int32_t n_dropped;
    mw_gbdt__shelf shelf;
} mw_gbdt__run;

/* A share of n as a whole number, 1 to n. */
static inline int32_t mw_gbdt__count_of(double share, int32_t n) {
    const int32_t count = (int32_t)(share * n + 0.5);
    return count < 1 ? 1 : count > n ? n : count;
}

/* ---- gbdt_rows.c ---- */

/* Gradients of all rows; draws the round's rows. */
mw_status mw_gbdt__gradients(mw_gbdt__run *run, int32_t round, mw_err *err);
/* Those of an output as integers, of run->scale. */
mw_status mw_gbdt__to_integers(mw_gbdt__run *run, int32_t output, int32_t round, mw_err *err);
/* The columns of the round's trees. */
void mw_gbdt__draw_columns(mw_gbdt__run *run, int32_t tree);

/* ---- gbdt_trees.c ---- */

mw_status mw_gbdt__shelf_new(mw_gbdt__run *run, const mw_trees *init, mw_err *err);
/* The grown tree of one output, its outputs times weight, onto the shelf; scores of all rows follow. */
mw_status mw_gbdt__add_tree(mw_gbdt__run *run, int32_t output, double weight, mw_err *err);
/* Drops the rounds from n_rounds on. */
void mw_gbdt__truncate(mw_gbdt__run *run, int32_t n_rounds);
/* DART: what the rounds of the model that is gone on from weigh, if these options made it. */
void mw_gbdt__weigh_begun(mw_gbdt__run *run);
/* DART: draws rounds and takes them out of the scores; puts them back with their new weight. */
mw_status mw_gbdt__drop(mw_gbdt__run *run, int32_t round, mw_err *err);
mw_status mw_gbdt__put_back(mw_gbdt__run *run, mw_err *err);

#endif
