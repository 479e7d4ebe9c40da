#!/usr/bin/env python3
"""POST /telemetry, durable: rows a second of a real server, and where the time goes. Standard library only.

    make bench-telemetry                                       1 and 4 clients, JSON and CSV, 3 rounds
    make bench-telemetry BENCH_TELEMETRY="--quick"             few requests, 1 round, nothing recorded

A request has 1,000 rows of 50 machines with 4 sensors; the configuration is the set telemetry-40 (42 features). Clients are processes with one
connection each, their bodies are made before; each has machines of its own, and the last of them belongs to another organization when there
are more than one. Parts come from GET /metrics (seconds in reading bodies; in the stream, with what was foreseen; in writing and syncing
the journal), added up over the server's threads. What the disk alone takes is measured in the same minute, in the same folder: as many bytes a
request as the journal has, written and fdatasync'ed by one thread.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.environ.get("MILLWRIGHT_BINARY", os.path.join(ROOT, "build", "millwright"))
SENSORS = ("temperature", "vibration", "spindle_speed", "power_consumption")
MACHINES = 50
SCHEMA = {"deviceColumn": "machine", "continuousColumns": list(SENSORS), "featureSet": "telemetry-40"}
TYPES = {"json": "application/json", "csv": "text/csv"}
ORGS = ("acme", "globex")
PARTS = ("parse", "state", "disk")
FRAME_BYTES, ROW_BYTES = 48, 8 + 4 + 8 * len(SENSORS)


def bodies(form, client, n, rows):
    """n requests of a client, as bytes; times go on by a second every MACHINES rows."""
    draw = random.Random(client)
    made = []
    for number in range(n):
        lines = []
        for i in range(rows):
            row = number * rows + i
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1772323200 + row // MACHINES))
            values = [round(draw.uniform(10, 90), 3) for _ in SENSORS]
            lines.append((stamp, f"m{client}-{row % MACHINES}", values))
        if form == "json":
            made.append(json.dumps({"rows": [{"time": stamp, "machine": machine, **dict(zip(SENSORS, values))}
                                             for stamp, machine, values in lines]}).encode())
        else:
            head = "time,machine," + ",".join(SENSORS) + "\n"
            made.append((head + "".join(f"{stamp},{machine},{','.join(map(str, values))}\n" for stamp, machine, values in lines)).encode())
    return made


class Server:
    def __init__(self, folder):
        self.folder = tempfile.mkdtemp(prefix="telemetry-", dir=folder)
        for org in ORGS:
            path = os.path.join(self.folder, f"{org}.json")
            with open(path, "w") as f:
                json.dump({"organizationId": org, "schemaConfig": SCHEMA}, f)
            subprocess.run([BINARY, "org", "configure", path, "--org", org, "--data", self.folder], check=True, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--data", self.folder], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.port = int(re.search(r":(\d+)\s", self.process.stdout.readline()).group(1))

    def metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = {part: float(re.search(rf'telemetry_seconds_total{{part="{part}"}} (\S+)', text).group(1)) for part in PARTS}
        return found | {name: float(re.search(rf"^millwright_telemetry_{name}_total (\S+)", text, re.M).group(1)) for name in ("rows", "syncs")}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


def send(port, org, kind, some, ready, go, out):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.connect()
    ready.put(1)
    go.wait()
    for body in some:
        connection.request("POST", "/telemetry", body, {"Content-Type": kind, "X-Organization-ID": org})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status != 200 or said["unusable"] or said["late"]:
            out.put(str(said))
            return
    out.put(None)


def one_round(options, form, clients):
    server = Server(options.folder)
    try:
        ready, go, out = multiprocessing.Queue(), multiprocessing.Event(), multiprocessing.Queue()
        senders = []
        for client in range(clients):
            org = ORGS[client == clients - 1 and clients > 1]
            some = bodies(form, client, options.requests // clients, options.rows)
            senders.append(multiprocessing.Process(target=send, args=(server.port, org, TYPES[form], some, ready, go, out),
                                                   daemon=True))
            senders[-1].start()
        for _ in senders:
            ready.get()
        before, start = server.metrics(), time.monotonic()
        go.set()
        problems = [problem for problem in (out.get() for _ in senders) if problem]
        seconds = time.monotonic() - start
        for sender in senders:
            sender.join()
        if problems:
            sys.exit(f"{form}, {clients} clients: {problems[0]}")
        after = server.metrics()
        rows = after["rows"] - before["rows"]
        found = {part: (after[part] - before[part]) / rows * 1e6 for part in PARTS}
        return found | {"rate": rows / seconds, "group": rows / options.rows / (after["syncs"] - before["syncs"]), "disk_alone": disk_alone(options)}
    finally:
        server.stop()


def disk_alone(options):
    """Requests a second times rows, of a thread that writes and syncs as many bytes and does nothing else."""
    path = os.path.join(options.folder, "probe")
    data = os.urandom(FRAME_BYTES + options.rows * ROW_BYTES + 12 * MACHINES)
    n = max(20, options.requests // 10)
    with open(path, "wb", buffering=0) as f:
        start = time.monotonic()
        for _ in range(n):
            f.write(data)
            os.fdatasync(f.fileno())
        seconds = time.monotonic() - start
    os.remove(path)
    return n * options.rows / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="1,4")
    parser.add_argument("--forms", default="json,csv")
    parser.add_argument("--rows", type=int, default=1000, help="of a request")
    parser.add_argument("--requests", type=int, default=400, help="of all clients")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=os.path.join(ROOT, "build"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.requests, options.rounds = 40, 1
    command = "bench/telemetry_speed.py" + "".join(f" --{name} {getattr(options, name)}" for name in ("rows", "requests", "rounds"))
    lines = []
    for form in options.forms.split(","):
        for clients in map(int, options.clients.split(",")):
            rounds = [one_round(options, form, clients) for _ in range(options.rounds)]
            middle = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
            rates = sorted(r["rate"] for r in rounds)
            print(f"{form}, {clients} client{'s' * (clients > 1)}: {middle['rate']:,.0f} rows/s ({rates[0]:,.0f}..{rates[-1]:,.0f}), "
                  f"the disk alone {middle['disk_alone']:,.0f}; a row takes {middle['parse']:.2f} us to read, {middle['state']:.2f} us of the stream, "
                  f"{middle['disk']:.2f} us of the disk; {middle['group']:.2f} requests a sync", flush=True)
            name = f"telemetry {form}, {clients} client{'s' * (clients > 1)}"
            spread = f"{rates[0]:.4g}..{rates[-1]:.4g}"
            lines.append({"name": name, "metric": "rate", "value": f"{middle['rate']:.4g}", "unit": "rows/s", "peer": "write and fdatasync alone",
                          "peer_value": f"{middle['disk_alone']:.4g}", "spread": spread, "command": command})
            lines += [{"name": name, "metric": f"{part}, a row", "value": f"{middle[part]:.3g}", "unit": "us", "command": command} for part in PARTS]
    if not options.quick:
        results.append(lines)


if __name__ == "__main__":
    main()
