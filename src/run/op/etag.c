/* etag.c -- see etag.h. */
#include "run/op/etag.h"

#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"

void mw_etag_of(mw_str body, const char *suffix, char out[MW_ETAG_MAX]) {
    const uint64_t hash = mw_hash_check(body.data, body.size, 0);
    (void)snprintf(out, MW_ETAG_MAX, "\"%016llx%.8s\"", (unsigned long long)hash, suffix);
}

/* The next tag of a list, quotes included; *weak: it came with W/. False at the end, and at what is no tag. */
static bool next_tag(mw_str *rest, mw_str *tag, bool *weak) {
    const char *at = rest->data, *end = at + rest->size;
    while (at < end && (*at == ',' || *at == ' ' || *at == '\t')) at++;
    *weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
    if (*weak) at += 2;
    const char *close =
        end - at > 1 && *at == '"' ? memchr(at + 1, '"', (size_t)(end - at) - 1) : NULL;
    if (!close) return false;
    *tag = (mw_str){at, (size_t)(close - at) + 1};
    *rest = (mw_str){close + 1, (size_t)(end - close) - 1};
    return true;
}

bool mw_etag_matches(mw_str if_none_match, const char *tag) {
    mw_str given;
    bool weak;
    if (mw_str_is(if_none_match, "*")) return true;
    while (next_tag(&if_none_match, &given, &weak))
        if (mw_str_is(given, tag)) return true;
    return false;
}

mw_status mw_etag_check(mw_str if_match, mw_str present, mw_err *err) {
    char tag[MW_ETAG_MAX];
    mw_str given;
    bool weak;
    if (!if_match.data) return MW_OK;
    if (present.data && mw_str_is(if_match, "*")) return MW_OK;
    mw_etag_of(present, "", tag);
    const size_t n = strlen(tag) - 1; /* up to the closing quote, or the suffix of a coding */
    while (present.data && next_tag(&if_match, &given, &weak))
        if (!weak && given.size > n && memcmp(given.data, tag, n) == 0 &&
            (given.data[n] == '"' || given.data[n] == '-'))
            return MW_OK;
    mw_fail(err, MW_ECHANGED, "it is not what If-Match names any more");
    return mw_err_hint(err, "read it again and send the ETag of that answer");
}
