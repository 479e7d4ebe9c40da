/*
 * ingest.c -- the list of files, what is known of them, and all-or-nothing over one call: when a
 * file fails, the segments already staged by the call are removed.
 */
#include "keep/ingest/ingest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "keep/ingest/asked.h"
#include "keep/ingest/csv_file.h"
#include "keep/ingest/drift.h"
#include "keep/ingest/listing.h"
#include "keep/ingest/profile.h"
#include "keep/ingest/quality.h"
#include "keep/ingest/resume.h"
#include "keep/ingest/source.h"

static const char *const collisions[] = {"keep", "first", "last", "mean", NULL};
static const char *const drifts[] = {"accept", "refuse", NULL};

const mw_param mw_ingest_params[] = {
    {.name = "max_reject_share",
     .type = MW_PARAM_FLOAT,
     .def = "0.05",
     .min = 0,
     .max = 1,
     .flags = MW_PARAM_BODY,
     .help = "Largest share of a file's rows that may be rejected before the ingest stops."},
    {.name = "collisions",
     .type = MW_PARAM_ENUM,
     .def = "keep",
     .choices = collisions,
     .flags = MW_PARAM_BODY,
     .help = "What becomes of rows with the same time and device. In a long file they are one row, "
             "and it "
             "is about cells; keep then keeps the last."},
    {.name = "drop_duplicates",
     .type = MW_PARAM_BOOL,
     .def = "false",
     .flags = MW_PARAM_BODY,
     .help = "Take rows that are equal in every cell once."},
    {.name = "drift",
     .type = MW_PARAM_ENUM,
     .def = "accept",
     .choices = drifts,
     .flags = MW_PARAM_BODY,
     .help = "Whether a file may have other columns than its dataset."},
    {.name = "rename",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REPEATED | MW_PARAM_BODY,
     .help = "OLD=NEW: a column of the file goes by the dataset's name; repeat for more."},
    {0},
};

enum { ALL_PARAMS = 96 };
static mw_param all_params[ALL_PARAMS];
static pthread_once_t all_params_once = PTHREAD_ONCE_INIT;

static void join_params(void) {
    const mw_param *const tables[] = {mw_ingest_params, mw_profile_params, mw_quality_params};
    mw_param_join(tables, sizeof tables / sizeof *tables, all_params, ALL_PARAMS);
}

const mw_param *mw_ingest_all_params(void) {
    pthread_once(&all_params_once, join_params);
    return all_params;
}

mw_collide mw_ingest_collide(const mw_args *args) {
    static const mw_collide policies[] = {MW_COLLIDE_KEEP, MW_COLLIDE_FIRST, MW_COLLIDE_LAST,
                                          MW_COLLIDE_MEAN};
    const char *name = mw_args_string(args, "collisions");
    for (size_t i = 0; collisions[i]; i++)
        if (strcmp(name, collisions[i]) == 0) return policies[i];
    return MW_COLLIDE_KEEP;
}

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

/*
 * The same content is read again when options are given that it was not read with; given none, it stays as it is. Other content read
 * without the options that its source had before is worth a word: its times may be of another zone now. mark: of this ingest.
 */
static bool asked_as_before(const mw_ctx *ctx, const mw_ingest_known *known,
                            const mw_resume *resume, const char *mark, const char *source,
                            bool same_content) {
    char before[MW_SHA256_HEX];
    if (same_content && !*mark) return true;
    mw_asked_before(ctx, resume ? resume->dataset : NULL, known->segment, before);
    if (!same_content && *before && !*mark)
        mw_log_warn(ctx, "%s: was read with options before, and is now read without", source);
    return strcmp(mark, before) == 0;
}

