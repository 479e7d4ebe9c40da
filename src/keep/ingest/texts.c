/* texts.c -- see texts.h. */
#include "keep/ingest/texts.h"

#include <string.h>

#include "core/base/limits.h"

enum { FIRST_CODES = 64 };

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

static mw_status look_up(mw_texts *texts, mw_str text, char quote, int32_t *ret, mw_err *err) {
    *ret = -1;
    if (is_missing(texts, text)) return MW_OK;
    mw_status status = quote && memchr(text.data, quote, text.size)
                           ? add_undoubled(texts, text, quote, ret, err)
                           : mw_dictionary_add(texts->dictionary, text, ret, err);
    if (status != MW_OK || *ret < texts->capacity) return status;
    return grow(texts, *ret + 1, err);
}

static inline bool is_text(mw_str a, const char *b, size_t size) {
    return a.size == size && memcmp(a.data, b, size) == 0;
}

mw_status mw_texts_read(mw_texts *texts, const mw_fields *fields, int32_t *codes, uint32_t *odd,
                        size_t *ret_odd, mw_err *err) {
    size_t limit = (size_t)MW_LIMIT(STRING_BYTES), n_odd = 0;
    mw_str above = {texts->last, texts->last_size};
    int32_t last = texts->last_code;
    mw_status status = MW_OK;
    for (size_t i = 0; i < fields->n; i++) {
        mw_str text = mw_fields_at(fields, i);
        if (is_text(text, above.data, above.size)) {
            codes[i] = last;
            continue;
        }
        mw_str raw = text;
        int32_t guess = last >= 0 ? texts->next[last] : -1;
        mw_str guessed = mw_dictionary_text(texts->dictionary, guess);
        if (guess >= 0 && is_text(text, guessed.data, guessed.size) &&
            !(fields->quote && memchr(text.data, fields->quote, text.size))) {
            codes[i] = last = guess;
            above = raw;
            continue;
        }
        if (text.size > limit) {
            odd[n_odd++] = (uint32_t)i;
            codes[i] = -1;
            continue;
        }
        text = mw_str_trim(text);
        status = look_up(texts, text, fields->quote, &codes[i], err);
        if (status != MW_OK) break;
        if (last >= 0 && codes[i] >= 0) texts->next[last] = codes[i];
        last = codes[i];
        above = raw;
    }
    texts->last_size = SIZE_MAX;
    /* In the next strip a doubled quote may mean two. */
    bool odd_quote = fields->quote && above.size <= sizeof texts->last &&
                     memchr(above.data, fields->quote, above.size);
    if (status == MW_OK && above.size <= sizeof texts->last && !odd_quote) {
        memmove(texts->last, above.data, above.size);
        texts->last_size = above.size;
    }
    texts->last_code = last;
    *ret_odd = n_odd;
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
