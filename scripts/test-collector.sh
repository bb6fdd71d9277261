#!/usr/bin/env bash
# The tests of telemetry against a real collector with docker/collector's
# configuration, over gRPC and then over HTTP; see collector.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

collector=scripts/collector.sh
port=${OTLP_PORT:-24317}
export TEST_COLLECTOR_FILE=${COLLECTOR_DIR:-$PWD/.collector}/export.ndjson

"$collector" validate
trap '"$collector" stop' EXIT
for endpoint in "http://127.0.0.1:$port" "http://127.0.0.1:$((port + 1))"; do
  "$collector" stop
  "$collector" start
  echo "to $endpoint"
  # gRPC is told by its port, 4317, or by name: this port is another.
  protocol=http/protobuf
  if [ "$endpoint" = "http://127.0.0.1:$port" ]; then protocol=grpc; fi
  TEST_COLLECTOR_ENDPOINT=$endpoint TEST_COLLECTOR_PROTOCOL=$protocol \
    cargo test --test integration telemetry::
done
