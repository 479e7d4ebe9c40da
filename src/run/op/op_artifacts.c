/* op_artifacts.c -- `millwright artifacts`: what the artifact store lacks of the files that records name goes there, from this data folder. */
#include "run/op/backup.h"

typedef struct filling {
    mw_app *app;
    int64_t n_put, n_there, n_missing; /* files of datasets, and folders of models */
} filling;

/* MW_OK, too, when neither side has it: the next one may be there. */
static mw_status visit(void *arg, const mw_ctx *ctx, const char *path, const char *sha256,
                       mw_err *err) {
    filling *f = arg;
    mw_err why = {0};
    bool there = false;
    mw_status status = MW_OK;
    /* A folder is looked at file by file: of one that was broken off, the first may be there. */
    if (!sha256) status = mw_artifacts_has(ctx, f->app->artifacts, path, &there, &why);
    if (!status && !there)
        status = sha256 ? mw_artifacts_put_folder(ctx, f->app->artifacts, f->app->data, path, &why)
                        : mw_artifacts_put_file(ctx, f->app->artifacts, f->app->data, path, &why);
    f->n_there += there;
    f->n_put += !status && !there;
    mw_ctx_report(ctx, "storing files", (double)(f->n_there + f->n_put), 0);
    if (status == MW_ENOTFOUND) {
        f->n_missing++;
        return MW_OK;
    }
    if (status && err) *err = why;
    return status;
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    filling f = {.app = call->app};
    if (!call->app->artifacts) {
        mw_fail(err, MW_EINVAL, "the data folder is where files are: there is no artifact store");
        return mw_err_hint(err, "name one: MILLWRIGHT_ARTIFACTS=s3://BUCKET/PREFIX or postgresql");
    }
    mw_status status = mw_backup_each(call->ctx, call->app->store, visit, &f, err);
    if (status) return status;
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_string(&w, "artifacts", mw_artifacts_label(call->app->artifacts));
    mw_json_add_int(&w, "put", f.n_put);
    mw_json_add_int(&w, "there", f.n_there);
    mw_json_add_int(&w, "elsewhere", f.n_missing);
    mw_json_object_end(&w);
    return MW_OK;
}

static void print(const mw_json *result, mw_buf *out) {
    const mw_str label = mw_json_string(mw_json_get(result, "artifacts"), "");
    mw_buf_printf(out, "%.*s: %lld put, %lld there already, %lld not in this data folder\n",
                  (int)label.size, label.data,
                  (long long)mw_json_int(mw_json_get(result, "put"), 0),
                  (long long)mw_json_int(mw_json_get(result, "there"), 0),
                  (long long)mw_json_int(mw_json_get(result, "elsewhere"), 0));
}

static const char *const examples[] = {"millwright artifacts --artifacts s3://plant/millwright",
                                       NULL};

const mw_op mw_op_artifacts = {
    .name = "artifacts",
    .verb = "artifacts",
    .area = "service",
    .role = MW_ROLE_ADMIN,
    .kind = MW_OP_QUICK,
    .summary = "Put the files of this data folder into the artifact store",
    .help = "Files of datasets and models that records name and the artifact store lacks: once, "
            "when MILLWRIGHT_ARTIFACTS is set on a plant that has data, and after a restore. "
            "Servers may run meanwhile; what is there already is not sent again.",
    .examples = examples,
    .prepare = prepare,
    .print = print,
};
