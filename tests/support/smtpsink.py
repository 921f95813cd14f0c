#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mail server that delivers nowhere: each message becomes one *.eml file in a directory.

It answers like a real server where a test needs it to: a recipient whose local part starts with "tempfail" is
refused for now (451), one that starts with "permfail" for good (550). With a certificate it offers STARTTLS.
A message is complete as soon as its file is visible; its first two lines carry the envelope.
"""
import argparse
import asyncio
import itertools
import os
import ssl
import time

from aiosmtpd.smtp import SMTP


def publish(path, data):
    """Writes a file that others see complete or not at all."""
    with open(path + ".part", "wb") as out:
        out.write(data)
    os.rename(path + ".part", path)


class Sink:
    def __init__(self, directory):
        self.directory = directory
        self.serial = itertools.count(1)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("tempfail"):
            return "451 4.2.1 mailbox busy, try again later"
        if address.startswith("permfail"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        name = f"{time.time_ns() // 1000000}-{next(self.serial):06d}.eml"
        publish(os.path.join(self.directory, name), head.encode() + envelope.content)
        return "250 2.0.0 accepted as " + name


async def serve(args):
    tls = None
    if args.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.tls_cert, args.tls_key)
    sink = Sink(args.dir)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="smtpsink.example.org", tls_context=tls, enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1", args.port)
    port = server.sockets[0].getsockname()[1]
    publish(args.port_file, b"%d\n" % port)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--dir", required=True, help="where the *.eml files go")
    parser.add_argument("--port-file", required=True, help="gets the port as soon as mail is accepted")
    parser.add_argument("--tls-cert", help="certificate (PEM); offers STARTTLS")
    parser.add_argument("--tls-key", help="its key (PEM)")
    args = parser.parse_args()
    if bool(args.tls_cert) != bool(args.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    os.makedirs(args.dir, exist_ok=True)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
