/* op_telemetry.c -- POST /telemetry: rows of an organization's machines, on disk when it answers. */
#include <string.h>

#include "run/op/app.h"

/* In the order of mw_live_form. */
static const char *const takes[] = {"application/json", "text/csv",
                                    "application/vnd.apache.arrow.stream", NULL};

static mw_live_form form_of(const char *type) {
    for (int form = MW_LIVE_JSON; form < MW_LIVE_ARROW; form++)
        if (strcmp(type, takes[form]) == 0) return (mw_live_form)form;
    return MW_LIVE_ARROW;
}

static void write_outcome(const mw_telemetry_outcome *outcome, mw_buf *out) {
    mw_json_writer w;
    mw_json_writer_init(&w, out, 0);
    mw_json_object(&w);
    mw_json_add_int(&w, "accepted", outcome->accepted);
    mw_json_add_int(&w, "late", outcome->late);
    mw_json_add_int(&w, "repeated", outcome->repeated);
    mw_json_add_int(&w, "unusable", outcome->unusable);
    if (outcome->n_reasons) {
        mw_json_key(&w, "reasons");
        mw_json_array(&w);
        for (int i = 0; i < outcome->n_reasons; i++) mw_json_write_string(&w, outcome->reasons[i]);
        mw_json_array_end(&w);
    }
    mw_json_add_int(&w, "config_version", outcome->config_version);
    mw_json_object_end(&w);
}

static mw_status prepare(const mw_call *call, mw_buf *out, mw_err *err) {
    mw_telemetry_outcome outcome;
    if (!call->body) return mw_fail(err, MW_EINVAL, "there are no rows");
    mw_status status = mw_telemetry_add(call->ctx, call->app->telemetry, form_of(call->body->type),
                                        call->body->bytes, &outcome, err);
    if (!status) write_outcome(&outcome, out);
    return status;
}

static const mw_field body_fields[] = {
    {.name = "rows",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_OBJECT,
     .help =
         "objects with a time, a device and the columns of the configuration; null, or a column "
         "that is not there: missing"},
    {0}};

static const mw_field result[] = {
    {.name = "accepted", .type = MW_FIELD_INTEGER, .help = "rows that are on disk and used"},
    {.name = "late",
     .type = MW_FIELD_INTEGER,
     .help = "rows older than their device's newest by more than the lateness: not used"},
    {.name = "repeated",
     .type = MW_FIELD_INTEGER,
     .help = "rows of a device and time that are there already: not used"},
    {.name = "unusable",
     .type = MW_FIELD_INTEGER,
     .help = "rows without a time or device, or with a cell that is no number"},
    {.name = "reasons",
     .type = MW_FIELD_ARRAY,
     .items = MW_FIELD_STRING,
     .optional = true,
     .help = "of the first unusable rows"},
    {.name = "config_version",
     .type = MW_FIELD_INTEGER,
     .help = "version of the configuration that the rows were read with"},
    {0}};

static const mw_status errors[] = {MW_EPARSE,       MW_EINVAL, MW_EDATA, MW_ECONFLICT, MW_ETOOLARGE,
                                   MW_EUNSUPPORTED, MW_EBUSY,  MW_EIO,   MW_OK};

const mw_op mw_op_telemetry = {
    .name = "telemetry",
    .method = "POST",
    .path = "/telemetry",
    .area = "live",
    .role = MW_ROLE_OPERATOR,
    .kind = MW_OP_QUICK,
    .takes = takes,
    .takes_fields = body_fields,
    .takes_example = "{\"rows\":[{\"time\":\"2026-03-01T00:00:00Z\",\"device\":\"M1\","
                     "\"temperature\":61.2,\"pressure\":null}]}",
    .summary = "Send rows of machines as they come",
    .help =
        "Columns, time and device are those of the organization's newest feature configuration. "
        "Times are RFC 3339 texts, or seconds to nanoseconds since 1970. The answer comes when the "
        "rows are on disk; the features of each device are up to date then. Rows of one request "
        "count as having come in the order of their times. At most 20,000 rows and 8 MiB a "
        "request. CSV has a header; an Arrow stream has timestamp[us], double, float, bool, string "
        "and dictionary columns.",
    .result = result,
    .example =
        "{\"accepted\":998,\"late\":1,\"repeated\":0,\"unusable\":1,\"reasons\":[\"row 17: it "
        "has no time\"],\"config_version\":3}",
    .errors = errors,
    .prepare = prepare,
};
