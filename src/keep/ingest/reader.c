/*
 * reader.c -- see reader.h. Whatever thread is free does what is next: hand over the block whose turn it is, or else fill another and read
 * it. Filling and handing over are each done by one thread at a time, in file order, so nothing depends on who does what.
 */
#include "keep/ingest/reader.h"

#include <pthread.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/threads.h"

#define MOST_GUESSED 1e8 /* more rows than that are not taken memory for beforehand */
enum { BLOCK_BYTES = 256 << 10, LANES_PER_THREAD = 8 };

/* A lane and what happened to it before it is handed over. */
typedef struct slot {
    mw_lane lane;
    bool read; /* or failed */
    bool placed;
    int64_t place_end; /* rows of the file up to the end of its place */
    mw_status status;
    mw_err error;
    double to_come;  /* bytes of text behind the block before it */
    uint64_t stored; /* bytes of the source so far */
} slot;

struct mw_reader {
    const mw_ctx *ctx;
    mw_ctx quiet; /* of the source: whoever takes the rows knows more to report */
    const char *name;
    size_t block_bytes;
    mw_source *source;
    mw_profile profile;
    mw_plan plan;
    bool has_profile;
    char *head;                /* header and units as they stand */
    mw_block_scratch *scratch; /* [n_workers] */
    int n_workers;
    mw_reader_sink *sink;

    /* Blocks under way: those from number n_given up to n_filled, in file order. The mutex guards what is here. */
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    slot *slots;         /* [n_slots] */
    slot **queue;        /* [n_slots] by block number modulo n_slots */
    slot **spare;        /* [n_spare] the one used last is on top: it may still be in a cache */
    int32_t *parameters; /* [n_slots] sink->n_parameters once a block was given, by its number */
    size_t n_slots, n_spare;
    uint64_t n_filled, n_given;
    bool filling, giving;
    bool ended; /* no more is to be filled */
    bool done;  /* all is given, or no more is wanted */
    mw_status status;
    mw_err error;

    /* Filling. */
    slot *first;       /* filled by mw_reader_open */
    int64_t place_end; /* of the block placed last */
    char *tail;        /* [tail_capacity] bytes behind the last whole line */
    size_t tail_size, tail_capacity;
    bool source_ended, open_ended;
    char last_byte;
    size_t to_skip;  /* of the head */
    mw_buf *skipped; /* what was, while the first block is filled; or NULL */

    /* Handing over. */
    double to_come;
    mw_csv *csv; /* reads on while a row spans blocks; NULL: blocks begin at rows */
    uint64_t csv_line;
    int64_t n_records, n_rows;   /* good or refused, good ones */
    uint64_t n_lines, n_carried; /* n_carried: lines whose rows csv may still have */
    uint8_t *widened;
    bool any_widened;
};

/* ---- opening ---- */

static mw_status make_lanes(mw_reader *reader, const mw_reader_options *options, mw_err *err) {
    mw_mem *mem = reader->ctx->mem;
    reader->n_workers = mw_pool_threads(reader->ctx->pool);
    size_t n = (size_t)reader->n_workers * LANES_PER_THREAD;
    reader->scratch = mw_calloc(mem, (size_t)reader->n_workers, sizeof *reader->scratch);
    reader->widened = mw_calloc(mem, (size_t)reader->plan.n_cells + 1, 1);
    reader->slots = mw_calloc(mem, n, sizeof *reader->slots);
    reader->queue = mw_calloc(mem, n, sizeof *reader->queue);
    reader->spare = mw_calloc(mem, n, sizeof *reader->spare);
    reader->parameters = mw_calloc(mem, n, sizeof *reader->parameters);
    if (!reader->scratch || !reader->widened || !reader->slots || !reader->queue ||
        !reader->spare || !reader->parameters)
        return mw_fail_nomem(err, "reading a file");
    reader->n_slots = n;
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && status == MW_OK; i++) {
        mw_lane *lane = &reader->slots[i].lane;
        status = mw_lane_init(lane, mem, &reader->plan, options->keep_bad, options->collide, err);
        lane->plain_path = options->plain_path;
        reader->spare[reader->n_spare++] = &reader->slots[i];
    }
    return status;
}

