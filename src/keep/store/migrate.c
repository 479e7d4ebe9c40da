/* migrate.c -- see migrate.h. The source's request runs around the target's, so that both transactions are open while rows go over. */
#include "keep/store/migrate.h"

#include <stdio.h>
#include <string.h>

#include "keep/store/sql_jobs.h"

enum { COLUMNS_MAX = 32, CHUNK_ROWS = 500 };

/* kinds: t text, i integer, r real; one for each column. */
typedef struct table {
    const char *name, *kinds;
    const char *empty; /* whether there is a row */
    const char *
        read; /* rows from number ?1 on, ?2 of them; with `seq`: after that one, which comes last */
    const char *insert; /* one */
    bool by_seq;
} table;

#define COLUMNS_orgs "org, created_us"
#define COLUMNS_configs "org, version, hash, config, created_us"
#define COLUMNS_datasets "org, dataset, created_us"
#define COLUMNS_segments                                                                        \
    "org, dataset, source, part, content_hash, file, rejects, quality, layout, bytes, n_lines," \
    " n_rows, n_rejected, n_collisions, n_duplicates, n_late, first_us, last_us, added_us"
#define COLUMNS_jobs                                                                              \
    "id, org, kind, state, attempts, max_attempts, priority, fence, lease_until_us, worker,"      \
    " cancel_requested, created_us, started_us, finished_us, progress, message, payload, result," \
    " error, exclusive, not_before_us, time_limit_us, memory_bytes, revision, n_waits, log,"      \
    " n_log_lines, is_dead, turn"
#define COLUMNS_schedules \
    "org, id, name, cron, zone, kind, payload, paused, next_us, last_us, created_us, revision"
#define COLUMNS_job_after "after_id, job_id"
#define COLUMNS_versions                                                                           \
    "org, model, version, run_id, job_id, created_us, folder, sha256, metrics, params, data_hash," \
    " production"
#define COLUMNS_api_keys \
    "id, org, name, role, hash, created_us, expires_us, revoked_us, last_used_us"
#define COLUMNS_audit "org, at_us, principal, action, detail"

#define BY_KEY(name, kinds, key, marks)                                                     \
    {                                                                                       \
#name, kinds, "SELECT 1 FROM " #name " LIMIT 1",                                    \
            "SELECT " COLUMNS_##name " FROM " #name " ORDER BY " key " LIMIT ?2 OFFSET ?1", \
            "INSERT INTO " #name " (" COLUMNS_##name ") VALUES (" marks ")", false          \
    }
#define BY_SEQ(name, kinds, marks)                                                                \
    {                                                                                             \
#name, kinds, "SELECT 1 FROM " #name " LIMIT 1",                                          \
            "SELECT " COLUMNS_##name ", seq FROM " #name " WHERE seq > ?1 ORDER BY seq LIMIT ?2", \
            "INSERT INTO " #name " (" COLUMNS_##name ") VALUES (" marks ")", true                 \
    }
#define M5 "?, ?, ?, ?, ?"

static const table tables[] = {
    BY_KEY(orgs, "ti", "org", "?, ?"),
    BY_KEY(configs, "titti", "org, version", M5),
    BY_KEY(schedules, "tttttttiiiii", "org, id", M5 ", " M5 ", ?, ?"),
    BY_KEY(datasets, "tti", "org, dataset", "?, ?, ?"),
    BY_KEY(segments, "tttitttttiiiiiiiiii", "org, dataset, source, part",
           M5 ", " M5 ", " M5 ", ?, ?, ?, ?"),
    BY_SEQ(jobs, "ttttiiiiitiiiirttttiiiiiitiii",
           M5 ", " M5 ", " M5 ", " M5 ", " M5 ", ?, ?, ?, ?"),
    BY_KEY(job_after, "tt", "after_id, job_id", "?, ?"),
    BY_KEY(versions, "ttittittttti", "org, model, version", M5 ", " M5 ", ?, ?"),
    BY_KEY(api_keys, "tttttiiii", "id", M5 ", ?, ?, ?, ?"),
    BY_SEQ(audit, "tittt", M5)};
