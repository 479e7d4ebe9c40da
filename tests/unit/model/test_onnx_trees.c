/*
 * test_onnx_trees.c -- ensembles with sets and base values as ONNX: there and back, and damaged on the
 * way.
 */
#include <stdio.h>
#include <string.h>

#include "learn/model/onnx_graph.h"
#include "support/harness.h"
#include "support/random_trees.h"

/* ---- there and back ---- */

static const mw_onnx_step step_cast = {"Cast", "features", "features64", {{"to", MW_ONNX_DOUBLE}}};

static mw_status pack(const mw_ctx *ctx, const mw_trees *trees, uint8_t **ret, size_t *ret_size,
                      mw_err *err) {
    mw_onnx *onnx = NULL;
    mw_status status = mw_onnx_new(ctx->mem, "trees", trees->n_features, &onnx, err);
    if (status) return status;
    mw_onnx_add_step(onnx, &step_cast);
    status = mw_onnx_add_trees(ctx, onnx, trees, "features64", "sums", err);
    mw_onnx_output(onnx, "sums", MW_ONNX_FLOAT, trees->n_outputs);
    if (!status) status = mw_onnx_pack(ctx, onnx, ret, ret_size, err);
    mw_onnx_free(onnx);
    return status;
}

static mw_status read_back(const mw_ctx *ctx, const uint8_t *data, size_t size, mw_trees **ret,
                           mw_err *err) {
    mw_onnx_doc *doc = NULL;
    mw_status status = mw_onnx_parse(ctx, data, size, &doc, err);
    if (!status) status = mw_onnx_read_trees(ctx, doc, ret, err);
    mw_onnx_doc_free(doc);
    return status;
}

static void assert_same_node(const mw_node *a, const mw_node *b) {
    assert_int_equal(a->feature, b->feature);
    assert_int_equal(a->left, b->left);
    assert_int_equal(a->right, b->right);
    assert_int_equal(a->cover, b->cover);
    if (a->feature < 0) return;
    assert_int_equal(a->missing_left, b->missing_left);
    assert_int_equal(a->by_set, b->by_set);
    if (a->by_set)
        assert_int_equal(a->set, b->set);
    else
        assert_true(a->threshold == b->threshold);
}

static void assert_same_trees(const mw_trees *a, const mw_trees *b) {
    const size_t n_outputs = (size_t)a->n_outputs, n_sets = (size_t)a->n_sets;
    assert_int_equal(a->n_features, b->n_features);
    assert_int_equal(a->n_outputs, b->n_outputs);
    assert_int_equal(a->n_trees, b->n_trees);
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_leaves, b->n_leaves);
    assert_int_equal(a->n_sets, b->n_sets);
    assert_memory_equal(a->roots, b->roots, (size_t)a->n_trees * sizeof *a->roots);
    for (int64_t i = 0; i < a->n_nodes; i++) assert_same_node(&a->nodes[i], &b->nodes[i]);
    for (int64_t i = 0; i < a->n_leaves * a->n_outputs; i++)
        assert_true(a->values[i] == b->values[i]);
    assert_int_equal(!a->base, !b->base);
    if (a->base) assert_memory_equal(a->base, b->base, n_outputs * sizeof *a->base);
    if (n_sets == 0) return;
    assert_memory_equal(a->set_starts, b->set_starts, (n_sets + 1) * sizeof *a->set_starts);
    assert_memory_equal(a->set_words, b->set_words,
                        (size_t)a->set_starts[n_sets] * sizeof *a->set_words);
}

