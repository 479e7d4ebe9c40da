/*
 * store.c -- what every backend has in common: argument checks, limits, ids, error records.
 *
 * Job ids are ULIDs (github.com/ulid/spec): 48 bits of milliseconds and 80 random bits in
 * Crockford's base 32, so that they sort by creation time as text and can be made anywhere without
 * asking.
 */
#include "keep/store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/limits.h"
#include "core/text/json.h"
#include "keep/store/backend.h"

struct mw_store {
    const mw_store_backend *backend;
    void *self;
};

static const mw_store_backend *const backends[] = {&mw_store__sqlite};

static const char *const state_names[] = {"PENDING", "STARTED", "PROGRESS", "RETRY",
                                          "SUCCESS", "FAILURE", "REVOKED"};

const char *mw_job_state_name(mw_job_state state) {
    return (unsigned)state <= MW_JOB_REVOKED ? state_names[state] : "?";
}

bool mw_job_state_final(mw_job_state state) {
    return state == MW_JOB_SUCCESS || state == MW_JOB_FAILURE || state == MW_JOB_REVOKED;
}

/* ---- opening ---- */

static const mw_store_backend *backend_of(const char *location) {
    bool is_url = strstr(location, "://") != NULL;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        size_t n = strlen(backends[i]->prefix);
        if (n == 0 ? !is_url : strncmp(location, backends[i]->prefix, n) == 0) return backends[i];
    }
    return NULL;
}

mw_status mw_store_open(const mw_ctx *ctx, const char *location, mw_store **ret, mw_err *err) {
    const mw_store_backend *backend = backend_of(location);
    if (!backend) {
        mw_fail(err, MW_EINVAL, "this program has no store for such an address");
        return mw_err_hint(err, "give the path of a file");
    }
    mw_store *store = mw_calloc(ctx->mem, 1, sizeof *store);
    if (!store) return mw_fail_nomem(err, "the store");
    store->backend = backend;
    mw_status status = backend->open(ctx, location, &store->self, err);
    if (status != MW_OK) {
        mw_free(store);
        return status;
    }
    *ret = store;
    return MW_OK;
}

void *mw_store_close(mw_store *store) {
    if (!store) return NULL;
    store->backend->close(store->self);
    return mw_free(store);
}

mw_status mw_store_ping(const mw_ctx *ctx, mw_store *store, mw_err *err) {
    return store->backend->ping(ctx, store->self, err);
}

int mw_store_schema_version(const mw_store *store) {
    return store->backend->schema_version(store->self);
}

uint64_t mw_store_change_counter(mw_store *store) {
    return store->backend->change_counter(store->self);
}

/* ---- checks ---- */

static mw_status check_name(const char *what, const char *name, mw_err *err) {
    if (name && mw_name_valid(name)) return MW_OK;
    mw_fail(err, MW_EINVAL, "%s is not a valid name of %s", name ? name : "(none)", what);
    return mw_err_hint(err, "use 1 to 64 letters, digits, _ or -");
}

