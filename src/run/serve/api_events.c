/*
 * api_events.c -- server-sent events (HTML living standard, 9.2): an operation with `events` as a stream.
 *
 *   loop     start_events: counts the stream, takes Last-Event-ID; it joins the feed of those that ask the same
 *   loop     look: streams of a feed that have the same last event get what is newer by one run of the operation
 *   handler  run_looks: the runs of a loop one after the other, so at most one thread a loop is busy with events.
 *            The first of a feed reads organization and arguments
 *   loop     on_look: what came of a run goes to its streams, STREAMS_A_TURN at a time: the first time the head (or a
 *            problem), then the events; the end when there are no more
 *   loop     on_tick, every 50 ms, for each stream: a comment when nothing was said for a while; the end when the
 *            server stops, or when the client's key is good no more
 *
 * When is looked: at once for a new stream; soon after something was written to the store (mw_api_changed), with a rest between;
 * else every look_ms, which finds what other processes have written.
 *
 * Nothing is kept for a slow reader but what was being sent to it: no run is made for it until it has read that, and
 * the next one gives what is new by then.
 */
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "run/serve/api_inside.h"
#include "run/serve/guard.h"
#include "run/serve/problem.h"

#define RETRY_MS "2000"

enum {
    CHANGE_GAP_US = 20000, /* between looks because of changes */
    REST = 4, /* ... and as many times what the last one took: runs must not fill a thread */
    LOOKS_OF_A_FEED = 64, /* at a time; more last events than that are for the next time */
    STREAMS_A_TURN = 8    /* written to before the loop goes on with something else */
};

/* In a ring around its list. */
typedef struct mw_link {
    struct mw_link *previous, *next;
} mw_link;

typedef struct mw_feed mw_feed;

struct mw_stream {
    mw_link link; /* first. In feed->waiting, or in the streams of a look under way */
    mw_feed *feed;
    mw_exchange *exchange; /* NULL: the client is gone */
    char last_id[MW_EVENT_ID_MAX];
    bool begun;   /* the head is out */
    bool blocked; /* the client has yet to read */
    bool busy;    /* it is being written to: whoever does that frees it */
    int64_t said_us;
    mw_guest guest;
    int64_t admitted_us; /* its key was good then */
};

/* The streams of a loop that ask the same. The loop's, but for what runs read and `args`, which the first of them makes. */
struct mw_feed {
    mw_feed *next;
    mw_pulse *pulse;
    const mw_route *route;
    mw_arena arena;
    uint64_t hash;
    const char *target; /* in the arena */
    mw_guest guest;     /* of the first stream; of all it has the organization and the role */
    char request_id[MW_TASK_REQUEST_ID_MAX + 1];
    mw_ctx ctx;
    mw_args *args; /* NULL: not read yet */
    mw_link waiting;
    int64_t n_streams, n_looks;
};

/* A run of the operation. */
typedef struct mw_look {
    mw_http_task post; /* first */
    struct mw_look *next;
    mw_feed *feed;
    mw_link streams;
    bool has_new; /* some of them have no head yet */
    bool is_last; /* of those that were started together */
    char last_id[MW_EVENT_ID_MAX];
    mw_buf out;
    bool ended; /* the operation has no more */
    mw_err error;
    mw_faults faults;
} mw_look;

/* The streams of a loop. */
struct mw_pulse {
    mw_http_task post;    /* first; by mw_api_changed, while `posted` */
    mw_handler_work work; /* while `running` */
    mw_api *api;
    _Atomic(mw_http_loop *) loop; /* NULL: no stream yet */
    atomic_bool posted;
    mw_feed *feeds;
    mw_look *looks; /* the handler's, while `running` */
    bool running;
    bool wanted;  /* a new stream waits */
    bool changed; /* something was written since the last look */
    int64_t begun_us, took_us;
};

/* ---- rings ---- */

static void ring_init(mw_link *ring) { ring->previous = ring->next = ring; }

