/*
 * arrowread.c -- see arrowread.h. Codes of a file are translated to ours, so that a dictionary may hold
 * a text twice, or a missing one.
 */
#include "core/table/arrowread.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/text/datetime.h"

/* --- what is wanted -------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_wanted(mw_str name, const char *const *sorted, size_t n) {
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low) / 2;
        int order = mw_str_compare(mw_str_of(sorted[middle]), name);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            n = middle;
    }
    return false;
}

static int compare_ids(const void *a, const void *b) {
    int64_t x = ((const mw_arrow_texts *)a)->id, y = ((const mw_arrow_texts *)b)->id;
    return (x > y) - (x < y);
}

static mw_arrow_texts *find_dictionary(const mw_arrow_reader *r, int64_t id) {
    mw_arrow_texts key = {.id = id};
    if (r->n_dictionaries == 0) return NULL;
    return bsearch(&key, r->dictionaries, r->n_dictionaries, sizeof key, compare_ids);
}

/* Fields may share a dictionary: one entry an id, wanted when any of them is. */
static void list_dictionaries(mw_arrow_reader *r) {
    size_t n = 0;
    for (uint32_t i = 0; i < r->file.n_fields; i++) {
        if (r->file.fields[i].type != MW_DICTIONARY) continue;
        r->dictionaries[n++] =
            (mw_arrow_texts){.id = r->file.fields[i].dictionary_id, .wanted = r->target[i] >= 0};
    }
    if (n == 0) return;
    qsort(r->dictionaries, n, sizeof *r->dictionaries, compare_ids);
    size_t kept = 0;
    for (size_t i = 1; i < n; i++) {
        if (r->dictionaries[i].id == r->dictionaries[kept].id)
            r->dictionaries[kept].wanted |= r->dictionaries[i].wanted;
        else
            r->dictionaries[++kept] = r->dictionaries[i];
    }
    r->n_dictionaries = kept + 1;
}

static mw_status choose(mw_arrow_reader *r, const char *const *columns, size_t n_columns,
                        mw_err *err) {
    mw_mem *mem = r->file.ctx->mem;
    size_t n = r->file.n_fields;
    const char **sorted = NULL;
    if (columns) {
        sorted = mw_alloc_array(mem, n_columns, sizeof *sorted);
        if (!sorted) return mw_fail_nomem(err, "reading a table");
        for (size_t i = 0; i < n_columns; i++) sorted[i] = columns[i];
        if (n_columns) qsort(sorted, n_columns, sizeof *sorted, compare_texts);
    }
    r->target = mw_alloc_array(mem, n, sizeof *r->target);
    r->dictionaries = mw_alloc_array(mem, n, sizeof *r->dictionaries);
    if (!r->target || !r->dictionaries) {
        mw_free(sorted);
        return mw_fail_nomem(err, "reading a table");
    }
    int32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        bool wanted = !columns || is_wanted(r->file.fields[i].name, sorted, n_columns);
        r->target[i] = wanted ? next++ : -1;
    }
    mw_free(sorted);
    list_dictionaries(r);
    return MW_OK;
}

/* --- dictionaries ---------------------------------------------------------------------------- */

static mw_status load_texts(mw_arrow_reader *r, mw_arrow_texts *d, const mw_arrow_part *part,
                            mw_err *err) {
    mw_mem *mem = r->file.ctx->mem;
    if (part->n_rows > MW_LIMIT(DICTIONARY_VALUES))
        return mw_fail(err, MW_ETOOLARGE, "%s has a dictionary of more than %lld texts",
                       r->file.name, (long long)MW_LIMIT(DICTIONARY_VALUES));
    d->codes = mw_alloc_array(mem, (size_t)part->n_rows, sizeof *d->codes);
    if (!d->codes) return mw_fail_nomem(err, "a dictionary");
    d->n = part->n_rows;
    mw_status status = mw_dictionary_new(mem, &d->dictionary, err);
    for (int64_t i = 0; i < d->n && status == MW_OK; i++) {
        mw_str text;
        d->codes[i] = -1;
        if (!mw_arrow__valid(part, i)) continue;
        if (!mw_arrow__text(part, i, &text))
            return mw_arrow__unsound(&r->file, err, "a dictionary holds a damaged text");
        status = mw_dictionary_add(d->dictionary, text, &d->codes[i], err);
    }
    return status;
}

