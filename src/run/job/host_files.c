/*
 * host_files.c -- the files of a job on a host that has none of the server's: fetched before it begins, delivered when it has answered.
 *
 * A file is fetched into the cache of its organization, whole and under a name made of its path and tag, and then linked to where the job looks for it. So
 * what comes again is there, a file in use outlives its place in the cache, and a name never has two contents. Pieces are checked by their hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "run/job/host_parts.h"

enum { DIGITS = MW_HASH128_HEX - 1, TRIES = 4 };

/* A disk's failure is this host's own. */
static mw_host_outcome fail_own(bool *own) {
    *own = true;
    return MW_HOST_REFUSED;
}

/* What the disk says is of this host, whatever code it has. */
static mw_host_outcome of_disk(mw_status status, bool *own) {
    return status == MW_OK ? MW_HOST_DONE : fail_own(own);
}

static mw_status hash_texts(mw_mem *mem, const char *a, const char *b, char hex[MW_HASH128_HEX],
                            mw_err *err) {
    mw_hash128 *hash;
    mw_status status = mw_hash128_new(mem, &hash, err);
    if (status != MW_OK) return status;
    mw_hash128_add(hash, a, strlen(a) + 1);
    mw_hash128_add(hash, b, strlen(b) + 1);
    mw_hash128_digest(hash, hex);
    mw_hash128_free(hash);
    return MW_OK;
}

/* ---- fetching ---- */

typedef struct fetching {
    mw_host_slot *slot;
    mw_dir *in, *cache; /* cache: of the organization */
    uint64_t done_bytes, all_bytes;
    bool *own;
} fetching;

static void add_query(mw_buf *path, const char *name, const char *value) {
    mw_buf_printf(path, "&%s=", name);
    mw_host__escape(mw_str_of(value), path);
}

/* One piece of a file, checked; the answer's body holds it behind its hash. */
static mw_host_outcome get_piece(const fetching *f, const char *file, const char *tag, uint64_t at,
                                 mw_net_answer *answer, mw_err *err) {
    mw_host_slot *slot = f->slot;
    mw_buf path;
    mw_host_outcome outcome = MW_HOST_REFUSED;
    mw_buf_init(&path, slot->ctx.mem, 16384);
    mw_buf_printf(&path, "/%s/files?at=%llu", slot->id, (unsigned long long)at);
    add_query(&path, "path", file);
    add_query(&path, "tag", tag);
    if (mw_buf_status(&path, "an address", err) == MW_OK) {
        for (int i = 0; i < TRIES; i++) {
            char hex[MW_HASH128_HEX];
            outcome = mw_host__ask(slot, "GET", mw_buf_text(&path), NULL, (mw_str){0}, answer, err);
            if (outcome != MW_HOST_DONE) break;
            const mw_buf *body = &answer->body;
            if (body->size >= DIGITS) {
                mw_hash128_of(body->data + DIGITS, body->size - DIGITS, hex);
                if (memcmp(hex, body->data, DIGITS) == 0) break;
            }
            mw_net_answer_done(answer);
            mw_fail(err, MW_EDATA, "a piece of %s did not come as it was sent", file);
            outcome = MW_HOST_REFUSED;
        }
    }
    mw_buf_done(&path);
    return outcome;
}

static mw_host_outcome note_fetching(const fetching *f, mw_err *err) {
    return mw_host__note(f->slot, "fetching data", (double)f->done_bytes, (double)f->all_bytes,
                         err);
}

static mw_host_outcome fetch_pieces(fetching *f, const char *path, const char *tag, uint64_t size,
                                    mw_file *file, mw_err *err) {
    mw_host_outcome outcome = MW_HOST_DONE;
    for (uint64_t at = 0; at < size && outcome == MW_HOST_DONE;) {
        mw_net_answer answer;
        outcome = get_piece(f, path, tag, at, &answer, err);
        if (outcome != MW_HOST_DONE) break;
        const size_t n = answer.body.size - DIGITS;
        if (n == 0 || n > size - at) {
            mw_fail(err, MW_EDATA, "%s has another size than the server said", path);
            outcome = MW_HOST_REFUSED;
        } else {
            outcome = of_disk(mw_file_write(file, answer.body.data + DIGITS, n, err), f->own);
        }
        mw_net_answer_done(&answer);
        at += n;
        f->done_bytes += n;
        if (outcome == MW_HOST_DONE) outcome = note_fetching(f, err);
        if (f->slot->canceled) break;
    }
    return outcome;
}

