/* csv_scan.c -- see csv_scan.h. SSE2 belongs to every x86-64, so no run-time choice is needed. */
#include "core/text/csv_scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

uint64_t mw_csv__mask_scalar(const char *data, char separator, char quote) {
    uint64_t mask = 0;
    for (int i = 0; i < MW_CSV_BLOCK; i++) {
        char c = data[i];
        uint64_t special = (c == separator) | (c == quote) | (c == '\n') | (c == '\0');
        mask |= special << i;
    }
    return mask;
}

uint64_t mw_csv__mask_table(const char *data, const uint8_t table[MW_CSV_BYTES]) {
    uint64_t mask = 0;
    for (int i = 0; i < MW_CSV_BLOCK; i++) mask |= (uint64_t)(table[(uint8_t)data[i]] != 0) << i;
    return mask;
}

#if defined(__SSE2__)

static inline uint64_t mask16(const char *data, __m128i separators, __m128i quotes) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
    __m128i hit =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, separators), _mm_cmpeq_epi8(bytes, quotes)),
                     _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')),
                                  _mm_cmpeq_epi8(bytes, _mm_setzero_si128())));
    return (uint64_t)(unsigned)_mm_movemask_epi8(hit);
}

uint64_t mw_csv__mask(const char *data, char separator, char quote) {
    __m128i separators = _mm_set1_epi8(separator), quotes = _mm_set1_epi8(quote);
    return mask16(data, separators, quotes) | mask16(data + 16, separators, quotes) << 16 |
           mask16(data + 32, separators, quotes) << 32 |
           mask16(data + 48, separators, quotes) << 48;
}

#else

uint64_t mw_csv__mask(const char *data, char separator, char quote) {
    return mw_csv__mask_scalar(data, separator, quote);
}

#endif
