/* op_migrate.c -- `millwright migrate --from STORE --to STORE`: all records into another database. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "keep/store/migrate.h"
#include "run/op/op.h"

static void tell(const mw_migration *done, mw_buf *out) {
    int64_t total = 0;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_key(&w, "tables");
    mw_json_array(&w);
    for (int i = 0; i < done->n_tables; i++) {
        mw_json_object(&w);
        mw_json_add_string(&w, "table", done->tables[i].name);
        mw_json_add_int(&w, "rows", done->tables[i].n_rows);
        mw_json_add_string(&w, "sha256", done->tables[i].hash);
        mw_json_object_end(&w);
        total += done->tables[i].n_rows;
    }
    mw_json_array_end(&w);
    mw_json_add_int(&w, "rows", total);
    mw_json_add_bool(&w, "verified", true);
    mw_json_object_end(&w);
}

/* Opening it would make it. */
static mw_status check_source(const char *path, mw_err *err) {
    if (strstr(path, "://") || access(path, R_OK) == 0) return MW_OK;
    return mw_fail_errno(err, errno, "--from: %s", path);
}

static mw_status open_one(const mw_call *call, const char *name, mw_store **ret, mw_err *err) {
    mw_status status = mw_store_open(call->ctx, mw_args_string(call->args, name), ret, err);
    return status ? mw_err_prefix(err, "--%s", name) : MW_OK;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_store *from = NULL, *to = NULL;
    mw_migration done;
    mw_status status = check_source(mw_args_string(call->args, "from"), err);
    if (!status) status = open_one(call, "from", &from, err);
    if (!status) status = open_one(call, "to", &to, err);
    if (!status) status = mw_store_migrate(call->ctx, from, to, &done, err);
    if (!status) tell(&done, out);
    mw_store_close(to);
    mw_store_close(from);
    return status;
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_json *tables = mw_json_get(result, "tables");
    for (const mw_json *t = tables ? tables->first : NULL; t; t = t->next) {
        mw_str name = mw_json_string(mw_json_get(t, "table"), "");
        mw_str hash = mw_json_string(mw_json_get(t, "sha256"), "");
        mw_buf_printf(out, "%-10.*s %10lld rows  %.16s\n", (int)name.size, name.data,
                      (long long)mw_json_int(mw_json_get(t, "rows"), 0), hash.data);
    }
    mw_buf_add(out, "all rows arrived, with the same SHA-256 of each table\n");
}

static const mw_param params[] = {
    {.name = "from",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4000,
     .flags = MW_PARAM_REQUIRED,
     .help = "The store to read: a file such as data/millwright.db, or postgresql://..."},
    {.name = "to",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4000,
     .flags = MW_PARAM_REQUIRED,
     .help = "The store to fill, which holds no records yet."},
    {0}};

static const mw_field table_fields[] = {
    {.name = "table", .type = MW_FIELD_STRING, .help = "its name"},
    {.name = "rows", .type = MW_FIELD_INTEGER, .help = "how many went over"},
    {.name = "sha256", .type = MW_FIELD_STRING, .help = "of all their values, in both stores"},
    {0}};
static const mw_field result[] = {
    {.name = "tables",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .fields = table_fields,
     .help = "in the order of their references"},
    {.name = "rows", .type = MW_FIELD_INTEGER, .help = "all together"},
    {.name = "verified", .type = MW_FIELD_BOOL, .help = "true"},
    {0}};

static const char *const examples[] = {
    "millwright migrate --from data/millwright.db --to records.db", NULL};

const mw_op mw_op_migrate = {
    .name = "migrate",
    .verb = "migrate",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .local = true,
    .summary = "Move all records to another store",
    .help =
        "From SQLite to PostgreSQL, back, or between two of a kind: everything arrives, "
        "verified by "
        "counts and hashes, or nothing does. Stop servers and workers before, and set "
        "MILLWRIGHT_STORE for them afterwards. Files of datasets and models stay where they are: "
        "`millwright artifacts` puts those of a data folder into another place.",
    .examples = examples,
    .params = params,
    .result = result,
    .prepare = prepare,
    .print = print,
};
