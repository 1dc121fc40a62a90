"""The service of `user-api dev`: API, worker and mail page on a database that is ready."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import click

from core.bootstrap import Core, build_core, configure_logging
from core.config import Settings
from core.domain.requests import RequestContext
from core.errors import ConfigurationError, EmailTaken
from handler.asgi import run_server
from handler.local.data_folder import DataFolder
from handler.local.greeting import Greeting
from handler.local.mail_page import router as mail_page
from handler.relays import open_relay
from handler.worker import Worker

FIRST_ADMIN = "admin@example.com"


@dataclass(frozen=True)
class DevService:
    core: Core
    folder: DataFolder
    password: str | None

    @classmethod
    @contextmanager
    def start(cls, environ: Mapping[str, str], folder: DataFolder) -> Iterator[DevService]:
        """With its worker at work; both end on leaving.

        Raises:
            ConfigurationError: a setting is unusable, or the database does not answer.
        """
        settings = Settings.from_environ(environ)
        configure_logging(settings)
        core = build_core(settings, relay=open_relay)
        try:
            _check(core)
            service = cls(core, folder, _first_admin(core, folder))
            with _working(core):
                yield service
        finally:
            core.close()

    def serve(
        self, listener: socket.socket, *, metrics: socket.socket | None, started: float
    ) -> bool:
        """As `run_server`; `started` is when the start began (time.monotonic())."""
        sink = self.core.settings.mail_url.startswith("directory:")
        pages = [mail_page(self.folder.mail)] if sink else []

        def greet() -> None:
            greeting = Greeting(
                url=self.core.settings.public_url,
                listens_on=listener.getsockname()[0],
                seconds=time.monotonic() - started,
                data=self.folder.path,
                mail_page=sink,
                metrics_port=metrics.getsockname()[1] if metrics else None,
                admin=FIRST_ADMIN,
                password=self.password,
            )
            click.echo(str(greeting))

        return run_server(self.core, listener, metrics=metrics, routers=pages, on_ready=greet)


def _check(core: Core) -> None:
    if not core.storage.readiness().database:
        raise ConfigurationError(
            "the database of DATABASE_URL does not answer: check host, name and password"
        )
    # This makes the first key, so that the first login need not.
    if not core.access_tokens.jwks()["keys"]:
        raise ConfigurationError(
            "the keys in this database were made with another SECRET_KEY: set that one again"
        )


def _first_admin(core: Core, folder: DataFolder) -> str | None:
    """The one-time password, if the administrator was made now."""
    if not folder.first_start:
        return None
    try:
        _, password = core.access.create_admin(
            RequestContext(request_id="first-start"),
            email=FIRST_ADMIN,
            username=None,
            password=None,
        )
    except EmailTaken:
        password = None
    folder.remember_first_start()
    return password


@contextmanager
def _working(core: Core) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Worker(core).run, args=[stop], name="worker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # At most one mail is at work, and it has its own deadline.
        thread.join()
