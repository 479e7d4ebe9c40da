/*
 * sniff_dialect.c -- see sniff.h. Every candidate separator, with the ways of quoting that the sample could mean, cuts the head of
 * the sample into rows. What counts is how many rows have the same number of fields, and what their cells then are: numbers,
 * times and quoted texts speak for a cut, texts that hold another candidate's separator speak against it. So ',' loses on
 * "1,5;2,5": it leaves "5;2". The idea of judging a dialect by pattern and by type is van den Burg, Nazabal and Sutton's
 * ("Wrangling messy CSV files by detecting row and type patterns", 2019); the measures are our own.
 */
#include "keep/ingest/sniff.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"

enum {
    HEAD_BYTES = 128 << 10, /* judged, and at least HEAD_LINES lines */
    HEAD_LINES = 3,
    HEAD_ROWS = 200,
    ROW_CELLS = 256 /* looked at in a row */
};

static const struct {
    char separator;
    double prior;
} separators[] = {{',', 1},  {';', 1},    {'\t', 1},   {'|', 0.98},
                  {0, 0.85}, {'^', 0.85}, {'~', 0.85}, {':', 0.55}}; /* 0: blanks */

typedef struct row_sum {
    uint32_t n_fields; /* 0: bad */
    uint32_t kinds[MW_SNIFF_KINDS];
    uint32_t ways[MW_SNIFF_WAYS]; /* numbers with marks, by way */
    uint32_t quoted, dirty, n_wordy, n;
    bool wordy; /* a single field with blanks: a sentence */
    bool shown; /* a single field that is a number or a time */
} row_sum;

typedef struct candidate {
    mw_dialect dialect;
    double prior, score, consistency, quality;
    uint32_t n_fields;
    size_t n_rows, n_bad;
    double typed; /* share of cells that are numbers, times or truth values */
    bool wordy;   /* most rows are one field with blanks: sentences */
} candidate;

typedef struct contest {
    const mw_ctx *ctx;
    mw_str head;
    const mw_dialect *given;
    unsigned fixed;
    row_sum rows[HEAD_ROWS];
    size_t n;
    candidate best, second;
    bool any;
    char absent; /* a separator that the head does not hold: it stands for one column */
    mw_sniff_dialect *ret;
} contest;

/* A text that another candidate would have cut: it holds a separator, or numbers with blanks between. */
static bool is_dirty(mw_str cell, const mw_dialect *dialect) {
    bool blank = false, digits_only = true;
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        if ((c == ';' || c == '\t' || c == '|' || c == ',' || c == '"') &&
            !(dialect->separator == c && !dialect->blanks))
            return true;
        if (c == ' ')
            blank = true;
        else if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == ':'))
            digits_only = false;
    }
    return blank && digits_only;
}

static void sum_row(const mw_sniff_cut *cut, row_sum *sum) {
    *sum = (row_sum){.n_fields = cut->n_fields};
    sum->n = cut->n_fields < ROW_CELLS ? cut->n_fields : ROW_CELLS;
    for (uint32_t i = 0; i < sum->n; i++) {
        uint32_t ways;
        mw_str cell = mw_str_trim(cut->fields[i]);
        mw_sniff_kind kind = mw_sniff__cell(cell, &ways);
        bool quoted = mw_sniff__was_quoted(cut, cut->fields[i]);
        sum->kinds[kind]++;
        if (kind == MW_SNIFF_NUMBER)
            for (int w = 0; w < MW_SNIFF_WAYS; w++) sum->ways[w] += ways >> w & 1;
        if (kind == MW_SNIFF_TEXT && quoted)
            sum->quoted++;
        else if (kind == MW_SNIFF_TEXT && is_dirty(cell, cut->dialect))
            sum->dirty++;
        if (cut->n_fields > 1) continue;
        sum->wordy = cell.size && memchr(cell.data, ' ', cell.size);
        sum->shown = kind != MW_SNIFF_TEXT;
    }
}

