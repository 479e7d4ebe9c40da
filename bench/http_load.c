/*
 * http_load.c -- a client for bench/http_speed.py: requests at a constant rate, or many streams of events.
 *
 *   http_load rate PORT TARGET RATE SECONDS CONNECTIONS
 *       GET TARGET, RATE times a second whatever the server does (open loop); "{A}" and "{B}" in TARGET become numbers from 1 to
 *       900, another pair for each request, mixed so that requests cost the same throughout. A request that finds no free connection is not sent, and counted. Latency is from the moment at which the
 *       request was due to the last byte of its answer.
 *   http_load events PORT TARGET STREAMS SECONDS CUTS RAISE
 *       STREAMS streams of TARGET, of which CUTS a second, drawn at random, are reset in whatever moment and come again with
 *       Last-Event-ID. RAISE is a target to POST to ten times a second, the number of the event being what the n-th of these has
 *       raised it to ("" none: the events are log lines of a job, which begin with their time). Lateness is from that
 *       moment to the last byte of the event. Whether each stream has every number once, in order, is checked.
 *
 * Prints one JSON object. One thread, epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { VALUES = 900, PAIR_STEP = 514229 }; /* a prime that does not divide VALUES */
enum { READ_BYTES = 65536, HEAD_BYTES = 4096, LINE_BYTES = 1024, EVENTS = 512, RAISES = 1 << 16 };

typedef struct durations { /* us */
    int64_t *values;
    size_t n, capacity;
} durations;

typedef struct client {
    int fd;
    bool busy; /* an answer, or its connection, is awaited */
    int64_t due_us;
    char head[HEAD_BYTES]; /* of the answer, as far as it has come */
    size_t head_size;
    int64_t body_left; /* -1: the head is not complete */
    int status;
    bool says_when; /* Retry-After */
    char line[LINE_BYTES];
    size_t line_size;
    char last_id[128], id[128];
    int64_t number, seen; /* of the last event; events so far */
    struct client *next_free;
} client;

static int epoll_fd, port;

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- figures ---- */

static void add(durations *d, int64_t us) {
    if (d->n == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 1 << 16;
        d->values = realloc(d->values, d->capacity * sizeof *d->values);
        if (!d->values) die("memory");
    }
    d->values[d->n++] = us;
}

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_durations(const char *name, durations *d) {
    static const double at[] = {0.5, 0.9, 0.99, 0.999, 1};
    static const char *const names[] = {"p50", "p90", "p99", "p999", "max"};
    if (d->n) qsort(d->values, d->n, sizeof *d->values, by_value);
    printf("\"%s\":{\"n\":%zu", name, d->n);
    for (size_t i = 0; d->n && i < sizeof at / sizeof *at; i++)
        printf(",\"%s_ms\":%.3f", names[i],
               (double)d->values[(size_t)((double)(d->n - 1) * at[i])] / 1000);
    printf("}");
}

/* ---- connections ---- */

static void watch(client *c, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, how, c->fd, &event) != 0) die("epoll_ctl");
}

static void open_connection(client *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    while (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        if (errno != EINTR) die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->head_size = 0;
    c->body_left = -1;
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
}

static bool send_text(const client *c, const char *text, size_t size) {
    return send(c->fd, text, size, MSG_NOSIGNAL) == (ssize_t)size; /* it is small */
}

static const char *field(const client *c, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = c->head; (at = strchr(at, '\n')); at++)
        if (strncasecmp(at + 1, name, n) == 0 && at[1 + n] == ':') return at + 2 + n;
    return NULL;
}

/* Takes bytes up to the head's end; how many. c->body_left is set at it. */
static size_t take_head(client *c, const char *data, size_t size) {
    size_t used = 0;
    while (used < size && c->body_left < 0) {
        if (c->head_size == HEAD_BYTES - 1) exit(fprintf(stderr, "a head is too long\n"));
        c->head[c->head_size++] = data[used++];
        c->head[c->head_size] = '\0';
        if (c->head_size < 4 || memcmp(c->head + c->head_size - 4, "\r\n\r\n", 4) != 0) continue;
        const char *length = field(c, "content-length");
        c->status = atoi(c->head + 9);
        c->says_when = field(c, "retry-after") != NULL;
        c->body_left = length ? atoll(length) : c->status == 304 ? 0 : INT64_MAX;
    }
    return used;
}

