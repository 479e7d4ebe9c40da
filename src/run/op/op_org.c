/*
 * op_org.c -- organizations and their feature configurations: GET and POST /organizations, GET and PUT /organizations/{id}/config; `millwright org`.
 *
 * A configuration is compiled before it is kept, so that one in the store can be used; its versions stay.
 */
#include <string.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "learn/feature/config.h"
#include "learn/feature/industries.h"
#include "run/op/app.h"
#include "run/op/etag.h"
#include "run/op/org.h"

/* ---- whose ---- */

mw_status mw_op__for_org(const mw_call *call, const char *org, mw_ctx *ret, mw_err *err) {
    *ret = *call->ctx;
    if (!org || strcmp(org, ret->org) == 0) return MW_OK;
    if (call->principal.role != MW_ROLE_ADMIN || call->principal.org)
        return mw_fail(err, MW_EDENIED,
                       "only an admin of all organizations may ask about another one");
    if (!mw_name_valid(org)) {
        mw_fail(err, MW_EINVAL, "an organization's id is 1 to 64 letters, digits, '_' or '-'");
        mw_err_at(err, "id");
        return MW_EINVAL;
    }
    ret->org = org;
    return MW_OK;
}

mw_status mw_op__existing_org(const mw_call *call, mw_ctx *ret, mw_err *err) {
    mw_status status = mw_op__for_org(call, mw_args_string(call->args, "id"), ret, err);
    return status ? status : mw_app_check_org(call->app, ret, err);
}

/* ---- what is told ---- */

/* n_features: how many it makes. */
static void write_record(const mw_ctx *ctx, const mw_config_record *record, int32_t n_features,
                         bool whole, mw_buf *out) {
    char created[MW_TIME_TEXT_MAX];
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "organization_id", ctx->org);
    mw_json_add_int(&w, "version", record->version);
    mw_json_add_string(&w, "hash", record->hash);
    (void)mw_time_print(record->created_us, created);
    mw_json_add_string(&w, "created", created);
    mw_json_add_int(&w, "features", n_features);
    if (whole) {
        mw_json_key(&w, "config");
        mw_json_write_raw(&w, mw_str_of(record->config));
    }
    mw_json_object_end(&w);
}

static mw_status has_config(const mw_call *call, const mw_ctx *ctx, mw_config_record *ret,
                            mw_arena *arena, bool *ret_has, mw_err *err) {
    mw_status status = mw_store_config(ctx, call->app->store, arena, 0, ret, err);
    *ret_has = status == MW_OK;
    if (status == MW_ENOTFOUND) {
        mw_err_clear(err);
        return MW_OK;
    }
    return status;
}

static mw_status tell(const mw_ctx *ctx, const mw_config_record *record, mw_buf *out, mw_err *err) {
    mw_feature_config config;
    mw_status status =
        mw_feature_config_read(ctx->mem, record->config, strlen(record->config), &config, err);
    if (status) return mw_err_prefix(err, "version %d", (int)record->version);
    write_record(ctx, record, config.program->n_outputs, true, out);
    mw_feature_config_done(&config);
    return MW_OK;
}

/* ---- taking one ---- */

/* One JSON text for what means the same JSON. */
static mw_status compact(const mw_ctx *ctx, const char *text, size_t size, mw_buf *out,
                         mw_err *err) {
    mw_arena arena;
    const mw_json *json;
    mw_json_writer w;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_json_parse(&arena, text, size, &json, err);
    mw_json_writer_init(&w, out, 0);
    if (!status) mw_json_write_value(&w, json);
    if (!status) status = mw_buf_status(out, "a configuration", err);
    mw_arena_done(&arena);
    return status;
}

static mw_status fail_other(const char *named, const char *org, mw_err *err) {
    mw_fail(err, MW_EINVAL, "the configuration is that of organization %.64s, not of %s", named,
            org);
    mw_err_at(err, "/organizationId");
    return mw_err_hint(err, "leave organizationId out, or ask for %.64s", named);
}

