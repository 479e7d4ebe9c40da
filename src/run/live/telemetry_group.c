/*
 * telemetry_group.c -- the rows of some requests: what will become of them, to the journal, to disk, into the stream.
 *
 * What a push will make of each row is asked first (mw_stream_foresee), so that the journal has the rows that are used and no others: a row that
 * is repeated or late is never on disk, and reading a journal again needs no verdicts. The stream sees only what is on disk.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "run/live/telemetry_parts.h"

enum { FIRST_ROOM = 4096 };

/* ---- room ---- */

void mw_live__free_group(mw_live_group *g) {
    mw_free(g->times);
    mw_free(g->devices);
    mw_free(g->local);
    mw_free(g->values);
    mw_free(g->columns);
    mw_free(g->fates);
    mw_free(g->features);
    mw_free(g->out);
    mw_free(g->number_of);
    mw_free(g->names);
    mw_free(g->texts);
    mw_free(g->text_columns);
    mw_free(g->number_of_word);
    mw_dictionary_free(g->words);
    *g = (mw_live_group){0};
}

static mw_status make_room(mw_live_org *org, int64_t rows, mw_err *err) {
    const mw_program *p = org->program->config.program;
    const int32_t n_texts = org->program->columns.n_texts;
    mw_live_group *g = &org->group;
    if (rows <= g->room && g->n_inputs == p->n_inputs && g->n_outputs == p->n_outputs &&
        g->n_texts == n_texts)
        return MW_OK;
    mw_mem *mem = org->ctx.mem;
    const size_t room = (size_t)(rows > FIRST_ROOM ? rows : FIRST_ROOM),
                 inputs = (size_t)p->n_inputs, outputs = (size_t)p->n_outputs,
                 texts = (size_t)n_texts;
    mw_live__free_group(g);
    *g = (mw_live_group){
        .times = mw_alloc_array(mem, room, sizeof *g->times),
        .devices = mw_alloc_array(mem, room, sizeof *g->devices),
        .local = mw_alloc_array(mem, room, sizeof *g->local),
        .values = mw_alloc_array(mem, room * inputs + 1, sizeof *g->values),
        .columns = mw_alloc_array(mem, inputs + 1, sizeof *g->columns),
        .texts = mw_alloc_array(mem, room * texts + 1, sizeof *g->texts),
        .text_columns = mw_alloc_array(mem, texts + 1, sizeof *g->text_columns),
        .fates = mw_alloc_array(mem, room, sizeof *g->fates),
        .features = mw_alloc_array(mem, outputs * MW_LIVE_PUSH_ROWS + 1, sizeof *g->features),
        .out = mw_alloc_array(mem, outputs + 1, sizeof *g->out)};
    if (!g->texts || !g->text_columns || !g->times || !g->devices || !g->local || !g->values ||
        !g->columns || !g->fates || !g->features || !g->out) {
        mw_live__free_group(g);
        return mw_fail_nomem(err, "the rows of requests");
    }
    g->room = (int64_t)room;
    g->n_inputs = p->n_inputs;
    g->n_outputs = p->n_outputs;
    g->n_texts = n_texts;
    for (size_t k = 0; k < texts; k++) g->text_columns[k] = g->texts + k * room;
    for (size_t c = 0; c < inputs; c++) g->columns[c] = g->values + c * room;
    for (size_t c = 0; c < outputs; c++) g->out[c] = g->features + c * MW_LIVE_PUSH_ROWS;
    return MW_OK;
}

static mw_status grow_numbers(mw_mem *mem, int32_t n, int32_t **numbers, int32_t *room,
                              mw_err *err) {
    const size_t wanted = (size_t)n + (size_t)n / 2 + 16;
    int32_t *more = mw_realloc(mem, *numbers, wanted * sizeof *more);
    if (!more) return mw_fail_nomem(err, "the rows of requests");
    for (size_t i = (size_t)*room; i < wanted; i++) more[i] = -1;
    *numbers = more;
    *room = (int32_t)wanted;
    return MW_OK;
}

