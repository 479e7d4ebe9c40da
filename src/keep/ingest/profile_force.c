/*
 * profile_force.c -- see profile_force.h. A saved profile is read first, then the arguments are laid over it, then the whole is
 * checked: so a contradiction is found wherever its two sides come from.
 */
#include "keep/ingest/profile_force.h"

#include <string.h>

#include "core/text/number.h"
#include "keep/ingest/sniff.h"

const char *const mw_profile__encodings[4] = {"utf-8", "utf-16le", "utf-16be", "latin-1"};
const char *const mw_profile__line_ends[4] = {"lf", "crlf", "cr", "mixed"};
const char *const mw_profile__uses[MW_USES] = {
    "none",        "time",          "date",     "clock",     "device_id", "device_name",
    "employee_id", "employee_name", "category", "parameter", "value",     "drop",
};

enum { MISSING_MAX = 64 };

static const char *const encoding_choices[] = {"utf-8", "utf-16le", "utf-16be", "latin-1", NULL};

const mw_param mw_profile_params[] = {
    {.name = "separator",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "What separates fields: one character, or comma, semicolon, tab, bar, blanks."},
    {.name = "quote",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "What encloses fields: one character, or none."},
    {.name = "escape",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "What makes the next character stand for itself: one character, or none."},
    {.name = "decimal",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "Decimal mark: point or comma."},
    {.name = "thousands",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "Mark between groups of three digits: one of , . ' _ or blank, or none."},
    {.name = "encoding",
     .type = MW_PARAM_ENUM,
     .choices = encoding_choices,
     .help = "How the text is encoded; latin-1 is Windows-1252."},
    {.name = "comment",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 16,
     .help = "Lines that begin with it are skipped: one character, or none."},
    {.name = "skip_lines",
     .type = MW_PARAM_INT,
     .min = 0,
     .max = 100000,
     .unit = "lines",
     .help = "Lines before the header, or before the data when there is none."},
    {.name = "header", .type = MW_PARAM_BOOL, .help = "Whether a line names the columns."},
    {.name = "units",
     .type = MW_PARAM_BOOL,
     .help = "Whether the line under the header holds units."},
    {.name = "widths",
     .type = MW_PARAM_LIST,
     .help = "Bytes of each column, where columns are aligned instead of separated."},
    {.name = "missing",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_REPEATED,
     .help = "A text that means no value, such as -999."},
    {.name = "time", .type = MW_PARAM_STRING, .help = "Column of the time, by name or number."},
    {.name = "date",
     .type = MW_PARAM_STRING,
     .help = "Column of the date, beside one of the clock."},
    {.name = "clock",
     .type = MW_PARAM_STRING,
     .help = "Column of the time of day, beside one of the date."},
    {.name = "device", .type = MW_PARAM_STRING, .help = "Column that names the machine."},
    {.name = "time_format",
     .type = MW_PARAM_STRING,
     .help = "How times are written: iso, unix-s, unix-ms, excel, cycle, or a pattern such as "
             "\"dd/mm/yyyy HH:MM\"."},
    {.name = "timezone",
     .type = MW_PARAM_STRING,
     .help = "Zone of times that name none, such as Europe/Berlin."},
    {.name = "parameter",
     .type = MW_PARAM_STRING,
     .help = "Column of a long file that names what was measured."},
    {.name = "value",
     .type = MW_PARAM_STRING,
     .help = "Column of a long file that holds readings."},
    {.name = "drop", .type = MW_PARAM_LIST, .help = "Columns to leave out."},
    {.name = "text", .type = MW_PARAM_LIST, .help = "Columns to keep as text."},
    {.name = "profile",
     .type = MW_PARAM_STRING,
     .flags = MW_PARAM_CLI_ONLY,
     .help = "File with a saved profile that says all of this."},
    {.name = NULL},
};

int mw_profile__encoding_of(mw_str name) {
    for (int i = 0; i < 4; i++)
        if (mw_str_is_nocase(name, mw_profile__encodings[i])) return i;
    return -1;
}

bool mw_profile__byte(const char *text, char *ret) {
    static const struct {
        const char *name;
        char byte;
    } names[] = {
        {"comma", ','}, {"semicolon", ';'},   {"tab", '\t'},       {"\\t", '\t'},
        {"bar", '|'},   {"pipe", '|'},        {"colon", ':'},      {"point", '.'},
        {"dot", '.'},   {"blank", ' '},       {"space", ' '},      {"quote", '"'},
        {"none", 0},    {"apostrophe", '\''}, {"backslash", '\\'},
    };
    if (strlen(text) == 1 && (unsigned char)text[0] < 0x80) {
        *ret = text[0];
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!mw_str_is_nocase(mw_str_of(text), names[i].name)) continue;
        *ret = names[i].byte;
        return true;
    }
    return false;
}

