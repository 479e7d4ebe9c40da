/*
 * source.c -- reading goes through ctx->io so that tests can make it fail. Decoding is zlib's
 * inflate in gzip mode (RFC 1952): each member ends in a CRC and a length, which inflate checks; a
 * file that stops inside a member is therefore known to be cut.
 */
#include "keep/ingest/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "core/base/files.h"
#include "core/base/limits.h"

/* Deflate cannot expand more: 258 bytes from two bits (zlib's technical notes). */
#define DEFLATE_MAX_RATIO 1032.0

typedef enum encoding { UNKNOWN, PLAIN, GZIP } encoding;

struct mw_source {
    const mw_ctx *ctx;
    const char *name; /* for messages */
    char stage[96];   /* of the progress report */
    int fd;
    uint64_t total_bytes;   /* as stored */
    uint64_t stored_bytes;  /* read so far */
    uint64_t decoded_bytes; /* handed out so far */
    mw_sha256 *sha;
    char *stored;  /* [MW_SOURCE_CHUNK_BYTES] */
    char *decoded; /* [MW_SOURCE_CHUNK_BYTES], gzip only */
    encoding encoding;
    z_stream inflater;
    bool inflating;  /* inflater is initialized */
    bool in_member;  /* the member begun has not ended */
    bool stored_end; /* the file is read to its end */
};

const char *mw_source_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static voidpf inflater_alloc(voidpf mem, uInt count, uInt size) {
    return mw_alloc_array(mem, count, size);
}

static void inflater_free(voidpf mem, voidpf block) {
    (void)mem;
    mw_free(block);
}

static mw_status fail_open(mw_err *err, const char *name, int errno_value) {
    if (errno_value == ENOENT || errno_value == ENOTDIR) {
        mw_fail(err, MW_ENOTFOUND, "%s: there is no such file", name);
        return mw_err_hint(err, "Check the path.");
    }
    return mw_fail_errno(err, errno_value, "%s: cannot be opened", name);
}

