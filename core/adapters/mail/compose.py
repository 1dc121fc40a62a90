"""From a Mail to the message that travels (RFC 5322); only checked text stands in its headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from core.adapters.mail.render import render
from core.domain.addresses import EmailAddress
from core.errors import ConfigurationError, InvalidInput
from core.ports.messaging import Mail, MailFailed

# Every relay carries seven bits; 8BITMIME (RFC 6152) would have to be negotiated.
POLICY = SMTP.clone(cte_type="7bit")

_MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{1,120}")
_SENDER = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who mails come from: `service` is the display name, or the domain when there is none."""

    service: str
    address: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Sender:
        """Reads MAIL_FROM, such as `Example <no-reply@example.com>`. Raises ConfigurationError."""
        name, address = parseaddr(text)
        if not _SENDER.fullmatch(address) or not text.isprintable():
            raise ConfigurationError("MAIL_FROM must be an address such as Name <name@example.com>")
        domain = address.rpartition("@")[2]
        return cls(service=name or domain, address=address, domain=domain)


def compose(mail: Mail, sender: Sender) -> EmailMessage:
    """A multipart/alternative message, text first (RFC 2046 section 5.1.4).

    Auto-Submitted keeps vacation responders from answering (RFC 3834 section 5).

    Raises:
        MailFailed: permanent, when the address or the message id cannot stand in a header.
    """
    if not _MESSAGE_ID.fullmatch(mail.message_id):
        raise MailFailed("the message id cannot stand in a header", permanent=True)
    try:
        to = EmailAddress.parse(mail.to).value
    except InvalidInput:
        raise MailFailed("the address cannot stand in a header", permanent=True) from None
    words = render(mail.template, service=sender.service, to=to, variables=mail.variables)
    message = EmailMessage(POLICY)
    message["From"] = Address(display_name=sender.service, addr_spec=sender.address)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = words.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{mail.message_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(words.text)
    message.add_alternative(words.html, subtype="html")
    return message