static mw_status check_text(const char *what, const char *text, bool required, mw_err *err) {
    if (!text && required) return mw_fail(err, MW_EINVAL, "%s is missing", what);
    if (text && strlen(text) > (size_t)MW_LIMIT(STORE_TEXT_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "%s is longer than %lld bytes", what,
                       (long long)MW_LIMIT(STORE_TEXT_BYTES));
    return MW_OK;
}

/* ---- organizations and datasets ---- */

mw_status mw_store_org_ensure(const mw_ctx *ctx, mw_store *store, const char *org, mw_err *err) {
    mw_status status = check_name("an organization", org, err);
    return status == MW_OK ? store->backend->org_ensure(ctx, store->self, org, err) : status;
}

mw_status mw_store_org_exists(const mw_ctx *ctx, mw_store *store, const char *org, bool *ret,
                              mw_err *err) {
    return store->backend->org_exists(ctx, store->self, org, ret, err);
}

mw_status mw_store_org_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *const **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = store->backend->org_list(ctx, store->self, arena, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_config_put(const mw_ctx *ctx, mw_store *store, const char *config,
                              const char *hash, int32_t *ret_version, mw_err *err) {
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK) status = check_text("the configuration", config, true, err);
    if (status == MW_OK) status = check_text("the configuration's hash", hash, true, err);
    if (status != MW_OK) return status;
    return store->backend->config_put(ctx, store->self, config, hash, ret_version, err);
}

mw_status mw_store_config(const mw_ctx *ctx, mw_store *store, mw_arena *arena, int32_t version,
                          mw_config_record *ret, mw_err *err) {
    return store->backend->config(ctx, store->self, arena, version, ret, err);
}

mw_status mw_store_segments(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                            const char *dataset, const mw_segment_record **ret, size_t *n,
                            mw_err *err) {
    mw_store_list list;
    mw_status status = store->backend->segments(ctx, store->self, arena, dataset, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_dataset_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                                const char *const **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = store->backend->dataset_list(ctx, store->self, arena, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

/* ---- jobs ---- */

static mw_status make_id(const mw_ctx *ctx, char *out, mw_err *err) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t random[10];
    ssize_t n;
    do n = getrandom(random, sizeof random, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof random)
        return mw_fail_errno(err, errno, "no random numbers for a job id");
    uint64_t ms = (uint64_t)mw_clock_utc(ctx->clock) / 1000;
    for (int i = 9; i >= 0; i--, ms >>= 5) out[i] = digits[ms & 31];
    /* 80 bits are 16 digits: two runs of 40 bits. */
    for (int half = 0; half < 2; half++) {
        uint64_t bits = 0;
        for (int i = 0; i < 5; i++) bits = bits << 8 | random[half * 5 + i];
        for (int i = 7; i >= 0; i--, bits >>= 5) out[10 + half * 8 + i] = digits[bits & 31];
    }
    out[26] = '\0';
    return MW_OK;
}

static mw_status create_job(const mw_ctx *ctx, mw_store *store, mw_store_new_job *job, char *id_out,
                            mw_err *err) {
    char id[32];
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK) status = check_name("a job kind", job->kind, err);
    if (status == MW_OK) status = check_text("the payload", job->payload, true, err);
    if (status == MW_OK && job->max_attempts < 1)
        status = mw_fail(err, MW_EINVAL, "a job needs at least one attempt");
    if (status == MW_OK) status = make_id(ctx, id, err);
    if (status != MW_OK) return status;
    job->id = id;
    job->max_waiting = MW_LIMIT(QUEUED_JOBS);
    status = store->backend->job_create(ctx, store->self, job, err);
    if (status == MW_OK) memcpy(id_out, id, 27);
    return status;
}

mw_status mw_store_job_create(const mw_ctx *ctx, mw_store *store, const char *kind,
                              const char *payload, int32_t priority, int32_t max_attempts,
                              bool exclusive, char *id_out, mw_err *err) {
    mw_store_new_job job = {.kind = kind,
                            .payload = payload,
                            .priority = priority,
                            .max_attempts = max_attempts,
                            .exclusive = exclusive};
    return create_job(ctx, store, &job, id_out, err);
}

mw_status mw_store_job_create_claimed(const mw_ctx *ctx, mw_store *store, const char *kind,
                                      const char *payload, const char *worker, int64_t lease_us,
                                      bool exclusive, char *id_out, mw_err *err) {
    mw_store_new_job job = {.kind = kind,
                            .payload = payload,
                            .worker = worker,
                            .lease_us = lease_us,
                            .max_attempts = 1,
                            .exclusive = exclusive};
    return create_job(ctx, store, &job, id_out, err);
}

mw_status mw_store_job_claim(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                             const char *id_or_null, const char *worker, int64_t lease_us,
                             mw_job_record *ret, mw_err *err) {
    mw_store_claim claim = {.id = id_or_null, .worker = worker, .lease_us = lease_us};
    return store->backend->job_claim(ctx, store->self, arena, &claim, ret, err);
}

mw_status mw_store_job_renew(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                             int64_t lease_us, double progress, const char *message, bool *canceled,
                             mw_err *err) {
    mw_status status = check_text("the progress message", message, false, err);
    if (status != MW_OK) return status;
    if (!(progress >= 0)) progress = 0;
    if (progress > 1) progress = 1;
    mw_store_renewal renewal = {id, fence, lease_us, progress, message};
    return store->backend->job_renew(ctx, store->self, &renewal, canceled, err);
}

mw_status mw_store_job_finish(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                              mw_job_state state, const char *result, const char *error,
                              mw_err *err) {
    if (state != MW_JOB_RETRY && !mw_job_state_final(state))
        return mw_fail(err, MW_EINVAL, "a job cannot end as %s", mw_job_state_name(state));
    mw_status status = check_text("the result", result, false, err);
    if (status == MW_OK) status = check_text("the error", error, false, err);
    if (status != MW_OK) return status;
    mw_store_ending ending = {id, fence, state, result, error};
    return store->backend->job_finish(ctx, store->self, &ending, err);
}

mw_status mw_store_job_get(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *id,
                           mw_job_record *ret, mw_err *err) {
    return store->backend->job_get(ctx, store->self, arena, id, ret, err);
}

static mw_status give_jobs(mw_status status, mw_store_list list, const mw_job_record **ret,
                           size_t *n) {
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_job_list(const mw_ctx *ctx, mw_store *store, mw_arena *arena, int32_t limit,
                            const mw_job_record **ret, size_t *n, mw_err *err) {
    mw_store_list list = {0};
    if (limit < 1) return mw_fail(err, MW_EINVAL, "the limit must be at least 1");
    return give_jobs(store->backend->job_list(ctx, store->self, arena, limit, &list, err), list,
                     ret, n);
}

mw_status mw_store_job_running(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                               const mw_job_record **ret, size_t *n, mw_err *err) {
    mw_store_list list = {0};
    return give_jobs(store->backend->job_running(ctx, store->self, arena, &list, err), list, ret,
                     n);
}

mw_status mw_store_job_cancel(const mw_ctx *ctx, mw_store *store, const char *id, mw_err *err) {
    return store->backend->job_cancel(ctx, store->self, id, err);
}

mw_status mw_store_error_json(mw_buf *out, const mw_err *error, mw_err *err) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_object(&writer);
    mw_json_add_string(&writer, "code", mw_status_name(error->code));
    mw_json_add_string(&writer, "message", error->message);
    mw_json_add_string(&writer, "hint", error->hint);
    if (error->pointer[0]) mw_json_add_string(&writer, "pointer", error->pointer);
    mw_json_object_end(&writer);
    return mw_buf_status(out, "the error of a job", err);
}

mw_status mw_store_job_expire(const mw_ctx *ctx, mw_store *store, const char *reason, int32_t *n,
                              mw_err *err) {
    mw_err error;
    mw_fail(&error, MW_EINTERNAL, "%s", reason);
    mw_buf json;
    mw_buf_init(&json, ctx->mem, (size_t)MW_LIMIT(STORE_TEXT_BYTES));
    mw_status status = mw_store_error_json(&json, &error, err);
    if (status == MW_OK)
        status = store->backend->job_expire(ctx, store->self, mw_buf_text(&json), n, err);
    mw_buf_done(&json);
    return status;
}

/* ---- models and the commit ---- */

mw_status mw_store_versions(const mw_ctx *ctx, mw_store *store, mw_arena *arena, const char *model,
                            const mw_version_record **ret, size_t *n, mw_err *err) {
    mw_store_list list;
    mw_status status = store->backend->versions(ctx, store->self, arena, model, &list, err);
    if (status != MW_OK) return status;
    *ret = list.items;
    *n = list.n;
    return MW_OK;
}

mw_status mw_store_production(const mw_ctx *ctx, mw_store *store, mw_arena *arena,
                              const char *model, mw_version_record *ret, mw_err *err) {
    return store->backend->production(ctx, store->self, arena, model, ret, err);
}

typedef struct required_text {
    const char *what;
    const char *text;
    bool required;
} required_text;

static mw_status check_texts(const required_text *texts, size_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; status == MW_OK && i < n; i++)
        status = check_text(texts[i].what, texts[i].text, texts[i].required, err);
    return status;
}

static mw_status check_segment(const mw_segment_record *segment, mw_err *err) {
    const required_text texts[] = {{"the source of a segment", segment->source, true},
                                   {"the content hash of a segment", segment->content_hash, true},
                                   {"the file of a segment", segment->file, true},
                                   {"the rejects file of a segment", segment->rejects, false},
                                   {"the quality file of a segment", segment->quality, false},
                                   {"the layout of a segment", segment->layout, true}};
    if (segment->part < 0) return mw_fail(err, MW_EINVAL, "the part of a segment is negative");
    return check_texts(texts, sizeof texts / sizeof *texts, err);
}

static mw_status check_version(const mw_version_record *version, mw_err *err) {
    const required_text texts[] = {{"the run of a version", version->run_id, true},
                                   {"the job of a version", version->job_id, false},
                                   {"the folder of a version", version->folder, false},
                                   {"the checksum of a version", version->sha256, true},
                                   {"the metrics of a version", version->metrics, true},
                                   {"the parameters of a version", version->params, true},
                                   {"the data hash of a version", version->data_hash, true}};
    mw_status status = check_name("a model", version->model, err);
    return status == MW_OK ? check_texts(texts, sizeof texts / sizeof *texts, err) : status;
}

mw_status mw_store_commit(const mw_ctx *ctx, mw_store *store, const mw_commit *commit,
                          mw_err *err) {
    mw_status status = check_name("an organization", ctx->org, err);
    if (status == MW_OK && commit->dataset) status = check_name("a dataset", commit->dataset, err);
    if (status == MW_OK && commit->n_segments && !commit->dataset)
        status = mw_fail(err, MW_EINVAL, "segments need a dataset");
    for (size_t i = 0; status == MW_OK && i < commit->n_segments; i++)
        status = check_segment(&commit->segments[i], err);
    for (size_t i = 0; status == MW_OK && i < commit->n_versions; i++)
        status = check_version(&commit->versions[i], err);
    if (status == MW_OK) status = check_text("the result", commit->result, false, err);
    return status == MW_OK ? store->backend->commit(ctx, store->self, commit, err) : status;
}

mw_status mw_store_audit(const mw_ctx *ctx, mw_store *store, const char *principal,
                         const char *action, const char *detail_json, mw_err *err) {
    const required_text texts[] = {{"the principal", principal, true},
                                   {"the action", action, true},
                                   {"the detail", detail_json, true}};
    mw_status status = check_texts(texts, 3, err);
    return status == MW_OK
               ? store->backend->audit(ctx, store->self, principal, action, detail_json, err)
               : status;
}
