/*
 * csv.c -- see csv.h.
 *
 * Algorithm  bytes collect in one block; masks of 64 bytes at a time name those that can mean something (separators,
 *            quotes, line feeds, NULs, escapes, comment marks), and a small state machine is driven by those bytes only.
 *            Its state survives between pushes, so each byte is looked at once however the input is cut. Fields point
 *            into the block; only fields with doubled quotes or escapes are copied, into scratch behind the block.
 * Bad quotes A bad quote means that line ends inside quotes cannot be trusted. The row is then cut at its first line and
 *            lexing resumes at its second, so one stray quote costs one row and not the file. Bounded work: an opened
 *            quote is followed to the next line with an odd number of quotes at most, and that line is where the next
 *            opened quote can begin; so no byte is lexed more than about twice. Escaped line ends outside quotes would
 *            break that: a bad row that has one is not cut but ends at the line where its problem shows.
 */
#include "core/text/csv.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/text/csv_scan.h"

enum { FIRST_BLOCK_BYTES = 65536, MAX_UNREAD_ROWS = 16 };

typedef enum state {
    FIELD,       /* in a plain field, or before a field's first byte */
    QUOTED,      /* inside quotes */
    AFTER_QUOTE, /* right behind a quote that closed a field or begins a doubled one */
    BAD_LINE,    /* looking for the end of a line that cannot be used */
    DISCARD      /* dropping the rest of a line: a comment, or too long to keep */
} state;

/* What a byte can mean; 0 for most. */
typedef enum kind { TEXT, FEED, NUL, SEPARATOR, QUOTE, ESCAPE, COMMENT } kind;

struct mw_csv {
    mw_mem *mem;
    char *block; /* [capacity] input, [MW_CSV_BLOCK] slack, [scratch_bytes] unquoted fields */
    size_t capacity, size;
    mw_str *fields; /* [max_fields], the row so far, pointing into block */
    uint32_t n_fields, max_fields;
    mw_dialect dialect;
    mw_csv__specials specials;
    uint8_t kinds[MW_CSV_BYTES]; /* of the special bytes, their kind; of the others TEXT */
    bool finished, begun;        /* no more input; the byte-order mark was looked for */

    /* The row being lexed; positions are offsets in block. */
    state state;
    size_t row_at, field_at, quote_at;
    size_t first_end; /* its first line feed inside quotes; 0: none */
    size_t escaped;   /* the byte behind its last escape; 0: none */
    uint64_t line, n_breaks;
    bool spelled; /* some field has doubled quotes or escapes */
    bool joined;  /* an escaped line end outside quotes is part of it */
    const char *problem;
    uint32_t problem_column;

    /* Special bytes found and not used: bit i stands for block[mask_at + i]. */
    uint64_t mask;
    size_t mask_at, scanned;
};

static void set_kinds(mw_csv *csv) {
    mw_dialect *d = &csv->dialect;
    if (d->n_widths) d->quote = d->escape = 0;
    if (d->escape == d->quote) d->escape = 0; /* that is a doubled quote */
    if (d->blanks || d->n_widths) d->separator = d->blanks ? ' ' : 0;
    csv->specials = (mw_csv__specials){.separator = d->separator,
                                       .quote = d->quote,
                                       .tab = d->blanks ? '\t' : '\0',
                                       .escape = d->escape,
                                       .comment = d->comment};
    csv->kinds[(uint8_t)d->comment] = COMMENT;
    csv->kinds[(uint8_t)d->escape] = ESCAPE;
    csv->kinds[(uint8_t)d->quote] = QUOTE;
    csv->kinds[(uint8_t)d->separator] = SEPARATOR;
    if (d->blanks) csv->kinds['\t'] = SEPARATOR;
    csv->kinds['\n'] = FEED;
    csv->kinds['\0'] = NUL; /* over what was none above */
}

mw_status mw_csv_new(mw_mem *mem, const mw_dialect *dialect, mw_csv **ret, mw_err *err) {
    mw_status status = mw_dialect_check(dialect, err);
    if (status) return status;
    mw_csv *csv = mw_calloc(mem, 1, sizeof *csv);
    if (!csv) return mw_fail_nomem(err, "reading CSV");
    *csv = (mw_csv){
        .mem = mem, .dialect = *dialect, .line = 1, .max_fields = (uint32_t)MW_LIMIT(CSV_COLUMNS)};
    set_kinds(csv);
    csv->fields = mw_alloc_array(mem, csv->max_fields, sizeof *csv->fields);
    if (!csv->fields) {
        mw_csv_free(csv);
        return mw_fail_nomem(err, "reading CSV");
    }
    *ret = csv;
    return MW_OK;
}

