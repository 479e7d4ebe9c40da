/* telemetry_stored.c -- rows of segments, in the order of their times, with the columns of a program. */
#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/table/ipc.h"
#include "keep/ingest/dataset.h"
#include "run/live/telemetry_parts.h"

struct mw_live_stored {
    mw_live_org *org;
    mw_arena arena;
    mw_dir *folder;
    mw_dataset *dataset; /* NULL: no segment */
    int64_t *firsts;     /* [n_firsts] of the journal's files whose segments are here */
    size_t n_firsts;
    const char **flagged; /* [n_flagged] files of flagged windows */
    size_t n_flagged;
    const char **files; /* [n_files] segments */
    size_t n_files;
};

/* ---- segments ---- */

static mw_status choose(mw_live_stored *s, const char *dataset, const mw_segment_record *segments,
                        size_t n, bool own, mw_err *err) {
    size_t n_pieces = 0;
    mw_dataset_piece *pieces = mw_arena_calloc(&s->arena, n + 1, sizeof *pieces);
    s->firsts = mw_arena_calloc(&s->arena, n + 1, sizeof *s->firsts);
    s->flagged = mw_arena_calloc(&s->arena, n + 1, sizeof *s->flagged);
    s->files = mw_arena_calloc(&s->arena, n + 1, sizeof *s->files);
    if (!pieces || !s->firsts || !s->flagged || !s->files) return mw_fail_nomem(err, "stored rows");
    for (size_t i = 0; i < n; i++) {
        const bool is_own = mw_live__is_own(s->org, segments[i].source, &s->firsts[s->n_firsts]);
        s->n_firsts += is_own;
        mw_status status = MW_OK;
        if (is_own || !own)
            status = mw_live__need_file(s->org, dataset, s->folder, segments[i].file, err);
        if (!status && segments[i].quality)
            status = mw_live__need_file(s->org, dataset, s->folder, segments[i].quality, err);
        if (status) return status;
        if (is_own || !own) {
            s->files[n_pieces] = segments[i].file;
            pieces[n_pieces++] =
                (mw_dataset_piece){s->folder, segments[i].file, segments[i].first_us};
        }
        if (segments[i].quality) s->flagged[s->n_flagged++] = segments[i].quality;
    }
    s->n_files = n_pieces;
    return n_pieces ? mw_dataset_open(&s->org->ctx, pieces, n_pieces, &s->dataset, err) : MW_OK;
}

mw_status mw_live__stored_open(mw_live_org *org, const char *dataset, bool own,
                               mw_live_stored **ret, mw_err *err) {
    mw_live_stored *s = mw_calloc(org->ctx.mem, 1, sizeof *s);
    if (!s) return mw_fail_nomem(err, "stored rows");
    const mw_segment_record *segments = NULL;
    size_t n = 0;
    s->org = org;
    mw_arena_init(&s->arena, org->ctx.mem);
    mw_status status =
        mw_store_segments(&org->ctx, org->telemetry->store, &s->arena, dataset, &segments, &n, err);
    if (status == MW_ENOTFOUND && strcmp(dataset, mw_live__dataset) == 0) status = MW_OK;
    if (!status && n > 0) status = mw_live__folder(org, "datasets", dataset, &s->folder, err);
    if (!status) status = choose(s, dataset, segments, n, own, err);
    if (status)
        mw_live__stored_close(s);
    else
        *ret = s;
    return status;
}

void *mw_live__stored_close(mw_live_stored *s) {
    if (!s) return NULL;
    mw_dataset_close(s->dataset);
    mw_dir_close(s->folder);
    mw_arena_done(&s->arena);
    return mw_free(s);
}

bool mw_live__stored_has(const mw_live_stored *s, int64_t file_first) {
    for (size_t i = 0; i < s->n_firsts; i++)
        if (s->firsts[i] == file_first) return true;
    return false;
}

/* ---- flagged windows ---- */

mw_status mw_live__stored_flagged(const mw_live_stored *s, const mw_program *program,
                                  const mw_dictionary *devices, mw_flagged_list *ret, mw_err *err) {
    const mw_flagged_devices of = {devices,
                                   mw_dictionary_find(devices, mw_str_of(mw_live__only_device))};
    mw_status status = MW_OK;
    for (size_t i = 0; i < s->n_flagged && !status; i++) {
        mw_table *table = NULL;
        status = mw_ipc_read(&s->org->ctx, s->folder, s->flagged[i], NULL, 0, &table, err);
        if (!status)
            status = mw_flagged_read(table, program->inputs, program->n_inputs, &of, ret, err);
        mw_table_free(table);
    }
    return status;
}

