/*
 * csv_index.c -- see csv_index.h: the choice of instructions, and the plain twin that is their oracle.
 *
 * Algorithm  one byte after another through the five states of RFC 4180; it shares nothing with the masks of
 *            csv_index_state.h, so that an error in one shows against the other.
 */
#include "core/text/csv_index.h"

#include "core/base/cpu.h"
#include "core/text/csv_index_state.h"

typedef enum place { FIELD_START, IN_FIELD, IN_QUOTES, CLOSED, CLOSED_CR } place;

/* The place behind byte c, outside quotes or at one; *bad is set where the plain lexer would complain. */
static place next_place(const mw_dialect *d, place at, char c, bool *bad) {
    bool quote = d->quote != 0 && c == d->quote;
    if (at == IN_QUOTES) return quote ? CLOSED : IN_QUOTES;
    bool feed = c == '\n';
    if (feed || (c == d->separator && at != CLOSED_CR)) return FIELD_START;
    if (quote && (at == FIELD_START || at == CLOSED)) return IN_QUOTES;
    if (at == CLOSED && c == '\r') return CLOSED_CR;
    *bad |= quote || at == CLOSED || at == CLOSED_CR;
    return IN_FIELD;
}

void mw_csv__index_scalar(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                          mw_csv_index *ret) {
    *ret = (mw_csv_index){0};
    place at = FIELD_START;
    bool bad = false, line_start = true;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        ret->n_feeds += c == '\n';
        bad |= c == '\0' || (line_start && dialect->comment && c == dialect->comment);
        ret->has_high |= (signed char)c < 0;
        ret->has_quotes |= dialect->quote && c == dialect->quote;
        at = next_place(dialect, at, c, &bad);
        bool mark = at == FIELD_START;
        line_start = mark && c == '\n';
        if (mark) marks[ret->n_marks++] = (uint32_t)i;
        ret->n_lines += line_start;
    }
    ret->irregular = bad || at == IN_QUOTES;
    if (ret->irregular) ret->n_marks = ret->n_lines = 0;
}

void mw_csv_index_block(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret) {
    switch (mw_cpu_level()) {
#if defined(__x86_64__)
    case MW_CPU_AVX512: mw_csv__index_avx512(dialect, text, size, marks, ret); return;
    case MW_CPU_AVX2: mw_csv__index_avx2(dialect, text, size, marks, ret); return;
#elif defined(__aarch64__)
    case MW_CPU_NEON: mw_csv__index_neon(dialect, text, size, marks, ret); return;
#endif
    default: mw_csv__index_scalar(dialect, text, size, marks, ret);
    }
}
