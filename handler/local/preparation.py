"""PostgreSQL and its schema, made ready in a thread while the main one imports the rest."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from core.errors import ConfigurationError
from handler.local.data_folder import DataFolder
from handler.local.postgres import LocalPostgres

_MIGRATE_SECONDS = 600.0


class Preparation:
    """Begins on entering; on leaving, all that it started is stopped, even when half ready.

    The database is that of DATABASE_URL in `environ`, else an embedded one in `folder`. Migrations
    run as a process of their own: on the second core, and outside of the memory of the service.
    """

    def __init__(
        self, folder: DataFolder, environ: Mapping[str, str], *, tell: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._tell = tell
        self._postgres: LocalPostgres | None = None
        self._migration: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._database_url = ""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="preparation", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cancelled = True
        migration = self._migration
        if migration is not None and migration.poll() is None:
            migration.terminate()
        # Both have deadlines: the start of PostgreSQL, and a migration.
        self._thread.join()
        if self._postgres is not None:
            self._postgres.stop()

    def database_url(self) -> str:
        """Waits until the database is ready; its URL for the application's role.

        Raises:
            ConfigurationError: one line on what is wrong with the folder, the database or schema.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._database_url

    def _work(self) -> None:
        try:
            self._prepare()
        except BaseException as error:  # noqa: BLE001  raised again where the result is asked for
            self._error = error

    def _prepare(self) -> None:
        environ = dict(self._environ)
        if "DATABASE_URL" not in environ:
            new = not self._folder.database.exists()
            self._tell("Making a PostgreSQL database" if new else "Starting PostgreSQL")
            if new:
                self._folder.forget_first_start()
            self._postgres = LocalPostgres.start(self._folder.database, environ=environ)
            environ["DATABASE_URL"] = self._postgres.app_url
            environ["MIGRATION_DATABASE_URL"] = self._postgres.owner_url
        self._migrate(environ)
        self._database_url = environ["DATABASE_URL"]

    def _migrate(self, environ: Mapping[str, str]) -> None:
        if self._cancelled:
            return
        self._migration = subprocess.Popen(
            [sys.executable, "-m", "handler.cli", "migrate"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # A Ctrl-C in the terminal reaches this process, which ends the other in order.
            start_new_session=True,
        )
        try:
            _, errors = self._migration.communicate(timeout=_MIGRATE_SECONDS)
        except subprocess.TimeoutExpired:
            self._migration.kill()
            self._migration.communicate()
            raise ConfigurationError(
                f"the migrations did not finish within {_MIGRATE_SECONDS:.0f} s"
            ) from None
        if self._migration.returncode != 0:
            lines = errors.strip().splitlines() or ["the migrations failed without a word"]
            raise ConfigurationError(lines[-1].removeprefix("user-api: "))