/* ---- a constant rate ---- */

static struct {
    durations accepted, refused;
    int64_t n_unsent, n_other, n_silent_refusals, n_reconnects, n_sent;
    int64_t by_tenth[10]; /* accepted, by the tenth of the time in which they were */
    int64_t begun_us, length_us;
    int64_t first_pair; /* by the clock: runs one after the other ask for other pairs */
    client *free;
} rate;

static void free_client(client *c) {
    c->busy = false;
    c->next_free = rate.free;
    rate.free = c;
}

static void reopen(client *c) {
    close(c->fd);
    rate.n_reconnects++;
    open_connection(c);
}

static void end_answer(client *c) {
    const int64_t now = now_us(CLOCK_MONOTONIC);
    if (c->status == 200 || c->status == 304) {
        const int64_t tenth = (now - rate.begun_us) * 10 / rate.length_us;
        add(&rate.accepted, now - c->due_us);
        rate.by_tenth[tenth > 9 ? 9 : tenth]++;
    } else if (c->status == 503 || c->status == 429) {
        add(&rate.refused, now - c->due_us);
        rate.n_silent_refusals += !c->says_when;
    } else {
        rate.n_other++;
    }
    const char *connection = field(c, "connection");
    const bool ends = connection && strncmp(connection, " close", 6) == 0;
    c->head_size = 0;
    c->body_left = -1;
    if (ends) reopen(c);
    free_client(c);
}

static void read_answers(client *c) {
    static char data[READ_BYTES];
    const ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        rate.n_other += c->busy;
        const bool was_busy = c->busy;
        reopen(c);
        if (was_busy) free_client(c);
        return;
    }
    size_t at = take_head(c, data, (size_t)n);
    if (c->body_left < 0) return;
    c->body_left -= (int64_t)((size_t)n - at);
    if (c->body_left == 0) end_answer(c);
}

/* All pairs of A and B in an order in which each second of a run has small and large ones: its requests cost the same throughout. */
static void fill(const char *target, int64_t n, char *path, size_t size) {
    const int64_t pair = (rate.first_pair + n) * PAIR_STEP % (VALUES * VALUES);
    size_t used = 0;
    while (*target && used < size - 24) {
        const bool a = strncmp(target, "{A}", 3) == 0, b = strncmp(target, "{B}", 3) == 0;
        if (a || b) {
            used += (size_t)snprintf(path + used, size - used, "%d",
                                     (int)((a ? pair : pair / VALUES) % VALUES) + 1);
            target += 3;
        } else {
            path[used++] = *target++;
        }
    }
    path[used] = '\0';
}

static void send_due(const char *target, int64_t due_us) {
    char text[1024], path[512];
    client *c = rate.free;
    if (!c) {
        rate.n_unsent++;
        return;
    }
    rate.free = c->next_free;
    fill(target, rate.n_sent, path, sizeof path);
    const int size =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    c->busy = true;
    c->due_us = due_us;
    rate.n_sent++;
    if (!send_text(c, text, (size_t)size)) { /* it was closed while it was idle */
        reopen(c);
        (void)send_text(c, text, (size_t)size);
    }
}

static void run_rate(const char *target, double per_second, double seconds, int n) {
    struct epoll_event events[EVENTS];
    client *clients = calloc((size_t)n, sizeof *clients);
    if (!clients) die("memory");
    for (int i = 0; i < n; i++) {
        open_connection(&clients[i]);
        free_client(&clients[i]);
    }
    rate.begun_us = now_us(CLOCK_MONOTONIC);
    rate.first_pair = rate.begun_us % (VALUES * VALUES);
    rate.length_us = (int64_t)(seconds * 1e6);
    int64_t k = 0;
    for (;;) {
        const int64_t now = now_us(CLOCK_MONOTONIC) - rate.begun_us;
        int64_t due;
        while ((due = (int64_t)((double)k * 1e6 / per_second)) <= now && due < rate.length_us) {
            send_due(target, rate.begun_us + due);
            k++;
        }
        if (now > rate.length_us + 2000000) break; /* what is still on its way had its time */
        const int64_t wait_us = due < rate.length_us ? due - now : 100000;
        /* In steps of a millisecond: what is due by then goes together, and its delay counts as the server's. */
        const int got =
            epoll_wait(epoll_fd, events, EVENTS, wait_us > 0 ? (int)(wait_us / 1000) + 1 : 0);
        for (int i = 0; i < got; i++) read_answers(events[i].data.ptr);
    }
    int64_t n_open = 0;
    for (int i = 0; i < n; i++) n_open += clients[i].busy;
    printf("{\"sent\":%" PRId64 ",\"unsent\":%" PRId64 ",\"other\":%" PRId64
           ",\"unanswered\":%" PRId64 ",\"reconnects\":%" PRId64
           ",\"refused_without_retry_after\":%" PRId64 ",\"seconds\":%.3f,",
           rate.n_sent, rate.n_unsent, rate.n_other, n_open, rate.n_reconnects,
           rate.n_silent_refusals, seconds);
    printf("\"accepted_by_tenth\":[");
    for (int i = 0; i < 10; i++) printf("%s%" PRId64, i ? "," : "", rate.by_tenth[i]);
    printf("],");
    print_durations("accepted", &rate.accepted);
    printf(",");
    print_durations("refused", &rate.refused);
    printf("}\n");
}

