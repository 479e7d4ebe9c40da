/* doctor_service.c -- the store and the clock, API keys, the certificate, and jobs. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "run/op/doctor.h"

#define DAY_US (86400 * MW_US_PER_SECOND)

enum { SOON_DAYS = 14, SLOW_WRITE_MS = 100, LEAST_CONNECTIONS = 20, OLD_JOB_S = 3600 };

/* ---- store and clock ---- */

static void tell_clock(const mw_call *call, int64_t newest_us, mw_json_writer *writer) {
    char newest[MW_TIME_TEXT_MAX], now_text[MW_TIME_TEXT_MAX], text[160];
    const int64_t now = mw_clock_utc(call->ctx->clock), ahead = newest_us - now;
    (void)mw_time_print(now, now_text);
    if (ahead <= 5 * MW_US_PER_SECOND) {
        mw_doctor_tell(writer, "clock", MW_DOCTOR_OK, now_text, NULL);
        return;
    }
    (void)mw_time_print(newest_us, newest);
    (void)snprintf(text, sizeof text, "%s, but the store has a record of %s", now_text, newest);
    mw_doctor_tell(
        writer, "clock", MW_DOCTOR_WARNING, text,
        "set the clock (timedatectl); jobs that were to start later wait as much longer");
}

static void tell_setting(mw_json_writer *writer, const char *name, bool on) {
    char check[64], repair[160];
    (void)snprintf(check, sizeof check, "postgresql %s", name);
    (void)snprintf(repair, sizeof repair,
                   "set %s = on in postgresql.conf: a power failure may lose or damage records",
                   name);
    mw_doctor_tell(writer, check, on ? MW_DOCTOR_OK : MW_DOCTOR_WARNING, on ? "on" : "off", repair);
}

static void tell_server(const mw_store_facts *facts, mw_json_writer *writer) {
    char text[96];
    const int64_t left = facts->connections_most - facts->connections_used;
    tell_setting(writer, "fsync", facts->fsync);
    tell_setting(writer, "full_page_writes", facts->full_page_writes);
    mw_doctor_tell(writer, "postgresql synchronous_commit", MW_DOCTOR_OK,
                   facts->synchronous_commit ? "on" : "off, but on for our connections", NULL);
    (void)snprintf(text, sizeof text, "%lld of %lld connections are free", (long long)left,
                   (long long)facts->connections_most);
    mw_doctor_tell(writer, "postgresql connections",
                   left < LEAST_CONNECTIONS ? MW_DOCTOR_WARNING : MW_DOCTOR_OK, text,
                   "each process of Millwright takes up to 17: raise max_connections");
}

static void tell_write(const mw_call *call, const mw_store_facts *facts, mw_status status,
                       double ms, const mw_err *why, mw_json_writer *writer) {
    char text[160];
    (void)snprintf(text, sizeof text, "%s %s, schema %d, durable write in %.1f ms",
                   mw_store_kind(call->app->store), facts->version,
                   mw_store_schema_version(call->app->store), ms);
    mw_doctor_tell(writer, "store",
                   status               ? MW_DOCTOR_BAD
                   : ms > SLOW_WRITE_MS ? MW_DOCTOR_WARNING
                                        : MW_DOCTOR_OK,
                   status ? why->message : text,
                   !status        ? "the disk or the way to the database is slow or busy"
                   : why->hint[0] ? why->hint
                                  : "look at the disk and at the permissions of millwright.db");
}

mw_status mw_doctor_store(const mw_call *call, mw_json_writer *writer, mw_err *ret) {
    mw_err err = {0};
    mw_store_facts facts = {0};
    mw_status status = mw_store_read_facts(call->ctx, call->app->store, &facts, &err);
    const int64_t start = mw_clock_monotonic(call->ctx->clock);
    if (!status) status = mw_store_ping(call->ctx, call->app->store, &err);
    const double ms = (double)(mw_clock_monotonic(call->ctx->clock) - start) / 1e3;
    tell_write(call, &facts, status, ms, &err, writer);
    if (status) return mw_doctor_pass_on(status, &err, ret);
    tell_clock(call, facts.newest_us, writer);
    if (facts.connections_most) tell_server(&facts, writer);
    return MW_OK;
}

