/*
 * number_fields_batch.h -- a few dozen fields fetched from all over a block, then read side by side. Internal to
 * core/text.
 *
 * What      fetching is scalar and touches two cache lines a field; reading is vector code on two dense arrays. Between
 *           the two lie enough fields for the stores to have drained.
 * Words     words[i] ends with field i's last byte (in its top byte, as memory is little-endian here); what stands
 *           before a short field is there too.
 */
#ifndef MW_CORE_TEXT_NUMBER_FIELDS_BATCH_H
#define MW_CORE_TEXT_NUMBER_FIELDS_BATCH_H

#include <string.h>

#include "core/text/fields.h"

enum { MW_NUMBERS_BATCH = 64, MW_NUMBERS_SHORT = 8 };

typedef struct mw_number__batch {
    _Alignas(64) uint64_t
        marks[MW_NUMBERS_BATCH]; /* the byte before field i, and above that the byte behind it */
    _Alignas(64) uint64_t words[MW_NUMBERS_BATCH];
    size_t n;
} mw_number__batch;

static inline uint64_t mw_number__load(const char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint32_t mw_number__begin(uint64_t marks) { return (uint32_t)marks + 1; }
static inline uint32_t mw_number__end(uint64_t marks) { return (uint32_t)(marks >> 32); }
static inline uint32_t mw_number__size(uint64_t marks) {
    return mw_number__end(marks) - mw_number__begin(marks);
}

/*
 * mw_field as marks: what counts of a field. It asks instead of computing, because a column is quoted or it is not, and
 * looks at the first byte only behind a quote at the end.
 */
static inline uint64_t mw_number__strip(const char *text, char quote, bool cr, uint64_t marks) {
    uint32_t begin = mw_number__begin(marks), end = mw_number__end(marks);
    if (cr && end > begin && text[end - 1] == '\r') end--;
    if (quote && text[(ptrdiff_t)end - 1] == quote && end - begin >= 2 && text[begin] == quote) {
        begin++;
        end--;
    }
    return (uint64_t)(uint32_t)(begin - 1) | (uint64_t)end << 32;
}

static inline void mw_number__keep(mw_number__batch *batch, size_t i, const char *text,
                                   uint64_t marks) {
    batch->marks[i] = marks;
    batch->words[i] = mw_number__load(text + (ptrdiff_t)mw_number__end(marks) - 8);
}

/* Fetches fields first .. first + n; the rest of the batch's last eight become empty. */
static inline void mw_number__fetch(const mw_fields *fields, size_t first, size_t n,
                                    mw_number__batch *batch) {
    const char *text = fields->text, quote = fields->quote;
    const bool cr = fields->cr;
    const size_t stride = fields->stride;
    const uint32_t *mark = fields->marks + first * stride;
    batch->n = n;
    uint64_t marks;
    if (quote || cr) {
        for (size_t i = 0; i < n; i++, mark += stride) {
            memcpy(&marks, mark, sizeof marks);
            mw_number__keep(batch, i, text, mw_number__strip(text, quote, cr, marks));
        }
    } else {
        for (size_t i = 0; i < n; i++, mark += stride) {
            memcpy(&marks, mark, sizeof marks);
            mw_number__keep(batch, i, text, marks);
        }
    }
    for (size_t i = n; i % 8; i++) batch->marks[i] = batch->words[i] = UINT64_C(1) << 32;
}

/*
 * Readers of short fields: all of a batch into out [n rounded up to eight]; bit i of what they return is set when field
 * i was left out, being no plain number of at most MW_NUMBERS_SHORT bytes, sign and point included.
 */
typedef uint64_t mw_number__short(const mw_number__batch *batch, char point, double *out);
/* Readers of fields of up to 16 bytes: those whose bits are set in `left`; returns the bits of those still left out. */
typedef uint64_t mw_number__long(const char *text, const mw_number__batch *batch, uint64_t left,
                                 char point, double *out);

mw_number__short mw_number__short_swar;
#if defined(__x86_64__)
mw_number__short mw_number__short_avx2, mw_number__short_avx512;
mw_number__long mw_number__long_avx2, mw_number__long_avx512;
#endif

#endif
