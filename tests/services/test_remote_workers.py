#!/usr/bin/env python3
"""Workers on other hosts: `millwright worker --server`, in another folder and, as root, as a user who cannot read the server's data."""
import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from plant_client import BINARY, Client, Server, Skip, follow, run_tap  # noqa: E402

NOBODY = 65534
LEASE = ("--job-lease", "3s")
SLOW = 4 if os.environ.get("MW_TEST_SLOW") else 1


def cli(*words, data):
    done = subprocess.run([BINARY, *words, "--data", data], capture_output=True, text=True, timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Host:
    """millwright worker; hidden: as a user who sees nothing of the server's data folder."""

    def __init__(self, port, *options, key=None, server="http://127.0.0.1", folder=None):
        self.folder = folder or tempfile.mkdtemp(prefix="mw-host-")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        environment = {"PATH": os.environ["PATH"], "MILLWRIGHT_API_KEY": key or ""}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        if not key:
            del environment["MILLWRIGHT_API_KEY"]
        other = {}
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
            other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.process = subprocess.Popen([os.path.abspath(BINARY), "worker", "--server", f"{server}:{port}", "--data", self.folder,
                                         *options], cwd=self.folder, env=environment, stderr=self.log, start_new_session=True, **other)

    def said(self):
        self.log.flush()
        with open(self.log.name) as f:
            return f.read()

    def wait_for(self, pattern, seconds=60):
        until = time.monotonic() + seconds * SLOW
        while time.monotonic() < until:
            if re.search(pattern, self.said()):
                return
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} is not in the log: {self.said()}")

    def children(self):
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        found.append(int(name))
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30 * SLOW)
        self.done()
        return status

    def done(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def plant(folder, *options, days=6, workers=0, port=0):
    """A server whose data folder is for its own user only, with some days of telemetry."""
    data = os.path.join(folder, "server")
    if not os.path.exists(data):
        cli("generate", "--days", str(days), "--seed", "7", data=data)
    os.chmod(data, 0o700)
    os.chmod(folder, 0o755)
    server = Server(data, "--job-workers", str(workers), *LEASE, *options, port=port)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(60 * SLOW)


@contextlib.contextmanager
def hosts(*started):
    try:
        yield started if len(started) > 1 else started[0]
    finally:
        for host in started:
            host.done()


def start_training(client):
    status, _, raw = client.request("POST", "/train?wait=false", "{}", {"Content-Type": "application/json"})
    assert status == 202, (status, raw)
    return json.loads(raw)["job_id"]


def wait_until(client, job_id, good, seconds=60):
    until = time.monotonic() + seconds * SLOW
    while time.monotonic() < until:
        status, job = client.call("job", id=job_id)
        assert status == 200, job
        if good(job):
            return job
        time.sleep(0.02)
    raise AssertionError(f"it did not come to that: {job}")


def works(job):
    return job["state"] == "PROGRESS" and job["message"] not in ("starting", "fetching data")


def done_once(client, job_id, attempts):
    job = follow(client, job_id, 120 * SLOW)
    assert job["state"] == "SUCCESS", job
    assert job["attempts"] == attempts, job
    status, models = client.call("models_status")
    assert [m["version"] for m in models["models"]] == [1, 1, 1], models
    return job


def upload(client, dataset, name, body):
    status, _, raw = client.request("POST", f"/datasets/{dataset}/files/{name}", body, {"Content-Type": "text/csv"})
    assert status == 200, (status, raw)
    return json.loads(raw)


def files_of(data):
    """Hashes of what models and datasets are made of; times and ids stand in MLmodel and registry alone, and in names of versions, which are numbered here."""
    found, numbers = {}, {}
    for top, folders, names in os.walk(os.path.join(data, "orgs")):
        if os.path.basename(top) == "versions":
            numbers.update({name: str(number) for number, name in enumerate(sorted(folders), 1)})
        for name in names:
            if name in ("MLmodel", "registry.json", "metrics.json") or {"work", "uploads"} & set(top.split("/")):
                continue
            path = os.path.join(top, name)
            if not os.path.islink(path):
                where = "/".join(numbers.get(part, part) for part in os.path.relpath(path, data).split("/"))
                with open(path, "rb") as f:
                    found[where] = hashlib.sha256(f.read()).hexdigest()
    return found


def timeless(value):
    """Without how long it took, and how much memory."""
    if isinstance(value, dict):
        return {name: timeless(member) for name, member in value.items() if name not in ("seconds", "peak_bytes")}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def journey(port):
    """Everything that waits for a worker, for two organizations. What is answered, without what depends on time."""
    mine = Client(port)
    table = "time,device,speed,load\n" + "".join(f"2026-01-0{1 + i // 288} {i % 288 // 12:02d}:{i % 12 * 5:02d}:00,m1,{i % 50},{i * 7 % 31}\n"
                                                 for i in range(600))
    answers = [upload(mine, "extra", "first.csv", table), upload(mine, "extra", "first.csv", table),
               upload(mine, "extra", "second.csv", table.replace("load", "Load").replace("2026-01", "2026-02"))]
    status, trained = mine.call("train")
    assert status == 200, trained
    status, again = mine.call("train")
    assert status == 200, again
    status, wrong = mine.call("train", {"target": "no_such"})
    assert status == 404, wrong
    status, _, raw = mine.request("POST", "/datasets/extra/files/bad.csv", "nothing in it\n", {"Content-Type": "text/csv"})
    return timeless(answers + [trained, again, wrong["detail"], status, json.loads(raw).get("detail", "")])


def a_worker_elsewhere_does_what_one_here_does(folder):
    with plant(os.path.join(folder, "a"), workers=1) as here:
        expected = journey(here.port)
    with plant(os.path.join(folder, "b")) as server:
        with hosts(Host(server.port), Host(server.port, "--workers", "2")):
            assert journey(server.port) == json.loads(json.dumps(expected).replace(folder + "/a", folder + "/b"))
    assert files_of(here.data) == files_of(server.data)
    assert not os.listdir(os.path.join(server.data, "orgs", "default", "work"))


def many_small_jobs_are_done_elsewhere(folder):
    count = 300
    with plant(folder, days=2) as server, hosts(Host(server.port, "--workers", "2")):
        client = Client(server.port)
        status, _, raw = client.request("POST", f"/jobs/probe?wait=false&count={count}", "{}", {"Content-Type": "application/json"})
        assert status == 202, (status, raw)
        until, ended = time.monotonic() + 60 * SLOW, {}
        while sum(ended.values()) < count and time.monotonic() < until:
            time.sleep(0.1)
            text = client.request("GET", "/metrics")[2].decode()
            ended = {state: int(n) for state, n in re.findall(r'^millwright_jobs_finished_total\{state="(\w+)"\} (\d+)', text, re.M)}
        assert ended == {"SUCCESS": count, "FAILURE": 0, "REVOKED": 0}, ended


def jobs_wait_for_a_worker(folder):
    with plant(folder, days=2) as server:
        client = Client(server.port)
        job_id = start_training(client)
        time.sleep(1)
        assert client.call("job", id=job_id)[1]["state"] == "PENDING"
        with hosts(Host(server.port)) as host:
            seen = wait_until(client, job_id, works)
            assert seen["progress"] >= 0
            done_once(client, job_id, 1)
            assert host.stop() == 0
        assert "millwright_remote_workers 0" in client.request("GET", "/metrics")[2].decode()


def a_killed_host_loses_nothing(folder):
    with plant(folder) as server:
        client = Client(server.port)
        with hosts(Host(server.port)) as first:
            job_id = start_training(client)
            wait_until(client, job_id, works)
            children = first.children()
            first.kill()
            with hosts(Host(server.port)):
                done_once(client, job_id, 2)
        time.sleep(0.2)
        assert not [pid for pid in children if os.path.exists(f"/proc/{pid}/exe") and os.access(f"/proc/{pid}/exe", os.R_OK)]


def a_dead_process_is_told_and_its_host_goes_on(folder):
    with plant(folder) as server, hosts(Host(server.port)) as host:
        client = Client(server.port)
        job_id = start_training(client)
        wait_until(client, job_id, works)
        for pid in host.children():
            os.kill(pid, signal.SIGKILL)
        waiting = wait_until(client, job_id, lambda job: job["state"] == "RETRY" or job["attempts"] > 1)
        if waiting["error"]:
            assert "was killed by signal 9 (Killed) while" in waiting["error"]["message"], waiting
        done_once(client, job_id, 2)


def a_stopped_host_is_given_up_and_harms_nothing_later(folder):
    with plant(folder) as server, hosts(Host(server.port)) as first:
        client = Client(server.port)
        job_id = start_training(client)
        wait_until(client, job_id, works)
        first.signal(signal.SIGSTOP)
        with hosts(Host(server.port)):
            wait_until(client, job_id, lambda job: job["attempts"] == 2)
            first.signal(signal.SIGCONT)
            done_once(client, job_id, 2)
            first.wait_for("has lost the server")


def a_host_that_stops_gives_its_job_back(folder):
    with plant(folder) as server:
        client = Client(server.port)
        with hosts(Host(server.port)) as first:
            job_id = start_training(client)
            wait_until(client, job_id, works)
            before = time.monotonic()
            assert first.stop() == 0
            job = client.call("job", id=job_id)[1]
            assert job["state"] == "RETRY", (job, time.monotonic() - before)
        with hosts(Host(server.port)):
            done_once(client, job_id, 1)


def a_killed_server_finds_its_jobs_again(folder):
    with plant(folder) as server:
        client = Client(server.port)
        with hosts(Host(server.port)) as host:
            job_id = start_training(client)
            wait_until(client, job_id, works)
            port = server.port
            server.kill()
            with plant(folder, port=port) as again:
                done_once(Client(again.port), job_id, 2)
                host.wait_for("has lost the server")


def a_stopping_server_takes_its_jobs_back(folder):
    with plant(folder) as server:
        client = Client(server.port)
        with hosts(Host(server.port)):
            job_id = start_training(client)
            wait_until(client, job_id, works)
            assert server.stop(30 * SLOW) == 0
            with plant(folder, port=server.port) as again:
                done_once(Client(again.port), job_id, 1)


def a_canceled_job_stops(folder):
    with plant(folder) as server, hosts(Host(server.port)):
        client = Client(server.port)
        job_id = start_training(client)
        wait_until(client, job_id, works)
        status, _, _ = client.request("DELETE", f"/jobs/{job_id}")
        assert status == 200
        assert follow(client, job_id, 30 * SLOW)["state"] == "REVOKED"
        done_once(client, start_training(client), 1)


class Cutter:
    """A TCP proxy that cuts every connection after some bytes, and is away now and then."""

    def __init__(self, port, cut_after=300_000):
        self.port, self.cut_after, self.cuts, self.away = port, cut_after, 0, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.away:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            left = [self.cut_after]
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.carry, args=(a, b, left), daemon=True).start()

    def carry(self, a, b, left):
        with contextlib.suppress(OSError):
            while left[0] > 0 and not self.away:
                data = a.recv(65536)
                if not data:
                    break
                left[0] -= len(data)
                if left[0] <= 0:
                    self.cuts += 1
                b.sendall(data[:max(1, len(data) // 2)] if left[0] <= 0 else data)
        for one in (a, b):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def connections_that_are_cut_lose_nothing(folder):
    with plant(folder, days=4) as server:
        client, cutter = Client(server.port), Cutter(server.port, 1_200_000)
        with hosts(Host(cutter.address)):
            job_id = start_training(client)
            wait_until(client, job_id, works)
            cutter.away = True
            time.sleep(0.6)
            cutter.away = False
            done_once(client, job_id, 1)
        cutter.listener.close()
        assert cutter.cuts > 0


def a_full_disk_elsewhere_is_not_the_jobs_fault(folder):
    if os.geteuid() != 0:
        raise Skip("needs root")
    small = tempfile.mkdtemp(prefix="mw-small-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k,mode=777", "none", small], stderr=subprocess.DEVNULL).returncode:
        os.rmdir(small)
        raise Skip("a file system cannot be mounted here")
    try:
        with plant(folder) as server:
            client = Client(server.port)
            with hosts(Host(server.port, folder=small)) as tight:
                job_id = start_training(client)
                tight.wait_for("had trouble with its host")
                job = wait_until(client, job_id, lambda one: one["state"] == "RETRY" or one["attempts"] > 1)
                assert job["state"] != "FAILURE"
                with hosts(Host(server.port)):
                    assert follow(client, job_id, 120 * SLOW)["state"] == "SUCCESS"
    finally:
        subprocess.run(["umount", "-l", small], check=False)
        shutil.rmtree(small, ignore_errors=True)


# ---- what a worker may ask for ----

def ask(port, method, target, body=None, key=None, kind="application/json"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if body is not None:
        headers["Content-Type"] = kind
    connection.request(method, target, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def frame(kind, value):
    payload = b"" if value is None else json.dumps(value).encode()
    return struct.pack("<2sBBI", b"MW", 1, kind, len(payload)) + payload


OFFER = {"program": None, "name": "fake/1", "folder": "/nowhere"}


class Fake:
    """The protocol by hand."""

    def __init__(self, port, key=None):
        self.port, self.key, self.sent, self.read = port, key, 0, 0
        status, raw = ask(port, "POST", "/workers", json.dumps(dict(OFFER, program=version())), key)
        assert status == 200, raw
        self.id = json.loads(raw)["worker_id"]

    def get(self, what):
        return ask(self.port, "GET", f"/workers/{self.id}/{what}", key=self.key)

    def take_job(self):
        data = b""
        until = time.monotonic() + 20 * SLOW
        while time.monotonic() < until:
            status, piece = self.get(f"frames?at={self.read}")
            assert status == 200, piece
            self.read += len(piece)
            data += piece
            if len(data) >= 8 and len(data) >= 8 + struct.unpack("<I", data[4:8])[0]:
                assert data[:4] == b"MW\x01\x02", data[:8]
                return json.loads(data[8:])
        raise AssertionError("no job came")

    def send(self, data, at=None):
        at = self.sent if at is None else at
        status, raw = ask(self.port, "POST", f"/workers/{self.id}/frames?at={at}", data, self.key, "application/octet-stream")
        if status == 200:
            self.sent = json.loads(raw)["at"]
        return status

    def put(self, path, body, at=0, last=True, digits=None):
        if digits is None:
            digits = xxh128(body)
        query = f"path={path}&at={at}&hash={digits}&last={'true' if last else 'false'}"
        return ask(self.port, "PUT", f"/workers/{self.id}/outputs?{query}", body, self.key, "application/octet-stream")


def version():
    return subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def xxh128(data):
    class Hash(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_128bits.restype = Hash
    library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    found = library.XXH3_128bits(data, len(data))
    return f"{found.high:016x}{found.low:016x}"


def a_worker_gets_its_jobs_files_and_no_others(folder):
    data = os.path.join(folder, "server")
    cli("generate", "--days", "2", "--seed", "7", data=data)
    cli("generate", "--days", "2", "--seed", "8", "--out", os.path.join(data, "orgs", "other", "csv"), data=data)
    with plant(folder) as server:
        client, fake = Client(server.port), Fake(server.port)
        assert fake.get("inputs")[0] == 409, "without a job there are no files"
        job_id = start_training(client)
        work = fake.take_job()
        assert work["id"] == job_id and work["work_path"] == "/nowhere/work", work
        name = sorted(n for n in os.listdir(os.path.join(data, "csv")) if n.endswith(".csv"))[0]
        assert fake.get(f"files?path=csv/{name}&tag=x&at=0")[0] == 404, "what was not listed"
        status, raw = fake.get("inputs")
        listed = json.loads(raw)
        assert status == 200 and listed["org"] == "default", listed
        mine = {f["path"]: f for f in listed["files"]}
        assert f"csv/{name}" in mine and not [p for p in mine if p.startswith("orgs/other")], mine
        tag = mine[f"csv/{name}"]["tag"]
        status, raw = fake.get(f"files?path=csv/{name}&tag={tag}&at=0")
        with open(os.path.join(data, "csv", name), "rb") as f:
            whole = f.read()
        assert status == 200 and raw[32:] == whole[:1 << 19] and raw[:32].decode() == xxh128(raw[32:])
        assert fake.get(f"files?path=csv/{name}&tag=other&at=0")[0] == 409
        for path in ("millwright.db", "../etc/passwd", "csv/../millwright.db", "/etc/passwd", "orgs/other/csv/" + name, "csv", "csv/", "",
                     "csv/%00" + name, "./csv/" + name):
            assert fake.get(f"files?path={path}&tag={tag}&at=0")[0] in (400, 404, 422), path
        for path in ("../x", "/x", "a/../../x", "a//b", ".", "..", "a/", "a/./b"):
            assert fake.put(path, b"1")[0] in (400, 422), path
        assert fake.put("a/b", b"first", last=False)[0] == 200
        assert fake.put("a/b", b"first", last=False)[0] == 200, "again, for its answer may be lost"
        assert fake.put("a/b", b"more", at=9)[0] == 409
        assert fake.put("a/b", b"more", at=5, digits="0" * 32)[0] == 422
        assert fake.put("a/b", b"more", at=5)[0] == 200
        assert fake.put("a/b", b"more", at=5)[0] == 200
        with open(os.path.join(work_folder(data), "a", "b"), "rb") as f:
            assert f.read() == b"firstmore"
        stranger = Fake(server.port)
        assert ask(server.port, "GET", f"/workers/{'0' * 32}/inputs")[0] == 404
        assert stranger.get("inputs")[0] == 409
        progress = frame(3, {"stage": "by hand", "share": 0.5})
        assert fake.send(progress) == 200 and fake.send(progress, at=0) == 200 and fake.sent == len(progress)
        assert fake.send(progress, at=10_000) == 409
        wait_until(client, job_id, lambda job: job["message"] == "by hand" and job["progress"] == 0.5)
        assert fake.send(frame(6, {"code": "EDATA", "message": "nothing will do", "hint": "", "pointer": ""}) + frame(9, None)) == 200
        job = follow(client, job_id)
        assert job["state"] == "FAILURE" and job["error"]["message"] == "nothing will do", job
        assert fake.put("late", b"x")[0] == 409 and fake.get("inputs")[0] == 409
        assert fake.get(f"files?path=csv/{name}&tag={tag}&at=0")[0] == 409


def work_folder(data):
    top = os.path.join(data, "orgs", "default", "work")
    (name,) = os.listdir(top)
    return os.path.join(top, name)


def links_do_not_lead_out(folder):
    data = os.path.join(folder, "server")
    cli("generate", "--days", "2", "--seed", "7", data=data)
    secret = os.path.join(folder, "secret.csv")
    with open(secret, "w") as f:
        f.write("time,device,speed\n2026-01-01 00:00:00,m,1\n")
    os.symlink(secret, os.path.join(data, "csv", "z.csv"))
    with plant(folder) as server, hosts(Host(server.port)):
        client = Client(server.port)
        job = follow(client, start_training(client), 60 * SLOW)
        assert job["state"] == "FAILURE" and "z.csv is a link" in job["error"]["message"], job


def wrong_frames_end_a_worker_and_not_the_server(folder):
    with plant(folder, days=2) as server:
        client = Client(server.port)
        job_id = start_training(client)
        for bad in (b"nonsense" * 4, frame(5, {}) + frame(5, {}), frame(2, {}), frame(9, None), frame(10, 7)):
            fake = Fake(server.port)
            fake.take_job()
            fake.send(bad)
            wait_until(client, job_id, lambda job: job["state"] == "RETRY", 20)
            if bad == frame(10, 7):
                break
            status, _, raw = client.request("DELETE", f"/jobs/{job_id}")
            assert status == 200, raw
            job_id = start_training(client)
        with hosts(Host(server.port)):
            assert follow(client, job_id, 60 * SLOW)["state"] == "SUCCESS"


def keys_and_versions_are_checked(folder):
    data = os.path.join(folder, "server")
    cli("generate", "--days", "2", "--seed", "7", data=data)
    make = ("org", "key", "create", "--name", "test", "--json")
    admin = json.loads(cli(*make, "--role", "admin", "--all", data=data))["key"]
    worker = json.loads(cli(*make, "--role", "worker", "--all", data=data))["key"]
    bound = json.loads(cli(*make, "--role", "worker", data=data))["key"]
    trainer = json.loads(cli(*make, "--role", "trainer", "--all", data=data))["key"]
    with plant(folder) as server:
        offer = json.dumps(dict(OFFER, program=version()))
        for key, expected in ((None, 401), (worker[:-1] + "x", 401), (bound, 403), (trainer, 403), (worker, 200), (admin, 200)):
            assert ask(server.port, "POST", "/workers", offer, key)[0] == expected, key
        for target in ("/summary", "/jobs", "/organizations/default/keys", "/metrics"):
            assert ask(server.port, "GET", target, key=worker)[0] == 403, target
        assert ask(server.port, "POST", "/train", "{}", worker)[0] == 403
        status, raw = ask(server.port, "POST", "/workers", json.dumps(dict(OFFER, program="0.0.9")), worker)
        assert status == 409 and "0.0.9" in json.loads(raw)["detail"], raw
        other = Fake(server.port, worker)
        assert ask(server.port, "GET", f"/workers/{other.id}/inputs", key=admin)[0] == 404, "each sees its own workers only"
        with hosts(Host(server.port, key=worker), Host(server.port, key="mw_wrong"), Host(server.port, key=bound)) as (good, wrong, narrow):
            good.wait_for("is ready for jobs")
            wrong.wait_for("gets no jobs: ")
            narrow.wait_for("gets no jobs: this key is of one organization")
            ask(server.port, "DELETE", f"/workers/{other.id}", key=worker)
            status, raw = ask(server.port, "POST", "/train", "{}", trainer)
            assert status == 200, raw
            for pid in good.children():
                with open(f"/proc/{pid}/environ", "rb") as f:
                    assert b"MILLWRIGHT_API_KEY" not in f.read()
                assert sorted(os.listdir(f"/proc/{pid}/fd"))[:5] == ["0", "1", "2", "3", "4"]


def certificate(folder, name):
    """(its file, its key's), of this host and signed by itself."""
    cert, key = (os.path.join(folder, name + end) for end in (".crt", ".key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=" + name,
                    "-keyout", key, "-out", cert, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def a_worker_trusts_whom_it_was_told_to(folder):
    cert, key = certificate(folder, "plant")
    other, _ = certificate(folder, "other")
    told = ("--tls-ca", cert)
    with plant(folder, "--tls-cert", cert, "--tls-key", key, days=2) as server:
        client = Client(server.port, tls=ssl.create_default_context(cafile=cert))
        with hosts(Host(server.port, server="https://127.0.0.1"), Host(server.port, "--tls-ca", other, server="https://127.0.0.1"),
                   Host(server.port, *told, server="https://localhost")) as wary:  # the last one: another name than the certificate's
            for host in wary:
                host.wait_for("gets no jobs: .*certificate")
            job_id = start_training(client)
            time.sleep(1)
            assert client.call("job", id=job_id)[1]["state"] == "PENDING"
            with hosts(Host(server.port, *told, server="https://127.0.0.1")) as good:
                done_once(client, job_id, 1)
                assert good.stop() == 0
        with hosts(Host(server.port)) as plain:  # HTTP where TLS is spoken
            plain.wait_for("gets no jobs: ")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        import plant_client
        plant_client.BINARY = BINARY = sys.argv[1]
    sys.exit(run_tap([a_worker_elsewhere_does_what_one_here_does, many_small_jobs_are_done_elsewhere, jobs_wait_for_a_worker, a_killed_host_loses_nothing,
                      a_dead_process_is_told_and_its_host_goes_on, a_stopped_host_is_given_up_and_harms_nothing_later,
                      a_host_that_stops_gives_its_job_back, a_killed_server_finds_its_jobs_again, a_stopping_server_takes_its_jobs_back,
                      a_canceled_job_stops, connections_that_are_cut_lose_nothing, a_full_disk_elsewhere_is_not_the_jobs_fault,
                      a_worker_gets_its_jobs_files_and_no_others, links_do_not_lead_out, wrong_frames_end_a_worker_and_not_the_server,
                      keys_and_versions_are_checked, a_worker_trusts_whom_it_was_told_to]))
