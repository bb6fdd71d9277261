#!/usr/bin/env bash
# Compares the SQL of stages with PostgreSQL on extreme values (scripts/differential/).
# Starts a PostgreSQL of its own, which listens on a socket only; installs it as root on
# Debian if there is none. REFUSED=1 also prints what `check` refuses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_postgres() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }
bin=$(find_postgres)
if [ -z "$bin" ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2
  apt-get install --quiet=2 --yes --no-install-recommends postgresql
  bin=$(find_postgres)
fi

cargo build --quiet --example evaluate
target=${CARGO_TARGET_DIR:-target}

dir=$(mktemp -d)
# PostgreSQL does not run as root.
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  chown postgres "$dir"
  as_owner() { setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$dir" "$@"; }
fi
stop() {
  (cd / && as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1) || true
  rm -rf "$dir"
}
trap stop EXIT
(
  cd /
  as_owner "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  as_owner "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
    -o "-c listen_addresses='' -k $dir -c fsync=off" start >/dev/null
)
python3 scripts/differential/compare.py "$target/debug/examples/evaluate" \
  "$bin/psql" -h "$dir" -U postgres -X -q -v ON_ERROR_STOP=1 -f - postgres
