/* judged_rows.c -- see judged_rows.h. */
#include "run/live/judged_rows.h"

#include <string.h>

#include "core/text/datetime.h"
#include "keep/ingest/quality.h"
#include "learn/feature/reach.h"
#include "learn/feature/usual.h"

enum { ROWS_MAX = 8192 }; /* judged at once */

typedef struct device {
    int64_t last; /* time of its newest row; MW_TIME_NONE: none yet */
    mw_usual usual;
} device;

struct mw_judged {
    const mw_ctx *ctx;
    const mw_program *program;
    const mw_args *args;
    mw_quality *quality; /* NULL before the first rows */
    mw_schema *schema;   /* time, devices if there are any, inputs */
    int32_t first;       /* column of the first input */
    mw_chunk *chunk;     /* of room rows */
    uint32_t *chosen;    /* [room] rows */
    int64_t room;
    int64_t number;  /* mw_judged_mark */
    device *devices; /* [n_devices] */
    int32_t n_devices;
};

/* ---- life ---- */

mw_status mw_judged_new(const mw_ctx *ctx, const mw_program *program, const mw_args *args,
                        mw_judged **ret, mw_err *err) {
    mw_judged *j = mw_calloc(ctx->mem, 1, sizeof *j);
    if (!j) return mw_fail_nomem(err, "sensor quality");
    *j = (mw_judged){.ctx = ctx, .program = program, .args = args};
    mw_status status = mw_schema_new(ctx->mem, &j->schema, err);
    /* What cannot be judged is told before rows are read. */
    if (!status) status = mw_quality_new(ctx, j->schema, -1, args, &j->quality, err);
    j->quality = mw_quality_free(j->quality);
    if (status)
        mw_judged_free(j);
    else
        *ret = j;
    return status;
}

void *mw_judged_free(mw_judged *judged) {
    if (!judged) return NULL;
    mw_quality_free(judged->quality);
    mw_schema_free(judged->schema);
    mw_chunk_free(judged->chunk);
    mw_free(judged->chosen);
    mw_free(judged->devices);
    return mw_free(judged);
}

/* Columns that are no inputs have names that none can have. */
static mw_status make_schema(mw_judged *j, bool has_devices, mw_err *err) {
    int32_t column;
    mw_status status = mw_schema_add(j->schema, MW_STR(""), MW_TIMESTAMP, &column, err);
    if (!status && has_devices)
        status = mw_schema_add(j->schema, MW_STR("\xFF"), MW_DICTIONARY, &column, err);
    j->first = has_devices ? 2 : 1;
    for (int32_t c = 0; c < j->program->n_inputs && !status; c++)
        status =
            mw_schema_add(j->schema, mw_str_of(j->program->inputs[c]), MW_FLOAT64, &column, err);
    return status;
}

/* Room for n rows, and at most for those that are judged at once. */
static mw_status make_room(mw_judged *j, int64_t n, mw_err *err) {
    const int32_t columns = j->schema->n_columns;
    if (n > ROWS_MAX) n = ROWS_MAX;
    if (n <= j->room) return MW_OK;
    j->chunk = mw_chunk_free(j->chunk);
    mw_free(j->chosen);
    j->room = 0;
    j->chosen = mw_alloc_array(j->ctx->mem, (size_t)n, sizeof *j->chosen);
    mw_type *types = mw_alloc_array(j->ctx->mem, (size_t)columns, sizeof *types);
    mw_status status = types && j->chosen ? MW_OK : mw_fail_nomem(err, "sensor quality");
    for (int32_t c = 0; c < columns && !status; c++) types[c] = j->schema->columns[c].type;
    if (!status) status = mw_chunk_new(j->ctx->mem, types, columns, n, &j->chunk, err);
    mw_free(types);
    if (!status) j->room = n;
    return status;
}

static mw_status begin(mw_judged *j, bool has_devices, mw_err *err) {
    if (j->quality) return MW_OK;
    mw_status status = make_schema(j, has_devices, err);
    if (!status)
        status = mw_quality_new(j->ctx, j->schema, has_devices ? 1 : -1, j->args, &j->quality, err);
    if (!status) mw_quality_mark(j->quality, j->number);
    return status;
}

