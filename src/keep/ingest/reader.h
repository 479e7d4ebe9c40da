/*
 * reader.h -- a telemetry file as typed chunks, in file order, on all threads, in constant memory.
 *
 * What      bytes are cut into blocks of whole lines. Each thread takes the next block from the source, finds its fields and reads
 *           them while the text is in its cache; one thread at a time hands read blocks over. No pass over the bytes comes first: a block is
 *           taken to begin outside quotes, and read again when the one before it shows otherwise.
 * Order     the caller sees lanes in file order, one at a time, on one thread at a time (not always the same).
 * In place  rows that a caller collects are read right to where they will lie (mw_reader_sink.collect).
 * Memory    16 blocks a thread of 256 KiB text and their chunks, if handing over falls behind: about 20 MB with two threads.
 * Widening  a column of undecided type in which text turns up is noted; at the end the reader says so, and the caller opens anew
 *           with what it learned (mw_reader_widen).
 */
#ifndef MW_KEEP_INGEST_READER_H
#define MW_KEEP_INGEST_READER_H

#include "core/table/collect.h"
#include "keep/ingest/block.h"
#include "keep/ingest/source.h"

typedef struct mw_reader_options {
    const mw_args *args; /* of mw_profile_params; NULL: all is detected */
    mw_read_for purpose;
    bool keep_bad; /* refused rows stay as rows without values */
    bool hash;     /* of the stored bytes */
    mw_collide collide;
    bool plain_path;    /* tests: all blocks go through the plain lexer */
    size_t block_bytes; /* tests: other blocks than the usual ones; 0: those */
    /* May change the detected profile before it is used: types known from elsewhere. NULL: none. */
    mw_status (*adapt)(void *self, mw_profile *profile, mw_err *err);
    void *self;
} mw_reader_options;

typedef struct mw_reader mw_reader;

mw_status mw_reader_open(const mw_ctx *ctx, const char *path, const mw_reader_options *options,
                         mw_reader **ret, mw_err *err);
void *mw_reader_close(mw_reader *reader);

const char *mw_reader_name(const mw_reader *reader); /* of the file, without its folder */
const mw_profile *mw_reader_profile(const mw_reader *reader);
const mw_plan *mw_reader_plan(const mw_reader *reader);
mw_source *mw_reader_source(mw_reader *reader);
/* A guess at how many rows the file has, from its first block; 0: no idea. */
int64_t mw_reader_rows(const mw_reader *reader);
/* Header and units as they stand, decoded, without the last line end. */
mw_str mw_reader_head(const mw_reader *reader);

/* What the caller is told of a lane. */
typedef struct mw_reader_place {
    int64_t first_record; /* rows, good or refused, before the lane */
    uint64_t first_line;  /* 1-based number of the lane's first line */
    uint64_t stored;      /* bytes of the source, as it is stored, up to the lane's end or beyond */
    bool last;
} mw_reader_place;

/*
 * take: may take chunks over (leaving NULL in lane->chunks). n_parameters: columns that long chunks should have at least from now on.
 * collect: NULL, or where take adds the chunks of a wide file: they are then read right into it.
 */
typedef struct mw_reader_sink {
    mw_status (*take)(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err);
    void *self;
    mw_collect *collect;
    int32_t n_parameters;
    bool stop; /* set by take: no more is wanted */
} mw_reader_sink;

/* Reads to the end. Once. */
mw_status mw_reader_run(mw_reader *reader, mw_reader_sink *sink, mw_err *err);

/* After the run: [n_cells + 1] of the plan, 1 where text was met; the last is the time column. NULL: none. */
const uint8_t *mw_reader_widened(const mw_reader *reader);
/* During take: bytes of text at most that are not yet with the caller, those of the lane at hand included. */
double mw_reader_to_come(const mw_reader *reader);
bool mw_reader_open_ended(const mw_reader *reader); /* the last line had no line end */

#endif
