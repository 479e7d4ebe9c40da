#!/usr/bin/env python3
"""Live telemetry of two organizations over HTTP: what was acknowledged is there after kill -9 at any moment, bit by bit what `millwright features`
makes of it in batch, and each row is stored once; and what bodies are refused."""
import csv
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone

sys.path.insert(0, os.path.dirname(__file__))
from plant_client import BINARY, Client, Server, run_tap  # noqa: E402

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
COLUMNS = ("temperature", "pressure")
SCHEMAS = {"acme": {"timeColumn": "when", "deviceColumn": "machine", "lateness": "30s", "continuousColumns": list(COLUMNS),
                    "rollingWindows": [5, "1min"], "lagSeconds": [10]},
           "globex": {"deviceColumn": "machine", "continuousColumns": list(COLUMNS), "rollingWindows": [4],
                      "features": [{"op": "ewm_mean", "of": "temperature", "window": 3}, {"op": "energy", "of": "pressure"}]}}
JSON = {"Content-Type": "application/json"}


def millwright(data, *words):
    run = subprocess.run([BINARY, *words, "--data", data], capture_output=True, text=True)
    assert run.returncode == 0, (words, run.stderr)
    return run.stdout


def configure(data, org, schema):
    path = os.path.join(data, f"{org}.json")
    with open(path, "w") as f:
        json.dump({"organizationId": org, "schemaConfig": schema}, f)
    millwright(data, "org", "configure", path, "--org", org)
    return path


def time_name(org):
    return SCHEMAS[org].get("timeColumn", "time")


class Sender(threading.Thread):
    """Sends rows of devices of its own, each request again until it is acknowledged."""

    def __init__(self, org, number, seed):
        super().__init__(daemon=True)
        self.org, self.number, self.port = org, number, None
        self.draw = random.Random(seed)
        self.clock = 0
        self.rows, self.acknowledged, self.seen = [], 0, []  # (time, machine, values), in the order of the requests
        self.ending, self.problem = False, None

    def next_rows(self):
        some = []
        for _ in range(self.draw.randint(1, 30)):
            if self.draw.random() < 0.5:
                self.clock += self.draw.randint(1, 3)
            late = self.draw.randint(0, 50) if self.draw.random() < 0.1 else 0
            values = [None if self.draw.random() < 0.05 else round(self.draw.uniform(-50, 50), 3) for _ in COLUMNS]
            some.append((self.clock - late, f"m{self.number}-{self.draw.randint(0, 2)} é", values))
        return some

    def body(self, some):
        return json.dumps({"rows": [{time_name(self.org): (START + timedelta(seconds=t)).isoformat(), "machine": machine,
                                     **dict(zip(COLUMNS, values))} for t, machine, values in some]})

    def post(self, body):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("POST", "/telemetry", body, {**JSON, "X-Organization-ID": self.org})
            answer = connection.getresponse()
            got = answer.status, answer.read()
            connection.close()
            return got
        except (OSError, http.client.HTTPException):
            return 0, b""

    def run(self):
        try:
            while not self.ending:
                some = self.next_rows()
                body = self.body(some)
                status = 0
                while status != 200:
                    status, text = self.post(body)
                    assert status in (0, 200, 503), (status, text)
                    if status != 200:
                        time.sleep(0.01)
                    if status != 200 and self.ending:
                        return
                said = json.loads(text)
                counts = [said[name] for name in ("accepted", "late", "repeated", "unusable")]
                assert sum(counts) == len(some) and said["unusable"] == 0, (said, len(some))
                self.rows += sorted(some, key=lambda row: row[0])
                self.acknowledged += 1
        except Exception as problem:  # shown by the main thread
            self.problem = problem


