/*
 * ops.c -- the table of operations. The order is the one of the contract, the help and the docs.
 */
#include "run/op/op.h"

#define OPERATIONS(X)          \
    X(health)                  \
    X(models_status)           \
    X(metrics)                 \
    X(openapi)                 \
    X(doctor)                  \
    X(generate)                \
    X(ingest)                  \
    X(upload)                  \
    X(train)                   \
    X(summary)                 \
    X(importance)              \
    X(anomalies)               \
    X(trend)                   \
    X(job)                     \
    X(jobs)                    \
    X(fit)                     \
    X(predict)                 \
    X(features)                \
    X(organizations)           \
    X(organization_init)       \
    X(organization_config)     \
    X(organization_config_put) \
    X(organization_configure)  \
    X(telemetry)               \
    X(live_features)           \
    X(historical_features)

#define DECLARE(name) extern const mw_op mw_op_##name;
OPERATIONS(DECLARE)

#define POINT_AT(name) &mw_op_##name,
const mw_op *const mw_ops[] = {OPERATIONS(POINT_AT) NULL};
