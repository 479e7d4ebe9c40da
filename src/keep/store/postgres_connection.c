/*
 * postgres_connection.c -- connecting, waiting for answers, and PostgreSQL's errors as statuses.
 *
 * What is sent never blocks, and answers are waited for with poll: a server that says nothing costs its caller a known time. PQconnectdbParams does the same
 * inside, with connect_timeout for each address, and goes on with the next one, which PQconnectPoll would leave to us.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "keep/store/postgres.h"

int64_t mw_postgres__silence_us = MW_POSTGRES_SILENCE_US;

/* Durable is what is acknowledged, whatever the server's own default is; nothing waits for ever. A server that lives says no before its silence is judged. */
static const char SETTINGS[] = "SET synchronous_commit = on; SET search_path = millwright;"
                               "SET statement_timeout = '9s'; SET lock_timeout = '8s';"
                               "SET idle_in_transaction_session_timeout = '60s';"
                               "SET client_min_messages = warning; SET client_encoding = 'UTF8';"
                               "SET standard_conforming_strings = on; SET jit = off;"
                               /* A plan is kept that was made while a table was small. */
                               "SET enable_seqscan = off";

/* By the first characters of the code; the first that fits counts. Table of codes: PostgreSQL manual, appendix A. */
static const struct {
    const char *code;
    mw_status status;
    bool again, gone; /* gone: the connection is of no more use */
    const char *what, *hint;
} code_table[] = {
    {"40001", MW_EBUSY, true, false, "is busy with the same records", "try again"},
    {"40P01", MW_EBUSY, true, false, "is busy with the same records", "try again"},
    {"55P03", MW_EBUSY, true, false, "is busy with the same records", "try again"},
    {"57P", MW_EBUSY, true, true, "is stopping or starting", "try again in a moment"},
    {"57014", MW_EBUSY, false, false, "took too long to answer", "try again"},
    {"25P", MW_EBUSY, true, true, "gave up a transaction that stood still", "try again"},
    {"53100", MW_EIO, false, false, "cannot grow: the disk is full",
     "free some disk space on the database's host; nothing was lost"},
    {"53200", MW_EBUSY, false, false, "is short of memory", "try again"},
    {"53300", MW_EBUSY, true, true, "has no connection left", "raise max_connections"},
    {"53", MW_EBUSY, false, false, "is short of something", "see the database's log"},
    {"58", MW_EIO, false, false, "cannot be read or written", "see the database's log"},
    {"XX001", MW_EDATA, false, false, "is damaged", "restore it from a backup"},
    {"XX002", MW_EDATA, false, false, "is damaged", "restore it from a backup"},
    {"23", MW_ECONFLICT, false, false, "refuses a record that contradicts another", ""},
    {"25006", MW_EDENIED, false, false, "is read-only",
     "name the primary server, not one that follows it"},
    {"42501", MW_EDENIED, false, false, "may not be used so by this user",
     "grant the user the right to create a schema in the database"},
    {"28", MW_EDENIED, false, true, "refuses this user or password",
     "check the address in MILLWRIGHT_STORE"},
    {"3D000", MW_ENOTFOUND, false, true, "does not exist",
     "make the database: createdb, or CREATE DATABASE"},
    {"08", MW_EBUSY, true, true, "cannot be reached", "check that the database runs"},
};

mw_status mw_postgres__fail(mw_postgres_connection *connection, const PGresult *result,
                            mw_err *err) {
    const char *label = connection->store->label;
    const char *code = result ? mw_pq.PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!code || mw_pq.PQstatus(connection->handle) == CONNECTION_BAD) code = "08006";
    for (size_t i = 0; i < sizeof code_table / sizeof *code_table; i++) {
        if (strncmp(code, code_table[i].code, strlen(code_table[i].code)) != 0) continue;
        connection->again = code_table[i].again;
        if (code_table[i].gone) mw_postgres__disconnect(connection);
        mw_fail(err, code_table[i].status, "the store %s %s", label, code_table[i].what);
        if (code_table[i].hint[0]) mw_err_hint(err, "%s", code_table[i].hint);
        return code_table[i].status;
    }
    connection->again = false;
    return mw_fail(err, MW_EINTERNAL, "the store %s failed with SQLSTATE %.5s", label, code);
}

/* ---- answers ---- */

static int64_t now(void) { return mw_clock_monotonic(&mw_clock_system); }

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* heard_us: when it last said something. */
static int64_t end_of_patience(const mw_postgres_connection *c, int64_t begun_us,
                               int64_t heard_us) {
    if (c->patient) return begun_us + MW_POSTGRES_MIGRATION_US;
    int64_t end_us = earlier(heard_us + mw_postgres__silence_us, begun_us + MW_POSTGRES_ANSWER_US);
    return c->deadline_us ? earlier(end_us, c->deadline_us) : end_us;
}

