/*
 * csv_file.h -- one telemetry CSV file to one segment: the source `csv`.
 *
 * What      profile -> rows -> pivot (long) or one row a line (wide) -> time order -> Arrow segments,
 *           quality bits and a rejects file.
 */
#ifndef MW_KEEP_INGEST_CSV_FILE_H
#define MW_KEEP_INGEST_CSV_FILE_H

#include "core/table/chunk.h"
#include "keep/ingest/ingest.h"

/*
 * args: of mw_ingest_all_params. mark: theirs, asked.h. dataset: the columns that the dataset has, or NULL.
 * Fills hash, layout, counts, times, segment and rejects of *file (path and source are set; strings
 * come from ctx->mem). On failure nothing is left in staging and *file is as it was.
 */
mw_status mw_csv_file_ingest(const mw_ctx *ctx, const mw_args *args, const char *mark,
                             const mw_schema *dataset, mw_dir *staging, mw_ingest_file *file,
                             mw_err *err);

#endif
