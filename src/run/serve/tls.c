/*
 * tls.c -- see tls.h. The certificate in use is one reference-counted SSL_CTX; a reload makes another and swaps them
 * under a lock that is held for a pointer's time. Files are read here, not by OpenSSL: with a limit, and so that tests
 * can make it fail.
 */
#include "run/serve/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"

enum { HANDSHAKE_RECORD = 0x16, TAKE_BYTES = 16384 };

typedef struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
} stamp;

struct mw_tls {
    const mw_ctx *ctx;
    char *cert_path, *key_path;
    pthread_mutex_t lock; /* of current, not_after_us */
    SSL_CTX *current;
    int64_t not_after_us;
    stamp loaded[2], seen[2]; /* certificate, key; of the thread that asks for changes */
    _Atomic int64_t handshakes, failures, reloads, failed_reloads;
};

struct mw_tls_conn {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    mw_tls *tls;   /* counts; alive as long as the server */
    bool established, failed;
};

/* ---- files ---- */

static void stamp_of(const char *path, stamp *ret) {
    struct stat info;
    *ret = (stamp){0};
    if (stat(path, &info) != 0) return;
    *ret = (stamp){info.st_dev, info.st_ino, info.st_size, info.st_mtim};
}

static bool same_stamp(const stamp *a, const stamp *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

static bool same_stamps(const stamp a[2], const stamp b[2]) {
    return same_stamp(&a[0], &b[0]) && same_stamp(&a[1], &b[1]);
}

static void stamp_both(const mw_tls *tls, stamp out[2]) {
    stamp_of(tls->cert_path, &out[0]);
    stamp_of(tls->key_path, &out[1]);
}

static mw_status check_secret(const char *path, mw_err *err) {
    struct stat info;
    if (stat(path, &info) != 0 || !(info.st_mode & S_IRWXO)) return MW_OK; /* reading it tells */
    mw_fail(err, MW_EDENIED, "everybody on this machine may use the key %s", path);
    return mw_err_hint(err, "chmod 600 %s", path);
}

/* ---- certificate and key ---- */

static int no_password(char *out, int size, int writing, void *arg) {
    (void)out, (void)size, (void)writing, (void)arg;
    return 0;
}

static mw_status take_certificates(SSL_CTX *ssl, const char *text, size_t size, const char *path,
                                   mw_err *err) {
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    bool good = cert && SSL_CTX_use_certificate(ssl, cert) == 1;
    X509_free(cert);
    while (good && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)))
        if (SSL_CTX_add0_chain_cert(ssl, cert) != 1) {
            X509_free(cert);
            good = false;
        }
    BIO_free(bio);
    ERR_clear_error();
    if (good) return MW_OK;
    mw_fail(err, MW_EINVAL, "%s has no certificate that can be used", path);
    return mw_err_hint(err, "PEM: the server's own first, then those that signed it; RSA of 2048 "
                            "bits and more, or elliptic curves");
}

static mw_status take_key(SSL_CTX *ssl, const char *text, size_t size, const char *path,
                          mw_err *err) {
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    const bool good = key != NULL;
    const bool fits =
        good && SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    if (fits) return MW_OK;
    if (good) {
        mw_fail(err, MW_EINVAL, "the key %s is not that of the certificate", path);
        return mw_err_hint(err, "certificate and key must have been made for each other");
    }
    mw_fail(err, MW_EINVAL, "%s has no key that can be read", path);
    return mw_err_hint(err, "PEM, without a password");
}

static int64_t not_after_of(const SSL_CTX *ssl) {
    struct tm tm = {0};
    const X509 *cert = SSL_CTX_get0_certificate(ssl);
    if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1) return 0;
    return (int64_t)timegm(&tm) * MW_US_PER_SECOND;
}

