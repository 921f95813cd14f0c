#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mail server that delivers nowhere: each message becomes one *.eml file in a directory.

It answers like a real server where a test needs it to, by the start of the recipient's local part: "tempfail" is
refused for now (451; "goaway": 421), "permfail" for good (550); "quitafter" is taken, but then the connection
ends without a word, as when a server is restarted. With a certificate it offers STARTTLS, with credentials it
insists on a login.

A message is complete as soon as its file is visible. Its first lines tell what the message does not: the
envelope, and the session ("<client port> <TLS version or plain> <user or ->").
"""
import argparse
import asyncio
import itertools
import logging
import os
import ssl
import time
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


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
        if address.startswith("goaway"):
            return "421 4.3.2 shutting down"
        session.quit_after = address.startswith("quitafter")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        tls = server.transport.get_extra_info("ssl_object")
        head = (f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
                f"X-Session: {session.peer[1]} {tls.version() if tls else 'plain'} {session.auth_data or '-'}\r\n")
        name = f"{time.time_ns() // 1000000}-{next(self.serial):06d}.eml"
        publish(os.path.join(self.directory, name), head.encode() + envelope.content)
        if session.quit_after:
            asyncio.get_running_loop().call_soon(server.transport.close)  # after the answer is written
        return "250 2.0.0 accepted as " + name


def make_authenticator(credentials):
    user, password = credentials.encode().split(b":", 1)

    def authenticate(server, session, envelope, mechanism, login):
        if (login.login, login.password) != (user, password):
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=user.decode())
    return authenticate


async def serve(args):
    tls = None
    if args.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.tls_cert, args.tls_key)
    sink = Sink(args.dir)
    loop = asyncio.get_running_loop()
    options = {"hostname": "smtpsink.example.org", "tls_context": tls, "enable_SMTPUTF8": True, "loop": loop}
    if args.auth:
        options.update(auth_required=True, auth_require_tls=bool(tls),
                       authenticator=make_authenticator(args.auth))
    server = await loop.create_server(lambda: SMTP(sink, **options), "127.0.0.1", args.port)
    port = server.sockets[0].getsockname()[1]
    if args.port_file == "-":
        os.write(1, b"%d\n" % port)  # at once: who has read the line may close the pipe
    else:
        publish(args.port_file, b"%d\n" % port)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--dir", required=True, help="where the *.eml files go")
    parser.add_argument("--port-file", required=True,
                        help="gets the port as soon as mail is accepted; - is standard output")
    parser.add_argument("--tls-cert", help="certificate (PEM); offers STARTTLS")
    parser.add_argument("--tls-key", help="its key (PEM)")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="takes mail only after this login")
    args = parser.parse_args()
    if bool(args.tls_cert) != bool(args.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of what tests ask for
    warnings.simplefilter("ignore", UserWarning)
    os.makedirs(args.dir, exist_ok=True)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
