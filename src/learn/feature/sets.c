/*
 * sets.c -- named sets of features, written as the "features" of a configuration.
 */
#include <string.h>

#include "learn/feature/config.h"

#define FOUR "[\"temperature\",\"vibration\",\"spindle_speed\",\"power_consumption\"]"

static const struct {
    const char *name, *features;
} sets[] = {
    {"telemetry-40",
     "[{\"op\":\"value\",\"of\":" FOUR "},"
     "{\"op\":[\"mean\",\"std\",\"min\",\"max\"],\"of\":" FOUR ",\"window\":\"5min\"},"
     "{\"op\":[\"mean\",\"std\"],\"of\":" FOUR ",\"window\":\"30min\"},"
     "{\"op\":[\"diff\",\"pct\"],\"of\":" FOUR "},"
     "{\"op\":\"product\",\"of\":[\"temperature\",\"vibration\"]},"
     "{\"op\":\"ratio\",\"of\":[\"power_consumption\",\"spindle_speed\"]},"
     "{\"op\":[\"hour_sin\",\"hour_cos\",\"weekday_sin\",\"weekday_cos\"]}]"},
};

const char *mw_feature_set(const char *name) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(sets[i].name, name) == 0) return sets[i].features;
    return NULL;
}
