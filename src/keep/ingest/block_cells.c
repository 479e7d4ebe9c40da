/* block_cells.c -- see block.h: the columns of a strip of rows, one after the other. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"
#include "keep/ingest/block.h"

enum { CHUNK_ROWS = 1024, MAX_PIVOT_CELLS = 1 << 20, PIVOT_READINGS = 4096 };

/* ---- room ---- */

mw_status mw_lane_add_chunk(mw_lane *lane, mw_chunk *chunk, mw_err *err) {
    if (lane->n_chunks == lane->chunks_capacity) {
        size_t capacity = lane->chunks_capacity ? 2 * lane->chunks_capacity : 4;
        void *more = mw_realloc(lane->mem, lane->chunks, capacity * sizeof(mw_chunk *));
        if (!more) {
            mw_chunk_free(chunk);
            return mw_fail_nomem(err, "rows of a table");
        }
        lane->chunks = more;
        lane->chunks_capacity = capacity;
    }
    lane->chunks[lane->n_chunks++] = chunk;
    return MW_OK;
}

static mw_status reserve_readings(mw_lane *lane, int64_t n, mw_err *err) {
    if (lane->n_readings + n <= lane->readings_capacity) return MW_OK;
    int64_t capacity = lane->readings_capacity ? lane->readings_capacity : CHUNK_ROWS;
    while (capacity < lane->n_readings + n) capacity *= 2;
    size_t rows = (size_t)capacity;
    struct {
        void **data;
        size_t size;
    } all[MW_LABEL_N + 3] = {{(void **)&lane->times, sizeof *lane->times},
                             {(void **)&lane->codes, sizeof *lane->codes},
                             {(void **)&lane->values, sizeof *lane->values}};
    int n_all = 3;
    for (int32_t i = 0; i < lane->plan->n_labels; i++, n_all++) {
        all[n_all].data = (void **)&lane->labels[i];
        all[n_all].size = sizeof *lane->labels[i];
    }
    for (int i = 0; i < n_all; i++) {
        void *more = mw_realloc(lane->mem, *all[i].data, rows * all[i].size);
        if (!more) return mw_fail_nomem(err, "rows of a table");
        *all[i].data = more;
    }
    lane->readings_capacity = capacity;
    return MW_OK;
}

mw_status mw_lane__reserve(mw_lane *lane, size_t n, mw_err *err) {
    if (lane->plan->is_long) return reserve_readings(lane, (int64_t)n, err);
    mw_chunk *last = lane->n_chunks ? lane->chunks[lane->n_chunks - 1] : NULL;
    if (last && last->n_rows + (int64_t)n <= last->capacity) return MW_OK;
    size_t rows = last ? (size_t)last->capacity : lane->rows_expected;
    if (rows < n) rows = n;
    mw_chunk *chunk;
    mw_status status = mw_chunk_new(lane->mem, lane->plan->types, lane->plan->n_columns,
                                    (int64_t)rows, &chunk, err);
    if (status == MW_OK && last) lane->rows_before += last->n_rows;
    return status == MW_OK ? mw_lane_add_chunk(lane, chunk, err) : status;
}

/* ---- refusing ---- */

static mw_str raw_of(const mw_lane *lane, const mw_strip *strip, size_t row) {
    if (strip->raw) return strip->raw[row];
    size_t at = row * strip->stride, n = (size_t)lane->plan->n_fields;
    size_t begin = (size_t)(uint32_t)(strip->marks[at] + 1), end = strip->marks[at + n];
    if (end > begin && strip->text[end - 1] == '\r') end--;
    return (mw_str){strip->text + begin, end - begin};
}

/* A field for a message, doubled quotes once. */
static const char *show(const mw_lane *lane, const mw_strip *strip, mw_str field,
                        char out[MW_CELL_SHOWN]) {
    char quote = strip->quotes ? lane->plan->profile->dialect.quote : '\0';
    char text[4 * MW_CELL_SHOWN];
    size_t n = 0;
    if (!quote || !memchr(field.data, quote, field.size)) return mw_cell_show(field, out);
    for (size_t i = 0; i < field.size && n < sizeof text; i++) {
        text[n++] = field.data[i];
        i += field.data[i] == quote && i + 1 < field.size && field.data[i + 1] == quote;
    }
    return mw_cell_show((mw_str){text, n}, out);
}

