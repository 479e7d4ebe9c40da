/*
 * intake.h -- inside this folder: lanes of typed rows, in file order, to chunks of the file's schema.
 *
 * What      gives texts their codes in the file's dictionaries and parameters their columns, numbers rows that have no time, hands
 *           chunks and refused rows on.
 */
#ifndef MW_KEEP_INGEST_INTAKE_H
#define MW_KEEP_INGEST_INTAKE_H

#include "keep/ingest/reader.h"

typedef struct mw_intake {
    const mw_ctx *ctx;
    mw_reader *reader;
    mw_schema *schema;
    const mw_args *args; /* for --rename, of parameters; or NULL */
    /* Takes a chunk of the schema over, whatever the outcome. */
    mw_status (*add)(void *self, mw_chunk *chunk, mw_err *err);
    /* Called for each refused row. */
    mw_status (*refused)(void *self, uint64_t line, const mw_bad_row *bad, mw_err *err);
    void *self;
    int64_t n_records, n_refused, n_collisions;
    int64_t started_us;
    mw_source *source; /* for the report of progress */
    const char *name;
    uint64_t last_bad_line; /* 0: the last row was whole */
    mw_reader_sink sink;    /* for mw_reader_run */
    mw_chunk_column *order; /* [order_capacity] scratch */
    int32_t order_capacity;
} mw_intake;

/* add, refused, self and args are set by the caller afterwards. */
void mw_intake_init(mw_intake *intake, const mw_ctx *ctx, mw_reader *reader, mw_schema *schema);
void mw_intake_done(mw_intake *intake);

#endif
