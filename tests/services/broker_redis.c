/* broker_redis.c -- wake-ups through a real Redis, which is stopped and started meanwhile. */
#include <arpa/inet.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/threads.h"
#include "run/job/broker.h"
#include "support/harness.h"

extern char **environ;

static mw_err err;
static int port;

static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool answers(void) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    const bool yes = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return yes;
}

static pid_t start_redis(void) {
    char number[16];
    char *words[] = {(char *)(uintptr_t) "redis-server",
                     (char *)(uintptr_t) "--port",
                     number,
                     (char *)(uintptr_t) "--save",
                     (char *)(uintptr_t) "",
                     (char *)(uintptr_t) "--logfile",
                     (char *)(uintptr_t) "/dev/null",
                     (char *)(uintptr_t) "--requirepass",
                     (char *)(uintptr_t) "secret",
                     NULL};
    pid_t pid = 0;
    (void)snprintf(number, sizeof number, "%d", port);
    assert_int_equal(posix_spawnp(&pid, "redis-server", NULL, NULL, words, environ), 0);
    for (int i = 0; i < 1000 && !answers(); i++) mw_clock_sleep(&mw_clock_system, 10000);
    assert_true(answers());
    return pid;
}

static void stop_redis(pid_t pid) {
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void on_heard(void *arg) { atomic_fetch_add((_Atomic int *)arg, 1); }

static mw_broker *open_broker(const mw_ctx *ctx, _Atomic int *heard) {
    char address[64];
    mw_broker *broker = NULL;
    (void)snprintf(address, sizeof address, "redis://:secret@127.0.0.1:%d/3", port);
    assert_ok(mw_broker_open(ctx, address, on_heard, heard, &broker, &err));
    return broker;
}

static void wait_beyond(const _Atomic int *heard, int before) {
    for (int i = 0; i < 6000 && atomic_load(heard) <= before; i++)
        mw_clock_sleep(&mw_clock_system, 1000);
    assert_true(atomic_load(heard) > before);
}

MW_TEST(others_are_woken) {
    mw_ctx ctx;
    _Atomic int a = 0, b = 0;
    mw_ctx_init(&ctx);
    port = free_port();
    pid_t redis = start_redis();
    mw_broker *first = open_broker(&ctx, &a), *second = open_broker(&ctx, &b);
    wait_beyond(&b, 0); /* it is connected */
    mw_clock_sleep(&mw_clock_system, 100000);
    for (int i = 0; i < 20; i++) {
        const int before = atomic_load(&b);
        mw_broker_tell(first);
        wait_beyond(&b, before);
    }
    /* Many at once are few wake-ups. */
    const int before = atomic_load(&b);
    for (int i = 0; i < 10000; i++) mw_broker_tell(first);
    wait_beyond(&b, before);
    mw_clock_sleep(&mw_clock_system, 200000);
    assert_true(atomic_load(&b) - before < 100);
    mw_broker_close(second);
    mw_broker_close(first);
    stop_redis(redis);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(an_outage_is_survived) {
    mw_ctx ctx;
    _Atomic int a = 0, b = 0;
    mw_ctx_init(&ctx);
    port = free_port();
    mw_broker *first = open_broker(&ctx, &a), *second = open_broker(&ctx, &b); /* not there yet */
    mw_broker_tell(first);
    for (int round = 0; round < 2; round++) {
        const int before = atomic_load(&b);
        pid_t redis = start_redis();
        wait_beyond(&b, before); /* connected: looks, as it may have missed something */
        const int connected = atomic_load(&b);
        for (int i = 0; i < 6000 && atomic_load(&b) == connected; i++) {
            mw_broker_tell(first);
            mw_clock_sleep(&mw_clock_system, 1000);
        }
        assert_true(atomic_load(&b) > connected);
        stop_redis(redis);
        mw_broker_tell(first);
    }
    mw_broker_close(second);
    mw_broker_close(first);
}

MW_TEST(addresses_that_cannot_be) {
    static const char *const wrong[] = {"",
                                        "localhost:6379",
                                        "rediss://a",
                                        "redis://",
                                        "redis://:6379",
                                        "redis://h:70000",
                                        "redis://h:x",
                                        "redis://h/x",
                                        "redis://u:secret@"};
    mw_ctx ctx;
    mw_broker *broker = NULL;
    mw_ctx_init(&ctx);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_status(mw_broker_open(&ctx, wrong[i], on_heard, NULL, &broker, &err), MW_EINVAL);
        assert_null(strstr(err.message, "secret"));
    }
    assert_null(broker);
}

int main(int argc, char **argv) {
    static const mw_test tests[] = {MW_RUN(others_are_woken), MW_RUN(an_outage_is_survived),
                                    MW_RUN(addresses_that_cannot_be)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