/* ---- artifacts ---- */

mw_status mw_doctor_artifacts(const mw_call *call, mw_json_writer *writer, mw_err *ret) {
    mw_artifacts *artifacts = call->app->artifacts;
    mw_err why = {0};
    const mw_status status = mw_artifacts_check(call->ctx, artifacts, call->app->data, &why);
    const bool shared = strcmp(mw_store_kind(call->app->store), "postgresql") == 0;
    mw_doctor_tell(writer, "artifacts", status ? MW_DOCTOR_BAD : MW_DOCTOR_OK,
                   status                 ? why.message
                   : shared && !artifacts ? "the data folder alone: one server, or all share it"
                                          : mw_artifacts_label(artifacts),
                   why.hint);
    return mw_doctor_pass_on(status, &why, ret);
}

/* ---- keys ---- */

static bool is_loopback(const char *host) {
    return !host || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

static void tell_keys(const mw_call *call, int64_t n_good, int64_t n_ending, const char *ending,
                      mw_json_writer *writer) {
    char text[160];
    const char *host = mw_args_string(call->args, "host");
    const bool open = !is_loopback(host) && n_good == 0;
    (void)snprintf(text, sizeof text,
                   n_ending ? "%lld, %lld end within 14 days, such as %s" : "%lld",
                   (long long)n_good, (long long)n_ending, ending);
    mw_doctor_tell(writer, "API keys",
                   open       ? MW_DOCTOR_BAD
                   : n_ending ? MW_DOCTOR_WARNING
                              : MW_DOCTOR_OK,
                   open     ? "none, although others can reach the server"
                   : n_good ? text
                            : "none: this host alone is served",
                   open ? "make one: `millwright org key create --name me --role admin`"
                        : "make another one and revoke the old: `millwright org key create`");
}

mw_status mw_doctor_keys(const mw_call *call, mw_json_writer *writer, mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, call->ctx->mem);
    const mw_key_record *keys;
    size_t n = 0;
    int64_t n_good = 0, n_ending = 0;
    const int64_t now = mw_clock_utc(call->ctx->clock);
    const char *ending = "";
    mw_status status = mw_store_key_list(call->ctx, call->app->store, &arena, NULL, &keys, &n, err);
    for (size_t i = 0; i < n && !status; i++) {
        if (keys[i].revoked_us || (keys[i].expires_us && keys[i].expires_us <= now)) continue;
        n_good++;
        if (!keys[i].expires_us || keys[i].expires_us > now + SOON_DAYS * DAY_US) continue;
        if (n_ending++ == 0) ending = keys[i].id;
    }
    if (!status) tell_keys(call, n_good, n_ending, ending, writer);
    mw_arena_done(&arena);
    return status;
}

/* ---- jobs ---- */

mw_status mw_doctor_jobs(const mw_call *call, mw_json_writer *writer, mw_err *err) {
    mw_job_counts counts;
    char text[160];
    mw_status status = mw_store_job_counts(call->ctx, call->app->store, &counts, err);
    if (status) return status;
    const int64_t n_waiting = counts.open[MW_JOB_PENDING] + counts.open[MW_JOB_RETRY],
                  n_running = counts.open[MW_JOB_STARTED] + counts.open[MW_JOB_PROGRESS];
    const int64_t age_s =
        counts.oldest_waiting_us
            ? (mw_clock_utc(call->ctx->clock) - counts.oldest_waiting_us) / MW_US_PER_SECOND
            : 0;
    (void)snprintf(text, sizeof text, "%lld wait, the oldest for %lld s; %lld run",
                   (long long)n_waiting, (long long)age_s, (long long)n_running);
    mw_doctor_tell(writer, "jobs", age_s > OLD_JOB_S ? MW_DOCTOR_WARNING : MW_DOCTOR_OK, text,
                   "start `millwright serve`, or give it more --job-workers");
    (void)snprintf(text, sizeof text, "%lld", (long long)counts.dead);
    mw_doctor_tell(writer, "dead jobs", counts.dead ? MW_DOCTOR_WARNING : MW_DOCTOR_OK, text,
                   "`millwright jobs --dead` lists them; POST /jobs/{id}/retry tries again");
    return MW_OK;
}

