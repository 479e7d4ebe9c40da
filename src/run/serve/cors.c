/* cors.c -- see cors.h. Origins are compared byte by byte: browsers send them normalized. */
#include "run/serve/cors.h"

#include <string.h>

/* What a page may send besides the simple ones, and read besides the body. */
#define REQUEST_FIELDS                                                                 \
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-None-Match, " \
    "Last-Event-ID, X-Organization-ID, X-Request-ID"
#define ANSWER_FIELDS "ETag, Location, Retry-After, X-Request-ID"
#define MAX_AGE_S "600"

static bool is_host_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(".-_:[]", c));
}

mw_status mw_cors_check(const char *origin, mw_err *err) {
    static const char *const schemes[] = {"http://", "https://"};
    const char *host = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(origin, schemes[i], strlen(schemes[i])) == 0)
            host = origin + strlen(schemes[i]);
    size_t n = 0;
    while (host && n <= 260 && is_host_char(host[n])) n++;
    if (host && n > 0 && n <= 260 && host[n] == '\0' && host[n - 1] != ':') return MW_OK;
    mw_fail(err, MW_EINVAL, "\"%.100s\" is not an origin", origin);
    mw_err_at(err, "cors_origin");
    return mw_err_hint(err,
                       "write it as browsers send it: https://dashboard.plant.example:8443, in "
                       "lower case, without a path; there is no wildcard");
}

bool mw_cors_allows(const char *const *origins, mw_str origin) {
    for (; origins && *origins; origins++)
        if (mw_str_is(origin, *origins)) return true;
    return false;
}

const char *mw_cors_lines(mw_arena *arena, const char *const *origins, const mw_message *message) {
    const mw_str origin = mw_message_field(message, "Origin");
    if (!origins || !*origins) return "";
    if (!mw_cors_allows(origins, origin)) return "Vary: Origin\r\n";
    return mw_arena_printf(arena,
                           "Vary: Origin\r\nAccess-Control-Allow-Origin: %.*s\r\n"
                           "Access-Control-Expose-Headers: " ANSWER_FIELDS "\r\n",
                           (int)origin.size, origin.data);
}

const char *mw_cors_preflight(mw_arena *arena, const char *const *origins,
                              const mw_message *message, const char *allow) {
    const bool asked = mw_message_field(message, "Access-Control-Request-Method").data != NULL;
    if (!asked || !mw_cors_allows(origins, mw_message_field(message, "Origin"))) return "";
    /* A page of the internet that asks for a server of the own network is told so (Private Network Access). */
    const bool is_private =
        mw_message_field(message, "Access-Control-Request-Private-Network").data != NULL;
    return mw_arena_printf(arena,
                           "Access-Control-Allow-Methods: %s\r\n"
                           "Access-Control-Allow-Headers: " REQUEST_FIELDS "\r\n"
                           "Access-Control-Max-Age: " MAX_AGE_S "\r\n%s",
                           allow,
                           is_private ? "Access-Control-Allow-Private-Network: true\r\n" : "");
}
