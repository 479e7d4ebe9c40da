/*
 * param.c -- see param.h: values from text, JSON, the environment and the table's defaults.
 */
#include "core/param/param.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "core/text/number.h"

typedef enum source { UNSET, BY_DEFAULT, BY_ENVIRONMENT, BY_USER } source;

typedef struct item {
    struct item *next;
    const char *text;
} item;

typedef struct value {
    source source;
    mw_str word;         /* the name that the user set it by, as the table has it */
    int64_t whole;       /* BOOL, INT, DURATION, TIME */
    double number;       /* FLOAT */
    const char *text;    /* STRING, ENUM */
    const mw_json *json; /* JSON */
    item *first, **end;  /* LIST and repeated ones, as they come */
    size_t n_items;
    const char **items; /* [n_items], made by mw_args_finish */
    bool refused;       /* set by the user to what it cannot be: noted among the faults */
} value;

struct mw_args {
    mw_mem *mem;
    const mw_param *table; /* borrowed; [n] */
    size_t n;
    mw_arena arena;
    mw_faults *faults; /* NULL: the first thing that is wrong ends the reading */
    value values[];    /* [n] */
};

enum { SHOWN_BYTES = 60 };

mw_status mw_args_new(mw_mem *mem, const mw_param *table, mw_args **ret, mw_err *err) {
    size_t n = 0;
    while (table[n].name) n++;
    mw_args *args = mw_calloc(mem, 1, sizeof *args + n * sizeof *args->values);
    if (!args) return mw_fail_nomem(err, "reading parameters");
    args->mem = mem;
    args->table = table;
    args->n = n;
    mw_arena_init(&args->arena, mem);
    *ret = args;
    return MW_OK;
}

void *mw_args_free(mw_args *args) {
    if (!args) return NULL;
    mw_arena_done(&args->arena);
    return mw_free(args);
}

void mw_args_collect(mw_args *args, mw_faults *faults) { args->faults = faults; }

/* What is wrong with what the user wrote becomes a fault where they are collected. */
static mw_status noted(mw_args *args, value *to, mw_status status, mw_err *err) {
    if (!args->faults || !err || (status != MW_EINVAL && status != MW_EPARSE)) return status;
    if (to) to->refused = true;
    return mw_faults_add(args->faults, err);
}

/* Part of a user's text that is safe to show: no control bytes, no half characters. */
static const char *show(mw_str text, char out[SHOWN_BYTES + 4]) {
    size_t n = text.size < SHOWN_BYTES ? text.size : SHOWN_BYTES;
    if (n < text.size)
        while (n && ((unsigned char)text.data[n] & 0xC0u) == 0x80u) n--;
    bool ascii_only = !mw_utf8_valid(text.data, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.data[i];
        out[i] = c < 0x20 || c == 0x7F || (ascii_only && c >= 0x80) ? '?' : text.data[i];
    }
    memcpy(out + n, n < text.size ? "..." : "", n < text.size ? 4 : 1);
    return out;
}

static bool is_list(const mw_param *param) {
    return param->type == MW_PARAM_LIST || (param->flags & MW_PARAM_REPEATED) != 0;
}

static bool is_bounded(const mw_param *param) { return param->min != 0 || param->max != 0; }

/* What a value of this type is called in messages. */
static const char *type_text(const mw_param *param) {
    if (is_list(param)) return "a list of texts";
    switch (param->type) {
    case MW_PARAM_BOOL: return "true or false";
    case MW_PARAM_INT: return "a whole number";
    case MW_PARAM_FLOAT: return "a number";
    case MW_PARAM_STRING: return "a text";
    case MW_PARAM_ENUM: return "one of its choices";
    case MW_PARAM_DURATION: return "a time span";
    case MW_PARAM_LIST: return "a list of texts";
    case MW_PARAM_TIME: return "a time stamp";
    case MW_PARAM_JSON: return "a JSON value";
    }
    return "a value";
}

