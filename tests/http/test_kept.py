#!/usr/bin/env python3
"""Answers that are given again while nothing has changed, on the made-up operation GET /kept."""
import threading

from harness import equal, main, read_answer, test


def step(server, by=2):
    server.ask('POST', '/events?by=%d' % by)


def count(server):
    for line in server.ask('GET', '/metrics').body.decode().split('\n'):
        if line.startswith('millwright_http_kept_answers_total '):
            return int(line.split()[1])


@test()
def the_same_until_something_changes(server):
    first = server.ask('GET', '/kept?bytes=10')
    equal((first.status, first.json()['n'], first.json()['made']), (200, 0, 1))
    for _ in range(5):
        again = server.ask('GET', '/kept?bytes=10')
        equal((again.status, again.body), (200, first.body))
        for name in ('etag', 'cache-control', 'vary', 'content-type'):
            equal(again.fields[name], first.fields[name])
    equal(count(server), 5)
    step(server)
    equal(server.ask('GET', '/kept?bytes=10').json()['n'], 2)
    equal(server.ask('GET', '/kept?bytes=10').json()['made'], 2)


@test()
def whoever_asks_something_else_gets_something_else(server):
    made = [server.ask('GET', '/kept?bytes=10').json()['made'],
            server.ask('GET', '/kept?bytes=11').json()['made'],
            server.ask('GET', '/kept?bytes=10', X_Organization_ID='acme').json()['made']]
    equal(made, [1, 2, 3])
    equal(server.ask('GET', '/kept?bytes=10', X_Organization_ID='acme').json()['org'], 'acme')
    equal(server.ask('GET', '/kept?bytes=10', X_Organization_ID='nobody').status, 404)
    equal(server.ask('GET', '/kept?bytes=10').json()['made'], 1)
    head = server.ask('HEAD', '/kept?bytes=10')
    equal((head.status, head.body), (200, b''))
    equal(server.ask('GET', '/kept?bytes=0').status, 422)


@test()
def codings_and_tags(server):
    plain = server.ask('GET', '/kept?bytes=5000')
    for coding, suffix in (('gzip', '-gz"'), ('zstd', '-zst"'), ('', '"')):
        for i in range(3):
            answer = server.ask('GET', '/kept?bytes=5000', Accept_Encoding=coding)
            equal((answer.status, answer.fields.get('content-encoding', '')), (200, coding))
            assert answer.fields['etag'].endswith(suffix), answer.fields
            assert (len(answer.body) < 1000) == bool(coding), len(answer.body)
            same = server.ask('GET', '/kept?bytes=5000', Accept_Encoding=coding, If_None_Match=answer.fields['etag'])
            equal((same.status, same.body, same.fields['etag'], 'content-encoding' in same.fields), (304, b'', answer.fields['etag'], False))
    equal(server.ask('GET', '/kept?bytes=5000').body, plain.body)
    # The first to ask after a change has the old one, and keeps the new one for others.
    step(server)
    changed = server.ask('GET', '/kept?bytes=5000', Accept_Encoding='gzip', If_None_Match=plain.fields['etag'])
    equal(changed.status, 200)
    equal(server.ask('GET', '/kept?bytes=5000', Accept_Encoding='gzip').body, changed.body)


@test()
def errors_are_not_kept(server):
    equal(server.ask('GET', '/kept?bytes=10').status, 200)
    step(server, 1)
    equal([server.ask('GET', '/kept?bytes=10').status for _ in range(2)], [404, 404])
    step(server, 1)
    equal(server.ask('GET', '/kept?bytes=10').json()['n'], 2)


@test(kept_bytes=80000)
def memory_has_a_bound(server):
    for size in range(5000, 5040):  # ten thousand is the most for one, eighty for all
        equal(server.ask('GET', '/kept?bytes=%d' % size).status, 200)
    equal(count(server), 0)
    equal(server.ask('GET', '/kept?bytes=5039').status, 200)
    equal(count(server), 1)
    first = server.ask('GET', '/kept?bytes=5000').json()['made']
    equal(first, 41)  # it had gone
    made = [server.ask('GET', '/kept?bytes=20000').json()['made'] for _ in range(2)]
    equal(made, [42, 43])  # too large for one


@test(handlers=4)
def many_at_once_while_it_changes(server):
    problems = []

    def ask(connection):
        newest = 0
        for i in range(300):
            connection.sendall(b'GET /kept?bytes=3000 HTTP/1.1\r\nHost: localhost\r\n\r\n')
            answer = read_answer(connection)
            if answer.status != 200 or len(answer.json()['pad']) != 3000 or answer.json()['n'] < newest:
                problems.append((answer.status, answer.body[:60], newest))
            newest = answer.json()['n']

    connections = [server.connect() for _ in range(8)]
    threads = [threading.Thread(target=ask, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for _ in range(40):
        step(server)
        equal(server.ask('GET', '/kept?bytes=3000').json()['n'] % 2, 0)
    for thread in threads:
        thread.join()
    equal(problems, [])
    latest = server.ask('POST', '/events?by=2').json()['n']
    equal(server.ask('GET', '/kept?bytes=3000').json()['n'], latest)  # whoever has changed something sees it
    assert count(server) > 100
    for connection in connections:
        connection.close()


if __name__ == '__main__':
    main()
