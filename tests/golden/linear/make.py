"""Writes golden_ridge.h: imputation, scaling and ridge by scikit-learn.

    python tests/golden/linear/make.py        (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import os
import subprocess
import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)


def text(v):
    return "NAN_HERE" if np.isnan(v) else repr(float(v))


def head(name, what):
    guard = f"MW_TESTS_GOLDEN_LINEAR_{name.upper()}_H"
    return (f"/* {name}.h -- {what}; written by make.py next to it. */\n"
            f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
            "#define NAN_HERE __builtin_nanf(\"\")\n\n")


def array(kind, name, values):
    suffix = "F" if kind == "float" else ""
    body = ", ".join(text(v) + (suffix if not np.isnan(v) else "") for v in np.ravel(values))
    return f"static const {kind} {name}[{np.size(values)}] = {{{body}}};\n"


n = 40
x = rng.normal(0, 1, (n, 5)) * [1, 1000, 0.01, 1, 1] + [0, 1e5, 3, 0, 0]
x[:, 3] = 7.25  # constant
x[:, 4] = x[:, 0] + 0.5 * x[:, 4]
x = x.astype(np.float32)
y = 3 + 2 * x[:, 0] + 0.001 * x[:, 1] - 40 * x[:, 2] + rng.normal(0, 0.1, n)
x[2, 0] = x[9, 1] = x[9, 2] = np.nan
x64 = x.astype(np.float64)
out = [head("golden_ridge", "ridge regressions by scikit-learn"),
       "enum { GOLDEN_ROWS = %d, GOLDEN_FEATURES = 5 };\n" % n,
       array("float", "golden_x", x), array("double", "golden_y", y)]
for name, alpha in (("1", 1.0), ("0", 0.0), ("100", 100.0)):
    model = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(alpha=alpha, solver="svd")).fit(x64, y)
    out.append(array("double", "golden_standardized_" + name, model[-1].coef_))
    out.append(array("double", "golden_scored_" + name, model.predict(x64)))
# Least squares with a doubled column: minimum norm on standardized features.
twice = x64[:, [0, 1, 0]]
model = make_pipeline(SimpleImputer(), StandardScaler(), LinearRegression()).fit(twice, y)
out.append(array("double", "golden_twice", model[-1].coef_))
with open(os.path.join(HERE, "golden_ridge.h"), "w") as f:
    f.write("".join(out) + "\n#endif\n")
subprocess.run(["clang-format", "-i"] + [os.path.join(HERE, n) for n in ["golden_ridge.h"]], check=True)