/* Devices have the same numbers here as there. */
static mw_status add_devices(mw_judged *j, const mw_dictionary *names, mw_err *err) {
    const int32_t n = names ? mw_dictionary_size(names) : 1;
    mw_dictionary *own = names ? j->schema->columns[1].dictionary : NULL;
    int32_t code;
    mw_status status = MW_OK;
    for (int32_t i = own ? mw_dictionary_size(own) : n; i < n && !status; i++)
        status = mw_dictionary_add(own, mw_dictionary_text(names, i), &code, err);
    if (status || n <= j->n_devices) return status;
    const int32_t room = n + n / 2;
    device *more = mw_realloc(j->ctx->mem, j->devices, (size_t)room * sizeof *more);
    if (!more) return mw_fail_nomem(err, "sensor quality");
    j->devices = more;
    for (; j->n_devices < room; j->n_devices++)
        j->devices[j->n_devices] = (device){.last = MW_TIME_NONE};
    return MW_OK;
}

/* ---- rows ---- */

/* Whether the row is its device's newest. */
static bool take(mw_judged *j, const mw_stream_rows *rows, int64_t i) {
    const int32_t number = rows->devices ? rows->devices[i] : 0;
    const int64_t time = rows->times[i];
    if (number < 0 || number >= j->n_devices || time == MW_TIME_NONE) return false;
    device *d = &j->devices[number];
    if (d->last != MW_TIME_NONE && time <= d->last) return false;
    if (d->last != MW_TIME_NONE) mw_usual_add(&d->usual, time - d->last);
    d->last = time;
    return true;
}

static mw_status judge(mw_judged *j, const mw_stream_rows *rows, int64_t n, mw_err *err) {
    mw_chunk_column *columns = j->chunk->columns;
    const int32_t *devices = j->first == 2 ? rows->devices : NULL;
    for (int64_t i = 0; i < n; i++) columns[0].time[i] = rows->times[j->chosen[i]];
    for (int64_t i = 0; devices && i < n; i++) columns[1].codes[i] = devices[j->chosen[i]];
    for (int32_t c = 0; c < j->program->n_inputs; c++) {
        const double *from = rows->columns[c];
        double *to = columns[j->first + c].number;
        for (int64_t i = 0; i < n; i++) to[i] = from[j->chosen[i]];
    }
    j->chunk->n_rows = n;
    return mw_quality_add(j->quality, j->chunk, err);
}

mw_status mw_judged_add(mw_judged *j, const mw_stream_rows *rows, const mw_dictionary *names,
                        mw_err *err) {
    mw_status status = begin(j, rows->devices != NULL, err);
    if (!status) status = make_room(j, rows->n, err);
    if (!status) status = add_devices(j, names, err);
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n && !status; i++) {
        if (take(j, rows, i)) j->chosen[n++] = (uint32_t)i;
        if (n < j->room) continue;
        status = judge(j, rows, n, err);
        n = 0;
    }
    return status || n == 0 ? status : judge(j, rows, n, err);
}

/* ---- the end ---- */

static mw_status flag_outputs(mw_judged *j, mw_flagged_list *inputs, uint32_t bits, bool together,
                              mw_flagged_list *ret, mw_err *err) {
    int64_t *distances = mw_alloc_array(j->ctx->mem, (size_t)j->n_devices + 1, sizeof *distances);
    if (!distances) return mw_fail_nomem(err, "sensor quality");
    for (int32_t d = 0; d < j->n_devices; d++)
        distances[d] = mw_usual_distance(&j->devices[d].usual);
    const mw_flagged_options options = {
        .distances = distances, .bits = bits, .clock_bits = MW_QUALITY_CLOCK, .together = together};
    mw_status status = mw_flagged_outputs(j->ctx, j->program, inputs, &options, ret, err);
    mw_free(distances);
    return status;
}

mw_status mw_judged_finish(mw_judged *j, uint32_t bits, bool together, mw_flagged_list *ret,
                           mw_err *err) {
    mw_table *table = NULL;
    mw_flagged_list inputs = {.mem = j->ctx->mem};
    if (!j->quality) return MW_OK; /* no rows */
    const mw_flagged_devices devices = {j->first == 2 ? j->schema->columns[1].dictionary : NULL,
                                        -1};
    mw_status status = mw_quality_finish(j->quality, &table, err);
    if (!status)
        status = mw_flagged_read(table, j->program->inputs, j->program->n_inputs, &devices, &inputs,
                                 err);
    mw_table_free(table);
    if (!status) status = flag_outputs(j, &inputs, bits, together, ret, err);
    mw_flagged_done(&inputs);
    return status;
}