/* True once PQgetResult will not block: a result, the end, or what is wrong with the connection. */
static bool hear_out(mw_postgres_connection *c, int64_t begun_us) {
    for (int64_t heard_us = begun_us;;) {
        const int unsent = mw_pq.PQflush(c->handle);
        if (unsent < 0 || !mw_pq.PQisBusy(c->handle)) return true;
        const int64_t left_us = end_of_patience(c, begun_us, heard_us) - now();
        if (left_us <= 0) return false;
        struct pollfd item = {.fd = mw_pq.PQsocket(c->handle),
                              .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
        if (poll(&item, 1, (int)(left_us / 1000) + 1) <= 0) continue;
        heard_us = now();
        if ((item.revents & ~POLLOUT) && !mw_pq.PQconsumeInput(c->handle)) return true;
    }
}

/* Nothing is said to it any more, not even goodbye. */
static mw_status fail_silent(mw_postgres_connection *c, mw_err *err) {
    mw_postgres *store = c->store;
    const bool by_deadline = c->deadline_us && now() >= c->deadline_us;
    (void)shutdown(mw_pq.PQsocket(c->handle), SHUT_RDWR);
    mw_postgres__disconnect(c);
    if (!by_deadline) mw_postgres__distrust(store);
    c->again = false;
    mw_fail(err, MW_EBUSY, "the store %s does not answer", store->label);
    mw_err_hint(err, "try again in a moment; look at the database and its host");
    return MW_EBUSY;
}

mw_status mw_postgres__answer(mw_postgres_connection *connection, int sent, PGresult **ret,
                              mw_err *err) {
    const int64_t begun_us = now();
    PGresult *last = NULL, *next;
    *ret = NULL;
    while (sent) {
        if (!hear_out(connection, begun_us)) {
            mw_pq.PQclear(last);
            return fail_silent(connection, err);
        }
        next = mw_pq.PQgetResult(connection->handle);
        if (!next) break;
        mw_pq.PQclear(last);
        last = next;
    }
    *ret = last;
    return MW_OK;
}

mw_status mw_postgres__exec(mw_postgres_connection *connection, const char *sql, mw_err *err) {
    PGresult *result;
    mw_status status =
        mw_postgres__answer(connection, mw_pq.PQsendQuery(connection->handle, sql), &result, err);
    if (status != MW_OK) return status;
    const ExecStatusType got = mw_pq.PQresultStatus(result);
    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK)
        status = mw_postgres__fail(connection, result, err);
    mw_pq.PQclear(result);
    return status;
}

/* ---- connecting ---- */

/* What a refused connection says is in its message only; a password is not in it. */
static mw_status fail_connect(mw_postgres_connection *connection, mw_err *err) {
    const char *label = connection->store->label;
    const char *said = mw_pq.PQerrorMessage(connection->handle);
    static const struct {
        const char *words;
        mw_status status;
        const char *what, *hint;
    } refusals[] = {
        {"authentication failed", MW_EDENIED, "refuses this user or password",
         "check the address in MILLWRIGHT_STORE"},
        {"no pg_hba.conf entry", MW_EDENIED, "takes no connections from this host",
         "add it to pg_hba.conf of the database"},
        {"does not exist", MW_ENOTFOUND, "has no such database or user",
         "make them: createuser, createdb"},
        {"SSL", MW_EDENIED, "does not agree on TLS", "check sslmode in MILLWRIGHT_STORE"},
    };
    connection->again = true;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (!strstr(said, refusals[i].words)) continue;
        connection->again = false;
        mw_fail(err, refusals[i].status, "the store %s %s", label, refusals[i].what);
        return mw_err_hint(err, "%s", refusals[i].hint);
    }
    mw_fail(err, MW_EBUSY, "the store %s cannot be reached", label);
    return mw_err_hint(err, "check that the database runs");
}

static void ignore_notice(void *arg, const char *message) { (void)arg, (void)message; }

mw_status mw_postgres__connect(mw_postgres *store, mw_postgres_connection *connection,
                               mw_err *err) {
    connection->store = store;
    connection->handle = mw_pq.PQconnectdbParams(store->keywords, store->values, 0);
    mw_status status = MW_OK;
    if (!connection->handle)
        status = mw_fail_nomem(err, "a connection to the store");
    else if (mw_pq.PQstatus(connection->handle) != CONNECTION_OK)
        status = fail_connect(connection, err);
    if (status == MW_OK) {
        mw_pq.PQsetNoticeProcessor(connection->handle, ignore_notice, NULL);
        (void)mw_pq.PQsetnonblocking(connection->handle, 1); /* nothing waits to be sent yet */
        status = mw_postgres__exec(connection, SETTINGS, err);
    }
    if (status != MW_OK) mw_postgres__disconnect(connection);
    return status;
}

void mw_postgres__disconnect(mw_postgres_connection *connection) {
    for (int i = 0; i < MW_POSTGRES_STATEMENTS; i++) {
        mw_pq.PQclear(connection->statements[i].result);
        connection->statements[i] = (mw_postgres_statement){0};
    }
    if (connection->handle) mw_pq.PQfinish(connection->handle);
    connection->handle = NULL;
}
