/*
 * arrange.h -- rows into time order, and rows that are one row into one, in bounded memory.
 *
 * Input     chunks in arrival order; column 0 is `time`, columns 1 .. n_keys are the labels (dictionary codes). A row's key is time and labels.
 * Output    the same rows ordered by time, equal times by arrival, handed to a sink.
 * Window    the latest chunks, up to window_bytes, are held back: a row that is older than its neighbors is merged while
 *           it is held. Chunks that come in order pass without being copied.
 * Beyond    the first row older than what the sink has switches to sorted runs of at most merge_bytes in `spill`; at the end the sink's rows
 *           and all runs are merged again from the start (external merge sort, Knuth, TAOCP 3, 5.4; fan-in bounded by merge_bytes, so several
 *           passes may be needed). Disk: twice the rows.
 * Same key  rows that are equal in every cell are duplicates; others collide. What happens is the policy; join puts
 *           the cells of rows with one key together (a pivoted long file), and collides only cell by cell. The row that
 *           comes of several stands where the first of them stood.
 * Compared  keep and mean: with every row of the key. first, last and join: with the row that stands for the key at that time. A
 *           missing cell equals a missing one, a column that a chunk lacks is missing, -0 is 0.
 * Cuts      rows, cells and counts (but n_late) do not depend on how the rows are cut into chunks nor on the budgets; where
 *           the chunks of the output end does.
 * Memory    window_bytes before the first late row, merge_bytes after it, and some chunks; all rows of one time when the policy has
 *           to see them together (MW_ETOOLARGE past MW_LIMIT(TIME_GROUP_BYTES)).
 */
#ifndef MW_CORE_TABLE_ARRANGE_H
#define MW_CORE_TABLE_ARRANGE_H

#include "core/base/dir.h"
#include "core/table/chunk.h"

/* What becomes of rows (join: cells) with one key. keep: all stay (join: as last). mean: of the numbers there are, summed by
 * arrival; other cells as last. */
typedef enum mw_collide {
    MW_COLLIDE_KEEP,
    MW_COLLIDE_FIRST,
    MW_COLLIDE_LAST,
    MW_COLLIDE_MEAN
} mw_collide;

typedef struct mw_arrange_options {
    int32_t n_keys;
    bool join;
    mw_collide collide;
    bool drop_duplicates; /* rows equal in every cell come once */
    size_t window_bytes, merge_bytes;
    mw_dir *spill; /* where runs go; emptied of them again */
} mw_arrange_options;

typedef struct mw_arrange_sink {
    void *self;
    /* Rows that follow all those taken before. */
    mw_status (*take)(void *self, const mw_chunk *chunk, mw_err *err);
    /* Gives all rows taken so far back, in order, chunk by chunk (*ret NULL at the end; the caller frees each); from the first call on,
     * take starts a new sequence, and both go on at the same time. */
    mw_status (*again)(void *self, mw_chunk **ret, mw_err *err);
} mw_arrange_sink;

typedef struct mw_arrange_counts {
    int64_t n_rows;         /* given to the sink in the end */
    int64_t n_out_of_order; /* came after a row with a later time */
    int64_t n_late;         /* of them, beyond the window */
    int64_t n_duplicates;   /* rows; dropped or not */
    int64_t n_collisions;   /* rows; join: cells that were there before */
    int64_t first_us, last_us;
    bool merged; /* the second pass was needed */
} mw_arrange_counts;

typedef struct mw_arrange mw_arrange;

/* schema and sink are borrowed; the schema may grow meanwhile. */
mw_status mw_arrange_new(const mw_ctx *ctx, const mw_schema *schema,
                         const mw_arrange_options *options, const mw_arrange_sink *sink,
                         mw_arrange **ret, mw_err *err);
/* Takes the chunk over, whatever the outcome. A chunk has the time and all labels; other columns may come later. After an
 * error only mw_arrange_free makes sense. */
mw_status mw_arrange_add(mw_arrange *arrange, mw_chunk *chunk, mw_err *err);
mw_status mw_arrange_finish(mw_arrange *arrange, mw_arrange_counts *ret, mw_err *err);
void *mw_arrange_free(mw_arrange *arrange);

/*
 * Readings of one block to rows: times [n] and labels [n_labels][n] are the key, parameters [n] in 0 .. n_parameters-1 the column, values [n] the
 * cells (NaN: the row exists, the cell does not). The chunk has time, labels, then n_parameters numbers; rows by first appearance.
 * A repeated cell counts in *ret_collisions and follows `collide`; for mean it becomes a further row of its key instead, for mw_arrange to join. Neighbors usually share a key, so the last one is tried first.
 * The chunk is dense: rows x parameters cells. Threads: no shared state. Cost: 3 to 15 ns a reading and the filling of the chunk.
 */
mw_status mw_pivot_block(mw_mem *mem, const int64_t *times, const int32_t *const *labels,
                         int32_t n_labels, const int32_t *parameters, int32_t n_parameters,
                         const double *values, int64_t n, mw_collide collide, mw_chunk **ret,
                         int64_t *ret_collisions, mw_err *err);

#endif
