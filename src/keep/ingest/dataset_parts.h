/*
 * dataset_parts.h -- what the files of a dataset's reading share: dataset.c opens it and settles its columns,
 * dataset_rows.c reads the rows.
 */
#ifndef MW_KEEP_INGEST_DATASET_PARTS_H
#define MW_KEEP_INGEST_DATASET_PARTS_H

#include "core/table/ipcstream.h"
#include "keep/ingest/dataset.h"

/* A segment that is being read. */
typedef struct mw_dataset_source {
    size_t piece;
    mw_ipc_reader *reader;
    int32_t *from;    /* [n_columns] the reader's column of each of ours; -1: none */
    int32_t *device;  /* our code of each of its devices; NULL: it has none */
    double **numbers; /* [n_columns] what each text stands for, NaN: no number; NULL: no texts */
    int64_t *n_lost;  /* [n_columns] cells that were no numbers */
    mw_chunk *chunk;  /* NULL before the first */
    int64_t row;      /* of the chunk: those before are handed out */
    int64_t latest;   /* time of the last row of the chunk before */
} mw_dataset_source;

struct mw_dataset {
    const mw_ctx *ctx;
    const mw_dataset_piece *pieces; /* [n] */
    size_t n;
    mw_schema *schema;
    const char **names; /* [n_columns] of the schema */
    mw_type *types;     /* [n_columns] */
    mw_row_stream stream;
    /* While it is read: */
    int32_t n_columns;          /* that are read */
    size_t next_piece;          /* not opened so far */
    mw_dataset_source *sources; /* [n_sources] open, by piece */
    size_t n_sources, capacity;
    int64_t latest;  /* time of the last row handed out */
    mw_chunk *chunk; /* handed out */
};

mw_status mw_dataset__start(void *self, int32_t n_columns, mw_err *err);
mw_status mw_dataset__next(void *self, const mw_chunk **ret, mw_err *err);
/* What opening a segment gave, in words: one that was there when the list was made may have gone since. */
mw_status mw_dataset__say_gone(mw_status status, const char *file, mw_err *err);
/* Closes the sources. */
void mw_dataset__stop(mw_dataset *dataset);

#endif