/* ---- streams of events ---- */

static struct {
    durations late;
    int64_t n_events, n_lost, n_twice, n_cuts, n_refused;
    int64_t raised_us[RAISES]; /* monotonic, by number */
    int64_t n_raised;
    bool by_raise;
    const char *target;
    double cuts;
} stream;

static void ask(client *c) {
    char text[1024];
    int size = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s\r\n",
                        stream.target, c->last_id[0] ? "Last-Event-ID: " : "", c->last_id,
                        c->last_id[0] ? "\r\n" : "");
    open_connection(c);
    c->line_size = 0;
    if (!send_text(c, text, (size_t)size)) die("send");
}

/* Microseconds of UTC in "2026-11-30T15:39:24.123456Z", or -1. */
static int64_t read_time(const char *text) {
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest) return -1;
    int64_t us = (int64_t)timegm(&tm) * 1000000, unit = 100000;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10) us += (*rest - '0') * unit;
    return us;
}

static void take_number(client *c, int64_t number, int64_t late_us) {
    if (c->number && number <= c->number) stream.n_twice++;
    if (c->number && number > c->number + 1) stream.n_lost += number - c->number - 1;
    if (number > c->number) c->number = number;
    add(&stream.late, late_us > 0 ? late_us : 0);
}

/* A line of an event; those of chunks (a length in hexadecimal, "\r\n") look like none. */
static void take_line(client *c, const char *line) {
    if (strncmp(line, "id: ", 4) == 0) {
        (void)snprintf(c->id, sizeof c->id, "%s", line + 4);
    } else if (strncmp(line, "data: ", 6) == 0) {
        stream.n_events++;
        c->seen++;
        const char *data = line + 6, *n = strstr(data, "\"n\":");
        if (stream.by_raise && n) {
            const int64_t number = atoll(n + 4);
            const int64_t since = number < RAISES ? stream.raised_us[number] : 0;
            /* What was raised before this stream came first, or while it was cut off, is not late. */
            take_number(c, number,
                        since ? now_us(CLOCK_MONOTONIC) - (since > c->due_us ? since : c->due_us)
                              : 0);
        } else if (*data == '"') {
            const int64_t at = read_time(data + 1), now = now_us(CLOCK_REALTIME);
            const int64_t from = now - (now_us(CLOCK_MONOTONIC) - c->due_us);
            if (at >= 0) take_number(c, atoll(c->id + 2), now - (at > from ? at : from));
        }
    } else if (!*line && c->id[0]) { /* the event is complete */
        (void)snprintf(c->last_id, sizeof c->last_id, "%s", c->id);
        c->id[0] = '\0';
    }
}

/* False: the stream has ended. */
static bool read_events(client *c) {
    static char data[READ_BYTES];
    const ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    for (size_t i = take_head(c, data, (size_t)n); i < (size_t)n; i++) {
        if (c->status != 200) {
            stream.n_refused++;
            return false;
        }
        if (data[i] != '\n') {
            if (c->line_size < LINE_BYTES - 1) c->line[c->line_size++] = data[i];
            continue;
        }
        c->line[c->line_size] = '\0';
        const bool of_chunk = c->line_size > 0 && c->line[c->line_size - 1] == '\r';
        const bool ends = of_chunk && strcmp(c->line, "0\r") == 0;
        if (!of_chunk) take_line(c, c->line);
        c->line_size = 0;
        if (ends) return false;
    }
    return true;
}

