/* test_param.c -- one table through every way in (text, JSON, environment, default) and every way
 * out. */
#include "core/param/param.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/param/nearest.h"
#include "core/text/datetime.h"
#include "support/harness.h"

static const char *const learners[] = {"gbdt", "forest", "linear", "isolation", NULL};
static const char *const colors[] = {"red", "green", NULL};

static const mw_param table[] = {
    {.name = "file",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_POSITIONAL | MW_PARAM_REQUIRED,
     .help = "The CSV file to read."},
    {.name = "max_depth",
     .type = MW_PARAM_INT,
     .def = "6",
     .min = 1,
     .max = 64,
     .unit = "levels",
     .help = "Deepest tree."},
    {.name = "rate",
     .type = MW_PARAM_FLOAT,
     .def = "0.1",
     .min = 0,
     .max = 1,
     .help = "Learning rate."},
    {.name = "learner",
     .type = MW_PARAM_ENUM,
     .def = "forest",
     .choices = learners,
     .help = "What is fitted."},
    {.name = "interval",
     .type = MW_PARAM_DURATION,
     .def = "5min",
     .min = 1e6,
     .max = 86400e6,
     .env = "MW_TEST_INTERVAL",
     .help = "Width of a window."},
    {.name = "since", .type = MW_PARAM_TIME, .help = "Rows from this time on."},
    {.name = "drop", .type = MW_PARAM_LIST, .max = 3, .help = "Columns to leave out."},
    {.name = "paint",
     .type = MW_PARAM_LIST,
     .choices = colors,
     .def = "red, green",
     .help = "Colors."},
    {.name = "set",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REPEATED,
     .help = "A setting of the learner, name=value, of which there may be as many as you like, in "
             "any order."},
    {.name = "tag", .type = MW_PARAM_STRING, .min = 2, .max = 5, .help = "A mark."},
    {.name = "wait",
     .type = MW_PARAM_BOOL,
     .def = "true",
     .help = "Wait for the end.",
     .flags = MW_PARAM_HTTP_ONLY},
    {.name = "big", .type = MW_PARAM_INT, .help = "Any whole number."},
    {.name = NULL}};

static mw_err err;

static mw_args *fresh(mw_mem *mem) {
    mw_args *args = NULL;
    assert_ok(mw_args_new(mem, table, &args, &err));
    return args;
}

static mw_status set(mw_args *args, const char *name, const char *text) {
    return mw_args_set(args, mw_str_of(name), mw_str_of(text), &err);
}

static mw_status set_json(mw_args *args, const char *text) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *json = NULL;
    mw_status status = mw_json_parse(&arena, text, strlen(text), &json, &err);
    if (!status) status = mw_args_set_json(args, json, &err);
    mw_arena_done(&arena);
    return status;
}

MW_TEST(defaults_apply) {
    mw_args *args = fresh(NULL);
    assert_ok(set(args, "file", "x.csv"));
    assert_ok(mw_args_finish(args, &err));
    assert_string_equal(mw_args_string(args, "file"), "x.csv");
    assert_int_equal(mw_args_int(args, "max_depth"), 6);
    assert_true(mw_args_float(args, "rate") == 0.1);
    assert_string_equal(mw_args_string(args, "learner"), "forest");
    assert_int_equal(mw_args_int(args, "interval"), 300000000);
    assert_true(mw_args_bool(args, "wait"));
    assert_false(mw_args_has(args, "since"));
    assert_true(mw_args_has(args, "rate"));
    assert_false(mw_args_given(args, "rate"));
    assert_true(mw_args_given(args, "file"));
    assert_null(mw_args_string(args, "tag"));
    const char *const *items;
    assert_int_equal(mw_args_list(args, "drop", &items), 0);
    assert_non_null(items);
    assert_null(items[0]);
    assert_int_equal(mw_args_list(args, "paint", &items), 2);
    assert_string_equal(items[1], "green");
    assert_false(mw_args_has(args, "no_such_name"));
    mw_args_free(args);
}

