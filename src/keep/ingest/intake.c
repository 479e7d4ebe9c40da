/* intake.c -- see intake.h. */
#include "keep/ingest/intake.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/drift.h"

/* ---- refused rows ---- */

static mw_status pass_refused(mw_intake *intake, const mw_lane *lane, const mw_reader_place *place,
                              mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < lane->n_bad && status == MW_OK; i++)
        status = intake->refused(intake->self, place->first_line + lane->bad[i].line, &lane->bad[i],
                                 err);
    /* Only a broken row at the very end can be the work of a cut. */
    if (lane->n_records) intake->last_bad_line = 0;
    if (lane->n_bad && lane->n_records) {
        const mw_bad_row *last = &lane->bad[lane->n_bad - 1];
        if (last->broken && last->ordinal == lane->n_records - 1)
            intake->last_bad_line = place->first_line + last->line;
    }
    return status;
}

/* ---- codes ---- */

static mw_status map_texts(mw_intake *intake, mw_lane *lane, mw_err *err) {
    const mw_plan *plan = lane->plan;
    mw_status status = MW_OK;
    for (int32_t c = 0; c < plan->n_cells && status == MW_OK; c++) {
        if (plan->cells[c].type != MW_DICTIONARY) continue;
        int32_t column = plan->cells[c].column;
        for (size_t i = 0; i < lane->n_chunks && status == MW_OK; i++)
            status = mw_texts_remap(&lane->texts[c], intake->schema->columns[column].dictionary,
                                    lane->chunks[i]->columns[column].codes, lane->chunks[i]->n_rows,
                                    err);
    }
    return status;
}

/* ---- parameters ---- */

static mw_status find_parameter(mw_intake *intake, int32_t first, mw_str name, int32_t *ret,
                                mw_err *err) {
    mw_schema *schema = intake->schema;
    if (intake->args) name = mw_drift_rename(intake->args, name);
    *ret = mw_schema_find(schema, name);
    if (*ret >= 0) return MW_OK;
    if (schema->n_columns - first < (int32_t)MW_LIMIT(PARAMETERS))
        return mw_schema_add(schema, name, MW_FLOAT64, ret, err);
    mw_fail(err, MW_ETOOLARGE, "there are more than %lld parameters",
            (long long)MW_LIMIT(PARAMETERS));
    return mw_err_hint(err, "Is the `parameter` column the right one?");
}

/* Columns for parameters that good rows have first in this lane; remap becomes their number in the schema. */
static mw_status map_parameters(mw_intake *intake, mw_lane *lane, mw_err *err) {
    mw_texts *parameters = &lane->parameters;
    int32_t first = 1 + lane->plan->n_labels, n = mw_dictionary_size(parameters->dictionary);
    mw_status status = MW_OK;
    for (int64_t i = 0; i < lane->n_readings && parameters->n_mapped < n; i++) {
        int32_t code = lane->codes[i];
        if (parameters->remap[code] >= 0) continue;
        status = find_parameter(intake, first, mw_dictionary_text(parameters->dictionary, code),
                                &parameters->remap[code], err);
        if (status != MW_OK) return status;
        parameters->n_mapped++;
    }
    intake->sink.n_parameters = intake->schema->n_columns - first;
    return MW_OK;
}

static mw_status room_to_order(mw_intake *intake, int32_t n, mw_err *err) {
    if (n <= intake->order_capacity) return MW_OK;
    mw_free(intake->order);
    intake->order_capacity = 0;
    intake->order = mw_alloc_array(intake->ctx->mem, (size_t)n, sizeof *intake->order);
    if (!intake->order) return mw_fail_nomem(err, "the columns of a file");
    intake->order_capacity = n;
    return MW_OK;
}

/* As many columns as the schema has; those behind the chunk's own are without values. */
static mw_status widen_chunk(const mw_intake *intake, mw_chunk **chunk, mw_err *err) {
    const mw_schema *schema = intake->schema;
    mw_type *types = mw_alloc_array(intake->ctx->mem, (size_t)schema->n_columns, sizeof *types);
    if (!types) return mw_fail_nomem(err, "the columns of a file");
    for (int32_t i = 0; i < schema->n_columns; i++) types[i] = schema->columns[i].type;
    mw_chunk *wide;
    mw_status status =
        mw_chunk_new(intake->ctx->mem, types, schema->n_columns, (*chunk)->n_rows, &wide, err);
    mw_free(types);
    if (status != MW_OK) return status;
    mw_chunk_append(wide, *chunk, 0, (*chunk)->n_rows);
    mw_chunk_free(*chunk);
    *chunk = wide;
    return MW_OK;
}

