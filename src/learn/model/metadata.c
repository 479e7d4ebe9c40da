/* metadata.c -- metadata.json: writing it, and reading it as the untrusted text it is. */
#include "learn/model/package.h"

#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"

static const char FORMAT[] = "millwright-model";

/* ---- writing ---- */

static void write_feature(mw_json_writer *w, const mw_feature *feature) {
    mw_json_object(w);
    mw_json_add_string(w, "name", feature->name);
    mw_json_add_string(w, "kind", mw_feature__kind_name(feature->kind));
    if (feature->kind == MW_FEATURE_CATEGORY) {
        mw_json_key(w, "categories");
        mw_json_array(w);
        for (int32_t k = 0; k < feature->n_categories; k++)
            mw_json_write_string(w, feature->categories[k]);
        mw_json_array_end(w);
    }
    mw_json_object_end(w);
}

/* What makes the features, and the hash that the definition had. */
static void write_program(mw_json_writer *w, const mw_features *features,
                          const mw_package *package) {
    const mw_feature_config *config = mw_features_program(features);
    if (!config) return;
    mw_json_key(w, "program");
    mw_json_object(w);
    mw_json_add_string(w, "sha256", config->program->hash);
    mw_json_key(w, "config");
    mw_json_write_str(w, mw_features__config(features));
    if (package->scaler_sha256[0]) mw_json_add_string(w, "scaler_sha256", package->scaler_sha256);
    mw_json_object_end(w);
}

static void write_columns(mw_json_writer *w, const mw_model *model, const mw_package *package) {
    int32_t n = mw_features_count(model->features);
    mw_json_key(w, "features");
    mw_json_array(w);
    for (int32_t i = 0; i < n; i++) write_feature(w, mw_features_at(model->features, i));
    mw_json_array_end(w);
    write_program(w, model->features, package);
    mw_json_key(w, "classes");
    mw_json_array(w);
    for (int32_t i = 0; i < model->n_classes; i++) mw_json_write_string(w, model->classes[i]);
    mw_json_array_end(w);
    mw_json_key(w, "importance");
    mw_json_array(w);
    for (int32_t i = 0; i < n; i++) mw_json_write_number(w, model->importance[i]);
    mw_json_array_end(w);
    mw_json_add_number(w, "importance_total", model->importance_total);
}

static void write_file(mw_json_writer *w, const char *name, const mw_package *package) {
    mw_json_add_string(w, "file", name);
    mw_json_add_string(w, "sha256", package->sha256);
    mw_json_add_int(w, "bytes", (int64_t)package->n_bytes);
}

static void write_state(mw_json_writer *w, const mw_model *model, const mw_package *package) {
    mw_json_key(w, "state");
    mw_json_object(w);
    write_file(w, MW_MODEL_STATE, package);
    mw_json_add_int(w, "version", model->learner->state_version);
    mw_json_add_string(w, "output", mw_model__output_name(model));
    mw_json_object_end(w);
}

static void write_onnx(mw_json_writer *w, const mw_model *model, const mw_package *package) {
    mw_json_key(w, "onnx");
    mw_json_object(w);
    write_file(w, MW_MODEL_ONNX, package);
    mw_json_add_string(w, "input", MW_ONNX_INPUT);
    mw_json_add_string(w, "output", mw_model__output_name(model));
    mw_json_add_int(w, "opset", MW_ONNX_OPSET);
    mw_json_add_int(w, "ml_opset", MW_ONNX_ML_OPSET);
    mw_json_object_end(w);
    mw_json_key(w, "parity");
    mw_json_object(w);
    mw_json_add_int(w, "rows", package->parity_rows);
    mw_json_add_number(w, "max_error", package->parity_error);
    mw_json_add_number(w, "bound", MW_PARITY_BOUND);
    mw_json_object_end(w);
}

