/*
 * ipcstream.h -- Arrow IPC files chunk by chunk, in constant memory.
 *
 * Writer    one record batch a chunk; dictionaries stand behind the batches, where the file format allows them, since
 *           they are only whole at the end. The same chunks give the same bytes.
 * Reader    maps the file, checks it as ipc.h does, batch by batch as they come, and hands out one at a time; what was
 *           read is given back, so that neither memory nor what is resident grows with the file.
 */
#ifndef MW_CORE_TABLE_IPCSTREAM_H
#define MW_CORE_TABLE_IPCSTREAM_H

#include "core/table/chunk.h"
#include "core/table/ipc.h"

typedef struct mw_ipc_writer mw_ipc_writer;

/* Writes the schema; its columns are those at this call: later ones are not part of the file. schema and file are
 * borrowed, meta is copied; the caller commits the file. */
mw_status mw_ipc_writer_new(const mw_ctx *ctx, const mw_schema *schema, const mw_meta *meta,
                            size_t n_meta, mw_file *file, mw_ipc_writer **ret, mw_err *err);
mw_status mw_ipc_writer_add(mw_ipc_writer *writer, const mw_chunk *chunk, mw_err *err);
int64_t mw_ipc_writer_rows(const mw_ipc_writer *writer);
/* Dictionaries and footer. */
mw_status mw_ipc_writer_finish(mw_ipc_writer *writer, mw_err *err);
void *mw_ipc_writer_free(mw_ipc_writer *writer);

typedef struct mw_ipc_reader mw_ipc_reader;

/* columns as mw_ipc_read. The schema's dictionaries are those of the file, whole. */
mw_status mw_ipc_reader_open(const mw_ctx *ctx, mw_dir *dir, const char *name,
                             const char *const *columns, size_t n_columns, mw_ipc_reader **ret,
                             mw_err *err);
const mw_schema *mw_ipc_reader_schema(const mw_ipc_reader *reader);
int64_t mw_ipc_reader_rows(const mw_ipc_reader *reader); /* of the whole file */
/* Whether the schema's metadata has this key. */
bool mw_ipc_reader_has_meta(mw_ipc_reader *reader, const char *key);
/* Chunks of about that many bytes from now on, but of 1024 rows at least; 4 MB if never called. */
void mw_ipc_reader_limit(mw_ipc_reader *reader, size_t bytes);
/* *ret NULL at the end; else the caller frees it. A batch of more than 2^16 rows, or larger than the limit, comes in slices. */
mw_status mw_ipc_reader_next(mw_ipc_reader *reader, mw_chunk **ret, mw_err *err);
void *mw_ipc_reader_close(mw_ipc_reader *reader);

/* The columns of a file, their dictionaries left empty, and how many values each has, from the frames of the batches alone.
 * mw_schema_free *ret, mw_free *counts [n_columns]. */
mw_status mw_ipc_survey(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_schema **ret,
                        int64_t **counts, int64_t *n_rows, mw_err *err);

#endif
