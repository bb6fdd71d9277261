#!/usr/bin/env bash
# Makes .env of .env.example where there is none, and gives the API a token where
# it has none. What is there already stays.
#
#   dev-env.sh [FILE]   another file than .env
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
file=${1:-$here/.env}
setting=LINEAGE_HUB__API__TOKEN

# It holds secrets.
umask 077
[ -e "$file" ] || cat "$here/.env.example" >"$file"
if ! grep -q "^$setting=." "$file"; then
  token=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  others=$(grep -v "^$setting=" "$file" || true)
  printf '%s\n\n# Asked of every request to the API.\n%s=%s\n' "$others" "$setting" "$token" >"$file"
  echo "a token for the API is in $file" >&2
fi