mw_status mw_metadata_write(const mw_ctx *ctx, const mw_model *model, const mw_package *package,
                            mw_str extra, mw_dir *dir, mw_err *err) {
    mw_buf buf;
    mw_buf_init(&buf, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer w;
    mw_json_writer_init(&w, &buf, 2);
    mw_json_object(&w);
    mw_json_add_string(&w, "format", FORMAT);
    mw_json_add_int(&w, "format_version", mw_model__format(model));
    mw_json_add_string(&w, "producer", "millwright " MW_VERSION);
    mw_json_add_string(&w, "learner", model->learner->name);
    mw_json_add_string(&w, "task", mw_task_name(model->task));
    mw_json_add_string(&w, "target", model->target);
    mw_json_add_string(&w, "anchor",
                       model->anchor < 0 ? NULL
                                         : mw_features_at(model->features, model->anchor)->name);
    mw_json_add_int(&w, "rows", model->n_rows);
    mw_json_add_number(&w, "threshold", model->threshold);
    if (mw_isfinite(model->oob_score)) mw_json_add_number(&w, "oob_score", model->oob_score);
    mw_json_key(&w, "params");
    mw_json_write_raw(&w, mw_str_of(model->params_json));
    write_columns(&w, model, package);
    if (package->has_state)
        write_state(&w, model, package);
    else
        write_onnx(&w, model, package);
    mw_json_key(&w, "training");
    mw_json_write_raw(&w, extra.size ? extra : MW_STR("{}"));
    mw_json_object_end(&w);
    mw_buf_add_char(&buf, '\n');
    mw_status status = mw_buf_status(&buf, "metadata.json", err);
    if (!status)
        status = mw_file_replace(ctx, dir, "metadata.json", mw_buf_text(&buf), buf.size, err);
    mw_buf_done(&buf);
    return status;
}

/* ---- reading ---- */

static mw_status bad(mw_err *err, const char *what) {
    return mw_fail(err, MW_EDATA, "metadata.json: '%s' is missing or unusable", what);
}

/* Text without a NUL, of at most max bytes. */
static bool is_text(const mw_json *value, int64_t max) {
    return value && value->kind == MW_JSON_STRING && (int64_t)value->string.size <= max &&
           !memchr(value->string.data ? value->string.data : "", 0, value->string.size);
}

static mw_status check_format(const mw_json *root, mw_err *err) {
    if (!mw_str_is(mw_json_string(mw_json_get(root, "format"), ""), FORMAT))
        return mw_fail(err, MW_EDATA, "metadata.json does not describe a Millwright model");
    int64_t version = mw_json_int(mw_json_get(root, "format_version"), 0);
    if (version < 1) return bad(err, "format_version");
    if (version > MW_MODEL_FORMAT) {
        mw_fail(err, MW_EUNSUPPORTED, "the model has format version %lld; this program reads %d",
                (long long)version, MW_MODEL_FORMAT);
        return mw_err_hint(err, "load it with a newer Millwright");
    }
    return MW_OK;
}

static mw_status read_categories(mw_arena *arena, const mw_json *list, mw_str **ret, int32_t *ret_n,
                                 mw_err *err) {
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children > MW_LIMIT(CATEGORIES))
        return bad(err, "categories");
    mw_str *texts = mw_arena_calloc(arena, (size_t)list->n_children + 1, sizeof *texts);
    if (!texts) return mw_fail_nomem(err, "metadata.json");
    int32_t n = 0;
    for (const mw_json *item = list->first; item; item = item->next) {
        if (!is_text(item, MW_LIMIT(CSV_FIELD_BYTES))) return bad(err, "categories");
        texts[n] = item->string;
        if (n > 0 && mw_str_compare(texts[n - 1], texts[n]) >= 0) return bad(err, "categories");
        n++;
    }
    *ret = texts;
    *ret_n = n;
    return MW_OK;
}

static mw_status read_feature(mw_arena *arena, const mw_json *item, mw_features *features,
                              mw_err *err) {
    const mw_json *name = mw_json_get(item, "name");
    mw_str kind = mw_json_string(mw_json_get(item, "kind"), "");
    if (!is_text(name, MW_LIMIT(CSV_FIELD_BYTES))) return bad(err, "features");
    if (mw_str_is(kind, "number"))
        return mw_features__add(features, name->string, MW_FEATURE_NUMBER, NULL, 0, err);
    if (mw_str_is(kind, "bool"))
        return mw_features__add(features, name->string, MW_FEATURE_BOOL, NULL, 0, err);
    if (!mw_str_is(kind, "category")) return bad(err, "features");
    mw_str *texts = NULL;
    int32_t n = 0;
    mw_status status = read_categories(arena, mw_json_get(item, "categories"), &texts, &n, err);
    if (status) return status;
    return mw_features__add(features, name->string, MW_FEATURE_CATEGORY, texts, n, err);
}

