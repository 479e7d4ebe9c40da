#!/usr/bin/env python3
"""Server-sent events, on the made-up operation GET /events."""
import json
import random
import select
import socket
import struct
import threading
import time
import traceback

from harness import Answer, equal, main, read_all, test


def get(connection, path='/events', **fields):
    head = 'GET %s HTTP/1.1\r\nHost: localhost\r\n' % path
    for name, value in fields.items():
        head += '%s: %s\r\n' % (name.replace('_', '-'), value)
    connection.sendall(head.encode() + b'\r\n')


class Stream:
    """Reads a chunked answer event by event."""

    def __init__(self, server, path='/events', **fields):
        self.connection = server.connect()
        get(self.connection, path, **fields)
        self.data, self.text, self.ended = b'', b'', False
        while b'\r\n\r\n' not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b'\r\n\r\n')
        self.head = head.decode()

    def more(self):
        piece = self.connection.recv(1 << 16)
        if not piece:
            raise AssertionError('closed after %r' % self.data[-100:])
        self.data += piece

    def chunk(self):
        while b'\r\n' not in self.data:
            self.more()
        size, _, self.data = self.data.partition(b'\r\n')
        n = int(size, 16)
        while len(self.data) < n + 2:
            self.more()
        self.text, self.data = self.text + self.data[:n], self.data[n + 2:]
        self.ended = n == 0

    def next(self):
        """The next event as {field: value}; a comment is {'': text}; None at the end."""
        while b'\n\n' not in self.text:
            if self.ended:
                equal(self.text, b'')
                return None
            self.chunk()
        block, _, self.text = self.text.partition(b'\n\n')
        return dict(line.split(': ', 1) if ': ' in line else (line, '') for line in block.decode().split('\n'))

    def numbers(self, n):
        return [json.loads(self.next()['data'])['n'] for _ in range(n)]

    def close(self):
        self.connection.close()


def step(server, by=1):
    return server.ask('POST', '/events?by=%d' % by).json()


def open_streams(server):
    for line in server.ask('GET', '/metrics').body.decode().split('\n'):
        if line.startswith('millwright_http_event_streams '):
            return int(line.split()[1])


def wait_until(condition):
    while not condition():  # the test's own time limit ends it
        time.sleep(0.005)


@test(tick_ms=20, look_ms=20)
def events_come_as_they_happen(server):
    step(server, 3)
    stream = Stream(server, Accept_Encoding='gzip, zstd')
    assert stream.head.startswith('HTTP/1.1 200 OK'), stream.head
    lines = stream.head.lower().split('\r\n')
    for line in ('content-type: text/event-stream', 'cache-control: no-store', 'transfer-encoding: chunked'):
        assert line in lines, (line, lines)
    assert not any(line.startswith('content-encoding') for line in lines), lines
    equal(stream.next(), {'id': '1', 'event': 'count', 'data': '{"n":1,"pad":""}'})
    equal(stream.numbers(2), [2, 3])
    step(server)
    equal(stream.numbers(1), [4])
    again = Stream(server, Last_Event_ID='2')
    equal(again.numbers(2), [3, 4])
    step(server, 2000)
    equal(len(stream.numbers(996)), 996)
    equal(stream.next(), None)
    again.close()
    # The connection goes on behind an ended stream.
    get(stream.connection, '/health')
    stream.more()
    assert stream.data.startswith(b'HTTP/1.1 200'), stream.data
    stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=10, heartbeat_ms=60)
def silence_has_a_heartbeat(server):
    stream = Stream(server)
    for _ in range(3):
        equal(stream.next(), {':': ''})
    stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=20, streams=2)
def streams_are_counted(server):
    streams = [Stream(server), Stream(server)]
    with server.connect() as connection:
        get(connection, '/events', Connection='close')
        answer = Answer(read_all(connection))
    equal((answer.problem()['status'], answer.fields['retry-after']), (503, '1'))
    streams[0].close()
    wait_until(lambda: open_streams(server) == 1)
    streams.append(Stream(server))
    for stream in streams[1:]:
        stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=20)
def refusals(server):
    for path, fields, want in (('/events?code=ENOTFOUND', {'Last_Event_ID': 'now'}, 404), ('/events?no=1&bytes=x', {}, 422),
                               ('/events', {'X_Organization_ID': 'nobody'}, 404), ('/events', {'Last_Event_ID': 'x' * 128}, 400),
                               ('/events', {'Accept': 'application/json'}, 406), ('/events', {'Origin': 'http://evil.example'}, 403)):
        equal((path, server.ask('GET', path, **fields).problem()['status']), (path, want))
    equal(len(server.ask('GET', '/events?no=1&bytes=x').json()['errors']), 2)
    for accept in ('text/event-stream', '*/*', 'text/*;q=0.3, application/json'):
        stream = Stream(server, Accept=accept)
        assert 'text/event-stream' in stream.head, stream.head
        stream.close()
    head = server.ask('HEAD', '/events')
    equal((head.status, head.fields['content-type']), (200, 'text/event-stream'))
    equal(server.ask('GET', '/snapshot').json()['n'], 0)
    equal(server.ask('GET', '/snapshot', Accept='application/json').json()['n'], 0)
    stream = Stream(server, '/snapshot', Accept='text/event-stream')
    step(server)
    equal(stream.numbers(1), [1])
    stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=20)
