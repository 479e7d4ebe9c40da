#!/usr/bin/env python3
"""Live telemetry of two organizations over HTTP: what was acknowledged is there after kill -9 at any moment, bit by bit what `millwright features`
makes of it in batch, and each row is stored once; and what bodies are refused."""
import csv
import gzip
import http.client
import io
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
    packed = {**JSON, "Content-Encoding": "gzip"}
    row = b'{"rows":[{"when":1772323299,"machine":"m1","temperature":1}]}'
    status, _, said = acme.request("POST", "/telemetry", gzip.compress(row), packed)
    assert (status, json.loads(said)["accepted"]) == (200, 1), said
    assert acme.request("POST", "/telemetry", gzip.compress(row)[:-3], packed)[0] == 400
    assert acme.request("POST", "/telemetry", gzip.compress(b" " * (8 << 20) + row), packed)[0] == 413
    assert acme.request("POST", "/telemetry", row, {**JSON, "Content-Encoding": "br"})[0] == 415
    status, metrics = acme.call("metrics")
    assert "millwright_telemetry_rows_total 4" in metrics, metrics
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


def any_name_of_a_device_has_an_address(folder):
    configure(folder, "globex", SCHEMAS["globex"])
    server = Server(folder)
    globex = Client(server.port, "globex")
    names = ["hall 2/pump", "/", "a//b/", "Öfen/№ 1", "a%2Fb", "a+b", "50%", "a?b#c", "m1"]
    rows = [{"time": 1772323200, "machine": name, "temperature": i} for i, name in enumerate(names)]
    assert globex.call("telemetry", {"rows": rows})[1]["accepted"] == len(names)
    for i, name in enumerate(names):
        status, said = globex.call("live_features", device=name)
        assert (status, said["device"], said["features"]["temperature_ewm_mean_3"]) == (200, name, i), (name, said)
    assert globex.call("live_features", device="hall 2")[0] == 404
    for path, want in (("/features/a%2Fb%2f", 404), ("/features/a/b", 404), ("/features/a%2F..%2Fb", 400), ("/features/%2e", 400),
                       ("/features/a%01b", 400), ("/features/a%2", 400), ("/jobs/a%2Fb", 400), ("/features%2Fm1", 400)):
        assert globex.request("GET", path, None, {})[0] == want, path
    assert server.stop() == 0