/* Into the cache, under `name`. */
static mw_host_outcome fetch_file(fetching *f, const char *path, const char *tag, uint64_t size,
                                  const char *name, mw_err *err) {
    mw_file *file = NULL;
    if (mw_file_create(&f->slot->ctx, f->cache, name, &file, err) != MW_OK) return fail_own(f->own);
    mw_host_outcome outcome = fetch_pieces(f, path, tag, size, file, err);
    if (outcome == MW_HOST_DONE && !f->slot->canceled)
        return of_disk(mw_file_commit(file, err), f->own);
    mw_file_abort(file);
    return outcome;
}

/* True: it is in the cache, and counts as used now. */
static bool is_cached(const fetching *f, const char *name, uint64_t size) {
    struct stat info;
    if (fstatat(mw_dir_fd(f->cache), name, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size != size) return false;
    (void)utimensat(mw_dir_fd(f->cache), name, NULL, 0);
    return true;
}

/* Another slot may look through the cache and remove it in between: then it is fetched again. */
static mw_host_outcome place_file(fetching *f, const char *path, const char *tag, uint64_t size,
                                  mw_err *err) {
    char name[MW_HASH128_HEX];
    mw_dir *folder;
    const char *last = strrchr(path, '/');
    const char *same = tag[0] == 'h' && last ? last + 1 : path; /* wherever it lies */
    if (hash_texts(f->slot->ctx.mem, same, tag, name, err) != MW_OK ||
        mw_dir_below(&f->slot->ctx, f->in, path, MW_DIR_CREATE, &folder, &last, err) != MW_OK)
        return fail_own(f->own);
    mw_host_outcome outcome = MW_HOST_DONE;
    for (int i = 0; outcome == MW_HOST_DONE && !f->slot->canceled; i++) {
        if (is_cached(f, name, size))
            f->done_bytes += i == 0 ? size : 0;
        else
            outcome = fetch_file(f, path, tag, size, name, err);
        if (outcome != MW_HOST_DONE || f->slot->canceled) break;
        if (linkat(mw_dir_fd(f->cache), name, mw_dir_fd(folder), last, 0) == 0) break;
        if (errno == EEXIST) break; /* the server named it twice */
        if (errno == ENOENT && i < TRIES) continue;
        mw_fail_errno(err, errno, "cannot link %s", path);
        outcome = fail_own(f->own);
    }
    mw_dir_close(folder);
    return outcome;
}

static mw_host_outcome make_file(fetching *f, const char *path, mw_str content, mw_err *err) {
    mw_dir *folder;
    const char *name;
    const mw_ctx *ctx = &f->slot->ctx;
    mw_status status = mw_dir_below(ctx, f->in, path, MW_DIR_CREATE, &folder, &name, err);
    if (status == MW_OK) {
        status = mw_file_replace(ctx, folder, name, content.data, content.size, err);
        mw_dir_close(folder);
    }
    return of_disk(status, f->own);
}

static mw_host_outcome take_one(fetching *f, const mw_json *item, mw_arena *arena, mw_err *err) {
    const mw_str path = mw_json_string(mw_json_get(item, "path"), "");
    const mw_str tag = mw_json_string(mw_json_get(item, "tag"), "");
    const mw_json *content = mw_json_get(item, "content");
    const int64_t size = mw_json_int(mw_json_get(item, "bytes"), -1);
    const char *name = mw_arena_strndup(arena, path.data, path.size);
    const char *mark = mw_arena_strndup(arena, tag.data, tag.size);
    if (!name || !mark) {
        mw_fail_nomem(err, "the list of files");
        return fail_own(f->own);
    }
    if (content) return make_file(f, name, mw_json_string(content, ""), err);
    if (tag.size && size >= 0) return place_file(f, name, mark, (uint64_t)size, err);
    mw_fail(err, MW_EDATA, "the server's list of files is not Millwright's");
    return MW_HOST_REFUSED;
}

static mw_host_outcome take_all(fetching *f, const mw_json *files, mw_arena *arena, mw_err *err) {
    mw_host_outcome outcome = MW_HOST_DONE;
    for (const mw_json *item = files ? files->first : NULL; item; item = item->next)
        f->all_bytes += (uint64_t)mw_json_int(mw_json_get(item, "bytes"), 0);
    outcome = note_fetching(f, err);
    for (const mw_json *item = files ? files->first : NULL;
         item && outcome == MW_HOST_DONE && !f->slot->canceled; item = item->next) {
        outcome = take_one(f, item, arena, err);
        if (outcome == MW_HOST_DONE) outcome = note_fetching(f, err);
    }
    return outcome;
}

static mw_host_outcome ask_inputs(mw_host_slot *slot, mw_arena *arena, const mw_json **ret,
                                  mw_err *err) {
    char path[64];
    mw_net_answer answer;
    (void)snprintf(path, sizeof path, "/%s/inputs", slot->id);
    mw_host_outcome outcome = mw_host__ask(slot, "GET", path, NULL, (mw_str){0}, &answer, err);
    if (outcome != MW_HOST_DONE) return outcome;
    const char *text = mw_arena_strndup(arena, mw_buf_text(&answer.body), answer.body.size);
    mw_status status = text ? mw_json_parse(arena, text, answer.body.size, ret, err)
                            : mw_fail_nomem(err, "the list of files");
    mw_net_answer_done(&answer);
    if (status != MW_OK) return MW_HOST_REFUSED;
    mw_str_copy(slot->job_id, sizeof slot->job_id, mw_json_string(mw_json_get(*ret, "job_id"), ""));
    mw_str_copy(slot->org, sizeof slot->org, mw_json_string(mw_json_get(*ret, "org"), ""));
    if (mw_name_valid(slot->org)) return MW_HOST_DONE;
    mw_fail(err, MW_EDATA, "the server's list of files is not Millwright's");
    return MW_HOST_REFUSED;
}

/* Both folders of the slot, empty. */
static mw_status make_folders(mw_host_slot *slot, mw_dir **in, mw_err *err) {
    const mw_ctx *ctx = &slot->ctx;
    mw_dir *work = NULL;
    mw_status status = mw_dir_remove(ctx, slot->dir, "in", err);
    if (status == MW_OK) status = mw_dir_remove(ctx, slot->dir, "work", err);
    if (status == MW_OK) status = mw_dir_sub(ctx, slot->dir, "work", MW_DIR_CREATE, &work, err);
    if (status == MW_OK) status = mw_dir_sub(ctx, slot->dir, "in", MW_DIR_CREATE, in, err);
    mw_dir_close(work);
    return status;
}

mw_host_outcome mw_host__fetch(mw_host_slot *slot, bool *own, mw_err *err) {
    fetching f = {.slot = slot, .own = own};
    const mw_json *inputs = NULL;
    mw_arena arena;
    mw_arena_init(&arena, slot->ctx.mem);
    mw_host_outcome outcome = ask_inputs(slot, &arena, &inputs, err);
    if (outcome == MW_HOST_DONE && (make_folders(slot, &f.in, err) != MW_OK ||
                                    mw_dir_sub(&slot->ctx, slot->host->cache, slot->org,
                                               MW_DIR_CREATE, &f.cache, err) != MW_OK))
        outcome = fail_own(own);
    if (outcome == MW_HOST_DONE) outcome = take_all(&f, mw_json_get(inputs, "files"), &arena, err);
    mw_dir_close(f.cache);
    mw_dir_close(f.in);
    mw_arena_done(&arena);
    return outcome;
}

/* ---- delivering ---- */

typedef struct delivering {
    mw_host_slot *slot;
    uint64_t done_bytes, all_bytes;
    char *piece; /* [MW_LIMIT(REMOTE_PIECE_BYTES)] */
    bool *own;
} delivering;

static mw_host_outcome put_piece(delivering *d, const char *path, uint64_t at, size_t size,
                                 bool last, mw_err *err) {
    mw_host_slot *slot = d->slot;
    char hex[MW_HASH128_HEX];
    mw_buf query;
    mw_host_outcome outcome = MW_HOST_REFUSED;
    mw_buf_init(&query, slot->ctx.mem, 16384);
    mw_hash128_of(d->piece, size, hex);
    mw_buf_printf(&query, "/%s/outputs?at=%llu&last=%s&hash=%s", slot->id, (unsigned long long)at,
                  last ? "true" : "false", hex);
    add_query(&query, "path", path);
    if (mw_buf_status(&query, "an address", err) == MW_OK)
        outcome = mw_host__ask(slot, "PUT", mw_buf_text(&query), "application/octet-stream",
                               (mw_str){d->piece, size}, NULL, err);
    mw_buf_done(&query);
    return outcome;
}

static mw_host_outcome put_file(delivering *d, mw_dir *dir, const char *name, const char *path,
                                uint64_t size, mw_err *err) {
    const mw_io *io = d->slot->ctx.io;
    const size_t most = (size_t)MW_LIMIT(REMOTE_PIECE_BYTES);
    mw_host_outcome outcome = MW_HOST_DONE;
    int fd = io->open(io->self, mw_dir_fd(dir), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) {
        mw_fail_errno(err, errno, "cannot open %s", path);
        return fail_own(d->own);
    }
    for (uint64_t at = 0; outcome == MW_HOST_DONE;) {
        size_t n = 0;
        while (n < most && at + n < size) {
            ssize_t got = io->read(io->self, fd, d->piece + n, most - n);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
            n += (size_t)got;
        }
        if (n < most && at + n < size) {
            mw_fail(err, MW_EIO, "cannot read %s", path);
            outcome = fail_own(d->own);
            break;
        }
        const bool last = at + n >= size;
        outcome = put_piece(d, path, at, n, last, err);
        at += n;
        d->done_bytes += n;
        if (outcome == MW_HOST_DONE)
            outcome = mw_host__note(d->slot, "delivering results", (double)d->done_bytes,
                                    (double)d->all_bytes, err);
        if (last || d->slot->canceled) break;
    }
    io->close(io->self, fd);
    return outcome;
}

/* Every file below dir; put false: only their bytes are counted. */
static mw_host_outcome walk(delivering *d, mw_dir *dir, const char *prefix, bool put, mw_err *err) {
    mw_dir_entry *entries;
    size_t n;
    mw_host_outcome outcome = MW_HOST_DONE;
    if (mw_dir_list(&d->slot->ctx, dir, &entries, &n, err) != MW_OK) return fail_own(d->own);
    for (size_t i = 0; i < n && outcome == MW_HOST_DONE && !d->slot->canceled; i++) {
        char path[2048];
        mw_dir *below;
        const int size = snprintf(path, sizeof path, "%s%s%s", prefix, entries[i].name,
                                  entries[i].is_dir ? "/" : "");
        if (size < 0 || (size_t)size >= sizeof path) {
            mw_fail(err, MW_ETOOLARGE, "the path of a file that the job made is too long");
            outcome = MW_HOST_REFUSED;
        } else if (!entries[i].is_dir) {
            if (!put)
                d->all_bytes += entries[i].size_bytes;
            else
                outcome = put_file(d, dir, entries[i].name, path, entries[i].size_bytes, err);
        } else if (mw_dir_sub(&d->slot->ctx, dir, entries[i].name, MW_DIR_MUST_EXIST, &below,
                              err) != MW_OK) {
            outcome = fail_own(d->own);
        } else {
            outcome = walk(d, below, path, put, err);
            mw_dir_close(below);
        }
    }
    mw_free(entries);
    return outcome;
}

mw_host_outcome mw_host__deliver(mw_host_slot *slot, bool *own, mw_err *err) {
    delivering d = {.slot = slot, .own = own};
    mw_dir *work = NULL;
    d.piece = mw_alloc(slot->ctx.mem, (size_t)MW_LIMIT(REMOTE_PIECE_BYTES));
    mw_status status = d.piece ? MW_OK : mw_fail_nomem(err, "delivering files");
    if (status == MW_OK)
        status = mw_dir_sub(&slot->ctx, slot->dir, "work", MW_DIR_MUST_EXIST, &work, err);
    mw_host_outcome outcome = of_disk(status, own);
    if (outcome == MW_HOST_DONE) outcome = walk(&d, work, "", false, err);
    if (outcome == MW_HOST_DONE) outcome = walk(&d, work, "", true, err);
    mw_dir_close(work);
    mw_free(d.piece);
    return outcome;
}

/* ---- the cache ---- */

typedef struct cached {
    char org[72], name[64];
    uint64_t bytes;
    int64_t used_us;
} cached;

static int by_use(const void *a, const void *b) {
    const cached *x = a, *y = b;
    return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

/* Adds the files of one organization; false: no memory. */
static bool list_org(mw_host *host, const char *org, cached **list, size_t *n, uint64_t *bytes) {
    mw_dir *dir;
    mw_dir_entry *entries;
    size_t n_entries;
    if (mw_dir_sub(&host->ctx, host->cache, org, MW_DIR_MUST_EXIST, &dir, NULL) != MW_OK)
        return true;
    bool good = mw_dir_list(&host->ctx, dir, &entries, &n_entries, NULL) == MW_OK;
    mw_dir_close(dir);
    if (!good) return false;
    cached *more = mw_realloc(host->ctx.mem, *list, (*n + n_entries + 1) * sizeof *more);
    if (more) *list = more;
    for (size_t i = 0; more && i < n_entries; i++) {
        cached *one = &more[(*n)++];
        mw_str_copy(one->org, sizeof one->org, mw_str_of(org));
        mw_str_copy(one->name, sizeof one->name, mw_str_of(entries[i].name));
        one->bytes = entries[i].size_bytes;
        one->used_us = entries[i].modified_us;
        *bytes += one->bytes;
    }
    mw_free(entries);
    return more != NULL;
}

/* What was used least lately goes first. */
static void shrink(mw_host *host, cached *list, size_t n, uint64_t bytes) {
    if (n) qsort(list, n, sizeof *list, by_use);
    for (size_t i = 0; i < n && bytes > (uint64_t)host->options.cache_bytes; i++) {
        mw_dir *dir;
        mw_err err;
        if (list[i].name[0] == '.') continue; /* on its way */
        if (mw_dir_sub(&host->ctx, host->cache, list[i].org, MW_DIR_MUST_EXIST, &dir, NULL) !=
            MW_OK)
            continue;
        if (mw_dir_remove(&host->ctx, dir, list[i].name, &err) == MW_OK)
            bytes -= list[i].bytes;
        else
            mw_log_warn(&host->ctx, "a file stays in the cache: %s", err.message);
        mw_dir_close(dir);
    }
}

void mw_host__tidy_cache(mw_host *host) {
    mw_dir_entry *orgs = NULL;
    cached *list = NULL;
    size_t n_orgs = 0, n = 0;
    uint64_t bytes = 0;
    pthread_mutex_lock(&host->mutex);
    bool good = mw_dir_list(&host->ctx, host->cache, &orgs, &n_orgs, NULL) == MW_OK;
    for (size_t i = 0; good && i < n_orgs; i++)
        if (orgs[i].is_dir) good = list_org(host, orgs[i].name, &list, &n, &bytes);
    if (good) shrink(host, list, n, bytes);
    pthread_mutex_unlock(&host->mutex);
    mw_free(list);
    mw_free(orgs);
}
