"""The harness of the load tests: one fair run after another, and a table.

    arguments -> commands/NAME -> workload (the input, and what must come of it)
                               -> scenarios (what to start) -> measure (one run)
                               -> drive (load at a fixed rate), stages (what is killed)
                               -> report, growth (what is said of it)

Only `broker` speaks Kafka; the rest is the standard library.
"""