static mw_status fail(const char *name, const char *why, mw_err *err) {
    mw_fail(err, MW_EINVAL, "%s: %s", name, why);
    return mw_err_at(err, "%s", name);
}

/* A byte of the dialect; *ret_given says whether args name it. */
static mw_status take_byte(const mw_args *args, const char *name, const char *allowed, char *to,
                           bool *ret_given, mw_err *err) {
    const char *text = mw_args_string(args, name);
    *ret_given = text != NULL;
    if (!text) return MW_OK;
    char byte;
    if (!mw_profile__byte(text, &byte)) return fail(name, "must be one ASCII character", err);
    if (byte && allowed && !strchr(allowed, byte)) {
        fail(name, "is not a character that can stand there", err);
        return mw_err_hint(err, "One of these: %s", allowed);
    }
    if (byte == '\n' || byte == '\r') return fail(name, "cannot be a line end", err);
    *to = byte;
    return MW_OK;
}

static mw_status take_separator(const mw_args *args, mw_forced *forced, mw_err *err) {
    const char *text = mw_args_string(args, "separator");
    if (!text) return MW_OK;
    char byte = 0;
    bool blanks = mw_str_is_nocase(mw_str_of(text), "blanks");
    if (!blanks && (!mw_profile__byte(text, &byte) || !byte))
        return fail("separator", "must be one ASCII character or `blanks`", err);
    if (byte == '\n' || byte == '\r') return fail("separator", "cannot be a line end", err);
    if ((byte >= '0' && byte <= '9') || byte == '-' || byte == '+')
        return fail("separator", "cannot be part of a number", err);
    forced->dialect.blanks = blanks || byte == ' ';
    forced->dialect.separator = blanks ? ' ' : byte;
    forced->dialect.n_widths = 0;
    forced->fixed |= MW_SNIFF_FIXED_SEPARATOR;
    return MW_OK;
}

static mw_status take_widths(const mw_args *args, mw_forced *forced, mw_err *err) {
    const char *const *items;
    size_t n = mw_args_list(args, "widths", &items);
    if (n == 0) return MW_OK;
    if (mw_args_string(args, "separator"))
        return fail("widths", "a file has a separator or widths, not both", err);
    if (n > MW_DIALECT_WIDTHS) return fail("widths", "at most 256 columns", err);
    for (size_t i = 0; i < n; i++) {
        int64_t width;
        if (!mw_number_read_int(items[i], strlen(items[i]), &width) || width < 1 || width > 65535)
            return fail("widths", "each must be a whole number from 1 to 65535", err);
        forced->dialect.widths[i] = (uint16_t)width;
    }
    forced->dialect.n_widths = (uint16_t)n;
    forced->dialect.blanks = false;
    forced->dialect.separator = ' ';
    forced->fixed |= MW_SNIFF_FIXED_SEPARATOR;
    return MW_OK;
}

static mw_status take_dialect(const mw_args *args, mw_forced *forced, mw_err *err) {
    mw_dialect *dialect = &forced->dialect;
    bool given = false;
    mw_status status = take_separator(args, forced, err);
    if (status == MW_OK) status = take_widths(args, forced, err);
    if (status == MW_OK) status = take_byte(args, "quote", NULL, &dialect->quote, &given, err);
    if (status == MW_OK && given) forced->fixed |= MW_SNIFF_FIXED_QUOTE;
    if (status == MW_OK) status = take_byte(args, "escape", NULL, &dialect->escape, &given, err);
    if (status == MW_OK && given) forced->fixed |= MW_SNIFF_FIXED_ESCAPE;
    if (status == MW_OK) status = take_byte(args, "comment", NULL, &dialect->comment, &given, err);
    if (status == MW_OK && given) forced->fixed |= MW_SNIFF_FIXED_COMMENT;
    if (status == MW_OK) status = take_byte(args, "decimal", ".,", &dialect->decimal, &given, err);
    if (status == MW_OK && given) {
        if (!dialect->decimal) return fail("decimal", "must be point or comma", err);
        forced->has_decimal = true;
    }
    if (status == MW_OK)
        status = take_byte(args, "thousands", ",.' _", &dialect->thousands, &given, err);
    if (status == MW_OK && given) forced->has_thousands = true;
    return status;
}

static mw_status copy_text(mw_forced *forced, const mw_args *args, const char *name,
                           const char **to, mw_err *err) {
    const char *text = mw_args_string(args, name);
    if (!text) return MW_OK;
    *to = mw_arena_strdup(&forced->arena, text);
    return *to ? MW_OK : mw_fail_nomem(err, "reading a profile");
}

