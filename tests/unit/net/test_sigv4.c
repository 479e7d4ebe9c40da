/* Signatures as the Amazon S3 API reference publishes them ("Signature Calculations for the Authorization Header", examples). */
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/text/civil.h"
#include "keep/net/sigv4.h"
#include "support/harness.h"

static mw_err err;

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST \
    { "host", "examplebucket.s3.amazonaws.com" }
#define DATE \
    { "x-amz-date", "20130524T000000Z" }

static void check(const char *method, const char *path, const char *query,
                  const mw_net_header *headers, size_t n, const char *payload, const char *names,
                  const char *signature) {
    mw_buf out;
    char want[512];
    mw_buf_init(&out, NULL, 4096);
    const mw_sigv4 request = {.method = method,
                              .path = path,
                              .query = query,
                              .headers = headers,
                              .n_headers = n,
                              .payload_sha256 = payload,
                              .key_id = "AKIAIOSFODNN7EXAMPLE",
                              .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                              .region = "us-east-1",
                              .time_us = mw_days_of(2013, 5, 24) * MW_DAY_US};
    assert_ok(mw_sigv4_sign(&request, &out, &err));
    (void)snprintf(want, sizeof want,
                   "AWS4-HMAC-SHA256 "
                   "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                   "SignedHeaders=%s,Signature=%s",
                   names, signature);
    assert_string_equal(mw_buf_text(&out), want);
    mw_buf_done(&out);
}

MW_TEST(published_signatures) {
    char body[MW_SHA256_HEX];
    const mw_net_header get[] = {
        HOST, {"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY}, DATE};
    check("GET", "/test.txt", "", get, 4, EMPTY, "host;range;x-amz-content-sha256;x-amz-date",
          "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_ok(mw_sha256_of("Welcome to Amazon S3.", 21, body, &err));
    const mw_net_header put[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                 HOST,
                                 {"x-amz-content-sha256", body},
                                 DATE,
                                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    check("PUT", "/test%24file.text", "", put, 5, body,
          "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    const mw_net_header plain[] = {HOST, {"x-amz-content-sha256", EMPTY}, DATE};
    check("GET", "/", "lifecycle=", plain, 3, EMPTY, "host;x-amz-content-sha256;x-amz-date",
          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check("GET", "/", "max-keys=2&prefix=J", plain, 3, EMPTY,
          "host;x-amz-content-sha256;x-amz-date",
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

MW_TEST(times) {
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "19700101T000000Z"},
                 {INT64_C(951782399999999), "20000228T235959Z"},
                 {INT64_C(951782400000000), "20000229T000000Z"},
                 {INT64_C(1704067199000000), "20231231T235959Z"},
                 {INT64_C(1735689599000000), "20241231T235959Z"},
                 {INT64_C(1735689600000000), "20250101T000000Z"},
                 {INT64_C(4102444799000000), "20991231T235959Z"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[MW_SIGV4_TIME];
        mw_sigv4_time(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
}

MW_TEST(texts_are_encoded) {
    mw_buf out;
    mw_buf_init(&out, NULL, 4096);
    mw_sigv4_encode(&out, "a/b-._~ $+\xc3\xa4", true);
    mw_sigv4_encode(&out, "/=", false);
    assert_string_equal(mw_buf_text(&out), "a/b-._~%20%24%2B%C3%A4%2F%3D");
    mw_buf_done(&out);
}

MW_TEST_MAIN(MW_RUN(published_signatures), MW_RUN(times), MW_RUN(texts_are_encoded))
