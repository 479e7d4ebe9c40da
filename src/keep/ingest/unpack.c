/*
 * unpack.c -- gzip is zlib's inflate (RFC 1952), zstd is libzstd (RFC 8878). Both decode straight into the
 * caller's buffer. A gzip member ends in a CRC and a length, which inflate checks, and a zstd frame
 * may; a stream that stops inside one is known to be cut.
 */
#include "keep/ingest/unpack.h"

#include <string.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem; exported by the shared library */
#include <zstd.h>
#include <zstd_errors.h>

/* 258 bytes from two bits (zlib's technical notes); a block of 128 KiB from a header of 3 bytes and 1. */
#define DEFLATE_MAX_RATIO 1032.0
#define ZSTD_MAX_RATIO 32768.0

enum { ZSTD_WINDOW_LOG = 27 };

struct mw_unpack {
    mw_packing packing;
    mw_unpack_more more;
    void *self;
    const uint8_t *in; /* [in_size], borrowed from `more`; in_at of them are used */
    size_t in_size, in_at;
    uint64_t taken;  /* packed bytes handed in */
    bool in_ended;   /* `more` has no more */
    bool in_stream;  /* a member or frame has begun and not ended */
    bool had_stream; /* one has ended */
    bool inflating;  /* inflater is initialized */
    z_stream inflater;
    ZSTD_DCtx *zstd;
    size_t window_bytes; /* 0: as large as 2^ZSTD_WINDOW_LOG */
};

mw_packing mw_unpack_detect(const char *data, size_t size) {
    const unsigned char *b = (const unsigned char *)data;
    if (size >= 2 && b[0] == 0x1f && b[1] == 0x8b) return MW_PACKING_GZIP;
    if (size >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd)
        return MW_PACKING_ZSTD;
    if (size >= 4 && b[0] >> 4 == 5 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18)
        return MW_PACKING_ZSTD; /* a skippable frame */
    return MW_PACKING_NONE;
}

static voidpf inflater_alloc(voidpf mem, uInt count, uInt size) {
    return mw_alloc_array(mem, count, size);
}

static void inflater_free(voidpf mem, voidpf block) {
    (void)mem;
    mw_free(block);
}

static void *zstd_alloc(void *mem, size_t size) { return mw_alloc(mem, size); }

static void zstd_free(void *mem, void *block) {
    (void)mem;
    mw_free(block);
}

static mw_status fail_nomem(mw_err *err) { return mw_fail_nomem(err, "decompressing a file"); }

static mw_status start(mw_unpack *unpack, mw_mem *mem, mw_err *err) {
    if (unpack->packing == MW_PACKING_ZSTD) {
        unpack->zstd = ZSTD_createDCtx_advanced((ZSTD_customMem){zstd_alloc, zstd_free, mem});
        if (!unpack->zstd) return fail_nomem(err);
        ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
        return MW_OK;
    }
    unpack->inflater = (z_stream){.zalloc = inflater_alloc, .zfree = inflater_free, .opaque = mem};
    if (inflateInit2(&unpack->inflater, 15 + 16) != Z_OK) return fail_nomem(err);
    unpack->inflating = true;
    return MW_OK;
}

mw_status mw_unpack_new(mw_mem *mem, mw_packing packing, mw_unpack_more more, void *self,
                        mw_unpack **ret, mw_err *err) {
    mw_unpack *unpack = mw_calloc(mem, 1, sizeof *unpack);
    if (!unpack) return fail_nomem(err);
    unpack->packing = packing;
    unpack->more = more;
    unpack->self = self;
    mw_status status = start(unpack, mem, err);
    if (status != MW_OK) {
        mw_unpack_free(unpack);
        return status;
    }
    *ret = unpack;
    return MW_OK;
}

void *mw_unpack_free(mw_unpack *unpack) {
    if (!unpack) return NULL;
    if (unpack->inflating) inflateEnd(&unpack->inflater);
    ZSTD_freeDCtx(unpack->zstd);
    return mw_free(unpack);
}

size_t mw_unpack_waiting(const mw_unpack *unpack) { return unpack->in_size - unpack->in_at; }

double mw_unpack_max_ratio(const mw_unpack *unpack) {
    return unpack->packing == MW_PACKING_ZSTD ? ZSTD_MAX_RATIO : DEFLATE_MAX_RATIO;
}

void mw_unpack_limit_window(mw_unpack *unpack, size_t window_bytes) {
    int log = ZSTD_WINDOW_LOG;
    while (log > 10 && (size_t)1 << log > window_bytes) log--;
    unpack->window_bytes = window_bytes;
    if (unpack->zstd) ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, log);
}

static const char *stream_name(const mw_unpack *unpack) {
    return unpack->packing == MW_PACKING_ZSTD ? "zstd" : "gzip";
}

static mw_status fail_stream(const mw_unpack *unpack, const char *what, mw_err *err) {
    mw_fail(err, MW_EDATA, "the %s stream is %s (after %llu stored bytes)", stream_name(unpack),
            what, (unsigned long long)(unpack->taken - mw_unpack_waiting(unpack)));
    return mw_err_hint(err, "Copy the file again; `%s -t` shows whether a copy is whole.",
                       stream_name(unpack));
}