static mw_status cut_head(contest *search, const mw_dialect *dialect, size_t *ret_bad,
                          mw_err *err) {
    mw_sniff_cut cut;
    mw_sniff__cut_init(&cut, search->ctx->mem, dialect, search->head);
    search->n = 0;
    *ret_bad = 0;
    while (search->n < HEAD_ROWS && mw_sniff__next(&cut)) {
        *ret_bad += cut.bad;
        sum_row(&cut, &search->rows[search->n++]);
    }
    search->ret->looked += cut.at;
    bool failed = cut.failed;
    mw_sniff__cut_done(&cut);
    if (failed) return mw_fail_nomem(err, "reading a sample");
    return mw_ctx_check(search->ctx, err);
}

/* The number of fields that most rows have; the larger one of two equals. */
static uint32_t find_mode(const contest *search) {
    uint32_t mode = 0;
    size_t most = 0;
    for (size_t i = 0; i < search->n; i++) {
        uint32_t n = search->rows[i].n_fields;
        if (n == 0 || n == mode) continue;
        size_t count = 0;
        for (size_t k = 0; k < search->n; k++) count += search->rows[k].n_fields == n;
        if (count > most || (count == most && n > mode)) {
            most = count;
            mode = n;
        }
    }
    return mode;
}

/* The first row that has the usual number of fields and is followed by such a row. */
static size_t find_first(const contest *search, uint32_t mode) {
    for (size_t i = 0; i < search->n; i++)
        if (search->rows[i].n_fields == mode &&
            (i + 1 == search->n || search->rows[i + 1].n_fields == mode))
            return i;
    for (size_t i = 0; i < search->n; i++)
        if (search->rows[i].n_fields == mode) return i;
    return search->n;
}

/* Lines before the table cost: a sentence little, a word that looks like a header cut wrongly much. */
static double weigh_preamble(const contest *search, size_t first, uint32_t mode) {
    double factor = 1;
    for (size_t i = 0; i < first && factor > 0.3; i++) {
        uint32_t n = search->rows[i].n_fields;
        if (mode > 2 && i + 1 == first && (n + 1 == mode || n == mode + 1)) continue;
        factor *= n == 1 && !search->rows[i].wordy ? 0.7 : 0.95;
    }
    return factor;
}

/* The way of writing numbers that reads most cells; ',' as the separator makes a decimal comma unlikely. */
static int find_way(const uint32_t ways[MW_SNIFF_WAYS], char separator) {
    int best = 0;
    for (int w = 1; w < MW_SNIFF_WAYS; w++) {
        bool later = separator == ',' && mw_sniff__ways[best].decimal == ',' &&
                     mw_sniff__ways[w].decimal == '.' && ways[w] == ways[best];
        if (ways[w] > ways[best] || later) best = w;
    }
    return best;
}

static double judge_cells(const contest *search, size_t first, uint32_t mode, candidate *ret) {
    row_sum all = {0};
    size_t begin = first + 1 < search->n ? first + 1 : first;
    for (size_t i = begin; i < search->n; i++) {
        const row_sum *row = &search->rows[i];
        if (row->n_fields != mode) continue;
        for (int k = 0; k < MW_SNIFF_KINDS; k++) all.kinds[k] += row->kinds[k];
        for (int w = 0; w < MW_SNIFF_WAYS; w++) all.ways[w] += row->ways[w];
        all.quoted += row->quoted;
        all.dirty += row->dirty;
        all.n_wordy += row->wordy;
        all.n += row->n;
    }
    if (all.n == 0) return 0;
    ret->wordy = mode == 1 && 2 * all.n_wordy > all.n;
    int way = find_way(all.ways, ret->dialect.separator);
    ret->dialect.decimal = mw_sniff__ways[way].decimal;
    ret->dialect.thousands = mw_sniff__ways[way].thousands;
    uint32_t odd = all.kinds[MW_SNIFF_NUMBER] - all.ways[way];
    uint32_t typed = all.kinds[MW_SNIFF_PLAIN] + all.ways[way] + all.kinds[MW_SNIFF_TIME] +
                     all.kinds[MW_SNIFF_BOOL] + all.kinds[MW_SNIFF_INFINITE] + all.quoted;
    ret->typed = (double)(typed - all.quoted) / all.n;
    uint32_t missing = all.kinds[MW_SNIFF_MISSING] + all.kinds[MW_SNIFF_MARK];
    uint32_t clean = all.kinds[MW_SNIFF_TEXT] - all.quoted - all.dirty;
    return (typed + 0.8 * missing + 0.75 * clean + 0.5 * odd + 0.2 * all.dirty) / all.n;
}

