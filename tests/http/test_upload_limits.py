#!/usr/bin/env python3
"""Bodies that are files: limits, slow senders and leaving ones, on the made-up operation POST /files/{name}."""
import os
import shutil
import tempfile
import time

from harness import Answer, equal, main, read_all, read_answer, test

FOLDER = os.environ['MW_TEST_UPLOADS'] = tempfile.mkdtemp(prefix='mw-uploads-')
HEAD = b'POST /files/a.csv HTTP/1.1\r\nHost: localhost\r\n'


def left():
    uploads = os.path.join(FOLDER, 'orgs', 'default', 'uploads')
    return os.listdir(uploads) if os.path.isdir(uploads) else []


def wait_until(condition):
    while not condition():  # the test's own time limit ends it
        time.sleep(0.005)


def chunks(*pieces):
    return b''.join(b'%x\r\n%s\r\n' % (len(p), p) for p in pieces) + b'0\r\n\r\n'


@test()
def sizes(server):
    for n in (1, 65535, 262143, 262144, 262145, 1000000, 5000000):
        equal(server.ask('POST', '/files/a.csv', b'x' * n).json(), {'bytes': n})
        data = HEAD + b'Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n' + chunks(b'y' * n, b'z')
        equal(Answer(server.send(data)).json(), {'bytes': n + 1})
    equal(server.ask('POST', '/files/a.csv', b'').status, 422)
    wait_until(lambda: not left())


@test()
def one_byte_at_a_time(server):
    body = bytes(range(256)) * 2
    with server.connect() as connection:
        for byte in HEAD + b'Connection: close\r\nContent-Length: 512\r\n\r\n' + body:
            connection.sendall(bytes([byte]))
        equal(Answer(read_all(connection)).json(), {'bytes': 512})
    wait_until(lambda: not left())


@test()
def another_request_follows(server):
    with server.connect() as connection:
        first = HEAD + b'Content-Length: 300000\r\n\r\n' + b'x' * 300000
        connection.sendall(first + HEAD + b'Content-Length: 3\r\n\r\nabc')
        equal(read_answer(connection).json(), {'bytes': 300000})
        equal(read_answer(connection).json(), {'bytes': 3})


@test(upload_bytes=600000)
def too_large(server):
    equal(server.ask('POST', '/files/a.csv', b'x' * 600000).json(), {'bytes': 600000})
    equal(server.ask('POST', '/files/a.csv', b'x' * 600001).problem()['status'], 413)
    data = HEAD + b'Transfer-Encoding: chunked\r\n\r\n' + chunks(b'y' * 600000, b'z')
    equal(Answer(server.send(data)).problem()['status'], 413)
    wait_until(lambda: not left())


@test(uploads=1)
def too_many(server):
    with server.connect() as first:
        first.sendall(HEAD + b'Content-Length: 5\r\n\r\nab')
        wait_until(left)
        answer = server.ask('POST', '/files/b.csv', b'x')
        equal((answer.problem()['status'], answer.fields['retry-after']), (503, '1'))
        first.sendall(b'cde')
        equal(read_answer(first).json(), {'bytes': 5})
    equal(server.ask('POST', '/files/b.csv', b'x').json(), {'bytes': 1})
    wait_until(lambda: not left())


@test(grace_ms=200, body_min_bytes_per_s=100000)
def a_slow_sender(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b'Content-Length: 1000000\r\n\r\nab')
        equal(Answer(read_all(connection)).problem()['status'], 408)
    wait_until(lambda: not left())


@test()
def refused_before_the_body(server):
    with server.connect() as connection:
        connection.sendall(HEAD.replace(b'a.csv', b'.a') + b'Content-Length: 1000000\r\n\r\n')
        equal(Answer(read_all(connection)).problem()['pointer'], 'name')
    equal(server.ask('POST', '/files/a.csv?dataset=a/b', b'x').problem()['pointer'], 'dataset')
    equal(server.ask('POST', '/files/a.csv?x=1', b'x').problem()['pointer'], 'x')
    equal(left(), [])


def part(disposition, content, more=b''):
    return b'--B\r\nContent-Disposition: form-data; ' + disposition + b'\r\n' + more + b'\r\n' + content + b'\r\n'


FILE = b'name="f"; filename="x.csv"'


