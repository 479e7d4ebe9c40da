/*
 * reject_notes.c -- a byte-wise automaton. Of the '#' at the start of a line all but one are passed on at once: a
 * row gets that last one back, a row that was escaped loses it, and a note loses everything. Stuffing as
 * in mboxrd (">From ").
 */
#include "keep/ingest/reject_notes.h"

#include <string.h>

enum { DIGITS_MAX = 20 };

typedef enum match { MATCH_NO, MATCH_SO_FAR, MATCH_YES } match;

/* text, what stands behind the '#': is it "line <digits>, column "? */
static match match_note(const char *text, size_t size) {
    static const char before[] = "line ", behind[] = ", column ";
    const size_t n_before = sizeof before - 1, n_behind = sizeof behind - 1;
    size_t n = size < n_before ? size : n_before;
    if (memcmp(text, before, n) != 0) return MATCH_NO;
    if (n < n_before || size == n_before) return MATCH_SO_FAR;
    size_t at = n_before;
    while (at < size && text[at] >= '0' && text[at] <= '9') at++;
    size_t digits = at - n_before;
    if (digits == 0 || digits > DIGITS_MAX) return MATCH_NO;
    n = size - at < n_behind ? size - at : n_behind;
    if (memcmp(text + at, behind, n) != 0) return MATCH_NO;
    return n == n_behind ? MATCH_YES : MATCH_SO_FAR;
}

bool mw_reject_is_note(mw_str line) {
    return line.size > 0 && line.data[0] == '#' &&
           match_note(line.data + 1, line.size - 1) == MATCH_YES;
}

void mw_reject_escape(mw_str row, mw_buf *out) {
    for (size_t at = 0, end; at < row.size; at = end) {
        const char *lf = memchr(row.data + at, '\n', row.size - at);
        end = lf ? (size_t)(lf - row.data) + 1 : row.size;
        size_t behind = at;
        while (behind < end && row.data[behind] == '#') behind++;
        if (behind > at && match_note(row.data + behind, end - behind) == MATCH_YES)
            mw_buf_add_char(out, '#');
        mw_buf_append(out, row.data + at, end - at);
    }
}

void mw_notes_init(mw_notes *notes, char quote, char escape) {
    *notes = (mw_notes){.quote = quote, .escape = escape};
}

static void give(mw_notes *notes, const char *bytes, size_t n) {
    memcpy(notes->ready + notes->n_ready, bytes, n);
    notes->n_ready = (uint8_t)(notes->n_ready + n);
}

static void count_quote(mw_notes *notes, char c) {
    bool escaped = notes->escaped;
    notes->escaped = !escaped && notes->escape && c == notes->escape;
    if (!escaped && notes->quote && c == notes->quote) notes->open = !notes->open;
}

/* The line is a row after all. */
static void begin_row(mw_notes *notes, bool with_hash) {
    if (with_hash) give(notes, "#", 1);
    give(notes, notes->held, notes->n_held);
    for (size_t i = 0; i < notes->n_held; i++) count_quote(notes, notes->held[i]);
    notes->n_held = 0;
    notes->state = MW_NOTES_ROW;
}

static void take_row_byte(mw_notes *notes, char c) {
    give(notes, &c, 1);
    count_quote(notes, c);
    if (c == '\n') notes->state = MW_NOTES_START;
}

/* A byte behind the '#'s at the start of a line; false when it must be looked at again. */
static bool take_behind_hash(mw_notes *notes, char c) {
    if (c == '#' && notes->n_held == 0) {
        give(notes, "#", 1);
        notes->many = true;
        return true;
    }
    notes->held[notes->n_held++] = c;
    match found = match_note(notes->held, notes->n_held);
    if (found == MATCH_SO_FAR) return true;
    if (found == MATCH_NO) {
        notes->n_held--;
        begin_row(notes, true);
        return false;
    }
    if (notes->many) {
        begin_row(notes, false);
        return true;
    }
    notes->state = MW_NOTES_HEAD;
    if (notes->open) {
        begin_row(notes, true);
        notes->state = MW_NOTES_KEPT;
    }
    notes->n_held = 0;
    notes->open = notes->escaped = false;
    return true;
}

static void take(mw_notes *notes, char c) {
    switch (notes->state) {
    case MW_NOTES_START:
        notes->many = false;
        if (c == '#') {
            notes->state = MW_NOTES_HASHES;
            return;
        }
        notes->state = MW_NOTES_ROW;
        take_row_byte(notes, c);
        return;
    case MW_NOTES_HASHES:
        if (!take_behind_hash(notes, c)) take_row_byte(notes, c);
        return;
    case MW_NOTES_ROW: take_row_byte(notes, c); return;
    case MW_NOTES_KEPT:
        give(notes, &c, 1);
        if (c == '\n') notes->state = MW_NOTES_START;
        return;
    case MW_NOTES_HEAD: /* left out up to its line end, as a note is */
        if (c == '\n') {
            if (notes->cr) give(notes, "\r", 1);
            give(notes, "\n", 1);
            notes->state = MW_NOTES_START;
        }
        notes->cr = c == '\r';
        return;
    }
}

/* The rest of a row's line, or as much as there is and fits. */
static size_t pass_row(mw_notes *notes, const char *in, size_t size, char *out) {
    const char *lf = memchr(in, '\n', size);
    size_t n = lf ? (size_t)(lf - in) + 1 : size;
    memcpy(out, in, n);
    if (notes->quote)
        for (size_t i = 0; i < n; i++) count_quote(notes, in[i]);
    if (lf) notes->state = MW_NOTES_START;
    return n;
}

size_t mw_notes_run(mw_notes *notes, const char *in, size_t size, bool last, size_t *ret_used,
                    char *out, size_t capacity) {
    size_t used = 0, made = 0;
    for (;;) {
        size_t n = (size_t)(notes->n_ready - notes->ready_at);
        if (n > capacity - made) n = capacity - made;
        memcpy(out + made, notes->ready + notes->ready_at, n);
        made += n;
        notes->ready_at = (uint8_t)(notes->ready_at + n);
        if (notes->ready_at < notes->n_ready) break;
        notes->ready_at = notes->n_ready = 0;
        if (used == size) {
            if (!last || notes->state != MW_NOTES_HASHES) break;
            begin_row(notes, true);
            continue;
        }
        if (notes->state == MW_NOTES_ROW && made < capacity) {
            size_t most = size - used < capacity - made ? size - used : capacity - made;
            n = pass_row(notes, in + used, most, out + made);
            used += n;
            made += n;
            continue;
        }
        take(notes, in[used++]);
    }
    *ret_used = used;
    return made;
}
