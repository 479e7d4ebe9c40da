/*
 * telemetry_state.c -- the keeper: a stream for the newest configuration, segments of full journal files, snapshots.
 *
 * Another program  is made of all stored rows in the order of their times while the old stream goes on; then, with the turn, of the rows that came
 *                  meanwhile; then it takes the old one's place. When one of those is older than what the new stream has and would be
 *                  refused, all is made again with the turn: the outcome is always that of all stored rows in order.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "learn/feature/stream_saved.h"
#include "run/live/telemetry_parts.h"

enum { FEW_FILES = 8 };

/* ---- programs ---- */

void mw_live__unref(mw_live_program *program) {
    if (!program || atomic_fetch_sub(&program->n_refs, 1) > 1) return;
    mw_live_columns_done(&program->columns);
    mw_feature_config_done(&program->config);
    mw_free(program);
}

static mw_status read_program(mw_live_org *org, mw_live_program **ret, mw_err *err) {
    mw_arena arena;
    mw_config_record record;
    mw_live_program *p = mw_calloc(org->ctx.mem, 1, sizeof *p);
    if (!p) return mw_fail_nomem(err, "live features");
    mw_arena_init(&arena, org->ctx.mem);
    mw_status status = mw_store_config(&org->ctx, org->telemetry->store, &arena, 0, &record, err);
    if (!status)
        status = mw_feature_config_read(org->ctx.mem, record.config, strlen(record.config),
                                        &p->config, err);
    if (!status) {
        atomic_init(&p->n_refs, 1);
        p->version = record.version;
        status = mw_live_columns_init(org->ctx.mem, &p->config, &p->columns, err);
        if (status) mw_feature_config_done(&p->config);
    }
    mw_arena_done(&arena);
    if (status)
        mw_free(p);
    else
        *ret = p;
    return status;
}

/* What was made takes the place of what is there, which goes; with the turn, or while there is no program. */
static void put_in_place(mw_live_org *org, mw_live_made *made) {
    mw_live_program *old = org->program;
    pthread_mutex_lock(&org->lock);
    pthread_mutex_lock(&org->state);
    mw_stream *stream = org->stream;
    mw_judged *judged = org->judged;
    mw_live_words *words = org->words;
    mw_dictionary *devices = org->devices;
    org->program = made ? made->program : NULL;
    org->stream = made ? made->stream : NULL;
    org->judged = made ? made->judged : NULL;
    org->words = made ? made->words : NULL;
    org->devices = made ? made->devices : NULL;
    pthread_mutex_unlock(&org->state);
    pthread_cond_broadcast(&org->wake);
    pthread_mutex_unlock(&org->lock);
    if (made) made->stream = NULL, made->judged = NULL, made->words = NULL, made->devices = NULL;
    mw_stream_free(stream);
    mw_judged_free(judged);
    mw_live__words_free(words);
    mw_dictionary_free(devices);
    mw_live__unref(old);
}

void mw_live__drop_state(mw_live_org *org) { put_in_place(org, NULL); }

/* ---- made of stored rows ---- */

/* Of all rows that are in closed files and segments. */
static mw_status make_of_stored(mw_live_org *org, mw_live_program *program, mw_live_made *ret,
                                mw_err *err) {
    mw_status status = mw_live__store_files(org, err);
    if (!status) status = mw_live__made_init(org, program, ret, err);
    if (status) return status;
    const mw_live_visitor visitor = mw_live__made_visitor(ret);
    mw_live_stored *stored = NULL;
    status = mw_live__stored_open(org, mw_live__dataset, true, &stored, err);
    if (!status)
        status = mw_live__stored_each(stored, program->config.program, NULL, &visitor, err);
    if (!status) status = mw_live__stored_texts(stored, &visitor, err);
    mw_live__stored_close(stored);
    if (status) mw_live__made_done(ret);
    return status;
}

/* Rows from number `from` on, as they came. */
static mw_status replay_from(mw_live_org *org, mw_live_made *made, int64_t from, mw_err *err) {
    const mw_program *p = made->program->config.program;
    const mw_live_visitor visitor = mw_live__made_visitor(made);
    mw_status status = MW_OK;
    for (size_t i = 0; i < org->n_files && !status; i++) {
        if (org->files[i].end <= from) continue;
        mw_live__made_file(made, org->files[i].first);
        status = mw_live__read_file(org, p, org->files[i].first, false, from, &visitor, err);
    }
    if (status || !org->journal || mw_journal_next(org->journal) <= from) return status;
    mw_live__made_file(made, mw_journal_first(org->journal));
    return mw_live__read_file(org, p, mw_journal_first(org->journal), true, from, &visitor, err);
}