MW_TEST(text_sets_every_type) {
    mw_args *args = fresh(NULL);
    assert_ok(set(args, "file", ""));
    assert_ok(set(args, "max_depth", "64"));
    assert_ok(set(args, "rate", "2.5e-1"));
    assert_ok(set(args, "learner", "gbdt"));
    assert_ok(set(args, "interval", "1h"));
    assert_ok(set(args, "since", "2026-11-21T09:06:00+02:00"));
    assert_ok(set(args, "drop", " a, b ,"));
    assert_ok(set(args, "drop", "c"));
    assert_ok(set(args, "set", "a=1,2"));
    assert_ok(set(args, "set", "b=3"));
    assert_ok(set(args, "wait", "No"));
    assert_ok(set(args, "big", "-9223372036854775808"));
    assert_ok(mw_args_finish(args, &err));
    assert_int_equal(mw_args_int(args, "max_depth"), 64);
    assert_true(mw_args_float(args, "rate") == 0.25);
    assert_int_equal(mw_args_int(args, "interval"), INT64_C(3600000000));
    assert_int_equal(mw_args_int(args, "since"), INT64_C(1795244760000000));
    assert_int_equal(mw_args_int(args, "big"), INT64_MIN);
    assert_false(mw_args_bool(args, "wait"));
    const char *const *items;
    assert_int_equal(mw_args_list(args, "drop", &items), 3);
    assert_string_equal(items[0], "a");
    assert_string_equal(items[2], "c");
    assert_int_equal(mw_args_list(args, "set", &items), 2);
    assert_string_equal(items[0], "a=1,2");
    assert_null(items[2]);
    mw_args_free(args);
}

/* A refused value: its message, hint and pointer. */
static void refused(mw_status status, const char *message, const char *hint, const char *pointer) {
    assert_int_equal(status, MW_EINVAL);
    assert_int_equal(err.code, MW_EINVAL);
    assert_string_equal(err.message, message);
    assert_string_equal(err.hint, hint);
    assert_string_equal(err.pointer, pointer);
}

MW_TEST(bad_text_is_refused_with_reason) {
    mw_args *args = fresh(NULL);
    refused(set(args, "max_detph", "1"), "unknown parameter \"max_detph\"",
            "did you mean \"max_depth\"?", "max_detph");
    refused(set(args, "max-depth", "1"), "unknown parameter \"max-depth\"",
            "did you mean \"max_depth\"?", "max-depth");
    refused(set(args, "zzz", "1"), "unknown parameter \"zzz\"", "", "zzz");
    refused(set(args, "", "1"), "unknown parameter \"\"", "", "");
    refused(set(args, "max_depth", "1.5"), "max_depth must be a whole number, not \"1.5\"", "",
            "max_depth");
    refused(set(args, "max_depth", ""), "max_depth must be a whole number, not \"\"", "",
            "max_depth");
    refused(set(args, "max_depth", "65"), "max_depth must be between 1 and 64, not 65", "",
            "max_depth");
    refused(set(args, "max_depth", "0"), "max_depth must be between 1 and 64, not 0", "",
            "max_depth");
    refused(set(args, "big", "9223372036854775808"),
            "big must be a whole number, not \"9223372036854775808\"", "", "big");
    refused(set(args, "rate", "1e999"), "rate must be a number, not \"1e999\"", "", "rate");
    refused(set(args, "rate", "nan"), "rate must be a number, not \"nan\"", "", "rate");
    refused(set(args, "rate", "1.0000001"), "rate must be between 0 and 1, not 1.0000001", "",
            "rate");
    refused(set(args, "learner", "forst"),
            "learner must be one of gbdt, forest, linear, isolation, not \"forst\"",
            "did you mean \"forest\"?", "learner");
    refused(set(args, "learner", "xyz"),
            "learner must be one of gbdt, forest, linear, isolation, not \"xyz\"", "", "learner");
    refused(set(args, "interval", "5 min"), "interval must be a time span, not \"5 min\"",
            "a span is a whole number and a unit: 30s, 5min, 1h, 7d", "interval");
    refused(set(args, "interval", "2d"), "interval must be between 1s and 1d, not 2d", "",
            "interval");
    refused(set(args, "since", "yesterday"), "since must be a time stamp, not \"yesterday\"",
            "a time stamp looks like 2026-11-21T07:06:00Z or 2026-11-21", "since");
    refused(set(args, "wait", "maybe"), "wait must be true or false, not \"maybe\"", "", "wait");
    refused(set(args, "tag", "a"), "tag must have 2 to 5 bytes, not 1", "", "tag");
    refused(set(args, "tag", "abcdef"), "tag must have 2 to 5 bytes, not 6", "", "tag");
    refused(set(args, "file", "\xFF"), "file must be UTF-8 text without NUL bytes", "", "file");
    refused(mw_args_set(args, MW_STR("file"), MW_STR("a\0b"), &err),
            "file must be UTF-8 text without NUL bytes", "", "file");
    refused(set(args, "drop", "a,b,c,d"), "drop may have at most 3 items", "", "drop");
    refused(set(args, "paint", "red,blue"), "paint must be one of red, green, not \"blue\"", "",
            "paint");
    refused(set(args, "rate", "\x1B[31m\xC3\xA4"), "rate must be a number, not \"?[31m\xC3\xA4\"",
            "", "rate");
    assert_ok(set(args, "rate", "0.5"));
    refused(set(args, "rate", "0.5"), "rate is set twice", "", "rate");
    refused(mw_args_finish(args, &err), "file is missing", "file: The CSV file to read.", "file");
    mw_args_free(args);
}

