"""The two programs of features that are measured, as lists of columns: each peer writes them in its own way.

telemetry-40   what `"featureSet": "telemetry-40"` is: the values, windows of 5 and 30 minutes, changes, a product, a ratio, the clock
program-300    windows of 1 to 60 minutes, 24 rows back, changes against 12 rows, products and ratios of all pairs

Everything is per device. A window of m minutes at time t is (t - m, t]; std divides by n - 1; missing values are left out. Monday is weekday 0.
"""
import itertools
import json
import os

from features_data import COLUMNS, ROOT

STATISTICS = ("mean", "std", "min", "max")
CLOCK = {"hour_sin": ("hour", "sin", 24), "hour_cos": ("hour", "cos", 24), "weekday_sin": ("weekday", "sin", 7), "weekday_cos": ("weekday", "cos", 7)}
PROGRAM_300 = os.path.join(ROOT, "bench", "features_300.json")  # as Millwright is told


def windows(by_minutes):
    return [(f"{c}_{s}_{m}min", ("window", c, s, m)) for c in COLUMNS for m, statistics in by_minutes.items() for s in statistics]


def products(pairs):
    return [(f"{a}_x_{b}", ("product", a, b)) for a, b in pairs]


def ratios(pairs):
    return [(f"{a}_per_{b}", ("ratio", a, b)) for a, b in pairs]


def telemetry_40():
    return [(c, ("value", c)) for c in COLUMNS] + windows({5: STATISTICS, 30: STATISTICS[:2]}) + \
        [(f"{c}_diff", ("difference", c, 1)) for c in COLUMNS] + [(f"{c}_pct", ("change", c)) for c in COLUMNS] + \
        products([("temperature", "vibration")]) + ratios([("power_consumption", "spindle_speed")]) + \
        [(name, ("clock", *parts)) for name, parts in CLOCK.items()]


def program_300():
    pairs = list(itertools.combinations(COLUMNS, 2))
    return windows(dict.fromkeys((1, 2, 5, 10, 15, 20, 30, 45, 60), STATISTICS)) + \
        [(f"{c}_lag_{n}", ("lag", c, n)) for c in COLUMNS for n in range(1, 25)] + \
        [(f"{c}_diff" + (f"_{n}" if n > 1 else ""), ("difference", c, n)) for c in COLUMNS for n in range(1, 13)] + products(pairs) + ratios(pairs)


SETS = {"telemetry-40": telemetry_40(), "program-300": program_300()}
assert (len(SETS["telemetry-40"]), len(SETS["program-300"])) == (42, 300)


def config(name):
    """What Millwright is told, or None: the program's file is not there."""
    schema = {"timeColumn": "timestamp", "deviceColumn": "device", "continuousColumns": COLUMNS}
    if name == "program-300":
        if not os.path.exists(PROGRAM_300):
            return None
        with open(PROGRAM_300) as f:
            schema["features"] = json.load(f)
    else:
        schema["featureSet"] = name
    return {"organizationId": "bench", "schemaConfig": schema}
