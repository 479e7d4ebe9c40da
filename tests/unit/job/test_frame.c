/* test_frame.c -- the framed protocol: bytes on the wire, any cut, bad input, and its messages. */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "run/job/frame.h"
#include "run/job/job_message.h"
#include "support/harness.h"

static mw_err err;

/* The format as documented, byte for byte (docs/formats/worker-protocol.md). */
MW_TEST(bytes_on_the_wire) {
    mw_buf out;
    mw_buf_init(&out, NULL, 1000);
    mw_frame_write(&out, MW_FRAME_RESULT, MW_STR("{\"a\":1}"));
    const unsigned char want[] = {'M', 'W', 1, 5, 7, 0, 0, 0, '{', '"', 'a', '"', ':', '1', '}'};
    assert_int_equal(out.size, sizeof want);
    assert_memory_equal(out.data, want, sizeof want);
    assert_string_equal(mw_frame_name(MW_FRAME_BYE), "BYE");
    assert_string_equal(mw_frame_name((mw_frame_type)99), "?");
    mw_buf_done(&out);
}

MW_TEST(any_cut_gives_the_same_frames) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    enum { N = 50 };
    char payload[300];
    memset(payload, 'p', sizeof payload);
    for (int i = 0; i < N; i++)
        mw_frame_write(&out, (mw_frame_type)(1 + i % 8), (mw_str){payload, (size_t)(i * 5)});
    for (int round = 0; round < 50; round++) {
        mw_frame_reader reader;
        mw_frame_reader_init(&reader, NULL);
        size_t at = 0;
        int n = 0;
        while (at < out.size) {
            size_t step = 1 + mw_rng_below(&rng, 200);
            if (step > out.size - at) step = out.size - at;
            assert_ok(mw_frame_feed(&reader, out.data + at, step, &err));
            at += step;
            mw_frame frame;
            bool got = true;
            while (got) {
                assert_ok(mw_frame_next(&reader, &frame, &got, &err));
                if (!got) break;
                assert_int_equal(frame.type, 1 + n % 8);
                assert_int_equal(frame.payload.size, n * 5);
                for (size_t i = 0; i < frame.payload.size; i++)
                    assert_int_equal(frame.payload.data[i], 'p');
                n++;
            }
        }
        assert_int_equal(n, N);
        assert_int_equal(mw_frame_pending(&reader), 0);
        mw_frame_reader_done(&reader);
    }
    mw_buf_done(&out);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static mw_status next_of(const void *bytes, size_t size) {
    mw_frame_reader reader;
    mw_frame frame;
    bool got = true;
    mw_frame_reader_init(&reader, NULL);
    assert_ok(mw_frame_feed(&reader, bytes, size, &err));
    mw_status status = mw_frame_next(&reader, &frame, &got, &err);
    if (status == MW_OK) assert_false(got);
    mw_frame_reader_done(&reader);
    return status;
}

MW_TEST(bad_heads) {
    assert_status(next_of("MW\1\1\0\0\0", 7), MW_OK); /* more is needed */
    assert_status(next_of("HTTP/1.1", 8), MW_EPARSE);
    assert_status(next_of("MW\2\1\0\0\0\0", 8), MW_EPARSE);
    assert_non_null(strstr(err.message, "version 2"));
    assert_status(next_of("MW\1\0\0\0\0\0", 8), MW_EPARSE);
    assert_status(next_of("MW\1\15\0\0\0\0", 8), MW_EPARSE);
    assert_status(next_of("MW\1\5\1\0\0\4", 8),
                  MW_ETOOLARGE); /* 64 MiB and a byte: refused by its head */
    assert_status(next_of("MW\1\5\0\0\0\4", 8), MW_OK);
    assert_status(next_of("MW\1\5\xff\xff\xff\xff", 8), MW_ETOOLARGE);
    assert_int_equal(MW_LIMIT(FRAME_BYTES), 0x04000000);
}

MW_TEST(too_large_to_write) {
    mw_buf out;
    mw_buf_init(&out, NULL, (size_t)MW_LIMIT(FRAME_BYTES) * 2);
    mw_frame_write(&out, MW_FRAME_RESULT, (mw_str){"", (size_t)MW_LIMIT(FRAME_BYTES) + 1});
    assert_int_equal(out.failed, MW_ETOOLARGE);
    assert_int_equal(out.size, 0);
    mw_buf_done(&out);
    mw_buf_init(&out, NULL, 10); /* not even part of a frame is left behind */
    mw_frame_write(&out, MW_FRAME_RESULT, MW_STR("123"));
    assert_int_equal(out.size, 0);
    assert_int_equal(out.failed, MW_ETOOLARGE);
    mw_buf_done(&out);
}