mw_status mw_arrow__load(mw_arrow_reader *r, mw_err *err) {
    for (uint32_t i = 0; i < r->file.dictionaries.n; i++) {
        int64_t id = 0;
        mw_arrow_part part;
        mw_status status = mw_arrow__dictionary(&r->file, i, &id, &part, err);
        if (status != MW_OK) return status;
        mw_arrow_texts *d = find_dictionary(r, id);
        if (!d) return mw_arrow__unsound(&r->file, err, "a dictionary belongs to no column");
        if (d->seen) return mw_arrow__unsound(&r->file, err, "a dictionary is there twice");
        d->seen = true;
        if (d->wanted) status = load_texts(r, d, &part, err);
        if (status == MW_OK) status = mw_ctx_check(r->file.ctx, err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

mw_status mw_arrow__begin(mw_arrow_reader *r, const char *const *columns, size_t n_columns,
                          mw_err *err) {
    mw_status status = mw_arrow__open(&r->file, err);
    return status == MW_OK ? choose(r, columns, n_columns, err) : status;
}

void mw_arrow__finish(mw_arrow_reader *r) {
    for (size_t i = 0; i < r->n_dictionaries; i++) {
        mw_dictionary_free(r->dictionaries[i].dictionary);
        mw_free(r->dictionaries[i].codes);
    }
    mw_free(r->dictionaries);
    mw_free(r->target);
    mw_arrow__close(&r->file);
}

mw_status mw_arrow__give_dictionary(const mw_arrow_reader *r, const mw_arrow_field *field,
                                    mw_mem *mem, mw_dictionary **dictionary, mw_err *err) {
    const mw_arrow_texts *d = find_dictionary(r, field->dictionary_id);
    if (!d || !d->dictionary) return MW_OK;
    mw_dictionary *copy;
    mw_status status = mw_dictionary_copy(mem, d->dictionary, &copy, err);
    if (status != MW_OK) return status;
    mw_dictionary_free(*dictionary);
    *dictionary = copy;
    return MW_OK;
}

/* --- values ---------------------------------------------------------------------------------- */

void mw_arrow__copy_times(const mw_arrow_part *part, int64_t *to) {
    if (part->n_rows == 0) return;
    memcpy(to, part->values, (size_t)part->n_rows * sizeof *to);
    for (int64_t i = 0; i < part->n_rows && part->validity; i++)
        if (!mw_arrow__valid(part, i)) to[i] = MW_TIME_NONE;
}

void mw_arrow__copy_numbers(const mw_arrow_part *part, double *to) {
    if (part->n_rows == 0) return;
    memcpy(to, part->values, (size_t)part->n_rows * sizeof *to);
    for (int64_t i = 0; i < part->n_rows && part->validity; i++)
        if (!mw_arrow__valid(part, i)) to[i] = MW_NAN;
}

void mw_arrow__copy_singles(const mw_arrow_part *part, float *to) {
    if (part->n_rows == 0) return;
    memcpy(to, part->values, (size_t)part->n_rows * sizeof *to);
    for (int64_t i = 0; i < part->n_rows; i++)
        if (mw_isnan(to[i]) || (part->validity && !mw_arrow__valid(part, i))) to[i] = (float)MW_NAN;
}

static int64_t code_at(const mw_arrow_field *field, const uint8_t *values, int64_t row) {
    uint64_t raw = 0;
    int unused = 64 - 8 * field->index_bytes;
    memcpy(&raw, values + row * field->index_bytes, (size_t)field->index_bytes);
    return field->index_signed ? (int64_t)(raw << unused) >> unused : (int64_t)raw;
}

mw_status mw_arrow__copy_codes(const mw_arrow_reader *r, const mw_arrow_field *field,
                               const mw_arrow_part *part, int32_t *to, mw_err *err) {
    const mw_arrow_texts *d = find_dictionary(r, field->dictionary_id);
    for (int64_t i = 0; i < part->n_rows; i++) {
        to[i] = -1;
        if (!mw_arrow__valid(part, i)) continue;
        int64_t code = code_at(field, part->values, i);
        if (code < 0 || code >= d->n)
            return mw_arrow__unsound(&r->file, err, "a dictionary code has no text");
        to[i] = d->codes[code];
    }
    return MW_OK;
}
