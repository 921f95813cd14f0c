#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads one mail as a mail program does, and prints what a person would see: mailshow.py FILE.

A line for each header with its decoded value, a line for each part, indented by its depth: type, then file name,
Content-ID and disposition where there are some; of a text the first line, of anything else its size and SHA-256.
What is not as the standards want it ("defects", long lines, bytes beyond ASCII without need) is told, too.
"""
import email
import email.policy
import hashlib
import sys

SHOWN = ("From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Auto-Submitted", "List-Unsubscribe", "X-Campaign")


def show(part, depth):
    words = [part.get_content_type()]
    for word, value in (("name", part.get_filename()), ("cid", part["Content-ID"]),
                        ("is", part.get_content_disposition())):
        if value:
            words.append(f"{word}={value}")
    if part.is_multipart():
        print("  " * depth + " ".join(words))
        for child in part.iter_parts():
            show(child, depth + 1)
    elif part.get_content_maintype() == "text" and not part.get_filename():
        print("  " * depth + " ".join(words) + ": " + part.get_content().splitlines()[0])
    else:
        data = part.get_payload(decode=True)
        print("  " * depth + " ".join(words) + f": {len(data)} {hashlib.sha256(data).hexdigest()[:16]}")
    for defect in part.defects:
        print("defect:", type(defect).__name__)


def main():
    with open(sys.argv[1], "rb") as file:
        raw = file.read()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    for name in SHOWN:
        for value in mail.get_all(name, []):
            print(f"{name}: {value}")
            for defect in getattr(value, "defects", ()):
                print("defect:", type(defect).__name__)
    show(mail, 0)
    longest = max(len(line) for line in raw.split(b"\r\n"))
    if longest > 998:
        print("defect: a line of", longest)
    if not raw.isascii():
        print("not ASCII")


if __name__ == "__main__":
    main()
