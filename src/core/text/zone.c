/*
 * zone.c -- see zone.h: where zones come from, and times by their tables (binary search, no branches on data).
 */
#include "core/text/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/text/zone_embedded.h"
#include "core/text/zone_table.h"

#define SYSTEM_ZONES "/usr/share/zoneinfo"

mw_zone *mw_zone__new(mw_mem *mem, const char *name, size_t room) {
    /* One block: the table behind the struct. room is far below what could overflow. */
    size_t n_values = 3 * room + 1;
    mw_zone *zone = mw_calloc(mem, 1, sizeof *zone + n_values * sizeof(int64_t));
    if (!zone) return NULL;
    (void)snprintf(zone->name, sizeof zone->name, "%s", name);
    zone->at_us = (int64_t *)(void *)(zone + 1);
    zone->until_us = zone->at_us + room;
    zone->offset_us = zone->until_us + room;
    return zone;
}

void *mw_zone_close(mw_zone *zone) { return mw_free(zone); }

const char *mw_zone_name(const mw_zone *zone) { return zone->name; }

/* MW_ENOTFOUND, without a message, when there is no such plain file. *ret is new. */
static mw_status read_system(mw_mem *mem, const char *name, unsigned char **ret, size_t *ret_size,
                             mw_err *err) {
    const mw_io *io = &mw_io_system;
    const char *folder = getenv("TZDIR");
    char path[512];
    struct stat info;
    mw_status status = MW_OK;
    unsigned char *data = NULL;
    size_t size = 0;
    int n = snprintf(path, sizeof path, "%s/%s", folder && *folder ? folder : SYSTEM_ZONES, name);
    if (n < 0 || (size_t)n >= sizeof path) return MW_ENOTFOUND;
    /* O_NONBLOCK: a pipe of that name must not hang us. */
    int fd = io->open(io->self, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) return MW_ENOTFOUND;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = MW_ENOTFOUND;
        goto done;
    }
    if (info.st_size > MW_LIMIT(ZONE_BYTES)) {
        status = mw_fail(err, MW_EDATA,
                         "The file of time zone %s is damaged: it has more than %lld bytes", name,
                         (long long)MW_LIMIT(ZONE_BYTES));
        goto done;
    }
    data = mw_alloc(mem, (size_t)info.st_size);
    if (!data) {
        status = mw_fail_nomem(err, "a time zone");
        goto done;
    }
    while (size < (size_t)info.st_size) {
        ssize_t got = io->read(io->self, fd, data + size, (size_t)info.st_size - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            status = mw_fail_errno(err, errno, "The file of time zone %s cannot be read", name);
        if (got <= 0) break;
        size += (size_t)got;
    }
done:
    (void)io->close(io->self, fd);
    if (status != MW_OK) {
        (void)mw_free(data);
        return status;
    }
    *ret = data;
    *ret_size = size;
    return MW_OK;
}

static mw_status open_named(mw_mem *mem, const char *name, mw_zone **ret, mw_err *err) {
    unsigned char *data = NULL;
    size_t size = 0;
    mw_status status = read_system(mem, name, &data, &size, err);
    if (status == MW_OK) {
        status = mw_zone__file_read(mem, name, data, size, ret, err);
        (void)mw_free(data);
        return status;
    }
    if (status != MW_ENOTFOUND) return status;
    for (size_t i = 0; i < mw_zones_embedded_count; i++) {
        const mw_zone_embedded *zone = &mw_zones_embedded[i];
        if (strcmp(zone->name, name) == 0)
            return mw_zone__file_read(mem, name, mw_zone_bytes + zone->at, zone->size, ret, err);
    }
    return MW_ENOTFOUND;
}

static mw_status unknown(const char *name, mw_err *err) {
    char near[128];
    mw_zone__near_names(name, near, sizeof near);
    (void)mw_fail(err, MW_EINVAL, "There is no time zone \"%.64s\"", name);
    if (*near)
        return mw_err_hint(err, "Near names: %s. An offset such as +02:00 will do, too.", near);
    return mw_err_hint(err, "Give a name such as Europe/Berlin, UTC, or an offset such as +02:00.");
}

static mw_status open_fixed(mw_mem *mem, int64_t offset_us, mw_zone **ret, mw_err *err) {
    char name[16] = "UTC";
    int minutes = (int)((offset_us < 0 ? -offset_us : offset_us) / MW_MINUTE_US);
    if (minutes)
        (void)snprintf(name, sizeof name, "%c%02d:%02d", offset_us < 0 ? '-' : '+',
                       minutes / 60 % 100, minutes % 60);
    mw_zone *zone = mw_zone__new(mem, name, 0);
    if (!zone) return mw_fail_nomem(err, "a time zone");
    zone->offset_us[0] = offset_us;
    *ret = zone;
    return MW_OK;
}