static mw_status skip_head(mw_reader *reader, mw_err *err); /* in the part on filling */

static mw_status detect(mw_reader *reader, const mw_reader_options *options, mw_err *err) {
    const char *sample;
    size_t size;
    bool whole;
    if (!options->hash) mw_source_skip_hash(reader->source);
    mw_status status = mw_source_peek(reader->source, &sample, &size, &whole, err);
    if (status != MW_OK) return status;
    mw_rejects_head head = {0};
    status = mw_rejects_recognize(reader->ctx->mem, sample, size, &head, err);
    if (status == MW_OK && head.found)
        status = mw_profile_detect_rejects(reader->ctx, sample, size, whole, &head, options->args,
                                           options->purpose, &reader->profile, err);
    else if (status == MW_OK)
        status = mw_profile_detect(reader->ctx, sample, size, whole, options->args,
                                   options->purpose, &reader->profile, err);
    if (status == MW_OK && head.found)
        mw_source_set_notes(reader->source, reader->profile.dialect.quote,
                            reader->profile.dialect.escape);
    mw_free(head.profile);
    if (status != MW_OK) {
        (void)mw_err_prefix(err, "%s", reader->name);
        return status;
    }
    reader->has_profile = true;
    if (options->adapt) status = options->adapt(options->self, &reader->profile, err);
    if (status != MW_OK) {
        (void)mw_err_prefix(err, "%s", reader->name);
        return status;
    }
    static const enum mw_source_text texts[] = {[MW_ENC_UTF8] = MW_SOURCE_UTF8,
                                                [MW_ENC_UTF16LE] = MW_SOURCE_UTF16LE,
                                                [MW_ENC_UTF16BE] = MW_SOURCE_UTF16BE,
                                                [MW_ENC_LATIN1] = MW_SOURCE_LATIN1};
    bool unify =
        reader->profile.line_end == MW_LINES_CR || reader->profile.line_end == MW_LINES_MIXED;
    return mw_source_set_text(reader->source, texts[reader->profile.encoding], unify, err);
}

mw_status mw_reader_open(const mw_ctx *ctx, const char *path, const mw_reader_options *options,
                         mw_reader **ret, mw_err *err) {
    mw_reader *reader = mw_calloc(ctx->mem, 1, sizeof *reader);
    if (!reader) return mw_fail_nomem(err, "reading a file");
    pthread_mutex_init(&reader->mutex, NULL);
    pthread_cond_init(&reader->moved, NULL);
    reader->ctx = ctx;
    reader->name = mw_source_name(path);
    reader->n_lines = 1;
    reader->block_bytes = options->block_bytes ? options->block_bytes : BLOCK_BYTES;
    reader->quiet = *ctx;
    reader->quiet.progress = (mw_progress){0};
    mw_status status = mw_source_open(&reader->quiet, path, &reader->source, err);
    if (status == MW_OK) status = detect(reader, options, err);
    if (status == MW_OK)
        status = mw_plan_make(ctx->mem, &reader->profile, options->purpose != MW_FOR_DATASET,
                              &reader->plan, err);
    if (status == MW_OK) status = make_lanes(reader, options, err);
    if (status == MW_OK) status = skip_head(reader, err);
    if (status != MW_OK) {
        mw_reader_close(reader);
        return status;
    }
    *ret = reader;
    return MW_OK;
}

void *mw_reader_close(mw_reader *reader) {
    if (!reader) return NULL;
    for (size_t i = 0; i < reader->n_slots; i++) mw_lane_done(&reader->slots[i].lane);
    mw_free(reader->slots);
    mw_free(reader->queue);
    mw_free(reader->spare);
    mw_free(reader->parameters);
    for (int i = 0; reader->scratch && i < reader->n_workers; i++)
        mw_block_scratch_done(&reader->scratch[i]);
    mw_free(reader->scratch);
    mw_free(reader->widened);
    mw_free(reader->tail);
    mw_free(reader->head);
    mw_csv_free(reader->csv);
    mw_plan_done(&reader->plan);
    if (reader->has_profile) mw_profile_done(&reader->profile);
    mw_source_close(reader->source);
    pthread_cond_destroy(&reader->moved);
    pthread_mutex_destroy(&reader->mutex);
    return mw_free(reader);
}

