#!/usr/bin/env python3
"""Requests that two programs could read differently: each gets 4xx, 501 or 505 and the connection's
end, never 2xx, and nothing behind it is taken for a second request."""
from harness import Answer, answers, equal, main, test

SMUGGLED = b'GET /raw/fast HTTP/1.1\r\nHost: localhost\r\n\r\n'
HOST = b'Host: localhost\r\n'


def refused(server, data, *statuses):
    """Both at once and byte by byte, both alone and with another request behind."""
    for tail in (b'', SMUGGLED):
        found = answers(server.send(data + tail))
        equal(len(found), 1)
        assert found[0].status in statuses, (found[0].status, statuses, data[:80])
        equal(found[0].fields['connection'], 'close')
        found[0].problem()
    with server.connect() as connection:
        got = b''
        try:
            for i in range(min(len(data), 400)):
                connection.sendall(data[i:i + 1])
            connection.sendall(data[400:])
            while piece := connection.recv(65536):
                got += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the last byte
        if got:
            assert Answer(got).status in statuses, got[:200]


def post(*lines, body=b'', version=b'HTTP/1.1'):
    return b'POST /raw/echo ' + version + b'\r\n' + HOST + b''.join(
        line + b'\r\n' for line in lines) + b'\r\n' + body


def get(*lines, target=b'/raw/fast', version=b'HTTP/1.1', method=b'GET'):
    return method + b' ' + target + b' ' + version + b'\r\n' + HOST + b''.join(
        line + b'\r\n' for line in lines) + b'\r\n'


