/*
 * postgres_schema.c -- the schema in PostgreSQL: made whole at version 4, then numbered forward steps, as in sqlite_schema.c.
 *
 * Tables stand in a schema of their own, beside whatever else the plant's database holds. Steps run one process at a time (an advisory lock), all that are
 * missing in one transaction together with the new version.
 */
#include <stdio.h>
#include <string.h>

#include "core/text/number.h"
#include "keep/store/postgres.h"

#define TEXT_KEY "TEXT COLLATE \"C\"" /* sorts by bytes, as SQLite does */

static const char STEP_4[] =
    "CREATE TABLE meta ("
    " id BIGINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, pinged_us BIGINT NOT NULL);"
    "INSERT INTO meta VALUES (1, 4, 0);"

    "CREATE TABLE orgs ("
    " org " TEXT_KEY " PRIMARY KEY CHECK (length(org) BETWEEN 1 AND 64),"
    " created_us BIGINT NOT NULL);"

    "CREATE TABLE datasets ("
    " org " TEXT_KEY " NOT NULL REFERENCES orgs (org), dataset " TEXT_KEY " NOT NULL,"
    " created_us BIGINT NOT NULL, PRIMARY KEY (org, dataset));"

    "CREATE TABLE segments ("
    " org " TEXT_KEY " NOT NULL, dataset " TEXT_KEY " NOT NULL, source " TEXT_KEY " NOT NULL,"
    " part BIGINT NOT NULL CHECK (part >= 0),"
    " content_hash TEXT NOT NULL, file " TEXT_KEY " NOT NULL, rejects TEXT, quality TEXT,"
    " layout TEXT NOT NULL, bytes BIGINT NOT NULL, n_lines BIGINT NOT NULL,"
    " n_rows BIGINT NOT NULL, n_rejected BIGINT NOT NULL, n_collisions BIGINT NOT NULL,"
    " n_duplicates BIGINT NOT NULL, n_late BIGINT NOT NULL,"
    " first_us BIGINT NOT NULL, last_us BIGINT NOT NULL, added_us BIGINT NOT NULL,"
    " PRIMARY KEY (org, dataset, source, part), UNIQUE (org, dataset, file),"
    " FOREIGN KEY (org, dataset) REFERENCES datasets (org, dataset));"

    "CREATE TABLE configs ("
    " org " TEXT_KEY " NOT NULL REFERENCES orgs (org),"
    " version BIGINT NOT NULL CHECK (version >= 1),"
    " hash TEXT NOT NULL, config TEXT NOT NULL, created_us BIGINT NOT NULL,"
    " PRIMARY KEY (org, version));"

    "CREATE TABLE jobs ("
    " seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " id " TEXT_KEY " NOT NULL UNIQUE CHECK (length(id) = 26),"
    " org " TEXT_KEY " NOT NULL REFERENCES orgs (org), kind " TEXT_KEY " NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN"
    "  ('PENDING', 'STARTED', 'PROGRESS', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED')),"
    " attempts BIGINT NOT NULL DEFAULT 0, max_attempts BIGINT NOT NULL CHECK (max_attempts >= 1),"
    " priority BIGINT NOT NULL, fence BIGINT NOT NULL DEFAULT 0,"
    " lease_until_us BIGINT NOT NULL DEFAULT 0, worker TEXT,"
    " cancel_requested BIGINT NOT NULL DEFAULT 0,"
    " created_us BIGINT NOT NULL, started_us BIGINT NOT NULL DEFAULT 0,"
    " finished_us BIGINT NOT NULL DEFAULT 0,"
    " progress DOUBLE PRECISION NOT NULL DEFAULT 0, message TEXT,"
    " payload TEXT NOT NULL, result TEXT, error TEXT,"
    " exclusive BIGINT NOT NULL DEFAULT 0, not_before_us BIGINT NOT NULL DEFAULT 0,"
    " time_limit_us BIGINT NOT NULL DEFAULT 0, memory_bytes BIGINT NOT NULL DEFAULT 0,"
    " revision BIGINT NOT NULL DEFAULT 0, n_waits BIGINT NOT NULL DEFAULT 0,"
    " log TEXT, n_log_lines BIGINT NOT NULL DEFAULT 0, is_dead BIGINT NOT NULL DEFAULT 0,"
    " turn BIGINT NOT NULL DEFAULT 0)"
    /* Rows change several times in their short lives: room beside them keeps indexes untouched. */
    " WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);"
    "CREATE INDEX jobs_by_org ON jobs (org, seq);"
    "CREATE INDEX jobs_waiting ON jobs (org, priority DESC, seq)"
    " WHERE state IN ('PENDING', 'RETRY') AND n_waits = 0;"
    "CREATE INDEX jobs_due ON jobs (not_before_us)"
    " WHERE state IN ('PENDING', 'RETRY') AND n_waits = 0;"
    "CREATE INDEX jobs_running ON jobs (org, lease_until_us)"
    " WHERE state IN ('STARTED', 'PROGRESS');"
    "CREATE INDEX jobs_open ON jobs (org, kind) WHERE finished_us = 0;"
    "CREATE INDEX jobs_turn ON jobs (turn);"
    "CREATE INDEX jobs_org_turn ON jobs (org, turn);"
    "CREATE INDEX jobs_dead ON jobs (org, seq) WHERE is_dead = 1;"

    "CREATE TABLE job_after ("
    " after_id " TEXT_KEY " NOT NULL REFERENCES jobs (id),"
    " job_id " TEXT_KEY " NOT NULL REFERENCES jobs (id), PRIMARY KEY (after_id, job_id));"
    "CREATE INDEX job_after_job ON job_after (job_id);"

    "CREATE TABLE versions ("
    " org " TEXT_KEY " NOT NULL REFERENCES orgs (org), model " TEXT_KEY " NOT NULL,"
    " version BIGINT NOT NULL CHECK (version >= 1),"
    " run_id TEXT NOT NULL, job_id TEXT, created_us BIGINT NOT NULL,"
    " folder TEXT NOT NULL, sha256 TEXT NOT NULL, metrics TEXT NOT NULL, params TEXT NOT NULL,"
    " data_hash TEXT NOT NULL, production BIGINT NOT NULL CHECK (production IN (0, 1)),"
    " PRIMARY KEY (org, model, version));"
    "CREATE UNIQUE INDEX versions_production ON versions (org, model) WHERE production = 1;"

    "CREATE TABLE audit ("
    " seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org " TEXT_KEY " NOT NULL,"
    " at_us BIGINT NOT NULL, principal TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL);"
    "CREATE INDEX audit_by_org ON audit (org, seq);";