const char *mw_reader_name(const mw_reader *reader) { return reader->name; }
const mw_profile *mw_reader_profile(const mw_reader *reader) { return &reader->profile; }
const mw_plan *mw_reader_plan(const mw_reader *reader) { return &reader->plan; }
mw_str mw_reader_head(const mw_reader *reader) { return mw_str_of(reader->head); }
mw_source *mw_reader_source(mw_reader *reader) { return reader->source; }
const uint8_t *mw_reader_widened(const mw_reader *reader) {
    return reader->any_widened ? reader->widened : NULL;
}
int64_t mw_reader_rows(const mw_reader *reader) {
    if (!reader->first || reader->first->lane.size == 0) return 0;
    const mw_lane *lane = &reader->first->lane;
    double lines = 0;
    for (const char *at = lane->text, *end = at + lane->size; at < end; lines++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        at = feed ? feed + 1 : end;
    }
    double size = (double)lane->size;
    double rows = (size + mw_source_expected(reader->source)) * lines / size;
    return rows < (double)MOST_GUESSED ? (int64_t)(rows * 1.02) + 1 : 0;
}
double mw_reader_to_come(const mw_reader *reader) { return reader->to_come; }
bool mw_reader_open_ended(const mw_reader *reader) { return reader->open_ended; }

/* ---- filling ---- */

static mw_status grow_lane(mw_reader *reader, mw_lane *lane, size_t capacity, mw_err *err) {
    if (lane->capacity >= capacity) return MW_OK;
    char *block = mw_alloc(reader->ctx->mem, capacity + 2 * MW_FIELDS_SLACK);
    if (!block) return mw_fail_nomem(err, "reading a file");
    memset(block, ' ', MW_FIELDS_SLACK);
    char *text = block + MW_FIELDS_SLACK;
    if (lane->size) memcpy(text, lane->text, lane->size);
    mw_free(lane->block);
    lane->block = block;
    lane->text = text;
    lane->capacity = capacity;
    return MW_OK;
}

static mw_status keep_tail(mw_reader *reader, const char *data, size_t size, mw_err *err) {
    if (size > reader->tail_capacity) {
        char *tail = mw_realloc(reader->ctx->mem, reader->tail, size);
        if (!tail) return mw_fail_nomem(err, "reading a file");
        reader->tail = tail;
        reader->tail_capacity = size;
    }
    if (size) memcpy(reader->tail, data, size);
    reader->tail_size = size;
    return MW_OK;
}

static mw_status fill_more(mw_reader *reader, mw_lane *lane, mw_err *err) {
    size_t got, room = lane->capacity - 1 - lane->size; /* one is left for a line end */
    mw_status status = mw_source_fill(reader->source, lane->text + lane->size, room, &got, err);
    if (status != MW_OK) return status;
    if (got) reader->last_byte = lane->text[lane->size + got - 1];
    lane->size += got;
    reader->source_ended = got < room;
    return MW_OK;
}

static void skip(mw_reader *reader, mw_lane *lane) {
    size_t size = reader->to_skip < lane->size ? reader->to_skip : lane->size;
    if (reader->skipped) mw_buf_append(reader->skipped, lane->text, size);
    memmove(lane->text, lane->text + size, lane->size - size);
    lane->size -= size;
    reader->to_skip -= size;
}

/*
 * Where a row ends as far as the text itself tells, else a line: a block that then begins or ends inside quotes is found
 * when it is read, and read on by hand_over. 0: there is no whole line.
 */
static size_t cut(const mw_reader *reader, const mw_lane *lane) {
    size_t head = reader->to_skip < lane->size ? reader->to_skip : lane->size;
    size_t at = mw_csv_cut(&reader->profile.dialect, lane->text + head, lane->size - head);
    if (at) return head + at;
    const char *feed = memrchr(lane->text, '\n', lane->size);
    return feed ? (size_t)(feed + 1 - lane->text) : 0;
}

