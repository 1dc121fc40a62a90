"""Mailers: over SMTP or Amazon SES, or into a folder while developing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.adapters.mail.compose import Sender
from core.adapters.mail.directory import DirectoryMailer
from core.adapters.mail.relayed import RelayedMailer
from core.adapters.mail.smtp import SmtpMailer, SmtpServer
from core.config import Settings
from core.errors import ConfigurationError
from core.ports.messaging import Mailer, RelayOpener


def mailer_for(settings: Settings, relay: RelayOpener | None = None) -> Mailer:
    """The mailer that MAIL_URL names; nothing is connected yet.

    `relay` opens Amazon SES, which the core does not know. Raises ConfigurationError.
    """
    sender = Sender.parse(settings.mail_from)
    if settings.mail_url.startswith("directory:"):
        return DirectoryMailer(folder=_folder(settings.mail_url), sender=sender)
    if settings.mail_url.startswith("ses:"):
        if relay is None:
            raise ConfigurationError("MAIL_URL names SES, which nothing here can reach")
        opened = relay(settings.mail_url, settings.mail_timeout)
        return RelayedMailer(relay=opened, sender=sender)
    server = SmtpServer.parse(settings.mail_url)
    return SmtpMailer(server=server, sender=sender, timeout=settings.mail_timeout)


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    folder = Path(unquote(parts.path))
    if parts.netloc or not folder.is_absolute() or parts.query or parts.fragment:
        raise ConfigurationError("MAIL_URL must look like directory:///folder")
    return folder
