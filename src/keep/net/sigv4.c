/*
 * sigv4.c -- see sigv4.h. "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference: a hash of the request in one form, signed with a
 * key made of the secret, the day, the region and the service.
 */
#include "keep/net/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/text/civil.h"

enum { MAC_BYTES = 32, CANONICAL_BYTES = 65536, SCOPE_BYTES = 160 };

void mw_sigv4_time(int64_t time_us, char out[MW_SIGV4_TIME]) {
    const int64_t days = time_us / MW_DAY_US, seconds = time_us % MW_DAY_US / MW_SECOND_US;
    int64_t year = 1970 + days / 366;
    while (mw_days_of(year + 1, 1, 1) <= days) year++;
    int month = 1, day = (int)(days - mw_days_of(year, 1, 1));
    for (; day >= mw_days_in_month(year, month); month++) day -= mw_days_in_month(year, month);
    (void)snprintf(out, MW_SIGV4_TIME, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)year % 10000,
                   (unsigned)month % 100, (unsigned)(day + 1) % 100,
                   (unsigned)(seconds / 3600) % 100, (unsigned)(seconds / 60 % 60),
                   (unsigned)(seconds % 60));
}

void mw_sigv4_encode(mw_buf *out, const char *text, bool slashes) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text) || (slashes && *text == '/'))
            mw_buf_add_char(out, *text);
        else
            mw_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

static mw_status mac(const void *key, size_t key_size, const char *text, size_t size,
                     unsigned char out[MAC_BYTES], mw_err *err) {
    unsigned n = MAC_BYTES;
    if (HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, size, out, &n) &&
        n == MAC_BYTES)
        return MW_OK;
    return mw_fail(err, MW_EINTERNAL, "HMAC-SHA256 is not available from libcrypto");
}

static void add_signed_names(mw_buf *out, const mw_sigv4 *r) {
    for (size_t i = 0; i < r->n_headers; i++) {
        if (i) mw_buf_add_char(out, ';');
        mw_buf_add(out, r->headers[i].name);
    }
}

static mw_status hash_request(const mw_sigv4 *r, mw_mem *mem, char hex[MW_SHA256_HEX],
                              mw_err *err) {
    mw_buf text;
    mw_buf_init(&text, mem, CANONICAL_BYTES);
    mw_buf_printf(&text, "%s\n%s\n%s\n", r->method, r->path, r->query);
    for (size_t i = 0; i < r->n_headers; i++)
        mw_buf_printf(&text, "%s:%s\n", r->headers[i].name, r->headers[i].value);
    mw_buf_add_char(&text, '\n');
    add_signed_names(&text, r);
    mw_buf_printf(&text, "\n%s", r->payload_sha256);
    mw_status status = mw_buf_status(&text, "a request to sign", err);
    if (!status) status = mw_sha256_of(mw_buf_text(&text), text.size, hex, err);
    mw_buf_done(&text);
    return status;
}

static mw_status sign(const mw_sigv4 *r, const char *time, const char *scope, const char *hash,
                      unsigned char out[MAC_BYTES], mw_err *err) {
    char secret[160], text[SCOPE_BYTES + 128];
    const int n_secret = snprintf(secret, sizeof secret, "AWS4%s", r->secret);
    const int n = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time, scope, hash);
    if (n_secret >= (int)sizeof secret || n >= (int)sizeof text)
        return mw_fail(err, MW_EINVAL, "the secret key or the region is too long");
    unsigned char key[MAC_BYTES];
    mw_status status = mac(secret, (size_t)n_secret, time, 8, key, err);
    if (!status) status = mac(key, MAC_BYTES, r->region, strlen(r->region), key, err);
    if (!status) status = mac(key, MAC_BYTES, "s3", 2, key, err);
    if (!status) status = mac(key, MAC_BYTES, "aws4_request", 12, key, err);
    if (!status) status = mac(key, MAC_BYTES, text, (size_t)n, out, err);
    return status;
}

mw_status mw_sigv4_sign(const mw_sigv4 *request, mw_buf *out, mw_err *err) {
    char time[MW_SIGV4_TIME], scope[SCOPE_BYTES], hex[MW_SHA256_HEX];
    unsigned char signature[MAC_BYTES];
    mw_sigv4_time(request->time_us, time);
    (void)snprintf(scope, sizeof scope, "%.8s/%s/s3/aws4_request", time, request->region);
    mw_status status = hash_request(request, out->mem, hex, err);
    if (!status) status = sign(request, time, scope, hex, signature, err);
    if (status) return status;
    mw_buf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", request->key_id, scope);
    add_signed_names(out, request);
    mw_buf_add(out, ",Signature=");
    for (size_t i = 0; i < MAC_BYTES; i++) mw_buf_printf(out, "%02x", (unsigned)signature[i]);
    return mw_buf_status(out, "a signature", err);
}
