#!/usr/bin/env python3
"""Flags of sensors go along to features, and rows of flagged features may be left out of a fit. TAP, standard library only."""
import csv
import json
import os
import random
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EDATA, EINVAL, main  # noqa: E402

ODD = 'Druck (bar), "ü"'
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
STUCK = range(4000, 4300)  # minutes: 18:40 to 23:40 on 3 March
FEATURES = [{"op": "value", "of": ["temp", ODD]}, {"op": "mean", "of": "temp", "window": "1h", "name": "mean"},
            {"op": "max", "of": "mean", "window": 31, "name": "max_of_mean"}, {"op": "lag", "of": "temp", "lag": "2h", "name": "lag"},
            {"op": "ewm_mean", "of": "temp", "window": "1h", "name": "ewm"}, {"op": "mean", "of": ODD, "window": 10, "name": "other"},
            {"op": "hour_sin", "name": "hour"}]
SCHEMA = {"timeColumn": "when", "deviceColumn": "machine", "continuousColumns": ["temp", ODD], "features": FEATURES}


def config(cli, name="config.json", **more):
    return cli.write(name, json.dumps({"schemaConfig": SCHEMA | more}))


def readings(n=6000, devices=("A", "B, ü"), stuck=STUCK, seed=4):
    """[(minute, device, temp, pressure)] in the order of time; the first device's temperature stands still for a while."""
    draw = random.Random(seed)
    return [(i, d, 51.5 if d == devices[0] and i in stuck else round(draw.gauss(50, 3), 3), round(draw.gauss(3, 0.2), 4))
            for i in range(n) for d in devices]


def write_rows(cli, name, rows, target=None):
    with open(cli.folder / name, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["when", "machine", "temp", ODD] + ([target] if target else []))
        for minute, device, temp, pressure in rows:
            when = START + timedelta(minutes=minute)
            out.writerow([when.isoformat(), device, temp, pressure] + ([round(temp + pressure, 3)] if target else []))
    return name


def flagged(cli, name):
    with open(cli.folder / name, newline="") as f:
        return list(csv.DictReader(f))


def at(day, time):
    return f"2026-03-{day:02}T{time}Z"


def a_stuck_sensor_flags_what_is_made_of_it(cli):
    config(cli)
    write_rows(cli, "rows.csv", readings())
    said = cli.json("features", "config.json", "rows.csv", "--out", "f.csv", "--quality", "q.csv")
    lines = flagged(cli, "q.csv")
    assert said["flagged_stretches"] == len(lines) == 5, (said, lines)
    assert {line["device_id"] for line in lines} == {"A"} and {line["bits"] for line in lines} == {"1"}, lines
    spans = {line["feature"]: (line["time"], line["end"]) for line in lines}
    begin = at(3, "18:00:00")
    assert spans == {"temp": (begin, at(4, "00:00:00")), "mean": (begin, at(4, "00:59:59.999999")), "ewm": (begin, at(4, "00:00:00")),
                     "max_of_mean": (begin, at(4, "01:29:59.999999")), "lag": (at(3, "20:00:00"), at(4, "02:00:00"))}, spans
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    plain = cli.json("features", "config.json", "rows.csv", "--out", "g.csv")
    assert (cli.folder / "f.csv").read_bytes() == (cli.folder / "g.csv").read_bytes() and "flagged_stretches" not in plain
    for jobs in (1, 3):
        cli.ok("features", "config.json", "rows.csv", "--out", "g.arrow", "--quality", "g.csv", "--jobs", jobs)
        assert (cli.folder / "g.csv").read_bytes() == (cli.folder / "q.csv").read_bytes()
    cli.ok("features", "config.json", "rows.csv", "--out", "g.csv", "--quality", "q.arrow")
    data = (cli.folder / "q.arrow").read_bytes()
    assert data[:6] == data[-6:] == b"ARROW1"


def only_the_order_of_a_device_counts(cli):
    """Devices one after the other, one of them from the newest row to the oldest: its first row is all that is used of it."""
    config(cli)
    rows = readings()
    write_rows(cli, "rows.csv", rows)
    cli.ok("features", "config.json", "rows.csv", "--out", "f.csv", "--quality", "wanted.csv")
    by_device = [row for row in rows if row[1] == "A"] + [row for row in rows if row[1] != "A"][::-1]
    write_rows(cli, "sorted.csv", by_device)
    said = cli.json("features", "config.json", "sorted.csv", "--out", "f.csv", "--quality", "q.csv")
    assert said["late_rows"] == 5999 and (cli.folder / "q.csv").read_text() == (cli.folder / "wanted.csv").read_text(), said
    again = [row for row in rows for _ in range(2)] + rows[-300:]
    write_rows(cli, "again.csv", again)
    said = cli.json("features", "config.json", "again.csv", "--out", "f.csv", "--quality", "q.csv")
    assert said["repeated_rows"] == 12002 and said["late_rows"] == 298, said
    assert (cli.folder / "q.csv").read_text() == (cli.folder / "wanted.csv").read_text()
    write_rows(cli, "backwards.csv", rows[::-1])
    said = cli.json("features", "config.json", "backwards.csv", "--out", "f.csv", "--quality", "q.csv")
    assert said["flagged_stretches"] == 0 and flagged(cli, "q.csv") == [], said


