/*
 * migrate.h -- all records of one store into another, empty one, whatever their databases.
 *
 * What      table by table in the order of their references, in one snapshot of the source and one transaction of the target: everything, or nothing.
 * Verified  afterwards both are read again: as many rows in each table, with the same SHA-256 over all their values.
 * Left out  numbers that only order rows (seq) are given out anew, in the same order.
 */
#ifndef MW_KEEP_STORE_MIGRATE_H
#define MW_KEEP_STORE_MIGRATE_H

#include "core/base/hash.h"
#include "keep/store/store.h"

enum { MW_STORE_TABLES_MAX = 16 };

typedef struct mw_migrated_table {
    const char *name;
    int64_t n_rows;
    char hash[MW_SHA256_HEX];
} mw_migrated_table;

typedef struct mw_migration {
    mw_migrated_table tables[MW_STORE_TABLES_MAX];
    int n_tables;
} mw_migration;

/*
 * MW_ECONFLICT: the target holds records, or a job of the source is running. MW_EDATA: what arrived is not what was sent; nothing is kept then.
 * Cost: some 20 us a row.
 */
mw_status mw_store_migrate(const mw_ctx *ctx, mw_store *from, mw_store *to, mw_migration *ret,
                           mw_err *err);

#endif
