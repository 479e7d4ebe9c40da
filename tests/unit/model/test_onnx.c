/*
 * test_onnx.c -- model folders that someone changed: each change is found, none does harm.
 *
 * A saved model.onnx is unpacked, changed in one place, packed and signed again in metadata.json, so
 * that only the reader's own checks stand between it and the program.
 */
#include <stdio.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "core/base/hash.h"
#include "core/base/rng.h"
#include "learn/model/learner.h"
#include "support/harness.h"
#include "support/model_data.h"

typedef struct saved {
    mw_problem problem;
    mw_dir *dir;
    char *onnx, *metadata;
    size_t onnx_size, metadata_size;
} saved;

static void save(saved *s, const char *learner, mw_task task, int32_t n_classes,
                 const char *settings) {
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    mw_problem_make(&s->problem, 21, 120, n_classes, 1, 0);
    for (int64_t i = 0; strstr(settings, "poisson") && i < 120; i++)
        s->problem.y[i] *= s->problem.y[i]; /* no count is below 0 */
    mw_model *model = mw_problem_fit(&ctx, &s->problem, learner, task, settings);
    s->dir = mw_problem_dir("model");
    assert_ok(mw_model_save(&ctx, model, s->dir, MW_STR(""), s->problem.matrix, &err));
    mw_model_free(model);
    s->onnx = mw_problem_read(s->dir, "model.onnx", &s->onnx_size);
    s->metadata = mw_problem_read(s->dir, "metadata.json", &s->metadata_size);
}

static void done(saved *s) {
    mw_free(s->onnx);
    mw_free(s->metadata);
    mw_dir_close(s->dir);
    mw_problem_done(&s->problem);
}

/* Writes metadata.json with one text replaced (NULL: none). */
static void write_metadata(const saved *s, const char *metadata, const char *from, const char *to) {
    mw_ctx ctx;
    mw_err err;
    mw_buf buf;
    mw_problem_ctx(&ctx);
    mw_buf_init(&buf, NULL, 1 << 24);
    const char *at = from ? strstr(metadata, from) : NULL;
    if (from && !at) fail_msg("metadata.json does not hold %s", from);
    if (at) mw_buf_append(&buf, metadata, (size_t)(at - metadata));
    if (at) mw_buf_add(&buf, to);
    mw_buf_add(&buf, at ? at + strlen(from) : metadata);
    assert_ok(mw_file_replace(&ctx, s->dir, "metadata.json", mw_buf_text(&buf), buf.size, &err));
    mw_buf_done(&buf);
}

/* Writes model.onnx and a metadata.json that names its hash and size. */
static void sign(const saved *s, const void *data, size_t size) {
    mw_ctx ctx;
    mw_err err;
    char old[MW_SHA256_HEX], new[MW_SHA256_HEX], old_bytes[48], new_bytes[48];
    mw_problem_ctx(&ctx);
    assert_ok(mw_sha256_of(s->onnx, s->onnx_size, old, &err));
    assert_ok(mw_sha256_of(data, size, new, &err));
    (void)snprintf(old_bytes, sizeof old_bytes, "\"bytes\": %zu", s->onnx_size);
    (void)snprintf(new_bytes, sizeof new_bytes, "\"bytes\": %zu", size);
    assert_ok(mw_file_replace(&ctx, s->dir, "model.onnx", data, size, &err));
    write_metadata(s, s->metadata, old, new);
    size_t n = 0;
    char *half = mw_problem_read(s->dir, "metadata.json", &n);
    write_metadata(s, half, old_bytes, new_bytes);
    mw_free(half);
}

static mw_status load(const saved *s, mw_err *err) {
    mw_ctx ctx;
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    mw_status status = mw_model_load(&ctx, s->dir, &model, err);
    if (!status) {
        double *scores = mw_problem_scores(&ctx, &s->problem, model);
        mw_free(scores);
    }
    mw_model_free(model);
    return status;
}

/* ---- changes to the graph ---- */

static Onnx__NodeProto *trees_of(Onnx__ModelProto *m) {
    for (size_t i = 0; i < m->graph->n_node; i++)
        if (strcmp(m->graph->node[i]->op_type, "TreeEnsembleRegressor") == 0)
            return m->graph->node[i];
    fail_msg("no trees");
    return NULL;
}

