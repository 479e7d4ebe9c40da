#!/usr/bin/env python3
"""The main job over HTTP, with a client made from openapi.json only, for two organizations."""
import gzip
import hashlib
import json
import math
import os
import random
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
    nobody = Client(server.port)
    nobody.org = "nobody"
    assert nobody.request("GET", "/summary")[0] == 404
    nobody.org = "../etc"
    assert nobody.request("GET", "/summary")[0] in (400, 422)
    server.stop()


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


def a_killed_worker_is_a_failure_with_its_reason(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    accepted = client.call("train", wait=False)[1]
    os.kill(server.wait_for_worker(), 9)
    job = follow(client, accepted["job_id"])
    assert job["state"] == "FAILURE" and "signal 9" in job["error"]["message"], job
    assert client.call("models_status")[1]["trained"] is False
    status, result = client.call("train")
    assert status == 200, result
    assert server.stop() == 0


def a_killed_server_leaves_nothing_half_written(folder):
    write_long(os.path.join(folder, "csv"), 3000, [f"d{i}" for i in range(6)])
    server = Server(folder)
    client = Client(server.port)
    assert client.call("train")[0] == 200
    before = client.call("models_status")[1]
    client.call("train", wait=False)
    server.wait_for_worker()
    server.kill()
    server = Server(folder)
    client = Client(server.port)
    assert client.call("models_status")[1] == before
    assert client.call("health")[1]["status"] == "ok"
    status, result = client.call("train")
    assert status == 200, result
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
    bad_requests_get_the_right_status, train_without_data_says_so, jobs_run_beside_serving_and_one_at_a_time,
    a_killed_worker_is_a_failure_with_its_reason, a_killed_server_leaves_nothing_half_written,
    changed_files_replace_their_rows_and_unchanged_ones_are_skipped, the_same_seed_gives_the_same_models,
    pages_and_contract_are_served_offline]))