static const char STEP_5[] =
    "CREATE TABLE api_keys ("
    " id " TEXT_KEY " PRIMARY KEY, org " TEXT_KEY " NOT NULL, name TEXT NOT NULL,"
    " role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'trainer', 'admin')),"
    " hash TEXT NOT NULL, created_us BIGINT NOT NULL, expires_us BIGINT NOT NULL,"
    " revoked_us BIGINT NOT NULL DEFAULT 0, last_used_us BIGINT NOT NULL DEFAULT 0);";

static const char STEP_6[] =
    "CREATE TABLE schedules ("
    " org " TEXT_KEY " NOT NULL REFERENCES orgs (org), id " TEXT_KEY " NOT NULL,"
    " name TEXT NOT NULL, cron TEXT NOT NULL, zone TEXT NOT NULL, kind TEXT NOT NULL,"
    " payload TEXT NOT NULL, paused BIGINT NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),"
    " next_us BIGINT NOT NULL, last_us BIGINT NOT NULL DEFAULT 0, created_us BIGINT NOT NULL,"
    " revision BIGINT NOT NULL DEFAULT 1, PRIMARY KEY (org, id));"
    "CREATE INDEX schedules_due ON schedules (next_us, org, id) WHERE paused = 0;"
    "CREATE TABLE leases ("
    " name " TEXT_KEY " PRIMARY KEY, holder TEXT NOT NULL, until_us BIGINT NOT NULL,"
    " fence BIGINT NOT NULL);";

static const char STEP_7[] =
    "ALTER TABLE meta ADD COLUMN keys_change BIGINT NOT NULL DEFAULT 0;"
    "CREATE FUNCTION count_key_change() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN UPDATE millwright.meta SET keys_change = keys_change + 1; RETURN NULL; END';"
    "CREATE TRIGGER key_changed AFTER INSERT OR DELETE"
    " OR UPDATE OF org, role, hash, expires_us, revoked_us ON api_keys"
    " FOR EACH ROW EXECUTE FUNCTION count_key_change();";

/* Another role. */
static const char STEP_8[] =
    "ALTER TABLE api_keys DROP CONSTRAINT api_keys_role_check;"
    "ALTER TABLE api_keys ADD CONSTRAINT api_keys_role_check"
    " CHECK (role IN ('viewer', 'operator', 'trainer', 'admin', 'worker'));";