def a_later_error_is_an_event(server):
    stream = Stream(server, '/events?code=EIO')
    step(server)
    event = stream.next()
    equal(event['event'], 'problem')
    equal(json.loads(event['data'])['status'], 500)
    equal(stream.next(), None)
    stream.close()


@test(tick_ms=10, look_ms=10, handlers=2)
def a_slow_reader_gets_later_states(server):
    stream = Stream(server, '/events?grow=true&bytes=900000')
    time.sleep(1)
    runs = server.ask('GET', '/snapshot').json()['runs']
    assert runs < 30, runs  # not while it has yet to read: what the sockets take, and little more
    first = stream.numbers(1)[0]
    wait_until(lambda: stream.numbers(1)[0] > first + 20)
    stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=20)
def stopping_says_when_to_come_again(server):
    stream = Stream(server)
    idle = server.connect()
    server.process.terminate()
    equal(stream.next(), {'retry': '2000'})
    equal(stream.next(), None)
    equal(stream.connection.recv(100), b'')
    equal(server.wait(), 0)
    stream.close()
    idle.close()


@test(tick_ms=20)
def old_clients(server):
    step(server, 1000)
    answer = Answer(server.send(b'GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n'))
    equal((answer.status, answer.body.count(b'event: count')), (200, 1000))


@test(tick_ms=5, streams=200, handlers=2)
def many_streams(server):
    streams = [Stream(server) for _ in range(200)]
    for _ in range(3):
        step(server)
    for stream in streams:
        equal(stream.numbers(3), [1, 2, 3])
    for stream in streams:
        stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=100000, look_ms=100000)
def a_change_is_told_at_once(server):
    """No tick comes: what streams get they get because somebody said that something has changed."""
    streams = [Stream(server) for _ in range(20)]
    seen = 0
    for _ in range(5):
        time.sleep(0.1)  # looks rest a little
        before, seen = seen, step(server)['n']
        while not select.select([streams[0].connection], [], [], 0.3)[0]:
            seen = step(server)['n']  # that one came while they did
        for stream in streams:
            equal(stream.numbers(seen - before), list(range(before + 1, seen + 1)))
    for stream in streams:
        stream.close()


@test(tick_ms=20, look_ms=20)
def a_change_that_nobody_told_is_found(server):
    stream = Stream(server)
    server.ask('POST', '/events?quiet=true')
    equal(stream.numbers(1), [1])
    stream.close()


@test(tick_ms=20, look_ms=100000, loops=1)
def streams_that_ask_the_same_are_answered_by_one_run(server):
    streams = [Stream(server) for _ in range(100)]
    others = [Stream(server, X_Organization_ID='acme'), Stream(server, '/events?bytes=10')]
    wait_until(lambda: open_streams(server) == 102)
    before = server.ask('GET', '/snapshot').json()['runs']
    for _ in range(5):
        step(server)
        for stream in streams + others:
            stream.next()
        time.sleep(0.05)
    runs = server.ask('GET', '/snapshot').json()['runs'] - before
    assert 15 <= runs <= 60, runs  # three feeds, five changes; a look may fall in two
    for stream in streams + others:
        stream.close()
    wait_until(lambda: open_streams(server) == 0)


@test(tick_ms=5, look_ms=50)
def last_events_of_any_kind(server):
    """Each stream has another place, more of them than are looked for at a time; all come to the same end."""
    step(server, 400)
    streams = [(n, Stream(server, Last_Event_ID=str(n))) for n in range(200)]
    for n, stream in streams:
        equal(stream.numbers(400 - n), list(range(n + 1, 401)))
    step(server)
    for _, stream in streams:
        equal(stream.numbers(1), [401])
        stream.close()
    wait_until(lambda: open_streams(server) == 0)


class Follower(threading.Thread):
    """Reads all 1,000 events, cut off at random moments, and comes again with the last id it has read."""

    def __init__(self, server, seed):
        super().__init__()
        self.server, self.draw, self.got, self.n_cuts, self.problem = server, random.Random(seed), [], 0, None

    def read(self):
        last = {'Last_Event_ID': str(self.got[-1])} if self.got else {}
        stream = Stream(self.server, **last)
        until = time.monotonic() + self.draw.uniform(0.001, 0.08)
        whole = self.draw.random() < 0.5  # cut between events, or in the middle of one
        stream.connection.settimeout(0.02)
        while time.monotonic() < until or (whole and stream.text):
            try:
                event = stream.next()
            except TimeoutError:
                continue
            if event is None:
                return True
            if 'id' in event:
                equal(event['id'], str(json.loads(event['data'])['n']))
                self.got.append(int(event['id']))
        stream.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # a reset
        stream.close()
        self.n_cuts += 1
        return False

    def run(self):
        try:
            while not self.read():
                pass
        except Exception:
            self.problem = traceback.format_exc()


@test(tick_ms=20, look_ms=20)
def a_stream_that_is_cut_loses_nothing_and_has_nothing_twice(server):
    followers = [Follower(server, seed) for seed in range(12)]
    for follower in followers:
        follower.start()
    for _ in range(200):
        step(server, 5)
        time.sleep(0.003)
    for follower in followers:
        follower.join()
        assert not follower.problem, follower.problem
        equal(follower.got, list(range(1, 1001)))
    assert sum(follower.n_cuts for follower in followers) > 20
    wait_until(lambda: open_streams(server) == 0)


main()
