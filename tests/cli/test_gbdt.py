#!/usr/bin/env python3
"""Boosting on the command line: its names, files, outputs, and what is said of wrong input. TAP, standard library only."""
import csv
import json
import math
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import ECANCELED, EDATA, EINVAL, ENOTFOUND, ETOOLARGE, main  # noqa: E402

# Parameters by our names (LightGBM's), XGBoost's and scikit-learn's.
NAMES = [
    ("gbdt", "n_estimators=7", "learning_rate=0.3", "num_leaves=9", "min_data_in_leaf=4", "lambda_l2=2", "seed=3",
     "min_gain_to_split=0.01", "bagging_fraction=0.7", "feature_fraction=0.8", "grow_policy=depth_wise", "objective=regression"),
    ("lightgbm", "num_iterations=7", "shrinkage_rate=0.3", "max_leaves=9", "min_child_samples=4", "reg_lambda=2", "random_state=3",
     "min_split_gain=0.01", "subsample=0.7", "sub_feature=0.8", "grow_policy=depthwise", "objective=l2"),
    ("xgboost", "num_boost_round=7", "eta=0.3", "max_leaves=9", "min_data=4", "lambda=2", "random_seed=3", "gamma=0.01",
     "subsample=0.7", "colsample_bytree=0.8", "grow_policy=depthwise", "objective=reg:squarederror"),
    ("gbdt", "max_iter=7", "learning_rate=0.3", "max_leaf_nodes=9", "min_samples_leaf=4", "l2_regularization=2", "seed=3",
     "min_split_loss=0.01", "bagging=0.7", "sub_feature=0.8", "grow_policy=depth_wise", "loss=squared_error"),
]
ROUNDS = ["--set", "n_estimators=6"]


def settings(pairs):
    return [word for pair in pairs for word in ("--set", pair)]


def rows_csv(n=400, seed=1):
    """Numbers with gaps, a category, a weight; targets: a number, a count, two classes, three classes."""
    draw = random.Random(seed)
    lines = ["load,speed,shift,wear,stops,state,grade,weight"]
    for _ in range(n):
        load, speed, shift = draw.gauss(0, 1), draw.uniform(0, 4), draw.choice("abcdef")
        wear = 2 * load + speed + (2 if shift in "bde" else 0) + draw.gauss(0, 0.2)
        lines.append(f"{'' if draw.random() < 0.1 else f'{load:.4f}'},{speed:.4f},{shift},{wear:.4f},{max(0, int(wear))},"
                     f"{'late' if wear > 3 else 'fine'},{'low' if wear < 1 else 'mid' if wear < 4 else 'top'},"
                     f"{draw.uniform(0.5, 2):.3f}")
    return "\n".join(lines) + "\n"


TARGETS = {"wear", "stops", "state", "grade", "weight"}


def train(cli, target, out, *more, file="rows.csv", keep=()):
    if not (cli.folder / "rows.csv").exists():
        cli.write("rows.csv", rows_csv())
    drop = ",".join(sorted(TARGETS - {target, *keep}))
    return cli.json("train", file, "--target", target, "--learner", "gbdt", "--drop", drop, "--out", out, *more)


def scores(cli, model, file, *more):
    cli.ok("predict", model, file, "--out", "scores.csv", *more)
    with open(cli.folder / "scores.csv", newline="") as f:
        header, *lines = csv.reader(f)
    return header, lines


def same_model(cli, a, b):
    return all((cli.folder / a / name).read_bytes() == (cli.folder / b / name).read_bytes()
               for name in ("model.onnx", "metadata.json"))


# ---- names ----

def other_names_make_the_same_model(cli):
    cli.write("rows.csv", rows_csv())
    for number, (learner, *pairs) in enumerate(NAMES):
        said = cli.json("train", "rows.csv", "--target", "wear", "--learner", learner, "--drop", "stops,state,grade,weight",
                        "--out", f"m{number}", *settings(pairs))
        assert said["learner"] == "gbdt"
        assert same_model(cli, "m0", f"m{number}"), learner


