/* param_text.c -- see param.h: what a table says about itself, to programs (schema) and people
 * (help). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/param/param.h"
#include "core/text/datetime.h"
#include "core/text/number.h"

enum { LINE = 92, LEFT_MAX = 30, LEFT_MIN = 16, NOTE_MAX = 1024 };

static bool is_list(const mw_param *param) {
    return param->type == MW_PARAM_LIST || (param->flags & MW_PARAM_REPEATED) != 0;
}

static bool is_bounded(const mw_param *param) { return param->min != 0 || param->max != 0; }

static const char *const schema_types[] = {
    [MW_PARAM_BOOL] = "boolean",  [MW_PARAM_INT] = "integer", [MW_PARAM_FLOAT] = "number",
    [MW_PARAM_STRING] = "string", [MW_PARAM_ENUM] = "string", [MW_PARAM_DURATION] = "string",
    [MW_PARAM_LIST] = "string",   [MW_PARAM_TIME] = "string", [MW_PARAM_JSON] = NULL,
};

static void write_enum(const mw_param *param, mw_json_writer *writer) {
    if (!param->choices) return;
    mw_json_key(writer, "enum");
    mw_json_array(writer);
    for (const char *const *choice = param->choices; *choice; choice++)
        mw_json_write_string(writer, *choice);
    mw_json_array_end(writer);
}

/* Bounds of numbers bound the value, those of texts and lists their size. */
static void write_bounds(const mw_param *param, mw_json_writer *writer) {
    const char *low = NULL, *high = NULL;
    double limit = 0;
    if (is_list(param)) {
        low = "minItems", high = "maxItems", limit = (double)MW_LIMIT(LIST_ITEMS);
    } else if (param->type == MW_PARAM_STRING) {
        low = "minLength", high = "maxLength", limit = (double)MW_LIMIT(STRING_BYTES);
    } else if (param->type == MW_PARAM_INT || param->type == MW_PARAM_FLOAT) {
        if (!is_bounded(param)) return;
        mw_json_add_number(writer, "minimum", param->min);
        mw_json_add_number(writer, "maximum", param->max);
        return;
    } else {
        return;
    }
    if (param->max > 0 && param->min > 0) mw_json_add_number(writer, low, param->min);
    mw_json_add_number(writer, high, param->max > 0 && param->max < limit ? param->max : limit);
}

static void write_default(const mw_param *param, mw_json_writer *writer) {
    mw_str text = mw_str_of(param->def);
    double number;
    mw_json_key(writer, "default");
    if (is_list(param)) {
        mw_json_array(writer);
        while (text.size) {
            const char *comma =
                param->flags & MW_PARAM_REPEATED ? NULL : memchr(text.data, ',', text.size);
            size_t n = comma ? (size_t)(comma - text.data) : text.size;
            mw_str part = mw_str_trim((mw_str){text.data, n});
            if (part.size) mw_json_write_str(writer, part);
            text.data += n + (comma != NULL);
            text.size -= n + (comma != NULL);
        }
        mw_json_array_end(writer);
    } else if (param->type == MW_PARAM_BOOL) {
        mw_json_write_bool(writer, mw_str_is_nocase(text, "true") || mw_str_is(text, "1") ||
                                       mw_str_is_nocase(text, "yes") ||
                                       mw_str_is_nocase(text, "on"));
    } else if ((param->type == MW_PARAM_INT || param->type == MW_PARAM_FLOAT) &&
               mw_number_read(text.data, text.size, &number)) {
        mw_json_write_number(writer, number);
    } else {
        mw_json_write_str(writer, text);
    }
}

/* One bound of a span or a time as text. */
static void put_bound(const mw_param *param, double bound, char out[MW_TIME_TEXT_MAX]) {
    if (param->type == MW_PARAM_DURATION)
        (void)mw_duration_print((int64_t)bound, out);
    else if (param->type == MW_PARAM_TIME)
        (void)mw_time_print((int64_t)bound, out);
    else
        (void)mw_number_print(bound, out);
}

/* Adds to a text [NOTE_MAX] as much as it has room for. */
__attribute__((format(printf, 2, 3))) static void put(char *text, const char *format, ...) {
    size_t used = strlen(text);
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text + used, NOTE_MAX - used, format, list);
    va_end(list);
}

/* What else a parameter and its choices are called, after lead: "eta, shrinkage_rate, lossguide for leaf_wise".
 * Options have their dashes. */
