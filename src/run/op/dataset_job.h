/*
 * dataset_job.h -- the part that ingest and train share: new files into a dataset, by a job.
 *
 * Payload   {"dataset", "dataset_path", "paths": [...], "known": [{"source", "part", "content_hash",
 * "file", "first_us", "quality"}], "args": {...}}: all a worker needs, so that it never opens the store.
 * Result    {"files": [...]}: one entry a source, as mw_ingest_file says.
 * Commit    files move into place first (their names are content hashes, so a repeat is harmless),
 * then one fenced transaction makes them count, then replaced segments are removed.
 */
#ifndef MW_RUN_OP_DATASET_JOB_H
#define MW_RUN_OP_DATASET_JOB_H

#include "keep/ingest/dataset.h"
#include "keep/ingest/ingest.h"
#include "run/op/app.h"

/* Writes dataset, dataset_path, paths and known as members of the open object. *n_known: live
 * segments. */
mw_status mw_op__write_dataset(const mw_call *call, mw_json_writer *writer, const char *dataset,
                               const char *const *paths, size_t n_paths, size_t *n_known,
                               mw_err *err);

/* The members of payload's "args" that `table` knows, as arguments of that table (finished). */
mw_status mw_op__args(const mw_ctx *ctx, const mw_json *payload, const mw_param *table,
                      mw_args **ret, mw_err *err);

/* The columns that the payload's dataset has; *ret NULL: none. Else mw_schema_free it. */
mw_status mw_op__dataset_columns(const mw_ctx *ctx, const mw_json *payload, mw_schema **ret,
                                 mw_err *err);
/* mw_job_kind.left of both operations: files that the dead job finished, of the same dataset. */
bool mw_op__left(const mw_ctx *ctx, const mw_json *dead, const mw_json *next, mw_dir *work_dir);
/*
 * mw_job_kind.reads: the paths, and of the dataset every file that is known (work that reads its rows), or only those of the paths' sources (work that adds files);
 * then its columns are in a file made for it, which mw_op__dataset_columns finds.
 */
mw_status mw_op__reads_rows(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                            mw_err *err);
mw_status mw_op__reads_files(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                             mw_err *err);
#define MW_OP__COLUMNS_FILE ".columns.json"
mw_status mw_op__read_columns(const mw_ctx *ctx, mw_dir *folder, mw_schema **ret, mw_err *err);
/* Ingests payload's paths into work_dir/segments, or takes over what is left there. args: of mw_ingest_all_params. */
mw_status mw_op__ingest(const mw_ctx *ctx, const mw_json *payload, const mw_args *args,
                        mw_dir *work_dir, mw_ingest_result *ret, mw_err *err);

/* Writes "files": [...] as a member of the open object. */
void mw_op__write_files(const mw_ingest_result *result, mw_json_writer *writer);

/* The rows of the dataset as it will be after the commit. */
typedef struct mw_op__rows {
    mw_dataset *dataset;
    mw_dataset_piece *flagged; /* [n_flagged] files of flagged windows (quality.h) */
    size_t n_flagged;
    char data_hash[MW_SHA256_HEX]; /* of the sources' contents and what they were read with */
    mw_dir *folder, *staging;      /* NULL: no segment lies there */
    mw_arena arena;
} mw_op__rows;

/* Segments count by (first time, source, part), whatever the order they were ingested in. Closed when this fails; payload, ingested and
 * work_dir must outlive it. */
mw_status mw_op__open_rows(const mw_ctx *ctx, const mw_json *payload,
                           const mw_ingest_result *ingested, mw_dir *work_dir, mw_op__rows *rows,
                           mw_err *err);
void mw_op__close_rows(mw_op__rows *rows);
/* The rows' tables of flagged windows: mw_op__free_tables *ret [*n]. MW_EDATA names one that is missing or damaged. */
mw_status mw_op__read_flagged(const mw_ctx *ctx, const mw_op__rows *rows, mw_table ***ret,
                              size_t *n, mw_err *err);
void mw_op__free_tables(mw_table **tables, size_t n);

/* Moves staged files, then commits them with the given versions (may be none); see mw_store_commit.
 * files: the array written by mw_op__write_files. */
mw_status mw_op__commit(const mw_ctx *ctx, mw_app *app, const mw_job_record *job, mw_dir *work_dir,
                        const char *dataset, const mw_json *files,
                        const mw_version_record *versions, size_t n_versions, const char *result,
                        mw_err *err);

#endif
