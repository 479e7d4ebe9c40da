#!/usr/bin/env python3
"""The guides on public data: Millwright's features and boosting beside LightGBM on the same columns, made by hand with pandas.

    make bench-public                                                   3 guides, 5 seeds (needs MILLWRIGHT_TEST_DATA)
    make bench-public BENCH_PUBLIC="--guides conditions --seeds 3"      nothing recorded

Millwright's figures are those that the guides print (docs/guide/public), their commands run with other seeds. LightGBM learns from the files that these commands leave, with
the same settings, and is measured on the same rows. Se is the standard error of the mean over seeds.
Appends to bench/results.csv, unless fewer than 5 seeds are asked for. Exit status 1: worse than LightGBM by more than 3 standard errors of the difference.
"""
import argparse
import importlib.metadata
import os
import re
import sys
import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

import results
import tree_data
from csv_speed import Failed, ROOT
from tree_quality import se

sys.path.insert(0, os.path.join(ROOT, "tests", "quality"))

import test_public_guides  # noqa: E402 (after its folder)

ENOUGH_SEEDS = 5
PEER = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("lightgbm", "pandas"))


# --- columns by hand: each takes readings in the order of time, and gives a frame with their rows ---

def rolled(frame, device, columns, windows, statistics):
    parts = []
    for window in windows:
        rolling = frame.groupby(device)[columns].rolling(window, min_periods=1)
        for statistic in statistics:
            parts.append(getattr(rolling, statistic)().droplevel(0).add_suffix(f"_{statistic}_{window}"))
    return pd.concat(parts, axis=1)


def slopes(frame, device, columns, window):
    """By least squares: readings are equally far from each other."""
    row = frame.groupby(device).cumcount()
    mean = lambda part: part.groupby(frame[device]).rolling(window, min_periods=2).mean().droplevel(0)
    x, t = frame[columns], mean(row)
    return mean(x.mul(row, axis=0)).sub(mean(x).mul(t, axis=0)).div(mean(row ** 2) - t ** 2, axis=0).add_suffix(f"_slope_{window}")


def from_before(frame, device, columns):
    """Distance from the mean of all values before, in their standard deviations."""
    groups = frame.groupby(device)[columns]
    before = [groups.transform(lambda column: getattr(column.expanding(2), statistic)().shift()) for statistic in ("mean", "std")]
    return ((frame[columns] - before[0]) / before[1]).add_suffix("_zscore")


def hours_since(frame, device, columns):
    row = frame.groupby(device).cumcount()
    last = pd.DataFrame({name: row.where(frame[name] > 0) for name in columns}).groupby(frame[device]).ffill()
    return last.rsub(row, axis=0).add_suffix("_since")


# --- a guide's tasks: (figure, objective, columns and target to learn from, those to measure on) ---

def labeled_failures(frame, failures):
    """1: a failure within 24 hours after the row, 0: none, missing: not known yet."""
    rows = frame.reset_index().sort_values("datetime")
    coming = pd.merge_asof(rows, failures.assign(failed=failures["datetime"]), on="datetime", by="machineID", direction="forward",
                           allow_exact_matches=False).set_index("index")["failed"].reindex(frame.index)
    day = pd.Timedelta("24h")
    known = frame["datetime"] + day <= frame.groupby("machineID")["datetime"].transform("max")
    soon = coming - frame["datetime"] <= day
    return soon.astype(float).where(soon | known)


def failures(folder):
    log = pd.read_csv(folder / "failures.csv", parse_dates=["datetime"]).drop_duplicates(["datetime", "machineID"]).sort_values("datetime")
    sensors = ["volt", "rotate", "pressure", "vibration"]
    errors, parts = [f"error{i}" for i in range(1, 6)], [f"comp{i}" for i in range(1, 5)]

    def table(name, logs):
        frame = pd.read_csv(folder / f"{name}{'-log' if logs else ''}.csv", parse_dates=["datetime"])
        device = "machineID"
        columns = [rolled(frame, device, sensors, [3, 24], ["mean", "std", "min", "max"]), slopes(frame, device, sensors, 24),
                   rolled(frame, device, sensors, [72], ["mean"]), from_before(frame, device, sensors)]
        columns += [rolled(frame, device, errors, [24, 72], ["mean"]), hours_since(frame, device, errors + parts)] if logs else []
        y = labeled_failures(frame, log)
        return pd.concat(columns, axis=1)[y.notna()], y[y.notna()]

    return [(name, "binary", table("learn", logs), table("march", logs)) for name, logs in (("AUC, readings", False), ("AUC, readings and logs", True))]


