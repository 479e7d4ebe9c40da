#!/usr/bin/env python3
"""`millwright features` with the set telemetry-40 on real data: all 42 columns are those that pandas gives for the same definition.

Per device: the values; mean, std, min, max of (t - 5 min, t] and mean, std of (t - 30 min, t], std over n - 1, missing values left out;
difference and relative change to the row before, missing where that row is more than ten times the device's usual (median) spacing away;
a product and a ratio, missing where the divisor is 0; hour and weekday (Monday 0, UTC) as sine and cosine.

Some sets come a second time with their rows closer together, cells blanked and rows taken out, so that windows hold several rows and have holes.
First pandas is compared with plain loops over math.fsum on a piece of each set. Cells in which the program and pandas differ are computed
by these loops too, which then decide: pandas adds and removes values as its window moves, and may lose digits of a std.
"""
import datetime
import json
import math
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journey import DATA, missing, run, run_tap  # noqa: E402

BOUND = 1e-6  # relative; with one float32 step, and ZERO of the column's largest number
ZERO = 1e-12
OWN_BOUND = 1e-8  # of pandas beside the loops: its std of numbers far from 0 is no better
MOST_JUDGED = 2000  # cells of a column that the loops decide about
FAR = 10  # usual spacings
COLUMNS = ["temperature", "vibration", "spindle_speed", "power_consumption"]

OPERATIONS = {c: ("value", c) for c in COLUMNS}
OPERATIONS |= {f"{c}_{s}_5min": ("window", c, s, 5) for c in COLUMNS for s in ("mean", "std", "min", "max")}
OPERATIONS |= {f"{c}_{s}_30min": ("window", c, s, 30) for c in COLUMNS for s in ("mean", "std")}
OPERATIONS |= {f"{c}_{name}": (name, c) for c in COLUMNS for name in ("diff", "pct")}
OPERATIONS |= {"temperature_x_vibration": ("product", "temperature", "vibration"),
               "power_consumption_per_spindle_speed": ("ratio", "power_consumption", "spindle_speed")}
OPERATIONS |= {f"{part}_{function}": ("clock", part, function) for part in ("hour", "weekday") for function in ("sin", "cos")}
assert len(OPERATIONS) == 42
PERIODS = {"hour": 24, "weekday": 7}


# --- the sets: times in us, devices (or none) and four of their columns ---

def read(path, columns, **options):
    import pandas as pd
    frame = pd.read_csv(os.path.join(DATA, path), **options)
    return frame.rename(columns=dict(zip(columns, COLUMNS)))


def every(frame, milliseconds, start="2026-01-05T00:00:00"):
    """Times for a set that has none."""
    import numpy as np
    return frame.assign(timestamp=np.datetime64(start, "us") + (np.arange(len(frame)) * milliseconds).astype("timedelta64[ms]"))


def elevator():
    """It is 4 Hz and has three sensors: the fourth is the first one again."""
    frame = every(read("elevator/predictive-maintenance-dataset.csv.gz", ["ball-bearing", "vibration", "humidity"], sep=";", low_memory=False), 250)
    frame[COLUMNS[:3]] = frame[COLUMNS[:3]].apply(to_numbers)
    return frame.assign(power_consumption=frame["temperature"])


def to_numbers(column):
    """Cells that became months in a spreadsheet ("31. Jul") have no value."""
    import pandas as pd
    return pd.to_numeric(column, errors="coerce")


def gas_turbine():
    return every(read("gas_turbine/gt_2011.csv.gz", ["AT", "AP", "AH", "TEY"]), 20_000)


def ett():
    return timed(read("ett/ETTh1.csv.gz", ["OT", "HUFL", "HULL", "LUFL"]), "date")


def azure_pdm():
    frame = read("azure_pdm/PdM_telemetry_20machines_90days.csv.gz", ["volt", "vibration", "rotate", "pressure"])
    return timed(frame.assign(device="M" + frame["machineID"].astype(str)), "datetime")


