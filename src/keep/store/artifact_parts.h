/*
 * artifact_parts.h -- inside the artifact store: what a backend does.
 */
#ifndef MW_KEEP_STORE_ARTIFACT_PARTS_H
#define MW_KEEP_STORE_ARTIFACT_PARTS_H

#include "core/base/hash.h"
#include "keep/store/artifact.h"

typedef struct mw_artifact_facts {
    uint64_t size;
    char sha256[MW_SHA256_HEX];
} mw_artifact_facts;

typedef struct mw_artifacts_backend {
    /* bytes [facts->size]. Whole and durable on MW_OK, nothing new under the name otherwise. */
    mw_status (*put)(const mw_ctx *ctx, void *self, const char *name, const void *bytes,
                     const mw_artifact_facts *facts, mw_err *err);
    mw_status (*find)(const mw_ctx *ctx, void *self, const char *name, mw_artifact_facts *ret,
                      mw_err *err); /* MW_ENOTFOUND */
    mw_status (*get)(const mw_ctx *ctx, void *self, const char *name,
                     const mw_artifact_facts *facts, mw_dir *dir, const char *file, mw_err *err);
    mw_status (*list)(const mw_ctx *ctx, void *self, const char *prefix, mw_artifacts_visit visit,
                      void *arg, mw_err *err);
    mw_status (*remove)(const mw_ctx *ctx, void *self, const char *name, mw_err *err);
    void (*close)(void *self);
} mw_artifacts_backend;

enum { MW_ARTIFACTS_LABEL = 1200 };

struct mw_artifacts {
    mw_mem *mem;
    const mw_artifacts_backend *backend;
    void *self;
    char label[MW_ARTIFACTS_LABEL];
    mw_artifacts_meter meter;
};

/* artifact_s3.c. part_bytes: of a file that is sent in parts; 0: 32 MiB. */
mw_status mw_artifacts__open_s3(const mw_ctx *ctx, const char *location, uint64_t part_bytes,
                                mw_artifacts *ret, mw_err *err);
/* artifact_sql.c */
mw_status mw_artifacts__open_sql(mw_store *store, mw_artifacts *ret, mw_err *err);

#endif
