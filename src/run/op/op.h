/*
 * op.h -- every operation, declared once: route, verb, parameters, result, role, functions.
 *
 * What      routes, command-line verbs, job kinds and api/openapi.json are all read from mw_ops[].
 *           Adding an operation is one file and one line in ops.c.
 * Phases    prepare (reads the store, answers or writes a job payload) -> work (files in, files
 * out; in a worker) -> commit (one fenced transaction). A quick operation has only prepare. Caller
 * a principal with a role stands in every call; on loopback without keys it is admin.
 */
#ifndef MW_RUN_OP_OP_H
#define MW_RUN_OP_OP_H

#include "core/param/param.h"
#include "run/job/job.h"

/* Each may do what those before it may, but for a worker, which may do nothing else than be one. */
typedef enum mw_role {
    MW_ROLE_VIEWER,
    MW_ROLE_OPERATOR,
    MW_ROLE_TRAINER,
    MW_ROLE_ADMIN,
    MW_ROLE_WORKER
} mw_role;

const char *mw_role_name(mw_role role);

typedef struct mw_principal {
    const char *name; /* "loopback", "cli", "key:{id}" */
    mw_role role;
    const char *org; /* the one it is bound to; NULL: every organization */
} mw_principal;

typedef struct mw_app mw_app;       /* the program's services; see app.h */
typedef struct mw_upload mw_upload; /* a received file; see upload.h */

/* A request's body as it came, for operations with `takes`. */
typedef struct mw_body {
    mw_str bytes;
    const char *type; /* the one of `takes` */
} mw_body;

typedef struct mw_call {
    const mw_ctx *ctx; /* ctx->org is the organization asked for */
    mw_app *app;
    mw_principal principal;
    const mw_args *args;
    const char *data_path; /* the data folder's; for local operations, which have no app */
    mw_upload *upload;   /* the request's body, finished, for operations with `upload`; else NULL */
    const mw_body *body; /* for those with `takes`; else NULL */
    mw_str if_match; /* the field If-Match, for those that read it; NULL data: none. See etag.h */
} mw_call;

/* JSON type of one member of a result, for the contract and the tests that hold answers against it.
 */
typedef enum mw_field_type {
    MW_FIELD_STRING,
    MW_FIELD_NUMBER,
    MW_FIELD_INTEGER,
    MW_FIELD_BOOL,
    MW_FIELD_TIME,
    MW_FIELD_OBJECT,
    MW_FIELD_ARRAY,
    MW_FIELD_MAP,
    MW_FIELD_ANY
} mw_field_type;

typedef struct mw_field {
    const char *name; /* NULL ends a table */
    mw_field_type type;
    bool nullable, optional;
    const struct mw_field
        *fields;                /* members of OBJECT, or of the items of ARRAY / MAP of objects */
    mw_field_type items;        /* ARRAY, MAP: what each holds */
    const char *const *choices; /* NULL-terminated, for STRING; NULL: any */
    const char *help;
} mw_field;

typedef enum mw_op_kind {
    MW_OP_QUICK, /* prepare answers; runs on a handler thread */
    MW_OP_LOOP,  /* prepare answers within 50 us without blocking; may run on an HTTP loop */
    MW_OP_JOB    /* prepare writes the payload; work and commit follow in a job */
} mw_op_kind;

enum { MW_OP_TABLES = 4, MW_EVENT_ID_MAX = 128 };