def rows_without_devices_are_one(cli):
    cli.write("config.json", json.dumps({"schemaConfig": {k: v for k, v in SCHEMA.items() if k != "deviceColumn"}}))
    rows = [row for row in readings() if row[1] == "A"]
    write_rows(cli, "rows.csv", rows)
    cli.write("rows.csv", (cli.folder / "rows.csv").read_text().replace("machine", "place"))
    said = cli.json("features", "config.json", "rows.csv", "--out", "f.csv", "--quality", "q.csv")
    lines = flagged(cli, "q.csv")
    assert said["devices"] == 1 and len(lines) == 5 and {line["device_id"] for line in lines} == {""}, lines


def a_gap_is_one_of_all_inputs(cli):
    """Rows missing flag whatever looks back into them; the time of day does not."""
    config(cli)
    write_rows(cli, "rows.csv", [row for row in readings(stuck=()) if not (row[1] == "A" and 3000 < row[0] < 3180)])
    cli.ok("features", "config.json", "rows.csv", "--out", "f.csv", "--quality", "q.csv")
    lines = [line for line in flagged(cli, "q.csv") if int(line["bits"]) & 16]
    assert {line["feature"] for line in lines} == {"temp", ODD, "mean", "max_of_mean", "lag", "ewm", "other"}, lines
    spans = {line["feature"]: (line["time"], line["end"]) for line in lines}
    assert spans["temp"] == spans[ODD] == (at(3, "02:00:00"), at(3, "05:00:00")), spans
    assert spans["other"] == (at(3, "02:00:00"), at(3, "05:09:00")), spans


def ranges_and_windows_are_those_of_ingest(cli):
    config(cli)
    write_rows(cli, "rows.csv", readings(n=600, stuck=()))
    args = ["features", "config.json", "rows.csv", "--out", "f.csv"]
    said = cli.json(*args, "--quality", "q.csv", "--range", "temp=45:", "--quality-window", "10min")
    lines = flagged(cli, "q.csv")
    assert said["flagged_stretches"] == len(lines) > 20 and {line["bits"] for line in lines} == {"4"}, said
    assert {line["feature"] for line in lines} == {"temp", "mean", "max_of_mean", "lag", "ewm"}, lines
    cli.fails(EINVAL, *args, "--quality", "q.csv", "--range", "temp", says="not a range")
    cli.fails(EINVAL, *args, "--range", "temp=45:", says="nothing is judged")
    cli.fails(EINVAL, *args, "--quality", "q.txt", says="CSV or Arrow")
    cli.fails(EINVAL, *args, "--quality", "f.csv", says="the same file")
    cli.fails(EDATA, "features", "config.json", cli.write("empty.csv", "when,machine,temp\n"), "--out", "f.csv", "--quality", "new.csv")
    assert not (cli.folder / "new.csv").exists()


def memory_does_not_grow_with_judged_rows(cli):
    cli.write("config.json", json.dumps({"schemaConfig": {"timeColumn": "when", "deviceColumn": "machine", "continuousColumns": ["x"],
                                                          "rollingWindows": [10, "5min"]}}))

    def peak(rows):
        with open(cli.folder / "rows.csv", "w") as f:
            f.write("when,machine,x\n")
            f.writelines(f"{1767225600 + i},m{i % 8},{i * 7919 % 1000 / 8}\n" for i in range(rows))
        said = cli.json("features", "config.json", "rows.csv", "--out", "f.arrow", "--quality", "q.arrow", "--jobs", 1)
        assert (said["rows"], said["late_rows"]) == (rows, 0), said
        return said["peak_bytes"]

    few, many = peak(100_000), peak(1_000_000)
    assert many < few * 1.05, (few, many)


def learn(cli, rows, *words, program="config.json"):
    return cli.json("train", rows, "--program", program, "--target", "y", "--learner", "gbdt", "--set", "n_estimators=5", "--out", "m", *words)


