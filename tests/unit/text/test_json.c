/*
 * test_json.c -- the reader on the kinds of text that tell parsers apart (after Seriot, "Parsing
 * JSON is a minefield", 2016; vectors are our own), the tree, and the writer.
 */
#include "core/text/json.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/rng.h"
#include "core/text/datetime.h"
#include "json_vectors.h"
#include "support/harness.h"

static mw_err err;

static mw_status parse(const char *text, size_t size) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *tree = NULL;
    mw_status status = mw_json_parse(&arena, text, size, &tree, &err);
    assert_true((status == MW_OK) == (tree != NULL));
    mw_arena_done(&arena);
    return status;
}

MW_TEST(accepts_what_is_json) {
    for (size_t i = 0; i < sizeof json_good / sizeof *json_good; i++)
        if (parse(json_good[i].text, json_good[i].size) != MW_OK)
            fail_msg("refused %s: %s", json_good[i].text, err.message);
}

MW_TEST(refuses_what_is_not) {
    for (size_t i = 0; i < sizeof json_bad / sizeof *json_bad; i++) {
        if (parse(json_bad[i].text, json_bad[i].size) != MW_EPARSE)
            fail_msg("accepted %s", json_bad[i].text);
        assert_int_equal(err.code, MW_EPARSE);
    }
}

/* Any beginning of a document is refused, and so is any document with a byte made invalid. */
MW_TEST(refuses_cut_documents) {
    static const char text[] =
        "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e9\\ud83d\\ude00\\n\"],\"b\":{}}";
    assert_int_equal(parse(text, sizeof text - 1), MW_OK);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        /* A copy of exact size: a read past the end is then seen by the sanitizer. */
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        assert_int_equal(parse(copy, n), MW_EPARSE);
        free(copy);
    }
}

MW_TEST(says_where) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "not valid JSON: the text ends where a value must come (line 1, column 1)"},
        {"{\"a\":1,\n  \"b\":x}", "not valid JSON: a value must come here (line 2, column 7)"},
        {"[1 2]", "not valid JSON: a comma or ] must come here (line 1, column 4)"},
        {"[1,]", "not valid JSON: a value must come here (line 1, column 4)"},
        {"{\"a\":1,}", "not valid JSON: a key in double quotes must come here (line 1, column 8)"},
        {"{\"a\" 1}", "not valid JSON: a colon must come here (line 1, column 6)"},
        {"1 1", "not valid JSON: text after the value (line 1, column 3)"},
        {"\n\n\"a\tb\"", "not valid JSON: a control character in a string (line 3, column 3)"},
        {"[01]", "not valid JSON: a number with leading zeros (line 1, column 2)"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "not valid JSON: the key \"a\" comes twice in one object"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text)), MW_EPARSE);
        assert_string_equal(err.message, cases[i].message);
    }
}

MW_TEST(depth_is_bounded) {
    static char text[200000];
    size_t most = (size_t)MW_LIMIT(JSON_DEPTH);
    memset(text, '[', most);
    memset(text + most, ']', most);
    assert_int_equal(parse(text, 2 * most), MW_OK);
    memset(text, '[', most + 1);
    memset(text + most + 1, ']', most + 1);
    assert_int_equal(parse(text, 2 * most + 2), MW_EPARSE);
    memset(text, '[', sizeof text);
    assert_int_equal(parse(text, sizeof text), MW_EPARSE);
    for (size_t i = 0; i + 5 <= sizeof text; i += 5) memcpy(text + i, "{\"a\":", 5);
    assert_int_equal(parse(text, sizeof text), MW_EPARSE);
}

