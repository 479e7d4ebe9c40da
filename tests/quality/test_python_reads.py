#!/usr/bin/env python3
"""What `millwright ingest` leaves on disk opens with pyarrow, pandas and Polars, and all of them see the cells that were written.

A wide file with numbers, texts, truth values (1 and 0 in a dataset) and missing cells, in several record batches; a long one; two sources with different
columns together; and, with MW_LARGE=1, a source large enough for several segments.
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csv_check import ingest, read_segments, times_us  # noqa: E402
from journey import missing, run_tap  # noqa: E402

SECOND = 1000 * 1000
FIRST = 1767571200 * SECOND  # 2026-01-05
STATES = ["running", "stopped", 'said "go"', "a, b", "Störung", None]


def rows_of(n, seed):
    """(time in us, device, level or None, on or None, state or None), in time order."""
    draw = random.Random(seed)
    return [(FIRST + i * SECOND, f"P{i % 5}", None if draw.random() < 0.05 else draw.uniform(-1, 1) * 10.0 ** draw.randrange(-3, 6),
             None if draw.random() < 0.02 else draw.random() < 0.5, draw.choice(STATES)) for i in range(n)]


def stamp(us):
    import datetime
    return datetime.datetime.fromtimestamp(us // SECOND, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def cell(text):
    return "" if text is None else '"' + text.replace('"', '""') + '"' if '"' in text or "," in text else text


def write_wide(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.write("timestamp,device_id,level,on,state\n")
        for time, device, level, on, state in rows:
            f.write(f"{stamp(time)},{device},{'' if level is None else repr(level)},{'' if on is None else str(on).lower()},{cell(state)}\n")


NAMES = ["time", "device_id", "level", "on", "state"]


def columns(rows):
    want = dict(zip(NAMES, (list(c) for c in zip(*rows))))
    want["on"] = [None if on is None else float(on) for on in want["on"]]
    return want


def check_pyarrow(paths, want):
    import pyarrow as pa
    for path in paths:
        with pa.memory_map(path) as source:
            reader = pa.ipc.open_file(source)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                batch.validate(full=True)
                for column in batch.columns:
                    for buffer in column.buffers():
                        assert buffer is None or buffer.size == 0 or buffer.address % 64 == 0, "alignment"
    table = read_segments(paths)
    assert table.schema.field("time").type == pa.timestamp("us", "UTC") and table["time"].null_count == 0
    assert times_us(table).tolist() == want["time"], "pyarrow: time"
    for name, cells in want.items():
        if name != "time":
            assert table[name].to_pylist() == cells, f"pyarrow: {name}"
    return {name: str(table.schema.field(name).type) for name in table.column_names}


def check_pandas(paths, want):
    import pandas as pd
    frame = pd.concat([pd.read_feather(p) for p in paths], ignore_index=True)
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert frame["time"].astype("int64").tolist() == want["time"], "pandas: time"
    for name, cells in want.items():
        if name != "time":
            assert [None if pd.isna(x) else x for x in frame[name]] == cells, f"pandas: {name}"


def check_polars(paths, want):
    import polars as pl
    with pl.StringCache():
        for frame in (pl.concat([pl.read_ipc(p, memory_map=False) for p in paths], how="diagonal"),
                      pl.concat([pl.scan_ipc(p).with_columns(pl.col(pl.Categorical).cast(pl.String)) for p in paths], how="diagonal").collect()):
            assert frame["time"].dt.epoch("us").to_list() == want["time"], "polars: time"
            for name, cells in want.items():
                if name != "time":
                    got = frame[name].cast(pl.String) if frame[name].dtype == pl.Categorical else frame[name]
                    assert got.to_list() == cells, f"polars: {name}"


def check_all(paths, want):
    kinds = check_pyarrow(paths, want)
    check_pandas(paths, want)
    check_polars(paths, want)
    return kinds


def wide(folder):
    why = missing()
    if why:
        return why
    rows = rows_of(30000, 1)
    path = os.path.join(folder, "wide.csv")
    write_wide(path, rows)
    done = ingest(path, os.path.join(folder, "data"))
    assert done.status == 0 and done.file["rejected"] == 0, done.said or done.stderr
    kinds = check_all(done.segments(), columns(rows))
    assert kinds["level"] == kinds["on"] == "double" and kinds["device_id"] == kinds["state"] == (
        "dictionary<values=string, indices=int32, ordered=0>"), kinds


def long(folder):
    """Readings, one a line, become the same columns."""
    why = missing()
    if why:
        return why
    rows = rows_of(5000, 2)
    path = os.path.join(folder, "long.csv")
    with open(path, "w") as f:
        f.write("timestamp,device_id,parameter,value\n")
        for time, device, level, on, _ in rows:
            f.write(f"{stamp(time)},{device},level,{'' if level is None else repr(level)}\n{stamp(time)},{device},count,{int(bool(on))}\n")
    done = ingest(path, os.path.join(folder, "data"))
    assert done.status == 0 and done.file["rows"] == len(rows), done.said or done.stderr
    want = columns(rows)
    check_all(done.segments(), {"time": want["time"], "device_id": want["device_id"], "level": want["level"],
                                "count": [on or 0.0 for on in want["on"]]})


def sources(folder):
    """Two files, the second with another column: each is a source of its own, and together they are one table."""
    why = missing()
    if why:
        return why
    data, rows = os.path.join(folder, "data"), rows_of(2000, 3)
    first, second = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv")
    write_wide(first, rows[:1000])
    with open(second, "w") as f:
        f.write("timestamp,device_id,level,speed\n")
        for time, device, level, _, _ in rows[1000:]:
            f.write(f"{stamp(time)},{device},{'' if level is None else repr(level)},{time // SECOND % 100}\n")
    paths = [p for file in (first, second) for p in ingest(file, data).segments()]
    want = columns(rows)
    check_all(paths, {"time": want["time"], "device_id": want["device_id"], "level": want["level"],
                      "on": want["on"][:1000] + [None] * 1000, "state": want["state"][:1000] + [None] * 1000,
                      "speed": [None] * 1000 + [float(t // SECOND % 100) for t in want["time"][1000:]]})


def late_parameters(folder):
    """A parameter that is new behind the first MiB: earlier rows lack it, whatever the number of segments."""
    why = missing()
    if why:
        return why
    rows, third = rows_of(60000, 5), 20000
    path = os.path.join(folder, "late.csv")
    with open(path, "w") as f:
        f.write("timestamp,device_id,parameter,value\n")
        for i, (time, device, level, _, _) in enumerate(rows):
            f.write(f"{stamp(time)},{device},level,{'' if level is None else repr(level)}\n")
            for k, name in enumerate(("second", "third"), 1):
                if i >= k * third:
                    f.write(f"{stamp(time)},{device},{name},{i % 100}.5\n")
    done = ingest(path, os.path.join(folder, "data"))
    assert done.status == 0 and done.file["rows"] == len(rows), done.said or done.stderr
    want = columns(rows)
    late = [i % 100 + 0.5 for i in range(len(rows))]
    check_all(done.segments(), {"time": want["time"], "device_id": want["device_id"], "level": want["level"],
                                "second": [None] * third + late[third:], "third": [None] * 2 * third + late[2 * third:]})
    return f"{len(done.segments())} segments"


def several_segments(folder):
    """A source of more than 128 MB of columns."""
    why = missing()
    if why:
        return why
    if not os.environ.get("MW_TEST_FULL") and not os.environ.get("MW_LARGE"):
        return "skip: MW_LARGE is not set"
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    n, n_columns = 700000, 30
    draw = np.random.default_rng(4)
    times = np.arange(n) * SECOND + FIRST
    table = {f"s{i}": np.round(draw.normal(size=n) * 100, 2) for i in range(n_columns)}
    stamps = pa.array(times // SECOND, pa.timestamp("s"))
    path = os.path.join(folder, "large.csv")
    pa.csv.write_csv(pa.table({"timestamp": stamps, **table, "state": pa.array(["ab", "cd", "ef"]).take(pa.array(np.arange(n) // 300000))}), path)
    done = ingest(path, os.path.join(folder, "data"))
    assert done.status == 0 and done.file["rows"] == n, done.said or done.stderr
    paths = done.segments()
    sizes = [os.path.getsize(p) / SECOND for p in paths]
    got = read_segments(paths)
    assert np.array_equal(times_us(got), times)
    for name, cells in table.items():
        assert np.array_equal(got[name].to_numpy(), cells), name
    import pandas as pd
    import polars as pl
    assert sum(len(pd.read_feather(p, columns=["s3"])) for p in paths) == n
    assert pl.concat([pl.scan_ipc(p).select("time", "s3") for p in paths]).collect()["s3"].to_list() == table["s3"].tolist()
    assert len(paths) >= 2, f"one segment of {sizes[0]:.0f} MB"
    return f"segments of {', '.join(f'{s:.0f}' for s in sizes)} MB"


if __name__ == "__main__":
    run_tap([("a wide file", wide), ("a long file", long), ("two sources", sources), ("parameters that come late", late_parameters), ("a source of several segments", several_segments)])
