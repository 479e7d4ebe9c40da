/*
 * ipc.h -- tables as Arrow IPC files (format version V5, 64-byte alignment, no compression).
 *
 * What      one schema, dictionaries, record batches of at most 2^20 rows, footer; key-value
 * metadata on the schema. pyarrow, pandas and Polars open the files as they are. Same table, same
 * bytes. Reading   our own files in full, and foreign ones that use the same five types; everything
 * is length-checked against the file before it is touched: a hostile file gives MW_EDATA.
 */
#ifndef MW_CORE_TABLE_IPC_H
#define MW_CORE_TABLE_IPC_H

#include "core/base/dir.h"
#include "core/table/table.h"

typedef struct mw_meta { /* one key-value pair of the schema */
    const char *key;
    const char *value;
} mw_meta;

/*
 * Appends the whole file to `file`; the caller commits it. meta [n_meta] is written in that order
 * after our own "millwright.format"; a repeated or reserved key is MW_EINVAL, text that is not
 * UTF-8 MW_EDATA.
 */
mw_status mw_ipc_write(const mw_ctx *ctx, const mw_table *table, const mw_meta *meta, size_t n_meta,
                       mw_file *file, mw_err *err);

/*
 * Reads the columns named in `columns` (NULL: all) into a table of its own, in the file's order;
 * names that the file lacks are skipped. MW_EDATA: not an Arrow file, or a damaged one;
 * MW_EUNSUPPORTED: types or features beyond those above, or a newer format version.
 */
mw_status mw_ipc_read(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *const *columns,
                      size_t n_columns, mw_table **ret, mw_err *err);

/* The same for an IPC stream in memory, as it comes over a wire; name is for messages. */
mw_status mw_ipc_read_stream(const mw_ctx *ctx, mw_str bytes, const char *name,
                             const char *const *columns, size_t n_columns, mw_table **ret,
                             mw_err *err);

/* The value of a schema metadata key, copied into out; MW_ENOTFOUND when absent, MW_ETOOLARGE when
 * it does not fit. */
mw_status mw_ipc_read_meta(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *key,
                           char *out, size_t capacity, mw_err *err);

#endif
