/*
 * live_rows_json.c -- {"rows": [{"time": ..., "device": ..., "temperature": ...}, ...]} to rows, in one pass.
 *
 * Members of a row mostly come in the order of the row before: the column that stood there is compared first, before any hash is taken.
 */
#include "core/base/math.h"
#include "core/text/json.h"
#include "run/live/live_rows_parts.h"

typedef struct parser {
    mw_json_reader json;
    mw_live_rows *rows;
    mw_arena arena; /* of texts with escapes */
    int32_t *order; /* [room] columns of the last row, -1: ignored */
    int32_t room;
} parser;

static int32_t find_column(parser *p, int32_t member, mw_str key) {
    const mw_dictionary *names = p->rows->columns->names;
    const int32_t guess = member < p->room ? p->order[member] : -1;
    if (guess >= 0 && mw_str_eq(mw_dictionary_text(names, guess), key)) return guess;
    const int32_t found = mw_dictionary_find(names, key);
    if (member < p->room) p->order[member] = found;
    return found;
}

/* False: the text is no JSON. */
static bool read_cell(parser *p, int32_t code, mw_json_event event) {
    mw_live_rows *r = p->rows;
    const mw_live_columns *c = r->columns;
    int64_t time;
    if (code < 0 || event == MW_JSON_NULL) return mw_json_skip(&p->json, event);
    switch (event) {
    case MW_JSON_STRING: mw_live__text(r, code, p->json.string); return true;
    case MW_JSON_NUMBER:
        if (code < c->first_time)
            mw_live__number(r, code, p->json.number);
        else if (code >= c->first_text)
            mw_live__word(r, code, p->json.string);
        else if (code >= c->first_device)
            mw_live__device(r, code, p->json.string);
        else if (mw_live__epoch(p->json.string, &time))
            mw_live__time(r, time);
        else
            mw_live__bad(r, "its time, %.40g, is none", p->json.number);
        return true;
    case MW_JSON_TRUE:
    case MW_JSON_FALSE:
        if (code < c->first_time) {
            mw_live__number(r, code, event == MW_JSON_TRUE);
            return true;
        }
        if (code >= c->first_text) {
            mw_live__word(r, code, event == MW_JSON_TRUE ? MW_STR("true") : MW_STR("false"));
            return true;
        }
        break;
    default: break;
    }
    const mw_str name = mw_dictionary_text(c->names, code);
    mw_live__bad(r, "%.*s is no single value", name.size > 100 ? 100 : (int)name.size, name.data);
    return mw_json_skip(&p->json, event);
}

static mw_status read_row(parser *p, mw_json_event event, mw_err *err) {
    mw_status status = mw_live__begin_row(p->rows, err);
    if (status) return status;
    if (event != MW_JSON_OBJECT) {
        mw_live__bad(p->rows, "it is no object");
        if (!mw_json_skip(&p->json, event)) return MW_EPARSE;
        return mw_live__end_row(p->rows, err);
    }
    for (int32_t member = 0;; member++) {
        event = mw_json_next(&p->json);
        if (event == MW_JSON_OBJECT_END) return mw_live__end_row(p->rows, err);
        if (event != MW_JSON_KEY) return MW_EPARSE;
        const int32_t code = find_column(p, member, p->json.string);
        event = mw_json_next(&p->json);
        if (event == MW_JSON_ERROR || !read_cell(p, code, event)) return MW_EPARSE;
    }
}

static mw_status fail_rows(mw_err *err, const char *what) {
    mw_fail(err, MW_EINVAL, "%s", what);
    mw_err_hint(err, "{\"rows\": [{\"time\": \"2026-03-01T00:00:00Z\", ...}, ...]}");
    return mw_err_at(err, "rows");
}

static mw_status read_rows(parser *p, mw_err *err) {
    mw_json_event event = mw_json_next(&p->json);
    if (event == MW_JSON_ERROR) return MW_EPARSE;
    if (event != MW_JSON_ARRAY) return fail_rows(err, "\"rows\" must be an array of objects");
    for (;;) {
        event = mw_json_next(&p->json);
        if (event == MW_JSON_ARRAY_END) return MW_OK;
        if (event == MW_JSON_ERROR) return MW_EPARSE;
        mw_status status = read_row(p, event, err);
        if (status) return status;
    }
}

static mw_status read_document(parser *p, mw_err *err) {
    bool found = false;
    mw_json_event event = mw_json_next(&p->json);
    if (event == MW_JSON_ERROR) return MW_EPARSE;
    if (event != MW_JSON_OBJECT) return fail_rows(err, "the body must be a JSON object");
    for (;;) {
        event = mw_json_next(&p->json);
        if (event == MW_JSON_OBJECT_END) break;
        if (event != MW_JSON_KEY) return MW_EPARSE;
        if (!mw_str_is(p->json.string, "rows")) {
            if (!mw_json_skip(&p->json, mw_json_next(&p->json))) return MW_EPARSE;
            continue;
        }
        if (found) return fail_rows(err, "\"rows\" is there twice");
        found = true;
        mw_status status = read_rows(p, err);
        if (status) return status;
    }
    if (!found) return fail_rows(err, "the body has no \"rows\"");
    return mw_json_next(&p->json) == MW_JSON_END ? MW_OK : MW_EPARSE;
}

mw_status mw_live__read_json(mw_live_rows *rows, mw_str body, mw_err *err) {
    mw_err own = {0};
    if (!err) err = &own;
    parser p = {.rows = rows, .room = mw_dictionary_size(rows->columns->names)};
    mw_arena_init(&p.arena, rows->mem);
    p.order = mw_calloc(rows->mem, (size_t)p.room + 1, sizeof *p.order);
    mw_json_reader_init(&p.json, body.data, body.size, &p.arena, err);
    mw_status status =
        p.order ? read_document(&p, err) : mw_fail_nomem(err, "the rows of a request");
    if (status && err->code) status = err->code;
    mw_free(p.order);
    mw_arena_done(&p.arena);
    return status;
}
