/*
 * generator.c -- writes a profile's readings as long CSV, one file per seven days, and the truth
 * about its faults. Rows are in order of time, then machine, then parameter.
 */
#include "keep/ingest/generator.h"

#include <stdio.h>

#include "core/base/limits.h"
#include "core/text/csv.h"
#include "core/text/datetime.h"
#include "core/text/number.h"
#include "keep/ingest/miner_long.h"

enum { FLUSH_BYTES = 1 << 16, DAYS_PER_FILE = 7 };

static const int64_t day_us = INT64_C(86400000000);

static const char *const profiles[] = {"miner-long", NULL};

const mw_param mw_generate_params[] = {
    {.name = "profile",
     .type = MW_PARAM_ENUM,
     .def = "miner-long",
     .choices = profiles,
     .flags = MW_PARAM_BODY,
     .help = "Which plant: miner-long is a mine's trucks, excavators, loaders and drills."},
    {.name = "days",
     .type = MW_PARAM_INT,
     .def = "14",
     .min = 1,
     .max = 3660,
     .flags = MW_PARAM_BODY,
     .unit = "days",
     .help = "Length of the record."},
    {.name = "machines",
     .type = MW_PARAM_INT,
     .def = "6",
     .min = 1,
     .max = 1000,
     .flags = MW_PARAM_BODY,
     .help = "Number of machines."},
    {.name = "interval",
     .type = MW_PARAM_DURATION,
     .def = "5min",
     .min = 1e6,
     .max = 8.64e10,
     .flags = MW_PARAM_BODY,
     .help = "Time between two readings of a machine."},
    {.name = "seed",
     .type = MW_PARAM_INT,
     .def = "42",
     .min = 0,
     .max = 9007199254740991,
     .flags = MW_PARAM_BODY,
     .help = "The same seed writes the same bytes on every machine."},
    {.name = "start",
     .type = MW_PARAM_TIME,
     .def = "2026-01-05T00:00:00Z",
     .flags = MW_PARAM_BODY,
     .help = "Time of the first reading (UTC)."},
    {0},
};

typedef struct plant_writer {
    const mw_ctx *ctx;
    mw_dir *out;
    mw_miner_plan plan;
    mw_miner_machine *machines; /* [n_machines] */
    mw_miner_fault *faults;     /* [n_faults] */
    size_t n_faults;
    size_t *next_fault; /* [n_machines] index of faults */
    mw_file *file;      /* open one, or NULL */
    mw_buf buf;
    int64_t n_rows, n_files;
} plant_writer;

/* "2026-01-05 06:05:00", with as many decimals as needed. */
static size_t print_stamp(int64_t time_us, char out[MW_TIME_TEXT_MAX]) {
    size_t size = mw_time_print(time_us, out) - 1; /* without the Z */
    out[size] = '\0';
    out[10] = ' ';
    return size;
}

static mw_status flush(plant_writer *writer, mw_err *err) {
    mw_status status = mw_buf_status(&writer->buf, "generated rows", err);
    if (status == MW_OK)
        status = mw_file_write(writer->file, mw_buf_text(&writer->buf), writer->buf.size, err);
    mw_buf_clear(&writer->buf);
    return status;
}

static mw_status end_file(plant_writer *writer, mw_err *err) {
    if (!writer->file) return MW_OK;
    mw_status status = flush(writer, err);
    if (status != MW_OK) return status;
    mw_file *file = writer->file;
    writer->file = NULL;
    writer->n_files++;
    return mw_file_commit(file, err);
}

static mw_status begin_file(plant_writer *writer, int64_t time_us, mw_err *err) {
    char stamp[MW_TIME_TEXT_MAX], name[64];
    print_stamp(time_us, stamp);
    snprintf(name, sizeof name, "miner-long-%.10s.csv", stamp);
    mw_status status = mw_file_create(writer->ctx, writer->out, name, &writer->file, err);
    mw_buf_add(&writer->buf, "timestamp,date,time,device_id,device_name,employee_id,employee_name,"
                             "category,parameter,value\n");
    return status;
}

