/*
 * profile_read.c -- a saved profile back from its JSON (docs/formats/profile.md). Every member may be left out; an unknown one is
 * refused, since a misspelled property would otherwise be detected instead of forced.
 */
#include <string.h>

#include "core/base/files.h"
#include "core/param/nearest.h"
#include "keep/ingest/profile_force.h"
#include "keep/ingest/sniff.h"

enum { PROFILE_BYTES_MAX = 16 << 20, FORMAT = 1 };

typedef struct saved {
    mw_forced *forced;
    mw_err *err;
} saved;

static bool fail_member(const saved *in, const mw_json *member, const char *want) {
    mw_fail(in->err, MW_EINVAL, "the saved profile's %.*s must be %s", (int)member->key.size,
            member->key.data, want);
    return false;
}

static const char *copy(const saved *in, mw_str text) {
    const char *made = mw_arena_strndup(&in->forced->arena, text.data, text.size);
    if (!made) mw_fail_nomem(in->err, "reading a profile");
    return made;
}

/* A text member, or null for "not this". */
static bool take_text(const saved *in, const mw_json *member, const char **to) {
    if (member->kind == MW_JSON_NULL) return true;
    if (member->kind != MW_JSON_STRING) return fail_member(in, member, "a text or null");
    return (*to = copy(in, member->string)) != NULL;
}

static bool take_bool(const saved *in, const mw_json *member, bool *has, bool *to) {
    if (member->kind != MW_JSON_TRUE && member->kind != MW_JSON_FALSE)
        return fail_member(in, member, "true or false");
    *has = true;
    *to = member->kind == MW_JSON_TRUE;
    return true;
}

/* A one-byte text; null: none. */
static bool take_byte(const saved *in, const mw_json *member, char *to) {
    if (member->kind == MW_JSON_NULL) {
        *to = 0;
        return true;
    }
    if (member->kind != MW_JSON_STRING || member->string.size != 1 ||
        (unsigned char)member->string.data[0] >= 0x80 || member->string.data[0] == '\n' ||
        member->string.data[0] == '\r' || member->string.data[0] == '\0')
        return fail_member(in, member, "one ASCII character or null");
    *to = member->string.data[0];
    return true;
}

static bool read_format(const saved *in, const mw_json *member) {
    if (mw_json_int(member, 0) == FORMAT) return true;
    return fail_member(in, member, "1: another version wrote it");
}

static bool read_choice(const saved *in, const mw_json *member, const char *const names[4],
                        int *ret) {
    for (*ret = 0; *ret < 4; ++*ret)
        if (member->kind == MW_JSON_STRING && mw_str_is(member->string, names[*ret])) return true;
    return fail_member(in, member, "one of the known names");
}

static bool read_encoding(const saved *in, const mw_json *member) {
    int found;
    if (!read_choice(in, member, mw_profile__encodings, &found)) return false;
    in->forced->encoding = (mw_encoding)found;
    return in->forced->has_encoding = true;
}

static bool read_line_ends(const saved *in, const mw_json *member) {
    int found;
    if (!read_choice(in, member, mw_profile__line_ends, &found)) return false;
    in->forced->line_end = (mw_line_end)found;
    return in->forced->has_line_end = true;
}

static bool read_separator(const saved *in, const mw_json *member) {
    mw_dialect *dialect = &in->forced->dialect;
    in->forced->fixed |= MW_SNIFF_FIXED_SEPARATOR;
    if (member->kind == MW_JSON_STRING && mw_str_is(member->string, "blanks")) {
        dialect->blanks = true;
        dialect->separator = ' ';
        return true;
    }
    return take_byte(in, member, &dialect->separator) &&
           (dialect->separator || fail_member(in, member, "one ASCII character or \"blanks\""));
}

static bool read_widths(const saved *in, const mw_json *member) {
    mw_dialect *dialect = &in->forced->dialect;
    if (member->kind != MW_JSON_ARRAY || member->n_children == 0 ||
        member->n_children > MW_DIALECT_WIDTHS)
        return fail_member(in, member, "a list of 1 to 256 whole numbers");
    dialect->n_widths = 0;
    for (const mw_json *width = member->first; width; width = width->next) {
        int64_t bytes = mw_json_int(width, 0);
        if (bytes < 1 || bytes > 65535)
            return fail_member(in, member, "a list of whole numbers from 1 to 65535");
        dialect->widths[dialect->n_widths++] = (uint16_t)bytes;
    }
    dialect->separator = ' ';
    in->forced->fixed |= MW_SNIFF_FIXED_SEPARATOR;
    return true;
}

