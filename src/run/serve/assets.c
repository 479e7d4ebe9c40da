/* assets.c -- binary search over the table that tools/embed generates. */
#include "run/serve/assets.h"

#include <string.h>

const mw_asset *mw_asset_find(const char *path) {
    size_t low = 0;
    size_t high = mw_assets_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, mw_assets[middle].path);
        if (order == 0) return &mw_assets[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
