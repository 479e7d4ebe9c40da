/*
 * csv_index_state.h -- what 64 bytes mean, from masks of the bytes that matter. Internal to core/text.
 *
 * What      the half of csv_index.h that is the same for all vector instructions: bit i of a mask stands for byte i of
 *           the 64; carries join one 64 to the next.
 * Quotes    `inside` has a bit from an opening quote up to the byte before the closing one. Regular is: an opening quote
 *           stands at the start of a field or right behind a closing one (a doubled quote); behind a closing one stands
 *           a quote, a separator, a line feed, a CR before a line feed, or the end of the block.
 */
#ifndef MW_CORE_TEXT_CSV_INDEX_STATE_H
#define MW_CORE_TEXT_CSV_INDEX_STATE_H

#include "core/text/csv_index.h"

enum { MW_INDEX_STEP = 64 };

/* The state must live in registers: a call for each 64 bytes costs half of the speed. */
#define MW_CSV__INLINE static inline __attribute__((always_inline))

typedef struct mw_csv__masks {
    uint64_t separators, feeds, quotes, returns, comments;
    uint64_t parity; /* prefix XOR of quotes: bit i is the parity of quotes up to and with i */
    uint64_t
        valid; /* bytes that belong to the text; the other masks but returns have no bit outside */
} mw_csv__masks;

typedef struct mw_csv__state {
    uint64_t inside;      /* all ones when the last 64 bytes ended inside quotes */
    uint64_t line_start;  /* 1: the next byte begins a line */
    uint64_t field_start; /* 1: it begins a field */
    uint64_t closed;      /* 1: it follows a closing quote */
    uint64_t closed_cr;   /* 1: it follows a closing quote and a CR */
    uint64_t bad;         /* not 0: irregular */
    uint64_t any_quote;
    size_t n_lines;
    size_t n_quoted_feeds; /* line feeds that end no line */
} mw_csv__state;

#define MW_CSV__STATE_FIRST \
    { .line_start = 1, .field_start = 1 }

/* Whether quotes, in these 64 bytes or before, matter to them. */
MW_CSV__INLINE bool mw_csv__quoting(const mw_csv__state *state, uint64_t quotes) {
    return (quotes | state->inside | state->closed | state->closed_cr) != 0;
}

/* Leaves only what is outside quotes in separators, feeds and comments, and checks every quote. */
MW_CSV__INLINE void mw_csv__judge_quotes(mw_csv__state *state, mw_csv__masks *m) {
    uint64_t inside = m->parity ^ state->inside;
    state->n_quoted_feeds += (size_t)__builtin_popcountll(m->feeds & inside);
    uint64_t opening = m->quotes & inside, closing = m->quotes & ~inside;
    m->separators &= ~inside;
    m->feeds &= ~inside;
    m->comments &= ~inside;
    uint64_t ends = m->separators | m->feeds;
    uint64_t follows = closing << 1 | state->closed;
    uint64_t starts = ends << 1 | state->field_start | follows;
    uint64_t follows_cr = (follows & m->returns) << 1 | state->closed_cr;
    uint64_t bad = (opening & ~starts) | (follows & ~(ends | m->quotes | m->returns)) |
                   (follows_cr & ~m->feeds);
    state->bad |= bad & m->valid;
    state->inside = 0 - (inside >> 63);
    state->closed = closing >> 63;
    state->closed_cr = (follows & m->returns) >> 63;
    state->any_quote |= m->quotes;
}

/* The marks of 64 bytes, whose quotes were judged before if there were any. */
MW_CSV__INLINE uint64_t mw_csv__take(mw_csv__state *state, const mw_csv__masks *m) {
    uint64_t marks = m->separators | m->feeds;
    state->bad |= m->comments & (m->feeds << 1 | state->line_start);
    state->line_start = m->feeds >> 63;
    state->field_start = marks >> 63;
    state->n_lines += (size_t)__builtin_popcountll(m->feeds);
    return marks;
}

static inline void mw_csv__conclude(const mw_dialect *dialect, const mw_csv__state *state,
                                    size_t n_marks, bool has_high, mw_csv_index *ret) {
    bool irregular = state->bad != 0 || state->inside != 0;
    *ret = (mw_csv_index){.n_marks = irregular ? 0 : n_marks,
                          .n_lines = irregular ? 0 : state->n_lines,
                          .n_feeds = state->n_lines + state->n_quoted_feeds,
                          .has_quotes = dialect->quote != 0 && state->any_quote != 0,
                          .has_high = has_high,
                          .irregular = irregular};
}

void mw_csv__index_avx2(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret);
void mw_csv__index_avx512(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                          mw_csv_index *ret);
void mw_csv__index_neon(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                        mw_csv_index *ret);
void mw_csv__index_scalar(const mw_dialect *dialect, const char *text, size_t size, uint32_t *marks,
                          mw_csv_index *ret);

#endif