/* ---- rows that have no end ---- */

void mw_judged_mark(mw_judged *j, int64_t number) {
    j->number = number;
    if (j->quality) mw_quality_mark(j->quality, number);
}

mw_status mw_judged_told(const mw_judged *j, int64_t number, mw_table **ret, mw_err *err) {
    *ret = NULL;
    return j->quality ? mw_quality_told(j->quality, number, ret, err) : MW_OK;
}

mw_status mw_judged_known(const mw_judged *j, const int32_t *devices, size_t n, mw_table **ret,
                          mw_err *err) {
    *ret = NULL;
    return j->quality ? mw_quality_known(j->quality, devices, n, ret, err) : MW_OK;
}

int64_t mw_judged_distance(const mw_judged *j, int32_t number) {
    return number >= 0 && number < j->n_devices ? mw_usual_distance(&j->devices[number].usual) : 0;
}

mw_status mw_judged_forget(mw_judged *j, int64_t number, mw_err *err) {
    mw_reaches *reaches;
    int64_t distance = 0, most = 0;
    if (!j->quality) return MW_OK;
    for (int32_t d = 0; d < j->n_devices; d++) {
        const int64_t one = mw_judged_distance(j, d);
        if (one > distance) distance = one;
    }
    mw_status status = mw_reaches_new(j->ctx->mem, j->program, distance, true, &reaches, err);
    if (status) return status;
    for (size_t i = 0; i < reaches->ends[0]; i++)
        if (reaches->items[i].most_us > most) most = reaches->items[i].most_us;
    mw_reaches_free(reaches);
    mw_quality_forget(j->quality, number, most);
    return MW_OK;
}

typedef struct saved_judged {
    int64_t has_rows, number, n_devices, device_bytes;
} saved_judged;

mw_status mw_judged_save(const mw_judged *j, mw_stream_sink sink, mw_err *err) {
    const saved_judged head = {j->quality != NULL, j->number, j->n_devices, sizeof *j->devices};
    mw_status status = sink.put(sink.self, &head, sizeof head, err);
    if (status || !j->quality) return status;
    if (j->n_devices)
        status = sink.put(sink.self, j->devices, (size_t)j->n_devices * sizeof *j->devices, err);
    return status ? status : mw_quality_save(j->quality, sink, err);
}

static mw_status fail_bytes(mw_err *err) {
    return mw_fail(err, MW_EDATA, "the saved state of judged rows is damaged");
}

mw_status mw_judged_load(mw_judged *j, const mw_dictionary *names, mw_str bytes, mw_err *err) {
    saved_judged head;
    if (bytes.size < sizeof head) return fail_bytes(err);
    memcpy(&head, bytes.data, sizeof head);
    bytes = (mw_str){bytes.data + sizeof head, bytes.size - sizeof head};
    j->number = head.number;
    if (!head.has_rows) return bytes.size ? fail_bytes(err) : MW_OK;
    if (head.device_bytes != sizeof *j->devices || head.n_devices < 0 ||
        head.n_devices > INT32_MAX || (uint64_t)head.n_devices > bytes.size / sizeof *j->devices)
        return fail_bytes(err);
    mw_status status = begin(j, true, err);
    if (!status) status = add_devices(j, names, err);
    if (status) return status;
    const int32_t n =
        (int32_t)head.n_devices < j->n_devices ? (int32_t)head.n_devices : j->n_devices;
    if (n) memcpy(j->devices, bytes.data, (size_t)n * sizeof *j->devices);
    for (int32_t d = 0; d < n; d++)
        if (j->devices[d].usual.n < 0 || j->devices[d].usual.n >= MW_USUAL_DISTANCES)
            return fail_bytes(err);
    const size_t taken = (size_t)head.n_devices * sizeof *j->devices;
    bytes = (mw_str){bytes.data + taken, bytes.size - taken};
    status = mw_quality_load(j->quality, &bytes, err);
    return !status && bytes.size ? fail_bytes(err) : status;
}
