#!/usr/bin/env bash
# Fuzzes the embedded broker with bytes that are no requests, for a bounded time.
#
#   fuzz.sh [SECONDS]   60 unless told otherwise
#
# libFuzzer's instrumentation is a flag that only nightly compilers take freely;
# RUSTC_BOOTSTRAP lets the project's own take it, so that no second one is needed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz
export RUSTC_BOOTSTRAP=1
cd embedded-kafka
corpus=../target/fuzz/corpus artifacts=../target/fuzz/artifacts/
mkdir -p "$corpus" "$artifacts"
# A crash is told as text as well: where this ran, its file may not be kept.
trap 'for crash in "$artifacts"*; do [ -f "$crash" ] && echo "$crash: $(base64 -w 0 "$crash")"; done' ERR
cargo fuzz run --target-dir ../target/fuzz --sanitizer none request "$corpus" -- \
  "-max_total_time=$seconds" "-artifact_prefix=$artifacts" -rss_limit_mb=2048 -print_final_stats=1 \
  2>&1 | grep -vE '^(".*" # Uses: |###### .*dictionary)'
