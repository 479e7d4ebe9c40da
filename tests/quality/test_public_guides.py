#!/usr/bin/env python3
"""The guides on public data, docs/guide/public, show what the program does, and it is as good as it has to be. TAP, standard library only.

    MILLWRIGHT_TEST_DATA=../shared/data tests/quality/test_public_guides.py

They are run as tests/cli/test_docs.py runs other documents; bench/public_tasks.py runs them with other seeds.
"""
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/cli"))

import test_docs  # noqa: E402 (after its folder)

# Of a guide: what its figures look like in what it prints, and the last ones of them with the least and the most they may be.
GUIDES = {
    "failures": (r'"roc_auc":([\d.]+)', {"AUC, readings": (0.94, 1), "AUC, readings and logs": (0.99, 1)}),
    "remaining-life": (r"RMSE of 100 engines: ([\d.]+)", {"RMSE": (0, 13.5)}),
    "conditions": (r"^(?:cooler|valve|pump|accumulator) ([\d.]+)$",
                   {"accuracy, cooler": (0.99, 1), "accuracy, valve": (0.55, 1), "accuracy, pump": (0.98, 1), "accuracy, accumulator": (0.92, 1)}),
}


def run_guide(name, folder, seed=None):
    """Results of its commands, as test_docs has them, and its figures by name; models are learned with the seed."""
    pattern, bounds = GUIDES[name]
    path = test_docs.PUBLIC / f"{name}.md"
    steps, _ = test_docs.read_document(path)
    for step in steps if seed is not None else []:
        step.command = step.command.replace("--learner gbdt", f"--learner gbdt --set seed={seed}")
    results = test_docs.run_steps(path, steps, test_docs.Sandbox(folder))
    found = re.findall(pattern, "\n".join(line for step in steps for line in step.printed), re.M)
    return results, dict(zip(bounds, map(float, found[-len(bounds):])))


def main():
    if not test_docs.DATA:
        sys.exit("MILLWRIGHT_TEST_DATA does not name the folder of public data")
    results = []
    for name, (_, bounds) in GUIDES.items():
        with tempfile.TemporaryDirectory(prefix="mw-guides-") as work:
            folder = Path(work) / name
            folder.mkdir()
            shown, figures = run_guide(name, folder)
        results += shown
        for figure, (least, most) in bounds.items():
            value = figures.get(figure)
            fine = value is not None and least <= value <= most
            results.append((f"{name}: {figure} is from {least} to {most}", None if fine else f"# it is {value}\n"))
    return test_docs.report(results)


if __name__ == "__main__":
    sys.exit(main())
