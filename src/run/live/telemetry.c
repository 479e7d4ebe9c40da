/*
 * telemetry.c -- organizations, and requests on their way through them.
 *
 * A request reads its rows alone, joins the queue of its organization and waits. Whoever finds nobody at work takes the turn, and with it the rows of
 * all that wait: they share one record, one sync and one push (telemetry_group.c). So the more requests come while the disk is busy, the more of
 * them the next sync carries.
 */
#include "run/live/telemetry.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/threads.h"
#include "keep/ingest/quality.h"
#include "run/live/telemetry_parts.h"

enum { READY_WAIT_S = 5, KEEP_PERIOD_S = 20, RETRY_US = 1000000, READ_AGAIN = 3 };

const char mw_live__dataset[] = "live";
static const uint64_t usual_file_bytes = UINT64_C(64) << 20;

/* ---- life ---- */

mw_status mw_telemetry_new(const mw_ctx *ctx, mw_dir *data, mw_store *store,
                           const mw_telemetry_options *options, mw_telemetry **ret, mw_err *err) {
    mw_telemetry *t = mw_calloc(ctx->mem, 1, sizeof *t);
    if (!t) return mw_fail_nomem(err, "live telemetry");
    t->ctx = ctx;
    t->data = data;
    t->store = store;
    t->options = *options;
    if (!t->options.file_bytes) t->options.file_bytes = usual_file_bytes;
    if (!t->options.file_us) t->options.file_us = 3600 * MW_US_PER_SECOND;
    pthread_mutex_init(&t->lock, NULL);
    *ret = t;
    return MW_OK;
}

static void *free_org(mw_live_org *org) {
    mw_live__drop_state(org);
    mw_live__free_group(&org->group);
    mw_journal_close(org->journal);
    mw_dir_close(org->dir);
    mw_free(org->files);
    pthread_mutex_destroy(&org->lock);
    pthread_mutex_destroy(&org->state);
    pthread_cond_destroy(&org->wake);
    return mw_free(org);
}

static void close_org(mw_live_org *org) {
    mw_err err = {0};
    pthread_mutex_lock(&org->lock);
    org->closing = true;
    pthread_cond_broadcast(&org->wake);
    pthread_mutex_unlock(&org->lock);
    if (org->has_thread) pthread_join(org->thread, NULL);
    if (org->program && org->covered < org->next_row && mw_live__save(org, false, &err))
        mw_log_error(&org->ctx, "no last snapshot of live features: %s", err.message);
    free_org(org);
}

void *mw_telemetry_free(mw_telemetry *t) {
    if (!t) return NULL;
    for (mw_live_org *org = t->orgs, *next; org; org = next) {
        next = org->next;
        close_org(org);
    }
    pthread_mutex_destroy(&t->lock);
    return mw_free(t);
}

/* ---- turns ---- */

void mw_live__take_turn(mw_live_org *org) {
    pthread_mutex_lock(&org->lock);
    org->n_turns_wanted++;
    while (org->busy) pthread_cond_wait(&org->wake, &org->lock);
    org->busy = true;
    org->n_turns_wanted--;
    pthread_mutex_unlock(&org->lock);
}

void mw_live__give_turn(mw_live_org *org) {
    pthread_mutex_lock(&org->lock);
    org->busy = false;
    pthread_cond_broadcast(&org->wake);
    pthread_mutex_unlock(&org->lock);
}

/* ---- the keeper's thread ---- */

/* False: the time is over. */
static bool wait_some(mw_live_org *org, int seconds) {
    return mw_cond_wait_us(&org->wake, &org->lock, seconds * MW_US_PER_SECOND);
}

static bool is_old(const mw_live_org *org) {
    return !org->busy && org->journal &&
           mw_journal_next(org->journal) > mw_journal_first(org->journal) &&
           mw_clock_monotonic(org->ctx.clock) - org->journal_us >= org->telemetry->options.file_us;
}

static void *keeper_main(void *arg) {
    mw_live_org *org = arg;
    pthread_mutex_lock(&org->lock);
    while (!org->closing) {
        if (org->wants_program || org->wants_keep || is_old(org)) {
            pthread_mutex_unlock(&org->lock);
            mw_live__keep(org);
            pthread_mutex_lock(&org->lock);
        } else if (!wait_some(org, KEEP_PERIOD_S)) {
            org->wants_keep = org->failed;
        }
    }
    pthread_mutex_unlock(&org->lock);
    return NULL;
}

/* Without threads whoever calls is the keeper. */
static void call_keeper(mw_live_org *org) {
    pthread_mutex_lock(&org->lock);
    const bool wanted = org->wants_program || org->wants_keep || org->failed || is_old(org);
    pthread_cond_broadcast(&org->wake);
    pthread_mutex_unlock(&org->lock);
    if (wanted && !org->has_thread) mw_live__keep(org);
}

