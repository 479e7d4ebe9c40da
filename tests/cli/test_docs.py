#!/usr/bin/env python3
"""Documents are run: what README.md and docs/guide/*.md show is what the program does. TAP, standard library only.

A fenced ```sh block whose first line starts with "$ " is run, in order, in a folder of the document's own:

    $ command            lines that start with "> " continue it
    what it prints       standard output and error together; nothing shown means that nothing is printed

In output "..." stands for any text, and alone on a line for any number of lines. Every command must end with status 0.
`millwright worker` is ended after 2 s; `millwright serve` and `make run` (run as tools/run) go on in the background, on a free port that stands in for 8000;
`curl` is played by Python. A document with the comment <!-- begins in a trained plant --> begins in a data folder with
the sample plant, trained. A ```csv block must be a file that ingest takes. Besides, every example of
`millwright VERB --help` must end with status 0, and every example in the contract must be what its schema says.

    tests/cli/test_docs.py [--update] [DOCUMENT...]      --update writes what was printed into the documents

Those in docs/guide/public use public data, in the folder MILLWRIGHT_TEST_DATA; they are run when they are named.
"""
import concurrent.futures
import gzip
import http.client
import json
import os
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("MW_PROGRAM", ROOT / "build/millwright")).resolve()
PUBLIC = ROOT / "docs/guide/public"
DATA = os.environ.get("MILLWRIGHT_TEST_DATA")
LIMIT_S = 300 if os.environ.get("MW_TEST_SLOW") else 60
TRAINED = "<!-- begins in a trained plant -->"
GENERATE = ["generate", "--days", "14", "--seed", "42"]
# The forest is left coarse to save time: documents that begin in this plant show nothing of it.
TRAIN = ["train", "--min-samples-leaf", "50"]
OURS = re.compile(r"MILLWRIGHT_|ML_API_|AGG_INTERVAL|N_JOBS|WORKERS|N_WORKERS|CACHE_TIMEOUT|LOG_")


