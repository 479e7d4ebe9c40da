/* texts.c -- see texts.h. */
#include "keep/ingest/texts.h"

#include <string.h>

#include "core/base/limits.h"

enum { FIRST_CODES = 64, BATCH = 32, HASHED_BATCHES = 31 };

static mw_status grow(mw_texts *texts, int32_t n, mw_err *err) {
    int32_t capacity = texts->capacity ? texts->capacity : FIRST_CODES;
    while (capacity < n) capacity *= 2;
    void *next = mw_realloc(texts->mem, texts->next, (size_t)capacity * sizeof *texts->next);
    if (next) texts->next = next;
    void *remap =
        next ? mw_realloc(texts->mem, texts->remap, (size_t)capacity * sizeof *texts->remap) : NULL;
    if (remap) texts->remap = remap;
    if (!remap) return mw_fail_nomem(err, "the texts of a column");
    for (int32_t i = texts->capacity; i < capacity; i++) texts->next[i] = texts->remap[i] = -1;
    texts->capacity = capacity;
    return MW_OK;
}

mw_status mw_texts_init(mw_texts *texts, mw_mem *mem, mw_err *err) {
    *texts = (mw_texts){.mem = mem, .identity = true, .last_size = SIZE_MAX, .last_code = -1};
    mw_status status = mw_dictionary_new(mem, &texts->dictionary, err);
    if (status == MW_OK) status = grow(texts, FIRST_CODES, err);
    return status;
}

mw_status mw_texts_restart(mw_texts *texts, mw_err *err) {
    mw_texts fresh;
    mw_status status = mw_texts_init(&fresh, texts->mem, err);
    if (status != MW_OK) {
        mw_texts_done(&fresh);
        return status;
    }
    fresh.rules = texts->rules;
    fresh.keep_marks = texts->keep_marks;
    mw_texts_done(texts);
    *texts = fresh;
    return MW_OK;
}

void mw_texts_done(mw_texts *texts) {
    texts->dictionary = mw_dictionary_free(texts->dictionary);
    texts->next = mw_free(texts->next);
    texts->remap = mw_free(texts->remap);
}

/* "a ""b"" c" without its outer quotes: takes each doubled quote once. */
static mw_status add_undoubled(mw_texts *texts, mw_str text, char quote, int32_t *ret,
                               mw_err *err) {
    char short_text[256];
    char *copy = text.size <= sizeof short_text ? short_text : mw_alloc(texts->mem, text.size);
    if (!copy) return mw_fail_nomem(err, "the texts of a column");
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        copy[n++] = text.data[i];
        i += text.data[i] == quote && i + 1 < text.size && text.data[i + 1] == quote;
    }
    mw_status status = mw_dictionary_add(texts->dictionary, (mw_str){copy, n}, ret, err);
    if (copy != short_text) mw_free(copy);
    return status;
}

static bool is_missing(const mw_texts *texts, mw_str text) {
    if (texts->keep_marks) return text.size == 0;
    if (mw_cell_is_missing(text)) return true;
    for (size_t i = 0; texts->rules && i < texts->rules->n_marks; i++)
        if (mw_str_is(text, texts->rules->marks[i])) return true;
    return false;
}

static bool is_doubled(const mw_fields *fields, mw_str text) {
    return fields->quote && memchr(text.data, fields->quote, text.size);
}

static mw_status look_up(mw_texts *texts, mw_str text, bool doubled, char quote, int32_t *ret,
                         mw_err *err) {
    *ret = -1;
    if (is_missing(texts, text)) return MW_OK;
    mw_status status = doubled ? add_undoubled(texts, text, quote, ret, err)
                               : mw_dictionary_add(texts->dictionary, text, ret, err);
    if (status != MW_OK || *ret < texts->capacity) return status;
    return grow(texts, *ret + 1, err);
}

