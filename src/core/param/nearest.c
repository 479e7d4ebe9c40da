/*
 * nearest.c -- see nearest.h. Optimal string alignment: Levenshtein's table with swaps of neighbors
 * (Damerau 1964 found that swaps are a large share of typing errors); three rows of it suffice.
 */
#include "core/param/nearest.h"

#include <string.h>

static char fold(char c) {
    if (c == '-') return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned mw_nearest_distance(mw_str a, mw_str b) {
    if (a.size >= MW_NEAREST_MAX || b.size >= MW_NEAREST_MAX) return MW_NEAREST_MAX;
    unsigned before[MW_NEAREST_MAX] = {0}, above[MW_NEAREST_MAX], row[MW_NEAREST_MAX] = {0};
    for (unsigned j = 0; j <= b.size; j++) above[j] = j;
    for (unsigned i = 1; i <= a.size; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.size; j++) {
            char x = fold(a.data[i - 1]), y = fold(b.data[j - 1]);
            row[j] = least(above[j - 1] + (x != y), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x == fold(b.data[j - 2]) && y == fold(a.data[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        memcpy(before, above, sizeof before);
        memcpy(above, row, sizeof above);
    }
    return above[b.size];
}

bool mw_nearest_plausible(mw_str a, unsigned distance) {
    return distance < a.size && distance <= (a.size < 6 ? 1 : a.size / 3);
}

void mw_nearest_look_str(mw_nearest *best, mw_str typed, mw_str word) {
    unsigned distance = mw_nearest_distance(typed, word);
    if (!mw_nearest_plausible(typed, distance)) return;
    if (best->word && distance >= best->distance) return;
    *best = (mw_nearest){word.data, (int)word.size, distance};
}

void mw_nearest_look(mw_nearest *best, mw_str typed, const char *word) {
    mw_nearest_look_str(best, typed, mw_str_of(word));
}
