/*
 * telemetry_files.c -- journal files on disk: found at the start, made segments of the dataset `live`, removed once a snapshot covers them.
 *
 * A segment's source is named after its journal file, so that the store says whether a file's rows are stored, and committing them again replaces
 * them: whatever a crash leaves undone is done again with the same outcome.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/math.h"
#include "keep/ingest/parts.h"
#include "keep/ingest/quality.h"
#include "run/live/telemetry_parts.h"

enum { CHUNK_ROWS = 8192 };

/* ---- sources: "live-", the home of the data folder if it has one, and the name of the file ---- */

static const char prefix[] = "live-";
enum { SOURCE_BYTES = sizeof prefix + MW_STORE_HOME + MW_JOURNAL_NAME };

static void source_of(const mw_live_org *org, int64_t first, char out[SOURCE_BYTES]) {
    const char *home = mw_store_home(org->telemetry->store);
    char name[MW_JOURNAL_NAME];
    mw_journal_name(first, name);
    (void)snprintf(out, SOURCE_BYTES, "%s%s%s%s", prefix, home, *home ? "-" : "", name);
}

/* Those without a home are from the time before there was one. */
bool mw_live__is_own(const mw_live_org *org, const char *source, int64_t *ret_first) {
    const char *home = mw_store_home(org->telemetry->store);
    const size_t n = strlen(home);
    if (strncmp(source, prefix, sizeof prefix - 1) != 0) return false;
    source += sizeof prefix - 1;
    if (n && strncmp(source, home, n) == 0 && source[n] == '-') source += n + 1;
    return mw_journal_named(source, ret_first);
}

mw_status mw_live__need_file(mw_live_org *org, const char *dataset, mw_dir *dir, const char *file,
                             mw_err *err) {
    mw_status status =
        mw_artifacts_need(&org->ctx, org->telemetry->options.artifacts, dataset, dir, file, err);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

/* Segments of the dataset; none when there is no dataset yet. */
static mw_status list_segments(mw_live_org *org, mw_arena *arena, const mw_segment_record **ret,
                               size_t *n, mw_err *err) {
    *n = 0;
    mw_status status =
        mw_store_segments(&org->ctx, org->telemetry->store, arena, mw_live__dataset, ret, n, err);
    return status == MW_ENOTFOUND ? MW_OK : status;
}

mw_status mw_live__folder(mw_live_org *org, const char *a, const char *b, mw_dir **ret,
                          mw_err *err) {
    const char *const steps[] = {"orgs", org->name, a, b};
    mw_dir *dir = org->telemetry->data;
    mw_status status = MW_OK;
    for (size_t i = 0; i < 4 && steps[i] && !status; i++) {
        mw_dir *below = NULL;
        status = mw_dir_sub(&org->ctx, dir, steps[i], MW_DIR_CREATE, &below, err);
        if (dir != org->telemetry->data) mw_dir_close(dir);
        dir = below;
    }
    if (!status) *ret = dir;
    return status;
}

/* ---- the list ---- */

mw_status mw_live__add_file(mw_live_org *org, const mw_live_file *file, mw_err *err) {
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->lock);
    if (org->n_files == org->files_room) {
        const size_t room = org->files_room ? 2 * org->files_room : 8;
        mw_live_file *more = mw_realloc(org->ctx.mem, org->files, room * sizeof *more);
        if (more) {
            org->files = more;
            org->files_room = room;
        } else {
            status = mw_fail_nomem(err, "the list of journal files");
        }
    }
    if (!status) org->files[org->n_files++] = *file;
    pthread_mutex_unlock(&org->lock);
    return status;
}

void mw_live__remove_files(mw_live_org *org) {
    size_t kept = 0;
    char name[MW_JOURNAL_NAME];
    pthread_mutex_lock(&org->lock);
    const size_t n = org->n_files;
    for (size_t i = 0; i < n; i++) {
        const mw_live_file file = org->files[i];
        mw_err err = {0};
        mw_journal_name(file.first, name);
        if (file.stored && file.end <= org->covered) {
            pthread_mutex_unlock(&org->lock);
            mw_status status = mw_dir_remove(&org->ctx, org->dir, name, &err);
            pthread_mutex_lock(&org->lock);
            if (!status) continue;
            mw_log_warn(&org->ctx, "a journal file stays: %s", err.message);
        }
        org->files[kept++] = file;
    }
    /* Those that were added meanwhile. */
    for (size_t i = n; i < org->n_files; i++) org->files[kept++] = org->files[i];
    org->n_files = kept;
    pthread_mutex_unlock(&org->lock);
}