/* Compiles and keeps it, over that version. ctx->org is taken from the configuration where `from_text` and it names one. */
static mw_status keep(const mw_call *call, mw_ctx *ctx, int32_t over, const char *text, size_t size,
                      bool from_text, mw_buf *out, mw_err *err) {
    mw_feature_config config;
    mw_config_record record;
    mw_arena arena;
    int32_t version = 0;
    mw_buf buf;
    mw_buf_init(&buf, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = mw_feature_config_read(ctx->mem, text, size, &config, err);
    if (status) return status;
    if (from_text && config.org) status = mw_op__for_org(call, config.org, ctx, err);
    if (!status && config.org && strcmp(config.org, ctx->org) != 0)
        status = fail_other(config.org, ctx->org, err);
    if (!status) status = compact(ctx, text, size, &buf, err);
    if (!status)
        status = mw_store_config_put(ctx, call->app->store, over, mw_buf_text(&buf),
                                     config.program->hash, &version, err);
    mw_buf_done(&buf);
    mw_arena_init(&arena, ctx->mem);
    if (!status) status = mw_store_config(ctx, call->app->store, &arena, version, &record, err);
    if (!status) write_record(ctx, &record, config.program->n_outputs, false, out);
    mw_arena_done(&arena);
    mw_feature_config_done(&config);
    return status;
}

/* The version that the client has looked at (If-Match): the store sees to it that nobody comes in between, in whichever process. */
static mw_status check_match(const mw_call *call, const mw_ctx *ctx, int32_t *ret_over,
                             mw_err *err) {
    mw_arena arena;
    mw_config_record now;
    bool has = false;
    mw_buf text;
    *ret_over = MW_CONFIG_ANY;
    if (!call->if_match.data) return MW_OK;
    mw_arena_init(&arena, ctx->mem);
    mw_buf_init(&text, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = has_config(call, ctx, &now, &arena, &has, err);
    if (!status && has) status = tell(ctx, &now, &text, err);
    if (!status) status = mw_buf_status(&text, "a configuration", err);
    if (!status) status = mw_etag_check(call->if_match, has ? mw_buf_str(&text) : (mw_str){0}, err);
    if (!status) *ret_over = has ? now.version : 0;
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_put(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    mw_buf text;
    mw_json_writer w;
    int32_t over = 0;
    mw_status status = mw_op__existing_org(call, &ctx, err);
    if (status) return status;
    mw_buf_init(&text, ctx.mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &text, 0);
    mw_json_object(&w);
    if (mw_args_given(call->args, "organizationId"))
        mw_json_add_string(&w, "organizationId", mw_args_string(call->args, "organizationId"));
    mw_json_key(&w, "schemaConfig");
    mw_json_write_value(&w, mw_args_json(call->args, "schemaConfig"));
    mw_json_object_end(&w);
    status = mw_buf_status(&text, "a configuration", err);
    if (!status) status = check_match(call, &ctx, &over, err);
    if (!status) status = keep(call, &ctx, over, mw_buf_text(&text), text.size, false, out, err);
    mw_buf_done(&text);
    if (status == MW_ECHANGED) mw_err_hint(err, "read it again and send the ETag of that answer");
    return status;
}

static mw_status prepare_configure(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx = *call->ctx;
    const char *path = mw_args_string(call->args, "config");
    char *text = NULL;
    size_t size = 0;
    mw_status status =
        mw_file_read_path(&ctx, path, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (!status) {
        status =
            keep(call, &ctx, MW_CONFIG_ANY, text, size, strcmp(ctx.org, "default") == 0, out, err);
        if (status) mw_err_prefix(err, "%s", path);
    }
    mw_free(text);
    return status;
}

/* ---- beginning ---- */

/* A configuration that is there already is never put aside by a default one. */
static mw_status begin_with(const mw_call *call, mw_ctx *ctx, const mw_industry *industry,
                            mw_buf *out, mw_err *err) {
    mw_arena arena;
    mw_config_record now;
    bool has = false;
    mw_arena_init(&arena, ctx->mem);
    const char *text = mw_arena_printf(&arena, "{\"organizationId\":\"%s\",\"schemaConfig\":%s}",
                                       ctx->org, industry->schema);
    mw_status status = text ? has_config(call, ctx, &now, &arena, &has, err)
                            : mw_fail_nomem(err, "a configuration");
    if (!status && has && strcmp(now.config, text) != 0) {
        mw_fail(err, MW_ECONFLICT, "organization %s has a configuration already, version %d",
                ctx->org, (int)now.version);
        status = mw_err_hint(err, "`millwright org configure CONFIG.json` replaces it by yours; "
                                  "`millwright org config` shows it");
    }
    if (!status)
        status = keep(call, ctx, has ? now.version : 0, text, strlen(text), false, out, err);
    if (status == MW_ECHANGED)
        status = mw_fail(err, MW_ECONFLICT, "organization %s gets a configuration from elsewhere",
                         ctx->org);
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_init(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    const char *industry = mw_args_string(call->args, "industry");
    mw_status status = mw_op__for_org(call, mw_args_string(call->args, "id"), &ctx, err);
    if (!status) status = mw_store_org_ensure(&ctx, call->app->store, ctx.org, err);
    if (status) return status;
    if (industry) return begin_with(call, &ctx, mw_industry_find(industry), out, err);
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "organization_id", ctx.org);
    mw_json_object_end(&w);
    return MW_OK;
}

/* ---- showing ---- */

static mw_status prepare_config(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_ctx ctx;
    mw_arena arena;
    mw_config_record record;
    mw_status status = mw_op__existing_org(call, &ctx, err);
    if (status) return status;
    mw_arena_init(&arena, ctx.mem);
    status = mw_store_config(&ctx, call->app->store, &arena,
                             (int32_t)mw_args_int(call->args, "version"), &record, err);
    if (!status) status = tell(&ctx, &record, out, err);
    mw_arena_done(&arena);
    return status;
}

static mw_status prepare_list(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_arena arena;
    const char *const *names;
    size_t n = 0;
    mw_ctx ctx = *call->ctx;
    mw_json_writer w;
    mw_arena_init(&arena, ctx.mem);
    mw_status status = mw_store_org_list(&ctx, call->app->store, &arena, &names, &n, err);
    mw_json_writer_init(&w, out, 0);
    mw_json_array(&w);
    for (size_t i = 0; i < n && !status; i++) {
        const char *own = call->principal.org;
        if (own && strcmp(own, names[i]) != 0) continue;
        mw_config_record config;
        bool has = false;
        ctx.org = names[i];
        status = has_config(call, &ctx, &config, &arena, &has, err);
        mw_json_object(&w);
        mw_json_add_string(&w, "organization_id", names[i]);
        mw_json_key(&w, "config_version");
        if (has)
            mw_json_write_int(&w, config.version);
        else
            mw_json_write_null(&w);
        mw_json_object_end(&w);
    }
    mw_json_array_end(&w);
    mw_arena_done(&arena);
    return status;
}

/* The configuration as a file that `org configure` takes. */
static void print_config(const mw_json *result, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 2);
    mw_json_write_value(&w, mw_json_get(result, "config"));
    mw_buf_add_char(out, '\n');
}

static void print_list(const mw_json *result, mw_buf *out) {
    for (const mw_json *org = result->first; org; org = org->next) {
        mw_str id = mw_json_string(mw_json_get(org, "organization_id"), "");
        const int64_t version = mw_json_int(mw_json_get(org, "config_version"), 0);
        mw_buf_printf(out, "%-24.*s ", (int)id.size, id.data);
        if (version > 0)
            mw_buf_printf(out, "configuration %lld\n", (long long)version);
        else
            mw_buf_add(out, "no configuration\n");
    }
}

/* ---- tables ---- */

static const mw_param id_param[] = {{.name = "id",
                                     .type = MW_PARAM_STRING,
                                     .min = 1,
                                     .max = 64,
                                     .flags = MW_PARAM_PATH | MW_PARAM_HTTP_ONLY,
                                     .help = "The organization."},
                                    {0}};

static const mw_param version_param[] = {{.name = "version",
                                          .type = MW_PARAM_INT,
                                          .def = "0",
                                          .min = 0,
                                          .max = 2147483647,
                                          .help = "An older version; 0 is the newest one."},
                                         {0}};

static const mw_param init_params[] = {
    {.name = "id",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 64,
     .flags = MW_PARAM_HTTP_ONLY | MW_PARAM_BODY,
     .help = "What to call it: letters, digits, _ and -; without it, the one of the request."},
    {.name = "industry",
     .type = MW_PARAM_ENUM,
     .choices = mw_industry_names,
     .flags = MW_PARAM_BODY,
     .help = "Begin with the feature configuration that is usual there."},
    {0}};

static const mw_param configure_params[] = {
    {.name = "config",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4096,
     .flags = MW_PARAM_POSITIONAL | MW_PARAM_CLI_ONLY | MW_PARAM_REQUIRED,
     .help = "The configuration's file, as `millwright features` takes it."},
    {0}};

#define CONFIG_FIELDS                                                                      \
    {.name = "organization_id", .type = MW_FIELD_STRING, .help = "whose it is"},           \
        {.name = "version",                                                                \
         .type = MW_FIELD_INTEGER,                                                         \
         .help = "1, 2, ... within the organization"},                                     \
        {.name = "hash", .type = MW_FIELD_STRING, .help = "SHA-256 of what it computes"},  \
        {.name = "created", .type = MW_FIELD_TIME, .help = "when it was kept"}, {          \
        .name = "features", .type = MW_FIELD_INTEGER, .help = "how many features it makes" \
    }

static const mw_field config_result[] = {
    CONFIG_FIELDS, {.name = "config", .type = MW_FIELD_OBJECT, .help = "the configuration"}, {0}};
static const mw_field put_result[] = {CONFIG_FIELDS, {0}};
static const mw_field init_result[] = {
    {.name = "organization_id", .type = MW_FIELD_STRING, .help = "its name"},
    {.name = "version",
     .type = MW_FIELD_INTEGER,
     .optional = true,
     .help = "of its configuration, with an industry"},
    {.name = "hash", .type = MW_FIELD_STRING, .optional = true, .help = "of what that computes"},
    {.name = "created", .type = MW_FIELD_TIME, .optional = true, .help = "when that was kept"},
    {.name = "features", .type = MW_FIELD_INTEGER, .optional = true, .help = "how many it makes"},
    {0}};
static const mw_field list_result[] = {
    {.name = "organization_id", .type = MW_FIELD_STRING, .help = "its name"},
    {.name = "config_version",
     .type = MW_FIELD_INTEGER,
     .nullable = true,
     .help = "of its newest feature configuration"},
    {0}};

static const mw_status config_errors[] = {MW_ENOTFOUND, MW_EINVAL, MW_EDENIED, MW_OK};
static const mw_status put_errors[] = {MW_ENOTFOUND, MW_EINVAL,   MW_EDENIED,
                                       MW_ETOOLARGE, MW_ECHANGED, MW_OK};
static const mw_status init_errors[] = {MW_ECONFLICT, MW_EINVAL, MW_EDENIED, MW_OK};
static const mw_status list_errors[] = {MW_EDENIED, MW_OK};

static const char *const init_examples[] = {"millwright org init --industry power-generation",
                                            "millwright org init --industry mining --org mine_2",
                                            NULL};
static const char *const config_examples[] = {
    "millwright org configure features.json && millwright org config", NULL};
static const char *const configure_examples[] = {"millwright org configure features.json",
                                                 "millwright org configure config.json --org pit_2",
                                                 NULL};
static const char *const list_examples[] = {"millwright org list", NULL};

#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const mw_op mw_op_organizations = {
    .name = "organizations",
    .verb = "org list",
    .method = "GET",
    .path = "/organizations",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .tagged = true,
    .summary = "The organizations there are",
    .help = "Each with the version of its feature configuration, if it has one.",
    .examples = list_examples,
    .result = list_result,
    .result_is_array = true,
    .example = "[{\"organization_id\":\"default\",\"config_version\":null},"
               "{\"organization_id\":\"mine_2\",\"config_version\":3}]",
    .errors = list_errors,
    .prepare = prepare_list,
    .print = print_list,
};

const mw_op mw_op_organization_init = {
    .name = "organization_init",
    .verb = "org init",
    .also = "org create",
    .method = "POST",
    .path = "/organizations",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .makes_org = true,
    .summary = "Make an organization, with what is usual in its industry",
    .help = "On the command line it is the one of --org, and `org create` says the same. With an "
            "industry it gets that one's feature "
            "configuration, unless it has one already (409).",
    .examples = init_examples,
    .params = init_params,
    .result = init_result,
    .example = "{\"organization_id\":\"mine_2\",\"version\":1,\"hash\":\"" HASH
               "\",\"created\":\"2026-01-05T00:00:00Z\",\"features\":186}",
    .errors = init_errors,
    .prepare = prepare_init,
};

const mw_op mw_op_organization_config = {
    .name = "organization_config",
    .verb = "org config",
    .method = "GET",
    .path = "/organizations/{id}/config",
    .area = "organizations",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .tagged = true,
    .summary = "An organization's feature configuration",
    .help = "The newest version, or an older one. On the command line only the configuration is "
            "printed, as `org configure` takes it.",
    .examples = config_examples,
    .params = id_param,
    .more_params = {version_param},
    .result = config_result,
    .example = "{\"organization_id\":\"mine_2\",\"version\":1,\"hash\":\"" HASH
               "\",\"created\":\"2026-01-05T00:00:00Z\",\"features\":12,\"config\":"
               "{\"schemaConfig\":{\"continuousColumns\":[\"speed\"]}}}",
    .errors = config_errors,
    .prepare = prepare_config,
    .print = print_config,
};

const mw_op mw_op_organization_config_put = {
    .name = "organization_config_put",
    .method = "PUT",
    .path = "/organizations/{id}/config",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .reads_if_match = true,
    .summary = "Give an organization a feature configuration",
    .help = "It is checked and becomes the next version; the same one once more is no new version. "
            "With If-Match it is only taken while the newest one is that of the ETag (else 412). "
            "docs/formats/feature-config.md has its keys.",
    .params = id_param,
    .more_params = {mw_feature_config_params},
    .result = put_result,
    .example = "{\"organization_id\":\"mine_2\",\"version\":2,\"hash\":\"" HASH
               "\",\"created\":\"2026-01-05T00:00:00Z\",\"features\":12}",
    .errors = put_errors,
    .prepare = prepare_put,
};

const mw_op mw_op_organization_configure = {
    .name = "organization_configure",
    .verb = "org configure",
    .area = "organizations",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .makes_org = true,
    .summary = "Give an organization a feature configuration",
    .help = "It is checked and becomes the next version; the same one once more is no new version. "
            "Without --org it is the organization that the configuration names.",
    .examples = configure_examples,
    .params = configure_params,
    .result = put_result,
    .errors = put_errors,
    .prepare = prepare_configure,
};