MW_TEST(trees_come_back_as_they_were) {
    static const mw_trees_shape shapes[] = {
        {1, 1, 1, 0, 0, false},  {3, 2, 1, 5, 0, true},     {1, 3, 1, 3, 4, false},
        {9, 6, 3, 20, 70, true}, {20, 9, 2, 60, 400, true}, {4, 3, 1, 30, 10000, false},
    };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    for (size_t i = 0; i < 60; i++) {
        uint8_t *data = NULL, *again = NULL;
        size_t size = 0, size_again = 0;
        mw_trees *trees = mw_random_trees(&rng, &shapes[i % 6]), *back = NULL;
        assert_ok(mw_trees_check(trees, &err));
        assert_ok(pack(&ctx, trees, &data, &size, &err));
        assert_ok(read_back(&ctx, data, size, &back, &err));
        assert_ok(mw_trees_check(back, &err));
        assert_same_trees(trees, back);
        assert_ok(pack(&ctx, back, &again, &size_again, &err));
        assert_int_equal(size, size_again);
        assert_memory_equal(data, again, size);
        mw_free(again);
        mw_free(data);
        mw_trees_free(back);
        mw_trees_free(trees);
    }
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

/* ---- the evaluator ---- */

/* Both add in the same order, so that only the output's float32 differs. */
MW_TEST(the_evaluator_equals_the_plain_walk) {
    static const mw_trees_shape shapes[] = {{1, 3, 1, 3, 4, false},
                                            {9, 6, 3, 20, 70, true},
                                            {20, 9, 2, 60, 400, true},
                                            {5, 2, 2, 20, 0, true}};
    enum { N_ROWS = 300 };
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 2, 0);
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    for (size_t i = 0; i < 12; i++) {
        const mw_trees_shape *shape = &shapes[i % 4];
        mw_trees *trees = mw_random_trees(&rng, shape);
        float *x = mw_random_rows(&rng, shape, N_ROWS);
        double got[N_ROWS * 3], want[3];
        uint8_t *data = NULL;
        size_t size = 0;
        mw_onnx_doc *doc = NULL;
        assert_ok(pack(&ctx, trees, &data, &size, &err));
        assert_ok(mw_onnx_parse(&ctx, data, size, &doc, &err));
        const mw_matrix matrix = {x, N_ROWS, shape->n_features};
        assert_ok(mw_onnx_eval(&ctx, doc, matrix, "sums", shape->n_outputs, got, &err));
        for (int64_t row = 0; row < N_ROWS; row++) {
            mw_trees_score_row(trees, x + row * shape->n_features, want);
            for (int32_t k = 0; k < shape->n_outputs; k++)
                assert_true(got[row * shape->n_outputs + k] == (double)(float)want[k]);
        }
        mw_onnx_doc_free(doc);
        mw_free(data);
        mw_free(x);
        mw_trees_free(trees);
    }
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

/* ---- by hand ---- */

/* Feature 1 in {1, 4, 40} or missing: (feature 0 <= 0.5: 1, else 2); in {3}: 4, else 8. */
static mw_node nodes[] = {
    {.feature = 1, .left = 1, .right = 2, .missing_left = true, .by_set = true},
    {.feature = 0, .threshold = 0.5f, .left = 3, .right = 4},
    {.feature = 1, .set = 1, .left = 5, .right = 6, .by_set = true},
    {.feature = -1, .left = -1, .right = 0},
    {.feature = -1, .left = -1, .right = 1},
    {.feature = -1, .left = -1, .right = 2},
    {.feature = -1, .left = -1, .right = 3}};
static int64_t roots[] = {0}, set_starts[] = {0, 2, 3};
static uint32_t set_words[] = {1 << 1 | 1 << 4, 1 << (40 - 32), 1 << 3};
static float values[] = {1, 2, 4, 8};
static double base[] = {0.25};
/* Its entries: 0-2 the first set, 3 feature 0, 4 the second set, 5-8 leaves. */
static const mw_trees by_hand = {.n_features = 2,
                                 .n_outputs = 1,
                                 .n_trees = 1,
                                 .n_nodes = 7,
                                 .n_leaves = 4,
                                 .roots = roots,
                                 .nodes = nodes,
                                 .values = values,
                                 .base = base,
                                 .n_sets = 2,
                                 .set_starts = set_starts,
                                 .set_words = set_words};

static Onnx__NodeProto *trees_of(Onnx__ModelProto *m) { return m->graph->node[1]; }

static Onnx__AttributeProto *list(Onnx__ModelProto *m, const char *name) {
    Onnx__NodeProto *node = trees_of(m);
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i];
    fail_msg("no %s", name);
    return NULL;
}

