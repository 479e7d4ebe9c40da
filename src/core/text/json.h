/*
 * json.h -- the one JSON reader and writer (RFC 8259), for every body and file.
 *
 * Reader    pulls one event at a time from a complete text in memory. Refused: invalid UTF-8,
 *           unpaired surrogates, control characters, a byte-order mark, trailing commas, anything
 *           after the value, depth beyond MW_LIMIT(JSON_DEPTH), numbers outside RFC 8259's grammar or
 *           beyond a double. A key that comes twice in one object is refused by mw_json_parse only.
 *           \u0000 is a character like others: a decoded string may hold a NUL.
 * Writer    appends to an mw_buf; commas and quoting are its business. NaN and infinities become null.
 * Tree      for small documents that are looked into by name; nodes live in an arena.
 */
#ifndef MW_CORE_TEXT_JSON_H
#define MW_CORE_TEXT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/str.h"

typedef enum mw_json_event {
    MW_JSON_ERROR,
    MW_JSON_END, /* after the one value */
    MW_JSON_OBJECT,
    MW_JSON_OBJECT_END,
    MW_JSON_ARRAY,
    MW_JSON_ARRAY_END,
    MW_JSON_KEY,
    MW_JSON_STRING,
    MW_JSON_NUMBER,
    MW_JSON_TRUE,
    MW_JSON_FALSE,
    MW_JSON_NULL
} mw_json_event;

typedef struct mw_json_reader {
    const char *text; /* [size], borrowed */
    size_t size;
    size_t at;
    mw_arena *arena; /* strings with escapes are decoded here; others point into text */
    mw_str string;   /* after KEY, STRING: the decoded text; after NUMBER: its digits as written */
    double number;   /* after NUMBER */
    mw_err *err;     /* filled on MW_JSON_ERROR: what, line and column */
    uint32_t depth;
    uint8_t state;
    uint64_t in_object[2]; /* bit d: level d is an object */
} mw_json_reader;

void mw_json_reader_init(mw_json_reader *reader, const char *text, size_t size, mw_arena *arena,
                         mw_err *err);
mw_json_event mw_json_next(mw_json_reader *reader);
/* Skips the value whose first event has just been returned. False on error. */
bool mw_json_skip(mw_json_reader *reader, mw_json_event first);

typedef struct mw_json mw_json;
struct mw_json {
    mw_json_event kind; /* OBJECT, ARRAY, STRING, NUMBER, TRUE, FALSE, NULL */
    mw_str key;         /* in an object; a view as string is */
    mw_str string; /* STRING; NUMBER as written; a view of the text where nothing was escaped */
    double number; /* NUMBER */
    uint32_t n_children; /* OBJECT, ARRAY */
    mw_json *first;      /* child */
    mw_json *next;       /* sibling */
};

/* Parses a whole document, which must live as long as the tree; MW_EPARSE with line and column; a repeated key is an error. */
mw_status mw_json_parse(mw_arena *arena, const char *text, size_t size, const mw_json **ret,
                        mw_err *err);

/* All take NULL and wrong kinds and then give NULL or the fallback. */
const mw_json *mw_json_get(const mw_json *object, const char *key);
const mw_json *mw_json_at(const mw_json *array, uint32_t index);
double mw_json_number(const mw_json *value, double fallback);
int64_t mw_json_int(const mw_json *value,
                    int64_t fallback); /* fallback unless it is a whole number */
mw_str mw_json_string(const mw_json *value, const char *fallback);
bool mw_json_bool(const mw_json *value, bool fallback);

typedef struct mw_json_writer {
    mw_buf *buf;
    uint32_t depth;
    bool first; /* the next item is the first of its container */
    bool after_key;
    int indent; /* 0: compact; else blanks per level */
} mw_json_writer;

void mw_json_writer_init(mw_json_writer *writer, mw_buf *buf, int indent);
void mw_json_object(mw_json_writer *writer);
void mw_json_object_end(mw_json_writer *writer);
void mw_json_array(mw_json_writer *writer);
void mw_json_array_end(mw_json_writer *writer);
void mw_json_key(mw_json_writer *writer, const char *key);
void mw_json_key_str(mw_json_writer *writer, mw_str key);
void mw_json_write_string(mw_json_writer *writer, const char *text); /* NULL: null */
void mw_json_write_str(mw_json_writer *writer, mw_str text);     /* invalid UTF-8 becomes U+FFFD */
void mw_json_write_number(mw_json_writer *writer, double value); /* shortest form */
void mw_json_write_int(mw_json_writer *writer, int64_t value);
void mw_json_write_bool(mw_json_writer *writer, bool value);
void mw_json_write_null(mw_json_writer *writer);
void mw_json_write_raw(mw_json_writer *writer, mw_str json);            /* already valid JSON */
void mw_json_write_value(mw_json_writer *writer, const mw_json *value); /* a parsed tree */
void mw_json_write_time(mw_json_writer *writer, int64_t time_us);       /* MW_TIME_NONE: null */

/* key and value in one call. */
void mw_json_add_string(mw_json_writer *writer, const char *key, const char *text);
void mw_json_add_str(mw_json_writer *writer, const char *key, mw_str text);
void mw_json_add_number(mw_json_writer *writer, const char *key, double value);
void mw_json_add_int(mw_json_writer *writer, const char *key, int64_t value);
void mw_json_add_bool(mw_json_writer *writer, const char *key, bool value);
void mw_json_add_time(mw_json_writer *writer, const char *key, int64_t time_us);

#endif
