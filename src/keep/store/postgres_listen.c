/*
 * postgres_listen.c -- a thread that tells other processes of changes here, and hears of theirs.
 *
 * PostgreSQL lets one NOTIFY commit at a time, so requests do not notify themselves: they leave a mark, and the thread sends one notification for all marks of
 * the last milliseconds. What happened while it was not connected is not known, so a new connection counts as a change.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "keep/store/postgres.h"

enum { TELL_EVERY_US = 2000, RECONNECT_MS = 250, WAIT_MS = 10000 };

static void count_change(mw_postgres *store) {
    atomic_fetch_add(&store->change, 1);
    pthread_mutex_lock(&store->watch_mutex);
    if (store->on_change) store->on_change(store->on_change_arg);
    pthread_mutex_unlock(&store->watch_mutex);
}

static void wake(mw_postgres *store) {
    const uint64_t one = 1;
    while (write(store->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void mw_postgres__tell(mw_postgres *store) {
    atomic_fetch_add(&store->change, 1);
    pthread_mutex_lock(&store->mutex);
    const bool first = !store->changed;
    store->changed = true;
    pthread_mutex_unlock(&store->mutex);
    if (first) wake(store);
}

/* Of others; one's own come back, too. */
static void hear(mw_postgres *store, mw_postgres_connection *c) {
    bool heard = false;
    PGnotify *note;
    if (!mw_pq.PQconsumeInput(c->handle)) {
        mw_postgres__disconnect(c);
        return;
    }
    while ((note = mw_pq.PQnotifies(c->handle))) {
        heard = heard || note->be_pid != mw_pq.PQbackendPID(c->handle);
        mw_pq.PQfreemem(note);
    }
    if (heard) count_change(store);
}

static bool take_mark(mw_postgres *store, bool *ret_closing) {
    pthread_mutex_lock(&store->mutex);
    const bool changed = store->changed;
    store->changed = false;
    *ret_closing = store->closing;
    pthread_mutex_unlock(&store->mutex);
    return changed;
}

static void wait_for_events(mw_postgres *store, const mw_postgres_connection *c) {
    struct pollfd items[] = {{.fd = store->wake_fd, .events = POLLIN},
                             {.fd = c->handle ? mw_pq.PQsocket(c->handle) : -1, .events = POLLIN}};
    uint64_t count;
    (void)poll(items, 2, c->handle ? WAIT_MS : RECONNECT_MS);
    if (items[0].revents && read(store->wake_fd, &count, sizeof count) < 0) return;
}

static mw_status connect_to_hear(mw_postgres *store, mw_err *err) {
    mw_status status = mw_postgres__connect(store, store->hearing, err);
    if (status == MW_OK) status = mw_postgres__exec(store->hearing, "LISTEN millwright", err);
    if (status != MW_OK) mw_postgres__disconnect(store->hearing);
    return status;
}

static void *listen_main(void *arg) {
    mw_postgres *store = arg;
    mw_postgres_connection *c = store->hearing;
    for (bool closing = false; !closing;) {
        if (!c->handle && connect_to_hear(store, NULL) == MW_OK) count_change(store);
        if (take_mark(store, &closing) && c->handle) {
            if (mw_postgres__exec(c, "NOTIFY millwright", NULL) != MW_OK)
                mw_postgres__disconnect(c);
            mw_clock_sleep(&mw_clock_system, TELL_EVERY_US);
        }
        if (c->handle) hear(store, c);
        if (!closing) wait_for_events(store, c);
    }
    return NULL;
}

static mw_status start_thread(mw_postgres *store, mw_err *err) {
    store->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->wake_fd < 0) return mw_fail_errno(err, errno, "cannot make an event descriptor");
    int code = mw_thread_start(&store->listener, listen_main, store);
    if (code == 0) return MW_OK;
    close(store->wake_fd);
    return mw_fail_errno(err, code, "cannot start the store's thread");
}

static void stop_hearing(mw_postgres *store) {
    mw_postgres__disconnect(store->hearing);
    store->hearing = mw_free(store->hearing);
}

mw_status mw_postgres__listen(mw_postgres *store, mw_err *err) {
    store->hearing = mw_calloc(store->mem, 1, sizeof *store->hearing);
    if (!store->hearing) return mw_fail_nomem(err, "the store");
    store->hearing->sql.driver = &mw_sql__postgres;
    mw_status status = connect_to_hear(store, err);
    if (status == MW_OK) status = start_thread(store, err);
    if (status != MW_OK) stop_hearing(store);
    return status;
}

void mw_postgres__stop_listening(mw_postgres *store) {
    pthread_mutex_lock(&store->mutex);
    store->closing = true;
    pthread_mutex_unlock(&store->mutex);
    wake(store);
    pthread_join(store->listener, NULL);
    close(store->wake_fd);
    stop_hearing(store);
}