mw_status mw_zone_open(mw_mem *mem, const char *name, mw_zone **ret, mw_err *err) {
    int64_t offset_us;
    if (mw_zone__fixed(name, &offset_us)) return open_fixed(mem, offset_us, ret, err);
    if (!mw_zone__name_is_safe(name)) return unknown(name, err);
    mw_status status = open_named(mem, name, ret, err);
    const char *same = status == MW_ENOTFOUND ? mw_zone__same_name(name) : NULL;
    if (same) status = open_named(mem, same, ret, err);
    return status == MW_ENOTFOUND ? unknown(name, err) : status;
}

/* How many of the ascending values [n] are at most x. */
static size_t count_up_to(const int64_t *values, size_t n, int64_t x) {
    const int64_t *base = values;
    while (n > 1) {
        size_t half = n / 2;
        base += base[half - 1] <= x ? half : 0;
        n -= half;
    }
    return (size_t)(base - values) + (n == 1 && *base <= x);
}

/* What is to be taken from a time so that the table knows it. */
static int64_t cycles_past(const mw_zone *zone, const int64_t *ends, int64_t time_us) {
    if (!zone->repeats || time_us < ends[zone->n - 1]) return 0;
    return ((time_us - ends[zone->n - 1]) / MW_ZONE_CYCLE_US + 1) * MW_ZONE_CYCLE_US;
}

static int64_t minus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

void mw_zone_span_at(const mw_zone *zone, int64_t local_us, mw_zone_span *ret) {
    int64_t past = cycles_past(zone, zone->until_us, local_us);
    size_t i = count_up_to(zone->until_us, zone->n, minus(local_us, past));
    ret->from_us = i ? zone->until_us[i - 1] + past : INT64_MIN;
    ret->to_us = i < zone->n ? zone->until_us[i] + past : INT64_MAX;
    ret->offset_us = zone->offset_us[i];
    /* Local times from here to to_us come twice, or never. */
    ret->odd_us = INT64_MAX;
    ret->odd_case = MW_ZONE_ONCE;
    if (i == zone->n) return;
    int64_t before = zone->offset_us[i], after = zone->offset_us[i + 1];
    ret->odd_us = zone->at_us[i] + past + (before < after ? before : after);
    ret->odd_case = before < after ? MW_ZONE_NEVER : MW_ZONE_TWICE;
}

int64_t mw_zone_to_utc(const mw_zone *zone, int64_t local_us, mw_zone_case *ret_case) {
    mw_zone_span span;
    mw_zone_span_at(zone, local_us, &span);
    if (ret_case) *ret_case = local_us >= span.odd_us ? span.odd_case : MW_ZONE_ONCE;
    return minus(local_us, span.offset_us);
}

void mw_zone_convert(const mw_zone *zone, int64_t *times_us, size_t n, uint64_t *twice,
                     uint64_t *never) {
    mw_zone_span span = {.from_us = INT64_MAX, .to_us = INT64_MIN};
    for (size_t i = 0; i < n; i++) {
        int64_t us = times_us[i];
        if (us == INT64_MIN) continue;
        if (us < span.from_us || us >= span.to_us) mw_zone_span_at(zone, us, &span);
        if (us >= span.odd_us) {
            *twice += span.odd_case == MW_ZONE_TWICE;
            *never += span.odd_case == MW_ZONE_NEVER;
        }
        times_us[i] = minus(us, span.offset_us);
    }
}

void mw_zone_offset_at(const mw_zone *zone, int64_t utc_us, mw_zone_offset *ret) {
    int64_t past = cycles_past(zone, zone->at_us, utc_us);
    size_t i = count_up_to(zone->at_us, zone->n, minus(utc_us, past));
    ret->from_us = i ? zone->at_us[i - 1] + past : INT64_MIN;
    ret->to_us = i < zone->n ? zone->at_us[i] + past : INT64_MAX;
    ret->offset_us = zone->offset_us[i];
}

int64_t mw_zone_to_local(const mw_zone *zone, int64_t utc_us) {
    int64_t past = cycles_past(zone, zone->at_us, utc_us);
    size_t i = count_up_to(zone->at_us, zone->n, minus(utc_us, past));
    return minus(utc_us, minus(0, zone->offset_us[i]));
}