static mw_status read_features(const mw_ctx *ctx, mw_arena *arena, const mw_json *list,
                               mw_features **ret, mw_err *err) {
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children < 1 ||
        list->n_children > MW_LIMIT(MODEL_FEATURES))
        return bad(err, "features");
    mw_features *features = NULL;
    mw_status status = mw_features__new(ctx->mem, (int32_t)list->n_children, &features, err);
    for (const mw_json *item = list->first; !status && item; item = item->next)
        status = read_feature(arena, item, features, err);
    if (status) {
        mw_features_free(features);
        return status;
    }
    *ret = features;
    return MW_OK;
}

/* The program must be the one that the model was trained with, to the last bit of its definition. */
static mw_status read_program(const mw_ctx *ctx, mw_arena *arena, const mw_json *program,
                              const mw_json *list, mw_features **ret, mw_err *err) {
    const mw_json *config = mw_json_get(program, "config"), *hash = mw_json_get(program, "sha256");
    if (!is_text(config, MW_LIMIT(JSON_BYTES)) || !is_text(hash, MW_SHA256_HEX))
        return bad(err, "program");
    mw_features *features = NULL;
    mw_status status = mw_features_of_program(ctx, config->string, &features, err);
    if (status) {
        (void)mw_err_prefix(err, "the model's feature program");
        return status == MW_ENOMEM ? MW_ENOMEM : MW_EDATA;
    }
    const mw_feature_config *made = mw_features_program(features);
    const int32_t n = made->program->n_outputs;
    bool same = mw_str_is(hash->string, made->program->hash) && list &&
                (int32_t)list->n_children == n + made->n_categories;
    const mw_json *item = same ? list->first : NULL;
    for (int32_t i = 0; item && !status; item = item->next, i++) {
        const char *name = i < n ? made->program->names[i] : made->categories[i - n];
        same &= mw_str_is(mw_json_string(mw_json_get(item, "name"), ""), name);
        if (i >= n) status = read_feature(arena, item, features, err);
    }
    if (!status && !same) {
        mw_fail(err, MW_EDATA,
                "the model was trained with another feature program than metadata.json has");
        status = mw_err_hint(
            err, "the file was changed, or this version defines a feature anew: train again");
    }
    if (status)
        mw_features_free(features);
    else
        *ret = features;
    return status;
}

static mw_status read_task(const mw_json *root, const mw_learner **learner, mw_task *ret,
                           mw_err *err) {
    char name[32];
    mw_str_copy(name, sizeof name, mw_json_string(mw_json_get(root, "learner"), ""));
    *learner = mw_learner_find(name);
    if (!*learner) {
        mw_fail(err, MW_EUNSUPPORTED, "the model's learner '%s' is not known", name);
        return mw_err_hint(err, "load it with a newer Millwright");
    }
    mw_str task = mw_json_string(mw_json_get(root, "task"), "");
    for (int i = MW_TASK_REGRESSION; i <= MW_TASK_ANOMALY; i++)
        if (mw_str_is(task, mw_task_name((mw_task)i)) && ((*learner)->tasks >> i & 1)) {
            *ret = (mw_task)i;
            return MW_OK;
        }
    return bad(err, "task");
}

static mw_status read_classes(mw_arena *arena, const mw_json *root, mw_model *model, mw_err *err) {
    const mw_json *list = mw_json_get(root, "classes");
    bool wanted = model->task == MW_TASK_BINARY || model->task == MW_TASK_MULTICLASS;
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children > MW_LIMIT(MODEL_CLASSES) ||
        (wanted ? list->n_children < 2 : list->n_children > 0))
        return bad(err, "classes");
    mw_str *texts = mw_arena_calloc(arena, (size_t)list->n_children + 1, sizeof *texts);
    if (!texts) return mw_fail_nomem(err, "metadata.json");
    int32_t n = 0;
    for (const mw_json *item = list->first; item; item = item->next) {
        if (!is_text(item, MW_LIMIT(CSV_FIELD_BYTES))) return bad(err, "classes");
        texts[n++] = item->string;
    }
    return mw_model__set_classes(model, texts, n, err);
}

