/*
 * arrange_parts.h -- the stages behind arrange.h; private to this folder.
 *
 * Flow      chunk -> order (sorted within itself) -> merge (a heap of sorted chunks, or of runs on disk) -> group (rows of one time and key)
 *           -> sink. Each hands the next a piece: rows in order of time, taken over by who gets it.
 * Origins   on the second pass a row is new, or was taken by the sink before, or is one of the raw rows from which the
 *           sink's row was averaged; the last two were counted before.
 */
#ifndef MW_CORE_TABLE_ARRANGE_PARTS_H
#define MW_CORE_TABLE_ARRANGE_PARTS_H

#include "core/table/arrange.h"

/* --- the types of all columns seen so far; they only grow ------------------------------------- */

typedef struct mw_arrange__types {
    mw_mem *mem;
    mw_type *types; /* [n] */
    int32_t n, capacity;
    size_t row_bytes; /* of one row, rounded up */
} mw_arrange__types;

/* MW_EINTERNAL when a column has another type than it had in earlier chunks. */
mw_status mw_arrange__types_learn(mw_arrange__types *types, const mw_chunk *chunk, mw_err *err);

/* --- pieces ------------------------------------------------------------------------------------ */

enum { MW_ARRANGE__NEW, MW_ARRANGE__TAKEN, MW_ARRANGE__RAW };

typedef struct mw_arrange__piece {
    mw_chunk *chunk;  /* owned */
    uint8_t *origins; /* [n_rows], owned; NULL: `origin` for all */
    uint8_t origin;
} mw_arrange__piece;

void mw_arrange__piece_done(mw_arrange__piece *piece);
/* Takes the piece over, whatever the outcome. */
typedef mw_status (*mw_arrange__give)(void *self, mw_arrange__piece *piece, mw_err *err);

/* --- order: one chunk -------------------------------------------------------------------------- */

typedef struct mw_arrange__look {
    int64_t first, last; /* the least and the greatest time */
    int64_t n_older;     /* rows older than a row before them, or than the time given */
    bool ascending;
} mw_arrange__look;

/* n > 0; newest is the latest time seen before, INT64_MIN for none. */
mw_arrange__look mw_arrange__look_at(const int64_t *times, int64_t n, int64_t newest);
/* Stable; frees *chunk and puts the sorted one in its place. */
mw_status mw_arrange__sort(const mw_ctx *ctx, const mw_arrange__types *types, mw_chunk **chunk,
                           mw_err *err);

/* --- run: sorted rows on disk ------------------------------------------------------------------ */

typedef struct mw_arrange__run mw_arrange__run;

/* ctx, spill and types are borrowed. */
mw_status mw_arrange__run_new(const mw_ctx *ctx, mw_dir *spill, const mw_arrange__types *types,
                              mw_arrange__run **ret, mw_err *err);
mw_status mw_arrange__run_write(mw_arrange__run *run, const mw_chunk *chunk, mw_err *err);
/* From writing to reading. */
mw_status mw_arrange__run_rewind(mw_arrange__run *run, mw_err *err);
mw_status mw_arrange__run_read(mw_arrange__run *run, mw_chunk **ret, mw_err *err); /* NULL: end */
void *mw_arrange__run_free(mw_arrange__run *run);

/* --- merge: sorted inputs into one order ------------------------------------------------------- */

typedef struct mw_arrange__input {
    int64_t time;                /* of its next row */
    uint64_t rank;               /* equal times: the lower comes first */
    mw_chunk *chunk;             /* owned */
    int64_t at;                  /* next row of chunk */
    mw_arrange__run *run;        /* owned; more chunks, or NULL */
    const mw_arrange_sink *sink; /* borrowed; more chunks, or NULL */
    uint8_t origin;
} mw_arrange__input;

enum { MW_ARRANGE__RANGES = 512 };

