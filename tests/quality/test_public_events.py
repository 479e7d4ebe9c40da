#!/usr/bin/env python3
"""Failures within a day and remaining life, of public data, by a configuration and a log of events alone. TAP, standard library only.

    MILLWRIGHT_TEST_DATA=../shared/data tests/quality/test_public_events.py

azure_pdm: 20 machines, learned until March, measured on March: AUC of `event_within_1d`. cmapss_fd001: 100 engines run to failure, the remaining life of at most 125 cycles
at the last cycle of 100 others: root mean square error.
"""
import csv
import gzip
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/millwright"
DATA = Path(os.environ.get("MILLWRIGHT_TEST_DATA", ROOT / "../shared/data")).resolve()
LEAST_AUC, MOST_RMSE = 0.94, 13.5
DAY = "2015-03-01"
SENSORS = ["volt", "rotate", "pressure", "vibration"]
ENGINE = [f"x{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)]
MACHINES = {"timeColumn": "datetime", "deviceColumn": "machineID", "continuousColumns": SENSORS, "features": [
    {"op": ["mean", "std", "min", "max"], "of": SENSORS, "window": ["3h", "24h"]},
    {"op": "slope", "of": SENSORS, "window": "24h"}, {"op": "zscore", "of": SENSORS}, {"op": "mean", "of": SENSORS, "window": "72h"}]}
ENGINES = {"timeColumn": "cycle", "deviceColumn": "unit_nr", "samplingInterval": "1s", "continuousColumns": ENGINE, "features": [
    {"op": "value", "of": ENGINE}, {"op": ["mean", "std", "slope"], "of": ENGINE, "window": [10, 30]},
    {"op": "ewm_mean", "of": ENGINE, "window": 15}, {"op": "zscore", "of": ENGINE}, {"op": "mean", "of": ENGINE, "window": 400}]}


def run(folder, *words):
    done = subprocess.run([BINARY, *words, "--json"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout)


def configure(folder, schema):
    (folder / "program.json").write_text(json.dumps({"schemaConfig": schema}))


def text_of(path):
    return (gzip.open(path, "rt") if path.suffix == ".gz" else open(path)).read()


def failures_within_a_day(folder):
    header, *lines = text_of(DATA / "azure_pdm/PdM_telemetry_20machines_90days.csv.gz").splitlines()
    for name, keep in (("train", lambda line: line < DAY), ("test", lambda line: line >= "2015-02-27")):
        (folder / f"{name}.csv").write_text("\n".join([header, *filter(keep, lines)]) + "\n")
    configure(folder, MACHINES)
    said = run(folder, "train", "train.csv", "--program", "program.json", "--events", DATA / "azure_pdm/PdM_failures.csv", "--horizon", "24h",
               "--learner", "gbdt", "--set", "n_estimators=100", "--set", "learning_rate=0.05", "--test", "test.csv", "--out", "model")
    auc = said["metrics"]["roc_auc"]
    print(f"# {said['rows']} rows learned, {said['metrics']['rows']} measured: AUC {auc:.4f}")
    assert auc >= LEAST_AUC, auc


def remaining_life(folder):
    header = ["unit_nr", "cycle", "s1", "s2", "s3", *(f"x{i}" for i in range(1, 22))]
    last = {}
    for part in ("train", "test"):
        rows = [line.split() for line in text_of(DATA / f"cmapss_fd001/{part}_FD001.txt.gz").splitlines()]
        with open(folder / f"{part}.csv", "w", newline="") as f:
            csv.writer(f).writerows([header, *rows])
        last[part] = {row[0]: (int(row[1]), number) for number, row in enumerate(rows)}
    with open(folder / "failures.csv", "w", newline="") as f:
        csv.writer(f).writerows([("unit_nr", "cycle"), *((unit, cycle) for unit, (cycle, _) in last["train"].items())])
    configure(folder, ENGINES)
    run(folder, "train", "train.csv", "--program", "program.json", "--events", "failures.csv", "--time-to-event", "125s", "--time-format", "cycle",
        "--learner", "gbdt", "--set", "n_estimators=300", "--set", "learning_rate=0.03", "--set", "num_leaves=15", "--set", "min_data_in_leaf=50",
        "--out", "model")
    run(folder, "predict", "model", "test.csv", "--time-format", "cycle", "--out", "scores.csv")
    with open(folder / "scores.csv", newline="") as f:
        hours = [float(row["prediction"]) for row in csv.DictReader(f)]
    truth = [min(125.0, float(word)) for word in text_of(DATA / "cmapss_fd001/RUL_FD001.txt").split()]
    lives = [3600 * hours[number] for _, number in last["test"].values()]
    rmse = math.sqrt(sum((a - b) ** 2 for a, b in zip(lives, truth, strict=True)) / len(truth))
    print(f"# {len(truth)} engines: RMSE {rmse:.2f} cycles")
    assert rmse <= MOST_RMSE, rmse


def main():
    tests = [failures_within_a_day, remaining_life]
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        with tempfile.TemporaryDirectory(prefix="mw-events-") as folder:
            try:
                test(Path(folder))
                print(f"ok {number} - {test.__name__.replace('_', ' ')}")
            except AssertionError as e:
                failed += 1
                print(f"not ok {number} - {test.__name__.replace('_', ' ')}\n# {e}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
