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
    X(migrate)                 \
    X(artifacts)               \
    X(backup)                  \
    X(restore)                 \
    X(generate)                \
    X(ingest)                  \
    X(upload)                  \
    X(dataset_store)           \
    X(train)                   \
    X(summary)                 \
    X(importance)              \
    X(anomalies)               \
    X(trend)                   \
    X(jobs)                    \
    X(job)                     \
    X(job_events)              \
    X(job_cancel)              \
    X(job_retry)               \
    X(probe)                   \
    X(fit)                     \
    X(predict)                 \
    X(features)                \
    X(organizations)           \
    X(organization_init)       \
    X(organization_config)     \
    X(organization_config_put) \
    X(organization_configure)  \
    X(key_create)              \
    X(keys)                    \
    X(key_revoke)              \
    X(audit)                   \
    X(telemetry)               \
    X(live_features)           \
    X(historical_features)     \
    X(worker_offer)            \
    X(worker_leave)            \
    X(worker_receive)          \
    X(worker_send)             \
    X(worker_inputs)           \
    X(worker_file)             \
    X(worker_output)

#define DECLARE(name) extern const mw_op mw_op_##name;
OPERATIONS(DECLARE)

#define POINT_AT(name) &mw_op_##name,
const mw_op *const mw_ops[] = {OPERATIONS(POINT_AT) NULL};
