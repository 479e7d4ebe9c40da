/* package.c -- saving a model as a folder and loading it back (DESIGN.md 3.6,
 * docs/formats/model.md). */
#include "learn/model/package.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/ipc.h"

enum { SCALER_FORMAT = 1 };

const char *mw_model__output_name(const mw_model *model) {
    if (model->task == MW_TASK_ANOMALY) return "score";
    return model->n_classes ? "probabilities" : "prediction";
}

static mw_status export_onnx(const mw_ctx *ctx, const mw_model *model, uint8_t **ret,
                             size_t *ret_size, mw_err *err) {
    mw_onnx *onnx = NULL;
    mw_status status =
        mw_onnx_new(ctx->mem, model->learner->name, mw_features_count(model->features), &onnx, err);
    if (!status) status = model->learner->export_graph(ctx, model, onnx, err);
    if (!status) status = mw_onnx_pack(ctx, onnx, ret, ret_size, err);
    mw_onnx_free(onnx);
    return status;
}

/* Runs the packed bytes, as another program would get them, beside our own scoring. */
static mw_status measure_parity(const mw_ctx *ctx, const mw_model *model, const uint8_t *data,
                                size_t size, mw_matrix check, mw_package *package, mw_err *err) {
    int32_t outputs = mw_model_outputs(model);
    size_t n = (size_t)check.n_rows * (size_t)outputs;
    package->parity_rows = check.n_rows;
    package->parity_error = 0;
    if (n == 0) return MW_OK;
    mw_onnx_doc *doc = NULL;
    double *own = mw_alloc_array(ctx->mem, n, sizeof *own);
    double *other = mw_alloc_array(ctx->mem, n, sizeof *other);
    mw_status status = own && other ? MW_OK : mw_fail_nomem(err, "the ONNX check");
    if (!status) status = mw_onnx_parse(ctx, data, size, &doc, err);
    if (!status) status = mw_model_score(ctx, model, check, own, err);
    if (!status)
        status = mw_onnx_eval(ctx, doc, check, mw_model__output_name(model), outputs, other, err);
    for (size_t i = 0; !status && i < n; i++) {
        double scale = mw_abs(own[i]) > 1 ? mw_abs(own[i]) : 1;
        double error = mw_abs(own[i] - other[i]) / scale;
        if (!(error <= package->parity_error)) package->parity_error = error;
        if (!(error <= MW_PARITY_BOUND))
            status =
                mw_fail(err, MW_EINTERNAL, "model.onnx gives %g where the model gives %g (row %zu)",
                        other[i], own[i], i / (size_t)outputs);
    }
    mw_onnx_doc_free(doc);
    mw_free(own);
    mw_free(other);
    return status;
}

static mw_status save_onnx(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_matrix check,
                           mw_package *package, mw_err *err) {
    uint8_t *data = NULL;
    size_t size = 0;
    mw_status status = export_onnx(ctx, model, &data, &size, err);
    if (status) return status;
    package->n_bytes = size;
    status = mw_sha256_of(data, size, package->sha256, err);
    if (!status) status = measure_parity(ctx, model, data, size, check, package, err);
    if (!status) status = mw_file_replace(ctx, dir, MW_MODEL_ONNX, data, size, err);
    mw_free(data);
    return status;
}

/* The file's bytes as they are on disk. */
static mw_status sign_state(const mw_ctx *ctx, mw_dir *dir, mw_package *package, mw_err *err) {
    char *data = NULL;
    size_t size = 0;
    mw_status status =
        mw_file_read(ctx, dir, MW_MODEL_STATE, (size_t)MW_LIMIT(STATE_BYTES), &data, &size, err);
    if (status) return status;
    package->n_bytes = size;
    status = mw_sha256_of(data, size, package->sha256, err);
    mw_free(data);
    return status;
}

static mw_status save_state(const mw_ctx *ctx, const mw_model *model, mw_dir *dir,
                            mw_package *package, mw_err *err) {
    char version[16];
    mw_table *table = NULL;
    mw_file *file = NULL;
    (void)snprintf(version, sizeof version, "%d", (int)model->learner->state_version);
    const mw_meta meta[] = {{"millwright.state", model->learner->name},
                            {"millwright.state_version", version}};
    package->has_state = true;
    mw_status status = model->learner->save_state(ctx, model, &table, err);
    if (!status) status = mw_file_create(ctx, dir, MW_MODEL_STATE, &file, err);
    if (!status) {
        status = mw_ipc_write(ctx, table, meta, sizeof meta / sizeof *meta, file, err);
        if (status)
            mw_file_abort(file);
        else
            status = mw_file_commit(file, err);
    }
    mw_table_free(table);
    return status ? status : sign_state(ctx, dir, package, err);
}

/* Losses round by round; an older fit's are removed where this one has none. */
static mw_status save_curves(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_err *err) {
    if (!model->curves_json) return mw_dir_remove(ctx, dir, MW_MODEL_CURVES, err);
    return mw_file_replace(ctx, dir, MW_MODEL_CURVES, model->curves_json,
                           strlen(model->curves_json), err);
}

