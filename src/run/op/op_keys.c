/* op_keys.c -- API keys of an organization and its audit log: /organizations/{id}/keys, /organizations/{id}/audit; `millwright org key`, `org audit`. */
#include <string.h>

#include "core/text/datetime.h"
#include "run/op/app.h"
#include "run/op/keyring.h"
#include "run/op/org.h"

static const char *const roles[] = {"viewer", "operator", "trainer", "admin", "worker", NULL};

/* ---- keys ---- */

static void write_key(const mw_key_record *key, const char *text, mw_json_writer *w) {
    mw_json_object(w);
    mw_json_add_string(w, "key_id", key->id);
    if (text) mw_json_add_string(w, "key", text);
    mw_json_add_string(w, "name", key->name);
    mw_json_add_string(w, "role", key->role);
    mw_json_add_string(w, "organization_id", key->org);
    mw_json_add_time(w, "created", key->created_us);
    mw_json_add_time(w, "expires", key->expires_us ? key->expires_us : MW_TIME_NONE);
    mw_json_add_time(w, "revoked", key->revoked_us ? key->revoked_us : MW_TIME_NONE);
    mw_json_add_time(w, "last_used", key->last_used_us ? key->last_used_us : MW_TIME_NONE);
    mw_json_object_end(w);
}

/* Nobody gives more than he has: a key of all organizations comes from one of such, or from the command line. */
static mw_status whose(const mw_call *call, mw_ctx *ctx, const char **ret_org, mw_err *err) {
    mw_status status = mw_op__existing_org(call, ctx, err);
    *ret_org = ctx->org;
    if (status || !mw_args_bool(call->args, "all")) return status;
    if (call->principal.org)
        return mw_fail(err, MW_EDENIED, "this key is of one organization, and gives no others");
    *ret_org = "*";
    return MW_OK;
}

static mw_status prepare_create(const mw_call *call, mw_buf *out, mw_err *err) {
    char text[MW_KEY_TEXT_MAX], id[MW_KEY_ID + 1], hash[MW_KEY_HASH_HEX];
    const char *org = NULL;
    mw_ctx ctx;
    mw_status status = whose(call, &ctx, &org, err);
    if (!status) status = mw_key_make(text, id, hash, err);
    if (status) return status;
    const int64_t now = mw_clock_utc(ctx.clock), span = mw_args_int(call->args, "expires");
    const mw_key_record key = {.id = id,
                               .org = org,
                               .name = mw_args_string(call->args, "name"),
                               .role = mw_args_string(call->args, "role"),
                               .hash = hash,
                               .created_us = now,
                               .expires_us = span ? now + span : 0};
    status = mw_store_key_create(&ctx, call->app->store, &key, err);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    write_key(&key, text, &w);
    return MW_OK;
}

static mw_status prepare_list(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    const char *org = NULL;
    const mw_key_record *keys;
    size_t n = 0;
    mw_arena arena;
    mw_status status = whose(call, &ctx, &org, err);
    if (status) return status;
    mw_arena_init(&arena, ctx.mem);
    status = mw_store_key_list(&ctx, call->app->store, &arena, org, &keys, &n, err);
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_array(&w);
    for (size_t i = 0; i < n && !status; i++) write_key(&keys[i], NULL, &w);
    mw_json_array_end(&w);
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_revoke(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    const char *org = NULL, *id = mw_args_string(call->args, "key");
    mw_status status = whose(call, &ctx, &org, err);
    if (!status) status = mw_store_key_revoke(&ctx, call->app->store, org, id, err);
    if (status == MW_ENOTFOUND)
        return mw_fail(err, MW_ENOTFOUND, "there is no key \"%.40s\" of this organization", id);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "key_id", id);
    mw_json_add_bool(&w, "revoked", true);
    mw_json_object_end(&w);
    return MW_OK;
}

static void print_created(const mw_json *result, mw_buf *out) {
    mw_str key = mw_json_string(mw_json_get(result, "key"), "");
    mw_str role = mw_json_string(mw_json_get(result, "role"), "");
    mw_buf_printf(out,
                  "%.*s\n\nThis is shown once. Send it as `Authorization: Bearer KEY`; it has the "
                  "role %.*s.\n",
                  (int)key.size, key.data, (int)role.size, role.data);
}

static const char *state_of(const mw_json *key) {
    if (mw_json_string(mw_json_get(key, "revoked"), "").size) return "revoked";
    return mw_json_string(mw_json_get(key, "expires"), "").size ? "expires" : "";
}

