/* test_grow.c -- trees grown on histograms beside a slow plain grower, node by node and bit for bit. */
#include "support/fault_loop.h"
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/math.h"
#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/base/threads.h"
#include "learn/tree/grow.h"

enum { FEATURES = 6 };

/* A table with missing values, ties and a column of categories, its bins, and gradients. */
typedef struct sample {
    int64_t n;
    float *x;
    mw_bins *bins;
    mw_binned binned;
    mw_pair *pairs;
    mw_scale scale;
} sample;

static void sample_init(sample *s, uint64_t seed, int64_t n, bool with_codes) {
    static const uint8_t by_code[FEATURES] = {0, 0, 0, 0, 0, 1};
    const mw_bins_options options = {.max_bin = 63,
                                     .min_data_in_bin = 1,
                                     .sample_rows = 100000,
                                     .by_code = with_codes ? by_code : NULL};
    mw_ctx ctx;
    mw_err err;
    mw_rng rng;
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, seed, 7, 0);
    *s = (sample){.n = n};
    s->x = mw_alloc_array(NULL, (size_t)n * FEATURES, sizeof *s->x);
    s->pairs = mw_alloc_array(NULL, (size_t)n, sizeof *s->pairs);
    int h_bits;
    mw_scale_bits(n, &s->scale.count_bits, &h_bits);
    s->scale.g_unit = 0x1p-30;
    s->scale.h_unit = mw_exp2(-h_bits);
    for (int64_t i = 0; i < n; i++) {
        float *x = s->x + i * FEATURES;
        x[0] = (float)mw_rng_normal(&rng);
        x[1] = (float)mw_rng_below(&rng, 4);
        x[2] = mw_rng_below(&rng, 3) ? (float)mw_rng_uniform(&rng) : __builtin_nanf("");
        x[3] = (float)(mw_rng_normal(&rng) * 1e30);
        x[4] = mw_rng_below(&rng, 50) ? 0.0F : 1.0F;
        x[5] = (float)mw_rng_below(&rng, 12);
        double g = 0.3 * (double)x[0] + (x[2] > 0.5F ? 0.2 : -0.1) + (x[5] == 3 ? 0.3 : 0) +
                   0.1 * mw_rng_normal(&rng);
        if (g > 0.99) g = 0.99;
        if (g < -0.99) g = -0.99;
        s->pairs[i].g = (int32_t)(g * 0x1p30);
        s->pairs[i].h =
            (uint32_t)((0.1 + 0.9 * mw_rng_uniform(&rng)) * (double)(UINT32_C(1) << h_bits));
    }
    assert_ok(mw_bins_find(&ctx, (mw_matrix){s->x, n, FEATURES}, &options, &s->bins, &err));
    assert_ok(mw_bins_fill(&ctx, s->bins, (mw_matrix){s->x, n, FEATURES}, true, &s->binned, &err));
}

/* The same in a few bits. */
static void make_narrow(sample *s) {
    int h_bits;
    mw_scale_bits(s->n, &s->scale.count_bits, &h_bits);
    for (int64_t i = 0; i < s->n; i++) {
        s->pairs[i].g >>= 30 - MW_NARROW_G_BITS;
        s->pairs[i].h >>= h_bits - MW_NARROW_H_BITS;
    }
    s->scale.g_unit = mw_exp2(-MW_NARROW_G_BITS);
    s->scale.h_unit = mw_exp2(-MW_NARROW_H_BITS);
    s->scale.narrow = true;
    for (int64_t i = 0; i < s->n; i++) mw_pair_put(&s->binned, (size_t)i, s->pairs[i]);
}

static void sample_done(sample *s) {
    mw_binned_done(&s->binned);
    mw_bins_free(s->bins);
    mw_free(s->x);
    mw_free(s->pairs);
}

static mw_grow_options usual(void) {
    return (mw_grow_options){.split = {.lambda_l2 = 0.5,
                                       .min_sum_hessian_in_leaf = 1e-3,
                                       .min_data_in_leaf = 5,
                                       .max_cat_to_onehot = 4,
                                       .max_cat_threshold = 32,
                                       .min_data_per_group = 10,
                                       .cat_l2 = 10,
                                       .cat_smooth = 10},
                             .num_leaves = 31,
                             .histogram_bytes = 1 << 26};
}

/* ---- the plain grower: sums row by row, every candidate by itself ---- */

typedef struct plain_node {
    int32_t left, right;
    uint32_t *rows;
    int64_t n;
    int32_t column, bin;
    bool missing_left;
    double gain;
    int depth;
} plain_node;

