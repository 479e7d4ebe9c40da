#!/usr/bin/env python3
"""Connections: order, keep-alive, bodies, back-pressure, limits, time-outs, drain."""
import os
import random
import resource
import socket
import subprocess
import time

from harness import SERVER, Answer, Server, answers, equal, main, read_all, read_answer, test

HOST = b'Host: localhost\r\n'


def get(path, *fields):
    return b'GET ' + path + b' HTTP/1.1\r\n' + HOST + b''.join(f + b'\r\n' for f in fields) + b'\r\n'


def checksum(data):
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFFFFFFFFFFFFFF
    return '%d %016x' % (len(data), total)


def chunked(data, size):
    pieces = b''
    for i in range(0, len(data), size):
        piece = data[i:i + size]
        pieces += b'%x\r\n%s\r\n' % (len(piece), piece)
    return pieces + b'0\r\n\r\n'


@test()
def keep_alive_answers_in_order(server):
    with server.connect() as connection:
        for path, body in ((b'/raw/fast', b'fast'), (b'/raw/later?ms=10', b'later')) * 5:
            connection.sendall(get(path))
            equal(read_answer(connection).body, body)


@test()
def pipelined_requests_are_answered_in_order(server):
    paths = [b'/raw/later?ms=20', b'/raw/fast', b'/raw/big?bytes=100000', b'/raw/fast',
             b'/raw/stream?bytes=100000', b'/raw/later?ms=1'] + [b'/raw/fast'] * 100
    data = b''.join(get(path) for path in paths) + get(b'/raw/fast', b'Connection: close')
    found = answers(server.send(data))
    equal(len(found), len(paths) + 1)
    equal(found[0].body, b'later')
    equal(found[2].body, b'b' * 100000)
    equal(found[4].body, b'x' * 100000)
    equal(found[5].body, b'later')
    equal(found[-1].fields['connection'], 'close')


@test()
def pipelined_bytes_do_not_pile_up(server):
    """A client that sends without reading is stopped, not buffered."""
    with server.connect() as connection:
        connection.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += connection.send(get(b'/raw/big?bytes=50000') * 100)
        except socket.timeout:
            pass
        assert sent < 32 << 20, sent


@test()
def half_closed_client_gets_all_answers(server):
    data = get(b'/raw/fast') + get(b'/raw/later?ms=30') + get(b'/raw/fast')
    equal([a.body for a in answers(server.send(data, end=True))], [b'fast', b'later', b'fast'])