/* ---- settings ---- */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *arg) {
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_settings(void) {
    static const unsigned char session_context[] = "millwright";
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (!ssl) return NULL;
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
        SSL_CTX_set_session_id_context(ssl, session_context, sizeof session_context - 1) == 1)
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

static mw_status load(mw_tls *tls, SSL_CTX **ret, mw_err *err) {
    char *cert = NULL, *key = NULL;
    size_t cert_size = 0, key_size = 0;
    const size_t most = (size_t)MW_LIMIT(TLS_FILE_BYTES);
    SSL_CTX *ssl = new_settings();
    mw_status status = ssl ? MW_OK : mw_fail(err, MW_EINTERNAL, "TLS cannot be set up");
    if (!status) status = mw_file_read_path(tls->ctx, tls->cert_path, most, &cert, &cert_size, err);
    if (!status) status = check_secret(tls->key_path, err);
    if (!status) status = mw_file_read_path(tls->ctx, tls->key_path, most, &key, &key_size, err);
    if (!status) status = take_certificates(ssl, cert, cert_size, tls->cert_path, err);
    if (!status) status = take_key(ssl, key, key_size, tls->key_path, err);
    if (key) OPENSSL_cleanse(key, key_size);
    mw_free(key);
    mw_free(cert);
    if (status)
        SSL_CTX_free(ssl);
    else
        *ret = ssl;
    return status;
}

static void warn_of_expiry(const mw_tls *tls, int64_t not_after_us) {
    const int64_t left = not_after_us - mw_clock_utc(tls->ctx->clock);
    if (left <= 0)
        mw_log_warn(tls->ctx, "the certificate %s is not valid any more", tls->cert_path);
    else if (left < 14 * 86400 * MW_US_PER_SECOND)
        mw_log_warn(tls->ctx, "the certificate %s ends in %lld days", tls->cert_path,
                    (long long)(left / (86400 * MW_US_PER_SECOND)));
}

static mw_status use_files(mw_tls *tls, mw_err *err) {
    SSL_CTX *now = NULL;
    stamp_both(tls,
               tls->loaded); /* before they are read: what changes meanwhile is seen as a change */
    memcpy(tls->seen, tls->loaded, sizeof tls->seen);
    mw_status status = load(tls, &now, err);
    if (status) return status;
    const int64_t not_after_us = not_after_of(now);
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *before = tls->current;
    tls->current = now;
    tls->not_after_us = not_after_us;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before);
    warn_of_expiry(tls, not_after_us);
    return MW_OK;
}

/* ---- life ---- */

mw_status mw_tls_new(const mw_ctx *ctx, const char *cert_path, const char *key_path, mw_tls **ret,
                     mw_err *err) {
    mw_tls *tls = mw_calloc(ctx->mem, 1, sizeof *tls);
    if (!tls) return mw_fail_nomem(err, "TLS");
    tls->ctx = ctx;
    pthread_mutex_init(&tls->lock, NULL);
    tls->cert_path = mw_strdup(ctx->mem, cert_path);
    tls->key_path = mw_strdup(ctx->mem, key_path);
    mw_status status =
        tls->cert_path && tls->key_path ? use_files(tls, err) : mw_fail_nomem(err, "TLS");
    if (status) {
        mw_tls_free(tls);
        return status;
    }
    *ret = tls;
    return MW_OK;
}

void *mw_tls_free(mw_tls *tls) {
    if (!tls) return NULL;
    SSL_CTX_free(tls->current);
    pthread_mutex_destroy(&tls->lock);
    mw_free(tls->cert_path);
    mw_free(tls->key_path);
    return mw_free(tls);
}

mw_status mw_tls_reload(mw_tls *tls, mw_err *err) {
    mw_status status = use_files(tls, err);
    atomic_fetch_add(status ? &tls->failed_reloads : &tls->reloads, 1);
    return status;
}

bool mw_tls_files_changed(mw_tls *tls) {
    stamp now[2];
    stamp_both(tls, now);
    const bool quiet = same_stamps(now, tls->seen), changed = !same_stamps(now, tls->loaded);
    memcpy(tls->seen, now, sizeof now);
    if (!quiet || !changed) return false;
    memcpy(tls->loaded, now, sizeof now); /* a pair that cannot be used is told once */
    return true;
}

int64_t mw_tls_not_after_us(mw_tls *tls) {
    pthread_mutex_lock(&tls->lock);
    const int64_t us = tls->not_after_us;
    pthread_mutex_unlock(&tls->lock);
    return us;
}

static void write_one(mw_buf *out, const char *name, const char *kind, const char *help,
                      int64_t value) {
    mw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, kind, name,
                  (long long)value);
}