static mw_slot plain_sum(const sample *s, const plain_node *node, int32_t c, int32_t bin, bool with,
                         int64_t *ret_n) {
    mw_slot sum = {0, 0};
    const int32_t missing = s->bins->columns[c].n_bins;
    *ret_n = 0;
    for (int64_t i = 0; i < node->n; i++) {
        const uint32_t row = node->rows[i];
        const int32_t b = s->binned.columns[c * s->n + row];
        if (b == missing ? !with : b > bin) continue;
        sum.g += s->pairs[row].g;
        sum.hn += s->pairs[row].h;
        ++*ret_n;
    }
    return sum;
}

static void plain_try(const sample *s, const mw_split_options *o, plain_node *node, int32_t c,
                      int32_t bin, bool with, bool missing_left) {
    int64_t n, n_left;
    const mw_slot all = plain_sum(s, node, 0, INT32_MAX, true, &n);
    const mw_slot left = plain_sum(s, node, c, bin, with, &n_left);
    const double g = (double)all.g * s->scale.g_unit, h = (double)all.hn * s->scale.h_unit;
    const double gl = (double)left.g * s->scale.g_unit, hl = (double)left.hn * s->scale.h_unit;
    const double gr = (double)(all.g - left.g) * s->scale.g_unit, hr = h - hl;
    if (n_left < o->min_data_in_leaf || n - n_left < o->min_data_in_leaf) return;
    if (hl < o->min_sum_hessian_in_leaf || hr < o->min_sum_hessian_in_leaf) return;
    const double dl = hl + o->lambda_l2, dr = hr + o->lambda_l2;
    const double gain = (gl * gl * dr + gr * gr * dl) / (dl * dr) -
                        (g * g / (h + o->lambda_l2) + o->min_gain_to_split);
    if (gain <= 0 || (node->column >= 0 && gain <= node->gain)) return;
    node->column = c;
    node->bin = bin;
    node->missing_left = missing_left;
    node->gain = gain;
}

static void plain_look(const sample *s, const mw_grow_options *options, plain_node *node) {
    node->column = node->left = node->right = -1;
    if (options->max_depth && node->depth >= options->max_depth) return;
    for (int32_t c = 0; c < s->bins->n_columns; c++) {
        const int32_t n_bins = s->bins->columns[c].n_bins;
        int64_t n_values, n, n_left;
        plain_sum(s, node, c, INT32_MAX, false, &n_values);
        plain_sum(s, node, c, INT32_MAX, true, &n);
        for (int32_t b = 0; b < n_bins - (n_values == n); b++) {
            if (n_values == n) {
                plain_sum(s, node, c, b, false, &n_left);
                plain_try(s, &options->split, node, c, b, false, 2 * n_left >= n);
                continue;
            }
            plain_try(s, &options->split, node, c, b, false, false);
            if (b < n_bins - 1) plain_try(s, &options->split, node, c, b, true, true);
        }
    }
}

static int32_t plain_grow(const sample *s, const mw_grow_options *options, plain_node *nodes) {
    int32_t n_nodes = 1;
    nodes[0] = (plain_node){.n = s->n, .rows = mw_alloc_array(NULL, (size_t)s->n, 4)};
    for (int64_t i = 0; i < s->n; i++) nodes[0].rows[i] = (uint32_t)i;
    plain_look(s, options, &nodes[0]);
    for (int32_t leaves = 1; leaves < options->num_leaves; leaves++) {
        int32_t best = -1;
        for (int32_t i = 0; i < n_nodes; i++) {
            if (nodes[i].left >= 0 || nodes[i].column < 0) continue;
            if (best < 0 || (options->depth_wise && nodes[i].depth < nodes[best].depth) ||
                ((!options->depth_wise || nodes[i].depth == nodes[best].depth) &&
                 nodes[i].gain > nodes[best].gain))
                best = i;
        }
        if (best < 0) break;
        plain_node *p = &nodes[best];
        const int32_t missing = s->bins->columns[p->column].n_bins;
        p->left = n_nodes++;
        p->right = n_nodes++;
        plain_node *children[2] = {&nodes[p->left], &nodes[p->right]};
        for (int side = 0; side < 2; side++)
            *children[side] =
                (plain_node){.depth = p->depth + 1, .rows = mw_alloc_array(NULL, (size_t)p->n, 4)};
        for (int64_t i = 0; i < p->n; i++) {
            const int32_t b = s->binned.columns[p->column * s->n + p->rows[i]];
            plain_node *to = children[!(b == missing ? p->missing_left : b <= p->bin)];
            to->rows[to->n++] = p->rows[i];
        }
        plain_look(s, options, children[0]);
        plain_look(s, options, children[1]);
    }
    return n_nodes;
}

