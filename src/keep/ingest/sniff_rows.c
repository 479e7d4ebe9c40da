/*
 * sniff_rows.c -- see sniff.h. A row whose quotes make no sense is given as bad and ends at its first line, as csv.h does.
 */
#include "keep/ingest/sniff.h"

#include <string.h>

#include "core/base/limits.h"

void mw_sniff__cut_init(mw_sniff_cut *cut, mw_mem *mem, const mw_dialect *dialect, mw_str text) {
    *cut = (mw_sniff_cut){.mem = mem, .dialect = dialect, .text = text, .line = 1};
}

void mw_sniff__cut_done(mw_sniff_cut *cut) { cut->fields = mw_free(cut->fields); }

bool mw_sniff__was_quoted(const mw_sniff_cut *cut, mw_str field) {
    return cut->dialect->quote && field.data > cut->text.data &&
           field.data[-1] == cut->dialect->quote;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static bool add_field(mw_sniff_cut *cut, size_t begin, size_t end) {
    if (cut->n_fields == cut->capacity) {
        if (cut->n_fields > (uint32_t)MW_LIMIT(CSV_COLUMNS)) return true; /* one too many says it */
        uint32_t capacity = cut->capacity ? 2 * cut->capacity : 64;
        void *more = mw_realloc(cut->mem, cut->fields, capacity * sizeof *cut->fields);
        if (!more) {
            cut->failed = true;
            return false;
        }
        cut->fields = more;
        cut->capacity = capacity;
    }
    cut->fields[cut->n_fields++] = (mw_str){cut->text.data + begin, end - begin};
    return true;
}

/* Behind the quote that closes the field opened at `at`; 0 when none does within a field's limit. */
static size_t find_close(const mw_sniff_cut *cut, size_t at) {
    char quote = cut->dialect->quote, escape = cut->dialect->escape;
    size_t stop = cut->text.size, most = (size_t)MW_LIMIT(CSV_FIELD_BYTES);
    if (stop - at > most) stop = at + most;
    for (size_t i = at + 1; i < stop; i++) {
        char c = cut->text.data[i];
        if (escape && c == escape) {
            i++;
        } else if (c == quote) {
            if (i + 1 >= cut->text.size || cut->text.data[i + 1] != quote) return i + 1;
            i++;
        }
    }
    return 0;
}

/* How many bytes the line end at `at` has; 0: none is there. The end of the text counts none. */
static size_t line_end(const mw_sniff_cut *cut, size_t at) {
    if (at >= cut->text.size) return 0;
    if (cut->text.data[at] == '\n') return 1;
    return cut->text.data[at] == '\r' && at + 1 < cut->text.size && cut->text.data[at + 1] == '\n'
               ? 2
               : 0;
}

static size_t end_of_line(const mw_sniff_cut *cut, size_t at) {
    const char *feed = memchr(cut->text.data + at, '\n', cut->text.size - at);
    size_t end = feed ? (size_t)(feed - cut->text.data) : cut->text.size;
    return end > at && end < cut->text.size && cut->text.data[end - 1] == '\r' ? end - 1 : end;
}

/* Passes the line end at `at`, if any. */
static void finish_row(mw_sniff_cut *cut, size_t at) {
    size_t n = line_end(cut, at);
    cut->open = n == 0;
    cut->at = at + n;
    cut->line++;
}

static void give_bad(mw_sniff_cut *cut) {
    cut->bad = true;
    cut->n_fields = 0;
    cut->line = cut->row_line;
    finish_row(cut, end_of_line(cut, cut->row_at));
}

static void count_lines(mw_sniff_cut *cut, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) cut->line += cut->text.data[i] == '\n';
}

static bool ends_field(const mw_sniff_cut *cut, size_t at) {
    if (at >= cut->text.size || line_end(cut, at)) return true;
    char c = cut->text.data[at];
    return cut->dialect->blanks ? is_blank(c) : c == cut->dialect->separator;
}

/* One field from `at`; returns where it ends, or SIZE_MAX when its quotes make no sense. */
static size_t cut_field(mw_sniff_cut *cut, size_t at) {
    const mw_dialect *dialect = cut->dialect;
    const char *text = cut->text.data;
    if (dialect->quote && at < cut->text.size && text[at] == dialect->quote) {
        size_t close = find_close(cut, at);
        if (!close || !ends_field(cut, close)) return SIZE_MAX;
        count_lines(cut, at, close);
        return add_field(cut, at + 1, close - 1) ? close : SIZE_MAX;
    }
    size_t end = at;
    for (; !ends_field(cut, end); end++) {
        if (dialect->quote && text[end] == dialect->quote) return SIZE_MAX;
        if (dialect->escape && text[end] == dialect->escape && end + 1 < cut->text.size) {
            size_t n = line_end(cut, end + 1);
            cut->line += n > 0;
            end += n > 0 ? n : 1;
        }
    }
    return add_field(cut, at, end) ? end : SIZE_MAX;
}

static size_t cut_separated(mw_sniff_cut *cut, size_t at) {
    for (;;) {
        at = cut_field(cut, at);
        if (at == SIZE_MAX || at >= cut->text.size || line_end(cut, at)) return at;
        at++;
    }
}

static size_t cut_blanks(mw_sniff_cut *cut, size_t at) {
    for (;;) {
        while (at < cut->text.size && is_blank(cut->text.data[at])) at++;
        if (at >= cut->text.size || line_end(cut, at)) return at;
        at = cut_field(cut, at);
        if (at == SIZE_MAX) return at;
    }
}

static size_t cut_widths(mw_sniff_cut *cut, size_t at) {
    size_t end = end_of_line(cut, at);
    for (uint16_t i = 0; i < cut->dialect->n_widths; i++) {
        size_t n = cut->dialect->widths[i];
        if (n > end - at || i + 1 == cut->dialect->n_widths) n = end - at;
        if (!add_field(cut, at, at + n)) return SIZE_MAX;
        at += n;
    }
    return end;
}

/* True for a line that is no row: blank, or a comment. */
static bool is_skipped(const mw_sniff_cut *cut, size_t end) {
    size_t at = cut->at;
    if (cut->dialect->blanks && !cut->dialect->n_widths)
        while (at < end && is_blank(cut->text.data[at])) at++;
    if (at == end) return true;
    return cut->dialect->comment && cut->text.data[at] == cut->dialect->comment;
}

bool mw_sniff__next(mw_sniff_cut *cut) {
    for (;;) {
        if (cut->at >= cut->text.size || cut->failed) return false;
        size_t end = end_of_line(cut, cut->at);
        if (!is_skipped(cut, end)) break;
        finish_row(cut, end);
    }
    cut->row_at = cut->at;
    cut->row_line = cut->line;
    cut->n_fields = 0;
    cut->bad = false;
    size_t end = cut->dialect->n_widths ? cut_widths(cut, cut->at)
                 : cut->dialect->blanks ? cut_blanks(cut, cut->at)
                                        : cut_separated(cut, cut->at);
    if (cut->failed) return false;
    if (end == SIZE_MAX)
        give_bad(cut);
    else
        finish_row(cut, end);
    return true;
}
