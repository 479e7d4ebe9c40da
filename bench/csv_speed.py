#!/usr/bin/env python3
"""Text to columns: Millwright beside pyarrow, DuckDB, Polars and pandas, two threads, in one run.

    make bench-csv                                                    everything: about an hour
    make bench-csv BENCH_CSV="--kinds wide,long"                      only those files
    make bench-csv BENCH_CSV="--quick"                                50 MB files, 3 rounds, nothing recorded

Two things are measured of Millwright: `columns` is the file to typed columns in memory (build/release/bench/csv_columns), as
the peers do it; `dataset` is `millwright ingest` from the file to Arrow segments committed on disk, wall time of the
process from start to end, with the resident size of its largest process. Every reading is a fresh process, the page cache is
warm, contenders take turns, and the medians count. Before each reading a process touches 3 GB and ends: a virtual machine may have given
free memory back to its host, and whoever touches it first would pay for getting it again. Each peer first reads the file once in each of its ways
(bench/csv_peer.py); the fastest way is what is compared. MB/s are of decompressed bytes; MB are 10^6 bytes.

Exit status 1: a goal was missed (not with --quick), or two contenders disagree about rows or sums.
"""
import argparse
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import csv_files
import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLUMNS = os.path.join(ROOT, "build", "release", "bench", "csv_columns")
BINARY = os.environ.get("MW_BINARY", os.path.join(ROOT, "build", "release", "millwright"))
PEER = os.path.join(ROOT, "bench", "csv_peer.py")
KINDS = ["wide", "long", "numbers", "strings", "quoted", "wide-gzip", "wide-zstd"]
GROWTH = [100, 500, 1000, 5000]
GOALS = {("wide", "columns"): 4, ("long", "columns"): 3, ("wide", "dataset"): 2, ("long", "dataset"): 2}
MEMORY_GOAL_MB = 64
CLOSE = 1.3  # ways of a peer that take up to so many times the fastest's are read once more
SUMS_DIFFER = 1e-9  # peers add in different orders

# Runs argv[2:] and writes its wall time, largest resident size and exit status to argv[1]. A process of its own that stays
# small, because a child's maximum begins with the size of the process that it was started from.
MEASURE = """
import os, sys, time
begin = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - begin
with open(sys.argv[1], "w") as out:
    out.write("%r %d %d" % (seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)))
"""


# Touches argv[1] MB, so that the memory which the next process gets is there.
TOUCH = """
import mmap, sys
block = bytes(1 << 24)
n = int(sys.argv[1]) // 16
memory = mmap.mmap(-1, n * len(block), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
for _ in range(n):
    memory.write(block)
"""
TOUCHED_MB = 3000


class Failed(Exception):
    pass


def touch_memory():
    subprocess.run([sys.executable, "-I", "-S", "-c", TOUCH, str(TOUCHED_MB)], check=True)


def json_of(command):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_peer(peer, variant, kind, path):
    return json_of([sys.executable, PEER, peer, variant, kind.split("-")[0], path])


def run_columns(path):
    if not os.path.exists(COLUMNS):
        raise Failed("not built")
    return json_of([COLUMNS, "--threads", "2", path])


def run_dataset(path, folder):
    """Into a fresh data folder, which is gone afterwards. Seconds are those of the whole process."""
    data, figures = os.path.join(folder, "data"), os.path.join(folder, "figures")
    shutil.rmtree(data, ignore_errors=True)
    try:
        said = json_of([sys.executable, "-I", "-S", "-c", MEASURE, figures, BINARY, "ingest", path, "--data", data, "--jobs", "2", "--json"])
    finally:
        stored = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(data) for name in names)
        shutil.rmtree(data, ignore_errors=True)
    with open(figures) as f:
        seconds, kilobytes, status = f.read().split()
    if int(status) != 0:
        raise Failed(f"exit status {status}")
    return {"seconds": float(seconds), "peak_kb": int(kilobytes), "rows": said["rows"], "stored": stored}


class Series:
    """The repetitions of one contender on one file."""

    def __init__(self, n_bytes):
        self.n_bytes, self.runs, self.failure = n_bytes, [], None

    def add(self, run):
        if self.failure:
            return
        touch_memory()
        try:
            self.runs.append(run())
        except Failed as e:
            self.failure = str(e)

    def done(self):
        return bool(self.runs) and not self.failure

    def rates(self):
        return sorted(self.n_bytes / r["seconds"] / csv_files.MEGABYTE for r in self.runs)

    def rate(self):
        return statistics.median(self.rates())

    def spread(self):
        return f"{self.rates()[0]:.0f}..{self.rates()[-1]:.0f}"

    def peak_mb(self):
        return max(r.get("peak_kb", 0) for r in self.runs) * 1024 / csv_files.MEGABYTE

    def said(self):
        return f"{self.rate():.0f} ({self.spread()})" if self.done() else self.failure or "-"


