/*
 * arrow.h -- what the writer and the reader of Arrow IPC files share: numbers of the format, and
 * the two of them on plain bytes, for tests and the fuzzer.
 *
 * Source    format/Schema.fbs, Message.fbs and File.fbs of Apache Arrow, columnar format 1.x.
 */
#ifndef MW_CORE_TABLE_ARROW_H
#define MW_CORE_TABLE_ARROW_H

#include "core/table/ipc.h"

#define MW_ARROW_MAGIC "ARROW1"
#define MW_ARROW_FORMAT_KEY "millwright.format"

enum {
    MW_ARROW_MAGIC_BYTES = 6,
    MW_ARROW_ALIGNMENT = 64,
    MW_ARROW_BATCH_ROWS = 1 << 20,
    MW_ARROW_OUR_FORMAT = 1, /* value of millwright.format */

    MW_ARROW_V5 = 4, /* MetadataVersion */
    MW_ARROW_HEADER_SCHEMA = 1,
    MW_ARROW_HEADER_DICTIONARY = 2,
    MW_ARROW_HEADER_RECORDS = 3,
    MW_ARROW_INT = 2, /* Type */
    MW_ARROW_FLOAT = 3,
    MW_ARROW_UTF8 = 5,
    MW_ARROW_BOOL = 6,
    MW_ARROW_TIMESTAMP = 10,
    MW_ARROW_SINGLE = 1, /* Precision */
    MW_ARROW_DOUBLE = 2,
    MW_ARROW_MICROSECOND = 2, /* TimeUnit */

    MW_ARROW_NODE_BYTES = 16,   /* struct FieldNode { length, null_count } */
    MW_ARROW_BUFFER_BYTES = 16, /* struct Buffer { offset, length } */
    MW_ARROW_BLOCK_BYTES = 24   /* struct Block { offset, metaDataLength (int32), bodyLength } */
};

/* Field numbers of the FlatBuffers tables. */
enum { MW_MESSAGE_VERSION, MW_MESSAGE_TYPE, MW_MESSAGE_HEADER, MW_MESSAGE_BODY };
enum { MW_SCHEMA_ENDIANNESS, MW_SCHEMA_FIELDS, MW_SCHEMA_METADATA };
enum {
    MW_FIELD_NAME,
    MW_FIELD_NULLABLE,
    MW_FIELD_TYPE,
    MW_FIELD_VALUE,
    MW_FIELD_DICTIONARY,
    MW_FIELD_CHILDREN
};
enum { MW_ENCODING_ID, MW_ENCODING_INDEX, MW_ENCODING_ORDERED };
enum { MW_RECORDS_LENGTH, MW_RECORDS_NODES, MW_RECORDS_BUFFERS, MW_RECORDS_COMPRESSION };
enum { MW_DICTBATCH_ID, MW_DICTBATCH_DATA, MW_DICTBATCH_DELTA };
enum { MW_FOOTER_VERSION, MW_FOOTER_SCHEMA, MW_FOOTER_DICTIONARIES, MW_FOOTER_RECORDS };

/* Where the writer's bytes go. */
typedef struct mw_arrow_sink {
    mw_status (*write)(void *self, const void *data, size_t size, mw_err *err);
    void *self;
    uint64_t n_bytes; /* written so far */
} mw_arrow_sink;

mw_status mw_arrow__write(const mw_ctx *ctx, const mw_table *table, const mw_meta *meta,
                          size_t n_meta, mw_arrow_sink *sink, mw_err *err);

/* data [size]; name is for messages. */
mw_status mw_arrow__read(const mw_ctx *ctx, const uint8_t *data, size_t size, const char *name,
                         const char *const *columns, size_t n_columns, mw_table **ret, mw_err *err);
mw_status mw_arrow__read_meta(const uint8_t *data, size_t size, const char *name, const char *key,
                              char *out, size_t capacity, mw_err *err);

#endif