enum { N_TABLES = sizeof tables / sizeof *tables };

/* A row's values; texts live until the statement's next step. */
typedef struct row {
    mw_sql_value values[COLUMNS_MAX];
    int64_t seq;
} row;

static mw_sql_type type_of(char kind) {
    return kind == 'i' ? MW_SQL_INT : kind == 'r' ? MW_SQL_REAL : MW_SQL_TEXT;
}

/* ---- reading a table, in chunks ---- */

typedef mw_status (*row_fn)(void *self, const table *t, const row *r, mw_err *err);

static mw_status read_row(mw_query *query, const table *t, row *ret) {
    const mw_sql_driver *driver = query->db->driver;
    const int n = (int)strlen(t->kinds);
    for (int c = 0; c < n && query->status == MW_OK; c++)
        query->status = driver->column(query->db, query->statement, c, type_of(t->kinds[c]),
                                       &ret->values[c], query->err);
    query->at = n;
    ret->seq = t->by_seq ? mw_query_get_int(query) : 0;
    return query->status;
}

static mw_status read_chunk(mw_sql *db, const table *t, int64_t *at, int64_t *n, row_fn each,
                            void *self, mw_err *err) {
    mw_query query;
    row r = {0};
    *n = 0;
    mw_query_start(&query, db, t->read, NULL, err);
    mw_query_int(&query, *at);
    mw_query_int(&query, CHUNK_ROWS);
    while (mw_query_row(&query)) {
        if (read_row(&query, t, &r) == MW_OK) query.status = each(self, t, &r, err);
        if (query.status != MW_OK) break;
        *at = t->by_seq ? r.seq : *at + 1;
        ++*n;
    }
    return mw_query_end(&query);
}

static mw_status read_table(mw_sql *db, const mw_ctx *ctx, const table *t, row_fn each, void *self,
                            int64_t *ret_rows, mw_err *err) {
    int64_t at = 0, n = CHUNK_ROWS;
    mw_status status = MW_OK;
    *ret_rows = 0;
    while (n == CHUNK_ROWS && status == MW_OK) {
        status = read_chunk(db, t, &at, &n, each, self, err);
        *ret_rows += n;
        if (status == MW_OK) status = mw_ctx_check(ctx, err);
    }
    return status;
}

/* ---- a table's rows: what they hold, and over ---- */

typedef struct moving {
    mw_sha256 *hash; /* of the rows read so far */
    mw_store *to;
    mw_sql *source, *target; /* each in its transaction */
    const mw_ctx *ctx;
    mw_migration *report;
} moving;

static mw_status hash_row(void *self, const table *t, const row *r, mw_err *err) {
    mw_sha256 *hash = ((moving *)self)->hash;
    (void)err;
    for (const char *kind = t->kinds; *kind; kind++) {
        const mw_sql_value *v = &r->values[kind - t->kinds];
        const unsigned char type = (unsigned char)v->type;
        mw_sha256_add(hash, &type, 1);
        if (v->type == MW_SQL_INT) mw_sha256_add(hash, &v->integer, sizeof v->integer);
        if (v->type == MW_SQL_REAL) mw_sha256_add(hash, &v->real, sizeof v->real);
        if (v->type != MW_SQL_TEXT) continue;
        mw_sha256_add(hash, &v->text.size, sizeof v->text.size);
        mw_sha256_add(hash, v->text.data, v->text.size);
    }
    return MW_OK;
}

static mw_status move_row(void *self, const table *t, const row *r, mw_err *err) {
    const moving *m = self;
    mw_status status = hash_row(self, t, r, err);
    if (status != MW_OK) return status;
    mw_query query;
    mw_query_start(&query, m->target, t->insert, NULL, err);
    for (const char *kind = t->kinds; *kind && query.status == MW_OK; kind++) {
        mw_sql_value v = r->values[kind - t->kinds];
        if (v.type == MW_SQL_NULL) v = (mw_sql_value){.type = MW_SQL_TEXT};
        query.status = m->target->driver->bind(m->target, query.statement, query.at++, &v, err);
    }
    return mw_query_run(&query, NULL);
}

