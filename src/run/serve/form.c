/*
 * form.c -- see form.h.
 *
 * A delimiter is CR LF, two dashes and the boundary, in which no CR can stand. So where it fails to match, what
 * had matched is content and no shorter match can have begun in it: those bytes are handed out from the
 * delimiter itself, and nothing of the input need be kept over a cut.
 */
#include "run/serve/form.h"

#include <string.h>

#include "core/base/limits.h"
#include "run/serve/guard.h"

enum phase { PREAMBLE, BOUNDARY_END, CLOSING, BOUNDARY_LINE, HEADERS, CONTENT, EPILOGUE, FAILED };

static mw_form_event fail(mw_form *form, mw_status code, const char *what) {
    mw_fail(&form->error, code, "%s", what);
    form->phase = FAILED;
    return MW_FORM_ERROR;
}

/* ---- the boundary ---- */

static bool is_boundary(mw_str text) {
    static const char others[] = "'()+_,-./:=? ";
    if (text.size == 0 || text.size > MW_FORM_BOUNDARY_MAX) return false;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i], lower = c | 0x20;
        const bool letter = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(others, c))) return false;
    }
    return text.data[text.size - 1] != ' ';
}

/* Takes `name=value` or `name="va\"lue"` off the front; value into out, cut to capacity. False at the end or when malformed.
 */
