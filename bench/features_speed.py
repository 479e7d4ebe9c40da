#!/usr/bin/env python3
"""Feature programs: time and memory of `millwright features` beside pandas, Polars, DuckDB and tsflex, in one run.

    make bench-features                                              10 million rows, 8 devices, 3 rounds
    make bench-features BENCH_FEATURES="--kinds telemetry-40 --peers polars,duckdb"
    make bench-features BENCH_FEATURES="--quick"                     100,000 rows, 1 round, nothing recorded

telemetry-40   42 columns of 4 sensors: windows of 5 and 30 minutes, changes, a product, a ratio, the clock
program-300    300 columns, on a tenth of the rows: those of the peers would not fit into memory otherwise

Every reading is a fresh process, contenders take turns, and medians count. Two things are compared:

seconds, row, memory         features alone. A peer begins with its own frame in memory and ends with another one; its memory is the largest resident
                             size less that before. Millwright streams from file to file in any case: its time is `seconds.features` of --json
                             and its memory `peak_bytes`. With --threads 1 that is the time of features alone; with more it reads and writes
                             beside them, which takes some of the cores.
file row, file memory        from a CSV file to an Arrow file of float32, in a process that is up. Millwright's time is `seconds.total`.

A peer first computes the program twice in each of its ways (bench/features_peers.py) on a tenth of the rows, at most 1 million;
the fastest way is what is compared. DuckDB has at most 1,000,000 rows; tsflex does windows only, of 100,000 rows. A folder in memory (--folder
/dev/shm/features) leaves the disk out; on a machine that others use, --realtime (as root) lets each reading have its cores, after a pause for the others.

Exit status 1: contenders disagree about how many numbers a column has, or about the sum of their sizes. Values are compared one by one in
tests/quality/test_features_pandas.py.
"""
import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time

import features_data
import features_sets
import results
import tree_speed
from csv_speed import BINARY, Failed, ROOT, json_of, touch_memory
from tree_speed import MEGABYTE, OURS, short

PEER = os.path.join(ROOT, "bench", "features_peers.py")
KINDS = list(features_sets.SETS)
SMALL_ROWS, MOST_ROWS = 100_000, {"tsflex": 100_000, "duckdb": 1_000_000}
METRICS = {"seconds": "s", "row": "us", "memory": "MB", "file row": "us", "file memory": "MB"}
TIMES = ("row", "file row")
WAY_TRIES = 2  # the better one counts
STAGES = ("read", "features", "write", "total")
SUMS_DIFFER = 1e-5  # float32 beside float64, and peers add in different orders
# What reaches back to rows before: Millwright leaves out what lies across a gap.
ACROSS_ROWS = ("lag", "difference", "change")


REALTIME, PAUSE = ["chrt", "--rr", "5"], 3  # seconds


