#!/usr/bin/env python3
"""Nasty files: each is read as its writer meant it, or refused with a reason, and then nothing has changed.

The cases and what has to come of them stand in torture_cases.py and torture_times.py; below them are the calls that take more
than one file. MW_TORTURE_OUT=FOLDER keeps the files; MW_TORTURE=TEXT runs only cases with that text in their names.
"""
import datetime
import glob
import gzip
import hashlib
import json
import os
import re
import statistics
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csv_check import ingest, texts, times_us  # noqa: E402
from torture_cases import us  # noqa: E402
from journey import BINARY, missing, run, run_tap  # noqa: E402

SEED = "timestamp,temp\n2026-01-01 00:00:00,1.5\n2026-01-01 01:00:00,2.5\n"


def write(folder, name, data):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
    return path


def snapshot(folder):
    """Every file of the dataset with its bytes, and what the program says it holds."""
    files = {os.path.basename(p): hashlib.sha256(open(p, "rb").read()).hexdigest()
             for p in glob.glob(os.path.join(folder, "orgs/default/datasets/*/*"))}
    return files, run("summary", "--data", folder, "--json")


def cells_of(column):
    import pyarrow as pa
    if pa.types.is_dictionary(column.type):
        return "text", texts(column)
    if column.type == pa.float64():
        return "number", column.to_pylist()
    if column.type == pa.bool_():
        return "bool", column.to_pylist()
    return str(column.type), column.to_pylist()


def kind_of(cells):
    kinds = {type(c) for c in cells if c is not None} or {float}
    assert len(kinds) == 1, kinds
    return {str: "text", float: "number", bool: "bool"}[kinds.pop()]


def bits(cells):
    return [struct.pack("<d", c) if isinstance(c, float) else c for c in cells]


def check_cells(table, cells):
    names = [name for name in table.column_names if name != "time"]
    if isinstance(cells, list):
        # The file names no columns: those with values, in its order, and nothing else but all-missing ones.
        names = [n for n in names if table[n].null_count < table.num_rows]
        assert len(names) == len(cells), names
        cells = dict(zip(names, cells))
    # A unit in brackets may stay in the name or go to the unit; a separator at the end of every line may leave an empty column.
    found = {re.sub(r" \[[^]]*\]$", "", n): n for n in names if n in cells or table[n].null_count < table.num_rows}
    assert sorted(found) == sorted(cells), f"columns {sorted(found)[:9]}, expected {sorted(cells)[:9]}"
    for name, want in cells.items():
        kind, got = cells_of(table[found[name]])
        assert kind == kind_of(want), f"{name}: {kind} {got[:4]}, expected {kind_of(want)} {want[:4]}"
        if bits(got) != bits(want):
            at = next((i for i, (g, w) in enumerate(zip(bits(got), bits(want))) if g != w), min(len(got), len(want)))
            raise AssertionError(f"{name}, row {at}: {got[at:at + 3]}, expected {want[at:at + 3]} ({len(got)} rows, expected {len(want)})")


def check_rejects(done, rejects):
    assert done.file["rejected"] == len(rejects), f"{done.file['rejected']} rejected, expected {len(rejects)}: {done.rejects()[:3]}"
    for (line, reason, row), want in zip(done.rejects(), rejects):
        assert line == want[0] and want[1].lower() in reason.lower(), f"line {line}: {reason}; expected {want[:2]}"
        assert len(want) < 3 or row == want[2], f"line {line}: row {row!r}, expected {want[2]!r}"


def check(c, folder):
    why = missing()
    if why:
        return why
    path, data = write(folder, c["file"], c["data"]), os.path.join(folder, "data")
    if c["error"]:
        run("ingest", write(folder, "seed.csv", SEED), "--data", data, "--json")
        before = snapshot(data)
        done = ingest(path, data, *c["flags"])
        status, said = c["error"]
        assert done.status == status, f"exit status {done.status}, expected {status}: {done.said or done.stderr}"
        message = done.said.get("detail", "")
        assert said.lower() in (message + " " + done.said.get("hint", "")).lower(), f"{message!r} does not say {said!r}"
        assert snapshot(data) == before, "the dataset changed"
        return message
    done = ingest(path, data, *c["flags"])
    assert done.status == 0, f"exit status {done.status}: {done.said.get('detail', done.stderr)} ({done.said.get('hint')})"
    check_rejects(done, c["rejects"])
    table = done.table()
    times = c["times"]
    if times is None:
        times = [i * 1000000 for i in range(table.num_rows)]
    got = times_us(table).tolist()
    assert got == times, f"times {got[:4]}, expected {times[:4]} ({len(got)} rows, expected {len(times)})"
    check_cells(table, c["cells"])
    assert done.file["rows"] == len(times)
    return None


