#!/usr/bin/env bash
# Runs a command of the hub beside the containers: where compose's Kafka runs, and
# neither the environment nor .env names another, the command works on that one.
#
#   with-compose.sh COMMAND..
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A variable of the environment, or else of .env.
value() {
  if [ -n "${!1:-}" ]; then
    echo "${!1}"
  elif [ -f .env ]; then
    sed -n "s/^$1=//p" .env | tail -1
  fi
}

port_of_kafka() {
  [ -z "$(value KAFKA_BOOTSTRAP_SERVERS)" ] || return 1
  command -v docker >/dev/null || return 1
  local address
  address=$(docker compose --profile core port kafka 19092 2>/dev/null) || return 1
  [[ $address =~ :([1-9][0-9]*)$ ]] && echo "${BASH_REMATCH[1]}"
}

if port=$(port_of_kafka); then
  export KAFKA_BOOTSTRAP_SERVERS=localhost:$port
  # In lineage the broker has one name, whoever tells.
  export LINEAGE_HUB__LINEAGE__BROKER=kafka:9092
  marquez_port=$(value MARQUEZ_PORT)
  marquez_url=$(value MARQUEZ_URL)
  export MARQUEZ_URL=${marquez_url:-http://localhost:${marquez_port:-5000}}
fi
exec "$@"