MW_TEST(events_come_in_order) {
    static const char text[] = " {\"a\" : [ 1 , \"x\\ny\" ] , \"b\":null,\"c\":{}} ";
    static const mw_json_event want[] = {
        MW_JSON_OBJECT,     MW_JSON_KEY,        MW_JSON_ARRAY, MW_JSON_NUMBER, MW_JSON_STRING,
        MW_JSON_ARRAY_END,  MW_JSON_KEY,        MW_JSON_NULL,  MW_JSON_KEY,    MW_JSON_OBJECT,
        MW_JSON_OBJECT_END, MW_JSON_OBJECT_END, MW_JSON_END,   MW_JSON_END};
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_json_reader reader;
    mw_json_reader_init(&reader, text, sizeof text - 1, &arena, &err);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_int_equal(mw_json_next(&reader), want[i]);
        if (i == 3) assert_true(reader.number == 1 && mw_str_is(reader.string, "1"));
        if (i == 4) assert_true(mw_str_is(reader.string, "x\ny"));
    }
    mw_json_reader_init(&reader, text, sizeof text - 1, &arena, &err);
    assert_int_equal(mw_json_next(&reader), MW_JSON_OBJECT);
    assert_int_equal(mw_json_next(&reader), MW_JSON_KEY);
    assert_true(mw_json_skip(&reader, mw_json_next(&reader)));
    assert_int_equal(mw_json_next(&reader), MW_JSON_KEY);
    assert_true(mw_str_is(reader.string, "b"));
    assert_true(mw_json_skip(&reader, mw_json_next(&reader)));
    assert_int_equal(mw_json_next(&reader), MW_JSON_KEY);
    mw_json_reader_init(&reader, "[[1}", 4, &arena, &err);
    assert_false(mw_json_skip(&reader, mw_json_next(&reader)));
    assert_int_equal(mw_json_next(&reader), MW_JSON_ERROR); /* and stays so */
    assert_int_equal(mw_json_next(&reader), MW_JSON_ERROR);
    mw_arena_done(&arena);
}

MW_TEST(tree_is_looked_into_by_name) {
    static const char text[] =
        "{\"i\":12,\"one\":1.0,\"k\":1e3,\"f\":0.5,\"big\":9223372036854775807,"
        "\"over\":9223372036854775808,\"s\":\"t\",\"yes\":true,\"no\":false,"
        "\"z\":null,\"list\":[10,20],\"n\\u0000ul\":1,\"zero\":-0.0}";
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *tree = NULL;
    assert_ok(mw_json_parse(&arena, text, sizeof text - 1, &tree, &err));
    assert_int_equal(tree->n_children, 13);
    assert_int_equal(mw_json_int(mw_json_get(tree, "i"), -1), 12);
    assert_int_equal(mw_json_int(mw_json_get(tree, "one"), -1), 1);
    assert_int_equal(mw_json_int(mw_json_get(tree, "k"), -1), 1000);
    assert_int_equal(mw_json_int(mw_json_get(tree, "f"), -1), -1);
    assert_int_equal(mw_json_int(mw_json_get(tree, "zero"), -1), 0);
    assert_int_equal(mw_json_int(mw_json_get(tree, "big"), -1), INT64_MAX);
    assert_int_equal(mw_json_int(mw_json_get(tree, "over"), -1), -1);
    assert_int_equal(mw_json_int(mw_json_get(tree, "s"), -1), -1);
    assert_true(mw_json_number(mw_json_get(tree, "f"), -1) == 0.5);
    assert_true(mw_json_number(mw_json_get(tree, "s"), -1) == -1);
    assert_true(mw_str_is(mw_json_string(mw_json_get(tree, "s"), "no"), "t"));
    assert_true(mw_str_is(mw_json_string(mw_json_get(tree, "i"), "no"), "no"));
    assert_true(mw_json_bool(mw_json_get(tree, "yes"), false));
    assert_false(mw_json_bool(mw_json_get(tree, "no"), true));
    assert_true(mw_json_bool(mw_json_get(tree, "z"), true));
    assert_int_equal(mw_json_int(mw_json_at(mw_json_get(tree, "list"), 1), -1), 20);
    assert_null(mw_json_at(mw_json_get(tree, "list"), 2));
    assert_null(mw_json_at(tree, 0));
    assert_null(mw_json_get(NULL, "x"));
    assert_null(mw_json_get(mw_json_get(tree, "list"), "x"));
    assert_null(mw_json_get(tree, "n"));
    mw_arena_done(&arena);
}