static bool in_first_line(mw_str head, char c) {
    for (size_t i = 0; i < head.size && head.data[i] != '\n'; i++)
        if (head.data[i] == c) return true;
    return false;
}

/* One column is what remains when nothing separates; it wins when its header would be cut wrongly. */
static double weigh_fields(const contest *search, uint32_t mode) {
    if (mode > 2) return 1;
    if (mode == 2) return 0.95;
    /* Lines that are mostly cut alike, their first one too, are no single column with a few ragged ones. */
    if (search->any && search->best.n_fields > 1 && search->best.consistency > 0.5 &&
        in_first_line(search->head, search->best.dialect.separator))
        return 0.35;
    bool titled = search->n > 1 && !search->rows[0].wordy && !search->rows[0].shown;
    for (size_t i = 1; i < search->n && titled; i++) titled = search->rows[i].shown;
    return titled ? 0.7 : 0.35;
}

/* A last line without line end and with fields less than usual is a copy that was cut: it says nothing against the separator. */
static bool ends_torn(const contest *search, uint32_t mode) {
    char last = search->head.data[search->head.size - 1];
    return search->n > 2 && search->n < HEAD_ROWS && last != '\n' && last != '\r' &&
           search->rows[search->n - 1].n_fields < mode;
}

static void keep(contest *search, const candidate *found) {
    bool same = found->dialect.separator == search->best.dialect.separator &&
                found->dialect.blanks == search->best.dialect.blanks;
    if (!search->any || found->score > search->best.score + 1e-9) {
        if (search->any && !same) search->second = search->best;
        search->best = *found;
        search->any = true;
    } else if (!same && found->score > search->second.score) {
        search->second = *found;
    }
}

static mw_status try_dialect(contest *search, const mw_dialect *dialect, double prior,
                             mw_err *err) {
    candidate found = {.dialect = *dialect};
    mw_status status = cut_head(search, dialect, &found.n_bad, err);
    if (status != MW_OK || search->n == 0) return status;
    uint32_t mode = found.n_fields = find_mode(search);
    if (mode == 0) return MW_OK;
    /* One column is the same with every separator. */
    if (mode == 1 && dialect->separator != search->absent &&
        !(search->fixed & MW_SNIFF_FIXED_SEPARATOR))
        return MW_OK;
    size_t first = find_first(search, mode), leading = 0, good = 0;
    while (search->rows[leading].n_fields != mode) leading++;
    size_t n_whole = search->n - ends_torn(search, mode);
    for (size_t i = leading; i < n_whole; i++) good += search->rows[i].n_fields == mode;
    found.n_rows = search->n;
    found.consistency = (double)good / (double)(n_whole - leading);
    found.quality = judge_cells(search, first, mode, &found);
    found.score = found.consistency * found.consistency * found.quality * prior *
                  weigh_fields(search, mode) * weigh_preamble(search, first, mode);
    keep(search, &found);
    return MW_OK;
}

/* True when the quote begins a field somewhere: it is the first byte, or follows a separator or a line end. */
static bool opens_fields(mw_str head, char quote) {
    for (size_t i = 0; i < head.size; i++) {
        if (head.data[i] != quote) continue;
        if (i == 0 || strchr("\n\r\t ,;|^~:", head.data[i - 1])) return true;
    }
    return false;
}

static bool has_pair(mw_str head, char a, char b) {
    for (size_t i = 0; i + 1 < head.size; i++)
        if (head.data[i] == a && head.data[i + 1] == b) return true;
    return false;
}

