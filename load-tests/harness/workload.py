"""The orders workload: the input topic, and whether an output is right."""

import json
import math
import subprocess
from dataclasses import dataclass

PARTITIONS = 4


@dataclass(frozen=True)
class Workload:
    """An input topic and what a right pipeline makes of it."""

    topic: str
    records: int
    loaded: int
    dead_lettered: int
    total: float
    partitions: int = PARTITIONS
    row_bytes: float = 0.0


@dataclass(frozen=True)
class Output:
    """What a run wrote to its last topic and to its dead letters."""

    records: int
    duplicates: int
    total: float
    dead_lettered: int
    last_append: float


def ensure(broker, generator, count, seed, data, partitions=PARTITIONS, padding=0):
    """The workload of this size and seed: found in Kafka, or generated now."""
    topic = f"load-test.orders-{count}-{seed}"
    if (partitions, padding) != (PARTITIONS, 0):
        topic += f"-{partitions}-{padding}"
    expected = data / f"{topic}.json"
    complete = (expected.exists() and broker.partitions(topic) == partitions
                and broker.end_offsets(topic, partitions) == count)
    if not complete:
        broker.delete([topic] if broker.partitions(topic) else [])
        broker.create([topic], partitions)
        generated = subprocess.run(
            [generator, "--bootstrap", broker.bootstrap, "generate", "--topic", topic, "--partitions",
             str(partitions), "--count", str(count), "--seed", str(seed), "--padding", str(padding)],
            stdout=subprocess.PIPE, text=True, check=True)
        expected.write_text(generated.stdout, encoding="utf-8")
    values = json.loads(expected.read_text(encoding="utf-8"))
    return Workload(topic, values["records"], values["loaded"], values["dead_lettered"], values["total"],
                    partitions, values["bytes"] / values["records"])


def read_output(broker, loaded_topic, dead_letter_topic, partitions, parse):
    """Reads back what a run wrote. `parse`: whether its records are orders."""
    count, total, last_append = 0, 0.0, 0.0
    seen = set()
    for record in broker.records(loaded_topic, partitions):
        count += 1
        last_append = max(last_append, record.timestamp()[1] / 1000)
        if parse:
            order = json.loads(record.value())
            total += order["total"]
            # As a number an order id takes a third of the memory of its text.
            seen.add(int(order["order_id"].replace("-", ""), 16))
    dead = sum(1 for _ in broker.records(dead_letter_topic, partitions)) if parse else 0
    return Output(count, count - len(seen) if parse else 0, total, dead, last_append)


def problems(workload, output, whole_pipeline):
    """What is wrong with an output, in words; empty when it is right."""
    if not whole_pipeline:
        checks = [("records", output.records, workload.records)]
    else:
        checks = [
            ("loaded", output.records, workload.loaded),
            ("duplicates", output.duplicates, 0),
            ("dead letters", output.dead_lettered, workload.dead_lettered),
        ]
    found = [f"{name}: {got}, expected {wanted}" for name, got, wanted in checks if got != wanted]
    if whole_pipeline and not math.isclose(output.total, workload.total, rel_tol=1e-9):
        found.append(f"sum of totals: {output.total:.2f}, expected {workload.total:.2f}")
    return found
