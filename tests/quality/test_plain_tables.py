#!/usr/bin/env python3
"""`train FILE.csv` and `predict` on real tables: onnxruntime, fed from the CSV by pandas, gives the same scores.

Missing cells and categories included (california_housing), classes (ai4i2020), the isolation forest (adbench), and boosting with
every objective.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journey import BOUND, DATA, error_of, missing, onnx_scores, run, run_tap  # noqa: E402

CASES = [
    ("california_housing/housing.csv.gz", "forest", "median_house_value", [], []),
    ("california_housing/housing.csv.gz", "linear", "median_house_value", [], []),
    ("ai4i2020/ai4i2020.csv.gz", "forest", "Machine failure", ["UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF"],
     ["--task", "binary"]),
    ("ai4i2020/ai4i2020.csv.gz", "forest", "Type", ["UDI", "Product ID"], ["--task", "multiclass"]),
    ("adbench/38_thyroid.csv.gz", "isolation", None, ["label"], []),
    ("adbench/32_shuttle.csv.gz", "isolation", None, ["label"], []),
    ("adbench/42_WBC.csv", "isolation", None, ["label"], []),
]
# Boosting with every objective; ocean_proximity and Day_of_week have categories enough to be split by sets.
CASES += [("california_housing/housing.csv.gz", "gbdt", "median_house_value", [], ["--set", "objective=" + objective, *more])
          for objective, *more in (["regression"], ["regression_l1"], ["huber", "--set", "alpha=50000"],
                                   ["quantile", "--set", "alpha=0.8"], ["poisson"], ["tweedie"])]
CASES += [
    ("california_housing/housing.csv.gz", "gbdt", "ocean_proximity", [], ["--set", "boosting=dart"]),
    ("ai4i2020/ai4i2020.csv.gz", "gbdt", "Machine failure", ["UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF"],
     ["--set", "is_unbalance=true"]),
    ("steel_energy/Steel_industry_data.csv.gz", "gbdt", "Load_Type", ["date"], ["--set", "boosting=goss"]),
    ("steel_energy/Steel_industry_data.csv.gz", "gbdt", "WeekStatus", ["date", "Day_of_week"],
     ["--task", "multiclass"]),
    ("steel_energy/Steel_industry_data.csv.gz", "gbdt", "Usage_kWh", ["date"], ["--set", "bagging_fraction=0.5"]),
]


def matrix(frame, metadata):
    """float32 cells as docs/formats/model.md says: a category is its place in the list, missing is NaN."""
    import numpy as np
    import pandas as pd
    columns = []
    for feature in metadata["features"]:
        cells = frame[feature["name"]]
        if feature["kind"] == "category":
            places = {text: i for i, text in enumerate(feature["categories"])}
            columns.append([places.get(c, np.nan) if isinstance(c, str) else np.nan for c in cells])
        else:
            columns.append(pd.to_numeric(cells).to_numpy(float))
    return np.column_stack(columns).astype(np.float32)


def check(path, learner, target, drop, more, folder):
    why = missing(path)
    if why:
        return why
    import json
    import numpy as np
    import pandas as pd
    source, model, out = os.path.join(DATA, path), os.path.join(folder, "m"), os.path.join(folder, "s.csv")
    arguments = (["--target", target] if target else []) + (["--drop", ",".join(drop)] if drop else []) + more
    said = json.loads(run("train", source, "--learner", learner, *arguments, "--set", "seed=7",
                          *(["--set", "n_estimators=50"] if learner in ("forest", "gbdt") else []), "--out", model, "--json"))
    run("predict", model, source, "--out", out)
    frame = pd.read_csv(source, encoding="utf-8-sig")
    with open(os.path.join(model, "metadata.json")) as f:
        metadata = json.load(f)
    assert [f["name"] for f in metadata["features"]] == [c for c in frame if c != target and c not in drop]
    theirs, outputs, _ = onnx_scores(model, matrix(frame, metadata))
    ours = pd.read_csv(out)
    assert len(ours) == len(frame) == said["rows"]
    if learner == "isolation":
        error = error_of(ours["score"], theirs)
        clear = (ours["score"] - metadata["threshold"]).abs() > 1e-6
        flags = ours["is_anomaly"].astype(str).str.lower().isin(("true", "1"))
        assert (flags == outputs["is_anomaly"].ravel())[clear].all()
    elif metadata["task"] == "regression":
        error = error_of(ours["prediction"], theirs)
    else:
        names = [str(c) for c in metadata["classes"]]
        if metadata["task"] == "binary":
            got, theirs_now = ours["probability"], theirs[:, 1]
        else:
            got, theirs_now = ours[[f"probability_{n}" for n in names]].to_numpy(), theirs
        error = error_of(got, theirs_now)
        top = np.sort(theirs, axis=1)
        clear = top[:, -1] - top[:, -2] > 1e-6
        assert (ours["prediction"].astype(str).to_numpy() == outputs["label"].astype(str))[clear].all()
    assert error <= BOUND, error
    return f"{len(frame)} rows, largest difference from onnxruntime {error:.2g}"


if __name__ == "__main__":
    run_tap([(" ".join([c[1], "on", f"{c[0]}, target {c[2]}", *c[4]]), lambda folder, c=c: check(*c, folder)) for c in CASES])
