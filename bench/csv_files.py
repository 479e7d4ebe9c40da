#!/usr/bin/env python3
"""Writes the telemetry files that bench/csv_speed.py reads, the same bytes every time.

    build/venv/bin/python bench/csv_files.py [--folder build/bench-csv] [--mb N] [KIND...]

KIND           MB    what it is
wide          800    timestamp, device, 35 sensors: short decimals, 1 in 1,000 missing
long          700    what `millwright generate` writes: one reading a line
numbers       400    timestamp, 40 columns of numbers: integers, short and long decimals, exponents
strings       400    timestamp, 8 columns of text (6 to 20,000 different ones each), 2 of numbers
quoted        400    everything in quotes; some with doubled quotes, separators and line ends inside
wide-gzip, wide-zstd the wide file, packed
growth-N             a wide file of N MB

A file that is there and complete stays. Memory is constant: chunks of 20,000 rows, each from a random generator of its own,
so that a smaller file is the beginning of a larger one. MB are 10^6 bytes.
"""
import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("MW_BINARY", os.path.join(ROOT, "build", "millwright"))
VERSION = 1  # of the contents: files of another version are written anew
SEED = 20260105
ROWS = 20000  # of a chunk
DEVICES = 20
START = np.datetime64("2026-01-05T00:00:00", "s")
MEGABYTE = 1000 * 1000
SIZES = {"wide": 800, "long": 700, "numbers": 400, "strings": 400, "quoted": 400}
KINDS = list(SIZES) + ["wide-gzip", "wide-zstd"]

# name, usual level, share of it that varies, decimals
QUANTITIES = [("temperature", 84, 0.2, 1), ("pressure", 1013, 0.02, 1), ("vibration", 2.5, 0.6, 3), ("current", 18, 0.4, 2),
              ("voltage", 398, 0.02, 1), ("flow", 42, 0.3, 2), ("speed", 1480, 0.05, 0)]
WORDS = ("pump valve motor belt drum screen filter cooler mill crusher feeder chute hopper gear shaft bearing seal tank "
         "line press fan duct furnace kiln dryer mixer reactor column boiler turbine").split()
NOTES = ['level "high" again', "stopped, then restarted", 'screen 3/4" replaced', "first line\nsecond line", "ok", "ok", "ok",
         "operator: A, B and C", "cleaned", "no remark", "waiting for parts; see log", 'said "wait, then try"']


def generator(kind, chunk):
    return np.random.default_rng([SEED, sum(kind.encode()), chunk])


