/* coding.c -- see coding.h. Decompression is that of files (keep/ingest/unpack), with a smaller window. */
#include "run/serve/coding.h"

#include <string.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem; exported by the shared library */
#include <zstd.h>
#include <zstd_errors.h>

#include "core/base/limits.h"
#include "keep/ingest/unpack.h"
#include "run/serve/guard.h"

enum { STEP_BYTES = 65536, GZIP_LEVEL = 4, ZSTD_LEVEL = 3, FULL_WEIGHT = 1000 };

static const struct {
    const char *name;
    mw_coding coding;
} names[] = {{"identity", MW_CODING_IDENTITY},
             {"gzip", MW_CODING_GZIP},
             {"zstd", MW_CODING_ZSTD},
             {"x-gzip", MW_CODING_GZIP}};

mw_coding mw_coding_of(mw_str content_encoding) {
    if (!content_encoding.data) return MW_CODING_IDENTITY;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mw_str_is_nocase(content_encoding, names[i].name)) return names[i].coding;
    return MW_CODING_UNKNOWN;
}

const char *mw_coding_name(mw_coding coding) { return names[coding].name; }

/* ---- choosing ---- */

/* "q=0.5" in thousandths; full for anything else. */
static int weight_of(mw_str parameter) {
    if (parameter.size < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=')
        return FULL_WEIGHT;
    if (parameter.data[2] == '1') return FULL_WEIGHT;
    int weight = 0, unit = FULL_WEIGHT / 10;
    for (size_t i = 4; i < parameter.size && unit > 0; i++, unit /= 10) {
        const char c = parameter.data[i];
        if (c < '0' || c > '9') return 0;
        weight += unit * (c - '0');
    }
    return weight;
}

mw_coding mw_coding_choose(mw_str accept_encoding) {
    int weights[] = {[MW_CODING_GZIP] = -1, [MW_CODING_ZSTD] = -1, [MW_CODING_UNKNOWN] = -1};
    int other = 0;
    for (mw_str rest = accept_encoding; rest.size;) {
        mw_str item = mw_guard_next_part(&rest, ',');
        const mw_str name = mw_guard_next_part(&item, ';');
        int weight = FULL_WEIGHT;
        while (item.size) weight = weight_of(mw_guard_next_part(&item, ';'));
        if (mw_str_is(name, "*"))
            other = weight;
        else if (name.size)
            weights[mw_coding_of(name)] = weight;
    }
    const int zstd = weights[MW_CODING_ZSTD] < 0 ? other : weights[MW_CODING_ZSTD];
    const int gzip = weights[MW_CODING_GZIP] < 0 ? other : weights[MW_CODING_GZIP];
    if (zstd > 0 && zstd >= gzip) return MW_CODING_ZSTD;
    return gzip > 0 ? MW_CODING_GZIP : MW_CODING_IDENTITY;
}

/* ---- decompressing ---- */

static mw_status give_once(void *self, const char **ret, size_t *ret_size, mw_err *err) {
    (void)err;
    mw_str *packed = self;
    *ret = packed->data;
    *ret_size = packed->size;
    packed->size = 0;
    return MW_OK;
}

static mw_status fill(mw_unpack *unpack, size_t max_bytes, mw_buf *out, mw_err *err) {
    for (size_t size = STEP_BYTES; size == STEP_BYTES;) {
        char *to = mw_buf_reserve(out, STEP_BYTES);
        if (!to) return mw_fail_nomem(err, "the request body");
        mw_status status = mw_unpack_fill(unpack, to, STEP_BYTES, &size, err);
        if (status != MW_OK) return status;
        mw_buf_grew(out, size);
        if (out->size > max_bytes)
            return mw_fail(err, MW_ETOOLARGE, "the body has more than %zu bytes when decompressed",
                           max_bytes);
    }
    return MW_OK;
}

static mw_status explain(mw_coding coding, mw_status status, mw_err *err) {
    const char *name = mw_coding_name(coding);
    if (status == MW_EDATA) {
        mw_fail(err, MW_EPARSE, "the body is not a whole %s stream", name);
        return mw_err_hint(err, "compress it again, or send it as it is without Content-Encoding");
    }
    if (status == MW_EUNSUPPORTED)
        return mw_fail(err, status, "the %s stream needs a dictionary", name);
    return status;
}

mw_status mw_coding_unpack(mw_mem *mem, mw_coding coding, mw_str packed, size_t max_bytes,
                           char **out, size_t *out_size, mw_err *err) {
    mw_unpack *unpack = NULL;
    mw_buf plain;
    mw_packing packing = coding == MW_CODING_ZSTD ? MW_PACKING_ZSTD : MW_PACKING_GZIP;
    if (packed.size == 0) return explain(coding, MW_EDATA, err);
    mw_buf_init(&plain, mem, max_bytes + 2 * STEP_BYTES);
    mw_status status = mw_unpack_new(mem, packing, give_once, &packed, &unpack, err);
    if (status == MW_OK) {
        mw_unpack_limit_window(unpack, (size_t)MW_LIMIT(UNPACK_WINDOW_BYTES));
        status = fill(unpack, max_bytes, &plain, err);
    }
    mw_unpack_free(unpack);
    if (status == MW_OK) {
        *out = mw_buf_steal(&plain, out_size);
        if (!*out) status = mw_fail_nomem(err, "the request body");
    }
    mw_buf_done(&plain);
    return explain(coding, status, err);
}

/* ---- compressing ---- */

static voidpf zlib_alloc(voidpf mem, uInt count, uInt size) {
    return mw_alloc_array(mem, count, size);
}

static void zlib_free(voidpf mem, voidpf block) {
    (void)mem;
    mw_free(block);
}

static void *zstd_alloc(void *mem, size_t size) { return mw_alloc(mem, size); }

static void zstd_free(void *mem, void *block) {
    (void)mem;
    mw_free(block);
}

/* Both make at most `room` bytes; *ret 0: they would not have been enough. MW_ENOMEM without err. */
static mw_status pack_gzip(mw_mem *mem, mw_str plain, char *to, size_t room, size_t *ret) {
    z_stream z = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = mem};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return MW_ENOMEM;
    z.next_in = (Bytef *)(uintptr_t)plain.data;
    z.avail_in = (uInt)plain.size;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    const bool whole = deflate(&z, Z_FINISH) == Z_STREAM_END;
    deflateEnd(&z);
    *ret = whole ? room - z.avail_out : 0;
    return MW_OK;
}

