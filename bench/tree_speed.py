#!/usr/bin/env python3
"""Boosting, forests and scoring: time and memory of Millwright beside its peers, in one run.

    make bench-tree                                                          everything: several hours
    make bench-tree BENCH_TREE="--kinds 1m-31,1m-255 --peers lightgbm,xgboost"
    make bench-tree BENCH_TREE="--quick"                                     100,000 rows, 1 round, nothing recorded

1m-31, 10m-255...    boosting, 1 or 10 million generated rows, 31 or 255 leaves, 100 rounds, learning rate 0.1, 255 bins
cover-31, donors-31, skin-31   the same on public sets
forest               100,000 generated rows, 100 trees
isolation            1 million generated rows, 100 trees of 256; with the scores of 100,000 others
score-LEAVES-TREES   100,000 rows and single rows, with a boosted model; score-forest-100: with a random forest. Binned: the same
                     100,000 rows, ranked before among the model's thresholds, which only Millwright can keep

Every reading is a fresh process, contenders take turns, and medians count. Millwright reads a CSV file; its time is
`seconds.fit` of --json (binning and training), its memory is `fit_bytes`: what the fit
allocates beyond the float32 table, its model included. A peer's time begins with float32
in memory and ends with the model; its memory is the largest resident size less that before training. Parameters are the
same for all (bench/tree_peer.py). AUC is that of 100,000 other rows (nothing to go by for isolation: see `make bench-quality`). One row is a call in the same process: Millwright
through bench/tree_score.c, LightGBM through its C interface, the others from Python. onnxruntime scores Millwright's model.onnx.
"""
import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time

import results
import tree_data
import tree_ours
from csv_speed import Failed, ROOT, json_of, touch_memory

PEER = os.path.join(ROOT, "bench", "tree_peer.py")
OURS = "millwright"
MEGABYTE = 1000 * 1000
BATCH = 100_000
BOOSTING = {"n_estimators": 100, "learning_rate": 0.1, "max_bin": 255}
KINDS = [f"{rows}m-{leaves}" for rows in (1, 10) for leaves in (31, 255)] + ["cover-31", "donors-31", "skin-31", "forest", "isolation"] + \
    [f"score-{leaves}-{trees}" for leaves in (31, 255) for trees in (100, 300, 1000)] + ["score-forest-100"]


def run_peer(**spec):
    return json_of([sys.executable, PEER, json.dumps(spec)])


class Kind:
    """One thing that is measured, of each contender by name with a number of threads."""

    def __init__(self, name, options):
        self.name, self.folder, self.quick = name, options.folder, options.quick
        self.models = os.path.join(self.folder, "models")
        os.makedirs(self.models, exist_ok=True)

    def rows(self, n):
        return min(n, 100_000) if self.quick else n

    def generated(self, rows):
        return tree_data.generated(self.folder, rows)


class Fit(Kind):
    metrics = {"seconds": "s", "memory": "MB"}

    def __init__(self, name, options):
        super().__init__(name, options)
        data, _, leaves = name.partition("-")
        self.learner = data if not leaves else "gbdt"
        self.params = BOOSTING | {"num_leaves": int(leaves)} if leaves else {"n_estimators": 100}
        rows = {"forest": 100_000, "isolation": 1_000_000, "1m": 1_000_000, "10m": 10_000_000}.get(data)
        self.stem = self.generated(self.rows(rows)) if rows else tree_data.stored(self.folder, data)
        self.test = self.generated(tree_data.TEST) if rows else self.stem + ".test"
        if self.learner == "isolation":
            self.metrics = {"seconds": "s", "memory": "MB", "score": "s"}

    def contenders(self, listed):
        return [OURS] + listed[self.learner]

    def measure(self, name, threads):
        return self.ours(threads) if name == OURS else self.peer(name, threads)

    def ours(self, threads):
        model = os.path.join(self.models, self.name)
        said = tree_ours.train(self.stem, model, self.learner, self.params, threads=threads)
        x, y = tree_data.table(self.test)
        reading = {"seconds": said["seconds"]["fit"], "memory": said["fit_bytes"] / MEGABYTE,
                   "AUC": tree_data.quality("binary", y, tree_ours.predict(self.test, model, threads))}
        return reading | ({"score": tree_ours.score(self.test, model, len(x), threads)["seconds"]} if "score" in self.metrics else {})

    def peer(self, name, threads):
        said = run_peer(task="fit", peer=name, learner=self.learner, stem=self.stem, test=self.test, data_task="binary",
                        threads=threads, params=self.params)
        return {"seconds": said["seconds"], "memory": said["peak_bytes"] / MEGABYTE, "AUC": said["quality"], "score": said["score_seconds"]}


class Score(Kind):
    metrics = {"seconds": "s", "binned": "s", "one row": "us"}

    def __init__(self, name, options):
        super().__init__(name, options)
        _, leaves, trees = name.split("-")
        self.learner = "forest" if leaves == "forest" else "gbdt"
        self.params = {"n_estimators": int(trees)} | ({} if self.learner == "forest" else {"num_leaves": int(leaves), "learning_rate": 0.1})
        self.stem, self.test = self.generated(100_000), self.generated(tree_data.TEST)
        self.ready = {}

    def contenders(self, listed):
        return [OURS, "onnxruntime"] + [peer for peer in listed["score"] if self.learner == "gbdt" and peer != "onnxruntime"]

    def model(self, ours):
        """Trained once: Millwright's folder, or LightGBM's text file."""
        if ours not in self.ready:
            path = os.path.join(self.models, self.name + ("" if ours else ".txt"))
            if ours:
                tree_ours.train(self.stem, path, self.learner, self.params)
            else:
                run_peer(task="fit", peer="lightgbm", learner="gbdt", stem=self.stem, data_task="binary", params=self.params, save=path)
            self.ready[ours] = path
        return self.ready[ours]

    def measure(self, name, threads):
        rows = self.rows(BATCH)
        if name == OURS:
            said = tree_ours.score(self.test, self.model(True), rows, threads)
        else:
            model = os.path.join(self.model(True), "model.onnx") if name == "onnxruntime" else self.model(False)
            said = run_peer(task="score", peer=name, model=model, test=self.test, rows=rows, threads=threads)
        binned = {"binned": said["binned_seconds"]} if name == OURS else {}
        return {"seconds": said["seconds"], "one row": said["one_row_seconds"] * 1e6} | binned