# --- more than one file, or none ---

def expect_rows(done, rows):
    assert done.status == 0, done.said or done.stderr
    assert done.said["rows"] == rows, done.said


def a_folder(folder):
    """The tables directly in it, and neither what goes with them nor what is hidden."""
    for name in ("a.csv", "b.csv.gz", "c.txt", "readme.txt", "d.json", ".hidden.csv", "deeper/e.csv"):
        write(folder, "in/" + name, gzip.compress(SEED.encode()) if name.endswith(".gz") else SEED)
    done = ingest(os.path.join(folder, "in"), os.path.join(folder, "data"))
    expect_rows(done, 6)
    assert [f["source"] for f in done.said["files"]] == ["a.csv", "b.csv.gz", "c.txt"]


def a_glob(folder):
    for name in ("p1.csv", "p2.csv", "q1.csv"):
        write(folder, "in/" + name, SEED)
    expect_rows(ingest(os.path.join(folder, "in", "p*.csv"), os.path.join(folder, "data")), 4)


def a_glob_of_nothing(folder):
    done = ingest(os.path.join(folder, "nothing*.csv"), os.path.join(folder, "data"))
    assert done.status not in (0, 1), done.status


def standard_input(folder):
    done = subprocess.run([BINARY, "ingest", "-", "--data", folder, "--json"], input=SEED, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["rows"] == 2


def odd_names(folder):
    for name in ("two words.csv", "-dash.csv", "Größe 25°.csv", "no ending", "a'b\"c.csv"):
        done = ingest(write(folder, name, SEED), os.path.join(folder, "data"))
        expect_rows(done, 2)
        assert done.file["source"] == name


def twice(folder):
    path, data = write(folder, "a.csv", SEED), os.path.join(folder, "data")
    expect_rows(ingest(path, data), 2)
    before = snapshot(data)
    again = ingest(path, data)
    assert again.status == 0 and again.said["new_files"] == 0 and again.said["unchanged_files"] == 1, again.said
    assert snapshot(data) == before


def corrected(folder):
    """A rejected row, corrected in its file, comes in at the second try; the rest comes once."""
    data = os.path.join(folder, "data")
    first = ingest(write(folder, "a.csv", SEED + "2026-01-01 02:00:00,bad\n"), data, "--max-reject-share", "1")
    expect_rows(first, 2)
    ((line, reason, row),) = first.rejects()
    assert (line, row) == (4, "2026-01-01 02:00:00,bad") and "not a number" in reason
    second = ingest(write(folder, "a.csv", SEED + row.replace("bad", "3.5") + "\n"), data)
    expect_rows(second, 3)
    assert second.file["replaces"] and second.file["rejected"] == 0
    assert json.loads(run("summary", "--data", data, "--json"))["rows"] == 3


def rejects_again(folder):
    """The rejects file itself, corrected, is a table that brings the rows that were missing."""
    data = os.path.join(folder, "data")
    text = "Zeit;Temp\n25.01.2026 06:00;1,5\n25.01.2026 07:00;1;5\n25.01.2026 08:00;kaputt\n25.01.2026 09:00;2,5\n"
    first = ingest(write(folder, "a.csv", text), data, "--max-reject-share", "1", "--time", "Zeit")
    expect_rows(first, 2)
    with open(first.path(first.file["rejects"])) as f:
        corrected = f.read().replace("1;5", "1,75").replace(";kaputt", ";2,25")
    second = ingest(write(folder, "a-corrected.csv", corrected), data)
    expect_rows(second, 2)
    check_cells(second.table(), {"Temp": [1.75, 2.25]})
    assert json.loads(run("summary", "--data", data, "--json"))["rows"] == 4


def dry_run(folder):
    path, data = write(folder, "a.csv", SEED), os.path.join(folder, "data")
    done = ingest(path, data, "--dry-run")
    assert done.status == 0, done.said or done.stderr
    findings = json.dumps(done.said)
    for what in ("separator", "encoding", "confidence", "temp"):
        assert what in findings, f"--dry-run does not say {what}: {findings[:400]}"
    assert not glob.glob(os.path.join(data, "**", "*.arrow"), recursive=True), "a dry run wrote rows"
    text = subprocess.run([BINARY, "ingest", path, "--data", data, "--dry-run"], capture_output=True, text=True)
    assert text.returncode == 0 and "2026-01-01" in text.stdout and "2.5" in text.stdout, text.stdout


def ambiguity_is_said(folder):
    path = write(folder, "a.csv", "timestamp,temp\n01/02/2026,1\n02/02/2026,2\n03/02/2026,3\n")
    done = ingest(path, os.path.join(folder, "data"), "--dry-run")
    assert done.status == 0, done.said or done.stderr
    notes = [f for f in json.dumps(done.said).split("{") if "time" in f and ("month" in f or "day first" in f)]
    assert notes, json.dumps(done.said)[:600]


def a_saved_profile(folder):
    """What one file's dry run found is saved, and reads a second file that alone would be read otherwise."""
    done = ingest(write(folder, "a.csv", "timestamp;temp\n25/01/2026 06:00;1,5\n26/01/2026 06:00;2,5\n"), os.path.join(folder, "data"), "--dry-run")
    assert done.status == 0, done.said or done.stderr
    profile = (done.said.get("files") or [done.said])[0].get("profile")
    assert profile, list(done.said)
    saved = write(folder, "profile.json", json.dumps(profile))
    second = ingest(write(folder, "b.csv", "timestamp;temp\n03/04/2026 06:00;3,5\n04/04/2026 06:00;4,5\n"), os.path.join(folder, "data"), "--profile", saved)
    expect_rows(second, 2)
    check_cells(second.table(), {"temp": [3.5, 4.5]})
    assert times_us(second.table()).tolist() == [1775196000000000, 1775282400000000]


def drift(folder):
    """A newer file with a new column, one missing, and numbers where text was: reported, the old rows stay."""
    data = os.path.join(folder, "data")
    expect_rows(ingest(write(folder, "a.csv", "timestamp,temp,state\n2026-01-01 00:00:00,1.5,on\n"), data), 1)
    second = ingest(write(folder, "b.csv", "timestamp,temp,load\n2026-01-02 00:00:00,2.5,7\n"), data)
    expect_rows(second, 1)
    said = json.loads(run("summary", "--data", data, "--json"))
    assert said["rows"] == 2 and {"temp", "load"} <= set(said["parameters"]), said
    assert "load" in json.dumps(second.said), f"the new column is not reported: {second.said}"


def training_on_files_that_disagree(folder):
    """A column that is text in one file and numbers in another, in one call or in two. The earlier file's type counts; what is no number is missing."""
    when = datetime.datetime(2026, 1, 1)
    for order, calls in (("ab", 1), ("ba", 1), ("ab", 2), ("ba", 2)):
        for k, name in enumerate(order):
            rows = "".join(f"{when + datetime.timedelta(days=30 * k, minutes=5 * i)},{i % 50 + 0.5},{'ok' if name == 'a' else i % 7}\n"
                           for i in range(1000))
            path = write(folder, f"{order}{calls}/csv/{k}.csv", "time,temp,note\n" + rows)
            if calls == 2:
                run("ingest", path, "--data", os.path.join(folder, f"{order}2"))
        data = os.path.join(folder, f"{order}{calls}")
        run("train", "--data", data, "--n-estimators", "3", "--json")
        said = json.loads(run("summary", "--data", data, "--json"))
        note = next(c for c in said["columns"] if c["name"] == "note")
        assert said["rows"] == 2000, said
        if order == "ab":
            assert (note["type"], note["count"], note["mean"]) == ("dictionary", 2000, None), note
        else:
            assert (note["type"], note["count"], note["missing"]) == ("float64", 1000, 1000), note
            assert abs(note["std"] - statistics.stdev(i % 7 for i in range(1000))) < 1e-9, note


def an_empty_column_fixes_no_type(folder):
    """A column without a value in the first file is what a later one has in it; the summary says the same."""
    texts = ["ts,a,s\n2026-01-05,1,\n2026-01-06,1,\n", "ts,a,s\n2026-01-07,2,on\n2026-01-08,2,off\n", "ts,a,s\n2026-01-09,x,7\n2026-01-10,y,8\n"]
    for calls in (1, 3):
        data = os.path.join(folder, f"data{calls}")
        paths = [write(folder, f"{k}.csv", text) for k, text in enumerate(texts)]
        for these in [paths] if calls == 1 else [[path] for path in paths]:
            run("ingest", *these, "--data", data)
        columns = {c["name"]: c for c in json.loads(run("summary", "--data", data, "--json"))["columns"]}
        assert (columns["s"]["type"], columns["s"]["count"]) == ("dictionary", 4), columns
        assert (columns["a"]["type"], columns["a"]["count"]) == ("float64", 4), columns


def other_options(folder):
    """The same content is read anew when other options are given than before, stays as it is when none are, and is never taken for it wrongly."""
    path, data = write(folder, "a.csv", SEED), os.path.join(folder, "data")
    hour = 3600 * 1000000
    start = us("2026-01-01")
    steps = [((), 2, start), ((), 0, None), (("--timezone", "Europe/Berlin"), 2, start - hour), (("--timezone", "Europe/Berlin"), 0, None),
             ((), 0, None), (("--max-reject-share", "0.5"), 0, None), (("--timezone", "UTC"), 2, start), (("--missing", "1.5"), 2, start),
             (("--profile", write(folder, "p.json", '{"missing": ["2.5"]}')), 2, start)]
    for flags, rows, first in steps:
        done = ingest(path, data, *flags)
        assert done.status == 0 and done.said["rows"] == rows, (flags, done.said)
        if rows:
            assert times_us(done.table()).tolist()[0] == first, flags
    write(folder, "p.json", '{"missing": ["1.5"]}')
    done = ingest(path, data, "--profile", os.path.join(folder, "p.json"))
    assert done.said["rows"] == 2 and done.file["replaces"], "the profile's content counts, not its name"
    assert json.loads(run("summary", "--data", data, "--json"))["rows"] == 2
    assert ingest(path, data, "--range", "temp").status == 2, "a wrong option is no less wrong for a known file"


def renames_that_cannot_be(folder):
    """A new name that is reserved, empty, too long or of no column of the file: said, and nothing changes."""
    data, path = os.path.join(folder, "data"), write(folder, "a.csv", SEED)
    for rule, said in (("temp=device_id", "reserved"), ("temp=Time", "reserved"), ("temp=", "empty"), ("temp=" + "x" * 300, "too long"),
                       ("load=power", "no such column"), ("temp", "OLD=NEW")):
        done = ingest(path, data, "--rename", rule)
        assert done.status == 2 and said in done.said["detail"], (rule, done.status, done.said or done.stderr)
    expect_rows(ingest(path, data, "--rename", "temp=oil_temp"), 2)


def duplicate_names(folder):
    """Two columns of one name: refused, or both kept under different names; never one of them lost."""
    done = ingest(write(folder, "a.csv", "timestamp,temp,temp\n2026-01-01 00:00:00,1.5,2.5\n"), os.path.join(folder, "data"))
    if done.status == 4:
        assert "temp" in done.said["detail"] and done.said["hint"], done.said
        return
    assert done.status == 0, done.said or done.stderr
    values = sorted(v for n in done.table().column_names if n != "time" for v in done.table()[n].to_pylist())
    assert values == [1.5, 2.5], values


def same_bytes_at_any_thread_count(folder):
    path = write(folder, "a.csv", next(c for c in all_cases() if c["name"] == "late: a new text")["data"])
    names = {tuple(ingest(path, os.path.join(folder, f"data{jobs}"), "--jobs", str(jobs)).segments()[0].split("/")[-1:]) for jobs in (1, 2, 3)}
    assert len(names) == 1, names  # a segment is named by its own bytes


CALLS = [("a folder", a_folder), ("a glob", a_glob), ("a glob of nothing", a_glob_of_nothing), ("standard input", standard_input),
         ("odd file names", odd_names), ("the same file twice", twice), ("rejects, corrected", corrected), ("rejects, corrected in their own file", rejects_again), ("dry run", dry_run),
         ("an ambiguous date is said", ambiguity_is_said), ("a saved profile", a_saved_profile), ("schema drift", drift), ("training on files that disagree", training_on_files_that_disagree), ("an empty column fixes no type", an_empty_column_fixes_no_type), ("other options", other_options), ("renames that cannot be", renames_that_cannot_be),
         ("two columns of one name", duplicate_names), ("the same bytes at 1, 2 and 3 threads", same_bytes_at_any_thread_count)]


def all_cases():
    from torture_cases import CASES
    import torture_times  # noqa: F401
    return CASES


def main():
    only = os.environ.get("MW_TORTURE", "")
    out = os.environ.get("MW_TORTURE_OUT")
    cases = all_cases()
    assert len(cases) >= 60 and len({c["name"] for c in cases}) == len(cases)
    if out:
        for i, c in enumerate(cases):
            write(out, f"{i:03d}-{re.sub(r'[^a-zA-Z0-9]+', '-', c['name'])}-{c['file']}", c["data"])
    tests = [(c["name"], lambda folder, c=c: check(c, folder)) for c in cases]
    tests += [(name, lambda folder, f=f: missing() or f(folder)) for name, f in CALLS]
    run_tap([t for t in tests if only in t[0]])


if __name__ == "__main__":
    main()