/* The first reason of a row is the one that counts. */
static mw_status refuse(mw_lane *lane, const mw_strip *strip, size_t row, int32_t field,
                        const char *why, const mw_str *shown, mw_err *err) {
    if (lane->refused[row]) return MW_OK;
    lane->refused[row] = 1;
    lane->n_refused++;
    char text[MW_CELL_SHOWN], reason[MW_BLOCK_REASON];
    if (shown)
        (void)snprintf(reason, sizeof reason, "%s: \"%s\"", why, show(lane, strip, *shown, text));
    else
        (void)snprintf(reason, sizeof reason, "%s", why);
    mw_str raw = raw_of(lane, strip, row);
    uint64_t line = strip->lines ? strip->lines[row] : mw_lane__line_at(lane, raw.data);
    if (strip->raw) {
        raw.data = mw_arena_strndup(&lane->arena, raw.data, raw.size);
        if (!raw.data) return mw_fail_nomem(err, "refused rows");
    }
    mw_status status = mw_lane__refuse(lane, line, (uint32_t)field, reason, raw, false, err);
    if (status != MW_OK) return status;
    mw_bad_row *bad = &lane->bad[lane->n_bad - 1];
    bad->row = (int64_t)row; /* of the strip, for now */
    bad->ordinal += (int64_t)row;
    return MW_OK;
}

static mw_fields column_of(const mw_lane *lane, const mw_strip *strip, int32_t field) {
    return (mw_fields){.text = strip->text,
                       .marks = strip->marks + field,
                       .stride = strip->stride,
                       .n = strip->n,
                       .quote = strip->quotes ? lane->plan->profile->dialect.quote : '\0',
                       .cr = strip->cr && field == lane->plan->n_fields - 1};
}

/* ---- time ---- */

static bool read_date_and_clock(const mw_lane *lane, const mw_strip *strip, size_t row,
                                int64_t *ret_us, int32_t *ret_field) {
    const mw_profile *profile = lane->plan->profile;
    *ret_field = profile->date;
    mw_fields column = column_of(lane, strip, profile->date);
    mw_str date = mw_str_trim(mw_fields_at(&column, row));
    if (mw_cell_is_missing(date)) return false;
    if (profile->clock < 0)
        return mw_time_form_read(&profile->date_form, MW_TIME_STAMP, date.data, date.size, ret_us);
    column = column_of(lane, strip, profile->clock);
    mw_str clock = mw_str_trim(mw_fields_at(&column, row));
    int64_t day, since;
    /* A date may hold a whole stamp. */
    if (mw_cell_is_missing(clock) ||
        !mw_time_form_read(&lane->date_form, MW_TIME_DATE, date.data, date.size, &day))
        return mw_time_form_read(&profile->date_form, MW_TIME_STAMP, date.data, date.size, ret_us);
    *ret_field = profile->clock;
    if (!mw_time_form_read(&profile->clock_form, MW_TIME_CLOCK, clock.data, clock.size, &since))
        return false;
    *ret_us = day + since;
    if (profile->zone) *ret_us = mw_zone_to_utc(profile->zone, *ret_us, NULL);
    return true;
}

static mw_status refuse_time(mw_lane *lane, const mw_strip *strip, size_t row, int32_t field,
                             mw_err *err) {
    const mw_profile *profile = lane->plan->profile;
    mw_fields column = column_of(lane, strip, field);
    mw_str text = mw_fields_at(&column, row);
    if (mw_cell_is_missing(mw_str_trim(text)))
        return refuse(lane, strip, row, field, "no time", NULL, err);
    bool is_clock = field == profile->clock && field != profile->stamp;
    return refuse(lane, strip, row, field, is_clock ? "not a time of day" : "not a time stamp",
                  &text, err);
}