/* ---- beside it ---- */

static void assert_same(const mw_grower *g, const plain_node *want, int32_t n) {
    assert_int_equal(mw_grower_count(g), n);
    for (int32_t i = 0; i < n; i++) {
        const mw_grown_node *got = mw_grower_node(g, i);
        assert_int_equal(got->left, want[i].left);
        assert_int_equal(got->right, want[i].right);
        assert_int_equal(got->n_rows, want[i].n);
        if (want[i].left >= 0) {
            assert_int_equal(got->split.column, want[i].column);
            assert_int_equal(got->split.bin, want[i].bin);
            assert_int_equal(got->split.missing_left, want[i].missing_left);
            assert_memory_equal(&got->split.gain, &want[i].gain, sizeof want[i].gain);
        } else {
            assert_memory_equal(mw_grower_rows(g, got), want[i].rows, (size_t)got->n_rows * 4);
        }
    }
}

MW_TEST(trees_are_the_plain_growers) {
    static const int64_t rows[] = {2, 11, 300, 900};
    plain_node nodes[128];
    for (int k = 0; k < 16; k++) {
        sample s;
        sample_init(&s, (uint64_t)k, rows[k % 4], false);
        if (k >= 8) make_narrow(&s);
        mw_grow_options options = usual();
        options.depth_wise = k & 4;
        if (k % 3 == 0) options.max_depth = 4;
        const int32_t n = plain_grow(&s, &options, nodes);
        for (int threads = 1; threads <= 3; threads++) {
            mw_ctx ctx;
            mw_err err;
            mw_grower *g;
            mw_ctx_init(&ctx);
            options.histogram_bytes = threads == 2 ? 1 : 1 << 26;
            assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
            assert_ok(mw_grower_new(&ctx, s.bins, &s.binned, &options, &g, &err));
            for (int again = 0; again < 2; again++) {
                assert_ok(mw_grower_grow(g, &ctx, s.pairs, s.scale, NULL, s.n, 1, &err));
                assert_same(g, nodes, n);
            }
            mw_grower_free(g);
            mw_pool_free(ctx.pool);
        }
        for (int32_t i = 0; i < n; i++) mw_free(nodes[i].rows);
        sample_done(&s);
    }
}

/* Everything that is drawn or constrained, on more rows than one thread takes at once. */
static void describe(const mw_grower *g, mw_buf *out) {
    for (int32_t i = 0; i < mw_grower_count(g); i++) {
        const mw_grown_node *n = mw_grower_node(g, i);
        mw_buf_printf(out, "%d %d %lld %a", n->left, n->right, (long long)n->n_rows, n->output);
        if (n->left >= 0)
            mw_buf_printf(out, " c%d b%d m%d s%d %x %a", n->split.column, n->split.bin,
                          n->split.missing_left, n->split.by_set, n->split.set[0], n->split.gain);
        mw_buf_printf(out, "\n");
    }
}

MW_TEST(threads_and_memory_do_not_show) {
    static const int8_t monotone[FEATURES] = {-1, 0, 0, 1, 0, 0};
    static const uint64_t groups[FEATURES] = {1, 1, 2, 2, 3, 3};
    sample s;
    sample_init(&s, 5, 150000, true);
    for (int kind = 0; kind < 6; kind++) {
        if (kind == 5) make_narrow(&s);
        mw_grow_options options = usual();
        options.num_leaves = 63;
        options.extra_trees = kind == 1;
        options.n_by_node = kind == 2 ? 3 : 0;
        options.monotone = kind == 3 ? monotone : NULL;
        options.groups = kind == 4 ? groups : NULL;
        mw_buf first, got;
        mw_buf_init(&first, NULL, 1 << 20);
        for (int threads = 1; threads <= 8; threads += threads == 3 ? 5 : 1) {
            mw_ctx ctx;
            mw_err err;
            mw_grower *g;
            mw_ctx_init(&ctx);
            mw_buf_init(&got, NULL, 1 << 20);
            options.histogram_bytes = threads == 3 ? 1 : 1 << 26;
            assert_ok(mw_pool_new(NULL, threads, &ctx.pool, &err));
            assert_ok(mw_grower_new(&ctx, s.bins, &s.binned, &options, &g, &err));
            assert_ok(mw_grower_grow(g, &ctx, s.pairs, s.scale, NULL, s.n, 77, &err));
            describe(g, threads == 1 ? &first : &got);
            if (threads > 1) assert_string_equal(mw_buf_text(&got), mw_buf_text(&first));
            assert_int_equal(mw_grower_count(g), 125);
            for (int32_t i = 0; kind == 4 && i < mw_grower_count(g); i++)
                for (int side = 0; side < 2 && mw_grower_node(g, i)->left >= 0; side++) {
                    const mw_grown_node *n = mw_grower_node(g, i);
                    const mw_grown_node *child = mw_grower_node(g, side ? n->right : n->left);
                    if (child->left >= 0)
                        assert_true(groups[n->split.column] & groups[child->split.column]);
                }
            mw_buf_done(&got);
            mw_grower_free(g);
            mw_pool_free(ctx.pool);
        }
        mw_buf_done(&first);
    }
    sample_done(&s);
}

