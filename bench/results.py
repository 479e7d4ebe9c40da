#!/usr/bin/env python3
"""Appends a measured figure to bench/results.csv.

    bench/results.py NAME METRIC VALUE UNIT [PEER PEER_VALUE [SPREAD [COMMAND]]]

Each line is one figure of one run: date, commit it was built from (+ when the tree had changes), what was measured,
the peer (with its version) measured in the same run, the spread over repetitions, and the command that repeats it.
MW_RESULTS names another file; MW_RESULTS= (empty) writes nothing.
"""
import csv
import datetime
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = ["date", "commit", "name", "metric", "value", "unit", "peer", "peer_value", "spread", "command"]


def commit():
    def git(*arguments):
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "Makefile", "tools/make")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def append(rows, path=None):
    """rows: dictionaries with the fields after commit; missing ones stay empty."""
    path = os.environ.get("MW_RESULTS", os.path.join(ROOT, "bench", "results.csv")) if path is None else path
    if not path:
        return
    stamp = {"date": datetime.date.today().isoformat(), "commit": commit()}
    new = not os.path.exists(path) or os.path.getsize(path) == 0
    with open(path, "a", newline="") as f:
        writer = csv.DictWriter(f, FIELDS, lineterminator="\n", restval="")
        if new:
            writer.writeheader()
        writer.writerows({**stamp, **row} for row in rows)


def main():
    if not 5 <= len(sys.argv) <= 1 + len(FIELDS) - 2:
        sys.exit(__doc__)
    append([dict(zip(FIELDS[2:], sys.argv[1:]))])


if __name__ == "__main__":
    main()
