/* holder.c -- identity of a process from /proc: pid, start time (field 22 of stat), namespace, boot
 * id. */
#include "run/job/holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_small(const char *path, char *out, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, capacity - 1);
    close(fd);
    if (n <= 0) return false;
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* Clock ticks since boot when the process began; 0 when there is no such process (or it is a
 * zombie). */
static unsigned long long start_of(pid_t pid) {
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_small(path, text, sizeof text)) return 0;
    /* The second field is a name in parentheses and may hold blanks and parentheses. */
    const char *at = strrchr(text, ')');
    if (!at || !at[1] || at[2] == 'Z' || at[2] == 'X') return 0;
    at += 2;
    for (int field = 3; field < 22 && at; field++) {
        at = strchr(at, ' ');
        if (at) at++;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

/* Where pids mean the same: pid namespace and boot. */
static void read_realm(char *out, size_t capacity) {
    char boot[64] = "", space[64] = "";
    (void)read_small("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    space[n > 0 ? n : 0] = '\0';
    const char *digits = strpbrk(space, "0123456789");
    unsigned long long inode = digits ? strtoull(digits, NULL, 10) : 0;
    (void)snprintf(out, capacity, "%llu.%.36s", inode, boot);
}

bool mw_holder_of(pid_t pid, char out[MW_HOLDER_BYTES]) {
    unsigned long long start = start_of(pid);
    char host[64] = "host", realm[112];
    (void)gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    host[strcspn(host, ":")] = '\0';
    read_realm(realm, sizeof realm);
    (void)snprintf(out, MW_HOLDER_BYTES, "%s:%d:%llu.%s", host, (int)pid, start, realm);
    return start != 0;
}

void mw_holder_self(char out[MW_HOLDER_BYTES]) { (void)mw_holder_of(getpid(), out); }

bool mw_holder_is_dead(const char *holder) {
    const char *at = strchr(holder, ':');
    if (!at) return false;
    char *rest;
    long pid = strtol(at + 1, &rest, 10);
    if (pid <= 0 || *rest != ':') return false;
    unsigned long long start = strtoull(rest + 1, &rest, 10);
    if (start == 0 || *rest != '.') return false;
    char realm[112];
    read_realm(realm, sizeof realm);
    if (strcmp(rest + 1, realm) != 0 || realm[0] == '0') return false;
    /* /proc may hide other users' processes: the start time alone does not prove a death. */
    unsigned long long now = start_of((pid_t)pid);
    if (now != 0) return now != start;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld", pid);
    return access(path, F_OK) != 0 && access("/proc/1", F_OK) == 0;
}
