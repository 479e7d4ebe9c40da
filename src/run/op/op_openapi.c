/* op_openapi.c -- GET /openapi.json: the contract itself, made once. */
#include <pthread.h>

#include "core/base/limits.h"
#include "run/op/app.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static mw_buf contract;

static void make_contract(void) {
    mw_buf_init(&contract, &mw_mem_process, (size_t)MW_LIMIT(JSON_BYTES));
    if (mw_op_write_openapi(&contract, NULL)) contract.failed = MW_ENOMEM;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call;
    pthread_once(&once, make_contract);
    mw_status status = mw_buf_status(&contract, "the contract", err);
    if (!status) mw_buf_add_str(out, mw_buf_str(&contract));
    return status;
}

const mw_op mw_op_openapi = {
    .name = "openapi",
    .method = "GET",
    .path = "/openapi.json",
    .area = "service",
    .role = MW_ROLE_VIEWER,
    .kind = MW_OP_QUICK,
    .public = true,
    .summary = "This contract",
    .help = "OpenAPI 3.1. Swagger UI at /docs and ReDoc at /redoc show it.",
    .content_type = "application/json",
    .prepare = prepare,
};