void *mw_csv_free(mw_csv *csv) {
    if (!csv) return NULL;
    mw_free(csv->block);
    mw_free(csv->fields);
    return mw_free(csv);
}

static size_t scratch_bytes(size_t capacity) {
    size_t row = (size_t)MW_LIMIT(CSV_ROW_BYTES);
    return capacity < row ? capacity : row;
}

/* Moves the unread bytes to the front of `to` and makes every position and field follow. */
static void move_unread(mw_csv *csv, char *to) {
    size_t gone = csv->row_at;
    const char *from = csv->block + gone;
    for (uint32_t i = 0; i < csv->n_fields; i++)
        csv->fields[i].data = to + (csv->fields[i].data - from);
    if (csv->size > gone) memmove(to, from, csv->size - gone);
    csv->size -= gone;
    csv->row_at = 0;
    csv->field_at -= gone;
    csv->quote_at -= gone;
    if (csv->first_end) csv->first_end -= gone;
    if (csv->escaped) csv->escaped -= gone;
    csv->scanned -= gone;
    csv->mask_at -= gone;
}

static mw_status make_room(mw_csv *csv, size_t size, mw_err *err) {
    size_t unread = csv->size - csv->row_at;
    size_t most = (size_t)MW_LIMIT(CSV_ROW_BYTES) * MAX_UNREAD_ROWS;
    if (size > most || unread > most - size)
        return mw_fail(err, MW_ETOOLARGE, "more than %zu bytes of CSV wait to be read", most);
    if (csv->capacity - csv->size >= size) return MW_OK;
    /* Moving only when at least half of the block is free costs each byte a constant. */
    if (unread + size <= csv->capacity / 2) {
        move_unread(csv, csv->block);
        return MW_OK;
    }
    size_t capacity = csv->capacity ? csv->capacity : FIRST_BLOCK_BYTES / 2;
    while (capacity < 2 * (unread + size)) capacity *= 2;
    char *block = mw_alloc(csv->mem, capacity + MW_CSV_BLOCK + scratch_bytes(capacity));
    if (!block) return mw_fail_nomem(err, "reading CSV");
    if (csv->block) move_unread(csv, block);
    mw_free(csv->block);
    csv->block = block;
    csv->capacity = capacity;
    return MW_OK;
}

mw_status mw_csv_push(mw_csv *csv, const char *data, size_t size, mw_err *err) {
    if (size == 0) return MW_OK;
    mw_status status = make_room(csv, size, err);
    if (status) return status;
    memcpy(csv->block + csv->size, data, size);
    csv->size += size;
    /* The slack is scanned with the last bytes; it must not be undefined. */
    memset(csv->block + csv->size, ' ', MW_CSV_BLOCK);
    return MW_OK;
}

size_t mw_csv_waiting(const mw_csv *csv) {
    return csv->size - csv->row_at + (csv->state == DISCARD);
}

void mw_csv_finish(mw_csv *csv) { csv->finished = true; }

void mw_csv_keep_mark(mw_csv *csv) { csv->begun = true; }

/* The next special byte's position, or false when all input is scanned. */
static inline bool next_special(mw_csv *csv, size_t *ret) {
    while (csv->mask == 0) {
        size_t left = csv->size - csv->scanned;
        if (left == 0) return false;
        csv->mask = mw_csv__mask(csv->block + csv->scanned, &csv->specials);
        csv->mask_at = csv->scanned;
        if (left < MW_CSV_BLOCK) csv->mask &= (UINT64_C(1) << left) - 1;
        csv->scanned += left < MW_CSV_BLOCK ? left : MW_CSV_BLOCK;
    }
    *ret = csv->mask_at + (size_t)__builtin_ctzll(csv->mask);
    csv->mask &= csv->mask - 1;
    return true;
}

static void rescan_from(mw_csv *csv, size_t at) {
    csv->mask = 0;
    csv->scanned = csv->mask_at = at;
}

static void begin_row(mw_csv *csv, size_t at) {
    csv->state = FIELD;
    csv->row_at = csv->field_at = at;
    csv->n_fields = 0;
    csv->first_end = 0;
    csv->escaped = 0;
    csv->n_breaks = 0;
    csv->spelled = csv->joined = false;
    csv->problem = NULL;
}