/* The output for a row, by its bins. */
static double output_of(const mw_grower *g, const sample *s, const uint8_t *bins) {
    const mw_grown_node *n = mw_grower_node(g, 0);
    while (n->left >= 0) {
        const int32_t c = n->split.column;
        const bool left = mw_split_goes_left(&n->split, s->bins->columns[c].n_bins, bins[c]);
        n = mw_grower_node(g, left ? n->left : n->right);
    }
    return n->output;
}

MW_TEST(outputs_follow_a_monotone_column) {
    static const int8_t monotone[FEATURES] = {-1, 0, 0, 0, 0, 0};
    for (int sign = -1; sign <= 1; sign += 2) {
        sample s;
        mw_ctx ctx;
        mw_err err;
        mw_grower *g;
        int8_t signs[FEATURES];
        sample_init(&s, 8, 4000, true);
        memcpy(signs, monotone, sizeof signs);
        signs[0] = (int8_t)sign;
        mw_grow_options options = usual();
        options.monotone = signs;
        mw_ctx_init(&ctx);
        assert_ok(mw_grower_new(&ctx, s.bins, &s.binned, &options, &g, &err));
        assert_ok(mw_grower_grow(g, &ctx, s.pairs, s.scale, NULL, s.n, 0, &err));
        for (int64_t row = 0; row < 500; row++) {
            uint8_t bins[FEATURES];
            memcpy(bins, s.binned.rows + (size_t)row * s.binned.stride, (size_t)s.bins->n_columns);
            double last = 0;
            for (int32_t b = 0; b < s.bins->columns[0].n_bins; b++) {
                bins[0] = (uint8_t)b;
                double output = output_of(g, &s, bins);
                if (b > 0) assert_true(sign > 0 ? output >= last : output <= last);
                last = output;
            }
        }
        mw_grower_free(g);
        sample_done(&s);
    }
}

/* Rows [n] of every second number, or one after another, to columns [begin, end). */
static void assert_sums(const sample *s, const uint32_t *rows, int64_t n, int32_t begin,
                        int32_t end) {
    const size_t n_slots = s->bins->n_slots, size = n_slots * sizeof(mw_slot);
    mw_slot *a = mw_alloc_aligned(NULL, size), *b = mw_alloc_aligned(NULL, size);
    uint64_t *words = mw_calloc(NULL, n_slots, sizeof *words);
    memset(a, 0, size);
    memset(b, 0, size);
    for (int again = 0; again < 2; again++) { /* the words are zeros again after the first time */
        mw_histogram_add(s->bins, &s->binned, s->pairs, s->scale, rows, 100, n, begin, end, a,
                         words);
        mw_histogram_add_plainly(s->bins, &s->binned, s->pairs, s->scale, rows, 100, n, begin, end,
                                 b);
        assert_memory_equal(a, b, size);
    }
    mw_free(a);
    mw_free(b);
    mw_free(words);
}

MW_TEST(histograms_are_the_plain_loops) {
    enum { ROWS = 50000 };
    static const int64_t some[] = {500, 511, 512, 8191, 8192, 8703, 24000};
    static uint32_t rows[ROWS / 2];
    for (uint32_t i = 0; i < ROWS / 2; i++) rows[i] = 2 * i;
    for (int k = 0; k < 4; k++) {
        sample s;
        sample_init(&s, 6, ROWS, true);
        if (k % 2) make_narrow(&s);
        if (k / 2) { /* slots at even distances, as columns of many bins have them */
            for (int32_t c = 0; c < s.bins->n_columns; c++)
                s.bins->columns[c].first = (uint32_t)c * MW_BINS_SLOTS;
            s.bins->n_slots = (uint32_t)s.bins->n_columns * MW_BINS_SLOTS;
            s.bins->evenly = true;
        }
        for (size_t i = 0; i < sizeof some / sizeof *some; i++)
            for (int32_t begin = 0; begin < 3; begin++) {
                assert_sums(&s, NULL, some[i], begin, s.bins->n_columns - begin % 2);
                assert_sums(&s, rows, some[i], begin, s.bins->n_columns - begin % 2);
            }
        sample_done(&s);
    }
}

