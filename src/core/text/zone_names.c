/*
 * zone_names.c -- names of zones: fixed offsets, which ones are safe as paths, and which ones a user may have meant.
 *
 * Near names  by edit distance (Levenshtein), of the whole name or of its last part, so that "berlin" finds
 *             Europe/Berlin. The list is the embedded one.
 */
#include "core/text/zone_table.h"

#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/text/zone_embedded.h"

static int digit(char c) { return (unsigned)(c - '0') <= 9 ? c - '0' : -1; }

/* +H, +HH, +HHMM, +HH:MM, +H:MM, up to 18 hours, or nothing at all. */
static bool read_offset(const char *text, int64_t *ret_us) {
    if (!*text) {
        *ret_us = 0;
        return true;
    }
    bool west = *text == '-';
    if (!west && *text != '+') return false;
    text++;
    int hours = digit(*text), minutes = 0;
    if (hours < 0) return false;
    text++;
    if (digit(*text) >= 0) hours = hours * 10 + digit(*text++);
    bool colon = *text == ':';
    if (colon) text++;
    if (colon || *text) {
        if (digit(text[0]) < 0 || digit(text[1]) < 0 || text[2]) return false;
        minutes = digit(text[0]) * 10 + digit(text[1]);
    }
    if (minutes > 59 || hours * 60 + minutes > 18 * 60) return false;
    int64_t us = hours * MW_HOUR_US + minutes * MW_MINUTE_US;
    *ret_us = west ? -us : us;
    return true;
}

bool mw_zone__fixed(const char *name, int64_t *ret_us) {
    mw_str whole = mw_str_of(name);
    if (mw_str_is_nocase(whole, "z") || mw_str_is_nocase(whole, "zulu"))
        return read_offset("", ret_us);
    if (*name == '+' || *name == '-') return read_offset(name, ret_us);
    if (whole.size < 3) return false;
    mw_str first = {name, 3};
    if (!mw_str_is_nocase(first, "utc") && !mw_str_is_nocase(first, "gmt")) return false;
    return read_offset(name + 3, ret_us);
}

bool mw_zone__name_is_safe(const char *name) {
    char before = '/';
    size_t n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool plain =
            (unsigned)((c | 32) - 'a') < 26 || digit(c) >= 0 || c == '_' || c == '+' || c == '-';
        if (!plain && c != '/') return false;
        if (c == '/' && before == '/') return false;
        before = c;
    }
    return n > 0 && n < MW_ZONE_NAME_BYTES && before != '/';
}

static char folded(char c) {
    if (c == ' ') return '_';
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

const char *mw_zone__same_name(const char *name) {
    for (size_t i = 0; i < mw_zones_embedded_count; i++)
        if (mw_str_is_nocase(mw_str_of(name), mw_zones_embedded[i].name))
            return mw_zones_embedded[i].name;
    return NULL;
}

static size_t distance(const char *a, const char *b) {
    size_t n = strlen(b), row[MW_ZONE_NAME_BYTES];
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = corner + (folded(a[i]) != folded(b[j]));
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j + 1] + 1 < best) best = row[j + 1] + 1;
            corner = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

static const char *last_part(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

void mw_zone__near_names(const char *name, char *out, size_t capacity) {
    enum { MOST = 3 };
    const char *best[MOST] = {0};
    size_t far[MOST];
    size_t n = strlen(name), n_part = strlen(last_part(name));
    *out = '\0';
    if (n >= MW_ZONE_NAME_BYTES) return;
    for (size_t i = 0; i < mw_zones_embedded_count; i++) {
        const char *candidate = mw_zones_embedded[i].name;
        if (strlen(candidate) >= MW_ZONE_NAME_BYTES) continue;
        size_t whole = distance(name, candidate);
        size_t part = distance(last_part(name), last_part(candidate));
        if (whole > n / 3 && part > n_part / 3) continue;
        size_t d = whole < part ? whole : part;
        for (size_t k = 0; k < MOST; k++) {
            if (best[k] && far[k] <= d) continue;
            memmove(best + k + 1, best + k, (MOST - 1 - k) * sizeof *best);
            memmove(far + k + 1, far + k, (MOST - 1 - k) * sizeof *far);
            best[k] = candidate;
            far[k] = d;
            break;
        }
    }
    for (size_t k = 0, at = 0; k < MOST && best[k]; k++) {
        int wrote = snprintf(out + at, capacity - at, "%s%s", k ? ", " : "", best[k]);
        if (wrote < 0 || (size_t)wrote >= capacity - at) return;
        at += (size_t)wrote;
    }
}