/* The first problem of a row is the one that counts. */
static void note(mw_csv *csv, const char *problem) {
    if (csv->problem) return;
    csv->problem = problem;
    csv->problem_column = csv->n_fields + 1;
}

static void add_field(mw_csv *csv, size_t begin, size_t end) {
    if (csv->n_fields == csv->max_fields) {
        note(csv, "too many fields");
        return;
    }
    if (end - begin > (size_t)MW_LIMIT(CSV_FIELD_BYTES)) note(csv, "a field is too long");
    csv->fields[csv->n_fields++] = (mw_str){csv->block + begin, end - begin};
}

static kind kind_at(const mw_csv *csv, size_t at) {
    return (kind)csv->kinds[(uint8_t)csv->block[at]];
}

/* Writes what a field means to `to`; returns behind it. */
static char *spell(const mw_csv *csv, mw_str field, bool quoted, char *to) {
    char escape = csv->dialect.escape, quote = csv->dialect.quote;
    for (size_t k = 0; k < field.size; k++) {
        char c = field.data[k];
        if (escape && c == escape && k + 1 < field.size)
            c = field.data[++k];
        else
            k += quoted && c == quote;
        *to++ = c;
    }
    return to;
}

/* Copies fields with doubled quotes or escapes to scratch; one row never needs more than its own bytes. */
static void spell_fields(mw_csv *csv) {
    char *to = csv->block + csv->capacity + MW_CSV_BLOCK;
    const char *row = csv->block + csv->row_at;
    char escape = csv->dialect.escape, quote = csv->dialect.quote;
    for (uint32_t i = 0; i < csv->n_fields; i++) {
        mw_str field = csv->fields[i];
        bool quoted = quote && field.data != row && field.data[-1] == quote;
        bool spelled = (quoted && memchr(field.data, quote, field.size)) ||
                       (escape && memchr(field.data, escape, field.size));
        if (!spelled) continue;
        char *begin = to;
        to = spell(csv, field, quoted, to);
        csv->fields[i] = (mw_str){begin, (size_t)(to - begin)};
    }
}

/* Cuts a line in fixed columns. */
static void cut_widths(mw_csv *csv, size_t end) {
    unsigned n = csv->dialect.n_widths;
    for (size_t i = 0, at = csv->row_at, next; i < n; i++, at = next) {
        next = at + csv->dialect.widths[i];
        if (i + 1 == n || next > end) next = end;
        add_field(csv, at, next);
    }
}

/* Adds the last field, which ends at `end`, of a row; nothing when the line is blank. */
static void add_last(mw_csv *csv, size_t end) {
    bool blank = end <= csv->row_at && !csv->problem;
    if (csv->state == AFTER_QUOTE)
        add_field(csv, csv->field_at, csv->quote_at);
    else if (csv->state != FIELD || blank)
        return;
    else if (csv->dialect.n_widths)
        cut_widths(csv, end);
    else if (end > csv->field_at)
        add_field(csv, csv->field_at, end);
    else if (!csv->dialect.blanks)
        add_field(csv, csv->field_at, csv->field_at);
}

static void give_bad(mw_csv *csv, size_t end, mw_csv_row *ret) {
    if (end > csv->row_at && csv->block[end - 1] == '\r') end--;
    *ret = (mw_csv_row){.raw = {csv->block + csv->row_at, end - csv->row_at},
                        .line = csv->line,
                        .problem = csv->problem,
                        .problem_column = csv->problem_column};
}

/* Whether a bad row ends at its first line feed, which was inside quotes. */
static bool is_cut(const mw_csv *csv) { return csv->first_end && !csv->joined; }

/* Gives the row up to its first line feed and starts again behind that. */
static void give_first_line(mw_csv *csv, mw_csv_row *ret) {
    size_t end = csv->first_end;
    give_bad(csv, end, ret);
    csv->line++;
    begin_row(csv, end + 1);
    rescan_from(csv, end + 1);
}

/* Gives the bytes of an overlong row that are kept; the rest of its line is dropped. */
static void give_overlong(mw_csv *csv, mw_csv_row *ret) {
    note(csv, "the row is too long");
    if (is_cut(csv)) {
        give_first_line(csv, ret);
        return;
    }
    size_t end = csv->row_at + (size_t)MW_LIMIT(CSV_ROW_BYTES);
    give_bad(csv, end, ret);
    for (size_t i = csv->row_at; csv->joined && i < end; i++) csv->line += csv->block[i] == '\n';
    csv->row_at = end;
    csv->n_fields = 0;
    csv->escaped = 0;
    csv->state = DISCARD;
    rescan_from(csv, end);
}