void mw_tls_write_metrics(mw_tls *tls, mw_buf *out) {
    write_one(out, "millwright_tls_certificate_not_after_seconds", "gauge",
              "Until when the certificate is valid, in Unix time.",
              mw_tls_not_after_us(tls) / MW_US_PER_SECOND);
    write_one(out, "millwright_tls_handshakes_total", "counter", "Handshakes done.",
              atomic_load(&tls->handshakes));
    write_one(out, "millwright_tls_handshake_failures_total", "counter", "Handshakes that failed.",
              atomic_load(&tls->failures));
    write_one(out, "millwright_tls_reloads_total", "counter", "Certificates read again.",
              atomic_load(&tls->reloads));
    write_one(out, "millwright_tls_reload_failures_total", "counter",
              "Certificates that could not be used when read again.",
              atomic_load(&tls->failed_reloads));
}

/* ---- one connection ---- */

mw_tls_conn *mw_tls_open(mw_tls *tls) {
    mw_tls_conn *conn = mw_calloc(tls->ctx->mem, 1, sizeof *conn);
    if (!conn) return NULL;
    pthread_mutex_lock(&tls->lock);
    conn->ssl = SSL_new(tls->current); /* with a reference on it */
    pthread_mutex_unlock(&tls->lock);
    conn->in = BIO_new(BIO_s_mem());
    conn->out = BIO_new(BIO_s_mem());
    conn->tls = tls;
    if (!conn->ssl || !conn->in || !conn->out) {
        BIO_free(conn->in);
        BIO_free(conn->out);
        SSL_free(conn->ssl);
        return mw_free(conn);
    }
    SSL_set_bio(conn->ssl, conn->in, conn->out);
    SSL_set_accept_state(conn->ssl);
    return conn;
}

void *mw_tls_close(mw_tls_conn *conn) {
    if (!conn) return NULL;
    SSL_free(conn->ssl);
    return mw_free(conn);
}

bool mw_tls_begins(char first) { return first == HANDSHAKE_RECORD; }

bool mw_tls_established(const mw_tls_conn *conn) { return conn->established; }

bool mw_tls_feed(mw_tls_conn *conn, const char *data, size_t size) {
    return BIO_write(conn->in, data, (int)size) == (int)size;
}

static mw_tls_result fail(mw_tls_conn *conn) {
    if (!conn->established && !conn->failed) atomic_fetch_add(&conn->tls->failures, 1);
    conn->failed = true;
    ERR_clear_error();
    return MW_TLS_FAILED;
}

/* What SSL_do_handshake or SSL_read gave. */
static mw_tls_result explain(mw_tls_conn *conn, int code) {
    switch (SSL_get_error(conn->ssl, code)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return MW_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN: return MW_TLS_ENDED;
    default: return fail(conn);
    }
}

mw_tls_result mw_tls_read(mw_tls_conn *conn, char *out, size_t capacity, size_t *ret_size) {
    *ret_size = 0;
    if (conn->failed) return MW_TLS_FAILED;
    ERR_clear_error();
    if (!conn->established) {
        const int code = SSL_do_handshake(conn->ssl);
        if (code != 1) return explain(conn, code);
        conn->established = true;
        atomic_fetch_add(&conn->tls->handshakes, 1);
    }
    const int code = SSL_read_ex(conn->ssl, out, capacity, ret_size);
    return code == 1 ? MW_TLS_DATA : explain(conn, code);
}

bool mw_tls_write(mw_tls_conn *conn, const char *data, size_t size) {
    size_t written = 0;
    if (size == 0) return true;
    if (!conn->established || conn->failed) return false;
    ERR_clear_error();
    return SSL_write_ex(conn->ssl, data, size, &written) == 1 && written == size;
}

void mw_tls_end(mw_tls_conn *conn) {
    if (!conn->established || conn->failed) return;
    ERR_clear_error();
    (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
}

void mw_tls_take(mw_tls_conn *conn, mw_buf *out) {
    while (BIO_pending(conn->out) > 0) {
        char *to = mw_buf_reserve(out, TAKE_BYTES);
        const int n = to ? BIO_read(conn->out, to, TAKE_BYTES) : 0;
        if (n <= 0) return;
        mw_buf_grew(out, (size_t)n);
    }
}
