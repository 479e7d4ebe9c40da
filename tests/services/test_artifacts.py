#!/usr/bin/env python3
"""Two servers with data folders of their own share a PostgreSQL, and their files through it or through S3: what one learned the other one tells, and
learns on; a kill between the files and their records, and a service that is away, lose nothing and double nothing.

    tests/services/test_artifacts.py [PROGRAM]        prints TAP; starts its own PostgreSQL, and a service that speaks S3
"""
import glob
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
from with_postgres import Postgres  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/millwright"))
WAIT_S = 120
JSON = {"Content-Type": "application/json"}


def wait_for(what, condition):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError("in vain: " + what)


class S3:
    """tests/support/s3_server.py"""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.join(ROOT, "tests/support/s3_server.py")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def control(self, **wanted):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/_control", json.dumps(wanted))
        return json.loads(connection.getresponse().read())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Plant:
    """A database and, for S3, a place of its own; servers on them, each with its folder."""

    def __init__(self, server, s3, folder, name):
        self.server, self.s3, self.folder, self.name, self.hosts = server, s3, folder, name, []
        self.sql("postgres", f"CREATE DATABASE {name}")
        self.store = server.address.rsplit("/", 1)[0] + "/" + name
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MILLWRIGHT_"))}
        self.environment.update(MILLWRIGHT_STORE=self.store, MILLWRIGHT_ARTIFACTS=f"s3://plant-1/{name}" if s3 else "postgresql", no_proxy="127.0.0.1")
        if s3:
            self.environment.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{s3.port}", AWS_ACCESS_KEY_ID="test-key", AWS_SECRET_ACCESS_KEY="test-secret")

    def sql(self, database, text):
        command = [os.path.join(self.server.bin, "psql"), "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.server.port), "-U", "millwright",
                   "-d", database, "-c", text]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.strip()

    def query(self, text):
        return self.sql(self.name, text)

    def artifacts(self):
        if self.s3:
            prefix = f"plant-1/{self.name}/"
            return [name[len(prefix):] for name in self.s3.control()["objects"] if name.startswith(prefix)]
        return [line for line in self.query("SELECT name FROM millwright.artifacts ORDER BY 1").splitlines() if line]

    def run(self, host, *words):
        return subprocess.run([PROGRAM, *words, "--data", host.data], env=self.environment, capture_output=True, text=True, timeout=WAIT_S)

    def host(self, name):
        host = Host(self, os.path.join(self.folder, self.name, name))
        self.hosts.append(host)
        return host

    def close(self):
        for host in self.hosts:
            host.kill()