static Onnx__AttributeProto *list(Onnx__ModelProto *m, const char *name) {
    Onnx__NodeProto *node = trees_of(m);
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i];
    fail_msg("no %s", name);
    return NULL;
}

static void child_of_itself(Onnx__ModelProto *m) { list(m, "nodes_truenodeids")->ints[0] = 0; }
static void child_far_away(Onnx__ModelProto *m) {
    list(m, "nodes_falsenodeids")->ints[0] = 1 << 30;
}
static void child_negative(Onnx__ModelProto *m) { list(m, "nodes_truenodeids")->ints[0] = -1; }
static void child_shared(Onnx__ModelProto *m) {
    list(m, "nodes_truenodeids")->ints[0] = list(m, "nodes_falsenodeids")->ints[0];
}
static void feature_too_high(Onnx__ModelProto *m) { list(m, "nodes_featureids")->ints[0] = 5; }
static void feature_negative(Onnx__ModelProto *m) { list(m, "nodes_featureids")->ints[0] = -1; }
static void missing_undefined(Onnx__ModelProto *m) {
    list(m, "nodes_missing_value_tracks_true")->ints[0] = 2;
}
static void node_id_twice(Onnx__ModelProto *m) { list(m, "nodes_nodeids")->ints[1] = 0; }
static void tree_id_skips(Onnx__ModelProto *m) {
    Onnx__AttributeProto *ids = list(m, "nodes_treeids");
    ids->ints[ids->n_ints - 1] += 2;
}
static void list_too_short(Onnx__ModelProto *m) { list(m, "nodes_featureids")->n_ints--; }
static void lists_empty(Onnx__ModelProto *m) { list(m, "nodes_modes")->n_strings = 0; }
static void mode_unknown(Onnx__ModelProto *m) { list(m, "nodes_modes")->strings[0].data[0] = 'X'; }
static void leaf_is_branch(Onnx__ModelProto *m) {
    Onnx__AttributeProto *modes = list(m, "nodes_modes");
    modes->strings[modes->n_strings - 1] = modes->strings[0];
}
static void cover_fractional(Onnx__ModelProto *m) { list(m, "nodes_hitrates")->floats[0] = 1.5f; }
static void cover_negative(Onnx__ModelProto *m) { list(m, "nodes_hitrates")->floats[0] = -1; }
static void set_double(Onnx__AttributeProto *a, double value) {
    memcpy(a->t->raw_data.data, &value, sizeof value);
}
static void threshold_nan(Onnx__ModelProto *m) {
    set_double(list(m, "nodes_values_as_tensor"), __builtin_nan(""));
}
static void threshold_huge(Onnx__ModelProto *m) {
    set_double(list(m, "nodes_values_as_tensor"), 1e300);
}
static void threshold_not_float(Onnx__ModelProto *m) {
    set_double(list(m, "nodes_values_as_tensor"), 0.1);
}
static void value_infinite(Onnx__ModelProto *m) {
    set_double(list(m, "target_weights_as_tensor"), __builtin_inf());
}
static void target_of_branch(Onnx__ModelProto *m) { list(m, "target_nodeids")->ints[0] = 0; }
static void target_out_of_range(Onnx__ModelProto *m) { list(m, "target_ids")->ints[0] = 7; }
static void target_tree_unknown(Onnx__ModelProto *m) { list(m, "target_treeids")->ints[0] = 99; }
static void outputs_many(Onnx__ModelProto *m) { list(m, "n_targets")->i = 1000000; }
static void outputs_none(Onnx__ModelProto *m) { list(m, "n_targets")->i = 0; }
static void adds_up_otherwise(Onnx__ModelProto *m) {
    list(m, "aggregate_function")->s.data[0] = 'M';
}
static void tensor_too_short(Onnx__ModelProto *m) {
    list(m, "nodes_values_as_tensor")->t->raw_data.len -= 8;
}
static void tensor_wrong_type(Onnx__ModelProto *m) {
    list(m, "nodes_values_as_tensor")->t->data_type = 1;
}
static void tensor_dims_lie(Onnx__ModelProto *m) {
    list(m, "nodes_values_as_tensor")->t->dims[0] = INT64_MAX;
}
static void attribute_without_name(Onnx__ModelProto *m) { trees_of(m)->attribute[0]->name = NULL; }
static void attribute_missing(Onnx__ModelProto *m) { trees_of(m)->n_attribute--; }
static void operator_missing(Onnx__ModelProto *m) { m->graph->n_node--; }
static void operator_other(Onnx__ModelProto *m) { m->graph->node[0]->op_type[0] = 'X'; }
static void input_other(Onnx__ModelProto *m) { m->graph->node[0]->input[0][0] = 'X'; }
static void input_absent(Onnx__ModelProto *m) { m->graph->n_input = 0; }
static void input_narrow(Onnx__ModelProto *m) {
    m->graph->input[0]->type->tensor_type->shape->dim[1]->dim_value = 4;
}
static void input_typeless(Onnx__ModelProto *m) { m->graph->input[0]->type = NULL; }
static void output_absent(Onnx__ModelProto *m) { m->graph->n_output = 0; }
static void graph_absent(Onnx__ModelProto *m) { m->graph = NULL; }
static void opset_newer(Onnx__ModelProto *m) { m->opset_import[0]->version = 99; }

