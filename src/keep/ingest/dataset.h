/*
 * dataset.h -- the segments of a dataset as one: is it whole, and its rows in the order of their times.
 *
 * What      segments follow each other or overlap, one file a day or one a machine: those that overlap are read side by
 *           side. A column's type is that of the first segment with a value in it; where a segment has text
 *           and that is a number, texts are read as numbers (else missing, and said in the log).
 * Lifetime  mw_dataset_open -> mw_dataset_stream -> mw_dataset_close; pieces and their folders outlive it.
 * Memory    chunks of about 4 MB in all, of 1024 rows at least for each segment that is read at a time, and the dictionaries of those; handed out are about 4 MB, 256 rows at least.
 */
#ifndef MW_KEEP_INGEST_DATASET_H
#define MW_KEEP_INGEST_DATASET_H

#include "core/base/dir.h"
#include "core/table/rowstream.h"

/*
 * MW_OK when `segment` is a segment's name and the file's bytes are those that were written (mw_file_verify), else
 * MW_EINVAL or MW_EDATA. A good verdict is remembered for as long as the file is the same one, with the same size and
 * times: the next call costs a stat.
 */
mw_status mw_dataset_check(const mw_ctx *ctx, mw_dir *dir, const char *segment, mw_err *err);

/* Where a column of a segment stands in a dataset: the time first, then the labels, other texts, numbers. */
enum { MW_DATASET_RANKS = 8 };
int mw_dataset_rank(const char *name, mw_type type); /* 0 .. MW_DATASET_RANKS - 1 */

/*
 * Adds to columns what it has not yet of a segment's. A column's type is that of the first segment added with a value in it; MW_UTF8,
 * which no segment has, stands for a column without a value so far. Only the file's frames are read. *n_rows (may be NULL): its rows.
 */
mw_status mw_dataset_add_columns(const mw_ctx *ctx, mw_schema *columns, mw_dir *dir,
                                 const char *segment, int64_t *n_rows, mw_err *err);

typedef struct mw_dataset_piece {
    mw_dir *dir;
    const char *file;
    int64_t first_us; /* time of its first row */
} mw_dataset_piece;

typedef struct mw_dataset mw_dataset;

/* pieces [n]: by first_us; of rows of one time those of an earlier piece come first. Every file is checked. */
mw_status mw_dataset_open(const mw_ctx *ctx, const mw_dataset_piece *pieces, size_t n,
                          mw_dataset **ret, mw_err *err);
/* `time`, `device_id` if any row has one, and the columns of numbers, in order of first appearance. MW_EDATA for a segment whose rows
 * are not in the order of their times. */
const mw_row_stream *mw_dataset_stream(const mw_dataset *dataset);
void *mw_dataset_close(mw_dataset *dataset);

#endif
