/*
 * zone_table.h -- what a zone is inside: the moments its offset changes. Shared by zone*.c only.
 *
 * Shape     offset_us[i] holds before at_us[i], offset_us[n] from at_us[n - 1] on. until_us[i] is the local time up to
 *           which offset_us[i] is used when local times are read: the later of the two local names of that moment.
 * Repeats   the Gregorian calendar repeats every 400 years, to the weekday; so a rule is written out for that long,
 *           and later times are moved back by whole cycles.
 */
#ifndef MW_CORE_TEXT_ZONE_TABLE_H
#define MW_CORE_TEXT_ZONE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text/civil.h"
#include "core/text/zone.h"

#define MW_ZONE_CYCLE_US (146097 * MW_DAY_US)

enum {
    MW_ZONE_NAME_BYTES = 64,
    MW_ZONE_RULE_YEARS = 402,
    MW_ZONE_RULE_ROOM = 2 * MW_ZONE_RULE_YEARS
};

struct mw_zone {
    char name[MW_ZONE_NAME_BYTES];
    size_t n;
    bool repeats;       /* the last 400 years of the table hold for ever */
    int64_t *at_us;     /* [n] UTC, ascending */
    int64_t *until_us;  /* [n] local, ascending */
    int64_t *offset_us; /* [n + 1] east of Greenwich */
};

/* A POSIX TZ rule, RFC 8536 section 3.3.1. */
typedef struct mw_zone_day {
    enum { MW_DAY_OF_MONTH, MW_DAY_JULIAN, MW_DAY_OF_YEAR } kind;
    int month, week, weekday; /* week 5: the last one; weekday 0: Sunday */
    int day;                  /* 1..365 without 29 February, or 0..365 */
    int64_t clock_us;         /* local, may be negative or past midnight */
} mw_zone_day;

typedef struct mw_zone_rule {
    int64_t offset_us, summer_us;
    bool has_summer;
    mw_zone_day begin, end; /* of summer time */
} mw_zone_rule;

/* False when the text is no rule. */
bool mw_zone__rule_read(const char *text, size_t size, mw_zone_rule *ret);
/* Appends the rule's changes after the last one of the table, which has room for MW_ZONE_RULE_ROOM more. */
void mw_zone__rule_append(mw_zone *zone, const mw_zone_rule *rule);
/* Adds one change, unless it changes nothing. Moments that do not ascend are left out. */
void mw_zone__append(mw_zone *zone, int64_t at_us, int64_t offset_us);

/* The content of a TZif file; *ret is new. MW_EDATA when it is damaged. */
mw_status mw_zone__file_read(mw_mem *mem, const char *name, const unsigned char *data, size_t size,
                             mw_zone **ret, mw_err *err);
/* An empty table with room for so many changes; offset_us[0] is 0. NULL without memory. */
mw_zone *mw_zone__new(mw_mem *mem, const char *name, size_t room);

/* "UTC", "Z", "+02:00", "UTC-3:30": false when the name is no such offset. */
bool mw_zone__fixed(const char *name, int64_t *ret_us);
/* Letters, digits and _ + - in parts joined by single slashes. */
bool mw_zone__name_is_safe(const char *name);
/* The embedded name that is this one but for case, or NULL. */
const char *mw_zone__same_name(const char *name);
/* Up to three names like this one, joined by ", "; "" when there is none. */
void mw_zone__near_names(const char *name, char *out, size_t capacity);

#endif
