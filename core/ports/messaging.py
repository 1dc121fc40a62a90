"""Mails: what is sent, and who sends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class MailTemplate(StrEnum):
    VERIFY_EMAIL = "verify_email"
    ALREADY_REGISTERED = "already_registered"
    AMBIGUOUS_REGISTRATION = "ambiguous_registration"
    RESET_PASSWORD = "reset_password"  # noqa: S105  the name of a template
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of a template
    ACCOUNT_DEACTIVATED = "account_deactivated"


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail to one address. `message_id` is stable over retries, so that a repeated sending can be told."""

    template: MailTemplate
    to: str
    message_id: str
    variables: dict[str, str]


class MailFailed(Exception):
    """The mail was not accepted; `permanent` when trying again cannot help (RFC 5321 section 4.2.1, 5yz)."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Renders text and HTML parts and hands them over within the mail timeout. Raises MailFailed."""
        ...
