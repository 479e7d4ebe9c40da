/*
 * sqlite_schema.c -- the schema as numbered forward steps.
 *
 * All steps that are missing run in one transaction together with the new user_version, so a crash or a full disk leaves the old schema or the newest one,
 * never between. Processes that open the file together race for the write lock; the later ones find the work done. An older program that has the file open
 * goes on: steps only add what it does not name. docs/formats/store.md explains the tables.
 */
#include "keep/store/sqlite.h"

enum { APPLICATION_ID = 0x4d696c6c }; /* "Mill" */

static const char STEP_1[] =
    "CREATE TABLE meta ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " change INTEGER NOT NULL," /* grows with every transaction that caches care about */
    " pinged_us INTEGER NOT NULL"
    ") STRICT;"
    "INSERT INTO meta VALUES (1, 1, 0);"

    "CREATE TABLE orgs ("
    " org TEXT PRIMARY KEY CHECK (length(org) BETWEEN 1 AND 64),"
    " created_us INTEGER NOT NULL,"
    " last_claim INTEGER NOT NULL DEFAULT 0" /* turn of its latest claimed job: fairness */
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE datasets ("
    " org TEXT NOT NULL REFERENCES orgs (org),"
    " dataset TEXT NOT NULL,"
    " created_us INTEGER NOT NULL,"
    " PRIMARY KEY (org, dataset)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE segments ("
    " org TEXT NOT NULL, dataset TEXT NOT NULL, source TEXT NOT NULL,"
    " content_hash TEXT NOT NULL, file TEXT NOT NULL, rejects TEXT, layout TEXT NOT NULL,"
    " bytes INTEGER NOT NULL, n_lines INTEGER NOT NULL, n_rows INTEGER NOT NULL,"
    " n_rejected INTEGER NOT NULL, n_collisions INTEGER NOT NULL,"
    " first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, added_us INTEGER NOT NULL,"
    " PRIMARY KEY (org, dataset, source), UNIQUE (org, dataset, file),"
    " FOREIGN KEY (org, dataset) REFERENCES datasets (org, dataset)"
    ") STRICT, WITHOUT ROWID;"

    "CREATE TABLE jobs ("
    " seq INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL UNIQUE CHECK (length(id) = 26),"
    " org TEXT NOT NULL REFERENCES orgs (org), kind TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN"
    "  ('PENDING', 'STARTED', 'PROGRESS', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),"
    " attempts INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),"
    " priority INTEGER NOT NULL, fence INTEGER NOT NULL DEFAULT 0,"
    " lease_until_us INTEGER NOT NULL DEFAULT 0, worker TEXT,"
    " cancel_requested INTEGER NOT NULL DEFAULT 0,"
    " created_us INTEGER NOT NULL, started_us INTEGER NOT NULL DEFAULT 0,"
    " finished_us INTEGER NOT NULL DEFAULT 0,"
    " progress REAL NOT NULL DEFAULT 0, message TEXT,"
    " payload TEXT NOT NULL, result TEXT, error TEXT"
    ") STRICT;"
    "CREATE INDEX jobs_by_org ON jobs (org, seq);"
    "CREATE INDEX jobs_waiting ON jobs (org, priority, seq) WHERE state IN ('PENDING', 'RETRY');"
    "CREATE INDEX jobs_running ON jobs (org, lease_until_us) WHERE state IN ('STARTED', "
    "'PROGRESS');"
    "CREATE INDEX jobs_open ON jobs (org, kind) WHERE finished_us = 0;"

    "CREATE TABLE versions ("
    " org TEXT NOT NULL REFERENCES orgs (org), model TEXT NOT NULL,"
    " version INTEGER NOT NULL CHECK (version >= 1),"
    " run_id TEXT NOT NULL, job_id TEXT, created_us INTEGER NOT NULL,"
    " folder TEXT NOT NULL, sha256 TEXT NOT NULL, metrics TEXT NOT NULL, params TEXT NOT NULL,"
    " data_hash TEXT NOT NULL, production INTEGER NOT NULL CHECK (production IN (0, 1)),"
    " PRIMARY KEY (org, model, version)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX versions_production ON versions (org, model) WHERE production = 1;"

    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY, org TEXT NOT NULL, at_us INTEGER NOT NULL,"
    " principal TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX audit_by_org ON audit (org, seq);";

/* A source may have several segments, and says more of its rows. */
static const char STEP_2[] =
    "ALTER TABLE segments RENAME TO segments_1;"
    "CREATE TABLE segments ("
    " org TEXT NOT NULL, dataset TEXT NOT NULL, source TEXT NOT NULL,"
    " part INTEGER NOT NULL CHECK (part >= 0),"
    " content_hash TEXT NOT NULL, file TEXT NOT NULL, rejects TEXT, quality TEXT,"
    " layout TEXT NOT NULL, bytes INTEGER NOT NULL, n_lines INTEGER NOT NULL,"
    " n_rows INTEGER NOT NULL, n_rejected INTEGER NOT NULL, n_collisions INTEGER NOT NULL,"
    " n_duplicates INTEGER NOT NULL, n_late INTEGER NOT NULL,"
    " first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, added_us INTEGER NOT NULL,"
    " PRIMARY KEY (org, dataset, source, part), UNIQUE (org, dataset, file),"
    " FOREIGN KEY (org, dataset) REFERENCES datasets (org, dataset)"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO segments SELECT org, dataset, source, 0, content_hash, file, rejects, NULL, "
    "layout,"
    " bytes, n_lines, n_rows, n_rejected, n_collisions, 0, 0, first_us, last_us, added_us"
    " FROM segments_1;"
    "DROP TABLE segments_1;";

static const char STEP_3[] =
    "CREATE TABLE configs ("
    " org TEXT NOT NULL REFERENCES orgs (org),"
    " version INTEGER NOT NULL CHECK (version >= 1),"
    " hash TEXT NOT NULL, config TEXT NOT NULL, created_us INTEGER NOT NULL,"
    " PRIMARY KEY (org, version)"
    ") STRICT, WITHOUT ROWID;";

/* Jobs that wait for a time or for others, say more of their life, and take turns without a record of their organization. */
static const char STEP_4[] =
    "ALTER TABLE jobs ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN not_before_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN time_limit_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN n_waits INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN log TEXT;"
    "ALTER TABLE jobs ADD COLUMN n_log_lines INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN is_dead INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;" /* of its latest claim: fairness */
    "ALTER TABLE orgs DROP COLUMN last_claim;"
    "DROP INDEX jobs_waiting;"
    "CREATE INDEX jobs_waiting ON jobs (org, priority DESC, seq)"
    " WHERE state IN ('PENDING', 'RETRY') AND n_waits = 0;"
    "CREATE INDEX jobs_due ON jobs (not_before_us)"
    " WHERE state IN ('PENDING', 'RETRY') AND n_waits = 0;"
    "CREATE INDEX jobs_turn ON jobs (turn);"
    "CREATE INDEX jobs_org_turn ON jobs (org, turn);"
    "CREATE INDEX jobs_dead ON jobs (org, seq) WHERE is_dead = 1;"
    "CREATE TABLE job_after ("
    " after_id TEXT NOT NULL REFERENCES jobs (id), job_id TEXT NOT NULL REFERENCES jobs (id),"
    " PRIMARY KEY (after_id, job_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX job_after_job ON job_after (job_id);";

static const char STEP_5[] =
    "CREATE TABLE api_keys ("
    " id TEXT PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL,"
    " role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'trainer', 'admin')),"
    " hash TEXT NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    " revoked_us INTEGER NOT NULL DEFAULT 0, last_used_us INTEGER NOT NULL DEFAULT 0"
    ") STRICT, WITHOUT ROWID;";

static const char STEP_6[] =
    "CREATE TABLE schedules ("
    " org TEXT NOT NULL REFERENCES orgs (org), id TEXT NOT NULL, name TEXT NOT NULL,"
    " cron TEXT NOT NULL, zone TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL,"
    " paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)), next_us INTEGER NOT NULL,"
    " last_us INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL,"
    " revision INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (org, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX schedules_due ON schedules (next_us, org, id) WHERE paused = 0;"
    "CREATE TABLE leases ("
    " name TEXT PRIMARY KEY, holder TEXT NOT NULL, until_us INTEGER NOT NULL,"
    " fence INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;";

/* Grows with each key that is made or revoked, also by an older program: nobody reads them all for anything less. */
#define KEY_TRIGGERS                                                                         \
    "CREATE TRIGGER key_made AFTER INSERT ON api_keys BEGIN"                                 \
    " UPDATE meta SET keys_change = keys_change + 1; END;"                                   \
    "CREATE TRIGGER key_gone AFTER DELETE ON api_keys BEGIN"                                 \
    " UPDATE meta SET keys_change = keys_change + 1; END;"                                   \
    "CREATE TRIGGER key_changed AFTER UPDATE OF org, role, hash, expires_us, revoked_us ON " \
    "api_keys BEGIN UPDATE meta SET keys_change = keys_change + 1; END;"

static const char STEP_7[] =
    "ALTER TABLE meta ADD COLUMN keys_change INTEGER NOT NULL DEFAULT 0;" KEY_TRIGGERS;

/* Another role. A check is part of its table, so the table is made anew, and its triggers. */
static const char STEP_8[] =
    "CREATE TABLE api_keys_new ("
    " id TEXT PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL,"
    " role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'trainer', 'admin', 'worker')),"
    " hash TEXT NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
    " revoked_us INTEGER NOT NULL DEFAULT 0, last_used_us INTEGER NOT NULL DEFAULT 0"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO api_keys_new (id, org, name, role, hash, created_us, expires_us, revoked_us,"
    " last_used_us) SELECT id, org, name, role, hash, created_us, expires_us, revoked_us,"
    " last_used_us FROM api_keys;"
    "DROP TABLE api_keys;"
    "ALTER TABLE api_keys_new RENAME TO api_keys;" KEY_TRIGGERS;

static const char STEP_9[] = "ALTER TABLE jobs ADD COLUMN home TEXT;";

static const char *const steps[] = {STEP_1, STEP_2, STEP_3, STEP_4, STEP_5,
                                    STEP_6, STEP_7, STEP_8, STEP_9};

enum { N_STEPS = sizeof steps / sizeof *steps }; /* the number of a step is the version it makes */

int mw_sqlite__schema_most = N_STEPS;

int mw_sqlite__newest_schema(void) { return mw_sqlite__schema_most; }

/* One number from a statement that is not kept. */
static mw_status read_int(mw_sqlite *db, const char *sql, int64_t *ret, mw_err *err) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    int64_t value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    mw_status status = code == SQLITE_ROW || code == SQLITE_DONE
                           ? MW_OK
                           : mw_sqlite__fail(db->handle, code, db->label, err);
    sqlite3_finalize(statement);
    if (status == MW_OK) *ret = value;
    return status;
}

static mw_status fail_newer(mw_sqlite *db, int64_t found, mw_err *err) {
    mw_fail(err, MW_EDATA, "the store %s has schema version %lld; this program knows up to %d",
            db->label, (long long)found, mw_sqlite__newest_schema());
    return mw_err_hint(err, "run the newer Millwright that wrote it; nothing was changed");
}

mw_status mw_sqlite__check(mw_sqlite *db, int *ret_version, mw_err *err) {
    int64_t application = 0, version = 0, n_objects = 0;
    /* One snapshot: another process may be making the file at this moment. */
    mw_status status = mw_sqlite__exec(db, "BEGIN", err);
    if (status == MW_OK)
        status = read_int(db, "SELECT count(*) FROM sqlite_schema", &n_objects, err);
    if (status == MW_OK) status = read_int(db, "PRAGMA application_id", &application, err);
    if (status == MW_OK) status = read_int(db, "PRAGMA user_version", &version, err);
    if (status == MW_OK) status = mw_sqlite__exec(db, "COMMIT", err);
    if (status != MW_OK) return status; /* the caller closes, and closing rolls back */
    bool fresh = application == 0 && version == 0 && n_objects == 0;
    if (application != APPLICATION_ID && !fresh) {
        mw_fail(err, MW_EDATA, "%s is a database of another program", db->label);
        return mw_err_hint(err, "name another data folder; nothing was changed");
    }
    if (version > mw_sqlite__newest_schema()) return fail_newer(db, version, err);
    *ret_version = (int)version;
    return MW_OK;
}

static mw_status run_steps(mw_sqlite *db, int64_t from, mw_err *err) {
    char pragma[96];
    const int newest = mw_sqlite__newest_schema();
    mw_status status = MW_OK;
    for (int64_t i = from; status == MW_OK && i < newest; i++)
        status = mw_sqlite__exec(db, steps[i], err);
    sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                     (int)APPLICATION_ID, newest);
    return status == MW_OK ? mw_sqlite__exec(db, pragma, err) : status;
}

mw_status mw_sqlite__migrate(mw_sqlite *db, mw_err *err) {
    int64_t version = 0;
    mw_status status = read_int(db, "PRAGMA user_version", &version, err);
    if (status != MW_OK || version == mw_sqlite__newest_schema()) return status;
    status = mw_sqlite__exec(db, "BEGIN IMMEDIATE", err);
    if (status == MW_OK) status = read_int(db, "PRAGMA user_version", &version, err);
    if (status == MW_OK)
        status = version > mw_sqlite__newest_schema() ? fail_newer(db, version, err)
                                                      : run_steps(db, version, err);
    if (status == MW_OK) status = mw_sqlite__exec(db, "COMMIT", err);
    if (!sqlite3_get_autocommit(db->handle)) (void)mw_sqlite__exec(db, "ROLLBACK", NULL);
    return status;
}