static mw_status make_numbers(mw_live_org *org, int32_t n_devices, mw_err *err) {
    mw_live_group *g = &org->group;
    if (n_devices <= g->numbers_room) return MW_OK;
    return grow_numbers(org->ctx.mem, n_devices, &g->number_of, &g->numbers_room, err);
}

/* Room for what write_rows counts: words, and the names of a record. */
static mw_status make_words(mw_live_org *org, mw_err *err) {
    mw_live_group *g = &org->group;
    const int32_t words = g->words ? mw_dictionary_size(g->words) : 0;
    mw_status status = words > g->words_room ? grow_numbers(org->ctx.mem, words, &g->number_of_word,
                                                            &g->words_room, err)
                                             : MW_OK;
    const int32_t n = g->numbers_room + g->words_room;
    if (status || n <= g->names_room) return status;
    mw_str *names = mw_realloc(org->ctx.mem, g->names, (size_t)n * sizeof *names);
    if (!names) return mw_fail_nomem(err, "the rows of requests");
    g->names = names;
    g->names_room = n;
    return MW_OK;
}

/* ---- together ---- */

static void refuse_device(mw_live_batch *b) {
    mw_telemetry_outcome *o = &b->outcome;
    if (b->n_refused++ > 0 || o->n_reasons == MW_LIVE_REASONS) return;
    (void)snprintf(o->reasons[o->n_reasons++], MW_LIVE_REASON_BYTES,
                   "more than %lld devices: rows of further ones are not taken",
                   (long long)MW_LIMIT(LIVE_DEVICES));
}

/* Numbers of the batch's devices in the stream, -1 beyond the limit; in order [n names], the batch's. */
static mw_status number_devices(mw_live_org *org, const mw_live_batch *b, int32_t *ret,
                                mw_err *err) {
    const mw_dictionary *names = b->rows->names;
    mw_status status = MW_OK;
    for (int32_t i = 0; i < mw_dictionary_size(names) && !status; i++) {
        const mw_str name = mw_dictionary_text(names, i);
        ret[i] = mw_dictionary_find(org->devices, name);
        if (ret[i] < 0 && mw_dictionary_size(org->devices) < MW_LIMIT(LIVE_DEVICES))
            status = mw_dictionary_add(org->devices, name, &ret[i], err);
    }
    return status;
}

/* Numbers of the batch's texts become codes of the group's words. */
static mw_status add_words(mw_live_group *g, const mw_live_batch *b, mw_err *err) {
    const mw_live_rows *rows = b->rows;
    mw_status status = MW_OK;
    for (int32_t k = 0; k < g->n_texts; k++) {
        const int32_t *from = rows->texts + k * rows->room;
        int32_t *to = g->texts + k * g->room + b->from;
        for (int64_t i = 0; i < rows->n && !status; i++) {
            if (i > 0 && from[i] == from[i - 1])
                to[i] = to[i - 1];
            else if (from[i] < 0)
                to[i] = -1;
            else
                status = mw_dictionary_add(g->words, mw_dictionary_text(rows->vocabulary, from[i]),
                                           &to[i], err);
        }
    }
    return status;
}

static mw_status add_batch(mw_live_org *org, mw_live_batch *b, mw_err *err) {
    mw_live_group *g = &org->group;
    const mw_live_rows *rows = b->rows;
    const int64_t at = b->from, n = rows->n;
    int32_t *numbers = mw_alloc_array(org->ctx.mem, (size_t)n + 1, sizeof *numbers);
    if (!numbers) return mw_fail_nomem(err, "the rows of requests");
    mw_status status = number_devices(org, b, numbers, err);
    for (int64_t i = 0; i < n && !status; i++) {
        g->devices[at + i] = numbers[rows->devices[i]];
        if (g->devices[at + i] < 0) refuse_device(b);
    }
    memcpy(g->times + at, rows->times, (size_t)n * sizeof *g->times);
    for (int32_t c = 0; c < g->n_inputs; c++)
        memcpy(g->values + c * g->room + at, rows->values + c * rows->room,
               (size_t)n * sizeof *g->values);
    mw_free(numbers);
    return status ? status : add_words(g, b, err);
}

