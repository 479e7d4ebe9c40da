/* Rows into time order against a plain program that has them all in memory (arrange_oracle.h), within its budgets. */
#include "support/harness.h"

#include "unit/table/arrange_oracle.h"
#include "unit/table/arrange_spill.h"

static oracle_row rows[ORACLE_ROWS];
static uint8_t cuts[ORACLE_ROWS], widths[ORACLE_ROWS];

MW_TEST(equals_the_oracle_for_any_cuts_and_budgets) {
    const int n_cases = mw_test_rounds(3000);
    enum { BYTES = 4 + 4 * 600 };
    static uint8_t data[BYTES];
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    mw_rng rng;
    int n_merged = 0, n_windowed = 0;
    for (int i = 0; i < n_cases; i++) {
        mw_rng_init(&rng, mw_test_seed(), 1, (uint64_t)i);
        size_t size = mw_rng_below(&rng, i % 8 ? 300 : BYTES);
        fill_random(&rng, data, size);
        oracle_case c = {.rows = rows, .cuts = cuts, .widths = widths};
        oracle_case_from(data, size, &c);
        c.options.spill = spill;
        oracle_sink sink = {0};
        mw_arrange_counts counts;
        mw_err err;
        assert_ok(oracle_run(&ctx, &c, &sink, &counts, &err));
        const char *problem = oracle_differs(&c, &sink, &counts);
        if (problem)
            fail_msg("seed %llu case %d: %s", (unsigned long long)mw_test_seed(), i, problem);
        oracle_sink_done(&sink);
        assert_int_equal(mw_mem_used(&mem), 0);
        n_merged += counts.merged;
        n_windowed += !counts.merged && counts.n_out_of_order;
    }
    assert_empty(spill);
    mw_dir_close(spill);
    assert_true(n_merged > n_cases / 10);
    assert_true(n_windowed > n_cases / 10);
}

/* --- a longer scene: devices one behind the other, so that all but the first are late ------------- */

typedef struct scene {
    mw_arrange_options options;
    int64_t n_devices, n_times, chunk_rows, jitter;
} scene;

/* Row i of the scene, by arrival. */
static oracle_row scene_row(const scene *s, int64_t i) {
    mw_rng rng;
    mw_rng_init(&rng, 5, 1, (uint64_t)i);
    int64_t device = i / s->n_times;
    oracle_row row = {.time = i % s->n_times * 10, .keys = {(int32_t)device, 0}};
    if (s->jitter) row.time += (int64_t)mw_rng_below(&rng, (uint64_t)s->jitter);
    row.cells[0] = (double)i;
    row.cells[1] = (double)(i & 1);
    row.cells[2] = (double)(i % 7);
    row.cells[3] = (double)-i;
    row.cells[4] = (double)(i / 3);
    return row;
}

