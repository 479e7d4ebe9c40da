/*
 * csv.c -- see csv.h.
 *
 * Algorithm  bytes collect in one block; masks of 64 bytes at a time name the separators, quotes,
 * line feeds and NULs, and a small state machine is driven by those bytes only. Its state survives
 *            between pushes, so each byte is looked at once however the input is cut. Fields point
 * into the block; only fields with doubled quotes are copied, into scratch behind the block. Bad
 * quotes A bad quote means that line ends inside quotes cannot be trusted. The row is then cut at
 *            its first line and lexing resumes at its second, so one stray quote costs one row and
 * not the file. Bounded work: an opened quote is followed to the next line with an odd number of
 *            quotes at most, and that line is where the next opened quote can begin; so no byte is
 *            lexed more than about twice.
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
    DISCARD      /* dropping the rest of a line that was too long to keep */
} state;

struct mw_csv {
    mw_mem *mem;
    char *block; /* [capacity] input, [MW_CSV_BLOCK] slack, [scratch_bytes] unquoted fields */
    size_t capacity, size;
    mw_str *fields; /* [max_fields], the row so far, pointing into block */
    uint32_t n_fields, max_fields;
    char separator;
    bool finished, begun; /* no more input; the byte-order mark was looked for */

    /* The row being lexed; positions are offsets in block. */
    state state;
    size_t row_at, field_at, quote_at;
    size_t first_end; /* its first line feed inside quotes; 0: none */
    uint64_t line, n_breaks;
    bool doubled;
    const char *problem;
    uint32_t problem_column;

    /* Special bytes found and not used: bit i stands for block[mask_at + i]. */
    uint64_t mask;
    size_t mask_at, scanned;
};

mw_status mw_csv_new(mw_mem *mem, char separator, mw_csv **ret, mw_err *err) {
    if (separator == '"' || separator == '\n' || separator == '\r' || separator == '\0')
        return mw_fail(err, MW_EINVAL, "a quote, a line end or a NUL cannot separate CSV fields");
    mw_csv *csv = mw_calloc(mem, 1, sizeof *csv);
    if (!csv) return mw_fail_nomem(err, "reading CSV");
    *csv = (mw_csv){.mem = mem,
                    .separator = separator,
                    .line = 1,
                    .max_fields = (uint32_t)MW_LIMIT(CSV_COLUMNS)};
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

void mw_csv_finish(mw_csv *csv) { csv->finished = true; }

/* The next special byte's position, or false when all input is scanned. */
static inline bool next_special(mw_csv *csv, size_t *ret) {
    while (csv->mask == 0) {
        size_t left = csv->size - csv->scanned;
        if (left == 0) return false;
        csv->mask = mw_csv__mask(csv->block + csv->scanned, csv->separator);
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
    csv->n_breaks = 0;
    csv->doubled = false;
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

/* Copies fields with doubled quotes to scratch; one row never needs more than its own bytes. */
static void undouble(mw_csv *csv) {
    char *to = csv->block + csv->capacity + MW_CSV_BLOCK;
    const char *row = csv->block + csv->row_at;
    for (uint32_t i = 0; i < csv->n_fields; i++) {
        mw_str field = csv->fields[i];
        if (field.data == row || field.data[-1] != '"') continue;
        if (!memchr(field.data, '"', field.size)) continue;
        char *begin = to;
        for (size_t k = 0; k < field.size; k++) {
            *to++ = field.data[k];
            k += field.data[k] == '"';
        }
        csv->fields[i] = (mw_str){begin, (size_t)(to - begin)};
    }
}

static void give_bad(mw_csv *csv, size_t end, mw_csv_row *ret) {
    if (end > csv->row_at && csv->block[end - 1] == '\r') end--;
    *ret = (mw_csv_row){.raw = {csv->block + csv->row_at, end - csv->row_at},
                        .line = csv->line,
                        .problem = csv->problem,
                        .problem_column = csv->problem_column};
}

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
    if (csv->first_end) {
        give_first_line(csv, ret);
        return;
    }
    size_t end = csv->row_at + (size_t)MW_LIMIT(CSV_ROW_BYTES);
    give_bad(csv, end, ret);
    csv->row_at = end;
    csv->n_fields = 0;
    csv->state = DISCARD;
    rescan_from(csv, end);
}

/* Ends the row before the line feed (or the end of input) at `end`; false when it was blank. */
static bool give_row(mw_csv *csv, size_t end, mw_csv_row *ret) {
    bool given = true;
    size_t text_end = end > csv->row_at && csv->block[end - 1] == '\r' ? end - 1 : end;
    if (csv->state == AFTER_QUOTE)
        add_field(csv, csv->field_at, csv->quote_at);
    else if (csv->state == FIELD && (csv->n_fields || text_end > csv->row_at || csv->problem))
        add_field(csv, csv->field_at, text_end > csv->field_at ? text_end : csv->field_at);

    if (csv->problem) {
        give_bad(csv, end, ret);
    } else if (csv->n_fields) {
        mw_str raw = {csv->block + csv->row_at, text_end - csv->row_at};
        if (csv->doubled) undouble(csv);
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
    char c = csv->block[at];
    size_t gap = at - csv->quote_at;
    if (gap == 1 && c == '"') {
        csv->state = QUOTED;
        csv->doubled = true;
        return true;
    }
    if (gap == 1 && c == csv->separator) {
        add_field(csv, csv->field_at, csv->quote_at);
        csv->field_at = at + 1;
        csv->state = FIELD;
        return true;
    }
    if (c == '\n' && (gap == 1 || (gap == 2 && csv->block[at - 1] == '\r'))) return false;
    note(csv, "text after a closing quote");
    csv->state = BAD_LINE;
    return false;
}

static void in_quotes(mw_csv *csv, size_t at) {
    switch (csv->block[at]) {
    case '"':
        csv->state = AFTER_QUOTE;
        csv->quote_at = at;
        return;
    case '\n':
        csv->n_breaks++;
        if (!csv->first_end) csv->first_end = at;
        return;
    case '\0': note(csv, "a NUL byte"); return;
    default: return;
    }
}

/* A special byte in a plain field that is not a line feed. */
static void in_field(mw_csv *csv, size_t at) {
    char c = csv->block[at];
    if (c == csv->separator) {
        add_field(csv, csv->field_at, at);
        csv->field_at = at + 1;
    } else if (c == '\0') {
        note(csv, "a NUL byte");
    } else if (at == csv->field_at) {
        csv->state = QUOTED;
        csv->field_at = at + 1;
    } else {
        note(csv, "a quote inside a field that does not begin with one");
        csv->state = BAD_LINE;
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
    if (csv->state == QUOTED) {
        if (at - csv->field_at <= (size_t)MW_LIMIT(CSV_FIELD_BYTES)) {
            in_quotes(csv, at);
            return false;
        }
        note(csv, "a quoted field is too long; is its quote closed?");
        csv->state = BAD_LINE;
    }
    if (csv->state == AFTER_QUOTE && after_quote(csv, at)) return false;
    if (csv->state == BAD_LINE && csv->first_end) {
        give_first_line(csv, ret);
        return true;
    }
    if (csv->block[at] == '\n') return give_row(csv, at, ret);
    if (csv->state == FIELD) in_field(csv, at);
    if (csv->state != BAD_LINE || !csv->first_end) return false;
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
    if (csv->state == BAD_LINE && csv->first_end) {
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
