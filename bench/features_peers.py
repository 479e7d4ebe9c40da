#!/usr/bin/env python3
"""One feature program by one peer in one of its ways, in a process of its own; prints what it took as a JSON line.

    features_peers.py '{"peer": "polars", "way": "partitions", "set": "telemetry-40", "stem": "build/bench-features/1000000-8", "threads": 2}'
    features_peers.py --list

stem names a table of bench/features_data.py; the programs are in bench/features_sets.py. Every peer begins with its own frame or table in
memory, numbers in float64 and devices as a dictionary, and ends with another one; its rows may come device by device. Ways:

pandas    grouped     groupby().rolling(), one statistic of all columns after the other
          parts       each device's rows, cut from the sorted frame
          threads     the same, devices in several threads (rolling works without the interpreter's lock)
polars    over        rolling_*_by(...).over("device"), one query
          partitions  a query for each device, all of them at once
          rolling     sorted, then rolling(group_by="device").agg() for each window
          streaming   partitions by the streaming engine
duckdb    interval    window functions, RANGE of an INTERVAL over the timestamp
          integer     the same over microseconds as a number
tsflex    segments    windows only: one segment for each row and window, with NumPy's functions, in processes that memory does not count

Said: seconds, cpu_seconds, peak_bytes beyond the input, rows, columns, and sums (of a column: how many numbers, and the sum of their
sizes) with "sums": true. With "out": PATH everything begins with the CSV file and ends when the features are in this Arrow file, as float32. Run by
bench/features_speed.py.
"""
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

if len(sys.argv) != 2:
    sys.exit(__doc__)
SPEC = {} if sys.argv[1] == "--list" else json.loads(sys.argv[1])
THREADS = SPEC.get("threads", 2)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np  # noqa: E402 (after the number of threads)

from features_data import COLUMNS  # noqa: E402
from features_sets import SETS  # noqa: E402

TURN = 2 * np.pi
WARM_ROWS = 2000


class Plan:
    """A program's columns, and its windows as {minutes: {statistic: [columns]}}."""

    def __init__(self, columns):
        self.columns = columns
        self.windows = {}
        for _, (kind, *parts) in columns:
            if kind == "window":
                column, statistic, minutes = parts
                self.windows.setdefault(minutes, {}).setdefault(statistic, []).append(column)


# --- pandas ---

class Pandas:
    def read(self, path, rows=None):
        import pandas as pd
        frame = pd.read_feather(path)
        return frame if rows is None else frame.head(rows)

    def read_csv(self, path):
        import pandas as pd
        frame = pd.read_csv(path, engine="pyarrow", dtype={"device": "category"}, parse_dates=["timestamp"])
        frame["timestamp"] = frame["timestamp"].dt.tz_localize(None)
        return frame

    def write(self, made, names, path):
        import pyarrow as pa
        write_table(pa.table({name: made[name].to_numpy(np.float32) for name in names}), path)

    def rowwise(self, column, kind, parts, shift, difference, stamps):
        """Whatever is not a window; shift and difference stay inside a device."""
        if kind == "value":
            return column(parts[0])
        if kind == "lag":
            return shift(*parts)
        if kind == "difference":
            return difference(*parts)
        if kind == "change":
            return column(parts[0]) / shift(parts[0], 1) - 1
        if kind == "clock":
            part, function, period = parts
            return getattr(np, function)(getattr(stamps, part).to_numpy() * (TURN / period))
        a, b = map(column, parts)
        return a * b if kind == "product" else a / b

    def grouped(self, frame, plan):
        import pandas as pd
        frame = frame.sort_values("device", kind="stable", ignore_index=True)
        by_device = frame.groupby("device", observed=True)
        rolled = {}
        for minutes, statistics in plan.windows.items():
            window = by_device.rolling(f"{minutes}min", on="timestamp")
            for statistic, columns in statistics.items():
                done = getattr(window[columns], statistic)()
                rolled |= {(c, statistic, minutes): done[c].to_numpy() for c in columns}
        shift = lambda column, n: by_device[column].shift(n)
        difference = lambda column, n: by_device[column].diff(n)
        made = {name: rolled[tuple(parts)] if kind == "window" else
                self.rowwise(frame.__getitem__, kind, parts, shift, difference, frame["timestamp"].dt) for name, (kind, *parts) in plan.columns}
        return pd.DataFrame({"timestamp": frame["timestamp"], "device": frame["device"]} | made, copy=False)

    def parts(self, frame, plan, threads=1):
        import pandas as pd
        frame = frame.sort_values("device", kind="stable", ignore_index=True)
        ends = np.cumsum(frame["device"].value_counts(sort=False).to_numpy())
        made = {name: np.empty(len(frame)) for name, _ in plan.columns}

        def device(place):
            begin, end = ends[place - 1] if place else 0, ends[place]
            part = frame.iloc[begin:end].set_index("timestamp")
            rolled = {(m, s): getattr(part[c].rolling(f"{m}min"), s)() for m, by in plan.windows.items() for s, c in by.items()}
            arrays = {c: part[c].to_numpy() for c in COLUMNS}
            shift = lambda column, n: shifted(arrays[column], n)
            difference = lambda column, n: arrays[column] - shifted(arrays[column], n)
            for name, (kind, *parts) in plan.columns:
                if kind == "window":
                    column, statistic, minutes = parts
                    made[name][begin:end] = rolled[minutes, statistic][column].to_numpy()
                else:
                    made[name][begin:end] = self.rowwise(arrays.__getitem__, kind, parts, shift, difference, part.index)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(device, range(len(ends))))
        return pd.DataFrame({"timestamp": frame["timestamp"], "device": frame["device"]} | made, copy=False)

    def threads(self, frame, plan):
        return self.parts(frame, plan, THREADS)

    def columns(self, made, names):
        return ((name, made[name].to_numpy()) for name in names)


