/*
 * worker.c -- the other side of the protocol: main of `millwright worker`.
 *
 * Three threads: this one works; a reader hands it WORK, turns CANCEL into the cancel flag and the end of the
 * stream (the server died) into an immediate exit; a beater sends the newest progress ten times a
 * second when it changed, and otherwise often enough to keep the lease. Whatever happens, at most
 * one answer is sent for each job.
 *
 * After a job that left nothing behind it offers to take another one (IDLE); after trouble, much memory or many jobs it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/threads.h"
#include "run/job/job.h"
#include "run/job/job_message.h"
#include "run/job/mapped_io.h"

enum { FD_IN = 3, FD_OUT = 4, READ_BYTES = 65536, NICENESS = 5 };
enum { NOTE_EVERY_US = 100000, STAGE_EVERY_US = 20000 };
enum { JOBS_A_PROCESS = 1000, STAYS_BELOW_KB = 96 << 10, TASKS_AHEAD = 256 };

/* The payload of a WORK frame. */
typedef struct mw_task {
    struct mw_task *next;
    size_t size;
    char payload[];
} mw_task;

typedef struct mw_worker {
    mw_cancel cancel;
    mw_frame_reader reader;

    pthread_mutex_t out_mutex; /* one frame at a time on FD_OUT */

    pthread_mutex_t note_mutex; /* guards the fields below */
    pthread_cond_t note_wake;
    mw_progress_note note;
    bool note_is_new, stage_is_new, stop;
    int64_t heartbeat_us;

    pthread_mutex_t work_mutex; /* guards the fields below */
    pthread_cond_t work_wake;
    mw_task *first, **last; /* payloads of WORK that have come, until they are taken */
    size_t n_tasks;
    bool busy;
    mw_frame_type unexpected; /* came in place of WORK; 0: nothing did */
} mw_worker;

/* One job at a time: the signal handler needs to find the flag. */
static mw_worker worker;

static void on_term(int signal_number) {
    (void)signal_number;
    atomic_store(&worker.cancel.requested, true);
}

/* ---- sending ---- */

static void send_bytes(const char *data, size_t size) {
    while (size > 0) {
        ssize_t n = write(FD_OUT, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) _exit(mw_status_exit(MW_EIO)); /* the server has gone */
        data += n;
        size -= (size_t)n;
    }
}

static bool send_frames(mw_buf *frames) {
    bool good = frames->failed == MW_OK;
    if (good) {
        pthread_mutex_lock(&worker.out_mutex);
        send_bytes(mw_buf_text(frames), frames->size);
        pthread_mutex_unlock(&worker.out_mutex);
    }
    mw_buf_done(frames);
    return good;
}

static mw_buf new_frames(void) {
    mw_buf frames;
    mw_buf_init(&frames, &mw_mem_process, ((size_t)MW_LIMIT(FRAME_BYTES) + MW_FRAME_HEAD) * 2);
    return frames;
}

static void send_log(void *self, mw_log_level level, const char *message) {
    (void)self;
    mw_buf frames = new_frames();
    mw_message_log(&frames, level, message);
    (void)send_frames(&frames);
}

/* An answer must not depend on memory being left: the text of this frame is fixed. */
static void send_last_resort(void) {
    static const char json[] =
        "{\"code\":\"ENOMEM\",\"message\":\"not enough memory to send the result\","
        "\"hint\":\"use less data at once or raise the memory ceiling\","
        "\"pointer\":\"\"}";
    const char head[MW_FRAME_HEAD] = {
        'M', 'W', MW_FRAME_VERSION, MW_FRAME_ERROR, (char)(sizeof json - 1), 0, 0, 0};
    _Static_assert(sizeof json - 1 < 256, "the length fits its first byte");
    pthread_mutex_lock(&worker.out_mutex);
    send_bytes(head, sizeof head);
    send_bytes(json, sizeof json - 1);
    pthread_mutex_unlock(&worker.out_mutex);
}

/* Whether it stays, which it cannot when there is no memory to say so. */
static bool send_answer(mw_status status, const mw_buf *result, const mw_err *error, bool stays) {
    mw_buf frames = new_frames();
    if (status == MW_OK)
        mw_frame_write(&frames, MW_FRAME_RESULT,
                       result->size ? mw_buf_str(result) : MW_STR("null"));
    else
        mw_message_error(&frames, error);
    if (frames.failed == MW_ETOOLARGE) {
        mw_err large;
        mw_buf_clear(&frames);
        mw_fail(&large, MW_ETOOLARGE, "the result is larger than %lld bytes",
                (long long)MW_LIMIT(FRAME_BYTES));
        mw_message_error(&frames, &large);
    }
    mw_frame_write(&frames, stays ? MW_FRAME_IDLE : MW_FRAME_BYE, (mw_str){"", 0});
    if (send_frames(&frames)) return stays;
    send_last_resort();
    return false;
}

