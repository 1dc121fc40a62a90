"""What mails go through beside SMTP, loaded where settings name it."""

from __future__ import annotations

from collections.abc import Callable

from core.errors import ConfigurationError
from core.ports.messaging import MailRelay
from core.services.suppressions import Suppressions

ReadReports = Callable[[Callable[[], bool]], int]
"""Handles one batch of reports, until the argument turns true; returns how many there were."""


def open_relay(url: str, timeout: float) -> MailRelay:
    """Implements RelayOpener."""
    try:
        from handler.aws.mail import SesRelay
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return SesRelay.parse(url, timeout)


def open_reports(url: str | None, suppressions: Suppressions) -> ReadReports | None:
    """Reads MAIL_EVENTS_QUEUE_URL; None when there is none. Raises ConfigurationError."""
    if url is None:
        return None
    try:
        from handler.aws.mail_events import MailEvents
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return MailEvents(url, suppressions).run_once


def _missing(error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(f"mails through AWS need {error.name}: pip install 'user-api[aws]'")