static mw_status pack_zstd(mw_mem *mem, mw_str plain, char *to, size_t room, size_t *ret) {
    ZSTD_CCtx *ctx = ZSTD_createCCtx_advanced((ZSTD_customMem){zstd_alloc, zstd_free, mem});
    if (!ctx) return MW_ENOMEM;
    const size_t size = ZSTD_compressCCtx(ctx, to, room, plain.data, plain.size, ZSTD_LEVEL);
    ZSTD_freeCCtx(ctx);
    if (ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation) return MW_ENOMEM;
    *ret = ZSTD_isError(size) ? 0 : size;
    return MW_OK;
}

mw_status mw_coding_pack(mw_mem *mem, mw_coding coding, mw_str plain, char **out, size_t *out_size,
                         mw_err *err) {
    if (plain.size < 2 || plain.size > UINT32_MAX / 2)
        return mw_fail(err, MW_ETOOLARGE, "an answer of %zu bytes is not compressed", plain.size);
    char *to = mw_alloc(mem, plain.size);
    if (!to) return mw_fail_nomem(err, "a compressed answer");
    const size_t room = plain.size - 1;
    size_t size = 0;
    mw_status status = coding == MW_CODING_ZSTD ? pack_zstd(mem, plain, to, room, &size)
                                                : pack_gzip(mem, plain, to, room, &size);
    if (status != MW_OK || size == 0) {
        mw_free(to);
        if (status != MW_OK) return mw_fail_nomem(err, "a compressed answer");
        return mw_fail(err, MW_ETOOLARGE, "the answer does not become smaller");
    }
    char *fitting = mw_realloc(mem, to, size);
    *out = fitting ? fitting : to;
    *out_size = size;
    return MW_OK;
}