/* Whole lines; the rest becomes the tail of the next block. A line longer than a block makes the block grow, up to what a row may have. */
static mw_status fill_lane(mw_reader *reader, mw_lane *lane, mw_err *err) {
    size_t most = 2 * (size_t)MW_LIMIT(CSV_ROW_BYTES);
    lane->size = 0;
    lane->last = false;
    size_t capacity = reader->block_bytes;
    while (capacity < reader->tail_size + reader->block_bytes / 2) capacity *= 2;
    mw_status status = grow_lane(reader, lane, capacity, err);
    if (status != MW_OK) return status;
    if (reader->tail_size) memcpy(lane->text, reader->tail, reader->tail_size);
    lane->size = reader->tail_size;
    reader->tail_size = 0;
    for (;;) {
        status = fill_more(reader, lane, err);
        if (status != MW_OK) return status;
        if (reader->source_ended) break;
        size_t whole = cut(reader, lane);
        if (whole || lane->size >= most) {
            if (!whole) whole = lane->size;
            status = keep_tail(reader, lane->text + whole, lane->size - whole, err);
            lane->size = whole;
            break;
        }
        status = grow_lane(reader, lane, 2 * lane->capacity, err);
        if (status != MW_OK) return status;
    }
    if (reader->source_ended) {
        lane->last = true;
        reader->open_ended = reader->last_byte != '\n' && reader->last_byte != '\r';
        if (lane->size && lane->text[lane->size - 1] != '\n') lane->text[lane->size++] = '\n';
    }
    if (status == MW_OK && reader->to_skip) skip(reader, lane);
    if (status == MW_OK) memset(lane->text + lane->size, ' ', MW_FIELDS_SLACK);
    return status;
}

/* Bytes of text that the source and the tail still have, at most. */
static double still_there(const mw_reader *reader) {
    return mw_source_remaining(reader->source) + (double)reader->tail_size;
}

/* Keeps the header and the units as they stand, for the rejects file. */
static mw_status keep_head(mw_reader *reader, mw_str text, mw_err *err) {
    for (uint32_t i = 0; i < reader->profile.skip_lines && text.size; i++) {
        const char *feed = memchr(text.data, '\n', text.size);
        size_t skipped = feed ? (size_t)(feed + 1 - text.data) : text.size;
        text.data += skipped;
        text.size -= skipped;
    }
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    reader->head = mw_strndup(reader->ctx->mem, text.data, text.size);
    return reader->head ? MW_OK : mw_fail_nomem(err, "reading a file");
}

/* What lies before the first row of values is no row; a long preamble takes more than one block. */
static mw_status skip_head(mw_reader *reader, mw_err *err) {
    reader->to_skip = reader->profile.data_offset;
    reader->n_lines = reader->profile.data_line;
    mw_buf head;
    mw_buf_init(&head, reader->ctx->mem, reader->to_skip + 1);
    reader->skipped = &head;
    reader->first = reader->spare[--reader->n_spare];
    mw_lane *lane = &reader->first->lane;
    mw_status status;
    do status = fill_lane(reader, lane, err);
    while (status == MW_OK && lane->size == 0 && !lane->last);
    reader->first->to_come = still_there(reader) + (double)lane->size;
    reader->skipped = NULL;
    if (status == MW_OK) status = mw_buf_status(&head, "a header", err);
    if (status == MW_OK) status = keep_head(reader, mw_buf_str(&head), err);
    mw_buf_done(&head);
    return status;
}

/* ---- handing over ---- */

static mw_status give(mw_reader *reader, slot *s, uint64_t first_line, mw_err *err) {
    mw_lane *lane = &s->lane;
    const mw_reader_place place = {.first_record = reader->n_records,
                                   .first_line = first_line,
                                   .stored = s->stored,
                                   .last = lane->last};
    mw_status status = reader->sink->take(reader->sink->self, lane, &place, err);
    reader->n_records += lane->n_records;
    for (int32_t i = 0; lane->any_widened && i <= reader->plan.n_cells; i++)
        reader->widened[i] |= lane->widened[i];
    reader->any_widened |= lane->any_widened;
    return status;
}

