/*
 * profile_units.c -- units of measure by a table of names. What stands in square brackets is a unit by custom; what stands
 * in round ones only when it is known, since "(max)" and "(left)" are not.
 */
#include <string.h>

#include "keep/ingest/profile_build.h"

enum { UNIT_BYTES_MAX = 24 };

/* Without case where nothing else would be meant: "KPA" is kPa, but "M" is not m. */
static const char *const units[] = {
    "%",     "°c",      "°f",     "°",      "degc",  "degf",  "deg",   "deg_c", "deg_f",
    "deg c", "celsius", "kelvin", "k",      "c",     "f",     "grad",  "rad",   "bar",
    "mbar",  "µbar",    "bara",   "barg",   "pa",    "hpa",   "kpa",   "mpa",   "psi",
    "psia",  "psig",    "atm",    "torr",   "mmhg",  "inhg",  "rpm",   "1/min", "u/min",
    "min-1", "min^-1",  "1/s",    "hz",     "khz",   "mhz",   "v",     "mv",    "kv",
    "a",     "ma",      "ka",     "µa",     "ua",    "w",     "kw",    "mw",    "gw",
    "wh",    "kwh",     "mwh",    "gwh",    "va",    "kva",   "mva",   "var",   "kvar",
    "mvar",  "kvarh",   "ohm",    "kohm",   "mohm",  "Ω",     "kΩ",    "n",     "kn",
    "mn",    "nm",      "knm",    "j",      "kj",    "mj",    "gj",    "kcal",  "btu",
    "m",     "mm",      "cm",     "km",     "um",    "µm",    "μm",    "nm",    "in",
    "inch",  "ft",      "mil",    "m2",     "m²",    "mm2",   "m3",    "m³",    "nm3",
    "l",     "ml",      "hl",     "gal",    "s",     "sec",   "ms",    "us",    "µs",
    "ns",    "min",     "h",      "hr",     "hrs",   "d",     "days",  "m/s",   "mm/s",
    "cm/s",  "km/h",    "ft/min", "m/min",  "m/s2",  "m/s²",  "m/s^2", "g",     "mg",
    "kg",    "t",       "to",     "lb",     "lbs",   "lbm",   "oz",    "g/h",   "kg/h",
    "kg/s",  "kg/min",  "t/h",    "l/h",    "l/min", "l/s",   "m3/h",  "m³/h",  "m3/s",
    "nm3/h", "gpm",     "cfm",    "scfm",   "ppm",   "ppb",   "ph",    "us/cm", "µs/cm",
    "ms/cm", "ntu",     "mg/l",   "g/l",    "mol/l", "kg/m3", "kg/m³", "g/m3",  "g/kg",
    "mg/m3", "mg/nm3",  "µg/m3",  "db",     "dba",   "db(a)", "lx",    "lux",   "lm",
    "cd",    "w/m2",    "w/m²",   "t",      "mt",    "gauss", "v/m",   "cst",   "cp",
    "mpas",  "rh",      "%rh",    "% rh",   "rel%",  "tco2",  "kgco2", "usd",   "eur",
    "pcs",   "stk",     "count",  "counts", "-",
};

static mw_str without_brackets(mw_str text) {
    text = mw_str_trim(text);
    if (text.size < 2) return text;
    char open = text.data[0], close = text.data[text.size - 1];
    if ((open == '[' && close == ']') || (open == '(' && close == ')'))
        return mw_str_trim((mw_str){text.data + 1, text.size - 2});
    return text;
}

bool mw_profile__is_unit(mw_str text) {
    bool square = text.size >= 2 && text.data[0] == '[' && text.data[text.size - 1] == ']';
    text = without_brackets(text);
    if (text.size > UNIT_BYTES_MAX) return false;
    if (square) return true;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (mw_str_is_nocase(text, units[i])) return true;
    return false;
}

mw_str mw_profile__unit_in(mw_str name) {
    mw_str none = {NULL, 0};
    if (name.size < 3) return none;
    char close = name.data[name.size - 1], open = close == ']' ? '[' : '(';
    if (close != ']' && close != ')') return none;
    size_t at = name.size - 1, depth = 0;
    for (; at > 0; at--) {
        if (name.data[at] == close) depth++;
        if (name.data[at] == open && --depth == 0) break;
    }
    if (at == 0) return none;
    mw_str unit = mw_str_trim((mw_str){name.data + at + 1, name.size - at - 2});
    if (unit.size == 0 || unit.size > UNIT_BYTES_MAX) return none;
    return close == ']' || mw_profile__is_unit(unit) ? unit : none;
}
