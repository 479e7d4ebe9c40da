#!/usr/bin/env python3
"""Writes the foreign Arrow files of this folder with pyarrow and Polars; versions go to VERSIONS.

    python3 -m venv venv && venv/bin/pip install pyarrow pandas polars numpy && venv/bin/python make.py

Values are those of the formulas in rows(); tests/unit/table/test_ipc.c has the same ones.
"""
import os
import sys

import numpy
import pandas
import polars
import pyarrow as pa

HERE = os.path.dirname(os.path.abspath(__file__))
DEVICES = ["pump", "fan", "grüße", "press 3"]


def rows(n):
    time = [None if i % 13 == 5 else (i - 50) * 1234567 for i in range(n)]
    value = [None if i % 7 == 3 else i * 0.1 - 5 for i in range(n)]
    on = [None if i % 5 == 1 else i % 3 == 0 for i in range(n)]
    device = [None if i % 11 == 4 else DEVICES[i % 4] for i in range(n)]
    note = [None if i % 6 == 2 else "" if i % 10 == 0 else f"note {i}" for i in range(n)]
    return time, value, on, device, note


def table(n, unit="us", index=pa.int32()):
    time, value, on, device, note = rows(n)
    dictionary = pa.array(device, pa.string()).cast(pa.dictionary(index, pa.string()))
    return pa.table({
        "time": pa.array(time, pa.timestamp(unit, "UTC")),
        "value": pa.array(value, pa.float64()),
        "on": pa.array(on, pa.bool_()),
        "device": dictionary,
        "note": pa.array(note, pa.string()),
    })


def write(name, t, chunk=None, **options):
    with pa.ipc.new_file(os.path.join(HERE, name), t.schema,
                         options=pa.ipc.IpcWriteOptions(**options)) as f:
        f.write_table(t, max_chunksize=chunk)


def main():
    whole = table(200).replace_schema_metadata({"plant": "Süd", "empty": ""})
    write("pyarrow.arrow", whole)
    write("batches.arrow", whole, chunk=37)
    write("sliced.arrow", table(260).slice(60, 90))
    write("empty.arrow", table(0))
    write("int8codes.arrow", table(200, index=pa.int8()))
    no_nulls = pa.table({"value": pa.array([1.5, -2.5], pa.float64()),
                         "note": pa.array(["a", "b"], pa.string())})
    write("nonulls.arrow", no_nulls)
    frame = pandas.DataFrame({"value": [1.5, float("nan")], "device": pandas.Categorical(["x", None])})
    t = pa.Table.from_pandas(frame, preserve_index=False)
    write("refused_large.arrow", t)  # pandas 3 has large_string categories
    write("pandas.arrow", t.cast(pa.schema([("value", pa.float64()),
                                            ("device", pa.dictionary(pa.int8(), pa.string()))])))

    write("refused_ns.arrow", table(3, unit="ns"))
    write("refused_int64.arrow", pa.table({"n": pa.array([1, 2], pa.int64())}))
    write("refused_list.arrow", pa.table({"n": pa.array([[1.0]], pa.list_(pa.float64()))}))
    write("refused_lz4.arrow", table(200), compression="lz4")
    write("refused_v4.arrow", table(3), metadata_version=pa.ipc.MetadataVersion.V4)
    first = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["a"]))
    second = pa.DictionaryArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a", "b"]))
    schema = pa.schema([("device", first.type)])
    with pa.ipc.new_file(os.path.join(HERE, "refused_delta.arrow"), schema,
                         options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as f:
        f.write_batch(pa.record_batch([first], schema=schema))
        f.write_batch(pa.record_batch([second], schema=schema))
    newer = whole.replace_schema_metadata({"millwright.format": "2"})
    write("refused_newer.arrow", newer)

    with open(os.path.join(HERE, "VERSIONS"), "w", encoding="ascii") as f:
        f.write(f"python {sys.version.split()[0]}\npyarrow {pa.__version__}\n"
                f"pandas {pandas.__version__}\npolars {polars.__version__}\n"
                f"numpy {numpy.__version__}\n")


if __name__ == "__main__":
    main()