/* Frames what `out` holds and returns its only payload. */
static mw_str only_payload(mw_frame_reader *reader, const mw_buf *out, mw_frame_type type) {
    mw_frame frame;
    bool got = false;
    mw_frame_reader_init(reader, NULL);
    assert_ok(mw_frame_feed(reader, out->data, out->size, &err));
    assert_ok(mw_frame_next(reader, &frame, &got, &err));
    assert_true(got);
    assert_int_equal(frame.type, type);
    return frame.payload;
}

MW_TEST(messages_come_back) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_frame_reader reader;
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);

    mw_work work = {.org = "acme",
                    .id = "01ABC",
                    .kind = "train",
                    .work_path = "/data/\"x\"/\xc3\xa9",
                    .threads = 3,
                    .memory_bytes = INT64_C(1) << 40,
                    .seed = UINT64_C(0xfedcba9876543210),
                    .heartbeat_us = 7,
                    .payload_text = MW_STR("{\"k\":[1,2]}")};
    mw_message_work(&out, &work);
    mw_work back;
    assert_ok(
        mw_message_read_work(only_payload(&reader, &out, MW_FRAME_WORK), &arena, &back, &err));
    assert_string_equal(back.org, "acme");
    assert_string_equal(back.id, "01ABC");
    assert_string_equal(back.kind, "train");
    assert_string_equal(back.work_path, "/data/\"x\"/\xc3\xa9");
    assert_int_equal(back.threads, 3);
    assert_true(back.memory_bytes == INT64_C(1) << 40);
    assert_true(back.seed == UINT64_C(0xfedcba9876543210));
    assert_int_equal(back.heartbeat_us, 7);
    assert_int_equal(mw_json_int(mw_json_at(mw_json_get(back.payload, "k"), 1), 0), 2);
    mw_frame_reader_done(&reader);

    mw_progress_note note, note_back;
    mw_progress_note_set(&note, "growing trees", 1, 3);
    mw_buf_clear(&out);
    mw_message_progress(&out, &note);
    assert_ok(mw_message_read_progress(only_payload(&reader, &out, MW_FRAME_PROGRESS), NULL,
                                       &note_back, &err));
    assert_string_equal(note_back.stage, "growing trees");
    assert_true(note_back.share == 1.0 / 3);
    mw_frame_reader_done(&reader);

    mw_err error, error_back;
    mw_fail(&error, MW_EDATA, "line 3:\n\"bad\"");
    mw_err_hint(&error, "look");
    mw_err_at(&error, "/rows/3");
    mw_buf_clear(&out);
    mw_message_error(&out, &error);
    assert_ok(mw_message_read_error(only_payload(&reader, &out, MW_FRAME_ERROR), NULL, &error_back,
                                    &err));
    assert_int_equal(error_back.code, MW_EDATA);
    assert_string_equal(error_back.message, error.message);
    assert_string_equal(error_back.hint, "look");
    assert_string_equal(error_back.pointer, "/rows/3");
    mw_frame_reader_done(&reader);

    mw_buf_clear(&out);
    mw_message_log(&out, MW_LOG_WARN, "careful \x01");
    mw_log_level level;
    const char *text;
    assert_ok(mw_message_read_log(only_payload(&reader, &out, MW_FRAME_LOG), &arena, &level, &text,
                                  &err));
    assert_int_equal(level, MW_LOG_WARN);
    assert_string_equal(text, "careful \x01");
    mw_frame_reader_done(&reader);

    mw_buf_clear(&out);
    mw_message_hello(&out);
    assert_ok(mw_message_read_hello(only_payload(&reader, &out, MW_FRAME_HELLO), NULL, &err));
    mw_frame_reader_done(&reader);
    mw_buf_done(&out);
    mw_arena_done(&arena);
}

