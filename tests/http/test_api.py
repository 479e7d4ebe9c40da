#!/usr/bin/env python3
"""Routes, validation, organizations, jobs, problems, pages and metrics, on made-up operations."""
import select
import time

from harness import Answer, answers, equal, main, read_answer, test

HOST = b'Host: localhost\r\n'


def status(server, *args, **fields):
    answer = server.ask(*args, **fields)
    if answer.status >= 400:
        answer.problem()
    return answer.status


def until(holds):
    """Asks again until it holds, or the test's time is up."""
    while not holds():
        time.sleep(0.005)


def start_job(server, connection):
    """A request for the server's first job, which runs until end_job. On return it has its place among those that wait."""
    connection.sendall(b'POST /job HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\n'
                       b'Content-Length: 12\r\n\r\n{"ms":90000}')
    until(lambda: server.ask('GET', '/jobs/job-1').status == 200)


def end_job(server, job='job-1'):
    equal(server.ask('POST', '/jobs/' + job + '/end').status, 200)


@test()
def health(server):
    answer = server.ask('GET', '/health')
    equal(answer.json(), {'status': 'ok', 'reasons': []})
    equal(answer.fields['content-type'], 'application/json')
    equal(answer.fields['cache-control'], 'no-store')
    equal(server.ask('HEAD', '/health').fields['content-length'], str(len(answer.body)))


@test()
def unknown_path_and_method(server):
    equal(status(server, 'GET', '/nothing'), 404)
    equal(status(server, 'GET', '/health/'), 404)
    equal(status(server, 'GET', '//health'), 404)
    equal(status(server, 'GET', '/items/'), 404)
    answer = server.ask('POST', '/health')
    equal((answer.status, answer.fields['allow']), (405, 'GET, HEAD, OPTIONS'))
    answer = server.ask('DELETE', '/echo')
    equal((answer.status, answer.fields['allow']), (405, 'POST, OPTIONS'))
    equal(server.ask('POST', '/docs').fields['allow'], 'GET, HEAD, OPTIONS')


@test()
def options(server):
    answer = server.ask('OPTIONS', '/echo')
    equal((answer.status, answer.fields['allow']), (204, 'POST, OPTIONS'))
    equal(server.ask('OPTIONS', '/items/7').fields['allow'], 'GET, HEAD, OPTIONS')
    equal(server.ask('OPTIONS', '*').status, 204)
    equal(status(server, 'OPTIONS', '/nothing'), 404)


@test()
def addresses(server):
    for path, want in (('/items/%2e%2e', 400), ('/items/../health', 400), ('/./health', 400),
                       ('/items/a%2Fb', 400), ('/items/a%00b', 400), ('/items/%ff', 400),
                       ('/items/%zz', 400), ('/items/%4', 400), ('/items/%', 400),
                       ('/items/%c0%af', 400), ('/items/%0a', 400), ('/items/%ed%a0%80', 400),
                       ('/health#a', 400), ('health', 400), ('ftp://localhost/health', 400),
                       ('/items/a?limit=%', 400), ('/items/a?limit=1%00', 400),
                       ('/items/a?limit=%ff', 400), ('/%68ealth', 200), ('/health?', 200),
                       ('/items/%C3%A4', 200), ('http://localhost/health', 200),
                       ('http://127.0.0.1:1234/health', 200), ('http://evil.example/health', 421)):
        equal((path, status(server, 'GET', path)), (path, want))
    equal(server.ask('GET', '/items/%C3%A4').json()['args']['id'], 'ä')
    equal(server.ask('GET', '/items/a+b').json()['args']['id'], 'a+b')


@test()
def literal_path_wins(server):
    equal(server.ask('GET', '/items/status').json()['status'], 'ok')