MW_TEST(long_values_are_refused_and_shown_cut) {
    mw_args *args = fresh(NULL);
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    refused(set(args, "file", text), "file must have at most 4096 bytes, not 4999", "", "file");
    refused(set(args, "set", text), "set must have at most 4096 bytes, not 4999", "", "set");
    assert_int_equal(set(args, "rate", text), MW_EINVAL);
    assert_in_range(strlen(err.message), 60, 110);
    assert_int_equal(set(args, text, "1"), MW_EINVAL);
    /* A character at the cut stays whole. */
    for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = i % 2 ? '\xA4' : '\xC3';
    memmove(text + 1, text, 100);
    text[0] = 'x';
    text[201] = '\0';
    assert_int_equal(set(args, "rate", text), MW_EINVAL);
    assert_true(mw_utf8_valid(err.message, strlen(err.message)));
    mw_args_free(args);
}

MW_TEST(json_sets_every_type) {
    mw_args *args = fresh(NULL);
    assert_ok(set_json(args,
                       "{\"file\":\"\\u00e4\",\"max_depth\":7.0,\"rate\":1,\"learner\":\"linear\","
                       "\"interval\":\"30s\",\"since\":\"2026-11-21\",\"drop\":[\"a,b\"],"
                       "\"set\":\"x=1,2\",\"wait\":false,\"big\":9223372036854775807}"));
    assert_ok(mw_args_finish(args, &err));
    assert_string_equal(mw_args_string(args, "file"), "\xC3\xA4");
    assert_int_equal(mw_args_int(args, "max_depth"), 7);
    assert_true(mw_args_float(args, "rate") == 1);
    assert_int_equal(mw_args_int(args, "interval"), 30000000);
    assert_int_equal(mw_args_int(args, "big"), INT64_MAX);
    assert_false(mw_args_bool(args, "wait"));
    const char *const *items;
    assert_int_equal(mw_args_list(args, "drop", &items), 1);
    assert_string_equal(items[0], "a,b");
    assert_int_equal(mw_args_list(args, "set", &items), 1);
    assert_string_equal(items[0], "x=1,2");
    mw_args_free(args);
}

