/*
 * transcode.c -- UTF-16 is RFC 2781, UTF-8 RFC 3629, Windows-1252 the index of the WHATWG's Encoding
 * Standard. Whole characters go straight to the output while four bytes of room are left, and
 * runs of ASCII sixteen at a time; the last ones of a call go through the spill.
 */
#include "keep/ingest/transcode.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { REPLACEMENT = 0xFFFD, UTF8_MAX = 4 };

/* 0x80 to 0x9F; the others are themselves. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

static uint32_t from_windows(uint8_t byte) {
    return byte >= 0x80 && byte < 0xA0 ? windows_1252[byte - 0x80] : byte;
}

/* out [UTF8_MAX]; returns the bytes used. */
static size_t put_utf8(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* --- runs of ASCII -----------------------------------------------------------------------------
 * Each copies whole groups of 16 characters until one holds another character; returns how many. */
#if defined(__SSE2__)

static size_t ascii_bytes(const uint8_t *in, size_t n, char *out) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        if (_mm_movemask_epi8(v)) break;
        _mm_storeu_si128((__m128i *)(void *)(out + i), v);
    }
    return i;
}

static size_t ascii_units(const uint8_t *in, size_t n, bool big, char *out) {
    const __m128i wide = _mm_set1_epi16(big ? (short)0x80FF : (short)0xFF80);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i + 16));
        __m128i other = _mm_and_si128(_mm_or_si128(a, b), wide);
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(other, _mm_setzero_si128())) != 0xFFFF) break;
        if (big) {
            a = _mm_srli_epi16(a, 8);
            b = _mm_srli_epi16(b, 8);
        }
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_packus_epi16(a, b));
    }
    return i;
}

#elif defined(__aarch64__)

static size_t ascii_bytes(const uint8_t *in, size_t n, char *out) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16_t v = vld1q_u8(in + i);
        if (vmaxvq_u8(v) >= 0x80) break;
        vst1q_u8((uint8_t *)out + i, v);
    }
    return i;
}

static size_t ascii_units(const uint8_t *in, size_t n, bool big, char *out) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8x16x2_t v = vld2q_u8(in + 2 * i);
        uint8x16_t low = v.val[big ? 1 : 0], high = v.val[big ? 0 : 1];
        if (vmaxvq_u8(low) >= 0x80 || vmaxvq_u8(high) != 0) break;
        vst1q_u8((uint8_t *)out + i, low);
    }
    return i;
}

#else

static size_t ascii_bytes(const uint8_t *in, size_t n, char *out) {
    (void)in, (void)n, (void)out;
    return 0;
}

static size_t ascii_units(const uint8_t *in, size_t n, bool big, char *out) {
    (void)in, (void)n, (void)big, (void)out;
    return 0;
}

#endif

/* --- characters -------------------------------------------------------------------------------- */

void mw_transcode_init(mw_transcode *transcode, enum mw_source_text text) {
    *transcode = (mw_transcode){.text = text};
}

bool mw_transcode_is_idle(const mw_transcode *transcode) {
    return !transcode->high && !transcode->has_odd && !transcode->n_spill;
}

/* One character of in [size] into out [UTF8_MAX], 0 bytes when it is not whole yet; *ret_used > 0. */
static size_t latin_character(const uint8_t *in, size_t *ret_used, char *out) {
    *ret_used = 1;
    return put_utf8(from_windows(in[0]), out);
}

static size_t unit_character(mw_transcode *t, uint32_t unit, bool *ret_again, char *out) {
    *ret_again = false;
    if (t->high) {
        uint32_t high = t->high;
        t->high = 0;
        if (unit >= 0xDC00 && unit < 0xE000)
            return put_utf8(0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00), out);
        *ret_again = true; /* the unit is a character, or a half, of its own */
        return put_utf8(REPLACEMENT, out);
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
        t->high = unit;
        return 0;
    }
    return put_utf8(unit >= 0xDC00 && unit < 0xE000 ? REPLACEMENT : unit, out);
}

