/*
 * ingest.c -- the list of files, what is known of them, and all-or-nothing over one call: when a
 * file fails, the segments already staged by the call are removed.
 */
#include "keep/ingest/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/csv_file.h"
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

/* One line a source: the first whose name matches reads the file. */
static const struct kind {
    const char *suffix; /* of files found in a folder */
} folder_kinds[] = {{".csv"}, {".csv.gz"}};

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && mw_str_is_nocase((mw_str){name + n - m, m}, suffix);
}

static bool is_wanted(const mw_dir_entry *entry) {
    if (entry->is_dir || entry->name[0] == '.') return false;
    for (size_t i = 0; i < sizeof folder_kinds / sizeof *folder_kinds; i++)
        if (has_suffix(entry->name, folder_kinds[i].suffix)) return true;
    return false;
}

/* Takes path over (an mw_strdup), also on failure. */
static mw_status add_file(const mw_ctx *ctx, mw_ingest_result *result, size_t *capacity, char *path,
                          mw_err *err) {
    char *source = path ? mw_strdup(ctx->mem, mw_source_name(path)) : NULL;
    mw_status status = source ? MW_OK : mw_fail_nomem(err, "listing files");
    if (status == MW_OK && result->n_files >= (size_t)MW_LIMIT(FILES_PER_INGEST)) {
        mw_fail(err, MW_ETOOLARGE, "more than %lld files", (long long)MW_LIMIT(FILES_PER_INGEST));
        status = mw_err_hint(err, "Ingest them in several calls.");
    }
    if (status == MW_OK && result->n_files == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 8;
        void *files = mw_realloc(ctx->mem, result->files, more * sizeof *result->files);
        if (!files) status = mw_fail_nomem(err, "listing files");
        if (files) {
            result->files = files;
            *capacity = more;
        }
    }
    if (status != MW_OK) {
        mw_free(path);
        mw_free(source);
        return status;
    }
    result->files[result->n_files++] = (mw_ingest_file){.path = path, .source = source};
    return MW_OK;
}

static char *join(mw_mem *mem, const char *folder, const char *name) {
    mw_buf buf;
    size_t n = strlen(folder);
    mw_buf_init(&buf, mem, n + strlen(name) + 2);
    mw_buf_add(&buf, folder);
    if (n > 0 && folder[n - 1] != '/') mw_buf_add_char(&buf, '/');
    mw_buf_add(&buf, name);
    char *path = buf.failed == MW_OK ? mw_buf_steal(&buf, NULL) : NULL;
    mw_buf_done(&buf);
    return path;
}

static mw_status add_folder(const mw_ctx *ctx, mw_ingest_result *result, size_t *capacity,
                            const char *folder, mw_err *err) {
    mw_dir *dir;
    mw_dir_entry *entries;
    size_t n, before = result->n_files;
    mw_status status = mw_dir_open(ctx, folder, MW_DIR_MUST_EXIST, &dir, err);
    if (status != MW_OK) return status;
    status = mw_dir_list(ctx, dir, &entries, &n, err);
    mw_dir_close(dir);
    if (status != MW_OK) return status;
    for (size_t i = 0; i < n && status == MW_OK; i++)
        if (is_wanted(&entries[i]))
            status = add_file(ctx, result, capacity, join(ctx->mem, folder, entries[i].name), err);
    mw_free(entries);
    if (status != MW_OK || result->n_files > before) return status;
    mw_fail(err, MW_EDATA, "%s: the folder holds no *.csv or *.csv.gz file", folder);
    return mw_err_hint(err, "Sub-folders are not read.");
}

static int by_source(const void *a, const void *b) {
    const mw_ingest_file *const *x = a, *const *y = b;
    return strcmp((*x)->source, (*y)->source);
}

/* A file's base name is its identity within a dataset, so two with the same name cannot both be. */
static mw_status check_distinct(const mw_ctx *ctx, const mw_ingest_result *result, mw_err *err) {
    const mw_ingest_file **sorted = mw_alloc_array(ctx->mem, result->n_files + 1, sizeof *sorted);
    if (!sorted) return mw_fail_nomem(err, "listing files");
    for (size_t i = 0; i < result->n_files; i++) sorted[i] = &result->files[i];
    qsort(sorted, result->n_files, sizeof *sorted, by_source);
    mw_status status = MW_OK;
    for (size_t i = 1; i < result->n_files && status == MW_OK; i++) {
        if (strcmp(sorted[i - 1]->source, sorted[i]->source) != 0) continue;
        mw_fail(err, MW_EINVAL, "two files are called %s", sorted[i]->source);
        status = mw_err_hint(err, "A file's name is its identity in a dataset: rename one.");
    }
    mw_free(sorted);
    return status;
}

static mw_status list_files(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                            mw_ingest_result *result, mw_err *err) {
    size_t capacity = 0;
    for (size_t i = 0; i < n_paths; i++) {
        struct stat info;
        mw_status status;
        if (stat(paths[i], &info) == 0 && S_ISDIR(info.st_mode))
            status = add_folder(ctx, result, &capacity, paths[i], err);
        else
            status = add_file(ctx, result, &capacity, mw_strdup(ctx->mem, paths[i]), err);
        if (status != MW_OK) return status;
    }
    return check_distinct(ctx, result, err);
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
    if (known) {
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
        file->replaces = true;
    }
    return mw_csv_file_ingest(ctx, max_share, staging, file, err);
}

static void unstage(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) {
        const mw_ingest_file *file = &result->files[i];
        for (size_t k = 0; k < file->n_segments; k++)
            (void)mw_dir_remove(ctx, staging, file->segments[k].file, NULL);
        if (file->quality) (void)mw_dir_remove(ctx, staging, file->quality, NULL);
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

void mw_ingest_parts_free(mw_ingest_part *parts, size_t n) {
    for (size_t i = 0; i < n; i++) mw_free(parts[i].file);
    mw_free(parts);
}

void mw_ingest_result_done(mw_ingest_result *result) {
    for (size_t i = 0; i < result->n_files; i++) {
        mw_ingest_file *file = &result->files[i];
        mw_free(file->source);
        mw_free(file->path);
        mw_ingest_parts_free(file->segments, file->n_segments);
        mw_free(file->quality);
        mw_free(file->rejects);
        mw_free(file->layout);
    }
    result->files = mw_free(result->files);
    result->n_files = 0;
}
