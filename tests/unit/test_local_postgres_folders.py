"""A folder in which the embedded PostgreSQL cannot work is told in one line, and left alone."""

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from handler.local import postgres_binaries, postgres_folder
from handler.local.postgres import LocalPostgres
from handler.local.postgres_binaries import find_binaries
from tests.support.local_postgres import (
    QUICK,
    ask,
    owner_process,
    refusal,
    server_process,
    start,
)


def interrupted(folder: Path) -> bool:
    """Whether a first start in a new folder was killed half way, and not too late."""
    folder.mkdir()
    folder.chmod(0o755)
    owner = owner_process(folder / "db")
    ends = time.monotonic() + 60
    while not list(folder.glob("db.unfinished-*/PG_VERSION")) and not (folder / "db").exists():
        assert time.monotonic() < ends
        time.sleep(0.002)
    owner.kill()
    owner.communicate()
    return not (folder / "db").exists()


def test_an_interrupted_initdb_is_started_over(place: Path) -> None:
    """A first start that is killed half way leaves no half database behind."""
    # On a busy machine initdb may be done before it is seen at work.
    folders = (place / str(number) for number in range(10))
    folder = next(folder for folder in folders if interrupted(folder))
    with start(folder / "db") as database:
        assert ask(database.app_url, "SELECT 1") == [(1,)]
    assert sorted(each.name for each in folder.iterdir()) == ["db", "db.lock", "db.log"]


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


def test_data_and_log_are_for_their_owner_alone(place: Path) -> None:
    """They hold people's data; also where an earlier start, or somebody since, has opened them."""

    def modes() -> tuple[int, int]:
        paths = (place / "db", place / "db.log")
        data, log = (stat.S_IMODE(path.stat().st_mode) for path in paths)
        return data, log

    with start(place / "db"):
        assert modes() == (0o700, 0o600)
    (place / "db").chmod(0o750)
    (place / "db.log").chmod(0o644)
    with (place / "db.log").open() as follower:
        follower.read()
        with start(place / "db"):
            assert modes() == (0o700, 0o600)
        assert follower.read() == ""


def test_a_start_has_a_deadline(place: Path) -> None:
    """A server that is stopped before it is ready goes at once, and its folder is free again."""
    start(place / "db").stop()
    begun = time.monotonic()
    with pytest.raises(ConfigurationError, match="before the deadline"):
        LocalPostgres.start(place / "db", settings=QUICK, deadline=0)
    # A start that waits takes a minute.
    assert time.monotonic() - begun < 30
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