class Bench:
    def __init__(self, options):
        self.options, self.wrong, self.recorded = options, [], []
        self.begin = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:5.0f} s] {text}", file=sys.stderr, flush=True)

    def warm(self, path):
        with open(path, "rb", buffering=0) as f:
            while f.read(1 << 22):
                pass

    def choose(self, kind, path, variants):
        """The fastest way of each peer: one reading in each way, another one of those that came close."""
        chosen = {}
        for peer in self.options.peers:
            best = {}
            for turn in range(2):
                for variant in variants[peer]:
                    if turn and not (variant in best and best[variant] < CLOSE * min(best.values())):
                        continue
                    touch_memory()
                    try:
                        seconds = run_peer(peer, variant, kind, path)["seconds"]
                    except Failed as e:
                        self.say(f"  {peer}, {variant}: {e}")
                        continue
                    self.say(f"  {peer}, {variant}: {seconds:.2f} s")
                    best[variant] = min(seconds, best.get(variant, seconds))
            if best:
                chosen[peer] = min(best, key=best.get)
        return chosen

    def measure(self, kind, variants):
        path, note = csv_files.ensure(self.options.folder, kind, self.options.mb, self.say_file)
        self.say(f"{kind}: {os.path.basename(path)}, {note['bytes'] / csv_files.MEGABYTE:.0f} MB")
        self.warm(path)
        chosen = self.choose(kind, path, variants)
        runs = {"columns": lambda: run_columns(path), "dataset": lambda: run_dataset(path, self.options.folder)}
        for peer, variant in chosen.items():
            runs[peer] = lambda peer=peer, variant=variant: run_peer(peer, variant, kind, path)
        series = {name: Series(note["bytes"]) for name in runs}
        for number in range(self.options.rounds):
            for name, run in runs.items():
                series[name].add(run)
            self.say(f"  round {number + 1}: " + ", ".join(
                f"{n} {s.runs[-1]['seconds']:.2f} s" if s.done() else f"{n}: {s.failure}" for n, s in series.items()))
        self.compare(kind, series)
        self.record(kind, series, chosen)
        return series, chosen

    def say_file(self, text, file=None):
        self.say(text)

    def compare(self, kind, series):
        """Whoever reads other rows or other sums is wrong, and its time means nothing."""
        answers = {name: s.runs[-1] for name, s in series.items() if s.done()}
        # Ours pivots a long file, so that a row is made of several records.
        rows = {name: a.get("records", a["rows"]) for name, a in answers.items() if not (kind == "long" and name == "dataset")}
        if len(set(rows.values())) > 1:
            self.wrong.append(f"{kind}: rows differ: {rows}")
        sums = {name: a["sum"] for name, a in answers.items() if "sum" in a}
        if sums and max(sums.values()) - min(sums.values()) > SUMS_DIFFER * max(map(abs, sums.values())):
            self.wrong.append(f"{kind}: sums differ: {sums}")

    def fastest(self, series):
        peers = [p for p in self.options.peers if p in series and series[p].done()]
        return max(peers, key=lambda p: series[p].rate()) if peers else None

    def record(self, kind, series, chosen):
        best = self.fastest(series)
        command = f"bench/csv_speed.py --kinds {kind}"
        for ours in ("columns", "dataset"):
            if series[ours].done():
                self.recorded.append({
                    "name": f"csv {kind}", "metric": f"text to {ours}", "value": f"{series[ours].rate():.0f}", "unit": "MB/s",
                    "peer": f"{best} {version(best)} ({chosen[best]})" if best else "",
                    "peer_value": f"{series[best].rate():.0f}" if best else "", "spread": series[ours].spread(), "command": command})
        if series["dataset"].done():
            self.recorded.append({"name": f"csv {kind}", "metric": "text to dataset, resident", "unit": "MB",
                                  "value": f"{series['dataset'].peak_mb():.0f}", "peer": "goal below",
                                  "peer_value": MEMORY_GOAL_MB, "command": command})
        for peer in self.options.peers:
            if peer in series and series[peer].done():
                self.recorded.append({"name": f"csv {kind}", "metric": f"text to columns, {peer}", "unit": "MB/s",
                                      "value": f"{series[peer].rate():.0f}", "peer": f"{peer} {version(peer)} ({chosen[peer]})",
                                      "spread": series[peer].spread(), "command": command})

    def growth(self):
        """Ours alone: time must grow as the file does, memory not at all."""
        rows = []
        for mb in self.options.growth:
            path, note = csv_files.ensure(self.options.folder, f"growth-{mb}", None, self.say_file)
            self.warm(path)
            columns, dataset = Series(note["bytes"]), Series(note["bytes"])
            for _ in range(self.options.rounds if mb <= 1000 else 1):
                columns.add(lambda: run_columns(path))
                dataset.add(lambda: run_dataset(path, self.options.folder))
            rows.append((note["bytes"] / csv_files.MEGABYTE, columns, dataset))
            self.say(f"growth {mb} MB: columns {columns.said()}, dataset {dataset.said()}")
            if mb > 1000 and not self.options.keep:
                os.remove(path)
            for name, s in (("columns", columns), ("dataset", dataset)):
                if s.done():
                    self.recorded.append({"name": f"csv growth {mb} MB", "metric": f"text to {name}", "value": f"{s.rate():.0f}", "unit": "MB/s",
                                          "spread": s.spread() + (f", {s.peak_mb():.0f} MB resident" if name == "dataset" else ""),
                                          "command": "bench/csv_speed.py --kinds growth"})
        return rows


