#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ticks against an independent oracle, over all zones' next two changes: cron_oracle.py TICKS-PROGRAM. Speaks TAP.

The oracle shares nothing with the product: Python's zoneinfo reads the zone database, and what an expression means is written
down here a second time, minute by minute, as docs/cron.md says it.
"""
import datetime
import subprocess
import sys
import zoneinfo

UTC = datetime.timezone.utc
DAY = 86400
BEFORE, AFTER = 4 * 3600, 4 * 3600  # of a change, compared
MARGIN = 3 * 3600  # read beyond that, for what comes twice or would have come

# Expression, does it go by elapsed time, its fields as sets (None: all); weekdays with Monday = 0.
EXPRESSIONS = [
    ("* * * * *", True, None, None, None),
    ("*/15 * * * *", True, {0, 15, 30, 45}, None, None),
    ("5/15 * * * *", True, {5, 20, 35, 50}, None, None),
    ("*/20 * * * *", True, {0, 20, 40}, None, None),
    ("45 * * * *", True, {45}, None, None),
    ("0 */2 * * *", True, {0}, set(range(0, 24, 2)), None),
    ("10 */3 * * *", True, {10}, set(range(0, 24, 3)), None),
    ("*/30 1-3 * * *", True, {0, 30}, {1, 2, 3}, None),
    ("30 2 * * *", False, {30}, {2}, None),
    ("0 0 * * *", False, {0}, {0}, None),
    ("15,45 0,1,2,3 * * *", False, {15, 45}, {0, 1, 2, 3}, None),
    ("59 1 * * sun", False, {59}, {1}, {6}),
    ("0 3 * * 1-6", False, {0}, {3}, {0, 1, 2, 3, 4, 5}),
]


def offset(zone, t):
    return int(datetime.datetime.fromtimestamp(t, zone).utcoffset().total_seconds())


def next_changes(zone, t, count, days=550):
    found = []
    for _ in range(days):
        if offset(zone, t) != offset(zone, t + DAY):
            low, high = t, t + DAY
            while high - low > 1:
                middle = (low + high) // 2
                if offset(zone, middle) == offset(zone, t):
                    low = middle
                else:
                    high = middle
            found.append(high)
            if len(found) == count:
                break
        t += DAY
    return found


def fields(local):
    """Minute, hour and weekday of a local time in seconds."""
    return local // 60 % 60, local // 3600 % 24, (local // DAY + 3) % 7


def expected(clock, first, last, rhythm, minutes, hours, weekdays):
    """@clock: local time of every minute of real time. Return: the ticks from @first to @last."""

    def matches(local):
        minute, hour, weekday = fields(local)
        return ((minutes is None or minute in minutes) and (hours is None or hour in hours)
                and (weekdays is None or weekday in weekdays))

    ticks, seen = [], set()
    for t in sorted(clock):
        local = clock[t]
        due = matches(local) and (rhythm or local not in seen)
        seen.add(local)
        if not due and t - 60 in clock and local - clock[t - 60] > 60:
            lost = [m for m in range(clock[t - 60] + 60, local, 60) if matches(m)]
            if lost and rhythm:
                regular = t + lost[0] - clock[t - 60] - 60  # where the lost one would have been
                due = not any(matches(clock[u]) for u in range(t, regular + 60, 60))
            else:
                due = bool(lost)
        if due and first <= t < last:
            ticks.append(t)
    return ticks


def main():
    now = int(datetime.datetime.now(UTC).timestamp()) // 60 * 60
    names = sorted(zoneinfo.available_timezones() - {"localtime"})
    failures, compared, changes = [], 0, 0
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        for name in names:
            zone = zoneinfo.ZoneInfo(name)
            for change in next_changes(zone, now, 2) or [now]:
                changes += change != now
                first, last = change - BEFORE, change + AFTER
                clock = {t: t + offset(zone, t) for t in range(first - MARGIN, last + MARGIN, 60)}
                for text, rhythm, *sets in EXPRESSIONS:
                    program.stdin.write(f"{name} {first} {last} {text}\n")
                    program.stdin.flush()
                    answer = program.stdout.readline().strip()
                    want = " ".join(map(str, expected(clock, first, last, rhythm, *sets)))
                    compared += len(want.split())
                    if answer != want:
                        failures.append(f"{name} at {change}, {text}: {answer}, not {want}")
        program.stdin.close()
    enough = len(names) > 300 and changes > 100 and compared > 100000
    print("1..2")
    print("not ok" if failures else "ok", "1 - ticks_are_those_of_the_oracle")
    for line in failures[:20]:
        print("#", line)
    print("ok" if enough else "not ok", "2 - there_was_something_to_compare")
    print(f"# {len(names)} zones, {changes} changes, {compared} ticks")
    return 1 if failures or not enough else 0


if __name__ == "__main__":
    sys.exit(main())
