/*
 * block.h -- inside this folder: one block of whole rows from text to typed columns.
 *
 * What      a lane holds a block's text and everything that reading it needs, so that lanes are read in parallel; its dictionaries live
 *           on from block to block. A row is good as a whole or refused as a whole.
 * Paths     marks of csv_index.h where the block is regular, else rows of csv.h; both end in strips of rows whose columns are
 *           read one after the other (fields.h).
 */
#ifndef MW_KEEP_INGEST_BLOCK_H
#define MW_KEEP_INGEST_BLOCK_H

#include "core/base/arena.h"
#include "core/table/arrange.h"
#include "core/text/csv.h"
#include "core/text/csv_index.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/plan.h"
#include "keep/ingest/texts.h"

enum { MW_BLOCK_REASON = 160 };

/* Rows of a file without times are numbered, a second apart, from the block's first one. */
#define MW_ROW_SECOND_US INT64_C(1000000)

/* A row that was refused. */
typedef struct mw_bad_row {
    uint64_t line;      /* of the block, from 0 */
    uint32_t field;     /* 0-based; n_fields or more: none of the header's */
    const char *reason; /* in the lane's arena */
    mw_str raw;         /* the row's bytes, good until the lane is filled again */
    int64_t row;        /* keep_bad: of the lane's chunks, counted on from one to the next */
    int64_t ordinal;    /* among the block's rows, good or refused */
    bool broken;        /* not a row at all, rather than a row with a bad value */
} mw_bad_row;

typedef struct mw_lane {
    mw_mem *mem;
    const mw_plan *plan;
    bool keep_bad;   /* refused rows stay, all missing */
    bool plain_path; /* tests: the marks are not used */
    mw_collide collide;

    /* Filled by the reader: whole lines, MW_FIELDS_SLACK bytes before and behind. */
    char *block, *text; /* owned; text is block + MW_FIELDS_SLACK */
    size_t size, capacity;
    bool last; /* of the file */

    /* What became of it. */
    mw_chunk **chunks; /* [n_chunks] the good rows; the caller may take them over, leaving NULL */
    size_t n_chunks, chunks_capacity;
    int64_t rows_before;  /* in the chunks but the last */
    size_t rows_expected; /* room to make at first */
    size_t most_rows;     /* no more than that can come of the block, however it is read */
    int64_t n_records;    /* rows, good or refused, without blank lines */
    uint64_t n_lines;     /* lines of the text */
    mw_bad_row *bad;
    size_t n_bad, bad_capacity;
    int64_t n_collisions;
    bool open_end;    /* ends inside a row: the next block begins in it */
    uint8_t *widened; /* [n_cells] 1: text where a number was expected, type not decided */
    bool any_widened;
    mw_texts *texts;     /* [n_cells]; of dictionary cells */
    mw_texts parameters; /* long */
    int32_t
        n_parameters; /* long: columns the chunks have behind the labels, by code of `parameters` */
    mw_arena arena;   /* of this block */
    const char *counted; /* line feeds before it: n_counted */
    uint64_t n_counted;

    /* Scratch of the rows at hand. */
    uint32_t *odd;    /* [MW_STRIP_ROWS] */
    uint8_t *refused; /* [MW_STRIP_ROWS] */
    int64_t *clock;   /* [MW_STRIP_ROWS] */
    size_t n_refused; /* of the strip */
    /* Readings of a long block, [readings_capacity] each. */
    int64_t n_readings, n_pivoted, readings_capacity;
    int64_t *times;
    int32_t *labels[MW_LABEL_N]; /* of the plan's n_labels */
    int32_t *codes;
    double *values;
    uint8_t *parameter_bad; /* [parameters_checked] 1: no column may be called so */
    int32_t parameters_checked;
    bool any_parameter_bad;
    double *mark_values; /* of rules */
    mw_cell_rules rules;
    mw_time_form date_form; /* without zone when a clock comes with it */
} mw_lane;

/* Scratch of one thread; between mw_lane_index and mw_lane_read it belongs to that lane. */
typedef struct mw_block_scratch {
    uint32_t *marks;   /* [marks_capacity] */
    uint32_t *compact; /* [compact_capacity] */
    size_t marks_capacity, compact_capacity;
    mw_csv_index index;
    bool is_marked; /* marks and index are good */
} mw_block_scratch;

mw_status mw_lane_init(mw_lane *lane, mw_mem *mem, const mw_plan *plan, bool keep_bad,
                       mw_collide collide, mw_err *err);
void mw_lane_done(mw_lane *lane);

/*
 * Begins lane->text: finds its fields, and lane->most_rows. first_parameters: columns that a long chunk has at least. Then
 * mw_lane_add_chunk, if the rows have a place already, and mw_lane_read.
 */
mw_status mw_lane_index(mw_lane *lane, mw_block_scratch *scratch, int32_t first_parameters,
                        mw_err *err);
/* Rows go on in this chunk, which the lane takes over whatever the outcome. */
mw_status mw_lane_add_chunk(mw_lane *lane, mw_chunk *chunk, mw_err *err);
/*
 * On a block that is open_end the rows before the open one are there too, but the caller must read the block again by
 * mw_lane_read_from.
 */
mw_status mw_lane_read(mw_lane *lane, mw_block_scratch *scratch, mw_err *err);

/* Rows that `csv` has, as if they were the block; the caller pushed the text. */
mw_status mw_lane_read_from(mw_lane *lane, mw_csv *csv, mw_block_scratch *scratch,
                            int32_t first_parameters, mw_err *err);

/* Long: adds a chunk of the next readings. Steps are of a fixed length, so that chunks do not depend on lanes. */
mw_status mw_lane_pivot_next(mw_lane *lane, mw_err *err);

void mw_block_scratch_done(mw_block_scratch *scratch);

/* --- shared by block.c and block_cells.c --- */

enum { MW_STRIP_ROWS = 1024, MW_STRIP_BYTES = 65536 };

/* Some rows with as many fields as the header. */
typedef struct mw_strip {
    const char *text;
    const uint32_t *marks;
    size_t stride, n;
    bool quotes, cr;
    bool high;             /* bytes of 0x80 or more may occur that are no UTF-8 */
    const mw_str *raw;     /* [n] or NULL: from the marks */
    const uint64_t *lines; /* [n] or NULL: counted */
} mw_strip;

mw_status mw_lane__strip(mw_lane *lane, const mw_strip *strip, mw_err *err);
/* Room for n more rows, in the last chunk (wide) or among the readings (long). */
mw_status mw_lane__reserve(mw_lane *lane, size_t n, mw_err *err);
/* More parameters than a dataset may have. */
bool mw_lane__too_many(const mw_lane *lane);
/* The readings become chunks, unless they are so many that mw_lane_pivot_next has to do it, step by step. */
mw_status mw_lane__pivot(mw_lane *lane, mw_err *err);
/* Refuses a row that is none of a strip. */
mw_status mw_lane__refuse(mw_lane *lane, uint64_t line, uint32_t field, const char *reason,
                          mw_str raw, bool broken, mw_err *err);
/* Line feeds in the text before `at`, counted on from the last call. */
uint64_t mw_lane__line_at(mw_lane *lane, const char *at);

#endif