def times(chunk, per_step, seconds):
    rows = np.arange(chunk * ROWS, (chunk + 1) * ROWS)
    return pa.array(START + (rows // per_step * seconds).astype("timedelta64[s]")), rows


def short_decimals(rng, rows, quantity, place):
    """A daily wave, the device's own level, noise; rounded as a sensor does; few missing."""
    _, level, share, decimals = quantity
    wave = np.sin(rows / DEVICES * 10 / 86400 * 2 * np.pi + place)
    device = rows % DEVICES / DEVICES - 0.5
    values = np.round(level * (1 + share * (0.4 * wave + 0.2 * device + 0.3 * rng.standard_normal(len(rows)))), decimals)
    column = pa.array(values, mask=rng.random(len(rows)) < 0.001)
    return column.cast(pa.decimal128(18, decimals))  # so that 20 with one decimal is "20.0"


def wide_chunk(chunk):
    rng = generator("wide", chunk)
    time_column, rows = times(chunk, DEVICES, 10)
    devices = pa.array([f"PUMP-{i + 1:02d}" for i in range(DEVICES)]).take(pa.array(rows % DEVICES))
    columns = {"timestamp": time_column, "device": devices}
    for place in range(35):
        quantity = QUANTITIES[place % len(QUANTITIES)]
        columns[f"{quantity[0]}_{place // len(QUANTITIES) + 1}"] = short_decimals(rng, rows, quantity, place)
    return pa.table(columns)


def numbers_chunk(chunk):
    rng = generator("numbers", chunk)
    columns = {"timestamp": times(chunk, 1, 1)[0]}
    for place in range(40):
        raw = rng.standard_normal(ROWS)
        way = place % 4
        if way == 0:
            values = np.round(raw * 10000).astype(np.int64)
        elif way == 1:
            values = np.round(raw * 100, 3)
        elif way == 2:
            values = raw
        else:
            values = raw * 10.0 ** rng.integers(-12, 13, ROWS)
        columns[f"x{place}"] = pa.array(values)
    return pa.table(columns)


def strings_chunk(chunk):
    rng = generator("strings", chunk)
    columns = {"timestamp": times(chunk, 1, 1)[0]}
    for place, n in enumerate((6, 12, 40, 100, 300, 1000, 5000, 20000)):
        texts = [f"{WORDS[i % len(WORDS)]} {WORDS[(i * 7 + place) % len(WORDS)]} {i}" for i in range(n)]
        picks = np.minimum((rng.random(ROWS) ** 2 * n).astype(np.int64), n - 1)  # some come often, as in a plant
        columns[f"text{place + 1}"] = pa.array(texts).take(pa.array(picks))
    for name in ("length", "weight"):
        columns[name] = pa.array(np.round(rng.gamma(3, 20, ROWS), 2))
    return pa.table(columns)


def quoted_chunk(chunk):
    rng = generator("quoted", chunk)
    time_column, rows = times(chunk, DEVICES, 10)
    columns = {"timestamp": time_column,
               "device": pa.array([f"PUMP-{i + 1:02d}" for i in range(DEVICES)]).take(pa.array(rows % DEVICES))}
    for place, quantity in enumerate(QUANTITIES):
        columns[quantity[0]] = short_decimals(rng, rows, quantity, place)
    for name in ("state", "note"):
        # A line end in 1 of 300 notes: rare, but every reader has to expect it.
        picks = rng.integers(4, len(NOTES), ROWS)
        special = rng.random(ROWS)
        picks = np.where(special < 0.05, rng.integers(0, 3, ROWS), picks)
        picks = np.where(special > 1 - 1 / 300, 3, picks)
        columns[name] = pa.array(NOTES).take(pa.array(picks))
    return pa.table(columns)


def write_table(path, size, chunk_of, quoting="none"):
    options = pa.csv.WriteOptions(include_header=False, quoting_style=quoting)
    with open(path, "wb", buffering=1 << 20) as out:
        chunk = 0
        while out.tell() < size:
            table, text = chunk_of(chunk), pa.BufferOutputStream()
            if chunk == 0:
                mark = '"' if quoting == "all_valid" else ""
                out.write((",".join(mark + name + mark for name in table.column_names) + "\n").encode())
            pa.csv.write_csv(table, text, options)
            out.write(text.getvalue())
            chunk += 1


def write_long(path, size):
    """Weeks of the sample plant one after the other, as many as it takes; each week is its own call and seed."""
    with open(path, "wb", buffering=1 << 20) as out, tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as folder:
        week = 0
        while out.tell() < size:
            start = np.datetime_as_string(np.datetime64("2026-01-05T00:00:00") + np.timedelta64(7 * week, "D"), unit="s")
            subprocess.run([BINARY, "generate", "--days", "7", "--machines", "24", "--seed", str(42 + week),
                            "--start", start + "Z", "--out", folder], check=True, stdout=subprocess.DEVNULL)
            (name,) = [n for n in os.listdir(folder) if n.endswith(".csv")]
            with open(os.path.join(folder, name), "rb") as part:
                header = part.readline()
                if week == 0:
                    out.write(header)
                shutil.copyfileobj(part, out, 1 << 20)
            os.remove(os.path.join(folder, name))
            week += 1


def pack_gzip(source, path):
    with open(source, "rb") as plain, open(path, "wb") as raw, \
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def pack_zstd(source, path):
    with open(source, "rb") as plain, pa.CompressedOutputStream(path, "zstd") as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)


def note_of(path):
    """What is known of a complete file: None when it is missing, cut or of another version."""
    try:
        with open(path + ".json") as f:
            note = json.load(f)
        return note if note["version"] == VERSION and note["stored"] == os.path.getsize(path) else None
    except (OSError, ValueError, KeyError):
        return None


def ensure(folder, kind, mb=None, say=print):
    """Path of the file of that kind, and its note: {"bytes": decompressed, "stored": on disk}."""
    plain_kind, _, packing = kind.partition("-")
    growth = plain_kind == "growth"
    mb = int(packing) if growth else mb or SIZES[plain_kind]
    ending = {"gzip": ".csv.gz", "zstd": ".csv.zst"}.get(packing, ".csv")
    path = os.path.join(folder, f"{'wide' if growth else plain_kind}-{mb}mb{ending}")
    note = note_of(path)
    if note:
        return path, note
    os.makedirs(folder, exist_ok=True)
    begin = time.monotonic()
    part = path + ".part"
    if packing and not growth:
        source, source_note = ensure(folder, plain_kind, mb, say)
        {"gzip": pack_gzip, "zstd": pack_zstd}[packing](source, part)
        n_bytes = source_note["bytes"]
    else:
        size = mb * MEGABYTE
        if plain_kind == "long":
            write_long(part, size)
        elif plain_kind == "quoted":
            write_table(part, size, quoted_chunk, "all_valid")
        else:
            write_table(part, size, {"numbers": numbers_chunk, "strings": strings_chunk}.get(plain_kind, wide_chunk))
        n_bytes = os.path.getsize(part)
    note = {"version": VERSION, "bytes": n_bytes, "stored": os.path.getsize(part)}
    os.replace(part, path)
    with open(path + ".json", "w") as f:
        json.dump(note, f)
    say(f"{path}: {note['stored'] / MEGABYTE:.0f} MB written in {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return path, note


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=os.path.join(ROOT, "build", "bench-csv"))
    parser.add_argument("--mb", type=int, help="size of each file before packing (default: see above)")
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=KINDS)
    options = parser.parse_args()
    for kind in options.kinds:
        plain, _, rest = kind.partition("-")
        if kind not in KINDS and not (plain == "growth" and rest.isdigit()):
            parser.error(f"no kind {kind}; there are {', '.join(KINDS)}, growth-N")
    for kind in options.kinds:
        print(ensure(options.folder, kind, options.mb)[0])


if __name__ == "__main__":
    main()
