#!/usr/bin/env python3
"""Every command of the binary in its documented forms and in wrong ones. TAP, standard library only.

    MILLWRIGHT_BINARY=build/millwright tests/cli/test_cli.py [WORD...]     only tests whose names hold a word
"""
import concurrent.futures
import gzip
import json
import os
import pty
import random
import re
import select
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = str(Path(os.environ.get("MILLWRIGHT_BINARY", ROOT / "build/millwright")).resolve())
# The status table of src/core/base/status.h.
OK, EINVAL, EDATA, ENOTFOUND, ECONFLICT, ETOOLARGE, EIO, ECANCELED = 0, 2, 4, 5, 6, 8, 12, 14
CLEAN = {k: v for k, v in os.environ.items()
         if not k.startswith(("MILLWRIGHT_", "ML_API_", "LOG_")) and k not in ("AGG_INTERVAL", "N_JOBS", "WORKERS")}


class Cli:
    """The binary in a folder of its own, with `data` below it as data folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.segments = self.folder / "data/orgs/default/datasets/main"

    def start(self, *words, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": CLEAN, **options}
        return subprocess.Popen([BINARY, *map(str, words)], cwd=self.folder, **options)

    def run(self, *words, env=None, **options):
        process = self.start(*words, env={**CLEAN, **(env or {})}, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(), err.decode()

    def ok(self, *words, **options):
        status, out, err = self.run(*words, **options)
        assert status == 0, (words, status, out, err)
        return out

    def json(self, *words, **options):
        return json.loads(self.ok(*words, "--json", **options))

    def fails(self, status, *words, says=None, hint=True, **options):
        """Fails alike without and with --json: message and hint on stderr, one problem on stdout."""
        got, out, err = self.run(*words, **options)
        assert (got, out) == (status, ""), (words, got, out, err)
        assert "millwright: " in err and (not hint or "\n  hint: " in err), (words, err)
        assert says is None or says in err, (words, err)
        words = list(words)
        words.insert(words.index("--") if "--" in words else len(words), "--json")
        got, out, err = self.run(*words, **options)
        assert got == status, (words, got, out, err)
        problem = json.loads(out)
        assert problem["detail"] in err and problem["title"] and problem["status"] >= 400, (problem, err)
        return problem

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    def segment(self):
        (one,) = self.segments.glob("*.arrow")
        return one


def long_csv(rows=60, device="d1", first=0, parameter="temp"):
    lines = ["timestamp,device_id,parameter,value"]
    for i in range(first, first + rows):
        lines.append(f"2026-03-{1 + i // 288:02d}T{i // 12 % 24:02d}:{i * 5 % 60:02d}:00Z,{device},{parameter},{i % 7}.5")
    return "\n".join(lines) + "\n"


def table_csv(rows=300, seed=1):
    draw = random.Random(seed)
    lines = ["a,b,color,y,zero_one,word,level,constant,nothing,gaps"]
    for i in range(rows):
        a, b, color = draw.gauss(0, 1), draw.gauss(0, 1), draw.choice(["red", "green", "blue"])
        y = 2 * a + b + {"red": 1, "green": 0, "blue": -1}[color]
        lines.append(f"{a:.4f},{b:.4f},{color},{y:.4f},{int(y > 0)},{'yes' if y > 0 else 'no'},"
                     f"{'low' if y < -1 else 'mid' if y < 1 else 'top'},7,,{'' if i % 5 == 0 else f'{y:.4f}'}")
    return "\n".join(lines) + "\n"


TARGETS = {"y", "zero_one", "word", "level", "constant", "nothing", "gaps"}


def train_table(cli, target, out, *more, file="t.csv"):
    if not (cli.folder / "t.csv").exists():
        cli.write("t.csv", table_csv())
    goal = ["--target", target] if target else []
    return cli.run("train", file, *goal, "--drop", ",".join(sorted(TARGETS - {target})), "--out", out, "--json", *more)


# ---- the command line itself ----

def no_arguments_show_the_overview_and_fail(cli):
    status, out, _ = cli.run()
    assert status == EINVAL and "usage: millwright" in out
    for word in ("--help", "-h", "help"):
        overview = cli.ok(word)
        for verb in verbs():
            assert f"\n  {verb}" in overview, verb


def verbs():
    """As the completion offers them."""
    script = subprocess.run([BINARY, "completion"], capture_output=True, text=True, check=True).stdout
    return set(script.split('-W "')[1].split('"')[0].split()) - {"help"}


def help_of_every_verb_lists_every_option(cli):
    script = cli.ok("completion")
    assert subprocess.run(["bash", "-n"], input=script.encode()).returncode == 0
    for line in script.splitlines():
        if ") options=\"" not in line or line.strip().startswith("*"):
            continue
        verb, options = line.strip().split(") options=\"")
        text = cli.ok(verb, "--help")
        for option in options.split('"')[0].split():
            assert f"  {option}" in text, (verb, option)
        assert "examples:" in text and cli.ok("help", verb) == text, verb
    for verb in verbs():
        assert cli.ok(verb, "--help"), verb
    assert not (cli.folder / "data").exists()


def verbs_that_are_no_operations(cli):
    version = (ROOT / "VERSION").read_text().strip()
    assert cli.ok("version") == cli.ok("--version") == f"millwright {version}\n"
    assert cli.json("version") == {"version": version}
    assert json.loads(cli.ok("openapi")) == json.loads((ROOT / "api/openapi.json").read_text())
    assert cli.ok("completion", "bash") == cli.ok("completion")
    for words in (["version", "x"], ["completion", "zsh"], ["openapi", "x"]):
        cli.fails(EINVAL, *words)
    assert not (cli.folder / "data").exists()


def wrong_words_get_the_nearest_right_one(cli):
    for typed, meant in (("trian", "train"), ("summry", "summary"), ("sreve", "serve"), ("verison", "version")):
        cli.fails(EINVAL, typed, says=f"`millwright {meant}`")
    for words, says in ((["summary", "--dateset", "x"], "did you mean --dataset?"),
                        (["summary", "--jobz=2"], "did you mean --jobs?"),
                        (["serve", "--prot", "1"], "did you mean --port?"),
                        (["jobs", "--zzzzzz"], "--help` lists"),
                        (["summary", "--org", "acme", "extra"], "one argument too many"),
                        (["summary", "-x"], "two dashes"),
                        (["--org", "acme", "summary"], "the command comes first"),
                        (["help", "nope"], "lists the commands"),
                        (["train", "--learner", "forest"], "with a file has it"),
                        (["train", "t.csv", "--lags", "3"], "without a file has it")):
        cli.fails(EINVAL, *words, says=says)


def values_are_checked(cli):
    for words in (["summary", "--dataset"], ["train", "--target", "--dataset", "x"], ["ingest", "--data"]):
        cli.fails(EINVAL, *words, says="needs a value")
    for words in (["anomalies", "--limit", "-1"], ["anomalies", "--limit=0"], ["jobs", "--limit", "1001"],
                  ["generate", "--days", "-3"], ["generate", "--days", "x"], ["generate", "--seed", "-1"],
                  ["generate", "--profile", "x"], ["summary", "--jobs", "257"], ["importance", "--model", "x"],
                  ["jobs", "--limit", "5", "--limit", "6"], ["summary", "--org", "../x"], ["summary", "--org", ""],
                  ["summary", "--org", "x" * 65], ["summary", "--data", ""],
                  ["train", "--interval", "fast"], ["trend"], ["ingest"], ["ingest", ""], ["predict"],
                  ["predict", "m", "f"], ["train", "f.csv", "--target", "y"], ["train", "f.csv", "--out", ""]):
        cli.fails(EINVAL, *words, hint=False)
    cli.fails(EINVAL, "summary", env={"N_JOBS": "many"}, hint=False)
    assert not (cli.folder / "data").exists()
    cli.fails(EINVAL, "summary", "--dataset", "../x", hint=False)


# ---- the main journey, for two organizations ----

def journey_of_two_organizations(cli):
    for org, words in (("default", []), ("acme", ["--org", "acme"])):
        machines = 2 if org == "default" else 3
        made = cli.json("generate", "--days", "2", "--machines", machines, "--seed", "7", *words)
        assert made["machines"] == machines
        folder = cli.folder / ("data/csv" if org == "default" else "data/orgs/acme/csv")
        assert list(folder.glob("*.csv")) and (folder / "labels/faults.csv").exists()
    results = {}
    for org in ("default", "acme"):
        cli.fails(ECONFLICT, "anomalies", "--org", org)
        trained = results[org] = cli.json("train", "--org", org, "--min-samples-leaf", "20")
        assert set(trained["models"]) == {"baseline", "regression", "anomaly"}
        summary = cli.json("summary", "--org", org)
        assert summary["rows"] == trained["rows"] and summary["organization"] == org
        assert {"name", "type", "count", "missing", "mean", "std", "min", "max"} <= set(summary["columns"][0])
        anomalies = cli.json("anomalies", "--org", org, "--limit", "3")
        assert len(anomalies) == 3 and {"start", "device", "score", "parameters"} <= set(anomalies[0])
        assert cli.json("trend", "--org", org, "--parameter", trained["target"])
        cli.fails(ENOTFOUND, "trend", "--org", org, "--parameter", "nope")
        cli.fails(ENOTFOUND, "train", "--org", org, "--target", trained["target"] + "s", says=f"'{trained['target']}'")
        for model in ("baseline", "regression", "anomaly"):
            assert cli.json("importance", "--org", org, "--model", model)["features"]
        status = cli.json("models", "--org", org)
        assert status["trained"] and {m["status"] for m in status["models"]} == {"ready"}
        assert [j["state"] for j in cli.json("jobs", "--org", org)] == ["FAILURE", "FAILURE", "SUCCESS"]
        assert all(c["ok"] for c in cli.json("doctor", "--org", org)["checks"])
        for verb in (["summary"], ["anomalies"], ["importance"], ["models"], ["jobs"], ["doctor"],
                     ["trend", "--parameter", trained["target"]]):
            assert len(cli.ok(*verb, "--org", org)) > 20, verb
    assert results["default"]["devices"] == 2 and results["acme"]["devices"] == 3
    cli.fails(ENOTFOUND, "summary", "--org", "ghost", says="ghost")
    damage_of_a_model(cli)


def damage_of_a_model(cli):
    folder = cli.folder / "data/orgs/default/models/anomaly/versions/1"
    for name, spoil in (("model.onnx", lambda b: b[:1000]), ("model.onnx", lambda b: b[:-9] + b"x" + b[-8:]),
                        ("metadata.json", lambda b: re.sub(rb'("format_version": *)\d+', rb'\g<1>99', b)),
                        ("metadata.json", lambda b: b"{")):
        whole = (folder / name).read_bytes()
        assert spoil(whole) != whole, name
        (folder / name).write_bytes(spoil(whole))
        damaged = [m for m in cli.json("models")["models"] if m["status"] == "damaged"]
        assert [m["name"] for m in damaged] == ["anomaly"] and damaged[0]["reason"], name
        assert "train again" in cli.ok("models")
        status, out, _ = cli.run("doctor", "--json")
        assert status == EDATA and [c["check"] for c in json.loads(out)["checks"] if not c["ok"]] == ["model anomaly"]
        (folder / name).write_bytes(whole)
    whole = (folder / "anomalies.json").read_bytes()
    (folder / "anomalies.json").write_bytes(whole[:500])
    cli.fails(EDATA, "anomalies", hint=False)
    (folder / "anomalies.json").write_bytes(whole)
    (folder / "anomalies.json").rename(folder / "kept.json")
    cli.fails(EDATA, "anomalies")
    (folder / "kept.json").rename(folder / "anomalies.json")
    assert cli.json("anomalies")


# ---- ingest ----

def odd_names_are_names(cli):
    for name in ("a b,c.csv", "Füll stand.csv", "-lead.csv", "x.CSV", "quote'\"$.csv"):
        cli.write(name, long_csv(device=str(len(name))))
        assert cli.json("ingest", "./" + name)["rows"] == 60
    assert "-lead.csv: unchanged" in cli.ok("ingest", "--", "-lead.csv", "a b,c.csv")
    cli.fails(EINVAL, "ingest", "-lead.csv", says="after --")
    assert cli.json("summary")["files"] == 5


def what_cannot_be_read_changes_nothing(cli):
    whole = gzip.compress(long_csv().encode())
    cli.write("good.csv", long_csv())
    cli.ok("ingest", "good.csv")
    before = cli.json("summary"), sorted(p.name for p in cli.segments.iterdir())
    wide = "time," + ",".join(f"s{i}" for i in range(20001)) + "\n"
    files = {"empty.csv": "", "header.csv": "timestamp,parameter,value\n", "binary.csv": bytes(range(256)) * 20,
             "zeros.csv": bytes(5000), "cut.csv.gz": whole[:-20], "crc.csv.gz": whole[:-6] + b"\1\2" + whole[-4:],
             "no.csv.gz": "hello", "columns.csv": wide, "notime.csv": "time,b\nnoon,2\n",
             "field.csv": "timestamp,parameter,value\n2026-01-01," + "x" * 100000 + ",1\n",
             "many.csv": long_csv() + "bad,d1,temp,1\n" * 10}
    for name, text in files.items():
        cli.write(name, text)
        cli.fails(ETOOLARGE if name == "columns.csv" else EDATA, "ingest", name, says=name)
    os.makedirs(cli.folder / "folder/sub")
    cli.write("folder/readme.txt", "x")
    cli.fails(EDATA, "ingest", "folder", says="holds no *.csv")
    cli.fails(EDATA, "ingest", "/dev/null")
    cli.fails(ENOTFOUND, "ingest", "missing.csv", says="missing.csv")
    cli.fails(EINVAL, "ingest", "good.csv", "gone/good.csv", says="two files are called good.csv")
    # One bad file among good ones: none of them counts.
    cli.write("late.csv", long_csv(first=500))
    cli.fails(EDATA, "ingest", "late.csv", "empty.csv")
    assert (cli.json("summary"), sorted(p.name for p in cli.segments.iterdir())) == before
    if os.geteuid() != 0:
        os.chmod(cli.folder / "late.csv", 0)
        cli.fails(7, "ingest", "late.csv", hint=False)


def rejects_are_kept_and_told(cli):
    bad = ["2026-03-01T00:00:00Z,d1", "2026-03-01T00:00:00Z,d1,temp,1,2", "when,d1,temp,1", "2026-03-01T00:00:00Z,d1,temp,hot"]
    cli.write("few.csv", "\ufeff" + (long_csv(100) + "\n".join(bad) + "\n").replace("\n", "\r\n"))
    told = cli.json("ingest", "few.csv")
    assert (told["rows"], told["rejected"]) == (100, 4)
    rejects = (cli.segments / told["files"][0]["rejects"]).read_text().splitlines()
    assert rejects[0].startswith("#millwright-rejects 1 {") and rejects[3::2] == bad and 'column "5"' in rejects[4]
    assert [note.split(",")[0] for note in rejects[2::2]] == [f"#line {n}" for n in range(102, 106)] and "not a number" in rejects[8]
    cli.fails(EDATA, "ingest", "few.csv", "--dataset", "strict", "--max-reject-share", "0.01", says="line 102")
    assert cli.json("summary")["rejects"] == 4


def quotes_hold_anything(cli):
    cli.write("q.csv", 'timestamp,device_id,device_name,parameter,value\r\n'
                       '2026-01-01 00:00:00,d1,"Line ""one""\r\nnext, x",temp,"1.5"\r\n')
    assert cli.json("ingest", "q.csv")["rows"] == 1
    assert cli.json("summary")["columns"][2]["count"] == 1


def the_same_name_replaces_and_says_so(cli):
    cli.write("a/s.csv", long_csv(60, "d1"))
    cli.write("b/s.csv", long_csv(30, "d2", 100))
    assert cli.json("ingest", "a/s.csv")["rows"] == 60
    assert cli.json("ingest", "a/s.csv") ["unchanged_files"] == 1
    out = cli.ok("ingest", "b/s.csv")
    assert "replaces its rows from before" in out, out
    summary = cli.json("summary")
    assert (summary["rows"], summary["devices"], summary["files"]) == (30, ["d2"], 1)
    assert cli.segment().exists()  # the replaced one is gone
    assert cli.json("ingest", "a/s.csv", "--org", "acme")["files"][0]["replaces"] is False
    assert cli.json("summary", "--org", "acme")["devices"] == ["d1"] and cli.json("summary")["rows"] == 30


def a_damaged_segment_is_told_and_heals(cli):
    cli.write("s.csv", long_csv(300))
    cli.ok("ingest", "s.csv")
    segment, before = cli.segment(), cli.json("summary")
    whole = segment.read_bytes()
    for spoiled in (None, b"", whole[:700], whole[:-30] + b"\x7f" + whole[-29:], whole[:-9] + b"x" + whole[-8:]):
        segment.unlink()
        if spoiled is not None:
            segment.write_bytes(spoiled)
        for words in (["summary"], ["trend", "--parameter", "temp"], ["train"]):
            problem = cli.fails(EDATA, *words)
            assert "again" in problem["hint"] and "orgs/" not in problem["detail"], problem
        status, out, _ = cli.run("doctor", "--json")
        assert status == EDATA and [c["check"] for c in json.loads(out)["checks"] if not c["ok"]] == ["dataset main"]
        assert cli.json("ingest", "s.csv")["files"][0]["replaces"]
        assert cli.json("summary") == before and cli.segment().read_bytes() == whole
    cli.ok("doctor")


# ---- plain tables ----

def tables_of_every_kind_of_target(cli):
    for target, task, header in (("y", "regression", "prediction"), ("gaps", "regression", "prediction"),
                                 ("zero_one", "binary", "prediction,probability"),
                                 ("word", "binary", "prediction,probability"),
                                 ("level", "multiclass",
                                  "prediction,probability_low,probability_mid,probability_top")):
        status, out, err = train_table(cli, target, f"m_{target}", "--set", "n_estimators=20")
        told = json.loads(out)
        assert status == 0 and told["task"] == task, (target, err)
        assert {"metrics", "rows", "seconds", "peak_bytes", "model_sha256"} <= set(told)
        assert set(told["seconds"]) == {"read", "features", "fit", "save"}
        assert told["rows"] + told["rows_without_target"] == 300
        cli.ok("predict", f"m_{target}", "t.csv", "--out", "s.csv")
        lines = (cli.folder / "s.csv").read_text().splitlines()
        assert lines[0] == header and len(lines) == 301
        for line in lines[1:]:
            cells = line.split(",")
            if task == "regression":
                float(line)
                continue
            shares = [float(c) for c in cells[1:]]
            assert all(0 <= p <= 1 for p in shares)
            assert task == "binary" or abs(sum(shares) - 1) < 1e-6
    assert train_table(cli, "y", "m_linear", "--learner", "linear")[0] == 0
    for target, words in (("constant", "the same in every row"), ("nothing", "no values")):
        status, out, err = train_table(cli, target, "m_x")
        assert status == EDATA and words in json.loads(out)["detail"] and words in err


def isolation_takes_no_target(cli):
    status, out, _ = train_table(cli, None, "m", "--learner", "isolation", "--set", "contamination=0.1")
    assert status == 0 and json.loads(out)["metrics"]["flagged"] == 30
    cli.ok("predict", "m", "t.csv", "--out", "s.csv")
    lines = (cli.folder / "s.csv").read_text().splitlines()
    assert lines[0] == "score,is_anomaly" and sum(line.endswith(",1") for line in lines) == 30
    scores = [(float(s), f) for s, f in (line.split(",") for line in lines[1:])]
    assert all(0 <= s <= 1 for s, _ in scores)
    assert min(s for s, f in scores if f == "1") > max(s for s, f in scores if f == "0")
    cli.fails(EINVAL, "train", "t.csv", "--learner", "isolation", "--target", "y", "--out", "m", says="without a target")


def wrong_trainings_say_what_to_do(cli):
    cli.write("t.csv", table_csv())
    ends = ["--out", "m"]
    for status, words, says in (
            (ENOTFOUND, ["--target", "colour"], 'did you mean "color"?'),
            (ENOTFOUND, ["--target", "elsewhere"], "the columns are a, b, color"),
            (EINVAL, ["--target", "y", "--drop", "wrod"], 'Did you mean "word"?'),
            (ENOTFOUND, ["--target", "y", "--device", "zz"], "zz"),
            (EINVAL, ["--target", "y", "--time", "zz"], "zz"),
            (ENOTFOUND, ["--target", "y", "--test", "missing.csv"], "missing.csv"),
            (EINVAL, ["--target", "y", "--set", "trees=3"], "--learner forest --help` lists its parameters"),
            (EINVAL, ["--target", "y", "--set", "n_estimators"], "name=value"),
            (EINVAL, ["--target", "zero_one", "--learner", "linear"], "--task regression"),
            (EDATA, ["--target", "level", "--task", "binary"], "multiclass")):
        cli.fails(status, "train", "t.csv", *words, *ends, says=says)
    for words in (["--target", "y", "--set", "n_estimators=many"], ["--target", "y", "--set", "seed=-1"],
                  ["--target", "y", "--learner", "gbdt2"], ["--target", "y", "--test-share", "1"], []):
        cli.fails(EINVAL, "train", "t.csv", *words, *ends, hint=False)
    lines = table_csv().splitlines()
    cli.write("typo.csv", "\n".join(lines[:9] + [lines[9].replace(lines[9].split(",")[3], "oops", 1)] + lines[10:]))
    cli.fails(EDATA, "train", "typo.csv", "--target", "y", *ends, says='but also "oops"')
    cli.write("broken.csv", "\n".join(lines[:20] + ["1,2"] * 3))
    cli.fails(EDATA, "train", "broken.csv", "--target", "y", *ends, says="line 21")
    assert not (cli.folder / "m").exists()


def any_number_of_threads_gives_the_same_bytes(cli):
    seen = set()
    for words in (["--jobs", "1"], ["--jobs", "2"], ["--jobs", "3"], ["--jobs", "8"], []):
        status, out, err = train_table(cli, "level", "m", "--set", "n_estimators=20", *words)
        assert status == 0, err
        files = tuple((cli.folder / "m" / name).read_bytes() for name in ("model.onnx", "metadata.json"))
        seen.add((json.loads(out)["model_sha256"], files))
    assert len(seen) == 1
    shas = {json.loads(train_table(cli, "level", "m", "--set", "n_estimators=20", "--set", f"seed={n}")[1])["model_sha256"]
            for n in (1, 2)}
    assert len(shas) == 2


def a_test_is_measured_on_what_was_held_back(cli):
    assert json.loads(train_table(cli, "y", "m", "--test-share", "0.2")[1])["metrics"]["rows"] == 60
    told = json.loads(train_table(cli, "y", "m", "--test", "t.csv")[1])
    assert told["metrics"]["measured_on"] == "test file" and told["metrics"]["rows"] == 300


def predict_reads_as_the_model_learned(cli):
    draw = random.Random(5)
    lines = ["a,code,flag,y"]
    for _ in range(200):
        a, code, flag = draw.gauss(0, 1), draw.choice(["1.0", "02", "X"]), draw.choice(["true", "false"])
        lines.append(f"{a:.3f},{code},{flag},{a + 5 * (code == '1.0') + 9 * (code == '02') + 20 * (flag == 'true'):.3f}")
    cli.write("c.csv", "\n".join(lines) + "\n")
    cli.ok("train", "c.csv", "--target", "y", "--out", "m")

    def predict(text):
        cli.write("p.csv", text)
        told = cli.json("predict", "m", "p.csv", "--out", "s.csv")
        return told, (cli.folder / "s.csv").read_text().splitlines()[1:]

    _, mixed = predict("a,code,flag\n0,1.0,true\n0,02,false\n0,X,true\n")
    # The same cells in files that suggest other types, in another order, beside other columns.
    assert predict("a,code,flag\n0,1.0,1\n")[1] == mixed[:1]
    assert predict("extra,flag,code,a\nx,false,02,0\n")[1] == mixed[1:2]
    told, scores = predict("a,code,flag\nbad,X,true\n0,1.0,true\n1,2\n,,\n0,violet,maybe\n\n0,X,TRUE\n")
    assert (told["rows"], told["unreadable_rows"]) == (6, 3) and 'line 2: a: not a number: "bad"' == told["first_unreadable"]
    assert [s == "" for s in scores] == [True, False, True, False, True, False]
    assert scores[1] == mixed[0] and scores[5] == mixed[2]
    float(predict("a,code,flag\n0,violet,true\n")[1][0])  # a category that was never seen
    cli.write("p.csv", "a,flag\n1,true\n")
    cli.fails(EDATA, "predict", "m", "p.csv", "--out", "s.csv", says="code", hint=False)


def predict_writes_files_only(cli):
    train_table(cli, "y", "m")
    os.mkfifo(cli.folder / "pipe")
    os.mkdir(cli.folder / "folder")
    for out in ("pipe", "folder"):
        cli.fails(EINVAL, "predict", "m", "t.csv", "--out", out, says="not a regular file")
    assert stat.S_ISFIFO(os.stat(cli.folder / "pipe").st_mode)
    cli.fails(ENOTFOUND, "predict", "m", "t.csv", "--out", "nowhere/s.csv", hint=False)
    cli.fails(ENOTFOUND, "predict", "nowhere", "t.csv", "--out", "s.csv", hint=False)
    cli.fails(EDATA, "predict", "folder", "t.csv", "--out", "s.csv", hint=False)
    assert not (cli.folder / "s.csv").exists()


# ---- the data folder, and what ends a command ----

def data_folders_that_are_none(cli):
    cli.write("file", "x")
    cli.fails(ENOTFOUND, "summary", "--data", "file", says="file", hint=False)
    cli.write("s.csv", long_csv())
    cli.ok("ingest", "s.csv")
    base = cli.folder / "data/millwright.db"
    whole = base.read_bytes()
    connection = sqlite3.connect(base)
    connection.execute("pragma user_version=99")
    connection.commit()
    connection.close()
    cli.fails(EDATA, "summary", says="version 99")
    for spoiled in (b"garbage" * 99, whole[:20000]):
        base.write_bytes(spoiled)
        cli.fails(EDATA, "summary")
        cli.fails(EDATA, "doctor")
    base.write_bytes(whole)
    assert cli.json("summary")["rows"] == 60


def mounted(cli, options):
    """A tmpfs as data folder, or None where that is not allowed."""
    (cli.folder / "data").mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", cli.folder / "data"], capture_output=True)
    return done.returncode == 0


def full_and_read_only_disks(cli):
    if os.geteuid() != 0 or not mounted(cli, "size=1m"):
        return
    try:
        cli.write("s.csv", long_csv())
        cli.ok("ingest", "s.csv")
        cli.write("big.csv", "\n".join(["time," + ",".join(f"s{i}" for i in range(50))] +
                                       [f"2026-01-01 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}" + f",{i}.5" * 50
                                        for i in range(9000)]))
        problem = cli.fails(EIO, "ingest", "big.csv", says="No space left")
        assert "free some disk space" in problem["hint"]
        assert cli.json("summary")["rows"] == 60 and len(list((cli.folder / "data").rglob("*.arrow"))) == 1
        subprocess.run(["mount", "-o", "remount,ro", cli.folder / "data"], check=True)
        for words in (["summary"], ["ingest", "s.csv"], ["doctor"], ["train"]):
            status, _, err = cli.run(*words)
            assert status in (EIO, 7) and "Read-only file system" in err and "hint" in err, (words, status, err)
    finally:
        subprocess.run(["umount", cli.folder / "data"], check=True)


def nobody_reads_the_output(cli):
    cli.write("s.csv", long_csv())
    cli.ok("ingest", "s.csv")
    reading, writing = os.pipe()
    os.close(reading)
    process = cli.start("doctor", stdout=writing)
    os.close(writing)
    _, err = process.communicate()
    assert err == b"" and process.returncode == EIO, (process.returncode, err)
    with open("/dev/full", "w") as full:
        for words in (["summary"], ["version"], ["summary", "--help"]):
            process = cli.start(*words, stdout=full)
            _, err = process.communicate()
            assert process.returncode == EIO and b"standard output" in err, (words, err)


def plant(cli, days=30, machines=6):
    if not (cli.folder / "big").exists():
        cli.ok("generate", "--days", days, "--machines", machines, "--out", "big")


def left_behind(cli):
    """Files of the data folder besides the store's and the dataset's; folders may stay empty."""
    data = cli.folder / "data"
    return [str(p.relative_to(data)) for p in data.rglob("*")
            if p.is_file() and not p.name.startswith("millwright.db") and "datasets" not in p.parts]


def ctrl_c_ends_cleanly(cli):
    plant(cli, days=60, machines=12)
    process = cli.start("ingest", "big", "--json")
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == ECANCELED and json.loads(out)["title"] == "Canceled", (process.returncode, out, err)
    assert not list((cli.folder / "data").rglob("*.arrow")) and not left_behind(cli)
    assert cli.json("jobs")[0]["state"] == "REVOKED"
    cli.ok("ingest", "big")
    process = cli.start("train", "--json")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == ECANCELED and json.loads(out)["title"] == "Canceled", (process.returncode, out, err)
    assert not left_behind(cli) and cli.json("models")["trained"] is False
    trained_while_training(cli)


def trained_while_training(cli):
    """A second training of the organization is refused; another one's goes on."""
    first = cli.start("train", "--json")
    until = time.monotonic() + 20
    while not any(j["kind"] == "train" and j["state"] in ("STARTED", "PROGRESS") for j in cli.json("jobs")):
        assert time.monotonic() < until
    cli.fails(ECONFLICT, "train", hint=False)
    cli.write("data/orgs/acme/csv/s.csv", long_csv(400))
    assert cli.json("train", "--org", "acme")["rows"] == 400
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert cli.json("jobs")[0]["state"] == "FAILURE" and cli.json("models")["trained"] is False
    assert not [f for f in left_behind(cli) if not f.startswith("orgs/acme")]