static bool next_parameter(mw_str *rest, mw_str *name, char *out, size_t capacity) {
    const char *at = rest->data, *end = at + rest->size;
    size_t n = 0;
    while (at < end && (*at == ';' || *at == ' ' || *at == '\t')) at++;
    const char *equals = at < end ? memchr(at, '=', (size_t)(end - at)) : NULL;
    if (!equals) return false;
    *name = mw_str_trim((mw_str){at, (size_t)(equals - at)});
    at = equals + 1;
    const bool quoted = at < end && *at == '"';
    bool closed = !quoted;
    if (quoted) at++;
    for (; at < end; at++) {
        if (quoted ? *at == '"' : *at == ';') break;
        if (quoted && *at == '\\' && at + 1 < end && (at[1] == '"' || at[1] == '\\')) at++;
        if (n + 1 >= capacity) return false;
        out[n++] = *at;
    }
    if (quoted && at < end) closed = true, at++;
    while (!quoted && n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t')) n--;
    out[n] = '\0';
    *rest = (mw_str){at, (size_t)(end - at)};
    return closed;
}

bool mw_form_boundary(mw_str content_type, char out[MW_FORM_BOUNDARY_MAX + 1]) {
    char value[MW_FORM_NAME_MAX];
    mw_str name, rest = content_type;
    if (!mw_str_is_nocase(mw_guard_next_part(&rest, ';'), "multipart/form-data")) return false;
    while (next_parameter(&rest, &name, value, sizeof value)) {
        if (!mw_str_is_nocase(name, "boundary")) continue;
        if (!is_boundary(mw_str_of(value))) return false;
        mw_str_copy(out, MW_FORM_BOUNDARY_MAX + 1, mw_str_of(value));
        return true;
    }
    return false;
}

/* ---- header lines ---- */

static bool is_text(const char *text) {
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return false;
    return mw_utf8_valid(text, n);
}

/* `form-data; name="..."; filename="..."`. filename* does not count here (RFC 7578, 4.2). */
static bool read_disposition(mw_form *form, mw_str value) {
    char text[MW_FORM_NAME_MAX];
    mw_str name;
    bool named = false;
    if (!mw_str_is_nocase(mw_guard_next_part(&value, ';'), "form-data")) return false;
    while (mw_str_trim(value).size) {
        if (!next_parameter(&value, &name, text, sizeof text) || !is_text(text)) return false;
        if (mw_str_is_nocase(name, "name")) {
            if (named) return false;
            named = true;
            memcpy(form->name, text, sizeof text);
        } else if (mw_str_is_nocase(name, "filename")) {
            if (form->is_file) return false;
            form->is_file = true;
            memcpy(form->file_name, text, sizeof text);
        }
    }
    return named;
}

static bool is_plain_encoding(mw_str value) {
    return mw_str_is_nocase(value, "binary") || mw_str_is_nocase(value, "8bit") ||
           mw_str_is_nocase(value, "7bit");
}

/* One line, without its end. */
static mw_form_event read_line(mw_form *form, mw_str line, bool *disposed) {
    const char *colon = memchr(line.data, ':', line.size);
    if (!colon || line.data[0] == ' ' || line.data[0] == '\t')
        return fail(form, MW_EPARSE, "a part of the form has a header line that is none");
    const mw_str name = {line.data, (size_t)(colon - line.data)};
    const mw_str value = mw_str_trim((mw_str){colon + 1, line.size - name.size - 1});
    if (mw_str_is_nocase(name, "Content-Disposition")) {
        if (*disposed || !read_disposition(form, value))
            return fail(form, MW_EPARSE, "a part of the form has no readable name");
        *disposed = true;
    } else if (mw_str_is_nocase(name, "Content-Transfer-Encoding") && !is_plain_encoding(value)) {
        return fail(form, MW_EPARSE, "a part of the form is encoded for mail: send it as it is");
    }
    return MW_FORM_MORE;
}

static mw_form_event read_head(mw_form *form) {
    mw_str rest = mw_buf_str(&form->head);
    bool disposed = false;
    form->is_file = false;
    form->name[0] = form->file_name[0] = '\0';
    while (rest.size > 2) {
        const char *end = memchr(rest.data, '\n', rest.size);
        const size_t n = (size_t)(end - rest.data) + 1;
        if (read_line(form, (mw_str){rest.data, n - 2}, &disposed) == MW_FORM_ERROR)
            return MW_FORM_ERROR;
        rest = (mw_str){rest.data + n, rest.size - n};
    }
    if (!disposed) return fail(form, MW_EPARSE, "a part of the form has no Content-Disposition");
    if (++form->n_parts > MW_LIMIT(FORM_PARTS))
        return fail(form, MW_ETOOLARGE, "the form has too many parts");
    form->phase = CONTENT;
    form->matched = 0;
    mw_buf_clear(&form->kept);
    return form->is_file ? MW_FORM_FILE : MW_FORM_MORE;
}

/* Up to the empty line. */
static mw_form_event feed_head(mw_form *form, const char *data, size_t size, size_t *used) {
    while (*used < size) {
        const char *from = data + *used;
        const char *end = memchr(from, '\n', size - *used);
        const size_t n = end ? (size_t)(end - from) + 1 : size - *used;
        mw_buf_append(&form->head, from, n);
        *used += n;
        if (form->head.failed == MW_ETOOLARGE)
            return fail(form, MW_ETOOLARGE, "a part of the form has too large a header");
        if (form->head.failed != MW_OK)
            return fail(form, MW_ENOMEM, "not enough memory for a form");
        if (!end) break;
        const size_t line = form->head.size - form->line_start;
        if (line < 2 || form->head.data[form->head.size - 2] != '\r')
            return fail(form, MW_EPARSE, "a header line of the form does not end in CR LF");
        form->line_start = form->head.size;
        if (line == 2) return read_head(form);
    }
    return MW_FORM_MORE;
}

/* ---- content ---- */

/* A run of content: of a file it is handed out, of a field kept, before the first part dropped. */
static mw_form_event take(mw_form *form, const char *data, size_t size) {
    if (form->phase == PREAMBLE || form->phase == EPILOGUE) {
        form->dropped_bytes += (int64_t)size;
        if (form->dropped_bytes > MW_LIMIT(FORM_HEADER_BYTES))
            return fail(form, MW_EPARSE,
                        "the body has no boundary of its form where one should be");
        return MW_FORM_MORE;
    }
    form->data = (mw_str){data, size};
    if (form->is_file) return MW_FORM_DATA;
    mw_buf_append(&form->kept, data, size);
    form->fields_bytes += (int64_t)size;
    if (form->kept.failed == MW_ENOMEM)
        return fail(form, MW_ENOMEM, "not enough memory for a form");
    if (form->kept.failed != MW_OK || form->fields_bytes > MW_LIMIT(FORM_FIELDS_BYTES))
        return fail(form, MW_ETOOLARGE, "the fields of the form are too large");
    return MW_FORM_MORE;
}

static mw_form_event end_part(mw_form *form) {
    const bool field = form->phase == CONTENT && !form->is_file;
    form->phase = BOUNDARY_END;
    form->matched = 0;
    form->value = mw_buf_str(&form->kept);
    return field ? MW_FORM_FIELD : MW_FORM_MORE;
}

static mw_form_event feed_content(mw_form *form, const char *data, size_t size, size_t *used) {
    mw_form_event event = MW_FORM_MORE;
    while (*used < size && event == MW_FORM_MORE && form->phase != BOUNDARY_END) {
        const char *from = data + *used;
        if (form->matched == 0) {
            const char *cr = memchr(from, '\r', size - *used);
            const size_t n = cr ? (size_t)(cr - from) : size - *used;
            if (cr) form->matched = 1;
            *used += n + (cr != NULL);
            if (n) event = take(form, from, n);
        } else if (*from == form->delimiter[form->matched]) {
            ++*used;
            if (++form->matched == form->delimiter_size) event = end_part(form);
        } else {
            const size_t n = form->matched;
            form->matched = 0;
            event = take(form, form->delimiter, n);
        }
    }
    return event;
}

/* ---- between parts ---- */

static mw_form_event fail_boundary(mw_form *form) {
    return fail(form, MW_EPARSE, "a boundary of the form goes on as it should not");
}

/* Behind a boundary: blanks and CR LF, or two dashes. `matched` counts the blanks. */
static mw_form_event feed_boundary(mw_form *form, char c) {
    switch (form->phase) {
    case CLOSING:
        if (c != '-') return fail_boundary(form);
        form->phase = EPILOGUE;
        form->dropped_bytes = 0;
        return MW_FORM_END;
    case BOUNDARY_LINE:
        if (c != '\n') return fail_boundary(form);
        form->phase = HEADERS;
        form->line_start = 0;
        mw_buf_clear(&form->head);
        return MW_FORM_MORE;
    default: break;
    }
    const bool blank = c == ' ' || c == '\t';
    if (blank && form->matched++ < MW_FORM_BOUNDARY_MAX) return MW_FORM_MORE;
    if (c == '\r')
        form->phase = BOUNDARY_LINE;
    else if (c == '-' && form->matched == 0)
        form->phase = CLOSING;
    else
        return fail_boundary(form);
    return MW_FORM_MORE;
}

mw_form_event mw_form_feed(mw_form *form, const char *data, size_t size, size_t *used) {
    mw_form_event event = MW_FORM_MORE;
    *used = 0;
    if (form->phase == FAILED) return MW_FORM_ERROR;
    while (*used < size && event == MW_FORM_MORE) {
        switch (form->phase) {
        case PREAMBLE:
        case CONTENT: event = feed_content(form, data, size, used); break;
        case HEADERS: event = feed_head(form, data, size, used); break;
        case EPILOGUE:
            event = take(form, data + *used, size - *used);
            *used = size;
            break;
        default: event = feed_boundary(form, data[(*used)++]); break;
        }
    }
    return event;
}

/* ---- life ---- */

void mw_form_init(mw_form *form, mw_mem *mem, const char *boundary) {
    *form = (mw_form){.matched = 2, .phase = PREAMBLE}; /* the first boundary may begin the body */
    const size_t n = strlen(boundary);
    memcpy(form->delimiter, "\r\n--", 4);
    memcpy(form->delimiter + 4, boundary, n + 1);
    form->delimiter_size = n + 4;
    mw_buf_init(&form->head, mem, (size_t)MW_LIMIT(FORM_HEADER_BYTES));
    mw_buf_init(&form->kept, mem, (size_t)MW_LIMIT(STRING_BYTES));
}

void mw_form_done(mw_form *form) {
    mw_buf_done(&form->head);
    mw_buf_done(&form->kept);
}

bool mw_form_ended(const mw_form *form) { return form->phase == EPILOGUE; }
