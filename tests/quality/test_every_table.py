#!/usr/bin/env python3
"""Every table of the public data sets, ingested and read back: row counts as their README states them, no row
rejected, and every cell what pandas reads from the original: numbers to the last bit, times, texts, missing cells.

What pandas has to be told of each file stands in TABLES; Millwright is told nothing, but of one file. Files of other formats (LibSVM,
prose) must be refused and leave no dataset.
"""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csv_check import ingest_measured, texts, times_us  # noqa: E402
from journey import DATA, missing, run_tap  # noqa: E402

SECOND = 1000 * 1000
LINES = []
NAB_ROWS = 365558


def table(path, rows, **of):
    """of: sep (","; None: blanks), header (True), time (column, or None: rows are numbered), form (of the time; None: ISO 8601),
    texts (columns), labels {column: its name in a dataset}, flags (what Millwright has to be told)."""
    return path, {"sep": ",", "header": True, "time": None, "form": None, "texts": (), "labels": {}, "rows": rows, "flags": (), **of}


MACHINE = {"machineID": "device_id"}
ELEVATOR = "elevator/predictive-maintenance-dataset.csv"
PROPHET = {"air_passengers": 144, "pedestrians_covid": 1490, "pedestrians_multivariate": 720, "retail_sales": 293, "wp_log_R": 2863,
           "wp_log_R_outliers1": 2863, "wp_log_R_outliers2": 2863, "wp_log_peyton_manning": 2905, "yosemite_temps": 18721}
ADBENCH = {"2_annthyroid": 7200, "4_breastw": 683, "6_cardio": 1831, "7_Cardiotocography": 2114, "10_cover": 286048, "11_donors": 619326,
           "12_fault": 1941, "14_glass": 214, "18_Ionosphere": 351, "19_landsat": 6435, "20_letter": 1600, "22_magic.gamma": 19020,
           "23_mammography": 11183, "26_optdigits": 5216, "29_Pima": 768, "30_satellite": 6435, "31_satimage-2": 5803, "32_shuttle": 49097,
           "33_skin": 245057, "38_thyroid": 3772, "40_vowels": 1456, "42_WBC": 223}

