/*
 * arrange.c -- the way of a chunk. While rows are late by no more than the window, one merge holds the latest chunks and lets the
 * oldest rows go on to the group stage whenever it holds more than window_bytes: replacement selection with chunks for
 * rows (Knuth, TAOCP 3, 5.4.1). The first row that is older than what has gone turns the same merge into the maker of runs;
 * at the end it merges the sink's rows, the runs and the raw rows behind means (arrange_group.c) into a second sequence.
 * Equal times are ranked by arrival: the sink's, raw ones, then chunks or runs by number.
 */
#include "core/table/arrange_parts.h"

enum {
    RANK_TAKEN,
    RANK_RAW,
    RANK_FIRST, /* of chunks and runs */
    BLOCK_LEAST_BYTES = 64 << 10,
    BLOCK_MOST_BYTES = 1 << 20,
    BLOCKS_OF_BUDGET = 64, /* so many blocks are in memory when runs are merged */
    LEAST_FAN_IN = 4,
    MOST_RUNS = 192, /* open files */
};

struct mw_arrange {
    mw_ctx ctx;
    mw_arrange_options options;
    mw_arrange_sink sink;
    mw_arrange__types types;
    mw_arrange__merge merge;
    mw_arrange__group *group;
    mw_arrange_counts counts;
    uint64_t rank;          /* of the next chunk */
    int64_t newest;         /* the latest time that came */
    int64_t n_rows, n_done; /* that came; that have passed at the end */
    mw_status failed;       /* for good */
    int64_t passed;         /* the latest time that has gone on, once there are runs */
    mw_arrange__run *raw;
    mw_arrange__run **runs; /* [n_runs] in order of arrival */
    int32_t n_runs;
    int32_t turn; /* where merging of runs goes on */
};

mw_status mw_arrange_new(const mw_ctx *ctx, const mw_schema *schema,
                         const mw_arrange_options *options, const mw_arrange_sink *sink,
                         mw_arrange **ret, mw_err *err) {
    if (options->n_keys < 0 || options->n_keys >= schema->n_columns)
        return mw_fail(err, MW_EINVAL, "%d label columns of %d columns", (int)options->n_keys,
                       (int)schema->n_columns);
    for (int32_t c = 0; c <= options->n_keys; c++)
        if (schema->columns[c].type != (c == 0 ? MW_TIMESTAMP : MW_DICTIONARY))
            return mw_fail(err, MW_EINVAL, "the column \"%s\" is a %s", schema->columns[c].name,
                           mw_type_name(schema->columns[c].type));
    mw_arrange *a = mw_calloc(ctx->mem, 1, sizeof *a);
    if (!a) return mw_fail_nomem(err, "sorting rows by time");
    a->ctx = *ctx;
    a->options = *options;
    a->sink = *sink;
    a->types.mem = ctx->mem;
    a->rank = RANK_FIRST;
    a->newest = INT64_MIN;
    mw_arrange__merge_init(&a->merge, &a->ctx, &a->types);
    mw_status status = mw_arrange__group_new(&a->ctx, options, &a->types, &a->sink, &a->group, err);
    if (status != MW_OK) {
        mw_free(a);
        return status;
    }
    *ret = a;
    return MW_OK;
}

void *mw_arrange_free(mw_arrange *a) {
    if (!a) return NULL;
    mw_arrange__merge_done(&a->merge);
    mw_arrange__group_free(a->group);
    mw_arrange__run_free(a->raw);
    for (int32_t i = 0; i < a->n_runs; i++) mw_arrange__run_free(a->runs[i]);
    mw_free(a->runs);
    mw_free(a->types.types);
    return mw_free(a);
}

/* --- runs ---------------------------------------------------------------------------------------- */

static size_t block_bytes(const mw_arrange *a) {
    size_t bytes = a->options.merge_bytes / BLOCKS_OF_BUDGET;
    return bytes < BLOCK_LEAST_BYTES  ? BLOCK_LEAST_BYTES
           : bytes > BLOCK_MOST_BYTES ? BLOCK_MOST_BYTES
                                      : bytes;
}

static int32_t fan_in(const mw_arrange *a) {
    size_t n = a->options.merge_bytes / block_bytes(a);
    return n < LEAST_FAN_IN ? LEAST_FAN_IN : n > MOST_RUNS / 2 ? MOST_RUNS / 2 : (int32_t)n;
}

static mw_status write_piece(void *run, mw_arrange__piece *piece, mw_err *err) {
    mw_status status = mw_arrange__run_write(run, piece->chunk, err);
    mw_arrange__piece_done(piece);
    return status;
}

