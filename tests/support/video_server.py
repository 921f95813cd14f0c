#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An https server for tests of jobs/encode: prints its port, serves files of a folder or misbehaves as the path says.

video_server.py FOLDER CERTIFICATE KEY; ends when standard input does.
"""
import http.server
import os
import ssl
import sys
import threading

FOLDER, CERTIFICATE, KEY = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def endless(self):
        """No length, no end."""
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(bytes(65536))

    def silent(self):
        """A length, a first byte, and nothing more until the other side is gone."""
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"x")
        self.rfile.read(1)

    def do_GET(self):
        kind, _, rest = self.path[1:].partition("/")
        try:
            if kind == "status":
                self.answer(int(rest), b"no", retry_after="7")
            elif kind == "redirect":
                self.answer(302, location=rest)
            elif kind == "half":
                self.answer(200, b"half", content_length="1000")
            elif kind == "large":
                self.answer(200, b"", content_length=str(1 << 40))
            elif kind in ("endless", "silent"):
                getattr(self, kind)()
            else:
                with open(os.path.join(FOLDER, kind), "rb") as file:
                    self.answer(200, file.read())
        except OSError:
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that goes away, or does not like our certificate


def main():
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()