static mw_status scene_feed(const scene *s, const mw_ctx *ctx, mw_arrange *arrange, mw_err *err) {
    mw_type types[2 + ORACLE_CELLS] = {MW_TIMESTAMP, MW_DICTIONARY};
    for (int c = 0; c < ORACLE_CELLS; c++) types[2 + c] = oracle_types[c];
    int64_t n = s->n_devices * s->n_times;
    for (int64_t from = 0; from < n; from += s->chunk_rows) {
        int64_t end = from + s->chunk_rows < n ? from + s->chunk_rows : n;
        mw_chunk *chunk;
        mw_status status = mw_chunk_new(ctx->mem, types, 2 + ORACLE_CELLS, end - from, &chunk, err);
        if (status != MW_OK) return status;
        for (int64_t i = from; i < end; i++) {
            oracle_row row = scene_row(s, i);
            oracle_put(chunk, chunk->n_rows++, &row, 1);
        }
        status = mw_arrange_add(arrange, chunk, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status scene_run(const scene *s, const mw_ctx *ctx, oracle_sink *sink,
                           mw_arrange_counts *counts, mw_err *err) {
    mw_schema *schema;
    mw_arrange *arrange = NULL;
    mw_status status = oracle_schema(ctx->mem, 1, &schema, err);
    if (status != MW_OK) return status;
    mw_arrange_sink face = {sink, oracle_take, oracle_again};
    status = mw_arrange_new(ctx, schema, &s->options, &face, &arrange, err);
    if (status == MW_OK) status = scene_feed(s, ctx, arrange, err);
    if (status == MW_OK) status = mw_arrange_finish(arrange, counts, err);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    return status;
}

/* Every row is there once, whole, and in its place: by time, then by arrival, which is cell 0. */
static void assert_scene(const scene *s, const oracle_sink *sink) {
    int64_t n = 0, time = INT64_MIN, arrival = -1;
    for (int32_t i = 0; i < sink->n; i++) {
        const mw_chunk *chunk = sink->chunks[i];
        for (int64_t row = 0; row < chunk->n_rows; row++, n++) {
            int64_t now = chunk->columns[0].time[row];
            int64_t came = (int64_t)oracle_get(chunk, row, 2);
            if (now < time || (now == time && came <= arrival)) fail_msg("row %lld", (long long)n);
            oracle_row want = scene_row(s, came);
            assert_int_equal(now, want.time);
            assert_int_equal(chunk->columns[1].codes[row], want.keys[0]);
            for (int c = 0; c < ORACLE_CELLS; c++)
                assert_true(oracle_get(chunk, row, 2 + c) == want.cells[c]);
            time = now;
            arrival = came;
        }
    }
    assert_int_equal(n, s->n_devices * s->n_times);
}

static const mw_arrange_options plain_options = {
    .n_keys = 1, .collide = MW_COLLIDE_KEEP, .drop_duplicates = true};

/* One scene inside budgets of a twentieth of its size. */
static void run_in_little_memory(int64_t n_devices, int64_t n_times, int64_t jitter, bool merged) {
    enum { CHUNK_ROWS = 2048, BUDGET = 1 << 20, ROW_BYTES = 8 + 4 + 8 + 4 + 8 + 8 };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    scene s = {plain_options, n_devices, n_times, CHUNK_ROWS, jitter};
    s.options.spill = spill;
    s.options.window_bytes = s.options.merge_bytes = BUDGET;
    assert_true(n_devices * n_times * ROW_BYTES > 20 * BUDGET);
    oracle_sink sink = {0};
    mw_arrange_counts counts;
    mw_err err;
    assert_ok(scene_run(&s, &ctx, &sink, &counts, &err));
    assert_scene(&s, &sink);
    assert_int_equal(counts.n_rows, n_devices * n_times);
    assert_int_equal(counts.merged, merged);
    assert_int_equal(mw_mem_used(&mem), 0);
    size_t few_chunks = 8 * CHUNK_ROWS * (ROW_BYTES + 2);
    if (mw_mem_peak(&mem) > BUDGET + few_chunks) fail_msg("peak of %zu bytes", mw_mem_peak(&mem));
    oracle_sink_done(&sink);
    assert_empty(spill);
    mw_dir_close(spill);
}

MW_TEST(devices_one_behind_the_other_stay_in_little_memory) {
    run_in_little_memory(23, 25000, 0, true);
}

MW_TEST(jitter_is_merged_in_the_window) { run_in_little_memory(1, 550000, 5000, false); }

MW_TEST(jitter_and_devices_at_once) { run_in_little_memory(3, 200000, 1000, true); }

/* More runs than may be open, and more than are merged at once. */
MW_TEST(many_runs_are_merged_in_several_passes) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    scene s = {plain_options, 1500, 9, 9, 0};
    s.options.spill = spill;
    oracle_sink sink = {0};
    mw_arrange_counts counts;
    mw_err err;
    assert_ok(scene_run(&s, &ctx, &sink, &counts, &err));
    assert_scene(&s, &sink);
    assert_int_equal(counts.n_out_of_order, 1499 * 8);
    assert_int_equal(counts.n_late, 1499 * 8);
    assert_int_equal(mw_mem_used(&mem), 0);
    oracle_sink_done(&sink);
    assert_empty(spill);
    mw_dir_close(spill);
}

/* --- what passes is not copied ---------------------------------------------------------------------- */

typedef struct watching_sink {
    const mw_chunk *seen[8];
    int n;
} watching_sink;

static mw_status watching_take(void *self, const mw_chunk *chunk, mw_err *err) {
    watching_sink *sink = self;
    (void)err;
    if (sink->n < 8) sink->seen[sink->n++] = chunk;
    return MW_OK;
}

MW_TEST(chunks_in_order_pass_as_they_are) {
    enum { CHUNKS = 6, ROWS = 50 };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    mw_err err;
    mw_schema *schema;
    assert_ok(oracle_schema(&mem, 1, &schema, &err));
    watching_sink sink = {0};
    mw_arrange_sink face = {&sink, watching_take, NULL};
    mw_arrange_options options = plain_options;
    options.window_bytes = 3000;
    mw_arrange *arrange;
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    const mw_chunk *added[CHUNKS];
    mw_type types[2] = {MW_TIMESTAMP, MW_DICTIONARY};
    for (int i = 0; i < CHUNKS; i++) {
        mw_chunk *chunk;
        assert_ok(mw_chunk_new(&mem, types, 2, ROWS, &chunk, &err));
        /* Groups of three devices, some over the border of two chunks. */
        for (int row = 0; row < ROWS; row++) {
            chunk->columns[0].time[row] = (i * ROWS + row) / 3;
            chunk->columns[1].codes[row] = (i * ROWS + row) % 3;
        }
        chunk->n_rows = ROWS;
        added[i] = chunk;
        assert_ok(mw_arrange_add(arrange, chunk, &err));
    }
    mw_arrange_counts counts;
    assert_ok(mw_arrange_finish(arrange, &counts, &err));
    assert_int_equal(sink.n, CHUNKS);
    for (int i = 0; i < CHUNKS; i++) assert_ptr_equal(sink.seen[i], added[i]);
    assert_int_equal(counts.n_rows, CHUNKS * ROWS);
    assert_int_equal(counts.n_duplicates + counts.n_collisions, 0);
    assert_false(counts.merged);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* --- other inputs and sinks ------------------------------------------------------------------------ */

static size_t n_written;

static ssize_t counting_write(void *self, int fd, const void *data, size_t size) {
    (void)self;
    n_written += size;
    return mw_io_system.write(mw_io_system.self, fd, data, size);
}

/* A long file by parameter: each row has one of many cells. */
MW_TEST(columns_without_values_take_no_disk) {
    enum { PARAMETERS = 30, TIMES = 5000, COLUMNS = 1 + PARAMETERS };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    mw_io io = mw_io_system;
    io.write = counting_write;
    ctx.io = &io;
    n_written = 0;
    mw_err err;
    mw_schema *schema;
    int32_t at;
    mw_type types[COLUMNS] = {MW_TIMESTAMP};
    for (int32_t c = 1; c < COLUMNS; c++) types[c] = MW_FLOAT64;
    assert_ok(mw_schema_new(&mem, &schema, &err));
    assert_ok(mw_schema_add(schema, MW_STR("time"), MW_TIMESTAMP, &at, &err));
    oracle_sink sink = {0};
    mw_arrange_sink face = {&sink, oracle_take, oracle_again};
    mw_arrange_options options = {
        .join = true, .collide = MW_COLLIDE_LAST, .merge_bytes = 2 << 20, .spill = spill};
    mw_arrange *arrange;
    size_t all_bytes = 0;
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    for (int32_t p = 0; p < PARAMETERS; p++) {
        mw_chunk *chunk;
        assert_ok(mw_chunk_new(&mem, types, 1 + p + 1, TIMES, &chunk, &err));
        mw_chunk_append(chunk, &(mw_chunk){0}, 0, TIMES);
        for (int64_t row = 0; row < TIMES; row++) {
            chunk->columns[0].time[row] = row;
            chunk->columns[1 + p].number[row] = (double)(row * PARAMETERS + p);
        }
        all_bytes += mw_chunk_bytes(chunk);
        assert_ok(mw_arrange_add(arrange, chunk, &err));
    }
    mw_arrange_counts counts;
    assert_ok(mw_arrange_finish(arrange, &counts, &err));
    assert_int_equal(counts.n_rows, TIMES);
    assert_int_equal(counts.n_collisions, 0);
    int64_t time = 0;
    for (int32_t i = 0; i < sink.n; i++)
        for (int64_t row = 0; row < sink.chunks[i]->n_rows; row++, time++)
            for (int32_t p = 0; p < PARAMETERS; p++)
                assert_true(sink.chunks[i]->columns[1 + p].number[row] ==
                            (double)(time * PARAMETERS + p));
    assert_true(n_written > 0);
    assert_true(n_written < all_bytes / 2);
    oracle_sink_done(&sink);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    assert_int_equal(mw_mem_used(&mem), 0);
    mw_dir_close(spill);
}

/* Gives the last chunk first. */
static mw_status backward_again(void *self, mw_chunk **ret, mw_err *err) {
    oracle_sink *sink = self;
    mw_status status = oracle_again(sink, ret, err);
    if (sink->at == 1 && sink->n_old > 1) {
        mw_chunk *last = sink->old[sink->n_old - 1];
        sink->old[sink->n_old - 1] = *ret;
        *ret = last;
    }
    return status;
}

MW_TEST(a_sink_that_gives_rows_back_in_another_order_is_noticed) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *spill = open_spill(&ctx);
    scene s = {plain_options, 2, 2000, 100, 0};
    s.options.spill = spill;
    mw_err err;
    mw_schema *schema;
    mw_arrange *arrange;
    mw_arrange_counts counts;
    oracle_sink sink = {0};
    assert_ok(oracle_schema(NULL, 1, &schema, &err));
    mw_arrange_sink face = {&sink, oracle_take, backward_again};
    assert_ok(mw_arrange_new(&ctx, schema, &s.options, &face, &arrange, &err));
    assert_ok(scene_feed(&s, &ctx, arrange, &err));
    assert_status(mw_arrange_finish(arrange, &counts, &err), MW_EINTERNAL);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    oracle_sink_done(&sink);
    mw_dir_close(spill);
}

typedef struct canceling_sink {
    oracle_sink sink; /* first: the same address */
    mw_cancel *cancel;
    int calls;
} canceling_sink;

static mw_status canceling_take(void *self, const mw_chunk *chunk, mw_err *err) {
    canceling_sink *sink = self;
    if (--sink->calls == 0) atomic_store(&sink->cancel->requested, true);
    return oracle_take(&sink->sink, chunk, err);
}

MW_TEST(can_be_canceled) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    mw_dir *spill = open_spill(&ctx);
    ctx.mem = &mem;
    mw_cancel cancel = {0};
    ctx.cancel = &cancel;
    mw_err err;
    scene s = {plain_options, 5, 2000, 100, 0};
    s.options.spill = spill;
    for (int calls = 1; calls < 90; calls += 11) {
        atomic_store(&cancel.requested, false);
        canceling_sink sink = {.cancel = &cancel, .calls = calls};
        mw_schema *schema;
        mw_arrange *arrange;
        assert_ok(oracle_schema(&mem, 1, &schema, &err));
        mw_arrange_sink face = {&sink, canceling_take, oracle_again};
        assert_ok(mw_arrange_new(&ctx, schema, &s.options, &face, &arrange, &err));
        mw_arrange_counts counts;
        mw_status status = scene_feed(&s, &ctx, arrange, &err);
        if (status == MW_OK) status = mw_arrange_finish(arrange, &counts, &err);
        assert_int_equal(status, MW_ECANCELED);
        assert_status(mw_arrange_finish(arrange, &counts, &err), MW_ECANCELED);
        mw_arrange_free(arrange);
        mw_schema_free(schema);
        oracle_sink_done(&sink.sink);
        assert_int_equal(mw_mem_used(&mem), 0);
    }
    assert_empty(spill);
    mw_dir_close(spill);
}

/* --- a long file: pivoted block by block, then joined ------------------------------------------------- */

enum { READINGS = 3000, PARAMETERS = 6 };

typedef struct readings {
    int64_t times[READINGS];
    int32_t devices[READINGS], parameters[READINGS];
    double values[READINGS];
} readings;

static void feed_blocks(const readings *r, mw_rng *rng, uint64_t block, mw_collide collide,
                        mw_mem *mem, mw_arrange *arrange) {
    mw_err err;
    for (int64_t from = 0; from < READINGS;) {
        int64_t n = 1 + (int64_t)mw_rng_below(rng, block);
        if (n > READINGS - from) n = READINGS - from;
        const int32_t *labels[1] = {r->devices + from};
        mw_chunk *chunk;
        int64_t n_collisions;
        assert_ok(mw_pivot_block(mem, r->times + from, labels, 1, r->parameters + from, PARAMETERS,
                                 r->values + from, n, collide, &chunk, &n_collisions, &err));
        assert_ok(mw_arrange_add(arrange, chunk, &err));
        from += n;
    }
}

/* The cell that a reading ends up in holds the first or the last reading of its key and parameter. */
static void assert_cells(const readings *r, mw_collide collide, const oracle_sink *sink) {
    int64_t n_rows = 0, before = INT64_MIN;
    for (int32_t i = 0; i < sink->n; i++) {
        const mw_chunk *chunk = sink->chunks[i];
        for (int64_t row = 0; row < chunk->n_rows; row++, n_rows++) {
            double cells[PARAMETERS];
            bool found = false;
            for (int p = 0; p < PARAMETERS; p++) cells[p] = MW_NAN;
            for (int k = 0; k < READINGS; k++) {
                if (r->times[k] != chunk->columns[0].time[row] ||
                    r->devices[k] != chunk->columns[1].codes[row])
                    continue;
                double *cell = &cells[r->parameters[k]];
                if (mw_isnan(*cell) || collide == MW_COLLIDE_LAST) *cell = r->values[k];
                found = true;
            }
            assert_true(found);
            assert_true(chunk->columns[0].time[row] >= before);
            before = chunk->columns[0].time[row];
            for (int p = 0; p < PARAMETERS; p++)
                assert_true(oracle_same(cells[p], chunk->columns[2 + p].number[row]));
        }
    }
    int64_t n_keys = 0;
    for (int k = 0; k < READINGS; k++) {
        int j = 0;
        while (r->times[j] != r->times[k] || r->devices[j] != r->devices[k]) j++;
        n_keys += j == k;
    }
    assert_int_equal(n_rows, n_keys);
}

static void run_long_file(uint64_t number, mw_dir *spill) {
    static readings r;
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 8, number);
    bool by_parameter = number % 2;
    for (int i = 0; i < READINGS; i++) {
        int turn = by_parameter ? i % 500 : i / PARAMETERS;
        r.times[i] = turn / 3 + (int64_t)mw_rng_below(&rng, number % 5 + 1);
        r.devices[i] = turn % 3;
        r.parameters[i] = by_parameter ? i / 500 : (int32_t)mw_rng_below(&rng, PARAMETERS);
        r.values[i] = (double)i;
    }
    mw_err err;
    mw_schema *schema;
    int32_t at;
    assert_ok(mw_schema_new(&mem, &schema, &err));
    assert_ok(mw_schema_add(schema, MW_STR("time"), MW_TIMESTAMP, &at, &err));
    assert_ok(mw_schema_add(schema, MW_STR("device"), MW_DICTIONARY, &at, &err));
    mw_arrange_options options = {.n_keys = 1, .join = true, .drop_duplicates = true};
    options.collide = number % 3 ? MW_COLLIDE_LAST : MW_COLLIDE_FIRST;
    options.window_bytes = mw_rng_below(&rng, 200000);
    options.merge_bytes = mw_rng_below(&rng, 100000);
    options.spill = spill;
    oracle_sink sink = {0};
    mw_arrange_sink face = {&sink, oracle_take, oracle_again};
    mw_arrange *arrange;
    mw_arrange_counts counts;
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    feed_blocks(&r, &rng, 1 + mw_rng_below(&rng, 1000), options.collide, &mem, arrange);
    assert_ok(mw_arrange_finish(arrange, &counts, &err));
    assert_cells(&r, options.collide, &sink);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    oracle_sink_done(&sink);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST(a_long_file_is_the_same_table_whatever_its_blocks) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_dir *spill = open_spill(&ctx);
    for (uint64_t i = 0; i < 30; i++) run_long_file(i, spill);
    assert_empty(spill);
    mw_dir_close(spill);
}

