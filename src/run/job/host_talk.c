/*
 * host_talk.c -- a slot's requests to the server, and the bytes that come from it.
 *
 * A request is made again until it is answered, for as long as a lease: everything that is sent says where it belongs (offsets), so the server takes
 * nothing twice. Only "there is no such worker" and a refusal are final.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/job/host_parts.h"

enum { AGAIN_US = 200000, AGAIN_US_MAX = 2000000, NOTE_EVERY_US = 250000 };

static int64_t now_of(const mw_host_slot *slot) { return mw_clock_monotonic(slot->ctx.clock); }

static bool is_stopping(const mw_host_slot *slot) {
    return atomic_load(&slot->host->stop.requested);
}

static void ring(mw_host_slot *slot) {
    const uint64_t one = 1;
    while (write(slot->event_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void give_up(mw_host_slot *slot) {
    atomic_store(&slot->gone, true);
    ring(slot);
}

bool mw_host__stops(const mw_host_slot *slot) {
    return is_stopping(slot) || atomic_load(&slot->gone);
}

/* False: the server was silent for a lease. */
static bool is_in_time(mw_host_slot *slot) {
    return slot->lease_us == 0 || now_of(slot) - atomic_load(&slot->heard_us) < slot->lease_us;
}

/* What a problem says, as an error of the job. */
static void read_problem(const mw_net_answer *answer, mw_err *err) {
    mw_arena arena;
    const mw_json *problem = NULL;
    mw_arena_init(&arena, &mw_mem_process);
    if (mw_json_parse(&arena, mw_buf_text(&answer->body), answer->body.size, &problem, NULL) !=
        MW_OK)
        problem = NULL;
    const mw_str detail = mw_json_string(mw_json_get(problem, "detail"), "");
    const mw_str hint = mw_json_string(mw_json_get(problem, "hint"), "");
    const mw_status code = answer->status == 401 || answer->status == 403 ? MW_EDENIED
                           : answer->status == 404                        ? MW_ENOTFOUND
                           : answer->status == 409                        ? MW_ECONFLICT
                           : answer->status == 413                        ? MW_ETOOLARGE
                                                                          : MW_EDATA;
    if (detail.size)
        mw_fail(err, code, "%.*s", (int)detail.size, detail.data);
    else
        mw_fail(err, code, "the server answers %d", answer->status);
    if (hint.size) mw_err_hint(err, "%.*s", (int)hint.size, hint.data);
    mw_arena_done(&arena);
}

void mw_host__rest(mw_host_slot *slot, int64_t wait_us) {
    mw_host *host = slot->host;
    pthread_mutex_lock(&host->stop_mutex);
    if (!is_stopping(slot)) (void)mw_cond_wait_us(&host->stop_wake, &host->stop_mutex, wait_us);
    pthread_mutex_unlock(&host->stop_mutex);
}

static bool is_worth_repeating(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504 || status == 500;
}

/* One try; MW_EBUSY: again. */
static mw_status try_once(mw_host_slot *slot, const mw_ctx *ctx, const mw_net_request *request,
                          mw_net_answer *answer, mw_err *err) {
    mw_status status = mw_net_send(ctx, slot->host->net, request, answer, err);
    if (status != MW_OK) return status;
    if (answer->status < 300) {
        atomic_store(&slot->heard_us, now_of(slot));
        return MW_OK;
    }
    read_problem(answer, err);
    status = is_worth_repeating(answer->status) ? MW_EBUSY : err->code;
    mw_net_answer_done(answer);
    return status;
}

static mw_host_outcome ask(mw_host_slot *slot, const mw_ctx *ctx, const char *method,
                           const char *path, const char *type, mw_str body, mw_net_answer *answer,
                           mw_err *err) {
    const mw_host_options *options = &slot->host->options;
    const mw_net_header header = {"Content-Type", type};
    const size_t n = strlen(options->server);
    mw_buf url;
    mw_buf_init(&url, slot->ctx.mem, 16384);
    mw_buf_append(&url, options->server, n > 0 && options->server[n - 1] == '/' ? n - 1 : n);
    mw_buf_printf(&url, "/workers%s", path);
    if (mw_buf_status(&url, "an address", err) != MW_OK) {
        mw_buf_done(&url);
        return MW_HOST_REFUSED;
    }
    mw_net_request request = {.method = method,
                              .url = mw_buf_text(&url),
                              .headers = &header,
                              .n_headers = type ? 1 : 0,
                              .bearer = options->key,
                              .body = body,
                              .max_bytes = MW_LIMIT(HTTP_RESPONSE_BYTES),
                              .repeatable = true}; /* offsets: twice is as good as once */
    if (slot->lease_us > 0) request.silence_ms = slot->lease_us / 1000 + 1000;
    mw_net_answer own = {0};
    mw_host_outcome outcome = MW_HOST_GONE;
    for (int64_t wait_us = AGAIN_US; !mw_ctx_check(ctx, NULL) && !atomic_load(&slot->gone);) {
        mw_status status = try_once(slot, ctx, &request, &own, err);
        if (status == MW_OK) {
            outcome = MW_HOST_DONE;
            break;
        }
        if (status != MW_EBUSY) {
            outcome = status == MW_ECANCELED ? MW_HOST_GONE : MW_HOST_REFUSED;
            break;
        }
        if (slot->lease_us == 0 || !is_in_time(slot) || is_stopping(slot)) break;
        mw_host__rest(slot, wait_us);
        wait_us = wait_us * 2 < AGAIN_US_MAX ? wait_us * 2 : AGAIN_US_MAX;
    }
    mw_buf_done(&url);
    if (outcome == MW_HOST_DONE && answer)
        *answer = own;
    else if (outcome == MW_HOST_DONE)
        mw_net_answer_done(&own);
    return outcome;
}

