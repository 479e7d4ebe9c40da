#!/usr/bin/env python3
"""Learners and parameters by the names other libraries use. TAP, standard library only."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EINVAL, main, train_table  # noqa: E402

NAMES = {  # learner: its alias, target, parameters by our names and by others
    "forest": ("random_forest", "y", ["n_estimators=5", "min_samples_leaf=3", "max_features=0.5", "seed=7"],
               ["num_trees=5", "min_child_samples=3", "colsample_bynode=0.5", "random_state=7"]),
    "linear": ("ridge", "y", ["seed=7"], ["random_state=7"]),
    "isolation": ("isolation_forest", None, ["n_estimators=5", "seed=7"], ["num_trees=5", "random_state=7"]),
}


def settings(pairs):
    return [word for pair in pairs for word in ("--set", pair)]


def other_names_make_the_same_model(cli):
    for learner, (alias, target, ours, theirs) in NAMES.items():
        assert train_table(cli, target, "m1", "--learner", learner, *settings(ours))[0] == 0
        status, out, err = train_table(cli, target, "m2", "--learner", alias, *settings(theirs))
        assert status == 0 and json.loads(out)["learner"] == learner, err
        for name in ("model.onnx", "metadata.json"):
            assert (cli.folder / "m1" / name).read_bytes() == (cli.folder / "m2" / name).read_bytes(), (learner, name)


def wrong_names_are_told(cli):
    cli.write("t.csv", "x,y\n1,2\n2,4\n")
    words = ["train", "t.csv", "--target", "y", "--out", "m"]
    cli.fails(EINVAL, *words, *settings(["num_trees=5", "n_estimators=5"]),
              says='n_estimators is set twice: "num_trees" and "n_estimators" are the same parameter')
    cli.fails(EINVAL, *words, *settings(["random_stat=5"]), says='did you mean "random_state"?')
    cli.fails(EINVAL, *words, "--learner", "random_forrest", says='did you mean "random_forest"?')
    cli.fails(EINVAL, "train", "--random-state", "1", "--seed", "2", hint=False,
              says='"random_state" and "seed" are the same parameter')
    assert not (cli.folder / "m").exists()


def help_tells_other_names(cli):
    text = " ".join(cli.ok("train", "--help").split())
    assert "also --random-state]" in text
    assert "xgboost for gbdt, ridge for linear, isolation_forest for isolation]" in text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [other_names_make_the_same_model, wrong_names_are_told, help_tells_other_names]))