def flagged_rows_are_left_out_of_a_fit(cli):
    """Of device A from 18:00, when the flagged hours begin, to 02:00, when the lag of two hours has left them behind."""
    config(cli)
    write_rows(cli, "rows.csv", readings(), target="y")
    everything = learn(cli, "rows.csv")
    assert everything["rows"] == 12000 and "flagged_rows" not in everything, everything
    without = learn(cli, "rows.csv", "--without-flagged", "stuck,gap")
    assert (without["rows"], without["flagged_rows"], without["rows_without_target"]) == (11520, 480, 0), without
    assert without["model_sha256"] != everything["model_sha256"]
    others = learn(cli, "rows.csv", "--without-flagged", "clock,unit")
    assert (others["rows"], others["flagged_rows"]) == (12000, 0) and others["model_sha256"] == everything["model_sha256"], others
    ranged = learn(cli, "rows.csv", "--without-flagged", "out_of_range", "--range", "temp=45:", "--quality-window", "1s")
    assert 4000 < ranged["flagged_rows"] < 12000, ranged
    held = learn(cli, "rows.csv", "--without-flagged", "stuck", "--test-share", "0.25")
    assert (held["rows"], held["metrics"]["rows"], held["flagged_rows"]) == (8640, 2880, 480), held
    cli.fails(EINVAL, "train", "rows.csv", "--target", "y", "--without-flagged", "stuck", "--out", "x", says="telemetry")
    train = ["train", "rows.csv", "--program", "config.json", "--target", "y", "--out", "x"]
    cli.fails(EINVAL, *train, "--without-flagged", "stuk", says="no flag")
    cli.fails(EINVAL, *train, "--quality-stuck", "20", says="nothing is judged")


def flagged_windows_are_left_out_of_the_main_job(cli):
    """Six flagged hours are 72 windows of five minutes, and two more look back into them."""
    write_rows(cli, "rows.csv", readings())
    write_rows(cli, "fine.csv", readings(stuck=(), seed=5))
    features = [{"op": "value", "of": "temp"}, {"op": "lag", "of": "temp", "lag": 2}]
    cli.write("p.json", json.dumps({"schemaConfig": {"continuousColumns": ["temp", ODD], "features": features}}))
    for org, file, flagged in (("one", "rows.csv", 74), ("other", "fine.csv", 0)):
        os.makedirs(cli.folder / "data" / "orgs" / org, exist_ok=True)
        of = ["--org", org, "--time", "when", "--device", "machine"]
        cli.ok("ingest", file, *of)
        train = ["train", "--org", org, "--program", "p.json", "--target", "temp", "--n-estimators", "10"]
        told = cli.json(*train, "--without-flagged", "stuck,spike")
        assert told["split"]["flagged_rows"] == flagged, told["split"]
        everything = cli.json(*train)
        assert "flagged_rows" not in everything["split"], everything["split"]
        assert everything["split"]["train_rows"] == told["split"]["train_rows"] + flagged, (told["split"], everything["split"])
    means = [{"op": "value", "of": "temp_mean"}, {"op": "value", "of": "temp_max"}, {"op": "value", "of": ODD}]
    cli.write("p.json", json.dumps({"schemaConfig": {"continuousColumns": ["temp_mean", "temp_max", ODD], "features": means}}))
    train = ["train", "--org", "one", "--program", "p.json", "--target", "temp", "--n-estimators", "10"]
    assert cli.json(*train, "--without-flagged", "stuck")["split"]["flagged_rows"] == 72
    assert cli.json(*train, "--without-flagged", "unit")["split"]["flagged_rows"] == 0
    cli.fails(EINVAL, *train, "--without-flagged", "stuk", says="no flag")
    (gone,) = [f for f in (cli.folder / "data/orgs/one/datasets/main").iterdir() if b"n_windows" in f.read_bytes()[:4096]]
    gone.unlink()
    cli.ok(*train)
    cli.fails(EDATA, *train, "--without-flagged", "stuck", says="flagged windows is missing")


def rows_without_features_are_not_learned_from(cli):
    """Late rows, and those without a time or a device, are as if they were not there."""
    for name, more in (("plain.json", {}), ("normal.json", {"conditions": {"settings": [ODD], "count": 2}, "scaling": "standard", "features": [
            {"op": "normal", "of": "temp"}, {"op": "mean", "of": "temp", "window": 5}]})):
        config(cli, name, **more)
        rows = readings(n=400, stuck=())
        write_rows(cli, "rows.csv", rows, target="y")
        wanted = learn(cli, "rows.csv", program=name)
        lines = (cli.folder / "rows.csv").read_text().splitlines()
        head, body = lines[0], lines[1:]
        late = [line.replace(",A,", ",A,9") for line in body[100:120:2]]
        spoiled = body[:300] + late + [",A,50,3,53", body[0].replace(",A,", ",,")] + body[300:]
        cli.write("spoiled.csv", "\n".join([head, *spoiled]) + "\n")
        got = learn(cli, "spoiled.csv", "--test", "spoiled.csv", program=name)
        assert (got["rows"], got["rows_without_features"], got["metrics"]["rows"]) == (800, 12, 800), got
        assert got["model_sha256"] == wanted["model_sha256"] and "rows_without_features" not in wanted, (got, wanted)
        config(cli, name, **more, lateness="1d")
        assert "rows_without_features" in learn(cli, "spoiled.csv", program=name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [a_stuck_sensor_flags_what_is_made_of_it, only_the_order_of_a_device_counts, rows_without_devices_are_one,
                                 a_gap_is_one_of_all_inputs, ranges_and_windows_are_those_of_ingest, memory_does_not_grow_with_judged_rows,
                                 flagged_rows_are_left_out_of_a_fit, flagged_windows_are_left_out_of_the_main_job,
                                 rows_without_features_are_not_learned_from]))
