/*
 * postgres_statement.c -- prepared statements of the PostgreSQL driver.
 *
 * A statement is prepared when it first runs, as its parameters' types are known then: PostgreSQL cannot always tell them from the text.
 */
#include <stdio.h>
#include <string.h>

#include "core/text/number.h"
#include "keep/store/postgres.h"

enum { OID_TEXT = 25, OID_INT8 = 20, OID_FLOAT8 = 701, SQL_BYTES = 8192 };

static mw_postgres_connection *connection_of(mw_sql *sql) { return (mw_postgres_connection *)sql; }

bool mw_postgres__translate(const char *sql, char *out, size_t size) {
    static const char begin[] = "/*pg ", end[] = "*/";
    size_t n = 0;
    int n_params = 0;
    bool quoted = false;
    while (*sql && n + 16 < size) {
        if (*sql == '\'') quoted = !quoted;
        if (!quoted && strncmp(sql, begin, sizeof begin - 1) == 0) {
            sql += sizeof begin - 1;
        } else if (!quoted && strncmp(sql, end, sizeof end - 1) == 0) {
            sql += sizeof end - 1;
        } else if (!quoted && *sql == '?') {
            const size_t n_digits = strspn(sql + 1, "0123456789");
            n += (size_t)(n_digits ? snprintf(out + n, size - n, "$%.*s", (int)n_digits, sql + 1)
                                   : snprintf(out + n, size - n, "$%d", ++n_params));
            sql += 1 + n_digits;
        } else {
            out[n++] = *sql++;
        }
    }
    out[n] = '\0';
    return *sql == '\0';
}

mw_status mw_postgres__prepare(mw_sql *sql, const char *static_sql, void **ret, mw_err *err) {
    mw_postgres_connection *c = connection_of(sql);
    for (int i = 0; i < MW_POSTGRES_STATEMENTS; i++) {
        mw_postgres_statement *s = &c->statements[i];
        if (s->sql && s->sql != static_sql) continue;
        s->sql = static_sql;
        *ret = s;
        return MW_OK;
    }
    return mw_fail(err, MW_EINTERNAL, "the statement table of the store is full");
}

mw_status mw_postgres__bind(mw_sql *sql, void *statement, int at, const mw_sql_value *value,
                            mw_err *err) {
    (void)sql;
    mw_postgres_statement *s = statement;
    if (at > MW_POSTGRES_PARAMS)
        return mw_fail(err, MW_EINTERNAL, "a statement of the store has too many parameters");
    const int i = at - 1;
    s->n_params = at;
    s->values[i] = s->numbers[i];
    switch (value->type) {
    case MW_SQL_TEXT:
    case MW_SQL_NULL:
        s->types[i] = OID_TEXT;
        s->values[i] = value->text.data;
        break;
    case MW_SQL_INT:
        s->types[i] = OID_INT8;
        s->numbers[i][mw_number_print_int(value->integer, s->numbers[i])] = '\0';
        break;
    case MW_SQL_REAL:
        s->types[i] = OID_FLOAT8;
        s->numbers[i][mw_number_print(value->real, s->numbers[i])] = '\0';
        break;
    }
    return MW_OK;
}

static mw_status prepare_now(mw_postgres_connection *c, mw_postgres_statement *s, const char *name,
                             mw_err *err) {
    char text[SQL_BYTES];
    if (!mw_postgres__translate(s->sql, text, sizeof text))
        return mw_fail(err, MW_EINTERNAL, "a statement of the store is too long");
    PGresult *result;
    mw_status status = mw_postgres__answer(
        c, mw_pq.PQsendPrepare(c->handle, name, text, s->n_params, s->types), &result, err);
    if (status != MW_OK) return status;
    s->prepared = mw_pq.PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!s->prepared) status = mw_postgres__fail(c, result, err);
    mw_pq.PQclear(result);
    return status;
}

static mw_status run(mw_postgres_connection *c, mw_postgres_statement *s, mw_err *err) {
    char name[16];
    (void)snprintf(name, sizeof name, "s%d", (int)(s - c->statements));
    mw_status status = s->prepared ? MW_OK : prepare_now(c, s, name, err);
    if (status != MW_OK) return status;
    PGresult *result;
    const int sent =
        mw_pq.PQsendQueryPrepared(c->handle, name, s->n_params, s->values, NULL, NULL, 0);
    status = mw_postgres__answer(c, sent, &result, err);
    if (status != MW_OK) return status;
    const ExecStatusType got = mw_pq.PQresultStatus(result);
    if (got != PGRES_TUPLES_OK && got != PGRES_COMMAND_OK) {
        status = mw_postgres__fail(c, result, err);
        mw_pq.PQclear(result);
        return status;
    }
    s->result = result;
    s->row = 0;
    return MW_OK;
}

mw_status mw_postgres__step(mw_sql *sql, void *statement, bool *ret_row, mw_err *err) {
    mw_postgres_connection *c = connection_of(sql);
    mw_postgres_statement *s = statement;
    if (!c->handle) return mw_fail(err, MW_EBUSY, "the connection to the store was lost");
    mw_status status = s->result ? MW_OK : run(c, s, err);
    if (status != MW_OK) return status;
    *ret_row = s->row < mw_pq.PQntuples(s->result);
    s->row++;
    return MW_OK;
}

mw_status mw_postgres__column(mw_sql *sql, void *statement, int at, mw_sql_type wanted,
                              mw_sql_value *ret, mw_err *err) {
    const mw_postgres_statement *s = statement;
    *ret = (mw_sql_value){.type = MW_SQL_NULL};
    if (mw_pq.PQgetisnull(s->result, s->row - 1, at)) return MW_OK;
    const char *text = mw_pq.PQgetvalue(s->result, s->row - 1, at);
    ret->type = wanted;
    ret->text = (mw_str){text, (size_t)mw_pq.PQgetlength(s->result, s->row - 1, at)};
    bool good = true;
    if (wanted == MW_SQL_INT && (text[0] == 't' || text[0] == 'f'))
        ret->integer = text[0] == 't'; /* a truth value */
    else if (wanted == MW_SQL_INT)
        good = mw_number_read_int(text, ret->text.size, &ret->integer);
    else if (wanted == MW_SQL_REAL)
        good = mw_number_read(text, ret->text.size, &ret->real);
    if (good) return MW_OK;
    return mw_fail(err, MW_EDATA, "the store %s holds no number where one is expected",
                   connection_of(sql)->store->label);
}

void mw_postgres__reset(mw_sql *sql, void *statement) {
    (void)sql;
    mw_postgres_statement *s = statement;
    mw_pq.PQclear(s->result);
    s->result = NULL;
}

int mw_postgres__changed(mw_sql *sql, void *statement) {
    (void)sql;
    const mw_postgres_statement *s = statement;
    const char *text = s->result ? mw_pq.PQcmdTuples(s->result) : "";
    int64_t n = 0;
    return mw_number_read_int(text, strlen(text), &n) ? (int)n : 0;
}
