/*
 * mlmodel.c -- the MLmodel file: what mlflow.onnx and mlflow.pyfunc need to load the folder. A model in
 * state.arrow has Millwright's flavor only.
 *
 * YAML by hand: keys are fixed, and every value that comes from outside stands in single quotes
 * with quotes doubled, which YAML 1.2 (7.3.2) takes as plain text. Signature: MLflow's tensor
 * specification.
 */
#include "learn/model/package.h"

#include <string.h>

#include "core/text/datetime.h"

enum { MLMODEL_MAX_BYTES = 65536 };

static void add_quoted(mw_buf *buf, mw_str text) {
    mw_buf_add_char(buf, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'') mw_buf_add_char(buf, '\'');
        mw_buf_add_char(buf, text.data[i]);
    }
    mw_buf_add_char(buf, '\'');
}

/* {"type":"tensor","name":...,"tensor-spec":{"dtype":...,"shape":[-1,columns]}} */
static void write_spec(mw_json_writer *w, const char *name, const char *dtype, int32_t columns) {
    mw_json_object(w);
    mw_json_add_string(w, "type", "tensor");
    if (name) mw_json_add_string(w, "name", name);
    mw_json_key(w, "tensor-spec");
    mw_json_object(w);
    mw_json_add_string(w, "dtype", dtype);
    mw_json_key(w, "shape");
    mw_json_array(w);
    mw_json_write_int(w, -1);
    if (columns) mw_json_write_int(w, columns);
    mw_json_array_end(w);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

static void add_signature(const mw_model *model, mw_buf *buf, mw_buf *json) {
    mw_json_writer w;
    mw_buf_add(buf, "signature:\n  inputs: ");
    mw_json_writer_init(&w, json, 0);
    mw_json_array(&w);
    write_spec(&w, NULL, "float32", mw_features_count(model->features));
    mw_json_array_end(&w);
    add_quoted(buf, mw_buf_str(json));
    mw_buf_clear(json);
    mw_json_writer_init(&w, json, 0);
    mw_json_array(&w);
    if (model->n_classes) write_spec(&w, "label", "str", 0);
    write_spec(&w, mw_model__output_name(model), "float32", mw_model_outputs(model));
    if (model->task == MW_TASK_ANOMALY) write_spec(&w, "is_anomaly", "bool", 1);
    mw_json_array_end(&w);
    mw_buf_add(buf, "\n  outputs: ");
    add_quoted(buf, mw_buf_str(json));
    mw_buf_add(buf, "\n  params: null\n");
}

/* MLflow's own form: "2026-11-21 07:06:00.000000". */
static void add_time(mw_buf *buf, int64_t utc_us) {
    mw_civil c;
    mw_time_civil(utc_us, &c);
    mw_buf_printf(buf, "utc_time_created: '%04d-%02d-%02d %02d:%02d:%02d.%06d'\n", c.year, c.month,
                  c.day, c.hour, c.minute, c.second, c.us);
}

static const char onnx_flavors[] = "  onnx:\n"
                                   "    code: null\n"
                                   "    data: model.onnx\n"
                                   "    onnx_version: '1.12.0'\n"
                                   "    providers:\n"
                                   "    - CPUExecutionProvider\n"
                                   "  python_function:\n"
                                   "    data: model.onnx\n"
                                   "    loader_module: mlflow.onnx\n";

mw_status mw_mlmodel_write(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_err *err) {
    mw_buf buf, json;
    mw_buf_init(&buf, ctx->mem, MLMODEL_MAX_BYTES);
    mw_buf_init(&json, ctx->mem, MLMODEL_MAX_BYTES);
    mw_buf_printf(&buf,
                  "artifact_path: model\n"
                  "flavors:\n"
                  "  millwright:\n"
                  "    data: metadata.json\n"
                  "    format_version: %d\n"
                  "    learner: %s\n"
                  "    task: %s\n",
                  mw_model__format(model), model->learner->name, mw_task_name(model->task));
    if (!mw_model__needs_state(model)) mw_buf_add(&buf, onnx_flavors);
    if (ctx->job_id) {
        mw_buf_add(&buf, "run_id: ");
        add_quoted(&buf, mw_str_of(ctx->job_id));
        mw_buf_add_char(&buf, '\n');
    }
    add_signature(model, &buf, &json);
    add_time(&buf, mw_clock_utc(ctx->clock));
    mw_status status = mw_buf_status(&json, "MLmodel", err);
    if (!status) status = mw_buf_status(&buf, "MLmodel", err);
    if (!status) status = mw_file_replace(ctx, dir, "MLmodel", mw_buf_text(&buf), buf.size, err);
    mw_buf_done(&json);
    mw_buf_done(&buf);
    return status;
}
