/* test_remote.c -- a worker of another host, played by the test: offsets, jobs, leaving, silence, files, and paths that are opened elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "run/job/frame.h"
#include "run/job/job_message.h"
#include "run/job/mapped_io.h"
#include "run/job/remote.h"
#include "unit/job/plant_jobs.h"

static mw_err err;
static char id[MW_REMOTE_ID_BYTES];
static const char who[] = "key:test";

static const mw_remote_offer offer = {
    .who = who, .program = MW_VERSION, .name = "edge/1", .folder = "/slot", .threads = 3};

/* A server that has no processes of its own. */
static void begin_remote(server *s, int64_t lease_us) {
    begin_with(s, 0, lease_us);
    s->jobs = mw_jobs_stop(s->jobs, 0);
    s->options.n_remote = 2;
    s->options.max_retries = 3;
    assert_ok(mw_jobs_start(&s->acme, &s->options, &s->jobs, &err));
}

static uint64_t send_frames(server *s, uint64_t at, mw_buf *frames) {
    uint64_t now = 0;
    assert_ok(mw_remote_send(s->jobs, id, who, at, mw_buf_str(frames), &now, &err));
    mw_buf_clear(frames);
    return now;
}

/* The first bytes for the worker, without a waiter; it looks until there are some. */
static uint64_t receive(server *s, uint64_t at, mw_buf *out) {
    for (int i = 0; i < 2000 * (int)slowness() && out->size == 0; i++) {
        assert_ok(mw_remote_receive(s->jobs, id, who, at, out, &err));
        if (out->size == 0) nap(5);
    }
    assert_true(out->size > 0);
    return at + out->size;
}

MW_TEST(offers) {
    server s;
    begin_remote(&s, 0);
    mw_remote_offer other = offer;
    other.program = "0.0.1";
    assert_int_equal(mw_remote_open(s.jobs, &other, id, &err), MW_ECONFLICT);
    assert_non_null(strstr(err.message, "0.0.1"));
    assert_non_null(strstr(err.message, MW_VERSION));
    other = offer;
    other.folder = "relative";
    assert_int_equal(mw_remote_open(s.jobs, &other, id, &err), MW_EINVAL);
    char first[MW_REMOTE_ID_BYTES];
    assert_ok(mw_remote_open(s.jobs, &offer, first, &err));
    assert_ok(mw_remote_open(s.jobs, &offer, id, &err));
    assert_string_not_equal(first, id);
    assert_int_equal(mw_remote_open(s.jobs, &offer, id, &err), MW_EBUSY);
    assert_ok(mw_remote_close(s.jobs, first, who, &err));
    assert_int_equal(mw_remote_close(s.jobs, first, who, &err), MW_ENOTFOUND);
    assert_ok(mw_remote_open(s.jobs, &offer, first, &err));
    assert_int_equal(mw_remote_close(s.jobs, first, "key:other", &err), MW_ENOTFOUND);
    mw_remote_stop(s.jobs);
    assert_int_equal(mw_remote_open(s.jobs, &offer, id, &err), MW_EBUSY);
    end(&s);
}

