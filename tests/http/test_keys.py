#!/usr/bin/env python3
"""API keys: who may do what, for whom; every route with every role and the wrong organization, as the contract says."""
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant_client import BINARY, Client, Server, run_tap  # noqa: E402

ROLES = ["viewer", "operator", "trainer", "admin", "worker"]
PUBLIC = {"health", "models_status", "openapi"}


def run(folder, *words, status=0):
    done = subprocess.run([BINARY, *words, "--data", folder, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return json.loads(done.stdout) if status == 0 else done.stderr


def make_key(folder, role, org="default", *more):
    return run(folder, "org", "key", "create", "--name", f"test {role}", "--role", role, "--org", org, *more)


def ask(server, key, method="GET", target="/jobs", body=None, **fields):
    client = Client(server.port)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    if key:
        headers["Authorization"] = "Bearer " + key
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    status, got, raw = client.request(method, target, body, headers)
    return status, got, raw


def wait_for(what, seconds=5):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come")


def without_keys_only_this_host_is_served(folder):
    server = Server(folder)
    assert ask(server, None)[0] == 200
    assert server.stop() == 0
    done = subprocess.run([BINARY, "serve", "--port", "0", "--host", "0.0.0.0", "--data", folder], capture_output=True, text=True, timeout=30)
    assert done.returncode == 7 and "org key create" in done.stderr, done
    server = Server(folder, "--host", "0.0.0.0", "--no-auth")
    assert ask(server, None, Host="plant.example")[0] == 200
    assert server.stop() == 0


def a_key_is_asked_for_as_soon_as_there_is_one(folder):
    server = Server(folder)
    assert ask(server, None)[0] == 200
    made = make_key(folder, "viewer")
    wait_for(lambda: ask(server, None)[0] == 401)
    status, got, raw = ask(server, None)
    assert got["www-authenticate"].startswith("Bearer") and b"org key create" in raw, (got, raw)
    assert ask(server, made["key"])[0] == 200
    assert Client(server.port).request("GET", "/jobs", None, {"X-API-Key": made["key"]})[0] == 200
    for target in ("/health", "/models/status", "/docs", "/openapi.json"):
        assert ask(server, None, target=target)[0] == 200, target
    for wrong in (made["key"][:-1], made["key"] + "A", made["key"].replace("mw_", "xx_"), "mw_", "x" * 5000, made["key"][:14] + "A" * 43):
        assert ask(server, wrong)[0] in (401, 431), wrong
    assert server.stop() == 0
    for root, _, names in os.walk(folder):  # its secret is nowhere on disk
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                assert made["key"].split("_", 2)[2].encode() not in file.read(), name


def a_revoked_or_expired_key_is_refused(folder):
    keep, gone, short = (make_key(folder, "viewer", "default", *more) for more in ((), (), ("--expires", "3s")))
    server = Server(folder)
    assert [ask(server, k["key"])[0] for k in (keep, gone, short)] == [200, 200, 200]
    run(folder, "org", "key", "revoke", gone["key_id"])
    wait_for(lambda: ask(server, gone["key"])[0] == 401)
    wait_for(lambda: ask(server, short["key"])[0] == 401)
    assert ask(server, keep["key"])[0] == 200
    assert "there is no key" in run(folder, "org", "key", "revoke", "nothing", status=5)
    listed = {k["key_id"]: k for k in run(folder, "org", "key", "list")}
    assert listed[gone["key_id"]]["revoked"] and not listed[keep["key_id"]]["revoked"]
    assert "key" not in listed[keep["key_id"]]
    assert server.stop() == 0
    listed = {k["key_id"]: k for k in run(folder, "org", "key", "list")}
    assert listed[keep["key_id"]]["last_used"]


JOB = "01JDSTREAM" + "0" * 16


class Stream:
    """The events of a job that waits for long."""

    def __init__(self, server, key):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)
        self.connection.request("GET", f"/jobs/{JOB}/events", None, {"Authorization": "Bearer " + key} if key else {})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.first = self.answer.readline()

    def rest(self):
        return self.answer.read().decode()


def a_stream_ends_with_its_key(folder):
    run(folder, "org", "init")
    with sqlite3.connect(os.path.join(folder, "millwright.db")) as db:
        db.execute("INSERT INTO jobs (id, org, kind, state, max_attempts, priority, created_us, payload, n_waits)"
                   f" VALUES ('{JOB}', 'default', 'train', 'PENDING', 1, 0, 1, '{{}}', 1)")
    db.close()
    server = Server(folder)
    free, gone = Stream(server, None), None  # nobody needs a key yet
    streams = []
    for more in ((), (), ("--expires", "8s")):
        made = make_key(folder, "viewer", "default", *more)
        wait_for(lambda: ask(server, None)[0] == 401 and ask(server, made["key"])[0] == 200)
        streams.append(Stream(server, made["key"]))
        gone = gone if more else made
    assert all(stream.first for stream in streams)
    last = free.rest()
    assert "event: problem" in last and '"status":401' in last and "needs an API key" in last, last
    run(folder, "org", "key", "revoke", gone["key_id"])
    for stream in streams[1:]:
        last = stream.rest()
        assert "event: problem" in last and '"status":401' in last and "revoked, or has expired" in last, last
        assert last.endswith("\n\n")
    assert server.stop() == 0
    last = streams[0].rest()  # that one went on until then
    assert "problem" not in last and "retry:" in last, last


def wrong_keys_are_locked_out(folder):
    made, other = make_key(folder, "viewer"), make_key(folder, "viewer")
    server = Server(folder)
    wrong = made["key"][:14] + "A" * 43
    assert [ask(server, wrong)[0] for _ in range(5)] == [401] * 5
    status, got, _ = ask(server, wrong)
    assert status == 429 and int(got["retry-after"]) >= 1, (status, got)
    assert ask(server, made["key"])[0] == 429  # its own id, from this address
    assert ask(server, other["key"])[0] == 200
    wait_for(lambda: ask(server, made["key"])[0] == 200)
    assert server.stop() == 0


def is_denied(role, least):
    """A worker may be a worker and nothing else; of the others each may do what those before it may."""
    if role == "admin":
        return False
    return role != least if "worker" in (role, least) else ROLES.index(role) < ROLES.index(least)


def sample(schema):
    """Some value that fits; what an operation makes of it does not matter here."""
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if "enum" in schema:
        return schema["enum"][0]
    return {"integer": schema.get("minimum", 1), "number": 1, "boolean": False, "array": ["x"], "object": {}, "string": "x" * schema.get("minLength", 1)}.get(kind, {})


def request_of(path, op, org):
    for parameter in op["parameters"]:
        if parameter.get("in") == "path":
            path = path.replace("{%s}" % parameter["name"], org if path.startswith("/organizations/") and parameter["name"] == "id" else "x")
    query = [f"{p['name']}={sample(p['schema'])}" for p in op["parameters"] if p.get("in") == "query" and p.get("required")]
    content = op.get("requestBody", {}).get("content", {})
    kind = next(iter(content), None)
    body = None
    if kind == "application/json":
        schema = content[kind]["schema"]
        body = json.dumps({name: sample(schema["properties"][name]) for name in schema.get("required", [])}) if "properties" in schema else "{}"
    elif kind:
        body = "time,a\n"
    return path + ("?" + "&".join(query) if query else ""), body, kind


def every_route_with_every_role_and_the_wrong_organization(folder):
    for org in ("acme", "globex"):
        run(folder, "org", "init", "--org", org)
    keys = {role: make_key(folder, role, "acme")["key"] for role in ROLES}
    make_key(folder, "viewer", "globex")
    everybody = make_key(folder, "admin", "default", "--all")["key"]
    server = Server(folder)
    client = Client(server.port)
    n = 0
    for path, methods in client.spec["paths"].items():
        for method, op in methods.items():
            least = op["x-least-role"]
            for_all = op["operationId"] == "worker_offer"  # a key of one organization cannot be a worker's
            public = op["operationId"] in PUBLIC
            target, body, kind = request_of(path, op, "acme")
            fields = {"Content-Type": kind} if kind else {}
            if method == "post" and "wait" in [p.get("name") for p in op["parameters"]]:
                target += ("&" if "?" in target else "?") + "wait=false"
            name = f"{method} {target}"
            status = ask(server, None, method.upper(), target, body, **fields)[0]
            assert public or status == 401, (name, status)
            for role in ROLES:
                status = ask(server, keys[role], method.upper(), target, body, **fields)[0]
                denied = not public and (for_all or is_denied(role, least))
                assert (status == 403) == denied and status not in (401, 500), (name, role, status)
                status = ask(server, keys[role], method.upper(), target, body, X_Organization_ID="globex", **fields)[0]
                assert public or status == 403, (name, role, "as globex", status)
                n += 2
            if path.startswith("/organizations/{id}"):  # one's own key, the other's address
                target, body, _ = request_of(path, op, "globex")
                status = ask(server, keys["admin"], method.upper(), target, body, **fields)[0]
                assert status == 403, (name, "of globex", status)
                status = ask(server, everybody, method.upper(), target, body, **fields)[0]
                assert status not in (401, 403, 500), (name, "by an admin of all", status)
    assert n > 200, n
    status, _, raw = ask(server, keys["admin"], target="/organizations")
    assert status == 200 and [o["organization_id"] for o in json.loads(raw)] == ["acme"], raw
    status, _, raw = ask(server, keys["admin"], "POST", "/organizations/acme/keys", json.dumps({"name": "x", "all": True}))
    assert status == 403, raw
    status, _, raw = ask(server, keys["admin"], "POST", "/organizations/acme/keys", json.dumps({"name": "x", "role": "viewer", "expires": "1d"}))
    assert status == 200 and ask(server, json.loads(raw)["key"])[0] in (200, 401), raw
    assert server.stop() == 0


def what_was_done_is_in_the_audit_log(folder):
    admin, viewer = make_key(folder, "admin"), make_key(folder, "viewer")
    server = Server(folder)
    assert ask(server, viewer["key"], "POST", "/jobs/x/retry", "")[0] == 403
    assert ask(server, admin["key"], "POST", "/jobs/x/retry", "", X_Request_ID="my-request")[0] == 404
    assert ask(server, viewer["key"], target="/organizations/default/audit")[0] == 403
    status, _, raw = ask(server, admin["key"], target="/organizations/default/audit?limit=5")
    assert status == 200, raw
    seen = [(e["who"], e["action"], e["detail"]["outcome"]) for e in json.loads(raw)]
    assert ("key:" + viewer["key_id"], "job_retry", "EDENIED") in seen, seen
    assert ("key:" + admin["key_id"], "job_retry", "ENOTFOUND") in seen, seen
    assert any(e["detail"].get("request_id") == "my-request" for e in json.loads(raw))
    assert server.stop() == 0
    assert run(folder, "org", "audit", "--limit", "100")[-1]["who"] == "cli"


if __name__ == "__main__":
    sys.exit(run_tap([without_keys_only_this_host_is_served, a_key_is_asked_for_as_soon_as_there_is_one, a_revoked_or_expired_key_is_refused, a_stream_ends_with_its_key,
                      wrong_keys_are_locked_out, every_route_with_every_role_and_the_wrong_organization, what_was_done_is_in_the_audit_log]))
