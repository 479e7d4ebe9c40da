/*
 * source.c -- four layers, each of which fills a buffer from the one below: stored bytes (read through
 * ctx->io so that tests can make it fail), unpacked (unpack.h), text (transcode.h), lines and notes. A
 * layer that has nothing to do hands the caller's buffer down, so that plain UTF-8 is read in place. Pages
 * are not dropped from the system's cache behind the reader: they are no memory of ours, a file is often
 * read twice (hashed, then ingested), and from the disk the second time took seven times as long (measured).
 */
#include "keep/ingest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/math.h"
#include "keep/ingest/reject_notes.h"
#include "keep/ingest/transcode.h"
#include "keep/ingest/unpack.h"

enum {
    /* More than a chunk by a page, so that a peek of a whole chunk knows whether anything follows. */
    HEAD_BYTES = MW_SOURCE_CHUNK_BYTES + 4096,
    STEP_BYTES = MW_SOURCE_CHUNK_BYTES, /* between two looks at the cancellation */
    POLL_MS = 100,
    NOTE_BYTES = 160
};

static const char stdin_name[] = "stdin";

struct mw_source {
    const mw_ctx *ctx;
    const char *name; /* for messages */
    char stage[96];   /* of the progress report */
    int fd;
    bool owns_fd;
    bool is_stream;         /* a pipe or device: reading may wait */
    uint64_t total_bytes;   /* as stored, when opened; 0: unknown */
    struct timespec mtime;  /* when opened */
    uint64_t stored_bytes;  /* read so far */
    uint64_t decoded_bytes; /* unpacked so far */
    mw_hash128 *hash;       /* NULL: none is wanted */
    bool stored_end;
    bool read_failed; /* below unpack: the error names the file already */
    char note[NOTE_BYTES];

    bool begun;
    char *stored; /* [HEAD_BYTES]: packed bytes, or the head of a plain file */
    size_t stored_size;
    mw_unpack *unpack; /* NULL: plain */
    bool unpacked_end;
    char *head; /* [HEAD_BYTES] unpacked, not handed out; may be `stored` itself */
    size_t head_size, head_at;
    bool filling; /* the first fill has begun */

    mw_transcode transcode;
    bool decodes;    /* text is not UTF-8 */
    bool drops_mark; /* set_text was called */
    char *raw;       /* [STEP_BYTES] before decoding */
    size_t raw_size, raw_at;
    bool raw_end;
    bool unify;
    int ahead; /* a byte that was read to see what follows a CR; -1: none */
    bool has_notes;
    mw_notes notes;
    char *noted; /* [STEP_BYTES] before the notes are taken out */
    size_t noted_size, noted_at;
    bool noted_end;
    char last; /* the last byte handed out */
};

bool mw_source_is_stdin(const char *path) { return strcmp(path, "-") == 0; }

