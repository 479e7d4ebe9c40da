#!/usr/bin/env python3
"""The docs pages in a real browser that can reach nothing but the server: what a person sees without internet."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "http"))
from plant_client import Client, Server, run_tap  # noqa: E402

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=10000",
           "--enable-logging=stderr", "--v=0"]


def render(url):
    """(document after scripts have run, what the console said)."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(["chromium", *OPTIONS, f"--user-data-dir={profile}", "--dump-dom", url],
                              capture_output=True, text=True, timeout=120)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def expected_operations(port):
    client = Client(port)
    return sorted(client.operations), client


def swagger_shows_every_operation(folder):
    server = Server(folder)
    names, client = expected_operations(server.port)
    page, console = render(f"http://127.0.0.1:{server.port}/docs")
    shown = set(re.findall(r'id="operations-[a-z_]+-([a-z_]+)"', page))
    assert set(names) <= shown, (names, shown, console)
    assert "violates the following Content Security Policy" not in console, console
    assert "ERR_NAME_NOT_RESOLVED" not in console, console
    server.stop()


def redoc_shows_every_operation(folder):
    server = Server(folder)
    names, client = expected_operations(server.port)
    page, console = render(f"http://127.0.0.1:{server.port}/redoc")
    for name in names:
        assert f"operation/{name}" in page, (name, console)
    for _, _, operation in client.operations.values():
        assert json.dumps(operation["summary"])[1:-1] in page, operation["summary"]
    assert "violates the following Content Security Policy" not in console, console
    assert "ERR_NAME_NOT_RESOLVED" not in console, console
    server.stop()


if not shutil.which("chromium"):
    print("1..0 # SKIP chromium is not installed")
    sys.exit(0)
sys.exit(run_tap([swagger_shows_every_operation, redoc_shows_every_operation]))