def kill_at_any_moment(cli):
    plant(cli)
    draw = random.Random(int(time.time()))
    for _ in range(6):
        process = cli.start("ingest", "big")
        time.sleep(draw.uniform(0, 0.25))
        process.kill()
        process.communicate()
        rows = cli.run("summary", "--json")
        assert rows[0] in (OK, ECONFLICT), rows
    cli.ok("ingest", "big")
    whole = cli.json("summary")
    other = Cli(cli.folder / "other")
    other.folder.mkdir()
    other.ok("ingest", "../big")
    assert other.json("summary") == whole
    assert sorted(p.name for p in cli.segments.iterdir()) == sorted(p.name for p in other.segments.iterdir())
    assert not left_behind(cli)


def a_killed_training_leaves_the_old_model_or_the_new(cli):
    assert train_table(cli, "y", "m", "--set", "n_estimators=5")[0] == 0
    draw = random.Random(int(time.time()))
    for n in range(8):
        process = cli.start("train", "t.csv", "--target", "y", "--set", f"n_estimators={200 + n}", "--out", "m")
        time.sleep(draw.uniform(0, 0.2))
        process.kill()
        process.communicate()
        status, _, err = cli.run("predict", "m", "t.csv", "--out", "s.csv")
        assert status == 0, err
    assert train_table(cli, "y", "m/", "--set", "n_estimators=5")[0] == 0
    assert not [p.name for p in cli.folder.iterdir() if p.name.startswith(".m")]


