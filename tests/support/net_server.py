#!/usr/bin/env python3
"""A server for tests of the HTTP client, with the faults a service may have; standard library only.

    net_server.py [CERTIFICATE_AND_KEY]

Prints its port and serves until its standard input ends. What it does with a request is the first part of the path:
/echo answers a line for the method, the path and each header, then the body; /size/N answers N bytes; /flaky/N/CODE answers CODE to the first N
requests of that path; others below. Each answer has X-Connection (the number of its connection) and X-Try (how often that path was asked for).
"""
import os
import select
import socket
import ssl
import sys
import threading
import time

lock = threading.Lock()
asked = {}
ENDED = threading.Event()


class Asked:
    def __init__(self, stream, number):
        self.stream, self.number = stream, number

    def read_head(self):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            piece = self.stream.recv(1)
            if not piece:
                return False
            data += piece
        lines = data.decode("latin-1").split("\r\n")[:-2]
        self.method, self.path = lines[0].split(" ")[:2]
        self.headers = [line.split(": ", 1) for line in lines[1:]]
        self.length = int(self.header("content-length") or 0)
        with lock:
            self.tries = asked[self.path] = asked.get(self.path, 0) + 1
        return True

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    def read_body(self):
        body = b""
        while len(body) < self.length:
            piece = self.stream.recv(min(65536, self.length - len(body)))
            if not piece:
                return None
            body += piece
        return body

    def head(self, code, length, more=""):
        lengths = "" if length is None else f"Content-Length: {length}\r\n"
        self.stream.sendall(f"HTTP/1.1 {code} Whatever\r\nX-Connection: {self.number}\r\nX-Try: {self.tries}\r\n{lengths}{more}\r\n".encode())

    def answer(self, code, body, more=""):
        self.head(code, len(body), more)
        if self.method != "HEAD":
            self.stream.sendall(body)
        return True


def content(n):
    return bytes((i * 31 + i // 251) % 256 for i in range(n))


def echo(asked, body, *rest):
    lines = [f"{asked.method} {asked.path}"] + [f"{key.lower()}: {value}" for key, value in asked.headers]
    return asked.answer(200, "\n".join(lines).encode("latin-1") + b"\n\n" + body)


def size(asked, body, n):
    return asked.answer(200, content(int(n)))


def flaky(asked, body, n, code, after=None):
    if asked.tries > int(n):
        return asked.answer(200, b"at last " + body)
    return asked.answer(int(code), b"not yet", f"Retry-After: {after}\r\n" if after else "")


def cut(asked, body, n):
    """Fewer bytes than promised, the first N times."""
    if asked.tries > int(n):
        return asked.answer(200, content(1000))
    asked.head(200, 1000)
    asked.stream.sendall(content(500))
    return False


def chunked(asked, body, n):
    asked.head(200, None, "Transfer-Encoding: chunked\r\n")
    for i in range(int(n)):
        asked.stream.sendall(f"6\r\nline {i % 10}\r\n".encode())
    asked.stream.sendall(b"0\r\n\r\n")
    return True


def cut_chunks(asked, body):
    asked.head(200, None, "Transfer-Encoding: chunked\r\n")
    asked.stream.sendall(b"6\r\nline 0\r\n")
    return False


def drip(asked, body):
    """A piece each tenth of a second until the other side has enough."""
    asked.head(200, None, "Transfer-Encoding: chunked\r\n")
    while not ENDED.is_set():
        asked.stream.sendall(b"5\r\ndrop\n\r\n")
        time.sleep(0.1)
    return False


def silent(asked, body):
    asked.head(200, 1000)
    asked.stream.sendall(b"one")
    ENDED.wait(30)
    return False


def mute(asked, body):
    ENDED.wait(30)
    return False


def hang_up(asked, body, n):
    return asked.tries > int(n) and asked.answer(200, b"here")


def headers(asked, body, n, n_bytes):
    return asked.answer(200, b"many", "".join(f"X-{i}: {'v' * int(n_bytes)}\r\n" for i in range(int(n))))


def endless_header(asked, body):
    asked.stream.sendall(b"HTTP/1.1 200 OK\r\nX-Long: " + b"v" * 1000000)
    return False


def garbage(asked, body):
    asked.stream.sendall(b"220 this is a mail server\r\n" * 100)
    return False


def empty(asked, body):
    return asked.answer(200, b"")


def nothing(asked, body):
    asked.head(204, None)
    return True


def redirect(asked, body):
    return asked.answer(302, b"", "Location: /echo\r\n")


def fault(asked, body, n):
    return asked.answer(404, b"f" * int(n))


def interim(asked, body):
    asked.stream.sendall(b"HTTP/1.1 103 Early Hints\r\nX-Early: yes\r\n\r\n")
    return asked.answer(200, b"final")


actions = {function.__name__: function for function in (
    echo, size, flaky, cut, chunked, cut_chunks, drip, silent, mute, hang_up, headers, endless_header, garbage, empty, nothing, redirect, fault,
    interim)}


def serve(stream, number, context):
    try:
        if context:
            stream = context.wrap_socket(stream, server_side=True)
        while True:
            one = Asked(stream, number)
            if not one.read_head():
                break
            body = one.read_body()
            parts = one.path.split("?")[0].split("/")[1:]
            if body is None or not actions[parts[0]](one, body, *parts[1:]):
                break
    except (OSError, ssl.SSLError):
        pass
    finally:
        stream.close()


def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(server.getsockname()[1], flush=True)
        number = 0
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:
                os._exit(0)
            number += 1
            threading.Thread(target=serve, args=(server.accept()[0], number, context), daemon=True).start()


main()
