"""Writes golden_event_labels.h: the next event after each row, by pandas' as-of join.

    python tests/golden/feature/make_event_labels.py        (made with pandas 2.2.3)
"""
import os
import subprocess

import numpy as np
import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, EVENTS, DEVICES, KINDS = 150, 40, 4, 3
rng = np.random.default_rng(9)

rows = pd.DataFrame({"time": rng.integers(-500, 3000, ROWS), "device": rng.integers(0, DEVICES, ROWS)})
events = pd.DataFrame({"time": rng.integers(-500, 3500, EVENTS), "device": rng.integers(0, DEVICES, EVENTS),
                       "kind": rng.integers(0, KINDS, EVENTS)})
rows.loc[:9, "time"] = events["time"][:10]  # some at the very time of an event
rows.loc[:9, "device"] = events["device"][:10]


def joined(kind):
    """Distance in time to the event that the join finds; NaN without one."""
    some = events if kind is None else events[events["kind"] == kind]
    right = some.sort_values("time").assign(event=lambda e: e["time"])[["time", "device", "event"]]
    found = pd.merge_asof(rows.reset_index().sort_values("time"), right, on="time", by="device",
                          direction="forward", allow_exact_matches=False)
    found = found.set_index("index").sort_index()
    return (found["event"] - found["time"]).abs()


def text(v):
    return "NAN_HERE" if np.isnan(v) else repr(float(v))


def ints(name, kind, values):
    return f"static const {kind} {name}[{len(values)}] = {{{', '.join(str(int(v)) for v in values)}}};"


def table(name):
    columns = [joined(kind) for kind in [None, *range(KINDS)]]
    return (f"static const double {name}[{len(columns)}][{ROWS}] = {{"
            + ", ".join("{" + ", ".join(map(text, c)) + "}" for c in columns) + "};")


lines = ["/* golden_event_labels.h -- rows, events and how far they are apart, by pandas; written by make_event_labels.py next to it. */",
         "#ifndef MW_TESTS_GOLDEN_FEATURE_GOLDEN_EVENT_LABELS_H", "#define MW_TESTS_GOLDEN_FEATURE_GOLDEN_EVENT_LABELS_H", "",
         "#include <stdint.h>", "", "#define NAN_HERE __builtin_nan(\"\")", "",
         f"enum {{ GOLDEN_LABEL_ROWS = {ROWS}, GOLDEN_LABEL_EVENTS = {EVENTS}, GOLDEN_LABEL_KINDS = {KINDS} }};",
         "/* Seconds. */",
         ints("golden_label_times", "int64_t", rows["time"]), ints("golden_label_devices", "int32_t", rows["device"]),
         ints("golden_event_times", "int64_t", events["time"]), ints("golden_event_devices", "int32_t", events["device"]),
         ints("golden_event_kinds", "int32_t", events["kind"]),
         "/* Of any kind, then kind by kind. */",
         table("golden_until"), "", "#endif", ""]

path = os.path.join(HERE, "golden_event_labels.h")
with open(path, "w", encoding="ascii") as f:
    f.write("\n".join(lines))
subprocess.run(["clang-format", "-i", path], check=True)