/* What is used of rows [from, from + n) goes to `to`; counts what becomes of the others. */
static int64_t keep_used(mw_live_group *g, mw_live_batch *b, int64_t to) {
    const int64_t end = b->from + b->rows->n;
    mw_telemetry_outcome *o = &b->outcome;
    for (int64_t i = b->from; i < end; i++) {
        const mw_fate fate = g->fates[i];
        o->accepted += fate <= MW_FATE_LATE_USED;
        o->late += fate == MW_FATE_LATE;
        o->repeated += fate == MW_FATE_REPEATED;
        o->unusable += fate == MW_FATE_UNUSABLE;
        if (fate > MW_FATE_LATE_USED) continue;
        if (to < i) {
            g->times[to] = g->times[i];
            g->devices[to] = g->devices[i];
            for (int32_t c = 0; c < g->n_inputs; c++)
                g->values[c * g->room + to] = g->values[c * g->room + i];
            for (int32_t k = 0; k < g->n_texts; k++)
                g->texts[k * g->room + to] = g->texts[k * g->room + i];
        }
        to++;
    }
    return to;
}

/* The rows of all batches, and of them those that will be used. */
static mw_status gather(mw_live_org *org, mw_live_batch *first, int64_t *ret_used, mw_err *err) {
    mw_live_group *g = &org->group;
    int64_t n = 0;
    for (mw_live_batch *b = first; b; b = b->next) {
        b->from = n;
        n += b->rows->n;
    }
    mw_status status = make_room(org, n, err);
    g->words = mw_dictionary_free(g->words);
    if (!status && g->n_texts > 0) status = mw_dictionary_new(org->ctx.mem, &g->words, err);
    if (status) return status;
    pthread_mutex_lock(&org->state);
    for (mw_live_batch *b = first; b && !status; b = b->next) status = add_batch(org, b, err);
    const mw_stream_rows rows = {n, g->times, g->devices, g->columns};
    if (!status) status = mw_stream_foresee(org->stream, &rows, g->fates, err);
    if (!status) status = make_numbers(org, mw_dictionary_size(org->devices), err);
    if (!status) status = make_words(org, err);
    pthread_mutex_unlock(&org->state);
    int64_t used = 0;
    for (mw_live_batch *b = first; b && !status; b = b->next) used = keep_used(g, b, used);
    *ret_used = used;
    return status;
}

/* ---- to disk ---- */

mw_status mw_live__close_journal(mw_live_org *org, mw_err *err) {
    mw_journal *j = org->journal;
    if (!j) return MW_OK;
    const mw_live_file file = {mw_journal_first(j), mw_journal_next(j), mw_journal_bytes(j), false};
    mw_status status = MW_OK;
    if (file.end > file.first) status = mw_live__add_file(org, &file, err);
    if (status) return status; /* else an empty one is replaced by the next, which has its name */
    org->journal = mw_journal_close(j);
    pthread_mutex_lock(&org->lock);
    org->wants_keep = true;
    pthread_mutex_unlock(&org->lock);
    return MW_OK;
}

static mw_status check_files(mw_live_org *org, mw_err *err) {
    pthread_mutex_lock(&org->lock);
    const size_t n = org->n_files;
    pthread_mutex_unlock(&org->lock);
    if (n < (size_t)MW_LIMIT(LIVE_JOURNAL_FILES)) return MW_OK;
    mw_fail(err, MW_EBUSY, "%zu full journal files of \"%s\" wait to become segments", n,
            org->name);
    return mw_err_hint(err, "the log says what hinders them");
}

