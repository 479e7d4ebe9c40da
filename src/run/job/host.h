/*
 * host.h -- `millwright worker --server URL`: this host does jobs of a server on another one.
 *
 * What      n slots, a thread each. A slot offers itself to the server, gets a job, fetches the files that the job reads, lets a process of this program
 *           do it (process.h), hands its frames on, delivers what it made, and is ready again. No folder is shared with the server.
 * Folder    data/slots/N/in (the job's files), data/slots/N/work (what it makes), data/cache/ORG (files of earlier jobs: what is the same is not
 *           fetched again, and no organization gets another one's). One host process uses a folder.
 * Server    gone: asked again after 1 s, 2 s, ... 30 s. Its job goes on for a lease and then stops. What was sent and not answered is sent again.
 * Stop      mw_host_stop gives the jobs back at once: they wait again, and that was no attempt.
 */
#ifndef MW_RUN_JOB_HOST_H
#define MW_RUN_JOB_HOST_H

#include "core/base/ctx.h"

typedef struct mw_host mw_host;

typedef struct mw_host_options {
    const char *server;     /* http://HOST:PORT or https://... */
    const char *key;        /* API key; NULL: none */
    const char *ca_file;    /* PEM: whom to trust; NULL: whom the system trusts */
    const char *data_path;  /* made when missing */
    const char *executable; /* NULL: /proc/self/exe */
    int n_workers;          /* jobs at the same time, from 1 to MW_LIMIT(WORKERS) */
    int n_threads;          /* of a job; 0: one per core */
    int64_t cache_bytes;    /* files that are kept for later jobs */
} mw_host_options;

/* All is borrowed and must outlive the host. MW_EBUSY: another process uses the folder. */
mw_status mw_host_start(const mw_ctx *ctx, const mw_host_options *options, mw_host **ret,
                        mw_err *err);
void mw_host_stop(mw_host *host);  /* from any thread; does not wait */
void *mw_host_free(mw_host *host); /* stops, waits, frees; NULL is allowed */

#endif
