#!/usr/bin/env python3
"""An ingest of 40 files that is killed again and again goes on where it was, and ends with the bytes of one that nobody disturbed.

kill -9 at random moments until it completes. Of all calls together it is counted how many files they read (each has rows for the rejects file, and
that is logged when it is read) and took over (`resumed`). A kill costs the file that is being read, never one that was finished. MW_SEED
repeats a run.
"""
import glob
import hashlib
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journey import BINARY, run_tap  # noqa: E402

FILES, ROWS = 40, 6000


def sources(folder):
    os.makedirs(folder)
    for k in range(FILES):
        draw = random.Random(k)
        with open(os.path.join(folder, f"day{k:02d}.csv"), "w") as f:
            f.write("timestamp,device,a,b,c\n")
            for i in range(ROWS):
                stamp = f"2026-{k // 28 + 1:02d}-{k % 28 + 1:02d} {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}"
                f.write(f"{stamp},P{i % 5},{draw.random():.4f},{draw.randrange(100)},{'bad' if i % 1999 == 7 else draw.random()}\n")
    return folder


def start(paths, data):
    return subprocess.Popen([BINARY, "ingest", *paths, "--data", data, "--json"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ingest(paths, data):
    process = start(paths, data)
    said = json.loads(process.communicate()[0])
    assert process.returncode == 0, said
    return said


def stopped(paths, data, finished):
    """Kills an ingest as soon as this many manifests lie in its work folder."""
    process = start(paths, data)
    while process.poll() is None and len(manifests(data)) < finished:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode != 0, "it ended before it could be killed"
    return len(manifests(data))


def work_folder(data):
    return os.path.join(data, "orgs/default/work")


def manifests(data):
    """Sources that some dead or running job has finished."""
    return {os.path.basename(path) for path in glob.glob(work_folder(data) + "/**/*.done.json", recursive=True)}


def contents(data):
    """Every file of the datasets, by name and hash."""
    found = {}
    for folder, _, names in os.walk(os.path.join(data, "orgs/default/datasets")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                found[os.path.join(os.path.basename(folder), name)] = hashlib.sha256(f.read()).hexdigest()
    return found


def facts(said):
    """What is said of the files, without how it came about."""
    return [{key: value for key, value in file.items() if key != "resumed"} for file in said["files"]]


def nothing_left(data):
    assert os.listdir(work_folder(data)) == [], os.listdir(work_folder(data))


def killed(folder):
    seed = int(os.environ.get("MW_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# MW_SEED={seed}", flush=True)
    draw = random.Random(seed)
    csv, alone, data = sources(os.path.join(folder, "csv")), os.path.join(folder, "alone"), os.path.join(folder, "data")
    begin = time.monotonic()
    want = ingest([csv], alone)
    seconds = time.monotonic() - begin
    assert not any(file["resumed"] for file in want["files"])
    kills, before, read = 0, 0, 0
    while True:
        process = start([csv], data)
        try:
            out, log = process.communicate(timeout=draw.uniform(0.05, 0.35) * seconds)
            read += log.count("rows were rejected")
            break
        except subprocess.TimeoutExpired:
            process.kill()
            read += process.communicate()[1].count("rows were rejected")
        kills += 1
        finished = len(manifests(data))
        # One file's worth of manifests may be on the way from one folder to the other.
        assert finished >= before - 1, f"kill {kills}: {before} files were finished, {finished} are left"
        before = max(before, finished)
        seconds *= 1.02  # so that it ends on a slower machine, too
        assert kills < 400, "it never ends"
    got = json.loads(out)
    assert process.returncode == 0, got
    resumed = sum(file["resumed"] for file in got["files"])
    assert resumed >= before - 1 and kills > 0
    assert FILES <= read <= FILES + kills, f"{read} files were read in {kills} kills"
    assert contents(data) == contents(alone)
    assert facts(got) == facts(want)
    nothing_left(data)
    return f"{kills} kills, {read} files read in all, {resumed} of {FILES} taken over by the last call"


def paths_of(folder):
    return [os.path.join(folder, f"day{k:02d}.csv") for k in range(FILES)]


def changed(folder):
    """A source that changed and other options: read again. Another dataset: leaves it alone."""
    csv, data, alone = sources(os.path.join(folder, "csv")), os.path.join(folder, "data"), os.path.join(folder, "alone")
    finished = stopped([csv], data, 12)
    with open(os.path.join(csv, "day03.csv"), "a") as f:
        f.write("2026-12-31 00:00:00,P1,1,1,1\n")
    elsewhere = ingest([paths_of(csv)[39], "--dataset", "other"], data)
    assert not elsewhere["files"][0]["resumed"]
    assert len(manifests(data)) == finished
    got, want = ingest([csv], data), ingest([csv], alone)
    by_name = {file["source"]: file for file in got["files"]}
    assert not by_name["day03.csv"]["resumed"] and by_name["day03.csv"]["rows"] == by_name["day02.csv"]["rows"] + 1
    assert sum(file["resumed"] for file in got["files"]) == finished - 1
    assert facts(got) == facts(want)
    nothing_left(data)

    stopped([csv, "--dataset", "again"], data, 5)
    other = ingest([csv, "--dataset", "again", "--collisions", "mean"], data)
    assert not any(file["resumed"] for file in other["files"])
    nothing_left(data)


def said_in_text(folder):
    csv, data = sources(os.path.join(folder, "csv")), os.path.join(folder, "data")
    finished = stopped([csv], data, 5)
    out = subprocess.run([BINARY, "ingest", csv, "--data", data], capture_output=True, text=True, check=True).stdout
    assert out.count("finished by an ingest that was interrupted") == finished, out


def stopped_by_others(folder):
    """Somebody who only looks removes nothing; somebody who runs is left alone."""
    csv, data = sources(os.path.join(folder, "csv")), os.path.join(folder, "data")
    finished = stopped([csv], data, 6)
    for _ in range(2):
        subprocess.run([BINARY, "jobs", "--data", data], capture_output=True)
        subprocess.run([BINARY, "summary", "--data", data], capture_output=True)
    assert len(manifests(data)) == finished
    process = start([csv], data)
    second = start([csv], data)
    said = json.loads(process.communicate()[0]), json.loads(second.communicate()[0])
    codes = sorted([process.returncode, second.returncode])
    assert codes[0] == 0, said
    for one in said:
        if "files" not in one:
            assert one["status"] == 409, one
    assert max(sum(file.get("resumed", False) for file in one.get("files", [])) for one in said) == finished
    nothing_left(data)


if __name__ == "__main__":
    run_tap([("kill -9 until it completes", killed), ("a changed file, other options, another dataset", changed),
             ("the text says so", said_in_text), ("nobody else disturbs it", stopped_by_others)])