def timed(frame, name):
    import pandas as pd
    return frame.assign(timestamp=pd.to_datetime(frame[name]).astype("datetime64[us]"))


def dense(source, faster):
    """The same rows, `faster` times as close together; 1 cell in 50 blank, and holes of 30 rows."""
    import numpy as np
    frame = source()
    first = frame["timestamp"].min()
    frame["timestamp"] = first + ((frame["timestamp"] - first) / faster).astype("timedelta64[us]")
    rng = np.random.default_rng(7)
    frame[COLUMNS] = frame[COLUMNS].mask(rng.random((len(frame), len(COLUMNS))) < 0.02)
    holes = np.isin(np.arange(len(frame)) // 30, rng.choice(len(frame) // 30, len(frame) // 3000, replace=False))
    return frame[~holes]


CASES = {"elevator": ("elevator/predictive-maintenance-dataset.csv.gz", elevator),
         "gas_turbine": ("gas_turbine/gt_2011.csv.gz", gas_turbine),
         "gas_turbine with holes": ("gas_turbine/gt_2011.csv.gz", lambda: dense(gas_turbine, 2)),
         "ett": ("ett/ETTh1.csv.gz", ett),
         "ett, an hour in 37.5 s, with holes": ("ett/ETTh1.csv.gz", lambda: dense(ett, 96)),
         "azure_pdm": ("azure_pdm/PdM_telemetry_20machines_90days.csv.gz", azure_pdm),
         "azure_pdm, an hour in 30 s, with holes": ("azure_pdm/PdM_telemetry_20machines_90days.csv.gz", lambda: dense(azure_pdm, 120))}


def table_of(name):
    """Rows in order of time, devices as their numbers come."""
    frame = CASES[name][1]()
    columns = ["timestamp"] + (["device"] if "device" in frame else []) + COLUMNS
    return frame[columns].sort_values("timestamp", kind="stable", ignore_index=True)


def by_device(frame):
    """Numbers of each device's rows, in order of time."""
    import numpy as np
    return list(frame.groupby("device", sort=True).indices.values()) if "device" in frame else [np.arange(len(frame))]


# --- by pandas ---

def by_pandas(frame):
    """{column: float64 of each row}"""
    import numpy as np
    wanted = {name: np.full(len(frame), np.nan) for name in OPERATIONS}
    for rows in by_device(frame):
        part = frame.iloc[rows].set_index("timestamp")
        for name, operation in OPERATIONS.items():
            wanted[name][rows] = column_by_pandas(part, *operation)
    for values in wanted.values():
        values[~np.isfinite(values)] = np.nan
    return wanted


def column_by_pandas(part, kind, *parts):
    import numpy as np
    if kind == "clock":
        return getattr(np, parts[1])(2 * np.pi * getattr(part.index, parts[0]).to_numpy() / PERIODS[parts[0]])
    column = part[parts[0]]
    if kind == "window":
        return getattr(column.rolling(f"{parts[2]}min"), parts[1])()
    if kind in ("diff", "pct"):
        spacing = part.index.to_series().diff()
        changed = column.diff() if kind == "diff" else column / column.shift(1) - 1
        return changed.mask((spacing > FAR * spacing.median()).to_numpy())
    return column if kind == "value" else column * part[parts[1]] if kind == "product" else column / part[parts[1]]


# --- by plain loops ---

class Plain:
    """One device's rows; value(i, ...) is the cell of row i, NaN where there is none."""

    def __init__(self, part):
        self.times = part["timestamp"].astype("int64").tolist()
        self.columns = {c: part[c].tolist() for c in COLUMNS}
        spacings = [b - a for a, b in zip(self.times, self.times[1:])]
        self.usual = statistics.median(spacings) if spacings else 0

    def value(self, i, kind, *parts):
        return getattr(self, kind)(i, *parts)

    def clock(self, i, part, function):
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=self.times[i])
        number = moment.hour if part == "hour" else moment.weekday()
        return getattr(math, function)(2 * math.pi * number / PERIODS[part])

    def inside(self, i, column, minutes):
        found, at = [], i
        while at >= 0 and self.times[at] > self.times[i] - minutes * 60_000_000:
            found.append(self.columns[column][at])
            at -= 1
        return [v for v in found if not math.isnan(v)]

    def window(self, i, column, statistic, minutes):
        values = self.inside(i, column, minutes)
        if len(values) < (2 if statistic == "std" else 1):
            return math.nan
        if statistic in ("min", "max"):
            return {"min": min, "max": max}[statistic](values)
        mean = math.fsum(values) / len(values)
        return mean if statistic == "mean" else math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))

    def before(self, i, column):
        """The row before, unless it is far away."""
        near = i > 0 and self.times[i] - self.times[i - 1] <= FAR * self.usual
        return self.columns[column][i - 1] if near else math.nan

    def diff(self, i, column):
        return self.columns[column][i] - self.before(i, column)

    def pct(self, i, column):
        before = self.before(i, column)
        return self.columns[column][i] / before - 1 if before else math.nan

    def value_of(self, i, column):
        return self.columns[column][i]

    def product(self, i, a, b):
        return self.columns[a][i] * self.columns[b][i]

    def ratio(self, i, a, b):
        return self.columns[a][i] / self.columns[b][i] if self.columns[b][i] else math.nan