static mw_status open_journal(mw_live_org *org, mw_err *err) {
    const mw_program *p = org->program->config.program;
    const mw_live_columns *c = &org->program->columns;
    const mw_journal_columns columns = {p->inputs, c->texts, p->n_inputs, c->n_texts};
    mw_journal *j = org->journal;
    mw_status status = MW_OK;
    if (j && (mw_journal_bytes(j) >= org->telemetry->options.file_bytes ||
              !mw_journal_has_columns(j, &columns)))
        status = mw_live__close_journal(org, err);
    if (status || org->journal) return status;
    status = check_files(org, err);
    if (status) return status;
    org->journal_us = mw_clock_monotonic(org->ctx.clock);
    return mw_journal_create(&org->ctx, org->dir, org->next_row, &columns, &org->journal, err);
}

/* Codes of words become numbers of the record's names, behind its devices. */
static void number_words(mw_live_group *g, int64_t n, int32_t *n_names) {
    for (int32_t k = 0; k < g->n_texts; k++) {
        int32_t *texts = g->texts + k * g->room;
        for (int64_t i = 0; i < n; i++) {
            if (texts[i] < 0) continue;
            int32_t *number = &g->number_of_word[texts[i]];
            if (*number < 0) {
                g->names[*n_names] = mw_dictionary_text(g->words, texts[i]);
                *number = (*n_names)++;
            }
            texts[i] = *number;
        }
    }
    for (int32_t i = 0; i < g->words_room; i++) g->number_of_word[i] = -1;
}

static mw_status write_rows(mw_live_org *org, int64_t n, mw_err *err) {
    mw_live_group *g = &org->group;
    int32_t n_names = 0;
    mw_status status = open_journal(org, err);
    if (status) return status;
    for (int64_t i = 0; i < n; i++) {
        int32_t *number = &g->number_of[g->devices[i]];
        if (*number < 0) {
            g->names[n_names] = mw_dictionary_text(org->devices, g->devices[i]);
            *number = n_names++;
        }
        g->local[i] = *number;
    }
    for (int64_t i = 0; i < n; i++) g->number_of[g->devices[i]] = -1;
    number_words(g, n, &n_names);
    const mw_journal_rows rows = {org->next_row, n,       g->times,   g->local,
                                  g->names,      n_names, g->columns, g->text_columns};
    const uint64_t before = mw_journal_bytes(org->journal);
    status = mw_journal_add(org->journal, &rows, err);
    if (!status) status = mw_journal_sync(org->journal, err);
    if (status) return status;
    atomic_fetch_add(&org->telemetry->syncs, 1);
    org->bytes_since += (int64_t)(mw_journal_bytes(org->journal) - before);
    org->next_row += n;
    return MW_OK;
}

/* ---- into the stream ---- */

static mw_status put_texts(mw_live_org *org, int64_t n, mw_err *err) {
    const mw_live_group *g = &org->group;
    if (g->n_texts == 0) return MW_OK;
    mw_str *texts = mw_alloc_array(org->ctx.mem, (size_t)g->n_texts, sizeof *texts);
    mw_status status = texts ? MW_OK : mw_fail_nomem(err, "the rows of requests");
    for (int64_t i = 0; i < n && !status; i++) {
        for (int32_t k = 0; k < g->n_texts; k++) {
            const int32_t number = g->text_columns[k][i];
            texts[k] = number >= 0 ? g->names[number] : (mw_str){0};
        }
        status = mw_live__words_put(org->words, g->devices[i], g->times[i], texts, err);
    }
    mw_free(texts);
    return status;
}

static mw_status push_rows(mw_live_org *org, int64_t n, mw_err *err) {
    mw_live_group *g = &org->group;
    const double **columns = mw_alloc_array(org->ctx.mem, (size_t)g->n_inputs + 1, sizeof *columns);
    mw_status status = columns ? MW_OK : mw_fail_nomem(err, "the rows of requests");
    pthread_mutex_lock(&org->state);
    mw_judged_mark(org->judged, mw_journal_first(org->journal));
    for (int64_t from = 0; from < n && !status; from += MW_LIVE_PUSH_ROWS) {
        const int64_t some = n - from < MW_LIVE_PUSH_ROWS ? n - from : MW_LIVE_PUSH_ROWS;
        for (int32_t c = 0; c < g->n_inputs; c++) columns[c] = g->columns[c] + from;
        const mw_stream_rows rows = {some, g->times + from, g->devices + from, columns};
        status = mw_stream_push(&org->ctx, org->stream, &rows, g->out, err);
        if (!status) status = mw_judged_add(org->judged, &rows, org->devices, err);
    }
    if (!status) status = put_texts(org, n, err);
    pthread_mutex_unlock(&org->state);
    mw_free(columns);
    if (status) {
        mw_live__drop_state(org);
        (void)mw_err_prefix(err, "the rows are stored, but their features were not made");
    }
    return status;
}

