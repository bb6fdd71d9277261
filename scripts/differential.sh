#!/usr/bin/env bash
# Compares SQL expressions on rows of extreme values with PostgreSQL, and with
# DuckDB where PostgreSQL lacks the function. Arguments go to compare.py.
#
# DIFFERENTIAL_DIR  where the Python packages are kept (.differential in the project)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo 'differential.sh: PostgreSQL is missing; install it, or run this as root on Debian' >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2
  apt-get install --quiet=2 --yes --no-install-recommends postgresql
fi
dir=${DIFFERENTIAL_DIR:-.differential}
if ! "$dir/bin/python" -c 'import duckdb, psycopg' 2>/dev/null; then
  echo "installing DuckDB and psycopg into $dir (once)" >&2
  python3 -m venv "$dir"
  "$dir/bin/pip" --quiet install 'duckdb==2.0.1' 'psycopg[binary]==3.3.9'
fi
cargo build --quiet --example evaluate
exec "$dir/bin/python" scripts/differential/compare.py \
  --program "${CARGO_TARGET_DIR:-target}/debug/examples/evaluate" "$@"
