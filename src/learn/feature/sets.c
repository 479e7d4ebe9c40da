/*
 * sets.c -- named sets of features, written as the "features" of a configuration.
 */
#include <string.h>

#include "learn/feature/config.h"

#define FOUR "[\"temperature\",\"vibration\",\"spindle_speed\",\"power_consumption\"]"

const char *const mw_feature_set_names[] = {"telemetry-40", NULL};

static const char *const features[] = {
    /* of each name */
    "[{\"op\":\"value\",\"of\":" FOUR "},"
    "{\"op\":[\"mean\",\"std\",\"min\",\"max\"],\"of\":" FOUR ",\"window\":\"5min\"},"
    "{\"op\":[\"mean\",\"std\"],\"of\":" FOUR ",\"window\":\"30min\"},"
    "{\"op\":[\"diff\",\"pct\"],\"of\":" FOUR "},"
    "{\"op\":\"product\",\"of\":[\"temperature\",\"vibration\"]},"
    "{\"op\":\"ratio\",\"of\":[\"power_consumption\",\"spindle_speed\"]},"
    "{\"op\":[\"hour_sin\",\"hour_cos\",\"weekday_sin\",\"weekday_cos\"]}]",
};

const char *mw_feature_set(const char *name) {
    for (size_t i = 0; mw_feature_set_names[i]; i++)
        if (strcmp(mw_feature_set_names[i], name) == 0) return features[i];
    return NULL;
}
