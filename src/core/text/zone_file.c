/*
 * zone_file.c -- TZif files, versions 1 to 4 (RFC 8536, RFC 9636).
 *
 * Layout  a header and a block with 32-bit times; from version 2 on the same again with 64-bit times, and a footer
 *         with the rule for later times. The first block is skipped then. Every count is checked against the bytes
 *         that are there before anything is read or allocated.
 */
#include "core/text/zone_table.h"

#include <string.h>

#include "core/base/str.h"

enum { HEADER_BYTES = 44, TYPE_BYTES = 6 };
/* RFC 8536: -24:59:59 to 25:59:59, more than any place ever used. */
enum { LEAST_OFFSET_S = -89999, MOST_OFFSET_S = 93599 };
/* Files of old begin with a change at the Big Bang. Nothing outside these can be written as a time. */
#define LEAST_AT_S (MW_TIME_FIRST_US / MW_SECOND_US - 400 * 86400)
#define MOST_AT_S (MW_TIME_END_US / MW_SECOND_US + 400 * 86400)

typedef struct block {
    char version;
    size_t n_ut, n_std, n_leap, n_times, n_types, n_letters;
    size_t time_bytes;         /* 4 or 8 */
    const unsigned char *data; /* behind the header */
    size_t size;               /* of data, counted from the numbers */
} block;

static size_t big_endian_4(const unsigned char *p) {
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static int64_t signed_4(const unsigned char *p) { return (int32_t)(uint32_t)big_endian_4(p); }

static int64_t signed_8(const unsigned char *p) {
    return (int64_t)((uint64_t)big_endian_4(p) << 32 | (uint64_t)big_endian_4(p + 4));
}

/* NULL, or what is wrong. */
static const char *read_block(const unsigned char *data, size_t size, size_t time_bytes,
                              block *ret) {
    if (size < HEADER_BYTES || memcmp(data, "TZif", 4) != 0) return "it does not begin with TZif";
    block b = {.version = (char)data[4],
               .n_ut = big_endian_4(data + 20),
               .n_std = big_endian_4(data + 24),
               .n_leap = big_endian_4(data + 28),
               .n_times = big_endian_4(data + 32),
               .n_types = big_endian_4(data + 36),
               .n_letters = big_endian_4(data + 40),
               .time_bytes = time_bytes,
               .data = data + HEADER_BYTES};
    if (b.version && (b.version < '2' || b.version > '9')) return "its version is unknown";
    /* Each count is below 2^32 and each factor below 16: no sum overflows 64 bits. */
    b.size = b.n_times * (time_bytes + 1) + b.n_types * TYPE_BYTES + b.n_letters +
             b.n_leap * (time_bytes + 4) + b.n_std + b.n_ut;
    if (b.size > size - HEADER_BYTES) return "it is cut short";
    *ret = b;
    return NULL;
}

static const char *check_block(const block *b) {
    if (b->n_types == 0) return "it has no local time types";
    if (b->n_types > 256) return "it has more than 256 local time types";
    if (b->n_leap) return "it counts leap seconds, which times here do not";
    const unsigned char *index = b->data + b->n_times * b->time_bytes;
    for (size_t i = 0; i < b->n_times; i++)
        if (index[i] >= b->n_types) return "a change has a type that is not there";
    const unsigned char *types = index + b->n_times;
    for (size_t i = 0; i < b->n_types; i++) {
        int64_t offset_s = signed_4(types + i * TYPE_BYTES);
        if (offset_s < LEAST_OFFSET_S || offset_s > MOST_OFFSET_S)
            return "an offset is more than a day";
    }
    return NULL;
}

static const char *append_changes(const block *b, mw_zone *zone) {
    const unsigned char *index = b->data + b->n_times * b->time_bytes;
    const unsigned char *types = index + b->n_times;
    zone->offset_us[0] = signed_4(types) * MW_SECOND_US;
    int64_t last_s = INT64_MIN;
    for (size_t i = 0; i < b->n_times; i++) {
        const unsigned char *p = b->data + i * b->time_bytes;
        int64_t at_s = b->time_bytes == 8 ? signed_8(p) : signed_4(p);
        if (i && at_s <= last_s) return "its changes are not in order of time";
        last_s = at_s;
        if (at_s > MOST_AT_S) break;
        int64_t offset_us = signed_4(types + index[i] * TYPE_BYTES) * MW_SECOND_US;
        if (at_s < LEAST_AT_S)
            zone->offset_us[0] = offset_us;
        else
            mw_zone__append(zone, at_s * MW_SECOND_US, offset_us);
    }
    return NULL;
}

/* The rule between two line ends behind the last block; an empty one means that none is known. */
static const char *append_footer(const unsigned char *data, size_t size, mw_zone *zone) {
    if (size < 2 || data[0] != '\n') return "its footer is missing";
    const unsigned char *end = memchr(data + 1, '\n', size - 1);
    if (!end) return "its footer has no end";
    mw_zone_rule rule;
    size_t n = (size_t)(end - data) - 1;
    if (n == 0) return NULL;
    if (!mw_zone__rule_read((const char *)data + 1, n, &rule))
        return "the rule in its footer cannot be read";
    mw_zone__rule_append(zone, &rule);
    return NULL;
}

static mw_status damaged(const char *name, const char *why, mw_err *err) {
    (void)mw_fail(err, MW_EDATA, "The file of time zone %s is damaged: %s", name, why);
    return mw_err_hint(err, "Install the system's time zone data (tzdata) again, or unset TZDIR.");
}

mw_status mw_zone__file_read(mw_mem *mem, const char *name, const unsigned char *data, size_t size,
                             mw_zone **ret, mw_err *err) {
    block b;
    const char *why = read_block(data, size, 4, &b);
    if (why) return damaged(name, why, err);
    if (b.version) {
        data = b.data + b.size;
        size -= HEADER_BYTES + b.size;
        why = read_block(data, size, 8, &b);
        if (why) return damaged(name, why, err);
    }
    why = check_block(&b);
    if (why) return damaged(name, why, err);
    mw_zone *zone = mw_zone__new(mem, name, b.n_times + MW_ZONE_RULE_ROOM);
    if (!zone) return mw_fail_nomem(err, "a time zone");
    why = append_changes(&b, zone);
    if (!why && b.version) why = append_footer(b.data + b.size, size - HEADER_BYTES - b.size, zone);
    if (why) {
        (void)mw_zone_close(zone);
        return damaged(name, why, err);
    }
    *ret = zone;
    return MW_OK;
}
