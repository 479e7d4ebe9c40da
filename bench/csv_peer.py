#!/usr/bin/env python3
"""Reads one benchmark file with one peer to typed columns in memory, and prints what that took as a JSON line.

    csv_peer.py PEER VARIANT KIND FILE      csv_peer.py --list

Run by bench/csv_speed.py, each time as a fresh process. Only the reading is timed: not imports, not what is made of the columns
afterwards. Two threads where the peer has threads. Time stamps become time stamps with every peer. A variant is one way to
ask the same peer for the same columns; the fastest of each peer counts, for each file.
"""
import json
import os
import resource
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "2"

STAMP = "timestamp"
TEXTS = {
    "wide": ["device"],
    "long": ["device_id", "device_name", "employee_id", "employee_name", "category", "parameter"],
    "numbers": [],
    "strings": [f"text{i}" for i in range(1, 9)],
    "quoted": ["device", "state", "note"],
}
DATES, CLOCKS = {"long": ["date"]}, {"long": ["time"]}
SUMMED = {"wide": "temperature_1", "long": "value", "numbers": "x1", "strings": "length", "quoted": "temperature"}


def header(path):
    import pyarrow as pa
    with pa.input_stream(path, compression="detect") as stream:
        line = stream.read(1 << 16).split(b"\n", 1)[0]
    return [name.strip('"') for name in line.decode().strip().split(",")]


class Columns:
    """What each column of a kind of file is: text, stamp, date, clock, number."""

    def __init__(self, kind, path):
        self.kind, self.names = kind, header(path)
        self.roles = {}
        for name in self.names:
            self.roles[name] = ("stamp" if name == STAMP else "text" if name in TEXTS[kind] else
                                "date" if name in DATES.get(kind, ()) else "clock" if name in CLOCKS.get(kind, ()) else "number")

    def types(self, **of):
        return {name: of[role] for name, role in self.roles.items() if role in of}


def read_pyarrow(variant, columns, path):
    import pyarrow as pa
    import pyarrow.csv as pc
    pa.set_cpu_count(2)
    pa.set_io_thread_count(2)
    types, _, block = variant.partition(", ")
    text = pa.dictionary(pa.int32(), pa.string()) if "dictionaries" in types else pa.string()
    convert = pc.ConvertOptions() if types == "inferred" else pc.ConvertOptions(column_types=columns.types(
        text=text, stamp=pa.timestamp("s"), date=pa.date32(), clock=pa.time32("s"), number=pa.float64()))
    read = pc.ReadOptions(use_threads=True, block_size=int(block.split()[0]) << 20)
    parse = pc.ParseOptions(newlines_in_values=columns.kind == "quoted")
    begin = time.perf_counter()
    table = pc.read_csv(path, read, parse, convert)
    seconds = time.perf_counter() - begin
    assert pa.types.is_timestamp(table.schema.field(STAMP).type), table.schema.field(STAMP)
    import pyarrow.compute
    return seconds, table.num_rows, table.num_columns, pa.compute.sum(table[SUMMED[columns.kind]]).as_py()


def read_polars(variant, columns, path):
    import polars as pl
    assert pl.thread_pool_size() == 2
    text = pl.Categorical if "categories" in variant else pl.String
    options = {"try_parse_dates": True}
    if "typed" in variant:
        options["schema_overrides"] = columns.types(text=text, number=pl.Float64)
    begin = time.perf_counter()
    if variant.startswith("lazy"):
        table = pl.scan_csv(path, **options).collect()
    else:
        table = pl.read_csv(path, rechunk=False, **options)
    seconds = time.perf_counter() - begin
    assert table.schema[STAMP].is_temporal(), table.schema[STAMP]
    return seconds, table.height, table.width, table[SUMMED[columns.kind]].sum()


def read_duckdb(variant, columns, path):
    import duckdb
    base = duckdb.connect(":memory:", config={"threads": 2})
    base.execute(f"SET preserve_insertion_order={'true' if 'ordered' in variant else 'false'}")
    types = ""
    if "typed" in variant:
        pairs = columns.types(text="VARCHAR", stamp="TIMESTAMP", date="DATE", clock="TIME", number="DOUBLE")
        types = ", header=true, columns={%s}" % ", ".join(f"'{name}': '{kind}'" for name, kind in pairs.items())
        types += ", delim=',', quote='\"', escape='\"'" + ("" if columns.kind == "quoted" else ", new_line='\\n'")
    query = f"SELECT * FROM read_csv('{path}'{types})"
    begin = time.perf_counter()
    if "arrow" in variant:
        table = base.execute(query).to_arrow_table()
        seconds = time.perf_counter() - begin
        base.register("t", table)
    else:
        base.execute("CREATE TABLE t AS " + query)
        seconds = time.perf_counter() - begin
    kinds = {row[0]: row[1] for row in base.execute("DESCRIBE t").fetchall()}
    assert kinds[STAMP].startswith("TIMESTAMP"), kinds[STAMP]
    rows, total = base.execute(f'SELECT count(*), sum("{SUMMED[columns.kind]}") FROM t').fetchone()
    return seconds, rows, len(kinds), total


def read_pandas(variant, columns, path):
    import pandas as pd
    import pyarrow as pa
    options = {"parse_dates": [STAMP]}
    if "typed" in variant:
        options["dtype"] = columns.types(text="category" if "categories" in variant else "object", number="float64")
    begin = time.perf_counter()
    if path.endswith(".zst"):
        table = pd.read_csv(pa.input_stream(path, compression="zstd"), engine="c", low_memory=False, **options)
    else:
        table = pd.read_csv(path, engine="c", low_memory=False, **options)
    seconds = time.perf_counter() - begin
    assert str(table[STAMP].dtype).startswith("datetime64"), table[STAMP].dtype
    return seconds, len(table), table.shape[1], table[SUMMED[columns.kind]].sum()


# pandas' third engine is pyarrow, which is here on its own.
PEERS = {
    "pyarrow": (read_pyarrow, ["inferred, 1 MB blocks", "typed dictionaries, 1 MB blocks", "typed dictionaries, 8 MB blocks",
                               "typed strings, 1 MB blocks", "typed strings, 8 MB blocks"]),
    "duckdb": (read_duckdb, ["inferred, table", "typed, table", "typed, table, ordered", "typed, arrow"]),
    "polars": (read_polars, ["inferred", "typed strings", "typed categories", "lazy, typed strings", "lazy, inferred"]),
    "pandas": (read_pandas, ["inferred", "typed objects", "typed categories"]),
}


def main():
    if sys.argv[1:] == ["--list"]:
        print(json.dumps({name: variants for name, (_, variants) in PEERS.items()}))
        return
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    peer, variant, kind, path = sys.argv[1:]
    seconds, rows, n_columns, total = PEERS[peer][0](variant, Columns(kind, path), path)
    print(json.dumps({"seconds": seconds, "rows": rows, "columns": n_columns, "sum": float(total),
                      "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()
