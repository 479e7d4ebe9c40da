/*
 * url.c -- RFC 3986 targets, read strictly.
 *
 * Dot segments are refused rather than removed: every client removes its own before it sends, so
 * one that arrives was put there by hand. "%2F" is no separator: proxies disagree about it, so it is
 * kept apart, and only routes that ask for it take it.
 */
#include "run/serve/url.h"

#include <string.h>

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Printable ASCII without the characters that RFC 3986 forbids everywhere in a URI. */
static bool allowed_raw(char c) {
    unsigned char u = (unsigned char)c;
    return u > 0x20 && u < 0x7f && !strchr("\"<>\\^`{|}#", c);
}

/* What is peculiar to a path, and to a query. */
typedef enum rule { SLASH_APART, PLUS_IS_BLANK } rule;

/* Escapes resolved into out [text.size]; the number of bytes, or -1 with err set. */
static ptrdiff_t decode(mw_str text, rule of, char *out, mw_err *err) {
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            bool whole = text.size - i > 2;
            int high = whole ? hex_value(text.data[i + 1]) : -1;
            int low = whole ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                mw_fail(err, MW_EPARSE, "the address has an invalid %%-escape");
                mw_err_hint(err, "write a literal %% as %%25");
                return -1;
            }
            c = (char)(high << 4 | low);
            i += 2;
            if (c == '\0') {
                mw_fail(err, MW_EPARSE, "the address has an encoded NUL (%%00)");
                return -1;
            }
            if (of == SLASH_APART && c == MW_URL_SLASH) c = '\n'; /* refused, as any other */
            if (of == SLASH_APART && c == '/') c = MW_URL_SLASH;
        } else if (c == '+' && of == PLUS_IS_BLANK) {
            c = ' ';
        }
        out[n++] = c;
    }
    if (!mw_utf8_valid(out, n)) {
        mw_fail(err, MW_EPARSE, "the address is not valid UTF-8 after decoding");
        return -1;
    }
    return (ptrdiff_t)n;
}

static bool has_scheme(mw_str target) {
    return target.size >= 7 && mw_str_is_nocase((mw_str){target.data, 7}, "http://");
}

mw_status mw_url_split(mw_str target, mw_url *ret, mw_err *err) {
    mw_url url = {0};
    if (mw_str_is(target, "*")) {
        *ret = (mw_url){.path = target};
        return MW_OK;
    }
    for (size_t i = 0; i < target.size; i++)
        if (!allowed_raw(target.data[i]))
            return mw_fail(err, MW_EPARSE, "the address holds a character that must be %%-encoded");
    if (has_scheme(target)) {
        mw_str rest = {target.data + 7, target.size - 7};
        size_t n = 0;
        while (n < rest.size && rest.data[n] != '/' && rest.data[n] != '?') n++;
        url.authority = (mw_str){rest.data, n};
        if (n == 0) return mw_fail(err, MW_EPARSE, "the address names no host");
        target = (mw_str){rest.data + n, rest.size - n};
        if (target.size == 0 || target.data[0] == '?') url.path = MW_STR("/");
    } else if (target.size == 0 || target.data[0] != '/') {
        return mw_fail(err, MW_EPARSE,
                       "the request target is neither a path nor an http:// address");
    }
    const char *mark = target.size ? memchr(target.data, '?', target.size) : NULL;
    size_t path_size = mark ? (size_t)(mark - target.data) : target.size;
    if (!url.path.data) url.path = (mw_str){target.data, path_size};
    if (mark) url.query = (mw_str){mark + 1, target.size - path_size - 1};
    url.has_query = mark != NULL;
    *ret = url;
    return MW_OK;
}

static bool is_dots(const char *segment, size_t size) {
    return (size == 1 && segment[0] == '.') ||
           (size == 2 && segment[0] == '.' && segment[1] == '.');
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static mw_status check_decoded_path(const char *path, size_t size, mw_err *err) {
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && is_control(path[i]) && path[i] != MW_URL_SLASH)
            return mw_fail(err, MW_EPARSE, "the path holds an encoded control character");
        if (i < size && path[i] != '/' && path[i] != MW_URL_SLASH) continue;
        if (is_dots(path + start, i - start))
            return mw_fail(err, MW_EPARSE, "the path holds a '.' or '..' segment");
        start = i + 1;
    }
    return MW_OK;
}

static bool plain(mw_str path) {
    for (size_t i = 0; i < path.size; i++)
        if (path.data[i] == '%') return false;
    return true;
}

mw_status mw_url_decode_path(mw_arena *arena, mw_str path, mw_str *ret, mw_err *err) {
    mw_str decoded = path;
    if (!plain(path)) {
        char *out = mw_arena_alloc(arena, path.size);
        if (!out) return mw_fail_nomem(err, "a request path");
        ptrdiff_t n = decode(path, SLASH_APART, out, err);
        if (n < 0) return MW_EPARSE;
        decoded = (mw_str){out, (size_t)n};
    }
    mw_status status = check_decoded_path(decoded.data, decoded.size, err);
    if (status == MW_OK) *ret = decoded;
    return status;
}

static mw_status decode_text(mw_arena *arena, mw_str text, mw_str *ret, mw_err *err) {
    char *out = mw_arena_alloc(arena, text.size + 1);
    if (!out) return mw_fail_nomem(err, "a query parameter");
    ptrdiff_t n = decode(text, PLUS_IS_BLANK, out, err);
    if (n < 0) return MW_EPARSE;
    out[n] = '\0';
    *ret = (mw_str){out, (size_t)n};
    return MW_OK;
}

mw_status mw_url_next_query(mw_arena *arena, mw_str *rest, mw_str *name, mw_str *value, bool *found,
                            mw_err *err) {
    mw_str left = *rest;
    while (left.size && left.data[0] == '&') left.data++, left.size--;
    if (!left.size) {
        *rest = left;
        *found = false;
        return MW_OK;
    }
    const char *end = memchr(left.data, '&', left.size);
    mw_str pair = {left.data, end ? (size_t)(end - left.data) : left.size};
    const char *mark = memchr(pair.data, '=', pair.size);
    size_t name_size = mark ? (size_t)(mark - pair.data) : pair.size;
    mw_str raw_value = {mark ? mark + 1 : "", mark ? pair.size - name_size - 1 : 0};
    mw_str decoded_name, decoded_value;
    mw_status status = decode_text(arena, (mw_str){pair.data, name_size}, &decoded_name, err);
    if (status == MW_OK) status = decode_text(arena, raw_value, &decoded_value, err);
    if (status != MW_OK) return status;
    *name = decoded_name;
    *value = decoded_value;
    *found = true;
    *rest = (mw_str){left.data + pair.size, left.size - pair.size};
    return MW_OK;
}
