#!/usr/bin/env python3
"""Random tables in random dialects: `millwright ingest` and pyarrow's CSV reader see the same cells, to the last bit.

Each table has a time, then columns of numbers in every common form and of texts with separators, quotes and line ends inside;
cells are missing in several ways. Half of the calls are told the separator, the others find it. Then the same files with
random bytes changed: whatever comes of it, no crash, and no row without a home: what is not a row is a reject.

MW_RANDOM=N tables (default 120), MW_SEED repeats a run.
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from csv_check import ingest, texts, times_us  # noqa: E402
from journey import missing, run_tap  # noqa: E402

N = int(os.environ.get("MW_RANDOM", "120"))
SECOND = 1000 * 1000
START = 1767571200  # 2026-01-05
MISSING = ["", "NA", "N/A", "NaN", "null"]
WORDS = ["pump", "Öl", "a b", "x" * 40, "3/4", "-", "valve 7", "日本", "it's", "#1", "50 %", "on;off", "a,b", "a|b", "tab\tbed", 'say "hi"', "two\nlines", "e"]


def number(draw):
    way = draw.randrange(8)
    if way == 0:
        return str(draw.randrange(-1000, 1000))
    if way == 1:
        return f"{draw.uniform(-1000, 1000):.{draw.randrange(1, 5)}f}"
    if way == 2:
        return repr(draw.uniform(-1, 1) * 10.0 ** draw.randrange(-20, 20))
    if way == 3:
        return f"{draw.uniform(-10, 10):.{draw.randrange(0, 12)}e}"
    if way == 4:
        return str(draw.randrange(10 ** draw.randrange(1, 30)))
    if way == 5:
        return f"{draw.randrange(10 ** 9)}.{draw.randrange(10 ** 17):017d}"
    if way == 6:
        return f"-0.{'0' * draw.randrange(0, 30)}{draw.randrange(1, 10 ** 6)}"
    return draw.choice(["0", "-0.0", "1e308", "5e-324", "2.2250738585072014e-308", "9007199254740993", "0.1", "1E5", "00012", "1.7976931348623157e308"])


class Table:
    def __init__(self, draw):
        self.separator = draw.choice(",;\t|")
        self.end = draw.choice(["\n", "\r\n"])
        self.quoting = draw.choice([0, 0.1, 1])
        self.kinds = [draw.choice(["number", "number", "text"]) for _ in range(draw.randrange(1, 12))]
        self.kinds[draw.randrange(len(self.kinds))] = "number"
        self.names = ["timestamp"] + [f"{kind[0]}{i}" for i, kind in enumerate(self.kinds)]
        n, gaps = draw.choice([1, 3, 50, 1000, 3000]), draw.choice([0, 0.02, 0.3])
        words = draw.sample(WORDS, draw.randrange(1, len(WORDS)))
        self.rows = [[self.stamp(i)] + [draw.choice(MISSING) if draw.random() < gaps else number(draw) if kind == "number" else draw.choice(words)
                                        for kind in self.kinds] for i in range(n)]
        self.blanks = draw.random() < 0.2
        self.text = self.written(draw)

    @staticmethod
    def stamp(i):
        return f"2026-01-{5 + i // 86400:02d} {i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}"

    def written(self, draw):
        def cell(value):
            special = any(c in value for c in (self.separator, '"', "\n"))
            if special or (self.quoting and draw.random() < self.quoting):
                return '"' + value.replace('"', '""') + '"'
            return value
        lines = [self.separator.join(cell(value) for value in row) for row in [self.names] + self.rows]
        if self.blanks:
            lines.insert(draw.randrange(1, len(lines) + 1), "")
        return self.end.join(lines) + (self.end if draw.random() < 0.9 else "")

    def flags(self):
        return ["--separator", {"\t": "tab"}.get(self.separator, self.separator), "--text", ",".join(n for n in self.names if n[0] == "t" and n != "timestamp") or "-"]

    def by_pyarrow(self, path):
        import pyarrow as pa
        import pyarrow.csv as pc
        types = {name: pa.float64() if kind == "number" else pa.string() for name, kind in zip(self.names[1:], self.kinds)}
        return pc.read_csv(path, parse_options=pc.ParseOptions(delimiter=self.separator, newlines_in_values=True),
                           convert_options=pc.ConvertOptions(column_types={"timestamp": pa.timestamp("us"), **types}, null_values=MISSING,
                                                             strings_can_be_null=True, quoted_strings_can_be_null=True))


def same(ours, theirs, table):
    import numpy as np
    import pyarrow as pa
    assert ours.num_rows == theirs.num_rows, f"{ours.num_rows} rows, pyarrow has {theirs.num_rows}"
    assert times_us(ours).tolist() == theirs["timestamp"].cast(pa.int64()).to_pylist(), "times"
    for name, kind in zip(table.names[1:], table.kinds):
        a, b = ours[name], theirs[name]
        if kind == "text" and pa.types.is_dictionary(a.type):
            assert texts(a) == b.to_pylist(), f"{name}: texts"
            continue
        assert kind == "number" or a.null_count == len(a), f"{name}: {a.type}"
        null = np.asarray(a.is_null())
        assert np.array_equal(null, np.asarray(b.is_null())), f"{name}: missing cells"
        if kind == "number":
            x, y = a.to_numpy()[~null], b.to_numpy()[~null]
            assert np.array_equal(x.view(np.int64), y.view(np.int64)), f"{name}: {[(p, q) for p, q in zip(x, y) if p != q][:3]}"


def write(folder, number, data):
    path = os.path.join(folder, f"t{number}.csv")
    with open(path, "wb") as f:
        f.write(data)
    return path


def seed_of(default):
    seed = int(os.environ.get("MW_SEED", default if default is not None else random.SystemRandom().randrange(1 << 32)))
    print(f"# MW_SEED={seed}", flush=True)
    return seed


def keep(path, seed):
    """A file that failed stays, for a look at it."""
    import shutil
    kept = os.path.join("build", "random-csv", f"{seed}-{os.path.basename(path)}")
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    return shutil.copy(path, kept)


def equal(folder):
    why = missing()
    if why:
        return why
    seed = seed_of(None)
    cells = 0
    for i in range(N):
        draw = random.Random(seed * 1000 + i)
        table = Table(draw)
        path = write(folder, i, table.text.encode())
        try:
            flags = table.flags() if i % 2 else table.flags()[2:]
            done = ingest(path, os.path.join(folder, f"data{i}"), *(flags if flags[-1] != "-" else flags[:-2]))
            assert done.status == 0, done.said or done.stderr
            assert done.file["rejected"] == 0, done.rejects()[:2]
            same(done.table(), table.by_pyarrow(path), table)
        except AssertionError as e:
            raise AssertionError(f"table {i}, {keep(path, seed)}, separator {table.separator!r}, told {' '.join(flags)}: {e}") from e
        cells += len(table.rows) * len(table.names)
    return f"{N} tables, {cells} cells"


def damaged(folder):
    why = missing()
    if why:
        return why
    seed = seed_of(None)
    outcomes = {}
    for i in range(N):
        draw = random.Random(seed * 1000 + i)
        data = bytearray(Table(draw).text.encode())
        for _ in range(draw.choice([1, 3, 30])):
            at = draw.randrange(len(data))
            way = draw.randrange(3)
            if way == 0:
                data[at] = draw.choice(b'",;\n\r\t\\ \0\xff9-.eE"')
            elif way == 1:
                del data[at:at + draw.randrange(1, 40)]
                data = data or bytearray(b"\n")
            else:
                data[at:at] = draw.choice([b'"', b'""', b"\r", b"\xff\xfe", b"\xef\xbb\xbf", b",,,,", b"\0", b"1e999"])
        path = write(folder, i, data)
        done = ingest(path, os.path.join(folder, f"data{i}"), "--max-reject-share", "1")
        try:
            assert done.status in (0, 2, 4, 8), f"exit status {done.status}: {done.said or done.stderr}"
            if done.status == 0:
                table = done.table()
                assert table.num_rows == done.file["rows"] and len(done.rejects()) == done.file["rejected"], done.file
            else:
                assert done.said.get("detail"), done.said
        except AssertionError as e:
            raise AssertionError(f"table {i}, {keep(path, seed)}: {e}") from e
        outcomes[done.status] = outcomes.get(done.status, 0) + 1
    return f"exit statuses: {outcomes}"


if __name__ == "__main__":
    run_tap([("the cells that pyarrow sees", equal), ("damaged files", damaged)])
