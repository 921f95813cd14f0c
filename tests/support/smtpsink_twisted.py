#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A second mail server, made by other people than the first: Twisted's. It wants TLS, then a login.

Its *.eml files are as those of smtpsink.py, which see; so are its options. Recipients that start with "permfail" are refused.
"""
import argparse
import itertools
import os
import sys
import time

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import CramMD5Credentials
from twisted.cred.portal import IRealm, Portal
from twisted.internet import defer, protocol, reactor, ssl
from twisted.mail import smtp
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from zope.interface import implementer

MECHANISMS = {b"PLAIN": PLAINCredentials, b"LOGIN": LOGINCredentials, b"CRAM-MD5": CramMD5Credentials}


@implementer(smtp.IMessage)
class Message:
    def __init__(self, directory, name, head):
        self.directory, self.name, self.lines = directory, name, head

    def lineReceived(self, line):
        self.lines.append(line)

    def eomReceived(self):
        if not self.name:
            return defer.succeed(None)
        path = os.path.join(self.directory, self.name)
        with open(path + ".part", "wb") as out:
            out.write(b"\r\n".join(self.lines) + b"\r\n")
        os.rename(path + ".part", path)
        return defer.succeed(None)

    def connectionLost(self):
        pass


@implementer(smtp.IMessageDelivery)
class Delivery:
    serial = itertools.count(1)

    def __init__(self, directory, user):
        self.directory, self.user = directory, user
        self.sender, self.recipients = None, []

    def receivedHeader(self, helo, origin, recipients):
        return b""

    def validateFrom(self, helo, origin):
        self.sender, self.recipients = origin, []
        return origin

    def validateTo(self, user):
        if str(user.dest).startswith("permfail"):
            raise smtp.SMTPBadRcpt(user)
        self.recipients.append(str(user.dest))
        place = len(self.recipients)

        def make():  # each recipient's copy; the first one is enough
            if place > 1:
                return Message("", "", [])
            name = f"{time.time_ns() // 1000000}-{next(self.serial):06d}.eml"
            head = [f"X-Envelope-From: {self.sender}", f"X-Envelope-To: {', '.join(self.recipients)}",
                    f"X-Session: {user.protocol.transport.getPeer().port} TLS {self.user}",
                    f"X-Mechanism: {user.protocol.mechanism}"]
            return Message(self.directory, name, [line.encode() for line in head])
        return make


@implementer(IRealm)
class Realm:
    def __init__(self, directory):
        self.directory = directory

    def requestAvatar(self, avatar, mind, *interfaces):
        return smtp.IMessageDelivery, Delivery(self.directory, avatar.decode()), lambda: None


class Server(smtp.ESMTP):
    mechanism = None

    def extensions(self):
        offered = super().extensions()
        if not self.startedTLS:
            del offered[b"AUTH"]
        return offered

    def ext_AUTH(self, rest):
        self.mechanism = rest.split()[0].decode()
        return super().ext_AUTH(rest)

    def do_MAIL(self, rest):
        if not self.authenticated:
            self.sendCode(530, b"5.7.0 Authentication required")
            return None
        return super().do_MAIL(rest)


class Factory(protocol.ServerFactory):
    def __init__(self, args):
        self.args = args
        self.tls = ssl.DefaultOpenSSLContextFactory(args.tls_key, args.tls_cert)
        user, password = args.auth.encode().split(b":", 1)
        checker = InMemoryUsernamePasswordDatabaseDontUse(**{user.decode(): password})
        self.portal = Portal(Realm(args.dir), [checker])

    def buildProtocol(self, address):
        offered = {name: kind for name, kind in MECHANISMS.items()
                   if self.args.mechanism in (None, name.decode())}
        server = Server(offered, self.tls)
        server.host = b"smtpsink.example.net"
        server.portal = self.portal
        return server


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port-file", choices=["-"], required=True)
    parser.add_argument("--tls-cert", required=True)
    parser.add_argument("--tls-key", required=True)
    parser.add_argument("--auth", required=True)
    parser.add_argument("--mechanism")
    args = parser.parse_args()
    port = reactor.listenTCP(args.port, Factory(args), interface="127.0.0.1")
    sys.stdout.write(f"{port.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
