/*
 * number_fields.c -- see mw_number_read_fields in fields.h: the choice of instructions, and all that is not vectors.
 *
 * Algorithm  a batch of fields is fetched (number_fields_batch.h), short plain decimals are read side by side, longer
 *            ones so too (AVX-512) or one by one (AVX2), and the rest by mw_number_read, the judge of what a number is.
 *            Every path ends in Clinger's exact case, digits below 2^53 divided once by a power of ten up to 10^22,
 *            or in mw_number_read: so all give the same bits.
 * Short      (word ^ "00000000") makes digits of a field that ends the word; shifting left what is not of the field out
 *            and zeros in; the byte of the point is squeezed out by moving what is before it up by one; three products
 *            join 8 digits (after Lemire, "Quickly parsing eight digits", 2018).
 * Longer     a batch in which most fields were too long makes the next one skip the short reader.
 */
#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/text/number_fields_batch.h"
#include "core/text/number_point.h"

static const double pow10_of[MW_NUMBERS_SHORT] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* 0x80 in each byte of x that is 0. */
static inline uint64_t zero_bytes(uint64_t x) {
    return ~(((x & EACH(0x7F)) + EACH(0x7F)) | x | EACH(0x7F));
}

/* Leaves the last `size` bytes of a word, size <= 8. */
static inline uint64_t last_bytes(uint64_t word, uint32_t size) {
    return size ? word >> (64 - 8 * size) << (64 - 8 * size) : 0;
}

/* One field in a register; false when it is no short plain number. */
static inline bool read_short(uint64_t word, uint32_t size, char point, double *ret) {
    if (size == 0 || size > MW_NUMBERS_SHORT) return false;
    word ^= EACH('0');
    char first = (char)(word >> (64 - 8 * size) & 0xFF);
    bool negative = first == ('-' ^ '0');
    size -= negative | (first == ('+' ^ '0'));
    uint64_t digits = last_bytes(word, size);
    uint64_t points = zero_bytes(digits ^ EACH((uint8_t)(point ^ '0')));
    if ((points & (points - 1)) || size <= (points != 0)) return false;
    unsigned n_fraction = 0;
    if (points) {
        int at = __builtin_ctzll(points) / 8; /* digits before the point move up over it */
        uint64_t before = digits & ~(~UINT64_C(0) << (8 * at));
        uint64_t behind = at < 7 ? digits >> (8 * (at + 1)) << (8 * (at + 1)) : 0;
        digits = before << 8 | behind;
        n_fraction = 7u - (unsigned)at;
    }
    if ((((digits & EACH(0x7F)) + EACH(0x76)) | digits) & EACH(0x80)) return false;
    digits = digits * 10 + (digits >> 8);
    digits = ((digits & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064) +
              (digits >> 16 & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001)) >>
             32;
    double value = (double)(uint32_t)digits / pow10_of[n_fraction];
    *ret = negative ? -value : value;
    return true;
}

uint64_t mw_number__short_swar(const mw_number__batch *batch, char point, double *out) {
    uint64_t left = 0;
    for (size_t i = 0; i < batch->n; i++) {
        uint32_t size = mw_number__size(batch->marks[i]);
        bool read = read_short(batch->words[i], size, point, out + i);
        left |= (uint64_t)!read << i;
    }
    return left;
}

/* There is no vector reader of longer fields: all are left to mw_number_read. */
static uint64_t long_none(const char *text, const mw_number__batch *batch, uint64_t left,
                          char point, double *out) {
    (void)text, (void)batch, (void)point, (void)out;
    return left;
}

typedef struct readers {
    mw_number__short *read_short;
    mw_number__long *read_long;
} readers;

static readers readers_of(mw_cpu level) {
    switch (level) {
#if defined(__x86_64__)
    case MW_CPU_AVX512: return (readers){mw_number__short_avx512, mw_number__long_avx512};
    case MW_CPU_AVX2: return (readers){mw_number__short_avx2, mw_number__long_avx2};
#endif
    default: return (readers){mw_number__short_swar, long_none};
    }
}

/* Reads what no batch reader took; returns how many are no numbers, or none that a double can hold. */
static size_t read_rest(const char *text, const mw_number__batch *batch, uint64_t left, char point,
                        double *out, uint32_t first, uint32_t *odd) {
    size_t n = 0;
    for (; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        uint64_t marks = batch->marks[i];
        if (mw_number__read(text + mw_number__begin(marks), mw_number__size(marks), point,
                            out + i) &&
            mw_isfinite(out[i]))
            continue;
        out[i] = __builtin_nan("");
        odd[n++] = first + i;
    }
    return n;
}

size_t mw_number_read_fields(const mw_fields *fields, char point, double *out, uint32_t *odd) {
    readers reader = readers_of(mw_cpu_level());
    size_t n_odd = 0;
    bool mostly_long = false;
    mw_number__batch batch;
    double values[MW_NUMBERS_BATCH] = {0};
    for (size_t first = 0, n; first < fields->n; first += n) {
        n = fields->n - first < MW_NUMBERS_BATCH ? fields->n - first : MW_NUMBERS_BATCH;
        mw_number__fetch(fields, first, n, &batch);
        /* Readers of eight write eight: a last part goes round by a buffer. */
        double *to = n % 8 ? values : out + first;
        uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
        uint64_t left = mostly_long ? all : reader.read_short(&batch, point, to) & all;
        if (__builtin_expect(left != 0, 0)) {
            size_t n_long = 0;
            for (size_t i = 0; i < n; i++)
                n_long += mw_number__size(batch.marks[i]) > MW_NUMBERS_SHORT;
            mostly_long = n_long > n / 2;
            left = reader.read_long(fields->text, &batch, left, point, to);
            n_odd += read_rest(fields->text, &batch, left, point, to, (uint32_t)first, odd + n_odd);
        }
        if (n % 8) memcpy(out + first, to, n * sizeof *out);
    }
    return n_odd;
}
