#!/usr/bin/env python3
"""Reads the rows of a topic with `format: arrow`, as a consumer of your own would.

    pip install pyarrow confluent-kafka
    python3 examples/read_arrow.py 127.0.0.1:9092 orders.extracted

Each Kafka record is an Arrow IPC stream: any reader of Arrow can read it without
knowing the schema. Prints the schema once, then each row as JSON; what is written
while it reads is not waited for.
"""

import argparse
import json
import sys
import uuid

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


def tables(bootstrap, topic):
    """Each record of the topic that is committed now, as a table."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        # A group that never commits, so that nobody's place in the topic moves.
        "group.id": f"read-arrow-{uuid.uuid4()}",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    try:
        found = consumer.list_topics(topic, timeout=10).topics[topic]
        if found.error is not None:
            sys.exit(f"{topic}: {found.error}")
        open_partitions = set(found.partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions])
        while open_partitions:
            record = consumer.poll(1.0)
            if record is None:
                continue
            if record.error():
                # The end of a partition.
                open_partitions.discard(record.partition())
            elif record.value() is not None:
                with pa.ipc.open_stream(record.value()) as stream:
                    yield stream.read_all()
    finally:
        consumer.close()


def as_text(value):
    """What JSON has no word for: keys and headers are bytes, times are times."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def main():
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bootstrap", help="HOST:PORT of a broker")
    parser.add_argument("topic")
    options = parser.parse_args()
    schema, rows = None, 0
    for table in tables(options.bootstrap, options.topic):
        if schema is None:
            schema = table.schema
            print(schema.to_string(show_field_metadata=False), file=sys.stderr)
        for row in table.to_pylist():
            print(json.dumps(row, default=as_text))
        rows += table.num_rows
    print(f"{rows} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
