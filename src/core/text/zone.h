/*
 * zone.h -- local times of a named zone to UTC, by the rules in its TZif file (RFC 8536).
 *
 * Source    $TZDIR or /usr/share/zoneinfo; where there is none, the copy embedded at build. "UTC", "Z" and fixed offsets
 *           ("+02:00", "UTC+2") need neither. After the last transition the file's POSIX rule holds.
 * Names     as in tzdata, in any case of letters when the exact one is not there. "UTC+2" and "GMT+2" are two hours
 *           east, as people mean them; "Etc/GMT+2" is a file, and two hours west. Files that count leap seconds
 *           ("right/...") are refused.
 * Range     times of the years 0000 to 9999, and some days around them.
 * DST rule  a local time that comes twice is the first of both (still summer time); one that never comes (the hour
 *           skipped in spring) is read with the offset in force before the change.
 */
#ifndef MW_CORE_TEXT_ZONE_H
#define MW_CORE_TEXT_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/status.h"

typedef struct mw_zone mw_zone;

/* MW_EINVAL with a hint (near names) for an unknown zone; MW_EDATA for a damaged file. Immutable: shared by threads. */
mw_status mw_zone_open(mw_mem *mem, const char *name, mw_zone **ret, mw_err *err);
void *mw_zone_close(mw_zone *zone);
const char *mw_zone_name(const mw_zone *zone);

typedef enum mw_zone_case { MW_ZONE_ONCE, MW_ZONE_TWICE, MW_ZONE_NEVER } mw_zone_case;

/* local_us: the civil time as if it were UTC. Cost: a few ns while times stay between two transitions. */
int64_t mw_zone_to_utc(const mw_zone *zone, int64_t local_us,
                       mw_zone_case *ret_case /* may be NULL */);
int64_t mw_zone_to_local(const mw_zone *zone, int64_t utc_us);

/* Local times around one that are read with the same offset: utc = local - offset_us for from_us <= local < to_us.
 * A loop that keeps the span asks the zone again only when it leaves it. */
typedef struct mw_zone_span {
    int64_t from_us, to_us, offset_us;
    int64_t odd_us; /* from here to to_us local times come twice or never, as odd_case says */
    mw_zone_case odd_case;
} mw_zone_span;

void mw_zone_span_at(const mw_zone *zone, int64_t local_us, mw_zone_span *ret);

/* The offset in force at a time: local = utc + offset_us for from_us <= utc < to_us. */
typedef struct mw_zone_offset {
    int64_t from_us, to_us, offset_us;
} mw_zone_offset;

void mw_zone_offset_at(const mw_zone *zone, int64_t utc_us, mw_zone_offset *ret);

/* A column of local times [n] to UTC in place, as after joining dates and clocks; INT64_MIN (no time) stays. Adds to the
 * counts of those that came twice or never. Cost: 1 ns while times stay in one span. */
void mw_zone_convert(const mw_zone *zone, int64_t *times_us, size_t n, uint64_t *twice,
                     uint64_t *never);

#endif