MW_TEST(bad_json_is_refused_with_reason) {
    static const struct {
        const char *json, *message, *pointer;
    } cases[] = {
        {"[]", "the parameters must be a JSON object", ""},
        {"{\"ratio\":1}", "unknown parameter \"ratio\"", "ratio"},
        {"{\"max_depth\":\"7\"}", "max_depth must be a whole number, not the string 7",
         "max_depth"},
        {"{\"max_depth\":7.5}", "max_depth must be a whole number, not the number 7.5",
         "max_depth"},
        {"{\"max_depth\":1e30}", "max_depth must be a whole number, not the number 1e30",
         "max_depth"},
        {"{\"max_depth\":true}", "max_depth must be a whole number, not true", "max_depth"},
        {"{\"max_depth\":null}", "max_depth must be a whole number, not null", "max_depth"},
        {"{\"max_depth\":0}", "max_depth must be between 1 and 64, not 0", "max_depth"},
        {"{\"big\":9223372036854775808}",
         "big must be a whole number, not the number 9223372036854775808", "big"},
        {"{\"rate\":\"1\"}", "rate must be a number, not the string 1", "rate"},
        {"{\"rate\":-0.5}", "rate must be between 0 and 1, not -0.5", "rate"},
        {"{\"wait\":\"true\"}", "wait must be true or false, not the string true", "wait"},
        {"{\"file\":1}", "file must be a text, not the number 1", "file"},
        {"{\"file\":\"a\\u0000\"}", "file must be UTF-8 text without NUL bytes", "file"},
        {"{\"drop\":[1]}", "drop must be a list of texts, not the number 1", "drop"},
        {"{\"drop\":{}}", "drop must be a list of texts, not an object", "drop"},
        {"{\"drop\":[\"a\",\"b\",\"c\",\"d\"]}", "drop may have at most 3 items", "drop"},
        {"{\"interval\":300}", "interval must be a time span, not the number 300", "interval"},
        {"{\"learner\":[]}", "learner must be one of its choices, not an array", "learner"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mw_args *args = fresh(NULL);
        mw_status status = set_json(args, cases[i].json);
        if (status != MW_EINVAL || strcmp(err.message, cases[i].message) != 0 ||
            strcmp(err.pointer, cases[i].pointer) != 0)
            fail_msg("%s: %s (%s)", cases[i].json, err.message, err.pointer);
        mw_args_free(args);
    }
    mw_args *args = fresh(NULL);
    assert_ok(set(args, "rate", "1"));
    refused(set_json(args, "{\"rate\":1}"), "rate is set twice", "", "rate");
    mw_args_free(args);
}

MW_TEST(everything_that_is_wrong_is_collected) {
    mw_args *args = fresh(NULL);
    mw_faults faults;
    mw_faults_init(&faults, NULL);
    mw_args_collect(args, &faults);
    assert_ok(set(args, "max_detph", "1"));
    assert_ok(set(args, "max_depth", "1000"));
    assert_ok(set(args, "rate", "x"));
    assert_ok(set(args, "rate", "0.5")); /* the right value does not undo the wrong one */
    faults.lead = "/";
    static const char json[] = "{\"big\":\"y\",\"zzz\":1,\"drop\":[1,\"a\",{}]}";
    mw_arena arena;
    const mw_json *object;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_json_parse(&arena, json, sizeof json - 1, &object, &err));
    assert_ok(mw_args_set_json(args, object, &err));
    mw_arena_done(&arena);
    assert_ok(mw_args_finish(args, &err));
    static const char *const want[] = {"max_detph", "max_depth", "rate",  "/big", "/zzz",
                                       "/drop",     "/drop",     "/file", NULL};
    const mw_fault *fault = faults.first;
    for (size_t i = 0; want[i]; i++, fault = fault->next) {
        assert_non_null(fault);
        assert_string_equal(fault->pointer, want[i]);
    }
    assert_null(fault);
    assert_status(mw_faults_status(&faults, &err), MW_EINVAL);
    assert_string_equal(err.message, "unknown parameter \"max_detph\"");
    assert_string_equal(err.hint, "did you mean \"max_depth\"?");
    for (int i = 0; i < 100; i++) assert_ok(mw_faults_add(&faults, &err));
    assert_int_equal(faults.n_listed, MW_LIMIT(FAULTS));
    assert_int_equal(faults.n_all, 108);
    mw_faults_done(&faults);
    mw_args_free(args);
}