static mw_status ingest_file(const mw_ctx *ctx, const mw_ingest_known *known,
                             const mw_schema *dataset, const mw_args *args, const char *mark,
                             const mw_resume *resume, mw_dir *staging, mw_ingest_file *file,
                             mw_err *err) {
    char hash[MW_HASH128_NAME] = "";
    if (known && !mw_source_is_stdin(file->path)) {
        uint64_t bytes;
        mw_status status = mw_source_hash_file(ctx, file->path, hash, &bytes, err);
        if (status != MW_OK) return status;
        bool same = strcmp(hash, known->content_hash) == 0;
        if (asked_as_before(ctx, known, resume, mark, file->source, same) && same) {
            memcpy(file->content_hash, hash, sizeof hash);
            file->bytes = bytes;
            file->unchanged = true;
            return MW_OK;
        }
    }
    file->replaces = known != NULL;
    mw_status status = MW_OK;
    if (resume) status = mw_resume_adopt(ctx, resume, staging, *hash ? hash : NULL, file, err);
    if (status != MW_OK || file->resumed) return status;
    status = mw_csv_file_ingest(ctx, args, mark, dataset, staging, file, err);
    if (status == MW_OK && resume) mw_resume_note(ctx, resume, staging, file);
    return status;
}

void mw_ingest_unstage(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_file *file) {
    for (size_t k = 0; k < file->n_segments; k++)
        (void)mw_dir_remove(ctx, staging, file->segments[k].file, NULL);
    if (file->quality) (void)mw_dir_remove(ctx, staging, file->quality, NULL);
    if (file->rejects) (void)mw_dir_remove(ctx, staging, file->rejects, NULL);
}

mw_status mw_ingest_run(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                        const mw_ingest_known *known, size_t n_known, const mw_schema *dataset,
                        const mw_args *args, mw_dir *staging, mw_ingest_result *ret, mw_err *err) {
    return mw_ingest_resume(ctx, paths, n_paths, known, n_known, dataset, args, NULL, staging, ret,
                            err);
}

/* The manifest goes first: it must not name what is gone. */
static void take_back(const mw_ctx *ctx, mw_dir *staging, const mw_resume *resume,
                      const mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) {
        if (resume && result->files[i].n_segments)
            mw_resume_forget(ctx, staging, result->files[i].source);
        mw_ingest_unstage(ctx, staging, &result->files[i]);
    }
}

mw_status mw_ingest_resume(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                           const mw_ingest_known *known, size_t n_known, const mw_schema *dataset,
                           const mw_args *args, mw_resume *resume, mw_dir *staging,
                           mw_ingest_result *ret, mw_err *err) {
    mw_ingest_result result = {.mem = ctx->mem};
    mw_asked asked = {.mark = ""};
    mw_schema *columns = NULL; /* of the dataset and the files so far */
    const mw_ingest_known **sorted = sort_known(ctx, known, n_known);
    mw_status status = sorted ? MW_OK : mw_fail_nomem(err, "listing files");
    if (status == MW_OK) status = mw_asked_now(ctx, args, &asked, err);
    if (status == MW_OK) status = mw_drift_copy(ctx->mem, dataset, &columns, err);
    if (status == MW_OK) status = list_files(ctx, paths, n_paths, &result, err);
    for (size_t i = 0; i < result.n_files && status == MW_OK; i++) {
        mw_ingest_file *file = &result.files[i];
        if (resume) status = mw_resume_set_options(ctx, &asked, columns, resume, err);
        if (status == MW_OK)
            status = ingest_file(ctx, find_known(sorted, n_known, file->source), columns, args,
                                 asked.mark, resume, staging, file, err);
        if (status == MW_OK && i + 1 < result.n_files)
            status = mw_drift_add(ctx, staging, file, &columns, err);
    }
    mw_schema_free(columns);
    mw_asked_done(&asked);
    mw_free(sorted);
    if (status != MW_OK) {
        if (!resume || status != MW_ECANCELED) take_back(ctx, staging, resume, &result);
        mw_ingest_result_done(&result);
        return status;
    }
    *ret = result;
    return MW_OK;
}

void mw_ingest_parts_free(mw_ingest_part *parts, size_t n) {
    for (size_t i = 0; i < n; i++) mw_free(parts[i].file);
    mw_free(parts);
}

void mw_ingest_file_done(mw_ingest_file *file) {
    mw_free(file->source);
    mw_free(file->path);
    mw_ingest_parts_free(file->segments, file->n_segments);
    mw_free(file->quality);
    mw_free(file->rejects);
    mw_free(file->layout);
    mw_free(file->findings);
    mw_free(file->drift);
}

void mw_ingest_result_done(mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) mw_ingest_file_done(&result->files[i]);
    result->files = mw_free(result->files);
    result->n_files = 0;
}
