/*
 * arrowfile.c -- see arrowfile.h. Blocks of one kind must follow each other in the file, and so
 * must the buffers of a batch: nothing is referred to twice, so what is read never outgrows the
 * file.
 */
#include "core/table/arrowfile.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/table/columns.h"

mw_status mw_arrow__unsound(const mw_arrow_file *file, mw_err *err, const char *what) {
    mw_fail(err, MW_EDATA, "%s is not a sound Arrow file: %s", file->name, what);
    return mw_err_hint(err, "restore the file from a backup, or ingest its source again");
}

mw_status mw_arrow__unsupported(const mw_arrow_file *file, mw_err *err, const char *what) {
    mw_fail(err, MW_EUNSUPPORTED, "%s cannot be read: %s", file->name, what);
    return mw_err_hint(err, "columns may be timestamp[us], double, bool, string, and dictionary of "
                            "string; files uncompressed");
}

static mw_status check_flat(const mw_arrow_file *file, const mw_flat *flat, mw_err *err) {
    return flat->problem ? mw_arrow__unsound(file, err, flat->problem) : MW_OK;
}

/* --- frame ----------------------------------------------------------------------------------- */

static mw_status find_footer(mw_arrow_file *file, mw_err *err) {
    enum { TAIL = 4 + MW_ARROW_MAGIC_BYTES, HEAD = 8 };
    if (file->size < HEAD + TAIL || memcmp(file->data, MW_ARROW_MAGIC, MW_ARROW_MAGIC_BYTES) != 0)
        return mw_arrow__unsound(file, err, "it does not start with ARROW1");
    const uint8_t *tail = file->data + file->size - TAIL;
    if (memcmp(tail + 4, MW_ARROW_MAGIC, MW_ARROW_MAGIC_BYTES) != 0)
        return mw_arrow__unsound(file, err, "it does not end with ARROW1; it may have been cut");
    int32_t footer_bytes;
    memcpy(&footer_bytes, tail, sizeof footer_bytes);
    if (footer_bytes <= 0 || (size_t)footer_bytes > file->size - HEAD - TAIL)
        return mw_arrow__unsound(file, err, "its footer does not fit");
    file->body_end = file->size - TAIL - (size_t)footer_bytes;
    file->footer = (mw_flat){file->data + file->body_end, (size_t)footer_bytes, NULL};
    return MW_OK;
}

static mw_status check_version(const mw_arrow_file *file, int64_t version, mw_err *err) {
    if (version > MW_ARROW_V5)
        return mw_arrow__unsupported(file, err, "its Arrow metadata version is newer than V5");
    if (version < MW_ARROW_V5)
        return mw_arrow__unsupported(file, err, "its Arrow metadata version is older than V5");
    return MW_OK;
}

mw_str mw_arrow__value(mw_arrow_file *file, const char *key) {
    mw_flat *flat = &file->footer;
    mw_flat_vector pairs = mw_flat__vector(flat, file->schema, MW_SCHEMA_METADATA, 4, 4);
    for (uint32_t i = 0; i < pairs.n && !flat->problem; i++) {
        mw_flat_table pair = mw_flat__element(flat, pairs, i);
        if (!mw_str_is(mw_flat__string(flat, pair, 0), key)) continue;
        mw_str value = mw_flat__string(flat, pair, 1);
        return value.data ? value : MW_STR("");
    }
    return (mw_str){NULL, 0};
}

/* Foreign files carry no version of ours; what we wrote says which. */
static mw_status check_our_format(mw_arrow_file *file, mw_err *err) {
    mw_str value = mw_arrow__value(file, MW_ARROW_FORMAT_KEY);
    if (file->footer.problem || !value.data) return MW_OK;
    int64_t format = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || value.size > 9)
            return mw_arrow__unsound(file, err, "its millwright.format is not a number");
        format = format * 10 + (value.data[i] - '0');
    }
    if (format == 0) return mw_arrow__unsound(file, err, "its millwright.format is not a number");
    if (format <= MW_ARROW_OUR_FORMAT) return MW_OK;
    mw_fail(err, MW_EUNSUPPORTED, "%s has dataset format %lld; this program reads formats up to %d",
            file->name, (long long)format, MW_ARROW_OUR_FORMAT);
    return mw_err_hint(err, "a newer Millwright wrote it: upgrade this one");
}

