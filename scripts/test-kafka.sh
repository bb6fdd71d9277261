#!/usr/bin/env bash
# Runs the integration tests against a real Apache Kafka.
#
#   test-kafka.sh [ARGUMENT..]            arguments go to the test program
#   test-kafka.sh --faults [NAME..]       the fault runs instead: minutes each
#
# With KAFKA_BOOTSTRAP_SERVERS set, that broker is used. Without, one is started
# by kafka.sh and stopped again, unless it ran already; then Kafka's console tools
# are tried, too, for they come with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The fault runs have the machine for themselves, one after another.
selection=(--skip faults::)
if [ "${1:-}" = --faults ]; then
  shift
  selection=(--ignored --nocapture --test-threads=1)
  if [ $# -eq 0 ]; then selection+=(faults::); fi
fi

started=
stop_kafka() {
  if [ -z "$started" ]; then return; fi
  scripts/kafka.sh stop >&2 || true
  if [ "${KAFKA_LOGS:-}" = "$memory" ]; then rm -rf "$memory"; fi
}

# The records of tests are nobody's to keep. On a disk that is slow to sync, the
# metadata quorum of Kafka stands still for minutes while a build writes.
memory=/dev/shm/lineage-hub-kafka
memory_free() { df --output=avail --block-size=1G /dev/shm 2>/dev/null | tail -1; }

if [ -z "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
  trap stop_kafka EXIT
  if ! scripts/kafka.sh status >/dev/null; then
    started=yes
    free=$(memory_free)
    if [ -z "${KAFKA_LOGS:-}" ] && [ "${free:-0}" -ge 4 ]; then export KAFKA_LOGS=$memory; fi
  fi
  scripts/kafka.sh start >&2
  export KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:${KAFKA_PORT:-19092}"
  export KAFKA_TOOLS="$PWD/scripts/kafka.sh"
  # What the tools need is in kafka.sh's folder, wherever the tests run them.
  export KAFKA_DIR="${KAFKA_DIR:-$PWD/.kafka}"
  if [ "${selection[0]}" != --ignored ]; then selection+=(--include-ignored); fi
fi

# As the whole of the tests is built: other features would be another build.
cargo test --workspace --test integration -- "${selection[@]}" "$@"