/* What the reader of the whole column left: padded stamps, and rows where date and time of day stand in. */
static mw_status read_odd_time(mw_lane *lane, const mw_strip *strip, size_t row, int64_t *out,
                               mw_err *err) {
    const mw_profile *profile = lane->plan->profile;
    int32_t field = profile->stamp;
    mw_str text = {0};
    if (field >= 0) {
        mw_fields column = column_of(lane, strip, field);
        text = mw_str_trim(mw_fields_at(&column, row));
        if (mw_time_form_read(&profile->stamp_form, MW_TIME_STAMP, text.data, text.size, out))
            return MW_OK;
    }
    bool missing = field < 0 || mw_cell_is_missing(text);
    if (missing && !lane->plan->learn && profile->date >= 0 &&
        read_date_and_clock(lane, strip, row, out, &field))
        return MW_OK;
    *out = MW_TIME_NONE;
    if (lane->plan->learn && missing) return MW_OK;
    if (!lane->plan->learn || profile->columns[field].decided)
        return refuse_time(lane, strip, row, field, err);
    lane->widened[lane->plan->n_cells] = 1;
    lane->any_widened = true;
    return MW_OK;
}

static mw_status read_time(mw_lane *lane, const mw_strip *strip, int64_t *out, mw_err *err) {
    const mw_profile *profile = lane->plan->profile;
    mw_status status = MW_OK;
    if (profile->stamp < 0 && profile->date < 0) {
        for (size_t i = 0; i < strip->n; i++)
            out[i] = (lane->n_records + (int64_t)i) * MW_ROW_SECOND_US;
        return MW_OK;
    }
    if (profile->stamp < 0) {
        for (size_t i = 0; i < strip->n && status == MW_OK; i++)
            status = read_odd_time(lane, strip, i, &out[i], err);
        return status;
    }
    mw_fields column = column_of(lane, strip, profile->stamp);
    size_t n_odd =
        mw_time_read_fields(&column, &profile->stamp_form, MW_TIME_STAMP, out, lane->odd);
    for (size_t i = 0; i < n_odd && status == MW_OK; i++)
        status = read_odd_time(lane, strip, lane->odd[i], &out[lane->odd[i]], err);
    return status;
}

/* ---- cells ---- */

static void widen(mw_lane *lane, size_t cell) {
    lane->widened[cell] = 1;
    lane->any_widened = true;
}

static mw_status read_odd_number(mw_lane *lane, const mw_strip *strip, size_t row,
                                 const mw_plan_column *cell, mw_str text, double *out,
                                 mw_err *err) {
    *out = MW_NAN;
    double value;
    bool learn = lane->plan->learn;
    mw_cell kind = mw_cell_read_as(&lane->rules, text, &value);
    if (kind == MW_CELL_NUMBER || (kind == MW_CELL_BOOL && (!learn || cell->decided))) *out = value;
    if (kind == MW_CELL_NUMBER || kind == MW_CELL_MISSING) return MW_OK;
    if (kind == MW_CELL_INFINITE)
        return learn ? MW_OK : refuse(lane, strip, row, cell->field, "not finite", &text, err);
    if (kind == MW_CELL_BOOL && (!learn || cell->decided)) return MW_OK;
    if (cell->decided) return refuse(lane, strip, row, cell->field, "not a number", &text, err);
    widen(lane, (size_t)(cell - lane->plan->cells));
    return MW_OK;
}

static void drop_marks(const mw_cell_rules *rules, double *out, size_t n) {
    for (size_t k = 0; k < rules->n_mark_values; k++)
        for (size_t i = 0; i < n; i++)
            if (out[i] == rules->mark_values[k]) out[i] = MW_NAN;
}

static mw_status read_numbers(mw_lane *lane, const mw_strip *strip, const mw_plan_column *cell,
                              double *out, mw_err *err) {
    mw_fields column = column_of(lane, strip, cell->field);
    size_t n_odd = mw_number_read_fields(&column, lane->rules.decimal, out, lane->odd);
    drop_marks(&lane->rules, out, strip->n);
    mw_status status = MW_OK;
    for (size_t i = 0; i < n_odd && status == MW_OK; i++) {
        size_t row = lane->odd[i];
        status =
            read_odd_number(lane, strip, row, cell, mw_fields_at(&column, row), &out[row], err);
    }
    return status;
}