def a_model_never_replaces_other_files(cli):
    cli.write("mine/notes.txt", "keep")
    cli.write("file", "keep")
    for out, code in (("mine", ECONFLICT), (".", ECONFLICT), ("/", EINVAL), ("file", EINVAL)):
        assert train_table(cli, "y", out, "--set", "n_estimators=2")[0] == code, out
    assert (cli.folder / "mine" / "notes.txt").read_text() == "keep" == (cli.folder / "file").read_text()
    assert train_table(cli, "y", "a/b/m", "--set", "n_estimators=2")[0] == 0
    os.symlink("a/b/m", cli.folder / "link")
    assert train_table(cli, "y", "link", "--set", "n_estimators=3")[0] == 0
    assert sorted(p.name for p in (cli.folder / "a" / "b").iterdir()) == ["m"]


def ingest_beside_a_server(cli):
    server = cli.start("serve", "--port", "0")
    try:
        assert b"serves http://" in server.stdout.readline()
        cli.write("s.csv", long_csv())
        with concurrent.futures.ThreadPoolExecutor() as pool:
            orgs = list(pool.map(lambda org: cli.run("ingest", "s.csv", "--org", org, "--json"), ("default", "acme")))
        assert [json.loads(out)["rows"] for status, out, _ in orgs] == [60, 60], orgs
        assert cli.json("summary")["rows"] == cli.json("summary", "--org", "acme")["rows"] == 60
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)
    assert server.returncode == 0


