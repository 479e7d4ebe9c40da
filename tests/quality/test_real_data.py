#!/usr/bin/env python3
"""The main job on real telemetry and on the sample plant, checked against an independent reading of its windows.

For each data set, in a data folder of its own: ingest and train end well, row counts are the publisher's, metrics are
those that onnxruntime and pandas give for the saved models, every window's anomaly score is onnxruntime's, segments
open in pyarrow, pandas and Polars. Prints a table of errors beside the last-value forecast.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journey import BOUND, DATA, DATASETS, Journey, Windows, error_of, missing, onnx_scores, run, run_tap  # noqa: E402

TABLE = []


def us(text):
    import pandas as pd
    return pd.Timestamp(text).value // 1000


def check_forecast(journey, windows, name):
    """Metrics recomputed from model.onnx; the largest parity error beside `predict`."""
    import numpy as np
    import pandas as pd
    result, metadata = journey.result, journey.metadata(name)
    target, split = result["target"], result["split"]
    x = windows.matrix(metadata, target)
    label, naive = windows.shifted(target, 1), windows.last_value(target)
    start = windows.index.get_level_values("start").to_numpy()
    rows = ~np.isnan(label) & ~np.isnan(naive)
    test = rows & (start >= us(split["test_from"])) & (start <= us(split["test_to"]))
    train = rows & (start <= us(split["train_to"]))
    assert (test.sum(), train.sum()) == (split["test_rows"], split["train_rows"]), (test.sum(), train.sum(), split)
    scores, _, _ = onnx_scores(journey.model(name), x)
    said = result["models"][name]
    for forecast, metrics in ((scores.ravel()[test].astype(float), said["metrics"]), (naive[test], said["naive"])):
        wrong = forecast - label[test]
        rmse = np.sqrt((wrong ** 2).mean())
        r2 = 1 - (wrong ** 2).sum() / ((label[test] - label[test].mean()) ** 2).sum()
        for got, want in ((rmse, metrics["rmse"]), (np.abs(wrong).mean(), metrics["mae"]), (r2, metrics["r2"])):
            assert abs(got - want) <= 1e-5 * max(1, abs(want)), (name, metrics, rmse, r2)
    # The windows through `predict`, which makes their features: text for the device, empty cells for missing ones.
    columns = json.loads(metadata["program"]["config"])["schemaConfig"]["continuousColumns"]
    table = pd.DataFrame({"time": pd.to_datetime(start, unit="us").strftime("%Y-%m-%d %H:%M:%S.%f"), "device": windows.index.get_level_values("device")})
    if not any(table["device"]):
        del table["device"]
    for column in columns:
        table[column] = windows.column(column, target)
    files = [os.path.join(journey.folder, f) for f in ("windows.csv", "scores.csv")]
    table.to_csv(files[0], index=False)
    run("predict", journey.model(name), files[0], "--out", files[1])
    error = error_of(pd.read_csv(files[1])["prediction"], scores)
    assert error <= BOUND, (name, error)
    return error


def check_anomaly(journey, windows):
    """Every window's score is onnxruntime's; the flagged share is what was asked for. Gives scores.arrow."""
    import pandas as pd
    scores = pd.read_feather(os.path.join(journey.model("anomaly"), "scores.arrow"))
    scores["start"] = scores["time"].astype("int64")
    scores["device"] = scores["device"].astype(object).fillna("") if "device" in scores else ""
    by_window = scores.set_index(["device", "start"])
    assert by_window.index.is_unique and len(scores) == journey.result["windows"] == len(windows.index)
    by_window = by_window.reindex(windows.index)
    theirs, outputs, metadata = onnx_scores(
        journey.model("anomaly"), windows.matrix(journey.metadata("anomaly"), journey.result["target"]))
    error = error_of(by_window["score"], theirs)
    assert error <= BOUND, error
    clear = (by_window["score"] - metadata["threshold"]).abs() > 1e-6
    assert (outputs["is_anomaly"].ravel() == by_window["is_anomaly"].astype(bool))[clear].all()
    assert 0.009 <= scores["is_anomaly"].mean() <= 0.011, scores["is_anomaly"].mean()
    return error, scores


def check_segments(journey):
    """pyarrow, pandas and Polars open every segment and see the same numbers."""
    import pandas as pd
    import polars
    import pyarrow as pa
    for path in journey.segments + [os.path.join(journey.model("anomaly"), "scores.arrow")]:
        with pa.memory_map(path) as source:
            table = pa.ipc.open_file(source).read_all()
            table.validate(full=True)
            other = polars.read_ipc(path, memory_map=False)
            frame = pd.read_feather(path)
            assert table.num_rows == len(frame) == other.height
            for name in table.column_names:
                mine = table[name].null_count
                assert mine == int(frame[name].isna().sum()) == other[name].null_count(), name
                if table[name].type == pa.float64():
                    total = table[name].to_pandas().sum()
                    assert abs(total - (other[name].sum() or 0)) <= 1e-9 * max(1, abs(total)), name


def check_mlflow(journey, name):
    """MLflow reads MLmodel; None when it is not installed."""
    try:
        from mlflow.models import Model
    except ImportError:
        return
    model = Model.load(journey.model(name))
    assert {"millwright", "onnx", "python_function"} <= set(model.flavors), model.flavors
    assert model.flavors["python_function"]["loader_module"] == "mlflow.onnx"
    assert model.get_input_schema() is not None


def known_failures(scores):
    """nab: some of the top anomalies lie in the windows its publisher labeled."""
    with open(os.path.join(DATA, "nab/labels/combined_windows.json")) as f:
        labeled = json.load(f)["realKnownCause/machine_temperature_system_failure.csv"]
    labeled = [(us(a), us(b)) for a, b in labeled]
    top = scores.sort_values("score", ascending=False)["start"].head(50)
    hits = sum(any(a <= t <= b for a, b in labeled) for t in top)
    flagged = scores.loc[scores["is_anomaly"], "start"]
    found = sum(any(a <= t <= b for t in flagged) for a, b in labeled)
    share = sum(((scores["start"] >= a) & (scores["start"] <= b)).sum() for a, b in labeled) / len(scores)
    assert hits >= 25 and found >= 1, (hits, found)
    return (f"labeled windows: {hits} of the top 50 anomalies inside (by chance {50 * share:.0f}), "
            f"{found} of {len(labeled)} windows have a flagged one")


def known_faults(journey, scores):
    """The sample plant: how many of its faults have flagged windows."""
    import pandas as pd
    faults = pd.read_csv(os.path.join(journey.folder, "csv/labels/faults.csv"))
    events = faults.drop_duplicates(["device_id", "kind", "start"])
    lines, found, inside = [], 0, pd.Series(False, scores.index)
    for e in events.itertuples():
        here = (scores["device"] == e.device_id) & (scores["start"] >= us(e.start)) & (scores["start"] < us(e.end))
        inside |= here
        flagged = int(scores.loc[here, "is_anomaly"].sum())
        found += flagged > 0
        lines.append(f"{e.device_id} {e.kind}: {flagged} of {int(here.sum())} windows flagged")
    right = int((scores["is_anomaly"] & inside).sum())
    total = int(scores["is_anomaly"].sum())
    # A sensor that repeats an ordinary value is not strange to a forest that sees one window at a time.
    assert found >= len(events) - 2 and right >= total / 2, lines
    return (f"faults: {found} of {len(events)} found (recall {found / len(events):.2f}); {right} of {total} flagged "
            f"windows lie in faults\n" + "\n".join(lines))


def check(name, source, rows, devices, folder):
    why = missing(source)
    if why:
        return why
    journey = Journey(source, folder)
    result = journey.result
    assert (journey.ingest["rows"], journey.ingest["rejected"]) == (rows, 0), journey.ingest
    assert (result["rows"], result["devices"]) == (rows, devices), result
    path = os.path.join(DATA, source) if source else os.path.join(folder, "csv")
    again = json.loads(run("ingest", path, "--data", folder, "--json"))
    assert again["new_files"] == 0, again
    number, unit = result["interval"].rstrip("mindhs"), result["interval"].lstrip("0123456789")
    interval_us = int(number) * {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit] * 1000000
    windows = Windows(journey.segments, interval_us)
    assert windows.raw_rows == rows and len(windows.index) == result["windows"]
    said = []
    errors = [check_forecast(journey, windows, model) for model in ("baseline", "regression")]
    error, scores = check_anomaly(journey, windows)
    said.append("largest difference from onnxruntime: baseline {:.2g}, regression {:.2g}, anomaly {:.2g}".format(
        *errors, error))
    check_segments(journey)
    for model in ("baseline", "regression", "anomaly"):
        check_mlflow(journey, model)
    if name.startswith("nab"):
        said.append(known_failures(scores))
    if source is None:
        said.append(known_faults(journey, scores))
    baseline, regression = result["models"]["baseline"], result["models"]["regression"]
    naive = baseline["naive"]
    TABLE.append((name, rows, result["windows"], result["target"], naive["rmse"], baseline["metrics"]["rmse"],
                  regression["metrics"]["rmse"], naive["r2"], baseline["metrics"]["r2"], regression["metrics"]["r2"]))
    # Neither may be much worse than repeating the last value.
    for model in (baseline, regression):
        assert model["metrics"]["rmse"] <= 1.10 * naive["rmse"], (name, model["metrics"], naive)
    return "\n".join(said)


def table(_):
    lines = [f"{'data set':24s} {'rows':>6s} {'windows':>7s} {'target':12s} {'naive':>9s} {'baseline':>9s} "
             f"{'regression':>10s} RMSE; R2 naive baseline regression"]
    for r in TABLE:
        lines.append(f"{r[0]:24s} {r[1]:6d} {r[2]:7d} {r[3]:12s} {r[4]:9.4g} {r[5]:9.4g} {r[6]:10.4g}       "
                     f"{r[7]:.4f} {r[8]:.4f} {r[9]:.4f}")
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
    if os.environ.get("MW_RECORD"):
        import results
        results.append([{"name": f"main job {r[0]} {r[3]}", "metric": "RMSE " + model, "value": f"{value:.5g}",
                         "peer": "last value", "peer_value": f"{r[4]:.5g}",
                         "command": "MW_RECORD=1 tests/quality/test_real_data.py"}
                        for r in TABLE for model, value in (("baseline", r[5]), ("regression", r[6]))])
    return "\n".join(lines) if TABLE else "skip: no data set was there"


if __name__ == "__main__":
    run_tap([(f"main job on {d[0]}", lambda folder, d=d: check(*d, folder)) for d in DATASETS] +
            [("errors beside the last-value forecast", table)])