/* ---- certificate ---- */

/* The first certificate of a PEM text; *ret NULL: there is none. */
static mw_status read_certificate(mw_mem *mem, mw_str pem, X509 **ret, mw_err *err) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    const char *from = strstr(pem.data, begin), *to = from ? strstr(from, end) : NULL;
    *ret = NULL;
    if (!to) return MW_OK;
    EVP_ENCODE_CTX *decoder = EVP_ENCODE_CTX_new();
    unsigned char *der = mw_alloc(mem, (size_t)(to - from));
    mw_status status = der && decoder ? MW_OK : mw_fail_nomem(err, "the certificate");
    int n = 0, more = 0;
    from += sizeof begin - 1;
    if (status == MW_OK) EVP_DecodeInit(decoder);
    if (status == MW_OK &&
        EVP_DecodeUpdate(decoder, der, &n, (const unsigned char *)from, (int)(to - from)) >= 0 &&
        EVP_DecodeFinal(decoder, der + n, &more) >= 0) {
        const unsigned char *at = der;
        *ret = d2i_X509(NULL, &at, n + more);
    }
    mw_free(der);
    EVP_ENCODE_CTX_free(decoder);
    return status;
}

/* INT64_MIN: it says nothing that could be read. */
static int64_t end_of(const X509 *certificate) {
    struct tm tm = {0};
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return INT64_MIN;
    return (int64_t)timegm(&tm) * MW_US_PER_SECOND;
}

static void tell_end(const mw_call *call, int64_t ends_us, mw_json_writer *writer) {
    char ends[MW_TIME_TEXT_MAX], text[MW_TIME_TEXT_MAX + 32];
    const int64_t left = ends_us - mw_clock_utc(call->ctx->clock);
    (void)mw_time_print(ends_us, ends);
    (void)snprintf(text, sizeof text, "valid until %s", ends);
    mw_doctor_tell(writer, "certificate",
                   left <= 0                   ? MW_DOCTOR_BAD
                   : left < SOON_DAYS * DAY_US ? MW_DOCTOR_WARNING
                                               : MW_DOCTOR_OK,
                   text, "put a new one there: a running server reads it by itself");
}

mw_status mw_doctor_certificate(const mw_call *call, mw_json_writer *writer, mw_err *ret) {
    const char *path = mw_args_string(call->args, "tls_cert");
    char *pem = NULL;
    size_t size = 0;
    mw_err err = {0};
    X509 *certificate = NULL;
    if (!path) return MW_OK;
    mw_status status =
        mw_file_read_path(call->ctx, path, (size_t)MW_LIMIT(TLS_FILE_BYTES), &pem, &size, &err);
    if (!status) status = read_certificate(call->ctx->mem, (mw_str){pem, size}, &certificate, &err);
    mw_free(pem);
    const int64_t ends_us = end_of(certificate);
    X509_free(certificate);
    if (ends_us == INT64_MIN)
        mw_doctor_tell(writer, "certificate", MW_DOCTOR_BAD,
                       status ? err.message : "the file has no certificate in PEM",
                       "name the file with --tls-cert or ML_API_TLS_CERT");
    else
        tell_end(call, ends_us, writer);
    return mw_doctor_pass_on(status, &err, ret);
}
