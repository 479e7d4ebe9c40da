/*
 * parts.c -- see parts.h. Chunks of a good size go to the file from where they lie; smaller ones are put
 * together first, since every batch costs metadata and padding for each of its columns.
 *
 * While rows are handed back (`again`), the parts written before are `old`: a file is removed when it has
 * been opened, its bytes stay until it is closed. So a part of the new sequence that happens to have the same
 * bytes, and name, as an old one can never be taken for it.
 */
#include "keep/ingest/parts.h"

#include <stdio.h>
#include <string.h>

#include "core/table/ipcstream.h"
#include "core/text/datetime.h"

enum {
    PART_BYTES = 128000000,
    PART_ROWS = 1 << 22,
    DIRECT_BYTES = 256 << 10, /* a chunk of this size, */
    DIRECT_ROWS = 1 << 13,    /* or of so many rows, is a batch of its own */
    GATHER_BYTES = 1 << 20,
    GATHER_ROWS_MIN = 64,
    GATHER_ROWS_MAX = 1 << 16,
    FIRST_PARTS = 8
};

static const char suffix[] = ".arrow";

typedef struct part_list {
    mw_ingest_part *items; /* [n] */
    size_t n, capacity;
} part_list;

struct mw_parts {
    const mw_ctx *ctx;
    const mw_schema *schema;
    mw_dir *staging;
    mw_parts_options options;

    mw_file *file; /* NULL: no part is open */
    mw_ipc_writer *writer;
    mw_chunk *gathered; /* small chunks of the open part */
    int32_t n_columns;  /* of the open part */
    size_t row_bytes;
    char number[24]; /* of the open part, for its metadata */
    mw_ingest_part open;

    part_list done, old;
    bool again; /* rows are being handed back */
    size_t next_old;
    mw_ipc_reader *reader;
};

mw_status mw_parts_new(const mw_ctx *ctx, const mw_schema *schema, const mw_parts_options *options,
                       mw_dir *staging, mw_parts **ret, mw_err *err) {
    mw_parts *parts = mw_calloc(ctx->mem, 1, sizeof *parts);
    if (!parts) return mw_fail_nomem(err, "writing segments");
    parts->ctx = ctx;
    parts->schema = schema;
    parts->staging = staging;
    parts->options = *options;
    if (!parts->options.part_bytes) parts->options.part_bytes = PART_BYTES;
    if (!parts->options.part_rows) parts->options.part_rows = PART_ROWS;
    *ret = parts;
    return MW_OK;
}

/* --- one part -------------------------------------------------------------------------------- */

static void drop_open(mw_parts *p) {
    p->writer = mw_ipc_writer_free(p->writer);
    p->file = mw_file_abort(p->file);
    p->gathered = mw_chunk_free(p->gathered);
}

static size_t width(mw_type type) {
    return type == MW_DICTIONARY ? sizeof(int32_t) : type == MW_BOOL ? 1 : sizeof(double);
}

/* Room for the small chunks of a part with these columns. */
static mw_status make_gathered(mw_parts *p, mw_err *err) {
    size_t n = (size_t)p->n_columns;
    mw_type *types = mw_alloc_array(p->ctx->mem, n, sizeof *types);
    if (!types) return mw_fail_nomem(err, "writing segments");
    p->row_bytes = 1;
    for (size_t i = 0; i < n; i++) {
        types[i] = p->schema->columns[i].type;
        p->row_bytes += width(types[i]);
    }
    int64_t rows = (int64_t)(GATHER_BYTES / p->row_bytes);
    if (rows < GATHER_ROWS_MIN) rows = GATHER_ROWS_MIN;
    if (rows > GATHER_ROWS_MAX) rows = GATHER_ROWS_MAX;
    mw_status status = mw_chunk_new(p->ctx->mem, types, p->n_columns, rows, &p->gathered, err);
    mw_free(types);
    return status;
}

static mw_status open_part(mw_parts *p, mw_err *err) {
    const mw_ctx *ctx = p->ctx;
    (void)snprintf(p->number, sizeof p->number, "%zu", p->done.n);
    const mw_meta meta[] = {{"millwright.source", p->options.source},
                            {"millwright.layout", p->options.layout},
                            {"millwright.part", p->number},
                            {"millwright.options", p->options.asked}};
    size_t n_meta = sizeof meta / sizeof *meta - !(p->options.asked && *p->options.asked);
    p->open = (mw_ingest_part){.first_us = INT64_MAX, .last_us = INT64_MIN};
    p->n_columns = p->schema->n_columns;
    mw_status status = make_gathered(p, err);
    if (status == MW_OK) status = mw_file_create(ctx, p->staging, "part.arrow", &p->file, err);
    if (status == MW_OK)
        status = mw_ipc_writer_new(ctx, p->schema, meta, n_meta, p->file, &p->writer, err);
    if (status != MW_OK) drop_open(p);
    return status;
}

static mw_status put_gathered(mw_parts *p, mw_err *err) {
    mw_status status = mw_ipc_writer_add(p->writer, p->gathered, err);
    p->gathered->n_rows = 0;
    return status;
}

static mw_status reserve(mw_parts *p, mw_err *err) {
    part_list *list = &p->done;
    if (list->n < list->capacity) return MW_OK;
    size_t capacity = list->capacity ? 2 * list->capacity : FIRST_PARTS;
    void *items = mw_realloc(p->ctx->mem, list->items, capacity * sizeof *list->items);
    if (!items) return mw_fail_nomem(err, "writing segments");
    list->items = items;
    list->capacity = capacity;
    return MW_OK;
}

