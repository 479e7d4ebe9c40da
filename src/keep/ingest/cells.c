/* cells.c -- see cells.h. Numbers are tried first: almost every cell is one. */
#include "keep/ingest/cells.h"

#include <string.h>

#include "core/base/math.h"
#include "core/text/number.h"

bool mw_cell_is_missing(mw_str text) {
    static const char *const marks[] = {"na", "n/a", "nan", "null"};
    if (text.size == 0) return true;
    if (text.size > 4 || (text.data[0] | 0x20) != 'n') return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (mw_str_is_nocase(text, marks[i])) return true;
    return false;
}

static bool is_infinite(mw_str text) {
    if (text.size > 0 && (text.data[0] == '+' || text.data[0] == '-')) {
        text.data++;
        text.size--;
    }
    return mw_str_is_nocase(text, "inf") || mw_str_is_nocase(text, "infinity");
}

mw_cell mw_cell_read(mw_str text, double *ret) {
    text = mw_str_trim(text);
    double value;
    if (text.size > 0 && mw_number_read(text.data, text.size, &value)) {
        if (!mw_isfinite(value)) return MW_CELL_INFINITE;
        *ret = value;
        return MW_CELL_NUMBER;
    }
    if (mw_cell_is_missing(text)) return MW_CELL_MISSING;
    bool is_true = mw_str_is_nocase(text, "true");
    if (is_true || mw_str_is_nocase(text, "false")) {
        *ret = is_true ? 1 : 0;
        return MW_CELL_BOOL;
    }
    return is_infinite(text) ? MW_CELL_INFINITE : MW_CELL_TEXT;
}

static bool is_mark(const mw_cell_rules *rules, mw_str text) {
    static const char *const marks[] = {"-", "--", "?", "#n/a", "none"};
    if (text.size == 0) return false;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (mw_str_is_nocase(text, marks[i])) return true;
    for (size_t i = 0; i < rules->n_marks; i++)
        if (mw_str_is(text, rules->marks[i])) return true;
    return false;
}

mw_str mw_cell_in_ascii(mw_str text, char out[MW_CELL_NUMBER_BYTES]) {
    static const struct {
        char bytes[4], ascii;
    } signs[] = {
        {"\xc2\xa0", ' '}, {"\xe2\x80\xaf", ' '}, {"\xe2\x80\x89", ' '}, {"\xe2\x88\x92", '-'}};
    size_t n = 0;
    bool any = false;
    if (text.size > MW_CELL_NUMBER_BYTES) return text;
    for (size_t i = 0; i < text.size;) {
        size_t k = 0, size = 0;
        if ((unsigned char)text.data[i] < 0x80) {
            out[n++] = text.data[i++];
            continue;
        }
        for (; k < sizeof signs / sizeof *signs; k++) {
            size = strlen(signs[k].bytes);
            if (size <= text.size - i && memcmp(text.data + i, signs[k].bytes, size) == 0) break;
        }
        if (k == sizeof signs / sizeof *signs) return text;
        out[n++] = signs[k].ascii;
        i += size;
        any = true;
    }
    return any ? mw_str_trim((mw_str){out, n}) : text;
}

static bool is_digit(char c) { return (unsigned)(c - '0') <= 9; }

/* Rewrites a number in the file's marks to "-1234.5"; false when its groups are none of three. */
static bool unify_number(const mw_cell_rules *rules, mw_str text, char *out, size_t *ret_size) {
    size_t n = 0, i = 0, group = 0;
    bool grouped = false;
    if (i < text.size && (text.data[i] == '-' || text.data[i] == '+')) out[n++] = text.data[i++];
    for (; i < text.size &&
           (is_digit(text.data[i]) || (rules->thousands && text.data[i] == rules->thousands));
         i++) {
        if (is_digit(text.data[i])) {
            out[n++] = text.data[i];
            group++;
            continue;
        }
        if (group == 0 || group > 3 || (grouped && group != 3)) return false;
        grouped = true;
        group = 0;
    }
    if (grouped && group != 3) return false;
    for (; i < text.size; i++) {
        if (text.data[i] == '.' && rules->decimal != '.') return false;
        out[n++] = text.data[i] == rules->decimal ? '.' : text.data[i];
    }
    *ret_size = n;
    return true;
}

static mw_cell read_by(const mw_cell_rules *rules, mw_str text, double *ret) {
    enum { NUMBER_BYTES = 1024 };
    char ascii[MW_CELL_NUMBER_BYTES];
    text = mw_cell_in_ascii(mw_str_trim(text), ascii);
    /* A mark that the caller named counts even where it reads as a number: "-999". */
    for (size_t i = 0; i < rules->n_marks; i++)
        if (mw_str_is(text, rules->marks[i])) return MW_CELL_MISSING;
    if ((rules->decimal != '.' || rules->thousands) && text.size <= NUMBER_BYTES) {
        char plain[NUMBER_BYTES];
        size_t size;
        if (unify_number(rules, text, plain, &size)) {
            mw_cell cell = mw_cell_read((mw_str){plain, size}, ret);
            if (cell != MW_CELL_TEXT) return cell;
        }
        return is_mark(rules, text) ? MW_CELL_MISSING : MW_CELL_TEXT;
    }
    /* What is too long to be rewritten is no number for a point that is not the file's decimal mark. */
    if (rules->decimal != '.' && memchr(text.data, '.', text.size)) return MW_CELL_TEXT;
    mw_cell cell = mw_cell_read(text, ret);
    return cell == MW_CELL_TEXT && is_mark(rules, text) ? MW_CELL_MISSING : cell;
}

/* "-999" is also -999.0: the readers of whole columns know marks by their values only. */
static bool is_mark_value(const mw_cell_rules *rules, double value) {
    for (size_t i = 0; i < rules->n_mark_values; i++)
        if (rules->mark_values[i] == value) return true;
    return false;
}

size_t mw_cell_mark_values(const mw_cell_rules *rules, double *ret) {
    const mw_cell_rules plain = {.decimal = rules->decimal, .thousands = rules->thousands};
    size_t n = 0;
    for (size_t i = 0; i < rules->n_marks; i++) {
        double value;
        if (read_by(&plain, mw_str_of(rules->marks[i]), &value) == MW_CELL_NUMBER) ret[n++] = value;
    }
    return n;
}

mw_cell mw_cell_read_as(const mw_cell_rules *rules, mw_str text, double *ret) {
    double value;
    mw_cell cell = read_by(rules, text, &value);
    if (cell == MW_CELL_NUMBER && is_mark_value(rules, value)) return MW_CELL_MISSING;
    if (cell == MW_CELL_NUMBER || cell == MW_CELL_BOOL) *ret = value;
    return cell;
}

const char *mw_cell_show(mw_str text, char out[MW_CELL_SHOWN]) {
    enum { SHOWN_BYTES = 40 };
    size_t size = text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES;
    while (size < text.size && size > 0 && ((unsigned char)text.data[size] & 0xC0) == 0x80) size--;
    bool valid = mw_utf8_valid(text.data, size);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        out[i] = (char)(c < 0x20 || c == 0x7f || (c >= 0x80 && !valid) ? '?' : c);
    }
    if (size < text.size) {
        memcpy(out + size, "...", 3);
        size += 3;
    }
    out[size] = '\0';
    return out;
}