class Series:
    """The readings of one contender."""

    def __init__(self):
        self.readings, self.failure = [], None

    def add(self, measure):
        if self.failure:
            return
        touch_memory()
        try:
            self.readings.append(measure())
        except Failed as e:
            self.failure = str(e)

    def values(self, metric):
        """Of a metric that this contender has."""
        return [] if self.failure else sorted(r[metric] for r in self.readings if metric in r)

    def median(self, metric):
        return statistics.median(self.values(metric)) if self.values(metric) else None

    def spread(self, metric):
        return f"{short(self.values(metric)[0])}..{short(self.values(metric)[-1])}"

    def said(self, metric):
        return f"{short(self.median(metric))} ({self.spread(metric)})" if self.values(metric) else f"- ({self.failure})" if self.failure else "-"


def short(value):
    return f"{value:.4g}"


def version(name):
    package = name.removesuffix("-quantized")
    return name if name == OURS else f"{name} {importlib.metadata.version(package)}"


def measure(kind, contenders, threads, rounds, say):
    series = {name: Series() for name in contenders}
    for number in range(rounds):
        for name, one in series.items():
            one.add(lambda: kind.measure(name, threads))
            say(f"{kind.name}, {threads} threads, round {number + 1}: {name} " +
                (one.failure or ", ".join(f"{metric} {short(value)}" for metric, value in one.readings[-1].items())))
    return series


def print_table(kind, threads, series):
    print(f"\n{kind.name}, {threads} {'thread' if threads == 1 else 'threads'}\n")
    print("| | " + " | ".join(f"{metric}, {unit}" for metric, unit in kind.metrics.items()) + " | AUC |")
    print("|---|" + "---|" * (len(kind.metrics) + 1))
    for name, one in series.items():
        quality = f"{one.readings[-1]['AUC']:.5f}" if one.readings and "AUC" in one.readings[-1] else "-"
        print(f"| {version(name)} | " + " | ".join(one.said(metric) for metric in kind.metrics) + f" | {quality} |", flush=True)


def rows_of(kind, threads, series):
    """Ours beside the best peer, then each peer alone."""
    command = f"bench/tree_speed.py --kinds {kind.name} --threads {threads}"
    for metric, unit in kind.metrics.items():
        done = {name: one for name, one in series.items() if one.values(metric)}
        peers = [name for name in done if name != OURS]
        best = min(peers, key=lambda name: done[name].median(metric)) if peers else None
        for name, one in done.items():
            beside = {"peer": version(best), "peer_value": short(done[best].median(metric))} if name == OURS and best else \
                {} if name == OURS else {"peer": version(name)}
            yield {"name": f"tree {kind.name}", "metric": f"{metric}, {threads} threads" + ("" if name == OURS else f", {name}"),
                   "value": short(one.median(metric)), "unit": unit, "spread": one.spread(metric), "command": command, **beside}


def print_ratios(medians):
    """medians: seconds by kind, threads and contender. What a second thread brings, and what ten times the rows cost."""
    for (kind, threads, name), seconds in medians.items():
        if threads == 2 and (kind, 1, name) in medians:
            print(f"{kind}, {name}: two threads {medians[kind, 1, name] / seconds:.2f}x as fast as one")
        tenth = kind.replace("10m", "1m"), threads, name
        if kind.startswith("10m") and tenth in medians:
            print(f"{kind}, {name}, {threads} threads: {seconds / medians[tenth]:.1f}x the time of 1 million rows")


def main():
    listed = json_of([sys.executable, PEER, "--list"])
    everyone = sorted({name for names in listed.values() for name in names})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas (default: %(default)s)")
    parser.add_argument("--peers", default=",".join(everyone), help="separated by commas; empty: none (default: %(default)s)")
    parser.add_argument("--threads", default="2,1", help="numbers of them (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=tree_data.FOLDER)
    parser.add_argument("--quick", action="store_true", help="100,000 rows, 1 round, nothing recorded")
    options = parser.parse_args()
    kinds, peers = options.kinds.split(","), [name for name in options.peers.split(",") if name]
    for what, asked, known in (("kind", kinds, KINDS), ("peer", peers, everyone)):
        for name in set(asked) - set(known):
            parser.error(f"no {what} {name}; there are {', '.join(known)}")
    begin, medians = time.monotonic(), {}
    say = lambda text: print(f"[{time.monotonic() - begin:5.0f} s] {text}", file=sys.stderr, flush=True)
    for name in kinds:
        kind = (Score if name.startswith("score") else Fit)(name, options)
        chosen = [c for c in kind.contenders(listed) if c == OURS or c in peers]
        for threads in map(int, options.threads.split(",")):
            series = measure(kind, chosen, threads, 1 if options.quick else options.rounds, say)
            print_table(kind, threads, series)
            medians |= {(name, threads, c): one.median("seconds") for c, one in series.items() if one.values("seconds")}
            if not options.quick:
                results.append(rows_of(kind, threads, series))
    print()
    print_ratios(medians)


if __name__ == "__main__":
    main()
