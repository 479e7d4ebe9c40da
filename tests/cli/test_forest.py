#!/usr/bin/env python3
"""Random forests on the command line that split text columns by sets. TAP, standard library only."""
import csv
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import main  # noqa: E402

# Effects of machines have nothing to do with the order of their names.
HIGH, MIDDLE = "bdeh", "cg"
WAYS = {"exact": [], "bins": ["exact=false"], "extra": ["extra_trees=true"], "weights": ["class_weight=balanced"]}


def kind_of(machine):
    return "top" if machine in HIGH else "mid" if machine in MIDDLE else "low"


def rows_csv(n=400, seed=1):
    """Targets that the text column alone decides: a number, two classes, three classes."""
    draw = random.Random(seed)
    lines = ["machine,load,wear,state,grade"]
    for _ in range(n):
        machine = draw.choice("abcdefgh")
        wear = {"top": 5, "mid": 2, "low": 1}[kind_of(machine)]
        lines.append(f"{machine},{draw.random():.3f},{wear}.5,{'late' if wear > 3 else 'fine'},{kind_of(machine)}")
    return "\n".join(lines) + "\n"


def train(cli, target, out, *settings, trees=1, more=()):
    cli.write("rows.csv", rows_csv())
    drop = ",".join(sorted({"wear", "state", "grade"} - {target}))
    words = [word for setting in (f"n_estimators={trees}", *settings) for word in ("--set", setting)]
    return cli.json("train", "rows.csv", "--target", target, "--learner", "forest", "--drop", drop, "--out", out, *words, *more)


def scores(cli, model, file, *more):
    cli.ok("predict", model, file, "--out", "scores.csv", *more)
    with open(cli.folder / "scores.csv", newline="") as f:
        return list(csv.reader(f))[1:]


def one_split_tells_machines_apart(cli):
    """No threshold between names can do it."""
    for way in ("exact", "bins", "weights"):
        for target, measure in (("wear", "r2"), ("state", "accuracy")):
            if way == "weights" and target == "wear":
                continue
            said = train(cli, target, way, "max_depth=1", "bootstrap=false", "max_features=1", *WAYS[way])
            assert said["metrics"][measure] > (0.95 if target == "wear" else 0.9999), (way, said)
            leaves = {}
            for (machine, *_), (leaf,) in zip(csv.reader(rows_csv().splitlines()[1:]), scores(cli, way, "rows.csv", "--output", "leaf")):
                assert leaves.setdefault(machine, leaf) == leaf
            assert len({leaves[m] for m in HIGH}) == 1 and {leaves[m] for m in HIGH}.isdisjoint(leaves[m] for m in "acfg"), leaves


def every_kind_of_forest_learns_sets(cli):
    for way, settings in WAYS.items():
        for target in ("wear", "state", "grade"):
            if way == "weights" and target == "wear":
                continue
            said = train(cli, target, "m", *settings, trees=20)
            assert said["metrics"].get("accuracy", said["metrics"].get("r2")) > 0.99, (way, target, said)
            metadata = json.loads((cli.folder / "m" / "metadata.json").read_text())
            assert metadata["parity"]["max_error"] <= 1e-5
            assert metadata["importance"][0] > 0.6, (way, target, metadata["importance"])
            assert b"BRANCH_EQ" in (cli.folder / "m" / "model.onnx").read_bytes()


def unseen_machines_are_like_missing_ones(cli):
    for way, settings in WAYS.items():
        train(cli, "state", "m", *settings, trees=7)
        cli.write("other.csv", "machine,load\n" + "".join(f"{machine},0.{i}\n" for machine in ("zebra", "") for i in range(5)))
        said = scores(cli, "m", "other.csv")
        assert said[:5] == said[5:], (way, said)


def threads_do_not_change_a_byte(cli):
    for way, settings in WAYS.items():
        names = {train(cli, "grade", "m", *settings, trees=9, more=("--jobs", jobs))["model_sha256"] for jobs in (1, 2, 3, 8)}
        assert len(names) == 1, way


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [
        one_split_tells_machines_apart, every_kind_of_forest_learns_sets, unseen_machines_are_like_missing_ones, threads_do_not_change_a_byte]))