/* Rows beyond the block's place would lie where the next block's do. */
static mw_status count_rows(mw_reader *reader, const slot *s, mw_err *err) {
    for (size_t i = 0; i < s->lane.n_chunks; i++) reader->n_rows += s->lane.chunks[i]->n_rows;
    if (!s->placed || reader->n_rows <= s->place_end) return MW_OK;
    return mw_fail(err, MW_EINTERNAL, "row %lld of a block that ends with row %lld",
                   (long long)reader->n_rows, (long long)s->place_end);
}

/* A row goes on in the next block: lexes on, block after block, until one ends where a row does. */
static mw_status read_on(mw_reader *reader, slot *s, int worker, mw_err *err) {
    mw_lane *lane = &s->lane;
    uint64_t first_line = reader->n_lines;
    mw_status status = MW_OK;
    if (!reader->csv) {
        status = mw_csv_new(reader->ctx->mem, &reader->profile.dialect, &reader->csv, err);
        if (status != MW_OK) return status;
        mw_csv_keep_mark(reader->csv);
        reader->csv_line = first_line;
    }
    if (status == MW_OK) status = mw_csv_push(reader->csv, lane->text, lane->size, err);
    if (status != MW_OK) return status;
    if (lane->last) mw_csv_finish(reader->csv);
    status = mw_lane_read_from(lane, reader->csv, &reader->scratch[worker], 0, err);
    if (status == MW_OK) status = count_rows(reader, s, err);
    if (status != MW_OK) return status;
    reader->n_lines += lane->n_lines;
    reader->n_carried += lane->n_lines;
    status = give(reader, s, reader->csv_line, err);
    if (mw_csv_waiting(reader->csv) > 0) return status;
    reader->csv = mw_csv_free(reader->csv);
    reader->n_carried = 0;
    return status;
}

static mw_status hand_over(mw_reader *reader, slot *s, int worker, mw_err *err) {
    mw_lane *lane = &s->lane;
    if (s->status != MW_OK) {
        if (err) *err = s->error;
        return s->status;
    }
    mw_status status = mw_ctx_check(reader->ctx, err);
    if (status != MW_OK) return status;
    reader->to_come = s->to_come;
    if (reader->csv || lane->open_end) return read_on(reader, s, worker, err);
    status = count_rows(reader, s, err);
    if (status != MW_OK) return status;
    uint64_t first_line = reader->n_lines;
    reader->n_lines += lane->n_lines;
    return give(reader, s, first_line, err);
}

/* ---- threads ---- */

/* Hands over the block whose turn it is; false when it is not read yet, or is being handed over. Holds the mutex before and after. */
static bool give_next(mw_reader *reader, int worker) {
    uint64_t number = reader->n_given;
    slot *s = number < reader->n_filled ? reader->queue[number % reader->n_slots] : NULL;
    if (!s || !s->read || reader->giving) return false;
    reader->giving = true;
    pthread_mutex_unlock(&reader->mutex);
    mw_err error = {0};
    mw_status status = hand_over(reader, s, worker, &error);
    pthread_mutex_lock(&reader->mutex);
    reader->giving = false;
    reader->parameters[number % reader->n_slots] = reader->sink->n_parameters;
    reader->spare[reader->n_spare++] = s;
    reader->n_given++;
    if (status != MW_OK) {
        reader->status = status;
        reader->error = error;
    }
    reader->done = status != MW_OK || reader->sink->stop ||
                   (reader->ended && reader->n_given == reader->n_filled);
    pthread_cond_broadcast(&reader->moved);
    return true;
}

/* Whether the block that is being filled is the only one under way; hands the others over first when it has to be. */
static bool is_alone(mw_reader *reader, bool must, int worker) {
    pthread_mutex_lock(&reader->mutex);
    while (must && reader->n_given < reader->n_filled && !reader->done)
        if (!give_next(reader, worker)) pthread_cond_wait(&reader->moved, &reader->mutex);
    bool alone = reader->n_given == reader->n_filled;
    pthread_mutex_unlock(&reader->mutex);
    return alone;
}