mw_status mw_arrow__frame(mw_arrow_file *file, mw_err *err) {
    mw_status status = find_footer(file, err);
    if (status != MW_OK) return status;
    mw_flat *flat = &file->footer;
    mw_flat_table root = mw_flat__root(flat);
    int64_t version = mw_flat__int(flat, root, MW_FOOTER_VERSION, 2, 0);
    if (!flat->problem && (status = check_version(file, version, err)) != MW_OK) return status;
    file->schema = mw_flat__child(flat, root, MW_FOOTER_SCHEMA);
    file->dictionaries =
        mw_flat__vector(flat, root, MW_FOOTER_DICTIONARIES, MW_ARROW_BLOCK_BYTES, 8);
    file->records = mw_flat__vector(flat, root, MW_FOOTER_RECORDS, MW_ARROW_BLOCK_BYTES, 8);
    if (!flat->problem && !file->schema.at)
        return mw_arrow__unsound(file, err, "its footer has no schema");
    status = check_our_format(file, err);
    return status == MW_OK ? check_flat(file, flat, err) : status;
}

/* --- schema ---------------------------------------------------------------------------------- */

static mw_status unsupported_field(const mw_arrow_file *file, mw_str name, const char *what,
                                   mw_err *err) {
    char text[160];
    char shown[65];
    snprintf(text, sizeof text, "column \"%s\" %s", mw_str_copy(shown, sizeof shown, name), what);
    return mw_arrow__unsupported(file, err, text);
}

static mw_status read_index_type(mw_arrow_file *file, mw_flat_table encoding, mw_arrow_field *field,
                                 mw_err *err) {
    mw_flat *flat = &file->footer;
    mw_flat_table index = mw_flat__child(flat, encoding, MW_ENCODING_INDEX);
    int64_t bits = index.at ? mw_flat__int(flat, index, 0, 4, 0) : 32;
    field->index_signed = index.at ? mw_flat__int(flat, index, 1, 1, 0) != 0 : true;
    field->dictionary_id = mw_flat__int(flat, encoding, MW_ENCODING_ID, 8, 0);
    if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
        return mw_arrow__unsound(file, err, "a dictionary has an impossible code width");
    field->index_bytes = (int)bits / 8;
    return MW_OK;
}

static mw_status read_field(mw_arrow_file *file, mw_flat_table table, mw_arrow_field *ret,
                            mw_err *err) {
    mw_flat *flat = &file->footer;
    mw_arrow_field field = {.name = mw_flat__string(flat, table, MW_FIELD_NAME)};
    if (!field.name.data) field.name = MW_STR("");
    int64_t type = mw_flat__int(flat, table, MW_FIELD_TYPE, 1, 0);
    mw_flat_table value = mw_flat__child(flat, table, MW_FIELD_VALUE);
    mw_flat_table encoding = mw_flat__child(flat, table, MW_FIELD_DICTIONARY);
    mw_flat_vector children = mw_flat__vector(flat, table, MW_FIELD_CHILDREN, 4, 4);
    int64_t detail = mw_flat__int(flat, value, 0, 2, 0);
    if (flat->problem) return check_flat(file, flat, err);
    if (!mw_utf8_valid(field.name.data, field.name.size))
        return mw_arrow__unsound(file, err, "a column name is not UTF-8");
    if (children.n != 0) return unsupported_field(file, field.name, "is nested", err);
    mw_status status = MW_OK;
    if (encoding.at) {
        if (type != MW_ARROW_UTF8)
            return unsupported_field(file, field.name,
                                     "is a dictionary of another type than string", err);
        field.type = MW_DICTIONARY;
        status = read_index_type(file, encoding, &field, err);
    } else if (type == MW_ARROW_UTF8) {
        field.type = MW_UTF8;
    } else if (type == MW_ARROW_BOOL) {
        field.type = MW_BOOL;
    } else if (type == MW_ARROW_FLOAT && detail == MW_ARROW_DOUBLE) {
        field.type = MW_FLOAT64;
    } else if (type == MW_ARROW_FLOAT && detail == MW_ARROW_SINGLE) {
        field.type = MW_FLOAT32;
    } else if (type == MW_ARROW_TIMESTAMP && detail == MW_ARROW_MICROSECOND) {
        field.type = MW_TIMESTAMP;
    } else if (type == MW_ARROW_TIMESTAMP) {
        return unsupported_field(file, field.name, "counts time in another unit than microseconds",
                                 err);
    } else {
        return unsupported_field(file, field.name, "has another type", err);
    }
    *ret = field;
    return status == MW_OK ? check_flat(file, flat, err) : status;
}

