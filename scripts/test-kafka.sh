#!/usr/bin/env bash
# Runs the integration tests against a real Apache Kafka.
#
#   test-kafka.sh [ARGUMENT..]   arguments go to the test program
#
# With KAFKA_BOOTSTRAP_SERVERS set, that broker is used. Without, one is started
# by kafka.sh and stopped again, unless it ran already; then Kafka's console tools
# are tried, too, for they come with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

started=
stop_kafka() {
  if [ -n "$started" ]; then scripts/kafka.sh stop >&2 || true; fi
}

ignored=()
if [ -z "${KAFKA_BOOTSTRAP_SERVERS:-}" ]; then
  trap stop_kafka EXIT
  if ! scripts/kafka.sh status >/dev/null; then started=yes; fi
  scripts/kafka.sh start >&2
  export KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:${KAFKA_PORT:-19092}"
  export KAFKA_TOOLS="$PWD/scripts/kafka.sh"
  # What the tools need is in kafka.sh's folder, wherever the tests run them.
  export KAFKA_DIR="${KAFKA_DIR:-$PWD/.kafka}"
  ignored=(--include-ignored)
fi

cargo test --test integration -- "${ignored[@]}" "$@"
