#!/usr/bin/env python3
"""A service that speaks S3 as far as Millwright uses it, for tests; standard library only. Checks every signature by its own reading of the protocol.

    s3_server.py [PORT]         key "test-key", secret "test-secret", region us-east-1; any bucket exists but "none"

Prints its port and serves until its standard input ends. POST /_control with a line of JSON: {"fail": N, "code": 503} lets the next N requests fail;
{"cut": N} cuts the bodies of the next N downloads; {"damage": "BUCKET/KEY"} flips a bit; {"lose_complete": N} answers the next N completed uploads with
500 although they are done; {"count": true} answers how many requests there were and which uploads are open.
"""
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import urllib.parse
from xml.sax.saxutils import escape

PAGE = 500
objects, uploads, control = {}, {}, {"fail": 0, "code": 503, "cut": 0, "lose_complete": 0, "n": 0}
lock = threading.Lock()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_of(method, path, query, headers, names, payload, date, scope):
    canonical = "\n".join([method, path, query] + [f"{name}:{headers[name].strip()}" for name in names] + ["", ";".join(names), payload])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4test-secret"
    for part in scope.split("/"):
        key = mac(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body=b"", headers=(), length=None):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fault(self, code, name):
        self.answer(code, f"<Error><Code>{name}</Code></Error>".encode())

    def is_signed(self, body):
        words = self.headers.get("Authorization", "")
        if not words.startswith("AWS4-HMAC-SHA256 "):
            return False
        fields = dict(field.split("=", 1) for field in words.split(" ", 1)[1].split(","))
        key, scope = fields["Credential"].split("/", 1)
        names = fields["SignedHeaders"].split(";")
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = urllib.parse.urlsplit(self.path)
        query = "&".join(sorted(url.query.split("&"))) if url.query else ""
        payload = headers.get("x-amz-content-sha256", "")
        if payload != hashlib.sha256(body).hexdigest() or any(name.startswith("x-amz-") and name not in names for name in headers):
            return False
        right = signature_of(self.command, url.path, query, headers, names, payload, headers["x-amz-date"], scope)
        return key == "test-key" and "host" in names and hmac.compare_digest(right, fields["Signature"])

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/_control":
            return self.do_control(json.loads(body))
        with lock:
            control["n"] += 1
            failing = control["fail"] > 0
            control["fail"] -= failing
        if failing:
            return self.fault(control["code"], "SlowDown")
        if not self.is_signed(body):
            return self.fault(403, "SignatureDoesNotMatch")
        url = urllib.parse.urlsplit(self.path)
        name = urllib.parse.unquote(url.path)[1:]
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if name.split("/")[0] == "none":
            return self.fault(404, "NoSuchBucket")
        with lock:
            return getattr(self, "on_" + self.command.lower())(name, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

    def do_control(self, wanted):
        with lock:
            if "damage" in wanted:
                body, meta = objects[wanted["damage"]]
                objects[wanted["damage"]] = (body[:-1] + bytes([body[-1] ^ 1]), meta)
            for name in ("fail", "code", "cut", "lose_complete"):
                control[name] = wanted.get(name, control[name])
            self.answer(200, json.dumps({"n": control["n"], "uploads": len(uploads), "objects": sorted(objects)}).encode())

    def on_put(self, name, query, body):
        if "uploadId" in query:
            upload = uploads.get(query["uploadId"])
            if not upload:
                return self.fault(404, "NoSuchUpload")
            etag = '"' + hashlib.md5(body).hexdigest() + '"'
            upload["parts"][int(query["partNumber"])] = (etag, body)
            return self.answer(200, headers=[("ETag", etag)])
        objects[name] = (body, self.headers.get("x-amz-meta-sha256"))
        return self.answer(200, headers=[("ETag", '"' + hashlib.md5(body).hexdigest() + '"')])

    def on_post(self, name, query, body):
        if "uploads" in query:
            upload_id = f"{len(uploads)}+/=&{os.urandom(4).hex()}"
            uploads[upload_id] = {"name": name, "meta": self.headers.get("x-amz-meta-sha256"), "parts": {}}
            return self.answer(200, f"<R><UploadId>{escape(upload_id)}</UploadId></R>".encode())
        upload = uploads.pop(query["uploadId"], None)
        if not upload:
            return self.fault(404, "NoSuchUpload")
        parts = [upload["parts"][i + 1] for i in range(len(upload["parts"]))]
        wanted = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{etag}</ETag></Part>" for i, (etag, _) in enumerate(parts))
        if wanted.encode() not in body:
            return self.fault(400, "InvalidPart")
        objects[name] = (b"".join(piece for _, piece in parts), upload["meta"])
        if control["lose_complete"] > 0:
            control["lose_complete"] -= 1
            return self.fault(500, "InternalError")
        return self.answer(200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

    def on_head(self, name, query, body):
        if name not in objects:
            return self.answer(404)
        content, meta = objects[name]
        return self.answer(200, headers=[("x-amz-meta-sha256", meta)] if meta else [], length=len(content))

    def on_get(self, name, query, body):
        if query.get("list-type") == "2":
            return self.list(name.rstrip("/"), query)
        if name not in objects:
            return self.fault(404, "NoSuchKey")
        content = objects[name][0]
        if control["cut"] > 0:
            control["cut"] -= 1
            self.answer(200, content[:len(content) // 2], length=len(content))
            self.close_connection = True
            return None
        return self.answer(200, content)

    def list(self, bucket, query):
        names = sorted(key[len(bucket) + 1:] for key in objects if key.startswith(bucket + "/" + query["prefix"]))
        after = query.get("continuation-token", "")[len("after&"):]
        names = [name for name in names if name > after]
        more = len(names) > PAGE
        text = "".join(f"<Contents><Key>{escape(name)}</Key></Contents>" for name in names[:PAGE])
        token = f"<NextContinuationToken>after&amp;{escape(names[PAGE - 1])}</NextContinuationToken>" if more else ""
        self.answer(200, f"<R><IsTruncated>{str(more).lower()}</IsTruncated>{text}{token}</R>".encode())

    def on_delete(self, name, query, body):
        if "uploadId" in query:
            return self.answer(204 if uploads.pop(query["uploadId"], None) else 404)
        objects.pop(name, None)
        return self.answer(204)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


main()
