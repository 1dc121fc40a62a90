"""`user-api dev`: everything that it takes to try the service, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from core.config import Settings
    from handler.local.data_folder import DataFolder

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost", "0.0.0.0", "::"})  # noqa: S104  compared only


@click.command(
    short_help="Try it out: everything in one process.",
    epilog="""\b
Examples:
  user-api dev
  user-api dev --port 3001 --data /tmp/second
  DATABASE_URL=postgresql://me@localhost/mine user-api dev
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=3000,
    envvar="PORT",
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--data",
    # Whether it can be used is told by DataFolder, with its whole path.
    type=click.Path(path_type=Path, readable=False),
    default=Path(".user-api"),
    show_default=True,
    help="Folder of database, key and mails; made if missing.",
)
def dev(host: str, port: int, data: Path) -> int:
    """Start everything for development: PostgreSQL, migrations, service, worker, mail page.

    Without DATABASE_URL a PostgreSQL of its own keeps its data in the data folder. The first
    start makes keys and an administrator, and prints a one-time password. Other settings are read
    from the environment. Ctrl-C stops all of it, with exit code 0.
    """
    started = time.monotonic()
    with _ended_by_signals() as ended:
        try:
            return _run(host, port, data, started, ended)
        except _EndedBySignal:
            return 0


class _EndedBySignal(BaseException):
    """Not KeyboardInterrupt: one that passes through `exec`, with which dataclasses are made, has
    Python kill itself by SIGINT at its end, even when it was caught."""


def _run(host: str, port: int, data: Path, started: float, ended: threading.Event) -> int:
    from core.config import Settings
    from handler.listener import listen
    from handler.local.data_folder import DataFolder
    from handler.local.preparation import Preparation

    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        folder = DataFolder.open(data, database_url=os.environ.get("DATABASE_URL", ""))
        environ = _environment(folder, host=host, port=port)
        # A wrong setting is told before anything is started.
        settings = Settings.from_environ({"DATABASE_URL": "postgresql://", **environ})
        metrics = stack.enter_context(_metrics_listener(settings))
        preparation = stack.enter_context(Preparation(folder, environ, tell=click.echo))
        # Imported here, while PostgreSQL starts: it takes as long as a warm start of that.
        from handler.cli.dev_service import DevService

        environ["DATABASE_URL"] = preparation.database_url()
        service = stack.enter_context(DevService.start(environ, folder))
        if ended.is_set():
            # Python drops an exception that is raised in a callback, such as of a garbage
            # collection or an import: the signal came in one.
            raise _EndedBySignal
        return 0 if service.serve(listener, metrics=metrics, started=started) else 130


def _metrics_listener(settings: Settings) -> AbstractContextManager[socket.socket | None]:
    """On this machine only, whatever the host. Any free port, unless METRICS_PORT names one: two of
    these at once do not meet."""
    from handler.listener import listen, listen_beside

    if os.environ.get("METRICS_PORT"):
        return listen_beside("127.0.0.1", settings.metrics_port, chosen_by="METRICS_PORT")
    return listen("127.0.0.1", 0)


def _environment(folder: DataFolder, *, host: str, port: int) -> dict[str, str]:
    """The process's own, with what development needs where nothing is set."""
    shown = "localhost" if host in _THIS_MACHINE else host
    given = {name: value for name, value in os.environ.items() if value}
    return {
        "PUBLIC_URL": f"http://{f'[{shown}]' if ':' in shown else shown}:{port}",
        "MAIL_URL": folder.mail.as_uri().replace("file:", "directory:", 1),
        "MAIL_FROM": "user-api <no-reply@example.com>",
        "WORKER_POLL_INTERVAL": "0.25",
        **given,
        "SECRET_KEY": given.get("SECRET_KEY") or folder.secret_key(),
        "ENVIRONMENT": "development",
        "HOST": host,
        "PORT": str(port),
    }


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Each way to end a process is one exception, so that PostgreSQL is always stopped.

    The event tells that there was one, even if the exception got lost.
    """
    ended = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        ended.set()
        raise _EndedBySignal

    wanted = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