/* ---- organizations ---- */

static mw_status start_org(mw_telemetry *t, const char *name, mw_live_org **ret, mw_err *err) {
    int64_t n = 0;
    for (const mw_live_org *one = t->orgs; one; one = one->next) n++;
    if (n >= MW_LIMIT(LIVE_ORGS))
        return mw_fail(err, MW_EBUSY, "more than %lld organizations have live features",
                       (long long)MW_LIMIT(LIVE_ORGS));
    mw_live_org *org = mw_calloc(t->ctx->mem, 1, sizeof *org);
    if (!org) return mw_fail_nomem(err, "live telemetry");
    mw_str_copy(org->name, sizeof org->name, mw_str_of(name));
    org->telemetry = t;
    org->last = &org->first;
    mw_mem_init(&org->mem, t->ctx->mem, (size_t)MW_LIMIT(LIVE_STATE_BYTES));
    org->ctx = *t->ctx;
    org->ctx.org = org->name;
    org->judging = org->ctx;
    org->judging.mem = &org->mem;
    pthread_mutex_init(&org->lock, NULL);
    pthread_mutex_init(&org->state, NULL);
    mw_cond_init(&org->wake);
    const int failed =
        t->options.threads ? pthread_create(&org->thread, NULL, keeper_main, org) : 0;
    if (failed) {
        free_org(org);
        return mw_fail_errno(err, failed, "cannot start a thread for live telemetry");
    }
    org->has_thread = t->options.threads;
    org->next = t->orgs;
    *ret = t->orgs = org;
    return MW_OK;
}

static mw_live_org *look_up(const mw_telemetry *t, const char *name) {
    mw_live_org *org = t->orgs;
    while (org && strcmp(org->name, name) != 0) org = org->next;
    return org;
}

static mw_status find_version(const mw_ctx *ctx, mw_telemetry *t, int32_t *ret, mw_err *err) {
    mw_arena arena;
    mw_config_record record;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_store_config(ctx, t->store, &arena, 0, &record, err);
    if (!status) *ret = record.version;
    mw_arena_done(&arena);
    if (status != MW_ENOTFOUND) return status;
    mw_fail(err, MW_ECONFLICT, "the organization \"%s\" has no feature configuration", ctx->org);
    return mw_err_hint(err,
                       "it says which columns rows have and what is computed from them: "
                       "`millwright org configure CONFIG.json --org %s`",
                       ctx->org);
}

/* The organization, with the newest configuration asked for; one without any is not started. */
static mw_status find_org(const mw_ctx *ctx, mw_telemetry *t, mw_live_org **ret, mw_err *err) {
    const uint64_t counter = mw_store_change_counter(t->store);
    int32_t version = 0;
    pthread_mutex_lock(&t->lock);
    mw_live_org *org = look_up(t, ctx->org);
    pthread_mutex_unlock(&t->lock);
    if (org) {
        pthread_mutex_lock(&org->lock);
        const bool is_seen = org->wanted_version > 0 && org->seen == counter;
        pthread_mutex_unlock(&org->lock);
        *ret = org;
        if (is_seen) return MW_OK;
    }
    mw_status status = find_version(ctx, t, &version, err);
    if (status) return status;
    pthread_mutex_lock(&t->lock);
    org = look_up(t, ctx->org);
    if (!org) status = start_org(t, ctx->org, &org, err);
    pthread_mutex_unlock(&t->lock);
    if (status) return status;
    pthread_mutex_lock(&org->lock);
    org->seen = counter;
    if (version > org->wanted_version) {
        org->wanted_version = version;
        org->wants_program = true;
    }
    pthread_mutex_unlock(&org->lock);
    *ret = org;
    return MW_OK;
}

/* ---- the program at work ---- */

static mw_status fail_not_ready(mw_live_org *org, mw_err *err) {
    if (org->trouble.code) {
        if (err) *err = org->trouble;
        return org->trouble.code;
    }
    mw_fail(err, MW_EBUSY, "the live features of \"%s\" are being made", org->name);
    return mw_err_hint(err, "send it again in a moment");
}

/* A reference on the program of the stream; waits a little for one that is being made. */
static mw_status take_program(mw_live_org *org, mw_live_program **ret, mw_err *err) {
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->lock);
    const int64_t now = mw_clock_monotonic(org->ctx.clock);
    if (!org->program && (!org->trouble.code || now - org->tried_us >= RETRY_US)) {
        org->wants_program = true;
        mw_err_clear(&org->trouble);
    }
    pthread_mutex_unlock(&org->lock);
    call_keeper(org);
    pthread_mutex_lock(&org->lock);
    for (int i = 0; i < READY_WAIT_S && org->has_thread && !org->program && !org->trouble.code; i++)
        (void)wait_some(org, 1);
    if (org->program)
        atomic_fetch_add(&org->program->n_refs, 1);
    else
        status = fail_not_ready(org, err);
    *ret = org->program;
    pthread_mutex_unlock(&org->lock);
    return status;
}

