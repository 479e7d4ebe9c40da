/* guard.c -- see guard.h. Names are compared, never resolved. */
#include "run/serve/guard.h"

#include <string.h>
#include <strings.h>

#include "run/serve/cors.h"

static bool is_port(mw_str text) {
    if (text.size == 0 || text.size > 5) return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    return true;
}

bool mw_guard_host(mw_str authority) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (authority.size < n) continue;
        if (!mw_str_is_nocase((mw_str){authority.data, n}, names[i])) continue;
        if (authority.size == n) return true;
        if (authority.data[n] != ':') continue;
        return is_port((mw_str){authority.data + n + 1, authority.size - n - 1});
    }
    return false;
}

bool mw_guard_origin(mw_str origin) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (origin.size <= n || !mw_str_is_nocase((mw_str){origin.data, n}, schemes[i])) continue;
        return mw_guard_host((mw_str){origin.data + n, origin.size - n});
    }
    return false;
}

/* "https://plant:8443" for a request to Host: plant:8443. */
static bool is_own(mw_str origin, mw_str host) {
    if (!host.data || host.size == 0 || origin.size <= host.size) return false;
    const char *at = origin.data + origin.size - host.size;
    return at[-1] == '/' && strncasecmp(at, host.data, host.size) == 0;
}

int mw_guard_check(const mw_message *message, mw_str url_authority, mw_guard_reach reach,
                   const char *const *origins, mw_err *err) {
    mw_str host = mw_message_field(message, "Host");
    bool foreign = (host.data && !mw_guard_host(host)) ||
                   (url_authority.data && !mw_guard_host(url_authority));
    if (foreign && reach == MW_GUARD_LOOPBACK) {
        mw_fail(err, MW_EDENIED, "this server answers only to localhost, 127.0.0.1 and [::1]");
        mw_err_hint(err, "use http://127.0.0.1 and the port; names of other hosts are refused so "
                         "that web pages cannot reach it");
        return 421;
    }
    mw_str origin = mw_message_field(message, "Origin");
    const bool own = reach == MW_GUARD_LOOPBACK ? mw_guard_origin(origin) : is_own(origin, host);
    if (origin.data && !own && !mw_cors_allows(origins, origin)) {
        mw_fail(err, MW_EDENIED, "a page of another origin may not use this server");
        mw_err_hint(err, "send the request from a page on this host, or allow its origin: "
                         "`millwright serve --cors-origin ORIGIN`");
        return 403;
    }
    return 0;
}

mw_str mw_guard_next_part(mw_str *rest, char separator) {
    if (rest->size == 0) return (mw_str){"", 0};
    const char *end = memchr(rest->data, separator, rest->size);
    size_t n = end ? (size_t)(end - rest->data) : rest->size;
    mw_str part = {rest->data, n};
    size_t skip = end ? n + 1 : n;
    *rest = (mw_str){rest->data + skip, rest->size - skip};
    return mw_str_trim(part);
}

/* "charset=utf-8", "header=present" and the like of text/csv: only another charset is refused. */
static bool is_charset(mw_str parameter) {
    const mw_str name = mw_str_of("charset=");
    return parameter.size >= name.size &&
           mw_str_is_nocase((mw_str){parameter.data, name.size}, name.data);
}

const char *mw_guard_type(mw_str content_type, const char *const *types) {
    mw_str rest = content_type;
    const mw_str type = mw_guard_next_part(&rest, ';');
    while (rest.size) {
        mw_str parameter = mw_guard_next_part(&rest, ';');
        if (is_charset(parameter) && !mw_str_is_nocase(parameter, "charset=utf-8") &&
            !mw_str_is_nocase(parameter, "charset=\"utf-8\""))
            return NULL;
    }
    while (*types && !mw_str_is_nocase(type, *types)) types++;
    return *types;
}

bool mw_guard_json(mw_str content_type) {
    mw_str rest = content_type;
    if (!mw_str_is_nocase(mw_guard_next_part(&rest, ';'), "application/json")) return false;
    while (rest.size) {
        mw_str parameter = mw_guard_next_part(&rest, ';');
        if (!mw_str_is_nocase(parameter, "charset=utf-8") &&
            !mw_str_is_nocase(parameter, "charset=\"utf-8\""))
            return false;
    }
    return true;
}

/* "q=0", "q=0.0", "q=0.000": not acceptable. */
static bool is_zero_weight(mw_str parameter) {
    if (parameter.size < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=')
        return false;
    for (size_t i = 2; i < parameter.size; i++)
        if (parameter.data[i] != '0' && parameter.data[i] != '.') return false;
    return true;
}

bool mw_guard_accepts_gzip(mw_str accept_encoding) {
    mw_str rest = accept_encoding;
    while (rest.size) {
        mw_str item = mw_guard_next_part(&rest, ',');
        mw_str coding = mw_guard_next_part(&item, ';');
        bool refused = false;
        while (item.size) refused = is_zero_weight(mw_guard_next_part(&item, ';')) || refused;
        if (mw_str_is_nocase(coding, "gzip") && !refused) return true;
    }
    return false;
}