static size_t utf16_character(mw_transcode *t, const uint8_t *in, size_t size, size_t *ret_used,
                              char *out) {
    size_t used = 0;
    uint8_t first;
    if (t->has_odd) {
        first = t->odd;
    } else {
        first = in[used++];
        if (used == size) {
            t->odd = first;
            t->has_odd = true;
            *ret_used = used;
            return 0;
        }
    }
    uint8_t second = in[used];
    uint32_t unit = t->text == MW_SOURCE_UTF16BE ? (uint32_t)(first << 8 | second)
                                                 : (uint32_t)(second << 8 | first);
    bool again, had_odd = t->has_odd;
    size_t n = unit_character(t, unit, &again, out);
    if (again) {
        /* Nothing of the unit is used; an odd byte stays where it is. */
        *ret_used = 0;
        return n;
    }
    if (had_odd) t->has_odd = false;
    *ret_used = used + 1;
    return n;
}

static size_t character(mw_transcode *t, const uint8_t *in, size_t size, size_t *ret_used,
                        char *out) {
    return t->text == MW_SOURCE_LATIN1 ? latin_character(in, ret_used, out)
                                       : utf16_character(t, in, size, ret_used, out);
}

/* A run of ASCII from in; true when something was done. */
static bool run(mw_transcode *t, const uint8_t *in, size_t size, size_t *used, char *out,
                size_t capacity, size_t *made) {
    size_t room = capacity - *made, left = size - *used, n;
    if (t->plain_loop || t->has_odd || t->high) return false;
    if (t->text == MW_SOURCE_LATIN1) {
        n = ascii_bytes(in + *used, left < room ? left : room, out + *made);
        *used += n;
    } else {
        left /= 2;
        n = ascii_units(in + *used, left < room ? left : room, t->text == MW_SOURCE_UTF16BE,
                        out + *made);
        *used += 2 * n;
    }
    *made += n;
    return n > 0;
}

static void unspill(mw_transcode *t, char *out, size_t capacity, size_t *made) {
    size_t n = t->n_spill < capacity - *made ? t->n_spill : capacity - *made;
    memcpy(out + *made, t->spill, n);
    memmove(t->spill, t->spill + n, t->n_spill - n);
    t->n_spill = (uint8_t)(t->n_spill - n);
    *made += n;
}

static size_t copy(const char *in, size_t size, size_t *ret_used, char *out, size_t capacity) {
    size_t n = size < capacity ? size : capacity;
    if (n) memcpy(out, in, n);
    *ret_used = n;
    return n;
}

/* The end of the text cuts what waits: one U+FFFD for half a pair, one for half a unit. */
static void cut_off(mw_transcode *t, char *out, size_t capacity, size_t *made) {
    while (t->n_spill == 0 && (t->high || t->has_odd)) {
        if (t->high)
            t->high = 0;
        else
            t->has_odd = false;
        t->n_spill = (uint8_t)put_utf8(REPLACEMENT, t->spill);
        unspill(t, out, capacity, made);
    }
}

size_t mw_transcode_run(mw_transcode *t, const char *in, size_t size, bool last, size_t *ret_used,
                        char *out, size_t capacity) {
    if (t->text == MW_SOURCE_UTF8) return copy(in, size, ret_used, out, capacity);
    const uint8_t *bytes = (const uint8_t *)in;
    size_t used = 0, made = 0, step;
    unspill(t, out, capacity, &made);
    while (used < size && capacity - made >= UTF8_MAX) {
        if (run(t, bytes, size, &used, out, capacity, &made)) continue;
        /* A group that is not all ASCII: its characters one by one before the next try. */
        for (int i = 0; i < 16 && used < size && capacity - made >= UTF8_MAX; i++) {
            made += character(t, bytes + used, size - used, &step, out + made);
            used += step;
        }
    }
    while (used < size && t->n_spill == 0 && made < capacity) {
        t->n_spill = (uint8_t)character(t, bytes + used, size - used, &step, t->spill);
        used += step;
        unspill(t, out, capacity, &made);
    }
    if (last && used == size) cut_off(t, out, capacity, &made);
    *ret_used = used;
    return made;
}

size_t mw_text_bom(enum mw_source_text text, const char *data, size_t size) {
    static const struct {
        const char *bytes;
        size_t size;
    } marks[] = {[MW_SOURCE_UTF8] = {"\xEF\xBB\xBF", 3},
                 [MW_SOURCE_UTF16LE] = {"\xFF\xFE", 2},
                 [MW_SOURCE_UTF16BE] = {"\xFE\xFF", 2},
                 [MW_SOURCE_LATIN1] = {"", 0}};
    size_t n = marks[text].size;
    return n && size >= n && memcmp(data, marks[text].bytes, n) == 0 ? n : 0;
}

