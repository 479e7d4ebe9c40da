/*
 * pages.c -- embedded pages: compressed as they are, or plain, with an ETag.
 *
 * The answer names one of two encodings, so caches are told with Vary; each has its own ETag
 * ("-gz"), because a strong one names bytes (RFC 9110 8.8.3).
 */
#include "run/serve/api_inside.h"

#include <stdio.h>
#include <string.h>

#include "run/op/etag.h"
#include "run/serve/guard.h"

enum { ETAG_MAX = 40 };

static void etag_of(const mw_asset *asset, bool gzip, char out[ETAG_MAX]) {
    size_t n = strlen(asset->etag);
    (void)snprintf(out, ETAG_MAX, "%.*s%s\"", (int)(n - 1), asset->etag, gzip ? "-gz" : "");
}

bool mw_api__answer_page(mw_api *api, mw_exchange *exchange, mw_str path) {
    char name[128];
    if (!api->services.find_asset || path.size >= sizeof name) return false;
    const mw_asset *asset = api->services.find_asset(mw_str_copy(name, sizeof name, path));
    if (!asset) return false;
    exchange->route = api->routes.n;
    bool gzip = asset->gzip_size > 0 &&
                mw_guard_accepts_gzip(mw_message_field(exchange->message, "Accept-Encoding"));
    char etag[ETAG_MAX], fields[768];
    etag_of(asset, gzip, etag);
    bool html = strncmp(asset->content_type, "text/html", 9) == 0;
    (void)snprintf(fields, sizeof fields,
                   "ETag: %s\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n%s%s", etag,
                   gzip ? "Content-Encoding: gzip\r\n" : "",
                   html ? "Content-Security-Policy: " MW_ASSET_CSP
                          "\r\nReferrer-Policy: no-referrer\r\n"
                        : "");
    bool same = mw_etag_matches(mw_message_field(exchange->message, "If-None-Match"), etag);
    mw_exchange_answer(exchange, &(mw_answer){.status = same ? 304 : 200,
                                              .content_type = asset->content_type,
                                              .fields = fields,
                                              .body = gzip ? asset->gzip : asset->plain,
                                              .size = gzip ? asset->gzip_size : asset->plain_size,
                                              .memory = MW_ANSWER_SHARE});
    return true;
}