static mw_status close_part(mw_parts *p, mw_err *err) {
    char name[MW_FILE_HASH_NAME];
    if (!p->file) return MW_OK;
    mw_status status = reserve(p, err);
    if (status == MW_OK && p->gathered->n_rows) status = put_gathered(p, err);
    if (status == MW_OK) status = mw_ipc_writer_finish(p->writer, err);
    if (status == MW_OK && !(p->open.file = mw_alloc(p->ctx->mem, sizeof name)))
        status = mw_fail_nomem(err, "writing segments");
    if (status != MW_OK) {
        drop_open(p);
        return status;
    }
    p->open.n_rows = mw_ipc_writer_rows(p->writer);
    p->open.bytes = mw_file_size(p->file);
    status = mw_file_commit_by_hash(p->file, suffix, name, err);
    p->file = NULL;
    drop_open(p);
    /* A commit that failed late may have left the file under its name. */
    if (status != MW_OK && name[0]) (void)mw_dir_remove(p->ctx, p->staging, name, NULL);
    if (status != MW_OK) {
        p->open.file = mw_free(p->open.file);
        return status;
    }
    memcpy(p->open.file, name, sizeof name);
    p->done.items[p->done.n++] = p->open;
    return MW_OK;
}

static void note_times(mw_ingest_part *part, const mw_chunk *chunk) {
    const int64_t *time = chunk->columns[0].time;
    for (int64_t i = 0; i < chunk->n_rows; i++) {
        if (time[i] == MW_TIME_NONE) continue;
        if (time[i] < part->first_us) part->first_us = time[i];
        if (time[i] > part->last_us) part->last_us = time[i];
    }
}

/* --- the sink -------------------------------------------------------------------------------- */

static bool fits(const mw_parts *p, const mw_chunk *chunk) {
    int64_t waiting = p->gathered->n_rows + chunk->n_rows;
    return chunk->n_columns <= p->n_columns &&
           mw_ipc_writer_rows(p->writer) + waiting <= p->options.part_rows &&
           mw_file_size(p->file) + (uint64_t)waiting * p->row_bytes <= p->options.part_bytes;
}

static mw_status put_chunk(mw_parts *p, const mw_chunk *chunk, mw_err *err) {
    bool direct =
        chunk->n_rows >= DIRECT_ROWS || (size_t)chunk->n_rows * p->row_bytes >= DIRECT_BYTES;
    int64_t room = p->gathered->capacity - p->gathered->n_rows;
    mw_status status = MW_OK;
    if (p->gathered->n_rows && (direct || chunk->n_rows > room)) status = put_gathered(p, err);
    if (status != MW_OK) return status;
    if (direct) return mw_ipc_writer_add(p->writer, chunk, err);
    mw_chunk_append(p->gathered, chunk, 0, chunk->n_rows);
    return MW_OK;
}

static mw_status take(void *self, const mw_chunk *chunk, mw_err *err) {
    mw_parts *p = self;
    mw_status status = MW_OK;
    if (chunk->n_rows == 0) return MW_OK;
    if (p->file && !fits(p, chunk)) status = close_part(p, err);
    if (status == MW_OK && !p->file) status = open_part(p, err);
    if (status == MW_OK) status = put_chunk(p, chunk, err);
    if (status == MW_OK) note_times(&p->open, chunk);
    return status;
}

static bool is_new(const mw_parts *p, const char *file) {
    for (size_t i = 0; i < p->done.n; i++)
        if (strcmp(p->done.items[i].file, file) == 0) return true;
    return false;
}

static mw_status open_old(mw_parts *p, mw_err *err) {
    const char *file = p->old.items[p->next_old].file;
    mw_status status = mw_ipc_reader_open(p->ctx, p->staging, file, NULL, 0, &p->reader, err);
    if (status == MW_OK && !is_new(p, file)) status = mw_dir_remove(p->ctx, p->staging, file, err);
    if (status == MW_OK) p->next_old++;
    return status;
}

static mw_status again(void *self, mw_chunk **ret, mw_err *err) {
    mw_parts *p = self;
    if (!p->again) {
        mw_status status = close_part(p, err);
        if (status != MW_OK) return status;
        p->old = p->done;
        p->done = (part_list){0};
        p->again = true;
    }
    for (;;) {
        mw_chunk *chunk = NULL;
        mw_status status = MW_OK;
        if (!p->reader && p->next_old == p->old.n) {
            *ret = NULL;
            return MW_OK;
        }
        if (!p->reader) status = open_old(p, err);
        if (status == MW_OK) status = mw_ipc_reader_next(p->reader, &chunk, err);
        if (status != MW_OK) return status;
        if (chunk) {
            *ret = chunk;
            return MW_OK;
        }
        p->reader = mw_ipc_reader_close(p->reader);
    }
}

mw_arrange_sink mw_parts_sink(mw_parts *parts) { return (mw_arrange_sink){parts, take, again}; }

/* --- the end --------------------------------------------------------------------------------- */

mw_status mw_parts_finish(mw_parts *p, mw_ingest_part **ret, size_t *n, mw_err *err) {
    mw_status status = close_part(p, err);
    if (status != MW_OK) return status;
    *ret = p->done.items;
    *n = p->done.n;
    p->done = (part_list){0};
    return MW_OK;
}

static void remove_files(const mw_parts *p, const part_list *list, size_t from) {
    for (size_t i = from; i < list->n; i++)
        (void)mw_dir_remove(p->ctx, p->staging, list->items[i].file, NULL);
}

void *mw_parts_free(mw_parts *p) {
    if (!p) return NULL;
    drop_open(p);
    mw_ipc_reader_close(p->reader);
    remove_files(p, &p->done, 0);
    remove_files(p, &p->old, p->next_old);
    mw_ingest_parts_free(p->done.items, p->done.n);
    mw_ingest_parts_free(p->old.items, p->old.n);
    return mw_free(p);
}
