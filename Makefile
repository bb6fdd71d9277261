# The commands of everyday work. Each is short enough to be typed without make.

CARGO ?= cargo
LOAD_TESTS := load-tests/load-tests
TARGET := $(or $(CARGO_TARGET_DIR),target)

COMPOSE ?= docker compose --profile core --profile observability

# Of the load tests: records of the input, runs of each scenario, and how long
# a soak takes.
RECORDS ?= 1000000
ROUNDS ?= 3
MINUTES ?= 60

.DEFAULT_GOAL := help
.PHONY: help build release test test-kafka test-faults test-api fuzz test-harness test-instructions lint format ci demo \
	kafka-start kafka-stop bench-setup bench-tools bench bench-stages bench-lineage bench-forward bench-api \
	bench-smoke bench-latency bench-soak bench-scale bench-plots \
	dev-setup start stop status logs run-api run-lineage-consumer check fix docs \
	test-unit test-integration test-pipeline test-compose test-collector test-dashboards \
	test-dockerfile test-differential coverage check-project

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-22s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

test-api: ## Fuzz the HTTP API from its OpenAPI document (API_EXAMPLES, API_SECONDS)
	scripts/test-api.sh

fuzz: ## Fuzz the embedded broker with bytes that are no requests, for a minute
	scripts/fuzz.sh

test-harness: ## Run the tests of the load tests' harness
	cd load-tests && python3 -m unittest discover

test-instructions: ## Count the instructions of the hot path against benches/instructions.json
	scripts/instructions.py

lint: ## Check format and lints, as .ci/run does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

format: ## Format the code
	$(CARGO) fmt --all

ci: ## Run all that .ci/run runs
	.ci/run

# With a token for the API; without one compose refuses every command.
.PHONY: env
env:
	@scripts/dev-env.sh

dev-setup: env ## Fetch what development needs: toolchain, crates, .env, git hooks (where pre-commit is)
	rustup show active-toolchain || rustup toolchain install
	$(CARGO) fetch --locked
	@if command -v pre-commit >/dev/null; then pre-commit install; \
	else echo 'no git hooks: pre-commit is not installed (pip install pre-commit)'; fi

start: env ## Start the whole system in containers, and wait until it is healthy (needs Docker)
	$(COMPOSE) up --detach --build --wait

stop: env ## Stop the containers; their data stays
	$(COMPOSE) down

logs: env ## Follow the containers' logs (SERVICE=transform for one)
	$(COMPOSE) logs --follow --tail 100 $(SERVICE)

status: build env ## Say what runs, what is wrong and what to do
	@if command -v docker >/dev/null; then $(COMPOSE) ps --all; fi
	scripts/with-compose.sh $(TARGET)/debug/lineage-hub status

run-api: build ## Run the HTTP API on this machine (LISTEN=127.0.0.1:8010 beside that of the containers)
	scripts/with-compose.sh $(TARGET)/debug/lineage-hub api $(if $(LISTEN),--listen $(LISTEN))

run-lineage-consumer: build ## Deliver lineage from Kafka to Marquez, on this machine
	scripts/with-compose.sh $(TARGET)/debug/lineage-hub forward

check: lint check-project ## Check format, lints, and the example project's files

check-project: build ## Check the example project's topics and pipelines
	$(TARGET)/debug/lineage-hub check

fix: ## Mend what lints can mend, and format
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	$(CARGO) fmt --all

docs: ## Write the pages that are written from the code (docs/metrics.md)
	WRITE_DOCS=1 $(CARGO) test --test reference

test-unit: ## Run the tests beside the code, and those of whole stages without a broker
	$(CARGO) test --workspace --lib
	$(CARGO) test --test architecture --test behaviour --test reference

test-integration: ## Run the program on the embedded broker
	$(CARGO) test --test integration

test-pipeline: build ## Run the example pipeline on its samples, and print the books
	$(TARGET)/debug/lineage-hub demo --ephemeral

test-compose: ## Judge docker-compose.yml by the Compose specification (needs Go, no Docker)
	cd scripts/compose && go build -o ../../$(TARGET)/compose-check .
	$(TARGET)/compose-check

test-collector: ## Run the tests of telemetry on a real collector (builds it once: needs Go)
	scripts/test-collector.sh

test-dashboards: ## Run every query of dashboards and alerts on ClickHouse's engine (887 MB once)
	scripts/test-dashboards.sh

test-differential: ## Compare SQL expressions with PostgreSQL and DuckDB on extreme values (ONLY=PATTERN)
	scripts/differential.sh $(if $(ONLY),--only '$(ONLY)')

test-dockerfile: ## Lint the Dockerfile, and try its layer of dependencies
	scripts/test-dockerfile.sh

coverage: ## Measure what the tests cover (needs cargo-llvm-cov)
	$(CARGO) llvm-cov --workspace --html

demo: build ## Run the demo: broker, stages, forwarder and console in one process
	$(TARGET)/debug/lineage-hub demo

kafka-start: ## Start a real Apache Kafka on 127.0.0.1:19092 (KAFKA_PORT)
	scripts/kafka.sh start

kafka-stop: ## Stop it
	scripts/kafka.sh stop

bench-setup: ## Build what the load tests need besides the hub
	load-tests/setup.sh

bench: release bench-setup kafka-start ## Compare with librdkafka alone and Kafka Streams (RECORDS, ROUNDS)
	$(LOAD_TESTS) throughput --records $(RECORDS) --rounds $(ROUNDS)

bench-stages: release bench-setup kafka-start ## Compare one process with a process for each stage
	$(LOAD_TESTS) throughput --records $(RECORDS) --rounds $(ROUNDS) --scenarios hub,hub-stages

bench-lineage: release bench-setup kafka-start ## Compare lineage on with lineage off
	$(LOAD_TESTS) throughput --records $(RECORDS) --rounds $(ROUNDS) --scenarios hub,hub-no-lineage

bench-tools: ## Build what the load tests need without peers (no JDK)
	load-tests/setup.sh --no-peers

bench-latency: release bench-tools ## Measure latency at fixed rates, by commit interval
	$(LOAD_TESTS) latency

bench-forward: release bench-tools ## Compare the forwarder with a bare load generator, and drain an outage's backlog
	$(LOAD_TESTS) forward

bench-soak: release bench-tools ## Load and kill stages for an hour; what grows, what is lost (MINUTES)
	$(LOAD_TESTS) soak --minutes $(MINUTES)

bench-scale: release bench-tools ## Measure CPU by replicas, partitions, batch and row size (RECORDS)
	$(LOAD_TESTS) scale --records $(RECORDS)

bench-plots: bench-tools ## Draw all stored results of the load tests
	$(LOAD_TESTS) plot

bench-api: release ## Put the API under 10,000 streams, a body of 1 GiB and a reader that does not read
	scripts/api-load.py --program $(TARGET)/release/lineage-hub

bench-smoke: bench-setup kafka-start ## Try the peers and the harness with few records
	$(LOAD_TESTS) throughput --records 100000 --rounds 1 --scenarios raw,kafka-streams
