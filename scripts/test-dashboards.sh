#!/usr/bin/env bash
# Every query of the dashboards and alert rules on ClickHouse's engine, which
# comes as a Python package (chdb, 887 MB on disk). Arguments go to check.py.
#
# DASHBOARDS_DIR  where the packages are kept (.dashboards in the project)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dir=${DASHBOARDS_DIR:-.dashboards}
if ! "$dir/bin/python" -c 'import chdb, yaml' 2>/dev/null; then
  echo "installing chdb into $dir (once)" >&2
  python3 -m venv "$dir"
  "$dir/bin/pip" --quiet install 'chdb==4.4.0' 'PyYAML==6.0.4'
fi
# Where the collector was built, its exporter's statements are at hand.
if [ -z "${EXPORTER_SQL:-}" ] && command -v go >/dev/null; then
  version=$(sed -n 's/^  version: //p' scripts/collector/builder.yaml)
  module=github.com/open-telemetry/opentelemetry-collector-contrib/exporter/clickhouseexporter@v$version
  EXPORTER_SQL=$(go env GOMODCACHE)/$module/internal/sqltemplates
  if [ -d "$EXPORTER_SQL" ]; then export EXPORTER_SQL; else unset EXPORTER_SQL; fi
fi
exec "$dir/bin/python" scripts/dashboards/check.py "$@"