/* Bytes of artifacts are packed already, or numbers: PostgreSQL need not try. */
static const char STEP_9[] =
    "ALTER TABLE jobs ADD COLUMN home TEXT;"
    "CREATE TABLE artifacts ("
    " name " TEXT_KEY " PRIMARY KEY, size BIGINT NOT NULL, sha256 TEXT NOT NULL,"
    " created_us BIGINT NOT NULL);"
    "CREATE TABLE artifact_chunks ("
    " name " TEXT_KEY " NOT NULL REFERENCES artifacts (name) ON DELETE CASCADE,"
    " number BIGINT NOT NULL, bytes BYTEA NOT NULL, PRIMARY KEY (name, number));"
    "ALTER TABLE artifact_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;";

static const struct {
    int version;
    const char *sql;
} steps[] = {{4, STEP_4}, {5, STEP_5}, {6, STEP_6}, {7, STEP_7}, {8, STEP_8}, {9, STEP_9}};

enum { N_STEPS = sizeof steps / sizeof *steps };

int mw_postgres__schema_most = 9;

int mw_postgres__newest_schema(void) { return mw_postgres__schema_most; }

/* 0: there are no tables yet. */
static mw_status read_version(mw_postgres_connection *c, int64_t *ret, mw_err *err) {
    static const char sql[] = "SELECT coalesce((SELECT version FROM meta), 0)";
    static const char there[] = "SELECT count(*) FROM pg_tables WHERE schemaname = 'millwright'";
    *ret = 0;
    for (int i = 0; i < 2; i++) {
        PGresult *result;
        mw_status status = mw_postgres__answer(
            c, mw_pq.PQsendQuery(c->handle, i == 0 ? there : sql), &result, err);
        if (status != MW_OK) return status;
        if (mw_pq.PQresultStatus(result) != PGRES_TUPLES_OK)
            status = mw_postgres__fail(c, result, err);
        const char *text = status == MW_OK ? mw_pq.PQgetvalue(result, 0, 0) : "";
        bool read = mw_number_read_int(text, strlen(text), ret);
        mw_pq.PQclear(result);
        if (status != MW_OK || !read || *ret == 0) return status;
    }
    return MW_OK;
}

static mw_status fail_newer(mw_postgres_connection *c, int64_t found, mw_err *err) {
    mw_fail(err, MW_EDATA, "the store %s has schema version %lld; this program knows up to %d",
            c->store->label, (long long)found, mw_postgres__newest_schema());
    return mw_err_hint(err, "run the newer Millwright that wrote it; nothing was changed");
}

static mw_status run_steps(mw_postgres_connection *c, mw_err *err) {
    int64_t version = 0;
    mw_status status = read_version(c, &version, err);
    if (status == MW_OK && version > mw_postgres__newest_schema())
        return fail_newer(c, version, err);
    for (size_t i = 0; status == MW_OK && i < N_STEPS; i++) {
        char sql[64];
        if (version >= steps[i].version || steps[i].version > mw_postgres__newest_schema())
            continue;
        (void)snprintf(sql, sizeof sql, "UPDATE meta SET version = %d", steps[i].version);
        status = mw_postgres__exec(c, steps[i].sql, err);
        if (status == MW_OK) status = mw_postgres__exec(c, sql, err);
    }
    return status;
}

/* Steps may be long at work where there are many records, and so may another program's, which are waited for. */
static mw_status run_steps_alone(mw_postgres_connection *c, mw_err *err) {
    static const char begin[] =
        "BEGIN; SET LOCAL statement_timeout = '29min'; SET LOCAL lock_timeout = '5min';"
        "SELECT pg_advisory_xact_lock(5571446210);" /* any number */
        "SET LOCAL lock_timeout = '8s'";            /* of tables: others wait behind us */
    c->patient = true;
    mw_status status = mw_postgres__exec(c, begin, err);
    if (status == MW_OK)
        status = mw_postgres__exec(c, "CREATE SCHEMA IF NOT EXISTS millwright", err);
    if (status == MW_OK) status = run_steps(c, err);
    if (status == MW_OK) status = mw_postgres__exec(c, "COMMIT", err);
    c->patient = false;
    return status;
}

mw_status mw_postgres__migrate(mw_postgres_connection *c, mw_err *err) {
    enum { OLDEST = 120000 };
    int64_t version = 0;
    if (mw_pq.PQserverVersion(c->handle) < OLDEST) {
        mw_fail(err, MW_EUNSUPPORTED, "the store %s is a PostgreSQL older than 12",
                c->store->label);
        return mw_err_hint(err, "use a newer one");
    }
    mw_status status = read_version(c, &version, err);
    if (status != MW_OK || version == mw_postgres__newest_schema()) return status;
    return run_steps_alone(c, err);
}
