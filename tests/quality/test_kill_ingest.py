#!/usr/bin/env python3
"""An ingest that is killed, or that runs into a full disk, leaves the dataset as it was or as it was to be, bit for bit.

kill -9 at MW_KILLS (default 100) random moments, a quarter each of: the first file of a dataset, a newer file beside an old one,
new content for a file that is there, the same for a long one. After each, `summary` says the old or the new, the segments of that state are there byte
for byte and open with pyarrow, and the same command again succeeds. MW_SEED repeats a run.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csv_check import dataset_file, ingest, read_segments, segment_names, side_names  # noqa: E402
from journey import BINARY, missing, run_tap  # noqa: E402

KILLS = int(os.environ.get("MW_KILLS", "100"))
ROWS = 100000


def telemetry(path, rows, first_day, seed):
    """One row a second, six sensors; now and then a row for the rejects file."""
    draw = random.Random(seed)
    with open(path, "w") as f:
        f.write("timestamp,device,a,b,c,d,e,f\n")
        for i in range(rows):
            day, second = first_day + i // 86400, i % 86400
            stamp = f"2026-01-{day:02d} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            cells = ",".join(f"{draw.random() * 100:.3f}" for _ in range(6))
            f.write(f"{stamp},P{i % 7},{cells if i % 9973 else 'bad,' + cells[cells.index(',') + 1:]}\n")


def readings(path, rows, seed):
    """Long; every third of the rows brings a new parameter."""
    draw = random.Random(seed)
    with open(path, "w") as f:
        f.write("timestamp,device,parameter,value\n")
        for i in range(rows):
            for name in "abc"[:1 + 3 * i // rows]:
                f.write(f"2026-01-05 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d},P1,{name},{draw.random():.4f}\n")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class State:
    """What a dataset is: what `summary` says, and its segments' bytes."""

    def __init__(self, folder, files=()):
        self.summary = summary(folder)
        self.segments = {name: sha256(dataset_file(folder, name)) for file in files for name in segment_names(file)}
        self.others = {name: sha256(dataset_file(folder, name)) for file in files for name in side_names(file)}

    def holds(self, folder, said):
        """None, or why the folder is not in this state. said: what `summary` says of it."""
        if said != self.summary:
            return "another summary"
        for name, digest in self.segments.items():
            path = dataset_file(folder, name)
            if not os.path.exists(path):
                return f"{name} is missing"
            if sha256(path) != digest:
                return f"{name} has other bytes"
        for name, digest in self.others.items():
            if not os.path.exists(dataset_file(folder, name)) or sha256(dataset_file(folder, name)) != digest:
                return f"{name} is missing or has other bytes"
        if self.segments:
            read_segments([dataset_file(folder, name) for name in self.segments])
        return None


