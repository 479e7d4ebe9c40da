/*
 * ingest.c -- the list of files, what is known of them, and all-or-nothing over one call: when a
 * file fails, the segments already staged by the call are removed.
 */
#include "keep/ingest/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "keep/ingest/csv_file.h"
#include "keep/ingest/listing.h"
#include "keep/ingest/source.h"

const mw_param mw_ingest_params[] = {
    {.name = "max_reject_share",
     .type = MW_PARAM_FLOAT,
     .def = "0.05",
     .min = 0,
     .max = 1,
     .flags = MW_PARAM_BODY,
     .help = "Largest share of a file's rows that may be rejected before the ingest stops."},
    {0},
};

static mw_status list_files(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                            mw_ingest_result *result, mw_err *err) {
    mw_listing listing;
    mw_status status = mw_listing_read(ctx, paths, n_paths, &listing, err);
    if (status != MW_OK) return status;
    result->files = mw_calloc(ctx->mem, listing.n + 1, sizeof *result->files);
    if (!result->files) status = mw_fail_nomem(err, "listing files");
    for (size_t i = 0; i < listing.n && status == MW_OK; i++) {
        mw_ingest_file *file = &result->files[result->n_files++];
        file->path = listing.paths[i];
        listing.paths[i] = NULL;
        file->source = mw_strdup(ctx->mem, mw_source_name(file->path));
        if (!file->source) status = mw_fail_nomem(err, "listing files");
    }
    mw_listing_done(&listing);
    return status;
}

static int by_known(const void *a, const void *b) {
    const mw_ingest_known *const *x = a, *const *y = b;
    return strcmp((*x)->source, (*y)->source);
}

/* Pointers into known [n], sorted by source; NULL on no memory. */
static const mw_ingest_known **sort_known(const mw_ctx *ctx, const mw_ingest_known *known,
                                          size_t n) {
    const mw_ingest_known **sorted = mw_alloc_array(ctx->mem, n + 1, sizeof *sorted);
    if (!sorted) return NULL;
    for (size_t i = 0; i < n; i++) sorted[i] = &known[i];
    qsort(sorted, n, sizeof *sorted, by_known);
    return sorted;
}

static const mw_ingest_known *find_known(const mw_ingest_known **sorted, size_t n,
                                         const char *source) {
    const mw_ingest_known wanted = {.source = source}, *key = &wanted;
    const mw_ingest_known **found = bsearch(&key, sorted, n, sizeof *sorted, by_known);
    return found ? *found : NULL;
}

static mw_status ingest_file(const mw_ctx *ctx, const mw_ingest_known *known, double max_share,
                             mw_dir *staging, mw_ingest_file *file, mw_err *err) {
    if (known && !mw_source_is_stdin(file->path)) {
        char hex[MW_SHA256_HEX];
        uint64_t bytes;
        mw_status status = mw_source_hash_file(ctx, file->path, hex, &bytes, err);
        if (status != MW_OK) return status;
        if (strcmp(hex, known->content_hash) == 0) {
            memcpy(file->content_hash, hex, sizeof hex);
            file->bytes = bytes;
            file->unchanged = true;
            return MW_OK;
        }
    }
    file->replaces = known != NULL;
    return mw_csv_file_ingest(ctx, max_share, staging, file, err);
}

static void unstage(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) {
        const mw_ingest_file *file = &result->files[i];
        if (file->segment) (void)mw_dir_remove(ctx, staging, file->segment, NULL);
        if (file->rejects) (void)mw_dir_remove(ctx, staging, file->rejects, NULL);
    }
}

mw_status mw_ingest_run(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                        const mw_ingest_known *known, size_t n_known, const mw_args *args,
                        mw_dir *staging, mw_ingest_result *ret, mw_err *err) {
    double max_share = mw_args_float(args, "max_reject_share");
    mw_ingest_result result = {.mem = ctx->mem};
    const mw_ingest_known **sorted = sort_known(ctx, known, n_known);
    mw_status status = sorted ? MW_OK : mw_fail_nomem(err, "listing files");
    if (status == MW_OK) status = list_files(ctx, paths, n_paths, &result, err);
    for (size_t i = 0; i < result.n_files && status == MW_OK; i++) {
        mw_ingest_file *file = &result.files[i];
        status = ingest_file(ctx, find_known(sorted, n_known, file->source), max_share, staging,
                             file, err);
    }
    mw_free(sorted);
    if (status != MW_OK) {
        unstage(ctx, staging, &result);
        mw_ingest_result_done(&result);
        return status;
    }
    *ret = result;
    return MW_OK;
}

void mw_ingest_result_done(mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) {
        mw_ingest_file *file = &result->files[i];
        mw_free(file->source);
        mw_free(file->path);
        mw_free(file->segment);
        mw_free(file->rejects);
        mw_free(file->layout);
    }
    result->files = mw_free(result->files);
    result->n_files = 0;
}