static mw_status read_importance(const mw_json *root, mw_model *model, mw_err *err) {
    const mw_json *list = mw_json_get(root, "importance");
    int32_t n = mw_features_count(model->features), at = 0;
    if (!list || list->kind != MW_JSON_ARRAY || list->n_children != (uint32_t)n)
        return bad(err, "importance");
    for (const mw_json *item = list->first; item; item = item->next) {
        double share = mw_json_number(item, -1);
        if (!(share >= 0 && share <= 1 + 1e-9)) return bad(err, "importance");
        model->importance[at++] = share;
    }
    const mw_json *total = mw_json_get(root, "importance_total");
    model->importance_total = total ? mw_json_number(total, -1) : 0;
    if (!(model->importance_total >= 0)) return bad(err, "importance_total");
    return MW_OK;
}

static mw_status read_params(const mw_json *root, mw_model *model, mw_err *err) {
    const mw_json *params = mw_json_get(root, "params");
    if (!params || params->kind != MW_JSON_OBJECT) return bad(err, "params");
    mw_buf buf;
    mw_buf_init(&buf, model->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer w;
    mw_json_writer_init(&w, &buf, 0);
    mw_json_write_value(&w, params);
    mw_status status = mw_buf_status(&buf, "the model's parameters", err);
    if (!status) {
        model->params_json = mw_strdup(model->mem, mw_buf_text(&buf));
        if (!model->params_json) status = mw_fail_nomem(err, "the model's parameters");
    }
    mw_buf_done(&buf);
    return status;
}

static mw_status read_target(const mw_json *root, mw_model *model, mw_err *err) {
    const mw_json *target = mw_json_get(root, "target");
    if (!target || target->kind == MW_JSON_NULL) return MW_OK;
    if (!is_text(target, MW_LIMIT(CSV_FIELD_BYTES))) return bad(err, "target");
    model->target = mw_strndup(model->mem, target->string.data, target->string.size);
    return model->target ? MW_OK : mw_fail_nomem(err, "metadata.json");
}

static mw_status read_anchor(const mw_json *root, mw_model *model, mw_err *err) {
    const mw_json *anchor = mw_json_get(root, "anchor");
    if (!anchor || anchor->kind == MW_JSON_NULL) return MW_OK;
    if (!model->learner->anchors || model->task != MW_TASK_REGRESSION ||
        anchor->kind != MW_JSON_STRING)
        return bad(err, "anchor");
    model->anchor = mw_features__find(model->features, anchor->string);
    return model->anchor >= 0 ? MW_OK : bad(err, "anchor");
}

static mw_status read_file(const mw_json *file, const char *sha_name, const char *bytes_name,
                           mw_package *package, mw_err *err) {
    const mw_json *sha = mw_json_get(file, "sha256");
    int64_t bytes = mw_json_int(mw_json_get(file, "bytes"), -1);
    if (!is_text(sha, MW_SHA256_HEX - 1) || sha->string.size != MW_SHA256_HEX - 1)
        return bad(err, sha_name);
    if (bytes < 1) return bad(err, bytes_name);
    package->n_bytes = (uint64_t)bytes;
    mw_str_copy(package->sha256, sizeof package->sha256, sha->string);
    return MW_OK;
}

static mw_status read_state(const mw_json *state, const mw_learner *learner, mw_package *package,
                            mw_err *err) {
    int64_t version = mw_json_int(mw_json_get(state, "version"), -1);
    if (learner->state_version == 0 || version < 1) return bad(err, "state.version");
    if (version > learner->state_version) {
        mw_fail(err, MW_EUNSUPPORTED, "state.arrow of '%s' has version %lld; this program reads %d",
                learner->name, (long long)version, (int)learner->state_version);
        return mw_err_hint(err, "load it with a newer Millwright");
    }
    package->has_state = true;
    return read_file(state, "state.sha256", "state.bytes", package, err);
}

static mw_status read_package(const mw_json *root, const mw_learner *learner, mw_package *package,
                              mw_err *err) {
    const mw_json *state = mw_json_get(root, "state");
    *package = (mw_package){0};
    if (state) return read_state(state, learner, package, err);
    return read_file(mw_json_get(root, "onnx"), "onnx.sha256", "onnx.bytes", package, err);
}

/* A program with scaling needs its numbers, and only such a one. */
static mw_status read_scaler(const mw_json *program, const mw_features *features,
                             mw_package *package, mw_err *err) {
    const mw_feature_config *config = mw_features_program(features);
    const mw_json *sha256 = mw_json_get(program, "scaler_sha256");
    const bool wanted =
        config && (config->scaling != MW_SCALING_NONE || mw_features_need_conditions(features));
    if (!wanted && !sha256) return MW_OK;
    if (!wanted || !is_text(sha256, MW_SHA256_HEX - 1) || sha256->string.size != MW_SHA256_HEX - 1)
        return bad(err, "program.scaler_sha256");
    mw_str_copy(package->scaler_sha256, sizeof package->scaler_sha256, sha256->string);
    return MW_OK;
}

/* A graph holds the threshold itself; a state does not. */
static mw_status read_threshold(const mw_json *root, const mw_package *package, mw_model *model,
                                mw_err *err) {
    if (!package->has_state || model->task != MW_TASK_ANOMALY) return MW_OK;
    model->threshold = mw_json_number(mw_json_get(root, "threshold"), -1);
    return model->threshold >= 0 && model->threshold <= 1 ? MW_OK : bad(err, "threshold");
}

static mw_status read_root(const mw_ctx *ctx, mw_arena *arena, const mw_json *root,
                           mw_package *package, mw_model **ret, mw_err *err) {
    const mw_learner *learner = NULL;
    mw_task task = MW_TASK_REGRESSION;
    mw_features *features = NULL;
    mw_model *model = NULL;
    mw_status status = check_format(root, err);
    if (!status) status = read_task(root, &learner, &task, err);
    if (!status) status = read_package(root, learner, package, err);
    const mw_json *list = mw_json_get(root, "features"), *program = mw_json_get(root, "program");
    if (!status)
        status = program ? read_program(ctx, arena, program, list, &features, err)
                         : read_features(ctx, arena, list, &features, err);
    if (!status) status = read_scaler(program, features, package, err);
    if (!status) status = mw_model__new(ctx->mem, learner, task, features, &model, err);
    mw_features_free(features);
    if (!status) status = read_classes(arena, root, model, err);
    if (!status) status = read_importance(root, model, err);
    if (!status) status = read_params(root, model, err);
    if (!status) status = read_target(root, model, err);
    if (!status) status = read_anchor(root, model, err);
    if (!status) status = read_threshold(root, package, model, err);
    if (!status) model->oob_score = mw_json_number(mw_json_get(root, "oob_score"), MW_NAN);
    if (status) {
        mw_model_free(model);
        return status;
    }
    int64_t rows = mw_json_int(mw_json_get(root, "rows"), 0);
    model->n_rows = rows > 0 ? rows : 0;
    *ret = model;
    return MW_OK;
}

mw_status mw_metadata_read(const mw_ctx *ctx, mw_dir *dir, mw_package *package, mw_model **ret,
                           mw_err *err) {
    char *text = NULL;
    size_t size = 0;
    const mw_json *root = NULL;
    mw_status status =
        mw_file_read(ctx, dir, "metadata.json", (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status == MW_ENOTFOUND)
        return mw_fail(err, MW_EDATA, "the model folder has no metadata.json");
    if (status) return status;
    mw_arena arena;
    mw_arena_init(&arena, ctx->mem);
    status = mw_json_parse(&arena, text, size, &root, err);
    if (status == MW_EPARSE) {
        mw_err_prefix(err, "metadata.json");
        if (err) err->code = MW_EDATA;
        status = MW_EDATA;
    }
    if (!status) status = read_root(ctx, &arena, root, package, ret, err);
    mw_arena_done(&arena);
    mw_free(text);
    return status;
}
