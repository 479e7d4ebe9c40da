/*
 * json.c -- see json.h; the pull reader.
 *
 * Algorithm  a state machine with one bit a level (object or array) instead of a stack, so the
 * depth is bounded and nothing recurses. Strings without escapes are views of the text.
 */
#include "core/text/json.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/text/number.h"

typedef enum state {
    VALUE,         /* a value must come */
    FIRST_ELEMENT, /* a value or ] */
    FIRST_KEY,     /* a key or } */
    COLON_VALUE,   /* a colon and a value */
    AFTER,         /* behind a value: comma, bracket, or the end of the text */
    DONE,
    FAILED
} state;

void mw_json_reader_init(mw_json_reader *reader, const char *text, size_t size, mw_arena *arena,
                         mw_err *err) {
    *reader = (mw_json_reader){.text = text, .size = size, .arena = arena, .err = err};
}

/* Columns count bytes: what an editor's "go to byte" and most parsers count. */
static mw_json_event fail_at(mw_json_reader *r, size_t at, const char *what) {
    r->state = FAILED;
    size_t line = 1, line_at = 0;
    for (size_t i = 0; i < at; i++) {
        if (r->text[i] != '\n') continue;
        line++;
        line_at = i + 1;
    }
    mw_fail(r->err, MW_EPARSE, "not valid JSON: %s (line %zu, column %zu)", what, line,
            at - line_at + 1);
    return MW_JSON_ERROR;
}

static mw_json_event fail_memory(mw_json_reader *r) {
    r->state = FAILED;
    mw_fail_nomem(r->err, "reading JSON");
    return MW_JSON_ERROR;
}

