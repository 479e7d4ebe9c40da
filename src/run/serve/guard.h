/*
 * guard.h -- who may talk to a server on loopback, and in what language.
 *
 * Why       a web page in the user's browser can send requests to 127.0.0.1. DNS rebinding shows as
 * a foreign Host, cross-site requests as a foreign Origin; both are refused. JSON routes take only
 * application/json, which no HTML form can send.
 */
#ifndef MW_RUN_SERVE_GUARD_H
#define MW_RUN_SERVE_GUARD_H

#include "run/serve/transport.h"

/* "localhost", "127.0.0.1" or "[::1]", with or without a port. */
bool mw_guard_host(mw_str authority);
/* "http://" or "https://" and such a host. "null" is not. */
bool mw_guard_origin(mw_str origin);
/* "application/json", with no parameter but charset=utf-8. */
bool mw_guard_json(mw_str content_type);
/* The one of types (ended by NULL) that a body is of, UTF-8; NULL: none. */
const char *mw_guard_type(mw_str content_type, const char *const *types);

/* 0, or the status to refuse with (421, 403) and why. */
int mw_guard_check(const mw_message *message, mw_str url_authority, mw_err *err);

/* True when the client takes gzip (Accept-Encoding, q above 0). */
bool mw_guard_accepts_gzip(mw_str accept_encoding);

#endif
