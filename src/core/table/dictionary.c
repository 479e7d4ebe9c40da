/*
 * dictionary.c -- texts laid end to end with int32 offsets, as Arrow writes them, and an
 * open-addressing hash index (linear probing, load at most 1/2, 32 bits of the hash beside each
 * code, so that a probe rarely touches the texts). Codes depend on the order of insertion only,
 * never on the hash.
 *
 * Many   a large dictionary lies in no near cache, and a look-up waits for three lines one after the other: slot, offset,
 *        text. mw_dictionary_add_fields takes a few dozen texts through these steps side by side, fetching ahead.
 * Hash   words of 8 bytes, zeros behind a short text, two by two multiplied to 128 bits and folded (after Wang Yi's wyhash).
 */
#include <assert.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/table/short_text.h"
#include "core/table/table.h"

typedef struct slot {
    uint32_t hash;
    int32_t code; /* -1: free */
} slot;

struct mw_dictionary {
    mw_mem *mem;
    char *bytes; /* [bytes_capacity], and MW_SHORT_TEXT that may be read */
    size_t bytes_capacity;
    int32_t *offsets; /* [n_capacity + 1] */
    int32_t n;
    int32_t n_capacity;
    slot *slots;      /* [n_slots], a power of two */
    uint32_t n_slots; /* > 2 * n */
};

enum { FIRST_TEXTS = 16, FIRST_SLOTS = 32, FIRST_BYTES = 256, BATCH = 32 };

static void empty_slots(slot *slots, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) slots[i] = (slot){0, -1};
}

mw_status mw_dictionary_new(mw_mem *mem, mw_dictionary **ret, mw_err *err) {
    mw_dictionary *d = mw_calloc(mem, 1, sizeof *d);
    if (!d) return mw_fail_nomem(err, "a dictionary");
    d->mem = mem;
    d->bytes_capacity = FIRST_BYTES;
    d->n_capacity = FIRST_TEXTS;
    d->n_slots = FIRST_SLOTS;
    d->bytes = mw_alloc(mem, d->bytes_capacity + MW_SHORT_TEXT);
    d->offsets = mw_alloc_array(mem, (size_t)d->n_capacity + 1, sizeof *d->offsets);
    d->slots = mw_alloc_array(mem, d->n_slots, sizeof *d->slots);
    if (!d->bytes || !d->offsets || !d->slots) {
        mw_dictionary_free(d);
        return mw_fail_nomem(err, "a dictionary");
    }
    d->offsets[0] = 0;
    empty_slots(d->slots, d->n_slots);
    *ret = d;
    return MW_OK;
}

void *mw_dictionary_free(mw_dictionary *dictionary) {
    if (!dictionary) return NULL;
    mw_free(dictionary->bytes);
    mw_free(dictionary->offsets);
    mw_free(dictionary->slots);
    return mw_free(dictionary);
}

mw_status mw_dictionary_copy(mw_mem *mem, const mw_dictionary *dictionary, mw_dictionary **ret,
                             mw_err *err) {
    mw_dictionary *d = mw_calloc(mem, 1, sizeof *d);
    if (!d) return mw_fail_nomem(err, "a dictionary");
    *d = *dictionary;
    d->mem = mem;
    d->bytes = mw_memdup(mem, dictionary->bytes, d->bytes_capacity + MW_SHORT_TEXT);
    d->offsets =
        mw_memdup(mem, dictionary->offsets, ((size_t)d->n_capacity + 1) * sizeof *d->offsets);
    d->slots = mw_memdup(mem, dictionary->slots, (size_t)d->n_slots * sizeof *d->slots);
    if (!d->bytes || !d->offsets || !d->slots) {
        mw_dictionary_free(d);
        return mw_fail_nomem(err, "a dictionary");
    }
    *ret = d;
    return MW_OK;
}

int32_t mw_dictionary_size(const mw_dictionary *dictionary) { return dictionary->n; }

mw_str mw_dictionary_text(const mw_dictionary *dictionary, int32_t code) {
    if (code < 0) return MW_STR("");
    assert(code < dictionary->n);
    int32_t start = dictionary->offsets[code];
    return (mw_str){dictionary->bytes + start, (size_t)(dictionary->offsets[code + 1] - start)};
}

/* The slot that holds text, or the free one where it belongs. */
static uint32_t probe(const mw_dictionary *d, mw_str text, uint32_t hash) {
    uint32_t mask = d->n_slots - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        const slot *s = &d->slots[i];
        if (s->code < 0) return i;
        if (s->hash == hash && mw_str_eq(mw_dictionary_text(d, s->code), text)) return i;
    }
}

int32_t mw_dictionary_find(const mw_dictionary *dictionary, mw_str text) {
    return dictionary->slots[probe(dictionary, text, mw_short__hash(text))].code;
}