/* A separator with each way of quoting that could be meant. */
static mw_status try_quotes(contest *search, mw_dialect dialect, double prior, mw_err *err) {
    static const char quotes[] = {'"', '\'', 0};
    mw_status status = MW_OK;
    for (int i = 0; i < 3 && status == MW_OK; i++) {
        dialect.quote = quotes[i];
        if (search->fixed & MW_SNIFF_FIXED_QUOTE) {
            if (i > 0) break;
            dialect.quote = search->given->quote;
        } else if ((i == 1 && !opens_fields(search->head, '\'')) ||
                   (i == 2 && !memchr(search->head.data, '"', search->head.size))) {
            continue;
        }
        dialect.escape = search->fixed & MW_SNIFF_FIXED_ESCAPE ? search->given->escape : 0;
        status = try_dialect(search, &dialect, i == 1 ? prior * 0.97 : prior, err);
        if (status != MW_OK || search->fixed & MW_SNIFF_FIXED_ESCAPE || !dialect.quote) continue;
        if (!has_pair(search->head, '\\', dialect.quote)) continue;
        dialect.escape = '\\';
        status = try_dialect(search, &dialect, prior * 0.98, err);
    }
    return status;
}

/* c 0: blanks or tabs. */
static bool holds(mw_str head, char c) {
    if (c) return memchr(head.data, c, head.size) != NULL;
    return memchr(head.data, ' ', head.size) || memchr(head.data, '\t', head.size);
}

/* The usual separator that cuts nothing, for a table of one column. */
static char find_absent(mw_str head) {
    for (size_t i = 0; i < 4; i++)
        if (!holds(head, separators[i].separator)) return separators[i].separator;
    return 0;
}

static mw_status try_separators(contest *search, char comment, mw_err *err) {
    mw_dialect dialect = {.decimal = '.', .comment = comment};
    mw_status status = MW_OK;
    if (search->fixed & MW_SNIFF_FIXED_SEPARATOR) {
        dialect.separator = search->given->separator;
        dialect.blanks = search->given->blanks;
        dialect.n_widths = search->given->n_widths;
        memcpy(dialect.widths, search->given->widths, sizeof dialect.widths);
        return try_quotes(search, dialect, 1, err);
    }
    for (size_t i = 0; i < sizeof separators / sizeof *separators && status == MW_OK; i++) {
        char c = separators[i].separator;
        bool there = (c && c == search->absent) || holds(search->head, c);
        if (!there || (c && c == comment)) continue;
        dialect.separator = c ? c : ' ';
        dialect.blanks = c == 0;
        status = try_quotes(search, dialect, separators[i].prior, err);
    }
    return status;
}

/* Aligned columns, when blanks do not cut the lines alike. */
static mw_status try_widths(contest *search, char comment, mw_err *err) {
    mw_dialect dialect = {.separator = ' ', .decimal = '.', .comment = comment};
    if (search->fixed & (MW_SNIFF_FIXED_SEPARATOR | MW_SNIFF_FIXED_QUOTE)) return MW_OK;
    if (search->any && search->best.score > 0.5 && search->best.n_fields > 1) return MW_OK;
    search->ret->looked += search->head.size;
    if (!mw_sniff__widths(search->head, &dialect)) return MW_OK;
    candidate best = search->best, second = search->second;
    bool any = search->any;
    mw_status status = try_dialect(search, &dialect, 0.8, err);
    if (status != MW_OK || search->best.typed >= 0.2 || !search->best.dialect.n_widths)
        return status;
    /* Words that happen to stand below each other are no columns. */
    search->best = best;
    search->second = second;
    search->any = any;
    return MW_OK;
}

/* Lines of the head that begin with c: how many, how many of them before any other line. */
static void count_comments(mw_str head, char c, size_t *ret_n, size_t *ret_leading,
                           size_t *ret_lines) {
    *ret_n = *ret_leading = *ret_lines = 0;
    for (size_t at = 0; at < head.size;) {
        const char *feed = memchr(head.data + at, '\n', head.size - at);
        size_t end = feed ? (size_t)(feed - head.data) : head.size;
        if (end > at && head.data[at] != '\r') {
            if (head.data[at] == c && *ret_leading == *ret_lines) ++*ret_leading;
            *ret_n += head.data[at] == c;
            ++*ret_lines;
        }
        at = end + 1;
    }
}

