/*
 * model_folder.h -- a model saved at a path the user named, so that a crash leaves the old model or the new.
 */
#ifndef MW_RUN_OP_MODEL_FOLDER_H
#define MW_RUN_OP_MODEL_FOLDER_H

#include "core/base/hash.h"
#include "learn/model/model.h"

/*
 * Writes the model beside path and puts it in place in one step; missing parents are made. sha256 is that of
 * model.onnx.
 *
 * Errors    MW_ECONFLICT when path holds other files than a model's: they would be lost. MW_EINVAL when it
 *           names no folder of its own ("." or "/"). Otherwise as mw_model_save.
 */
mw_status mw_op__save_model(const mw_ctx *ctx, const mw_model *model, const char *path,
                            mw_str extra, mw_matrix check, char sha256[MW_SHA256_HEX], mw_err *err);

/* Loads the model of a folder that the user named. */
mw_status mw_op__load_model(const mw_ctx *ctx, const char *path, mw_model **ret, mw_err *err);

#endif
