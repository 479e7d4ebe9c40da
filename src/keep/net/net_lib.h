/*
 * net_lib.h -- inside keep/net: libcurl's functions, loaded on demand.
 */
#ifndef MW_KEEP_NET_NET_LIB_H
#define MW_KEEP_NET_NET_LIB_H

#define CURL_DISABLE_TYPECHECK 1 /* its macros would get between a function and its pointer */
#include <curl/curl.h>

#include "core/base/status.h"

/* clang-format off */
#define MW_NET_LIB(X) \
    X(curl_global_init) X(curl_easy_init) X(curl_easy_cleanup) X(curl_easy_reset) \
    X(curl_easy_setopt) X(curl_easy_getinfo) X(curl_easy_perform) X(curl_easy_strerror) \
    X(curl_slist_append) X(curl_slist_free_all)
/* clang-format on */

typedef struct mw_net_lib {
#define MW_X(name) __typeof__(&name) name;
    MW_NET_LIB(MW_X)
#undef MW_X
} mw_net_lib;

extern mw_net_lib mw_curl;           /* once loaded */
mw_status mw_net__load(mw_err *err); /* any thread, any number of times */

#endif