static void set_bit(uint8_t *bits, int64_t at, bool value) {
    bits[at / 8] = (uint8_t)((bits[at / 8] & ~(1u << (at % 8))) | (unsigned)value << (at % 8));
}

static mw_status read_bools(mw_lane *lane, const mw_strip *strip, const mw_plan_column *cell,
                            mw_chunk_column *to, int64_t at, mw_err *err) {
    mw_fields column = column_of(lane, strip, cell->field);
    mw_status status = MW_OK;
    for (size_t i = 0; i < strip->n && status == MW_OK; i++) {
        double value = 0;
        mw_str text = mw_fields_at(&column, i);
        mw_cell kind = mw_cell_read_as(&lane->rules, text, &value);
        bool binary = kind == MW_CELL_NUMBER && (value == 0.0 || value == 1.0);
        bool good = kind == MW_CELL_BOOL || (cell->decided && binary);
        set_bit(to->validity, at + (int64_t)i, good);
        set_bit(to->bits, at + (int64_t)i, good && value > 0);
        if (good || kind == MW_CELL_MISSING) continue;
        if (cell->decided)
            status = refuse(lane, strip, i, cell->field, "not a truth value", &text, err);
        else
            widen(lane, (size_t)(cell - lane->plan->cells));
    }
    return status;
}

static mw_status read_texts(mw_lane *lane, const mw_strip *strip, mw_texts *texts, int32_t field,
                            int32_t *codes, mw_err *err) {
    mw_fields column = column_of(lane, strip, field);
    size_t n_odd;
    mw_status status = mw_texts_read(texts, &column, codes, lane->odd, &n_odd, err);
    for (size_t i = 0; i < n_odd && status == MW_OK; i++) {
        mw_str text = mw_fields_at(&column, lane->odd[i]);
        status = refuse(lane, strip, lane->odd[i], field, "longer than 4096 bytes", &text, err);
    }
    return status;
}

/* ---- rows ---- */

static mw_status check_utf8(mw_lane *lane, const mw_strip *strip, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < strip->n && status == MW_OK; i++) {
        mw_str raw = raw_of(lane, strip, i);
        if (mw_utf8_valid(raw.data, raw.size)) continue;
        int32_t field = 0;
        for (int32_t f = 0; f < lane->plan->n_fields; f++) {
            mw_fields column = column_of(lane, strip, f);
            mw_str text = mw_fields_at(&column, i);
            if (mw_utf8_valid(text.data, text.size)) continue;
            field = f;
            break;
        }
        status = refuse(lane, strip, i, field, "not UTF-8 text", NULL, err);
    }
    return status;
}

static void squeeze(const uint8_t *refused, void *data, size_t size, size_t n) {
    char *bytes = data;
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (refused[i]) continue;
        if (to != i) memcpy(bytes + to * size, bytes + i * size, size);
        to++;
    }
}

static void squeeze_bits(const uint8_t *refused, uint8_t *bits, int64_t at, size_t n) {
    int64_t to = at;
    for (size_t i = 0; i < n; i++) {
        int64_t from = at + (int64_t)i;
        if (!refused[i]) set_bit(bits, to++, bits[from / 8] >> (from % 8) & 1);
    }
}

/* Takes refused rows out of the chunk's rows [at, at + n). */
static void drop_refused(const mw_lane *lane, mw_chunk *chunk, int64_t at, size_t n) {
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        mw_chunk_column *column = &chunk->columns[c];
        if (column->type == MW_BOOL) {
            squeeze_bits(lane->refused, column->bits, at, n);
            squeeze_bits(lane->refused, column->validity, at, n);
        } else if (column->type == MW_DICTIONARY) {
            squeeze(lane->refused, column->codes + at, sizeof *column->codes, n);
        } else {
            squeeze(lane->refused, column->number + at, sizeof *column->number, n);
        }
    }
}

