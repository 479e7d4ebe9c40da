/*
 * gbdt_params.h -- what a user may ask of boosting, and the options that follow from it and from the data.
 */
#ifndef MW_LEARN_MODEL_GBDT_PARAMS_H
#define MW_LEARN_MODEL_GBDT_PARAMS_H

#include "learn/model/model.h"
#include "learn/tree/gbdt.h"

/* LightGBM's names and defaults; XGBoost's and scikit-learn's names as aliases. */
extern const mw_param mw_gbdt_params[];

/* Options with the lists they borrow. */
typedef struct mw_gbdt_wishes {
    mw_gbdt_options options;
    uint8_t *by_code;      /* [n_features] */
    int8_t *monotone;      /* [n_features], or NULL */
    uint64_t *groups;      /* [n_features], or NULL */
    double *class_weights; /* [n_classes], or NULL */
} mw_gbdt_wishes;

/* Reads fit->params. MW_EINVAL names the parameter, and the feature or class that does not exist; MW_ENOMEM. */
mw_status mw_gbdt_wishes_read(const mw_ctx *ctx, const mw_fit *fit, mw_gbdt_wishes *ret,
                              mw_err *err);
void mw_gbdt_wishes_done(mw_gbdt_wishes *wishes);

#endif