static void set_double(Onnx__ModelProto *m, const char *name, size_t i, double value) {
    memcpy(list(m, name)->t->raw_data.data + i * sizeof value, &value, sizeof value);
}

static void set_code(Onnx__ModelProto *m, size_t i, double value) {
    set_double(m, "nodes_values_as_tensor", i, value);
}

MW_TEST(sets_are_chains_of_equal_nodes) {
    static const double codes[] = {1, 4, 40, 0.5, 3, 0, 0, 0, 0};
    static const int64_t yes[] = {3, 3, 3, 5, 7, 0, 0, 0, 0}, no[] = {1, 2, 4, 6, 8, 0, 0, 0, 0};
    static const int64_t missing[] = {1, 1, 1, 0, 0, 0, 0, 0, 0};
    static const char *const modes[] = {"BRANCH_EQ",  "BRANCH_EQ", "BRANCH_EQ",
                                        "BRANCH_LEQ", "BRANCH_EQ", "LEAF",
                                        "LEAF",       "LEAF",      "LEAF"};
    mw_ctx ctx;
    mw_err err;
    uint8_t *data = NULL;
    size_t size = 0;
    mw_ctx_init(&ctx);
    assert_ok(mw_trees_check(&by_hand, &err));
    assert_ok(pack(&ctx, &by_hand, &data, &size, &err));
    Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, data);
    assert_int_equal(list(m, "nodes_modes")->n_strings, 9);
    assert_memory_equal(list(m, "nodes_truenodeids")->ints, yes, sizeof yes);
    assert_memory_equal(list(m, "nodes_falsenodeids")->ints, no, sizeof no);
    assert_memory_equal(list(m, "nodes_missing_value_tracks_true")->ints, missing, sizeof missing);
    assert_memory_equal(list(m, "nodes_values_as_tensor")->t->raw_data.data, codes, sizeof codes);
    assert_memory_equal(list(m, "base_values_as_tensor")->t->raw_data.data, base, sizeof base);
    for (size_t i = 0; i < 9; i++) {
        const ProtobufCBinaryData *mode = &list(m, "nodes_modes")->strings[i];
        assert_int_equal(mode->len, strlen(modes[i]));
        assert_memory_equal(mode->data, modes[i], mode->len);
    }
    onnx__model_proto__free_unpacked(m, NULL);
    mw_free(data);
}

/* onnxruntime 1.20.1 forgets the base value of a target that none of a row's leaves names. */
MW_TEST(the_first_tree_names_targets_with_a_base) {
    static const int64_t with[] = {0, 1, 0}, without[] = {0, 0};
    mw_node leaves[] = {{.feature = -1, .left = -1, .right = 0},
                        {.feature = -1, .left = -1, .right = 1}};
    int64_t starts[] = {0, 1};
    float zeros[4] = {0};
    double two[] = {0.5, -0.5};
    for (int has_base = 0; has_base < 2; has_base++) {
        const mw_trees trees = {.n_features = 1,
                                .n_outputs = 2,
                                .n_trees = 2,
                                .n_nodes = 2,
                                .n_leaves = 2,
                                .roots = starts,
                                .nodes = leaves,
                                .values = zeros,
                                .base = has_base ? two : NULL};
        mw_ctx ctx;
        mw_err err;
        uint8_t *data = NULL;
        size_t size = 0;
        mw_ctx_init(&ctx);
        assert_ok(pack(&ctx, &trees, &data, &size, &err));
        Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, size, data);
        const Onnx__AttributeProto *targets = list(m, "target_ids");
        assert_int_equal(targets->n_ints, has_base ? 3 : 2);
        assert_memory_equal(targets->ints, has_base ? with : without, targets->n_ints * 8);
        onnx__model_proto__free_unpacked(m, NULL);
        mw_free(data);
    }
}