/* Faults are sorted by machine and start, so each machine keeps its place among them. */
static const mw_miner_fault *fault_at(plant_writer *writer, int32_t machine, int64_t step) {
    size_t *at = &writer->next_fault[machine];
    while (*at < writer->n_faults &&
           (writer->faults[*at].machine < machine ||
            (writer->faults[*at].machine == machine && writer->faults[*at].end_step <= step)))
        ++*at;
    const mw_miner_fault *fault = *at < writer->n_faults ? &writer->faults[*at] : NULL;
    return fault && fault->machine == machine && fault->first_step <= step ? fault : NULL;
}

static void add_rows(plant_writer *writer, int32_t machine, int64_t time_us,
                     const mw_miner_reading *reading) {
    char stamp[MW_TIME_TEXT_MAX], lead[256];
    char device[MW_MINER_TEXT], device_name[MW_MINER_TEXT];
    char employee[MW_MINER_TEXT], employee_name[MW_MINER_TEXT];
    print_stamp(time_us, stamp);
    mw_miner_device(machine, device, device_name);
    mw_miner_employee(machine, time_us, employee, employee_name);
    snprintf(lead, sizeof lead, "%s,%.10s,%s,%s,%s,%s,%s,%s,", stamp, stamp, stamp + 11, device,
             device_name, employee, employee_name, mw_miner_category(machine));
    for (int p = 0; p < MW_MINER_PARAMETERS; p++) {
        if (reading->dropped[p]) continue;
        mw_buf_add(&writer->buf, lead);
        mw_buf_add(&writer->buf, mw_miner_parameters[p].name);
        mw_buf_add_char(&writer->buf, ',');
        if (!reading->empty[p]) mw_buf_add_number(&writer->buf, reading->values[p]);
        mw_buf_add_char(&writer->buf, '\n');
        writer->n_rows++;
    }
}