mw_status mw_live__find(const mw_ctx *ctx, mw_telemetry *telemetry, mw_live_org **ret,
                        mw_live_program **ret_program, mw_err *err) {
    mw_status status = find_org(ctx, telemetry, ret, err);
    return status ? status : take_program(*ret, ret_program, err);
}

/* ---- requests ---- */

static void run_queue(mw_live_org *org) {
    mw_live_batch *first = org->first;
    org->first = NULL;
    org->last = &org->first;
    org->busy = true;
    pthread_mutex_unlock(&org->lock);
    mw_live__take_rows(org, first);
    pthread_mutex_lock(&org->lock);
    for (mw_live_batch *b = first, *next; b; b = next) {
        next = b->next; /* a batch is its request's as soon as it is done */
        b->done = true;
    }
    org->busy = false;
    pthread_cond_broadcast(&org->wake);
}

static mw_status join(mw_live_org *org, mw_live_batch *batch, mw_err *err) {
    pthread_mutex_lock(&org->lock);
    *org->last = batch;
    org->last = &batch->next;
    while (!batch->done)
        if (!org->busy && org->n_turns_wanted == 0)
            run_queue(org);
        else
            pthread_cond_wait(&org->wake, &org->lock);
    pthread_mutex_unlock(&org->lock);
    if (batch->status && err) *err = batch->error;
    return batch->status;
}

static mw_status add_once(const mw_ctx *ctx, mw_live_org *org, mw_live_form form, mw_str body,
                          mw_telemetry_outcome *ret, bool *ret_stale, mw_err *err) {
    mw_telemetry *t = org->telemetry;
    mw_live_program *program;
    mw_live_rows rows;
    mw_status status = take_program(org, &program, err);
    if (status) return status;
    const int64_t start = mw_clock_monotonic(ctx->clock);
    status = mw_live_rows_init(ctx->mem, &program->columns, &rows, err);
    if (!status) {
        status = mw_live_rows_read(ctx, form, body, &rows, err);
        atomic_fetch_add(&t->parse_us, mw_clock_monotonic(ctx->clock) - start);
        mw_live_batch batch = {.program = program, .rows = &rows};
        batch.outcome = (mw_telemetry_outcome){.unusable = rows.n_unusable,
                                               .config_version = program->version,
                                               .n_reasons = rows.n_reasons};
        memcpy(batch.outcome.reasons, rows.reasons, sizeof rows.reasons);
        if (!status && rows.n > 0) status = join(org, &batch, err);
        *ret = batch.outcome;
        *ret_stale = batch.stale;
        mw_live_rows_done(&rows);
    }
    mw_live__unref(program);
    return status;
}

mw_status mw_telemetry_add(const mw_ctx *ctx, mw_telemetry *telemetry, mw_live_form form,
                           mw_str body, mw_telemetry_outcome *ret, mw_err *err) {
    mw_live_org *org = NULL;
    bool stale = true;
    mw_telemetry_outcome outcome = {0};
    mw_status status = find_org(ctx, telemetry, &org, err);
    for (int i = 0; i < READ_AGAIN && stale && !status; i++) {
        stale = false;
        status = add_once(ctx, org, form, body, &outcome, &stale, err);
    }
    if (!status && stale) status = mw_fail(err, MW_EBUSY, "the configuration changes too often");
    if (status) return status;
    atomic_fetch_add(&telemetry->requests, 1);
    atomic_fetch_add(&telemetry->rows, outcome.accepted);
    call_keeper(org);
    *ret = outcome;
    return MW_OK;
}

/* ---- features ---- */

/* *ret_stale: the stream has another program by now. */
static mw_status copy_newest(mw_live_org *org, const char *device, mw_telemetry_vector *ret,
                             mw_table **ret_flags, int64_t *ret_distance, bool *ret_stale,
                             mw_err *err) {
    const size_t n = (size_t)ret->program->n_outputs;
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->state);
    const float *features = NULL;
    *ret_stale = org->program != ret->held;
    const int32_t number = *ret_stale ? -1 : mw_dictionary_find(org->devices, mw_str_of(device));
    if (!*ret_stale) features = mw_stream_newest(org->stream, number, &ret->time);
    if (features) {
        memcpy(ret->features, features, n * sizeof *features);
        status = mw_judged_known(org->judged, &number, 1, ret_flags, err);
        *ret_distance = mw_judged_distance(org->judged, number);
    }
    for (int32_t k = 0; features && k < ret->columns->n_texts && !status; k++) {
        const char *text = mw_live__words_text(org->words, number, k);
        ret->texts[k] = text ? mw_strdup(org->ctx.mem, text) : NULL;
        if (text && !ret->texts[k]) status = mw_fail_nomem(err, "a device's features");
    }
    pthread_mutex_unlock(&org->state);
    if (features || *ret_stale) return status;
    mw_fail(err, MW_ENOTFOUND, "no row of a device \"%.100s\" has come", device);
    mw_err_at(err, "device");
    return mw_err_hint(err, "POST /telemetry takes rows");
}