void mw_text_unify_lines(char *data, size_t size, int next) {
    for (char *at = data, *end = data + size; at < end; at++) {
        at = memchr(at, '\r', (size_t)(end - at));
        if (!at) return;
        if ((at + 1 < end ? at[1] : next) != '\n') *at = '\n';
    }
}

/* --- whole texts ------------------------------------------------------------------------------- */

mw_status mw_text_decode(mw_mem *mem, const char *data, size_t size, enum mw_source_text text,
                         bool unify_lines, mw_buf *out, mw_err *err) {
    enum { ROOM = 1 << 16 };
    mw_transcode transcode;
    size_t before = out->size, used = mw_text_bom(text, data, size);
    if (!out->mem) out->mem = mem;
    mw_transcode_init(&transcode, text);
    for (bool more = true; more;) {
        /* No more than the rest can need: out may have a tight maximum. */
        size_t left = (size - used) * 3 + UTF8_MAX, room = left < ROOM ? left : ROOM;
        char *at = mw_buf_reserve(out, room);
        if (!at) break;
        size_t step, made;
        made = mw_transcode_run(&transcode, data + used, size - used, true, &step, at, room);
        more = made == room;
        used += step;
        mw_buf_grew(out, made);
    }
    mw_status status = mw_buf_status(out, "decoded text", err);
    if (status == MW_OK && unify_lines && out->size > before)
        mw_text_unify_lines(out->data + before, out->size - before, -1);
    return status;
}

/* One character of text [size], size > 0; *ret_used bytes of it. Bytes that are none: U+FFFD, one each. */
static uint32_t get_utf8(const char *text, size_t size, size_t *ret_used) {
    const uint8_t *t = (const uint8_t *)text;
    size_t n = t[0] < 0x80 ? 1 : t[0] < 0xE0 ? 2 : t[0] < 0xF0 ? 3 : 4;
    if (n > size || !mw_utf8_valid(text, n)) {
        *ret_used = 1;
        return REPLACEMENT;
    }
    *ret_used = n;
    if (n == 1) return t[0];
    if (n == 2) return (uint32_t)((t[0] & 0x1F) << 6 | (t[1] & 0x3F));
    if (n == 3) return (uint32_t)((t[0] & 0x0F) << 12 | (t[1] & 0x3F) << 6 | (t[2] & 0x3F));
    return (uint32_t)((t[0] & 0x07) << 18 | (t[1] & 0x3F) << 12 | (t[2] & 0x3F) << 6 |
                      (t[3] & 0x3F));
}

static void add_unit(mw_buf *out, uint32_t unit, bool big) {
    char bytes[2] = {(char)(unit & 0xFF), (char)(unit >> 8)};
    if (big) bytes[0] = (char)(unit >> 8), bytes[1] = (char)(unit & 0xFF);
    mw_buf_append(out, bytes, 2);
}

static void add_utf16(mw_buf *out, uint32_t c, bool big) {
    if (c < 0x10000) {
        add_unit(out, c, big);
        return;
    }
    add_unit(out, 0xD800 + ((c - 0x10000) >> 10), big);
    add_unit(out, 0xDC00 + ((c - 0x10000) & 0x3FF), big);
}

static void add_windows(mw_buf *out, uint32_t c) {
    if (c < 0x80 || (c >= 0xA0 && c <= 0xFF)) {
        mw_buf_add_char(out, (char)c);
        return;
    }
    for (unsigned i = 0; i < 32; i++) {
        if (windows_1252[i] != c) continue;
        mw_buf_add_char(out, (char)(0x80 + i));
        return;
    }
    mw_buf_add_char(out, '?');
}

void mw_text_encode(enum mw_source_text text, mw_str utf8, mw_buf *out) {
    if (text == MW_SOURCE_UTF8) {
        mw_buf_add_str(out, utf8);
        return;
    }
    for (size_t at = 0, n; at < utf8.size; at += n) {
        uint32_t c = get_utf8(utf8.data + at, utf8.size - at, &n);
        if (text == MW_SOURCE_LATIN1)
            add_windows(out, c);
        else
            add_utf16(out, c, text == MW_SOURCE_UTF16BE);
    }
}
