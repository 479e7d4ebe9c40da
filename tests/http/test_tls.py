#!/usr/bin/env python3
"""TLS: the transport under it on made-up operations, and certificates that change under the real program."""
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import warnings

import plant_client
from harness import Answer, answers, equal, main, read_all, test

FOLDER = tempfile.mkdtemp(prefix='mw-tls-')
warnings.simplefilter('ignore', DeprecationWarning)  # of the versions that are to be refused


def make_certificate(name, days=30, kind=('ec', '-pkeyopt', 'ec_paramgen_curve:P-256')):
    """(certificate, key, both in one file), made by openssl."""
    cert, key, both = (os.path.join(FOLDER, name + end) for end in ('.crt', '.key', '.pem'))
    subprocess.run(['openssl', 'req', '-x509', '-newkey', *kind, '-nodes', '-days', str(days), '-subj', '/CN=' + name, '-keyout', key,
                    '-out', cert, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'], check=True, capture_output=True)
    os.chmod(key, 0o600)
    with open(both, 'w') as f:
        os.chmod(both, 0o600)
        f.write(open(cert).read() + open(key).read())
    return cert, key, both


CERT, KEY, BOTH = make_certificate('first')


def context(cert=CERT, alpn=('http/1.1',), version=None):
    made = ssl.create_default_context(cafile=cert)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def connect(server, made=None):
    return (made or context()).wrap_socket(server.connect(), server_hostname='localhost')


def request(path, body=b'', more=b''):
    method = b'POST' if body else b'GET'
    length = b'Content-Length: %d\r\nContent-Type: application/json\r\n' % len(body) if body else b''
    return method + b' ' + path.encode() + b' HTTP/1.1\r\nHost: localhost\r\n' + length + more + b'\r\n' + body


CLOSE = b'Connection: close\r\n'


def ask(server, path, body=b'', made=None):
    with connect(server, made) as connection:
        connection.sendall(request(path, body, CLOSE))
        return Answer(read_all(connection))


def metric(text, name):
    return int(next(line.split()[1] for line in text.split('\n') if line.startswith(name + ' ')))


def wait_until(condition):
    while not condition():  # the test's own time limit ends it
        time.sleep(0.005)


@test(cert=BOTH)
def requests_and_answers(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = context(version=version)
        equal(ask(server, '/health', made=made).json()['status'], 'ok')
        with connect(server, made) as connection:
            equal(connection.selected_alpn_protocol(), 'http/1.1')
            connection.sendall(b''.join(request('/items/%d' % i) for i in range(50)) + request('/health', more=CLOSE))
            found = answers(read_all(connection))
            equal([a.json()['args']['id'] for a in found[:50]], [str(i) for i in range(50)])
            equal(len(found), 51)
    for size in (1, 16384, 16385, 65536, 10000000):
        equal(ask(server, '/large?bytes=%d' % size).body, b'7' * size)
    name = 'x' * 4000
    equal(ask(server, '/echo', json.dumps({'name': name}).encode()).json()['args']['name'], name)
    equal(ask(server, '/raw/sink', b'y' * 3000000).status, 200)
    equal(ask(server, '/raw/stream?bytes=2000000').status, 200)
    equal(ask(server, '/health', made=context(alpn=())).status, 200)
    equal(ask(server, '/health', made=context(alpn=('h2', 'http/1.1'))).status, 200)


@test(cert=BOTH)
def one_byte_at_a_time(server):
    made = context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = made.wrap_bio(incoming, outgoing, server_hostname='localhost')
    with server.connect() as connection:
        def push():
            for byte in outgoing.read():
                connection.sendall(bytes([byte]))

        def step(function):
            while True:
                try:
                    return function()
                except ssl.SSLWantReadError:
                    push()
                    incoming.write(connection.recv(65536))
        step(tls.do_handshake)
        tls.write(request('/items/7'))
        push()
        data = step(lambda: tls.read(65536))
        equal(Answer(data).json()['args']['id'], '7')


@test(cert=BOTH)
def what_is_not_taken(server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(['h2'])
    for change in (lambda: None, lambda: setattr(made, 'maximum_version', ssl.TLSVersion.TLSv1_1)):
        change()
        try:
            connect(server, made).close()
            raise AssertionError('a handshake that should fail did not')
        except (ssl.SSLError, ConnectionResetError):
            pass
        made.set_alpn_protocols(['http/1.1'])
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.set_ciphers('ALL:@SECLEVEL=0')
    for data in (request('/health'), b'GET / HTTP/1.0\r\n\r\n', b'nonsense', b'PRI * HTTP/2.0\r\n\r\n'):
        answer = Answer(server.send(data, end=True))
        equal((answer.problem()['status'], answer.fields['connection']), (400, 'close'))
        assert 'https://' in answer.problem()['hint']
    for data in (b'\x16\x03\x01', b'\x16\x03\x01\x40\x00' + b'x' * 20000, b'\x16' * 5000, b'\x16\x03\x01\x00\x05hello'):
        server.send(data, end=True)  # closed, with or without an alert
    equal(ask(server, '/health').status, 200)
    text = ask(server, '/metrics').body.decode()
    assert metric(text, 'millwright_tls_handshake_failures_total') >= 4, text
    assert metric(text, 'millwright_tls_handshakes_total') >= 2, text
    left = metric(text, 'millwright_tls_certificate_not_after_seconds') - time.time()
    assert 29 * 86400 < left < 31 * 86400, left


@test(cert=BOTH, handshake_timeout_ms=200)
def slow_handshakes_are_cut(server):
    begun = time.monotonic()
    silent = [server.connect() for _ in range(20)]
    slow = server.connect()
    slow.sendall(b'\x16\x03\x01')
    time.sleep(0.1)
    slow.sendall(b'\x02')  # a byte now and then does not help
    for connection in silent + [slow]:
        equal(connection.recv(10), b'')
        connection.close()
    assert time.monotonic() - begun < 5
    # Whoever has shaken hands may be as slow as under HTTP.
    with connect(server) as connection:
        time.sleep(0.5)
        connection.sendall(request('/health', more=CLOSE))
        equal(Answer(read_all(connection)).status, 200)


@test(cert=BOTH)
def ends_are_told(server):
    with connect(server) as connection:
        connection.sendall(request('/health', more=CLOSE))
        read_all(connection)  # ends by close_notify: a cut would raise
        connection.unwrap()
    with connect(server) as connection:
        connection.sendall(request('/health'))
        connection.recv(65536)
        connection.unwrap().close()
    with connect(server) as connection:
        connection.sendall(request('/slow?ms=100'))
        try:
            connection.unwrap()  # before its answer, which still comes: only one side has ended
        except ssl.SSLError as error:
            equal(error.reason, 'APPLICATION_DATA_AFTER_CLOSE_NOTIFY')
    wait_until(lambda: metric(ask(server, '/metrics').body.decode(), 'millwright_http_open_connections') == 1)


@test(cert=BOTH, tick_ms=20)
def streams(server):
    with connect(server) as connection:
        connection.sendall(request('/events?bytes=5000'))
        ask(server, '/events?by=3', b'{}')
        data = b''
        while data.count(b'event: count') < 3:
            data += connection.recv(65536)
        server.process.terminate()
        data += read_all(connection)
        assert b'retry: 2000' in data and data.endswith(b'0\r\n\r\n'), data[-200:]
        equal(server.wait(), 0)


@test(cert=BOTH, drain_ms=5000)
def an_open_request_is_answered_at_the_end(server):
    with connect(server) as connection, connect(server) as idle:
        connection.sendall(request('/slow?ms=300'))
        wait_until(lambda: ask(server, '/slow/count').json()['running'] == 1)
        server.process.terminate()
        equal(Answer(read_all(connection)).json()['status'], 'ok')
        equal(read_all(idle), b'')
        equal(server.wait(), 0)


@test(cert=BOTH, loops=1)
def resumption(server):
    made = context(version=ssl.TLSVersion.TLSv1_3)
    with connect(server, made) as connection:
        connection.sendall(request('/health'))
        connection.recv(65536)
        session = connection.session
    with made.wrap_socket(server.connect(), server_hostname='localhost', session=session) as connection:
        connection.sendall(request('/health', more=CLOSE))
        equal(Answer(read_all(connection)).status, 200)
        equal(connection.session_reused, True)


@test(cert=BOTH)
def a_thousand_connections(server):
    made = context()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = min(1000, (hard - 100) if hard > 0 else 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = [connect(server, made) for _ in range(n)]
    for connection in connections:
        connection.sendall(request('/health'))
    for connection in connections:
        equal(Answer(connection.recv(65536)).status, 200)
    equal(metric(ask(server, '/metrics').body.decode(), 'millwright_http_open_connections'), n + 1)
    for connection in connections:
        connection.close()
    wait_until(lambda: metric(ask(server, '/metrics').body.decode(), 'millwright_http_open_connections') == 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- the program ----

class Program:
    """millwright serve with a certificate; what it logs is in `log`."""

    def __init__(self, cert, key, **env):
        self.data = tempfile.mkdtemp(dir=FOLDER)
        self.server = plant_client.Server(self.data, '--tls-cert', cert, '--tls-key', key, *env.get('more', ()))
        self.port = self.server.port

    def connect(self):
        return socket.create_connection(('127.0.0.1', self.port), timeout=20)

    def log(self):
        with open(os.path.join(self.data, 'logs', 'millwright.log')) as f:
            return f.read()

    def serves(self, cert):
        try:
            return ask(self, '/health', made=context(cert)).status == 200
        except ssl.SSLError:
            return False


def refused(*options):
    done = subprocess.run([plant_client.BINARY, 'serve', '--port', '0', '--data', tempfile.mkdtemp(dir=FOLDER), *options],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0, done
    return done.stderr


@test()
def certificates_that_cannot_be_used(server):
    cert, key, both = make_certificate('other')
    assert 'needs a certificate and its key' in refused('--tls-cert', cert)
    assert 'needs a certificate and its key' in refused('--tls-key', key)
    assert 'is not that of the certificate' in refused('--tls-cert', CERT, '--tls-key', key)
    assert 'has no certificate' in refused('--tls-cert', key, '--tls-key', key)
    no_key = os.path.join(FOLDER, 'no.key')
    shutil.copy(cert, no_key)
    os.chmod(no_key, 0o600)
    assert 'has no key' in refused('--tls-cert', cert, '--tls-key', no_key)
    assert 'No such file' in refused('--tls-cert', cert + '.none', '--tls-key', key)
    locked = os.path.join(FOLDER, 'locked.key')
    subprocess.run(['openssl', 'ec', '-in', key, '-aes128', '-passout', 'pass:secret', '-out', locked], check=True, capture_output=True)
    os.chmod(locked, 0o600)
    assert 'without a password' in refused('--tls-cert', cert, '--tls-key', locked)
    os.chmod(key, 0o644)
    said = refused('--tls-cert', cert, '--tls-key', key)
    assert 'everybody on this machine may use the key' in said and 'chmod 600 ' + key in said, said
    os.chmod(key, 0o640)  # a group of its own may
    program = Program(cert, key)
    assert program.serves(cert)
    equal(program.server.stop(), 0)


@test()
def certificates_are_read_again(server):
    cert, key, _ = make_certificate('one')
    old = os.path.join(FOLDER, 'old.crt')
    shutil.copy(cert, old)
    program = Program(cert, key)
    assert program.serves(old)
    kept = connect(program, context(old))
    kept.sendall(request('/health'))
    equal(Answer(kept.recv(65536)).status, 200)
    new_cert, new_key, _ = make_certificate('two', kind=('rsa:2048',))
    os.replace(new_key, key)  # the key first: for a moment they do not go together
    shutil.copy(new_cert, cert)
    wait_until(lambda: program.serves(new_cert))
    assert not program.serves(old)
    kept.sendall(request('/items', more=b''))  # goes on as it began
    equal(Answer(kept.recv(65536)).status, 404)
    with open(cert, 'w') as f:
        f.write('nonsense')
    wait_until(lambda: 'the certificate stays as it was' in program.log())
    assert program.serves(new_cert)
    count = program.log().count('the certificate stays as it was')
    program.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: program.log().count('the certificate stays as it was') == count + 1)
    assert program.serves(new_cert)
    shutil.copy(old, cert)
    program.server.process.send_signal(signal.SIGHUP)  # does not fit the key: stays
    wait_until(lambda: program.log().count('the certificate stays as it was') >= count + 2)
    shutil.copy(new_cert, cert)
    program.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: program.log().count('the certificate was read again') >= 2)
    text = ask(program, '/metrics', made=context(new_cert)).body.decode()
    assert metric(text, 'millwright_tls_reload_failures_total') >= 3, text
    kept.close()
    equal(program.server.stop(), 0)


if __name__ == '__main__':
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