/* Ends the row before the line feed (or the end of input) at `end`; false when it was blank. */
static bool give_row(mw_csv *csv, size_t end, mw_csv_row *ret) {
    bool given = true;
    size_t text_end = end > csv->row_at && csv->block[end - 1] == '\r' ? end - 1 : end;
    add_last(csv, text_end);
    if (csv->problem) {
        give_bad(csv, end, ret);
    } else if (csv->n_fields) {
        mw_str raw = {csv->block + csv->row_at, text_end - csv->row_at};
        if (csv->spelled) spell_fields(csv);
        *ret = (mw_csv_row){
            .fields = csv->fields, .n_fields = csv->n_fields, .raw = raw, .line = csv->line};
    } else {
        given = false;
    }
    csv->line += csv->n_breaks + 1;
    begin_row(csv, end + 1);
    return given;
}

/* What a special byte right after, or after, a quote means; false when the row is given. */
static bool after_quote(mw_csv *csv, size_t at) {
    kind what = kind_at(csv, at);
    size_t gap = at - csv->quote_at;
    if (gap == 1 && what == QUOTE) {
        csv->state = QUOTED;
        csv->spelled = true;
        return true;
    }
    if (gap == 1 && what == SEPARATOR) {
        add_field(csv, csv->field_at, csv->quote_at);
        csv->field_at = at + 1;
        csv->state = FIELD;
        return true;
    }
    if (what == FEED && (gap == 1 || (gap == 2 && csv->block[at - 1] == '\r'))) return false;
    note(csv, "text after a closing quote");
    csv->state = BAD_LINE;
    return false;
}

static void break_line(mw_csv *csv, size_t at) {
    csv->n_breaks++;
    if (!csv->first_end) csv->first_end = at;
}

static void escape(mw_csv *csv, size_t at) {
    csv->escaped = at + 1;
    csv->spelled = true;
}

/* True for the byte behind an escape, and for the line feed of an escaped CRLF. */
static bool is_escaped(const mw_csv *csv, size_t at) {
    if (!csv->escaped) return false;
    return at == csv->escaped ||
           (at == csv->escaped + 1 && csv->block[at] == '\n' && csv->block[csv->escaped] == '\r');
}

static void take_escaped(mw_csv *csv, size_t at) {
    kind what = kind_at(csv, at);
    if (what == FEED) break_line(csv, at);
    csv->joined |= what == FEED && csv->state == FIELD;
    if (what == NUL) note(csv, "a NUL byte");
}

static void in_quotes(mw_csv *csv, size_t at) {
    switch (kind_at(csv, at)) {
    case QUOTE:
        csv->state = AFTER_QUOTE;
        csv->quote_at = at;
        return;
    case FEED: break_line(csv, at); return;
    case NUL: note(csv, "a NUL byte"); return;
    case ESCAPE: escape(csv, at); return;
    default: return;
    }
}

static void at_separator(mw_csv *csv, size_t at) {
    if (!csv->dialect.blanks || at > csv->field_at) add_field(csv, csv->field_at, at);
    csv->field_at = at + 1;
}

static void at_quote(mw_csv *csv, size_t at) {
    if (at == csv->field_at) {
        csv->state = QUOTED;
        csv->field_at = at + 1;
        return;
    }
    note(csv, "a quote inside a field that does not begin with one");
    csv->state = BAD_LINE;
}

/* A comment mark counts at the start of a line only. */
static void at_comment(mw_csv *csv, size_t at) {
    bool first = csv->n_fields == 0 && at == csv->field_at;
    if (first && (at == csv->row_at || csv->dialect.blanks)) csv->state = DISCARD;
}

/* A special byte in a plain field that is not a line feed. */
static void in_field(mw_csv *csv, size_t at) {
    switch (kind_at(csv, at)) {
    case SEPARATOR: at_separator(csv, at); return;
    case QUOTE: at_quote(csv, at); return;
    case NUL: note(csv, "a NUL byte"); return;
    case ESCAPE: escape(csv, at); return;
    case COMMENT: at_comment(csv, at); return;
    default: return;
    }
}