def cell(plain, i, operation):
    kind, *parts = operation
    return plain.value_of(i, *parts) if kind == "value" else plain.value(i, kind, *parts)


# --- comparing ---

def differ(got, want, bound, scale, step=0.0):
    """Which cells are further apart than they may be."""
    import numpy as np
    missing_there = np.isnan(want)
    apart = np.abs(got - want) > bound * np.abs(want) + step + ZERO * scale
    return np.where(missing_there, ~np.isnan(got), np.isnan(got) | apart)


def largest(values):
    import numpy as np
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if len(finite) else 0.0


def float32_step(want):
    import numpy as np
    return np.spacing(np.abs(np.nan_to_num(want)).astype(np.float32)).astype(float)


def check_pandas(name, _):
    """On about 400 rows of two devices that lie about 10 s apart, so that rows leave the windows."""
    import numpy as np
    import pandas as pd
    why = missing(CASES[name][0])
    if why:
        return why
    frame = table_of(name)
    parts = []
    for rows in by_device(frame)[:2]:
        usual = np.median(np.diff(frame["timestamp"].to_numpy()[rows])) / np.timedelta64(1, "s")
        parts.append(frame.iloc[rows[::max(1, round(10 / usual))][:400]])
    piece = pd.concat(parts).sort_values("timestamp", kind="stable", ignore_index=True)
    wanted, numbers = by_pandas(piece), 0
    for rows in by_device(piece):
        plain = Plain(piece.iloc[rows])
        for column, operation in OPERATIONS.items():
            loops = np.array([cell(plain, i, operation) for i in range(len(rows))])
            wrong = differ(wanted[column][rows], loops, OWN_BOUND, largest(loops))
            assert not wrong.any(), f"{column}: pandas {wanted[column][rows][wrong][:5]}, loops {loops[wrong][:5]}"
            numbers += int((~np.isnan(loops)).sum())
    assert numbers > len(piece) * 20, f"only {numbers} of {len(piece) * len(OPERATIONS)} cells have a number"
    return f"{len(piece)} rows, {numbers} numbers"


def features(frame, folder, out, *flags):
    """Runs the program on the rows as a CSV file; what --json says."""
    source, config = os.path.join(folder, "rows.csv"), os.path.join(folder, "config.json")
    texts = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    frame.assign(timestamp=texts).to_csv(source, index=False)
    schema = {"timeColumn": "timestamp", "continuousColumns": COLUMNS, "featureSet": "telemetry-40"}
    if "device" in frame:
        schema["deviceColumn"] = "device"
    with open(config, "w") as f:
        json.dump({"organizationId": "test", "schemaConfig": schema}, f)
    said = json.loads(run("features", config, source, "--out", os.path.join(folder, out), "--json", *flags))
    assert said["rows"] == len(frame), f"{said['rows']} rows, expected {len(frame)}"
    return said


