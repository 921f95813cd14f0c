#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Enqueues a job in a transaction of PostgreSQL with psycopg2 (Debian: python3-psycopg2): produce_sql.py TYPE [PAYLOAD [QUEUE]]

The job exists if and only if the transaction commits. Prints its id.
"""
import os
import sys

import psycopg2

job_type = sys.argv[1]
payload = sys.argv[2] if len(sys.argv) > 2 else "{}"
queue = sys.argv[3] if len(sys.argv) > 3 else "default"

connection = psycopg2.connect(os.environ["JOB_DATABASE_URL"])
with connection, connection.cursor() as cursor:  # commits at its end, or rolls back
    # … your own statements …
    cursor.execute("SELECT job.enqueue(%s, %s, %s, max_attempts => 5)", (queue, job_type, payload))
    (job_id,) = cursor.fetchone()
print(job_id)
