/* fuzz_zone.c -- any bytes as a TZif file, and as a name: never a crash, and a table that keeps its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/zone_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_time(const mw_zone *zone, int64_t local) {
    mw_zone_span span;
    mw_zone_case kind;
    mw_zone_span_at(zone, local, &span);
    if (local < span.from_us || local >= span.to_us) abort();
    int64_t utc = mw_zone_to_utc(zone, local, &kind);
    if (utc != local - span.offset_us) abort();
    /* Offsets may change again within their own difference in a hostile file, so this can only be run. */
    (void)mw_zone_to_local(zone, utc);
}

static void check_zone(const mw_zone *zone, const uint8_t *data, size_t size) {
    for (size_t i = 0; i < zone->n; i++) {
        if (i && zone->at_us[i - 1] >= zone->at_us[i]) abort();
        if (i && zone->until_us[i - 1] > zone->until_us[i]) abort();
        if (i < 50) check_time(zone, zone->until_us[i]);
        if (i < 50) check_time(zone, zone->until_us[i] - 1);
    }
    check_time(zone, MW_TIME_FIRST_US);
    check_time(zone, 0);
    check_time(zone, MW_TIME_END_US - 1);
    int64_t any;
    if (size < sizeof any) return;
    memcpy(&any, data + size - sizeof any, sizeof any);
    check_time(zone, any % MW_TIME_END_US);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mw_zone *zone = NULL;
    mw_err err;
    mw_status status = mw_zone__file_read(NULL, "Any", data, size, &zone, &err);
    if (status == MW_OK) check_zone(zone, data, size);
    if (status != MW_OK && (status != MW_EDATA || zone)) abort();
    (void)mw_zone_close(zone);

    mw_zone_rule rule;
    (void)mw_zone__rule_read((const char *)data, size, &rule);
    char name[24];
    if (size >= sizeof name) return 0;
    memcpy(name, data, size);
    name[size] = '\0';
    zone = NULL;
    status = mw_zone_open(NULL, name, &zone, &err);
    if (status != MW_OK && status != MW_EINVAL) abort();
    if ((status == MW_OK) != (zone != NULL)) abort();
    (void)mw_zone_close(zone);
    return 0;
}
