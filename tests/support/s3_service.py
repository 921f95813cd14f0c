#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Storage that speaks enough of S3 to take one PUT: s3_service.py DIRECTORY ACCESS-KEY SECRET-KEY [CERTIFICATE KEY].

It checks every signature by itself, from the description of Signature Version 4 and nothing else, and the body by its
checksum. Objects become files in DIRECTORY, their names percent-encoded as they came. By the first part of a key it
answers like storage that has trouble: "busy" 503, "denied" 403, "silent" not at all, "half" with half
a status line. The port is the first line of its output. It ends with its standard input.
"""
import datetime
import hashlib
import hmac
import os
import ssl
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER, ACCESS, SECRET = sys.argv[1:4]


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def expected_signature(method, path, headers, signed, scope, moment):
    date, region, service, kind = scope.split("/")
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in signed)
    # S3 encodes each part of the path once; so it must look as it came.
    uri, _, query = path.partition("?")
    if urllib.parse.quote(urllib.parse.unquote(uri), safe="/-_.~") != uri or query:
        return "path is not in its canonical form"
    canonical = "\n".join([method, uri, query, lines, ";".join(signed), headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (date, region, service, kind):
        key = sign(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, code=""):
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def refusal(self, headers, body):
        """What is wrong with the signature; None."""
        given = headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        parts = dict(part.strip().split("=", 1) for part in given.split(" ", 1)[1].split(","))
        access, _, scope = parts["Credential"].partition("/")
        signed, moment = parts["SignedHeaders"].split(";"), headers["x-amz-date"]
        now = datetime.datetime.utcnow()
        if access != ACCESS or not scope.endswith("/s3/aws4_request") or not moment.startswith(scope.split("/")[0]):
            return "InvalidAccessKeyId"
        if abs(datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ") - now) > datetime.timedelta(minutes=15):
            return "RequestTimeTooSkewed"
        if signed != sorted(signed) or not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(signed):
            return "AccessDenied"
        if hashlib.sha256(body).hexdigest() != headers["x-amz-content-sha256"]:
            return "XAmzContentSHA256Mismatch"
        if expected_signature(self.command, self.path, headers, signed, scope, moment) != parts["Signature"]:
            return "SignatureDoesNotMatch"
        return None

    def do_PUT(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers["content-length"]))
        key = self.path.split("/", 2)[2]
        trouble = key.split("/")[0]
        if trouble == "silent":
            self.close_connection = True
            return
        wrong = self.refusal(headers, body)
        if wrong or trouble in ("busy", "denied"):
            self.answer(503 if trouble == "busy" else 403, wrong or {"busy": "SlowDown", "denied": "AccessDenied"}[trouble])
            return
        if trouble == "half":
            self.wfile.write(b"HTTP/1.1 2")
            self.close_connection = True
            return
        with open(os.path.join(FOLDER, key.replace("/", "|")), "wb") as file:
            file.write(body)
        with open(os.path.join(FOLDER, "headers"), "w", encoding="utf-8") as file:
            file.write("".join(f"{name}: {value}\n" for name, value in sorted(headers.items())))
        self.answer(200)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[4], sys.argv[5])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
