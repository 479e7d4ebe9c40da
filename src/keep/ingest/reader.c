/*
 * reader.c -- see reader.h. A round is one mw_pool_for: its first item hands over the round before, its second fills the
 * one after, the others read one block each; so a slow item never waits for a thread of its own.
 */
#include "keep/ingest/reader.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/threads.h"

#define MOST_GUESSED 1e8 /* more rows than that are not taken memory for beforehand */
enum { BLOCK_BYTES = 256 << 10, LANES_PER_THREAD = 6, ROUNDS = 3 };

typedef struct lane_round {
    mw_lane *lanes; /* [n_lanes] */
    size_t n;       /* filled */
} lane_round;

struct mw_reader {
    const mw_ctx *ctx;
    mw_ctx quiet; /* of the source: whoever takes the rows knows more to report */
    const char *name;
    size_t block_bytes;
    mw_source *source;
    mw_profile profile;
    mw_plan plan;
    bool has_profile;
    char *head; /* header and units as they stand */
    size_t n_lanes;
    lane_round rounds[ROUNDS];
    mw_block_scratch *scratch; /* [n_workers] */
    int n_workers;
    mw_reader_sink *sink;
    double to_come; /* at the beginning of a round: while it runs the source moves on */

    /* Filling. */
    char *tail; /* [tail_capacity] bytes behind the last whole line */
    size_t tail_size, tail_capacity;
    bool source_ended, open_ended;
    char last_byte;
    size_t to_skip;  /* of the head */
    mw_buf *skipped; /* what was, while the first round is filled; or NULL */

    /* Handing over. */
    mw_csv *csv; /* reads on while a row spans blocks; NULL: blocks begin at rows */
    uint64_t csv_line;
    int64_t n_records;
    uint64_t n_lines;
    uint8_t *widened;
    bool any_widened;
};

/* ---- opening ---- */

static mw_status make_lanes(mw_reader *reader, const mw_reader_options *options, mw_err *err) {
    mw_mem *mem = reader->ctx->mem;
    reader->n_workers = mw_pool_threads(reader->ctx->pool);
    reader->n_lanes = (size_t)reader->n_workers * LANES_PER_THREAD;
    reader->scratch = mw_calloc(mem, (size_t)reader->n_workers, sizeof *reader->scratch);
    reader->widened = mw_calloc(mem, (size_t)reader->plan.n_cells + 1, 1);
    if (!reader->scratch || !reader->widened) return mw_fail_nomem(err, "reading a file");
    mw_status status = MW_OK;
    for (int r = 0; r < ROUNDS && status == MW_OK; r++) {
        reader->rounds[r].lanes = mw_calloc(mem, reader->n_lanes, sizeof(mw_lane));
        if (!reader->rounds[r].lanes) return mw_fail_nomem(err, "reading a file");
        for (size_t i = 0; i < reader->n_lanes && status == MW_OK; i++)
            status = mw_lane_init(&reader->rounds[r].lanes[i], mem, &reader->plan,
                                  options->keep_bad, options->collide, err);
        for (size_t i = 0; i < reader->n_lanes && status == MW_OK; i++)
            reader->rounds[r].lanes[i].plain_path = options->plain_path;
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
                                           options->learn, &reader->profile, err);
    else if (status == MW_OK)
        status = mw_profile_detect(reader->ctx, sample, size, whole, options->args, options->learn,
                                   &reader->profile, err);
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
    reader->ctx = ctx;
    reader->name = mw_source_name(path);
    reader->n_lines = 1;
    reader->block_bytes = options->block_bytes ? options->block_bytes : BLOCK_BYTES;
    reader->quiet = *ctx;
    reader->quiet.progress = (mw_progress){0};
    mw_status status = mw_source_open(&reader->quiet, path, &reader->source, err);
    if (status == MW_OK) status = detect(reader, options, err);
    if (status == MW_OK)
        status = mw_plan_make(ctx->mem, &reader->profile, options->learn, &reader->plan, err);
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
    for (int r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; reader->rounds[r].lanes && i < reader->n_lanes; i++)
            mw_lane_done(&reader->rounds[r].lanes[i]);
        mw_free(reader->rounds[r].lanes);
    }
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
    const lane_round *first = &reader->rounds[0];
    if (first->n == 0 || first->lanes[0].size == 0) return 0;
    double filled = 0, to_come = mw_source_remaining(reader->source), lines = 0;
    for (size_t i = 0; i < first->n; i++) filled += (double)first->lanes[i].size;
    const mw_lane *lane = &first->lanes[0];
    for (const char *at = lane->text, *end = at + lane->size; at < end; lines++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        at = feed ? feed + 1 : end;
    }
    double rows = (filled + to_come) * lines / (double)lane->size;
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

