/* test_log.c -- lines, escaping, levels and rotation; SHA-256 against FIPS 180-2's examples. */
#include "support/harness.h"

#include <stdio.h>
#include <string.h>

#include "core/base/dir.h"
#include "core/base/hash.h"
#include "core/base/log.h"

static char *log_lines(bool json, const char *message) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/l.log", mw_test_folder());
    remove(path);
    mw_log *log;
    mw_log_options options = {.level = MW_LOG_INFO, .json = json, .path = path};
    assert_ok(mw_log_open(&options, &log, &err));
    ctx.log = log;
    ctx.org = "acme";
    ctx.job_id = "J1";
    mw_log_debug(&ctx, "hidden");
    mw_log_warn(&ctx, "%s", message);
    mw_log_close(log);
    mw_dir *dir;
    char *text;
    size_t size;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_file_read(&ctx, dir, "l.log", 100000, &text, &size, &err));
    mw_dir_close(dir);
    return text;
}

MW_TEST(a_message_cannot_forge_lines_or_json) {
    char *text = log_lines(false, "a\nb");
    assert_non_null(strstr(text, "WARNING a b org=acme job=J1\n"));
    assert_null(strstr(text, "hidden"));
    mw_free(text);
    text = log_lines(true, "quote \" slash \\ \x01 \xff end");
    assert_non_null(strstr(text,
                           "\"org\":\"acme\",\"job\":\"J1\",\"message\":\"quote \\\" slash \\\\ "
                           "\\u0001 ? end\"}\n"));
    mw_free(text);
}

MW_TEST(files_rotate_and_old_ones_go) {
    mw_ctx ctx;
    mw_err err = {0};
    mw_ctx_init(&ctx);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/r.log", mw_test_folder());
    mw_log_options options = {.level = MW_LOG_DEBUG, .path = path, .max_bytes = 500};
    assert_ok(mw_log_open(&options, &ctx.log, &err));
    for (int i = 0; i < 200; i++) mw_log_info(&ctx, "line number %d of many", i);
    mw_log_close(ctx.log);
    ctx.log = NULL;
    mw_dir *dir;
    mw_dir_entry *entries;
    size_t n;
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_MUST_EXIST, &dir, &err));
    assert_ok(mw_dir_list(&ctx, dir, &entries, &n, &err));
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) assert_true(entries[i].size_bytes <= 500);
    mw_free(entries);
    mw_dir_close(dir);
}

MW_TEST(sha256_examples) {
    mw_err err = {0};
    char hex[MW_SHA256_HEX];
    assert_ok(mw_sha256_of("abc", 3, hex, &err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(mw_sha256_of("", 0, hex, &err));
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    mw_sha256 *sha;
    assert_ok(mw_sha256_new(&sha, &err));
    for (int i = 0; i < 1000000; i++) mw_sha256_add(sha, "a", 1);
    mw_sha256_finish(sha, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

MW_TEST_MAIN(MW_RUN(a_message_cannot_forge_lines_or_json), MW_RUN(files_rotate_and_old_ones_go),
             MW_RUN(sha256_examples))
