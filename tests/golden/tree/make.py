"""Writes golden_trees.h: what scikit-learn's exactly split trees predict, and its isolation path lengths.

    python tests/golden/tree/make.py          (made with scikit-learn 1.9.1, numpy 2.4.6)

One tree without bootstrap that sees every feature depends on no random number as long as no two
candidate splits tie. Ties between features are avoided by continuous values; where a leaf holds few
rows two features can still cut it alike, so only trees that come out the same for 20 random states are
written.
"""
import os
import subprocess
import numpy as np
from sklearn.ensemble._iforest import _average_path_length
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

CLASS_DEPTH = 2
HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(5)


def text(v):
    return "NAN_HERE" if np.isnan(v) else repr(float(v))


def head(name, what):
    guard = f"MW_TESTS_GOLDEN_TREE_{name.upper()}_H"
    return (f"/* {name}.h -- {what}; written by make.py next to it. */\n"
            f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
            "#define NAN_HERE __builtin_nanf(\"\")\n\n")


def array(kind, name, values):
    suffix = "F" if kind == "float" else ""
    shortest = [np.float32(v).astype(str) if kind == "float" else text(v) for v in np.ravel(values)]
    body = ", ".join("NAN_HERE" if v == "nan" else v + suffix for v in shortest)
    return f"static const {kind} {name}[{np.size(values)}] = {{{body}}};\n"


def agreed(make, predict):
    answers = [predict(make(seed)) for seed in range(20)]
    assert all(np.allclose(answers[0], a, rtol=1e-12, atol=0) for a in answers), "ties: choose other settings"
    return answers[0]


n, f = 160, 4
x = rng.normal(0, 1, (n, f)).round(3).astype(np.float32)
x[:, 2] = np.round(x[:, 2], 1)
y = np.round(x[:, 0] * 3 + np.where(x[:, 1] > 0.3, 5, 0) + rng.normal(0, 0.5, n), 4)
klass = (np.digitize(x[:, 0] + x[:, 1] + rng.normal(0, 0.3, n), [-0.8, 0.8])).astype(int)
holes = rng.random((n, f)) < [0.0, 0.15, 0.1, 0.05]
x[holes] = np.nan
y[holes[:, 1]] += 4  # missing means something
probe = rng.normal(0, 1.2, (60, f)).round(3).astype(np.float32)
probe[rng.random((60, f)) < 0.2] = np.nan

out = [head("golden_trees", "trees and path lengths by scikit-learn"),
       "enum { GOLDEN_ROWS = %d, GOLDEN_FEATURES = %d, GOLDEN_PROBES = 60, GOLDEN_CLASSES = 3 };\n" % (n, f),
       array("float", "golden_x", x), array("double", "golden_y", y), array("double", "golden_class", klass),
       array("float", "golden_probe", probe)]
for name, options in (("leaf7", dict(min_samples_leaf=7)), ("depth4", dict(max_depth=4)),
                      ("split40", dict(min_samples_split=40, min_samples_leaf=3))):
    make = lambda s: DecisionTreeRegressor(random_state=s, **options).fit(x, y)
    out.append(array("double", "golden_regression_" + name, agreed(make, lambda t: t.predict(probe))))
    out.append(array("double", "golden_importance_" + name, make(0).feature_importances_))
# Class counts are small integers, so that candidates do tie; two levels have one best split each.
make = lambda s: DecisionTreeClassifier(random_state=s, max_depth=CLASS_DEPTH, min_samples_leaf=9).fit(x, klass)
out.append(array("double", "golden_probability", agreed(make, lambda t: t.predict_proba(probe))))
sizes = np.array([1, 2, 3, 4, 10, 256, 1000, 1e6])
out.append(array("double", "golden_sizes", sizes))
out.append(array("double", "golden_c", _average_path_length(sizes)))
with open(os.path.join(HERE, "golden_trees.h"), "w") as f:
    f.write("".join(out) + "\n#endif\n")
subprocess.run(["clang-format", "-i"] + [os.path.join(HERE, n) for n in ["golden_trees.h"]], check=True)