def batch(folder, org, senders):
    """{machine: features of its newest row} by `millwright features`, and how many rows it used."""
    table, out = os.path.join(folder, f"{org}.csv"), os.path.join(folder, f"{org}-features.csv")
    rows = [row for sender in senders for row in sender.rows]
    with open(table, "w", newline="") as f:
        write = csv.writer(f)
        write.writerow([time_name(org), "machine", *COLUMNS])
        for t, machine, values in rows:
            write.writerow([(START + timedelta(seconds=t)).isoformat(), machine, *("" if v is None else repr(v) for v in values)])
    said = json.loads(millwright(folder, "features", os.path.join(folder, f"{org}.json"), table, "--out", out, "--json"))
    newest = {}
    with open(out, newline="") as f:
        for (t, machine, _), features in zip(rows, csv.DictReader(f)):
            if machine not in newest or t > newest[machine][0]:
                newest[machine] = (t, features)
            elif t == newest[machine][0]:
                pass  # a repeated one has the same
    return newest, said["rows"] - said["late_rows"] - said["repeated_rows"]


def compare(folder, port, org, senders):
    newest, used = batch(folder, org, senders)
    client = Client(port, org)
    for machine, (t, features) in newest.items():
        status, said = client.call("live_features", device=machine)
        assert status == 200, said
        assert said["time"] == (START + timedelta(seconds=t)).strftime("%Y-%m-%dT%H:%M:%SZ"), (machine, t, said["time"])
        assert list(said["features"]) == list(features), features
        # A late row changes what is known of the newest time: that is seen live, and not in the line of the file.
        for name, value in said["features"].items():
            want = None if features[name] == "" else float(features[name])
            assert value == want, (org, machine, name, value, want)
    return used


def kill_at_any_moment(folder):
    paths = {org: configure(folder, org, schema) for org, schema in SCHEMAS.items()}
    assert all(os.path.exists(path) for path in paths.values())
    # Without a lateness the newest line of a file is what is known at the end; with one, late rows come in behind it.
    senders = {org: [Sender(org, i, f"{org} {i}") for i in range(2)] for org in SCHEMAS}
    everybody = [one for some in senders.values() for one in some]
    draw = random.Random(7)
    server = Server(folder, "--live-file-kib", "16")
    for one in everybody:
        one.port = server.port
        one.start()
    for _ in range(8):
        time.sleep(draw.uniform(0.1, 0.8))
        server.kill()
        server = Server(folder, "--live-file-kib", "16")
        for one in everybody:
            one.port = server.port
    time.sleep(0.5)
    for one in everybody:
        one.ending = True
    for one in everybody:
        one.join(60)
        if one.problem:
            raise one.problem
        assert one.acknowledged > 5, one.acknowledged
    server.kill()
    server = Server(folder, "--live-file-kib", "16")
    compare_all(folder, server, senders)
    assert server.stop() == 0
    server = Server(folder, "--live-file-kib", "16")
    compare_all(folder, server, senders)
    assert server.stop() == 0


def stored_rows(folder, org):
    return json.loads(millwright(folder, "summary", "--dataset", "live", "--org", org, "--json"))["rows"]


def compare_all(folder, server, senders):
    for org, some in senders.items():
        if "lateness" in SCHEMAS[org]:
            settle(server.port, some)
        used = compare(folder, server.port, org, some)
        rows = stored_rows(folder, org)
        assert 0 < rows <= used, (org, rows, used)


def settle(port, senders):
    """A row after each device's newest: its features are of all rows before it, late ones too."""
    for one in senders:
        one.port = port
        one.clock += 5
        some = [(one.clock, machine, [1.5, 2.5]) for machine in sorted({machine for _, machine, _ in one.rows})]
        status, text = one.post(one.body(some))
        said = json.loads(text)
        assert status == 200 and said["accepted"] == len(some), text
        one.rows += some


def post(port, org, body, kind):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/telemetry", body, {"Content-Type": kind, "X-Organization-ID": org})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)


