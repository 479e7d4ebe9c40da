/* broker.c -- see broker.h. Each thread has a connection of its own, which it makes again when it breaks. */
#include "run/job/broker.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/str.h"
#include "core/base/threads.h"
#include "core/text/number.h"

enum { TELL_EVERY_US = 2000, AGAIN_MS = 1000, CONNECT_MS = 2000, ANSWER_MS = 3000, PART_MAX = 256 };

/* How long a read waits for an entry: so long at most closing takes. */
#define BLOCK_MS "500"
#define STREAM "millwright:wake"

struct mw_broker {
    mw_ctx ctx;
    char host[PART_MAX], user[PART_MAX], password[PART_MAX];
    int port, database;
    void (*heard)(void *arg);
    void *arg;
    pthread_t teller, hearer;
    pthread_mutex_t mutex; /* guards the fields below */
    pthread_cond_t wake;
    bool marked, closing;
};

/* ---- address ---- */

static mw_status fail_address(mw_err *err) {
    mw_fail(err, MW_EINVAL, "the broker's address cannot be read"); /* it may hold a password */
    return mw_err_hint(err, "redis://HOST:6379, or redis://USER:PASSWORD@HOST:6379/0");
}

static bool copy_part(char out[PART_MAX], mw_str part) {
    if (part.size >= PART_MAX) return false;
    mw_str_copy(out, PART_MAX, part);
    return true;
}

/* What stands before the first `mark`, which *rest then begins behind; all of it when there is none. */
static mw_str take_until(mw_str *rest, char mark) {
    const char *at = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    const size_t n = at ? (size_t)(at - rest->data) : rest->size;
    const mw_str part = {rest->data, n};
    *rest = (mw_str){rest->data + n + (at ? 1 : 0), rest->size - n - (at ? 1 : 0)};
    return part;
}

static bool read_number(mw_str text, int otherwise, int most, int *ret) {
    int64_t value = otherwise;
    if (text.size && !mw_number_read_int(text.data, text.size, &value)) return false;
    *ret = (int)value;
    return value >= 0 && value <= most;
}

static mw_status read_address(mw_broker *b, const char *address, mw_err *err) {
    static const char scheme[] = "redis://";
    if (strncmp(address, scheme, sizeof scheme - 1) != 0) return fail_address(err);
    mw_str rest = mw_str_of(address + sizeof scheme - 1), user = {"", 0};
    if (memchr(rest.data, '@', rest.size)) user = take_until(&rest, '@');
    mw_str place = take_until(&rest, '/');
    const mw_str name = take_until(&user, ':'), host = take_until(&place, ':');
    const bool good = copy_part(b->user, name) && copy_part(b->password, user) &&
                      copy_part(b->host, host) && host.size > 0 &&
                      read_number(place, 6379, 65535, &b->port) &&
                      read_number(rest, 0, 1024, &b->database);
    return good ? MW_OK : fail_address(err);
}

/* ---- connections ---- */

static struct timeval span_of(int ms) { return (struct timeval){ms / 1000, ms % 1000 * 1000}; }

/* False: it failed, and the connection is gone. */
static bool command(redisContext **c, int n, const char **words) {
    redisReply *reply = redisCommandArgv(*c, n, words, NULL);
    const bool good = reply && reply->type != REDIS_REPLY_ERROR;
    if (reply) freeReplyObject(reply);
    if (good) return true;
    redisFree(*c);
    *c = NULL;
    return false;
}

static bool enter(const mw_broker *b, redisContext **c) {
    char database[16];
    const char *auth[] = {"AUTH", b->user[0] ? b->user : "default", b->password};
    const char *select[] = {"SELECT", database};
    (void)snprintf(database, sizeof database, "%d", b->database);
    if (b->password[0] && !command(c, 3, auth)) return false;
    return b->database == 0 || command(c, 2, select);
}

static redisContext *connect_once(const mw_broker *b) {
    redisContext *c = redisConnectWithTimeout(b->host, b->port, span_of(CONNECT_MS));
    if (!c) return NULL;
    if (c->err || redisSetTimeout(c, span_of(ANSWER_MS)) != REDIS_OK) {
        redisFree(c);
        return NULL;
    }
    (void)redisEnableKeepAlive(c);
    return enter(b, &c) ? c : NULL;
}

static bool is_closing(mw_broker *b) {
    pthread_mutex_lock(&b->mutex);
    const bool closing = b->closing;
    pthread_mutex_unlock(&b->mutex);
    return closing;
}

/* With the mutex: at most so long, or until something is to be done. */
static void wait_ms(mw_broker *b, int ms) {
    mw_cond_wait_us(&b->wake, &b->mutex, (int64_t)ms * 1000);
}