/* ---- what is there at the start ---- */

static bool is_stored(const mw_live_org *org, const mw_segment_record *segments, size_t n,
                      int64_t first) {
    int64_t of_segment;
    for (size_t i = 0; i < n; i++)
        if (mw_live__is_own(org, segments[i].source, &of_segment) && of_segment == first)
            return true;
    return false;
}

/* The number behind the last stored row. */
static int64_t stored_end(const mw_live_org *org, const mw_segment_record *segments, size_t n) {
    int64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t first, rows = 0;
        if (!mw_live__is_own(org, segments[i].source, &first)) continue;
        for (size_t k = 0; k < n; k++)
            if (strcmp(segments[k].source, segments[i].source) == 0) rows += segments[k].n_rows;
        if (first + rows > end) end = first + rows;
    }
    return end;
}

/* What a crash has left of files that were being made. */
static mw_status sweep(mw_live_org *org, const mw_dir_entry *entries, size_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const char *name = entries[i].name, *dot = strrchr(name, '.');
        if (name[0] == '.' || (name[0] == 'x' && dot && strcmp(dot, ".arrow") == 0))
            status = mw_dir_remove(&org->ctx, org->dir, name, err);
    }
    return status;
}

static mw_status fail_gap(const mw_live_org *org, int64_t from, int64_t to, mw_err *err) {
    char name[MW_JOURNAL_NAME];
    mw_journal_name(from, name);
    mw_fail(err, MW_EDATA,
            "%s of \"%s\" is missing: rows %lld to %lld are neither there nor in a segment", name,
            org->name, (long long)from, (long long)to - 1);
    return mw_err_hint(err, "restore it from a backup");
}

static mw_status find_file(mw_live_org *org, int64_t first, bool is_last, bool stored,
                           mw_err *err) {
    char name[MW_JOURNAL_NAME];
    mw_journal_file file;
    mw_journal_name(first, name);
    mw_status status = mw_journal_open(&org->ctx, org->dir, name, is_last, &file, err);
    if (status) return status;
    org->next_row = file.first + file.n_rows;
    if (is_last && file.torn)
        mw_log_warn(&org->ctx, "%s ends in a row that was never acknowledged: cut off at byte %llu",
                    name, (unsigned long long)file.good_bytes);
    if (is_last && !stored) {
        status = mw_journal_continue(&org->ctx, org->dir, &file, &org->journal, err);
        org->journal_us = mw_clock_monotonic(org->ctx.clock);
    } else {
        const mw_live_file closed = {first, org->next_row, file.map.size, stored};
        status = mw_live__add_file(org, &closed, err);
    }
    org->bytes_since += (int64_t)file.map.size;
    mw_journal_done(&file);
    return status;
}

static mw_status find_files(mw_live_org *org, const mw_dir_entry *entries, size_t n,
                            const mw_segment_record *segments, size_t n_segments, mw_err *err) {
    int64_t first = 0, last = -1;
    mw_status status = MW_OK;
    for (size_t i = 0; i < n; i++)
        if (mw_journal_named(entries[i].name, &first)) last = first;
    const int64_t stored = stored_end(org, segments, n_segments);
    org->stored_end = stored;
    for (size_t i = 0; i < n && !status; i++) {
        if (!mw_journal_named(entries[i].name, &first)) continue;
        const int64_t from = org->n_files ? org->next_row : stored < first ? stored : first;
        if (first > from && !is_stored(org, segments, n_segments, from))
            return fail_gap(org, from, first, err);
        status =
            find_file(org, first, first == last, is_stored(org, segments, n_segments, first), err);
    }
    if (org->next_row < stored) org->next_row = stored;
    return status;
}