/* Handles one special byte; true when a row was given. */
static bool step(mw_csv *csv, size_t at, mw_csv_row *ret) {
    if (csv->state == DISCARD) {
        if (csv->block[at] != '\n') return false;
        csv->line++;
        begin_row(csv, at + 1);
        return false;
    }
    if (at - csv->row_at > (size_t)MW_LIMIT(CSV_ROW_BYTES)) {
        give_overlong(csv, ret);
        return true;
    }
    /* Most special bytes are separators of plain fields. */
    if (csv->state == FIELD && kind_at(csv, at) == SEPARATOR && !csv->escaped) {
        at_separator(csv, at);
        return false;
    }
    if (csv->state == QUOTED) {
        if (at - csv->field_at <= (size_t)MW_LIMIT(CSV_FIELD_BYTES)) {
            is_escaped(csv, at) ? take_escaped(csv, at) : in_quotes(csv, at);
            return false;
        }
        note(csv, "a quoted field is too long; is its quote closed?");
        csv->state = BAD_LINE;
    }
    if (csv->state == AFTER_QUOTE && after_quote(csv, at)) return false;
    if (csv->state == BAD_LINE && is_cut(csv)) {
        give_first_line(csv, ret);
        return true;
    }
    if (csv->state == FIELD && is_escaped(csv, at)) {
        take_escaped(csv, at);
        return false;
    }
    if (csv->block[at] == '\n') return give_row(csv, at, ret);
    if (csv->state == FIELD) in_field(csv, at);
    if (csv->state != BAD_LINE || !is_cut(csv)) return false;
    give_first_line(csv, ret);
    return true;
}

/* The last row, which has no line end. */
static bool give_last(mw_csv *csv, mw_csv_row *ret) {
    if (csv->state == DISCARD || csv->row_at >= csv->size) {
        csv->row_at = csv->size;
        return false;
    }
    if (csv->state == AFTER_QUOTE) {
        size_t gap = csv->size - csv->quote_at;
        if (gap > 2 || (gap == 2 && csv->block[csv->size - 1] != '\r')) {
            note(csv, "text after a closing quote");
            csv->state = BAD_LINE;
        }
    } else if (csv->state == QUOTED) {
        note(csv, "a quote is never closed");
        csv->state = BAD_LINE;
    }
    if (csv->state == BAD_LINE && is_cut(csv)) {
        give_first_line(csv, ret);
        return true;
    }
    bool given = give_row(csv, csv->size, ret);
    csv->row_at = csv->field_at = csv->size;
    return given;
}

/* Skips a byte-order mark; false while too little input is there to tell. */
static bool skip_mark(mw_csv *csv) {
    static const char mark[3] = {(char)0xEF, (char)0xBB, (char)0xBF};
    size_t n = csv->size < sizeof mark ? csv->size : sizeof mark;
    if (n && memcmp(csv->block, mark, n) == 0) {
        if (n < sizeof mark) return csv->finished;
        begin_row(csv, sizeof mark);
        rescan_from(csv, sizeof mark);
    }
    return n || csv->finished;
}

bool mw_csv_row_next(mw_csv *csv, mw_csv_row *ret) {
    if (!csv->begun && !(csv->begun = skip_mark(csv))) return false;
    size_t at;
    for (;;) {
        while (next_special(csv, &at))
            if (step(csv, at, ret)) return true;
        if (csv->state == DISCARD) csv->row_at = csv->field_at = csv->size;
        if (csv->size - csv->row_at > (size_t)MW_LIMIT(CSV_ROW_BYTES)) {
            give_overlong(csv, ret);
            return true;
        }
        if (!csv->finished) return false;
        if (give_last(csv, ret)) return true;
        if (csv->scanned == csv->size) return false;
    }
}

void mw_csv_write_field(mw_buf *buf, mw_str field) {
    bool plain = true;
    for (size_t i = 0; i < field.size && plain; i++) {
        char c = field.data[i];
        plain = c != ',' && c != '"' && c != '\n' && c != '\r';
    }
    if (plain) {
        mw_buf_add_str(buf, field);
        return;
    }
    mw_buf_add_char(buf, '"');
    while (field.size) {
        const char *quote = memchr(field.data, '"', field.size);
        size_t n = quote ? (size_t)(quote - field.data) + 1 : field.size;
        mw_buf_append(buf, field.data, n);
        if (quote) mw_buf_add_char(buf, '"');
        field.data += n;
        field.size -= n;
    }
    mw_buf_add_char(buf, '"');
}