static const mw_program *program_of(const mw_model *model) {
    return mw_features_program(model->features)->program;
}

/* Names of the settings, then of the sensors; mw_free it. */
static const char **condition_names(mw_mem *mem, const mw_program *p, mw_err *err) {
    const int32_t n = p->options.n_settings;
    const char **names = mw_alloc_array(mem, (size_t)(n + p->n_sensors) + 1, sizeof *names);
    for (int32_t k = 0; names && k < n; k++) names[k] = p->inputs[p->settings[k]];
    for (int32_t k = 0; names && k < p->n_sensors; k++) names[n + k] = p->inputs[p->sensors[k]];
    if (!names) mw_fail_nomem(err, MW_MODEL_SCALER);
    return names;
}

/* {"format": 1, "scaling": {...}, "conditions": {...}}: what there is of both. */
static mw_status write_scaler(const mw_ctx *ctx, const mw_model *model, mw_buf *out, mw_err *err) {
    const mw_scaling *scaling = mw_features_scaling(model->features);
    const mw_program *p = program_of(model);
    const char **names = condition_names(ctx->mem, p, err);
    mw_json_writer w;
    if (!names) return MW_ENOMEM;
    mw_json_writer_init(&w, out, 2);
    mw_json_object(&w);
    mw_json_add_int(&w, "format", SCALER_FORMAT);
    if (scaling) {
        mw_json_key(&w, "scaling");
        mw_scaling_write(scaling, p->names, &w);
    }
    if (p->conditions) {
        mw_json_key(&w, "conditions");
        mw_conditions_write(p->conditions, names, names + p->options.n_settings, &w);
    }
    mw_json_object_end(&w);
    mw_buf_add_char(out, '\n');
    mw_free(names);
    return mw_buf_status(out, MW_MODEL_SCALER, err);
}

