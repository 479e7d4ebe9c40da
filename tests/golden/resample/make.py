#!/usr/bin/env python3
"""Resampling and median spacing by pandas: rows.csv in, windows.csv and spacing.txt out.

    venv/bin/python make.py        (pandas and numpy; versions go to VERSIONS)
"""
import os
import sys

import numpy
import pandas

HERE = os.path.dirname(os.path.abspath(__file__))
INTERVAL = "5min"


def main():
    rng = numpy.random.default_rng(20261121)
    n = 600
    devices = rng.choice(["press", "fan", "pump"], n)
    # Around the epoch, so that windows before it appear; unsorted, with equal times of one device.
    seconds = rng.integers(-7200, 7200, n)
    time = seconds * 1_000_000 + rng.choice([0, 0, 250_000], n)
    a = numpy.round(rng.normal(1e6, 3, n), 3)
    b = numpy.round(rng.normal(0, 1e-3, n), 6)
    a[rng.random(n) < 0.2] = numpy.nan
    b[rng.random(n) < 0.7] = numpy.nan
    frame = pandas.DataFrame({"time_us": time, "device": devices, "a": a, "b": b})
    frame.to_csv(os.path.join(HERE, "rows.csv"), index=False)

    frame["stamp"] = pandas.to_datetime(frame["time_us"], unit="us", utc=True)
    parts, gaps = [], []
    for device in sorted(frame["device"].unique()):
        own = frame[frame["device"] == device].sort_values("stamp", kind="stable").set_index("stamp")
        windows = own[["a", "b"]].resample(INTERVAL, origin="epoch")
        table = windows.agg(["mean", "min", "max", "std", "count", "last"])
        table.columns = [f"{c}_{s}" for c, s in table.columns]
        table = table[own["a"].resample(INTERVAL, origin="epoch").size() > 0]
        table.insert(0, "device", device)
        table.insert(0, "time_us", table.index.as_unit("us").asi8)
        parts.append(table)
        distinct = numpy.unique(own["time_us"])
        gaps.append(numpy.diff(distinct))
    pandas.concat(parts).to_csv(os.path.join(HERE, "windows.csv"), index=False, float_format="%.17g")
    with open(os.path.join(HERE, "spacing.txt"), "w", encoding="ascii") as f:
        f.write(f"{int(numpy.median(numpy.concatenate(gaps)))}\n")
    with open(os.path.join(HERE, "VERSIONS"), "w", encoding="ascii") as f:
        f.write(f"python {sys.version.split()[0]}\npandas {pandas.__version__}\n"
                f"numpy {numpy.__version__}\n")


if __name__ == "__main__":
    main()
