/*
 * arrowmeta.c -- see arrowmeta.h. The tables follow Apache Arrow's Schema.fbs, Message.fbs and
 * File.fbs.
 */
#include "core/table/arrowmeta.h"

#include <stdio.h>
#include <string.h>

static size_t add_key_value(mw_buf *out, const char *key, const char *value) {
    static const uint8_t bytes[] = {4, 4};
    mw_flat_slots t = mw_flat__add_table(out, bytes, 2);
    mw_flat__set_ref(out, t, 0, mw_flat__add_string(out, mw_str_of(key)));
    mw_flat__set_ref(out, t, 1, mw_flat__add_string(out, mw_str_of(value)));
    return t.at;
}

static size_t add_int_type(mw_buf *out, int bits) {
    static const uint8_t bytes[] = {4, 1};
    mw_flat_slots t = mw_flat__add_table(out, bytes, 2);
    mw_flat__set_int(out, t, 0, 4, bits);
    mw_flat__set_int(out, t, 1, 1, 1);
    return t.at;
}

static size_t add_encoding(mw_buf *out, int64_t id) {
    static const uint8_t bytes[] = {8, 4, 1};
    mw_flat_slots t = mw_flat__add_table(out, bytes, 3);
    mw_flat__set_int(out, t, MW_ENCODING_ID, 8, id);
    mw_flat__set_ref(out, t, MW_ENCODING_INDEX, add_int_type(out, 32));
    return t.at;
}

/* The table of the type union: numbers and timestamp say more than their name. */
static size_t add_type(mw_buf *out, mw_type type) {
    static const uint8_t float_bytes[] = {2};
    static const uint8_t time_bytes[] = {2, 4};
    mw_flat_slots t;
    switch (type) {
    case MW_FLOAT32:
    case MW_FLOAT64:
        t = mw_flat__add_table(out, float_bytes, 1);
        mw_flat__set_int(out, t, 0, 2, type == MW_FLOAT64 ? MW_ARROW_DOUBLE : MW_ARROW_SINGLE);
        return t.at;
    case MW_TIMESTAMP:
        t = mw_flat__add_table(out, time_bytes, 2);
        mw_flat__set_int(out, t, 0, 2, MW_ARROW_MICROSECOND);
        mw_flat__set_ref(out, t, 1, mw_flat__add_string(out, MW_STR("UTC")));
        return t.at;
    default: return mw_flat__add_table(out, NULL, 0).at;
    }
}

static size_t add_field(mw_buf *out, const mw_arrow_column *column, int64_t dictionary_id) {
    static const uint8_t bytes[] = {4, 1, 1, 4, 4, 4};
    static const uint8_t types[] = {
        [MW_TIMESTAMP] = MW_ARROW_TIMESTAMP, [MW_FLOAT64] = MW_ARROW_FLOAT,
        [MW_BOOL] = MW_ARROW_BOOL,           [MW_DICTIONARY] = MW_ARROW_UTF8,
        [MW_UTF8] = MW_ARROW_UTF8,           [MW_FLOAT32] = MW_ARROW_FLOAT,
    };
    bool coded = column->type == MW_DICTIONARY;
    uint8_t present[sizeof bytes];
    memcpy(present, bytes, sizeof bytes);
    if (!coded) present[MW_FIELD_DICTIONARY] = 0;
    mw_flat_slots t = mw_flat__add_table(out, present, (int)sizeof bytes);
    mw_flat__set_int(out, t, MW_FIELD_NULLABLE, 1, 1);
    mw_flat__set_int(out, t, MW_FIELD_TYPE, 1, types[column->type]);
    mw_flat__set_ref(out, t, MW_FIELD_NAME, mw_flat__add_string(out, mw_str_of(column->name)));
    mw_flat__set_ref(out, t, MW_FIELD_VALUE, add_type(out, column->type));
    if (coded) mw_flat__set_ref(out, t, MW_FIELD_DICTIONARY, add_encoding(out, dictionary_id));
    mw_flat__set_ref(out, t, MW_FIELD_CHILDREN, mw_flat__add_vector(out, 0, 4, 4));
    return t.at;
}

static size_t add_schema(mw_buf *out, const mw_arrow_column *columns, size_t n_columns,
                         const mw_meta *meta, size_t n_meta) {
    static const uint8_t bytes[] = {2, 4, 4};
    mw_flat_slots schema = mw_flat__add_table(out, bytes, 3);
    size_t fields = mw_flat__add_vector(out, n_columns, 4, 4);
    mw_flat__set_ref(out, schema, MW_SCHEMA_FIELDS, fields);
    int64_t dictionary_id = 0;
    for (size_t i = 0; i < n_columns; i++) {
        mw_flat__set_element_ref(out, fields, i, add_field(out, &columns[i], dictionary_id));
        dictionary_id += columns[i].type == MW_DICTIONARY;
    }
    size_t pairs = mw_flat__add_vector(out, n_meta + 1, 4, 4);
    mw_flat__set_ref(out, schema, MW_SCHEMA_METADATA, pairs);
    char format[16];
    snprintf(format, sizeof format, "%d", MW_ARROW_OUR_FORMAT);
    mw_flat__set_element_ref(out, pairs, 0, add_key_value(out, MW_ARROW_FORMAT_KEY, format));
    for (size_t i = 0; i < n_meta; i++)
        mw_flat__set_element_ref(out, pairs, i + 1, add_key_value(out, meta[i].key, meta[i].value));
    return schema.at;
}

