/*
 * plant_jobs.h -- job kinds that behave, fail, crash, freeze or babble, and a server to run them in.
 *
 * A test program that uses it is its own worker: its main gives `worker` to mw_worker_main(kinds).
 */
#ifndef MW_TESTS_UNIT_JOB_PLANT_JOBS_H
#define MW_TESTS_UNIT_JOB_PLANT_JOBS_H

#include <pthread.h>

#include "run/job/job.h"
#include "support/harness.h"

enum { MS = 1000, SECOND = 1000000 };

extern const mw_job_kind kinds[];

typedef struct server {
    mw_ctx acme, globex;
    mw_store *store;
    mw_jobs *jobs;
    mw_arena arena;
    mw_jobs_options options;
} server;

/* Waits until the job is final, by the watch that HTTP requests use. */
typedef struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    int n_calls;
} waiter;

int64_t slowness(void);
void nap(int64_t ms);
const char *data_path(void);
mw_store *open_store(const mw_ctx *ctx);
void begin_with(server *s, int n_workers, int64_t lease_us);
void begin(server *s);
void end(server *s);
void set_clock(int64_t by_us); /* the wall clock of all that begins here is off by this much */
const char *submit(server *s, const mw_ctx *ctx, const char *kind, const char *payload);
mw_job_record get(server *s, const mw_ctx *ctx, const char *id);
void on_done(void *arg, const char *id);
mw_job_record wait_for(server *s, const mw_ctx *ctx, const char *id);
void wait_until_state(server *s, const mw_ctx *ctx, const char *id, mw_job_state state);
bool work_folder_exists(const mw_ctx *ctx, const char *id);
void assert_no_work_folder(const mw_ctx *ctx, const char *id);
void assert_failed(const mw_job_record *job, const char *code, const char *words);

#endif
