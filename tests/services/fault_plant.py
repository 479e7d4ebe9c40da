"""What the fault table stands on: servers on one store and folder, clients that do not give up, and a way to cut a connection."""
import collections
import http.client
import json
import os
import random
import re
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "http"))
from plant_client import Client, Mismatch, Server  # noqa: E402
from with_postgres import Postgres, free_port  # noqa: E402

ORGS = ("default", "acme", "globex")
LEASE = 1.0
DONE = ("SUCCESS", "FAILURE", "REVOKED")


class Databases(Postgres):
    """A PostgreSQL that can be killed, and gives each plant a database."""

    def signal(self, number):
        """To each of its processes: which ones, the first one last."""
        with open(os.path.join(self.data, "postmaster.pid")) as f:
            first = int(f.readline())
        os.kill(first, signal.SIGSTOP)  # it must not start new ones meanwhile
        all_of_it = [*children(first), first]
        for pid in all_of_it:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return all_of_it

    def kill(self):
        all_of_it = self.signal(signal.SIGKILL)
        until = time.monotonic() + 10
        while any(process_state(pid) != "Z" for pid in all_of_it) and time.monotonic() < until:
            time.sleep(0.005)
        os.remove(os.path.join(self.data, "postmaster.pid"))  # a zombie that nobody collects would keep the next one from starting

    def ask(self, database, sql):
        done = subprocess.run([os.path.join(self.bin, "psql"), "-X", "-q", "-tA", "-d", self.address.rsplit("/", 1)[0] + "/" + database, "-c", sql],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Redis:
    """A Redis of its own that can be killed."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < until and self.process.poll() is None, "redis-server does not start"
                time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()


def process_state(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def children(parent):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == parent:
                    found.append(int(name))
        except OSError:
            continue
    return found


class Proxy(threading.Thread):
    """Forwards TCP to a port. Stalled it takes and keeps silent, as a network that is cut; cut() also resets, and refuses whoever comes."""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.to, self.peers = to, {}
        self.stalled = self.refuses = self.closing = False
        self.resets = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.start()

    def drop(self, one, reset=False):
        if one not in self.peers:
            return
        other = self.peers.pop(one)
        del self.peers[other]
        for end in (one, other):
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def greet(self):
        one, _ = self.listener.accept()
        try:
            if self.refuses:
                raise ConnectionError
            other = socket.create_connection(("127.0.0.1", self.to), timeout=5)
            self.peers.update({one: other, other: one})
        except OSError:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    def forward(self, one):
        if one not in self.peers:
            return
        try:
            data = one.recv(65536)
            if data:
                self.peers[one].sendall(data)
                return
        except OSError:
            pass
        self.drop(one)

    def run(self):
        while not self.closing:
            if self.resets.is_set():
                for one in list(self.peers):
                    self.drop(one, reset=True)
                self.resets.clear()
            if self.stalled:
                time.sleep(0.005)
                continue
            for one in select.select([self.listener, *self.peers], [], [], 0.05)[0]:
                if self.stalled:
                    break
                self.greet() if one is self.listener else self.forward(one)

    def cut(self, seconds, reset):
        self.stalled = True
        time.sleep(seconds / 2)
        if reset:
            self.refuses = True
            self.resets.set()
            self.stalled = False
        time.sleep(seconds / 2)
        self.stalled = self.refuses = False


class Plant:
    """One store and one data folder, with one server or two."""

    def __init__(self, folder, store, databases=None, n_servers=1, preload=None, database="", proxied=False, redis=None):
        self.folder, self.store, self.databases, self.database = folder, store, databases, database
        self.data = os.path.join(folder, "data")
        self.preload, self.proxy, self.redis = preload, None, redis
        self.environment = dict(os.environ)
        self.environment.pop("MILLWRIGHT_STORE", None)
        if store == "postgresql":
            databases.ask("postgres", f"CREATE DATABASE {database}")
            address = databases.address.rsplit("/", 1)[0] + "/" + database
            if proxied:
                self.proxy = Proxy(databases.port)
                address = address.replace(f":{databases.port}/", f":{self.proxy.port}/")
            self.environment["MILLWRIGHT_STORE"] = address
        if redis:
            self.environment["MILLWRIGHT_BROKER"] = f"redis://127.0.0.1:{redis.port}"
        self.control = None
        if preload:
            self.control = os.path.join(folder, "control")
            with open(self.control, "wb") as f:
                f.write(bytes(24))
            self.environment.update(LD_PRELOAD=preload, MILLWRIGHT_FAULT_SHIM=self.control)
        for org in ORGS:
            os.makedirs(os.path.join(self.data, "orgs", org), exist_ok=True)
        self.ports = [free_port() for _ in range(n_servers)]
        self.servers, self.seen = [None] * n_servers, {}
        for i in range(n_servers):
            self.start(i)
        self.checker = Client(self.ports[0])

    def start(self, i=0):
        self.servers[i] = Server(self.data, "--job-lease", f"{LEASE:g}s", "--max-retries", "9", "--job-workers", "2", "--jobs", "1",
                                 "--log-file", os.path.join(self.folder, f"server{i}.log"), port=self.ports[i], environment=self.environment)

    def shim(self, offset_s=0, fsync_fails=0, fails_one_in=0):
        with open(self.control, "r+b") as f:
            f.write(struct.pack("qqq", offset_s, fsync_fails, fails_one_in))

    def ask(self, method, target, body=None, org="default", timeout=5.0, server=None, kind=None):
        """(status, answer), or (None, why) without an answer. Answers are held against the contract."""
        headers = {"X-Organization-ID": org}
        if kind:
            headers["Content-Type"] = kind
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[server or 0], timeout=timeout)
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as why:
            return None, type(why).__name__
        finally:
            connection.close()
        got = {k.lower(): v for k, v in answer.getheaders()}
        if hasattr(self, "checker"):
            self.checker.check(method, target.split("?")[0], answer.status, got, raw)
        return answer.status, json.loads(raw)

    def seconds_until_it_answers(self, server=0, most=60):
        begun = time.monotonic()
        while True:
            if self.ask("GET", "/jobs?limit=1", timeout=2, server=server)[0] == 200:
                return time.monotonic() - begun
            if time.monotonic() - begun > most:
                raise AssertionError(f"no answer within {most} s")
            time.sleep(0.01)

    def rows_of(self, sql):
        """What a query says, as dictionaries."""
        if self.store == "postgresql":
            return json.loads(self.databases.ask(self.database, "SET search_path = millwright;"
                                                 f"SELECT coalesce(json_agg(t), '[]') FROM ({sql}) t"))
        with sqlite3.connect(os.path.join(self.data, "millwright.db"), timeout=30) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]

    def jobs_of_workers(self, i=0):
        """By the server's log, the process of each job that has started and not ended."""
        path = os.path.join(self.folder, f"server{i}.log")
        at, busy = self.seen.get(i, (0, {}))
        with open(path, "rb") as f:
            f.seek(at)
            text = f.read()
        end = text.rfind(b"\n") + 1
        for line in text[:end].decode(errors="replace").splitlines():
            job = re.search(r" job=(\w+)", line)
            started = re.search(r" started in process (\d+) ", line)
            if job and started:
                busy[job[1]] = int(started[1])
            elif job and re.search(r" (done|failed:.*) org=|lost", line):
                busy.pop(job[1], None)
        self.seen[i] = (at + end, busy)
        return busy

    def busy_workers(self, i=0):
        """Process ids of workers that have a job; others are only kept ready."""
        alive = set(self.servers[i].worker_pids())
        return [pid for pid in self.jobs_of_workers(i).values() if pid in alive and process_state(pid) not in ("Z", "X", "T")]

    def log_lines(self):
        for name in os.listdir(self.folder):
            if name.startswith("server"):
                with open(os.path.join(self.folder, name), errors="replace") as f:
                    yield from f

    def close(self):
        for server in filter(None, self.servers):
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
                server.kill()
        if self.proxy:
            self.proxy.closing = True


def table(rows, first):
    """rows minutes of two parameters; another first gives other rows."""
    lines = ["time,press_oil_temp,press_load"]
    for i in range(first, first + rows):
        lines.append(f"2026-{1 + i // 40320 % 12:02d}-{1 + i // 1440 % 28:02d} {i // 60 % 24:02d}:{i % 60:02d}:00,{40 + i % 97 / 10:.1f},{i % 53}")
    return ("\n".join(lines) + "\n").encode()


class Load:
    """Jobs for three organizations, sent by clients that send again until somebody says 200 or 202."""

    N_CLIENTS = 3

    def __init__(self, plant, n_jobs, seed):
        self.plant, self.rng = plant, random.Random(seed)
        self.plan = collections.deque(self.make(i) for i in range(n_jobs))
        self.gate, self.lock = threading.Semaphore(0), threading.Lock()
        self.acknowledged, self.troubles, self.answers = [], [], collections.Counter()
        self.n_sent_again = 0
        for i, org in enumerate(ORGS):  # what the trainings learn from
            self.send({"kind": "upload", "org": org, "dataset": "base", "name": "base.csv", "rows": 600, "first": 20000 * i, "wait": True})
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(self.N_CLIENTS)]
        for thread in self.threads:
            thread.start()

    def make(self, i):
        org = ORGS[i // 3 % len(ORGS)]
        if i % 3 == 2:
            return {"kind": "train", "org": org, "dataset": "base"}
        rows = 60 + 60 * self.rng.randrange(3)
        return {"kind": "upload", "org": org, "dataset": f"d{i % 4}", "name": f"f{i}.csv", "rows": rows, "first": i * 240, "wait": self.rng.random() < 0.4}

    def release(self, n):
        for _ in range(n):
            self.gate.release()

    def run(self):
        while True:
            self.gate.acquire()
            with self.lock:
                if not self.plan:
                    return
                job = self.plan.popleft()
            try:
                self.send(job)
            except (Mismatch, AssertionError, ValueError) as trouble:
                with self.lock:
                    self.troubles.append(f"{job}: {trouble}")

    def request(self, job):
        server = self.rng.randrange(len(self.plant.ports))
        if job["kind"] == "train":
            return self.plant.ask("POST", "/train?wait=false", json.dumps({"dataset": job["dataset"]}).encode(), job["org"], 5, server, "application/json")
        target = f"/datasets/{job['dataset']}/files/{job['name']}?wait={'true' if job['wait'] else 'false'}"
        return self.plant.ask("POST", target, table(job["rows"], job["first"]), job["org"], 5, server, "text/csv")

    def send(self, job, most=90):
        until = time.monotonic() + most
        while time.monotonic() < until:
            status, answer = self.request(job)
            with self.lock:
                self.answers[status or "none"] += 1
                if status == 500:
                    print(f"#   500: {answer}", flush=True)
                if status in (200, 202):
                    self.acknowledged.append(dict(job, id=answer.get("job_id")))
                    return
            if status is not None and status < 500 and status not in (408, 409, 429):
                raise AssertionError(f"{status} {answer}")
            time.sleep(0.05 + 0.1 * random.random())
        raise AssertionError("it was never acknowledged")

    def finish(self, most=60):
        """All are sent and acknowledged; what was acknowledged has ended. Those that failed are sent again, as their senders would do."""
        self.release(len(self.plan) + self.N_CLIENTS)
        for thread in self.threads:
            thread.join(100)
            assert not thread.is_alive(), "a client waits for ever"
        ended = [job for job in self.acknowledged]
        while ended:
            failed = [job for job in ended if not self.has_succeeded(job, most)]
            n = len(self.acknowledged)
            self.n_sent_again += len(failed)
            for job in failed:
                self.send({name: value for name, value in job.items() if name != "error"})
            ended = self.acknowledged[n:]

    def has_succeeded(self, job, most):
        if job["id"] is None:
            return True
        until = time.monotonic() + most
        while time.monotonic() < until:
            for server in range(len(self.plant.ports)):
                status, answer = self.plant.ask("GET", f"/jobs/{job['id']}", org=job["org"], server=server)
                if status == 404:
                    self.troubles.append(f"{job} was acknowledged, and is not there")
                    return True
                if status == 200 and answer["state"] in DONE:
                    if answer["state"] != "SUCCESS":
                        job["error"] = answer["error"]
                    return answer["state"] == "SUCCESS"
            time.sleep(0.05)
        self.troubles.append(f"{job} did not end within {most} s: {answer}")
        return True