MW_TEST(environment_comes_between_user_and_default) {
    mw_args *args = fresh(NULL);
    setenv("MW_TEST_INTERVAL", "10s", 1);
    assert_ok(set(args, "file", "x"));
    assert_ok(mw_args_finish(args, &err));
    assert_int_equal(mw_args_int(args, "interval"), 10000000);
    assert_true(mw_args_has(args, "interval") && !mw_args_given(args, "interval"));
    mw_args_free(args);

    args = fresh(NULL);
    assert_ok(set(args, "file", "x"));
    assert_ok(set(args, "interval", "20s"));
    assert_ok(mw_args_finish(args, &err));
    assert_int_equal(mw_args_int(args, "interval"), 20000000);
    mw_args_free(args);

    args = fresh(NULL);
    setenv("MW_TEST_INTERVAL", "soon", 1);
    assert_ok(set(args, "file", "x"));
    refused(mw_args_finish(args, &err),
            "environment variable MW_TEST_INTERVAL: interval must be a time span, not \"soon\"",
            "a span is a whole number and a unit: 30s, 5min, 1h, 7d", "interval");
    mw_args_free(args);

    args = fresh(NULL);
    setenv("MW_TEST_INTERVAL", "", 1); /* as good as unset */
    assert_ok(set(args, "file", "x"));
    assert_ok(mw_args_finish(args, &err));
    assert_int_equal(mw_args_int(args, "interval"), 300000000);
    mw_args_free(args);
}

MW_TEST(a_default_that_does_not_fit_is_an_internal_error) {
    static const mw_param wrong[] = {{.name = "n", .type = MW_PARAM_INT, .def = "x"},
                                     {.name = NULL}};
    mw_args *args = NULL;
    assert_ok(mw_args_new(NULL, wrong, &args, &err));
    assert_status(mw_args_finish(args, &err), MW_EINTERNAL);
    assert_int_equal(err.code, MW_EINTERNAL);
    mw_args_free(args);
}

static void write_json(const mw_args *args, mw_buf *buf) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, buf, 0);
    mw_args_write_json(args, &writer);
}

MW_TEST(written_values_rebuild_the_same_values) {
    mw_buf first, second;
    mw_buf_init(&first, NULL, 10000);
    mw_buf_init(&second, NULL, 10000);
    mw_args *args = fresh(NULL);
    assert_ok(set(args, "file", "x \"y\".csv"));
    assert_ok(set(args, "rate", "0.30000000000000004"));
    assert_ok(set(args, "since", "2026-11-21T07:06:00.000001Z"));
    assert_ok(set(args, "interval", "90s"));
    assert_ok(set(args, "set", "a=1,2"));
    assert_ok(set(args, "big", "-9223372036854775808"));
    assert_ok(mw_args_finish(args, &err));
    write_json(args, &first);
    assert_string_equal(
        mw_buf_text(&first),
        "{\"file\":\"x "
        "\\\"y\\\".csv\",\"max_depth\":6,\"rate\":0.30000000000000004,\"learner\":\"forest\","
        "\"interval\":\"90s\",\"since\":\"2026-11-21T07:06:00.000001Z\",\"paint\":[\"red\","
        "\"green\"],"
        "\"set\":[\"a=1,2\"],\"wait\":true,\"big\":-9223372036854775808}");
    mw_args_free(args);
    args = fresh(NULL);
    assert_ok(set_json(args, mw_buf_text(&first)));
    assert_ok(mw_args_finish(args, &err));
    write_json(args, &second);
    assert_string_equal(mw_buf_text(&second), mw_buf_text(&first));
    mw_args_free(args);
    mw_buf_done(&first);
    mw_buf_done(&second);
}

