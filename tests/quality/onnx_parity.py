"""Compares onnxruntime with our own scores on saved model folders.

usage: onnx_parity.py OUT...     each OUT holds model folders with rows.f32 and scores.f64 beside
                                 MLmodel (written by tests/quality/parity_models), and folders of
                                 graphs with an NAME.f64 for each output (tests/quality/parity_trees)

Bound (DESIGN 3.6): |a - b| <= 1e-5 max(1, |b|) for every value. Also: onnx.checker accepts the file,
the interface is the one promised (one float input, no ZipMap, float outputs), labels are the largest
probability, is_anomaly is score >= threshold, and mlflow.pyfunc loads the folder. Graphs: 1e-6.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

BOUND = 1e-5
GRAPH_BOUND = 1e-6


def run(folder, rows):
    """Outputs by name; the file passes onnx.checker."""
    onnx.checker.check_model(onnx.load(folder / "model.onnx"), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    (only_input,) = session.get_inputs()
    rows = rows.reshape(-1, only_input.shape[1])
    assert only_input.type == "tensor(float)", only_input
    names = [o.name for o in session.get_outputs()]
    return rows, dict(zip(names, session.run(None, {only_input.name: rows})))


def check_graph(folder):
    rows, outputs = run(folder, np.fromfile(folder / "rows.f32", np.float32))
    largest = 0
    for file in folder.glob("*.f64"):
        got = outputs[file.stem]
        wanted = np.fromfile(file, np.float64).reshape(got.shape)
        error = np.abs(got - wanted) / np.maximum(1, np.abs(wanted))
        assert got.dtype == np.float32 and np.isfinite(wanted).all()
        assert error.max() <= GRAPH_BOUND, f"{folder.name}, {file.stem}: {error.max()}"
        largest = max(largest, error.max())
    if "label" in outputs:
        yes = outputs["both"][:, 1] > outputs["both"][:, 0]
        assert (outputs["label"] == np.where(yes, "yes", "no")).all()
    return largest, len(rows)


def check_folder(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    model = onnx.load(folder / "model.onnx")
    rows, outputs = run(folder, np.fromfile(folder / "rows.f32", np.float32))
    assert rows.shape[1] == len(metadata["features"]), rows.shape
    wanted = np.fromfile(folder / "scores.f64", np.float64).reshape(len(rows), -1)
    got = outputs[metadata["onnx"]["output"]]
    assert got.dtype == np.float32 and got.shape == wanted.shape, (got.dtype, got.shape)
    error = np.abs(got - wanted) / np.maximum(1, np.abs(wanted))
    assert np.isfinite(wanted).all() and np.isfinite(got).all()
    assert error.max() <= BOUND, f"{folder.name}: {error.max()}"
    if "label" in outputs:
        classes = np.array(metadata["classes"])
        assert (outputs["label"] == classes[got.argmax(axis=1)]).all()
    if "is_anomaly" in outputs:
        clear = np.abs(wanted - metadata["threshold"]) > 1e-6
        flags = wanted >= metadata["threshold"]
        assert (outputs["is_anomaly"] == flags)[clear].all()
    check_covers(model, metadata)
    check_mlflow(folder, rows, got, metadata)
    return error.max(), len(rows)


def check_covers(model, metadata):
    """A node's cover is the sum of its children's: what SHAP needs."""
    for node in model.graph.node:
        if node.op_type != "TreeEnsembleRegressor":
            continue
        a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
        key = {(t, n): i for i, (t, n) in enumerate(zip(a["nodes_treeids"], a["nodes_nodeids"]))}
        for i, mode in enumerate(a["nodes_modes"]):
            if mode == b"LEAF":
                continue
            tree, true = a["nodes_treeids"][i], a["nodes_truenodeids"][i]
            false = key[tree, a["nodes_falsenodeids"][i]]
            while a["nodes_modes"][false] != b"LEAF" and a["nodes_truenodeids"][false] == true:
                assert a["nodes_hitrates"][false] == a["nodes_hitrates"][i]  # the next code of the same set
                false = key[tree, a["nodes_falsenodeids"][false]]
            children = key[tree, true], false
            assert a["nodes_hitrates"][i] == sum(a["nodes_hitrates"][c] for c in children)


def check_mlflow(folder, rows, got, metadata):
    try:
        import mlflow.pyfunc
    except ImportError:
        return
    mlflow.set_tracking_uri("file:" + str(folder.parent / "mlruns"))
    loaded = mlflow.pyfunc.load_model(str(folder))
    out = loaded.predict(rows[:50])
    out = out[metadata["onnx"]["output"]] if isinstance(out, dict) else out
    assert np.allclose(np.asarray(out).reshape(50, -1), got[:50], rtol=1e-6)


def main():
    roots = [pathlib.Path(p) for p in sys.argv[1:]]
    folders = sorted(f.parent for r in roots for f in r.rglob("scores.f64"))
    assert folders, "no model folders found"
    graphs = sorted(f.parent for r in roots for f in r.rglob("sums.f64"))
    for folder in folders + graphs:
        error, n = check_folder(folder) if folder in folders else check_graph(folder)
        print(f"{folder.name:28s} rows {n:6d}  largest error {error:.3g}")
    print(f"onnxruntime {onnxruntime.__version__}: {len(folders)} models within {BOUND}", end="")
    print(f", {len(graphs)} graphs within {GRAPH_BOUND}")


if __name__ == "__main__":
    main()
