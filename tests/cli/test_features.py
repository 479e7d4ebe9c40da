#!/usr/bin/env python3
"""Feature programs on the command line: files, names, late rows, and what is said of wrong input. TAP, standard library only."""
import csv
import gzip
import json
import math
import os
import random
import statistics
import sys
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EDATA, EINVAL, ENOTFOUND, main  # noqa: E402

EPARSE = 3
BLOCK_ROWS = 16384  # rows that are made features of at a time, of programs of few features

FOUR = ["temperature", "vibration", "spindle_speed", "power_consumption"]
MAKER = {"continuousColumns": ["temperature", "pressure", "vibration", "current"], "booleanColumns": ["pump_status", "alarm_active"],
         "lagSeconds": [60, 120, 300], "rollingWindows": [5, 10, 20]}


def config(cli, schema, name="config.json", **top):
    return cli.write(name, json.dumps({"organizationId": "plant_1", "schemaConfig": schema} | top))


def rows_csv(columns, n=300, seed=1, devices=2, booleans=()):
    draw = random.Random(seed)
    start = datetime(2026, 3, 1, 22, tzinfo=timezone.utc)
    lines = [",".join(["when", "machine", *columns, *booleans])]
    for i in range(n):
        when = start + timedelta(seconds=10 * (i // devices))
        values = ["" if draw.random() < 0.03 else f"{draw.uniform(10, 20):.3f}" for _ in columns]
        truths = [draw.choice(["true", "false", ""]) for _ in booleans]
        lines.append(",".join([when.isoformat(), f"m{i % devices}", *values, *truths]))
    return "\n".join(lines) + "\n"


def features(cli, *words):
    said = cli.json("features", *words)
    with open(cli.folder / words[words.index("--out") + 1], newline="") as f:
        header, *lines = csv.reader(f)
    return said, [dict(zip(header, line)) for line in lines]


def named(schema):
    return {"timeColumn": "when", "deviceColumn": "machine"} | schema


def telemetry_40_has_its_columns(cli):
    cli.write("rows.csv", rows_csv(FOUR))
    config(cli, named({"continuousColumns": FOUR, "featureSet": "telemetry-40"}))
    said, lines = features(cli, "config.json", "rows.csv", "--out", "f.csv", "--replay")
    assert (said["rows"], said["columns"], said["devices"], said["late_rows"]) == (300, 42, 2, 0), said
    assert said["replayed"] and len(said["features_hash"]) == 32 and len(said["program"]) == 64, said
    assert len(lines) == 300 and len(lines[0]) == 42, len(lines)
    assert {"temperature_mean_5min", "vibration_std_30min", "temperature_x_vibration", "power_consumption_per_spindle_speed",
            "hour_sin", "weekday_cos", "spindle_speed_diff", "vibration_pct"} <= set(lines[0]), lines[0].keys()
    with open(cli.folder / "rows.csv") as f:
        raw = list(csv.DictReader(f))
    values = [float(r["temperature"]) for r in raw if r["machine"] == "m1" and r["temperature"]][:30]
    row = next(i for i, r in enumerate(raw) if r["machine"] == "m1" and r["temperature"] == f"{values[-1]:.3f}")
    window = [float(r["temperature"]) for r in raw[:row + 1] if r["machine"] == "m1" and r["temperature"]][-30:]
    window = window[len(window) - sum(1 for r in raw[max(0, row - 58):row + 1] if r["machine"] == "m1" and r["temperature"]):]
    mean = sum(window) / len(window)
    assert math.isclose(float(lines[row]["temperature_mean_5min"]), mean, rel_tol=1e-6), (lines[row], mean)
    again = cli.json("features", "config.json", "rows.csv", "--out", "g.csv", "--jobs", 1)
    assert again["program"] == said["program"] and (cli.folder / "f.csv").read_bytes() == (cli.folder / "g.csv").read_bytes()


def devices_are_found_by_name(cli):
    text = rows_csv(["x"], n=60)
    schema = {"timeColumn": "when", "continuousColumns": ["x"], "features": [{"op": "mean", "of": "x", "window": "1min"}]}
    cli.write("named.csv", text)
    config(cli, schema | {"deviceColumn": "machine"}, "named.json")
    config(cli, schema, "unnamed.json")
    _, wanted = features(cli, "named.json", "named.csv", "--out", "a.csv")
    for name, file in (("machine", "named.csv"), ("machineID", "id.csv")):
        cli.write(file, text.replace(",m0", ",100").replace(",m1", ",101").replace("machine", name) if file == "id.csv" else text)
        said, found = features(cli, "unnamed.json", file, "--out", "b.csv")
        assert said["devices"] == 2 and found == wanted, (said, name)
    cli.write("other.csv", text.replace("machine", "place"))
    assert cli.json("features", "unnamed.json", "other.csv", "--out", "c.csv")["devices"] == 1


def columns_get_what_is_usual(cli):
    cli.write("rows.csv", rows_csv(MAKER["continuousColumns"], booleans=MAKER["booleanColumns"]))
    config(cli, named(MAKER))
    said, lines = features(cli, "config.json", "rows.csv", "--out", "f.csv", "--replay")
    wanted = {"temperature", "alarm_active", "temperature_lag_60s", "current_lag_300s", "pressure_mean_5", "pressure_median_20",
              "vibration_rate", "vibration_acceleration", "current_zscore", "current_mad_distance_20", "temperature_x_pressure", "hour_sin"}
    assert wanted <= set(lines[0]), wanted - set(lines[0])
    assert said["columns"] == 6 + 12 + 60 + 12 + 4 + 6 + 4 + 8, said  # the last ones: what manufacturing knows of its columns
    assert {line["pump_status"] for line in lines} == {"0", "1", ""}
    assert lines[2]["temperature_lag_60s"] == "" and lines[40]["temperature_lag_60s"] == lines[28]["temperature"]


def late_and_repeated_rows_are_told(cli):
    lines = rows_csv(["x"], n=40, devices=1).splitlines()
    moved = lines[:20] + lines[25:30] + lines[20:25] + lines[30:] + [lines[-1]]
    cli.write("rows.csv", "\n".join(moved) + "\n")
    config(cli, named({"continuousColumns": ["x"], "features": [{"op": ["mean", "max"], "of": "x", "window": "1min"}]}))
    said, out = features(cli, "config.json", "rows.csv", "--out", "f.csv", "--replay")
    assert (said["late_rows"], said["repeated_rows"]) == (5, 1), said
    assert all(set(line.values()) == {""} for line in out[24:29]), out[24:29]
    assert "5 rows are older" in said["warnings"][0] and "lateness" in said["warnings"][0], said
    assert out[-1] == out[-2] and out[-1]["x_mean_1min"], out[-2:]
    schema = named({"continuousColumns": ["x"], "features": [{"op": ["mean", "max"], "of": "x", "window": "1min"}]})
    config(cli, schema | {"lateness": "2min"}, "tolerant.json")
    said, tolerant = features(cli, "tolerant.json", "rows.csv", "--out", "t.csv", "--replay")
    assert (said["late_rows_used"], said["late_rows"], said["repeated_rows"]) == (5, 0, 1), said
    cli.write("rows.csv", "\n".join(lines) + "\n")
    _, in_order = features(cli, "config.json", "rows.csv", "--out", "o.csv")
    assert tolerant[24:29] == in_order[19:24] and tolerant[29:40] == in_order[29:40], (tolerant[24:29], in_order[19:24])


def unreadable_rows_keep_their_lines(cli):
    lines = rows_csv(["x"], n=30, devices=1).splitlines()
    lines[10] = "not a time,m0,12"
    lines[12] = lines[12].rsplit(",", 1)[0] + ",much"
    cli.write("rows.csv", "\n".join(lines) + "\n")
    config(cli, {"deviceColumn": "machine", "continuousColumns": ["x"], "features": [{"op": "value", "of": "x"}]})
    status, text, err = cli.run("features", "config.json", "rows.csv", "--out", "f.csv", "--time", "when")
    assert status == EDATA and "line 11" in err, (status, err)
    lines[10] = ",m0,12"
    cli.write("rows.csv", "\n".join(lines) + "\n")
    said, out = features(cli, "config.json", "rows.csv", "--out", "f.csv", "--time", "when")
    assert said["unusable_rows"] >= 1 and len(out) == 30, said
    assert (out[9]["x"], out[11]["x"]) == ("", ""), out[9:12]


def arrow_is_written_too(cli):
    cli.write("rows.csv", rows_csv(["x"], n=50))
    config(cli, named({"continuousColumns": ["x"], "rollingWindows": ["1min"]}))
    said = cli.json("features", "config.json", "rows.csv", "--out", "f.arrow")
    data = (cli.folder / "f.arrow").read_bytes()
    assert data[:6] == data[-6:] == b"ARROW1" and len(data) == said["output_bytes"], said
    cli.fails(EINVAL, "features", "config.json", "rows.csv", "--out", "f.parquet", says="CSV or Arrow")


WRONG = [  # what is wrong, where, what the message says
    ({"continuousColums": ["x"]}, "/schemaConfig/continuousColums", "unknown parameter"),
    ({}, "/schemaConfig/continuousColumns", "missing"),
    ({"continuousColumns": "x", "rollingWindows": [0]}, "/schemaConfig/rollingWindows/0", "neither a time nor a number of rows"),
    ({"continuousColumns": ["x"], "rollingWindows": [5, "5 parsecs"]}, "/schemaConfig/rollingWindows/1", "5 parsecs"),
    ({"continuousColumns": ["x"], "rollingWindows": [5, 5]}, "/schemaConfig/rollingWindows/1", "two features called x_mean_5"),
    ({"continuousColumns": ["x"], "rollingWindows": [10 ** 9]}, "/schemaConfig/rollingWindows/0", "too far back"),
    ({"continuousColumns": ["x"], "lagSeconds": [-60]}, "/schemaConfig/lagSeconds/0", "positive number of seconds"),
    ({"continuousColumns": ["x", "x"]}, "/schemaConfig", "two columns called x"),
    ({"continuousColumns": ["x"], "samplingInterval": "often"}, "/schemaConfig/samplingInterval", "time span"),
    ({"continuousColumns": ["x"], "lateness": 5}, "/schemaConfig/lateness", "time span"),
    ({"continuousColumns": ["x"], "featureSet": "telemetry-41"}, "/schemaConfig/featureSet", "telemetry-41"),
    ({"continuousColumns": ["x"], "featureSet": "telemetry-40"}, "/schemaConfig/featureSet", "temperature"),
    ({"continuousColumns": ["x"], "features": {}}, "/schemaConfig/features", "list"),
    ({"continuousColumns": ["x"], "features": [{"op": "meen", "of": "x", "window": 5}]}, "/schemaConfig/features/0/op", "meen"),
    ({"continuousColumns": ["x"], "features": [{"op": "mean", "of": "y", "window": 5}]}, "/schemaConfig/features/0", "needs y"),
    ({"continuousColumns": ["x"], "features": [{"op": "mean", "of": "x"}]}, "/schemaConfig/features/0", "window or lag is missing"),
    ({"continuousColumns": ["x"], "features": [{"op": "mean", "of": "x", "windows": 5}]}, "/schemaConfig/features/0", "windows"),
    ({"continuousColumns": ["x"], "features": [{"op": "mean", "of": "x", "lag": 5}]}, "/schemaConfig/features/0/lag", "does not take"),
    ({"continuousColumns": ["x"], "features": [{"op": "product", "of": ["x"]}]}, "/schemaConfig/features/0/of", "two columns"),
    ({"continuousColumns": ["x"], "features": [{"op": "hour_sin", "of": "x"}]}, "/schemaConfig/features/0/of", "only the time"),
    ({"continuousColumns": ["x"], "features": [{"op": "quantile", "of": "x", "window": 5, "number": 2}]}, "/schemaConfig/features/0", "from 0 to 1"),
    ({"continuousColumns": ["x"], "features": [{"op": "lag", "of": "b", "lag": 1, "name": "a"}, {"op": "lag", "of": "a", "lag": 1, "name": "b"}]},
     "/schemaConfig/features/0", "needs itself"),
    ({"continuousColumns": ["x"], "features": [{"op": "rms", "of": "x", "window": "5min"}]}, "/schemaConfig/features/0", "not a time"),
    ({"continuousColumns": ["x"], "features": [{"op": "rms", "of": "x", "window": 8}]}, "/schemaConfig/features/0", "from 16 to"),
    ({"continuousColumns": ["x"], "features": [{"op": "band_power", "of": "x", "window": 64}]}, "/schemaConfig/features/0", "needs a band"),
    ({"continuousColumns": ["x"], "features": [{"op": "band_power", "of": "x", "window": 64, "band": [1]}]}, "/schemaConfig/features/0/band", "two frequencies"),
    ({"continuousColumns": ["x"], "features": []}, "/schemaConfig", "at least one feature"),
]


def wrong_configurations_are_refused(cli):
    cli.write("rows.csv", rows_csv(["x"]))
    for schema, where, says in WRONG:
        config(cli, schema)
        problem = cli.fails(EINVAL, "features", "config.json", "rows.csv", "--out", "f.csv", says=says, hint=False) \
            if "rollingWindows" not in schema or schema["rollingWindows"] != [10 ** 9] else \
            json.loads(cli.run("features", "config.json", "rows.csv", "--out", "f.csv", "--json")[1])
        assert problem.get("pointer") == where and says in problem["detail"], (schema, problem)
        assert not (cli.folder / "f.csv").exists()
    cli.write("config.json", '{"schemaConfig": ')
    cli.fails(EPARSE, "features", "config.json", "rows.csv", "--out", "f.csv", says="config.json", hint=False)
    config(cli, {"continuousColumns": ["x"]}, industry="mining!")
    cli.fails(EINVAL, "features", "config.json", "rows.csv", "--out", "f.csv", says="industry", hint=False)


def wrong_files_are_refused(cli):
    cli.write("rows.csv", rows_csv(["x"]))
    config(cli, named({"continuousColumns": ["speed", "x"]}))
    cli.fails(EDATA, "features", "config.json", "rows.csv", "--out", "f.csv", says="no column speed")
    config(cli, {"timeColumn": "when", "deviceColumn": "machines", "continuousColumns": ["x"]})
    cli.fails(EDATA, "features", "config.json", "rows.csv", "--out", "f.csv", says="machines")
    cli.write("timeless.csv", "x,y\n1,2\n3,4\n")
    config(cli, {"continuousColumns": ["x"]})
    cli.fails(EDATA, "features", "config.json", "timeless.csv", "--out", "f.csv", says="times")
    cli.fails(ENOTFOUND, "features", "none.json", "rows.csv", "--out", "f.csv", hint=False)
    cli.fails(ENOTFOUND, "features", "config.json", "none.csv", "--out", "f.csv", hint=False)
    assert not (cli.folder / "f.csv").exists()


def long_csv(n, line_end="\n", note=lambda i: ""):
    """Machines turn up all along; some rows cannot be read; a note that no configuration names."""
    lines = ["when,machine,x,on,note"]
    for i in range(n):
        x = "much" if i % 997 == 500 else "" if i % 13 == 4 else f"{i * 7919 % 1000 / 8}"
        lines.append(f"{1767225600 + 5 * i},m{i // 3000 if i % 3 else i % 7},{x},{('true', 'false', '')[i % 5 % 3]},{note(i)}")
        if i % 5000 == 77:
            lines.append("1767225600,short")
    return (line_end.join(lines) + line_end).encode()


LONG = named({"continuousColumns": ["x"], "booleanColumns": ["on"], "lateness": "1min", "rollingWindows": [20, "5min"], "lagSeconds": [60]})


def how_a_file_is_written_never_shows(cli):
    """Blocks of bytes, blocks of rows and threads end elsewhere each time."""
    rows = 2 * BLOCK_ROWS + 4000
    cli.write("rows.csv", long_csv(rows))
    config(cli, LONG)
    said = cli.json("features", "config.json", "rows.csv", "--out", "f.csv", "--replay")
    assert said["rows"] == rows + 8 and said["devices"] == rows // 3000 + 1 and said["first_unreadable"] == "line 80: 2 fields where the header has 5", said
    wanted = (cli.folder / "f.csv").read_bytes()
    cli.write("packed.csv", gzip.compress(long_csv(rows), 1))
    cli.write("crlf.csv", long_csv(rows, "\r\n"))
    cli.write("notes.csv", long_csv(rows, note=lambda i: '"two\n1767225600,ghost,5,true,\nlines"' if i % 100 == 3 else i))
    cli.write("late.csv", long_csv(rows, note=lambda i: i if i < rows - 1 else "text"))
    for name in ("packed.csv", "crlf.csv", "notes.csv", "late.csv"):
        for jobs in (1, 3):
            also = cli.json("features", "config.json", name, "--out", "g.csv", "--jobs", jobs)
            assert (cli.folder / "g.csv").read_bytes() == wanted, (name, jobs)
            same = ("rows", "columns", "devices", "late_rows_used", "late_rows", "repeated_rows", "unusable_rows", "program")
            assert [also[k] for k in same] == [said[k] for k in same], (also, said)
    with open(cli.folder / "late.csv", "rb") as piped:
        cli.ok("features", "config.json", "-", "--out", "g.csv", stdin=piped)
    assert (cli.folder / "g.csv").read_bytes() == wanted


def blocks_of_other_sizes_give_the_same_features(cli):
    """Programs of many features take fewer rows at a time: 600 more that are missing all along do not change the others."""
    cli.write("rows.csv", long_csv(18000))
    config(cli, LONG, "few.json")
    config(cli, LONG | {"lagSeconds": [60, *range(10 ** 6, 10 ** 6 + 600)]}, "many.json")
    few, many = (cli.json("features", name, "rows.csv", "--out", name + ".csv") for name in ("few.json", "many.json"))
    assert few["columns"] < 256 < few["columns"] + 600 <= many["columns"], many
    with open(cli.folder / "few.json.csv") as a, open(cli.folder / "many.json.csv") as b:
        names, more = a.readline().rstrip().split(","), b.readline().rstrip().split(",")
        places = [more.index(name) for name in names]
        for number, (line, longer) in enumerate(zip(a, b, strict=True)):
            cells = longer.rstrip("\n").split(",")
            assert line.rstrip("\n").split(",") == [cells[k] for k in places], number


def memory_does_not_grow_with_rows(cli):
    """A table of 2,000,000 rows alone would take 40 MB; how far threads read ahead of each other changes from run to run, but has a bound."""
    lines = [f"m{i % 8},{i * 7919 % 1000 / 8}" for i in range(1000)]
    config(cli, named({"continuousColumns": ["x"], "rollingWindows": [10, "5min"], "lagSeconds": [60]}))

    def peak(rows, jobs):
        said = cli.json("features", "config.json", f"{rows}.csv", "--out", "f.arrow", "--jobs", jobs)
        assert (said["rows"], said["late_rows"]) == (rows, 0), said
        return said["peak_bytes"]

    for rows in (100_000, 2_000_000):
        with open(cli.folder / f"{rows}.csv", "w") as f:
            f.write("when,machine,x\n")
            for block in range(rows // 1000):
                f.write("".join(f"{1767225600 + 1000 * block + i},{line}\n" for i, line in enumerate(lines)))
    few, many = peak(100_000, 1), peak(2_000_000, 1)
    assert many < few * 1.05, (few, many)
    assert peak(2_000_000, 2) < 32 * 2 ** 20


def a_file_that_ends_badly_leaves_no_features(cli):
    rows = 3 * BLOCK_ROWS
    text = long_csv(rows)
    config(cli, LONG)
    config(cli, {k: v for k, v in LONG.items() if k != "timeColumn"}, "timeless.json")
    cli.write("f.csv", "as it was")
    packed = gzip.compress(text, 1)
    cli.write("damaged.csv", packed[:-9] + bytes([packed[-9] ^ 255]) + packed[-8:])
    cli.write("soon.csv", text.replace(b"when", b"time") + b"soon,m1,1,true,\n")
    cli.write("when.csv", text + b"soon,m1,1,true,\n")
    cli.write("empty.csv", text[:text.index(b"\n") + 1])
    wrong = [("config.json", "damaged.csv", "damaged.csv"), ("config.json", "when.csv", f"line {rows + 12}, column when"),
             ("timeless.json", "soon.csv", "no column holds times only: time"), ("config.json", "empty.csv", "empty.csv: has a header but no rows")]
    for program, name, says in wrong:
        cli.fails(EDATA, "features", program, name, "--out", "f.csv", says=says)
        assert (cli.folder / "f.csv").read_text() == "as it was", name
        assert sorted(p.name for p in cli.folder.iterdir() if "tmp" in p.name) == [], name


def failing_csv(n, seed):
    """A machine fails when its temperature was high for minutes: a row alone does not tell."""
    draw = random.Random(seed)
    start, level, past = datetime(2026, 3, 1, tzinfo=timezone.utc), [60.0, 60.0], [[], []]
    lines = ["when,machine,temperature,vibration,failed"]
    for i in range(n):
        m = i % 2
        level[m] += draw.gauss(0, 0.5) - (level[m] - 60) * 0.02
        past[m] = (past[m] + [level[m]])[-30:]
        failed = sum(past[m]) / len(past[m]) + draw.gauss(0, 0.2) > 61
        lines.append(f"{(start + timedelta(seconds=10 * (i // 2))).isoformat()},m{m},{level[m]:.3f},{draw.gauss(3, 1):.3f},{int(failed)}")
    return "\n".join(lines) + "\n"


PROGRAM = named({"continuousColumns": ["temperature", "vibration"], "rollingWindows": ["5min", 10], "lagSeconds": [60]})


def a_model_makes_its_own_features(cli):
    cli.write("rows.csv", failing_csv(3000, 1))
    cli.write("later.csv", failing_csv(1000, 2))
    config(cli, PROGRAM, "program.json")
    learn = ["train", "rows.csv", "--target", "failed", "--learner", "gbdt", "--set", "n_estimators=20", "--test", "later.csv"]
    with_program = cli.json(*learn, "--program", "program.json", "--out", "m")
    without = cli.json(*learn, "--drop", "when,machine", "--out", "m0")
    assert with_program["metrics"]["roc_auc"] > without["metrics"]["roc_auc"] + 0.03, (with_program["metrics"], without["metrics"])
    (cli.folder / "program.json").unlink()
    cli.ok("predict", "m", "later.csv", "--out", "s.csv")
    made = cli.json("predict", "m", "later.csv", "--out", "s1.csv", "--jobs", 1)
    assert made["rows"] == 1000 and (cli.folder / "s.csv").read_bytes() == (cli.folder / "s1.csv").read_bytes()
    config(cli, PROGRAM, "program.json")
    cli.ok("train", "rows.csv", "--target", "failed", "--learner", "gbdt", "--set", "n_estimators=20", "--program", "program.json", "--out", "again",
           "--test", "later.csv", "--jobs", 1)
    for name in ("model.onnx", "metadata.json"):
        assert (cli.folder / "m" / name).read_bytes() == (cli.folder / "again" / name).read_bytes(), name
    longer = cli.json("train", "rows.csv", "--target", "failed", "--learner", "gbdt", "--set", "n_estimators=5", "--init-model", "m", "--out", "longer")
    assert longer["features"] == with_program["features"], longer
    features(cli, "program.json", "later.csv", "--out", "f.csv")
    lines = (cli.folder / "later.csv").read_text().splitlines()
    cli.write("few.csv", "\n".join([lines[0].replace("temperature", "heat"), *lines[1:5]]) + "\n")
    cli.fails(EDATA, "predict", "m", "few.csv", "--out", "s.csv", says="no column temperature")


def a_changed_program_is_noticed(cli):
    cli.write("rows.csv", failing_csv(400, 1))
    config(cli, PROGRAM, "program.json")
    learn = ["train", "rows.csv", "--program", "program.json", "--learner", "forest", "--set", "n_estimators=3"]
    cli.ok(*learn, "--target", "failed", "--out", "m")
    metadata = cli.folder / "m/metadata.json"
    whole = metadata.read_text()
    for old, new in (("5min", "6min"), ("rollingWindows", "rollingWindow"), ('"sha256": "', '"sha256": "0')):
        changed = whole.replace(old, new, 1) if old != '"sha256": "' else whole.replace(old, new)
        assert changed != whole
        metadata.write_text(changed)
        cli.fails(EDATA, "predict", "m", "rows.csv", "--out", "s.csv", hint=False)
    metadata.write_text(whole)
    cli.ok("predict", "m", "rows.csv", "--out", "s.csv")
    cli.fails(EINVAL, *learn, "--target", "temperature", "--out", "m2", says="know the answer")
    cli.fails(EINVAL, *learn, "--target", "failed", "--init-model", "m", "--out", "m2", says="feature program of its own")
    config(cli, PROGRAM | {"lagSeconds": [0]}, "program.json")
    cli.fails(EINVAL, *learn, "--target", "failed", "--out", "m2", says="program.json")


def features_are_scaled_by_their_training_rows(cli):
    cli.write("rows.csv", failing_csv(1000, 1))
    cli.write("later.csv", failing_csv(200, 2))
    config(cli, PROGRAM, "plain.json")
    said, made = features(cli, "plain.json", "rows.csv", "--out", "f.csv")
    fitted = [[float(line[name]) for line in made[:700] if line[name]] for name in made[0]]
    for kind in ("standard", "robust", "min-max"):
        config(cli, PROGRAM | {"scaling": kind, "targetColumn": "failed"}, "program.json")
        learn = ["train", "rows.csv", "--program", "program.json", "--test-share", "0.3"]
        told = cli.json(*learn, "--learner", "linear", "--task", "regression", "--out", "m")
        assert told["target"] == "failed" and told["features"] == said["columns"], told
        scaler = json.loads((cli.folder / "m/scaler.json").read_text())["scaling"]
        assert scaler["kind"] == kind and [one["name"] for one in scaler["features"]] == list(made[0]), scaler
        for one, values in zip(scaler["features"], fitted, strict=True):
            if len(set(values)) == 1:
                center, scale = values[0], 1
            elif kind == "standard":
                center, scale = statistics.fmean(values), statistics.pstdev(values)
            elif kind == "robust":
                low, center, high = statistics.quantiles(values, method="inclusive")
                scale = high - low or 1
            else:
                center, scale = min(values), max(values) - min(values)
            assert math.isclose(one["center"], center, rel_tol=1e-6, abs_tol=1e-9), (kind, one, center)
            assert math.isclose(one["scale"], scale, rel_tol=1e-6), (kind, one, scale)
        cli.ok("predict", "m", "later.csv", "--out", "s.csv")
        cli.ok(*learn, "--learner", "linear", "--task", "regression", "--out", "again", "--jobs", 1)
        for name in ("model.onnx", "scaler.json", "metadata.json"):
            assert (cli.folder / "m" / name).read_bytes() == (cli.folder / "again" / name).read_bytes(), name
    said, scaled = features(cli, "m", "rows.csv", "--out", "f.csv", "--replay")
    assert said["replayed"] and len(scaled) == len(made), said
    for plain, line in zip(made, scaled, strict=True):
        for one in scaler["features"]:
            was, now = plain[one["name"]], line[one["name"]]
            assert (was == "") == (now == "") and (not was or math.isclose((float(was) - one["center"]) / one["scale"], float(now), rel_tol=1e-5, abs_tol=1e-6))
    cli.ok("train", "rows.csv", "--target", "failed", "--learner", "linear", "--drop", "when,machine", "--task", "regression", "--out", "table")
    cli.fails(EINVAL, "features", "table", "rows.csv", "--out", "f.csv", says="learned from columns of a table")
    cli.fails(ENOTFOUND, "features", "nothing", "rows.csv", "--out", "f.csv", hint=False)
    text = (cli.folder / "m/scaler.json").read_text()
    (cli.folder / "m/scaler.json").write_text(text.replace('"center": ', '"center": 1', 1))
    cli.fails(EDATA, "features", "m", "later.csv", "--out", "f.csv", says="scaler.json is not the file metadata.json describes")
    cli.fails(EDATA, "predict", "m", "later.csv", "--out", "s.csv", says="scaler.json is not the file metadata.json describes")
    (cli.folder / "m/scaler.json").unlink()
    cli.fails(EDATA, "predict", "m", "later.csv", "--out", "s.csv", says="has no scaler.json", hint=False)
    metadata = cli.folder / "m/metadata.json"
    whole = json.loads(metadata.read_text())
    del whole["program"]["scaler_sha256"]
    metadata.write_text(json.dumps(whole))
    cli.fails(EDATA, "predict", "m", "later.csv", "--out", "s.csv", says="scaler_sha256", hint=False)


def scaled_models_are_gone_on_from_and_replaced(cli):
    cli.write("rows.csv", failing_csv(600, 1))
    config(cli, PROGRAM | {"scaling": "standard"}, "program.json")
    config(cli, PROGRAM, "plain.json")
    learn = ["train", "rows.csv", "--target", "failed", "--learner", "gbdt"]
    cli.ok(*learn, "--program", "program.json", "--set", "n_estimators=6", "--out", "m")
    cli.ok(*learn, "--program", "program.json", "--set", "n_estimators=10", "--out", "whole")
    cli.ok(*learn, "--init-model", "m", "--set", "n_estimators=4", "--out", "m")
    for name in ("model.onnx", "scaler.json"):
        assert (cli.folder / "m" / name).read_bytes() == (cli.folder / "whole" / name).read_bytes(), name
    cli.ok(*learn, "--program", "plain.json", "--set", "n_estimators=4", "--out", "m")
    assert not (cli.folder / "m/scaler.json").exists()
    cli.ok("predict", "m", "rows.csv", "--out", "s.csv")
    cli.fails(EINVAL, "train", "rows.csv", "--program", "plain.json", "--out", "m2", says="--target is missing", hint=False)


def texts_are_categories_of_a_model(cli):
    draw = random.Random(5)
    lines = failing_csv(1500, 3).splitlines()
    products = [draw.choice(["bolt", "nut", "gear, large", ""]) for _ in lines[1:]]
    def put(name, head="product", words=products, target=True):
        values = [line.rsplit(",", 1)[0] + f",{int(word == 'nut' or draw.random() < 0.05)}" if target else line for line, word in zip(lines[1:], words)]
        return cli.write(name, "\n".join([f"{lines[0]},{head}", *(f'{value},"{word}"' for value, word in zip(values, words))]) + "\n")
    put("rows.csv")
    for scaling in ("none", "standard"):
        config(cli, PROGRAM | {"categoricalColumns": ["product", "machine"], "scaling": scaling}, "program.json")
        learn = ["train", "rows.csv", "--program", "program.json", "--target", "failed", "--learner", "gbdt", "--set", "n_estimators=20", "--test-share", "0.3"]
        said = cli.json(*learn, "--out", "m")
        assert said["metrics"]["roc_auc"] > 0.9, said["metrics"]
        told = {one["name"]: one for one in json.loads((cli.folder / "m/metadata.json").read_text())["features"]}
        assert told["product"]["kind"] == "category" and told["product"]["categories"] == ["bolt", "gear, large", "nut"], told["product"]
        assert len(told) == said["features"] and "machine" in told, told
        cli.ok("predict", "m", "rows.csv", "--out", "s.csv")
        with open(cli.folder / "s.csv", newline="") as f:
            scores = [row["prediction"] for row in csv.DictReader(f)]
        assert sum(score == str(int(word == "nut")) for score, word in zip(scores, products)) > 0.97 * len(products)
        whole = (cli.folder / "m/metadata.json").read_bytes()
        cli.ok(*learn, "--out", "m", "--jobs", 1)
        assert (cli.folder / "m/metadata.json").read_bytes() == whole
    put("new.csv", words=["rivet"] * len(products))  # unseen: missing
    assert cli.json("predict", "m", "new.csv", "--out", "s.csv")["rows"] == len(products)
    put("other.csv", head="what")
    cli.fails(EDATA, "predict", "m", "other.csv", "--out", "s.csv", says="column 'product' is missing", hint=False)
    cli.fails(EDATA, "train", "other.csv", *learn[2:], "--out", "m2", says="no column product")
    cli.fails(EINVAL, "train", "rows.csv", *learn[2:4], "--target", "product", "--learner", "forest", "--out", "m2", says="know the answer")
    changed = (cli.folder / "m/metadata.json").read_text()
    (cli.folder / "m/metadata.json").write_text(changed.replace('"name": "product"', '"name": "produce"', 1))
    cli.fails(EDATA, "predict", "m", "rows.csv", "--out", "s.csv", says="another feature program")
    for names in (["product", "product"], ["temperature"], ["temperature_rate"]):
        config(cli, PROGRAM | {"categoricalColumns": names}, "program.json")
        cli.fails(EINVAL, "features", "program.json", "rows.csv", "--out", "f.csv", says="is there already")


def values_are_normal_in_their_condition(cli):
    """A machine runs at three loads; a defect shows as heat that is too high for its load, and nowhere near the highest heat."""
    draw = random.Random(9)
    lines = ["when,machine,load,heat,noise,defect"]
    for i in range(2000):
        load, defect = draw.randrange(3), draw.random() < 0.2
        when = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(seconds=30 * i)
        lines.append(f"{when.isoformat()},m1,{10 * load + draw.gauss(0, 0.1):.3f},{50 * load + draw.gauss(4 * defect, 1):.3f},{draw.gauss(0, 1):.3f},{int(defect)}")
    cli.write("rows.csv", "\n".join(lines) + "\n")
    plain = named({"continuousColumns": ["load", "heat", "noise"], "features": [{"op": "value", "of": ["heat", "noise"]}]})
    known = plain | {"conditions": {"settings": ["load"], "count": 3}, "features": [{"op": "normal", "of": ["heat", "noise"]},
                     {"op": "mean", "of": "heat_normal", "window": 5}]}
    aucs = []
    for schema in (plain, known):
        config(cli, schema, "program.json")
        learn = ["train", "rows.csv", "--program", "program.json", "--target", "defect", "--learner", "linear", "--task", "regression", "--test-share", "0.3"]
        aucs.append(cli.json(*learn, "--out", "m")["metrics"]["r2"])
    assert aucs[0] < 0.1 and aucs[1] > 0.5, aucs
    told = json.loads((cli.folder / "m/scaler.json").read_text())["conditions"]
    assert sorted(round(c / 10) for c in told["settings"][0]["centers"]) == [0, 1, 2] and [s["name"] for s in told["sensors"]] == ["heat", "noise"], told
    assert sum(told["sensors"][0]["counts"]) == 1400, told
    cli.ok("predict", "m", "rows.csv", "--out", "s.csv")
    said, made = features(cli, "m", "rows.csv", "--out", "f.csv", "--replay")
    assert said["replayed"] and sum(abs(float(line["noise_normal"])) < 4 for line in made) > 1990, said
    cli.ok(*learn, "--out", "again", "--jobs", 1)
    for name in ("model.onnx", "scaler.json", "metadata.json"):
        assert (cli.folder / "m" / name).read_bytes() == (cli.folder / "again" / name).read_bytes(), name
    config(cli, named({"continuousColumns": ["load", "heat"], "conditions": {"settings": ["load"], "count": 2}}), "usual.json")
    said, made = features(cli, "usual.json", "rows.csv", "--out", "f.csv", "--replay")
    assert "heat_normal" in made[0] and "load_normal" not in made[0] and not any(line["heat_normal"] for line in made), list(made[0])
    text = (cli.folder / "m/scaler.json").read_text()
    (cli.folder / "m/scaler.json").write_text(text.replace('"n": 3', '"n": 4'))
    cli.fails(EDATA, "predict", "m", "rows.csv", "--out", "s.csv", says="scaler.json is not the file")
    for conditions, where in (({"settings": ["load"]}, "conditions"), ({"settings": ["power"], "count": 2}, "conditions/settings/0"),
                              ({"settings": [], "count": 2}, "conditions/settings"), ({"settings": ["load"], "count": 0}, "conditions/count"),
                              ({"settings": ["load"], "count": 5000}, "conditions/count"), ([], "conditions")):
        config(cli, plain | {"conditions": conditions}, "wrong.json")
        status, _, err = cli.run("features", "wrong.json", "rows.csv", "--out", "f.csv")
        assert status == EINVAL and f"where: /schemaConfig/{where}\n" in err, (conditions, err)
    config(cli, plain | {"features": [{"op": "normal", "of": "heat"}]}, "wrong.json")
    cli.fails(EINVAL, "features", "wrong.json", "rows.csv", "--out", "f.csv", says="heat_normal needs operating conditions")
    config(cli, known | {"features": [{"op": "diff", "of": "heat"}, {"op": "normal", "of": "heat_diff"}]}, "wrong.json")
    cli.fails(EINVAL, "features", "wrong.json", "rows.csv", "--out", "f.csv", says="takes a column, not a feature", hint=False)


def events_csv(cli, n, seed, name):
    """Machines that warm up for an hour before they fail; the log of failures beside them."""
    draw = random.Random(seed)
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    rows, log, next_at = ["when,machine,temperature"], ["when,machine,what"], [40, 90]
    for i in range(n):
        for m in range(2):
            when = (start + timedelta(minutes=3 * i)).isoformat()
            left = next_at[m] - i
            rows.append(f"{when},{m + 7},{60 + max(0, 20 - left) + draw.gauss(0, 1):.2f}")
            if left == 0:
                log.append(f"{when},{m + 7},bearing")
                next_at[m] = i + 40 + draw.randrange(60)
    cli.write(name, "\n".join(rows) + "\n")
    cli.write("log_" + name, "\n".join(log) + "\n")


def events_are_predicted(cli):
    events_csv(cli, 900, 1, "rows.csv")
    events_csv(cli, 300, 2, "later.csv")
    config(cli, named({"continuousColumns": ["temperature"], "features": [{"op": ["mean", "slope"], "of": "temperature", "window": "30min"}]}), "p.json")
    learn = ["train", "rows.csv", "--program", "p.json", "--events", "log_rows.csv", "--learner", "gbdt", "--set", "n_estimators=30"]
    soon = cli.json(*learn, "--horizon", "45min", "--out", "soon")
    assert (soon["task"], soon["target"]) == ("binary", "event_within_45min") and 0 < soon["rows_without_target"] < 200, soon
    assert soon["metrics"]["roc_auc"] > 0.97, soon
    left = cli.json(*learn, "--time-to-event", "1h", "--out", "left")
    assert (left["task"], left["target"]) == ("regression", "hours_to_event") and left["metrics"]["rmse"] < 0.12, left
    cli.ok("predict", "soon", "later.csv", "--out", "s.csv")
    cli.fails(EINVAL, *learn, "--out", "x", says="what shall be predicted")
    cli.fails(EINVAL, *learn, "--horizon", "1h", "--time-to-event", "1h", "--out", "x", says="what shall be predicted")
    cli.fails(EINVAL, *learn, "--horizon", "1h", "--target", "temperature", "--out", "x", says="in place of --target")
    cli.fails(EINVAL, *[w for w in learn if w not in ("--program", "p.json")], "--horizon", "1h", "--out", "x", says="telemetry")
    cli.fails(EINVAL, "train", "rows.csv", "--program", "p.json", "--target", "machine", "--horizon", "1h", "--out", "x", says="needs a log of events")
    cli.fails(EINVAL, *learn[:-4], "--learner", "isolation", "--horizon", "1h", "--out", "x", says="without a target")
    with open(cli.folder / "log_rows.csv", newline="") as f:
        log = list(csv.DictReader(f))
    for name, keep in (("kinds.csv", None), ("pumps.csv", "pump")):
        with open(cli.folder / name, "w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["when", "machine", "what"])
            writer.writerows((row["when"], row["machine"], "pump" if i % 2 else 7) for i, row in enumerate(log) if keep is None or i % 2)
    for kind, log_of in (([], "pumps.csv"), (["--event-kind", "what=pump"], "kinds.csv")):
        learn[5] = log_of
        told = cli.json(*learn, "--horizon", "45min", *kind, "--out", "some")
        assert told["target"] == ("pump_within_45min" if kind else "event_within_45min"), told
        scored = cli.ok("predict", "some", "later.csv", "--out", f"{len(kind)}.csv") and (cli.folder / f"{len(kind)}.csv").read_text()
        assert not kind or scored == (cli.folder / "0.csv").read_text()
    assert cli.json(*learn, "--time-to-event", "1h", "--event-kind", "what=7", "--out", "some")["target"] == "hours_to_7"
    cli.fails(EDATA, *learn, "--horizon", "1h", "--event-kind", "what=fan", "--out", "x", says="has no event with what=fan")
    cli.fails(EDATA, *learn, "--horizon", "1h", "--event-kind", "why=fan", "--out", "x", says="has no column why")
    cli.fails(EINVAL, *learn, "--horizon", "1h", "--event-kind", "pump", "--out", "x", says="COLUMN=VALUE")
    cli.fails(EINVAL, "train", "rows.csv", "--program", "p.json", "--target", "machine", "--event-kind", "a=b", "--out", "x", says="--event-kind needs a log")
    cli.write("strange.csv", "when,machine\n2026-03-01T01:00:00Z,99\n")
    learn[5] = "strange.csv"
    cli.fails(EDATA, *learn, "--horizon", "1h", "--out", "x", says="for every row")
    cli.write("strange.csv", "when,place\n2026-03-01T01:00:00Z,7\n")
    cli.fails(EDATA, *learn, "--horizon", "1h", "--out", "x", says="of which machine")
    cli.write("strange.csv", "place,machine\na,7\n")
    cli.fails(EDATA, *learn, "--horizon", "1h", "--out", "x", says="no column of times")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [
        telemetry_40_has_its_columns, devices_are_found_by_name, columns_get_what_is_usual, late_and_repeated_rows_are_told, unreadable_rows_keep_their_lines,
        arrow_is_written_too, how_a_file_is_written_never_shows, blocks_of_other_sizes_give_the_same_features, memory_does_not_grow_with_rows,
        a_file_that_ends_badly_leaves_no_features, wrong_configurations_are_refused, wrong_files_are_refused,
        a_model_makes_its_own_features, events_are_predicted, a_changed_program_is_noticed,
        features_are_scaled_by_their_training_rows, scaled_models_are_gone_on_from_and_replaced,
        texts_are_categories_of_a_model, values_are_normal_in_their_condition]))