TABLES = [
    table("ai4i2020/ai4i2020.csv", 10000, texts=("Product ID", "Type")),
    table("appliances_energy/energydata_complete.csv", 19735, time="date"),
    table("azure_pdm/PdM_errors.csv", 3919, time="datetime", texts=("errorID",), labels=MACHINE),
    table("azure_pdm/PdM_failures.csv", 761, time="datetime", texts=("failure",), labels=MACHINE),
    table("azure_pdm/PdM_machines.csv", 100, texts=("model",), labels=MACHINE),
    table("azure_pdm/PdM_maint.csv", 3286, time="datetime", texts=("comp",), labels=MACHINE),
    table("azure_pdm/PdM_telemetry_20machines_90days.csv", 43200, time="datetime", labels=MACHINE),
    table("california_housing/housing.csv", 20640, texts=("ocean_proximity",)),
    table("cmapss_fd001/RUL_FD001.txt", 100, sep=None, header=False),
    table("cmapss_fd001/test_FD001.txt", 13096, sep=None, header=False),
    table("cmapss_fd001/train_FD001.txt", 20631, sep=None, header=False),
    # A spreadsheet has made months of 5,777 of its numbers ("18. Jan" of 18.01): all rows come in as text only.
    table(ELEVATOR, 112001, sep=";", texts=("ball-bearing", "vibration"), flags=("--text", "ball-bearing,vibration")),
    table("ett/ETTh1.csv", 17420, time="date"),
    *[table(f"gas_turbine/gt_{year}.csv", rows) for year, rows in
      ((2011, 7411), (2012, 7628), (2013, 7152), (2014, 7158), (2015, 7384))],
    *[table(f"hydraulic/{name}.txt", 2205, sep="\t", header=False) for name in
      ("CE", "CP", "SE", "TS1", "TS2", "TS3", "TS4", "VS1", "profile")],
    *[table(f"ims_bearing/merged_dataset_BearingTest_{n}.csv", rows, time="Unnamed: 0") for n, rows in ((1, 2156), (2, 984), (3, 6324))],
    *[table(f"lightgbm_examples/{name}.{part}", rows, sep="\t", header=False)
      for name in ("binary", "regression", "multiclass") for part, rows in (("train", 7000), ("test", 500))],
    *[table(f"lightgbm_examples/{name}", rows, header=False) for name, rows in
      (("binary.train.weight", 7000), ("binary.test.weight", 500), ("regression.train.init", 7000), ("regression.test.init", 500),
       ("rank.train.query", 201), ("rank.test.query", 50))],
    table("pjm/PJME_hourly.csv", 145366, time="Datetime"),
    *[table(f"prophet/example_{name}.csv", rows, time="ds") for name, rows in PROPHET.items()],
    *[table(f"prophet/tests_data{n}.csv", rows, time="ds") for n, rows in (("", 510), ("2", 863), ("3", 70))],
    table("steel_energy/Steel_industry_data.csv", 35040, time="date", form="%d/%m/%Y %H:%M", texts=("WeekStatus", "Day_of_week", "Load_Type")),
    table("tennessee_eastman/d00.dat", 52, sep=None, header=False),
    table("tennessee_eastman/d00_te.dat", 960, sep=None, header=False),
    *[table(f"tennessee_eastman/d{n:02d}{part}.dat", rows, sep=None, header=False)
      for n in range(1, 11) for part, rows in (("", 480), ("_te", 960))],
    *[table(f"adbench/{name}.csv", rows) for name, rows in ADBENCH.items()],
]
NOT_TABLES = ["agaricus/agaricus.txt.train", "agaricus/agaricus.txt.test", "lightgbm_examples/rank.train", "lightgbm_examples/rank.test",
              "lightgbm_examples/categorical.data", "hydraulic/description.txt", "hydraulic/documentation.txt", "cmapss_fd001/readme.txt",
              "tennessee_eastman/readme.txt", "nab/labels/combined_windows.json"]


def stored(path):
    packed = os.path.join(DATA, path + ".gz")
    return packed if os.path.exists(packed) else os.path.join(DATA, path)


def original(path, spec):
    """As pandas reads it: times in us (None: no such column), {name: column} in the file's order."""
    import pandas as pd
    frame = pd.read_csv(path, sep=r"\s+" if spec["sep"] is None else spec["sep"], header=0 if spec["header"] else None,
                        dtype={name: str for name in (*spec["texts"], *spec["labels"], spec["time"]) if name}, encoding="utf-8-sig",
                        float_precision="round_trip", low_memory=False)
    time = None
    if spec["time"]:
        stamps = pd.to_datetime(frame.pop(spec["time"]), format=spec["form"] or "ISO8601", utc=True)
        time = stamps.astype("datetime64[us, UTC]").astype("int64").to_numpy()
    return time, {name: frame[name] for name in frame}


def same_numbers(ours, theirs):
    import numpy as np
    null = np.asarray(ours.is_null())
    theirs = theirs.to_numpy(np.float64)
    if not np.array_equal(null, np.isnan(theirs)):
        return False
    ours = ours.to_numpy()
    return np.array_equal(ours[~null].view(np.int64), theirs[~null].view(np.int64))


def check_columns(got, columns, spec, order):
    """Every column of the file, under its name or in its place, in time order."""
    import pyarrow as pa
    names = [name for name in got.column_names if name != "time"]
    assert len(names) == len(columns), f"columns {names[:8]}, expected {list(columns)[:8]}"
    for place, (name, theirs) in enumerate(columns.items()):
        bare = str(name).rsplit(" [", 1)[0]
        found = [n for n in (spec["labels"].get(name), name, bare, str(name).strip()) if n in names] if spec["header"] else [names[place]]
        assert found, f"no column {name}, only {names}"
        ours = got[found[0]]
        theirs = theirs.iloc[order]
        is_text = name in spec["texts"] or name in spec["labels"]
        assert pa.types.is_dictionary(ours.type) == is_text, f"{name}: {ours.type}"
        if is_text:
            want = [None if isinstance(t, float) else t for t in theirs]
            assert texts(ours) == want, f"{name}: texts differ"
        else:
            assert same_numbers(ours, theirs), f"{name}: numbers differ"


