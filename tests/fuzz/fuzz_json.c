/* fuzz_json.c -- any bytes as JSON: what is read, written and read again is written the same. */
#include <stdint.h>
#include <stdlib.h>

#include "core/text/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_err err;
    const mw_json *tree = NULL;
    mw_json_reader reader;
    mw_json_event event;
    mw_json_reader_init(&reader, (const char *)data, size, &arena, &err);
    while ((event = mw_json_next(&reader)) != MW_JSON_ERROR && event != MW_JSON_END) continue;

    mw_status status = mw_json_parse(&arena, (const char *)data, size, &tree, &err);
    if (status == MW_OK && event != MW_JSON_END) abort();
    if (status != MW_OK && status != MW_EPARSE && status != MW_ETOOLARGE) abort();
    if (status == MW_OK) {
        mw_buf first, second;
        mw_json_writer writer;
        mw_buf_init(&first, NULL, SIZE_MAX / 4);
        mw_buf_init(&second, NULL, SIZE_MAX / 4);
        mw_json_writer_init(&writer, &first, (int)(size % 3));
        mw_json_write_value(&writer, tree);
        if (mw_json_parse(&arena, first.data, first.size, &tree, &err) != MW_OK) abort();
        mw_json_writer_init(&writer, &second, (int)(size % 3));
        mw_json_write_value(&writer, tree);
        if (!mw_str_eq(mw_buf_str(&first), mw_buf_str(&second))) abort();
        mw_buf_done(&first);
        mw_buf_done(&second);
    }
    mw_arena_done(&arena);
    return 0;
}
