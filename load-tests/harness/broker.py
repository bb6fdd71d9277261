"""The door to Kafka: topics, how far they are written, and what is in them."""

import os
import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

KAFKA_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "kafka.sh"
CALL_SECONDS = 30


def script_pid(bootstrap):
    """Process id of the broker if `scripts/kafka.sh` runs it, or None."""
    host, _, port = bootstrap.rpartition(":")
    if host not in ("127.0.0.1", "localhost"):
        return None
    environment = dict(os.environ, KAFKA_PORT=port)
    answer = subprocess.run([KAFKA_SCRIPT, "pid"], env=environment, capture_output=True, text=True, check=False)
    return int(answer.stdout) if answer.returncode == 0 else None


class Broker:
    """A broker to test against; `pid` is None where its CPU cannot be read."""

    def __init__(self, bootstrap, pid):
        self.bootstrap = bootstrap
        self.pid = pid
        self._admin = self._new_admin()

    def close(self):
        """Forgets the broker, which may end now: a client would complain of it."""
        self._admin = None

    def partitions(self, topic):
        """Number of partitions, 0 where there is no such topic."""
        found = self._admin.list_topics(timeout=CALL_SECONDS).topics.get(topic)
        return len(found.partitions) if found else 0

    def topics(self, prefix):
        """Names of the topics that begin with the prefix."""
        return [name for name in self._admin.list_topics(timeout=CALL_SECONDS).topics if name.startswith(prefix)]

    def create(self, topics, partitions, config=None):
        """Creates topics and waits until each partition has a leader."""
        new = [NewTopic(topic, partitions, 1, config=config or {}) for topic in topics]
        for future in self._admin.create_topics(new).values():
            future.result(CALL_SECONDS)
        # A client that deleted topics before does not find the leaders of new
        # ones in 10 s, though they have them; a new client does at once.
        self._admin = self._new_admin()
        for topic in topics:
            self._until_led(topic, partitions)

    def delete(self, topics):
        """Deletes topics; none is not an error."""
        if topics:
            for future in self._admin.delete_topics(list(topics)).values():
                future.result(CALL_SECONDS)

    def end_offsets(self, topic, partitions):
        """Sum of the end offsets: records, and the markers of transactions with them."""
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
        answers = self._admin.list_offsets(wanted, request_timeout=CALL_SECONDS)
        try:
            return sum(answer.result(CALL_SECONDS).offset for answer in answers.values())
        except KafkaException:
            # A busy broker may not know the epoch of a young leader yet: ask again
            # with a client that remembers none, and till then say nothing is there.
            self._admin = self._new_admin()
            return 0

    def first_append(self, topic, partitions):
        """When the first record was appended, in seconds; None in an empty topic."""
        stamps = []
        consumer = self._consumer()
        try:
            for number in range(partitions):
                consumer.assign([TopicPartition(topic, number, 0)])
                record = next(self._partition_records(consumer), None)
                if record:
                    stamps.append(record.timestamp()[1] / 1000)
        finally:
            consumer.close()
        return min(stamps, default=None)

    def records(self, topic, partitions):
        """All committed records of a topic."""
        consumer = self._consumer()
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
            ended = set()
            while len(ended) < partitions:
                for record in consumer.consume(5000, 1.0):
                    if record.error():
                        ended.add(_partition_at_end(record))
                    else:
                        yield record
        finally:
            consumer.close()

    def _new_admin(self):
        return AdminClient({"bootstrap.servers": self.bootstrap})

    def _until_led(self, topic, partitions):
        """A new partition refuses questions until it has a leader."""
        for attempt in range(100):
            try:
                self.end_offsets(topic, partitions)
                return
            except KafkaException:
                if attempt == 99:
                    raise
                time.sleep(0.1)

    def _partition_records(self, consumer):
        while True:
            record = consumer.poll(CALL_SECONDS)
            if record is None:
                raise TimeoutError(f"no answer from {self.bootstrap} in {CALL_SECONDS} s")
            if record.error():
                _partition_at_end(record)
                return
            yield record

    def _consumer(self):
        return Consumer({
            "bootstrap.servers": self.bootstrap,
            "group.id": f"load-test-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 4 << 20,
        })


def _partition_at_end(record):
    """The partition that ended; any other error is raised."""
    error = record.error()
    if error.name() != "_PARTITION_EOF":
        raise KafkaException(error)
    return record.partition()
