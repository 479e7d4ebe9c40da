/*
 * fuzz_csv_index.c -- any bytes in any dialect (chosen by the first four): the plain lexer gives the same rows however the
 * input is cut; the index at every CPU level marks the same bytes, and what it calls regular has the lexer's fields; and
 * columns of numbers are read as one by one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/text/csv.h"
#include "core/text/csv_index.h"
#include "core/text/fields.h"
#include "core/text/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_BYTES = 60000, HEAD = 4 };

static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
enum { N_LEVELS = sizeof levels / sizeof *levels };

static mw_dialect dialect_of(const uint8_t *head) {
    static const char separators[] = ",;\t| :a,";
    static const char quotes[] = "\"\"'\0";
    static const char escapes[] = "\0\0\0\\";
    static const char comments[] = "\0\0#%";
    mw_dialect d = {.separator = separators[head[0] % 8],
                    .blanks = head[0] >= 224,
                    .quote = quotes[head[1] % 4],
                    .escape = escapes[head[2] % 4],
                    .comment = comments[head[3] % 4]};
    if (head[0] >= 192 && head[0] < 224) {
        d.n_widths = (uint16_t)(1 + head[1] % 7);
        for (unsigned i = 0; i < d.n_widths; i++) d.widths[i] = head[2] >> (i % 3 * 2) & 7;
    }
    return d;
}

static void add_row(mw_buf *out, const mw_csv_row *row) {
    mw_buf_printf(out, "%llu %u %s:", (unsigned long long)row->line, row->n_fields,
                  row->problem ? row->problem : "");
    mw_buf_add_str(out, row->raw);
    for (uint32_t i = 0; i < row->n_fields; i++) {
        mw_buf_printf(out, "|%zu:", row->fields[i].size);
        mw_buf_add_str(out, row->fields[i]);
    }
    mw_buf_add_char(out, '\n');
}

static void lex(const mw_dialect *d, const char *text, size_t size, size_t piece, mw_buf *out) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    if (mw_csv_new(NULL, d, &csv, NULL)) abort();
    for (size_t at = 0, n; at <= size; at += n) {
        n = size - at < piece ? size - at : piece;
        if (n == 0) mw_csv_finish(csv);
        if (mw_csv_push(csv, text + at, n, NULL)) abort();
        while (mw_csv_row_next(csv, &row)) add_row(out, &row);
        if (n == 0) break;
    }
    mw_csv_free(csv);
}

static void check_cuts(const mw_dialect *d, const char *text, size_t size) {
    static const size_t pieces[] = {1, 3, 64, 67};
    mw_buf whole, cut;
    mw_buf_init(&whole, NULL, SIZE_MAX / 4);
    mw_buf_init(&cut, NULL, SIZE_MAX / 4);
    lex(d, text, size, size + 1, &whole);
    lex(d, text, size, pieces[size % 4], &cut);
    if (!mw_str_eq(mw_buf_str(&whole), mw_buf_str(&cut))) abort();
    mw_buf_done(&whole);
    mw_buf_done(&cut);
}

/* Rows as they stand; true when one is bad. */
static bool raw_rows(const mw_dialect *d, const char *text, size_t size, mw_buf *out) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    bool bad = false;
    /* Behind a blank line a byte-order mark is data. */
    if (mw_csv_new(NULL, d, &csv, NULL) || mw_csv_push(csv, "\n", 1, NULL)) abort();
    if (mw_csv_push(csv, text, size, NULL)) abort();
    mw_csv_finish(csv);
    while (mw_csv_row_next(csv, &row)) {
        bad |= row.problem != NULL;
        mw_buf_printf(out, "%u:", row.n_fields);
        mw_buf_add_str(out, row.raw);
        mw_buf_add_char(out, '\n');
    }
    mw_csv_free(csv);
    return bad;
}

static bool is_blank_line(const char *text, size_t size, size_t at) {
    if (at < size && text[at] == '\r') at++;
    return at == size || text[at] == '\n';
}

/* A marked field without quotes and CR has the lexer's bytes, or its doubled quotes. */
static void check_field(const mw_dialect *d, mw_str got, bool quoted, mw_str want) {
    size_t k = 0;
    for (size_t i = 0; i < got.size; i++, k++) {
        if (k >= want.size || got.data[i] != want.data[k]) abort();
        i += quoted && got.data[i] == d->quote;
    }
    if (k != want.size) abort();
}

/* marks [n] are of the text, its end included. */
static void check_rows(const mw_dialect *d, const char *text, size_t size, const uint32_t *marks,
                       size_t n, bool irregular) {
    mw_csv *csv = NULL;
    mw_csv_row row;
    bool problem = false;
    size_t k = 0, begin = 0;
    /* Behind a blank line a byte-order mark is data. */
    if (mw_csv_new(NULL, d, &csv, NULL) || mw_csv_push(csv, "\n", 1, NULL)) abort();
    if (mw_csv_push(csv, text, size, NULL)) abort();
    mw_csv_finish(csv);
    while (mw_csv_row_next(csv, &row)) {
        problem |= row.problem != NULL;
        if (irregular) continue;
        if (row.problem) abort();
        while (is_blank_line(text, size, begin)) begin = marks[k++] + 1;
        for (uint32_t i = 0; i < row.n_fields; i++, k++) {
            if (k >= n) abort();
            bool last = i + 1 == row.n_fields;
            uint32_t pair[2] = {(uint32_t)begin - 1, marks[k]};
            mw_fields one = {.text = text, .marks = pair, .n = 1, .quote = d->quote, .cr = last};
            mw_str got = mw_fields_at(&one, 0);
            check_field(d, got, got.data != text + begin, row.fields[i]);
            begin = marks[k] + 1;
        }
    }
    /* Without comments the index is as strict as the lexer and not stricter. */
    if (!d->comment && problem != irregular) abort();
    mw_csv_free(csv);
}

