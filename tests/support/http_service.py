#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web service for tests (http_service.h): prints its port, answers as the path says, ends when standard input does."""
import http.server
import os
import sys
import threading
import urllib.parse


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # it has read enough

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        verb, _, argument = self.path[1:].partition("/")
        if verb == "status":
            self.answer(int(argument), f"said {argument}".encode())
        elif verb == "as-told":
            self.answer(int(body), b"" if int(body) in (204, 304) else body)
        elif verb == "retry-after":
            self.answer(503, retry_after=urllib.parse.unquote(argument))
        elif verb == "echo":
            head = "".join(f"{name.lower()}: {value}\n" for name, value in sorted(self.headers.items()))
            self.answer(200, f"{self.command} {self.path}\n{head}\n".encode() + body)
        elif verb == "bytes":
            self.answer(200, bytes(int(argument)))
        elif verb == "redirect":
            self.answer(302, location="/echo")
        elif verb == "silence":
            threading.Event().wait()
        elif verb == "flaky":
            self.answer(503 if self.headers["job-attempt"] == "1" else 200, body)
        else:
            self.answer(404)

    def log_message(self, format, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


server = Server(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
