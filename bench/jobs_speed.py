#!/usr/bin/env python3
"""The job engine's rate: the same small jobs on SQLite, PostgreSQL, PostgreSQL + Redis, and by Celery + Redis, in one run.

    make bench-jobs                                   10,000 jobs, 3 rounds of all systems in turns
    make bench-jobs BENCH_JOBS="--quick"              few jobs, 1 round, nothing recorded

Each system has two worker processes, fresh data in each round, and durable acknowledgment unless said otherwise: SQLite with synchronous=FULL,
PostgreSQL with fsync and synchronous_commit on. Celery runs prefork with acks_late, its results in the same Redis, 64 jobs prefetched a process; with
`appendfsync always` what it acknowledges is on disk, with Redis's defaults (`default`: snapshots only) it is in memory. Two figures of each:

  rate       jobs/s from the first request until the last end is recorded. Ours are recorded by POST /jobs/probe?count=N, in one request; Celery's
             are sent one by one with one connection, which is how its API sends them. `drained` leaves the sending out: a fifth of
             them is queued before the workers may take it.
  latency    from the sender's clock before it sends a job until the clock of the process that begins it, p50 and p99: jobs sent one by one,
             over one connection, at a pace that leaves every system idle between them.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("MILLWRIGHT_BINARY", os.path.join(ROOT, "build", "millwright"))
PEER = os.environ.get("MILLWRIGHT_PEER_PYTHON", os.path.join(ROOT, "build", "venv-celery", "bin", "python"))
sys.path.insert(0, os.path.join(ROOT, "tests", "services"))
from with_postgres import Postgres, free_port  # noqa: E402

WORKERS = 2
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
IN_MEMORY = ()


class Redis:
    def __init__(self, folder, options):
        self.port = free_port()
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder, *options],
                                        stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
        self.address = f"redis://127.0.0.1:{self.port}/0"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Millwright:
    """A server with two job processes; `wakes` names its broker."""

    def __init__(self, folder, store=None, wakes=None):
        environment = dict(os.environ, LOG_LEVEL="WARNING")
        for name, value in (("MILLWRIGHT_STORE", store), ("MILLWRIGHT_BROKER", wakes)):
            environment.pop(name, None)
            if value:
                environment[name] = value
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--data", os.path.join(folder, "data"), "--job-workers", str(WORKERS),
                                         "--jobs", "1"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", int(re.search(r":(\d+)\s", self.process.stdout.readline()).group(1)))

    def ask(self, method, target, body=None):
        self.connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status not in (200, 202):
            raise SystemExit(f"{method} {target}: {answer.status} {text.decode()}")
        return text

    def n_done(self):
        return int(re.search(rb'^millwright_jobs_finished_total\{state="SUCCESS"\} (\d+)', self.ask("GET", "/metrics"), re.M).group(1))

    def send_one(self, text):
        self.ask("POST", "/jobs/probe?wait=false", json.dumps({"text": str(text)}))

    def wait_for(self, n):
        until = time.monotonic() + 120
        while self.n_done() < n:
            if time.monotonic() > until:
                raise SystemExit(f"{n - self.n_done()} jobs have not succeeded")
            time.sleep(0.01)

    def latencies(self, n):
        found, before = [], ""
        while len(found) < n:
            page = json.loads(self.ask("GET", f"/jobs?kind=probe&limit=1000{before}"))
            found += [job["result"]["began_us"] - int(job["result"]["text"]) for job in page if job["result"]["text"].isdigit()]
            before = f"&before={page[-1]['job_id']}"
        return found

    def rate(self, n):
        done = self.n_done()
        start = time.monotonic()
        self.ask("POST", f"/jobs/probe?count={n}", "{}")
        self.wait_for(done + n)
        return {"rate": n / (time.monotonic() - start)}

    def stop(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()


class Celery:
    """Its worker, and a client process that sends: bench/jobs_celery.py in both."""

    def __init__(self, folder, address):
        environment = dict(os.environ, BENCH_REDIS=address, PYTHONPATH=os.path.join(ROOT, "bench"))
        self.worker = subprocess.Popen([PEER, "-m", "celery", "-A", "jobs_celery", "worker", "--concurrency", str(WORKERS), "--pool", "prefork",
                                        "--without-gossip", "--without-mingle", "--loglevel", "ERROR"], env=environment, cwd=folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = subprocess.Popen([PEER, __file__, "--client"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.sent = []
        self.ask("warm")

    def ask(self, *words):
        self.client.stdin.write(" ".join(map(str, words)) + "\n")
        self.client.stdin.flush()
        return json.loads(self.client.stdout.readline())

    def send_one(self, text):
        self.ask("send", text)

    def wait_for(self, n):
        pass

    def latencies(self, n):
        return self.ask("latencies", n)

    def rate(self, n):
        return self.ask("rate", n)

    def stop(self):
        self.client.stdin.close()
        self.client.wait()
        self.worker.terminate()
        self.worker.wait()


def celery_client():
    from jobs_celery import app, probe
    sent = []

    def finish(answers):
        for answer in answers:
            answer.get(timeout=300)

    for line in sys.stdin:
        command, *words = line.split()
        answer = None
        if command == "warm":
            finish([probe.delay("warm") for _ in range(20)])
        elif command == "send":
            sent.append(probe.delay(words[0]))
        elif command == "latencies":
            answer = [result["began_us"] - int(result["text"]) for result in (one.get(timeout=300) for one in sent)]
            sent.clear()
        elif command == "rate":
            n = int(words[0])
            start = time.monotonic()
            finish([probe.delay("") for _ in range(n)])
            answer = {"rate": n / (time.monotonic() - start)}
            app.control.cancel_consumer("probes", reply=True)
            waiting = [probe.delay("") for _ in range(n // 5)]
            start = time.monotonic()
            app.control.add_consumer("probes", reply=False)
            finish(waiting)
            answer["drained"] = n // 5 / (time.monotonic() - start)
        print(json.dumps(answer), flush=True)


def pace(system, n, a_second):
    """n jobs one by one, at moments that do not depend on how long the others take."""
    start = time.monotonic()
    for i in range(n):
        time.sleep(max(0, start + i / a_second - time.monotonic()))
        system.send_one(time.time_ns() // 1000)
    system.wait_for(n)
    return sorted(system.latencies(n))


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="jobs-", dir=options.folder)
        os.chmod(self.folder, 0o755)
        place = os.path.join(self.folder, "postgres")
        os.mkdir(place)
        self.postgres = Postgres(place)
        self.postgres.start()
        self.n_databases = 0

    def database(self):
        self.n_databases += 1
        name = f"bench{self.n_databases}"
        subprocess.run([os.path.join(self.postgres.bin, "psql"), "-X", "-q", "-d", self.postgres.address, "-c", f"CREATE DATABASE {name}"], check=True)
        return self.postgres.address.rsplit("/", 1)[0] + "/" + name

    def measure(self, system, redis):
        place = tempfile.mkdtemp(dir=self.folder)
        server = Redis(place, redis) if redis is not None else None
        try:
            made = system(place, server.address if server else None)
            try:
                taken = pace(made, self.options.paced, self.options.pace)
                return made.rate(self.options.jobs) | {"p50": statistics.median(taken) / 1000,
                                                       "p99": taken[min(len(taken) - 1, int(len(taken) * 0.99))] / 1000}
            finally:
                made.stop()
        finally:
            if server:
                server.stop()
            shutil.rmtree(place)

    def systems(self):
        return {"SQLite": (lambda place, redis: Millwright(place), None),
                "PostgreSQL": (lambda place, redis: Millwright(place, self.database()), None),
                "PostgreSQL + Redis": (lambda place, redis: Millwright(place, self.database(), redis), IN_MEMORY),
                "Celery + Redis, appendfsync always": (Celery, DURABLE),
                "Celery + Redis, default": (Celery, IN_MEMORY)}

    def close(self):
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def middle(rounds, name):
    values = sorted(r[name] for r in rounds if name in r)
    return (statistics.median(values), f"{values[0]:.4g}..{values[-1]:.4g}") if values else (None, "")


def report(options, found):
    version = subprocess.run([PEER, "-c", "import celery; print(celery.__version__)"], capture_output=True, text=True).stdout.strip()
    peer = found["Celery + Redis, appendfsync always"]
    command = f"bench/jobs_speed.py --jobs {options.jobs} --rounds {options.rounds}"
    lines = []
    for name, rounds in found.items():
        said = []
        for metric, unit in (("rate", "jobs/s"), ("drained", "jobs/s"), ("p50", "ms"), ("p99", "ms")):
            value, spread = middle(rounds, metric)
            if value is None:
                continue
            said.append(f"{metric} {value:,.4g} {unit} ({spread})")
            line = {"name": f"jobs, {name}", "metric": metric, "value": f"{value:.4g}", "unit": unit, "spread": spread, "command": command}
            if rounds is not peer:
                line |= {"peer": f"Celery {version} + Redis, appendfsync always", "peer_value": f"{middle(peer, metric)[0]:.4g}"}
            lines.append(line)
        print(f"{name:<36}{'; '.join(said)}", flush=True)
    if not options.quick:
        results.append(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--paced", type=int, default=400, help="jobs sent one by one")
    parser.add_argument("--pace", type=float, default=100, help="of these a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="systems whose names hold this text")
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--client", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        return celery_client()
    if options.quick:
        options.jobs, options.paced, options.rounds = 1000, 100, 1
    bench = Bench(options)
    try:
        chosen = {name: how for name, how in bench.systems().items() if options.only in name}
        found = {name: [] for name in chosen}
        for _ in range(options.rounds):
            for name, how in chosen.items():
                found[name].append(bench.measure(*how))
                print(f"  {name}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in found[name][-1].items()), file=sys.stderr, flush=True)
    finally:
        bench.close()
    if options.only:
        print(json.dumps(found, indent=1))
    else:
        report(options, found)


if __name__ == "__main__":
    main()