mw_host_outcome mw_host__ask(mw_host_slot *slot, const char *method, const char *path,
                             const char *type, mw_str body, mw_net_answer *answer, mw_err *err) {
    mw_host_outcome outcome = ask(slot, &slot->ctx, method, path, type, body, answer, err);
    /* The server has given the slot up, or its job. */
    if (outcome == MW_HOST_REFUSED && slot->id[0] &&
        (err->code == MW_ENOTFOUND || err->code == MW_ECONFLICT))
        outcome = MW_HOST_GONE;
    if (outcome == MW_HOST_GONE && slot->id[0]) give_up(slot);
    return outcome;
}

/* ---- frames to the server ---- */

mw_host_outcome mw_host__send(mw_host_slot *slot, mw_buf *frames, mw_err *err) {
    const size_t most = (size_t)MW_LIMIT(REMOTE_PIECE_BYTES);
    mw_host_outcome outcome = MW_HOST_DONE;
    for (size_t at = 0; at < frames->size && outcome == MW_HOST_DONE;) {
        const size_t left = frames->size - at, size = left < most ? left : most;
        char path[128];
        (void)snprintf(path, sizeof path, "/%s/frames?at=%llu", slot->id,
                       (unsigned long long)slot->sent);
        outcome = mw_host__ask(slot, "POST", path, "application/octet-stream",
                               (mw_str){frames->data + at, size}, NULL, err);
        if (outcome != MW_HOST_DONE) break;
        slot->sent += size;
        at += size;
    }
    mw_buf_clear(frames);
    return outcome;
}

mw_host_outcome mw_host__note(mw_host_slot *slot, const char *stage, double done, double total,
                              mw_err *err) {
    const int64_t now_us = now_of(slot);
    mw_frame frame;
    bool got = true;
    while (got && mw_host__look(slot, &frame, &got, err) == MW_OK) {
        /* CANCEL was noted; nothing else comes while there is a job */
    }
    if (mw_host__stops(slot)) return MW_HOST_GONE;
    if (now_us - slot->noted_us < NOTE_EVERY_US && now_us - slot->noted_us < slot->lease_us / 8)
        return MW_HOST_DONE;
    mw_buf frames;
    mw_buf_init(&frames, slot->ctx.mem, 65536);
    slot->noted_us = now_us;
    mw_progress_note_set(&slot->note, stage, done, total);
    mw_message_progress(&frames, &slot->note);
    mw_host_outcome outcome = mw_host__send(slot, &frames, err);
    mw_buf_done(&frames);
    return outcome;
}

/* ---- frames from the server ---- */

static void take_bytes(mw_host_slot *slot, const mw_buf *bytes) {
    pthread_mutex_lock(&slot->mutex);
    mw_buf_append(&slot->inbox, mw_buf_text(bytes), bytes->size);
    const bool good = slot->inbox.failed == MW_OK;
    pthread_mutex_unlock(&slot->mutex);
    if (good)
        ring(slot);
    else
        give_up(slot); /* no memory: it is offered again */
}

static void *listen_main(void *arg) {
    mw_host_slot *slot = arg;
    mw_ctx ctx = slot->ctx;
    uint64_t at = 0;
    ctx.cancel = &slot->stop_listening;
    while (!atomic_load(&slot->stop_listening.requested) && !atomic_load(&slot->gone)) {
        char path[128];
        mw_err err = {0};
        mw_net_answer answer;
        (void)snprintf(path, sizeof path, "/%s/frames?at=%llu", slot->id, (unsigned long long)at);
        if (ask(slot, &ctx, "GET", path, NULL, (mw_str){0}, &answer, &err) != MW_HOST_DONE) {
            if (!atomic_load(&slot->stop_listening.requested)) give_up(slot);
            break;
        }
        at += answer.body.size;
        if (answer.body.size) take_bytes(slot, &answer.body);
        mw_net_answer_done(&answer);
    }
    return NULL;
}

