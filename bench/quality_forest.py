"""Isolation forest and random forest beside scikit-learn, through the program's own command line.

    make bench-quality            all sets, 10 seeds
    ... quality_forest.py --extended 10 --seeds 50     with the extended isolation forest, 10 seeds of it
    make all venv && build/venv/bin/python bench/quality_forest.py [--seeds 10] [--only 4_breastw,california_housing]

ROC AUC of the isolation forest on every ADBench set, with --extended that of the extended one (ndim 2) beside
isotree's (pip install isotree), and R2 of the random forest on california_housing (a new
3:1 split for each seed, ocean_proximity as its number in sorted order, missing cells left empty). Both programs
get the same file and the same settings. A set fails when Millwright's mean is lower by more than
max(0.01, 3 standard errors); the whole fails when the mean over the AUC sets is lower by more than 2 of its
standard errors. Appends to bench/results.csv. Exit status 1: something failed.
"""
import argparse
import gzip
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.metrics import r2_score, roc_auc_score

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = "median_house_value"
PEER = f"scikit-learn {sklearn.__version__}"


def peer_scores(x, seed, ndim):
    """Higher is stranger: scikit-learn's isolation forest, or isotree's of that many features a split."""
    if ndim == 1:
        return -IsolationForest(n_estimators=100, max_samples=256, random_state=seed).fit(x).score_samples(x)
    import isotree
    # Its tree t is grown from random_seed + t: seeds that lie closer share trees.
    forest = isotree.IsolationForest(ntrees=100, sample_size=256, ndim=ndim, random_seed=1000 * seed + 1)
    return forest.fit(x).decision_function(x)


def peer_name(ndim):
    if ndim == 1:
        return PEER
    return f"isotree {importlib.metadata.version('isotree')}"


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{binary} {' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def train_and_predict(binary, folder, train_file, predict_file, column, *arguments):
    model, scores = os.path.join(folder, "model"), os.path.join(folder, "scores.csv")
    run(binary, "train", train_file, *arguments, "--out", model, "--json")
    run(binary, "predict", model, predict_file, "--out", scores)
    shutil.rmtree(model)
    return pd.read_csv(scores)[column].to_numpy(float)


def isolation_set(binary, path, seeds, ndim=1):
    table = pd.read_csv(path)
    label = table["label"].to_numpy(int)
    x = table.drop(columns="label").to_numpy(np.float32)
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "set.csv")
        opener = gzip.open if path.endswith(".gz") else open
        with opener(path, "rb") as packed, open(plain, "wb") as out:
            shutil.copyfileobj(packed, out)
        for seed in range(seeds):
            score = train_and_predict(binary, folder, plain, plain, "score", "--learner", "isolation",
                                      "--drop", "label", "--set", "n_estimators=100",
                                      "--set", "max_samples=256", "--set", f"seed={seed}", "--set", f"ndim={ndim}")
            ours.append(roc_auc_score(label, score))
            peers.append(roc_auc_score(label, peer_scores(x, seed, ndim)))
    return ours, peers


def housing(binary, path, seeds):
    table = pd.read_csv(path)
    table["ocean_proximity"] = table["ocean_proximity"].astype("category").cat.codes
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("train.csv", "test.csv")]
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(table))
            cut = len(table) * 3 // 4
            parts = [table.iloc[order[:cut]], table.iloc[order[cut:]]]
            for part, name in zip(parts, files):
                part.to_csv(name, index=False)
            truth = parts[1][TARGET].to_numpy(float)
            prediction = train_and_predict(binary, folder, *files, "prediction", "--learner", "forest",
                                           "--task", "regression", "--target", TARGET,
                                           "--set", "n_estimators=100", "--set", "max_features=1",
                                           "--set", "min_samples_leaf=1", "--set", f"seed={seed}")
            ours.append(r2_score(truth, prediction))
            x, x_test = [part.drop(columns=TARGET).to_numpy(np.float32) for part in parts]
            peer = RandomForestRegressor(n_estimators=100, random_state=seed, n_jobs=-1)
            peer.fit(x, parts[0][TARGET].to_numpy(float))
            peers.append(r2_score(truth, peer.predict(x_test)))
    return ours, peers