def send_form(server, body, boundary='B'):
    return server.ask('POST', '/files/a.csv', body, Content_Type='multipart/form-data; boundary=' + boundary)


@test()
def forms(server):
    for content in (b'x', b'x' * 700000, b'\r\n--' * 50000, b'\r\r\n--B'[:-1], b'\r\n\r\n'):
        equal(send_form(server, part(FILE, content) + b'--B--').json(), {'bytes': len(content)})
    body = b'preamble\r\n' + part(b'name="dataset"', b'main') + part(FILE, b'abc') + b'--B--\r\nepilogue'
    equal(send_form(server, body).json(), {'bytes': 3})
    equal(send_form(server, body.replace(b'--B', b'--a b?'), '"a b?"').json(), {'bytes': 3})
    head = HEAD + b'Connection: close\r\nContent-Type: multipart/form-data; boundary=B\r\n'
    with server.connect() as connection:
        for byte in head + b'Content-Length: %d\r\n\r\n' % len(body) + body:
            connection.sendall(bytes([byte]))
        equal(Answer(read_all(connection)).json(), {'bytes': 3})
    equal(Answer(server.send(head + b'Transfer-Encoding: chunked\r\n\r\n' + chunks(body[:40], body[40:90], body[90:]))).json(),
          {'bytes': 3})
    # A field behind the file counts, too.
    equal(send_form(server, part(FILE, b'abc') + part(b'name="dataset"', b'm') + b'--B--').json(), {'bytes': 3})
    wait_until(lambda: not left())


@test()
def bad_forms(server):
    whole = part(FILE, b'abc') + b'--B--'
    for body, want in ((b'', 400), (b'--B--', 422), (whole[:-1], 400), (whole[:-5], 400), (b'abc', 400), (part(FILE, b'') + b'--B--', 422),
                       (part(b'name="dataset"', b'x') + b'--B--', 422), (part(b'name="no"', b'x') + whole, 422),
                       (part(b'name="name"', b'x') + whole, 422), (part(b'name="dataset"', b'a/b') + whole, 422),
                       (part(FILE, b'x') + whole, 422), (whole.replace(b'\r\n', b'\n'), 400), (whole.replace(b'form-data', b'file'), 400),
                       (part(b'filename="x"', b'x') + b'--B--', 400), (part(FILE + b'; name="g"', b'x') + b'--B--', 400),
                       (part(FILE, b'x', b'Content-Transfer-Encoding: base64\r\n') + b'--B--', 400),
                       (part(FILE, b'x', b' folded\r\n') + b'--B--', 400), (part(FILE, b'x', b'nonsense\r\n') + b'--B--', 400),
                       (part(FILE, b'x', b'X: ' + b'y' * 9000 + b'\r\n') + b'--B--', 413),
                       (part(b'name="dataset"', b'x' * 5000) + whole, 413), (part(b'name="tags"', b'x' * 4000) * 20 + whole, 413),
                       (part(b'name="dataset"', b'm') * 101 + whole, 413), (b'--Bx\r\n' + whole, 400), (b'x' * 9000 + b'\r\n' + whole, 400),
                       (part(b'name="\xff"', b'x') + whole, 400), (whole + b'\r\n' + b'x' * 9000, 400)):
        equal((body[:60], send_form(server, body).problem()['status']), (body[:60], want))
    for boundary in ('', '"a ', '"a "', 'x' * 71, 'a@b', '"a', 'a\tb'):
        equal((boundary, send_form(server, whole, boundary).problem()['status']), (boundary, 415))
    equal(server.ask('POST', '/files/a.csv', whole, Content_Type='multipart/form-data; boundary=B', Content_Encoding='gzip').status, 415)
    wait_until(lambda: not left())


@test()
def expect_continue(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b'Expect: 100-continue\r\nContent-Length: 3\r\n\r\n')
        equal(read_answer(connection).status, 100)
        connection.sendall(b'abc')
        equal(read_answer(connection).json(), {'bytes': 3})


@test(drain_ms=100)
def stopped_in_the_middle(server):
    with server.connect() as connection:
        connection.sendall(HEAD + b'Content-Length: 1000000\r\n\r\n' + b'x' * 400000)
        wait_until(left)
        equal(server.stop(), 0)
    equal(left(), [])


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