/* Before anything is on disk: what would leave the stream of no use. */
static mw_status check_memory(const mw_live_org *org, mw_err *err) {
    const mw_mem *all = org->mem.parent;
    const size_t ceiling = all ? all->ceiling_bytes : 0;
    if (ceiling && mw_mem_used(all) >= ceiling - ceiling / 8) {
        mw_fail(err, MW_ENOMEM, "live features take all the memory that there is for them");
        return mw_err_hint(err, "shorten windows, take fewer devices, or serve some organizations "
                                "from another host");
    }
    const int64_t most = MW_LIMIT(LIVE_STATE_BYTES);
    if (mw_mem_used(&org->mem) < (size_t)(most - most / 8)) return MW_OK;
    mw_fail(err, MW_ENOMEM, "the live features of \"%s\" take more than %lld MiB", org->name,
            (long long)((most - most / 8) >> 20));
    return mw_err_hint(err, "shorten windows, or take fewer devices");
}

static mw_status take_group(mw_live_org *org, mw_live_batch *first, mw_err *err) {
    mw_telemetry *t = org->telemetry;
    int64_t n = 0;
    const int64_t start = mw_clock_monotonic(org->ctx.clock);
    mw_status status = check_memory(org, err);
    if (!status) status = gather(org, first, &n, err);
    if (status || n == 0) return status;
    const int64_t gathered = mw_clock_monotonic(org->ctx.clock);
    status = write_rows(org, n, err);
    const int64_t written = mw_clock_monotonic(org->ctx.clock);
    if (!status) status = push_rows(org, n, err);
    const int64_t pushed = mw_clock_monotonic(org->ctx.clock);
    atomic_fetch_add(&t->disk_us, written - gathered);
    atomic_fetch_add(&t->state_us, gathered - start + pushed - written);
    return status;
}

static void say(mw_live_batch *first, mw_status status, const mw_err *err) {
    for (mw_live_batch *b = first; b && status; b = b->next) {
        b->status = status;
        b->error = *err;
    }
}

/* Some batches; when the whole cannot be foreseen, each for itself, so that one does not spoil the others. */
static void take_some(mw_live_org *org, mw_live_batch *first) {
    mw_err err = {0};
    mw_status status = take_group(org, first, &err);
    if (status != MW_ETOOLARGE || !first->next) {
        say(first, status, &err);
        return;
    }
    for (mw_live_batch *b = first, *next; b; b = next) {
        next = b->next;
        b->next = NULL;
        err = (mw_err){0};
        status = org->program == b->program ? take_group(org, b, &err) : MW_OK;
        say(b, status, &err);
        b->stale = org->program != b->program && !status;
        b->next = next;
    }
}

void mw_live__take_rows(mw_live_org *org, mw_live_batch *first) {
    mw_live_batch *at = first;
    while (at) {
        if (org->program != at->program) { /* changed, or gone */
            at->stale = true;
            at = at->next;
            continue;
        }
        const int64_t inputs = org->program->config.program->n_inputs;
        mw_live_batch *last = at;
        int64_t cells = at->rows->n * (inputs + 1);
        while (last->next && last->next->program == at->program &&
               cells + last->next->rows->n * (inputs + 1) <= MW_LIMIT(LIVE_CELLS)) {
            last = last->next;
            cells += last->rows->n * (inputs + 1);
        }
        mw_live_batch *rest = last->next;
        last->next = NULL;
        take_some(org, at);
        last->next = rest;
        at = rest;
    }
}
