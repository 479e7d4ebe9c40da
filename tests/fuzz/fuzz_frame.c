/*
 * fuzz_frame.c -- any bytes as a worker's stream: no crash, no hang, and cut differently the same frames.
 *
 * The first byte chooses the size of the pieces; each whole frame's payload also goes through the reader of
 * its message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/job/job_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(const mw_frame *frame) {
    mw_arena arena;
    mw_err err, error;
    mw_work work;
    mw_progress_note note;
    mw_log_level level;
    const char *text;
    int64_t n;
    mw_arena_init(&arena, NULL);
    switch (frame->type) {
    case MW_FRAME_HELLO: (void)mw_message_read_hello(frame->payload, NULL, &err); break;
    case MW_FRAME_WORK: (void)mw_message_read_work(frame->payload, &arena, &work, &err); break;
    case MW_FRAME_PROGRESS:
        if (mw_message_read_progress(frame->payload, NULL, &note, &err) == MW_OK &&
            !(note.share >= 0 && note.share <= 1))
            abort();
        break;
    case MW_FRAME_LOG:
        (void)mw_message_read_log(frame->payload, &arena, &level, &text, &err);
        break;
    case MW_FRAME_RESULT: (void)mw_message_check_result(frame->payload, NULL, &err); break;
    case MW_FRAME_ERROR:
        if (mw_message_read_error(frame->payload, NULL, &error, &err) == MW_OK &&
            error.code == MW_OK)
            abort();
        break;
    case MW_FRAME_DIED: {
        char how[64];
        if (mw_message_read_died(frame->payload, NULL, how, sizeof how, &err) == MW_OK &&
            !memchr(how, 0, sizeof how))
            abort();
        break;
    }
    case MW_FRAME_BACK: (void)mw_message_read_back(frame->payload, NULL, &n, &err); break;
    case MW_FRAME_CANCEL:
    case MW_FRAME_RECALL:
    case MW_FRAME_BYE:
    case MW_FRAME_IDLE: break;
    }
    mw_arena_done(&arena);
}

/* A sum over all frames of the stream, fed in pieces of this size. */
static uint64_t read_stream(const uint8_t *data, size_t size, size_t piece, int look_inside) {
    mw_frame_reader reader;
    mw_err err;
    uint64_t sum = 0;
    mw_status status = MW_OK;
    mw_frame_reader_init(&reader, NULL);
    for (size_t at = 0; status == MW_OK && at < size; at += piece) {
        mw_frame frame;
        int more = 1;
        status = mw_frame_feed(&reader, data + at, piece < size - at ? piece : size - at, &err);
        while (status == MW_OK && more) {
            bool got;
            status = mw_frame_next(&reader, &frame, &got, &err);
            more = status == MW_OK && got;
            if (!more) break;
            sum = sum * 31 + (uint64_t)frame.type;
            for (size_t i = 0; i < frame.payload.size; i++)
                sum = sum * 31 + (unsigned char)frame.payload.data[i];
            if (look_inside) read_message(&frame);
        }
    }
    mw_frame_reader_done(&reader);
    return sum * 31 + (uint64_t)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 1 << 16) return 0;
    size_t piece = (size_t)data[0] % 17 + 1;
    if (read_stream(data + 1, size - 1, size, 1) != read_stream(data + 1, size - 1, piece, 0))
        abort();
    return 0;
}