static mw_status open_file(mw_source *source, const char *path, mw_err *err) {
    const mw_io *io = source->ctx->io;
    source->fd = io->open(io->self, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (source->fd < 0) return fail_open(err, source->name, errno);
    struct stat stat;
    if (fstat(source->fd, &stat) != 0)
        return mw_fail_errno(err, errno, "%s: cannot be opened", source->name);
    if (!S_ISREG(stat.st_mode)) {
        mw_fail(err, MW_EDATA, "%s: is not a regular file", source->name);
        return mw_err_hint(err, "Name a CSV file or a folder of them.");
    }
    source->total_bytes = (uint64_t)stat.st_size;
    return MW_OK;
}

mw_status mw_source_open(const mw_ctx *ctx, const char *path, mw_source **ret, mw_err *err) {
    mw_source *source = mw_calloc(ctx->mem, 1, sizeof *source);
    if (!source) return mw_fail_nomem(err, "opening a file");
    source->ctx = ctx;
    source->name = mw_source_name(path);
    source->fd = -1;
    mw_str shown = mw_str_of(source->name);
    if (shown.size > 64) shown.size = 64;
    size_t n = sizeof "reading " - 1;
    memcpy(source->stage, "reading ", n);
    mw_str_copy(source->stage + n, sizeof source->stage - n, shown);

    mw_status status = open_file(source, path, err);
    if (status != MW_OK) goto fail;
    source->stored = mw_alloc(ctx->mem, MW_SOURCE_CHUNK_BYTES);
    if (!source->stored) {
        status = mw_fail_nomem(err, "opening a file");
        goto fail;
    }
    status = mw_sha256_new(&source->sha, err);
    if (status != MW_OK) goto fail;
    *ret = source;
    return MW_OK;
fail:
    mw_source_close(source);
    return status;
}

void *mw_source_close(mw_source *source) {
    if (!source) return NULL;
    const mw_io *io = source->ctx->io;
    if (source->fd >= 0) io->close(io->self, source->fd);
    if (source->inflating) inflateEnd(&source->inflater);
    mw_sha256_free(source->sha);
    mw_free(source->stored);
    mw_free(source->decoded);
    return mw_free(source);
}

/* Reads up to a whole chunk of stored bytes; *ret_size 0 at the end of the file. */
static mw_status read_stored(mw_source *source, size_t *ret_size, mw_err *err) {
    const mw_io *io = source->ctx->io;
    size_t size = 0;
    while (size < MW_SOURCE_CHUNK_BYTES) {
        ssize_t got =
            io->read(io->self, source->fd, source->stored + size, MW_SOURCE_CHUNK_BYTES - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mw_fail_errno(err, errno, "%s: cannot be read", source->name);
        if (got == 0) {
            source->stored_end = true;
            break;
        }
        size += (size_t)got;
    }
    mw_sha256_add(source->sha, source->stored, size);
    source->stored_bytes += size;
    mw_ctx_report(source->ctx, source->stage, (double)source->stored_bytes,
                  (double)source->total_bytes);
    *ret_size = size;
    return MW_OK;
}

static mw_status start_inflating(mw_source *source, mw_err *err) {
    source->decoded = mw_alloc(source->ctx->mem, MW_SOURCE_CHUNK_BYTES);
    if (!source->decoded) return mw_fail_nomem(err, "decompressing a file");
    source->inflater =
        (z_stream){.zalloc = inflater_alloc, .zfree = inflater_free, .opaque = source->ctx->mem};
    if (inflateInit2(&source->inflater, 15 + 16) != Z_OK)
        return mw_fail_nomem(err, "decompressing a file");
    source->inflating = true;
    return MW_OK;
}

static mw_status fail_gzip(const mw_source *source, const char *what, mw_err *err) {
    mw_fail(err, MW_EDATA, "%s: the gzip stream is %s (after %llu stored bytes)", source->name,
            what, (unsigned long long)(source->stored_bytes - source->inflater.avail_in));
    return mw_err_hint(err, "Copy the file again; `gzip -t` shows whether a copy is whole.");
}

/* Between members: skips zero padding, and starts the next member. False when input ran out. */
static bool next_member(mw_source *source, bool *damaged) {
    z_stream *z = &source->inflater;
    while (z->avail_in > 0 && *z->next_in == 0) {
        z->next_in++;
        z->avail_in--;
    }
    if (z->avail_in == 0) return false;
    *damaged = *z->next_in != 0x1f;
    inflateReset(z);
    source->in_member = true;
    return true;
}

static mw_status inflate_chunk(mw_source *source, size_t *ret_size, mw_err *err) {
    z_stream *z = &source->inflater;
    z->next_out = (Bytef *)source->decoded;
    z->avail_out = MW_SOURCE_CHUNK_BYTES;
    while (z->avail_out > 0) {
        if (z->avail_in == 0 && !source->stored_end) {
            size_t size;
            mw_status status = read_stored(source, &size, err);
            if (status != MW_OK) return status;
            z->next_in = (Bytef *)source->stored;
            z->avail_in = (uInt)size;
        }
        bool damaged = false;
        if (!source->in_member && !next_member(source, &damaged)) {
            if (source->stored_end) break;
            continue;
        }
        if (damaged) return fail_gzip(source, "followed by something else", err);
        int code = inflate(z, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            source->in_member = false;
        else if (code == Z_MEM_ERROR)
            return mw_fail_nomem(err, "decompressing a file");
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return fail_gzip(source, "damaged", err);
        else if (code == Z_BUF_ERROR && z->avail_in == 0 && source->stored_end)
            return fail_gzip(source, "cut", err);
    }
    *ret_size = MW_SOURCE_CHUNK_BYTES - z->avail_out;
    return MW_OK;
}

static mw_status first_chunk(mw_source *source, size_t *ret_size, mw_err *err) {
    mw_status status = read_stored(source, ret_size, err);
    if (status != MW_OK) return status;
    const unsigned char *magic = (const unsigned char *)source->stored;
    if (*ret_size < 2 || magic[0] != 0x1f || magic[1] != 0x8b) {
        source->encoding = PLAIN;
        return MW_OK;
    }
    source->encoding = GZIP;
    status = start_inflating(source, err);
    if (status != MW_OK) return status;
    source->inflater.next_in = (Bytef *)source->stored;
    source->inflater.avail_in = (uInt)*ret_size;
    source->in_member = true;
    return inflate_chunk(source, ret_size, err);
}

mw_status mw_source_read(mw_source *source, const char **ret, size_t *ret_size, mw_err *err) {
    mw_status status = mw_ctx_check(source->ctx, err);
    size_t size = 0;
    if (status == MW_OK) {
        if (source->encoding == UNKNOWN)
            status = first_chunk(source, &size, err);
        else if (source->encoding == GZIP)
            status = inflate_chunk(source, &size, err);
        else if (!source->stored_end)
            status = read_stored(source, &size, err);
    }
    if (status != MW_OK) return status;
    source->decoded_bytes += size;
    if (source->decoded_bytes > (uint64_t)MW_LIMIT(FILE_BYTES)) {
        mw_fail(err, MW_ETOOLARGE, "%s: holds more than %lld bytes", source->name,
                (long long)MW_LIMIT(FILE_BYTES));
        return mw_err_hint(err, "Split the file.");
    }
    *ret = source->encoding == GZIP ? source->decoded : source->stored;
    *ret_size = size;
    return MW_OK;
}

uint64_t mw_source_stored(const mw_source *source) { return source->stored_bytes; }

double mw_source_remaining(const mw_source *source) {
    if (source->stored_end && source->encoding == PLAIN) return 0;
    double stored = (double)source->total_bytes - (double)source->stored_bytes;
    if (source->encoding != GZIP) return stored > 0 ? stored : 0;
    stored += (double)source->inflater.avail_in + MW_SOURCE_CHUNK_BYTES;
    return (stored > 0 ? stored : 0) * DEFLATE_MAX_RATIO;
}

void mw_source_hash(mw_source *source, char hex[MW_SHA256_HEX]) {
    mw_sha256_finish(source->sha, hex);
    source->sha = NULL;
}

mw_status mw_source_hash_file(const mw_ctx *ctx, const char *path, char hex[MW_SHA256_HEX],
                              uint64_t *ret_bytes, mw_err *err) {
    mw_source *source;
    mw_status status = mw_source_open(ctx, path, &source, err);
    if (status != MW_OK) return status;
    size_t size = 1;
    while (status == MW_OK && size > 0) {
        status = mw_ctx_check(ctx, err);
        if (status == MW_OK) status = read_stored(source, &size, err);
    }
    if (status == MW_OK) {
        *ret_bytes = source->stored_bytes;
        mw_source_hash(source, hex);
    }
    mw_source_close(source);
    return status;
}
