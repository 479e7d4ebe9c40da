"""Seconds of the isolation forest beside scikit-learn's, and of the extended one beside isotree's (pip install isotree).

    make bench-isolation        1,000,000 rows of 28 normal numbers, 100,000 scored, 5 rounds, all cores

100 trees of 256 rows; extended: 2 features a split. Everything gets the same float32 rows in memory and as many threads; a round
measures each program once, one after the other; the medians are told, and appended to bench/results.csv.
"""
import argparse
import importlib.metadata
import os
import subprocess
import tempfile
import time

import numpy as np
from sklearn.ensemble import IsolationForest

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build", "release", "bench", "isolation_speed")


def timed(call, *arguments):
    start = time.perf_counter()
    result = call(*arguments)
    return result, time.perf_counter() - start


def peers(threads):
    """Name, ndim, a new model by seed, and its function that scores."""
    yield (f"scikit-learn {importlib.metadata.version('scikit-learn')}", 1,
           lambda seed: IsolationForest(n_estimators=100, max_samples=256, random_state=seed, n_jobs=threads),
           "score_samples")
    try:
        import isotree
    except ImportError:
        return
    for ndim in (1, 2):
        yield (f"isotree {importlib.metadata.version('isotree')}", ndim,
               lambda seed, ndim=ndim: isotree.IsolationForest(ntrees=100, sample_size=256, ndim=ndim, nthreads=threads,
                                                               random_seed=1000 * seed + 1), "decision_function")


def measure(x, options):
    ours, others = {1: [], 2: []}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.f32")
        x.tofile(path)
        with subprocess.Popen([PROGRAM, path, str(x.shape[1]), str(options.threads), str(options.scored)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            for seed in range(options.rounds):
                program.stdin.write("\n")
                program.stdin.flush()
                for ndim in (1, 2):
                    ours[ndim].append([float(t) for t in program.stdout.readline().split()[1:]])
                for name, ndim, make, score in peers(options.threads):
                    model = make(seed)
                    _, fit_s = timed(model.fit, x)
                    _, score_s = timed(getattr(model, score), x[:options.scored])
                    others.setdefault((name, ndim), []).append([fit_s, score_s])
            program.stdin.close()
    return ours, others


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--features", type=int, default=28)
    parser.add_argument("--scored", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    x = np.random.default_rng(1).standard_normal((options.rows, options.features), dtype=np.float32)
    ours, others = measure(x, options)
    rows = []
    for (name, ndim), times in others.items():
        for k, what in enumerate(("fit", "score")):
            mine, theirs = np.median(ours[ndim], axis=0)[k], np.median(times, axis=0)[k]
            print(f"ndim {ndim} {what:5s} {mine:.4f} s   {name} {theirs:.4f} s   ratio {mine / theirs:.3f}", flush=True)
            rows.append({"name": f"isolation_speed ndim {ndim} {what}", "metric": "seconds", "unit": "s",
                         "value": f"{mine:.4f}", "peer": name, "peer_value": f"{theirs:.4f}",
                         "spread": f"medians of {options.rounds} rounds, {options.threads} threads",
                         "command": "make bench-isolation"})
    results.append(rows)


if __name__ == "__main__":
    main()
