"""The harness of the load tests: one fair run after another, and a table.

    bench.py -> workload (the input, and what must come of it)
             -> scenarios (what to start) -> measure (one run) -> report

Only `broker` speaks Kafka; the rest is the standard library.
"""