def wrong_settings_have_hints(cli):
    cli.write("rows.csv", rows_csv())
    words = ["train", "rows.csv", "--target", "wear", "--learner", "gbdt", "--out", "m"]
    for pair, says in {
            "learning_rat=0.1": 'did you mean "learning_rate"?', "eta_=0.1": 'did you mean "eta"?',
            "objective=poison": 'did you mean "poisson"?', "boosting=drat": 'did you mean "dart"?',
            "max_bin=256": "max_bin must be between 2 and 255, not 256", "num_leaves=1": "between 2 and 131072",
            "bagging_fraction=0": "bagging_fraction must be between", "eta": "--set takes name=value",
            "n_estimators=ten": "n_estimators", "monotone_constraints=lode:1": "names no feature",
            "monotone_constraints=shift:1": "is a category, which has no order",
            "interaction_constraints=[[\"lode\"]]": "names a feature that is not there",
            "objective=binary": "is for another number of classes", "class_weight=balanced": "the target is a number",
    }.items():
        cli.fails(EINVAL, *words, "--set", pair, says=says, hint=False)
    cli.fails(EINVAL, *words, *settings(["eta=0.1", "learning_rate=0.1"]), says="are the same parameter")
    cli.fails(EINVAL, *words, "--set", "num_leaves=1", says="`millwright train --learner gbdt --help` lists")
    assert not (cli.folder / "m").exists()


def help_lists_the_parameters_of_a_learner(cli):
    for words in (["--learner", "gbdt", "--help"], ["-h", "--learner", "xgboost"], ["rows.csv", "--learner=gbdt", "--help"]):
        text = cli.ok("train", *words)
        assert text.startswith("parameters of the learner gbdt, each as --set NAME=VALUE:\n"), words
        for name in ("objective=CHOICE", "learning_rate=X", "num_leaves=N", "class_weight=A,B,...", "extra_trees=true"):
            assert f"\n  {name} " in text, name
        assert "also eta, shrinkage_rate" in " ".join(text.split())
    assert "max_features=TEXT" in cli.ok("train", "--learner", "forest", "--help")
    whole = " ".join(cli.ok("train", "--help").split())
    assert "`millwright train --learner NAME --help` lists them" in whole and "usage: millwright train FILE" in whole
    cli.fails(EINVAL, "train", "--learner", "gbbt", "--help", says='did you mean "gbdt"?')


# ---- data ----

