/* op_openapi.c -- GET /openapi.json: the contract itself, made once. */
#include <pthread.h>

#include "core/base/limits.h"
#include "run/op/app.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mw_buf contract;
static bool is_made; /* never changes back; one that could not be made is tried again */

static mw_status make_contract(mw_err *err) {
    mw_buf_init(&contract, &mw_mem_process, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = mw_op_write_openapi(&contract, err);
    if (!status) status = mw_buf_status(&contract, "the contract", err);
    is_made = !status;
    if (status) mw_buf_done(&contract);
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    (void)call;
    pthread_mutex_lock(&mutex);
    mw_status status = is_made ? MW_OK : make_contract(err);
    pthread_mutex_unlock(&mutex);
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
    .tagged = true,
    .summary = "This contract",
    .help = "OpenAPI 3.1. Swagger UI at /docs and ReDoc at /redoc show it.",
    .content_type = "application/json",
    .prepare = prepare,
};
