/*
 * url.h -- request targets: percent-decoding, path checks, query strings.
 *
 * What      one strict reading: a target that two programs could understand differently is refused
 *           (dot segments, encoded NULs, invalid escapes, text that is not UTF-8); an encoded slash
 *           is kept apart from others.
 * Memory    decoded text goes into the arena given.
 */
#ifndef MW_RUN_SERVE_URL_H
#define MW_RUN_SERVE_URL_H

#include "core/base/arena.h"
#include "core/base/str.h"

/* The parts of a target; views into it. */
typedef struct mw_url {
    mw_str authority; /* of "http://authority/..."; empty for "/path" */
    mw_str path;      /* as sent, starts with '/'; "*" only for OPTIONS */
    mw_str query;     /* as sent, without '?' */
    bool has_query;
} mw_url;

/* MW_EPARSE for anything but "/path[?query]", "http://host[:port][/path][?query]" and "*". */
mw_status mw_url_split(mw_str target, mw_url *ret, mw_err *err);

/* What stands for "%2F" in a decoded path, which has no other control character. */
enum { MW_URL_SLASH = '\x01' };

/*
 * mw_url_decode_path -- the path with its escapes resolved.
 *
 * Errors    MW_EPARSE: invalid escape, "." or ".." segment (encoded or not), control
 *           characters, invalid UTF-8. MW_ENOMEM.
 */
mw_status mw_url_decode_path(mw_arena *arena, mw_str path, mw_str *ret, mw_err *err);

/*
 * mw_url_next_query -- takes the next "name=value" off the front of *rest; '+' is a blank.
 *
 *   found   written: false at the end of the query
 * Errors    MW_EPARSE: invalid escape, NUL, invalid UTF-8. MW_ENOMEM.
 */
mw_status mw_url_next_query(mw_arena *arena, mw_str *rest, mw_str *name, mw_str *value, bool *found,
                            mw_err *err);

#endif