class Sandbox:
    """A folder in which commands run as a reader would type them."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.server, self.port = None, 8000
        tools = self.folder.parent / (self.folder.name + ".bin")
        tools.mkdir()
        (tools / "millwright").symlink_to(PROGRAM)
        self.env = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        self.env.update(PATH=f"{tools}:{os.environ['PATH']}", HOME=str(self.folder), LC_ALL="C.UTF-8")
        self.env.update({"MILLWRIGHT_TEST_DATA": os.path.abspath(DATA)} if DATA else {})

    def run(self, command):
        """The output and exit status of one command."""
        played = re.match(r"millwright serve\b|make run\b|curl\b", command)
        words = shlex.split(command, comments=True) if played else []
        if words[:2] == ["millwright", "serve"]:
            if "--port" in words:
                del words[words.index("--port"):words.index("--port") + 2]
            return self.start([*words, "--port", "0"])
        if words[:2] == ["make", "run"]:
            return self.start_job(words[2:])
        if words and words[0] == "curl":
            return self.curl(words[1:])
        if command.startswith("millwright worker "):  # goes on until it is asked to end
            command = "timeout --foreground --preserve-status -s TERM 2 " + command  # once: a second signal ends it at once
        run = subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
        return run.stdout.decode(errors="replace"), run.returncode

    def start_job(self, words):
        build = self.folder / "build"
        build.mkdir(exist_ok=True)
        if not (build / "millwright").exists():
            (build / "millwright").symlink_to(PROGRAM)
        paths = [word.removeprefix("DATA=") for word in words]
        return self.start([str(ROOT / "tools/run"), *paths], {"ML_API_PORT": "0"})

    def start(self, words, env=None):
        """Starts a server; its output up to the line that says where it listens."""
        self.stop()
        self.server = subprocess.Popen(words, cwd=self.folder, env={**self.env, **(env or {})}, start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text, end = b"", time.monotonic() + LIMIT_S
        pipe = self.server.stdout.fileno()
        while time.monotonic() < end:
            ready = re.search(rb"^Millwright .* serves http://[^ ]*:(\d+).*\n", text, re.M)
            if ready:
                self.port = int(ready.group(1))
                return text.decode(errors="replace"), 0
            if select.select([pipe], [], [], 0.2)[0]:
                more = os.read(pipe, 65536)
                if not more:
                    break
                text += more
        status = self.server.poll()
        self.stop()
        return text.decode(errors="replace") + "\n[no server]\n", status or 1

    def stop(self):
        """Ends the server; its status is that of a drained one, 0."""
        if not self.server:
            return 0
        server, self.server = self.server, None
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        try:
            server.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            return -1
        return server.returncode

    def curl(self, words):
        method, body, fields, url, heads = None, None, {}, None, False
        words = iter(words)
        for word in words:
            if word in ("-X", "--request"):
                method = next(words)
            elif word in ("-d", "--data"):
                body = next(words).encode()
                fields.setdefault("Content-Type", "application/x-www-form-urlencoded")
            elif word in ("-T", "--upload-file"):
                body = (self.folder / next(words)).read_bytes()
            elif word in ("-H", "--header"):
                name, _, value = next(words).partition(":")
                fields[name] = value.strip()
            elif word in ("-i", "-si"):
                heads = True
            elif not word.startswith("-"):
                url = urllib.parse.urlsplit(word)
            elif word != "-s":
                return f"[the test knows no curl option {word}]\n", 2
        connection = http.client.HTTPConnection(url.hostname, self.port, timeout=LIMIT_S)
        target = urllib.parse.urlunsplit(("", "", url.path or "/", url.query, ""))
        connection.request(method or ("POST" if body is not None else "GET"), target, body=body, headers=fields)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        if heads:
            head = "".join(f"{name}: {value}\n" for name, value in answer.getheaders())
            text = f"HTTP/1.1 {answer.status} {answer.reason}\n{head}\n{text}"
        connection.close()
        return text, 0


class Step:
    """One command of a document, with the lines that say what it prints."""

    def __init__(self, line, command):
        self.line, self.command, self.shown = line, command, []


def read_document(path):
    """(steps, csv blocks as (line, text)) of one document."""
    steps, tables, block, kind, start = [], [], [], None, 0
    for number, row in enumerate(path.read_text().splitlines(), 1):
        if kind is None:
            if row.startswith("```"):
                kind, block, start = row[3:].strip() or "text", [], number + 1
        elif row.startswith("```"):
            if kind == "csv":
                tables.append((start, "\n".join(block) + "\n"))
            elif kind == "sh" and block and block[0].startswith("$ "):
                for offset, text in enumerate(block):
                    if text.startswith("$ "):
                        steps.append(Step(start + offset, text[2:]))
                    elif text.startswith("> ") and not steps[-1].shown:
                        steps[-1].command += "\n" + text[2:]
                    else:
                        steps[-1].shown.append(text)
            kind = None
        else:
            block.append(row)
    return steps, tables


def clean(text):
    return [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []


def matches(shown, printed):
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\n]*".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"\n")
    return re.fullmatch("".join(parts), "".join(line + "\n" for line in printed)) is not None


def comment(lines):
    return "".join(f"#   {line}\n" for line in lines)


def run_steps(path, steps, sandbox):
    """Results as (name, problem or None); keeps what was printed in the steps."""
    results = []
    name = path.relative_to(ROOT)
    for step in steps:
        try:
            text, status = sandbox.run(step.command)
        except (OSError, subprocess.TimeoutExpired, http.client.HTTPException) as failure:
            text, status = f"[{type(failure).__name__}: {failure}]\n", -1
        step.printed = clean(text.replace(f"127.0.0.1:{sandbox.port}", "127.0.0.1:8000"))
        problem = None
        if status != 0:
            problem = f"# {name}:{step.line}: exit status {status}\n" + comment(step.printed)
        elif not matches(step.shown, step.printed):
            problem = f"# {name}:{step.line}: prints something else\n# shown:\n{comment(step.shown)}# printed:\n"
            problem += comment(step.printed)
        results.append((f"{name}:{step.line} {step.command.splitlines()[0]}", problem))
    if sandbox.server:
        status = sandbox.stop()
        results.append((f"{name} stops its server", None if status == 0 else f"# exit status {status}\n"))
    return results


def update_document(path, steps):
    lines = path.read_text().splitlines()
    for step in reversed(steps):
        if not matches(step.shown, step.printed):
            first = step.line + step.command.count("\n")
            lines[first:first + len(step.shown)] = step.printed
    path.write_text("\n".join(lines) + "\n")


def run_document(path, work, trained, update):
    steps, tables = read_document(path)
    folder = work / path.stem
    if steps and TRAINED in path.read_text():
        shutil.copytree(trained.result(), folder, symlinks=True)
    else:
        folder.mkdir()
    sandbox = Sandbox(folder)
    try:
        results = run_steps(path, steps, sandbox)
    finally:
        sandbox.stop()
    if update:
        update_document(path, steps)
    for line, text in tables:
        (folder / f"table-{line}.csv").write_text(text)
        printed, status = sandbox.run(f"millwright ingest table-{line}.csv --data tables-{line}")
        problem = None if status == 0 else f"# {path.name}:{line}: {printed}"
        results.append((f"{path.relative_to(ROOT)}:{line} is a file that can be ingested", problem))
    return results


def train_plant(work):
    folder = work / "trained"
    folder.mkdir()
    for words in (GENERATE, TRAIN):
        subprocess.run([PROGRAM, *words], cwd=folder, stdout=subprocess.DEVNULL, check=True, timeout=LIMIT_S,
                       env={name: value for name, value in os.environ.items() if not OURS.match(name)})
    return folder


# ---- examples of --help ----

def write_tables(folder):
    """The files that examples name."""
    draw = random.Random(7)
    with open(folder / "housing.csv", "w") as housing, open(folder / "sensors.csv", "w") as sensors:
        housing.write("rooms,income,ocean_proximity,median_house_value\n")
        sensors.write("pressure,flow,label\n")
        for _ in range(200):
            rooms, income = draw.randint(2, 9), draw.uniform(1, 9)
            housing.write(f"{rooms},{income:.3f},{draw.choice(['NEAR BAY', 'INLAND'])},{40000 * income + 900 * rooms:.0f}\n")
            sensors.write(f"{draw.gauss(5, 1):.3f},{draw.gauss(80, 9):.3f},0\n")
    with open(folder / "readings.csv", "w") as readings:
        readings.write("vibration,load,failed\n")
        for _ in range(200):
            vibration = draw.gauss(3, 1)
            readings.write(f"{vibration:.3f},{draw.uniform(0, 100):.1f},{int(vibration + draw.gauss(0, 0.5) > 4)}\n")
    with open(folder / "telemetry.csv", "w") as telemetry:
        telemetry.write("time,machine,temperature,vibration\n")
        for row in range(300):
            telemetry.write(f"2026-02-01 00:{row // 12:02d}:{row // 2 % 6 * 10:02d},M{row % 2},{draw.gauss(60, 2):.2f},{draw.gauss(3, 1):.2f}\n")
    (folder / "features.json").write_text(json.dumps({"schemaConfig": {"continuousColumns": ["temperature"], "rollingWindows": [5]}}))
    (folder / "config.json").write_text(json.dumps({"schemaConfig": {"timeColumn": "time", "deviceColumn": "machine", "lagSeconds": [60], "rollingWindows": ["5min"],
                                                                    "continuousColumns": ["temperature", "vibration"]}}))
    with gzip.open(folder / "plant.csv.gz", "wt") as plant:
        plant.write("time,device,pressure\n")
        for minute in range(60):
            plant.write(f"2026-02-01 00:{minute:02d}:00,P1,{draw.gauss(5, 1):.3f}\n")
    (folder / "export").mkdir()
    (folder / "export" / "pumps.txt").write_text("Zeit;T;P\n05.01.2026 06:00;21,5;1,25\n25.01.2026 06:05;21,7;1,5\n")
    (folder / "old.csv").write_text("time,volt,note\n2026-01-05 06:00,1.5,ok\n2026-01-05 06:05,-999,\n")


def help_examples():
    """(verb, command) of every verb's help."""
    overview = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    verbs = dict.fromkeys(re.findall(r"^  (\w+) {2,}\S", overview.split("options of every command")[0], re.M))
    for verb in verbs:
        text = subprocess.run([PROGRAM, verb, "--help"], capture_output=True, text=True, check=False).stdout
        for part in re.findall(r"^examples:\n((?:  .*\n)+)", text, re.M):
            for command in part.splitlines():
                yield verb, command.strip()