MW_TEST(schemas) {
    static const char *const want[] = {
        "{\"type\":\"string\",\"maxLength\":4096,\"description\":\"The CSV file to read.\"}",
        "{\"type\":\"integer\",\"minimum\":1,\"maximum\":64,\"default\":6,\"description\":"
        "\"Deepest tree. Unit: levels.\"}",
        "{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.1,\"description\":"
        "\"Learning rate.\"}",
        "{\"type\":\"string\",\"enum\":[\"gbdt\",\"forest\",\"linear\",\"isolation\"],\"default\":"
        "\"forest\",\"description\":\"What is fitted.\"}",
        "{\"type\":\"string\",\"default\":\"5min\",\"description\":\"Width of a window. A span "
        "like 5min, 1s to 1d.\"}",
        "{\"type\":\"string\",\"format\":\"date-time\",\"description\":\"Rows from this time "
        "on.\"}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":3,\"description\":"
        "\"Columns to leave out.\"}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"red\",\"green\"]},"
        "\"maxItems\":20000,\"default\":[\"red\",\"green\"],\"description\":\"Colors.\"}",
        NULL,
        "{\"type\":\"string\",\"minLength\":2,\"maxLength\":5,\"description\":\"A mark.\"}",
        "{\"type\":\"boolean\",\"default\":true,\"description\":\"Wait for the end.\"}",
        "{\"type\":\"integer\",\"description\":\"Any whole number.\"}"};
    for (size_t i = 0; table[i].name; i++) {
        mw_buf buf;
        mw_json_writer writer;
        mw_buf_init(&buf, NULL, 10000);
        mw_json_writer_init(&writer, &buf, 0);
        mw_param_write_schema(&table[i], &writer);
        if (want[i]) assert_string_equal(mw_buf_text(&buf), want[i]);
        mw_buf_done(&buf);
    }
}

MW_TEST(help) {
    mw_buf buf;
    mw_buf_init(&buf, NULL, 10000);
    mw_param_write_help(table, &buf);
    assert_string_equal(
        mw_buf_text(&buf),
        "  FILE              The CSV file to read. [required]\n"
        "  --max-depth N     Deepest tree. [1 to 64 levels; default 6]\n"
        "  --rate X          Learning rate. [0 to 1; default 0.1]\n"
        "  --learner CHOICE  What is fitted. [gbdt|forest|linear|isolation; default forest]\n"
        "  --interval SPAN   Width of a window. [1s to 1d; default 5min; environment\n"
        "                    MW_TEST_INTERVAL]\n"
        "  --since TIME      Rows from this time on.\n"
        "  --drop A,B,...    Columns to leave out.\n"
        "  --paint A,B,...   Colors. [red|green; default red, green]\n"
        "  --set TEXT        A setting of the learner, name=value, of which there may be as many "
        "as\n"
        "                    you like, in any order. [may be repeated]\n"
        "  --tag TEXT        A mark.\n"
        "  --big N           Any whole number.\n");
    mw_buf_done(&buf);
}

MW_TEST(distances) {
    static const struct {
        const char *a, *b;
        unsigned want;
    } cases[] = {{"", "", 0},
                 {"a", "", 1},
                 {"", "abc", 3},
                 {"kitten", "sitting", 3},
                 {"ab", "ba", 1},
                 {"abcd", "acbd", 1},
                 {"Max-Depth", "max_depth", 0},
                 {"ca", "abc", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mw_nearest_distance(mw_str_of(cases[i].a), mw_str_of(cases[i].b)),
                         cases[i].want);
        assert_int_equal(mw_nearest_distance(mw_str_of(cases[i].b), mw_str_of(cases[i].a)),
                         cases[i].want);
    }
}

MW_TEST(the_nearest_word_is_the_plausible_one) {
    mw_nearest best = {0};
    mw_nearest_look(&best, MW_STR("sumary"), "trend");
    assert_null(best.word);
    mw_nearest_look(&best, MW_STR("sumary"), "summery");
    mw_nearest_look(&best, MW_STR("sumary"), "summary");
    mw_nearest_look(&best, MW_STR("sumary"), "sumarry");
    assert_string_equal(best.word, "summary");
    mw_nearest long_one = {0};
    mw_nearest_look(&long_one, MW_STR("x"),
                    "a column whose name is longer than anything that may be near, really");
    assert_null(long_one.word);
    mw_nearest one_letter = {0};
    mw_nearest_look(&one_letter, MW_STR("y"), "a");
    assert_null(one_letter.word);
}