class Host:
    def __init__(self, plant, data):
        self.plant, self.data, self.process = plant, data, None
        os.makedirs(os.path.join(data, "csv"))

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "serve", "--port", "0", "--data", self.data, "--job-lease", "2s", "--live-file-kib", "16", "--jobs", "1"],
                                        env=self.plant.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        found = re.search(r":(\d+)\s", line)
        assert found, f"the server did not start: {line!r}"
        self.port = int(found.group(1))
        return self

    def kill(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def ask(self, *question):
        status, body = self.request(*question)
        return status, json.loads(body or b"null")

    def get(self, path):
        status, value = self.ask("GET", path)
        assert status == 200, (path, status, value)
        return value

    def train(self):
        status, value = self.ask("POST", "/train", "{}", JSON)
        assert status == 200, (status, value)
        return value

    def job(self, job_id):
        return self.get(f"/jobs/{job_id}")

    def segments(self):
        return sorted(os.path.basename(path) for path in glob.glob(os.path.join(self.data, "orgs/default/datasets/main/x*")))

    def forget(self):
        """The files that are a cache."""
        for name in ("datasets", "models"):
            shutil.rmtree(os.path.join(self.data, "orgs/default", name), ignore_errors=True)


def sample(host, days, seed, machines=2):
    subprocess.run([PROGRAM, "generate", "--days", str(days), "--machines", str(machines), "--interval", "10min", "--seed", str(seed), "--out",
                    os.path.join(host.data, "csv")], check=True, capture_output=True)


def named(plant):
    """What records name: files of segments, folders of versions."""
    files = plant.query("SELECT 'orgs/' || org || '/datasets/' || dataset || '/' || unnest(array_remove(ARRAY[file, rejects, quality], NULL))"
                        " FROM millwright.segments").splitlines()
    folders = plant.query("SELECT 'orgs/' || org || '/models/' || model || '/versions/' || folder FROM millwright.versions").splitlines()
    return {f for f in files if f}, {f for f in folders if f}


def check_artifacts(plant):
    """Everything that is named is there, and nothing else."""
    files, folders = named(plant)
    there = plant.artifacts()
    assert files <= set(there), files - set(there)
    found = {name.rsplit("/", 1)[0] for name in there if "/versions/" in name and name.endswith("/metadata.json")}
    assert found == folders, (found, folders)
    loose = [name for name in there if name not in files and not any(name.startswith(folder + "/") for folder in folders)]
    assert not loose, loose


QUESTIONS = ("/summary", "/trend?parameter=engine_temp", "/anomalies?limit=20", "/feature-importance")


def test_two_hosts_tell_the_same(plant):
    a, b = plant.host("a"), plant.host("b")
    sample(a, 4, 1)
    a.start()
    b.start()
    first = a.train()
    assert first["rows"] > 1000
    for question in QUESTIONS:
        assert a.get(question) == b.get(question), question
    assert a.segments() == b.segments() != []
    check_artifacts(plant)
    # What b learns, of what a had and of files of its own, a tells.
    sample(b, 2, 2, machines=3)
    os.rename(glob.glob(os.path.join(b.data, "csv", "*.csv"))[0], os.path.join(b.data, "csv", "of-b.csv"))
    for extra in glob.glob(os.path.join(b.data, "csv", "miner*.csv")):
        os.remove(extra)
    second = b.train()
    assert second["rows"] > first["rows"]
    for question in QUESTIONS:
        assert a.get(question) == b.get(question), question
    check_artifacts(plant)
    # A cache that is lost, or damaged, is renewed.
    b.kill()
    b.forget()
    b.start()
    for question in QUESTIONS:
        assert a.get(question) == b.get(question), question
    b.kill()
    for path in glob.glob(os.path.join(b.data, "orgs/default/datasets/main/x*.arrow"))[:1] + glob.glob(
            os.path.join(b.data, "orgs/default/models/anomaly/versions/*/anomalies.json")):
        with open(path, "r+b") as f:
            f.truncate(100)
    b.start()
    assert b.train()["rows"] == second["rows"]
    assert a.get("/anomalies?limit=20") == b.get("/anomalies?limit=20")
    doctor = plant.run(b, "doctor", "--json")
    checks = {check["check"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert checks["artifacts"]["level"] == "ok" and doctor.returncode == 0, (doctor.stdout, doctor.stderr)
    check_artifacts(plant)


def test_replaced_segments_go(plant):
    a, b = plant.host("a"), plant.host("b")
    sample(a, 2, 1)
    a.start()
    b.start()
    rows = a.train()["rows"]
    before = set(plant.artifacts())
    path = sorted(glob.glob(os.path.join(a.data, "csv/*.csv")))[0]
    with open(path) as f:
        lines = f.readlines()
    with open(path, "w") as f:
        f.writelines(lines[:len(lines) // 2])
    assert a.train()["rows"] < rows
    check_artifacts(plant)
    assert before - set(plant.artifacts())
    assert a.get("/summary") == b.get("/summary")


def test_live_rows_of_two_hosts(plant):
    a, b = plant.host("a"), plant.host("b")
    schema = os.path.join(a.data, "schema.json")
    with open(schema, "w") as f:
        json.dump({"organizationId": "default", "schemaConfig": {"timeColumn": "time", "deviceColumn": "machine", "lateness": "1s",
                                                                 "continuousColumns": ["temperature"], "rollingWindows": [3]}}, f)
    done = plant.run(a, "org", "configure", schema)
    assert done.returncode == 0, done.stderr
    a.start()
    b.start()
    n = 6000
    for host, device in ((a, "m-a"), (b, "m-b")):
        for start in range(0, n, 1000):
            rows = [{"time": f"2026-03-01T{i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z", "machine": device, "temperature": i % 97} for i in
                    range(start, start + 1000)]
            status, value = host.ask("POST", "/telemetry", json.dumps({"rows": rows}), JSON)
            assert status in (200, 202) and value["accepted"] == 1000, (status, value)

    def stored():
        return int(plant.query("SELECT count(DISTINCT source) FROM millwright.segments WHERE dataset = 'live'") or 0) >= 6

    wait_for("segments of both hosts", stored)
    # Each has its own sources: nothing of one replaces what is of the other.
    sources = plant.query("SELECT DISTINCT source FROM millwright.segments WHERE dataset = 'live'").splitlines()
    homes = {open(os.path.join(host.data, "home")).read() for host in (a, b)}
    assert len(homes) == 2 and {source.split("-")[1] for source in sources} == homes, (sources, homes)
    counts = dict(line.split("|") for line in plant.query(
        "SELECT split_part(source, '-', 2), sum(n_rows) FROM millwright.segments WHERE dataset = 'live' GROUP BY 1").splitlines())
    assert all(0 < int(count) <= n for count in counts.values()), counts
    body = json.dumps({"rows": [{"device": device, "time": f"2026-03-01T00:0{i}:30Z"} for device in ("m-a", "m-b") for i in range(5)]})
    (status, said), (other_status, other) = [host.ask("POST", "/features/historical", body, JSON) for host in (a, b)]
    assert status == other_status == 200 and said == other, (said, other)
    assert all(row["row_time"] for row in said["rows"]), said
    # A start anew finds its own.
    for host in (a, b):
        host.kill()
        host.start()
        assert host.get("/features/m-" + ("a" if host is a else "b"))
    check_artifacts(plant)


def test_a_kill_between_files_and_records(plant):
    a, b = plant.host("a"), plant.host("b")
    sample(a, 3, 5)
    a.start()
    b.start()
    # Whoever wants to write records of segments waits, so the commit stands between its files and its records.
    blocker = subprocess.Popen([os.path.join(plant.server.bin, "psql"), "-X", "-h", "127.0.0.1", "-p", str(plant.server.port), "-U", "millwright", "-d",
                                plant.name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd="/")
    blocker.stdin.write("BEGIN; LOCK TABLE millwright.segments IN EXCLUSIVE MODE;\n")
    blocker.stdin.flush()
    status, job = a.ask("POST", "/train?wait=false", "{}", JSON)
    assert status == 202, (status, job)
    job_id = job["job_id"]
    wait_for("files before records", lambda: len([n for n in plant.artifacts() if n.endswith("/metadata.json")]) == 3)
    time.sleep(0.5)
    a.kill()
    blocker.stdin.close()
    blocker.wait()
    assert plant.query("SELECT count(*) FROM millwright.versions") == "0"
    # b has not the files that the job is to read, and leaves it alone.
    time.sleep(3)
    assert b.job(job_id)["state"] != "SUCCESS"
    a.start()
    wait_for("the job", lambda: a.job(job_id)["state"] == "SUCCESS")
    check_artifacts(plant)
    assert a.get("/summary") == b.get("/summary")
    assert a.get("/anomalies?limit=20") == b.get("/anomalies?limit=20")
    assert plant.query("SELECT count(*), count(DISTINCT model) FROM millwright.versions") == "3|3"


def test_a_plant_that_has_data_is_brought_over(plant):
    a, b = plant.host("a"), plant.host("b")
    place = plant.environment.pop("MILLWRIGHT_ARTIFACTS")
    sample(a, 2, 7)
    assert plant.run(a, "artifacts").returncode != 0  # there is nowhere to bring it
    a.start()
    rows = a.train()["rows"]
    a.kill()
    assert not os.path.exists(os.path.join(a.data, "home")) and plant.artifacts() == []
    plant.environment["MILLWRIGHT_ARTIFACTS"] = place
    counts = []
    for _ in range(2):
        done = plant.run(a, "artifacts", "--json")
        assert done.returncode == 0, done.stderr
        counts.append(json.loads(done.stdout))
    assert counts[0]["put"] > 3 and counts[0]["elsewhere"] == 0 and counts[1]["there"] > 0, counts
    check_artifacts(plant)
    a.start()
    b.start()
    for question in QUESTIONS:
        assert a.get(question) == b.get(question), question
    assert a.train()["rows"] == b.train()["rows"] == rows
    check_artifacts(plant)


def test_a_service_that_is_away(plant):
    a, b = plant.host("a"), plant.host("b")
    sample(a, 3, 6)
    a.start()
    b.start()
    plant.s3.control(fail=1000000)
    try:
        status, job = a.ask("POST", "/train?wait=false", "{}", JSON)
        assert status == 202, (status, job)
        wait_for("a try that fails", lambda: a.job(job["job_id"])["state"] == "RETRY")
        assert plant.query("SELECT count(*) FROM millwright.segments") == "0"
        doctor = plant.run(a, "doctor", "--json")
        checks = {check["check"]: check for check in json.loads(doctor.stdout)["checks"]}
        assert checks["artifacts"]["level"] == "bad", checks["artifacts"]
    finally:
        plant.s3.control(fail=0)
    wait_for("the job", lambda: a.job(job["job_id"])["state"] == "SUCCESS")
    check_artifacts(plant)
    metrics = {host: dict(line.rsplit(" ", 1) for line in host.request("GET", "/metrics")[1].decode().splitlines() if line.startswith("millwright_artifacts_"))
               for host in (a, b)}
    assert float(metrics[a]["millwright_artifacts_put_bytes_total"]) > 10000, metrics
    assert int(metrics[a]['millwright_artifacts_errors_total{code="EBUSY"}']) > 0, metrics
    assert float(metrics[b]["millwright_artifacts_put_bytes_total"]) == 0, metrics
    plant.s3.control(fail=1000000)
    try:
        assert a.ask("GET", "/summary")[0] == 200  # its files are here
        for question in ("/summary", "/anomalies"):
            status, value = b.ask("GET", question)
            assert status == 503, (question, status, value)
            assert "test-secret" not in json.dumps(value) and "127.0.0.1" not in json.dumps(value), value
        status, value = b.ask("POST", "/train", "{}", JSON)
        assert status == 503, (status, value)
    finally:
        plant.s3.control(fail=0)
    for question in QUESTIONS:
        assert a.get(question) == b.get(question), question


TESTS = [test for name, test in list(globals().items()) if name.startswith("test_")]
# A PostgreSQL that is away takes the records with it: tests/services/test_fault_table.py.
RUNS = [(kind, test) for kind in ("postgresql", "s3") for test in TESTS if kind == "s3" or test is not test_a_service_that_is_away]


def main():
    folder = tempfile.mkdtemp(prefix="millwright-artifacts-")
    os.chmod(folder, 0o755)
    os.mkdir(os.path.join(folder, "pg"))
    failed = 0
    try:
        server, s3 = Postgres(os.path.join(folder, "pg")), S3()
        server.start()
        try:
            print(f"1..{len(RUNS)}", flush=True)
            for number, (kind, test) in enumerate(RUNS, 1):
                name = f"{test.__name__[5:]}_{kind}"
                plant = Plant(server, s3 if kind == "s3" else None, folder, "p" + hashlib.md5(name.encode()).hexdigest()[:8])
                try:
                    test(plant)
                    print(f"ok {number} - {name}", flush=True)
                except Exception:  # noqa: BLE001
                    failed += 1
                    print(f"not ok {number} - {name}", flush=True)
                    print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
                finally:
                    plant.close()
        finally:
            s3.stop()
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
