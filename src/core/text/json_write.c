/*
 * json_write.c -- see json.h; the writer. One flag says whether a comma is due: behind a closed
 * container there always is one to come, so no stack is needed.
 */
#include <string.h>

#include "core/text/datetime.h"
#include "core/text/json.h"
#include "core/text/number.h"

void mw_json_writer_init(mw_json_writer *writer, mw_buf *buf, int indent) {
    *writer = (mw_json_writer){.buf = buf, .first = true, .indent = indent};
}

static void new_line(mw_json_writer *writer) {
    if (!writer->indent) return;
    mw_buf_add_char(writer->buf, '\n');
    for (uint32_t i = 0; i < writer->depth * (uint32_t)writer->indent; i++)
        mw_buf_add_char(writer->buf, ' ');
}

/* What stands before a value or a key. */
static void begin_item(mw_json_writer *writer) {
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (!writer->first) mw_buf_add_char(writer->buf, ',');
    writer->first = false;
    if (writer->depth) new_line(writer);
}

static void open_container(mw_json_writer *writer, char bracket) {
    begin_item(writer);
    mw_buf_add_char(writer->buf, bracket);
    writer->depth++;
    writer->first = true;
}

static void close_container(mw_json_writer *writer, char bracket) {
    writer->depth--;
    if (!writer->first) new_line(writer);
    mw_buf_add_char(writer->buf, bracket);
    writer->first = false;
}

void mw_json_object(mw_json_writer *writer) { open_container(writer, '{'); }
void mw_json_object_end(mw_json_writer *writer) { close_container(writer, '}'); }
void mw_json_array(mw_json_writer *writer) { open_container(writer, '['); }
void mw_json_array_end(mw_json_writer *writer) { close_container(writer, ']'); }

/* Length of the valid UTF-8 sequence at text, or 0; *bad then says how many bytes one U+FFFD
 * replaces (the longest beginning of a sequence: Unicode 15, section 3.9, table 3-8). */
static size_t sequence(const char *text, size_t size, size_t *bad) {
    unsigned char c = (unsigned char)text[0];
    size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    *bad = 1;
    if (c < 0xC2 || c > 0xF4) return 0;
    for (size_t i = 1; i < n; i++) {
        unsigned low = 0x80, high = 0xBF;
        if (i == 1) {
            low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
            high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        }
        if (i == size || (unsigned char)text[i] < low || (unsigned char)text[i] > high) {
            *bad = i;
            return 0;
        }
    }
    return n;
}

static void write_escaped(mw_buf *buf, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        char pair[2] = {'\\', to[known - from]};
        mw_buf_append(buf, pair, 2);
    } else {
        static const char hex[] = "0123456789abcdef";
        char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        mw_buf_append(buf, text, sizeof text);
    }
}

static void write_quoted(mw_buf *buf, mw_str text) {
    mw_buf_add_char(buf, '"');
    size_t begin = 0, i = 0; /* text[begin..i) goes out as it is */
    while (i < text.size) {
        unsigned char c = (unsigned char)text.data[i];
        size_t bad, n = 1;
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        if (c >= 0x80 && (n = sequence(text.data + i, text.size - i, &bad)) > 0) {
            i += n;
            continue;
        }
        mw_buf_append(buf, text.data + begin, i - begin);
        if (c >= 0x80) {
            mw_buf_append(buf, "\xEF\xBF\xBD", 3);
            i += bad;
        } else {
            write_escaped(buf, c);
            i++;
        }
        begin = i;
    }
    if (i > begin) mw_buf_append(buf, text.data + begin, i - begin);
    mw_buf_add_char(buf, '"');
}

void mw_json_key_str(mw_json_writer *writer, mw_str key) {
    begin_item(writer);
    write_quoted(writer->buf, key);
    mw_buf_add(writer->buf, writer->indent ? ": " : ":");
    writer->after_key = true;
}

void mw_json_key(mw_json_writer *writer, const char *key) {
    mw_json_key_str(writer, mw_str_of(key));
}

void mw_json_write_str(mw_json_writer *writer, mw_str text) {
    begin_item(writer);
    write_quoted(writer->buf, text);
}

void mw_json_write_string(mw_json_writer *writer, const char *text) {
    if (text)
        mw_json_write_str(writer, mw_str_of(text));
    else
        mw_json_write_null(writer);
}

void mw_json_write_raw(mw_json_writer *writer, mw_str json) {
    begin_item(writer);
    mw_buf_add_str(writer->buf, json);
}

void mw_json_write_null(mw_json_writer *writer) { mw_json_write_raw(writer, MW_STR("null")); }

void mw_json_write_bool(mw_json_writer *writer, bool value) {
    mw_json_write_raw(writer, value ? MW_STR("true") : MW_STR("false"));
}

void mw_json_write_number(mw_json_writer *writer, double value) {
    if (value - value != 0) { /* NaN or infinite: JSON has neither */
        mw_json_write_null(writer);
        return;
    }
    begin_item(writer);
    mw_buf_add_number(writer->buf, value);
}

void mw_json_write_int(mw_json_writer *writer, int64_t value) {
    begin_item(writer);
    mw_buf_add_int(writer->buf, value);
}

void mw_json_write_time(mw_json_writer *writer, int64_t time_us) {
    if (time_us == MW_TIME_NONE) {
        mw_json_write_null(writer);
        return;
    }
    char text[MW_TIME_TEXT_MAX];
    size_t n = mw_time_print(time_us, text);
    mw_json_write_str(writer, (mw_str){text, n});
}

/* Recurses no deeper than the reader that made the tree allows. */
void mw_json_write_value(mw_json_writer *writer, const mw_json *value) {
    if (!value) {
        mw_json_write_null(writer);
        return;
    }
    switch (value->kind) {
    case MW_JSON_OBJECT:
        mw_json_object(writer);
        for (const mw_json *child = value->first; child; child = child->next) {
            mw_json_key_str(writer, child->key);
            mw_json_write_value(writer, child);
        }
        mw_json_object_end(writer);
        return;
    case MW_JSON_ARRAY:
        mw_json_array(writer);
        for (const mw_json *child = value->first; child; child = child->next)
            mw_json_write_value(writer, child);
        mw_json_array_end(writer);
        return;
    case MW_JSON_STRING: mw_json_write_str(writer, value->string); return;
    case MW_JSON_NUMBER: mw_json_write_raw(writer, value->string); return;
    case MW_JSON_TRUE: mw_json_write_bool(writer, true); return;
    case MW_JSON_FALSE: mw_json_write_bool(writer, false); return;
    default: mw_json_write_null(writer); return;
    }
}

void mw_json_add_string(mw_json_writer *writer, const char *key, const char *text) {
    mw_json_key(writer, key);
    mw_json_write_string(writer, text);
}

void mw_json_add_str(mw_json_writer *writer, const char *key, mw_str text) {
    mw_json_key(writer, key);
    mw_json_write_str(writer, text);
}

void mw_json_add_number(mw_json_writer *writer, const char *key, double value) {
    mw_json_key(writer, key);
    mw_json_write_number(writer, value);
}

void mw_json_add_int(mw_json_writer *writer, const char *key, int64_t value) {
    mw_json_key(writer, key);
    mw_json_write_int(writer, value);
}

void mw_json_add_bool(mw_json_writer *writer, const char *key, bool value) {
    mw_json_key(writer, key);
    mw_json_write_bool(writer, value);
}

void mw_json_add_time(mw_json_writer *writer, const char *key, int64_t time_us) {
    mw_json_key(writer, key);
    mw_json_write_time(writer, time_us);
}
