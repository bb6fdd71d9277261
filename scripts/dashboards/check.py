#!/usr/bin/env python3
"""Runs every query of the dashboards and alert rules on ClickHouse's engine.

    check.py                   on rows made up for every instrument of docs/metrics.md
    check.py --export FILE     on what a collector received, as its file exporter wrote it

The tables and views are those of docker/clickhouse/schema.sql. Each query must
return a row; with --export those of instruments that the file has nothing of
are only named. With the sources of the collector's ClickHouse exporter at hand
(EXPORTER_SQL, its folder internal/sqltemplates), its columns are compared, too.

Needs chdb and PyYAML: make test-dashboards installs them into .dashboards. The last
line counts for .ci/run.
"""

import argparse
import glob
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import yaml
from chdb import session

from rows import exported_rows, made_up_rows

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"


def statements(text):
    """The statements of a file of SQL, without its comments."""
    text = re.sub(r"--[^\n]*", "", text)
    return [statement for statement in map(str.strip, text.split(";")) if statement]


def expand(sql, variables, until):
    """What Grafana and its ClickHouse plugin put in the place of macros and variables."""
    since = until - 3600
    sql = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 >= toDateTime({since}) AND \1 <= toDateTime({until})", sql)
    sql = re.sub(r"\$__timeInterval\(([^)]*)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", sql)
    sql = sql.replace("$__fromTime", f"toDateTime({since})").replace("$__toTime", f"toDateTime({until})")
    sql = sql.replace("$__interval_s", "60")
    for name, values in variables.items():
        quoted = ", ".join(f"'{value}'" for value in values)
        sql = sql.replace("${%s:singlequote}" % name, quoted)
        sql = sql.replace("${%s}" % name, values[0] if values else "")
    if left := re.search(r"\$[_{a-z][^\s]*", sql):
        raise ValueError(f"{left[0]} is not known here")
    return sql


class Check:
    def __init__(self, folder):
        self.session = session.Session(folder)
        self.passed, self.failed, self.empty = 0, [], []

    def rows(self, sql):
        text = str(self.session.query(sql, "JSONEachRow"))
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def query(self, place, sql, variables, until):
        try:
            rows = self.rows(expand(sql, variables, until))
        except Exception as error:  # chdb raises plain exceptions
            self.failed.append(f"{place}: {str(error).splitlines()[0][:300]}")
            return []
        if rows:
            self.passed += 1
        else:
            self.empty.append(place)
        return rows

    def schema(self):
        for statement in statements((DOCKER / "clickhouse/schema.sql").read_text()):
            self.session.query(statement)

    def exporter(self, folder):
        """Every column that the exporter inserts must be in our tables."""
        for path in sorted(glob.glob(f"{folder}/*_insert.sql")):
            name = os.path.basename(path)[: -len("_insert.sql")]
            table = {"traces": "otel_traces", "logs": "otel_logs", "metrics_exp_histogram": "otel_metrics_exponential_histogram"}
            table = table.get(name, f"otel_{name}")
            if "json" in name or "profiles" in name:
                continue
            have = {row["name"] for row in self.rows(f"DESCRIBE TABLE otel.{table}")}
            # Columns that depend on what a table has are templates.
            text = re.sub(r"\{\{.*?\}\}", "", Path(path).read_text(), flags=re.S)
            listed = re.search(r"\((.*?)\)\s*(?:VALUES|SETTINGS|FORMAT|$)", text, re.S)
            wanted = re.findall(r"[`\"]?([A-Z]\w*(?:\.\w+)?)[`\"]?", listed[1])
            missing = sorted(set(wanted) - have)
            if missing or not wanted:
                self.failed.append(f"{table} lacks {', '.join(missing) or 'all'} of the exporter's columns")
            else:
                self.passed += 1

    def insert(self, tables):
        for table, rows in tables.items():
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                file.write("\n".join(map(json.dumps, rows)))
                file.flush()
                columns = sorted({column for row in rows for column in row})
                names = ", ".join(f"`{column}`" for column in columns)
                described = {row["name"]: row["type"] for row in self.rows(f"DESCRIBE TABLE otel.{table}")}
                types = ", ".join(f"`{column}` {described[column]}" for column in columns).replace("'", "\\'")
                self.session.query(
                    f"INSERT INTO otel.{table} ({names}) SELECT {names} "
                    f"FROM file('{file.name}', JSONEachRow, '{types}')"
                )

    def dashboard(self, path, until):
        board = json.loads(path.read_text())
        variables = {}
        for variable in board["templating"]["list"]:
            rows = self.query(f"{path.name}: variable {variable['name']}", variable["query"], variables, until)
            variables[variable["name"]] = [str(next(iter(row.values()))) for row in rows]
        for panel in board["panels"]:
            for target in panel["targets"]:
                place = f"{path.name}: {panel['title']} {target['refId']}"
                rows = self.query(place, target["rawSql"], variables, until)
                if panel["title"] == "Books" and any(row["difference"] for row in rows):
                    self.failed.append(f"{place}: the books do not balance: {rows}")

    def rules(self, until):
        alerting = yaml.safe_load((DOCKER / "grafana/provisioning/alerting/rules.yaml").read_text())
        for group in alerting["groups"]:
            for rule in group["rules"]:
                asked = next(data for data in rule["data"] if data["refId"] == rule["data"][0]["refId"])
                self.query(f"rules.yaml: {rule['title']}", asked["model"]["rawSql"], {}, until)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--export", type=Path, help="a file that the collector's file exporter wrote")
    export = parser.parse_args().export
    until = int(time.time()) + 60
    with tempfile.TemporaryDirectory() as folder:
        check = Check(folder)
        check.schema()
        if exporter := os.environ.get("EXPORTER_SQL"):
            check.exporter(exporter)
        tables = exported_rows(export) if export else made_up_rows(ROOT / "docs/metrics.md", until)
        check.insert(tables)
        for path in sorted((DOCKER / "grafana/dashboards").glob("*.json")):
            check.dashboard(path, until)
        check.rules(until)
    for place in check.empty:
        print(f"no rows: {place}")
    for failure in check.failed:
        print(f"FAILED: {failure}")
    failed = len(check.failed) + (0 if export else len(check.empty))
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {check.passed} passed; {failed} failed; queries on ClickHouse's engine")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
