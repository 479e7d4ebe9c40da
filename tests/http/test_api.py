#!/usr/bin/env python3
"""Routes, validation, organizations, jobs, problems, pages and metrics, on made-up operations."""
import gzip
import json
import select
import time

from harness import Answer, answers, equal, main, read_answer, test

HOST = b'Host: localhost\r\n'


def zstd(data):
    """A zstd frame of raw blocks: what any encoder may write (RFC 8878, 3.1.1)."""
    frame = b'\x28\xb5\x2f\xfd\xa0' + len(data).to_bytes(4, 'little')
    for at in range(0, len(data), 1 << 16):
        piece = data[at:at + (1 << 16)]
        last = at + len(piece) == len(data)
        frame += (len(piece) << 3 | last).to_bytes(3, 'little') + piece
    return frame


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


def refuses(server):
    try:
        server.connect().close()
        return False
    except ConnectionError:  # refused; or reset, at the moment that it closes
        return True


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
                       ('/items/a%2Fb', 400), ('/health%2F', 400), ('/nothing%2f', 400), ('/items/a%00b', 400), ('/items/%ff', 400),
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
def all_that_is_wrong_is_listed(server):
    problem = server.post('/echo?dry=maybe&count=2&zz=1', {'count': 11, 'nam': 'x', 'flag': 'y', 'tags': [1, 'a', {}],
                                                           'dry': True}).problem()
    equal([e['pointer'] for e in problem['errors']],
          ['dry', 'count', 'zz', '/dry', '/count', '/nam', '/flag', '/tags', '/tags'])
    equal((problem['pointer'], problem['detail']), ('dry', problem['errors'][0]['detail']))
    equal(problem['errors'][1]['hint'], 'it belongs in the JSON body')
    equal(problem['errors'][5]['hint'], 'did you mean "name"?')
    problem = server.ask('GET', '/items/7?limit=0&x=1&limit=3').problem()
    equal([e['pointer'] for e in problem['errors']], ['limit', 'x'])
    equal([e['pointer'] for e in server.ask('GET', '/fail?cod=1').problem()['errors']], ['cod', 'code'])
    equal([e['pointer'] for e in server.post('/job?wait=1&wait=maybe', {'ms': -1}).problem()['errors']],
          ['wait', '/ms'])
    equal(len(server.ask('GET', '/health?' + '&'.join('a%d=1' % i for i in range(200))).problem()['errors']), 64)
    equal(server.post('/echo', []).problem()['errors'], [{'pointer': '', 'detail': 'the request body must be a JSON object'}])
    assert 'errors' not in server.ask('GET', '/fail?code=EINVAL').problem()


@test()
def content_types(server):
    for kind, want in (('application/json', 200), ('Application/JSON', 200),
                       ('application/json; charset=utf-8', 200), ('application/json;charset="UTF-8"', 200),
                       ('application/json; charset=latin1', 415), ('application/json; x=y', 415),
                       ('text/plain', 415), ('application/x-www-form-urlencoded', 415),
                       ('multipart/form-data; boundary=x', 415), ('application/jsonp', 415), ('', 415)):
        equal((kind, status(server, 'POST', '/echo', b'{}', Content_Type=kind)), (kind, want))
    equal(status(server, 'POST', '/echo', b'{}'), 415)


@test()
def compressed_bodies(server):
    def send(body, coding, path='/echo'):
        return server.ask('POST', path, body, Content_Type='application/json', Content_Encoding=coding)
    text = json.dumps({'count': 3, 'name': 'x' * 4000}).encode()
    for coding, packed in (('gzip', gzip.compress(text)), ('x-gzip', gzip.compress(text)), ('GZIP', gzip.compress(text)),
                           ('gzip', gzip.compress(text[:9]) + gzip.compress(text[9:])), ('identity', text),
                           ('zstd', zstd(text))):
        equal((coding, send(packed, coding).json()['args']['name']), (coding, 'x' * 4000))
    for coding in ('br', 'gzip, gzip', 'deflate', '', 'gzip;q=1'):
        answer = send(gzip.compress(text), coding)
        equal((coding, answer.problem()['status'], answer.fields['accept-encoding']), (coding, 415, 'gzip, zstd'))
    packed = gzip.compress(text)
    for damaged in (packed[:-1], packed[:20], packed + b'x', packed[:30] + b'\xff' + packed[31:], b'x', text):
        equal(send(damaged, 'gzip').problem()['status'], 400)
    for damaged in (zstd(text)[:-1], b'x', packed):
        equal(send(damaged, 'zstd').problem()['status'], 400)
    blanks = b' ' * ((1 << 20) - 2) + b'{}'
    equal(send(gzip.compress(blanks), 'gzip').status, 200)
    equal(send(gzip.compress(b' ' + blanks), 'gzip').problem()['status'], 413)
    equal(send(gzip.compress(b' ' * 500_000_000), 'gzip').problem()['status'], 413)
    # A frame that announces a window, or a content, of 2 GiB and more.
    equal(send(b'\x28\xb5\x2f\xfd\x00\xa8' + b'\x01\x00\x00', 'zstd').problem()['status'], 413)
    equal(send(b'\x28\xb5\x2f\xfd\xe0' + b'\xff' * 7 + b'\x0f', 'zstd').problem()['status'], 413)
    # Also where the loop itself would answer.
    equal(server.ask('POST', '/slow/end', gzip.compress(b'{}'), Content_Type='application/json',
                     Content_Encoding='gzip').status, 200)
    equal(send(b'', 'br').status, 200)  # without a body nothing is coded


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