mw_status mw_live__open_files(mw_live_org *org, mw_err *err) {
    if (org->dir) return MW_OK;
    mw_arena arena;
    mw_arena_init(&arena, org->ctx.mem);
    mw_dir_entry *entries = NULL;
    const mw_segment_record *segments = NULL;
    size_t n = 0, n_segments = 0;
    mw_status status = mw_live__folder(org, "live", NULL, &org->dir, err);
    if (!status && flock(mw_dir_fd(org->dir), LOCK_EX | LOCK_NB) != 0) {
        mw_fail(err, MW_EBUSY, "another process takes the live rows of \"%s\"", org->name);
        status = mw_err_hint(err, "one server at a time has a data folder's live rows");
    }
    if (!status) status = mw_dir_list(&org->ctx, org->dir, &entries, &n, err);
    if (!status) status = sweep(org, entries, n, err);
    if (!status) status = list_segments(org, &arena, &segments, &n_segments, err);
    org->next_row = org->bytes_since = 0;
    if (!status) status = find_files(org, entries, n, segments, n_segments, err);
    mw_free(entries);
    mw_arena_done(&arena);
    if (status) {
        org->journal = mw_journal_close(org->journal);
        org->dir = mw_dir_close(org->dir);
        org->n_files = 0;
    }
    return status;
}

/* ---- a file becomes a segment ---- */

/* Where a row of a file lies. */
typedef struct place {
    int64_t time, number; /* of the file's rows */
    uint32_t row;         /* of its record */
    uint32_t record;
} place;

typedef struct sorting {
    mw_live_org *org;
    mw_journal_file file;
    char content[MW_HASH128_NAME];
    char flags[MW_FILE_HASH_NAME]; /* the file of its flagged windows; "": none */
    mw_schema *schema;
    place *places;     /* [n_rows] */
    uint64_t *records; /* [n_records] where they begin */
    size_t n_records;
    mw_chunk *chunk;
    mw_parts *parts;
} sorting;

