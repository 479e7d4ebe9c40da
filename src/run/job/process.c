/* process.c -- see process.h. */
#include "run/job/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/job/remote.h"

enum { FD_IN = 3, FD_OUT = 4, FD_FIRST_FREE = 10 };

/* A name, or a prefix that ends with '*'. First match decides. */
static const struct {
    const char *pattern;
    bool pass;
} environment_rules[] = {{"MILLWRIGHT_STORE", false},
                         {"MILLWRIGHT_BROKER", false},
                         {"MILLWRIGHT_ARTIFACTS", false},
                         {"MILLWRIGHT_API_KEY", false},
                         {"MILLWRIGHT_*", true},
                         {"MW_*", true},
                         {"ML_*", true},
                         {"AGG_INTERVAL", true},
                         {"N_JOBS", true},
                         {"LOG_LEVEL", true},
                         {"PATH", true},
                         {"HOME", true},
                         {"TMPDIR", true},
                         {"TZ", true},
                         {"TZDIR", true},
                         {"LD_LIBRARY_PATH", true},
                         {"ASAN_OPTIONS", true},
                         {"UBSAN_OPTIONS", true},
                         {"TSAN_OPTIONS", true},
                         {"LSAN_OPTIONS", true},
                         {"GCOV_*", true},
                         {"LLVM_PROFILE_FILE", true}};

static bool rule_matches(const char *pattern, const char *variable) {
    size_t n = strlen(pattern);
    if (pattern[n - 1] == '*') return strncmp(variable, pattern, n - 1) == 0;
    return strncmp(variable, pattern, n) == 0 && variable[n] == '=';
}

static bool passes(const char *variable) {
    for (size_t i = 0; i < sizeof environment_rules / sizeof *environment_rules; i++)
        if (rule_matches(environment_rules[i].pattern, variable)) return environment_rules[i].pass;
    return false;
}

char **mw_process_environment(mw_mem *mem, char *const *environment) {
    size_t n = 0, bytes = 0;
    for (char *const *at = environment; *at; at++) {
        if (!passes(*at)) continue;
        n++;
        bytes += strlen(*at) + 1;
    }
    char **list = mw_alloc(mem, (n + 1) * sizeof *list + bytes);
    if (!list) return NULL;
    char *text = (char *)(list + n + 1);
    size_t k = 0;
    for (char *const *at = environment; *at && k < n; at++) {
        if (!passes(*at)) continue;
        size_t size = strlen(*at) + 1;
        list[k++] = memcpy(text, *at, size);
        text += size;
    }
    list[k] = NULL;
    return list;
}

/* Both ends above the numbers that the child's are moved to, and closed by exec. */
static int make_pipe(int ends[2]) {
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) return errno;
    ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, FD_FIRST_FREE);
    int reason = errno;
    ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, FD_FIRST_FREE);
    if (ends[0] >= 0 && ends[1] < 0) reason = errno;
    close(low[0]);
    close(low[1]);
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return reason;
}

static int spawn(const char *executable, char *const *environment, int in_fd, int out_fd,
                 pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char name[] = "millwright", verb[] = "worker";
    char *const arguments[] = {name, verb, NULL};
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int reason = posix_spawn_file_actions_init(&actions);
    if (reason) return reason;
    reason = posix_spawnattr_init(&attributes);
    if (reason) {
        posix_spawn_file_actions_destroy(&actions);
        return reason;
    }
    reason = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!reason) reason = posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (!reason) reason = posix_spawn_file_actions_adddup2(&actions, in_fd, FD_IN);
    if (!reason) reason = posix_spawn_file_actions_adddup2(&actions, out_fd, FD_OUT);
    if (!reason) reason = posix_spawn_file_actions_addclosefrom_np(&actions, FD_OUT + 1);
    if (!reason) reason = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!reason) reason = posix_spawnattr_setsigmask(&attributes, &none);
    if (!reason) reason = posix_spawnattr_setpgroup(&attributes, 0);
    if (!reason)
        reason = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    if (!reason)
        reason = posix_spawn(pid, executable, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return reason;
}