static mw_status write_step(plant_writer *writer, int64_t step, mw_err *err) {
    int64_t time_us = writer->plan.start_us + step * writer->plan.interval_us;
    for (int32_t m = 0; m < writer->plan.n_machines; m++) {
        mw_miner_reading reading;
        mw_miner_step(&writer->machines[m], &writer->plan, step, fault_at(writer, m, step),
                      &reading);
        if (!reading.silent) add_rows(writer, m, time_us, &reading);
        if (writer->buf.size < FLUSH_BYTES) continue;
        mw_status status = flush(writer, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

static mw_status write_readings(plant_writer *writer, mw_err *err) {
    const mw_miner_plan *plan = &writer->plan;
    const int64_t file_us = DAYS_PER_FILE * day_us;
    for (int64_t step = 0; step < plan->n_steps; step++) {
        int64_t since = step * plan->interval_us;
        mw_status status = step % 16 == 0 ? mw_ctx_check(writer->ctx, err) : MW_OK;
        bool next = step == 0 || since / file_us != (since - plan->interval_us) / file_us;
        if (status == MW_OK && next) status = end_file(writer, err);
        if (status == MW_OK && next) status = begin_file(writer, plan->start_us + since, err);
        if (status == MW_OK) status = write_step(writer, step, err);
        if (status != MW_OK) return status;
        if (step % 256 == 0)
            mw_ctx_report(writer->ctx, "generating", (double)step, (double)plan->n_steps);
    }
    return end_file(writer, err);
}

static void add_fault(mw_buf *buf, const mw_miner_plan *plan, const mw_miner_fault *fault) {
    char device[MW_MINER_TEXT], name[MW_MINER_TEXT];
    char start[MW_TIME_TEXT_MAX], end[MW_TIME_TEXT_MAX];
    const mw_miner_fault_kind *kind = mw_miner_fault_kind_of(fault);
    mw_miner_device(fault->machine, device, name);
    print_stamp(plan->start_us + fault->first_step * plan->interval_us, start);
    print_stamp(plan->start_us + fault->end_step * plan->interval_us, end);
    for (int i = 0; i < MW_MINER_FAULT_PARAMETERS; i++)
        if (kind->parameters[i] >= 0)
            mw_buf_printf(buf, "%s,%s,%s,%s,%s\n", device, kind->name,
                          mw_miner_parameters[kind->parameters[i]].name, start, end);
}

static mw_status write_labels(plant_writer *writer, mw_err *err) {
    mw_dir *labels;
    mw_status status = mw_dir_sub(writer->ctx, writer->out, "labels", MW_DIR_CREATE, &labels, err);
    if (status != MW_OK) return status;
    mw_buf *buf = &writer->buf;
    mw_buf_clear(buf);
    mw_buf_add(buf, "device_id,kind,parameter,start,end\n");
    for (size_t i = 0; i < writer->n_faults; i++) add_fault(buf, &writer->plan, &writer->faults[i]);
    status = mw_buf_status(buf, "fault labels", err);
    if (status == MW_OK)
        status =
            mw_file_replace(writer->ctx, labels, "faults.csv", mw_buf_text(buf), buf->size, err);
    mw_dir_close(labels);
    return status;
}

static mw_status begin(plant_writer *writer, const mw_args *args, mw_err *err) {
    mw_miner_plan *plan = &writer->plan;
    *plan = (mw_miner_plan){.seed = (uint64_t)mw_args_int(args, "seed"),
                            .start_us = mw_args_int(args, "start"),
                            .interval_us = mw_args_int(args, "interval"),
                            .n_machines = (int32_t)mw_args_int(args, "machines")};
    int64_t days = mw_args_int(args, "days");
    plan->n_steps = (days * day_us + plan->interval_us - 1) / plan->interval_us;
    if (plan->n_steps > MW_LIMIT(GENERATED_ROWS) / (plan->n_machines * MW_MINER_PARAMETERS)) {
        mw_fail(err, MW_ETOOLARGE, "that plant has more than %lld rows",
                (long long)MW_LIMIT(GENERATED_ROWS));
        return mw_err_hint(err, "Ask for fewer days or machines, or a longer interval.");
    }
    mw_buf_init(&writer->buf, writer->ctx->mem, (size_t)64 << 20);
    writer->n_faults = mw_miner_n_faults(plan);
    writer->faults = mw_alloc_array(writer->ctx->mem, writer->n_faults, sizeof *writer->faults);
    writer->machines =
        mw_alloc_array(writer->ctx->mem, (size_t)plan->n_machines, sizeof *writer->machines);
    writer->next_fault =
        mw_calloc(writer->ctx->mem, (size_t)plan->n_machines, sizeof *writer->next_fault);
    if (!writer->faults || !writer->machines || !writer->next_fault)
        return mw_fail_nomem(err, "generating a plant");
    writer->n_faults = mw_miner_place_faults(plan, writer->faults, writer->n_faults);
    for (int32_t m = 0; m < plan->n_machines; m++)
        mw_miner_machine_init(&writer->machines[m], plan, m);
    return MW_OK;
}

mw_status mw_generate(const mw_ctx *ctx, const mw_args *args, mw_dir *out, mw_json_writer *result,
                      mw_err *err) {
    plant_writer writer = {.ctx = ctx, .out = out};
    mw_status status = begin(&writer, args, err);
    if (status == MW_OK) status = write_readings(&writer, err);
    if (status == MW_OK) status = write_labels(&writer, err);
    if (status == MW_OK) {
        mw_json_object(result);
        mw_json_add_int(result, "files", writer.n_files);
        mw_json_add_int(result, "rows", writer.n_rows);
        mw_json_add_int(result, "machines", writer.plan.n_machines);
        mw_json_add_int(result, "days", mw_args_int(args, "days"));
        mw_json_add_int(result, "faults", (int64_t)writer.n_faults);
        mw_json_object_end(result);
    }
    mw_file_abort(writer.file);
    mw_buf_done(&writer.buf);
    mw_free(writer.faults);
    mw_free(writer.machines);
    mw_free(writer.next_fault);
    return status;
}
