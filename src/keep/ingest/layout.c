/*
 * layout.c -- a table of known names, most certain first within a role. A role goes to the field
 * that comes first in that order; a second candidate is an ordinary column.
 */
#include "keep/ingest/layout.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "keep/ingest/cells.h"

const char *const mw_label_names[MW_LABEL_N] = {
    "device_id", "device_name", "employee_id", "employee_name", "category",
};

enum { NAMES_MAX = 26 };

static const char *const stamp_names[] = {
    "timestamp",   "datetime",        "date_time",     "time_stamp",
    "timestamps",  "event_time",      "recorded_at",   "ts",
    "ds",          "date/time",       "timestamp_utc", "utc_timestamp",
    "time_utc",    "utc_time",        "local_time",    "sample_time",
    "log_time",    "event_timestamp", "created_at",    "date_and_time",
    "t_stamp",     "_time",           "zeitstempel",   "zeitpunkt",
    "datum_zeit",  "datum/zeit",      "datumzeit",     "datum_uhrzeit",
    "horodatage",  "fecha_hora",      "timestring",    "timestamp_ms",
    "timestamp_s", "timestamp_us",    "timestamp_ns",  NULL};
static const char *const date_names[] = {"date", "datum", "fecha", NULL};
static const char *const clock_names[] = {"time",        "uhrzeit", "zeit", "clock",
                                          "time_of_day", "heure",   "hora", NULL};
static const char *const parameter_names[] = {
    "parameter",   "parameter_name", "metric",      "sensor",    "tag",
    "variable",    "_field",         "sensor_name", "sensor_id", "tag_name",
    "tagname",     "variable_name",  "signal",      "channel",   "messgr\303\266\303\237e",
    "messgroesse", "messstelle",     "kanal",       "varname",   NULL};
static const char *const value_names[] = {"value",    "reading", "measurement", "_value",   "wert",
                                          "messwert", "valeur",  "valor",       "varvalue", NULL};

/* Counters that stand for a time when their numbers never fall. */
static const char *const counter_names[] = {
    "cycle",   "cycles",       "cycle_no", "cycle_number", "cycle_id",    "t",
    "epoch",   "time_s",       "time_ms",  "time_sec",     "elapsed",     "elapsed_time",
    "seconds", "unix",         "unixtime", "unix_time",    "time_cycles", "time_in_cycles",
    "zyklus",  "zyklusnummer", NULL};

/* In a long file `unit` is a unit of measure, in a wide one a machine. */
static const char *const unit_names[] = {"unit", NULL};

static const char *const label_names[MW_LABEL_N][NAMES_MAX] = {
    {"device_id",       "device",    "deviceid",
     "machine_id",      "machineid", "machine",
     "asset_id",        "asset",     "equipment_id",
     "equipment",       "unit_id",   "unit_number",
     "unit_nr",         "engine_id", "machine_no",
     "machine_number",  "maschine",  "maschinen_id",
     "maschinennummer", "anlage",    "anlagen_id",
     "ger\303\244t",    "geraet",    "ger\303\244te_id",
     "geraete_id",      NULL},
    {"device_name", "machine_name", "asset_name", "equipment_name", "maschinenname", NULL},
    {"employee_id", "operator_id", "employee", "operator", "bediener", NULL},
    {"employee_name", "operator_name", NULL},
    {"category", "kategorie", NULL},
};

bool mw_layout_reserved(mw_str name) {
    if (mw_str_is_nocase(name, "time")) return true;
    for (int i = 0; i < MW_LABEL_N; i++)
        if (mw_str_is_nocase(name, mw_label_names[i])) return true;
    return false;
}

bool mw_layout_same_name(mw_str name, const char *known) {
    if (name.size != strlen(known)) return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c == ' ' || c == '-' || c == '.') c = '_';
        if (c != known[i]) return false;
    }
    return true;
}

static int32_t find(const mw_str *names, uint32_t n, const char *const *known) {
    for (; *known; known++)
        for (uint32_t i = 0; i < n; i++)
            if (mw_layout_same_name(names[i], *known)) return (int32_t)i;
    return -1;
}

