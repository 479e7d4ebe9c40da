/*
 * net_peer.h -- a server written in Python beside a test, which ends with it.
 *
 *   mw_net_peer peer;
 *   mw_net_peer_start(&peer, "tests/support/net_server.py", NULL);
 *   mw_net_peer_url(&peer, "/echo")                 "http://127.0.0.1:PORT/echo"
 */
#ifndef MW_TESTS_SUPPORT_NET_PEER_H
#define MW_TESTS_SUPPORT_NET_PEER_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct mw_net_peer {
    pid_t pid;
    int port;
    int hold_fd; /* the script's standard input: it ends when this is closed */
    bool tls;
    char url[8300];
} mw_net_peer;

/* The script prints its port on a line and serves until its standard input ends. argument: its only one, or NULL; with one it speaks TLS. Fails the
 * test when it does not start. */
void mw_net_peer_start(mw_net_peer *peer, const char *script, const char *argument);
void mw_net_peer_stop(mw_net_peer *peer); /* waits until it is gone */
/* Lies in peer until the next call. */
const char *mw_net_peer_url(mw_net_peer *peer, const char *path);

/* Writes a certificate for `name` (IP:127.0.0.1, DNS:localhost ...) and its key to path, self-signed, by the program openssl. */
void mw_net_peer_certificate(const char *path, const char *name);

#endif
