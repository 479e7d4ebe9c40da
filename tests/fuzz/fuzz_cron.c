/* fuzz_cron.c -- any bytes as a zone, a time and a cron expression: what is due next is due next from anywhere before it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/civil.h"
#include "core/text/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"UTC",          "Europe/Berlin",    "Australia/Lord_Howe",
                                    "Pacific/Apia", "Antarctica/Troll", "-03:30"};
enum { N_ZONES = sizeof names / sizeof *names };

static const mw_zone *zone_of(uint8_t which) {
    static mw_zone *zones[N_ZONES];
    mw_zone **zone = &zones[which % N_ZONES];
    if (!*zone && mw_zone_open(NULL, names[which % N_ZONES], zone, NULL) != MW_OK) abort();
    return *zone;
}

static void check(const mw_cron *cron, const mw_zone *zone, int64_t after_us) {
    int64_t next_us, again_us;
    mw_status status = mw_cron_next(cron, zone, after_us, &next_us, NULL);
    if (status == MW_ENOTFOUND) return;
    if (status != MW_OK || next_us <= after_us || next_us >= MW_TIME_END_US) abort();
    const int64_t first_us = MW_TIME_FIRST_US - 1;
    const int64_t gap_us = next_us - (after_us < first_us ? first_us : after_us);
    for (int64_t part = 1; part <= 1024; part *= 4) {
        const int64_t from_us = next_us - (gap_us - 1) / part - 1;
        if (mw_cron_next(cron, zone, from_us, &again_us, NULL) != MW_OK) abort();
        if (again_us != next_us) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[200];
    int64_t after_us;
    mw_cron cron;
    mw_err err;
    if (size < 1 + sizeof after_us || size - 1 - sizeof after_us >= sizeof text) return 0;
    memcpy(&after_us, data + 1, sizeof after_us);
    const size_t n = size - 1 - sizeof after_us;
    memcpy(text, data + 1 + sizeof after_us, n);
    text[n] = '\0';
    mw_status status = mw_cron_read(text, &cron, &err);
    if (status == MW_EINVAL && err.message[0] && err.hint[0]) return 0;
    if (status != MW_OK || !cron.minutes || !cron.hours || !cron.days || !cron.months) abort();
    check(&cron, zone_of(data[0]), after_us);
    check(&cron, zone_of(data[0]), after_us % MW_TIME_END_US);
    return 0;
}