static void blank_refused(mw_lane *lane, mw_chunk *chunk, int64_t at, size_t n) {
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        mw_chunk_column *column = &chunk->columns[c];
        for (size_t i = 0; i < n; i++) {
            int64_t row = at + (int64_t)i;
            if (!lane->refused[i]) continue;
            switch (column->type) {
            case MW_TIMESTAMP: column->time[row] = MW_TIME_NONE; break;
            case MW_FLOAT64: column->number[row] = MW_NAN; break;
            case MW_DICTIONARY: column->codes[row] = -1; break;
            default: set_bit(column->validity, row, false);
            }
        }
    }
}

static mw_status strip_wide(mw_lane *lane, const mw_strip *strip, mw_err *err) {
    const mw_plan *plan = lane->plan;
    mw_status status = mw_lane__reserve(lane, strip->n, err);
    if (status != MW_OK) return status;
    mw_chunk *chunk = lane->chunks[lane->n_chunks - 1];
    int64_t at = chunk->n_rows;
    size_t first_bad = lane->n_bad;
    if (strip->high) status = check_utf8(lane, strip, err);
    if (status == MW_OK && plan->time_column >= 0)
        status = read_time(lane, strip, chunk->columns[plan->time_column].time + at, err);
    for (int32_t i = 0; i < plan->n_cells && status == MW_OK; i++) {
        const mw_plan_column *cell = &plan->cells[i];
        mw_chunk_column *to = &chunk->columns[cell->column];
        if (cell->type == MW_DICTIONARY)
            status = read_texts(lane, strip, &lane->texts[i], cell->field, to->codes + at, err);
        else if (cell->type == MW_BOOL)
            status = read_bools(lane, strip, cell, to, at, err);
        else
            status = read_numbers(lane, strip, cell, to->number + at, err);
    }
    size_t n = strip->n;
    if (lane->keep_bad && lane->n_refused) {
        for (size_t i = first_bad; i < lane->n_bad; i++) lane->bad[i].row += lane->rows_before + at;
        blank_refused(lane, chunk, at, n);
    } else if (lane->n_refused) {
        drop_refused(lane, chunk, at, n);
        n -= lane->n_refused;
    }
    chunk->n_rows += (int64_t)n;
    return status;
}

/* ---- long ---- */

/* No parameter may be called like a column that every dataset has. */
static mw_status check_parameters(mw_lane *lane, mw_err *err) {
    int32_t n = mw_dictionary_size(lane->parameters.dictionary);
    if (n == lane->parameters_checked) return MW_OK;
    uint8_t *bad = mw_realloc(lane->mem, lane->parameter_bad, (size_t)n);
    if (!bad) return mw_fail_nomem(err, "the parameters of a file");
    lane->parameter_bad = bad;
    for (int32_t i = lane->parameters_checked; i < n; i++) {
        mw_str name = mw_dictionary_text(lane->parameters.dictionary, i);
        bad[i] = mw_layout_reserved(name) || name.size > (size_t)MW_LIMIT(COLUMN_NAME_BYTES);
        lane->any_parameter_bad |= bad[i];
    }
    lane->parameters_checked = n;
    return MW_OK;
}

static mw_status refuse_parameters(mw_lane *lane, const mw_strip *strip, const int32_t *codes,
                                   mw_err *err) {
    mw_status status = MW_OK;
    int32_t field = lane->plan->parameter;
    for (size_t i = 0; i < strip->n && status == MW_OK; i++) {
        if (codes[i] < 0) {
            status = refuse(lane, strip, i, field, "no parameter name", NULL, err);
        } else if (lane->any_parameter_bad && lane->parameter_bad[codes[i]]) {
            mw_str name = mw_dictionary_text(lane->parameters.dictionary, codes[i]);
            const char *why = mw_layout_reserved(name) ? "a parameter with the reserved name"
                                                       : "a parameter name longer than 256 bytes";
            status = refuse(lane, strip, i, field, why, &name, err);
        }
    }
    return status;
}

