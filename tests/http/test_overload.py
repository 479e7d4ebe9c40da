#!/usr/bin/env python3
"""More than the server can or may do: rates, deadlines, memory. What is refused says when to come again, and the rest goes on."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Answer, equal, main, test  # noqa: E402


def retry_after(answer):
    value = int(answer.fields['retry-after'])
    assert 1 <= value <= 3600, value
    return value


@test(rate=5)
def an_organization_makes_so_many_requests_and_no_more(server):
    begun = time.monotonic()
    found = [server.ask('GET', '/items/7') for _ in range(20)]
    statuses = [a.status for a in found]
    spent = time.monotonic() - begun
    assert 5 <= statuses.count(200) <= 6 + 5 * spent, (statuses, spent)
    equal(statuses[:5], [200] * 5)
    refused = next(a for a in found if a.status == 429)
    equal(retry_after(refused), 1)
    assert 'too many requests' in refused.problem()['detail'], refused.body
    equal([server.ask('GET', '/health').status for _ in range(20)], [200] * 20)  # whoever watches is not counted
    equal(server.ask('GET', '/items/7', X_Organization_ID='acme').status, 200)  # nor is another organization touched
    time.sleep(1.1)
    equal(server.ask('GET', '/items/7').status, 200)
    text = server.ask('GET', '/metrics', X_Organization_ID='acme').body.decode()
    equal('millwright_http_rate_limited_total %d\n' % statuses.count(429) in text, True)


@test(rate=1000000)
def many_organizations_have_bounded_memory(server):
    with server.connect() as connection:
        for first in range(0, 9000, 500):
            data = b''.join(b'GET /items/1 HTTP/1.1\r\nHost: localhost\r\nX-Organization-ID: o%d\r\n\r\n' % i
                            for i in range(first, first + 500))
            connection.sendall(data)
            seen = 0
            while seen < 500:
                seen += connection.recv(1 << 20).count(b'HTTP/1.1 ')
    equal(server.ask('GET', '/items/7').status, 200)


@test(handlers=1, loops=1, deadline_ms=200)
def what_waited_too_long_is_not_begun(server):
    answers = []
    busy = threading.Thread(target=lambda: answers.append(server.ask('GET', '/slow?ms=700')))
    busy.start()
    time.sleep(0.1)
    late = server.ask('GET', '/items/7')
    busy.join()
    equal(answers[0].status, 200)  # it does not look at its deadline
    equal(late.status, 503)
    equal(retry_after(late), 1)
    assert 'nothing was done' in late.problem()['hint'], late.body
    equal(server.ask('GET', '/items/7').status, 200)
    assert 'millwright_http_late_requests_total 1\n' in server.ask('GET', '/metrics').body.decode()


@test(deadline_ms=200)
def what_reads_is_stopped_at_its_deadline(server):
    begun = time.monotonic()
    answer = server.ask('GET', '/patient?ms=5000')
    equal(answer.status, 504)
    answer.problem()
    assert 0.2 <= time.monotonic() - begun < 2
    equal(server.ask('GET', '/patient?ms=20').status, 200)


@test(deadline_ms=200)
def what_changes_something_runs_to_its_end(server):
    equal(server.post('/patient', {'ms': 600}).status, 200)


@test(loops=1, handlers=1, queued=4)
def a_full_queue_refuses_at_once(server):
    found, threads = [], []
    for _ in range(12):
        threads.append(threading.Thread(target=lambda: found.append(server.ask('GET', '/slow?ms=300'))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    statuses = sorted(a.status for a in found)
    equal(set(statuses), {200, 503})
    assert statuses.count(200) in (4, 5, 6), statuses
    for answer in found:
        if answer.status == 503:
            retry_after(answer)


@test(memory=6000000)
def memory_has_a_ceiling(server):
    head = b'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n'
    connections, statuses = [], []
    for _ in range(24):  # each sends most of a body and then waits
        connection = server.connect()
        connections.append(connection)
        try:
            connection.sendall(head + b' ' * 900000)
        except (BrokenPipeError, ConnectionResetError):
            pass
    time.sleep(0.3)
    equal(server.ask('GET', '/health').status, 200)
    for connection in connections:
        try:
            connection.sendall(b' ' * 100000)
            data = read_all_that_comes(connection)
            statuses.append(Answer(data).status if data else 0)
        except (BrokenPipeError, ConnectionResetError):
            statuses.append(0)
        connection.close()
    assert 200 in statuses and (503 in statuses or 0 in statuses), statuses  # 0: cut while it sent
    assert set(statuses) <= {0, 200, 503}, statuses
    for _ in range(50):  # and once they are gone there is room again
        if server.post('/echo', {}).status == 200:
            break
        time.sleep(0.05)
    equal(server.post('/echo', {}).status, 200)


def read_all_that_comes(connection):
    connection.settimeout(3)
    try:
        return connection.recv(65536)
    except TimeoutError:
        return b''


if __name__ == '__main__':
    main()