static const char *const growths[] = {"leaf_wise", "depth_wise", NULL};
static const char *const growth_aliases[][2] = {
    {"lossguide", "leaf_wise"}, {"depthwise", "depth_wise"}, {NULL}};

static const mw_param named[] = {
    {"learning_rate", MW_PARAM_FLOAT, "0.1", 0, 1, .help = "Step.",
     .aliases = "eta shrinkage_rate"},
    {"grow", MW_PARAM_ENUM, "leaf_wise", .choices = growths, .choice_aliases = growth_aliases},
    {"drop", MW_PARAM_LIST, .aliases = "ignore_column", .help = "Columns."},
    {"orders", MW_PARAM_LIST, .choices = growths, .choice_aliases = growth_aliases,
     .aliases = "ways"},
    {"file", MW_PARAM_STRING, .flags = MW_PARAM_POSITIONAL, .aliases = "data_file"},
    {0}};

static mw_args *fresh_named(void) {
    mw_args *args = NULL;
    assert_ok(mw_args_new(NULL, named, &args, &err));
    return args;
}

/* What the values are written as. */
static void named_are(mw_args *args, const char *want) {
    mw_buf buf;
    mw_buf_init(&buf, NULL, 10000);
    assert_ok(mw_args_finish(args, &err));
    write_json(args, &buf);
    assert_string_equal(mw_buf_text(&buf), want);
    mw_buf_done(&buf);
    mw_args_free(args);
}

MW_TEST(an_alias_sets_its_parameter) {
    static const char *const want =
        "{\"learning_rate\":0.5,\"grow\":\"depth_wise\",\"drop\":[\"a\",\"b\"],"
        "\"orders\":[\"leaf_wise\",\"depth_wise\"],\"file\":\"x\"}";
    mw_args *args = fresh_named();
    assert_ok(set(args, "shrinkage_rate", "0.5"));
    assert_ok(set(args, "grow", "depthwise"));
    assert_ok(set(args, "ignore_column", "a"));
    assert_ok(set(args, "drop", "b"));
    assert_ok(set(args, "ways", "lossguide,depth_wise"));
    assert_ok(set(args, "data_file", "x"));
    assert_true(mw_args_given(args, "learning_rate"));
    named_are(args, want);
    args = fresh_named();
    assert_ok(set_json(args, "{\"eta\":0.5,\"grow\":\"depthwise\",\"ignore_column\":[\"a\",\"b\"],"
                             "\"ways\":[\"lossguide\",\"depthwise\"],\"data_file\":\"x\"}"));
    named_are(args, want);
    args = fresh_named();
    named_are(args, "{\"learning_rate\":0.1,\"grow\":\"leaf_wise\"}");
}

MW_TEST(two_names_of_one_parameter_are_refused) {
    static const char *const both =
        "learning_rate is set twice: \"eta\" and \"learning_rate\" are the same parameter";
    mw_args *args = fresh_named();
    assert_ok(set(args, "eta", "0.5"));
    refused(set(args, "learning_rate", "0.5"), both, "", "learning_rate");
    refused(set(args, "shrinkage_rate", "0.5"),
            "learning_rate is set twice: \"eta\" and \"shrinkage_rate\" are the same parameter", "",
            "learning_rate");
    refused(set(args, "eta", "0.5"), "learning_rate is set twice", "", "learning_rate");
    refused(set_json(args, "{\"learning_rate\":1}"), both, "", "learning_rate");
    mw_args_free(args);
    args = fresh_named();
    refused(set_json(args, "{\"eta\":1,\"learning_rate\":1}"), both, "", "learning_rate");
    mw_args_free(args);
}