class Kind:
    """One program on one table, of each contender."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.rows = SMALL_ROWS if options.quick else options.rows // (10 if name == "program-300" else 1)
        self.stem = self.generated(self.rows)
        self.out = os.path.join(options.folder, f"{name}.arrow")
        self.ways = {}

    def generated(self, rows):
        return features_data.generated(self.options.folder, rows, self.options.devices)

    def rows_of(self, name):
        return min(self.rows, MOST_ROWS.get(name, self.rows))

    def is_alike(self, name):
        """Whether it does all of the work on all of the rows."""
        return self.rows_of(name) == self.rows and name != "tsflex"

    def choose(self, name, ways, say):
        """The peer's fastest way; one that fails is none."""
        rows = min(self.rows_of(name), max(SMALL_ROWS, self.rows // 10), 1_000_000)
        seconds = {}
        for way in ways if len(ways) > 1 else []:
            try:
                seconds[way] = min(self.once(name, way, rows) for _ in range(WAY_TRIES))
                say(f"{self.name}: {name}, {way}: {short(seconds[way] / rows * 1e6)} us a row of {rows}")
            except Failed as e:
                say(f"{self.name}: {name}, {way}: {e}")
        self.ways[name] = min(seconds, key=seconds.get) if seconds else ways[0]

    def once(self, name, way, rows):
        touch_memory()
        return self.peer(name, way, rows)["seconds"]

    def reading(self, *command):
        if self.options.realtime:
            time.sleep(PAUSE)
        return json_of([*(REALTIME if self.options.realtime else ()), *command])

    def peer(self, name, way, rows, **more):
        spec = {"peer": name, "way": way, "set": self.name, "stem": self.generated(rows), "threads": self.options.threads}
        return self.reading(sys.executable, PEER, json.dumps(spec | more))

    def measure(self, name, sums):
        said = self.ours(sums) if name == OURS else self.peer(name, self.ways[name], self.rows_of(name), sums=sums)
        if said["rows"] != self.rows_of(name):
            raise Failed(f"{said['rows']} rows, expected {self.rows_of(name)}")
        micro = 1e6 / said["rows"]
        stages = said["seconds"] if name == OURS else {"features": said["seconds"]}
        files = {"seconds": stages["total"], "peak_bytes": said["peak_bytes"]} if name == OURS else self.files(name)
        return said | {"stages": stages, "seconds": stages["features"], "row": stages["features"] * micro, "memory": said["peak_bytes"] / MEGABYTE,
                       "file row": files["seconds"] * micro, "file memory": files["peak_bytes"] / MEGABYTE}

    def files(self, name):
        touch_memory()
        try:
            return self.peer(name, self.ways[name], self.rows_of(name), out=self.out)
        finally:
            if os.path.exists(self.out):
                os.remove(self.out)

    def ours(self, sums):
        config = features_sets.config(self.name)
        if config is None:
            raise Failed(f"{os.path.relpath(features_sets.PROGRAM_300, ROOT)} is missing")
        path = os.path.join(self.options.folder, f"{self.name}.json")
        with open(path, "w") as f:
            json.dump(config, f)
        said = self.reading(BINARY, "features", path, self.stem + ".csv", "--out", self.out, "--jobs", str(self.options.threads), "--json")
        said |= {"sums": self.sums_of_file()} if sums else {}
        os.remove(self.out)
        return said

    def sums_of_file(self):
        import numpy as np
        import pyarrow as pa
        sums = {}
        with pa.memory_map(self.out) as source:
            table = pa.ipc.open_file(source).read_all()
            for name, _ in features_sets.SETS[self.name]:
                values = table[name].to_numpy()
                values = np.abs(values[np.isfinite(values)])
                sums[name] = [len(values), float(values.sum(dtype=np.float64))]
        return sums


class Series(tree_speed.Series):
    def done(self):
        return bool(self.values("seconds"))

    def stage(self, name):
        return statistics.median(r["stages"][name] for r in self.readings)


def title(kind, name):
    if name == OURS:
        return name
    rows = "" if kind.is_alike(name) else f", {kind.rows_of(name)} rows"
    return f"{name} {importlib.metadata.version(name)} ({kind.ways[name]}{', windows only' if name == 'tsflex' else ''}{rows})"


def measure(kind, contenders, rounds, say):
    series = {name: Series() for name in contenders}
    for number in range(rounds):
        for name, one in series.items():
            one.add(lambda: kind.measure(name, sums=number == 0))
            say(f"{kind.name}, round {number + 1}: {name} " +
                (one.failure or ", ".join(f"{metric} {short(one.readings[-1][metric])} {unit}" for metric, unit in METRICS.items())))
    return series


def print_table(kind, series):
    ours = series.get(OURS)
    print(f"\n{kind.name}, {kind.rows} rows, {kind.options.devices} devices, {kind.options.threads} threads\n")
    print("| | " + " | ".join(f"{metric}, {unit}" for metric, unit in METRICS.items()) + " | times Millwright's row, file row |")
    print("|---|" + "---|" * (len(METRICS) + 1))
    for name, one in series.items():
        if not one.done():
            print(f"| {title(kind, name)} | " + " | ".join(["-"] * len(METRICS)) + f" | {one.failure} |")
            continue
        times = ", ".join(short(one.median(m) / ours.median(m)) for m in TIMES) if ours and ours.done() else "-"
        print(f"| {title(kind, name)} | " + " | ".join(f"{short(one.median(m))} ({one.spread(m)})" for m in METRICS) + f" | {times} |")
    if ours and ours.done():
        print("\nmillwright: " + ", ".join(f"{stage} {short(ours.stage(stage))} s" for stage in STAGES) +
              f", {ours.readings[-1]['output_bytes'] / MEGABYTE:.0f} MB written", flush=True)


def same(a, b, operation, mine):
    """Two [numbers, sum]; what lies across a gap is missing in Millwright's columns only."""
    if mine and operation in ACROSS_ROWS:
        return a[0] <= b[0] and abs(a[1] - b[1]) <= 0.05 * b[1]
    return a[0] == b[0] and abs(a[1] - b[1]) <= SUMS_DIFFER * b[1]


def disagreements(kind, series):
    """Of all contenders with all rows, beside the first peer among them."""
    said = {name: one.readings[0]["sums"] for name, one in series.items() if one.done() and kind.is_alike(name)}
    first = next((name for name in said if name != OURS), None)
    operations = {name: parts[0] for name, parts in features_sets.SETS[kind.name]}
    for name in said:
        for column, operation in operations.items():
            mine, theirs = said[name][column], said[first][column] if first else said[name][column]
            if not same(mine, theirs, operation, name == OURS):
                yield f"{kind.name}: {column} of {name} has {mine[0]} numbers, sum {mine[1]:.9g}; of {first} {theirs[0]}, {theirs[1]:.9g}"


def rows_of(kind, series):
    """Ours beside the best peer of those that did the same work, then each peer alone."""
    options = kind.options
    command = f"bench/features_speed.py --kinds {kind.name} --rows {options.rows} --devices {options.devices} --threads {options.threads}" + \
        (" --realtime" if options.realtime else "")
    done = {name: one for name, one in series.items() if one.done()}
    peers = [name for name in done if name != OURS and kind.is_alike(name)]
    for metric, unit in METRICS.items():
        best = min(peers, key=lambda name: done[name].median(metric)) if peers else None
        for name, one in done.items():
            beside = {"peer": title(kind, best), "peer_value": short(done[best].median(metric))} if name == OURS and best else \
                {} if name == OURS else {"peer": title(kind, name)}
            yield {"name": f"features {kind.name}", "metric": f"{metric}, {options.threads} threads" + ("" if name == OURS else f", {name}"),
                   "value": short(one.median(metric)), "unit": unit, "spread": one.spread(metric), "command": command, **beside}
    for stage in STAGES if OURS in done else ():
        yield {"name": f"features {kind.name}", "metric": f"seconds of {stage}, {options.threads} threads", "value": short(done[OURS].stage(stage)),
               "unit": "s", "command": command}


def main():
    ways = json_of([sys.executable, PEER, "--list"])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(ways), help="separated by commas; empty: none (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=features_data.FOLDER)
    parser.add_argument("--realtime", action="store_true", help="readings by the scheduler's round robin, a pause before each")
    parser.add_argument("--quick", action="store_true", help="100,000 rows, 1 round, nothing recorded")
    options = parser.parse_args()
    kinds, peers = options.kinds.split(","), [name for name in options.peers.split(",") if name]
    for what, asked, known in (("kind", kinds, KINDS), ("peer", peers, ways)):
        for name in set(asked) - set(known):
            parser.error(f"no {what} {name}; there are {', '.join(known)}")
    begin, wrong = time.monotonic(), []
    say = lambda text: print(f"[{time.monotonic() - begin:5.0f} s] {text}", file=sys.stderr, flush=True)
    for name in kinds:
        kind = Kind(name, options)
        for peer in peers:
            kind.choose(peer, ways[peer], say)
        series = measure(kind, [OURS] + peers, 1 if options.quick else options.rounds, say)
        print_table(kind, series)
        wrong += disagreements(kind, series)
        if not options.quick:
            results.append(rows_of(kind, series))
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