static void put_aliases(char *text, const char *lead, const mw_param *param, bool option) {
    mw_str name = mw_str_of(param->name);
    for (; mw_param_next_name(param, &name); lead = ", ") {
        put(text, option ? "%s--" : "%s", lead);
        size_t start = strlen(text);
        put(text, "%.*s", (int)name.size, name.data);
        for (char *c = text + start; option && *c; c++)
            if (*c == '_') *c = '-';
    }
    for (const char *const(*pair)[2] = param->choice_aliases; pair && (*pair)[0]; pair++) {
        put(text, "%s%s for %s", lead, (*pair)[0], (*pair)[1]);
        lead = ", ";
    }
}

static bool has_aliases(const mw_param *param) { return param->aliases || param->choice_aliases; }

static void write_description(const mw_param *param, mw_json_writer *writer) {
    char text[NOTE_MAX] = "", low[MW_TIME_TEXT_MAX], high[MW_TIME_TEXT_MAX];
    if (param->help) put(text, "%s", param->help);
    const char *gap = text[0] ? " " : "";
    if (param->type == MW_PARAM_DURATION && is_bounded(param)) {
        put_bound(param, param->min, low);
        put_bound(param, param->max, high);
        put(text, "%sA span like 5min, %s to %s.", gap, low, high);
    } else if (param->type == MW_PARAM_DURATION) {
        put(text, "%sA span like 5min.", gap);
    } else if (param->unit) {
        put(text, "%sUnit: %s.", gap, param->unit);
    }
    if (has_aliases(param)) {
        put_aliases(text, text[0] ? " Also: " : "Also: ", param, false);
        put(text, ".");
    }
    if (text[0]) mw_json_add_string(writer, "description", text);
}

void mw_param_write_schema(const mw_param *param, mw_json_writer *writer) {
    mw_json_object(writer);
    if (is_list(param) || schema_types[param->type])
        mw_json_add_string(writer, "type", is_list(param) ? "array" : schema_types[param->type]);
    if (is_list(param)) {
        mw_json_key(writer, "items");
        mw_json_object(writer);
        if (!(param->flags & MW_PARAM_NUMBERS)) mw_json_add_string(writer, "type", "string");
        write_enum(param, writer);
        mw_json_object_end(writer);
    } else {
        write_enum(param, writer);
        if (param->type == MW_PARAM_TIME) mw_json_add_string(writer, "format", "date-time");
    }
    write_bounds(param, writer);
    if (param->def) write_default(param, writer);
    write_description(param, writer);
    mw_json_object_end(writer);
}

/* --- help --- */

/* "  max_depth=N" */
static size_t left_of_setting(const mw_param *param, char out[NOTE_MAX]) {
    static const char *const words[] = {
        [MW_PARAM_BOOL] = "true",    [MW_PARAM_INT] = "N",       [MW_PARAM_FLOAT] = "X",
        [MW_PARAM_STRING] = "TEXT",  [MW_PARAM_ENUM] = "CHOICE", [MW_PARAM_DURATION] = "SPAN",
        [MW_PARAM_LIST] = "A,B,...", [MW_PARAM_TIME] = "TIME",   [MW_PARAM_JSON] = "JSON",
    };
    const int n = snprintf(out, NOTE_MAX, "  %.60s=%s", param->name, words[param->type]);
    return n < 0 ? 0 : (size_t)n;
}