static int by_time(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static mw_status find_places(sorting *s, mw_err *err) {
    mw_mem *mem = s->org->ctx.mem;
    uint64_t at = 0;
    int64_t n = 0;
    s->places = mw_alloc_array(mem, (size_t)s->file.n_rows + 1, sizeof *s->places);
    s->records = mw_alloc_array(mem, (size_t)s->file.n_rows + 1, sizeof *s->records);
    if (!s->places || !s->records) return mw_fail_nomem(err, "the rows of a journal file");
    for (;;) {
        mw_journal_rows rows;
        const uint64_t begin = at;
        mw_status status = mw_journal_read(&s->file, &at, &rows, err);
        if (status || rows.n == 0) break;
        s->records[s->n_records] = begin;
        for (int64_t i = 0; i < rows.n; i++, n++)
            s->places[n] = (place){rows.times[i], n, (uint32_t)i, (uint32_t)s->n_records};
        s->n_records++;
    }
    if (n != s->file.n_rows)
        return mw_fail(err, MW_EDATA, "the journal %s is damaged", s->file.name);
    if (n > 0) qsort(s->places, (size_t)n, sizeof *s->places, by_time);
    return MW_OK;
}

static mw_status make_schema(sorting *s, mw_err *err) {
    mw_mem *mem = s->org->ctx.mem;
    int32_t column;
    const int32_t n = s->file.n_columns + s->file.n_texts + 2;
    mw_type *types = mw_alloc_array(mem, (size_t)n, sizeof *types);
    if (!types) return mw_fail_nomem(err, "a segment");
    mw_status status = mw_schema_new(mem, &s->schema, err);
    if (!status) status = mw_schema_add(s->schema, MW_STR("time"), MW_TIMESTAMP, &column, err);
    if (!status)
        status = mw_schema_add(s->schema, MW_STR("device_id"), MW_DICTIONARY, &column, err);
    for (int32_t c = 0; c < n - 2 && !status; c++)
        status = mw_schema_add(s->schema, mw_str_of(s->file.columns[c]),
                               c < s->file.n_columns ? MW_FLOAT64 : MW_DICTIONARY, &column, err);
    for (int32_t c = 0; c < n && !status; c++) types[c] = s->schema->columns[c].type;
    if (!status) status = mw_chunk_new(mem, types, n, CHUNK_ROWS, &s->chunk, err);
    mw_free(types);
    return status;
}

/* Row i of the chunk is the one at p; records come one by one, so the one at hand is kept. */
static mw_status take_row(sorting *s, const place *p, int64_t i, mw_journal_rows *rows,
                          uint32_t *record, mw_err *err) {
    mw_status status = MW_OK;
    if (*record != p->record || !rows->devices) {
        uint64_t at = s->records[p->record];
        status = mw_journal_read(&s->file, &at, rows, err);
        *record = p->record;
    }
    mw_chunk_column *columns = s->chunk->columns;
    if (!status)
        status = mw_dictionary_add(s->schema->columns[1].dictionary,
                                   rows->names[rows->devices[p->row]], &columns[1].codes[i], err);
    if (status) return status;
    columns[0].time[i] = p->time;
    for (int32_t c = 0; c < s->file.n_columns; c++)
        columns[c + 2].number[i] = rows->columns[c][p->row];
    for (int32_t k = 0; k < s->file.n_texts && !status; k++) {
        const int32_t number = rows->texts[k][p->row], c = s->file.n_columns + 2 + k;
        columns[c].codes[i] = -1;
        if (number >= 0)
            status = mw_dictionary_add(s->schema->columns[c].dictionary, rows->names[number],
                                       &columns[c].codes[i], err);
    }
    return status;
}

static mw_status write_parts(sorting *s, mw_err *err) {
    const mw_arrange_sink sink = mw_parts_sink(s->parts);
    mw_journal_rows rows = {0};
    uint32_t record = UINT32_MAX;
    mw_status status = MW_OK;
    for (int64_t from = 0; from < s->file.n_rows && !status; from += CHUNK_ROWS) {
        const int64_t left = s->file.n_rows - from, n = left < CHUNK_ROWS ? left : CHUNK_ROWS;
        for (int64_t i = 0; i < n && !status; i++)
            status = take_row(s, &s->places[from + i], i, &rows, &record, err);
        s->chunk->n_rows = n;
        if (!status) status = sink.take(sink.self, s->chunk, err);
    }
    return status;
}

static mw_status hash_content(sorting *s, mw_err *err) {
    mw_hash128 *hash = NULL;
    mw_status status = mw_hash128_new(s->org->ctx.mem, &hash, err);
    if (status) return status;
    mw_hash128_add(hash, s->file.map.data, s->file.good_bytes);
    s->content[0] = 'x';
    mw_hash128_digest(hash, s->content + 1);
    mw_hash128_free(hash);
    return MW_OK;
}

/* What was found while the file's rows came. */
static mw_status write_flags(sorting *s, const char *source, mw_err *err) {
    mw_live_org *org = s->org;
    mw_table *flags = NULL;
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->state);
    if (org->judged) status = mw_judged_told(org->judged, s->file.first, &flags, err);
    pthread_mutex_unlock(&org->state);
    if (!status && flags)
        status = mw_quality_write(&org->ctx, flags, source, s->content, org->dir, s->flags, err);
    mw_table_free(flags);
    return status;
}

/* Into the dataset's folder, and where other hosts find it. */
static mw_status place_file(mw_live_org *org, mw_dir *folder, const char *file, mw_err *err) {
    char name[MW_ARTIFACT_NAME];
    mw_status status = mw_dir_move(&org->ctx, org->dir, file, folder, file, err);
    mw_artifact_of_dataset(org->name, mw_live__dataset, file, name);
    return status ? status
                  : mw_artifacts_put(&org->ctx, org->telemetry->options.artifacts, name, folder,
                                     file, err);
}