static const char *type_hint(const mw_param *param) {
    switch (param->type) {
    case MW_PARAM_DURATION: return "a span is a whole number and a unit: 30s, 5min, 1h, 7d";
    case MW_PARAM_TIME: return "a time stamp looks like 2026-11-21T07:06:00Z or 2026-11-21";
    default: return NULL;
    }
}

static mw_status fail_type(const mw_param *param, mw_str got, mw_err *err) {
    char shown[SHOWN_BYTES + 4];
    mw_fail(err, MW_EINVAL, "%s must be %s, not \"%s\"", param->name, type_text(param),
            show(got, shown));
    if (type_hint(param)) mw_err_hint(err, "%s", type_hint(param));
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

/* A bound as people write it. */
static const char *bound_text(const mw_param *param, double bound, char out[MW_TIME_TEXT_MAX]) {
    if (param->type == MW_PARAM_DURATION)
        (void)mw_duration_print((int64_t)bound, out);
    else if (param->type == MW_PARAM_TIME)
        (void)mw_time_print((int64_t)bound, out);
    else
        (void)mw_number_print(bound, out);
    return out;
}

static mw_status check_range(const mw_param *param, double number, mw_str got, mw_err *err) {
    if (!is_bounded(param) || (number >= param->min && number <= param->max)) return MW_OK;
    char low[MW_TIME_TEXT_MAX], high[MW_TIME_TEXT_MAX], shown[SHOWN_BYTES + 4];
    mw_fail(err, MW_EINVAL, "%s must be between %s and %s, not %s", param->name,
            bound_text(param, param->min, low), bound_text(param, param->max, high),
            show(got, shown));
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

/* min and max bound lengths and counts when max > 0; *most is the table's or the general limit. */
static bool size_allowed(const mw_param *param, size_t size, size_t limit, size_t *most) {
    *most = param->max > 0 && param->max < (double)limit ? (size_t)param->max : limit;
    return size <= *most && (param->max <= 0 || (double)size >= param->min);
}

static mw_status check_text(const mw_param *param, mw_str text, bool bounded, mw_err *err) {
    size_t most = (size_t)MW_LIMIT(STRING_BYTES);
    if (!mw_utf8_valid(text.data, text.size) || (text.size && memchr(text.data, 0, text.size))) {
        mw_fail(err, MW_EINVAL, "%s must be UTF-8 text without NUL bytes", param->name);
        mw_err_at(err, "%s", param->name);
        return MW_EINVAL;
    }
    if (bounded ? size_allowed(param, text.size, most, &most) : text.size <= most) return MW_OK;
    if (bounded && param->min > 0)
        mw_fail(err, MW_EINVAL, "%s must have %.0f to %zu bytes, not %zu", param->name, param->min,
                most, text.size);
    else
        mw_fail(err, MW_EINVAL, "%s must have at most %zu bytes, not %zu", param->name, most,
                text.size);
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

/* The choice itself, which outlives the text. */
static mw_status find_choice(const mw_param *param, mw_str text, const char **ret, mw_err *err) {
    mw_nearest nearest = {0};
    char known[MW_ERR_HINT_MAX] = "", shown[SHOWN_BYTES + 4];
    size_t used = 0;
    for (const char *const(*pair)[2] = param->choice_aliases; pair && (*pair)[0]; pair++) {
        if (mw_str_is(text, (*pair)[0])) {
            text = mw_str_of((*pair)[1]);
            break;
        }
        mw_nearest_look(&nearest, text, (*pair)[0]);
    }
    for (const char *const *choice = param->choices; *choice; choice++) {
        if (mw_str_is(text, *choice)) {
            *ret = *choice;
            return MW_OK;
        }
        mw_nearest_look(&nearest, text, *choice);
        size_t n = strlen(*choice);
        if (used + n + 3 > sizeof known) continue;
        if (used) memcpy(known + used, ", ", 2), used += 2;
        memcpy(known + used, *choice, n + 1);
        used += n;
    }
    mw_fail(err, MW_EINVAL, "%s must be one of %s, not \"%s\"", param->name, known,
            show(text, shown));
    if (nearest.word) mw_err_hint(err, "did you mean \"%s\"?", nearest.word);
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

static mw_status no_memory(mw_err *err) { return mw_fail_nomem(err, "reading parameters"); }

static mw_status add_item(mw_args *args, const mw_param *param, value *to, mw_str text,
                          mw_err *err) {
    mw_status status = check_text(param, text, false, err);
    if (status) return status;
    size_t most = (size_t)MW_LIMIT(LIST_ITEMS);
    if (param->max > 0 && param->max < (double)most) most = (size_t)param->max;
    if (to->n_items >= most) {
        mw_fail(err, MW_EINVAL, "%s may have at most %zu items", param->name, most);
        mw_err_at(err, "%s", param->name);
        return MW_EINVAL;
    }
    item *node = mw_arena_alloc(&args->arena, sizeof *node);
    if (!node) return no_memory(err);
    *node = (item){NULL, NULL};
    if (param->choices)
        status = find_choice(param, text, &node->text, err);
    else if (!(node->text = mw_arena_strndup(&args->arena, text.data, text.size)))
        status = no_memory(err);
    if (status) return status;
    if (!to->end) to->end = &to->first;
    *to->end = node;
    to->end = &node->next;
    to->n_items++;
    return MW_OK;
}

/* "a,b,c"; blanks around items and empty items do not count. */
static mw_status add_items(mw_args *args, const mw_param *param, value *to, mw_str text,
                           mw_err *err) {
    for (size_t at = 0; at <= text.size;) {
        const char *comma = memchr(text.data + at, ',', text.size - at);
        size_t end = comma ? (size_t)(comma - text.data) : text.size;
        mw_str part = mw_str_trim((mw_str){text.data + at, end - at});
        if (part.size) {
            mw_status status = add_item(args, param, to, part, err);
            if (status) return status;
        }
        at = end + 1;
    }
    return MW_OK;
}

static bool read_bool(mw_str text, int64_t *ret) {
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    for (int i = 0; i < 8; i++) {
        if (!mw_str_is_nocase(text, words[i])) continue;
        *ret = i % 2;
        return true;
    }
    return false;
}

static mw_status set_whole(const mw_param *param, value *to, int64_t whole, mw_str shown,
                           mw_err *err) {
    mw_status status =
        param->type == MW_PARAM_BOOL ? MW_OK : check_range(param, (double)whole, shown, err);
    if (!status) to->whole = whole;
    return status;
}

static mw_status set_number(const mw_param *param, value *to, double number, mw_str shown,
                            mw_err *err) {
    if (number - number != 0) return fail_type(param, shown, err);
    mw_status status = check_range(param, number, shown, err);
    if (!status) to->number = number;
    return status;
}

/* Reads a text as the type says; *to is written on success (a list may have grown on failure). */
/* The text is kept: strings point into it. */
static mw_status set_json_text(mw_args *args, const mw_param *param, value *to, mw_str text,
                               mw_err *err) {
    char *copy = mw_arena_strndup(&args->arena, text.data, text.size);
    if (!copy) return no_memory(err);
    mw_status status = mw_json_parse(&args->arena, copy, text.size, &to->json, err);
    if (status && status != MW_ENOMEM) mw_err_at(err, "%s", param->name);
    return status;
}

static mw_status set_text(mw_args *args, const mw_param *param, value *to, mw_str text,
                          mw_err *err) {
    if (param->flags & MW_PARAM_REPEATED) return add_item(args, param, to, text, err);
    int64_t whole = 0;
    double number = 0;
    bool zoned, ok = false;
    switch (param->type) {
    case MW_PARAM_LIST: return add_items(args, param, to, text, err);
    case MW_PARAM_ENUM: return find_choice(param, text, &to->text, err);
    case MW_PARAM_STRING: {
        mw_status status = check_text(param, text, true, err);
        if (status) return status;
        char *copy = mw_arena_strndup(&args->arena, text.data, text.size);
        if (!copy) return no_memory(err);
        to->text = copy;
        return MW_OK;
    }
    case MW_PARAM_FLOAT:
        if (!mw_number_read(text.data, text.size, &number)) return fail_type(param, text, err);
        return set_number(param, to, number, text, err);
    case MW_PARAM_BOOL: ok = read_bool(text, &whole); break;
    case MW_PARAM_INT: ok = mw_number_read_int(text.data, text.size, &whole); break;
    case MW_PARAM_DURATION: ok = mw_duration_read(text.data, text.size, &whole); break;
    case MW_PARAM_TIME: ok = mw_time_read(text.data, text.size, &whole, &zoned); break;
    case MW_PARAM_JSON: return set_json_text(args, param, to, text, err);
    }
    if (!ok) return fail_type(param, text, err);
    return set_whole(param, to, whole, text, err);
}

static void fail_unknown(const mw_args *args, mw_str name, mw_err *err) {
    char shown[SHOWN_BYTES + 4];
    mw_nearest nearest = {0};
    for (size_t i = 0; i < args->n; i++) mw_param_look(&args->table[i], name, &nearest);
    mw_fail(err, MW_EINVAL, "unknown parameter \"%s\"", show(name, shown));
    if (nearest.word) mw_err_hint(err, "did you mean \"%.*s\"?", nearest.size, nearest.word);
    mw_err_at(err, "%s", shown);
}

/* The row of that name or alias, or NULL with err saying that there is none. */
static const mw_param *find(const mw_args *args, mw_str name, mw_str *word, mw_err *err) {
    const mw_param *param = mw_param_find(args->table, name, word);
    if (!param) fail_unknown(args, name, err);
    return param;
}

static mw_status fail_twice(const mw_param *param, mw_str before, mw_str word, mw_err *err) {
    if (mw_str_eq(before, word))
        mw_fail(err, MW_EINVAL, "%s is set twice", param->name);
    else
        mw_fail(err, MW_EINVAL, "%s is set twice: \"%.*s\" and \"%.*s\" are the same parameter",
                param->name, (int)before.size, before.data, (int)word.size, word.data);
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

static void set_by(value *to, mw_str word) {
    to->source = BY_USER;
    to->word = word;
}

mw_status mw_args_set(mw_args *args, mw_str name, mw_str text, mw_err *err) {
    mw_str word;
    const mw_param *param = find(args, name, &word, err);
    if (!param) return noted(args, NULL, MW_EINVAL, err);
    value *to = &args->values[param - args->table];
    mw_status status = to->source == BY_USER && !is_list(param)
                           ? fail_twice(param, to->word, word, err)
                           : set_text(args, param, to, text, err);
    if (status) return noted(args, to, status, err);
    set_by(to, word);
    return MW_OK;
}

static mw_status fail_json_type(const mw_param *param, const mw_json *got, mw_err *err) {
    static const char *const kinds[] = {
        [MW_JSON_OBJECT] = "an object", [MW_JSON_ARRAY] = "an array", [MW_JSON_STRING] = "a string",
        [MW_JSON_NUMBER] = "a number",  [MW_JSON_TRUE] = "true",      [MW_JSON_FALSE] = "false",
        [MW_JSON_NULL] = "null"};
    char shown[SHOWN_BYTES + 4];
    if (got->kind == MW_JSON_NUMBER || got->kind == MW_JSON_STRING)
        mw_fail(err, MW_EINVAL, "%s must be %s, not %s %s", param->name, type_text(param),
                got->kind == MW_JSON_NUMBER ? "the number" : "the string",
                show(got->string, shown));
    else
        mw_fail(err, MW_EINVAL, "%s must be %s, not %s", param->name, type_text(param),
                kinds[got->kind]);
    if (type_hint(param)) mw_err_hint(err, "%s", type_hint(param));
    mw_err_at(err, "%s", param->name);
    return MW_EINVAL;
}

static mw_status set_json_list(mw_args *args, const mw_param *param, value *to, const mw_json *json,
                               mw_err *err) {
    if (json->kind == MW_JSON_STRING) return set_text(args, param, to, json->string, err);
    if (json->kind != MW_JSON_ARRAY) return fail_json_type(param, json, err);
    for (const mw_json *child = json->first; child; child = child->next) {
        const bool number = child->kind == MW_JSON_NUMBER && (param->flags & MW_PARAM_NUMBERS);
        mw_status status = child->kind == MW_JSON_STRING || number
                               ? add_item(args, param, to, child->string, err)
                               : fail_json_type(param, child, err);
        if (status) status = noted(args, to, status, err);
        if (status) return status;
    }
    return MW_OK;
}

static mw_status set_json(mw_args *args, const mw_param *param, value *to, const mw_json *json,
                          mw_err *err) {
    if (is_list(param)) return set_json_list(args, param, to, json, err);
    switch (param->type) {
    case MW_PARAM_JSON: to->json = json; return MW_OK;
    case MW_PARAM_BOOL:
        if (json->kind != MW_JSON_TRUE && json->kind != MW_JSON_FALSE) break;
        to->whole = json->kind == MW_JSON_TRUE;
        return MW_OK;
    case MW_PARAM_INT: {
        /* Two fallbacks: what differs between them is no whole number. */
        int64_t whole = mw_json_int(json, 0);
        if (whole == 0 && mw_json_int(json, 1) != 0) break;
        return set_whole(param, to, whole, json->string, err);
    }
    case MW_PARAM_FLOAT:
        if (json->kind != MW_JSON_NUMBER) break;
        return set_number(param, to, json->number, json->string, err);
    default:
        if (json->kind != MW_JSON_STRING) break;
        return set_text(args, param, to, json->string, err);
    }
    return fail_json_type(param, json, err);
}

mw_status mw_args_set_json(mw_args *args, const mw_json *object, mw_err *err) {
    if (!object || object->kind != MW_JSON_OBJECT)
        return mw_fail(err, MW_EINVAL, "the parameters must be a JSON object");
    for (const mw_json *child = object->first; child; child = child->next) {
        mw_str word;
        const mw_param *param = find(args, child->key, &word, err);
        value *to = param ? &args->values[param - args->table] : NULL;
        mw_status status = !param                  ? MW_EINVAL
                           : to->source == BY_USER ? fail_twice(param, to->word, word, err)
                                                   : set_json(args, param, to, child, err);
        if (status)
            status = noted(args, to, status, err);
        else
            set_by(to, word);
        if (status) return status;
    }
    return MW_OK;
}

/* Environment, else default, for one that the user did not set. */
static mw_status fill_in(mw_args *args, const mw_param *param, value *to, mw_err *err) {
    const char *text = param->env ? getenv(param->env) : NULL;
    if (text && *text) {
        mw_status status = set_text(args, param, to, mw_str_of(text), err);
        if (status) {
            char pointer[MW_ERR_POINTER_MAX];
            mw_err_prefix(err, "environment variable %s", param->env);
            mw_str_copy(pointer, sizeof pointer, mw_str_of(param->name));
            mw_err_at(err, "%s", pointer);
            return status;
        }
        to->source = BY_ENVIRONMENT;
        return MW_OK;
    }
    if (!param->def) return MW_OK;
    mw_status status = set_text(args, param, to, mw_str_of(param->def), err);
    if (status == MW_EINVAL) { /* the table contradicts itself */
        mw_err_prefix(err, "default of %s", param->name);
        if (err) err->code = MW_EINTERNAL;
        return MW_EINTERNAL;
    }
    if (!status) to->source = BY_DEFAULT;
    return status;
}

static mw_status gather(mw_args *args, const mw_param *param, value *to, mw_err *err) {
    if (!is_list(param)) return MW_OK;
    if (to->source != UNSET && param->max > 0 && (double)to->n_items < param->min) {
        mw_fail(err, MW_EINVAL, "%s must have at least %.0f items, not %zu", param->name,
                param->min, to->n_items);
        mw_err_at(err, "%s", param->name);
        return MW_EINVAL;
    }
    to->items = mw_arena_calloc(&args->arena, to->n_items + 1, sizeof *to->items);
    if (!to->items) return no_memory(err);
    size_t n = 0;
    for (const item *node = to->first; node; node = node->next) to->items[n++] = node->text;
    return MW_OK;
}

mw_status mw_args_finish(mw_args *args, mw_err *err) {
    for (size_t i = 0; i < args->n; i++) {
        const mw_param *param = &args->table[i];
        value *to = &args->values[i];
        if (to->refused) continue;
        mw_status status = to->source == UNSET ? fill_in(args, param, to, err) : MW_OK;
        if (!status) status = gather(args, param, to, err);
        if (!status && to->source == UNSET && (param->flags & MW_PARAM_REQUIRED)) {
            status = mw_fail(err, MW_EINVAL, "%s is missing", param->name);
            if (param->help) mw_err_hint(err, "%s: %s", param->name, param->help);
            mw_err_at(err, "%s", param->name);
        }
        if (status) status = noted(args, to, status, err);
        if (status) return status;
    }
    return MW_OK;
}

/* The value of a name that the caller knows to be in its table. */
static const value *get(const mw_args *args, const char *name) {
    static const value none;
    for (size_t i = 0; i < args->n; i++)
        if (strcmp(args->table[i].name, name) == 0) return &args->values[i];
    return &none;
}

bool mw_args_has(const mw_args *args, const char *name) { return get(args, name)->source != UNSET; }

bool mw_args_given(const mw_args *args, const char *name) {
    return get(args, name)->source == BY_USER;
}

bool mw_args_bool(const mw_args *args, const char *name) { return get(args, name)->whole != 0; }
int64_t mw_args_int(const mw_args *args, const char *name) { return get(args, name)->whole; }
double mw_args_float(const mw_args *args, const char *name) { return get(args, name)->number; }
const char *mw_args_string(const mw_args *args, const char *name) { return get(args, name)->text; }

const mw_json *mw_args_json(const mw_args *args, const char *name) { return get(args, name)->json; }

size_t mw_args_list(const mw_args *args, const char *name, const char *const **ret) {
    const value *found = get(args, name);
    *ret = found->items;
    return found->items ? found->n_items : 0;
}

static void write_value(const mw_param *param, const value *from, mw_json_writer *writer) {
    if (is_list(param)) {
        mw_json_array(writer);
        for (const item *node = from->first; node; node = node->next)
            mw_json_write_string(writer, node->text);
        mw_json_array_end(writer);
        return;
    }
    char text[MW_TIME_TEXT_MAX];
    switch (param->type) {
    case MW_PARAM_BOOL: mw_json_write_bool(writer, from->whole != 0); return;
    case MW_PARAM_INT: mw_json_write_int(writer, from->whole); return;
    case MW_PARAM_FLOAT: mw_json_write_number(writer, from->number); return;
    case MW_PARAM_TIME: mw_json_write_time(writer, from->whole); return;
    case MW_PARAM_JSON: mw_json_write_value(writer, from->json); return;
    case MW_PARAM_DURATION:
        mw_duration_print(from->whole, text);
        mw_json_write_string(writer, text);
        return;
    default: mw_json_write_string(writer, from->text); return;
    }
}

void mw_args_write_json(const mw_args *args, mw_json_writer *writer) {
    mw_json_object(writer);
    for (size_t i = 0; i < args->n; i++) {
        if (args->values[i].source == UNSET) continue;
        mw_json_key(writer, args->table[i].name);
        write_value(&args->table[i], &args->values[i], writer);
    }
    mw_json_object_end(writer);
}

void mw_param_join(const mw_param *const *tables, size_t n, mw_param *out, size_t capacity) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        for (const mw_param *row = tables[i]; row && row->name && at + 1 < capacity; row++)
            out[at++] = *row;
    out[at] = (mw_param){0};
}