def compare(name, metric, ours, peers, peer=PEER, options=""):
    ours, peers, n = np.array(ours), np.array(peers), len(ours)
    error = np.sqrt((ours.var(ddof=1) + peers.var(ddof=1)) / n)
    difference = ours.mean() - peers.mean()
    verdict = "worse" if difference < -max(0.01, 3 * error) else "ok"
    print(f"{name:24s} {metric:8s} {ours.mean():.4f} (sd {ours.std(ddof=1):.4f})  "
          f"{peers.mean():.4f} (sd {peers.std(ddof=1):.4f})  {difference:+.4f}  se {error:.4f}  "
          f"{verdict}", flush=True)
    row = {"name": f"quality_forest {name}", "metric": metric, "value": f"{ours.mean():.4f}", "peer": peer,
           "peer_value": f"{peers.mean():.4f}", "spread": f"se of the difference {error:.4f}",
           "command": f"bench/quality_forest.py --seeds {n} --only {name.split(' ')[0]}{options}"}
    return row, difference, error, verdict == "ok"


def find(folder, name):
    for ending in (".csv", ".csv.gz"):
        if os.path.exists(os.path.join(folder, name + ending)):
            return os.path.join(folder, name + ending)
    sys.exit(f"no {name}.csv or {name}.csv.gz in {folder}: set MILLWRIGHT_TEST_DATA or --data")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "millwright"))
    parser.add_argument("--data", default=os.environ.get("MILLWRIGHT_TEST_DATA",
                                                         os.path.join(ROOT, "..", "shared", "data")))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--extended", type=int, default=0, metavar="SEEDS",
                        help="also the extended isolation forest, at so many seeds")
    parser.add_argument("--only", help="names of sets, separated by commas")
    options = parser.parse_args()
    if options.seeds < 2 or options.extended == 1:
        parser.error("--seeds and --extended must be at least 2: a standard error is needed")
    adbench = os.path.join(options.data, "adbench")
    names = sorted(f.split(".csv")[0] for f in os.listdir(adbench) if ".csv" in f)
    names.append("california_housing")
    if options.only:
        unknown = set(options.only.split(",")) - set(names)
        if unknown:
            parser.error(f"no such set: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        names = [n for n in names if n in options.only.split(",")]
    print(f"{'set':24s} {'metric':8s} millwright          scikit-learn {sklearn.__version__}  difference")
    rows, failed = [], []
    differences, errors = {1: [], 2: []}, {1: [], 2: []}
    for name in names:
        if name == "california_housing":
            path = find(os.path.join(options.data, name), "housing")
            row, _, _, fine = compare(name, "R2", *housing(options.binary, path, options.seeds))
            rows.append(row)
            failed += [] if fine else [name]
            continue
        for ndim, seeds in ((1, options.seeds), (2, options.extended)):
            if seeds == 0:
                continue
            title = name if ndim == 1 else f"{name} ndim {ndim}"
            row, difference, error, fine = compare(
                title, "ROC AUC", *isolation_set(options.binary, find(adbench, name), seeds, ndim),
                peer_name(ndim), "" if ndim == 1 else f" --extended {seeds}")
            differences[ndim].append(difference)
            errors[ndim].append(error)
            rows.append(row)
            failed += [] if fine else [title]
    for ndim in (1, 2):
        if len(differences[ndim]) < 2:
            continue
        n = len(differences[ndim])
        mean = np.mean(differences[ndim])
        error = np.sqrt(np.sum(np.square(errors[ndim]))) / n
        verdict = "worse" if mean < -2 * error else "ok"
        title = f"mean of {n} sets" + (f" ndim {ndim}" if ndim > 1 else "")
        print(f"{title}, ROC AUC: {mean:+.4f}, standard error {error:.4f}: {verdict}")
        command = f"bench/quality_forest.py --seeds {options.seeds}"
        rows.append({"name": f"quality_forest {title}", "metric": "ROC AUC difference",
                     "value": f"{mean:+.4f}", "peer": peer_name(ndim), "peer_value": "0", "spread": f"se {error:.4f}",
                     "command": command + (f" --extended {options.extended}" if ndim > 1 else "")})
        if verdict != "ok":
            failed.append(title)
    results.append(rows)
    print(json.dumps({"sets": len(names), "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