/* pandas writes a time index as a first column without a name (the profile names it column_1). */
static bool is_unnamed_index(mw_str name) {
    return mw_str_is(name, "column_1") || mw_str_is_nocase(name, "unnamed: 0");
}

static void find_time(const mw_str *names, uint32_t n, mw_layout *layout) {
    layout->stamp = find(names, n, stamp_names);
    layout->date = find(names, n, date_names);
    layout->clock = find(names, n, clock_names);
    if (layout->stamp < 0 && layout->date < 0) {
        layout->stamp = layout->clock;
        layout->clock = -1;
    }
    if (layout->stamp < 0 && layout->date < 0 && n > 0 && is_unnamed_index(names[0]))
        layout->stamp = 0;
}

static bool is_any_of(mw_str name, const char *const *known) {
    for (; *known; known++)
        if (mw_layout_same_name(name, *known)) return true;
    return false;
}

bool mw_layout_is_time(mw_str name) {
    return is_any_of(name, stamp_names) || is_any_of(name, date_names) ||
           is_any_of(name, clock_names);
}

bool mw_layout_is_counter(mw_str name) { return is_any_of(name, counter_names); }

bool mw_layout_is_known(mw_str name) {
    if (mw_layout_is_time(name) || mw_layout_is_counter(name) || is_any_of(name, value_names) ||
        is_any_of(name, parameter_names) || is_any_of(name, unit_names))
        return true;
    for (int i = 0; i < MW_LABEL_N; i++)
        if (is_any_of(name, label_names[i])) return true;
    return false;
}

void mw_layout_find(const mw_str *names, uint32_t n, mw_layout *layout) {
    find_time(names, n, layout);
    layout->parameter = find(names, n, parameter_names);
    layout->value = find(names, n, value_names);
    layout->is_long = layout->parameter >= 0 && layout->value >= 0;
    for (int i = 0; i < MW_LABEL_N; i++) layout->label[i] = find(names, n, label_names[i]);
    if (layout->is_long) return;
    layout->parameter = layout->value = -1;
    int32_t *device = &layout->label[MW_LABEL_DEVICE_ID];
    if (*device < 0) *device = find(names, n, unit_names);
}

/* An open-addressed set of the names seen: a header may have 20,000. */
static mw_status check_distinct(mw_mem *mem, const mw_str *names, uint32_t n, mw_err *err) {
    size_t capacity = 16;
    while (capacity < (size_t)n * 2) capacity *= 2;
    uint32_t *slots = mw_calloc(mem, capacity, sizeof *slots); /* field + 1 */
    if (!slots) return mw_fail_nomem(err, "reading a header");
    mw_status status = MW_OK;
    for (uint32_t i = 0; i < n && status == MW_OK; i++) {
        size_t at = mw_hash64(names[i].data, names[i].size) & (capacity - 1);
        while (slots[at] && !mw_str_eq(names[slots[at] - 1], names[i]))
            at = (at + 1) & (capacity - 1);
        char shown[MW_CELL_SHOWN];
        if (slots[at]) {
            mw_fail(err, MW_EDATA, "the header has the column \"%s\" twice (columns %u and %u)",
                    mw_cell_show(names[i], shown), slots[at], i + 1);
            status = mw_err_hint(err, "Rename or remove one of them.");
        }
        slots[at] = i + 1;
    }
    mw_free(slots);
    return status;
}

mw_status mw_layout_check_names(mw_mem *mem, const mw_str *names, uint32_t n, mw_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        if (names[i].size <= (size_t)MW_LIMIT(COLUMN_NAME_BYTES)) continue;
        mw_fail(err, MW_ETOOLARGE, "column %u has a name of %zu bytes; the limit is %lld", i + 1,
                names[i].size, (long long)MW_LIMIT(COLUMN_NAME_BYTES));
        return mw_err_hint(err, "Shorten it.");
    }
    return check_distinct(mem, names, n, err);
}