/* A connection; NULL once it is time to close. Said once an outage. */
static redisContext *connect(mw_broker *b, const char *what) {
    bool said = false;
    for (;;) {
        redisContext *c = connect_once(b);
        if (c && said) mw_log_info(&b->ctx, "the broker is there again, to %s", what);
        if (c) return c;
        if (!said)
            mw_log_warn(&b->ctx, "the broker %s:%d cannot be reached, to %s", b->host, b->port,
                        what);
        said = true;
        pthread_mutex_lock(&b->mutex);
        if (!b->closing) wait_ms(b, AGAIN_MS);
        const bool closing = b->closing;
        pthread_mutex_unlock(&b->mutex);
        if (closing) return NULL;
    }
}

/* ---- telling ---- */

static bool wait_for_mark(mw_broker *b) {
    pthread_mutex_lock(&b->mutex);
    while (!b->marked && !b->closing) pthread_cond_wait(&b->wake, &b->mutex);
    b->marked = false;
    const bool closing = b->closing;
    pthread_mutex_unlock(&b->mutex);
    return !closing;
}

static void *tell_main(void *arg) {
    mw_broker *b = arg;
    const char *words[] = {"XADD", STREAM, "MAXLEN", "~", "1000", "*", "wake", "1"};
    redisContext *c = NULL;
    while (wait_for_mark(b)) {
        if (!c) c = connect(b, "tell");
        if (!c) break;
        (void)command(&c, 8, words); /* a lost one: others look by themselves */
        mw_clock_sleep(&mw_clock_system, TELL_EVERY_US);
    }
    if (c) redisFree(c);
    return NULL;
}

/* ---- hearing ---- */

/* The id of the newest entry of XREAD's answer into last; false: there is none. */
static bool newest_of(const redisReply *reply, char last[64]) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) return false;
    const redisReply *stream = reply->element[0];
    if (stream->type != REDIS_REPLY_ARRAY || stream->elements < 2) return false;
    const redisReply *entries = stream->element[1];
    if (entries->type != REDIS_REPLY_ARRAY || entries->elements == 0) return false;
    const redisReply *entry = entries->element[entries->elements - 1];
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements == 0) return false;
    mw_str_copy(last, 64, (mw_str){entry->element[0]->str, entry->element[0]->len});
    return true;
}

static void *hear_main(void *arg) {
    mw_broker *b = arg;
    char last[64] = "$"; /* what comes from now on */
    redisContext *c = NULL;
    while (!is_closing(b)) {
        if (!c) {
            c = connect(b, "hear");
            if (!c) break;
            b->heard(b->arg); /* what was told meanwhile is not known */
        }
        const char *words[] = {"XREAD",  "COUNT",   "1000", "BLOCK",
                               BLOCK_MS, "STREAMS", STREAM, last};
        redisReply *reply = redisCommandArgv(c, 8, words, NULL);
        if (newest_of(reply, last)) b->heard(b->arg);
        const bool failed = !reply || reply->type == REDIS_REPLY_ERROR;
        if (reply) freeReplyObject(reply);
        if (!failed) continue;
        redisFree(c);
        c = NULL;
    }
    if (c) redisFree(c);
    return NULL;
}

/* ---- life ---- */

static void free_broker(mw_broker *b) {
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->mutex);
    mw_free(b);
}

static void stop(mw_broker *b) {
    pthread_mutex_lock(&b->mutex);
    b->closing = true;
    pthread_cond_broadcast(&b->wake);
    pthread_mutex_unlock(&b->mutex);
}

static mw_status start_threads(mw_broker *b, mw_err *err) {
    int reason = mw_thread_start(&b->teller, tell_main, b);
    bool told = reason == 0;
    if (told) reason = mw_thread_start(&b->hearer, hear_main, b);
    if (reason == 0) return MW_OK;
    if (told) {
        stop(b);
        pthread_join(b->teller, NULL);
    }
    return mw_fail_errno(err, reason, "cannot start the threads of the broker");
}

mw_status mw_broker_open(const mw_ctx *ctx, const char *address, void (*heard)(void *arg),
                         void *arg, mw_broker **ret, mw_err *err) {
    mw_broker *b = mw_calloc(ctx->mem, 1, sizeof *b);
    if (!b) return mw_fail_nomem(err, "the broker");
    b->ctx = *ctx;
    b->heard = heard;
    b->arg = arg;
    mw_cond_init(&b->wake);
    pthread_mutex_init(&b->mutex, NULL);
    mw_status status = read_address(b, address, err);
    if (status == MW_OK) status = start_threads(b, err);
    if (status != MW_OK) {
        free_broker(b);
        return status;
    }
    *ret = b;
    return MW_OK;
}

void mw_broker_tell(mw_broker *b) {
    if (!b) return;
    pthread_mutex_lock(&b->mutex);
    const bool first = !b->marked;
    b->marked = true;
    if (first) pthread_cond_broadcast(&b->wake);
    pthread_mutex_unlock(&b->mutex);
}

void *mw_broker_close(mw_broker *b) {
    if (!b) return NULL;
    stop(b);
    pthread_join(b->teller, NULL);
    pthread_join(b->hearer, NULL);
    free_broker(b);
    return NULL;
}
