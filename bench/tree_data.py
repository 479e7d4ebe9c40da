#!/usr/bin/env python3
"""The tables that the tree benchmarks learn from, generated ones of any length and public sets, and how good predictions of them are.

    build/venv-peers/bin/python bench/tree_data.py [--folder build/bench-tree] [--rows 1000000]

A generated table has 28 numbers with four decimals and a binary target: 21 measured quantities, 7 made of them as physicists
do, and a target that depends on products, distances and thresholds of them; a perfect model reaches an AUC of PERFECT. Chunks
of 100,000 rows have a random generator each, so that a smaller table is the beginning of a larger one; the test table's
chunks come after all others. It is kept as ROWS.x.npy, ROWS.y.npy (float32, row by row) and ROWS.csv, target first.

Public sets are read from MILLWRIGHT_TEST_DATA (default ../shared/data) into a Table, every time.
"""
import argparse
import dataclasses
import gzip
import io
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(ROOT, "build", "bench-tree")
PUBLIC = os.environ.get("MILLWRIGHT_TEST_DATA", os.path.join(ROOT, "..", "shared", "data"))
VERSION = 1  # of the contents: tables of another version are written anew
SEED, CHUNK, FEATURES = 20260107, 100_000, 28
TEST, TEST_CHUNK = "test", 1_000_000
TARGET = "target"


@dataclasses.dataclass
class Table:
    x: np.ndarray  # float32, NaN where missing
    y: np.ndarray  # float32
    task: str  # binary or regression
    group: np.ndarray | None = None  # rows that must stay on one side of a split

    def split(self, seed, share=0.7):
        """Numbers of the training rows and of the test rows."""
        units = np.arange(len(self.y)) if self.group is None else np.unique(self.group)
        chosen = np.random.default_rng(seed).permutation(units)[:round(share * len(units))]
        mask = np.isin(units if self.group is None else self.group, chosen)
        return np.flatnonzero(mask), np.flatnonzero(~mask)


def names(n=FEATURES):
    return [f"f{i}" for i in range(n)]


def write_csv(path, x, y):
    columns = [pa.array(y, from_pandas=True)] + [pa.array(np.ascontiguousarray(x[:, i]), from_pandas=True) for i in range(x.shape[1])]
    table = pa.table(columns, names=[TARGET] + names(x.shape[1]))
    pa.csv.write_csv(table, path, pa.csv.WriteOptions(quoting_style="none"))


def write(stem, x, y):
    np.save(stem + ".x.npy", x)
    np.save(stem + ".y.npy", y)
    write_csv(stem + ".csv", x, y)


def table(stem):
    """The rows and targets of a stored table."""
    return np.load(stem + ".x.npy"), np.load(stem + ".y.npy")


