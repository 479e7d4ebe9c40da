/*
 * sigv4.h -- the Authorization header of requests to S3 and what speaks its protocol (AWS Signature Version 4).
 */
#ifndef MW_KEEP_NET_SIGV4_H
#define MW_KEEP_NET_SIGV4_H

#include <stdint.h>

#include "keep/net/net_client.h"

typedef struct mw_sigv4 {
    const char *method;
    const char *path; /* as it is sent: percent-encoded, beginning with '/' */
    const char
        *query; /* as it is sent, names in the order of bytes, each with a '='; "" for none */
    const mw_net_header
        *headers; /* those to sign, names in small letters and in order; with host and x-amz-date */
    size_t n_headers;
    const char *payload_sha256; /* 64 hex digits */
    const char *key_id, *secret, *region;
    int64_t time_us; /* that of x-amz-date */
} mw_sigv4;

enum { MW_SIGV4_TIME = 17 }; /* "20130524T000000Z" */

/* The form of x-amz-date. */
void mw_sigv4_time(int64_t time_us, char out[MW_SIGV4_TIME]);

/* Appends the header's value to out; check that with mw_buf_status. MW_EINTERNAL: libcrypto has no HMAC-SHA256. */
mw_status mw_sigv4_sign(const mw_sigv4 *request, mw_buf *out, mw_err *err);

/* Appends text with all but letters, digits and -._~ as %XX; '/' stays where slashes. */
void mw_sigv4_encode(mw_buf *out, const char *text, bool slashes);

#endif