MW_TEST(repeated_keys_are_found_in_any_number) {
    mw_buf buf;
    mw_buf_init(&buf, NULL, 1 << 22);
    static const int sizes[] = {2, 3, 12, 13, 14, 64, 100, 1000, 50000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (int twice = 0; twice < 2; twice++) {
            mw_buf_clear(&buf);
            for (int i = 0; i < sizes[k]; i++) {
                /* The repeated key is written with an escape: \u006b is k. */
                bool again = twice && i == sizes[k] - 1;
                mw_buf_printf(&buf, "%s\"%s%d\":0", i ? "," : "{", again ? "\\u006b" : "k",
                              (again ? 0 : i) * 7919 % 60000);
            }
            mw_buf_add_char(&buf, '}');
            mw_status want = twice ? MW_EPARSE : MW_OK;
            assert_status(parse(mw_buf_text(&buf), buf.size), want);
        }
    }
    mw_buf_done(&buf);
}

MW_TEST(writer_escapes_and_separates) {
    mw_buf buf;
    mw_buf_init(&buf, NULL, 10000);
    mw_json_writer w;
    mw_json_writer_init(&w, &buf, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "s", "q\"\\/\b\f\n\r\t\x01\x1F\x7F\xC3\xA4\xF0\x9F\x98\x80");
    mw_json_add_string(&w, "none", NULL);
    mw_json_add_number(&w, "x", 0.1);
    mw_json_add_number(&w, "nan", NAN);
    mw_json_add_number(&w, "inf", -INFINITY);
    mw_json_add_int(&w, "i", INT64_MIN);
    mw_json_add_bool(&w, "b", true);
    mw_json_add_time(&w, "t", 0);
    mw_json_add_time(&w, "no_t", MW_TIME_NONE);
    mw_json_key(&w, "a");
    mw_json_array(&w);
    mw_json_array(&w);
    mw_json_array_end(&w);
    mw_json_object(&w);
    mw_json_object_end(&w);
    mw_json_write_str(&w, (mw_str){"a\0b", 3});
    mw_json_write_raw(&w, MW_STR("[1]"));
    mw_json_array_end(&w);
    mw_json_object_end(&w);
    assert_string_equal(
        mw_buf_text(&buf),
        "{\"s\":\"q\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\xC3\xA4\xF0\x9F\x98\x80\","
        "\"none\":null,\"x\":0.1,\"nan\":null,\"inf\":null,\"i\":-9223372036854775808,"
        "\"b\":true,\"t\":\"1970-01-01T00:00:00Z\",\"no_t\":null,"
        "\"a\":[[],{},\"a\\u0000b\",[1]]}");
    mw_buf_clear(&buf);
    mw_json_writer_init(&w, &buf, 2);
    mw_json_object(&w);
    mw_json_add_int(&w, "a", 1);
    mw_json_key(&w, "b");
    mw_json_array(&w);
    mw_json_write_int(&w, 2);
    mw_json_write_int(&w, 3);
    mw_json_array_end(&w);
    mw_json_key(&w, "c");
    mw_json_object(&w);
    mw_json_object_end(&w);
    mw_json_object_end(&w);
    assert_string_equal(mw_buf_text(&buf),
                        "{\n  \"a\": 1,\n  \"b\": [\n    2,\n    3\n  ],\n  \"c\": {}\n}");
    mw_buf_done(&buf);
}

