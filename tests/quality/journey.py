"""The main job by command line on real data, and its windows read back independently with pandas.

What the program computed is computed again here from the dataset's segments: windows, lags, labels, the last-value
forecast. Shared by the test_*.py of this folder; needs `make venv`.
"""
import json
import os
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MW_BINARY", os.path.join(ROOT, "build", "millwright"))
DATA = os.environ.get("MILLWRIGHT_TEST_DATA", os.path.join(ROOT, "..", "shared", "data"))
BOUND = 1e-5

# name, file below DATA (None: generated), raw rows and devices as the publisher counts them.
DATASETS = [
    ("ett", "ett/ETTh1.csv.gz", 17420, 1),
    ("appliances_energy", "appliances_energy/energydata_complete.csv.gz", 19735, 1),
    ("nab_machine_temperature", "nab/data/realKnownCause/machine_temperature_system_failure.csv.gz", 22695, 1),
    ("azure_pdm", "azure_pdm/PdM_telemetry_20machines_90days.csv.gz", 43200, 20),
    ("sample_plant", None, 23938, 6),
]


def run(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}"
    return done.stdout


class Journey:
    """generate (when there is no file), ingest, train in a data folder of its own."""

    def __init__(self, source, folder):
        self.folder = folder
        if source is None:
            path = os.path.join(folder, "csv")
            run("generate", "--profile", "miner-long", "--days", "14", "--seed", "42", "--out", path)
        else:
            path = os.path.join(DATA, source)
        self.ingest = json.loads(run("ingest", path, "--data", folder, "--json"))
        self.result = json.loads(run("train", "--data", folder, "--json"))
        self.segments = [os.path.join(folder, "orgs/default/datasets/main", f["segment"])
                         for f in self.ingest["files"]]

    def model(self, name):
        return os.path.join(self.folder, "orgs/default/models", name, "versions/1")

    def metadata(self, name):
        with open(os.path.join(self.model(name), "metadata.json")) as f:
            return json.load(f)


class Windows:
    """Per device and interval: mean, min, max, std, last of every parameter; indexed by (device, start)."""

    def __init__(self, segments, interval_us):
        import pandas as pd
        frame = pd.concat([pd.read_feather(s) for s in segments], ignore_index=True)
        self.raw_rows = len(frame)
        time = frame["time"].astype("int64")
        assert str(frame["time"].dtype).startswith("datetime64[us"), frame["time"].dtype
        self.interval_us = interval_us
        keys = [frame["device_id"].astype(object).fillna("") if "device_id" in frame else pd.Series("", frame.index),
                (time // interval_us * interval_us).rename("start")]
        keys[0] = keys[0].rename("device")
        self.parameters = [c for c in frame.columns if frame[c].dtype == "float64"]
        # Stable in time, so that `last` is the last row of equal times.
        order = time.argsort(kind="stable")
        groups = frame.loc[order, self.parameters].groupby([k[order] for k in keys], sort=True)
        self.stats = {s: getattr(groups, s)() for s in ("mean", "min", "max", "std", "last")}
        self.index = self.stats["mean"].index

    def column(self, name, target, categories=()):
        """A model's feature by its name."""
        import numpy as np
        if name == "device":
            codes = {c: i for i, c in enumerate(categories)}
            return np.array([codes[d] for d in self.index.get_level_values("device")], float)
        if name.startswith(f"{target}_lag_"):
            return self.lag(target, int(name.rsplit("_", 1)[1]))
        parameter, statistic = name.rsplit("_", 1)
        return self.stats[statistic][parameter].to_numpy(float)

    def lag(self, target, back):
        """The target's mean so many windows of the device before; NaN across a gap, a distance of more than ten intervals."""
        start = self.index.get_level_values("start").to_series(index=self.index)
        whole = (start.groupby(level="device").diff() > 10 * self.interval_us).groupby(level="device").cumsum()
        return self.stats["mean"][target].groupby([self.index.get_level_values("device"), whole]).shift(back).to_numpy(float)

    def shifted(self, target, n):
        """The target's mean n intervals later (earlier: n < 0); NaN where that window does not exist."""
        import pandas as pd
        wanted = pd.MultiIndex.from_arrays([self.index.get_level_values("device"),
                                            self.index.get_level_values("start") + n * self.interval_us])
        return self.stats["mean"][target].reindex(wanted).to_numpy(float)

    def last_value(self, target):
        return self.stats["mean"][target].groupby(level="device").ffill().to_numpy(float)

    def matrix(self, metadata, target):
        """float32 [windows, features] in training-column order."""
        import numpy as np
        return np.column_stack([self.column(f["name"], target, f.get("categories", ()))
                                for f in metadata["features"]]).astype(np.float32)


def onnx_scores(folder, x):
    """The model's scores by onnxruntime; checks the promised interface on the way."""
    import numpy as np
    import onnxruntime
    with open(os.path.join(folder, "metadata.json")) as f:
        metadata = json.load(f)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options,
                                           providers=["CPUExecutionProvider"])
    (only,) = session.get_inputs()
    assert only.type == "tensor(float)" and only.shape[1] == x.shape[1] == len(metadata["features"])
    assert all(not o.type.startswith(("seq", "map")) for o in session.get_outputs()), "ZipMap"
    outputs = dict(zip([o.name for o in session.get_outputs()], session.run(None, {only.name: x})))
    scores = outputs[metadata["onnx"]["output"]]
    assert scores.dtype == np.float32
    return scores, outputs, metadata


def error_of(ours, theirs):
    """Largest |a - b| / max(1, |b|), b ours; both must be numbers."""
    import numpy as np
    ours, theirs = np.asarray(ours, float).ravel(), np.asarray(theirs, float).ravel()
    assert len(ours) == len(theirs) and np.isfinite(ours).all() and np.isfinite(theirs).all()
    return float((np.abs(theirs - ours) / np.maximum(1, np.abs(ours))).max())


def run_tap(tests):
    """tests: [(name, function(folder))]; a function returns text for the diagnostics, "skip: WHY", or None."""
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, function) in enumerate(tests, 1):
        try:
            with tempfile.TemporaryDirectory() as folder:
                said = function(folder) or ""
        except Exception:
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "), file=sys.stderr)
            print(f"not ok {number} - {name}", flush=True)
            continue
        if said.startswith("skip: "):
            print(f"ok {number} - {name} # SKIP {said[6:]}", flush=True)
            continue
        if said:
            print("# " + said.replace("\n", "\n# "))
        print(f"ok {number} - {name}", flush=True)
    sys.exit(1 if failed else 0)


def missing(*paths):
    """ "skip: WHY" when a library or a file below DATA is missing, else None."""
    try:
        import numpy, onnxruntime, pandas, polars, pyarrow  # noqa: F401,E401
    except ImportError as e:
        return f"skip: {e} (make venv)"
    for path in paths:
        if path and not os.path.exists(os.path.join(DATA, path)):
            return f"skip: {os.path.join(DATA, path)} is missing (set MILLWRIGHT_TEST_DATA)"
    return None
