#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts single test cases in meson's testlog.json and prints "N passed, N failed, N skipped".

A program that speaks TAP counts once per result line, any other program once. A program that failed without
saying which case it was (crash, time-out, bail-out) counts as one more failure, so a failure never vanishes.
Exit status: 0 when something ran and nothing failed.
"""
import json
import re
import sys

RESULT = re.compile(r"^(ok|not ok)\b([^#]*)(?:#\s*(skip|todo)\b)?", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)")


def count_tap(stdout):
    """(passed, failed, skipped) of one TAP stream, or None when it is not one."""
    passed = failed = skipped = 0
    is_tap = False
    for line in stdout.splitlines():
        is_tap = is_tap or bool(PLAN.match(line))
        match = RESULT.match(line)
        if not match:
            continue
        is_tap = True
        if match.group(3):
            skipped += 1
        elif match.group(1).lower() == "ok":
            passed += 1
        else:
            failed += 1
    return (passed, failed, skipped) if is_tap else None


def count_program(entry):
    """(passed, failed, skipped) of one program of the log."""
    result = entry["result"]
    good = result in ("OK", "EXPECTEDFAIL")
    counts = count_tap(entry.get("stdout") or "")
    if counts is None or sum(counts) == 0:
        return (int(good), int(not good and result != "SKIP"), int(result == "SKIP"))
    passed, failed, skipped = counts
    if not good and result != "SKIP" and failed == 0:
        failed = 1
    return (passed, failed, skipped)


def main():
    try:
        with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
            counts = [count_program(json.loads(line)) for line in log if line.strip()]
    except FileNotFoundError:
        counts = []
    passed, failed, skipped = (sum(column) for column in zip(*counts)) if counts else (0, 0, 0)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