def write_table(table, path):
    import pyarrow as pa
    with pa.OSFile(path, "wb") as out, pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table)


def shifted(values, n):
    return np.concatenate([np.full(min(n, len(values)), np.nan), values[:-n]])


# --- Polars ---

class Polars:
    def read(self, path, rows=None):
        import polars as pl
        frame = pl.read_ipc(path).rechunk()
        return frame if rows is None else frame.head(rows)

    def read_csv(self, path):
        import polars as pl
        return pl.read_csv(path, try_parse_dates=True, schema_overrides={"device": pl.Categorical})

    def write(self, made, names, path):
        import polars as pl
        made.select(pl.col(names).cast(pl.Float32)).write_ipc(path, compression="uncompressed")

    def expressions(self, plan, over, windows=True):
        import polars as pl
        col = pl.col

        def one(kind, *parts):
            if kind == "window":
                column, statistic, minutes = parts
                return over(getattr(col(column), f"rolling_{statistic}_by")("timestamp", f"{minutes}m"))
            if kind == "value":
                return col(parts[0])
            if kind == "lag":
                return over(col(parts[0]).shift(parts[1]))
            if kind == "difference":
                return over(col(parts[0]).diff(parts[1]))
            if kind == "change":
                return over(col(parts[0]) / col(parts[0]).shift(1) - 1)
            if kind == "clock":
                part, function, period = parts
                number = col("timestamp").dt.hour() if part == "hour" else col("timestamp").dt.weekday() - 1
                return getattr(number * (TURN / period), function)()
            a, b = map(col, parts)
            return a * b if kind == "product" else a / b

        return [one(*operation).alias(name) for name, operation in plan.columns if windows or operation[0] != "window"]

    def over(self, frame, plan):
        expressions = self.expressions(plan, lambda expression: expression.over("device"))
        return frame.lazy().select("timestamp", "device", *expressions).collect()

    def partitions(self, frame, plan, engine="in-memory"):
        import polars as pl
        expressions = self.expressions(plan, lambda expression: expression)
        queries = [part.lazy().select("timestamp", "device", *expressions) for part in frame.partition_by("device")]
        return pl.concat(pl.collect_all(queries, engine=engine), rechunk=False)

    def streaming(self, frame, plan):
        return self.partitions(frame, plan, "streaming")

    def rolling(self, frame, plan):
        import polars as pl
        ordered = frame.sort("device", "timestamp")
        queries = [ordered.lazy().select("timestamp", "device", *self.expressions(plan, lambda e: e.over("device"), windows=False))]
        for minutes, statistics in plan.windows.items():
            wanted = [getattr(pl.col(c), s)().alias(f"{c}_{s}_{minutes}min") for s, columns in statistics.items() for c in columns]
            window = ordered.lazy().rolling("timestamp", period=f"{minutes}m", group_by="device").agg(wanted)
            queries.append(window.drop("timestamp", "device"))
        made = pl.concat(pl.collect_all(queries), how="horizontal")
        return made.select("timestamp", "device", *(name for name, _ in plan.columns))

    def columns(self, made, names):
        return ((name, made[name].to_numpy()) for name in names)


# --- DuckDB ---

