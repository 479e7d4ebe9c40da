#!/usr/bin/env python3
"""Artifacts in a service that others wrote: what every artifact store must pass, beside the S3 of moto (tests/requirements.txt)."""
import os
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = "build/release/tests/unit/store/test_artifacts"
SCENARIOS = ("artifacts_life", "artifacts_lists", "artifacts_names", "artifacts_folders", "artifacts_disk", "parts_of_any_service")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_bucket(address):
    """Once the service is there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            opener.open(urllib.request.Request(address + "/plant-1", method="PUT"), timeout=10).read()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the service did not start")


def main():
    os.chdir(ROOT)
    subprocess.run(["make", "-s", "--no-print-directory", PROGRAM], check=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        make_bucket(address)
        environment.update(MILLWRIGHT_TEST_S3=address, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", no_proxy="127.0.0.1")
        status = subprocess.run([PROGRAM, "--limit", "300", *SCENARIOS], env=environment, check=False).returncode
    finally:
        server.kill()
        server.wait()
    sys.exit(status)


if __name__ == "__main__":
    main()
