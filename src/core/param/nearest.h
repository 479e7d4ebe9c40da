/*
 * nearest.h -- which known word a mistyped one may have meant: parameters, commands, columns.
 */
#ifndef MW_CORE_PARAM_NEAREST_H
#define MW_CORE_PARAM_NEAREST_H

#include "core/base/str.h"

enum { MW_NEAREST_MAX = 64 }; /* longer words are never near anything */

/*
 * Edits (insert, delete, replace, swap of neighbors; letter case is free, - equals _) that turn a
 * into b; MW_NEAREST_MAX when either is longer than that. O(|a| |b|), no allocation.
 */
unsigned mw_nearest_distance(mw_str a, mw_str b);

/* True when that few edits make b a plausible reading of a: one in three letters, at least one, and
 * something of a is left. */
bool mw_nearest_plausible(mw_str a, unsigned distance);

/* The best of the words seen so far; start from {0}. */
typedef struct mw_nearest {
    const char *word; /* [size] borrowed; NULL: none that is plausible */
    int size;         /* for "%.*s"; a word given as text ends there */
    unsigned distance;
} mw_nearest;

/* Takes word as the best one when it is a plausible reading of typed, and nearer than the best. */
void mw_nearest_look(mw_nearest *best, mw_str typed, const char *word);
void mw_nearest_look_str(mw_nearest *best, mw_str typed, mw_str word);

#endif