/* Nothing marks an empty set in a file. */
MW_TEST(a_set_without_codes_is_not_written) {
    uint32_t none[3] = {2, 256, 0};
    mw_trees trees = by_hand;
    mw_ctx ctx;
    mw_err err;
    uint8_t *data = NULL;
    size_t size = 0;
    mw_ctx_init(&ctx);
    trees.set_words = none;
    assert_status(pack(&ctx, &trees, &data, &size, &err), MW_EINTERNAL);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

/* ---- changed files ---- */

static void code_fractional(Onnx__ModelProto *m) { set_code(m, 4, 3.5); }
static void code_negative(Onnx__ModelProto *m) { set_code(m, 4, -1); }
static void code_too_large(Onnx__ModelProto *m) { set_code(m, 4, 10000); }
static void code_nan(Onnx__ModelProto *m) { set_code(m, 4, __builtin_nan("")); }
static void code_infinite(Onnx__ModelProto *m) { set_code(m, 2, __builtin_inf()); }
static void codes_descend(Onnx__ModelProto *m) { set_code(m, 1, 0); }
static void code_twice(Onnx__ModelProto *m) { set_code(m, 1, 1); }
static void chain_changes_feature(Onnx__ModelProto *m) { list(m, "nodes_featureids")->ints[1] = 0; }
static void chain_changes_missing(Onnx__ModelProto *m) {
    list(m, "nodes_missing_value_tracks_true")->ints[1] = 0;
}
static void chain_changes_cover(Onnx__ModelProto *m) { list(m, "nodes_hitrates")->floats[1] = 5; }
static void chain_changes_mode(Onnx__ModelProto *m) {
    list(m, "nodes_modes")->strings[1] = list(m, "nodes_modes")->strings[3];
}
static void chain_leads_elsewhere(Onnx__ModelProto *m) {
    list(m, "nodes_truenodeids")->ints[1] = 5;
}
static void chain_skips_a_code(Onnx__ModelProto *m) { list(m, "nodes_falsenodeids")->ints[0] = 2; }
static void chain_leads_into_itself(Onnx__ModelProto *m) {
    for (int i = 0; i < 3; i++) list(m, "nodes_truenodeids")->ints[i] = 2;
}
static void chain_leads_back(Onnx__ModelProto *m) { list(m, "nodes_falsenodeids")->ints[2] = 0; }
static void chain_has_one_child(Onnx__ModelProto *m) { list(m, "nodes_falsenodeids")->ints[2] = 3; }
static void set_shares_a_leaf(Onnx__ModelProto *m) { list(m, "nodes_truenodeids")->ints[4] = 5; }
static void set_mode_unknown(Onnx__ModelProto *m) { list(m, "nodes_modes")->strings[4].len--; }
static void set_of_no_feature(Onnx__ModelProto *m) { list(m, "nodes_featureids")->ints[4] = 2; }
static void target_in_a_chain(Onnx__ModelProto *m) { list(m, "target_nodeids")->ints[0] = 1; }
static void base_nan(Onnx__ModelProto *m) {
    set_double(m, "base_values_as_tensor", 0, __builtin_nan(""));
}
static void base_infinite(Onnx__ModelProto *m) {
    set_double(m, "base_values_as_tensor", 0, -__builtin_inf());
}
static void base_of_two(Onnx__ModelProto *m) {
    list(m, "base_values_as_tensor")->t = list(m, "nodes_values_as_tensor")->t;
}
static void base_of_none(Onnx__ModelProto *m) {
    Onnx__TensorProto *tensor = list(m, "base_values_as_tensor")->t;
    tensor->dims[0] = 0;
    tensor->raw_data.len = 0;
}
static void base_of_floats(Onnx__ModelProto *m) {
    list(m, "base_values_as_tensor")->t->data_type = MW_ONNX_FLOAT;
}
static void base_is_no_tensor(Onnx__ModelProto *m) { list(m, "base_values_as_tensor")->t = NULL; }
static void base_of_another_name(Onnx__ModelProto *m) {
    list(m, "base_values_as_tensor")->name[4] = 'X';
}
static void base_twice(Onnx__ModelProto *m) {
    Onnx__NodeProto *node = trees_of(m);
    node->attribute[node->n_attribute - 1] = list(m, "base_values_as_tensor");
}

#define MW_CHANGE(name) \
    { #name, name }

static const struct {
    const char *name;
    void (*apply)(Onnx__ModelProto *m);
} changes[] = {
    MW_CHANGE(code_fractional),
    MW_CHANGE(code_negative),
    MW_CHANGE(code_too_large),
    MW_CHANGE(code_nan),
    MW_CHANGE(code_infinite),
    MW_CHANGE(codes_descend),
    MW_CHANGE(code_twice),
    MW_CHANGE(chain_changes_feature),
    MW_CHANGE(chain_changes_missing),
    MW_CHANGE(chain_changes_cover),
    MW_CHANGE(chain_changes_mode),
    MW_CHANGE(chain_leads_elsewhere),
    MW_CHANGE(chain_skips_a_code),
    MW_CHANGE(chain_leads_into_itself),
    MW_CHANGE(chain_leads_back),
    MW_CHANGE(chain_has_one_child),
    MW_CHANGE(set_shares_a_leaf),
    MW_CHANGE(set_mode_unknown),
    MW_CHANGE(set_of_no_feature),
    MW_CHANGE(target_in_a_chain),
    MW_CHANGE(base_nan),
    MW_CHANGE(base_infinite),
    MW_CHANGE(base_of_two),
    MW_CHANGE(base_of_none),
    MW_CHANGE(base_of_floats),
    MW_CHANGE(base_is_no_tensor),
    MW_CHANGE(base_of_another_name),
    MW_CHANGE(base_twice),
};

/* What a change cuts off is freed with everything else. */
static void *take(void *arena, size_t size) { return mw_arena_alloc(arena, size); }
static void keep(void *arena, void *p) {
    (void)arena;
    (void)p;
}

static mw_status read_changed(const mw_ctx *ctx, const uint8_t *data, size_t size,
                              void (*apply)(Onnx__ModelProto *m), mw_err *err) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    ProtobufCAllocator allocator = {take, keep, &arena};
    Onnx__ModelProto *m = onnx__model_proto__unpack(&allocator, size, data);
    assert_non_null(m);
    if (apply) apply(m);
    uint8_t *changed = mw_alloc(NULL, 2 * size);
    size = onnx__model_proto__pack(m, changed);
    mw_trees *trees = NULL;
    mw_status status = read_back(ctx, changed, size, &trees, err);
    mw_trees_free(trees);
    mw_free(changed);
    mw_arena_done(&arena);
    return status;
}

MW_TEST(changed_sets_and_base_values_are_refused) {
    mw_ctx ctx;
    mw_err err;
    uint8_t *data = NULL;
    size_t size = 0;
    mw_ctx_init(&ctx);
    assert_ok(pack(&ctx, &by_hand, &data, &size, &err));
    assert_ok(read_changed(&ctx, data, size, NULL, &err));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        mw_status status = read_changed(&ctx, data, size, changes[i].apply, &err);
        if (status != MW_EDATA) fail_msg("%s gives %s", changes[i].name, mw_status_name(status));
    }
    mw_free(data);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST(any_failed_allocation_is_survived) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (uint64_t n = 1;; n++) {
        mw_err err = {0};
        uint8_t *data = NULL;
        size_t size = 0;
        mw_trees *trees = NULL;
        mw_alloc_fail_at(n);
        mw_status status = pack(&ctx, &by_hand, &data, &size, &err);
        if (!status) status = read_back(&ctx, data, size, &trees, &err);
        const bool fired = mw_alloc_fault_fired();
        mw_alloc_fail_at(0);
        mw_free(data);
        mw_trees_free(trees);
        assert_int_equal(mw_mem_used(ctx.mem), 0);
        assert_int_equal(status, fired ? MW_ENOMEM : MW_OK);
        if (fired) continue;
        assert_true(n > 15);
        break;
    }
}

MW_TEST_MAIN(MW_RUN(trees_come_back_as_they_were), MW_RUN(the_evaluator_equals_the_plain_walk),
             MW_RUN(sets_are_chains_of_equal_nodes),
             MW_RUN(the_first_tree_names_targets_with_a_base),
             MW_RUN(a_set_without_codes_is_not_written),
             MW_RUN(changed_sets_and_base_values_are_refused),
             MW_RUN(any_failed_allocation_is_survived))
