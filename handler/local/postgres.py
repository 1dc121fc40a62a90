"""An embedded PostgreSQL for `user-api dev` and for the tests: the real server, no installation."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from core.errors import ConfigurationError
from handler.local.postgres_account import account_for
from handler.local.postgres_binaries import Binaries, find_binaries
from handler.local.postgres_folder import (
    close_to_others,
    existing_major,
    initialise,
    reason,
    take_lock,
    wait_until_free,
)
from handler.local.postgres_server import PORT, Server

SUPERUSER = "postgres"
OWNER = "user_api_owner"
APPLICATION = "user_api"
DATABASE = "user_api"

_PROVISION = Path(__file__).resolve().parents[2] / "migrations" / "provision.sql"
_SCRIPT_SECONDS = 30.0
_FIRST_DATABASE = r"""
SELECT 'CREATE DATABASE user_api'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'user_api') \gexec
"""
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class LocalPostgres:
    """A running server with the database `user_api` provisioned as production's is.

    It listens only on a socket in a folder that other users cannot enter, so roles log in by name
    alone. It ends with this process, even when that is killed; Ctrl-C does not reach it.
    """

    def __init__(self, *, server: Server, binaries: Binaries, lock: int) -> None:
        self._server = server
        self._binaries = binaries
        self._lock: int | None = lock
        self.version = binaries.version
        self.superuser_url = self.url(role=SUPERUSER, database=DATABASE)
        self.owner_url = self.url(role=OWNER, database=DATABASE)
        self.app_url = self.url(role=APPLICATION, database=DATABASE)

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        deadline: float = 60.0,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Make `data_dir` if it is missing or empty, start on it, provision, and return.

        `settings` are server parameters; `deadline` is in seconds; `environ` gives PATH and
        USER_API_PG_BIN. The log is beside the folder, with the suffix `.log`.

        Raises:
            ConfigurationError: one line on what is wrong with the folder or the installation.
        """
        ends = time.monotonic() + deadline
        data_dir = data_dir.absolute().resolve()
        lock = take_lock(data_dir)
        try:
            major = existing_major(data_dir)
            binaries = find_binaries(environ, major=major)
            account = account_for(data_dir, program=binaries.folder / "postgres")
            values = dict(settings or {})
            if major is None:
                sync = values.get("fsync") != "off"
                left = max(ends - time.monotonic(), 1.0)
                initialise(data_dir, binaries=binaries, account=account, sync=sync, timeout=left)
            else:
                wait_until_free(data_dir)
                close_to_others(data_dir)
            server = Server(data_dir, binaries=binaries, account=account, settings=values)
        except BaseException:
            os.close(lock)
            raise
        database = cls(server=server, binaries=binaries, lock=lock)
        try:
            server.wait_ready(ends=ends)
            database._provision()
        except BaseException:
            database.stop()
            raise
        return database

    def url(self, *, role: str, database: str) -> str:
        """A libpq URL. The port is named, or the caller's PGPORT would choose the socket."""
        host = quote(str(self._server.sockets), safe="/")
        return f"postgresql://{quote(role)}@/{quote(database)}?host={host}&port={PORT}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """A database of the owner's with production's rights, empty or a copy of `template`.

        Raises:
            ValueError: a name is not lower case letters, digits and underscores.
            ConfigurationError: it exists, or the template is missing or in use.
        """
        copied = f" TEMPLATE {_name(template)}" if template else ""
        self._script(f"CREATE DATABASE {_name(name)}{copied};\n" + _provisioning(name))

    def drop_database(self, name: str) -> None:
        """Remove the database and end its connections; a missing one is no error."""
        self._script(f"DROP DATABASE IF EXISTS {_name(name)} WITH (FORCE);")

    def stop(self) -> None:
        """Shut down and release the folder; a second call does nothing."""
        self._server.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _provision(self) -> None:
        # On every start, so that a folder of an earlier version gets the present rights.
        self._script(_FIRST_DATABASE + _provisioning(DATABASE))

    def _script(self, sql: str) -> None:
        target = self.url(role=SUPERUSER, database="postgres")
        command = [self._binaries.program("psql"), "--no-psqlrc", "--quiet", "--tuples-only"]
        command += ["--set=ON_ERROR_STOP=1", f"--dbname={target}"]
        try:
            done = subprocess.run(  # noqa: S603 - a list of our own making, no shell
                command,
                input=sql,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=_SCRIPT_SECONDS,
                check=False,
                env={"PATH": os.defpath, "LC_ALL": "C", "PGCLIENTENCODING": "UTF8"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigurationError(f"psql could not set up the database: {error}") from error
        if done.returncode != 0:
            raise ConfigurationError(f"psql could not set up the database: {reason(done.stderr)}")


def _provisioning(database: str) -> str:
    name = _name(database)
    sql = _PROVISION.read_text(encoding="utf-8")
    return f"\\connect {name}\n{sql}\nALTER DATABASE {name} OWNER TO {OWNER};\n"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a database name: {name!r}")
    return f'"{name}"'
