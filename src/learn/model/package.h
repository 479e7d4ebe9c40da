/*
 * package.h -- the files of a model folder, each written and read by one function.
 *
 * metadata.json   what the model is; written last, so a folder that has it is whole
 * model.onnx      what it computes; authoritative
 * MLmodel         what MLflow needs; the only file with a time and a run id
 */
#ifndef MW_LEARN_MODEL_PACKAGE_H
#define MW_LEARN_MODEL_PACKAGE_H

#include "core/base/hash.h"
#include "learn/model/learner.h"

enum { MW_MODEL_FORMAT = 1 };

#define MW_PARITY_BOUND 1e-5

typedef struct mw_package {
    char onnx_sha256[MW_SHA256_HEX];
    uint64_t onnx_bytes;
    int64_t parity_rows;
    double parity_error; /* largest |onnx - own| / max(1, |own|) */
} mw_package;

/* The ONNX output that holds what mw_model_score gives. */
const char *mw_model__output_name(const mw_model *model);

mw_status mw_metadata_write(const mw_ctx *ctx, const mw_model *model, const mw_package *package,
                            mw_str extra, mw_dir *dir, mw_err *err);
/* A model without state, and what model.onnx must be. */
mw_status mw_metadata_read(const mw_ctx *ctx, mw_dir *dir, mw_package *package, mw_model **ret,
                           mw_err *err);
mw_status mw_mlmodel_write(const mw_ctx *ctx, const mw_model *model, mw_dir *dir, mw_err *err);

#endif