/* ---- texts ---- */

/* The columns of visitor->columns among those of a table, NULL: not there. */
static void find_texts(const mw_table *table, const mw_live_visitor *visitor,
                       const mw_column **ret) {
    for (int32_t k = 0; k < visitor->columns->n_texts; k++) {
        ret[k] = mw_table_column(table, visitor->columns->texts[k]);
        if (ret[k] && ret[k]->type != MW_DICTIONARY && ret[k]->type != MW_UTF8) ret[k] = NULL;
    }
}

static mw_status visit_texts(const mw_table *table, const mw_live_visitor *visitor,
                             const mw_column **columns, mw_str *texts, mw_err *err) {
    const mw_column *time = mw_table_column(table, "time"),
                    *device = mw_table_column(table, "device_id");
    mw_status status = MW_OK;
    if (!time || time->type != MW_TIMESTAMP) return MW_OK;
    if (device && device->type != MW_DICTIONARY) device = NULL;
    find_texts(table, visitor, columns);
    for (int64_t i = 0; i < table->n_rows && !status; i++) {
        for (int32_t k = 0; k < visitor->columns->n_texts; k++)
            texts[k] = columns[k] ? mw_column_text(columns[k], i) : (mw_str){0};
        const bool is_named = device && mw_column_has(device, i);
        status = visitor->texts(
            visitor->self, time->time[i],
            is_named ? mw_column_text(device, i) : mw_str_of(mw_live__only_device), texts, err);
    }
    return status;
}

mw_status mw_live__stored_texts(const mw_live_stored *s, const mw_live_visitor *visitor,
                                mw_err *err) {
    const size_t n = (size_t)visitor->columns->n_texts;
    mw_mem *mem = s->org->ctx.mem;
    if (n == 0) return MW_OK;
    const char **names = mw_alloc_array(mem, n + 2, sizeof *names);
    const mw_column **found = mw_alloc_array(mem, n, sizeof *found);
    mw_str *texts = mw_alloc_array(mem, n, sizeof *texts);
    mw_status status = names && found && texts ? MW_OK : mw_fail_nomem(err, "stored rows");
    for (size_t k = 0; k < n && !status; k++) names[k] = visitor->columns->texts[k];
    if (!status) names[n] = "time", names[n + 1] = "device_id";
    for (size_t i = 0; i < s->n_files && !status; i++) {
        mw_table *table = NULL;
        status = mw_ipc_read(&s->org->ctx, s->folder, s->files[i], names, n + 2, &table, err);
        if (!status) status = visit_texts(table, visitor, found, texts, err);
        mw_table_free(table);
        if (!status) status = mw_ctx_check(&s->org->ctx, err);
    }
    mw_free(names);
    mw_free(found);
    mw_free(texts);
    return status;
}

/* ---- rows ---- */

typedef struct place {
    int64_t time;
    uint32_t row; /* of the chunk */
} place;

typedef struct feeding {
    const mw_row_stream *rows;
    const mw_program *program;
    const mw_dictionary *only;
    const mw_live_visitor *visitor;
    bool *wanted;           /* [texts of devices] NULL: all */
    int32_t *from;          /* [n_inputs] columns of the dataset, -1: it has none */
    const double **columns; /* [n_inputs] of values */
    int64_t room;
    place *places;  /* [room] the rest, too */
    int64_t *times; /* in order */
    mw_str *devices;
    double *values; /* [n_inputs][room] */
} feeding;

static void free_feeding(feeding *f) {
    mw_free(f->wanted);
    mw_free(f->from);
    mw_free(f->columns);
    mw_free(f->places);
    mw_free(f->times);
    mw_free(f->devices);
    mw_free(f->values);
}

