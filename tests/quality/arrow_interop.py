#!/usr/bin/env python3
"""Opens files written by Millwright with pyarrow, pandas and Polars and compares every value.

    python3 tests/quality/arrow_interop.py [TEST_IPC]

TEST_IPC: the built tests/unit/table/test_ipc, which then writes a table of more than one record batch
too. Exit status 0: all equal; 77: a library is missing.
"""
import os
import subprocess
import sys
import tempfile

try:
    import pandas
    import polars
    import pyarrow as pa
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "golden", "arrow"))
from make import rows  # noqa: E402

NAMES = ["time", "value", "on", "device", "note"]


def check_pyarrow(path, n):
    with pa.memory_map(path) as source:
        reader = pa.ipc.open_file(source)
        t = reader.read_all()
        t.validate(full=True)
        for i in range(reader.num_record_batches):
            for column in reader.get_batch(i).columns:
                for buffer in column.buffers():
                    assert buffer is None or buffer.size == 0 or buffer.address % 64 == 0, "alignment"
    assert t.schema.names == NAMES
    assert t.schema.types == [pa.timestamp("us", "UTC"), pa.float64(), pa.bool_(),
                              pa.dictionary(pa.int32(), pa.string()), pa.string()]
    assert t.schema.metadata[b"millwright.format"] == b"1"
    assert t.schema.metadata[b"plant"] == "Süd".encode()
    want = rows(n)
    got = [t["time"].cast(pa.int64())] + [t[name] for name in NAMES[1:]]
    for name, w, g in zip(NAMES, want, got):
        assert g.to_pylist() == w, f"pyarrow: {name}"
    stream = pa.ipc.open_stream(pa.OSFile(path).read()[8:]).read_all()
    assert stream.equals(t), "as a stream"


def check_pandas(path, n):
    frame = pandas.read_feather(path)
    time, value, on, device, note = rows(n)
    assert list(frame.columns) == NAMES
    want = pandas.to_datetime(pandas.Series(time, dtype="Int64"), unit="us", utc=True)
    assert (frame["time"].isna() == want.isna()).all()
    assert (frame["time"].dropna() == want.dropna()).all()
    for name, w in (("value", value), ("on", on), ("device", device), ("note", note)):
        got = [None if pandas.isna(x) else x for x in frame[name]]
        assert got == w, f"pandas: {name}"


def check_polars(path, n):
    for frame in (polars.read_ipc(path), polars.scan_ipc(path).collect()):
        time, value, on, device, note = rows(n)
        assert frame.columns == NAMES
        assert frame["time"].dt.epoch("us").to_list() == time, "polars: time"
        assert frame["value"].to_list() == value, "polars: value"
        assert frame["on"].to_list() == on, "polars: on"
        assert frame["device"].cast(polars.String).to_list() == device, "polars: device"
        assert frame["note"].to_list() == note, "polars: note"


def main():
    golden = os.path.join(ROOT, "tests", "golden", "arrow")
    files = [(os.path.join(golden, "ours.arrow"), 200), (os.path.join(golden, "ours_empty.arrow"), 0)]
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            subprocess.run([sys.argv[1], "writes_the_same_bytes", "large_tables_have_many_batches"],
                           check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, MILLWRIGHT_ARROW_OUT=folder))
            files.append((os.path.join(folder, "ours_large.arrow"), (1 << 20) + 1000))
        for path, n in files:
            check_pyarrow(path, n)
            check_pandas(path, n)
            check_polars(path, n)
            print(f"{os.path.basename(path)}: {n} rows equal in pyarrow, pandas and Polars")


if __name__ == "__main__":
    main()