static mw_status copy_list(mw_forced *forced, const mw_args *args, const char *name,
                           const char *const **to, size_t *ret_n, mw_err *err) {
    const char *const *items;
    size_t n = mw_args_list(args, name, &items);
    if (n == 0) return MW_OK;
    const char **copy = mw_arena_calloc(&forced->arena, n, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = mw_arena_strdup(&forced->arena, items[i]))) copy = NULL;
    if (!copy) return mw_fail_nomem(err, "reading a profile");
    *to = copy;
    *ret_n = n;
    return MW_OK;
}

static mw_status take_texts(const mw_args *args, mw_forced *forced, mw_err *err) {
    struct {
        const char *name;
        const char **to;
    } texts[] = {
        {"time", &forced->time},           {"date", &forced->date},
        {"clock", &forced->clock},         {"device", &forced->device},
        {"parameter", &forced->parameter}, {"value", &forced->value},
        {"timezone", &forced->timezone},   {"time_format", &forced->time_format},
    };
    mw_status status = MW_OK;
    if (mw_args_string(args, "time_format")) forced->date_format = forced->clock_format = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == MW_OK; i++)
        status = copy_text(forced, args, texts[i].name, texts[i].to, err);
    if (status == MW_OK)
        status = copy_list(forced, args, "missing", &forced->missing, &forced->n_missing, err);
    if (status == MW_OK)
        status = copy_list(forced, args, "drop", &forced->drop, &forced->n_drop, err);
    if (status == MW_OK)
        status = copy_list(forced, args, "text", &forced->text, &forced->n_text, err);
    return status;
}

static void take_places(const mw_args *args, mw_forced *forced) {
    const char *encoding = mw_args_string(args, "encoding");
    if (encoding) {
        forced->has_encoding = true;
        forced->encoding = (mw_encoding)mw_profile__encoding_of(mw_str_of(encoding));
    }
    if (mw_args_has(args, "skip_lines")) {
        forced->has_skip_lines = true;
        forced->skip_lines = (uint32_t)mw_args_int(args, "skip_lines");
    }
    if (mw_args_has(args, "header")) {
        forced->has_header = true;
        forced->header = mw_args_bool(args, "header");
        if (!forced->header && !mw_args_has(args, "units")) forced->has_units = false;
    }
    if (mw_args_has(args, "units")) {
        forced->has_units = true;
        forced->units = mw_args_bool(args, "units");
    }
}

/* Two properties that cannot hold together. */
static mw_status check(const mw_forced *forced, mw_err *err) {
    const mw_dialect *d = &forced->dialect;
    bool separator = forced->fixed & MW_SNIFF_FIXED_SEPARATOR && !d->blanks && !d->n_widths;
    bool quote = forced->fixed & MW_SNIFF_FIXED_QUOTE && d->quote;
    bool comment = forced->fixed & MW_SNIFF_FIXED_COMMENT && d->comment;
    bool escape = forced->fixed & MW_SNIFF_FIXED_ESCAPE && d->escape;
    if (separator && quote && d->separator == d->quote)
        return fail("quote", "is the separator too", err);
    if (separator && comment && d->separator == d->comment)
        return fail("comment", "is the separator too", err);
    if (separator && escape && d->separator == d->escape)
        return fail("escape", "is the separator too", err);
    if (quote && comment && d->quote == d->comment) return fail("comment", "is the quote too", err);
    if (escape && quote && d->escape == d->quote)
        return fail("escape", "is the quote too; a doubled quote needs none", err);
    if (forced->has_decimal && forced->has_thousands && d->decimal == d->thousands)
        return fail("thousands", "is the decimal mark too", err);
    if (forced->has_header && !forced->header && forced->has_units && forced->units)
        return fail("units", "stand under a header, and there is to be none", err);
    if (forced->time && (forced->date || forced->clock))
        return fail("time", "is one column, or date and clock are two", err);
    if (forced->n_missing > MISSING_MAX) return fail("missing", "at most 64 texts", err);
    if (forced->clock && !forced->date && !forced->saved)
        return fail("clock", "needs a date beside it", err);
    return MW_OK;
}

mw_status mw_profile__force(const mw_ctx *ctx, mw_str saved, const mw_args *args, mw_forced *ret,
                            mw_err *err) {
    *ret = (mw_forced){.dialect = {.separator = ',', .quote = '"', .decimal = '.'}};
    mw_arena_init(&ret->arena, ctx->mem);
    mw_status status = saved.size ? mw_profile__read_text(ctx, saved, ret, err) : MW_OK;
    const char *path = args ? mw_args_string(args, "profile") : NULL;
    if (status == MW_OK && path) status = mw_profile__read(ctx, path, ret, err);
    if (status == MW_OK && args) status = take_dialect(args, ret, err);
    if (status == MW_OK && args) status = take_texts(args, ret, err);
    if (status == MW_OK && args) take_places(args, ret);
    return status == MW_OK ? check(ret, err) : status;
}

void mw_profile__force_done(mw_forced *forced) { mw_arena_done(&forced->arena); }
