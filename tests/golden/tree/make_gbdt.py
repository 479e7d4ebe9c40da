"""Writes golden_gbdt.h: scores of boosted trees by LightGBM, for every objective and for what shapes trees.

    python tests/golden/tree/make_gbdt.py          (made with lightgbm 4.7.0, numpy 2.4.6)

Nothing is drawn at random, and features have few values, so that bins and with them all candidate splits are the same. Targets and
weights are continuous, so that gains seldom tie; trees are small and the seed is one with which no tie decides. Where we differ by intent
there is no case: LightGBM
- does not try a feature below a node where it found no split by it (seen in larger trees, and with large penalties);
- takes class weights out of the first guess, so that scale_pos_weight comes without boost_from_average here;
- interpolates weighted quantiles between residuals in its own way: l1 and quantile come without weights here.
"""
import os
import subprocess

import lightgbm
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, FEATURES, ROUNDS = 160, 5, 6
CATEGORY = 4
SETTINGS = {"num_leaves": 5, "min_data_in_leaf": 6, "learning_rate": 0.2, "min_data_in_bin": 1, "max_cat_to_onehot": 1,
            "min_data_per_group": 8, "cat_smooth": 2.0, "min_sum_hessian_in_leaf": 1e-3}
# LightGBM guesses a bin's rows by their second derivatives: where those differ nothing may depend on numbers of rows.
UNEVEN = {"min_data_in_leaf": 0, "min_data_per_group": 1, "cat_smooth": 0.5, "min_sum_hessian_in_leaf": 1.0}
CASES = [  # name, target, is it weighted, parameters
    ("regression", "number", False, {"objective": "regression"}),
    ("weighted", "number", True, {"objective": "regression"}),
    ("l1", "number", False, {"objective": "regression_l1"}),
    ("huber", "number", False, {"objective": "huber", "alpha": 1.5}),
    ("quantile", "number", False, {"objective": "quantile", "alpha": 0.7}),
    ("poisson", "count", False, {"objective": "poisson"}),
    ("tweedie", "count", False, {"objective": "tweedie", "tweedie_variance_power": 1.3}),
    ("binary", "two", False, {"objective": "binary"}),
    ("second_heavier", "two", True, {"objective": "binary", "scale_pos_weight": 3.0, "boost_from_average": False}),
    ("multiclass", "three", False, {"objective": "multiclass", "num_class": 3}),
    ("penalties", "number", False, {"objective": "regression", "lambda_l1": 0.3, "lambda_l2": 5.0, "min_gain_to_split": 0.1}),
    ("small_steps", "two", False, {"objective": "binary", "max_delta_step": 0.3, "min_sum_hessian_in_leaf": 5.0}),
    ("from_zero", "two", True, {"objective": "binary", "boost_from_average": False}),
    ("flat", "number", False, {"objective": "regression", "max_depth": 2}),
    ("monotone", "number", False, {"objective": "regression", "monotone_constraints": [-1, 0, 1, 0, 0]}),
    ("groups", "number", False, {"objective": "regression", "interaction_constraints": [[0, 1], [2, 3, 4]]}),
    ("one_by_one", "number", False, {"objective": "regression", "max_cat_to_onehot": 10}),
]


def array(kind, name, values):
    suffix = "F" if kind == "float" else ""
    numbers = ["NAN_HERE" if np.isnan(v) else f"{float(v):#.9g}".rstrip("0") + "0" + suffix for v in np.ravel(values)]
    return f"static const {kind} {name}[{np.size(values)}] = {{{', '.join(numbers)}}};\n"


def main():
    rng = np.random.default_rng(8)
    x = np.column_stack([rng.integers(0, high, ROWS) for high in (9, 5, 12, 3, 7)]).astype(np.float32)
    score = (0.5 * x[:, 0] - x[:, 1] + np.where(x[:, 2] > 6, 2, 0) * x[:, 3] + np.array([0, 2, -1, 3, 0, -2, 1])[x[:, CATEGORY].astype(int)]
             + rng.normal(0, 0.7, ROWS))
    lost = rng.random(ROWS) < 0.2
    x[lost, 2] = np.nan
    x[rng.random(ROWS) < 0.1, CATEGORY] = np.nan
    score = np.round(score + 1.5 * lost, 4)
    targets = {"number": score, "count": np.round(np.exp(score / 4), 4), "two": (score > 1) + 0.0,
               "three": np.digitize(score, [-0.5, 2.5]) + 0.0}
    weights = np.round(rng.uniform(0.3, 2.5, ROWS), 4)
    out = ["/* golden_gbdt.h -- scores of boosted trees by LightGBM; written by make_gbdt.py next to it. */\n"
           "#ifndef MW_TESTS_GOLDEN_TREE_GOLDEN_GBDT_H\n#define MW_TESTS_GOLDEN_TREE_GOLDEN_GBDT_H\n\n"
           "#define NAN_HERE __builtin_nanf(\"\")\n\n",
           "enum { GOLDEN_ROWS = %d, GOLDEN_FEATURES = %d, GOLDEN_CATEGORY = %d, GOLDEN_ROUNDS = %d };\n"
           % (ROWS, FEATURES, CATEGORY, ROUNDS), array("float", "golden_x", x), array("double", "golden_weights", weights)]
    out += [array("double", "golden_" + name, target) for name, target in targets.items()]
    for name, target, weighted, settings in CASES:
        data = lightgbm.Dataset(x, targets[target], weight=weights if weighted else None, categorical_feature=[CATEGORY],
                                params={"verbose": -1, "feature_pre_filter": False, "min_data_in_bin": 1})
        even = not weighted and settings["objective"] in ("regression", "huber")
        model = lightgbm.train({**SETTINGS, **({} if even else UNEVEN), "verbose": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
                                **settings}, data, ROUNDS)
        out.append(array("double", "golden_of_" + name, np.float64(model.predict(x, raw_score=True))))
    path = os.path.join(HERE, "golden_gbdt.h")
    with open(path, "w") as f:
        f.write("".join(out) + "\n#endif\n")
    subprocess.run(["clang-format", "-i", path], check=True)


if __name__ == "__main__":
    main()