/*
 * Brings a long chunk's columns, which stand in the lane's order of parameters, into the schema's. A lane that has not met all
 * parameters has columns without values for the others, given to it beforehand.
 */
static mw_status order_columns(mw_intake *intake, const mw_lane *lane, mw_chunk **chunk,
                               mw_err *err) {
    int32_t first = 1 + lane->plan->n_labels, n = intake->schema->n_columns;
    int32_t known = mw_dictionary_size(lane->parameters.dictionary);
    bool in_place = true;
    for (int32_t i = 0; i < known && in_place; i++)
        in_place = lane->parameters.remap[i] == first + i;
    if (in_place && (*chunk)->n_columns == n) return MW_OK;
    mw_status status = MW_OK;
    int32_t own = (*chunk)->n_columns;
    if (own < n) status = widen_chunk(intake, chunk, err);
    if (status == MW_OK) status = room_to_order(intake, (*chunk)->n_columns, err);
    if (status != MW_OK) return status;
    mw_chunk_column *order = intake->order, *columns = (*chunk)->columns;
    int32_t total = (*chunk)->n_columns, spare = first;
    memset(order, 0, (size_t)total * sizeof *order);
    for (int32_t i = 0; i < known; i++)
        if (lane->parameters.remap[i] >= 0) order[lane->parameters.remap[i]] = columns[first + i];
    for (int32_t c = first; c < n; c++) {
        if (order[c].data) continue;
        while (spare - first < known && lane->parameters.remap[spare - first] >= 0) spare++;
        order[c] = columns[spare++];
    }
    memcpy(columns + first, order + first, (size_t)(n - first) * sizeof *order);
    (*chunk)->n_columns = n;
    return MW_OK;
}

/* ---- lanes ---- */

/* "plant.csv 412 MB/s, 1204133 rows, 3 rejected" */
static void report(const mw_intake *intake, const mw_reader_place *place) {
    char stage[160];
    double bytes = (double)place->stored;
    double us = (double)(mw_clock_monotonic(intake->ctx->clock) - intake->started_us) + 1;
    (void)snprintf(stage, sizeof stage, "%.48s %.0f MB/s, %lld rows, %lld rejected", intake->name,
                   bytes / us, (long long)intake->n_records, (long long)intake->n_refused);
    mw_ctx_report(intake->ctx, stage, bytes, (double)mw_source_total(intake->source));
}

static mw_status hand_on(mw_intake *intake, mw_lane *lane, const mw_reader_place *place,
                         mw_err *err) {
    const mw_profile *profile = lane->plan->profile;
    bool numbered = profile->stamp < 0 && profile->date < 0;
    mw_status status = map_texts(intake, lane, err);
    for (size_t i = 0; i < lane->n_chunks && status == MW_OK; i++) {
        if (lane->plan->is_long) status = order_columns(intake, lane, &lane->chunks[i], err);
        if (status != MW_OK) break;
        mw_chunk *chunk = lane->chunks[i];
        lane->chunks[i] = NULL;
        for (int64_t r = 0; numbered && r < chunk->n_rows; r++)
            chunk->columns[0].time[r] += place->first_record * MW_ROW_SECOND_US;
        status = intake->add(intake->self, chunk, err);
    }
    if (status == MW_OK) lane->n_chunks = 0;
    return status;
}

static mw_status take(void *self, mw_lane *lane, const mw_reader_place *place, mw_err *err) {
    mw_intake *intake = self;
    mw_status status = pass_refused(intake, lane, place, err);
    intake->n_records += lane->n_records;
    intake->n_refused += (int64_t)lane->n_bad;
    report(intake, place);
    if (status == MW_OK && lane->plan->is_long) status = map_parameters(intake, lane, err);
    if (status == MW_OK) status = hand_on(intake, lane, place, err);
    while (lane->plan->is_long && lane->n_pivoted < lane->n_readings && status == MW_OK) {
        status = mw_lane_pivot_next(lane, err);
        if (status == MW_OK) status = hand_on(intake, lane, place, err);
    }
    intake->n_collisions += lane->n_collisions;
    return status;
}

void mw_intake_init(mw_intake *intake, const mw_ctx *ctx, mw_reader *reader, mw_schema *schema) {
    *intake = (mw_intake){.ctx = ctx,
                          .reader = reader,
                          .schema = schema,
                          .started_us = mw_clock_monotonic(ctx->clock),
                          .source = mw_reader_source(reader),
                          .name = mw_reader_name(reader)};
    intake->sink.take = take;
    intake->sink.self = intake;
}

void mw_intake_done(mw_intake *intake) { intake->order = mw_free(intake->order); }
