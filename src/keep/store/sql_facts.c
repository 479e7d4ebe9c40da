/* sql_facts.c -- what is to be known of a database besides its records: version, settings that durability rests on, the clock of its newest record. */
#include "keep/store/sql.h"

static mw_status read_newest(mw_sql *db, int64_t *ret_us, mw_err *err) {
    static const char sql[] =
        "SELECT coalesce(max(at_us), 0) FROM ("
        "SELECT max(pinged_us) AS at_us FROM meta"
        " UNION ALL SELECT max(created_us) FROM jobs WHERE seq = (SELECT max(seq) FROM jobs)"
        " UNION ALL SELECT max(at_us) FROM audit WHERE seq = (SELECT max(seq) FROM audit)) t";
    mw_query query;
    mw_query_start(&query, db, sql, NULL, err);
    if (mw_query_row(&query)) *ret_us = mw_query_get_int(&query);
    return mw_query_end(&query);
}

static mw_status do_facts(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    (void)ctx;
    mw_store_facts *facts = args;
    *facts = (mw_store_facts){0};
    mw_query query;
    mw_query_start(&query, db, db->driver->facts_sql, NULL, err);
    if (mw_query_row(&query)) {
        mw_query_copy_text(&query, facts->version, sizeof facts->version);
        facts->fsync = mw_query_get_int(&query) != 0;
        facts->full_page_writes = mw_query_get_int(&query) != 0;
        facts->synchronous_commit = mw_query_get_int(&query) != 0;
        facts->connections_most = mw_query_get_int(&query);
        facts->connections_used = mw_query_get_int(&query);
    }
    mw_status status = mw_query_end(&query);
    return status == MW_OK ? read_newest(db, &facts->newest_us, err) : status;
}

mw_status mw_store_read_facts(const mw_ctx *ctx, mw_store *store, mw_store_facts *ret,
                              mw_err *err) {
    mw_store_facts facts;
    mw_status status = mw_sql__call(store, ctx, MW_SQL_READ, do_facts, &facts, err);
    if (status == MW_OK) *ret = facts;
    return status;
}