@test()
def query(server):
    equal(server.ask('GET', '/items/7').json()['args'], {'id': '7', 'limit': 50})
    equal(server.ask('GET', '/items/7?limit=99').json()['args']['limit'], 99)
    for bad in ('limit=0', 'limit=101', 'limit=x', 'limit=', 'limit=1.5', 'limit=1&limit=2',
                'other=1', 'id=8', 'limit', '=1', 'Limit=1'):
        equal((bad, status(server, 'GET', '/items/7?' + bad)), (bad, 422))
    equal(server.ask('GET', '/items/7?limit=101').problem()['pointer'], 'limit')
    equal(status(server, 'GET', '/health?x=1'), 422)
    equal(status(server, 'GET', '/items/status?x=1'), 422)
    equal(status(server, 'GET', '/fail'), 422)


@test()
def bodies(server):
    equal(server.post('/echo', {'count': 3, 'name': 'ä', 'flag': True, 'tags': ['a', 'b']}).json()['args'],
          {'count': 3, 'name': 'ä', 'flag': True, 'tags': ['a', 'b']})
    equal(server.ask('POST', '/echo').json()['args'], {'count': 1})
    equal(server.post('/echo?dry=true', {}).json()['args'], {'count': 1, 'dry': True})
    for value, want in (({'count': 11}, 422), ({'count': 'x'}, 422), ({'other': 1}, 422),
                        ({'dry': True}, 422), ([], 422), ('text', 422), (None, 422), (7, 422)):
        equal((value, server.post('/echo', value).status), (value, want))
    equal(status(server, 'POST', '/echo?count=3'), 422)
    for text in (b'{', b'{"count":1,}', b'{"count":1}x', b'{"count":01}', b'\xff', b'{"count":1,"count":2}',
                 b'{"name":"\xff"}', b'{"name":"\\ud800"}', b'[' * 1000, b'nul', b'\x00'):
        answer = server.ask('POST', '/echo', text, Content_Type='application/json')
        equal((text[:20], answer.status), (text[:20], 400))
    equal(status(server, 'GET', '/health', b'{}', Content_Type='application/json'), 400)
    equal(server.ask('POST', '/echo', b'x' * 1048577, Content_Type='application/json').status, 413)


@test()
def content_types(server):
    for kind, want in (('application/json', 200), ('Application/JSON', 200),
                       ('application/json; charset=utf-8', 200), ('application/json;charset="UTF-8"', 200),
                       ('application/json; charset=latin1', 415), ('application/json; x=y', 415),
                       ('text/plain', 415), ('application/x-www-form-urlencoded', 415),
                       ('multipart/form-data; boundary=x', 415), ('application/jsonp', 415), ('', 415)):
        equal((kind, status(server, 'POST', '/echo', b'{}', Content_Type=kind)), (kind, want))
    equal(status(server, 'POST', '/echo', b'{}'), 415)
    equal(status(server, 'POST', '/echo', b'{}', Content_Type='application/json', Content_Encoding='gzip'), 415)


@test()
def hosts_and_origins(server):
    def with_host(host):
        return Answer(server.send(b'GET /health HTTP/1.1\r\nHost: ' + host + b'\r\nConnection: close\r\n\r\n')).status
    for host, want in ((b'localhost', 200), (b'LOCALHOST:8000', 200), (b'127.0.0.1', 200),
                       (b'127.0.0.1:1', 200), (b'[::1]:8000', 200), (b'[::1]', 200),
                       (b'evil.example', 421), (b'localhost.evil.example', 421), (b'', 421),
                       (b'localhost:', 421), (b'localhost:80:80', 421), (b'127.0.0.1.nip.io', 421),
                       (b'localhost@evil.example', 421), (b'127.0.0.2', 421), (b'0.0.0.0', 421)):
        equal((host, with_host(host)), (host, want))
    for origin, want in (('http://localhost:8000', 200), ('http://127.0.0.1', 200), ('http://[::1]:1', 200),
                         ('null', 403), ('http://evil.example', 403), ('http://localhost.evil.example', 403),
                         ('', 403), ('localhost', 403), ('file://', 403)):
        equal((origin, status(server, 'GET', '/health', Origin=origin)), (origin, want))
    equal(status(server, 'POST', '/job', Origin='http://evil.example'), 403)


