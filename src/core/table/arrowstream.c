/*
 * arrowstream.c -- Arrow IPC streams in memory, as they come over a wire.
 *
 * A file is a stream between two marks and a footer that says where its messages are: so a stream is read as the file that it is the middle of. The
 * footer's schema is the stream's own, byte by byte: FlatBuffers point by distances, so it may lie anywhere.
 */
#include <string.h>

#include "core/table/arrow.h"
#include "core/table/arrowmeta.h"
#include "core/table/flat.h"

enum { PREFIX_BYTES = 8, LEAST_METADATA = 8 };

typedef struct block {
    int64_t offset, body_bytes;
    int32_t metadata_bytes;
} block;

typedef struct splitter {
    mw_mem *mem;
    const uint8_t *data; /* [size] */
    size_t size, at;
    const char *name;
    mw_str schema;    /* metadata of the first message */
    size_t schema_at; /* of its table in it */
    block *blocks[2]; /* dictionaries, records */
    size_t n[2], room[2];
} splitter;

static mw_status fail_stream(const splitter *s, mw_err *err, const char *what) {
    return mw_fail(err, MW_EDATA, "%s is not a sound Arrow stream: %s", s->name, what);
}

static mw_status add_block(splitter *s, int kind, const block *one, mw_err *err) {
    if (s->n[kind] == s->room[kind]) {
        const size_t room = s->room[kind] ? 2 * s->room[kind] : 16;
        block *more = mw_realloc(s->mem, s->blocks[kind], room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "reading a table");
        s->blocks[kind] = more;
        s->room[kind] = room;
    }
    s->blocks[kind][s->n[kind]++] = *one;
    return MW_OK;
}

/* The message at hand, whose metadata [bytes] begin 8 behind `at`. */
static mw_status take_message(splitter *s, uint32_t bytes, mw_err *err) {
    mw_flat flat = {s->data + s->at + 8, bytes, NULL};
    const mw_flat_table root = mw_flat__root(&flat);
    const int64_t type = mw_flat__int(&flat, root, MW_MESSAGE_TYPE, 1, 0);
    const int64_t body = mw_flat__int(&flat, root, MW_MESSAGE_BODY, 8, 0);
    const mw_flat_table header = mw_flat__child(&flat, root, MW_MESSAGE_HEADER);
    if (flat.problem) return fail_stream(s, err, flat.problem);
    const size_t left = s->size - s->at - 8 - bytes;
    if (body < 0 || (uint64_t)body > left || body % 8 != 0)
        return fail_stream(s, err, "a message ends behind its end");
    const block one = {(int64_t)(PREFIX_BYTES + s->at), body, (int32_t)(bytes + 8)};
    s->at += 8 + bytes + (size_t)body;
    if (!s->schema.data) {
        if (type != MW_ARROW_HEADER_SCHEMA || !header.at)
            return fail_stream(s, err, "it does not begin with a schema");
        s->schema = (mw_str){(const char *)flat.data, bytes};
        s->schema_at = header.at;
        return MW_OK;
    }
    if (type == MW_ARROW_HEADER_DICTIONARY) return add_block(s, 0, &one, err);
    if (type == MW_ARROW_HEADER_RECORDS) return add_block(s, 1, &one, err);
    return fail_stream(s, err, "a message is of an unknown kind");
}

static mw_status split(splitter *s, mw_err *err) {
    while (s->size - s->at >= 8) {
        uint32_t head[2];
        memcpy(head, s->data + s->at, sizeof head);
        if (head[0] != UINT32_MAX) return fail_stream(s, err, "a message has no proper start");
        if (head[1] == 0) break; /* the end */
        if (head[1] > s->size - s->at - 8 || head[1] < LEAST_METADATA || head[1] % 8 != 0)
            return fail_stream(s, err, "a message ends behind its end");
        mw_status status = take_message(s, head[1], err);
        if (status != MW_OK) return status;
    }
    return s->schema.data ? MW_OK : fail_stream(s, err, "it has no schema");
}

static size_t add_blocks(mw_buf *out, const block *blocks, size_t n) {
    const size_t at = mw_flat__add_vector(out, n, MW_ARROW_BLOCK_BYTES, 8);
    for (size_t i = 0; i < n && !out->failed; i++) {
        const size_t to = at + 4 + i * MW_ARROW_BLOCK_BYTES;
        mw_flat__store(out, to, 8, blocks[i].offset);
        mw_flat__store(out, to + 8, 4, blocks[i].metadata_bytes);
        mw_flat__store(out, to + 16, 8, blocks[i].body_bytes);
    }
    return at;
}

static void write_footer(const splitter *s, mw_buf *out) {
    static const uint8_t fields[] = {2, 4, 4, 4};
    static const char zeros[8];
    mw_flat__begin(out);
    const mw_flat_slots table = mw_flat__add_table(out, fields, 4);
    mw_flat__set_root(out, table);
    mw_flat__set_int(out, table, MW_FOOTER_VERSION, 2, MW_ARROW_V5);
    mw_flat__set_ref(out, table, MW_FOOTER_DICTIONARIES, add_blocks(out, s->blocks[0], s->n[0]));
    mw_flat__set_ref(out, table, MW_FOOTER_RECORDS, add_blocks(out, s->blocks[1], s->n[1]));
    mw_buf_append(out, zeros, (8 - out->size % 8) % 8);
    const size_t at = out->size;
    mw_buf_add_str(out, s->schema);
    mw_flat__set_ref(out, table, MW_FOOTER_SCHEMA, at + s->schema_at);
}

/* The file that the stream is the middle of. */
static void write_file(const splitter *s, const mw_buf *footer, mw_buf *out) {
    static const char prefix[PREFIX_BYTES] = MW_ARROW_MAGIC;
    const int32_t bytes = (int32_t)footer->size;
    mw_buf_append(out, prefix, sizeof prefix);
    mw_buf_append(out, s->data, s->at);
    mw_buf_add_str(out, mw_buf_str(footer));
    mw_buf_append(out, &bytes, sizeof bytes);
    mw_buf_append(out, MW_ARROW_MAGIC, MW_ARROW_MAGIC_BYTES);
}

mw_status mw_ipc_read_stream(const mw_ctx *ctx, mw_str bytes, const char *name,
                             const char *const *columns, size_t n_columns, mw_table **ret,
                             mw_err *err) {
    splitter s = {
        .mem = ctx->mem, .data = (const uint8_t *)bytes.data, .size = bytes.size, .name = name};
    mw_buf footer, file;
    mw_buf_init(&footer, ctx->mem, INT32_MAX);
    mw_buf_init(&file, ctx->mem, SIZE_MAX / 4);
    mw_status status = split(&s, err);
    if (status == MW_OK) {
        write_footer(&s, &footer);
        status = mw_buf_status(&footer, "reading a table", err);
    }
    if (status == MW_OK) {
        write_file(&s, &footer, &file);
        status = mw_buf_status(&file, "reading a table", err);
    }
    if (status == MW_OK)
        status = mw_arrow__read(ctx, (const uint8_t *)file.data, file.size, name, columns,
                                n_columns, ret, err);
    mw_buf_done(&footer);
    mw_buf_done(&file);
    mw_free(s.blocks[0]);
    mw_free(s.blocks[1]);
    return status;
}
