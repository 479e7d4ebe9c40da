"""TAP tests that talk to the test server over real sockets; standard library only.

A test is a function decorated with @test(setting=number, ...); it gets a Server started with these
settings, and a time limit of its own. MW_HTTP_SERVER names another build of the server; MW_HTTP_WRAP
a command to run it under (valgrind).
"""
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import traceback

TESTS = []
LIMIT_S = 60 if os.environ.get('MW_TEST_SLOW') else 20
SERVER = os.environ.get('MW_HTTP_SERVER', 'build/release/tests/http/test_server')


class Server:
    def __init__(self, settings):
        command = shlex.split(os.environ.get('MW_HTTP_WRAP', '')) + [SERVER]
        for name, value in settings.items():
            command += ['--' + name, str(value)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('no server: ' + self.process.stderr.read().decode())
        self.port = int(line)

    def connect(self, timeout=LIMIT_S):
        connection = socket.create_connection(('127.0.0.1', self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def send(self, data, end=False):
        """Sends raw bytes on a connection of its own, returns every byte until the server closes."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all was sent
            if end:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def ask(self, method, path, body=b'', **fields):
        """One request with Connection: close; an Answer."""
        head = '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' % (method, path)
        for name, value in fields.items():
            head += '%s: %s\r\n' % (name.replace('_', '-'), value)
        if body or method == 'POST':
            head += 'Content-Length: %d\r\n' % len(body)
        return Answer(self.send(head.encode() + b'\r\n' + body), method)

    def post(self, path, value, **fields):
        fields.setdefault('Content_Type', 'application/json')
        return self.ask('POST', path, json.dumps(value).encode(), **fields)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            _, errors = self.process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError('the server did not stop')
        if errors:
            raise RuntimeError('the server said: ' + errors.decode(errors='replace')[-3000:])
        return self.process.returncode


class Answer:
    """The first answer in some bytes; rest holds what follows it."""

    def __init__(self, data, method='GET'):
        head, separator, rest = data.partition(b'\r\n\r\n')
        if not separator:
            raise AssertionError('no whole answer head in %r' % data[:200])
        lines = head.decode('latin-1').split('\r\n')
        self.version, status, self.reason = (lines[0].split(' ', 2) + [''])[:3]
        self.status = int(status)
        self.fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(': ')
            self.fields[name.lower()] = value
        if method == 'HEAD' or self.status in (100, 204, 304):
            self.body, self.rest = b'', rest
        elif self.fields.get('transfer-encoding') == 'chunked':
            self.body, self.rest = unchunk(rest)
        elif 'content-length' in self.fields:
            n = int(self.fields['content-length'])
            if len(rest) < n:
                raise AssertionError('the answer is cut: %d of %d bytes' % (len(rest), n))
            self.body, self.rest = rest[:n], rest[n:]
        else:
            self.body, self.rest = rest, b''

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The body, after checking that it is a problem with the answer's own status."""
        equal(self.fields['content-type'], 'application/problem+json')
        value = self.json()
        equal(value['status'], self.status)
        for member in ('type', 'title', 'detail', 'request_id'):
            assert value[member], member
        equal(value['request_id'], self.fields['x-request-id'])
        return value


def answers(data, methods=None):
    """All answers in some bytes."""
    found = []
    while data:
        answer = Answer(data, methods[len(found)] if methods else 'GET')
        found.append(answer)
        data = answer.rest
    return found


def unchunk(data):
    body = b''
    while True:
        size, separator, data = data.partition(b'\r\n')
        if not separator:
            raise AssertionError('the chunked answer is cut')
        n = int(size, 16)
        if n == 0:
            return body, data[2:]
        body, data = body + data[:n], data[n + 2:]


def read_all(connection):
    data = b''
    while True:
        try:
            piece = connection.recv(1 << 20)
        except ConnectionResetError:
            return data
        if not piece:
            return data
        data += piece


def read_answer(connection, method='GET'):
    """Exactly one answer from a connection that stays open."""
    data = b''
    while True:
        piece = connection.recv(65536)
        if not piece:
            raise AssertionError('closed after %r' % data[:200])
        data += piece
        try:
            return Answer(data, method)
        except AssertionError:
            pass


def equal(got, want):
    if got != want:
        raise AssertionError('got %r, want %r' % (got, want))


def test(**settings):
    def add(function):
        TESTS.append((function.__name__, function, settings))
        return function
    return add


def on_alarm(number, frame):
    raise TimeoutError('exceeded %d s' % LIMIT_S)


def run_one(function, settings):
    server = Server(settings)
    try:
        function(server)
        if server.process.poll() is not None and server.process.returncode == 0:
            return  # the test stopped it
        equal(server.stop(), 0)
    finally:
        if server.process.poll() is None:
            server.process.kill()
        for stream in (server.process.stdin, server.process.stdout, server.process.stderr):
            stream.close()


def main():
    wanted = sys.argv[1:]
    failed = 0
    n = 0
    signal.signal(signal.SIGALRM, on_alarm)
    for name, function, settings in TESTS:
        if wanted and name not in wanted:
            continue
        n += 1
        signal.alarm(LIMIT_S)
        try:
            run_one(function, settings)
            print('ok %d - %s' % (n, name), flush=True)
        except Exception:
            failed += 1
            print('not ok %d - %s' % (n, name), flush=True)
            for line in traceback.format_exc().splitlines():
                print('# ' + line, file=sys.stderr)
        finally:
            signal.alarm(0)
    print('1..%d' % n)
    sys.exit(1 if failed else 0)