@test()
def organizations(server):
    equal(server.ask('POST', '/echo', X_Organization_ID='acme').json()['org'], 'acme')
    equal(server.ask('POST', '/echo').json()['org'], 'default')
    equal(status(server, 'POST', '/echo', X_Organization_ID='nobody'), 404)
    equal(status(server, 'GET', '/items/status', X_Organization_ID='nobody'), 404)
    equal(status(server, 'GET', '/health', X_Organization_ID='nobody'), 200)
    for bad in ('', 'a b', '../x', 'a' * 65, 'ä', 'a/b'):
        equal((bad, status(server, 'POST', '/echo', X_Organization_ID=bad.encode().decode('latin-1'))), (bad, 400))


@test()
def failures_are_problems(server):
    for code, want in (('EINVAL', 422), ('EPARSE', 400), ('EDATA', 422), ('ENOTFOUND', 404),
                       ('ECONFLICT', 409), ('EDENIED', 403), ('ETOOLARGE', 413), ('EUNSUPPORTED', 415),
                       ('EBUSY', 503), ('ENOMEM', 503), ('EIO', 500), ('ETIMEOUT', 504),
                       ('ECANCELED', 409), ('EINTERNAL', 500)):
        answer = server.ask('GET', '/fail?code=' + code, X_Request_ID='r-1')
        equal((code, answer.status), (code, want))
        problem = answer.problem()
        equal((problem['detail'], problem['hint'], problem['request_id']),
              ('failed on "request"', 'do not ask', 'r-1'))
        equal('retry-after' in answer.fields, want == 503)


@test()
def large_answers(server):
    for size in (1, 16384, 16385, 10000000):
        equal(server.ask('GET', '/large?bytes=%d' % size).body, b'7' * size)
    equal(server.ask('GET', '/large?bytes=67108865').status, 413)


@test(handlers=1, queued=2)
def full_queue(server):
    connections = [server.connect() for _ in range(6)]
    for connection in connections:
        connection.sendall(b'GET /slow?ms=90000 HTTP/1.1\r\n' + HOST + b'\r\n')
        until(lambda: server.ask('GET', '/slow/count').json() == {'running': 1})
    until(lambda: len(select.select(connections, [], [], 0)[0]) == 3)  # refused; the others are not answered yet
    equal(server.ask('POST', '/slow/end').status, 200)
    found = [read_answer(connection).status for connection in connections]
    for connection in connections:
        connection.close()
    equal(sorted(found), [200, 200, 200, 503, 503, 503])
    equal(server.ask('GET', '/health').status, 200)


@test()
def jobs(server):
    answer = server.post('/job', {'ms': 100})
    equal((answer.status, answer.json()), (200, {'trained': True}))
    problem = server.post('/job', {'ms': 0, 'fail': True}).problem()
    equal((problem['status'], problem['detail'], problem['hint']), (422, 'too few rows', 'add some'))
    answer = server.post('/job?wait=false', {'ms': 90000})
    equal((answer.status, answer.json()['state']), (202, 'PENDING'))
    job = answer.json()['job_id']
    equal(answer.fields['location'], '/jobs/' + job)
    equal(server.ask('GET', '/jobs/' + job).json()['state'], 'STARTED')
    equal(server.ask('GET', '/jobs/' + job, X_Organization_ID='acme').status, 404)
    equal(server.post('/job', {'ms': 0}).status, 409)
    equal(server.post('/job', {'ms': 0}, X_Organization_ID='acme').status, 200)
    for bad in ('wait=maybe', 'wait=', 'wait=true&wait=false', 'ms=1'):
        equal((bad, server.post('/job?' + bad, {}).status), (bad, 422))
    end_job(server, job)
    until(lambda: server.ask('GET', '/jobs/' + job).json()['state'] == 'SUCCESS')


