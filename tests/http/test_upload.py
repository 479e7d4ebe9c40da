#!/usr/bin/env python3
"""Files sent over HTTP: POST /datasets/{dataset}/files/{name} of the real binary."""
import gzip
import http.client
import json
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from plant_client import Client, Server, check_schema, follow, run_tap  # noqa: E402


def table(rows, first=0, separator=","):
    lines = [separator.join(("time", "press_oil_temp", "press_load"))]
    for i in range(first, first + rows):
        stamp = f"2026-{1 + i // 40320 % 12:02d}-{1 + i // 1440 % 28:02d} {i // 60 % 24:02d}:{i % 60:02d}:00"
        lines.append(separator.join((stamp, f"{40 + i % 97 / 10:.1f}", f"{i % 53}")))
    return ("\n".join(lines) + "\n").encode()


def send(server, name, body, query="", dataset="main", org=None, headers=None):
    """body: bytes, or an iterable, sent in chunks. (status, parsed answer), held against the contract."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    fields = dict(headers or {})
    if org:
        fields["X-Organization-ID"] = org
    connection.request("POST", f"/datasets/{dataset}/files/{name}" + query, body, fields)
    answer = connection.getresponse()
    value = json.loads(answer.read())
    connection.close()
    spec = Client(server.port).spec
    said = spec["paths"]["/datasets/{dataset}/files/{name}"]["post"]["responses"][str(answer.status)]
    if "$ref" in said:
        said = spec["components"]["responses"][said["$ref"].rsplit("/", 1)[1]]
    kind = answer.getheader("content-type").split(";")[0]
    check_schema(value, said["content"][kind]["schema"], "upload", spec)
    return answer.status, value


def left(folder, org="default"):
    uploads = os.path.join(folder, "orgs", org, "uploads")
    return os.listdir(uploads) if os.path.isdir(uploads) else []


def wait_until(condition, what, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.01)


def nothing_is_left(folder, org="default"):
    wait_until(lambda: not left(folder, org), f"uploads stay: {left(folder, org)}")


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def plain_gzip_and_the_same_again(folder):
    server = Server(folder)
    status, answer = send(server, "a.csv", table(500), headers={"Content-Type": "text/csv"})
    assert status == 200 and answer["new_files"] == 1 and answer["rows"] == 500, (status, answer)
    assert answer["files"][0]["source"] == "a.csv" and answer["dataset"] == "main", answer
    status, answer = send(server, "a.csv", table(500))
    assert status == 200 and answer["unchanged_files"] == 1 and answer["new_files"] == 0, answer
    status, answer = send(server, "a.csv", table(700))
    assert status == 200 and answer["files"][0]["replaces"] and answer["rows"] == 700, answer
    status, answer = send(server, "b%20c.csv", gzip.compress(table(300, 5000)),
                          headers={"Content-Type": "application/gzip", "Content-Encoding": "gzip"})
    assert status == 200 and answer["files"][0]["source"] == "b c.csv" and answer["rows"] == 300, answer
    status, summary = Client(server.port).call("summary")
    assert status in (200, 409), summary
    nothing_is_left(folder)
    assert server.stop() == 0


def every_option_stands_in_the_query(folder):
    """The body is the file: nothing belongs there, whatever a table says of routes with JSON."""
    server = Server(folder)
    queries = ("?max_reject_share=0.5", "?collisions=last", "?drop_duplicates=true", "?drift=refuse", "?rename=press_load=load",
               "?timezone=Europe/Berlin&missing=-999&missing=x", "?range=press_load=0:100&quality_window=2h")
    for i, query in enumerate(queries):
        status, answer = send(server, f"o{i}.csv", table(20), query, dataset=f"d{i}")
        assert status == 200 and answer["rows"] == 20, (query, status, answer)
    status, answer = send(server, "a.csv", table(20), "?profile=x.json")
    assert status == 422 and answer["pointer"] == "profile", answer
    assert server.stop() == 0


def a_large_file_in_chunks_takes_no_memory(folder):
    server = Server(folder)
    head, body = table(0), table(20000)[len(table(0)):]
    repeats = (60 << 20) // len(body)
    before, peak, sent = resident_kb(server.process.pid), [0], [0]

    def pieces():
        yield head
        for i in range(repeats):
            if i % 8 == 0:
                peak[0] = max(peak[0], resident_kb(server.process.pid))
            yield body
            sent[0] += len(body)
    status, answer = send(server, "large.csv", pieces())
    assert status == 200 and sent[0] > 50 << 20, (status, answer)
    assert answer["rows"] + answer["files"][0]["duplicates"] >= 20000, answer
    assert peak[0] - before < 16384, f"{peak[0] - before} KiB more while {sent[0]} bytes came"
    nothing_is_left(folder)
    assert server.stop() == 0


def two_organizations_are_kept_apart(folder):
    os.makedirs(os.path.join(folder, "orgs", "acme"))
    server = Server(folder)
    assert send(server, "x.csv", table(100))[1]["rows"] == 100
    status, answer = send(server, "x.csv", table(100), org="acme")
    assert status == 200 and answer["new_files"] == 1, answer  # the other one's is not known here
    status, problem = send(server, "x.csv", table(100), org="nobody")
    assert status == 404, problem
    assert not os.path.exists(os.path.join(folder, "orgs", "nobody"))
    nothing_is_left(folder)
    nothing_is_left(folder, "acme")
    assert server.stop() == 0


def bad_requests_are_refused(folder):
    server = Server(folder)
    good = table(50)
    for name, want in ((".hidden", 422), ("a%2Fb", 400), ("..", 400), ("%2e%2e", 400), ("n" * 256, 422),
                       ("a%0ab", 400)):
        status, problem = send(server, name, good)
        assert status == want, (name, status, problem)
    assert send(server, "n" * 255, good)[0] == 200
    assert send(server, "a.csv", b"")[0] == 422
    assert send(server, "a.csv", good, dataset="a.b")[0] == 422
    assert send(server, "a.csv", good, "?separator=")[0] in (200, 422)
    assert send(server, "a.csv", good, "?no_such=1")[1]["pointer"] == "no_such"
    assert send(server, "a.csv", good, "?profile=/etc/passwd")[0] == 422  # a path of the server
    assert send(server, "a.csv", good, headers={"Content-Type": "multipart/form-data; boundary=x"})[0] == 400
    assert send(server, "a.csv", good, headers={"Content-Type": "multipart/mixed; boundary=x"})[0] == 415
    assert send(server, "a.csv", good, headers={"Content-Type": "multipart/form-data"})[0] == 415
    assert send(server, "a.csv", good, headers={"Content-Encoding": "br"})[0] == 415
    assert send(server, "a.csv", good, headers={"Origin": "http://evil.example"})[0] == 403
    assert send(server, "a.csv", b"\x00\x01\x02 no table \xff" * 50)[0] == 422
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /datasets/main/files/a.csv HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: 68719476737\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    nothing_is_left(folder)
    assert server.stop() == 0


def form(*parts):
    """A body of multipart/form-data: (name, value) or (name, file name, content)."""
    body = b""
    for name, *rest in parts:
        file_name = f'; filename="{rest[0]}"' if len(rest) == 2 else ""
        content = rest[-1] if isinstance(rest[-1], bytes) else rest[-1].encode()
        body += f'--B0\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--B0--\r\n"


def forms_are_stored(folder):
    server = Server(folder)
    client = Client(server.port)

    def store(body, query=""):
        status, _, raw = client.request("POST", "/dataset/store" + query, body,
                                        {"Content-Type": "multipart/form-data; boundary=B0"})
        return status, json.loads(raw)
    status, answer = store(form(("dataset", "press"), ("separator", ";"), ("file", "a.csv", table(300, separator=";"))))
    assert (status, answer["dataset"], answer["rows"], answer["files"][0]["source"]) == (200, "press", 300, "a.csv"), answer
    # The same bytes as a file: the dataset has them.
    status, answer = send(server, "a.csv", table(300, separator=";"), "?separator=;", dataset="press")
    assert (status, answer["unchanged_files"]) == (200, 1), answer
    status, answer = store(form(("name", "b.csv"), ("f", "x/y", gzip.compress(table(50)))), "?dataset=press")
    assert (status, answer["files"][0]["source"], answer["rows"]) == (200, "b.csv", 50), answer
    # A path is no name: it is not looked at, and then there is none.
    status, answer = store(form(("f", "../../evil.csv", table(5))))
    assert (status, answer["pointer"]) == (422, "name"), answer
    status, answer = store(form(("sep", ";"), ("timezone", "Nowhere/No"), ("f", "a.csv", table(5))), "?dataset=a&x=1")
    assert status == 422 and [e["pointer"] for e in answer["errors"]][:2] == ["x", "sep"], answer
    assert store(form(("name", "a.csv")))[0] == 422
    status, _, raw = client.request("POST", "/dataset/store?name=c.csv&dataset=press", table(7))
    assert (status, json.loads(raw)["rows"]) == (200, 7), raw
    assert client.request("POST", "/dataset/store", table(7))[0] == 422
    nothing_is_left(folder)
    assert server.stop() == 0


def rejects_and_dialect_are_reported(folder):
    server = Server(folder)
    body = table(200, separator=";").replace(b".", b",")
    status, answer = send(server, "de.csv", body, "?separator=;&decimal=,&timezone=Europe/Berlin")
    assert status == 200 and answer["rows"] == 200, answer
    assert answer["files"][0]["findings"], answer
    broken = table(200) + b"not a time,1,2\n" * 3
    status, answer = send(server, "broken.csv", broken)
    assert status == 200 and answer["rejected"] == 3 and answer["files"][0]["rejects"], answer
    status, answer = send(server, "dry.csv", table(200), "?dry_run=true")
    assert status == 200 and answer["dry_run"] is True, answer
    assert send(server, "dry.csv", table(200))[1]["new_files"] == 1
    nothing_is_left(folder)
    assert server.stop() == 0


def a_client_that_leaves_leaves_nothing(folder):
    server = Server(folder)
    for framing in (b"Content-Length: 99999999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n100000\r\n"):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(b"POST /datasets/main/files/a.csv HTTP/1.1\r\nHost: localhost\r\n" + framing)
        connection.sendall(b"x" * 700000)
        wait_until(lambda: left(folder), "nothing was begun")
        connection.close()
        nothing_is_left(folder)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"POST /datasets/main/files/a.csv HTTP/1.1\r\nHost: localhost\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nnonsense\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    nothing_is_left(folder)
    assert server.stop() == 0


def a_waiting_job_and_a_killed_worker(folder):
    server = Server(folder)
    client = Client(server.port)
    status, answer = send(server, "a.csv", table(300), "?wait=false")
    assert status == 202 and answer["state"] == "PENDING", answer
    assert follow(client, answer["job_id"])["result"]["rows"] == 300
    nothing_is_left(folder)
    body = table(0) + table(20000)[len(table(0)):] * 60
    status, answer = send(server, "big.csv", body, "?wait=false")
    assert status == 202, answer
    os.kill(server.wait_for_worker(), signal.SIGKILL)
    job = follow(client, answer["job_id"])
    assert job["state"] == "SUCCESS" and job["attempts"] == 2, job["error"]
    nothing_is_left(folder)
    assert send(server, "a.csv", table(300))[1]["unchanged_files"] == 1
    assert server.stop() == 0


def a_killed_server_goes_on_with_a_file(folder):
    server = Server(folder)
    body = table(0) + table(20000)[len(table(0)):] * 60
    status, answer = send(server, "big.csv", body, "?wait=false")
    assert status == 202, answer
    server.wait_for_worker()
    server.kill()
    server = Server(folder)
    job = follow(Client(server.port), answer["job_id"])
    assert job["state"] == "SUCCESS" and job["attempts"] == 2, job["error"]
    assert job["result"]["rows"] == 1200000
    nothing_is_left(folder)
    assert server.stop() == 0


def a_killed_server_leaves_nothing_for_long(folder):
    server = Server(folder)
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(b"POST /datasets/main/files/a.csv HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Length: 99999999\r\n\r\n" + b"x" * 700000)
    wait_until(lambda: left(folder), "nothing was begun")
    server.kill()
    connection.close()
    assert left(folder)
    server = Server(folder)
    nothing_is_left(folder)
    assert server.stop() == 0


if __name__ == "__main__":
    sys.exit(run_tap([plain_gzip_and_the_same_again, every_option_stands_in_the_query, a_large_file_in_chunks_takes_no_memory,
                      two_organizations_are_kept_apart, bad_requests_are_refused, forms_are_stored, rejects_and_dialect_are_reported,
                      a_client_that_leaves_leaves_nothing, a_waiting_job_and_a_killed_worker, a_killed_server_goes_on_with_a_file,
                      a_killed_server_leaves_nothing_for_long]))