/* The byte that begins comment lines, or 0. Lines in the middle must be few. */
static char find_comment(contest *search) {
    static const char bytes[] = {'#', '%', ';'};
    for (size_t i = 0; i < sizeof bytes; i++) {
        size_t n, leading, lines;
        count_comments(search->head, bytes[i], &n, &leading, &lines);
        search->ret->looked += search->head.size;
        if (n == 0 || n == lines) continue;
        if (leading == n || 2 * n < lines) return bytes[i];
    }
    return 0;
}

/* What rows that begin with the comment byte look like beside the others, cut as if it were none. */
typedef struct comment_rows {
    size_t marked,
        fitting; /* rows behind the first other row; those with the usual number of fields */
    size_t others, typed; /* rows without the mark; those whose first cell is a number or a time */
} comment_rows;

static void count_row(comment_rows *rows, const mw_sniff_cut *cut, char comment, uint32_t mode) {
    uint32_t ways;
    if (cut->text.data[cut->row_at] == comment) {
        if (rows->others == 0) return;
        rows->marked++;
        rows->fitting += !cut->bad && cut->n_fields == mode;
    } else if (!cut->bad && cut->n_fields == mode) {
        mw_sniff_kind kind = mw_sniff__cell(mw_str_trim(cut->fields[0]), &ways);
        rows->others++;
        rows->typed += kind == MW_SNIFF_PLAIN || kind == MW_SNIFF_NUMBER || kind == MW_SNIFF_TIME;
    }
}

/* "#12,5" among "A7,6" is a row: it has as many fields, and the others do not begin with numbers or times either. */
static mw_status comments_are_rows(contest *search, char comment, bool *ret, mw_err *err) {
    *ret = false;
    if (!comment || search->best.n_fields < 2) return MW_OK;
    mw_dialect dialect = search->best.dialect;
    dialect.comment = 0;
    comment_rows rows = {0};
    mw_sniff_cut cut;
    mw_sniff__cut_init(&cut, search->ctx->mem, &dialect, search->head);
    for (size_t i = 0; i < HEAD_ROWS && mw_sniff__next(&cut); i++)
        count_row(&rows, &cut, comment, search->best.n_fields);
    search->ret->looked += cut.at;
    bool failed = cut.failed;
    mw_sniff__cut_done(&cut);
    if (failed) return mw_fail_nomem(err, "reading a sample");
    /* The first of the others may be the header. */
    *ret = rows.marked > 0 && 2 * rows.fitting > rows.marked && 2 * rows.typed < rows.others;
    return MW_OK;
}

/* "0 1:1 9:0.5": a label, then index:value pairs; what LibSVM, XGBoost and LightGBM call sparse text. */
static bool is_libsvm(mw_str head) {
    size_t lines = 0, sparse = 0;
    for (size_t at = 0; at < head.size && lines < 20; lines++) {
        const char *feed = memchr(head.data + at, '\n', head.size - at);
        size_t end = feed ? (size_t)(feed - head.data) : head.size, pairs = 0, words = 0;
        for (size_t i = at; i < end;) {
            size_t word = i, colons = 0, others = 0;
            for (; i < end && head.data[i] != ' ' && head.data[i] != '\r'; i++) {
                char c = head.data[i];
                colons += c == ':' && i > word;
                others += !((c >= '0' && c <= '9') || strchr(":.-+eE", c));
            }
            words += i > word;
            pairs += i > word && colons == 1 && others == 0;
            while (i < end && (head.data[i] == ' ' || head.data[i] == '\r')) i++;
        }
        sparse += words >= 2 && pairs == words - 1;
        at = end + 1;
    }
    return lines >= 2 && sparse == lines;
}

static mw_str take_head(mw_str text) {
    size_t at = 0;
    for (int lines = 0; at < text.size && (at < HEAD_BYTES || lines < HEAD_LINES); lines++) {
        const char *feed = memchr(text.data + at, '\n', text.size - at);
        at = feed ? (size_t)(feed - text.data) + 1 : text.size;
    }
    return (mw_str){text.data, at};
}

void mw_sniff__separator_name(const mw_dialect *dialect, char out[64]) {
    if (dialect->n_widths) {
        (void)snprintf(out, 64, "%u columns of fixed width", dialect->n_widths);
        return;
    }
    if (dialect->blanks)
        memcpy(out, "blanks", 7);
    else if (dialect->separator == '\t')
        memcpy(out, "tab", 4);
    else
        (void)snprintf(out, 64, "'%c'", dialect->separator);
}