def run_examples(work):
    base = work / "examples"
    base.mkdir()
    write_tables(base)
    sandbox = Sandbox(base)
    prepare = ["millwright generate --days 2 --seed 42", "millwright train --n-estimators 20",
               "millwright train housing.csv --target median_house_value --out m", "millwright backup last-night"]
    results = []
    for command in prepare:
        text, status = sandbox.run(command)
        results.append((f"prepare: {command}", None if status == 0 else comment(clean(text))))
    examples = list(help_examples())
    results.append(("--help shows examples", None if len(examples) > 10 else f"# only {len(examples)}\n"))
    for number, (_, command) in enumerate(examples):
        folder = work / f"example-{number}"
        shutil.copytree(base, folder, symlinks=True)
        own = Sandbox(folder)
        text, status = own.run(command)
        if own.server and status == 0:
            status = own.stop()
        if "s3://" in command:  # there is none here: it must say so
            status = 0 if status == 2 and "hint: " in text else status or 1
        results.append((f"help: {command}", None if status == 0 else f"# exit status {status}\n" + comment(clean(text))))
    return results


# ---- examples of the contract ----

TYPES = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def misfits(value, schema, place="answer"):
    """Where an example is not what its schema says."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return [f"{place} is no {kinds}"]
    found = []
    if isinstance(value, dict):
        found += [f"{place}.{name} is missing" for name in schema.get("required", []) if name not in value]
        if "properties" in schema and "additionalProperties" not in schema:
            found += [f"{place}.{name} is not in the schema" for name in value if name not in schema["properties"]]
        for name, member in value.items():
            part = schema.get("properties", {}).get(name) or schema.get("additionalProperties") or {}
            found += misfits(member, part if isinstance(part, dict) else {}, f"{place}.{name}")
    if isinstance(value, list):
        for item in value:
            found += misfits(item, schema.get("items", {}), f"{place}[]")
    return found


def check_contract():
    spec = json.loads(subprocess.run([PROGRAM, "openapi"], capture_output=True, check=True).stdout)
    parts = [(f"{method} {path}", answer["content"]["application/json"]) for path, methods in spec["paths"].items()
             for method, operation in methods.items() for answer in operation["responses"].values()
             if "example" in answer.get("content", {}).get("application/json", {})]
    parts = [(title, part["schema"], part["example"]) for title, part in parts]
    parts += [(name, schema, schema["example"]) for name, schema in spec["components"]["schemas"].items() if "example" in schema]
    problem = spec["components"]["schemas"]["Problem"]
    parts += [(name, problem, answer["content"]["application/problem+json"]["example"])
              for name, answer in spec["components"]["responses"].items()
              if "example" in answer["content"].get("application/problem+json", {})]
    results = [("the contract has examples", None if len(parts) > 5 else "# too few\n")]
    for title, schema, example in parts:
        results.append((f"example of {title}", comment(misfits(example, schema)) or None))
    return results


def report(results):
    """Prints results as TAP; the exit status."""
    print(f"1..{len(results)}")
    for number, (title, problem) in enumerate(results, 1):
        print(f"{'not ok' if problem else 'ok'} {number} - {title.replace('#', '')}")
        if problem:
            print(problem, end="", file=sys.stderr)
    return any(problem for _, problem in results)


def main():
    words = sys.argv[1:]
    update = "--update" in words
    wanted = [Path(word).resolve() for word in words if word != "--update"]
    documents = wanted or [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
    if PUBLIC in {path.parent for path in documents} and not DATA:
        sys.exit("MILLWRIGHT_TEST_DATA does not name the folder of public data")
    results = []
    with tempfile.TemporaryDirectory(prefix="mw-docs-") as name, concurrent.futures.ThreadPoolExecutor(3) as threads:
        work = Path(name)
        trained = threads.submit(train_plant, work)
        parts = [] if wanted else [threads.submit(run_examples, work), threads.submit(check_contract)]
        parts[:0] = [threads.submit(run_document, path, work, trained, update) for path in documents]
        for part in parts:
            results += part.result()
    return report(results)


if __name__ == "__main__":
    sys.exit(main())