class Duckdb:
    def read(self, path, rows=None):
        import duckdb
        import pyarrow as pa
        with pa.OSFile(path) as source:
            given = pa.ipc.open_file(source).read_all()
        given = given if rows is None else given.slice(0, rows)
        base = duckdb.connect(config={"threads": THREADS})
        base.register("given", given)
        base.execute("CREATE TABLE readings AS SELECT * FROM given")
        base.unregister("given")
        return base

    def read_csv(self, path):
        import duckdb
        base = duckdb.connect(config={"threads": THREADS})
        base.execute(f"CREATE TABLE readings AS SELECT * FROM read_csv('{path}', types = {{'timestamp': 'TIMESTAMP'}})")
        return base

    def write(self, made, names, path):
        import pyarrow as pa
        write_table(made.select(names).cast(pa.schema([(name, pa.float32()) for name in names])), path)

    def query(self, plan, integer):
        moment, unit = ("epoch_us(timestamp)", "{}") if integer else ("timestamp", "INTERVAL {} MICROSECONDS")
        order = f"PARTITION BY device ORDER BY {moment}"
        functions = {"mean": "avg", "std": "stddev_samp", "min": "min", "max": "max"}

        def one(kind, *parts):
            if kind == "window":
                column, statistic, minutes = parts
                return f"{functions[statistic]}({column}) OVER w{minutes}"
            if kind == "value":
                return parts[0]
            if kind == "lag":
                return f"lag({parts[0]}, {parts[1]}) OVER rows"
            if kind == "difference":
                return f"{parts[0]} - lag({parts[0]}, {parts[1]}) OVER rows"
            if kind == "change":
                return f"{parts[0]} / lag({parts[0]}) OVER rows - 1"
            if kind == "clock":
                part, function, period = parts
                return f"{function}({'hour(timestamp)' if part == 'hour' else '(isodow(timestamp) - 1)'} * {TURN / period!r})"
            return f"{parts[0]} {'*' if kind == 'product' else '/'} {parts[1]}"

        named = [f"w{m} AS ({order} RANGE BETWEEN {unit.format(m * 60_000_000 - 1)} PRECEDING AND CURRENT ROW)" for m in plan.windows]
        return f"SELECT timestamp, device, {', '.join(f'{one(*operation)} AS {name}' for name, operation in plan.columns)} " \
               f"FROM readings WINDOW rows AS ({order}), {', '.join(named)}"

    def interval(self, base, plan, integer=False):
        return base.sql(self.query(plan, integer)).to_arrow_table()

    def integer(self, base, plan):
        return self.interval(base, plan, True)

    def columns(self, made, names):
        return ((name, made[name].to_numpy()) for name in names)


# --- tsflex ---

class Tsflex(Pandas):
    def segments(self, frame, plan):
        """Segments end before their end: a microsecond after the row's time."""
        import pandas as pd
        from tsflex.features import FeatureCollection, FeatureDescriptor, FuncWrapper
        after = np.timedelta64(1, "us")

        def present(name, function, least):
            return FuncWrapper(lambda x: function(kept) if len(kept := x[~np.isnan(x)]) >= least else np.nan, output_names=name)

        functions = {"mean": present("mean", np.mean, 1), "std": present("std", lambda x: np.std(x, ddof=1), 2),
                     "min": present("min", np.min, 1), "max": present("max", np.max, 1)}
        done = []
        for device, part in frame.groupby("device", observed=True):
            part = part.set_index("timestamp")
            ends, made = part.index.to_numpy() + after, {"timestamp": part.index, "device": device}
            for minutes, statistics in plan.windows.items():
                wanted = [FeatureDescriptor(functions[s], c) for s, columns in statistics.items() for c in columns]
                got = FeatureCollection(wanted).calculate(
                    part[COLUMNS], segment_start_idxs=ends - np.timedelta64(minutes, "m"), segment_end_idxs=ends, return_df=True,
                    approve_sparsity=True, n_jobs=THREADS)
                made |= {f"{name.split('__')[0]}_{name.split('__')[1]}_{minutes}min": got[name].to_numpy() for name in got}
            done.append(pd.DataFrame(made))
        return pd.concat(done, ignore_index=True)


PEERS = {"pandas": (Pandas, ["parts", "threads", "grouped"]), "polars": (Polars, ["partitions", "over", "rolling", "streaming"]),
         "duckdb": (Duckdb, ["interval", "integer"]), "tsflex": (Tsflex, ["segments"])}


# --- measuring ---

def forget_peak():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def resident(which):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(which))


def sums(columns):
    """{column: [how many numbers, sum of their sizes]}"""
    finite = ((name, values[np.isfinite(values)]) for name, values in columns)
    return {name: [len(values), float(np.abs(values).sum(dtype=np.float64))] for name, values in finite}


def measure():
    peer, plan = PEERS[SPEC["peer"]][0](), Plan(SETS[SPEC["set"]])
    compute, out = getattr(peer, SPEC["way"]), SPEC.get("out")
    compute(peer.read(SPEC["stem"] + ".arrow", WARM_ROWS), plan)  # imports and thread pools are there
    frame = None if out else peer.read(SPEC["stem"] + ".arrow")
    forget_peak()
    before, begin, worked = resident("VmRSS"), time.perf_counter(), time.process_time()
    made = compute(peer.read_csv(SPEC["stem"] + ".csv") if out else frame, plan)
    names = [name for name, _ in plan.columns if name in (made.column_names if hasattr(made, "column_names") else made.columns)]
    if out:
        peer.write(made, names, out)
    seconds, peak = time.perf_counter() - begin, resident("VmHWM")
    said = {"seconds": seconds, "cpu_seconds": time.process_time() - worked, "peak_bytes": max(0, peak - before),
            "rows": made.num_rows if hasattr(made, "num_rows") else len(made), "columns": len(names)}
    return said | ({"sums": sums(peer.columns(made, names))} if SPEC.get("sums") else {})


if __name__ == "__main__":
    print(json.dumps(measure() if SPEC else {name: ways for name, (_, ways) in PEERS.items()}))
