/* net_lib.c -- libcurl, loaded on demand. */
#include "keep/net/net_lib.h"

#include <pthread.h>
#include <stdbool.h>

#include "core/base/library.h"

mw_net_lib mw_curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void) {
#define MW_X(name) {#name, &mw_curl.name},
    static const mw_library_symbol symbols[] = {MW_NET_LIB(MW_X)};
#undef MW_X
    loaded = mw_library_load("libcurl.so.4", symbols, sizeof symbols / sizeof *symbols) &&
             mw_curl.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

mw_status mw_net__load(mw_err *err) {
    pthread_once(&once, load);
    if (loaded) return MW_OK;
    mw_fail(err, MW_EUNSUPPORTED, "requests to other services need the library libcurl.so.4");
    return mw_err_hint(err, "install the package libcurl4");
}
