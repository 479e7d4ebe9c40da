#!/usr/bin/env python3
"""Opens files written by Millwright with pyarrow, pandas and Polars and compares every value.

    python3 tests/quality/arrow_interop.py [TEST_IPC [TEST_IPCSTREAM]]

TEST_IPC: the built tests/unit/table/test_ipc, which then writes a table of more than one record batch
too. TEST_IPCSTREAM: test_ipcstream, which writes one chunk by chunk, dictionaries behind the batches. Exit status 0: all equal; 77: a library is missing.
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


def check_pyarrow(path, n, names):
    with pa.memory_map(path) as source:
        reader = pa.ipc.open_file(source)
        t = reader.read_all()
        t.validate(full=True)
        for i in range(reader.num_record_batches):
            for column in reader.get_batch(i).columns:
                for buffer in column.buffers():
                    assert buffer is None or buffer.size == 0 or buffer.address % 64 == 0, "alignment"
    assert t.schema.names == names
    assert t.schema.types == [pa.timestamp("us", "UTC"), pa.float64(), pa.bool_(),
                              pa.dictionary(pa.int32(), pa.string()), pa.string()][:len(names)]
    assert t.schema.metadata[b"millwright.format"] == b"1"
    assert t.schema.metadata[b"plant"] == "Süd".encode()
    want = rows(n)
    got = [t["time"].cast(pa.int64())] + [t[name] for name in names[1:]]
    for name, w, g in zip(names, want, got):
        assert g.to_pylist() == w, f"pyarrow: {name}"
    if names != NAMES:  # dictionaries behind the batches: a file, not a stream
        return
    stream = pa.ipc.open_stream(pa.OSFile(path).read()[8:]).read_all()
    assert stream.equals(t), "as a stream"


def check_pandas(path, n, names):
    frame = pandas.read_feather(path)
    time, value, on, device, note = rows(n)
    assert list(frame.columns) == names
    want = pandas.to_datetime(pandas.Series(time, dtype="Int64"), unit="us", utc=True)
    assert (frame["time"].isna() == want.isna()).all()
    assert (frame["time"].dropna() == want.dropna()).all()
    for name, w in (("value", value), ("on", on), ("device", device), ("note", note))[:len(names) - 1]:
        got = [None if pandas.isna(x) else x for x in frame[name]]
        assert got == w, f"pandas: {name}"


def check_polars(path, n, names):
    for frame in (polars.read_ipc(path), polars.scan_ipc(path).collect()):
        time, value, on, device, note = rows(n)
        assert frame.columns == names
        assert frame["time"].dt.epoch("us").to_list() == time, "polars: time"
        assert frame["value"].to_list() == value, "polars: value"
        assert frame["on"].to_list() == on, "polars: on"
        assert frame["device"].cast(polars.String).to_list() == device, "polars: device"
        if "note" in names:
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
        if len(sys.argv) > 2:
            subprocess.run([sys.argv[2], "a_stream_for_other_readers"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, MILLWRIGHT_ARROW_OUT=folder))
            files.append((os.path.join(folder, "ours_stream.arrow"), 200))
        for path, n in files:
            names = NAMES[:4] if path.endswith("ours_stream.arrow") else NAMES
            check_pyarrow(path, n, names)
            check_pandas(path, n, names)
            check_polars(path, n, names)
            print(f"{os.path.basename(path)}: {n} rows equal in pyarrow, pandas and Polars")


if __name__ == "__main__":
    main()
