"""`millwright ingest` on one file into a data folder of its own, and its rows read back with pyarrow.

Shared by the tests of this folder that read files; needs `make venv`.
"""
import json
import os
import re
import subprocess
import sys

from journey import BINARY

# Writes wall time, largest resident size and exit status of argv[2:] to argv[1]. A process of its own that stays small:
# a child's maximum begins with the size of the process that it was started from.
MEASURE = """
import os, sys, time
begin = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.monotonic() - begin
with open(sys.argv[1], "w") as out:
    out.write("%r %d %d" % (seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)))
"""


NOTE = re.compile(r"#line (\d+), column (.*)")


class Ingested:
    """What one call printed and left behind."""

    def __init__(self, folder, done, seconds=0.0, peak_kb=0, status=None):
        self.folder = folder
        self.status = done.returncode if status is None else status
        self.stderr, self.seconds, self.peak_mb = done.stderr, seconds, peak_kb / 1000
        try:
            self.said = json.loads(done.stdout)
        except ValueError:
            self.said = {}

    @property
    def file(self):
        (only,) = self.said["files"]
        return only

    def path(self, name):
        return dataset_file(self.folder, name)

    def segments(self):
        return [self.path(name) for name in segment_names(self.file)]

    def rejects(self):
        """[(line, reason, row)] of the rejects file: a head, the header, then each row behind a note."""
        if not self.file.get("rejects"):
            return []
        with open(self.path(self.file["rejects"]), newline="", encoding="utf-8", errors="surrogateescape") as f:
            head, *lines = f.read().split("\n")
        assert head.startswith("#millwright-rejects 1 {"), head
        found = []
        for line in lines:
            note = NOTE.match(line)
            if note:
                found.append([int(note[1]), note[2], []])
            elif found:
                found[-1][2].append(line)
        return [(line, reason, "\n".join(row).rstrip("\r\n")) for line, reason, row in found]

    def table(self):
        return read_segments(self.segments())


def dataset_file(folder, name):
    return os.path.join(folder, "orgs/default/datasets/main", name)


def segment_names(file):
    """The parts of a source, in order."""
    parts = file.get("segments") or ([file["segment"]] if file.get("segment") else [])
    return [part["file"] if isinstance(part, dict) else part for part in parts]


def side_names(file):
    """Files that stand beside a source's segments."""
    return [file[key] for key in ("quality", "rejects") if file.get(key)]


def ingest(path, folder, *flags):
    done = subprocess.run([BINARY, "ingest", path, "--data", folder, "--json", *flags], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300)
    return Ingested(folder, done)


def ingest_measured(path, folder, *flags):
    os.makedirs(folder, exist_ok=True)
    figures = os.path.join(folder, "figures")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, figures, BINARY, "ingest", path, "--data", folder, "--json", *flags],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    with open(figures) as f:
        seconds, kilobytes, status = f.read().split()
    return Ingested(folder, done, float(seconds), int(kilobytes), int(status))


def read_segments(paths):
    """One table; dictionaries of several parts are unified."""
    import pyarrow as pa
    tables = []
    for path in paths:
        with pa.OSFile(path) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        tables.append(table)
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries()


def times_us(table):
    import numpy as np
    import pyarrow as pa
    return np.asarray(table["time"].cast(pa.int64()).to_numpy())


def texts(column):
    import pyarrow as pa
    return column.cast(pa.string()).to_pylist()