mw_status mw_arrow__open(mw_arrow_file *file, mw_err *err) {
    file->fields = NULL;
    mw_status status = mw_arrow__frame(file, err);
    if (status != MW_OK) return status;
    mw_flat *flat = &file->footer;
    if (mw_flat__int(flat, file->schema, MW_SCHEMA_ENDIANNESS, 2, 0) != 0)
        return mw_arrow__unsupported(file, err, "it is big-endian");
    mw_flat_vector fields = mw_flat__vector(flat, file->schema, MW_SCHEMA_FIELDS, 4, 4);
    if (flat->problem) return check_flat(file, flat, err);
    if (fields.n > MW_LIMIT(TABLE_COLUMNS))
        return mw_fail(err, MW_ETOOLARGE, "%s has more than %lld columns", file->name,
                       (long long)MW_LIMIT(TABLE_COLUMNS));
    file->n_fields = fields.n;
    file->fields = mw_alloc_array(file->ctx->mem, fields.n, sizeof *file->fields);
    if (!file->fields) return mw_fail_nomem(err, "reading a table");
    for (uint32_t i = 0; i < fields.n && status == MW_OK; i++)
        status = read_field(file, mw_flat__element(flat, fields, i), &file->fields[i], err);
    if (status != MW_OK) mw_arrow__close(file);
    return status;
}

void mw_arrow__close(mw_arrow_file *file) { file->fields = mw_free(file->fields); }

/* --- messages -------------------------------------------------------------------------------- */

typedef struct message {
    mw_flat flat;
    mw_flat_table header;
    const uint8_t *body; /* [body_bytes] */
    int64_t body_bytes;
} message;

/* End of block `index`, or -1 when it is not inside the file. */
static int64_t block_end(const mw_arrow_file *file, mw_flat_vector blocks, uint32_t index) {
    int64_t offset = mw_flat__member(&file->footer, blocks, index, 0, 8);
    int64_t meta = mw_flat__member(&file->footer, blocks, index, 8, 4);
    int64_t body = mw_flat__member(&file->footer, blocks, index, 16, 8);
    int64_t end = (int64_t)file->body_end;
    if (offset < 8 || offset % 8 != 0 || offset > end || meta < 16 || meta % 8 != 0 || body < 0)
        return -1;
    if (meta > end - offset || body > end - offset - meta) return -1;
    return offset + meta + body;
}

static mw_status open_message(mw_arrow_file *file, mw_flat_vector blocks, uint32_t index,
                              int64_t header_type, message *ret, mw_err *err) {
    int64_t end = block_end(file, blocks, index);
    if (end < 0) return mw_arrow__unsound(file, err, "a batch does not fit in it");
    int64_t offset = mw_flat__member(&file->footer, blocks, index, 0, 8);
    int64_t meta = mw_flat__member(&file->footer, blocks, index, 8, 4);
    if (index > 0) {
        int64_t previous = block_end(file, blocks, index - 1);
        if (previous < 0 || offset < previous)
            return mw_arrow__unsound(file, err, "its batches overlap");
    }
    const uint8_t *start = file->data + offset;
    uint32_t prefix[2];
    memcpy(prefix, start, sizeof prefix);
    if (prefix[0] != UINT32_MAX || prefix[1] > (uint64_t)meta - 8)
        return mw_arrow__unsound(file, err, "a batch has no proper start");
    message m = {.flat = {start + 8, prefix[1], NULL}, .body = start + meta};
    m.body_bytes = mw_flat__member(&file->footer, blocks, index, 16, 8);
    mw_flat_table root = mw_flat__root(&m.flat);
    int64_t version = mw_flat__int(&m.flat, root, MW_MESSAGE_VERSION, 2, 0);
    int64_t type = mw_flat__int(&m.flat, root, MW_MESSAGE_TYPE, 1, 0);
    int64_t body_bytes = mw_flat__int(&m.flat, root, MW_MESSAGE_BODY, 8, 0);
    m.header = mw_flat__child(&m.flat, root, MW_MESSAGE_HEADER);
    mw_status status = check_flat(file, &m.flat, err);
    if (status == MW_OK) status = check_version(file, version, err);
    if (status != MW_OK) return status;
    if (type != header_type || !m.header.at)
        return mw_arrow__unsound(file, err, "a batch is of the wrong kind");
    if (body_bytes != m.body_bytes)
        return mw_arrow__unsound(file, err, "footer and batch disagree about a size");
    *ret = m;
    return MW_OK;
}

