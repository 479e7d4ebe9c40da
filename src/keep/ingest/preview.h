/*
 * preview.h -- what an ingest would make of a file, without making it: `--dry-run`.
 */
#ifndef MW_KEEP_INGEST_PREVIEW_H
#define MW_KEEP_INGEST_PREVIEW_H

#include "core/base/ctx.h"
#include "core/param/param.h"
#include "core/table/chunk.h"
#include "core/text/json.h"

enum { MW_PREVIEW_ROWS = 10 };

/*
 * Writes one JSON object: source, bytes, layout, profile (docs/formats/profile.md), findings, drift (dataset may be NULL), columns [{name, type,
 * unit}], rows (the first ten, typed) and rejects [{line, column, reason}] among the rows looked at. Reads the first few MB.
 */
mw_status mw_ingest_preview(const mw_ctx *ctx, const char *path, const mw_args *args,
                            const mw_schema *dataset, mw_json_writer *writer, mw_err *err);

#endif