VECTORS = {
    # malformed and smuggling requests that other servers let through
    'length_and_chunked': (post(b'Content-Length: 5', b'Transfer-Encoding: chunked', body=b'0\r\n\r\n'), 400),
    'chunked_and_length': (post(b'Transfer-Encoding: chunked', b'Content-Length: 5', body=b'0\r\n\r\n'), 400),
    'two_different_lengths': (post(b'Content-Length: 5', b'Content-Length: 6', body=b'hello'), 400),
    'two_equal_lengths': (post(b'Content-Length: 5', b'Content-Length: 5', body=b'hello'), 400),
    'length_list': (post(b'Content-Length: 5, 5', body=b'hello'), 400),
    'length_with_plus': (post(b'Content-Length: +5', body=b'hello'), 400),
    'length_negative': (post(b'Content-Length: -5', body=b'hello'), 400),
    'length_hexadecimal': (post(b'Content-Length: 0x5', body=b'hello'), 400),
    'length_empty': (post(b'Content-Length:', body=b'hello'), 400),
    'length_with_blank_inside': (post(b'Content-Length: 1 1', body=b'hello'), 400),
    'length_beyond_64_bits': (post(b'Content-Length: 18446744073709551621', body=b'hello'), 400),
    'blank_before_colon': (post(b'Content-Length : 5', body=b'hello'), 400),
    'blank_before_name': (get(b' X-A: b'), 400),
    'unknown_coding': (post(b'Transfer-Encoding: xchunked', body=b'0\r\n\r\n'), 501, 400),
    'coding_list': (post(b'Transfer-Encoding: gzip, chunked', body=b'0\r\n\r\n'), 501, 400),
    'chunked_twice': (post(b'Transfer-Encoding: chunked', b'Transfer-Encoding: chunked', body=b'0\r\n\r\n'), 400, 501),
    'chunked_twice_in_one': (post(b'Transfer-Encoding: chunked, chunked', body=b'0\r\n\r\n'), 501, 400),
    'chunked_then_identity': (post(b'Transfer-Encoding: chunked, identity', body=b'0\r\n\r\n'), 501, 400),
    'coding_identity': (post(b'Transfer-Encoding: identity', body=b''), 501, 400),
    'coding_with_control': (post(b'Transfer-Encoding: \x0bchunked', body=b'0\r\n\r\n'), 400),
    'coding_quoted': (post(b'Transfer-Encoding: "chunked"', body=b'0\r\n\r\n'), 501, 400),
    'bare_cr_in_value': (get(b'X-A: b\rX-B: c'), 400),
    'bare_cr_ends_line': (b'GET /raw/fast HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n', 400),
    'nul_in_value': (get(b'X-A: b\x00c'), 400),
    'nul_in_name': (get(b'X\x00A: b'), 400),
    'nul_in_target': (get(target=b'/raw/fa\x00st'), 400),
    'bare_lf_lines': (b'GET /raw/fast HTTP/1.1\nHost: localhost\n\n', 400),
    'bare_lf_in_fields': (b'GET /raw/fast HTTP/1.1\r\nHost: localhost\n\r\n', 400),
    'bare_lf_at_end': (b'GET /raw/fast HTTP/1.1\r\nHost: localhost\r\n\n', 400),
    'no_host': (b'GET /raw/fast HTTP/1.1\r\n\r\n', 400),
    'two_hosts': (get(b'Host: localhost'), 400),
    'two_different_hosts': (get(b'Host: 127.0.0.1'), 400),
    'chunk_without_crlf': (post(b'Transfer-Encoding: chunked', body=b'5\r\nhelloXX0\r\n\r\n'), 400),
    'chunk_with_bare_lf': (post(b'Transfer-Encoding: chunked', body=b'5\nhello\n0\n\n'), 400),
    'chunk_data_with_bare_lf': (post(b'Transfer-Encoding: chunked', body=b'5\r\nhello\n0\r\n\r\n'), 400),
    'chunk_size_empty': (post(b'Transfer-Encoding: chunked', body=b'\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_size_signed': (post(b'Transfer-Encoding: chunked', body=b'+5\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_size_0x': (post(b'Transfer-Encoding: chunked', body=b'0x5\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_size_with_blank': (post(b'Transfer-Encoding: chunked', body=b'5 \r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_size_overflow': (post(b'Transfer-Encoding: chunked', body=b'10000000000000005\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_extension_long': (post(b'Transfer-Encoding: chunked', body=b'5;' + b'a' * 70000 + b'\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_extension': (post(b'Transfer-Encoding: chunked', body=b'5;a=b\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_extension_empty': (post(b'Transfer-Encoding: chunked', body=b'5;\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_extension_like_size': (post(b'Transfer-Encoding: chunked', body=b'5;a=b;c\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_extension_quoted': (post(b'Transfer-Encoding: chunked', body=b'5;a="\r\nhello\r\n0\r\n\r\n"\r\n'), 400),
    'chunk_extension_on_last': (post(b'Transfer-Encoding: chunked', body=b'5\r\nhello\r\n0;a=b\r\n\r\n'), 400),
    'chunk_zeros_endless': (post(b'Transfer-Encoding: chunked', body=b'0' * 100000 + b'5\r\nhello\r\n0\r\n\r\n'), 400),
    'chunk_trailer': (post(b'Transfer-Encoding: chunked', body=b'5\r\nhello\r\n0\r\nX-A: b\r\n\r\n'), 400),
    'chunk_trailer_length': (post(b'Transfer-Encoding: chunked', body=b'0\r\nContent-Length: 5\r\n\r\n'), 400),
    'header_of_1_mb': (get(b'X-A: ' + b'b' * (1 << 20)), 431),
    'header_name_of_1_mb': (get(b'X' * (1 << 20) + b': b'), 431),
    'headers_5000': (get(*[b'X-%d: b' % i for i in range(5000)]), 431),
    'headers_101': (get(*[b'X-%d: b' % i for i in range(100)]), 431),
    'request_line_of_1_mb': (get(target=b'/' + b'a' * (1 << 20)), 414),
    # DESIGN section 4
    'folded_header': (get(b'X-A: b\r\n c'), 400),
    'folded_with_tab': (get(b'X-A: b\r\n\tc'), 400),
    'folded_coding': (post(b'Transfer-Encoding:\r\n chunked', body=b'0\r\n\r\n'), 400),
    'http_0_9': (b'GET /raw/fast\r\n\r\n', 400),
    'http_0_9_versioned': (get(version=b'HTTP/0.9'), 505),
    'rtsp_method': (get(method=b'DESCRIBE', version=b'RTSP/1.0'), 400, 501),
    'rtsp_method_on_http': (get(method=b'DESCRIBE'), 501),
    'rtsp_version': (get(version=b'RTSP/1.0'), 400),
    'ice_method': (get(method=b'SOURCE', version=b'ICE/1.0'), 400, 501),
    'ice_method_on_http': (get(method=b'SOURCE'), 501),
    'chunked_on_1_0': (post(b'Transfer-Encoding: chunked', body=b'0\r\n\r\n', version=b'HTTP/1.0'), 400),
    'version_1_2': (get(version=b'HTTP/1.2'), 505),
    'version_2_0': (get(version=b'HTTP/2.0'), 505),
    'version_3': (get(version=b'HTTP/3'), 400),
    'version_1_10': (get(version=b'HTTP/1.10'), 400),
    'version_lower_case': (get(version=b'http/1.1'), 400),
    'http2_preface': (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505),
    # more of the same kind
    'connect': (b'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n', 501),
    'trace': (get(method=b'TRACE'), 501),
    'method_lower_case': (get(method=b'get'), 501),
    'method_with_colon': (get(method=b'GE:T'), 400, 501),
    'two_blanks_in_line': (b'GET  /raw/fast HTTP/1.1\r\nHost: localhost\r\n\r\n', 400),
    'tab_in_line': (b'GET\t/raw/fast\tHTTP/1.1\r\nHost: localhost\r\n\r\n', 400),
    'blank_after_version': (b'GET /raw/fast HTTP/1.1 \r\nHost: localhost\r\n\r\n', 400, 505),
    'target_with_blank': (b'GET /raw/fa st HTTP/1.1\r\nHost: localhost\r\n\r\n', 400),
    'target_high_byte': (get(target=b'/raw/\xffast'), 400),
    'target_star': (get(target=b'*'), 400),
    'many_empty_lines': (b'\r\n' * 10 + get(), 400),
    'tls_hello': (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400),
    'field_without_colon': (get(b'Nonsense'), 400),
    'field_without_name': (get(b': value'), 400),
    'name_with_blank': (get(b'X A: b'), 400),
    'name_with_brace': (get(b'X{A}: b'), 400),
    'value_with_delete': (get(b'X-A: b\x7f'), 400),
    'value_with_escape': (get(b'X-A: \x1b[2J'), 400),
    'expectation': (post(b'Content-Length: 5', b'Expect: a-miracle', body=b'hello'), 417),
    'two_content_types': (post(b'Content-Length: 5', b'Content-Type: a/b', b'Content-Type: c/d', body=b'hello'), 400),
    'two_origins': (get(b'Origin: http://localhost', b'Origin: http://localhost'), 400),
    'two_organizations': (get(b'X-Organization-ID: a', b'X-Organization-ID: b'), 400),
}


def add(name, vector):
    def function(server):
        refused(server, *vector)
    function.__name__ = name
    test(loops=1)(function)


for vector_name, vector_value in VECTORS.items():
    add(vector_name, vector_value)


@test(loops=1)
def leading_empty_line_is_fine(server):
    equal(Answer(server.send(b'\r\n' + get(b'Connection: close'))).status, 200)


@test(loops=1)
def good_chunks_are_fine(server):
    data = post(b'Transfer-Encoding: Chunked', b'Connection: close',
                body=b'5\r\nhello\r\n00006\r\n world\r\n0\r\n\r\n')
    equal(Answer(server.send(data)).body, b'hello world')


@test(loops=1)
def limits_allow_what_they_say(server):
    fields = [b'X-%d: b' % i for i in range(98)] + [b'Connection: close']
    equal(Answer(server.send(get(*fields))).status, 200)
    target = b'/raw/fast?' + b'a' * (8192 - len(b'GET /raw/fast? HTTP/1.1'))
    equal(Answer(server.send(get(b'Connection: close', target=target))).status, 200)
    equal(Answer(server.send(get(b'Connection: close', target=target + b'a'))).status, 414)


@test(loops=1)
def upgrade_is_ignored(server):
    data = get(b'Connection: close, Upgrade', b'Upgrade: h2c')
    equal(Answer(server.send(data)).status, 200)


@test(loops=1)
def body_is_not_a_request(server):
    """A GET with a body: the body must not be read as the next request."""
    data = get(b'Content-Length: %d' % len(SMUGGLED), target=b'/raw/later') + SMUGGLED
    found = answers(server.send(data))
    equal([answer.status for answer in found], [400])


main()