static bool ring_empty(const mw_link *ring) { return ring->next == ring; }

static void ring_remove(mw_link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static void ring_append(mw_link *ring, mw_link *link) {
    link->previous = ring->previous;
    link->next = ring;
    ring->previous->next = link;
    ring->previous = link;
}

static void ring_move_all(mw_link *from, mw_link *to) {
    if (ring_empty(from)) return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    ring_init(from);
}

/* ---- life ---- */

mw_status mw_api__new_pulses(mw_api *api, mw_err *err) {
    api->pulses = mw_calloc(api->ctx->mem, (size_t)api->options.n_loops, sizeof *api->pulses);
    if (!api->pulses) return mw_fail_nomem(err, "streams of events");
    for (int i = 0; i < api->options.n_loops; i++) api->pulses[i].api = api;
    return MW_OK;
}

static void free_feed(mw_feed *feed) {
    mw_args_free(feed->args);
    mw_arena_done(&feed->arena);
    mw_free(feed);
}

/* Once neither a stream nor a run has it any more. */
static void release_feed(mw_feed *feed) {
    if (feed->n_streams > 0 || feed->n_looks > 0) return;
    mw_feed **at = &feed->pulse->feeds;
    while (*at != feed) at = &(*at)->next;
    *at = feed->next;
    free_feed(feed);
}

static void free_look(mw_look *look) {
    mw_buf_done(&look->out);
    mw_faults_done(&look->faults);
    mw_free(look);
}

static void end_look(mw_look *look) {
    mw_feed *feed = look->feed;
    feed->n_looks--;
    free_look(look);
    release_feed(feed);
}

void *mw_api__free_pulses(mw_api *api) {
    for (int i = 0; api->pulses && i < api->options.n_loops; i++)
        for (mw_feed *feed = api->pulses[i].feeds, *next; feed; feed = next) {
            next = feed->next;
            free_feed(feed);
        }
    return api->pulses = mw_free(api->pulses);
}

static void free_stream(mw_stream *stream) {
    mw_feed *feed = stream->feed;
    atomic_fetch_sub(&feed->pulse->api->n_streams, 1);
    ring_remove(&stream->link);
    mw_free(stream);
    feed->n_streams--;
    release_feed(feed);
}

/* ---- on a handler thread ---- */

static mw_status read_request(mw_look *look, mw_err *err) {
    mw_feed *feed = look->feed;
    const mw_api_services *services = &feed->pulse->api->services;
    mw_api_input input = {.route = feed->route};
    mw_url url;
    bool wait;
    mw_status status = services->check_org(services->app, &feed->ctx, err);
    if (status == MW_OK) status = mw_url_split(mw_str_of(feed->target), &url, err);
    if (status == MW_OK) status = mw_url_decode_path(&feed->arena, url.path, &input.path, err);
    if (status != MW_OK) return status;
    input.query = url.query;
    return mw_api__read_args(feed->ctx.mem, &feed->arena, &input, &wait, &look->faults, &feed->args,
                             err);
}

static mw_status make_events(mw_look *look) {
    mw_feed *feed = look->feed;
    const mw_api_services *services = &feed->pulse->api->services;
    mw_err *err = &look->error;
    mw_status status = feed->args ? MW_OK : read_request(look, err);
    if (status != MW_OK) return status;
    const mw_call call = {.ctx = &feed->ctx,
                          .app = services->app,
                          .principal = feed->guest.holder.principal,
                          .args = feed->args};
    char id[MW_EVENT_ID_MAX];
    memcpy(id, look->last_id, sizeof id);
    status = services->events(feed->route->op, &call, mw_str_of(look->last_id), &look->out, id,
                              &look->ended, err);
    if (status == MW_OK) status = mw_buf_status(&look->out, "events", err);
    if (status == MW_OK) memcpy(look->last_id, id, sizeof id);
    return status;
}

static void on_look(mw_http_task *post);

static void run_looks(mw_handler_work *work, bool dropped) {
    mw_pulse *pulse = (mw_pulse *)((char *)work - offsetof(mw_pulse, work));
    mw_http_loop *loop = atomic_load(&pulse->loop);
    mw_look *look = pulse->looks, *next;
    const int64_t begun_us = mw_clock_monotonic(pulse->api->ctx->clock);
    pulse->looks = NULL;
    for (; look; look = next) {
        next = look->next;
        mw_status status = dropped ? MW_ECANCELED : make_events(look);
        if (status == MW_OK)
            look->error.code = MW_OK;
        else if (look->error.code == MW_OK)
            look->error.code = status;
        look->is_last = !next;
        if (!next) pulse->took_us = mw_clock_monotonic(pulse->api->ctx->clock) - begun_us;
        look->post.run = on_look;
        if (dropped || !mw_http_post(loop, &look->post)) free_look(look); /* no stream is left */
    }
}

/* ---- what is said, on the loop ---- */

static int64_t now_of(const mw_pulse *pulse) { return mw_clock_monotonic(pulse->api->ctx->clock); }

/* The exchange may end in here: the stream stays, with exchange NULL. */
static void say(mw_stream *stream, const char *text, size_t size) {
    stream->busy = true;
    stream->blocked = !mw_exchange_write(stream->exchange, text, size);
    stream->busy = false;
    stream->said_us = now_of(stream->feed->pulse);
}

static void end_stream(mw_stream *stream) {
    mw_exchange *exchange = stream->exchange;
    if (exchange) {
        exchange->user = NULL;
        mw_exchange_finish(exchange);
    }
    free_stream(stream);
}

static void say_goodbye(mw_stream *stream) {
    static const char text[] = "retry: " RETRY_MS "\n\n";
    say(stream, text, sizeof text - 1);
    end_stream(stream);
}

/* The head is out already: what went wrong is an event, too. */
static void say_problem(mw_stream *stream, int status, const mw_err *error) {
    mw_buf out;
    mw_buf_init(&out, stream->feed->ctx.mem, 1 << 16);
    mw_buf_add(&out, "event: problem\ndata: ");
    mw_problem_write(status, error, NULL, stream->exchange->request_id, &out);
    mw_buf_add(&out, "\n\n");
    if (out.failed == MW_OK) say(stream, mw_buf_text(&out), out.size);
    mw_buf_done(&out);
    end_stream(stream);
}

static void give_error(mw_stream *stream, const mw_look *look) {
    const int status = mw_api__status_of(&look->error);
    mw_exchange *exchange = stream->exchange;
    if (stream->begun) {
        say_problem(stream, status, &look->error);
        return;
    }
    exchange->user = NULL;
    mw_api__refuse(stream->feed->pulse->api, exchange, status, &look->error, &look->faults);
    free_stream(stream);
}

static void begin(mw_stream *stream) {
    stream->begun = true;
    stream->busy = true;
    mw_exchange_begin(stream->exchange, 200, "text/event-stream",
                      "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
    stream->busy = false;
    stream->said_us = now_of(stream->feed->pulse);
}

/* The stream waits for more afterwards, or is gone. */
static void give(mw_stream *stream, const mw_look *look) {
    if (look->error.code != MW_OK) {
        give_error(stream, look);
        return;
    }
    memcpy(stream->last_id, look->last_id, sizeof stream->last_id);
    if (!stream->begun) begin(stream);
    if (stream->exchange && look->out.size) say(stream, mw_buf_text(&look->out), look->out.size);
    const bool only_head = stream->exchange && stream->exchange->message->method == MW_HTTP_HEAD;
    if (!stream->exchange || look->ended || only_head)
        end_stream(stream);
    else if (mw_http_loop_draining(stream->exchange->loop))
        say_goodbye(stream);
}

/* ---- when is looked, on the loop ---- */

static mw_look *new_look(mw_feed *feed, const char *last_id) {
    mw_look *look = mw_calloc(feed->ctx.mem, 1, sizeof *look);
    if (!look) return NULL; /* the next time, perhaps */
    look->feed = feed;
    ring_init(&look->streams);
    memcpy(look->last_id, last_id, sizeof look->last_id);
    mw_buf_init(&look->out, feed->ctx.mem, (size_t)MW_LIMIT(EVENT_BYTES));
    mw_faults_init(&look->faults, feed->ctx.mem);
    feed->n_looks++;
    return look;
}

static mw_look *find_look(mw_look *const *looks, int n, const char *last_id) {
    for (int i = 0; i < n; i++)
        if (strcmp(looks[i]->last_id, last_id) == 0) return looks[i];
    return NULL;
}

/* One for each last event that streams of the feed have, appended to **end. */
static mw_look **add_looks(mw_feed *feed, mw_look **end) {
    mw_look *looks[LOOKS_OF_A_FEED];
    int n = 0;
    for (mw_link *link = feed->waiting.next, *next; link != &feed->waiting; link = next) {
        next = link->next;
        mw_stream *stream = (mw_stream *)link;
        if (stream->blocked) continue;
        mw_look *look = find_look(looks, n, stream->last_id);
        if (!look && n < LOOKS_OF_A_FEED) {
            look = new_look(feed, stream->last_id);
            if (!look) return end;
            looks[n++] = *end = look;
            end = &look->next;
        }
        if (!look) continue;
        ring_remove(link);
        ring_append(&look->streams, link);
        look->has_new |= !stream->begun;
    }
    return end;
}

static bool is_due(const mw_pulse *pulse, int64_t now_us) {
    const int64_t since_us = now_us - pulse->begun_us;
    if (pulse->running) return false;
    if (pulse->wanted || since_us >= (int64_t)pulse->api->options.look_ms * 1000) return true;
    return pulse->changed && since_us >= CHANGE_GAP_US && since_us >= REST * pulse->took_us;
}

static void look(mw_pulse *pulse) {
    const int64_t now_us = now_of(pulse);
    if (!is_due(pulse, now_us)) return;
    mw_look *first = NULL, **end = &first;
    pulse->wanted = pulse->changed = false;
    pulse->begun_us = now_us;
    for (mw_feed *feed = pulse->feeds; feed; feed = feed->next) end = add_looks(feed, end);
    if (!first) return;
    pulse->looks = first;
    pulse->running = true;
    pulse->work.run = run_looks;
    /* Whether others wait or not: it is one piece of work a loop. */
    if (!mw_handlers_push(pulse->api->handlers, &pulse->work, true)) run_looks(&pulse->work, true);
}

static void on_look(mw_http_task *post) {
    mw_look *done = (mw_look *)post;
    mw_feed *feed = done->feed;
    mw_pulse *pulse = feed->pulse;
    if (done->is_last) {
        done->is_last = pulse->running = false;
        look(pulse);
    }
    const bool is_news =
        done->has_new || done->out.size > 0 || done->ended || done->error.code != MW_OK;
    if (!is_news) ring_move_all(&done->streams, &feed->waiting);
    for (int i = 0; i < STREAMS_A_TURN && !ring_empty(&done->streams); i++) {
        mw_link *link = done->streams.next;
        ring_remove(link);
        ring_append(&feed->waiting, link);
        give((mw_stream *)link, done);
    }
    if (!ring_empty(&done->streams) && mw_http_post(atomic_load(&pulse->loop), post)) return;
    if (done->error.code != MW_OK)
        mw_api__log(&feed->ctx, feed->route->op, mw_api__status_of(&done->error), &done->error);
    end_look(done);
}

static void on_change(mw_http_task *post) {
    mw_pulse *pulse = (mw_pulse *)post;
    atomic_store(&pulse->posted, false);
    pulse->changed = true;
    look(pulse);
}

void mw_api_changed(void *self) {
    mw_api *api = self;
    if (atomic_load(&api->n_streams) == 0) return;
    for (int i = 0; i < api->options.n_loops; i++) {
        mw_pulse *pulse = &api->pulses[i];
        mw_http_loop *loop = atomic_load(&pulse->loop);
        if (!loop || atomic_exchange(&pulse->posted, true)) continue;
        pulse->post.run = on_change;
        if (!mw_http_post(loop, &pulse->post)) atomic_store(&pulse->posted, false);
    }
}

/* False: the key is good no more, and the stream has ended. */
static bool is_admitted(mw_stream *stream) {
    const mw_feed *feed = stream->feed;
    const mw_api *api = feed->pulse->api;
    const int64_t now_us = now_of(feed->pulse);
    mw_err err;
    if (now_us - stream->admitted_us < (int64_t)api->options.look_ms * 1000) return true;
    stream->admitted_us = now_us;
    if (mw_admit_again(api->admit, feed->route->op, &stream->guest, &err) == MW_OK) return true;
    mw_api__log(&feed->ctx, feed->route->op, 401, &err);
    say_problem(stream, 401, &err);
    return false;
}

void mw_api__on_tick(void *self, mw_exchange *exchange) {
    const mw_api *api = self;
    mw_stream *stream = exchange->user;
    if (!stream) return;
    mw_pulse *pulse = stream->feed->pulse;
    if (stream->begun && mw_http_loop_draining(exchange->loop)) {
        say_goodbye(stream);
        return;
    }
    if (stream->begun && !is_admitted(stream)) return;
    if (stream->begun && !stream->blocked &&
        now_of(pulse) - stream->said_us >= (int64_t)api->options.heartbeat_ms * 1000) {
        say(stream, ":\n\n", 3);
        if (!stream->exchange) free_stream(stream);
    }
    look(pulse);
}

void mw_api__on_drain(void *self, mw_exchange *exchange) {
    (void)self;
    mw_stream *stream = exchange->user;
    if (stream) stream->blocked = false;
}

void mw_api__drop_stream(mw_stream *stream) {
    stream->exchange = NULL;
    if (!stream->busy) free_stream(stream);
}

/* ---- the start, on the loop ---- */

static bool accepts_events(const mw_message *message) {
    mw_str rest = mw_message_field(message, "Accept");
    if (!rest.data) return true;
    while (rest.size) {
        mw_str item = mw_guard_next_part(&rest, ',');
        const mw_str type = mw_guard_next_part(&item, ';');
        if (mw_str_is_nocase(type, "text/event-stream") || mw_str_is(type, "text/*") ||
            mw_str_is(type, "*/*"))
            return true;
    }
    return false;
}

static bool names_events(const mw_message *message) {
    mw_str rest = mw_message_field(message, "Accept");
    while (rest.size) {
        mw_str item = mw_guard_next_part(&rest, ',');
        if (mw_str_is_nocase(mw_guard_next_part(&item, ';'), "text/event-stream")) return true;
    }
    return false;
}

bool mw_api__wants_events(const mw_op *op, const mw_message *message) {
    return op->events && (!op->prepare || names_events(message));
}

static int check_request(const mw_message *message, mw_err *err) {
    const mw_str last = mw_message_field(message, "Last-Event-ID");
    if (!accepts_events(message)) {
        mw_fail(err, MW_EUNSUPPORTED, "this route answers text/event-stream");
        mw_err_hint(err, "send Accept: text/event-stream");
        return 406;
    }
    if (last.size < MW_EVENT_ID_MAX) return 0;
    mw_fail(err, MW_EPARSE, "Last-Event-ID is no id of an event");
    mw_err_hint(err, "send the id of the last event that was read, or none");
    return 400;
}

static uint64_t hash_of(const mw_exchange *exchange, const mw_route *route, const mw_guest *guest) {
    const mw_str target = exchange->message->target;
    return mw_hash64(target.data, target.size) ^ mw_hash64(guest->org, strlen(guest->org)) ^
           (uint64_t)(uintptr_t)route;
}

static bool asks_this(const mw_feed *feed, uint64_t hash, const mw_exchange *exchange,
                      const mw_route *route, const mw_guest *guest) {
    return feed->hash == hash && feed->route == route &&
           mw_str_is(exchange->message->target, feed->target) &&
           strcmp(feed->guest.org, guest->org) == 0 &&
           feed->guest.holder.principal.role == guest->holder.principal.role;
}

static mw_feed *new_feed(mw_pulse *pulse, const mw_exchange *exchange, const mw_route *route,
                         const mw_guest *guest) {
    mw_mem *mem = pulse->api->ctx->mem;
    mw_feed *feed = mw_calloc(mem, 1, sizeof *feed);
    if (!feed) return NULL;
    mw_arena_init(&feed->arena, mem);
    const mw_str target = exchange->message->target;
    feed->target = mw_arena_strndup(&feed->arena, target.data, target.size);
    if (!feed->target) {
        free_feed(feed);
        return NULL;
    }
    feed->pulse = pulse;
    feed->route = route;
    feed->hash = hash_of(exchange, route, guest);
    mw_guest_copy(guest, &feed->guest);
    mw_str_copy(feed->request_id, sizeof feed->request_id, mw_str_of(exchange->request_id));
    feed->ctx = *pulse->api->ctx;
    feed->ctx.org = feed->guest.org;
    feed->ctx.request_id = feed->request_id;
    ring_init(&feed->waiting);
    feed->next = pulse->feeds;
    pulse->feeds = feed;
    return feed;
}

static mw_feed *feed_of(mw_pulse *pulse, const mw_exchange *exchange, const mw_route *route) {
    const mw_guest *guest = exchange->who;
    const uint64_t hash = hash_of(exchange, route, guest);
    for (mw_feed *feed = pulse->feeds; feed; feed = feed->next)
        if (asks_this(feed, hash, exchange, route, guest)) return feed;
    return new_feed(pulse, exchange, route, guest);
}

static mw_stream *new_stream(mw_pulse *pulse, mw_exchange *exchange, const mw_route *route) {
    mw_stream *stream = mw_calloc(pulse->api->ctx->mem, 1, sizeof *stream);
    mw_feed *feed = stream ? feed_of(pulse, exchange, route) : NULL;
    if (!feed) {
        mw_free(stream);
        return NULL;
    }
    stream->feed = feed;
    stream->exchange = exchange;
    mw_guest_copy(exchange->who, &stream->guest);
    stream->admitted_us = now_of(pulse);
    mw_str_copy(stream->last_id, sizeof stream->last_id,
                mw_message_field(exchange->message, "Last-Event-ID"));
    ring_append(&feed->waiting, &stream->link);
    feed->n_streams++;
    return stream;
}

void mw_api__start_events(mw_api *api, mw_exchange *exchange, const mw_route *route) {
    mw_pulse *pulse = &api->pulses[mw_http_loop_index(exchange->loop)];
    mw_err err;
    const int status = check_request(exchange->message, &err);
    if (status) {
        mw_exchange_refuse(exchange, status, &err, NULL);
        return;
    }
    const bool room = atomic_fetch_add(&api->n_streams, 1) < api->options.max_streams;
    atomic_store(&pulse->loop, exchange->loop);
    exchange->user = room ? new_stream(pulse, exchange, route) : NULL;
    if (exchange->user) {
        mw_exchange_tick(exchange);
        pulse->wanted = true;
        look(pulse);
        return;
    }
    atomic_fetch_sub(&api->n_streams, 1);
    mw_fail(&err, MW_EBUSY, "too many streams of events are open");
    mw_err_hint(&err, "connect again in a moment");
    mw_exchange_refuse(exchange, 503, &err, mw_api__retry_fields(503));
}