typedef struct mw_op {
    const char *name;   /* operationId and job kind: "summary" */
    const char *verb;   /* command-line verb, or NULL */
    const char *also;   /* another verb for it, or NULL */
    const char *method; /* "GET" | "POST" | ..., NULL: not reachable over HTTP */
    const char *path;   /* "/jobs/{id}" */
    const char *area;   /* tag in the contract: "service", "quick analytics", "jobs", "models" */
    mw_role role;       /* least role that may call it */
    mw_op_kind kind;
    bool public; /* needs no key, ever: /health, /models/status */
    int deadline_ms; /* HTTP: of waiting for a thread, and of what only reads while it runs (504); 0: 30 s. Set it
                      * only where stopping anywhere harms nothing */
    bool frequent;  /* what workers send all the time: not in the audit log, unless refused */
    bool exclusive; /* JOB: one at a time per organization */
    bool light;     /* JOB: as mw_job_kind.light */
    const char *
        copies; /* JOB: an HTTP parameter that says how many equal jobs are made; NULL: one. The last one's id is the answer */
    bool upload;    /* HTTP: the body is a file, parameters stand in the query; JOB only */
    bool makes_org; /* the organization need not be there before */
    bool tagged;    /* GET: answers have an ETag, and If-None-Match may be answered 304 */
    bool
        kept; /* GET, with `tagged`: organization, arguments and what the store records say all of the answer, so
                * it is given again until something in the store changes; any role that may call gets the same */
    bool reads_if_match;      /* call->if_match is set, and the operation heeds it (412) */
    const char *const *takes; /* HTTP: types of bodies that are handed over as they are, of up to
                               * MW_LIMIT(LIVE_BODY_BYTES), parameters stand in the query; NULL: JSON */
    const mw_field *takes_fields; /* of such a body in JSON */
    const char *takes_example;    /* of it, JSON text */
    bool local;                   /* command line only; may touch paths the caller names */
    const char *summary;          /* one line */
    const char *help;             /* a paragraph */
    const char *const *examples;  /* command lines, NULL-terminated; run as tests */
    const mw_param *params; /* ended by a NULL name; NULL: none. Read them with mw_op_params */
    const mw_param *more_params
        [MW_OP_TABLES];       /* further tables (a learner's, a source's) taken over as they are */
    const mw_field *result;   /* members of the answer; NULL with content_type other than JSON */
    bool result_is_array;     /* the answer is an array of such objects */
    const char *content_type; /* NULL: application/json */
    const char *example;      /* an answer, JSON text, for the contract; NULL: none */
    const mw_status *errors;  /* statuses it may give besides EINTERNAL, ended by MW_OK */
    /*
     * HTTP: called on a handler thread before prepare. True: the answer has to wait; prepare is called once ready(arg) was, from any thread and perhaps before
     * this returns, at most once and within deadline_ms. No thread is held meanwhile. NULL: never waits.
     */
    bool (*wait)(const mw_call *call, void (*ready)(void *arg), void *arg);
    /* Answers into out (JSON, or content_type), or for JOB writes the payload into out. */
    mw_status (*prepare)(const mw_call *call, mw_buf *out, mw_err *err);
    /*
     * A stream of server-sent events; NULL: none. An operation that has prepare as well gives events to whoever
     * sends Accept: text/event-stream, and prepare's answer to everybody else.
     *
     *   call            as prepare's; role and organization are checked, args are read once a stream
     *   last_event_id   the id of the last event that the client has: "" at the beginning of a stream without
     *                   the field Last-Event-ID, later what the run before wrote into last_id_out. A client may
     *                   send any text of less than MW_EVENT_ID_MAX bytes: one that the operation never gave is as "".
     *   out             whole events newer than that are added, each ending in an empty line, "id: 7\nevent:
     *                   progress\ndata: {...}\n\n" (data has no line ends: JSON as the writer makes it); none when there are none. At
     *                   most MW_LIMIT(EVENT_BYTES) together: leave later ones to the next run.
     *   last_id_out     [MW_EVENT_ID_MAX] holds last_event_id; written: the id of the last event added
     *   ret_end         false; set to true when nothing will follow: the stream is ended behind out. A client that
     *                   connects again is told so again: give it the last event, or nothing, and true.
     *
     * Called on a handler thread at once, soon after this process has written to the store, and every 250 ms in any case; once for all streams of
     * a loop that have the same route, arguments, organization, role and last_event_id: of call->principal only the role may matter. Not
     * while a client has yet to read: so give the state as it is now, not each step to it, where steps may be many.
     * It may read the store and must not wait. An error of the first run is the answer (404 for what is not there);
     * later it is an event `problem` with the problem as data, and the end. The server adds comments to
     * silent streams and `retry:` when it stops.
     */
    mw_status (*events)(const mw_call *call, mw_str last_event_id, mw_buf *out, char *last_id_out,
                        bool *ret_end, mw_err *err);
    mw_status (*work)(const mw_ctx *ctx, const mw_json *payload, mw_dir *work_dir, mw_buf *result,
                      mw_err *err);
    mw_status (*commit)(const mw_ctx *ctx, void *app, const mw_job_record *job, mw_dir *work_dir,
                        mw_buf *result, mw_err *err);
    /* Whether another job can go on with what a dead one left: as mw_job_kind.left; NULL: never. */
    bool (*left)(const mw_ctx *ctx, const mw_json *dead, const mw_json *next, mw_dir *work_dir);
    /* What a job of it reads: as mw_job_kind.reads; every JOB that waits for a worker has one. */
    mw_status (*reads)(const mw_ctx *ctx, const mw_json *payload, const mw_job_reads *to,
                       mw_err *err);
    /* Status the command line exits with after such an answer, for one that tells of trouble
     * (doctor); NULL: MW_OK. */
    mw_status (*verdict)(const mw_json *result);
    /* Writes what --help answers when these arguments narrow the question, else nothing; NULL: never. */
    void (*narrow_help)(const mw_args *args, mw_buf *out);
    /* Text for people on the command line; NULL: the generic printer. */
    void (*print)(const mw_json *result, mw_buf *out);
} mw_op;

extern const mw_op *const mw_ops[]; /* ends with NULL */

const mw_op *mw_op_by_verb(const char *verb);
const mw_op *mw_op_by_name(const char *name);

/* params and all of more_params as one table, ended by a NULL name; lives for ever. */
const mw_param *mw_op_params(const mw_op *op);

/* Job kinds of all JOB operations, ended by a NULL name; what mw_jobs_start and mw_worker_main
 * take. */
const mw_job_kind *mw_op_job_kinds(void);

/* MW_EDENIED when the role is too low. */
mw_status mw_op_check_role(const mw_op *op, const mw_principal *principal, mw_err *err);

/*
 * mw_op_call -- checks the role, runs a QUICK or LOOP operation, or submits a JOB operation.
 *
 *   out     the answer (QUICK, LOOP); for JOB nothing is written and job_id [32] is filled instead
 * What more than a viewer may do is written to the audit log, and what was refused.
 * Errors    the operation's; MW_EDENIED when the role is too low.
 */
mw_status mw_op_call(const mw_op *op, const mw_call *call, mw_buf *out, char *job_id, mw_err *err);

/* Checks the role and runs op->events; see there. */
mw_status mw_op_events(const mw_op *op, const mw_call *call, mw_str last_event_id, mw_buf *out,
                       char *last_id_out, bool *ret_end, mw_err *err);

/* The answer of GET /jobs/{id} for one record. */
void mw_op_write_job(const mw_job_record *job, mw_json_writer *writer);

/* api/openapi.json, from the tables: stable order, two-blank indent, one newline at the end. */
mw_status mw_op_write_openapi(mw_buf *out, mw_err *err);

#endif