mw_status mw_host__look(mw_host_slot *slot, mw_frame *ret, bool *got, mw_err *err) {
    for (;;) {
        mw_status status = mw_frame_next(&slot->reader, ret, got, err);
        if (status == MW_OK && *got && ret->type != MW_FRAME_CANCEL) return MW_OK;
        if (status == MW_OK && *got) {
            slot->canceled = true;
            continue;
        }
        pthread_mutex_lock(&slot->mutex);
        const size_t most = (size_t)MW_LIMIT(REMOTE_PIECE_BYTES);
        const size_t n = slot->inbox.size < most ? slot->inbox.size : most;
        if (status == MW_OK && n > 0) {
            status = mw_frame_feed(&slot->reader, slot->inbox.data, n, err);
            mw_buf_consume(&slot->inbox, n);
        }
        pthread_mutex_unlock(&slot->mutex);
        if (status != MW_OK) give_up(slot);
        if (status != MW_OK || n == 0) return status;
    }
}

/* ---- coming and going ---- */

static void write_offer(const mw_host_slot *slot, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "program", MW_VERSION);
    mw_json_add_string(&w, "name", slot->name);
    mw_json_add_string(&w, "folder", slot->folder);
    mw_json_add_int(&w, "threads", slot->host->options.n_threads);
    mw_json_object_end(&w);
}

static mw_status read_offer(mw_host_slot *slot, const mw_net_answer *answer, mw_err *err) {
    mw_arena arena;
    const mw_json *json = NULL;
    mw_arena_init(&arena, slot->ctx.mem);
    mw_status status =
        mw_json_parse(&arena, mw_buf_text(&answer->body), answer->body.size, &json, err);
    if (status == MW_OK) {
        mw_str_copy(slot->id, sizeof slot->id, mw_json_string(mw_json_get(json, "worker_id"), ""));
        slot->lease_us = mw_json_int(mw_json_get(json, "lease_us"), 0);
        if (strspn(slot->id, "0123456789abcdef") != sizeof slot->id - 1 || slot->lease_us <= 0)
            status = mw_fail(err, MW_EDATA, "the server's answer is not Millwright's");
        if (status != MW_OK) slot->id[0] = '\0';
    }
    mw_arena_done(&arena);
    return status;
}

static void reset(mw_host_slot *slot) {
    mw_frame_reader_done(&slot->reader);
    mw_frame_reader_init(&slot->reader, slot->ctx.mem);
    mw_buf_clear(&slot->inbox);
    slot->id[0] = '\0';
    slot->lease_us = 0;
    slot->sent = 0;
    atomic_store(&slot->gone, false);
    atomic_store(&slot->stop_listening.requested, false);
}

mw_host_outcome mw_host__offer(mw_host_slot *slot, mw_err *err) {
    mw_net_answer answer;
    mw_buf body;
    reset(slot);
    mw_buf_init(&body, slot->ctx.mem, 65536);
    write_offer(slot, &body);
    mw_host_outcome outcome =
        mw_host__ask(slot, "POST", "", "application/json", mw_buf_str(&body), &answer, err);
    mw_buf_done(&body);
    if (outcome != MW_HOST_DONE) return outcome;
    mw_status status = read_offer(slot, &answer, err);
    mw_net_answer_done(&answer);
    if (status != MW_OK) return MW_HOST_REFUSED;
    if (mw_thread_start(&slot->listener, listen_main, slot) == 0) return MW_HOST_DONE;
    slot->id[0] = '\0'; /* the server notices its silence */
    mw_fail_nomem(err, "a thread");
    return MW_HOST_REFUSED;
}

void mw_host__leave(mw_host_slot *slot) {
    if (!slot->id[0]) return;
    atomic_store(&slot->stop_listening.requested, true);
    pthread_join(slot->listener, NULL);
    if (!atomic_load(&slot->gone)) {
        char path[64];
        mw_err err = {0};
        mw_cancel brief = {.deadline_us = now_of(slot) + 2 * MW_US_PER_SECOND};
        mw_ctx ctx = slot->ctx; /* also, and above all, while the host stops */
        ctx.cancel = &brief;
        (void)snprintf(path, sizeof path, "/%s", slot->id);
        (void)ask(slot, &ctx, "DELETE", path, NULL, (mw_str){0}, NULL, &err);
    }
    slot->id[0] = '\0';
}

void mw_host__escape(mw_str text, mw_buf *out) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        if (c && strchr(plain, c))
            mw_buf_append(out, &c, 1);
        else
            mw_buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}
