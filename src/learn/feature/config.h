/*
 * config.h -- an organization's feature configuration: JSON in, a feature program out.
 *
 * Format    {"organizationId": "...", "schemaConfig": {"continuousColumns": [...], ...}}: docs/formats/feature-config.md. All keys are rows of
 *           mw_feature_config_params and mw_feature_schema_params.
 * Errors    MW_EINVAL with the JSON path as `pointer`, and a hint.
 */
#ifndef MW_LEARN_FEATURE_CONFIG_H
#define MW_LEARN_FEATURE_CONFIG_H

#include "core/param/param.h"
#include "learn/feature/program.h"
#include "learn/feature/scaling.h"

extern const mw_param mw_feature_config_params[], mw_feature_schema_params[];

typedef struct mw_feature_config {
    mw_arena arena;
    const char *org;                                         /* NULL: none named */
    const char *time_column, *device_column, *target_column; /* NULL: not named */
    const char **booleans; /* [n_booleans] inputs that are true or false */
    int32_t n_booleans;
    const char **categories; /* [n_categories] columns of texts for a model, beside the outputs */
    int32_t n_categories;
    mw_scaling_kind scaling; /* of the outputs, once it is fitted */
    mw_program *program;
} mw_feature_config;

mw_status mw_feature_config_read(mw_mem *mem, const char *text, size_t size, mw_feature_config *ret,
                                 mw_err *err);
/* The same with what was fitted for its program (mw_program_fit_conditions); NULL: nothing yet. */
mw_status mw_feature_config_read_fitted(mw_mem *mem, const char *text, size_t size,
                                        const mw_conditions *conditions, mw_feature_config *ret,
                                        mw_err *err);
void mw_feature_config_done(mw_feature_config *config);

/* Columns that name devices where a configuration names none; ended by NULL. The first one that a table has counts. */
extern const char *const mw_feature_device_names[];

extern const char *const mw_feature_set_names[]; /* ended by NULL */
/* The features of a set ("telemetry-40") as the JSON list that "features" takes; NULL: there is none of that name. */
const char *mw_feature_set(const char *name);

#endif
