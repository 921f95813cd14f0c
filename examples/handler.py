#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A handler as a command, in Python: sums the numbers of its payload, {"numbers": [1, 2, 3]}.

    { type = "sum"; kind = "command"; argv = ( "examples/handler.py" ); }

Payload on standard input, result on standard output, the verdict is the exit status; how far it is goes to JOB_PROGRESS_FD.
"""
import json
import os
import sys

RETRY, FAIL = 75, 65  # anything else but 0 is tried again, too


def tell_progress(percent):
    if "JOB_PROGRESS_FD" in os.environ:
        os.write(int(os.environ["JOB_PROGRESS_FD"]), json.dumps({"percent": percent}).encode() + b"\n")


def main():
    try:
        numbers = json.load(sys.stdin)["numbers"]
        total = sum(numbers)
    except (ValueError, KeyError, TypeError) as error:
        print(f"the payload is wrong: {error!r}", file=sys.stderr)  # becomes the job's error
        return FAIL  # no try will do better
    tell_progress(100)
    json.dump({"sum": total, "attempt": int(os.environ["JOB_ATTEMPT"])}, sys.stdout)
    return 0


sys.exit(main())