/* Makes sure that there are packed bytes, or that in_ended says there are none. */
static mw_status take(mw_unpack *unpack, mw_err *err) {
    if (unpack->in_at < unpack->in_size || unpack->in_ended) return MW_OK;
    const char *in = NULL;
    unpack->in_at = unpack->in_size = 0;
    mw_status status = unpack->more(unpack->self, &in, &unpack->in_size, err);
    if (status != MW_OK) return status;
    unpack->in = (const uint8_t *)in;
    unpack->taken += unpack->in_size;
    unpack->in_ended = unpack->in_size == 0;
    return MW_OK;
}

/* --- gzip -------------------------------------------------------------------------------------- */

/* Between members: skips zero padding and starts the next member. False when input ran out. */
static bool next_member(mw_unpack *unpack, bool *ret_foreign) {
    while (unpack->had_stream && unpack->in_at < unpack->in_size && unpack->in[unpack->in_at] == 0)
        unpack->in_at++;
    if (unpack->in_at == unpack->in_size) return false;
    *ret_foreign = unpack->in[unpack->in_at] != 0x1f;
    inflateReset(&unpack->inflater);
    return unpack->in_stream = true;
}

static mw_status inflate_some(mw_unpack *unpack, char *out, size_t capacity, size_t *ret_made,
                              mw_err *err) {
    z_stream *z = &unpack->inflater;
    bool foreign = false;
    *ret_made = 0;
    if (!unpack->in_stream && !next_member(unpack, &foreign)) return MW_OK;
    if (foreign) return fail_stream(unpack, "followed by something else", err);
    uInt room = capacity < 1u << 30 ? (uInt)capacity : 1u << 30;
    z->next_in = (Bytef *)(uintptr_t)(unpack->in + unpack->in_at);
    z->avail_in = (uInt)mw_unpack_waiting(unpack);
    z->next_out = (Bytef *)out;
    z->avail_out = room;
    int code = inflate(z, Z_NO_FLUSH);
    unpack->in_at = unpack->in_size - z->avail_in;
    *ret_made = room - z->avail_out;
    if (code == Z_STREAM_END) {
        unpack->in_stream = false;
        unpack->had_stream = true;
        return MW_OK;
    }
    if (code == Z_MEM_ERROR) return fail_nomem(err);
    if (code != Z_OK && code != Z_BUF_ERROR) return fail_stream(unpack, "damaged", err);
    if (unpack->in_ended && *ret_made == 0) return fail_stream(unpack, "cut", err);
    return MW_OK;
}

/* --- zstd -------------------------------------------------------------------------------------- */

static mw_status fail_zstd(const mw_unpack *unpack, size_t code, mw_err *err) {
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation: return fail_nomem(err);
    case ZSTD_error_frameParameter_windowTooLarge:
        if (unpack->window_bytes)
            return mw_fail(err, MW_ETOOLARGE,
                           "the zstd stream needs a window of more than %zu bytes",
                           unpack->window_bytes);
        mw_fail(err, MW_EUNSUPPORTED, "the zstd stream needs a window of more than %d MiB",
                1 << (ZSTD_WINDOW_LOG - 20));
        return mw_err_hint(err, "Compress it again without --ultra and with --long=%d at most.",
                           ZSTD_WINDOW_LOG);
    case ZSTD_error_dictionary_wrong:
        mw_fail(err, MW_EUNSUPPORTED, "the zstd stream needs a dictionary");
        return mw_err_hint(err, "Compress it again without -D.");
    case ZSTD_error_prefix_unknown:
        return fail_stream(unpack, unpack->had_stream ? "followed by something else" : "damaged",
                           err);
    default: return fail_stream(unpack, "damaged", err);
    }
}

static mw_status unzstd_some(mw_unpack *unpack, char *out, size_t capacity, size_t *ret_made,
                             mw_err *err) {
    ZSTD_inBuffer in = {unpack->in, unpack->in_size, unpack->in_at};
    ZSTD_outBuffer to = {out, capacity, 0};
    *ret_made = 0;
    if (!unpack->in_stream && in.pos == in.size) return MW_OK;
    size_t code = ZSTD_decompressStream(unpack->zstd, &to, &in);
    unpack->in_at = in.pos;
    if (ZSTD_isError(code)) return fail_zstd(unpack, code, err);
    unpack->in_stream = code != 0;
    if (code == 0) unpack->had_stream = true;
    *ret_made = to.pos;
    if (unpack->in_stream && unpack->in_ended && to.pos == 0)
        return fail_stream(unpack, "cut", err);
    return MW_OK;
}

mw_status mw_unpack_fill(mw_unpack *unpack, char *out, size_t capacity, size_t *ret_size,
                         mw_err *err) {
    size_t size = 0, made;
    while (size < capacity) {
        mw_status status = take(unpack, err);
        if (status != MW_OK) return status;
        if (unpack->in_ended && !unpack->in_stream) break;
        status = unpack->packing == MW_PACKING_ZSTD
                     ? unzstd_some(unpack, out + size, capacity - size, &made, err)
                     : inflate_some(unpack, out + size, capacity - size, &made, err);
        if (status != MW_OK) return status;
        size += made;
    }
    *ret_size = size;
    return MW_OK;
}