def version(peer):
    return importlib.metadata.version(peer)


def ratio(ours, best):
    return f"{ours.rate() / best.rate():.2f}x" if ours.done() and best else "-"


def print_tables(bench, tables, growth):
    peers = bench.options.peers
    missed = []
    if tables:
        print("\nMB/s of decompressed text, two threads, medians (lowest..highest)\n")
        print("| file | columns | " + " | ".join(f"{p} {version(p)}" for p in peers) + " | columns / fastest | dataset | dataset / fastest | resident MB |")
        print("|---|" + "---|" * (len(peers) + 5))
    for kind, (series, _) in tables.items():
        name = bench.fastest(series)
        best = series[name] if name else None
        cells = [series[p].said() if p in series else "-" for p in peers]
        dataset = series["dataset"]
        memory = f"{dataset.peak_mb():.0f}" if dataset.done() else "-"
        print(f"| {kind} | {series['columns'].said()} | " + " | ".join(cells) + f" | {ratio(series['columns'], best)} | {dataset.said()} | "
              f"{ratio(dataset, best)} | {memory} |")
        for ours in ("columns", "dataset"):
            goal = GOALS.get((kind, ours))
            if goal and best and not (series[ours].done() and series[ours].rate() >= goal * best.rate()):
                missed.append(f"{kind}, {ours}: {ratio(series[ours], best)} of {name}, goal {goal}x")
        if dataset.done() and dataset.peak_mb() >= MEMORY_GOAL_MB:
            missed.append(f"{kind}: {memory} MB resident, goal below {MEMORY_GOAL_MB}")
    if tables:
        print("\nfastest way of each peer: " + "; ".join(
            f"{kind}: " + ", ".join(f"{p}: {v}" for p, v in chosen.items()) for kind, (_, chosen) in tables.items()))
    if growth:
        print("\n| wide file, MB | columns, MB/s | dataset, MB/s | resident MB |\n|---|---|---|---|")
        for mb, columns, dataset in growth:
            print(f"| {mb:.0f} | {columns.said()} | {dataset.said()} | {f'{dataset.peak_mb():.0f}' if dataset.done() else '-'} |")
    print()
    return missed


def main():
    with_variants = json.loads(subprocess.run([sys.executable, PEER, "--list"], check=True, capture_output=True).stdout)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS + ["growth"]), help="of files, separated by commas (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(with_variants), help="separated by commas; empty: none (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mb", type=int, help="size of each file (default: see bench/csv_files.py)")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build", "bench-csv"))
    parser.add_argument("--keep", action="store_true", help="keep the 5 GB file afterwards")
    parser.add_argument("--quick", action="store_true", help="50 MB files, 3 rounds, growth to 200 MB, nothing recorded")
    options = parser.parse_args()
    options.growth = GROWTH
    if options.quick:
        options.mb, options.rounds, options.growth = options.mb or 50, 3, [50, 100, 200]
    options.peers = [p for p in options.peers.split(",") if p]
    kinds = options.kinds.split(",")
    for name in options.peers:
        if name not in with_variants:
            parser.error(f"no peer {name}; there are {', '.join(with_variants)}")
    for name in kinds:
        if name not in KINDS + ["growth"]:
            parser.error(f"no kind {name}; there are {', '.join(KINDS + ['growth'])}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    bench = Bench(options)
    tables = {kind: bench.measure(kind, with_variants) for kind in kinds if kind != "growth"}
    growth = bench.growth() if "growth" in kinds else []
    missed = print_tables(bench, tables, growth)
    for text in missed:
        print(f"goal missed: {text}")
    for text in bench.wrong:
        print(f"WRONG: {text}")
    if not options.quick:
        results.append(bench.recorded)
    return 1 if bench.wrong or (missed and not options.quick) else 0


if __name__ == "__main__":
    sys.exit(main())
