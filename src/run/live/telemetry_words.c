/*
 * telemetry_words.c -- the texts of each device's newest row: what a model takes beside its features.
 *
 * Saved     number of columns, their names; number of devices; of each its time and texts. A text is its size, uint32, and its bytes; UINT32_MAX: missing. When
 *           read again, texts of columns that are not asked for any more are passed over.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/text/datetime.h"
#include "run/live/telemetry_parts.h"

enum { MISSING = -1 };

typedef struct newest {
    int64_t time; /* MW_TIME_NONE: no row yet */
    char **texts; /* [n_texts] owned; NULL: missing */
} newest;

struct mw_live_words {
    mw_mem *mem;
    const char *const *names; /* [n_texts] borrowed */
    int32_t n_texts, n_devices, room;
    newest *devices; /* [n_devices] */
};

mw_status mw_live__words_new(mw_mem *mem, const mw_live_columns *columns, mw_live_words **ret,
                             mw_err *err) {
    mw_live_words *w = mw_calloc(mem, 1, sizeof *w);
    if (!w) return mw_fail_nomem(err, "live categories");
    *w = (mw_live_words){.mem = mem, .names = columns->texts, .n_texts = columns->n_texts};
    *ret = w;
    return MW_OK;
}

void *mw_live__words_free(mw_live_words *w) {
    if (!w) return NULL;
    for (int32_t d = 0; d < w->n_devices; d++) {
        for (int32_t k = 0; w->devices[d].texts && k < w->n_texts; k++)
            mw_free(w->devices[d].texts[k]);
        mw_free(w->devices[d].texts);
    }
    mw_free(w->devices);
    return mw_free(w);
}

static mw_status find(mw_live_words *w, int32_t device, newest **ret, mw_err *err) {
    if (device >= w->room) {
        const size_t room = (size_t)device + (size_t)device / 2 + 16;
        newest *more = mw_realloc(w->mem, w->devices, room * sizeof *more);
        if (!more) return mw_fail_nomem(err, "live categories");
        w->devices = more;
        w->room = (int32_t)room;
    }
    for (; w->n_devices <= device; w->n_devices++)
        w->devices[w->n_devices] = (newest){.time = MW_TIME_NONE};
    newest *to = &w->devices[device];
    if (!to->texts) to->texts = mw_calloc(w->mem, (size_t)w->n_texts, sizeof *to->texts);
    if (!to->texts) return mw_fail_nomem(err, "live categories");
    *ret = to;
    return MW_OK;
}

static mw_status set(mw_mem *mem, char **to, mw_str text, mw_err *err) {
    if (*to && text.size && strlen(*to) == text.size && memcmp(*to, text.data, text.size) == 0)
        return MW_OK;
    char *copy = text.size ? mw_strndup(mem, text.data, text.size) : NULL;
    if (text.size && !copy) return mw_fail_nomem(err, "live categories");
    mw_free(*to);
    *to = copy;
    return MW_OK;
}

mw_status mw_live__words_put(mw_live_words *w, int32_t device, int64_t time, const mw_str *texts,
                             mw_err *err) {
    newest *to = NULL;
    if (w->n_texts == 0) return MW_OK;
    mw_status status = find(w, device, &to, err);
    if (status || (to->time != MW_TIME_NONE && time < to->time)) return status;
    to->time = time;
    for (int32_t k = 0; k < w->n_texts && !status; k++)
        status = set(w->mem, &to->texts[k], texts[k], err);
    return status;
}

const char *mw_live__words_text(const mw_live_words *w, int32_t device, int32_t text) {
    return device >= 0 && device < w->n_devices && w->devices[device].texts
               ? w->devices[device].texts[text]
               : NULL;
}

/* ---- bytes ---- */

static mw_status put_text(mw_stream_sink sink, const char *text, mw_err *err) {
    const uint32_t size = text ? (uint32_t)strlen(text) : UINT32_MAX;
    mw_status status = sink.put(sink.self, &size, sizeof size, err);
    return status || !text ? status : sink.put(sink.self, text, size, err);
}

mw_status mw_live__words_save(const mw_live_words *w, mw_stream_sink sink, mw_err *err) {
    const int32_t counts[2] = {w->n_texts, w->n_devices};
    mw_status status = sink.put(sink.self, counts, sizeof counts, err);
    for (int32_t k = 0; k < w->n_texts && !status; k++) status = put_text(sink, w->names[k], err);
    for (int32_t d = 0; d < w->n_devices && !status; d++) {
        status = sink.put(sink.self, &w->devices[d].time, sizeof w->devices[d].time, err);
        for (int32_t k = 0; k < w->n_texts && !status; k++)
            status = put_text(sink, mw_live__words_text(w, d, k), err);
    }
    return status;
}

static bool take(mw_str *from, void *ret, size_t size) {
    if (size > from->size) return false;
    memcpy(ret, from->data, size);
    *from = (mw_str){from->data + size, from->size - size};
    return true;
}

/* *ret empty: missing. */
static bool take_text(mw_str *from, mw_str *ret) {
    uint32_t size;
    *ret = (mw_str){0};
    if (!take(from, &size, sizeof size)) return false;
    if (size == UINT32_MAX) return true;
    if (size > from->size) return false;
    *ret = (mw_str){from->data, size};
    *from = (mw_str){from->data + size, from->size - size};
    return true;
}

/* columns [n]: numbers of texts here, -1: none; texts [n_texts]: room. */
static mw_status load_devices(mw_live_words *w, mw_str bytes, const int32_t counts[2],
                              const int32_t *columns, mw_str *texts, mw_err *err) {
    mw_status status = MW_OK;
    bool good = true;
    for (int32_t d = 0; d < counts[1] && good && !status; d++) {
        int64_t time = MW_TIME_NONE;
        good = take(&bytes, &time, sizeof time);
        for (int32_t k = 0; k < w->n_texts; k++) texts[k] = (mw_str){0};
        for (int32_t k = 0; k < counts[0] && good; k++) {
            mw_str text;
            good = take_text(&bytes, &text);
            if (columns[k] != MISSING) texts[columns[k]] = text;
        }
        if (good && time != MW_TIME_NONE) status = mw_live__words_put(w, d, time, texts, err);
    }
    return status || (good && bytes.size == 0)
               ? status
               : mw_fail(err, MW_EDATA, "the saved state of categories is damaged");
}

mw_status mw_live__words_load(mw_live_words *w, mw_str bytes, mw_err *err) {
    int32_t counts[2] = {0};
    bool good = take(&bytes, counts, sizeof counts) && counts[0] >= 0 && counts[1] >= 0 &&
                counts[0] <= MW_LIMIT(TABLE_COLUMNS);
    const size_t n = good ? (size_t)counts[0] : 0;
    int32_t *columns = mw_alloc_array(w->mem, n + 1, sizeof *columns);
    mw_str *texts = mw_alloc_array(w->mem, (size_t)w->n_texts + 1, sizeof *texts);
    mw_status status = columns && texts ? MW_OK : mw_fail_nomem(err, "live categories");
    for (size_t k = 0; k < n && good && !status; k++) {
        mw_str name;
        good = take_text(&bytes, &name);
        columns[k] = MISSING;
        for (int32_t c = 0; c < w->n_texts; c++)
            if (mw_str_is(name, w->names[c])) columns[k] = c;
    }
    if (!status && !good)
        status = mw_fail(err, MW_EDATA, "the saved state of categories is damaged");
    if (!status) status = load_devices(w, bytes, counts, columns, texts, err);
    mw_free(columns);
    mw_free(texts);
    return status;
}