static bool read_quote(const saved *in, const mw_json *member) {
    in->forced->fixed |= MW_SNIFF_FIXED_QUOTE;
    return take_byte(in, member, &in->forced->dialect.quote);
}

static bool read_escape(const saved *in, const mw_json *member) {
    in->forced->fixed |= MW_SNIFF_FIXED_ESCAPE;
    return take_byte(in, member, &in->forced->dialect.escape);
}

static bool read_comment(const saved *in, const mw_json *member) {
    in->forced->fixed |= MW_SNIFF_FIXED_COMMENT;
    return take_byte(in, member, &in->forced->dialect.comment);
}

static bool read_decimal(const saved *in, const mw_json *member) {
    char byte = 0;
    if (!take_byte(in, member, &byte)) return false;
    if (byte != '.' && byte != ',') return fail_member(in, member, "\".\" or \",\"");
    in->forced->dialect.decimal = byte;
    return in->forced->has_decimal = true;
}

static bool read_thousands(const saved *in, const mw_json *member) {
    char byte = 0;
    if (!take_byte(in, member, &byte)) return false;
    if (byte && !strchr(",.' _", byte)) return fail_member(in, member, "one of , . ' _ or a blank");
    in->forced->dialect.thousands = byte;
    return in->forced->has_thousands = true;
}

static bool read_skip_lines(const saved *in, const mw_json *member) {
    int64_t n = mw_json_int(member, -1);
    if (n < 0 || n > 100000) return fail_member(in, member, "a whole number from 0 to 100000");
    in->forced->skip_lines = (uint32_t)n;
    return in->forced->has_skip_lines = true;
}

static bool read_header(const saved *in, const mw_json *member) {
    return take_bool(in, member, &in->forced->has_header, &in->forced->header);
}

static bool read_units(const saved *in, const mw_json *member) {
    return take_bool(in, member, &in->forced->has_units, &in->forced->units);
}

/* Follows from the columns' uses; it is there for readers. */
static bool read_shape(const saved *in, const mw_json *member) {
    if (mw_str_is(mw_json_string(member, ""), "wide") ||
        mw_str_is(mw_json_string(member, ""), "long"))
        return true;
    return fail_member(in, member, "\"wide\" or \"long\"");
}

static bool read_missing(const saved *in, const mw_json *member) {
    if (member->kind != MW_JSON_ARRAY) return fail_member(in, member, "a list of texts");
    const char **texts = mw_arena_calloc(&in->forced->arena, member->n_children + 1, sizeof *texts);
    if (!texts) {
        mw_fail_nomem(in->err, "reading a profile");
        return false;
    }
    size_t n = 0;
    for (const mw_json *text = member->first; text; text = text->next) {
        if (text->kind != MW_JSON_STRING) return fail_member(in, member, "a list of texts");
        if (!(texts[n++] = copy(in, text->string))) return false;
    }
    in->forced->missing = texts;
    in->forced->n_missing = n;
    return true;
}

static bool read_time_format(const saved *in, const mw_json *member) {
    return take_text(in, member, &in->forced->time_format);
}
static bool read_date_format(const saved *in, const mw_json *member) {
    return take_text(in, member, &in->forced->date_format);
}
static bool read_clock_format(const saved *in, const mw_json *member) {
    return take_text(in, member, &in->forced->clock_format);
}
static bool read_timezone(const saved *in, const mw_json *member) {
    return take_text(in, member, &in->forced->timezone);
}

static bool read_type(mw_str name, mw_type *ret) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_FLOAT64, MW_BOOL, MW_DICTIONARY};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        *ret = types[i];
        if (mw_str_is(name, mw_type_name(types[i]))) return true;
    }
    return false;
}

static bool read_use(mw_str name, mw_use *ret) {
    for (int i = 0; i < MW_USES; i++) {
        *ret = (mw_use)i;
        if (mw_str_is(name, mw_profile__uses[i])) return true;
    }
    return false;
}

