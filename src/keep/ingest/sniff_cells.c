/*
 * sniff_cells.c -- see sniff.h. One scan of a cell finds the marks among its digits; from their places follows in which ways of
 * writing numbers it is one. "1.234" is a number in two ways, "1.23" in one, "1.2.3" in none.
 */
#include "keep/ingest/sniff.h"

#include <string.h>

#include "keep/ingest/cells.h"

const mw_sniff_way mw_sniff__ways[MW_SNIFF_WAYS] = {
    {'.', 0},   {',', 0},    {'.', ','},  {',', '.'}, {'.', ' '},
    {',', ' '}, {'.', '\''}, {',', '\''}, {'.', '_'}, {',', '_'},
};

const char *const mw_sniff__marks[MW_SNIFF_MARKS] = {"-", "--", "?", "none", "#N/A", "#NA"};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static uint32_t ways_with(char decimal, char thousands) {
    uint32_t ways = 0;
    for (int i = 0; i < MW_SNIFF_WAYS; i++)
        if ((!decimal || mw_sniff__ways[i].decimal == decimal) &&
            (!thousands || mw_sniff__ways[i].thousands == thousands))
            ways |= 1u << i;
    return ways;
}

typedef struct marks {
    char first, last;     /* the first mark and the last one */
    uint32_t n;           /* how many */
    size_t before, after; /* digits before the first and behind the last one */
    bool groups;          /* all but the last are `first`, with three digits behind each of them */
    bool leading_zero;
} marks;

/* Digits and marks from text; returns how many bytes they are. */
static size_t scan_marks(mw_str text, marks *ret) {
    marks m = {.groups = true, .leading_zero = text.size && text.data[0] == '0'};
    size_t i = 0, run = 0;
    for (; i < text.size; i++) {
        char c = text.data[i];
        if (is_digit(c)) {
            run++;
            continue;
        }
        if (c != '.' && c != ',' && c != ' ' && c != '\'' && c != '_') break;
        if (m.n == 0)
            m.before = run, m.first = c;
        else if (run != 3 || m.last != m.first)
            m.groups = false;
        m.last = c;
        m.n++;
        run = 0;
    }
    if (m.n == 0) m.before = run;
    m.after = run;
    *ret = m;
    return i;
}

static bool is_point(char c) { return c == '.' || c == ','; }

/* Ways in which digits with these marks are a number; every way when there is no mark. */
static uint32_t ways_of(const marks *m) {
    uint32_t ways = 0;
    if (m->n == 0) return m->before ? (1u << MW_SNIFF_WAYS) - 1 : 0;
    bool grouped = m->groups && m->before >= 1 && m->before <= 3 && !(m->leading_zero);
    if (m->n == 1) {
        if (is_point(m->first) && m->before + m->after > 0) ways |= ways_with(m->first, 0);
        if (grouped && m->after == 3) ways |= ways_with(0, m->first);
        return ways;
    }
    if (!grouped) return 0;
    if (m->last == m->first) return m->after == 3 ? ways_with(0, m->first) : 0;
    return is_point(m->last) ? ways_with(m->last, m->first) : 0;
}

/* "e", sign, digits to the end. */
static bool is_exponent(mw_str text) {
    if (text.size < 2 || (text.data[0] | 0x20) != 'e') return false;
    size_t i = text.data[1] == '+' || text.data[1] == '-' ? 2 : 1;
    if (i == text.size) return false;
    for (; i < text.size; i++)
        if (!is_digit(text.data[i])) return false;
    return true;
}

static uint32_t number_ways(mw_str cell) {
    if (cell.size && (cell.data[0] == '-' || cell.data[0] == '+')) {
        cell.data++;
        cell.size--;
    }
    if (cell.size == 0 || (!is_digit(cell.data[0]) && !is_point(cell.data[0]))) return 0;
    marks m;
    size_t n = scan_marks(cell, &m);
    if (n < cell.size && !is_exponent((mw_str){cell.data + n, cell.size - n})) return 0;
    return ways_of(&m);
}

/* Three letters of a month, or what stands in stamps beside digits. */
static bool is_time_word(const char *word, size_t n) {
    static const char *const words[] = {"t",   "z",   "am",  "pm",  "jan", "feb", "mar",
                                        "apr", "may", "jun", "jul", "aug", "sep", "oct",
                                        "nov", "dec", "utc", "gmt", "mon", "tue", "wed",
                                        "thu", "fri", "sat", "sun", "mai", "okt", "dez"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mw_str_is_nocase((mw_str){word, n}, words[i])) return true;
    return false;
}

/* A comma between digits begins the fraction of a second, and nothing but digits and a zone comes behind it. */
static bool is_bad_comma(mw_str cell, size_t at, size_t n_clock) {
    if (at == 0 || at + 1 >= cell.size || !is_digit(cell.data[at - 1]) ||
        !is_digit(cell.data[at + 1]))
        return false;
    for (size_t i = at + 1; i < cell.size; i++)
        if (cell.data[i] == ',' || cell.data[i] == '.') return true;
    return n_clock == 0;
}

/* Digits with two '-', '/' or '.', or one ':' between them; no other words than those above. */
static bool looks_like_time(mw_str cell) {
    if (cell.size < 4 || cell.size > 40) return false;
    size_t n_date = 0, n_clock = 0, n_digits = 0, n_words = 0;
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        bool inner = i > 0 && i + 1 < cell.size;
        if (is_digit(c)) {
            n_digits++;
        } else if (c == '-' || c == '/' || c == '.') {
            n_date += inner;
        } else if (c == ':') {
            n_clock += inner && is_digit(cell.data[i - 1]) && is_digit(cell.data[i + 1]);
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
            size_t begin = i;
            while (i + 1 < cell.size && (cell.data[i + 1] | 0x20) >= 'a' &&
                   (cell.data[i + 1] | 0x20) <= 'z')
                i++;
            if (!is_time_word(cell.data + begin, i + 1 - begin)) return false;
            n_words++;
        } else if ((c != ' ' && c != ',' && c != '+') ||
                   (c == ',' && is_bad_comma(cell, i, n_clock))) {
            return false;
        }
    }
    if (n_digits < 3) return false;
    return n_clock >= 1 || n_date >= 2 || (n_words >= 1 && n_digits >= 4 && n_date == 0);
}

static bool is_mark(mw_str cell) {
    for (int i = 0; i < MW_SNIFF_MARKS; i++)
        if (mw_str_is_nocase(cell, mw_sniff__marks[i])) return true;
    return false;
}

mw_sniff_kind mw_sniff__cell(mw_str cell, uint32_t *ret_ways) {
    const uint32_t all = (1u << MW_SNIFF_WAYS) - 1;
    *ret_ways = 0;
    if (cell.size == 0) return MW_SNIFF_MISSING;
    char ascii[MW_CELL_NUMBER_BYTES];
    uint32_t ways = number_ways(mw_cell_in_ascii(cell, ascii));
    if (ways) {
        *ret_ways = ways;
        return ways == all ? MW_SNIFF_PLAIN : MW_SNIFF_NUMBER;
    }
    double value;
    switch (mw_cell_read(cell, &value)) {
    case MW_CELL_MISSING: return MW_SNIFF_MISSING;
    case MW_CELL_BOOL: return MW_SNIFF_BOOL;
    case MW_CELL_INFINITE: return MW_SNIFF_INFINITE;
    default: break;
    }
    if (is_mark(cell)) return MW_SNIFF_MARK;
    return looks_like_time(cell) ? MW_SNIFF_TIME : MW_SNIFF_TEXT;
}