/* Every level's marks are in marks [size + 64]; returns what the index says. */
static mw_csv_index index_all(const mw_dialect *d, const char *text, size_t size, uint32_t *marks) {
    mw_csv_index first, other;
    uint32_t *again = malloc((size + 64) * sizeof *again);
    if (!again) abort();
    mw_cpu_force(MW_CPU_SCALAR);
    mw_csv_index_block(d, text, size, marks, &first);
    for (size_t l = 1; l < N_LEVELS; l++) {
        mw_cpu_force(levels[l]);
        mw_csv_index_block(d, text, size, again, &other);
        if (other.n_marks != first.n_marks || other.n_lines != first.n_lines ||
            other.n_feeds != first.n_feeds || other.has_quotes != first.has_quotes ||
            other.has_high != first.has_high || other.irregular != first.irregular)
            abort();
        if (memcmp(marks, again, first.n_marks * sizeof *marks) != 0) abort();
    }
    free(again);
    return first;
}

/* With ',' for the point the text reads as with '.' once the two have changed places. */
static bool read_one(mw_str field, char point, double *ret) {
    char *text = malloc(field.size + 1);
    if (!text) abort();
    for (size_t i = 0; i < field.size; i++) {
        char c = field.data[i];
        text[i] = (char)(point == '.' ? c : c == ',' ? '.' : c == '.' ? ',' : c);
    }
    bool is = mw_number_read(text, field.size, ret) && __builtin_isfinite(*ret);
    free(text);
    return is;
}

static void check_numbers(const mw_fields *fields, char point) {
    double *out = malloc((fields->n + 1) * sizeof *out), want;
    uint32_t *odd = malloc((fields->n + 1) * sizeof *odd);
    if (!out || !odd) abort();
    for (size_t l = 0; l < N_LEVELS; l++) {
        mw_cpu_force(levels[l]);
        size_t n_odd = mw_number_read_fields(fields, point, out, odd), k = 0;
        for (size_t i = 0; i < fields->n; i++) {
            bool is = read_one(mw_fields_at(fields, i), point, &want);
            if (is && memcmp(&want, &out[i], sizeof want) != 0) abort();
            if (!is && (out[i] == out[i] || k == n_odd || odd[k++] != i)) abort();
        }
        if (k != n_odd) abort();
    }
    free(out);
    free(odd);
}

/* Both parts of a text that is cut have its rows, unless some are bad. */
static void check_cut(const mw_dialect *d, const char *text, size_t size) {
    mw_buf whole, parts;
    mw_buf_init(&whole, NULL, SIZE_MAX / 4);
    mw_buf_init(&parts, NULL, SIZE_MAX / 4);
    bool bad = raw_rows(d, text, size, &whole);
    size_t cut = mw_csv_cut(d, text, size);
    if (cut > size || (cut && text[cut - 1] != '\n')) abort();
    raw_rows(d, text, cut, &parts);
    raw_rows(d, text + cut, size - cut, &parts);
    if (!bad && !mw_str_eq(mw_buf_str(&whole), mw_buf_str(&parts))) abort();
    mw_buf_done(&whole);
    mw_buf_done(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD || size > MOST_BYTES) return 0;
    mw_dialect d = dialect_of(data);
    if (mw_dialect_check(&d, NULL)) return 0;
    size -= HEAD;
    /* Exactly the slack that is promised. */
    char *block = malloc(size + 2 * MW_FIELDS_SLACK);
    uint32_t *marks = malloc((size + 65) * sizeof *marks);
    if (!block || !marks) abort();
    memset(block, '5', size + 2 * MW_FIELDS_SLACK);
    char *text = block + MW_FIELDS_SLACK;
    memcpy(text, data + HEAD, size);
    check_cuts(&d, text, size);
    check_cut(&d, text, size);
    if (mw_dialect_is_simple(&d)) {
        marks[0] = UINT32_MAX;
        mw_csv_index index = index_all(&d, text, size, marks + 1);
        size_t n = index.n_marks;
        if (!index.irregular && size && text[size - 1] != '\n') marks[++n] = (uint32_t)size;
        check_rows(&d, text, size, marks + 1, n, index.irregular);
        mw_fields fields = {.text = text, .marks = marks, .stride = 1, .n = n};
        check_numbers(&fields, '.');
        fields.quote = d.quote;
        fields.cr = true;
        check_numbers(&fields, data[0] & 8 ? ',' : '.');
    }
    mw_cpu_force(MW_CPU_AVX512);
    free(block);
    free(marks);
    return 0;
}