typedef struct mw_arrange__merge {
    const mw_ctx *ctx;
    mw_arrange__types *types;
    mw_arrange__input *heap; /* [n] */
    int32_t n, capacity;
    size_t held_bytes;    /* chunks of the inputs */
    int64_t most_rows;    /* of a chunk that came */
    size_t largest_bytes; /* the same */
    size_t most_bytes;    /* of a chunk that is put together; 0: as those that came */
    bool copies;          /* no chunk passes as it is */
    bool marks_origins;
    bool moved;   /* a row has left */
    int64_t last; /* the time of the last row that left */
    mw_arrange__piece out;
    int32_t n_ranges;
    int64_t n_pending; /* rows of ranges */
    mw_chunk_range ranges[MW_ARRANGE__RANGES];
    uint8_t range_origins[MW_ARRANGE__RANGES];
} mw_arrange__merge;

void mw_arrange__merge_init(mw_arrange__merge *merge, const mw_ctx *ctx, mw_arrange__types *types);
/* Takes the input's chunk and run over, whatever the outcome; an input without a chunk gets its first one. */
mw_status mw_arrange__merge_add(mw_arrange__merge *merge, mw_arrange__input input, mw_err *err);
/* Moves the rows of the first input that come before all others; gives away what is full. n > 0. */
mw_status mw_arrange__merge_step(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                 mw_err *err);
/* Gives away what is put together so far. */
mw_status mw_arrange__merge_flush(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                  mw_err *err);
/* All steps and the flush. */
mw_status mw_arrange__merge_drain(mw_arrange__merge *merge, mw_arrange__give give, void *self,
                                  mw_err *err);
void mw_arrange__merge_done(mw_arrange__merge *merge);

/* --- cells ------------------------------------------------------------------------------------- */

/* A column that a chunk lacks is missing; missing equals missing; numbers are equal by value. */
bool mw_arrange__cell_has(const mw_chunk *chunk, int32_t column, int64_t row);
bool mw_arrange__cell_equal(const mw_chunk *a, int64_t row_a, const mw_chunk *b, int64_t row_b,
                            int32_t column);
/* The chunk has the column. */
void mw_arrange__cell_copy(mw_chunk *to, int64_t row_to, const mw_chunk *from, int64_t row_from,
                           int32_t column);
/* Of all columns from `from` on. */
bool mw_arrange__row_equal(const mw_chunk *a, int64_t row_a, const mw_chunk *b, int64_t row_b,
                           int32_t from);
uint32_t mw_arrange__row_hash(const mw_chunk *chunk, int64_t row, int32_t from);
/* Columns up to the last one that is not missing. */
int32_t mw_arrange__row_width(const mw_chunk *chunk, int64_t row);

/* --- group: rows of one time and key ----------------------------------------------------------- */

typedef struct mw_arrange__group mw_arrange__group;

typedef struct mw_arrange__group_counts {
    int64_t n_rows, first_us, last_us; /* given to the sink */
    int64_t n_duplicates, n_collisions;
} mw_arrange__group_counts;

/* ctx, options, types and sink are borrowed; ctx outlives the runs. */
mw_status mw_arrange__group_new(const mw_ctx *ctx, const mw_arrange_options *options,
                                const mw_arrange__types *types, const mw_arrange_sink *sink,
                                mw_arrange__group **ret, mw_err *err);
mw_status mw_arrange__group_add(void *group, mw_arrange__piece *piece, mw_err *err);
/* Everything held goes to the sink. */
mw_status mw_arrange__group_close(mw_arrange__group *group, mw_err *err);
/* The same, and makes ready for the second pass. *ret_raw: the rows behind means, in order of time, to be read; NULL: none. */
mw_status mw_arrange__group_restart(mw_arrange__group *group, mw_arrange__run **ret_raw,
                                    mw_err *err);
const mw_arrange__group_counts *mw_arrange__group_counted(const mw_arrange__group *group);
void *mw_arrange__group_free(mw_arrange__group *group);

#endif
