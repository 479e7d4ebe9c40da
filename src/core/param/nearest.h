/*
 * nearest.h -- which known word a mistyped one may have meant. Internal to core/param.
 */
#ifndef MW_CORE_PARAM_NEAREST_H
#define MW_CORE_PARAM_NEAREST_H

#include "core/base/str.h"

enum { MW_NEAREST_MAX = 64 }; /* longer words are never near anything */

/*
 * Edits (insert, delete, replace, swap of neighbors; letter case is free, - equals _) that turn a
 * into b; MW_NEAREST_MAX when either is longer than that. O(|a| |b|), no allocation.
 */
unsigned mw_nearest__distance(mw_str a, mw_str b);

/* True when that few edits make b a plausible reading of a: one in three letters, at least one. */
bool mw_nearest__plausible(mw_str a, unsigned distance);

#endif
