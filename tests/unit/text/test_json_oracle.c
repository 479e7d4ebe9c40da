/*
 * test_json_oracle.c -- jansson as the oracle: the same texts accepted, the same values read, and what
 * we write read by it. Both refuse repeated keys and numbers beyond a double here.
 */
#include <jansson.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/text/json.h"
#include "json_vectors.h"
#include "support/harness.h"

static mw_err err;

static json_t *load(const char *text, size_t size) {
    json_error_t error;
    return json_loadb(text, size,
                      JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL |
                          JSON_ALLOW_NUL,
                      &error);
}

static bool same(const mw_json *ours, const json_t *theirs) {
    switch (ours->kind) {
    case MW_JSON_OBJECT:
        if (!json_is_object(theirs) || json_object_size(theirs) != ours->n_children) return false;
        for (const mw_json *child = ours->first; child; child = child->next) {
            const json_t *other = json_object_getn(theirs, child->key.data, child->key.size);
            if (!other || !same(child, other)) return false;
        }
        return true;
    case MW_JSON_ARRAY: {
        size_t i = 0;
        if (!json_is_array(theirs) || json_array_size(theirs) != ours->n_children) return false;
        for (const mw_json *child = ours->first; child; child = child->next)
            if (!same(child, json_array_get(theirs, i++))) return false;
        return true;
    }
    case MW_JSON_STRING:
        return json_is_string(theirs) && json_string_length(theirs) == ours->string.size &&
               memcmp(json_string_value(theirs), ours->string.data, ours->string.size) == 0;
    case MW_JSON_NUMBER: return json_is_real(theirs) && json_real_value(theirs) == ours->number;
    case MW_JSON_TRUE: return json_is_true(theirs);
    case MW_JSON_FALSE: return json_is_false(theirs);
    default: return json_is_null(theirs);
    }
}

/* True when both accept it. */
static bool compare(const char *text, size_t size) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *ours = NULL;
    mw_status status = mw_json_parse(&arena, text, size, &ours, &err);
    json_t *theirs = load(text, size);
    if ((status == MW_OK) != (theirs != NULL))
        fail_msg("%.*s: we %s it", (int)size, text, status ? "refuse" : "accept");
    if (theirs && !same(ours, theirs)) fail_msg("%.*s: other values", (int)size, text);
    json_decref(theirs);
    mw_arena_done(&arena);
    return theirs != NULL;
}

MW_TEST(vectors) {
    for (size_t i = 0; i < sizeof json_good / sizeof *json_good; i++) {
        /* jansson keeps keys with NUL out whatever the flags say. */
        if (strstr(json_good[i].text, "{\"a\\u0000")) continue;
        assert_true(compare(json_good[i].text, json_good[i].size));
    }
    for (size_t i = 0; i < sizeof json_bad / sizeof *json_bad; i++) {
        /* jansson takes a NUL behind a bare number for the end of the text. */
        if (json_bad[i].size == 2 && memcmp(json_bad[i].text, "1", 2) == 0) continue;
        assert_false(compare(json_bad[i].text, json_bad[i].size));
    }
}

/* Pieces of JSON in random order: most fail late, some are documents. */
MW_TEST(random_texts) {
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"a\"",
                                         "\"b\"",
                                         "\"\\u00e9\"",
                                         "1",
                                         "-0",
                                         "1.5",
                                         "2e3",
                                         "true",
                                         "null",
                                         " ",
                                         "\n",
                                         "\"\"",
                                         "\"\\n\"",
                                         "{\"a\":",
                                         "[1,",
                                         "]}",
                                         "\"\\ud83d\\ude00\"",
                                         "\"\\ud83d\"",
                                         "01",
                                         "1e",
                                         "\"\xC3\xA9\"",
                                         "\"\xC3\"",
                                         "[]",
                                         "{}"};
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    int n_good = 0;
    for (int round = 0; round < 100000; round++) {
        char text[256];
        size_t size = 0, n = 1 + mw_rng_below(&rng, 9);
        for (size_t i = 0; i < n; i++) {
            const char *piece = pieces[mw_rng_below(&rng, sizeof pieces / sizeof *pieces)];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        n_good += compare(text, size);
    }
    assert_in_range(n_good, 1000, 100000);
}

static void write_random(mw_json_writer *w, mw_rng *rng, int depth) {
    uint64_t kind = mw_rng_below(rng, depth > 4 ? 4 : 6);
    char text[12];
    size_t n = mw_rng_below(rng, sizeof text);
    for (size_t i = 0; i < n; i++) text[i] = (char)(1 + mw_rng_below(rng, 127));
    if (kind == 0) mw_json_write_bool(w, n & 1);
    if (kind == 1) mw_json_write_str(w, (mw_str){text, n});
    if (kind == 2)
        mw_json_write_number(w, mw_rng_normal(rng) * (double)(1 + n * n * n * n * n * n * n));
    if (kind == 3) mw_json_write_int(w, (int64_t)(mw_rng_u64(rng) >> mw_rng_below(rng, 60)));
    if (kind < 4) return;
    bool object = kind == 4;
    object ? mw_json_object(w) : mw_json_array(w);
    for (uint64_t i = mw_rng_below(rng, 6); i > 0; i--) {
        char key[4] = {'k', (char)('0' + i), '"', 0};
        if (object) mw_json_key(w, key);
        write_random(w, rng, depth + 1);
    }
    object ? mw_json_object_end(w) : mw_json_array_end(w);
}

MW_TEST(what_we_write) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    mw_buf buf;
    mw_buf_init(&buf, NULL, 1 << 20);
    for (int round = 0; round < 5000; round++) {
        mw_json_writer w;
        mw_buf_clear(&buf);
        mw_json_writer_init(&w, &buf, round % 3);
        write_random(&w, &rng, 0);
        assert_true(compare(buf.data, buf.size));
    }
    mw_buf_done(&buf);
}

MW_TEST_MAIN(MW_RUN(vectors), MW_RUN(random_texts), MW_RUN(what_we_write))
