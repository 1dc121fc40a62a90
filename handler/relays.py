"""What mails go through beside SMTP, loaded where MAIL_URL names it."""

from __future__ import annotations

from core.errors import ConfigurationError
from core.ports.messaging import MailRelay


def open_relay(url: str, timeout: float) -> MailRelay:
    """Implements RelayOpener."""
    try:
        from handler.aws.mail import SesRelay
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"SES needs {error.name}: pip install 'user-api[aws]'") from None
    return SesRelay.parse(url, timeout)