def earlier_features_are_those_of_batch(folder):
    for org, schema in SCHEMAS.items():
        configure(folder, org, schema)
    draw = random.Random(3)
    rows = [{"time": 1772323200 + 2 * (i // 3), "machine": f"m{i % 3}", "temperature": round(draw.uniform(0, 9), 2),
             "pressure": None if draw.random() < 0.1 else round(draw.uniform(0, 9), 2)} for i in range(900)]
    table, out = os.path.join(folder, "rows.csv"), os.path.join(folder, "features.csv")
    with open(table, "w", newline="") as f:
        write = csv.DictWriter(f, ["time", "machine", *COLUMNS])
        write.writeheader()
        write.writerows({**r, "time": datetime.fromtimestamp(r["time"], timezone.utc).isoformat()} for r in rows)
    millwright(folder, "features", os.path.join(folder, "globex.json"), table, "--out", out)
    with open(out, newline="") as f:
        lines = list(csv.DictReader(f))
    server = Server(folder, "--live-file-kib", "16")
    globex, acme = Client(server.port, "globex"), Client(server.port, "acme")
    for i in range(0, 900, 100):
        assert globex.call("telemetry", {"rows": rows[i:i + 100]})[1]["accepted"] == 100
    millwright(folder, "ingest", table, "--org", "acme", "--time", "time", "--device", "machine")
    asked = [{"device": f"m{draw.randint(0, 3)}", "time": 1772323190 + draw.randint(0, 620)} for _ in range(200)]
    status, said = globex.call("historical_features", {"rows": asked})
    assert status == 200 and said["features"] == list(lines[0]), said
    for question, answer in zip(asked, said["rows"]):
        known = [i for i, r in enumerate(rows) if r["machine"] == question["device"] and r["time"] <= question["time"]]
        want = [None if v == "" else float(v) for v in lines[known[-1]].values()] if known else [None] * len(lines[0])
        assert answer["values"] == want, (question, answer, want)
        assert (answer["row_time"] is None) == (not known), answer
    assert acme.call("historical_features", {"rows": [{"device": "m1", "time": 1772323900}]})[1]["rows"][0]["row_time"] is None
    status, said = acme.call("historical_features", {"rows": [{"device": "m1", "time": 1772323900}], "dataset": "main"})
    assert status == 200 and said["rows"][0]["row_time"] == "2026-03-01T00:09:58Z", said
    assert acme.call("historical_features", {"rows": [], "dataset": "none"})[0] == 404
    assert acme.call("historical_features", {"rows": [{"device": "m1"}]})[0] == 422
    assert server.stop() == 0


ODD = 'Druck (bar), "ü"'
NAMES = ["stuck", "flat", "out_of_range", "spike", "gap", "clock", "unit"]


def plant_with_faults(path, seed):
    """Two machines, a reading a minute; the first one's temperature stands still for five hours, the second is silent for four."""
    draw = random.Random(seed)
    with open(path, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["when", "machine", "temperature", ODD])
        for i in range(6000):
            for machine in ("hall 2/pump", "m2"):
                stuck = machine != "m2" and 4000 <= i < 4300
                if machine != "m2" or not 2000 <= i < 2240:
                    out.writerow([(START + timedelta(minutes=i)).isoformat(), machine, 51.5 if stuck else round(draw.gauss(50, 3), 3),
                                  round(draw.gauss(3, 0.2), 4)])


def flags_of_sensors_go_along_to_earlier_features(folder):
    """What POST /features/historical says of stored rows is what `millwright features --quality` says of their file."""
    features = [{"op": "value", "of": ["temperature", ODD]}, {"op": "mean", "of": "temperature", "window": "1h", "name": "mean"},
                {"op": "lag", "of": ODD, "lag": 120, "name": "lag"}, {"op": "hour_sin", "name": "hour"}]
    schema = {"timeColumn": "when", "deviceColumn": "machine", "continuousColumns": ["temperature", ODD], "features": features}
    flagged = {}
    for seed, org in enumerate(("acme", "globex")):
        path = configure(folder, org, schema)
        table, q = os.path.join(folder, f"{org}.csv"), os.path.join(folder, f"{org}_q.csv")
        plant_with_faults(table, seed)
        millwright(folder, "features", path, table, "--out", os.path.join(folder, "f.csv"), "--quality", q)
        with open(q, newline="") as f:
            flagged[org] = list(csv.DictReader(f))
        millwright(folder, "ingest", table, "--org", org, "--dataset", "plant", "--time", "when", "--device", "machine")
    server = Server(folder)
    draw = random.Random(9)
    asked = [{"device": draw.choice(["hall 2/pump", "m2", "none"]), "time": 1772323200 + draw.randint(-100, 6100) * 60} for _ in range(400)]
    seen = set()
    for org in flagged:
        status, said = Client(server.port, org).call("historical_features", {"dataset": "plant", "rows": asked})
        assert status == 200, said
        for question, answer in zip(asked, said["rows"]):
            want = flags_at(flagged[org], question["device"], answer["row_time"])
            assert answer["quality"] == want, (org, question, answer, want)
            seen |= {(feature, flag) for feature, flags in want.items() for flag in flags}
    assert {("mean", "stuck"), ("temperature", "stuck"), ("lag", "gap"), ("mean", "gap")} <= seen and not [f for f, _ in seen if f == "hour"], seen
    empty = Client(server.port, "acme").call("historical_features", {"rows": asked[:1]})[1]["rows"][0]
    assert empty["quality"] == {}, empty
    learn = {"dataset": "plant", "target": "temperature", "n_estimators": 5, "program": {"schemaConfig": {**schema, "features": features[:2]}}}
    status, said = Client(server.port, "globex").call("train", {**learn, "without_flagged": ["stuck", "spike"]})
    assert status == 200 and said["split"]["flagged_rows"] == 84, said  # and an hour after
    assert Client(server.port, "acme").call("train", {**learn, "without_flagged": ["stuk"]})[0] == 422
    assert server.stop() == 0


def flags_at(lines, device, row_time):
    """{feature: flags} of a row, from what `millwright features --quality` writes."""
    return {line["feature"]: [name for bit, name in enumerate(NAMES) if int(line["bits"]) >> bit & 1]
            for line in lines if row_time and line["device_id"] == device and line["time"] <= row_time < line["end"]}


def flags_go_along_with_live_rows(folder):
    """Rows that are sent, through kill -9, have the flags of the same rows in a file: of the newest rows, of earlier ones, and for training."""
    features = [{"op": "value", "of": ["temperature", ODD]}, {"op": "mean", "of": "temperature", "window": "1h", "name": "mean"},
                {"op": "lag", "of": ODD, "lag": 120, "name": "lag"}]
    schema = {"timeColumn": "when", "deviceColumn": "machine", "continuousColumns": ["temperature", ODD], "features": features}
    path, table, q = configure(folder, "acme", schema), os.path.join(folder, "rows.csv"), os.path.join(folder, "q.csv")
    plant_with_faults(table, 1)
    with open(table, newline="", encoding="utf-8") as f:
        head, *rows = f.read().splitlines()
    draw = random.Random(11)
    server, at, seen = Server(folder, "--live-file-kib", "32"), 0, set()
    acme = Client(server.port, "acme")
    stuck_from = START + timedelta(minutes=4000)
    while at < len(rows):
        some = rows[at:at + draw.randint(1, 900)]
        at += len(some)
        body = "\n".join([head, *some, ""]).encode()
        status, said = post(server.port, "acme", body, "text/csv")
        assert (status, said["accepted"]) == (200, len(some)), said
        if draw.random() < 0.4:
            server.kill()
            server = Server(folder, "--live-file-kib", "32")
            acme = Client(server.port, "acme")
            assert post(server.port, "acme", body, "text/csv")[1]["repeated"] > 0
        if draw.random() < 0.3 or at == len(rows):
            so_far = os.path.join(folder, "so_far.csv")
            with open(so_far, "w", encoding="utf-8") as f:
                f.write("\n".join([head, *rows[:at], ""]))
            millwright(folder, "features", path, so_far, "--out", os.path.join(folder, "f.csv"), "--quality", q)
            with open(q, newline="", encoding="utf-8") as f:
                lines = list(csv.DictReader(f))
            for device in ("hall 2/pump", "m2"):
                status, said = acme.call("live_features", device=device)
                assert status == 200 and said["quality"] == flags_at(lines, device, said["time"]), (device, said)
                seen |= {(feature, flag) for feature, flags in said["quality"].items() for flag in flags}
                # A sensor that stands is told while it stands.
                minute = (datetime.fromisoformat(said["time"].replace("Z", "+00:00")) - stuck_from) / timedelta(minutes=1)
                if device != "m2" and 60 <= minute < 300:
                    assert said["quality"]["temperature"] == ["stuck"], said
    assert ("temperature", "stuck") in seen and ("mean", "stuck") in seen, seen
    millwright(folder, "ingest", table, "--org", "acme", "--dataset", "plant", "--time", "when", "--device", "machine")
    asked = [{"device": draw.choice(["hall 2/pump", "m2"]), "time": 1772323200 + draw.randint(-100, 6100) * 60} for _ in range(400)]
    live, stored = (acme.call("historical_features", {"dataset": name, "rows": asked}) for name in ("live", "plant"))
    assert live[0] == 200 and live[1]["rows"] == stored[1]["rows"], (live, stored)
    assert {flag for row in live[1]["rows"] for flags in row["quality"].values() for flag in flags} >= {"stuck", "gap"}
    learn = {"target": "temperature", "n_estimators": 5, "without_flagged": ["stuck"], "program": {"schemaConfig": {**schema, "features": features[:2]}}}
    flagged = []
    for name in ("live", "plant"):
        status, said = acme.call("train", {**learn, "dataset": name})
        assert status == 200, said
        flagged.append(said["split"]["flagged_rows"])
    assert flagged[0] == flagged[1] > 50, flagged
    said = json.loads(millwright(folder, "summary", "--dataset", "live", "--org", "acme", "--json"))
    assert {"temperature", ""} <= {one["name"] or "" for one in said["quality"]}, said["quality"]
    assert server.stop() == 0


def categories_at(rows, machine, until, names):
    """What the machine's newest row up to a time says; the device is its own category."""
    known = [r for r in rows if r["machine"] == machine and r["time"] <= until]
    return {name: machine if name == "machine" else known[-1][name] if known else None for name in names}


def check_categories(client, rows, names, draw):
    """Of the newest rows, and of earlier ones; names: what the configuration has now."""
    for machine in ("m0", "m1"):
        status, said = client.call("live_features", device=machine)
        if status == 404:
            continue
        assert status == 200 and said["categories"] == categories_at(rows, machine, 1 << 40, names), (said, names)
    asked = [{"device": draw.choice(["m0", "m1", "none"]), "time": draw.choice(rows)["time"] + draw.randint(-1, 1)} for _ in range(50)]
    status, said = client.call("historical_features", {"rows": asked})
    assert status == 200, said
    for question, answer in zip(asked, said["rows"]):
        assert answer["categories"] == categories_at(rows, question["device"], question["time"], names), (question, answer)


def categories_of_live_rows_go_along(folder):
    """What answers and segments have is what was sent, in each form, through kill -9 and without a snapshot; a change of categories goes on in new files."""
    names = ["product", "machine", "shift"]
    schema = {"deviceColumn": "machine", "continuousColumns": ["temperature"], "categoricalColumns": names, "rollingWindows": [3]}
    configure(folder, "acme", schema)
    configure(folder, "globex", {**schema, "categoricalColumns": ["product"]})
    server = Server(folder, "--live-file-kib", "16")
    draw, rows = random.Random(4), []
    for i in range(40):
        some = [{"time": 1772323200 + 100 * i + k, "machine": f"m{k % 2}", "temperature": k, "product": draw.choice(["A 1", "B,\"2\"", "ö", None]),
                 "shift": draw.choice([None, "early", "late"])} for k in range(draw.randint(1, 60))]
        if i % 2:
            body, kind = json.dumps({"rows": some}), "application/json"
        else:
            text = io.StringIO()
            write = csv.DictWriter(text, ["shift", "machine", "time", "product", "temperature"])
            write.writeheader()
            write.writerows(some)
            body, kind = text.getvalue().encode(), "text/csv"
        for org in ("acme", "globex"):
            status, said = post(server.port, org, body, kind)
            assert (status, said["accepted"], said["unusable"]) == (200, len(some), 0), said
        rows += some
        if draw.random() < 0.3:
            server.kill()
            if draw.random() < 0.5:
                for org in ("acme", "globex"):
                    snapshot = os.path.join(folder, "orgs", org, "live", "state.snapshot")
                    if os.path.exists(snapshot):
                        os.remove(snapshot)
            server = Server(folder, "--live-file-kib", "16")
        if i == 25:
            names = ["shift", "machine"]
            configure(folder, "acme", {**schema, "categoricalColumns": names})
            acme, until = Client(server.port, "acme"), time.monotonic() + 30
            while acme.call("live_features", device="m0")[1]["config_version"] != 2 and time.monotonic() < until:
                time.sleep(0.05)
        if draw.random() < 0.5 or i in (25, 39):
            check_categories(Client(server.port, "acme"), rows, names, draw)
            check_categories(Client(server.port, "globex"), rows, ["product"], draw)
    until = time.monotonic() + 30
    while True:  # segments are made by another thread
        columns = {org: {c["name"]: c for c in json.loads(millwright(folder, "summary", "--dataset", "live", "--org", org, "--json"))["columns"]}
                   for org in ("acme", "globex")}
        stored = {org: some["device_id"]["count"] for org, some in columns.items()}
        if min(stored.values()) > len(rows) // 2 or time.monotonic() > until:
            break
        time.sleep(0.1)
    assert server.stop() == 0
    for org, some in columns.items():
        first = rows[:stored[org]]
        with_product = [r for r in first if r["product"]]
        assert some["product"]["type"] == "dictionary", some["product"]
        if org == "globex":
            assert some["product"]["count"] == len(with_product) and "shift" not in some, (some, len(with_product))
        else:
            assert some["shift"]["count"] == len([r for r in first if r["shift"]]), some
            assert 0 < some["product"]["count"] <= len(with_product) and "machine" not in some, some


TESTS = [any_name_of_a_device_has_an_address, earlier_features_are_those_of_batch, flags_of_sensors_go_along_to_earlier_features, flags_go_along_with_live_rows, categories_of_live_rows_go_along, bodies_and_their_answers, another_configuration_takes_over, kill_at_any_moment]

if __name__ == "__main__":
    chosen = [test for test in TESTS if not sys.argv[1:] or any(word in test.__name__ for word in sys.argv[1:])]
    sys.exit(run_tap(chosen))
