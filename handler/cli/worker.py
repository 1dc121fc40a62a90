"""`user-api worker`: delivers from the outbox and cleans up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

import click

_LOOK_SECONDS = 0.2


@click.command(
    short_help="Send mails, delete what has expired.",
    epilog="""\b
Examples:
  user-api worker
  WORKER_PORT=3001 user-api worker              with /health/live, /health/ready and /metrics
""",
)
def worker() -> None:
    """Send mails from the outbox and delete what has expired, configured by the environment.

    Any number of them may run. At SIGTERM it finishes the message at hand, hands back the others,
    and ends with exit code 0.
    """
    from core.bootstrap import build_core, configure_logging
    from handler.configuration import Configuration
    from handler.listener import listen_beside
    from handler.relays import open_relay
    from handler.side_server import side_server
    from handler.worker import Worker
    from handler.worker_health import worker_pages

    configuration = Configuration.of(os.environ)
    settings = configuration.settings()
    with ExitStack() as stack:
        listener = stack.enter_context(
            listen_beside(settings.host, settings.worker_port, chosen_by="WORKER_PORT")
        )
        configure_logging(settings)
        asked_to_stop = _note_signals()
        core = build_core(settings, logins=configuration.logins, relay=open_relay)
        stack.callback(core.close)
        loop = Worker(core)
        with side_server(listener, worker_pages(core, loop)):
            stop = threading.Event()
            thread = threading.Thread(target=loop.run, args=[stop], name="worker")
            thread.start()
            while not asked_to_stop():
                thread.join(_LOOK_SECONDS)
            stop.set()
            thread.join()


def _note_signals() -> Callable[[], bool]:
    """Whether a signal came.

    A handler must not set a threading.Event: it may have interrupted the holder of its lock.
    """
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    return lambda: bool(came)