/* ---- the first stream after a start ---- */

static bool has_rows_from(const mw_live_org *org, int64_t row) {
    if (row == org->next_row) return true;
    if (row > org->next_row || row < 0) return false;
    const int64_t first = org->n_files   ? org->files[0].first
                          : org->journal ? mw_journal_first(org->journal)
                                         : org->next_row;
    return row >= first;
}

static mw_status start_from_snapshot(mw_live_org *org, mw_live_program *program, mw_live_made *ret,
                                     mw_err *err) {
    int64_t rows = 0;
    mw_status status = mw_live__made_init(org, program, ret, err);
    if (status) return status;
    status = mw_live__load(ret, &rows, err);
    if (!status && !has_rows_from(org, rows))
        status = mw_fail(err, MW_ENOTFOUND, "rows behind the snapshot are not in the journal");
    if (!status) status = replay_from(org, ret, rows, err);
    if (status)
        mw_live__made_done(ret);
    else
        org->covered = rows;
    return status;
}

/* Without a snapshot nothing is known of the rows of files that are in no segment yet, and their segments need their flags: they are judged behind the rows
 * of all segments. */
static mw_status judge_files(mw_live_org *org, mw_live_program *program, mw_err *err) {
    mw_live_made made;
    mw_live_stored *stored = NULL;
    size_t i = 0;
    while (i < org->n_files && org->files[i].stored) i++;
    if (i == org->n_files) return MW_OK;
    mw_status status = mw_live__made_init(org, program, &made, err);
    if (status) return status;
    made.stream = mw_stream_free(made.stream);
    const mw_program *p = program->config.program;
    const mw_live_visitor visitor = mw_live__made_visitor(&made);
    status = mw_live__stored_open(org, mw_live__dataset, true, &stored, err);
    if (!status) status = mw_live__stored_each(stored, p, NULL, &visitor, err);
    mw_live__stored_close(stored);
    for (; i < org->n_files && !status; i++) {
        if (org->files[i].stored) continue;
        mw_live__made_file(&made, org->files[i].first);
        status = mw_live__read_file(org, p, org->files[i].first, false, 0, &visitor, err);
    }
    if (!status) {
        pthread_mutex_lock(&org->state);
        mw_judged *old = org->judged;
        org->judged = made.judged;
        made.judged = old;
        pthread_mutex_unlock(&org->state);
    }
    mw_live__made_done(&made);
    return status;
}

static mw_status start(mw_live_org *org, mw_live_program *program, mw_err *err) {
    mw_live_made made;
    mw_status status = start_from_snapshot(org, program, &made, err);
    if (status == MW_ENOTFOUND) {
        if (org->next_row > 0)
            mw_log_info(&org->ctx, "live features are made of all stored rows: %s", err->message);
        org->covered = -1;
        status = mw_live__close_journal(org, err);
        if (!status) status = judge_files(org, program, err);
        if (!status) status = make_of_stored(org, program, &made, err);
        if (status) mw_live__drop_state(org);
    }
    if (status) return status;
    put_in_place(org, &made);
    mw_live__made_done(&made);
    return MW_OK;
}

/* ---- from one program to another ---- */

static int64_t used(const mw_live_made *made) { return mw_stream_count(made->stream).used; }

static mw_status make_other(mw_live_org *org, mw_live_program *program, mw_err *err) {
    mw_live_made made;
    mw_live__take_turn(org);
    mw_status status = mw_live__close_journal(org, err);
    const int64_t until = org->next_row;
    mw_live__give_turn(org);
    if (!status) status = make_of_stored(org, program, &made, err);
    if (status) return status;
    mw_live__take_turn(org);
    const int64_t before = used(&made), more = org->next_row - until;
    status = replay_from(org, &made, until, err);
    if (!status && used(&made) != before + more) { /* one of them belongs between the others */
        mw_live__made_done(&made);
        status = mw_live__close_journal(org, err);
        if (!status) status = make_of_stored(org, program, &made, err);
        if (status) {
            mw_live__give_turn(org);
            return status;
        }
    }
    if (!status) {
        put_in_place(org, &made);
        org->covered = -1;
    }
    mw_live__give_turn(org);
    mw_live__made_done(&made);
    return status;
}

