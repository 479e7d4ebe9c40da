/*
 * stream_saved.h -- a stream and the names of its devices as bytes and back.
 *
 * Layout    counts and the number of devices; of each device the sizes of its name and its state (0: no row yet), then both. In the machine's byte
 *           order, of one program: the caller checks that the bytes are what was saved.
 * Memory    one device at a time beside the stream.
 */
#ifndef MW_LEARN_FEATURE_STREAM_SAVED_H
#define MW_LEARN_FEATURE_STREAM_SAVED_H

#include "core/table/table.h"
#include "learn/feature/stream.h"

/* Where saved bytes go. */
typedef struct mw_stream_sink {
    mw_status (*put)(void *self, const void *data, size_t size, mw_err *err);
    void *self;
} mw_stream_sink;

/* names: of devices, by number; the stream has no more of them. */
mw_status mw_stream_save(mw_mem *mem, const mw_stream *stream, const mw_dictionary *names,
                         mw_stream_sink sink, mw_err *err);
/* What goes on with the same bits. MW_EDATA: bytes that no stream of this program can have given. */
mw_status mw_stream_load(mw_mem *mem, const mw_program *program, mw_str bytes, mw_stream **ret,
                         mw_dictionary **ret_names, mw_err *err);

#endif
