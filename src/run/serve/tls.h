/*
 * tls.h -- TLS 1.2 and 1.3 (OpenSSL 3) between a connection's bytes and its HTTP. No sockets.
 *
 * What      mw_tls is a server's certificate with its key; each connection has an mw_tls_conn with two memory
 *           BIOs: what the socket received is fed, content is read; content is written, what is to be
 *           sent is taken.
 * Lifetime  mw_tls_new -> (mw_tls_open -> ... -> mw_tls_close)* -> mw_tls_free. After a reload connections go
 *           on with the certificate they began with.
 * Threads   mw_tls_* of a server from any thread; a connection belongs to one.
 * Choices   ALPN http/1.1; session tickets, no session cache; no renegotiation, no compression; of TLS 1.2 only
 *           ephemeral keys with authenticated encryption.
 * Memory    OpenSSL's own: about 12 KiB a quiet connection.
 */
#ifndef MW_RUN_SERVE_TLS_H
#define MW_RUN_SERVE_TLS_H

#include "core/base/ctx.h"
#include "core/base/str.h"

typedef struct mw_tls mw_tls;
typedef struct mw_tls_conn mw_tls_conn;

/*
 * mw_tls_new -- reads certificate (PEM, with its chain behind it) and key (PEM, without a password).
 *
 * Errors    MW_EDENIED others than owner and group may touch the key; MW_ENOTFOUND, MW_EIO; MW_EINVAL no
 *           certificate, no key, or they do not belong together.
 */
mw_status mw_tls_new(const mw_ctx *ctx, const char *cert_path, const char *key_path, mw_tls **ret,
                     mw_err *err);
void *mw_tls_free(mw_tls *tls); /* NULL is allowed */

/* Reads both files again; new connections get what is there. On an error the old pair stays. */
mw_status mw_tls_reload(mw_tls *tls, mw_err *err);
/* To be asked now and then: true once after the files have changed and then stayed as they are from one
 * question to the next (a certificate and its key are rarely replaced in one step). */
bool mw_tls_files_changed(mw_tls *tls);

int64_t mw_tls_not_after_us(mw_tls *tls); /* until when the certificate is valid, UTC */
void mw_tls_write_metrics(mw_tls *tls, mw_buf *out);

/* ---- one connection ---- */

typedef enum mw_tls_result {
    MW_TLS_MORE,  /* bytes from the peer are wanted */
    MW_TLS_DATA,  /* content was read */
    MW_TLS_ENDED, /* the peer has ended its side (close_notify) */
    MW_TLS_FAILED /* take what is to be sent (an alert), then close */
} mw_tls_result;

mw_tls_conn *mw_tls_open(mw_tls *tls); /* NULL: no memory */
void *mw_tls_close(mw_tls_conn *conn); /* NULL is allowed */

/* The first byte of a connection that speaks TLS: that of a handshake record. */
bool mw_tls_begins(char first);
bool mw_tls_established(const mw_tls_conn *conn);

/* False: no memory. */
bool mw_tls_feed(mw_tls_conn *conn, const char *data, size_t size);
/* Shakes hands and reads: up to capacity bytes of content into out. */
mw_tls_result mw_tls_read(mw_tls_conn *conn, char *out, size_t capacity, size_t *ret_size);
/* Encrypts all of it. Only once established. */
bool mw_tls_write(mw_tls_conn *conn, const char *data, size_t size);
/* Our side ends: a close_notify is to be sent. */
void mw_tls_end(mw_tls_conn *conn);
/* Moves what is to be sent behind out. */
void mw_tls_take(mw_tls_conn *conn, mw_buf *out);

#endif