/* "  --max-depth N", or "  FILE" for one that stands by itself. */
static size_t left_of_option(const mw_param *param, char out[NOTE_MAX]) {
    static const char *const words[] = {
        [MW_PARAM_BOOL] = "",         [MW_PARAM_INT] = " N",       [MW_PARAM_FLOAT] = " X",
        [MW_PARAM_STRING] = " TEXT",  [MW_PARAM_ENUM] = " CHOICE", [MW_PARAM_DURATION] = " SPAN",
        [MW_PARAM_LIST] = " A,B,...", [MW_PARAM_TIME] = " TIME",   [MW_PARAM_JSON] = " FILE",
    };
    bool positional = (param->flags & MW_PARAM_POSITIONAL) != 0;
    const char *word = param->flags & MW_PARAM_REPEATED ? " TEXT" : words[param->type];
    int n = snprintf(out, NOTE_MAX, positional ? "  %.60s%s" : "  --%.60s%s", param->name,
                     positional ? (is_list(param) ? "..." : "") : word);
    for (char *p = out; *p && (positional || *p != ' ' || p < out + 2); p++) {
        if (positional && *p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
        if (!positional && *p == '_') *p = '-';
    }
    return n < 0 ? 0 : (size_t)n;
}

static void add_note(char notes[NOTE_MAX], const char *what, const char *text) {
    put(notes, "%s%s%s", notes[0] ? "; " : "", what, text);
}

/* "required", "default 5min", "1 to 64 rows", "a|b|c", "may be repeated", "$AGG_INTERVAL", "also --eta". */
static void make_notes(const mw_param *param, bool setting, char notes[NOTE_MAX]) {
    notes[0] = '\0';
    if (param->flags & MW_PARAM_REQUIRED) add_note(notes, "required", "");
    if (param->choices) {
        add_note(notes, "", "");
        for (const char *const *choice = param->choices; *choice; choice++)
            put(notes, "%s%s", choice == param->choices ? "" : "|", *choice);
    }
    bool sized = is_list(param) || param->type == MW_PARAM_STRING;
    if (is_bounded(param) && !sized && param->type != MW_PARAM_BOOL) {
        char low[MW_TIME_TEXT_MAX], high[MW_TIME_TEXT_MAX], range[160];
        put_bound(param, param->min, low);
        put_bound(param, param->max, high);
        bool unit = param->unit && param->type != MW_PARAM_DURATION;
        (void)snprintf(range, sizeof range, "%s to %s%s%.60s", low, high, unit ? " " : "",
                       unit ? param->unit : "");
        add_note(notes, range, "");
    } else if (param->unit && !sized && param->type != MW_PARAM_DURATION) {
        add_note(notes, "in ", param->unit);
    }
    if (param->flags & MW_PARAM_REPEATED) add_note(notes, "may be repeated", "");
    if (param->def) add_note(notes, "default ", param->def[0] ? param->def : "empty");
    if (param->env) add_note(notes, "environment ", param->env);
    if (has_aliases(param)) {
        add_note(notes, "also ", "");
        put_aliases(notes, "", param, !setting && !(param->flags & MW_PARAM_POSITIONAL));
    }
}

/* Adds words from column *at on, breaking before LINE to `left`. */
static void add_words(mw_buf *buf, const char *text, size_t left, size_t *at) {
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        if (*at > left && *at + 1 + n > LINE) {
            mw_buf_printf(buf, "\n%*s", (int)left, "");
            *at = left;
        }
        if (*at > left) {
            mw_buf_add_char(buf, ' ');
            (*at)++;
        }
        mw_buf_append(buf, p, n);
        *at += n;
        p += n + strspn(p + n, " ");
    }
}

static void add_row(mw_buf *buf, const mw_param *param, bool setting, size_t left) {
    char name[NOTE_MAX], notes[NOTE_MAX], framed[NOTE_MAX + 2];
    size_t n = setting ? left_of_setting(param, name) : left_of_option(param, name);
    mw_buf_append(buf, name, n);
    if (n + 2 > left)
        mw_buf_printf(buf, "\n%*s", (int)left, "");
    else
        mw_buf_printf(buf, "%*s", (int)(left - n), "");
    size_t at = left;
    if (param->help) add_words(buf, param->help, left, &at);
    make_notes(param, setting, notes);
    if (notes[0]) {
        (void)snprintf(framed, sizeof framed, "[%s]", notes);
        add_words(buf, framed, left, &at);
    }
    mw_buf_add_char(buf, '\n');
}

void mw_param_write_help(const mw_param *table, mw_buf *buf) {
    size_t left = LEFT_MIN;
    char name[NOTE_MAX];
    for (const mw_param *param = table; param->name; param++) {
        if (param->flags & MW_PARAM_HTTP_ONLY) continue;
        size_t n = left_of_option(param, name) + 2;
        if (n > left && n <= LEFT_MAX) left = n;
    }
    for (int positional = 1; positional >= 0; positional--) {
        for (const mw_param *param = table; param->name; param++) {
            if (param->flags & MW_PARAM_HTTP_ONLY) continue;
            if (((param->flags & MW_PARAM_POSITIONAL) != 0) == positional)
                add_row(buf, param, false, left);
        }
    }
}

void mw_param_write_settings(const mw_param *table, mw_buf *buf) {
    size_t left = LEFT_MIN;
    char name[NOTE_MAX];
    for (const mw_param *param = table; param->name; param++) {
        size_t n = left_of_setting(param, name) + 2;
        if (n > left && n <= LEFT_MAX) left = n;
    }
    for (const mw_param *param = table; param->name; param++) add_row(buf, param, true, left);
}