/* --- batches --------------------------------------------------------------------------------- */

typedef struct cursor { /* walks the nodes and buffers of a batch */
    message *m;
    mw_flat_vector nodes;
    mw_flat_vector buffers;
    uint32_t node;
    uint32_t buffer;
    int64_t end; /* of the last buffer that had bytes */
    int64_t n_rows;
} cursor;

static mw_status start_records(mw_arrow_file *file, message *m, mw_flat_table records, cursor *ret,
                               mw_err *err) {
    mw_flat *flat = &m->flat;
    cursor c = {.m = m};
    c.n_rows = mw_flat__int(flat, records, MW_RECORDS_LENGTH, 8, 0);
    c.nodes = mw_flat__vector(flat, records, MW_RECORDS_NODES, MW_ARROW_NODE_BYTES, 8);
    c.buffers = mw_flat__vector(flat, records, MW_RECORDS_BUFFERS, MW_ARROW_BUFFER_BYTES, 8);
    bool compressed = mw_flat__has(flat, records, MW_RECORDS_COMPRESSION);
    mw_status status = check_flat(file, flat, err);
    if (status != MW_OK) return status;
    if (compressed) return mw_arrow__unsupported(file, err, "it is compressed");
    if (c.n_rows < 0 || c.n_rows > MW_LIMIT(TABLE_ROWS))
        return mw_arrow__unsound(file, err, "a batch has an impossible number of rows");
    *ret = c;
    return MW_OK;
}

/* The next buffer; false when it is not inside the body, or overlaps the one before. */
static bool next_buffer(cursor *c, const uint8_t **data, int64_t *bytes) {
    if (c->buffer >= c->buffers.n) return false;
    int64_t offset = mw_flat__member(&c->m->flat, c->buffers, c->buffer, 0, 8);
    *bytes = mw_flat__member(&c->m->flat, c->buffers, c->buffer, 8, 8);
    c->buffer++;
    *data = c->m->body;
    if (*bytes == 0) return true;
    if (*bytes < 0 || offset < c->end || offset % 8 != 0 || offset > c->m->body_bytes) return false;
    if (*bytes > c->m->body_bytes - offset) return false;
    c->end = offset + *bytes;
    *data = c->m->body + offset;
    return true;
}

static int64_t values_needed(const mw_arrow_field *field, int64_t n) {
    switch (field->type) {
    case MW_TIMESTAMP:
    case MW_FLOAT64: return n * 8;
    case MW_FLOAT32: return n * 4;
    case MW_BOOL: return (n + 7) / 8;
    case MW_DICTIONARY: return n * field->index_bytes;
    case MW_UTF8: break;
    }
    return n == 0 ? 0 : (n + 1) * 4;
}

/* The next column's counts. */
static mw_status next_node(mw_arrow_file *file, cursor *c, mw_arrow_part *part, mw_err *err) {
    if (c->node >= c->nodes.n) return mw_arrow__unsound(file, err, "a batch lacks columns");
    part->n_rows = mw_flat__member(&c->m->flat, c->nodes, c->node, 0, 8);
    part->n_missing = mw_flat__member(&c->m->flat, c->nodes, c->node, 8, 8);
    c->node++;
    if (part->n_rows != c->n_rows || part->n_missing < 0 || part->n_missing > part->n_rows)
        return mw_arrow__unsound(file, err, "a column's row count is wrong");
    return MW_OK;
}

static mw_status next_part(mw_arrow_file *file, cursor *c, const mw_arrow_field *field,
                           mw_arrow_part *ret, mw_err *err) {
    mw_arrow_part part = {0};
    mw_status status = next_node(file, c, &part, err);
    if (status != MW_OK) return status;
    int64_t validity_bytes, value_bytes;
    if (!next_buffer(c, &part.validity, &validity_bytes) ||
        !next_buffer(c, &part.values, &value_bytes) ||
        (field->type == MW_UTF8 && !next_buffer(c, &part.bytes, &part.n_bytes)))
        return mw_arrow__unsound(file, err, "a column's bytes lie outside their batch");
    if (validity_bytes == 0) part.validity = NULL;
    if ((part.validity && validity_bytes < (part.n_rows + 7) / 8) ||
        value_bytes < values_needed(field, part.n_rows))
        return mw_arrow__unsound(file, err, "a column has too few bytes for its rows");
    int64_t ones = part.validity ? mw_table__ones(part.validity, part.n_rows) : part.n_rows;
    if (ones != part.n_rows - part.n_missing)
        return mw_arrow__unsound(file, err, "a column's count of missing values is wrong");
    *ret = part;
    return MW_OK;
}

