"""The engines that values are compared with: a private PostgreSQL, and DuckDB."""

import base64
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import duckdb
import psycopg

from rows import COLUMNS, ROWS, Number, to_json
from values import FAILED, from_duckdb, from_json

EVALUATE = """
CREATE FUNCTION evaluate(expression text) RETURNS TABLE(row_id int, failed boolean, result text)
LANGUAGE plpgsql AS $$
BEGIN
  FOR row_id IN SELECT generate_series(0, 11) LOOP
    failed := false;
    BEGIN
      EXECUTE format('SELECT to_json((%s))::text FROM input WHERE id = %s', expression, row_id) INTO result;
    EXCEPTION WHEN OTHERS THEN
      failed := true;
      result := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END $$
"""


class Postgres:
    """A server of its own in a temporary folder, reached by a socket there."""

    def __init__(self, port):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise SystemExit("differential: no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql")
        self.bin = found[-1]
        self.folder = tempfile.mkdtemp(prefix="differential-")
        # The server refuses to run as root.
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.data = self.folder + "/data"
        self.run("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-N")
        options = f"-p {port} -k {self.folder} -c listen_addresses= -c fsync=off -c statement_timeout=20s"
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.folder + "/log", "-o", options, "start")
        self.connection = psycopg.connect(host=self.folder, port=port, user="postgres", autocommit=True)
        self.set_up()

    def run(self, program, *arguments):
        drop = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        subprocess.run([self.bin / program, *arguments], check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **drop)

    def set_up(self):
        execute = self.connection.execute
        self.version = execute("SHOW server_version").fetchone()[0]
        execute("SET TimeZone = 'UTC'")
        execute("CREATE TYPE pair AS (a bigint, b text)")
        columns = {name: column for name, column in COLUMNS.items() if column[1]}
        execute(f"CREATE TABLE input ({', '.join(f'{name} {column[1]}' for name, column in columns.items())})")
        for row in range(ROWS):
            values = {name: column[3][row] for name, column in columns.items()}
            if values["x"] is not None:
                values["x"] = "\\x" + base64.b64decode(values["x"]).hex()
            execute("INSERT INTO input SELECT * FROM json_populate_record(null::input, %s::json)", (to_json(values),))
        execute(EVALUATE)

    def evaluate(self, expression):
        rows = self.connection.execute("SELECT row_id, failed, result FROM evaluate(%s)", (expression,)).fetchall()
        values = [None] * ROWS
        for row, failed, result in rows:
            values[row] = (FAILED, result) if failed else from_json(result)
        return values

    def stop(self):
        self.connection.close()
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder)


def literal(value, kind):
    """A value in DuckDB's SQL."""
    if value is None:
        return f"CAST(NULL AS {kind})"
    if kind.startswith("MAP"):
        pairs = ", ".join(f"{quoted(key)}: {literal(item, 'BIGINT')}" for key, item in value.items())
        return f"CAST(MAP {{{pairs}}} AS {kind})"
    if kind.endswith("[]"):
        return f"CAST([{', '.join(literal(item, kind[:-2]) for item in value)}] AS {kind})"
    if kind.startswith("STRUCT"):
        return f"{{'a': {literal(value['a'], 'BIGINT')}, 'b': {literal(value['b'], 'VARCHAR')}}}"
    if kind == "BLOB":
        return f"from_base64('{value}')"
    if kind == "TIMESTAMP":
        value = value.removesuffix("Z")
    return f"CAST({quoted(str(value))} AS {kind})"


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class DuckDb:
    def __init__(self):
        self.connection = duckdb.connect(config={"threads": 1})
        self.version = duckdb.__version__
        columns = ", ".join(f"{name} {column[2]}" for name, column in COLUMNS.items())
        self.connection.execute(f"CREATE TABLE input ({columns})")
        for row in range(ROWS):
            values = ", ".join(literal(column[3][row], column[2]) for column in COLUMNS.values())
            self.connection.execute(f"INSERT INTO input VALUES ({values})")

    def evaluate(self, expression):
        try:
            rows = self.connection.execute(f"SELECT id, {expression} FROM input ORDER BY id").fetchall()
            return [from_duckdb(row[1]) for row in rows]
        except Exception:
            return [self.evaluate_row(expression, row) for row in range(ROWS)]

    def evaluate_row(self, expression, row):
        try:
            sql = f"SELECT {expression} FROM (SELECT * FROM input WHERE id = {row})"
            return from_duckdb(self.connection.execute(sql).fetchone()[0])
        except Exception as error:
            return (FAILED, str(error).splitlines()[0])