static mw_status fill_round(mw_reader *reader, lane_round *to, mw_err *err) {
    to->n = 0;
    while (to->n < reader->n_lanes && !reader->source_ended) {
        mw_status status = mw_ctx_check(reader->ctx, err);
        if (status == MW_OK) status = fill_lane(reader, &to->lanes[to->n], err);
        if (status != MW_OK) return status;
        to->n++;
    }
    return MW_OK;
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
    lane_round *first = &reader->rounds[0];
    reader->to_skip = reader->profile.data_offset;
    reader->n_lines = reader->profile.data_line;
    mw_buf head;
    mw_buf_init(&head, reader->ctx->mem, reader->to_skip + 1);
    reader->skipped = &head;
    mw_status status = fill_round(reader, first, err);
    reader->skipped = NULL;
    if (status == MW_OK) status = mw_buf_status(&head, "a header", err);
    if (status == MW_OK) status = keep_head(reader, mw_buf_str(&head), err);
    mw_buf_done(&head);
    return status;
}

/* ---- handing over ---- */

static mw_status give(mw_reader *reader, mw_lane *lane, uint64_t first_line, bool last,
                      mw_err *err) {
    const mw_reader_place place = {
        .first_record = reader->n_records, .first_line = first_line, .last = last};
    mw_status status = reader->sink->take(reader->sink->self, lane, &place, err);
    reader->n_records += lane->n_records;
    for (int32_t i = 0; lane->any_widened && i <= reader->plan.n_cells; i++)
        reader->widened[i] |= lane->widened[i];
    reader->any_widened |= lane->any_widened;
    return status;
}

/* A row goes on in the next block: lexes on, block after block, until one ends where a row does. */
static mw_status read_on(mw_reader *reader, mw_lane *lane, int worker, mw_err *err) {
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
    if (status != MW_OK) return status;
    reader->n_lines += lane->n_lines;
    status = give(reader, lane, reader->csv_line, lane->last, err);
    if (mw_csv_waiting(reader->csv) == 0) reader->csv = mw_csv_free(reader->csv);
    return status;
}

static mw_status hand_over(mw_reader *reader, lane_round *from, int worker, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < from->n && status == MW_OK && !reader->sink->stop; i++) {
        mw_lane *lane = &from->lanes[i];
        if (reader->csv || lane->open_end) {
            status = read_on(reader, lane, worker, err);
            continue;
        }
        uint64_t first_line = reader->n_lines;
        reader->n_lines += lane->n_lines;
        status = give(reader, lane, first_line, lane->last, err);
    }
    return status;
}

/* ---- rounds ---- */

typedef struct turn {
    mw_reader *reader;
    lane_round *before, *now, *after;
    int32_t n_parameters;
} turn;

static mw_status work(void *arg, int64_t begin, int64_t end, int worker, mw_err *err) {
    turn *t = arg;
    mw_reader *reader = t->reader;
    mw_status status = MW_OK;
    for (int64_t i = begin; i < end && status == MW_OK; i++) {
        if (i == 0)
            status = hand_over(reader, t->before, worker, err);
        else if (i == 1)
            status = fill_round(reader, t->after, err);
        else
            status =
                mw_lane_read(&t->now->lanes[i - 2], &reader->scratch[worker], t->n_parameters, err);
    }
    return status;
}

static double to_come(const mw_reader *reader, const lane_round *before, const lane_round *now) {
    double size = mw_source_remaining(reader->source) + (double)reader->tail_size;
    for (size_t i = 0; i < before->n; i++) size += (double)before->lanes[i].size;
    for (size_t i = 0; i < now->n; i++) size += (double)now->lanes[i].size;
    return size;
}

mw_status mw_reader_run(mw_reader *reader, mw_reader_sink *sink, mw_err *err) {
    reader->sink = sink;
    lane_round nothing = {0};
    mw_status status = MW_OK;
    for (int r = 0; status == MW_OK; r++) {
        turn t = {.reader = reader,
                  .before = r ? &reader->rounds[(r - 1) % ROUNDS] : &nothing,
                  .now = &reader->rounds[r % ROUNDS],
                  .after = &reader->rounds[(r + 1) % ROUNDS],
                  .n_parameters = sink->n_parameters};
        reader->to_come = to_come(reader, t.before, t.now);
        status = mw_pool_for(reader->ctx, 2 + (int64_t)t.now->n, 1, work, &t, err);
        if (t.now->n == 0 || sink->stop) break;
    }
    return status;
}
