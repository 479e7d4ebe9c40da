/*
 * rejects.h -- the rows that could not be used, whole, and the share of them that is tolerated.
 *
 * What      a CSV file `line,column,reason,row` (RFC 4180; `row` is the row's bytes as they stood),
 *           begun with the first reject, and the first three for the error message.
 * Lifetime  mw_rejects_init -> mw_rejects_add* -> mw_rejects_commit -> mw_rejects_done
 */
#ifndef MW_KEEP_INGEST_REJECTS_H
#define MW_KEEP_INGEST_REJECTS_H

#include "core/base/dir.h"
#include "core/text/csv.h"

enum { MW_REJECTS_SHOWN = 3, MW_REJECTS_TEXT = 160 };

typedef struct mw_rejects {
    const mw_ctx *ctx;
    mw_dir *staging;
    mw_file *file; /* NULL until the first */
    mw_buf line;   /* scratch */
    int64_t n;
    char first[MW_REJECTS_SHOWN][MW_REJECTS_TEXT]; /* "line 7, column value: not a number" */
} mw_rejects;

void mw_rejects_init(mw_rejects *rejects, const mw_ctx *ctx, mw_dir *staging);
void mw_rejects_done(mw_rejects *rejects); /* removes an uncommitted file */

/* part: name of the file until the commit. MW_ETOOLARGE past MW_LIMIT(REJECTS_BYTES). */
mw_status mw_rejects_add(mw_rejects *rejects, const char *part, uint64_t line, mw_str column,
                         const char *reason, mw_str row, mw_err *err);

/* Commits as part, then renames to name. Nothing happens without rejects. */
mw_status mw_rejects_commit(mw_rejects *rejects, const char *part, const char *name, mw_err *err);

/* MW_EDATA that names the share and the first ones. */
mw_status mw_rejects_fail(const mw_rejects *rejects, int64_t n_lines, double max_share,
                          mw_err *err);

#endif
