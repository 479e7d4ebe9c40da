"""A server of the real binary and a client that knows nothing but its openapi.json.

Everything the client sends comes from the contract: paths, where parameters go, defaults. Every answer is held
against the contract's schema before it is returned.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

BINARY = os.environ.get("MILLWRIGHT_BINARY", "build/millwright")


class Mismatch(AssertionError):
    pass


def check_schema(value, schema, where, spec):
    """The named subset of JSON Schema that the contract uses."""
    if "$ref" in schema:
        target = spec
        for part in schema["$ref"][2:].split("/"):
            target = target[part]
        return check_schema(value, target, where, spec)
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict,
             "array": list, "null": type(None)}
    wanted = schema.get("type")
    if wanted is not None:
        names = wanted if isinstance(wanted, list) else [wanted]
        good = any(isinstance(value, kinds[n]) and not (isinstance(value, bool) and n in ("integer", "number"))
                   for n in names)
        if not good:
            raise Mismatch(f"{where}: {value!r} is not {names}")
    if value is None:
        return
    if "enum" in schema and value not in schema["enum"]:
        raise Mismatch(f"{where}: {value!r} is not one of {schema['enum']}")
    if schema.get("format") == "date-time" and isinstance(value, str):
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value):
            raise Mismatch(f"{where}: {value!r} is not a UTC time")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                raise Mismatch(f"{where}: {name} is missing")
        for name, member in value.items():
            if name in schema.get("properties", {}):
                check_schema(member, schema["properties"][name], f"{where}/{name}", spec)
            elif isinstance(schema.get("additionalProperties"), dict):
                check_schema(member, schema["additionalProperties"], f"{where}/{name}", spec)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            check_schema(item, schema["items"], f"{where}/{i}", spec)


def path_matches(template, path):
    return re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)), path)


class Client:
    def __init__(self, port, org=None, tls=None):
        """tls: an ssl.SSLContext; None speaks plain HTTP."""
        self.port, self.org, self.tls, self.spec = port, org, tls, None
        status, _, body = self.request("GET", "/openapi.json")
        assert status == 200, status
        self.spec = json.loads(body)
        self.operations = {}
        for path, methods in self.spec["paths"].items():
            for method, op in methods.items():
                self.operations[op["operationId"]] = (method.upper(), path, op)

    def request(self, method, target, body=None, headers=None):
        if self.tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=self.tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = dict(headers or {})
        if self.org:
            sent["X-Organization-ID"] = self.org
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        got = dict((k.lower(), v) for k, v in answer.getheaders())
        if self.spec:
            self.check(method, urllib.parse.urlsplit(target).path, answer.status, got, data)
        return answer.status, got, data

    def find(self, method, path):
        """The operation of the contract behind a request, or None; a path without templates wins."""
        for template in sorted(self.spec["paths"], key=lambda t: "{" in t):
            if path_matches(template, path):
                return self.spec["paths"][template].get(method.lower())
        return None

    def check(self, method, path, status, got, raw):
        """Holds any answer, errors included, against the contract."""
        op, where = self.find(method, path), f"{method} {path}"
        kind = got.get("content-type", "").split(";")[0]
        if status >= 400:
            if kind != "application/problem+json":
                raise Mismatch(f"{where}: {status} is no problem but {kind}")
            problem = json.loads(raw)
            check_schema(problem, {"$ref": "#/components/schemas/Problem"}, where, self.spec)
            if problem["status"] != status or problem.get("request_id") != got.get("x-request-id"):
                raise Mismatch(f"{where}: {problem} does not go with status {status} and {got}")
            if "errors" in problem and problem["errors"][0]["pointer"] != problem.get("pointer", ""):
                raise Mismatch(f"{where}: the first of {problem['errors']} is not {problem.get('pointer')}")
        if not op or status == 405:
            return
        if str(status) not in op["responses"]:
            raise Mismatch(f"{where}: status {status} is not in the contract: {raw[:300]!r}")
        response = op["responses"][str(status)]
        if "$ref" in response:
            response = self.spec["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        kinds = {k.split(";")[0]: v for k, v in response.get("content", {}).items()}
        if not raw:
            return
        if kind not in kinds:
            raise Mismatch(f"{where}: content type {kind} is not in the contract")
        if kind.endswith("json"):
            check_schema(json.loads(raw), kinds[kind]["schema"], where, self.spec)

    def call(self, operation, body=None, **values):
        """(status, parsed answer); raises Mismatch when the answer breaks the contract."""
        method, path, op = self.operations[operation]
        query = {}
        for parameter in op["parameters"]:
            if "$ref" in parameter or parameter["name"] not in values:
                continue
            value = values.pop(parameter["name"])
            if parameter["in"] == "path":
                path = path.replace("{%s}" % parameter["name"], urllib.parse.quote(str(value), safe=""))
            else:
                query[parameter["name"]] = str(value).lower() if isinstance(value, bool) else value
        assert not values, f"{operation} has no parameter {sorted(values)}"
        if query:
            path += "?" + urllib.parse.urlencode(query)
        headers, data = {}, None
        if method == "POST":
            headers["Content-Type"] = "application/json"
            data = json.dumps(body if body is not None else {})
        status, got, raw = self.request(method, path, data, headers)
        if not got["content-type"].split(";")[0].endswith("json"):
            return status, raw.decode()
        return status, json.loads(raw)


class Server:
    """millwright serve on a free port; stop() is SIGTERM and expects a clean exit."""

    def __init__(self, data, *options, port=0, environment=None):
        self.data = data
        self.process = subprocess.Popen([BINARY, "serve", "--port", str(port), "--data", data, *options], env=environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r":(\d+)\s", line)
        if not found:
            raise RuntimeError(f"the server did not start: {line!r}")
        self.port = int(found.group(1))

    def worker_pids(self):
        pids = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat") as f:
                    comm, rest = f.read().split("(", 1)[1].rsplit(")", 1)
                    parent = int(rest.split()[1])
            except OSError:
                continue
            if parent == self.process.pid and comm.startswith("mw ") and comm != "mw idle":
                pids.append(int(name))
        return pids

    def wait_for_worker(self, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pids = self.worker_pids()
            if pids:
                return pids[0]
            time.sleep(0.005)
        raise AssertionError("no worker was started")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, seconds=30):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=seconds)
        self.process.stdout.close()
        return status


def follow(client, job_id, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status, job = client.call("job", id=job_id)
        assert status == 200, (status, job)
        if job["state"] in ("SUCCESS", "FAILURE", "REVOKED"):
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} did not end: {job}")


class Skip(Exception):
    """Raised by a test that cannot run here; says why."""


def run_tap(tests):
    """Runs test functions, each in its own data folder; prints TAP; returns the exit status."""
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            with tempfile.TemporaryDirectory(prefix="mw-http-") as folder:
                test(folder)
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except BaseException:  # a failed test must not stop the others
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", file=sys.stderr)
    print(f"1..{len(tests)}", flush=True)
    return 1 if failed else 0
