"""The core, for commands that run once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.bootstrap import Core


@contextmanager
def opened_core() -> Iterator[Core]:
    """With the settings of the environment, closed at the end.

    Raises:
        ConfigurationError: the settings are wrong, or the database has to be migrated first.
    """
    from core.bootstrap import build_core
    from handler.configuration import Configuration
    from handler.relays import open_relay

    # What fails is told in one line, and without a handler logging would print lines of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    configuration = Configuration.of(os.environ)
    core = build_core(configuration.settings(), logins=configuration.logins, relay=open_relay)
    try:
        _require_schema(core)
        yield core
    finally:
        core.close()


def _require_schema(core: Core) -> None:
    from core.errors import ConfigurationError

    found = core.storage.readiness()
    if found.database and not found.schema:
        raise ConfigurationError("the database is not at this version: run user-api migrate")