/* --- bad input -------------------------------------------------------------------------------------- */

MW_TEST(refuses_what_has_no_key) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    mw_err err;
    mw_schema *schema;
    assert_ok(oracle_schema(&mem, 1, &schema, &err));
    watching_sink sink = {0};
    mw_arrange_sink face = {&sink, watching_take, NULL};
    mw_arrange_options options = plain_options;
    mw_arrange *arrange;
    options.n_keys = 2; /* the second is a number */
    assert_status(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err), MW_EINVAL);
    options.n_keys = 99;
    assert_status(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err), MW_EINVAL);
    options.n_keys = 1;
    mw_arrange_counts counts;
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    assert_ok(mw_arrange_finish(arrange, &counts, &err));
    assert_int_equal(counts.n_rows, 0);
    assert_int_equal(sink.n, 0);
    mw_arrange_free(arrange);
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    mw_type types[3] = {MW_TIMESTAMP, MW_DICTIONARY, MW_FLOAT64};
    mw_chunk *chunk;
    assert_ok(mw_chunk_new(&mem, types, 1, 4, &chunk, &err));
    assert_status(mw_arrange_add(arrange, chunk, &err), MW_EINTERNAL);
    assert_ok(mw_chunk_new(&mem, types, 3, 4, &chunk, &err));
    assert_status(mw_arrange_add(arrange, chunk, &err), MW_EINTERNAL); /* it stays failed */
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    assert_int_equal(mw_mem_used(&mem), 0);
}