static mw_status grow_slots(mw_dictionary *d, mw_err *err) {
    uint32_t n = d->n_slots * 2;
    slot *slots = mw_alloc_array(d->mem, n, sizeof *slots);
    if (!slots) return mw_fail_nomem(err, "a dictionary");
    empty_slots(slots, n);
    for (uint32_t i = 0; i < d->n_slots; i++) {
        if (d->slots[i].code < 0) continue;
        uint32_t j = d->slots[i].hash & (n - 1);
        while (slots[j].code >= 0) j = (j + 1) & (n - 1);
        slots[j] = d->slots[i];
    }
    mw_free(d->slots);
    d->slots = slots;
    d->n_slots = n;
    return MW_OK;
}

static mw_status make_room(mw_dictionary *d, size_t size, mw_err *err) {
    if ((uint32_t)d->n * 2 + 2 > d->n_slots && grow_slots(d, err) != MW_OK) return MW_ENOMEM;
    if (d->n == d->n_capacity) {
        int32_t capacity = d->n_capacity * 2;
        int32_t *offsets =
            mw_realloc(d->mem, d->offsets, ((size_t)capacity + 1) * sizeof *d->offsets);
        if (!offsets) return mw_fail_nomem(err, "a dictionary");
        d->offsets = offsets;
        d->n_capacity = capacity;
    }
    size_t need = (size_t)d->offsets[d->n] + size;
    if (need > d->bytes_capacity) {
        size_t capacity = d->bytes_capacity * 2 > need ? d->bytes_capacity * 2 : need;
        char *bytes = mw_realloc(d->mem, d->bytes, capacity + MW_SHORT_TEXT);
        if (!bytes) return mw_fail_nomem(err, "a dictionary");
        d->bytes = bytes;
        d->bytes_capacity = capacity;
    }
    return MW_OK;
}

static mw_status add(mw_dictionary *d, mw_str text, uint32_t hash, int32_t *ret_code, mw_err *err) {
    uint32_t at = probe(d, text, hash);
    if (d->slots[at].code >= 0) {
        *ret_code = d->slots[at].code;
        return MW_OK;
    }
    if (d->n >= MW_LIMIT(DICTIONARY_VALUES)) {
        mw_fail(err, MW_ETOOLARGE, "more than %lld distinct texts in one column",
                (long long)MW_LIMIT(DICTIONARY_VALUES));
        return mw_err_hint(err,
                           "leave out a column whose every row is different, such as a comment");
    }
    if (text.size > (size_t)(INT32_MAX - d->offsets[d->n]))
        return mw_fail(err, MW_ETOOLARGE, "the distinct texts of one column exceed 2 GiB");
    uint32_t slots_before = d->n_slots;
    if (make_room(d, text.size, err) != MW_OK) return MW_ENOMEM;
    if (d->n_slots != slots_before) at = probe(d, text, hash);

    if (text.size) memcpy(d->bytes + d->offsets[d->n], text.data, text.size);
    d->offsets[d->n + 1] = d->offsets[d->n] + (int32_t)text.size;
    d->slots[at] = (slot){hash, d->n};
    *ret_code = d->n++;
    return MW_OK;
}

mw_status mw_dictionary_add(mw_dictionary *dictionary, mw_str text, int32_t *ret_code,
                            mw_err *err) {
    return add(dictionary, text, mw_short__hash(text), ret_code, err);
}

/* The first text with this hash; -1: none. */
static inline int32_t candidate(const mw_dictionary *d, uint32_t hash) {
    uint32_t mask = d->n_slots - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        const slot *s = &d->slots[i];
        if (s->code < 0 || s->hash == hash) return s->code;
    }
}

static mw_status add_batch(mw_dictionary *d, const mw_str *texts, size_t n, int32_t *codes,
                           mw_err *err) {
    uint32_t hashes[BATCH];
    for (size_t i = 0; i < n; i++) {
        hashes[i] = mw_short__hash_slack(texts[i]);
        __builtin_prefetch(&d->slots[hashes[i] & (d->n_slots - 1)]);
    }
    for (size_t i = 0; i < n; i++) {
        codes[i] = candidate(d, hashes[i]);
        __builtin_prefetch(&d->offsets[codes[i] < 0 ? 0 : codes[i]]);
    }
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(&d->bytes[d->offsets[codes[i] < 0 ? 0 : codes[i]]]);
    for (size_t i = 0; i < n; i++) {
        int32_t code = codes[i];
        if (code >= 0 && mw_short__equal(mw_dictionary_text(d, code), texts[i])) continue;
        mw_status status = add(d, texts[i], hashes[i], &codes[i], err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

mw_status mw_dictionary_add_fields(mw_dictionary *dictionary, const mw_str *texts, size_t n,
                                   int32_t *codes, mw_err *err) {
    mw_status status = MW_OK;
    for (size_t i = 0; i < n && status == MW_OK; i += BATCH)
        status = add_batch(dictionary, texts + i, n - i < BATCH ? n - i : BATCH, codes + i, err);
    return status;
}
