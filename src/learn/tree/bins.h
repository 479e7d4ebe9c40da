/*
 * bins.h -- every feature as at most 256 small numbers: what boosting and histogram forests learn from.
 *
 * What      mw_bins holds, for each feature that varies, the cuts between its bins (or the codes of its categories);
 *           mw_binned holds rows of one table as bin numbers, by row for histograms and by column for partitioning.
 * Rule      value x is in the first bin b with x <= cuts[b], in float32: "x <= cuts[b]" and "bin <= b" are the same
 *           question, so a tree grown on bins scores raw rows exactly. Missing values are in bin n_bins.
 * Source    equal-count bins with heavy values by themselves, as LightGBM's (Ke et al., NIPS 2017).
 * Lifetime  mw_bins_find -> mw_bins_fill* -> mw_binned_free* -> mw_bins_free
 */
#ifndef MW_LEARN_TREE_BINS_H
#define MW_LEARN_TREE_BINS_H

#include "learn/stat/matrix.h"

enum {
    MW_BINS_MOST = 255, /* of values; missing ones have one more */
    MW_BINS_SLOTS = MW_BINS_MOST + 1
};

typedef struct mw_bins_options {
    int32_t max_bin;         /* 2..255 */
    int32_t min_data_in_bin; /* >= 1 */
    int64_t sample_rows;     /* cuts are found on as many rows (bin_construct_sample_cnt); >= 1 */
    const uint8_t *by_code;  /* [n_features], or NULL: not 0 where values are codes of categories */
} mw_bins_options;

typedef struct mw_bins_column {
    int32_t feature; /* of the matrix */
    int32_t n_bins;  /* of values, 1..255 */
    uint32_t first;  /* slot of bin 0 in a histogram; n_bins + 1 slots */
    bool varies;     /* has two values, or one and missing ones */
    bool by_code;
    float *cuts;    /* [n_bins - 1] ascending; NULL when by_code */
    int32_t *codes; /* by_code: [n_bins], the most frequent first; other codes count as missing */
    uint8_t *code_bins; /* by_code: [n_codes] bin of a code */
    int32_t n_codes;
} mw_bins_column;

typedef struct mw_bins {
    mw_mem *mem;
    int32_t n_features;
    int32_t n_columns; /* features with more than one bin in the sample, in their order */
    int32_t n_varying; /* features that vary there, though all of it may be in one bin */
    uint32_t n_slots;  /* even */
    bool evenly; /* column c begins at slot c * MW_BINS_SLOTS, though it may have fewer bins */
    mw_bins_column *columns;
} mw_bins;

/*
 * mw_bins_find -- cuts for every feature of the matrix (checked by the caller: mw_matrix_check).
 *
 * Beyond options->sample_rows one row of each of as many equal ranges of rows is drawn by ctx->seed.
 * Cost      O(n_features * sample) with a radix sort. Memory while it runs: 28 bytes a sampled row and thread; 4 bytes a
 *           sampled cell.
 * Errors    MW_EDATA: a categorical value that is no code 0..MW_LIMIT(CATEGORIES)-1; MW_ENOMEM; MW_ECANCELED.
 */
mw_status mw_bins_find(const mw_ctx *ctx, mw_matrix matrix, const mw_bins_options *options,
                       mw_bins **ret, mw_err *err);
void *mw_bins_free(mw_bins *bins);

/* MW_EDATA unless the value of a feature is a code of a category, or missing. */
mw_status mw_bins_check_code(int32_t feature, float value, mw_err *err);

typedef struct mw_binned {
    int64_t n_rows;
    uint8_t *rows; /* [n_rows][stride]: bins, and a word of 4 bytes at the end; or NULL */
    size_t stride; /* of 4; 8, 16, 32 or 64 where that is little more: then a row is in one line */
    uint8_t *columns; /* [n_columns][n_rows], and MW_PARTITION_PAD bytes */
} mw_binned;

/* Bins of all rows; by_row: the row-wise copy too. Cost: about 5 ns a cell. MW_ENOMEM, MW_ECANCELED. */
mw_status mw_bins_fill(const mw_ctx *ctx, const mw_bins *bins, mw_matrix matrix, bool by_row,
                       mw_binned *ret, mw_err *err);
void mw_binned_done(mw_binned *binned);

#endif
