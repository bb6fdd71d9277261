# The commands of everyday work. Each is short enough to be typed without make.

CARGO ?= cargo
PYTHON ?= load-tests/.venv/bin/python
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Of the load tests: records of the input, and runs of each scenario.
RECORDS ?= 1000000
ROUNDS ?= 3

.DEFAULT_GOAL := help
.PHONY: help build release test test-kafka test-faults test-harness lint format ci demo \
	kafka-start kafka-stop bench-setup bench bench-stages bench-smoke

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build all, for development
	$(CARGO) build --workspace

release: ## Build the program, optimised
	$(CARGO) build --release

test: ## Run all tests that need nothing installed
	$(CARGO) test --workspace

test-kafka: ## Run the integration tests on a real Apache Kafka
	scripts/test-kafka.sh

test-faults: ## Run the faults under load on a real Apache Kafka (FAULT_RECORDS, SEED)
	scripts/test-kafka.sh --faults

test-harness: ## Run the tests of the load tests' harness
	cd load-tests && python3 -m unittest discover

lint: ## Check format and lints, as .ci/run does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

format: ## Format the code
	$(CARGO) fmt --all

ci: ## Run all that .ci/run runs
	.ci/run

demo: build ## Run the demo: broker, stages, forwarder and console in one process
	$(TARGET)/debug/lineage-hub demo

kafka-start: ## Start a real Apache Kafka on 127.0.0.1:19092 (KAFKA_PORT)
	scripts/kafka.sh start

kafka-stop: ## Stop it
	scripts/kafka.sh stop

bench-setup: ## Build what the load tests need besides the hub
	load-tests/setup.sh

bench: release bench-setup kafka-start ## Compare with librdkafka alone and Kafka Streams (RECORDS, ROUNDS)
	$(PYTHON) load-tests/bench.py --records $(RECORDS) --rounds $(ROUNDS)

bench-stages: release bench-setup kafka-start ## Compare one process with a process for each stage
	$(PYTHON) load-tests/bench.py --records $(RECORDS) --rounds $(ROUNDS) --scenarios hub,hub-stages

bench-smoke: bench-setup kafka-start ## Try the peers and the harness with few records
	$(PYTHON) load-tests/bench.py --records 100000 --rounds 1 --scenarios raw,kafka-streams