static mw_status check_empty(mw_sql *db, const table *t, mw_err *err) {
    mw_query query;
    mw_query_start(&query, db, t->empty, NULL, err);
    const bool any = mw_query_row(&query);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || !any) return status;
    mw_fail(err, MW_ECONFLICT, "the store to move to holds records already (table %s)", t->name);
    return mw_err_hint(err, "name an empty database, or a file that does not exist");
}

static mw_status check_quiet(mw_sql *db, const mw_ctx *ctx, mw_err *err) {
    mw_query query;
    char id[32] = "";
    mw_query_start(&query, db,
                   "SELECT id FROM jobs WHERE " MW_SQL_RUNNING " AND lease_until_us > ? LIMIT 1",
                   NULL, err);
    mw_query_int(&query, mw_clock_utc(ctx->clock));
    if (mw_query_row(&query)) mw_query_copy_text(&query, id, sizeof id);
    mw_status status = mw_query_end(&query);
    if (status != MW_OK || !id[0]) return status;
    mw_fail(err, MW_ECONFLICT, "job %s is running", id);
    return mw_err_hint(err, "stop the servers and workers of the store first");
}

/* Reads it with each, and tells what it holds. */
static mw_status sum_up(moving *m, mw_sql *db, const table *t, row_fn each, mw_migrated_table *ret,
                        mw_err *err) {
    ret->name = t->name;
    mw_status status = mw_sha256_new(&m->hash, err);
    if (status != MW_OK) return status;
    status = read_table(db, m->ctx, t, each, m, &ret->n_rows, err);
    if (status == MW_OK)
        mw_sha256_finish(m->hash, ret->hash);
    else
        mw_sha256_free(m->hash);
    return status;
}

/* It is read back in the transaction that wrote it. */
static mw_status move_table(moving *m, int i, mw_err *err) {
    mw_migrated_table arrived, *sent = &m->report->tables[i];
    mw_ctx_report(m->ctx, tables[i].name, i, N_TABLES);
    mw_status status = sum_up(m, m->source, &tables[i], move_row, sent, err);
    if (status == MW_OK) status = sum_up(m, m->target, &tables[i], hash_row, &arrived, err);
    if (status != MW_OK) return mw_err_prefix(err, "table %s", tables[i].name);
    if (arrived.n_rows == sent->n_rows && strcmp(arrived.hash, sent->hash) == 0) return MW_OK;
    return mw_fail(
        err, MW_EDATA,
        "table %s arrived otherwise than it was sent: %lld rows of %lld; nothing is kept",
        tables[i].name, (long long)arrived.n_rows, (long long)sent->n_rows);
}

static mw_status in_target(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    moving *m = args;
    mw_status status = MW_OK;
    (void)ctx;
    m->target = db;
    m->report->n_tables = 0;
    for (int i = 0; i < N_TABLES && status == MW_OK; i++) status = check_empty(db, &tables[i], err);
    for (int i = 0; i < N_TABLES && status == MW_OK; i++) {
        status = move_table(m, i, err);
        m->report->n_tables++;
    }
    return status;
}

static mw_status in_source(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *err) {
    moving *m = args;
    m->source = db;
    mw_status status = check_quiet(db, ctx, err);
    return status == MW_OK ? mw_sql__call(m->to, ctx, MW_SQL_WRITE, in_target, m, err) : status;
}

mw_status mw_store_migrate(const mw_ctx *ctx, mw_store *from, mw_store *to, mw_migration *ret,
                           mw_err *err) {
    moving m = {.to = to, .ctx = ctx, .report = ret};
    return mw_sql__call(from, ctx, MW_SQL_READ, in_source, &m, err);
}