def announce(port, size):
    """The answer to a head that says how large a body will come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/telemetry")
    for name, value in {**JSON, "Content-Length": str(size), "X-Organization-ID": "acme"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def bodies_and_their_answers(folder):
    for org, schema in SCHEMAS.items():
        configure(folder, org, schema)
    server = Server(folder)
    acme, nobody = Client(server.port, "acme"), Client(server.port)
    assert nobody.call("telemetry", {"rows": []})[0] == 409
    assert nobody.call("live_features", device="m1")[0] == 409
    assert acme.call("live_features", device="m1")[0] == 404
    status, said = acme.call("telemetry", {"rows": [{"when": "2026-03-01T00:00:00Z", "machine": "m1", "temperature": 1.5, "x": [1]},
                                                    {"when": 1772323201, "machine": "m1", "temperature": None},
                                                    {"machine": "m1"}]})
    assert (status, said) == (200, {"accepted": 2, "late": 0, "repeated": 0, "unusable": 1, "reasons": ["row 3: it has no time"],
                                    "config_version": 1}), said
    status, said = post(server.port, "globex", "time,machine,pressure\r\n2026-03-01T00:00:00Z,\"m,1\",2\r\n", "text/csv; header=present")
    assert (status, said["accepted"]) == (200, 1), said
    status, said = acme.call("live_features", device="m1")
    assert status == 200 and said["time"] == "2026-03-01T00:00:01Z" and said["features"]["temperature"] is None, said
    status, said = Client(server.port, "globex").call("live_features", device="m,1")
    assert status == 200 and "pressure_energy" in said["features"] and "temperature" not in said["features"], said
    assert acme.call("live_features", device="m,1")[0] == 404
    for kind in ("text/plain", "application/json; charset=latin-1", "multipart/form-data"):
        assert post(server.port, "acme", "{}", kind)[0] == 415, kind
    assert post(server.port, "acme", "{\"rows\":[", "application/json")[0] == 400
    assert post(server.port, "acme", "{\"rows\":{}}", "application/json")[0] == 422
    many = json.dumps({"rows": [{"when": 1772323300 + i, "machine": "m1"} for i in range(20001)]})
    assert post(server.port, "acme", many, "application/json")[0] == 413
    assert announce(server.port, (8 << 20) + 1) == 413
    status, metrics = acme.call("metrics")
    assert "millwright_telemetry_rows_total 3" in metrics, metrics
    assert server.stop() == 0


def another_configuration_takes_over(folder):
    for org, schema in SCHEMAS.items():
        configure(folder, org, schema)
    server = Server(folder)
    acme, globex = Client(server.port, "acme"), Client(server.port, "globex")
    rows = [{"when": 1772323200 + i, "machine": f"m{i % 3}", "temperature": i * 0.5, "speed": i} for i in range(300)]
    assert acme.call("telemetry", {"rows": rows})[1]["accepted"] == 300
    schema = {**SCHEMAS["acme"], "rollingWindows": [50], "continuousColumns": ["temperature", "speed"]}
    configure(folder, "acme", schema)
    until = time.monotonic() + 30
    while True:
        status, said = acme.call("live_features", device="m1")
        assert status == 200, said
        if said["config_version"] == 2 or time.monotonic() > until:
            break
        time.sleep(0.05)
    # Rows were not stored with the speed, that no configuration had: it is missing in them.
    assert said["config_version"] == 2 and said["features"]["speed"] is None, said
    mean = said["features"]["temperature_mean_50"]
    want = sum([r["temperature"] for r in rows if r["machine"] == "m1"][-50:]) / 50
    assert abs(mean - want) < 1e-4, (mean, want)
    assert globex.call("live_features", device="m1")[0] == 404
    assert server.stop() == 0


TESTS = [bodies_and_their_answers, another_configuration_takes_over, kill_at_any_moment]

if __name__ == "__main__":
    chosen = [test for test in TESTS if not sys.argv[1:] or any(word in test.__name__ for word in sys.argv[1:])]
    sys.exit(run_tap(chosen))