def area_under_curve(y, score):
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(ties) - (ties - 1) / 2)[place]
    positives = y.sum(dtype=np.float64)
    return float((rank[y == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))


def quality(task, y, score):
    return area_under_curve(y, score) if task == "binary" else float(np.sqrt(np.mean((y - score) ** 2, dtype=np.float64)))


# --- generated ---

def chunk(number, n):
    rng = np.random.default_rng([SEED, number])
    x = np.empty((n, FEATURES), np.float32)
    normal = rng.standard_normal((n, 12))
    x[:, :12] = normal
    x[:, 12:16] = rng.gamma(2, 0.5, (n, 4))  # momenta
    x[:, 16:19] = rng.uniform(-np.pi, np.pi, (n, 3))  # angles
    x[:, 19] = rng.integers(0, 4, n)  # a count
    x[:, 20] = rng.exponential(1, n)
    x[:, 21] = np.hypot(x[:, 12] * np.cos(x[:, 16]) + x[:, 13] * np.cos(x[:, 17]), x[:, 12] * np.sin(x[:, 16]) + x[:, 13] * np.sin(x[:, 17]))
    x[:, 22] = np.sqrt(2 * x[:, 14] * x[:, 15] * (1 - np.cos(x[:, 17] - x[:, 18])))
    x[:, 23] = np.hypot(x[:, 0], x[:, 1])
    x[:, 24] = x[:, 2] * x[:, 3]
    x[:, 25] = x[:, 12:16].sum(axis=1)
    x[:, 26] = np.abs(x[:, 4] - x[:, 5])
    x[:, 27] = x[:, 20] / (1 + x[:, 15])
    logit = (1.1 * np.sin(1.5 * x[:, 21]) - 0.9 * (x[:, 22] - 1.2) + 0.8 * x[:, 24] * (x[:, 19] > 1) + 0.9 * x[:, 0] * x[:, 6]
             - 0.7 * (x[:, 23] > 1.5) + 0.6 * x[:, 7] * np.abs(x[:, 8]) + 0.5 * np.cos(x[:, 18] + x[:, 9]) + 0.4 * x[:, 26]
             - 0.3 * x[:, 27] + 0.3 * x[:, 10] - 0.1)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    return np.round(x, 4), y


def path_of(folder, rows, part):
    return os.path.join(folder, f"{rows}.{part}")


def generated(folder, rows):
    """Makes the table that is not there yet; `rows` is a number, or TEST. Returns what its files' names begin with."""
    stem, done = path_of(folder, rows, "")[:-1], path_of(folder, rows, f"v{VERSION}")
    if os.path.exists(done):
        return stem
    os.makedirs(folder, exist_ok=True)
    n, first = (CHUNK, TEST_CHUNK) if rows == TEST else (rows, 0)
    x = np.lib.format.open_memmap(stem + ".x.npy", "w+", np.float32, (n, FEATURES))
    y = np.lib.format.open_memmap(stem + ".y.npy", "w+", np.float32, (n,))
    with open(stem + ".csv", "wb") as out:
        out.write((",".join([TARGET] + names()) + "\n").encode())
        for at in range(0, n, CHUNK):
            here = slice(at, min(at + CHUNK, n))
            x[here], y[here] = (part[:here.stop - at] for part in chunk(first + at // CHUNK, CHUNK))
            text = io.BytesIO()
            write_csv(text, x[here], y[here])
            out.write(text.getvalue().split(b"\n", 1)[1])
    open(done, "w").close()
    return stem


# --- public ---

def public_path(*parts):
    for ending in ("", ".gz"):
        path = os.path.join(PUBLIC, *parts) + ending
        if os.path.exists(path):
            return path
    raise SystemExit(f"no {os.path.join(*parts)} in {PUBLIC}: set MILLWRIGHT_TEST_DATA")


def of_frame(frame, target, task, group=None):
    """Texts become their numbers in sorted order, for every program alike."""
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype("category").cat.codes
    return Table(frame.drop(columns=target).to_numpy(np.float32), frame[target].to_numpy(np.float32), task, group)


def adbench(name):
    return of_frame(pd.read_csv(public_path("adbench", name + ".csv")), "label", "binary")


def higgs_sample():
    parts = [pd.read_csv(public_path("lightgbm_examples", f"binary.{part}"), sep="\t", header=None) for part in ("train", "test")]
    return of_frame(pd.concat(parts, ignore_index=True), 0, "binary")


def california_housing():
    return of_frame(pd.read_csv(public_path("california_housing", "housing.csv")), "median_house_value", "regression")


def gas_turbine():
    years = [pd.read_csv(public_path("gas_turbine", f"gt_{year}.csv")) for year in range(2011, 2016)]
    years = [year.rename(columns=str.strip) for year in years]
    return of_frame(pd.concat(years, ignore_index=True).drop(columns="CO"), "NOX", "regression")


def agaricus():
    rows = []
    for part in ("train", "test"):
        path = public_path("agaricus", f"agaricus.txt.{part}")
        with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as f:
            rows += [line.split() for line in f]
    x = np.zeros((len(rows), 127), np.float32)
    for i, row in enumerate(rows):
        x[i, [int(cell.split(":")[0]) for cell in row[1:]]] = 1
    return Table(x, np.array([float(row[0]) for row in rows], np.float32), "binary")


def azure_pdm(hours=24):
    """Will the machine fail within a day? Sensors with lags and windows, errors of the last day, time since each part was new."""
    read = lambda name: pd.read_csv(public_path("azure_pdm", name + ".csv"), parse_dates=["datetime"])
    frame = read("PdM_telemetry_20machines_90days").sort_values(["machineID", "datetime"], ignore_index=True)
    by_machine = frame.groupby("machineID")
    for name in ("volt", "rotate", "pressure", "vibration"):
        frame[f"{name}_1"] = by_machine[name].shift(1)
        for width in (3, 24):
            rolled = by_machine[name].rolling(width)
            frame[f"{name}_mean{width}"] = rolled.mean().to_numpy()
            frame[f"{name}_sd{width}"] = rolled.std().to_numpy()
    for kind, events in read("PdM_errors").groupby("errorID"):
        at = frame[["machineID", "datetime"]].merge(events.drop_duplicates(), how="left")["errorID"].notna().astype(int)
        frame[f"{kind}_day"] = at.groupby(frame["machineID"]).rolling(hours, min_periods=1).sum().to_numpy()
    for part, events in read("PdM_maint").groupby("comp"):
        frame[f"{part}_age"] = hours_to(frame, events, "backward")
    frame = frame.merge(pd.read_csv(public_path("azure_pdm", "PdM_machines.csv")), how="left")
    frame["fails"] = (hours_to(frame, read("PdM_failures"), "forward") <= hours).astype(int)
    machine = frame["machineID"].to_numpy()
    return of_frame(frame.drop(columns=["datetime", "machineID"]), "fails", "binary", machine)


def hours_to(frame, events, direction):
    """From each row to its machine's nearest event that way; missing where there is none."""
    left = frame[["datetime", "machineID"]].reset_index().sort_values("datetime")
    right = events[["datetime", "machineID"]].assign(event=events["datetime"]).sort_values("datetime")
    joined = pd.merge_asof(left, right, on="datetime", by="machineID", direction=direction, allow_exact_matches=direction == "backward")
    hours = (joined["event"] - joined["datetime"]).abs() / pd.Timedelta(hours=1)
    return hours.to_numpy()[np.argsort(joined["index"].to_numpy())]


SETS = {
    "higgs": higgs_sample,
    "cover": lambda: adbench("10_cover"),
    "donors": lambda: adbench("11_donors"),
    "skin": lambda: adbench("33_skin"),
    "california_housing": california_housing,
    "gas_turbine": gas_turbine,
    "azure_pdm": azure_pdm,
    "agaricus": agaricus,
}


def stored(folder, name):
    """A public set as the files that generated() makes: its first 70 % by a split, and the rest as its test table."""
    stem = os.path.join(folder, name)
    if not os.path.exists(stem + f".v{VERSION}"):
        os.makedirs(folder, exist_ok=True)
        table = SETS[name]()
        for ending, rows in zip(("", ".test"), table.split(0)):
            write(stem + ending, table.x[rows], table.y[rows])
        open(stem + f".v{VERSION}", "w").close()
    return stem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=FOLDER)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    for rows in (options.rows, TEST):
        print(generated(options.folder, rows) + ".csv")


if __name__ == "__main__":
    main()
