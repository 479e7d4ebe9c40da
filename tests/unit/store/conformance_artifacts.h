/*
 * conformance_artifacts.h -- what every artifact store must pass.
 */
#ifndef MW_TESTS_UNIT_STORE_CONFORMANCE_ARTIFACTS_H
#define MW_TESTS_UNIT_STORE_CONFORMANCE_ARTIFACTS_H

#include "keep/store/artifact.h"
#include "support/harness.h"

/* Opens an empty one; the test closes it. */
typedef mw_artifacts *(*mw_artifacts_opener)(const mw_ctx *ctx);
extern mw_artifacts_opener mw_conformance_artifacts;

/* Writes n bytes of a kind to dir/name. */
void mw_conformance_file(const mw_ctx *ctx, mw_dir *dir, const char *name, size_t n, unsigned kind);
/* Fails the test unless that is what the file holds. */
void mw_conformance_holds(const mw_ctx *ctx, mw_dir *dir, const char *name, size_t n,
                          unsigned kind);

void artifacts_life(void **state);
void artifacts_lists(void **state);
void artifacts_names(void **state);
void artifacts_folders(void **state);
void artifacts_disk(void **state);

#define MW_ARTIFACTS_CONFORMANCE                                              \
    MW_RUN(artifacts_life), MW_RUN(artifacts_lists), MW_RUN(artifacts_names), \
        MW_RUN(artifacts_folders), MW_RUN(artifacts_disk)

#endif