static mw_status start_feeding(mw_mem *mem, feeding *f, mw_err *err) {
    const mw_row_stream *rows = f->rows;
    const size_t inputs = (size_t)f->program->n_inputs;
    f->from = mw_alloc_array(mem, inputs + 1, sizeof *f->from);
    f->columns = mw_alloc_array(mem, inputs + 1, sizeof *f->columns);
    if (!f->from || !f->columns) return mw_fail_nomem(err, "stored rows");
    for (size_t c = 0; c < inputs; c++) {
        f->from[c] = mw_schema_find(rows->schema, mw_str_of(f->program->inputs[c]));
        if (f->from[c] >= 0 && rows->schema->columns[f->from[c]].type != MW_FLOAT64)
            f->from[c] = -1;
    }
    if (f->only && rows->has_device) {
        const mw_dictionary *texts = rows->schema->columns[1].dictionary;
        const int32_t n = mw_dictionary_size(texts);
        f->wanted = mw_alloc_array(mem, (size_t)n + 1, sizeof *f->wanted);
        if (!f->wanted) return mw_fail_nomem(err, "stored rows");
        for (int32_t i = 0; i < n; i++)
            f->wanted[i] = mw_dictionary_find(f->only, mw_dictionary_text(texts, i)) >= 0;
    }
    return rows->start(rows->self, rows->schema->n_columns, err);
}

static mw_status make_room(mw_mem *mem, feeding *f, int64_t rows, mw_err *err) {
    const size_t n = (size_t)rows, inputs = (size_t)f->program->n_inputs;
    if (rows <= f->room) return MW_OK;
    mw_free(f->places);
    mw_free(f->times);
    mw_free(f->devices);
    mw_free(f->values);
    f->places = mw_alloc_array(mem, n, sizeof *f->places);
    f->times = mw_alloc_array(mem, n, sizeof *f->times);
    f->devices = mw_alloc_array(mem, n, sizeof *f->devices);
    f->values = mw_alloc_array(mem, n * inputs + 1, sizeof *f->values);
    f->room = f->places && f->times && f->devices && f->values ? rows : 0;
    for (size_t c = 0; c < inputs; c++) f->columns[c] = f->values + c * n;
    return f->room ? MW_OK : mw_fail_nomem(err, "stored rows");
}

static int by_time(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Rows that are wanted, in order: a chunk has rows of several segments one after the other. */
static int64_t choose_rows(feeding *f, const mw_chunk *chunk) {
    int64_t n = 0;
    for (int64_t i = 0; i < chunk->n_rows; i++) {
        if (f->wanted) {
            const int32_t code = chunk->columns[1].codes[i];
            if (code < 0 || !f->wanted[code]) continue;
        }
        f->places[n++] = (place){chunk->columns[0].time[i], (uint32_t)i};
    }
    if (n > 0) qsort(f->places, (size_t)n, sizeof *f->places, by_time);
    return n;
}

static mw_status feed_chunk(mw_mem *mem, feeding *f, const mw_chunk *chunk, mw_err *err) {
    mw_status status = make_room(mem, f, chunk->n_rows, err);
    if (status) return status;
    const mw_row_stream *rows = f->rows;
    const int64_t n = choose_rows(f, chunk);
    for (int64_t i = 0; i < n; i++) {
        f->times[i] = f->places[i].time;
        f->devices[i] = rows->has_device
                            ? mw_dictionary_text(rows->schema->columns[1].dictionary,
                                                 chunk->columns[1].codes[f->places[i].row])
                            : mw_str_of(mw_live__only_device);
    }
    for (int32_t c = 0; c < f->program->n_inputs; c++) {
        double *to = f->values + c * f->room;
        const double *from = f->from[c] < 0 ? NULL : chunk->columns[f->from[c]].number;
        for (int64_t i = 0; i < n; i++) to[i] = from ? from[f->places[i].row] : MW_NAN;
    }
    if (n == 0) return MW_OK;
    return f->visitor->rows(f->visitor->self, n, f->times, f->devices, f->columns, err);
}

mw_status mw_live__stored_each(const mw_live_stored *stored, const mw_program *program,
                               const mw_dictionary *only, const mw_live_visitor *visitor,
                               mw_err *err) {
    if (!stored->dataset) return MW_OK;
    mw_mem *mem = stored->org->ctx.mem;
    const mw_row_stream *rows = mw_dataset_stream(stored->dataset);
    feeding f = {.rows = rows, .program = program, .only = only, .visitor = visitor};
    mw_status status = start_feeding(mem, &f, err);
    while (!status) {
        const mw_chunk *chunk = NULL;
        status = rows->next(rows->self, &chunk, err);
        if (status || !chunk) break;
        status = feed_chunk(mem, &f, chunk, err);
    }
    free_feeding(&f);
    return status;
}