def summary(folder):
    done = subprocess.run([BINARY, "summary", "--data", folder, "--json"], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    said = json.loads(done.stdout)
    # A dataset that has no rows yet, whether or not its folder is there.
    assert said["status"] in (404, 409), said
    return "nothing"


class Scenario:
    """A data folder before, the command, the state afterwards."""

    def __init__(self, name, folder, before, command):
        self.name, self.command = name, command
        self.template = os.path.join(folder, name)
        files = []
        os.makedirs(self.template)
        for path in before:
            files += ingest_fine(path, self.template)
        self.old = State(self.template, files)
        done = os.path.join(folder, name + "-done")
        shutil.copytree(self.template, done)
        begin = time.monotonic()
        new = ingest_fine(command, done)
        self.seconds = time.monotonic() - begin
        kept = [f for f in files if f["source"] not in {n["source"] for n in new}]
        self.new = State(done, kept + new)
        assert self.old.summary != self.new.summary
        self.n_segments = len(self.new.segments)
        shutil.rmtree(done)

    def state_of(self, folder):
        said, why = summary(folder), []
        for name, state in (("old", self.old), ("new", self.new)):
            wrong = state.holds(folder, said)
            if wrong is None:
                return name
            why.append(f"not the {name} one: {wrong}")
        raise AssertionError("; ".join(why) + "\n" + said[:300])

    def kill(self, folder, moment):
        """True when it was killed before it ended by itself."""
        shutil.copytree(self.template, folder)
        process = subprocess.Popen([BINARY, "ingest", self.command, "--data", folder, "--json"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        process.kill()
        return process.wait() == -signal.SIGKILL


def ingest_fine(path, folder):
    done = ingest(path, folder)
    assert done.status == 0, f"exit status {done.status}: {done.said or done.stderr}"
    return done.said["files"]


def scenarios(folder):
    first, newer, changed = (os.path.join(folder, name) for name in ("a.csv", "b.csv", "changed/a.csv"))
    os.makedirs(os.path.dirname(changed))
    telemetry(first, ROWS, 1, 1)
    telemetry(newer, ROWS, 8, 2)
    telemetry(changed, ROWS, 1, 3)
    long, long_changed = (os.path.join(folder, name) for name in ("long.csv", "changed/long.csv"))
    readings(long, ROWS * 2 // 3, 4)
    readings(long_changed, ROWS * 2 // 3, 5)
    return [Scenario("first", folder, [], first), Scenario("newer", folder, [first], newer), Scenario("replaced", folder, [first], changed), Scenario("long", folder, [long], long_changed)]


def killed(folder):
    why = missing()
    if why:
        return why
    seed = int(os.environ.get("MW_SEED", random.SystemRandom().randrange(1 << 32)))
    draw = random.Random(seed)
    print(f"# MW_SEED={seed}", flush=True)
    lines = []
    for scenario in scenarios(folder):
        seen = {"old": 0, "new": 0}
        tries, late = 0, 0
        while tries - late < KILLS // 4:
            # Half of the moments fall around the end, where files are moved and recorded.
            share = draw.uniform(0, 1) if tries % 2 else draw.uniform(0.8, 1.15)
            at = os.path.join(folder, f"{scenario.name}-{tries}")
            what = f"{scenario.name}, try {tries}, killed after {share * scenario.seconds * 1000:.1f} ms (MW_SEED={seed})"
            tries += 1
            try:
                if not scenario.kill(at, share * scenario.seconds):
                    late += 1
                    scenario.seconds *= 0.9  # it was measured while the machine did something else
                state = scenario.state_of(at)
                seen[state] += 1
                ingest_fine(scenario.command, at)
                assert scenario.state_of(at) == "new", "the same command again did not bring the new state"
            except AssertionError as e:
                raise AssertionError(f"{what}: {e}") from e
            shutil.rmtree(at)
            assert tries < 4 * KILLS, "no kill comes in time"
        lines.append(f"{scenario.name} ({scenario.n_segments} segments): {tries - late} kills within {scenario.seconds * 1000:.0f} ms, {late} that came too late: "
                     f"{seen['old']} times the old state, {seen['new']} times the new one")
    return "\n".join(lines)


# --- disks and folders ---

def mount(folder, options):
    """A small file system; False where this user may not make one."""
    os.makedirs(folder, exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode == 0


def remount(folder, options):
    return subprocess.run(["mount", "-o", "remount," + options, folder], capture_output=True).returncode == 0


def refused(done, *words):
    """A failure with a message and a hint, not a crash."""
    assert done.status > 1, f"exit status {done.status}: {done.said or done.stderr}"
    message = (done.said.get("detail", "") + " " + (done.said.get("hint") or "")).lower()
    assert any(word in message for word in words), f"{message!r} has none of {words}"
    return done.said.get("detail", "")


def full_disk(folder):
    why = missing()
    if why:
        return why
    first, newer, disk = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv"), os.path.join(folder, "disk")
    telemetry(first, 2000, 1, 1)
    telemetry(newer, ROWS, 8, 2)
    if not mount(disk, "size=2m"):
        return "skip: tmpfs cannot be mounted"
    try:
        data = os.path.join(disk, "data")
        old = State(data, ingest_fine(first, data))
        said = set()
        for room in (16, 64, 256, 1024, 2048, 3072):  # KiB free when it starts: too little each time
            used = subprocess.run(["du", "-sk", disk], capture_output=True, text=True).stdout.split()[0]
            assert remount(disk, f"size={int(used) + room}k")
            said.add(refused(ingest(newer, data), "space", "full", "room"))
            assert remount(disk, "size=64m")
            wrong = old.holds(data, summary(data))
            assert wrong is None, f"{room} KiB free: {wrong}"
        ingest_fine(newer, data)
        return "\n".join(sorted(said))
    finally:
        subprocess.run(["umount", disk], check=True)


def file_size_limit(folder):
    """The same where no file may grow further (RLIMIT_FSIZE), which needs no privileges."""
    why = missing()
    if why:
        return why
    first, newer, data = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv"), os.path.join(folder, "data")
    telemetry(first, 2000, 1, 1)
    telemetry(newer, ROWS, 8, 2)
    old = State(data, ingest_fine(first, data))

    done = subprocess.run(["bash", "-c", 'ulimit -f 1024; exec "$@"', "bash", BINARY, "ingest", newer, "--data", data, "--json"],
                          capture_output=True, text=True)
    assert done.returncode > 1, f"exit status {done.returncode} (negative: killed by that signal): {done.stdout}"
    message = json.loads(done.stdout)["detail"]
    wrong = old.holds(data, summary(data))
    assert wrong is None, wrong
    ingest_fine(newer, data)
    return message


def read_only(folder):
    why = missing()
    if why:
        return why
    first, newer, disk = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv"), os.path.join(folder, "disk")
    telemetry(first, 2000, 1, 1)
    telemetry(newer, 2000, 8, 2)
    if not mount(disk, "size=64m"):
        return "skip: tmpfs cannot be mounted"
    try:
        data = os.path.join(disk, "data")
        old = State(data, ingest_fine(first, data))
        assert remount(disk, "ro")
        said = refused(ingest(newer, data), "read-only", "readonly", "permission", "written")
        assert remount(disk, "rw")
        wrong = old.holds(data, summary(data))
        assert wrong is None, wrong
        ingest_fine(newer, data)
        return said
    finally:
        subprocess.run(["umount", disk], check=True)


def vanished(folder):
    """A file that is not there (any more), alone and behind one that is: neither comes in."""
    why = missing()
    if why:
        return why
    first, newer, data = os.path.join(folder, "a.csv"), os.path.join(folder, "b.csv"), os.path.join(folder, "data")
    telemetry(first, 2000, 1, 1)
    telemetry(newer, 2000, 8, 2)
    old = State(data, ingest_fine(first, data))
    gone = os.path.join(folder, "gone.csv")
    os.symlink(os.path.join(folder, "nowhere.csv"), gone)
    said = refused(ingest(gone, data), "no such", "gone", "not found")
    done = subprocess.run([BINARY, "ingest", newer, gone, "--data", data, "--json"], capture_output=True, text=True)
    assert done.returncode > 1, done.stdout
    wrong = old.holds(data, summary(data))
    assert wrong is None, wrong
    return said


def grows(folder):
    """A file that is written to while it is read: what was committed is one of its states, and a later call brings the rest."""
    why = missing()
    if why:
        return why
    path, data = os.path.join(folder, "a.csv"), os.path.join(folder, "data")
    telemetry(path, 2000, 1, 1)
    with open(path) as f:
        rows = f.read().splitlines(keepends=True)
    with open(path, "w") as f:
        f.write("".join(rows[:1000]))
    one = ingest_fine(path, data)[0]
    with open(path, "a") as f:
        f.write("".join(rows[1000:]))
    two = ingest_fine(path, data)[0]
    assert two["replaces"] and one["rows"] + one["rejected"] == 999 and two["rows"] + two["rejected"] == 2000, (one, two)


if __name__ == "__main__":
    run_tap([("kill -9 at random moments", killed), ("a full disk", full_disk), ("files that may not grow", file_size_limit),
             ("a read-only folder", read_only), ("files that are not there", vanished), ("a file that grew", grows)])
