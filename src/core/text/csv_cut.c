/*
 * csv_cut.c -- see mw_csv_cut in csv.h.
 *
 * Algorithm  where no quote occurs, and none can be escaped, the last line feed ends a row. Else it does when an even
 *            number of quotes stands before it. When it is odd, or a comment or an escape may hold quotes that are none,
 *            the rows are walked from the first, byte by byte, by the rules of csv.c: so a stray quote or an
 *            apostrophe in a comment does not make everything behind it one row.
 */
#include "core/text/csv.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/text/csv_scan.h"

typedef enum place { FIELD_START, IN_FIELD, IN_QUOTES, CLOSED, BAD } place;

typedef struct walk {
    const mw_dialect *dialect;
    char escape; /* 0: none */
    const char *text;
    size_t size;
    size_t row_at, field_at;
    size_t first_feed; /* its first line feed inside quotes; 0: none */
    bool joined;       /* an escaped line end outside quotes is part of it */
} walk;

static bool separates(const mw_dialect *d, char c) {
    if (d->blanks) return c == ' ' || c == '\t';
    return c == d->separator;
}

/* Behind the bytes that the escape at `at` makes plain. */
static size_t behind_escape(const walk *w, size_t at) {
    bool pair = at + 2 < w->size && w->text[at + 1] == '\r' && w->text[at + 2] == '\n';
    return at + (pair ? 3 : 2);
}

static bool has_feed(const walk *w, size_t from, size_t to) {
    return to <= w->size && memchr(w->text + from, '\n', to - from) != NULL;
}

/* The place behind byte i of a field that is not a line feed. */
static place next_place(const walk *w, place at, size_t i) {
    const mw_dialect *d = w->dialect;
    char c = w->text[i];
    bool quote = d->quote && c == d->quote;
    if (at == IN_QUOTES) return quote ? CLOSED : IN_QUOTES;
    if (at == CLOSED) {
        if (quote) return IN_QUOTES;
        bool ends = c == '\r' && (i + 1 == w->size || w->text[i + 1] == '\n');
        return separates(d, c) ? FIELD_START : ends ? CLOSED : BAD;
    }
    if (separates(d, c)) return FIELD_START;
    if (quote) return at == FIELD_START ? IN_QUOTES : BAD;
    return IN_FIELD;
}

/* The line feed that ends a row which is bad at i, or size. */
static size_t end_of_bad(const walk *w, size_t i) {
    if (w->first_feed && !w->joined) return w->first_feed;
    const char *feed = memchr(w->text + i, '\n', w->size - i);
    return feed ? (size_t)(feed - w->text) : w->size;
}

static bool begins_comment(const walk *w, size_t i) {
    const mw_dialect *d = w->dialect;
    if (!d->comment || w->text[i] != d->comment) return false;
    size_t at = w->row_at;
    while (d->blanks && at < i && separates(d, w->text[at])) at++;
    return at == i;
}

/* The line feed that ends the row at w->row_at, or size when it is not whole. */
static size_t row_end(walk *w) {
    place at = FIELD_START;
    size_t i = w->row_at;
    while (i < w->size) {
        char c = w->text[i];
        bool quoted = at == IN_QUOTES;
        if (quoted && i - w->field_at > (size_t)MW_LIMIT(CSV_FIELD_BYTES)) return end_of_bad(w, i);
        if (c == '\n' && !quoted) return i;
        if (c == '\n' && !w->first_feed) w->first_feed = i;
        if (w->escape && c == w->escape && at != CLOSED) {
            size_t next = behind_escape(w, i);
            bool feed = has_feed(w, i, next);
            if (feed && quoted && !w->first_feed) w->first_feed = next - 1;
            w->joined |= feed && !quoted;
            at = quoted ? IN_QUOTES : IN_FIELD;
            i = next;
            continue;
        }
        if (at == FIELD_START && begins_comment(w, i)) return end_of_bad(w, i);
        place next = next_place(w, at, i);
        if (next == BAD) return end_of_bad(w, i);
        if (next == IN_QUOTES && at == FIELD_START) w->field_at = i + 1;
        at = next;
        i++;
    }
    return w->size;
}

size_t mw_csv__cut_walking(const mw_dialect *dialect, const char *text, size_t size) {
    /* An escape that is the quote says that quotes are doubled. */
    char escape = dialect->escape == dialect->quote ? '\0' : dialect->escape;
    size_t row_at = 0;
    for (;;) {
        walk w = {
            .dialect = dialect, .escape = escape, .text = text, .size = size, .row_at = row_at};
        size_t end = row_end(&w);
        if (end == size) return row_at;
        row_at = end + 1;
    }
}

static bool has_comment(const mw_dialect *d, const char *text, size_t size) {
    if (!d->comment) return false;
    if (d->blanks) return memchr(text, d->comment, size) != NULL;
    const char begin[2] = {'\n', d->comment};
    return text[0] == d->comment || memmem(text, size, begin, sizeof begin) != NULL;
}

size_t mw_csv_cut(const mw_dialect *dialect, const char *text, size_t size) {
    const char *feed = size ? memrchr(text, '\n', size) : NULL;
    if (!feed) return 0;
    size_t end = (size_t)(feed + 1 - text);
    bool quotes = dialect->quote && dialect->n_widths == 0;
    bool escapes = dialect->escape && dialect->n_widths == 0 && dialect->escape != dialect->quote;
    if (escapes) return mw_csv__cut_walking(dialect, text, size);
    bool odd = false;
    if (!quotes || !mw_csv__quotes(text, end, dialect->quote, &odd)) return end;
    if (odd || has_comment(dialect, text, size)) return mw_csv__cut_walking(dialect, text, size);
    return end;
}