/* ---- progress ---- */

static void report(void *self, const char *stage, double done, double total) {
    (void)self;
    pthread_mutex_lock(&worker.note_mutex);
    bool other = strncmp(worker.note.stage, stage, sizeof worker.note.stage - 1) != 0;
    mw_progress_note_set(&worker.note, stage, done, total);
    worker.note_is_new = true;
    if (other && !worker.stage_is_new) {
        worker.stage_is_new = true; /* said at once: a crash report names the stage */
        pthread_cond_signal(&worker.note_wake);
    }
    pthread_mutex_unlock(&worker.note_mutex);
}

static void send_note(const mw_progress_note *note) {
    mw_buf frames = new_frames();
    mw_message_progress(&frames, note);
    (void)send_frames(&frames);
}

/* How long until the next PROGRESS is due; 0: now. Called with the mutex held. */
static int64_t note_wait_us(int64_t since_us) {
    int64_t gap_us = worker.stage_is_new  ? STAGE_EVERY_US
                     : worker.note_is_new ? NOTE_EVERY_US
                                          : worker.heartbeat_us;
    if (gap_us > worker.heartbeat_us) gap_us = worker.heartbeat_us;
    return since_us < gap_us ? gap_us - since_us : 0;
}

static void wait_note(int64_t wait_us) {
    if (wait_us > NOTE_EVERY_US) wait_us = NOTE_EVERY_US; /* new shares do not wake us */
    mw_cond_wait_us(&worker.note_wake, &worker.note_mutex, wait_us);
}

static void *beat_main(void *unused) {
    (void)unused;
    int64_t sent_us = 0;
    pthread_mutex_lock(&worker.note_mutex);
    while (!worker.stop) {
        int64_t now_us = mw_clock_monotonic(&mw_clock_system);
        int64_t wait_us = note_wait_us(now_us - sent_us);
        if (wait_us > 0) {
            wait_note(wait_us);
            continue;
        }
        mw_progress_note note = worker.note;
        worker.note_is_new = worker.stage_is_new = false;
        sent_us = now_us;
        pthread_mutex_unlock(&worker.note_mutex);
        send_note(&note);
        pthread_mutex_lock(&worker.note_mutex);
    }
    pthread_mutex_unlock(&worker.note_mutex);
    return NULL;
}

/* ---- receiving ---- */

/* The next frame, waiting for it; false when the stream ended. */
static bool receive(mw_frame *frame, mw_err *err) {
    char bytes[READ_BYTES];
    for (;;) {
        bool got = false;
        if (mw_frame_next(&worker.reader, frame, &got, err) != MW_OK) return false;
        if (got) return true;
        ssize_t n = read(FD_IN, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            mw_fail(err, MW_EIO, "the server has gone");
            return false;
        }
        if (mw_frame_feed(&worker.reader, bytes, (size_t)n, err) != MW_OK) return false;
    }
}

static void hand_over(const mw_frame *frame) {
    pthread_mutex_lock(&worker.work_mutex);
    if (frame->type == MW_FRAME_WORK && worker.n_tasks < TASKS_AHEAD) {
        mw_task *task = mw_alloc(&mw_mem_process, sizeof *task + frame->payload.size);
        if (!task) {
            _exit(mw_status_exit(MW_ENOMEM));
            return; /* as an analyzer does not see */
        }
        task->next = NULL;
        task->size = frame->payload.size;
        memcpy(task->payload, frame->payload.data, task->size);
        *worker.last = task;
        worker.last = &task->next;
        worker.n_tasks++;
    } else {
        worker.unexpected = frame->type;
    }
    pthread_cond_signal(&worker.work_wake);
    pthread_mutex_unlock(&worker.work_mutex);
}

/* What has not begun is not done here. */
static void give_back(void) {
    pthread_mutex_lock(&worker.work_mutex);
    mw_task *task = worker.first;
    const int64_t n = (int64_t)worker.n_tasks;
    worker.first = NULL;
    worker.last = &worker.first;
    worker.n_tasks = 0;
    pthread_mutex_unlock(&worker.work_mutex);
    while (task) {
        mw_task *next = task->next;
        mw_free(task);
        task = next;
    }
    mw_buf frames = new_frames();
    mw_message_back(&frames, n);
    if (!send_frames(&frames)) _exit(mw_status_exit(MW_ENOMEM));
}

