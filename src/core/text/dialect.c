/* dialect.c -- see dialect.h. */
#include "core/text/dialect.h"

const mw_dialect mw_dialect_csv = {.separator = ',', .quote = '"', .decimal = '.'};

bool mw_dialect_is_simple(const mw_dialect *dialect) {
    return !dialect->blanks && dialect->n_widths == 0 && dialect->escape == 0;
}

static bool ends_lines(char c) { return c == '\n' || c == '\r'; }

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The bytes that mean something must be told apart. */
static const char *clash(const mw_dialect *d) {
    const char marks[] = {d->quote, d->escape, d->comment};
    bool cuts = !d->blanks && d->n_widths == 0;
    if (cuts && (d->separator == 0 || ends_lines(d->separator)))
        return "a line end or a NUL cannot separate fields";
    if (cuts && (unsigned char)d->separator > 0x7F) return "a separator must be ASCII";
    for (unsigned i = 0; i < sizeof marks; i++) {
        if (marks[i] == 0) continue;
        if (ends_lines(marks[i]) || (unsigned char)marks[i] > 0x7F)
            return "a quote, an escape or a comment mark must be ASCII and no line end";
        if (cuts && marks[i] == d->separator)
            return "the separator cannot be the quote, the escape or the comment mark too";
        if (d->blanks && is_blank(marks[i])) return "blanks separate the fields already";
    }
    if (d->comment && (d->comment == d->quote || d->comment == d->escape))
        return "the comment mark cannot be the quote or the escape too";
    return 0;
}

mw_status mw_dialect_check(const mw_dialect *dialect, mw_err *err) {
    const char *why = clash(dialect);
    if (!why && dialect->blanks && dialect->n_widths)
        why = "fields are cut by blanks or by widths, not by both";
    if (!why && dialect->n_widths > MW_DIALECT_WIDTHS) why = "there are too many fixed columns";
    if (!why) return MW_OK;
    mw_fail(err, MW_EINVAL, "no table can be read so: %s", why);
    return mw_err_hint(err, "Choose different characters.");
}