/* From flagged windows of the device's inputs to the stretches of its features. */
static mw_status flag_features(const mw_ctx *ctx, const mw_table *flags, int64_t distance,
                               mw_telemetry_vector *ret, mw_err *err) {
    static const mw_flagged_devices only = {NULL, -1};
    mw_flagged_list inputs = {.mem = ctx->mem};
    const mw_program *p = ret->program;
    const mw_flagged_options options = {
        .distances = &distance, .bits = UINT32_MAX, .clock_bits = MW_QUALITY_CLOCK};
    mw_status status = mw_flagged_read(flags, p->inputs, p->n_inputs, &only, &inputs, err);
    if (!status) status = mw_flagged_outputs(ctx, p, &inputs, &options, &ret->flagged, err);
    mw_flagged_done(&inputs);
    return status;
}

static mw_status newest_once(const mw_ctx *ctx, mw_live_org *org, const char *device,
                             mw_telemetry_vector *ret, bool *ret_stale, mw_err *err) {
    mw_live_program *program = NULL;
    mw_table *flags = NULL;
    int64_t distance = 0;
    mw_status status = take_program(org, &program, err);
    if (status) return status;
    *ret = (mw_telemetry_vector){
        .program = program->config.program, .config_version = program->version, .held = program};
    ret->flagged.mem = ctx->mem;
    ret->columns = &program->columns;
    ret->features = mw_calloc(ctx->mem, (size_t)ret->program->n_outputs + 1, sizeof *ret->features);
    ret->texts = mw_calloc(ctx->mem, (size_t)ret->columns->n_texts + 1, sizeof *ret->texts);
    status = ret->features && ret->texts
                 ? copy_newest(org, device, ret, &flags, &distance, ret_stale, err)
                 : mw_fail_nomem(err, "a device's features");
    if (!status && flags) status = flag_features(ctx, flags, distance, ret, err);
    mw_table_free(flags);
    if (status || *ret_stale) mw_telemetry_vector_done(ret);
    return status;
}

mw_status mw_telemetry_newest(const mw_ctx *ctx, mw_telemetry *telemetry, const char *device,
                              mw_telemetry_vector *ret, mw_err *err) {
    mw_live_org *org = NULL;
    bool stale = true;
    mw_status status = find_org(ctx, telemetry, &org, err);
    for (int i = 0; i < READ_AGAIN && stale && !status; i++)
        status = newest_once(ctx, org, device, ret, &stale, err);
    return !status && stale ? mw_fail(err, MW_EBUSY, "the configuration changes too often")
                            : status;
}

void mw_telemetry_vector_done(mw_telemetry_vector *vector) {
    mw_free(vector->features);
    mw_flagged_done(&vector->flagged);
    for (int32_t k = 0; vector->texts && k < vector->columns->n_texts; k++)
        mw_free(vector->texts[k]);
    mw_free(vector->texts);
    mw_live__unref(vector->held);
    *vector = (mw_telemetry_vector){0};
}

bool mw_telemetry_trouble(mw_telemetry *t, char out[MW_ERR_MESSAGE_MAX]) {
    bool found = false;
    pthread_mutex_lock(&t->lock);
    for (mw_live_org *org = t->orgs; org && !found; org = org->next) {
        pthread_mutex_lock(&org->lock);
        found = org->trouble.code != MW_OK;
        if (found)
            (void)snprintf(out, MW_ERR_MESSAGE_MAX, "live rows of \"%s\": %.600s", org->name,
                           org->trouble.message);
        pthread_mutex_unlock(&org->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void mw_telemetry_read_stats(mw_telemetry *t, mw_telemetry_stats *ret) {
    *ret = (mw_telemetry_stats){.requests_total = t->requests,
                                .rows_total = t->rows,
                                .syncs_total = t->syncs,
                                .segments_total = t->segments,
                                .snapshots_total = t->snapshots,
                                .parse_us_total = t->parse_us,
                                .state_us_total = t->state_us,
                                .disk_us_total = t->disk_us};
    pthread_mutex_lock(&t->lock);
    for (const mw_live_org *org = t->orgs; org; org = org->next) ret->orgs++;
    pthread_mutex_unlock(&t->lock);
}
