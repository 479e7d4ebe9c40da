"""Writes golden_conditions.h: operating conditions by scikit-learn's k-means, sensors by pandas.

    python tests/golden/feature/make_conditions.py        (made with scikit-learn 1.5.2, pandas 2.2.3)
"""
import os
import subprocess

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, CONDITIONS, SETTINGS, SENSORS = 120, 4, 2, 3
rng = np.random.default_rng(13)

run_as = rng.integers(0, CONDITIONS, ROWS)
settings = np.array([[0, 1000], [20, 1000], [20, 6000], [40, 3000]])[run_as] + rng.normal(0, 1, (ROWS, 2)) * [2, 200]
sensors = rng.normal(0, 1, (ROWS, SENSORS)) * [1, 5, 0.1] + 10.0 * run_as[:, None]
x = np.round(np.column_stack([settings, sensors]), 2).astype(np.float32)
x[rng.random(x.shape) < 0.03] = np.nan

whole = ~np.isnan(x[:, :SETTINGS]).any(axis=1)
scaler = StandardScaler().fit(x[whole, :SETTINGS].astype(float))
kmeans = KMeans(CONDITIONS, n_init=20, random_state=0).fit(scaler.transform(x[whole, :SETTINGS].astype(float)))
centers = scaler.inverse_transform(kmeans.cluster_centers_)
order = np.lexsort(centers.T[::-1])  # by the first setting, then the second one
of = np.full(ROWS, -1)
of[whole] = np.argsort(order)[kmeans.labels_]

groups = pd.DataFrame(x[:, SETTINGS:].astype(float)).groupby(of)
means, stds = groups.mean().loc[range(CONDITIONS)].to_numpy(), groups.std().loc[range(CONDITIONS)].to_numpy()


def text(v, suffix=""):
    if np.isnan(v):
        return "NAN_HERE"
    short = str(v) if suffix else repr(float(v))
    return short + ("" if "." in short else ".0") + suffix


def array(kind, name, values):
    shape = "".join(f"[{n}]" for n in values.shape)
    body = ", ".join("{" + ", ".join(text(v, "F" if kind == "float" else "") for v in row) + "}" for row in values)
    return f"static const {kind} {name}{shape} = {{{body}}};"


lines = ["/* golden_conditions.h -- operating conditions by scikit-learn and pandas; written by make_conditions.py next to it. */",
         "#ifndef MW_TESTS_GOLDEN_FEATURE_GOLDEN_CONDITIONS_H", "#define MW_TESTS_GOLDEN_FEATURE_GOLDEN_CONDITIONS_H", "",
         "#include <stdint.h>", "", "#define NAN_HERE __builtin_nanf(\"\")", "",
         f"enum {{ GOLDEN_ROWS = {ROWS}, GOLDEN_CONDITIONS = {CONDITIONS}, GOLDEN_SETTINGS = {SETTINGS}, GOLDEN_SENSORS = {SENSORS} }};",
         "/* Settings, then sensors. */",
         array("float", "golden_x", x),
         "/* Conditions in the order of their centers; -1: a setting is missing. */",
         f"static const int32_t golden_of[{ROWS}] = {{{', '.join(map(str, of))}}};",
         array("double", "golden_centers", centers[order]),
         array("double", "golden_means", means), array("double", "golden_stds", stds), "", "#endif", ""]

path = os.path.join(HERE, "golden_conditions.h")
with open(path, "w", encoding="ascii") as f:
    f.write("\n".join(lines))
subprocess.run(["clang-format", "-i", path], check=True)