MW_TEST(a_job_by_hand) {
    server s;
    mw_buf in, out;
    uint64_t sent = 0, again = 0;
    begin_remote(&s, 0);
    mw_buf_init(&in, NULL, 1 << 20);
    mw_buf_init(&out, NULL, 1 << 20);
    const char *job = submit(&s, &s.acme, "plain", "{\"text\":\"x\"}");
    assert_ok(mw_remote_open(s.jobs, &offer, id, &err));
    uint64_t read = receive(&s, 0, &in);
    assert_int_equal(in.data[3], MW_FRAME_WORK);
    assert_non_null(strstr(in.data + MW_FRAME_HEAD, "\"work_path\":\"/slot/work\""));
    assert_non_null(strstr(in.data + MW_FRAME_HEAD, "\"threads\":3"));
    assert_non_null(strstr(in.data + MW_FRAME_HEAD, "\"files_to\":\"/slot/in\""));
    mw_buf once;
    mw_buf_init(&once, NULL, 1 << 20);
    assert_ok(mw_remote_receive(s.jobs, id, who, 0, &once, &err)); /* the answer was lost */
    assert_int_equal(once.size, in.size);
    mw_buf_clear(&once);
    assert_ok(mw_remote_receive(s.jobs, id, who, read, &once, &err));
    assert_int_equal(once.size, 0);
    assert_int_equal(mw_remote_receive(s.jobs, id, who, 0, &once, &err), MW_ECONFLICT);
    assert_int_equal(mw_remote_receive(s.jobs, id, who, read + 1, &once, &err), MW_ECONFLICT);
    mw_buf_done(&once);

    mw_progress_note note;
    mw_progress_note_set(&note, "by hand", 1, 2);
    mw_message_progress(&out, &note);
    mw_str progress = mw_buf_str(&out);
    assert_ok(mw_remote_send(s.jobs, id, who, 0, (mw_str){progress.data, 5}, &sent, &err));
    assert_int_equal(sent, 5);
    assert_ok(mw_remote_send(s.jobs, id, who, 0, progress, &sent, &err)); /* five came before */
    assert_int_equal(sent, progress.size);
    assert_ok(mw_remote_send(s.jobs, id, who, 2, (mw_str){progress.data + 2, 3}, &again, &err));
    assert_int_equal(again, sent);
    assert_int_equal(mw_remote_send(s.jobs, id, who, sent + 1, progress, &again, &err),
                     MW_ECONFLICT);
    assert_int_equal(mw_remote_send(s.jobs, id, "key:other", sent, progress, &again, &err),
                     MW_ENOTFOUND);
    mw_buf_clear(&out);
    wait_until_state(&s, &s.acme, job, MW_JOB_PROGRESS);
    mw_frame_write(&out, MW_FRAME_RESULT, MW_STR("{\"done\":\"elsewhere\"}"));
    mw_frame_write(&out, MW_FRAME_IDLE, (mw_str){"", 0});
    sent = send_frames(&s, sent, &out);
    mw_job_record record = wait_for(&s, &s.acme, job);
    assert_int_equal(record.state, MW_JOB_SUCCESS);
    assert_string_equal(record.result, "{\"done\":\"elsewhere\"}");

    /* The same worker goes on, for another organization. Its process dies, and it is tried again. */
    job = submit(&s, &s.globex, "plain", "{\"text\":\"y\"}");
    mw_buf_clear(&in);
    read = receive(&s, read, &in);
    assert_non_null(strstr(in.data + MW_FRAME_HEAD, "\"org\":\"globex\""));
    mw_message_died(&out, "was killed by signal 9 (Killed)");
    sent = send_frames(&s, sent, &out);
    wait_until_state(&s, &s.globex, job, MW_JOB_RETRY);
    record = get(&s, &s.globex, job);
    assert_int_equal(record.attempts, 1);
    assert_non_null(strstr(record.error, "the worker was killed by signal 9 (Killed) while"));

    /* BYE without an answer gives it back: no attempt. */
    mw_buf_clear(&in);
    (void)receive(&s, read, &in);
    assert_ok(mw_remote_close(s.jobs, id, who, &err));
    wait_until_state(&s, &s.globex, job, MW_JOB_RETRY);
    assert_int_equal(get(&s, &s.globex, job).attempts, 1);
    mw_buf_done(&in);
    mw_buf_done(&out);
    end(&s);
}

MW_TEST(silence_ends_a_worker) {
    server s;
    mw_buf in;
    begin_remote(&s, 300 * MS * slowness());
    mw_buf_init(&in, NULL, 1 << 20);
    assert_ok(mw_remote_open(s.jobs, &offer, id, &err));
    const char *job = submit(&s, &s.acme, "plain", "{\"text\":\"x\"}");
    (void)receive(&s, 0, &in);
    mw_buf_done(&in);
    wait_until_state(&s, &s.acme, job, MW_JOB_RETRY);
    uint64_t at;
    assert_int_equal(mw_remote_send(s.jobs, id, who, 0, MW_STR("x"), &at, &err), MW_ENOTFOUND);
    end(&s);
}

