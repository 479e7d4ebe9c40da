#!/usr/bin/env python3
"""What the numbers of a plain table are taken for: features, targets, classes. TAP, standard library only."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EDATA, ETOOLARGE, main  # noqa: E402


def numbers_beyond_float32_are_defined(cli):
    """A feature counts as the largest float32, for every learner; a target is refused with its row."""
    def table(name, huge, y):
        cli.write(name, "x,z,y\n" + "".join(f"{huge if i == 7 else -i},{i * 7 % 11},{y(i)}\n" for i in range(60)))
        return name
    for learner, goal in (("forest", ["--target", "y"]), ("gbdt", ["--target", "y", "--set", "min_data_in_leaf=1"]),
                          ("linear", ["--target", "y"]), ("isolation", ["--drop", "y"])):
        written = []
        for huge in ("1e39", "1.7e308", "3.4028234663852886e38"):
            table("t.csv", huge, lambda i: i * i % 7)
            cli.ok("train", "t.csv", *goal, "--task", "regression", "--learner", learner, "--out", "m")
            cli.ok("predict", "m", "t.csv", "--out", "s.csv")
            written.append([(cli.folder / name).read_bytes() for name in ("m/model.onnx", "s.csv")])
        assert written[0] == written[1] == written[2] and b"nan" not in written[0][1] and b"inf" not in written[0][1], learner
    table("fine.csv", "0", lambda i: i % 5)
    for y in ("1e39", "-1e100"):
        bad = table("bad.csv", "0", lambda i: y if i == 41 else "" if i == 3 else i)
        for learner in ("forest", "gbdt", "linear"):
            words = ["--target", "y", "--learner", learner, "--out", "none"]
            says = f"the target y of row 42 is {float(y):g}; a model predicts numbers up to 3.4e38"
            cli.fails(EDATA, "train", bad, *words, says=says)
            cli.fails(EDATA, "train", "fine.csv", *words, "--test", bad, says=f"bad.csv: {says}")
    assert not (cli.folder / "none").exists()


def measurements_are_no_classes(cli):
    """A class for each number is never chosen, refused where a model has no room for them, and doubted elsewhere."""
    draw = random.Random(5)
    lines = [[draw.gauss(0, 1), i, i % 1000, i % 101, i % 100, i % 3 + 0.5, i % 2 + 0.5, f"n{i}", f"n{i % 1000}", i] for i in range(1001)]
    lines[-1][-1] = "typo"
    names = "x,many,most,counted,few,halves,two,name,names,mistyped".split(",")
    cli.write("t.csv", "\n".join([",".join(names), *(",".join(map(str, line)) for line in lines)]) + "\n")

    def words(target, *more):
        return ["train", "t.csv", "--target", target, "--learner", "gbdt", "--drop", ",".join({*names} - {"x", target}),
                "--set", "n_estimators=1", "--out", "m", *more]
    for target in ("many", "most", "counted", "few", "halves", "two"):
        assert cli.json(*words(target))["task"] == "regression", target
    task = ["--task", "multiclass"]
    for target, more, says, hint in (
            ("many", task, "the target many has 1001 different labels; a model tells at most 1000 classes apart", "--task regression"),
            ("name", [], "the target name has 1001 different labels", "name another target"),
            ("name", task, "the target name has 1001 different labels", "name another target"),
            ("mistyped", task, "the target mistyped has 1001 different labels", "name another target")):
        problem = cli.fails(ETOOLARGE, *words(target, *more), says=says)
        assert hint in problem["hint"], problem
    cli.fails(EDATA, *words("mistyped"), says="has 1000 numbers among its 1001 values, but also \"typo\"")
    for target, more, says in (("most", task, "looks like a count: each of its 1000 numbers is a class of its own; --task regression"),
                               ("counted", task, "looks like a count: each of its 101"), ("few", task, None), ("two", task, None),
                               ("halves", task, "looks like a measurement: each of its 3 numbers"), ("names", [], None)):
        said = cli.json(*words(target, *more))
        assert said["task"] == "multiclass", said
        assert says is None and "warnings" not in said or says in said["warnings"][0], said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [numbers_beyond_float32_are_defined, measurements_are_no_classes]))