@test()
def http_1_0(server):
    answer = Answer(server.send(b'GET /raw/fast HTTP/1.0\r\n\r\n'))
    equal((answer.status, answer.body, answer.fields['connection']), (200, b'fast', 'close'))
    answer = Answer(server.send(b'GET /raw/stream?bytes=50000 HTTP/1.0\r\n\r\n'))
    equal((answer.status, len(answer.body)), (200, 50000))
    assert 'transfer-encoding' not in answer.fields
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(b'GET /raw/fast HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
            equal(read_answer(connection).fields['connection'], 'keep-alive')


@test()
def head_has_no_body(server):
    with server.connect() as connection:
        connection.sendall(b'HEAD /raw/big?bytes=1000 HTTP/1.1\r\n' + HOST + b'\r\n')
        answer = read_answer(connection, 'HEAD')
        equal((answer.fields['content-length'], answer.rest), ('1000', b''))
        connection.sendall(b'HEAD /raw/stream?bytes=1000 HTTP/1.1\r\n' + HOST + b'\r\n')
        answer = read_answer(connection, 'HEAD')
        equal((answer.fields['transfer-encoding'], answer.rest), ('chunked', b''))
        connection.sendall(get(b'/raw/fast'))
        equal(read_answer(connection).body, b'fast')


@test()
def fields_of_every_answer(server):
    answer = server.ask('GET', '/raw/fast')
    equal(answer.fields['server'], 'millwright')
    equal(answer.fields['x-content-type-options'], 'nosniff')
    time.strptime(answer.fields['date'], '%a, %d %b %Y %H:%M:%S GMT')
    assert len(answer.fields['x-request-id']) == 16
    equal(server.ask('GET', '/raw/fast', X_Request_ID='a.b-C_9').fields['x-request-id'], 'a.b-C_9')
    for bad in ('a b', 'x' * 129, 'a"b'):
        assert server.ask('GET', '/raw/fast', X_Request_ID=bad).fields['x-request-id'] != bad


@test()
def bodies_come_whole(server):
    seed = random.randrange(1 << 32)
    print('# seed %d' % seed)
    source = random.Random(seed)
    for size in (1, 100, 65535, 65536, 65537, 1 << 20):
        data = source.randbytes(size)
        equal(server.ask('POST', '/raw/echo', data).body, data)
        head = b'POST /raw/echo HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n'
        equal(Answer(server.send(head + chunked(data, source.randrange(100, 70000)))).body, data)


@test()
def body_in_small_pieces(server):
    data = bytes(range(200))
    head = b'POST /raw/echo HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: chunked\r\n\r\n'
    with server.connect() as connection:
        for byte in head + chunked(data, 7):
            connection.sendall(bytes([byte]))
        equal(read_answer(connection).body, data)
        connection.sendall(get(b'/raw/fast'))
        equal(read_answer(connection).body, b'fast')


@test()
def too_large_bodies(server):
    head = b'POST /raw/echo HTTP/1.1\r\n' + HOST
    equal(Answer(server.send(head + b'Content-Length: 1048577\r\n\r\n')).status, 413)
    equal(Answer(server.send(head + b'Content-Length: 999999999999999999\r\n\r\n')).status, 413)
    data = head + b'Transfer-Encoding: chunked\r\n\r\n' + chunked(b'x' * 2000000, 50000)
    answer = Answer(server.send(data))
    equal((answer.status, answer.fields['connection']), (413, 'close'))
    answer.problem()


@test()
def refusal_is_read_by_a_client_still_sending(server):
    """The answer must arrive though megabytes are still under way (lingering close)."""
    with server.connect() as connection:
        connection.sendall(b'POST /raw/echo HTTP/1.1\r\n' + HOST + b'Content-Length: 3000000\r\n\r\n')
        for _ in range(30):
            connection.sendall(b'x' * 100000)
        equal(Answer(read_all(connection)).status, 413)


@test()
def expect_continue(server):
    with server.connect() as connection:
        connection.sendall(b'POST /raw/echo HTTP/1.1\r\n' + HOST +
                           b'Content-Length: 5\r\nExpect: 100-continue\r\n\r\n')
        equal(read_answer(connection).status, 100)
        connection.sendall(b'hello')
        equal(read_answer(connection).body, b'hello')
    with server.connect() as connection:
        connection.sendall(b'POST /raw/echo HTTP/1.1\r\n' + HOST +
                           b'Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n')
        equal(read_answer(connection).status, 413)


@test()
def streamed_body_with_back_pressure(server):
    data = os.urandom(500000)
    with server.connect() as connection:
        connection.sendall(b'POST /raw/sink?pause=2 HTTP/1.1\r\n' + HOST +
                           b'Content-Length: %d\r\n\r\n' % len(data) + data)
        equal(read_answer(connection).body.decode(), checksum(data))
        connection.sendall(b'POST /raw/sink?pause=1 HTTP/1.1\r\n' + HOST +
                           b'Transfer-Encoding: chunked\r\n\r\n' + chunked(data, 10000) + get(b'/raw/fast'))
        answer = read_answer(connection)
        equal(answer.body.decode(), checksum(data))


@test()
def paused_sink_stops_the_sender(server):
    with server.connect() as connection:
        connection.sendall(b'POST /raw/sink?pause=600 HTTP/1.1\r\n' + HOST + b'Content-Length: 100000000\r\n\r\n')
        connection.settimeout(0.4)
        sent = 0
        try:
            while sent < 100000000:
                sent += connection.send(b'x' * 65536)
        except socket.timeout:
            pass
        assert sent < 30000000, sent


@test()
def streamed_answer_with_back_pressure(server):
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(get(b'/raw/stream?bytes=5000000', b'Connection: close'))
        time.sleep(0.2)
        answer = Answer(read_all(connection))
        equal(len(answer.body), 5000000)


@test(header_timeout_ms=300, idle_timeout_ms=5000)
def slow_heads_are_ended(server):
    """Slowloris: bytes keep coming, but the head never ends."""
    with server.connect() as connection:
        start = time.monotonic()
        connection.sendall(b'GET /raw/fast HTTP/1.1\r\n')
        try:
            while time.monotonic() - start < 5:
                connection.sendall(b'X-A: b\r\n')
                connection.settimeout(0.05)
                try:
                    data = connection.recv(1000)
                    break
                except socket.timeout:
                    pass
            equal(Answer(data).status, 408)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - start < 5


@test(idle_timeout_ms=200)
def idle_connections_are_closed(server):
    with server.connect() as connection:
        equal(read_all(connection), b'')
    with server.connect() as connection:
        connection.sendall(get(b'/raw/fast'))
        equal(len(answers(read_all(connection))), 1)


@test(idle_timeout_ms=300)
def waiting_for_an_answer_is_not_idle(server):
    with server.connect() as connection:
        connection.sendall(get(b'/raw/later?ms=900'))
        equal(read_answer(connection).body, b'later')


@test(grace_ms=200, body_min_bytes_per_s=1000)
def slow_bodies_are_ended(server):
    with server.connect() as connection:
        connection.sendall(b'POST /raw/sink HTTP/1.1\r\n' + HOST + b'Content-Length: 1000\r\n\r\n')
        data = b''
        connection.settimeout(0.05)
        for _ in range(100):
            try:
                connection.sendall(b'x')
                data = connection.recv(1000)
                break
            except socket.timeout:
                pass
        equal(Answer(data).status, 408)


@test(grace_ms=200, body_min_bytes_per_s=1000)
def steady_bodies_are_taken(server):
    with server.connect() as connection:
        connection.sendall(b'POST /raw/sink HTTP/1.1\r\n' + HOST + b'Content-Length: 10000\r\n\r\n')
        for _ in range(20):
            connection.sendall(b'x' * 500)
            time.sleep(0.05)
        equal(read_answer(connection).body.decode(), checksum(b'x' * 10000))


@test(grace_ms=200)
def readers_that_stop_are_dropped(server):
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(get(b'/raw/big?bytes=50000000'))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            body = server.ask('GET', '/metrics').body
            if b'millwright_http_timeouts_total 1' in body:
                return
            time.sleep(0.05)
        raise AssertionError('still served')


@test(connections=10, linger_ms=300)
def connection_limit(server):
    held = [server.connect() for _ in range(10)]
    for connection in held:
        connection.sendall(get(b'/raw/fast'))
        read_answer(connection)
    answer = Answer(server.send(get(b'/raw/fast')))
    equal((answer.status, answer.fields['retry-after']), (503, '1'))
    answer.problem()
    for connection in held:
        connection.close()
    for _ in range(100):
        if server.ask('GET', '/raw/fast').status == 200:
            return
        time.sleep(0.02)
    raise AssertionError('connections were not given back')


@test(loops=1)
def descriptors_run_out(server):
    """The server waits for descriptors instead of spinning, and goes on afterwards."""
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    held = [server.connect() for _ in range(60)]
    time.sleep(0.3)
    before = os.times()
    used = sum(float(n) for n in open('/proc/%d/stat' % server.process.pid).read().split()[13:15])
    time.sleep(0.5)
    again = sum(float(n) for n in open('/proc/%d/stat' % server.process.pid).read().split()[13:15])
    assert again - used < 25, (used, again, before)  # ticks of 10 ms: half of the time at most
    for connection in held:
        connection.close()
    equal(server.ask('GET', '/raw/fast').body, b'fast')


@test()
def client_that_leaves_is_noticed(server):
    for _ in range(3):
        with server.connect() as connection:
            connection.sendall(get(b'/raw/never'))
            time.sleep(0.05)
    for _ in range(100):
        if server.ask('GET', '/raw/seen').body == b'3':
            return
        time.sleep(0.02)
    raise AssertionError('not noticed')


@test()
def client_that_leaves_before_a_late_answer(server):
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(get(b'/raw/later?ms=30'))
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        connection.sendall(get(b'/raw/later?ms=30'))
    time.sleep(0.1)
    equal(server.ask('GET', '/raw/fast').body, b'fast')


@test(response_bytes=1000)
def answers_have_a_limit(server):
    answer = server.ask('GET', '/raw/big?bytes=1001')
    equal(answer.status, 500)
    assert 'limit' in answer.problem()['hint']


@test()
def second_server_on_the_port_fails(server):
    second = subprocess.run([SERVER, '--port', str(server.port)], stdin=subprocess.DEVNULL,
                            capture_output=True)
    assert second.returncode != 0
    assert b'already in use' in second.stderr, second.stderr
    equal(server.ask('GET', '/raw/fast').body, b'fast')


@test()
def port_is_free_again_at_once(server):
    with server.connect() as connection:
        connection.sendall(get(b'/raw/fast'))
        read_answer(connection)
        equal(server.stop(), 0)
    again = Server({'port': server.port})
    equal(again.ask('GET', '/raw/fast').body, b'fast')
    equal(again.stop(), 0)


@test(drain_ms=5000)
def drain_answers_open_requests(server):
    with server.connect() as waiting, server.connect() as idle, server.connect() as fresh:
        idle.sendall(get(b'/raw/fast'))
        read_answer(idle)
        waiting.sendall(get(b'/raw/later?ms=600'))
        time.sleep(0.1)
        server.process.terminate()
        equal(idle.recv(100), b'')
        for _ in range(20):  # another loop may hear of it a moment later
            try:
                server.connect().close()
            except (ConnectionRefusedError, ConnectionResetError):
                break
            time.sleep(0.01)
        else:
            raise AssertionError('connections are taken while the server stops')
        answer = read_answer(waiting)
        equal((answer.body, answer.fields['connection']), (b'later', 'close'))
        equal(waiting.recv(100), b'')
        equal(read_all(fresh), b'')
    equal(server.wait(), 0)


@test(drain_ms=300)
def drain_has_an_end(server):
    with server.connect() as connection:
        connection.sendall(get(b'/raw/never'))
        time.sleep(0.05)
        equal(server.stop(), 0)
        equal(read_all(connection), b'')


@test()
def many_connections_at_once(server):
    held = [server.connect() for _ in range(500)]
    for connection in held:
        connection.sendall(get(b'/raw/fast') * 3)
    for connection in held:
        data = b''
        while data.count(b'fast') < 3:
            data += connection.recv(65536)
    for connection in held:
        connection.close()


main()