MW_TEST(writer_repairs_bad_utf8) {
    /* Replacement as in Unicode 15, table 3-8 and 3-11. */
    static const struct {
        const char *text, *want;
    } cases[] = {{"\x80", "\"\xEF\xBF\xBD\""},
                 {"a\xC3", "\"a\xEF\xBF\xBD\""},
                 {"\xC0\xAF"
                  "b",
                  "\"\xEF\xBF\xBD\xEF\xBF\xBD"
                  "b\""},
                 {"\xE0\x80\xBF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
                 {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
                 {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                  "A",
                  "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                  "A\""},
                 {"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_buf buf;
        mw_buf_init(&buf, NULL, 1000);
        mw_json_writer w;
        mw_json_writer_init(&w, &buf, 0);
        mw_json_write_string(&w, cases[i].text);
        assert_string_equal(mw_buf_text(&buf), cases[i].want);
        mw_buf_done(&buf);
    }
}

/* Random bytes as strings: what is written is valid, and valid UTF-8 comes back as it was. */
MW_TEST(written_strings_read_back) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t n = mw_rng_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(round % 2 ? mw_rng_below(&rng, 128) : mw_rng_u64(&rng));
        mw_buf buf;
        mw_buf_init(&buf, NULL, 1000);
        mw_json_writer w;
        mw_json_writer_init(&w, &buf, 0);
        mw_json_write_str(&w, (mw_str){text, n});
        mw_arena arena;
        mw_arena_init(&arena, NULL);
        const mw_json *tree = NULL;
        assert_ok(mw_json_parse(&arena, buf.data, buf.size, &tree, &err));
        if (mw_utf8_valid(text, n)) assert_true(mw_str_eq(tree->string, (mw_str){text, n}));
        mw_arena_done(&arena);
        mw_buf_done(&buf);
    }
}

MW_TEST(a_tree_is_written_as_it_was_read) {
    static const char text[] = "{\"a\":[1,1.0,1e400000000000,2],\"b\":{}}";
    static const char good[] =
        "{\"a\":[1,1.0,-0,12345678901234567890,[],null,true,false],\"\\u0001\":{\"x\":\"y\"}}";
    assert_int_equal(parse(text, sizeof text - 1), MW_EPARSE);
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *tree = NULL;
    assert_ok(mw_json_parse(&arena, good, sizeof good - 1, &tree, &err));
    mw_buf buf;
    mw_buf_init(&buf, NULL, 1000);
    mw_json_writer w;
    mw_json_writer_init(&w, &buf, 0);
    mw_json_write_value(&w, tree);
    assert_string_equal(mw_buf_text(&buf), good);
    mw_buf_done(&buf);
    mw_arena_done(&arena);
}

static mw_status scenario(mw_mem *mem) {
    static char text[9000];
    char *p = text;
    for (int i = 0; i < 400; i++)
        p +=
            snprintf(p, (size_t)(text + sizeof text - p), "%c\"k\\n%d\":[%d]", i ? ',' : '{', i, i);
    *p++ = '}';
    mw_arena arena;
    mw_arena_init(&arena, mem);
    const mw_json *tree = NULL;
    mw_status status = mw_json_parse(&arena, text, (size_t)(p - text), &tree, &err);
    mw_arena_done(&arena);
    return status;
}

MW_TEST(every_allocation_may_fail) {
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    for (uint64_t n = 1;; n++) {
        mw_alloc_fail_at(n);
        mw_status status = scenario(&mem);
        bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        assert_int_equal(mw_mem_used(&mem), 0);
        assert_int_equal(status, fired ? MW_ENOMEM : MW_OK);
        if (fired) continue;
        assert_in_range(n, 5, 2000);
        break;
    }
}

MW_TEST_MAIN(MW_RUN(accepts_what_is_json), MW_RUN(refuses_what_is_not),
             MW_RUN(refuses_cut_documents), MW_RUN(says_where), MW_RUN(depth_is_bounded),
             MW_RUN(events_come_in_order), MW_RUN(tree_is_looked_into_by_name),
             MW_RUN(repeated_keys_are_found_in_any_number), MW_RUN(writer_escapes_and_separates),
             MW_RUN(writer_repairs_bad_utf8), MW_RUN(written_strings_read_back),
             MW_RUN(a_tree_is_written_as_it_was_read), MW_RUN(every_allocation_may_fail))
