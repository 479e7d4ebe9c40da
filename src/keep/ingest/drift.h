/*
 * drift.h -- how a file's columns differ from those that its dataset has, and what is done about it.
 *
 * Changes   new: the dataset lacks it. missing: the file lacks it. retyped: text here where the dataset has numbers; it is kept as
 *           it is, and read as numbers where the dataset is read. Numbers where the dataset has text are text. renamed: a new one whose name is a missing one's but for case and signs; only a suspicion,
 *           unless --rename says so.
 * Policy    accept: as above, and reported. refuse: the file is not read, or not kept, and the message names the changes.
 */
#ifndef MW_KEEP_INGEST_DRIFT_H
#define MW_KEEP_INGEST_DRIFT_H

#include "core/base/dir.h"
#include "core/param/param.h"
#include "core/table/chunk.h"
#include "core/text/json.h"
#include "keep/ingest/ingest.h"
#include "keep/ingest/profile.h"

/* The columns of segments [n] in dir, oldest first, as mw_dataset_add_columns has them. Damaged segments are passed over. *ret NULL when there are none; else mw_schema_free it. */
mw_status mw_drift_columns(const mw_ctx *ctx, mw_dir *dir, const char *const *segments, size_t n,
                           mw_schema **ret, mw_err *err);

/* The columns with those of a file just ingested, so that the next one of the same call meets what it would in another call. *columns NULL: none so
 * far. A copy of columns, NULL for none, is mw_drift_copy's *ret. */
mw_status mw_drift_add(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_file *file,
                       mw_schema **columns, mw_err *err);
mw_status mw_drift_copy(mw_mem *mem, const mw_schema *columns, mw_schema **ret, mw_err *err);

/* Applies `rename` ("old=new", of the file's names) and the dataset's types to a wide file's columns. */
mw_status mw_drift_adapt(const mw_schema *dataset, const mw_args *args, mw_profile *profile,
                         mw_err *err);
/* The name that a parameter of a long file has in the dataset. */
mw_str mw_drift_rename(const mw_args *args, mw_str name);

/* Appends [{"column", "change", "note"}] to writer, of missing columns the first 20 and how many more there are; MW_ECONFLICT under --drift refuse when there is any change. dataset NULL: no changes. */
mw_status mw_drift_report(const mw_schema *dataset, const mw_schema *file, const mw_args *args,
                          mw_json_writer *writer, mw_err *err);

#endif
