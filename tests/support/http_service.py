#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web service for tests (http_service.h): prints its port, answers as the path says, ends when standard input does."""
import asyncio
import base64
import hashlib
import hmac
import os
import resource
import sys
import threading
import time
import urllib.parse


class Counts:
    connections = inside = most = 0


class Request:
    def __init__(self, line, headers, body, writer):
        self.line, self.headers, self.body, self.writer = line, headers, body, writer
        self.path = line.split(" ")[1]
        self.waits = self.path.startswith(("/silence", "/gate/", "/meet/"))

    async def answer(self, status, body=b"", **headers):
        if self.waits:
            headers["connection"] = "close"
        lines = [f"HTTP/1.1 {status} Test"] + [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join(lines + [f"content-length: {len(body)}", "", ""]).encode() + body)
        await self.writer.drain()


async def do_status(request, argument):
    await request.answer(int(argument), f"said {argument}".encode())


async def do_as_told(request, _):
    status = int(request.body)
    await request.answer(status, b"" if status in (204, 304) else request.body)


async def do_retry_after(request, argument):
    await request.answer(503, retry_after=urllib.parse.unquote(argument))


async def do_echo(request, _):
    head = "".join(f"{name}: {value}\n" for name, value in sorted(request.headers.items()))
    await request.answer(200, f"{' '.join(request.line.split(' ')[:2])}\n{head}\n".encode() + request.body)


async def do_bytes(request, argument):
    await request.answer(200, bytes(int(argument)))


async def do_redirect(request, _):
    await request.answer(302, location="/echo")


async def do_silence(request, _):
    await asyncio.Event().wait()


async def do_drip(request, argument):
    request.writer.write(b"HTTP/1.1 200 OK\r\n" + (b"content-length: 100000\r\n\r\n" if argument == "body" else b"x: "))
    while True:
        request.writer.write(b"a")
        await request.writer.drain()
        await asyncio.sleep(0.02)


async def do_headers(request, argument):
    lines = b"".join(b"x-%d: " % i + b"a" * 1000 + b"\r\n" for i in range(int(argument)))
    request.writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"content-length: 0\r\n\r\n")
    await request.writer.drain()


async def do_flaky(request, _):
    await request.answer(503 if request.headers["job-attempt"] == "1" else 200, request.body)


meetings = {}


async def do_meet(request, argument):
    met = meetings.setdefault(argument, [0, asyncio.Event()])
    met[0] += 1
    if met[0] == int(argument):
        met[1].set()
    await met[1].wait()
    await request.answer(200)


gates = {}


def gate(name):
    return gates.setdefault(name, asyncio.Event())


async def do_gate(request, argument):
    await gate(argument).wait()
    await request.answer(200, request.body)


async def do_open(request, argument):
    gate(argument).set()
    await request.answer(200)


async def do_wait(request, argument):
    await asyncio.sleep(int(argument) / 1000)
    await request.answer(200)


async def do_counts(request, _):
    await request.answer(200, f"{Counts.connections} {Counts.inside - 1} {Counts.most}".encode())


async def do_signed(request, argument):
    """Standard Webhooks, as a receiver with this one key verifies them."""
    key = base64.b64decode(urllib.parse.unquote(argument))
    ident, when = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "0")
    content = f"{ident}.{when}.".encode() + request.body
    expected = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    fits = any(hmac.compare_digest(expected, one) for one in request.headers.get("webhook-signature", "").split(" "))
    fresh = abs(time.time() - int(when)) < 300
    await request.answer(200 if fits and fresh and ident == request.headers["idempotency-key"] else 401)


async def do_nothing(request, _):
    await request.answer(404)


async def read_request(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2]))
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    return Request(head[0], fields, body, writer)


async def perform(request, reader):
    """Or gives up when the client does."""
    name, _, argument = request.path[1:].partition("/")
    work = asyncio.ensure_future(globals().get("do_" + name.replace("-", "_"), do_nothing)(request, argument))
    if request.waits:
        gone = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            return
    await work


async def serve(reader, writer):
    Counts.connections += 1
    try:
        while True:
            request = await read_request(reader, writer)
            Counts.inside += 1
            Counts.most = max(Counts.most, Counts.inside)
            try:
                await perform(request, reader)
            finally:
                Counts.inside -= 1
            if request.waits:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_input():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    threading.Thread(target=end_with_input, daemon=True).start()
    asyncio.run(main())