/* The largest gradients, all of one sign and in one bin: no field of a word runs over. */
MW_TEST(words_hold_the_largest_sums) {
    sample s;
    sample_init(&s, 7, 20000, false);
    make_narrow(&s);
    for (int sign = -1; sign <= 1; sign += 2) {
        memset(s.binned.rows, 0, (size_t)s.n * s.binned.stride);
        for (int64_t i = 0; i < s.n; i++) {
            s.pairs[i] = (mw_pair){sign * (1 << MW_NARROW_G_BITS), 1 << MW_NARROW_H_BITS};
            mw_pair_put(&s.binned, (size_t)i, s.pairs[i]);
        }
        memset(s.binned.columns, 0, (size_t)(s.n * s.bins->n_columns));
        assert_sums(&s, NULL, s.n - 100, 0, s.bins->n_columns);
    }
    sample_done(&s);
}

/* Gains in vectors are those of the plain search, which takes over where sums outgrow them. */
MW_TEST(gains_at_once_are_gains_one_by_one) {
    const mw_cpu best = mw_cpu_level(), levels[] = {MW_CPU_SCALAR, MW_CPU_AVX2, MW_CPU_AVX512};
    const mw_split_options options = {
        .lambda_l2 = 0.5, .min_sum_hessian_in_leaf = 2, .min_data_in_leaf = 15};
    mw_rng rng;
    mw_rng_init(&rng, 8, 0, 0);
    for (int k = 0; k < 600; k++) {
        const int32_t n_bins = 1 + (int32_t)mw_rng_below(&rng, 255);
        const mw_bins_column column = {.n_bins = n_bins, .varies = true};
        mw_slot slots[2][MW_BINS_SLOTS];
        mw_split_node about[2] = {{.low = -MW_INFINITY, .high = MW_INFINITY},
                                  {.low = -MW_INFINITY, .high = MW_INFINITY}};
        const mw_scale scales[2] = {{0x1p-12, 0x1p-12, 20, true}, {0x1p-12, 0x1p-12, 31, false}};
        for (int32_t b = 0; b <= n_bins; b++) {
            const int64_t n = b == n_bins && k % 2 ? 0 : (int64_t)mw_rng_below(&rng, 4);
            const int64_t h = n * (int64_t)mw_rng_below(&rng, 4096);
            const int64_t g =
                n * ((int64_t)mw_rng_below(&rng, k % 3 ? 8193 : 3) - (k % 3 ? 4096 : 1));
            for (int way = 0; way < 2; way++) {
                slots[way][b] = (mw_slot){g, h << scales[way].count_bits | n};
                about[way].sum.g += g;
                about[way].sum.hn += slots[way][b].hn;
            }
        }
        for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
            mw_split found[2] = {{.column = -1}, {.column = -1}};
            mw_cpu_force(levels[l]);
            for (int way = 0; way < 2; way++)
                mw_split_find(&options, &column, 4, slots[way], &about[way], scales[way], 0,
                              &found[way]);
            assert_int_equal(found[0].column, found[1].column);
            if (found[0].column < 0) continue;
            assert_int_equal(found[0].bin, found[1].bin);
            assert_int_equal(found[0].missing_left, found[1].missing_left);
            assert_int_equal(found[0].left.g, found[1].left.g);
            assert_int_equal(mw_slot_rows(found[0].left, scales[0]),
                             mw_slot_rows(found[1].left, scales[1]));
            assert_memory_equal(&found[0].gain, &found[1].gain, sizeof found[0].gain);
        }
        mw_cpu_force(best);
    }
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    sample *s = arg;
    const mw_grow_options options = usual();
    mw_grower *g;
    mw_status status = mw_grower_new(ctx, s->bins, &s->binned, &options, &g, err);
    if (status) return status;
    status = mw_grower_grow(g, ctx, s->pairs, s->scale, NULL, s->n, 1, err);
    mw_grower_free(g);
    return status;
}

MW_TEST(any_failed_allocation_is_survived) {
    sample s;
    sample_init(&s, 6, 1000, true);
    mw_fault_loop_alloc(scenario, &s);
    sample_done(&s);
}

MW_TEST_MAIN(MW_RUN(trees_are_the_plain_growers), MW_RUN(threads_and_memory_do_not_show),
             MW_RUN(outputs_follow_a_monotone_column), MW_RUN(histograms_are_the_plain_loops),
             MW_RUN(words_hold_the_largest_sums), MW_RUN(gains_at_once_are_gains_one_by_one),
             MW_RUN(any_failed_allocation_is_survived))
