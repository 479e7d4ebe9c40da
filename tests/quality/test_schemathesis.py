#!/usr/bin/env python3
"""The whole contract by Schemathesis, which generates requests from openapi.json: no 5xx, no answer that the contract does not know.

    SCHEMATHESIS_EXAMPLES=25 SCHEMATHESIS_SEED=1 tests/quality/test_schemathesis.py

Three servers of a plant with data and models: without keys, with the key of an admin, and with keys of which none is sent. Each request, good and bad, is
held against the contract. Seeds are fixed; SCHEMATHESIS_EXAMPLES bounds the random requests of each operation.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "http"))
from plant_client import Client, Server, Skip, run_tap  # noqa: E402
from test_keys import make_key, wait_for  # noqa: E402
from test_upload import send, table  # noqa: E402

# A method that is not known here is refused before a route is looked for: 501 (RFC 9110, 15.6.2). So only those that are known are tried.
# The schema of a stream of events is that of its text, not of one event, as it is read by this program: tests/http/test_events.py holds events.
CONFIG = """
[checks]
negative_data_rejection.enabled = false
positive_data_acceptance.enabled = false
unsupported_method.enabled = false
use_after_free.enabled = false
ensure_resource_availability.enabled = false
ignored_auth.enabled = false
object_level_authorization.enabled = false

[phases.coverage]
unexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

[[operations]]
include-operation-id = "job_events"
checks.response_schema_conformance.enabled = false
"""
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "25")
SEED = os.environ.get("SCHEMATHESIS_SEED", "1")


def program():
    for folder in (os.path.dirname(sys.executable), os.path.join(ROOT, "build", "venv", "bin"), *os.get_exec_path()):
        path = os.path.join(folder, "schemathesis")
        if os.access(path, os.X_OK):
            return path
    raise Skip("there is no Schemathesis: `make venv` installs it")


def furnish(server):
    """Data, models and a job, so that questions have answers."""
    for i in range(2):
        assert send(server, f"base{i}.csv", table(600, 600 * i))[0] == 200
    status, answer = Client(server.port).call("train", {})
    assert status == 200, answer


def explore(folder, server, *options):
    """The program's report stands in the comments when it finds something."""
    with open(os.path.join(folder, "schemathesis.toml"), "w") as f:
        f.write(CONFIG)
    done = subprocess.run([program(), "--config-file", "schemathesis.toml", "run", f"http://127.0.0.1:{server.port}/openapi.json", "--max-examples", EXAMPLES,
                           "--seed", SEED, "--generation-database", "none", "--request-timeout", "20", "--no-color",
                           "--continue-on-failure", "--warnings", "off", "--phases", "examples,coverage,fuzzing", *options],
                          cwd=folder, capture_output=True, text=True, timeout=1800)
    print("\n".join(f"# {line}" for line in done.stdout.splitlines() if re.match(r" *(Operations|Test cases|Test Phases|Seed|.*generated|.*passed)", line)), flush=True)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:]


def finish(server):
    assert server.process.poll() is None, "the server has died"
    assert server.stop() == 0


def the_contract_without_keys(folder):
    program()
    server = Server(folder, "--job-workers", "2", "--jobs", "1")
    furnish(server)
    explore(folder, server)
    finish(server)


def the_contract_with_the_key_of_an_admin(folder):
    program()
    server = Server(folder, "--job-workers", "2", "--jobs", "1")
    furnish(server)
    made = make_key(folder, "admin", "default", "--all")
    wait_for(lambda: Client(server.port).request("GET", "/jobs")[0] == 401)
    explore(folder, server, "-H", f"X-API-Key: {made['key']}")
    finish(server)


def the_contract_when_no_key_is_sent(folder):
    program()
    server = Server(folder, "--job-workers", "2", "--jobs", "1")
    make_key(folder, "admin")
    wait_for(lambda: Client(server.port).request("GET", "/jobs")[0] == 401)
    explore(folder, server, "--phases", "fuzzing")
    finish(server)


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(run_tap([the_contract_without_keys, the_contract_with_the_key_of_an_admin, the_contract_when_no_key_is_sent]))
