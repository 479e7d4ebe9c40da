#!/usr/bin/env python3
"""One task of one peer of the tree benchmarks, in a process of its own; prints what it took as a JSON line.

    tree_peer.py '{"task": "fit", "peer": "lightgbm", "learner": "gbdt", "stem": "build/bench-tree/1000000",
                   "test": "build/bench-tree/test", "threads": 2, "params": {"num_leaves": 31}}'
    tree_peer.py --list

stem and test name tables of bench/tree_data.py. Parameters have LightGBM's names and go to each peer under its own names; what is not
among them stays as the peer has it. Tasks:

fit        seconds (and seconds of all cores) of binning and training from float32 in memory, bytes beyond the input at the peak, AUC or RMSE on the test table;
           with "save": the model goes to that file (LightGBM)
score      seconds for the test table's first `rows`, and for a single row in this process (median), of the model in the file `model`

Run by bench/tree_speed.py and bench/tree_quality.py.
"""
import ctypes
import hashlib
import json
import os
import statistics
import sys
import time

if len(sys.argv) != 2:
    sys.exit(__doc__)
SPEC = {} if sys.argv[1] == "--list" else json.loads(sys.argv[1])
THREADS = SPEC.get("threads", 2)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

import numpy as np  # noqa: E402 (after the number of threads)

from tree_data import quality, table  # noqa: E402

PARAMS = {"n_estimators": 100, "num_leaves": 31, "learning_rate": 0.1, "max_bin": 255, "feature_fraction": 1.0, "bagging_fraction": 1.0,
          "bagging_freq": 0, "seed": 1} | SPEC.get("params", {})
ONE_ROW_TRIES = 2000
REPEATS = 5  # of scoring a batch


# --- learners: each is a function of the data that returns a function from rows to scores ---

def objective(task):
    return "binary" if task == "binary" else "regression"


def lightgbm(x, y, task, **more):
    import lightgbm as lgb
    params = {k: v for k, v in PARAMS.items() if k != "n_estimators"}
    params |= {"objective": objective(task), "num_threads": THREADS, "verbosity": -1} | more
    booster = lgb.train(params, lgb.Dataset(x, y, params=params), PARAMS["n_estimators"])
    return booster.predict, booster


def lightgbm_quantized(x, y, task):
    return lightgbm(x, y, task, use_quantized_grad=True)


def xgboost(x, y, task):
    import xgboost as xgb
    params = {"tree_method": "hist", "grow_policy": "lossguide", "max_depth": 0, "max_leaves": PARAMS["num_leaves"],
              "eta": PARAMS["learning_rate"], "max_bin": PARAMS["max_bin"], "colsample_bytree": PARAMS["feature_fraction"],
              "subsample": PARAMS["bagging_fraction"] if PARAMS["bagging_freq"] else 1, "seed": PARAMS["seed"], "nthread": THREADS,
              "objective": "binary:logistic" if task == "binary" else "reg:squarederror"}
    params |= {own: PARAMS[name] for name, own in (("lambda_l2", "lambda"), ("min_sum_hessian_in_leaf", "min_child_weight")) if name in PARAMS}
    data = xgb.QuantileDMatrix(x, y, max_bin=PARAMS["max_bin"], nthread=THREADS)
    booster = xgb.train(params, data, PARAMS["n_estimators"])
    return booster.inplace_predict, booster


def hist_gradient_boosting(x, y, task):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    kind = HistGradientBoostingClassifier if task == "binary" else HistGradientBoostingRegressor
    model = kind(max_iter=PARAMS["n_estimators"], max_leaf_nodes=PARAMS["num_leaves"], learning_rate=PARAMS["learning_rate"],
                 max_bins=PARAMS["max_bin"], max_features=PARAMS["feature_fraction"], early_stopping=False, random_state=PARAMS["seed"],
                 l2_regularization=PARAMS.get("lambda_l2", 0))
    model.fit(x, y)
    return positive(model, task), model


def positive(model, task):
    return (lambda rows: model.predict_proba(rows)[:, 1]) if task == "binary" else model.predict


def random_forest(x, y, task):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    return fit_forest(RandomForestClassifier if task == "binary" else RandomForestRegressor, x, y, task)


def random_forest_intelex(x, y, task):
    from sklearnex.ensemble import RandomForestClassifier, RandomForestRegressor
    return fit_forest(RandomForestClassifier if task == "binary" else RandomForestRegressor, x, y, task)


def fit_forest(kind, x, y, task):
    model = kind(n_estimators=PARAMS["n_estimators"], random_state=PARAMS["seed"], n_jobs=THREADS).fit(x, y)
    return positive(model, task), model


def isolation_sklearn(x, y, task):
    """With its threshold from all rows, as Millwright has it."""
    from sklearn.ensemble import IsolationForest
    model = IsolationForest(n_estimators=PARAMS["n_estimators"], max_samples=256, contamination=0.01, random_state=PARAMS["seed"], n_jobs=THREADS)
    model.fit(x)
    return lambda rows: -model.score_samples(rows), model


