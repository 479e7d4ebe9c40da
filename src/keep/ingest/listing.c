/*
 * listing.c -- patterns are walked name by name: a name without magic is passed through, one with magic is held
 * against the folder's entries, and ** tries both itself as nothing and every folder below. The result is
 * sorted, so the order of the walk does not show.
 */
#include "keep/ingest/listing.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/dir.h"
#include "core/base/limits.h"
#include "keep/ingest/source.h"

enum { DEPTH_MAX = 64 };

static const char *const table_suffixes[] = {".csv", ".tsv", ".txt", ".dat", ".data"};
static const char *const packed_suffixes[] = {"", ".gz", ".zst"};

/* Texts beside tables. */
static const char *const prose_prefixes[] = {"readme",  "license",   "licence",
                                             "copying", "changelog", "notice"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

void mw_listing_done(mw_listing *listing) {
    for (size_t i = 0; i < listing->n; i++) mw_free(listing->paths[i]);
    mw_free(listing->paths);
    *listing = (mw_listing){0};
}

static bool ends_in(mw_str name, const char *suffix) {
    size_t n = strlen(suffix);
    return name.size > n && mw_str_is_nocase((mw_str){name.data + name.size - n, n}, suffix);
}

static bool is_prose(const char *name) {
    for (size_t i = 0; i < COUNT(prose_prefixes); i++) {
        mw_str begin = {name, strlen(prose_prefixes[i])};
        if (strlen(name) > begin.size && mw_str_is_nocase(begin, prose_prefixes[i])) return true;
    }
    return false;
}

bool mw_listing_is_table(const char *name) {
    if (name[0] == '.' || is_prose(name)) return false;
    for (size_t i = 0; i < COUNT(packed_suffixes); i++) {
        mw_str stem = mw_str_of(name);
        if (!ends_in(stem, packed_suffixes[i])) continue;
        stem.size -= strlen(packed_suffixes[i]);
        for (size_t k = 0; k < COUNT(table_suffixes); k++)
            if (ends_in(stem, table_suffixes[k])) return true;
    }
    return false;
}

/* Takes path over (an mw_strdup), also on failure. */
static mw_status add(const mw_ctx *ctx, mw_listing *listing, char *path, mw_err *err) {
    mw_status status = path ? MW_OK : mw_fail_nomem(err, "listing files");
    if (status == MW_OK && listing->n >= (size_t)MW_LIMIT(FILES_PER_INGEST)) {
        mw_fail(err, MW_ETOOLARGE, "more than %lld files", (long long)MW_LIMIT(FILES_PER_INGEST));
        status = mw_err_hint(err, "Ingest them in several calls.");
    }
    if (status == MW_OK && listing->n == listing->capacity) {
        size_t more = listing->capacity ? listing->capacity * 2 : 8;
        char **paths = mw_realloc(ctx->mem, listing->paths, more * sizeof *paths);
        if (!paths) status = mw_fail_nomem(err, "listing files");
        if (paths) {
            listing->paths = paths;
            listing->capacity = more;
        }
    }
    if (status != MW_OK) {
        mw_free(path);
        return status;
    }
    listing->paths[listing->n++] = path;
    return MW_OK;
}

/* "folder/name"; an empty folder is the current one. */
static char *join(mw_mem *mem, const char *folder, mw_str name) {
    mw_buf buf;
    size_t n = strlen(folder);
    mw_buf_init(&buf, mem, n + name.size + 2);
    mw_buf_add(&buf, folder);
    if (n > 0 && folder[n - 1] != '/') mw_buf_add_char(&buf, '/');
    mw_buf_add_str(&buf, name);
    char *path = buf.failed == MW_OK ? mw_buf_steal(&buf, NULL) : NULL;
    mw_buf_done(&buf);
    return path;
}

static mw_status read_folder(const mw_ctx *ctx, const char *folder, mw_dir_entry **ret, size_t *n,
                             mw_err *err) {
    mw_dir *dir;
    mw_status status = mw_ctx_check(ctx, err);
    if (status == MW_OK)
        status = mw_dir_open(ctx, folder[0] ? folder : ".", MW_DIR_MUST_EXIST, &dir, err);
    if (status != MW_OK) return status;
    status = mw_dir_list(ctx, dir, ret, n, err);
    mw_dir_close(dir);
    return status;
}

static mw_status add_folder(const mw_ctx *ctx, mw_listing *listing, const char *folder,
                            mw_err *err) {
    mw_dir_entry *entries;
    size_t n, before = listing->n;
    mw_status status = read_folder(ctx, folder, &entries, &n, err);
    if (status != MW_OK) return status;
    for (size_t i = 0; i < n && status == MW_OK; i++)
        if (!entries[i].is_dir && mw_listing_is_table(entries[i].name))
            status = add(ctx, listing, join(ctx->mem, folder, mw_str_of(entries[i].name)), err);
    mw_free(entries);
    if (status != MW_OK || listing->n > before) return status;
    mw_fail(err, MW_EDATA,
            "%s: the folder holds no *.csv, *.tsv, *.txt, *.dat or *.data file, plain, .gz or .zst",
            folder);
    return mw_err_hint(err, "Sub-folders are not read; '**/*.csv' in quotes takes them too.");
}

/* --- patterns ---------------------------------------------------------------------------------- */

typedef struct walk {
    const mw_ctx *ctx;
    mw_listing *listing;
    int depth;
} walk;

static bool has_magic(mw_str name) {
    for (size_t i = 0; i < name.size; i++)
        if (strchr("*?[", name.data[i])) return true;
    return false;
}

static mw_status walk_pattern(walk *w, const char *folder, const char *pattern, mw_err *err);

/* One name of the pattern found in folder: goes on below it, or takes it. */
static mw_status step(walk *w, const char *folder, mw_str name, bool is_dir, const char *rest,
                      mw_err *err) {
    if (rest && !is_dir) return MW_OK;
    if (!rest && is_dir) return MW_OK;
    char *path = join(w->ctx->mem, folder, name);
    if (!path) return mw_fail_nomem(err, "listing files");
    if (!rest) return add(w->ctx, w->listing, path, err);
    mw_status status = walk_pattern(w, path, rest, err);
    mw_free(path);
    return status;
}

static mw_status match_entries(walk *w, const char *folder, mw_str name, const char *rest,
                               mw_err *err) {
    mw_dir_entry *entries;
    size_t n;
    char *wanted = mw_strndup(w->ctx->mem, name.data, name.size);
    if (!wanted) return mw_fail_nomem(err, "listing files");
    mw_status status = read_folder(w->ctx, folder, &entries, &n, err);
    if (status != MW_OK) {
        mw_free(wanted);
        return status;
    }
    for (size_t i = 0; i < n && status == MW_OK; i++)
        if (fnmatch(wanted, entries[i].name, FNM_PERIOD) == 0)
            status = step(w, folder, mw_str_of(entries[i].name), entries[i].is_dir, rest, err);
    mw_free(entries);
    mw_free(wanted);
    return status;
}

static bool look_at(const mw_ctx *ctx, const char *path, int flags, struct stat *ret) {
    return ctx->io->stat(ctx->io->self, AT_FDCWD, path, ret, flags) == 0;
}

/* Links are not followed: they may lead in a circle. */
static mw_status go_below(walk *w, const char *folder, mw_str name, const char *whole,
                          mw_err *err) {
    struct stat info;
    char *path = join(w->ctx->mem, folder, name);
    if (!path) return mw_fail_nomem(err, "listing files");
    bool is_folder = look_at(w->ctx, path, AT_SYMLINK_NOFOLLOW, &info) && S_ISDIR(info.st_mode);
    mw_status status = is_folder ? walk_pattern(w, path, whole, err) : MW_OK;
    mw_free(path);
    return status;
}

/* The pattern behind **: here, and in every folder below. */
static mw_status match_below(walk *w, const char *folder, const char *rest, const char *whole,
                             mw_err *err) {
    mw_dir_entry *entries;
    size_t n;
    mw_status status = walk_pattern(w, folder, rest, err);
    if (status != MW_OK) return status;
    status = read_folder(w->ctx, folder, &entries, &n, err);
    if (status != MW_OK) return status;
    for (size_t i = 0; i < n && status == MW_OK; i++)
        if (entries[i].is_dir && entries[i].name[0] != '.')
            status = go_below(w, folder, mw_str_of(entries[i].name), whole, err);
    mw_free(entries);
    return status;
}

/* A name without magic: a folder to go through, or a file that may be there. */
static mw_status pass_through(walk *w, const char *folder, mw_str name, const char *rest,
                              mw_err *err) {
    struct stat info;
    char *path = join(w->ctx->mem, folder, name);
    if (!path) return mw_fail_nomem(err, "listing files");
    bool exists = look_at(w->ctx, path, 0, &info);
    mw_free(path);
    if (!exists) return MW_OK;
    return step(w, folder, name, S_ISDIR(info.st_mode), rest, err);
}

/* folder is "" or a path; pattern is what is still to be matched below it. */
static mw_status walk_pattern(walk *w, const char *folder, const char *pattern, mw_err *err) {
    if (w->depth >= DEPTH_MAX) {
        mw_fail(err, MW_ETOOLARGE, "%s: more than %d folders deep", folder, DEPTH_MAX);
        return mw_err_hint(err, "Name a folder further down.");
    }
    const char *slash = strchr(pattern, '/');
    mw_str name = {pattern, slash ? (size_t)(slash - pattern) : strlen(pattern)};
    const char *rest = slash;
    while (rest && *rest == '/') rest++;
    mw_status status;
    w->depth++;
    if (mw_str_is(name, "**"))
        status = match_below(w, folder, rest ? rest : "*", pattern, err);
    else if (has_magic(name))
        status = match_entries(w, folder, name, rest, err);
    else
        status = pass_through(w, folder, name, rest, err);
    w->depth--;
    return status;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static mw_status add_pattern(const mw_ctx *ctx, mw_listing *listing, const char *pattern,
                             mw_err *err) {
    walk w = {.ctx = ctx, .listing = listing};
    const char *below = pattern;
    size_t before = listing->n;
    while (*below == '/') below++;
    mw_status status = walk_pattern(&w, below > pattern ? "/" : "", below, err);
    if (status != MW_OK) return status;
    if (listing->n == before) {
        mw_fail(err, MW_ENOTFOUND, "%s: no file matches", pattern);
        return mw_err_hint(err, "Check the pattern; a leading '.' must be written out.");
    }
    qsort(listing->paths + before, listing->n - before, sizeof *listing->paths, by_text);
    return MW_OK;
}

/* --- the list ---------------------------------------------------------------------------------- */

typedef struct named {
    char *path;
    const char *name;
    size_t at;
} named;

static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool is_same_file(const mw_ctx *ctx, const char *a, const char *b) {
    struct stat x, y;
    if (strcmp(a, b) == 0) return true;
    if (mw_source_is_stdin(a) || mw_source_is_stdin(b)) return false;
    return look_at(ctx, a, 0, &x) && look_at(ctx, b, 0, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* A file's base name is its identity within a dataset, so two with the same name cannot both be. */
static mw_status make_distinct(const mw_ctx *ctx, mw_listing *listing, mw_err *err) {
    named *sorted = mw_alloc_array(ctx->mem, listing->n + 1, sizeof *sorted);
    if (!sorted) return mw_fail_nomem(err, "listing files");
    for (size_t i = 0; i < listing->n; i++)
        sorted[i] = (named){listing->paths[i], mw_source_name(listing->paths[i]), i};
    qsort(sorted, listing->n, sizeof *sorted, by_name);
    mw_status status = MW_OK;
    for (size_t i = 1, first = 0; i < listing->n; i++) {
        if (strcmp(sorted[i].name, sorted[first].name) != 0) {
            first = i;
            continue;
        }
        if (!is_same_file(ctx, sorted[first].path, sorted[i].path)) {
            mw_fail(err, MW_EINVAL, "two files are called %s: %s and %s", sorted[i].name,
                    sorted[first].path, sorted[i].path);
            status = mw_err_hint(err, "A file's name is its identity in a dataset: rename one.");
            break;
        }
        listing->paths[sorted[i].at] = mw_free(sorted[i].path);
        sorted[i].name = sorted[first].name; /* the other one went with its path */
    }
    mw_free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < listing->n; i++)
        if (listing->paths[i]) listing->paths[kept++] = listing->paths[i];
    listing->n = kept;
    return status;
}

static mw_status add_path(const mw_ctx *ctx, mw_listing *listing, const char *path, mw_err *err) {
    struct stat info;
    bool exists = !mw_source_is_stdin(path) && look_at(ctx, path, 0, &info);
    if (exists && S_ISDIR(info.st_mode)) return add_folder(ctx, listing, path, err);
    if (!exists && has_magic(mw_str_of(path))) return add_pattern(ctx, listing, path, err);
    return add(ctx, listing, mw_strdup(ctx->mem, path), err);
}

mw_status mw_listing_read(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                          mw_listing *ret, mw_err *err) {
    mw_listing listing = {0};
    mw_status status = MW_OK;
    for (size_t i = 0; i < n_paths && status == MW_OK; i++)
        status = add_path(ctx, &listing, paths[i], err);
    if (status == MW_OK) status = make_distinct(ctx, &listing, err);
    if (status != MW_OK) {
        mw_listing_done(&listing);
        return status;
    }
    *ret = listing;
    return MW_OK;
}
