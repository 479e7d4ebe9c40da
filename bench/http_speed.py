#!/usr/bin/env python3
"""The HTTP server beside nginx and FastAPI, under more than it can do, with many streams of events, with many idle connections.

    make bench-http                                   all of it, about 25 minutes
    make bench-http BENCH_HTTP="--quick"              seconds each, nothing recorded
    make bench-http BENCH_HTTP="--parts peers,idle"   some of peers, overload, events, idle

peers     wrk, 64 and 256 connections, GET /health, /trend?parameter=engine_temp and /summary of the sample plant (14 days, 6 machines), rounds of
          all servers interleaved; medians, with the least and the most, and the CPU time that a server spent on a request. All have as many loops, workers or processes as there are cores (at most
          4), and share the cores with wrk. nginx answers the bytes that Millwright answers (`return` for short ones, else a file in its
          cache of open files). FastAPI (uvicorn, uvloop, httptools) reads the same CSV files with pandas once and computes the same JSON
          members from the frame in memory at each request; "kept" sends bytes that were computed once. Their content is compared before.
overload  GET /trend with another window and limit each time, so that nothing is answered from what was kept. What the server answers to 64 clients
          that ask again at once is its capacity; then 1, 2 and 5 times as many a second, whatever it answers (bench/http_load.c; wrk cannot hold a rate),
          over 1,000 connections. Accepted a second, their p99, refusals and memory.
events    1,000 streams, 10 events a second each: numbers raised over HTTP (the test server's operation), with and without streams that are cut and
          come again; then the log lines of a real job, whose files take about 100 ms each. Lateness from the event's own moment, CPU, memory.
idle      tests/http/test_idle.py: 10,000 connections as far as descriptors allow.
"""
import argparse
import glob
import gzip
import http.client
import json
import math
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("MILLWRIGHT_BINARY", os.path.join(ROOT, "build", "millwright"))
LOAD = os.path.join(ROOT, "build", "release", "bench", "http_load")
TEST_SERVER = os.path.join(ROOT, "build", "release", "tests", "http", "test_server")
CORES = min(4, os.cpu_count())
ROUTES = {"/health": "/health", "/trend": "/trend?parameter=engine_temp", "/summary": "/summary"}
RETURNED_BYTES = 3000  # nginx takes no longer words in its configuration
TICKS = os.sysconf("SC_CLK_TCK")


# ---- servers ----

