#!/usr/bin/env python3
"""The main job over HTTP, with a client made from openapi.json only, for two organizations."""
import gzip
import hashlib
import json
import math
import os
import random
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from plant_client import BINARY, Client, Server, follow, run_tap  # noqa: E402


def write_long(folder, rows=400, devices=("press-1", "press-2"), seed=1):
    """A long file with parameter names of its own."""
    os.makedirs(folder, exist_ok=True)
    draw = random.Random(seed)
    with open(os.path.join(folder, "long.csv"), "w", newline="") as f:
        f.write("timestamp,device_id,device_name,employee_id,employee_name,category,parameter,value\r\n")
        for i in range(rows):
            stamp = f"2026-03-{1 + i * 5 // 1440:02d}T{i * 5 // 60 % 24:02d}:{i * 5 % 60:02d}:00Z"
            for k, device in enumerate(devices):
                crew = "E1" if i // 96 % 2 else "E2"
                load = 50 + 20 * math.sin(i / 20 + k) + draw.gauss(0, 1)
                for name, value in (("oil temp", 40 + load / 2 + draw.gauss(0, 0.5)), ("load", load)):
                    f.write(f'{stamp},{device},"Press, no. {k}",{crew},Name {crew},pressing,{name},{value:.3f}\r\n')
    return rows * len(devices)


def write_wide(folder, rows=500, name="wide.csv.gz", seed=2):
    os.makedirs(folder, exist_ok=True)
    draw = random.Random(seed)
    opener = gzip.open if name.endswith(".gz") else open
    with opener(os.path.join(folder, name), "wt") as f:
        f.write("date,Füllstand,druck_bar,strom\n")
        for i in range(rows):
            stamp = f"2026-05-{1 + i * 10 // 1440:02d} {i * 10 // 60 % 24:02d}:{i * 10 % 60:02d}:00"
            level = 10 + 3 * math.sin(i / 30) + draw.gauss(0, 0.1)
            spike = 40 if i == 333 else 0
            f.write(f"{stamp},{level:.4f},{level * 2 + draw.gauss(0, .2) + spike:.4f},{draw.gauss(5, 1):.4f}\n")
    return rows


def two_organizations_train_and_are_kept_apart(folder):
    long_rows = write_long(os.path.join(folder, "csv"))
    wide_rows = write_wide(os.path.join(folder, "orgs", "acme", "csv"))
    server = Server(folder)
    mine, acme = Client(server.port), Client(server.port, "acme")
    assert mine.call("health") == (200, {"status": "ok", "reasons": []})
    assert mine.call("models_status")[1] == {"trained": False, "models": []}
    for operation in ("anomalies", "feature_importance", "summary"):
        status, problem = mine.call(operation)
        assert status == 409, (operation, status, problem)
    status, result = mine.call("train")
    assert status == 200, result
    assert result["rows"] == long_rows and result["devices"] == 2, result
    status, other = acme.call("train", {"target": "druck_bar"})
    assert status == 200, other
    assert other["rows"] == wide_rows and other["target"] == "druck_bar"
    for client, names in ((mine, ["oil temp", "load"]), (acme, ["Füllstand", "druck_bar", "strom"])):
        status, summary = client.call("summary")
        assert status == 200 and summary["parameters"] == names, summary
        status, models = client.call("models_status")
        assert [m["name"] for m in models["models"]] == ["anomaly", "baseline", "regression"], models
        assert all(m["status"] == "ready" for m in models["models"])
        for model in ("baseline", "regression", "anomaly"):
            status, importance = client.call("feature_importance", model=model)
            assert status == 200 and importance["features"], importance
            total = sum(f["importance"] for f in importance["features"])
            assert abs(total - 1) < 1e-6, total
    status, found = acme.call("anomalies", limit=5)
    assert status == 200 and len(found) == 5
    assert found[0]["start"].startswith("2026-05-03T07:30:00"), found[0]
    assert found[0]["parameters"][0]["name"] == "druck_bar", found[0]
    status, all_windows = acme.call("anomalies", limit=1000)
    assert len(all_windows) == wide_rows, len(all_windows)
    scores = [a["score"] for a in all_windows]
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1
    status, trend = mine.call("trend", parameter="oil temp", device="press-2", limit=50)
    assert status == 200 and len(trend["points"]) == 50 and trend["total"] == 400, trend
    assert mine.call("trend", parameter="druck_bar")[0] == 404
    assert server.stop() == 0