const char *mw_source_name(const char *path) {
    if (mw_source_is_stdin(path)) return stdin_name;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* --- open and close ---------------------------------------------------------------------------- */

static mw_status fail_open(mw_err *err, const char *name, int errno_value) {
    if (errno_value == ENOENT || errno_value == ENOTDIR) {
        mw_fail(err, MW_ENOTFOUND, "%s: there is no such file", name);
        return mw_err_hint(err, "Check the path.");
    }
    return mw_fail_errno(err, errno_value, "%s: cannot be opened", name);
}

static mw_status open_file(mw_source *source, const char *path, mw_err *err) {
    const mw_io *io = source->ctx->io;
    source->owns_fd = !mw_source_is_stdin(path);
    source->fd = STDIN_FILENO;
    if (source->owns_fd)
        source->fd = io->open(io->self, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (source->fd < 0) return fail_open(err, source->name, errno);
    struct stat stat;
    if (fstat(source->fd, &stat) != 0)
        return mw_fail_errno(err, errno, "%s: cannot be opened", source->name);
    source->is_stream = !S_ISREG(stat.st_mode);
    if (S_ISDIR(stat.st_mode) || (source->is_stream && source->owns_fd)) {
        mw_fail(err, MW_EDATA, "%s: is not a regular file", source->name);
        return mw_err_hint(err, "Name a file, a folder of them, or - for standard input.");
    }
    if (source->is_stream) return MW_OK;
    off_t at = source->owns_fd ? 0 : lseek(source->fd, 0, SEEK_CUR);
    if (stat.st_size > at && at >= 0) source->total_bytes = (uint64_t)(stat.st_size - at);
    source->mtime = stat.st_mtim;
    (void)posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return MW_OK;
}

mw_status mw_source_open(const mw_ctx *ctx, const char *path, mw_source **ret, mw_err *err) {
    mw_source *source = mw_calloc(ctx->mem, 1, sizeof *source);
    if (!source) return mw_fail_nomem(err, "opening a file");
    source->ctx = ctx;
    source->name = mw_source_name(path);
    source->fd = source->ahead = -1;
    mw_str shown = mw_str_of(source->name);
    if (shown.size > 64) shown.size = 64;
    size_t n = sizeof "reading " - 1;
    memcpy(source->stage, "reading ", n);
    mw_str_copy(source->stage + n, sizeof source->stage - n, shown);

    mw_status status = open_file(source, path, err);
    if (status == MW_OK) status = mw_hash128_new(ctx->mem, &source->hash, err);
    if (status != MW_OK) {
        mw_source_close(source);
        return status;
    }
    *ret = source;
    return MW_OK;
}

void *mw_source_close(mw_source *source) {
    if (!source) return NULL;
    const mw_io *io = source->ctx->io;
    if (source->fd >= 0 && source->owns_fd) io->close(io->self, source->fd);
    mw_unpack_free(source->unpack);
    mw_hash128_free(source->hash);
    if (source->head != source->stored) mw_free(source->head);
    mw_free(source->stored);
    mw_free(source->raw);
    mw_free(source->noted);
    return mw_free(source);
}

void mw_source_skip_hash(mw_source *source) { source->hash = mw_hash128_free(source->hash); }

static mw_status need(mw_source *source, char **buf, size_t size, mw_err *err) {
    if (!*buf) *buf = mw_alloc(source->ctx->mem, size);
    return *buf ? MW_OK : mw_fail_nomem(err, "reading a file");
}

/* --- stored bytes ------------------------------------------------------------------------------ */

/* Waits until a pipe has bytes, so that a cancellation is seen while nobody writes. */
static mw_status wait_for_bytes(const mw_source *source, mw_err *err) {
    struct pollfd poll_fd = {.fd = source->fd, .events = POLLIN};
    for (;;) {
        mw_status status = mw_ctx_check(source->ctx, err);
        if (status != MW_OK) return status;
        int ready = poll(&poll_fd, 1, POLL_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR)) return MW_OK; /* read says what is wrong */
    }
}

/* The file ended: did it hold still? */
static mw_status check_unchanged(mw_source *source, mw_err *err) {
    struct stat now;
    if (source->is_stream || fstat(source->fd, &now) != 0) return MW_OK;
    if (source->stored_bytes < source->total_bytes) {
        mw_fail(err, MW_EDATA, "%s: shrank while it was read: %llu bytes of %llu were left",
                source->name, (unsigned long long)source->stored_bytes,
                (unsigned long long)source->total_bytes);
        return mw_err_hint(err, "Wait until it is written, and read it again.");
    }
    if (now.st_mtim.tv_sec == source->mtime.tv_sec && now.st_mtim.tv_nsec == source->mtime.tv_nsec)
        return MW_OK;
    bool grew = source->total_bytes && (uint64_t)now.st_size > source->total_bytes;
    if (grew)
        snprintf(source->note, sizeof source->note,
                 "grew while it was read; only its first %llu bytes are used",
                 (unsigned long long)source->stored_bytes);
    else
        snprintf(source->note, sizeof source->note, "was written to while it was read");
    mw_log_warn(source->ctx, "%s: %s", source->name, source->note);
    return MW_OK;
}

/* Reads stored bytes until out [capacity] is full; *ret_size is less only at the end. */
static mw_status read_stored(mw_source *source, char *out, size_t capacity, size_t *ret_size,
                             mw_err *err) {
    const mw_io *io = source->ctx->io;
    size_t size = 0;
    *ret_size = 0;
    while (size < capacity && !source->stored_end) {
        size_t wanted = capacity - size < STEP_BYTES ? capacity - size : STEP_BYTES;
        uint64_t left = source->total_bytes - source->stored_bytes;
        if (source->total_bytes && left < wanted) wanted = (size_t)left;
        mw_status status =
            source->is_stream ? wait_for_bytes(source, err) : mw_ctx_check(source->ctx, err);
        if (status != MW_OK) return status;
        ssize_t got = wanted ? io->read(io->self, source->fd, out + size, wanted) : 0;
        if (got < 0 && (errno == EINTR || (errno == EAGAIN && source->is_stream))) continue;
        if (got < 0) return mw_fail_errno(err, errno, "%s: cannot be read", source->name);
        if (got == 0) {
            source->stored_end = true;
            status = check_unchanged(source, err);
            if (status != MW_OK) return status;
            break;
        }
        if (source->hash) mw_hash128_add(source->hash, out + size, (size_t)got);
        size += (size_t)got;
        source->stored_bytes += (uint64_t)got;
        mw_ctx_report(source->ctx, source->stage, (double)source->stored_bytes,
                      (double)source->total_bytes);
    }
    *ret_size = size;
    return MW_OK;
}

/* --- unpacked bytes ---------------------------------------------------------------------------- */

static mw_status more_packed(void *self, const char **ret, size_t *ret_size, mw_err *err) {
    mw_source *source = self;
    *ret = source->stored;
    *ret_size = source->stored_size; /* what the magic was seen in comes first */
    source->stored_size = 0;
    if (*ret_size) return MW_OK;
    mw_status status = read_stored(source, source->stored, STEP_BYTES, ret_size, err);
    source->read_failed = status != MW_OK;
    return status;
}

/* The first bytes tell what the file is. */
static mw_status begin(mw_source *source, mw_err *err) {
    if (source->begun) return MW_OK;
    mw_status status = need(source, &source->stored, HEAD_BYTES, err);
    if (status == MW_OK)
        status = read_stored(source, source->stored, HEAD_BYTES, &source->stored_size, err);
    if (status != MW_OK) return status;
    mw_packing packing = mw_unpack_detect(source->stored, source->stored_size);
    if (packing == MW_PACKING_NONE) {
        source->head = source->stored;
        source->head_size = source->stored_size;
    } else {
        status =
            mw_unpack_new(source->ctx->mem, packing, more_packed, source, &source->unpack, err);
    }
    source->begun = status == MW_OK;
    return status;
}

static mw_status count_decoded(mw_source *source, size_t size, mw_err *err) {
    source->decoded_bytes += size;
    if (source->decoded_bytes <= (uint64_t)MW_LIMIT(FILE_BYTES)) return MW_OK;
    mw_fail(err, MW_ETOOLARGE, "%s: holds more than %lld bytes", source->name,
            (long long)MW_LIMIT(FILE_BYTES));
    return mw_err_hint(err, "Split the file.");
}

static mw_status fill_from_packing(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                                   mw_err *err) {
    if (!source->unpack) return read_stored(source, buf, capacity, ret_size, err);
    size_t size = 0, got, step;
    do {
        step = capacity - size < STEP_BYTES ? capacity - size : STEP_BYTES;
        mw_status status = mw_ctx_check(source->ctx, err);
        if (status != MW_OK) return status;
        status = mw_unpack_fill(source->unpack, buf + size, step, &got, err);
        if (status != MW_OK)
            return source->read_failed ? status : mw_err_prefix(err, "%s", source->name);
        size += got;
    } while (got == step && size < capacity);
    if (got < step) source->unpacked_end = true;
    *ret_size = size;
    return MW_OK;
}

mw_status mw_source_peek(mw_source *source, const char **ret, size_t *ret_size, bool *ret_whole,
                         mw_err *err) {
    mw_status status = begin(source, err);
    if (status == MW_OK && !source->head) {
        status = need(source, &source->head, HEAD_BYTES, err);
        if (status == MW_OK)
            status = fill_from_packing(source, source->head, HEAD_BYTES, &source->head_size, err);
        if (status != MW_OK) return status;
    }
    if (status != MW_OK) return status;
    *ret = source->head;
    *ret_whole = source->head_size <= MW_SOURCE_CHUNK_BYTES;
    *ret_size = *ret_whole ? source->head_size : MW_SOURCE_CHUNK_BYTES;
    return MW_OK;
}

/* The head first, then what follows it; the head's memory goes when it is used up. */
static mw_status fill_unpacked(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                               mw_err *err) {
    size_t size = 0, more = 0;
    if (source->head) {
        size = source->head_size - source->head_at;
        if (size > capacity) size = capacity;
        memcpy(buf, source->head + source->head_at, size);
        source->head_at += size;
        if (source->head_at < source->head_size) goto done;
        if (source->head == source->stored) source->stored = NULL;
        source->head = mw_free(source->head);
    }
    mw_status status = fill_from_packing(source, buf + size, capacity - size, &more, err);
    if (status != MW_OK) return status;
done:
    *ret_size = size + more;
    return count_decoded(source, size + more, err);
}

/* --- text -------------------------------------------------------------------------------------- */

mw_status mw_source_set_text(mw_source *source, enum mw_source_text text, bool unify_lines,
                             mw_err *err) {
    if (source->filling) return mw_fail(err, MW_EINTERNAL, "the text is set after the first fill");
    mw_transcode_init(&source->transcode, text);
    source->decodes = text != MW_SOURCE_UTF8;
    source->drops_mark = true;
    source->unify = unify_lines;
    return MW_OK;
}

void mw_source_set_notes(mw_source *source, char quote, char escape) {
    source->has_notes = true;
    mw_notes_init(&source->notes, quote, escape);
}

static mw_status fill_decoded(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                              mw_err *err) {
    if (!source->decodes) return fill_unpacked(source, buf, capacity, ret_size, err);
    mw_status status = need(source, &source->raw, STEP_BYTES, err);
    if (status != MW_OK) return status;
    size_t size = 0;
    for (;;) {
        size_t used;
        size += mw_transcode_run(&source->transcode, source->raw + source->raw_at,
                                 source->raw_size - source->raw_at, source->raw_end, &used,
                                 buf + size, capacity - size);
        source->raw_at += used;
        if (size == capacity || source->raw_end) break;
        status = fill_unpacked(source, source->raw, STEP_BYTES, &source->raw_size, err);
        if (status != MW_OK) return status;
        source->raw_at = 0;
        source->raw_end = source->raw_size < STEP_BYTES;
    }
    *ret_size = size;
    return MW_OK;
}

/* A CR at the end of what fits is a line end or not by the byte behind it, which waits in `ahead`. */
static mw_status fill_lines(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                            mw_err *err) {
    if (!source->unify) return fill_decoded(source, buf, capacity, ret_size, err);
    *ret_size = 0;
    if (capacity == 0) return MW_OK;
    size_t before = source->ahead >= 0, size, n;
    if (before) buf[0] = (char)source->ahead;
    source->ahead = -1;
    mw_status status = fill_decoded(source, buf + before, capacity - before, &size, err);
    if (status != MW_OK) return status;
    size += before;
    if (size == capacity && buf[size - 1] == '\r') {
        char next;
        status = fill_decoded(source, &next, 1, &n, err);
        if (status != MW_OK) return status;
        if (n) source->ahead = (unsigned char)next;
    }
    mw_text_unify_lines(buf, size, source->ahead);
    *ret_size = size;
    return MW_OK;
}

static mw_status fill_noted(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                            mw_err *err) {
    if (!source->has_notes) return fill_lines(source, buf, capacity, ret_size, err);
    mw_status status = need(source, &source->noted, STEP_BYTES, err);
    if (status != MW_OK) return status;
    size_t size = 0;
    for (;;) {
        size_t used;
        size += mw_notes_run(&source->notes, source->noted + source->noted_at,
                             source->noted_size - source->noted_at, source->noted_end, &used,
                             buf + size, capacity - size);
        source->noted_at += used;
        if (size == capacity || source->noted_end) break;
        status = fill_lines(source, source->noted, STEP_BYTES, &source->noted_size, err);
        if (status != MW_OK) return status;
        source->noted_at = 0;
        source->noted_end = source->noted_size < STEP_BYTES;
    }
    *ret_size = size;
    return MW_OK;
}

static mw_status start_filling(mw_source *source, mw_err *err) {
    const char *data;
    size_t size;
    bool whole;
    mw_status status = MW_OK;
    if (source->filling) return MW_OK;
    if (source->drops_mark) {
        status = mw_source_peek(source, &data, &size, &whole, err);
        if (status != MW_OK) return status;
        source->head_at = mw_text_bom(source->transcode.text, data, size);
    } else {
        status = begin(source, err);
    }
    source->filling = status == MW_OK;
    return status;
}

/* Part of a file that grew is whole only when it ends where a line does. */
static mw_status check_end(const mw_source *source, mw_err *err) {
    bool grew = source->note[0] == 'g';
    if (!grew || source->unpack || source->last == '\n' || source->last == '\r') return MW_OK;
    mw_fail(err, MW_EDATA, "%s: grew while it was read, and ends inside a line", source->name);
    return mw_err_hint(err, "Wait until it is written, and read it again.");
}

mw_status mw_source_fill(mw_source *source, char *buf, size_t capacity, size_t *ret_size,
                         mw_err *err) {
    size_t size = 0;
    mw_status status = start_filling(source, err);
    if (status == MW_OK) status = mw_ctx_check(source->ctx, err);
    if (status == MW_OK) status = fill_noted(source, buf, capacity, &size, err);
    if (status != MW_OK) return status;
    if (size) source->last = buf[size - 1];
    if (size < capacity) status = check_end(source, err);
    if (status == MW_OK) *ret_size = size;
    return status;
}

/* --- what is known of it ----------------------------------------------------------------------- */

uint64_t mw_source_total(const mw_source *source) { return source->total_bytes; }

uint64_t mw_source_stored(const mw_source *source) { return source->stored_bytes; }

const char *mw_source_note(const mw_source *source) {
    return source->note[0] ? source->note : NULL;
}

double mw_source_remaining(const mw_source *source) {
    double left = 0;
    if (!source->begun || (!source->total_bytes && !source->stored_end)) return MW_INFINITY;
    if (!source->stored_end) left = (double)source->total_bytes - (double)source->stored_bytes;
    if (source->unpack && !source->unpacked_end)
        /* What a decoder holds back is less than a block, and that less than a chunk. */
        left = (left + (double)source->stored_size + (double)mw_unpack_waiting(source->unpack)) *
                   mw_unpack_max_ratio(source->unpack) +
               MW_SOURCE_CHUNK_BYTES;
    left += (double)(source->head_size - source->head_at) +
            (double)(source->raw_size - source->raw_at) +
            (double)(source->noted_size - source->noted_at) + (source->ahead >= 0) +
            (source->has_notes ? (double)sizeof source->notes : 0);
    /* A byte of Windows-1252 becomes three at most, a unit of UTF-16 three of its two; and what waits. */
    return source->decodes ? left * 3 + (double)sizeof source->transcode : left;
}

double mw_source_expected(const mw_source *source) {
    double remaining = mw_source_remaining(source);
    if (!source->unpack || source->unpacked_end || !mw_isfinite(remaining)) return remaining;
    double head = (double)(source->head_size - source->head_at);
    double waiting = (double)source->stored_size + (double)mw_unpack_waiting(source->unpack);
    double used = (double)source->stored_bytes - waiting;
    double ratio = used > 0 ? ((double)source->decoded_bytes + head) / used : 1;
    double guess = head + ((double)source->total_bytes - used) * ratio;
    return guess < remaining ? guess : remaining;
}

void mw_source_hash(const mw_source *source, char name[MW_HASH128_NAME]) {
    name[0] = '\0';
    if (!source->hash) return;
    name[0] = 'x';
    mw_hash128_digest(source->hash, name + 1);
}

mw_status mw_source_hash_file(const mw_ctx *ctx, const char *path, char name[MW_HASH128_NAME],
                              uint64_t *ret_bytes, mw_err *err) {
    if (mw_source_is_stdin(path)) {
        mw_fail(err, MW_EINVAL, "standard input can be read only once");
        return mw_err_hint(err, "Name a file.");
    }
    mw_source *source;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    char *chunk = NULL;
    size_t size = 1;
    status = need(source, &chunk, MW_SOURCE_CHUNK_BYTES, err);
    while (status == MW_OK && size > 0)
        status = read_stored(source, chunk, MW_SOURCE_CHUNK_BYTES, &size, err);
    if (status == MW_OK) {
        *ret_bytes = source->stored_bytes;
        mw_source_hash(source, name);
    }
    mw_free(chunk);
    mw_source_close(source);
    return status;
}
