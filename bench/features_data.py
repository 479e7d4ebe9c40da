#!/usr/bin/env python3
"""The telemetry that the feature benchmark computes on: some machines, four sensors each, as CSV and as an Arrow file.

    build/venv-peers/bin/python bench/features_data.py [--folder build/bench-features] [--rows 1000000] [--devices 8]

Every machine reports each 10 seconds, a few whole seconds early or late, and now and then not at all for 10 minutes to
2 hours; 1 in 100 cells is missing. Rows are in order of time, machines interleaved. A load that drifts over hours and minutes, with
the time of day and the speed of the quarter of an hour, makes temperature, vibration and power. Chunks of 6 hours have
a random generator each and hand on where the drift is, so that a smaller table is the beginning of a larger one. Kept as ROWS-DEVICES.csv and
ROWS-DEVICES.arrow, which hold the same numbers (four decimals).
"""
import argparse
import os

import numpy as np
import pyarrow as pa
import pyarrow.csv

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "build", "bench-features")
VERSION = 1  # of the contents: tables of another version are written anew
SEED = 20260112
START = np.datetime64("2026-01-05T00:00:00", "s")
INTERVAL = 10  # seconds
STEPS = 2160  # of a chunk: 6 hours
SPEEDS, SPEED_STEPS = [600.0, 1200.0, 1500.0, 2400.0], 90
DECAY = np.array([0.9995, 0.98])[:, None]  # of the load's two drifts: hours, minutes
COLUMNS = ["temperature", "vibration", "spindle_speed", "power_consumption"]
MISSING, GAP_CHANCE, GAP_STEPS = 0.01, 0.25, (60, 720)
DECIMALS = 4


def drifts(rng, now, devices):
    """[STEPS, 2, devices] of unit variance; `now` is where the chunk before ended, and is moved on."""
    noise = rng.standard_normal((STEPS, 2, devices)) * np.sqrt(1 - DECAY ** 2)
    path = np.empty_like(noise)
    for step in range(STEPS):
        now *= DECAY
        now += noise[step]
        path[step] = now
    return path


def readings(rng, now, devices, first_step):
    """COLUMNS of every step and device, [4, STEPS, devices], NaN where missing."""
    path = drifts(rng, now, devices)
    device = np.arange(devices)
    load = np.clip(0.65 + 0.2 * path[:, 0] + 0.06 * path[:, 1], 0.05, 1.2)
    speed = np.repeat(rng.choice(SPEEDS, (STEPS // SPEED_STEPS, devices)), SPEED_STEPS, axis=0)
    day = np.sin((first_step + np.arange(STEPS)) * INTERVAL / 86400 * 2 * np.pi)[:, None]
    noise = rng.standard_normal((4, STEPS, devices))
    values = np.stack([42 + 3 * (device % 5) + 28 * load + 5 * day + 0.3 * noise[0],
                       0.6 + 1.4 * load * speed / 1500 + 0.2 * np.abs(noise[1]) + 0.05 * (device % 3),
                       speed * (1 + 0.004 * np.clip(noise[2], -5, 5)),
                       1.5 + 9 * load * speed / 1500 + 0.2 * np.abs(noise[3])])
    return np.where(rng.random(values.shape) < MISSING, np.nan, np.round(values, DECIMALS))


def silent(rng, devices):
    """Which steps a device says nothing in: at most one gap a chunk."""
    gone = np.zeros((STEPS, devices), bool)
    for device in range(devices):
        length = rng.integers(*GAP_STEPS, endpoint=True)
        begin = rng.integers(0, STEPS - length)
        if rng.random() < GAP_CHANCE:
            gone[begin:begin + length, device] = True
    return gone


def chunk(number, now, devices):
    """Times in seconds, places of the devices and values [4, rows] of 6 hours, in order of time."""
    rng = np.random.default_rng([SEED, number])
    first_step = number * STEPS
    values, gone = readings(rng, now, devices, first_step), silent(rng, devices)
    late = rng.choice(3, (STEPS, devices), p=[0.1, 0.8, 0.1]) + np.arange(devices) % 7  # at most 8: steps do not overlap
    times = ((first_step + np.arange(STEPS)) * INTERVAL)[:, None] + late
    places = np.broadcast_to(np.arange(devices), times.shape)
    there = ~gone.ravel()
    order = np.argsort(times.ravel()[there], kind="stable")
    return times.ravel()[there][order], places.ravel()[there][order], values.reshape(4, -1)[:, there][:, order]


def numbers(values):
    return pa.array(values, from_pandas=True)


def write_chunk(csv, frames, names, times, places, values):
    moments = START + times.astype("timedelta64[s]")
    device = pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int8)), names)
    columns = [numbers(v) for v in values]
    frames.write_batch(pa.record_batch([pa.array(moments.astype("datetime64[us]")), device, *columns], schema=frames_schema()))
    texts = pa.array(np.datetime_as_string(moments, unit="s", timezone="UTC"))
    decimals = [c.cast(pa.decimal128(12, DECIMALS)) for c in columns]
    table = pa.table([texts, device.cast(pa.string()), *decimals], names=frames_schema().names)
    pyarrow.csv.write_csv(table, csv, pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"))


def frames_schema():
    return pa.schema([("timestamp", pa.timestamp("us")), ("device", pa.dictionary(pa.int8(), pa.string()))] + [(c, pa.float64()) for c in COLUMNS])


def generated(folder, rows, devices=8):
    """Makes the table that is not there yet. Returns what its files' names begin with."""
    if not 1 <= devices <= 100:
        raise SystemExit(f"{devices} devices: it must be 1 to 100")
    stem = os.path.join(folder, f"{rows}-{devices}")
    done = f"{stem}.v{VERSION}"
    if os.path.exists(done):
        return stem
    os.makedirs(folder, exist_ok=True)
    names = pa.array([f"MILL-{i + 1:02d}" for i in range(devices)])
    now = np.zeros((2, devices))
    with open(stem + ".csv", "wb", buffering=1 << 20) as csv, pa.OSFile(stem + ".arrow", "wb") as out, \
            pa.ipc.new_file(out, frames_schema()) as frames:
        csv.write((",".join(frames_schema().names) + "\n").encode())
        number, written = 0, 0
        while written < rows:
            times, places, values = chunk(number, now, devices)
            n = min(len(times), rows - written)
            write_chunk(csv, frames, names, times[:n], places[:n], values[:, :n])
            number, written = number + 1, written + n
    open(done, "w").close()
    return stem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=FOLDER)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=8)
    options = parser.parse_args()
    print(generated(options.folder, options.rows, options.devices) + ".csv")


if __name__ == "__main__":
    main()
