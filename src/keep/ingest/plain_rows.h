/*
 * plain_rows.h -- the rows of a plain table some thousand at a time, in memory that does not grow with the file: for who knows which columns to read.
 *
 * What      as mw_ingest_plain_as with known columns: the same rows, in file order, an unreadable one without values. Columns that are neither known
 *           nor the time are not read, so text in them never matters, and the file, or standard input, is read once.
 * Table     one and the same for all blocks: the column of times, if there is one, and the known columns hold the rows of the block, their
 *           dictionaries grow. Other columns of the file are there by name, as utf8 without rows. Only bool columns have a validity bitmap;
 *           nothing is sealed or counted as missing.
 * Lifetime  mw_plain_rows_open -> mw_plain_rows_table -> mw_plain_rows_run -> mw_plain_rows_close
 * Threads   the reader's, which read on while one of them, at a time, hands a block over.
 */
#ifndef MW_KEEP_INGEST_PLAIN_ROWS_H
#define MW_KEEP_INGEST_PLAIN_ROWS_H

#include "keep/ingest/ingest.h"
#include "keep/ingest/reader.h"

typedef struct mw_plain_rows mw_plain_rows;

/* args: of mw_profile_params, or NULL. as [n_as]: the columns to read. args and as are borrowed for the call, path until the close. */
mw_status mw_plain_rows_open(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_plain_column *as, size_t n_as, int64_t block_rows,
                             mw_plain_rows **ret, mw_err *err);
void *mw_plain_rows_close(mw_plain_rows *rows);
/* Before the run: no rows yet. */
const mw_table *mw_plain_rows_table(const mw_plain_rows *rows);

typedef struct mw_plain_taker {
    /* Blocks of block_rows rows, the last one of less; the table holds them until it returns. */
    mw_status (*take)(void *self, mw_err *err);
    void *self;
} mw_plain_taker;

/*
 * Once, to the end. ret_bad->marks stays NULL. What take was given counts only after MW_OK: MW_EDATA, maybe at the very end, for a damaged or
 * empty file, and for texts in the column of times.
 */
mw_status mw_plain_rows_run(mw_plain_rows *rows, const mw_plain_taker *taker, mw_plain_bad *ret_bad,
                            mw_err *err);
/* While it runs, for reports: stored bytes read so far, and of the whole (0: unknown). */
void mw_plain_rows_progress(const mw_plain_rows *rows, double *ret_done, double *ret_total);

/* --- shared with plain.c --- */

/* NULL: not known. */
const mw_plain_column *mw_plain__known(const mw_plain_column *as, size_t n_as, const char *name);
/* Counts a row that was refused, and keeps the words about the first one. MW_EDATA for a time that cannot be read, if the time was named. */
mw_status mw_plain__note_bad(const mw_reader *reader, const mw_reader_place *place,
                             const mw_bad_row *row, bool time_is_named, mw_plain_bad *bad,
                             mw_err *err);
mw_status mw_plain__fail_empty(mw_err *err);

#endif
