/* test_status.c -- codes, messages, and cutting at UTF-8 boundaries. */
#include "support/harness.h"

#include <errno.h>
#include <string.h>

#include "core/base/str.h"

MW_TEST(names_and_numbers_agree) {
    assert_string_equal(mw_status_name(MW_EINVAL), "EINVAL");
    assert_int_equal(mw_status_http(MW_ECONFLICT), 409);
    assert_int_equal(mw_status_from_name("ENOTFOUND"), MW_ENOTFOUND);
    assert_int_equal(mw_status_from_name("nonsense"), MW_EINTERNAL);
    for (int i = 0; i < MW_STATUS_COUNT; i++)
        assert_int_equal(mw_status_from_name(mw_status_name((mw_status)i)), i);
}

MW_TEST(long_messages_stay_valid_utf8) {
    mw_err err;
    char text[2000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC", 3);
        text[shift + 1500] = '\0';
        assert_int_equal(mw_fail(&err, MW_EDATA, "%s", text), MW_EDATA);
        assert_true(mw_utf8_valid(err.message, strlen(err.message)));
        assert_true(strlen(err.message) > 700);
    }
}

MW_TEST(prefix_hint_and_pointer_are_kept_apart) {
    mw_err err;
    mw_fail(&err, MW_EIO, "disk says no");
    mw_err_prefix(&err, "file %s", "x.csv");
    mw_err_hint(&err, "try %d", 2);
    mw_err_at(&err, "/a/0");
    assert_string_equal(err.message, "file x.csv: disk says no");
    assert_string_equal(err.hint, "try 2");
    assert_string_equal(err.pointer, "/a/0");
    assert_int_equal(mw_fail_errno(&err, EFBIG, "writing"), MW_EIO);
    assert_non_null(strstr(err.hint, "ulimit"));
    assert_int_equal(mw_fail_errno(&err, ENOSPC, "writing"), MW_EIO);
    assert_non_null(strstr(err.message, "No space left"));
    assert_string_not_equal(err.hint, "");
    assert_int_equal(mw_fail(NULL, MW_EDATA, "no place for it"), MW_EDATA);
}

MW_TEST_MAIN(MW_RUN(names_and_numbers_agree), MW_RUN(long_messages_stay_valid_utf8),
             MW_RUN(prefix_hint_and_pointer_are_kept_apart))
