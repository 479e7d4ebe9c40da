#!/usr/bin/env python3
"""As many idle connections as descriptors allow, up to 10,000: what each costs, and that others are served meanwhile.

    tests/http/test_idle.py      prints memory per connection
"""
import os
import re
import resource
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant_client import Client, Server, run_tap  # noqa: E402

MOST, SPARE = 10000, 300
BYTES_EACH = 32768  # far above what is measured: a leak or a buffer for each connection would show


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024


def counted(client, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", client.call("metrics")[1], re.M)[1])


def how_many():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return min(MOST, most) - SPARE
    return MOST - SPARE


def slowest_answer(client, n):
    worst = 0
    for _ in range(n):
        begun = time.monotonic()
        assert client.request("GET", "/health")[0] == 200
        worst = max(worst, time.monotonic() - begun)
    return worst


def idle_connections_cost_little_and_hold_up_nobody(folder):
    n = how_many()
    server = Server(folder)
    client = Client(server.port)
    slowest_answer(client, 20)
    before, used = resident_bytes(server.process.pid), counted(client, 'millwright_memory_part_used_bytes{part="http"}')
    idle, worst = [], 0
    begun = time.monotonic()
    for i in range(n):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        idle.append(connection)
        if i % 500 == 0:
            worst = max(worst, slowest_answer(client, 2))
    spent = time.monotonic() - begun
    worst = max(worst, slowest_answer(client, 20))
    assert counted(client, "millwright_http_open_connections") >= n, "some were closed"
    each = (resident_bytes(server.process.pid) - before) / n
    each_counted = (counted(client, 'millwright_memory_part_used_bytes{part="http"}') - used) / n
    print(f"# {n} connections in {spent:.1f} s: {each:.0f} bytes resident each, {each_counted:.0f} counted; slowest answer meanwhile {worst * 1000:.1f} ms")
    assert each < BYTES_EACH and each_counted < BYTES_EACH, (each, each_counted)
    assert worst < 5, worst
    for connection in idle:
        connection.close()
    until = time.monotonic() + 20
    while counted(client, "millwright_http_open_connections") > 10:
        assert time.monotonic() < until, "closed connections stay"
        time.sleep(0.1)
    left = counted(client, 'millwright_memory_part_used_bytes{part="http"}') - used
    assert left < 1 << 20, left
    assert server.stop() == 0


if __name__ == "__main__":
    sys.exit(run_tap([idle_connections_cost_little_and_hold_up_nobody]))
