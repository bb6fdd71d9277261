#!/usr/bin/env bash
# An empty source for every target of the manifests, so that the dependencies
# can be built without the sources. Run in the folder of the workspace.
set -euo pipefail

mkdir -p src embedded-kafka/src
echo 'fn main() {}' >src/main.rs
touch src/lib.rs embedded-kafka/src/lib.rs
# Binaries, examples and benches that a manifest names by their path.
sed -n 's/^path = "\(.*\.rs\)"$/\1/p' Cargo.toml | while read -r path; do
  mkdir -p "$(dirname "$path")"
  [ -f "$path" ] || echo 'fn main() {}' >"$path"
done
sed -n 's/^path = "\(.*\.rs\)"$/\1/p' embedded-kafka/Cargo.toml | while read -r path; do
  mkdir -p "embedded-kafka/$(dirname "$path")"
  [ -f "embedded-kafka/$path" ] || echo 'fn main() {}' >"embedded-kafka/$path"
done