/* Sentences, or words only that few lines cut alike. */
static bool is_prose(const contest *search) {
    if (search->fixed & MW_SNIFF_FIXED_SEPARATOR) return false;
    return search->best.wordy || (search->best.typed <= 0 && search->best.consistency < 0.8);
}

static mw_status fail_prose(mw_err *err) {
    mw_fail(err, MW_EDATA, "is no table: its lines are not cut alike by any separator");
    return mw_err_hint(err, "Name the separator with --separator, or give a table.");
}

static mw_status fail_too_wide(mw_err *err) {
    mw_fail(err, MW_ETOOLARGE, "the lines have more fields than the limit, %lld",
            (long long)MW_LIMIT(CSV_COLUMNS));
    return mw_err_hint(err, "Split the file by columns.");
}

/* What the two best candidates say together. */
static void conclude(const contest *search, mw_sniff_dialect *ret) {
    const candidate *best = &search->best, *second = &search->second;
    char name[64];
    ret->dialect = best->dialect;
    ret->n_fields = best->n_fields;
    /* Tabs alone, or tabs and blanks: the same cut. */
    bool alike = best->n_fields == second->n_fields && best->dialect.separator == '\t' &&
                 second->dialect.blanks;
    double margin = alike ? 1 : best->score > 0 ? (best->score - second->score) / best->score : 0;
    if (margin < 0) margin = 0; /* ragged lines: the best is not the one with the best score */
    double scale = margin >= 0.2 ? 1 : 0.5 + 2.5 * margin;
    if (best->n_fields == 1)
        scale = second->score > 0.2 * best->score && second->n_fields > 1 ? 0.6 : 0.9;
    ret->separator.confidence = best->consistency * scale;
    if (second->score > 0 && second->n_fields > 1) {
        mw_sniff__separator_name(&second->dialect, name);
        memcpy(ret->runner_up, name, sizeof ret->runner_up - 1);
    }
    double bad = (double)best->n_bad / (double)(best->n_rows ? best->n_rows : 1);
    ret->quote =
        (mw_sniff_guess){1 - bad, bad > 0 ? "some rows have quotes that make no sense" : NULL};
}

mw_status mw_sniff__dialect(const mw_ctx *ctx, mw_str text, const mw_dialect *given, unsigned fixed,
                            mw_sniff_dialect *ret, mw_err *err) {
    *ret = (mw_sniff_dialect){.n_fields = 0};
    contest *search = mw_calloc(ctx->mem, 1, sizeof *search);
    if (!search) return mw_fail_nomem(err, "reading a sample");
    search->ctx = ctx;
    search->head = take_head(text);
    search->given = given;
    search->fixed = fixed;
    search->ret = ret;
    search->absent = find_absent(search->head);
    mw_status status = MW_OK;
    if (!(fixed & MW_SNIFF_FIXED_SEPARATOR) && is_libsvm(search->head)) {
        mw_fail(err, MW_EDATA, "is no table but sparse text of index:value pairs (LibSVM)");
        status = mw_err_hint(err, "Export it with one column for each feature.");
    }
    bool free = !(fixed & MW_SNIFF_FIXED_COMMENT), rows = false;
    char comment = free ? find_comment(search) : given->comment;
    if (status == MW_OK) status = try_separators(search, comment, err);
    if (status == MW_OK && free) status = comments_are_rows(search, comment, &rows, err);
    if (status == MW_OK && rows) {
        comment = 0;
        search->any = false;
        status = try_separators(search, 0, err);
    } else if (status == MW_OK && free && comment == ';') {
        status = try_separators(search, 0, err);
    }
    if (status == MW_OK) status = try_widths(search, comment, err);
    if (status == MW_OK && search->any && search->best.n_fields > (uint32_t)MW_LIMIT(CSV_COLUMNS))
        status = fail_too_wide(err);
    if (status == MW_OK && (!search->any || is_prose(search))) status = fail_prose(err);
    if (status == MW_OK) conclude(search, ret);
    mw_free(search);
    return status;
}
