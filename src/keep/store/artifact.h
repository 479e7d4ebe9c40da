/*
 * artifact.h -- where the files of datasets and models are besides the data folder: S3, or PostgreSQL.
 *
 * What      names are paths relative to the data folder ("orgs/acme/datasets/main/x12.arrow"). The data folder stays where everything is written and
 *           read; with an artifact store it is a cache of it: a commit puts its files before its records count, and who misses a file
 *           fetches it. A NULL store is the folder alone: put and remove do nothing, get finds nothing.
 * Whole     a name has its former content or its new one, never a part; its size and SHA-256 are kept with it, and nothing else is ever handed out.
 * Lifetime  mw_artifacts_open -> ... -> mw_artifacts_close, before the mw_store it was opened with
 * Threads   any; calls block for round trips to another host.
 * Errors    MW_EBUSY the other side is away (try again later); MW_EDENIED it refuses us; MW_ENOTFOUND; MW_EDATA it has other bytes than it says; MW_EIO
 */
#ifndef MW_KEEP_STORE_ARTIFACT_H
#define MW_KEEP_STORE_ARTIFACT_H

#include "core/base/dir.h"
#include "keep/store/store.h"

typedef struct mw_artifacts mw_artifacts;

enum { MW_ARTIFACT_NAME = 512 };
/* Names of what records name: a file of a dataset, the folder of a version. Of arguments that are valid names they always fit. */
void mw_artifact_of_dataset(const char *org, const char *dataset, const char *file,
                            char out[MW_ARTIFACT_NAME]);
void mw_artifact_of_version(const char *org, const char *model, const char *folder,
                            char out[MW_ARTIFACT_NAME]);

/*
 * mw_artifacts_open -- location NULL, "" or "folder": *ret is NULL. "postgresql": in `store`, which must be one. "s3://BUCKET[/PREFIX]": credentials and the
 * service's address come from the variables that others read too: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,
 * AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_CA_BUNDLE. Asks nobody yet.
 */
mw_status mw_artifacts_open(const mw_ctx *ctx, const char *location, mw_store *store,
                            mw_artifacts **ret, mw_err *err);
void *mw_artifacts_close(mw_artifacts *artifacts); /* NULL is allowed */
const char *
mw_artifacts_label(const mw_artifacts *artifacts); /* for people: "s3://bucket/prefix" */

typedef enum mw_artifacts_call {
    MW_ARTIFACTS_PUT,
    MW_ARTIFACTS_GET,
    MW_ARTIFACTS_FIND, /* name, size and hash of one */
    MW_ARTIFACTS_LIST,
    MW_ARTIFACTS_REMOVE,
    MW_ARTIFACTS_CALLS
} mw_artifacts_call;

/* Of this handle, since it was opened. Not to find something is no failure. */
typedef struct mw_artifacts_meter {
    mw_durations latency[MW_ARTIFACTS_CALLS];
    _Atomic int64_t put_bytes, got_bytes; /* of whole files */
    _Atomic int64_t failed[MW_STATUS_COUNT];
} mw_artifacts_meter;

/* Borrowed; any thread. NULL store: NULL. */
const mw_artifacts_meter *mw_artifacts_meter_of(const mw_artifacts *artifacts);

/* ---- the interface: every backend does the same (tests/unit/store/conformance_artifacts.c) ---- */

/* The file becomes `name`, whole and durable on MW_OK. What is there already, of this hash, is not sent again. Reads the file once or twice. */
mw_status mw_artifacts_put(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                           mw_dir *dir, const char *file, mw_err *err);
/* The file appears when it is whole, durable, and its size and hash are those recorded. MW_ENOTFOUND. */
mw_status mw_artifacts_get(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                           mw_dir *dir, const char *file, mw_err *err);
mw_status mw_artifacts_has(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name, bool *ret,
                           mw_err *err);
/* Every name that begins with prefix, in the order of bytes. visit's failure ends it and is returned; visit may not change what is listed. */
typedef mw_status (*mw_artifacts_visit)(void *arg, const char *name, mw_err *err);
mw_status mw_artifacts_list(const mw_ctx *ctx, mw_artifacts *artifacts, const char *prefix,
                            mw_artifacts_visit visit, void *arg, mw_err *err);
/* One name; or, ending in '/', all that begins with it. What is not there is no error. */
mw_status mw_artifacts_remove(const mw_ctx *ctx, mw_artifacts *artifacts, const char *name,
                              mw_err *err);
/* Whether a small file can be put, read and removed: what doctor asks. dir: of scratch, writable. */
mw_status mw_artifacts_check(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *dir, mw_err *err);

/* ---- artifact_folder.c: the data folder as their cache. path: of a file or folder below it, its name in the store, too ---- */

/* MW_OK once the file of ctx->org's dataset is in dir, its folder; who misses it gets it. MW_ENOTFOUND: there is no store, or it does not have it. */
mw_status mw_artifacts_need(const mw_ctx *ctx, mw_artifacts *artifacts, const char *dataset,
                            mw_dir *dir, const char *file, mw_err *err);
mw_status mw_artifacts_put_file(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                const char *path, mw_err *err);
/* With all that is in it. */
mw_status mw_artifacts_put_folder(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                  const char *path, mw_err *err);
/* Gets it, in the place of what is there; makes the folders it lies in. MW_ENOTFOUND: there is no store, or it does not have it. */
mw_status mw_artifacts_fetch_file(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                  const char *path, mw_err *err);
/* The folder appears when all its files are there; one that was there is replaced. MW_ENOTFOUND as above. */
mw_status mw_artifacts_fetch_folder(const mw_ctx *ctx, mw_artifacts *artifacts, mw_dir *data,
                                    const char *path, mw_err *err);

#endif
