"""Millwright's side of the tree benchmarks: train, predict and score through the program itself."""
import os

import pandas as pd

from csv_speed import BINARY, Failed, ROOT, json_of
from tree_data import TARGET

SCORER = os.path.join(ROOT, "build", "release", "bench", "tree_score")


def train(table, folder, learner, params, task="binary", threads=2):
    """What `millwright train --json` says of TABLE.csv; the model is left in the folder."""
    aim = ["--drop", TARGET] if learner == "isolation" else ["--target", TARGET, "--task", task]
    sets = [word for name, value in params.items() for word in ("--set", f"{name}={value}")]
    return json_of([BINARY, "train", table + ".csv", "--learner", learner, *aim, *sets, "--out", folder, "--jobs", str(threads), "--json"])


def predict(table, folder, threads=2):
    out = folder + ".scores.csv"
    json_of([BINARY, "predict", folder, table + ".csv", "--out", out, "--jobs", str(threads), "--json"])
    scores = pd.read_csv(out)
    os.remove(out)
    column = next(name for name in ("probability", "score", "prediction") if name in scores)
    return scores[column].to_numpy(float)


def score(table, folder, rows, threads=2):
    if not os.path.exists(SCORER):
        raise Failed("not built")
    return json_of([SCORER, folder, table + ".x.npy", str(rows), str(threads)])