static bool is_passing(int reason) {
    return reason == ENOMEM || reason == EAGAIN || reason == EMFILE || reason == ENFILE;
}

mw_status mw_process_start(const char *executable, char *const *environment, mw_process *ret,
                           mw_err *err) {
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    pid_t pid = 0;
    int reason = make_pipe(in);
    if (reason) return mw_fail_errno(err, reason, "cannot make a pipe for a worker");
    reason = make_pipe(out);
    if (!reason) {
        reason = spawn(executable, environment, in[0], out[1], &pid);
        if (reason) {
            close(out[0]);
            close(out[1]);
        }
    }
    if (reason) {
        close(in[0]);
        close(in[1]);
        const mw_status status = is_passing(reason) ? MW_EBUSY : MW_EINTERNAL;
        mw_fail_errno(err, reason, "cannot start a worker process");
        if (err) err->code = status;
        return status;
    }
    close(in[0]);
    close(out[1]);
    (void)fcntl(in[1], F_SETFL, O_NONBLOCK);
    (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    *ret = (mw_process){.pid = pid,
                        .process_fd = (int)syscall(SYS_pidfd_open, pid, 0),
                        .to_fd = in[1],
                        .from_fd = out[0],
                        .status = -1};
    if (ret->process_fd >= 0) (void)fcntl(ret->process_fd, F_SETFD, FD_CLOEXEC);
    return MW_OK;
}

void mw_process_send_signal(const mw_process *process, int signal_number) {
    if (process->remote && signal_number == SIGKILL) mw_remote__kill(process->remote);
    if (process->pid <= 0) return;
    (void)kill(process->pid, signal_number);
    (void)kill(-process->pid, signal_number);
}

bool mw_process_lives(const mw_process *process) {
    return process->remote ? !mw_remote__ended(process->remote) : process->pid > 0;
}

ssize_t mw_process_read(const mw_process *process, void *data, size_t size) {
    return process->remote ? mw_remote__read(process->remote, data, size)
                           : read(process->from_fd, data, size);
}

ssize_t mw_process_write(const mw_process *process, const void *data, size_t size) {
    return process->remote ? mw_remote__write(process->remote, data, size)
                           : write(process->to_fd, data, size);
}

bool mw_process_reap(mw_process *process) {
    if (!mw_process_lives(process)) return true;
    if (process->remote) return false;
    int status = -1;
    pid_t got;
    do got = waitpid(process->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    (void)kill(-process->pid, SIGKILL);
    process->status = got > 0 ? status : -1;
    process->pid = 0;
    return true;
}

void mw_process_done(mw_process *process) {
    process->remote = mw_remote__done(process->remote);
    if (process->pid > 0) {
        mw_process_send_signal(process, SIGKILL);
        while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR) {
        }
        process->pid = 0;
    }
    if (process->process_fd >= 0) close(process->process_fd);
    if (process->to_fd >= 0) close(process->to_fd);
    if (process->from_fd >= 0) close(process->from_fd);
    process->process_fd = process->to_fd = process->from_fd = -1;
}

void mw_process_describe(const mw_process *process, char *out, size_t capacity) {
    int status = process->status;
    if (process->remote) {
        (void)snprintf(out, capacity, "%s was lost", mw_remote__name(process->remote));
    } else if (status >= 0 && WIFSIGNALED(status)) {
        const char *name = sigdescr_np(WTERMSIG(status));
        (void)snprintf(out, capacity, "was killed by signal %d (%s)", WTERMSIG(status),
                       name ? name : "unknown");
    } else if (status >= 0 && WIFEXITED(status)) {
        (void)snprintf(out, capacity, "ended with status %d", WEXITSTATUS(status));
    } else {
        (void)snprintf(out, capacity, "ended");
    }
}