static inline bool is_text(mw_str a, mw_str b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static inline mw_str trim(mw_str text) {
    bool padded = text.size && (text.data[0] <= ' ' || text.data[text.size - 1] <= ' ');
    return padded ? mw_str_trim(text) : text;
}

/* A strip while it is read. */
typedef struct reading {
    const mw_fields *fields;
    int32_t *codes;
    uint32_t *odd;
    size_t n_odd, limit;
    mw_str above; /* as it stands; a size of SIZE_MAX: none */
    int32_t last; /* its code */
} reading;

/* The limit is one of the text that the field means, as the plain lexer gives it: a doubled quote counts once. */
static bool is_over(const mw_fields *fields, mw_str raw, size_t limit) {
    size_t size = raw.size;
    for (size_t i = 0; fields->quote && i + 1 < raw.size; i++) {
        if (raw.data[i] != fields->quote || raw.data[i + 1] != fields->quote) continue;
        size--;
        i++;
    }
    return size > limit;
}

static bool is_too_long(reading *r, size_t i, mw_str raw) {
    if (raw.size <= r->limit || !is_over(r->fields, raw, r->limit)) return false;
    r->odd[r->n_odd++] = (uint32_t)i;
    r->codes[i] = -1;
    return true;
}

static mw_status guess_batch(mw_texts *texts, reading *r, size_t first, size_t n, mw_err *err) {
    const mw_fields *fields = r->fields;
    size_t n_missed = 0;
    for (size_t i = first; i < first + n; i++) {
        mw_str raw = mw_fields_at(fields, i);
        if (is_text(raw, r->above)) {
            r->codes[i] = r->last;
            continue;
        }
        bool doubled = is_doubled(fields, raw);
        int32_t guess = r->last >= 0 && !doubled ? texts->next[r->last] : -1;
        if (guess >= 0 && is_text(raw, mw_dictionary_text(texts->dictionary, guess))) {
            r->codes[i] = r->last = guess;
            r->above = raw;
            continue;
        }
        n_missed++;
        if (is_too_long(r, i, raw)) continue;
        mw_status status = look_up(texts, trim(raw), doubled, fields->quote, &r->codes[i], err);
        if (status != MW_OK) return status;
        if (r->last >= 0 && r->codes[i] >= 0) texts->next[r->last] = r->codes[i];
        r->last = r->codes[i];
        r->above = raw;
    }
    if (n_missed > n / 4) texts->n_hashed = HASHED_BATCHES;
    return MW_OK;
}

/* Plain texts of a batch that wait for their codes. */
typedef struct waiting {
    mw_str texts[BATCH];
    size_t at[BATCH];
    size_t n;
} waiting;

static mw_status flush(mw_texts *texts, reading *r, waiting *w, mw_err *err) {
    int32_t codes[BATCH];
    mw_status status = mw_dictionary_add_fields(texts->dictionary, w->texts, w->n, codes, err);
    if (status != MW_OK) return status;
    for (size_t k = 0; k < w->n; k++) r->codes[w->at[k]] = codes[k];
    w->n = 0;
    int32_t size = mw_dictionary_size(texts->dictionary);
    return size <= texts->capacity ? MW_OK : grow(texts, size, err);
}

static mw_status hash_batch(mw_texts *texts, reading *r, size_t first, size_t n, mw_err *err) {
    const mw_fields *fields = r->fields;
    waiting w;
    w.n = 0;
    size_t above = SIZE_MAX;
    mw_status status = MW_OK;
    for (size_t i = first; i < first + n && status == MW_OK; i++) {
        mw_str raw = mw_fields_at(fields, i);
        if (is_too_long(r, i, raw)) continue;
        above = i;
        mw_str text = trim(raw);
        if (is_doubled(fields, text)) {
            status = flush(texts, r, &w, err); /* keeps the order of appearance */
            if (status == MW_OK)
                status = look_up(texts, text, true, fields->quote, &r->codes[i], err);
        } else if (is_missing(texts, text)) {
            r->codes[i] = -1;
        } else {
            w.texts[w.n] = text;
            w.at[w.n++] = i;
        }
    }
    if (status == MW_OK) status = flush(texts, r, &w, err);
    if (status != MW_OK || above == SIZE_MAX) return status;
    r->above = mw_fields_at(fields, above);
    r->last = r->codes[above];
    return MW_OK;
}

mw_status mw_texts_read(mw_texts *texts, const mw_fields *fields, int32_t *codes, uint32_t *odd,
                        size_t *ret_odd, mw_err *err) {
    reading r = {.fields = fields,
                 .codes = codes,
                 .odd = odd,
                 .limit = (size_t)MW_LIMIT(STRING_BYTES),
                 .above = {texts->last, texts->last_size},
                 .last = texts->last_code};
    mw_status status = MW_OK;
    for (size_t i = 0, n; i < fields->n && status == MW_OK; i += n) {
        n = fields->n - i < BATCH ? fields->n - i : BATCH;
        bool hashed = texts->n_hashed > 0;
        texts->n_hashed -= hashed;
        status = hashed ? hash_batch(texts, &r, i, n, err) : guess_batch(texts, &r, i, n, err);
    }
    texts->last_size = SIZE_MAX;
    /* In the next strip a doubled quote may mean two. */
    mw_str above = r.above;
    bool keeps = status == MW_OK && above.size <= sizeof texts->last && !is_doubled(fields, above);
    if (keeps) {
        memmove(texts->last, above.data, above.size);
        texts->last_size = above.size;
    }
    texts->last_code = r.last;
    *ret_odd = r.n_odd;
    return status;
}

mw_status mw_texts_remap(mw_texts *texts, mw_dictionary *whole, int32_t *codes, int64_t n,
                         mw_err *err) {
    int32_t *remap = texts->remap, known = mw_dictionary_size(texts->dictionary);
    for (int64_t i = 0; i < n && texts->n_mapped < known; i++) {
        int32_t code = codes[i];
        if (code < 0 || remap[code] >= 0) continue;
        mw_status status = mw_dictionary_add(whole, mw_dictionary_text(texts->dictionary, code),
                                             &remap[code], err);
        if (status != MW_OK) return status;
        texts->identity = texts->identity && remap[code] == code;
        texts->n_mapped++;
    }
    if (texts->identity) return MW_OK;
    for (int64_t i = 0; i < n; i++)
        if (codes[i] >= 0) codes[i] = remap[codes[i]];
    return MW_OK;
}