static mw_status commit_parts(sorting *s, const char *source, const mw_ingest_part *parts, size_t n,
                              mw_err *err) {
    mw_live_org *org = s->org;
    mw_dir *folder = NULL;
    mw_segment_record *records = mw_calloc(org->ctx.mem, n + 1, sizeof *records);
    mw_status status = records ? MW_OK : mw_fail_nomem(err, "a segment");
    if (!status) status = mw_live__folder(org, "datasets", mw_live__dataset, &folder, err);
    for (size_t i = 0; i < n && !status; i++) {
        records[i] = (mw_segment_record){.source = source,
                                         .part = (int32_t)i,
                                         .content_hash = s->content,
                                         .file = parts[i].file,
                                         .layout = "wide",
                                         .quality = i == 0 && s->flags[0] ? s->flags : NULL,
                                         .bytes = i ? 0 : (int64_t)s->file.good_bytes,
                                         .n_lines = i ? 0 : s->file.n_rows,
                                         .n_rows = parts[i].n_rows,
                                         .first_us = parts[i].first_us,
                                         .last_us = parts[i].last_us};
        status = place_file(org, folder, parts[i].file, err);
    }
    if (!status && s->flags[0]) status = place_file(org, folder, s->flags, err);
    const mw_commit commit = {.dataset = mw_live__dataset, .segments = records, .n_segments = n};
    if (!status) status = mw_store_commit(&org->ctx, org->telemetry->store, &commit, err);
    mw_dir_close(folder);
    mw_free(records);
    return status;
}

static mw_status make_segment(sorting *s, const char *source, mw_err *err) {
    const mw_parts_options options = {.source = source, .layout = "wide"};
    mw_ingest_part *parts = NULL;
    size_t n = 0;
    mw_status status = find_places(s, err);
    if (!status) status = make_schema(s, err);
    if (!status)
        status = mw_parts_new(&s->org->ctx, s->schema, &options, s->org->dir, &s->parts, err);
    if (!status) status = write_parts(s, err);
    if (!status) status = mw_parts_finish(s->parts, &parts, &n, err);
    if (!status) status = hash_content(s, err);
    if (!status) status = write_flags(s, source, err);
    if (!status) status = commit_parts(s, source, parts, n, err);
    mw_ingest_parts_free(parts, n);
    mw_parts_free(s->parts);
    mw_chunk_free(s->chunk);
    mw_schema_free(s->schema);
    mw_free(s->places);
    mw_free(s->records);
    return status;
}

static mw_status store_file(mw_live_org *org, const mw_live_file *file, mw_err *err) {
    char source[SOURCE_BYTES], name[MW_JOURNAL_NAME];
    sorting s = {.org = org};
    source_of(org, file->first, source);
    mw_journal_name(file->first, name);
    mw_status status = mw_journal_open(&org->ctx, org->dir, name, false, &s.file, err);
    if (status) return status;
    status = make_segment(&s, source, err);
    mw_journal_done(&s.file);
    if (!status) atomic_fetch_add(&org->telemetry->segments, 1);
    return status;
}

mw_status mw_live__store_files(mw_live_org *org, mw_err *err) {
    mw_status status = MW_OK;
    pthread_mutex_lock(&org->lock);
    for (size_t i = 0; i < org->n_files && !status; i++) {
        if (org->files[i].stored) continue;
        const mw_live_file file = org->files[i];
        pthread_mutex_unlock(&org->lock);
        status = store_file(org, &file, err);
        pthread_mutex_lock(&org->lock);
        org->files[i].stored = status == MW_OK;
        if (!status) org->stored_end = file.end;
    }
    pthread_mutex_unlock(&org->lock);
    return status;
}

mw_status mw_live__forget_flags(mw_live_org *org, mw_err *err) {
    pthread_mutex_lock(&org->state);
    mw_status status = org->program ? mw_judged_forget(org->judged, org->stored_end, err) : MW_OK;
    pthread_mutex_unlock(&org->state);
    return status;
}

/* ---- rows of a file ---- */

typedef struct reading {
    const mw_program *program;
    mw_journal_file file;
    int32_t *from;          /* [n_inputs] columns of the file, -1: it has none */
    const double **columns; /* [n_inputs] */
    int64_t room;
    mw_str *devices;    /* [room] */
    double *missing;    /* [room] */
    int32_t *text_from; /* [n_texts that are wanted] likewise */
    mw_str *texts;      /* [n_texts that are wanted] */
    int32_t n_texts;
} reading;