class Process:
    """A server in a group of its own, so that its workers end with it."""

    def __init__(self, command, port, log, **environment):
        self.port, self.log = port, log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True,
                                            env={**os.environ, **environment})
        until = time.monotonic() + 60
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                with open(log, encoding="utf-8", errors="replace") as said:
                    sys.exit(f"{command[0]} does not serve on port {port}: {said.read()[-2000:]}")
            time.sleep(0.05)

    def answers(self):
        try:
            return get(self.port, "/health")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        self.process.stdin.close()

    def resident_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+) kB", f.read())[1]) / 1024

    def cpu_s(self):
        """Of all processes of the group."""
        ticks = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path, encoding="utf-8", errors="replace") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it has ended
            if int(fields[2]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, target, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def plant(folder):
    data = os.path.join(folder, "plant")
    subprocess.run([BINARY, "generate", "--data", data], check=True, stdout=subprocess.DEVNULL)
    files = sorted(glob.glob(os.path.join(data, "csv", "*.csv")))
    subprocess.run([BINARY, "ingest", *files, "--data", data], check=True, stdout=subprocess.DEVNULL)
    return data


def serve(data, folder, **environment):
    port = free_port()
    return Process([BINARY, "serve", "--port", str(port), "--data", data], port, os.path.join(folder, "millwright.log"), WORKERS=str(CORES), **environment)


def nginx(folder, bodies):
    port, here = free_port(), os.path.join(folder, "nginx")
    os.makedirs(here, exist_ok=True)
    locations = ""
    for route, body in bodies.items():
        path = os.path.join(here, route[1:] + ".json")
        with open(path, "wb") as f:
            f.write(body)
        text = body.decode()
        short = len(text) <= RETURNED_BYTES and not set("'$\\") & set(text)
        how = f"return 200 '{text}';" if short else f"alias {path};"
        locations += f"location = {route} {{ default_type application/json; {how} }}\n"
    temporary = "".join(f"{name}_temp_path {here}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = os.path.join(here, "nginx.conf")
    with open(config, "w", encoding="ascii") as f:
        user = "user root; " if os.geteuid() == 0 else ""  # its workers would lose the right to read the folder
        f.write(f"""{user}worker_processes {CORES}; daemon off; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 1000000000; {temporary}
server {{ listen 127.0.0.1:{port} reuseport; {locations} }} }}
""")
    return Process(["nginx", "-c", config, "-p", here, "-e", os.path.join(here, "error.log")], port, os.path.join(folder, "nginx.log"))


def fastapi(folder, data, bodies, keep):
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "http_peer:app", "--app-dir", os.path.join(ROOT, "bench"), "--host", "127.0.0.1", "--port", str(port),
               "--workers", str(CORES), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning", "--backlog", "2048"]
    return Process(command, port, os.path.join(folder, f"fastapi-{keep}.log"), PEER_CSV=os.path.join(data, "csv"), PEER_KEEP=keep,
                   PEER_HEALTH=bodies["/health"].decode(), PEER_QUALITY=json.dumps(json.loads(bodies["/summary"])["quality"]))


# ---- beside peers ----

def same(ours, theirs, where=""):
    """Members and items are the same; numbers to a part in 1e9 (sums are in another order)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if set(ours) != set(theirs):
            sys.exit(f"{where}: members {sorted(ours)} and {sorted(theirs)}")
        for name in ours:
            same(ours[name], theirs[name], f"{where}/{name}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, item in enumerate(ours):
            same(item, theirs[i], f"{where}/{i}")
    elif isinstance(ours, (int, float)) and isinstance(theirs, (int, float)):
        if not math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9):
            sys.exit(f"{where}: {ours} and {theirs}")
    elif ours != theirs:
        sys.exit(f"{where}: {ours!r} and {theirs!r}")


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def wrk(port, target, connections, seconds):
    """Requests a second, the p99 in ms, and how many requests there were."""
    done = subprocess.run(["wrk", f"-t{CORES}", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", f"http://127.0.0.1:{port}{target}"],
                          check=True, capture_output=True, text=True)
    if re.search(r"Non-2xx|Socket errors", done.stdout):
        sys.exit(f"{target}: {done.stdout}")
    return (float(re.search(r"Requests/sec:\s+(\S+)", done.stdout)[1]), milliseconds(re.search(r"^ +99% +(\S+)", done.stdout, re.M)[1]),
            int(re.search(r"(\d+) requests in", done.stdout)[1]))


def spread(values):
    return f"{min(values):.4g}..{max(values):.4g}"


def version_of(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)[0]


def peers(options, folder):
    data = plant(folder)
    servers = {"millwright": serve(data, folder)}
    try:
        bodies = {}
        for route, target in ROUTES.items():
            status, bodies[route] = get(servers["millwright"].port, target)
            assert status == 200, (target, bodies[route])
        servers["nginx"] = nginx(folder, bodies)
        servers["fastapi"] = fastapi(folder, data, bodies, "0")
        servers["fastapi kept"] = fastapi(folder, data, bodies, "1")
        names = {"nginx": "nginx " + version_of(["nginx", "-v"])}
        version = version_of([sys.executable, "-c", "import fastapi; print(fastapi.__version__)"])
        names |= {"fastapi": f"FastAPI {version}", "fastapi kept": f"FastAPI {version}, answers kept"}
        for route, target in ROUTES.items():
            theirs = get(servers["nginx"].port, target)
            if theirs != (200, bodies[route]):
                sys.exit(f"nginx answers {route} with {theirs}")
            for _ in range(4 * CORES):  # each worker
                for name in ("fastapi", "fastapi kept"):
                    same(json.loads(bodies[route]), json.loads(get(servers[name].port, target)[1]), f"{name} {route}")
        lines = []
        for route, target in ROUTES.items():
            for connections in (64, 256):
                found = {name: [] for name in servers}
                for _ in range(options.rounds):
                    for name, server in servers.items():
                        before = server.cpu_s()
                        rate, tail, n = wrk(server.port, target, connections, options.seconds)
                        found[name].append((rate, tail, (server.cpu_s() - before) / n * 1e6))
                lines += tell_peers(f"GET {route}, {connections} connections", found, names, len(bodies[route]))
        return lines
    finally:
        for server in servers.values():
            server.stop()


def tell_peers(what, found, names, size):
    metrics = (("requests a second", "1/s"), ("p99", "ms"), ("CPU a request", "us"))
    middle = {name: [statistics.median(each) for each in zip(*some)] for name, some in found.items()}
    print(f"{what}, {size} bytes: " + "; ".join(
        f"{name} {middle[name][0]:,.0f}/s ({spread([r for r, _, _ in some])}), p99 {middle[name][1]:.3g} ms, {middle[name][2]:.3g} us of CPU each"
        for name, some in found.items()), flush=True)
    lines = []
    for name, title in names.items():
        for i, (metric, unit) in enumerate(metrics):
            ours, theirs = ([each[i] for each in found[server]] for server in ("millwright", name))
            lines.append({"name": what, "metric": metric, "value": f"{middle['millwright'][i]:.5g}", "unit": unit, "peer": title,
                          "peer_value": f"{middle[name][i]:.5g}", "spread": f"{spread(ours)}; peer {spread(theirs)}"})
    return lines


# ---- more than can be done ----

def load(*arguments):
    done = subprocess.run([LOAD, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"http_load {arguments}: {done.stderr}")
    return json.loads(done.stdout)


class Watch:
    """Memory and CPU of a server while something is done to it."""

    def __init__(self, server):
        self.server, self.seen, self.over = server, [], threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.2):
            self.seen.append(self.server.resident_mb())

    def __enter__(self):
        self.seen = [self.server.resident_mb()]
        self.cpu, self.begun = self.server.cpu_s(), time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.cores = (self.server.cpu_s() - self.cpu) / (time.monotonic() - self.begun)
        self.seen.append(self.server.resident_mb())


def overload(options, folder):
    target = "/trend?parameter=engine_temp&window={A}&limit={B}"
    server, lines, base = serve(plant(folder), folder), [], None
    try:
        load("rate", server.port, "/trend?parameter=engine_temp&limit=4000&window={A}", 100, 4, 16)  # fills what is kept, so that memory has no reason to grow
        closed = load("rate", server.port, target, 1e6, options.seconds, 64)
        capacity = closed["accepted"]["n"] / options.seconds
        print(f"overload: 64 clients that ask again at once get {capacity:,.0f} answers a second", flush=True)
        for times in (1, 2, 5):
            with Watch(server) as watch:
                got = load("rate", server.port, target, capacity * times, options.overload_seconds, 1000)
            rate, tail = got["accepted"]["n"] / options.overload_seconds, got["accepted"]["p99_ms"]
            base = base or (rate, tail)
            tenths = [n * 10 / options.overload_seconds for n in got["accepted_by_tenth"]]
            print(f"{times} x capacity: {rate:,.0f} accepted a second ({spread(tenths)} in tenths of the time), p99 {tail:.3g} ms; "
                  f"{got['refused']['n'] / options.overload_seconds:,.0f}/s refused, p99 {got['refused'].get('p99_ms', 0):.3g} ms, {got['refused_without_retry_after']} of them without "
                  f"Retry-After; {got['unsent']} not sent for want of a connection, {got['other']} other answers, {got['unanswered']} none; "
                  f"memory {watch.seen[0]:.1f} MB before, {max(watch.seen):.1f} at most, {watch.seen[-1]:.1f} after", flush=True)
            name = f"overload, GET /trend, {times} x capacity"
            lines += [{"name": name, "metric": "accepted", "value": f"{rate:.5g}", "unit": "1/s", "peer": "1 x capacity", "peer_value": f"{base[0]:.5g}", "spread": spread(tenths)},
                      {"name": name, "metric": "p99 of accepted", "value": f"{tail:.4g}", "unit": "ms", "peer": "1 x capacity", "peer_value": f"{base[1]:.4g}"},
                      {"name": name, "metric": "refused", "value": f"{got['refused']['n'] / options.overload_seconds:.5g}", "unit": "1/s",
                       "spread": f"{got['refused_without_retry_after']} without Retry-After, {got['unsent']} not sent, {got['other'] + got['unanswered']} others"},
                      {"name": name, "metric": "memory", "value": f"{max(watch.seen):.4g}", "unit": "MB", "peer": "before", "peer_value": f"{watch.seen[0]:.4g}"}]
        return lines
    finally:
        server.stop()


# ---- events ----

def raised_events(options, folder, cuts):
    port = free_port()
    server = Process([TEST_SERVER, "--port", str(port), "--loops", str(CORES)], port, os.path.join(folder, "test_server.log"))
    try:
        before = server.resident_mb()
        seconds = min(options.event_seconds, 95)  # the operation ends at 1,000
        with Watch(server) as watch:
            got = load("events", port, "/events", options.streams, seconds, cuts, "/events")
        return got, watch, before
    finally:
        server.stop()


def slow_files(folder, first, n, rows):
    """CSV files that take a worker about as long each: a row that cannot be read, which is logged, and repetitions, of which nothing stays."""
    same_rows = gzip.compress(b"2026-01-05 00:00:00,m1,engine_temp,70\n" * rows, 1)
    for i in range(first, first + n):
        head = f"timestamp,device_id,parameter,value\n2026-01-05 00:00:{i % 60:02},m1,engine_temp,{i}\nno time,m1,engine_temp,1\n".encode()
        with open(os.path.join(folder, f"f{i:05}.csv.gz"), "wb") as f:
            f.write(gzip.compress(head, 1) + same_rows)


def job_events(options, folder):
    """One job, and streams that follow it."""
    data = os.path.join(folder, "events")
    csv, probe, rows = os.path.join(data, "csv"), 20, 20000
    os.makedirs(csv)
    server = serve(data, folder, N_JOBS="1", N_WORKERS="1")

    def train():
        status, body = get(server.port, "/train?wait=false", "POST", "{}")
        assert status == 202, body
        return json.loads(body)["job_id"]

    try:
        slow_files(csv, 0, probe, rows)
        begun, job = time.monotonic(), train()
        while json.loads(get(server.port, f"/jobs/{job}")[1])["state"] not in ("SUCCESS", "FAILURE"):
            time.sleep(0.02)
        rows = max(1, int(rows * 0.1 * probe / (time.monotonic() - begun)))
        slow_files(csv, probe, options.event_seconds * 15, rows)
        job, before = train(), server.resident_mb()
        with Watch(server) as watch:
            got = load("events", server.port, f"/jobs/{job}/events", options.streams, options.event_seconds, 0, "")
        get(server.port, f"/jobs/{job}", "DELETE")
        return got, watch, before
    finally:
        server.stop()


def tell_events(options, what, got, watch, before):
    each = got["events"] / got["seconds"] / got["streams"]
    size = (max(watch.seen) - before) * 1024 / got["streams"]
    late = got["late"]
    print(f"events, {what}: {got['streams']} streams ({got['refused']} refused), {each:.1f} events a second each ({got['least']}..{got['most']} in {got['seconds']:.0f} s), "
          f"lateness p50 {late['p50_ms']:.3g} ms, p99 {late['p99_ms']:.3g} ms, at most {late['max_ms']:.3g} ms; {got['cuts']} cuts, {got['lost']} lost, {got['twice']} twice; "
          f"{watch.cores:.2f} cores, {size:.1f} KB a stream", flush=True)
    name = f"{got['streams']} event streams, {what}"
    return [{"name": name, "metric": "lateness p99", "value": f"{late['p99_ms']:.4g}", "unit": "ms", "spread": f"p50 {late['p50_ms']:.3g}, most {late['max_ms']:.3g}"},
            {"name": name, "metric": "events of a stream", "value": f"{each:.4g}", "unit": "1/s", "spread": f"{got['cuts']} cuts, {got['lost']} lost, {got['twice']} twice"},
            {"name": name, "metric": "cores", "value": f"{watch.cores:.3g}", "unit": ""},
            {"name": name, "metric": "memory of a stream", "value": f"{size:.3g}", "unit": "KB"}]


def events(options, folder):
    lines = tell_events(options, "raised over HTTP", *raised_events(options, folder, 0))
    lines += tell_events(options, "raised over HTTP, 100 cuts a second", *raised_events(options, folder, 100))
    return lines + tell_events(options, "log lines of a job", *job_events(options, folder))


# ---- idle connections ----

def idle(options, folder):
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "http", "test_idle.py")], capture_output=True, text=True, check=False,
                          env={**os.environ, "MILLWRIGHT_BINARY": BINARY})
    found = re.search(r"# (\d+) connections .*: (\d+) bytes resident each, (\d+) counted; slowest answer meanwhile ([\d.]+) ms", done.stdout)
    if not found:
        sys.exit(f"test_idle.py: {done.stdout}{done.stderr}")
    n, resident, counted, worst = found.groups()
    print(f"idle: {n} connections, {int(resident) / 1024:.1f} KB each, {int(counted) / 1024:.1f} KB counted; slowest answer meanwhile {worst} ms", flush=True)
    return [{"name": f"{n} idle connections", "metric": "memory each", "value": f"{int(resident) / 1024:.3g}", "unit": "KB"},
            {"name": f"{n} idle connections", "metric": "slowest answer to others", "value": worst, "unit": "ms"}]


PARTS = {"peers": peers, "overload": overload, "events": events, "idle": idle}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of a round")
    parser.add_argument("--overload-seconds", type=int, default=120, help="of each rate")
    parser.add_argument("--event-seconds", type=int, default=60)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--quick", action="store_true", help="short, and nothing is recorded")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.overload_seconds, options.event_seconds = 1, 2, 5, 8
    parts = options.parts.split(",")
    unknown = set(parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped
    for part in parts:
        folder = tempfile.mkdtemp(prefix="http-", dir=options.folder)
        try:
            lines = PARTS[part](options, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        command = f"bench/http_speed.py --parts {part} --rounds {options.rounds} --seconds {options.seconds}"
        if not options.quick:
            results.append([{**line, "command": command} for line in lines])


if __name__ == "__main__":
    main()
