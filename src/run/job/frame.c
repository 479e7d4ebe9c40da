/* frame.c -- see frame.h. */
#include "run/job/frame.h"

#include <string.h>

#include "core/base/limits.h"

enum { FEED_BYTES = 1 << 20 };

static const struct {
    mw_frame_type type;
    const char *name;
} frame_table[] = {
#define MW_X(name, number, sender) {MW_FRAME_##name, #name},
    MW_FRAME_MAP(MW_X)
#undef MW_X
};

const char *mw_frame_name(mw_frame_type type) {
    for (size_t i = 0; i < sizeof frame_table / sizeof *frame_table; i++)
        if (frame_table[i].type == type) return frame_table[i].name;
    return "?";
}

void mw_frame_write(mw_buf *out, mw_frame_type type, mw_str payload) {
    if (payload.size > (size_t)MW_LIMIT(FRAME_BYTES)) {
        if (out->failed == MW_OK) out->failed = MW_ETOOLARGE;
        return;
    }
    uint32_t size = (uint32_t)payload.size;
    const unsigned char head[MW_FRAME_HEAD] = {'M',
                                               'W',
                                               MW_FRAME_VERSION,
                                               (unsigned char)type,
                                               (unsigned char)(size & 0xff),
                                               (unsigned char)(size >> 8 & 0xff),
                                               (unsigned char)(size >> 16 & 0xff),
                                               (unsigned char)(size >> 24)};
    /* Whole or not at all: half a frame would make the rest of the stream unreadable. */
    if (!mw_buf_reserve(out, sizeof head + payload.size)) return;
    mw_buf_append(out, head, sizeof head);
    mw_buf_append(out, payload.data, payload.size);
}

void mw_frame_reader_init(mw_frame_reader *reader, mw_mem *mem) {
    reader->used = 0;
    mw_buf_init(&reader->bytes, mem, (size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD + FEED_BYTES);
}

void mw_frame_reader_done(mw_frame_reader *reader) { mw_buf_done(&reader->bytes); }

static void drop_used(mw_frame_reader *reader) {
    mw_buf_consume(&reader->bytes, reader->used);
    reader->used = 0;
}

mw_status mw_frame_feed(mw_frame_reader *reader, const void *data, size_t size, mw_err *err) {
    if (size > FEED_BYTES) return mw_fail(err, MW_EINVAL, "too many bytes fed at once");
    drop_used(reader);
    mw_buf_append(&reader->bytes, data, size);
    return mw_buf_status(&reader->bytes, "a frame of the worker protocol", err);
}

static mw_status check_head(const unsigned char *head, uint32_t size, mw_err *err) {
    if (head[0] != 'M' || head[1] != 'W')
        return mw_fail(err, MW_EPARSE, "the bytes are not of the worker protocol");
    if (head[2] != MW_FRAME_VERSION) {
        mw_fail(err, MW_EPARSE, "worker protocol version %d; this program speaks %d", head[2],
                MW_FRAME_VERSION);
        return mw_err_hint(err, "run the same release on both sides");
    }
    if (mw_frame_name((mw_frame_type)head[3])[0] == '?')
        return mw_fail(err, MW_EPARSE, "unknown frame type %d", head[3]);
    if (size > (uint64_t)MW_LIMIT(FRAME_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "a frame of %lu bytes is over the limit of %lld",
                       (unsigned long)size, (long long)MW_LIMIT(FRAME_BYTES));
    return MW_OK;
}

mw_status mw_frame_next(mw_frame_reader *reader, mw_frame *ret, bool *got, mw_err *err) {
    drop_used(reader);
    *got = false;
    if (reader->bytes.size < MW_FRAME_HEAD) return MW_OK;
    const unsigned char *head = (const unsigned char *)reader->bytes.data;
    uint32_t size = (uint32_t)head[4] | (uint32_t)head[5] << 8 | (uint32_t)head[6] << 16 |
                    (uint32_t)head[7] << 24;
    mw_status status = check_head(head, size, err);
    if (status != MW_OK || reader->bytes.size < MW_FRAME_HEAD + (size_t)size) return status;
    ret->type = (mw_frame_type)head[3];
    ret->payload = (mw_str){reader->bytes.data + MW_FRAME_HEAD, size};
    reader->used = MW_FRAME_HEAD + (size_t)size;
    *got = true;
    return MW_OK;
}

size_t mw_frame_pending(const mw_frame_reader *reader) { return reader->bytes.size - reader->used; }
