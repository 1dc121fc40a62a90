"""Embedded servers, in this process or in one that a test kills."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg2
import pytest

from core.errors import ConfigurationError
from handler.local.postgres import LocalPostgres

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

# Starts a server, tells its pid and URL, answers the first Ctrl-C with a query, and then waits.
OWNER_PROCESS = """
import sys, time
from pathlib import Path
import psycopg2
from handler.local.postgres import LocalPostgres
database = LocalPostgres.start(Path(sys.argv[1]), settings={"fsync": "off"})
with psycopg2.connect(database.superuser_url) as connection, connection.cursor() as cursor:
    note = Path(sys.argv[1], "postmaster.pid").read_text().split("\\n")
    try:
        print(note[0], note[4], flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.5)
        cursor.execute("SELECT 'still there'")
        print(*cursor.fetchone(), flush=True)
connection.close()
database.stop()
"""


def start(data_dir: Path, **environ: str) -> LocalPostgres:
    return LocalPostgres.start(data_dir, settings=QUICK, environ={**os.environ, **environ})


def refusal(data_dir: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        start(data_dir, **environ).stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url, connect_timeout=30)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def server_process(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postmaster.pid").read_text().partition("\n")[0]))


def owner_process(data_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OWNER_PROCESS, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