/* What was learned of the features themselves; an older fit's is removed where this one has none. */
static mw_status save_scaler(const mw_ctx *ctx, const mw_model *model, mw_dir *dir,
                             mw_package *package, mw_err *err) {
    if (!mw_model__has_scaler(model)) return mw_dir_remove(ctx, dir, MW_MODEL_SCALER, err);
    mw_buf buf;
    mw_buf_init(&buf, ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = write_scaler(ctx, model, &buf, err);
    if (!status) status = mw_sha256_of(buf.data, buf.size, package->scaler_sha256, err);
    if (!status)
        status = mw_file_replace(ctx, dir, MW_MODEL_SCALER, mw_buf_text(&buf), buf.size, err);
    mw_buf_done(&buf);
    return status;
}

mw_status mw_model_save(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_str extra,
                        mw_matrix check, mw_err *err) {
    mw_package package = {0};
    const bool state = mw_model__needs_state(model);
    mw_ctx_report(ctx, "writing the model", 0, 1);
    mw_status status = state ? save_state(ctx, model, dir, &package, err)
                             : save_onnx(ctx, model, dir, check, &package, err);
    /* A model of the other kind may have been here. */
    if (!status) status = mw_dir_remove(ctx, dir, state ? MW_MODEL_ONNX : MW_MODEL_STATE, err);
    if (!status) status = save_scaler(ctx, model, dir, &package, err);
    if (!status) status = save_curves(ctx, model, dir, err);
    if (!status) status = mw_mlmodel_write(ctx, model, dir, err);
    if (!status) status = mw_metadata_write(ctx, model, &package, extra, dir, err);
    return status;
}

const char *mw_model_file(mw_dir *dir) {
    return mw_dir_has(dir, MW_MODEL_ONNX) || !mw_dir_has(dir, MW_MODEL_STATE) ? MW_MODEL_ONNX
                                                                              : MW_MODEL_STATE;
}

static mw_status fail_changed(const char *name, mw_err *err) {
    mw_fail(err, MW_EDATA, "%s is not the file metadata.json describes", name);
    return mw_err_hint(err, "the folder was changed after it was saved; train or copy it again");
}

/* The file with the model, its bytes as metadata.json says. */
static mw_status read_signed(const mw_ctx *ctx, mw_dir *dir, const mw_package *package, char **ret,
                             mw_err *err) {
    const char *name = package->has_state ? MW_MODEL_STATE : MW_MODEL_ONNX;
    int64_t most = package->has_state ? MW_LIMIT(STATE_BYTES) : MW_LIMIT(ONNX_BYTES);
    char *data = NULL;
    size_t size = 0;
    char hex[MW_SHA256_HEX];
    mw_status status = mw_file_read(ctx, dir, name, (size_t)most, &data, &size, err);
    if (status == MW_ENOTFOUND) return mw_fail(err, MW_EDATA, "the model folder has no %s", name);
    if (status) return status;
    status = mw_sha256_of(data, size, hex, err);
    if (!status && (size != package->n_bytes || strcmp(hex, package->sha256) != 0)) {
        status = fail_changed(name, err);
    }
    if (status)
        mw_free(data);
    else
        *ret = data;
    return status;
}

static mw_status load_onnx(const mw_ctx *ctx, mw_dir *dir, const mw_package *package,
                           mw_model *model, mw_err *err) {
    char *data = NULL;
    mw_onnx_doc *doc = NULL;
    mw_status status = read_signed(ctx, dir, package, &data, err);
    if (!status) status = mw_onnx_parse(ctx, (const uint8_t *)data, package->n_bytes, &doc, err);
    mw_free(data);
    if (!status && mw_onnx_doc_features(doc) != mw_features_count(model->features))
        status = mw_fail(err, MW_EDATA, "model.onnx takes %d features, metadata.json lists %d",
                         mw_onnx_doc_features(doc), mw_features_count(model->features));
    if (!status) status = model->learner->import_graph(ctx, doc, model, err);
    mw_onnx_doc_free(doc);
    return status;
}

static mw_status load_state(const mw_ctx *ctx, mw_dir *dir, const mw_package *package,
                            mw_model *model, mw_err *err) {
    char *data = NULL;
    mw_table *table = NULL;
    mw_status status = read_signed(ctx, dir, package, &data, err);
    mw_free(data);
    if (!status) status = mw_ipc_read(ctx, dir, MW_MODEL_STATE, NULL, 0, &table, err);
    if (!status) status = model->learner->load_state(ctx, table, model, err);
    mw_table_free(table);
    return status;
}

static mw_status read_conditions(const mw_ctx *ctx, mw_model *model, const mw_json *json,
                                 mw_err *err) {
    const mw_program *p = program_of(model);
    const char **names = condition_names(ctx->mem, p, err);
    mw_conditions *conditions = NULL;
    mw_status status =
        names ? mw_conditions_read(ctx->mem, json, names, p->options.n_settings,
                                   names + p->options.n_settings, p->n_sensors, &conditions, err)
              : MW_ENOMEM;
    if (!status) status = mw_features_set_conditions(model->features, conditions, err);
    mw_conditions_free(conditions);
    mw_free(names);
    return status;
}

static mw_status parse_scaler(const mw_ctx *ctx, mw_model *model, const char *text, size_t size,
                              mw_err *err) {
    const mw_feature_config *config = mw_features_program(model->features);
    mw_arena arena;
    const mw_json *json = NULL;
    mw_scaling *scaling = NULL;
    mw_arena_init(&arena, ctx->mem);
    mw_status status = mw_json_parse(&arena, text, size, &json, err);
    if (!status && mw_json_int(mw_json_get(json, "format"), 0) != SCALER_FORMAT)
        status = mw_fail(err, MW_EDATA, "its format is missing or unknown");
    if (!status && config->scaling != MW_SCALING_NONE)
        status = mw_scaling_read(model->mem, mw_json_get(json, "scaling"), config->program->names,
                                 config->program->n_outputs, &scaling, err);
    if (!status && scaling) mw_features__set_scaling(model->features, scaling);
    if (!status && mw_features_need_conditions(model->features))
        status = read_conditions(ctx, model, mw_json_get(json, "conditions"), err);
    if (status && status != MW_ENOMEM) status = mw_err_prefix(err, MW_MODEL_SCALER);
    mw_arena_done(&arena);
    return status;
}

static mw_status load_scaler(const mw_ctx *ctx, mw_dir *dir, const mw_package *package,
                             mw_model *model, mw_err *err) {
    char *text = NULL;
    size_t size = 0;
    char hex[MW_SHA256_HEX];
    if (!package->scaler_sha256[0]) return MW_OK;
    mw_status status =
        mw_file_read(ctx, dir, MW_MODEL_SCALER, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (status == MW_ENOTFOUND)
        return mw_fail(err, MW_EDATA, "the model folder has no %s", MW_MODEL_SCALER);
    if (!status) status = mw_sha256_of(text, size, hex, err);
    if (!status && strcmp(hex, package->scaler_sha256) != 0)
        status = fail_changed(MW_MODEL_SCALER, err);
    if (!status) status = parse_scaler(ctx, model, text, size, err);
    mw_free(text);
    return status;
}

mw_status mw_model_load(const mw_ctx *ctx, mw_dir *dir, mw_model **ret, mw_err *err) {
    mw_package package;
    mw_model *model = NULL;
    mw_status status = mw_metadata_read(ctx, dir, &package, &model, err);
    if (!status) status = load_scaler(ctx, dir, &package, model, err);
    if (!status)
        status = package.has_state ? load_state(ctx, dir, &package, model, err)
                                   : load_onnx(ctx, dir, &package, model, err);
    if (status) {
        mw_model_free(model);
        return status;
    }
    *ret = model;
    return MW_OK;
}
