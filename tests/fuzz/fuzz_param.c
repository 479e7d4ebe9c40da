/*
 * fuzz_param.c -- any bytes as parameters: lines name=value, or a JSON object. What is accepted writes
 * JSON that the same table accepts and writes again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/param/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const choices[] = {"red", "green", NULL};
static const char *const choice_aliases[][2] = {{"rouge", "red"}, {NULL}};
static const mw_param table[] = {
    {.name = "flag", .type = MW_PARAM_BOOL, .def = "false"},
    {.name = "count", .type = MW_PARAM_INT, .min = -5, .max = 1e15},
    {.name = "rate", .type = MW_PARAM_FLOAT, .aliases = "eta step"},
    {.name = "text", .type = MW_PARAM_STRING, .min = 1, .max = 20},
    {.name = "color",
     .type = MW_PARAM_ENUM,
     .choices = choices,
     .choice_aliases = choice_aliases,
     .def = "red"},
    {.name = "span", .type = MW_PARAM_DURATION, .def = "5min"},
    {.name = "list", .type = MW_PARAM_LIST, .max = 5},
    {.name = "since", .type = MW_PARAM_TIME},
    {.name = "set", .type = MW_PARAM_STRING, .flags = MW_PARAM_REPEATED},
    {.name = NULL}};

static mw_args *fresh(void) {
    mw_args *args = NULL;
    if (mw_args_new(NULL, table, &args, NULL)) abort();
    return args;
}

static void set_lines(mw_args *args, const char *text, size_t size) {
    mw_err err;
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;
        const char *equals = memchr(text, '=', n);
        size_t n_name = equals ? (size_t)(equals - text) : n;
        size_t n_value = equals ? n - n_name - 1 : 0;
        mw_status status = mw_args_set(args, (mw_str){text, n_name},
                                       (mw_str){equals ? equals + 1 : "", n_value}, &err);
        if (status && !mw_utf8_valid(err.message, strlen(err.message))) abort();
        text += n + (end != NULL);
        size -= n + (end != NULL);
    }
}

static void set_json(mw_args *args, const char *text, size_t size, bool must) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *json = NULL;
    mw_err err;
    mw_status status = mw_json_parse(&arena, text, size, &json, &err);
    if (!status) status = mw_args_set_json(args, json, &err);
    if (must && status) abort();
    mw_arena_done(&arena);
}

static void write_out(mw_args *args, mw_buf *buf) {
    mw_json_writer writer;
    mw_buf_init(buf, NULL, SIZE_MAX / 4);
    if (mw_args_finish(args, NULL)) abort();
    mw_json_writer_init(&writer, buf, 0);
    mw_args_write_json(args, &writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_args *args = fresh();
    if (size && data[0] == '{')
        set_json(args, (const char *)data, size, false);
    else
        set_lines(args, (const char *)data, size);
    mw_buf first, second;
    write_out(args, &first);
    mw_args_free(args);
    args = fresh();
    set_json(args, first.data, first.size, true);
    write_out(args, &second);
    if (!mw_str_eq(mw_buf_str(&first), mw_buf_str(&second))) abort();
    mw_args_free(args);
    mw_buf_done(&first);
    mw_buf_done(&second);
    return 0;
}