/* A constant time column: chunks that cannot go on pile up only to the limit. */
MW_TEST(a_time_that_never_changes_is_an_error) {
    enum { CHUNKS = 6, ROOM = 8000000 };
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    ctx.mem = &mem;
    mw_err err;
    mw_schema *schema;
    assert_ok(oracle_schema(&mem, 0, &schema, &err));
    watching_sink sink = {0};
    mw_arrange_sink face = {&sink, watching_take, NULL};
    mw_arrange_options options = {.collide = MW_COLLIDE_LAST};
    mw_arrange *arrange;
    assert_ok(mw_arrange_new(&ctx, schema, &options, &face, &arrange, &err));
    mw_type type = MW_TIMESTAMP;
    mw_status status = MW_OK;
    for (int i = 0; i < CHUNKS && status == MW_OK; i++) {
        mw_chunk *chunk;
        assert_ok(mw_chunk_new(&mem, &type, 1, ROOM, &chunk, &err));
        chunk->columns[0].time[0] = 7;
        chunk->n_rows = 1;
        status = mw_arrange_add(arrange, chunk, &err);
    }
    assert_int_equal(status, MW_ETOOLARGE);
    assert_true(err.hint[0]);
    mw_arrange_free(arrange);
    mw_schema_free(schema);
    assert_int_equal(mw_mem_used(&mem), 0);
}

MW_TEST_MAIN(MW_RUN(equals_the_oracle_for_any_cuts_and_budgets),
             MW_RUN(devices_one_behind_the_other_stay_in_little_memory),
             MW_RUN(jitter_is_merged_in_the_window), MW_RUN(jitter_and_devices_at_once),
             MW_RUN(many_runs_are_merged_in_several_passes),
             MW_RUN(chunks_in_order_pass_as_they_are), MW_RUN(columns_without_values_take_no_disk),
             MW_RUN(a_sink_that_gives_rows_back_in_another_order_is_noticed),
             MW_RUN(can_be_canceled), MW_RUN(a_long_file_is_the_same_table_whatever_its_blocks),
             MW_RUN(refuses_what_has_no_key), MW_RUN(a_time_that_never_changes_is_an_error))
