/* net_peer.c -- see net_peer.h. */
#include "support/net_peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

extern char **environ;

static char *word(const char *text) { return (char *)(uintptr_t)text; }

void mw_net_peer_start(mw_net_peer *peer, const char *script, const char *argument) {
    char *words[] = {word("python3"), word(script), word(argument), NULL};
    int in[2], out[2];
    char line[32];
    size_t n = 0;
    *peer = (mw_net_peer){.tls = argument != NULL};
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    assert_int_equal(posix_spawnp(&peer->pid, words[0], &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    peer->hold_fd = in[1];
    while (n + 1 < sizeof line && read(out[0], &line[n], 1) == 1 && line[n] != '\n') n++;
    line[n] = '\0';
    close(out[0]);
    peer->port = atoi(line);
    if (peer->port <= 0) fail_msg("%s did not start", script);
    /* What a machine is set to use for the world outside is not for this. */
    setenv("no_proxy", "127.0.0.1,localhost", 1);
}

void mw_net_peer_stop(mw_net_peer *peer) {
    close(peer->hold_fd);
    assert_int_equal(waitpid(peer->pid, NULL, 0), peer->pid);
}

const char *mw_net_peer_url(mw_net_peer *peer, const char *path) {
    (void)snprintf(peer->url, sizeof peer->url, "%s://127.0.0.1:%d%s", peer->tls ? "https" : "http",
                   peer->port, path);
    return peer->url;
}

void mw_net_peer_certificate(const char *path, const char *name) {
    char alternative[128];
    (void)snprintf(alternative, sizeof alternative, "subjectAltName=%s", name);
    char *words[] = {word("openssl"),
                     word("req"),
                     word("-x509"),
                     word("-newkey"),
                     word("ec"),
                     word("-pkeyopt"),
                     word("ec_paramgen_curve:prime256v1"),
                     word("-nodes"),
                     word("-days"),
                     word("2"),
                     word("-subj"),
                     word("/CN=millwright"),
                     word("-addext"),
                     alternative,
                     word("-keyout"),
                     word(path),
                     word("-out"),
                     word(path),
                     NULL};
    char *const quiet = word("/dev/null");
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int ended;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, quiet, O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&pid, words[0], &actions, NULL, words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &ended, 0), pid);
    assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}
