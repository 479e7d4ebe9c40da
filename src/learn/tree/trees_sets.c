/*
 * trees_sets.c -- one more set of codes of an ensemble that grows.
 */
#include <string.h>

#include "learn/tree/trees.h"

enum { FIRST_STARTS = 64, FIRST_WORDS = 256 };

static mw_status make_room_for_starts(mw_trees *trees, mw_sets_room *room, mw_err *err) {
    if (trees->n_sets + 2 <= room->starts) return MW_OK;
    const int64_t capacity = room->starts ? 2 * room->starts : FIRST_STARTS;
    int64_t *starts =
        mw_realloc(trees->mem, trees->set_starts, (size_t)capacity * sizeof *trees->set_starts);
    if (!starts) return mw_fail_nomem(err, "the sets of categories");
    trees->set_starts = starts;
    room->starts = capacity;
    return MW_OK;
}

static mw_status make_room_for_words(mw_trees *trees, mw_sets_room *room, int64_t needed,
                                     mw_err *err) {
    if (needed <= room->words) return MW_OK;
    int64_t capacity = room->words ? room->words : FIRST_WORDS;
    while (capacity < needed) capacity *= 2;
    uint32_t *words =
        mw_realloc(trees->mem, trees->set_words, (size_t)capacity * sizeof *trees->set_words);
    if (!words) return mw_fail_nomem(err, "the sets of categories");
    trees->set_words = words;
    room->words = capacity;
    return MW_OK;
}

mw_status mw_trees_add_set(mw_trees *trees, mw_sets_room *room, const uint32_t *words,
                           int64_t n_words, int32_t *ret, mw_err *err) {
    const int64_t begin = trees->n_sets ? trees->set_starts[trees->n_sets] : 0;
    while (n_words > 1 && words[n_words - 1] == 0) n_words--;
    mw_status status = make_room_for_starts(trees, room, err);
    if (!status) status = make_room_for_words(trees, room, begin + n_words, err);
    if (status) return status;
    memcpy(trees->set_words + begin, words, (size_t)n_words * sizeof *words);
    trees->set_starts[0] = 0;
    *ret = trees->n_sets++;
    trees->set_starts[trees->n_sets] = begin + n_words;
    return MW_OK;
}
