"""A standby: the copy of a stopped server's folder, which takes no writes until it is promoted."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from handler.local.postgres_account import account_for
from handler.local.postgres_binaries import find_binaries
from handler.local.postgres_folder import existing_major
from handler.local.postgres_server import PORT, Server
from tests.support.storage import query

START_SECONDS = 90.0


@dataclass(frozen=True)
class Standby:
    """A server in hot standby; `log` is its own."""

    sockets: Path
    log: Path

    def url(self, role: str) -> str:
        return f"postgresql://{role}@/user_api?host={self.sockets}&port={PORT}"

    def promote(self) -> None:
        """Returns when it takes writes."""
        assert query(self.url("postgres"), "SELECT pg_promote(true, 30)") == [(True,)]

    def statements(self) -> list[str]:
        """What it was asked, where its settings have it log that."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.partition("statement: ")[2] for line in lines if "statement: " in line]


@contextmanager
def standby_of(stopped: Path, folder: Path, *, settings: Mapping[str, str]) -> Iterator[Standby]:
    """A standby in `folder`, a copy of the data folder of a server that was shut down."""
    shutil.copytree(stopped, folder)
    for copied in (folder, *folder.rglob("*")):
        owner = (stopped / copied.relative_to(folder)).stat()
        os.chown(copied, owner.st_uid, owner.st_gid)
    (folder / "standby.signal").touch()
    binaries = find_binaries(os.environ, major=existing_major(folder))
    server = Server(
        folder,
        binaries=binaries,
        account=account_for(folder, program=binaries.folder / "postgres"),
        settings={"hot_standby": "on", **settings},
    )
    standby = Standby(server.sockets, folder.with_name(folder.name + ".log"))
    try:
        _wait(standby)
        yield standby
    finally:
        server.stop()


def _wait(standby: Standby) -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            assert query(standby.url("postgres"), "SELECT pg_is_in_recovery()") == [(True,)]
            return
        except psycopg2.OperationalError:
            assert time.monotonic() < ends, standby.log.read_text(encoding="utf-8")[-4000:]
            time.sleep(0.05)