/* Everything that `merge` has becomes one run. */
static mw_status make_run(mw_arrange *a, mw_arrange__merge *merge, mw_arrange__run **ret,
                          mw_err *err) {
    mw_arrange__run *run;
    mw_status status = mw_arrange__run_new(&a->ctx, a->options.spill, &a->types, &run, err);
    if (status != MW_OK) return status;
    merge->moved = false;
    merge->copies = true;
    merge->most_bytes = block_bytes(a);
    status = mw_arrange__merge_drain(merge, write_piece, run, err);
    if (status == MW_OK) status = mw_arrange__run_rewind(run, err);
    if (status != MW_OK) {
        mw_arrange__run_free(run);
        return status;
    }
    *ret = run;
    return MW_OK;
}

/* Runs [at, at + n) become one in their place. */
static mw_status merge_runs(mw_arrange *a, int32_t at, int32_t n, mw_err *err) {
    mw_arrange__merge *merge = &a->merge; /* it is empty between runs */
    mw_status status = MW_OK;
    for (int32_t i = at; i < at + n && status == MW_OK; i++) {
        mw_arrange__run *run = a->runs[i];
        a->runs[i] = NULL;
        status =
            mw_arrange__merge_add(merge, (mw_arrange__input){.run = run, .rank = (uint64_t)i}, err);
    }
    if (status == MW_OK) status = make_run(a, merge, &a->runs[at], err);
    if (status != MW_OK) return status;
    for (int32_t i = at + n; i < a->n_runs; i++) a->runs[i - n + 1] = a->runs[i];
    for (int32_t i = a->n_runs - n + 1; i < a->n_runs; i++) a->runs[i] = NULL;
    a->n_runs -= n - 1;
    return MW_OK;
}

/* Merges neighbors until there are at most `most` runs; goes around, so that each pass takes the short ones first. */
static mw_status reduce_runs(mw_arrange *a, int32_t most, mw_err *err) {
    int32_t fan = fan_in(a);
    while (a->n_runs > most) {
        int32_t n = a->n_runs - most + 1 < fan ? a->n_runs - most + 1 : fan;
        if (a->turn + n > a->n_runs) a->turn = 0;
        mw_status status = merge_runs(a, a->turn, n, err);
        if (status != MW_OK) return status;
        a->turn++;
    }
    return MW_OK;
}

static mw_status spill(mw_arrange *a, mw_err *err) {
    if (!a->runs) {
        a->runs = mw_calloc(a->ctx.mem, MOST_RUNS, sizeof(mw_arrange__run *));
        if (!a->runs) return mw_fail_nomem(err, "sorting rows by time");
    }
    mw_status status = make_run(a, &a->merge, &a->runs[a->n_runs], err);
    if (status != MW_OK) return status;
    a->n_runs++;
    return a->n_runs == MOST_RUNS ? reduce_runs(a, MOST_RUNS - fan_in(a), err) : MW_OK;
}

/* --- chunks -------------------------------------------------------------------------------------- */

/* From the window to runs: what has gone on goes to the sink, all of it. */
static mw_status switch_over(mw_arrange *a, mw_err *err) {
    a->passed = a->merge.last;
    a->counts.merged = true;
    mw_status status = mw_arrange__merge_flush(&a->merge, mw_arrange__group_add, a->group, err);
    return status == MW_OK ? mw_arrange__group_restart(a->group, &a->raw, err) : status;
}