static void cut(client *c) {
    const struct linger reset = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(c->fd);
    c->id[0] = '\0';
    stream.n_cuts++;
    c->due_us = now_us(CLOCK_MONOTONIC);
    ask(c);
}

static void raise_number(const char *target) {
    static client raiser = {.fd = -1};
    char text[512], data[READ_BYTES];
    if (raiser.fd < 0) {
        struct epoll_event ignored = {0};
        open_connection(&raiser);
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, raiser.fd, &ignored);
    }
    while (recv(raiser.fd, data, sizeof data, 0) > 0) { /* the answers to those before */
    }
    const int size =
        snprintf(text, sizeof text,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n", target);
    if (stream.n_raised + 1 < RAISES) stream.raised_us[++stream.n_raised] = now_us(CLOCK_MONOTONIC);
    if (!send_text(&raiser, text, (size_t)size)) die("send");
}

static void run_events(int n, double seconds, const char *raise_target) {
    struct epoll_event events[EVENTS];
    client *clients = calloc((size_t)n, sizeof *clients);
    if (!clients) die("memory");
    stream.by_raise = raise_target[0] != '\0';
    for (int i = 0; i < n; i++) {
        clients[i].due_us = now_us(CLOCK_MONOTONIC);
        ask(&clients[i]);
    }
    const int64_t begun_us = now_us(CLOCK_MONOTONIC), length_us = (int64_t)(seconds * 1e6);
    int64_t n_steps = 0, n_open = n;
    double owed = 0;
    /* The last second is for what is on its way: nothing is raised or cut any more. */
    for (int64_t now; (now = now_us(CLOCK_MONOTONIC) - begun_us) < length_us && n_open > 0;) {
        if (now >= n_steps * 100000) {
            n_steps++;
            if (stream.by_raise && now < length_us - 1000000) raise_number(raise_target);
            for (owed += now < length_us - 1000000 ? stream.cuts / 10 : 0; owed >= 1; owed--) {
                client *c = &clients[random() % n];
                if (c->fd >= 0) cut(c);
            }
        }
        const int64_t wait_us = n_steps * 100000 - (now_us(CLOCK_MONOTONIC) - begun_us);
        const int got =
            epoll_wait(epoll_fd, events, EVENTS, wait_us > 0 ? (int)(wait_us / 1000) + 1 : 0);
        for (int i = 0; i < got; i++) {
            client *c = events[i].data.ptr;
            if (c->fd < 0 || read_events(c)) continue;
            close(c->fd);
            c->fd = -1;
            n_open--;
        }
    }
    int64_t least = INT64_MAX, most = 0, behind = 0;
    for (int i = 0; i < n; i++) {
        if (clients[i].seen < least) least = clients[i].seen;
        if (clients[i].seen > most) most = clients[i].seen;
        if (stream.by_raise && clients[i].number < stream.n_raised)
            behind += stream.n_raised - clients[i].number;
    }
    printf("{\"streams\":%d,\"open\":%" PRId64 ",\"refused\":%" PRId64 ",\"events\":%" PRId64
           ",\"least\":%" PRId64 ",\"most\":%" PRId64 ",\"lost\":%" PRId64 ",\"twice\":%" PRId64
           ",\"cuts\":%" PRId64 ",\"seconds\":%.3f,",
           n, n_open, stream.n_refused, stream.n_events, least, most, stream.n_lost + behind,
           stream.n_twice, stream.n_cuts, (double)(now_us(CLOCK_MONOTONIC) - begun_us) / 1e6);
    print_durations("late", &stream.late);
    printf("}\n");
}

int main(int argc, char **argv) {
    struct rlimit limit;
    const bool is_rate = argc == 7 && strcmp(argv[1], "rate") == 0;
    const bool is_events = argc == 8 && strcmp(argv[1], "events") == 0;
    if (!is_rate && !is_events) return fprintf(stderr, "see the head of bench/http_load.c\n"), 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    srandom(1);
    port = atoi(argv[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) die("epoll_create1");
    if (is_rate) {
        run_rate(argv[3], strtod(argv[4], NULL), strtod(argv[5], NULL), atoi(argv[6]));
    } else {
        stream.target = argv[3];
        stream.cuts = strtod(argv[6], NULL);
        run_events(atoi(argv[4]), strtod(argv[5], NULL), argv[7]);
    }
    return 0;
}