static void *read_main(void *unused) {
    (void)unused;
    mw_frame frame;
    mw_err err;
    while (receive(&frame, &err)) {
        if (frame.type == MW_FRAME_CANCEL)
            atomic_store(&worker.cancel.requested, true);
        else if (frame.type == MW_FRAME_RECALL)
            give_back();
        else
            hand_over(&frame);
    }
    pthread_mutex_lock(&worker.work_mutex);
    const bool busy = worker.busy || worker.first;
    pthread_mutex_unlock(&worker.work_mutex);
    _exit(busy ? mw_status_exit(MW_EIO) : 0); /* nobody is left to work for */
}

/* The next WORK's payload (mw_free it). Requests to stop were meant for the job before. */
static mw_status wait_for_work(mw_task **ret, mw_err *err) {
    pthread_mutex_lock(&worker.work_mutex);
    while (!worker.first && !worker.unexpected)
        pthread_cond_wait(&worker.work_wake, &worker.work_mutex);
    mw_task *task = worker.first;
    const mw_frame_type unexpected = task ? 0 : worker.unexpected;
    if (task) {
        worker.first = task->next;
        if (!worker.first) worker.last = &worker.first;
        worker.n_tasks--;
    }
    *ret = task;
    worker.busy = true;
    atomic_store(&worker.cancel.requested, false);
    pthread_mutex_unlock(&worker.work_mutex);
    if (!unexpected) return MW_OK;
    return mw_fail(err, MW_EPARSE, "WORK was expected, not %s", mw_frame_name(unexpected));
}

static bool has_tasks(void) {
    pthread_mutex_lock(&worker.work_mutex);
    const bool has = worker.first != NULL;
    pthread_mutex_unlock(&worker.work_mutex);
    return has;
}

static void be_idle(void) {
    pthread_mutex_lock(&worker.work_mutex);
    worker.busy = false;
    pthread_mutex_unlock(&worker.work_mutex);
}

/* ---- the job ---- */

static const mw_job_kind *find_kind(const mw_job_kind *kinds, const char *name) {
    for (; kinds->name; kinds++)
        if (strcmp(kinds->name, name) == 0) return kinds;
    return NULL;
}

static mw_status do_work(const mw_job_kind *kind, const mw_work *work, const mw_ctx *ctx,
                         mw_buf *result, mw_err *err) {
    if (!kind) return mw_fail(err, MW_EINTERNAL, "this program knows no job kind %s", work->kind);
    mw_dir *dir = NULL;
    mw_ctx elsewhere = *ctx;
    mw_mapped_io mapped;
    mw_status status =
        kind->light ? MW_OK : mw_dir_open(ctx, work->work_path, MW_DIR_MUST_EXIST, &dir, err);
    if (work->files_from && work->files_to) {
        mw_mapped_io_init(&mapped, work->files_from, work->files_to);
        elsewhere.io = &mapped.io;
    }
    if (status == MW_OK) status = kind->work(&elsewhere, work->payload, dir, result, err);
    if (status == MW_OK) status = mw_buf_status(result, "the result of a job", err);
    mw_dir_close(dir);
    return status;
}

static mw_status run_job(const mw_job_kind *kinds, const mw_work *work, mw_mem *mem, mw_buf *result,
                         mw_err *err) {
    mw_log_level level = MW_LOG_INFO;
    const char *wanted = getenv("LOG_LEVEL");
    if (wanted) (void)mw_log_level_parse(wanted, &level);
    const mw_log_options log_options = {.level = level, .write = send_log};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    ctx.org = work->org;
    ctx.job_id = work->id;
    ctx.mem = mem;
    ctx.cancel = &worker.cancel;
    ctx.progress = (mw_progress){report, NULL};
    ctx.seed = work->seed;
    mw_status status = mw_log_open(&log_options, &ctx.log, err);
    const mw_job_kind *kind = find_kind(kinds, work->kind);
    if (status == MW_OK && !(kind && kind->light))
        status = mw_pool_new(mem, work->threads, &ctx.pool, err);
    if (status == MW_OK) status = do_work(kind, work, &ctx, result, err);
    ctx.pool = mw_pool_free(ctx.pool);
    ctx.log = mw_log_close(ctx.log);
    return status;
}

static void start_thread(pthread_t *ret, void *(*run)(void *)) {
    if (mw_thread_start(ret, run, NULL) != 0) _exit(mw_status_exit(MW_ENOMEM));
}

static void stop_beater(pthread_t beater) {
    pthread_mutex_lock(&worker.note_mutex);
    worker.stop = true;
    pthread_cond_signal(&worker.note_wake);
    pthread_mutex_unlock(&worker.note_mutex);
    pthread_join(beater, NULL);
    worker.stop = worker.note_is_new = worker.stage_is_new = false;
    mw_progress_note_set(&worker.note, "starting", 0, 0);
}

/* ---- the process ---- */

