#!/usr/bin/env python3
"""tests/fuzz/pyarrow_reader.py for a while: kept tables and new ones read by the reader's two paths and by pyarrow, every cell equal.

MW_FUZZ_SECONDS of new tables (default 30), MW_SEED repeats a run.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journey import ROOT, missing, run_tap  # noqa: E402


def equal(folder):
    why = missing()
    if why:
        return why
    subprocess.run(["make", "-s", "--no-print-directory", "build-serve-reader"], cwd=ROOT, check=True, stdout=sys.stderr)
    seed = ["--seed", os.environ["MW_SEED"]] if "MW_SEED" in os.environ else []
    done = subprocess.run([sys.executable, "tests/fuzz/pyarrow_reader.py", "--seconds", os.environ.get("MW_FUZZ_SECONDS", "30"), *seed],
                          cwd=ROOT, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


if __name__ == "__main__":
    run_tap([("mutated tables are read as pyarrow reads them", equal)])
