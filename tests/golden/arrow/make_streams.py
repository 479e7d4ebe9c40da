#!/usr/bin/env python3
"""Writes the Arrow IPC streams of this folder with pyarrow 18.1: the rows of tests/unit/live/test_live_rows.c in several shapes.

    make venv && build/venv/bin/python tests/golden/arrow/make_streams.py
"""
import os

import pyarrow as pa

HERE = os.path.dirname(os.path.abspath(__file__))
START = 1772323200000000  # 2026-03-01


def table(device):
    return pa.table({
        "note": pa.array(["a", None, "c", "d"], pa.string()),
        "b": pa.array([True, False, None, True], pa.bool_()),
        "when": pa.array([START, START + 1500000, START + 1000000, None], pa.timestamp("us", "UTC")),
        "machine": device(["m1", "öl", "m1", "m1"]),
        "a": pa.array([1.5, None, float("nan"), 4.0], pa.float64()),
    })


def write(name, t, chunk=None, **options):
    with pa.ipc.new_stream(os.path.join(HERE, name), t.schema, options=pa.ipc.IpcWriteOptions(**options)) as f:
        f.write_table(t, max_chunksize=chunk)


def main():
    text = table(lambda names: pa.array(names, pa.string()))
    codes = table(lambda names: pa.array(names, pa.string()).cast(pa.dictionary(pa.int8(), pa.string())))
    write("stream_text.arrows", text)
    write("stream_codes.arrows", codes, chunk=3)
    write("stream_empty.arrows", text.slice(0, 0))
    write("stream_ints.arrows", pa.table({"when": pa.array([START], pa.int64()), "machine": ["m1"]}))


main()