static mw_status append_bytes(void *self, const void *data, size_t size, mw_err *err) {
    (void)err;
    mw_buf_append(self, data, size);
    return MW_OK;
}

/* The same program by another text: the stream goes on, and so does what is judged. */
static mw_status carry_over(mw_live_org *org, mw_live_made *made, mw_err *err) {
    mw_buf bytes;
    mw_buf_init(&bytes, org->ctx.mem, (size_t)MW_LIMIT(LIVE_STATE_BYTES));
    const mw_stream_sink sink = {append_bytes, &bytes};
    mw_live_saved sizes;
    mw_status status = mw_live__save_state(org, sink, &sizes, err);
    if (!status) status = mw_buf_status(&bytes, "live features", err);
    if (!status) status = mw_live__made_load(made, mw_buf_str(&bytes), &sizes, err);
    mw_buf_done(&bytes);
    return status;
}

static mw_status make_same(mw_live_org *org, mw_live_program *program, mw_err *err) {
    mw_live_made made;
    mw_status status = mw_live__made_init(org, program, &made, err);
    if (status) return status;
    mw_live__take_turn(org);
    status = carry_over(org, &made, err);
    if (!status) put_in_place(org, &made);
    mw_live__give_turn(org);
    mw_live__made_done(&made);
    return status;
}

static mw_status change_program(mw_live_org *org, mw_err *err) {
    mw_live_program *program = NULL;
    mw_status status = read_program(org, &program, err);
    if (!status) status = mw_live__open_files(org, err);
    if (status) {
        mw_live__unref(program);
        return status;
    }
    const mw_live_program *now = org->program;
    if (!now)
        status = start(org, program, err);
    else if (now->version == program->version)
        mw_live__unref(program);
    else if (strcmp(now->config.program->hash, program->config.program->hash) == 0)
        status = make_same(org, program, err);
    else
        status = make_other(org, program, err);
    if (status) mw_live__unref(program);
    return status;
}

/* ---- rounds ---- */

static bool is_due(const mw_live_org *org) {
    const uint64_t since = (uint64_t)(org->bytes_since - org->bytes_saved);
    const uint64_t file = org->telemetry->options.file_bytes;
    if (org->covered < 0) return true;
    return since >= (file > org->snapshot_bytes ? file : org->snapshot_bytes) ||
           org->n_files >= FEW_FILES;
}

static mw_status close_old(mw_live_org *org, mw_err *err) {
    mw_status status = MW_OK;
    mw_live__take_turn(org);
    const mw_journal *j = org->journal;
    if (j && mw_journal_next(j) > mw_journal_first(j) &&
        mw_clock_monotonic(org->ctx.clock) - org->journal_us >= org->telemetry->options.file_us)
        status = mw_live__close_journal(org, err);
    mw_live__give_turn(org);
    return status;
}

static mw_status tidy(mw_live_org *org, mw_err *err) {
    mw_status status = close_old(org, err);
    /* Without a program nothing is judged: segments wait for their flags. */
    if (!status && org->program) status = mw_live__store_files(org, err);
    if (!status) status = mw_live__forget_flags(org, err);
    if (status) return status;
    mw_live__take_turn(org);
    if (org->program && is_due(org))
        status = mw_live__save(org, true, err);
    else
        mw_live__give_turn(org);
    if (!status) mw_live__remove_files(org);
    return status;
}

void mw_live__keep(mw_live_org *org) {
    mw_err err = {0};
    pthread_mutex_lock(&org->lock);
    const bool wants_program = org->wants_program;
    org->wants_program = org->wants_keep = false;
    pthread_mutex_unlock(&org->lock);
    mw_status status = wants_program ? change_program(org, &err) : MW_OK;
    if (!status && org->dir) status = tidy(org, &err);
    if (status) mw_log_error(&org->ctx, "live features of \"%s\": %s", org->name, err.message);
    pthread_mutex_lock(&org->lock);
    org->failed = status != MW_OK;
    if (status) {
        org->trouble = err;
        org->tried_us = mw_clock_monotonic(org->ctx.clock);
    } else if (org->program) {
        mw_err_clear(&org->trouble);
    }
    pthread_cond_broadcast(&org->wake);
    pthread_mutex_unlock(&org->lock);
}