static mw_status find_texts(mw_mem *mem, reading *r, const mw_live_visitor *visitor, mw_err *err) {
    r->n_texts = visitor->texts ? visitor->columns->n_texts : 0;
    r->text_from = mw_alloc_array(mem, (size_t)r->n_texts + 1, sizeof *r->text_from);
    r->texts = mw_alloc_array(mem, (size_t)r->n_texts + 1, sizeof *r->texts);
    if (!r->text_from || !r->texts) return mw_fail_nomem(err, "the rows of a journal file");
    for (int32_t k = 0; k < r->n_texts; k++) {
        r->text_from[k] = -1;
        for (int32_t c = 0; c < r->file.n_texts; c++)
            if (strcmp(visitor->columns->texts[k], r->file.columns[r->file.n_columns + c]) == 0)
                r->text_from[k] = c;
    }
    return MW_OK;
}

static mw_status find_columns(mw_mem *mem, reading *r, mw_err *err) {
    const mw_program *p = r->program;
    r->from = mw_alloc_array(mem, (size_t)p->n_inputs + 1, sizeof *r->from);
    r->columns = mw_alloc_array(mem, (size_t)p->n_inputs + 1, sizeof *r->columns);
    if (!r->from || !r->columns) return mw_fail_nomem(err, "the rows of a journal file");
    for (int32_t c = 0; c < p->n_inputs; c++) {
        r->from[c] = -1;
        for (int32_t k = 0; k < r->file.n_columns && r->from[c] < 0; k++)
            if (strcmp(p->inputs[c], r->file.columns[k]) == 0) r->from[c] = k;
    }
    return MW_OK;
}

static mw_status make_reading_room(mw_mem *mem, reading *r, int64_t n, mw_err *err) {
    if (n <= r->room) return MW_OK;
    mw_free(r->devices);
    mw_free(r->missing);
    r->devices = mw_alloc_array(mem, (size_t)n, sizeof *r->devices);
    r->missing = mw_alloc_array(mem, (size_t)n, sizeof *r->missing);
    r->room = r->devices && r->missing ? n : 0;
    if (!r->room) return mw_fail_nomem(err, "the rows of a journal file");
    for (int64_t i = 0; i < n; i++) r->missing[i] = MW_NAN;
    return MW_OK;
}

static mw_status visit_record(mw_mem *mem, reading *r, const mw_journal_rows *rows, int64_t skip,
                              const mw_live_visitor *visitor, mw_err *err) {
    const int64_t n = rows->n - skip;
    mw_status status = make_reading_room(mem, r, n, err);
    if (status) return status;
    for (int64_t i = 0; i < n; i++) r->devices[i] = rows->names[rows->devices[skip + i]];
    for (int32_t c = 0; c < r->program->n_inputs; c++)
        r->columns[c] = r->from[c] < 0 ? r->missing : rows->columns[r->from[c]] + skip;
    status = visitor->rows(visitor->self, n, rows->times + skip, r->devices, r->columns, err);
    for (int64_t i = 0; i < n && r->n_texts > 0 && !status; i++) {
        for (int32_t k = 0; k < r->n_texts; k++) {
            const int32_t c = r->text_from[k], number = c < 0 ? -1 : rows->texts[c][skip + i];
            r->texts[k] = number >= 0 ? rows->names[number] : (mw_str){0};
        }
        status = visitor->texts(visitor->self, rows->times[skip + i], r->devices[i], r->texts, err);
    }
    return status;
}

mw_status mw_live__read_file(mw_live_org *org, const mw_program *program, int64_t first,
                             bool is_last, int64_t from, const mw_live_visitor *visitor,
                             mw_err *err) {
    char name[MW_JOURNAL_NAME];
    reading r = {.program = program};
    uint64_t at = 0;
    mw_journal_name(first, name);
    mw_status status = mw_journal_open(&org->ctx, org->dir, name, is_last, &r.file, err);
    if (status) return status;
    status = find_columns(org->ctx.mem, &r, err);
    if (!status) status = find_texts(org->ctx.mem, &r, visitor, err);
    while (!status) {
        mw_journal_rows rows;
        status = mw_journal_read(&r.file, &at, &rows, err);
        if (status || rows.n == 0) break;
        const int64_t skip = from > rows.first ? from - rows.first : 0;
        if (skip < rows.n) status = visit_record(org->ctx.mem, &r, &rows, skip, visitor, err);
    }
    mw_free(r.from);
    mw_free(r.columns);
    mw_free(r.devices);
    mw_free(r.missing);
    mw_free(r.text_from);
    mw_free(r.texts);
    mw_journal_done(&r.file);
    return status;
}