def isolation_isotree(x, y, task):
    from isotree import IsolationForest
    model = IsolationForest(ntrees=PARAMS["n_estimators"], sample_size=256, ndim=1, missing_action="fail", random_seed=PARAMS["seed"], nthreads=THREADS)
    model.fit(x)
    np.quantile(model.predict(x), 0.99)
    return model.predict, model


LEARNERS = {
    "gbdt": {"lightgbm": lightgbm, "lightgbm-quantized": lightgbm_quantized, "xgboost": xgboost, "scikit-learn": hist_gradient_boosting},
    "forest": {"scikit-learn": random_forest, "scikit-learn-intelex": random_forest_intelex},
    "isolation": {"scikit-learn": isolation_sklearn, "isotree": isolation_isotree},
}


# --- measuring ---

def forget_peak():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")


def resident(which):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith(which))


def fit():
    x, y = table(SPEC["stem"])
    learn = LEARNERS[SPEC["learner"]][SPEC["peer"]]
    learn(x[:500], y[:500], SPEC["data_task"])  # imports and thread pools are there
    forget_peak()
    before, begin, worked = resident("VmRSS"), time.perf_counter(), time.process_time()
    score, model = learn(x, y, SPEC["data_task"])
    seconds, peak = time.perf_counter() - begin, resident("VmHWM")
    said = {"seconds": seconds, "cpu_seconds": time.process_time() - worked, "peak_bytes": max(0, peak - before)}
    if "test" in SPEC:
        x_test, y_test = table(SPEC["test"])
        begin = time.perf_counter()
        predicted = np.asarray(score(x_test), float)
        said |= {"score_seconds": time.perf_counter() - begin, "quality": quality(SPEC["data_task"], y_test, predicted)}
    if "save" in SPEC:
        model.save_model(SPEC["save"])
    return said


# --- scorers: each is a function of the model's file that returns functions for many rows and for one ---

def score_lightgbm(path):
    """One row through the C interface's fast way, as a program would that holds the model in its own process."""
    import lightgbm as lgb
    from lightgbm.basic import _LIB
    booster = lgb.Booster(model_file=path, params={"num_threads": THREADS})
    fast, n, out = ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, 0, 0, -1, 0, ctypes.c_int32(booster.num_feature()), b"num_threads=1", ctypes.byref(fast))
    call, length, target = _LIB.LGBM_BoosterPredictForMatSingleRowFast, ctypes.byref(n), ctypes.byref(out)
    return lambda rows: booster.predict(rows, num_threads=THREADS), lambda row: call(fast, ctypes.c_void_p(row.ctypes.data), length, target)


def score_onnxruntime(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = THREADS, 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    run = lambda rows: session.run(None, {"features": rows})
    return run, run


def compiled(path, ending):
    """Where what is made of this model lies: minutes of compiling for a large one, so once."""
    with open(path, "rb") as f:
        return f"{path}.{hashlib.sha256(f.read()).hexdigest()[:16]}{ending}"


def score_tl2cgen(path):
    import tl2cgen
    import treelite
    library = compiled(path, ".so")
    if not os.path.exists(library):
        model = treelite.frontend.load_lightgbm_model(path)
        tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 16}, nthread=THREADS)
    predictor = tl2cgen.Predictor(library, nthread=THREADS)
    run = lambda rows: predictor.predict(tl2cgen.DMatrix(rows))
    return run, run


def score_lleaves(path):
    import lleaves
    model = lleaves.Model(model_file=path)
    model.compile(cache=compiled(path, ".lleaves"))
    return lambda rows: model.predict(rows, n_jobs=THREADS), lambda row: model.predict(row, n_jobs=1)


SCORERS = {"lightgbm": score_lightgbm, "onnxruntime": score_onnxruntime, "tl2cgen": score_tl2cgen, "lleaves": score_lleaves}


def seconds_of(call, rows):
    begin = time.perf_counter()
    call(rows)
    return time.perf_counter() - begin


def score():
    begin = time.perf_counter()
    many, one = SCORERS[SPEC["peer"]](SPEC["model"])
    ready = time.perf_counter() - begin
    x = table(SPEC["test"])[0][:SPEC.get("rows", 100_000)]
    seconds_of(many, x[:1000])
    batch = statistics.median(seconds_of(many, x) for _ in range(REPEATS))
    rows = [x[i:i + 1] for i in range(min(ONE_ROW_TRIES, len(x)))]
    seconds_of(one, rows[0])
    return {"seconds": batch, "one_row_seconds": statistics.median(seconds_of(one, row) for row in rows), "ready_seconds": ready}


if __name__ == "__main__":
    lists = {name: list(peers) for name, peers in (LEARNERS | {"score": SCORERS}).items()}
    print(json.dumps({"fit": fit, "score": score}[SPEC["task"]]() if SPEC else lists))