static mw_flat_slots begin_message(mw_buf *out, int header_type, int64_t body_bytes) {
    static const uint8_t bytes[] = {2, 1, 4, 8};
    mw_buf_clear(out);
    mw_flat__begin(out);
    mw_flat_slots message = mw_flat__add_table(out, bytes, 4);
    mw_flat__set_root(out, message);
    mw_flat__set_int(out, message, MW_MESSAGE_VERSION, 2, MW_ARROW_V5);
    mw_flat__set_int(out, message, MW_MESSAGE_TYPE, 1, header_type);
    mw_flat__set_int(out, message, MW_MESSAGE_BODY, 8, body_bytes);
    return message;
}

void mw_arrow__schema_message(const mw_arrow_column *columns, size_t n_columns, const mw_meta *meta,
                              size_t n_meta, mw_buf *out) {
    mw_flat_slots message = begin_message(out, MW_ARROW_HEADER_SCHEMA, 0);
    mw_flat__set_ref(out, message, MW_MESSAGE_HEADER,
                     add_schema(out, columns, n_columns, meta, n_meta));
}

static size_t add_records(mw_buf *out, const mw_arrow_batch *batch) {
    static const uint8_t bytes[] = {8, 4, 4};
    mw_flat_slots t = mw_flat__add_table(out, bytes, 3);
    mw_flat__set_int(out, t, MW_RECORDS_LENGTH, 8, batch->n_rows);
    size_t nodes = mw_flat__add_vector(out, batch->n_nodes, MW_ARROW_NODE_BYTES, 8);
    mw_flat__set_ref(out, t, MW_RECORDS_NODES, nodes);
    for (size_t i = 0; i < batch->n_nodes; i++) {
        size_t at = nodes + 4 + i * MW_ARROW_NODE_BYTES;
        mw_flat__store(out, at, 8, batch->nodes[i].n_rows);
        mw_flat__store(out, at + 8, 8, batch->nodes[i].n_missing);
    }
    size_t buffers = mw_flat__add_vector(out, batch->n_buffers, MW_ARROW_BUFFER_BYTES, 8);
    mw_flat__set_ref(out, t, MW_RECORDS_BUFFERS, buffers);
    for (size_t i = 0; i < batch->n_buffers; i++) {
        size_t at = buffers + 4 + i * MW_ARROW_BUFFER_BYTES;
        mw_flat__store(out, at, 8, batch->buffers[i].offset);
        mw_flat__store(out, at + 8, 8, batch->buffers[i].bytes);
    }
    return t.at;
}

void mw_arrow__batch_message(const mw_arrow_batch *batch, int64_t dictionary, mw_buf *out) {
    static const uint8_t bytes[] = {8, 4, 1};
    bool records = dictionary < 0;
    mw_flat_slots message = begin_message(
        out, records ? MW_ARROW_HEADER_RECORDS : MW_ARROW_HEADER_DICTIONARY, batch->body_bytes);
    if (records) {
        mw_flat__set_ref(out, message, MW_MESSAGE_HEADER, add_records(out, batch));
        return;
    }
    mw_flat_slots t = mw_flat__add_table(out, bytes, 3);
    mw_flat__set_ref(out, message, MW_MESSAGE_HEADER, t.at);
    mw_flat__set_int(out, t, MW_DICTBATCH_ID, 8, dictionary);
    mw_flat__set_ref(out, t, MW_DICTBATCH_DATA, add_records(out, batch));
}

static size_t add_blocks(mw_buf *out, const mw_arrow_block *blocks, size_t n) {
    size_t vector = mw_flat__add_vector(out, n, MW_ARROW_BLOCK_BYTES, 8);
    for (size_t i = 0; i < n; i++) {
        size_t at = vector + 4 + i * MW_ARROW_BLOCK_BYTES;
        mw_flat__store(out, at, 8, blocks[i].offset);
        mw_flat__store(out, at + 8, 4, blocks[i].meta_bytes);
        mw_flat__store(out, at + 16, 8, blocks[i].body_bytes);
    }
    return vector;
}

void mw_arrow__footer(const mw_arrow_column *columns, size_t n_columns, const mw_meta *meta,
                      size_t n_meta, const mw_arrow_block *dictionaries, size_t n_dictionaries,
                      const mw_arrow_block *records, size_t n_records, mw_buf *out) {
    static const uint8_t bytes[] = {2, 4, 4, 4};
    mw_buf_clear(out);
    mw_flat__begin(out);
    mw_flat_slots footer = mw_flat__add_table(out, bytes, 4);
    mw_flat__set_root(out, footer);
    mw_flat__set_int(out, footer, MW_FOOTER_VERSION, 2, MW_ARROW_V5);
    mw_flat__set_ref(out, footer, MW_FOOTER_SCHEMA,
                     add_schema(out, columns, n_columns, meta, n_meta));
    mw_flat__set_ref(out, footer, MW_FOOTER_DICTIONARIES,
                     add_blocks(out, dictionaries, n_dictionaries));
    mw_flat__set_ref(out, footer, MW_FOOTER_RECORDS, add_blocks(out, records, n_records));
}