/* How many of ascending times are below the bound. */
static int64_t n_below(const int64_t *times, int64_t n, int64_t bound) {
    int64_t low = 0;
    while (low < n) {
        int64_t middle = low + (n - low) / 2;
        if (times[middle] < bound)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static mw_status check_chunk(mw_arrange *a, const mw_chunk *chunk, mw_err *err) {
    mw_status status = mw_ctx_check(&a->ctx, err);
    if (status != MW_OK) return status;
    if (chunk->n_columns <= a->options.n_keys || chunk->columns[0].type != MW_TIMESTAMP)
        return mw_fail(err, MW_EINTERNAL, "a chunk of %d columns without its labels",
                       (int)chunk->n_columns);
    if (chunk->n_rows > UINT32_MAX)
        return mw_fail(err, MW_ETOOLARGE, "a chunk of more than 2^32 rows");
    return mw_arrange__types_learn(&a->types, chunk, err);
}

/* Puts the chunk's own rows in order; counts. */
static mw_status look_at(mw_arrange *a, mw_chunk **chunk, mw_err *err) {
    const int64_t *times = (*chunk)->columns[0].time;
    mw_arrange__look look = mw_arrange__look_at(times, (*chunk)->n_rows, a->newest);
    a->counts.n_out_of_order += look.n_older;
    a->n_rows += (*chunk)->n_rows;
    if (look.last > a->newest) a->newest = look.last;
    mw_status status = MW_OK;
    if (!look.ascending) status = mw_arrange__sort(&a->ctx, &a->types, chunk, err);
    if (status == MW_OK && !a->counts.merged && a->merge.moved && look.first < a->merge.last)
        status = switch_over(a, err);
    if (status == MW_OK && a->counts.merged)
        a->counts.n_late += n_below((*chunk)->columns[0].time, (*chunk)->n_rows, a->passed);
    return status;
}

static mw_status move_on(mw_arrange *a, mw_err *err) {
    mw_status status = MW_OK;
    if (a->counts.merged)
        return a->merge.held_bytes > a->options.merge_bytes ? spill(a, err) : MW_OK;
    while (status == MW_OK && a->merge.n > 0 && a->merge.held_bytes > a->options.window_bytes)
        status = mw_arrange__merge_step(&a->merge, mw_arrange__group_add, a->group, err);
    return status;
}

mw_status mw_arrange_add(mw_arrange *a, mw_chunk *chunk, mw_err *err) {
    mw_status status = a->failed ? mw_fail(err, a->failed, "sorting failed before") : MW_OK;
    if (status == MW_OK) status = check_chunk(a, chunk, err);
    if (status != MW_OK || chunk->n_rows == 0) {
        mw_chunk_free(chunk);
        if (status != MW_OK) a->failed = status;
        return status;
    }
    status = look_at(a, &chunk, err);
    if (status == MW_OK)
        status = mw_arrange__merge_add(&a->merge,
                                       (mw_arrange__input){.chunk = chunk, .rank = a->rank++}, err);
    else
        mw_chunk_free(chunk);
    if (status == MW_OK) status = move_on(a, err);
    a->failed = status;
    return status;
}

/* --- the end ------------------------------------------------------------------------------------- */

/* The rows that the sink has, and all that came later. */
static mw_status gather_inputs(mw_arrange *a, mw_err *err) {
    mw_arrange__merge *merge = &a->merge;
    mw_status status = MW_OK;
    if (a->n_runs > 0 && merge->n > 0) status = spill(a, err);
    if (status == MW_OK) status = reduce_runs(a, fan_in(a), err);
    if (status != MW_OK) return status;
    merge->moved = merge->copies = false;
    merge->most_bytes = 0;
    merge->marks_origins = true;
    for (int32_t i = 0; i < a->n_runs && status == MW_OK; i++) {
        mw_arrange__run *run = a->runs[i];
        a->runs[i] = NULL;
        status = mw_arrange__merge_add(
            merge, (mw_arrange__input){.run = run, .rank = RANK_FIRST + (uint64_t)i}, err);
    }
    if (status == MW_OK && a->raw) {
        mw_arrange__run *raw = a->raw;
        a->raw = NULL;
        status = mw_arrange__merge_add(
            merge, (mw_arrange__input){.run = raw, .rank = RANK_RAW, .origin = MW_ARRANGE__RAW},
            err);
    }
    if (status == MW_OK)
        status = mw_arrange__merge_add(
            merge,
            (mw_arrange__input){.sink = &a->sink, .rank = RANK_TAKEN, .origin = MW_ARRANGE__TAKEN},
            err);
    return status;
}

static mw_status give_at_end(void *self, mw_arrange__piece *piece, mw_err *err) {
    mw_arrange *a = self;
    a->n_done += piece->chunk->n_rows;
    if (a->n_done > a->n_rows) a->n_done = a->n_rows; /* raw rows come beside their mean */
    if (a->counts.merged)
        mw_ctx_report(&a->ctx, "sorting rows by time", (double)a->n_done, (double)a->n_rows);
    return mw_arrange__group_add(a->group, piece, err);
}

mw_status mw_arrange_finish(mw_arrange *a, mw_arrange_counts *ret, mw_err *err) {
    mw_status status = a->failed ? mw_fail(err, a->failed, "sorting failed before") : MW_OK;
    if (status == MW_OK && a->counts.merged) status = gather_inputs(a, err);
    if (status == MW_OK) status = mw_arrange__merge_drain(&a->merge, give_at_end, a, err);
    if (status == MW_OK) status = mw_arrange__group_close(a->group, err);
    const mw_arrange__group_counts *counted = mw_arrange__group_counted(a->group);
    a->failed = status;
    if (status != MW_OK) return status;
    a->counts.n_rows = counted->n_rows;
    a->counts.n_duplicates = counted->n_duplicates;
    a->counts.n_collisions = counted->n_collisions;
    a->counts.first_us = counted->first_us;
    a->counts.last_us = counted->last_us;
    *ret = a->counts;
    return MW_OK;
}