MW_TEST(hints_know_aliases) {
    mw_args *args = fresh_named();
    refused(set(args, "shrinkage_rat", "1"), "unknown parameter \"shrinkage_rat\"",
            "did you mean \"shrinkage_rate\"?", "shrinkage_rat");
    refused(set(args, "ets", "1"), "unknown parameter \"ets\"", "did you mean \"eta\"?", "ets");
    refused(set(args, "eta shrinkage_rate", "1"), "unknown parameter \"eta shrinkage_rate\"",
            "did you mean \"shrinkage_rate\"?", "eta shrinkage_rate");
    refused(set(args, "eta", "2"), "learning_rate must be between 0 and 1, not 2", "",
            "learning_rate");
    refused(set(args, "grow", "lossguid"),
            "grow must be one of leaf_wise, depth_wise, not \"lossguid\"",
            "did you mean \"lossguide\"?", "grow");
    mw_args_free(args);
}

MW_TEST(schema_and_help_tell_aliases) {
    mw_buf buf;
    mw_json_writer writer;
    mw_buf_init(&buf, NULL, 10000);
    mw_json_writer_init(&writer, &buf, 0);
    mw_json_array(&writer);
    for (size_t i = 0; i < 2; i++) mw_param_write_schema(&named[i], &writer);
    mw_json_array_end(&writer);
    assert_string_equal(
        mw_buf_text(&buf),
        "[{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.1,\"description\":"
        "\"Step. Also: eta, shrinkage_rate.\"},"
        "{\"type\":\"string\",\"enum\":[\"leaf_wise\",\"depth_wise\"],\"default\":\"leaf_wise\","
        "\"description\":\"Also: lossguide for leaf_wise, depthwise for depth_wise.\"}]");
    mw_buf_clear(&buf);
    mw_param_write_help(named, &buf);
    assert_string_equal(
        mw_buf_text(&buf),
        "  FILE               [also data_file]\n"
        "  --learning-rate X  Step. [0 to 1; default 0.1; also --eta, --shrinkage-rate]\n"
        "  --grow CHOICE      [leaf_wise|depth_wise; default leaf_wise; also lossguide for "
        "leaf_wise,\n"
        "                     depthwise for depth_wise]\n"
        "  --drop A,B,...     Columns. [also --ignore-column]\n"
        "  --orders A,B,...   [leaf_wise|depth_wise; also --ways, lossguide for leaf_wise, "
        "depthwise\n"
        "                     for depth_wise]\n");
    mw_buf_done(&buf);
}

static mw_status scenario(mw_mem *mem) {
    mw_args *args = NULL;
    mw_status status = mw_args_new(mem, table, &args, &err);
    if (!status) status = set(args, "file", "x");
    for (int i = 0; i < 300 && !status; i++)
        status = set(args, "set", "some=longer text to fill the arena");
    if (!status) status = mw_args_finish(args, &err);
    mw_args_free(args);
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
        assert_in_range(n, 4, 2000);
        break;
    }
}

MW_TEST_MAIN(MW_RUN(defaults_apply), MW_RUN(text_sets_every_type),
             MW_RUN(bad_text_is_refused_with_reason), MW_RUN(long_values_are_refused_and_shown_cut),
             MW_RUN(json_sets_every_type), MW_RUN(bad_json_is_refused_with_reason),
             MW_RUN(everything_that_is_wrong_is_collected),
             MW_RUN(environment_comes_between_user_and_default),
             MW_RUN(a_default_that_does_not_fit_is_an_internal_error),
             MW_RUN(written_values_rebuild_the_same_values), MW_RUN(schemas), MW_RUN(help),
             MW_RUN(an_alias_sets_its_parameter), MW_RUN(two_names_of_one_parameter_are_refused),
             MW_RUN(hints_know_aliases), MW_RUN(schema_and_help_tell_aliases), MW_RUN(distances),
             MW_RUN(the_nearest_word_is_the_plausible_one), MW_RUN(every_allocation_may_fail))
