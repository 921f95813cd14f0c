#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Enqueues a job from Python with confluent_kafka (Debian: python3-confluent-kafka): produce.py TYPE [PAYLOAD [QUEUE]]

A job is a message with the header ce_type. Prints topic, partition and offset once Kafka has it for good.
"""
import os
import sys

from confluent_kafka import Producer

job_type = sys.argv[1]
payload = sys.argv[2] if len(sys.argv) > 2 else "{}"
queue = sys.argv[3] if len(sys.argv) > 3 else "default"
failed = []


def delivered(error, message):
    if error:
        failed.append(error)
    else:
        print(message.topic(), message.partition(), message.offset())


producer = Producer({
    "bootstrap.servers": os.environ.get("JOB_KAFKA", "127.0.0.1:9092"),
    "enable.idempotence": True,  # acks=all, and no message twice
    "partitioner": "murmur2_random",  # as Java's clients and libjob choose by key
    "delivery.timeout.ms": 10000,
})
producer.produce(f"job.{queue}", payload, headers={"ce_type": job_type}, on_delivery=delivered)
producer.flush()
sys.exit(str(failed[0]) if failed else 0)