def remaining_life(folder):
    sensors = [f"s{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]

    def table(name):
        frame = pd.read_csv(folder / f"{name}.csv")
        device, windows = "unit", [10, 30, 60, 100]
        columns = [frame[sensors], rolled(frame, device, sensors, windows, ["mean", "std"]), from_before(frame, device, sensors),
                   frame.groupby(device)[sensors].transform(lambda column: column.ewm(halflife=15).mean()).add_suffix("_ewm"),
                   rolled(frame, device, sensors, [400], ["mean"]), *(slopes(frame, device, sensors, window) for window in windows)]
        return pd.concat(columns, axis=1), frame

    x, frame = table("train")
    life = frame.groupby("unit")["cycle"].transform("max") - frame["cycle"]
    x_test, frame = table("test")
    truth = np.loadtxt(os.path.join(test_public_guides.test_docs.DATA, "cmapss_fd001", "RUL_FD001.txt"))
    last = ~frame["unit"].duplicated(keep="last")
    return [("RMSE", "regression", (x, life.clip(upper=125)), (x_test[last], np.minimum(truth, 125)))]


def conditions(folder):
    sensors = ["TS1", "TS2", "TS3", "TS4", "VS1", "CE", "CP", "SE"]
    answers = ((11, 19), (21, 25), (31, 35), (41, 45), (51, 55))

    def table(name):
        frame = pd.read_csv(folder / f"{name}.csv")
        efficiency = frame.pivot(index="cycle", columns="second", values="SE")
        columns = [frame.groupby("cycle")[sensors].mean(), efficiency[[second for pair in answers for second in pair]].add_prefix("SE_"),
                   pd.DataFrame({f"SE_{then}_per_{settled}": efficiency[then] / efficiency[settled] for then, settled in answers})]
        return pd.concat(columns, axis=1), frame.dropna().set_index("cycle")

    (x, y), (x_test, y_test) = table("learn"), table("test")
    return [(f"accuracy, {part}", "multiclass", (x, y[part]), (x_test, y_test[part])) for part in ("cooler", "valve", "pump", "accumulator")]


TASKS = {"failures": failures, "remaining-life": remaining_life, "conditions": conditions}


# --- both ---

def settings(name):
    """Of a guide: all its models have the same."""
    text = (test_public_guides.test_docs.PUBLIC / f"{name}.md").read_text()
    return dict(re.findall(r"--set (\w+)=(\S+)", text))


def lightgbm(objective, learn, test, params, seed):
    """Its figure on the test's rows."""
    classes, y = np.unique(learn[1], return_inverse=True) if objective == "multiclass" else (None, learn[1])
    params = {"num_threads": 2, "verbosity": -1, "seed": seed, "objective": objective, "num_class": 1 if classes is None else len(classes)} | params
    rounds = int(params.pop("n_estimators", 100))
    booster = lgb.train(params, lgb.Dataset(learn[0], y), rounds)
    predicted, truth = booster.predict(test[0]), np.asarray(test[1])
    if classes is None:
        return tree_data.quality(objective, truth, predicted)
    return float(np.mean(classes[predicted.argmax(axis=1)] == truth))


def measure(name, seeds):
    """{figure: (ours, LightGBM's) by seed}"""
    tasks, ours = None, []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / name
            folder.mkdir()
            _, figures = test_public_guides.run_guide(name, folder, seed)
            if len(figures) < len(test_public_guides.GUIDES[name][1]):
                raise Failed(f"the guide {name} did not print its figures")
            ours.append(figures)
            tasks = tasks or TASKS[name](folder)
    params = settings(name)
    return {figure: ([said[figure] for said in ours], [lightgbm(objective, learn, test, params, seed) for seed in seeds])
            for figure, objective, learn, test in tasks}


def compare(name, figure, ours, peer):
    """Prints a row; returns the one to record, and whether ours is worse."""
    sign = -1 if figure == "RMSE" else 1
    difference = sign * np.subtract(ours, peer)
    print(f"| {name} | {figure} | {np.mean(ours):.6g} ({se(ours):.2g}) | {np.mean(peer):.6g} ({se(peer):.2g}) |", flush=True)
    return {"name": f"public {name}", "metric": figure, "value": f"{np.mean(ours):.6g}", "peer": PEER, "peer_value": f"{np.mean(peer):.6g}",
            "spread": f"se {se(ours):.2g}, of the peer {se(peer):.2g}",
            "command": f"bench/public_tasks.py --guides {name} --seeds {len(ours)}"}, bool(-difference.mean() > 3 * se(difference))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--guides", default=",".join(TASKS), help="separated by commas (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=ENOUGH_SEEDS)
    options = parser.parse_args()
    names = options.guides.split(",")
    for name in set(names) - set(TASKS):
        parser.error(f"no guide {name}; there are {', '.join(TASKS)}")
    if options.seeds < 2:
        parser.error("--seeds must be at least 2: a standard error is needed")
    if not test_public_guides.test_docs.DATA:
        parser.error("MILLWRIGHT_TEST_DATA does not name the folder of public data")
    print(f"| guide | figure | Millwright (se) | {PEER} (se) |\n|---|---|---|---|")
    recorded, failed = [], []
    for name in names:
        for figure, sides in measure(name, range(1, options.seeds + 1)).items():
            row, worse = compare(name, figure, *sides)
            recorded.append(row)
            failed += [f"{name}, {figure}"] if worse else []
    if options.seeds >= ENOUGH_SEEDS:
        results.append(recorded)
    for text in failed:
        print(f"worse than {PEER}: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