def progress_shows_on_a_terminal_only(cli):
    cli.write("wide.csv", "a,b,c,y\n" + "\n".join(f"{i % 97},{i * 7 % 101},{i * 31 % 89},{i * 13 % 83}"
                                                  for i in range(60000)))
    words = ["train", "wide.csv", "--target", "y", "--out", "m", "--json", "--jobs", "1"]
    try:
        parent, child = pty.openpty()
    except OSError as none:  # a bare chroot has no terminals
        return print(f"# no terminal to show progress on: {none}")
    process = cli.start(*words, stderr=child)
    os.close(child)
    shown = b""
    until = time.monotonic() + 30
    while b"%" not in shown and process.poll() is None and time.monotonic() < until:
        if select.select([parent], [], [], 0.1)[0]:
            shown += os.read(parent, 4096)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    os.close(parent)
    assert b"%" in shown and b"[" in shown, shown
    assert len(out.splitlines()) == 1 and json.loads(out)
    process = cli.start(*words)
    time.sleep(1.6)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert b"\r" not in err and b"\x1b" not in err + out and json.loads(out)


TESTS = [no_arguments_show_the_overview_and_fail, help_of_every_verb_lists_every_option, verbs_that_are_no_operations,
         wrong_words_get_the_nearest_right_one, values_are_checked, journey_of_two_organizations, odd_names_are_names,
         what_cannot_be_read_changes_nothing, rejects_are_kept_and_told, quotes_hold_anything,
         the_same_name_replaces_and_says_so, a_damaged_segment_is_told_and_heals, tables_of_every_kind_of_target,
         isolation_takes_no_target, wrong_trainings_say_what_to_do, any_number_of_threads_gives_the_same_bytes,
         a_test_is_measured_on_what_was_held_back, predict_reads_as_the_model_learned, predict_writes_files_only,
         data_folders_that_are_none, full_and_read_only_disks, nobody_reads_the_output, ctrl_c_ends_cleanly,
         kill_at_any_moment, a_killed_training_leaves_the_old_model_or_the_new, a_model_never_replaces_other_files,
         ingest_beside_a_server, progress_shows_on_a_terminal_only]


def attempt(test):
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="mw-cli-") as folder:
            test(Cli(folder))
        return "", time.monotonic() - started
    except BaseException:  # a failed test must not stop the others
        return traceback.format_exc(), time.monotonic() - started


def main(words, among=None):
    tests = [t for t in among or TESTS if not words or any(w in t.__name__ for w in words)]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for number, (test, (trace, seconds)) in enumerate(zip(tests, pool.map(attempt, tests)), 1):
            failed += bool(trace)
            print(f"{'not ok' if trace else 'ok'} {number} - {test.__name__.replace('_', ' ')} # {seconds:.1f} s")
            for line in trace.splitlines():
                print(f"# {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
