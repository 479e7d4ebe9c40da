/*
 * csv_file.h -- one telemetry CSV file to one segment: the source `csv`.
 *
 * What      header -> layout -> rows -> pivot (long) or one row a line (wide) -> table -> Arrow
 *           segment, and a rejects file.
 * Wide      a column whose values in the first 1,000 rows are mostly text becomes a dictionary
 *           column; else it is a sensor, and a row with text in it is rejected. One that is empty
 *           there is decided by its first value.
 */
#ifndef MW_KEEP_INGEST_CSV_FILE_H
#define MW_KEEP_INGEST_CSV_FILE_H

#include "keep/ingest/ingest.h"

/*
 * Fills hash, layout, counts, times, segment and rejects of *file (path and source are set; strings
 * come from ctx->mem). On failure nothing is left in staging and *file is as it was.
 */
mw_status mw_csv_file_ingest(const mw_ctx *ctx, double max_reject_share, mw_dir *staging,
                             mw_ingest_file *file, mw_err *err);

#endif