def bad_tables_are_refused(cli):
    fifty = range(50)
    tables = {
        "none": ("x,y\n", EDATA, "has a header but no rows"),
        "one": ("x,y\n1,2\n", EDATA, "the same in every row"),
        "same": ("x,y\n" + "1,2\n" * 50, EDATA, "the same in every row"),
        "one_class": ("x,y\n" + "".join(f"{i},a\n" for i in fifty), EDATA, "has 1 label; at least two are needed"),
        "unvaried": ("x,z,y\n" + "".join(f"5,,{i}\n" for i in fifty), EDATA, "no feature varies"),
        "no_target": ("x,y\n" + "".join(f"{i},\n" for i in fifty), EDATA, "y"),
        "huge": ("x,y\n" + "".join(f"{i},{i}e100\n" for i in fifty), EDATA, "the target y of row 2 is 1e+100"),
        "categories": ("k,y\n" + "".join(f"k{i},{i % 7}.5\n" for i in range(10001)), ETOOLARGE, "more than 10000 different texts"),
    }
    for name, (text, status, says) in tables.items():
        cli.write(f"{name}.csv", text)
        cli.fails(status, "train", f"{name}.csv", "--target", "y", "--learner", "gbdt", "--out", "m", says=says, hint=False)
    cli.write("below.csv", "x,y\n" + "".join(f"{i},{i - 3}\n" for i in fifty))
    for objective in ("poisson", "tweedie"):
        cli.fails(EDATA, "train", "below.csv", "--target", "y", "--learner", "gbdt", "--set", f"objective={objective}",
                  "--out", "m", says="row 1 has the target -3; this objective takes none below 0")
    cli.write("three.csv", "x,y\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in fifty))
    cli.fails(EDATA, "train", "three.csv", "--target", "y", "--task", "binary", "--learner", "gbdt", "--out", "m",
              says="has 3 labels; a binary task has two")
    assert not (cli.folder / "m").exists()


def small_and_gappy_tables_are_learned(cli):
    tables = {
        "two": ("1,2\n3,5\n", 2, 0),
        "gaps": ("".join(f"{i},{'' if i % 5 == 0 else 'NaN' if i % 5 == 1 else i}\n" for i in range(100)), 60, 40),
        "infinite": ("".join(f"{'inf' if i == 7 else i},{'-inf' if i == 9 else i}\n" for i in range(50)), 49, 1),
        "alike": ("".join(f"{i // 25},{i // 25}.5\n" for i in range(50)), 50, 0),
    }
    for name, (text, rows, without) in tables.items():
        cli.write(f"{name}.csv", "x,y\n" + text)
        said = cli.json("train", f"{name}.csv", "--target", "y", "--learner", "gbdt", "--set", "min_data_in_leaf=1",
                        "--set", "min_data_in_bin=1", "--out", "m")
        assert (said["rows"], said["rows_without_target"]) == (rows, without), (name, said)
        header, lines = scores(cli, "m", f"{name}.csv")
        assert header == ["prediction"] and all(math.isfinite(float(line[0])) for line in lines), name


def weights_are_checked(cli):
    words = ["--target", "y", "--learner", "gbdt", "--weight", "w", "--out", "m"]
    for bad, says in (("0", "row 31 has the weight 0, which is not above 0"), ("-1", "row 31 has the weight -1"),
                      ("", "row 31 has no weight"), ("inf", "row 31 has no weight"), ("heavy", "--weight: the column w holds no numbers")):
        # A row without a target is not learned from: its weight does not matter, and it is counted all the same.
        cli.write("w.csv", "x,y,w\n" + "".join(f"{i},{i if i else ''},{bad if i == 30 else 1 if i else -7}\n" for i in range(60)))
        cli.fails(EDATA, "train", "w.csv", *words, says=says, hint=False)
    problem = cli.fails(ENOTFOUND, "train", "w.csv", *words[:-3], "ww", "--out", "m", says='did you mean "w"?')
    assert 'there is no column "ww"' in problem["detail"]
    cli.fails(EINVAL, "train", "w.csv", "--target", "y", "--weight", "x", "--out", "m", says="'forest' takes no weights")
    plain, weighted = train(cli, "wear", "m1"), train(cli, "wear", "m2", "--weight", "weight", keep=["weight"])
    assert plain["features"] == weighted["features"] == 3  # a weight is no feature
    assert plain["model_sha256"] != weighted["model_sha256"]


def rows_are_called_by_their_number_in_the_file(cli):
    """Rows without a target, unreadable ones and those held back do not count the others anew."""
    good = [f"{i},{i % 3}" for i in range(1, 101)]
    bad = list(good)
    bad[2], bad[9], bad[39] = "3,", "10,1,1", "40,-2"
    cli.write("good.csv", "x,y\n" + "\n".join(good) + "\n")
    cli.write("bad.csv", "x,y\n" + "\n".join(bad) + "\n")
    words = ["--target", "y", "--task", "regression", "--learner", "gbdt", "--set", "objective=poisson", "--out", "m"]
    for more in ([], ["--set", "validation_fraction=0.3"], ["--set", "validation_fraction=0.9"], ["--test-share", "0.2"]):
        cli.fails(EDATA, "train", "bad.csv", *words, *more, says="row 40 has the target -2;")
    cli.fails(EDATA, "train", "good.csv", *words, "--valid", "bad.csv", says="validation rows: row 40 has the target -2;")
    assert not (cli.folder / "m").exists()


# ---- a second file, early stopping, curves ----

def curves(cli, model):
    return json.loads((cli.folder / model / "curves.json").read_text())


def validation_rows_come_from_one_place(cli):
    words = ["--set", "early_stopping_rounds=5"]
    cli.write("rows.csv", rows_csv())
    cli.write("more.csv", rows_csv(seed=2))
    base = ["train", "rows.csv", "--target", "wear", "--learner", "gbdt", "--out", "m"]
    cli.fails(EINVAL, *base, *words, says="early_stopping_rounds needs validation rows")
    cli.fails(EINVAL, *base, *words, "--valid", "more.csv", "--set", "boosting=dart", says="does not go with dart", hint=False)
    cli.fails(EINVAL, *base, "--valid", "more.csv", "--set", "validation_fraction=0.2", says="are both given")
    cli.fails(ENOTFOUND, *base, "--valid", "nothing.csv", says="nothing.csv: there is no such file")
    cli.write("narrow.csv", "load,wear\n1,2\n3,4\n")
    cli.fails(EDATA, *base, "--valid", "narrow.csv", says="narrow.csv: column 'speed' is missing", hint=False)
    cli.fails(EINVAL, "train", "rows.csv", "--target", "wear", "--valid", "more.csv", "--out", "m",
              says="'forest' takes no validation rows")
    assert not (cli.folder / "m").exists()
    for more in (["--valid", "more.csv"], ["--set", "validation_fraction=0.25"]):
        train(cli, "grade", "m", *words, "--set", "learning_rate=0.5", *more)
        c = curves(cli, "m")
        assert c["loss"] == "multi_logloss" and c["rounds"] == c["best_round"] + 5, c
        for part in ("train", "validation"):
            assert [len(c[part][name]) for name in ("loss", "accuracy")] == [c["rounds"]] * 2
        assert min(c["validation"]["loss"]) == c["validation"]["loss"][c["best_round"] - 1]
        assert len(scores(cli, "m", "rows.csv", "--output", "leaf")[0]) == 3 * c["best_round"]


def rare_counts_may_miss_the_validation_rows(cli):
    cli.write("rare.csv", "x,y\n" + "".join(f"{i},{int(i in (3, 50, 77))}\n" for i in range(200)))
    cli.write("zeros.csv", "x,y\n" + "".join(f"{i},0\n" for i in range(200)))
    words = ["--target", "y", "--task", "regression", "--learner", "gbdt", *settings(["objective=poisson", *ROUNDS[1:]]), "--out"]
    for more in (["--valid", "zeros.csv"], *(settings(["validation_fraction=0.01", f"seed={seed}"]) for seed in range(4))):
        cli.ok("train", "rare.csv", *words, "m", *more)
        assert all(math.isfinite(loss) for loss in curves(cli, "m")["validation"]["loss"])
    cli.write("rare.csv", "x,y\n" + "".join(f"{i},{int(i > 197)}\n" for i in range(200)))
    cli.fails(EDATA, "train", "rare.csv", *words, "n", "--test-share", "0.01", says="all targets to learn from are 0: there is no rate", hint=False)


def columns_are_found_by_name(cli):
    """The second file may have its columns in another order, and others besides."""
    text = rows_csv()
    cli.write("rows.csv", text)
    table = [line.split(",") for line in text.splitlines()]
    order = [6, 5, 4, 3, 7, 2, 1, 0]
    cli.write("other.csv", "".join(",".join([*(row[i] for i in order), "extra" if at == 0 else f"x{at}"]) + "\n"
                                   for at, row in enumerate(table)))
    train(cli, "wear", "m1", *ROUNDS, "--valid", "rows.csv")
    train(cli, "wear", "m2", *ROUNDS, "--valid", "other.csv")
    assert same_model(cli, "m1", "m2") and curves(cli, "m1") == curves(cli, "m2")
    assert scores(cli, "m1", "rows.csv") == scores(cli, "m1", "other.csv")
    cli.write("caps.csv", text.replace("load,", "LOAD,", 1))
    cli.fails(EDATA, "predict", "m1", "caps.csv", "--out", "s.csv", says="column 'load' is missing", hint=False)


def columns_that_are_not_learned_from_may_be_missing(cli):
    """--drop, --text and --time name columns of the first file: a second one, or one to score, need not have them."""
    table = [line.split(",") for line in rows_csv().splitlines()]
    stamped = [["when", *table[0]], *([f"2026-01-{1 + i // 24:02d} {i % 24:02d}:00", *row] for i, row in enumerate(table[1:]))]
    cli.write("rows.csv", "".join(",".join(row) + "\n" for row in stamped))
    needed = [table[0].index(name) for name in ("wear", "shift", "load", "speed")]
    cli.write("narrow.csv", "".join(",".join(row[i] for i in needed) + "\n" for row in table))
    words = ["train", "rows.csv", "--target", "wear", "--learner", "gbdt", *ROUNDS, "--time", "when", "--text", "grade"]
    by_name, by_number = ["--drop", "stops,state,grade,weight"], ["--drop", "6,7,8,9"]
    said = {}
    for file in ("rows.csv", "narrow.csv"):
        for drop in (by_name, by_number):
            out = f"m{len(said)}"
            said[out] = cli.json(*words, *drop, "--valid", file, "--test", file, "--out", out)
            assert said[out]["features"] == 3 and said[out]["metrics"] == said["m0"]["metrics"], (file, drop)
            assert same_model(cli, "m0", out) and curves(cli, "m0") == curves(cli, out), (file, drop)
    for file in ("rows.csv", "narrow.csv"):
        for more in ([], by_name, ["--time", "when"]):
            assert scores(cli, "m0", file, *more) == scores(cli, "m0", "rows.csv"), (file, more)
    cli.fails(EDATA, "predict", "m0", "narrow.csv", "--drop", "load", "--out", "s.csv", says="column 'load' is missing", hint=False)
    cli.fails(EINVAL, *words, "--drop", "stops,states", "--out", "m", says='Did you mean "state"?')


def rows_of_unknown_labels_are_told(cli):
    text = rows_csv()
    cli.write("new.csv", rows_csv(seed=2).replace(",fine,", ",broken,", 3).replace(",late,", ",lost,", 2))
    cli.write("none.csv", text.replace(",fine,", ",Fine,").replace(",late,", ",Late,"))
    assert "warnings" not in train(cli, "state", "m0", *ROUNDS, "--valid", "rows.csv", "--test", "rows.csv")
    told = train(cli, "state", "m1", *ROUNDS, "--valid", "new.csv", "--test", "new.csv")
    assert told["valid_rows_of_unknown_labels"] == told["test_rows_of_unknown_labels"] == 5
    first = min((text.index(word), word) for text in [(cli.folder / "new.csv").read_text()] for word in ("broken", "lost"))[1]
    assert told["warnings"] == 2 * [f'new.csv: rows left out because the training file has no such label: 5, the first "{first}"']
    assert told["metrics"]["rows"] == 395
    # The rest is measured as if those rows were not there.
    cli.write("rest.csv", "".join(line + "\n" for line in (cli.folder / "new.csv").read_text().splitlines()
                                  if ",broken," not in line and ",lost," not in line))
    rest = train(cli, "state", "m2", *ROUNDS, "--valid", "rest.csv", "--test", "rest.csv")
    assert same_model(cli, "m1", "m2") and rest["metrics"] == told["metrics"] and curves(cli, "m1") == curves(cli, "m2")
    drop = ["--drop", "stops,wear,grade,weight"]
    text = cli.ok("train", "rows.csv", "--target", "state", *drop, "--set", "n_estimators=2", "--test", "new.csv", "--out", "m3")
    assert text.splitlines()[-1] == f"warning              {told['warnings'][0]}", text
    for option in ("--valid", "--test"):
        cli.fails(EDATA, "train", "rows.csv", "--target", "state", "--learner", "gbdt", *drop, *ROUNDS, option, "none.csv",
                  "--out", "m", says="none.csv: there are no rows that can be used: the training file has no label \"")
    assert not (cli.folder / "m").exists()


# ---- going on ----

def a_model_is_gone_on_from(cli):
    train(cli, "wear", "begun", "--set", "n_estimators=4")
    train(cli, "wear", "ended", "--set", "n_estimators=6", "--init-model", "begun")
    train(cli, "wear", "whole", "--set", "n_estimators=10")
    assert scores(cli, "ended", "rows.csv") == scores(cli, "whole", "rows.csv")
    assert scores(cli, "ended", "rows.csv", "--rounds", 4) == scores(cli, "begun", "rows.csv")
    train(cli, "wear", "begun", "--set", "n_estimators=6", "--init-model", "begun")  # over itself
    assert scores(cli, "begun", "rows.csv") == scores(cli, "whole", "rows.csv")


def going_on_gives_the_bytes_of_the_longer_run(cli):
    for target in ("wear", "grade"):
        for pairs in ([], ["bagging_fraction=0.6", "bagging_freq=4"], ["feature_fraction=0.5", "feature_fraction_bynode=0.7"],
                      ["boosting=goss", "learning_rate=0.2"], ["boosting=goss", "learning_rate=0.07"], ["boosting=dart", "skip_drop=0.2"]):
            for out, rounds, more in (("whole", 30, []), ("begun", 10, []), ("ended", 20, ["--init-model", "begun"])):
                train(cli, target, out, *settings([*pairs, f"n_estimators={rounds}"]), *more)
            whole, ended = ((cli.folder / out / "model.onnx").read_bytes() for out in ("whole", "ended"))
            assert whole == ended, (target, pairs)
            whole, ended = (json.loads((cli.folder / out / "metadata.json").read_text()) for out in ("whole", "ended"))
            for whole, ended in zip([whole["importance_total"], *whole["importance"]], [ended["importance_total"], *ended["importance"]]):
                assert math.isclose(whole, ended, rel_tol=1e-9), (target, pairs, whole, ended)


def other_models_are_not_gone_on_from(cli):
    train(cli, "wear", "number", *ROUNDS)
    train(cli, "state", "state", *ROUNDS)
    cli.ok("train", "rows.csv", "--target", "wear", "--drop", "stops,state,grade,weight", "--set", "n_estimators=2", "--out", "forest")
    text = (cli.folder / "rows.csv").read_text()
    cli.write("no_load.csv", text.replace("load", "lode", 1))
    cli.write("new_class.csv", text.replace(",fine,", ",broken,", 3))
    wear, state = ["--target", "wear"], ["--target", "state"]
    for file, words, status, says in (
            ("rows.csv", [*wear, "--init-model", "forest"], EINVAL, "is of another learner, task, features or classes"),
            ("rows.csv", [*wear, "--init-model", "nothing"], ENOTFOUND, "cannot open the folder nothing"),
            ("no_load.csv", [*wear, "--init-model", "number"], EDATA, "column 'load' is missing"),
            ("rows.csv", [*wear, "--init-model", "state"], EDATA, "400 labels that the model to go on from does not have"),
            ("rows.csv", [*state, "--init-model", "number"], EDATA, "is text; the model predicts numbers"),
            ("new_class.csv", [*state, "--init-model", "state"], EDATA, "3 labels that the model to go on from does not have"),
            ("rows.csv", ["--target", "stops", "--init-model", "number", "--set", "objective=poisson"], EINVAL, "another objective")):
        cli.fails(status, "train", file, "--learner", "gbdt", *words, "--out", "m", says=says, hint=False)
    cli.fails(EINVAL, "train", "rows.csv", *wear, "--init-model", "forest", "--out", "m", says="takes no model to go on from")
    assert not (cli.folder / "m").exists()


# ---- outputs ----

def outputs_agree_with_each_other(cli):
    for target, task, margins in (("wear", "regression", ["margin"]), ("stops", "regression", ["margin"]),
                                  ("state", "binary", ["margin"]), ("grade", "multiclass", ["margin_low", "margin_mid", "margin_top"])):
        more = ["--set", "objective=poisson"] if target == "stops" else []
        assert train(cli, target, "m", *ROUNDS, *more)["task"] == task
        _, plain = scores(cli, "m", "rows.csv")
        header, margin = scores(cli, "m", "rows.csv", "--output", "margin")
        assert header == margins and len(margin) == len(plain) == 400
        for want, got in zip(plain, margin):
            m = [float(cell) for cell in got]
            share = [math.exp(x) / sum(math.exp(y) for y in m) for x in m]
            values = {"wear": m, "stops": [math.exp(m[0])], "state": [1 / (1 + math.exp(-m[0]))], "grade": share}[target]
            cells = [float(cell) for cell in want[task != "regression":]]
            assert all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(values, cells)), (want, got)
        header, leaves = scores(cli, "m", "rows.csv", "--output", "leaf")
        assert header == [f"tree_{t + 1}" for t in range(6 * len(margins))]
        assert all(cell.isdigit() and int(cell) < 31 for line in leaves for cell in line)
        for output in ("prediction", "margin", "leaf"):
            assert scores(cli, "m", "rows.csv", "--output", output, "--rounds", 6) == scores(cli, "m", "rows.csv", "--output", output)
            assert scores(cli, "m", "rows.csv", "--output", output, "--rounds", 2) != scores(cli, "m", "rows.csv", "--output", output)
        assert len(scores(cli, "m", "rows.csv", "--output", "leaf", "--rounds", 2)[0]) == 2 * len(margins)
    cli.fails(EINVAL, "predict", "m", "rows.csv", "--output", "leaves", "--out", "s.csv", says="prediction, margin, leaf", hint=False)
    cli.fails(EINVAL, "predict", "m", "rows.csv", "--rounds", "0", "--out", "s.csv", says="rounds must be between 1", hint=False)
    cli.ok("train", "rows.csv", "--target", "wear", "--set", "n_estimators=3", "--out", "f")
    cli.fails(EINVAL, "predict", "f", "rows.csv", "--rounds", "2", "--out", "s.csv", says="'forest' has no rounds")
    cli.fails(EINVAL, "predict", "f", "rows.csv", "--output", "margin", "--out", "s.csv", says="'forest' has no margins")
    assert scores(cli, "f", "rows.csv", "--output", "leaf")[0] == ["tree_1", "tree_2", "tree_3"]
    assert not (cli.folder / "s.csv").exists()


# ---- Ctrl-C ----

def ctrl_c_leaves_no_files(cli):
    cli.write("big.csv", rows_csv(20000))
    before = sorted(p.name for p in cli.folder.iterdir())
    process = cli.start("train", "big.csv", "--target", "wear", "--learner", "gbdt", "--set", "n_estimators=10000",
                        "--set", "num_leaves=255", "--out", "m")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == ECANCELED, err
    assert sorted(p.name for p in cli.folder.iterdir() if p.name != "data") == before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [
        other_names_make_the_same_model, wrong_settings_have_hints, help_lists_the_parameters_of_a_learner, bad_tables_are_refused,
        small_and_gappy_tables_are_learned, weights_are_checked, rows_are_called_by_their_number_in_the_file,
        validation_rows_come_from_one_place, rare_counts_may_miss_the_validation_rows, columns_are_found_by_name,
        columns_that_are_not_learned_from_may_be_missing, rows_of_unknown_labels_are_told, a_model_is_gone_on_from,
        going_on_gives_the_bytes_of_the_longer_run, other_models_are_not_gone_on_from, outputs_agree_with_each_other,
        ctrl_c_leaves_no_files]))