static mw_status strip_long(mw_lane *lane, const mw_strip *strip, mw_err *err) {
    const mw_plan *plan = lane->plan;
    mw_status status = mw_lane__reserve(lane, strip->n, err);
    if (status != MW_OK) return status;
    int64_t at = lane->n_readings;
    const mw_plan_column value = {.field = plan->value, .type = MW_FLOAT64, .decided = true};
    if (strip->high) status = check_utf8(lane, strip, err);
    if (status == MW_OK) status = read_time(lane, strip, lane->times + at, err);
    if (status == MW_OK)
        status = read_texts(lane, strip, &lane->parameters, plan->parameter, lane->codes + at, err);
    if (status == MW_OK) status = check_parameters(lane, err);
    if (status == MW_OK) status = refuse_parameters(lane, strip, lane->codes + at, err);
    if (status == MW_OK) status = read_numbers(lane, strip, &value, lane->values + at, err);
    for (int32_t i = 0; i < plan->n_labels && status == MW_OK; i++)
        status = read_texts(lane, strip, &lane->texts[i], plan->cells[i].field,
                            lane->labels[i] + at, err);
    size_t n = strip->n;
    if (lane->n_refused) {
        squeeze(lane->refused, lane->times + at, sizeof *lane->times, n);
        squeeze(lane->refused, lane->codes + at, sizeof *lane->codes, n);
        squeeze(lane->refused, lane->values + at, sizeof *lane->values, n);
        for (int32_t i = 0; i < plan->n_labels; i++)
            squeeze(lane->refused, lane->labels[i] + at, sizeof *lane->labels[i], n);
        n -= lane->n_refused;
    }
    lane->n_readings += (int64_t)n;
    return status;
}

bool mw_lane__too_many(const mw_lane *lane) {
    return mw_dictionary_size(lane->parameters.dictionary) > (int32_t)MW_LIMIT(PARAMETERS);
}

mw_status mw_lane__pivot(mw_lane *lane, mw_err *err) {
    int32_t n = mw_dictionary_size(lane->parameters.dictionary);
    if (mw_lane__too_many(lane)) {
        mw_fail(err, MW_ETOOLARGE, "there are more than %lld parameters",
                (long long)MW_LIMIT(PARAMETERS));
        return mw_err_hint(err, "Is the `parameter` column the right one?");
    }
    if (lane->n_parameters < n) lane->n_parameters = n;
    /* A reading may be a row of its own: many of them with many parameters wait until they are handed over. */
    if (lane->n_readings * lane->n_parameters > MAX_PIVOT_CELLS) return MW_OK;
    mw_status status = MW_OK;
    while (lane->n_pivoted < lane->n_readings && status == MW_OK)
        status = mw_lane_pivot_next(lane, err);
    return status;
}

mw_status mw_lane_pivot_next(mw_lane *lane, mw_err *err) {
    int64_t at = lane->n_pivoted, left = lane->n_readings - at, collisions;
    int64_t count = left < PIVOT_READINGS ? left : PIVOT_READINGS;
    const int32_t *labels[MW_LABEL_N] = {NULL};
    for (int32_t i = 0; i < lane->plan->n_labels; i++) labels[i] = lane->labels[i] + at;
    mw_chunk *chunk;
    mw_status status = mw_pivot_block(lane->mem, lane->times + at, labels, lane->plan->n_labels,
                                      lane->codes + at, lane->n_parameters, lane->values + at,
                                      count, lane->collide, &chunk, &collisions, err);
    if (status == MW_OK) status = mw_lane_add_chunk(lane, chunk, err);
    if (status != MW_OK) return status;
    lane->n_pivoted += count;
    lane->n_collisions += collisions;
    return MW_OK;
}

mw_status mw_lane__strip(mw_lane *lane, const mw_strip *strip, mw_err *err) {
    memset(lane->refused, 0, strip->n);
    lane->n_refused = 0;
    mw_status status =
        lane->plan->is_long ? strip_long(lane, strip, err) : strip_wide(lane, strip, err);
    lane->n_records += (int64_t)strip->n;
    return status;
}