def summary_filters_and_statistics_are_exact(folder):
    os.makedirs(os.path.join(folder, "csv"))
    with open(os.path.join(folder, "csv", "a.csv"), "w") as f:
        f.write("timestamp,device_id,employee_id,category,parameter,value\n"
                "2026-01-01 00:00:00,d1,e1,c1,p,1\n2026-01-01 00:05:00,d1,e2,c1,p,3\n"
                "2026-01-01 00:00:00,d2,e1,c2,p,10\n2026-01-01 00:05:00,d2,e1,c2,q,7\n")
    done = subprocess.run([BINARY, "ingest", os.path.join(folder, "csv"), "--data", folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    server = Server(folder)
    client = Client(server.port)
    status, all_rows = client.call("summary")
    columns = {c["name"]: c for c in all_rows["columns"]}
    assert all_rows["rows"] == 4 and all_rows["devices"] == ["d1", "d2"], all_rows
    assert (columns["p"]["count"], columns["p"]["missing"]) == (3, 1) and abs(columns["p"]["mean"] - 14 / 3) < 1e-12
    assert columns["p"]["std"] is not None and abs(columns["p"]["std"] - 4.725815626252609) < 1e-12
    assert all_rows["missing_share"] == 0.5
    assert all_rows["time_range"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:05:00Z"}
    assert client.call("summary", device="d1")[1]["rows"] == 2
    assert client.call("summary", employee_id="e1")[1]["rows"] == 3
    assert client.call("summary", category="c2", device="d1")[1]["rows"] == 0
    assert client.call("summary", device="nobody")[1]["rows"] == 0
    server.stop()


def bad_requests_get_the_right_status(folder):
    write_wide(os.path.join(folder, "csv"), 200)
    server = Server(folder)
    client = Client(server.port)
    wrong = [("GET", "/anomalies?limit=0", None, 422), ("GET", "/anomalies?limit=1001", None, 422),
             ("GET", "/anomalies?limit=x", None, 422), ("GET", "/anomalies?limt=3", None, 422),
             ("GET", "/trend", None, 422), ("GET", "/feature-importance?model=none", None, 422),
             ("GET", "/nothing", None, 404), ("DELETE", "/train", None, 405), ("GET", "/train", None, 405),
             ("GET", "/jobs/none", None, 404), ("POST", "/train", b"{", 400),
             ("POST", "/train", b'{"target":1}', 422), ("POST", "/train", b'{"nonsense":1}', 422),
             ("POST", "/train", b"[]", 422), ("POST", "/train", b'{"test_share":5}', 422),
             ("POST", "/train", b'{"seed":1,"seed":2}', 400), ("POST", "/train", b'{"interval":"5 bananas"}', 422),
             ("POST", "/train", b'{"target":"none such"}', 404), ("GET", "/health?x=1", None, 422)]
    for method, target, body, want in wrong:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        status, got, raw = client.request(method, target, body, headers)
        assert status == want, (method, target, body, status, raw)
        assert got["content-type"].startswith("application/problem+json"), got
        problem = json.loads(raw)
        assert problem["status"] == want and problem["detail"], problem
    assert client.request("POST", "/train", b"a=1", {"Content-Type": "text/plain"})[0] == 415
    status, _, raw = client.request("POST", "/train?wait=perhaps", b'{"test_share":5,"seed":"x","nonsense":1}',
                                    {"Content-Type": "application/json"})
    assert [e["pointer"] for e in json.loads(raw)["errors"]] == ["wait", "/test_share", "/seed", "/nonsense"], raw
    nobody = Client(server.port)
    nobody.org = "nobody"
    assert nobody.request("GET", "/summary")[0] == 404
    nobody.org = "../etc"
    assert nobody.request("GET", "/summary")[0] in (400, 422)
    server.stop()


def every_route_refuses_as_the_contract_says(folder):
    """Each operation with an unknown organization, parameter, host, origin, body and type: all of these answers are in it."""
    server = Server(folder)
    client = Client(server.port)
    seen = {}
    for operation, (method, path, op) in client.operations.items():
        target = re.sub(r"\{[^}]*\}", "x", path)
        body = b"[" if "requestBody" in op else None
        types = list(op["requestBody"]["content"]) if body else []
        own_type = {"Content-Type": "application/json" if len(types) > 1 or "*" in types[0] else types[0]} if body else {}
        tries = [("X-Organization-ID", {"X-Organization-ID": "nobody"}, ""), ("name", {"X-Organization-ID": "a b"}, ""),
                 ("origin", {"Origin": "http://evil.example"}, ""), ("host", {"Host": "evil.example"}, ""),
                 ("parameter", {}, "?no_such=1&nor_this=2"), ("query", {}, "?a=%zz")]
        for what, headers, query in tries:
            status, _, raw = client.request(method, target + query, body, {**own_type, **headers})
            seen[operation, what] = status
        if body:
            seen[operation, "type"] = client.request(method, target, b"x", {"Content-Type": "text/x-none"})[0]
        assert seen[operation, "name"] == 400 and seen[operation, "query"] == 400, (operation, seen)
        assert (seen[operation, "origin"], seen[operation, "host"]) == (403, 421), (operation, seen)
    assert seen["summary", "X-Organization-ID"] == 404 and seen["summary", "parameter"] == 422, seen
    assert seen["train", "type"] == 415, seen
    assert server.stop() == 0


PUMPS = {"timeColumn": "time", "deviceColumn": "machine", "continuousColumns": ["load"], "rollingWindows": ["10s"]}


def every_route_answers_as_the_contract_says(folder):
    """What each operation gives when all is well; Client.request holds every answer against the contract. One that is not
    listed here is asked with made-up names: its answer, then an error, must be in the contract, too."""
    write_long(os.path.join(folder, "csv"))
    server = Server(folder)
    client = Client(server.port)
    body = b"time,load\n2026-03-01 00:00,1\n2026-03-01 00:05,2\n"
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="b.csv"\r\n\r\n' + body + b"\r\n--B--"
    row = {"time": "2026-03-01T00:00:00Z", "machine": "m1", "load": 1}
    steps = [("train", "POST", "/train", {}), ("upload", "POST", "/datasets/other/files/a.csv", body),
             ("dataset_store", "POST", "/dataset/store?dataset=other", form),
             ("feature_importance", "GET", "/feature-importance?model=baseline", None), ("anomalies", "GET", "/anomalies?limit=3", None),
             ("trend", "GET", "/trend?parameter=load", None), ("organization_init", "POST", "/organizations", {"id": "acme"}),
             ("organization_config_put", "PUT", "/organizations/default/config", {"schemaConfig": PUMPS}),
             ("organization_config", "GET", "/organizations/default/config", None), ("telemetry", "POST", "/telemetry", {"rows": [row]}),
             ("live_features", "GET", "/features/m1", None),
             ("historical_features", "POST", "/features/historical", {"rows": [{"device": "m1", "time": "2026-03-01T00:00:01Z"}]})]
    for operation, method, target, sent in steps:
        kind = "application/json" if isinstance(sent, (dict, list)) else "multipart/form-data; boundary=B" if sent is form else "text/csv"
        data = json.dumps(sent) if isinstance(sent, (dict, list)) else sent
        status, _, raw = client.request(method, target, data, {"Content-Type": kind} if sent is not None else {})
        assert status == 200 and client.find(method, target.split("?")[0])["operationId"] == operation, (operation, status, raw)
    job = client.call("train", wait=False)[1]["job_id"]
    follow(client, job)
    for name in ("health", "models_status", "metrics", "openapi", "summary", "jobs", "organizations"):
        assert client.call(name)[0] == 200, name
    assert client.call("job", id=job)[0] == 200
    asked = {step[0] for step in steps}
    for operation, (method, path, op) in client.operations.items():
        if operation not in asked:
            data = b"{}" if "requestBody" in op else None
            client.request(method, re.sub(r"\{[^}]*\}", "none", path), data, {"Content-Type": "application/json"} if data else {})
    assert server.stop() == 0


def request_ids_are_in_the_log(folder):
    write_wide(os.path.join(folder, "csv"), 300)
    os.environ["LOG_LEVEL"] = "DEBUG"
    server = Server(folder)
    del os.environ["LOG_LEVEL"]
    client = Client(server.port)
    for target, name in (("/summary", "quick-1"), ("/nothing", "path-1"), ("/health?x=1", "loop-1")):
        status, got, _ = client.request("GET", target, headers={"X-Request-ID": name})
        assert got["x-request-id"] == name, got
    json_type = {"Content-Type": "application/json", "X-Request-ID": "train-1"}
    assert client.request("POST", "/train", b"{}", json_type)[1]["x-request-id"] == "train-1"
    assert client.request("POST", "/train", b"{", {**json_type, "X-Request-ID": "bad-1"})[0] == 400
    assert server.stop() == 0
    with open(os.path.join(folder, "logs", "millwright.log")) as f:
        log = f.read()
    for name in ("quick-1", "path-1", "loop-1", "train-1", "bad-1"):
        assert f"request={name}" in log, (name, log)


def train_without_data_says_so(folder):
    server = Server(folder)
    status, problem = Client(server.port).call("train")
    assert status == 422 and "no data" in problem["detail"], problem
    server.stop()


def jobs_run_beside_serving_and_one_at_a_time(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    status, accepted = client.call("train", wait=False)
    assert status == 202, accepted
    assert client.call("health")[0] == 200
    status, problem = client.call("train")
    assert status == 409, problem
    job = follow(client, accepted["job_id"])
    assert job["state"] == "SUCCESS" and job["progress"] == 1 and job["result"]["models"], job
    assert client.call("models_status")[1]["trained"] is True
    other = Client(server.port)
    other.org = "default"
    assert other.call("job", id=accepted["job_id"])[0] == 200
    os.makedirs(os.path.join(folder, "orgs", "acme"))
    assert Client(server.port, "acme").call("job", id=accepted["job_id"])[0] == 404
    server.stop()


def a_killed_worker_is_started_again(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    accepted = client.call("train", wait=False)[1]
    os.kill(server.wait_for_worker(), 9)
    job = follow(client, accepted["job_id"])
    assert job["state"] == "SUCCESS" and job["attempts"] == 2, job["state"]
    assert server.stop() == 0


def a_killed_worker_is_a_failure_with_its_reason(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder, "--max-retries", "0")
    client = Client(server.port)
    accepted = client.call("train", wait=False)[1]
    os.kill(server.wait_for_worker(), 9)
    job = follow(client, accepted["job_id"])
    assert job["state"] == "FAILURE" and "signal 9" in job["error"]["message"], job
    assert client.call("models_status")[1]["trained"] is False
    assert [j["job_id"] for j in client.call("jobs", dead=True)[1]] == [job["job_id"]]
    status, again = client.call("job_retry", id=job["job_id"])
    assert status == 200 and again["state"] in ("PENDING", "STARTED", "PROGRESS") and again["error"] is None, again
    assert follow(client, job["job_id"])["state"] == "SUCCESS"
    assert client.call("job_retry", id=job["job_id"])[0] == 409
    assert server.stop() == 0


def probes_go_through_the_queue(folder):
    server = Server(folder, "--job-workers", "2")
    client = Client(server.port)
    begun = time.time()
    status, answer = client.call("probe", {"text": "hello"})
    assert status == 200 and answer["text"] == "hello", answer
    assert begun - 1 < answer["began_us"] / 1e6 < time.time() + 1
    status, answer = client.call("probe", {"text": "many"}, count=400)
    assert status == 200 and answer["text"] == "many", answer
    until = time.monotonic() + 30
    while 'finished_total{state="SUCCESS"} 401' not in client.request("GET", "/metrics")[2].decode():
        assert time.monotonic() < until, client.request("GET", "/metrics")[2].decode()
        time.sleep(0.01)
    jobs = client.call("jobs", kind="probe", limit=1000)[1]
    assert len(jobs) == 401 and {job["attempts"] for job in jobs} == {1}, len(jobs)
    assert client.call("probe", {}, count=10001)[0] == 422
    server.stop()


def jobs_are_canceled_and_wait_for_each_other(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    first = client.call("train", wait=False)[1]["job_id"]
    csv = os.path.join(folder, "more.csv")
    write_wide(folder, 300, "more.csv")
    with open(csv, "rb") as file:
        body = file.read()
    target = f"/datasets/second/files/more.csv?wait=false&after={first}&priority=7"
    status, _, answer = client.request("POST", target, body, {"Content-Type": "text/csv"})
    assert status == 202, answer
    second = json.loads(answer)["job_id"]
    job = client.call("job", id=second)[1]
    assert job["waits_for"] == 1 and job["priority"] == 7, job
    server.wait_for_worker()
    begun = time.monotonic()
    assert client.call("job_cancel", id=first)[0] == 200
    assert follow(client, first)["state"] == "REVOKED"
    assert time.monotonic() - begun < 20
    job = follow(client, second)
    assert job["state"] == "FAILURE" and first in job["error"]["message"], job
    assert client.call("job_retry", id=second)[0] == 409
    assert client.call("job_cancel", id=second)[0] == 409
    assert client.call("job_cancel", id="nobody")[0] == 404
    os.makedirs(os.path.join(folder, "orgs", "acme"))
    assert Client(server.port, "acme").call("job_cancel", id=first)[0] == 404
    assert client.call("train")[0] == 200
    assert server.stop() == 0


def a_killed_server_leaves_nothing_half_written(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    assert client.call("train")[0] == 200
    before = client.call("models_status")[1]
    accepted = client.call("train", wait=False)[1]
    server.wait_for_worker()
    server.kill()
    server = Server(folder)
    client = Client(server.port)
    assert client.call("models_status")[1] == before
    assert client.call("health")[1]["status"] == "ok"
    job = follow(client, accepted["job_id"])
    assert job["state"] == "SUCCESS" and job["attempts"] == 2, job["error"]
    versions = [m["version"] for m in client.call("models_status")[1]["models"]]
    assert versions == [2, 2, 2], versions
    assert not os.listdir(os.path.join(folder, "orgs", "default", "work"))
    server.stop()


def changed_files_replace_their_rows_and_unchanged_ones_are_skipped(folder):
    csv = os.path.join(folder, "csv")
    rows = write_wide(csv, 300, "plant.csv")
    server = Server(folder)
    client = Client(server.port)
    first = client.call("train")[1]
    again = client.call("train")[1]
    assert again["files"][0]["unchanged"] is True and again["data_hash"] == first["data_hash"]
    assert client.call("summary")[1]["rows"] == rows
    more = write_wide(csv, 350, "plant.csv")
    third = client.call("train")[1]
    assert third["files"][0]["replaces"] is True and third["data_hash"] != first["data_hash"]
    assert client.call("summary")[1]["rows"] == more
    server.stop()


def the_same_seed_gives_the_same_models(folder):
    write_long(os.path.join(folder, "csv"), 600)
    server = Server(folder)
    client = Client(server.port)
    hashes = []
    for seed in (7, 7, 8):
        assert client.call("train", {"seed": seed})[0] == 200
        hashes.append([m["sha256"] for m in client.call("models_status")[1]["models"]])
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]
    server.stop()


def pages_and_contract_are_served_offline(folder):
    server = Server(folder)
    client = Client(server.port)
    with open("api/openapi.json", encoding="utf-8") as f:
        assert json.load(f) == client.spec
    for page in ("/docs", "/redoc"):
        status, headers, body = client.request("GET", page)
        assert status == 200 and headers["content-type"].startswith("text/html"), (page, status)
        assert b"http://" not in body.replace(b"http://www.w3.org", b"") and b"https://" not in body, body
    status, text = client.call("metrics")
    assert status == 200 and "millwright_http_requests_total" in text and "millwright_jobs_running 0" in text
    server.stop()


def an_extended_isolation_forest_is_served(folder):
    rows = 300
    write_wide(os.path.join(folder, "csv"), rows)
    server = Server(folder)
    client = Client(server.port)
    assert client.call("train", {"ndim": 0})[0] == 422
    assert client.call("train", {"ndim": 2})[0] == 200
    status, found = client.call("anomalies", limit=1000)
    assert status == 200 and len(found) == rows, len(found)
    assert all(0 < a["score"] < 1 for a in found) and any(a["is_anomaly"] for a in found)
    status, importance = client.call("feature_importance", model="anomaly")
    assert status == 200 and abs(sum(f["importance"] for f in importance["features"]) - 1) < 1e-6, importance
    path = os.path.join(folder, "orgs", "default", "models", "anomaly", "current", "state.arrow")
    with open(path, "rb") as f:
        sha = hashlib.sha256(f.read()).hexdigest()
    models = {m["name"]: m for m in client.call("models_status")[1]["models"]}
    assert models["anomaly"]["sha256"] == sha and models["anomaly"]["status"] == "ready", models
    with open(path, "r+b") as f:
        f.truncate(1000)
    models = {m["name"]: m for m in client.call("models_status")[1]["models"]}
    assert models["anomaly"]["status"] == "damaged" and models["regression"]["status"] == "ready", models
    server.stop()


def a_damaged_model_is_told_and_mended_by_training(folder):
    write_wide(os.path.join(folder, "csv"), 200)
    server = Server(folder)
    client = Client(server.port)
    assert client.call("train")[0] == 200
    path = os.path.join(folder, "orgs", "default", "models", "regression", "current", "model.onnx")
    with open(path, "r+b") as f:
        f.seek(200)
        byte = f.read(1)
        f.seek(200)
        f.write(bytes([byte[0] ^ 0x55]))
    status, models = client.call("models_status")
    states = {m["name"]: m["status"] for m in models["models"]}
    assert states == {"anomaly": "ready", "baseline": "ready", "regression": "damaged"}, models
    until = time.monotonic() + 20
    while client.call("health")[1]["status"] == "ok" and time.monotonic() < until:
        time.sleep(0.2)
    health = client.call("health")[1]
    assert health["status"] == "degraded" and "regression" in health["reasons"][0], health
    assert client.call("train")[0] == 200
    assert {m["status"] for m in client.call("models_status")[1]["models"]} == {"ready"}
    path = os.path.join(folder, "orgs", "default", "models", "anomaly", "current", "anomalies.json")
    with open(path, "r+b") as f:
        f.truncate(100)
    states = {m["name"]: m["status"] for m in client.call("models_status")[1]["models"]}
    assert states["anomaly"] == "damaged", states
    server.stop()


sys.exit(run_tap([
    a_damaged_model_is_told_and_mended_by_training, an_extended_isolation_forest_is_served,
    two_organizations_train_and_are_kept_apart, summary_filters_and_statistics_are_exact,
    bad_requests_get_the_right_status, every_route_refuses_as_the_contract_says, every_route_answers_as_the_contract_says,
    request_ids_are_in_the_log, train_without_data_says_so, jobs_run_beside_serving_and_one_at_a_time, a_killed_worker_is_started_again,
    a_killed_worker_is_a_failure_with_its_reason, probes_go_through_the_queue, jobs_are_canceled_and_wait_for_each_other, a_killed_server_leaves_nothing_half_written,
    changed_files_replace_their_rows_and_unchanged_ones_are_skipped, the_same_seed_gives_the_same_models,
    pages_and_contract_are_served_offline]))
