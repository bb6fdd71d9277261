#!/usr/bin/env bash
# Builds what the load tests need besides the hub: the harness's Python
# packages, the generator and passthrough, and the Kafka Streams peer.
# With --no-peers without the last: then neither Java nor Maven is needed.
#
# LOAD_TARGET_DIR  where the Rust part is built (load-tests/target)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case ${1:-} in
  '') commands='python3 cargo java mvn' ;;
  --no-peers) commands='python3 cargo' ;;
  *)
    echo 'setup.sh: there is --no-peers, and nothing else' >&2
    exit 2
    ;;
esac

for command in $commands; do
  command -v "$command" >/dev/null || {
    echo "setup.sh: $command is not on the PATH; on Debian, scripts/ci-install.sh installs all but cargo" >&2
    exit 1
  }
done

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt

CARGO_TARGET_DIR=${LOAD_TARGET_DIR:-$PWD/target} cargo build --locked --release

[ "${1:-}" != --no-peers ] || exit 0

mvn --batch-mode --quiet -Dstyle.color=never --file kafka-streams/pom.xml compile \
  dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$PWD/kafka-streams/target/jars"
