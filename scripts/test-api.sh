#!/usr/bin/env bash
# Fuzzes the HTTP API from its own OpenAPI document with schemathesis: no answer
# of 5xx, and every answer as the document says.
#
# Starts the program on free ports with a broker that keeps nothing, and stops it.
# The last line counts for .ci/run: `test result: ok. N passed; N failed; ..`.
#
# API_EXAMPLES  requests made up for each operation (20)
# API_SECONDS   the bound of all requests together (120)
# SCHEMATHESIS  the command, where it is installed already
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

examples=${API_EXAMPLES:-20}
seconds=${API_SECONDS:-120}
version=4.32.5
program=${LINEAGE_HUB_PROGRAM:-${CARGO_TARGET_DIR:-target}/debug/lineage-hub}
[ -x "$program" ] || cargo build

work=$(mktemp -d)
hub=
end() {
  if [ -n "$hub" ]; then
    kill "$hub" 2>/dev/null || true
    wait "$hub" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap end EXIT

schemathesis=${SCHEMATHESIS:-}
if [ -z "$schemathesis" ]; then
  venv=target/schemathesis
  schemathesis=$(pwd)/$venv/bin/schemathesis
  if ! "$schemathesis" --version 2>/dev/null | grep -qF "$version"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
  fi
fi

cp -r topics pipelines "$work"
export LINEAGE_HUB__API__LISTEN=127.0.0.1:0
# Nearly all that is made up dies, and a stage that lets it must not stop.
export LINEAGE_HUB__STAGE__DEAD_LETTER__SHARE_MAX=1
"$program" up --project "$work" --ephemeral --listen 127.0.0.1:0 --no-forward 2>"$work/log" &
hub=$!
address=
for _ in $(seq 300); do
  address=$(sed -n 's|^API on \(http://[^,]*\),.*|\1|p' "$work/log")
  if [ -n "$address" ] && curl --fail --silent --output /dev/null "$address/ready"; then break; fi
  kill -0 "$hub" 2>/dev/null || break
  sleep 0.2
done
if ! curl --fail --silent --output /dev/null "${address:-http://127.0.0.1:1}/ready"; then
  echo "the API did not become ready:" && tail -20 "$work/log"
  exit 1
fi

# Something to be found: a run, records, dead letters.
curl --fail --silent --output /dev/null "$address/api/v1/pipeline/run" \
  -H 'Content-Type: application/json' -d '{"pipeline": "orders", "sample": 500}'

# Streams do not end by themselves, so their paths are left to the tests.
code=0
# It keeps what it learnt in the folder that it runs in.
cd "$work"
timeout --kill-after=10 $((seconds + 30)) "$schemathesis" run "$address/openapi.json" \
  --exclude-path-regex '/(events|tail)$' \
  --phases examples,coverage,fuzzing \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  --max-time "$seconds" --max-examples "$examples" --max-failures 20 --request-timeout 20 --seed 7 \
  --no-color </dev/null 2>&1 | tee "$work/report" || code=${PIPESTATUS[0]}

curl --fail --silent --output /dev/null "$address/health" || { echo 'the hub is gone' && code=1; }
# As many as were tested: nothing tested is no success.
operations=$(sed -n 's/^ *Tested: \([0-9]*\)$/\1/p' "$work/report")
if [ "$code" -eq 0 ] && [ "${operations:-0}" -eq 0 ]; then code=1; fi
if [ "$code" -eq 0 ]; then
  echo "test result: ok. $operations passed; 0 failed; operations of the API, fuzzed"
else
  tail -20 "$work/log"
  echo "test result: FAILED. 0 passed; 1 failed; fuzzing of the API"
fi
exit "$code"