mw_status mw_arrow__walk(mw_arrow_file *file, uint32_t index, int64_t *ret_rows,
                         mw_arrow_visit visit, void *self, mw_err *err) {
    message m;
    cursor c;
    mw_status status = open_message(file, file->records, index, MW_ARROW_HEADER_RECORDS, &m, err);
    if (status == MW_OK) status = start_records(file, &m, m.header, &c, err);
    for (uint32_t i = 0; i < file->n_fields && status == MW_OK; i++) {
        mw_arrow_part part;
        status = next_part(file, &c, &file->fields[i], &part, err);
        if (status == MW_OK && visit) status = visit(self, i, &part, err);
    }
    if (status != MW_OK) return status;
    if (c.node != c.nodes.n || c.buffer != c.buffers.n)
        return mw_arrow__unsound(file, err, "a batch has more columns than the schema");
    if (ret_rows) *ret_rows = c.n_rows;
    return MW_OK;
}

mw_status mw_arrow__rows(mw_arrow_file *file, uint32_t index, int64_t *ret_rows, mw_err *err) {
    message m;
    cursor c;
    mw_status status = open_message(file, file->records, index, MW_ARROW_HEADER_RECORDS, &m, err);
    if (status == MW_OK) status = start_records(file, &m, m.header, &c, err);
    if (status == MW_OK) *ret_rows = c.n_rows;
    return status;
}

mw_status mw_arrow__count(mw_arrow_file *file, uint32_t index, int64_t *counts, mw_err *err) {
    message m;
    cursor c;
    mw_status status = open_message(file, file->records, index, MW_ARROW_HEADER_RECORDS, &m, err);
    if (status == MW_OK) status = start_records(file, &m, m.header, &c, err);
    for (uint32_t i = 0; i < file->n_fields && status == MW_OK; i++) {
        mw_arrow_part part = {0};
        status = next_node(file, &c, &part, err);
        counts[i] += part.n_rows - part.n_missing;
    }
    return status;
}

size_t mw_arrow__start_of(const mw_arrow_file *file, uint32_t index) {
    int64_t offset = mw_flat__member(&file->footer, file->records, index, 0, 8);
    return offset > 0 && (size_t)offset < file->size ? (size_t)offset : 0;
}

mw_status mw_arrow__dictionary(mw_arrow_file *file, uint32_t index, int64_t *ret_id,
                               mw_arrow_part *part, mw_err *err) {
    static const mw_arrow_field texts = {.type = MW_UTF8};
    message m;
    cursor c;
    mw_status status =
        open_message(file, file->dictionaries, index, MW_ARROW_HEADER_DICTIONARY, &m, err);
    if (status != MW_OK) return status;
    int64_t id = mw_flat__int(&m.flat, m.header, MW_DICTBATCH_ID, 8, 0);
    bool delta = mw_flat__int(&m.flat, m.header, MW_DICTBATCH_DELTA, 1, 0) != 0;
    mw_flat_table records = mw_flat__child(&m.flat, m.header, MW_DICTBATCH_DATA);
    if (m.flat.problem) return check_flat(file, &m.flat, err);
    if (delta) return mw_arrow__unsupported(file, err, "it has delta dictionaries");
    if (!records.at) return mw_arrow__unsound(file, err, "a dictionary is empty of data");
    status = start_records(file, &m, records, &c, err);
    if (status == MW_OK) status = next_part(file, &c, &texts, part, err);
    if (status != MW_OK) return status;
    if (c.node != c.nodes.n || c.buffer != c.buffers.n)
        return mw_arrow__unsound(file, err, "a dictionary has more than one column");
    *ret_id = id;
    return MW_OK;
}

bool mw_arrow__text(const mw_arrow_part *part, int64_t row, mw_str *ret) {
    int32_t start = mw_arrow__offset(part, row);
    int32_t end = mw_arrow__offset(part, row + 1);
    if (start < 0 || end < start || end > part->n_bytes) return false;
    *ret = (mw_str){(const char *)part->bytes + start, (size_t)(end - start)};
    return mw_utf8_valid(ret->data, ret->size);
}
