#!/usr/bin/env bash
# An OpenTelemetry Collector on loopback, built of Go modules, with the very
# configuration of docker/collector and a file in the place of ClickHouse.
#
#   collector.sh build     build it, once (about 6 minutes of two cores)
#   collector.sh start     start it with an empty export file, and wait until it is healthy
#   collector.sh stop      stop it; the export file stays
#   collector.sh status    whether it runs; exit code 1 if not
#   collector.sh validate  judge docker/collector/config.yaml
#
# COLLECTOR_DIR  where it is kept (.collector in the project)
# OTLP_PORT      gRPC (24317); HTTP has the next one, health the one after
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=${COLLECTOR_DIR:-$(dirname "$here")/.collector}
mkdir -p "$base"
base=$(cd "$base" && pwd)
binary=$base/otelcol
pid_file=$base/collector.pid
config=$here/../docker/collector/config.yaml
version=$(sed -n 's/^  version: //p' "$here/collector/builder.yaml")
start_seconds=30

export OTLP_GRPC_PORT=${OTLP_PORT:-24317}
export OTLP_HTTP_PORT=$((OTLP_GRPC_PORT + 1)) HEALTH_PORT=$((OTLP_GRPC_PORT + 2))
export OTEL_EXPORT_FILE=$base/export.ndjson OTEL_QUEUE_DIR=$base/queue
export CLICKHOUSE_USER=unused CLICKHOUSE_PASSWORD=unused

fail() {
  echo "collector.sh: $*" >&2
  exit 1
}

# The manifest marks a finished build, so that a changed one is built again.
build() {
  if [ -x "$binary" ] && cmp -s "$here/collector/builder.yaml" "$base/built"; then return; fi
  command -v go >/dev/null || fail 'go is not on the PATH: install Go 1.25 or later (https://go.dev/dl)'
  echo "building the collector into $base (once)" >&2
  GOBIN=$base/bin go install "go.opentelemetry.io/collector/cmd/builder@v$version"
  sed "s|^dist:|dist:\n  output_path: $base/source|" "$here/collector/builder.yaml" >"$base/builder.yaml"
  "$base/bin/builder" --skip-compilation --config "$base/builder.yaml"
  (cd "$base/source" && go build -trimpath -ldflags='-s -w' -o "$binary" .)
  cp "$here/collector/builder.yaml" "$base/built"
}

# A pid file may outlive its process, and its number may be another's by now.
running_pid() {
  [ -f "$pid_file" ] || return 1
  local pid
  pid=$(cat "$pid_file")
  [ -n "$pid" ] && ps -ww -p "$pid" -o args= 2>/dev/null | grep -qF -- "$binary" || return 1
  echo "$pid"
}

healthy() { (exec 3<>"/dev/tcp/127.0.0.1/$HEALTH_PORT") 2>/dev/null; }

start() {
  build
  if running_pid >/dev/null; then fail 'it runs already: collector.sh stop'; fi
  rm -rf "$OTEL_EXPORT_FILE" "$OTEL_QUEUE_DIR"
  mkdir -p "$OTEL_QUEUE_DIR"
  nohup setsid "$binary" --config "$config" --config "$here/collector/test.yaml" \
    >"$base/collector.log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  local deadline=$((SECONDS + start_seconds))
  until healthy; do
    if ! running_pid >/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      tail -20 "$base/collector.log" >&2
      fail "it did not start: see $base/collector.log"
    fi
    sleep 0.1
  done
  echo "collector on 127.0.0.1:$OTLP_GRPC_PORT (gRPC) and :$OTLP_HTTP_PORT (HTTP), into $OTEL_EXPORT_FILE"
}

stop() {
  local pid
  if pid=$(running_pid); then
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    echo "collector stopped (pid $pid)"
  fi
  rm -f "$pid_file"
}

validate() {
  build
  "$binary" validate --config "$config"
  "$binary" validate --config "$config" --config "$here/collector/test.yaml"
  echo "docker/collector/config.yaml is valid"
}

usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; }

case ${1:-} in
  build | start | stop | validate) "$1" ;;
  status) running_pid ;;
  help | --help | -h) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
