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

typedef enum mw_guard_reach {
    MW_GUARD_LOOPBACK, /* names of this host only, so that a web page cannot reach the server by a name of its own */
    MW_GUARD_ANY_HOST /* keys are asked for, and a page has none */
} mw_guard_reach;

/* 0, or the status to refuse with (421, 403) and why. origins: foreign ones that are allowed, ended by
 * NULL; or NULL. */
int mw_guard_check(const mw_message *message, mw_str url_authority, mw_guard_reach reach,
                   const char *const *origins, mw_err *err);

/* Takes the next element of a list off the front of *rest, blanks around it trimmed. */
mw_str mw_guard_next_part(mw_str *rest, char separator);

/* True when the client takes gzip (Accept-Encoding, q above 0). */
bool mw_guard_accepts_gzip(mw_str accept_encoding);

#endif
