/*
 * package.h -- the files of a model folder, each written and read by one function.
 *
 * metadata.json   what the model is; written last, so a folder that has it is whole
 * model.onnx      what it computes; authoritative
 * state.arrow     in its place, where ONNX has no operators for it
 * scaler.json     what was learned of the features of a program: their scaling, operating conditions
 * curves.json     losses round by round, of a fit by rounds
 * MLmodel         what MLflow needs; the only file with a time and a run id
 */
#ifndef MW_LEARN_MODEL_PACKAGE_H
#define MW_LEARN_MODEL_PACKAGE_H

#include "core/base/hash.h"
#include "learn/model/learner.h"

/* A folder says the oldest version that has what it needs. */
enum {
    MW_MODEL_FORMAT_ONNX = 1,
    MW_MODEL_FORMAT_STATE = 2,
    MW_MODEL_FORMAT_PROGRAM = 3,
    MW_MODEL_FORMAT_SCALING = 4,
    MW_MODEL_FORMAT = 4
};

static inline bool mw_model__has_scaler(const mw_model *model) {
    const mw_feature_config *config = mw_features_program(model->features);
    return config && (mw_features_scaling(model->features) || config->program->conditions);
}

static inline int mw_model__format(const mw_model *model) {
    if (mw_model__has_scaler(model)) return MW_MODEL_FORMAT_SCALING;
    if (mw_features_program(model->features)) return MW_MODEL_FORMAT_PROGRAM;
    return mw_model__needs_state(model) ? MW_MODEL_FORMAT_STATE : MW_MODEL_FORMAT_ONNX;
}

#define MW_PARITY_BOUND 1e-5

#define MW_MODEL_ONNX "model.onnx"
#define MW_MODEL_STATE "state.arrow"
#define MW_MODEL_CURVES "curves.json"
#define MW_MODEL_SCALER "scaler.json"

typedef struct mw_package {
    bool has_state; /* state.arrow, not model.onnx, is the file of the two below */
    char sha256[MW_SHA256_HEX];
    uint64_t n_bytes;
    char scaler_sha256[MW_SHA256_HEX]; /* of scaler.json; empty: there is none */
    int64_t parity_rows;
    double parity_error; /* largest |onnx - own| / max(1, |own|) */
} mw_package;

/* The ONNX output that holds what mw_model_score gives. */
const char *mw_model__output_name(const mw_model *model);

mw_status mw_metadata_write(const mw_ctx *ctx, const mw_model *model, const mw_package *package,
                            mw_str extra, mw_dir *dir, mw_err *err);
/* A model without state, and what model.onnx or state.arrow must be. */
mw_status mw_metadata_read(const mw_ctx *ctx, mw_dir *dir, mw_package *package, mw_model **ret,
                           mw_err *err);
mw_status mw_mlmodel_write(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_err *err);

#endif
