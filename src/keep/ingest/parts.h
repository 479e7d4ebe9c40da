/*
 * parts.h -- the segments of one source, written as its rows come: the end of the way from text to disk.
 *
 * What      takes chunks in order (it is the sink of arrange.h) and writes them to segment files in staging. A part
 *           ends at part_bytes or part_rows, or when a chunk has columns that the part lacks.
 * Lifetime  mw_parts_new -> take* [-> (again | take)*] -> mw_parts_finish -> mw_parts_free; freed without a
 *           successful finish, nothing is left in staging.
 * Memory    a file's write buffer, about 1 MiB of small chunks put together, and a few words a batch;
 *           a chunk and the dictionaries more while rows are handed back.
 * Threads   one; the schema and its dictionaries grow in step with the chunks, between the calls, or the bytes would
 *           depend on who was faster.
 * Names     by content; source and number of the part are in the metadata of the file, so no two parts of a
 *           dataset are alike.
 */
#ifndef MW_KEEP_INGEST_PARTS_H
#define MW_KEEP_INGEST_PARTS_H

#include "core/table/arrange.h"
#include "core/table/ipc.h"
#include "keep/ingest/ingest.h"

typedef struct mw_parts_options {
    const char *source;  /* base name of the file; metadata "millwright.source" */
    const char *layout;  /* "long" or "wide"; metadata "millwright.layout" */
    const char *asked;   /* asked.h; metadata "millwright.options"; NULL or "": none */
    uint64_t part_bytes; /* 0: 128 MB */
    int64_t part_rows;   /* 0: 2^22 */
} mw_parts_options;

typedef struct mw_parts mw_parts;

/* schema (column 0 is the time; it may grow), staging and the texts of options are borrowed. */
mw_status mw_parts_new(const mw_ctx *ctx, const mw_schema *schema, const mw_parts_options *options,
                       mw_dir *staging, mw_parts **ret, mw_err *err);
/*
 * take: MW_EIO and the like from the disk; a chunk is never split.
 * again: closes the part in work, then reads the parts back; each file goes as soon as it is opened, so that
 * the disk never holds the rows three times.
 */
mw_arrange_sink mw_parts_sink(mw_parts *parts);
/* Closes the last part. *ret [*n] belongs to the caller: mw_ingest_parts_free. */
mw_status mw_parts_finish(mw_parts *parts, mw_ingest_part **ret, size_t *n, mw_err *err);
void *mw_parts_free(mw_parts *parts); /* NULL is allowed; returns NULL */

#endif