/* Serving goes before training: for the processor, and when the kernel runs out of memory. */
static void be_modest(void) {
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    const mw_io *io = &mw_io_system;
    int fd = io->open(io->self, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return;
    (void)io->write(io->self, fd, "500", 3);
    (void)io->close(io->self, fd);
}

/* What `ps -e` and `top` show: "mw idle", "mw train". */
static void take_name(const char *doing) {
    char name[16];
    (void)snprintf(name, sizeof name, "mw %.12s", doing);
    (void)prctl(PR_SET_NAME, name);
}

static bool set_up(void) {
    if (fcntl(FD_IN, F_SETFD, FD_CLOEXEC) != 0 || fcntl(FD_OUT, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    take_name("idle");
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGTERM, &term, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGINT, &ignore, NULL);
    be_modest();
    mw_cond_init(&worker.note_wake);
    pthread_cond_init(&worker.work_wake, NULL);
    pthread_mutex_init(&worker.out_mutex, NULL);
    pthread_mutex_init(&worker.note_mutex, NULL);
    pthread_mutex_init(&worker.work_mutex, NULL);
    mw_progress_note_set(&worker.note, "starting", 0, 0);
    mw_frame_reader_init(&worker.reader, &mw_mem_process);
    worker.last = &worker.first;
    return true;
}

/* It stopped at the first block that was too much: more may come after that. */
static void tell_need(const mw_mem *mem, mw_err *err) {
    const size_t mb = 1 << 20;
    char what[sizeof err->message];
    mw_str_copy(what, sizeof what, mw_str_of(err->message));
    (void)mw_fail(err, MW_ENOMEM, "%.*s: the job may take %zu MB and needs about %zu MB, or more",
                  (int)sizeof what - 96, what, mem->ceiling_bytes / mb,
                  (mw_mem_refused(mem) + mb - 1) / mb);
    mw_err_hint(err, "give it a larger memory_limit, or less data");
}

/* Whether a job left nothing behind that the next one could stumble over, or that a gateway box would miss. */
static bool may_stay(mw_status status, const mw_mem *mem) {
    static int n_jobs;
    struct rusage usage;
    if (++n_jobs >= JOBS_A_PROCESS && !has_tasks()) return false;
    if (mw_mem_used(mem) > 0) return false;
    if (status == MW_ENOMEM || status == MW_EINTERNAL) return false;
    return getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss < STAYS_BELOW_KB;
}

/* False: it is time to end. */
static bool run_and_answer(const mw_job_kind *kinds, const mw_work *work) {
    mw_mem mem;
    mw_buf result;
    mw_err err = {0};
    pthread_t beater;
    worker.heartbeat_us = work->heartbeat_us;
    take_name(work->kind);
    mw_mem_init(&mem, &mw_mem_process, (size_t)work->memory_bytes);
    mw_buf_init(&result, &mw_mem_process, (size_t)MW_LIMIT(FRAME_BYTES));
    send_note(&worker.note); /* before anything that could end this process is done */
    start_thread(&beater, beat_main);
    mw_status status = run_job(kinds, work, &mem, &result, &err);
    if (status == MW_ENOMEM && mw_mem_refused(&mem) > 0) tell_need(&mem, &err);
    stop_beater(beater); /* so that nothing follows the answer */
    take_name("idle");
    be_idle();
    const bool stays = send_answer(status, &result, &err, may_stay(status, &mem));
    mw_buf_done(&result);
    return stays;
}

/* The next job; false: it was the last one. */
static bool serve_one(const mw_job_kind *kinds) {
    mw_arena arena;
    mw_work work;
    mw_err err = {0};
    mw_task *task = NULL;
    bool stays = false;
    mw_arena_init(&arena, &mw_mem_process);
    mw_status status = wait_for_work(&task, &err);
    if (status == MW_OK)
        status = mw_message_read_work((mw_str){task->payload, task->size}, &arena, &work, &err);
    if (status == MW_OK)
        stays = run_and_answer(kinds, &work);
    else
        (void)send_answer(status, NULL, &err, false);
    mw_arena_done(&arena);
    mw_free(task);
    return stays;
}

int mw_worker_main(const mw_job_kind *kinds) {
    static const char not_ours[] =
        "millwright: `worker` alone is started by a server; by hand it takes --server URL\n";
    if (!set_up()) return write(STDERR_FILENO, not_ours, sizeof not_ours - 1) < 0 ? 1 : 2;
    mw_buf frames = new_frames();
    mw_message_hello(&frames);
    if (!send_frames(&frames)) return mw_status_exit(MW_ENOMEM);
    pthread_t reader;
    start_thread(&reader, read_main);
    (void)pthread_detach(reader);
    while (serve_one(kinds)) {
    }
    return 0;
}