static void count(void *arg) { atomic_fetch_add((_Atomic int *)arg, 1); }

MW_TEST(waiting) {
    server s;
    static _Atomic int n;
    begin_remote(&s, 600 * MS * slowness());
    assert_ok(mw_remote_open(s.jobs, &offer, id, &err));
    assert_false(mw_remote_wait(s.jobs, "none", who, 0, count, &n));
    assert_false(mw_remote_wait(s.jobs, id, who, 7, count, &n)); /* an error is told at once */
    assert_int_equal(n, 0);
    assert_true(mw_remote_wait(s.jobs, id, who, 0, count, &n));
    assert_true(mw_remote_wait(s.jobs, id, who, 0, count, &n)); /* the one before is let go */
    assert_int_equal(n, 1);
    while (n < 2) nap(5); /* its time is over */
    assert_true(mw_remote_wait(s.jobs, id, who, 0, count, &n));
    (void)submit(&s, &s.acme, "plain", "{\"text\":\"x\"}");
    while (n < 3) nap(5); /* a job for it */
    assert_false(mw_remote_wait(s.jobs, id, who, 0, count, &n));
    mw_remote_stop(s.jobs);
    assert_int_equal(n, 3);
    end(&s);
}

MW_TEST(paths_are_opened_elsewhere) {
    mw_mapped_io mapped;
    mw_ctx ctx;
    mw_dir *dir, *below;
    const char *name;
    char path[512];
    struct stat info;
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, data_path(), MW_DIR_CREATE, &dir, &err));
    assert_ok(mw_dir_below(&ctx, dir, "in/a/b.csv", MW_DIR_CREATE, &below, &name, &err));
    assert_string_equal(name, "b.csv");
    assert_ok(mw_file_replace(&ctx, below, name, "x", 1, &err));
    mw_dir_close(below);
    static const char *const bad[] = {"../x", "/x", "a/../x", "a//x", "a/",
                                      "",     ".",  "in/.",   "in/.."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(mw_dir_below(&ctx, dir, bad[i], MW_DIR_CREATE, &below, &name, &err),
                         MW_EINVAL);
    (void)snprintf(path, sizeof path, "%s/link", data_path());
    (void)unlink(path);
    assert_int_equal(symlink("/etc", path), 0);
    assert_int_not_equal(
        mw_dir_below(&ctx, dir, "link/passwd", MW_DIR_MUST_EXIST, &below, &name, &err), MW_OK);
    (void)snprintf(path, sizeof path, "%s/in", data_path());
    mw_mapped_io_init(&mapped, "/srv/data", path);
    const mw_io *io = &mapped.io;
    assert_int_equal(io->stat(io->self, AT_FDCWD, "/srv/data/a/b.csv", &info, 0), 0);
    int fd = io->open(io->self, AT_FDCWD, "/srv/data/a/b.csv", O_RDONLY, 0);
    assert_true(fd >= 0);
    io->close(io->self, fd);
    fd = io->open(io->self, mw_dir_fd(dir), "in", O_RDONLY | O_DIRECTORY, 0);
    assert_true(fd >= 0); /* in a folder that is open */
    io->close(io->self, fd);
    static const char *const others[] = {"/etc/passwd", "/srv/database", "a", "/srv"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(io->open(io->self, AT_FDCWD, others[i], O_RDONLY, 0), -1);
        assert_int_equal(errno, EACCES);
    }
    assert_int_equal(io->stat(io->self, AT_FDCWD, "/srv/data/none", &info, 0), -1);
    assert_int_equal(errno, ENOENT);
    mw_dir_close(dir);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "worker") == 0) return mw_worker_main(kinds);
    static const mw_test tests[] = {MW_RUN(offers), MW_RUN(a_job_by_hand),
                                    MW_RUN(silence_ends_a_worker), MW_RUN(waiting),
                                    MW_RUN(paths_are_opened_elsewhere)};
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