@test(handlers=1)
def waiting_for_a_job_holds_no_thread(server):
    with server.connect() as connection:
        start_job(server, connection)
        equal(server.ask('GET', '/items/7').status, 200)
        end_job(server)
        equal(read_answer(connection).status, 200)


@test(waiting=1)
def too_many_waiting(server):
    with server.connect() as connection:
        start_job(server, connection)
        answer = server.post('/job', {}, X_Organization_ID='acme')
        equal(answer.status, 503)
        end_job(server)
        equal(read_answer(connection).status, 200)
    # Whoever has an answer waits no more.
    equal(server.post('/job', {'ms': 0}, X_Organization_ID='acme').status, 200)


@test(drain_ms=100)
def client_leaves_and_the_job_goes_on(server):
    with server.connect() as connection:
        start_job(server, connection)
    equal(server.ask('GET', '/jobs/job-1').json()['state'], 'STARTED')
    end_job(server)
    until(lambda: server.ask('GET', '/jobs/job-1').json()['state'] == 'SUCCESS')
    with server.connect() as connection:
        connection.sendall(b'POST /job HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\n'
                           b'Content-Length: 12\r\n\r\n{"ms":90000}')
        time.sleep(0.05)
        equal(server.stop(), 0)  # while a request waits for a job that outlives the server


@test()
def pages(server):
    answer = server.ask('GET', '/docs')
    equal((answer.status, answer.fields['content-type']), (200, 'text/html; charset=utf-8'))
    assert "default-src 'none'" in answer.fields['content-security-policy']
    equal(answer.fields['vary'], 'Accept-Encoding')
    etag = answer.fields['etag']
    equal(server.ask('GET', '/docs', If_None_Match=etag).status, 304)
    equal(server.ask('GET', '/docs', If_None_Match='W/' + etag + ', "x"').status, 304)
    equal(server.ask('GET', '/docs', If_None_Match='"x"').status, 200)
    equal(server.ask('HEAD', '/docs').body, b'')
    packed = server.ask('GET', '/docs', Accept_Encoding='br, gzip')
    equal((packed.fields['content-encoding'], packed.body), ('gzip', b'not really gzip'))
    assert packed.fields['etag'] != etag
    for refused in ('identity', 'gzip;q=0', 'gzip; q=0.000', 'br', ''):
        assert 'content-encoding' not in server.ask('GET', '/docs', Accept_Encoding=refused).fields
    equal(status(server, 'GET', '/docs', b'x'), 400)


@test()
def metrics(server):
    for _ in range(3):
        server.ask('GET', '/items/7')
    server.ask('GET', '/items/7?x=1')
    server.ask('GET', '/nothing')
    server.send(b'nonsense\r\n\r\n')
    lines = ('millwright_http_requests_total{route="/items/{id}",method="GET",code="200"} 3',
             'millwright_http_requests_total{route="/items/{id}",method="GET",code="422"} 1',
             'millwright_http_requests_total{route="other",method="other",code="404"} 1',
             'millwright_http_requests_total{route="unreadable",method="other",code="400"} 1',
             'millwright_http_request_duration_seconds_count{route="/items/{id}",method="GET"} 4',
             'millwright_http_request_duration_seconds_bucket{route="/items/{id}",method="GET",le="+Inf"} 4',
             'millwright_http_open_connections 1')
    missing = lines
    for _ in range(100):  # another loop may count a little after its client has read the answer
        text = server.ask('GET', '/metrics').body.decode()
        missing = [line for line in lines if line not in text.split('\n')]
        if not missing:
            break
        time.sleep(0.02)
    equal(missing, [])
    names = [line.split()[2] for line in text.split('\n') if line.startswith('# TYPE')]
    equal(len(names), len(set(names)))


@test()
def pipelined_operations(server):
    data = b''.join(b'GET /items/%d HTTP/1.1\r\n' % i + HOST + b'\r\n' for i in range(50))
    found = answers(server.send(data, end=True))
    equal([a.json()['args']['id'] for a in found], [str(i) for i in range(50)])


main()