static void skip_blanks(mw_json_reader *r) {
    while (r->at < r->size) {
        char c = r->text[r->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
        r->at++;
    }
}

static bool in_object(const mw_json_reader *r) {
    uint32_t level = r->depth - 1;
    return r->in_object[level / 64] >> (level % 64) & 1;
}

static mw_json_event open_container(mw_json_reader *r, bool object) {
    if (r->depth >= (uint32_t)MW_LIMIT(JSON_DEPTH) || r->depth >= 64 * sizeof r->in_object / 8)
        return fail_at(r, r->at, "nested too deeply");
    uint64_t bit = UINT64_C(1) << (r->depth % 64);
    uint64_t *word = &r->in_object[r->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    r->depth++;
    r->at++;
    r->state = object ? FIRST_KEY : FIRST_ELEMENT;
    return object ? MW_JSON_OBJECT : MW_JSON_ARRAY;
}

static mw_json_event close_container(mw_json_reader *r) {
    bool object = in_object(r);
    r->depth--;
    r->at++;
    r->state = AFTER;
    return object ? MW_JSON_OBJECT_END : MW_JSON_ARRAY_END;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at `at`, or -1. */
static int32_t hex4(const char *text, size_t size, size_t at) {
    if (size - at < 4) return -1;
    int32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(text[at + i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t c) {
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* Decodes \uXXXX (or a surrogate pair) whose first hex digit is at *at; NULL says what is wrong. */
static char *decode_unicode(mw_json_reader *r, size_t *at, size_t end, char *out) {
    int32_t first = hex4(r->text, end, *at);
    if (first < 0) {
        fail_at(r, *at, "\\u must be followed by four hex digits");
        return NULL;
    }
    *at += 4;
    uint32_t c = (uint32_t)first;
    if (c >= 0xD800 && c <= 0xDFFF) {
        int32_t second = -1;
        if (c < 0xDC00 && end - *at >= 6 && r->text[*at] == '\\' && r->text[*at + 1] == 'u')
            second = hex4(r->text, end, *at + 2);
        if (second < 0xDC00 || second > 0xDFFF) {
            fail_at(r, *at - 6, "half of a surrogate pair");
            return NULL;
        }
        *at += 6;
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)second - 0xDC00);
    }
    return put_utf8(out, c);
}

/* text[begin..end) has escapes; decoding never makes it longer. */
static bool decode(mw_json_reader *r, size_t begin, size_t end) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *out = mw_arena_alloc(r->arena, end - begin + 1);
    if (!out) {
        fail_memory(r);
        return false;
    }
    char *p = out;
    for (size_t i = begin; i < end;) {
        const char *escape = memchr(r->text + i, '\\', end - i);
        size_t plain = escape ? (size_t)(escape - (r->text + i)) : end - i;
        memcpy(p, r->text + i, plain);
        p += plain;
        i += plain;
        if (!escape) break;
        char c = r->text[i + 1]; /* the closing quote is not escaped, so there is one */
        i += 2;
        const char *known = c ? strchr(from, c) : NULL;
        if (known) {
            *p++ = to[known - from];
        } else if (c == 'u') {
            p = decode_unicode(r, &i, end, p);
            if (!p) return false;
        } else {
            fail_at(r, i - 2, "unknown escape");
            return false;
        }
    }
    *p = '\0';
    r->string = (mw_str){out, (size_t)(p - out)};
    return true;
}

/* The string whose opening quote is at r->at. */
static bool read_string(mw_json_reader *r) {
    size_t begin = r->at + 1, i = begin;
    bool escaped = false, ascii = true;
    for (;; i++) {
        if (i >= r->size) {
            fail_at(r, r->at, "a string is never closed");
            return false;
        }
        unsigned char c = (unsigned char)r->text[i];
        if (c == '"') break;
        if (c < 0x20) {
            fail_at(r, i, "a control character in a string");
            return false;
        }
        ascii = ascii && c < 0x80;
        if (c != '\\') continue;
        escaped = true;
        i++;
    }
    if (!ascii && !mw_utf8_valid(r->text + begin, i - begin)) {
        fail_at(r, r->at, "a string is not UTF-8");
        return false;
    }
    r->string = (mw_str){r->text + begin, i - begin};
    if (escaped && !decode(r, begin, i)) return false;
    r->at = i + 1;
    return true;
}

static size_t skip_digits(const mw_json_reader *r, size_t i) {
    while (i < r->size && (unsigned)(r->text[i] - '0') <= 9) i++;
    return i;
}

static mw_json_event read_number(mw_json_reader *r) {
    size_t begin = r->at, i = begin;
    if (r->text[i] == '-') i++;
    size_t whole = i;
    i = skip_digits(r, i);
    if (i == whole) return fail_at(r, i, "a digit must follow the minus sign");
    if (r->text[whole] == '0' && i - whole > 1)
        return fail_at(r, whole, "a number with leading zeros");
    if (i < r->size && r->text[i] == '.') {
        size_t fraction = ++i;
        i = skip_digits(r, i);
        if (i == fraction) return fail_at(r, i, "a digit must follow the decimal point");
    }
    if (i < r->size && (r->text[i] | 0x20) == 'e') {
        i++;
        if (i < r->size && (r->text[i] == '+' || r->text[i] == '-')) i++;
        size_t exponent = i;
        i = skip_digits(r, i);
        if (i == exponent) return fail_at(r, i, "a digit must follow the exponent sign");
    }
    r->string = (mw_str){r->text + begin, i - begin};
    if (!mw_number_read(r->string.data, r->string.size, &r->number))
        return fail_at(r, begin, "not a number");
    if (r->number - r->number != 0) return fail_at(r, begin, "a number too large for a double");
    r->at = i;
    r->state = AFTER;
    return MW_JSON_NUMBER;
}

static mw_json_event read_word(mw_json_reader *r, const char *word, mw_json_event event) {
    size_t n = strlen(word);
    if (r->size - r->at < n || memcmp(r->text + r->at, word, n) != 0)
        return fail_at(r, r->at, "unknown word");
    r->at += n;
    r->state = AFTER;
    return event;
}

static mw_json_event read_value(mw_json_reader *r) {
    if (r->at == r->size) return fail_at(r, r->at, "the text ends where a value must come");
    char c = r->text[r->at];
    switch (c) {
    case '{': return open_container(r, true);
    case '[': return open_container(r, false);
    case '"':
        if (!read_string(r)) return MW_JSON_ERROR;
        r->state = AFTER;
        return MW_JSON_STRING;
    case 't': return read_word(r, "true", MW_JSON_TRUE);
    case 'f': return read_word(r, "false", MW_JSON_FALSE);
    case 'n': return read_word(r, "null", MW_JSON_NULL);
    default: break;
    }
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r);
    if (r->at == 0 && (unsigned char)c == 0xEF) return fail_at(r, 0, "a byte-order mark");
    return fail_at(r, r->at, "a value must come here");
}

static mw_json_event read_key(mw_json_reader *r) {
    if (r->at == r->size || r->text[r->at] != '"')
        return fail_at(r, r->at, "a key in double quotes must come here");
    if (!read_string(r)) return MW_JSON_ERROR;
    r->state = COLON_VALUE;
    return MW_JSON_KEY;
}

static mw_json_event read_after(mw_json_reader *r) {
    if (r->depth == 0) {
        if (r->at < r->size) return fail_at(r, r->at, "text after the value");
        r->state = DONE;
        return MW_JSON_END;
    }
    if (r->at == r->size) return fail_at(r, r->at, "the text ends inside an object or array");
    char c = r->text[r->at];
    bool object = in_object(r);
    if (c == (object ? '}' : ']')) return close_container(r);
    if (c != ',')
        return fail_at(r, r->at,
                       object ? "a comma or } must come here" : "a comma or ] must come here");
    r->at++;
    skip_blanks(r);
    if (object) return read_key(r);
    return read_value(r);
}

mw_json_event mw_json_next(mw_json_reader *r) {
    skip_blanks(r);
    bool more = r->at < r->size;
    switch ((state)r->state) {
    case VALUE: return read_value(r);
    case FIRST_ELEMENT: return more && r->text[r->at] == ']' ? close_container(r) : read_value(r);
    case FIRST_KEY: return more && r->text[r->at] == '}' ? close_container(r) : read_key(r);
    case COLON_VALUE:
        if (!more || r->text[r->at] != ':') return fail_at(r, r->at, "a colon must come here");
        r->at++;
        skip_blanks(r);
        return read_value(r);
    case AFTER: return read_after(r);
    case DONE: return MW_JSON_END;
    case FAILED: break;
    }
    return MW_JSON_ERROR;
}

bool mw_json_skip(mw_json_reader *reader, mw_json_event first) {
    if (first == MW_JSON_ERROR) return false;
    if (first != MW_JSON_OBJECT && first != MW_JSON_ARRAY) return true;
    uint32_t outside = reader->depth - 1;
    while (reader->depth > outside)
        if (mw_json_next(reader) == MW_JSON_ERROR) return false;
    return true;
}
