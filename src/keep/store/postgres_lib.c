/* postgres_lib.c -- libpq, loaded on demand. */
#include "core/base/library.h"
#include "keep/store/postgres.h"

mw_postgres_lib mw_pq;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void) {
#define MW_X(name) {#name, &mw_pq.name},
    static const mw_library_symbol symbols[] = {MW_POSTGRES_LIB(MW_X)};
#undef MW_X
    loaded = mw_library_load("libpq.so.5", symbols, sizeof symbols / sizeof *symbols);
}

mw_status mw_postgres__load(mw_err *err) {
    pthread_once(&once, load);
    if (loaded) return MW_OK;
    mw_fail(err, MW_EUNSUPPORTED, "a store in PostgreSQL needs the library libpq.so.5");
    return mw_err_hint(err, "install the package libpq5");
}