def check(path, spec, folder):
    import numpy as np
    why = missing(path if os.path.exists(os.path.join(DATA, path)) else path + ".gz")
    if why:
        return why
    line = {"rows": spec["rows"], "rejects": "-", "seconds": 0.0, "memory": 0.0, "equal": "NO"}
    LINES.append((path, line))
    done = ingest_measured(stored(path), folder, *spec["flags"])
    assert done.status == 0, f"exit status {done.status}: {done.stderr}"
    line.update(rows=done.file["rows"], rejects=done.file["rejected"], seconds=done.seconds, memory=done.peak_mb)
    assert done.file["rejected"] == 0, f"{done.file['rejected']} rows rejected: {done.rejects()[:3]}"
    time, columns = original(stored(path), spec)
    n = len(next(iter(columns.values())))
    if spec["rows"]:
        assert n == spec["rows"], f"pandas reads {n} rows"
    assert done.file["rows"] == n, f"{done.file['rows']} rows, expected {n}"
    if time is None:
        time = np.arange(n) * SECOND
    order = np.argsort(time, kind="stable")
    got = done.table()
    assert got.num_rows == n and np.array_equal(times_us(got), time[order]), "times differ"
    check_columns(got, columns, spec, order)
    line["equal"] = "yes"


def mangled(folder):
    """Without being told: a column with cells such as "31. Jul" is text, also where the first one comes late, and no row is lost."""
    why = missing(ELEVATOR + ".gz")
    if why:
        return why
    done = ingest_measured(stored(ELEVATOR), folder)
    assert done.status == 0 and (done.file["rows"], done.file["rejected"]) == (112001, 0), done.said


def refused(path, folder):
    why = missing(path if os.path.exists(os.path.join(DATA, path)) else path + ".gz")
    if why:
        return why
    done = ingest_measured(stored(path), folder)
    assert done.status == 4, f"exit status {done.status}, expected 4 (unusable data): {done.stderr} {done.said}"
    assert done.said.get("hint"), done.said
    assert not glob.glob(os.path.join(folder, "**", "*.arrow"), recursive=True)
    return done.said["detail"]


def nab():
    """Its 58 series; a row count for all of them together is what their README states."""
    found = sorted(glob.glob(os.path.join(DATA, "nab/data/*/*.csv*")))
    return [table(os.path.relpath(path, DATA).removesuffix(".gz"), None, time="timestamp") for path in found]


def nab_total(_):
    rows = [line["rows"] for path, line in LINES if path.startswith("nab/")]
    if not rows:
        return "skip: no nab folder"
    assert len(rows) == 58 and sum(r or 0 for r in rows) == NAB_ROWS, (len(rows), rows)


def summary(_):
    if not LINES:
        return "skip: no data set was there"
    lines = [f"{'table':58s} {'rows':>7s} {'rejects':>7s} {'seconds':>7s} {'MB':>6s} equal"]
    lines += [f"{path:58s} {line['rows'] or 0:7d} {line['rejects']:>7} {line['seconds']:7.3f} {line['memory']:6.1f} {line['equal']}"
              for path, line in LINES]
    equal = sum(line["equal"] == "yes" for _, line in LINES)
    lines.append(f"{equal} of {len(LINES)} tables equal, {sum(line['rows'] or 0 for _, line in LINES)} rows, "
                 f"{sum(line['seconds'] for _, line in LINES):.1f} s, at most {max(line['memory'] for _, line in LINES):.1f} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    run_tap([(path, lambda folder, path=path, spec=spec: check(path, spec, folder)) for path, spec in TABLES + nab()] +
            [("nab: 58 series", nab_total), ("elevator: numbers that became months", mangled)] +
            [(f"{path} is refused", lambda folder, path=path: refused(path, folder)) for path in NOT_TABLES] +
            [("every table", summary)])
