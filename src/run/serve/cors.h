/*
 * cors.h -- pages of other origins that may use the API (Fetch standard, 3.2), by configuration.
 *
 * What      without configured origins nothing changes: a foreign Origin is refused (guard.h). An origin that is
 *           configured is let through, and told so in every answer by its own name; never "*", never credentials.
 *           A preflight is answered for any path that exists.
 * Caches    with configured origins every answer says Vary: Origin.
 */
#ifndef MW_RUN_SERVE_CORS_H
#define MW_RUN_SERVE_CORS_H

#include "core/base/arena.h"
#include "run/serve/http_message.h"

/* MW_EINVAL unless it is written as browsers send it: "http[s]://host[:port]", lower case, nothing behind. */
mw_status mw_cors_check(const char *origin, mw_err *err);

/* origins ends with NULL, and may be NULL. */
bool mw_cors_allows(const char *const *origins, mw_str origin);

/* Head lines of every answer to the request: "" without configured origins. In the arena or static;
 * NULL without memory. */
const char *mw_cors_lines(mw_arena *arena, const char *const *origins, const mw_message *message);

/* More of them for the answer to OPTIONS, when it is a preflight of an allowed origin; else "". allow:
 * "GET, HEAD, OPTIONS". NULL without memory. */
const char *mw_cors_preflight(mw_arena *arena, const char *const *origins,
                              const mw_message *message, const char *allow);

#endif