def read_out(folder, name, frame):
    """The 42 columns in the order of the frame's rows: matched by time and device where the file has them, else as they come."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    path = os.path.join(folder, name)
    if name.endswith(".csv"):
        table = pd.read_csv(path)
    else:
        with pa.OSFile(path) as source:
            table = pa.ipc.open_file(source).read_all().to_pandas()
    assert len(table) == len(frame), f"{len(table)} rows, expected {len(frame)}"
    absent = [column for column in OPERATIONS if column not in table]
    assert not absent, f"no columns {absent}; there are {list(table)}"
    keys = [k for k in ("device", "timestamp") if k in table and k in frame]
    order = np.arange(len(frame))
    if "timestamp" in keys:
        table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True).dt.tz_localize(None).astype("datetime64[us]")
        theirs, mine = (t[keys].astype({k: str for k in keys if k == "device"}).sort_values(keys, kind="stable") for t in (table, frame))
        assert (theirs.to_numpy() == mine.to_numpy()).all(), "times or devices differ"
        order[mine.index] = theirs.index
    return {column: table[column].to_numpy(float)[order] for column in OPERATIONS}


def judged(frame, column, wrong):
    """The loops' values of the cells in question."""
    import numpy as np
    values = np.full(len(frame), np.nan)
    for rows in by_device(frame):
        asked = np.flatnonzero(wrong[rows])
        if len(asked):
            plain = Plain(frame.iloc[rows])
            values[rows[asked]] = [cell(plain, int(i), OPERATIONS[column]) for i in asked]
    return values


def check(name, folder):
    import numpy as np
    why = missing(CASES[name][0])
    if why:
        return why
    frame = table_of(name)
    features(frame, folder, "features.arrow")
    got, wanted = read_out(folder, "features.arrow", frame), by_pandas(frame)
    faults, decided, worst = [], 0, 0.0
    for column, want in wanted.items():
        scale = largest(want)
        wrong = differ(got[column], want, BOUND, scale, float32_step(want))
        decided += int(wrong.sum())
        if 0 < wrong.sum() <= MOST_JUDGED:
            exact = judged(frame, column, wrong)
            want = np.where(wrong, exact, want)
            wrong &= differ(got[column], want, BOUND, scale, float32_step(want))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            faults.append(f"{column}: {wrong.sum()} of {len(frame)} cells; row {at} has {got[column][at]!r}, expected {want[at]!r}")
        elif scale:
            worst = max(worst, float(np.nanmax(np.abs(got[column] - want))) / scale)
    assert not faults, "\n".join(faults)
    return f"{len(frame)} rows, 42 columns; largest difference {worst:.2g} of a column's largest number; the loops decided about {decided} cells"


def check_same(folder):
    """One thread and two write the same bytes; CSV has the numbers of Arrow."""
    import numpy as np
    name = "azure_pdm, an hour in 30 s, with holes"
    why = missing(CASES[name][0])
    if why:
        return why
    frame = table_of(name)
    for out, jobs in (("one.arrow", "1"), ("two.arrow", "2"), ("two.csv", "2")):
        features(frame, folder, out, "--jobs", jobs)
    one, two = (open(os.path.join(folder, out), "rb").read() for out in ("one.arrow", "two.arrow"))
    assert one == two, "the number of threads changes the file"
    arrow, text = read_out(folder, "two.arrow", frame), read_out(folder, "two.csv", frame)
    for column in OPERATIONS:
        assert np.array_equal(arrow[column].astype(np.float32), text[column].astype(np.float32), equal_nan=True), column
    return f"{len(one)} bytes"


if __name__ == "__main__":
    run_tap([(f"pandas beside plain loops: {name}", lambda folder, name=name: check_pandas(name, folder)) for name in CASES] +
            [(f"telemetry-40: {name}", lambda folder, name=name: check(name, folder)) for name in CASES] +
            [("one and two threads, CSV and Arrow", check_same)])
