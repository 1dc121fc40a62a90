"""A mail, and the mailer that is to bring it to a relay on this machine."""

from __future__ import annotations

import ssl

import pytest

from core.adapters.mail.compose import Sender
from core.adapters.mail.smtp import Security, SmtpMailer, SmtpServer
from core.ports.messaging import Mail, MailFailed, MailTemplate

SENDER = Sender.parse("Example <no-reply@example.com>")
MAIL = Mail(
    template=MailTemplate.PASSWORD_CHANGED,
    to="Ada.Lovelace@example.com",
    message_id="01890a5d-ac96-774b-bcce-b302099a8057",
    variables={"reset_link": "https://id.example.com/account/reset"},
)
TIMEOUT = 1.0
"""Seconds of MAIL_TIMEOUT where a test waits for it to pass."""


def mailer(
    port: int,
    *,
    security: Security = Security.NONE,
    login: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 30.0,
) -> SmtpMailer:
    username, password = login or (None, None)
    server = SmtpServer(
        host="127.0.0.1", port=port, security=security, username=username, password=password
    )
    return SmtpMailer(server=server, sender=SENDER, timeout=timeout, tls=tls)


def failure(sending: SmtpMailer) -> MailFailed:
    with pytest.raises(MailFailed) as caught:
        sending.send(MAIL)
    return caught.value
