#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An application in Python that enqueues in its own transactions: enqueue_tx.py URL.

Three transactions: one commits, one is rolled back, one raises. Then it asks for what must be refused, and prints each SQLSTATE.
"""
import datetime
import sys

import psycopg2
import psycopg2.extras

psycopg2.extras.register_uuid()
connection = psycopg2.connect(sys.argv[1])


def enqueue(cursor, payload, **options):
    names = "".join(f", {name} => %({name})s" for name in options)
    cursor.execute(f"SELECT job.enqueue('mail', 'welcome', %(payload)s{names})",
                   {"payload": psycopg2.extras.Json(payload), **options})
    return cursor.fetchone()[0]


with connection, connection.cursor() as cursor:
    committed = enqueue(cursor, {"to": "ada", "name": "Žofie"}, key="k", max_attempts=3, timeout=datetime.timedelta(seconds=90),
                        tags=["a", "b"], headers=psycopg2.extras.Json({"x-mine": "ä"}))
    print("id", committed)

with connection.cursor() as cursor:
    enqueue(cursor, {"to": "nobody"})
    connection.rollback()

try:
    with connection, connection.cursor() as cursor:
        enqueue(cursor, {"to": "nobody"})
        raise KeyError
except KeyError:
    pass

for options in ({"tags": ["a,b"]}, {"max_attempts": 0}, {"headers": psycopg2.extras.Json({"ce_id": "x"})}):
    try:
        with connection, connection.cursor() as cursor:
            enqueue(cursor, {"to": "nobody"}, **options)
    except psycopg2.Error as error:
        print("refused", error.pgcode)
