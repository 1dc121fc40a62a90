"""Mails: what is sent, and who sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class SuppressionReason(StrEnum):
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class MailTemplate(StrEnum):
    VERIFY_EMAIL = "verify_email"
    CONFIRM_SIGN_UP = "confirm_sign_up"
    ALREADY_REGISTERED = "already_registered"
    RESET_PASSWORD = "reset_password"  # noqa: S105  the name of a template
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the name of a template
    ACCOUNT_DEACTIVATED = "account_deactivated"
    INVITATION = "invitation"
    EMAIL_CHANGED = "email_changed"
    CHOOSE_NEW_PASSWORD = "choose_new_password"  # noqa: S105  the name of a template


MAIL_VARIABLES: Mapping[MailTemplate, frozenset[str]] = {
    MailTemplate.VERIFY_EMAIL: frozenset({"link", "expires_minutes"}),
    MailTemplate.CONFIRM_SIGN_UP: frozenset({"link", "expires_minutes"}),
    MailTemplate.ALREADY_REGISTERED: frozenset({"reset_link"}),
    MailTemplate.RESET_PASSWORD: frozenset({"link", "expires_minutes"}),
    MailTemplate.PASSWORD_CHANGED: frozenset({"reset_link"}),
    MailTemplate.ACCOUNT_DEACTIVATED: frozenset({"erasure_days"}),
    MailTemplate.EMAIL_CHANGED: frozenset(),
    MailTemplate.INVITATION: frozenset({"link", "expires_minutes"}),
    MailTemplate.CHOOSE_NEW_PASSWORD: frozenset({"reset_link"}),
}
"""What each mail needs to be told, no more and no less.

`link` is `{base}/verify#token=...` or `{base}/reset#token=...`, `reset_link` is `{base}/reset`,
with the base from configuration only; the others are whole numbers. No text of the user's choosing:
whoever signs up with somebody else's address could send them any words.
"""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail to one address.

    `message_id` is stable over retries, so that a repeated sending can be told: 1 to 120 ASCII
    letters, digits, dots, hyphens or underscores. Raises ValueError when `variables` are not those
    of the template.
    """

    template: MailTemplate
    to: str
    message_id: str
    variables: Mapping[str, str]

    def __post_init__(self) -> None:
        wanted = MAIL_VARIABLES[self.template]
        if self.variables.keys() != wanted:
            raise ValueError(
                f"{self.template} needs {sorted(wanted)}, not {sorted(self.variables)}"
            )


class MailFailed(Exception):
    """The mail was not accepted; `permanent` when trying again cannot help (RFC 5321 section 4.2.1,
    5yz)."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Renders text and HTML parts and hands them over within the mail timeout.

        Raises MailFailed.
        """
        ...

    def check(self) -> str:
        """Goes all the way to handing over a mail, within the mail timeout, and sends none.

        Returns what was reached, in a few words without secrets. Raises MailFailed.
        """
        ...


class MailRelay(Protocol):
    """Who takes composed messages where that is no matter of SMTP."""

    def hand_over(self, *, sender: str, to: str, message: bytes) -> None:
        """Takes responsibility for the message within the mail timeout. Raises MailFailed."""
        ...

    def check(self, *, sender: str) -> str:
        """As in Mailer, for mails of this sender. Raises MailFailed."""
        ...


RelayOpener = Callable[[str, float], MailRelay]
"""From MAIL_URL and the mail timeout in seconds; connects to nothing. Raises ConfigurationError."""