/* With what is under way, lines that csv still holds have their place: it may have to read them again as rows. */
static int64_t place_rows(const mw_reader *reader, const slot *s, bool alone) {
    return (int64_t)(s->lane.most_rows + (alone ? reader->n_carried : 0));
}

static mw_status find_place(mw_reader *reader, slot *s, int worker, mw_err *err) {
    mw_chunk *chunk = NULL;
    mw_collect *collect = reader->sink->collect;
    bool full = false, alone = is_alone(reader, false, worker);
    int64_t n_rows = place_rows(reader, s, alone);
    mw_status status = mw_collect_place(collect, n_rows, alone, &chunk, &full, err);
    if (status == MW_OK && full && is_alone(reader, true, worker)) {
        alone = true;
        n_rows = place_rows(reader, s, true);
        status = mw_collect_place(collect, n_rows, true, &chunk, &full, err);
    }
    if (status != MW_OK || !chunk) return status; /* no chunk: the run is over */
    s->placed = true;
    s->place_end = reader->place_end = (alone ? reader->n_rows : reader->place_end) + n_rows;
    return mw_lane_add_chunk(&s->lane, chunk, err);
}

static mw_status fill_slot(mw_reader *reader, slot *s, int32_t n_parameters, int worker,
                           mw_err *err) {
    s->read = s->placed = false;
    mw_status status = MW_OK;
    if (s == reader->first) {
        reader->first = NULL;
    } else {
        status = fill_lane(reader, &s->lane, err);
        s->to_come = still_there(reader) + (double)s->lane.size;
    }
    s->stored = mw_source_stored(reader->source);
    if (status == MW_OK)
        status = mw_lane_index(&s->lane, &reader->scratch[worker], n_parameters, err);
    if (status == MW_OK && reader->sink->collect && !reader->plan.is_long)
        status = find_place(reader, s, worker, err);
    return status;
}

/* Fills the next block and reads it. False when another is being filled, or there is nothing to fill. Holds the mutex before and after. */
static bool read_next(mw_reader *reader, int worker) {
    if (reader->filling || reader->ended || (!reader->first && reader->n_spare == 0)) return false;
    slot *s = reader->first ? reader->first : reader->spare[--reader->n_spare];
    size_t at = reader->n_filled % reader->n_slots;
    int32_t n_parameters = reader->parameters[at];
    reader->filling = true;
    pthread_mutex_unlock(&reader->mutex);
    s->status = fill_slot(reader, s, n_parameters, worker, &s->error);
    pthread_mutex_lock(&reader->mutex);
    reader->filling = false;
    reader->queue[at] = s;
    reader->n_filled++;
    reader->ended = s->status != MW_OK || s->lane.last;
    pthread_cond_broadcast(&reader->moved);
    pthread_mutex_unlock(&reader->mutex);
    if (s->status == MW_OK) s->status = mw_lane_read(&s->lane, &reader->scratch[worker], &s->error);
    pthread_mutex_lock(&reader->mutex);
    s->read = true;
    pthread_cond_broadcast(&reader->moved);
    return true;
}

/* A thread waits only while another one fills, reads or hands over, and that one tells when it is done. */
static mw_status work(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    (void)begin, (void)end, (void)err;
    mw_reader *reader = arg;
    pthread_mutex_lock(&reader->mutex);
    while (!reader->done)
        if (!give_next(reader, worker) && !read_next(reader, worker))
            pthread_cond_wait(&reader->moved, &reader->mutex);
    pthread_mutex_unlock(&reader->mutex);
    return MW_OK;
}

mw_status mw_reader_run(mw_reader *reader, mw_reader_sink *sink, mw_err *err) {
    reader->sink = sink;
    mw_status status = mw_pool_for(reader->ctx, reader->n_workers, 1, work, reader, err);
    if (status != MW_OK || reader->status == MW_OK) return status;
    if (err) *err = reader->error;
    return reader->status;
}
