#!/usr/bin/env python3
"""Held-out AUC or RMSE of boosting and forests beside their peers: random 70/30 splits of public sets, one for each seed.

    make bench-tree-quality                                             8 sets, 20 seeds, all settings: several hours
    make bench-tree-quality BENCH_TREE="--sets skin,cover --seeds 3 --settings default"

`default` is 100 rounds of 31 leaves at a rate of 0.1, all else as each program has it by default. `tuned` is 300 rounds at 0.05 with 0.8 of the
features a tree and 0.8 of the rows, and of CANDIDATES each program's best on a third of the first split's training rows, held back
from it. `forest` is a random forest of 100 trees, all else as each program has it. azure_pdm is split by machine. Millwright goes through train and predict on CSV files. Se is the
standard error of the mean; the difference is to the best peer, with that of the differences by seed.
Appends to bench/results.csv, unless fewer than 20 seeds are asked for. Exit status 1: worse than the best peer by more than 3 of them.
"""
import argparse
import dataclasses
import os
import sys
import tempfile

import numpy as np

import results
import tree_data
import tree_ours
from csv_speed import Failed, json_of
from tree_speed import OURS, PEER, run_peer, version

SETTINGS = {
    "default": {"n_estimators": 100, "num_leaves": 31, "learning_rate": 0.1, "max_bin": 255},
    "tuned": {"n_estimators": 300, "learning_rate": 0.05, "max_bin": 255, "feature_fraction": 0.8, "bagging_fraction": 0.8, "bagging_freq": 1},
    "forest": {"n_estimators": 100},
}
CANDIDATES = [{"num_leaves": leaves, "lambda_l2": l2, "min_sum_hessian_in_leaf": hessian}
              for leaves, l2, hessian in ((63, 0, 0.001), (63, 1, 1), (15, 0, 0.001), (15, 1, 1), (31, 10, 5), (15, 10, 5))]
ENOUGH_SEEDS = 20


def write_split(table, seed, folder, share=0.7):
    stems = [os.path.join(folder, part) for part in ("train", "test")]
    for stem, rows in zip(stems, table.split(seed, share)):
        tree_data.write(stem, table.x[rows], table.y[rows])
    return stems


def learner_of(setting):
    return "forest" if setting == "forest" else "gbdt"


def quality(name, learner, table, train, test, params, folder, threads):
    if name == OURS:
        model = os.path.join(folder, "model")
        tree_ours.train(train, model, learner, params, table.task, threads)
        return tree_data.quality(table.task, tree_data.table(test)[1], tree_ours.predict(test, model, threads))
    return run_peer(task="fit", peer=name, learner=learner, stem=train, test=test, data_task=table.task, params=params, threads=threads)["quality"]


def tuned(table, contenders, threads, say):
    """The best candidate for each contender, on a third of the training rows of the first split; one that fails is none."""
    rows = table.split(0)[0]
    known = dataclasses.replace(table, x=table.x[rows], y=table.y[rows], group=None if table.group is None else table.group[rows])
    better = max if table.task == "binary" else min
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        train, test = write_split(known, 0, folder, 2 / 3)
        for name in contenders:
            values = {}
            for number, candidate in enumerate(CANDIDATES):
                try:
                    values[number] = quality(name, "gbdt", table, train, test, SETTINGS["tuned"] | candidate, folder, threads)
                except Failed as e:
                    say(f"tuned, {name}, {candidate}: {e}")
            if values:
                best[name] = CANDIDATES[better(values, key=values.get)]
                say(f"tuned, {name}: {best[name]} of {[f'{v:.6g}' for v in values.values()]}")
    return best


def measure(table, contenders, seeds, threads, say):
    """Values by setting and contender, in the order of seeds; a contender that failed once is left out of that setting."""
    best = tuned(table, contenders["tuned"], threads, say) if "tuned" in contenders else {}
    values = {setting: {name: [] for name in names if setting != "tuned" or name in best} for setting, names in contenders.items()}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            train, test = write_split(table, seed, folder)
            for setting in values:
                for name in list(values[setting]):
                    try:
                        params = SETTINGS[setting] | (best[name] if setting == "tuned" else {}) | {"seed": seed + 1}
                        values[setting][name].append(quality(name, learner_of(setting), table, train, test, params, folder, threads))
                    except Failed as e:
                        say(f"{setting}, {name}: {e}")
                        del values[setting][name]
    return values


def se(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def compare(name, setting, metric, values):
    """Prints a row for each contender; returns the row to record, and whether ours is worse than the best peer."""
    means = {contender: np.mean(v) for contender, v in values.items()}
    peers = [contender for contender in values if contender != OURS]
    better = max if metric == "AUC" else min
    best = better(peers, key=means.get)
    recorded, worse = [], False
    for contender, v in values.items():
        difference = np.subtract(v, values[best])
        print(f"| {name} | {setting} | {version(contender)} | {means[contender]:.6g} | {se(v):.2g} | {difference.mean():+.3g} ({se(difference):.2g}) |",
              flush=True)
        if contender == OURS:
            loss = -difference.mean() if metric == "AUC" else difference.mean()
            worse = bool(loss > 3 * se(difference))
        recorded.append({"name": f"tree quality {name}, {setting}", "metric": metric + ("" if contender == OURS else f", {contender}"),
                         "value": f"{means[contender]:.6g}", "peer": version(best if contender == OURS else contender),
                         "peer_value": f"{means[best]:.6g}" if contender == OURS else "",
                         "spread": f"se {se(v):.2g}" + (f", of the difference {se(difference):.2g}" if contender == OURS else ""),
                         "command": f"bench/tree_quality.py --sets {name} --settings {setting} --seeds {len(v)}"})
    return recorded, worse


def main():
    listed = json_of([sys.executable, PEER, "--list"])
    peers = sorted(set(listed["gbdt"] + listed["forest"]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(tree_data.SETS), help="separated by commas (default: %(default)s)")
    parser.add_argument("--settings", default=",".join(SETTINGS), help="default: %(default)s")
    parser.add_argument("--peers", default=",".join(peers), help="separated by commas (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=ENOUGH_SEEDS)
    parser.add_argument("--threads", type=int, default=2, help="1 where other work takes the cores (default: %(default)s)")
    options = parser.parse_args()
    sets, settings, chosen = (text.split(",") for text in (options.sets, options.settings, options.peers))
    for asked, known in ((sets, tree_data.SETS), (settings, SETTINGS), (chosen, peers)):
        for name in set(asked) - set(known):
            parser.error(f"no {name}; there are {', '.join(known)}")
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: a standard error is needed")
    contenders = {setting: [OURS] + [name for name in listed[learner_of(setting)] if name in chosen] for setting in settings}
    for setting, names in contenders.items():
        if len(names) < 2:
            parser.error(f"no peer of {setting} was chosen; it has {', '.join(listed[learner_of(setting)])}")
    say = lambda text: print(text, file=sys.stderr, flush=True)
    print("| set | setting | program | mean of AUC or RMSE | se | to the best peer (se) |\n|---|---|---|---|---|---|")
    recorded, failed = [], []
    for name in sets:
        table = tree_data.SETS[name]()
        metric = "AUC" if table.task == "binary" else "RMSE"
        for setting, values in measure(table, contenders, options.seeds, options.threads, say).items():
            rows, worse = compare(name, setting, metric, values)
            recorded += rows
            failed += [f"{name}, {setting}"] if worse else []
    if options.seeds >= ENOUGH_SEEDS:
        results.append(recorded)
    for text in failed:
        print(f"worse than the best peer: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
