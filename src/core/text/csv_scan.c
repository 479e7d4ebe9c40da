/* csv_scan.c -- see csv_scan.h. SSE2 belongs to every x86-64, so no run-time choice is needed. */
#include "core/text/csv_scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool quotes_scalar(const char *data, size_t size, char quote, bool *odd) {
    bool any = false;
    for (size_t i = 0; i < size; i++) {
        any |= data[i] == quote;
        *odd ^= data[i] == quote;
    }
    return any;
}

uint64_t mw_csv__mask_scalar(const char *data, const mw_csv__specials *s) {
    uint64_t mask = 0;
    for (int i = 0; i < MW_CSV_BLOCK; i++) {
        char c = data[i];
        uint64_t special = (c == s->separator) | (c == s->quote) | (c == '\n') | (c == '\0');
        special |= (c == s->tab) | (c == s->escape) | (c == s->comment);
        mask |= special << i;
    }
    return mask;
}

#if defined(__SSE2__)

static inline __m128i equal(__m128i bytes, char c) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

static inline uint64_t gather(__m128i hits) { return (uint64_t)(unsigned)_mm_movemask_epi8(hits); }

static inline uint64_t common16(const char *data, const mw_csv__specials *s) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
    return gather(_mm_or_si128(_mm_or_si128(equal(bytes, s->separator), equal(bytes, s->quote)),
                               _mm_or_si128(equal(bytes, '\n'), equal(bytes, '\0'))));
}

static inline uint64_t rare16(const char *data, const mw_csv__specials *s) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
    return gather(_mm_or_si128(_mm_or_si128(equal(bytes, s->tab), equal(bytes, s->escape)),
                               equal(bytes, s->comment)));
}

uint64_t mw_csv__mask(const char *data, const mw_csv__specials *s) {
    uint64_t mask = common16(data, s) | common16(data + 16, s) << 16 |
                    common16(data + 32, s) << 32 | common16(data + 48, s) << 48;
    if (s->tab | s->escape | s->comment)
        mask |= rare16(data, s) | rare16(data + 16, s) << 16 | rare16(data + 32, s) << 32 |
                rare16(data + 48, s) << 48;
    return mask;
}

bool mw_csv__quotes(const char *data, size_t size, char quote, bool *odd) {
    __m128i parity = _mm_setzero_si128(), any = parity;
    size_t at = 0;
    for (; at + 32 <= size; at += 32) {
        const __m128i *from = (const __m128i *)(const void *)(data + at);
        __m128i first = equal(_mm_loadu_si128(from), quote);
        __m128i second = equal(_mm_loadu_si128(from + 1), quote);
        parity = _mm_xor_si128(parity, _mm_xor_si128(first, second));
        any = _mm_or_si128(any, _mm_or_si128(first, second));
    }
    *odd = __builtin_parityll(gather(parity));
    bool last = quotes_scalar(data + at, size - at, quote, odd);
    return last || gather(any) != 0;
}

#else

bool mw_csv__quotes(const char *data, size_t size, char quote, bool *odd) {
    *odd = false;
    return quotes_scalar(data, size, quote, odd);
}

uint64_t mw_csv__mask(const char *data, const mw_csv__specials *s) {
    return mw_csv__mask_scalar(data, s);
}

#endif