ORIGIN = 'https://plant.example:8443'


@test(origin=ORIGIN)
def pages_of_configured_origins(server):
    for path, want in (('/health', 200), ('/items/7?limit=x', 422), ('/nothing', 404), ('/docs', 200), ('/large?bytes=5000', 200)):
        answer = server.ask('GET', path, Origin=ORIGIN)
        equal((path, answer.status, answer.fields.get('access-control-allow-origin')), (path, want, ORIGIN))
        assert 'access-control-allow-credentials' not in answer.fields
        assert 'X-Request-ID' in answer.fields['access-control-expose-headers']
        assert b'\r\nVary: Origin\r\n' in server.send(b'GET ' + path.encode() + b' HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    equal(server.post('/echo', {}, Origin=ORIGIN).fields['access-control-allow-origin'], ORIGIN)
    for origin, want in (('https://plant.example', 403), ('http://plant.example:8443', 403), ('https://plant.example:84430', 403), ('null', 403),
                         ('https://PLANT.example:8443', 403), ('*', 403), ('http://localhost:1', 200)):
        answer = server.ask('GET', '/health', Origin=origin)
        equal((origin, answer.status), (origin, want))
        assert 'access-control-allow-origin' not in answer.fields
    answer = server.ask('OPTIONS', '/echo', Origin=ORIGIN, Access_Control_Request_Method='POST',
                        Access_Control_Request_Headers='content-type,x-organization-id', Access_Control_Request_Private_Network='true')
    equal((answer.status, answer.fields['access-control-allow-methods'], answer.fields['access-control-allow-origin']),
          (204, 'POST, OPTIONS', ORIGIN))
    for name in ('Content-Type', 'X-Organization-ID', 'If-Match', 'Last-Event-ID', 'Content-Encoding'):
        assert name in answer.fields['access-control-allow-headers'].split(', '), name
    equal((answer.fields['access-control-max-age'], answer.fields['access-control-allow-private-network']), ('600', 'true'))
    assert 'access-control-allow-methods' not in server.ask('OPTIONS', '/echo', Origin=ORIGIN).fields
    equal(server.ask('OPTIONS', '/echo', Origin='https://evil.example', Access_Control_Request_Method='POST').status, 403)
    equal(server.ask('OPTIONS', '/nothing', Origin=ORIGIN, Access_Control_Request_Method='POST').status, 404)


@test()
def without_configured_origins_nothing_is_said(server):
    answer = server.ask('OPTIONS', '/echo', Origin='http://localhost', Access_Control_Request_Method='POST')
    equal(answer.status, 204)
    assert not [name for name in answer.fields if name.startswith('access-control')], answer.fields
    assert 'vary' not in answer.fields


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


@test()
def compressed_answers(server):
    for size, packed in ((100, False), (1024, False), (1025, True), (5000000, True)):
        path = '/large?bytes=%d' % size
        for accept, coding in (('gzip', 'gzip'), ('gzip;q=0.3, zstd;q=0.2', 'gzip'), ('identity', None), ('br', None), ('gzip;q=0', None)):
            answer = server.ask('GET', path, Accept_Encoding=accept)
            equal((size, accept, answer.fields.get('content-encoding')), (size, accept, coding if packed else None))
            equal(answer.fields['vary'], 'Accept-Encoding')
            body = gzip.decompress(answer.body) if coding and packed else answer.body
            equal(body == b'7' * size, True)
    answer = server.ask('GET', '/large?bytes=5000', Accept_Encoding='gzip, deflate, br, zstd')
    equal((answer.fields['content-encoding'], answer.body[:4]), ('zstd', b'\x28\xb5\x2f\xfd'))
    head = server.ask('HEAD', '/large?bytes=5000', Accept_Encoding='zstd')
    equal(head.fields['content-length'], str(len(answer.body)))
    for path in ('/tagged/loop', '/large?bytes=3000'):
        equal(len(gzip.decompress(server.ask('GET', path, Accept_Encoding='gzip').body)), 3000)
    # Problems are text, too; small ones go as they are.
    many = server.ask('GET', '/health?' + '&'.join('a%d=1' % i for i in range(64)), Accept_Encoding='gzip')
    equal(len(many.json()['errors']), 64)  # made on the loop: as it is
    wrong = server.ask('GET', '/items/7?' + '&'.join('a%d=1' % i for i in range(64)), Accept_Encoding='gzip')
    equal((wrong.status, len(json.loads(gzip.decompress(wrong.body))['errors'])), (422, 64))
    equal(server.ask('GET', '/fail?code=EINVAL', Accept_Encoding='gzip').problem()['status'], 422)


@test()
def tagged_answers(server):
    for path in ('/tagged?bytes=3000', '/tagged/loop'):
        plain = server.ask('GET', path)
        tag = plain.fields['etag']
        assert tag[0] == tag[-1] == '"' and len(tag) == 18, tag
        equal(plain.fields['cache-control'], 'private, no-cache')
        equal(server.ask('GET', path).fields['etag'], tag)
        for none_match, want in ((tag, 304), ('W/' + tag, 304), ('"x", ' + tag, 304), ('*', 304), ('"x"', 200), (tag[1:-1], 200),
                                 ('', 200), (tag[:-1] + '-gz"', 200)):
            answer = server.ask('GET', path, If_None_Match=none_match)
            equal((none_match, answer.status), (none_match, want))
            equal((answer.fields['etag'], answer.fields['cache-control']), (tag, 'private, no-cache'))
            equal(len(answer.body), 3000 if want == 200 else 0)
        equal(server.ask('HEAD', path, If_None_Match=tag).status, 304)
        packed = server.ask('GET', path, Accept_Encoding='gzip')
        equal(packed.fields['etag'], tag[:-1] + '-gz"')
        again = server.ask('GET', path, Accept_Encoding='gzip', If_None_Match=packed.fields['etag'])
        equal((again.status, again.fields['etag']), (304, packed.fields['etag']))
        assert 'content-encoding' not in again.fields
    tag = server.ask('GET', '/tagged?bytes=10').fields['etag']
    assert tag != server.ask('GET', '/tagged?bytes=11').fields['etag']
    assert 'etag' not in server.ask('GET', '/tagged?bytes=0').fields
    assert 'etag' not in server.ask('GET', '/large?bytes=10').fields
    for match, want in ((None, 200), (tag, 200), ('*', 200), (tag[:-1] + '-zst"', 200), ('"a", ' + tag, 200), ('W/' + tag, 412),
                        ('"x"', 412), ('', 412), (tag[1:-1], 412)):
        fields = {} if match is None else {'If_Match': match}
        equal((match, server.post('/tagged', {'bytes': 10}, **fields).status), (match, want))
    equal(server.post('/tagged', {'bytes': 11}, If_Match=tag).problem()['title'], 'Changed meanwhile')


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
def request_ids_are_in_every_answer(server):
    for method, path, fields, want in (
            ('GET', '/health', {}, 200), ('GET', '/items/7', {}, 200), ('GET', '/items/7?x=1', {}, 422), ('GET', '/health?x=1', {}, 422),
            ('GET', '/nothing', {}, 404), ('DELETE', '/echo', {}, 405), ('OPTIONS', '/echo', {}, 204), ('GET', '/docs', {}, 200),
            ('HEAD', '/items/7', {}, 200), ('GET', '/tagged/loop', {'If_None_Match': '*'}, 304), ('POST', '/echo', {'Origin': 'null'}, 403),
            ('GET', '/health', {'Host': 'x'}, 400), ('GET', '/items/%zz', {}, 400), ('POST', '/echo', {'X_Organization_ID': 'no'}, 404),
            ('POST', '/job?wait=false', {}, 202), ('GET', '/events', {'Accept': 'text/plain'}, 406), ('GET', '/large?bytes=3000', {'Accept_Encoding': 'gzip'}, 200),
            ('POST', '/files/.a', {}, 422), ('GET', '/health', {'Transfer_Encoding': 'x'}, 501)):
        answer = server.ask(method, path, X_Request_ID='shift-7', **fields)
        equal((path, answer.status, answer.fields['x-request-id']), (path, want, 'shift-7'))
        if want >= 400:
            equal(answer.problem()['request_id'], 'shift-7')
    equal(server.ask('POST', '/echo', b'x' * 1048577, Content_Type='application/json', X_Request_ID='a').fields['x-request-id'], 'a')
    made = {server.ask('GET', '/health').fields['x-request-id'] for _ in range(50)}
    equal(len(made), 50)


@test(drain_ms=5000)
def stopping_completes_what_was_begun(server):
    with server.connect() as quick, server.connect() as job, server.connect() as body:
        start_job(server, job)
        quick.sendall(b'GET /slow?ms=500 HTTP/1.1\r\n' + HOST + b'\r\n')
        body.sendall(b'POST /echo HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"coun')
        until(lambda: server.ask('GET', '/slow/count').json() == {'running': 1})
        end_job(server)
        server.process.terminate()
        until(lambda: refuses(server))
        body.sendall(b't":2}')
        equal(read_answer(body).json()['args'], {'count': 2})
        equal(read_answer(job).json(), {'trained': True})
        answer = read_answer(quick)
        equal((answer.json()['status'], answer.fields['connection']), ('ok', 'close'))
    equal(server.wait(), 0)


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
