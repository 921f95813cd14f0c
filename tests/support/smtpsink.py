#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A mail server that delivers nowhere: each message becomes one *.eml file in a directory.

It answers like a real server where a test needs it to, by the start of the recipient's local part: "tempfail" is
refused for now (451; "goaway": 421), "permfail" for good (550); "fulldata" and "spamdata" are taken, but their mail
is refused, for now (452) and for good (554); "greylist" is refused (451) when it is seen first; "quitafter" is taken, but then the connection ends without a word, as
when a server is restarted. With a certificate it offers STARTTLS or speaks TLS from the first byte, with credentials
or a token it insists on a login.

A message is complete as soon as its file is visible. Its first lines tell what the message does not: the
envelope, and the session ("<client port> <TLS version or plain> <user or ->"), with a login its mechanism.
"""
import argparse
import asyncio
import base64
import itertools
import logging
import os
import re
import ssl
import time
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


MECHANISMS = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")


def publish(path, data):
    """Writes a file that others see complete or not at all."""
    with open(path + ".part", "wb") as out:
        out.write(data)
    os.rename(path + ".part", path)


class Sink:
    def __init__(self, directory, token=None):
        self.directory = directory
        self.token = token
        self.seen = set()
        self.serial = itertools.count(1)

    async def authenticate_bearer(self, server, args, user_pattern, mechanism):
        """What RFC 7628 and its older cousin have in common."""
        said = base64.b64decode(args[1]) if len(args) > 1 else await server.challenge_auth("")
        user, token = re.search(user_pattern, said), re.search(rb"auth=Bearer ([^\x01]*)\x01\x01$", said)
        if not self.token or not user or not token or (user[1] + b":" + token[1]).decode() != self.token:
            return AuthResult(success=False, handled=False)
        server.session.mechanism = mechanism
        return AuthResult(success=True, auth_data=user[1].decode())

    async def auth_XOAUTH2(self, server, args):
        return await self.authenticate_bearer(server, args, rb"^user=([^\x01]*)\x01", "XOAUTH2")

    async def auth_OAUTHBEARER(self, server, args):
        return await self.authenticate_bearer(server, args, rb"^n,a=([^,]*),\x01", "OAUTHBEARER")

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("tempfail"):
            return "451 4.2.1 mailbox busy, try again later"
        if address.startswith("greylist") and address not in self.seen:
            self.seen.add(address)
            return "451 4.7.1 come back later"
        if address.startswith("permfail"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("goaway"):
            return "421 4.3.2 shutting down"
        if address.startswith(("fulldata", "spamdata")):
            session.refuse_data = "452 4.3.1 disk full" if address.startswith("full") else "554 5.7.1 looks like spam"
        session.quit_after = address.startswith("quitafter")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        refusal = getattr(session, "refuse_data", None)
        if refusal:
            session.refuse_data = None
            return refusal
        tls = server.transport.get_extra_info("ssl_object")
        head = (f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
                f"X-Session: {session.peer[1]} {tls.version() if tls else 'plain'} {session.auth_data or '-'}\r\n")
        if session.authenticated:
            head += f"X-Mechanism: {session.mechanism}\r\n"
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
        session.mechanism = mechanism
        return AuthResult(success=True, auth_data=user.decode())
    return authenticate


async def serve(args):
    tls = None
    if args.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.tls_cert, args.tls_key)
    sink = Sink(args.dir, args.token)
    loop = asyncio.get_running_loop()
    options = {"hostname": "smtpsink.example.org", "enable_SMTPUTF8": not args.no_utf8, "loop": loop}
    if args.size:
        options.update(data_size_limit=args.size)
    if tls and not args.tls_at_once:
        options.update(tls_context=tls)
    if args.token:
        SMTP.line_length_limit = 16384  # where logins are concerned, too
    if args.auth or args.token:
        options.update(auth_required=True, auth_require_tls=bool(tls and not args.tls_at_once),
                       authenticator=make_authenticator(args.auth or "nobody:"),
                       auth_exclude_mechanism=[m for m in MECHANISMS if args.mechanism not in (None, m)])
    server = await loop.create_server(lambda: SMTP(sink, **options), "127.0.0.1", args.port,
                                      ssl=tls if args.tls_at_once else None)
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
    parser.add_argument("--token", metavar="USER:TOKEN", help="takes mail only after this login with a bearer token")
    parser.add_argument("--mechanism", choices=MECHANISMS, help="the only one for logins")
    parser.add_argument("--tls-at-once", action="store_true", help="instead of STARTTLS")
    parser.add_argument("--no-utf8", action="store_true", help="offers no SMTPUTF8")
    parser.add_argument("--size", type=int, help="bytes of the largest mail")
    args = parser.parse_args()
    if bool(args.tls_cert) != bool(args.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of what tests ask for
    warnings.simplefilter("ignore", UserWarning)
    os.makedirs(args.dir, exist_ok=True)
    asyncio.run(serve(args))


if __name__ == "__main__":
    main()