typedef struct change {
    const char *name;
    void (*apply)(Onnx__ModelProto *m);
    mw_status code;
} change;

#define MW_CHANGE(name) \
    { #name, name, MW_EDATA }

static const change changes[] = {
    MW_CHANGE(child_of_itself),
    MW_CHANGE(child_far_away),
    MW_CHANGE(child_negative),
    MW_CHANGE(child_shared),
    MW_CHANGE(feature_too_high),
    MW_CHANGE(feature_negative),
    MW_CHANGE(missing_undefined),
    MW_CHANGE(node_id_twice),
    MW_CHANGE(tree_id_skips),
    MW_CHANGE(list_too_short),
    MW_CHANGE(lists_empty),
    MW_CHANGE(mode_unknown),
    MW_CHANGE(leaf_is_branch),
    MW_CHANGE(cover_fractional),
    MW_CHANGE(cover_negative),
    MW_CHANGE(threshold_nan),
    MW_CHANGE(threshold_huge),
    MW_CHANGE(threshold_not_float),
    MW_CHANGE(value_infinite),
    MW_CHANGE(target_of_branch),
    MW_CHANGE(target_out_of_range),
    MW_CHANGE(target_tree_unknown),
    MW_CHANGE(outputs_many),
    MW_CHANGE(outputs_none),
    MW_CHANGE(adds_up_otherwise),
    MW_CHANGE(tensor_too_short),
    MW_CHANGE(tensor_wrong_type),
    MW_CHANGE(tensor_dims_lie),
    MW_CHANGE(attribute_missing),
    MW_CHANGE(attribute_without_name),
    MW_CHANGE(operator_missing),
    MW_CHANGE(operator_other),
    MW_CHANGE(input_other),
    MW_CHANGE(input_absent),
    MW_CHANGE(input_narrow),
    MW_CHANGE(input_typeless),
    MW_CHANGE(output_absent),
    MW_CHANGE(graph_absent),
    {"opset_newer", opset_newer, MW_EUNSUPPORTED},
};

/* What a change cuts off is freed with everything else. */
static void *take(void *arena, size_t size) { return mw_arena_alloc(arena, size); }
static void keep(void *arena, void *p) {
    (void)arena;
    (void)p;
}

static void apply_each(const char *learner, mw_task task, int32_t n_classes, const char *settings,
                       const change *list, size_t n) {
    saved s;
    mw_err err;
    save(&s, learner, task, n_classes, settings);
    for (size_t i = 0; i < n; i++) {
        mw_arena arena;
        mw_arena_init(&arena, NULL);
        ProtobufCAllocator allocator = {take, keep, &arena};
        Onnx__ModelProto *m =
            onnx__model_proto__unpack(&allocator, s.onnx_size, (const uint8_t *)s.onnx);
        assert_non_null(m);
        list[i].apply(m);
        size_t size = onnx__model_proto__get_packed_size(m);
        uint8_t *data = mw_alloc(NULL, size + 1);
        onnx__model_proto__pack(m, data);
        sign(&s, data, size);
        mw_free(data);
        mw_arena_done(&arena);
        mw_status status = load(&s, &err);
        if (status != list[i].code)
            fail_msg("%s: %s gives %s (%s)", learner, list[i].name, mw_status_name(status),
                     status ? err.message : "");
    }
    sign(&s, s.onnx, s.onnx_size);
    assert_ok(load(&s, &err)); /* the harness itself changes nothing */
    done(&s);
}

static void apply_all(const char *learner, mw_task task, int32_t n_classes, const char *settings) {
    apply_each(learner, task, n_classes, settings, changes, sizeof changes / sizeof *changes);
}

MW_TEST(changed_graphs_are_refused) {
    apply_all("forest", MW_TASK_REGRESSION, 0, "n_estimators=3 max_depth=3");
    apply_all("forest", MW_TASK_MULTICLASS, 3, "n_estimators=3 max_depth=3");
    apply_all("isolation", MW_TASK_ANOMALY, 0, "n_estimators=3 max_samples=16");
    apply_all("gbdt", MW_TASK_REGRESSION, 0, "n_estimators=3 num_leaves=5");
    apply_all("gbdt", MW_TASK_MULTICLASS, 3, "n_estimators=3 num_leaves=5");
}

/* ---- what only boosting's graphs have: base values, and steps that make predictions of margins ---- */

/* Two steps, one of them the trees, change places. */
static void steps_swapped(Onnx__ModelProto *m) {
    Onnx__NodeProto *first = m->graph->node[1];
    m->graph->node[1] = m->graph->node[2];
    m->graph->node[2] = first;
}
static void step_left_out(Onnx__ModelProto *m) {
    m->graph->n_node--;
    for (size_t i = 2; i < m->graph->n_node; i++) m->graph->node[i] = m->graph->node[i + 1];
}
static void axis_other(Onnx__ModelProto *m) {
    for (size_t i = 0; i < m->graph->n_node; i++)
        for (size_t k = 0; k < m->graph->node[i]->n_attribute; k++)
            if (strcmp(m->graph->node[i]->attribute[k]->name, "axis") == 0)
                m->graph->node[i]->attribute[k]->i = 0;
}
static void labels_other(Onnx__ModelProto *m) {
    Onnx__NodeProto *last = m->graph->node[m->graph->n_node - 1];
    for (size_t i = 0; i < last->n_attribute; i++)
        if (last->attribute[i]->n_strings) last->attribute[i]->strings[0].data[0] ^= 1;
}
static Onnx__TensorProto *one_of(Onnx__ModelProto *m) {
    for (size_t i = 0; i < m->graph->n_initializer; i++)
        if (strcmp(m->graph->initializer[i]->name, "one") == 0) return m->graph->initializer[i];
    fail_msg("no constant");
    return NULL;
}
static void constant_missing(Onnx__ModelProto *m) { one_of(m)->name[0] = 'x'; }
static void constant_other(Onnx__ModelProto *m) {
    const double two = 2;
    memcpy(one_of(m)->raw_data.data, &two, sizeof two);
}
static void constant_short(Onnx__ModelProto *m) { one_of(m)->raw_data.len = 4; }
static void base_nan(Onnx__ModelProto *m) {
    set_double(list(m, "base_values_as_tensor"), __builtin_nan(""));
}
static void base_short(Onnx__ModelProto *m) {
    list(m, "base_values_as_tensor")->t->raw_data.len -= 8;
}
static void one_output_more(Onnx__ModelProto *m) { list(m, "n_targets")->i++; }

static const change for_rates[] = {MW_CHANGE(steps_swapped), MW_CHANGE(step_left_out),
                                   MW_CHANGE(base_nan), MW_CHANGE(base_short),
                                   MW_CHANGE(one_output_more)};
static const change for_classes[] = {MW_CHANGE(steps_swapped), MW_CHANGE(step_left_out),
                                     MW_CHANGE(axis_other),    MW_CHANGE(labels_other),
                                     MW_CHANGE(base_nan),      MW_CHANGE(one_output_more)};
static const change for_two[] = {MW_CHANGE(steps_swapped),    MW_CHANGE(step_left_out),
                                 MW_CHANGE(axis_other),       MW_CHANGE(labels_other),
                                 MW_CHANGE(constant_missing), MW_CHANGE(constant_other),
                                 MW_CHANGE(constant_short),   MW_CHANGE(base_nan)};
#define APPLY_EACH(task, n_classes, settings, list) \
    apply_each("gbdt", task, n_classes, settings, list, sizeof(list) / sizeof *(list))

MW_TEST(changed_steps_of_boosting_are_refused) {
    APPLY_EACH(MW_TASK_BINARY, 2, "n_estimators=2", for_two);
    APPLY_EACH(MW_TASK_MULTICLASS, 3, "n_estimators=2", for_classes);
    APPLY_EACH(MW_TASK_BINARY, 2, "n_estimators=2 objective=multiclass", for_classes);
}

MW_TEST(changed_rates_of_boosting_are_refused) {
    APPLY_EACH(MW_TASK_REGRESSION, 0, "n_estimators=2 objective=poisson", for_rates);
}

/* protobuf-c recurses once per level: without the scan this file would overflow the stack. */
MW_TEST(nested_messages_are_refused) {
    enum { LEVELS = 100000 };
    saved s;
    mw_err err;
    save(&s, "forest", MW_TASK_REGRESSION, 0, "n_estimators=2");
    /* From the inside out, in turns: GraphProto.node, NodeProto.attribute, AttributeProto.g. */
    static const uint8_t keys[3] = {1 << 3 | 2, 5 << 3 | 2, 6 << 3 | 2};
    size_t capacity = LEVELS * 8, at = capacity;
    uint8_t *data = mw_alloc(NULL, capacity);
    for (int level = 0; level < LEVELS; level++) {
        size_t size = capacity - at;
        uint8_t length[5];
        int n = 0;
        for (size_t left = size; n == 0 || left; left >>= 7)
            length[n++] = (uint8_t)((left & 0x7F) | (left >> 7 ? 0x80 : 0));
        at -= (size_t)n;
        memcpy(data + at, length, (size_t)n);
        data[--at] = level == LEVELS - 1 ? (7 << 3 | 2) : keys[(LEVELS - 2 - level) % 3];
    }
    sign(&s, data + at, capacity - at);
    assert_status(load(&s, &err), MW_EDATA);
    mw_free(data);
    done(&s);
}

MW_TEST(cut_and_flipped_files_do_no_harm) {
    static const struct {
        const char *learner;
        mw_task task;
        int32_t n_classes;
        const char *settings;
    } few[] = {{"linear", MW_TASK_REGRESSION, 0, ""},
               {"forest", MW_TASK_REGRESSION, 0, "anchor=load n_estimators=2 max_depth=3"},
               {"forest", MW_TASK_BINARY, 2, "n_estimators=2 max_depth=3"},
               {"isolation", MW_TASK_ANOMALY, 0, "n_estimators=2 max_samples=8"},
               {"gbdt", MW_TASK_BINARY, 2, "n_estimators=2 num_leaves=4"},
               {"gbdt", MW_TASK_MULTICLASS, 3, "n_estimators=2 num_leaves=3"}};
    for (size_t k = 0; k < sizeof few / sizeof *few; k++) {
        saved s;
        mw_rng rng;
        mw_err err;
        save(&s, few[k].learner, few[k].task, few[k].n_classes, few[k].settings);
        mw_rng_init(&rng, mw_test_seed(), k, 0);
        char *data = mw_memdup(NULL, s.onnx, s.onnx_size);
        for (int i = 0; i < 150; i++) {
            size_t size = s.onnx_size;
            memcpy(data, s.onnx, size);
            if (i % 3 == 0) size = mw_rng_below(&rng, size);
            for (uint64_t flips = 1 + mw_rng_below(&rng, 4); size && flips; flips--)
                data[mw_rng_below(&rng, size)] ^= (char)(1 << mw_rng_below(&rng, 8));
            sign(&s, data, size);
            mw_status status = load(&s, &err);
            if (status && status != MW_EDATA && status != MW_EUNSUPPORTED && status != MW_ETOOLARGE)
                fail_msg("%s: %s %s", few[k].learner, mw_status_name(status), err.message);
        }
        mw_free(data);
        done(&s);
    }
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

MW_TEST(changed_metadata_is_refused) {
    static const struct {
        const char *from, *to;
        mw_status code;
    } edits[] = {
        {"\"format\": \"millwright-model\"", "\"format\": \"other\"", MW_EDATA},
        {"\"format_version\": 1", "\"format_version\": 5", MW_EUNSUPPORTED},
        {"\"format_version\": 1", "\"format_version\": \"x\"", MW_EDATA},
        {"\"learner\": \"linear\"", "\"learner\": \"catboost\"", MW_EUNSUPPORTED},
        {"\"learner\": \"linear\"", "\"learner\": \"forest\"", MW_EDATA},
        {"\"task\": \"regression\"", "\"task\": \"anomaly\"", MW_EDATA},
        {"\"anchor\": null", "\"anchor\": \"heat\"", MW_EDATA},
        {"\"params\": {", "\"params\": 1, \"x\": {", MW_EDATA},
        {"\"name\": \"heat\"", "\"name\": \"he\\u0000at\"", MW_EDATA},
        {"\"name\": \"heat\"", "\"name\": 3", MW_EDATA},
        {"\"kind\": \"category\"", "\"kind\": \"number\"", MW_EDATA},
        {"\"drill\"", "\"zebra\"", MW_EDATA}, /* no longer sorted */
        {"\"drill\",", "", MW_EDATA},         /* fewer columns than weights */
        {"\"classes\": []", "\"classes\": [\"a\", \"b\"]", MW_EDATA},
        {"\"importance\": [", "\"importance\": [-1,", MW_EDATA},
        {"\"sha256\": \"", "\"sha256\": \"0", MW_EDATA},
        {"\"bytes\": ", "\"bytes\": 1", MW_EDATA},
        {"{", "[", MW_EDATA},
        {"\"features\"", "\"learner\"", MW_EDATA}, /* a repeated key */
    };
    saved s;
    mw_err err;
    save(&s, "linear", MW_TASK_REGRESSION, 0, "");
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        write_metadata(&s, s.metadata, edits[i].from, edits[i].to);
        mw_status status = load(&s, &err);
        if (status != edits[i].code)
            fail_msg("%s -> %s gives %s (%s)", edits[i].from, edits[i].to, mw_status_name(status),
                     status ? err.message : "");
    }
    done(&s);
}

MW_TEST(missing_files_are_named) {
    saved s;
    mw_ctx ctx;
    mw_err err;
    mw_problem_ctx(&ctx);
    save(&s, "linear", MW_TASK_REGRESSION, 0, "");
    assert_ok(mw_dir_remove(&ctx, s.dir, "model.onnx", &err));
    assert_status(load(&s, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "model.onnx"));
    assert_ok(mw_dir_remove(&ctx, s.dir, "metadata.json", &err));
    assert_status(load(&s, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "metadata.json"));
    done(&s);
}

/* A ceiling on memory holds for protobuf-c's own allocations too. */
MW_TEST(loading_respects_the_memory_ceiling) {
    saved s;
    mw_ctx ctx;
    mw_err err;
    mw_mem small;
    mw_model *model = NULL;
    mw_problem_ctx(&ctx);
    save(&s, "forest", MW_TASK_REGRESSION, 0, "n_estimators=20");
    mw_mem_init(&small, NULL, s.onnx_size + 65536);
    ctx.mem = &small;
    assert_status(mw_model_load(&ctx, s.dir, &model, &err), MW_ENOMEM);
    assert_int_equal(mw_mem_used(&small), 0);
    done(&s);
}

MW_TEST_MAIN(MW_RUN(changed_graphs_are_refused), MW_RUN(changed_steps_of_boosting_are_refused),
             MW_RUN(changed_rates_of_boosting_are_refused), MW_RUN(nested_messages_are_refused),
             MW_RUN(cut_and_flipped_files_do_no_harm), MW_RUN(changed_metadata_is_refused),
             MW_RUN(missing_files_are_named), MW_RUN(loading_respects_the_memory_ceiling))