static void print_keys(const mw_json *result, mw_buf *out) {
    if (!result->first) mw_buf_add(out, "no keys\n");
    for (const mw_json *key = result->first; key; key = key->next) {
        mw_str id = mw_json_string(mw_json_get(key, "key_id"), "");
        mw_str name = mw_json_string(mw_json_get(key, "name"), "");
        mw_str role = mw_json_string(mw_json_get(key, "role"), "");
        mw_str used = mw_json_string(mw_json_get(key, "last_used"), "never used");
        const char *state = state_of(key);
        mw_str when = mw_json_string(mw_json_get(key, state), "");
        mw_buf_printf(out, "%.*s  %-8.*s %.*s  %.*s  %s %.*s\n", (int)id.size, id.data,
                      (int)role.size, role.data, (int)used.size, used.data, (int)name.size,
                      name.data, state, (int)when.size, when.data);
    }
}

/* ---- audit ---- */

static mw_status prepare_audit(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    const mw_audit_record *entries;
    size_t n = 0;
    mw_arena arena;
    mw_status status = mw_op__existing_org(call, &ctx, err);
    if (status) return status;
    mw_arena_init(&arena, ctx.mem);
    status = mw_store_audit_list(&ctx, call->app->store, &arena, mw_args_int(call->args, "before"),
                                 (int32_t)mw_args_int(call->args, "limit"), &entries, &n, err);
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_array(&w);
    for (size_t i = 0; i < n && !status; i++) {
        mw_json_object(&w);
        mw_json_add_int(&w, "number", entries[i].seq);
        mw_json_add_time(&w, "at", entries[i].at_us);
        mw_json_add_string(&w, "who", entries[i].principal);
        mw_json_add_string(&w, "action", entries[i].action);
        mw_json_key(&w, "detail");
        mw_json_write_raw(&w, mw_str_of(entries[i].detail));
        mw_json_object_end(&w);
    }
    mw_json_array_end(&w);
    mw_arena_done(&arena);
    return status;
}

static void print_audit(const mw_json *result, mw_buf *out) {
    for (const mw_json *entry = result->first; entry; entry = entry->next) {
        mw_str at = mw_json_string(mw_json_get(entry, "at"), "");
        mw_str who = mw_json_string(mw_json_get(entry, "who"), "");
        mw_str action = mw_json_string(mw_json_get(entry, "action"), "");
        mw_str outcome = mw_json_string(mw_json_get(mw_json_get(entry, "detail"), "outcome"), "");
        mw_buf_printf(out, "%.*s  %-16.*s %-22.*s %.*s\n", (int)at.size, at.data, (int)who.size,
                      who.data, (int)action.size, action.data, (int)outcome.size, outcome.data);
    }
}

/* ---- tables ---- */

#define ORG_PARAM                                                                \
    {                                                                            \
        .name = "id", .type = MW_PARAM_STRING, .min = 1, .max = 64,              \
        .flags = MW_PARAM_PATH | MW_PARAM_HTTP_ONLY, .help = "The organization." \
    }
#define ALL_PARAM(flag, text) \
    { .name = "all", .type = MW_PARAM_BOOL, .flags = (flag), .help = (text) }

static const mw_param create_params[] = {
    ORG_PARAM,
    {.name = "name",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 100,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_BODY,
     .help = "What it is for, or who has it."},
    {.name = "role",
     .type = MW_PARAM_ENUM,
     .choices = roles,
     .def = "viewer",
     .flags = MW_PARAM_BODY,
     .help = "What it may do: viewer reads, operator sends rows and handles jobs, trainer trains, "
             "admin does all; worker only lets another host do jobs (millwright worker)."},
    {.name = "expires",
     .type = MW_PARAM_DURATION,
     .min = 1e6,
     .max = 3660 * 86400e6,
     .unit = "us",
     .flags = MW_PARAM_BODY,
     .help = "How long it is good, such as 90d; without it until it is revoked."},
    ALL_PARAM(MW_PARAM_BODY, "For every organization, which X-Organization-ID then chooses."),
    {0}};
static const mw_param list_params[] = {
    ORG_PARAM, ALL_PARAM(0, "The keys of no one organization, but of all."), {0}};
static const mw_param revoke_params[] = {
    ORG_PARAM,
    {.name = "key",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .flags = MW_PARAM_REQUIRED | MW_PARAM_PATH | MW_PARAM_POSITIONAL,
     .help = "The key's id: the ten characters after mw_."},
    ALL_PARAM(0, "A key of every organization."),
    {0}};
static const mw_param audit_params[] = {
    ORG_PARAM,
    {.name = "limit",
     .type = MW_PARAM_INT,
     .def = "50",
     .min = 1,
     .max = 1000,
     .help = "The most entries to list, newest first."},
    {.name = "before",
     .type = MW_PARAM_INT,
     .def = "0",
     .min = 0,
     .max = 9e15,
     .help = "Only entries older than the one of this number: the next page."},
    {0}};