static bool read_column(const saved *in, const mw_json *member, const mw_json *from,
                        mw_forced_column *ret) {
    mw_forced_column column = {.type = MW_FLOAT64};
    mw_str name = mw_json_string(mw_json_get(from, "name"), "");
    if (from->kind != MW_JSON_OBJECT || name.size == 0)
        return fail_member(in, member, "a list of objects with a name each");
    const mw_json *type = mw_json_get(from, "type");
    column.decided = type != NULL && mw_json_bool(mw_json_get(from, "decided"), true);
    if (type && !read_type(mw_json_string(type, ""), &column.type))
        return fail_member(in, member, "columns of type float64, bool, dictionary or timestamp");
    if (!read_use(mw_json_string(mw_json_get(from, "use"), "none"), &column.use))
        return fail_member(in, member, "columns with a known use");
    const char *text = copy(in, name);
    if (!text) return false;
    column.name = (mw_str){text, name.size};
    mw_str unit = mw_json_string(mw_json_get(from, "unit"), "");
    if (unit.size && !(column.unit = copy(in, unit))) return false;
    *ret = column;
    return true;
}

static bool read_columns(const saved *in, const mw_json *member) {
    if (member->kind != MW_JSON_ARRAY) return fail_member(in, member, "a list");
    mw_forced *forced = in->forced;
    forced->columns =
        mw_arena_calloc(&forced->arena, member->n_children + 1, sizeof *forced->columns);
    if (!forced->columns) {
        mw_fail_nomem(in->err, "reading a profile");
        return false;
    }
    forced->saved = true;
    forced->n_columns = 0;
    for (const mw_json *column = member->first; column; column = column->next) {
        if (!read_column(in, member, column, &forced->columns[forced->n_columns])) return false;
        forced->n_columns++;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*read)(const saved *in, const mw_json *member);
} members[] = {
    {"format", read_format},
    {"encoding", read_encoding},
    {"line_ends", read_line_ends},
    {"separator", read_separator},
    {"widths", read_widths},
    {"quote", read_quote},
    {"escape", read_escape},
    {"comment", read_comment},
    {"decimal", read_decimal},
    {"thousands", read_thousands},
    {"skip_lines", read_skip_lines},
    {"header", read_header},
    {"units", read_units},
    {"shape", read_shape},
    {"missing", read_missing},
    {"time_format", read_time_format},
    {"date_format", read_date_format},
    {"clock_format", read_clock_format},
    {"timezone", read_timezone},
    {"columns", read_columns},
};

static bool read_member(const saved *in, const mw_json *member) {
    mw_nearest nearest = {0};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (mw_str_is(member->key, members[i].name)) return members[i].read(in, member);
        mw_nearest_look(&nearest, member->key, members[i].name);
    }
    mw_fail(in->err, MW_EINVAL, "the saved profile has an unknown member \"%.*s\"",
            (int)(member->key.size < 40 ? member->key.size : 40), member->key.data);
    if (nearest.word) mw_err_hint(in->err, "did you mean \"%s\"?", nearest.word);
    return false;
}

mw_status mw_profile__read_text(const mw_ctx *ctx, mw_str json, mw_forced *forced, mw_err *err) {
    mw_err local;
    if (!err) err = &local;
    saved in = {.forced = forced, .err = err};
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    const mw_json *root = NULL;
    mw_status status = mw_json_parse(&arena, json.data, json.size, &root, err);
    if (status == MW_OK && root->kind != MW_JSON_OBJECT)
        status = mw_fail(err, MW_EINVAL, "the saved profile must be one JSON object");
    for (const mw_json *m = status == MW_OK ? root->first : NULL; m && status == MW_OK; m = m->next)
        if (!read_member(&in, m)) status = err->code;
    mw_arena_done(&arena);
    return status == MW_OK ? MW_OK : mw_err_at(err, "profile");
}

mw_status mw_profile__read(const mw_ctx *ctx, const char *path, mw_forced *forced, mw_err *err) {
    char *text = NULL;
    size_t size = 0;
    mw_err local;
    if (!err) err = &local;
    mw_status status = mw_file_read_path(ctx, path, PROFILE_BYTES_MAX, &text, &size, err);
    if (status == MW_OK) status = mw_profile__read_text(ctx, (mw_str){text, size}, forced, err);
    mw_free(text);
    return status == MW_OK ? MW_OK : mw_err_prefix(err, "%s", path);
}
