"""Writes golden_scores.h (scikit-learn) and golden_order.h (numpy's order statistics).

    python tests/golden/metric/make.py        (made with scikit-learn 1.9.1, numpy 2.4.6)
"""
import os
import subprocess
import numpy as np
from sklearn import metrics

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def text(v):
    if np.isnan(v):
        return "NAN_HERE"
    return repr(float(v))


def head(name, what):
    guard = f"MW_TESTS_GOLDEN_METRIC_{name.upper()}_H"
    return (f"/* {name}.h -- {what}; written by make.py next to it. */\n"
            f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
            "#define NAN_HERE __builtin_nan(\"\")\n\n")


def array(kind, name, values):
    body = ", ".join(text(v) if kind == "double" else str(int(v)) for v in values)
    return f"static const {kind} {name}[{len(values)}] = {{{body}}};\n"


def scalar(name, value):
    return f"static const double {name} = {text(value)};\n"


out = [head("golden_scores", "scores by scikit-learn")]
n = 60
truth = np.round(rng.normal(1e6, 3, n), 3)
truth[5] = 0.0
prediction = np.round(truth + rng.normal(0, 2, n), 3)
nonzero = truth != 0
out += [array("double", "golden_truth", truth), array("double", "golden_prediction", prediction)]
out += [scalar("golden_rmse", metrics.root_mean_squared_error(truth, prediction)),
        scalar("golden_mae", metrics.mean_absolute_error(truth, prediction)),
        scalar("golden_mape", metrics.mean_absolute_percentage_error(truth[nonzero], prediction[nonzero])),
        scalar("golden_r2", metrics.r2_score(truth, prediction))]

label = (rng.random(n) < 0.3).astype(int)
score = np.round(rng.normal(0, 1, n) + label, 1)  # one decimal: many ties
out += [array("uint8_t", "golden_label", label), array("double", "golden_score", score),
        scalar("golden_auc", metrics.roc_auc_score(label, score))]

guess = (score > 0.5).astype(float)
out += [array("double", "golden_guess", guess),
        scalar("golden_accuracy", metrics.accuracy_score(label, guess)),
        scalar("golden_f1", metrics.f1_score(label, guess))]

klass = rng.integers(0, 3, n)
probability = rng.dirichlet([0.4, 0.4, 0.4], n)
out += [array("double", "golden_class", klass), array("double", "golden_probability", probability.ravel()),
        scalar("golden_log_loss", metrics.log_loss(klass, probability, labels=[0, 1, 2]))]

with open(os.path.join(HERE, "golden_scores.h"), "w") as f:
    f.write("".join(out) + "\n#endif\n")

out = [head("golden_order", "order statistics by numpy")]
sample = np.round(rng.standard_cauchy(101), 2)
sample[[3, 50, 77]] = np.nan
qs = np.array([0, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.999, 1])
out += [array("double", "golden_sample", sample), array("double", "golden_q", qs),
        array("double", "golden_quantile", np.nanquantile(sample, qs)),
        scalar("golden_median", np.nanmedian(sample)),
        scalar("golden_mad", 1.4826 * np.nanmedian(np.abs(sample - np.nanmedian(sample))))]
with open(os.path.join(HERE, "golden_order.h"), "w") as f:
    f.write("".join(out) + "\n#endif\n")
subprocess.run(["clang-format", "-i"] + [os.path.join(HERE, n) for n in ["golden_scores.h", "golden_order.h"]], check=True)
