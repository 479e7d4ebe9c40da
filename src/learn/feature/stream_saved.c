/* stream_saved.c -- see stream_saved.h. */
#include "learn/feature/stream_saved.h"

#include <string.h>

#include "core/base/limits.h"
#include "learn/feature/stream_parts.h"

typedef struct saved_stream {
    mw_stream_counts counts;
    uint64_t n_devices;
} saved_stream;

typedef struct saved_device {
    uint64_t name_bytes, state_bytes;
} saved_device;

/* ---- save ---- */

static mw_status put_device(mw_buf *state, const mw_arrivals *device, mw_str name,
                            mw_stream_sink sink, mw_err *err) {
    mw_buf_clear(state);
    if (device) mw_arrivals_save(device, state);
    mw_status status = mw_buf_status(state, "a device's features", err);
    const saved_device head = {name.size, state->size};
    if (!status) status = sink.put(sink.self, &head, sizeof head, err);
    if (!status) status = sink.put(sink.self, name.data, name.size, err);
    return status ? status : sink.put(sink.self, mw_buf_text(state), state->size, err);
}

mw_status mw_stream_save(mw_mem *mem, const mw_stream *stream, const mw_dictionary *names,
                         mw_stream_sink sink, mw_err *err) {
    const int32_t known = mw_stream__n_devices(stream);
    const saved_stream head = {mw_stream_count(stream), (uint64_t)mw_dictionary_size(names)};
    mw_buf state;
    mw_buf_init(&state, mem, (size_t)MW_LIMIT(STATE_BYTES));
    mw_status status = sink.put(sink.self, &head, sizeof head, err);
    for (int32_t i = 0; i < mw_dictionary_size(names) && !status; i++)
        status = put_device(&state, i < known ? mw_stream__device(stream, i) : NULL,
                            mw_dictionary_text(names, i), sink, err);
    mw_buf_done(&state);
    return status;
}

/* ---- load ---- */

static mw_status fail_bytes(mw_err *err) {
    return mw_fail(err, MW_EDATA, "the saved state of a stream is damaged");
}

typedef struct loading {
    mw_mem *mem;
    const mw_program *program;
    mw_stream *stream;
    mw_dictionary *names;
    mw_device_scratch *scratch;
    mw_str left;
} loading;

static bool take(loading *l, size_t size, mw_str *ret) {
    if (size > l->left.size) return false;
    *ret = (mw_str){l->left.data, size};
    l->left.data += size;
    l->left.size -= size;
    return true;
}

static mw_status load_device(loading *l, int32_t number, mw_err *err) {
    saved_device head;
    mw_str bytes, name;
    int32_t code;
    if (!take(l, sizeof head, &bytes)) return fail_bytes(err);
    memcpy(&head, bytes.data, sizeof head);
    if (!take(l, head.name_bytes, &name) || !take(l, head.state_bytes, &bytes))
        return fail_bytes(err);
    mw_status status = mw_dictionary_add(l->names, name, &code, err);
    if (!status && code != number) status = fail_bytes(err);
    if (status || head.state_bytes == 0) return status;
    mw_arrivals *device;
    status = mw_arrivals_load(l->mem, l->program, l->scratch, bytes, &device, err);
    if (status) return status;
    status = mw_stream__give(l->stream, number, device, err);
    if (status) mw_arrivals_free(device);
    return status;
}

mw_status mw_stream_load(mw_mem *mem, const mw_program *program, mw_str bytes, mw_stream **ret,
                         mw_dictionary **ret_names, mw_err *err) {
    loading l = {.mem = mem, .program = program, .left = bytes};
    saved_stream head = {0};
    mw_str at;
    if (!take(&l, sizeof head, &at)) return fail_bytes(err);
    memcpy(&head, at.data, sizeof head);
    mw_status status = head.n_devices <= (uint64_t)MW_LIMIT(DICTIONARY_VALUES)
                           ? mw_stream_new(mem, program, &l.stream, err)
                           : fail_bytes(err);
    if (!status) status = mw_dictionary_new(mem, &l.names, err);
    if (!status) status = mw_device_scratch_new(mem, program, &l.scratch, err);
    for (uint64_t i = 0; i < head.n_devices && !status; i++)
        status = load_device(&l, (int32_t)i, err);
    if (!status && l.left.size > 0) status = fail_bytes(err);
    mw_device_scratch_free(l.scratch);
    if (status) {
        mw_stream_free(l.stream);
        mw_dictionary_free(l.names);
        return status;
    }
    mw_stream__set_counts(l.stream, &head.counts);
    *ret = l.stream;
    *ret_names = l.names;
    return MW_OK;
}