MW_TEST(progress_is_a_share) {
    mw_progress_note note;
    mw_progress_note_set(&note, "x", 5, 0);
    assert_true(note.share == 0);
    mw_progress_note_set(&note, "x", 5, 4);
    assert_true(note.share == 1);
    mw_progress_note_set(&note, "x", -1, 4);
    assert_true(note.share == 0);
    mw_progress_note_set(&note, "x", 0.0 / 0.0, 4);
    assert_true(note.share == 0);
    char stage[400];
    memset(stage, 's', sizeof stage);
    stage[sizeof stage - 1] = '\0';
    mw_progress_note_set(&note, stage, 0, 0);
    assert_int_equal(strlen(note.stage), sizeof note.stage - 1);
}

MW_TEST(bad_messages) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_work work;
    mw_progress_note note;
    mw_err error;
    assert_status(mw_message_read_work(MW_STR(""), &arena, &work, &err), MW_EPARSE);
    assert_status(mw_message_read_work(MW_STR("[]"), &arena, &work, &err), MW_EPARSE);
    assert_status(mw_message_read_work(MW_STR("{\"org\":\"a\"}"), &arena, &work, &err), MW_EPARSE);
    assert_status(mw_message_read_work(
                      MW_STR("{\"org\":\"../a\",\"id\":\"i\",\"kind\":\"k\",\"work_path\":\"w\","
                             "\"threads\":1,\"memory_bytes\":0,\"seed\":\"0\",\"heartbeat_us\":1,"
                             "\"payload\":{}}"),
                      &arena, &work, &err),
                  MW_EPARSE);
    assert_status(mw_message_read_progress(MW_STR("nope"), NULL, &note, &err), MW_EPARSE);
    assert_status(mw_message_read_error(MW_STR("1"), NULL, &error, &err), MW_EPARSE);
    assert_ok(mw_message_read_error(MW_STR("{\"code\":\"OK\"}"), NULL, &error, &err));
    assert_int_equal(error.code, MW_EINTERNAL); /* an error is never a success */
    assert_status(mw_message_read_hello(MW_STR("{\"protocol\":2}"), NULL, &err), MW_EPARSE);
    assert_status(mw_message_check_result(MW_STR("{\"a\":}"), NULL, &err), MW_EPARSE);
    assert_status(mw_message_check_result(MW_STR("1 2"), NULL, &err), MW_EPARSE);
    assert_ok(mw_message_check_result(MW_STR("[1,{\"a\":null}]"), NULL, &err));
    mw_arena_done(&arena);
}

/* Every allocation of a round trip fails once; each time a clean MW_ENOMEM and nothing leaks. */
MW_TEST(allocation_failures) {
    int n_failed = 0;
    for (uint64_t n = 1; n < 2000; n++) {
        mw_buf out;
        mw_frame_reader reader;
        mw_arena arena;
        mw_frame frame;
        mw_work back;
        bool got = false;
        mw_work work = {.org = "a",
                        .id = "i",
                        .kind = "k",
                        .work_path = "w",
                        .heartbeat_us = 1,
                        .payload_text = MW_STR("{}")};
        mw_buf_init(&out, NULL, 1 << 20);
        mw_frame_reader_init(&reader, NULL);
        mw_arena_init(&arena, NULL);
        mw_alloc_fail_at(n);
        mw_message_work(&out, &work);
        mw_status status = mw_buf_status(&out, "frames", &err);
        if (status == MW_OK) status = mw_frame_feed(&reader, out.data, out.size, &err);
        if (status == MW_OK) status = mw_frame_next(&reader, &frame, &got, &err);
        if (status == MW_OK) status = mw_message_read_work(frame.payload, &arena, &back, &err);
        int fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        if (fired) assert_int_equal(status, MW_ENOMEM);
        n_failed += fired;
        mw_buf_done(&out);
        mw_frame_reader_done(&reader);
        mw_arena_done(&arena);
        assert_int_equal(mw_mem_used(&mw_mem_process), 0);
        if (!fired) {
            assert_ok(status);
            assert_true(n_failed > 3);
            return;
        }
    }
    fail_msg("the scenario never passed");
}

MW_TEST_MAIN(MW_RUN(bytes_on_the_wire), MW_RUN(any_cut_gives_the_same_frames), MW_RUN(bad_heads),
             MW_RUN(too_large_to_write), MW_RUN(messages_come_back), MW_RUN(progress_is_a_share),
             MW_RUN(bad_messages), MW_RUN(allocation_failures))
