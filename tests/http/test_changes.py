#!/usr/bin/env python3
"""Answers of the real program that are kept are those of the store as it is: what was changed here, and by another process, is seen."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant_client import BINARY, Client, Server, run_tap  # noqa: E402

TREND = "/trend?parameter=engine_temp&limit=1000"


def write_rows(folder, name, first, n):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as f:
        f.write("timestamp,device_id,parameter,value\n")
        for i in range(first, first + n):
            f.write(f"2026-01-05 {i // 60:02}:{i % 60:02}:00,m1,engine_temp,{i}\n")
    return path


def ingest(folder, path, org="default"):
    subprocess.run([BINARY, "ingest", path, "--data", folder, "--org", org], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kept(client):
    return int(re.search(r"^millwright_http_kept_answers_total (\d+)$", client.call("metrics")[1], re.M)[1])


def get(client, target, **headers):
    status, fields, body = client.request("GET", target, headers=headers)
    return status, fields, body


def rows(client):
    status, _, body = get(client, "/summary")
    assert status == 200, body
    return json.loads(body)["rows"]


def wait_for_rows(client, n):
    until = time.monotonic() + 20
    while rows(client) != n:
        assert time.monotonic() < until, (rows(client), n)


def what_another_process_commits_is_seen(folder):
    ingest(folder, write_rows(folder, "a.csv", 0, 100))
    server = Server(folder)
    client = Client(server.port)
    assert rows(client) == 100
    status, fields, body = get(client, TREND)
    assert status == 200 and json.loads(body)["total"] == 100, body
    for _ in range(20):
        assert get(client, TREND)[2] == body
    assert kept(client) >= 15, kept(client)
    assert get(client, TREND, **{"If-None-Match": fields["etag"]})[0] == 304
    for i in range(1, 6):
        ingest(folder, write_rows(folder, f"{i}.csv", 100 * i, 100))
        wait_for_rows(client, 100 * (i + 1))
        found = json.loads(get(client, TREND)[2])
        assert (found["total"], found["points"][-1]["value"]) == (100 * (i + 1), 100 * i + 99), found["points"][-1]
    assert get(client, TREND, **{"If-None-Match": fields["etag"]})[0] == 200
    assert server.stop() == 0


def what_this_process_commits_is_seen_by_the_next_request(folder):
    server = Server(folder)
    client = Client(server.port)
    csv = os.path.join(folder, "csv")
    os.makedirs(csv, exist_ok=True)
    for i in range(5):
        write_rows(csv, f"{i}.csv", 100 * i, 100)
        status, job = client.call("train", {})  # too few rows to learn from, and they are in the dataset all the same
        assert status in (200, 409, 422), job
        status, _, body = get(client, "/summary")
        if status == 200:
            assert json.loads(body)["rows"] == 100 * (i + 1), body
        else:
            assert i == 0 or status != 409, body
    assert server.stop() == 0


def organizations_have_their_own(folder):
    ingest(folder, write_rows(folder, "a.csv", 0, 100))
    ingest(folder, write_rows(folder, "b.csv", 0, 50), "acme")
    server = Server(folder)
    ours, theirs = Client(server.port), Client(server.port, "acme")
    for _ in range(3):
        assert (rows(ours), rows(theirs)) == (100, 50)
    assert kept(ours) >= 2
    assert server.stop() == 0


if __name__ == "__main__":
    sys.exit(run_tap([what_another_process_commits_is_seen, what_this_process_commits_is_seen_by_the_next_request, organizations_have_their_own]))