#define KEY_FIELDS                                                                             \
    {.name = "name", .type = MW_FIELD_STRING, .help = "what it is for"},                       \
        {.name = "role", .type = MW_FIELD_STRING, .choices = roles, .help = "what it may do"}, \
        {.name = "organization_id",                                                            \
         .type = MW_FIELD_STRING,                                                              \
         .help = "whose it is; * is every organization"},                                      \
        {.name = "created", .type = MW_FIELD_TIME, .help = "when it was made"},                \
        {.name = "expires",                                                                    \
         .type = MW_FIELD_TIME,                                                                \
         .nullable = true,                                                                     \
         .help = "when it is good no more"},                                                   \
        {.name = "revoked",                                                                    \
         .type = MW_FIELD_TIME,                                                                \
         .nullable = true,                                                                     \
         .help = "when it was revoked"},                                                       \
    {                                                                                          \
        .name = "last_used", .type = MW_FIELD_TIME, .nullable = true, .help = "to a minute"    \
    }

static const mw_field created_result[] = {
    {.name = "key_id", .type = MW_FIELD_STRING, .help = "names it; no secret"},
    {.name = "key", .type = MW_FIELD_STRING, .help = "the key itself, shown only now"},
    KEY_FIELDS,
    {0}};
static const mw_field keys_result[] = {
    {.name = "key_id", .type = MW_FIELD_STRING, .help = "names it; no secret"}, KEY_FIELDS, {0}};
static const mw_field revoke_result[] = {
    {.name = "key_id", .type = MW_FIELD_STRING, .help = "which one"},
    {.name = "revoked", .type = MW_FIELD_BOOL, .help = "true"},
    {0}};
static const mw_field audit_result[] = {
    {.name = "number", .type = MW_FIELD_INTEGER, .help = "grows"},
    {.name = "at", .type = MW_FIELD_TIME, .help = "when"},
    {.name = "who", .type = MW_FIELD_STRING, .help = "key:ID, cli, or loopback without keys"},
    {.name = "action", .type = MW_FIELD_STRING, .help = "the operation"},
    {.name = "detail",
     .type = MW_FIELD_OBJECT,
     .help = "outcome, and where there are: request_id, job_id"},
    {0}};

static const mw_status key_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_EDENIED, MW_EBUSY, MW_OK};
static const mw_status list_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_EDENIED, MW_OK};

static const char *const create_examples[] = {
    "millwright org key create --name gateway --role operator --expires 365d", NULL};
static const char *const list_examples[] = {"millwright org key list", NULL};
static const char *const audit_examples[] = {"millwright org audit --limit 10", NULL};

const mw_op mw_op_key_create = {
    .name = "key_create",
    .verb = "org key create",
    .method = "POST",
    .path = "/organizations/{id}/keys",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Make an API key of an organization",
    .help = "Its text is shown once; only a hash of it is kept. While there is a key, every "
            "request needs one, apart from GET /health, GET /models/status and the pages.",
    .examples = create_examples,
    .params = create_params,
    .result = created_result,
    .errors = key_errors,
    .prepare = prepare_create,
    .print = print_created,
};

const mw_op mw_op_keys = {
    .name = "keys",
    .verb = "org key list",
    .method = "GET",
    .path = "/organizations/{id}/keys",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "The API keys of an organization",
    .help = "Without their secrets, revoked ones too.",
    .examples = list_examples,
    .params = list_params,
    .result = keys_result,
    .result_is_array = true,
    .errors = list_errors,
    .prepare = prepare_list,
    .print = print_keys,
};

const mw_op mw_op_key_revoke = {
    .name = "key_revoke",
    .verb = "org key revoke",
    .method = "DELETE",
    .path = "/organizations/{id}/keys/{key}",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Revoke an API key",
    .help = "Servers refuse it within half a second. It stays in the list.",
    .params = revoke_params,
    .result = revoke_result,
    .errors = list_errors,
    .prepare = prepare_revoke,
};

const mw_op mw_op_audit = {
    .name = "audit",
    .verb = "org audit",
    .method = "GET",
    .path = "/organizations/{id}/audit",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Who did what in an organization",
    .help = "Each use of a role above viewer, and what was refused; rows of telemetry are not "
            "among them.",
    .examples = audit_examples,
    .params = audit_params,
    .result = audit_result,
    .result_is_array = true,
    .errors = list_errors,
    .prepare = prepare_audit,
    .print = print_audit,
};
